/* tests/core/check_ring.c: the shared-memory ring, with a kind and with a
 * hostile peer. */
#include "core/prng.h"
#include "core/ring.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { DATA_SIZE = 256 * 1024 };

static struct ring_pair_fds fds;
static struct ring_pair machine, fabric;

static void setup(void)
{
	ck_assert_int_eq(ring_pair_create(DATA_SIZE, &fds), 0);
	ck_assert_int_eq(ring_pair_attach(&fds, RING_MACHINE, &machine), 0);
	ck_assert_int_eq(ring_pair_attach(&fds, RING_FABRIC, &fabric), 0);
}

static void teardown(void)
{
	ring_pair_detach(&machine);
	ring_pair_detach(&fabric);
	ring_pair_close(&fds);
	ck_assert_int_eq(fds.mem_fd, -1);
}

static bool put(struct ring *r, uint32_t len, uint8_t fill)
{
	struct frame_offload o = { .flags = fill, .gso_size = (uint16_t)len };
	uint8_t *p = ring_reserve(r, len);

	if (!p)
		return false;
	memset(p, fill, len);
	ring_commit(r, len, &o, fill);
	return true;
}

static uint64_t kicks(int fd)
{
	uint64_t v = 0;

	return read(fd, &v, sizeof v) == sizeof v ? v : 0;
}

START_TEST(nothing_is_seen_before_publish)
{
	struct ring_record rec;

	ck_assert(put(&machine.tx, 60, 1));
	ck_assert(!ring_peek(&fabric.rx, &rec));
	ck_assert(ring_publish(&machine.tx));
	ck_assert(ring_peek(&fabric.rx, &rec));
	ck_assert_uint_eq(rec.len, 60);
	ck_assert_uint_eq(rec.offload.flags, 1);
	ck_assert_uint_eq(rec.offload.gso_size, 60);
	ck_assert_int_eq(rec.time_ns, 1);
	ck_assert_uint_eq(rec.data[59], 1);
	ring_pop(&fabric.rx);
	ck_assert(!ring_peek(&fabric.rx, &rec));
	ck_assert(!ring_publish(&machine.tx));
}
END_TEST

START_TEST(order_and_bytes_hold_over_many_wraps)
{
	struct prng rng;
	struct ring_record rec;
	uint64_t sent = 0, got = 0;

	prng_init(&rng, 1, "ring");
	while (got < 60000) {
		for (uint64_t i = prng_below(&rng, 40); i > 0; i--) {
			uint32_t len = (uint32_t)prng_below(&rng, prng_below(&rng, 50) ? 1600 : FRAME_LEN_MAX + 1);

			if (!put(&fabric.tx, len, (uint8_t)sent))
				break;
			sent++;
		}
		ring_publish(&fabric.tx);
		for (uint64_t i = prng_below(&rng, 40); i > 0 && ring_peek(&machine.rx, &rec); i--) {
			ck_assert_uint_eq(rec.offload.flags, (uint8_t)got);
			ck_assert_uint_eq((uint16_t)rec.len, rec.offload.gso_size);
			if (rec.len) {
				ck_assert_uint_eq(rec.data[0], (uint8_t)got);
				ck_assert_uint_eq(rec.data[rec.len - 1], (uint8_t)got);
			}
			ring_pop(&machine.rx);
			got++;
		}
		ring_release(&machine.rx);
	}
	ck_assert(!machine.rx.broken && !fabric.tx.broken);
	ck_assert_uint_ge(sent, got);
}
END_TEST

START_TEST(the_largest_frame_always_fits_an_empty_ring)
{
	struct ring_record rec;

	for (uint32_t i = 0; i < 5000; i++) {
		ck_assert(put(&machine.tx, i & 1 ? FRAME_LEN_MAX : i % 1500, 9));
		ring_publish(&machine.tx);
		ck_assert(ring_peek(&fabric.rx, &rec));
		ring_pop(&fabric.rx);
		ring_release(&fabric.rx);
	}
	ck_assert_ptr_null(ring_reserve(&machine.tx, FRAME_LEN_MAX + 1));
}
END_TEST

