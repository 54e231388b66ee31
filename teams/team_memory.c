/* teams/team_memory.c: what a team may come to hold of the host's memory.
 *
 * Used by: host_memory.c, cgroup.c.   Depends on: topologies/team.h. */
#include "teams/team_memory.h"

uint64_t team_uplink_memory_bytes(const struct team *team)
{
	for (size_t i = 0; i < team->n_networks; i++)
		if (team->networks[i].services.uplink)
			return (uint64_t)UPLINK_EXTRA_MIB << 20;
	return 0;
}

uint64_t team_memory_bytes(const struct team *team)
{
	uint64_t sum = team_uplink_memory_bytes(team);

	for (size_t i = 0; i < team->n_vms; i++)
		sum += team->vms[i].memory_bytes + ((uint64_t)MACHINE_EXTRA_MIB << 20);
	return sum;
}
