/* images/agent/session_exec.c: one command of a session.
 *
 * The command's exit is that of the process that was started. What its children still
 * hold of its output is drained to nowhere, so that a background command does not die of
 * a closed pipe. When the host's end goes first, the command's process group gets
 * SIGHUP, and SIGKILL when it is still there a second later, as a terminal's would.
 *
 * Used by: session.c. */
#include "images/agent/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ARGS_LEN_MAX = 6 << 20, /* three quarters of a stack of 8 MiB: more the kernel refuses */
	LAST_LEN = 64 << 10, /* what a pipe holds: all that the command wrote before its exit */
	GRACE_MS = 1000,
};

struct command {
	struct session_stream *stream;
	pid_t pid;
	int pidfd, in, out, err; /* -1: closed; with a terminal, in and out are its master */
	bool is_tty, wants_eof;
	struct bytes input; /* for in */
};

bool session_command_add(struct session_command *c, const struct session_frame *frame)
{
	bytes_append(frame->type == SESSION_ARGS ? &c->args : &c->env, frame->data, frame->len);
	return c->args.len + c->env.len <= ARGS_LEN_MAX;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void set_window(int fd, const uint8_t *rows_columns)
{
	struct winsize size = { .ws_row = (unsigned short)session_get_le(rows_columns, 2),
				.ws_col = (unsigned short)session_get_le(rows_columns + 2, 2) };

	(void)ioctl(fd, TIOCSWINSZ, &size);
}

/* The command's side; errno goes to @report when it cannot be run. */
__attribute__((noreturn)) static void run_child(char **argv, char **env, const int *fds, bool is_tty, int report)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setsid();
	if (is_tty)
		(void)ioctl(fds[0], TIOCSCTTY, 0);
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(126);
	for (; *env; env++)
		if (strchr(*env, '='))
			(void)putenv(*env);
	(void)execvp(argv[0], argv);
	(void)!write(report, &errno, sizeof errno);
	_exit(127);
}

