/* topologies/parse.c: the top of a team file, and its sections in file order.
 *
 * `defaults` is merged into each VM as a merge key would be: what a VM says
 * itself wins, key by key. Sections that cannot be read leave *_known false,
 * so that check.c does not call every name in them unknown.
 *
 * Used by: team_load.c.   Depends on: keys.h. Sources: team-file(5). */
#include "topologies/keys.h"
#include "topologies/values.h"

#include "core/bytes.h"

#include <stdlib.h>
#include <string.h>

static void top_team(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)obj;
	if (want_name(l, v, false))
		l->team->name = v->text;
}

static void top_description(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)obj;
	if (want_text(l, v, "'description'"))
		l->team->description = v->text;
}

static void top_seed(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)obj;
	(void)want_int(l, v, 0, INT64_MAX, &l->team->seed);
}

static void top_engine(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)obj;
	parse_engine(l, v, &l->team->engine);
}

static void top_clock(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	static const char *const words[] = { "real", "virtual" };
	size_t i;

	(void)key;
	(void)obj;
	if (!want_word(l, v, "'clock'", words, 2, &i))
		return;
	l->team->clock_virtual = i == 1;
	if (i == 1)
		load_error(l, &v->place, "the clock 'virtual' is not supported yet");
}

static void top_defaults(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	struct team_vm vm = { .name = "defaults" };
	struct vm_src src = { 0 };

	(void)key;
	(void)obj;
	parse_vm(l, v, &vm, &src);
}

static void top_networks(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)obj;
	l->networks_known = false;
	if (!want_map(l, v, "'networks'"))
		return;
	l->networks_known = true;
	l->team->networks = arena_array(l->arena, v->n, sizeof *l->team->networks);
	l->network_src = arena_array(l->arena, v->n, sizeof *l->network_src);
	l->team->n_networks = v->n;
	for (size_t i = 0; i < v->n; i++) {
		(void)strmap_add(&l->networks, v->pairs[i].key->text, i, NULL);
		parse_network(l, v->pairs[i].key, v->pairs[i].value, i);
	}
}

/* @vm's own pairs, then those of @defaults it lacks. */
static const struct node *with_defaults(struct load *l, struct node *vm, const struct node *defaults)
{
	struct node *all;

	if (node_is_null(vm))
		vm = node_new(l, NODE_MAP, &vm->place);
	if (!defaults || defaults->kind != NODE_MAP || vm->kind != NODE_MAP)
		return vm;
	all = node_new(l, NODE_MAP, &vm->place);
	for (size_t i = 0; i < vm->n; i++)
		node_append_pair(l, all, vm->pairs[i].key, vm->pairs[i].value);
	for (size_t i = 0; i < defaults->n; i++)
		if (!node_get(vm, defaults->pairs[i].key->text))
			node_append_pair(l, all, defaults->pairs[i].key, defaults->pairs[i].value);
	return all;
}

/* The VMs that @vm describes; 1 where the value is wrong, which parse_vm() tells. */
static size_t count_of(const struct node *vm, const struct node *defaults)
{
	const struct node *n = node_get(vm, "count");
	uint64_t count;

	n = n ? n : node_get(defaults, "count");
	if (!n || n->kind != NODE_SCALAR || !n->is_plain || str_uint(n->text, 1, LOAD_VMS_MAX, &count) < 0)
		return 1;
	return count;
}

/* Whether there are few enough VMs, each of which is read from its description; sets their number. */
static bool vms_bounded(struct load *l, const struct node *v, const struct node *defaults)
{
	size_t n = 0, weight = 0;

	for (size_t i = 0; i < v->n; i++) {
		size_t count = count_of(v->pairs[i].value, defaults);

		n += count;
		weight += count * v->pairs[i].value->weight;
	}
	if (n > LOAD_VMS_MAX) {
		load_error(l, &v->place, "a team has at most %d VMs, not %zu", LOAD_VMS_MAX, n);
		return false;
	}
	if (defaults && defaults->weight > TREE_WEIGHT_MAX / (n + 1)) {
		load_error(l, &defaults->place, "'defaults' is too large for %zu VMs", n);
		return false;
	}
	if (weight > TREE_WEIGHT_MAX) {
		load_error(l, &v->place, "the %zu VMs here have more than %d values", n, TREE_WEIGHT_MAX);
		return false;
	}
	l->team->n_vms = n;
	return true;
}

