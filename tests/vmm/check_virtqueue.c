/* tests/vmm/check_virtqueue.c: the split ring, seen from the device, against
 * rings that are right and rings that lie. */
#include "vmm/dev/virtqueue.h"

#include "core/wire.h"
#include "tests/unit.h"
#include "tests/vmm/vguest.h"

#include <pthread.h>

enum { SIZE = 8, RAM = 1 << 20 };

static struct vguest g;
static struct vguest_queue q;
static struct virtqueue vq;
static struct vq_chain chain;
static uint64_t data;

static void bring_up(bool event_idx, bool indirect)
{
	vguest_init(&g, RAM);
	q = (struct vguest_queue){ .size = SIZE };
	q.desc = vguest_alloc(&g, 16 * SIZE, 16);
	q.avail = vguest_alloc(&g, 6 + 2 * SIZE, 2);
	q.used = vguest_alloc(&g, 6 + 8 * SIZE, 4);
	data = vguest_alloc(&g, 65536, 4096);
	vq_init(&vq, &g.mem, SIZE);
	vq.desc_gpa = q.desc;
	vq.avail_gpa = q.avail;
	vq.used_gpa = q.used;
	ck_assert(vq_enable(&vq, event_idx, indirect));
}

static void setup(void)
{
	bring_up(false, true);
}

static void teardown(void)
{
	vguest_done(&g);
}

START_TEST(a_chain_is_taken_read_written_and_returned)
{
	struct vguest_buf buf[] = { { data, 3, false }, { data + 100, 2, false },
				    { data + 200, 4, true }, { data + 300, 100, true } };
	struct vq_cursor out = { 0 }, in = { 0 };
	uint32_t id, len;
	char got[8] = "";

	memcpy(vguest_ptr(&g, data), "abc", 3);
	memcpy(vguest_ptr(&g, data + 100), "de", 2);
	vguest_add(&g, &q, buf, 4);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_GOT);
	ck_assert_uint_eq(chain.n_out, 2);
	ck_assert_uint_eq(chain.n_in, 2);
	ck_assert_uint_eq(chain.out_len, 5);
	ck_assert_uint_eq(chain.in_len, 104);
	ck_assert_uint_eq(vq_read(&chain, &out, got, 2), 2);
	ck_assert_uint_eq(vq_read(&chain, &out, got + 2, 6), 3);
	ck_assert_str_eq(got, "abcde");
	ck_assert_uint_eq(vq_write(&g.mem, &chain, &in, "0123456789", 10), 10);
	ck_assert_mem_eq(vguest_ptr(&g, data + 200), "0123", 4);
	ck_assert_mem_eq(vguest_ptr(&g, data + 300), "456789", 6);
	vq_push(&vq, chain.head, 10);
	ck_assert(!vguest_used(&g, &q, &id, &len));
	ck_assert(vq_publish(&vq));
	ck_assert(vguest_used(&g, &q, &id, &len));
	ck_assert_uint_eq(id, chain.head);
	ck_assert_uint_eq(len, 10);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_EMPTY);
}
END_TEST

START_TEST(writing_stops_at_the_end_of_the_writable_half)
{
	struct vguest_buf buf[] = { { data, 3, true } };
	struct vq_cursor in = { 0 };

	vguest_add(&g, &q, buf, 1);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_GOT);
	ck_assert_uint_eq(vq_write(&g.mem, &chain, &in, "abcdef", 6), 3);
	ck_assert_mem_eq(vguest_ptr(&g, data), "abc\0", 4);
	ck_assert_uint_eq(vq_write(&g.mem, &chain, &in, "x", 1), 0);
}
END_TEST

/* 70,000 entries: the indices wrap twice. */
START_TEST(indices_wrap)
{
	struct vguest_buf buf = { data, 1, false };
	uint32_t id, len;

	for (unsigned i = 0; i < 70000; i++) {
		uint16_t head = vguest_add(&g, &q, &buf, 1);

		ck_assert_int_eq(vq_pop(&vq, &chain), VQ_GOT);
		vq_push(&vq, chain.head, i);
		ck_assert(vq_publish(&vq));
		ck_assert(vguest_used(&g, &q, &id, &len));
		ck_assert_uint_eq(id, head);
		ck_assert_uint_eq(len, i);
	}
}
END_TEST

START_TEST(unpopped_chains_come_again)
{
	struct vguest_buf buf = { data, 1, false };
	uint16_t first = vguest_add(&g, &q, &buf, 1);

	vguest_add(&g, &q, &buf, 1);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_GOT);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_GOT);
	vq_unpop(&vq, 2);
	ck_assert(vq_has_avail(&vq));
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_GOT);
	ck_assert_uint_eq(chain.head, first);
}
END_TEST

