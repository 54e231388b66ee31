/* tests/unit.h: the main() of a unit test program: one libcheck suite. */
#ifndef MUSTER_TESTS_UNIT_H
#define MUSTER_TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

/* @make_suite: Suite *make_suite(void). Fixtures must also work with CK_FORK=no. */
#define UNIT_MAIN(make_suite)                                                  \
	int main(void)                                                         \
	{                                                                      \
		SRunner *runner = srunner_create(make_suite());                \
		int n_failed;                                                  \
                                                                               \
		srunner_run_all(runner, CK_ENV);                               \
		n_failed = srunner_ntests_failed(runner);                      \
		srunner_free(runner);                                          \
		return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;                 \
	}                                                                      \
	int main(void)

#endif
