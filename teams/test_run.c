/* teams/test_run.c: the tests runner: checks and actions, in order.
 *
 * A check is run again while `retry` lasts; its timeout bounds each try, in
 * the guest (the supervisor ends the command). An action that fails is a
 * failed test like any other. Whoever reads the output may go away: every wait looks for that
 * too, and the run ends.
 *
 * Used by: the command test.   Depends on: client.c, test_match.c. */
#include "teams/test_run.h"

#include "teams/client.h"
#include "teams/test_match.h"

#include <errno.h>
#include <string.h>

struct runner {
	int fd;
	const struct team *team;
	struct test_outcome *o; /* of the test that runs */
	nsec_t until; /* when all must have ended */
	int reader_fd; /* -1: none */
	bool is_unread; /* nobody reads that any more */
};

/* Returns at once when nobody reads the output. */
static void wait_for(struct runner *r, nsec_t duration_ns)
{
	r->is_unread |= !client_wait_read(duration_ns, r->reader_fd);
}

static void on_part(void *ctx, json_t *msg)
{
	struct runner *r = ctx;
	const char *stream = json_string_value(json_object_get(msg, "stream"));
	json_t *data = json_object_get(msg, "data");

	if (stream && json_is_string(data))
		(void)bytes_append_base64(strcmp(stream, "stdout") == 0 ? &r->o->out : &r->o->err,
					  json_string_value(data), json_string_length(data));
}

/* Asks the supervisor. Returns its answer, or NULL with o->why set. */
static json_t *ask(struct runner *r, json_t *msg)
{
	const char *error;
	json_t *reply = NULL;
	int status = client_call_read(r->fd, msg, r->reader_fd, on_part, r, &reply);

	r->is_unread |= status == -ECANCELED;
	if (status < 0) {
		r->o->why = str_printf("the team's supervisor is gone (%s)", strerror(-status));
		return NULL;
	}
	if (client_reply_status(reply, &error) != 0) {
		r->o->why = str_dup(error);
		json_decref(reply);
		return NULL;
	}
	return reply;
}

static void try_check(struct runner *r, size_t vm)
{
	const struct team_test *t = r->o->test;
	nsec_t bound_ns = nsec_min(t->timeout_ns, nsec_max(r->until - clock_now(), 1));
	json_t *reply;

	free(r->o->why);
	r->o->why = NULL;
	bytes_done(&r->o->out);
	bytes_done(&r->o->err);
	r->o->n_tries++;
	reply = ask(r, json_pack("{s:s,s:s,s:[s,s,s],s:I}", "do", "exec", "vm",
				 r->team->vms[vm].name, "argv", "/bin/sh", "-c", t->run,
				 "timeout_ns", (json_int_t)bound_ns));
	if (!reply)
		return;
	if (json_is_true(json_object_get(reply, "timed_out")))
		r->o->why = str_printf("no end after %.3g s", (double)bound_ns / 1e9);
	else
		r->o->why = test_match(t, (int)json_integer_value(json_object_get(reply, "exit")),
				       &r->o->out, &r->o->err);
	json_decref(reply);
}

static void run_check_on(struct runner *r, size_t vm)
{
	const struct team_test *t = r->o->test;
	nsec_t until = nsec_min(clock_now() + t->retry_for_ns, r->until);

	r->o->n_tries = 0;
	while (!r->is_unread) {
		try_check(r, vm);
		if (!r->o->why || clock_now() + t->retry_every_ns > until || t->retry_for_ns == 0)
			return;
		wait_for(r, t->retry_every_ns);
	}
}

/* On each of its VMs, to the first that fails; the outcome is the last one's. */
static void run_check(struct runner *r)
{
	const struct team_test *t = r->o->test;

	for (size_t i = t->vm; i < t->vm + t->n_vms && !r->o->why; i++) {
		char *why;

		run_check_on(r, i);
		if (!r->o->why || t->n_vms == 1)
			continue;
		why = str_printf("%s: %s", r->team->vms[i].name, r->o->why);
		free(r->o->why);
		r->o->why = why;
	}
}