/* Enters @name into @m. Names of VMs and those of a `count` are one name space. */
static void enter_name(struct load *l, struct strmap *m, const struct strmap *other, const char *name, size_t vm)
{
	const struct node *key = l->vm_src[vm].name;
	size_t old;

	if (strmap_add(m, name, vm, &old) && !strmap_get(other, name, &old))
		return;
	if (strcmp(l->vm_src[old].name->text, key->text) != 0) /* else said where the files were joined */
		load_error(l, &key->place, "'%s' is a name of '%s' and of '%s' ('count' makes NAME-1, NAME-2, ...)", name,
			   key->text, l->vm_src[old].name->text);
}

static void check_last_name(struct load *l, const struct node *key, const char *last)
{
	char *why;

	if (value_name(last, true, &why) == 0)
		return;
	free(why);
	load_error(l, &key->place, "the last VM would be called '%s', and a name has at most 32 characters", last);
}

/* The VMs of one description. */
static void parse_group(struct load *l, const struct node *key, const struct node *value, size_t first, size_t count)
{
	bool is_group = node_get(value, "count") != NULL, is_name = want_name(l, key, true);

	for (size_t i = 0; i < count; i++) {
		struct team_vm *vm = &l->team->vms[first + i];
		struct vm_src *src = &l->vm_src[first + i];

		vm->name = is_group ? arena_printf(l->arena, "%s-%zu", key->text, i + 1) : key->text;
		vm->group = is_group ? key->text : NULL;
		vm->place = key->place;
		src->name = key;
		src->count = count;
		if (is_group && i == 0)
			enter_name(l, &l->groups, &l->vms, key->text, first);
		enter_name(l, &l->vms, &l->groups, vm->name, first + i);
		/* What is wrong is the same for all. */
		l->is_muted = i > 0;
		parse_vm(l, value, vm, src);
		l->is_muted = false;
	}
	if (is_group && is_name)
		check_last_name(l, key, l->team->vms[first + count - 1].name);
}

static void parse_vms(struct load *l, const struct node *v, const struct node *defaults)
{
	size_t at = 0;

	l->vms_known = false;
	if (!want_map(l, v, "'vms'") || !vms_bounded(l, v, defaults))
		return;
	l->vms_known = true;
	l->team->vms = arena_array(l->arena, l->team->n_vms, sizeof *l->team->vms);
	l->vm_src = arena_array(l->arena, l->team->n_vms, sizeof *l->vm_src);
	for (size_t i = 0; i < v->n; i++) {
		const struct pair *p = &v->pairs[i];
		size_t count = count_of(p->value, defaults);

		parse_group(l, p->key, with_defaults(l, p->value, defaults), at, count);
		at += count;
	}
}

static void top_tests(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)key;
	(void)obj;
	if (!want_list(l, v, "'tests'"))
		return;
	l->team->tests = arena_array(l->arena, v->n, sizeof *l->team->tests);
	l->test_src = arena_array(l->arena, v->n, sizeof *l->test_src);
	l->team->n_tests = v->n;
	for (size_t i = 0; i < v->n; i++)
		parse_test(l, v->items[i], i);
}

static const struct key top_keys[] = {
	{ "team", top_team, KEY_REQUIRED },
	{ "description", top_description, 0 },
	{ "seed", top_seed, 0 },
	{ "engine", top_engine, 0 },
	{ "clock", top_clock, 0 },
	{ "defaults", top_defaults, 0 },
	{ "networks", top_networks, 0 },
	{ "vms", NULL, 0 }, /* read last: needs engine and defaults */
	{ "tests", top_tests, 0 },
	{ "links", NULL, KEY_UNSUPPORTED },
	{ "snapshots", NULL, KEY_UNSUPPORTED },
	{ "images", NULL, KEY_UNSUPPORTED },
	{ "include", NULL, 0 }, /* resolved by include.c */
};

void parse_team(struct load *l, struct node *root)
{
	const struct node *vms;

	l->team->seed = 1;
	l->networks_known = l->vms_known = true;
	strmap_init(&l->networks, l->arena);
	strmap_init(&l->vms, l->arena);
	strmap_init(&l->groups, l->arena);
	if (!keys_read(l, &KEY_TABLE("a team file", top_keys), root, NULL))
		return;
	vms = node_get(root, "vms");
	if (vms && !node_is_null(vms))
		parse_vms(l, vms, node_get(root, "defaults"));
	if (l->vms_known && !l->team->n_vms)
		load_error(l, &root->place, "a team has at least one VM under 'vms'");
}
