/* vmm/cpu/soft/translate/translate.c: the code cache, and the way from a block to its code.
 *
 * What is translated at a time is a trace (translate_trace.c): a block and those behind it.
 *
 * The cache has two halves, so that what runs lies close together: code, and
 * ways out of it with what they need.
 *
 * Used by: block.c, soft_cpu.c, uop_flow.c.   Depends on: translate_ways.c,
 * translate_link.c, translate_code.c, translate_span.c, translate_int.c, translate_flow.c, translate_sse.c, translate_rest.c.
 * Sources: memfd_create(2). */
#include "vmm/cpu/soft/translate/translate_impl.h"

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
	if (v && strcmp(v, "traces") == 0)
		return 2;
	return v && strcmp(v, "eager") == 0 ? 1 : TRANSLATE_HEAT;
}

/* The code cache; NULL when the host gives none. @slots: of the blocks; borrowed. */
static struct translate *cache_new(const struct uop *slots)
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
	t->slots = slots;
	t->heat = wanted_heat();
	t->often_enough = t->heat > 2 ? TRANSLATE_OFTEN : 1;
	t->has_bmi2 = __builtin_cpu_supports("bmi2");
	t->profile = translate_profile_new();
	t->build = (struct build *)(void *)(t + 1);
	t->rw = t->next = rw;
	t->to_rx = (uint8_t *)rx - (uint8_t *)rw;
	translate_make_ways(t);
	t->first = t->next;
	t->cold = t->cold_first = t->rw + TRANSLATE_CACHE_BYTES / 2;
	return t;
}

static struct translate *cache_free(struct translate *t)
{
	(void)munmap(t->rw, TRANSLATE_CACHE_BYTES);
	(void)munmap(t->rw + t->to_rx, TRANSLATE_CACHE_BYTES);
	free(t->profile);
	free(t);
	return NULL;
}

void translate_forget_returns(struct soft *s)
{
	const struct translate *t = s->blocks->translate;

	if (!t)
		return;
	for (unsigned n = 0; n < SOFT_TLBS; n++) {
		s->code_sps[n] = (uint64_t)(uintptr_t)&s->code_stack[n][CODE_STACK_TOP];
		s->code_stack[n][CODE_STACK_TOP] = (uint64_t)(uintptr_t)(t->underflow + t->to_rx);
	}
	s->code_sp = s->code_sps[s->tlb_n];
}

