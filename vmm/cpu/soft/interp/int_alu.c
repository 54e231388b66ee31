/* vmm/cpu/soft/interp/int_alu.c: ADD to CMP, TEST, INC, DEC, NOT, NEG, XADD, CMPXCHG.
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 2. */
#include "vmm/cpu/soft/interp/int.h"

#include "vmm/cpu/soft/interp/operand.h"

enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

/* The result of @a op @b, sign-extended; sets the flags. */
static uint64_t alu(struct soft *s, enum alu op, uint64_t a, uint64_t b, unsigned size)
{
	uint64_t r, carry;

	a = op_sx(a, size);
	b = op_sx(b, size);
	switch (op) {
	case ALU_ADD:
	case ALU_ADC:
		carry = op == ALU_ADC && cc_cf(s);
		r = op_sx(a + b + carry, size);
		cc_set(s, carry ? CC_ADC1 : CC_ADD, r, b, a);
		return r;
	case ALU_SUB:
	case ALU_SBB:
	case ALU_CMP:
		carry = op == ALU_SBB && cc_cf(s);
		r = op_sx(a - b - carry, size);
		cc_set(s, carry ? CC_SBB1 : CC_SUB, r, b, a);
		return r;
	case ALU_OR:
		r = a | b;
		break;
	case ALU_AND:
		r = a & b;
		break;
	default:
		r = a ^ b;
		break;
	}
	cc_set_logic(s, r);
	return r;
}

/* rm = rm op @b. The flags change after the last thing that can fault. */
static void alu_rm(struct soft *s, const struct insn *i, enum alu op, uint64_t b)
{
	unsigned size = op_size(i);
	uint64_t lin, a;

	if (op == ALU_CMP) {
		(void)alu(s, op, rm_get(s, i, size), b, size);
		return;
	}
	a = op_rmw_begin(s, i, size, &lin);
	op_rmw_end(s, i, size, lin, alu(s, op, a, b, size));
}

void int_alu_rm_r(struct soft *s, const struct insn *i)
{
	alu_rm(s, i, (enum alu)(i->opcode >> 3), reg_get(s, i, i->reg, op_size(i)));
}

void int_alu_rm_imm(struct soft *s, const struct insn *i)
{
	alu_rm(s, i, (enum alu)(i->reg & 7), i->imm);
}

void int_alu_r_rm(struct soft *s, const struct insn *i)
{
	enum alu op = (enum alu)(i->opcode >> 3);
	unsigned size = op_size(i);
	uint64_t b = rm_get(s, i, size);
	uint64_t r = alu(s, op, reg_get(s, i, i->reg, size), b, size);

	if (op != ALU_CMP)
		reg_set(s, i, i->reg, size, r);
}

void int_alu_acc_imm(struct soft *s, const struct insn *i)
{
	enum alu op = (enum alu)(i->opcode >> 3);
	unsigned size = op_size(i);
	uint64_t r = alu(s, op, s->r[CPU_RAX], i->imm, size);

	if (op != ALU_CMP)
		reg_put(s, CPU_RAX, size, r);
}

void int_test_rm_r(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);

	cc_set_logic(s, op_sx(rm_get(s, i, size) & reg_get(s, i, i->reg, size), size));
}

void int_test_rm_imm(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);

	cc_set_logic(s, op_sx(rm_get(s, i, size) & i->imm, size));
}

void int_test_acc_imm(struct soft *s, const struct insn *i)
{
	cc_set_logic(s, op_sx(s->r[CPU_RAX] & i->imm, op_size(i)));
}

static uint64_t inc(struct soft *s, uint64_t a, unsigned size)
{
	a = op_sx(a, size);
	cc_set(s, CC_INC, op_sx(a + 1, size), cc_cf(s), a);
	return s->cc_dst;
}

static uint64_t dec(struct soft *s, uint64_t a, unsigned size)
{
	a = op_sx(a, size);
	cc_set(s, CC_DEC, op_sx(a - 1, size), cc_cf(s), a);
	return s->cc_dst;
}

