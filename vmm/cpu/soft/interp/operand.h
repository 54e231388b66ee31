/* vmm/cpu/soft/interp/operand.h: operands of integer instructions, by size.
 *
 * Values travel as uint64_t; reads zero-extend, op_sx() sign-extends. A write
 * to a 32-bit register clears its upper half, to an 8- or 16-bit one keeps the
 * rest (SDM vol. 1 §3.4.1.1). Without REX the byte registers 4 to 7 are AH,
 * CH, DH, BH.
 *
 * A read-modify-write operand is opened with op_rmw_begin(), which raises what
 * the store would raise, and closed with op_rmw_end(), which cannot fault.
 *
 * Used by: int_*.c. */
#ifndef MUSTER_VMM_CPU_SOFT_INTERP_OPERAND_H
#define MUSTER_VMM_CPU_SOFT_INTERP_OPERAND_H

#include "vmm/cpu/soft/flags.h"
#include "vmm/cpu/soft/mmu/mmu.h"
#include "vmm/cpu/soft/soft.h"

/* Sign-extends @v of @size bytes (1, 2, 4, 8). */
static inline uint64_t op_sx(uint64_t v, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (uint64_t)((int64_t)(v << shift) >> shift);
}

static inline uint64_t op_zx(uint64_t v, unsigned size)
{
	return v & (UINT64_MAX >> (64 - 8 * size));
}

/* Operand size of an opcode whose low bit tells byte from full. */
static inline unsigned op_size(const struct insn *i)
{
	return i->opcode & 1 ? i->opsize : 1;
}

static inline uint64_t reg_get(const struct soft *s, const struct insn *i, unsigned reg, unsigned size)
{
	if (size == 1 && !i->rex && reg >= 4)
		return (s->r[reg - 4] >> 8) & 0xFF;
	return op_zx(s->r[reg], size);
}

static inline void reg_set(struct soft *s, const struct insn *i, unsigned reg, unsigned size, uint64_t v)
{
	uint64_t *r = &s->r[reg];

	switch (size) {
	case 8:
		*r = v;
		return;
	case 4:
		*r = (uint32_t)v;
		return;
	case 2:
		*r = (*r & ~UINT64_C(0xFFFF)) | (uint16_t)v;
		return;
	default:
		if (!i->rex && reg >= 4) {
			r = &s->r[reg - 4];
			*r = (*r & ~UINT64_C(0xFF00)) | (uint64_t)(uint8_t)v << 8;
		} else {
			*r = (*r & ~UINT64_C(0xFF)) | (uint8_t)v;
		}
	}
}

/* Registers that no REX rule concerns: counters, pointers, the accumulator. */
static inline void reg_put(struct soft *s, unsigned reg, unsigned size, uint64_t v)
{
	if (size == 8)
		s->r[reg] = v;
	else if (size == 4)
		s->r[reg] = (uint32_t)v;
	else
		s->r[reg] = (s->r[reg] & ~(UINT64_MAX >> (64 - 8 * size))) | op_zx(v, size);
}

static inline uint64_t mem_ld(struct soft *s, uint64_t lin, unsigned size)
{
	switch (size) {
	case 1:
		return mmu_ld8(s, lin);
	case 2:
		return mmu_ld16(s, lin);
	case 4:
		return mmu_ld32(s, lin);
	default:
		return mmu_ld64(s, lin);
	}
}

static inline void mem_st(struct soft *s, uint64_t lin, unsigned size, uint64_t v)
{
	switch (size) {
	case 1:
		mmu_st8(s, lin, (uint8_t)v);
		return;
	case 2:
		mmu_st16(s, lin, (uint16_t)v);
		return;
	case 4:
		mmu_st32(s, lin, (uint32_t)v);
		return;
	default:
		mmu_st64(s, lin, v);
		return;
	}
}

static inline uint64_t rm_get(struct soft *s, const struct insn *i, unsigned size)
{
	if (i->mod == 3)
		return reg_get(s, i, i->rm, size);
	return mem_ld(s, soft_lin_for(s, i, size, false), size);
}

static inline void rm_set(struct soft *s, const struct insn *i, unsigned size, uint64_t v)
{
	if (i->mod == 3)
		reg_set(s, i, i->rm, size, v);
	else
		mem_st(s, soft_lin_for(s, i, size, true), size, v);
}

/* Opens a read-modify-write at @lin; returns its value. */
static inline uint64_t mem_rmw_begin(struct soft *s, uint64_t lin, unsigned size)
{
	if (!MMU_FAST(s->tlb[TLB_INDEX(lin)].write_tag, lin, size))
		mmu_probe_write(s, lin, size);
	return mem_ld(s, lin, size);
}

/* @ret_lin: for op_rmw_end(); 0 when the operand is a register. */
static inline uint64_t op_rmw_begin(struct soft *s, const struct insn *i, unsigned size, uint64_t *ret_lin)
{
	*ret_lin = 0;
	if (i->mod == 3)
		return reg_get(s, i, i->rm, size);
	*ret_lin = soft_lin_for(s, i, size, true);
	return mem_rmw_begin(s, *ret_lin, size);
}

static inline void op_rmw_end(struct soft *s, const struct insn *i, unsigned size, uint64_t lin, uint64_t v)
{
	if (i->mod == 3)
		reg_set(s, i, i->rm, size, v);
	else
		mem_st(s, lin, size, v);
}

/* int_stack.c. A push stores and moves the stack pointer; a pop only loads
 * what is @skip bytes above it, so that what follows may fault. */
void op_push(struct soft *s, unsigned size, uint64_t v);
uint64_t op_peek(struct soft *s, unsigned size, uint64_t skip);
/* Moves the stack pointer up by @n_bytes. */
void op_drop(struct soft *s, uint64_t n_bytes);

/* int_branch.c. Raises #GP(0) unless @target may be jumped to; returns it
 * cut to the operand size. */
uint64_t op_branch_target(struct soft *s, const struct insn *i, uint64_t target);

#endif
