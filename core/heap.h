/* core/heap.h: a binary heap of events, the earliest first.
 *
 * An item lies in what it belongs to and knows its place in the heap, so moving one takes O(log n)
 * and nothing is searched. Items of the same instant come in the order of their ranks: what
 * comes first depends neither on the order of calls nor on addresses.
 *
 * The heap borrows its items; an item that ends is taken out before (heap_move() to NSEC_NEVER). */
#ifndef MUSTER_CORE_HEAP_H
#define MUSTER_CORE_HEAP_H

#include "core/clock.h"

#include <stddef.h>
#include <stdint.h>

struct heap_item {
	nsec_t at; /* NSEC_NEVER: in no heap */
	uint32_t rank; /* the lower one first, among items of one instant */
	uint32_t place; /* in the heap, while it is in one */
};

struct heap {
	struct heap_item **items;
	uint32_t n, size;
};

/* An item in no heap. @rank: one of its own for each item where their order matters. */
static inline void heap_item_init(struct heap_item *item, uint32_t rank)
{
	*item = (struct heap_item){ .at = NSEC_NEVER, .rank = rank };
}

/* Makes room for @n items, so that heap_move() never fails. Returns 0 or -ENOMEM; then the heap is as it was. */
int heap_reserve(struct heap *h, size_t n);
void heap_done(struct heap *h); /* the items are the caller's */

/* Puts @item at instant @at: in, elsewhere, or, with NSEC_NEVER, out. There is room for it. */
void heap_move(struct heap *h, struct heap_item *item, nsec_t at);

/* The earliest item, borrowed; NULL when there is none. */
static inline struct heap_item *heap_first(const struct heap *h)
{
	return h->n ? h->items[0] : NULL;
}

/* The instant of the earliest item; NSEC_NEVER when there is none. */
static inline nsec_t heap_next(const struct heap *h)
{
	return h->n ? h->items[0]->at : NSEC_NEVER;
}

#endif
