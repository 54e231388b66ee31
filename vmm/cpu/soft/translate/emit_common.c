/* vmm/cpu/soft/translate/emit_common.c: the pieces of code that many instructions
 * share: addresses, TLB checks, flags, exit stubs and what those store.
 *
 * Used by: emit*.c. */
#include "vmm/cpu/soft/translate/build.h"

#include <assert.h>

static void leave(struct build *t, unsigned cond, const struct uop *u, bool is_span)
{
	assert(t->n_stubs < sizeof(t->stubs) / sizeof(t->stubs[0]));
	t->now.b = t->b;
	t->stubs[t->n_stubs++] = (struct exit_stub){ em_jump(&t->p, cond), u, t->now, is_span };
}

void translate_exit(struct build *t, unsigned cond, const struct uop *u)
{
	leave(t, cond, u, false);
}

/* ---- state that exits store --------------------------------------------------------------- */

static enum lazy lazy_of(const struct pending *f)
{
	static const uint8_t lazy[] = { [PENDING_CMP] = LAZY_SUB, [PENDING_SUB] = LAZY_SUB, [PENDING_ADD] = LAZY_ADD,
					[PENDING_LOGIC] = LAZY_LOGIC };

	return (enum lazy)lazy[f->kind];
}

/* A guest register's host register, or @tmp with its value. */
static unsigned value_of(uint8_t **p, unsigned g, unsigned tmp)
{
	struct opd o = guest_opd(g);

	if (!o.is_mem)
		return o.reg;
	em_load(p, tmp, o);
	return tmp;
}

/* T2 = the first operand, as far as the operand's size goes: from the result, when that is what is there. Clobbers
 * no flags. */
static void first_operand(uint8_t **p, const struct pending *f)
{
	bool is_add = f->kind == PENDING_ADD;
	struct opd sum;

	if (f->kind == PENDING_CMP || f->src == INSN_REG_NONE) {
		sum = opd_mem(value_of(p, f->reg, HOST_T2), f->kind == PENDING_CMP ? 0 : is_add ? -f->imm : f->imm);
	} else if (is_add) {
		/* ~src is -src - 1 */
		em_mov(p, HOST_T2, guest_host(f->src));
		em_unary(p, 8, UNARY_NOT, opd_reg(HOST_T2));
		sum = opd_mem(HOST_T2, 1);
		sum.index = (uint8_t)guest_host(f->reg);
	} else {
		sum = opd_mem(guest_host(f->src), 0);
		sum.index = (uint8_t)guest_host(f->reg);
	}
	em_lea(p, HOST_T2, sum);
}

static void put_pending(uint8_t **p, const struct pending *f)
{
	if (f->kind == PENDING_NONE)
		return;
	if (f->kind == PENDING_LOGIC) {
		em_store(p, OPD_S(cc_dst), value_of(p, f->reg, HOST_T2));
	} else {
		first_operand(p, f);
		em_store(p, OPD_S(cc_aux), HOST_T2);
		if (f->src == INSN_REG_NONE)
			em_store_imm(p, 8, OPD_S(cc_src), f->imm);
		else
			em_store(p, OPD_S(cc_src), value_of(p, f->src, HOST_T2));
	}
	em_store_imm(p, 4, OPD_S(cc_op), (int32_t)cc_raw(lazy_of(f), f->size));
}

void translate_pend(struct build *t, enum pending_kind kind, unsigned size, unsigned reg, unsigned src, int32_t imm)
{
	t->now.flags = (struct pending){ (uint8_t)kind, (uint8_t)size, (uint8_t)reg, (uint8_t)src, imm };
	t->made_pending = true;
	t->lazy = LAZY_UNKNOWN;
}

void translate_put_state(uint8_t **p, const struct state *st)
{
	put_pending(p, &st->flags);
	for (unsigned n = 0; n < 16; n++) {
		if (st->xmm_dirty >> n & 1)
			em_xmm_store(p, opd_mem(HOST_S, (int32_t)(offsetof(struct soft, fx.xmm) + 16 * n)), n);
	}
	if (st->has_mxcsr)
		em_stmxcsr(p, OPD_S(fx.mxcsr));
	if (st->refund)
		em_alu_imm(p, 8, ALU_ADD, OPD_S(budget), (int32_t)st->refund);
	translate_swap(p, st->moved);
}

void translate_flush_pending(struct build *t)
{
	struct pending *f = &t->now.flags;

	if (f->kind == PENDING_NONE)
		return;
	put_pending(&t->p, f);
	t->lazy = lazy_of(f);
	t->lazy_size = f->size;
	f->kind = PENDING_NONE;
}

