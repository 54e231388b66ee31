/* tests/topologies/golden.h: what a team file gives, as one text: for comparing. */
#ifndef MUSTER_TESTS_TOPOLOGIES_GOLDEN_H
#define MUSTER_TESTS_TOPOLOGIES_GOLDEN_H

/* Loads @path with MUSTER's image names known: the messages, then the plan when
 * there is one. *ret_status: what team_load() returned. The caller frees. */
char *golden_text(const char *path, int *ret_status);

#endif
