/* vmm/cpu/soft/mmu/mmu.h: how the soft engine's executors reach memory.
 *
 * The fast path of every access is one subtraction and one comparison: an
 * entry's tag is the page's linear address, so `lin - tag <= 4096 - size`
 * holds only when the whole access lies in that page. Tags that must not match
 * are TLB_INVALID(index): the page number differs in a bit of the index, so no
 * address that selects this entry is within a page of the tag. Non-canonical
 * addresses never match, because no tag is ever set for them. The host address
 * is `lin + addend`.
 *
 * What keeps a tag invalid: pages that are not RAM (every access goes to the
 * bus), write tags of pages whose D bit is clear or that hold decoded code.
 *
 * Exceptions: #PF with CR2; #GP(0) for non-canonical addresses, which event.c
 * turns to #SS(0) when the instruction made the address with the stack
 * segment (it decodes the instruction again, so no access costs more); #AC when
 * alignment checking is on (soft_mode_changed() then selects the TLB that
 * never hits, so the check costs nothing when it is off).
 *
 * Used by: every executor.   Sources: SDM vol. 3 ch. 4 (paging), §5.3 (limits). */
#ifndef MUSTER_VMM_CPU_SOFT_MMU_MMU_H
#define MUSTER_VMM_CPU_SOFT_MMU_MMU_H

#include "vmm/cpu/soft/mmu/mmu_walk.h"
#include "vmm/cpu/soft/soft.h"

#include <string.h>

#define TLB_INDEX(lin) (((lin) >> MEM_PAGE_SHIFT) & (TLB_SIZE - 1))
#define TLB_INVALID(index) ((uint64_t)((index) ^ 1) << MEM_PAGE_SHIFT)

/* Makes every entry invalid and the records for flushes empty; for a new processor. */
void mmu_init(struct soft *s);

/* All are slow paths: a miss, a page-crossing access, MMIO, a code page, a fault.
 * @size: 1 to 8 for the scalar ones, 1 to 4096 for the byte ones. @access: enum mmu_access. */
uint64_t mmu_ld_slow(struct soft *s, uint64_t lin, unsigned size, unsigned access);
void mmu_st_slow(struct soft *s, uint64_t lin, unsigned size, uint64_t v, unsigned access);
void mmu_ld_bytes_slow(struct soft *s, uint64_t lin, void *dst, size_t n);
void mmu_st_bytes_slow(struct soft *s, uint64_t lin, const void *src, size_t n);
/* Both act at the privilege that @access says: MMU_SYSTEM is CPL 0. */
void mmu_ld_bytes_access(struct soft *s, uint64_t lin, void *dst, size_t n, unsigned access);
void mmu_st_bytes_access(struct soft *s, uint64_t lin, const void *src, size_t n, unsigned access);
/* Raises what a store to [lin, lin+n) would raise; n 1 to 4096. */
void mmu_probe_write(struct soft *s, uint64_t lin, size_t n);
/* Both give the host pointer of plain RAM when [lin, lin+n) may be read (written) without
 * anything else happening, filling the TLB first; NULL: take the slow path
 * (other page, MMIO, code). Raises page faults. */
const uint8_t *mmu_host_read_fill(struct soft *s, uint64_t lin, size_t n);
uint8_t *mmu_host_write_fill(struct soft *s, uint64_t lin, size_t n);
/* Tells without raising, and without touching A and D, whether @lin can be
 * translated for @access. False: not mapped, or the access is not allowed. */
bool mmu_translate_quiet(struct soft *s, uint64_t lin, unsigned access, uint64_t *ret_gpa);

#define MMU_FAST(tag, lin, size) __builtin_expect((uint64_t)((lin) - (tag)) <= (uint64_t)(MEM_PAGE_SIZE - (size)), 1)

