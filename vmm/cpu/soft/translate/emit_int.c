/* vmm/cpu/soft/translate/emit_int.c: integer instructions.
 *
 * What has a uop of its own is done here; all else runs by its executor. The
 * host's instruction does the work; around it the operands go into the lazy
 * form, by instructions that leave the flags alone.
 *
 * Used by: translate.c.   Sources: SDM vol. 2. */
#include "vmm/cpu/soft/translate/build.h"

static unsigned width(const struct insn *i)
{
	return i->opcode & 1 ? i->opsize : 1;
}

static bool is_logic(enum alu op)
{
	return op == ALU_OR || op == ALU_AND || op == ALU_XOR || op == ALU_TEST;
}

static bool has_carry(enum alu op)
{
	return op == ALU_ADC || op == ALU_SBB;
}

static bool has_result(enum alu op)
{
	return op != ALU_CMP && op != ALU_TEST;
}

/* ---- the lazy form -------------------------------------------------------------- */

/* Stores @o, sign-extended from @size; by way of @tmp. */
static void keep_value(struct build *t, struct opd to, unsigned size, struct opd o, unsigned tmp)
{
	if (!o.is_mem && size == 8) {
		em_store(&t->p, to, o.reg);
		return;
	}
	em_sx(&t->p, tmp, size, o);
	em_store(&t->p, to, tmp);
}

static void keep_op(struct build *t, enum cc_op op)
{
	em_store_imm(&t->p, 4, OPD_S(cc_op), (int32_t)op);
	t->lazy = LAZY_UNKNOWN;
}

/* The form's operands are stored. */
static void keep_raw(struct build *t, enum lazy lazy, unsigned size)
{
	if (t->lazy != lazy || t->lazy_size != size)
		em_store_imm(&t->p, 4, OPD_S(cc_op), (int32_t)cc_raw(lazy, size));
	t->lazy = lazy;
	t->lazy_size = (uint8_t)size;
}

void translate_keep_host_flags(struct build *t)
{
	em_pushfq(&t->p);
	em_pop(&t->p, HOST_T2);
	em_store(&t->p, OPD_S(cc_src), HOST_T2); /* flags.h masks the others */
	keep_op(t, CC_FLAGS);
}

/* ---- ALU ------------------------------------------------------------------------- */

/* The second operand: a register of either kind, or an immediate. */
struct source {
	struct opd opd;
	int32_t imm;
	bool is_imm;
	bool is_rotated; /* the destination's register is turned round: it does not stay as it is */
	uint8_t g; /* the guest register that opd is, or INSN_REG_NONE */
};

/* ALU operation on a host register. */
static void put_op(struct build *t, enum alu op, unsigned size, unsigned h, const struct source *src)
{
	if (op == ALU_TEST && src->is_imm) {
		em_test_imm(&t->p, size, opd_reg(h), src->imm);
	} else if (op == ALU_TEST) {
		em_test(&t->p, size, h, src->opd);
	} else if (src->is_imm) {
		em_alu_imm(&t->p, size, op, opd_reg(h), src->imm);
	} else {
		em_alu(&t->p, size, op, h, src->opd);
	}
}

/* Stores both operands, as far as the form needs them. Clobbers @tmp when the source is in memory. */
static void keep_operands(struct build *t, enum alu op, unsigned h, const struct source *src, unsigned tmp)
{
	if (is_logic(op) || has_carry(op))
		return;
	em_store(&t->p, OPD_S(cc_aux), h);
	if (src->is_imm) {
		em_store_imm(&t->p, 8, OPD_S(cc_src), src->imm);
	} else if (src->opd.is_mem) {
		em_load(&t->p, tmp, src->opd);
		em_store(&t->p, OPD_S(cc_src), tmp);
	} else {
		em_store(&t->p, OPD_S(cc_src), src->opd.reg);
	}
}

/* The host's flags are those of the operation, whose result is in @h. */
static void keep_done(struct build *t, enum alu op, unsigned size, unsigned h)
{
	if (has_carry(op)) {
		translate_keep_host_flags(t);
	} else if (is_logic(op)) {
		em_store(&t->p, OPD_S(cc_dst), h);
		keep_raw(t, LAZY_LOGIC, size);
	} else {
		keep_raw(t, op == ALU_ADD ? LAZY_ADD : LAZY_SUB, size);
	}
}

