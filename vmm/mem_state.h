/* vmm/mem_state.h: a machine's memory, out and in. */
#ifndef MUSTER_VMM_MEM_STATE_H
#define MUSTER_VMM_MEM_STATE_H

#include "vmm/mem.h"

struct state;

/* Saves or loads RAM, and those pages of persistent memory which the guest has
 * written. @pmem_fd: the file behind the latter, as mem_init_pmem() was given
 * it; -1 without. Loading, @m must be fresh: what is not in the file stays.
 * Failures are @s's to tell. */
void mem_state(struct mem *m, int pmem_fd, struct state *s);

#endif
