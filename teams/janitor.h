/* teams/janitor.h: the process that cleans up after a supervisor that was killed. */
#ifndef MUSTER_TEAMS_JANITOR_H
#define MUSTER_TEAMS_JANITOR_H

#include <sys/types.h>

/* Does not return. @pipe_fd: the supervisor alone holds its other end.
 * @group: the supervisor's process group. @run_dir: removed with all in it. */
_Noreturn void janitor_run(int pipe_fd, pid_t group, const char *run_dir);

#endif
