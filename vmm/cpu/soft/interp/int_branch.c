/* vmm/cpu/soft/interp/int_branch.c: near branches.
 *
 * A target outside the code segment or not canonical is #GP(0) of the branch,
 * before anything has changed.
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 2, CALL, JMP, Jcc, LOOP, RET. */
#include "vmm/cpu/soft/interp/int.h"

#include "vmm/cpu/soft/interp/operand.h"

uint64_t op_branch_target(struct soft *s, const struct insn *i, uint64_t target)
{
	if (s->mode == SOFT_MODE_64) {
		if ((uint64_t)((int64_t)(target << 16) >> 16) != target)
			soft_gp(s, 0);
		return target;
	}
	target = i->opsize == 2 ? (uint16_t)target : (uint32_t)target;
	if (target > s->seg[CPU_CS].limit)
		soft_gp(s, 0);
	return target;
}

static uint64_t relative(struct soft *s, const struct insn *i)
{
	return op_branch_target(s, i, s->rip + i->imm);
}

void int_jmp(struct soft *s, const struct insn *i)
{
	s->rip = relative(s, i);
}

void int_jcc(struct soft *s, const struct insn *i)
{
	if (cc_test(s, i->opcode & 15))
		s->rip = relative(s, i);
}

void int_call(struct soft *s, const struct insn *i)
{
	uint64_t target = relative(s, i);

	op_push(s, i->opsize, s->rip);
	s->rip = target;
}

void int_call_rm(struct soft *s, const struct insn *i)
{
	uint64_t target = op_branch_target(s, i, rm_get(s, i, i->opsize));

	op_push(s, i->opsize, s->rip);
	s->rip = target;
}

void int_jmp_rm(struct soft *s, const struct insn *i)
{
	s->rip = op_branch_target(s, i, rm_get(s, i, i->opsize));
}

/* C2: imm bytes of parameters are dropped too. */
void int_ret(struct soft *s, const struct insn *i)
{
	uint64_t target = op_branch_target(s, i, op_peek(s, i->opsize, 0));

	op_drop(s, i->opsize + (i->opcode == 0xC2 ? i->imm : 0));
	s->rip = target;
}

/* E0 LOOPNE, E1 LOOPE, E2 LOOP, E3 JCXZ; the counter has the address size. */
void int_loop(struct soft *s, const struct insn *i)
{
	uint64_t count = op_zx(s->r[CPU_RCX], i->adsize);
	bool take;

	if (i->opcode == 0xE3) {
		take = count == 0;
	} else {
		count = op_zx(count - 1, i->adsize);
		take = count != 0;
		if (i->opcode != 0xE2)
			take = take && cc_zf(s) == (i->opcode == 0xE1);
	}
	if (take)
		s->rip = relative(s, i);
	if (i->opcode != 0xE3)
		reg_put(s, CPU_RCX, i->adsize, count);
}
