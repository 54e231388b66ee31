/* vmm/cpu/soft/translate/coalesce.c: pass 5, coalesced TLB checks.
 *
 * Input:  the plans, with the registers that each instruction writes and copies.
 * Output: spans of the build; operand and stack of every plan: the span that the access is in.
 *
 * Often the difference of two addresses is known: PUSH and POP move RSP by 8; a frame or a
 * structure is read through one base register. Accesses whose addresses differ by a constant
 * and lie within SPAN_BYTES form a span. The first access checks the TLB for the whole span. The
 * others use the host address that it found, until C code runs: only C code drops TLB entries.
 * The first store to a span that was checked for reading checks again.
 *
 * A span may lie in two pages where none of its accesses does. Then the trace exits as on a
 * TLB miss. A block where that happens often is translated without spans
 * (translate_straddle()).
 *
 * Used by: translate.c, emit*.c. */
#include "vmm/cpu/soft/translate/build.h"

enum { SPAN_BYTES = 512, SPAN_STRADDLES = 32 /* each within OFTEN instructions of the last: then a block's spans are given up */,
       OFTEN = 2048 /* an array that is walked through by qwords straddles once in 2500 */, MAX_OFFSET = 1 << 28 };

/* ---- what registers are ------------------------------------------------------------ */

/* A register is something that has no name but a number, and a constant. */
struct symbol {
	uint32_t id;
	int32_t off;
};

struct symbols {
	struct symbol r[16], rip, none;
	uint32_t n_ids;
};

static struct symbol new_symbol(struct symbols *y)
{
	return (struct symbol){ .id = ++y->n_ids };
}

static void forget_all(struct symbols *y)
{
	for (unsigned g = 0; g < 16; g++)
		y->r[g] = new_symbol(y);
	y->rip = new_symbol(y);
	y->none = new_symbol(y);
}

static void move(struct symbols *y, unsigned g, struct symbol from, int64_t by)
{
	int64_t off = from.off + by;

	y->r[g] = off > MAX_OFFSET || off < -MAX_OFFSET ? new_symbol(y) : (struct symbol){ from.id, (int32_t)off };
}

/* What the instruction does to registers. */
static void step(struct symbols *y, const struct plan *x)
{
	if (!x->fn || x->may_exec || !x->knows_writes) {
		forget_all(y);
		return;
	}
	if (x->stack_by)
		move(y, CPU_RSP, y->r[x->stack_base], x->stack_by);
	for (unsigned g = 0; g < 16; g++) {
		if (!(x->writes >> g & 1) || (g == CPU_RSP && x->stack_by && !x->pops_rsp))
			continue;
		if (x->copy_of < 16)
			move(y, g, y->r[x->copy_of], x->copy_add);
		else
			y->r[g] = new_symbol(y);
	}
}

/* ---- spans ------------------------------------------------------------------------- */

/* Puts the access at @key's constant + @off into a span of @t. */
static struct member join(struct build *t, struct span key, int64_t off, unsigned size)
{
	for (unsigned k = t->n_spans; k--;) {
		struct span *s = &t->spans[k];
		int64_t lo = off < s->lo ? off : s->lo, hi = off + size > s->hi ? off + size : s->hi;

		if (s->base != key.base || s->index != key.index || s->scale != key.scale || s->seg != key.seg ||
		    hi - lo > SPAN_BYTES)
			continue;
		s->lo = (int32_t)lo;
		s->hi = (int32_t)hi;
		s->n_left++;
		return (struct member){ (uint8_t)(k + 1), (int32_t)off };
	}
	if (t->n_spans == SPANS || off > MAX_OFFSET || off < -MAX_OFFSET)
		return (struct member){ 0 };
	key.lo = (int32_t)off;
	key.hi = (int32_t)off + (int32_t)size;
	key.n_left = 1;
	t->spans[t->n_spans++] = key;
	return (struct member){ (uint8_t)t->n_spans, (int32_t)off };
}

static void join_operand(struct build *t, const struct symbols *y, struct plan *x)
{
	const struct insn *i = &x->i;
	struct span key = { .scale = i->scale, .seg = i->seg == CPU_FS || i->seg == CPU_GS ? i->seg : CPU_DS };
	struct symbol base = i->base < 16 ? y->r[i->base] : i->base == INSN_REG_RIP ? y->rip : y->none;
	struct symbol index = i->index < 16 ? y->r[i->index] : y->none;
	int64_t off = i->disp;

	if (i->base == INSN_REG_RIP)
		off += (int64_t)(x->b->gpa & (MEM_PAGE_SIZE - 1)) + x->u->off;
	off += base.off + (int64_t)index.off * (1 << i->scale);
	key.base = base.id;
	key.index = index.id;
	if (off == (int32_t)off)
		x->operand = join(t, key, off, x->xmm_used || x->row->class == CLASS_CMPXCHG8B ? 16 : 8);
}

