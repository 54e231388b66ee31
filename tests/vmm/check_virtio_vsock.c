/* tests/vmm/check_virtio_vsock.c: a socket device between a small guest driver
 * and the host's ends of socket pairs. */
#include "vmm/dev/virtio_vsock.h"

#include "core/loop.h"
#include "core/state.h"
#include "core/wire.h"
#include "tests/unit.h"
#include "tests/vmm/vguest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RAM = 16 << 20, HDR = VIRTIO_VSOCK_HDR_LEN, QUEUE_SIZE = 64, BUF_LEN = 4096, CID = 7,
       GUEST_PORT = 1000, HOST_PORT = 2000, CREDIT = 1 << 18, HALF = VIRTIO_VSOCK_BUF_LEN / 2 };
enum { REQUEST = VIRTIO_VSOCK_OP_REQUEST, RESPONSE = VIRTIO_VSOCK_OP_RESPONSE,
       RST = VIRTIO_VSOCK_OP_RST, SHUTDOWN = VIRTIO_VSOCK_OP_SHUTDOWN, RW = VIRTIO_VSOCK_OP_RW,
       CREDIT_UPDATE = VIRTIO_VSOCK_OP_CREDIT_UPDATE, CREDIT_REQUEST = VIRTIO_VSOCK_OP_CREDIT_REQUEST,
       NONE = 0 };

static struct vguest g;
static struct virtio_vsock *v;
static struct loop *loop;
static struct vguest_queue rxq, txq, eventq;
static uint64_t rx_gpa[QUEUE_SIZE]; /* the buffer behind each descriptor */
static uint64_t tx_gpa; /* one, for all that is sent */
static unsigned n_dials;
static uint32_t dialed_port, token;

/* What the guest says of itself in each packet; what it saw last. */
static uint32_t fwd_cnt, buf_alloc;
static struct seen {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len, flags, buf_alloc, fwd_cnt;
	uint16_t type, op;
	const uint8_t *data;
} seen;

static void on_dial(void *ctx, uint32_t port, uint32_t t)
{
	(void)ctx;
	n_dials++;
	dialed_port = port;
	token = t;
}

static void make(void)
{
	struct virtio_vsock_config cfg = { .mem = &g.mem, .loop = loop, .cid = CID, .dial = on_dial };

	ck_assert_int_eq(virtio_vsock_new(&cfg, &v), 0);
}

static void give_rx(uint32_t len)
{
	struct vguest_buf buf = { rx_gpa[rxq.next_desc], len, true };

	vguest_add(&g, &rxq, &buf, 1);
	vguest_kick(&g, &rxq);
}

static void start(unsigned n_rx)
{
	ck_assert_uint_eq(vguest_negotiate(&g, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX), 11);
	vguest_queue_up(&g, &rxq, 0, QUEUE_SIZE);
	vguest_queue_up(&g, &txq, 1, QUEUE_SIZE);
	vguest_queue_up(&g, &eventq, 2, 8);
	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		rx_gpa[i] = vguest_alloc(&g, BUF_LEN, 8);
	tx_gpa = vguest_alloc(&g, HDR + 2 * VIRTIO_VSOCK_BUF_LEN, 8);
	vguest_driver_ok(&g);
	for (unsigned i = 0; i < n_rx; i++)
		give_rx(BUF_LEN);
}

static void setup(void)
{
	vguest_init(&g, RAM);
	ck_assert_int_eq(loop_new(&loop), 0);
	make();
	vguest_plug(&g, &v->pci);
	fwd_cnt = n_dials = 0;
	buf_alloc = CREDIT;
}

static void teardown(void)
{
	v = virtio_vsock_free(v);
	loop = loop_free(loop);
	vguest_done(&g);
}

/* ---- the guest's hands ---- */

struct packet {
	uint16_t op;
	uint32_t guest_port, host_port, flags, len; /* 0: the usual ports */
	uint32_t claims; /* a length instead of len */
	uint16_t type; /* 0: a stream */
	uint64_t src_cid, dst_cid; /* 0: the right ones */
	uint8_t fill; /* the data */
};

