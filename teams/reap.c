/* teams/reap.c: a team's end by force.
 *
 * Supervisor and janitor hold the team's lock, and the lock file says who they are: number
 * and start time. Nothing there is believed but together with what the kernel says of that
 * process. The supervisor is killed with its process group (fabric and machines, which die
 * with it anyway); then the janitor, which is not stopped, cleans and gives the lock up; one
 * that does not is killed too. Who gets the lock then removes the rest.
 *
 * Used by: supervisor.c, the commands down, ls and up.   Depends on: store.c, core/proc.h. */
#include "teams/reap.h"

#include "core/bytes.h"
#include "core/clock.h"
#include "core/proc.h"
#include "teams/client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { JANITOR_BOUND_MS = 3000, KILLED_BOUND_MS = 2000, EVERY_MS = 20, NOTE_MAX = 4096 };

int reap_note(int lock_fd, pid_t supervisor, pid_t janitor)
{
	CLEANUP(free) char *text = NULL;
	uint64_t s, j;
	int r = proc_start_time(supervisor, &s);

	if (r == 0)
		r = proc_start_time(janitor, &j);
	if (r < 0)
		return r;
	text = str_printf("supervisor %d %" PRIu64 "\njanitor %d %" PRIu64 "\n", (int)supervisor, s,
			  (int)janitor, j);
	/* One that was killed may have left its own. */
	/* SYSCALLS(supervisor): ftruncate write */
	return ftruncate(lock_fd, 0) < 0 ? -errno : fd_write_all(lock_fd, text, strlen(text));
}

/* Kills the process with @role that the lock file names. */
static void kill_role(const struct store *store, const char *team, const char *role)
{
	CLEANUP(free) char *path = store_lock_path(store, team);
	CLEANUP(free) char *title = str_printf("muster: %s %s", role, team);
	CLEANUP(bytes) struct bytes text = { 0 };

	if (file_read_all(path, NOTE_MAX, &text) < 0)
		return;
	for (char *line = (char *)text.data; line && *line; line = strchr(line, '\n')) {
		uint64_t ticks;
		int pid;

		line += *line == '\n';
		if (strncmp(line, role, strlen(role)) == 0 &&
		    sscanf(line + strlen(role), " %d %" SCNu64, &pid, &ticks) == 2)
			(void)proc_kill_exactly(pid, ticks, title, strcmp(role, "supervisor") == 0);
	}
}

/* Removes what is there when nobody holds the lock. Returns 0; -EWOULDBLOCK; -errno. */
static int clean(const struct store *store, const char *team, char **ret_why)
{
	CLEANUP(free) char *dir = store_run_dir(store, team);
	CLEANUP(fd) int lock = -1;
	int r = store_lock(store, team, &lock, ret_why);

	if (r < 0)
		return r;
	r = dir_remove_all(dir);
	if (r < 0)
		*ret_why = str_printf("%s: %s", dir, strerror(-r));
	store_unlock(store, team);
	return r;
}

static int clean_within(const struct store *store, const char *team, nsec_t bound, char **ret_why)
{
	nsec_t until = clock_now() + bound;
	int r = clean(store, team, ret_why);

	while (r == -EWOULDBLOCK && clock_now() < until) {
		client_wait(EVERY_MS * NSEC_PER_MSEC);
		r = clean(store, team, ret_why);
	}
	return r;
}

int reap_team(const struct store *store, const char *team, bool at_once, char **ret_why)
{
	int r = -EWOULDBLOCK;

	if (!at_once)
		r = clean_within(store, team, JANITOR_BOUND_MS * NSEC_PER_MSEC, ret_why);
	if (r == -EWOULDBLOCK) {
		kill_role(store, team, "supervisor");
		r = clean_within(store, team, KILLED_BOUND_MS * NSEC_PER_MSEC, ret_why);
	}
	if (r == -EWOULDBLOCK) {
		kill_role(store, team, "janitor");
		r = clean_within(store, team, KILLED_BOUND_MS * NSEC_PER_MSEC, ret_why);
	}
	if (r == -EWOULDBLOCK) {
		*ret_why = str_printf("team %s: another process holds its lock", team);
		return -EBUSY;
	}
	return r;
}

bool reap_left(const struct store *store, const char *team)
{
	CLEANUP(free) char *why = NULL;

	return clean(store, team, &why) == 0;
}
