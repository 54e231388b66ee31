/* tests/vmm/check_virtio_net_mq.c: a card with several pairs of queues: which
 * frame takes which, what the control queue changes, and offloads switched off
 * while the card runs. */
#include "vmm/dev/virtio_net.h"

#include "core/wire.h"
#include "tests/unit.h"
#include "tests/vmm/vguest.h"

#include <errno.h>
#include <string.h>

enum { RAM = 8 << 20, HDR = VIRTIO_NET_HDR_LEN, PAIRS = 4, QUEUE_COUNT = 2 * PAIRS + 1,
       QUEUE_SIZE = 64, BUF_LEN = 2048, FRAME_LEN = 80 };
enum { CLASS_MQ = 4, CLASS_OFFLOADS = 5, OK = 0, ERR = 1 };

static struct vguest g;
static struct virtio_net *net;
static struct vguest_queue queue[QUEUE_COUNT];
static struct ring_pair_fds fds;
static struct ring_pair mine, fabric;
static const uint64_t mq = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC | VIRTIO_NET_F_CTRL_VQ |
			   VIRTIO_NET_F_MQ;

static void setup(void)
{
	struct virtio_net_config cfg = { .mac = { { 2, 0, 0, 0, 0, 9 } }, .mtu = 1500,
					 .link_up = true, .n_pairs = PAIRS };

	vguest_init(&g, RAM);
	ck_assert_int_eq(ring_pair_create(256 * 1024, &fds), 0);
	ck_assert_int_eq(ring_pair_attach(&fds, RING_MACHINE, &mine), 0);
	ck_assert_int_eq(ring_pair_attach(&fds, RING_FABRIC, &fabric), 0);
	cfg.mem = &g.mem;
	cfg.rings = &mine;
	cfg.kick_fd = fds.down_kick_fd;
	ck_assert_int_eq(virtio_net_new(&cfg, &net), 0);
	vguest_plug(&g, &net->pci);
}

static void teardown(void)
{
	net = virtio_net_free(net);
	ring_pair_detach(&mine);
	ring_pair_detach(&fabric);
	ring_pair_close(&fds);
	vguest_done(&g);
}

/* Brings the device up with queues 0 to @n - 1. */
static void start(uint64_t features, unsigned n)
{
	ck_assert_uint_eq(vguest_negotiate(&g, features), 11);
	for (unsigned i = 0; i < n; i++)
		vguest_queue_up(&g, &queue[i], i, QUEUE_SIZE);
	vguest_driver_ok(&g);
}

static void give_rx(unsigned pair)
{
	struct vguest_buf buf = { vguest_alloc(&g, BUF_LEN, 8), BUF_LEN, true };

	vguest_add(&g, &queue[2 * pair], &buf, 1);
	vguest_kick(&g, &queue[2 * pair]);
}

static uint8_t ctrl(unsigned q, uint8_t class, uint8_t command, uint64_t data, uint32_t len)
{
	uint64_t at = vguest_alloc(&g, 16, 8);
	struct vguest_buf buf[3] = { { at, 2, false }, { at + 2, len, false }, { at + 15, 1, true } };
	uint32_t id, used_len;

	*vguest_ptr(&g, at) = class;
	*vguest_ptr(&g, at + 1) = command;
	store_le64(vguest_ptr(&g, at + 2), data);
	*vguest_ptr(&g, at + 15) = 0xEE;
	vguest_add(&g, &queue[q], buf, 3);
	vguest_kick(&g, &queue[q]);
	ck_assert(vguest_used(&g, &queue[q], &id, &used_len));
	return *vguest_ptr(&g, at + 15);
}

static uint8_t set_pairs(uint16_t n)
{
	return ctrl(2 * PAIRS, CLASS_MQ, 0, n, 2);
}

/* A UDP datagram over IPv4 of the flow @n; @back: the other way. */
static void frame_of(uint8_t *f, unsigned n, bool back)
{
	unsigned a = back ? 4 : 0, b = 4 - a;

	memset(f, 0, FRAME_LEN);
	store_be16(f + 12, 0x0800);
	f[14] = 0x45;
	f[23] = 17;
	store_be32(f + 26 + a, 0x0A000001);
	store_be32(f + 26 + b, 0x0A000002);
	store_be16(f + 34 + a / 2, 5000);
	store_be16(f + 34 + b / 2, (uint16_t)(1000 + n));
}

