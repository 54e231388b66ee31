/* teams/undo.h: what was done to the host, newest last, each with its undo.
 *
 * Failure at step n and an ordinary `down` are the same call: undo_all(). */
#ifndef MUSTER_TEAMS_UNDO_H
#define MUSTER_TEAMS_UNDO_H

#include <stddef.h>

typedef void undo_fn(void *ctx);

struct undo_step {
	undo_fn *fn;
	void *ctx; /* borrowed: lives until it was undone */
};
struct undo {
	struct undo_step *steps;
	size_t n, size;
};

/* Allocation failure aborts. */
void undo_push(struct undo *u, undo_fn *fn, void *ctx);
/* Takes one step out that was undone otherwise (a machine that ended). */
void undo_forget(struct undo *u, undo_fn *fn, const void *ctx);
/* Undoes all, newest first; empty afterwards, and may be used again. */
void undo_all(struct undo *u);

#endif
