/* vmm/cpu/soft/interp/int_shift.c: shifts and rotates.
 *
 * The count is masked to 5 bits, 6 with 64-bit operands; a masked count of 0
 * changes no flag. OF, defined for a count of 1 only, follows the same formula
 * for every count, as Intel's processors do; AF becomes 0.
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 2, SAL/SAR/SHL/SHR,
 * RCL/RCR/ROL/ROR, SHLD, SHRD. */
#include "vmm/cpu/soft/interp/int.h"

#include "vmm/cpu/soft/interp/operand.h"

enum shift { SH_ROL, SH_ROR, SH_RCL, SH_RCR, SH_SHL, SH_SHR, SH_SAL, SH_SAR };

/* Flags of a shift: ZF, SF, PF of @r; CF; OF. */
static uint64_t shifted(struct soft *s, uint64_t r, unsigned size, bool cf, bool of)
{
	r = op_sx(r, size);
	cc_set(s, CC_MIX, r, (uint64_t)((cf ? FLAG_CF : 0) | (of ? FLAG_OF : 0)), 0);
	return r;
}

static uint64_t rotated(struct soft *s, uint64_t r, bool cf, bool of)
{
	cc_merge(s, FLAG_CF | FLAG_OF, (uint32_t)((cf ? FLAG_CF : 0) | (of ? FLAG_OF : 0)));
	return r;
}

static uint64_t rotate(struct soft *s, enum shift op, uint64_t a, unsigned count, unsigned size)
{
	unsigned bits = 8 * size, k = count % bits;
	uint64_t r = a;
	bool top, next;

	if (op == SH_ROR)
		k = (bits - k) % bits;
	if (k)
		r = op_zx(a << k | a >> (bits - k), size);
	top = r >> (bits - 1) & 1;
	next = r >> (bits - 2) & 1;
	if (op == SH_ROL)
		return rotated(s, r, r & 1, top != (r & 1));
	return rotated(s, r, top, top != next);
}

/* A rotate through carry is a rotate of bits + 1. */
static uint64_t rotate_carry(struct soft *s, enum shift op, uint64_t a, unsigned count, unsigned size)
{
	unsigned bits = 8 * size, k = count % (bits + 1);
	uint64_t r = a;
	bool cf = cc_cf(s), top;

	if (k == 0)
		return a;
	for (; k; k--) {
		if (op == SH_RCL) {
			bool out = r >> (bits - 1) & 1;

			r = op_zx(r << 1 | cf, size);
			cf = out;
		} else {
			bool out = r & 1;

			r = r >> 1 | (uint64_t)cf << (bits - 1);
			cf = out;
		}
	}
	top = r >> (bits - 1) & 1;
	return rotated(s, r, cf, op == SH_RCL ? top != cf : top != (r >> (bits - 2) & 1));
}

/* @a zero-extended, @count masked and not 0. */
static uint64_t shift(struct soft *s, enum shift op, uint64_t a, unsigned count, unsigned size)
{
	unsigned bits = 8 * size;
	uint64_t r;
	bool cf, top;

	switch (op) {
	case SH_ROL:
	case SH_ROR:
		return rotate(s, op, a, count, size);
	case SH_RCL:
	case SH_RCR:
		return rotate_carry(s, op, a, count, size);
	case SH_SHL:
	case SH_SAL:
		cf = count <= bits && (a >> (bits - count) & 1);
		r = op_zx(a << count, size);
		top = r >> (bits - 1) & 1;
		return shifted(s, r, size, cf, top != cf);
	case SH_SHR:
		cf = a >> (count - 1) & 1;
		r = a >> count;
		top = r >> (bits - 2) & 1; /* for a count of 1: the old sign */
		return shifted(s, r, size, cf, top);
	default:
		r = op_sx(a, size);
		cf = (uint64_t)((int64_t)r >> (count - 1)) & 1;
		return shifted(s, (uint64_t)((int64_t)r >> count), size, cf, false);
	}
}

static void shift_rm(struct soft *s, const struct insn *i, unsigned count)
{
	unsigned size = op_size(i);
	uint64_t lin, a;

	count &= size == 8 ? 63 : 31;
	a = op_rmw_begin(s, i, size, &lin);
	if (count)
		a = shift(s, (enum shift)(i->reg & 7), a, count, size);
	op_rmw_end(s, i, size, lin, a);
}

void int_shift_imm(struct soft *s, const struct insn *i)
{
	shift_rm(s, i, (unsigned)i->imm);
}

void int_shift_one(struct soft *s, const struct insn *i)
{
	shift_rm(s, i, 1);
}

void int_shift_cl(struct soft *s, const struct insn *i)
{
	shift_rm(s, i, (uint8_t)s->r[CPU_RCX]);
}

/* SHLD: 0F A4 (imm), A5 (CL). SHRD: AC, AD. With 16-bit operands and a count
 * above 16 the result is undefined: dst:src is then shifted round. */
static void double_shift(struct soft *s, const struct insn *i, bool left)
{
	unsigned size = i->opsize, bits = 8 * size;
	unsigned count = (uint8_t)(i->opcode & 1 ? s->r[CPU_RCX] : i->imm) & (size == 8 ? 63u : 31u);
	uint64_t lin, a = op_rmw_begin(s, i, size, &lin), b = reg_get(s, i, i->reg, size), r = a;
	bool cf;

	if (count == 0) {
		op_rmw_end(s, i, size, lin, a);
		return;
	}
	if (count > bits) {
		uint64_t swap = a;

		a = b;
		b = swap;
		count -= bits;
	}
	if (left) {
		cf = a >> (bits - count) & 1;
		r = count == bits ? b : op_zx(a << count | b >> (bits - count), size);
	} else {
		cf = a >> (count - 1) & 1;
		r = count == bits ? b : op_zx(a >> count | b << (bits - count), size);
	}
	r = shifted(s, r, size, cf, (r ^ a) >> (bits - 1) & 1);
	op_rmw_end(s, i, size, lin, r);
}

void int_shld(struct soft *s, const struct insn *i)
{
	double_shift(s, i, true);
}

void int_shrd(struct soft *s, const struct insn *i)
{
	double_shift(s, i, false);
}
