/* core/verb.c: a request checked against its table of verbs, and handed to its handler.
 *
 * A handler behind it reads an argument as what it is, or finds none. Keys nobody knows are
 * refused, so that a mistyped one is no default. Descriptors that a verb does not take are refused
 * as the argument "fds" nobody knows, and closed by core/control.c.
 *
 * Used by: teams/serve.c, fabric/requests.c, vmm/machine_io.c.   Depends on: core/bytes.h, core/control.h, core/escape.h. */
#include "core/verb.h"

#include "core/escape.h"

#include <errno.h>
#include <string.h>

static const char *const kind_names[] = {
	[VERB_STRING] = "a string",
	[VERB_INTEGER] = "an integer",
	[VERB_U32] = "an integer of 0 to 2^32 - 1",
	[VERB_U56] = "an integer of 0 to 2^56",
	[VERB_BOOLEAN] = "a boolean",
	[VERB_STRINGS] = "an array of strings",
	[VERB_OBJECT] = "an object",
};
_Static_assert(sizeof kind_names / sizeof *kind_names == VERB_KIND_COUNT, "one name a kind");

static bool are_strings(const json_t *array)
{
	const json_t *v;
	size_t i;

	json_array_foreach(array, i, v)
		if (!json_is_string(v))
			return false;
	return json_is_array(array);
}

static bool is_up_to(const json_t *v, json_int_t max)
{
	return json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= max;
}

static bool is_of(const json_t *v, enum verb_kind kind)
{
	switch (kind) {
	case VERB_STRING:
		return json_is_string(v);
	case VERB_INTEGER:
		return json_is_integer(v);
	case VERB_U32:
		return is_up_to(v, UINT32_MAX);
	case VERB_U56:
		return is_up_to(v, VERB_U56_MAX);
	case VERB_BOOLEAN:
		return json_is_boolean(v);
	case VERB_STRINGS:
		return are_strings(v);
	case VERB_OBJECT:
		return json_is_object(v);
	case VERB_KIND_COUNT:
		break;
	}
	return false;
}

static const struct verb_arg *find(const struct verb_arg *args, const char *name)
{
	while (args->name && strcmp(args->name, name) != 0)
		args++;
	return args->name ? args : NULL;
}

static const char *missing(const json_t *msg, const struct verb_arg *args)
{
	for (; args->name; args++)
		if (args->is_needed && !json_object_get(msg, args->name))
			return args->name;
	return NULL;
}

int verb_check(const json_t *msg, const struct verb_arg *common, const struct verb_arg *own, char **ret_why)
{
	const char *key, *lacks = missing(msg, common);
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)msg, key, value) {
		const struct verb_arg *a = find(own, key);

		if (!a)
			a = find(common, key);
		if (strcmp(key, "do") == 0 || (a && is_of(value, a->kind)))
			continue;
		*ret_why = a ? str_printf("'%s' is not %s", key, kind_names[a->kind]) :
			       str_printf("unknown argument '%.64s'", key);
		return -EPROTO;
	}
	if (!lacks)
		lacks = missing(msg, own);
	if (!lacks)
		return 0;
	*ret_why = str_printf("'%s' is needed", lacks);
	return -EPROTO;
}

/* ---- answers -------------------------------------------------------------------- */

/* @body: taken over; may be NULL. */
static json_t *ok_json(json_int_t id, json_t *body)
{
	json_t *msg = body ? json_copy(body) : json_object();

	json_decref(body);
	(void)json_object_set_new(msg, "id", json_integer(id));
	(void)json_object_set_new(msg, "ok", json_true());
	return msg;
}

static json_t *fail_json(json_int_t id, int status, const char *text)
{
	CLEANUP(free) char *harmless = escape_str(text); /* what is no UTF-8 would be no answer */

	return json_pack("{s:I,s:b,s:i,s:s}", "id", id, "ok", 0, "status", status, "error", harmless);
}

/* @msg: taken over. */
static void send_to(struct control *control, json_t *msg)
{
	if (control)
		(void)control_send(control, msg, NULL, 0);
	json_decref(msg);
}