/* TEST whose result is wanted: in @tmp, unless both operands are @h. */
static void put_test_keep(struct build *t, unsigned size, unsigned h, const struct source *src, unsigned tmp)
{
	if (!src->is_imm && !src->opd.is_mem && src->opd.reg == h) {
		put_op(t, ALU_TEST, size, h, src);
		tmp = h;
	} else {
		translate_clobbered(t, tmp);
		em_mov(&t->p, tmp, h);
		put_op(t, ALU_AND, size, tmp, src);
	}
	t->host_flags = true;
	keep_done(t, ALU_TEST, size, tmp);
}

/* Leaves the flags of an operation on registers pending. False when they do not follow from what stands in
 * registers behind it. */
static bool pend(struct build *t, enum alu op, unsigned size, unsigned g, const struct source *src)
{
	static const uint8_t kinds[] = { [ALU_ADD] = PENDING_ADD, [ALU_OR] = PENDING_LOGIC, [ALU_AND] = PENDING_LOGIC,
					 [ALU_SUB] = PENDING_SUB, [ALU_XOR] = PENDING_LOGIC, [ALU_CMP] = PENDING_CMP,
					 [ALU_TEST] = PENDING_LOGIC };
	enum pending_kind kind = (enum pending_kind)kinds[op];
	unsigned s = src->is_imm ? INSN_REG_NONE : src->g;

	if (src->is_rotated || has_carry(op) || (op == ALU_TEST && (src->is_imm || src->g != g)))
		return false;
	if (kind != PENDING_LOGIC && !src->is_imm && s == INSN_REG_NONE)
		return false;
	if (kind == PENDING_ADD || kind == PENDING_SUB) {
		if (src->is_imm ? src->imm == INT32_MIN : s == g || guest_host(s) == HOST_NONE || guest_host(g) == HOST_NONE)
			return false;
	}
	translate_pend(t, kind, size, g, kind == PENDING_LOGIC ? INSN_REG_NONE : s, src->imm);
	return true;
}

/* The destination is register @g; the source @src (in T2, in struct soft or in place). */
static void alu_to_reg(struct build *t, const struct plan *x, enum alu op, unsigned size, unsigned g,
		       const struct source *src)
{
	unsigned h = guest_read(t, g, HOST_T1);
	bool is_kept = x->flags_live && !pend(t, op, size, g, src);

	if (is_kept && op == ALU_TEST) {
		put_test_keep(t, size, h, src, HOST_T1);
		return;
	}
	if (is_kept)
		keep_operands(t, op, h, src, HOST_T2);
	put_op(t, op, size, h, src);
	if (has_result(op))
		guest_write(t, g, h);
	t->host_flags = true;
	if (is_kept)
		keep_done(t, op, size, h);
}

/* T2 = the memory operand, raw. */
static void load_t2(struct build *t, unsigned size, struct opd at)
{
	if (size < 4)
		em_movzx(&t->p, HOST_T2, size, at);
	else
		em_mov_load(&t->p, size, HOST_T2, at);
}

/* Destination in memory, in terms of T1; the source a guest register or an immediate. */
static void alu_to_mem(struct build *t, const struct plan *x, enum alu op, unsigned size, struct opd at,
		       const struct source *src)
{
	if (x->flags_live && !is_logic(op) && !has_carry(op) && !src->is_imm && src->opd.is_mem) {
		/* The source goes first, by way of T2. */
		em_load(&t->p, HOST_T2, src->opd);
		em_store(&t->p, OPD_S(cc_src), HOST_T2);
		load_t2(t, size, at);
		em_store(&t->p, OPD_S(cc_aux), HOST_T2);
	} else {
		load_t2(t, size, at);
		if (x->flags_live && op != ALU_TEST)
			keep_operands(t, op, HOST_T2, src, HOST_T2);
	}
	if (x->flags_live && op == ALU_TEST) {
		put_test_keep(t, size, HOST_T2, src, HOST_T2);
		return;
	}
	put_op(t, op, size, HOST_T2, src);
	if (has_result(op))
		em_mov_store(&t->p, size, at, HOST_T2);
	t->host_flags = true;
	if (x->flags_live)
		keep_done(t, op, size, HOST_T2);
}

