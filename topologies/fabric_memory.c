/* topologies/fabric_memory.c: how much memory a team's links may fill.
 *
 * A link holds what fits its queue and what flies: shape_memory_need(). Each link of the
 * team has a share for that; a spare is added for links that are changed while they
 * run. Shares have a floor and a ceiling,
 * and all of them together have one: beyond it they shrink in proportion.
 *
 * A share is the file's for good: were it made anew when a link is changed, one link could
 * take what another will need after a reset. What a changed link needs beyond is borrowed from the spare, and
 * where that cannot be enough, `muster link` says so.
 *
 * Used by: topologies/show.c, teams/fabric_plan.c.   Depends on: core/shape.h. */
#include "topologies/team.h"

#define SHARE_MAX (UINT64_C(64) << 20)
#define SPARE_BYTES (UINT64_C(64) << 20)
#define SHARES_MAX (UINT64_C(960) << 20)

/* @d's own wish, before all wishes of the team are added up. */
static uint64_t wish(const struct shape_dir *d, uint32_t mtu)
{
	uint64_t need = shape_memory_need(d, mtu);

	return need < SHARE_MAX ? need : SHARE_MAX;
}

/* What the links of one port wish. @mtu: its own links'. */
static uint64_t port_wish(const struct team_network *net, const struct shape *own, uint32_t mtu)
{
	uint64_t up = wish(&net->shape.up, net->mtu), down = wish(&net->shape.down, net->mtu);

	/* One port of the network has the other direction: the larger one for all. */
	return wish(&own->up, mtu) + wish(&own->down, mtu) + (up > down ? up : down);
}

void team_fabric_memory(const struct team *t, struct fabric_memory *ret)
{
	struct fabric_memory m = { .spare_bytes = SPARE_BYTES };

	for (size_t v = 0; v < t->n_vms; v++)
		for (size_t i = 0; i < t->vms[v].n_nics; i++) {
			const struct team_nic *nic = &t->vms[v].nics[i];

			m.wished_bytes += port_wish(&t->networks[nic->network], &nic->shape, nic->mtu);
		}
	for (size_t n = 0; n < t->n_networks; n++)
		for (size_t i = 0; i < t->networks[n].n_stations; i++)
			m.wished_bytes +=
				port_wish(&t->networks[n], &t->networks[n].stations[i].shape, t->networks[n].mtu);
	for (size_t n = 0; n < t->n_networks; n++)
		if (t->networks[n].services.any)
			m.wished_bytes += port_wish(&t->networks[n], &(struct shape){ 0 }, t->networks[n].mtu);
	m.total_bytes = m.spare_bytes + (m.wished_bytes < SHARES_MAX ? m.wished_bytes : SHARES_MAX);
	*ret = m;
}

uint64_t team_link_memory(const struct fabric_memory *m, const struct shape_dir *d, uint32_t mtu)
{
	uint64_t bytes = wish(d, mtu);

	if (m->wished_bytes <= SHARES_MAX)
		return bytes;
	return (uint64_t)((double)bytes * (double)SHARES_MAX / (double)m->wished_bytes);
}
