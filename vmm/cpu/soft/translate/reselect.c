/* vmm/cpu/soft/translate/reselect.c: traces that are selected again, by the path that the guest takes lately.
 *
 * The selection of a trace happens once, when its root has become hot. A loop whose jumps later go the
 * other way would exit its traces in the middle for ever. The code itself counts nothing. But the
 * budget runs out at an instruction that is as good as random, so the block where it runs
 * out most often is where the guest spends its time. A majority vote finds that block.
 *
 * The elected block and the blocks around it lose their code, and the blocks that run until it is
 * entered again are recorded. When two recordings are equal, they become its trace. A block
 * is selected again at most TRANSLATE_RESELECTIONS times, and needs eight times the votes
 * each time. Where the time goes to many traces no block is elected, because a new
 * selection would not repay its cost.
 *
 * Used by: prologue.c, profile.c.
 * Sources: R. S. Boyer, J S. Moore, MJRTY (the vote); E. Duesterwald, V. Bala, Software profiling for hot path
 * prediction, 2000 (a path that is taken is a path that is often taken). */
#include "vmm/cpu/soft/translate/build.h"
#include "vmm/cpu/soft/translate/translate.h"

enum { AROUND = 12 /* blocks */, AROUND_DEEP = 3 /* edges */, SHARE = 8 /* the part of all entries that is often */,
       LOOKS = 8 /* paths that are watched at most */ };

/* ---- the election ----------------------------------------------------------------------------- */

/* Votes for @b. True when at least every SHARE-th budget has lately run out there. */
static bool is_elected(struct translate *t, const struct block *b)
{
	if (t->candidate == b) {
		t->n_votes += SHARE - 1;
		return t->n_votes >= t->votes_wanted << 3 * b->n_reselected;
	}
	if (t->n_votes)
		t->n_votes--;
	else
		t->candidate = b;
	return false;
}

struct around {
	struct block *blocks[AROUND];
	unsigned n;
};

static void add(struct around *a, const struct block *root, const struct uop *link)
{
	struct block *b = translate_chained(root, link);

	if (!b || a->n == AROUND)
		return;
	for (unsigned k = 0; k < a->n; k++)
		if (a->blocks[k] == b)
			return;
	a->blocks[a->n++] = b;
}

static void watch(struct soft *s, struct block *root)
{
	struct translate *t = s->blocks->translate;
	struct around a = { .blocks = { root }, .n = 1 };

	for (unsigned deep = 0, k = 0; deep < AROUND_DEEP; deep++) {
		for (unsigned end = a.n; k < end; k++) {
			const struct uop_chain *l = block_chain(a.blocks[k]);

			if (!l)
				continue;
			add(&a, root, l->taken);
			add(&a, root, l->fall);
		}
	}
	for (unsigned k = 0; k < a.n; k++) {
		translate_drop_code(t, a.blocks[k]);
		a.blocks[k]->enter = translate_watch;
	}
	t->watch = (struct watch){ .root = root, .n_recycled = s->blocks->n_recycled };
	root->n_reselected++;
}

const struct uop *translate_budget_short(struct soft *s, const struct uop *u)
{
	struct translate *t = s->blocks->translate;
	struct block *b = (struct block *)(uintptr_t)u;

	if (is_elected(t, b)) {
		t->candidate = NULL;
		t->n_votes = 0;
		if (b->n_reselected < TRANSLATE_RESELECTIONS && !b->crosses_page)
			watch(s, b);
	}
	return uop_enter(s, u);
}

/* ---- the recording ------------------------------------------------------------------------ */

static bool leads_to(const struct block *from, const struct block *to)
{
	const struct uop *u = (const struct uop *)(const void *)to;
	const struct uop_chain *l = block_chain(from);

	return l && (l->taken == u || l->fall == u);
}

static bool is_on(const struct path *p, const struct block *b)
{
	for (unsigned k = 0; k < p->n; k++)
		if (p->blocks[k] == b)
			return true;
	return false;
}

static bool is_same(const struct path *a, const struct path *b)
{
	return a->n == b->n && memcmp(a->blocks, b->blocks, a->n * sizeof(a->blocks[0])) == 0;
}

/* The path ends; @closed: at the root. True when enough was recorded: then the root has code. */
static bool look(struct soft *s, bool closed)
{
	struct translate *t = s->blocks->translate;
	struct watch *w = &t->watch;
	bool is_sure = closed && is_same(&w->now, &w->before);

	if (closed)
		w->before = w->now;
	w->now.n = 0;
	if (!is_sure && ++w->n_looks < LOOKS)
		return false;
	translate_along(s, w->root, w->before.n ? &w->before : NULL);
	w->root = NULL;
	return true;
}

const struct uop *translate_watch(struct soft *s, const struct uop *u)
{
	struct watch *w = &s->blocks->translate->watch;
	struct path *p = &w->now;
	struct block *b = (struct block *)(uintptr_t)u;

	if (!w->root || w->root->dead || w->n_recycled != s->blocks->n_recycled) {
		w->root = NULL;
		b->enter = translate_count;
		return translate_count(s, u);
	}
	if (s->budget < b->n_insns)
		return uop_enter(s, u); /* it is interpreted now and entered again later */
	if (p->n && b != w->root && p->n < TRACE_BLOCKS && !is_on(p, b) && leads_to(p->blocks[p->n - 1], b)) {
		p->blocks[p->n++] = b;
	} else {
		if (p->n && look(s, b == w->root && leads_to(p->blocks[p->n - 1], b)))
			UOP_NEXT(s, u);
		if (b == w->root)
			p->blocks[p->n++] = b;
	}
	return uop_enter(s, u);
}
