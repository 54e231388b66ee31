/* vmm/cpu/soft/translate.c: the code cache, and the way from a block to its code.
 *
 * The cache has two halves, so that what runs lies close together: code, and
 * ways out of it with what they need.
 *
 * Used by: block.c, soft_cpu.c, uop_flow.c.   Depends on: translate_ways.c,
 * translate_link.c, translate_code.c, translate_int.c, translate_flow.c, translate_sse.c, translate_rest.c.
 * Sources: memfd_create(2). */
#include "vmm/cpu/soft/translate_impl.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the cache ------------------------------------------------------------------ */

/* How hot a block must be, by MUSTER_SOFT; 0: nothing is translated. */
static unsigned wanted_heat(void)
{
	const char *v = getenv("MUSTER_SOFT");

	if (v && strcmp(v, "interp") == 0)
		return 0;
	return v && strcmp(v, "eager") == 0 ? 1 : TRANSLATE_HEAT;
}

struct translate *translate_new(void)
{
	struct translate *t;
	void *rw = MAP_FAILED, *rx = MAP_FAILED;
	int fd;

	if (!wanted_heat())
		return NULL;
	t = calloc(1, sizeof(*t) + sizeof(*t->build));
	fd = t ? memfd_create("muster-code", MFD_CLOEXEC) : -1;
	if (fd >= 0 && ftruncate(fd, TRANSLATE_CACHE_BYTES) == 0) {
		rw = mmap(NULL, TRANSLATE_CACHE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		/* SYSCALLS(setup): memfd_create ftruncate mmap(2 == PROT_READ|PROT_EXEC, 3 == MAP_SHARED) */
		rx = mmap(NULL, TRANSLATE_CACHE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	}
	if (fd >= 0)
		(void)close(fd);
	if (rw == MAP_FAILED || rx == MAP_FAILED) {
		if (rw != MAP_FAILED)
			(void)munmap(rw, TRANSLATE_CACHE_BYTES);
		if (rx != MAP_FAILED)
			(void)munmap(rx, TRANSLATE_CACHE_BYTES);
		free(t);
		return NULL;
	}
	t->heat = wanted_heat();
	t->build = (struct build *)(void *)(t + 1);
	t->rw = t->next = rw;
	t->to_rx = (uint8_t *)rx - (uint8_t *)rw;
	translate_make_ways(t);
	t->first = t->next;
	t->cold = t->cold_first = t->rw + TRANSLATE_CACHE_BYTES / 2;
	return t;
}

struct translate *translate_free(struct translate *t)
{
	if (!t)
		return NULL;
	(void)munmap(t->rw, TRANSLATE_CACHE_BYTES);
	(void)munmap(t->rw + t->to_rx, TRANSLATE_CACHE_BYTES);
	free(t);
	return NULL;
}

const uint8_t *translate_none(const struct translate *t)
{
	return t ? t->none + t->to_rx : NULL;
}

void translate_profile(const struct translate *t, FILE *f)
{
	if (t)
		fprintf(f, "soft: %llu blocks translated to %llu bytes, %llu flushes\n", (unsigned long long)t->n_blocks,
			(unsigned long long)t->n_bytes, (unsigned long long)t->n_flushes);
}

static void flush(struct soft *s)
{
	struct translate *t = s->blocks->translate;

	block_code_forget(s->blocks);
	t->next = t->first;
	t->cold = t->cold_first;
	t->n_flushes++;
}

/* The whole pages of [@from, @to). */
static void release(uint8_t *from, uint8_t *to)
{
	uint8_t *first = (uint8_t *)(((uintptr_t)from + MEM_PAGE_SIZE - 1) & ~(uintptr_t)(MEM_PAGE_SIZE - 1));

	(void)madvise(first, (size_t)(to - first), MADV_REMOVE);
}

void translate_release(struct soft *s)
{
	struct translate *t = s->blocks->translate;

	if (!t)
		return;
	flush(s);
	release(t->first, t->cold_first);
	release(t->cold_first, t->rw + TRANSLATE_CACHE_BYTES);
}

/* ---- plans ---------------------------------------------------------------------- */

static bool plan_generic(struct plan *x)
{
	x->fn = NULL;
	x->reads_flags = x->may_exit = true;
	return true;
}

/* Decodes the block again and says how each instruction is done. False when the block
 * is not one to translate. */
static bool make_plans(struct build *t)
{
	struct block *b = t->b;
	const uint8_t *bytes = mem_ptr(t->s->mem, b->gpa, b->n_bytes);
	const struct uop *u = (const struct uop *)(const void *)(b + 1);
	size_t left = b->n_bytes;

	if (!bytes)
		return false;
	for (unsigned k = 0; k < b->n_insns; k++) {
		struct plan *x = &t->plans[k];
		bool is_generic = u->fn == uop_generic || u->fn == uop_generic_end;
		int len = insn_decode(bytes, left, SOFT_MODE_64, &x->i);

		x->u = u;
		x->ends = x->i.flags & INSN_END;
		if (len <= 0 || x->i.adsize != 8 ||
		    !(is_generic ? translate_plan_sse(x) || translate_plan_rest(x) :
				   translate_plan_flow(x) || translate_plan_int(x)))
			(void)plan_generic(x);
		bytes += x->i.len;
		left -= x->i.len;
		if (u->n == k + 1)
			u += is_generic ? UOP_GENERIC_SLOTS : 1;
	}
	return true;
}

/* Which flags are looked at, from the end backwards. */
static void reckon_flags(struct build *t)
{
	bool keep = true;

	for (unsigned k = t->b->n_insns; k--;) {
		struct plan *x = &t->plans[k];

		x->keep = keep;
		if (x->reads_flags || x->may_exit || x->ends)
			keep = true;
		else if (x->writes_flags)
			keep = false;
	}
}

/* ---- code ----------------------------------------------------------------------- */

/* A uop that does not have its instruction behind it gets a copy that has. */
static const struct uop *with_insn(struct build *t, const struct plan *x)
{
	uint8_t *copy;

	if (x->u->fn == uop_generic || x->u->fn == uop_generic_end || x->ends)
		return x->u;
	copy = (uint8_t *)(((uintptr_t)t->cold + 15) & ~(uintptr_t)15);
	memcpy(copy, x->u, sizeof(*x->u));
	memcpy(copy + sizeof(*x->u), &x->i, sizeof(x->i));
	t->cold = copy + sizeof(*x->u) + sizeof(x->i);
	return (const struct uop *)(const void *)copy;
}

static void put_generic(struct build *t, const struct plan *x)
{
	const struct uop *u = with_insn(t, x);

	translate_put_mxcsr(t);
	t->has_mxcsr = false;
	em_imm64(&t->p, HOST_T1, (uint64_t)(uintptr_t)u);
	em_imm64(&t->p, HOST_T2, (uint64_t)(uintptr_t)t->b);
	if (x->ends) {
		em_jump_to(&t->p, COND_COUNT, t->t->to_uop);
		return;
	}
	em_call_to(&t->p, t->t->exec);
	em_jump_to(&t->p, COND_NE, t->t->to_null);
	t->lazy = LAZY_UNKNOWN;
	t->host_flags = false;
	t->sse_checked = false;
}

/* The budget pays for the whole block, as in uop_enter(). */
static void put_entry(struct build *t)
{
	t->entry = t->p;
	em_alu_imm(&t->p, 8, 5, OPD_S(budget), t->b->n_insns);
	em_jump_to(&t->p, COND_S, t->cold);
	em_imm64(&t->cold, HOST_T1, (uint64_t)(uintptr_t)t->b);
	em_jump_to(&t->cold, COND_COUNT, t->t->to_here);
}

static void put_stubs(struct build *t)
{
	uint8_t *tail = t->cold;

	if (!t->n_stubs)
		return;
	em_imm64(&t->cold, HOST_T2, (uint64_t)(uintptr_t)t->b);
	em_jump_to(&t->cold, COND_COUNT, t->t->to_uop);
	for (unsigned k = 0; k < t->n_stubs; k++) {
		em_patch(t->stubs[k].from, t->cold);
		if (t->stubs[k].has_mxcsr)
			em(&t->cold, 4, 0x0FAE, 3, OPD_S(fx.mxcsr));
		em_imm64(&t->cold, HOST_T1, (uint64_t)(uintptr_t)t->stubs[k].u);
		em_jump_to(&t->cold, COND_COUNT, tail);
	}
}

static void put_block(struct build *t)
{
	bool ended = false;

	put_entry(t);
	for (unsigned k = 0; k < t->b->n_insns; k++) {
		const struct plan *x = &t->plans[k];

		if (x->ends) {
			translate_put_mxcsr(t);
			t->has_mxcsr = false;
		}
		if (!x->fn || !x->fn(t, x))
			put_generic(t, x);
		if (x->writes_flags && !x->keep)
			t->lazy = LAZY_UNKNOWN;
		ended = x->ends;
	}
	if (!ended)
		translate_put_mxcsr(t);
	if (!ended)
		translate_edge(t, COND_COUNT, t->b->n_bytes);
	put_stubs(t);
}

static bool is_full(const struct translate *t)
{
	return t->next + TRANSLATE_MAX_BYTES > t->cold_first ||
	       t->cold + TRANSLATE_MAX_BYTES > t->rw + TRANSLATE_CACHE_BYTES;
}

void translate_block(struct soft *s, struct block *b)
{
	struct translate *t = s->blocks->translate;
	struct build *d = t->build;

	b->enter = uop_enter;
	if (b->mode != SOFT_MODE_64 || !b->is_ram || b->gpa2)
		return;
	if (is_full(t))
		flush(s);
	memset(d, 0, offsetof(struct build, stubs));
	memset(d->plans, 0, b->n_insns * sizeof(d->plans[0]));
	d->n_stubs = 0;
	d->t = t;
	d->s = s;
	d->b = b;
	d->p = t->next;
	d->cold = t->cold;
	if (!make_plans(d))
		return;
	reckon_flags(d);
	put_block(d);
	t->n_blocks++;
	t->n_bytes += (uint64_t)(d->p - t->next) + (uint64_t)(d->cold - t->cold);
	t->next = d->p;
	t->cold = d->cold;
	b->code = d->entry + t->to_rx;
	b->has_code = true;
	b->enter = (uop_fn *)(uintptr_t)(t->enter + t->to_rx);
}

const struct uop *translate_count(struct soft *s, const struct uop *u)
{
	struct block *b = (struct block *)(uintptr_t)u;

	if (++b->heat < s->blocks->translate->heat)
		return uop_enter(s, u);
	translate_block(s, b);
	UOP_NEXT(s, u);
}