static void send_packet(const struct packet *p)
{
	uint8_t *h = vguest_ptr(&g, tx_gpa);
	struct vguest_buf buf[2] = { { tx_gpa, HDR, false }, { tx_gpa + HDR, p->len, false } };
	uint32_t id, len;

	store_le64(h, p->src_cid ? p->src_cid : CID);
	store_le64(h + 8, p->dst_cid ? p->dst_cid : VIRTIO_VSOCK_HOST_CID);
	store_le32(h + 16, p->guest_port ? p->guest_port : GUEST_PORT);
	store_le32(h + 20, p->host_port ? p->host_port : HOST_PORT);
	store_le32(h + 24, p->claims ? p->claims : p->len);
	store_le16(h + 28, p->type ? p->type : VIRTIO_VSOCK_TYPE_STREAM);
	store_le16(h + 30, p->op);
	store_le32(h + 32, p->flags);
	store_le32(h + 36, buf_alloc);
	store_le32(h + 40, fwd_cnt);
	memset(h + HDR, p->fill, p->len);
	vguest_add(&g, &txq, buf, p->len ? 2 : 1);
	vguest_kick(&g, &txq);
	while (vguest_used(&g, &txq, &id, &len))
		;
}

#define SEND(...) send_packet(&(struct packet){ __VA_ARGS__ })

/* The next packet for the guest; its buffer is given again. */
static uint16_t next(void)
{
	uint32_t id, len;
	const uint8_t *h;

	if (!vguest_used(&g, &rxq, &id, &len))
		return NONE;
	h = vguest_ptr(&g, rx_gpa[id]);
	seen = (struct seen){ load_le64(h), load_le64(h + 8), load_le32(h + 16), load_le32(h + 20),
			      load_le32(h + 24), load_le32(h + 32), load_le32(h + 36), load_le32(h + 40),
			      load_le16(h + 28), load_le16(h + 30), h + HDR };
	ck_assert_uint_eq(len, HDR + seen.len);
	ck_assert_uint_eq(seen.src_cid, VIRTIO_VSOCK_HOST_CID);
	ck_assert_uint_eq(seen.dst_cid, CID);
	ck_assert_uint_eq(seen.type, VIRTIO_VSOCK_TYPE_STREAM);
	return seen.op;
}

static void turn(void)
{
	while (loop_step(loop, 0) > 0)
		;
}

/* The host's end of a new stream; @ret_ours goes to the device. */
static int stream(int *ret_ours)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	*ret_ours = pair[1];
	return pair[0];
}

/* A connection that the guest asked for. Returns the host's end. */
static int open_from_guest(void)
{
	int ours, host = stream(&ours);

	SEND(.op = REQUEST);
	ck_assert_uint_eq(dialed_port, HOST_PORT);
	virtio_vsock_answer(v, token, ours);
	ck_assert_uint_eq(next(), RESPONSE);
	ck_assert_uint_eq(seen.src_port, HOST_PORT);
	ck_assert_uint_eq(seen.dst_port, GUEST_PORT);
	ck_assert_uint_eq(seen.buf_alloc, VIRTIO_VSOCK_BUF_LEN);
	give_rx(BUF_LEN);
	return host;
}

/* Bytes read from the host's end; they are all @fill. */
static size_t host_read(int fd, uint8_t fill)
{
	static uint8_t buf[1 << 16];
	size_t sum = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			ck_assert_uint_eq(buf[i], fill);
		sum += (size_t)n;
	}
	return sum;
}

static bool host_is_at_end(int fd)
{
	char c;

	return read(fd, &c, 1) == 0;
}

/* ---- opening ---- */

START_TEST(the_device_says_its_context_id)
{
	ck_assert_uint_eq(vguest_pci_get(&g, PCI_DEVICE, 2), 0x1040 + 19);
	ck_assert_uint_eq(vguest_config(&g, 0, 8), CID);
	ck_assert_uint_eq(vguest_get(&g, VG_N_QUEUES, 2), 3);
	ck_assert_uint_eq(vguest_offered(&g) & 3, 0); /* streams are what no feature means */
}
END_TEST

