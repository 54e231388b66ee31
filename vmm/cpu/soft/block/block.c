/* vmm/cpu/soft/block/block.c: the decoded-block cache: finding, keeping, dropping.
 *
 * Slots are numbered; 0 stands for none. A block is in one hash chain, and in
 * the list of each page whose bytes it holds (two when its instruction crosses).
 *
 * The profile: MUSTER_SOFT_PROFILE in the environment makes soft_cpu.c print, when the
 * processor goes away, where the guest spent its instructions and why code was left
 * (profile.c). Entries are those by the dispatcher and those of traces.
 *
 * Used by: soft_cpu.c, uop_flow.c, mmu.c.   Depends on: block_build.c. */
#include "vmm/cpu/soft/block/block.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { SLOTS_ALL = BLOCK_ARENAS * BLOCK_ARENA_SLOTS, GRANULE_SHIFT = 6 };
static const uint64_t page_mask = ~(uint64_t)(MEM_PAGE_SIZE - 1);

static struct block *block_at(const struct block_cache *c, uint32_t slot)
{
	return (struct block *)(void *)&c->slots[slot];
}

static uint32_t slot_of(const struct block_cache *c, const struct block *b)
{
	return (uint32_t)((const struct uop *)(const void *)b - c->slots);
}

static uint32_t *bucket(struct block_cache *c, uint64_t gpa, unsigned mode)
{
	uint64_t h = (gpa ^ gpa >> 15 ^ (uint64_t)mode << 9) & (BLOCK_HASH_SIZE - 1);

	return &c->hash[h];
}

/* ---- pages ------------------------------------------------------------------ */

static uint32_t *page_bucket(struct block_cache *c, uint64_t gpa)
{
	return &c->page_hash[(gpa >> MEM_PAGE_SHIFT ^ gpa >> 24) & (BLOCK_PAGE_HASH_SIZE - 1)];
}

static struct block_page *page_find(struct block_cache *c, uint64_t gpa)
{
	for (uint32_t k = *page_bucket(c, gpa); k; k = c->pages[k - 1].hash_next) {
		if (c->pages[k - 1].gpa == gpa)
			return &c->pages[k - 1];
	}
	return NULL;
}

static void page_drop(struct soft *s, struct block_page *p)
{
	struct block_cache *c = s->blocks;
	uint32_t index = (uint32_t)(p - c->pages) + 1, *link = page_bucket(c, p->gpa);

	while (*link != index)
		link = &c->pages[*link - 1].hash_next;
	*link = p->hash_next;
	mmu_code_page_clear(s, p->gpa);
	p->hash_next = c->page_free;
	c->page_free = index;
}

/* The page's entry, made when there is none. */
static struct block_page *page_get(struct soft *s, uint64_t gpa)
{
	struct block_cache *c = s->blocks;
	struct block_page *p = page_find(c, gpa);
	uint32_t index, *head;

	if (p)
		return p;
	assert(c->page_free); /* add() sees to it */
	index = c->page_free;
	p = &c->pages[index - 1];
	c->page_free = p->hash_next;
	head = page_bucket(c, gpa);
	*p = (struct block_page){ .gpa = gpa, .hash_next = *head };
	*head = index;
	mmu_code_page_set(s, gpa);
	return p;
}

static bool is_first_page(const struct block *b, uint64_t gpa)
{
	return (b->gpa & page_mask) == gpa;
}

/* The link of the list of page @gpa that goes on from @b. */
static uint32_t *page_link(struct block *b, uint64_t gpa)
{
	return is_first_page(b, gpa) ? &b->page_next : &b->page2_next;
}

/* @b comes behind @prev in the list of page @gpa. Blocks of which only the rest is there do not know. */
static void page_set_prev(struct block *b, uint64_t gpa, uint32_t prev)
{
	if (is_first_page(b, gpa))
		b->page_prev = prev;
}

/* Which bytes of page @gpa @b covers: [*ret_from, *ret_to) as offsets. */
static void covered(const struct block *b, uint64_t gpa, uint64_t *ret_from, uint64_t *ret_to)
{
	uint64_t off = b->gpa & ~page_mask, end = off + b->n_bytes;

	*ret_from = is_first_page(b, gpa) ? off : 0;
	*ret_to = is_first_page(b, gpa) ? (end < MEM_PAGE_SIZE ? end : MEM_PAGE_SIZE) :
						end - MEM_PAGE_SIZE;
}

static uint64_t granules(uint64_t from, uint64_t to)
{
	uint64_t first = from >> GRANULE_SHIFT, last = (to - 1) >> GRANULE_SHIFT;

	return (UINT64_MAX >> (63 - (last - first))) << first;
}

