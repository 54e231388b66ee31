/* vmm/cpu/soft/decode/insn_tab.h: what an instruction is: one row for each.
 *
 * A row says which bytes follow the opcode and how the operand size is found (form), what
 * kind of instruction it is (class), in which forms it exists (needs), which flags it reads,
 * writes and leaves undefined, and which registers it uses without naming them. The decoder,
 * the look-up of executors, the selection of uops and the translator read it there.
 *
 * The opcode selects a row of insn_one or insn_0f, or that of a whole map. Where the prefix, the mode or a field of
 * ModRM is a part of the opcode, that row names an array of further rows and what selects one of them
 * (split). The form is always that of the first row, since it is needed before ModRM is read.
 *
 * Used by: decode.c, exec_lookup.c, event.c, uop_select.c, translate.   Sources: SDM vol. 2, appendix A; vol. 1 appendix A (flags). */
#ifndef MUSTER_VMM_CPU_SOFT_DECODE_INSN_TAB_H
#define MUSTER_VMM_CPU_SOFT_DECODE_INSN_TAB_H

#include "vmm/cpu/soft/decode/insn_class.h"
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

/* Where the instruction exists; elsewhere it is #UD. */
enum insn_need {
	NEED_ANY = 0,
	NEED_MEM = 1, /* ModRM is a memory operand */
	NEED_REG = 2, /* ModRM is a register */
	NEED_PROTECTED = 4, /* neither real nor virtual-8086 mode */
	NEED_64 = 8, /* 64-bit mode */
	NEED_LOW_REG = 0x10 /* the register field is below 8 */
};

/* What selects one of the rows of sub. */
enum insn_split {
	SPLIT_NONE, /* this row is it */
	SPLIT_DIGIT, /* the register field of ModRM without REX.R: 8 rows */
	SPLIT_RM, /* the low field of ModRM: 8 rows */
	SPLIT_MOD, /* memory, register: 2 rows */
	SPLIT_PREFIX, /* enum insn_prefix */
	SPLIT_MODE64, /* other modes, 64-bit mode: 2 rows */
	SPLIT_REX_B, /* without, with REX.B: 2 rows */
	SPLIT_SSE /* enum insn_prefix, in the rows of insn_sse.c */
};

/* The mandatory prefix of an opcode (SDM vol. 2 §2.1.2): F2 and F3 before 66. */
enum insn_prefix { PREFIX_NP, PREFIX_66, PREFIX_F3, PREFIX_F2, PREFIX_COUNT };

/* The operands of an SSE instruction. NONE: nothing is said; the translator has no code for it. RM is an XMM
 * register or memory, GPR a general register (or memory, which has no code). */
enum sse_operands {
	SSE_NONE,
	SSE_OP, /* XMM is written, from RM */
	SSE_OP_IMM, /* the same with an immediate byte */
	SSE_FP, /* the same, and MXCSR counts */
	SSE_STORE, /* RM is written, from XMM */
	SSE_COMPARE, /* XMM and RM are compared: flags, and MXCSR counts */
	SSE_FROM_GPR, /* XMM is written, from GPR; the first that is about a GPR */
	SSE_TO_GPR, /* GPR is written, from XMM */
	SSE_FP_FROM_GPR, /* XMM is written, from GPR, and MXCSR counts */
	SSE_FP_TO_GPR, /* GPR is written, from RM, and MXCSR counts */
	SSE_MASK_TO_GPR /* GPR is written, from an XMM register */
};

struct insn_info {
	uint16_t form; /* enum insn_form; of the first row only */
	uint16_t class; /* enum insn_class */
	uint16_t reads, writes, undefined; /* FLAG_*, of FLAG_ARITH; undefined ones come out as the executor has them */
	uint16_t implicit; /* general registers that it uses and does not name: bits */
	bool names_reg; /* the register field of ModRM is a general register */
	uint8_t flags; /* INSN_* */
	uint8_t needs; /* enum insn_need */
	uint8_t split; /* enum insn_split */
	uint8_t sse; /* enum sse_operands */
	uint8_t mem_bytes; /* of an SSE instruction's memory operand; 0: the size of the general register */
	bool mem_aligned; /* which is aligned, else #GP */
	const struct insn_info *sub;
};

extern const struct insn_info insn_one[256], insn_0f[256]; /* the one-byte opcodes, and those behind 0F */
extern const struct insn_info insn_x87[8][2]; /* D8 to DF, with a memory operand and with registers */

static inline enum insn_prefix insn_prefix(const struct insn *i)
{
	if (i->rep)
		return i->rep == 0xF3 ? PREFIX_F3 : PREFIX_F2;
	return i->prefix66 ? PREFIX_66 : PREFIX_NP;
}

/* The row of an MMX or SSE opcode; of class CLASS_NONE where there is none. @map: 1 to 3. */
const struct insn_info *insn_sse(unsigned map, uint8_t opcode, enum insn_prefix prefix);
/* The row of @i, whose opcode and ModRM are decoded. It may be one whose needs @i does not meet. */
const struct insn_info *insn_info(const struct insn *i);

#endif
