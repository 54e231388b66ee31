/* vmm/cpu/soft/interp/int_stack.c: PUSH, POP, PUSHA, POPA, ENTER, LEAVE.
 *
 * The stack pointer's width is the stack segment's (s->stack_size), what is
 * pushed has the operand size. A push moves the pointer after the store, so a
 * fault leaves it.
 *
 * Used by: exec_lookup.c, int_branch.c, sys_*.c.
 * Sources: SDM vol. 1 §6.2; vol. 2, ENTER. */
#include "vmm/cpu/soft/interp/int.h"

#include "vmm/cpu/soft/interp/operand.h"

void op_push(struct soft *s, unsigned size, uint64_t v)
{
	uint64_t sp = (s->r[CPU_RSP] - size) & soft_stack_mask(s);

	mem_st(s, soft_seg_access(s, CPU_SS, sp, size, true), size, v);
	soft_set_rsp(s, sp);
}

uint64_t op_peek(struct soft *s, unsigned size, uint64_t skip)
{
	uint64_t sp = (s->r[CPU_RSP] + skip) & soft_stack_mask(s);

	return mem_ld(s, soft_seg_access(s, CPU_SS, sp, size, false), size);
}

void op_drop(struct soft *s, uint64_t n_bytes)
{
	soft_set_rsp(s, s->r[CPU_RSP] + n_bytes);
}

static unsigned opcode_reg(const struct insn *i)
{
	return (i->opcode & 7u) | (i->rex & 1u) << 3;
}

void int_push_r(struct soft *s, const struct insn *i)
{
	op_push(s, i->opsize, s->r[opcode_reg(i)]);
}

void int_pop_r(struct soft *s, const struct insn *i)
{
	uint64_t v = op_peek(s, i->opsize, 0);

	op_drop(s, i->opsize);
	reg_put(s, opcode_reg(i), i->opsize, v);
}

void int_push_imm(struct soft *s, const struct insn *i)
{
	op_push(s, i->opsize, i->imm);
}

void int_push_rm(struct soft *s, const struct insn *i)
{
	op_push(s, i->opsize, rm_get(s, i, i->opsize));
}

/* An address that counts from RSP counts from the popped one (SDM vol. 2, POP). */
void int_pop_rm(struct soft *s, const struct insn *i)
{
	uint64_t v = op_peek(s, i->opsize, 0), old = s->r[CPU_RSP], lin;

	if (i->mod == 3) {
		op_drop(s, i->opsize);
		reg_put(s, i->rm, i->opsize, v);
		return;
	}
	if (i->base == CPU_RSP) {
		struct insn moved = *i;

		moved.disp += i->opsize;
		lin = soft_lin_for(s, &moved, i->opsize, true);
	} else {
		lin = soft_lin_for(s, i, i->opsize, true);
	}
	mem_st(s, lin, i->opsize, v);
	s->r[CPU_RSP] = old;
	op_drop(s, i->opsize);
}

/* All eight are stored or none: the lowest address is tried first. */
void int_pusha(struct soft *s, const struct insn *i)
{
	unsigned size = i->opsize;
	uint64_t sp = s->r[CPU_RSP], old = sp;

	for (unsigned k = 1; k <= 8; k++) {
		uint64_t at = (sp - (uint64_t)k * size) & soft_stack_mask(s);

		mmu_probe_write(s, soft_seg_access(s, CPU_SS, at, size, true), size);
	}
	for (unsigned reg = CPU_RAX; reg <= CPU_RDI; reg++)
		op_push(s, size, reg == CPU_RSP ? old : s->r[reg]);
}

void int_popa(struct soft *s, const struct insn *i)
{
	uint64_t v[8];

	for (unsigned k = 0; k < 8; k++)
		v[k] = op_peek(s, i->opsize, (uint64_t)k * i->opsize);
	op_drop(s, 8u * i->opsize);
	for (unsigned k = 0; k < 8; k++) {
		if (7 - k != CPU_RSP)
			reg_put(s, 7 - k, i->opsize, v[k]);
	}
}

/* The frame's address is all of ESP, also where the stack's pointer is SP alone: EBP gets its upper half. */
void int_enter(struct soft *s, const struct insn *i)
{
	unsigned size = i->opsize, level = i->imm2 & 31;
	uint64_t mask = soft_stack_mask(s), sp = s->r[CPU_RSP], bp = s->r[CPU_RBP], frame, at;

	sp = (sp - size) & mask;
	mem_st(s, soft_seg_access(s, CPU_SS, sp, size, true), size, bp);
	frame = (s->r[CPU_RSP] & ~mask) | sp;
	for (unsigned k = 1; k < level; k++) {
		bp = (bp - size) & mask;
		at = mem_ld(s, soft_seg_access(s, CPU_SS, bp, size, false), size);
		sp = (sp - size) & mask;
		mem_st(s, soft_seg_access(s, CPU_SS, sp, size, true), size, at);
	}
	if (level) {
		sp = (sp - size) & mask;
		mem_st(s, soft_seg_access(s, CPU_SS, sp, size, true), size, frame);
	}
	sp = (sp - i->imm) & mask;
	/* The new top of the stack must be writable (SDM vol. 2, ENTER). */
	mmu_probe_write(s, soft_seg_access(s, CPU_SS, sp, size, true), size);
	reg_put(s, CPU_RBP, size, frame);
	soft_set_rsp(s, sp);
}

void int_leave(struct soft *s, const struct insn *i)
{
	uint64_t sp = s->r[CPU_RBP] & soft_stack_mask(s);
	uint64_t v = mem_ld(s, soft_seg_access(s, CPU_SS, sp, i->opsize, false), i->opsize);

	soft_set_rsp(s, sp + i->opsize);
	reg_put(s, CPU_RBP, i->opsize, v);
}
