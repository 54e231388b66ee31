/* vmm/cpu/soft/translate/select.c: pass 1, the selection of a trace.
 *
 * Input:  root of the build, a hot block; the successors that the interpreter chained, and how often each
 *         was entered; or a path that was recorded (reselect.c).
 * Output: plans, one for each instruction in order; n_blocks, loops and has_exec of the build.
 *
 * A trace is the root and the blocks that are most likely behind it, all of one page. A direct
 * jump is followed; a conditional one to the side that was entered far more often. A trace that comes
 * back to its root is a loop.
 *
 * The whole trace is charged to the budget at its entry, and an exit refunds what did not run. When the
 * budget is too small the root is interpreted, so blocks are entered with the same budgets
 * as without traces.
 *
 * Only the last block of a trace may run an executor, because an executor may write to
 * code and so end the blocks behind it.
 *
 * Used by: translate.c, link.c.   Depends on: emit_int.c, emit_flow.c, emit_sse.c, emit_generic.c. */
#include "vmm/cpu/soft/translate/build.h"

/* ---- plans ---------------------------------------------------------------------- */

static void plan_generic(struct plan *x)
{
	x->fn = NULL;
	x->reads_flags = x->may_exit = x->may_exec = true;
}

/* Decodes @b and plans each of its instructions. False when the block cannot be translated. */
static bool plan_block(struct build *t, struct block *b)
{
	const uint8_t *bytes = mem_ptr(t->s->mem, b->gpa, b->n_bytes);
	uint8_t across[15];
	const struct uop *u = (const struct uop *)(const void *)(b + 1);
	size_t left = b->n_bytes;

	if (b->crosses_page) {
		block_bytes(t->s, b, 0, b->n_bytes, across);
		bytes = across;
	}
	if (!bytes)
		return false;
	for (unsigned k = 0; k < b->n_insns; k++) {
		struct plan *x = &t->plans[t->n_plans++];
		bool is_generic = u->fn == uop_generic || u->fn == uop_generic_end;
		int len;

		memset(x, 0, sizeof(*x));
		len = insn_decode(bytes, left, SOFT_MODE_64, &x->i);
		x->row = insn_info(&x->i);
		x->u = u;
		x->dst = u->dst;
		x->src = u->src;
		x->copy_of = INSN_REG_NONE;
		x->begins = k == 0;
		x->b = b;
		x->ends = x->i.flags & INSN_END;
		if (len <= 0 || x->i.adsize != 8 ||
		    !(is_generic ? translate_plan_sse(x) || translate_plan_rest(x) :
				   translate_plan_flow(x) || translate_plan_int(x)))
			plan_generic(x);
		t->has_exec |= x->may_exec;
		bytes += x->i.len;
		left -= x->i.len;
		if (u->n == k + 1)
			u += is_generic ? UOP_GENERIC_SLOTS : 1;
	}
	return true;
}

/* ---- successors ------------------------------------------------------------------ */

struct block *translate_chained(const struct block *root, const struct uop *link)
{
	struct block *b = (struct block *)(uintptr_t)link;

	if (!b || b->dead || !b->is_ram || b->crosses_page || b->mode != SOFT_MODE_64 || b->tlb_n != root->tlb_n ||
	    (b->gpa ^ root->gpa) >> MEM_PAGE_SHIFT)
		return NULL;
	return b;
}

/* One side of a jump is entered far more often than the other. */
static bool is_biased(const struct block *a, const struct block *b)
{
	unsigned more = a->n_runs > b->n_runs ? a->n_runs : b->n_runs, less = a->n_runs + b->n_runs - more;

	return more >= TRACE_BIAS * less;
}

/* Which of two sides of @b's jump goes on; NULL: none. */
static struct block *side(const struct build *t, struct block *taken, struct block *fall)
{
	const struct path *p = t->path;
	const struct block *next;

	if (p) {
		next = p->blocks[t->n_blocks < p->n ? t->n_blocks : 0];
		return taken == next ? taken : fall == next ? fall : NULL;
	}
	if (!taken || !fall)
		return taken ? taken : fall;
	if (taken == t->root || fall == t->root)
		return taken == t->root ? taken : fall;
	return is_biased(fall, taken) ? fall->n_runs >= taken->n_runs ? fall : taken : NULL;
}

/* What runs behind @b, whose last instruction is @last. NULL: not known. */
static struct block *next_of(const struct build *t, const struct block *b, const struct plan *last, enum follow *ret_follow)
{
	const struct uop_chain *l = block_chain(b);
	struct block *taken, *fall;

	if (!l || !last->fn || b->crosses_page)
		return NULL;
	taken = translate_chained(t->root, l->taken);
	fall = translate_chained(t->root, l->fall);
	*ret_follow = FOLLOW_FALL;
	if (!last->ends)
		return fall;
	if (last->row->class == CLASS_JCC) {
		struct block *next = side(t, taken, fall);

		if (next != taken || taken == fall)
			return next;
	} else if (last->u->fn != uop_jmp && last->u->fn != uop_call) {
		return NULL;
	}
	*ret_follow = FOLLOW_TAKEN;
	return taken;
}

static bool is_in_trace(const struct build *t, const struct block *b)
{
	for (unsigned k = 0; k < t->n_plans; k++)
		if (t->plans[k].b == b)
			return true;
	return false;
}

/* The last instruction goes on to the next block of the trace, or to the first. A jump is then nothing. */
static void follow(struct plan *last, enum follow how)
{
	last->follow = (uint8_t)how;
	if (!last->ends || last->u->fn == uop_jmp)
		last->reads_flags = last->may_exit = last->ends = false;
	if (last->u->fn == uop_call)
		last->reads_flags = last->ends = false;
}

bool translate_select(struct build *t)
{
	struct block *b = t->root, *next;
	enum follow how;

	if (!plan_block(t, b))
		return false;
	for (t->n_blocks = 1; (next = next_of(t, b, &t->plans[t->n_plans - 1], &how)) && !t->has_exec; t->n_blocks++) {
		struct plan *last = &t->plans[t->n_plans - 1];

		t->loops = next == t->root;
		if (!t->loops && (t->n_blocks == TRACE_BLOCKS || t->n_plans + next->n_insns > TRACE_INSNS ||
				  is_in_trace(t, next) || next->loops || !plan_block(t, next)))
			break;
		follow(last, how);
		if (t->loops)
			break;
		b = next;
	}
	return true;
}
