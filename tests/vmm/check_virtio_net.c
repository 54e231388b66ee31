/* tests/vmm/check_virtio_net.c: a network card between a small guest driver
 * and the fabric's side of its rings. */
#include "vmm/dev/virtio_net.h"

#include "core/checksum.h"
#include "core/loop.h"
#include "core/wire.h"
#include "tests/unit.h"
#include "tests/vmm/vguest.h"

#include <limits.h>
#include <unistd.h>

enum { RAM = 4 << 20, HDR = VIRTIO_NET_HDR_LEN, QUEUE_SIZE = 256, MTU = 1500,
       DATA_SIZE = 256 * 1024 };

static struct vguest g;
static struct virtio_net *net;
static struct vguest_queue rxq, txq, ctrlq;
static struct ring_pair_fds fds;
static struct ring_pair mine, fabric;
static nsec_t time_now;
static const uint64_t plain = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS;

static nsec_t now(void *ctx)
{
	(void)ctx;
	return time_now;
}

static void setup(void)
{
	struct virtio_net_config cfg = { .mac = { { 2, 0, 0, 0, 0, 9 } }, .mtu = MTU,
					 .speed_mbps = 100, .link_up = true, .now = now };

	vguest_init(&g, RAM);
	ck_assert_int_eq(ring_pair_create(DATA_SIZE, &fds), 0);
	ck_assert_int_eq(ring_pair_attach(&fds, RING_MACHINE, &mine), 0);
	ck_assert_int_eq(ring_pair_attach(&fds, RING_FABRIC, &fabric), 0);
	cfg.mem = &g.mem;
	cfg.rings = &mine;
	cfg.kick_fd = fds.down_kick_fd;
	ck_assert_int_eq(virtio_net_new(&cfg, &net), 0);
	vguest_plug(&g, &net->pci);
	time_now = 0;
}

static void teardown(void)
{
	net = virtio_net_free(net);
	ring_pair_detach(&mine);
	ring_pair_detach(&fabric);
	ring_pair_close(&fds);
	vguest_done(&g);
}

static void start(uint64_t features)
{
	ck_assert_uint_eq(vguest_negotiate(&g, features), 11);
	vguest_queue_up(&g, &rxq, 0, QUEUE_SIZE);
	vguest_queue_up(&g, &txq, 1, QUEUE_SIZE);
	if (features & VIRTIO_NET_F_CTRL_VQ)
		vguest_queue_up(&g, &ctrlq, 2, 64);
	vguest_driver_ok(&g);
}

/* ---- the fabric's and the guest's hands ---- */

static void fabric_send(const uint8_t *data, uint32_t len, const struct frame_offload *o)
{
	static const struct frame_offload none;
	uint8_t *to = ring_reserve(&fabric.tx, len);

	ck_assert_ptr_nonnull(to);
	memcpy(to, data, len);
	ring_commit(&fabric.tx, len, o ? o : &none, 0);
	(void)ring_publish(&fabric.tx);
}

static uint64_t give_rx(uint32_t len)
{
	struct vguest_buf buf = { vguest_alloc(&g, len, 8), len, true };

	vguest_add(&g, &rxq, &buf, 1);
	return buf.gpa;
}

/* The guest sends @len bytes of value 0x11 behind @hdr. */
static void guest_send(const uint8_t *hdr, uint32_t len)
{
	uint64_t at = vguest_alloc(&g, HDR + len, 8);
	struct vguest_buf buf[2] = { { at, HDR, false }, { at + HDR, len, false } };

	memcpy(vguest_ptr(&g, at), hdr, HDR);
	memset(vguest_ptr(&g, at + HDR), 0x11, len);
	vguest_add(&g, &txq, buf, len ? 2 : 1);
	vguest_kick(&g, &txq);
}

static unsigned used_count(struct vguest_queue *q)
{
	uint32_t id, len;
	unsigned n = 0;

	while (vguest_used(&g, q, &id, &len))
		n++;
	return n;
}

static const uint8_t no_offload[HDR];

/* ---- configuration ---- */

