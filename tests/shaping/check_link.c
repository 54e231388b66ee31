/* tests/shaping/check_link.c: the link element on a virtual clock. */
#include "core/checksum.h"
#include "core/prng.h"
#include "shaping/link.h"
#include "tests/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ARRIVALS_MAX = 400000 };

/* Where frames go: their times and their numbers (first four bytes). */
static struct {
	nsec_t at[ARRIVALS_MAX];
	uint32_t number[ARRIVALS_MAX];
	uint32_t len[ARRIVALS_MAX];
	uint8_t last[64]; /* first bytes of the last one */
	size_t n;
} got;
static struct frame_pool *pool;

static void arrive(void *ctx, struct frame *f, nsec_t now)
{
	(void)ctx;
	ck_assert_uint_lt(got.n, ARRIVALS_MAX);
	got.at[got.n] = now;
	got.len[got.n] = f->len;
	memcpy(&got.number[got.n], f->data, 4);
	memcpy(got.last, f->data, sizeof got.last);
	got.n++;
	frame_free(f);
}

static void setup(void)
{
	ck_assert_int_eq(frame_pool_new(1024, &pool), 0);
	got.n = 0;
}

static void teardown(void)
{
	pool = frame_pool_free(pool);
}

static struct link *make(const struct shape_dir *s, uint64_t seed)
{
	struct link *l;

	ck_assert_int_eq(link_new(s, 1500, seed, "lan/a.0/up", pool, &(struct frame_sink){ arrive, NULL }, &l), 0);
	return l;
}

static void put(struct link *l, uint32_t number, uint32_t len, nsec_t now)
{
	struct frame *f = frame_new(pool, len);

	memset(f->data, 0, len);
	memcpy(f->data, &number, 4);
	f->len = len;
	link_take(l, f, now);
}

/* Calls link_run() at each instant it asks for, up to @until. */
static void run_until(struct link *l, nsec_t until)
{
	while (link_next(l) <= until)
		link_run(l, link_next(l));
}

static void check_books(const struct link *l)
{
	const struct element_counters *c = link_counters(l);
	uint64_t lost = 0;

	for (size_t i = 0; i < LOSS_REASON_COUNT; i++)
		lost += c->lost_frames[i];
	ck_assert_uint_eq(c->entered_frames + c->copied_frames,
			  c->delivered_frames + lost + c->queued_frames);
}

START_TEST(a_plain_link_hands_on_at_once)
{
	struct link *l = make(&(struct shape_dir){ 0 }, 1);
	struct frame *f = frame_new(pool, 4000);

	f->len = 4000;
	f->offload = (struct frame_offload){ 1, 1, 54, 1448, 34, 16 };
	link_take(l, f, 5); /* GSO passes whole */
	ck_assert_uint_eq(got.n, 1);
	ck_assert_uint_eq(got.len[0], 4000);
	ck_assert_int_eq(got.at[0], 5);
	ck_assert_int_eq(link_next(l), NSEC_NEVER);
	check_books(l);
	link_free(l);
}
END_TEST

START_TEST(a_lone_frame_takes_length_over_rate_plus_delay)
{
	static const struct {
		uint64_t rate;
		nsec_t delay;
		uint32_t len;
		nsec_t want;
	} t[] = {
		{ 1000000, 20 * NSEC_PER_MSEC, 125, 21 * NSEC_PER_MSEC },
		{ 10000000000, 0, 64, 52 }, /* 51.2: never early */
		{ 56000, 60 * NSEC_PER_MSEC, 70, 70 * NSEC_PER_MSEC },
		{ 0, 7, 1514, 7 },
		{ 1544000, 5 * NSEC_PER_MSEC, 1514, 5 * NSEC_PER_MSEC + 7844560 },
	};
	struct link *l = make(&(struct shape_dir){ .rate_bps = t[_i].rate, .delay_ns = t[_i].delay }, 1);

	for (nsec_t start = 1000; start < 1003; start++) {
		nsec_t base = start * NSEC_PER_SEC;

		put(l, 1, t[_i].len, base);
		run_until(l, base + t[_i].want - 1);
		ck_assert_uint_eq(got.n, (size_t)(start - 1000));
		run_until(l, base + t[_i].want);
		ck_assert_int_eq(got.at[got.n - 1], base + t[_i].want);
	}
	link_free(l);
}
END_TEST

