/* vmm/cpu/soft/decode/insn_tab.c: the rows of the one-byte and the 0F opcodes.
 *
 * The 0F38 map is all ModRM, the 0F3A map all ModRM and immediate byte; their rows are those of insn_sse.c.
 * An opcode without a class is no instruction of this processor. Not offered by the processor model: MONITOR and MWAIT,
 * XGETBV and XSETBV, VMX, SVM, SMX, RSM, SMAP's CLAC and STAC, RDRAND and RDSEED, TZCNT and LZCNT (these run as BSF and
 * BSR).
 *
 * Used by: decode.c, exec_lookup.c, event.c, uop_select.c, translate.   Depends on: insn_sse.c, insn_x87.c.
 * Sources: SDM vol. 2, tables; vol. 1, table A-1. */
#include "vmm/cpu/soft/decode/insn_tab.h"

#include "vmm/cpu/soft/soft.h"

#include <stddef.h>

/* clang-format off */
enum { CF = FLAG_CF, NO_AF = FLAG_ARITH & ~FLAG_AF, ALL = FLAG_ARITH, CF_OF = FLAG_CF | FLAG_OF,
       ACC = 1 << CPU_RAX, STACK = 1 << CPU_RSP, FRAME = 1 << CPU_RSP | 1 << CPU_RBP, COUNT = 1 << CPU_RCX,
       PAIR = 1 << CPU_RAX | 1 << CPU_RDX, FROM = 1 << CPU_RSI, TO = 1 << CPU_RDI,
       MSR = 1 << CPU_RAX | 1 << CPU_RDX | 1 << CPU_RCX, PORT = 1 << CPU_RDX };

/* A row: its form, its class, and what else is to be said. */
#define M FORM_MODRM
#define BAD64 FORM_BAD64
#define ROW(form_, class_, ...) { .form = (form_), .class = CLASS_##class_, __VA_ARGS__ }
#define BY(form_, split_, rows) { .form = (form_), .split = SPLIT_##split_, .sub = (rows) }
#define SSE(form_) { .form = (form_), .split = SPLIT_SSE }
#define BAD { .form = FORM_BAD }

/* Flags. An instruction that writes some of them only, or none for a count of 0, keeps the others. */
#define ARITH .writes = ALL
#define CARRY .reads = CF, .writes = ALL
#define ADJUST .reads = CF | FLAG_AF, .writes = ALL /* DAA, DAS */
#define LOGIC .writes = NO_AF, .undefined = FLAG_AF
#define INCDEC .writes = ALL & ~CF
#define MULTIPLY .writes = CF_OF, .undefined = ALL & ~CF_OF
#define UNDEFINED .undefined = ALL
#define SCAN .writes = FLAG_ZF, .undefined = ALL & ~FLAG_ZF
#define BIT .writes = CF
#define ZERO .writes = FLAG_ZF
#define CONDITION .reads = NO_AF

#define REG .names_reg = true
#define USES(registers) .implicit = (registers)
#define LOCKABLE .flags = INSN_LOCK_OK
#define ENDS .flags = INSN_END
#define SLOW .flags = INSN_END | INSN_SLOW_TIME
#define NEEDS(needs_) .needs = (needs_)

/* One of the eight binary operations: its six forms. @lock: of the one that writes memory. */
#define ALU(op, lock, flags_)                                                                      \
	[(op) ... (op) + 1] = ROW(M, ALU_RM_R, REG, lock, flags_),                                 \
	[(op) + 2 ... (op) + 3] = ROW(M, ALU_R_RM, REG, flags_),                                   \
	[(op) + 4] = ROW(FORM_IB, ALU_ACC, flags_, USES(ACC)),                                     \
	[(op) + 5] = ROW(FORM_IZ, ALU_ACC, flags_, USES(ACC))

/* ---- what has more than one row ------------------------------------------------------------------ */

