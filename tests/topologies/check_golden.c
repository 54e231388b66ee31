/* tests/topologies/check_golden.c: every fail-*.yaml gives exactly its .expect,
 * every good-*.yaml exactly its .plan.
 *
 * With MUSTER_GOLDEN_WRITE set the files that differ are written anew: look at
 * the difference before committing it. */
#include "tests/topologies/golden.h"
#include "tests/unit.h"

#include "core/bytes.h"

#include <errno.h>
#include <glob.h>
#include <string.h>

enum { FAILING_MIN = 70, GOOD_MIN = 6 };

static glob_t failing, good;

/* Compares what @path gives with the file beside it that ends in @ext. */
static void compare(const char *path, const char *ext, int want_status)
{
	CLEANUP(free) char *golden = str_printf("%.*s%s", (int)(strlen(path) - 5), path, ext);
	CLEANUP(bytes) struct bytes want = { 0 };
	CLEANUP(free) char *got = NULL;
	int status;

	got = golden_text(path, &status);
	ck_assert_msg(status == want_status, "%s: status %d\n%s", path, status, got);
	if (getenv("MUSTER_GOLDEN_WRITE"))
		ck_assert_int_eq(file_write_all(golden, got, strlen(got), 0644), 0);
	ck_assert_msg(file_read_all(golden, 1 << 20, &want) == 0, "%s is missing; %s gives\n%s", golden,
		      path, got);
	ck_assert_msg(!strcmp(got, want.data ? (char *)want.data : ""), "%s gives\n%s\nnot\n%s", path, got,
		      want.data ? (char *)want.data : "");
}

START_TEST(test_failing)
{
	compare(failing.gl_pathv[_i], ".expect", -EINVAL);
}
END_TEST

START_TEST(test_good)
{
	compare(good.gl_pathv[_i], ".plan", 0);
}
END_TEST

START_TEST(test_twice)
{
	int status;
	CLEANUP(free) char *a = golden_text(good.gl_pathv[_i], &status);
	CLEANUP(free) char *b = golden_text(good.gl_pathv[_i], &status);

	ck_assert_str_eq(a, b);
}
END_TEST

START_TEST(test_enough)
{
	ck_assert_msg(failing.gl_pathc >= FAILING_MIN, "%zu failing files", failing.gl_pathc);
	ck_assert_msg(good.gl_pathc >= GOOD_MIN, "%zu good files", good.gl_pathc);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("golden");
	TCase *c = tcase_create("files");

	(void)glob("tests/topologies/fail-*.yaml", 0, NULL, &failing);
	(void)glob("tests/topologies/good-*.yaml", 0, NULL, &good);
	tcase_add_loop_test(c, test_failing, 0, (int)failing.gl_pathc);
	tcase_add_loop_test(c, test_good, 0, (int)good.gl_pathc);
	tcase_add_loop_test(c, test_twice, 0, (int)good.gl_pathc);
	tcase_add_test(c, test_enough);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
