/* core/heap.c: a binary heap of events, the earliest first.
 *
 * Used by: core/loop.c for timers, the fabric for its elements.   Depends on: core/clock.h. */
#include "core/heap.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

int heap_reserve(struct heap *h, size_t n)
{
	size_t size = 2 * n;
	struct heap_item **items;

	if (n <= h->size)
		return 0;
	if (size > UINT32_MAX)
		return -ENOMEM;
	items = realloc(h->items, size * sizeof(struct heap_item *));
	if (!items)
		return -ENOMEM;
	h->items = items;
	h->size = (uint32_t)size;
	return 0;
}

void heap_done(struct heap *h)
{
	free(h->items);
	*h = (struct heap){ 0 };
}

static bool is_before(const struct heap_item *a, const struct heap_item *b)
{
	return a->at < b->at || (a->at == b->at && a->rank < b->rank);
}

static void put(struct heap *h, uint32_t place, struct heap_item *item)
{
	h->items[place] = item;
	item->place = place;
}

/* Puts @item at @place or above. */
static void up(struct heap *h, uint32_t place, struct heap_item *item)
{
	while (place > 0 && is_before(item, h->items[(place - 1) / 2])) {
		put(h, place, h->items[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(h, place, item);
}

/* Puts @item at @place or below. */
static void down(struct heap *h, uint32_t place, struct heap_item *item)
{
	for (;;) {
		uint32_t child = 2 * place + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && is_before(h->items[child + 1], h->items[child]))
			child++;
		if (!is_before(h->items[child], item))
			break;
		put(h, place, h->items[child]);
		place = child;
	}
	put(h, place, item);
}

/* Puts @item at @place, above or below it. */
static void sift(struct heap *h, uint32_t place, struct heap_item *item)
{
	up(h, place, item);
	down(h, item->place, item);
}

void heap_move(struct heap *h, struct heap_item *item, nsec_t at)
{
	nsec_t old = item->at;

	if (at == old)
		return;
	item->at = at;
	if (at == NSEC_NEVER) {
		struct heap_item *last = h->items[--h->n];

		if (last != item)
			sift(h, item->place, last);
	} else if (old == NSEC_NEVER) {
		assert(h->n < h->size);
		up(h, h->n++, item);
	} else {
		sift(h, item->place, item);
	}
}
