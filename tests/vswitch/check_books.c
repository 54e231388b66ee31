/* tests/vswitch/check_books.c: the books balance at every instant, also inside
 * the sinks, over random traffic, links that go up and down, and sinks that
 * put frames back in. */
#include "core/prng.h"
#include "tests/unit.h"
#include "vswitch/vswitch.h"

#include <string.h>

enum { PORTS = 6, ROUNDS = 50000, DEPTH_MAX = 3 };

struct lab {
	struct frame_pool *pool;
	struct vswitch *sw;
	struct prng rng;
	uint64_t put, arrived, arrived_bytes;
	bool is_up[PORTS];
	unsigned depth; /* calls within calls */
	nsec_t now;
};

struct end {
	struct lab *lab;
	uint32_t port;
};

static void check_books(const struct lab *lab)
{
	const struct element_counters *c = vswitch_counters(lab->sw);
	uint64_t lost = 0;

	for (size_t i = 0; i < LOSS_REASON_COUNT; i++)
		lost += c->lost_frames[i];
	ck_assert_uint_eq(c->entered_frames, lab->put);
	ck_assert_uint_eq(c->delivered_frames, lab->arrived);
	ck_assert_uint_eq(c->delivered_bytes, lab->arrived_bytes);
	ck_assert_uint_eq(c->entered_frames + c->copied_frames,
			  c->delivered_frames + lost + c->queued_frames);
}

static void arrive(void *ctx, struct frame *f, nsec_t now)
{
	struct end *end = ctx;
	struct lab *lab = end->lab;

	ck_assert(lab->is_up[end->port]);
	ck_assert_int_eq(now, lab->now);
	lab->arrived++;
	lab->arrived_bytes += f->len;
	check_books(lab);
	/* Some stations answer at once: the switch is entered anew. */
	if (lab->depth >= DEPTH_MAX || prng_below(&lab->rng, 20)) {
		frame_free(f);
		return;
	}
	lab->depth++;
	lab->put++;
	vswitch_take(lab->sw, end->port, f, now);
	lab->depth--;
}

static struct frame *random_frame(struct lab *lab)
{
	uint32_t len = (uint32_t)(prng_below(&lab->rng, 30) ? 14 + prng_below(&lab->rng, 100) : prng_below(&lab->rng, 14));
	struct frame *f = frame_new(lab->pool, len);

	memset(f->data, 0, f->size < 18 ? f->size : 18);
	f->len = len;
	if (len < 14)
		return f;
	f->data[0] = f->data[6] = 2;
	f->data[5] = (uint8_t)prng_below(&lab->rng, 12);
	f->data[11] = (uint8_t)prng_below(&lab->rng, 12);
	switch (prng_below(&lab->rng, 12)) {
	case 0: memset(f->data, 0xff, 6); break;
	case 1: f->data[0] = 3; break;
	case 2: memcpy(f->data, "\x01\x80\xc2\x00\x00\x02", 6); break;
	case 3: f->data[6] = 3; break; /* a group as source */
	case 4: f->data[12] = 0x81; break;
	default: break;
	}
	return f;
}

static void change_a_link(struct lab *lab)
{
	uint32_t port = (uint32_t)prng_below(&lab->rng, lab->is_up[2] ? 2 : PORTS);

	lab->is_up[port] = prng_below(&lab->rng, 2);
	vswitch_set_link(lab->sw, port, lab->is_up[port]);
}

static void run(enum vswitch_type type, uint32_t n_ports, uint64_t seed)
{
	struct lab lab = { 0 };
	struct end ends[PORTS];

	prng_init(&lab.rng, seed, "books");
	ck_assert_int_eq(frame_pool_new(16, &lab.pool), 0);
	ck_assert_int_eq(vswitch_new(type, n_ports, seed, lab.pool, &lab.sw), 0);
	for (uint32_t i = 0; i < n_ports; i++) {
		ends[i] = (struct end){ &lab, i };
		lab.is_up[i] = true;
		vswitch_set_output(lab.sw, i, &(struct frame_sink){ arrive, &ends[i] });
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct frame *f = random_frame(&lab);

		lab.now += (nsec_t)prng_below(&lab.rng, NSEC_PER_SEC);
		if (n_ports == PORTS ? prng_below(&lab.rng, 50) == 0 : false)
			change_a_link(&lab);
		lab.put++;
		vswitch_take(lab.sw, (uint32_t)prng_below(&lab.rng, n_ports), f, lab.now);
		check_books(&lab);
		ck_assert_uint_eq(vswitch_counters(lab.sw)->queued_frames, 0);
		ck_assert_uint_eq(vswitch_counters(lab.sw)->queued_bytes, 0);
	}
	ck_assert_uint_gt(lab.arrived, ROUNDS / 2);
	vswitch_free(lab.sw);
	frame_pool_free(lab.pool); /* asserts that every frame came back */
}

START_TEST(of_a_switch)
{
	run(VSWITCH_SWITCH, PORTS, (uint64_t)_i);
}
END_TEST

START_TEST(of_a_hub)
{
	run(VSWITCH_HUB, PORTS, (uint64_t)_i);
}
END_TEST

START_TEST(of_a_wire)
{
	run(VSWITCH_WIRE, 2, (uint64_t)_i);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("books");
	TCase *t = tcase_create("books");

	tcase_add_loop_test(t, of_a_switch, 0, 4);
	tcase_add_loop_test(t, of_a_hub, 0, 2);
	tcase_add_loop_test(t, of_a_wire, 0, 2);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