#define IMM(flags_) ROW(0, ALU_IMM, LOCKABLE, flags_)
static const struct insn_info group1[8] = { IMM(ARITH), IMM(LOGIC), IMM(CARRY), IMM(CARRY),
					    IMM(LOGIC), IMM(ARITH), IMM(LOGIC), ROW(0, ALU_IMM, ARITH) };

/* Group 2. A count of 0 keeps all flags: of CL it is known late, so these read what they may keep. So do
 * RCL and RCR of bytes and words by a multiple of 9 and 17. */
#define ROL(name, ...) ROW(0, name, .writes = CF_OF, __VA_ARGS__)
static const struct insn_info shift_imm[8] = {
	[0 ... 1] = ROL(ROTATE_IMM), [2 ... 3] = ROL(ROTATE_IMM, .reads = CF_OF), [4 ... 7] = ROW(0, SHIFT_IMM, LOGIC),
};
static const struct insn_info shift_one[8] = {
	[0 ... 1] = ROL(ROTATE_ONE), [2 ... 3] = ROL(ROTATE_ONE, .reads = CF), [4 ... 7] = ROW(0, SHIFT_ONE, LOGIC),
};
static const struct insn_info shift_cl[8] = {
	[0 ... 3] = ROL(ROTATE_CL, .reads = CF_OF, USES(COUNT)),
	[4 ... 7] = ROW(0, SHIFT_CL, .reads = ALL, LOGIC, USES(COUNT)),
};

static const struct insn_info group3[8] = {
	[0 ... 1] = ROW(0, TEST_IMM, LOGIC), [2] = ROW(0, NOT, LOCKABLE), [3] = ROW(0, NEG, LOCKABLE, ARITH),
	[4] = ROW(0, MUL, MULTIPLY, USES(PAIR)), [5] = ROW(0, IMUL_ACC, MULTIPLY, USES(PAIR)),
	[6] = ROW(0, DIV, UNDEFINED, USES(PAIR)), [7] = ROW(0, IDIV, UNDEFINED, USES(PAIR)),
};

static const struct insn_info group4[8] = { ROW(0, INC, LOCKABLE, INCDEC), ROW(0, DEC, LOCKABLE, INCDEC) };
static const struct insn_info group5[8] = {
	ROW(0, INC, LOCKABLE, INCDEC), ROW(0, DEC, LOCKABLE, INCDEC),
	ROW(0, CALL_RM, ENDS, USES(STACK)), ROW(0, CALL_FAR_MEM, ENDS, NEEDS(NEED_MEM), USES(STACK)),
	ROW(0, JMP_RM, ENDS), ROW(0, JMP_FAR_MEM, ENDS, NEEDS(NEED_MEM)),
	ROW(0, PUSH_RM, USES(STACK)),
};

static const struct insn_info group6[8] = {
	ROW(0, SLDT, ENDS, NEEDS(NEED_PROTECTED)), ROW(0, STR, ENDS, NEEDS(NEED_PROTECTED)),
	ROW(0, LLDT, ENDS, NEEDS(NEED_PROTECTED)), ROW(0, LTR, ENDS, NEEDS(NEED_PROTECTED)),
	ROW(0, VERR, ENDS, NEEDS(NEED_PROTECTED), ZERO), ROW(0, VERW, ENDS, NEEDS(NEED_PROTECTED), ZERO),
};

static const struct insn_info group7_reg7[8] = { ROW(0, SWAPGS, ENDS, NEEDS(NEED_64)), ROW(0, RDTSCP, SLOW, USES(MSR)) };
static const struct insn_info group7_7[2] = { ROW(0, INVLPG, ENDS), BY(0, RM, group7_reg7) };
static const struct insn_info group7[8] = {
	[0 ... 1] = ROW(0, TABLE_STORE, NEEDS(NEED_MEM)), [2 ... 3] = ROW(0, TABLE_LOAD, ENDS, NEEDS(NEED_MEM)),
	[4] = ROW(0, SMSW), [6] = ROW(0, LMSW, ENDS), [7] = BY(0, MOD, group7_7),
};