START_TEST(the_configuration_is_what_was_asked_for)
{
	ck_assert_uint_eq(vguest_config(&g, 0, 1), 2);
	ck_assert_uint_eq(vguest_config(&g, 5, 1), 9);
	ck_assert_uint_eq(vguest_config(&g, 6, 2), VIRTIO_NET_S_LINK_UP);
	ck_assert_uint_eq(vguest_config(&g, 8, 2), 1);
	ck_assert_uint_eq(vguest_config(&g, 10, 2), MTU);
	ck_assert(vguest_offered(&g) & VIRTIO_NET_F_SPEED_DUPLEX);
	ck_assert_uint_eq(vguest_config(&g, 12, 4), 100); /* virtio 1.2 §5.1.4 */
	ck_assert_uint_eq(vguest_config(&g, 16, 1), 1);
	ck_assert_uint_eq(vguest_config(&g, 17, 4), 0);
}
END_TEST

START_TEST(features_that_do_not_go_together_are_refused)
{
	ck_assert_uint_eq(vguest_negotiate(&g, plain | VIRTIO_NET_F_GUEST_TSO4), 3);
	ck_assert_uint_eq(vguest_negotiate(&g, plain | VIRTIO_NET_F_HOST_TSO6), 3);
	ck_assert_uint_eq(vguest_negotiate(&g, plain | VIRTIO_NET_F_CTRL_RX), 3);
	ck_assert_uint_eq(vguest_negotiate(&g, plain | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_CSUM),
			  11);
}
END_TEST

/* ---- sending ---- */

START_TEST(a_frame_goes_out_with_its_time)
{
	struct ring_record rec;
	unsigned n_msi;

	start(plain);
	time_now = 12345;
	n_msi = g.n_msi[2];
	guest_send(no_offload, 60);
	ck_assert(ring_peek(&fabric.rx, &rec));
	ck_assert_uint_eq(rec.len, 60);
	ck_assert_int_eq(rec.time_ns, 12345);
	ck_assert_uint_eq(rec.data[59], 0x11);
	ck_assert_uint_eq(used_count(&txq), 1);
	ck_assert_uint_eq(g.n_msi[2], n_msi + 1);
	ck_assert_uint_eq(net->stats.tx_frames, 1);
}
END_TEST

START_TEST(a_gso_frame_goes_out_whole)
{
	/* NEEDS_CSUM, TCPV4, hdr 54, size 1448, csum at 34+16 */
	static const uint8_t hdr[HDR] = { 1, 1, 54, 0, 0xA8, 5, 34, 0, 16, 0, 0, 0 };
	struct ring_record rec;

	start(plain | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4);
	guest_send(hdr, 60000);
	ck_assert(ring_peek(&fabric.rx, &rec));
	ck_assert_uint_eq(rec.len, 60000);
	ck_assert_uint_eq(rec.offload.gso_size, 1448);
	ck_assert_uint_eq(rec.offload.flags, 1);
	ck_assert_uint_eq(rec.offload.csum_start, 34);
}
END_TEST

static const struct { const char *what; uint8_t hdr[HDR]; uint32_t len; } bad_tx[] = {
	{ "runt", { 0 }, 13 },
	{ "empty", { 0 }, 0 },
	{ "longer than the MTU", { 0 }, MTU + 14 + 9 },
	{ "longer than any frame", { 1, 1, 54, 0, 0xA8, 5, 34, 0, 16, 0 }, FRAME_LEN_MAX + 1 },
	{ "checksum outside", { 1, 0, 0, 0, 0, 0, 50, 0, 9, 0 }, 60 },
	{ "checksum wraps", { 1, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF }, 60 },
	{ "gso without checksum", { 0, 1, 54, 0, 0xA8, 5, 0, 0, 0, 0 }, 6000 },
	{ "gso of size 0", { 1, 1, 54, 0, 0, 0, 34, 0, 16, 0 }, 6000 },
	{ "gso type unknown", { 1, 2, 54, 0, 0xA8, 5, 34, 0, 16, 0 }, 6000 },
	{ "gso not negotiated", { 1, 4, 54, 0, 0xA8, 5, 34, 0, 16, 0 }, 6000 },
	{ "gso with ECN not offered", { 1, 0x81, 54, 0, 0xA8, 5, 34, 0, 16, 0 }, 6000 },
	{ "header longer than the frame", { 1, 1, 0xFF, 0xFF, 0xA8, 5, 34, 0, 16, 0 }, 6000 },
};
enum { BAD_TX_COUNT = sizeof bad_tx / sizeof bad_tx[0] };

