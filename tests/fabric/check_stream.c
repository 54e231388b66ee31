/* tests/fabric/check_stream.c: a port at a Unix stream socket, beside one with rings: on virtual time, and as
 * the process it is. */
#include "core/bytes.h"
#include "core/checksum.h"
#include "core/cleanup.h"
#include "core/control.h"
#include "core/prng.h"
#include "core/state.h"
#include "core/wire.h"
#include "fabric/fabric.h"
#include "fabric/process.h"
#include "tests/fabric/shares.h"
#include "tests/forge.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
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
static char told[2048]; /* "+" for each peer that came, "-WHY;" for each that went, "xWHY;" for each refused */
static nsec_t now;

static void on_peer(void *ctx, const struct fabric_port *p, enum fabric_peer_news news, const char *why)
{
	static const char *const words[] = { "+%s", "-%s;", "x%s;" };
	size_t len = strlen(told);

	(void)ctx;
	ck_assert_ptr_eq(p, &fabric->ports[STREAM]);
	(void)snprintf(told + len, sizeof told - len, words[news], why ? why : "");
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

static void ring_pop_all(void)
{
	struct ring_record rec;

	while (ring_peek(&machine.rx, &rec))
		ring_pop(&machine.rx);
	ring_release(&machine.rx);
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
	int fd;

	new_fabric();
	p = &fabric->ports[STREAM];
	pump();
	ck_assert(!p->is_up && fabric->ports[RING].is_up);
	ck_assert(send_ring(60, 1));
	pump();
	ck_assert_uint_eq(p->out.entered_frames, 0); /* the switch knows that nobody is there */
	fd = connect_peer();
	pump();
	ck_assert(p->is_up);
	send_peer(fd, 60, 3);
	(void)close(fd);
	fd = connect_peer(); /* before anybody knows that the other one has gone */
	send_peer(fd, 60, 2);
	pump();
	ck_assert_uint_eq(receive_ring(60), 3);
	ck_assert_uint_eq(receive_ring(60), 2);
	ck_assert_str_eq(told, "+-it closed the connection;+");
	(void)close(fd);
	pump();
	ck_assert(!p->is_up);
	ck_assert_uint_eq(vswitch_n_stations(fabric->networks[0].sw), 1); /* the other one's MAC is forgotten */
	check_books();
}
END_TEST

/* However many: each is told by the end of its connection, and the first is served. */
START_TEST(others_are_refused_while_a_peer_is_there)
{
	enum { OTHERS = 20 };
	int fd, others[OTHERS];
	uint8_t byte;
	const char *at;

	new_fabric();
	ck_assert_int_eq(listen(ports[STREAM].fd, OTHERS), 0);
	fd = connect_peer();
	pump();
	for (int i = 0; i < OTHERS; i++)
		others[i] = connect_peer();
	send_peer(fd, 60, 1);
	pump();
	at = told + 1;
	for (int i = 0; i < OTHERS; i++) {
		static const char word[] = "xanother program is connected;";

		ck_assert_int_eq(recv(others[i], &byte, 1, MSG_DONTWAIT), 0);
		ck_assert_int_eq(strncmp(at, word, strlen(word)), 0);
		at += strlen(word);
		(void)close(others[i]);
	}
	ck_assert_str_eq(at, "");
	ck_assert(fabric->ports[STREAM].is_up);
	ck_assert_uint_eq(receive_ring(60), 1);
	ck_assert(send_ring(60, 2));
	send_peer(fd, 60, 3);
	pump();
	ck_assert_uint_eq(receive_number(fd, 60), 2);
	ck_assert_uint_eq(receive_ring(60), 3);
	(void)close(fd);
}
END_TEST

/* What takes several turns is read before somebody is refused: its sender has gone meanwhile. */
START_TEST(who_follows_a_peer_that_has_gone_is_taken)
{
	int fd, next;

	new_fabric();
	fd = connect_peer();
	pump();
	for (uint32_t i = 0; i < 3 * FABRIC_BATCH; i++)
		send_peer(fd, 60, i);
	(void)close(fd);
	next = connect_peer();
	pump();
	ck_assert_str_eq(told, "+-it closed the connection;+");
	for (uint32_t i = 0; i < 3 * FABRIC_BATCH; i++)
		ck_assert_uint_eq(receive_ring(60), i);
	(void)close(next);
}
END_TEST

/* What the process does with its kicks. Returns how often the set woke it; it may sleep after each. */
static unsigned wakes(int set)
{
	struct fabric_port *p = &fabric->ports[STREAM];
	struct epoll_event e;
	unsigned n = 0;

	for (; n < 100 && epoll_wait(set, &e, 1, 0) == 1; n++) {
		p->ops->kicked(p);
		fabric_wake_port(fabric, STREAM);
		ck_assert(!fabric_step(fabric, now));
		ck_assert(fabric_sleep(fabric));
	}
	return n;
}

/* What comes in a pause wakes the process once, and is there after it. */
START_TEST(a_paused_fabric_does_not_spin)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int set = epoll_create1(EPOLL_CLOEXEC), fd, other;
	struct fabric_port *p;
	uint8_t byte;

	new_fabric();
	p = &fabric->ports[STREAM];
	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, p->ops->wait_fd(p), &e), 0);
	fd = connect_peer();
	pump();
	(void)epoll_wait(set, &e, 1, 0);
	fabric_pause(fabric, now);
	ck_assert_uint_eq(wakes(set), 0);
	for (uint32_t i = 0; i < 10; i++) {
		send_peer(fd, 60, i);
		ck_assert_uint_le(wakes(set), 1);
	}
	other = connect_peer();
	ck_assert_uint_le(wakes(set), 1);
	ck_assert_uint_eq(receive_ring(60), UINT32_MAX);
	ck_assert_str_eq(told, "+");
	fabric_resume(fabric, now);
	pump();
	for (uint32_t i = 0; i < 10; i++)
		ck_assert_uint_eq(receive_ring(60), i);
	ck_assert_int_eq(recv(other, &byte, 1, MSG_DONTWAIT), 0);
	fabric_pause(fabric, now);
	(void)close(fd);
	ck_assert_uint_le(wakes(set), 1);
	ck_assert_uint_eq(wakes(set), 0);
	fabric_resume(fabric, now);
	pump();
	ck_assert(!p->is_up);
	(void)close(other);
	(void)close(set);
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
	/* What waits for one peer is not for the next. */
	for (sent = (uint32_t)out->lost_frames[LOSS_RING_FULL]; out->lost_frames[LOSS_RING_FULL] == sent; pump())
		while (send_ring(BIG, 1))
			;
	(void)close(fd);
	fd = connect_peer();
	pump();
	ck_assert(nothing_for(fd));
	ck_assert(send_ring(60, 6));
	pump();
	ck_assert_uint_eq(receive_number(fd, 60), 6);
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

