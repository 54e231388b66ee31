/* cli/guest_many.c: one command on several VMs at once.
 *
 * A process a VM, its stdout and stderr on pipes. Lines are put together here, so that two VMs never
 * share one; a line longer than LINE_MAX_LEN is cut into several.
 *
 * Used by: cmd_exec.c. */
#include "cli/guest.h"

#include "cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum { LINE_MAX_LEN = 64 << 10 };

struct lines {
	int fd; /* the pipe's end; -1: closed */
	int to; /* stdout or stderr */
	struct bytes rest; /* of a line that is not whole */
	const char *vm;
};

struct many {
	pid_t *pids;
	struct lines *lines; /* two a VM */
	size_t n;
	int width; /* of the longest name */
	bool is_broken; /* nobody reads any more */
};

static void put_line(struct many *m, const struct lines *l, const void *data, size_t len)
{
	CLEANUP(bytes) struct bytes out = { 0 };

	bytes_printf(&out, "%-*s| ", m->width, l->vm);
	bytes_append(&out, data, len);
	bytes_append(&out, "\n", 1);
	if (!m->is_broken && fd_write_all(l->to, out.data, out.len) < 0)
		m->is_broken = true;
}

static void take_lines(struct many *m, struct lines *l)
{
	uint8_t buf[16384], *nl;
	ssize_t n = read(l->fd, buf, sizeof buf);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0)
		bytes_append(&l->rest, buf, (size_t)n);
	while (l->rest.len > 0 && (nl = memchr(l->rest.data, '\n', l->rest.len))) {
		size_t len = (size_t)(nl - l->rest.data);

		put_line(m, l, l->rest.data, len);
		bytes_consume(&l->rest, len + 1);
	}
	if (l->rest.len > LINE_MAX_LEN || (n <= 0 && l->rest.len > 0)) {
		put_line(m, l, l->rest.data, l->rest.len);
		bytes_done(&l->rest);
	}
	if (n <= 0) {
		cleanup_fd(&l->fd);
		l->fd = -1;
	}
}

static int start_one(struct many *m, size_t i, const char *vm, int (*fn)(void *, const char *), void *ctx)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		return -errno;
	m->pids[i] = fork();
	if (m->pids[i] == 0) {
		(void)dup2(out[1], STDOUT_FILENO);
		(void)dup2(err[1], STDERR_FILENO);
		_exit(fn(ctx, vm));
	}
	(void)close(out[1]);
	(void)close(err[1]);
	m->lines[2 * i] = (struct lines){ .fd = out[0], .to = STDOUT_FILENO, .vm = vm };
	m->lines[2 * i + 1] = (struct lines){ .fd = err[0], .to = STDERR_FILENO, .vm = vm };
	return m->pids[i] < 0 ? -errno : 0;
}

static void relay(struct many *m)
{
	struct pollfd *p = calloc(2 * m->n, sizeof *p);
	bool goes_on = p != NULL;

	while (goes_on && !m->is_broken) {
		goes_on = false;
		for (size_t i = 0; i < 2 * m->n; i++) {
			p[i] = (struct pollfd){ .fd = m->lines[i].fd, .events = POLLIN };
			goes_on |= p[i].fd >= 0;
		}
		if (goes_on && poll(p, 2 * m->n, -1) < 0 && errno != EINTR)
			break;
		for (size_t i = 0; i < 2 * m->n; i++)
			if (p[i].fd >= 0 && p[i].revents)
				take_lines(m, &m->lines[i]);
	}
	free(p);
}

int guest_exec_many(char *const *vms, size_t n, int (*fn)(void *ctx, const char *vm), void *ctx)
{
	struct many m = { .pids = calloc(n, sizeof *m.pids), .lines = calloc(2 * n, sizeof *m.lines) };
	int status = 0, r = 0;

	if (!m.pids || !m.lines)
		abort();
	for (size_t i = 0; i < n; i++)
		m.width = (int)strlen(vms[i]) > m.width ? (int)strlen(vms[i]) : m.width;
	(void)fflush(NULL);
	(void)signal(SIGINT, SIG_IGN); /* the children pass it on, and end */
	for (; m.n < n && r == 0; m.n++) {
		(void)signal(SIGINT, SIG_DFL);
		r = start_one(&m, m.n, vms[m.n], fn, ctx);
		(void)signal(SIGINT, SIG_IGN);
	}
	relay(&m);
	for (size_t i = 0; i < m.n; i++) {
		int wstatus = 0;

		cleanup_fd(&m.lines[2 * i].fd);
		cleanup_fd(&m.lines[2 * i + 1].fd);
		bytes_done(&m.lines[2 * i].rest);
		bytes_done(&m.lines[2 * i + 1].rest);
		if (m.is_broken && m.pids[i] > 0)
			(void)kill(m.pids[i], SIGTERM);
		if (m.pids[i] > 0)
			(void)waitpid(m.pids[i], &wstatus, 0);
		if (status == 0)
			status = WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
	}
	free(m.pids);
	free(m.lines);
	if (m.is_broken)
		return EXIT_READER_GONE;
	return r < 0 ? cli_fail(EXEC_FAILED, "a process cannot be started: %s", strerror(-r)) : status;
}
