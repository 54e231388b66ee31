/* teams/janitor.c: waits for the supervisor's end, in a session of its own.
 *
 * It blocks in read() on a pipe whose other end only the supervisor holds.
 * A supervisor that has undone all kills it. The pipe's end means that the
 * supervisor was killed: what is left of its process group is killed (its
 * machines and fabric die by PR_SET_PDEATHSIG anyway), then the runtime folder,
 * the team's control group and the sockets of its stations are removed. A tap interface that was made goes by itself
 * with its last descriptor, the fabric's. It keeps the team's lock until then, so that the next `up` of
 * the same team waits for the cleaning.
 *
 * A janitor that is killed takes the team with it: the supervisor sees its
 * child end and unwinds.
 *
 * Used by: spawn.c. */
#include "teams/janitor.h"

#include "core/bytes.h"
#include "core/log.h"
#include "core/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Goes on without what it cannot do. */
static void clean(const struct janitor *j)
{
	CLEANUP(free) char *run_dir = store_run_dir(j->store, j->team);
	CLEANUP(free) char *note = store_cgroup_note(j->store, j->team);
	CLEANUP(free) char *sockets = store_socket_note(j->store, j->team);
	int r = dir_remove_all(run_dir);

	if (r < 0)
		log_error("%s: %s", run_dir, strerror(-r));
	r = cgroup_remove(j->cgroup, note);
	if (r < 0)
		log_error("%s: %s", j->cgroup->path, strerror(-r));
	stations_remove_sockets(j->stations, j->n_stations, sockets);
	store_unlock(j->store, j->team);
}

/* A process that cannot lock itself still has to clean up. */
static void enter_cell(const struct janitor *j)
{
	struct sandbox_dir *dirs = calloc(2 + j->n_stations, sizeof *dirs);
	CLEANUP(free) char *why = NULL;
	size_t n = 0;

	if (!dirs)
		abort();
	dirs[n++].path = str_dup(j->store->run);
	if (j->cgroup->path)
		dirs[n++].path = str_dup(j->cgroup->path);
	for (size_t i = 0; i < j->n_stations; i++)
		if (j->stations[i].made.path)
			dirs[n++] = (struct sandbox_dir){ .path = path_folder(j->stations[i].made.path),
							  .is_files_only = true };
	if (sandbox_isolate(SANDBOX_JANITOR, dirs, n, &why) < 0 || sandbox_lock(SANDBOX_JANITOR, &why) < 0)
		log_warn("the janitor's cell cannot be locked: %s", why);
	while (n > 0)
		free((char *)dirs[--n].path);
	free(dirs);
}

_Noreturn void janitor_run(const struct janitor *j)
{
	char byte;
	ssize_t n;

	enter_cell(j);
	/* SYSCALLS(janitor): read kill(1 == SIGKILL) */
	do
		n = read(j->pipe_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 0)
		_exit(0);
	log_warn("the supervisor was killed: cleaning up");
	(void)kill(-j->group, SIGKILL);
	clean(j);
	_exit(0);
}