static void page_add(struct soft *s, uint64_t gpa, struct block *b)
{
	struct block_page *p = page_get(s, gpa);
	uint64_t from, to;

	*page_link(b, gpa) = p->first;
	page_set_prev(b, gpa, 0);
	if (p->first)
		page_set_prev(block_at(s->blocks, p->first), gpa, slot_of(s->blocks, b));
	p->first = slot_of(s->blocks, b);
	covered(b, gpa, &from, &to);
	p->granules |= granules(from, to);
}

/* What comes before @b in the list of page @p; 0: nothing. */
static uint32_t page_prev(struct block_cache *c, const struct block_page *p, const struct block *b)
{
	uint32_t slot = slot_of(c, b), prev = 0;

	if (is_first_page(b, p->gpa))
		return b->page_prev;
	for (uint32_t k = p->first; k != slot; k = *page_link(block_at(c, k), p->gpa))
		prev = k;
	return prev;
}

/* Takes @b off the list of page @gpa. The page goes when it was the last one. */
static void page_remove(struct soft *s, uint64_t gpa, struct block *b)
{
	struct block_cache *c = s->blocks;
	struct block_page *p = page_find(c, gpa);
	uint32_t prev, next = *page_link(b, gpa);

	assert(p);
	prev = page_prev(c, p, b);
	*(prev ? page_link(block_at(c, prev), gpa) : &p->first) = next;
	if (next)
		page_set_prev(block_at(c, next), gpa, prev);
	if (!p->first)
		page_drop(s, p);
}

/* ---- blocks ----------------------------------------------------------------- */

static void kill_block(struct soft *s, struct block *b)
{
	struct block_cache *c = s->blocks;
	uint32_t slot = slot_of(c, b), *link = bucket(c, b->gpa, b->mode);

	while (*link != slot)
		link = &block_at(c, *link)->hash_next;
	*link = b->hash_next;
	page_remove(s, b->gpa & page_mask, b);
	if (b->crosses_page)
		page_remove(s, block_gpa2(b), b);
	b->enter = uop_dead;
	if (c->translator)
		c->translator->drop(c->translate, b);
	b->dead = true;
	if (s->in_block && s->block == b)
		s->block_dead = true;
}

struct block_cache *block_cache_new(void)
{
	struct block_cache *c = calloc(1, sizeof(*c));
	void *slots;

	if (!c)
		return NULL;
	slots = mmap(NULL, SLOTS_ALL * sizeof(struct uop), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slots == MAP_FAILED) {
		free(c);
		return NULL;
	}
	c->slots = slots;
	c->used[0] = BLOCK_HEADER_SLOTS; /* slot 0 means none */
	for (uint32_t k = 0; k < BLOCK_PAGES; k++)
		c->pages[k].hash_next = k + 2 <= BLOCK_PAGES ? k + 2 : 0;
	c->page_free = 1;
	c->new_enter = uop_enter;
	return c;
}

struct block_cache *block_cache_free(struct block_cache *c)
{
	if (!c)
		return NULL;
	if (c->translator)
		c->translator->free(c->translate);
	(void)munmap(c->slots, SLOTS_ALL * sizeof(struct uop));
	free(c);
	return NULL;
}

void block_code_forget(struct block_cache *c)
{
	for (uint32_t a = 0; a < BLOCK_ARENAS; a++) {
		uint32_t slot = a * BLOCK_ARENA_SLOTS, end = slot + c->used[a];

		if (a == 0)
			slot += BLOCK_HEADER_SLOTS;
		while (slot < end) {
			struct block *b = block_at(c, slot);

			slot += b->n_slots;
			b->code = c->no_code;
			b->has_code = false;
			b->edges_in = b->memberships = b->members = 0;
			b->loops = false;
			b->n_runs = 0;
			if (!b->dead)
				b->enter = b->crosses_page ? uop_enter_crossing : c->new_enter;
		}
	}
}

static void arena_empty(struct soft *s, uint32_t arena)
{
	struct block_cache *c = s->blocks;
	uint32_t slot = arena * BLOCK_ARENA_SLOTS, end = slot + c->used[arena];

	if (arena == 0)
		slot += BLOCK_HEADER_SLOTS;
	while (slot < end) {
		struct block *b = block_at(c, slot);

		slot += b->n_slots;
		if (!b->dead)
			kill_block(s, b);
	}
	c->used[arena] = arena == 0 ? BLOCK_HEADER_SLOTS : 0;
}

static bool is_in_arena(const struct block_cache *c, uint32_t arena, const struct uop *u)
{
	return u && (uint32_t)(u - c->slots) / BLOCK_ARENA_SLOTS == arena;
}

