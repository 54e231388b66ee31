/* teams/supervisor.h: the process that owns a team. */
#ifndef MUSTER_TEAMS_SUPERVISOR_H
#define MUSTER_TEAMS_SUPERVISOR_H

#include "teams/store.h"
#include "topologies/team.h"

#include <stdbool.h>
#include <sys/types.h>

struct supervisor_options {
	bool foreground; /* the team ends with the first client's connection */
	bool keep; /* what is there stays when bringing up fails */
};

/* Whether this host has the files, the engine and the memory that @team wants.
 * @freed_bytes: memory that will be given back before it starts.
 * Returns 0; -ENOTSUP, or another -errno, with a message, which the caller frees. */
int supervisor_check(const struct team *team, uint64_t freed_bytes, char **ret_why);

/* Forks the supervisor of @team. @lock_fd: from store_lock(), handed on (the
 * caller closes its own). @ret_fd: a connection to it (teams/client.h), on
 * which every event comes. The caller reaps *ret_pid or leaves it to init.
 * Returns 0 or -errno with a message; -ENOTSUP: this host lacks the engine that is asked for, or
 * the memory. */
int supervisor_start(const struct store *store, const struct team *team,
		     const struct supervisor_options *opt, int lock_fd, int *ret_fd,
		     pid_t *ret_pid, char **ret_why);

#endif
