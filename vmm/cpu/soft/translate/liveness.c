/* vmm/cpu/soft/translate/liveness.c: pass 3, liveness of the arithmetic flags.
 *
 * Input:  the plans in order, with writes_flags, reads_flags, may_exit and ends.
 * Output: live of every plan: the flags behind that instruction may be read; live of the build:
 *         the flags at the first instruction may be read.
 *
 * Flags are one unit: an instruction writes all of them or counts as a reader. An exit
 * counts as a reader, since the interpreter may read them.
 *
 * Used by: translate.c. */
#include "vmm/cpu/soft/translate/build.h"

/* One sweep from the end. @live: flags are live behind the last instruction. Returns whether they are live before the first. */
static bool sweep(struct build *t, bool live)
{
	for (unsigned k = t->n_plans; k--;) {
		struct plan *x = &t->plans[k];

		x->flags_live = live;
		if (x->reads_flags || x->may_exit || x->ends)
			live = true;
		else if (x->writes_flags)
			live = false;
	}
	return live;
}

void translate_liveness(struct build *t)
{
	t->live = sweep(t, !t->loops);
	/* The first instruction of a loop may be left before it writes flags: when the budget is used up. */
	if (t->loops)
		(void)sweep(t, true);
}