/* Cuts the links that lead into @arena. A block's links are in its last uop. */
static void cut_chains(struct block_cache *c, uint32_t arena)
{
	for (uint32_t a = 0; a < BLOCK_ARENAS; a++) {
		uint32_t slot = a * BLOCK_ARENA_SLOTS, end = slot + c->used[a];

		if (a == 0)
			slot += BLOCK_HEADER_SLOTS;
		while (slot < end) {
			struct block *b = block_at(c, slot);
			struct uop_chain *l = block_chain(b);

			slot += b->n_slots;
			if (!l)
				continue;
			if (is_in_arena(c, arena, l->taken))
				l->taken = NULL;
			if (is_in_arena(c, arena, l->fall))
				l->fall = NULL;
		}
	}
}

void block_cache_clear(struct soft *s)
{
	struct block_cache *c = s->blocks;

	for (uint32_t a = 0; a < BLOCK_ARENAS; a++)
		arena_empty(s, a);
	c->arena = 0;
	c->n_recycled++;
	memset(c->jump, 0, sizeof(c->jump));
}

void block_cache_release(struct soft *s)
{
	struct block_cache *c = s->blocks;

	block_cache_clear(s);
	if (c->translator)
		c->translator->release(s);
	(void)madvise(c->slots, SLOTS_ALL * sizeof(struct uop), MADV_DONTNEED);
}

/* Room for the largest block. */
static struct block *make_room(struct soft *s)
{
	struct block_cache *c = s->blocks;

	if (c->used[c->arena] + BLOCK_MAX_SLOTS > BLOCK_ARENA_SLOTS) {
		c->arena = (c->arena + 1) % BLOCK_ARENAS;
		if (c->used[c->arena] > BLOCK_HEADER_SLOTS) {
			arena_empty(s, c->arena);
			cut_chains(c, c->arena);
			memset(c->jump, 0, sizeof(c->jump));
			c->n_recycled++;
		}
	}
	/* Two pages may be asked for. */
	if (!c->page_free || !c->pages[c->page_free - 1].hash_next)
		block_cache_clear(s);
	return block_at(c, c->arena * BLOCK_ARENA_SLOTS + c->used[c->arena]);
}

static void add(struct soft *s, struct block *b)
{
	struct block_cache *c = s->blocks;
	uint32_t *head = bucket(c, b->gpa, b->mode);

	c->used[c->arena] += b->n_slots;
	b->hash_next = *head;
	*head = slot_of(c, b);
	page_add(s, b->gpa & page_mask, b);
	if (b->crosses_page)
		page_add(s, block_gpa2(b), b);
}

/* @lin's block when it is there. A page-crossing one counts only when its
 * second page is still the one it was decoded from. */
static struct block *cached(struct soft *s, uint64_t lin, uint64_t gpa)
{
	struct block_cache *c = s->blocks;

	for (uint32_t k = *bucket(c, gpa, s->mode); k; k = block_at(c, k)->hash_next) {
		struct block *b = block_at(c, k);
		uint64_t next;

		if (b->gpa != gpa || b->mode != s->mode || b->tlb_n != s->tlb_n)
			continue;
		if (!b->crosses_page)
			return b;
		next = (lin | ~page_mask) + 1;
		if (mmu_fetch_phys(s, s->mode == SOFT_MODE_64 ? next : (uint32_t)next) == block_gpa2(b))
			return b;
		kill_block(s, b);
		return NULL;
	}
	return NULL;
}

static uint64_t fetch_lin(struct soft *s)
{
	if (s->mode == SOFT_MODE_64)
		return s->rip;
	if (s->rip > s->seg[CPU_CS].limit)
		soft_gp(s, 0);
	return (uint32_t)(s->seg[CPU_CS].base + s->rip);
}

const struct block *block_single(struct soft *s)
{
	uint64_t lin = fetch_lin(s);
	struct block *b = (struct block *)(void *)s->blocks->scratch;

	s->chain = NULL;
	block_build(s, b, lin, mmu_fetch_phys(s, lin), 1);
	return b;
}

bool block_is_in_ram(struct soft *s, const struct block *b)
{
	return mem_ptr(s->mem, b->gpa, 1) && (!b->crosses_page || mem_ptr(s->mem, block_gpa2(b), 1));
}

void block_bytes(struct soft *s, const struct block *b, unsigned off, unsigned len, uint8_t *dst)
{
	unsigned in_first = (unsigned)(MEM_PAGE_SIZE - (b->gpa & ~page_mask));

	if (!b->crosses_page) {
		memcpy(dst, mem_ptr(s->mem, b->gpa + off, len), len);
		return;
	}
	for (unsigned k = 0; k < len; k++) {
		uint64_t gpa = off + k < in_first ? b->gpa + off + k : block_gpa2(b) + off + k - in_first;

		memcpy(dst + k, mem_ptr(s->mem, gpa, 1), 1);
	}
}

