/* tests/teams/check_supervisor.c: the team's own part: its states, the order in which VMs start, what a VM's end means
 * for the team, and who waits. Nothing is forked. */
#include "teams/bringup.h"
#include "teams/team_state.h"
#include "tests/teams/fake_team.h"

static void setup(void)
{
	fake_setup();
	fake_hooks.vm_changed = bringup_vm_changed;
	ck_assert_int_eq(bringup_open(&fake), 0);
}

/* Which VMs have been started, by name. */
static const char *started(void)
{
	static char text[FAKE_VMS + 1];
	size_t n = 0;

	for (size_t i = 0; i < FAKE_VMS; i++)
		if (fake_vms[i].vm.started_ns > 0)
			text[n++] = fake_tvs[i].name[0];
	text[n] = '\0';
	return text;
}

/* ---- the team's state ---- */

/* Starting, Up, Broken, Paused, Ending. */
static const char *const may[SUP_STATE_COUNT] = {
	[SUP_STARTING] = "UBE", [SUP_UP] = "BPE", [SUP_BROKEN] = "UPE", [SUP_PAUSED] = "UBE", [SUP_ENDING] = "",
};

START_TEST(a_state_follows_by_the_table)
{
	for (enum sup_state to = 0; to < SUP_STATE_COUNT; to++) {
		bool is_legal = strchr(may[_i], "SUBPE"[to]) != NULL;

		ck_assert_int_eq(sup_state_may((enum sup_state)_i, to), is_legal);
		fake.state = (enum sup_state)_i;
		sup_set_state(&fake, to);
		ck_assert_int_eq(fake.state, is_legal ? (int)to : _i);
	}
}
END_TEST

START_TEST(an_end_comes_once_at_the_next_turn)
{
	sup_end(&fake, str_dup("first"));
	ck_assert_uint_eq(fake_ends, 0);
	sup_end(&fake, str_dup("second"));
	fake_turn();
	ck_assert_uint_eq(fake_ends, 1);
	ck_assert_str_eq(fake.end_why, "first");
}
END_TEST

/* ---- order ---- */

START_TEST(those_that_wait_for_nobody_start_together)
{
	bringup_start(&fake);
	ck_assert_str_eq(started(), "a"); /* one a turn */
	fake_turn();
	ck_assert_str_eq(started(), "abc");
}
END_TEST

START_TEST(one_starts_after_those_it_names_were_ready)
{
	static size_t ab[] = { 0, 1 };

	fake_tvs[2].after = ab;
	fake_tvs[2].n_after = 2;
	bringup_start(&fake);
	fake_turn();
	ck_assert_str_eq(started(), "ab");
	fake_ready(&fake_vms[0].vm);
	fake_turn();
	ck_assert_str_eq(started(), "ab");
	fake_ready(&fake_vms[1].vm);
	fake_turn();
	ck_assert_str_eq(started(), "abc");
	ck_assert_int_eq(fake.state, SUP_STARTING);
	fake_ready(&fake_vms[2].vm);
	ck_assert_int_eq(fake.state, SUP_UP);
}
END_TEST

START_TEST(no_more_boot_at_a_time_than_may)
{
	fake.boots_max = 2;
	bringup_start(&fake);
	fake_turn();
	ck_assert_str_eq(started(), "ab");
	vm_agent_answers(&fake_vms[1].vm, 100); /* it boots no more */
	fake_turn();
	ck_assert_str_eq(started(), "abc");
}
END_TEST

START_TEST(the_planned_order_is_kept)
{
	static size_t order[] = { 2, 0, 1 };

	fake_team.order = order;
	fake.boots_max = 1;
	bringup_start(&fake);
	fake_turn();
	ck_assert_str_eq(started(), "c");
	vm_agent_answers(&fake_vms[2].vm, 100);
	fake_turn();
	ck_assert_str_eq(started(), "ac");
}
END_TEST