static void join_stack(struct build *t, const struct symbols *y, struct plan *x)
{
	struct symbol base = y->r[x->stack_base];
	struct span key = { .base = base.id, .index = y->none.id, .seg = CPU_DS };

	x->stack = join(t, key, base.off + (x->stack_by < 0 ? x->stack_by : 0), 8);
}

/* Accesses memory by ModRM, at the operand's address. */
static bool has_operand(const struct plan *x)
{
	unsigned class = x->row->class;

	return x->i.has_modrm && x->i.mod != 3 && class != CLASS_LEA && class != CLASS_HINT && class != CLASS_NOP &&
	       class != CLASS_BT_REG;
}

void translate_coalesce(struct build *t)
{
	struct symbols y = { 0 };
	unsigned n = 0;

	forget_all(&y);
	for (unsigned k = 0; k < t->n_plans; k++) {
		struct plan *x = &t->plans[k];

		if (x->fn && !x->b->no_spans) {
			if (has_operand(x))
				join_operand(t, &y, x);
			if (x->stack_by)
				join_stack(t, &y, x);
		}
		step(&y, x);
	}
	for (unsigned k = 0; k < t->n_spans; k++) {
		t->spans[k].is_shared = t->spans[k].n_left > 1;
		n += t->spans[k].is_shared;
	}
}

/* ---- code -------------------------------------------------------------------------- */

void translate_forget_spans(struct build *t)
{
	for (unsigned k = 0; k < t->n_spans; k++)
		t->spans[k].state = SPAN_UNKNOWN;
	t->t1_span = 0;
}

/* The span that the access is in, or NULL. */
static struct span *span_of(struct build *t, struct member m)
{
	return m.span && t->spans[m.span - 1].is_shared ? &t->spans[m.span - 1] : NULL;
}

static struct opd slot(const struct build *t, const struct span *s)
{
	return opd_mem(HOST_S, (int32_t)(offsetof(struct soft, spans) + 8 * (size_t)(s - t->spans)));
}

/* Where the access is when its span was looked up already. */
static bool is_known(struct build *t, struct member m, bool is_write, struct opd *ret_at)
{
	struct span *s = span_of(t, m);

	if (!s)
		return false;
	s->n_left--;
	if (s->state < (is_write ? SPAN_WRITE : SPAN_READ))
		return false;
	if (t->t1_span != m.span)
		em_load(&t->p, HOST_T1, slot(t, s));
	t->t1_span = m.span;
	*ret_at = opd_mem(HOST_T1, m.off - s->lo);
	return true;
}

/* T1 is the linear address of the span's first byte, or the access's when it is in none. */
static struct opd look_up(struct build *t, const struct plan *x, struct member m, unsigned size, bool is_write)
{
	struct span *s = span_of(t, m);

	if (!s) {
		translate_tlb(t, x, size, is_write, false);
		return opd_mem(HOST_T1, 0);
	}
	translate_tlb(t, x, (unsigned)(s->hi - s->lo), is_write, true);
	s->state = is_write ? SPAN_WRITE : SPAN_READ;
	t->t1_span = m.span;
	if (s->n_left)
		em_store(&t->p, slot(t, s), HOST_T1);
	return opd_mem(HOST_T1, m.off - s->lo);
}

/* From the access to the first byte of its span. */
static int32_t to_start(struct build *t, struct member m)
{
	struct span *s = span_of(t, m);

	return s ? s->lo - m.off : 0;
}

struct opd translate_mem(struct build *t, const struct plan *x, unsigned size, bool is_write)
{
	struct opd at;

	if (is_known(t, x->operand, is_write, &at))
		return at;
	translate_ea(t, x, to_start(t, x->operand));
	return look_up(t, x, x->operand, size, is_write);
}

struct opd translate_stack(struct build *t, const struct plan *x)
{
	int32_t off = x->stack_by < 0 ? x->stack_by : 0;
	struct opd at;

	if (is_known(t, x->stack, off < 0, &at))
		return at;
	off += to_start(t, x->stack);
	if (off)
		em_lea(&t->p, HOST_T1, opd_mem(guest_host(x->stack_base), off));
	else
		em_mov(&t->p, HOST_T1, guest_host(x->stack_base));
	return look_up(t, x, x->stack, 8, x->stack_by < 0);
}

/* ---- spans that straddle -------------------------------------------------------------- */

const struct uop *translate_straddle(struct soft *s, const struct uop *u)
{
	struct block *b = (struct block *)(uintptr_t)s->block;
	uint32_t now = (uint32_t)soft_icount(s);

	b->straddles = now - b->straddled_at < OFTEN ? b->straddles + 1 : 0;
	b->straddled_at = now;
	if (b->straddles == SPAN_STRADDLES) {
		b->no_spans = true;
		translate_drop(s->blocks->translate, b);
	}
	if (s->blocks->translate->profile)
		return translate_profile_exit(s, u);
	UOP_NEXT(s, u);
}
