/* vmm/cpu/soft/translate/asm.h: the translator's assembler: x86-64 bytes into
 * the writable view of the code cache.
 *
 * Host registers in translated code: a guest register from RAX to R9 lies in
 * the host register of its number, RSP in R12, R12 and R13 in R10 and R11; R10,
 * R11, R14 and R15 of the guest stay in struct soft. R15 points at struct soft, RSP at the return stack, R14
 * (T1) and R13 (T2) are free.
 *
 * The caller sees to it that there is room (TRANSLATE_MAX_BYTES).
 *
 * Used by: all files of translate.   Sources: SDM vol. 2 ch. 2. */
#ifndef MUSTER_VMM_CPU_SOFT_TRANSLATE_ASM_H
#define MUSTER_VMM_CPU_SOFT_TRANSLATE_ASM_H

#include "vmm/cpu/soft/block/block.h"

enum { HOST_RAX, HOST_RCX, HOST_RSP = 4, HOST_RSI = 6, HOST_RDI = 7, HOST_GUEST_RSP = 12, HOST_T2 = 13,
       HOST_T1 = 14, HOST_S = 15, HOST_NONE = 0xFF };

/* A register, or memory. */
struct opd {
	bool is_mem;
	uint8_t reg; /* or the base */
	uint8_t index, scale; /* index HOST_RSP: none */
	int32_t disp;
};

static inline struct opd opd_reg(unsigned h)
{
	return (struct opd){ .reg = (uint8_t)h };
}

/* From HOST_S @disp is an offset in struct soft. */
static inline struct opd opd_mem(unsigned base, int32_t disp)
{
	if (base == HOST_S)
		disp -= SOFT_MIDDLE;
	return (struct opd){ .is_mem = true, .reg = (uint8_t)base, .index = HOST_RSP, .disp = disp };
}

/* A member of struct soft. */
#define OPD_S(member) opd_mem(HOST_S, (int32_t)offsetof(struct soft, member))

static inline void em8(uint8_t **p, unsigned v)
{
	*(*p)++ = (uint8_t)v;
}

static inline void em32(uint8_t **p, uint32_t v)
{
	memcpy(*p, &v, 4);
	*p += 4;
}

static inline void em64(uint8_t **p, uint64_t v)
{
	memcpy(*p, &v, 8);
	*p += 8;
}

static inline void em_modrm(uint8_t **p, unsigned reg, struct opd o)
{
	bool has_sib = o.index != HOST_RSP || (o.reg & 7) == HOST_RSP;
	bool is_short = o.disp == (int8_t)o.disp;

	reg = (reg & 7) << 3;
	if (!o.is_mem) {
		em8(p, 0xC0 | reg | (o.reg & 7u));
		return;
	}
	em8(p, (is_short ? 0x40u : 0x80u) | reg | (has_sib ? 4u : o.reg & 7u));
	if (has_sib)
		em8(p, (unsigned)o.scale << 6 | (o.index & 7u) << 3 | (o.reg & 7u));
	if (is_short)
		em8(p, (uint8_t)o.disp);
	else
		em32(p, (uint32_t)o.disp);
}

/* One instruction. @op: 0xNN, 0x0FNN, 0x0F38NN or 0x0F3ANN, a mandatory prefix in bits 24 to 31;
 * @size: 1, 2, 4, 8 (0: as 4, but byte registers may occur). */
static inline void em(uint8_t **p, unsigned size, uint32_t op, unsigned reg, struct opd o)
{
	unsigned rex = 0x40u | (size == 8 ? 8u : 0u) | (reg >> 3 & 1) << 2 | (o.is_mem ? o.index >> 3 & 1u : 0u) << 1 |
		       (o.reg >> 3 & 1u);

	if (size == 2)
		em8(p, 0x66);
	if (op >> 24)
		em8(p, op >> 24);
	if (rex != 0x40 || size < 4)
		em8(p, rex);
	op &= 0xFFFFFF;
	if (op > 0xFFFF)
		em8(p, op >> 16);
	if (op > 0xFF)
		em8(p, op >> 8 & 0xFF);
	em8(p, op & 0xFF);
	em_modrm(p, reg, o);
}