START_TEST(an_indirect_table_is_followed)
{
	uint64_t table = vguest_alloc(&g, 16 * 4, 16);

	vguest_desc(&g, table, 0, data, 10, VG_DESC_NEXT, 2);
	vguest_desc(&g, table, 2, data + 50, 20, VG_DESC_NEXT | VG_DESC_WRITE, 3);
	vguest_desc(&g, table, 3, data + 90, 30, VG_DESC_WRITE, 0);
	vguest_desc(&g, q.desc, 5, table, 64, VG_DESC_INDIRECT, 0);
	vguest_avail(&g, &q, 5);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_GOT);
	ck_assert_uint_eq(chain.head, 5);
	ck_assert_uint_eq(chain.out_len, 10);
	ck_assert_uint_eq(chain.in_len, 50);
}
END_TEST

/* A direct descriptor may come before the table (§2.7.5.3.2). */
START_TEST(a_full_indirect_table_behind_a_direct_descriptor)
{
	uint64_t table = vguest_alloc(&g, 16 * SIZE, 16);

	for (uint16_t i = 0; i < SIZE - 1; i++)
		vguest_desc(&g, table, i, data, 1, i < SIZE - 2 ? VG_DESC_NEXT : 0,
			    (uint16_t)(i + 1));
	vguest_desc(&g, q.desc, 0, data, 1, VG_DESC_NEXT, 1);
	vguest_desc(&g, q.desc, 1, table, 16 * SIZE, VG_DESC_INDIRECT, 0);
	vguest_avail(&g, &q, 0);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_GOT);
	ck_assert_uint_eq(chain.out_len, SIZE);
}
END_TEST

/* ---- rings that lie ---- */

static void lie_loop(void)
{
	vguest_desc(&g, q.desc, 0, data, 1, VG_DESC_NEXT, 1);
	vguest_desc(&g, q.desc, 1, data, 1, VG_DESC_NEXT, 0);
	vguest_avail(&g, &q, 0);
}

static void lie_empty_loop(void)
{
	vguest_desc(&g, q.desc, 0, data, 0, VG_DESC_NEXT, 0);
	vguest_avail(&g, &q, 0);
}

static void lie_head(void)
{
	vguest_avail(&g, &q, SIZE);
}

static void lie_next(void)
{
	vguest_desc(&g, q.desc, 0, data, 1, VG_DESC_NEXT, 0xFFFF);
	vguest_avail(&g, &q, 0);
}

static void lie_outside(void)
{
	vguest_desc(&g, q.desc, 0, RAM - 1, 2, 0, 0);
	vguest_avail(&g, &q, 0);
}

static void lie_wrap(void)
{
	vguest_desc(&g, q.desc, 0, UINT64_MAX - 3, 16, 0, 0);
	vguest_avail(&g, &q, 0);
}

static void lie_order(void)
{
	vguest_desc(&g, q.desc, 0, data, 1, VG_DESC_NEXT | VG_DESC_WRITE, 1);
	vguest_desc(&g, q.desc, 1, data, 1, 0, 0);
	vguest_avail(&g, &q, 0);
}

static void lie_jump(void)
{
	store_le16(vguest_ptr(&g, q.avail) + 2, SIZE + 1);
}

static void lie_table_size(void)
{
	vguest_desc(&g, q.desc, 0, data, 17, VG_DESC_INDIRECT, 0);
	vguest_avail(&g, &q, 0);
}

static void lie_table_empty(void)
{
	vguest_desc(&g, q.desc, 0, data, 0, VG_DESC_INDIRECT, 0);
	vguest_avail(&g, &q, 0);
}

static void lie_table_outside(void)
{
	vguest_desc(&g, q.desc, 0, RAM - 16, 32, VG_DESC_INDIRECT, 0);
	vguest_avail(&g, &q, 0);
}

static void lie_table_next(void)
{
	vguest_desc(&g, data, 0, data, 1, 0, 0);
	vguest_desc(&g, q.desc, 0, data, 16, VG_DESC_INDIRECT | VG_DESC_NEXT, 1);
	vguest_avail(&g, &q, 0);
}

static void lie_table_nested(void)
{
	vguest_desc(&g, data, 0, data, 16, VG_DESC_INDIRECT, 0);
	vguest_desc(&g, q.desc, 0, data, 16, VG_DESC_INDIRECT, 0);
	vguest_avail(&g, &q, 0);
}

static void lie_table_loop(void)
{
	vguest_desc(&g, data, 0, data, 1, VG_DESC_NEXT, 0);
	vguest_desc(&g, q.desc, 0, data, 16, VG_DESC_INDIRECT, 0);
	vguest_avail(&g, &q, 0);
}

