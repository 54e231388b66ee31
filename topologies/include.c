/* topologies/include.c: files into one tree: the team's own, and what it includes.
 *
 * A file's networks, VMs and tests come first, then those of the files it
 * includes, in the order in which they are listed. A file that includes itself,
 * directly or not, is refused; names are one space over all files.
 *
 * Used by: team_load.c.   Depends on: tree.h, keys.h, core/bytes.h.
 * Sources: team-file(5). */
#include "topologies/keys.h"

#include "core/bytes.h"
#include "topologies/suggest.h"

#include <limits.h>
#include <string.h>

enum { INCLUDE_DEPTH_MAX = 16, INCLUDE_FILES_MAX = 256 };
enum section { SECTION_NETWORKS, SECTION_VMS, SECTION_TESTS, SECTION_COUNT };
static const char *const section_names[SECTION_COUNT] = { "networks", "vms", "tests" };

struct join {
	struct load *l;
	struct node *sections[SECTION_COUNT];
	struct strmap names[SECTION_COUNT]; /* name -> pair's index */
	const char *open[INCLUDE_DEPTH_MAX]; /* real paths of the files being read */
	size_t n_files;
};

/* @path as seen from the folder @file lies in. */
static const char *beside(struct load *l, const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');

	if (*path == '/' || !slash)
		return path;
	return arena_printf(l->arena, "%.*s/%s", (int)(slash - file), file, path);
}

const char *load_absolute(struct load *l, const char *path)
{
	char cwd[PATH_MAX];

	if (*path == '/' || l->hermetic || !getcwd(cwd, sizeof cwd))
		return path;
	return arena_printf(l->arena, "%s/%s", cwd, path);
}

const char *load_path(struct load *l, const struct place *at, const char *path)
{
	const struct source *src = l->sources;
	const char *found;

	while (src && src->name != at->file)
		src = src->next;
	/* what --set says is seen from where it was typed */
	found = src && src->is_set ? path : beside(l, at->file, path);
	return load_absolute(l, found);
}

static void join_map(struct join *j, enum section s, const struct node *v)
{
	for (size_t i = 0; i < v->n; i++) {
		struct node *all = j->sections[s];
		const struct pair *p = &v->pairs[i];
		size_t old;

		if (strmap_add(&j->names[s], p->key->text, all->n, &old)) {
			node_append_pair(j->l, all, p->key, p->value);
			continue;
		}
		load_error(j->l, &p->key->place, "'%s' is defined twice; first at %s:%u", p->key->text,
			   all->pairs[old].key->place.file, all->pairs[old].key->place.line);
	}
}

static void join_section(struct join *j, enum section s, const struct node *root)
{
	const struct node *v = node_get(root, section_names[s]);

	if (!v || node_is_null(v))
		return;
	if (s == SECTION_TESTS) {
		if (want_list(j->l, v, "'tests'"))
			for (size_t i = 0; i < v->n; i++)
				node_append(j->l, j->sections[s], v->items[i]);
		return;
	}
	if (want_map(j->l, v, s == SECTION_VMS ? "'vms'" : "'networks'"))
		join_map(j, s, v);
}

static void included_ignore(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)l;
	(void)key;
	(void)v;
	(void)obj;
}

static void included_refuse(struct load *l, const struct node *key, const struct node *v, void *obj)
{
	(void)v;
	(void)obj;
	load_error(l, &key->place, "'%s' belongs in the team's own file, not in an included one", key->text);
}

static const struct key included_keys[] = {
	{ "team", included_ignore, 0 },	    { "description", included_ignore, 0 },
	{ "networks", included_ignore, 0 }, { "vms", included_ignore, 0 },
	{ "tests", included_ignore, 0 },    { "include", included_ignore, 0 },
	{ "seed", included_refuse, 0 },	    { "engine", included_refuse, 0 },
	{ "clock", included_refuse, 0 },    { "defaults", included_refuse, 0 },
	{ "links", included_refuse, 0 },    { "images", included_refuse, 0 },
	{ "snapshots", included_refuse, 0 },
};

/* @below: it may only lie below the untrusted team's root. */
static struct node *read_file(struct load *l, const char *path, bool below, int *ret_error)
{
	CLEANUP(bytes) struct bytes text = { 0 };
	const char *root = below ? l->team->root : NULL;
	int r = file_read_below(root, root ? load_absolute(l, path) : path, LOAD_FILE_MAX, &text);
	const struct source *src;

