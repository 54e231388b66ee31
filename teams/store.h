/* teams/store.h: where a team's files are.
 *
 *   home      $MUSTER_HOME, else ${XDG_STATE_HOME:-~/.local/state}/muster
 *     teams/TEAM/leases/    what DHCP leased, while the team is, and after an end that was not asked for
 *     teams/TEAM/log, events.jsonl, ended.json, consoles/VM.log, run/VM.log
 *   run       ${XDG_RUNTIME_DIR}/muster, else the private folder /tmp/muster-UID
 *     TEAM/control      the supervisor's socket; the folder is there while the team is
 *     TEAM.lock         held by supervisor and janitor; there while the team is
 *     TEAM.cgroup       the folder of the team's control group; there while that is
 *     TEAM.sockets      the sockets that it made elsewhere (teams/socket_path.h); there while they are
 *
 * Everything below run/TEAM ends with the team. Paths that are returned are
 * the caller's to free. */
#ifndef MUSTER_TEAMS_STORE_H
#define MUSTER_TEAMS_STORE_H

#include "core/cleanup.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct store {
	char *home, *run;
};

/* Finds both folders and makes them. @ret_why: a message for people, the
 * caller frees it. Returns 0; -EPERM when the runtime folder is another's;
 * -errno. */
int store_open(struct store *ret_store, char **ret_why);
/* Frees the paths; the folders stay. */
void store_done(struct store *s);
static inline void cleanup_store(struct store *s)
{
	store_done(s);
}

/* Each makes the path that the page above says; the caller frees it. Nothing is looked at or made. */
char *store_run_dir(const struct store *s, const char *team);
char *store_socket(const struct store *s, const char *team);
char *store_state_dir(const struct store *s, const char *team);
char *store_state_file(const struct store *s, const char *team, const char *name);

char *store_leases_dir(const struct store *s, const char *team);
/* Removes the leases of @team, unless it is up. Returns 0; -EWOULDBLOCK; -errno. */
int store_leases_forget(const struct store *s, const char *team);

/* The file that names the team's control group. Who holds the lock may write it. */
char *store_cgroup_note(const struct store *s, const char *team);
/* The file that names the sockets that the team made at its user's paths. As above. */
char *store_socket_note(const struct store *s, const char *team);

/* Makes the state folder of @team and empties what the last run left there.
 * Call it with the lock held. Returns 0 or -errno. */
int store_state_prepare(const struct store *s, const char *team, char **ret_why);

/* The lock's file: the caller's to free. */
char *store_lock_path(const struct store *s, const char *team);
/* Takes the lock of @team, whose file is then empty: held by every copy of *ret_fd.
 * Returns 0; -EWOULDBLOCK when another has it; -errno with a message. */
int store_lock(const struct store *s, const char *team, int *ret_fd, char **ret_why);
/* Whether @fd is the lock's file of @team as it is now. */
bool store_lock_is(const struct store *s, const char *team, int fd);
/* Removes the lock's file, and the runtime folder with the last team. Only a
 * holder may; it closes its copy afterwards. */
void store_unlock(const struct store *s, const char *team);

/* Names of the teams which have a runtime folder, sorted: a JSON array of
 * strings, the caller's. */
json_t *store_list(const struct store *s);
/* The same of the teams which have anything below `run`: the folder, or a file beside it alone. Such a
 * file is a team's that begins or ends just now, or was left by processes that were killed. */
json_t *store_list_left(const struct store *s);

/* What is left of teams that are not up, and the cache of packages, or of @team alone: an array
 * of {"kind": "run", "team" or "cache", "name", "path", "size_bytes"}, the caller's. "run" is what lies
 * below the runtime folder; @path is there an example. It is listed for all teams only. */
json_t *store_remains(const struct store *s, const char *team);
/* Removes one of them; "run" is reap_left()'s (teams/reap.h). Returns 0; -EWOULDBLOCK when the team has
 * come up; -errno. */
int store_remains_remove(const struct store *s, const json_t *remains);

/* The folder `home`, by the environment alone: nothing is looked at or made. The caller frees. */
char *store_home_path(void);

/* The folder @what of the program's data: below MUSTER_DATA, or share/ beside the program, or
 * ../share/muster of an installed one; it may not be there. NULL when the program's own path
 * cannot be read. The caller frees. */
char *store_data_dir(const char *what);

/* True for what `team:` may be: [a-z0-9][a-z0-9-]{0,31}. */
bool store_name_is_valid(const char *name);

#endif