START_TEST(a_bad_frame_is_dropped_and_counted)
{
	struct ring_record rec;

	start(plain | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4);
	guest_send(bad_tx[_i].hdr, bad_tx[_i].len);
	ck_assert_msg(!ring_peek(&fabric.rx, &rec), "%s", bad_tx[_i].what);
	ck_assert_uint_eq(net->stats.tx_malformed, 1);
	ck_assert_uint_eq(used_count(&txq), 1);
	/* The card goes on. */
	guest_send(no_offload, 60);
	ck_assert(ring_peek(&fabric.rx, &rec));
}
END_TEST

START_TEST(checksum_offload_needs_its_feature)
{
	static const uint8_t hdr[HDR] = { 1, 0, 0, 0, 0, 0, 34, 0, 6, 0 };

	start(plain);
	guest_send(hdr, 60);
	ck_assert_uint_eq(net->stats.tx_malformed, 1);
}
END_TEST

START_TEST(lazy_completion_is_one_interrupt_for_many_frames)
{
	struct ring_record rec;
	uint64_t at = vguest_alloc(&g, HDR + 60, 8);
	struct vguest_buf buf = { at, HDR + 60, false };
	unsigned before;

	net->cfg.lazy_completion = true;
	start(plain);
	before = g.n_msi[2];
	for (unsigned i = 0; i < 10; i++) {
		vguest_add(&g, &txq, &buf, 1);
		vguest_kick(&g, &txq);
		/* The frame itself does not wait. */
		ck_assert(ring_peek(&fabric.rx, &rec));
		ring_pop(&fabric.rx);
	}
	ck_assert_uint_eq(used_count(&txq), 0);
	virtio_net_complete(net);
	ck_assert_uint_eq(g.n_msi[2] - before, 1);
	ck_assert_uint_eq(used_count(&txq), 10);
	virtio_net_complete(net);
	ck_assert_uint_eq(g.n_msi[2] - before, 1);
	for (unsigned i = 0; i < 70; i++) {
		vguest_add(&g, &txq, &buf, 1);
		vguest_kick(&g, &txq);
	}
	ck_assert_uint_eq(used_count(&txq), 64);
	ck_assert_uint_eq(g.n_msi[2] - before, 3);
	/* What was owed is not owed to a driver that starts anew. */
	start(plain);
	virtio_net_complete(net);
	ck_assert_uint_eq(used_count(&txq), 0);
}
END_TEST

START_TEST(a_full_ring_keeps_frames_in_the_queue)
{
	struct ring_record rec;
	unsigned n_sent = 0, n_got = 0, n_used;
	uint64_t at = vguest_alloc(&g, HDR + 1514, 8);
	struct vguest_buf buf = { at, HDR + 1514, false };

	start(plain | VIRTIO_F_EVENT_IDX);
	for (; n_sent < 250; n_sent++)
		vguest_add(&g, &txq, &buf, 1);
	vguest_kick(&g, &txq);
	n_used = used_count(&txq);
	ck_assert(net->tx_blocked);
	ck_assert_uint_lt(n_used, n_sent);
	ck_assert_uint_eq(net->stats.tx_frames, n_used);
	while (ring_peek(&fabric.rx, &rec)) {
		ring_pop(&fabric.rx);
		n_got++;
	}
	ck_assert_uint_eq(n_got, n_used);
	ring_release(&fabric.rx);
	virtio_net_kicked(net);
	ck_assert(!net->tx_blocked);
	ck_assert_uint_eq(n_used + used_count(&txq), n_sent);
	while (ring_peek(&fabric.rx, &rec)) {
		ring_pop(&fabric.rx);
		n_got++;
	}
	ck_assert_uint_eq(n_got, n_sent);
}
END_TEST

/* ---- receiving ---- */

