/* vmm/cpu/soft/block/block_build.c: bytes to a block of uops.
 *
 * Only code that lies in RAM gets uops of its own: uop_slow() reads the bytes again.
 * All else runs by executors.
 *
 * Used by: block.c.   Depends on: decode.c, uop_select.c. */
#include "vmm/cpu/soft/block/block.h"

struct builder {
	struct soft *s;
	struct block *b;
	struct uop *next, *prev; /* prev: NULL when it may not be fused with */
	enum uop_cc cc;
};

static void fetch_bytes(struct soft *s, uint64_t gpa, uint8_t *dst, size_t n)
{
	for (size_t k = 0; k < n; k++)
		dst[k] = (uint8_t)phys_read(s, gpa + k, 1);
}

/* Appends @i. Returns true when the block ends behind it. */
static bool append(struct builder *d, const struct insn *i, bool may_select)
{
	struct uop *u = d->next;
	int n_slots = 0;

	d->b->n_bytes = (uint16_t)(d->b->n_bytes + i->len);
	d->b->n_insns++;
	*u = (struct uop){ .len = i->len, .n = d->b->n_insns, .off = d->b->n_bytes };
	if (may_select)
		n_slots = uop_select(u, i, d->prev, &d->cc);
	if (n_slots < 0) { /* became one with the uop before */
		d->next += 1;
		d->b->has_chain = true;
		return true;
	}
	if (n_slots) {
		d->next += n_slots;
		d->prev = u;
		d->b->has_chain = n_slots == 2;
		return i->flags & INSN_END;
	}
	u->fn = i->flags & INSN_END ? uop_generic_end : uop_generic;
	memcpy(u + 1, i, sizeof(*i));
	d->next += UOP_GENERIC_SLOTS;
	d->prev = NULL;
	d->cc = UOP_CC_UNKNOWN;
	return i->flags & INSN_END;
}

static void append_fall(struct builder *d)
{
	struct uop *u = d->next;

	*u = (struct uop){ .fn = uop_fall, .n = d->b->n_insns, .off = d->b->n_bytes };
	*uop_chain_of(u) = (struct uop_chain){ .taken = NULL };
	d->next += 2;
	d->b->has_chain = true;
}

/* The instruction at @lin goes on in the next page, or is not in RAM. */
static void build_crossing(struct builder *d, uint64_t lin, uint64_t gpa)
{
	struct soft *s = d->s;
	size_t left = MEM_PAGE_SIZE - (gpa & (MEM_PAGE_SIZE - 1));
	size_t n = left < 15 ? left : 15;
	uint8_t bytes[15];
	struct insn i;
	int len;

	fetch_bytes(s, gpa, bytes, n);
	len = insn_decode(bytes, n, (enum soft_mode)s->mode, &i);
	if (len == 0) {
		uint64_t next = s->mode == SOFT_MODE_64 ? lin + left : (uint32_t)(lin + left);
		uint64_t gpa2 = mmu_fetch_phys(s, next);

		fetch_bytes(s, gpa2, bytes + n, sizeof(bytes) - n);
		len = insn_decode(bytes, sizeof(bytes), (enum soft_mode)s->mode, &i);
		d->b->crosses_page = d->b->no_spans = true;
		d->b->page2 = (uint32_t)(gpa2 >> MEM_PAGE_SHIFT);
	}
	if (!append(d, &i, len > 0 && s->mode == SOFT_MODE_64 && d->b->is_ram && block_is_in_ram(s, d->b)))
		append_fall(d);
}

void block_build(struct soft *s, struct block *b, uint64_t lin, uint64_t gpa, unsigned n_max)
{
	struct builder d = { .s = s, .b = b, .next = (struct uop *)(void *)(b + 1) };
	size_t left = MEM_PAGE_SIZE - (gpa & (MEM_PAGE_SIZE - 1));
	const uint8_t *bytes = mem_ptr(s->mem, gpa, left);
	bool ended = false;

	*b = (struct block){ .enter = uop_enter, .gpa = gpa, .mode = s->mode & 7U, .tlb_n = s->tlb_n & 3U, .is_ram = bytes != NULL };
	b->code = s->blocks->no_code;
	if (b->code && n_max > 1 && s->mode == SOFT_MODE_64)
		b->enter = s->blocks->new_enter;
	s->n_blocks_decoded++;
	if (!bytes) {
		build_crossing(&d, lin, gpa);
		ended = true;
	}
	while (!ended && b->n_insns < n_max) {
		struct insn i;
		int len = insn_decode(bytes, left, (enum soft_mode)s->mode, &i);

		if (len == 0 && b->n_insns > 0)
			break;
		if (len == 0) {
			build_crossing(&d, lin, gpa);
			ended = true;
			break;
		}
		ended = append(&d, &i, len > 0 && s->mode == SOFT_MODE_64);
		bytes += i.len;
		left -= i.len;
	}
	if (!ended)
		append_fall(&d);
	b->n_slots = (uint8_t)(d.next - (struct uop *)(void *)b);
	if (b->crosses_page)
		b->enter = uop_enter_crossing;
}
