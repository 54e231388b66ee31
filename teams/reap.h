/* teams/reap.h: a team's end by force, when its supervisor or janitor does not answer. */
#ifndef MUSTER_TEAMS_REAP_H
#define MUSTER_TEAMS_REAP_H

#include "teams/store.h"

#include <stdint.h>
#include <sys/types.h>

/* Writes into the team's lock file, whose holder the caller is, which processes hold it.
 * Returns 0 or -errno. */
int reap_note(int lock_fd, pid_t supervisor, pid_t janitor);

/* Who held a team's lock at a moment: the file, kept open so that no other can be taken for it (-1:
 * there was none), and the processes with their start times; 0: none were named yet. */
struct reap_owner {
	int lock_fd;
	pid_t supervisor, janitor;
	uint64_t supervisor_ticks, janitor_ticks;
};

/* Looks who holds @team's lock. To be called before the supervisor is asked to end, so that what is
 * killed later is what was asked. The caller ends @ret_owner with reap_owner_done(). */
void reap_look(const struct store *store, const char *team, struct reap_owner *ret_owner);
void reap_owner_done(struct reap_owner *owner);
static inline void cleanup_reap_owner(struct reap_owner *owner)
{
	reap_owner_done(owner);
}

/* Kills the processes of @team that @owner names, nothing else: each is one only while its
 * start time and its name are what they were. Then removes what is left of the team below the
 * runtime folder. Accepts a team that is no more, and one of that name which others started since
 * @owner was looked for: it is left alone.
 * @at_once: else a supervisor that is about to listen or to end, or its janitor, has 3 s before it
 * is killed.
 * @ret_why: what is in the way; the caller frees it. Returns 0; -EBUSY when another process
 * holds the lock; -errno. */
int reap_team(const struct store *store, const char *team, struct reap_owner *owner, bool at_once,
	      char **ret_why);

/* Removes what is left of a team whose processes are gone (killed, supervisor and janitor), if
 * so: nobody holds its lock. Returns whether it was. */
bool reap_left(const struct store *store, const char *team);

/* The same of every team that has anything below the runtime folder and does not answer. */
void reap_all_left(const struct store *store);

#endif
