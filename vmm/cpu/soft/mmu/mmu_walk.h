/* vmm/cpu/soft/mmu/mmu_walk.h: the page-table walk, apart from the TLB it fills. */
#ifndef MUSTER_VMM_CPU_SOFT_MMU_MMU_WALK_H
#define MUSTER_VMM_CPU_SOFT_MMU_MMU_WALK_H

#include "vmm/cpu/soft/soft.h"

enum mmu_access { MMU_READ = 0, MMU_WRITE = 1, MMU_FETCH = 2, MMU_SYSTEM = 4 /* at CPL 0 whatever the CPL */,
		  MMU_PEEK = 8 /* A and D stay as they are */ };

/* What is physically addressable: CPUID 80000008h says the same. */
enum { MMU_PHYS_BITS = 40 };

/* Page-table entry bits (SDM vol. 3 tables 4-14 to 4-20). */
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80, PTE_G = 0x100 };
#define PTE_NX (UINT64_C(1) << 63)

/* Page-fault error code (SDM vol. 3 §4.7). */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_FETCH = 16 };

struct mmu_walk {
	uint64_t phys; /* of the 4 KiB page */
	uint8_t page_shift; /* of the guest's page: 12, 21, 22, 30 */
	bool writable, user, nx, global; /* the rights of all levels together */
	bool dirty; /* D is set, or there is no paging */
};

/* Translates the canonical @lin for @access (enum mmu_access) at privilege
 * @user, setting A and D where the access may be made.
 * Returns 0, or -1 with the page fault's error code in *@ret_error. */
int mmu_walk(struct soft *s, uint64_t lin, unsigned access, bool user, struct mmu_walk *ret_walk,
	     uint32_t *ret_error);

/* Are the four PDPTEs at @cr3 such as MOV CR3 accepts under PAE paging?
 * SDM vol. 3 §4.4.1: reserved bits in a present one are #GP(0). */
bool mmu_pdptes_valid(struct soft *s, uint64_t cr3);

#endif
