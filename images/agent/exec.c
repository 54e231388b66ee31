/* images/agent/exec.c: guest-exec and guest-exec-status.
 *
 * At most JOBS_MAX children are known; one whose status was asked for after
 * its end is forgotten, as in QEMU's agent. Output beyond OUTPUT_MAX is read
 * and dropped, and the status says "out-truncated". Not so when guest-exec was
 * asked for "stream-output", which is ours: each status then takes at most
 * PART_MAX, or the status's "count", of what has come so far, and a child that writes faster waits. A pipe beside the poll
 * wakes the loop on SIGCHLD. A child's pipes may outlive it (a background command
 * holds them): what the child wrote is taken at its end; a process of its own then reads
 * them to nowhere until nobody holds them, so that no such command dies of a closed pipe. */
#include "images/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 64, OUTPUT_MAX = 16 << 20, PART_MAX = 128 << 10, ARGS_MAX = 128 << 10,
       LAST_MAX = 64 << 10 /* what a pipe holds */, DRAIN_FD = 900 /* above all others */ };

struct stream {
	int fd; /* our end; -1: closed */
	char *data;
	size_t len, size;
	bool truncated;
};

struct job {
	bool used, ended, streams;
	pid_t pid;
	int status;
	struct stream out, err;
	int in_fd;
	unsigned char *in; /* what is left to write starts at in + in_done */
	size_t in_len, in_done;
};

static struct job jobs[JOBS_MAX];
static int child_pipe[2] = { -1, -1 };
static pid_t parent_pid;

static void on_child(int signo)
{
	int saved = errno;

	(void)signo;
	if (getpid() == parent_pid)
		(void)!write(child_pipe[1], "", 1);
	errno = saved;
}

static void watch_children(void)
{
	struct sigaction act = { .sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP };

	if (child_pipe[0] >= 0)
		return;
	parent_pid = getpid();
	if (pipe2(child_pipe, O_CLOEXEC | O_NONBLOCK) == 0)
		(void)sigaction(SIGCHLD, &act, NULL);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Reads what is there, at most @max bytes (and less than 16 KiB more). */
static void stream_read(struct stream *s, size_t max)
{
	for (size_t done = 0; done < max;) {
		char buf[16384];
		ssize_t n = read(s->fd, buf, sizeof buf);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close_fd(&s->fd);
			return;
		}
		done += (size_t)n;
		if (s->len + (size_t)n > s->size && s->size < OUTPUT_MAX) {
			size_t size = s->size ? s->size * 2 : sizeof buf;
			char *grown = realloc(s->data, size);

			if (grown) {
				s->data = grown;
				s->size = size;
			}
		}
		if (s->len + (size_t)n > s->size) {
			s->truncated = true;
			n = (ssize_t)(s->size - s->len);
		}
		if (n > 0)
			memcpy(s->data + s->len, buf, (size_t)n);
		s->len += (size_t)n;
	}
}

/* A stream whose last part nobody took yet is left in its pipe. */
static bool is_full(const struct job *j, const struct stream *s)
{
	return j->streams && s->len >= PART_MAX;
}

