/* vmm/cpu/soft/mmu/mmu_walk.c: linear to physical through the guest's page tables.
 *
 * One loop serves 32-bit, PAE and 4-level paging: a `struct paging` says how
 * many levels there are, how wide an entry is and which bits are reserved.
 * Rights are gathered on the way down; A and D are written only when the access
 * is allowed. Tables outside of RAM read as all ones, which is a reserved-bit
 * fault. PAE's four top entries are read from memory on each walk, as AMD's
 * processors do and Intel's manual allows software to assume nothing about.
 *
 * A table page may hold decoded code too; then the A or D bit that we set is a
 * store into code like any other.
 *
 * Used by: mmu.h, sys_cr.c.   Sources: SDM vol. 3 §4.2 to §4.8. */
#include "vmm/cpu/soft/mmu/mmu_walk.h"

#include "vmm/cpu/soft/sysreg.h"

#include <string.h>

struct paging {
	unsigned levels; /* 2, 3, 4 */
	unsigned index_bits; /* of a level: 10 or 9 */
	unsigned entry_size; /* 4 or 8 */
	bool pse; /* a level-2 (level-3) entry may map a page */
	uint64_t reserved; /* in every present entry */
};

static uint64_t phys_mask(void)
{
	return ((UINT64_C(1) << MMU_PHYS_BITS) - 1) & ~UINT64_C(0xFFF);
}

static struct paging paging_of(const struct soft *s)
{
	uint64_t nx = s->efer & EFER_NXE ? 0 : PTE_NX;
	uint64_t high = ~((UINT64_C(1) << MMU_PHYS_BITS) - 1);

	if (!(s->cr4 & CR4_PAE))
		return (struct paging){ .levels = 2, .index_bits = 10, .entry_size = 4,
					.pse = s->cr4 & CR4_PSE };
	if (!(s->efer & EFER_LMA)) /* bits 52 to 62 are reserved too: §4.4.2 */
		return (struct paging){ .levels = 3, .index_bits = 9, .entry_size = 8, .pse = true,
					.reserved = (high & ~PTE_NX) | nx };
	return (struct paging){ .levels = 4, .index_bits = 9, .entry_size = 8, .pse = true,
				.reserved = (high & ((UINT64_C(1) << 52) - 1)) | nx };
}

static uint64_t entry_read(struct soft *s, uint64_t gpa, unsigned size)
{
	const uint8_t *p = mem_ptr(s->mem, gpa, size);
	uint64_t v = 0;

	if (!p)
		return UINT64_MAX;
	memcpy(&v, p, size);
	return v;
}

/* Sets @bits in the entry at @gpa as one atomic access, as the hardware does. */
static void entry_set(struct soft *s, uint64_t gpa, uint64_t bits)
{
	uint8_t *p = mem_ptr(s->mem, gpa, 1);
	uint64_t page;

	if (!p)
		return;
	page = (uint64_t)(p - s->mem->host) >> MEM_PAGE_SHIFT;
	if (s->mem->code_bits[page / 8] & (1U << page % 8))
		s->code_written(s, gpa, 1);
	__atomic_fetch_or(p, (uint8_t)bits, __ATOMIC_SEQ_CST); /* A and D are in the low byte */
}

/* The bits of an entry that maps a page of 2^@shift bytes which must be 0. */
static uint64_t large_reserved(const struct paging *pg, unsigned shift)
{
	if (pg->entry_size == 4) /* PSE-36: bits 13-20 are address bits 32-39; bit 21 is reserved */
		return UINT64_C(1) << 21;
	return ((UINT64_C(1) << shift) - 1) & ~UINT64_C(0x1FFF);
}

static uint64_t large_base(const struct paging *pg, uint64_t entry, unsigned shift)
{
	uint64_t base;

	if (pg->entry_size == 4)
		base = (entry & 0xFFC00000) | ((entry >> 13 & 0xFF) << 32);
	else
		base = entry & phys_mask();
	return base & ~((UINT64_C(1) << shift) - 1);
}

/* Has @entry at @level (1 is the last) a reserved bit set? */
static bool entry_reserved(const struct paging *pg, uint64_t entry, unsigned level, unsigned shift)
{
	uint64_t bad = pg->reserved;

	if (pg->levels == 3 && level == 3) /* a PDPTE: SDM vol. 3 table 4-8 */
		return entry & (pg->reserved | PTE_NX | 0x1E6);
	if (level == 4)
		bad |= PTE_PS;
	else if (level > 1 && pg->pse && entry & PTE_PS)
		bad |= large_reserved(pg, shift);
	return entry & bad;
}

