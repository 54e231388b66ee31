/* tests/core/check_rpc.c: every asker is told exactly once, and by whom. Deadlines are
 * met by asking with a time that is over at once; nothing waits. */
#include "core/rpc.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static struct control *conn;
static struct rpc *rpc;
static int pair[2];
static struct {
	int n;
	bool has_reply, frees, asks_again;
	char error[100];
} told;

static void on_reply(void *ctx, json_t *reply, const char *error)
{
	ck_assert_ptr_eq(ctx, &told);
	told.n++;
	told.has_reply = reply != NULL;
	(void)snprintf(told.error, sizeof told.error, "%s", error ? error : "");
	if (told.frees)
		rpc = rpc_free(rpc);
	if (told.asks_again && told.n == 1)
		(void)rpc_call(rpc, json_pack("{s:s}", "do", "again"), NSEC_PER_SEC * 3600, on_reply, &told);
}

static void on_msg(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	(void)ctx;
	(void)c;
	(void)fds;
	(void)n_fds;
	(void)status;
	if (msg)
		ck_assert(rpc_take(rpc, msg));
	else
		rpc_bind(rpc, NULL);
}

static void setup(void)
{
	memset(&told, 0, sizeof told);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(control_new(loop, pair[0], on_msg, NULL, &conn), 0);
	ck_assert_int_eq(rpc_new(loop, "the fabric of team t", &rpc), 0);
	rpc_bind(rpc, conn);
}

static void teardown(void)
{
	rpc = rpc_free(rpc);
	conn = control_free(conn);
	if (pair[1] >= 0)
		(void)close(pair[1]);
	loop = loop_free(loop);
}

static int ask(nsec_t timeout_ns)
{
	return rpc_call(rpc, json_pack("{s:s}", "do", "x"), timeout_ns, on_reply, &told);
}

static void answer(const char *text)
{
	ck_assert_int_eq(write(pair[1], text, strlen(text)), (ssize_t)strlen(text));
	(void)loop_step(loop, 0);
}

START_TEST(test_answers_find_their_askers)
{
	json_t *got;

	ck_assert_int_eq(ask(NSEC_PER_SEC * 3600), 0);
	ck_assert_int_eq(ask(NSEC_PER_SEC * 3600), 0);
	ck_assert_int_eq(told.n, 0);
	ck_assert_int_eq(control_read_msg(pair[1], &got), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(got, "id")), 1);
	json_decref(got);
	answer("{\"id\":2,\"ok\":true}\n{\"id\":2,\"ok\":true}\n{\"id\":77,\"ok\":true}\n");
	ck_assert_int_eq(told.n, 1);
	ck_assert(told.has_reply);
	ck_assert_str_eq(told.error, "");
	answer("{\"id\":1,\"ok\":false,\"error\":\"no\"}\n");
	ck_assert_int_eq(told.n, 2);
	ck_assert_str_eq(told.error, "no");
}
END_TEST

START_TEST(test_a_deadline_names_who_did_not_answer)
{
	ck_assert_int_eq(ask(NSEC_PER_SEC * 3600), 0);
	ck_assert_int_eq(ask(1), 0);
	(void)loop_step(loop, 0);
	ck_assert_int_eq(told.n, 1);
	ck_assert(!told.has_reply);
	ck_assert_str_eq(told.error, "the fabric of team t did not answer in 1e-09 s");
	/* The answer comes all the same: nobody waits for it. */
	answer("{\"id\":2,\"ok\":true}\n");
	ck_assert_int_eq(told.n, 1);
}
END_TEST

START_TEST(test_the_peers_end_answers_all)
{
	ck_assert_int_eq(ask(NSEC_PER_SEC * 3600), 0);
	ck_assert_int_eq(ask(NSEC_PER_SEC * 3600), 0);
	told.asks_again = true;
	(void)close(pair[1]);
	pair[1] = -1;
	(void)loop_step(loop, 0);
	ck_assert_int_eq(told.n, 2);
	ck_assert_str_eq(told.error, "the fabric of team t ended");
	ck_assert_int_eq(ask(1), -EPIPE);
}
END_TEST

START_TEST(test_an_asker_may_free_or_ask_from_within)
{
	ck_assert_int_eq(ask(1), 0);
	ck_assert_int_eq(ask(1), 0);
	told.frees = _i == 0;
	told.asks_again = _i == 1;
	(void)loop_step(loop, 0);
	ck_assert_int_eq(told.n, _i == 0 ? 1 : 2);
}
END_TEST

/* A question's descriptors arrive with it, as copies: the asker's stay its own. */
START_TEST(test_descriptors_ride_with_a_question)
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	char text[100] = "";
	struct iovec iov = { .iov_base = text, .iov_len = sizeof text - 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof u.buf };
	int fd = memfd_create("asked", MFD_CLOEXEC), came;

	ck_assert_int_eq(rpc_call_fds(rpc, json_pack("{s:s}", "do", "x"), &fd, 1, NSEC_PER_SEC * 3600, on_reply, &told),
			 0);
	ck_assert_int_gt(recvmsg(pair[1], &msg, MSG_CMSG_CLOEXEC), 0);
	ck_assert_str_eq(text, "{\"do\":\"x\",\"id\":1,\"fds\":1}\n");
	ck_assert_uint_eq(u.align.cmsg_len, CMSG_LEN(sizeof came));
	memcpy(&came, CMSG_DATA(&u.align), sizeof came);
	ck_assert_int_ne(came, fd);
	ck_assert_int_eq(write(came, "hello", 5), 5);
	ck_assert_int_eq(pread(fd, text, 5, 0), 5);
	(void)close(came);
	ck_assert_int_eq(close(fd), 0);
	answer("{\"id\":1,\"ok\":true}\n");
	ck_assert_int_eq(told.n, 1);
	ck_assert_str_eq(told.error, "");
	rpc_bind(rpc, NULL);
	ck_assert_int_eq(rpc_call_fds(rpc, json_object(), &came, 1, 1, on_reply, &told), -EPIPE);
}
END_TEST

START_TEST(test_the_forgotten_are_not_told)
{
	ck_assert_int_eq(ask(1), 0);
	rpc_forget(rpc, &told);
	(void)loop_step(loop, 0);
	answer("{\"id\":1,\"ok\":true}\n");
	ck_assert_int_eq(told.n, 0);
}
END_TEST

START_TEST(test_questions_are_bounded)
{
	int r = 0, n = 0;

	while (n <= RPC_CALLS_MAX && (r = ask(NSEC_PER_SEC * 3600)) == 0)
		n++;
	ck_assert_int_eq(r, -ENOBUFS);
	ck_assert_int_eq(n, RPC_CALLS_MAX);
	/* Deadlines empty the table, but what the peer did not read still waits. */
	rpc_forget(rpc, &told);
	for (n = 0; n < 100000 && (r = ask(1)) == 0; n++)
		(void)loop_step(loop, 0);
	ck_assert_int_eq(r, -ENOBUFS);
	ck_assert_uint_le(control_waiting(conn), RPC_WAITING_MAX + 100);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("rpc");
	TCase *t = tcase_create("rpc");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_answers_find_their_askers);
	tcase_add_test(t, test_a_deadline_names_who_did_not_answer);
	tcase_add_test(t, test_the_peers_end_answers_all);
	tcase_add_loop_test(t, test_an_asker_may_free_or_ask_from_within, 0, 2);
	tcase_add_test(t, test_descriptors_ride_with_a_question);
	tcase_add_test(t, test_the_forgotten_are_not_told);
	tcase_add_test(t, test_questions_are_bounded);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