static void input_write(struct job *j)
{
	while (j->in_done < j->in_len) {
		ssize_t n = write(j->in_fd, j->in + j->in_done, j->in_len - j->in_done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		j->in_done += (size_t)n;
	}
	close_fd(&j->in_fd);
}

static void job_end(struct job *j)
{
	close_fd(&j->in_fd);
	close_fd(&j->out.fd);
	close_fd(&j->err.fd);
	free(j->in);
	free(j->out.data);
	free(j->err.data);
	*j = (struct job){ 0 };
}

size_t exec_poll_add(struct pollfd *fds, size_t max)
{
	size_t n = 0;

	watch_children();
	fds[n++] = (struct pollfd){ .fd = child_pipe[0], .events = POLLIN };
	for (int i = 0; i < JOBS_MAX && n + 3 <= max; i++) {
		struct job *j = &jobs[i];

		if (!j->used)
			continue;
		if (j->out.fd >= 0 && !is_full(j, &j->out))
			fds[n++] = (struct pollfd){ .fd = j->out.fd, .events = POLLIN };
		if (j->err.fd >= 0 && !is_full(j, &j->err))
			fds[n++] = (struct pollfd){ .fd = j->err.fd, .events = POLLIN };
		if (j->in_fd >= 0)
			fds[n++] = (struct pollfd){ .fd = j->in_fd, .events = POLLOUT };
	}
	return n;
}

void exec_poll_done(const struct pollfd *fds, size_t n)
{
	char drain[64];

	for (size_t k = 0; k < n; k++) {
		if (!fds[k].revents)
			continue;
		if (fds[k].fd == child_pipe[0])
			while (read(child_pipe[0], drain, sizeof drain) > 0)
				;
		for (int i = 0; i < JOBS_MAX; i++) {
			struct job *j = &jobs[i];

			if (!j->used)
				continue;
			if (j->out.fd == fds[k].fd)
				stream_read(&j->out, LAST_MAX);
			else if (j->err.fd == fds[k].fd)
				stream_read(&j->err, LAST_MAX);
			else if (j->in_fd == fds[k].fd)
				input_write(j);
		}
	}
}

/* Reads both pipes to nowhere, in a process that holds nothing else, until nobody writes. */
static void leave_drainer(struct job *j)
{
	struct pollfd p[2] = { { .fd = -1, .events = POLLIN }, { .fd = -1, .events = POLLIN } };
	char buf[16384];

	if ((j->out.fd < 0 && j->err.fd < 0) || fork() != 0)
		return;
	(void)sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	for (int k = 0; k < 2; k++) {
		int fd = k == 0 ? j->out.fd : j->err.fd;

		p[k].fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD, DRAIN_FD);
	}
	(void)close_range(0, DRAIN_FD - 1, 0);
	(void)close_range(DRAIN_FD + 2, ~0U, 0);
	while (p[0].fd >= 0 || p[1].fd >= 0) {
		(void)poll(p, 2, -1);
		for (int k = 0; k < 2; k++)
			if (p[k].revents) {
				ssize_t n = read(p[k].fd, buf, sizeof buf);

				if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
					p[k].fd = -1;
			}
	}
	_exit(0);
}

void exec_reap(void)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < JOBS_MAX; i++) {
			struct job *j = &jobs[i];

			if (!j->used || j->pid != pid)
				continue;
			j->ended = true;
			j->status = status;
			if (j->out.fd >= 0)
				stream_read(&j->out, LAST_MAX);
			if (j->err.fd >= 0)
				stream_read(&j->err, LAST_MAX);
			leave_drainer(j);
			close_fd(&j->out.fd);
			close_fd(&j->err.fd);
			close_fd(&j->in_fd);
		}
}

/* ---- guest-exec ----------------------------------------------------------------- */

/* The child's side; does not come back. */
static _Noreturn void run_child(char **argv, json_t *env, const int *fds)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	size_t i;
	json_t *e;

	(void)setsid();
	(void)sigaction(SIGPIPE, &standard, NULL);
	(void)sigaction(SIGCHLD, &standard, NULL);
	for (int k = 0; k < 3; k++)
		if (dup2(fds[k], k) < 0)
			_exit(126);
	if (json_array_size(env) > 0)
		(void)clearenv();
	json_array_foreach(env, i, e)
		if (json_is_string(e))
			(void)putenv((char *)(size_t)json_string_value(e));
	(void)execvp(argv[0], argv);
	_exit(errno == ENOENT ? 127 : 126);
}

static char **make_argv(json_t *args)
{
	json_t *list = json_object_get(args, "arg"), *a;
	size_t n = json_array_size(list), i;
	char **argv;

	if (n > ARGS_MAX || !agent_arg_str(args, "path"))
		return NULL;
	argv = calloc(n + 2, sizeof *argv);
	if (!argv)
		return NULL;
	argv[0] = (char *)(size_t)agent_arg_str(args, "path");
	json_array_foreach(list, i, a)
		argv[i + 1] = (char *)(size_t)(json_is_string(a) ? json_string_value(a) : "");
	return argv;
}

/* [0] stdin, [1] stdout, [2] stderr: the child's ends in @child, ours in @ours;
 * what is not wanted is /dev/null. Returns 0 or -errno, nothing left open. */
