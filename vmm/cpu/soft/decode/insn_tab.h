/* vmm/cpu/soft/decode/insn_tab.h: what an instruction is: one row for each opcode.
 *
 * A row says which bytes follow the opcode and how the operand size is found (form), what
 * kind of instruction it is (class), which flags it reads, writes and leaves
 * undefined, and which registers it uses without naming them. Where the register field of
 * ModRM is a part of the opcode (a group), each of its values has a row.
 *
 * The class is that of instructions that have uops of their own; all others are CLASS_OTHER,
 * and no flags and registers are said of them.
 *
 * Used by: decode.c, uop_select.c, translate.   Sources: SDM vol. 2, appendix A; vol. 1 appendix A (flags). */
#ifndef MUSTER_VMM_CPU_SOFT_DECODE_INSN_TAB_H
#define MUSTER_VMM_CPU_SOFT_DECODE_INSN_TAB_H

#include "vmm/cpu/soft/insn.h"

enum insn_form {
	FORM_MODRM = 1, /* a ModRM byte follows */
	FORM_IB = 2, /* immediate byte, sign-extended */
	FORM_UB = 4, /* immediate byte, zero-extended */
	FORM_IW = 8, /* immediate word, zero-extended */
	FORM_IZ = 0x10, /* immediate of operand size, at most 4 bytes, sign-extended */
	FORM_IV = 0x20, /* immediate of operand size, 8 bytes too */
	FORM_MOFFS = 0x40, /* offset of address size */
	FORM_FAR = 0x80, /* FORM_IZ (zero-extended), then a selector */
	FORM_ENTER = 0x100, /* word, then byte */
	FORM_BAD64 = 0x200, /* #UD in 64-bit mode */
	FORM_D64 = 0x400, /* operand size 8 in 64-bit mode unless 66 */
	FORM_F64 = 0x800, /* operand size 8 in 64-bit mode whatever the prefixes */
	FORM_BAD = 0x1000, /* #UD everywhere, nothing follows */
	FORM_GROUP3 = 0x2000 /* F6, F7: an immediate only for /0 and /1 */
};

enum insn_class {
	CLASS_OTHER,
	CLASS_ALU, /* r/m and register, either way */
	CLASS_ALU_ACC, /* accumulator and immediate */
	CLASS_ALU_IMM, /* r/m and immediate */
	CLASS_TEST, CLASS_TEST_ACC, CLASS_TEST_IMM, /* operands likewise */
	CLASS_MOV, /* r/m and register, either way */
	CLASS_MOV_RM_IMM, CLASS_MOV_R_IMM,
	CLASS_MOVZX, CLASS_MOVSX, CLASS_MOVSXD,
	CLASS_LEA, CLASS_CBW,
	CLASS_NOP, /* with or without ModRM; 90 may be XCHG or PAUSE */
	CLASS_HINT, /* PREFETCH */
	CLASS_PUSH_R, CLASS_PUSH_IMM, CLASS_PUSH_RM, CLASS_POP_R, CLASS_LEAVE,
	CLASS_IMUL, CLASS_IMUL_IMM,
	CLASS_ROTATE, CLASS_SHIFT, /* by 1 or an immediate; not by CL */
	CLASS_NOT, CLASS_NEG, CLASS_INC, CLASS_DEC,
	CLASS_CMOV, CLASS_SETCC,
	CLASS_JCC, CLASS_JMP, CLASS_CALL, CLASS_RET, CLASS_JMP_RM, CLASS_CALL_RM,
	CLASS_CMPXCHG8B,
	CLASS_GROUP1, CLASS_GROUP2, CLASS_GROUP3, CLASS_GROUP5 /* insn_info() looks further */
};

struct insn_info {
	uint16_t form; /* enum insn_form */
	uint8_t class; /* enum insn_class */
	bool names_reg; /* the register field of ModRM is a general register */
	uint16_t reads, writes, undefined; /* FLAG_*, of FLAG_ARITH; undefined ones come out as the executor has them */
	uint16_t implicit; /* general registers that it uses and does not name: bits */
};

extern const struct insn_info insn_one[256], insn_0f[256]; /* the one-byte opcodes, and those behind 0F */

/* The row of @i, whose opcode and ModRM are decoded. */
const struct insn_info *insn_info(const struct insn *i);

#endif
