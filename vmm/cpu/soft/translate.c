/* vmm/cpu/soft/translate.c: the code cache, what all code shares, and the way
 * from a block to its code.
 *
 * On entry from C the callee-saved registers are pushed and the guest's are
 * loaded; on the way out it is the other way round. In between the host's
 * stack is not touched but by calls of exec, so a longjmp out of an executor
 * leaves nothing behind.
 *
 * Used by: block.c, soft_cpu.c, uop_flow.c.   Depends on: translate_code.c,
 * translate_int.c, translate_flow.c, translate_sse.c.
 * Sources: System V ABI for x86-64 §3.2; memfd_create(2). */
#include "vmm/cpu/soft/translate_impl.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint8_t saved[] = { 3, 5, 12, 13, 14, 15 }; /* RBX, RBP, R12 to R15 */

/* ---- the shared parts --------------------------------------------------------- */

static void em_push(uint8_t **p, unsigned h)
{
	if (h > 7)
		em8(p, 0x41);
	em8(p, 0x50 | (h & 7));
}

static void em_pop(uint8_t **p, unsigned h)
{
	if (h > 7)
		em8(p, 0x41);
	em8(p, 0x58 | (h & 7));
}

static void em_guest(uint8_t **p, bool is_load)
{
	for (unsigned g = 0; g < GUEST_IN_HOST; g++) {
		struct opd o = opd_mem(HOST_S, (int32_t)(offsetof(struct soft, r) + 8 * g));

		em(p, 8, is_load ? 0x8B : 0x89, guest_opd(g).reg, o);
	}
}

/* Stores the guest's registers; RDI is then s and RSI is T1; the host's registers come back. */
static void em_leave(uint8_t **p)
{
	em_guest(p, false);
	em_mov(p, HOST_RDI, HOST_S);
	em_mov(p, HOST_RSI, HOST_T1);
	em_alu_imm(p, 8, 0, opd_reg(HOST_RSP), 8);
	for (size_t k = sizeof(saved); k--;)
		em_pop(p, saved[k]);
}

static void em_jump_c(uint8_t **p, uint64_t fn, bool is_call)
{
	em_imm64(p, HOST_RAX, fn);
	em(p, 4, 0xFF, is_call ? 2 : 4, opd_reg(HOST_RAX));
}

static void make_ways_out(struct translate *t)
{
	uint8_t **p = &t->next;

	t->none = *p;
	em_load(p, HOST_T2, OPD_S(r[INSN_REG_RIP]));
	em_store(p, OPD_S(rip), HOST_T2);
	t->to_uop = *p; /* a block begins as a uop does */
	em_leave(p);
	em(p, 4, 0xFF, 4, opd_mem(HOST_RSI, offsetof(struct uop, fn)));
	t->to_null = *p;
	em_leave(p);
	em(p, 4, 0x31, HOST_RAX, opd_reg(HOST_RAX));
	em8(p, 0xC3);
	t->to_unlinked = *p;
	em_leave(p);
	em_jump_c(p, (uint64_t)(uintptr_t)uop_unlinked, false);
}

static void make_enter(struct translate *t)
{
	uint8_t **p = &t->next;

	t->enter = *p;
	for (size_t k = 0; k < sizeof(saved); k++)
		em_push(p, saved[k]);
	em_alu_imm(p, 8, 5, opd_reg(HOST_RSP), 8);
	em_mov(p, HOST_S, HOST_RDI);
	em_mov(p, HOST_T1, HOST_RSI);
	em_load(p, HOST_T2, OPD_S(rip));
	em_store(p, OPD_S(r[INSN_REG_RIP]), HOST_T2);
	em_guest(p, true);
	em(p, 4, 0xFF, 4, opd_mem(HOST_T1, offsetof(struct block, code)));
}

/* Runs the uop's instruction by its executor, as uop_generic() does.
 * Returns whether the block must be left. */
static int exec_uop(struct soft *s, const struct uop *u)
{
	const struct insn *i = (const struct insn *)(const void *)(u + 1);

	s->cur = u;
	s->rip = uop_rip(s, u);
	s->insn_rip = s->rip - u->len;
	i->exec(s, i);
	if (UOP_LIKELY(!s->block_dead))
		return 0;
	s->budget += s->block->n_insns - u->n;
	return 1;
}

