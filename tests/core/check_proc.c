/* tests/core/check_proc.c: a process is killed only when it is the one that was meant. */
#include "core/bytes.h"
#include "core/proc.h"
#include "tests/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;
static char *title; /* a child's is its parent's */

static void setup(void)
{
	CLEANUP(bytes) struct bytes text = { 0 };

	ck_assert_int_eq(file_read_all("/proc/self/cmdline", 1 << 16, &text), 0);
	title = str_dup((char *)text.data);
	child = fork();
	if (child == 0)
		for (;;)
			(void)pause();
	ck_assert_int_gt(child, 0);
}

static void teardown(void)
{
	if (child > 0) {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
	}
	free(title);
}

static bool lives(void)
{
	return waitpid(child, NULL, WNOHANG) == 0;
}

START_TEST(test_another_is_spared)
{
	uint64_t ticks;

	ck_assert_int_eq(proc_start_time(child, &ticks), 0);
	ck_assert_int_eq(proc_kill_exactly(child, ticks + 1, title, false), -ESRCH);
	ck_assert_int_eq(proc_kill_exactly(child, ticks, "muster: janitor x", false), -ESRCH);
	ck_assert_int_eq(proc_kill_exactly(0, ticks, title, true), -ESRCH);
	ck_assert_int_eq(proc_kill_exactly(-1, ticks, title, true), -ESRCH);
	ck_assert_int_eq(proc_kill_exactly(1, ticks, title, true), -ESRCH);
	ck_assert(lives());
}
END_TEST

START_TEST(test_the_very_one_is_killed_also_when_stopped)
{
	uint64_t ticks;
	int status;

	ck_assert_int_eq(kill(child, SIGSTOP), 0);
	ck_assert_int_eq(proc_start_time(child, &ticks), 0);
	ck_assert_int_eq(proc_kill_exactly(child, ticks, title, false), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(proc_kill_exactly(child, ticks, title, false), -ESRCH);
	ck_assert_int_eq(proc_start_time(child, &ticks), -ESRCH);
	child = 0;
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("proc");
	TCase *t = tcase_create("proc");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_another_is_spared);
	tcase_add_test(t, test_the_very_one_is_killed_also_when_stopped);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
