/* tests/teams/check_vsock.c: the supervisor's part in a stream between a program of the
 * host and a guest's: greetings, good and bad, and what the guest asks for. The machine
 * is this test. */
#include "teams/vsock.h"

#include "core/bytes.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char dir[64];
static struct loop *loop;
static struct vsock_host host;
static struct control *ours; /* the supervisor's end of the machine's control socket */
static struct control *machine; /* the machine's end of its control socket */
static unsigned n_told;
static json_t *told; /* the last message to the machine; owned */
static int stream; /* the descriptor that came with it; -1 */

static void on_machine(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	(void)ctx;
	(void)c;
	(void)status;
	if (!msg)
		return;
	n_told++;
	json_decref(told);
	told = json_incref(msg);
	cleanup_fd(&stream);
	stream = n_fds ? fds[0] : -1;
	if (n_fds)
		fds[0] = -1;
}

static void on_supervisor(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	(void)ctx;
	(void)c;
	(void)msg;
	(void)fds;
	(void)n_fds;
	(void)status;
}

static void turn(void)
{
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_ge(loop_step(loop, 0), 0);
}

static void setup(void)
{
	int pair[2];

	(void)snprintf(dir, sizeof dir, "/tmp/check-vsock.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(control_new(loop, pair[0], on_supervisor, NULL, &ours), 0);
	ck_assert_int_eq(control_new(loop, pair[1], on_machine, NULL, &machine), 0);
	n_told = 0;
	stream = -1;
	host = (struct vsock_host){ .fd = -1 };
	vsock_host_open(&host, loop, dir, "web");
	vsock_host_bind(&host, ours);
}

static void teardown(void)
{
	CLEANUP(free) char *path = str_printf("%s/web.vsock", dir);

	vsock_host_close(&host);
	ours = control_free(ours);
	machine = control_free(machine);
	loop = loop_free(loop);
	cleanup_fd(&stream);
	json_decref(told);
	told = NULL;
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0); /* nothing else was left there */
}

/* ---- a program of the host ---- */

static int program(void)
{
	CLEANUP(free) char *path = str_printf("%s/web.vsock", dir);
	int fd;

	ck_assert_int_eq(control_connect_now(path, &fd), 0);
	turn();
	return fd;
}

static void says(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	turn();
}

static bool is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

static json_int_t told_number(const char *key)
{
	return json_integer_value(json_object_get(told, key));
}

START_TEST(a_greeting_hands_the_stream_on_with_what_follows_it)
{
	char buf[16];
	int fd = program();

	ck_assert_uint_eq(n_told, 0); /* nobody said anything yet */
	says(fd, "CONN");
	says(fd, "ECT 42");
	ck_assert_uint_eq(n_told, 0);
	says(fd, "95\nfirst bytes");
	ck_assert_uint_eq(n_told, 1);
	ck_assert_str_eq(json_string_value(json_object_get(told, "do")), "vsock-connect");
	ck_assert_int_eq(told_number("port"), 4295);
	ck_assert_int_ge(stream, 0);
	ck_assert_int_eq(read(stream, buf, sizeof buf), 11);
	ck_assert_mem_eq(buf, "first bytes", 11);
	ck_assert_uint_eq(host.n_greeters, 0);
	/* The supervisor's own descriptor is closed: the stream ends with the machine's. */
	cleanup_fd(&stream);
	stream = -1;
	ck_assert(is_closed(fd));
	close(fd);
}
END_TEST

static const struct { const char *line; json_int_t port; /* -1: refused */ } greeting[] = {
	{ "CONNECT 0\n", 0 },
	{ "CONNECT 4294967295\n", UINT32_MAX },
	{ "CONNECT 0000000000080\n", 80 },
	{ "CONNECT 4294967296\n", -1 },
	{ "CONNECT 18446744073709551621\n", -1 }, /* 5 and 2^64 */
	{ "CONNECT 99999999999999999999999\n", -1 }, /* as long as a line may be */
	{ "CONNECT \n", -1 },
	{ "CONNECT\n", -1 },
	{ "CONNECT -1\n", -1 },
	{ "CONNECT +1\n", -1 },
	{ "CONNECT 1 \n", -1 },
	{ "CONNECT 1\r\n", -1 },
	{ "CONNECT 0x50\n", -1 },
	{ "connect 80\n", -1 },
	{ "\n", -1 },
	{ "GET / HTTP/1.0\n", -1 },
	{ "CONNECT 000000000000000000000000080\n", -1 }, /* too long */
	{ "no end, and longer than any greeting may be", -1 },
};

START_TEST(only_a_whole_greeting_is_taken)
{
	int fd = program();

	says(fd, greeting[_i].line);
	if (greeting[_i].port >= 0) {
		ck_assert_uint_eq(n_told, 1);
		ck_assert_int_eq(told_number("port"), greeting[_i].port);
	} else {
		ck_assert_uint_eq(n_told, 0);
		ck_assert(is_closed(fd));
	}
	ck_assert_uint_eq(host.n_greeters, 0);
	close(fd);
}
END_TEST

START_TEST(a_zero_byte_ends_it)
{
	int fd = program();

	ck_assert_int_eq(send(fd, "CONNECT 80\0\n", 12, MSG_NOSIGNAL), 12);
	turn();
	ck_assert_uint_eq(n_told, 0);
	ck_assert(is_closed(fd));
	close(fd);
}
END_TEST

START_TEST(one_that_goes_before_it_spoke_is_forgotten)
{
	int fd = program();

	ck_assert_uint_eq(host.n_greeters, 1);
	says(fd, "CONNECT 8");
	close(fd);
	turn();
	ck_assert_uint_eq(host.n_greeters, 0);
	ck_assert_uint_eq(n_told, 0);
}
END_TEST

