/* core/transfer_temp.c: temporary names of a received tree.
 *
 * A receiver holds a lock (flock) on what it is filling under a temporary name, from before anyone may remove it until it
 * has its own name. The kernel lets the lock go when the receiver is killed. The next receiver in that folder takes
 * the lock of each temporary name it finds, and removes what it got. A name that was made and not yet locked may be
 * removed in between: its maker sees that it has no name any more and makes another.
 *
 * A link cannot be locked. It has a temporary name for one rename only, and is removed when the process in its name
 * is gone.
 *
 * Used by: core/transfer.c.   Depends on: core/bytes.h. */
#include "core/transfer_temp.h"

#include "core/bytes.h"
#include "core/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES_MAX = 8 /* names that sweeps take, one after the other */ };

static const char prefix[] = ".muster-copy.";

char *transfer_temp_name(void)
{
	static unsigned n;

	return str_printf("%s%d.%u", prefix, (int)getpid(), ++n);
}

bool transfer_temp_hold(int fd)
{
	struct stat st;

	while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
		;
	return fstat(fd, &st) < 0 || st.st_nlink > 0;
}

static int make_folder(int dir_fd, const char *name)
{
	if (mkdirat(dir_fd, name, 0700) < 0)
		return -1;
	return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int make_file(int dir_fd, const char *name)
{
	return openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int make_held(int dir_fd, int (*make)(int dir_fd, const char *name), char **ret_name, int *ret_fd)
{
	int r = -ENOENT;

	for (unsigned i = 0; i < TRIES_MAX; i++) {
		CLEANUP(free) char *name = transfer_temp_name();
		CLEANUP(fd) int fd = make(dir_fd, name);

		if (fd < 0) {
			r = -errno;
			/* An earlier process of this number left it; a sweep was here. */
			if (r == -EEXIST || r == -ENOENT)
				continue;
			return r;
		}
		if (!transfer_temp_hold(fd))
			continue;
		*ret_name = take_ptr(name);
		*ret_fd = take_fd(&fd);
		return 0;
	}
	return r;
}

int transfer_temp_folder(int dir_fd, char **ret_name, int *ret_fd)
{
	return make_held(dir_fd, make_folder, ret_name, ret_fd);
}

int transfer_temp_file(int dir_fd, char **ret_name, int *ret_fd)
{
	return make_held(dir_fd, make_file, ret_name, ret_fd);
}

/* ---- the sweep ------------------------------------------------------------------ */

/* @ret_pid: the process in the name. Returns whether it is a temporary name, whole. */
static bool is_temporary(const char *name, int *ret_pid)
{
	unsigned n;
	int end = 0;

	return strncmp(name, prefix, sizeof prefix - 1) == 0 &&
	       sscanf(name + sizeof prefix - 1, "%9d.%9u%n", ret_pid, &n, &end) == 2 && *ret_pid > 0 &&
	       !name[sizeof prefix - 1 + (size_t)end];
}

static void sweep_link(int dir_fd, const char *name, int pid)
{
	if (kill(pid, 0) < 0 && errno == ESRCH)
		(void)unlinkat(dir_fd, name, 0);
}

static void sweep_one(int dir_fd, const char *name, int pid)
{
	CLEANUP(free) char *path = NULL;
	CLEANUP(fd) int fd = -1;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid != geteuid())
		return;
	if (S_ISLNK(st.st_mode)) {
		sweep_link(dir_fd, name, pid);
		return;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return;
	fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (S_ISREG(st.st_mode)) {
		(void)unlinkat(dir_fd, name, 0);
		return;
	}
	path = str_printf("/proc/self/fd/%d/%s", dir_fd, name);
	(void)dir_remove_all(path);
}

void transfer_temp_sweep(int dir_fd)
{
	/* A descriptor with a place of its own to read from. */
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), pid;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((e = readdir(dir)))
		if (is_temporary(e->d_name, &pid))
			sweep_one(dir_fd, e->d_name, pid);
	(void)closedir(dir);
}