static void fabric_send(const uint8_t *f)
{
	static const struct frame_offload none;
	uint8_t *to = ring_reserve(&fabric.tx, FRAME_LEN);

	ck_assert_ptr_nonnull(to);
	memcpy(to, f, FRAME_LEN);
	ring_commit(&fabric.tx, FRAME_LEN, &none, 0);
	(void)ring_publish(&fabric.tx);
	virtio_net_kicked(net);
}

static void guest_send(unsigned pair, const uint8_t *f)
{
	uint64_t at = vguest_alloc(&g, HDR + FRAME_LEN, 8);
	struct vguest_buf buf = { at, HDR + FRAME_LEN, false };

	memcpy(vguest_ptr(&g, at + HDR), f, FRAME_LEN);
	vguest_add(&g, &queue[2 * pair + 1], &buf, 1);
	vguest_kick(&g, &queue[2 * pair + 1]);
}

/* The pair by which one frame came; PAIRS when none did. */
static unsigned came_by(void)
{
	uint32_t id, len;
	unsigned at = PAIRS;

	for (unsigned pair = 0; pair < PAIRS; pair++) {
		if (queue[2 * pair].size && vguest_used(&g, &queue[2 * pair], &id, &len)) {
			ck_assert_uint_eq(at, PAIRS);
			ck_assert_uint_eq(len, HDR + FRAME_LEN);
			at = pair;
		}
	}
	return at;
}

START_TEST(the_card_says_how_many_pairs_it_has)
{
	ck_assert_uint_eq(vguest_config(&g, 8, 2), PAIRS);
	ck_assert_uint_eq(vguest_get(&g, VG_N_QUEUES, 2), QUEUE_COUNT);
	ck_assert(vguest_offered(&g) & VIRTIO_NET_F_MQ);
	ck_assert_uint_eq(g.p->msix.n_vectors, QUEUE_COUNT + 1);
	ck_assert_uint_eq(vguest_negotiate(&g, mq & ~VIRTIO_NET_F_CTRL_VQ), 3);
}
END_TEST

START_TEST(more_pairs_than_there_can_be_make_no_card)
{
	struct virtio_net_config cfg = net->cfg;
	struct virtio_net *other = NULL;

	cfg.n_pairs = VIRTIO_NET_PAIR_MAX + 1;
	ck_assert_int_eq(virtio_net_new(&cfg, &other), -EINVAL);
}
END_TEST

START_TEST(one_pair_is_used_until_more_are_asked_for)
{
	uint8_t f[FRAME_LEN];

	start(mq, QUEUE_COUNT);
	for (unsigned n = 0; n < 20; n++) {
		for (unsigned pair = 0; pair < PAIRS; pair++)
			give_rx(pair);
		frame_of(f, n, true);
		fabric_send(f);
		ck_assert_uint_eq(came_by(), 0);
	}
}
END_TEST

START_TEST(a_number_of_pairs_that_cannot_be_is_refused)
{
	start(mq, QUEUE_COUNT);
	ck_assert_uint_eq(set_pairs(PAIRS), OK);
	ck_assert_uint_eq(set_pairs(0), ERR);
	ck_assert_uint_eq(set_pairs(PAIRS + 1), ERR);
	ck_assert_uint_eq(ctrl(2 * PAIRS, CLASS_MQ, 0, 2, 1), ERR); /* half a number */
	ck_assert_uint_eq(ctrl(2 * PAIRS, CLASS_MQ, 1, 2, 2), ERR); /* RSS */
	ck_assert_uint_eq(net->n_active, PAIRS);
	ck_assert_uint_eq(set_pairs(2), OK);
	ck_assert_uint_eq(net->n_active, 2);
	/* After a reset it is one again. */
	start(mq, QUEUE_COUNT);
	ck_assert_uint_eq(net->n_active, 1);
}
END_TEST

