/* tests/fuzz/fuzz_virtio_net.c: a hostile driver against the network card.
 * Beside what virtio_fuzz.h checks: every frame the card counts as sent is in
 * the ring, well-formed, and after a reset one goes through. */
#include "tests/fuzz/virtio_fuzz.h"

#include "vmm/dev/virtio_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
	struct virtio_net *net;
	struct ring_pair *fabric; /* borrowed */
	uint64_t n_received;
	bool is_stuck; /* the fabric takes nothing: the ring fills */
};

static void drain(struct bench *b)
{
	struct ring_record rec;

	while (ring_peek(&b->fabric->rx, &rec)) {
		const struct frame_offload *o = &rec.offload;

		if (rec.len < ETH_HEADER_LEN || rec.len > FRAME_LEN_MAX ||
		    (o->flags && (uint32_t)o->csum_start + o->csum_offset + 2 > rec.len) ||
		    (o->gso_type && (!o->flags || !o->gso_size))) {
			fprintf(stderr, "a frame left the machine that should not\n");
			abort();
		}
		b->n_received++;
		ring_pop(&b->fabric->rx);
	}
	ring_release(&b->fabric->rx);
	if (b->fabric->rx.broken)
		abort();
}

static void feed(struct bench *b, struct wire_reader *in)
{
	struct frame_offload o = { 0 };
	uint32_t len = wire_get_be16(in);
	uint8_t how = wire_get_u8(in);
	uint8_t *to;

	if (!(how & 1))
		len &= 0x7FF;
	if (how & 2)
		o = (struct frame_offload){ .flags = 1, .gso_type = how & 4 ? 1 : 4, .hdr_len = 54,
					    .gso_size = (uint16_t)(wire_get_be16(in) | 8),
					    .csum_start = 34, .csum_offset = 16 };
	to = ring_reserve(&b->fabric->tx, len);
	if (!to)
		return;
	memset(to, 0, len);
	if (len >= 54) {
		store_be16(to + 12, how & 4 ? 0x0800 : 0x86DD);
		to[14] = how & 4 ? 0x45 : 0x60;
		to[how & 4 ? 23 : 20] = 6;
		to[46] = 0x50;
	}
	ring_commit(&b->fabric->tx, len, &o, 0);
	(void)ring_publish(&b->fabric->tx);
}

/* A burst is made of these. */
static void feed_small(struct bench *b)
{
	static const struct frame_offload plain;
	uint8_t *to = ring_reserve(&b->fabric->tx, 60);

	if (!to)
		return;
	memset(to, 0, 60);
	ring_commit(&b->fabric->tx, 60, &plain, 0);
	(void)ring_publish(&b->fabric->tx);
}

static void host(void *ctx, struct wire_reader *in)
{
	struct bench *b = ctx;
	uint8_t what = wire_get_u8(in);

	if (what & 1)
		feed(b, in);
	for (unsigned i = 0; i < 80 && (what & 0xF0) == 0xC0; i++)
		feed_small(b);
	if ((what & 2) && !b->is_stuck)
		drain(b);
	if ((what & 0xF0) == 0xD0)
		b->is_stuck = what & 8;
	if ((what & 0xF0) == 0xF0)
		virtio_net_set_link(b->net, what & 12);
	if ((what & 0xF0) == 0xE0)
		virtio_net_announce(b->net);
	virtio_net_kicked(b->net);
}

static void state(void *ctx, struct state *s)
{
	struct bench *b = ctx;

	virtio_net_state(b->net, s, 0);
}

/* While the machine is paused the carrier changes and the fabric kicks. */
static void hold(void *ctx, bool on)
{
	struct bench *b = ctx;

	virtio_net_hold(b->net, on);
	if (!on)
		return;
	virtio_net_set_link(b->net, b->n_received & 1);
	virtio_net_kicked(b->net);
}