START_TEST(one_that_was_stopped_before_its_turn_holds_nobody_up)
{
	fake.boots_max = 1;
	bringup_start(&fake);
	vm_stop(&fake_vms[0].vm, true, 100);
	fake_machine_ends(&fake_vms[0].vm);
	fake_turn();
	ck_assert_str_eq(started(), "ab");
}
END_TEST

START_TEST(a_team_without_vms_is_up)
{
	fake.n_vms = 0;
	bringup_start(&fake);
	ck_assert_int_eq(fake.state, SUP_UP);
}
END_TEST

START_TEST(boots_follow_the_processors)
{
	ck_assert_uint_eq(bringup_boots_max(1), 4);
	ck_assert_uint_eq(bringup_boots_max(2), 4);
	ck_assert_uint_eq(bringup_boots_max(3), 6);
	ck_assert_uint_eq(bringup_boots_max(64), 128);
}
END_TEST

/* ---- failures ---- */

static const struct {
	bool keep, was_up;
	enum on_crash on_crash;
	enum sup_state then;
} failures[] = {
	{ false, false, ON_CRASH_STOP, SUP_ENDING }, { false, false, ON_CRASH_IGNORE, SUP_ENDING },
	{ false, true, ON_CRASH_STOP, SUP_ENDING },  { false, true, ON_CRASH_RESTART, SUP_ENDING },
	{ false, true, ON_CRASH_IGNORE, SUP_UP },    { true, false, ON_CRASH_STOP, SUP_BROKEN },
	{ true, true, ON_CRASH_STOP, SUP_BROKEN },   { true, false, ON_CRASH_IGNORE, SUP_STARTING },
};

START_TEST(what_a_failure_means_for_the_team)
{
	bool keep = failures[_i].keep;

	fake.keep = keep;
	fake_tvs[0].on_crash = failures[_i].on_crash;
	fake_vms[0].vm.is_kept = keep;
	fake_bring(&fake_vms[0].vm, VM_READY);
	if (failures[_i].was_up)
		sup_set_state(&fake, SUP_UP);
	vm_fail(&fake_vms[0].vm, str_dup("no more"), 20);
	if (!keep) {
		/* It counts when the process is gone: what it says last is then known. */
		ck_assert_int_ne(fake.state, SUP_ENDING);
		fake_machine_ends(&fake_vms[0].vm);
	}
	ck_assert_int_eq(fake.state, failures[_i].then);
	if (failures[_i].then == SUP_ENDING)
		ck_assert_str_eq(fake.end_why, "a: no more");
}
END_TEST

START_TEST(one_that_cannot_be_started_ends_the_team)
{
	fake_start_why = "no process";
	bringup_start(&fake);
	ck_assert_int_eq(fake.state, SUP_ENDING);
	ck_assert_str_eq(fake.end_why, "a: no process");
	fake_turn();
	ck_assert_uint_eq(fake_starts, 1); /* the others are not tried */
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("supervisor");
	TCase *t = tcase_create("supervisor");

	tcase_add_checked_fixture(t, setup, fake_teardown);
	tcase_add_loop_test(t, a_state_follows_by_the_table, 0, SUP_STATE_COUNT);
	tcase_add_test(t, an_end_comes_once_at_the_next_turn);
	tcase_add_test(t, those_that_wait_for_nobody_start_together);
	tcase_add_test(t, one_starts_after_those_it_names_were_ready);
	tcase_add_test(t, no_more_boot_at_a_time_than_may);
	tcase_add_test(t, the_planned_order_is_kept);
	tcase_add_test(t, one_that_was_stopped_before_its_turn_holds_nobody_up);
	tcase_add_test(t, a_team_without_vms_is_up);
	tcase_add_test(t, boots_follow_the_processors);
	tcase_add_loop_test(t, what_a_failure_means_for_the_team, 0, sizeof failures / sizeof *failures);
	tcase_add_test(t, one_that_cannot_be_started_ends_the_team);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
