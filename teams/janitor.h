/* teams/janitor.h: the process that cleans up after a supervisor that was killed. */
#ifndef MUSTER_TEAMS_JANITOR_H
#define MUSTER_TEAMS_JANITOR_H

#include "teams/cgroup.h"
#include "teams/store.h"

#include <sys/types.h>

/* Does not return. @pipe_fd: the supervisor alone holds its other end.
 * @group: the supervisor's process group. The team's runtime folder is removed
 * with all in it, then @cgroup and its note, then the lock. */
_Noreturn void janitor_run(int pipe_fd, pid_t group, const struct store *store, const char *team,
			   struct cgroup *cgroup);

#endif
