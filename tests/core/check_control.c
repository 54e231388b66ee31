/* tests/core/check_control.c: the control protocol over a socket pair: pieces,
 * passed fds, peers that break the form. */
#include "core/cleanup.h"
#include "core/control.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static int pair[2];
static struct control *conn;
static struct {
	int n_msgs, n_fds, last_n, status;
	int fd;
	bool ended, free_on_msg;
} seen;

static void on_msg(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	(void)ctx;
	if (!msg) {
		seen.ended = true;
		seen.status = status;
		return;
	}
	seen.n_msgs++;
	seen.last_n = (int)json_integer_value(json_object_get(msg, "n"));
	seen.n_fds += n_fds;
	if (n_fds > 0)
		seen.fd = take_fd(&fds[0]);
	if (seen.free_on_msg)
		conn = control_free(c);
}

static void setup(void)
{
	memset(&seen, 0, sizeof seen);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(control_new(loop, pair[0], on_msg, NULL, &conn), 0);
}

static void teardown(void)
{
	conn = control_free(conn);
	if (pair[1] >= 0)
		close(pair[1]);
	loop = loop_free(loop);
}

static void put(const char *text)
{
	ck_assert_int_eq(write(pair[1], text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_ge(loop_step(loop, 0), 0);
}

START_TEST(test_pieces)
{
	put("{\"n\":1}\n{\"n\":2}\n{\"n\"");
	ck_assert_int_eq(seen.n_msgs, 2);
	put(":3}");
	ck_assert_int_eq(seen.n_msgs, 2);
	put("\n");
	ck_assert_int_eq(seen.last_n, 3);
	ck_assert(!seen.ended);
}
END_TEST

static const char *const bad[] = { "[]\n", "nonsense\n", "{\"a\":1,\"a\":2}\n", "\n", "{\"a\":}\n" };

START_TEST(test_bad_form_ends)
{
	put(bad[_i]);
	ck_assert(seen.ended);
	ck_assert_int_eq(seen.status, -EPROTO);
	ck_assert_int_eq(seen.n_msgs, 0);
}
END_TEST

START_TEST(test_endless_line_ends)
{
	static char junk[65536];

	memset(junk, 'x', sizeof junk);
	for (int i = 0; i < 2 * CONTROL_LEN_MAX / (int)sizeof junk && !seen.ended; i++) {
		ck_assert_int_eq(write(pair[1], junk, sizeof junk), (ssize_t)sizeof junk);
		(void)loop_step(loop, 0);
	}
	ck_assert(seen.ended);
	ck_assert_int_eq(seen.status, -EPROTO);
}
END_TEST

START_TEST(test_fds_ride_with_their_message)
{
	struct control *other;
	json_t *one = json_pack("{s:i}", "n", 1), *two = json_pack("{s:i}", "n", 2);
	int p[2];
	char c = 0;

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(control_new(loop, dup(pair[1]), on_msg, NULL, &other), 0);
	ck_assert_int_eq(control_send(other, one, NULL, 0), 0);
	ck_assert_int_eq(control_send(other, two, &p[1], 1), 0);
	ck_assert(control_is_flushed(other));
	while (loop_step(loop, 0) > 0)
		;
	ck_assert_int_eq(seen.n_msgs, 2);
	ck_assert_int_eq(seen.n_fds, 1);
	ck_assert_int_eq(write(seen.fd, "!", 1), 1);
	ck_assert_int_eq(read(p[0], &c, 1), 1);
	ck_assert_int_eq(c, '!');
	close(seen.fd);
	close(p[0]);
	close(p[1]);
	(void)control_free(other);
	json_decref(one);
	json_decref(two);
}
END_TEST

START_TEST(test_end_and_free_in_callback)
{
	seen.free_on_msg = true;
	put("{\"n\":1}\n{\"n\":2}\n");
	ck_assert_int_eq(seen.n_msgs, 1);
	ck_assert_ptr_null(conn);
}
END_TEST

START_TEST(test_clean_end)
{
	close(pair[1]);
	pair[1] = -1;
	(void)loop_step(loop, 0);
	ck_assert(seen.ended);
	ck_assert_int_eq(seen.status, 0);
}
END_TEST

START_TEST(test_much_waits_and_arrives)
{
	struct control *other;
	char *big = malloc(1 << 20);
	json_t *msg;

	memset(big, 'a', (1 << 20) - 1);
	big[(1 << 20) - 1] = '\0';
	msg = json_pack("{s:s, s:i}", "text", big, "n", 7);
	ck_assert_int_eq(control_new(loop, dup(pair[1]), on_msg, NULL, &other), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(control_send(other, msg, NULL, 0), 0);
	ck_assert(!control_is_flushed(other));
	while (loop_step(loop, 0) > 0)
		;
	ck_assert_int_eq(seen.n_msgs, 5);
	ck_assert_int_eq(seen.last_n, 7);
	ck_assert(control_is_flushed(other));
	(void)control_free(other);
	json_decref(msg);
	free(big);
}
END_TEST

START_TEST(test_blocking_helpers)
{
	json_t *msg = json_pack("{s:i}", "n", 9), *got = NULL;

	ck_assert_int_eq(control_write_msg(pair[1], msg), 0);
	(void)loop_step(loop, 0);
	ck_assert_int_eq(seen.last_n, 9);
	ck_assert_int_eq(control_send(conn, msg, NULL, 0), 0);
	ck_assert_int_eq(control_send(conn, msg, NULL, 0), 0);
	ck_assert_int_eq(control_read_msg(pair[1], &got), 0);
	ck_assert(json_equal(msg, got));
	json_decref(got);
	ck_assert_int_eq(control_read_msg(pair[1], &got), 0);
	json_decref(got);
	conn = control_free(conn);
	ck_assert_int_eq(control_read_msg(pair[1], &got), -EPIPE);
	json_decref(msg);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("control");
	TCase *t = tcase_create("control");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_pieces);
	tcase_add_loop_test(t, test_bad_form_ends, 0, sizeof bad / sizeof *bad);
	tcase_add_test(t, test_endless_line_ends);
	tcase_add_test(t, test_fds_ride_with_their_message);
	tcase_add_test(t, test_end_and_free_in_callback);
	tcase_add_test(t, test_clean_end);
	tcase_add_test(t, test_much_waits_and_arrives);
	tcase_add_test(t, test_blocking_helpers);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
