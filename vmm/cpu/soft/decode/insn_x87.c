/* vmm/cpu/soft/decode/insn_x87.c: the rows of the x87 opcodes, D8 to DF.
 *
 * The register field of ModRM is a part of every opcode; of some register forms the low field is, too.
 *
 * Used by: insn_tab.c.   Sources: SDM vol. 2, tables. */
#include "vmm/cpu/soft/decode/insn_tab.h"

#include "vmm/cpu/soft/soft.h"

/* clang-format off */
#define ROW(class_, ...) { .class = CLASS_##class_, __VA_ARGS__ }
#define BY(split_, rows) { .split = SPLIT_##split_, .sub = (rows) }
#define MEM ROW(X87_MEM)
#define REG ROW(X87_REG)

enum { MOVES = FLAG_CF | FLAG_PF | FLAG_ZF };
#define FCMOV ROW(X87_REG_FLAGS, .reads = MOVES)
#define FCOMI ROW(X87_REG_FLAGS, .writes = FLAG_ARITH)

static const struct insn_info all_mem[8] = { [0 ... 7] = MEM }, all_reg[8] = { [0 ... 7] = REG };

static const struct insn_info mem_d9[8] = {
	[0] = MEM, [2 ... 3] = MEM, [4] = ROW(FLDENV), [5] = ROW(FLDCW), [6] = ROW(FNSTENV), [7] = ROW(FNSTCW),
};
static const struct insn_info mem_db[8] = { [0 ... 3] = MEM, [5] = MEM, [7] = MEM };
static const struct insn_info mem_dd[8] = {
	[0 ... 3] = MEM, [4] = ROW(FRSTOR), [6] = ROW(FNSAVE), [7] = ROW(FNSTSW),
};

static const struct insn_info reg_d9_2[8] = { [0] = REG }; /* FNOP */
static const struct insn_info reg_d9_4[8] = { [0 ... 1] = REG, [4 ... 5] = REG }; /* FCHS, FABS, FTST, FXAM */
static const struct insn_info reg_d9_5[8] = { [0 ... 6] = REG }; /* constants */
static const struct insn_info reg_d9[8] = {
	[0 ... 1] = REG, [2] = BY(RM, reg_d9_2), [3] = REG, [4] = BY(RM, reg_d9_4), [5] = BY(RM, reg_d9_5), [6 ... 7] = REG,
};
static const struct insn_info reg_da_5[8] = { [1] = REG }; /* FUCOMPP */
static const struct insn_info reg_da[8] = { [0 ... 3] = FCMOV, [5] = BY(RM, reg_da_5) };
static const struct insn_info reg_db_4[8] = {
	[0 ... 1] = ROW(FNOP_CONTROL), [2] = ROW(FNCLEX), [3] = ROW(FNINIT), [4] = ROW(FNOP_CONTROL),
};
static const struct insn_info reg_db[8] = { [0 ... 3] = FCMOV, [4] = BY(RM, reg_db_4), [5 ... 6] = FCOMI };
static const struct insn_info reg_dd[8] = { [0 ... 5] = REG };
static const struct insn_info reg_de_3[8] = { [1] = REG }; /* FCOMPP */
static const struct insn_info reg_de[8] = { [0 ... 2] = REG, [3] = BY(RM, reg_de_3), [4 ... 7] = REG };
static const struct insn_info reg_df_4[8] = { [0] = ROW(FNSTSW_AX, .implicit = 1 << CPU_RAX) };
static const struct insn_info reg_df[8] = { [0 ... 3] = REG, [4] = BY(RM, reg_df_4), [5 ... 6] = FCOMI };

const struct insn_info insn_x87[8][2] = {
	{ BY(DIGIT, all_mem), BY(DIGIT, all_reg) }, { BY(DIGIT, mem_d9), BY(DIGIT, reg_d9) },
	{ BY(DIGIT, all_mem), BY(DIGIT, reg_da) }, { BY(DIGIT, mem_db), BY(DIGIT, reg_db) },
	{ BY(DIGIT, all_mem), BY(DIGIT, all_reg) }, { BY(DIGIT, mem_dd), BY(DIGIT, reg_dd) },
	{ BY(DIGIT, all_mem), BY(DIGIT, reg_de) }, { BY(DIGIT, all_mem), BY(DIGIT, reg_df) },
};
/* clang-format on */
