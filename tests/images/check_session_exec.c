/* tests/images/check_session_exec.c: a command of the guest service, on the host. */
#include "images/agent/session.h"

#include "tests/unit.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000 };

static const char cat[] = "cat";
static const uint8_t with_input[5] = { SESSION_FLAG_INPUT, 0, 24, 0, 80 };

static void send_frame(struct session_stream *s, enum session_type type, const void *data, size_t len)
{
	ck_assert_int_eq(session_write(s, type, data, len), 0);
}

/* The service's side: what it does with a connection, but for the greeting. */
static void serve(int fd)
{
	struct session_stream s;
	struct session_frame frame;
	struct session_command command = { 0 };

	session_stream_init(&s, fd);
	if (session_read(&s, &frame) == 1 && session_command_add(&command, &frame) && session_read(&s, &frame) == 1)
		session_exec(&s, &command, &frame);
	_exit(0);
}

/* Reads until EXIT or until nothing comes. Returns the exit status, or -1; STDOUT goes to @out. */
static int hear(struct session_stream *s, char *out, size_t size)
{
	size_t len = 0;

	for (;;) {
		struct pollfd p = { .fd = s->fd, .events = POLLIN };
		struct session_frame f;

		if (!session_has_input(s) && poll(&p, 1, PATIENCE_MS) <= 0)
			return -1;
		if (session_read(s, &f) <= 0)
			return -1;
		if (f.type == SESSION_STDOUT && len + f.len < size) {
			memcpy(out + len, f.data, f.len);
			len += f.len;
			out[len] = '\0';
		}
		if (f.type == SESSION_EXIT)
			return f.data[0];
	}
}

/* A busy host sends command, input and its end in one piece. */
START_TEST(input_that_comes_with_the_command_is_taken)
{
	struct session_stream host;
	char out[64] = "";
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	session_stream_init(&host, fds[0]);
	send_frame(&host, SESSION_ARGS, cat, sizeof cat);
	send_frame(&host, SESSION_EXEC, with_input, sizeof with_input);
	send_frame(&host, SESSION_INPUT, "hello", 5);
	send_frame(&host, SESSION_INPUT, NULL, 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)close(fds[0]);
		serve(fds[1]);
	}
	(void)close(fds[1]);
	ck_assert_int_eq(hear(&host, out, sizeof out), 0);
	ck_assert_str_eq(out, "hello");
	(void)close(fds[0]);
	session_stream_done(&host);
	(void)waitpid(pid, NULL, 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("session_exec");
	TCase *t = tcase_create("input");

	tcase_add_test(t, input_that_comes_with_the_command_is_taken);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