START_TEST(a_program_of_the_host_reaches_one_of_the_guest)
{
	int ours, host = stream(&ours);
	char line[64] = "", want[64];

	start(4);
	virtio_vsock_connect(v, GUEST_PORT, ours);
	ck_assert_uint_eq(next(), REQUEST);
	ck_assert_uint_eq(seen.dst_port, GUEST_PORT);
	ck_assert_int_eq(read(host, line, sizeof line), -1);
	SEND(.op = RESPONSE, .host_port = seen.src_port);
	(void)snprintf(want, sizeof want, "OK %u\n", seen.src_port);
	ck_assert_int_eq(read(host, line, sizeof line - 1), (ssize_t)strlen(want));
	ck_assert_str_eq(line, want);
	ck_assert_int_eq(write(host, "ping", 4), 4);
	turn();
	ck_assert_uint_eq(next(), RW);
	ck_assert_uint_eq(seen.len, 4);
	ck_assert_mem_eq(seen.data, "ping", 4);
	SEND(.op = RW, .host_port = seen.src_port, .len = 100, .fill = 'x');
	ck_assert_uint_eq(host_read(host, 'x'), 100);
	ck_assert_uint_eq(v->stats.from_host, 1);
	close(host);
}
END_TEST

START_TEST(a_guest_that_listens_not_refuses)
{
	int ours, host = stream(&ours);

	start(4);
	virtio_vsock_connect(v, GUEST_PORT, ours);
	ck_assert_uint_eq(next(), REQUEST);
	SEND(.op = RST, .host_port = seen.src_port);
	ck_assert(host_is_at_end(host));
	ck_assert_uint_eq(v->stats.refused, 1);
	close(host);
}
END_TEST

START_TEST(without_a_driver_nobody_is_reached)
{
	int ours, host = stream(&ours);

	virtio_vsock_connect(v, GUEST_PORT, ours);
	ck_assert(host_is_at_end(host));
	close(host);
}
END_TEST

START_TEST(a_program_that_gives_up_takes_its_request_along)
{
	int ours, host = stream(&ours);

	start(4);
	virtio_vsock_connect(v, GUEST_PORT, ours);
	ck_assert_uint_eq(next(), REQUEST);
	ck_assert_int_eq(shutdown(host, SHUT_WR), 0); /* all it says is said: it waits */
	turn();
	ck_assert_uint_eq(next(), NONE);
	close(host);
	turn();
	ck_assert_uint_eq(next(), RST);
	ck_assert_uint_eq(seen.dst_port, GUEST_PORT);
}
END_TEST

START_TEST(a_program_of_the_guest_reaches_one_of_the_host)
{
	int host;

	start(4);
	host = open_from_guest();
	SEND(.op = RW, .len = 10, .fill = 'g');
	ck_assert_uint_eq(host_read(host, 'g'), 10);
	ck_assert_uint_eq(n_dials, 1);
	ck_assert_uint_eq(v->stats.from_guest, 1);
	close(host);
}
END_TEST

START_TEST(a_host_where_nobody_listens_refuses)
{
	start(4);
	SEND(.op = REQUEST);
	ck_assert_uint_eq(next(), NONE);
	virtio_vsock_answer(v, token, -1);
	ck_assert_uint_eq(next(), RST);
	ck_assert_uint_eq(seen.dst_port, GUEST_PORT);
	ck_assert_uint_eq(v->conn[0].state, VSOCK_FREE);
}
END_TEST

START_TEST(an_answer_that_is_late_is_closed)
{
	int ours, host = stream(&ours);
	uint32_t old;

	start(4);
	SEND(.op = REQUEST);
	old = token;
	SEND(.op = RST);
	SEND(.op = REQUEST); /* the same place in the table, and another one */
	ck_assert_uint_ne(token, old);
	virtio_vsock_answer(v, old, ours);
	ck_assert(host_is_at_end(host));
	ck_assert_uint_eq(next(), NONE);
	close(host);
}
END_TEST

/* ---- what is not a packet of a connection ---- */

