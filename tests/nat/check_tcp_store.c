/* tests/nat/check_tcp_store.c: what came out of order: against a model of each byte, and at its bounds. */
#include "core/prng.h"
#include "nat/tcp_store.h"
#include "tests/unit.h"

#include <string.h>

enum { SPAN = 3000, STEPS = 2000, BASE = 0xfffffc00u };

static struct tcp_store store;
static struct tcp_store_limits limits;

static void setup(void)
{
	store = (struct tcp_store){ 0 };
	limits = (struct tcp_store_limits){ .bytes_max = 1 << 20, .conn_max = 1 << 20 };
}

static void teardown(void)
{
	tcp_store_done(&store, &limits);
	ck_assert_uint_eq(limits.bytes, 0);
	ck_assert_uint_eq(store.bytes, 0);
	ck_assert_uint_eq(store.n, 0);
	ck_assert_ptr_null(store.first);
}

/* -1: not held; otherwise the byte that came first. */
static int model[SPAN];

static void compare(uint32_t from)
{
	for (uint32_t at = from; at < SPAN; at += 37) {
		struct tcp_range r;
		uint32_t start = at, end = at, next = at;

		while (next < SPAN && model[next] < 0)
			next++;
		ck_assert_uint_eq(tcp_store_next(&store, BASE + at, BASE + SPAN) - BASE, next);
		ck_assert_int_eq(tcp_store_range(&store, BASE + at, &r), model[at] >= 0);
		if (model[at] < 0)
			continue;
		while (start > from && model[start - 1] >= 0)
			start--;
		while (end < SPAN && model[end] >= 0)
			end++;
		/* A chunk may reach back before what was dropped. */
		ck_assert(r.end == BASE + end && (r.start == BASE + start || (start == from && !seq_after(r.start, BASE + from))));
	}
}

START_TEST(of_each_byte_the_first_stays)
{
	struct prng rng;
	uint32_t done = 0;
	uint8_t data[400];

	prng_init(&rng, (uint64_t)_i, "store");
	for (unsigned i = 0; i < SPAN; i++)
		model[i] = -1;
	for (unsigned i = 0; i < STEPS && done < SPAN - 1; i++) {
		uint32_t at = done + (uint32_t)prng_below(&rng, SPAN - done), len, n_want = 0, n_new;
		const uint8_t *held;

		len = 1 + (uint32_t)prng_below(&rng, prng_below(&rng, 4) ? 20 : sizeof data);
		len = len < SPAN - at ? len : SPAN - at;
		for (uint32_t k = 0; k < len; k++) {
			data[k] = (uint8_t)prng_u64(&rng);
			n_want += model[at + k] < 0;
			model[at + k] = model[at + k] < 0 ? data[k] : model[at + k];
		}
		ck_assert_uint_eq(tcp_store_put(&store, &limits, BASE + at, data, len, &n_new), 0);
		ck_assert_uint_eq(n_new, n_want);
		compare(done);
		len = tcp_store_get(&store, BASE + done, &held);
		ck_assert((len > 0) == (model[done] >= 0));
		for (uint32_t k = 0; k < len; k++)
			ck_assert_int_eq(held[k], model[done + k]);
		if (prng_below(&rng, 4) == 0)
			done += len ? 1 + (uint32_t)prng_below(&rng, len) : (uint32_t)prng_below(&rng, 3);
		tcp_store_drop(&store, &limits, BASE + done);
	}
	ck_assert_uint_eq(limits.n_dropped, 0);
}
END_TEST

/* A run behind one lost segment is a few chunks, and costs no more than twice its bytes and their heads. */
START_TEST(a_long_run_is_few_chunks)
{
	static uint8_t data[1460];
	uint32_t n_new;

	for (uint32_t i = 0; i < 100; i++)
		ck_assert_uint_eq(tcp_store_put(&store, &limits, BASE + 1460 * i, data, 1460, &n_new), 0);
	ck_assert_uint_le(store.n, 146000 / TCP_CHUNK_SIZE_MAX + 2);
	ck_assert_uint_lt(store.bytes, 2 * 146000 + 200);
}
END_TEST

START_TEST(single_bytes_are_charged_with_their_heads)
{
	uint32_t n_new, n_kept = 0, n_dropped = 0;
	uint8_t byte = 7;

	limits.conn_max = 10000;
	for (uint32_t i = 0; i < 2000; i++) {
		n_dropped += tcp_store_put(&store, &limits, BASE + 2 * i, &byte, 1, &n_new);
		n_kept += n_new;
	}
	ck_assert_uint_le(store.bytes, 10000);
	ck_assert_uint_lt(n_kept, 10000 / 16);
	ck_assert_uint_eq(n_kept + n_dropped, 2000);
	ck_assert_uint_eq(limits.n_dropped, n_dropped);
}
END_TEST

START_TEST(chunks_are_bounded)
{
	uint32_t n_new, n_kept = 0;
	uint8_t byte = 7;

	for (uint32_t i = 0; i < TCP_CHUNKS_MAX + 50; i++) {
		(void)tcp_store_put(&store, &limits, BASE + 2 * i, &byte, 1, &n_new);
		n_kept += n_new;
	}
	ck_assert_uint_eq(store.n, TCP_CHUNKS_MAX);
	ck_assert_uint_eq(n_kept, TCP_CHUNKS_MAX);
}
END_TEST

/* Two connections share one bound on bytes: what the first frees, the second can take. */
START_TEST(all_together_are_bounded)
{
	static uint8_t data[1000];
	struct tcp_store other = { 0 };
	uint32_t n_new;

	limits.bytes_max = 2500;
	ck_assert_uint_eq(tcp_store_put(&store, &limits, BASE, data, 1000, &n_new), 0);
	ck_assert_uint_eq(tcp_store_put(&other, &limits, BASE, data, 1000, &n_new), 0);
	ck_assert_uint_eq(tcp_store_put(&other, &limits, BASE + 5000, data, 1000, &n_new), 1000);
	ck_assert_uint_eq(n_new, 0);
	tcp_store_done(&store, &limits);
	ck_assert_uint_eq(tcp_store_put(&other, &limits, BASE + 5000, data, 1000, &n_new), 0);
	tcp_store_done(&other, &limits);
	ck_assert_uint_eq(limits.n_dropped, 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("tcp_store");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, of_each_byte_the_first_stays, 0, 10);
	tcase_add_test(t, a_long_run_is_few_chunks);
	tcase_add_test(t, single_bytes_are_charged_with_their_heads);
	tcase_add_test(t, chunks_are_bounded);
	tcase_add_test(t, all_together_are_bounded);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