START_TEST(flows_nobody_sent_for_are_spread_and_stay)
{
	unsigned seen[PAIRS] = { 0 }, first[64];
	uint8_t f[FRAME_LEN];

	start(mq, QUEUE_COUNT);
	ck_assert_uint_eq(set_pairs(PAIRS), OK);
	for (unsigned i = 0; i < 128; i++) {
		unsigned at;

		for (unsigned pair = 0; pair < PAIRS; pair++)
			give_rx(pair);
		frame_of(f, i % 64, true);
		fabric_send(f);
		at = came_by();
		ck_assert_uint_lt(at, PAIRS);
		seen[at]++;
		if (i < 64)
			first[i] = at;
		else
			ck_assert_uint_eq(at, first[i - 64]);
		for (unsigned pair = 0; pair < PAIRS; pair++) /* the rest of the buffers: taken back */
			queue[2 * pair].avail_idx = net->dev.queue[2 * pair].last_avail;
	}
	for (unsigned pair = 0; pair < PAIRS; pair++)
		ck_assert_uint_gt(seen[pair], 8);
}
END_TEST

START_TEST(an_answer_comes_by_the_pair_that_asked)
{
	uint8_t f[FRAME_LEN];
	unsigned n_msi;

	start(mq, QUEUE_COUNT);
	ck_assert_uint_eq(set_pairs(PAIRS), OK);
	for (unsigned pair = 0; pair < PAIRS; pair++)
		for (unsigned i = 0; i < PAIRS * 2; i++)
			give_rx(pair);
	for (unsigned i = 0; i < PAIRS * 2; i++) {
		unsigned pair = i % PAIRS;

		frame_of(f, 7, false); /* one flow, which moves from pair to pair */
		guest_send(pair, f);
		frame_of(f, 7, true);
		n_msi = g.n_msi[2 * pair + 1];
		fabric_send(f);
		ck_assert_uint_eq(came_by(), pair);
		ck_assert_uint_eq(g.n_msi[2 * pair + 1], n_msi + 1);
	}
}
END_TEST

START_TEST(fewer_pairs_leave_the_others_alone)
{
	uint8_t f[FRAME_LEN];

	start(mq, QUEUE_COUNT);
	ck_assert_uint_eq(set_pairs(PAIRS), OK);
	for (unsigned pair = 0; pair < PAIRS; pair++)
		give_rx(pair);
	frame_of(f, 7, false);
	guest_send(3, f);
	ck_assert_uint_eq(set_pairs(1), OK);
	frame_of(f, 7, true);
	fabric_send(f);
	ck_assert_uint_eq(came_by(), 0);
}
END_TEST

START_TEST(a_frame_waits_for_its_own_pair)
{
	uint8_t f[FRAME_LEN];

	start(mq | VIRTIO_F_EVENT_IDX, QUEUE_COUNT);
	ck_assert_uint_eq(set_pairs(PAIRS), OK);
	frame_of(f, 7, false);
	guest_send(2, f);
	frame_of(f, 7, true);
	give_rx(0);
	fabric_send(f);
	ck_assert_uint_eq(came_by(), PAIRS);
	ck_assert(net->rx_starved);
	give_rx(1); /* another's buffer is no help */
	ck_assert_uint_eq(came_by(), PAIRS);
	give_rx(2);
	ck_assert_uint_eq(came_by(), 2);
	ck_assert(!net->rx_starved);
}
END_TEST

START_TEST(a_pair_that_is_given_up_strands_nothing)
{
	uint8_t f[FRAME_LEN];

	start(mq, QUEUE_COUNT);
	ck_assert_uint_eq(set_pairs(PAIRS), OK);
	frame_of(f, 7, false);
	guest_send(2, f);
	frame_of(f, 7, true);
	fabric_send(f); /* waits for pair 2 */
	give_rx(0);
	ck_assert_uint_eq(came_by(), PAIRS);
	ck_assert_uint_eq(set_pairs(1), OK);
	ck_assert_uint_eq(came_by(), 0);
}
END_TEST

START_TEST(a_queue_that_was_not_enabled_gets_nothing)
{
	uint8_t f[FRAME_LEN];

	ck_assert_uint_eq(vguest_negotiate(&g, mq), 11);
	memset(queue, 0, sizeof queue);
	vguest_queue_up(&g, &queue[0], 0, QUEUE_SIZE);
	vguest_queue_up(&g, &queue[2 * PAIRS], 2 * PAIRS, QUEUE_SIZE);
	vguest_driver_ok(&g);
	ck_assert_uint_eq(set_pairs(PAIRS), OK);
	for (unsigned n = 0; n < 20; n++) {
		give_rx(0);
		frame_of(f, n, true);
		fabric_send(f);
		ck_assert_uint_eq(came_by(), 0);
	}
}
END_TEST

