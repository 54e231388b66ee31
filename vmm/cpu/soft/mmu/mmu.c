/* vmm/cpu/soft/mmu/mmu.c: the TLB, and every access that its fast path declines.
 *
 * The TLB caches 4 KiB pieces, direct-mapped, in one array for supervisor and
 * one for user accesses, and as many for instruction fetches. Its geometry and its flush points are fixed, so two
 * runs of one guest see the same hits and misses.
 *
 * A flush makes tags invalid. Two records keep flushes cheap: tlb_filled lists
 * the entries filled since the last CR3 write, so that write touches only
 * those; tlb_large remembers which 2 MiB and 1 GiB regions were filled from
 * large pages, so that INVLPG searches the arrays only where a large page may
 * have left several pieces (SDM vol. 3 §4.10.4.1).
 *
 * A page-crossing access translates both pages before it touches either: a
 * store is all or nothing. Each MMIO piece goes to the bus in sizes of 1, 2, 4, 8.
 *
 * Used by: every executor through mmu.h.   Depends on: mmu_walk.c, vmm/mem.h.
 * Sources: SDM vol. 3 §4.7, §4.10; §6.15 (#PF, #AC). */
#include "vmm/cpu/soft/mmu/mmu.h"

#include "vmm/cpu/soft/sysreg.h"

/* ---- records for flushes ----------------------------------------------------------- */

static uint64_t *large_word(struct soft *s, unsigned which, uint64_t lin, uint64_t *ret_bit)
{
	uint64_t hash = (lin >> (which ? 30 : 21)) & 4095;

	*ret_bit = UINT64_C(1) << (hash & 63);
	return &s->tlb_large[which][hash >> 6];
}

static void large_note(struct soft *s, uint64_t lin, unsigned page_shift)
{
	uint64_t bit;
	uint64_t *word = large_word(s, page_shift >= 30, lin, &bit);

	*word |= bit;
}

/* A 4 MiB page of 32-bit paging counts under both its 2 MiB halves. */
static bool large_maybe(struct soft *s, uint64_t lin)
{
	uint64_t bit_2m, bit_other, bit_1g;
	const uint64_t *w2m = large_word(s, 0, lin, &bit_2m);
	const uint64_t *wother = large_word(s, 0, lin ^ (1 << 21), &bit_other);
	const uint64_t *w1g = large_word(s, 1, lin, &bit_1g);

	return (*w2m & bit_2m) || (*wother & bit_other) || (*w1g & bit_1g);
}

static void entry_drop(struct tlb_entry *e, size_t index)
{
	e->read_tag = e->write_tag = TLB_INVALID(index);
}

/* What is at @index goes from the entries of both kinds and privileges. */
static void index_drop(struct soft *s, size_t index)
{
	for (size_t n = 0; n < 2; n++) {
		entry_drop(&s->tlbs[n][index], index);
		s->code_tlbs[n][index].tag = TLB_INVALID(index);
	}
}

static bool code_bit(const struct soft *s, const uint8_t *host)
{
	uint64_t page = (uint64_t)(host - s->mem->host) >> MEM_PAGE_SHIFT;

	return s->mem->code_bits[page / 8] & (1U << page % 8);
}

void mmu_init(struct soft *s)
{
	memset(s->tlbs, 0, sizeof(s->tlbs));
	memset(s->code_tlbs, 0, sizeof(s->code_tlbs));
	for (size_t k = 0; k < TLB_SIZE; k++) {
		index_drop(s, k);
		entry_drop(&s->tlbs[2][k], k);
	}
	memset(s->tlb_large, 0, sizeof(s->tlb_large));
	memset(s->n_tlb_filled, 0, sizeof(s->n_tlb_filled));
	memset(s->n_code_filled, 0, sizeof(s->n_code_filled));
}

void mmu_flush_all(struct soft *s)
{
	for (size_t k = 0; k < TLB_SIZE; k++) {
		index_drop(s, k);
		for (size_t n = 0; n < 2; n++)
			s->tlbs[n][k].listed = s->code_tlbs[n][k].listed = 0;
	}
	memset(s->n_tlb_filled, 0, sizeof(s->n_tlb_filled));
	memset(s->n_code_filled, 0, sizeof(s->n_code_filled));
	memset(s->tlb_large, 0, sizeof(s->tlb_large));
}

