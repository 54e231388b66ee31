/* vmm/cpu/soft/interp/exec.h: from an instruction's bytes to its executor.
 *
 * Used by: block, translate, event.c. */
#ifndef MUSTER_VMM_CPU_SOFT_INTERP_EXEC_H
#define MUSTER_VMM_CPU_SOFT_INTERP_EXEC_H

#include "vmm/cpu/soft/soft.h"

/* Decodes the instruction at @bytes, of which @n are there, and finds its executor.
 * Returns its length (1 to 15); 0 when more bytes are needed; -1 when its form is #UD or #GP: its executor raises that. */
int insn_decode(const uint8_t *bytes, size_t n, enum soft_mode mode, struct insn *ret_insn);

/* What a look-up returns for an opcode that it owns; exec NULL: #UD. */
struct insn_row {
	soft_exec_fn *exec;
	uint8_t flags; /* INSN_* */
};
/* Integer instructions. Returns false for an opcode that it does not own. */
bool int_lookup(const struct insn *i, struct insn_row *ret_row);
/* System instructions and segment/control/IO ones (sys_*.c):
 * far CALL/JMP/RET, INT/INT3/INTO/INT1, IRET, SYSCALL/SYSRET/SYSENTER/SYSEXIT,
 * MOV Sreg, PUSH/POP Sreg, LES/LDS/LSS/LFS/LGS, MOV CR/DR, LGDT.. group 6 and 7, LAR/LSL,
 * VERR/VERW, CLTS, INVD/WBINVD, INVLPG, RDMSR/WRMSR/RDTSC/RDTSCP/RDPMC/CPUID, HLT, CLI/STI,
 * PUSHF/POPF, IN/OUT/INS/OUTS, ARPL, BOUND, SWAPGS, XGETBV.., UD0-2.
 * Returns false for an opcode that it does not own. */
bool sys_lookup(const struct insn *i, struct insn_row *ret_row);
/* x87, MMX, SSE to SSE4.2, FXSAVE/FXRSTOR, LDMXCSR/STMXCSR, EMMS, CLFLUSH, fences,
 * PREFETCH, MOVNTI, CRC32, WAIT. */
bool fpu_lookup(const struct insn *i, struct insn_row *ret_row);

#endif
