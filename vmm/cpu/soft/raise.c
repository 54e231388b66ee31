/* vmm/cpu/soft/raise.c: how a fault of the running instruction ends it.
 *
 * A raise stores vector and error code in struct soft and jumps to the run loop,
 * which delivers the event (event.c).
 *
 * Used by: mmu, interp. */
#include "vmm/cpu/soft/soft.h"

#include <stdio.h>

_Noreturn void soft_raise(struct soft *s, int vector)
{
	s->exc_vector = vector;
	s->exc_error = 0;
	s->exc_has_error = false;
	s->exc_is_soft = false;
	siglongjmp(s->fault_jmp, 1);
}

_Noreturn void soft_raise_error(struct soft *s, int vector, uint32_t error)
{
	s->exc_vector = vector;
	s->exc_error = error;
	s->exc_has_error = true;
	s->exc_is_soft = false;
	siglongjmp(s->fault_jmp, 1);
}

_Noreturn void soft_unsupported(struct soft *s, const char *what)
{
	(void)snprintf(s->error, sizeof(s->error), "%s at %#llx", what, (unsigned long long)s->insn_rip);
	s->shutdown = true;
	s->exc_vector = -1;
	siglongjmp(s->fault_jmp, 1);
}