static void flush_code_non_global(struct soft *s, size_t n)
{
	for (size_t k = 0; k < s->n_code_filled[n]; k++) {
		size_t index = s->code_filled[n][k];
		struct code_entry *e = &s->code_tlbs[n][index];

		e->listed = 0;
		if (!e->global)
			e->tag = TLB_INVALID(index);
	}
	s->n_code_filled[n] = 0;
}

void mmu_flush_non_global(struct soft *s)
{
	for (size_t n = 0; n < 2; n++) {
		for (size_t k = 0; k < s->n_tlb_filled[n]; k++) {
			size_t index = s->tlb_filled[n][k];
			struct tlb_entry *e = &s->tlbs[n][index];

			e->listed = 0;
			if (!e->global)
				entry_drop(e, index);
		}
		s->n_tlb_filled[n] = 0;
		flush_code_non_global(s, n);
	}
}

/* Is the page of an entry at @index, which says @tag, the one of @lin? */
static bool tag_covers(uint64_t tag, unsigned page_shift, size_t index, uint64_t lin)
{
	return tag != TLB_INVALID(index) && (tag ^ lin) >> page_shift == 0;
}

static bool any_covers(const struct soft *s, size_t n, size_t index, uint64_t lin)
{
	const struct tlb_entry *e = &s->tlbs[n][index];
	const struct code_entry *c = &s->code_tlbs[n][index];

	return tag_covers(e->read_tag, e->page_shift, index, lin) || tag_covers(c->tag, c->page_shift, index, lin);
}

void mmu_flush_page(struct soft *s, uint64_t lin)
{
	index_drop(s, TLB_INDEX(lin));
	if (!large_maybe(s, lin))
		return;
	for (size_t k = 0; k < TLB_SIZE; k++)
		if (any_covers(s, 0, k, lin) || any_covers(s, 1, k, lin))
			index_drop(s, k);
}

enum { FRAMES_AT_ONCE = 32 };

/* Is @frame among FRAMES_AT_ONCE of them? In a form that compilers make vectors of. */
static bool has_frame(const uint32_t *frames, uint32_t frame)
{
	uint32_t found = 0;

	for (size_t k = 0; k < FRAMES_AT_ONCE; k++)
		found |= frames[k] == frame;
	return found;
}

/* From now on stores to the page at @gpa take the slow path. */
static void hold_writes(struct soft *s, uint64_t gpa)
{
	uint32_t frame = (uint32_t)(gpa >> MEM_PAGE_SHIFT);

	for (size_t n = 0; n < 2; n++) {
		for (size_t at = 0; at < TLB_SIZE; at += FRAMES_AT_ONCE) {
			if (!has_frame(&s->tlb_frames[n][at], frame))
				continue;
			for (size_t k = at; k < at + FRAMES_AT_ONCE; k++)
				if (s->tlb_frames[n][k] == frame)
					s->tlbs[n][k].write_tag = TLB_INVALID(k);
		}
	}
}

void mmu_code_page_set(struct soft *s, uint64_t gpa_page)
{
	uint64_t gpa = gpa_page & ~UINT64_C(0xFFF);
	const uint8_t *host = mem_ptr(s->mem, gpa, MEM_PAGE_SIZE);
	uint64_t page;

	if (!host || code_bit(s, host))
		return;
	page = (uint64_t)(host - s->mem->host) >> MEM_PAGE_SHIFT;
	s->mem->code_bits[page / 8] |= (uint8_t)(1U << page % 8);
	hold_writes(s, gpa);
	for (struct soft *p = s->peer; p != s; p = p->peer)
		hold_writes(p, gpa);
}

void mmu_code_page_clear(struct soft *s, uint64_t gpa_page)
{
	const uint8_t *host = mem_ptr(s->mem, gpa_page & ~UINT64_C(0xFFF), MEM_PAGE_SIZE);
	uint64_t page;

	if (!host)
		return;
	page = (uint64_t)(host - s->mem->host) >> MEM_PAGE_SHIFT;
	s->mem->code_bits[page / 8] &= (uint8_t)~(1U << page % 8);
}

/* ---- filling ------------------------------------------------------------- */

static bool is_user(const struct soft *s, unsigned access)
{
	return s->cpl == 3 && !(access & MMU_SYSTEM);
}

static bool write_allowed(const struct soft *s, const struct mmu_walk *w, bool user)
{
	return w->dirty && (w->writable || (!user && !(s->cr0 & CR0_WP)));
}

