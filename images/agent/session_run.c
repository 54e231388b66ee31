/* images/agent/session_run.c: a command of an agent that waits until nobody holds the command's pipes.
 *
 * QEMU's agent reports a command as ended only when its stdout and stderr are closed, so a
 * background command would keep it waiting. It runs "/usr/lib/muster/run COMMAND..." instead: this
 * program holds the agent's pipes, the command gets others. The command's end is this program's;
 * a process of its own then drains those pipes to nowhere until nobody holds them.
 *
 * The command stays in this program's process group, so that who kills the group ends both.
 *
 * Used by: session.c. */
#include "images/agent/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 64 << 10 /* what a pipe holds: all that the command wrote before its exit */ };

/* The command's side. */
__attribute__((noreturn)) static void run_child(char **argv, int out, int err)
{
	(void)signal(SIGPIPE, SIG_DFL);
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
		_exit(126);
	(void)execvp(argv[0], argv);
	(void)dprintf(STDERR_FILENO, "%s: %s\n", argv[0], errno == ENOENT ? "not found" : strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Passes on what one read gives. Returns false, with *@fd closed, at the end. */
static bool pass(int *fd, int to)
{
	static uint8_t buf[CHUNK];
	ssize_t n = read(*fd, buf, sizeof buf);

	if (n < 0 && errno == EINTR)
		return true;
	if (n > 0) {
		(void)fd_write_all(to, buf, (size_t)n); /* an agent that is gone reads no more */
		return true;
	}
	(void)close(*fd);
	*fd = -1;
	return false;
}

/* Until the process of @pidfd has ended, and what it wrote is passed on. */
static void relay(int pidfd, int *out, int *err)
{
	struct pollfd p[3] = { { .fd = pidfd, .events = POLLIN } };

	do {
		p[1] = (struct pollfd){ .fd = *out, .events = POLLIN };
		p[2] = (struct pollfd){ .fd = *err, .events = POLLIN };
		if (poll(p, 3, -1) < 0)
			continue;
		if (p[1].revents)
			(void)pass(out, STDOUT_FILENO);
		if (p[2].revents)
			(void)pass(err, STDERR_FILENO);
	} while (!p[0].revents);
	for (int i = 1; i < 3; i++) {
		p[i].fd = i == 1 ? *out : *err;
		if (poll(&p[i], 1, 0) > 0)
			(void)pass(i == 1 ? out : err, i);
	}
}

static void leave_drainer(int out, int err)
{
	int nowhere;

	if ((out < 0 && err < 0) || fork() != 0)
		return;
	(void)setsid(); /* out of the group that may be killed */
	nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		if (nowhere < 0 || dup2(nowhere, i) < 0)
			(void)close(i);
	session_drain(out, err);
	_exit(0);
}

int session_run(char **argv)
{
	int out[2], err[2], pidfd, status = 0;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		return 126;
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setsid();
	pid = fork();
	if (pid == 0)
		run_child(argv, out[1], err[1]);
	(void)close(out[1]);
	(void)close(err[1]);
	pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return 126;
	relay(pidfd, &out[0], &err[0]);
	(void)waitpid(pid, &status, 0);
	leave_drainer(out[0], err[0]);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
