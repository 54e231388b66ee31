/* vmm/cpu/soft/decode/decode.h: bytes to struct insn. */
#ifndef MUSTER_VMM_CPU_SOFT_DECODE_DECODE_H
#define MUSTER_VMM_CPU_SOFT_DECODE_DECODE_H

#include "vmm/cpu/soft/insn.h"

#include <stddef.h>

enum insn_verdict { INSN_MORE /* more bytes are needed */, INSN_OK, INSN_UD /* not defined in this mode */,
		    INSN_GP /* longer than 15 bytes */ };

/* Decodes the instruction at @bytes, of which @n are there; at most 15 are read.
 * @ret_insn: without executor; of an instruction that is #UD or #GP only len is right, at least 1. */
enum insn_verdict insn_parse(const uint8_t *bytes, size_t n, enum soft_mode mode, struct insn *ret_insn);

#endif
