/* vmm/cpu/soft/translate/translate_trace.c: which blocks become one piece of code.
 *
 * A trace is a block that got hot and those that are most likely behind it: its
 * jumps are followed within the page, its conditional ones to the side that was
 * entered more often while blocks were interpreted. It is paid for at
 * its beginning; who leaves early gives back. When there is not enough left for
 * the whole, its first block is interpreted, so blocks are entered with the same
 * budgets as without traces. A trace that comes back to its beginning is a loop: what it
 * holds in host registers stays there from turn to turn, and a short one is made several times over.
 *
 * An executor may end blocks (they are written to), so only the last block of a trace may
 * have one: what runs behind it is then looked up again.
 *
 * The trace's code is its first block's. The others list the traces that they are in: when
 * one of them goes, the code of those goes.
 *
 * Used by: translate.c, translate_link.c.   Depends on: translate_int.c, translate_flow.c, translate_sse.c,
 * translate_rest.c. */
#include "vmm/cpu/soft/translate/translate_impl.h"

/* ---- plans ---------------------------------------------------------------------- */

static void plan_generic(struct plan *x)
{
	x->fn = NULL;
	x->reads_flags = x->may_exit = x->may_exec = true;
}

/* Decodes @b again and says how each of its instructions is done. False when the block
 * is not one to translate. */
static bool plan_block(struct build *t, struct block *b)
{
	const uint8_t *bytes = mem_ptr(t->s->mem, b->gpa, b->n_bytes);
	uint8_t across[15];
	const struct uop *u = (const struct uop *)(const void *)(b + 1);
	size_t left = b->n_bytes;

	if (b->is_across) {
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

/* ---- the way on ------------------------------------------------------------------ */

struct block *translate_linked(const struct block *root, const struct uop *link)
{
	struct block *b = (struct block *)(uintptr_t)link;

	if (!b || b->dead || !b->is_ram || b->is_across || b->mode != SOFT_MODE_64 || b->tlb_n != root->tlb_n ||
	    (b->gpa ^ root->gpa) >> MEM_PAGE_SHIFT)
		return NULL;
	return b;
}

static bool is_jcc(const struct insn *i)
{
	return (i->map == 0 && (i->opcode & 0xF0) == 0x70) || (i->map == 1 && (i->opcode & 0xF0) == 0x80);
}

/* One side of a jump is entered far more often than the other. */
static bool is_biased(const struct block *a, const struct block *b)
{
	unsigned more = a->heat > b->heat ? a->heat : b->heat, less = a->heat + b->heat - more;

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
	return is_biased(fall, taken) ? fall->heat >= taken->heat ? fall : taken : NULL;
}

/* What runs behind @b, whose last instruction is @last. NULL: nobody knows. */
static struct block *next_of(const struct build *t, const struct block *b, const struct plan *last, enum follow *ret_follow)
{
	const struct uop_links *l = block_links(b);
	struct block *taken, *fall;

	if (!l || !last->fn || b->is_across)
		return NULL;
	taken = translate_linked(t->root, l->taken);
	fall = translate_linked(t->root, l->fall);
	*ret_follow = FOLLOW_FALL;
	if (!last->ends)
		return fall;
	if (is_jcc(&last->i)) {
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

/* ---- flags ----------------------------------------------------------------------- */

/* Which flags are looked at, from the end backwards, where @keep holds. Returns what holds at the beginning. */
static bool reckon_flags(struct build *t, bool keep)
{
	for (unsigned k = t->n_plans; k--;) {
		struct plan *x = &t->plans[k];

		x->keep = keep;
		if (x->reads_flags || x->may_exit || x->ends)
			keep = true;
		else if (x->writes_flags)
			keep = false;
	}
	return keep;
}

/* Several turns of a short loop become one, which is paid at once, and whose accesses side by side are looked up
 * together. */
static void unroll(struct build *t)
{
	unsigned n = t->n_once = t->n_plans;

	if (!t->loops)
		return;
	for (unsigned k = 1; k < TRACE_TURNS && (k + 1) * n <= TRACE_TURNS_INSNS; k++) {
		memcpy(&t->plans[t->n_plans], t->plans, n * sizeof(t->plans[0]));
		t->n_plans += n;
	}
}

bool translate_choose(struct build *t)
{
	struct block *b = t->root, *next;
	enum follow how;
	unsigned rest = 0;

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
	unroll(t);
	for (unsigned k = t->n_plans; k--;) {
		t->plans[k].rest = rest;
		if (t->plans[k].begins)
			rest = t->n_plans - k;
	}
	t->live = reckon_flags(t, !t->loops);
	/* Even those that the first instruction spoils: a turn that is not paid for leaves before it. */
	if (t->loops)
		(void)reckon_flags(t, true);
	return true;
}

/* ---- whose code goes with whom --------------------------------------------------- */

/* @root's trace has another block in it. */
struct part {
	uint32_t next_of_block, next_of_root; /* offsets in the cache; 0: none */
	uint32_t root; /* its slot; 0: that trace is no more */
};
_Static_assert(_Alignof(struct part) == CODE_RECORD_ALIGN, "it fits where it is put");

static struct part *part_at(const struct translate *t, uint32_t off)
{
	return (struct part *)(void *)(t->rw + off);
}

void translate_trace_made(struct build *t)
{
	t->root->loops = t->loops;
	for (unsigned k = 1; k < t->n_once; k++) {
		struct block *b = t->plans[k].b;
		struct part *p;
		uint32_t off;

		if (!t->plans[k].begins)
			continue;
		p = translate_cold_record(t, sizeof(*p));
		off = (uint32_t)((uint8_t *)p - t->t->rw);
		*p = (struct part){ .next_of_block = b->parts_in, .next_of_root = t->root->parts,
				    .root = translate_slot_of(t->t, t->root) };
		b->parts_in = t->root->parts = off;
	}
}

void translate_trace_gone(struct translate *t, struct block *root)
{
	for (uint32_t k = root->parts; k; k = part_at(t, k)->next_of_root)
		part_at(t, k)->root = 0;
	root->parts = 0;
	root->loops = false;
}

void translate_part_gone(struct translate *t, struct block *b)
{
	while (b->parts_in) {
		struct part *p = part_at(t, b->parts_in);

		b->parts_in = p->next_of_block;
		if (p->root)
			translate_drop_code(t, translate_block_at(t, p->root));
	}
}
