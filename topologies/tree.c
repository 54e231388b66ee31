/* topologies/tree.c: YAML text to nodes, through libyaml's events.
 *
 * The events carry the marks that messages need; libyaml's document API loses
 * some of them. Scalars stay text: what is a number, a boolean or a rate is
 * the key's business, so YAML 1.1's surprise booleans do not exist here.
 *
 * An alias is the node it names, shared. What an alias adds up to is counted
 * in each node's weight and bounded, and so is the height, so that whoever
 * walks the tree neither explodes nor recurses deeply. A merge key is resolved
 * when its map ends: own keys first, then each named map in order.
 *
 * Used by: include.c, sets.c.   Depends on: libyaml, load.h.
 * Sources: YAML 1.1 §3.2.1.1 (keys are unique), yaml.org/type/merge.html. */
#include "topologies/tree.h"

#include "topologies/load.h"

#include <string.h>
#include <yaml.h>

struct tree {
	struct load *l;
	const struct source *src;
	yaml_parser_t parser;
	struct strmap anchors; /* name -> index into nodes */
	struct node **anchored;
	size_t n_anchored, anchored_size;
	size_t weight; /* nodes made */
	bool failed;
};

struct node *node_new(struct load *l, enum node_kind kind, const struct place *at)
{
	struct node *n = arena_alloc(l->arena, sizeof *n);

	n->kind = kind;
	n->place = *at;
	n->weight = 1;
	n->text = "";
	return n;
}

/* Room for one more in an array of @n elements whose room doubles at powers of 2. */
static void *grown(struct load *l, void *array, size_t n, size_t size)
{
	void *bigger;

	if (n && (n & (n - 1)))
		return array;
	bigger = arena_array(l->arena, n ? 2 * n : 1, size);
	if (n)
		memcpy(bigger, array, n * size);
	return bigger;
}

static void weigh(struct node *parent, const struct node *child)
{
	parent->weight += child->weight;
	if (child->height + 1 > parent->height)
		parent->height = child->height + 1;
}

void node_append(struct load *l, struct node *list, struct node *item)
{
	list->items = grown(l, list->items, list->n, sizeof *list->items);
	list->items[list->n++] = item;
	weigh(list, item);
}

void node_append_pair(struct load *l, struct node *map, struct node *key, struct node *value)
{
	map->pairs = grown(l, map->pairs, map->n, sizeof *map->pairs);
	map->pairs[map->n++] = (struct pair){ key, value };
	weigh(map, value);
}

struct node *node_get(const struct node *map, const char *key)
{
	if (!map || map->kind != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (!strcmp(map->pairs[i].key->text, key))
			return map->pairs[i].value;
	return NULL;
}

bool node_is_null(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->is_plain &&
	       (!n->len || !strcmp(n->text, "~") || !strcmp(n->text, "null"));
}

const char *node_kind_str(const struct node *n)
{
	static const char *const names[] = { "text", "a list", "a map" };

	_Static_assert(sizeof names / sizeof *names == NODE_KIND_COUNT, "a name each");
	return node_is_null(n) ? "nothing" : names[n->kind];
}

static struct place place_of(const struct tree *t, const yaml_mark_t *m)
{
	unsigned skipped = m->line ? 0 : (unsigned)t->src->skip;

	return (struct place){ t->src->name, (unsigned)m->line + 1, (unsigned)m->column + 1 + skipped };
}

static void *failed(struct tree *t)
{
	t->failed = true;
	return NULL;
}

/* Reports and gives NULL: the document is not read further. */
#define FAIL(t, at, ...) (load_error((t)->l, (at), __VA_ARGS__), failed(t))

/* Where byte @offset lies: the reader's errors have no mark. */
static struct place place_of_offset(const struct tree *t, size_t offset)
{
	struct place p = { t->src->name, 1, 1 };

	for (size_t i = 0; i < offset + t->src->skip && i < t->src->len; i++) {
		if (t->src->text[i] == '\n') {
			p.line++;
			p.column = 1;
		} else if (((unsigned char)t->src->text[i] & 0xc0) != 0x80) {
			p.column++;
		}
	}
	return p;
}

/* libyaml counts characters; indentation is before anything that is not ASCII. */
static bool tab_at(const struct source *src, size_t line, size_t column)
{
	const char *p = src->text, *end = src->text + src->len;

	while (line-- && p) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	return p && column < (size_t)(end - p) && p[column] == '\t' &&
	       strspn(p, " \t") >= column;
}

/* libyaml's end of file can lie a line below the last: pulled back to its end. */
static struct place inside(const struct source *src, struct place at)
{
	unsigned line = 1, column = 1;