#define BIT_IMM ROW(0, BT_IMM, LOCKABLE, BIT)
static const struct insn_info group8[8] = { [4] = ROW(0, BT_IMM, BIT), BIT_IMM, BIT_IMM, BIT_IMM };

static const struct insn_info group9[8] = { [1] = ROW(0, CMPXCHG8B, LOCKABLE, NEEDS(NEED_MEM), ZERO,
							 USES(PAIR | COUNT | 1 << CPU_RBX)) };
static const struct insn_info group11[8] = { ROW(0, MOV_RM_IMM) };

/* Groups 12 to 14. */
#define SHIFT(name) ROW(0, name, NEEDS(NEED_REG))
static const struct insn_info group12_mmx[8] = {
	[2] = SHIFT(MMX_PSRLW_IMM), [4] = SHIFT(MMX_PSRAW_IMM), [6] = SHIFT(MMX_PSLLW_IMM),
};
static const struct insn_info group12_sse[8] = {
	[2] = SHIFT(SSE_PSRLW_IMM), [4] = SHIFT(SSE_PSRAW_IMM), [6] = SHIFT(SSE_PSLLW_IMM),
};
static const struct insn_info group13_mmx[8] = {
	[2] = SHIFT(MMX_PSRLD_IMM), [4] = SHIFT(MMX_PSRAD_IMM), [6] = SHIFT(MMX_PSLLD_IMM),
};
static const struct insn_info group13_sse[8] = {
	[2] = SHIFT(SSE_PSRLD_IMM), [4] = SHIFT(SSE_PSRAD_IMM), [6] = SHIFT(SSE_PSLLD_IMM),
};
static const struct insn_info group14_mmx[8] = { [2] = SHIFT(MMX_PSRLQ_IMM), [6] = SHIFT(MMX_PSLLQ_IMM) };
static const struct insn_info group14_sse[8] = {
	[2] = SHIFT(SSE_PSRLQ_IMM), SHIFT(SSE_PSRLDQ_IMM), [6] = SHIFT(SSE_PSLLQ_IMM), SHIFT(SSE_PSLLDQ_IMM),
};
static const struct insn_info group12[PREFIX_COUNT] = { BY(0, DIGIT, group12_mmx), BY(0, DIGIT, group12_sse) };
static const struct insn_info group13[PREFIX_COUNT] = { BY(0, DIGIT, group13_mmx), BY(0, DIGIT, group13_sse) };
static const struct insn_info group14[PREFIX_COUNT] = { BY(0, DIGIT, group14_mmx), BY(0, DIGIT, group14_sse) };

static const struct insn_info group15_mem[8] = {
	[0] = ROW(0, FXSAVE), ROW(0, FXRSTOR), ROW(0, LDMXCSR), ROW(0, STMXCSR), [7] = ROW(0, CLFLUSH),
};
static const struct insn_info group15_reg[8] = { [5 ... 7] = ROW(0, FENCE) };
static const struct insn_info group15_f3[8] = { [0 ... 3] = ROW(0, FSGSBASE, ENDS, NEEDS(NEED_REG | NEED_64)) };
static const struct insn_info group15_np[2] = { BY(0, DIGIT, group15_mem), BY(0, DIGIT, group15_reg) };
static const struct insn_info group15[PREFIX_COUNT] = {
	[PREFIX_NP] = BY(0, MOD, group15_np), [PREFIX_F3] = BY(0, DIGIT, group15_f3),
};

static const struct insn_info movsxd_arpl[2] = { ROW(0, ARPL, NEEDS(NEED_PROTECTED), ZERO), ROW(0, MOVSXD, REG) };