void translate_alu_imm(struct build *t, const struct plan *x, unsigned op, unsigned size, unsigned g, int32_t imm)
{
	struct source src = { .imm = imm, .is_imm = true, .is_rotated = true, .g = INSN_REG_NONE };

	alu_to_reg(t, x, (enum alu)op, size, g, &src);
}

static bool is_imm_form(const struct plan *x)
{
	switch (x->row->class) {
	case CLASS_ALU_ACC:
	case CLASS_ALU_IMM:
	case CLASS_TEST_ACC:
	case CLASS_TEST_IMM:
		return true;
	default:
		return false;
	}
}

/* Where the operation is: in ModRM, or in the opcode (SDM vol. 2, table A-2). */
static enum alu alu_of(const struct plan *x)
{
	switch (x->row->class) {
	case CLASS_TEST:
	case CLASS_TEST_ACC:
	case CLASS_TEST_IMM:
		return ALU_TEST;
	case CLASS_ALU_IMM:
		return (enum alu)(x->i.reg & 7);
	default:
		return (enum alu)(x->i.opcode >> 3);
	}
}

/* Which register is written, and which read; where there are such. */
static unsigned alu_dst(const struct plan *x)
{
	if (x->row->class == CLASS_ALU_ACC || x->row->class == CLASS_TEST_ACC)
		return CPU_RAX;
	return x->row->class == CLASS_ALU_R_RM ? x->i.reg : x->i.rm;
}

static unsigned alu_src(const struct plan *x)
{
	return x->row->class == CLASS_ALU_R_RM ? x->i.rm : x->i.reg;
}

/* ADC and SBB with memory: what the flags are is asked behind the lookup. */
static void carry_mem(struct build *t, const struct plan *x, enum alu op, unsigned size, bool is_load, const struct source *src)
{
	struct opd at = translate_mem(t, x, size, !is_load);
	unsigned h;

	translate_flags(t);
	if (is_load) {
		h = guest_read(t, x->i.reg, HOST_T2);
		em_alu(&t->p, size, op, h, at);
		guest_write(t, x->i.reg, h);
	} else if (src->is_imm) {
		em_alu_imm(&t->p, size, op, at, src->imm);
	} else {
		em_alu_store(&t->p, size, op, guest_read(t, x->i.reg, HOST_T2), at);
	}
	t->host_flags = true;
	if (x->flags_live)
		translate_keep_host_flags(t);
}

static bool put_alu(struct build *t, const struct plan *x)
{
	const struct insn *i = &x->i;
	enum alu op = alu_of(x);
	unsigned size = width(i);
	bool in_reg = i->mod == 3 || !i->has_modrm;
	bool is_load = x->row->class == CLASS_ALU_R_RM;
	struct source src = {
		.opd = guest_opd(alu_src(x)), .imm = (int32_t)i->imm, .is_imm = is_imm_form(x), .g = (uint8_t)alu_src(x)
	};
	struct opd at = { 0 };

	if (has_carry(op) && !in_reg) {
		carry_mem(t, x, op, size, is_load, &src);
		return true;
	}
	if (has_carry(op))
		translate_flags(t);
	if (!in_reg)
		at = translate_mem(t, x, size, has_result(op) && !is_load);
	if (!in_reg && !is_load) {
		alu_to_mem(t, x, op, size, at, &src);
		return true;
	}
	if (!in_reg) {
		load_t2(t, size, at);
		src.opd = opd_reg(HOST_T2);
		src.g = INSN_REG_NONE;
	}
	alu_to_reg(t, x, op, size, alu_dst(x), &src);
	return true;
}

