/* teams/undo.c: a stack of undo calls.
 *
 * A step is taken off before it is called, so that an undo which fails half
 * way is not called twice.
 *
 * Used by: supervisor.c. */
#include "teams/undo.h"

#include <stdlib.h>
#include <string.h>

void undo_push(struct undo *u, undo_fn *fn, void *ctx)
{
	if (u->n == u->size) {
		size_t size = u->size ? u->size * 2 : 16;
		struct undo_step *steps = realloc(u->steps, size * sizeof *steps);

		if (!steps)
			abort();
		u->steps = steps;
		u->size = size;
	}
	u->steps[u->n++] = (struct undo_step){ .fn = fn, .ctx = ctx };
}

void undo_forget(struct undo *u, undo_fn *fn, const void *ctx)
{
	for (size_t i = u->n; i-- > 0;) {
		if (u->steps[i].fn != fn || u->steps[i].ctx != ctx)
			continue;
		memmove(u->steps + i, u->steps + i + 1, (u->n - i - 1) * sizeof *u->steps);
		u->n--;
		return;
	}
}

void undo_all(struct undo *u)
{
	while (u->n > 0) {
		struct undo_step step = u->steps[--u->n];

		step.fn(step.ctx);
	}
	free(u->steps);
	*u = (struct undo){ 0 };
}
