/* tests/images/check_agent.c: the guest agent's commands, called as its loop
 * calls them: children with input and output, files, base64. */
#include "images/agent/agent.h"
#include "tests/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct agent_command agent_commands[] = { { "guest-ping", command_ping } };
const size_t n_agent_commands = 1;
static char error_text[256];

json_t *agent_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(error_text, sizeof error_text, fmt, ap);
	va_end(ap);
	return NULL;
}

static unsigned char *plain_of(const char *text, size_t *ret_len)
{
	return base64_decode(text, strlen(text), ret_len);
}

const char *agent_arg_str(json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

/* Runs /bin/sh -c @script to its end, as a caller of guest-exec does. The caller owns the status. */
static json_t *run(const char *script, const char *input)
{
	json_t *args = json_pack("{s:s, s:[s,s], s:b}", "path", "/bin/sh", "arg", "-c", script, "capture-output", 1);
	json_t *started, *status, *ask;

	if (input)
		(void)json_object_set_new(args, "input-data", json_string(input));
	started = command_exec(args);
	ck_assert_msg(started != NULL, "%s", error_text);
	ask = json_pack("{s:O}", "pid", json_object_get(started, "pid"));
	for (;;) {
		struct pollfd fds[16];
		size_t n = exec_poll_add(fds, 16);

		status = command_exec_status(ask);
		ck_assert_ptr_nonnull(status);
		if (json_is_true(json_object_get(status, "exited")))
			break;
		json_decref(status);
		ck_assert(poll(fds, (nfds_t)n, 10000) >= 1 || errno == EINTR);
		exec_reap();
		exec_poll_done(fds, n);
	}
	ck_assert_ptr_null(command_exec_status(ask)); /* forgotten once it was told */
	json_decref(ask);
	json_decref(started);
	json_decref(args);
	return status;
}

static void assert_stream(json_t *status, const char *key, const char *expected)
{
	size_t len = 0;
	unsigned char *text = plain_of(json_string_value(json_object_get(status, key)), &len);

	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(len, strlen(expected));
	ck_assert_int_eq(memcmp(text, expected, len), 0);
	free(text);
}

START_TEST(test_exec_streams_and_status)
{
	json_t *status = run("echo out; echo err >&2; exit 3", NULL);

	ck_assert_int_eq(json_integer_value(json_object_get(status, "exitcode")), 3);
	assert_stream(status, "out-data", "out\n");
	assert_stream(status, "err-data", "err\n");
	json_decref(status);
}
END_TEST

START_TEST(test_exec_input)
{
	json_t *status = run("cat; echo done", "aGVsbG8K");

	assert_stream(status, "out-data", "hello\ndone\n");
	json_decref(status);
}
END_TEST

START_TEST(test_exec_signal)
{
	json_t *status = run("kill -9 $$", NULL);

	ck_assert_int_eq(json_integer_value(json_object_get(status, "signal")), 9);
	ck_assert_ptr_null(json_object_get(status, "exitcode"));
	json_decref(status);
}
END_TEST

/* A daemon that keeps the pipe open does not keep the command running. */
START_TEST(test_exec_daemon)
{
	json_t *status = run("sleep 30 & echo started; echo $! >&2", NULL);
	size_t len = 0;
	unsigned char *pid = plain_of(json_string_value(json_object_get(status, "err-data")), &len);

	assert_stream(status, "out-data", "started\n");
	pid[len] = '\0';
	(void)kill(atoi((char *)pid), SIGKILL);
	free(pid);
	json_decref(status);
}
END_TEST

/* One that goes on writing neither holds the agent up nor dies of a closed pipe. It writes
 * more than a pipe holds, then says so in a file. */
START_TEST(test_exec_background_output)
{
	char path[] = "/tmp/check-agent.XXXXXX", script[200];
	int fd = mkstemp(path);
	struct pollfd forever = { .fd = -1 };
	json_t *status;
	char c = 0;

	(void)snprintf(script, sizeof script, "(sleep 0.1; head -c 1000000 /dev/zero && echo x >%s) & echo started", path);
	status = run(script, NULL);
	assert_stream(status, "out-data", "started\n");
	json_decref(status);
	for (int i = 0; i < 300 && pread(fd, &c, 1, 0) != 1; i++)
		(void)poll(&forever, 1, 10);
	ck_assert_int_eq(c, 'x');
	/* One that is never at its end. */
	(void)snprintf(script, sizeof script, "yes & echo $! >%s", path);
	status = run(script, NULL);
	ck_assert_int_eq(json_integer_value(json_object_get(status, "exitcode")), 0);
	json_decref(status);
	ck_assert_int_gt((int)pread(fd, script, sizeof script - 1, 0), 1);
	ck_assert_int_eq(kill(atoi(script), SIGKILL), 0);
	(void)close(fd);
	(void)unlink(path);
}
END_TEST

START_TEST(test_exec_much_output)
{
	json_t *status = run("head -c 300000 /dev/zero", NULL);

	ck_assert_uint_eq(strlen(json_string_value(json_object_get(status, "out-data"))), 400000);
	json_decref(status);
}
END_TEST

/* stream-output: every byte comes once, a part is bounded, and a child that is
 * faster than who asks waits: more than is ever held passes through. */
START_TEST(test_exec_stream_output)
{
	enum { COUNT = 20 << 20, PART_TEXT_MAX = 400 << 10 };
	json_t *args = json_pack("{s:s, s:[s,s], s:b, s:b}", "path", "/bin/sh", "arg", "-c",
				 "head -c 20971520 /dev/zero; exit 5", "capture-output", 1, "stream-output", 1);
	json_t *started = command_exec(args), *ask, *status = NULL;
	size_t sum = 0, parts = 0;
	bool is_over;

	ck_assert_ptr_nonnull(started);
	ask = json_pack("{s:O}", "pid", json_object_get(started, "pid"));
	do {
		struct pollfd fds[16];
		size_t n = exec_poll_add(fds, 16), len = 0;
		const char *text;

		(void)poll(fds, (nfds_t)n, 100);
		exec_reap();
		exec_poll_done(fds, n);
		status = command_exec_status(ask);
		ck_assert_ptr_nonnull(status);
		text = json_string_value(json_object_get(status, "out-data"));
		ck_assert_uint_le(text ? strlen(text) : 0, PART_TEXT_MAX);
		free(text ? plain_of(text, &len) : NULL);
		sum += len;
		parts += len > 0;
		is_over = json_is_true(json_object_get(status, "exited"));
		if (is_over)
			ck_assert_int_eq(json_integer_value(json_object_get(status, "exitcode")), 5);
		ck_assert_ptr_null(json_object_get(status, "out-truncated"));
		json_decref(status);
	} while (!is_over);
	ck_assert_uint_eq(sum, COUNT);
	ck_assert_uint_gt(parts, 100);
	json_decref(ask);
	json_decref(started);
	json_decref(args);
}
END_TEST

START_TEST(test_exec_not_found)
{
	json_t *args = json_pack("{s:s}", "path", "/no/such/program"), *started = command_exec(args);
	json_t *ask = json_pack("{s:O}", "pid", json_object_get(started, "pid")), *status;
	struct pollfd fds[4];
	size_t n = exec_poll_add(fds, 4);

	do {
		if (poll(fds, (nfds_t)n, 10000) > 0)
			exec_poll_done(fds, n);
		status = command_exec_status(ask);
	} while (!json_is_true(json_object_get(status, "exited")));
	ck_assert_int_eq(json_integer_value(json_object_get(status, "exitcode")), 127);
	json_decref(status);
	json_decref(ask);
	json_decref(started);
	json_decref(args);
}
END_TEST

/* The answer as it is sent: printed, and the long string put in. The caller frees. */
static char *as_sent(json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT), *whole = NULL;
	const char *bulk;
	size_t head = bulk_reply_at(text, &bulk);

	ck_assert_int_gt(asprintf(&whole, "%.*s%s%s", (int)head, text, bulk, text + head), 0);
	free(text);
	bulk_done();
	return whole;
}

