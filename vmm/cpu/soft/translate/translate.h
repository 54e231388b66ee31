/* vmm/cpu/soft/translate/translate.h: hot blocks as host code.
 *
 * A block that was entered TRANSLATE_THRESHOLD times gets code: the same
 * instructions on the host's registers, with the TLB check in line. Blocks,
 * chains, budget and lazy flags are the interpreter's, and every instruction keeps
 * its uop. On a TLB miss, a code page or anything rare the code exits to the uop of that
 * instruction, and the rest of the block is interpreted. So both pass through
 * the same states and may change over at any instruction.
 *
 * b->enter leads into the code from C (registers are loaded from struct soft);
 * b->code is where other translated code goes. A block without code has a
 * b->code that stores the registers and goes to b->enter.
 *
 * Code is where its page is mapped by s->page_rip, so one translation serves
 * every mapping, and only a jump to another page writes it. Traces are
 * chained (link.c).
 *
 * The cache is one memfd mapped twice, writable and executable. It is bounded
 * (TRANSLATE_CACHE_BYTES); when it is full all code is dropped at once. Its memory is released
 * when the machine has been at rest for a while (machine_run.c).
 *
 * Used by: block.c, soft_cpu.c, uop_flow.c.   Depends on: block.h. */
#ifndef MUSTER_VMM_CPU_SOFT_TRANSLATE_TRANSLATE_H
#define MUSTER_VMM_CPU_SOFT_TRANSLATE_TRANSLATE_H

#include "vmm/cpu/soft/block/block.h"

enum { TRANSLATE_THRESHOLD = 64, TRANSLATE_CACHE_BYTES = 32 << 20 };

/* Gives @c, which is empty, a translator. None when the host refuses memory that is executable, or when
 * MUSTER_SOFT in the environment is "interp". "eager" translates every block at its first entry, "traces" at its
 * second, when the blocks behind it are known; both are for tests. */
void translate_attach(struct block_cache *c);
/* Empties @s's return stack: before its first translated code, and when all code goes. */
void translate_forget_returns(struct soft *s);
/* Gives @b code when it may have some: b->enter and b->code change. */
void translate_block(struct soft *s, struct block *b);
/* uop_enter() that counts; what b->enter is while a block may become hot. */
uop_fn translate_count;

#endif