/* INC and DEC keep CF. */
static bool put_inc_dec(struct build *t, const struct plan *x)
{
	unsigned size = width(&x->i), digit = x->i.reg & 7, g = x->dst, h;

	if (x->flags_live) {
		translate_flags(t);
		em_setcc(&t->p, COND_B, opd_reg(HOST_T2));
		em_movzx(&t->p, HOST_T2, 1, opd_reg(HOST_T2));
		em_store(&t->p, OPD_S(cc_src), HOST_T2);
		keep_value(t, OPD_S(cc_aux), size, guest_opd(g), HOST_T2);
	}
	h = guest_read(t, g, HOST_T1);
	em_inc_dec(&t->p, size, digit, opd_reg(h));
	guest_write(t, g, h);
	t->host_flags = false; /* CF is right only when it was */
	if (x->flags_live) {
		keep_value(t, OPD_S(cc_dst), size, opd_reg(h), HOST_T2);
		keep_op(t, digit ? CC_DEC : CC_INC);
	}
	return true;
}

static bool put_neg(struct build *t, const struct plan *x)
{
	unsigned size = width(&x->i), g = x->dst, h;

	h = guest_read(t, g, HOST_T1);
	if (x->flags_live) {
		em_store_imm(&t->p, 8, OPD_S(cc_aux), 0);
		em_store(&t->p, OPD_S(cc_src), h);
	}
	em_unary(&t->p, size, UNARY_NEG, opd_reg(h));
	guest_write(t, g, h);
	t->host_flags = true;
	if (x->flags_live)
		keep_raw(t, LAZY_SUB, size);
	return true;
}

static bool put_not(struct build *t, const struct plan *x)
{
	unsigned size = width(&x->i), h = guest_read(t, x->dst, HOST_T1);

	em_unary(&t->p, size, UNARY_NOT, opd_reg(h));
	guest_write(t, x->dst, h);
	return true;
}

/* CF and OF as uop_alu_reg.c gives them, from the host's CF and the result. */
static void keep_shift(struct build *t, unsigned digit, unsigned size, struct opd result)
{
	em_setcc(&t->p, COND_B, opd_reg(HOST_T2));
	em_movzx(&t->p, HOST_T2, 1, opd_reg(HOST_T2));
	if (digit != 7) {
		translate_clobbered(t, HOST_T1);
		/* OF: SHL: the top bit differs from CF; SHR: the bit below the top. */
		em_mov_load(&t->p, size, HOST_T1, result);
		em_shift_imm(&t->p, size, SHIFT_SHR, opd_reg(HOST_T1), 8 * size - (digit == 5 ? 2 : 1));
		if (digit == 5)
			em_alu_imm(&t->p, 4, ALU_AND, opd_reg(HOST_T1), 1);
		else
			em_alu(&t->p, 4, ALU_XOR, HOST_T1, opd_reg(HOST_T2));
		em_shift_imm(&t->p, 4, SHIFT_SHL, opd_reg(HOST_T1), 11);
		em_alu(&t->p, 4, ALU_OR, HOST_T2, opd_reg(HOST_T1));
	}
	em_store(&t->p, OPD_S(cc_src), HOST_T2);
	keep_value(t, OPD_S(cc_dst), size, result, HOST_T2);
	keep_op(t, CC_MIX);
}

/* SHL, SHR, SAR by an immediate; dword and qword. */
static bool put_shift(struct build *t, const struct plan *x)
{
	unsigned size = x->i.opsize, digit = x->i.reg & 7, g = x->dst, h = guest_read(t, g, HOST_T1);

	em_shift_imm(&t->p, size, digit == SHIFT_SAL ? SHIFT_SHL : digit, opd_reg(h), (uint8_t)x->u->imm);
	guest_write(t, g, h);
	t->host_flags = false;
	if (x->flags_live)
		keep_shift(t, digit, size, guest_opd(g));
	return true;
}

static bool put_imul(struct build *t, const struct plan *x)
{
	unsigned size = x->i.opsize, g = x->i.reg, h;

	if (x->i.map == 1) {
		h = guest_read(t, g, HOST_T1);
		em_imul(&t->p, size, h, guest_opd(x->i.rm));
	} else {
		h = guest_target(t, g, HOST_T1);
		em_imul_imm(&t->p, size, h, guest_opd(x->i.rm), (uint32_t)x->i.imm);
	}
	guest_write(t, g, h);
	t->host_flags = false;
	if (!x->flags_live)
		return true;
	em_setcc(&t->p, COND_O, opd_reg(HOST_T2));
	em_movzx(&t->p, HOST_T2, 1, opd_reg(HOST_T2));
	em_imul_imm(&t->p, 4, HOST_T2, opd_reg(HOST_T2), FLAG_CF | FLAG_OF);
	em_store(&t->p, OPD_S(cc_src), HOST_T2);
	keep_value(t, OPD_S(cc_dst), size, opd_reg(h), HOST_T2);
	keep_op(t, CC_MIX);
	return true;
}