	for (size_t i = 0; i < src->len; i++) {
		if (src->text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)src->text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	return at.line <= line ? at : (struct place){ at.file, line, column };
}

static void syntax_error(struct tree *t)
{
	const yaml_parser_t *p = &t->parser;
	struct place at;

	t->failed = true;
	if (p->error == YAML_MEMORY_ERROR)
		abort();
	if (p->error == YAML_READER_ERROR) {
		at = place_of_offset(t, p->problem_offset);
		load_error(t->l, &at, "%s", p->problem_value == -1 || strstr(p->problem, "control")
			   ? p->problem : "this is not UTF-8");
		return;
	}
	at = inside(t->src, place_of(t, &p->problem_mark));
	if (tab_at(t->src, p->problem_mark.line, p->problem_mark.column))
		load_error(t->l, &at, "a tab cannot be used here; indent with spaces");
	else if (p->context)
		load_error(t->l, &at, "%s %s", p->problem, p->context);
	else
		load_error(t->l, &at, "%s", p->problem ? p->problem : "this is not YAML");
}

static bool next_event(struct tree *t, yaml_event_t *ev)
{
	if (yaml_parser_parse(&t->parser, ev))
		return true;
	syntax_error(t);
	return false;
}

/* Remembers @n under @anchor; a name used again means the newer one. */
static size_t anchor_reserve(struct tree *t, const yaml_char_t *anchor)
{
	size_t at;
	const char *name;

	if (!anchor)
		return SIZE_MAX;
	name = arena_dup(t->l->arena, (const char *)anchor, strlen((const char *)anchor));
	if (strmap_add(&t->anchors, name, t->n_anchored, &at)) {
		at = t->n_anchored;
		t->anchored = grown(t->l, t->anchored, t->n_anchored, sizeof(struct node *));
		t->n_anchored++;
	}
	t->anchored[at] = NULL; /* not complete: an alias to it now would be a loop */
	return at;
}

static void anchor_set(struct tree *t, size_t anchor, struct node *n)
{
	if (anchor != SIZE_MAX)
		t->anchored[anchor] = n;
}

static bool bounded(struct tree *t, const struct node *n)
{
	if (n->weight > TREE_WEIGHT_MAX) {
		FAIL(t, &n->place, "the aliases here make more than %d values", TREE_WEIGHT_MAX);
		return false;
	}
	if (n->height > TREE_DEPTH_MAX) {
		FAIL(t, &n->place, "nested more than %d levels deep", TREE_DEPTH_MAX);
		return false;
	}
	return true;
}

static struct node *alias_node(struct tree *t, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;
	struct place at = place_of(t, &ev->start_mark);
	size_t i;

	if (!strmap_get(&t->anchors, name, &i))
		return FAIL(t, &at, "there is no anchor '&%s' before this", name);
	if (!t->anchored[i])
		return FAIL(t, &at, "the alias '*%s' stands inside what it names", name);
	return t->anchored[i];
}

static struct node *scalar_node(struct tree *t, const yaml_event_t *ev)
{
	struct place at = place_of(t, &ev->start_mark);
	struct node *n = node_new(t->l, NODE_SCALAR, &at);
	const char *text = (const char *)ev->data.scalar.value;

	if (ev->data.scalar.tag)
		return FAIL(t, &at, "tags ('!...') mean nothing in a team file");
	n->len = ev->data.scalar.length;
	if (memchr(text, 0, n->len))
		return FAIL(t, &at, "text cannot contain a NUL character");
	n->text = arena_dup(t->l->arena, text, n->len);
	n->is_plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	anchor_set(t, anchor_reserve(t, ev->data.scalar.anchor), n);
	return n;
}

static struct node *read_node(struct tree *t, yaml_event_t *ev, unsigned depth);

static struct node *list_node(struct tree *t, const yaml_event_t *start, unsigned depth)
{
	struct place at = place_of(t, &start->start_mark);
	struct node *n = node_new(t->l, NODE_LIST, &at);
	size_t anchor = anchor_reserve(t, start->data.sequence_start.anchor);

	if (start->data.sequence_start.tag)
		return FAIL(t, &at, "tags ('!...') mean nothing in a team file");
	for (;;) {
		yaml_event_t ev;
		bool is_end;
		struct node *item = NULL;

		if (!next_event(t, &ev))
			return NULL;
		is_end = ev.type == YAML_SEQUENCE_END_EVENT;
		if (!is_end)
			item = read_node(t, &ev, depth + 1);
		yaml_event_delete(&ev);
		if (is_end)
			break;
		if (!item)
			return NULL;
		node_append(t->l, n, item);
		if (!bounded(t, n))
			return NULL;
	}
	anchor_set(t, anchor, n);
	return n;
}

static bool merge_one(struct tree *t, struct node *map, struct strmap *keys, const struct node *from,
		      const struct place *at)
{
	if (from->kind != NODE_MAP) {
		FAIL(t, at, "'<<' merges a map or a list of maps, not %s", node_kind_str(from));
		return false;
	}
	for (size_t i = 0; i < from->n; i++) {
		if (strmap_add(keys, from->pairs[i].key->text, i, NULL))
			node_append_pair(t->l, map, from->pairs[i].key, from->pairs[i].value);
		if (!bounded(t, map))
			return false;
	}
	return true;
}

static bool merge(struct tree *t, struct node *map, struct strmap *keys, const struct node *value)
{
	if (value->kind != NODE_LIST)
		return merge_one(t, map, keys, value, &value->place);
	for (size_t i = 0; i < value->n; i++)
		if (!merge_one(t, map, keys, value->items[i], &value->items[i]->place))
			return false;
	return true;
}

/* Takes one pair in. A key that is there already is reported and dropped. */
static void add_pair(struct tree *t, struct node *map, struct strmap *keys, struct node *key,
		     struct node *value)
{
	size_t old;

