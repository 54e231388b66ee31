/* teams/janitor.h: the process that cleans up after a supervisor that was killed. */
#ifndef MUSTER_TEAMS_JANITOR_H
#define MUSTER_TEAMS_JANITOR_H

#include "teams/cgroup.h"
#include "teams/stations.h"
#include "teams/store.h"

#include <sys/types.h>

/* What it waits for, and what it cleans up. All is borrowed. */
struct janitor {
	int pipe_fd; /* the supervisor alone holds its other end */
	pid_t group; /* the supervisor's process group */
	const struct store *store;
	const char *team;
	struct cgroup *cgroup;
	const struct station *stations; /* their sockets */
	size_t n_stations;
};

/* Does not return. The team's runtime folder is removed with all in it, then the control group and its note, the
 * sockets of stations and their note, then the lock. */
_Noreturn void janitor_run(const struct janitor *j);

#endif
