/* teams/reap.h: a team's end by force, when its supervisor or janitor does not answer. */
#ifndef MUSTER_TEAMS_REAP_H
#define MUSTER_TEAMS_REAP_H

#include "teams/store.h"

#include <sys/types.h>

/* Writes into the team's lock file, whose holder the caller is, which processes hold it.
 * Returns 0 or -errno. */
int reap_note(int lock_fd, pid_t supervisor, pid_t janitor);

/* Kills the processes of @team that its lock file names, nothing else: each is one only while its
 * start time and its name are what they were. Then removes what is left of the team below the
 * runtime folder. Accepts a team that is no more.
 * @at_once: else a supervisor that is about to listen or to end, or its janitor, has 3 s before it
 * is killed.
 * @ret_why: what is in the way; the caller frees it. Returns 0; -EBUSY when another process
 * holds the lock; -errno. */
int reap_team(const struct store *store, const char *team, bool at_once, char **ret_why);

/* Removes what is left of a team whose processes are gone (killed, supervisor and janitor), if
 * so: nobody holds its lock. Returns whether it was. */
bool reap_left(const struct store *store, const char *team);

#endif
