/* images/agent/init.c: the first process of a tiny guest.
 *
 * Mounts the kernel's file systems, loads the modules named in
 * /etc/muster/modules, mounts the image (boot.c), runs /etc/muster/setup.sh (host name, addresses: the
 * team's plan), starts the agent and a shell on each console, and reaps what
 * dies. The agent and the shells come back when they end. A C program and not
 * a script, because each fork costs a software processor a millisecond.
 *
 * poweroff, halt and reboot (busybox) signal it: SIGUSR2, SIGUSR1, SIGTERM. The ACPI
 * power button, which the monitor presses for `muster stop`, comes as SIGIO. */
#include "images/agent/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
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
	{ .path = "/sbin/muster-session", .argv0 = "muster-session" },
	{ .path = "/bin/bash", .argv0 = "-bash", .tty = "/dev/ttyS0" },
};
enum { SERVICE_COUNT = sizeof services / sizeof *services };

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

/* The machine's one input device is its power button. Returns it, or -1: there is none. */
static int button_open(void)
{
	int fd = open("/dev/input/event0", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	/* Input raises SIGIO for this process. */
	if (fd >= 0 && (fcntl(fd, F_SETOWN, getpid()) < 0 ||
			fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) < 0))
		fprintf(stderr, "init: the power button: %s\n", strerror(errno));
	return fd;
}

static bool button_pressed(int fd)
{
	struct input_event e;
	bool pressed = false;

	while (read(fd, &e, sizeof e) == (ssize_t)sizeof e)
		pressed |= e.type == EV_KEY && e.code == KEY_POWER && e.value == 1;
	return pressed;
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
	int button;

	boot_mount();
	boot_no_fallback_tunnels();
	boot_console();
	(void)sigfillset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	boot_modules("/etc/muster");
	boot_image();
	run_setup();
	button = button_open();
	for (;;) {
		bool waiting = start_services();
		int signo = sigtimedwait(&set, NULL, waiting ? &second : NULL);

		if (signo == SIGUSR2 || (signo == SIGIO && button_pressed(button)))
			end((int)RB_POWER_OFF);
		else if (signo == SIGUSR1)
			end((int)RB_HALT_SYSTEM);
		else if (signo == SIGTERM || signo == SIGINT)
			end((int)RB_AUTOBOOT);
		reap();
	}
}
