/* tests/shaping/check_link_save.c: a link that is saved and loaded goes on as if nothing had been,
 * and a file that tells of no link is refused. */
#include "core/bytes.h"
#include "core/state.h"
#include "shaping/link.h"
#include "shaping/link_impl.h"
#include "tests/forge.h"
#include "tests/saved.h"
#include "tests/traffic.h"
#include "tests/unit.h"

#include <stdio.h>

enum { LINKS = 3, STEPS = 60, ROUNDS = 10000, STATIONS = 4 };
static const nsec_t budget_cpu = 2 * NSEC_PER_SEC, start = 10 * NSEC_PER_SEC, forge_cpu = 2 * NSEC_PER_SEC;

/* Links one behind the other, with one budget of memory, on a clock of their own. */
struct rig {
	struct frame_pool *pool;
	struct link_budget budget;
	struct link *links[LINKS];
	struct shape_dir shapes[LINKS];
	struct journal journal;
};

struct hop {
	struct rig *rig;
	uint32_t i;
};
/* Where the frames of a rig's link go; by rig and link. */
static struct hop hops[2][LINKS];

static void forward(void *ctx, struct frame *f, nsec_t now)
{
	struct hop *h = ctx;

	if (h->i + 1 < LINKS) {
		link_take(h->rig->links[h->i + 1], f, now);
		return;
	}
	journal_note(&h->rig->journal, h->i, f, now);
	frame_free(f);
}

/* @which: 0 or 1. The shapes are a function of @seed, the streams of @stream_seed. */
static void rig_init(struct rig *r, unsigned which, uint64_t seed, uint64_t stream_seed)
{
	struct prng p;

	*r = (struct rig){ .budget = { .spare_bytes = 20000 } };
	prng_init(&p, seed, "shapes");
	ck_assert_int_eq(frame_pool_new(256, &r->pool), 0);
	for (uint32_t i = 0; i < LINKS; i++) {
		struct frame_sink sink = { forward, &hops[which][i] };

		hops[which][i] = (struct hop){ r, i };
		r->shapes[i] = traffic_random_shape(&p);
		ck_assert_int_eq(link_new(&r->shapes[i], 1500, stream_seed, "lan/a.0", r->pool, &sink, &r->links[i]), 0);
		link_set_budget(r->links[i], &r->budget, 10000 + prng_below(&p, 100000));
	}
}

static void rig_done(struct rig *r)
{
	for (uint32_t i = 0; i < LINKS; i++)
		r->links[i] = link_free(r->links[i]);
	ck_assert_uint_eq(r->budget.borrowed_bytes, 0);
	r->pool = frame_pool_free(r->pool);
}

static void rig_state(void *rig, struct state *s, nsec_t now)
{
	struct rig *r = rig;

	for (uint32_t i = 0; i < LINKS; i++) {
		(void)state_begin(s, "link", i, 1);
		link_saved_state(r->links[i], s, now);
		state_end(s);
	}
}

static void rig_save(struct rig *r, nsec_t now, struct bytes *ret)
{
	saved_take(rig_state, r, now, ret);
}

static char *rig_load(struct rig *r, nsec_t now, const struct bytes *b)
{
	return saved_load(rig_state, r, now, b->data, b->len);
}

/* Runs what is due up to @until, in the order of time and of links. */
static void run_until(struct rig *r, nsec_t until)
{
	for (;;) {
		uint32_t first = 0;

		for (uint32_t i = 1; i < LINKS; i++)
			if (link_next(r->links[i]) < link_next(r->links[first]))
				first = i;
		if (link_next(r->links[first]) > until)
			return;
		link_run(r->links[first], link_next(r->links[first]));
	}
}

/* One thing that happens: mostly a frame; sometimes a link changes. */
static void act(struct rig *r, struct prng *p, nsec_t now)
{
	uint32_t i = (uint32_t)prng_below(p, LINKS);
	struct shape_dir shape;

	switch (prng_below(p, 40)) {
	case 0:
		shape = traffic_random_shape(p);
		link_set_shape(r->links[i], &shape, now);
		break;
	case 1: link_set_up(r->links[i], !link_is_up(r->links[i]), now); break;
	case 2: break;
	default:
		link_take(r->links[0], traffic_random_frame(p, r->pool, STATIONS, now), now);
		break;
	}
}

