/* tests/fabric/check_stream.c: a port at a Unix stream socket, beside one with rings: on virtual time, and as
 * the process it is. */
#include "core/checksum.h"
#include "core/control.h"
#include "core/state.h"
#include "core/wire.h"
#include "fabric/fabric.h"
#include "fabric/process.h"
#include "tests/fabric/shares.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RING, STREAM, N_PORTS, PATIENCE_MS = 20000, HEAD = 4, BIG = 1400 };

static struct fabric_plan_network networks[1];
static struct fabric_plan_port ports[N_PORTS];
static struct fabric_plan plan;
static struct ring_pair_fds fds;
static struct ring_pair machine;
static struct fabric *fabric;
static char dir[] = "/tmp/check_stream.XXXXXX", path[64];
static char told[256]; /* "+" for each peer that came, "-WHY;" for each that went */
static nsec_t now;

static void on_peer(void *ctx, const struct fabric_port *p, bool is_there, const char *why)
{
	size_t len = strlen(told);

	(void)ctx;
	ck_assert_ptr_eq(p, &fabric->ports[STREAM]);
	(void)snprintf(told + len, sizeof told - len, is_there ? "+" : "-%s;", why);
}

static void new_fabric(void)
{
	ck_assert_int_eq(fabric_new(&plan, &fabric), 0);
	fabric->on_peer = on_peer;
}

static int listen_at(const char *at)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", at);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static void setup(void)
{
	memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/s", dir);
	ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds), 0);
	ck_assert_int_eq(ring_pair_attach(&fds, RING_MACHINE, &machine), 0);
	networks[0] = (struct fabric_plan_network){ .name = "lan", .mtu = 1500 };
	ports[RING] = (struct fabric_plan_port){
		.name = "a.eth0", .stream = "a.0", .mtu = 1500, .kind = FABRIC_PORT_RING, .rings = &fds
	};
	ports[STREAM] = (struct fabric_plan_port){
		.name = "lan.q", .stream = "lan.q", .mtu = 1500, .kind = FABRIC_PORT_STREAM, .fd = listen_at(path)
	};
	plan = (struct fabric_plan){
		.name = "t", .seed = 1, .networks = networks, .n_networks = 1, .ports = ports, .n_ports = N_PORTS
	};
	plan_shares(&plan);
	told[0] = '\0';
	now = NSEC_PER_SEC;
	fabric = NULL;
}

static void teardown(void)
{
	fabric = fabric_free(fabric);
	ring_pair_detach(&machine);
	ring_pair_close(&fds);
	(void)close(ports[STREAM].fd);
	(void)unlink(path);
	(void)rmdir(dir);
}