/* @msg: taken over. */
static void send_answer(struct verb_call *call, json_t *msg)
{
	if (call->table->is_quiet && !json_object_get(call->msg, "id")) {
		json_decref(msg);
	} else if (call->answer) {
		call->answer(call->answer_ctx, msg);
		json_decref(msg);
	} else {
		send_to(call->control, msg);
	}
}

void verb_answer(struct verb_call *call, json_t *body)
{
	send_answer(call, ok_json(call->id, body));
}

void verb_refuse(struct verb_call *call, int status, const char *text)
{
	send_answer(call, fail_json(call->id, status, text));
}

void verb_ok(struct control *control, json_int_t id, json_t *body)
{
	send_to(control, ok_json(id, body));
}

void verb_fail(struct control *control, json_int_t id, int status, const char *text)
{
	send_to(control, fail_json(id, status, text));
}

/* ---- the dispatcher --------------------------------------------------------------- */

static const struct verb *find_verb(const struct verb_table *t, const char *name)
{
	for (size_t i = 0; name && i < t->n_verbs; i++)
		if (strcmp(t->verbs[i].name, name) == 0)
			return &t->verbs[i];
	return NULL;
}

/* Takes the claim of the descriptors out of the message: n_fds says it. */
static int check_fds(struct verb_call *call, char **ret_why)
{
	if (call->verb->fds_max == 0)
		return 0;
	(void)json_object_del(call->msg, "fds");
	if (call->n_fds <= call->verb->fds_max)
		return 0;
	*ret_why = str_printf("%d descriptors came, at most %d are taken", call->n_fds, call->verb->fds_max);
	return -EPROTO;
}

/* Returns 0, or the exit status of a refusal with its reason. */
static int check_call(const struct verb_table *t, struct verb_call *call, char **ret_why)
{
	CLEANUP(free) char *why = NULL;
	const char *name = json_string_value(json_object_get(call->msg, "do"));

	call->verb = find_verb(t, name);
	if (!call->verb) {
		*ret_why = str_printf("unknown request '%.64s'", name ? name : "");
		return VERB_REFUSED;
	}
	if (check_fds(call, &why) < 0 || verb_check(call->msg, t->common, call->verb->args, &why) < 0) {
		*ret_why = str_printf("%s: %s", name, why);
		return VERB_REFUSED;
	}
	return t->admit ? t->admit(call, ret_why) : 0;
}

bool verb_dispatch(const struct verb_table *t, struct verb_call *call)
{
	CLEANUP(free) char *why = NULL;
	int status;

	call->table = t;
	call->id = json_integer_value(json_object_get(call->msg, "id"));
	status = check_call(t, call, &why);
	if (status == 0) {
		call->verb->fn(call);
		return true;
	}
	if (call->n_refused)
		(*call->n_refused)++;
	verb_refuse(call, status, why ? why : "refused");
	return false;
}

/* ---- docs/protocol.md -------------------------------------------------------------- */

static void print_args(const struct verb_arg *a, struct bytes *out)
{
	for (bool is_first = true; a->name; a++, is_first = false)
		bytes_printf(out, "%s`%s`: %s%s", is_first ? "" : "; ", a->name, kind_names[a->kind],
			     a->is_needed ? "" : " (optional)");
}

void verb_print(const struct verb_table *t, struct bytes *out)
{
	bytes_printf(out, "## %s\n\nEvery verb may have ", t->who);
	print_args(t->common, out);
	bytes_printf(out, ".%s\n\n| verb | what it does | arguments | descriptors |\n|---|---|---|---|\n",
		     t->is_quiet ? " A request without an `id` gets no answer." : "");
	for (size_t i = 0; i < t->n_verbs; i++) {
		bytes_printf(out, "| `%s` | %s | ", t->verbs[i].name, t->verbs[i].does);
		print_args(t->verbs[i].args, out);
		bytes_printf(out, "%s | %d |\n", t->verbs[i].args[0].name ? "" : "none", t->verbs[i].fds_max);
	}
}
