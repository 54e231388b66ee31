/* teams/janitor.c: waits for the supervisor's end, in a session of its own.
 *
 * It blocks in read() on a pipe whose other end only the supervisor holds.
 * A supervisor that has undone all kills it. The pipe's end means that the
 * supervisor was killed: what is left of its process group is killed (its
 * machines and fabric die by PR_SET_PDEATHSIG anyway), then the runtime folder
 * and the team's control group are removed. It keeps the team's lock until then, so that the next `up` of
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
#include <string.h>
#include <unistd.h>

/* Goes on without what it cannot do. */
static void clean(const struct store *store, const char *team, struct cgroup *cgroup)
{
	CLEANUP(free) char *run_dir = store_run_dir(store, team);
	CLEANUP(free) char *note = store_cgroup_note(store, team);
	int r = dir_remove_all(run_dir);

	if (r < 0)
		log_error("%s: %s", run_dir, strerror(-r));
	r = cgroup_remove(cgroup, note);
	if (r < 0)
		log_error("%s: %s", cgroup->path, strerror(-r));
	store_unlock(store, team);
}

_Noreturn void janitor_run(int pipe_fd, pid_t group, const struct store *store, const char *team,
			   struct cgroup *cgroup)
{
	const char *dirs[] = { store->run, cgroup->path };
	CLEANUP(free) char *why = NULL;
	char byte;
	ssize_t n;

	/* One that cannot lock itself still has to clean up. */
	if (sandbox_isolate(SANDBOX_JANITOR, dirs, cgroup->path ? 2 : 1, &why) < 0 ||
	    sandbox_lock(SANDBOX_JANITOR, &why) < 0)
		log_warn("the janitor's cell cannot be locked: %s", why);
	/* SYSCALLS(janitor): read kill(1 == SIGKILL) */
	do
		n = read(pipe_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 0)
		_exit(0);
	log_warn("the supervisor was killed: cleaning up");
	(void)kill(-group, SIGKILL);
	clean(store, team, cgroup);
	_exit(0);
}
