/* teams/reap.c: a team's end by force.
 *
 * Supervisor and janitor hold the team's lock, and the lock file says who they are: number
 * and start time. Nothing there is believed but together with what the kernel says of that
 * process. Who is killed is who was named before anybody was asked to end: an owner that comes
 * later is another team of the same name, and ends the work. The supervisor is killed with its process group (fabric and machines, which die
 * with it anyway); then the janitor, which is not stopped, cleans and gives the lock up; one
 * that does not is killed too. Who gets the lock then removes the rest.
 *
 * Used by: supervisor.c, the commands down, ls and up.   Depends on: store.c, core/proc.h. */
#include "teams/reap.h"

#include "core/bytes.h"
#include "core/clock.h"
#include "core/proc.h"
#include "teams/cgroup.h"
#include "teams/client.h"
#include "teams/socket_path.h"

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
	/* Who took the lock emptied the file. */
	/* SYSCALLS(supervisor): write */
	return fd_write_all(lock_fd, text, strlen(text));
}

/* Reads whom the lock file names, if anybody. */
static void read_note(struct reap_owner *o)
{
	char text[NOTE_MAX + 1] = "";
	int supervisor, janitor;
	uint64_t s, j;

	if (o->lock_fd < 0 || pread(o->lock_fd, text, NOTE_MAX, 0) < 0 ||
	    sscanf(text, "supervisor %d %" SCNu64 " janitor %d %" SCNu64, &supervisor, &s, &janitor, &j) != 4)
		return;
	o->supervisor = supervisor;
	o->supervisor_ticks = s;
	o->janitor = janitor;
	o->janitor_ticks = j;
}

void reap_look(const struct store *store, const char *team, struct reap_owner *ret_owner)
{
	CLEANUP(free) char *path = store_lock_path(store, team);

	*ret_owner = (struct reap_owner){ .lock_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) };
	read_note(ret_owner);
}

void reap_owner_done(struct reap_owner *owner)
{
	cleanup_fd(&owner->lock_fd);
	owner->lock_fd = -1;
}

/* Whether @owner gave the lock up: its file is gone, or names another. */
static bool has_ended(const struct store *store, const char *team, const struct reap_owner *owner)
{
	struct reap_owner now = { .lock_fd = owner->lock_fd };

	if (!store_lock_is(store, team, owner->lock_fd))
		return true;
	read_note(&now);
	return owner->supervisor != 0 && now.supervisor != 0 &&
	       (now.supervisor != owner->supervisor || now.supervisor_ticks != owner->supervisor_ticks);
}

/* Removes what is there when nobody holds the lock. Returns 0; -EWOULDBLOCK; -errno. */
static int clean(const struct store *store, const char *team, char **ret_why)
{
	CLEANUP(free) char *dir = store_run_dir(store, team);
	CLEANUP(free) char *note = store_cgroup_note(store, team);
	CLEANUP(free) char *sockets = store_socket_note(store, team);
	CLEANUP(fd) int lock = -1;
	int r = store_lock(store, team, &lock, ret_why);

	if (r < 0)
		return r;
	r = dir_remove_all(dir);
	if (r < 0)
		*ret_why = str_printf("%s: %s", dir, strerror(-r));
	else if ((r = cgroup_remove_noted(note)) < 0)
		*ret_why = str_printf("the control group in %s: %s", note, strerror(-r));
	else if ((r = socket_paths_remove_noted(sockets)) < 0)
		*ret_why = str_printf("a socket that %s names: %s", sockets, strerror(-r));
	store_unlock(store, team);
	return r;
}

/* As clean(); 0 as well when another team of that name has come meanwhile. */
static int clean_within(const struct store *store, const char *team, const struct reap_owner *owner, nsec_t bound,
			char **ret_why)
{
	nsec_t until = clock_now() + bound;

	for (;;) {
		int r = clean(store, team, ret_why);

		if (r != -EWOULDBLOCK || clock_now() >= until)
			return r;
		if (has_ended(store, team, owner))
			return 0;
		client_wait(EVERY_MS * NSEC_PER_MSEC);
	}
}

static void kill_role(const char *team, const char *role, pid_t pid, uint64_t ticks, bool with_group)
{
	CLEANUP(free) char *title = str_printf("muster: %s %s", role, team);

	(void)proc_kill_exactly(pid, ticks, title, with_group);
}

int reap_team(const struct store *store, const char *team, struct reap_owner *owner, bool at_once,
	      char **ret_why)
{
	int r = -EWOULDBLOCK;

	if (!at_once)
		r = clean_within(store, team, owner, JANITOR_BOUND_MS * NSEC_PER_MSEC, ret_why);
	/* Who was about to write its name has done so. */
	if (r == -EWOULDBLOCK && owner->supervisor == 0)
		read_note(owner);
	if (r == -EWOULDBLOCK) {
		kill_role(team, "supervisor", owner->supervisor, owner->supervisor_ticks, true);
		r = clean_within(store, team, owner, KILLED_BOUND_MS * NSEC_PER_MSEC, ret_why);
	}
	if (r == -EWOULDBLOCK) {
		kill_role(team, "janitor", owner->janitor, owner->janitor_ticks, false);
		r = clean_within(store, team, owner, KILLED_BOUND_MS * NSEC_PER_MSEC, ret_why);
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

void reap_all_left(const struct store *store)
{
	json_t *names = store_list_left(store), *name;
	size_t i;

	json_array_foreach (names, i, name) {
		const char *team = json_string_value(name);
		CLEANUP(fd) int fd = -1;

		if (client_open(store, team, &fd) == -ENOENT)
			(void)reap_left(store, team);
	}
	json_decref(names);
}