/* ---- the host's instructions ------------------------------------------------------
 * Operands in the order of the SDM: destination first. @size is the operand's, in bytes. */

/* Binary operations, in the order of their opcodes; TEST has opcodes of its own. */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP, ALU_TEST };
/* The digits of groups 2, 3 and 8. */
enum host_shift { SHIFT_ROL, SHIFT_ROR, SHIFT_RCL, SHIFT_RCR, SHIFT_SHL, SHIFT_SHR, SHIFT_SAL, SHIFT_SAR };
enum host_unary { UNARY_NOT = 2, UNARY_NEG, UNARY_MUL, UNARY_IMUL };
enum host_bit { BIT_BT = 4, BIT_BTS, BIT_BTR, BIT_BTC };
/* For em(): an opcode that the guest has too. */
enum { HOST_MAP_0F = 0x0F00, HOST_MOVSXD = 0x63 };

/* MOV of @size bytes into @dst; of fewer than 4 the rest of the register stays. */
static inline void em_mov_load(uint8_t **p, unsigned size, unsigned dst, struct opd o)
{
	em(p, size, 0x8A | (size > 1), dst, o);
}

static inline void em_mov_store(uint8_t **p, unsigned size, struct opd o, unsigned src)
{
	em(p, size, 0x88 | (size > 1), src, o);
}

static inline void em_load(uint8_t **p, unsigned dst, struct opd o)
{
	em_mov_load(p, 8, dst, o);
}

static inline void em_store(uint8_t **p, struct opd o, unsigned src)
{
	em_mov_store(p, 8, o, src);
}

/* Nothing when both are the same register. */
static inline void em_mov(uint8_t **p, unsigned dst, unsigned src)
{
	if (dst != src)
		em_load(p, dst, opd_reg(src));
}

/* MOVZX from @from bytes (1 or 2) to the whole register. */
static inline void em_movzx(uint8_t **p, unsigned dst, unsigned from, struct opd o)
{
	em(p, 0, from == 1 ? 0x0FB6 : 0x0FB7, dst, o);
}

static inline void em_lea(uint8_t **p, unsigned dst, struct opd o)
{
	em(p, 8, 0x8D, dst, o);
}

/* @op other than ALU_TEST. */
static inline void em_alu(uint8_t **p, unsigned size, enum alu op, unsigned dst, struct opd o)
{
	em(p, size, 2u | (size > 1) | (uint32_t)op << 3, dst, o);
}

/* The same with @o as the destination. */
static inline void em_alu_store(uint8_t **p, unsigned size, enum alu op, unsigned src, struct opd o)
{
	em(p, size, (size > 1) | (uint32_t)op << 3, src, o);
}

static inline void em_test(uint8_t **p, unsigned size, unsigned src, struct opd o)
{
	em(p, size, 0x84 | (size > 1), src, o);
}

static inline void em_unary(uint8_t **p, unsigned size, enum host_unary op, struct opd o)
{
	em(p, size, 0xF6 | (size > 1), op, o);
}

static inline void em_inc_dec(uint8_t **p, unsigned size, bool is_dec, struct opd o)
{
	em(p, size, 0xFE | (size > 1), is_dec, o);
}

static inline void em_shift_imm(uint8_t **p, unsigned size, enum host_shift op, struct opd o, unsigned count)
{
	em(p, size, 0xC1, op, o);
	em8(p, count);
}

/* BT, BTS, BTR and BTC by an immediate, and by register @src. */
static inline void em_bit_imm(uint8_t **p, unsigned size, enum host_bit op, struct opd o, unsigned n)
{
	em(p, size, 0x0FBA, op, o);
	em8(p, n);
}

static inline void em_bit(uint8_t **p, unsigned size, enum host_bit op, unsigned src, struct opd o)
{
	em(p, size, 0x0F83 | (uint32_t)op << 3, src, o);
}