/* STEPS things at random instants, from @now on. Returns when the last one was. */
static nsec_t drive(struct rig *r, struct prng *p, nsec_t now)
{
	for (unsigned i = 0; i < STEPS; i++) {
		now += (nsec_t)prng_below(p, traffic_coin(p, 20) ? 20 * NSEC_PER_MSEC : NSEC_PER_MSEC / 2);
		run_until(r, now);
		act(r, p, now);
	}
	return now;
}

static void check_same(struct rig *a, struct rig *b, uint64_t seed)
{
	ck_assert_msg(a->journal.n == b->journal.n && a->journal.hash == b->journal.hash,
		      "seed %llu: %llu frames arrived as if nothing had been, %llu after a load, or other ones",
		      (unsigned long long)seed, (unsigned long long)a->journal.n, (unsigned long long)b->journal.n);
	ck_assert_uint_eq(a->budget.borrowed_bytes, b->budget.borrowed_bytes);
	for (uint32_t i = 0; i < LINKS; i++) {
		ck_assert_msg(memcmp(link_counters(a->links[i]), link_counters(b->links[i]),
				     sizeof(struct element_counters)) == 0, "seed %llu: other counters", (unsigned long long)seed);
		ck_assert_uint_eq(link_held_bytes(a->links[i]), link_held_bytes(b->links[i]));
		ck_assert_uint_eq(link_queue_limit(a->links[i]), link_queue_limit(b->links[i]));
		ck_assert_int_eq(link_is_up(a->links[i]), link_is_up(b->links[i]));
	}
}

/* Saved at a random instant, loaded into links of another seed at another instant. */
static void save_and_go_on(uint64_t seed)
{
	CLEANUP(bytes) struct bytes saved = { 0 };
	CLEANUP(bytes) struct bytes again = { 0 };
	struct rig a, b;
	struct prng p, q;
	nsec_t now, shifted;
	char *why;

	prng_init(&p, seed, "traffic");
	rig_init(&a, 0, seed, seed);
	now = drive(&a, &p, start) + (nsec_t)prng_below(&p, 3 * NSEC_PER_MSEC);
	if (traffic_coin(&p, 2))
		run_until(&a, now); /* else the caller is late, and some frames are overdue */
	rig_save(&a, now, &saved);
	rig_init(&b, 1, seed, seed + 1);
	shifted = traffic_coin(&p, 2) ? 5 : now + (nsec_t)prng_below(&p, 1000 * NSEC_PER_SEC);
	why = rig_load(&b, shifted, &saved);
	ck_assert_msg(!why, "seed %llu: %s", (unsigned long long)seed, why);
	rig_save(&b, shifted, &again);
	ck_assert_msg(saved.len == again.len && memcmp(saved.data, again.data, saved.len) == 0,
		      "seed %llu: what was loaded is saved as something else", (unsigned long long)seed);
	a.journal = (struct journal){ .base = now };
	b.journal = (struct journal){ .base = shifted };
	q = p;
	now = drive(&a, &p, now);
	shifted = drive(&b, &q, shifted);
	run_until(&a, now + NSEC_PER_SEC / 10);
	run_until(&b, shifted + NSEC_PER_SEC / 10);
	check_same(&a, &b, seed);
	rig_done(&a);
	rig_done(&b);
}

START_TEST(a_loaded_link_goes_on_as_if_nothing_had_been)
{
	nsec_t end = clock_cpu() + budget_cpu;
	unsigned n = 0;

	for (; n < ROUNDS && (n % 16 || clock_cpu() < end); n++)
		save_and_go_on(n + 1);
	printf("%u rounds of %d\n", n, ROUNDS);
}
END_TEST

/* A rig with frames in each of its links, saved. */
static void busy_rig(struct rig *r, struct bytes *ret)
{
	struct prng p;
	struct shape_dir shape = { .rate_bps = 1000000, .delay_ns = 3 * NSEC_PER_MSEC, .jitter_ns = NSEC_PER_MSEC };

	prng_init(&p, 7, "busy");
	rig_init(r, 0, 7, 7);
	for (uint32_t i = 0; i < LINKS; i++)
		link_set_shape(r->links[i], &shape, start);
	for (unsigned i = 0; i < 12; i++)
		for (uint32_t k = 0; k < LINKS; k++) {
			struct frame *f = frame_new(r->pool, 60 + i);

			memset(f->data, (int)(16 * k + i), 60 + i);
			f->len = 60 + i;
			f->rx_time_ns = start;
			link_take(r->links[k], f, start);
		}
	for (uint32_t i = 0; i < LINKS; i++) {
		link_run(r->links[i], start + 2 * NSEC_PER_MSEC);
		ck_assert_ptr_nonnull(r->links[i]->queue.head);
		ck_assert_ptr_nonnull(r->links[i]->line.head->next);
	}
	rig_save(r, start + 2 * NSEC_PER_MSEC, ret);
}