/* Backlogged for 10 s: the rate within 0.5 %, and no burst. */
START_TEST(the_rate_is_met_and_never_exceeded)
{
	static const uint64_t rates[] = { 56000, 1544000, 10000000, 100000000 };
	uint64_t rate = rates[_i], bits = 0;
	uint32_t len = 1514;
	struct link *l = make(&(struct shape_dir){ .rate_bps = rate, .queue_in_packets = true, .queue = 50 }, 1);
	nsec_t end = 10 * NSEC_PER_SEC;

	for (nsec_t now = 0; now < end; now = nsec_min(link_next(l), end)) {
		link_run(l, now);
		while (link_counters(l)->queued_frames < 50)
			put(l, 0, len, now);
		check_books(l);
	}
	run_until(l, end);
	for (size_t i = 0; i < got.n; i++)
		bits += 8 * (uint64_t)got.len[i];
	ck_assert_double_eq_tol((double)bits / 10, (double)rate, 0.005 * (double)rate + 8.0 * len / 10);
	/* In any window of T: at most R*T + one frame. */
	for (size_t i = 0; i + 40 < got.n; i++) {
		double t = (double)(got.at[i + 40] - got.at[i]) / 1e9;

		ck_assert_double_le(40.0 * 8 * len, (double)rate * t + 8.0 * len);
	}
	link_free(l);
}
END_TEST

START_TEST(nothing_is_rounded_away_at_high_rates)
{
	struct link *l = make(&(struct shape_dir){ .rate_bps = 10000000000, .queue_in_packets = true,
						    .queue = 100000 }, 1);

	for (uint32_t i = 0; i < 100000; i++)
		put(l, i, 64, 0);
	run_until(l, NSEC_PER_SEC);
	ck_assert_uint_eq(got.n, 100000);
	ck_assert_int_eq(got.at[99999], 5120000); /* 100,000 * 51.2 ns */
	link_free(l);
}
END_TEST

/* Times that run back a little: the wire is not used twice. */
START_TEST(an_early_frame_waits_for_the_wire)
{
	struct link *l = make(&(struct shape_dir){ .rate_bps = 8000000 }, 1);

	put(l, 0, 1000, NSEC_PER_SEC);
	run_until(l, NSEC_PER_SEC + 2 * NSEC_PER_MSEC);
	put(l, 1, 1000, NSEC_PER_SEC + 500 * NSEC_PER_USEC);
	run_until(l, 2 * NSEC_PER_SEC);
	ck_assert_uint_eq(got.n, 2);
	ck_assert_int_eq(got.at[1], NSEC_PER_SEC + 2 * NSEC_PER_MSEC);
	link_free(l);
}
END_TEST

START_TEST(the_queue_is_exact)
{
	static const struct {
		bool packets;
		uint64_t queue;
		uint32_t len;
		size_t want;
	} t[] = {
		{ true, 50, 1000, 50 }, { true, 1, 1000, 1 }, { false, 64000, 1000, 64 },
		{ false, 63999, 1000, 63 }, { false, 999, 1000, 0 }, { false, 0, 1500, 20 },
	};
	/* A long line behind the bottleneck does not count. */
	struct link *l = make(&(struct shape_dir){ .rate_bps = 8000, .delay_ns = 3600 * NSEC_PER_SEC,
						    .queue_in_packets = t[_i].packets,
						    .queue = t[_i].queue }, 1);

	for (uint32_t i = 0; i < 200; i++)
		put(l, i, t[_i].len, 0);
	ck_assert_uint_eq(link_counters(l)->queued_frames, t[_i].want);
	ck_assert_uint_eq(link_counters(l)->lost_frames[LOSS_QUEUE], 200 - t[_i].want);
	if (t[_i].want) {
		/* The head's last bit makes room for exactly one more. */
		nsec_t out = (nsec_t)t[_i].len * NSEC_PER_MSEC;

		put(l, 1, t[_i].len, out - 1);
		ck_assert_uint_eq(link_counters(l)->queued_frames, t[_i].want);
		put(l, 1, t[_i].len, out);
		ck_assert_uint_eq(link_counters(l)->queued_frames, t[_i].want + 1);
	}
	check_books(l);
	link_free(l);
}
END_TEST

