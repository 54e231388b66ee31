/* tests/core/check_ring_save.c: a pair of rings that is saved and loaded goes on as if nothing had
 * been, and a file that tells of no ring is refused. */
#include "core/bytes.h"
#include "core/prng.h"
#include "core/ring.h"
#include "core/state.h"
#include "tests/forge.h"
#include "tests/saved.h"
#include "tests/unit.h"

#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { DATA_SIZE = 256 * 1024, STEPS = 150, ROUNDS = 120, PAYLOAD = STATE_HEADER_LEN + STATE_HEAD_LEN };
static const nsec_t start = 50 * NSEC_PER_SEC;

struct rig {
	struct ring_pair_fds fds;
	struct ring_pair machine, fabric;
	uint64_t hash; /* of all that came out of the rings, and whether there was room */
	nsec_t base; /* times are relative to it */
};

static void rig_init(struct rig *r)
{
	*r = (struct rig){ .base = start };
	ck_assert_int_eq(ring_pair_create(DATA_SIZE, &r->fds), 0);
	ck_assert_int_eq(ring_pair_attach(&r->fds, RING_FABRIC, &r->fabric), 0);
}

static void rig_attach_machine(struct rig *r)
{
	ck_assert_int_eq(ring_pair_attach(&r->fds, RING_MACHINE, &r->machine), 0);
}

static void rig_done(struct rig *r)
{
	ring_pair_detach(&r->machine);
	ring_pair_detach(&r->fabric);
	ring_pair_close(&r->fds);
}

static void describe(void *rig, struct state *s, nsec_t now)
{
	struct rig *r = rig;

	(void)state_begin(s, "ring", 4, 1);
	ring_pair_state(&r->fabric, s, now, now);
	state_end(s);
}

static void save(struct rig *r, nsec_t now, struct bytes *ret)
{
	saved_take(describe, r, now, ret);
}

static char *load(struct rig *r, nsec_t now, const uint8_t *data, size_t len)
{
	return saved_load(describe, r, now, data, len);
}

static void put(struct rig *r, struct ring *to, struct prng *p, nsec_t now)
{
	uint32_t len = (uint32_t)prng_below(p, prng_below(p, 4) ? 1500 : FRAME_LEN_MAX);
	struct frame_offload o = { .flags = (uint8_t)prng_below(p, 256), .gso_size = (uint16_t)prng_below(p, 65536) };
	uint8_t *room = ring_reserve(to, len), fill = (uint8_t)prng_below(p, 256);

	r->hash = r->hash * 31 + !room;
	if (!room)
		return;
	memset(room, fill, len);
	ring_commit(to, len, &o, now);
	(void)ring_publish(to);
}

static void get(struct rig *r, struct ring *from)
{
	struct ring_record rec;

	if (!ring_peek(from, &rec)) {
		r->hash = r->hash * 31 + 7;
		return;
	}
	r->hash = XXH3_64bits_withSeed(rec.data, rec.len, r->hash + (uint64_t)(rec.time_ns - r->base));
	r->hash = XXH3_64bits_withSeed(&rec.offload, sizeof rec.offload, r->hash);
	ring_pop(from);
	ring_release(from);
}

/* Fills and empties both directions at random, at @share of 100 more or less full. */
static nsec_t drive(struct rig *r, struct prng *p, nsec_t now)
{
	uint64_t share = 30 + prng_below(p, 40);

	for (unsigned i = 0; i < STEPS; i++) {
		bool is_up = prng_below(p, 2);

		now += (nsec_t)prng_below(p, NSEC_PER_MSEC);
		if (prng_below(p, 100) < share)
			put(r, is_up ? &r->machine.tx : &r->fabric.tx, p, now);
		else
			get(r, is_up ? &r->fabric.rx : &r->machine.rx);
	}
	return now;
}

START_TEST(loaded_rings_go_on_as_if_nothing_had_been)
{
	CLEANUP(bytes) struct bytes b = { 0 };

	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		struct rig one, two;
		struct prng p, q;
		nsec_t now, shifted = 3 * start;
		uint64_t kicks;
		char *why;

		prng_init(&p, seed, "ring");
		rig_init(&one);
		rig_attach_machine(&one);
		rig_init(&two);
		now = drive(&one, &p, start);
		save(&one, now, &b);
		kicks = one.fabric.tx.n_kicks;
		why = load(&two, shifted, b.data, b.len);
		ck_assert_msg(!why, "seed %llu: %s", (unsigned long long)seed, why);
		ck_assert_uint_ge(two.fabric.tx.n_kicks, kicks);
		rig_attach_machine(&two);
		one.hash = two.hash = 0;
		one.base = now;
		two.base = shifted;
		q = p;
		(void)drive(&one, &p, now);
		(void)drive(&two, &q, shifted);
		ck_assert_msg(one.hash == two.hash, "seed %llu: other records", (unsigned long long)seed);
		ck_assert(!two.machine.rx.broken && !two.fabric.rx.broken);
		rig_done(&one);
		rig_done(&two);
	}
}
END_TEST

/* A loaded ring wakes the side that attaches to it later. */
START_TEST(what_waits_for_the_other_side_kicks_it)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct rig r;
	struct prng p;
	uint64_t n = 0;

	prng_init(&p, 1, "kick");
	for (unsigned i = 0; i < 2; i++) {
		rig_init(&r);
		if (i)
			put(&r, &r.fabric.tx, &p, start);
		save(&r, start, &b);
		rig_done(&r);
		rig_init(&r);
		ck_assert_ptr_null(load(&r, start, b.data, b.len));
		ck_assert_int_eq(read(r.fds.down_kick_fd, &n, sizeof n), i ? (int)sizeof n : -1);
		rig_attach_machine(&r);
		ck_assert_int_eq(ring_sleep(&r.machine.rx), !i);
		rig_done(&r);
	}
}
END_TEST