START_TEST(a_frame_comes_in_with_one_interrupt_a_batch)
{
	uint8_t frame[100];
	uint64_t at, at2;
	uint32_t id, len;
	unsigned n_msi;

	memset(frame, 0x22, sizeof frame);
	start(plain);
	at = give_rx(2048);
	at2 = give_rx(2048);
	vguest_kick(&g, &rxq);
	n_msi = g.n_msi[1];
	fabric_send(frame, 100, NULL);
	fabric_send(frame, 64, NULL);
	virtio_net_kicked(net);
	ck_assert(vguest_used(&g, &rxq, &id, &len));
	ck_assert_uint_eq(len, HDR + 100);
	ck_assert_mem_eq(vguest_ptr(&g, at + HDR), frame, 100);
	ck_assert_uint_eq(load_le16(vguest_ptr(&g, at + 10)), 1);
	ck_assert(vguest_used(&g, &rxq, &id, &len));
	ck_assert_uint_eq(len, HDR + 64);
	ck_assert_uint_eq(*vguest_ptr(&g, at2 + HDR + 63), 0x22);
	ck_assert_uint_eq(g.n_msi[1], n_msi + 1);
}
END_TEST

START_TEST(the_loop_hears_the_fabric)
{
	struct virtio_net_config cfg = net->cfg;
	uint8_t frame[60] = { 1 };
	struct loop *loop;

	ck_assert_int_eq(loop_new(&loop), 0);
	net = virtio_net_free(net);
	cfg.loop = loop;
	ck_assert_int_eq(virtio_net_new(&cfg, &net), 0);
	g.next = MEM_PAGE_SIZE;
	pci_host_init(&g.host, &g.bus);
	vguest_plug(&g, &net->pci);
	start(plain);
	give_rx(2048);
	fabric_send(frame, 60, NULL);
	ck_assert_int_eq(loop_step(loop, 0), 1);
	ck_assert_uint_eq(net->stats.rx_frames, 1);
	/* The kick was taken: it does not come twice. */
	ck_assert_int_eq(loop_step(loop, 0), 0);
	net = virtio_net_free(net);
	loop = loop_free(loop);
}
END_TEST

START_TEST(frames_wait_for_buffers)
{
	uint8_t frame[60] = { 1 };

	start(plain);
	fabric_send(frame, 60, NULL);
	virtio_net_kicked(net);
	ck_assert_uint_eq(net->stats.rx_stalls, 1);
	ck_assert_uint_eq(net->stats.rx_frames, 0);
	/* The guest is asked to say when it has some. */
	ck_assert_uint_eq(load_le16(vguest_ptr(&g, rxq.used)), 0);
	give_rx(2048);
	vguest_kick(&g, &rxq);
	ck_assert_uint_eq(net->stats.rx_frames, 1);
	ck_assert_uint_eq(used_count(&rxq), 1);
}
END_TEST

START_TEST(a_frame_too_long_for_its_buffer_is_dropped)
{
	uint8_t frame[1000] = { 1 };

	start(plain);
	give_rx(500);
	give_rx(2048);
	fabric_send(frame, 1000, NULL);
	fabric_send(frame, 60, NULL);
	virtio_net_kicked(net);
	ck_assert_uint_eq(net->stats.rx_too_long, 1);
	ck_assert_uint_eq(net->stats.rx_frames, 1);
}
END_TEST

START_TEST(a_long_frame_spans_merged_buffers)
{
	static uint8_t frame[5000];
	uint64_t at[4];
	uint32_t id, len, sum = 0;

	for (unsigned i = 0; i < sizeof frame; i++)
		frame[i] = (uint8_t)i;
	start(plain | VIRTIO_NET_F_MRG_RXBUF);
	for (unsigned i = 0; i < 3; i++)
		at[i] = give_rx(1500);
	fabric_send(frame, sizeof frame, NULL);
	virtio_net_kicked(net);
	/* 4500 bytes of buffers do not hold 5012: it waits for one more. */
	ck_assert_uint_eq(used_count(&rxq), 0);
	at[3] = give_rx(1500);
	vguest_kick(&g, &rxq);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert(vguest_used(&g, &rxq, &id, &len));
		sum += len;
	}
	ck_assert_uint_eq(sum, HDR + sizeof frame);
	ck_assert_uint_eq(load_le16(vguest_ptr(&g, at[0] + 10)), 4);
	ck_assert_mem_eq(vguest_ptr(&g, at[0] + HDR), frame, 1500 - HDR);
	ck_assert_mem_eq(vguest_ptr(&g, at[3]), frame + 4500 - HDR, 500 + HDR);
}
END_TEST

