/* vmm/cpu/soft/sysreg.h: the bits of control registers, EFER and descriptors.
 * Sources: SDM vol. 3 §2.5, §2.2.1, §3.4.5. */
#ifndef MUSTER_VMM_CPU_SOFT_SYSREG_H
#define MUSTER_VMM_CPU_SOFT_SYSREG_H

#include "vmm/cpu/msr.h"

#include <stdint.h>

#define CR0_PE UINT64_C(1)
#define CR0_MP UINT64_C(2)
#define CR0_EM UINT64_C(4)
#define CR0_TS UINT64_C(8)
#define CR0_ET UINT64_C(0x10)
#define CR0_NE UINT64_C(0x20)
#define CR0_WP UINT64_C(0x10000)
#define CR0_AM UINT64_C(0x40000)
#define CR0_NW UINT64_C(0x20000000)
#define CR0_CD UINT64_C(0x40000000)
#define CR0_PG UINT64_C(0x80000000)
#define CR0_DEFINED (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | \
		     CR0_NW | CR0_CD | CR0_PG)

#define CR4_VME UINT64_C(1)
#define CR4_PVI UINT64_C(2)
#define CR4_TSD UINT64_C(4)
#define CR4_DE UINT64_C(8)
#define CR4_PSE UINT64_C(0x10)
#define CR4_PAE UINT64_C(0x20)
#define CR4_MCE UINT64_C(0x40)
#define CR4_PGE UINT64_C(0x80)
#define CR4_PCE UINT64_C(0x100)
#define CR4_OSFXSR UINT64_C(0x200)
#define CR4_OSXMMEXCPT UINT64_C(0x400)
#define CR4_FSGSBASE UINT64_C(0x10000)
/* What the model offers; the rest is reserved: #GP. VME and PVI are not. */
#define CR4_OFFERED (CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | \
		     CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE)

#define EFER_SCE UINT64_C(1)
#define EFER_LME UINT64_C(0x100)
#define EFER_LMA UINT64_C(0x400)
#define EFER_NXE UINT64_C(0x800)

/* Types of system descriptors (SDM vol. 3 table 3-2). */
enum desc_type { DESC_TSS16_FREE = 1, DESC_LDT = 2, DESC_TSS16_BUSY = 3, DESC_CALL16 = 4,
		 DESC_TASK_GATE = 5, DESC_INT16 = 6, DESC_TRAP16 = 7, DESC_TSS32_FREE = 9,
		 DESC_TSS32_BUSY = 11, DESC_CALL32 = 12, DESC_INT32 = 14, DESC_TRAP32 = 15 };

static inline int lin_is_canonical(uint64_t lin)
{
	return (uint64_t)((int64_t)(lin << 16) >> 16) == lin;
}

#endif