static void make_exec(struct translate *t)
{
	uint8_t **p = &t->next;

	t->exec = *p;
	em_guest(p, false);
	em_mov(p, HOST_RDI, HOST_S);
	em_mov(p, HOST_RSI, HOST_T1);
	em_alu_imm(p, 8, 5, opd_reg(HOST_RSP), 8);
	em_jump_c(p, (uint64_t)(uintptr_t)exec_uop, true);
	em_alu_imm(p, 8, 0, opd_reg(HOST_RSP), 8);
	em(p, 4, 0x85, HOST_RAX, opd_reg(HOST_RAX));
	em_guest(p, true);
	em8(p, 0xC3);
}

/* uop_jump() in registers: RAX and RCX are free once they are stored. */
static void make_jump(struct translate *t)
{
	const int32_t jump = (int32_t)offsetof(struct block_cache, jump);
	uint8_t **p = &t->next, *miss[4];

	t->jump = *p;
	em_store(p, OPD_S(r[0]), HOST_RAX);
	em_store(p, OPD_S(r[1]), HOST_RCX);
	em_mov(p, HOST_T2, HOST_T1);
	em(p, 8, 0xC1, 5, opd_reg(HOST_T2));
	em8(p, JUMP_BITS);
	em(p, 4, 0x8B, HOST_RAX, opd_reg(HOST_T2));
	em(p, 4, 0x33, HOST_RAX, opd_reg(HOST_T1));
	em_alu_imm(p, 4, 4, opd_reg(HOST_RAX), JUMP_SIZE - 1);
	em(p, 4, 0xC1, 4, opd_reg(HOST_RAX)); /* shl */
	em8(p, 4);
	em(p, 8, 0x03, HOST_RAX, OPD_S(blocks));
	em(p, 8, 0x3B, HOST_T1, opd_mem(HOST_RAX, jump + (int32_t)offsetof(struct jump_entry, rip)));
	miss[0] = em_jump(p, COND_NE);
	em_load(p, HOST_RAX, opd_mem(HOST_RAX, jump + (int32_t)offsetof(struct jump_entry, block)));
	em(p, 8, 0x85, HOST_RAX, opd_reg(HOST_RAX));
	miss[1] = em_jump(p, COND_E);
	em_alu_imm(p, 4, 4, opd_reg(HOST_T2), TLB_SIZE - 1);
	em(p, 4, 0xC1, 4, opd_reg(HOST_T2));
	em8(p, 6);
	em(p, 8, 0x03, HOST_T2, OPD_S(tlb));
	em_mov(p, HOST_RCX, HOST_T1);
	em_alu_imm(p, 8, 4, opd_reg(HOST_RCX), -MEM_PAGE_SIZE);
	em(p, 8, 0x3B, HOST_RCX, opd_mem(HOST_T2, offsetof(struct tlb_entry, exec_tag)));
	miss[2] = em_jump(p, COND_NE);
	em_load(p, HOST_RCX, opd_mem(HOST_RAX, offsetof(struct block, gpa)));
	em(p, 8, 0x33, HOST_RCX, opd_mem(HOST_T2, offsetof(struct tlb_entry, phys)));
	em(p, 8, 0xC1, 5, opd_reg(HOST_RCX));
	em8(p, MEM_PAGE_SHIFT);
	miss[3] = em_jump(p, COND_NE);
	em_store(p, OPD_S(r[INSN_REG_RIP]), HOST_T1);
	em_mov(p, HOST_T1, HOST_RAX);
	em_load(p, HOST_RAX, OPD_S(r[0]));
	em_load(p, HOST_RCX, OPD_S(r[1]));
	em(p, 4, 0xFF, 4, opd_mem(HOST_T1, offsetof(struct block, code)));
	for (size_t k = 0; k < sizeof(miss) / sizeof(miss[0]); k++)
		em_patch(miss[k], *p);
	em_store(p, OPD_S(rip), HOST_T1);
	em_load(p, HOST_RAX, OPD_S(r[0]));
	em_load(p, HOST_RCX, OPD_S(r[1]));
	em_jump_to(p, COND_COUNT, t->to_null);
}

