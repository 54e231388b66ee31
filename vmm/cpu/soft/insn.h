/* vmm/cpu/soft/insn.h: the decoded form of an instruction.
 *
 * decode fills it from bytes, interp adds the executor, and all that executes or
 * translates reads it.
 *
 * Used by: everything in vmm/cpu/soft. */
#ifndef MUSTER_VMM_CPU_SOFT_INSN_H
#define MUSTER_VMM_CPU_SOFT_INSN_H

#include <stdbool.h>
#include <stdint.h>

/* Operating mode of the code segment; part of a block's key. */
enum soft_mode { SOFT_MODE_REAL, SOFT_MODE_P16, SOFT_MODE_P32, SOFT_MODE_C16 /* compat 16 */,
		 SOFT_MODE_C32, SOFT_MODE_64, SOFT_MODE_V86, SOFT_MODE_COUNT };

/* The decoded form of one instruction: what executors read. */
enum { INSN_NO_SEG = 0xFF, INSN_REG_NONE = 16 /* index of the register that is always 0 */,
       INSN_REG_RIP = 17 };
struct soft;
struct insn;
typedef void soft_exec_fn(struct soft *s, const struct insn *i);

struct insn {
	soft_exec_fn *exec; /* set by insn_decode(); NULL before */
	uint64_t imm; /* immediate, sign-extended as the opcode says; branch displacement; moffs */
	int64_t disp; /* displacement, sign-extended; RIP-relative: base is INSN_REG_RIP */
	uint16_t imm2; /* ENTER's second, far pointer's selector */
	uint8_t len; /* bytes, 1 to 15 */
	uint8_t map; /* 0 one-byte, 1 0F, 2 0F38, 3 0F3A */
	uint8_t opcode; /* last opcode byte */
	uint8_t modrm; /* 0 unless has_modrm */
	uint8_t mod, reg, rm; /* reg and rm with REX.R/REX.B applied; reg3 = reg & 7 is the /digit */
	uint8_t base, index, scale; /* memory operand; INSN_REG_NONE where absent; scale is a shift */
	uint8_t seg; /* enum cpu_seg of the memory operand: default or override */
	uint8_t opsize; /* 2, 4, 8: operand size after prefixes (byte forms: see opcode) */
	uint8_t adsize; /* 2, 4, 8 */
	uint8_t rep; /* 0, 0xF2, 0xF3: the last of them */
	uint8_t prefix66; /* 0x66 seen (mandatory-prefix selection) */
	uint8_t lock; /* F0 seen */
	uint8_t rex; /* REX byte or 0: with it, byte registers 4-7 are SPL.. */
	uint8_t has_modrm;
	uint8_t mode; /* enum soft_mode it was decoded in */
	uint8_t flags; /* INSN_* */
};
/* INSN_END: the block ends behind it. INSN_LOCK_OK: LOCK is legal with a memory
 * destination (else #UD). INSN_SLOW_TIME: reads the clock or devices. */
enum { INSN_END = 1, INSN_LOCK_OK = 2, INSN_SLOW_TIME = 4 };

#endif