START_TEST(a_shorter_commit_takes_less)
{
	struct frame_offload none = { 0 };
	struct ring_record rec;
	uint8_t *p = ring_reserve(&machine.tx, 2000);

	p[0] = 5;
	ring_commit(&machine.tx, 20, &none, 0);
	ck_assert(put(&machine.tx, 30, 6));
	ring_publish(&machine.tx);
	ck_assert(ring_peek(&fabric.rx, &rec));
	ck_assert_uint_eq(rec.len, 20);
	ring_pop(&fabric.rx);
	ck_assert(ring_peek(&fabric.rx, &rec));
	ck_assert_uint_eq(rec.len, 30);
}
END_TEST

START_TEST(an_awake_consumer_is_not_kicked)
{
	struct ring_record rec;

	kicks(fds.up_kick_fd);
	put(&machine.tx, 60, 1);
	ck_assert(ring_publish(&machine.tx)); /* a new ring sleeps */
	put(&machine.tx, 60, 2);
	ck_assert(!ring_publish(&machine.tx));
	ck_assert_uint_eq(kicks(fds.up_kick_fd), 1);
	ck_assert(!ring_sleep(&fabric.rx)); /* there is data: do not */
	put(&machine.tx, 60, 3);
	ck_assert(!ring_publish(&machine.tx));
	while (ring_peek(&fabric.rx, &rec))
		ring_pop(&fabric.rx);
	ring_release(&fabric.rx);
	ck_assert(ring_sleep(&fabric.rx));
	put(&machine.tx, 60, 4);
	ck_assert(ring_publish(&machine.tx));
	ck_assert_uint_eq(kicks(fds.up_kick_fd), 1);
	ck_assert_uint_eq(kicks(fds.down_kick_fd), 0);
	ck_assert_uint_eq(machine.tx.n_kicks, 2);
}
END_TEST

START_TEST(a_waiting_producer_is_told_of_room)
{
	struct ring_record rec;

	while (put(&machine.tx, 1500, 1))
		;
	ring_publish(&machine.tx);
	kicks(fds.down_kick_fd);
	ck_assert(ring_peek(&fabric.rx, &rec));
	ring_pop(&fabric.rx);
	ring_release(&fabric.rx);
	ck_assert_uint_eq(kicks(fds.down_kick_fd), 0); /* not for a single one */
	for (int i = 0; i < 100; i++)
		ring_pop(&fabric.rx);
	ring_release(&fabric.rx);
	ck_assert_uint_eq(kicks(fds.down_kick_fd), 1);
	ck_assert(put(&machine.tx, 1500, 1));
	while (ring_peek(&fabric.rx, &rec))
		ring_pop(&fabric.rx);
	ring_release(&fabric.rx);
	ck_assert_uint_eq(kicks(fds.down_kick_fd), 0); /* nobody waits */
}
END_TEST

START_TEST(the_fabric_never_waits_for_room)
{
	struct ring_record rec;

	while (put(&fabric.tx, 1500, 1))
		;
	ring_publish(&fabric.tx);
	kicks(fds.up_kick_fd);
	while (ring_peek(&machine.rx, &rec))
		ring_pop(&machine.rx);
	ring_release(&machine.rx);
	ck_assert_uint_eq(kicks(fds.up_kick_fd), 0);
}
END_TEST

START_TEST(a_side_started_anew_goes_on)
{
	struct ring_record rec;

	put(&machine.tx, 60, 1);
	ring_publish(&machine.tx);
	ring_pair_detach(&fabric);
	ck_assert_int_eq(ring_pair_attach(&fds, RING_FABRIC, &fabric), 0);
	ck_assert(ring_peek(&fabric.rx, &rec));
	ck_assert_uint_eq(rec.offload.flags, 1);
}
END_TEST

START_TEST(another_memory_is_refused)
{
	struct ring_pair_fds other = fds;
	struct ring_pair p;
	uint32_t *m = machine.map;

	other.mem_fd = 0;
	ck_assert_int_lt(ring_pair_attach(&other, RING_FABRIC, &p), 0);
	m[0] ^= 1;
	ck_assert_int_eq(ring_pair_attach(&fds, RING_FABRIC, &p), -EPROTO);
	m[0] ^= 1;
	m[2] *= 2; /* a size beyond the memory */
	ck_assert_int_eq(ring_pair_attach(&fds, RING_FABRIC, &p), -EPROTO);
	ck_assert_int_eq(ring_pair_create(100000, &other), -EINVAL);
	ck_assert_int_lt(ftruncate(fds.mem_fd, 0), 0);
}
END_TEST