static int connect_peer(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* As the process does: steps, and sleeps when nothing comes, until the port's descriptor tells nothing. */
static void pump(void)
{
	struct fabric_port *p = &fabric->ports[STREAM];
	struct pollfd poll_fd = { .fd = p->ops->wait_fd(p), .events = POLLIN };

	fabric_wake_port(fabric, RING); /* its machine's kick */
	do {
		if (poll_fd.revents) {
			p->ops->kicked(p);
			fabric_wake_port(fabric, STREAM);
		}
		while (fabric_step(fabric, now) || !fabric_sleep(fabric))
			;
		poll_fd.revents = 0;
	} while (poll(&poll_fd, 1, 0) == 1);
}

static void fill(uint8_t *p, uint32_t len, uint8_t from, uint32_t number)
{
	memset(p, (int)number, len);
	memset(p, 0xff, 6);
	memset(p + 6, 2, 6);
	p[11] = from;
	memset(p + 12, 0x88, 2);
	memcpy(p + 14, &number, sizeof number);
}

/* False when the ring is full. */
static bool send_ring(uint32_t len, uint32_t number)
{
	static const struct frame_offload none;
	uint8_t *p = ring_reserve(&machine.tx, len);

	if (!p)
		return false;
	fill(p, len, RING, number);
	ring_commit(&machine.tx, len, &none, 0);
	(void)ring_publish(&machine.tx);
	return true;
}

/* The number of the next frame that came over the ring; UINT32_MAX: none. */
static uint32_t receive_ring(uint32_t len)
{
	struct ring_record rec;
	uint32_t number;

	if (!ring_peek(&machine.rx, &rec))
		return UINT32_MAX;
	ck_assert_uint_eq(rec.len, len);
	memcpy(&number, rec.data + 14, sizeof number);
	ring_pop(&machine.rx);
	ring_release(&machine.rx);
	return number;
}

static size_t wire_frame(uint8_t *buf, uint32_t len, uint32_t number)
{
	store_be32(buf, len);
	fill(buf + HEAD, len, STREAM, number);
	return HEAD + len;
}

static void send_peer(int fd, uint32_t len, uint32_t number)
{
	uint8_t buf[HEAD + BIG];
	size_t n = wire_frame(buf, len, number);

	ck_assert_int_eq(write(fd, buf, n), (ssize_t)n);
}

static void read_whole(int fd, void *buf, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (size_t at = 0; at < len;) {
		ssize_t n;

		ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
		n = read(fd, (char *)buf + at, len - at);
		ck_assert_int_gt(n, 0);
		at += (size_t)n;
	}
}

/* The next frame to the peer, which is there or comes; its length. */
static uint32_t receive_peer(int fd, uint8_t *frame, size_t size)
{
	uint8_t head[HEAD];
	uint32_t len;

	read_whole(fd, head, HEAD);
	len = load_be32(head);
	ck_assert_uint_le(len, size);
	read_whole(fd, frame, len);
	return len;
}

static uint32_t receive_number(int fd, uint32_t len)
{
	uint8_t frame[BIG];
	uint32_t number;

	ck_assert_uint_eq(receive_peer(fd, frame, sizeof frame), len);
	memcpy(&number, frame + 14, sizeof number);
	return number;
}

static bool nothing_for(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 0;
}

static void check_books(void)
{
	for (size_t i = 0; i < N_PORTS; i++) {
		const struct element_counters *both[] = { &fabric->ports[i].in, &fabric->ports[i].out };

		for (size_t k = 0; k < 2; k++) {
			uint64_t lost = 0;

			for (size_t r = 0; r < LOSS_REASON_COUNT; r++)
				lost += both[k]->lost_frames[r];
			ck_assert_uint_eq(both[k]->entered_frames, both[k]->delivered_frames + lost);
		}
	}
}

/* ---- on virtual time ------------------------------------------------------------ */

START_TEST(frames_go_both_ways)
{
	int fd;

	new_fabric();
	fd = connect_peer();
	pump();
	ck_assert_str_eq(told, "+");
	for (uint32_t i = 0; i < 1000; i++) {
		ck_assert(send_ring(60, i));
		send_peer(fd, 60 + i, i);
		pump();
		ck_assert_uint_eq(receive_number(fd, 60), i);
		ck_assert_uint_eq(receive_ring(60 + i), i);
	}
	ck_assert(nothing_for(fd));
	check_books();
	(void)close(fd);
}
END_TEST

START_TEST(a_frame_may_come_in_pieces)
{
	uint8_t buf[2 * (HEAD + 100)];
	size_t len = wire_frame(buf, 100, 1);
	int fd;

	new_fabric();
	fd = connect_peer();
	len += wire_frame(buf + len, 100, 2);
	for (size_t i = 0; i < len; i++) {
		ck_assert_uint_eq(receive_ring(100), UINT32_MAX);
		ck_assert_int_eq(write(fd, buf + i, 1), 1);
		pump();
		if (i == HEAD + 99)
			ck_assert_uint_eq(receive_ring(100), 1);
	}
	ck_assert_uint_eq(receive_ring(100), 2);
	(void)close(fd);
}
END_TEST

/* More at once than a turn takes and than the buffer holds, and no news of it afterwards. */
START_TEST(many_frames_may_come_at_once)
{
	enum { COUNT = 2000 };
	uint32_t sent = 0, got = 0, number;
	uint8_t buf[HEAD + 60];
	int fd;

	new_fabric();
	fd = connect_peer();
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (got < COUNT) {
		size_t n = wire_frame(buf, 60, sent);

		while (sent < COUNT && write(fd, buf, n) == (ssize_t)n)
			n = wire_frame(buf, 60, ++sent);
		pump();
		for (; (number = receive_ring(60)) != UINT32_MAX; got++)
			ck_assert_uint_eq(number, got);
	}
	check_books();
	(void)close(fd);
}
END_TEST

static const struct {
	uint32_t len;
	const char *told;
} garbage[] = {
	{ 0, "+-it announced a frame of 0 bytes;+" },
	{ FRAME_LEN_MAX + 1, "+-it announced a frame that is longer than any;+" },
	{ UINT32_MAX, "+-it announced a frame that is longer than any;+" },
};

START_TEST(nonsense_drops_the_peer)
{
	uint8_t head[HEAD], byte;
	int fd, next;

	new_fabric();
	fd = connect_peer();
	send_peer(fd, 60, 1);
	store_be32(head, garbage[_i].len);
	ck_assert_int_eq(write(fd, head, HEAD), HEAD);
	next = connect_peer();
	pump();
	ck_assert_uint_eq(receive_ring(60), 1); /* what came before it is taken */
	ck_assert_str_eq(told, garbage[_i].told);
	ck_assert_int_eq(read(fd, &byte, 1), 0);
	send_peer(next, 60, 2);
	pump();
	ck_assert_uint_eq(receive_ring(60), 2);
	(void)close(fd);
	(void)close(next);
}
END_TEST

/* A short one and a giant are lost one by one, as they would be of a ring. */
START_TEST(bad_frames_are_judged_as_a_rings)
{
	const struct element_counters *in;
	uint8_t buf[HEAD + 4000];
	int fd;

	new_fabric();
	in = &fabric->ports[STREAM].in;
	fd = connect_peer();
	store_be32(buf, 13);
	ck_assert_int_eq(write(fd, buf, HEAD + 13), HEAD + 13);
	(void)wire_frame(buf, 4000, 1);
	ck_assert_int_eq(write(fd, buf, HEAD + 4000), HEAD + 4000);
	send_peer(fd, 60, 7);
	pump();
	ck_assert_uint_eq(receive_ring(60), 7);
	ck_assert_uint_eq(in->lost_frames[LOSS_MALFORMED], 2);
	ck_assert_str_eq(told, "+");
	(void)close(fd);
}
END_TEST

START_TEST(a_peer_comes_and_goes)
{
	struct fabric_port *p;
	int fd, next;

	new_fabric();
	p = &fabric->ports[STREAM];
	pump();
	ck_assert(!p->is_up && fabric->ports[RING].is_up);
	ck_assert(send_ring(60, 1));
	pump();
	ck_assert_uint_eq(p->out.entered_frames, 0); /* the switch knows that nobody is there */
	fd = connect_peer();
	next = connect_peer();
	pump();
	ck_assert(p->is_up);
	send_peer(next, 60, 2); /* waits until its turn comes */
	pump();
	ck_assert_uint_eq(receive_ring(60), UINT32_MAX);
	ck_assert_str_eq(told, "+");
	send_peer(fd, 60, 3);
	(void)close(fd);
	pump();
	ck_assert_uint_eq(receive_ring(60), 3);
	ck_assert_uint_eq(receive_ring(60), 2);
	ck_assert_str_eq(told, "+-it closed the connection;+");
	(void)close(next);
	pump();
	ck_assert(!p->is_up);
	ck_assert_uint_eq(vswitch_n_stations(fabric->networks[0].sw), 1); /* the other one's MAC is forgotten */
	check_books();
}
END_TEST

/* The user's word and the peer are two conditions of carrier. */
START_TEST(carrier_needs_the_port_and_the_peer)
{
	const struct fabric_target at = { .ref = { .index = STREAM }, .dir = LINK_BOTH };
	struct fabric_port *p;
	int fd;

	new_fabric();
	p = &fabric->ports[STREAM];
	fabric_link_state(fabric, &at, false, false, now);
	fd = connect_peer();
	pump();
	ck_assert(!p->is_up);
	send_peer(fd, 60, 1);
	pump();
	ck_assert_uint_eq(receive_ring(60), UINT32_MAX);
	fabric_link_state(fabric, &at, true, false, now);
	ck_assert(p->is_up);
	send_peer(fd, 60, 2);
	pump();
	ck_assert_uint_eq(receive_ring(60), 2);
	(void)close(fd);
}
END_TEST

/* The queue is bounded and nobody waits. What was taken comes whole and in order when the peer reads again. */
START_TEST(a_peer_that_stops_reading_loses_frames)
{
	const struct element_counters *out;
	uint32_t sent = 0, last = 0, n = 0;
	int fd;

	new_fabric();
	out = &fabric->ports[STREAM].out;
	fd = connect_peer();
	pump();
	while (out->lost_frames[LOSS_RING_FULL] < 100) {
		while (send_ring(BIG, sent + 1))
			sent++;
		pump();
		ck_assert_uint_lt(sent, 100000);
	}
	ck_assert_uint_eq(out->entered_frames, sent);
	for (; n < out->delivered_frames; n++) {
		uint32_t number;

		pump();
		number = receive_number(fd, BIG);
		ck_assert_uint_gt(number, last);
		last = number;
	}
	ck_assert_uint_gt(n, (1 << 20) / (HEAD + BIG) - 1);
	ck_assert(send_ring(60, 5));
	pump();
	ck_assert_uint_eq(receive_number(fd, 60), 5);
	check_books();
	(void)close(fd);
}
END_TEST

/* TCP of 4000 bytes, in segments of 1000, without checksums. */
static void send_gso(void)
{
	enum { LEN = 54 + 4000 };
	struct frame_offload o = {
		.flags = 1, .gso_type = 1, .hdr_len = 54, .gso_size = 1000, .csum_start = 34, .csum_offset = 16
	};
	uint8_t *p = ring_reserve(&machine.tx, LEN);

	ck_assert_ptr_nonnull(p);
	fill(p, LEN, RING, 1);
	memset(p + 14, 0, 40);
	store_be16(p + 12, 0x0800);
	p[14] = 0x45;
	store_be16(p + 16, LEN - 14);
	p[22] = 64;
	p[23] = 6;
	store_be32(p + 26, 0x0a000001);
	store_be32(p + 30, 0x0a000002);
	store_be32(p + 38, 1000000);
	p[46] = 0x50;
	p[47] = 0x10;
	ring_commit(&machine.tx, LEN, &o, 0);
	(void)ring_publish(&machine.tx);
}

START_TEST(offloads_are_done_before_the_wire)
{
	uint8_t f[BIG], pseudo[12] = { 0 };
	int fd;

	new_fabric();
	fd = connect_peer();
	pump();
	send_gso();
	pump();
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t sum;

		ck_assert_uint_eq(receive_peer(fd, f, sizeof f), 1054);
		ck_assert_uint_eq(load_be32(f + 38), 1000000 + i * 1000);
		ck_assert_uint_eq(checksum_fold(checksum_add(0, f + 14, 20)), 0);
		memcpy(pseudo, f + 26, 8);
		pseudo[9] = 6;
		store_be16(pseudo + 10, 1020);
		sum = checksum_add(0, pseudo, sizeof pseudo);
		ck_assert_uint_eq(checksum_fold(checksum_add(sum, f + 34, 1020)), 0);
	}
	ck_assert(nothing_for(fd));
	ck_assert_uint_eq(fabric->ports[STREAM].out.delivered_frames, 1);
	(void)close(fd);
}
END_TEST