static const struct { const char *what; struct packet p; bool answered; } stray[] = {
	{ "data", { .op = RW, .len = 5 }, true },
	{ "a response", { .op = RESPONSE }, true },
	{ "a shutdown", { .op = SHUTDOWN, .flags = 3 }, true },
	{ "a credit update", { .op = CREDIT_UPDATE }, true },
	{ "an operation that is none", { .op = 77 }, true },
	{ "a reset", { .op = RST }, false },
	{ "another type", { .op = REQUEST, .type = 2 }, true },
	{ "a reset of another type", { .op = RST, .type = 9 }, false },
	{ "another's packet", { .op = RW, .src_cid = CID + 1 }, false },
	{ "a packet for another", { .op = RW, .dst_cid = CID }, false },
	{ "upper bits in an ID", { .op = RW, .src_cid = CID | UINT64_C(1) << 32 }, false },
	{ "more data than there are", { .op = RW, .len = 5, .claims = 6 }, false },
	{ "far more", { .op = RW, .len = 5, .claims = UINT32_MAX }, false },
};

START_TEST(a_stray_packet_is_answered_by_a_reset_or_not_at_all)
{
	start(4);
	send_packet(&stray[_i].p);
	ck_assert_msg(next() == (stray[_i].answered ? RST : NONE), "%s", stray[_i].what);
	ck_assert_uint_eq(next(), NONE);
	ck_assert_uint_eq(n_dials, 0);
	if (stray[_i].answered) {
		ck_assert_uint_eq(seen.dst_port, GUEST_PORT);
		ck_assert_uint_eq(seen.src_port, HOST_PORT);
	}
}
END_TEST

START_TEST(half_a_header_is_dropped)
{
	struct vguest_buf buf = { 0, HDR - 1, false };

	start(4);
	buf.gpa = tx_gpa;
	vguest_add(&g, &txq, &buf, 1);
	vguest_kick(&g, &txq);
	ck_assert_uint_eq(next(), NONE);
	ck_assert_uint_eq(v->stats.malformed, 1);
}
END_TEST

static const struct packet against[] = {
	{ .op = REQUEST }, { .op = RESPONSE }, { .op = 0 }, { .op = 99 },
	{ .op = RW, .len = VIRTIO_VSOCK_BUF_LEN + 1 }, /* beyond the credit */
};

START_TEST(what_breaks_the_protocol_ends_the_connection)
{
	int host;

	start(4);
	host = open_from_guest();
	send_packet(&against[_i]);
	ck_assert_uint_eq(next(), RST);
	ck_assert(host_is_at_end(host));
	ck_assert_uint_eq(v->conn[0].state, VSOCK_FREE);
	close(host);
}
END_TEST

START_TEST(a_buffer_without_room_breaks_the_device)
{
	start(0);
	give_rx(HDR);
	SEND(.op = RW);
	ck_assert_uint_eq(v->dev.n_breaks, 1);
}
END_TEST

START_TEST(answers_that_nobody_takes_hold_the_queue_up)
{
	unsigned n = 0;

	start(0);
	for (unsigned i = 0; i < VIRTIO_VSOCK_RST_MAX + 20; i++) {
		tx_gpa = vguest_alloc(&g, HDR, 8);
		SEND(.op = RW, .guest_port = 1 + i);
	}
	ck_assert_uint_eq(v->n_rst, VIRTIO_VSOCK_RST_MAX);
	ck_assert_uint_eq(v->dev.queue[VIRTIO_VSOCK_TXQ].last_avail, VIRTIO_VSOCK_RST_MAX);
	for (unsigned i = 0; i < VIRTIO_VSOCK_RST_MAX + 20; i++) {
		give_rx(BUF_LEN);
		while (next() == RST)
			ck_assert_uint_eq(seen.dst_port, ++n);
	}
	ck_assert_uint_eq(n, VIRTIO_VSOCK_RST_MAX + 20);
}
END_TEST

/* ---- credit ---- */

START_TEST(the_guest_is_told_of_room_in_time)
{
	int host;

	start(4);
	host = open_from_guest();
	SEND(.op = RW, .len = HALF - 1, .fill = 1);
	ck_assert_uint_eq(next(), NONE);
	SEND(.op = RW, .len = 1, .fill = 1);
	ck_assert_uint_eq(next(), CREDIT_UPDATE);
	ck_assert_uint_eq(seen.fwd_cnt, HALF);
	ck_assert_uint_eq(next(), NONE);
	SEND(.op = CREDIT_REQUEST);
	ck_assert_uint_eq(next(), CREDIT_UPDATE);
	ck_assert_uint_eq(host_read(host, 1), HALF);
	close(host);
}
END_TEST

