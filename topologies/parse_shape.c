/* topologies/parse_shape.c: a shape as the team file writes it.
 *
 * The order in which keys are written does not matter: the preset comes first,
 * then the keys for both directions, then `up` and `down`.
 *
 * Used by: parse_network.c, parse_nic.c, parse_test.c.   Depends on: shape.h.
 * Sources: team-file(5). */
#include "topologies/keys.h"
#include "topologies/shape.h"
#include "topologies/suggest.h"

#include "core/bytes.h"

#include <string.h>

static const struct preset *want_preset(struct load *l, const struct node *n)
{
	const struct preset *p;
	char buf[96];

	if (!want_text(l, n, "a preset's name"))
		return NULL;
	p = preset_find(n->text);
	if (!p)
		load_error(l, &n->place, "unknown preset '%s'%s", n->text,
			   preset_suggest(n->text, buf, sizeof buf));
	return p;
}

static void ge_share(struct load *l, const struct node *key, const struct node *value, void *obj)
{
	struct bytes *out = obj;
	struct shape_dir scratch = { 0 };
	char *why;

	if (!want_text(l, value, "a share"))
		return;
	if (shape_key_find("corrupt")->set(&scratch, value->text, &why))
		report_why(l, value, why);
	else
		bytes_printf(out, "%s%s=%s", out->len ? "," : "", key->text, value->text);
}

static const struct key ge_keys[] = {
	{ "p", ge_share, KEY_REQUIRED },
	{ "r", ge_share, KEY_REQUIRED },
	{ "bad", ge_share, 0 },
	{ "good", ge_share, 0 },
};

/* A loss model as `link set` writes it, "p=1%,r=25%", into @out.
 * False after a message. */
static bool ge_text(struct load *l, const struct node *value, struct bytes *out)
{
	const struct key_table t = KEY_TABLE("a loss model", ge_keys);
	size_t n_errors = l->n_errors;

	return keys_read(l, &t, value, out) && l->n_errors == n_errors;
}

/* Sets one key in @dirs; reports at the key what is not supported. */
static void set_key(struct load *l, const struct shape_key *k, const struct pair *p,
		    struct shape_dir *const *dirs, size_t n_dirs)
{
	CLEANUP(bytes) struct bytes model = { 0 };
	const char *text = p->value->text;

	if (!k->is_supported && asks_for_nothing(p->value))
		return;
	if (!k->is_supported) {
		load_error(l, &p->key->place, "'%s' is not supported yet", k->name);
		return;
	}
	if (!strcmp(k->name, "loss") && p->value->kind == NODE_MAP) {
		if (!ge_text(l, p->value, &model))
			return;
		if (!shape_ge_supported) {
			load_error(l, &p->key->place, "a loss model is not supported yet");
			return;
		}
		text = (char *)model.data;
	} else if (!want_text(l, p->value, k->name)) {
		return;
	}
	for (size_t i = 0; i < n_dirs; i++) {
		char *why;

		if (k->set(dirs[i], text, &why)) {
			report_why(l, p->value, why);
			return;
		}
	}
}

static void unknown(struct load *l, const struct node *key, bool is_dir)
{
	struct suggestion near = { .word = key->text };
	char buf[96];

	shape_suggest(&near);
	if (!is_dir) {
		suggest_consider(&near, "up");
		suggest_consider(&near, "down");
	}
	load_error(l, &key->place, "unknown key '%s' in a shape%s", key->text,
		   suggest_str(&near, buf, sizeof buf));
}

/* The keys with one value, into @dirs. @is_dir: below up or down. */
static void read_keys(struct load *l, const struct node *map, struct shape_dir *const *dirs,
		      size_t n_dirs, bool is_dir)
{
	for (size_t i = 0; i < map->n; i++) {
		const char *name = map->pairs[i].key->text;
		const struct shape_key *k = shape_key_find(name);

		if (k && node_is_null(map->pairs[i].value))
			load_error(l, &map->pairs[i].key->place, "'%s' has no value", name);
		else if (k)
			set_key(l, k, &map->pairs[i], dirs, n_dirs);
		else if (strcmp(name, "preset") != 0 &&
			 (is_dir || (strcmp(name, "up") != 0 && strcmp(name, "down") != 0)))
			unknown(l, map->pairs[i].key, is_dir);
	}
}

void parse_shape_dir(struct load *l, const struct node *value, struct shape *shape, bool is_up)
{
	struct shape_dir *dir = is_up ? &shape->up : &shape->down;
	const struct node *name;

	shape->is_set = true;
	if (!want_map(l, value, is_up ? "'up'" : "'down'"))
		return;
	name = node_get(value, "preset");
	if (name) {
		const struct preset *p = want_preset(l, name);

		if (p)
			*dir = is_up ? p->up : p->down;
	}
	read_keys(l, value, &dir, 1, true);
}

static void take_preset(struct load *l, const struct node *name, struct shape *shape)
{
	const struct preset *p = want_preset(l, name);

	if (!p)
		return;
	shape->preset = p->name;
	shape->preset_mtu = p->mtu;
	shape->up = p->up;
	shape->down = p->down;
}

void parse_shape(struct load *l, const struct node *value, struct shape *shape)
{
	struct shape_dir *const both[] = { &shape->up, &shape->down };
	const struct node *n;

	*shape = (struct shape){ .is_set = true };
	if (value->kind == NODE_SCALAR && !node_is_null(value)) {
		take_preset(l, value, shape);
		return;
	}
	if (!want_map(l, value, "a shape that is not a preset's name"))
		return;
	if ((n = node_get(value, "preset")))
		take_preset(l, n, shape);
	read_keys(l, value, both, 2, false);
	if ((n = node_get(value, "up")))
		parse_shape_dir(l, n, shape, true);
	if ((n = node_get(value, "down")))
		parse_shape_dir(l, n, shape, false);
}

const char *parse_shape_set(struct load *l, const struct node *key, const struct node *value)
{
	CLEANUP(bytes) struct bytes model = { 0 };
	struct shape_dir scratch = { 0 };
	const char *text = value->text;
	char *why;

	if (!strcmp(key->text, "loss") && value->kind == NODE_MAP) {
		if (!ge_text(l, value, &model))
			return NULL;
		text = (char *)model.data;
	} else if (!want_text(l, value, "a shape's value")) {
		return NULL;
	}
	if (shape_set_key(&scratch, key->text, text, &why)) {
		bool is_key = shape_key_find(key->text) ? shape_key_find(key->text)->is_supported
							: !strcmp(key->text, "preset");

		report_why(l, is_key ? value : key, why);
		return NULL;
	}
	return arena_printf(l->arena, "%s=%s", key->text, text);
}