	if (strmap_add(keys, key->text, map->n, &old))
		node_append_pair(t->l, map, key, value);
	else
		load_error(t->l, &key->place, "'%s' is here twice; first at line %u", key->text,
			   map->pairs[old].key->place.line);
}

static bool read_pair(struct tree *t, struct node **ret_key, struct node **ret_value,
		      unsigned depth)
{
	yaml_event_t ev;
	bool is_end;

	if (!next_event(t, &ev))
		return false;
	is_end = ev.type == YAML_MAPPING_END_EVENT;
	*ret_key = is_end ? NULL : read_node(t, &ev, depth + 1);
	yaml_event_delete(&ev);
	if (is_end)
		return true;
	if (!*ret_key)
		return false;
	if ((*ret_key)->kind != NODE_SCALAR) {
		FAIL(t, &(*ret_key)->place, "a key is text, not %s", node_kind_str(*ret_key));
		return false;
	}
	if (!next_event(t, &ev))
		return false;
	*ret_value = read_node(t, &ev, depth + 1);
	yaml_event_delete(&ev);
	return *ret_value != NULL;
}

static struct node *map_node(struct tree *t, const yaml_event_t *start, unsigned depth)
{
	struct place at = place_of(t, &start->start_mark);
	struct node *n = node_new(t->l, NODE_MAP, &at), *merged = NULL;
	size_t anchor = anchor_reserve(t, start->data.mapping_start.anchor);
	struct strmap keys;

	strmap_init(&keys, t->l->arena);
	if (start->data.mapping_start.tag)
		return FAIL(t, &at, "tags ('!...') mean nothing in a team file");
	for (;;) {
		struct node *key, *value;

		if (!read_pair(t, &key, &value, depth))
			return NULL;
		if (!key)
			break;
		if (key->is_plain && !strcmp(key->text, "<<")) {
			if (merged)
				load_error(t->l, &key->place, "'<<' is here twice; name a list of maps");
			merged = value;
		} else {
			add_pair(t, n, &keys, key, value);
		}
		if (!bounded(t, n))
			return NULL;
	}
	if (merged && !merge(t, n, &keys, merged))
		return NULL;
	anchor_set(t, anchor, n);
	return n;
}

/* @ev: the node's first event; the caller deletes it. */
static struct node *read_node(struct tree *t, yaml_event_t *ev, unsigned depth)
{
	struct place at = place_of(t, &ev->start_mark);

	if (depth > TREE_DEPTH_MAX)
		return FAIL(t, &at, "nested more than %d levels deep", TREE_DEPTH_MAX);
	if (++t->weight > TREE_WEIGHT_MAX)
		return FAIL(t, &at, "more than %d values", TREE_WEIGHT_MAX);
	switch (ev->type) {
	case YAML_ALIAS_EVENT:
		return alias_node(t, ev);
	case YAML_SCALAR_EVENT:
		return scalar_node(t, ev);
	case YAML_SEQUENCE_START_EVENT:
		return list_node(t, ev, depth);
	case YAML_MAPPING_START_EVENT:
		return map_node(t, ev, depth);
	default:
		return FAIL(t, &at, "this is not YAML");
	}
}

/* Reads events up to the first of type @want, which the caller deletes.
 * False: the stream ended or is broken. */
static bool skip_to(struct tree *t, yaml_event_type_t want, yaml_event_t *ev)
{
	for (;;) {
		yaml_event_type_t type;

		if (!next_event(t, ev))
			return false;
		type = ev->type;
		if (type == want)
			return true;
		yaml_event_delete(ev);
		if (type == YAML_STREAM_END_EVENT)
			return false;
	}
}

static struct node *read_document(struct tree *t)
{
	struct place top = { t->src->name, 1, 1 };
	struct node *root = NULL;
	yaml_event_t ev;

	if (!skip_to(t, YAML_DOCUMENT_START_EVENT, &ev))
		return t->failed ? NULL : FAIL(t, &top, "the file is empty");
	yaml_event_delete(&ev);
	if (next_event(t, &ev)) {
		root = read_node(t, &ev, 0);
		yaml_event_delete(&ev);
	}
	if (!root)
		return NULL;
	if (skip_to(t, YAML_DOCUMENT_START_EVENT, &ev)) {
		struct place at = place_of(t, &ev.start_mark);

		yaml_event_delete(&ev);
		return FAIL(t, &at, "a second document starts here; a team is one");
	}
	return t->failed ? NULL : root;
}

struct node *tree_parse(struct load *l, const struct source *src)
{
	struct tree t = { .l = l, .src = src };
	struct node *root;

	if (!yaml_parser_initialize(&t.parser))
		abort();
	strmap_init(&t.anchors, l->arena);
	yaml_parser_set_encoding(&t.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&t.parser, (const unsigned char *)src->text + src->skip,
				     src->len - src->skip);
	root = read_document(&t);
	yaml_parser_delete(&t.parser);
	return root;
}
