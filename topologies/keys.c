/* topologies/keys.c: maps read through tables, values read with their place.
 *
 * Every map of the grammar is a table of its keys, so an unknown key, a missing
 * one and one that is not supported yet are each found in one place.
 *
 * Used by: parse*.c.   Depends on: values.h, suggest.h. */
#include "topologies/keys.h"

#include "core/bytes.h"
#include "topologies/suggest.h"
#include "topologies/values.h"

#include <string.h>

static const struct key *key_find(const struct key_table *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->keys[i].name, name))
			return &t->keys[i];
	return NULL;
}

static void unknown_key(struct load *l, const struct key_table *t, const struct node *key)
{
	struct suggestion near = { .word = key->text };
	char buf[96];

	for (size_t i = 0; i < t->n; i++)
		suggest_consider(&near, t->keys[i].name);
	load_error(l, &key->place, "unknown key '%s' in %s%s", key->text, t->what,
		   suggest_str(&near, buf, sizeof buf));
}

bool asks_for_nothing(const struct node *v)
{
	if (v->kind == NODE_SCALAR)
		return v->is_plain && !strcmp(v->text, "false");
	return v->kind == NODE_LIST && !v->n;
}

bool load_takes_unsupported(const struct load *l)
{
	return l->env && l->env->take_unsupported;
}

static void read_key(struct load *l, const struct key *k, const struct pair *p, void *obj)
{
	bool is_unsupported = k->flags & KEY_UNSUPPORTED && !load_takes_unsupported(l);
	size_t n_errors = l->n_errors;

	if (node_is_null(p->value)) {
		load_error(l, &p->key->place, "'%s' has no value", k->name);
		return;
	}
	if (is_unsupported && asks_for_nothing(p->value))
		return;
	if (!touch_allowed(l, p->key, (enum touch_kind)(k->flags >> 8)))
		return;
	if (k->fn)
		k->fn(l, p->key, p->value, obj);
	if (is_unsupported && l->n_errors == n_errors)
		load_error(l, &p->key->place, "'%s' is not supported yet", k->name);
}

bool keys_read(struct load *l, const struct key_table *t, const struct node *map, void *obj)
{
	if (!want_map(l, map, t->what))
		return false;
	for (size_t i = 0; i < map->n; i++) {
		const struct key *k = key_find(t, map->pairs[i].key->text);

		if (k)
			read_key(l, k, &map->pairs[i], obj);
		else
			unknown_key(l, t, map->pairs[i].key);
	}
	for (size_t i = 0; i < t->n; i++)
		if (t->keys[i].flags & KEY_REQUIRED && !node_get(map, t->keys[i].name))
			load_error(l, &map->place, "%s lacks the key '%s'", t->what, t->keys[i].name);
	return true;
}

void report_why(struct load *l, const struct node *n, char *why)
{
	load_error(l, &n->place, "%s", why);
	free(why);
}

static bool want_kind(struct load *l, const struct node *n, enum node_kind kind, const char *what)
{
	static const char *const names[] = { "text", "a list", "a map" };

	if (n->kind == kind && !(kind == NODE_SCALAR && node_is_null(n)))
		return true;
	load_error(l, &n->place, "%s is %s, not %s", what, names[kind], node_kind_str(n));
	return false;
}

bool want_map(struct load *l, const struct node *n, const char *what)
{
	return want_kind(l, n, NODE_MAP, what);
}

bool want_list(struct load *l, const struct node *n, const char *what)
{
	return want_kind(l, n, NODE_LIST, what);
}

bool want_text(struct load *l, const struct node *n, const char *what)
{
	return want_kind(l, n, NODE_SCALAR, what);
}

bool want_bool(struct load *l, const struct node *n, bool *ret)
{
	char *why;

	if (!want_text(l, n, "this"))
		return false;
	if (!n->is_plain) {
		load_error(l, &n->place, "a quoted '%s' is text; write true or false without quotes", n->text);
		return false;
	}
	if (value_bool(n->text, ret, &why)) {
		report_why(l, n, why);
		return false;
	}
	return true;
}

bool want_int(struct load *l, const struct node *n, uint64_t min, uint64_t max, uint64_t *ret)
{
	char *why;

	if (!want_text(l, n, "this"))
		return false;
	if (!n->is_plain) {
		load_error(l, &n->place, "a quoted '%s' is text; write the number without quotes", n->text);
		return false;
	}
	if (value_int(n->text, min, max, ret, &why)) {
		report_why(l, n, why);
		return false;
	}
	return true;
}

bool want_time(struct load *l, const struct node *n, nsec_t *ret)
{
	char *why;

	if (!want_text(l, n, "a time"))
		return false;
	if (value_time(n->text, ret, &why)) {
		report_why(l, n, why);
		return false;
	}
	return true;
}

bool want_size(struct load *l, const struct node *n, uint64_t *ret)
{
	char *why;

	if (!want_text(l, n, "a size"))
		return false;
	if (value_size(n->text, ret, &why)) {
		report_why(l, n, why);
		return false;
	}
	return true;
}

bool want_name(struct load *l, const struct node *n, bool any_case)
{
	char *why;

	if (!want_text(l, n, "a name"))
		return false;
	if (value_name(n->text, any_case, &why)) {
		report_why(l, n, why);
		return false;
	}
	return true;
}

bool want_word(struct load *l, const struct node *n, const char *what, const char *const *words,
	       size_t n_words, size_t *ret)
{
	struct suggestion near = { .word = n->text };
	CLEANUP(bytes) struct bytes all = { 0 };
	char buf[96];

	if (!want_text(l, n, what))
		return false;
	for (size_t i = 0; i < n_words; i++) {
		if (!strcmp(n->text, words[i])) {
			*ret = i;
			return true;
		}
		suggest_consider(&near, words[i]);
		bytes_printf(&all, "%s%s", i == 0 ? "" : i + 1 < n_words ? ", " : " or ", words[i]);
	}
	load_error(l, &n->place, "%s is %s, not '%s'%s", what, (char *)all.data, n->text,
		   suggest_str(&near, buf, sizeof buf));
	return false;
}

bool want_texts(struct load *l, const struct node *n, const char *what, const char ***ret,
		size_t *ret_n)
{
	const char **texts;
	bool ok = true;

	if (!want_list(l, n, what))
		return false;
	texts = arena_array(l->arena, n->n + 1, sizeof *texts);
	for (size_t i = 0; i < n->n; i++) {
		if (!want_text(l, n->items[i], "an item of this list"))
			ok = false;
		texts[i] = n->items[i]->text;
	}
	if (!ok)
		return false;
	*ret = texts;
	*ret_n = n->n;
	return true;
}
