/* vmm/cpu/soft/block/uop_select.c: which uop an instruction of 64-bit mode becomes.
 *
 * What has none: AH to BH, address size 4, displacements that do not fit
 * together with the instruction's end, and everything rare. LOCK needs nothing:
 * one processor runs at a time.
 *
 * Used by: block_build.c.   Depends on: insn_tab.h. */
#include "vmm/cpu/soft/block/uop.h"

#include "vmm/cpu/soft/decode/insn_tab.h"

static unsigned size_index(unsigned size)
{
	return size == 8 ? 3 : size == 4 ? 2 : size - 1;
}

static unsigned width(const struct insn *i)
{
	return i->opcode & 1 ? i->opsize : 1;
}

/* Byte registers 4 to 7 without REX are AH to BH. */
static bool reg_is_plain(const struct insn *i, unsigned reg, unsigned size)
{
	return size > 1 || i->rex || reg < 4;
}

/* Fills the memory operand. Returns 0 plain, 1 full, -1 it has no uop form. */
static int take_mem(struct uop *u, const struct insn *i, unsigned size)
{
	int64_t disp = i->disp + (i->base == INSN_REG_RIP ? u->off : 0);
	bool far_seg = i->seg == CPU_FS || i->seg == CPU_GS;

	if (i->adsize != 8 || disp != (int32_t)disp)
		return -1;
	u->disp = (int32_t)disp;
	u->base = i->base;
	u->index = i->index;
	u->scale = i->scale;
	u->seg = far_seg ? i->seg : CPU_DS;
	u->size = (uint8_t)size;
	return far_seg || i->index != INSN_REG_NONE;
}

static int use(struct uop *u, uop_fn *fn, int n_slots)
{
	u->fn = fn;
	return fn ? n_slots : 0;
}

static enum uop_cc cc_after_alu(unsigned op)
{
	switch (op) {
	case 5: /* SUB, CMP */
	case 7:
		return UOP_CC_SUB;
	case 2: /* ADC, SBB: translated code keeps their flags as such, and may be left before the Jcc */
	case 3:
		return UOP_CC_UNKNOWN;
	case 1: /* OR, AND, XOR, TEST */
	case 4:
	case 6:
	case 8:
		return UOP_CC_LOGIC;
	default:
		return UOP_CC_RESULT;
	}
}

/* ALU with a ModRM. @op: as uop_alu_rr; @form: 0 rm,r; 1 r,rm; 2 rm,imm. */
static int select_alu(struct uop *u, const struct insn *i, unsigned op, unsigned form, enum uop_cc *cc)
{
	unsigned size = width(i), k = size_index(size);
	int addr = 0, n;

	if ((form != 2 && !reg_is_plain(i, i->reg, size)) || (i->mod == 3 && !reg_is_plain(i, i->rm, size)))
		return 0;
	if (i->mod != 3) {
		addr = take_mem(u, i, size);
		if (addr < 0)
			return 0;
	}
	u->imm = i->imm;
	u->dst = form == 1 ? i->reg : i->rm;
	u->src = form == 1 ? i->rm : i->reg;
	if (form == 2)
		n = use(u, i->mod == 3 ? uop_alu_ri[op][k] : uop_alu_mi[op][k][addr], 1);
	else if (i->mod == 3)
		n = use(u, uop_alu_rr[op][k], 1);
	else
		n = use(u, form == 1 ? uop_alu_rm[op][k][addr] : uop_alu_mr[op][k][addr], 1);
	if (n)
		*cc = cc_after_alu(op);
	return n;
}

static int select_acc_imm(struct uop *u, const struct insn *i, unsigned op, enum uop_cc *cc)
{
	u->dst = CPU_RAX;
	u->imm = i->imm;
	*cc = cc_after_alu(op);
	return use(u, uop_alu_ri[op][size_index(width(i))], 1);
}

static int select_mov(struct uop *u, const struct insn *i, enum insn_class class)
{
	unsigned size = width(i), k = size_index(size);
	bool is_imm = class == CLASS_MOV_RM_IMM, is_load = class == CLASS_MOV_R_RM;
	int addr;

	if ((!is_imm && !reg_is_plain(i, i->reg, size)) || (i->mod == 3 && !reg_is_plain(i, i->rm, size)))
		return 0;
	u->imm = i->imm;
	u->dst = is_load ? i->reg : i->rm;
	u->src = is_load ? i->rm : i->reg;
	if (i->mod == 3)
		return use(u, is_imm ? uop_mov_ri[k] : uop_mov_rr[k], 1);
	addr = take_mem(u, i, size);
	if (addr < 0)
		return 0;
	return use(u, is_imm ? uop_mov_mi[k][addr] : is_load ? uop_mov_rm[k][addr] : uop_mov_mr[k][addr], 1);
}