START_TEST(the_default_queue_is_a_tenth_of_a_second)
{
	ck_assert_uint_eq(shape_queue_limit(&(struct shape_dir){ .rate_bps = 8000000 }, 1500), 100000);
	ck_assert_uint_eq(shape_queue_limit(&(struct shape_dir){ .rate_bps = 56000 }, 576), 11520);
	ck_assert_uint_eq(shape_queue_limit(&(struct shape_dir){ .queue = 7 }, 1500), 7);
}
END_TEST

START_TEST(cells_and_overhead_cost_what_they_cost)
{
	struct link *l = make(&(struct shape_dir){ .rate_bps = 1000000000, .overhead_bytes = 40,
						    .cell_payload = 48, .cell_size = 53 }, 1);

	put(l, 1, 60, 0); /* 100 bytes: 3 cells of 53 */
	run_until(l, NSEC_PER_SEC);
	ck_assert_int_eq(got.at[0], 159 * 8);
	link_free(l);
}
END_TEST

/* 99 % interval of a binomial of n = 10^5. */
START_TEST(losses_are_binomial)
{
	static const double shares[] = { 0.001, 0.01, 0.3 };
	double p = shares[_i], n = 100000;
	struct link *l = make(&(struct shape_dir){ .loss = p }, 42);

	for (uint32_t i = 0; i < 100000; i++)
		put(l, i, 64, i);
	ck_assert_double_eq_tol((double)link_counters(l)->lost_frames[LOSS_RANDOM], n * p,
				2.576 * sqrt(n * p * (1 - p)));
	check_books(l);
	link_free(l);
}
END_TEST

START_TEST(a_lost_frame_has_used_the_bottleneck)
{
	struct link *l = make(&(struct shape_dir){ .rate_bps = 8000, .loss = 0.5 }, 1);

	for (uint32_t i = 0; i < 20; i++)
		put(l, i, 1000, 0);
	run_until(l, 100 * NSEC_PER_SEC);
	ck_assert(got.n > 0 && got.n < 20);
	for (size_t i = 0; i < got.n; i++)
		ck_assert_int_eq(got.at[i], (got.number[i] + 1) * NSEC_PER_SEC);
	link_free(l);
}
END_TEST

/* The same seed and frames give the same losses, whatever jitter does and
 * whenever the element is called; another seed gives others. */
START_TEST(a_seed_gives_one_sequence)
{
	static uint32_t first[2000];
	size_t n_first;
	struct shape_dir s = { .rate_bps = 10000000, .loss = 0.1, .queue = 1 << 20 };
	struct link *l = make(&s, 7);

	for (uint32_t i = 0; i < 2000; i++)
		put(l, i, 64, i);
	run_until(l, NSEC_PER_SEC);
	memcpy(first, got.number, sizeof first);
	n_first = got.n;
	link_free(l);

	got.n = 0;
	s.jitter_ns = NSEC_PER_MSEC;
	l = make(&s, 7);
	for (uint32_t i = 0; i < 2000; i++)
		put(l, i, 64, i);
	link_run(l, NSEC_PER_SEC); /* one late call */
	ck_assert_uint_eq(got.n, n_first);
	ck_assert_mem_eq(first, got.number, n_first * sizeof first[0]);
	link_free(l);

	got.n = 0;
	l = make(&s, 8);
	for (uint32_t i = 0; i < 2000; i++)
		put(l, i, 64, i);
	run_until(l, NSEC_PER_SEC);
	ck_assert(got.n != n_first || memcmp(first, got.number, n_first * sizeof first[0]) != 0);
	link_free(l);
}
END_TEST