/* A page fault retires what the TLB held of its page. */
static void drop_page(struct soft *s, uint64_t lin)
{
	size_t index = TLB_INDEX(lin);

	uint64_t page = lin & ~UINT64_C(0xFFF);

	for (size_t n = 0; n < 2; n++) {
		if (s->tlbs[n][index].read_tag == page)
			entry_drop(&s->tlbs[n][index], index);
		if (s->code_tlbs[n][index].tag == page)
			s->code_tlbs[n][index].tag = TLB_INVALID(index);
	}
}

static void walk_or_raise(struct soft *s, uint64_t lin, unsigned access, struct mmu_walk *ret_w)
{
	uint32_t error;

	s->n_tlb_miss++;
	if (mmu_walk(s, lin, access, is_user(s, access), ret_w, &error)) {
		drop_page(s, lin); /* SDM vol. 3 §4.10.4.1 */
		s->cr2 = lin;
		soft_raise_error(s, EXC_PF, error);
	}
	if (ret_w->page_shift > MEM_PAGE_SHIFT)
		large_note(s, lin, ret_w->page_shift);
}

/* Fills the entry for @lin (any byte of the page) or raises. For a page that is not
 * RAM all tags stay invalid; phys holds until the next fill of that index. */
static struct tlb_entry *tlb_fill(struct soft *s, uint64_t lin, unsigned access)
{
	bool user = is_user(s, access);
	size_t index = TLB_INDEX(lin);
	struct tlb_entry *e = &s->tlbs[user][index];
	uint64_t page = lin & ~UINT64_C(0xFFF);
	struct mmu_walk w;
	const uint8_t *host;

	walk_or_raise(s, lin, access, &w);
	entry_drop(e, index);
	e->phys = w.phys;
	s->tlb_frames[user][index] = (uint32_t)(w.phys >> MEM_PAGE_SHIFT);
	e->global = w.global;
	e->page_shift = w.page_shift;
	host = mem_ptr(s->mem, w.phys, MEM_PAGE_SIZE);
	if (!host)
		return e;
	e->addend = (uint64_t)host - page;
	e->host = (uint64_t)host;
	e->read_tag = page;
	e->may_write = write_allowed(s, &w, user);
	if (e->may_write && !code_bit(s, host))
		e->write_tag = page;
	if (!e->listed && !w.global) {
		e->listed = 1;
		s->tlb_filled[user][s->n_tlb_filled[user]++] = (uint16_t)index;
	}
	return e;
}

/* The same for a fetch. Returns the page's guest-physical address. */
static uint64_t code_fill(struct soft *s, uint64_t lin)
{
	bool user = is_user(s, MMU_FETCH);
	size_t index = TLB_INDEX(lin);
	struct code_entry *e = &s->code_tlbs[user][index];
	struct mmu_walk w;

	walk_or_raise(s, lin, MMU_FETCH, &w);
	e->tag = TLB_INVALID(index);
	if (!mem_ptr(s->mem, w.phys, MEM_PAGE_SIZE))
		return w.phys;
	e->tag = lin & ~UINT64_C(0xFFF);
	e->pfn = (uint32_t)(w.phys >> MEM_PAGE_SHIFT);
	e->global = w.global;
	e->page_shift = w.page_shift;
	if (!e->listed && !w.global) {
		e->listed = 1;
		s->code_filled[user][s->n_code_filled[user]++] = (uint16_t)index;
	}
	return w.phys;
}

/* The entry that serves one access within one page: the TLB's, or a new one. */
static struct tlb_entry *tlb_get(struct soft *s, uint64_t lin, unsigned access)
{
	struct tlb_entry *e = &s->tlbs[is_user(s, access)][TLB_INDEX(lin)];
	uint64_t page = lin & ~UINT64_C(0xFFF);

	if ((access & MMU_WRITE ? e->write_tag : e->read_tag) == page)
		return e;
	if (e->read_tag == page && e->may_write) {
		if (!code_bit(s, (const uint8_t *)(page + e->addend)))
			e->write_tag = page;
		return e;
	}
	return tlb_fill(s, lin, access);
}

_Noreturn static void raise_noncanonical(struct soft *s, uint64_t lin)
{
	if (s->efer & EFER_LMA) {
		s->exc_lin = lin;
		s->exc_noncanonical = true;
	}
	soft_gp(s, 0);
}

