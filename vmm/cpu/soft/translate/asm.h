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

static inline void em_mov(uint8_t **p, unsigned dst, unsigned src)
{
	if (dst != src)
		em(p, 8, 0x8B, dst, opd_reg(src));
}

static inline void em_load(uint8_t **p, unsigned dst, struct opd o)
{
	em(p, 8, 0x8B, dst, o);
}

static inline void em_store(uint8_t **p, struct opd o, unsigned src)
{
	em(p, 8, 0x89, src, o);
}

/* Without flags. */
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

/* ALU operation @op (0 ADD to 7 CMP) with an immediate. */
static inline void em_alu_imm(uint8_t **p, unsigned size, unsigned op, struct opd o, int32_t v)
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

/* @dst = @src's lower half, rotated right by @by, without flags. Both are R8 to R15. For a host with BMI2. */
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

static inline void em_call_to(uint8_t **p, const uint8_t *target)
{
	em8(p, 0xE8);
	em32(p, 0);
	em_patch(*p - 4, target);
}

#endif