/* 90, and with REX.B the exchange of R8. */
static const struct insn_info nop_pause[PREFIX_COUNT] = {
	[PREFIX_NP] = ROW(0, NOP), [PREFIX_66] = ROW(0, NOP), [PREFIX_F3] = ROW(0, PAUSE, ENDS), [PREFIX_F2] = ROW(0, NOP),
};
static const struct insn_info nop_xchg[2] = { BY(0, PREFIX, nop_pause), ROW(0, XCHG_ACC, USES(ACC)) };

static const struct insn_info popcnt[PREFIX_COUNT] = { [PREFIX_F3] = ROW(0, POPCNT, REG, ARITH) };

/* A repeated string instruction ends the block. */
#define STRING(name, ...)                                                                          \
	{ [PREFIX_NP ... PREFIX_66] = ROW(0, name, __VA_ARGS__),                                   \
	  [PREFIX_F3 ... PREFIX_F2] = ROW(0, name, ENDS, __VA_ARGS__) }
static const struct insn_info movs[PREFIX_COUNT] = STRING(MOVS, USES(FROM | TO | COUNT));
static const struct insn_info cmps[PREFIX_COUNT] = STRING(CMPS, USES(FROM | TO | COUNT), .reads = ALL, ARITH);
static const struct insn_info stos[PREFIX_COUNT] = STRING(STOS, USES(ACC | TO | COUNT));
static const struct insn_info lods[PREFIX_COUNT] = STRING(LODS, USES(ACC | FROM | COUNT));
static const struct insn_info scas[PREFIX_COUNT] = STRING(SCAS, USES(ACC | TO | COUNT), .reads = ALL, ARITH);

/* Segment registers end at GS; CS is read only. */
static const struct insn_info from_seg[8] = { [0 ... CPU_GS] = ROW(0, MOV_FROM_SEG) };
static const struct insn_info to_seg[8] = {
	[CPU_ES] = ROW(0, MOV_TO_SEG, ENDS), [CPU_SS ... CPU_GS] = ROW(0, MOV_TO_SEG, ENDS),
};

/* CR0, CR2, CR3, CR4 and CR8. */
static const struct insn_info from_cr[8] = {
	[0] = ROW(0, MOV_FROM_CR, SLOW), [2 ... 4] = ROW(0, MOV_FROM_CR, SLOW, NEEDS(NEED_LOW_REG)),
};
static const struct insn_info to_cr[8] = {
	[0] = ROW(0, MOV_TO_CR, SLOW), [2 ... 4] = ROW(0, MOV_TO_CR, SLOW, NEEDS(NEED_LOW_REG)),
};

/* ---- the opcodes --------------------------------------------------------------------------------- */