static bool access_denied(const struct soft *s, const struct mmu_walk *w, unsigned access, bool user)
{
	if (user && !w->user)
		return true;
	if (access & MMU_WRITE && !w->writable && (user || s->cr0 & CR0_WP))
		return true;
	return access & MMU_FETCH && w->nx;
}

struct entry_at {
	uint64_t gpa;
	uint64_t value;
};

/* Goes down the tables; gathers rights and the entries that were used.
 * Returns the number of entries, or -1 with PF_P or PF_RSVD in *@ret_error. */
static int walk_down(struct soft *s, const struct paging *pg, uint64_t lin, struct mmu_walk *w,
		     struct entry_at used[static 4], uint32_t *ret_error)
{
	uint64_t table = pg->levels == 3 ? s->cr3 & 0xFFFFFFE0 : s->cr3 & phys_mask();
	int n = 0;

	for (unsigned level = pg->levels; level >= 1; level--) {
		unsigned shift = MEM_PAGE_SHIFT + (level - 1) * pg->index_bits;
		uint64_t index = lin >> shift & ((UINT64_C(1) << pg->index_bits) - 1);
		bool is_pdpte = pg->levels == 3 && level == 3;
		struct entry_at *e = &used[n++];

		if (is_pdpte)
			index &= 3;
		e->gpa = table + index * pg->entry_size;
		e->value = entry_read(s, e->gpa, pg->entry_size);
		if (!(e->value & PTE_P)) {
			*ret_error = 0;
			return -1;
		}
		if (entry_reserved(pg, e->value, level, shift)) {
			*ret_error = PF_P | PF_RSVD;
			return -1;
		}
		if (is_pdpte) { /* carries no rights and no A bit */
			table = e->value & phys_mask();
			n--;
			continue;
		}
		w->writable &= (e->value & PTE_W) != 0;
		w->user &= (e->value & PTE_U) != 0;
		w->nx |= (e->value & PTE_NX) != 0 && pg->entry_size == 8;
		if (level == 1 || (level < 4 && pg->pse && e->value & PTE_PS)) {
			w->page_shift = (uint8_t)shift;
			w->global = e->value & PTE_G && s->cr4 & CR4_PGE;
			w->dirty = e->value & PTE_D;
			w->phys = level == 1 ? e->value & phys_mask()
					     : large_base(pg, e->value, shift) |
						       (lin & ((UINT64_C(1) << shift) - 1) & phys_mask());
			return n;
		}
		table = e->value & phys_mask();
	}
	return -1;
}

int mmu_walk(struct soft *s, uint64_t lin, unsigned access, bool user, struct mmu_walk *ret_walk,
	     uint32_t *ret_error)
{
	struct mmu_walk w = { .writable = true, .user = true };
	struct entry_at used[4];
	struct paging pg;
	uint32_t error = 0;
	int n;

	if (!(s->cr0 & CR0_PG)) {
		w.phys = lin & UINT64_C(0xFFFFF000);
		w.page_shift = MEM_PAGE_SHIFT;
		w.dirty = true;
		*ret_walk = w;
		return 0;
	}
	pg = paging_of(s);
	if (pg.levels != 4)
		lin = (uint32_t)lin;
	n = walk_down(s, &pg, lin, &w, used, &error);
	if (n >= 0 && access_denied(s, &w, access, user)) {
		error = PF_P;
		n = -1;
	}
	if (n < 0) {
		error |= access & MMU_WRITE ? PF_W : 0;
		error |= user ? PF_U : 0;
		if (access & MMU_FETCH && s->cr4 & CR4_PAE && s->efer & EFER_NXE)
			error |= PF_FETCH;
		*ret_error = error;
		return -1;
	}
	for (int k = 0; k < n && !(access & MMU_PEEK); k++) {
		uint64_t want = PTE_A | (k == n - 1 && access & MMU_WRITE ? PTE_D : 0);

		if ((used[k].value & want) != want)
			entry_set(s, used[k].gpa, want);
	}
	w.dirty |= (access & MMU_WRITE) != 0;
	*ret_walk = w;
	return 0;
}

bool mmu_pdptes_valid(struct soft *s, uint64_t cr3)
{
	struct paging pg = { .levels = 3, .index_bits = 9, .entry_size = 8,
			     .reserved = ~((UINT64_C(1) << MMU_PHYS_BITS) - 1) };

	for (unsigned k = 0; k < 4; k++) {
		uint64_t e = entry_read(s, (cr3 & 0xFFFFFFE0) + k * 8, 8);

		if (e & PTE_P && entry_reserved(&pg, e, 3, 30))
			return false;
	}
	return true;
}