static void check_access(struct soft *s, uint64_t lin, size_t n, unsigned access)
{
	if (s->efer & EFER_LMA && (!lin_is_canonical(lin) || !lin_is_canonical(lin + n - 1)))
		raise_noncanonical(s, lin);
	if (s->tlb == s->tlbs[2] && !(access & MMU_SYSTEM) && (n == 2 || n == 4 || n == 8) && lin & (n - 1))
		soft_raise_error(s, EXC_AC, 0);
}

/* ---- one access in pieces ------------------------------------------------- */

/* An access of up to a page's size: one piece or two. */
struct pieces {
	uint64_t gpa[2];
	uint8_t *host[2]; /* NULL: not RAM */
	size_t len[2];
};

static void piece_set(struct soft *s, struct pieces *p, int k, const struct tlb_entry *e, uint64_t lin)
{
	p->gpa[k] = e->phys | (lin & 0xFFF);
	p->host[k] = mem_ptr(s->mem, p->gpa[k], p->len[k]);
}

static void pieces_find(struct soft *s, uint64_t lin, size_t n, unsigned access, struct pieces *ret_p)
{
	size_t room = MEM_PAGE_SIZE - (lin & 0xFFF);
	uint64_t next;

	check_access(s, lin, n, access);
	ret_p->len[0] = n < room ? n : room;
	ret_p->len[1] = n - ret_p->len[0];
	piece_set(s, ret_p, 0, tlb_get(s, lin, access), lin);
	if (!ret_p->len[1])
		return;
	next = lin + room;
	if (!(s->efer & EFER_LMA))
		next = (uint32_t)next;
	piece_set(s, ret_p, 1, tlb_get(s, next, access), next);
}

/* The largest access of the bus that fits at @gpa. */
static unsigned bus_size(uint64_t gpa, size_t n)
{
	unsigned size = 8;

	while (size > n || gpa & (size - 1))
		size /= 2;
	return size;
}

static void bus_read_bytes(struct soft *s, uint64_t gpa, uint8_t *dst, size_t n)
{
	while (n) {
		unsigned size = n == 1 || n == 2 || n == 4 || n == 8 ? (unsigned)n : bus_size(gpa, n);
		uint64_t v = phys_read(s, gpa, size);

		memcpy(dst, &v, size);
		gpa += size;
		dst += size;
		n -= size;
	}
}

static void bus_write_bytes(struct soft *s, uint64_t gpa, const uint8_t *src, size_t n)
{
	while (n) {
		unsigned size = n == 1 || n == 2 || n == 4 || n == 8 ? (unsigned)n : bus_size(gpa, n);
		uint64_t v = 0;

		memcpy(&v, src, size);
		phys_write(s, gpa, size, v);
		gpa += size;
		src += size;
		n -= size;
	}
}

static void ram_write(struct soft *s, uint8_t *host, uint64_t gpa, const void *src, size_t n)
{
	if (code_bit(s, host))
		s->code_written(s, gpa, n);
	memcpy(host, src, n);
}

static void pieces_read(struct soft *s, const struct pieces *p, uint8_t *dst)
{
	for (int k = 0; k < 2 && p->len[k]; k++) {
		if (p->host[k])
			memcpy(dst, p->host[k], p->len[k]);
		else
			bus_read_bytes(s, p->gpa[k], dst, p->len[k]);
		dst += p->len[k];
	}
}

static void pieces_write(struct soft *s, const struct pieces *p, const uint8_t *src)
{
	for (int k = 0; k < 2 && p->len[k]; k++) {
		if (p->host[k])
			ram_write(s, p->host[k], p->gpa[k], src, p->len[k]);
		else
			bus_write_bytes(s, p->gpa[k], src, p->len[k]);
		src += p->len[k];
	}
}

/* ---- what mmu.h calls ------------------------------------------------------ */

uint64_t mmu_ld_slow(struct soft *s, uint64_t lin, unsigned size, unsigned access)
{
	struct pieces p;
	uint64_t v = 0;

	pieces_find(s, lin, size, access, &p);
	pieces_read(s, &p, (uint8_t *)&v);
	return v;
}

void mmu_st_slow(struct soft *s, uint64_t lin, unsigned size, uint64_t v, unsigned access)
{
	struct pieces p;

	pieces_find(s, lin, size, access | MMU_WRITE, &p);
	pieces_write(s, &p, (const uint8_t *)&v);
}

