/* vmm/cpu/soft/block/uop_flow.c: entering and leaving blocks, generic uops, the slow
 * paths of the fast ones.
 *
 * Used by: block_build.c, uop_*.c. */
#include "vmm/cpu/soft/block/block.h"

/* The whole block is charged to the budget at its entry; an early exit refunds what did not run. */
const struct uop *uop_enter(struct soft *s, const struct uop *u)
{
	const struct block *b = (const struct block *)(const void *)u;
	int64_t left = s->budget - b->n_insns;

	if (UOP_UNLIKELY(left < 0))
		return NULL;
	s->budget = left;
	s->r[INSN_REG_RIP] = s->rip;
	s->block = b;
	UOP_NEXT(s, u + BLOCK_HEADER_SLOTS);
}

/* A page crossing instruction: entered only when its second page is the one that it was decoded from. The run loop
 * has checked that already. */
const struct uop *uop_enter_crossing(struct soft *s, const struct uop *u)
{
	const struct block *b = (const struct block *)(const void *)u;
	uint64_t next = (s->rip | (MEM_PAGE_SIZE - 1)) + 1;
	const struct code_entry *e = &s->code_tlb[TLB_INDEX(next)];

	if (e->tag != next || e->pfn != b->page2)
		return NULL;
	return s->blocks->new_enter(s, u);
}

/* A link led to a block that is no more: the block found instead takes its place. */
const struct uop *uop_dead(struct soft *s, const struct uop *u)
{
	struct uop_chain *l = block_chain(s->block);

	if (l && l->taken == u)
		s->chain = &l->taken;
	else if (l && l->fall == u)
		s->chain = &l->fall;
	return NULL;
}

static void begin(struct soft *s, const struct uop *u)
{
	uint64_t next = uop_rip(s, u);

	s->cur = u;
	if (UOP_UNLIKELY(s->mode != SOFT_MODE_64))
		next = (uint32_t)next;
	s->rip = next;
	s->insn_rip = next - u->len;
}

/* Leaves the block behind @u, which was not its last. */
static const struct uop *leave(struct soft *s, const struct uop *u)
{
	s->budget += s->block->n_insns - u->n;
	return NULL;
}

const struct uop *uop_generic(struct soft *s, const struct uop *u)
{
	const struct insn *i = (const struct insn *)(const void *)(u + 1);

	begin(s, u);
	i->exec(s, i);
	if (UOP_UNLIKELY(s->block_dead))
		return leave(s, u);
	UOP_NEXT(s, u + UOP_GENERIC_SLOTS);
}

const struct block *uop_end(struct soft *s, const struct uop *u)
{
	const struct insn *i = (const struct insn *)(const void *)(u + 1);

	begin(s, u);
	i->exec(s, i);
	/* Straight on when there is nothing that the run loop would look at. */
	if (s->mode != SOFT_MODE_64 || s->intr_line || s->nmi_pending || s->halted || s->shutdown || s->shadow ||
	    s->block_dead || s->rflags & FLAG_TF)
		return NULL;
	return block_jump_target(s);
}

const struct uop *uop_generic_end(struct soft *s, const struct uop *u)
{
	const struct block *b = uop_end(s, u);

	if (UOP_UNLIKELY(!b))
		return NULL;
	UOP_NEXT(s, (const struct uop *)(const void *)b);
}

/* The block's code simply goes on elsewhere. */
const struct uop *uop_fall(struct soft *s, const struct uop *u)
{
	UOP_GOTO(s, &uop_chain_of(u)->fall, uop_rip(s, u));
}

const struct uop *uop_nop(struct soft *s, const struct uop *u)
{
	UOP_NEXT(s, u + 1);
}

/* The block is in RAM, so the bytes are where they were decoded from. */
const struct uop *uop_slow(struct soft *s, const struct uop *u)
{
	uint8_t bytes[15];
	struct insn i;

	block_bytes(s, s->block, (unsigned)u->off - u->len, u->len, bytes);
	begin(s, u);
	(void)insn_decode(bytes, u->len, (enum soft_mode)s->mode, &i);
	i.exec(s, &i);
	if (UOP_UNLIKELY(s->block_dead))
		return leave(s, u);
	if (i.flags & INSN_END)
		return NULL;
	UOP_NEXT(s, u + 1);
}

const struct uop *uop_miss_ld(struct soft *s, const struct uop *u)
{
	uint64_t lin = uop_lin_full(s, u);

	begin(s, u);
	if (!mmu_host_read_fill(s, lin, u->size) ||
	    !MMU_FAST(s->tlb[TLB_INDEX(lin)].read_tag, lin, u->size))
		return uop_slow(s, u);
	UOP_NEXT(s, u);
}

const struct uop *uop_miss_st(struct soft *s, const struct uop *u)
{
	uint64_t lin = uop_lin_full(s, u);

	begin(s, u);
	if (!mmu_host_write_fill(s, lin, u->size) ||
	    !MMU_FAST(s->tlb[TLB_INDEX(lin)].write_tag, lin, u->size))
		return uop_slow(s, u);
	UOP_NEXT(s, u);
}

const struct uop *uop_unchained(struct soft *s, const struct uop **link)
{
	if ((s->rip ^ s->r[INSN_REG_RIP]) >> MEM_PAGE_SHIFT)
		return uop_jump(s);
	s->chain = link;
	return NULL;
}

const struct uop *uop_jump(struct soft *s)
{
	const struct block *b = block_jump_target(s);

	if (UOP_UNLIKELY(!b))
		return NULL;
	UOP_NEXT(s, (const struct uop *)(const void *)b);
}