/* Loads a file that may lie; what is believed is driven on. Returns whether it was. */
static bool load_and_drive(const struct bytes *b, uint64_t seed)
{
	struct rig r;
	struct prng p;
	char *why;

	prng_init(&p, seed, "after");
	rig_init(&r, 1, 7, 7);
	why = rig_load(&r, start, b);
	if (!why)
		run_until(&r, drive(&r, &p, start) + NSEC_PER_SEC);
	else
		ck_assert_msg(strstr(why, "section ") || strstr(why, "byte "), "no place in: %s", why);
	rig_done(&r);
	free(why);
	return !why;
}

START_TEST(a_forged_file_is_refused_or_is_a_link)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	CLEANUP(bytes) struct bytes forged = { 0 };
	nsec_t end = clock_cpu() + forge_cpu;
	unsigned n = 0, n_refused = 0;
	struct rig r;
	struct prng p;

	prng_init(&p, 3, "forge");
	busy_rig(&r, &b);
	rig_done(&r);
	for (; n < 20000 && (n % 16 || clock_cpu() < end); n++) {
		size_t at = STATE_HEADER_LEN;
		struct forge_section sec;
		uint64_t skip = prng_below(&p, LINKS);

		forged.len = 0;
		bytes_append(&forged, b.data, b.len);
		do
			ck_assert(forge_next(forged.data, &at, &sec));
		while (skip--);
		for (uint64_t k = prng_below(&p, 3) + 1; k; k--) {
			size_t off = prng_below(&p, sec.len);

			if (traffic_coin(&p, 2))
				forged.data[sec.payload + off] ^= (uint8_t)(1u << prng_below(&p, 8));
			else
				prng_bytes(&p, forged.data + sec.payload + off, sec.len - off < 8 ? sec.len - off : 8);
		}
		forge_reseal(forged.data, forged.len);
		n_refused += !load_and_drive(&forged, n);
	}
	printf("%u of %u forged files refused\n", n_refused, n);
	ck_assert_uint_gt(n_refused, n / 20);
}
END_TEST

START_TEST(a_truncated_file_is_refused)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	size_t whole;
	struct rig r;

	busy_rig(&r, &b);
	rig_done(&r);
	ck_assert(load_and_drive(&b, 1));
	whole = b.len;
	for (b.len = 0; b.len < whole; b.len += b.len < 600 ? 1 : 37)
		ck_assert(!load_and_drive(&b, 1));
}
END_TEST

