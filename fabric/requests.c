/* fabric/requests.c: the fabric's side of its control protocol.
 *
 * A request is checked whole before anything is done; what is wrong with it is
 * the answer's "error". The form is in fabric/process.h.
 *
 * Used by: fabric/process.c.   Depends on: core/shape.h. */
#include "fabric/fabric.h"

#include <errno.h>
#include <string.h>

static json_t *answer_ok(json_t *msg)
{
	json_t *a = json_pack("{s:b}", "ok", 1);
	json_t *id = json_object_get(msg, "id");

	if (id)
		json_object_set(a, "id", id);
	return a;
}

static json_t *answer_error(json_t *msg, const char *text)
{
	json_t *a = answer_ok(msg);

	json_object_set_new(a, "ok", json_false());
	json_object_set_new(a, "error", json_string(text));
	return a;
}

/* A member that counts things. Returns 0; -ENOENT when absent; -EINVAL. */
static int get_index(json_t *msg, const char *key, size_t *ret_index)
{
	json_t *j = json_object_get(msg, key);

	if (!j)
		return -ENOENT;
	if (!json_is_integer(j) || json_integer_value(j) < 0)
		return -EINVAL;
	*ret_index = (size_t)json_integer_value(j);
	return 0;
}

/* Reads what the request is about. Returns NULL, or what is wrong. */
static const char *get_target(const struct fabric *f, json_t *msg, struct fabric_target *ret_target)
{
	struct fabric_target t = { .dir = LINK_BOTH };
	const char *dir = json_string_value(json_object_get(msg, "dir"));
	int r = get_index(msg, "network", &t.ref.index);

	t.ref.is_network = r == 0;
	if (r == -EINVAL || (r < 0 && get_index(msg, "port", &t.ref.index) < 0))
		return "the request names neither a network nor a port";
	if (dir && strcmp(dir, "up") == 0)
		t.dir = LINK_UP;
	else if (dir && strcmp(dir, "down") == 0)
		t.dir = LINK_DOWN;
	else if (dir && strcmp(dir, "both") != 0)
		return "dir is up, down or both";
	if (fabric_target_check(f, &t) < 0)
		return "no such network or port";
	*ret_target = t;
	return NULL;
}

static json_t *link_show(struct fabric *f, json_t *msg, const struct fabric_target *t, nsec_t now)
{
	json_t *a = answer_ok(msg);

	json_object_set_new(a, "links", fabric_link_show(f, t, now));
	return a;
}

static json_t *link_set(struct fabric *f, json_t *msg, const struct fabric_target *t, nsec_t now)
{
	struct shape_dir up = { 0 }, down = { 0 };

	if (t->dir != LINK_DOWN && shape_dir_from_json(json_object_get(msg, "up"), &up) < 0)
		return answer_error(msg, "up is no shape");
	if (t->dir != LINK_UP && shape_dir_from_json(json_object_get(msg, "down"), &down) < 0)
		return answer_error(msg, "down is no shape");
	fabric_link_set(f, t, &up, &down, now);
	return link_show(f, msg, t, now);
}

static json_t *link_reset(struct fabric *f, json_t *msg, const struct fabric_target *t, nsec_t now)
{
	fabric_link_reset(f, t, now);
	return link_show(f, msg, t, now);
}

static json_t *link_state(struct fabric *f, json_t *msg, const struct fabric_target *t, nsec_t now)
{
	json_t *up = json_object_get(msg, "up"), *flap = json_object_get(msg, "flap");

	if (!json_is_boolean(up) || (flap && !json_is_boolean(flap)))
		return answer_error(msg, "up and flap are true or false");
	fabric_link_state(f, t, json_is_true(up), json_is_true(flap), now);
	return answer_ok(msg);
}

static const struct {
	const char *name;
	json_t *(*fn)(struct fabric *f, json_t *msg, const struct fabric_target *t, nsec_t now);
} link_verbs[] = {
	{ "link-show", link_show },
	{ "link-set", link_set },
	{ "link-reset", link_reset },
	{ "link-state", link_state },
};

json_t *fabric_request(struct fabric *f, json_t *msg, nsec_t real, bool *ret_quit)
{
	const char *verb = json_string_value(json_object_get(msg, "do"));
	nsec_t now = fabric_time(f, real);
	struct fabric_target t;
	const char *wrong;

	if (!verb)
		return answer_error(msg, "the request has no \"do\"");
	(void)fabric_step(f, now); /* what is due comes before the change */
	for (size_t i = 0; i < sizeof link_verbs / sizeof link_verbs[0]; i++) {
		if (strcmp(verb, link_verbs[i].name) != 0)
			continue;
		wrong = get_target(f, msg, &t);
		return wrong ? answer_error(msg, wrong) : link_verbs[i].fn(f, msg, &t, now);
	}
	if (strcmp(verb, "counters") == 0) {
		json_t *a = answer_ok(msg), *c = fabric_counters(f, now);

		json_object_update(a, c);
		json_decref(c);
		return a;
	}
	if (strcmp(verb, "pause") == 0)
		fabric_pause(f, real);
	else if (strcmp(verb, "resume") == 0)
		fabric_resume(f, real);
	else if (strcmp(verb, "quit") == 0)
		*ret_quit = true;
	else
		return answer_error(msg, "unknown request");
	return answer_ok(msg);
}
