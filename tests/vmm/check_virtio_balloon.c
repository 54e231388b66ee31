/* tests/vmm/check_virtio_balloon.c: the balloon under a small guest driver. */
#include "vmm/dev/virtio_balloon.h"

#include "core/wire.h"
#include "tests/unit.h"
#include "tests/vmm/vguest.h"

#include <string.h>
#include <sys/mman.h>

enum { RAM = 4 << 20, QUEUE_SIZE = 64, BLOCK = 1 << 20, BLOCK_LEN = 1 << 20, PAGE = 4096,
       CFG_NUM_PAGES = 0, CFG_ACTUAL = 4, STAT_LEN = 10 };

static struct vguest g;
static struct virtio_balloon *b;
static struct vguest_queue inflateq, deflateq, statsq, reportq;

static void setup(void)
{
	vguest_init(&g, RAM);
	ck_assert_int_eq(virtio_balloon_new(&g.mem, &b), 0);
	vguest_plug(&g, &b->pci);
}

static void teardown(void)
{
	b = virtio_balloon_free(b);
	vguest_done(&g);
}

/* @report_at: the number of the reporting queue. */
static void start(uint64_t features, unsigned report_at)
{
	ck_assert_uint_eq(vguest_negotiate(&g, features | VIRTIO_F_VERSION_1), 11);
	vguest_queue_up(&g, &inflateq, 0, QUEUE_SIZE);
	vguest_queue_up(&g, &deflateq, 1, QUEUE_SIZE);
	if (features & VIRTIO_BALLOON_F_STATS_VQ)
		vguest_queue_up(&g, &statsq, 2, QUEUE_SIZE);
	if (features & VIRTIO_BALLOON_F_PAGE_REPORTING)
		vguest_queue_up(&g, &reportq, report_at, QUEUE_SIZE);
	vguest_driver_ok(&g);
}

static void touch(uint64_t gpa, size_t len)
{
	memset(vguest_ptr(&g, gpa), 0x77, len);
}

static size_t resident(uint64_t gpa, size_t len)
{
	unsigned char seen[BLOCK_LEN / PAGE];
	size_t n = 0;

	ck_assert_int_eq(mincore(vguest_ptr(&g, gpa), len, seen), 0);
	for (size_t i = 0; i < len / PAGE; i++)
		n += seen[i] & 1;
	return n;
}

static void send(struct vguest_queue *q, const struct vguest_buf *buf, unsigned n)
{
	uint32_t id, len;

	vguest_add(&g, q, buf, n);
	vguest_kick(&g, q);
	ck_assert(vguest_used(&g, q, &id, &len));
	ck_assert_uint_eq(len, 0);
}

static void send_pfns(struct vguest_queue *q, const uint32_t *pfn, unsigned n)
{
	struct vguest_buf buf = { vguest_alloc(&g, 4 * n, 4), 4 * n, false };

	for (unsigned i = 0; i < n; i++)
		store_le32(vguest_ptr(&g, buf.gpa + 4 * i), pfn[i]);
	send(q, &buf, 1);
}

START_TEST(the_driver_is_told_the_target)
{
	start(0, 0);
	ck_assert_uint_eq(vguest_config(&g, CFG_NUM_PAGES, 4), 0);
	virtio_balloon_set_target(b, 1 << 20);
	ck_assert_uint_eq(vguest_config(&g, CFG_NUM_PAGES, 4), 256);
	ck_assert_uint_eq(g.n_msi[0], 1);
	virtio_balloon_set_target(b, 1 << 20);
	ck_assert_uint_eq(g.n_msi[0], 1);
	virtio_balloon_set_target(b, UINT64_MAX);
	ck_assert_uint_eq(virtio_balloon_target(b), RAM);
}
END_TEST

START_TEST(the_driver_tells_its_size_and_nothing_else)
{
	uint64_t config = g.bar + VIRTIO_PCI_DEVICE;

	start(0, 0);
	bus_mmio_write(&g.bus, config + CFG_ACTUAL, 4, 3);
	ck_assert_uint_eq(virtio_balloon_actual(b), 3 * PAGE);
	bus_mmio_write(&g.bus, config + CFG_NUM_PAGES, 4, 9);
	bus_mmio_write(&g.bus, config + CFG_ACTUAL, 8, 9);
	bus_mmio_write(&g.bus, config + CFG_ACTUAL + 2, 4, 9);
	ck_assert_uint_eq(virtio_balloon_actual(b), 3 * PAGE);
	ck_assert_uint_eq(virtio_balloon_target(b), 0);
	(void)vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	ck_assert_uint_eq(virtio_balloon_actual(b), 0);
}
END_TEST