/* What a link can never be in, and the words in which it is refused. */
static void rem_is_rate(struct link *l) { l->finish_rem = l->shape.rate_bps; }
static void head_is_late(struct link *l) { l->finish_ns += 9000 * NSEC_PER_SEC; }
static void head_never_goes(struct link *l) { l->finish_ns = INT64_MIN; }
static void no_rate(struct link *l) { l->shape.rate_bps = 0; l->finish_rem = 0; }
static void line_runs_back(struct link *l) { l->line.head->due_ns = l->line.head->next->due_ns + 1; }
static void last_is_not_last(struct link *l) { l->last_due_ns = l->line.head->due_ns - 1; }
static void due_never(struct link *l) { l->line.head->due_ns = INT64_MIN; }
static void stands_still(struct link *l) { memset(&l->mangle_rng, 0, sizeof l->mangle_rng); }
static void place_is_nan(struct link *l) { l->jitter_place = 0.0 / 0.0; }
static void loss_is_two(struct link *l) { l->shape.loss = 2; }
static void delay_is_negative(struct link *l) { l->shape.delay_ns = -1; }
static void is_down(struct link *l) { l->up = false; }
static void counts_one_more(struct link *l) { l->counters.entered_frames++; }
static void is_gso(struct link *l) { traffic_tcp(l->queue.head, 60, 8); }
static void lies(struct link *l) { l->queue.head->offload.flags = 0x80; }
static void is_long(struct link *l) { l->queue.head->size = FRAME_LEN_MAX + 1; }
static void is_longer_than_its_room(struct link *l) { l->queue.head->size = l->queue.head->len - 1; }
static void takes_much(struct link *l)
{
	for (struct frame *f = l->queue.head; f; f = f->next)
		f->size = FRAME_LEN_MAX;
}
static void other_mtu(struct link *l) { l->mtu = 9000; }
static void beyond_time(struct link *l) { l->last_due_ns = INT64_MAX - 1; }
static const struct {
	void (*forge)(struct link *l);
	const char *want;
} forgeries[] = {
	{ rem_is_rate, "a remainder larger than its rate" },
	{ head_is_late, "longer on the wire than any frame" },
	{ head_never_goes, "a queue whose head is never sent" },
	{ no_rate, "a queue without a rate" },
	{ line_runs_back, "not in the order of their arrival" },
	{ last_is_not_last, "a last arrival that is not the last" },
	{ due_never, "a frame that never arrives" },
	{ stands_still, "a random stream that stands still" },
	{ place_is_nan, "a number out of its range" },
	{ loss_is_two, "a number out of its range" },
	{ delay_is_negative, "a duration out of its range" },
	{ is_down, "frames in a link that is down" },
	{ counts_one_more, "counters that do not balance" },
	{ is_gso, "a frame that was to be segmented" },
	{ lies, "a frame whose offload header lies" },
	{ is_long, "a frame longer than a frame can be" },
	{ is_longer_than_its_room, "a frame longer than a frame can be" },
	{ takes_much, "more memory than they may" },
	{ other_mtu, "bytes of MTU" },
	{ beyond_time, "an instant beyond all time" },
};

START_TEST(what_no_link_can_be_in_is_refused_by_name)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct link kept;
	struct frame head, first;
	struct rig r, to;
	uint32_t sizes[64];
	char *why;
	size_t n = 0;

	busy_rig(&r, &b);
	kept = *r.links[1];
	head = *kept.queue.head;
	first = *kept.line.head;
	for (struct frame *f = kept.queue.head; f; f = f->next)
		sizes[n++] = f->size;
	forgeries[_i].forge(r.links[1]);
	b.len = 0;
	rig_save(&r, start + 2 * NSEC_PER_MSEC, &b);
	rig_init(&to, 1, 7, 7);
	why = rig_load(&to, start, &b);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, forgeries[_i].want) && strstr(why, "section link.1 at"), "%s", why);
	free(why);
	rig_done(&to);
	*r.links[1] = kept;
	*kept.queue.head = head;
	*kept.line.head = first;
	n = 0;
	for (struct frame *f = kept.queue.head; f; f = f->next)
		f->size = sizes[n++];
	rig_done(&r);
}
END_TEST

/* A queue that shrank keeps what is queued, and so does the load. */
START_TEST(more_may_be_queued_than_the_limit)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct shape_dir shape = { .rate_bps = 1000000, .queue_in_packets = true, .queue = 1 };
	struct rig r, to;
	char *why;

	busy_rig(&r, &b);
	link_set_shape(r.links[0], &shape, start + 2 * NSEC_PER_MSEC);
	ck_assert_uint_gt(r.links[0]->queue_frames, 1);
	b.len = 0;
	rig_save(&r, start + 2 * NSEC_PER_MSEC, &b);
	rig_init(&to, 1, 7, 7);
	why = rig_load(&to, start, &b);
	ck_assert_ptr_null(why);
	ck_assert_uint_eq(to.links[0]->queue_frames, r.links[0]->queue_frames);
	ck_assert_uint_eq(link_queue_limit(to.links[0]), 1);
	rig_done(&to);
	rig_done(&r);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("link_save");
	TCase *c = tcase_create("link_save");

	tcase_add_test(c, a_loaded_link_goes_on_as_if_nothing_had_been);
	tcase_add_test(c, a_forged_file_is_refused_or_is_a_link);
	tcase_add_test(c, a_truncated_file_is_refused);
	tcase_add_loop_test(c, what_no_link_can_be_in_is_refused_by_name, 0,
			    (int)(sizeof forgeries / sizeof forgeries[0]));
	tcase_add_test(c, more_may_be_queued_than_the_limit);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
