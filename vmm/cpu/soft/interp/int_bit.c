/* vmm/cpu/soft/interp/int_bit.c: bit tests and scans, POPCNT, BSWAP.
 *
 * BT, BTS, BTR and BTC define CF; the others stay. BSF and BSR define ZF; the others
 * become 0, and with a source of 0 the destination stays as it is.
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 2. */
#include "vmm/cpu/soft/interp/int.h"

#include "vmm/cpu/soft/interp/operand.h"

enum bit_op { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

static uint64_t bit_apply(enum bit_op op, uint64_t v, uint64_t mask)
{
	switch (op) {
	case BIT_SET:
		return v | mask;
	case BIT_RESET:
		return v & ~mask;
	case BIT_COMPLEMENT:
		return v ^ mask;
	default:
		return v;
	}
}

/* @lin: of the memory operand's word that holds the bit; with mod 3 unused. */
static void bit_do(struct soft *s, const struct insn *i, enum bit_op op, uint64_t lin, unsigned bit)
{
	unsigned size = i->opsize;
	uint64_t mask = UINT64_C(1) << bit, v;

	if (i->mod == 3)
		v = reg_get(s, i, i->rm, size);
	else if (op == BIT_TEST)
		v = mem_ld(s, lin, size);
	else
		v = mem_rmw_begin(s, lin, size);
	if (op != BIT_TEST)
		op_rmw_end(s, i, size, lin, bit_apply(op, v, mask));
	cc_merge(s, FLAG_CF, v & mask ? FLAG_CF : 0);
}

/* 0F A3 BT, AB BTS, B3 BTR, BB BTC: the offset in a register reaches beyond
 * the operand, in whole words of its size (SDM vol. 2, BT). */
void int_bt_reg(struct soft *s, const struct insn *i)
{
	enum bit_op op = (enum bit_op)((i->opcode >> 3) & 3);
	unsigned size = i->opsize, bits = 8 * size;
	int64_t off = (int64_t)op_sx(s->r[i->reg], size);
	uint64_t lin = 0, ea;

	if (i->mod != 3) {
		ea = soft_ea(s, i) + (uint64_t)((off >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * (int64_t)size);
		if (i->adsize < 8)
			ea = op_zx(ea, i->adsize);
		lin = soft_seg_access(s, i->seg, ea, size, op != BIT_TEST);
	}
	bit_do(s, i, op, lin, (unsigned)off & (bits - 1));
}

/* 0F BA /4 BT, /5 BTS, /6 BTR, /7 BTC. */
void int_bt_imm(struct soft *s, const struct insn *i)
{
	enum bit_op op = (enum bit_op)(i->reg & 3);
	uint64_t lin = i->mod == 3 ? 0 : soft_lin_for(s, i, i->opsize, op != BIT_TEST);

	bit_do(s, i, op, lin, (unsigned)i->imm & (8u * i->opsize - 1));
}

void int_bsf(struct soft *s, const struct insn *i)
{
	uint64_t v = rm_get(s, i, i->opsize);

	if (v)
		reg_set(s, i, i->reg, i->opsize, (uint64_t)__builtin_ctzll(v));
	cc_set_flags(s, v ? 0 : FLAG_ZF);
}

void int_bsr(struct soft *s, const struct insn *i)
{
	uint64_t v = rm_get(s, i, i->opsize);

	if (v)
		reg_set(s, i, i->reg, i->opsize, 63 - (uint64_t)__builtin_clzll(v));
	cc_set_flags(s, v ? 0 : FLAG_ZF);
}

void int_popcnt(struct soft *s, const struct insn *i)
{
	uint64_t v = rm_get(s, i, i->opsize);

	reg_set(s, i, i->reg, i->opsize, (uint64_t)__builtin_popcountll(v));
	cc_set_flags(s, v ? 0 : FLAG_ZF);
}

/* With 16-bit operands undefined; processors clear the word. */
void int_bswap(struct soft *s, const struct insn *i)
{
	unsigned reg = (i->opcode & 7u) | (i->rex & 1u) << 3;

	if (i->opsize == 8)
		s->r[reg] = __builtin_bswap64(s->r[reg]);
	else if (i->opsize == 4)
		s->r[reg] = __builtin_bswap32((uint32_t)s->r[reg]);
	else
		reg_put(s, reg, 2, 0);
}
