/* vmm/cpu/soft/interp/sys_flags.c: PUSHF, POPF, CLI, STI, HLT.
 *
 * There are no virtual-8086 or protected-mode virtual interrupts: what those
 * would soften is #GP here.
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 2, each instruction's page; vol. 3 §6.8.1. */
#include "vmm/cpu/soft/interp/sys.h"

static void check_v86(struct soft *s)
{
	if (s->mode == SOFT_MODE_V86 && sys_iopl(s) < 3)
		soft_gp(s, 0);
}

void sys_pushf(struct soft *s, const struct insn *i)
{
	check_v86(s);
	sys_push(s, i->opsize, soft_flags_get(s) & ~(uint32_t)(FLAG_VM | FLAG_RF));
}

void sys_popf(struct soft *s, const struct insn *i)
{
	uint32_t writable = FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;
	uint32_t old = soft_flags_get(s), v;

	check_v86(s);
	v = (uint32_t)sys_stack_peek(s, 0, i->opsize);
	if (s->cpl <= sys_iopl(s))
		writable |= FLAG_IF;
	if (s->cpl == 0)
		writable |= FLAG_IOPL;
	if (i->opsize == 2)
		writable &= 0xFFFF;
	soft_set_rsp(s, s->r[CPU_RSP] + i->opsize);
	soft_flags_set(s, (((old & ~writable) | (v & writable)) & ~(uint32_t)FLAG_RF) | 2);
	if ((old ^ v) & FLAG_AC)
		soft_mode_changed(s);
}

void sys_cli(struct soft *s, const struct insn *i)
{
	(void)i;
	if (s->mode != SOFT_MODE_REAL && s->cpl > sys_iopl(s))
		soft_gp(s, 0);
	s->rflags &= ~(uint32_t)FLAG_IF;
}

void sys_sti(struct soft *s, const struct insn *i)
{
	(void)i;
	if (s->mode != SOFT_MODE_REAL && s->cpl > sys_iopl(s))
		soft_gp(s, 0);
	if (!(s->rflags & FLAG_IF))
		s->shadow = true;
	s->rflags |= FLAG_IF;
}

void sys_hlt(struct soft *s, const struct insn *i)
{
	(void)i;
	sys_need_cpl0(s);
	s->halted = true;
}