/* Mean burst within 5 % of 1/r, the share lost p / (p + r). */
START_TEST(gilbert_elliott_bursts)
{
	struct shape_dir s = { .has_ge = true, .ge_p = 0.01, .ge_r = 0.25, .ge_bad = 1 };
	struct link *l = make(&s, 3);
	uint64_t bursts = 0, lost = 0, before = 0;
	bool was_lost = false;

	for (uint32_t i = 0; i < 1000000; i++) {
		uint64_t now_lost;

		got.n = 0;
		put(l, i, 64, i);
		now_lost = link_counters(l)->lost_frames[LOSS_RANDOM] - before;
		before += now_lost;
		lost += now_lost;
		bursts += now_lost && !was_lost;
		was_lost = now_lost;
	}
	ck_assert_double_eq_tol((double)lost / (double)bursts, 1 / s.ge_r, 0.05 / s.ge_r);
	ck_assert_double_eq_tol((double)lost / 1e6, s.ge_p / (s.ge_p + s.ge_r), 0.002);
	link_free(l);
}
END_TEST

/* p or r of 0: the state is never left. Good loses nothing, so with p = 0 nothing is lost; and
 * with p = 1, r = 0 everything from the second frame on. */
START_TEST(gilbert_elliott_never_changes)
{
	struct shape_dir s = { .has_ge = true, .ge_p = _i, .ge_r = 0, .ge_bad = 1 };
	struct link *l = make(&s, 3);

	for (uint32_t i = 0; i < 10000; i++) {
		got.n = 0;
		put(l, i, 64, i);
	}
	ck_assert_uint_eq(link_counters(l)->lost_frames[LOSS_RANDOM], _i ? 9999 : 0);
	link_free(l);
}
END_TEST

START_TEST(jitter_spreads_and_keeps_order)
{
	static const struct {
		enum shape_distribution d;
		double sigma; /* of jitter 2 ms, in ns */
	} t[] = { { SHAPE_UNIFORM, 2e6 / 1.7320508 }, { SHAPE_NORMAL, 2e6 }, { SHAPE_PARETO, 2e6 } };
	struct link *l = make(&(struct shape_dir){ .delay_ns = 20 * NSEC_PER_MSEC, .jitter_ns = 2 * NSEC_PER_MSEC,
						    .distribution = t[_i].d }, 9);
	double sum = 0, squares = 0, mean;

	/* Far apart: each delay is its own. */
	for (uint32_t i = 0; i < 20000; i++)
		put(l, i, 64, (nsec_t)i * 100 * NSEC_PER_MSEC);
	run_until(l, NSEC_NEVER - 1);
	ck_assert_uint_eq(got.n, 20000);
	for (size_t i = 0; i < got.n; i++) {
		double d = (double)(got.at[i] - (nsec_t)i * 100 * NSEC_PER_MSEC);

		sum += d;
		squares += d * d;
	}
	mean = sum / 20000;
	ck_assert_double_eq_tol(mean, 20e6, 0.1e6);
	/* The variance of the sample of a Pareto with exponent 3 is wide. */
	ck_assert_double_eq_tol(sqrt(squares / 20000 - mean * mean), t[_i].sigma,
				t[_i].d == SHAPE_PARETO ? 0.5e6 : 0.05e6);
	/* Close together: order is kept. */
	got.n = 0;
	for (uint32_t i = 0; i < 1000; i++)
		put(l, i, 64, 3000 * NSEC_PER_SEC + i);
	run_until(l, NSEC_NEVER - 1);
	for (uint32_t i = 0; i < 1000; i++) {
		ck_assert_uint_eq(got.number[i], i);
		ck_assert(i == 0 || got.at[i] >= got.at[i - 1]);
	}
	link_free(l);
}
END_TEST

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* 50 +- 10 ms under load: the delays stay uniform although order is kept
 * (independent draws give a mean of 56 ms here). */
