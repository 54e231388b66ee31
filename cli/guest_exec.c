/* cli/guest_exec.c: a command in a guest with this process' stdin, stdout, stderr and terminal.
 *
 * One loop over the session, stdin and a pipe on which signal handlers write. The session's
 * end is the command's end in the guest, so every way out of here ends it. A signal interrupts a
 * write to a full stdout, too: then the session is over.
 *
 * Used by: cmd_exec.c. */
#include "cli/guest.h"

#include "cli/commands.h"
#include "cli/raw_terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

struct run {
	struct guest *g;
	bool input, tty;
	size_t credit; /* bytes of stdin that the guest takes */
	unsigned n_interrupts;
	int status; /* -1: it runs */
};

static int signal_pipe[2] = { -1, -1 };

static void on_signal(int signo)
{
	int saved = errno;
	char c = (char)signo;

	(void)!write(signal_pipe[1], &c, 1);
	errno = saved;
}

static int catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH };
	struct sigaction act = { .sa_handler = on_signal };

	if (signal_pipe[0] < 0 && pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		(void)sigaction(signals[i], &act, NULL);
	return 0;
}

/* Rows and columns of the terminal, as WINDOW has them. */
static void window_size(uint8_t *ret_payload)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		(void)ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
	session_put_le(ret_payload, 2, size.ws_row);
	session_put_le(ret_payload + 2, 2, size.ws_col);
}

/* Sends @data in frames of @type. */
static int send_pieces(struct guest *g, enum session_type type, const struct bytes *data)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < data->len; at += SESSION_LEN_MAX)
		r = session_write(&g->stream, type, data->data + at,
				  data->len - at < SESSION_LEN_MAX ? data->len - at : SESSION_LEN_MAX);
	return r;
}

static int send_command(struct guest *g, const struct guest_exec *what)
{
	CLEANUP(bytes) struct bytes args = { 0 };
	CLEANUP(bytes) struct bytes env = { 0 };
	uint8_t how[5] = { (uint8_t)((what->tty ? SESSION_FLAG_TTY : 0) | (what->input ? SESSION_FLAG_INPUT : 0)) };
	const char *term = getenv("TERM");
	json_t *e;
	size_t i;
	int r;

	json_array_foreach(g->env, i, e)
		bytes_append(&env, json_string_value(e), json_string_length(e) + 1);
	if (what->tty && term) {
		bytes_append_str(&env, "TERM=");
		bytes_append(&env, term, strlen(term) + 1);
	}
	for (char *const *arg = what->argv; *arg; arg++)
		bytes_append(&args, *arg, strlen(*arg) + 1);
	window_size(how + 1);
	r = send_pieces(g, SESSION_ENV, &env);
	if (r == 0)
		r = send_pieces(g, SESSION_ARGS, &args);
	return r == 0 ? session_write(&g->stream, SESSION_EXEC, how, sizeof how) : r;
}

/* What signals asked for. Sets the status when the session is to end. */
static void take_signals(struct run *run)
{
	uint8_t payload[4];
	char c;

	while (read(signal_pipe[0], &c, 1) == 1) {
		if (c == SIGWINCH) {
			window_size(payload);
			if (run->tty)
				(void)session_write(&run->g->stream, SESSION_WINDOW, payload, 4);
		} else if (c == SIGINT && run->n_interrupts++ == 0) {
			payload[0] = SIGINT;
			(void)session_write(&run->g->stream, SESSION_SIGNAL, payload, 1);
		} else {
			run->status = 128 + c;
		}
	}
}

static void put_output(struct run *run, int fd, const struct session_frame *f)
{
	for (size_t at = 0; at < f->len && run->status < 0;) {
		ssize_t n = write(fd, f->data + at, f->len - at);
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (n >= 0)
			at += (size_t)n;
		else if (errno == EINTR)
			take_signals(run);
		else if (errno == EAGAIN)
			(void)poll(&p, 1, -1);
		else if (errno == EPIPE)
			run->status = EXIT_READER_GONE;
		else
			run->status = cli_fail(EXEC_FAILED, "the output cannot be written: %s", strerror(errno));
	}
}

static void take_error(struct run *run, const struct session_frame *f)
{
	raw_terminal_leave();
	(void)cli_fail(0, "%.*s", (int)(f->len - 1), (const char *)f->data + 1);
	run->status = f->data[0] == EXEC_NOT_FOUND || f->data[0] == EXEC_NOT_EXECUTABLE ? f->data[0] : EXEC_FAILED;
}

static void take_frame(struct run *run)
{
	struct session_frame f;
	int r = session_read(&run->g->stream, &f);

	if (r == -EINTR)
		return;
	if (r <= 0)
		run->status = cli_fail(EXEC_FAILED, "the machine, or the service in the guest, is gone");
	else if (f.type == SESSION_STDOUT || f.type == SESSION_STDERR)
		put_output(run, f.type == SESSION_STDOUT ? STDOUT_FILENO : STDERR_FILENO, &f);
	else if (f.type == SESSION_CREDIT && f.len == 4)
		run->credit += session_get_le(f.data, 4);
	else if (f.type == SESSION_EXIT && f.len == 1)
		run->status = f.data[0];
	else if (f.type == SESSION_ERROR && f.len > 0)
		take_error(run, &f);
	else
		run->status = cli_fail(EXEC_FAILED, "the guest sent nonsense");
}

static void pass_input(struct run *run)
{
	uint8_t buf[16384];
	ssize_t n = read(STDIN_FILENO, buf, run->credit < sizeof buf ? run->credit : sizeof buf);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		run->input = false;
	(void)session_write(&run->g->stream, SESSION_INPUT, buf, n > 0 ? (size_t)n : 0);
	run->credit -= n > 0 ? (size_t)n : 0;
}

int guest_exec(struct guest *g, const struct guest_exec *what)
{
	struct run run = { .g = g, .input = what->input, .tty = what->tty, .credit = SESSION_INPUT_WINDOW,
			   .status = -1 };
	struct session_frame rest;
	int r = catch_signals();

	if (r == 0)
		r = send_command(g, what);
	/* A guest that refuses the arguments says so and closes. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return cli_fail(EXEC_FAILED, "the guest cannot be asked: %s", strerror(-r));
	if (what->tty && what->input)
		raw_terminal_enter();
	while (run.status < 0) {
		bool buffered = session_parse(g->stream.buf + g->stream.at, g->stream.len - g->stream.at, &rest) != 0;
		struct pollfd p[] = {
			{ .fd = g->fd, .events = POLLIN },
			{ .fd = signal_pipe[0], .events = POLLIN },
			{ .fd = run.input && run.credit > 0 ? STDIN_FILENO : -1, .events = POLLIN },
		};

		if (poll(p, 3, buffered ? 0 : -1) < 0 && errno != EINTR)
			run.status = cli_fail(EXEC_FAILED, "poll: %s", strerror(errno));
		if (p[1].revents)
			take_signals(&run);
		if (run.status < 0 && (p[0].revents || buffered))
			take_frame(&run);
		if (run.status < 0 && p[2].revents)
			pass_input(&run);
	}
	raw_terminal_leave();
	return run.status;
}