/* What a driver tells the control queue: mostly what is known there. */
static void command(struct bench *b, struct virtio_fuzz *f, struct wire_reader *in)
{
	static const uint8_t known[] = { 4, 5, 4, 5, 3, 0, 1 }; /* pairs, offloads, … */
	struct vguest_buf buf[2] = { { FUZZ_RAM / 2 + 4096, 0, false }, { FUZZ_RAM / 2 + 8192, 1, true } };
	uint8_t *p = vguest_ptr(&f->g, buf[0].gpa), how = wire_get_u8(in);
	bool mq = virtio_has(&b->net->dev, VIRTIO_NET_F_MQ);

	p[0] = how & 8 ? known[how % 7] : how & 7; /* class, command, data */
	p[1] = how & 0x40 ? how >> 4 & 3 : 0;
	buf[0].len = how & 8 ? 10 : 2 + (wire_get_u8(in) & 31);
	for (unsigned i = 2; i < buf[0].len; i++)
		p[i] = how & 8 ? 0 : wire_get_u8(in) & 3;
	if (how & 8) {
		p[2] = wire_get_u8(in) & (p[0] == 5 ? 0x82 : 7); /* GUEST_CSUM, GUEST_TSO4 */
		p[3] = p[0] == 5 ? wire_get_u8(in) & 3 : 0;
	}
	virtio_fuzz_send(f, mq ? 2u * b->net->n_pairs : VIRTIO_NET_CTRLQ, buf, 2);
}

/* A command; or a datagram of one of a few flows, so that their answers have a pair. */
static void driver(void *ctx, struct virtio_fuzz *f, struct wire_reader *in)
{
	struct vguest_buf buf = { FUZZ_RAM / 2 + 4096, VIRTIO_NET_HDR_LEN + 60, false };
	struct bench *b = ctx;
	uint8_t *p = vguest_ptr(&f->g, buf.gpa), how = wire_get_u8(in);

	if (how & 1) {
		command(b, f, in);
		return;
	}
	memset(p, 0, buf.len);
	p += VIRTIO_NET_HDR_LEN;
	store_be16(p + 12, how & 2 ? 0x0800 : 0x86DD);
	p[14] = how & 2 ? 0x45 : 0x60;
	p[how & 2 ? 23 : 20] = 17;
	p[30] = how >> 4;
	virtio_fuzz_send(f, 2u * (how >> 2 & 3) % (2u * b->net->n_pairs) + 1, &buf, 1);
}

/* A right driver sends one frame. */
static void send_one(struct bench *b, struct virtio_fuzz *f)
{
	struct vguest_buf buf = { FUZZ_RAM / 2, VIRTIO_NET_HDR_LEN + 60, false };
	uint64_t before;

	if (b->net->n_active < 1 || b->net->n_active > b->net->n_pairs ||
	    (b->net->offloads & ~b->net->dev.accepted) || b->net->tx_blocked >> b->net->n_pairs) {
		fprintf(stderr, "the card uses what it has not\n");
		abort();
	}
	virtio_net_set_link(b->net, true);
	drain(b);
	virtio_fuzz_recover(f, 0, VIRTIO_NET_QUEUE_COUNT);
	before = b->net->stats.tx_frames;
	memset(vguest_ptr(&f->g, buf.gpa), 0, buf.len);
	vguest_add(&f->g, &f->queue[VIRTIO_NET_TXQ], &buf, 1);
	vguest_kick(&f->g, &f->queue[VIRTIO_NET_TXQ]);
	drain(b);
	if (b->net->stats.tx_frames != before + 1 || b->n_received != b->net->stats.tx_frames) {
		fprintf(stderr, "the card does not work after a reset\n");
		abort();
	}
	virtio_fuzz_totals.used += b->net->stats.tx_frames + b->net->stats.rx_frames - 1;
}

/* The rings are kept over inputs: each leaves them empty. */
static struct ring_pair *wire(struct bench *b)
{
	static struct ring_pair_fds fds;
	static struct ring_pair mine, fabric;

	if (!mine.map && (ring_pair_create(256 * 1024, &fds) < 0 ||
			  ring_pair_attach(&fds, RING_MACHINE, &mine) < 0 ||
			  ring_pair_attach(&fds, RING_FABRIC, &fabric) < 0))
		abort();
	b->fabric = &fabric;
	return &mine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct virtio_fuzz *f = virtio_fuzz_begin();
	/* Half of the inputs meet a card with several pairs. */
	struct virtio_net_config cfg = { .mem = &f->g.mem, .mtu = 1500, .link_up = true,
					 .n_pairs = len && data[len - 1] & 1 ? 4 : 1 };
	struct bench b = { 0 };

	cfg.rings = wire(&b);
	if (virtio_net_new(&cfg, &b.net) < 0)
		abort();
	f->host = host;
	f->driver = driver;
	f->state = state;
	f->hold = hold;
	f->ctx = &b;
	virtio_fuzz_run(f, &b.net->pci, data, len);
	send_one(&b, f);
	virtio_fuzz_end(f);
	/* No driver: what is left on the way to the guest is dropped. */
	vguest_set(&f->g, VG_STATUS, 1, 0);
	b.net = virtio_net_free(b.net);
	return 0;
}