static bool link_op(struct runner *r, const char *op, nsec_t flap_ns)
{
	static const char *const dirs[] = { NULL, "up", "down" };
	const struct team_test *t = r->o->test;
	json_t *msg = json_pack("{s:s,s:s,s:s}", "do", "link", "target", t->link_target, "op", op);
	json_t *reply;

	if (dirs[t->link_dir])
		(void)json_object_set_new(msg, "dir", json_string(dirs[t->link_dir]));
	if (flap_ns > 0)
		(void)json_object_set_new(msg, "ns", json_integer(flap_ns));
	if (strcmp(op, "set") == 0) {
		json_t *set = json_array();

		for (size_t i = 0; i < t->n_link_set; i++)
			(void)json_array_append_new(set, json_string(t->link_set[i]));
		(void)json_object_set_new(msg, "set", set);
	}
	reply = ask(r, msg);
	json_decref(reply);
	return reply != NULL;
}

static void run_link(struct runner *r)
{
	const struct team_test *t = r->o->test;

	if (t->link_reset && !link_op(r, "reset", 0))
		return;
	if (t->n_link_set > 0 && !link_op(r, "set", 0))
		return;
	if (t->link_down && !link_op(r, "down", 0))
		return;
	if (t->link_up && !link_op(r, "up", 0))
		return;
	if (t->link_flap_ns > 0 && link_op(r, "flap", t->link_flap_ns))
		wait_for(r, t->link_flap_ns);
}

/* VMs are stopped in reverse order. */
static void run_vm_action(struct runner *r, const char *what, bool reverse)
{
	const struct team_test *t = r->o->test;

	for (size_t i = 0; i < t->n_vms && !r->o->why; i++) {
		size_t vm = t->vm + (reverse ? t->n_vms - 1 - i : i);

		json_decref(ask(r, json_pack("{s:s,s:s,s:b}", "do", what, "vm", r->team->vms[vm].name, "now", 1)));
	}
}

static void run_one(struct runner *r)
{
	if (clock_now() >= r->until) {
		r->o->why = str_dup("not run: the time for all tests (--timeout) was over");
		return;
	}
	switch (r->o->test->kind) {
	case TEST_CHECK:
		run_check(r);
		break;
	case TEST_LINK:
		run_link(r);
		break;
	case TEST_WAIT:
		wait_for(r, nsec_min(r->o->test->wait_ns, r->until - clock_now()));
		break;
	case TEST_STOP:
		run_vm_action(r, "stop", true);
		break;
	case TEST_START:
		run_vm_action(r, "start", false);
		break;
	default:
		r->o->why = str_dup("an action that is not known");
	}
}

/* The tests from @from on are not run to their end. */
static void skip(struct test_outcomes *all, const struct team *t, size_t from)
{
	for (size_t i = from; i < t->n_tests; i++) {
		struct test_outcome *o = &all->list[i];

		o->test = &t->tests[i];
		o->skipped = true;
		free(o->why);
		o->why = NULL;
		all->n_skipped++;
	}
}

int test_run_all(int fd, const struct team *t, nsec_t until, int reader_fd, test_report_fn *fn, void *ctx,
		 struct test_outcomes *ret)
{
	*ret = (struct test_outcomes){ .list = calloc(t->n_tests + 1, sizeof *ret->list),
				       .n = t->n_tests };
	if (!ret->list)
		abort();
	for (size_t i = 0; i < t->n_tests; i++) {
		struct test_outcome *o = &ret->list[i];
		struct runner r = { .fd = fd, .team = t, .o = o, .until = until, .reader_fd = reader_fd };
		nsec_t start = clock_now();

		o->test = &t->tests[i];
		wait_for(&r, 0);
		if (!r.is_unread)
			run_one(&r);
		if (r.is_unread) {
			skip(ret, t, i);
			return -EPIPE;
		}
		o->duration_ns = clock_now() - start;
		o->passed = !o->why;
		ret->n_passed += o->passed;
		if (fn)
			fn(ctx, i, o);
	}
	return 0;
}

void test_run_none(const struct team *t, const char *why, nsec_t duration_ns, struct test_outcomes *ret)
{
	static const struct team_test set_up = { .name = "set-up" };

	*ret = (struct test_outcomes){ .list = calloc(t->n_tests + 1, sizeof *ret->list),
				       .n = t->n_tests + 1,
				       .n_skipped = t->n_tests };
	if (!ret->list)
		abort();
	ret->list[0] = (struct test_outcome){ .test = &set_up, .why = str_dup(why), .duration_ns = duration_ns };
	for (size_t i = 0; i < t->n_tests; i++)
		ret->list[i + 1] = (struct test_outcome){ .test = &t->tests[i], .skipped = true };
}

void test_outcomes_done(struct test_outcomes *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->list[i].why);
		bytes_done(&o->list[i].out);
		bytes_done(&o->list[i].err);
	}
	free(o->list);
	*o = (struct test_outcomes){ 0 };
}
