/* tests/fabric/asking.c: a fabric that is asked without a process. */
#include "tests/fabric/asking.h"

struct answers {
	json_t *last;
	unsigned n;
};

static void keep(void *ctx, json_t *answer)
{
	struct answers *a = ctx;

	json_decref(a->last);
	a->last = json_incref(answer);
	a->n++;
}

json_t *asking(struct fabric *fabric, struct fabric_asked *asked, const char *request, int fd, nsec_t real)
{
	struct fabric_asked own = { .fabric = fabric };
	struct answers answers = { 0 };
	struct verb_call call = { .answer = keep,
				  .answer_ctx = &answers,
				  .msg = json_loads(request, 0, NULL),
				  .fds = &fd,
				  .n_fds = fd >= 0 };

	if (!asked)
		asked = &own;
	asked->real = real;
	if (call.msg)
		fabric_request(asked, &call);
	json_decref(call.msg);
	if (answers.n == 1)
		return answers.last;
	json_decref(answers.last);
	return NULL;
}