START_TEST(jitter_under_load_does_not_ratchet)
{
	static const nsec_t gaps[] = { 50 * NSEC_PER_USEC, 2400 * NSEC_PER_USEC, 15 * NSEC_PER_MSEC };
	static double d[100000];
	struct link *l = make(&(struct shape_dir){ .delay_ns = 50 * NSEC_PER_MSEC, .jitter_ns = 10 * NSEC_PER_MSEC }, 3);
	nsec_t gap = gaps[_i], span = 500 * NSEC_PER_SEC;
	uint32_t every = gap < NSEC_PER_MSEC ? 10 : 1, n = 0, i = 0;
	nsec_t last = 0;
	double sum = 0;

	for (nsec_t now = 0; now < span && n < 100000; now += gap) {
		put(l, 0, 64, now);
		run_until(l, NSEC_NEVER - 1); /* alone, so it is the last one */
		ck_assert_uint_eq(got.n, 1);
		ck_assert_int_ge(got.at[0], last);
		last = got.at[0];
		if (i++ % every == 0)
			d[n++] = (double)(last - now);
		got.n = 0;
	}
	for (uint32_t k = 0; k < n; k++)
		sum += d[k];
	qsort(d, n, sizeof d[0], by_value);
	ck_assert_double_eq_tol(sum / n, 50e6, 0.3e6);
	ck_assert_double_eq_tol(d[n / 2], 50e6, 0.5e6);
	ck_assert_double_eq_tol(d[n / 100 * 99], 59.8e6, 0.2e6);
	ck_assert_double_ge(d[0], 40e6);
	ck_assert_double_le(d[n - 1], 60e6);
	link_free(l);
}
END_TEST

START_TEST(reorder_lets_frames_overtake)
{
	struct link *l = make(&(struct shape_dir){ .rate_bps = 8000000, .delay_ns = 10 * NSEC_PER_MSEC,
						    .reorder = 0.25 }, 5);
	unsigned n_early = 0;

	for (uint32_t i = 0; i < 4000; i++)
		put(l, i, 100, (nsec_t)i * 200 * NSEC_PER_USEC);
	run_until(l, NSEC_NEVER - 1);
	ck_assert_uint_eq(got.n, 4000);
	for (size_t i = 0; i < got.n; i++) {
		nsec_t took = got.at[i] - (nsec_t)got.number[i] * 200 * NSEC_PER_USEC;

		ck_assert(took == 100 * NSEC_PER_USEC || took == 10100 * NSEC_PER_USEC);
		n_early += took == 100 * NSEC_PER_USEC;
	}
	ck_assert(n_early > 900 && n_early < 1100);
	check_books(l);
	link_free(l);
}
END_TEST

START_TEST(duplicates_and_flipped_bits)
{
	struct link *l = make(&(struct shape_dir){ .duplicate = 0.1, .corrupt = 0.1 }, 5);
	unsigned n_flipped = 0;

	for (uint32_t i = 0; i < 10000; i++) {
		unsigned bits = 0;

		put(l, 0, 64, i);
		for (size_t k = 0; k < 64; k++)
			bits += (unsigned)__builtin_popcount(got.last[k]);
		ck_assert_uint_le(bits, 1);
		n_flipped += bits;
	}
	ck_assert_uint_eq(got.n, 10000 + link_counters(l)->copied_frames);
	ck_assert(link_counters(l)->copied_frames > 900 && link_counters(l)->copied_frames < 1100);
	ck_assert(n_flipped > 900 && n_flipped < 1100);
	check_books(l);
	link_free(l);
}
END_TEST

