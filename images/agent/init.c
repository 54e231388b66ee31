/* images/agent/init.c: the first process of a tiny guest.
 *
 * Mounts the kernel's file systems, loads the modules named in
 * /etc/muster/modules, mounts the image (persistent memory), runs /etc/muster/setup.sh (host name, addresses: the
 * team's plan), starts the agent and a shell on each console, and reaps what
 * dies. The agent and the shells come back when they end. A C program and not
 * a script, because each fork costs a software processor a millisecond.
 *
 * poweroff, halt and reboot (busybox) signal it: SIGUSR2, SIGUSR1, SIGTERM. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *const environment[] = { "PATH=/sbin:/usr/sbin:/bin:/usr/bin", "HOME=/root",
				     "TERM=vt100", NULL };

/* A program that is started again when it ends. */
struct service {
	const char *path;
	const char *argv0;
	const char *tty; /* its controlling terminal, or NULL */
	pid_t pid;
	time_t started;
};

static struct service services[] = {
	{ .path = "/sbin/muster-agent", .argv0 = "muster-agent" },
	{ .path = "/bin/bash", .argv0 = "-bash", .tty = "/dev/ttyS0" },
};
enum { SERVICE_COUNT = sizeof services / sizeof *services };

static void mount_or_say(const char *what, const char *where, unsigned long flags, const char *data)
{
	if (mount(what, where, what, flags, data) < 0 && errno != EBUSY)
		fprintf(stderr, "init: mount %s: %s\n", where, strerror(errno));
}

static void mount_all(void)
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

static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3 && fd >= 0; i++)
		(void)dup2(fd, i);
	if (fd > 2)
		(void)close(fd);
}

static void load_modules(void)
{
	char line[256], path[300];
	FILE *list = fopen("/etc/muster/modules", "re");

	if (!list)
		return;
	while (fgets(line, sizeof line, list)) {
		int fd;

		line[strcspn(line, "\n")] = '\0';
		(void)snprintf(path, sizeof path, "/etc/muster/modules.d/%s", line);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			fprintf(stderr, "init: module %s: %s\n", line, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
	}
	(void)fclose(list);
}

/* Memory that is free is reported to the monitor, which gives it back to the
 * host: page by page, not in the kernel's blocks of 2 MiB, of which a guest of
 * 128 MiB has few that are wholly free. The driver sets the order when it is
 * loaded, so a kernel parameter would be overridden. */
static void report_single_pages(void)
{
	int fd = open("/sys/module/page_reporting/parameters/page_reporting_order",
		      O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return; /* a kernel without reporting */
	(void)!write(fd, "0", 1);
	(void)close(fd);
}

/* The read-only part of the system lies in persistent memory: mapped by the
 * monitor, used in place (dax), no page of ours. */
static void mount_image(void)
{
	if (access("/dev/pmem0", F_OK) < 0)
		fprintf(stderr, "init: no /dev/pmem0: programs outside busybox are missing\n");
	else if (mount("/dev/pmem0", "/image", "erofs", MS_RDONLY, "dax=always") < 0 &&
		 mount("/dev/pmem0", "/image", "erofs", MS_RDONLY, NULL) < 0)
		fprintf(stderr, "init: mount /image: %s\n", strerror(errno));
}

static void unblock_signals(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void run_setup(void)
{
	static char *const argv[] = { "sh", "/etc/muster/setup.sh", NULL };
	pid_t pid;
	int status;

	if (access(argv[1], R_OK) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		unblock_signals();
		execve("/bin/sh", argv, environment);
		_exit(127);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0)
		fprintf(stderr, "init: setup.sh ended with status %d\n", status);
}

static void start(struct service *s)
{
	static char *const rescue[] = { "sh", NULL };
	char *const argv[] = { (char *)(size_t)s->argv0, NULL };

	s->started = time(NULL);
	s->pid = fork();
	if (s->pid != 0)
		return;
	unblock_signals();
	(void)setsid();
	if (s->tty) {
		int fd = open(s->tty, O_RDWR);

		if (fd < 0)
			_exit(126);
		(void)ioctl(fd, TIOCSCTTY, 0);
		for (int i = 0; i < 3; i++)
			(void)dup2(fd, i);
		if (fd > 2)
			(void)close(fd);
	}
	if (chdir("/root") < 0)
		(void)chdir("/");
	execve(s->path, argv, environment);
	execve("/bin/busybox", rescue, environment); /* the image is missing: a shell all the same */
	_exit(127);
}

static void reap(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (int i = 0; i < SERVICE_COUNT; i++)
			if (services[i].pid == pid)
				services[i].pid = 0;
}

/* Starts what does not run; one that ended within a second waits for the next
 * round. Returns true when something waits. */
static bool start_services(void)
{
	bool waiting = false;

	for (int i = 0; i < SERVICE_COUNT; i++) {
		if (services[i].pid > 0)
			continue;
		if (services[i].started && time(NULL) - services[i].started < 2)
			waiting = true;
		else
			start(&services[i]);
	}
	return waiting;
}

static void end(int how)
{
	sync();
	(void)reboot(how);
}

int main(void)
{
	struct timespec second = { .tv_sec = 1 };
	sigset_t set;

	mount_all();
	open_console();
	(void)sigfillset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	load_modules();
	report_single_pages();
	mount_image();
	run_setup();
	for (;;) {
		bool waiting = start_services();
		int signo = sigtimedwait(&set, NULL, waiting ? &second : NULL);

		if (signo == SIGUSR2)
			end((int)RB_POWER_OFF);
		else if (signo == SIGUSR1)
			end((int)RB_HALT_SYSTEM);
		else if (signo == SIGTERM || signo == SIGINT)
			end((int)RB_AUTOBOOT);
		reap();
	}
}
