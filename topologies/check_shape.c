/* topologies/check_shape.c: whether links can be as their shapes say.
 *
 * A direction's values may come from a preset, the shape's map, and maps for one
 * direction; what is wrong is reported where the value that decides was written.
 *
 * Used by: check.c.   Depends on: load.h. */
#include "topologies/load.h"
#include "topologies/tree.h"

#include <stdlib.h>
#include <string.h>

/* Where @key was written: in @own, the shape's map for this direction, the shape. */
static const struct place *place_of(const struct node *shape, const struct node *own, const char *dir,
				    const char *key, const struct place *at)
{
	const struct node *in_shape = shape && shape->kind == NODE_MAP ? node_get(shape, dir) : NULL;
	const struct node *maps[] = { own, in_shape, shape };

	for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
		const struct node *v = maps[i] && maps[i]->kind == NODE_MAP ? node_get(maps[i], key) : NULL;

		if (v)
			return &v->place;
	}
	for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
		if (maps[i])
			return &maps[i]->place;
	return at;
}

static void check_dir(struct load *l, const struct shape_dir *d, uint32_t mtu, const struct node *shape,
		      const struct node *own, const char *dir, const struct place *at)
{
	const char *key;
	char *why = shape_dir_check(d, mtu, &key);

	if (!why)
		return;
	load_error(l, place_of(shape, own, dir, key, at), "%s", why);
	free(why);
}

void check_shapes(struct load *l)
{
	const struct team *t = l->team;

	for (size_t i = 0; i < t->n_networks; i++) {
		const struct team_network *n = &t->networks[i];
		const struct node *shape = l->network_src[i].shape;

		check_dir(l, &n->shape.up, n->mtu, shape, NULL, "up", &n->place);
		check_dir(l, &n->shape.down, n->mtu, shape, NULL, "down", &n->place);
		for (size_t k = 0; k < n->n_stations; k++) {
			const struct team_station *s = &n->stations[k];
			const struct station_src *src = &l->network_src[i].stations[k];

			check_dir(l, &s->shape.up, n->mtu, src->shape, src->up, "up", &s->place);
			check_dir(l, &s->shape.down, n->mtu, src->shape, src->down, "down", &s->place);
		}
	}
	for (size_t i = 0; i < t->n_vms; i++) {
		for (size_t k = 0; k < t->vms[i].n_nics; k++) {
			const struct team_nic *nic = &t->vms[i].nics[k];
			const struct nic_src *src = &l->vm_src[i].nics[k];
			/* What comes down may be as long as the network allows. */
			uint32_t down_mtu = nic->network < t->n_networks ? t->networks[nic->network].mtu : 1500;

			check_dir(l, &nic->shape.up, nic->mtu ? nic->mtu : down_mtu, src->shape, src->up, "up",
				  &nic->place);
			check_dir(l, &nic->shape.down, down_mtu, src->shape, src->down, "down", &nic->place);
		}
	}
}