const struct insn_info insn_one[256] = {
	ALU(0x00, LOCKABLE, ARITH), ALU(0x08, LOCKABLE, LOGIC), ALU(0x10, LOCKABLE, CARRY), ALU(0x18, LOCKABLE, CARRY),
	ALU(0x20, LOCKABLE, LOGIC), ALU(0x28, LOCKABLE, ARITH), ALU(0x30, LOCKABLE, LOGIC), ALU(0x38, .flags = 0, ARITH),
	[0x06] = ROW(BAD64, PUSH_SEG, USES(STACK)), [0x07] = ROW(BAD64, POP_SEG, ENDS, USES(STACK)),
	[0x0E] = ROW(BAD64, PUSH_SEG, USES(STACK)),
	[0x16] = ROW(BAD64, PUSH_SEG, USES(STACK)), [0x17] = ROW(BAD64, POP_SEG, ENDS, USES(STACK)),
	[0x1E] = ROW(BAD64, PUSH_SEG, USES(STACK)), [0x1F] = ROW(BAD64, POP_SEG, ENDS, USES(STACK)),
	[0x27] = ROW(BAD64, DAA, USES(ACC), ADJUST), [0x2F] = ROW(BAD64, DAS, USES(ACC), ADJUST),
	[0x37] = ROW(BAD64, AAA, USES(ACC), .reads = FLAG_AF, ARITH), [0x3F] = ROW(BAD64, AAS, USES(ACC), .reads = FLAG_AF, ARITH),
	[0x40 ... 0x47] = ROW(0, INC_R, INCDEC), [0x48 ... 0x4F] = ROW(0, DEC_R, INCDEC), /* REX in 64-bit mode */
	[0x50 ... 0x57] = ROW(FORM_D64, PUSH_R, USES(STACK)), [0x58 ... 0x5F] = ROW(FORM_D64, POP_R, USES(STACK)),
	[0x60] = ROW(BAD64, PUSHA, USES(0xFF)), [0x61] = ROW(BAD64, POPA, USES(0xFF)),
	[0x62] = ROW(M | BAD64, BOUND, NEEDS(NEED_MEM), REG),
	[0x63] = BY(M, MODE64, movsxd_arpl),
	[0x68] = ROW(FORM_IZ | FORM_D64, PUSH_IMM, USES(STACK)),
	[0x69] = ROW(M | FORM_IZ, IMUL_IMM, REG, MULTIPLY),
	[0x6A] = ROW(FORM_IB | FORM_D64, PUSH_IMM, USES(STACK)),
	[0x6B] = ROW(M | FORM_IB, IMUL_IMM, REG, MULTIPLY),
	[0x6C ... 0x6D] = ROW(0, INS, SLOW, USES(TO | PORT | COUNT)),
	[0x6E ... 0x6F] = ROW(0, OUTS, SLOW, USES(FROM | PORT | COUNT)),
	[0x70 ... 0x7F] = ROW(FORM_IB | FORM_F64, JCC, ENDS, CONDITION),
	[0x80] = BY(M | FORM_IB, DIGIT, group1), [0x81] = BY(M | FORM_IZ, DIGIT, group1),
	[0x82] = BY(M | FORM_IB | BAD64, DIGIT, group1), [0x83] = BY(M | FORM_IB, DIGIT, group1),
	[0x84 ... 0x85] = ROW(M, TEST, REG, LOGIC),
	[0x86 ... 0x87] = ROW(M, XCHG, REG, LOCKABLE),
	[0x88 ... 0x89] = ROW(M, MOV_RM_R, REG), [0x8A ... 0x8B] = ROW(M, MOV_R_RM, REG),
	[0x8C] = BY(M, DIGIT, from_seg),
	[0x8D] = ROW(M, LEA, REG, NEEDS(NEED_MEM)),
	[0x8E] = BY(M, DIGIT, to_seg), [0x8F] = ROW(M | FORM_D64, POP_RM, USES(STACK)),
	[0x90] = BY(0, REX_B, nop_xchg), [0x91 ... 0x97] = ROW(0, XCHG_ACC, USES(ACC)),
	[0x98] = ROW(0, CBW, USES(ACC)), [0x99] = ROW(0, CWD, USES(PAIR)),
	[0x9A] = ROW(FORM_FAR | BAD64, CALL_FAR, ENDS, USES(STACK)),
	[0x9B] = ROW(0, WAIT),
	[0x9C] = ROW(FORM_D64, PUSHF, USES(STACK), .reads = ALL), [0x9D] = ROW(FORM_D64, POPF, ENDS, USES(STACK), ARITH),
	[0x9E] = ROW(0, SAHF, USES(ACC), .writes = ALL & ~FLAG_OF), [0x9F] = ROW(0, LAHF, USES(ACC), .reads = ALL & ~FLAG_OF),
	[0xA0 ... 0xA3] = ROW(FORM_MOFFS, MOV_MOFFS, USES(ACC)),
	[0xA4 ... 0xA5] = BY(0, PREFIX, movs), [0xA6 ... 0xA7] = BY(0, PREFIX, cmps),
	[0xA8] = ROW(FORM_IB, TEST_ACC, LOGIC, USES(ACC)), [0xA9] = ROW(FORM_IZ, TEST_ACC, LOGIC, USES(ACC)),
	[0xAA ... 0xAB] = BY(0, PREFIX, stos), [0xAC ... 0xAD] = BY(0, PREFIX, lods), [0xAE ... 0xAF] = BY(0, PREFIX, scas),
	[0xB0 ... 0xB7] = ROW(FORM_IB, MOV_R_IMM), [0xB8 ... 0xBF] = ROW(FORM_IV, MOV_R_IMM),
	[0xC0 ... 0xC1] = BY(M | FORM_UB, DIGIT, shift_imm),
	[0xC2] = ROW(FORM_IW | FORM_F64, RET, ENDS, USES(STACK)), [0xC3] = ROW(FORM_F64, RET, ENDS, USES(STACK)),
	[0xC4 ... 0xC5] = ROW(M | BAD64, LOAD_FAR, ENDS, NEEDS(NEED_MEM), REG),
	[0xC6] = BY(M | FORM_IB, DIGIT, group11), [0xC7] = BY(M | FORM_IZ, DIGIT, group11),
	[0xC8] = ROW(FORM_ENTER | FORM_D64, ENTER, USES(FRAME)), [0xC9] = ROW(FORM_D64, LEAVE, USES(FRAME)),
	[0xCA] = ROW(FORM_IW, RETF, ENDS, USES(STACK)), [0xCB] = ROW(0, RETF, ENDS, USES(STACK)),
	[0xCC] = ROW(0, INT3, ENDS), [0xCD] = ROW(FORM_UB, INT, ENDS), [0xCE] = ROW(BAD64, INTO, ENDS, .reads = FLAG_OF),
	[0xCF] = ROW(0, IRET, ENDS, USES(STACK), ARITH),
	[0xD0 ... 0xD1] = BY(M, DIGIT, shift_one), [0xD2 ... 0xD3] = BY(M, DIGIT, shift_cl),
	[0xD4] = ROW(FORM_UB | BAD64, AAM, USES(ACC), ARITH), [0xD5] = ROW(FORM_UB | BAD64, AAD, USES(ACC), ARITH),
	[0xD6] = ROW(BAD64, SALC, USES(ACC), .reads = CF), [0xD7] = ROW(0, XLAT, USES(ACC | 1 << CPU_RBX)),
	[0xD8] = BY(M, MOD, insn_x87[0]), [0xD9] = BY(M, MOD, insn_x87[1]), [0xDA] = BY(M, MOD, insn_x87[2]),
	[0xDB] = BY(M, MOD, insn_x87[3]), [0xDC] = BY(M, MOD, insn_x87[4]), [0xDD] = BY(M, MOD, insn_x87[5]),
	[0xDE] = BY(M, MOD, insn_x87[6]), [0xDF] = BY(M, MOD, insn_x87[7]),
	[0xE0 ... 0xE1] = ROW(FORM_IB | FORM_F64, LOOP, ENDS, USES(COUNT), .reads = FLAG_ZF),
	[0xE2 ... 0xE3] = ROW(FORM_IB | FORM_F64, LOOP, ENDS, USES(COUNT)),
	[0xE4 ... 0xE5] = ROW(FORM_UB, IN, SLOW, USES(ACC)), [0xE6 ... 0xE7] = ROW(FORM_UB, OUT, SLOW, USES(ACC)),
	[0xE8] = ROW(FORM_IZ | FORM_F64, CALL, ENDS, USES(STACK)), [0xE9] = ROW(FORM_IZ | FORM_F64, JMP, ENDS),
	[0xEA] = ROW(FORM_FAR | BAD64, JMP_FAR, ENDS), [0xEB] = ROW(FORM_IB | FORM_F64, JMP, ENDS),
	[0xEC ... 0xED] = ROW(0, IN, SLOW, USES(ACC | PORT)), [0xEE ... 0xEF] = ROW(0, OUT, SLOW, USES(ACC | PORT)),
	[0xF1] = ROW(0, INT1, ENDS), [0xF4] = ROW(0, HLT, SLOW),
	[0xF5] = ROW(0, CMC, .reads = CF, BIT), [0xF8] = ROW(0, CLC, BIT), [0xF9] = ROW(0, STC, BIT),
	[0xFA] = ROW(0, CLI, ENDS), [0xFB] = ROW(0, STI, ENDS), [0xFC] = ROW(0, CLD), [0xFD] = ROW(0, STD),
	[0xF6] = BY(M | FORM_GROUP3 | FORM_IB, DIGIT, group3), [0xF7] = BY(M | FORM_GROUP3 | FORM_IZ, DIGIT, group3),
	[0xFE] = BY(M, DIGIT, group4), [0xFF] = BY(M, DIGIT, group5),
};

