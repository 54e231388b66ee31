/* vmm/cpu/soft/decode/insn_sse.c: the rows of the MMX and SSE opcodes, by map, opcode and mandatory prefix.
 *
 * The list of sse_rows.h becomes an array without gaps, and an index of it by opcode.
 *
 * Used by: insn_tab.c.   Sources: SDM vol. 2, appendix A. */
#include "vmm/cpu/soft/decode/insn_tab.h"

#include "vmm/cpu/soft/soft.h"

/* clang-format off */
#define AT(map, prefix, opcode, name, need, operands, mem) AT_##map##_##prefix##_##opcode,
enum sse_at { AT_NONE, SSE_ROWS(AT, AT) AT_COUNT };

enum { MAP_0F, MAP_0F38, MAP_0F3A, MAP_COUNT };
#define INDEX(map, prefix, opcode, name, need, operands, mem) \
	[MAP_##map][opcode][PREFIX_##prefix] = AT_##map##_##prefix##_##opcode,
static const uint16_t sse_index[MAP_COUNT][256][PREFIX_COUNT] = { SSE_ROWS(INDEX, INDEX) };

#define OPERANDS_NONE .sse = SSE_NONE
#define OPERANDS_FLAGS .sse = SSE_NONE, .writes = FLAG_ARITH
#define OPERANDS_STRING OPERANDS_FLAGS, .implicit = 1 << CPU_RAX | 1 << CPU_RDX | 1 << CPU_RCX /* PCMPESTRI and its like */
#define OPERANDS_MASKED .sse = SSE_NONE, .implicit = 1 << CPU_RDI /* MASKMOVDQU: to where RDI points */
#define OPERANDS_OP .sse = SSE_OP
#define OPERANDS_OP_IMM .sse = SSE_OP_IMM
#define OPERANDS_FP .sse = SSE_FP
#define OPERANDS_STORE .sse = SSE_STORE
#define OPERANDS_COMPARE .sse = SSE_COMPARE, .writes = FLAG_ARITH
#define OPERANDS_FROM_GPR .sse = SSE_FROM_GPR
#define OPERANDS_TO_GPR .sse = SSE_TO_GPR
#define OPERANDS_FP_FROM_GPR .sse = SSE_FP_FROM_GPR
#define OPERANDS_FP_TO_GPR .sse = SSE_FP_TO_GPR
#define OPERANDS_MASK_TO_GPR .sse = SSE_MASK_TO_GPR
#define MEM_0 .mem_bytes = 0
#define MEM_4 .mem_bytes = 4
#define MEM_8 .mem_bytes = 8
#define MEM_16 .mem_bytes = 16
#define MEM_16A .mem_bytes = 16, .mem_aligned = true
#define ROW(map, prefix, opcode, name, need, operands, mem) \
	[AT_##map##_##prefix##_##opcode] = { .class = CLASS_##name, .needs = NEED_##need, OPERANDS_##operands, MEM_##mem },
static const struct insn_info sse_rows[AT_COUNT] = { SSE_ROWS(ROW, ROW) };
/* clang-format on */

const struct insn_info *insn_sse(unsigned map, uint8_t opcode, enum insn_prefix prefix)
{
	return &sse_rows[sse_index[map - 1][opcode][prefix]];
}