START_TEST(a_frame_longer_than_the_whole_queue_is_dropped)
{
	static uint8_t frame[60000];

	start(plain | VIRTIO_NET_F_MRG_RXBUF);
	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		give_rx(64);
	fabric_send(frame, sizeof frame, NULL);
	fabric_send(frame, 50, NULL);
	virtio_net_kicked(net);
	ck_assert_uint_eq(net->stats.rx_too_long, 1);
	ck_assert_uint_eq(net->stats.rx_frames, 1);
}
END_TEST

START_TEST(a_buffer_without_room_for_the_header_breaks_the_device)
{
	uint8_t frame[60] = { 0 };

	start(plain);
	give_rx(11);
	fabric_send(frame, 60, NULL);
	virtio_net_kicked(net);
	ck_assert_uint_eq(net->dev.n_breaks, 1);
	ck_assert_uint_eq(net->stats.rx_off, 1);
}
END_TEST

/* A TCP/IPv4 frame with @payload bytes, checksum pending, GSO of 1,000. */
static uint32_t tcp_frame(uint8_t *f, uint32_t payload, struct frame_offload *o)
{
	memset(f, 0, 54 + payload);
	store_be16(f + 12, 0x0800);
	f[14] = 0x45;
	store_be16(f + 16, (uint16_t)(40 + payload));
	f[22] = 64;
	f[23] = 6;
	f[26] = 10;
	f[30] = 10;
	f[46] = 0x50;
	*o = (struct frame_offload){ .flags = 1, .gso_type = 1, .hdr_len = 54, .gso_size = 1000,
				     .csum_start = 34, .csum_offset = 16 };
	return 54 + payload;
}

START_TEST(a_gso_frame_is_cut_for_a_guest_that_cannot_take_it)
{
	static uint8_t frame[4096];
	struct frame_offload o;
	uint32_t id, len, n = tcp_frame(frame, 2500, &o);
	static const uint32_t want[] = { 1054, 1054, 554 };

	start(plain);
	for (unsigned i = 0; i < 2; i++)
		give_rx(2048);
	fabric_send(frame, n, &o);
	virtio_net_kicked(net);
	/* The third segment waits for a buffer. */
	ck_assert_uint_eq(net->stats.rx_frames, 2);
	give_rx(2048);
	vguest_kick(&g, &rxq);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(vguest_used(&g, &rxq, &id, &len));
		ck_assert_uint_eq(len, HDR + want[i]);
	}
	ck_assert_uint_eq(net->stats.rx_segmented, 1);
}
END_TEST

START_TEST(a_guest_that_can_gets_it_whole)
{
	static uint8_t frame[4096];
	struct frame_offload o;
	uint32_t id, len, n = tcp_frame(frame, 2500, &o);
	uint64_t at;

	start(plain | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4);
	at = give_rx(65562);
	fabric_send(frame, n, &o);
	virtio_net_kicked(net);
	ck_assert(vguest_used(&g, &rxq, &id, &len));
	ck_assert_uint_eq(len, HDR + n);
	ck_assert_uint_eq(*vguest_ptr(&g, at), 1);
	ck_assert_uint_eq(*vguest_ptr(&g, at + 1), 1);
	ck_assert_uint_eq(load_le16(vguest_ptr(&g, at + 4)), 1000);
}
END_TEST

START_TEST(a_pending_checksum_is_completed_for_a_guest_without_the_offload)
{
	static uint8_t frame[200];
	struct frame_offload o;
	uint32_t n = tcp_frame(frame, 60, &o);
	uint64_t at;

	o.gso_type = 0;
	o.gso_size = 0;
	start(plain);
	at = give_rx(2048);
	fabric_send(frame, n, &o);
	virtio_net_kicked(net);
	ck_assert_uint_eq(net->stats.rx_frames, 1);
	ck_assert_uint_eq(*vguest_ptr(&g, at), 0);
	ck_assert_uint_eq(checksum_fold(checksum_add(0, vguest_ptr(&g, at + HDR + 34), n - 34)), 0);
}
END_TEST

START_TEST(an_offload_header_that_lies_is_counted)
{
	uint8_t frame[60] = { 0 };
	struct frame_offload o = { .flags = 1, .csum_start = 59, .csum_offset = 10 };

	start(plain);
	give_rx(2048);
	fabric_send(frame, 60, &o);
	virtio_net_kicked(net);
	ck_assert_uint_eq(net->stats.rx_malformed, 1);
	ck_assert_uint_eq(net->stats.rx_frames, 0);
}
END_TEST

