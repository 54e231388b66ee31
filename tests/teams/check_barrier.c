/* tests/teams/check_barrier.c: phases, acknowledgements, bounds and undo, on driven time. */
#include "core/bytes.h"
#include "teams/barrier.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

enum { MEMBERS = 3, TIMEOUT = 1000 };

static struct barrier b;
static struct bytes said; /* what the barrier did, a word each */
static size_t n_of[2]; /* members of each phase */
static bool acks_within; /* every ask */
static bool ends_other; /* asking the first has the second end */
static nsec_t now;

static void say(const char *what, const struct barrier_member *m)
{
	bytes_printf(&said, "%s%u%c ", what, m->phase, (int)('a' + m->id));
}

static void members(void *ctx, unsigned phase)
{
	(void)ctx;
	for (size_t i = 0; i < n_of[phase]; i++)
		barrier_add(&b, i);
}

static void ask(void *ctx, const struct barrier_member *m)
{
	(void)ctx;
	say("ask", m);
	if (ends_other && m->phase == 1)
		barrier_ack(&b, 1, 1, NULL, now);
	if (acks_within)
		barrier_ack(&b, m->phase, m->id, NULL, now);
}

static void forget(void *ctx, const struct barrier_member *m)
{
	(void)ctx;
	say("forget", m);
}

static void undo(void *ctx, const struct barrier_member *m)
{
	(void)ctx;
	say("undo", m);
}

static char *name(void *ctx, const struct barrier_member *m)
{
	(void)ctx;
	return str_printf("%c", (int)('a' + m->id));
}

static void done(void *ctx, bool is_through, const char *error)
{
	ck_assert_ptr_eq(ctx, &b);
	ck_assert(!barrier_is_active(&b));
	bytes_printf(&said, "%s: %s", is_through ? "through" : "failed", error ? error : "well");
}

static const struct barrier_plan whole = { .n_phases = 2, .timeout_ns = TIMEOUT, .members = members, .ask = ask,
					   .forget = forget, .undo = undo, .name = name, .done = done };
static const struct barrier_plan lenient = { .n_phases = 2, .goes_on = 1, .timeout_ns = TIMEOUT,
					     .members = members, .ask = ask, .name = name, .done = done };

static void setup(void)
{
	memset(&b, 0, sizeof b);
	n_of[0] = 1;
	n_of[1] = 2;
	acks_within = ends_other = false;
	now = 5000;
}

static void teardown(void)
{
	barrier_drop(&b);
	bytes_done(&said);
}

/* What was said since the last time. */
static void is(const char *words)
{
	bytes_append(&said, "", 1);
	ck_assert_str_eq((const char *)said.data, words);
	bytes_consume(&said, said.len);
}

static void ack(unsigned phase, size_t id, const char *error)
{
	barrier_ack(&b, phase, id, error, now);
}

START_TEST(test_phases_in_order)
{
	barrier_begin(&b, &whole, &b, now);
	is("ask0a ");
	ck_assert_int_eq(barrier_due(&b), now + TIMEOUT);
	now += 10;
	ack(0, 0, NULL);
	is("ask1a ask1b ");
	ck_assert_int_eq(barrier_due(&b), now + TIMEOUT); /* each phase has its own bound */
	ack(1, 1, NULL);
	is("");
	ack(1, 0, NULL);
	is("through: well");
	ck_assert_int_eq(barrier_due(&b), NSEC_NEVER);
}
END_TEST

START_TEST(test_answers_from_within)
{
	acks_within = true;
	barrier_begin(&b, &whole, &b, now);
	is("ask0a ask1a ask1b through: well");
}
END_TEST

START_TEST(test_a_phase_without_members)
{
	n_of[0] = n_of[1] = 0;
	barrier_begin(&b, &whole, &b, now);
	is("through: well");
}
END_TEST

/* One refuses: the others of its phase are heard out, then all that was asked is undone. */
START_TEST(test_refused_is_undone)
{
	barrier_begin(&b, &whole, &b, now);
	ack(0, 0, NULL);
	ack(1, 0, "no");
	is("ask0a ask1a ask1b ");
	ack(1, 1, "nor I");
	is("undo1b undo1a undo0a failed: no");
}
END_TEST

START_TEST(test_the_first_phase_fails)
{
	barrier_begin(&b, &whole, &b, now);
	ack(0, 0, "no");
	is("ask0a undo0a failed: no");
}
END_TEST

START_TEST(test_the_silent_are_named)
{
	n_of[1] = MEMBERS;
	barrier_begin(&b, &whole, &b, now);
	ack(0, 0, NULL);
	ack(1, 1, NULL);
	barrier_tick(&b, now + TIMEOUT - 1);
	is("ask0a ask1a ask1b ask1c ");
	barrier_tick(&b, now + TIMEOUT);
	is("forget1a forget1c undo1c undo1b undo1a undo0a failed: a, c did not answer in 1e-06 s");
}
END_TEST

START_TEST(test_one_that_ends_before_it_is_asked)
{
	ends_other = true;
	barrier_begin(&b, &whole, &b, now);
	ack(0, 0, NULL);
	is("ask0a ask1a ");
	ack(1, 0, "no");
	is("undo1a undo0a failed: no");
}
END_TEST

START_TEST(test_goes_on_without_the_silent)
{
	n_of[0] = 2;
	n_of[1] = 1;
	barrier_begin(&b, &lenient, &b, now);
	ack(0, 1, NULL);
	now += TIMEOUT;
	barrier_tick(&b, now);
	is("ask0a ask0b ask1a ");
	ck_assert_int_eq(barrier_due(&b), now + TIMEOUT);
	ack(0, 0, NULL); /* late: nobody waits */
	is("");
	ack(1, 0, NULL);
	is("through: a did not answer in 1e-06 s");
}
END_TEST

START_TEST(test_without_undo_what_was_done_stays)
{
	barrier_begin(&b, &lenient, &b, now);
	ack(0, 0, NULL);
	ack(1, 0, "no");
	ack(1, 1, NULL);
	is("ask0a ask1a ask1b failed: no");
}
END_TEST

START_TEST(test_what_nobody_waits_for)
{
	ack(0, 0, NULL); /* none is under way */
	barrier_tick(&b, now);
	barrier_begin(&b, &whole, &b, now);
	ack(1, 0, "early");
	ack(0, 7, "unknown");
	is("ask0a ");
	ack(0, 0, NULL);
	ack(0, 0, "twice");
	ack(1, 0, NULL);
	ack(1, 0, "twice");
	is("ask1a ask1b ");
	ack(1, 1, NULL);
	is("through: well");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("barrier");
	TCase *t = tcase_create("barrier");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_phases_in_order);
	tcase_add_test(t, test_answers_from_within);
	tcase_add_test(t, test_a_phase_without_members);
	tcase_add_test(t, test_refused_is_undone);
	tcase_add_test(t, test_the_first_phase_fails);
	tcase_add_test(t, test_the_silent_are_named);
	tcase_add_test(t, test_one_that_ends_before_it_is_asked);
	tcase_add_test(t, test_goes_on_without_the_silent);
	tcase_add_test(t, test_without_undo_what_was_done_stays);
	tcase_add_test(t, test_what_nobody_waits_for);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
