/* images/agent/boot.c: the first steps of every guest's first process.
 *
 * The kernel's file systems, the console, the modules that reach the devices,
 * and the image. What fails is said on the console and does not stop the rest:
 * a guest that comes up half can be looked at.
 *
 * Used by: init.c (tiny), handover.c (debian). */
#include "images/agent/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void mount_or_say(const char *what, const char *where, unsigned long flags, const char *data)
{
	if (mount(what, where, what, flags, data) < 0 && errno != EBUSY)
		fprintf(stderr, "init: mount %s: %s\n", where, strerror(errno));
}

void boot_mount(void)
{
	mount_or_say("devtmpfs", "/dev", MS_NOSUID, "mode=0755");
	(void)mkdir("/dev/pts", 0755);
	(void)mkdir("/dev/shm", 01777);
	mount_or_say("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_or_say("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_or_say("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=0,mode=620,ptmxmode=666");
	mount_or_say("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, NULL);
	mount_or_say("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	(void)symlink("/proc/self/fd", "/dev/fd");
}

void boot_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3 && fd >= 0; i++)
		(void)dup2(fd, i);
	if (fd > 2)
		(void)close(fd);
}

/* Where the kernel has no such setting nothing is done. */
static void setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, value, strlen(value));
	(void)close(fd);
}

/* 2: in no network namespace, the first included (Documentation/admin-guide/sysctl/net.rst). */
void boot_no_fallback_tunnels(void)
{
	setting("/proc/sys/net/core/fb_tunnels_only_for_init_net", "2");
}

/* Memory that is free is reported to the monitor, which gives it back to the
 * host: page by page, not in the kernel's blocks of 2 MiB, of which a guest of
 * 128 MiB has few that are wholly free. The driver sets the order when it is
 * loaded, so a kernel parameter would be overridden. */
static void report_single_pages(void)
{
	setting("/sys/module/page_reporting/parameters/page_reporting_order", "0");
}

void boot_modules(const char *dir)
{
	char line[256], path[400];
	FILE *list;

	(void)snprintf(path, sizeof path, "%s/modules", dir);
	list = fopen(path, "re");
	if (!list)
		return;
	while (fgets(line, sizeof line, list)) {
		int fd;

		line[strcspn(line, "\n")] = '\0';
		(void)snprintf(path, sizeof path, "%s/modules.d/%s", dir, line);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			fprintf(stderr, "init: module %s: %s\n", line, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
	}
	(void)fclose(list);
	report_single_pages();
}

void boot_image(void)
{
	if (access("/dev/pmem0", F_OK) < 0)
		fprintf(stderr, "init: no /dev/pmem0: programs outside busybox are missing\n");
	else if (mount("/dev/pmem0", "/image", "erofs", MS_RDONLY, "dax=always") < 0 &&
		 mount("/dev/pmem0", "/image", "erofs", MS_RDONLY, NULL) < 0)
		fprintf(stderr, "init: mount /image: %s\n", strerror(errno));
}