static void lie_table_longer_than_queue(void)
{
	for (uint16_t i = 0; i <= SIZE; i++)
		vguest_desc(&g, data, i, data, 1, i < SIZE ? VG_DESC_NEXT : 0, (uint16_t)(i + 1));
	vguest_desc(&g, q.desc, 0, data, 16 * (SIZE + 1), VG_DESC_INDIRECT, 0);
	vguest_avail(&g, &q, 0);
}

static const struct { const char *what; void (*tell)(void); bool table; } lie[] = {
	{ "loop", lie_loop, false }, { "loop of empty buffers", lie_empty_loop, false },
	{ "head", lie_head, false }, { "next", lie_next, false },
	{ "outside", lie_outside, false }, { "wrap", lie_wrap, false },
	{ "order", lie_order, false }, { "jump", lie_jump, false },
	{ "table size", lie_table_size, true }, { "empty table", lie_table_empty, true },
	{ "table outside", lie_table_outside, true }, { "table next", lie_table_next, true },
	{ "nested", lie_table_nested, true }, { "table loop", lie_table_loop, true },
	{ "table of queue size + 1", lie_table_longer_than_queue, true },
};
enum { LIE_COUNT = sizeof lie / sizeof lie[0] };

START_TEST(a_lie_breaks_the_queue)
{
	lie[_i].tell();
	ck_assert_msg(vq_pop(&vq, &chain) == VQ_BROKEN, "%s", lie[_i].what);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_BROKEN);
	ck_assert(!vq_has_avail(&vq));
	vq_push(&vq, 0, 0);
	ck_assert(!vq_publish(&vq));
	vq_reset(&vq);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_EMPTY);
}
END_TEST

START_TEST(a_table_that_was_not_negotiated_breaks_the_queue)
{
	vq.indirect = false;
	vguest_desc(&g, data, 0, data, 1, 0, 0);
	vguest_desc(&g, q.desc, 0, data, 16, VG_DESC_INDIRECT, 0);
	vguest_avail(&g, &q, 0);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_BROKEN);
}
END_TEST

static const struct { uint64_t desc, avail, used; uint16_t size; } bad_ring[] = {
	{ 4096 + 8, 8192, 12288, 8 }, { 4096, 8192 + 1, 12288, 8 }, { 4096, 8192, 12288 + 2, 8 },
	{ RAM - 64, 8192, 12288, 8 }, { 4096, RAM, 12288, 8 }, { 4096, 8192, RAM - 64, 8 },
	{ 4096, 8192, 12288, 0 }, { 4096, 8192, 12288, 6 }, { 4096, 8192, 12288, 16 },
	{ UINT64_MAX - 15, 8192, 12288, 8 },
};
enum { BAD_RING_COUNT = sizeof bad_ring / sizeof bad_ring[0] };

START_TEST(a_ring_in_the_wrong_place_is_refused)
{
	vq_reset(&vq);
	vq.desc_gpa = bad_ring[_i].desc;
	vq.avail_gpa = bad_ring[_i].avail;
	vq.used_gpa = bad_ring[_i].used;
	vq.size = bad_ring[_i].size;
	ck_assert(!vq_enable(&vq, false, false));
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_BROKEN);
}
END_TEST

/* ---- notifications both ways ---- */

START_TEST(flags_suppress_interrupts_and_notifications)
{
	struct vguest_buf buf = { data, 1, false };

	store_le16(vguest_ptr(&g, q.avail), 1);
	vguest_add(&g, &q, &buf, 1);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_GOT);
	vq_push(&vq, chain.head, 0);
	ck_assert(!vq_publish(&vq));
	(void)vq_ask_notify(&vq, false);
	ck_assert_uint_eq(load_le16(vguest_ptr(&g, q.used)), 1);
	ck_assert(!vq_ask_notify(&vq, true));
	ck_assert_uint_eq(load_le16(vguest_ptr(&g, q.used)), 0);
	vguest_add(&g, &q, &buf, 1);
	ck_assert(vq_ask_notify(&vq, true));
}
END_TEST

/* The guest wants an interrupt when its element @event is used (§2.7.7.2). */
static const struct { uint16_t event; unsigned n; bool interrupts; } event_case[] = {
	{ 0, 1, true }, { 0, 3, true }, { 2, 3, true }, { 3, 3, false }, { 1, 1, false },
	{ 0xFFFF, 5, false },
};
enum { EVENT_CASE_COUNT = sizeof event_case / sizeof event_case[0] };