START_TEST(of_too_many_that_say_nothing_the_oldest_gives_way)
{
	enum { PLACES = 64 };
	int fd[PLACES + 1];

	for (unsigned i = 0; i < PLACES; i++)
		fd[i] = program();
	ck_assert_uint_eq(host.n_greeters, PLACES);
	fd[PLACES] = program();
	ck_assert_uint_eq(host.n_greeters, PLACES);
	ck_assert(is_closed(fd[0]));
	says(fd[1], "CONNECT 1\n");
	says(fd[PLACES], "CONNECT 64\n");
	ck_assert_uint_eq(n_told, 2);
	ck_assert_int_eq(told_number("port"), 64);
	for (unsigned i = 0; i <= PLACES; i++)
		close(fd[i]);
}
END_TEST

START_TEST(without_a_machine_a_greeting_is_refused)
{
	int fd = program();

	vsock_host_bind(&host, NULL);
	says(fd, "CONNECT 80\n");
	ck_assert(is_closed(fd));
	ck_assert_uint_eq(host.n_greeters, 0);
	close(fd);
}
END_TEST

START_TEST(a_close_lets_go_of_all_who_wait)
{
	int fd = program();

	vsock_host_close(&host);
	ck_assert(is_closed(fd));
	ck_assert_ptr_null(host.path);
	ck_assert_int_eq(host.fd, -1);
	vsock_host_close(&host); /* a second time, nothing */
	close(fd);
}
END_TEST

START_TEST(a_socket_file_that_cannot_be_had_is_no_end)
{
	vsock_host_close(&host);
	vsock_host_open(&host, loop, "/nonexistent", "web");
	ck_assert_int_eq(host.fd, -1);
	ck_assert_ptr_null(host.path);
}
END_TEST

/* ---- what the guest asks for ---- */

static void dials(json_t *msg)
{
	vsock_host_dial(&host, msg);
	json_decref(msg);
	turn();
	ck_assert_str_eq(json_string_value(json_object_get(told, "do")), "vsock-answer");
}

START_TEST(the_guest_reaches_who_listens_at_the_ports_file)
{
	CLEANUP(free) char *path = str_printf("%s/web.vsock_4294967295", dir);
	CLEANUP(fd) int listener = -1, peer = -1;
	char c;

	ck_assert_int_eq(control_listen(path, &listener), 0);
	dials(json_pack("{s:I,s:i}", "port", (json_int_t)UINT32_MAX, "token", 5));
	ck_assert_int_eq(told_number("token"), 5);
	ck_assert_int_ge(stream, 0);
	peer = accept(listener, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	ck_assert_int_eq(write(stream, "x", 1), 1);
	ck_assert_int_eq(read(peer, &c, 1), 1);
	ck_assert_int_eq(c, 'x');
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

static const json_int_t nobody[] = { 0, 80, UINT32_MAX, -1, (json_int_t)UINT32_MAX + 1, INT64_MIN };

START_TEST(where_nobody_listens_the_guest_is_refused)
{
	dials(json_pack("{s:I,s:i}", "port", nobody[_i], "token", 6));
	ck_assert_int_eq(told_number("token"), 6);
	ck_assert_int_eq(stream, -1);
}
END_TEST

/* A listener that does not accept holds nobody up. */
START_TEST(a_listener_whose_queue_is_full_refuses)
{
	CLEANUP(free) char *path = str_printf("%s/web.vsock_80", dir);
	CLEANUP(fd) int listener = -1;
	int fd[4096];
	unsigned n = 0;

	ck_assert_int_eq(control_listen(path, &listener), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	while (n < 4096 && control_connect_now(path, &fd[n]) == 0)
		n++;
	ck_assert_uint_lt(n, 4096);
	dials(json_pack("{s:i,s:i}", "port", 80, "token", 7));
	ck_assert_int_eq(stream, -1);
	while (n)
		close(fd[--n]);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(a_question_without_a_token_or_a_machine_does_nothing)
{
	json_t *msg = json_pack("{s:i}", "port", 80);

	vsock_host_dial(&host, msg);
	turn();
	ck_assert_uint_eq(n_told, 0);
	json_decref(msg);
	vsock_host_bind(&host, NULL);
	msg = json_pack("{s:i,s:i}", "port", 80, "token", 1);
	vsock_host_dial(&host, msg);
	turn();
	ck_assert_uint_eq(n_told, 0);
	json_decref(msg);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("vsock");
	TCase *t = tcase_create("vsock");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_greeting_hands_the_stream_on_with_what_follows_it);
	tcase_add_loop_test(t, only_a_whole_greeting_is_taken, 0, sizeof greeting / sizeof greeting[0]);
	tcase_add_test(t, a_zero_byte_ends_it);
	tcase_add_test(t, one_that_goes_before_it_spoke_is_forgotten);
	tcase_add_test(t, of_too_many_that_say_nothing_the_oldest_gives_way);
	tcase_add_test(t, without_a_machine_a_greeting_is_refused);
	tcase_add_test(t, a_close_lets_go_of_all_who_wait);
	tcase_add_test(t, a_socket_file_that_cannot_be_had_is_no_end);
	tcase_add_test(t, the_guest_reaches_who_listens_at_the_ports_file);
	tcase_add_loop_test(t, where_nobody_listens_the_guest_is_refused, 0,
			    sizeof nobody / sizeof nobody[0]);
	tcase_add_test(t, a_listener_whose_queue_is_full_refuses);
	tcase_add_test(t, a_question_without_a_token_or_a_machine_does_nothing);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