START_TEST(inflated_pages_leave_the_host)
{
	static const uint32_t pfn[] = { 256, 257, 258, 263, 262, 261, 300 };

	start(0, 0);
	touch(BLOCK, BLOCK_LEN);
	ck_assert_uint_eq(resident(BLOCK, BLOCK_LEN), 256);
	send_pfns(&inflateq, pfn, sizeof pfn / sizeof *pfn);
	ck_assert_uint_eq(resident(BLOCK, BLOCK_LEN), 256 - 7);
	ck_assert_uint_eq(b->inflated_bytes, 7 * PAGE);
	ck_assert_uint_eq(b->n_bad, 0);
	/* What was given back is zero, what was not is as it was. */
	ck_assert_uint_eq(*vguest_ptr(&g, 262 * PAGE), 0);
	ck_assert_uint_eq(*vguest_ptr(&g, 259 * PAGE), 0x77);
	ck_assert_uint_eq(*vguest_ptr(&g, 264 * PAGE), 0x77);
	send_pfns(&deflateq, pfn, sizeof pfn / sizeof *pfn);
	ck_assert_uint_eq(b->inflated_bytes, 7 * PAGE);
}
END_TEST

START_TEST(pages_that_are_no_ram_are_passed_over)
{
	static const uint32_t pfn[] = { 256, 0xFFFFFFFF, RAM / PAGE, 257, 0xC0000 };

	start(0, 0);
	touch(BLOCK, BLOCK_LEN);
	send_pfns(&inflateq, pfn, sizeof pfn / sizeof *pfn);
	ck_assert_uint_eq(resident(BLOCK, BLOCK_LEN), 254);
	ck_assert_uint_eq(b->n_bad, 3);
	ck_assert(virtio_live(&b->dev));
}
END_TEST

/* Where the queue is depends on who counts. */
static const struct { uint64_t features; unsigned at; } layout[] = {
	{ VIRTIO_BALLOON_F_PAGE_REPORTING | VIRTIO_BALLOON_F_STATS_VQ, 4 }, /* the clause */
	{ VIRTIO_BALLOON_F_PAGE_REPORTING | VIRTIO_BALLOON_F_STATS_VQ, 3 }, /* Linux */
	{ VIRTIO_BALLOON_F_PAGE_REPORTING, 2 }, /* Linux without statistics */
};

START_TEST(reported_blocks_leave_the_host)
{
	/* The second begins and ends within pages: those stay. */
	const struct vguest_buf buf[] = { { BLOCK, BLOCK_LEN / 2, true },
					  { BLOCK + BLOCK_LEN / 2 + 100, 4 * PAGE, true } };

	start(layout[_i].features, layout[_i].at);
	touch(BLOCK, BLOCK_LEN);
	send(&reportq, buf, 2);
	ck_assert_uint_eq(resident(BLOCK, BLOCK_LEN), 128 - 3);
	ck_assert_uint_eq(*vguest_ptr(&g, BLOCK + BLOCK_LEN / 2), 0x77);
	ck_assert_uint_eq(*vguest_ptr(&g, BLOCK), 0);
	ck_assert_uint_eq(b->reported_bytes, BLOCK_LEN / 2 + 4 * PAGE);
}
END_TEST

START_TEST(nothing_is_reported_that_was_not_negotiated)
{
	const struct vguest_buf buf = { BLOCK, BLOCK_LEN, true };

	ck_assert_uint_eq(vguest_negotiate(&g, VIRTIO_F_VERSION_1), 11);
	vguest_queue_up(&g, &reportq, 4, QUEUE_SIZE);
	vguest_driver_ok(&g);
	touch(BLOCK, BLOCK_LEN);
	send(&reportq, &buf, 1);
	ck_assert_uint_eq(resident(BLOCK, BLOCK_LEN), 256);
}
END_TEST

static void give_stats(uint64_t free_bytes)
{
	struct vguest_buf buf = { vguest_alloc(&g, 2 * STAT_LEN, 2), 2 * STAT_LEN, false };
	uint8_t *p = vguest_ptr(&g, buf.gpa);

	store_le16(p, VIRTIO_BALLOON_S_FREE);
	store_le64(p + 2, free_bytes);
	store_le16(p + STAT_LEN, 999); /* a tag of the future */
	store_le64(p + STAT_LEN + 2, 1);
	vguest_add(&g, &statsq, &buf, 1);
	vguest_kick(&g, &statsq);
}

