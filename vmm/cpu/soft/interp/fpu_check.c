/* vmm/cpu/soft/interp/fpu_check.c: the checks' rare outcomes, and the register stack's
 * rotation.
 *
 * s->fx.st[] is in stack order, as FXSAVE stores it: the physical register p is
 * st[(p - TOP) & 7]. An instruction that changes TOP without moving values rotates the array.
 *
 * CR0.NE clear asks for FERR# and an interrupt from outside; this processor has
 * no such pin and behaves as if IGNNE# were asserted: the exception is ignored.
 *
 * Used by: fpu_*.c.   Depends on: fpu.h.   Sources: SDM vol. 2, table 2-21; vol. 1 §8.7. */
#include "vmm/cpu/soft/interp/fpu.h"

#include "vmm/cpu/soft/interp/fpu_x87.h"

void fpu_sse_refuse(struct soft *s)
{
	if (s->cr0 & CR0_EM || !(s->cr4 & CR4_OSFXSR))
		soft_ud(s);
	soft_raise(s, EXC_NM);
}

__m128i fpu_ld128_slow(struct soft *s, uint64_t lin)
{
	__m128i v;

	mmu_ld_bytes_slow(s, lin, &v, sizeof(v));
	return v;
}

void fpu_st128_slow(struct soft *s, uint64_t lin, __m128i v)
{
	mmu_st_bytes_slow(s, lin, &v, sizeof(v));
}

void fpu_x87_refuse(struct soft *s)
{
	if (s->cr0 & CR0_EM)
		soft_ud(s);
	if (s->cr0 & CR0_TS)
		soft_raise(s, EXC_NM);
	if (s->cr0 & CR0_NE)
		soft_raise(s, EXC_MF);
}

void fpu_set_top(struct soft *s, unsigned top)
{
	unsigned old = (s->fx.fsw >> 11) & 7;
	uint8_t st[8][16];

	memcpy(st, s->fx.st, sizeof(st));
	for (unsigned p = 0; p < 8; p++)
		memcpy(s->fx.st[(p - top) & 7], st[(p - old) & 7], 16);
	s->fx.fsw = (uint16_t)((s->fx.fsw & ~(unsigned)FSW_TOP) | (top & 7) << 11);
}

void fpu_mmx_rotate(struct soft *s)
{
	fpu_set_top(s, 0);
}

void fpu_summarize(struct soft *s)
{
	s->fx.fsw = (uint16_t)(s->fx.fsw & ~(FSW_ES | FSW_B));
	if (x87_is_pending(s))
		s->fx.fsw |= FSW_ES | FSW_B;
}
