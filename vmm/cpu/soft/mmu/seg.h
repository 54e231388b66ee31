/* vmm/cpu/soft/mmu/seg.h: descriptors and the loading of segment registers.
 * Sources: SDM vol. 3 §3.4, §3.5, §5.4 to §5.8. */
#ifndef MUSTER_VMM_CPU_SOFT_MMU_SEG_H
#define MUSTER_VMM_CPU_SOFT_MMU_SEG_H

#include "vmm/cpu/soft/soft.h"

enum { SEG_TYPE_ACCESSED = 1, SEG_TYPE_WRITE = 2 /* data */, SEG_TYPE_READ = 2 /* code */,
       SEG_TYPE_DOWN = 4 /* data */, SEG_TYPE_CONFORMING = 4 /* code */, SEG_TYPE_CODE = 8 };

/* A descriptor as read from its table. */
struct seg_desc {
	uint64_t raw; /* the 8 bytes */
	uint64_t lin; /* where it stands */
	struct cpu_segment seg; /* as it would be loaded */
	uint8_t type, dpl;
	bool is_code_data, present;
};

static inline bool seg_is_null(uint16_t sel)
{
	return (sel & ~3) == 0;
}
/* A selector's error code: its RPL becomes 0 (SDM vol. 3 §6.13). */
static inline uint32_t seg_error(uint16_t sel)
{
	return sel & 0xFFFCU;
}
static inline unsigned seg_dpl(const struct cpu_segment *seg)
{
	return seg->attr >> 5 & 3U;
}

/* Reads the descriptor of @sel out of GDT or LDT. False: beyond the table's
 * limit, or there is no LDT. Raises page faults only. */
bool seg_desc_read(struct soft *s, uint16_t sel, struct seg_desc *ret_desc);
/* The upper half of a 16-byte system descriptor (long mode): completes the
 * base. False: beyond the limit, or its type field is not 0. */
bool seg_desc_read_high(struct soft *s, uint16_t sel, struct seg_desc *desc);
/* Sets the descriptor's A bit in memory (and in desc->seg). */
void seg_desc_set_accessed(struct soft *s, struct seg_desc *desc);

/* Is [off, off+size) within the segment's limit? */
bool seg_in_limit(const struct cpu_segment *seg, uint64_t off, size_t size);

/* Loads ES, DS, FS, GS, SS from @sel with all checks of the mode (MOV, POP, LxS).
 * Calls soft_mode_changed(). Not for CS. */
void seg_load(struct soft *s, unsigned seg, uint16_t sel);
/* As real mode and V86 do it: base from the selector. No soft_mode_changed(). */
void seg_set_real(struct soft *s, unsigned seg, uint16_t sel);
void seg_set_v86(struct soft *s, unsigned seg, uint16_t sel);
/* An unusable register that holds @sel. */
void seg_set_null(struct soft *s, unsigned seg, uint16_t sel);
/* The flat segments that SYSCALL and its kind load (SDM vol. 2, SYSCALL). */
void seg_set_flat(struct soft *s, unsigned seg, uint16_t sel, unsigned dpl, bool is_code, bool is_64);
/* Both CS and SS so, for @cpl, out of 64-bit mode into it: with all that soft_mode_changed() would find then. */
void seg_set_flat_64(struct soft *s, uint16_t cs, uint16_t ss, unsigned cpl);
/* Data segments that the new, outer privilege @cpl may not see become null, and null ones get
 * selector 0. The hidden base stays (SDM vol. 2, IRET: only the selector is written). */
void seg_drop_privileged(struct soft *s, unsigned cpl);

/* Checks @sel as the stack segment for privilege @cpl; raises @vector (#GP, #TS) with the
 * selector, or #SS when not present. @ext is or'ed into error codes. */
void seg_check_stack(struct soft *s, uint16_t sel, unsigned cpl, int vector, uint32_t ext,
		     struct seg_desc *ret_desc);

/* The TSS's stack of privilege @dpl; raises #TS. */
void seg_tss_stack(struct soft *s, unsigned dpl, uint32_t ext, uint16_t *ret_ss, uint64_t *ret_rsp);

#endif
