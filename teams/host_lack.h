/* teams/host_lack.h: what a host has too little of, in words that say what to do. */
#ifndef MUSTER_TEAMS_HOST_LACK_H
#define MUSTER_TEAMS_HOST_LACK_H

#include "topologies/team.h"

#include <stdbool.h>

/* What a command's exit status is when the host lacks something. */
enum { HOST_LACK_STATUS = 4 };

/* Whether the error @r (a -errno) is the host's: files, processes, memory or room that it has not,
 * or does not allow. */
bool host_lacks(int r);

/* What can be done about the error @r. Not to be freed; NULL where the host lacks nothing. */
const char *host_lack_remedy(int r);
/* "WHAT: the error; and what can be done about it". @what: what was to be had. The caller owns the result. */
char *host_lack_str(const char *what, int r);

/* Refuses a team whose processes need more open files than the limit allows; raises the soft limit
 * where that is enough, and for as many commands as may talk to the team at once where it can be. To be called before anything is opened for the team.
 * Returns 0; -EMFILE with a message that says how many are needed.   Source: getrlimit(2). */
int host_files_check(const struct team *team, char **ret_why);

#endif