START_TEST(a_live_change_keeps_the_queue)
{
	struct shape_dir s = { .rate_bps = 8000, .queue = 1 << 20 };
	struct link *l = make(&s, 1);

	for (uint32_t i = 0; i < 10; i++)
		put(l, i, 1000, 0); /* one second each */
	run_until(l, 1500 * NSEC_PER_MSEC);
	ck_assert_uint_eq(got.n, 1);
	s.rate_bps = 16000;
	link_set_shape(l, &s, 1500 * NSEC_PER_MSEC); /* half of the second is out */
	ck_assert_uint_eq(link_counters(l)->queued_frames, 9);
	run_until(l, 3 * NSEC_PER_SEC);
	ck_assert_int_eq(got.at[1], 1750 * NSEC_PER_MSEC);
	ck_assert_int_eq(got.at[2], 2250 * NSEC_PER_MSEC);
	s.delay_ns = NSEC_PER_SEC;
	link_set_shape(l, &s, 3 * NSEC_PER_SEC);
	run_until(l, 4 * NSEC_PER_SEC);
	s.rate_bps = 0;
	s.delay_ns = 0;
	link_set_shape(l, &s, 4 * NSEC_PER_SEC);
	put(l, 10, 1000, 4 * NSEC_PER_SEC);
	run_until(l, 100 * NSEC_PER_SEC);
	ck_assert_uint_eq(got.n, 11);
	ck_assert_int_eq(got.at[4], 4250 * NSEC_PER_MSEC); /* it flew when the delay ended */
	for (uint32_t i = 0; i < 11; i++)
		ck_assert_uint_eq(got.number[i], i);
	check_books(l);
	link_free(l);
}
END_TEST

START_TEST(a_link_that_is_down_loses_all)
{
	struct link *l = make(&(struct shape_dir){ .rate_bps = 8000, .delay_ns = 5 }, 1);

	put(l, 0, 1000, 0);
	put(l, 1, 1000, 0);
	link_set_up(l, false, 10);
	put(l, 2, 1000, 20);
	ck_assert_uint_eq(link_counters(l)->lost_frames[LOSS_DOWN], 3);
	ck_assert_int_eq(link_next(l), NSEC_NEVER);
	check_books(l);
	link_set_up(l, true, 30);
	put(l, 3, 1000, 30);
	run_until(l, 10 * NSEC_PER_SEC);
	ck_assert_uint_eq(got.n, 1);
	ck_assert_int_eq(got.at[0], NSEC_PER_SEC + 35);
	link_free(l);
}
END_TEST

START_TEST(memory_is_bounded)
{
	struct link *l = make(&(struct shape_dir){ .delay_ns = 3600 * NSEC_PER_SEC }, 1);
	unsigned n = LINK_HELD_BYTES_MAX / 60000 + 100;

	for (uint32_t i = 0; i < n; i++) {
		struct frame *f = frame_new(NULL, 60000);

		f->len = 100;
		link_take(l, f, 0);
	}
	ck_assert_uint_gt(link_counters(l)->lost_frames[LOSS_MEMORY], 0);
	check_books(l);
	link_free(l);
}
END_TEST

/* Two links, a share of ten frames each, a spare of five. */
START_TEST(no_link_takes_anothers_share)
{
	struct frame *one = frame_new(pool, 60);
	uint64_t size = frame_memory(one);
	struct link_budget budget = { .spare_bytes = 5 * size };
	struct link *l[2];

	frame_free(one);
	for (size_t i = 0; i < 2; i++) {
		l[i] = make(&(struct shape_dir){ .delay_ns = NSEC_PER_SEC }, i);
		link_set_budget(l[i], &budget, 10 * size);
	}
	for (size_t i = 0; i < 2; i++)
		for (unsigned n = 0; n < 100; n++) {
			struct frame *f = frame_new(pool, 60);

			f->len = 60;
			link_take(l[i], f, 0);
		}
	ck_assert_uint_eq(link_counters(l[0])->queued_frames, 15);
	ck_assert_uint_eq(link_counters(l[1])->queued_frames, 10);
	ck_assert_uint_eq(link_counters(l[1])->lost_frames[LOSS_MEMORY], 90);
	ck_assert_uint_eq(link_held_bytes(l[0]) + link_held_bytes(l[1]), 25 * size);
	ck_assert_uint_eq(budget.borrowed_bytes, 5 * size);
	link_run(l[0], 2 * NSEC_PER_SEC);
	ck_assert_uint_eq(budget.borrowed_bytes, 0);
	link_set_up(l[1], false, 0);
	ck_assert_uint_eq(link_held_bytes(l[1]), 0);
	check_books(l[0]);
	check_books(l[1]);
	link_free(l[0]);
	link_free(l[1]);
}
END_TEST