START_TEST(without_mq_the_control_queue_is_the_third)
{
	uint8_t f[FRAME_LEN];
	uint32_t id, len;

	start(mq & ~VIRTIO_NET_F_MQ, QUEUE_COUNT);
	ck_assert_uint_eq(ctrl(2, 0, 0, 0, 1), OK); /* promiscuous */
	ck_assert_uint_eq(ctrl(2, CLASS_MQ, 0, 2, 2), ERR);
	/* What would be the second pair's is served by nobody. */
	frame_of(f, 1, false);
	guest_send(1, f);
	guest_send(2, f);
	ck_assert(!vguest_used(&g, &queue[3], &id, &len));
	ck_assert(!vguest_used(&g, &queue[5], &id, &len));
	ck_assert_uint_eq(net->stats.tx_frames, 0);
	guest_send(0, f);
	ck_assert_uint_eq(net->stats.tx_frames, 1);
}
END_TEST

/* The first pair sends until the ring has no room. */
static void fill_ring(void)
{
	uint64_t at = vguest_alloc(&g, HDR + 1514, 8);
	struct vguest_buf buf = { at, HDR + 1514, false };

	for (unsigned i = 0; i < 250; i++) {
		vguest_add(&g, &queue[1], &buf, 1);
		vguest_kick(&g, &queue[1]);
		if (net->tx_blocked)
			break;
	}
	ck_assert_uint_eq(net->tx_blocked, 1);
}

static void empty_ring(void)
{
	struct ring_record rec;

	while (ring_peek(&fabric.rx, &rec))
		ring_pop(&fabric.rx);
	ring_release(&fabric.rx);
	virtio_net_kicked(net);
}

START_TEST(pairs_that_wait_for_room_go_on_in_turn)
{
	uint64_t at;
	struct vguest_buf buf;
	uint32_t id, len;

	start(mq, QUEUE_COUNT);
	ck_assert_uint_eq(set_pairs(PAIRS), OK);
	fill_ring();
	at = vguest_alloc(&g, HDR + 1514, 8);
	buf = (struct vguest_buf){ at, HDR + 1514, false };
	for (unsigned i = 1; i < PAIRS; i++) {
		vguest_add(&g, &queue[2 * i + 1], &buf, 1);
		vguest_kick(&g, &queue[2 * i + 1]);
		ck_assert(!vguest_used(&g, &queue[2 * i + 1], &id, &len));
	}
	ck_assert_uint_eq(net->tx_blocked, 15);
	empty_ring();
	ck_assert_uint_eq(net->tx_blocked, 0);
	for (unsigned i = 1; i < PAIRS; i++)
		ck_assert(vguest_used(&g, &queue[2 * i + 1], &id, &len));
	ck_assert_uint_eq(net->tx_turn, 1);
}
END_TEST

START_TEST(a_reset_in_the_middle_of_traffic_leaves_nothing)
{
	uint8_t f[FRAME_LEN];

	net->cfg.lazy_completion = true;
	start(mq, QUEUE_COUNT);
	ck_assert_uint_eq(set_pairs(PAIRS), OK);
	fill_ring();
	frame_of(f, 7, true);
	fabric_send(f); /* starves */
	ck_assert(net->rx_starved);
	vguest_set(&g, VG_STATUS, 1, 0);
	ck_assert_uint_eq(net->tx_blocked, 0);
	ck_assert(!net->rx_starved);
	for (unsigned i = 0; i < PAIRS; i++)
		ck_assert_uint_eq(net->tx_owed[i], 0);
	empty_ring();
	g.next = MEM_PAGE_SIZE;
	start(mq, QUEUE_COUNT);
	give_rx(0);
	fabric_send(f);
	ck_assert_uint_eq(came_by(), 0);
}
END_TEST

/* ---- offloads switched by the control queue ---- */

static uint8_t set_offloads(uint64_t v)
{
	return ctrl(2 * PAIRS, CLASS_OFFLOADS, 0, v, 8);
}

