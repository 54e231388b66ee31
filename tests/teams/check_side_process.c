/* tests/teams/check_side_process.c: a process whose end is not the team's: when it is started anew, and what is told.
 * Nothing is forked; the present is what the test says, and the loop's clock has long passed what is due. */
#include "teams/side_process.h"
#include "tests/teams/fake_team.h"

enum { PID = 4000000 /* above what a host has */ };

static struct side_process p;
static unsigned n_started;
static const char *refuses;

static int start(void *ctx, pid_t *ret_pid, char **ret_why)
{
	ck_assert_ptr_eq(ctx, &n_started);
	n_started++;
	if (refuses) {
		*ret_why = str_dup(refuses);
		return -EAGAIN;
	}
	*ret_pid = PID + (pid_t)n_started;
	return 0;
}

static void setup(void)
{
	fake_setup();
	n_started = 0;
	refuses = NULL;
	p = (struct side_process){ .sup = &fake, .name = "it", .start = start, .ctx = &n_started };
}

static void teardown(void)
{
	p.pid = 0;
	side_process_end(&p);
	fake_teardown();
}

static void begin(nsec_t now)
{
	char *why = NULL;

	ck_assert_int_eq(side_process_start(&p, now, &why), 0);
	ck_assert_uint_eq(n_started, 1);
}

/* What `status` says of key @key. */
static json_int_t says(const char *key)
{
	json_t *j = side_process_json(&p);
	json_int_t n = json_integer_value(json_object_get(j, key));

	json_decref(j);
	return n;
}

/* Whether it is started at the loop's next turn. */
static bool is_due(void)
{
	unsigned before = n_started;

	fake_turn();
	return n_started > before;
}

START_TEST(one_that_ends_is_started_anew)
{
	nsec_t now = clock_now();

	begin(now - 2 * NSEC_PER_SEC); /* so a second has passed since */
	ck_assert_int_eq(says("pid"), PID + 1);
	ck_assert(side_process_ended(&p, PID + 1, SIGKILL, now));
	ck_assert_int_eq(says("pid"), 0);
	ck_assert_str_eq(p.why, "it was killed by signal 9");
	ck_assert(is_due());
	ck_assert_int_eq(says("pid"), PID + 2);
	ck_assert_int_eq(says("restarts"), 1);
}
END_TEST

START_TEST(not_within_a_second_of_the_last_start)
{
	nsec_t now = clock_now();

	begin(now + 3600 * NSEC_PER_SEC);
	ck_assert(side_process_ended(&p, PID + 1, SIGKILL, now));
	ck_assert(!is_due());
	ck_assert_int_eq(says("restarts"), 0);
}
END_TEST

START_TEST(another_child_is_not_it)
{
	begin(0);
	ck_assert(!side_process_ended(&p, PID, 0, 0));
	ck_assert_int_eq(says("pid"), PID + 1);
	p.pid = 0;
	ck_assert(!side_process_ended(&p, 0, 0, 0));
}
END_TEST

/* Its n-th short life: the wait before the next start, in seconds. */
static const nsec_t waits[] = { 1, 2, 4, 8, 16, 32, 32, 32 };

START_TEST(one_that_dies_at_once_waits_longer_each_time)
{
	nsec_t now = clock_now();

	begin(now);
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		p.pid = PID;
		p.started_ns = now;
		ck_assert(side_process_ended(&p, PID, 0, now + (SIDE_STEADY_S * NSEC_PER_SEC - 1)));
		ck_assert_int_eq(p.due_ns - now, waits[i] * NSEC_PER_SEC);
	}
}
END_TEST

START_TEST(one_that_lived_begins_with_a_second_again)
{
	nsec_t now = clock_now();

	begin(now - SIDE_STEADY_S * NSEC_PER_SEC);
	p.n_short = 5;
	ck_assert(side_process_ended(&p, PID + 1, 0, now));
	ck_assert_int_eq(p.due_ns - p.started_ns, NSEC_PER_SEC);
	ck_assert(is_due());
}
END_TEST

START_TEST(what_cannot_be_started_is_tried_again)
{
	nsec_t now = clock_now();

	begin(now - 2 * NSEC_PER_SEC);
	ck_assert(side_process_ended(&p, PID + 1, 256, now));
	ck_assert_str_eq(p.why, "it ended with status 1");
	refuses = "no process for it";
	ck_assert(is_due());
	ck_assert_str_eq(p.why, "no process for it");
	ck_assert_int_eq(says("pid"), 0);
	ck_assert_uint_eq(p.n_short, 2);
}
END_TEST

START_TEST(an_ending_team_starts_nothing)
{
	nsec_t now = clock_now();

	begin(now - 2 * NSEC_PER_SEC);
	fake.state = SUP_ENDING;
	ck_assert(side_process_ended(&p, PID + 1, 0, now));
	fake_turn();
	ck_assert_uint_eq(n_started, 1);
}
END_TEST

START_TEST(the_first_start_fails_for_who_asked)
{
	char *why = NULL;

	refuses = "no process for it";
	ck_assert_int_eq(side_process_start(&p, 0, &why), -EAGAIN);
	ck_assert_str_eq(why, refuses);
	free(why);
	ck_assert_ptr_null(p.timer);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("side_process");
	TCase *t = tcase_create("side_process");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, one_that_ends_is_started_anew);
	tcase_add_test(t, not_within_a_second_of_the_last_start);
	tcase_add_test(t, another_child_is_not_it);
	tcase_add_test(t, one_that_dies_at_once_waits_longer_each_time);
	tcase_add_test(t, one_that_lived_begins_with_a_second_again);
	tcase_add_test(t, what_cannot_be_started_is_tried_again);
	tcase_add_test(t, an_ending_team_starts_nothing);
	tcase_add_test(t, the_first_start_fails_for_who_asked);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