void translate_flush_state(struct build *t)
{
	assert(!t->now.refund);
	translate_flush_pending(t);
	translate_put_state(&t->p, &t->now);
	t->now.xmm_dirty = 0;
	t->now.has_mxcsr = false;
}

static bool is_same(const struct state *a, const struct state *b)
{
	return a->flags.kind == b->flags.kind && a->flags.size == b->flags.size && a->flags.reg == b->flags.reg &&
	       a->flags.src == b->flags.src && a->flags.imm == b->flags.imm && a->xmm_dirty == b->xmm_dirty &&
	       a->has_mxcsr == b->has_mxcsr && a->refund == b->refund && a->b == b->b;
}

enum exit_kind { EXIT_ENTER, EXIT_UOP, EXIT_SPAN, EXIT_COUNT };

static enum exit_kind exit_kind_of(const struct exit_stub *e)
{
	return !e->u ? EXIT_ENTER : e->is_span ? EXIT_SPAN : EXIT_UOP;
}

static void put_offset(struct build *t, unsigned h, const void *slot)
{
	em_imm64(&t->cold, h, (uint32_t)((const uint8_t *)slot - (const uint8_t *)t->t->slots));
}

/* Stores what @e's state says, and leaves by an exit of @kind with T1 set. */
static void put_tail(struct build *t, const struct exit_stub *e, enum exit_kind kind)
{
	const uint8_t *const to[EXIT_COUNT] = { t->t->stub_enter, t->t->stub_uop, t->t->stub_span };

	translate_put_state(&t->cold, &e->state);
	if (kind != EXIT_ENTER)
		put_offset(t, HOST_T2, e->state.b);
	em_jump_to(&t->cold, COND_COUNT, to[kind]);
}

void translate_put_stubs(struct build *t)
{
	const struct exit_stub *last = NULL;
	const uint8_t *tails[EXIT_COUNT] = { NULL };

	for (unsigned k = 0; k < t->n_stubs; k++) {
		const struct exit_stub *e = &t->stubs[k];
		enum exit_kind kind = exit_kind_of(e);

		/* Exits in the same state share their tails. */
		if (last && !is_same(&last->state, &e->state))
			memset(tails, 0, sizeof(tails));
		em_patch(e->from, t->cold);
		if (kind == EXIT_SPAN)
			em_store(&t->cold, OPD_S(scratch), HOST_T1);
		put_offset(t, HOST_T1, kind == EXIT_ENTER ? (const void *)e->state.b : e->u);
		if (tails[kind]) {
			em_jump_back(&t->cold, tails[kind]);
		} else {
			tails[kind] = t->cold;
			put_tail(t, e, kind);
		}
		last = e;
	}
}

/* ---- addresses -------------------------------------------------------------------- */

void translate_rip(struct build *t, unsigned dst, int64_t off)
{
	int64_t disp = translate_in_page(t, off);

	translate_clobbered(t, dst);
	em_load(&t->p, dst, OPD_S(page_rip));
	if (disp != (int32_t)disp) {
		em_lea(&t->p, dst, opd_mem(dst, (int32_t)off));
		disp -= off;
	}
	if (disp)
		em_lea(&t->p, dst, opd_mem(dst, (int32_t)disp));
}

void translate_ea(struct build *t, const struct plan *x, int32_t add)
{
	const struct insn *i = &x->i;
	struct opd o = opd_mem(HOST_T1, (int32_t)i->disp + add);
	bool far_seg = i->seg == CPU_FS || i->seg == CPU_GS;

	translate_clobbered(t, HOST_T1);
	if (i->base == INSN_REG_RIP) {
		o.disp = 0;
		translate_rip(t, HOST_T1, i->disp + add + x->u->off);
	} else if (i->base == INSN_REG_NONE) {
		em_imm64(&t->p, HOST_T1, 0);
	} else {
		o.reg = (uint8_t)guest_read(t, i->base, HOST_T1);
	}
	if (i->index != INSN_REG_NONE) {
		o.index = (uint8_t)guest_read(t, i->index, HOST_T2);
		o.scale = i->scale;
	}
	if (o.reg != HOST_T1 || o.disp || o.index != HOST_RSP)
		em_lea(&t->p, HOST_T1, o);
	if (far_seg) {
		struct opd seg = opd_mem(HOST_S, (int32_t)(offsetof(struct soft, seg_base) + 8u * i->seg));

		em_alu(&t->p, 8, ALU_ADD, HOST_T1, seg);
	}
}

