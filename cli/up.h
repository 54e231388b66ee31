/* cli/up.h: bringing a team up, as `up` and `test` do it. */
#ifndef MUSTER_CLI_UP_H
#define MUSTER_CLI_UP_H

#include "cli/cli.h"
#include "teams/supervisor.h"

#include <sys/types.h>

struct up_options {
	struct supervisor_options sup;
	bool json; /* events as JSON lines on stdout */
	bool quiet; /* no lines for what goes well */
	bool replace; /* a team of that name which is up is torn down first */
};

/* A team that is up: the connection on which the supervisor was started. */
struct up {
	struct store store;
	int fd; /* -1: it is not up */
	pid_t pid; /* the supervisor, our child */
	const char *team; /* its name, borrowed */
};

/* Returns 0 when every VM is ready, else an exit status (said, all undone or,
 * with keep, left; up->fd is then -1). Ctrl-C and SIGTERM undo everything. */
int up_start(const struct team *team, const struct up_options *opt, struct up *up);
/* Stays until the team ends; Ctrl-C ends it. Returns an exit status. */
int up_stay(struct up *up, const struct up_options *opt);
/* `down`: waits until nothing is left. Returns an exit status. */
int up_end(struct up *up);
void up_done(struct up *up); /* lets go; the team stays unless foreground */

#endif
