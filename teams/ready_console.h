/* teams/ready_console.h: waits until a guest's console has said what a regular expression matches.
 *
 * The text is looked at every 250 ms, and when 64 KiB are there, so a guest that writes much costs one look
 * for each 64 KiB. A line may be matched before its end, since a prompt has none; of a line that is longer
 * the last 4 KiB are kept for the next look.
 *
 * Used by: ready.c.   Depends on: core/bytes.h, core/clock.h.   Sources: team-file(5), regcomp(3). */
#ifndef MUSTER_TEAMS_READY_CONSOLE_H
#define MUSTER_TEAMS_READY_CONSOLE_H

#include "core/clock.h"

#include <stdbool.h>
#include <stddef.h>

struct ready_console;

/* @pattern: POSIX extended; ^ and $ are those of a line. The caller frees the result with ready_console_free().
 * Returns NULL when it is no regular expression. */
struct ready_console *ready_console_new(const char *pattern);
struct ready_console *ready_console_free(struct ready_console *c); /* accepts NULL; returns NULL */
/* The console says @len bytes more, from the guest. CR and NUL are left out. */
void ready_console_take(struct ready_console *c, const char *data, size_t len, nsec_t now);
/* Looks at what is new when its time has come. Returns whether the console has said it, from then on for ever. */
bool ready_console_look(struct ready_console *c, nsec_t now);
/* When ready_console_look() is wanted; NSEC_NEVER: when there is more text. */
nsec_t ready_console_due(const struct ready_console *c);

#endif
