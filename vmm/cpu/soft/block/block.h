/* vmm/cpu/soft/block/block.h: the decoded-block cache.
 *
 * A block is found by the guest-physical address of its first byte and the
 * mode it was decoded in, so it outlives changes of the page tables. It ends
 * behind a branch, behind an instruction marked INSN_END, at the end of its
 * page or after BLOCK_MAX_INSNS. An instruction that crosses a page is a block
 * of its own, which also names the second page; each entry checks in the TLB that this page is still mapped there.
 *
 * Bounds: BLOCK_ARENAS arenas of BLOCK_ARENA_SLOTS slots, filled one after the other. When
 * all are full the one that was filled first is emptied whole: its blocks leave hash
 * and pages, and chains into it are cut. At most BLOCK_PAGES pages hold code;
 * one more empties the cache.
 *
 * A store to a page that holds code kills the blocks whose bytes it touches; a
 * bitmap of 64-byte granules spares the search for most stores beside code.
 * A dead block's header leads to the dispatcher, so chains to it do no harm.
 *
 * Used by: soft_cpu.c, uop_flow.c. */
#ifndef MUSTER_VMM_CPU_SOFT_BLOCK_BLOCK_H
#define MUSTER_VMM_CPU_SOFT_BLOCK_BLOCK_H

#include "vmm/cpu/soft/block/uop.h"

#include <stdio.h>

/* What a translator does for the cache (translate.h). None of these may be NULL. */
struct translate;
struct block_translator {
	/* The code of @b is not to be used any more. */
	void (*drop)(struct translate *t, struct block *b);
	/* Drops all code and gives its memory back. */
	void (*release)(struct soft *s);
	/* Prints what it did. */
	void (*profile)(const struct translate *t, FILE *f);
	/* Frees it; returns NULL. */
	struct translate *(*free)(struct translate *t);
};

enum { BLOCK_ARENAS = 8, BLOCK_ARENA_SLOTS = 24576 /* 768 KiB */, BLOCK_HASH_SIZE = 1 << 15,
       BLOCK_PAGES = 8192, BLOCK_PAGE_HASH_SIZE = 1 << 12 };

/* A page that code was decoded from. */
struct block_page {
	uint64_t gpa;
	uint64_t granules; /* 64-byte pieces that blocks cover */
	uint32_t first; /* slot of a block; 0: none */
	uint32_t hash_next; /* index + 1; free pages are listed by it too */
};

struct block_cache {
	struct uop *slots; /* the arenas, one mapping; slot 0 is never a block */
	uint32_t used[BLOCK_ARENAS]; /* slots of each arena */
	uint32_t arena; /* being filled */
	uint64_t n_recycled; /* arenas emptied so far; a pointer that is kept across a build holds while this is the same */
	uint32_t hash[BLOCK_HASH_SIZE];
	struct block_page pages[BLOCK_PAGES];
	uint32_t page_hash[BLOCK_PAGE_HASH_SIZE];
	uint32_t page_free;
	struct jump_entry jump[JUMP_SIZE];
	/* The translator; without one blocks are interpreted, translate and no_code are NULL and new_enter is uop_enter. */
	const struct block_translator *translator;
	struct translate *translate; /* owned */
	uop_fn *new_enter; /* the enter of a block that has no code yet */
	const uint8_t *no_code; /* the code of such a block */
	/* A block outside of the cache: single steps, code that is not in RAM. */
	_Alignas(16) struct uop scratch[BLOCK_MAX_SLOTS];
};

/* A cache without a translator; NULL when there is no memory. */
struct block_cache *block_cache_new(void);
/* Accepts NULL; returns NULL. */
struct block_cache *block_cache_free(struct block_cache *c);
/* Takes their translated code away from all blocks. */
void block_code_forget(struct block_cache *c);
/* Drops every block. */
void block_cache_clear(struct soft *s);
/* The same, and gives the memory back. Not while a block runs. */
void block_cache_release(struct soft *s);

/* The block at s->rip in the current mode, decoding it when it is not there;
 * raises what the fetch raises. Also fills s->chain when it is set and may be. */
const struct block *block_find(struct soft *s);
/* One instruction at s->rip, in the scratch block. */
const struct block *block_single(struct soft *s);

/* Whether the block's bytes are in RAM, on either page; and they, of which @len at @off go to @dst. */
bool block_is_in_ram(struct soft *s, const struct block *b);
void block_bytes(struct soft *s, const struct block *b, unsigned off, unsigned len, uint8_t *dst);

/* The block at s->rip when the jump cache and the TLB know it; else NULL. */
static inline const struct block *block_jump_target(const struct soft *s)
{
	const struct jump_entry *j = &s->blocks->jump[jump_index(s->rip)];
	const struct code_entry *e = &s->code_tlb[TLB_INDEX(s->rip)];

	if (UOP_UNLIKELY(j->key != (s->rip ^ s->jump_key) || !j->block || j->block->dead))
		return NULL;
	if (UOP_UNLIKELY(e->tag != (s->rip & ~UINT64_C(0xFFF)) || e->pfn != j->block->gpa >> MEM_PAGE_SHIFT))
		return NULL;
	return j->block;
}

/* block_build.c: decodes from @lin, whose bytes are at @gpa, at most @n_max
 * instructions into @b and its slots (BLOCK_MAX_SLOTS). Raises fetch faults. */
void block_build(struct soft *s, struct block *b, uint64_t lin, uint64_t gpa, unsigned n_max);

/* Instructions retired, exact at any moment (budget included). */
uint64_t soft_icount(const struct soft *s);
/* Before a store of @len bytes at @gpa: drops the blocks that it hits. For s->code_written. */
void block_code_written(struct soft *s, uint64_t gpa, size_t len);

/* Prints the @n blocks that the dispatcher entered most often. */
void block_profile(const struct soft *s, FILE *f, unsigned n);

#endif
