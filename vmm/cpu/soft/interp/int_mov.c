/* vmm/cpu/soft/interp/int_mov.c: moves, conversions, LEA, XCHG, SETcc, CMOVcc and the
 * instructions about single flags.
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 2. */
#include "vmm/cpu/soft/interp/int.h"

#include "vmm/cpu/soft/interp/operand.h"

/* The register in the opcode's low bits (50+r, 90+r, B0+r). */
static unsigned opcode_reg(const struct insn *i)
{
	return (i->opcode & 7u) | (i->rex & 1u) << 3;
}

void int_mov_rm_r(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);

	rm_set(s, i, size, reg_get(s, i, i->reg, size));
}

void int_mov_r_rm(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);

	reg_set(s, i, i->reg, size, rm_get(s, i, size));
}

void int_mov_rm_imm(struct soft *s, const struct insn *i)
{
	rm_set(s, i, op_size(i), i->imm);
}

/* B0+r: byte; B8+r: full. */
void int_mov_r_imm(struct soft *s, const struct insn *i)
{
	reg_set(s, i, opcode_reg(i), i->opcode & 8 ? i->opsize : 1, i->imm);
}

void int_mov_moffs(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	bool is_store = i->opcode & 2;
	uint64_t lin = soft_seg_access(s, i->seg, i->imm, size, is_store);

	if (is_store)
		mem_st(s, lin, size, s->r[CPU_RAX]);
	else
		reg_put(s, CPU_RAX, size, mem_ld(s, lin, size));
}

void int_movzx(struct soft *s, const struct insn *i)
{
	reg_set(s, i, i->reg, i->opsize, rm_get(s, i, i->opcode & 1 ? 2 : 1));
}

void int_movsx(struct soft *s, const struct insn *i)
{
	unsigned size = i->opcode & 1 ? 2 : 1;

	reg_set(s, i, i->reg, i->opsize, op_sx(rm_get(s, i, size), size));
}

void int_movsxd(struct soft *s, const struct insn *i)
{
	unsigned size = i->opsize == 2 ? 2 : 4;

	reg_set(s, i, i->reg, i->opsize, op_sx(rm_get(s, i, size), size));
}

void int_lea(struct soft *s, const struct insn *i)
{
	reg_set(s, i, i->reg, i->opsize, soft_ea(s, i));
}

void int_xchg(struct soft *s, const struct insn *i)
{
	unsigned size = op_size(i);
	uint64_t lin, a = op_rmw_begin(s, i, size, &lin);
	uint64_t b = reg_get(s, i, i->reg, size);

	op_rmw_end(s, i, size, lin, b);
	reg_set(s, i, i->reg, size, a);
}

void int_xchg_acc(struct soft *s, const struct insn *i)
{
	unsigned reg = opcode_reg(i);
	uint64_t a = s->r[CPU_RAX], b = s->r[reg];

	reg_put(s, CPU_RAX, i->opsize, b);
	reg_put(s, reg, i->opsize, a);
}

/* The source is read, and a 32-bit destination's upper half is cleared,
 * whether the condition holds or not. */
void int_cmov(struct soft *s, const struct insn *i)
{
	uint64_t v = rm_get(s, i, i->opsize);

	if (!cc_test(s, i->opcode & 15))
		v = s->r[i->reg];
	reg_set(s, i, i->reg, i->opsize, v);
}

void int_setcc(struct soft *s, const struct insn *i)
{
	rm_set(s, i, 1, cc_test(s, i->opcode & 15));
}

/* CBW, CWDE, CDQE. */
void int_cbw(struct soft *s, const struct insn *i)
{
	unsigned half = i->opsize / 2u;

	reg_put(s, CPU_RAX, i->opsize, op_sx(s->r[CPU_RAX], half));
}

/* CWD, CDQ, CQO. */
void int_cwd(struct soft *s, const struct insn *i)
{
	bool negative = (int64_t)op_sx(s->r[CPU_RAX], i->opsize) < 0;

	reg_put(s, CPU_RDX, i->opsize, negative ? UINT64_MAX : 0);
}

enum { AH_FLAGS = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF };

void int_lahf(struct soft *s, const struct insn *i)
{
	uint64_t ah = (cc_flags(s) & AH_FLAGS) | 2u;

	(void)i;
	s->r[CPU_RAX] = (s->r[CPU_RAX] & ~UINT64_C(0xFF00)) | ah << 8;
}

void int_sahf(struct soft *s, const struct insn *i)
{
	(void)i;
	cc_merge(s, AH_FLAGS, (uint32_t)(s->r[CPU_RAX] >> 8));
}

void int_cmc(struct soft *s, const struct insn *i)
{
	(void)i;
	cc_set_flags(s, cc_flags(s) ^ FLAG_CF);
}

void int_clc(struct soft *s, const struct insn *i)
{
	(void)i;
	cc_merge(s, FLAG_CF, 0);
}

void int_stc(struct soft *s, const struct insn *i)
{
	(void)i;
	cc_merge(s, FLAG_CF, FLAG_CF);
}

void int_cld(struct soft *s, const struct insn *i)
{
	(void)i;
	s->rflags &= ~(uint32_t)FLAG_DF;
}

void int_std(struct soft *s, const struct insn *i)
{
	(void)i;
	s->rflags |= FLAG_DF;
}

void int_nop(struct soft *s, const struct insn *i)
{
	(void)s;
	(void)i;
}

/* What it waits for another processor must do: the rest of this run() is that one's. */
void int_pause(struct soft *s, const struct insn *i)
{
	(void)i;
	if (s->peer == s)
		return;
	s->paused = true;
	s->reserve += s->budget;
	s->budget = 0;
}

void int_xlat(struct soft *s, const struct insn *i)
{
	uint64_t off = s->r[CPU_RBX] + (uint8_t)s->r[CPU_RAX];

	if (i->adsize < 8)
		off = op_zx(off, i->adsize);
	reg_put(s, CPU_RAX, 1, mem_ld(s, soft_seg_access(s, i->seg, off, 1, false), 1));
}

/* D6, in no manual but in every processor: AL = CF ? FF : 0. */
void int_salc(struct soft *s, const struct insn *i)
{
	(void)i;
	reg_put(s, CPU_RAX, 1, cc_cf(s) ? 0xFF : 0);
}
