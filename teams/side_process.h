/* teams/side_process.h: a process of the team whose end is not the team's: it is started anew.
 *
 * A start comes RESTART_S after the one before at the earliest. The time doubles, up to RESTART_MAX_S, with each
 * process that lives for less than STEADY_S.
 *
 * Used by: lease_files.c, lease_process.c, supervisor.c, uplink.c.   Depends on: events.c, cgroup.c, core/loop.h. */
#ifndef MUSTER_TEAMS_SIDE_PROCESS_H
#define MUSTER_TEAMS_SIDE_PROCESS_H

#include "core/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

enum { SIDE_RESTART_S = 1, SIDE_RESTART_MAX_S = 32, SIDE_STEADY_S = 10 };

struct supervisor;

struct side_process {
	struct supervisor *sup; /* borrowed */
	const char *name; /* its word in events and in the log: "leases" */
	/* Starts it. Returns 0 with its process in @ret_pid; -errno with a message, which the caller frees. */
	int (*start)(void *ctx, pid_t *ret_pid, char **ret_why);
	void *ctx;
	/* The rest is its own. */
	pid_t pid; /* 0: there is none */
	struct loop_source *timer; /* of the next start */
	nsec_t started_ns, due_ns; /* the last start; the next one, while there is no process */
	unsigned n_restarts, n_short; /* starts but the first; processes in a row that did not live long */
	char *why; /* of the last end; owned; NULL: there was none */
};

/* Starts @p, whose first members are set, for the first time. Returns as its start() does; -errno. */
int side_process_start(struct side_process *p, nsec_t now, char **ret_why);
/* Kills it and forgets it. */
void side_process_end(struct side_process *p);
/* A child ended. Returns whether it was this one: it is told, and its next start is set. */
bool side_process_ended(struct side_process *p, pid_t pid, int status, nsec_t now);
/* {"pid","restarts","why"}: "why" is the last end's, null where there was none. The caller owns it. */
json_t *side_process_json(const struct side_process *p);

/* Why @who ended with @status (of wait(2)), for people. The caller frees. */
char *child_end_str(struct supervisor *sup, const char *who, int status);

#endif