START_TEST(offloads_are_switched_while_the_card_runs)
{
	const uint64_t all = VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_ECN;

	start(mq | all | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, QUEUE_COUNT);
	ck_assert_uint_eq(net->offloads, all);
	ck_assert_uint_eq(set_offloads(VIRTIO_NET_F_GUEST_CSUM), OK);
	ck_assert_uint_eq(net->offloads, VIRTIO_NET_F_GUEST_CSUM);
	/* Not negotiated; no offload at all; one without what it needs. */
	ck_assert_uint_eq(set_offloads(VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO6), ERR);
	ck_assert_uint_eq(set_offloads(VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_CTRL_VQ), ERR);
	ck_assert_uint_eq(set_offloads(VIRTIO_NET_F_GUEST_TSO4), ERR);
	ck_assert_uint_eq(ctrl(2 * PAIRS, CLASS_OFFLOADS, 0, 0, 7), ERR);
	ck_assert_uint_eq(net->offloads, VIRTIO_NET_F_GUEST_CSUM);
	ck_assert_uint_eq(set_offloads(all), OK);
	ck_assert_uint_eq(net->offloads, all);
	ck_assert_uint_eq(set_offloads(0), OK);
	ck_assert_uint_eq(net->offloads, 0);
}
END_TEST

/* A TCP frame with ECN of two segments, as another guest may send it. */
static void fabric_send_gso(void)
{
	struct frame_offload o = { .flags = 1, .gso_type = 0x81, .hdr_len = 54, .gso_size = 500,
				   .csum_start = 34, .csum_offset = 16 };
	uint8_t *f = ring_reserve(&fabric.tx, 1054);

	ck_assert_ptr_nonnull(f);
	memset(f, 0, 1054);
	store_be16(f + 12, 0x0800);
	f[14] = 0x45;
	f[23] = 6;
	f[46] = 0x50;
	f[47] = 0x80; /* CWR */
	ring_commit(&fabric.tx, 1054, &o, 0);
	(void)ring_publish(&fabric.tx);
	virtio_net_kicked(net);
}

START_TEST(a_frame_with_ecn_is_cut_for_a_guest_that_does_not_take_it_now)
{
	const uint64_t all = VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_ECN;
	uint32_t id, len;

	start(mq | all | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, QUEUE_COUNT);
	for (unsigned i = 0; i < 4; i++)
		give_rx(0);
	fabric_send_gso();
	ck_assert(vguest_used(&g, &queue[0], &id, &len));
	ck_assert_uint_eq(len, HDR + 1054);
	ck_assert_uint_eq(set_offloads(all & ~VIRTIO_NET_F_GUEST_ECN), OK);
	fabric_send_gso();
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(vguest_used(&g, &queue[0], &id, &len));
		ck_assert_uint_eq(len, HDR + 554);
	}
}
END_TEST

START_TEST(ecn_needs_segmentation)
{
	ck_assert_uint_eq(vguest_negotiate(&g, mq | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_ECN), 3);
	ck_assert_uint_eq(vguest_negotiate(&g, mq | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_ECN), 3);
	ck_assert_uint_eq(vguest_negotiate(&g, mq | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO6 |
						       VIRTIO_NET_F_HOST_ECN), 11);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("virtio_net, several pairs");
	TCase *t = tcase_create("mq");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_card_says_how_many_pairs_it_has);
	tcase_add_test(t, more_pairs_than_there_can_be_make_no_card);
	tcase_add_test(t, one_pair_is_used_until_more_are_asked_for);
	tcase_add_test(t, a_number_of_pairs_that_cannot_be_is_refused);
	tcase_add_test(t, flows_nobody_sent_for_are_spread_and_stay);
	tcase_add_test(t, an_answer_comes_by_the_pair_that_asked);
	tcase_add_test(t, fewer_pairs_leave_the_others_alone);
	tcase_add_test(t, a_frame_waits_for_its_own_pair);
	tcase_add_test(t, a_pair_that_is_given_up_strands_nothing);
	tcase_add_test(t, a_queue_that_was_not_enabled_gets_nothing);
	tcase_add_test(t, without_mq_the_control_queue_is_the_third);
	tcase_add_test(t, pairs_that_wait_for_room_go_on_in_turn);
	tcase_add_test(t, a_reset_in_the_middle_of_traffic_leaves_nothing);
	tcase_add_test(t, offloads_are_switched_while_the_card_runs);
	tcase_add_test(t, a_frame_with_ecn_is_cut_for_a_guest_that_does_not_take_it_now);
	tcase_add_test(t, ecn_needs_segmentation);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