void mmu_ld_bytes_access(struct soft *s, uint64_t lin, void *dst, size_t n, unsigned access)
{
	struct pieces p;

	if (!n)
		return;
	pieces_find(s, lin, n, access, &p);
	pieces_read(s, &p, dst);
}

void mmu_st_bytes_access(struct soft *s, uint64_t lin, const void *src, size_t n, unsigned access)
{
	struct pieces p;

	if (!n)
		return;
	pieces_find(s, lin, n, access | MMU_WRITE, &p);
	pieces_write(s, &p, src);
}

void mmu_ld_bytes_slow(struct soft *s, uint64_t lin, void *dst, size_t n)
{
	mmu_ld_bytes_access(s, lin, dst, n, MMU_READ);
}

void mmu_st_bytes_slow(struct soft *s, uint64_t lin, const void *src, size_t n)
{
	mmu_st_bytes_access(s, lin, src, n, MMU_WRITE);
}

void mmu_probe_write(struct soft *s, uint64_t lin, size_t n)
{
	struct pieces p;

	if (n)
		pieces_find(s, lin, n, MMU_WRITE, &p);
}

const uint8_t *mmu_host_read_fill(struct soft *s, uint64_t lin, size_t n)
{
	const struct tlb_entry *e;

	if (!n || (lin & 0xFFF) + n > MEM_PAGE_SIZE)
		return NULL;
	check_access(s, lin, n, MMU_READ);
	e = tlb_get(s, lin, MMU_READ);
	return mem_ptr(s->mem, e->phys | (lin & 0xFFF), n);
}

/* Lies the running instruction within [lin, lin + n)? */
static bool hits_running(const struct soft *s, uint64_t lin, size_t n)
{
	uint64_t at = s->seg_base[CPU_CS] + s->insn_rip;

	return at + 15 /* the longest */ > lin && at < lin + n;
}

/* Code in the page is dropped here, so that how much a string instruction does
 * at once, which is what it counts for, does not depend on what was decoded. Only
 * over itself it goes element by element, to see its own new bytes. */
uint8_t *mmu_host_write_fill(struct soft *s, uint64_t lin, size_t n)
{
	const struct tlb_entry *e;
	uint8_t *host;

	if (!n || (lin & 0xFFF) + n > MEM_PAGE_SIZE)
		return NULL;
	check_access(s, lin, n, MMU_WRITE);
	e = tlb_get(s, lin, MMU_WRITE);
	if (e->write_tag == (lin & ~UINT64_C(0xFFF)))
		return (uint8_t *)(lin + e->addend);
	host = mem_ptr(s->mem, e->phys | (lin & 0xFFF), n);
	if (!host || hits_running(s, lin, n))
		return NULL;
	if (code_bit(s, host))
		s->code_written(s, e->phys | (lin & 0xFFF), n);
	return host;
}

bool mmu_translate_quiet(struct soft *s, uint64_t lin, unsigned access, uint64_t *ret_gpa)
{
	struct mmu_walk w;
	uint32_t error;

	if (s->efer & EFER_LMA && !lin_is_canonical(lin))
		return false;
	if (mmu_walk(s, lin, access | MMU_PEEK, is_user(s, access), &w, &error))
		return false;
	*ret_gpa = w.phys | (lin & 0xFFF);
	return true;
}

uint64_t mmu_fetch_phys(struct soft *s, uint64_t lin)
{
	const struct code_entry *e = &s->code_tlbs[is_user(s, MMU_FETCH)][TLB_INDEX(lin)];

	if (e->tag == (lin & ~UINT64_C(0xFFF)))
		return (uint64_t)e->pfn << MEM_PAGE_SHIFT | (lin & 0xFFF);
	if (s->efer & EFER_LMA && !lin_is_canonical(lin))
		soft_gp(s, 0);
	return code_fill(s, lin) | (lin & 0xFFF);
}

uint64_t phys_read(struct soft *s, uint64_t gpa, unsigned size)
{
	const uint8_t *p = mem_ptr(s->mem, gpa, size);
	uint64_t v = 0;

	if (!p)
		return s->bus->mmio_read(s->bus->ctx, gpa, size);
	memcpy(&v, p, size);
	return v;
}

void phys_write(struct soft *s, uint64_t gpa, unsigned size, uint64_t v)
{
	uint8_t *p = mem_ptr(s->mem, gpa, size);

	if (p)
		ram_write(s, p, gpa, &v, size);
	else
		s->bus->mmio_write(s->bus->ctx, gpa, size, v);
}
