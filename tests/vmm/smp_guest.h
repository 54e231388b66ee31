/* tests/vmm/smp_guest.h: a bare guest that uses all its processors; see smp_guest.c. */
#ifndef MUSTER_TESTS_VMM_SMP_GUEST_H
#define MUSTER_TESTS_VMM_SMP_GUEST_H

#include "vmm/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum { SMP_GUEST_AT = 0x100000, SMP_GUEST_RESULT = 0x60000, SMP_GUEST_ROUNDS = 3000,
       SMP_GUEST_OLD = 0x11111111, SMP_GUEST_NEW = 0x22222222 };

/* What it leaves at SMP_GUEST_RESULT; arrays are by APIC ID. */
struct smp_guest_result {
	uint32_t started; /* runs of the real-mode trampoline */
	uint32_t ready;
	uint32_t under_lock; /* counted plainly under a spin lock: ROUNDS by each */
	uint32_t by_xadd; /* the same with LOCK XADD */
	uint32_t lock, go, done;
	uint32_t n_ipi, n_nmi;
	uint32_t n_self; /* IPIs to the sender alone */
	uint8_t id_seen[8];
	uint32_t stale[8]; /* read by the old mapping after another processor changed it */
	uint32_t fresh[8]; /* behind INVLPG */
	uint32_t code_before[8], code_after[8]; /* what a function returned that was then rewritten */
	uint32_t spins; /* rounds of the first processor's waits */
};

/* It as a kernel's file. The caller closes it. */
int smp_guest_kernel(void);
/* That a guest of @cpus processors, which has powered off, did all it was to do.
 * @own_tlb: nothing else can have dropped an entry of a processor's TLB meanwhile. */
void smp_guest_check(const struct mem *m, unsigned cpus, bool own_tlb);

#endif