/* The child's three ends in @fds, ours in @c. Returns 0 or -errno. */
static int open_streams(struct command *c, bool wants_input, int *fds)
{
	int p[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };

	if (c->is_tty) {
		c->out = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (c->out < 0 || grantpt(c->out) < 0 || unlockpt(c->out) < 0)
			return -errno;
		fds[0] = open(ptsname(c->out), O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (fds[0] < 0)
			return -errno;
		c->in = fcntl(c->out, F_DUPFD_CLOEXEC, 0);
		fds[1] = fds[2] = fds[0];
		return 0;
	}
	if (wants_input ? pipe2(p[0], O_CLOEXEC) < 0 : (p[0][0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
		return -errno;
	if (pipe2(p[1], O_CLOEXEC) < 0 || pipe2(p[2], O_CLOEXEC) < 0)
		return -errno;
	c->in = p[0][1];
	c->out = p[1][0];
	c->err = p[2][0];
	fds[0] = p[0][0];
	fds[1] = p[1][1];
	fds[2] = p[2][1];
	return 0;
}

/* Returns 0, or the errno for which it does not run. */
static int start(struct command *c, char **argv, char **env, const uint8_t *how)
{
	int fds[3] = { -1, -1, -1 }, report[2], why = 0;
	int r = pipe2(report, O_CLOEXEC) < 0 ? -errno : open_streams(c, how[0] & SESSION_FLAG_INPUT, fds);

	if (r < 0)
		return -r;
	if (c->is_tty)
		set_window(fds[0], how + 1);
	c->pid = fork();
	if (c->pid == 0)
		run_child(argv, env, fds, c->is_tty, report[1]);
	if (c->pid < 0)
		return errno;
	for (int i = 0; i < 3; i++)
		if (i == 0 || fds[i] != fds[0])
			close_fd(&fds[i]);
	close_fd(&report[1]);
	if (read(report[0], &why, sizeof why) != sizeof why)
		why = 0;
	close_fd(&report[0]);
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->in >= 0)
		(void)fcntl(c->in, F_SETFL, O_NONBLOCK);
	return why;
}

/* Passes on what is there, at most a frame. Returns what read() did; -1 with errno EPIPE when
 * the host is gone. */
static ssize_t pass_output(struct command *c, int *fd, enum session_type type)
{
	uint8_t buf[SESSION_LEN_MAX];
	ssize_t n = read(*fd, buf, sizeof buf);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n <= 0) { /* EIO: nobody has the terminal */
		close_fd(fd);
		return 0;
	}
	if (session_write(c->stream, type, buf, (size_t)n) == 0)
		return n;
	errno = EPIPE;
	return -1;
}

static void write_input(struct command *c)
{
	uint8_t credit[4];
	ssize_t n = c->input.len > 0 ? write(c->in, c->input.data, c->input.len) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) { /* it reads no more */
		n = (ssize_t)c->input.len;
		close_fd(&c->in);
	}
	bytes_consume(&c->input, (size_t)n);
	session_put_le(credit, 4, (uint32_t)n);
	if (n > 0)
		(void)session_write(c->stream, SESSION_CREDIT, credit, sizeof credit);
	if (c->input.len == 0 && c->wants_eof)
		close_fd(&c->in);
}

/* A frame of the host. Returns false when it is nonsense. */
static bool take_frame(struct command *c, const struct session_frame *f)
{
	if (f->type == SESSION_INPUT && f->len == 0) {
		c->wants_eof = true;
		if (c->is_tty)
			bytes_append(&c->input, "\4", 1);
		else if (c->input.len == 0)
			close_fd(&c->in);
	} else if (f->type == SESSION_INPUT && c->in >= 0) {
		bytes_append(&c->input, f->data, f->len);
	} else if (f->type == SESSION_SIGNAL && f->len == 1) {
		(void)kill(-c->pid, f->data[0]);
	} else if (f->type == SESSION_WINDOW && f->len == 4) {
		if (c->is_tty)
			set_window(c->out, f->data);
	} else if (f->type != SESSION_INPUT) {
		return false;
	}
	return c->input.len <= SESSION_INPUT_WINDOW + 1;
}

/* Reads frames as long as there are some. Returns false at the stream's end. */
static bool take_frames(struct command *c)
{
	do {
		struct session_frame frame;

		if (session_read(c->stream, &frame) <= 0 || !take_frame(c, &frame))
			return false;
	} while (session_has_input(c->stream));
	return true;
}

/* Until the command has ended (true) or the host's end is gone (false). */
static bool relay(struct command *c)
{
	/* What came together with the EXEC frame is in the stream's buffer, where poll() does not see it. */
	if (session_has_input(c->stream) && !take_frames(c))
		return false;
	for (;;) {
		struct pollfd p[] = {
			{ .fd = c->stream->fd, .events = POLLIN | POLLRDHUP },
			{ .fd = c->pidfd, .events = POLLIN },
			{ .fd = c->out, .events = POLLIN },
			{ .fd = c->err, .events = POLLIN },
			{ .fd = c->input.len > 0 ? c->in : -1, .events = POLLOUT },
		};

		if (poll(p, sizeof p / sizeof *p, -1) < 0 && errno != EINTR)
			return false;
		if (p[0].revents && !take_frames(c))
			return false;
		if (p[2].revents && pass_output(c, &c->out, SESSION_STDOUT) < 0)
			return false;
		if (p[3].revents && pass_output(c, &c->err, SESSION_STDERR) < 0)
			return false;
		if (p[4].revents && c->in >= 0)
			write_input(c);
		if (p[1].revents)
			return true;
	}
}

/* What the command wrote before its exit lies in its pipes; no more is waited for. */
static bool pass_last(struct command *c, int *fd, enum session_type type)
{
	for (size_t left = LAST_LEN; *fd >= 0 && left > 0;) {
		struct pollfd p = { .fd = *fd, .events = POLLIN };
		ssize_t n = poll(&p, 1, 0) > 0 ? pass_output(c, fd, type) : 0;

		if (n <= 0)
			return n == 0;
		left -= (size_t)n < left ? (size_t)n : left;
	}
	return true;
}

void session_drain(int out, int err)
{
	int fds[] = { out, err };
	char buf[16384];

	while (fds[0] >= 0 || fds[1] >= 0) {
		struct pollfd p[] = { { .fd = fds[0], .events = POLLIN }, { .fd = fds[1], .events = POLLIN } };

		(void)poll(p, 2, -1);
		for (int i = 0; i < 2; i++)
			if (p[i].revents && read(fds[i], buf, sizeof buf) <= 0)
				close_fd(&fds[i]);
	}
}

static void end_group(struct command *c)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	(void)kill(-c->pid, SIGHUP);
	(void)kill(-c->pid, SIGCONT); /* a stopped one ends, too */
	if (poll(&p, 1, GRACE_MS) == 0)
		(void)kill(-c->pid, SIGKILL);
}

static void not_run(struct session_stream *s, const char *name, int why)
{
	CLEANUP(free) char *text = str_printf("%s: %s", name, why == ENOENT ? "not found" : strerror(why));

	(void)session_write_error(s, why == ENOENT ? 127 : 126, text);
}

void session_exec(struct session_stream *s, struct session_command *spec, const struct session_frame *how)
{
	struct command c = { .stream = s, .pidfd = -1, .in = -1, .out = -1, .err = -1 };
	size_t n_args = 0, n_env = 0;
	char **argv = session_strings(&spec->args, &n_args), **env = session_strings(&spec->env, &n_env);
	uint8_t status;
	int why, wstatus = 0;

	if (how->len != 5 || !argv || n_args == 0 || !env) {
		(void)session_write_error(s, 125, "the host asked for no command");
		return;
	}
	c.is_tty = how->data[0] & SESSION_FLAG_TTY;
	why = start(&c, argv, env, how->data);
	if (why != 0) {
		not_run(s, argv[0], why);
		return;
	}
	if (!relay(&c) || !pass_last(&c, &c.out, SESSION_STDOUT) || !pass_last(&c, &c.err, SESSION_STDERR))
		end_group(&c);
	(void)waitpid(c.pid, &wstatus, 0);
	status = (uint8_t)(WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus));
	(void)session_write(s, SESSION_EXIT, &status, 1);
	(void)shutdown(s->fd, SHUT_RDWR);
	(void)close(s->fd);
	close_fd(&c.in);
	session_drain(c.out, c.err);
}