	*ret_error = r;
	if (r)
		return NULL;
	load_touch(l, TOUCH_READS, load_absolute(l, path));
	src = load_source(l, path, text.data ? (char *)text.data : "", text.len, false);
	return tree_parse(l, src);
}

static void include_all(struct join *j, const struct node *root, size_t depth);

static void include_one(struct join *j, const struct node *name, size_t depth)
{
	struct load *l = j->l;
	const char *path = beside(l, name->place.file, name->text);
	struct node *root;
	char real[PATH_MAX];
	CLEANUP(fd) int fd = -1;
	int r;

	/* Of what lies outside not even whether it is there is told. */
	r = l->team->root ? file_open_regular(l->team->root, load_absolute(l, path), LOAD_FILE_MAX, &fd, NULL) : 0;
	if (r < 0) {
		load_error(l, &name->place, "cannot include '%s': %s", name->text, file_strerror(r));
		return;
	}
	if (!realpath(path, real)) {
		load_error(l, &name->place, "cannot include '%s': %s", name->text, strerror(errno));
		return;
	}
	for (size_t i = 0; i < depth; i++) {
		if (!strcmp(j->open[i], real)) {
			load_error(l, &name->place, "'%s' includes itself", name->text);
			return;
		}
	}
	if (depth == INCLUDE_DEPTH_MAX || ++j->n_files > INCLUDE_FILES_MAX) {
		load_error(l, &name->place, "too many files included");
		return;
	}
	root = read_file(l, path, true, &r);
	if (r)
		load_error(l, &name->place, "cannot include '%s': %s", name->text, file_strerror(r));
	if (!root)
		return;
	j->open[depth] = arena_dup(l->arena, real, strlen(real));
	if (keys_read(l, &KEY_TABLE("an included file", included_keys), root, NULL))
		include_all(j, root, depth + 1);
}

/* Joins @root's sections, then those of what it includes. */
static void include_all(struct join *j, const struct node *root, size_t depth)
{
	const struct node *list = node_get(root, "include");

	for (int s = 0; s < SECTION_COUNT; s++)
		join_section(j, (enum section)s, root);
	if (!list || !want_list(j->l, list, "'include'"))
		return;
	for (size_t i = 0; i < list->n; i++) {
		if (!want_text(j->l, list->items[i], "a file to include"))
			continue;
		if (j->l->hermetic)
			load_error(j->l, &list->items[i]->place, "no file can be included here");
		else
			include_one(j, list->items[i], depth);
	}
}

/* A copy of @root whose sections are the joined ones. */
static struct node *joined(struct load *l, const struct node *root, const char *path)
{
	struct join j = { .l = l };
	struct node *all = node_new(l, NODE_MAP, &root->place);
	char real[PATH_MAX];

	for (int s = 0; s < SECTION_COUNT; s++) {
		const struct node *own = node_get(root, section_names[s]);

		j.sections[s] = node_new(l, s == SECTION_TESTS ? NODE_LIST : NODE_MAP,
					 own ? &own->place : &root->place);
		strmap_init(&j.names[s], l->arena);
	}
	j.open[0] = arena_printf(l->arena, "%s", path && realpath(path, real) ? real : "");
	include_all(&j, root, 1);
	for (size_t i = 0; i < root->n; i++) {
		const struct pair *p = &root->pairs[i];
		bool is_section = false;

		for (int s = 0; s < SECTION_COUNT; s++)
			is_section |= !strcmp(p->key->text, section_names[s]);
		if (!is_section)
			node_append_pair(l, all, p->key, p->value);
	}
	for (int s = 0; s < SECTION_COUNT; s++) {
		struct node *key = node_new(l, NODE_SCALAR, &j.sections[s]->place);

		key->text = section_names[s];
		key->len = strlen(key->text);
		node_append_pair(l, all, key, j.sections[s]);
	}
	return all;
}

static struct node *with_includes(struct load *l, struct node *root, const char *path)
{
	if (root && node_get(root, "include"))
		return joined(l, root, path);
	return root;
}

struct node *include_load(struct load *l, const char *path, int *ret_error)
{
	struct node *root = read_file(l, path, false, ret_error);

	return with_includes(l, root, path);
}

struct node *include_load_text(struct load *l, const char *name, const char *text, size_t len)
{
	return with_includes(l, tree_parse(l, load_source(l, name, text, len, false)), NULL);
}
