/* vmm/cpu/soft/interp/fpu_x87.h: what the x87 executors share.
 * Used by: fpu_x87.c, fpu_env.c, fpu_save.c, fpu_check.c. */
#ifndef MUSTER_VMM_CPU_SOFT_INTERP_FPU_X87_H
#define MUSTER_VMM_CPU_SOFT_INTERP_FPU_X87_H

#include "vmm/cpu/soft/interp/fpu.h"

enum { FCW_INIT = 0x37F, FCW_VALID = 0x1F3F, FCW_FIXED = 0x40 };

/* Changes TOP; the physical registers keep their values. */
void fpu_set_top(struct soft *s, unsigned top);
/* Makes ES and B agree with the flags and the masks. */
void fpu_summarize(struct soft *s);

/* #NM for every x87 instruction (SDM vol. 3 table 2-2). */
static inline void x87_check_nm(struct soft *s)
{
	if (__builtin_expect((s->cr0 & (CR0_EM | CR0_TS)) != 0, 0))
		soft_raise(s, EXC_NM);
}

/* #NM, then #MF: what a waiting instruction checks. */
static inline void x87_check(struct soft *s)
{
	x87_check_nm(s);
	if (__builtin_expect(x87_is_pending(s) && s->cr0 & CR0_NE, 0))
		soft_raise(s, EXC_MF);
}

#endif
