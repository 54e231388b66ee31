/* topologies/sets.c: --set PATH=VALUE, put into the tree before it is read.
 *
 * So an override is checked like what is in the file, and its mistakes are shown
 * in the argument itself. A path goes through keys and list indices; maps on
 * the way that do not exist are made, VMs and networks are not. Nodes on the
 * path are copied, as an alias may share them with others.
 *
 * Used by: team_load.c.   Depends on: tree.h, suggest.h. Sources: team-file(5). */
#include "topologies/load.h"
#include "topologies/tree.h"
#include "topologies/suggest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct walk {
	struct load *l;
	const struct source *src;
	const char *path[TREE_DEPTH_MAX];
	size_t n;
	struct node *value;
};

static struct place place_in(const struct walk *w, size_t offset)
{
	return (struct place){ w->src->name, 1, (unsigned)offset + 1 };
}

/* Where the @i-th part of the path is. */
static struct place part_place(const struct walk *w, size_t i)
{
	size_t offset = 0;

	for (size_t k = 0; k < i; k++)
		offset += strlen(w->path[k]) + 1;
	return place_in(w, offset);
}

static struct node *copied(struct load *l, const struct node *n)
{
	struct node *c = node_new(l, n->kind, &n->place);

	c->text = n->text;
	c->len = n->len;
	c->is_plain = n->is_plain;
	for (size_t i = 0; i < n->n; i++) {
		if (n->kind == NODE_LIST)
			node_append(l, c, n->items[i]);
		else
			node_append_pair(l, c, n->pairs[i].key, n->pairs[i].value);
	}
	return c;
}

/* The place in @list the @i-th part of the path names, or NULL. */
static struct node **list_slot(struct walk *w, struct node *list, size_t i)
{
	struct place at = part_place(w, i);
	const char *s = w->path[i];
	size_t index = 0;

	for (const char *p = s; *p; p++)
		index = isdigit((unsigned char)*p) && index < 100000 ? index * 10 + (size_t)(*p - '0')
								     : SIZE_MAX / 20;
	if (*s && index < list->n)
		return &list->items[index];
	load_error(w->l, &at, "'%s' is not an index into a list of %zu", s, list->n);
	return NULL;
}

static struct node **map_slot(struct walk *w, struct node *map, size_t i)
{
	struct place at = part_place(w, i);
	const char *s = w->path[i];
	struct suggestion near = { .word = s };
	struct node *key;
	char buf[96];
	bool is_named = i == 1 && (!strcmp(w->path[0], "vms") || !strcmp(w->path[0], "networks"));

	for (size_t k = 0; k < map->n; k++)
		if (!strcmp(map->pairs[k].key->text, s))
			return &map->pairs[k].value;
	if (is_named) {
		for (size_t k = 0; k < map->n; k++)
			suggest_consider(&near, map->pairs[k].key->text);
		load_error(w->l, &at, "no %s is called '%s'%s",
			   *w->path[0] == 'v' ? "VM" : "network", s, suggest_str(&near, buf, sizeof buf));
		return NULL;
	}
	key = node_new(w->l, NODE_SCALAR, &at);
	key->text = s;
	key->len = strlen(s);
	key->is_plain = true;
	node_append_pair(w->l, map, key, node_new(w->l, NODE_MAP, &at));
	return &map->pairs[map->n - 1].value;
}

static void walk(struct walk *w, struct node *root)
{
	struct node *n = root;

	for (size_t i = 0; i < w->n; i++) {
		struct place at = part_place(w, i);
		struct node **slot;

		if (n->kind == NODE_SCALAR) {
			load_error(w->l, &at, "'%s' cannot be set in what is %s", w->path[i],
				   node_kind_str(n));
			return;
		}
		slot = n->kind == NODE_LIST ? list_slot(w, n, i) : map_slot(w, n, i);
		if (!slot)
			return;
		if (i + 1 == w->n) {
			*slot = w->value;
			return;
		}
		*slot = node_is_null(*slot) ? node_new(w->l, NODE_MAP, &at) : copied(w->l, *slot);
		n = *slot;
	}
}

static bool split(struct walk *w, const char *set, size_t len)
{
	char *rest = arena_dup(w->l->arena, set, len), *part;
	struct place at = place_in(w, 0);

	while ((part = strsep(&rest, "."))) {
		if (!*part || w->n == TREE_DEPTH_MAX) {
			load_error(w->l, &at, "'%.*s' is not a path of keys", (int)len, set);
			return false;
		}
		w->path[w->n++] = part;
	}
	return true;
}

void sets_apply(struct load *l, struct node *root, const char *set)
{
	struct source *src = load_source(l, "--set", set, strlen(set), true);
	struct walk w = { .l = l, .src = src };
	const char *eq = strchr(set, '=');
	struct place at = place_in(&w, 0);

	if (!eq || eq == set) {
		load_error(l, &at, "'%s' is not PATH=VALUE, like vms.client.memory=256MiB", set);
		return;
	}
	for (const char *p = set; p < eq; p++) {
		if ((unsigned char)*p > 0x7e || (unsigned char)*p <= 0x20) {
			load_error(l, &at, "'%s' is not PATH=VALUE, like vms.client.memory=256MiB", set);
			return;
		}
	}
	src->skip = (size_t)(eq + 1 - set);
	if (!split(&w, set, (size_t)(eq - set)))
		return;
	at = place_in(&w, src->skip);
	w.value = eq[1] ? tree_parse(l, src) : node_new(l, NODE_SCALAR, &at);
	if (w.value)
		walk(&w, root);
}
