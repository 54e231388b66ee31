/* vmm/cpu/soft/decode/insn_tab.c: the rows of the one-byte and the 0F opcodes.
 *
 * The 0F38 map is all ModRM, the 0F3A map all ModRM and immediate byte.
 *
 * Used by: decode.c, uop_select.c, translate.   Sources: SDM vol. 2, tables; vol. 1, table A-1. */
#include "vmm/cpu/soft/decode/insn_tab.h"

#include "vmm/cpu/soft/soft.h"

#define M FORM_MODRM
#define BAD64 FORM_BAD64

enum { CF = FLAG_CF, NO_AF = FLAG_ARITH & ~FLAG_AF, ALL = FLAG_ARITH, CF_OF = FLAG_CF | FLAG_OF,
       ACC = 1 << CPU_RAX, STACK = 1 << CPU_RSP, FRAME = 1 << CPU_RSP | 1 << CPU_RBP };

/* Flags: { reads, writes, undefined } by name. */
#define NONE 0, 0, 0
#define ARITH 0, ALL, 0
#define CARRY CF, ALL, 0
#define LOGIC 0, NO_AF, FLAG_AF
#define COUNT 0, ALL & ~CF, 0 /* INC, DEC */
#define MULTIPLY 0, CF_OF, ALL & ~CF_OF
#define CONDITION NO_AF, 0, 0

/* One of the eight binary operations: its six forms. */
#define ALU(op, flags)                                                                             \
	[(op) ... (op) + 3] = { M, CLASS_ALU, true, flags, 0 },                                    \
	[(op) + 4] = { FORM_IB, CLASS_ALU_ACC, false, flags, ACC },                                \
	[(op) + 5] = { FORM_IZ, CLASS_ALU_ACC, false, flags, ACC }
#define OTHER(opcodes, form_) [opcodes] = { .form = (form_) }