static int make_pipes(bool in, bool capture, int *child, int *ours)
{
	for (int k = 0; k < 3; k++)
		child[k] = ours[k] = -1;
	for (int k = 0; k < 3; k++) {
		int p[2], r = 0;

		if (!(k == 0 ? in : capture)) {
			child[k] = open("/dev/null", O_RDWR | O_CLOEXEC);
			r = child[k] < 0 ? -errno : 0;
		} else if (pipe2(p, O_CLOEXEC) < 0) {
			r = -errno;
		} else {
			child[k] = p[k != 0];
			ours[k] = p[k == 0];
			(void)fcntl(ours[k], F_SETFL, O_NONBLOCK);
		}
		if (r < 0) {
			for (int i = 0; i < 3; i++) {
				close_fd(&child[i]);
				close_fd(&ours[i]);
			}
			return r;
		}
	}
	return 0;
}

static struct job *free_job(void)
{
	for (int i = 0; i < JOBS_MAX; i++)
		if (!jobs[i].used)
			return &jobs[i];
	/* One that ended and whose status nobody asked for. */
	for (int i = 0; i < JOBS_MAX; i++)
		if (jobs[i].ended) {
			job_end(&jobs[i]);
			return &jobs[i];
		}
	return NULL;
}

json_t *command_exec(json_t *args)
{
	const char *input = agent_arg_str(args, "input-data");
	bool capture = json_is_true(json_object_get(args, "capture-output"));
	struct job *j = free_job(), job = { .used = true };
	int child[3], ours[3], r;
	char **argv;

	watch_children();
	job.streams = json_is_true(json_object_get(args, "stream-output"));
	if (!j)
		return agent_error("too many commands run at once");
	if (input && !(job.in = base64_decode(input, strlen(input), &job.in_len)))
		return agent_error("input-data is not base64");
	argv = make_argv(args);
	r = argv ? make_pipes(input != NULL, capture, child, ours) : -EINVAL;
	if (r == 0) {
		job.pid = fork();
		if (job.pid == 0)
			run_child(argv, json_object_get(args, "env"), child);
		r = job.pid < 0 ? -errno : 0;
		for (int k = 0; k < 3; k++)
			close_fd(&child[k]);
		job.in_fd = ours[0];
		job.out.fd = ours[1];
		job.err.fd = ours[2];
	}
	free(argv);
	if (r < 0) {
		free(job.in);
		return agent_error("could not run it: %s", strerror(-r));
	}
	*j = job;
	if (j->in_fd >= 0)
		input_write(j);
	return json_pack("{s:I}", "pid", (json_int_t)job.pid);
}

/* At most @max bytes into the reply, and out of the stream. */
static void put_stream(json_t *reply, struct stream *s, size_t max, const char *data_key,
		       const char *cut_key)
{
	size_t len = s->len < max ? s->len : max;
	char *text = len ? base64_encode(s->data, len) : NULL;

	if (text)
		(void)json_object_set_new(reply, data_key, json_string(text));
	if (s->truncated)
		(void)json_object_set_new(reply, cut_key, json_true());
	free(text);
	s->len -= len;
	if (s->len > 0)
		memmove(s->data, s->data + len, s->len);
}

json_t *command_exec_status(json_t *args)
{
	json_int_t pid = json_integer_value(json_object_get(args, "pid"));
	json_int_t count = json_integer_value(json_object_get(args, "count"));
	struct job *j = NULL;
	bool is_over;
	size_t max;
	json_t *reply;

	exec_reap();
	for (int i = 0; i < JOBS_MAX && !j; i++)
		if (jobs[i].used && jobs[i].pid == pid)
			j = &jobs[i];
	if (!j)
		return agent_error("PID %lld does not exist", (long long)pid);
	max = j->streams ? PART_MAX : OUTPUT_MAX;
	if (count > 0 && (size_t)count < max)
		max = (size_t)count;
	is_over = j->ended && j->out.len <= max && j->err.len <= max;
	reply = json_pack("{s:b}", "exited", (int)is_over);
	if (j->ended || j->streams) {
		put_stream(reply, &j->out, max, "out-data", "out-truncated");
		put_stream(reply, &j->err, max, "err-data", "err-truncated");
	}
	if (!is_over)
		return reply;
	if (WIFSIGNALED(j->status))
		(void)json_object_set_new(reply, "signal", json_integer(WTERMSIG(j->status)));
	else
		(void)json_object_set_new(reply, "exitcode", json_integer(WEXITSTATUS(j->status)));
	job_end(j);
	return reply;
}
