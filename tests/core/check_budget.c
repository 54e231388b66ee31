/* tests/core/check_budget.c: a bucket gives what it holds, and what time gives back. */
#include "core/budget.h"
#include "tests/unit.h"

START_TEST(test_what_it_holds)
{
	struct budget b;

	budget_init(&b, 100, 10, 5);
	ck_assert(budget_take(&b, 5, 60));
	ck_assert(!budget_take(&b, 5, 41)); /* and takes nothing */
	ck_assert(budget_take(&b, 5, 40));
	ck_assert(!budget_take(&b, 5, 1));
}
END_TEST

START_TEST(test_what_comes_back)
{
	struct budget b;

	budget_init(&b, 100, 10, 0);
	ck_assert(budget_take(&b, 0, 100));
	ck_assert(budget_take(&b, 2 * NSEC_PER_SEC, 20));
	ck_assert(!budget_take(&b, 2 * NSEC_PER_SEC, 1));
	ck_assert(!budget_take(&b, NSEC_PER_SEC, 1)); /* the clock went back */
	ck_assert(!budget_take(&b, NSEC_PER_SEC * 1000, 101)); /* never more than it holds */
	ck_assert(budget_take(&b, NSEC_PER_SEC * 1000, 100));
	ck_assert(!budget_take(&b, NSEC_PER_SEC * 1000, 1));
}
END_TEST

START_TEST(test_looking_often_loses_nothing)
{
	struct budget b;
	nsec_t now;
	int taken = 0;

	budget_init(&b, 7, 3, 0);
	ck_assert(budget_take(&b, 0, 7));
	for (now = 0; now <= 100 * NSEC_PER_SEC; now += NSEC_PER_SEC / 100)
		taken += budget_take(&b, now, 1);
	ck_assert_int_ge(taken, 299);
	ck_assert_int_le(taken, 300);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("budget");
	TCase *t = tcase_create("budget");

	tcase_add_test(t, test_what_it_holds);
	tcase_add_test(t, test_what_comes_back);
	tcase_add_test(t, test_looking_often_loses_nothing);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
