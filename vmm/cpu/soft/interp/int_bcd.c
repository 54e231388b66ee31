/* vmm/cpu/soft/interp/int_bcd.c: decimal adjustment. Not in 64-bit mode.
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 2, DAA, DAS, AAA, AAS, AAM, AAD. */
#include "vmm/cpu/soft/interp/int.h"

#include "vmm/cpu/soft/interp/operand.h"

static void set_al(struct soft *s, unsigned al, bool cf, bool af)
{
	reg_put(s, CPU_RAX, 1, al);
	cc_set(s, CC_MIX, op_sx(al, 1), (uint64_t)((cf ? FLAG_CF : 0) | (af ? FLAG_AF : 0)), 0);
}

void int_daa(struct soft *s, const struct insn *i)
{
	unsigned al = (uint8_t)s->r[CPU_RAX], old = al;
	bool old_cf = cc_cf(s), cf = false, af = (al & 15) > 9 || cc_af(s);

	(void)i;
	if (af) {
		cf = old_cf || al + 6 > 0xFF;
		al = (al + 6) & 0xFF;
	}
	if (old > 0x99 || old_cf) {
		al = (al + 0x60) & 0xFF;
		cf = true;
	} else {
		cf = false;
	}
	set_al(s, al, cf, af);
}

void int_das(struct soft *s, const struct insn *i)
{
	unsigned al = (uint8_t)s->r[CPU_RAX], old = al;
	bool old_cf = cc_cf(s), cf = false, af = (al & 15) > 9 || cc_af(s);

	(void)i;
	if (af) {
		cf = old_cf || al < 6;
		al = (al - 6) & 0xFF;
	}
	if (old > 0x99 || old_cf) {
		al = (al - 0x60) & 0xFF;
		cf = true;
	}
	set_al(s, al, cf, af);
}

/* AAA and AAS: @delta is what AX changes by when a digit carries. */
static void ascii_adjust(struct soft *s, unsigned delta)
{
	unsigned ax = (uint16_t)s->r[CPU_RAX];
	bool carry = (ax & 15) > 9 || cc_af(s);

	if (carry)
		ax += delta;
	ax &= 0xFF0F;
	reg_put(s, CPU_RAX, 2, ax);
	cc_set(s, CC_MIX, op_sx(ax, 1), carry ? FLAG_CF | FLAG_AF : 0, 0);
}

void int_aaa(struct soft *s, const struct insn *i)
{
	(void)i;
	ascii_adjust(s, 0x106);
}

void int_aas(struct soft *s, const struct insn *i)
{
	(void)i;
	ascii_adjust(s, (unsigned)-0x106);
}

void int_aam(struct soft *s, const struct insn *i)
{
	unsigned al = (uint8_t)s->r[CPU_RAX], base = (uint8_t)i->imm;

	if (base == 0)
		soft_raise(s, EXC_DE);
	/* cppcheck-suppress zerodivcond ; soft_raise() does not return */
	reg_put(s, CPU_RAX, 2, (al / base) << 8 | al % base);
	/* cppcheck-suppress zerodivcond ; as above */
	cc_set_logic(s, op_sx(al % base, 1));
}

void int_aad(struct soft *s, const struct insn *i)
{
	unsigned ax = (uint16_t)s->r[CPU_RAX];
	unsigned al = ((ax & 0xFF) + (ax >> 8) * (unsigned)(uint8_t)i->imm) & 0xFF;

	reg_put(s, CPU_RAX, 2, al);
	cc_set_logic(s, op_sx(al, 1));
}