const struct block *block_find(struct soft *s)
{
	const struct uop **link = s->chain;
	struct block_cache *c = s->blocks;
	uint64_t lin = fetch_lin(s), gpa, n_recycled = c->n_recycled;
	struct block *b;

	s->chain = NULL;
	if (link && !s->block->is_ram)
		link = NULL; /* that block is not kept: its slots are the next one's */
	gpa = mmu_fetch_phys(s, lin);
	s->n_block_lookups++;
	b = cached(s, lin, gpa);
	if (!b) {
		b = make_room(s);
		block_build(s, b, lin, gpa, BLOCK_MAX_INSNS);
		/* Two pages that are one: not worth a second kind of list. */
		if (b->crosses_page && block_gpa2(b) == (gpa & page_mask))
			b->is_ram = false;
		if (!b->is_ram)
			return b;
		add(s, b);
	}
	if (!b->crosses_page && b->n_entered < UINT32_MAX)
		b->n_entered++;
	if (s->mode != SOFT_MODE_64)
		return b;
	c->jump[jump_index(lin)] = (struct jump_entry){ .key = lin ^ s->jump_key, .block = b };
	/* Links never leave the physical page: it holds for every mapping of it. */
	if (link && n_recycled == c->n_recycled && (s->block->gpa ^ gpa) >> MEM_PAGE_SHIFT == 0)
		*link = (const struct uop *)(const void *)b;
	return b;
}

void block_code_written(struct soft *s, uint64_t gpa, size_t len)
{
	struct block_cache *c = s->blocks;

	while (len > 0) {
		uint64_t page = gpa & page_mask, from = gpa & ~page_mask, to = from + len;
		struct block_page *p = page_find(c, page);

		if (to > MEM_PAGE_SIZE)
			to = MEM_PAGE_SIZE;
		len -= to - from;
		gpa += to - from;
		if (!p) {
			mmu_code_page_clear(s, page);
			continue;
		}
		if (!(p->granules & granules(from, to)))
			continue;
		p->granules = 0;
		for (uint32_t k = p->first, next; k; k = next) {
			struct block *b = block_at(c, k);
			uint64_t first, end;

			next = *page_link(b, page);
			covered(b, page, &first, &end);
			if (first < to && from < end)
				kill_block(s, b); /* the page itself goes with its last block */
			else
				p->granules |= granules(first, end);
		}
	}
}

uint64_t soft_icount(const struct soft *s)
{
	int64_t left = s->budget + s->reserve;

	if (s->in_block)
		left += s->block->n_insns - (s->cur->n - 1);
	return s->icount_end - (uint64_t)left;
}

/* ---- profile ---------------------------------------------------------------- */

static uint64_t weight(const struct block *b)
{
	return b->crosses_page ? 0 : (uint64_t)b->n_entered * b->n_insns;
}

void block_profile(const struct soft *s, FILE *f, unsigned n)
{
	const struct block_cache *c = s->blocks;
	uint64_t below = UINT64_MAX;

	fprintf(f, "soft: %llu blocks decoded, %llu lookups, %llu TLB misses, %llu exceptions, %llu interrupts\n",
		(unsigned long long)s->n_blocks_decoded, (unsigned long long)s->n_block_lookups,
		(unsigned long long)s->n_tlb_miss, (unsigned long long)s->n_exceptions,
		(unsigned long long)s->n_interrupts);
	if (c->translator)
		c->translator->profile(c->translate, f);
	fprintf(f, "soft: blocks, by entries times instructions:\n");
	while (n--) {
		const struct block *best = NULL;
		const uint8_t *bytes;

		for (uint32_t h = 0; h < BLOCK_HASH_SIZE; h++) {
			for (uint32_t k = c->hash[h]; k; k = block_at(c, k)->hash_next) {
				const struct block *b = block_at(c, k);

				if (weight(b) < below && (!best || weight(b) > weight(best)))
					best = b;
			}
		}
		if (!best)
			return;
		below = weight(best);
		bytes = mem_ptr(s->mem, best->gpa, 8);
		fprintf(f, "  %12u  %#llx mode %u, %u instructions%s%s:", best->n_entered,
			(unsigned long long)best->gpa, best->mode, best->n_insns, best->has_code ? ", translated" : "",
			best->loops ? ", a loop" : "");
		for (unsigned k = 0; bytes && k < 8; k++)
			fprintf(f, " %02x", bytes[k]);
		fputc('\n', f);
	}
}