const struct insn_info insn_one[256] = {
	ALU(0x00, ARITH), ALU(0x08, LOGIC), ALU(0x10, CARRY), ALU(0x18, CARRY),
	ALU(0x20, LOGIC), ALU(0x28, ARITH), ALU(0x30, LOGIC), ALU(0x38, ARITH),
	OTHER(0x06 ... 0x07, BAD64), OTHER(0x0E, BAD64), OTHER(0x16 ... 0x17, BAD64), OTHER(0x1E ... 0x1F, BAD64),
	OTHER(0x27, BAD64), OTHER(0x2F, BAD64), OTHER(0x37, BAD64), OTHER(0x3F, BAD64),
	[0x50 ... 0x57] = { FORM_D64, CLASS_PUSH_R, false, NONE, STACK },
	[0x58 ... 0x5F] = { FORM_D64, CLASS_POP_R, false, NONE, STACK },
	OTHER(0x60 ... 0x61, BAD64), OTHER(0x62, M | BAD64),
	[0x63] = { M, CLASS_MOVSXD, true, NONE, 0 },
	[0x68] = { FORM_IZ | FORM_D64, CLASS_PUSH_IMM, false, NONE, STACK },
	[0x69] = { M | FORM_IZ, CLASS_IMUL_IMM, true, MULTIPLY, 0 },
	[0x6A] = { FORM_IB | FORM_D64, CLASS_PUSH_IMM, false, NONE, STACK },
	[0x6B] = { M | FORM_IB, CLASS_IMUL_IMM, true, MULTIPLY, 0 },
	[0x70 ... 0x7F] = { FORM_IB | FORM_F64, CLASS_JCC, false, CONDITION, 0 },
	[0x80] = { .form = M | FORM_IB, .class = CLASS_GROUP1 }, [0x81] = { .form = M | FORM_IZ, .class = CLASS_GROUP1 },
	[0x82] = { .form = M | FORM_IB | BAD64, .class = CLASS_GROUP1 },
	[0x83] = { .form = M | FORM_IB, .class = CLASS_GROUP1 },
	[0x84 ... 0x85] = { M, CLASS_TEST, true, LOGIC, 0 },
	OTHER(0x86 ... 0x87, M),
	[0x88 ... 0x8B] = { M, CLASS_MOV, true, NONE, 0 },
	OTHER(0x8C, M),
	[0x8D] = { M, CLASS_LEA, true, NONE, 0 },
	OTHER(0x8E, M), OTHER(0x8F, M | FORM_D64),
	[0x90] = { 0, CLASS_NOP, false, NONE, 0 },
	[0x98] = { 0, CLASS_CBW, false, NONE, ACC },
	OTHER(0x9A, FORM_FAR | BAD64), OTHER(0x9C ... 0x9D, FORM_D64),
	OTHER(0xA0 ... 0xA3, FORM_MOFFS),
	[0xA8] = { FORM_IB, CLASS_TEST_ACC, false, LOGIC, ACC }, [0xA9] = { FORM_IZ, CLASS_TEST_ACC, false, LOGIC, ACC },
	[0xB0 ... 0xB7] = { FORM_IB, CLASS_MOV_R_IMM, false, NONE, 0 },
	[0xB8 ... 0xBF] = { FORM_IV, CLASS_MOV_R_IMM, false, NONE, 0 },
	[0xC0 ... 0xC1] = { .form = M | FORM_UB, .class = CLASS_GROUP2 },
	[0xC2] = { FORM_IW | FORM_F64, CLASS_RET, false, NONE, STACK }, [0xC3] = { FORM_F64, CLASS_RET, false, NONE, STACK },
	OTHER(0xC4 ... 0xC5, M | BAD64),
	[0xC6] = { M | FORM_IB, CLASS_MOV_RM_IMM, false, NONE, 0 }, [0xC7] = { M | FORM_IZ, CLASS_MOV_RM_IMM, false, NONE, 0 },
	OTHER(0xC8, FORM_ENTER | FORM_D64),
	[0xC9] = { FORM_D64, CLASS_LEAVE, false, NONE, FRAME },
	OTHER(0xCA, FORM_IW), OTHER(0xCD, FORM_UB), OTHER(0xCE, BAD64),
	[0xD0 ... 0xD1] = { .form = M, .class = CLASS_GROUP2 },
	OTHER(0xD2 ... 0xD3, M), OTHER(0xD4 ... 0xD5, FORM_UB | BAD64), OTHER(0xD6, BAD64),
	OTHER(0xD8 ... 0xDF, M), OTHER(0xE0 ... 0xE3, FORM_IB | FORM_F64), OTHER(0xE4 ... 0xE7, FORM_UB),
	[0xE8] = { FORM_IZ | FORM_F64, CLASS_CALL, false, NONE, STACK },
	[0xE9] = { FORM_IZ | FORM_F64, CLASS_JMP, false, NONE, 0 },
	OTHER(0xEA, FORM_FAR | BAD64),
	[0xEB] = { FORM_IB | FORM_F64, CLASS_JMP, false, NONE, 0 },
	[0xF6] = { .form = M | FORM_GROUP3 | FORM_IB, .class = CLASS_GROUP3 },
	[0xF7] = { .form = M | FORM_GROUP3 | FORM_IZ, .class = CLASS_GROUP3 },
	[0xFE ... 0xFF] = { .form = M, .class = CLASS_GROUP5 },
};

