/* tests/fabric/check_process.c: the fabric as the process it is: frames
 * through real rings, wake-ups, the control socket, and its end. The test waits
 * for what must come (at most PATIENCE_MS), never for time to pass. */
#include "core/control.h"
#include "core/ring.h"
#include "fabric/calls.h"
#include "fabric/process.h"
#include "tests/fabric/shares.h"
#include "tests/send_fds.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_PORTS = 2, PATIENCE_MS = 20000 };

static struct fabric_plan_network networks[1];
static struct fabric_plan_port ports[N_PORTS];
static struct fabric_plan plan;
static struct ring_pair_fds fds[N_PORTS];
static struct ring_pair machines[N_PORTS];
static int control_fd;
static pid_t pid;
static nsec_t delay_ns; /* of each port's links, in both directions */
static uint32_t mtu = 1500; /* of each port */

/* A fabric with rings of its own, and machines at them. */
static void begin(void)
{
	int pair[2];

	networks[0] = (struct fabric_plan_network){ .name = "lan", .mtu = 1500 };
	for (size_t i = 0; i < N_PORTS; i++) {
		ports[i] = (struct fabric_plan_port){ .name = i ? "b.eth0" : "a.eth0",
						      .stream = i ? "b.0" : "a.0",
						      .mtu = mtu,
						      .kind = FABRIC_PORT_RING,
						      .rings = &fds[i],
						      .up.shape.delay_ns = delay_ns,
						      .down.shape.delay_ns = delay_ns };
		ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds[i]), 0);
		machines[i] = (struct ring_pair){ 0 };
	}
	plan = (struct fabric_plan){ .name = "t", .seed = 1, .networks = networks, .n_networks = 1,
				     .ports = ports, .n_ports = N_PORTS };
	plan_shares(&plan);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)close(pair[0]);
		_exit(fabric_run(&(struct fabric_config){ &plan, pair[1], true }));
	}
	(void)close(pair[1]);
	control_fd = pair[0];
}

static void attach(void)
{
	for (size_t i = 0; i < N_PORTS; i++)
		ck_assert_int_eq(ring_pair_attach(&fds[i], RING_MACHINE, &machines[i]), 0);
}

static void setup(void)
{
	delay_ns = 0;
	mtu = 1500;
	begin();
	attach();
}