#ifndef MUSTER_SAN /* sanitizers bring a malloc() of their own */
extern void *__libc_malloc(size_t size);
static unsigned mallocs_left = UINT_MAX;

/* The C library's, that fails when it is told to. */
void *malloc(size_t size)
{
	if (mallocs_left == 0)
		return NULL;
	if (mallocs_left != UINT_MAX)
		mallocs_left--;
	return __libc_malloc(size);
}

/* @_i allocations go well: the copy to cut fails, or a piece. */
START_TEST(a_host_without_memory_is_no_malformed_frame)
{
	uint8_t frame[3054] = { 0 };
	struct frame_offload o = {
		.flags = 1, .gso_type = 1, .hdr_len = 54, .gso_size = 1000, .csum_start = 34, .csum_offset = 16
	};

	memcpy(frame + 12, "\x08\x00\x45", 3);
	frame[23] = 6;
	frame[46] = 0x50;
	start(plain);
	give_rx(2048);
	fabric_send(frame, sizeof frame, &o);
	mallocs_left = (unsigned)_i;
	virtio_net_kicked(net);
	mallocs_left = UINT_MAX;
	ck_assert_uint_eq(net->stats.rx_malformed, 0);
	ck_assert_uint_eq(net->stats.rx_no_memory, 1);
	ck_assert_uint_eq(net->stats.rx_frames, 0);
}
END_TEST
#endif

START_TEST(a_card_that_is_off_drops_what_comes)
{
	uint8_t frame[60] = { 0 };

	fabric_send(frame, 60, NULL);
	virtio_net_kicked(net);
	ck_assert_uint_eq(net->stats.rx_off, 1);
	start(plain);
	give_rx(2048);
	virtio_net_set_link(net, false);
	fabric_send(frame, 60, NULL);
	virtio_net_kicked(net);
	guest_send(no_offload, 60);
	ck_assert_uint_eq(net->stats.rx_off, 2);
	ck_assert_uint_eq(net->stats.tx_link_down, 1);
	ck_assert_uint_eq(used_count(&txq), 1);
}
END_TEST

/* ---- link and control ---- */

START_TEST(the_guest_sees_carrier)
{
	unsigned generation;

	start(plain);
	generation = (unsigned)vguest_get(&g, VG_GENERATION, 1);
	virtio_net_set_link(net, false);
	ck_assert_uint_eq(g.n_msi[0], 1);
	ck_assert_uint_eq(vguest_config(&g, 6, 2), 0);
	ck_assert_uint_ne(vguest_get(&g, VG_GENERATION, 1), generation);
	virtio_net_set_link(net, false);
	ck_assert_uint_eq(g.n_msi[0], 1);
	virtio_net_set_link(net, true);
	ck_assert_uint_eq(g.n_msi[0], 2);
	ck_assert_uint_eq(vguest_config(&g, 6, 2), VIRTIO_NET_S_LINK_UP);
}
END_TEST

static uint8_t ctrl(uint8_t class, uint8_t command)
{
	uint64_t at = vguest_alloc(&g, 4, 4);
	struct vguest_buf buf[3] = { { at, 2, false }, { at + 2, 1, false }, { at + 3, 1, true } };
	uint32_t id, len;

	*vguest_ptr(&g, at) = class;
	*vguest_ptr(&g, at + 1) = command;
	*vguest_ptr(&g, at + 3) = 0xEE;
	vguest_add(&g, &ctrlq, buf, 3);
	vguest_kick(&g, &ctrlq);
	ck_assert(vguest_used(&g, &ctrlq, &id, &len));
	ck_assert_uint_eq(len, 1);
	return *vguest_ptr(&g, at + 3);
}

