/* tests/fabric/shares.c: memory for the links of a plan that a test makes. */
#include "tests/fabric/shares.h"

enum { SHARE_MAX = 64 << 20, SPARE = 64 << 20 };

static void give(struct fabric_plan *plan, struct fabric_plan_link *link, uint32_t mtu)
{
	uint64_t need = shape_memory_need(&link->shape, mtu);

	link->share_bytes = need < SHARE_MAX ? need : SHARE_MAX;
	plan->total_bytes += link->share_bytes;
}

void plan_shares(struct fabric_plan *plan)
{
	plan->spare_bytes = SPARE;
	plan->total_bytes = SPARE;
	for (size_t i = 0; i < plan->n_networks; i++) {
		give(plan, &plan->networks[i].up, plan->networks[i].mtu);
		give(plan, &plan->networks[i].down, plan->networks[i].mtu);
	}
	for (size_t i = 0; i < plan->n_ports; i++) {
		give(plan, &plan->ports[i].up, plan->ports[i].mtu);
		give(plan, &plan->ports[i].down, plan->ports[i].mtu);
	}
}