/* A machine that found its ring full is still told when there is room. */
START_TEST(who_waits_for_room_is_kicked_after_a_load)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct frame_offload o = { 0 };
	struct ring_record rec;
	struct rig r;
	uint64_t n = 0;

	rig_init(&r);
	rig_attach_machine(&r);
	while (ring_reserve(&r.machine.tx, 1500))
		ring_commit(&r.machine.tx, 1500, &o, start);
	(void)ring_publish(&r.machine.tx);
	save(&r, start, &b);
	rig_done(&r);
	rig_init(&r);
	ck_assert_ptr_null(load(&r, start, b.data, b.len));
	ck_assert_int_eq(read(r.fds.down_kick_fd, &n, sizeof n), -1);
	while (ring_peek(&r.fabric.rx, &rec))
		ring_pop(&r.fabric.rx);
	ring_release(&r.fabric.rx);
	ck_assert_int_eq(read(r.fds.down_kick_fd, &n, sizeof n), sizeof n);
	rig_done(&r);
}
END_TEST

START_TEST(a_broken_ring_stays_broken_and_far_times_are_none)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct frame_offload o = { 0 };
	struct ring_record rec;
	struct rig r;

	rig_init(&r);
	rig_attach_machine(&r);
	ck_assert_ptr_nonnull(ring_reserve(&r.machine.tx, 60));
	ring_commit(&r.machine.tx, 60, &o, INT64_MIN + 1);
	(void)ring_publish(&r.machine.tx);
	r.fabric.tx.broken = true;
	save(&r, start, &b);
	rig_done(&r);
	rig_init(&r);
	ck_assert_ptr_null(load(&r, start, b.data, b.len));
	ck_assert(ring_peek(&r.fabric.rx, &rec));
	ck_assert_int_eq(rec.time_ns, INT64_MIN);
	ck_assert_ptr_null(ring_reserve(&r.fabric.tx, 60));
	rig_done(&r);
}
END_TEST

START_TEST(a_forged_or_truncated_ring_does_no_harm)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	CLEANUP(bytes) struct bytes forged = { 0 };
	unsigned n_refused = 0;
	struct rig r;
	struct prng p, q;

	prng_init(&p, 5, "forge");
	rig_init(&r);
	rig_attach_machine(&r);
	for (unsigned i = 0; i < 6; i++) {
		struct frame_offload o = { .flags = 1 };
		struct ring *to = i % 2 ? &r.machine.tx : &r.fabric.tx;

		memset(ring_reserve(to, 60 + i), (int)i, 60 + i);
		ring_commit(to, 60 + i, &o, start);
		(void)ring_publish(to);
	}
	save(&r, start, &b);
	rig_done(&r);
	for (unsigned i = 0; i < 1500; i++) {
		size_t off = PAYLOAD + prng_below(&p, b.len - PAYLOAD - STATE_HEAD_LEN);
		char *why;

		forged.len = 0;
		bytes_append(&forged, b.data, b.len);
		forged.data[off] ^= (uint8_t)(1 + prng_below(&p, 255));
		forge_reseal(forged.data, forged.len);
		rig_init(&r);
		why = load(&r, start, forged.data, i % 3 ? forged.len : i / 3 % forged.len);
		rig_attach_machine(&r);
		q = p;
		if (!why)
			(void)drive(&r, &q, start);
		ck_assert(i % 3 || why);
		ck_assert(!why || strstr(why, "section ring.4 at") || strstr(why, "byte "));
		n_refused += why != NULL;
		free(why);
		rig_done(&r);
	}
	ck_assert_uint_gt(n_refused, 550);
}
END_TEST

/* More records than fit, each of them well-formed. */
START_TEST(more_than_a_ring_holds_is_refused)
{
	static const uint8_t frame[FRAME_LEN_MAX];
	uint32_t tail = 0, len[] = { FRAME_LEN_MAX, FRAME_LEN_MAX, FRAME_LEN_MAX, FRAME_LEN_MAX };
	bool yes = true, no = false;
	uint64_t kicks = 0;
	int64_t time = 0;
	struct state *s = NULL;
	const uint8_t *data;
	struct rig r;
	size_t n;
	char *why;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	(void)state_begin(s, "ring", 4, 1);
	state_same(s, DATA_SIZE, "bytes of a ring");
	state_u32(s, &tail);
	state_bool(s, &no);
	state_u64(s, &kicks);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t offload[] = { 0, 0 };

		state_bool(s, &yes);
		state_u32(s, &len[i]);
		state_i64(s, &time);
		state_bytes(s, offload, 10);
		state_bytes(s, (uint8_t *)(uintptr_t)frame, sizeof frame);
	}
	state_end(s);
	ck_assert_int_eq(state_finish(s), 0);
	data = state_data(s, &n);
	rig_init(&r);
	why = load(&r, start, data, n);
	ck_assert_msg(why && strstr(why, "section ring.4 at byte 16: more than a ring holds"), "%s", why);
	free(why);
	rig_done(&r);
	(void)state_free(s);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("ring_save");
	TCase *c = tcase_create("ring_save");

	tcase_add_test(c, loaded_rings_go_on_as_if_nothing_had_been);
	tcase_add_test(c, what_waits_for_the_other_side_kicks_it);
	tcase_add_test(c, who_waits_for_room_is_kicked_after_a_load);
	tcase_add_test(c, a_broken_ring_stays_broken_and_far_times_are_none);
	tcase_add_test(c, a_forged_or_truncated_ring_does_no_harm);
	tcase_add_test(c, more_than_a_ring_holds_is_refused);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
