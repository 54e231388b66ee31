/* vmm/cpu/soft/flags.c: RFLAGS as a whole, out of and into its lazy form.
 *
 * Used by: everything that pushes, pops or saves RFLAGS. */
#include "vmm/cpu/soft/flags.h"

uint32_t soft_flags_get(struct soft *s)
{
	return (s->rflags & ~(uint32_t)FLAG_ARITH) | cc_flags(s) | 2;
}

void soft_flags_set(struct soft *s, uint32_t rflags)
{
	cc_set_flags(s, rflags);
	s->rflags = (rflags & ~(uint32_t)FLAG_ARITH) | 2;
}