START_TEST(statistics_come_when_asked)
{
	uint32_t id, len;

	start(VIRTIO_BALLOON_F_STATS_VQ, 0);
	ck_assert_uint_eq(b->stat[VIRTIO_BALLOON_S_FREE], UINT64_MAX);
	virtio_balloon_ask_stats(b); /* no buffer yet */
	give_stats(1000);
	ck_assert(!vguest_used(&g, &statsq, &id, &len)); /* held */
	ck_assert_uint_eq(b->stat[VIRTIO_BALLOON_S_FREE], 1000);
	virtio_balloon_ask_stats(b);
	ck_assert(vguest_used(&g, &statsq, &id, &len));
	virtio_balloon_ask_stats(b);
	ck_assert(!vguest_used(&g, &statsq, &id, &len));
	give_stats(2000);
	ck_assert_uint_eq(b->stat[VIRTIO_BALLOON_S_FREE], 2000);
	/* A second one takes its place: the first goes back. */
	give_stats(3000);
	ck_assert(vguest_used(&g, &statsq, &id, &len));
	ck_assert(!vguest_used(&g, &statsq, &id, &len));
	(void)vguest_negotiate(&g, VIRTIO_F_VERSION_1);
	ck_assert_uint_eq(b->stat[VIRTIO_BALLOON_S_FREE], UINT64_MAX);
	virtio_balloon_ask_stats(b);
}
END_TEST

static unsigned n_code_writes;

static void code_write(void *ctx, uint64_t gpa, size_t len)
{
	(void)ctx;
	ck_assert_uint_eq(gpa, BLOCK);
	ck_assert_uint_eq(len, BLOCK_LEN);
	n_code_writes++;
}

START_TEST(the_engine_learns_that_code_is_gone)
{
	const struct vguest_buf buf = { BLOCK, BLOCK_LEN, true };

	start(VIRTIO_BALLOON_F_PAGE_REPORTING, 2);
	n_code_writes = 0;
	g.mem.on_code_write = code_write;
	g.mem.code_bits[(BLOCK / PAGE + 5) / 8] |= 1 << 5;
	send(&reportq, &buf, 1);
	ck_assert_uint_eq(n_code_writes, 1);
}
END_TEST

START_TEST(a_sweep_gives_zeros_back_and_nothing_else)
{
	uint64_t off = 0, given = 0;
	unsigned n = 0;

	touch(BLOCK, BLOCK_LEN);
	memset(vguest_ptr(&g, BLOCK + 3 * PAGE), 0, 5 * PAGE);
	*vguest_ptr(&g, BLOCK + 6 * PAGE - 1) = 1; /* the last byte of the third */
	memset(vguest_ptr(&g, RAM - PAGE), 0x77, PAGE);
	memset(vguest_ptr(&g, RAM - PAGE), 0, PAGE);
	do {
		given += mem_sweep(&g.mem, &off);
		n++;
	} while (off);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(given, 5 * PAGE);
	ck_assert_uint_eq(resident(BLOCK, BLOCK_LEN), 256 - 4);
	ck_assert_uint_eq(*vguest_ptr(&g, BLOCK + 6 * PAGE - 1), 1);
	ck_assert_uint_eq(*vguest_ptr(&g, BLOCK + 2 * PAGE), 0x77);
	ck_assert_uint_eq(*vguest_ptr(&g, BLOCK + 3 * PAGE), 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("virtio_balloon");
	TCase *t = tcase_create("virtio_balloon");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_driver_is_told_the_target);
	tcase_add_test(t, the_driver_tells_its_size_and_nothing_else);
	tcase_add_test(t, inflated_pages_leave_the_host);
	tcase_add_test(t, pages_that_are_no_ram_are_passed_over);
	tcase_add_loop_test(t, reported_blocks_leave_the_host, 0,
			    sizeof layout / sizeof layout[0]);
	tcase_add_test(t, nothing_is_reported_that_was_not_negotiated);
	tcase_add_test(t, statistics_come_when_asked);
	tcase_add_test(t, the_engine_learns_that_code_is_gone);
	tcase_add_test(t, a_sweep_gives_zeros_back_and_nothing_else);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