/* MOVZX, MOVSX, MOVSXD. @from: 0 byte, 1 word, 2 dword. */
static int select_movx(struct uop *u, const struct insn *i, unsigned is_signed, unsigned from)
{
	unsigned k = size_index(i->opsize);
	int addr;

	u->dst = i->reg;
	u->src = i->rm;
	if (i->mod == 3)
		return reg_is_plain(i, i->rm, 1U << from) ? use(u, uop_movx_rr[is_signed][from][k], 1) : 0;
	addr = take_mem(u, i, 1U << from);
	return addr < 0 ? 0 : use(u, uop_movx_rm[is_signed][from][k][addr], 1);
}

static int select_lea(struct uop *u, const struct insn *i)
{
	int addr = take_mem(u, i, i->opsize);

	if (addr < 0)
		return 0;
	u->dst = i->reg;
	return use(u, uop_lea[size_index(i->opsize)][i->index != INSN_REG_NONE], 1);
}

static int select_shift(struct uop *u, const struct insn *i, unsigned count, enum uop_cc *cc)
{
	count &= i->opsize == 8 ? 63 : 31;
	if (i->mod != 3 || !(i->opcode & 1) || count == 0)
		return 0;
	u->dst = i->rm;
	u->imm = count;
	if (!use(u, uop_shift_ri[i->reg & 7][size_index(i->opsize)], 1))
		return 0;
	*cc = UOP_CC_RESULT;
	return 1;
}

/* One operand, a register. */
static int select_unary(struct uop *u, const struct insn *i, enum insn_class class, enum uop_cc *cc)
{
	unsigned size = width(i), k = size_index(size);

	if (i->mod != 3 || !reg_is_plain(i, i->rm, size))
		return 0;
	switch (class) {
	case CLASS_NOT:
		u->dst = u->src = i->rm;
		return use(u, uop_not_r[k], 1);
	case CLASS_NEG:
		u->dst = u->src = i->rm;
		*cc = UOP_CC_SUB;
		return use(u, uop_neg_r[k], 1);
	case CLASS_INC:
	case CLASS_DEC:
		u->dst = u->src = i->rm;
		*cc = UOP_CC_RESULT;
		return use(u, class == CLASS_DEC ? uop_dec_r[k] : uop_inc_r[k], 1);
	case CLASS_CALL_RM:
	case CLASS_JMP_RM:
		u->dst = u->src = i->rm;
		return use(u, class == CLASS_CALL_RM ? uop_call_r : uop_jmp_r, 1);
	case CLASS_PUSH_RM:
		u->dst = u->src = i->rm;
		return i->opsize == 8 ? use(u, uop_push_r, 1) : 0;
	default:
		return 0;
	}
}

/* The target relative to the block's start, when it fits. */
static bool take_target(struct uop *u, const struct insn *i)
{
	int64_t disp = (int64_t)i->imm + u->off;

	u->disp = (int32_t)disp;
	return disp == u->disp;
}

/* The fused form of @fn with condition @cond, or NULL. */
static uop_fn *fused(uop_fn *fn, unsigned cond)
{
	for (unsigned k = 0; k < UOP_SIZES; k++) {
		if (fn == uop_alu_rr[7][k])
			return uop_cmp_rr_jcc[k][cond];
		if (fn == uop_alu_ri[7][k])
			return uop_cmp_ri_jcc[k][cond];
		if (fn == uop_alu_rr[8][k])
			return uop_test_rr_jcc[k][cond];
		if (fn == uop_alu_ri[8][k])
			return uop_test_ri_jcc[k][cond];
	}
	return NULL;
}

static int select_jcc(struct uop *u, const struct insn *i, struct uop *prev, enum uop_cc cc)
{
	unsigned cond = i->opcode & 15;
	uop_fn *fn = prev ? fused(prev->fn, cond) : NULL;

	if (!take_target(u, i))
		return 0;
	if (fn) {
		prev->fn = fn;
		prev->disp = u->disp;
		prev->len = u->len;
		prev->n = u->n;
		prev->off = u->off;
		*(struct uop_chain *)(void *)u = (struct uop_chain){ .taken = NULL };
		return -1;
	}
	*uop_chain_of(u) = (struct uop_chain){ .taken = NULL };
	return use(u, uop_jcc[cc][cond], 2);
}

static int select_direct(struct uop *u, const struct insn *i, uop_fn *fn)
{
	if (!take_target(u, i))
		return 0;
	*uop_chain_of(u) = (struct uop_chain){ .taken = NULL };
	return use(u, fn, 2);
}

