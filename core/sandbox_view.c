/* core/sandbox_view.c: the host's files as the supervisor sees them: read-only, but for the
 * folders that it writes to.
 *
 * It gets a mount namespace of its own. Copies of the writable folders' mounts are taken, then all mounts
 * become read-only, then the copies are put over their places; so a mount that is read-only
 * outside stays so inside. Mounts that the host makes later still arrive, for a team's files may lie there.
 * Descriptors that were opened before keep the mounts they came from.
 *
 * Who is not root makes a user namespace along with it, where user and group are themselves. Some hosts
 * let one be made and refuse what is done in it, so a child tries all of it first.
 *
 * Landlock would say the same in fewer calls, but a process in one of its domains can mount nothing, so
 * the supervisor's children could not leave the host's tree for an empty root.
 *
 * Used by: teams/supervisor.c.   Sources: mount_namespaces(7), user_namespaces(7), mount_setattr(2),
 * open_tree(2), landlock(7). */
#include "core/sandbox.h"

#include "core/bytes.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

/* A file of /proc, which cannot be replaced. */
static int write_text(const char *path, const char *text)
{
	CLEANUP(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
}

static int leave_mounts(void)
{
	CLEANUP(free) char *users = str_printf("%u %u 1", (unsigned)geteuid(), (unsigned)geteuid());
	CLEANUP(free) char *groups = str_printf("%u %u 1", (unsigned)getegid(), (unsigned)getegid());
	int r;

	if (unshare(CLONE_NEWNS) == 0)
		return 0;
	if (unshare(CLONE_NEWNS | CLONE_NEWUSER) < 0)
		return -errno;
	r = write_text("/proc/self/setgroups", "deny");
	if (r == 0)
		r = write_text("/proc/self/uid_map", users);
	return r == 0 ? write_text("/proc/self/gid_map", groups) : r;
}

static int make_read_only(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	return mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0 ? -errno : 0;
}

/* Makes all read-only but what is below @dirs. */
static int narrow(const char *const dirs[], size_t n)
{
	CLEANUP(fd) int tree = -1;
	int r;

	if (n == 0)
		return make_read_only();
	tree = open_tree(AT_FDCWD, dirs[0], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0)
		return -errno;
	r = narrow(dirs + 1, n - 1);
	if (r == 0 && move_mount(tree, "", AT_FDCWD, dirs[0], MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0)
		r = -errno;
	return r;
}

static int leave_and_narrow(const char *const dirs[], size_t n)
{
	int r = leave_mounts();

	if (r == 0 && mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		r = -errno;
	return r < 0 ? r : narrow(dirs, n);
}

int sandbox_narrow_view(enum sandbox_role role, const char *const dirs[], size_t n, char **ret_why)
{
	int status = 0, r;
	pid_t pid;

	if (!sandbox_is_wanted(role))
		return 0;
	pid = fork();
	if (pid == 0)
		_exit(-leave_and_narrow(dirs, n));
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || status != 0) {
		log_info("cell: it could write to all of its user's files: %s",
			 pid < 0 ? strerror(errno) : WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "killed");
		return 0;
	}
	r = leave_and_narrow(dirs, n);
	if (r < 0)
		*ret_why = str_printf("its view of the host's files: %s", strerror(-r));
	return r;
}