START_TEST(control_commands_are_answered)
{
	start(plain | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_GUEST_ANNOUNCE);
	ck_assert_uint_eq(ctrl(0, 0), 0);
	ck_assert_uint_eq(ctrl(1, 0), 0);
	ck_assert_uint_eq(ctrl(1, 1), 1);
	ck_assert_uint_eq(ctrl(99, 0), 1);
	virtio_net_announce(net);
	ck_assert_uint_eq(vguest_config(&g, 6, 2), VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	ck_assert_uint_eq(ctrl(3, 0), 0);
	ck_assert_uint_eq(vguest_config(&g, 6, 2), VIRTIO_NET_S_LINK_UP);
}
END_TEST

START_TEST(a_held_card_lets_the_guests_memory_alone)
{
	uint8_t frame[60] = { 0xAA };
	uint32_t id, len;
	uint8_t *before;
	uint64_t at;

	start(plain);
	at = give_rx(2000);
	vguest_kick(&g, &rxq);
	before = malloc(RAM);
	memcpy(before, g.mem.host, RAM);
	virtio_net_hold(net, true);
	fabric_send(frame, sizeof frame, NULL);
	virtio_net_kicked(net);
	virtio_net_set_link(net, false);
	virtio_net_set_link(net, true);
	ck_assert_mem_eq(before, g.mem.host, RAM);
	ck_assert_uint_eq(g.n_msi[0] + g.n_msi[1], 0);
	free(before);
	/* what came meanwhile is there at once */
	virtio_net_hold(net, false);
	ck_assert(vguest_used(&g, &rxq, &id, &len));
	ck_assert_uint_eq(len, HDR + sizeof frame);
	ck_assert_uint_eq(*vguest_ptr(&g, at + HDR), 0xAA);
	ck_assert_uint_eq(g.n_msi[0], 0); /* the carrier is what it was */
	virtio_net_hold(net, true);
	virtio_net_set_link(net, false);
	ck_assert_uint_eq(vguest_config(&g, 6, 2), VIRTIO_NET_S_LINK_UP);
	virtio_net_hold(net, false);
	ck_assert_uint_eq(vguest_config(&g, 6, 2), 0);
	ck_assert_uint_eq(g.n_msi[0], 1);
}
END_TEST

START_TEST(a_reset_card_starts_again)
{
	uint8_t frame[60] = { 0 };

	start(plain);
	fabric_send(frame, 60, NULL);
	virtio_net_kicked(net);
	start(plain);
	give_rx(2048);
	fabric_send(frame, 60, NULL);
	virtio_net_kicked(net);
	ck_assert_uint_eq(net->stats.rx_frames, 1);
	ck_assert_uint_eq(net->stats.rx_off, 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("virtio_net");
	TCase *t = tcase_create("virtio_net");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_configuration_is_what_was_asked_for);
	tcase_add_test(t, features_that_do_not_go_together_are_refused);
	tcase_add_test(t, a_frame_goes_out_with_its_time);
	tcase_add_test(t, a_gso_frame_goes_out_whole);
	tcase_add_loop_test(t, a_bad_frame_is_dropped_and_counted, 0, BAD_TX_COUNT);
	tcase_add_test(t, checksum_offload_needs_its_feature);
	tcase_add_test(t, lazy_completion_is_one_interrupt_for_many_frames);
	tcase_add_test(t, a_full_ring_keeps_frames_in_the_queue);
	tcase_add_test(t, a_frame_comes_in_with_one_interrupt_a_batch);
	tcase_add_test(t, the_loop_hears_the_fabric);
	tcase_add_test(t, frames_wait_for_buffers);
	tcase_add_test(t, a_frame_too_long_for_its_buffer_is_dropped);
	tcase_add_test(t, a_long_frame_spans_merged_buffers);
	tcase_add_test(t, a_frame_longer_than_the_whole_queue_is_dropped);
	tcase_add_test(t, a_buffer_without_room_for_the_header_breaks_the_device);
	tcase_add_test(t, a_gso_frame_is_cut_for_a_guest_that_cannot_take_it);
	tcase_add_test(t, a_guest_that_can_gets_it_whole);
	tcase_add_test(t, a_pending_checksum_is_completed_for_a_guest_without_the_offload);
	tcase_add_test(t, an_offload_header_that_lies_is_counted);
#ifndef MUSTER_SAN
	tcase_add_loop_test(t, a_host_without_memory_is_no_malformed_frame, 0, 3);
#endif
	tcase_add_test(t, a_card_that_is_off_drops_what_comes);
	tcase_add_test(t, the_guest_sees_carrier);
	tcase_add_test(t, control_commands_are_answered);
	tcase_add_test(t, a_held_card_lets_the_guests_memory_alone);
	tcase_add_test(t, a_reset_card_starts_again);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