/* ---- saved ---------------------------------------------------------------------- */

/* Saves the fabric and loads it into a new one, whose peer comes afterwards. Returns whether it was taken. */
static bool reload(void)
{
	struct state *s, *l;
	const uint8_t *data;
	char *why = NULL;
	size_t len;
	bool ok;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	fabric_state(fabric, s, now);
	ck_assert_int_eq(state_finish(s), 0);
	fabric = fabric_free(fabric);
	new_fabric();
	data = state_data(s, &len);
	ck_assert_int_eq(state_load_new(data, len, &l, &why), 0);
	fabric_state(fabric, l, now);
	ok = state_finish(l) == 0;
	(void)state_free(l);
	(void)state_free(s);
	return ok;
}

START_TEST(what_waits_is_saved)
{
	struct fabric_port *p;
	uint32_t sent = 0, number, last = 0, n = 0;
	uint8_t part[HEAD + 60];
	int fd;

	new_fabric();
	p = &fabric->ports[STREAM];
	fd = connect_peer();
	pump();
	while (p->out.lost_frames[LOSS_RING_FULL] == 0) {
		while (send_ring(BIG, sent + 1))
			sent++;
		pump();
	}
	(void)wire_frame(part, 60, 1);
	ck_assert_int_eq(write(fd, part, 20), 20); /* nothing of it is left for another peer */
	pump();
	ck_assert(reload());
	(void)close(fd);
	p = &fabric->ports[STREAM];
	fd = connect_peer();
	for (pump(); !nothing_for(fd); n++) {
		number = receive_number(fd, BIG);
		ck_assert_uint_gt(number, last);
		last = number;
		pump();
	}
	ck_assert_uint_ge(n, (1 << 20) / (HEAD + BIG) - 1);
	ck_assert_uint_le(sent - last, p->out.lost_frames[LOSS_RING_FULL]); /* the last one that was not lost */
	send_peer(fd, 60, 9);
	pump();
	ck_assert_uint_eq(receive_ring(60), 9);
	check_books();
	(void)close(fd);
}
END_TEST

