/* teams/lease_files.h: the files of a team's leases, and what is known of the process that keeps them.
 *
 * A team with DHCP has some: TEAM/leases/NETWORK.0 and .1 in its state folder. They go with an end that was asked for.
 * After any other end they stay, and the next `up` takes them over.
 *
 * Used by: lease_process.c, spawn.c, spawn_fds.c, calls.c, status.c, supervisor.c.
 * Depends on: side_process.c, fabric/kept_leases.h. */
#ifndef MUSTER_TEAMS_LEASE_FILES_H
#define MUSTER_TEAMS_LEASE_FILES_H

#include "fabric/lease_server.h"
#include "teams/side_process.h"

/* Owned by the supervisor. */
struct sup_leases {
	struct side_process process;
	char *dir;
	struct lease_keeper_log *logs; /* in the fabric's order (kept_leases_ports()) */
	size_t n_logs;
	char *error_text; /* owned; NULL: they can */
};

/* Opens the files of the plan's logs, once the plan is there. Returns 0, also for a team without DHCP; -errno with a
 * message, which the caller frees. */
int sup_open_leases(struct supervisor *sup, char **ret_why);
/* An undo step: closes the files, and removes them where the end was asked for. */
void sup_close_leases(void *sup);
/* The fabric says that leases cannot be recorded, or (@error NULL) that they can again. */
void sup_leases_trouble(struct supervisor *sup, const char *error);
/* For `status`: as side_process_json(), with "error" while leases cannot be recorded; null without DHCP. */
json_t *sup_leases_json(const struct supervisor *sup);

#endif
