/* vmm/cpu/soft/interp/sys_int.c: instructions that raise: INT n, INT3, INTO, INT1,
 * BOUND, UD0 to UD2.
 *
 * INT n in virtual-8086 mode needs IOPL 3 (there are no mode extensions); INT3
 * and INTO do not (SDM vol. 3 §20.3.3).
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 2, INT n; vol. 3 §6.4. */
#include "vmm/cpu/soft/interp/sys.h"

void sys_int(struct soft *s, const struct insn *i)
{
	if (s->mode == SOFT_MODE_V86 && sys_iopl(s) < 3)
		soft_gp(s, 0);
	soft_event_deliver(s, (int)(i->imm & 0xFF), EVENT_SOFT_INT, false, 0);
}

void sys_int3(struct soft *s, const struct insn *i)
{
	(void)i;
	soft_event_deliver(s, EXC_BP, EVENT_SOFT_INT, false, 0);
}

void sys_into(struct soft *s, const struct insn *i)
{
	(void)i;
	if (soft_flags_get(s) & FLAG_OF)
		soft_event_deliver(s, EXC_OF, EVENT_SOFT_INT, false, 0);
}

void sys_int1(struct soft *s, const struct insn *i)
{
	(void)i;
	soft_event_deliver(s, EXC_DB, EVENT_TRAP, false, 0);
}

static int64_t signed_of(uint64_t v, unsigned size)
{
	return size == 2 ? (int16_t)v : (int32_t)v;
}

void sys_bound(struct soft *s, const struct insn *i)
{
	uint64_t lin = soft_lin_for(s, i, i->opsize * 2U, false);
	int64_t low = signed_of(mem_ld(s, lin, i->opsize), i->opsize);
	int64_t high = signed_of(mem_ld(s, lin + i->opsize, i->opsize), i->opsize);
	int64_t v = signed_of(s->r[i->reg], i->opsize);

	if (v < low || v > high)
		soft_raise(s, EXC_BR);
}

void sys_ud(struct soft *s, const struct insn *i)
{
	(void)i;
	soft_ud(s);
}