#define MMU_SCALAR(bits, type)                                                                     \
	static inline type mmu_ld##bits(struct soft *s, uint64_t lin)                              \
	{                                                                                          \
		const struct tlb_entry *e = &s->tlb[TLB_INDEX(lin)];                               \
		type v;                                                                            \
                                                                                                   \
		if (MMU_FAST(e->read_tag, lin, sizeof(v))) {                                       \
			memcpy(&v, (const void *)(lin + e->addend), sizeof(v));                    \
			return v;                                                                  \
		}                                                                                  \
		return (type)mmu_ld_slow(s, lin, sizeof(v), MMU_READ);                             \
	}                                                                                          \
	static inline void mmu_st##bits(struct soft *s, uint64_t lin, type v)                      \
	{                                                                                          \
		const struct tlb_entry *e = &s->tlb[TLB_INDEX(lin)];                               \
                                                                                                   \
		if (MMU_FAST(e->write_tag, lin, sizeof(v)))                                        \
			memcpy((void *)(lin + e->addend), &v, sizeof(v));                          \
		else                                                                               \
			mmu_st_slow(s, lin, sizeof(v), v, MMU_WRITE);                              \
	}                                                                                          \
	static inline type mmu_sys_ld##bits(struct soft *s, uint64_t lin)                          \
	{                                                                                          \
		return (type)mmu_ld_slow(s, lin, sizeof(type), MMU_READ | MMU_SYSTEM);             \
	}                                                                                          \
	static inline void mmu_sys_st##bits(struct soft *s, uint64_t lin, type v)                  \
	{                                                                                          \
		mmu_st_slow(s, lin, sizeof(type), v, MMU_WRITE | MMU_SYSTEM);                      \
	}                                                                                          \
	_Static_assert(sizeof(type) * 8 == (bits), "mmu_ld" #bits)

MMU_SCALAR(8, uint8_t);
MMU_SCALAR(16, uint16_t);
MMU_SCALAR(32, uint32_t);
MMU_SCALAR(64, uint64_t);

static inline void mmu_ld_bytes(struct soft *s, uint64_t lin, void *dst, size_t n)
{
	const struct tlb_entry *e = &s->tlb[TLB_INDEX(lin)];

	if (MMU_FAST(e->read_tag, lin, n))
		memcpy(dst, (const void *)(lin + e->addend), n);
	else
		mmu_ld_bytes_slow(s, lin, dst, n);
}

static inline void mmu_st_bytes(struct soft *s, uint64_t lin, const void *src, size_t n)
{
	const struct tlb_entry *e = &s->tlb[TLB_INDEX(lin)];

	if (MMU_FAST(e->write_tag, lin, n))
		memcpy((void *)(lin + e->addend), src, n);
	else
		mmu_st_bytes_slow(s, lin, src, n);
}

static inline const uint8_t *mmu_host_read(struct soft *s, uint64_t lin, size_t n)
{
	const struct tlb_entry *e = &s->tlb[TLB_INDEX(lin)];

	if (MMU_FAST(e->read_tag, lin, n))
		return (const uint8_t *)(lin + e->addend);
	return mmu_host_read_fill(s, lin, n);
}

static inline uint8_t *mmu_host_write(struct soft *s, uint64_t lin, size_t n)
{
	const struct tlb_entry *e = &s->tlb[TLB_INDEX(lin)];

	if (MMU_FAST(e->write_tag, lin, n))
		return (uint8_t *)(lin + e->addend);
	return mmu_host_write_fill(s, lin, n);
}

/* Raises #GP(0) (#SS(0) for the stack segment) unless [off, off+size) may be
 * accessed through segment @seg. Not for 64-bit mode. SDM vol. 3 §5.3, §5.5. */
void soft_seg_check(struct soft *s, unsigned seg, uint64_t off, size_t size, bool is_write);

/* The memory operand's offset within its segment, wrapped to the address size.
 * RIP-relative operands count from s->rip, the next instruction. */
static inline uint64_t soft_ea(const struct soft *s, const struct insn *i)
{
	uint64_t base = i->base == INSN_REG_RIP ? s->rip : s->r[i->base];
	uint64_t off = base + (s->r[i->index] << i->scale) + (uint64_t)i->disp;

	if (i->adsize == 8)
		return off;
	return i->adsize == 4 ? (uint32_t)off : (uint16_t)off;
}

/* @off within segment @seg as a linear address, without limit checks. */
static inline uint64_t soft_seg_lin(const struct soft *s, unsigned seg, uint64_t off)
{
	uint64_t lin = s->seg_base[seg] + off;

	return s->mode == SOFT_MODE_64 ? lin : (uint32_t)lin;
}

/* The same after the checks that the mode asks for: what an access of @size
 * bytes uses. */
static inline uint64_t soft_seg_access(struct soft *s, unsigned seg, uint64_t off, size_t size,
				       bool is_write)
{
	if (__builtin_expect(s->mode != SOFT_MODE_64, 0))
		soft_seg_check(s, seg, off, size, is_write);
	return soft_seg_lin(s, seg, off);
}

/* The memory operand's linear address for an access of @size bytes, checked. */
static inline uint64_t soft_lin_for(struct soft *s, const struct insn *i, size_t size, bool is_write)
{
	return soft_seg_access(s, i->seg, soft_ea(s, i), size, is_write);
}

/* The memory operand's linear address, unchecked (INVLPG, CLFLUSH, or after soft_seg_check()). */
static inline uint64_t soft_lin(const struct soft *s, const struct insn *i)
{
	return soft_seg_lin(s, i->seg, soft_ea(s, i));
}

/* Masks an offset to the stack pointer's width. */
static inline uint64_t soft_stack_mask(const struct soft *s)
{
	return s->stack_size == 8 ? UINT64_MAX : s->stack_size == 4 ? UINT32_MAX : UINT16_MAX;
}

/* Writes the stack pointer, keeping the bits its width does not reach. */
static inline void soft_set_rsp(struct soft *s, uint64_t v)
{
	if (s->stack_size == 8)
		s->r[CPU_RSP] = v;
	else if (s->stack_size == 4)
		s->r[CPU_RSP] = (uint32_t)v;
	else
		s->r[CPU_RSP] = (s->r[CPU_RSP] & ~UINT64_C(0xFFFF)) | (uint16_t)v;
}

#endif