static void flush(struct soft *s)
{
	struct translate *t = s->blocks->translate;
	struct soft *p = s;

	block_code_forget(s->blocks);
	do {
		translate_forget_returns(p);
		p = p->peer;
	} while (p != s);
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

static void cache_release(struct soft *s)
{
	struct translate *t = s->blocks->translate;

	flush(s);
	release(t->first, t->cold_first);
	release(t->cold_first, t->rw + TRANSLATE_CACHE_BYTES);
}

void translate_attach(struct block_cache *c)
{
	static const struct block_translator translator = { translate_drop, cache_release, translate_profile_print, cache_free };

	c->translate = cache_new(c->slots);
	if (!c->translate)
		return;
	c->translator = &translator;
	c->new_enter = translate_count;
	c->no_code = translate_none(c->translate);
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

	translate_settle_all(t);
	em_imm64(&t->p, HOST_T1, (uint64_t)(uintptr_t)u);
	em_imm64(&t->p, HOST_T2, (uint64_t)(uintptr_t)t->b);
	if (x->ends) {
		em_jump_to(&t->p, COND_COUNT, x->u->fn == uop_generic_end ? t->t->end : t->t->to_uop);
		return;
	}
	em_call_to(&t->p, t->t->exec);
	em_jump_to(&t->p, COND_NE, t->t->to_null);
	t->lazy = LAZY_UNKNOWN;
	t->host_flags = false;
	t->sse_checked = false;
	t->xmm_in = 0;
	translate_forget_spans(t);
}

/* For the profile; it stays at the most that fits. */
static void count_entry(struct build *t)
{
	em_imm64(&t->p, HOST_T1, (uint64_t)(uintptr_t)&t->root->n_entered);
	em_alu_imm(&t->p, 4, 0, opd_mem(HOST_T1, 0), 1); /* add */
	em_alu_imm(&t->p, 4, 3, opd_mem(HOST_T1, 0), 0); /* sbb */
}

/* The trace is paid, or its first block is interpreted. */
static void pay(struct build *t)
{
	t->now.rest = t->n_plans;
	if (t->t->profile && !t->root->is_across)
		count_entry(t);
	em_alu_imm(&t->p, 8, 5, OPD_S(budget), (int32_t)t->n_plans);
	translate_exit(t, COND_S, NULL);
	t->now.rest = 0;
}

/* An instruction that goes on in the page behind: is it the page that it was decoded from? Else the run loop looks. */
static void check_across(struct build *t)
{
	uint8_t *other;

	em_load(&t->p, HOST_T1, OPD_S(page_rip));
	em(&t->p, 8, 0x8D, HOST_T1, opd_mem(HOST_T1, MEM_PAGE_SIZE));
	translate_code_entry(t, &t->p);
	em(&t->p, 8, 0x3B, HOST_T1, translate_in_code_entry(t, offsetof(struct code_entry, tag)));
	other = em_jump(&t->p, COND_NE);
	em_patch(other, t->cold);
	em(&t->p, 4, 0x81, 7, translate_in_code_entry(t, offsetof(struct code_entry, pfn)));
	em32(&t->p, t->root->page2);
	em_jump_to(&t->p, COND_NE, t->cold);
	em(&t->cold, 8, 0x8D, HOST_T1, opd_mem(HOST_T1, (int32_t)translate_in_page(t, 0) - (int32_t)MEM_PAGE_SIZE));
	em_store(&t->cold, OPD_S(rip), HOST_T1);
	em_jump_to(&t->cold, COND_COUNT, t->t->to_null);
}

static void put_entry(struct build *t)
{
	t->entry = t->p;
	if (t->root->is_across)
		check_across(t);
	translate_trade(&t->p, t->now.moved);
	if (t->loops)
		translate_begin_sse(t);
	pay(t);
	t->host_flags = false;
	t->again = t->p;
}

/* Another turn of the loop. What the first turn began with in host registers is there. */
static void put_turn(struct build *t)
{
	if (t->live)
		translate_settle_pending(t);
	t->b = t->root;
	pay(t);
	em_jump_to(&t->p, COND_COUNT, t->again);
}

static void put_insn(struct build *t, const struct plan *x)
{
	struct pending *f = &t->now.flags;

	t->b = x->b;
	t->now.rest = x->rest;
	t->made_pending = false;
	if (x->ends && x->follow == FOLLOW_NONE)
		translate_settle_all(t);
	if (!x->keep && !x->reads_flags && !x->may_exit && !x->ends)
		f->kind = PENDING_NONE; /* nobody looks at them any more */
	if (f->kind != PENDING_NONE && !x->writes_flags &&
	    (!x->quiet || x->writes >> f->reg & 1 || (f->src < 16 && x->writes >> f->src & 1)))
		translate_settle_pending(t);
	if (!x->fn || !x->fn(t, x))
		put_generic(t, x);
	if (x->writes_flags && !t->made_pending)
		f->kind = PENDING_NONE;
	if (x->writes_flags && !x->keep)
		t->lazy = LAZY_UNKNOWN;
}

static void put_trace(struct build *t)
{
	const struct plan *last = &t->plans[t->n_plans - 1];

	t->b = t->root;
	put_entry(t);
	for (unsigned k = 0; k < t->n_plans; k++)
		put_insn(t, &t->plans[k]);
	if (t->loops) {
		put_turn(t);
	} else if (!last->ends) {
		translate_settle_all(t);
		translate_edge(t, COND_COUNT, last->b->n_bytes);
	}
	translate_put_stubs(t);
}

static bool is_full(const struct translate *t)
{
	return t->next + TRANSLATE_MAX_BYTES > t->cold_first ||
	       t->cold + TRANSLATE_MAX_BYTES > t->rw + TRANSLATE_CACHE_BYTES;
}

void translate_along(struct soft *s, struct block *b, const struct path *path)
{
	struct translate *t = s->blocks->translate;
	struct build *d = t->build;

	if (!b->is_across)
		b->enter = uop_enter;
	if (b->mode != SOFT_MODE_64 || !b->is_ram || !block_is_in_ram(s, b))
		return;
	if (is_full(t))
		flush(s);
	memset(d, 0, offsetof(struct build, stubs));
	d->t = t;
	d->s = s;
	d->root = d->b = b;
	d->path = path;
	d->p = t->next;
	d->cold = t->cold;
	if (!translate_choose(d))
		return;
	translate_plan_loop(d);
	translate_plan_spans(d);
	put_trace(d);
	translate_trace_made(d);
	t->n_blocks++;
	t->n_bytes += (uint64_t)(d->p - t->next) + (uint64_t)(d->cold - t->cold);
	t->next = d->p;
	t->cold = d->cold;
	b->code = d->entry + t->to_rx;
	b->has_code = true;
	b->enter = (uop_fn *)(uintptr_t)(t->enter + t->to_rx);
}

void translate_block(struct soft *s, struct block *b)
{
	translate_along(s, b, NULL);
}

const struct uop *translate_count(struct soft *s, const struct uop *u)
{
	struct block *b = (struct block *)(uintptr_t)u;

	/* One that got hot and has no code will get none. */
	if (b->heat >= s->blocks->translate->heat || ++b->heat < s->blocks->translate->heat)
		return uop_enter(s, u);
	translate_block(s, b);
	UOP_NEXT(s, u);
}
