/* vmm/cpu/soft/interp/fpu_save.c: FXSAVE, FXRSTOR, MXCSR, and what only touches caches.
 *
 * s->fx is the FXSAVE64 image, so saving is copying. Without REX.W the pointers
 * are 32 bits with a selector, which is always zero here. Outside 64-bit mode
 * only XMM0 to XMM7 take part. Bytes 464 to 511 are the program's, and so are
 * 416 to 463, which are reserved: neither is written.
 *
 * Used by: exec_lookup.c.   Depends on: fpu_x87.h.   Sources: SDM vol. 1 §10.5; vol. 2 FXSAVE. */
#include "vmm/cpu/soft/interp/fpu_x87.h"

static size_t image_bytes(const struct insn *i)
{
	return offsetof(struct cpu_fxsave, xmm) + (i->mode == SOFT_MODE_64 ? 256u : 128u);
}

/* #NM, then #GP for an address that is not on 16 bytes. */
static uint64_t image_lin(struct soft *s, const struct insn *i, bool is_write)
{
	uint64_t lin;

	x87_check_nm(s);
	lin = soft_lin_for(s, i, sizeof(struct cpu_fxsave), is_write);
	if (lin & 15)
		soft_gp(s, 0);
	return lin;
}

void fpu_fxsave(struct soft *s, const struct insn *i)
{
	uint64_t lin = image_lin(s, i, true);
	struct cpu_fxsave t = s->fx;

	t.reserved0 = 0;
	t.mxcsr_mask = MXCSR_VALID;
	t.fop &= 0x7FF;
	for (size_t k = 0; k < 8; k++)
		memset(t.st[k] + 10, 0, 6);
	if (!(i->rex & 8)) {
		t.fip = (uint32_t)t.fip;
		t.fdp = (uint32_t)t.fdp;
	}
	mmu_st_bytes(s, lin, &t, image_bytes(i));
}

void fpu_fxrstor(struct soft *s, const struct insn *i)
{
	uint64_t lin = image_lin(s, i, false);
	struct cpu_fxsave t = s->fx;

	mmu_ld_bytes(s, lin, &t, image_bytes(i));
	if (t.mxcsr & ~(uint32_t)MXCSR_VALID)
		soft_gp(s, 0);
	t.mxcsr_mask = MXCSR_VALID;
	t.reserved0 = 0;
	t.fop &= 0x7FF;
	t.fcw = (uint16_t)((t.fcw & FCW_VALID) | FCW_FIXED);
	for (size_t k = 0; k < 8; k++)
		memset(t.st[k] + 10, 0, 6);
	if (!(i->rex & 8)) {
		t.fip = (uint32_t)t.fip;
		t.fdp = (uint32_t)t.fdp;
	}
	s->fx = t;
	fpu_summarize(s);
}

void fpu_ldmxcsr(struct soft *s, const struct insn *i)
{
	uint32_t v;

	sse_enter(s);
	v = fpu_ld32(s, i);
	if (v & ~(uint32_t)MXCSR_VALID)
		soft_gp(s, 0);
	s->fx.mxcsr = v;
}

void fpu_stmxcsr(struct soft *s, const struct insn *i)
{
	sse_enter(s);
	mmu_st32(s, soft_lin_for(s, i, 4, true), s->fx.mxcsr);
}

/* Faults as a load of one byte would. SDM vol. 2, CLFLUSH. */
void fpu_clflush(struct soft *s, const struct insn *i)
{
	mmu_ld8(s, soft_lin_for(s, i, 1, false));
}

/* LFENCE, MFENCE, SFENCE: one processor that runs in order has nothing to wait
 * for; other processors' threads do, so a real fence it is. */
void fpu_fence(struct soft *s, const struct insn *i)
{
	(void)s;
	(void)i;
	atomic_thread_fence(memory_order_seq_cst);
}

/* PREFETCH and the hint NOPs never fault. */
void fpu_hint(struct soft *s, const struct insn *i)
{
	(void)s;
	(void)i;
}
