/* tests/core/check_control.c: the control protocol over a socket pair: pieces,
 * passed fds, peers that break the form. */
#include "core/cleanup.h"
#include "core/control.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static int pair[2];
static struct control *conn;
static struct {
	int n_msgs, n_fds, last_n, status;
	int fd, fds_of[4]; /* fds of the n-th message */
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
	seen.fds_of[seen.n_msgs++ & 3] = n_fds;
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
	ck_assert_int_eq(seen.fds_of[0], 0);
	ck_assert_int_eq(seen.fds_of[1], 1);
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

/* Writes @text with @n fds at its first byte, as control.c does. */
static void put_with_fds(const char *text, int n)
{
	union { char buf[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)]; struct cmsghdr align; } u = { 0 };
	struct iovec iov = { .iov_base = (char *)(uintptr_t)text, .iov_len = strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf,
			      .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
	for (int i = 0; i < n; i++)
		memcpy(CMSG_DATA(h) + i * (int)sizeof(int), &pair[1], sizeof(int));
	ck_assert_int_eq(sendmsg(pair[1], &msg, 0), (ssize_t)iov.iov_len);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* The end of one line and the next line come in one read, both with fds. */
START_TEST(test_fds_of_lines_read_together)
{
	int before = open_fds();

	put_with_fds("{\"n\":1,\"fds\":16", CONTROL_FDS_MAX);
	(void)loop_step(loop, 0);
	ck_assert_int_eq(seen.n_msgs, 0);
	ck_assert_int_eq(write(pair[1], "}\n{\"n\":2}\n", 10), 10);
	put_with_fds("{\"n\":3,\"fds\":16}\n", CONTROL_FDS_MAX);
	(void)loop_step(loop, 0);
	ck_assert(!seen.ended);
	ck_assert_int_eq(seen.n_msgs, 3);
	ck_assert_int_eq(seen.fds_of[0], 16);
	ck_assert_int_eq(seen.fds_of[1], 0);
	ck_assert_int_eq(seen.fds_of[2], 16);
	close(seen.fd);
	ck_assert_int_eq(open_fds(), before + 1); /* the first message's, taken */
}
END_TEST

static const struct { const char *line; int n_fds; } false_claim[] = {
	{ "{\"fds\":1}\n", 0 },  { "{\"fds\":2}\n", 1 },      { "{\"fds\":-1}\n", 1 },
	{ "{\"fds\":17}\n", 16 }, { "{\"fds\":\"1\"}\n", 1 }, { "{\"n\":1}\n", 1 },
};

START_TEST(test_false_claims_end)
{
	int before = open_fds();

	if (false_claim[_i].n_fds)
		put_with_fds(false_claim[_i].line, false_claim[_i].n_fds);
	else
		put(false_claim[_i].line);
	(void)loop_step(loop, 0);
	ck_assert(seen.ended);
	ck_assert_int_eq(seen.status, -EPROTO);
	conn = control_free(conn);
	ck_assert_int_eq(open_fds(), before - 1);
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
	tcase_add_test(t, test_fds_of_lines_read_together);
	tcase_add_loop_test(t, test_false_claims_end, 0, sizeof false_claim / sizeof *false_claim);
	tcase_add_test(t, test_end_and_free_in_callback);
	tcase_add_test(t, test_clean_end);
	tcase_add_test(t, test_much_waits_and_arrives);
	tcase_add_test(t, test_blocking_helpers);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
