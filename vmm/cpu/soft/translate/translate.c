/* vmm/cpu/soft/translate/translate.c: the translator: its passes in order, and the code cache.
 *
 * A block that is hot is translated together with the blocks that are likely behind it: a trace. The passes
 * work on one struct build (build.h):
 *
 *   1 select    select.c    the blocks of the trace; a plan for each of their instructions
 *   2 unroll    unroll.c    several iterations of a short loop become one
 *   3 liveness  liveness.c  which flags are read
 *   4 allocate  allocate.c  host registers for the guest registers of a loop
 *   5 coalesce  coalesce.c  accesses that share one TLB check
 *   6 emit      emit.c      plans to host code, by emit_*.c for each class of instruction, and exit stubs
 *   7 link      link.c      the code becomes the block's; edges between traces are chained
 *
 * Beside them: asm.h (host instructions), prologue.c (entry, exits and calls that all traces share),
 * members.c (whose code goes with a block), reselect.c (traces that are selected again), profile.c.
 *
 * The cache has two halves, so that what runs lies close together: code, and
 * exit stubs with their data.
 *
 * Used by: block, run. Sources: memfd_create(2). */
#include "vmm/cpu/soft/translate/translate.h"

#include "vmm/cpu/soft/translate/build.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the cache ------------------------------------------------------------------ */

/* How hot a block must be, by MUSTER_SOFT; 0: nothing is translated. */
static unsigned wanted_threshold(void)
{
	const char *v = getenv("MUSTER_SOFT");

	if (v && strcmp(v, "interp") == 0)
		return 0;
	if (v && strcmp(v, "traces") == 0)
		return 2;
	return v && strcmp(v, "eager") == 0 ? 1 : TRANSLATE_THRESHOLD;
}

/* The code cache; NULL when the host gives none. @slots: of the blocks; borrowed. */
static struct translate *cache_new(const struct uop *slots)
{
	struct translate *t;
	void *rw = MAP_FAILED, *rx = MAP_FAILED;
	int fd;

	if (!wanted_threshold())
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
	t->threshold = wanted_threshold();
	t->votes_wanted = t->threshold > 2 ? TRANSLATE_VOTES : 1;
	t->has_bmi2 = __builtin_cpu_supports("bmi2");
	t->profile = translate_profile_new();
	t->build = (struct build *)(void *)(t + 1);
	t->rw = t->next = rw;
	t->to_rx = (uint8_t *)rx - (uint8_t *)rw;
	translate_make_shared(t);
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
	c->no_code = translate_no_code(c->translate);
}

/* ---- the passes ------------------------------------------------------------------ */

static bool is_full(const struct translate *t)
{
	return t->next + TRANSLATE_MAX_BYTES > t->cold_first ||
	       t->cold + TRANSLATE_MAX_BYTES > t->rw + TRANSLATE_CACHE_BYTES;
}

void translate_along(struct soft *s, struct block *b, const struct path *path)
{
	struct translate *t = s->blocks->translate;
	struct build *d = t->build;

	if (!b->crosses_page)
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
	if (!translate_select(d))
		return;
	translate_unroll(d);
	translate_liveness(d);
	translate_allocate(d);
	translate_coalesce(d);
	translate_emit(d);
	translate_link(d);
}

void translate_block(struct soft *s, struct block *b)
{
	translate_along(s, b, NULL);
}

const struct uop *translate_count(struct soft *s, const struct uop *u)
{
	struct block *b = (struct block *)(uintptr_t)u;

	/* One that got hot and has no code will get none. */
	if (b->n_runs >= s->blocks->translate->threshold || ++b->n_runs < s->blocks->translate->threshold)
		return uop_enter(s, u);
	translate_block(s, b);
	UOP_NEXT(s, u);
}
