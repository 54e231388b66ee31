/* vmm/cpu/soft/interp/fpu_lookup.c: which executor an x87, MMX or SSE opcode has.
 *
 * Used by: vmm/cpu/soft/decode/decode.c.   Depends on: fpu.h, fpu_ops.h.
 * Sources: SDM vol. 2, appendix A and B. */
#include "vmm/cpu/soft/interp/fpu.h"

#define TABLE_ROW_1(prefix, opcode, name) [prefix][opcode] = name,
#define TABLE_ROW_2(prefix, opcode, name)
#define TABLE_ROW_3(prefix, opcode, name)
#define TABLE_ROW(map, prefix, opcode, name) TABLE_ROW_##map(prefix, opcode, name)

static soft_exec_fn *const table_0f[FPU_PREFIX_COUNT][256] = { FPU_OPS(TABLE_ROW) };
#undef TABLE_ROW_1
#undef TABLE_ROW_2
#define TABLE_ROW_1(prefix, opcode, name)
#define TABLE_ROW_2(prefix, opcode, name) [prefix][opcode] = name,
static soft_exec_fn *const table_0f38[FPU_PREFIX_COUNT][256] = { FPU_OPS(TABLE_ROW) };
#undef TABLE_ROW_2
#undef TABLE_ROW_3
#define TABLE_ROW_2(prefix, opcode, name)
#define TABLE_ROW_3(prefix, opcode, name) [prefix][opcode] = name,
static soft_exec_fn *const table_0f3a[FPU_PREFIX_COUNT][256] = { FPU_OPS(TABLE_ROW) };

static enum fpu_prefix prefix_of(const struct insn *i)
{
	if (i->rep)
		return i->rep == 0xF3 ? FPU_F3 : FPU_F2;
	return i->prefix66 ? FPU_66 : FPU_NP;
}

/* Forms of the 0F map that exist with a memory operand only (true), or with a
 * register only. */
static bool form_is_missing(const struct insn *i, enum fpu_prefix p)
{
	bool is_reg = i->mod == 3;

	switch (i->opcode) {
	case 0x12:
	case 0x16: /* 66: MOVLPD, MOVHPD have no register form */
		return is_reg && p == FPU_66;
	case 0x13:
	case 0x17:
	case 0x2B:
	case 0xC3:
	case 0xE7:
	case 0xF0:
		return is_reg;
	case 0x50:
	case 0xC5:
	case 0xD7:
	case 0xF7:
		return !is_reg;
	case 0xD6: /* MOVQ2DQ, MOVDQ2Q */
		return !is_reg && p != FPU_66;
	default:
		return false;
	}
}

/* Groups 12 to 14: shifts by an immediate. */
static soft_exec_fn *shift_group(const struct insn *i, enum fpu_prefix p)
{
	unsigned digit = i->reg & 7;
	bool bytes = digit == 3 || digit == 7; /* PSRLDQ, PSLLDQ */

	if (i->mod != 3 || i->rep)
		return NULL;
	if (bytes ? i->opcode != 0x73 || p != FPU_66 :
		    digit != 2 && digit != 6 && (digit != 4 || i->opcode == 0x73))
		return NULL;
	return p == FPU_66 ? sse_shift_group : mmx_shift_group;
}

/* Group 15. */
static soft_exec_fn *group15(const struct insn *i, enum fpu_prefix p)
{
	unsigned digit = i->reg & 7;

	if (p != FPU_NP)
		return NULL;
	if (i->mod == 3)
		return digit >= 5 ? fpu_fence : NULL;
	switch (digit) {
	case 0:
		return fpu_fxsave;
	case 1:
		return fpu_fxrstor;
	case 2:
		return fpu_ldmxcsr;
	case 3:
		return fpu_stmxcsr;
	case 7:
		return fpu_clflush;
	default:
		return NULL;
	}
}

static soft_exec_fn *x87_control(const struct insn *i)
{
	static soft_exec_fn *const d9[8] = { [4] = x87_fldenv, [5] = x87_fldcw, [6] = x87_fnstenv,
					     [7] = x87_fnstcw };
	static soft_exec_fn *const dd[8] = { [4] = x87_frstor, [6] = x87_fnsave,
					     [7] = x87_fnstsw };

	if (i->mod != 3)
		return i->opcode == 0xD9 ? d9[i->reg & 7] :
		       i->opcode == 0xDD ? dd[i->reg & 7] : NULL;
	if (i->opcode == 0xDF && i->modrm == 0xE0)
		return x87_fnstsw_ax;
	if (i->opcode != 0xDB)
		return NULL;
	switch (i->modrm) {
	case 0xE0:
	case 0xE1:
	case 0xE4:
		return x87_fnop_control;
	case 0xE2:
		return x87_fnclex;
	case 0xE3:
		return x87_fninit;
	default:
		return NULL;
	}
}

static soft_exec_fn *x87_exec(const struct insn *i)
{
	soft_exec_fn *exec = x87_control(i);

	if (exec)
		return exec;
	if (i->mod == 3)
		return x87_reg_is_valid(i->opcode, i->modrm) ? x87_reg : NULL;
	return x87_mem_is_valid(i->opcode, i->reg & 7) ? x87_mem : NULL;
}

/* Opcodes of the 0F map that are x87's, MMX's or SSE's. */
static bool is_ours_0f(uint8_t opcode)
{
	return opcode == 0x0D || (opcode >= 0x10 && opcode <= 0x1F) ||
	       (opcode >= 0x28 && opcode <= 0x2F) || (opcode >= 0x50 && opcode <= 0x7F) ||
	       opcode == 0xAE || opcode == 0xC2 || (opcode >= 0xC3 && opcode <= 0xC6) ||
	       (opcode >= 0xD0 && opcode <= 0xFE);
}

static soft_exec_fn *exec_0f(const struct insn *i, enum fpu_prefix p)
{
	uint8_t op = i->opcode;

	if (op == 0x0D || (op >= 0x18 && op <= 0x1F))
		return fpu_hint;
	if (op >= 0x71 && op <= 0x73)
		return shift_group(i, p);
	if (op == 0xAE)
		return group15(i, p);
	return form_is_missing(i, p) ? NULL : table_0f[p][op];
}

bool fpu_lookup(const struct insn *i, struct insn_row *ret_row)
{
	enum fpu_prefix p = prefix_of(i);

	ret_row->flags = 0;
	ret_row->exec = NULL;
	switch (i->map) {
	case 0:
		if (i->opcode == 0x9B)
			ret_row->exec = fpu_wait;
		else if (i->opcode >= 0xD8 && i->opcode <= 0xDF)
			ret_row->exec = x87_exec(i);
		else
			return false;
		return true;
	case 1:
		if (!is_ours_0f(i->opcode))
			return false;
		ret_row->exec = exec_0f(i, p);
		return true;
	case 2:
		ret_row->exec = table_0f38[p][i->opcode];
		if (i->opcode == 0x2A && i->mod == 3)
			ret_row->exec = NULL;
		return true;
	default:
		ret_row->exec = table_0f3a[p][i->opcode];
		return true;
	}
}