static void save(struct bytes *file)
{
	struct state *s;
	const uint8_t *data;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	fabric_state(fabric, s, now);
	ck_assert_int_eq(state_finish(s), 0);
	data = state_data(s, &len);
	bytes_append(file, data, len);
	(void)state_free(s);
}

/* Loads a new fabric, whose peer comes afterwards. Returns whether the file was taken. */
static bool load(const struct bytes *file)
{
	struct state *l;
	char *why = NULL;
	bool ok;

	fabric = fabric_free(fabric);
	new_fabric();
	ck_assert_int_eq(state_load_new(file->data, file->len, &l, &why), 0);
	fabric_state(fabric, l, now);
	ok = state_finish(l) == 0;
	(void)state_free(l);
	return ok;
}

START_TEST(what_waits_is_saved)
{
	CLEANUP(bytes) struct bytes file = { 0 };
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
	save(&file);
	ck_assert(load(&file));
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

/* Where a saved stream has its two lists, each a length of 4 bytes and frames. */
struct lists {
	size_t in, out, end;
};

enum { SAVED_IN = 36 * (HEAD + 60), IN_SIZE = 256 << 10 /* what may wait that was read */ };

/* A fabric with 36 frames that the peer sent, beyond one turn, and some that it does not take. */
static void save_both(struct bytes *file, struct lists *ret)
{
	struct forge_section sec = { 0 };
	size_t at = STATE_HEADER_LEN;
	int fd;

	new_fabric();
	fd = connect_peer();
	pump();
	for (uint32_t i = 0; i < 200; i++) {
		ck_assert(send_ring(BIG, i + 1));
		pump();
	}
	ck_assert_uint_eq(fabric->ports[STREAM].out.lost_frames[LOSS_RING_FULL], 0);
	for (uint32_t i = 0; i < FABRIC_BATCH + 36; i++)
		send_peer(fd, 60, i);
	fabric->ports[STREAM].ops->kicked(&fabric->ports[STREAM]);
	fabric_wake_port(fabric, STREAM);
	(void)fabric_step(fabric, now);
	save(file);
	(void)close(fd);
	while (forge_next(file->data, &at, &sec))
		if (memcmp(file->data + sec.head, "port", 4) == 0 && load_le32(file->data + sec.head + 4) == STREAM)
			break;
	*ret = (struct lists){ .end = sec.payload + sec.len };
	for (ret->in = sec.payload; ret->in + 8 + SAVED_IN < ret->end; ret->in++) {
		ret->out = ret->in + 4 + SAVED_IN;
		if (load_le32(file->data + ret->in) == SAVED_IN &&
		    ret->out + 4 + load_le32(file->data + ret->out) == ret->end)
			return;
	}
	ck_abort_msg("the lists are not where they are looked for");
}

/* The same of a fabric whose peer sent nothing and takes nothing: a list is empty, and the other as long as can be. */
static void save_out(struct bytes *file, struct lists *ret)
{
	struct forge_section sec = { 0 };
	size_t at = STATE_HEADER_LEN;
	int fd;

	fabric = fabric_free(fabric);
	new_fabric();
	fd = connect_peer();
	for (pump(); fabric->ports[STREAM].out.lost_frames[LOSS_RING_FULL] == 0; pump())
		while (send_ring(BIG, 1))
			;
	save(file);
	(void)close(fd);
	while (forge_next(file->data, &at, &sec))
		if (memcmp(file->data + sec.head, "port", 4) == 0 && load_le32(file->data + sec.head + 4) == STREAM)
			break;
	*ret = (struct lists){ .end = sec.payload + sec.len };
	for (ret->in = sec.payload; ret->in + 8 < ret->end; ret->in++) {
		ret->out = ret->in + 4;
		if (load_le32(file->data + ret->in) == 0 && ret->out + 4 + load_le32(file->data + ret->out) == ret->end)
			return;
	}
	ck_abort_msg("the lists are not where they are looked for");
}

/* What is in a list's first length, or its first frame's. UINT32_MAX: it stays. */
static const struct {
	bool is_out;
	uint32_t len, frame;
} lies[] = {
	{ false, UINT32_MAX, 0 },
	{ false, UINT32_MAX, 59 },
	{ false, UINT32_MAX, 61 },
	{ false, UINT32_MAX, SAVED_IN },
	{ false, UINT32_MAX, FRAME_LEN_MAX + 1 },
	{ false, UINT32_MAX - 1, UINT32_MAX },
	{ false, SAVED_IN - 1, UINT32_MAX },
	{ false, SAVED_IN - HEAD - 60, UINT32_MAX }, /* the other list begins elsewhere */
	{ true, UINT32_MAX, 0 },
	{ true, UINT32_MAX, BIG + 1 },
	{ true, UINT32_MAX, 1 << 30 },
	{ true, (1 << 20) + 1, UINT32_MAX },
	{ true, 0, UINT32_MAX },
};

START_TEST(a_lying_stream_is_refused)
{
	CLEANUP(bytes) struct bytes file = { 0 };
	struct lists l;
	uint8_t *list;

	save_both(&file, &l);
	list = file.data + (lies[_i].is_out ? l.out : l.in);
	if (lies[_i].len != UINT32_MAX)
		store_le32(list, lies[_i].len);
	if (lies[_i].frame != UINT32_MAX)
		store_be32(list + 4, lies[_i].frame);
	forge_reseal(file.data, file.len);
	ck_assert(!load(&file));
}
END_TEST

/* Lists of nothing but empty frames, of one frame that is longer than any, and a longer one than fits. */
START_TEST(a_list_that_no_stream_has_is_refused)
{
	CLEANUP(bytes) struct bytes file = { 0 };
	struct lists l;
	uint32_t len, out_len;

	save_both(&file, &l);
	out_len = load_le32(file.data + l.out);
	ck_assert_uint_gt(out_len, FRAME_LEN_MAX + HEAD);
	if (_i == 0) {
		memset(file.data + l.in + 4, 0, SAVED_IN);
	} else if (_i == 1) {
		store_be32(file.data + l.out + 4, out_len - HEAD);
	} else {
		/* The first list gets all but the last frame of the other. */
		file.len = 0;
		save_out(&file, &l);
		out_len = load_le32(file.data + l.in + 4);
		ck_assert_uint_gt(out_len, IN_SIZE + HEAD + BIG);
		len = out_len - (HEAD + BIG);
		store_le32(file.data + l.in, len);
		memmove(file.data + l.in + 4, file.data + l.in + 8, len);
		store_le32(file.data + l.in + 4 + len, HEAD + BIG);
	}
	forge_reseal(file.data, file.len);
	ck_assert(!load(&file));
}
END_TEST

/* Any change of the lists is refused, or what was loaded is whole frames and works. */
START_TEST(a_forged_stream_is_refused_or_works)
{
	CLEANUP(bytes) struct bytes file = { 0 };
	unsigned n_refused = 0, n_taken = 0;
	struct prng rng;
	struct lists l;

	save_both(&file, &l);
	prng_init(&rng, 4, "forge");
	for (unsigned i = 0; i < 300; i++) {
		/* The last byte of a frame's length, or any one. */
		size_t at = i % 2 ? l.in + 7 + (size_t)prng_below(&rng, 36) * (HEAD + 60) :
				    l.in + (size_t)prng_below(&rng, l.end - l.in);
		uint8_t old = file.data[at], frame[FRAME_LEN_MAX];
		int fd;

		file.data[at] = (uint8_t)prng_below(&rng, 256);
		forge_reseal(file.data, file.len);
		if (load(&file)) {
			n_taken++;
			fd = connect_peer();
			for (pump(); !nothing_for(fd); pump())
				ck_assert_uint_gt(receive_peer(fd, frame, sizeof frame), 0);
			check_books();
			(void)close(fd);
			ring_pop_all();
		} else {
			n_refused++;
		}
		file.data[at] = old;
	}
	ck_assert_uint_gt(n_refused, 50);
	ck_assert_uint_gt(n_taken, 50);
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
	tcase_add_test(t, others_are_refused_while_a_peer_is_there);
	tcase_add_test(t, who_follows_a_peer_that_has_gone_is_taken);
	tcase_add_test(t, a_paused_fabric_does_not_spin);
	tcase_add_test(t, carrier_needs_the_port_and_the_peer);
	tcase_add_test(t, a_peer_that_stops_reading_loses_frames);
	tcase_add_test(t, offloads_are_done_before_the_wire);
	tcase_add_test(t, what_waits_is_saved);
	tcase_add_loop_test(t, a_lying_stream_is_refused, 0, (int)(sizeof lies / sizeof *lies));
	tcase_add_loop_test(t, a_list_that_no_stream_has_is_refused, 0, 3);
	tcase_add_test(t, a_forged_stream_is_refused_or_works);
	tcase_add_test(t, the_process_serves_peers_in_its_cell);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
