/* vmm/cpu/soft/translate/unroll.c: pass 2, unrolling of short loops.
 *
 * Input:  the plans of one iteration, and loops of the build.
 * Output: the plans of up to UNROLL_ITERATIONS iterations, n_body of the build, and the refund of every plan:
 *         the instructions that an exit from it refunds.
 *
 * The iterations are charged to the budget at once, and their accesses are
 * coalesced across iterations.
 *
 * Used by: translate.c. */
#include "vmm/cpu/soft/translate/build.h"

/* An exit refunds what is charged behind its block; the block itself is refunded by its uop. */
static void set_refunds(struct build *t)
{
	unsigned refund = 0;

	for (unsigned k = t->n_plans; k--;) {
		t->plans[k].refund = refund;
		if (t->plans[k].begins)
			refund = t->n_plans - k;
	}
}

void translate_unroll(struct build *t)
{
	unsigned n = t->n_body = t->n_plans;

	for (unsigned k = 1; t->loops && k < UNROLL_ITERATIONS && (k + 1) * n <= UNROLL_INSNS; k++) {
		memcpy(&t->plans[t->n_plans], t->plans, n * sizeof(t->plans[0]));
		t->n_plans += n;
	}
	set_refunds(t);
}
