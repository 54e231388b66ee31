/* topologies/check_attach.c: stations that are no VMs: no two of one name on a network, and no two of the file
 * that are the same interface or socket.
 *
 * Used by: check.c.   Depends on: load.h. Sources: team-file(5). */
#include "topologies/load.h"
#include "topologies/tree.h"

#include <string.h>

static void check_name(struct load *l, const struct team_network *n, const struct network_src *src, size_t i,
		       struct strmap *names)
{
	size_t old;

	if (!n->stations[i].name || strmap_add(names, n->stations[i].name, i, &old))
		return;
	load_error(l, &src->stations[i].name->place, "two stations of '%s' are called '%s'", n->name,
		   n->stations[i].name);
}

static void check_what(struct load *l, const struct team_network *n, const struct network_src *src, size_t i,
		       struct strmap *things)
{
	const struct team_station *s = &n->stations[i];
	const char *thing;
	size_t old;

	if (!s->what)
		return;
	thing = arena_printf(l->arena, "%d/%s", (int)s->kind, s->what);
	if (!strmap_add(things, thing, i, &old))
		load_error(l, &src->stations[i].what->place, "'%s' is another station of this file already", s->what);
}

void check_stations(struct load *l)
{
	struct strmap names, things;

	strmap_init(&things, l->arena);
	for (size_t i = 0; i < l->team->n_networks; i++) {
		const struct team_network *n = &l->team->networks[i];

		strmap_init(&names, l->arena);
		for (size_t k = 0; k < n->n_stations; k++) {
			check_name(l, n, &l->network_src[i], k, &names);
			check_what(l, n, &l->network_src[i], k, &things);
		}
	}
}
