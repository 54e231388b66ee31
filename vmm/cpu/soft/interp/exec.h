/* vmm/cpu/soft/interp/exec.h: from an instruction's bytes to its executor.
 *
 * Used by: block, translate, event.c. */
#ifndef MUSTER_VMM_CPU_SOFT_INTERP_EXEC_H
#define MUSTER_VMM_CPU_SOFT_INTERP_EXEC_H

#include "vmm/cpu/soft/soft.h"

/* Decodes the instruction at @bytes, of which @n are there, and finds its executor.
 * Returns its length (1 to 15); 0 when more bytes are needed; -1 when its form is #UD or #GP: its executor raises that. */
int insn_decode(const uint8_t *bytes, size_t n, enum soft_mode mode, struct insn *ret_insn);

#endif
