/* cli/progress.h: what `up` shows while a team comes up: one live line a VM on
 * a terminal, a line for each change elsewhere. Written to stderr. */
#ifndef MUSTER_CLI_PROGRESS_H
#define MUSTER_CLI_PROGRESS_H

#include "core/clock.h"
#include "topologies/team.h"

#include <jansson.h>
#include <stdbool.h>

enum { PROGRESS_LINES_MAX = 40 /* more VMs than this: lines, not a live block */ };

struct progress {
	const struct team *team; /* borrowed */
	bool is_live;
	nsec_t start;
	const char **states; /* one a VM, borrowed from a static table */
	double *seconds; /* when it got there */
	size_t n_drawn; /* lines on the screen */
};

void progress_init(struct progress *p, const struct team *t, bool quiet, nsec_t now);
void progress_done(struct progress *p);
void progress_event(struct progress *p, json_t *event, nsec_t now);
/* What a "crash" event says, for people. The caller frees it. */
char *progress_crash_str(json_t *event);
/* Redraws the live block. */
void progress_draw(struct progress *p, nsec_t now);

#endif