/* A duplicate for which there is no room. */
START_TEST(a_duplicate_without_room_is_lost)
{
	struct link *l = make(&(struct shape_dir){ .delay_ns = NSEC_PER_SEC, .duplicate = 1 }, 1);
	struct link_budget budget = { 0 };
	struct frame *f = frame_new(pool, 60);

	link_set_budget(l, &budget, 3 * frame_memory(f));
	frame_free(f);
	put(l, 1, 60, 0);
	put(l, 2, 60, 0);
	ck_assert_uint_eq(link_counters(l)->queued_frames, 3);
	ck_assert_uint_eq(link_counters(l)->copied_frames, 2);
	ck_assert_uint_eq(link_counters(l)->duplicated_frames, 1);
	ck_assert_uint_eq(link_counters(l)->lost_frames[LOSS_MEMORY], 1);
	check_books(l);
	link_free(l);
}
END_TEST

#ifndef MUSTER_SAN /* which have an allocator of their own */
static bool memory_is_out;
void *__libc_malloc(size_t size);

/* The C library's, that fails when it is told to. */
void *malloc(size_t size)
{
	return memory_is_out ? NULL : __libc_malloc(size);
}

START_TEST(a_host_without_memory_is_no_malformed_frame)
{
	struct link *l = make(&(struct shape_dir){ .delay_ns = NSEC_PER_SEC, .duplicate = 1 }, 1);
	struct frame *whole = frame_new(NULL, 5054), *plain = frame_new(NULL, 60);

	memset(whole->data, 0, 5054);
	memcpy(whole->data + 12, "\x08\x00\x45", 3);
	whole->data[23] = 6;
	whole->data[46] = 0x50;
	whole->len = 5054;
	whole->offload = (struct frame_offload){ .flags = 1, .gso_type = 1, .hdr_len = 54, .gso_size = 1000,
						 .csum_start = 34, .csum_offset = 16 };
	ck_assert(frame_offload_check(whole));
	memset(plain->data, 0, 60);
	plain->len = 60;
	memory_is_out = true;
	link_take(l, whole, 0);
	link_take(l, plain, 0);
	memory_is_out = false;
	ck_assert_uint_eq(link_counters(l)->lost_frames[LOSS_MALFORMED], 0);
	ck_assert_uint_eq(link_counters(l)->lost_frames[LOSS_MEMORY], 2);
	ck_assert_uint_eq(link_counters(l)->queued_frames, 1);
	check_books(l);
	link_free(l);
}
END_TEST
#endif

/* Random shapes, changes and times: the books hold after every call, and all
 * that entered comes out or is accounted for. */
START_TEST(books_hold_whatever_happens)
{
	struct prng rng;
	struct link *l;
	nsec_t now = 0;

	prng_init(&rng, (uint64_t)_i, "books");
	l = make(&(struct shape_dir){ .rate_bps = 1000000 }, (uint64_t)_i);
	for (uint32_t i = 0; i < 20000; i++) {
		struct shape_dir s = { 0 };

		now += (nsec_t)prng_below(&rng, NSEC_PER_MSEC);
		switch (prng_below(&rng, 400)) {
		case 0:
			s.rate_bps = prng_below(&rng, 3) * 500000;
			s.delay_ns = (nsec_t)prng_below(&rng, 50 * NSEC_PER_MSEC);
			s.jitter_ns = (nsec_t)prng_below(&rng, 2) * NSEC_PER_MSEC;
			s.loss = (double)prng_below(&rng, 3) / 10;
			s.duplicate = s.reorder = (double)prng_below(&rng, 2) / 20;
			s.queue_in_packets = prng_below(&rng, 2);
			s.queue = prng_below(&rng, 50);
			link_set_shape(l, &s, now);
			break;
		case 1: link_set_up(l, prng_below(&rng, 2), now); break;
		case 2: link_run(l, now); break;
		default: put(l, i, 60 + (uint32_t)prng_below(&rng, 1454), now); break;
		}
		check_books(l);
		if (prng_below(&rng, 2))
			run_until(l, now);
		check_books(l);
	}
	link_set_up(l, true, now);
	run_until(l, NSEC_NEVER - 1);
	ck_assert_uint_eq(link_counters(l)->queued_frames, 0);
	ck_assert_uint_eq(link_counters(l)->queued_bytes, 0);
	check_books(l);
	link_free(l);
}
END_TEST

