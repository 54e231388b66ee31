/* vmm/cpu/soft/interp/int_mul.c: multiplication and division.
 *
 * MUL and IMUL define CF and OF only; ZF, SF and PF follow the low half, AF
 * becomes 0. A division leaves the flags as they are.
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 2, MUL, IMUL, DIV, IDIV. */
#include "vmm/cpu/soft/interp/int.h"

#include "vmm/cpu/soft/interp/operand.h"

typedef unsigned __int128 wide;
typedef __int128 swide;

static void mul_flags(struct soft *s, uint64_t low, unsigned size, bool over)
{
	cc_set(s, CC_MIX, op_sx(low, size), over ? FLAG_CF | FLAG_OF : 0, 0);
}

/* The double-width accumulator: AX, DX:AX, EDX:EAX, RDX:RAX. */
static void set_double(struct soft *s, unsigned size, uint64_t low, uint64_t high)
{
	if (size == 1) {
		reg_put(s, CPU_RAX, 2, (low & 0xFF) | high << 8);
		return;
	}
	reg_put(s, CPU_RAX, size, low);
	reg_put(s, CPU_RDX, size, high);
}

static wide get_double(const struct soft *s, unsigned size)
{
	if (size == 1)
		return s->r[CPU_RAX] & 0xFFFF;
	return (wide)op_zx(s->r[CPU_RDX], size) << (8 * size) | op_zx(s->r[CPU_RAX], size);
}

void int_mul(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	wide p = (wide)rm_get(s, i, size) * op_zx(s->r[CPU_RAX], size);
	uint64_t low = op_zx((uint64_t)p, size), high = (uint64_t)(p >> (8 * size));

	set_double(s, size, low, high);
	mul_flags(s, low, size, high != 0);
}

void int_imul(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	swide p = (swide)(int64_t)op_sx(rm_get(s, i, size), size) * (int64_t)op_sx(s->r[CPU_RAX], size);
	uint64_t low = op_zx((uint64_t)p, size), high = (uint64_t)(p >> (8 * size));

	set_double(s, size, low, high);
	mul_flags(s, low, size, p != (int64_t)op_sx(low, size));
}

/* reg = @a * @b, truncated. */
static void imul_to_reg(struct soft *s, const struct insn *i, uint64_t a, uint64_t b)
{
	unsigned size = i->opsize;
	swide p = (swide)(int64_t)op_sx(a, size) * (int64_t)op_sx(b, size);
	uint64_t low = op_sx((uint64_t)p, size);

	reg_set(s, i, i->reg, size, low);
	mul_flags(s, low, size, p != (int64_t)low);
}

void int_imul_r_rm(struct soft *s, const struct insn *i)
{
	uint64_t b = rm_get(s, i, i->opsize);

	imul_to_reg(s, i, s->r[i->reg], b);
}

void int_imul_imm(struct soft *s, const struct insn *i)
{
	imul_to_reg(s, i, rm_get(s, i, i->opsize), i->imm);
}

void int_div(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	uint64_t d = rm_get(s, i, size);
	wide n = get_double(s, size);
	uint64_t q;

	if (d == 0 || (uint64_t)(n >> (8 * size)) >= d)
		soft_raise(s, EXC_DE);
	if (n >> 64 == 0) {
		q = (uint64_t)n / d;
		set_double(s, size, q, (uint64_t)n % d);
		return;
	}
	q = (uint64_t)(n / d);
	set_double(s, size, q, (uint64_t)(n % d));
}

void int_idiv(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i), shift = size == 8 ? 0 : 128 - 16 * size;
	int64_t d = (int64_t)op_sx(rm_get(s, i, size), size);
	swide n = (swide)(get_double(s, size) << shift) >> shift;
	swide q;

	if (d == 0)
		soft_raise(s, EXC_DE);
	/* The one quotient that 128 bits cannot hold. */
	if (d == -1 && (wide)n == (wide)1 << 127)
		soft_raise(s, EXC_DE);
	q = n / d;
	if (q != (int64_t)op_sx((uint64_t)q, size))
		soft_raise(s, EXC_DE);
	set_double(s, size, (uint64_t)q, (uint64_t)(n % d));
}
