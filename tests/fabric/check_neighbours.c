/* tests/fabric/check_neighbours.c: the bounds of a neighbour table, and what saved state may say of one. */
#include "core/bytes.h"
#include "core/state.h"
#include "fabric/neighbours.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

static struct neighbours *table;
static const struct mac_addr mac = { { 2, 0, 0, 0, 0, 9 } };

static void setup(void)
{
	ck_assert_int_eq(neighbours_new(7, &table), 0);
}

static void teardown(void)
{
	table = neighbours_free(table);
}

static struct ip_addr addr(unsigned n)
{
	return (struct ip_addr){ IP_V4, 32, { 10, 0, (uint8_t)(n >> 8), (uint8_t)n } };
}

static struct neighbour *add(unsigned n)
{
	struct ip_addr ip = addr(n);

	return neighbours_add(table, &ip);
}

static struct neighbour *find(const struct neighbours *t, unsigned n)
{
	struct ip_addr ip = addr(n);

	return neighbours_find(t, &ip);
}

START_TEST(the_one_used_longest_ago_goes_first)
{
	for (unsigned i = 0; i < NEIGHBOURS_MAX; i++) {
		struct neighbour *n = add(i);

		neighbour_known(table, n, &mac, i);
		neighbour_used(table, n);
	}
	neighbour_used(table, find(table, 0));
	neighbour_known(table, add(5000), &mac, 1); /* evicts 1: 0 was used later */
	ck_assert_ptr_nonnull(find(table, 0));
	ck_assert_ptr_null(find(table, 1));
	neighbour_known(table, add(5001), &mac, 1); /* evicts 5000, which was never used */
	ck_assert_ptr_null(find(table, 5000));
	ck_assert_ptr_nonnull(find(table, 2));
	ck_assert_uint_eq(neighbours_count(table), NEIGHBOURS_MAX);
	ck_assert_uint_eq(neighbours_evicted(table), 2);
}
END_TEST

/* One neighbour after the other gets long frames. */
START_TEST(frames_that_wait_are_bounded_by_number_and_by_memory)
{
	for (unsigned is_long = 0; is_long < 2; is_long++) {
		uint64_t frames, bytes;
		unsigned n_gone = 0;

		for (unsigned i = 0; i < 40; i++) {
			struct neighbour *n = add(i);

			for (unsigned k = 0; k < NEIGHBOUR_FRAMES_MAX; k++) {
				struct frame *f = frame_new(NULL, is_long ? FRAME_LEN_MAX : 100), *gone;

				f->len = 60;
				gone = neighbour_queue(table, n, f);
				ck_assert(!gone || gone == f);
				n_gone += gone != NULL;
				frame_free(gone);
			}
		}
		neighbours_held(table, &frames, &bytes);
		ck_assert_uint_eq(frames, is_long ? NEIGHBOURS_BYTES_MAX / (sizeof(struct frame) + 16 + FRAME_LEN_MAX) :
						    NEIGHBOURS_FRAMES_MAX);
		ck_assert_uint_eq(bytes, frames * 60);
		ck_assert_uint_eq(n_gone, 40 * NEIGHBOUR_FRAMES_MAX - frames);
		teardown();
		setup();
	}
}
END_TEST

static void save(struct bytes *ret)
{
	struct state *s = NULL;
	const uint8_t *p;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	(void)state_begin(s, "nbrs", 0, 1);
	neighbours_state(table, s, NULL, 100);
	state_end(s);
	ck_assert_int_eq(state_finish(s), 0);
	p = state_data(s, &len);
	bytes_append(ret, p, len);
	(void)state_free(s);
}

/* Loads into a new table, which replaces the old one. Returns whether it was taken. */
static bool load(const struct bytes *b)
{
	struct state *s = NULL;
	char *why = NULL;
	bool is_ok;

	teardown();
	setup();
	ck_assert_int_eq(state_load_new(b->data, b->len, &s, &why), 0);
	(void)state_begin(s, "nbrs", 0, 1);
	neighbours_state(table, s, NULL, 1100);
	state_end(s);
	is_ok = state_finish(s) == 0;
	(void)state_free(s);
	return is_ok;
}

/* The most that may be unknown, beside some that are known; requests of one instant keep their order. */
START_TEST(a_full_table_is_loaded_in_its_order)
{
	struct bytes b = { 0 };
	struct neighbour *n;

	for (unsigned i = 0; i < NEIGHBOURS_INCOMPLETE_MAX; i++)
		neighbour_wake_at(table, add(NEIGHBOURS_INCOMPLETE_MAX - 1 - i), 500);
	/* The first of them is asked anew: its place in the lists is another than its rank. */
	n = find(table, 200);
	neighbour_known(table, n, &mac, 50);
	neighbour_probed(n);
	neighbour_wake_at(table, n, 500);
	neighbour_known(table, add(1000), &mac, 50);
	neighbour_known(table, add(1001), &mac, 60);
	neighbour_used(table, find(table, 1000));
	neighbour_wake_at(table, add(1002), 500);
	save(&b);
	ck_assert(load(&b));
	ck_assert_uint_eq(neighbours_count(table), NEIGHBOURS_INCOMPLETE_MAX + 3);
	ck_assert_int_eq(neighbours_next(table), 1500);
	for (unsigned i = 0; i < NEIGHBOURS_INCOMPLETE_MAX; i++) {
		n = neighbours_due(table, 1500);
		ck_assert_ptr_eq(n, find(table, NEIGHBOURS_INCOMPLETE_MAX - 1 - i));
		ck_assert_ptr_null(neighbours_remove(table, n));
	}
	ck_assert(find(table, 1000)->was_used && !find(table, 1001)->was_used);
	ck_assert_int_eq(find(table, 1001)->confirmed_ns, 1060);
	bytes_done(&b);
}
END_TEST

START_TEST(what_no_table_can_hold_is_refused)
{
	struct bytes b = { 0 };
	struct neighbour *n = add(1);

	if (_i == 0) { /* twice the same */
		neighbour_known(table, n, &mac, 1);
		n = add(2);
		neighbour_known(table, n, &mac, 1);
		n->ip = addr(1);
	} else if (_i == 1) { /* unknown, and nobody asks */
		n->timer.at = NSEC_NEVER;
	} else if (_i == 2) { /* known, and asked for */
		neighbour_known(table, n, &mac, 1);
		neighbour_wake_at(table, n, 500);
	} else if (_i == 3) { /* heard in the future */
		neighbour_known(table, n, &mac, 101);
	} else { /* in a state that there is not */
		neighbour_wake_at(table, n, 500);
		n->tries = 200;
	}
	save(&b);
	ck_assert(!load(&b));
	bytes_done(&b);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("neighbours");
	TCase *t = tcase_create("neighbours");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_one_used_longest_ago_goes_first);
	tcase_add_test(t, frames_that_wait_are_bounded_by_number_and_by_memory);
	tcase_add_test(t, a_full_table_is_loaded_in_its_order);
	tcase_add_loop_test(t, what_no_table_can_hold_is_refused, 0, 5);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
