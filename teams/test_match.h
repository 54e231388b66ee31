/* teams/test_match.h: does a command's end look as a test expects? */
#ifndef MUSTER_TEAMS_TEST_MATCH_H
#define MUSTER_TEAMS_TEST_MATCH_H

#include "core/bytes.h"
#include "topologies/team.h"

/* One text. A regex is POSIX extended (regcomp(3)) on the text up to its first
 * NUL byte. `equals` forgives one newline at the text's end. */
bool match_text(const struct match *m, const struct bytes *text);

/* The whole expectation. Returns NULL when it is met, else what was not, for
 * people; the caller frees. */
char *test_match(const struct team_test *t, int status, const struct bytes *out,
		 const struct bytes *err);

#endif
