/* images/agent/handover.c: the first process of a guest whose system is a whole
 * distribution: makes its root and becomes its init.
 *
 * The root is an overlay: below, the read-only image in persistent memory, used
 * in place; above, a tmpfs. What the monitor appended to the initramfs (the
 * team's plan and files) is moved there through the new root's own links (/bin
 * may lead to /usr/bin), so this happens after chroot, with the old root held by
 * a descriptor. What is this program's own lies in /handover and goes with the
 * rest of the initramfs: a guest's memory holds nothing twice.
 *
 * The agent's port gets the name that udev would give it, so the agent need not
 * wait for udev.
 *
 * Sources: Linux Documentation/filesystems/overlayfs.rst, ramfs-rootfs-initramfs.rst. */
#include "images/agent/boot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const mounts[] = { "/dev", "/proc", "/sys", "/run" };

enum { DEPTH_MAX = 64 };

static void say(const char *what, const char *name)
{
	fprintf(stderr, "handover: %s %s: %s\n", what, name, strerror(errno));
}

/* ---- the new root -------------------------------------------------------------- */

static int mount_root(void)
{
	(void)mkdir("/handover/over", 0755);
	(void)mkdir("/handover/new", 0755);
	if (mount("tmpfs", "/handover/over", "tmpfs", 0, "mode=755") < 0)
		return -1;
	(void)mkdir("/handover/over/upper", 0755);
	(void)mkdir("/handover/over/work", 0755);
	return mount("overlay", "/handover/new", "overlay", 0,
		     "lowerdir=/image,upperdir=/handover/over/upper,workdir=/handover/over/work");
}

/* Moves the kernel's file systems along and makes /handover/new the root. */
static int enter_root(void)
{
	for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
		char to[64];

		(void)snprintf(to, sizeof to, "/handover/new%s", mounts[i]);
		if (mount(mounts[i], to, NULL, MS_MOVE, NULL) < 0)
			say("move", mounts[i]);
	}
	/* The overlay holds its layers itself. */
	(void)umount2("/image", MNT_DETACH);
	(void)umount2("/handover/over", MNT_DETACH);
	if (chdir("/handover/new") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return -1;
	return chdir("/");
}

/* ---- what the initramfs held ----------------------------------------------------- */

static void copy_file(int from_dir, const char *name, const char *to, const struct stat *st)
{
	int in = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	off_t left = st->st_size;
	ssize_t n = 1;

	while (in >= 0 && out >= 0 && left > 0 && (n = sendfile(out, in, NULL, (size_t)left)) > 0)
		left -= n;
	if (in < 0 || out < 0 || n < 0 || fchmod(out, st->st_mode & 07777) < 0)
		say("copy", to);
	if (in >= 0)
		(void)close(in);
	if (out >= 0)
		(void)close(out);
}

static void take_tree(int dir_fd, const char *to, dev_t dev, bool keep, int depth);

/* Takes one entry of the old root to @to, or drops it. */
static void take_entry(int dir_fd, const char *name, const char *to, dev_t dev, bool keep, int depth)
{
	struct stat st;
	char target[PATH_MAX];
	ssize_t n;
	int fd;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != dev)
		return;
	if (S_ISDIR(st.st_mode)) {
		fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (keep && mkdir(to, st.st_mode & 07777) < 0 && errno != EEXIST)
			say("make", to);
		take_tree(fd, to, dev, keep, depth + 1);
		(void)unlinkat(dir_fd, name, AT_REMOVEDIR);
		return;
	}
	if (keep && S_ISREG(st.st_mode))
		copy_file(dir_fd, name, to, &st);
	if (keep && S_ISLNK(st.st_mode)) {
		n = readlinkat(dir_fd, name, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		(void)unlink(to);
		if (symlink(target, to) < 0)
			say("link", to);
	}
	(void)unlinkat(dir_fd, name, 0);
}

/* Moves all below @dir_fd (closed in the end) that lies on @dev to the folder
 * @to; without @keep it is only removed. */
static void take_tree(int dir_fd, const char *to, dev_t dev, bool keep, int depth)
{
	DIR *dir = dir_fd >= 0 && depth < DEPTH_MAX ? fdopendir(dir_fd) : NULL;
	struct dirent *e;

	if (!dir && dir_fd >= 0)
		(void)close(dir_fd);
	while (dir && (e = readdir(dir))) {
		char path[PATH_MAX];
		bool ours = depth == 0 && (strcmp(e->d_name, "init") == 0 || strcmp(e->d_name, "handover") == 0 ||
					   strcmp(e->d_name, "image") == 0);

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(path, sizeof path, "%s/%s", to, e->d_name) < (int)sizeof path)
			take_entry(dirfd(dir), e->d_name, path, dev, keep && !ours, depth);
	}
	if (dir)
		(void)closedir(dir);
}

/* ---- ports ----------------------------------------------------------------------- */

/* /dev/virtio-ports/NAME for each port that has a name, as udev makes them. */
static void name_ports(void)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *e;

	(void)mkdir("/dev/virtio-ports", 0755);
	while (dir && (e = readdir(dir))) {
		char path[400], name[128] = "", link[200];
		FILE *f;

		(void)snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f && fgets(name, sizeof name, f)) {
			name[strcspn(name, "\n")] = '\0';
			(void)snprintf(link, sizeof link, "/dev/virtio-ports/%s", name);
			(void)snprintf(path, sizeof path, "../%s", e->d_name);
			if (*name && !strchr(name, '/') && symlink(path, link) < 0)
				say("link", link);
		}
		if (f)
			(void)fclose(f);
	}
	if (dir)
		(void)closedir(dir);
}

int main(int argc, char **argv)
{
	static char init[] = "/sbin/init";
	struct stat st;
	int old;

	(void)argc;
	boot_mount();
	boot_console();
	boot_modules("/handover");
	boot_image();
	old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || fstat(old, &st) < 0 || mount_root() < 0) {
		say("mount", "the root");
		return 1;
	}
	if (enter_root() < 0) {
		say("enter", "the root");
		return 1;
	}
	take_tree(old, "", st.st_dev, true, 0);
	name_ports();
	argv[0] = init;
	(void)execv(init, argv);
	say("run", init);
	return 1;
}