/* Reads all there is; every byte must be readable. Returns a sum of them. */
static uint32_t drain(struct ring *r)
{
	struct ring_record rec;
	uint32_t sum = 0;

	for (int n = 0; n < 200000 && ring_peek(r, &rec); n++) {
		ck_assert_uint_le(rec.len, FRAME_LEN_MAX);
		ck_assert(rec.data >= r->data && rec.data + rec.len <= r->data + r->size);
		for (uint32_t i = 0; i < rec.len; i++)
			sum += rec.data[i];
		ring_pop(r);
	}
	ring_release(r);
	return sum;
}

/* A peer that writes random bytes over the cursors and the data. */
START_TEST(a_hostile_peer_harms_only_its_own_ring)
{
	uint8_t *m = machine.map;
	struct prng rng;
	unsigned n_broken = 0;

	prng_init(&rng, (uint64_t)_i, "hostile");
	for (int round = 0; round < 300; round++) {
		size_t reach = prng_below(&rng, 2) ? 400 : 40000;

		for (int i = 0; i < 20; i++)
			put(&machine.tx, (uint32_t)prng_below(&rng, 1500), 1);
		ring_publish(&machine.tx);
		for (uint64_t i = prng_below(&rng, 30); i > 0; i--) {
			size_t at = 16 + prng_below(&rng, reach);

			m[at] = prng_below(&rng, 3) ? (uint8_t)(prng_u64(&rng) & 0xf8) : 0xff;
		}
		if (prng_below(&rng, 2)) /* lengths that are just possible */
			memset(m + 4096 + 8 * prng_below(&rng, 5000), (int)prng_below(&rng, 2) * 0xff, 8);
		drain(&fabric.rx);
		put(&fabric.tx, 1000, 2);
		ring_publish(&fabric.tx);
		(void)ring_sleep(&fabric.rx);
		ring_wake(&fabric.rx);
		if (fabric.rx.broken) {
			struct ring_record rec;

			n_broken++;
			ck_assert(!ring_peek(&fabric.rx, &rec));
			ring_release(&fabric.rx);
			ck_assert(ring_sleep(&fabric.rx));
		}
		if (fabric.rx.broken || fabric.tx.broken) {
			memset(m + 64, 0, 4032);
			ring_pair_detach(&fabric);
			ck_assert_int_eq(ring_pair_attach(&fds, RING_FABRIC, &fabric), 0);
			ring_pair_detach(&machine);
			ck_assert_int_eq(ring_pair_attach(&fds, RING_MACHINE, &machine), 0);
			m = machine.map;
		}
	}
	ck_assert_uint_gt(n_broken, 0);
}
END_TEST

START_TEST(named_lies_break_the_ring)
{
	static const struct {
		const char *what;
		size_t at;
		uint32_t v;
	} lies[] = {
		{ "produced beyond the size", 64, 2 * DATA_SIZE + 8 },
		{ "produced less than consumed", 64, (uint32_t)-8 },
		{ "a cursor that is not aligned", 64, 4 },
		{ "a record longer than what was published", 4096, 1000 },
		{ "a record longer than a frame", 4096, FRAME_LEN_MAX + 1 },
		{ "a length near 2^32", 4096, UINT32_MAX - 8 },
		{ "a skip of the whole ring", 4096, UINT32_MAX },
	};
	struct ring_record rec;
	uint8_t *m = machine.map;

	put(&machine.tx, 60, 1);
	ring_publish(&machine.tx);
	memcpy(m + lies[_i].at, &lies[_i].v, 4);
	ck_assert_msg(!ring_peek(&fabric.rx, &rec), "%s", lies[_i].what);
	ck_assert_msg(fabric.rx.broken, "%s", lies[_i].what);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("ring");
	TCase *t = tcase_create("ring");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, nothing_is_seen_before_publish);
	tcase_add_test(t, order_and_bytes_hold_over_many_wraps);
	tcase_add_test(t, the_largest_frame_always_fits_an_empty_ring);
	tcase_add_test(t, a_shorter_commit_takes_less);
	tcase_add_test(t, an_awake_consumer_is_not_kicked);
	tcase_add_test(t, a_waiting_producer_is_told_of_room);
	tcase_add_test(t, the_fabric_never_waits_for_room);
	tcase_add_test(t, a_side_started_anew_goes_on);
	tcase_add_test(t, another_memory_is_refused);
	tcase_add_loop_test(t, a_hostile_peer_harms_only_its_own_ring, 0, 8);
	tcase_add_loop_test(t, named_lies_break_the_ring, 0, 7);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
