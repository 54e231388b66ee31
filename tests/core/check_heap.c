/* tests/core/check_heap.c: the heap of events against a plain search. */
#include "core/heap.h"
#include "core/prng.h"
#include "tests/unit.h"

#include <stdbool.h>

enum { N_ITEMS = 37 };

static struct heap heap;
static struct heap_item items[N_ITEMS];

static void setup(void)
{
	heap = (struct heap){ 0 };
	ck_assert_int_eq(heap_reserve(&heap, N_ITEMS), 0);
	for (uint32_t i = 0; i < N_ITEMS; i++)
		heap_item_init(&items[i], i);
}

static void teardown(void)
{
	heap_done(&heap);
}

/* The earliest item, of the lowest rank; NULL: none. */
static struct heap_item *search(void)
{
	struct heap_item *first = NULL;

	for (size_t i = 0; i < N_ITEMS; i++)
		if (items[i].at != NSEC_NEVER && (!first || items[i].at < first->at))
			first = &items[i];
	return first;
}

/* Few instants, so that many items share one. */
START_TEST(the_first_is_the_earliest_of_the_lowest_rank)
{
	struct prng p;

	prng_init(&p, 1, "heap");
	for (unsigned round = 0; round < 20000; round++) {
		struct heap_item *item = &items[prng_below(&p, N_ITEMS)];

		heap_move(&heap, item, prng_below(&p, 3) ? (nsec_t)prng_below(&p, 9) : NSEC_NEVER);
		ck_assert_ptr_eq(heap_first(&heap), search());
		ck_assert_int_eq(heap_next(&heap), search() ? search()->at : NSEC_NEVER);
	}
}
END_TEST

START_TEST(items_come_out_by_time_then_rank)
{
	const struct heap_item *last = NULL;
	unsigned n = 0;

	for (size_t i = N_ITEMS; i-- > 0;)
		heap_move(&heap, &items[i], (nsec_t)(i % 4));
	for (struct heap_item *item; (item = heap_first(&heap)); n++, last = item) {
		nsec_t at = item->at;

		ck_assert(!last || (nsec_t)(last->rank % 4) < at ||
			  ((nsec_t)(last->rank % 4) == at && last->rank < item->rank));
		heap_move(&heap, item, NSEC_NEVER);
	}
	ck_assert_uint_eq(n, N_ITEMS);
}
END_TEST

START_TEST(room_is_made_and_what_is_held_stays)
{
	struct heap small = { 0 };

	ck_assert_ptr_null(heap_first(&small));
	ck_assert_int_eq(heap_next(&small), NSEC_NEVER);
	for (size_t i = 0; i < N_ITEMS; i++) {
		ck_assert_int_eq(heap_reserve(&small, i + 1), 0);
		heap_move(&small, &items[i], (nsec_t)(N_ITEMS - i));
		ck_assert_ptr_eq(heap_first(&small), &items[i]);
	}
	ck_assert_int_lt(heap_reserve(&small, SIZE_MAX / 4), 0);
	ck_assert_ptr_eq(heap_first(&small), &items[N_ITEMS - 1]);
	heap_done(&small);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("heap");
	TCase *t = tcase_create("heap");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_first_is_the_earliest_of_the_lowest_rank);
	tcase_add_test(t, items_come_out_by_time_then_rank);
	tcase_add_test(t, room_is_made_and_what_is_held_stays);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
