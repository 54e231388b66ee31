/* core/rpc.c: the table of pending calls.
 *
 * Calls stand in the order of asking; one timer is armed for the earliest deadline. A
 * call is taken out of the table before its asker is told, so an asker may ask again,
 * forget, or free the table from within. A freed table is kept until the walk over it
 * is over.
 *
 * Used by: the supervisor, for its fabric and machines.   Depends on: core/control.h, core/loop.h. */
#include "core/rpc.h"

#include "core/bytes.h"

#include <errno.h>
#include <string.h>

struct call {
	struct call *next;
	json_int_t id;
	nsec_t deadline, timeout_ns;
	rpc_reply_fn *fn;
	void *ctx;
};

struct rpc {
	struct loop *loop;
	struct control *control; /* borrowed; NULL: none */
	struct loop_source *timer;
	char *who;
	json_int_t last_id;
	struct call *first;
	size_t n_calls;
	unsigned depth; /* walks under way */
	bool freed;
};

static void destroy(struct rpc *r)
{
	while (r->first) {
		struct call *c = r->first;

		r->first = c->next;
		free(c);
	}
	free(r->who);
	free(r);
}

static void leave(struct rpc *r)
{
	if (--r->depth == 0 && r->freed)
		destroy(r);
}

static void arm(struct rpc *r)
{
	nsec_t at = NSEC_NEVER;

	for (const struct call *c = r->first; c; c = c->next)
		at = nsec_min(at, c->deadline);
	loop_set_timer(r->timer, at);
}

/* Takes the call at @at out and tells its asker. */
static void settle(struct rpc *r, struct call **at, json_t *reply, const char *error)
{
	struct call *c = *at;

	*at = c->next;
	r->n_calls--;
	c->fn(c->ctx, reply, error);
	free(c);
}

static void on_timer(void *ctx, nsec_t now)
{
	struct rpc *r = ctx;

	r->depth++;
	for (struct call **at = &r->first; !r->freed && *at;) {
		CLEANUP(free) char *error = NULL;

		if ((*at)->deadline > now) {
			at = &(*at)->next;
			continue;
		}
		error = str_printf("%s did not answer in %.3g s", r->who, (double)(*at)->timeout_ns / 1e9);
		settle(r, at, NULL, error);
		at = &r->first; /* the asker may have changed the table */
	}
	if (!r->freed)
		arm(r);
	leave(r);
}

int rpc_new(struct loop *loop, const char *who, struct rpc **ret_rpc)
{
	struct rpc *r = calloc(1, sizeof *r);
	int err;

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	err = loop_add_timer(loop, NSEC_NEVER, on_timer, r, &r->timer);
	if (err < 0) {
		free(r);
		return err;
	}
	r->who = str_dup(who);
	*ret_rpc = r;
	return 0;
}

struct rpc *rpc_free(struct rpc *r)
{
	if (!r)
		return NULL;
	r->timer = loop_remove(r->timer);
	r->freed = true;
	if (r->depth == 0)
		destroy(r);
	return NULL;
}

void rpc_bind(struct rpc *r, struct control *control)
{
	CLEANUP(free) char *error = NULL;

	r->control = control;
	if (control)
		return;
	error = str_printf("%s ended", r->who);
	r->depth++;
	/* What is asked from within a reply fails at once, as there is no connection. */
	while (!r->freed && r->first)
		settle(r, &r->first, NULL, error);
	if (!r->freed)
		arm(r);
	leave(r);
}

int rpc_call(struct rpc *r, json_t *msg, nsec_t timeout_ns, rpc_reply_fn *fn, void *ctx)
{
	return rpc_call_fds(r, msg, NULL, 0, timeout_ns, fn, ctx);
}

int rpc_call_fds(struct rpc *r, json_t *msg, const int *fds, int n_fds, nsec_t timeout_ns, rpc_reply_fn *fn, void *ctx)
{
	struct call *c, **end = &r->first;
	int err = r->control ? 0 : -EPIPE;

	if (err == 0 && (r->n_calls >= RPC_CALLS_MAX || control_waiting(r->control) > RPC_WAITING_MAX))
		err = -ENOBUFS;
	if (err == 0) {
		(void)json_object_set_new(msg, "id", json_integer(++r->last_id));
		err = control_send(r->control, msg, fds, n_fds);
	}
	json_decref(msg);
	if (err < 0)
		return err;
	c = calloc(1, sizeof *c);
	if (!c)
		abort();
	*c = (struct call){ .id = r->last_id, .deadline = clock_now() + timeout_ns,
			    .timeout_ns = timeout_ns, .fn = fn, .ctx = ctx };
	while (*end)
		end = &(*end)->next;
	*end = c;
	r->n_calls++;
	arm(r);
	return 0;
}

bool rpc_take(struct rpc *r, json_t *msg)
{
	json_t *id = json_object_get(msg, "id"), *ok = json_object_get(msg, "ok");
	const char *error = json_string_value(json_object_get(msg, "error"));

	if (!json_is_integer(id) || !json_is_boolean(ok))
		return false;
	for (struct call **at = &r->first; *at; at = &(*at)->next) {
		if ((*at)->id != json_integer_value(id))
			continue;
		r->depth++;
		settle(r, at, msg, json_is_true(ok) ? NULL : error ? error : "refused, without a reason");
		if (!r->freed)
			arm(r);
		leave(r);
		return true;
	}
	return true;
}

void rpc_forget(struct rpc *r, const void *ctx)
{
	for (struct call **at = &r->first; *at;) {
		struct call *c = *at;

		if (c->ctx != ctx) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		r->n_calls--;
		free(c);
	}
	arm(r);
}
