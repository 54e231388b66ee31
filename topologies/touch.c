/* topologies/touch.c: what a team file touches on the host, and what a file from a
 * stranger may.
 *
 * A key says in its table what it touches; the kinds, and whether an untrusted
 * file may touch them, stand here. Paths of an untrusted file are held below its
 * own folder by file_open_regular(), each time they are opened.
 *
 * Used by: keys.c, parse*.c, include.c, check_files.c, check.c; cli.   Depends on: load.h. */
#include "topologies/load.h"
#include "topologies/tree.h"

#include "core/bytes.h"
#include "topologies/keys.h"
#include "topologies/values.h"

#include <string.h>

/* Bounds of an untrusted team. */
enum { UNTRUSTED_VMS_MAX = 64, UNTRUSTED_PACKETS_MAX = 10000 };
static const uint64_t untrusted_memory_max = 8ull << 30, untrusted_rate_max = 10000000000,
		      untrusted_queue_max = 16ull << 20;

static const struct {
	const char *title, *json, *does;
	bool untrusted; /* may a stranger's file do so */
} kinds[TOUCH_COUNT] = {
	[TOUCH_NOTHING] = { "nothing", "nothing", "touches nothing", true },
	[TOUCH_READS] = { "files read", "files_read", "reads files of the host", true },
	[TOUCH_WRITES] = { "files written", "files_written", "writes files of the host", false },
	[TOUCH_FOLDER] = { "folders shared", "folders_shared", "shares folders of the host", false },
	[TOUCH_INTERFACE] = { "interfaces", "interfaces", "uses interfaces of the host", false },
	[TOUCH_LISTENS] = { "ports listened on", "ports_listened_on", "listens on ports of the host", true },
	[TOUCH_REACHES] = { "addresses reached", "addresses_reached", "reaches addresses of the host", false },
};

bool touch_allowed(struct load *l, const struct node *key, enum touch_kind kind)
{
	if (!l->team->root || kinds[kind].untrusted)
		return true;
	load_error(l, &key->place, "'%s' is refused to an untrusted file: it %s", key->text, kinds[kind].does);
	return false;
}

void load_touch(struct load *l, enum touch_kind kind, const char *what)
{
	struct team *t = l->team;

	if (!strmap_add(&l->touched, arena_printf(l->arena, "%d %s", kind, what), 0, NULL))
		return;
	if (t->n_touches == l->touches_size) {
		struct touch *grown;

		l->touches_size = l->touches_size ? l->touches_size * 2 : 16;
		grown = arena_array(l->arena, l->touches_size, sizeof *grown);
		if (t->n_touches)
			memcpy(grown, t->touches, t->n_touches * sizeof *grown);
		t->touches = grown;
	}
	t->touches[t->n_touches++] = (struct touch){ kind, arena_dup(l->arena, what, strlen(what)) };
}

/* ---- bounds ---------------------------------------------------------------------- */

char *shape_dir_check_untrusted(const struct shape_dir *d)
{
	if (d->rate_bps > untrusted_rate_max)
		return str_printf("an untrusted file's links have at most 10Gbit");
	if (d->queue > (d->queue_in_packets ? UNTRUSTED_PACKETS_MAX : untrusted_queue_max))
		return str_printf("an untrusted file's queues hold at most 16MiB or %d packets", UNTRUSTED_PACKETS_MAX);
	return NULL;
}

static void check_dir(struct load *l, const struct shape_dir *d, const struct place *at)
{
	CLEANUP(free) char *why = shape_dir_check_untrusted(d);

	if (why)
		load_error(l, at, "%s", why);
}

/* What a test sets. Each value by itself, for what else the link is then is not known. */
static void check_test(struct load *l, const struct team_test *t, const struct place *at)
{
	for (size_t i = 0; i < t->n_link_set; i++) {
		const char *set = t->link_set[i], *eq = strchr(set, '=');
		const char *key = strncmp(set, "up.", 3) == 0 ? set + 3 : strncmp(set, "down.", 5) == 0 ? set + 5 : set;
		struct shape_dir dir = { 0 };
		CLEANUP(free) char *why = NULL;

		if (shape_set_key(&dir, arena_dup(l->arena, key, (size_t)(eq - key)), eq + 1, &why) == 0)
			check_dir(l, &dir, at);
	}
}

static void check_shape(struct load *l, const struct shape *s, const struct node *at, const struct place *else_at)
{
	check_dir(l, &s->up, at ? &at->place : else_at);
	check_dir(l, &s->down, at ? &at->place : else_at);
}

void check_untrusted(struct load *l)
{
	const struct team *t = l->team;
	uint64_t memory = 0;

	if (!t->root)
		return;
	for (size_t i = 0; i < t->n_networks; i++)
		check_shape(l, &t->networks[i].shape, l->network_src[i].shape, &t->networks[i].place);
	for (size_t i = 0; i < t->n_vms; i++) {
		for (size_t k = 0; k < t->vms[i].n_nics; k++)
			check_shape(l, &t->vms[i].nics[k].shape, l->vm_src[i].nics[k].shape, &t->vms[i].nics[k].place);
		if (i == UNTRUSTED_VMS_MAX)
			load_error(l, &t->vms[i].place, "an untrusted file has at most %d VMs, not %zu",
				   UNTRUSTED_VMS_MAX, t->n_vms);
		if (memory <= untrusted_memory_max && memory + t->vms[i].memory_bytes > untrusted_memory_max)
			load_error(l, l->vm_src[i].memory ? &l->vm_src[i].memory->place : &t->vms[i].place,
				   "an untrusted file's VMs have at most 8GiB of memory together");
		memory += t->vms[i].memory_bytes;
	}
	for (size_t i = 0; i < t->n_tests; i++)
		check_test(l, &t->tests[i], l->test_src[i].target ? &l->test_src[i].target->place : &t->tests[i].place);
}

/* ---- saying it ------------------------------------------------------------------- */

char *team_touches_text(const struct team *t)
{
	struct bytes out = { 0 };

	bytes_append_str(&out, "on this host:\n");
	for (int kind = TOUCH_READS; kind < TOUCH_COUNT; kind++) {
		size_t n = 0;

		bytes_printf(&out, "  %-18s", kinds[kind].title);
		for (size_t i = 0; i < t->n_touches; i++)
			if (t->touches[i].kind == (enum touch_kind)kind)
				bytes_printf(&out, "%s %s", n++ ? "\n                    " : "", t->touches[i].what);
		bytes_append_str(&out, n ? "\n" : " none\n");
	}
	return (char *)out.data;
}

json_t *team_touches_json(const struct team *t)
{
	json_t *j = json_object();

	for (int kind = TOUCH_READS; kind < TOUCH_COUNT; kind++) {
		json_t *list = json_array();

		for (size_t i = 0; i < t->n_touches; i++)
			if (t->touches[i].kind == (enum touch_kind)kind) {
				CLEANUP(free) char *text = str_utf8(t->touches[i].what);

				json_array_append_new(list, json_string(text));
			}
		json_object_set_new(j, kinds[kind].json, list);
	}
	return j;
}
