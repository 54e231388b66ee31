/* teams/lease_process.h: the process that keeps a team's leases (fabric/lease_server.h).
 *
 * Used by: supervisor.c.   Depends on: lease_files.c, side_process.c, spawn.c. */
#ifndef MUSTER_TEAMS_LEASE_PROCESS_H
#define MUSTER_TEAMS_LEASE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct supervisor;

/* Starts the process, once the fabric is there. Returns 0, also for a team without DHCP; -errno
 * with a message, which the caller frees. */
int sup_start_leases(struct supervisor *sup, char **ret_why);
void sup_kill_leases(void *sup); /* an undo step */

/* A child ended. Returns whether it was the process, which is started anew then. */
bool sup_leases_ended(struct supervisor *sup, pid_t pid, int status);

#endif
