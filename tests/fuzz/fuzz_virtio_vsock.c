/* tests/fuzz/fuzz_virtio_vsock.c: a hostile driver against the socket device,
 * with programs of the host that connect, answer, write, read and die. Beside
 * what virtio_fuzz.h checks: the table holds together, no stream stays open that
 * no connection has, nothing beyond the credit is kept, and after a reset a
 * connection carries a byte. */
#include "tests/fuzz/virtio_fuzz.h"

#include "core/loop.h"
#include "vmm/dev/virtio_vsock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CID = 3, HOSTS = 12, PORTS = 6, TX = FUZZ_RAM / 2, RX = FUZZ_RAM / 2 + 0x20000 };

struct bench {
	struct virtio_vsock *v;
	struct loop *loop;
	int host[HOSTS]; /* the ends of programs; -1: none */
	unsigned next;
	uint32_t token, port; /* of the last request of the guest */
	bool asked;
};

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static void on_dial(void *ctx, uint32_t port, uint32_t token)
{
	struct bench *b = ctx;

	b->port = port;
	b->token = token;
	b->asked = true;
}

/* A program's new stream; its oldest one is closed. Returns the device's end. */
static int stream(struct bench *b)
{
	int pair[2], small = 4096, *mine = &b->host[b->next++ % HOSTS];

	if (*mine >= 0)
		(void)close(*mine);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
	    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small) < 0)
		abort();
	*mine = pair[0];
	return pair[1];
}

