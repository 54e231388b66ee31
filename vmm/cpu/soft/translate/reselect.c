/* vmm/cpu/soft/translate/reselect.c: traces made again by what the guest does lately.
 *
 * Which way a trace goes is decided once, when its first block has got hot; a loop whose jumps go otherwise later
 * would leave its traces in the middle for ever. Nothing in the code counts. But budgets run out at
 * instructions that are as good as drawn by lot, so a block at whose entry that happens again and again is where
 * the guest spends its time. Such a block and those around it lose their code and are watched: which blocks come behind
 * it until it is there again. When that is twice the same, it is the trace. At most TRANSLATE_AGAIN times for a
 * block, each after its having been seen eight times as often. Where time goes to many traces none is made again: what
 * that costs would not come back.
 *
 * Used by: prologue.c, profile.c.
 * Sources: R. S. Boyer, J S. Moore, MJRTY (the vote); E. Duesterwald, V. Bala, Software profiling for hot path
 * prediction, 2000 (a path that is taken is a path that is often taken). */
#include "vmm/cpu/soft/translate/build.h"

enum { AROUND = 12 /* blocks */, AROUND_DEEP = 3 /* links */, SHARE = 8 /* the part of all entries that is often */,
       LOOKS = 8 /* paths that are watched at most */ };

/* ---- who ----------------------------------------------------------------------------- */

/* At least every SHARE-th budget has lately run out at @b. */
static bool is_often(struct translate *t, const struct block *b)
{
	if (t->often == b) {
		t->n_often += SHARE - 1;
		return t->n_often >= t->often_enough << 3 * b->n_again;
	}
	if (t->n_often)
		t->n_often--;
	else
		t->often = b;
	return false;
}

struct around {
	struct block *blocks[AROUND];
	unsigned n;
};

static void add(struct around *a, const struct block *root, const struct uop *link)
{
	struct block *b = translate_linked(root, link);

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
			const struct uop_links *l = block_links(a.blocks[k]);

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
	root->n_again++;
}

const struct uop *translate_tired(struct soft *s, const struct uop *u)
{
	struct translate *t = s->blocks->translate;
	struct block *b = (struct block *)(uintptr_t)u;

	if (is_often(t, b)) {
		t->often = NULL;
		t->n_often = 0;
		if (b->n_again < TRANSLATE_AGAIN && !b->is_across)
			watch(s, b);
	}
	return uop_enter(s, u);
}

/* ---- which way ------------------------------------------------------------------------ */

static bool leads_to(const struct block *from, const struct block *to)
{
	const struct uop *u = (const struct uop *)(const void *)to;
	const struct uop_links *l = block_links(from);

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

/* The path ends: @closed: back at the root. True when it was watched for long enough: then the root has code. */
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
		return uop_enter(s, u); /* it will be back */
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