/* By its operations alone, as the fabric drives it. */
START_TEST(a_link_is_an_element)
{
	struct link *l = make(&(struct shape_dir){ .delay_ns = NSEC_PER_MSEC }, 1);
	struct element *e = link_element(l);
	struct frame *f = frame_new(pool, 60);

	memset(f->data, 0, 60);
	f->len = 60;
	ck_assert_int_eq(e->ops->next(e), NSEC_NEVER);
	ck_assert_int_eq(e->ops->take(e, 0, f, 100), 100 + NSEC_PER_MSEC);
	ck_assert_int_eq(e->ops->next(e), 100 + NSEC_PER_MSEC);
	e->ops->run(e, 99 + NSEC_PER_MSEC);
	ck_assert_uint_eq(got.n, 0);
	e->ops->run(e, 100 + NSEC_PER_MSEC);
	ck_assert_uint_eq(got.n, 1);
	ck_assert_int_eq(e->ops->next(e), NSEC_NEVER);
	ck_assert_uint_eq(element_counters(e)->delivered_frames, 1);
	f = frame_new(pool, 60);
	memset(f->data, 0, 60);
	f->len = 60;
	(void)e->ops->take(e, 0, f, NSEC_PER_SEC); /* freed with it: the pool asserts that it came back */
	ck_assert_ptr_null(e->ops->free(e));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("link");
	TCase *t = tcase_create("link");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_plain_link_hands_on_at_once);
	tcase_add_loop_test(t, a_lone_frame_takes_length_over_rate_plus_delay, 0, 5);
	tcase_add_loop_test(t, the_rate_is_met_and_never_exceeded, 0, 4);
	tcase_add_test(t, nothing_is_rounded_away_at_high_rates);
	tcase_add_test(t, an_early_frame_waits_for_the_wire);
	tcase_add_loop_test(t, the_queue_is_exact, 0, 6);
	tcase_add_test(t, the_default_queue_is_a_tenth_of_a_second);
	tcase_add_test(t, cells_and_overhead_cost_what_they_cost);
	tcase_add_loop_test(t, losses_are_binomial, 0, 3);
	tcase_add_test(t, a_lost_frame_has_used_the_bottleneck);
	tcase_add_test(t, a_seed_gives_one_sequence);
	tcase_add_test(t, gilbert_elliott_bursts);
	tcase_add_loop_test(t, gilbert_elliott_never_changes, 0, 2);
	tcase_add_loop_test(t, jitter_spreads_and_keeps_order, 0, 3);
	tcase_add_loop_test(t, jitter_under_load_does_not_ratchet, 0, 3);
	tcase_add_test(t, reorder_lets_frames_overtake);
	tcase_add_test(t, duplicates_and_flipped_bits);
	tcase_add_test(t, a_live_change_keeps_the_queue);
	tcase_add_test(t, a_link_that_is_down_loses_all);
	tcase_add_test(t, memory_is_bounded);
	tcase_add_test(t, no_link_takes_anothers_share);
	tcase_add_test(t, a_duplicate_without_room_is_lost);
#ifndef MUSTER_SAN
	tcase_add_test(t, a_host_without_memory_is_no_malformed_frame);
#endif
	tcase_add_loop_test(t, books_hold_whatever_happens, 0, 8);
	tcase_add_test(t, a_link_is_an_element);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
