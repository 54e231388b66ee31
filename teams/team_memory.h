/* teams/team_memory.h: what a team may come to hold of the host's memory. */
#ifndef MUSTER_TEAMS_TEAM_MEMORY_H
#define MUSTER_TEAMS_TEAM_MEMORY_H

#include "topologies/team.h"

#include <stdint.h>

/* What a machine may hold beside its guest's memory: the bound the monitor is held to. */
enum { MACHINE_EXTRA_MIB = 24 };

/* The bytes that @team may come to use: its guests' memory, and MACHINE_EXTRA_MIB for each. */
uint64_t team_memory_bytes(const struct team *team);

#endif
