/* teams/host_memory.h: whether a host can hold a team. */
#ifndef MUSTER_TEAMS_HOST_MEMORY_H
#define MUSTER_TEAMS_HOST_MEMORY_H

#include "topologies/team.h"

#include <stdint.h>

/* What may still be used here: what is available and the free swap, less where a control group's
 * bound is nearer.
 * @root: "" for this host; a folder with "proc" and "sys/fs/cgroup" in a test.
 * Returns 0; -errno when it cannot be told. */
int host_memory_available(const char *root, uint64_t *ret_bytes);

/* What @team wants beyond what a host has, for people, a line each: memory, processors. NULL: it fits.
 * Guests take turns on processors, so only a VM with more than the host has, or 16 a host's one, is said.
 * @available_bytes: UINT64_MAX when it is not known. The caller frees. */
char *host_load_str(const struct team *team, uint64_t available_bytes, unsigned n_processors);

/* Refuses a team that may come to use more than @available_bytes. With MUSTER_OVERCOMMIT=1 in the
 * environment nothing is refused.
 * Returns 0; -ENOTSUP with a message that says what can be done. */
int host_memory_check(const struct team *team, uint64_t available_bytes, char **ret_why);

#endif