/* @cond: enum cc_cond. */
static inline void em_setcc(uint8_t **p, unsigned cond, struct opd o)
{
	em(p, 1, 0x0F90 | cond, 0, o);
}

static inline void em_cmov(uint8_t **p, unsigned size, unsigned cond, unsigned dst, struct opd o)
{
	em(p, size, 0x0F40 | cond, dst, o);
}

static inline void em_imul(uint8_t **p, unsigned size, unsigned dst, struct opd o)
{
	em(p, size, 0x0FAF, dst, o);
}

static inline void em_imul_imm(uint8_t **p, unsigned size, unsigned dst, struct opd o, uint32_t v)
{
	em(p, size, 0x69, dst, o);
	em32(p, v);
}

static inline void em_xadd(uint8_t **p, unsigned size, unsigned src, struct opd o)
{
	em(p, size, 0x0FC1, src, o);
}

/* CMPXCHG16B when @size is 8. */
static inline void em_cmpxchg8b(uint8_t **p, unsigned size, struct opd o)
{
	em(p, size, 0x0FC7, 1, o);
}

static inline void em_bswap(uint8_t **p, unsigned size, unsigned h)
{
	em8(p, 0x40u | (size == 8 ? 8u : 0u) | h >> 3);
	em8(p, 0x0F);
	em8(p, 0xC8 | (h & 7));
}

/* CDQ, or CQO when @size is 8. */
static inline void em_cdq(uint8_t **p, unsigned size)
{
	if (size == 8)
		em8(p, 0x48);
	em8(p, 0x99);
}

/* The string instruction of one-byte @opcode, repeated as RCX says when @is_rep. */
static inline void em_string(uint8_t **p, unsigned size, bool is_rep, unsigned opcode)
{
	if (is_rep)
		em8(p, 0xF3);
	if (size == 2)
		em8(p, 0x66);
	else if (size == 8)
		em8(p, 0x48);
	em8(p, opcode);
}

static inline void em_push(uint8_t **p, unsigned h)
{
	if (h > 7)
		em8(p, 0x41);
	em8(p, 0x50 | (h & 7));
}

static inline void em_pop(uint8_t **p, unsigned h)
{
	if (h > 7)
		em8(p, 0x41);
	em8(p, 0x58 | (h & 7));
}

static inline void em_push_mem(uint8_t **p, struct opd o)
{
	em(p, 4, 0xFF, 6, o);
}

static inline void em_pushfq(uint8_t **p)
{
	em8(p, 0x9C);
}

static inline void em_popfq(uint8_t **p)
{
	em8(p, 0x9D);
}

static inline void em_ret(uint8_t **p)
{
	em8(p, 0xC3);
}

static inline void em_jump_ind(uint8_t **p, struct opd o)
{
	em(p, 4, 0xFF, 4, o);
}

static inline void em_call_ind(uint8_t **p, struct opd o)
{
	em(p, 4, 0xFF, 2, o);
}

/* MOVAPS: all 16 bytes of an XMM register. */
static inline void em_xmm_load(uint8_t **p, unsigned x, struct opd o)
{
	em(p, 4, 0x0F28, x, o);
}

static inline void em_xmm_store(uint8_t **p, struct opd o, unsigned x)
{
	em(p, 4, 0x0F29, x, o);
}

static inline void em_ldmxcsr(uint8_t **p, struct opd o)
{
	em(p, 4, 0x0FAE, 2, o);
}

static inline void em_stmxcsr(uint8_t **p, struct opd o)
{
	em(p, 4, 0x0FAE, 3, o);
}

/* MOV of an immediate. Flags stay. */
static inline void em_imm64(uint8_t **p, unsigned dst, uint64_t v)
{
	if (v <= UINT32_MAX) {
		if (dst > 7)
			em8(p, 0x41);
		em8(p, 0xB8 | (dst & 7));
		em32(p, (uint32_t)v);
		return;
	}
	em8(p, 0x48 | dst >> 3);
	em8(p, 0xB8 | (dst & 7));
	em64(p, v);
}