/* A host that does not read: what its socket does not take is kept, up to the credit. */
START_TEST(a_slow_reader_of_the_host_loses_nothing)
{
	uint32_t sent = 0, told = 0, got = 0;
	int host;

	start(8);
	host = open_from_guest();
	for (;;) {
		while (next() == CREDIT_UPDATE) {
			told = seen.fwd_cnt;
			give_rx(BUF_LEN);
		}
		if (sent - told >= VIRTIO_VSOCK_BUF_LEN)
			break;
		SEND(.op = RW, .len = 1024, .fill = 3);
		sent += 1024;
	}
	ck_assert_uint_gt(v->conn[0].buf_len, 0);
	ck_assert_uint_eq(v->conn[0].buf_len, sent - v->conn[0].fwd_cnt);
	for (unsigned i = 0; i < 100 && got < sent; i++) {
		got += (uint32_t)host_read(host, 3);
		turn();
	}
	ck_assert_uint_eq(got, sent);
	ck_assert_uint_eq(v->conn[0].buf_len, 0);
	/* Beyond the credit is beyond what is kept. */
	close(host);
}
END_TEST

START_TEST(the_host_sends_no_more_than_the_guest_has_room_for)
{
	static uint8_t data[8192];
	uint32_t sum = 0;
	int host;

	buf_alloc = 5000;
	start(8);
	host = open_from_guest();
	ck_assert_int_eq(write(host, data, sizeof data), sizeof data);
	turn();
	while (next() == RW)
		sum += seen.len;
	ck_assert_uint_eq(sum, 5000);
	turn();
	ck_assert_uint_eq(next(), NONE);
	fwd_cnt = 1000;
	SEND(.op = CREDIT_UPDATE);
	while (next() == RW)
		sum += seen.len;
	ck_assert_uint_eq(sum, 6000);
	fwd_cnt = 7000; /* more than was sent: a lie that gains nothing */
	SEND(.op = CREDIT_UPDATE);
	ck_assert_uint_eq(next(), NONE);
	buf_alloc = 100; /* less than before */
	fwd_cnt = 1000;
	SEND(.op = CREDIT_UPDATE);
	ck_assert_uint_eq(next(), NONE);
	buf_alloc = 5000;
	fwd_cnt = 6000;
	SEND(.op = CREDIT_UPDATE);
	while (next() == RW)
		sum += seen.len;
	ck_assert_uint_eq(sum, sizeof data);
	close(host);
}
END_TEST

START_TEST(streams_share_the_guests_buffers_in_turn)
{
	unsigned bytes[3] = { 0 };
	static uint8_t data[4 * BUF_LEN];
	int host[3];

	start(3);
	for (unsigned i = 0; i < 3; i++) {
		int ours;

		host[i] = stream(&ours);
		SEND(.op = REQUEST, .guest_port = 1 + i);
		virtio_vsock_answer(v, token, ours);
		ck_assert_uint_eq(next(), RESPONSE);
		ck_assert_int_eq(write(host[i], data, sizeof data), sizeof data);
	}
	turn();
	for (unsigned i = 0; i < 6; i++)
		give_rx(BUF_LEN);
	while (next() == RW)
		bytes[seen.dst_port - 1] += seen.len;
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(bytes[i], 2 * (BUF_LEN - HDR));
		close(host[i]);
	}
}
END_TEST

/* ---- ends ---- */

START_TEST(half_a_close_of_the_guest_is_the_end_of_what_it_says)
{
	int host;

	start(8);
	host = open_from_guest();
	SEND(.op = RW, .len = 3, .fill = 'a');
	SEND(.op = SHUTDOWN, .flags = VIRTIO_VSOCK_SHUTDOWN_SEND);
	ck_assert_uint_eq(host_read(host, 'a'), 3);
	ck_assert(host_is_at_end(host));
	ck_assert_int_eq(write(host, "late", 4), 4); /* the other way goes on */
	turn();
	ck_assert_uint_eq(next(), RW);
	ck_assert_uint_eq(seen.len, 4);
	SEND(.op = RW, .len = 1); /* after its end */
	ck_assert_uint_eq(next(), RST);
	close(host);
}
END_TEST