/* ---- the cache ------------------------------------------------------------------ */

/* How hot a block must be, by MUSTER_SOFT; 0: nothing is translated. */
static unsigned wanted_heat(void)
{
	const char *v = getenv("MUSTER_SOFT");

	if (v && strcmp(v, "translate") == 0)
		return TRANSLATE_HEAT;
	return v && strcmp(v, "eager") == 0 ? 1 : 0;
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
	make_ways_out(t);
	make_enter(t);
	make_exec(t);
	make_jump(t);
	t->first = t->next;
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
	t->n_flushes++;
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
		    !(is_generic ? translate_plan_sse(x) : translate_plan_flow(x) || translate_plan_int(x)))
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
	uint8_t *over, *copy;

	if (x->u->fn == uop_generic || x->u->fn == uop_generic_end || x->ends)
		return x->u;
	over = em_jump(&t->p, COND_COUNT);
	copy = (uint8_t *)(((uintptr_t)t->p + 15) & ~(uintptr_t)15);
	memcpy(copy, x->u, sizeof(*x->u));
	memcpy(copy + sizeof(*x->u), &x->i, sizeof(x->i));
	t->p = copy + sizeof(*x->u) + sizeof(x->i);
	em_patch(over, t->p);
	return (const struct uop *)(const void *)(copy + t->t->to_rx);
}

static void put_generic(struct build *t, const struct plan *x)
{
	const struct uop *u = with_insn(t, x);

	translate_put_mxcsr(t);
	t->has_mxcsr = false;
	em_imm64(&t->p, HOST_T1, (uint64_t)(uintptr_t)u);
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
static void put_entry(struct build *t, uint8_t **ret_broke)
{
	t->entry = t->p;
	em_store(&t->p, OPD_S(block), HOST_T1);
	t->loop = t->p;
	em_alu_imm(&t->p, 8, 5, OPD_S(budget), t->b->n_insns);
	*ret_broke = em_jump(&t->p, COND_S);
}

static void put_stubs(struct build *t, uint8_t *broke)
{
	for (unsigned k = 0; k < t->n_stubs; k++) {
		em_patch(t->stubs[k].from, t->p);
		t->has_mxcsr = t->stubs[k].has_mxcsr;
		translate_put_mxcsr(t);
		em_imm64(&t->p, HOST_T1, (uint64_t)(uintptr_t)t->stubs[k].u);
		em_jump_to(&t->p, COND_COUNT, t->t->to_uop);
	}
	em_patch(broke, t->p);
	em_alu_imm(&t->p, 8, 0, OPD_S(budget), t->b->n_insns);
	em_load(&t->p, HOST_T1, OPD_S(r[INSN_REG_RIP]));
	em_store(&t->p, OPD_S(rip), HOST_T1);
	em_jump_to(&t->p, COND_COUNT, t->t->to_null);
}

static void put_block(struct build *t)
{
	struct uop *last = (struct uop *)(void *)t->b + t->b->n_slots - 1;
	struct uop_links *links = (struct uop_links *)(void *)last;
	bool ended = false;
	uint8_t *broke;

	put_entry(t, &broke);
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
		translate_edge(t, &links->fall, t->b->n_bytes);
	put_stubs(t, broke);
}

void translate_block(struct soft *s, struct block *b)
{
	struct translate *t = s->blocks->translate;
	struct build *d = t->build;

	b->enter = uop_enter;
	if (b->mode != SOFT_MODE_64 || !b->is_ram || b->gpa2)
		return;
	if ((size_t)(t->next - t->rw) + TRANSLATE_MAX_BYTES > TRANSLATE_CACHE_BYTES)
		flush(s);
	memset(d, 0, offsetof(struct build, stubs));
	memset(d->plans, 0, b->n_insns * sizeof(d->plans[0]));
	d->n_stubs = 0;
	d->t = t;
	d->s = s;
	d->b = b;
	d->p = t->next;
	if (!make_plans(d))
		return;
	reckon_flags(d);
	put_block(d);
	t->n_blocks++;
	t->n_bytes += (uint64_t)(d->p - t->next);
	t->next = d->p;
	b->code = d->entry + t->to_rx;
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