/* ---- moves ------------------------------------------------------------------------ */

static bool put_mov(struct build *t, const struct plan *x)
{
	const struct insn *i = &x->i;
	unsigned size = width(i), g = x->dst, h;
	bool is_imm = x->row->class == CLASS_MOV_RM_IMM, is_load = x->row->class == CLASS_MOV_R_RM;
	struct opd at;

	if (i->mod == 3) {
		if (is_imm) {
			h = guest_read(t, g, HOST_T1);
			em_store_imm(&t->p, size, opd_reg(h), (int32_t)x->u->imm);
		} else if (size >= 4) {
			h = guest_target(t, g, HOST_T1);
			em_mov_load(&t->p, size, h, guest_opd(x->src));
		} else {
			h = guest_read(t, g, HOST_T1);
			em_mov_load(&t->p, size, h, guest_opd(x->src));
		}
		guest_write(t, g, h);
		return true;
	}
	at = translate_mem(t, x, size, !is_load);
	if (is_load) {
		h = size >= 4 ? guest_target(t, g, HOST_T2) : guest_read(t, g, HOST_T2);
		em_mov_load(&t->p, size, h, at);
		guest_write(t, g, h);
	} else if (is_imm) {
		em_store_imm(&t->p, size, at, (int32_t)x->u->imm);
	} else {
		em_mov_store(&t->p, size, at, guest_read(t, x->src, HOST_T2));
	}
	return true;
}

/* B0 to BF. */
static bool put_mov_imm(struct build *t, const struct plan *x)
{
	unsigned size = x->i.opcode < 0xB8 ? 1 : x->i.opsize, g = x->dst, h;

	if (size >= 4) {
		h = guest_target(t, g, HOST_T1);
		em_imm64(&t->p, h, size == 4 ? (uint32_t)x->u->imm : x->u->imm);
	} else {
		h = guest_read(t, g, HOST_T1);
		em_store_imm(&t->p, size, opd_reg(h), (int32_t)x->u->imm);
	}
	guest_write(t, g, h);
	return true;
}

/* MOVZX, MOVSX, MOVSXD. */
static bool put_movx(struct build *t, const struct plan *x)
{
	const struct insn *i = &x->i;
	unsigned from = i->map == 0 ? 4 : i->opcode & 1 ? 2 : 1, g = i->reg, h, size = i->opsize;
	uint32_t op = i->map == 0 ? HOST_MOVSXD : HOST_MAP_0F | (uint32_t)i->opcode;
	struct opd src = guest_opd(i->rm);

	if (i->mod != 3)
		src = translate_mem(t, x, from, false);
	h = size == 2 ? guest_read(t, g, HOST_T2) : guest_target(t, g, HOST_T2);
	/* Bytes want a REX; a word register of size 2 is its 0x66. */
	if (size == 4)
		em(&t->p, 0, op, h, src);
	else
		em(&t->p, size, op, h, src);
	guest_write(t, g, h);
	return true;
}

static bool put_lea(struct build *t, const struct plan *x)
{
	struct plan flat = *x;
	unsigned size = x->i.opsize, h;

	flat.i.seg = CPU_DS; /* LEA takes no segment */
	translate_ea(t, &flat, 0);
	h = size == 2 ? guest_read(t, x->i.reg, HOST_T2) : guest_target(t, x->i.reg, HOST_T2);
	em_mov_load(&t->p, size, h, opd_reg(HOST_T1));
	guest_write(t, x->i.reg, h);
	return true;
}

static bool put_cmov(struct build *t, const struct plan *x)
{
	unsigned cond = x->i.opcode & 15, h;

	translate_flags(t);
	h = guest_read(t, x->i.reg, HOST_T1);
	em_cmov(&t->p, x->i.opsize, cond, h, guest_opd(x->i.rm));
	guest_write(t, x->i.reg, h);
	return true;
}

