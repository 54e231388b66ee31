/* teams/test_run.h: runs a team's tests against its supervisor. */
#ifndef MUSTER_TEAMS_TEST_RUN_H
#define MUSTER_TEAMS_TEST_RUN_H

#include "core/bytes.h"
#include "topologies/team.h"

#include <stdbool.h>
#include <stddef.h>

struct test_outcome {
	const struct team_test *test; /* borrowed */
	bool passed;
	bool skipped; /* it was not run to its end: the team did not come up, or the run ended before */
	nsec_t duration_ns;
	unsigned n_tries;
	char *why; /* what was wrong; NULL when it passed; owned */
	struct bytes out, err; /* of the last try; owned */
};
struct test_outcomes {
	struct test_outcome *list;
	size_t n, n_passed, n_skipped;
};
/* Frees the list and its texts. */
void test_outcomes_done(struct test_outcomes *o);

/* Called after every test. */
typedef void test_report_fn(void *ctx, size_t index, const struct test_outcome *o);

/* @fd: from client_open(). @until: when all must have ended: what runs then fails, and what
 * would begin later; NSEC_NEVER for no bound. Runs all, whatever fails; when the supervisor
 * goes away the rest fails with that reason.
 * @reader_fd: where @fn writes to, a pipe perhaps; -1: nowhere. The run ends as soon as nobody reads it.
 * Returns 0; -EPIPE for such an end: the test under way and the rest are skipped. */
int test_run_all(int fd, const struct team *t, nsec_t until, int reader_fd, test_report_fn *fn, void *ctx,
		 struct test_outcomes *ret);
/* The outcomes of a team that did not come up: the test "set-up" failed with @why after
 * @duration_ns, and none of the team's own was run. */
void test_run_none(const struct team *t, const char *why, nsec_t duration_ns, struct test_outcomes *ret);

/* Reports. @ret: appended to. */
void test_report_junit(const struct team *t, const struct test_outcomes *o, struct bytes *ret);
/* The same as TAP version 13. */
void test_report_tap(const struct test_outcomes *o, struct bytes *ret);

#endif