START_TEST(half_a_close_of_the_host_is_the_end_of_what_it_says)
{
	int host;

	start(8);
	host = open_from_guest();
	ck_assert_int_eq(write(host, "bye", 3), 3);
	ck_assert_int_eq(shutdown(host, SHUT_WR), 0);
	turn();
	ck_assert_uint_eq(next(), RW);
	ck_assert_uint_eq(next(), SHUTDOWN);
	ck_assert_uint_eq(seen.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	turn();
	ck_assert_uint_eq(next(), NONE);
	SEND(.op = RW, .len = 7, .fill = 'z');
	ck_assert_uint_eq(host_read(host, 'z'), 7);
	close(host); /* and then the rest */
	turn();
	ck_assert_uint_eq(next(), SHUTDOWN);
	ck_assert_uint_eq(seen.flags, VIRTIO_VSOCK_SHUTDOWN_BOTH);
	ck_assert_uint_eq(v->conn[0].state, VSOCK_CLOSING);
	SEND(.op = RST);
	ck_assert_uint_eq(v->conn[0].state, VSOCK_FREE);
}
END_TEST

START_TEST(a_guest_that_will_not_read_stops_the_host)
{
	int host;

	start(8);
	host = open_from_guest();
	SEND(.op = SHUTDOWN, .flags = VIRTIO_VSOCK_SHUTDOWN_RECEIVE);
	ck_assert_int_eq(send(host, "x", 1, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
	SEND(.op = RW, .len = 2, .fill = 'b');
	ck_assert_uint_eq(host_read(host, 'b'), 2);
	close(host);
	turn();
	ck_assert_uint_eq(next(), SHUTDOWN);
	ck_assert_uint_eq(seen.flags, VIRTIO_VSOCK_SHUTDOWN_BOTH);
}
END_TEST

START_TEST(a_guest_that_closes_is_let_go_at_once_and_the_host_gets_all)
{
	uint32_t sent = 0, got = 0;
	int host;

	start(32);
	host = open_from_guest();
	while (v->conn[0].buf_len < 1000) {
		SEND(.op = RW, .len = 1000, .fill = 5);
		sent += 1000;
		while (next() == CREDIT_UPDATE)
			give_rx(BUF_LEN);
	}
	SEND(.op = SHUTDOWN, .flags = VIRTIO_VSOCK_SHUTDOWN_BOTH);
	ck_assert_uint_eq(next(), RST);
	ck_assert_uint_eq(v->conn[0].state, VSOCK_DRAINING);
	give_rx(BUF_LEN);
	/* The pair of ports is the guest's again, while the old stream still drains. */
	SEND(.op = REQUEST);
	ck_assert_uint_eq(n_dials, 2);
	for (unsigned i = 0; i < 100 && got < sent; i++) {
		got += (uint32_t)host_read(host, 5);
		turn();
	}
	ck_assert_uint_eq(got, sent);
	ck_assert(host_is_at_end(host));
	ck_assert_uint_eq(v->conn[0].state, VSOCK_FREE);
	ck_assert_uint_eq(v->conn[1].state, VSOCK_DIALING);
	close(host);
}
END_TEST

START_TEST(a_drain_into_nowhere_ends)
{
	int host;

	start(32);
	host = open_from_guest();
	while (v->conn[0].buf_len < 1000) {
		SEND(.op = RW, .len = 1000, .fill = 5);
		while (next() == CREDIT_UPDATE)
			give_rx(BUF_LEN);
	}
	SEND(.op = SHUTDOWN, .flags = VIRTIO_VSOCK_SHUTDOWN_BOTH);
	close(host);
	turn();
	ck_assert_uint_eq(v->conn[0].state, VSOCK_FREE);
	ck_assert_uint_eq(next(), RST);
}
END_TEST

START_TEST(a_host_that_dies_is_a_close_or_a_reset)
{
	int host;

	start(8);
	host = open_from_guest();
	close(host);
	turn();
	ck_assert_uint_eq(next(), SHUTDOWN);
	ck_assert_uint_eq(next(), SHUTDOWN);
	ck_assert_uint_eq(seen.flags, VIRTIO_VSOCK_SHUTDOWN_BOTH);
	SEND(.op = RW, .len = 1); /* it did not hear yet */
	ck_assert_uint_eq(next(), RST);
	ck_assert_uint_eq(v->conn[0].state, VSOCK_FREE);
	host = open_from_guest();
	close(host);
	SEND(.op = RW, .len = 1); /* before we heard */
	ck_assert_uint_eq(next(), RST);
}
END_TEST

START_TEST(a_guest_that_dies_is_an_end)
{
	int host;

	start(8);
	host = open_from_guest();
	SEND(.op = RST);
	ck_assert(host_is_at_end(host));
	ck_assert_uint_eq(next(), NONE);
	close(host);
}
END_TEST

/* ---- bounds ---- */

START_TEST(a_full_table_refuses_and_evicts_what_is_over)
{
	int host[VIRTIO_VSOCK_CONN_MAX], ours, more;

	start(4);
	for (unsigned i = 0; i < VIRTIO_VSOCK_CONN_MAX; i++) {
		host[i] = stream(&ours);
		SEND(.op = REQUEST, .guest_port = 1 + i);
		virtio_vsock_answer(v, token, ours);
		ck_assert_uint_eq(next(), RESPONSE);
		give_rx(BUF_LEN);
	}
	SEND(.op = REQUEST, .guest_port = 5000);
	ck_assert_uint_eq(next(), RST);
	ck_assert_uint_eq(seen.dst_port, 5000);
	give_rx(BUF_LEN);
	more = stream(&ours);
	virtio_vsock_connect(v, GUEST_PORT, ours);
	ck_assert(host_is_at_end(more));
	close(more);
	/* Two end for the host, and the guest does not say that it heard. */
	for (unsigned i = 0; i < 2; i++) {
		close(host[9 - i]);
		turn();
		while (next() == SHUTDOWN)
			give_rx(BUF_LEN);
	}
	SEND(.op = REQUEST, .guest_port = 5001);
	ck_assert_uint_eq(next(), RST);
	ck_assert_uint_eq(seen.dst_port, 1 + 9); /* the older one */
	ck_assert_uint_eq(v->stats.evicted, 1);
	for (unsigned i = 0; i < VIRTIO_VSOCK_CONN_MAX; i++)
		if (i != 8 && i != 9)
			close(host[i]);
}
END_TEST

START_TEST(a_reset_closes_everything)
{
	int host, host2, ours;

	start(8);
	host = open_from_guest();
	host2 = stream(&ours);
	virtio_vsock_connect(v, GUEST_PORT, ours);
	SEND(.op = RW, .guest_port = 77);
	vguest_set(&g, VG_STATUS, 1, 0);
	ck_assert(host_is_at_end(host));
	ck_assert(host_is_at_end(host2));
	ck_assert_uint_eq(v->n_rst, 0);
	close(host);
	close(host2);
	g.next = MEM_PAGE_SIZE;
	start(8);
	host = open_from_guest();
	close(host);
}
END_TEST

START_TEST(a_held_device_lets_the_guests_memory_alone)
{
	uint8_t *before = malloc(RAM);
	int host, host2, ours;

	start(8);
	host = open_from_guest();
	SEND(.op = REQUEST, .guest_port = 9);
	memcpy(before, g.mem.host, RAM);
	virtio_vsock_hold(v, true);
	loop_hold(loop, true);
	ck_assert_int_eq(write(host, "abc", 3), 3);
	turn();
	virtio_vsock_answer(v, token, -1);
	host2 = stream(&ours);
	virtio_vsock_connect(v, GUEST_PORT, ours);
	ck_assert_mem_eq(before, g.mem.host, RAM);
	loop_hold(loop, false);
	virtio_vsock_hold(v, false);
	ck_assert_uint_eq(next(), RST);
	ck_assert_uint_eq(next(), REQUEST);
	turn();
	ck_assert_uint_eq(next(), RW);
	free(before);
	close(host);
	close(host2);
}
END_TEST

/* ---- state ---- */

static void save_and_load(void)
{
	struct state *s = NULL, *l = NULL;
	char *why = NULL;
	const uint8_t *data;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	virtio_vsock_state(v, s);
	ck_assert_int_eq(state_finish(s), 0);
	data = state_data(s, &len);
	v = virtio_vsock_free(v);
	bus_init(&g.bus, &g.mem);
	make();
	pci_host_init(&g.host, &g.bus);
	ck_assert_int_eq(pci_host_add(&g.host, &v->pci.pci, 1), 0);
	g.p = &v->pci;
	ck_assert_int_eq(state_load_new(data, len, &l, &why), 0);
	virtio_vsock_state(v, l);
	ck_assert_msg(state_finish(l) == 0, "%s", state_why(l));
	(void)state_free(l);
	(void)state_free(s);
}

START_TEST(a_loaded_guest_hears_that_its_connections_are_gone)
{
	uint64_t at;
	struct vguest_buf buf;
	uint32_t id, len;
	int host;

	start(8);
	at = vguest_alloc(&g, 8, 8);
	buf = (struct vguest_buf){ at, 8, true };
	memset(vguest_ptr(&g, at), 0xEE, 8);
	host = open_from_guest();
	save_and_load();
	ck_assert(host_is_at_end(host));
	ck_assert(v->held);
	virtio_vsock_hold(v, false);
	ck_assert(v->reset_due); /* no buffer for it yet */
	vguest_add(&g, &eventq, &buf, 1);
	vguest_kick(&g, &eventq);
	ck_assert(vguest_used(&g, &eventq, &id, &len));
	ck_assert_uint_eq(len, 4);
	ck_assert_uint_eq(load_le32(vguest_ptr(&g, at)), 0);
	ck_assert(!v->reset_due);
	SEND(.op = RW, .len = 1);
	ck_assert_uint_eq(next(), RST);
	close(host);
	/* Without connections nothing is said. */
	save_and_load();
	virtio_vsock_hold(v, false);
	ck_assert(!v->reset_due);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("virtio_vsock");
	TCase *t = tcase_create("virtio_vsock");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_device_says_its_context_id);
	tcase_add_test(t, a_program_of_the_host_reaches_one_of_the_guest);
	tcase_add_test(t, a_guest_that_listens_not_refuses);
	tcase_add_test(t, without_a_driver_nobody_is_reached);
	tcase_add_test(t, a_program_that_gives_up_takes_its_request_along);
	tcase_add_test(t, a_program_of_the_guest_reaches_one_of_the_host);
	tcase_add_test(t, a_host_where_nobody_listens_refuses);
	tcase_add_test(t, an_answer_that_is_late_is_closed);
	tcase_add_loop_test(t, a_stray_packet_is_answered_by_a_reset_or_not_at_all, 0,
			    sizeof stray / sizeof stray[0]);
	tcase_add_test(t, half_a_header_is_dropped);
	tcase_add_loop_test(t, what_breaks_the_protocol_ends_the_connection, 0,
			    sizeof against / sizeof against[0]);
	tcase_add_test(t, a_buffer_without_room_breaks_the_device);
	tcase_add_test(t, answers_that_nobody_takes_hold_the_queue_up);
	tcase_add_test(t, the_guest_is_told_of_room_in_time);
	tcase_add_test(t, a_slow_reader_of_the_host_loses_nothing);
	tcase_add_test(t, the_host_sends_no_more_than_the_guest_has_room_for);
	tcase_add_test(t, streams_share_the_guests_buffers_in_turn);
	tcase_add_test(t, half_a_close_of_the_guest_is_the_end_of_what_it_says);
	tcase_add_test(t, half_a_close_of_the_host_is_the_end_of_what_it_says);
	tcase_add_test(t, a_guest_that_will_not_read_stops_the_host);
	tcase_add_test(t, a_guest_that_closes_is_let_go_at_once_and_the_host_gets_all);
	tcase_add_test(t, a_drain_into_nowhere_ends);
	tcase_add_test(t, a_host_that_dies_is_a_close_or_a_reset);
	tcase_add_test(t, a_guest_that_dies_is_an_end);
	tcase_add_test(t, a_full_table_refuses_and_evicts_what_is_over);
	tcase_add_test(t, a_reset_closes_everything);
	tcase_add_test(t, a_held_device_lets_the_guests_memory_alone);
	tcase_add_test(t, a_loaded_guest_hears_that_its_connections_are_gone);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