static void one_program(struct bench *b, uint8_t how, int *fd)
{
	static uint8_t buf[8192];

	if (*fd < 0)
		return;
	switch (how & 7) {
	case 0:
	case 1:
		(void)!send(*fd, buf, 1 + (how >> 3) * 200, MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	case 2:
	case 3:
		(void)!recv(*fd, buf, sizeof buf, MSG_DONTWAIT);
		break;
	case 4:
		(void)shutdown(*fd, how & 8 ? SHUT_WR : how & 16 ? SHUT_RD : SHUT_RDWR);
		break;
	case 5:
		(void)close(*fd);
		*fd = -1;
		break;
	default:
		break;
	}
	(void)b;
}

static void host(void *ctx, struct wire_reader *in)
{
	struct bench *b = ctx;
	uint8_t what = wire_get_u8(in);

	if ((what & 7) == 0)
		virtio_vsock_connect(b->v, wire_get_u8(in) % PORTS, stream(b));
	else if ((what & 7) == 1 && b->asked)
		virtio_vsock_answer(b->v, b->token, what & 8 ? stream(b) : -1);
	else if ((what & 7) == 2)
		virtio_vsock_answer(b->v, wire_get_be32(in) & 0x3FF, what & 8 ? stream(b) : -1);
	else
		one_program(b, wire_get_u8(in), &b->host[(what >> 3) % HOSTS]);
	if (!b->v->held)
		(void)loop_step(b->loop, 0);
}

static void state(void *ctx, struct state *s)
{
	struct bench *b = ctx;

	virtio_vsock_state(b->v, s);
}

static void hold(void *ctx, bool on)
{
	struct bench *b = ctx;

	loop_hold(b->loop, on);
	virtio_vsock_hold(b->v, on);
	if (on) {
		virtio_vsock_connect(b->v, 1, stream(b));
		if (b->asked)
			virtio_vsock_answer(b->v, b->token, stream(b));
	}
}

static void header(uint8_t *p, uint16_t op, uint32_t guest_port, uint32_t host_port, uint32_t len)
{
	memset(p, 0, VIRTIO_VSOCK_HDR_LEN);
	store_le64(p, CID);
	store_le64(p + 8, VIRTIO_VSOCK_HOST_CID);
	store_le32(p + 16, guest_port);
	store_le32(p + 20, host_port);
	store_le32(p + 24, len);
	store_le16(p + 28, VIRTIO_VSOCK_TYPE_STREAM);
	store_le16(p + 30, op);
	store_le32(p + 36, 65536);
}

/* A packet: mostly right, mostly of a connection that there is. */
static void driver(void *ctx, struct virtio_fuzz *f, struct wire_reader *in)
{
	struct bench *b = ctx;
	struct vguest_buf rx = { RX, 4096, true }, tx = { TX, 0, false };
	uint8_t how = wire_get_u8(in), *p = vguest_ptr(&f->g, TX);
	const struct vsock_conn *c = &b->v->conn[(how >> 3) % 8];
	uint16_t op = how & 4 ? VIRTIO_VSOCK_OP_RW : wire_get_u8(in) % 9;
	uint32_t len = op == VIRTIO_VSOCK_OP_RW ? wire_get_be16(in) & 0x3FFF : 0;

	if ((how & 3) == 0) { /* a buffer */
		virtio_fuzz_send(f, how & 8 ? VIRTIO_VSOCK_EVENTQ : VIRTIO_VSOCK_RXQ, &rx, 1);
		return;
	}
	if (c->state == VSOCK_FREE || op == VIRTIO_VSOCK_OP_REQUEST)
		header(p, op, wire_get_u8(in) % PORTS, wire_get_u8(in) % PORTS, len);
	else
		header(p, op, c->guest_port, c->host_port, len);
	store_le32(p + 32, how >> 6);
	if ((how & 3) == 1) { /* any credit, and now and then any of the rest */
		store_le32(p + 36, wire_get_be16(in));
		store_le32(p + 40, wire_get_be32(in));
		if (how & 0x40)
			p[wire_get_u8(in) % 32] = wire_get_u8(in);
	} else {
		store_le32(p + 40, c->tx_cnt); /* all was read */
	}
	tx.len = VIRTIO_VSOCK_HDR_LEN + len;
	virtio_fuzz_send(f, VIRTIO_VSOCK_TXQ, &tx, 1);
}

static void check_table(const struct virtio_vsock *v)
{
	if (v->n_rst > VIRTIO_VSOCK_RST_MAX)
		fail("more answers wait than there is room for");
	for (unsigned i = 0; i < VIRTIO_VSOCK_CONN_MAX; i++) {
		const struct vsock_conn *c = &v->conn[i];
		bool has_fd = c->state == VSOCK_REQUESTED || c->state == VSOCK_OPEN ||
			      c->state == VSOCK_DRAINING;

		if (has_fd != (c->fd >= 0))
			fail("a connection whose stream is not what its state says");
		if (c->buf_len > VIRTIO_VSOCK_BUF_LEN || (c->buf_len && !c->buf))
			fail("more is kept than the guest had credit for");
		if (c->state == VSOCK_FREE && (v->key[i] || c->buf || c->source || (v->due[i / 64] >> i % 64 & 1)))
			fail("something is left of a connection");
		for (unsigned j = 0; j < i && v->key[i]; j++)
			if (v->key[i] == v->key[j])
				fail("two connections have the same ports");
	}
}

/* A right driver asks for a port of the host, and a byte goes through. */
static void send_one(struct bench *b, struct virtio_fuzz *f)
{
	struct vguest_queue *txq = &f->queue[VIRTIO_VSOCK_TXQ];
	struct vguest_buf rx = { RX, 4096, true }, tx = { TX, VIRTIO_VSOCK_HDR_LEN, false };
	uint8_t *p = vguest_ptr(&f->g, TX), c = 0;
	int ours;

	virtio_fuzz_recover(f, 0, VIRTIO_VSOCK_QUEUE_COUNT);
	check_table(b->v);
	vguest_add(&f->g, &f->queue[VIRTIO_VSOCK_RXQ], &rx, 1);
	header(p, VIRTIO_VSOCK_OP_REQUEST, 1, 2, 0);
	b->asked = false;
	vguest_add(&f->g, txq, &tx, 1);
	vguest_kick(&f->g, txq);
	if (!b->asked)
		fail("a request after a reset does not come through");
	ours = stream(b);
	virtio_vsock_answer(b->v, b->token, ours);
	header(p, VIRTIO_VSOCK_OP_RW, 1, 2, 1);
	p[VIRTIO_VSOCK_HDR_LEN] = 0x5A;
	tx.len++;
	vguest_add(&f->g, txq, &tx, 1);
	vguest_kick(&f->g, txq);
	if (load_le16(vguest_ptr(&f->g, RX) + 30) != VIRTIO_VSOCK_OP_RESPONSE ||
	    recv(b->host[(b->next - 1) % HOSTS], &c, 1, MSG_DONTWAIT) != 1 || c != 0x5A)
		fail("the socket device does not work after a reset");
	virtio_fuzz_totals.used += b->v->stats.from_guest + b->v->stats.from_host +
				   b->v->stats.tx_bytes + b->v->stats.rx_bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct loop *loop;
	struct virtio_fuzz *f = virtio_fuzz_begin();
	struct bench b = { 0 };
	struct virtio_vsock_config cfg = { .mem = &f->g.mem, .cid = CID, .dial = on_dial, .ctx = &b };

	if (!loop && loop_new(&loop) < 0)
		abort();
	cfg.loop = b.loop = loop;
	for (unsigned i = 0; i < HOSTS; i++)
		b.host[i] = -1;
	if (virtio_vsock_new(&cfg, &b.v) < 0)
		abort();
	f->host = host;
	f->driver = driver;
	f->state = state;
	f->hold = hold;
	f->ctx = &b;
	virtio_fuzz_run(f, &b.v->pci, data, len);
	check_table(b.v);
	send_one(&b, f);
	virtio_fuzz_end(f);
	b.v = virtio_vsock_free(b.v);
	for (unsigned i = 0; i < HOSTS; i++)
		if (b.host[i] >= 0)
			(void)close(b.host[i]);
	return 0;
}