/* Requests, what of them the parser gets, what is kept from it; NULL: it gets all. */
static const struct {
	const char *line, *rest, *text;
} cuts[] = {
	{ "{\"buf-b64\":\"Zm9v\",\"handle\":1}", "{\"buf-b64\":\"\",\"handle\":1}", "Zm9v" },
	{ "{\"handle\":1, \"buf-b64\" : \"Zg==\"}", "{\"handle\":1, \"buf-b64\" : \"\"}", "Zg==" },
	{ "{\"buf-b64\":\"\"}", "{\"buf-b64\":\"\"}", "" },
	{ "{\"buf-b64\":\"Zm9v", NULL, NULL }, /* no end */
	{ "{\"buf-b64\":\"Zm\\u0039v\"}", NULL, NULL }, /* an escape is the parser's */
	{ "{\"buf-b64\":\"Zm\\\"9v\"}", NULL, NULL },
	{ "{\"x\\\"buf-b64\":\"Zm9v\"}", NULL, NULL }, /* another key that ends so */
	{ "{\"buf-b64\":7}", NULL, NULL },
	{ "{\"buf-b64\"", NULL, NULL },
	{ "{\"buf-b64\":", NULL, NULL },
	{ "{\"path\":\"/etc/passwd\"}", NULL, NULL },
};

