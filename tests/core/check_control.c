/* tests/core/check_control.c: the control protocol over a socket pair: pieces,
 * passed fds, peers that break the form. */
#include "core/bytes.h"
#include "core/control.h"
#include "tests/send_fds.h"
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

static void put_with_fds(const char *text, int n)
{
	ck_assert_int_eq(send_fds(pair[1], text, strlen(text), pair[1], n), (ssize_t)strlen(text));
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

/* A flood on one connection: a turn takes its share, and the neighbour is served in each. */
static int n_quiet;

static void on_quiet(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	(void)ctx;
	(void)c;
	(void)fds;
	(void)n_fds;
	(void)status;
	n_quiet += msg != NULL;
}

START_TEST(test_a_flood_gets_its_share_of_a_turn)
{
	enum { TURNS = 20 };
	CLEANUP(bytes) struct bytes flood = { 0 };
	struct control *quiet;
	int q[2];

	n_quiet = 0;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, q), 0);
	ck_assert_int_eq(control_new(loop, q[0], on_quiet, NULL, &quiet), 0);
	for (int i = 1; i <= TURNS * CONTROL_TURN_MSGS; i++)
		bytes_printf(&flood, "{\"n\":%d}\n", i);
	ck_assert_int_eq(write(pair[1], flood.data, flood.len), (ssize_t)flood.len);
	for (int turn = 1; turn <= TURNS; turn++) {
		ck_assert_int_eq(write(q[1], "{}\n", 3), 3);
		ck_assert_int_gt(loop_step(loop, 0), 0);
		ck_assert_int_eq(n_quiet, turn);
		ck_assert_int_le(seen.n_msgs, turn * CONTROL_TURN_MSGS);
	}
	/* What is left needs no byte to come. */
	while (loop_step(loop, 0) > 0)
		;
	ck_assert_int_eq(seen.n_msgs, TURNS * CONTROL_TURN_MSGS);
	ck_assert_int_eq(seen.last_n, TURNS * CONTROL_TURN_MSGS);
	(void)control_free(quiet);
	close(q[1]);
}
END_TEST

START_TEST(test_the_longest_message_is_bound)
{
	const struct control_limits limits = { .in_len = 16, .out_len = 64 };

	control_set_limits(conn, &limits);
	put("{\"n\":1}\n");
	ck_assert_int_eq(seen.n_msgs, 1);
	put("{\"n\":           2}\n");
	ck_assert(seen.ended);
	ck_assert_int_eq(seen.status, -EPROTO);
}
END_TEST

/* Answers every message with much. */
static void on_ask(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	on_msg(ctx, c, msg, fds, n_fds, status);
	if (msg)
		(void)control_send(c, ctx, NULL, 0);
}

static json_t *answer_of(size_t len)
{
	char *text = malloc(len + 1);
	json_t *msg;

	memset(text, 'a', len);
	text[len] = '\0';
	msg = json_pack("{s:s}", "text", text);
	free(text);
	return msg;
}

START_TEST(test_who_does_not_read_is_not_read)
{
	const struct control_limits limits = { CONTROL_LEN_MAX, CONTROL_OUT_MAX, 1 << 20 };
	json_t *answer = answer_of(100000);
	static char part[65536];
	int n = 0;

	conn = control_free(conn);
	close(pair[1]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(control_new(loop, pair[0], on_ask, answer, &conn), 0);
	control_set_limits(conn, &limits);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(write(pair[1], "{\"n\":1}\n", 8), 8);
	while (loop_step(loop, 0) > 0)
		;
	ck_assert(!seen.ended);
	ck_assert_int_lt(seen.n_msgs, 50);
	ck_assert_uint_le(control_waiting(conn), (1 << 20) + 200000);
	/* Who reads is served to the last. */
	while (n < 100) {
		ssize_t len = recv(pair[1], part, sizeof part, MSG_DONTWAIT);

		for (ssize_t i = 0; i < len; i++)
			n += part[i] == '\n';
		ck_assert_int_ge(loop_step(loop, 0) + (len > 0), 1);
	}
	ck_assert_int_eq(seen.n_msgs, 100);
	json_decref(answer);
}
END_TEST

START_TEST(test_what_waits_is_bound_and_ends_it)
{
	const struct control_limits limits = { .in_len = CONTROL_LEN_MAX, .out_len = 1 << 20 };
	json_t *msg = answer_of(100000);
	int r = 0;

	control_set_limits(conn, &limits);
	for (int i = 0; i < 100 && r == 0; i++)
		r = control_send(conn, msg, NULL, 0);
	ck_assert_int_eq(r, -ENOBUFS);
	ck_assert(!seen.ended); /* never from within a call of the owner */
	(void)loop_step(loop, 0);
	ck_assert(seen.ended);
	ck_assert_int_eq(seen.status, -ENOBUFS);
	ck_assert_int_eq(control_send(conn, msg, NULL, 0), -EPIPE);
	json_decref(msg);
}
END_TEST

START_TEST(test_a_peer_that_leaves_unread_is_noticed)
{
	const struct control_limits limits = { CONTROL_LEN_MAX, CONTROL_OUT_MAX, 1000 };
	json_t *msg = answer_of(3000000);

	control_set_limits(conn, &limits);
	ck_assert_int_eq(control_send(conn, msg, NULL, 0), 0);
	close(pair[1]);
	pair[1] = -1;
	(void)loop_step(loop, 0);
	ck_assert(seen.ended);
	json_decref(msg);
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
	tcase_add_test(t, test_a_flood_gets_its_share_of_a_turn);
	tcase_add_test(t, test_the_longest_message_is_bound);
	tcase_add_test(t, test_who_does_not_read_is_not_read);
	tcase_add_test(t, test_what_waits_is_bound_and_ends_it);
	tcase_add_test(t, test_a_peer_that_leaves_unread_is_noticed);
	tcase_add_test(t, test_blocking_helpers);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