START_TEST(the_event_index_decides_about_interrupts)
{
	struct vguest_buf buf = { data, 1, false };

	teardown();
	bring_up(true, false);
	store_le16(vguest_ptr(&g, q.avail) + 4 + 2 * SIZE, event_case[_i].event);
	for (unsigned i = 0; i < event_case[_i].n; i++) {
		vguest_add(&g, &q, &buf, 1);
		ck_assert_int_eq(vq_pop(&vq, &chain), VQ_GOT);
		vq_push(&vq, chain.head, 0);
	}
	ck_assert(vq_publish(&vq) == event_case[_i].interrupts);
}
END_TEST

START_TEST(the_event_index_tells_where_to_notify)
{
	struct vguest_buf buf = { data, 1, false };
	const uint8_t *event;

	teardown();
	bring_up(true, false);
	event = vguest_ptr(&g, q.used) + 4 + 8 * SIZE;
	vguest_add(&g, &q, &buf, 1);
	vguest_add(&g, &q, &buf, 1);
	ck_assert_int_eq(vq_pop(&vq, &chain), VQ_GOT);
	vq_unpop(&vq, 1);
	/* Two do not suffice: the third shall be notified. */
	ck_assert(!vq_ask_more(&vq));
	ck_assert_uint_eq(load_le16(event), 2);
	vguest_add(&g, &q, &buf, 1);
	ck_assert(vq_ask_more(&vq));
}
END_TEST

/* ---- a guest that changes what is being read ------------------------------------------ */

/* So often each way, that both threads ran at once; and no more in all. */
enum { RACES = 400000, RACES_MAX = 8000000 };
static bool racing;

/* One descriptor, and one in a table, flip between what is right and what is not. */
static void *flip(void *arg)
{
	uint8_t *d = vguest_ptr(&g, q.desc), *t = vguest_ptr(&g, data);

	(void)arg;
	while (__atomic_load_n(&racing, __ATOMIC_RELAXED)) {
		store_le32(d + 8, 0x7FFFFFF0); /* a length, a place, a way on */
		store_le64(t, RAM - 16);
		store_le16(t + 14, 77);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		store_le32(d + 8, 32);
		store_le64(t, data + 4096);
		store_le16(t + 14, 1);
		for (unsigned i = 0; i < 100; i++)
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* What was checked is what is used: each buffer is RAM, all of it. */
START_TEST(a_descriptor_that_changes_is_checked_as_it_is_used)
{
	const uint8_t *ram = vguest_ptr(&g, 0);
	unsigned got = 0, broken = 0, wrong = 0;
	pthread_t guest;

	vguest_desc(&g, data, 0, data + 4096, 64, VG_DESC_NEXT, 1);
	vguest_desc(&g, data, 1, data + 8192, 64, VG_DESC_WRITE, 0);
	vguest_desc(&g, q.desc, 0, data, 32, VG_DESC_INDIRECT, 0);
	racing = true;
	ck_assert_int_eq(pthread_create(&guest, NULL, flip, NULL), 0);
	for (unsigned i = 0; i < RACES_MAX && (got < RACES || broken < RACES); i++) {
		vguest_avail(&g, &q, 0);
		if (vq_pop(&vq, &chain) != VQ_GOT) {
			broken++;
			vq.broken = false;
			vq.last_avail++;
			continue;
		}
		got++;
		for (unsigned s = 0; s < (unsigned)chain.n_out + chain.n_in; s++) {
			uint64_t off = (uint64_t)(chain.seg[s].host - ram);

			wrong += off >= RAM || off + chain.seg[s].len > RAM || off != chain.seg[s].gpa;
		}
	}
	__atomic_store_n(&racing, false, __ATOMIC_RELAXED);
	ck_assert_int_eq(pthread_join(guest, NULL), 0);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_gt(got, 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("virtqueue");
	TCase *t = tcase_create("virtqueue");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_chain_is_taken_read_written_and_returned);
	tcase_add_test(t, writing_stops_at_the_end_of_the_writable_half);
	tcase_add_test(t, indices_wrap);
	tcase_add_test(t, unpopped_chains_come_again);
	tcase_add_test(t, an_indirect_table_is_followed);
	tcase_add_test(t, a_full_indirect_table_behind_a_direct_descriptor);
	tcase_add_loop_test(t, a_lie_breaks_the_queue, 0, LIE_COUNT);
	tcase_add_test(t, a_table_that_was_not_negotiated_breaks_the_queue);
	tcase_add_loop_test(t, a_ring_in_the_wrong_place_is_refused, 0, BAD_RING_COUNT);
	tcase_add_test(t, flags_suppress_interrupts_and_notifications);
	tcase_add_loop_test(t, the_event_index_decides_about_interrupts, 0, EVENT_CASE_COUNT);
	tcase_add_test(t, the_event_index_tells_where_to_notify);
	tcase_add_test(t, a_descriptor_that_changes_is_checked_as_it_is_used);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