void int_inc_rm(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	uint64_t lin, a = op_rmw_begin(s, i, size, &lin);

	op_rmw_end(s, i, size, lin, inc(s, a, size));
}

void int_dec_rm(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	uint64_t lin, a = op_rmw_begin(s, i, size, &lin);

	op_rmw_end(s, i, size, lin, dec(s, a, size));
}

void int_inc_r(struct soft *s, const struct insn *i)
{
	unsigned reg = i->opcode & 7;

	reg_put(s, reg, i->opsize, inc(s, s->r[reg], i->opsize));
}

void int_dec_r(struct soft *s, const struct insn *i)
{
	unsigned reg = i->opcode & 7;

	reg_put(s, reg, i->opsize, dec(s, s->r[reg], i->opsize));
}

void int_not(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	uint64_t lin, a = op_rmw_begin(s, i, size, &lin);

	op_rmw_end(s, i, size, lin, ~a);
}

void int_neg(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	uint64_t lin, a = op_rmw_begin(s, i, size, &lin);

	op_rmw_end(s, i, size, lin, alu(s, ALU_SUB, 0, a, size));
}

/* The register is written first, so XADD r, r of one register leaves the sum. */
void int_xadd(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	uint64_t lin, a = op_rmw_begin(s, i, size, &lin);
	uint64_t sum = alu(s, ALU_ADD, a, reg_get(s, i, i->reg, size), size);

	reg_set(s, i, i->reg, size, a);
	op_rmw_end(s, i, size, lin, sum);
}

/* The destination is written either way (SDM vol. 2, CMPXCHG). */
void int_cmpxchg(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	uint64_t lin, a = op_rmw_begin(s, i, size, &lin);
	uint64_t src = reg_get(s, i, i->reg, size);
	bool equal = op_zx(s->r[CPU_RAX], size) == a;

	(void)alu(s, ALU_CMP, s->r[CPU_RAX], a, size);
	/* Memory is written either way; a register keeps even its upper half. */
	if (equal || i->mod != 3)
		op_rmw_end(s, i, size, lin, equal ? src : a);
	if (!equal)
		reg_put(s, CPU_RAX, size, a);
}

static void cmpxchg16b(struct soft *s, const struct insn *i)
{
	uint64_t lin = soft_lin_for(s, i, 16, true);
	uint64_t old[2], v[2];
	bool equal;

	if (lin & 15)
		soft_gp(s, 0);
	mmu_probe_write(s, lin, 16);
	mmu_ld_bytes(s, lin, old, 16);
	equal = old[0] == s->r[CPU_RAX] && old[1] == s->r[CPU_RDX];
	v[0] = equal ? s->r[CPU_RBX] : old[0];
	v[1] = equal ? s->r[CPU_RCX] : old[1];
	mmu_st_bytes(s, lin, v, 16);
	if (!equal) {
		s->r[CPU_RAX] = old[0];
		s->r[CPU_RDX] = old[1];
	}
	cc_merge(s, FLAG_ZF, equal ? FLAG_ZF : 0);
}

void int_cmpxchg8b(struct soft *s, const struct insn *i)
{
	uint64_t lin, old, expected;
	bool equal;

	if (i->opsize == 8) {
		cmpxchg16b(s, i);
		return;
	}
	lin = soft_lin_for(s, i, 8, true);
	old = mem_rmw_begin(s, lin, 8);
	expected = (uint32_t)s->r[CPU_RAX] | s->r[CPU_RDX] << 32;
	equal = old == expected;
	mem_st(s, lin, 8, equal ? (uint32_t)s->r[CPU_RBX] | s->r[CPU_RCX] << 32 : old);
	if (!equal) {
		s->r[CPU_RAX] = (uint32_t)old;
		s->r[CPU_RDX] = old >> 32;
	}
	cc_merge(s, FLAG_ZF, equal ? FLAG_ZF : 0);
}
