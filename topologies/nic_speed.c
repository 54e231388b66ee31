/* topologies/nic_speed.c: the speed that a guest is told of its NIC.
 *
 * A NIC and its network may each have a rate for each direction. Where a card has two
 * speeds, the faster one is told, as a DSL modem's line would be: it is full duplex.
 * A NIC without any rate has no speed of its own: what it carries is bounded by the host's
 * processors, at some 10 Gbit/s. It is told as that, because "unknown" keeps LACP from forming
 * an aggregate (IEEE 802.1AX wants one speed for all ports of an aggregator), and spanning
 * trees from counting costs.
 *
 * Used by: teams/spawn.c.   Depends on: topologies/team.h. */
#include "topologies/team.h"

#define UNSHAPED_BPS UINT64_C(10000000000)
#define BPS_PER_MBPS UINT64_C(1000000)

/* One direction's rate in bit/s; @nic and @net: the shapes' rates, 0 is without. */
static uint64_t rate_of(uint64_t nic, uint64_t net)
{
	if (!nic && !net)
		return UNSHAPED_BPS;
	return nic && (!net || nic < net) ? nic : net;
}

uint32_t team_nic_speed(const struct team *t, const struct team_nic *nic)
{
	const struct shape *net = &t->networks[nic->network].shape;
	uint64_t up = rate_of(nic->shape.up.rate_bps, net->up.rate_bps);
	uint64_t down = rate_of(nic->shape.down.rate_bps, net->down.rate_bps);
	uint64_t faster = up > down ? up : down;
	uint64_t mbps = faster / BPS_PER_MBPS + (faster % BPS_PER_MBPS != 0);

	return mbps < INT32_MAX ? (uint32_t)mbps : INT32_MAX;
}
