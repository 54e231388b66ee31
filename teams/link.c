/* teams/link.c: `muster link`.
 *
 * What is up and what is down is in sup->links (fabric/link_state.h): the fabric is told each word, and the
 * machines the carrier that follows, which their guests see. A flap ends by one
 * timer of the supervisor, whether or not the client is still there; `reset`
 * is about shapes and leaves what is down as it is.
 *
 * What a link is like is in sup->shapes (teams/link_shapes.h); the fabric is sent whole shapes as
 * JSON. What it shows of a link gets its text here, in a team file's words.
 *
 * Used by: serve.c, supervisor.c.   Depends on: answer.c, calls.c, fabric/requests.h. */
#include "teams/link.h"

#include "core/bytes.h"
#include "core/log.h"
#include "teams/answer.h"
#include "teams/calls.h"

#include <errno.h>
#include <string.h>

enum { FLAP_MAX_S = 366 * 24 * 3600, SETS_MAX = 64 };

/* Adds each link's shape as people read it. */
static void put_texts(json_t *answer)
{
	json_t *link;
	size_t i;

	json_array_foreach(json_object_get(answer, "links"), i, link) {
		CLEANUP(free) char *text = NULL;
		struct shape_dir shape;

		if (shape_dir_from_json(json_object_get(link, "shape"), &shape) < 0)
			continue;
		text = shape_dir_str(&shape);
		(void)json_object_set_new(link, "text", json_string(text));
	}
}

/* The fabric's answer goes to the client. */
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
	put_texts(msg);
	client_ok(call->client, call->client_id, json_incref(msg));
}

static void no_answer(struct supervisor *sup, struct fabric_call *call, json_t *msg)
{
	(void)sup;
	(void)call;
	(void)msg;
}

/* ---- muster link ------------------------------------------------------------------ */

static json_t *target_json(const struct fabric_ref *ref, const char *what)
{
	return json_pack("{s:s,s:I}", "do", what, ref->is_network ? "network" : "port", (json_int_t)ref->index);
}

/* Tells the machines what follows for their NICs. A machine that knows already does nothing. */
static void carrier(struct supervisor *sup, const struct link_ref *ref)
{
	size_t port = 0;

	for (size_t i = 0; i < sup->n_vms; i++)
		for (size_t j = 0; j < sup->vms[i].tv->n_nics; j++, port++) {
			bool is_meant = ref->is_station ? false :
					ref->is_network ? sup->vms[i].tv->nics[j].network == ref->network :
							  ref->vm == i && ref->nic == j;

			if (is_meant)
				vm_tell(&sup->vms[i], json_pack("{s:s,s:I,s:b}", "do", "link", "nic",
								(json_int_t)j, "up",
								(int)link_states_carrier(sup->links, port)));
		}
}

static json_t *state_json(const struct fabric_ref *ref, enum link_dir dir, bool is_up)
{
	json_t *ask = target_json(ref, "link-state");

	if (dir != LINK_BOTH)
		(void)json_object_set_new(ask, "dir", json_string(dir == LINK_UP ? "up" : "down"));
	(void)json_object_set_new(ask, "up", json_boolean(is_up));
	return ask;
}

static void emit_flap_end(struct supervisor *sup, const struct link_ref *ref, enum link_dir dir)
{
	const char *target = ref->is_network ? sup->team->networks[ref->network].name :
					       sup->plan->ports[fabric_plan_ref(sup->team, ref).index].name;
	json_t *event = json_pack("{s:s,s:s,s:s}", "event", "link", "target", target, "op", "flap-end");

	if (dir != LINK_BOTH)
		(void)json_object_set_new(event, "dir", json_string(dir == LINK_UP ? "up" : "down"));
	events_emit(&sup->events, event);
}

static void on_flaps(void *ctx, nsec_t now)
{
	struct supervisor *sup = ctx;
	struct fabric_ref expired;
	enum link_dir dir;

	while (link_states_expire(sup->links, now, &expired, &dir)) {
		struct link_ref ref = fabric_plan_link(sup->team, &expired);
		json_t *ask = state_json(&expired, dir, true);

		(void)json_object_set_new(ask, "flap", json_true());
		(void)sup_ask_fabric(sup, ask, NULL, 0, no_answer);
		carrier(sup, &ref);
		emit_flap_end(sup, &ref, dir);
	}
	loop_set_timer(sup->flap_timer, link_states_next(sup->links));
}

int sup_make_links(struct supervisor *sup, char **ret_why)
{
	int r = fabric_plan_new(sup->team, &sup->plan);

	if (r == 0)
		r = link_states_new(sup->plan, &sup->links);
	if (r == 0)
		r = link_shapes_new(sup->team, &sup->shapes);
	if (r == 0)
		r = loop_add_timer(sup->loop, NSEC_NEVER, on_flaps, sup, &sup->flap_timer);
	if (r < 0)
		*ret_why = str_printf("links: %s", strerror(-r));
	return r;
}