/* An immediate as an instruction of @size has it: at most 4 bytes. */
static inline void em_imm(uint8_t **p, unsigned size, int32_t v)
{
	unsigned n = size < 4 ? size : 4;

	memcpy(*p, &v, n);
	*p += n;
}

/* @op other than ALU_TEST. */
static inline void em_alu_imm(uint8_t **p, unsigned size, enum alu op, struct opd o, int32_t v)
{
	if (size == 1) {
		em(p, 1, 0x80, op, o);
		em8(p, (uint8_t)v);
	} else if (v == (int8_t)v) {
		em(p, size, 0x83, op, o);
		em8(p, (uint8_t)v);
	} else {
		em(p, size, 0x81, op, o);
		em_imm(p, size, v);
	}
}

static inline void em_test_imm(uint8_t **p, unsigned size, struct opd o, int32_t v)
{
	em(p, size, 0xF6 | (size > 1), 0, o);
	em_imm(p, size, v);
}

/* CMP of a dword with an immediate of 4 bytes, whatever its value. Returns where the immediate is, to be patched. */
static inline uint8_t *em_cmp_imm32(uint8_t **p, struct opd o, uint32_t v)
{
	em(p, 4, 0x81, ALU_CMP, o);
	em32(p, v);
	return *p - 4;
}

/* RORX: @dst = @src's lower half, rotated right by @by. Flags stay. Both are R8 to R15. For a host with BMI2. */
static inline void em_rorx(uint8_t **p, unsigned dst, unsigned src, unsigned by)
{
	em8(p, 0xC4);
	em8(p, 0x43);
	em8(p, 0x7B);
	em8(p, 0xF0);
	em_modrm(p, dst, opd_reg(src));
	em8(p, by);
}

/* Stores an immediate, sign-extended when @size is 8. */
static inline void em_store_imm(uint8_t **p, unsigned size, struct opd o, int32_t v)
{
	em(p, size, size == 1 ? 0xC6 : 0xC7, 0, o);
	em_imm(p, size, v);
}

/* Sign-extends @o of @size bytes to 64 bits. */
static inline void em_sx(uint8_t **p, unsigned dst, unsigned size, struct opd o)
{
	static const uint16_t ops[9] = { [1] = 0x0FBE, [2] = 0x0FBF, [4] = 0x63, [8] = 0x8B };

	/* Byte registers want a REX, which W gives. */
	em(p, 8, ops[size], dst, o);
}

/* A near jump whose target em_here() or em_jump_to() sets. @cond: enum cc_cond; COND_COUNT: always. */
static inline uint8_t *em_jump(uint8_t **p, unsigned cond)
{
	if (cond < COND_COUNT) {
		em8(p, 0x0F);
		em8(p, 0x80 | cond);
	} else {
		em8(p, 0xE9);
	}
	em32(p, 0);
	return *p - 4;
}

static inline void em_patch(uint8_t *at, const uint8_t *target)
{
	int32_t rel = (int32_t)(target - (at + 4));

	memcpy(at, &rel, 4);
}

static inline void em_jump_to(uint8_t **p, unsigned cond, const uint8_t *target)
{
	uint8_t *at = em_jump(p, cond);

	em_patch(at, target);
}

/* To what is behind, in as few bytes as it takes. */
static inline void em_jump_back(uint8_t **p, const uint8_t *target)
{
	ptrdiff_t rel = target - (*p + 2);

	if (rel < INT8_MIN) {
		em_jump_to(p, COND_COUNT, target);
		return;
	}
	em8(p, 0xEB);
	em8(p, (uint8_t)rel);
}

/* A near CALL whose target em_patch() sets. */
static inline uint8_t *em_call(uint8_t **p)
{
	em8(p, 0xE8);
	em32(p, 0);
	return *p - 4;
}

static inline void em_call_to(uint8_t **p, const uint8_t *target)
{
	em_patch(em_call(p), target);
}

#endif