START_TEST(test_bulk_cut)
{
	char *line = strdup(cuts[_i].line);
	size_t len = 0, text_len = 0;
	char *rest = bulk_cut(line, strlen(line), &len);
	const char *text = bulk_request(&text_len);

	ck_assert_int_eq(rest != NULL, cuts[_i].rest != NULL);
	ck_assert_int_eq(text != NULL, cuts[_i].text != NULL);
	if (rest) {
		ck_assert_uint_eq(len, strlen(cuts[_i].rest));
		ck_assert_int_eq(memcmp(rest, cuts[_i].rest, len), 0);
		ck_assert_uint_eq(text_len, strlen(cuts[_i].text));
		ck_assert_int_eq(memcmp(text, cuts[_i].text, text_len), 0);
	}
	ck_assert_str_eq(line, cuts[_i].line);
	bulk_done();
	ck_assert_ptr_null(bulk_request(&text_len));
	free(rest);
	free(line);
}
END_TEST

/* What was cut is what is written, and not what the parser saw in its place. */
START_TEST(test_bulk_write)
{
	char path[] = "/tmp/muster-agent.XXXXXX", line[] = "{\"buf-b64\":\"Zm9vYg==\"}", got[8] = "";
	int fd = mkstemp(path);
	json_t *args = json_pack("{s:s, s:s}", "path", path, "mode", "w"), *r;
	size_t len;
	char *rest = bulk_cut(line, sizeof line - 1, &len);

	ck_assert_int_ge(fd, 0);
	r = command_file_open(args);
	json_decref(args);
	args = json_loadb(rest, len, 0, NULL);
	ck_assert_ptr_nonnull(args);
	(void)json_object_set_new(args, "handle", r);
	r = command_file_write(args);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "count")), 4);
	json_decref(r);
	bulk_done();
	json_decref(command_file_close(args));
	ck_assert_int_eq((int)read(fd, got, sizeof got), 4);
	ck_assert_str_eq(got, "foob");
	json_decref(args);
	free(rest);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(test_files)
{
	char path[] = "/tmp/muster-agent.XXXXXX";
	int fd = mkstemp(path);
	json_t *args = json_pack("{s:s, s:s}", "path", path, "mode", "w+"), *handle, *r;
	char *printed;

	ck_assert_int_ge(fd, 0);
	handle = command_file_open(args);
	ck_assert_ptr_nonnull(handle);
	json_decref(args);
	args = json_pack("{s:O, s:s}", "handle", handle, "buf-b64", "Zm9vYmFy");
	r = command_file_write(args);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "count")), 6);
	json_decref(r);
	json_decref(args);
	args = json_pack("{s:O, s:i, s:s, s:i}", "handle", handle, "offset", 3, "whence", "set", "count", 100);
	r = command_file_seek(args);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "position")), 3);
	json_decref(r);
	r = command_file_read(args);
	printed = as_sent(r);
	ck_assert_ptr_nonnull(strstr(printed, "\"buf-b64\":\"YmFy\""));
	free(printed);
	ck_assert(json_is_true(json_object_get(r, "eof")));
	json_decref(r);
	r = command_file_close(args);
	ck_assert_ptr_nonnull(r);
	json_decref(r);
	ck_assert_ptr_null(command_file_read(args)); /* the handle is gone */
	json_decref(args);
	json_decref(handle);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(test_file_mode_refused)
{
	json_t *args = json_pack("{s:s, s:s}", "path", "/dev/null", "mode", "rx,ccs=");

	ck_assert_ptr_null(command_file_open(args));
	json_decref(args);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("agent");
	TCase *t = tcase_create("agent");

	tcase_add_test(t, test_exec_streams_and_status);
	tcase_add_test(t, test_exec_input);
	tcase_add_test(t, test_exec_signal);
	tcase_add_test(t, test_exec_daemon);
	tcase_add_test(t, test_exec_background_output);
	tcase_add_test(t, test_exec_much_output);
	tcase_add_test(t, test_exec_stream_output);
	tcase_add_test(t, test_exec_not_found);
	tcase_add_loop_test(t, test_bulk_cut, 0, sizeof cuts / sizeof *cuts);
	tcase_add_test(t, test_bulk_write);
	tcase_add_test(t, test_files);
	tcase_add_test(t, test_file_mode_refused);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
