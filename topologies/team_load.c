/* topologies/team_load.c: a team file, from its path to its plan.
 *
 * Reading and joining files, overrides, parsing and checking each add what they
 * find wrong; the plan is made only when nothing is. The team owns its arena,
 * and with it every byte that was read.
 *
 * Used by: teams, cli.   Depends on: load.h. Sources: team-file(5). */
#include "topologies/load.h"
#include "topologies/tree.h"

#include "core/bytes.h"
#include "topologies/values.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

struct team *team_free(struct team *t)
{
	if (t)
		(void)arena_free(t->arena); /* @t lives there */
	return NULL;
}

static void load_init(struct load *l, const char *name)
{
	struct arena *arena = arena_new();

	*l = (struct load){ .arena = arena };
	l->team = arena_alloc(arena, sizeof *l->team);
	l->team->arena = arena;
	strmap_init(&l->touched, arena);
	l->team->file = arena_dup(arena, name, strlen(name));
}

static void override_name(struct load *l, const char *name)
{
	struct place at = { .file = "--name" };
	char *why;

	if (value_name(name, false, &why)) {
		load_error(l, &at, "%s", why);
		free(why);
		return;
	}
	l->team->name = arena_dup(l->arena, name, strlen(name));
}

/* The stages after reading. Ends the load in any case. */
static int finish(struct load *l, struct node *root, const char *const *sets, size_t n_sets, const char *name_override,
		  struct team **ret_team, struct diags *ret_diags)
{
	for (size_t i = 0; root && i < n_sets; i++)
		sets_apply(l, root, sets[i]);
	if (root) {
		parse_team(l, root);
		if (name_override)
			override_name(l, name_override);
		check_team(l);
		if (!l->n_errors)
			plan_team(l);
	}
	load_render(l, ret_diags);
	if (l->n_errors) {
		(void)team_free(l->team);
		return -EINVAL;
	}
	*ret_team = l->team;
	return 0;
}

/* The absolute folder that @path lies in. */
static const char *folder_of(struct load *l, const char *path)
{
	const char *whole = load_absolute(l, path), *slash = strrchr(whole, '/');

	return arena_dup(l->arena, whole, slash && slash > whole ? (size_t)(slash - whole) : 1);
}

int team_load(const char *path, const char *const *sets, size_t n_sets, const char *name_override,
	      const struct team_env *env, struct team **ret_team, struct diags *ret_diags)
{
	struct load l;
	struct node *root;
	int error, r;

	load_init(&l, path);
	l.env = env;
	if (env && env->untrusted)
		l.team->root = folder_of(&l, path);
	root = include_load(&l, path, &error);
	if (error) {
		struct place at = { .file = path };

		load_error(&l, &at, "%s", error == -EFBIG ? "a team file has at most 8 MiB" : file_strerror(error));
	}
	r = finish(&l, root, sets, n_sets, name_override, ret_team, ret_diags);
	return error ? error : r;
}

int team_load_buffer(const char *name, const char *text, size_t len, const char *const *sets, size_t n_sets,
		     const struct team_env *env, struct team **ret_team, struct diags *ret_diags)
{
	struct load l;

	load_init(&l, name);
	l.hermetic = true;
	l.env = env;
	if (env && env->untrusted)
		l.team->root = "/";
	return finish(&l, include_load_text(&l, name, text, len), sets, n_sets, NULL, ret_team, ret_diags);
}

static bool same(const char *a, const char *text, size_t len)
{
	return strlen(a) == len && !memcmp(a, text, len);
}

static int find_nic(const struct team_vm *vm, const char *nic, size_t *ret_nic)
{
	uint64_t n;

	if (str_uint(nic, 0, SIZE_MAX, &n) == 0) {
		if (n >= vm->n_nics)
			return -ENOENT;
		*ret_nic = n;
		return 0;
	}
	for (size_t i = 0; i < vm->n_nics; i++) {
		if (!strcmp(vm->nics[i].name, nic)) {
			*ret_nic = i;
			return 0;
		}
	}
	return -ENOENT;
}

char *team_group_str(const struct team *t, const char *name)
{
	size_t len = strcspn(name, "."), n = 0;
	const char *first = NULL, *last = NULL;

	for (size_t i = 0; i < t->n_vms; i++) {
		if (!t->vms[i].group || !same(t->vms[i].group, name, len))
			continue;
		first = n++ ? first : t->vms[i].name;
		last = t->vms[i].name;
	}
	if (n == 0)
		return NULL;
	if (n == 1)
		return str_printf("'%.*s' stands for the VM %s", (int)len, name, first);
	return str_printf("'%.*s' stands for %zu VMs, %s to %s; name one of them", (int)len, name, n, first, last);
}

static int find_station(const struct team *t, const char *text, const char *dot, struct link_ref *ret_ref)
{
	for (size_t i = 0; i < t->n_networks; i++)
		for (size_t k = 0; k < t->networks[i].n_stations; k++)
			if (same(t->networks[i].name, text, (size_t)(dot - text)) &&
			    !strcmp(t->networks[i].stations[k].name, dot + 1)) {
				*ret_ref = (struct link_ref){ .is_station = true, .network = i, .station = k };
				return 0;
			}
	return -ENOENT;
}

int team_link_find(const struct team *t, const char *text, struct link_ref *ret_ref)
{
	const char *dot = strchr(text, '.');
	size_t nic;

	for (size_t i = 0; !dot && i < t->n_networks; i++) {
		if (!strcmp(t->networks[i].name, text)) {
			*ret_ref = (struct link_ref){ .is_network = true, .network = i };
			return 0;
		}
	}
	for (size_t i = 0; dot && i < t->n_vms; i++) {
		if (!same(t->vms[i].name, text, (size_t)(dot - text)))
			continue;
		if (find_nic(&t->vms[i], dot + 1, &nic))
			return -ENOENT;
		*ret_ref = (struct link_ref){ .vm = i, .nic = nic };
		return 0;
	}
	return dot ? find_station(t, text, dot, ret_ref) : -ENOENT;
}