const struct insn_info insn_0f[256] = {
	[0x00] = BY(M, DIGIT, group6), [0x01] = BY(M, DIGIT, group7),
	[0x02] = ROW(M, LAR, REG, NEEDS(NEED_PROTECTED), ZERO), [0x03] = ROW(M, LSL, REG, NEEDS(NEED_PROTECTED), ZERO),
	[0x04] = BAD, [0x05] = ROW(0, SYSCALL, ENDS), [0x06] = ROW(0, CLTS, ENDS), [0x07] = ROW(0, SYSRET, ENDS),
	[0x08 ... 0x09] = ROW(0, CACHE, ENDS), [0x0A] = BAD, [0x0B] = ROW(0, UD, ENDS), [0x0C] = BAD,
	[0x0D] = ROW(M, HINT), [0x0E ... 0x0F] = BAD,
	[0x10 ... 0x17] = SSE(M),
	[0x18] = ROW(M, HINT), [0x19 ... 0x1F] = ROW(M, NOP),
	[0x20] = BY(M | FORM_F64, DIGIT, from_cr), [0x21] = ROW(M | FORM_F64, MOV_FROM_DR, ENDS, NEEDS(NEED_LOW_REG)),
	[0x22] = BY(M | FORM_F64, DIGIT, to_cr), [0x23] = ROW(M | FORM_F64, MOV_TO_DR, ENDS, NEEDS(NEED_LOW_REG)),
	[0x24 ... 0x27] = BAD,
	[0x28 ... 0x2F] = SSE(M),
	[0x30] = ROW(0, WRMSR, SLOW, USES(MSR)), [0x31] = ROW(0, RDTSC, SLOW, USES(PAIR)),
	[0x32] = ROW(0, RDMSR, SLOW, USES(MSR)), [0x33] = ROW(0, RDPMC, ENDS, USES(MSR)),
	[0x34] = ROW(0, SYSENTER, ENDS), [0x35] = ROW(0, SYSEXIT, ENDS), [0x36] = BAD,
	[0x38 ... 0x3F] = BAD, /* 38 and 3A are maps */
	[0x40 ... 0x4F] = ROW(M, CMOV, REG, CONDITION),
	[0x50 ... 0x6F] = SSE(M), [0x70] = SSE(M | FORM_UB),
	[0x71] = BY(M | FORM_UB, PREFIX, group12), [0x72] = BY(M | FORM_UB, PREFIX, group13),
	[0x73] = BY(M | FORM_UB, PREFIX, group14), [0x74 ... 0x76] = SSE(M), [0x77] = SSE(0),
	[0x78 ... 0x79] = { .form = M }, [0x7A ... 0x7B] = BAD, [0x7C ... 0x7F] = SSE(M),
	[0x80 ... 0x8F] = ROW(FORM_IZ | FORM_F64, JCC, ENDS, CONDITION),
	[0x90 ... 0x9F] = ROW(M, SETCC, CONDITION),
	[0xA0] = ROW(FORM_D64, PUSH_SEG, USES(STACK)), [0xA1] = ROW(FORM_D64, POP_SEG, ENDS, USES(STACK)),
	[0xA2] = ROW(0, CPUID, SLOW, USES(MSR | 1 << CPU_RBX)),
	[0xA3] = ROW(M, BT_REG, REG, BIT), [0xAB] = ROW(M, BT_REG, REG, LOCKABLE, BIT),
	[0xA4] = ROW(M | FORM_UB, SHLD, REG, .reads = ALL, LOGIC), [0xA5] = ROW(M, SHLD, REG, .reads = ALL, LOGIC, USES(COUNT)),
	[0xA6 ... 0xA7] = BAD,
	[0xA8] = ROW(FORM_D64, PUSH_SEG, USES(STACK)), [0xA9] = ROW(FORM_D64, POP_SEG, ENDS, USES(STACK)),
	[0xAC] = ROW(M | FORM_UB, SHRD, REG, .reads = ALL, LOGIC), [0xAD] = ROW(M, SHRD, REG, .reads = ALL, LOGIC, USES(COUNT)),
	[0xAE] = BY(M, PREFIX, group15),
	[0xAF] = ROW(M, IMUL, REG, MULTIPLY),
	[0xB0 ... 0xB1] = ROW(M, CMPXCHG, REG, LOCKABLE, USES(ACC), ARITH),
	[0xB2] = ROW(M, LOAD_FAR, ENDS, NEEDS(NEED_MEM), REG), [0xB3] = ROW(M, BT_REG, REG, LOCKABLE, BIT),
	[0xB4 ... 0xB5] = ROW(M, LOAD_FAR, ENDS, NEEDS(NEED_MEM), REG),
	[0xB6 ... 0xB7] = ROW(M, MOVZX, REG),
	[0xB8] = BY(M, PREFIX, popcnt), [0xB9] = ROW(M, UD, ENDS),
	[0xBA] = BY(M | FORM_UB, DIGIT, group8), [0xBB] = ROW(M, BT_REG, REG, LOCKABLE, BIT),
	[0xBC] = ROW(M, BSF, REG, SCAN), [0xBD] = ROW(M, BSR, REG, SCAN),
	[0xBE ... 0xBF] = ROW(M, MOVSX, REG),
	[0xC0 ... 0xC1] = ROW(M, XADD, REG, LOCKABLE, ARITH),
	[0xC2] = SSE(M | FORM_UB), [0xC3] = SSE(M), [0xC4 ... 0xC6] = SSE(M | FORM_UB),
	[0xC7] = BY(M, DIGIT, group9),
	[0xC8 ... 0xCF] = ROW(0, BSWAP),
	[0xD0 ... 0xFE] = SSE(M), [0xFF] = ROW(M, UD, ENDS),
};
/* clang-format on */

/* Which of @row's further rows @i selects. */
static const struct insn_info *sub_row(const struct insn_info *row, const struct insn *i)
{
	switch ((enum insn_split)row->split) {
	case SPLIT_DIGIT:
		return &row->sub[i->reg & 7];
	case SPLIT_RM:
		return &row->sub[i->modrm & 7];
	case SPLIT_MOD:
		return &row->sub[i->mod == 3];
	case SPLIT_PREFIX:
		return &row->sub[insn_prefix(i)];
	case SPLIT_MODE64:
		return &row->sub[i->mode == SOFT_MODE_64];
	case SPLIT_REX_B:
		return &row->sub[i->rex & 1];
	default:
		return insn_sse(i->map, i->opcode, insn_prefix(i));
	}
}

const struct insn_info *insn_info(const struct insn *i)
{
	const struct insn_info *row;

	if (i->map > 1)
		return insn_sse(i->map, i->opcode, insn_prefix(i));
	row = i->map ? &insn_0f[i->opcode] : &insn_one[i->opcode];
	while (row->split != SPLIT_NONE)
		row = sub_row(row, i);
	return row;
}