static int wait_for_end(void)
{
	int status = -1;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void teardown(void)
{
	if (control_fd >= 0)
		(void)close(control_fd);
	if (pid > 0)
		(void)wait_for_end();
	for (size_t i = 0; i < N_PORTS; i++) {
		ring_pair_detach(&machines[i]);
		ring_pair_close(&fds[i]);
	}
}

/* Ends the fabric. Returns its exit status. */
static int end(void)
{
	(void)close(control_fd);
	control_fd = -1;
	return wait_for_end();
}

static json_t *ask(const char *request)
{
	json_t *msg = json_loads(request, 0, NULL), *answer = NULL;

	ck_assert_ptr_nonnull(msg);
	ck_assert_int_eq(control_write_msg(control_fd, msg), 0);
	ck_assert_int_eq(control_read_msg(control_fd, &answer), 0);
	json_decref(msg);
	return answer;
}

static bool ask_ok(const char *request)
{
	json_t *a = ask(request);
	bool ok = json_is_true(json_object_get(a, "ok"));

	json_decref(a);
	return ok;
}

/* False when the ring is full. */
static bool send_frame(size_t from, uint32_t number)
{
	static const struct frame_offload none;
	uint8_t *p = ring_reserve(&machines[from].tx, 60);

	if (!p)
		return false;
	memset(p, 0, 60);
	memset(p, 0xff, 6);
	p[6] = 2;
	p[11] = (uint8_t)from;
	memcpy(p + 20, &number, 4);
	ring_commit(&machines[from].tx, 60, &none, 0);
	return true;
}

/* Waits for the fabric's signal to machine @i. */
static void await_kick(size_t i)
{
	struct pollfd p = { .fd = fds[i].down_kick_fd, .events = POLLIN };
	uint64_t n;

	ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
	ck_assert_int_eq(read(p.fd, &n, sizeof n), sizeof n);
}

static struct ring_record await_frame(size_t i)
{
	struct ring_record rec;

	while (!ring_peek(&machines[i].rx, &rec)) {
		if (ring_sleep(&machines[i].rx))
			await_kick(i);
		ring_wake(&machines[i].rx);
	}
	return rec;
}

/* The number of the next frame to machine @i, waiting for it. */
static uint32_t receive(size_t i)
{
	struct ring_record rec = await_frame(i);
	uint32_t number;

	memcpy(&number, rec.data + 20, 4);
	ring_pop(&machines[i].rx);
	ring_release(&machines[i].rx);
	return number;
}

START_TEST(pings_go_to_and_fro)
{
	for (uint32_t i = 0; i < 2000; i++) {
		ck_assert(send_frame(i & 1, i));
		(void)ring_publish(&machines[i & 1].tx);
		ck_assert_uint_eq(receive(!(i & 1)), i);
	}
}
END_TEST

/* Sent as fast as the rings take them: none is lost on the way in, and what
 * is lost for a full ring on the way out is in the books. */
START_TEST(a_stream_keeps_its_order_and_its_books)
{
	enum { COUNT = 200000 };
	uint32_t sent = 0, last = 0, n = 0;
	json_int_t lost;
	json_t *a;

	while (sent < COUNT) {
		struct ring_record rec;
		uint32_t number;

		while (sent < COUNT && send_frame(0, sent + 1))
			sent++;
		(void)ring_publish(&machines[0].tx);
		if (sent < COUNT)
			await_kick(0); /* room */
		for (; ring_peek(&machines[1].rx, &rec); n++) {
			memcpy(&number, rec.data + 20, 4);
			ck_assert_uint_gt(number, last);
			last = number;
			ring_pop(&machines[1].rx);
		}
		ring_release(&machines[1].rx);
	}
	/* A marker that must come: wait until all before it is through. */
	do {
		a = ask("{\"id\":1,\"do\":\"counters\"}");
		json_t *list = json_object_get(a, "ports");
		json_t *out = json_object_get(json_array_get(list, 1), "out");

		lost = json_integer_value(json_object_get(json_object_get(out, "lost"), "ring-full"));
		last = (uint32_t)json_integer_value(json_object_get(out, "entered_frames"));
		json_decref(a);
	} while (last < COUNT);
	for (struct ring_record rec; ring_peek(&machines[1].rx, &rec); n++)
		ring_pop(&machines[1].rx);
	ck_assert_int_eq(n + lost, COUNT);
}
END_TEST

START_TEST(a_link_is_changed_and_shown)
{
	json_t *a;

	ck_assert(ask_ok("{\"id\":1,\"do\":\"link-set\",\"network\":0,\"dir\":\"both\",\"up\":{\"delay_ns\":1000000,\"rate_bps\":10000000},"
			 "\"down\":{\"delay_ns\":1000000,\"rate_bps\":10000000}}"));
	a = ask("{\"id\":2,\"do\":\"link-show\",\"network\":0}");
	ck_assert_int_eq(json_integer_value(json_object_get(a, "id")), 2);
	ck_assert_uint_eq(json_array_size(json_object_get(a, "links")), 2);
	json_decref(a);
	ck_assert(send_frame(0, 7));
	(void)ring_publish(&machines[0].tx);
	ck_assert_uint_eq(receive(1), 7);
}
END_TEST

START_TEST(a_paused_fabric_holds_frames)
{
	struct ring_record rec;

	ck_assert(ask_ok("{\"do\":\"pause\"}"));
	ck_assert(send_frame(0, 7));
	(void)ring_publish(&machines[0].tx);
	ck_assert(ask_ok("{\"do\":\"counters\"}"));
	ck_assert(!ring_peek(&machines[1].rx, &rec));
	ck_assert(ask_ok("{\"do\":\"resume\"}"));
	ck_assert_uint_eq(receive(1), 7);
}
END_TEST

START_TEST(it_ends_with_its_control_socket)
{
	ck_assert_int_eq(end(), 0);
}
END_TEST

START_TEST(it_answers_before_it_quits)
{
	ck_assert(ask_ok("{\"id\":1,\"do\":\"quit\"}"));
	ck_assert_int_eq(wait_for_end(), 0);
}
END_TEST

/* ---- a supervisor that is not itself -------------------------------------------------- */

static bool send_bytes(const void *data, size_t len)
{
	return send(control_fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool send_text(const char *text)
{
	return send_bytes(text, strlen(text));
}

static const struct {
	const char *text;
	int n_fds; /* that come with it */
	const char *error; /* NULL: it ends the fabric */
} said[] = {
	{ "]]]\n", 0, NULL },
	{ "[]\n", 0, NULL },
	{ "{\"do\":\"pause\",\"do\":\"quit\"}\n", 0, NULL },
	{ "{\"do\":\"save\",\"fds\":1}\n", 0, NULL },
	{ "{\"do\":\"counters\"}\n", 1, NULL },
	{ "{\"do\":\"save\",\"fds\":16}\n", SEND_FDS_MAX, NULL },
	{ "{\"do\":\"gone\"}\n", 0, "unknown request 'gone'" },
	{ "{\"do\":\"link-state\",\"up\":7}\n", 0, "link-state: 'up' is not a boolean" },
	{ "{\"do\":\"pause\",\"fds\":1}\n", 1, "pause: unknown argument 'fds'" },
	{ "{\"do\":\"save\",\"fds\":2}\n", 2, "save: 2 descriptors came, at most 1 are taken" },
	{ "{\"do\":\"save\",\"fds\":1}\n", 1, "the fabric is not paused" },
};

/* A wrong request is refused aloud. What breaks the form ends the fabric, since nobody else is connected. */
START_TEST(what_is_wrong_is_told_or_ends_it)
{
	json_t *a = NULL;

	ck_assert_int_gt(send_fds(control_fd, said[_i].text, strlen(said[_i].text), control_fd, said[_i].n_fds), 0);
	if (!said[_i].error) {
		ck_assert_int_eq(wait_for_end(), EXIT_FAILURE);
		return;
	}
	ck_assert_int_eq(control_read_msg(control_fd, &a), 0);
	ck_assert(json_is_false(json_object_get(a, "ok")));
	ck_assert_str_eq(json_string_value(json_object_get(a, "error")), said[_i].error);
	json_decref(a);
	ck_assert(send_frame(0, 7)); /* it goes on */
	(void)ring_publish(&machines[0].tx);
	ck_assert_uint_eq(receive(1), 7);
}
END_TEST

START_TEST(half_a_line_waits_for_its_rest)
{
	json_t *a = NULL;

	ck_assert(send_text("{\"id\":5,\"do\":"));
	ck_assert(send_frame(0, 7));
	(void)ring_publish(&machines[0].tx);
	ck_assert_uint_eq(receive(1), 7);
	ck_assert(send_text("\"counters\"}\n"));
	ck_assert_int_eq(control_read_msg(control_fd, &a), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(a, "id")), 5);
	json_decref(a);
}
END_TEST

/* 100 MB without a newline: no more than a message is taken. */
START_TEST(an_endless_line_ends_it)
{
	static uint8_t junk[65536];
	size_t sent = 0;

	memset(junk, ' ', sizeof junk);
	while (sent < 100u << 20 && send_bytes(junk, sizeof junk))
		sent += sizeof junk;
	ck_assert_uint_lt(sent, CONTROL_LEN_MAX + (4u << 20)); /* and what the socket takes */
	ck_assert_int_eq(wait_for_end(), EXIT_FAILURE);
}
END_TEST

START_TEST(two_requests_with_one_id_get_two_answers)
{
	json_t *a = NULL;

	ck_assert(send_text("{\"id\":3,\"do\":\"pause\"}\n{\"id\":3,\"do\":\"gone\"}\n"));
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(control_read_msg(control_fd, &a), 0);
		ck_assert_int_eq(json_integer_value(json_object_get(a, "id")), 3);
		ck_assert_int_eq(json_is_true(json_object_get(a, "ok")), i == 0);
		json_decref(a);
	}
}
END_TEST

/* Who asks and asks and reads nothing is not read either: the fabric keeps some answers, and no more. */
START_TEST(who_reads_nothing_is_not_heard)
{
	struct timeval patience = { .tv_usec = 300000 };
	static const char *const text = "{\"id\":1,\"do\":\"counters\"}\n";
	size_t n = 0;
	json_t *a = NULL;

	ck_assert_int_eq(setsockopt(control_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
	while (n < 200000 && send_text(text))
		n++;
	ck_assert_uint_lt(n, 200000);
	ck_assert(send_frame(0, 7));
	(void)ring_publish(&machines[0].tx);
	ck_assert_uint_eq(receive(1), 7);
	ck_assert_int_eq(control_read_msg(control_fd, &a), 0);
	json_decref(a);
}
END_TEST

/* ---- its state, by way of the supervisor's calls --------------------------------------- */

static struct {
	struct loop *loop;
	struct control *control;
	struct rpc *rpc;
	unsigned n; /* answers */
	json_t *reply;
	char error[300];
} sup;

static void on_reply(void *ctx, json_t *reply, const char *error)
{
	(void)ctx;
	sup.n++;
	sup.reply = json_incref(reply);
	(void)snprintf(sup.error, sizeof sup.error, "%s", error ? error : "");
}

static void on_control(void *ctx, struct control *c, json_t *msg, int *msg_fds, int n_fds, int status)
{
	(void)ctx;
	(void)msg_fds;
	(void)n_fds;
	(void)status;
	if (msg) {
		(void)rpc_take(sup.rpc, msg);
		return;
	}
	rpc_bind(sup.rpc, NULL);
	sup.control = control_free(c);
}

/* The control socket is the supervisor's until sup_leave(). */
static void sup_enter(void)
{
	memset(&sup, 0, sizeof sup);
	ck_assert_int_eq(loop_new(&sup.loop), 0);
	ck_assert_int_eq(control_new(sup.loop, dup(control_fd), on_control, NULL, &sup.control), 0);
	ck_assert_int_eq(rpc_new(sup.loop, "the fabric of team t", &sup.rpc), 0);
	rpc_bind(sup.rpc, sup.control);
}

static void sup_leave(void)
{
	int flags = fcntl(control_fd, F_GETFL);

	json_decref(sup.reply);
	sup.rpc = rpc_free(sup.rpc);
	sup.control = control_free(sup.control);
	sup.loop = loop_free(sup.loop);
	(void)fcntl(control_fd, F_SETFL, flags & ~O_NONBLOCK);
}

typedef int state_call(struct rpc *r, int fd, nsec_t timeout_ns, rpc_reply_fn *fn, void *ctx);

/* Asks and waits. Returns the error, "" for none; sup_bytes: what was said to be written. */
static uint64_t sup_bytes;
static const char *call(state_call *fn, int fd, nsec_t timeout_ns)
{
	static char error[sizeof sup.error];

	sup_enter();
	ck_assert_int_eq(fn(sup.rpc, fd, timeout_ns, on_reply, NULL), 0);
	while (sup.n == 0)
		ck_assert_int_ge(loop_step(sup.loop, NSEC_NEVER), 0);
	ck_assert_uint_eq(sup.n, 1);
	sup_bytes = 0;
	if (fn == fabric_save && !*sup.error)
		ck_assert_int_eq(fabric_saved_bytes(sup.reply, &sup_bytes), 0);
	(void)snprintf(error, sizeof error, "%s", sup.error);
	sup_leave();
	return error;
}

#define PATIENCE_NS (PATIENCE_MS * NSEC_PER_MSEC)

static json_int_t number(json_t *counters, size_t port, const char *book, const char *key)
{
	json_t *p = json_array_get(json_object_get(counters, "ports"), port);

	return json_integer_value(json_object_get(json_object_get(p, book), key));
}

/* All that port 0 sent is somewhere, by the books that a restored fabric goes on with. */
static void check_books(json_int_t sent, json_int_t arrived)
{
	json_t *c = ask("{\"do\":\"counters\"}");

	ck_assert_int_eq(number(c, 0, "in", "entered_frames"), sent);
	ck_assert_int_eq(number(c, 0, "in", "delivered_frames"), number(c, 0, "up", "entered_frames"));
	ck_assert_int_eq(number(c, 0, "up", "entered_frames"),
			 number(c, 0, "up", "delivered_frames") + number(c, 0, "up", "queued_frames"));
	ck_assert_int_eq(number(c, 1, "network", "entered_frames"), number(c, 0, "up", "delivered_frames"));
	ck_assert_int_eq(number(c, 1, "down", "entered_frames"),
			 number(c, 1, "down", "delivered_frames") + number(c, 1, "down", "queued_frames"));
	ck_assert_int_eq(number(c, 1, "out", "delivered_frames"), arrived);
	json_decref(c);
}

/* Saves the paused fabric into a file, ends it, and starts another one of the same plan, which is paused. */
static int save_and_begin_anew(void)
{
	int file = memfd_create("state", MFD_CLOEXEC);

	ck_assert_str_eq(call(fabric_save, file, PATIENCE_NS), "");
	ck_assert_int_eq(lseek(file, 0, SEEK_END), (off_t)sup_bytes);
	ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
	ck_assert_int_eq(end(), 0);
	for (size_t i = 0; i < N_PORTS; i++) {
		ring_pair_detach(&machines[i]);
		ring_pair_close(&fds[i]);
	}
	begin();
	ck_assert(ask_ok("{\"do\":\"pause\"}"));
	return file;
}

/* Frames fly for a second each way of two links. The fabric is saved and another one goes on: what had arrived in
 * the ring is in the new ring, what had entered arrives, and not before its time in flight is over. */
START_TEST(frames_in_flight_arrive_after_a_restore)
{
	enum { RUNS = 20 };
	nsec_t paused, sent, resumed, flown;
	int file;

	(void)end();
	teardown();
	delay_ns = NSEC_PER_SEC / 2;
	begin();
	attach();
	sent = clock_now();
	for (uint32_t i = 0; i < RUNS; i++)
		ck_assert(send_frame(0, i));
	(void)ring_publish(&machines[0].tx);
	for (json_int_t n = 0; n < RUNS;) {
		json_t *c = ask("{\"do\":\"counters\"}");

		n = number(c, 0, "in", "entered_frames");
		json_decref(c);
	}
	ck_assert(ask_ok("{\"do\":\"pause\"}"));
	paused = clock_now();
	check_books(RUNS, 0);
	ck_assert(send_frame(0, RUNS)); /* of a machine that pauses after the fabric */
	(void)ring_publish(&machines[0].tx);
	file = save_and_begin_anew();
	ck_assert_str_eq(call(fabric_restore, file, PATIENCE_NS), "");
	attach();
	check_books(RUNS, 0);
	resumed = clock_now();
	ck_assert(ask_ok("{\"do\":\"resume\"}"));
	for (uint32_t i = 0; i < RUNS; i++)
		ck_assert_uint_eq(receive(1), i);
	/* They flew before the pause and after it; the test cannot know of the fabric's pause to the nanosecond. */
	flown = (paused - sent) + (clock_now() - resumed);
	ck_assert_msg(flown >= 2 * delay_ns, "arrived after %lld ns", (long long)flown);
	ck_assert_uint_eq(receive(1), RUNS);
	check_books(RUNS + 1, RUNS + 1);
	ck_assert(send_frame(1, 99));
	(void)ring_publish(&machines[1].tx);
	ck_assert_uint_eq(receive(0), 99);
	(void)close(file);
}
END_TEST

/* What a machine had not taken is in its new ring. */
START_TEST(frames_that_wait_for_a_machine_are_restored)
{
	int file;
	json_t *c;

	for (uint32_t i = 0; i < 5; i++)
		ck_assert(send_frame(0, i));
	(void)ring_publish(&machines[0].tx);
	(void)await_frame(1);
	do {
		c = ask("{\"do\":\"counters\"}");
		if (number(c, 1, "out", "delivered_frames") == 5)
			break;
		json_decref(c);
	} while (true);
	json_decref(c);
	ck_assert(ask_ok("{\"do\":\"pause\"}"));
	file = save_and_begin_anew();
	ck_assert_str_eq(call(fabric_restore, file, PATIENCE_NS), "");
	attach();
	ck_assert(ask_ok("{\"do\":\"resume\"}"));
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_uint_eq(receive(1), i);
	check_books(5, 5);
	(void)close(file);
}
END_TEST

START_TEST(a_restore_that_is_refused_is_told)
{
	int file, other = memfd_create("other", MFD_CLOEXEC);
	off_t n;

	ck_assert_str_eq(call(fabric_save, other, PATIENCE_NS), "the fabric is not paused");
	ck_assert(ask_ok("{\"do\":\"pause\"}"));
	file = save_and_begin_anew();
	n = lseek(file, 0, SEEK_END);
	ck_assert_int_eq(ftruncate(file, n - 1), 0);
	ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
	ck_assert_ptr_nonnull(strstr(call(fabric_restore, file, PATIENCE_NS), "the saved state is refused: "));
	ck_assert(ask_ok("{\"do\":\"resume\"}")); /* as it was */
	attach();
	ck_assert(send_frame(0, 7));
	(void)ring_publish(&machines[0].tx);
	ck_assert_uint_eq(receive(1), 7);
	(void)close(file);
	(void)close(other);
}
END_TEST

/* Of another plan: the file is whole, its contents are not this fabric's. */
START_TEST(a_restore_of_another_plan_ends_it)
{
	int file;
	const char *error;

	ck_assert(ask_ok("{\"do\":\"pause\"}"));
	file = save_and_begin_anew();
	(void)end();
	teardown();
	mtu = 1400;
	begin();
	ck_assert(ask_ok("{\"do\":\"pause\"}"));
	error = call(fabric_restore, file, PATIENCE_NS);
	ck_assert_msg(strstr(error, "section link.") && strstr(error, "bytes of MTU"), "%s", error);
	ck_assert_int_eq(wait_for_end(), EXIT_FAILURE);
	(void)close(file);
}
END_TEST

/* A supervisor does not wait for a fabric that stands still. */
START_TEST(a_fabric_that_does_not_answer_is_named)
{
	int file = memfd_create("state", MFD_CLOEXEC);

	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert_str_eq(call(fabric_save, file, 20 * NSEC_PER_MSEC), "the fabric of team t did not answer in 0.02 s");
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	(void)close(file);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("fabric-process");
	TCase *t = tcase_create("fabric-process");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, pings_go_to_and_fro);
	tcase_add_test(t, a_stream_keeps_its_order_and_its_books);
	tcase_add_test(t, a_link_is_changed_and_shown);
	tcase_add_test(t, a_paused_fabric_holds_frames);
	tcase_add_test(t, it_ends_with_its_control_socket);
	tcase_add_test(t, it_answers_before_it_quits);
	tcase_add_loop_test(t, what_is_wrong_is_told_or_ends_it, 0, (int)(sizeof said / sizeof said[0]));
	tcase_add_test(t, half_a_line_waits_for_its_rest);
	tcase_add_test(t, an_endless_line_ends_it);
	tcase_add_test(t, two_requests_with_one_id_get_two_answers);
	tcase_add_test(t, who_reads_nothing_is_not_heard);
	tcase_add_test(t, frames_in_flight_arrive_after_a_restore);
	tcase_add_test(t, frames_that_wait_for_a_machine_are_restored);
	tcase_add_test(t, a_restore_that_is_refused_is_told);
	tcase_add_test(t, a_restore_of_another_plan_ends_it);
	tcase_add_test(t, a_fabric_that_does_not_answer_is_named);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