/* Moves and the stack. */
static int select_move(struct uop *u, const struct insn *i, enum insn_class class)
{
	unsigned reg = (i->opcode & 7u) | (i->rex & 1u) << 3; /* where it is in the opcode */

	switch (class) {
	case CLASS_MOV_RM_R:
	case CLASS_MOV_R_RM:
	case CLASS_MOV_RM_IMM:
		return select_mov(u, i, class);
	case CLASS_MOV_R_IMM:
		u->dst = (uint8_t)reg;
		u->imm = i->imm;
		if (i->opcode < 0xB8)
			return reg_is_plain(i, reg, 1) ? use(u, uop_mov_ri[0], 1) : 0;
		return use(u, uop_mov_ri[size_index(i->opsize)], 1);
	case CLASS_MOVZX:
	case CLASS_MOVSX:
		return select_movx(u, i, class == CLASS_MOVSX, i->opcode & 1);
	case CLASS_MOVSXD:
		return i->opsize == 8 ? select_movx(u, i, 1, 2) : 0;
	case CLASS_LEA:
		return select_lea(u, i);
	case CLASS_PUSH_R:
		u->src = (uint8_t)reg;
		return i->opsize == 8 ? use(u, uop_push_r, 1) : 0;
	case CLASS_PUSH_IMM:
		u->imm = i->imm;
		return i->opsize == 8 ? use(u, uop_push_i, 1) : 0;
	case CLASS_POP_R:
		u->dst = (uint8_t)reg;
		return i->opsize == 8 ? use(u, uop_pop_r, 1) : 0;
	case CLASS_LEAVE:
		return i->opsize == 8 ? use(u, uop_leave, 1) : 0;
	case CLASS_NOP:
		return use(u, uop_nop, 1);
	default:
		return 0;
	}
}

/* Arithmetic, and what depends on flags but is not a branch. */
static int select_arith(struct uop *u, const struct insn *i, enum insn_class class, enum uop_cc *cc)
{
	unsigned k = size_index(i->opsize);

	switch (class) {
	case CLASS_ALU_RM_R:
		return select_alu(u, i, i->opcode >> 3, 0, cc);
	case CLASS_ALU_R_RM:
		return select_alu(u, i, i->opcode >> 3, 1, cc);
	case CLASS_ALU_ACC:
		return select_acc_imm(u, i, i->opcode >> 3, cc);
	case CLASS_ALU_IMM:
		return select_alu(u, i, i->reg & 7, 2, cc);
	case CLASS_TEST:
		return select_alu(u, i, 8, 0, cc);
	case CLASS_TEST_ACC:
		return select_acc_imm(u, i, 8, cc);
	case CLASS_TEST_IMM:
		return select_alu(u, i, 8, 2, cc);
	case CLASS_CBW:
		return i->opsize == 8 ? use(u, uop_cdqe, 1) : 0;
	case CLASS_ROTATE_IMM:
	case CLASS_SHIFT_IMM:
		return select_shift(u, i, (unsigned)i->imm, cc);
	case CLASS_ROTATE_ONE:
	case CLASS_SHIFT_ONE:
		return select_shift(u, i, 1, cc);
	case CLASS_CMOV:
		return i->mod == 3 ? use(u, uop_cmov_rr[k], 1) : 0;
	case CLASS_SETCC:
		u->dst = i->rm;
		return i->mod == 3 && reg_is_plain(i, i->rm, 1) ? use(u, uop_setcc_r, 1) : 0;
	case CLASS_IMUL:
		if (i->mod != 3 || !uop_imul_rr[k])
			return 0;
		*cc = UOP_CC_RESULT;
		return use(u, uop_imul_rr[k], 1);
	case CLASS_IMUL_IMM:
		if (i->mod != 3 || i->opsize == 2)
			return 0;
		u->dst = i->reg;
		u->src = i->rm;
		u->imm = i->imm;
		*cc = UOP_CC_RESULT;
		return use(u, uop_imul_ri[k], 1);
	default:
		return select_unary(u, i, class, cc);
	}
}

/* SYSCALL and all else that is not integer has no uop: executors. */
int uop_select(struct uop *u, const struct insn *i, struct uop *prev, enum uop_cc *cc)
{
	enum insn_class class = (enum insn_class)insn_info(i)->class;
	int n;

	if (i->map == 1) {
		u->dst = i->reg;
		u->src = i->rm;
		u->cond = i->opcode & 15;
	}
	switch (class) {
	case CLASS_JCC:
		return select_jcc(u, i, prev, *cc);
	case CLASS_JMP:
		return select_direct(u, i, uop_jmp);
	case CLASS_CALL:
		return select_direct(u, i, uop_call);
	case CLASS_RET:
		u->imm = i->imm; /* 0 without one */
		return use(u, uop_ret, 1);
	default:
		n = select_move(u, i, class);
		return n ? n : select_arith(u, i, class, cc);
	}
}