static bool put_setcc(struct build *t, const struct plan *x)
{
	unsigned cond = x->i.opcode & 15;

	translate_flags(t);
	em_setcc(&t->p, cond, guest_opd(x->i.rm));
	return true;
}

static bool put_cdqe(struct build *t, const struct plan *x)
{
	(void)x;
	em_sx(&t->p, HOST_RAX, 4, opd_reg(HOST_RAX));
	return true;
}

static bool put_nop(struct build *t, const struct plan *x)
{
	(void)t;
	(void)x;
	return true;
}

/* ---- the stack ---------------------------------------------------------------------- */

static bool put_push(struct build *t, const struct plan *x)
{
	struct opd at = translate_stack(t, x);

	if (x->u->fn == uop_push_i)
		em_store_imm(&t->p, 8, at, (int32_t)x->u->imm);
	else
		em_store(&t->p, at, guest_read(t, x->src, HOST_T2));
	em_lea(&t->p, HOST_GUEST_RSP, opd_mem(HOST_GUEST_RSP, -8));
	return true;
}

static bool put_pop(struct build *t, const struct plan *x)
{
	unsigned g = x->dst, h = guest_target(t, g, HOST_T2);
	struct opd at = translate_stack(t, x);

	em_lea(&t->p, HOST_GUEST_RSP, opd_mem(HOST_GUEST_RSP, 8));
	em_load(&t->p, h, at); /* POP RSP: what was loaded stands */
	guest_write(t, g, h);
	return true;
}

static bool put_leave(struct build *t, const struct plan *x)
{
	struct opd at = translate_stack(t, x);

	em_lea(&t->p, HOST_GUEST_RSP, opd_mem(CPU_RBP, 8));
	em_load(&t->p, CPU_RBP, at);
	return true;
}

/* ---- which emitter an instruction has ------------------------------------------------------------------- */

/* Leaves flags alone; @writes: the general registers that it may write. */
static bool use(struct plan *x, translate_fn *fn, bool may_exit, unsigned writes)
{
	x->fn = fn;
	x->may_exit = may_exit;
	x->keeps_flags = x->knows_writes = true;
	x->writes = (uint16_t)writes;
	return true;
}

/* @g: the general register that it may write, or INSN_REG_NONE. Flags are those of its row. */
static bool use_flags(struct plan *x, translate_fn *fn, unsigned g)
{
	x->fn = fn;
	translate_plan_flags(x);
	x->knows_writes = true;
	x->writes = (uint16_t)(g < 16 ? 1u << g : 0);
	return true;
}

/* What it writes is @g + @add, if it is a qword. */
static bool copies(struct plan *x, unsigned g, int64_t add)
{
	if (x->i.opsize == 8 && g < 16 && add == (int32_t)add) {
		x->copy_of = (uint8_t)g;
		x->copy_add = (int32_t)add;
	}
	return true;
}

/* It moves RSP to @base + @by. */
static bool use_stack(struct plan *x, translate_fn *fn, unsigned base, int by, unsigned writes)
{
	x->stack_base = (uint8_t)base;
	x->stack_by = (int8_t)by;
	return use(x, fn, true, 1u << CPU_RSP | writes);
}

static bool plan_alu(struct plan *x)
{
	enum alu op = alu_of(x);
	bool is_load = x->row->class == CLASS_ALU_R_RM, is_imm = is_imm_form(x);

	x->may_exit = x->i.has_modrm && x->i.mod != 3;
	(void)use_flags(x, put_alu, has_result(op) && (is_load || !x->may_exit) ? alu_dst(x) : INSN_REG_NONE);
	if ((op == ALU_ADD || op == ALU_SUB) && is_imm && width(&x->i) == 8 && x->i.imm != (uint64_t)INT32_MIN)
		(void)copies(x, alu_dst(x), op == ALU_ADD ? (int64_t)x->i.imm : -(int64_t)x->i.imm);
	return true;
}

/* A MOV to memory. */
static bool is_store(const struct plan *x)
{
	return x->i.mod != 3 && x->row->class != CLASS_MOV_R_RM;
}