/* ---- the process ---------------------------------------------------------------- */

/* In its cell, with its own sleep. */
START_TEST(the_process_serves_peers_in_its_cell)
{
	int pair[2], status = -1;
	json_t *event;
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		_exit(fabric_run(&(struct fabric_config){ &plan, pair[1], true }));
	}
	(void)close(pair[1]);
	for (int round = 0; round < 3; round++) {
		int fd = connect_peer();

		ck_assert_int_eq(control_read_msg(pair[0], &event), 0);
		ck_assert(json_is_true(json_object_get(event, "there")));
		ck_assert_int_eq(json_integer_value(json_object_get(event, "port")), STREAM);
		json_decref(event);
		for (uint32_t i = 0; i < 500; i++) {
			uint32_t number;

			send_peer(fd, 60, i);
			while ((number = receive_ring(60)) == UINT32_MAX) {
				struct pollfd p = { .fd = fds.down_kick_fd, .events = POLLIN };
				uint64_t n;

				if (ring_sleep(&machine.rx)) {
					ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
					ck_assert_int_eq(read(p.fd, &n, sizeof n), sizeof n);
				}
				ring_wake(&machine.rx);
			}
			ck_assert_uint_eq(number, i);
			ck_assert(send_ring(BIG, i));
			ck_assert_uint_eq(receive_number(fd, BIG), i);
		}
		(void)close(fd);
		ck_assert_int_eq(control_read_msg(pair[0], &event), 0);
		ck_assert(json_is_false(json_object_get(event, "there")));
		ck_assert_str_eq(json_string_value(json_object_get(event, "why")), "it closed the connection");
		json_decref(event);
	}
	(void)close(pair[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("fabric-stream");
	TCase *t = tcase_create("fabric-stream");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, frames_go_both_ways);
	tcase_add_test(t, a_frame_may_come_in_pieces);
	tcase_add_test(t, many_frames_may_come_at_once);
	tcase_add_loop_test(t, nonsense_drops_the_peer, 0, (int)(sizeof garbage / sizeof *garbage));
	tcase_add_test(t, bad_frames_are_judged_as_a_rings);
	tcase_add_test(t, a_peer_comes_and_goes);
	tcase_add_test(t, carrier_needs_the_port_and_the_peer);
	tcase_add_test(t, a_peer_that_stops_reading_loses_frames);
	tcase_add_test(t, offloads_are_done_before_the_wire);
	tcase_add_test(t, what_waits_is_saved);
	tcase_add_test(t, the_process_serves_peers_in_its_cell);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
