/* teams/link.c: questions to the fabric, and `muster link`.
 *
 * A question to the fabric gets a number of ours; the answer finds the client
 * by it, or nobody when the client left meanwhile. A link that goes down or up
 * is told to the machines too, whose guests see the carrier change.
 * `flap` is one call: down, and a timer that brings it up again whether or not
 * the client is still there.
 *
 * Used by: supervisor.c, serve.c, pause.c.   Depends on: teams/fabric.h's
 * control messages. */
#include "core/bytes.h"
#include "core/log.h"
#include "teams/supervisor_private.h"

#include <errno.h>
#include <string.h>

void sup_on_fabric(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	struct supervisor *sup = ctx;
	json_int_t id = json_integer_value(json_object_get(msg, "id"));

	(void)fds;
	(void)n_fds;
	if (!msg) {
		if (status < 0)
			log_error("fabric: %s", strerror(-status));
		sup->fabric = control_free(c);
		return;
	}
	for (struct fabric_call **at = &sup->fabric_calls; *at; at = &(*at)->next) {
		struct fabric_call *call = *at;

		if (call->id != id)
			continue;
		*at = call->next;
		call->fn(sup, call, msg);
		free(call);
		return;
	}
}

int sup_ask_fabric(struct supervisor *sup, json_t *msg, struct client *client, json_int_t client_id,
		   void (*fn)(struct supervisor *, struct fabric_call *, json_t *))
{
	struct fabric_call *call = calloc(1, sizeof *call);
	int r = -EPIPE;

	if (!call)
		abort();
	*call = (struct fabric_call){ .id = ++sup->fabric_next_id, .client = client,
				      .client_id = client_id, .fn = fn };
	(void)json_object_set_new(msg, "id", json_integer(call->id));
	if (sup->fabric)
		r = control_send(sup->fabric, msg, NULL, 0);
	json_decref(msg);
	if (r < 0) {
		free(call);
		return r;
	}
	call->next = sup->fabric_calls;
	sup->fabric_calls = call;
	return 0;
}

/* The fabric's answer goes to the client as it is. */
static void pass_answer(struct supervisor *sup, struct fabric_call *call, json_t *msg)
{
	const char *error = json_string_value(json_object_get(msg, "error"));

	(void)sup;
	if (!call->client)
		return;
	if (!json_is_true(json_object_get(msg, "ok"))) {
		client_fail(call->client, call->client_id, 2, "%s", error ? error : "the fabric refused");
		return;
	}
	client_ok(call->client, call->client_id, json_incref(msg));
}

static void no_answer(struct supervisor *sup, struct fabric_call *call, json_t *msg)
{
	(void)sup;
	(void)call;
	(void)msg;
}

/* ---- muster link ------------------------------------------------------------------ */

static json_t *target_json(const struct link_ref *ref, const char *what)
{
	if (ref->is_network)
		return json_pack("{s:s,s:I}", "do", what, "network", (json_int_t)ref->network);
	return json_pack("{s:s,s:I,s:I}", "do", what, "vm", (json_int_t)ref->vm, "nic",
			 (json_int_t)ref->nic);
}

static void carrier(struct supervisor *sup, const struct link_ref *ref, bool is_up)
{
	for (size_t i = 0; i < sup->n_vms; i++)
		for (size_t j = 0; j < sup->vms[i].tv->n_nics; j++) {
			const struct team_nic *nic = &sup->vms[i].tv->nics[j];
			bool is_meant = ref->is_network ? nic->network == ref->network :
							  ref->vm == i && ref->nic == j;

			if (!is_meant)
				continue;
			/* A machine that is started later meets the link as it is then. */
			sup->vms[i].nic_down[j] = !is_up;
			vm_tell(&sup->vms[i], json_pack("{s:s,s:I,s:b}", "do", "link", "nic", (json_int_t)j,
							"up", (int)is_up));
		}
}

static int set_state(struct supervisor *sup, const struct link_ref *ref, json_t *dir, bool is_up,
		     struct client *client, json_int_t id)
{
	json_t *ask = target_json(ref, "link-state");
	int r;

	if (dir)
		(void)json_object_set(ask, "dir", dir);
	(void)json_object_set_new(ask, "up", json_boolean(is_up));
	r = sup_ask_fabric(sup, ask, client, id, client ? pass_answer : no_answer);
	/* One direction that is closed is no loss of carrier. */
	if (r == 0 && !dir)
		carrier(sup, ref, is_up);
	return r;
}

struct flap {
	struct supervisor *sup;
	struct link_ref ref;
	json_t *dir; /* owned; NULL: both, which the guest sees */
	struct loop_source *timer;
};

static void flap_over(void *ctx, nsec_t now)
{
	struct flap *f = ctx;

	(void)now;
	(void)set_state(f->sup, &f->ref, f->dir, true, NULL, 0);
	f->timer = loop_remove(f->timer);
	json_decref(f->dir);
	free(f);
}

static int start_flap(struct supervisor *sup, const struct link_ref *ref, json_t *dir,
		      nsec_t duration)
{
	struct flap *f = calloc(1, sizeof *f);
	int r;

	if (!f)
		abort();
	*f = (struct flap){ .sup = sup, .ref = *ref, .dir = json_incref(dir) };
	r = loop_add_timer(sup->loop, clock_now() + duration, flap_over, f, &f->timer);
	if (r < 0) {
		json_decref(f->dir);
		free(f);
	}
	return r;
}

static int change(struct supervisor *sup, const struct link_ref *ref, const char *op, json_t *msg,
		  struct client *client, json_int_t id)
{
	json_t *dir = json_object_get(msg, "dir"), *ask;
	int r;

	if (strcmp(op, "up") == 0 || strcmp(op, "down") == 0)
		return set_state(sup, ref, dir, op[0] == 'u', client, id);
	if (strcmp(op, "flap") == 0) {
		r = start_flap(sup, ref, dir, json_integer_value(json_object_get(msg, "ns")));
		return r < 0 ? r : set_state(sup, ref, dir, false, client, id);
	}
	ask = target_json(ref, strcmp(op, "set") == 0	? "link-set" :
			       strcmp(op, "reset") == 0 ? "link-reset" :
							  "link-show");
	if (strcmp(op, "show") != 0)
		(void)json_object_set_new(ask, "dir", dir ? json_incref(dir) : json_string("both"));
	if (strcmp(op, "set") == 0)
		(void)json_object_set(ask, "set", json_object_get(msg, "set"));
	return sup_ask_fabric(sup, ask, client, id, pass_answer);
}

void sup_link(struct client *client, json_int_t id, json_t *msg)
{
	struct supervisor *sup = client->sup;
	const char *target = json_string_value(json_object_get(msg, "target"));
	const char *op = json_string_value(json_object_get(msg, "op"));
	struct link_ref ref;
	int r;

	if (!target || !op) {
		client_fail(client, id, 2, "link: target and op are needed");
		return;
	}
	if (team_link_find(sup->team, target, &ref) < 0) {
		client_fail(client, id, 3, "no network or NIC '%s' in team %s", target, sup->team->name);
		return;
	}
	r = change(sup, &ref, op, msg, client, id);
	if (r < 0)
		client_fail(client, id, 1, "the fabric cannot be asked: %s", strerror(-r));
	else if (strcmp(op, "show") != 0)
		events_emit(&sup->events, json_pack("{s:s,s:s,s:s}", "event", "link", "target", target,
						    "op", op));
}
