/* vmm/cpu/soft/block/uop_alu.h: the arithmetic of the ALU uops, shared by those on
 * registers (uop_alu_reg.c) and those with memory (uop_alu_mem.c).
 *
 * ALU_op(n, a, b): declares r_, sign-extended from n bytes, and sets the flags. */
#ifndef MUSTER_VMM_CPU_SOFT_BLOCK_UOP_ALU_H
#define MUSTER_VMM_CPU_SOFT_BLOCK_UOP_ALU_H

#include "vmm/cpu/soft/block/uop.h"

#define ALU_SX_1(v) ((uint64_t)(int8_t)(v))
#define ALU_SX_2(v) ((uint64_t)(int16_t)(v))
#define ALU_SX_4(v) ((uint64_t)(int32_t)(v))
#define ALU_SX_8(v) ((uint64_t)(v))

#define ALU_ADD(n, a, b)                                                       \
	uint64_t r_ = ALU_SX_##n((a) + (b));                                   \
	cc_set(s, CC_ADD, r_, (b), (a))
#define ALU_SUB(n, a, b)                                                       \
	uint64_t r_ = ALU_SX_##n((a) - (b));                                   \
	cc_set(s, CC_SUB, r_, (b), (a))
#define ALU_CMP ALU_SUB
#define ALU_ADC(n, a, b)                                                       \
	uint64_t c_ = cc_cf(s);                                                \
	uint64_t r_ = ALU_SX_##n((a) + (b) + c_);                              \
	cc_set(s, c_ ? CC_ADC1 : CC_ADD, r_, (b), (a))
#define ALU_SBB(n, a, b)                                                       \
	uint64_t c_ = cc_cf(s);                                                \
	uint64_t r_ = ALU_SX_##n((a) - (b) - c_);                              \
	cc_set(s, c_ ? CC_SBB1 : CC_SUB, r_, (b), (a))
#define ALU_AND(n, a, b)                                                       \
	uint64_t r_ = (a) & (b);                                               \
	cc_set_logic(s, r_)
#define ALU_TEST ALU_AND
#define ALU_OR(n, a, b)                                                        \
	uint64_t r_ = (a) | (b);                                               \
	cc_set_logic(s, r_)
#define ALU_XOR(n, a, b)                                                       \
	uint64_t r_ = (a) ^ (b);                                               \
	cc_set_logic(s, r_)

/* Does the result go back? */
#define ALU_WB_ADD 1
#define ALU_WB_OR 1
#define ALU_WB_ADC 1
#define ALU_WB_SBB 1
#define ALU_WB_AND 1
#define ALU_WB_SUB 1
#define ALU_WB_XOR 1
#define ALU_WB_CMP 0
#define ALU_WB_TEST 0

#define ALU_EACH_OP(f)                                                         \
	f(ADD) f(OR) f(ADC) f(SBB) f(AND) f(SUB) f(XOR) f(CMP) f(TEST)
/* The rows of a table by operation. */
#define ALU_TABLE(f)                                                           \
	{                                                                      \
		f(ADD), f(OR), f(ADC), f(SBB), f(AND), f(SUB), f(XOR), f(CMP), f(TEST) \
	}

#endif
