/* tests/unit.h: the main() of a unit test program: one libcheck suite.
 *
 * Libcheck ends a test after 4 s of the real clock. Property tests budget seconds of processor time, which take
 * many times as long on a loaded host: every test here gets UNIT_TIMEOUT_S, which ends what hangs and no other.
 * The environment's CK_DEFAULT_TIMEOUT wins. */
#ifndef MUSTER_TESTS_UNIT_H
#define MUSTER_TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

#define UNIT_TIMEOUT_S "120" /* a string: tcase_create() reads it from the environment */

/* @make_suite: Suite *make_suite(void). Fixtures must also work with CK_FORK=no. */
#define UNIT_MAIN(make_suite)                                          \
	int main(void)                                                 \
	{                                                              \
		SRunner *runner;                                       \
		int n_failed;                                          \
                                                                       \
		(void)setenv("CK_DEFAULT_TIMEOUT", UNIT_TIMEOUT_S, 0); \
		runner = srunner_create(make_suite());                 \
		srunner_run_all(runner, CK_ENV);                       \
		n_failed = srunner_ntests_failed(runner);              \
		srunner_free(runner);                                  \
		return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;         \
	}                                                              \
	int main(void)

#endif
