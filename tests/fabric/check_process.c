/* tests/fabric/check_process.c: the fabric as the process it is: frames
 * through real rings, wake-ups, the control socket, and its end. The test waits
 * for what must come (at most PATIENCE_MS), never for time to pass. */
#include "core/control.h"
#include "core/ring.h"
#include "fabric/process.h"
#include "tests/fabric/shares.h"
#include "tests/unit.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
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

static void setup(void)
{
	int pair[2];

	networks[0] = (struct fabric_plan_network){ .name = "lan", .mtu = 1500 };
	for (size_t i = 0; i < N_PORTS; i++) {
		ports[i] = (struct fabric_plan_port){ .name = i ? "b.eth0" : "a.eth0", .stream = i ? "b.0" : "a.0",
						      .mtu = 1500, .kind = FABRIC_PORT_RING, .rings = &fds[i] };
		ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds[i]), 0);
		ck_assert_int_eq(ring_pair_attach(&fds[i], RING_MACHINE, &machines[i]), 0);
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

/* The number of the next frame to machine @i, waiting for it. */
static uint32_t receive(size_t i)
{
	struct ring_record rec;
	uint32_t number;

	while (!ring_peek(&machines[i].rx, &rec)) {
		if (ring_sleep(&machines[i].rx))
			await_kick(i);
		ring_wake(&machines[i].rx);
	}
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
	(void)close(control_fd);
	control_fd = -1;
	ck_assert_int_eq(wait_for_end(), 0);
}
END_TEST

START_TEST(it_answers_before_it_quits)
{
	ck_assert(ask_ok("{\"id\":1,\"do\":\"quit\"}"));
	ck_assert_int_eq(wait_for_end(), 0);
}
END_TEST

/* Bytes that are no message end the fabric: its supervisor is not itself. */
START_TEST(nonsense_on_the_socket_ends_it)
{
	ck_assert_int_eq(write(control_fd, "]]]\n", 4), 4);
	ck_assert_int_ne(wait_for_end(), -1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("fabric-process");
	TCase *t = tcase_create("fabric-process");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, pings_go_to_and_fro);
	tcase_add_test(t, a_stream_keeps_its_order_and_its_books);
	tcase_add_test(t, a_link_is_changed_and_shown);
	tcase_add_test(t, a_paused_fabric_holds_frames);
	tcase_add_test(t, it_ends_with_its_control_socket);
	tcase_add_test(t, it_answers_before_it_quits);
	tcase_add_test(t, nonsense_on_the_socket_ends_it);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