/* At *@p: T2 = the index by which the linear address T1 is looked up, times 1 << @shift. */
static void put_index(const struct build *t, uint8_t **p, unsigned shift)
{
	if (t->t->has_bmi2) {
		em_rorx(p, HOST_T2, HOST_T1, MEM_PAGE_SHIFT - shift);
	} else {
		em_mov_load(p, 4, HOST_T2, opd_reg(HOST_T1));
		em_shift_imm(p, 4, SHIFT_SHR, opd_reg(HOST_T2), MEM_PAGE_SHIFT - shift);
	}
	em_alu_imm(p, 4, ALU_AND, opd_reg(HOST_T2), (TLB_SIZE - 1) << shift);
}

static struct opd indexed(size_t array, size_t member)
{
	struct opd o = opd_mem(HOST_S, (int32_t)(array + member));

	o.index = HOST_T2;
	return o;
}

enum { TLB_SHIFT = 6, CODE_SHIFT = 4 };
_Static_assert(sizeof(struct tlb_entry) == 1 << TLB_SHIFT && sizeof(struct code_entry) == 1 << CODE_SHIFT,
	       "scaled by shifts");

static struct opd in_entry(const struct build *t, size_t member)
{
	return indexed(offsetof(struct soft, tlbs) + sizeof(t->s->tlbs[0]) * t->root->tlb_n, member);
}

void translate_code_entry(const struct build *t, uint8_t **p)
{
	put_index(t, p, CODE_SHIFT);
}

struct opd translate_in_code_entry(const struct build *t, size_t member)
{
	return indexed(offsetof(struct soft, code_tlbs) + (t->root->tlb_n ? sizeof(t->s->code_tlbs[0]) : 0), member);
}

void translate_tlb(struct build *t, const struct plan *x, unsigned size, bool is_write, bool is_span)
{
	size_t tag = is_write ? offsetof(struct tlb_entry, write_tag) : offsetof(struct tlb_entry, read_tag);

	put_index(t, &t->p, TLB_SHIFT);
	em_alu(&t->p, 8, ALU_SUB, HOST_T1, in_entry(t, tag));
	em_alu_imm(&t->p, 8, ALU_CMP, opd_reg(HOST_T1), (int32_t)(MEM_PAGE_SIZE - size));
	leave(t, COND_A, x->u, is_span);
	em_alu(&t->p, 8, ALU_ADD, HOST_T1, in_entry(t, offsetof(struct tlb_entry, host)));
	translate_clobbered(t, HOST_T1);
	t->host_flags = false;
}

/* The host's flags become those that are pending. Clobbers T2. */
static void flags_of_pending(struct build *t)
{
	const struct pending *f = &t->now.flags;
	unsigned h;

	if (f->kind == PENDING_LOGIC) {
		h = value_of(&t->p, f->reg, HOST_T2);
		em_test(&t->p, f->size, h, opd_reg(h));
		return;
	}
	first_operand(&t->p, f);
	if (f->src == INSN_REG_NONE)
		em_alu_imm(&t->p, f->size, f->kind == PENDING_ADD ? ALU_ADD : ALU_CMP, opd_reg(HOST_T2), f->imm);
	else
		em_alu(&t->p, f->size, f->kind == PENDING_ADD ? ALU_ADD : ALU_CMP, HOST_T2, guest_opd(f->src));
}

void translate_flags(struct build *t)
{
	unsigned size = t->lazy_size;

	if (t->host_flags)
		return;
	t->host_flags = true;
	if (t->now.flags.kind != PENDING_NONE) {
		flags_of_pending(t);
		return;
	}
	switch (t->lazy) {
	case LAZY_ADD:
	case LAZY_SUB:
		em_load(&t->p, HOST_T2, OPD_S(cc_aux));
		em_alu(&t->p, size, t->lazy == LAZY_ADD ? ALU_ADD : ALU_CMP, HOST_T2, OPD_S(cc_src));
		return;
	case LAZY_LOGIC:
		em_alu_imm(&t->p, size, ALU_CMP, OPD_S(cc_dst), 0);
		return;
	default:
		em_call_to(&t->p, t->t->flags);
		return;
	}
}

void translate_push_scratch(struct build *t, const struct plan *x)
{
	struct opd at = translate_stack(t, x);

	em_load(&t->p, HOST_T2, OPD_S(scratch));
	em_store(&t->p, at, HOST_T2);
	em_lea(&t->p, HOST_GUEST_RSP, opd_mem(HOST_GUEST_RSP, -8));
}