const struct insn_info insn_0f[256] = {
	OTHER(0x00 ... 0x03, M),
	OTHER(0x04, FORM_BAD), OTHER(0x0A, FORM_BAD), OTHER(0x0C, FORM_BAD),
	OTHER(0x0D, M), OTHER(0x0E ... 0x0F, FORM_BAD),
	OTHER(0x10 ... 0x17, M),
	[0x18] = { M, CLASS_HINT, false, NONE, 0 },
	[0x19 ... 0x1F] = { M, CLASS_NOP, false, NONE, 0 },
	OTHER(0x20 ... 0x23, M | FORM_F64), /* MOV CR/DR */
	OTHER(0x24 ... 0x27, FORM_BAD),
	OTHER(0x28 ... 0x2F, M),
	OTHER(0x36, FORM_BAD),
	OTHER(0x38 ... 0x3F, FORM_BAD), /* 38 and 3A are maps */
	[0x40 ... 0x4F] = { M, CLASS_CMOV, true, CONDITION, 0 },
	OTHER(0x50 ... 0x6F, M), OTHER(0x70 ... 0x73, M | FORM_UB), OTHER(0x74 ... 0x76, M),
	OTHER(0x78 ... 0x79, M), OTHER(0x7A ... 0x7B, FORM_BAD), OTHER(0x7C ... 0x7F, M),
	[0x80 ... 0x8F] = { FORM_IZ | FORM_F64, CLASS_JCC, false, CONDITION, 0 },
	[0x90 ... 0x9F] = { M, CLASS_SETCC, false, CONDITION, 0 },
	OTHER(0xA0 ... 0xA1, FORM_D64), OTHER(0xA3, M), OTHER(0xA4, M | FORM_UB), OTHER(0xA5, M),
	OTHER(0xA6 ... 0xA7, FORM_BAD), OTHER(0xA8 ... 0xA9, FORM_D64),
	OTHER(0xAB, M), OTHER(0xAC, M | FORM_UB), OTHER(0xAD ... 0xAE, M),
	[0xAF] = { M, CLASS_IMUL, true, MULTIPLY, 0 },
	OTHER(0xB0 ... 0xB5, M),
	[0xB6 ... 0xB7] = { M, CLASS_MOVZX, true, NONE, 0 },
	OTHER(0xB8 ... 0xB9, M), OTHER(0xBA, M | FORM_UB), OTHER(0xBB ... 0xBD, M),
	[0xBE ... 0xBF] = { M, CLASS_MOVSX, true, NONE, 0 },
	OTHER(0xC0 ... 0xC1, M), OTHER(0xC2, M | FORM_UB), OTHER(0xC3, M), OTHER(0xC4 ... 0xC6, M | FORM_UB),
	[0xC7] = { .form = M, .class = CLASS_CMPXCHG8B, .writes = FLAG_ZF },
	OTHER(0xD0 ... 0xFF, M),
};

#define IMM(flags) { M, CLASS_ALU_IMM, false, flags, 0 }
static const struct insn_info group1[8] = { IMM(ARITH), IMM(LOGIC), IMM(CARRY), IMM(CARRY),
					    IMM(LOGIC), IMM(ARITH), IMM(LOGIC), IMM(ARITH) };

static const struct insn_info group2[8] = {
	[0 ... 1] = { M, CLASS_ROTATE, false, 0, CF_OF, 0, 0 }, [2 ... 3] = { M, CLASS_ROTATE, false, CF, CF_OF, 0, 0 },
	[4 ... 7] = { M, CLASS_SHIFT, false, 0, NO_AF, FLAG_AF, 0 },
};

static const struct insn_info group3[8] = {
	[0 ... 1] = { M, CLASS_TEST_IMM, false, LOGIC, 0 },
	[2] = { M, CLASS_NOT, false, NONE, 0 },
	[3] = { M, CLASS_NEG, false, ARITH, 0 },
};

static const struct insn_info group5[8] = {
	[0] = { M, CLASS_INC, false, COUNT, 0 }, [1] = { M, CLASS_DEC, false, COUNT, 0 },
	[2] = { M, CLASS_CALL_RM, false, NONE, STACK }, [4] = { M, CLASS_JMP_RM, false, NONE, 0 },
	[6] = { M, CLASS_PUSH_RM, false, NONE, STACK },
};

const struct insn_info *insn_info(const struct insn *i)
{
	static const struct insn_info other = { .form = M };
	const struct insn_info *row = i->map == 0 ? &insn_one[i->opcode] : i->map == 1 ? &insn_0f[i->opcode] : &other;

	switch (row->class) {
	case CLASS_GROUP1:
		return &group1[i->reg & 7];
	case CLASS_GROUP2:
		return &group2[i->reg & 7];
	case CLASS_GROUP3:
		return &group3[i->reg & 7];
	case CLASS_GROUP5:
		return &group5[i->reg & 7];
	default:
		return row;
	}
}