static int say(struct supervisor *sup, const struct link_ref *ref, enum link_dir dir,
	       enum link_word word, nsec_t for_ns, struct client *client, json_int_t id)
{
	struct fabric_ref at = fabric_plan_ref(sup->team, ref);
	int r = sup_ask_fabric(sup, state_json(&at, dir, word == LINK_WORD_UP), client, id, pass_answer);

	if (r < 0)
		return r;
	link_states_say(sup->links, &at, dir, word, clock_now() + for_ns);
	loop_set_timer(sup->flap_timer, link_states_next(sup->links));
	carrier(sup, ref);
	return 0;
}

static enum link_dir dir_of(json_t *dir)
{
	const char *text = json_string_value(dir);

	return !text || strcmp(text, "both") == 0 ? LINK_BOTH : strcmp(text, "up") == 0 ? LINK_UP : LINK_DOWN;
}

/* Adds the shapes that @ref has by now to a request, for the directions that are meant. */
static void put_shapes(struct supervisor *sup, const struct link_ref *ref, enum link_dir dir, json_t *ask)
{
	if (dir != LINK_DOWN)
		(void)json_object_set_new(ask, "up", shape_dir_json(link_shapes_get(sup->shapes, ref, LINK_UP)));
	if (dir != LINK_UP)
		(void)json_object_set_new(ask, "down", shape_dir_json(link_shapes_get(sup->shapes, ref, LINK_DOWN)));
}

/* Returns 0; -EINVAL when @set is no list of strings, or one of them is refused.
 * @ret_why: why; the caller frees it. */
static int set_shapes(struct supervisor *sup, const struct link_ref *ref, enum link_dir dir, json_t *set, char **ret_why)
{
	const char *sets[SETS_MAX];
	size_t n = json_array_size(set);
	bool is_sound = json_is_array(set) && n <= SETS_MAX;

	for (size_t i = 0; is_sound && i < n; i++) {
		sets[i] = json_string_value(json_array_get(set, i));
		is_sound = sets[i];
	}
	if (!is_sound) {
		*ret_why = str_printf("set is a list of KEY=VALUE");
		return -EINVAL;
	}
	return link_shapes_set(sup->shapes, ref, dir, sets, n, ret_why);
}

/* `link show`, `set` and `reset`. Returns 0; -ECANCELED, and the client was told why; another -errno. */
static int ask_shapes(struct supervisor *sup, const struct link_ref *ref, const char *op, json_t *msg,
		      struct client *client, json_int_t id)
{
	struct fabric_ref at = fabric_plan_ref(sup->team, ref);
	json_t *dir = json_object_get(msg, "dir"), *ask;
	CLEANUP(free) char *why = NULL;

	if (strcmp(op, "set") == 0 && set_shapes(sup, ref, dir_of(dir), json_object_get(msg, "set"), &why) < 0) {
		client_fail(client, id, 2, "%s", why);
		return -ECANCELED;
	}
	ask = target_json(&at, strcmp(op, "set") == 0	? "link-set" :
			       strcmp(op, "reset") == 0 ? "link-reset" :
							  "link-show");
	if (strcmp(op, "show") != 0)
		(void)json_object_set_new(ask, "dir", dir ? json_incref(dir) : json_string("both"));
	if (strcmp(op, "set") == 0)
		put_shapes(sup, ref, dir_of(dir), ask);
	if (strcmp(op, "reset") == 0)
		link_shapes_reset(sup->shapes, ref, dir_of(dir));
	return sup_ask_fabric(sup, ask, client, id, pass_answer);
}

static int change(struct supervisor *sup, const struct link_ref *ref, const char *op, json_t *msg,
		  struct client *client, json_int_t id)
{
	static const char *const words[LINK_WORD_COUNT] = {
		[LINK_WORD_UP] = "up", [LINK_WORD_DOWN] = "down", [LINK_WORD_FLAP] = "flap",
	};

	for (enum link_word w = 0; w < LINK_WORD_COUNT; w++)
		if (strcmp(op, words[w]) == 0)
			return say(sup, ref, dir_of(json_object_get(msg, "dir")), w,
				   w == LINK_WORD_FLAP ? json_integer_value(json_object_get(msg, "ns")) : 0, client,
				   id);
	return ask_shapes(sup, ref, op, msg, client, id);
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
			client_fail(client, id, 3, "no network or NIC '%s' in team %s", target,
				    sup->team->name);
		return;
	}
	r = change(sup, &ref, op, msg, client, id);
	if (r == -ECANCELED)
		return;
	if (r < 0)
		client_fail(client, id, 1, "the fabric cannot be asked: %s", strerror(-r));
	else if (strcmp(op, "show") != 0)
		emit(sup, target, op, msg);
}
