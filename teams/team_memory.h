/* teams/team_memory.h: what a team may come to hold of the host's memory. */
#ifndef MUSTER_TEAMS_TEAM_MEMORY_H
#define MUSTER_TEAMS_TEAM_MEMORY_H

#include "topologies/team.h"

#include <stdint.h>

/* What a machine may hold beside its guest's memory: the bound the monitor is held to. */
enum { MACHINE_EXTRA_MIB = 24 };

/* What the uplink may hold of a team whose networks have one, with 10,000 idle flows (nat/uplink.h). */
enum { UPLINK_EXTRA_MIB = 64 };

/* UPLINK_EXTRA_MIB in bytes for a team with an uplink, else 0. */
uint64_t team_uplink_memory_bytes(const struct team *team);
/* The bytes that @team may come to use: its guests' memory, MACHINE_EXTRA_MIB for each, and its uplink's. */
uint64_t team_memory_bytes(const struct team *team);

#endif
