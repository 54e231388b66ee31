/* teams/link.c: `muster link`.
 *
 * What is up and what is down
 * is in sup->links (teams/link_state.h): the fabric is told each word, and the
 * machines the carrier that follows, which their guests see. A flap ends by one
 * timer of the supervisor, whether or not the client is still there; `reset`
 * is about shapes and leaves what is down as it is.
 *
 * Used by: serve.c.   Depends on: calls.c, teams/fabric.h's control messages. */
#include "core/bytes.h"
#include "core/log.h"
#include "teams/supervisor_private.h"

#include <errno.h>
#include <string.h>

enum { FLAP_MAX_S = 366 * 24 * 3600 };

/* The fabric's answer goes to the client as it is. */
static void pass_answer(struct supervisor *sup, struct fabric_call *call, json_t *msg)
{
	const char *error = json_string_value(json_object_get(msg, "error"));
	json_t *status = json_object_get(msg, "status");

	(void)sup;
	if (!call->client)
		return;
	if (!json_is_true(json_object_get(msg, "ok"))) {
		client_fail(call->client, call->client_id, status ? (int)json_integer_value(status) : 2, "%s", error ? error : "the fabric refused");
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

/* Tells the machines what follows for their NICs. A machine that knows already does nothing. */
static void carrier(struct supervisor *sup, const struct link_ref *ref)
{
	for (size_t i = 0; i < sup->n_vms; i++)
		for (size_t j = 0; j < sup->vms[i].tv->n_nics; j++) {
			bool is_meant = ref->is_network ? sup->vms[i].tv->nics[j].network == ref->network :
							  ref->vm == i && ref->nic == j;

			if (is_meant)
				vm_tell(&sup->vms[i], json_pack("{s:s,s:I,s:b}", "do", "link", "nic",
								(json_int_t)j, "up",
								(int)link_states_carrier(sup->links, i, j)));
		}
}

static json_t *state_json(const struct link_ref *ref, enum link_dir dir, bool is_up)
{
	json_t *ask = target_json(ref, "link-state");

	if (dir != LINK_BOTH)
		(void)json_object_set_new(ask, "dir", json_string(dir == LINK_UP ? "up" : "down"));
	(void)json_object_set_new(ask, "up", json_boolean(is_up));
	return ask;
}

static void emit_flap_end(struct supervisor *sup, const struct link_ref *ref, enum link_dir dir)
{
	const struct team *t = sup->team;
	CLEANUP(free) char *target = ref->is_network ? str_dup(t->networks[ref->network].name) :
						       str_printf("%s.%s", t->vms[ref->vm].name,
								  t->vms[ref->vm].nics[ref->nic].name);
	json_t *event = json_pack("{s:s,s:s,s:s}", "event", "link", "target", target, "op", "flap-end");

	if (dir != LINK_BOTH)
		(void)json_object_set_new(event, "dir", json_string(dir == LINK_UP ? "up" : "down"));
	events_emit(&sup->events, event);
}

static void on_flaps(void *ctx, nsec_t now)
{
	struct supervisor *sup = ctx;
	struct link_ref ref;
	enum link_dir dir;

	while (link_states_expire(sup->links, now, &ref, &dir)) {
		json_t *ask = state_json(&ref, dir, true);

		(void)json_object_set_new(ask, "flap", json_true());
		(void)sup_ask_fabric(sup, ask, NULL, 0, no_answer);
		carrier(sup, &ref);
		emit_flap_end(sup, &ref, dir);
	}
	loop_set_timer(sup->flap_timer, link_states_next(sup->links));
}

int sup_make_links(struct supervisor *sup, char **ret_why)
{
	int r = link_states_new(sup->team, &sup->links);

	if (r == 0)
		r = loop_add_timer(sup->loop, NSEC_NEVER, on_flaps, sup, &sup->flap_timer);
	if (r < 0)
		*ret_why = str_printf("links: %s", strerror(-r));
	return r;
}

static int say(struct supervisor *sup, const struct link_ref *ref, enum link_dir dir,
	       enum link_word word, nsec_t for_ns, struct client *client, json_int_t id)
{
	int r = sup_ask_fabric(sup, state_json(ref, dir, word == LINK_WORD_UP), client, id, pass_answer);

	if (r < 0)
		return r;
	link_states_say(sup->links, ref, dir, word, clock_now() + for_ns);
	loop_set_timer(sup->flap_timer, link_states_next(sup->links));
	carrier(sup, ref);
	return 0;
}

static enum link_dir dir_of(json_t *dir)
{
	const char *text = json_string_value(dir);

	return !text || strcmp(text, "both") == 0 ? LINK_BOTH : strcmp(text, "up") == 0 ? LINK_UP : LINK_DOWN;
}

static int change(struct supervisor *sup, const struct link_ref *ref, const char *op, json_t *msg,
		  struct client *client, json_int_t id)
{
	static const char *const words[LINK_WORD_COUNT] = {
		[LINK_WORD_UP] = "up", [LINK_WORD_DOWN] = "down", [LINK_WORD_FLAP] = "flap",
	};
	json_t *dir = json_object_get(msg, "dir"), *ask;

	for (enum link_word w = 0; w < LINK_WORD_COUNT; w++)
		if (strcmp(op, words[w]) == 0)
			return say(sup, ref, dir_of(dir), w, json_integer_value(json_object_get(msg, "ns")), client,
				   id);
	ask = target_json(ref, strcmp(op, "set") == 0	? "link-set" :
			       strcmp(op, "reset") == 0 ? "link-reset" :
							  "link-show");
	if (strcmp(op, "show") != 0)
		(void)json_object_set_new(ask, "dir", dir ? json_incref(dir) : json_string("both"));
	if (strcmp(op, "set") == 0)
		(void)json_object_set(ask, "set", json_object_get(msg, "set"));
	return sup_ask_fabric(sup, ask, client, id, pass_answer);
}

/* What was asked, with its values. */
static void emit(struct supervisor *sup, const char *target, const char *op, json_t *msg)
{
	json_t *event = json_pack("{s:s,s:s,s:s}", "event", "link", "target", target, "op", op);
	static const char *const values[] = { "dir", "set", "ns" };

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		if (json_object_get(msg, values[i]))
			(void)json_object_set(event, values[i], json_object_get(msg, values[i]));
	events_emit(&sup->events, event);
}

static bool flap_is_sane(json_t *msg)
{
	json_int_t ns = json_integer_value(json_object_get(msg, "ns"));

	return ns > 0 && ns <= FLAP_MAX_S * NSEC_PER_SEC;
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
	if (strcmp(op, "flap") == 0 && !flap_is_sane(msg)) {
		client_fail(client, id, 2, "flap: a time from 1 ns to a year is needed");
		return;
	}
	if (team_link_find(sup->team, target, &ref) < 0) {
		CLEANUP(free) char *group = team_group_str(sup->team, target);

		if (group)
			client_fail(client, id, 3, "%s", group);
		else
			client_fail(client, id, 3, "no network or NIC '%s' in team %s", target, sup->team->name);
		return;
	}
	r = change(sup, &ref, op, msg, client, id);
	if (r < 0)
		client_fail(client, id, 1, "the fabric cannot be asked: %s", strerror(-r));
	else if (strcmp(op, "show") != 0)
		emit(sup, target, op, msg);
}
