/* vmm/cpu/soft/interp/sys_io.c: IN, OUT, INS, OUTS.
 *
 * A repeated one does one iteration at a time and starts again while its count
 * lasts, so interrupts, traps and faults land between iterations; each counts
 * as an instruction. INS checks that its store will not fault before it reads
 * the port, because a read may have an effect.
 *
 * Used by: exec_lookup.c.   Sources: SDM vol. 1 §18.5 (I/O permission); vol. 2, INS, OUTS. */
#include "vmm/cpu/soft/interp/sys.h"

/* Raises #GP(0) unless the bitmap of the TSS lets @size ports from @port through. */
static void check_port(struct soft *s, uint16_t port, unsigned size)
{
	uint32_t base, at;
	uint16_t bits;

	if (s->mode == SOFT_MODE_REAL || (s->mode != SOFT_MODE_V86 && s->cpl <= sys_iopl(s)))
		return;
	if (s->tr.attr & CPU_SEG_UNUSABLE || (s->tr.attr & 15) < DESC_TSS32_FREE || s->tr.limit < 103)
		soft_gp(s, 0);
	base = mmu_sys_ld16(s, s->tr.base + 0x66);
	at = base + port / 8U;
	if (at + 1 > s->tr.limit)
		soft_gp(s, 0);
	bits = mmu_sys_ld16(s, s->tr.base + at);
	if ((unsigned)bits >> port % 8 & ((1U << size) - 1))
		soft_gp(s, 0);
}

static unsigned port_size(const struct insn *i)
{
	if (!(i->opcode & 1))
		return 1;
	return i->opsize == 2 ? 2 : 4;
}

static uint16_t port_of(const struct soft *s, const struct insn *i)
{
	return i->opcode & 8 ? (uint16_t)s->r[CPU_RDX] : (uint16_t)(i->imm & 0xFF);
}

void sys_in(struct soft *s, const struct insn *i)
{
	unsigned size = port_size(i);
	uint16_t port = port_of(s, i);
	uint32_t v;

	check_port(s, port, size);
	v = s->bus->pio_read(s->bus->ctx, port, size);
	if (size == 1)
		s->r[CPU_RAX] = (s->r[CPU_RAX] & ~UINT64_C(0xFF)) | (uint8_t)v;
	else
		sys_reg_write(s, CPU_RAX, size, v);
}

void sys_out(struct soft *s, const struct insn *i)
{
	unsigned size = port_size(i);
	uint16_t port = port_of(s, i);

	check_port(s, port, size);
	s->bus->pio_write(s->bus->ctx, port, size, (uint32_t)(s->r[CPU_RAX] & sys_mask(size)));
}

static bool count_is_zero(const struct soft *s, const struct insn *i)
{
	return i->rep && !(s->r[CPU_RCX] & sys_mask(i->adsize));
}

/* Steps the index register, and the count with the instruction pointer. */
static void step(struct soft *s, const struct insn *i, unsigned reg, unsigned size)
{
	uint64_t delta = s->rflags & FLAG_DF ? -(uint64_t)size : size;

	sys_reg_write(s, reg, i->adsize, s->r[reg] + delta);
	if (!i->rep)
		return;
	sys_reg_write(s, CPU_RCX, i->adsize, s->r[CPU_RCX] - 1);
	if (!count_is_zero(s, i))
		s->rip = s->insn_rip;
}

void sys_ins(struct soft *s, const struct insn *i)
{
	unsigned size = port_size(i);
	uint16_t port = (uint16_t)s->r[CPU_RDX];
	uint64_t lin;

	if (count_is_zero(s, i))
		return;
	check_port(s, port, size);
	lin = soft_seg_access(s, CPU_ES, s->r[CPU_RDI] & sys_mask(i->adsize), size, true);
	mmu_probe_write(s, lin, size);
	mem_st(s, lin, size, s->bus->pio_read(s->bus->ctx, port, size));
	step(s, i, CPU_RDI, size);
}

void sys_outs(struct soft *s, const struct insn *i)
{
	unsigned size = port_size(i);
	uint16_t port = (uint16_t)s->r[CPU_RDX];
	uint64_t lin;

	if (count_is_zero(s, i))
		return;
	check_port(s, port, size);
	lin = soft_seg_access(s, i->seg, s->r[CPU_RSI] & sys_mask(i->adsize), size, false);
	s->bus->pio_write(s->bus->ctx, port, size, (uint32_t)mem_ld(s, lin, size));
	step(s, i, CPU_RSI, size);
}