/* What leaves flags alone. */
static bool plan_move(struct plan *x, enum insn_class class)
{
	bool is_mem = x->i.has_modrm && x->i.mod != 3;

	switch (class) {
	case CLASS_PUSH_R:
	case CLASS_PUSH_IMM:
	case CLASS_PUSH_RM:
		return use_stack(x, put_push, CPU_RSP, -8, 0);
	case CLASS_POP_R:
		x->pops_rsp = x->dst == CPU_RSP;
		return use_stack(x, put_pop, CPU_RSP, 8, 1u << x->dst);
	case CLASS_LEAVE:
		return use_stack(x, put_leave, CPU_RBP, 8, 1 << CPU_RBP);
	case CLASS_MOVZX:
	case CLASS_MOVSX:
	case CLASS_MOVSXD:
		return use(x, put_movx, is_mem, 1u << x->i.reg);
	case CLASS_MOV_RM_R:
	case CLASS_MOV_R_RM:
	case CLASS_MOV_RM_IMM:
		(void)use(x, put_mov, is_mem, is_store(x) ? 0 : 1u << x->dst);
		return is_mem || class == CLASS_MOV_RM_IMM || width(&x->i) < 8 || copies(x, x->src, 0);
	case CLASS_MOV_R_IMM:
		return use(x, put_mov_imm, false, 1u << x->dst);
	case CLASS_LEA:
		(void)use(x, put_lea, false, 1u << x->i.reg);
		return x->i.index != INSN_REG_NONE || copies(x, x->i.base, x->i.disp);
	case CLASS_NOP:
		return use(x, put_nop, false, 0);
	case CLASS_CBW:
		return use(x, put_cdqe, false, 1 << CPU_RAX);
	case CLASS_NOT:
		return use(x, put_not, false, 1u << x->dst);
	default:
		return false;
	}
}

static bool plan_arith(struct plan *x, enum insn_class class)
{
	switch (class) {
	case CLASS_ALU_RM_R:
	case CLASS_ALU_R_RM:
	case CLASS_ALU_ACC:
	case CLASS_ALU_IMM:
	case CLASS_TEST:
	case CLASS_TEST_ACC:
	case CLASS_TEST_IMM:
		return plan_alu(x);
	case CLASS_IMUL:
	case CLASS_IMUL_IMM:
		return use_flags(x, put_imul, x->i.reg);
	case CLASS_SHIFT_IMM:
	case CLASS_SHIFT_ONE:
		return use_flags(x, put_shift, x->dst);
	case CLASS_NEG:
		return use_flags(x, put_neg, x->dst);
	case CLASS_INC:
	case CLASS_DEC:
		(void)use_flags(x, put_inc_dec, x->dst);
		return width(&x->i) < 8 || copies(x, x->dst, class == CLASS_DEC ? -1 : 1);
	case CLASS_CMOV:
	case CLASS_SETCC:
		translate_plan_flags(x);
		return use(x, class == CLASS_CMOV ? put_cmov : put_setcc, false, 1u << (class == CLASS_CMOV ? x->i.reg : x->i.rm));
	default:
		return false;
	}
}

/* One with a generic uop. */
bool translate_plan_alu(struct plan *x)
{
	unsigned class = x->row->class;
	bool has_reg = class == CLASS_ALU_RM_R || class == CLASS_ALU_R_RM || class == CLASS_TEST;

	if (!has_reg && class != CLASS_ALU_IMM && class != CLASS_TEST_IMM)
		return false;
	if (width(&x->i) == 1 && !x->i.rex && ((has_reg && x->i.reg >= 4) || (x->i.mod == 3 && x->i.rm >= 4)))
		return false; /* AH to BH */
	return plan_alu(x);
}

void translate_plan_flags(struct plan *x)
{
	const struct insn_info *row = x->row;

	x->reads_flags = row->reads != 0;
	x->writes_flags = !row->reads && (row->writes | row->undefined) == FLAG_ARITH;
}

bool translate_plan_int(struct plan *x)
{
	const struct insn_info *row = x->row;
	enum insn_class class = (enum insn_class)row->class;

	if (!plan_move(x, class) && !plan_arith(x, class))
		return false;
	x->names = (uint8_t)(NAMES_KNOWN | (row->names_reg ? NAMES_REG : 0) | (x->i.has_modrm ? NAMES_RM : 0));
	x->implicit = row->implicit;
	return true;
}
