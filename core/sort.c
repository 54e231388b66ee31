/* core/sort.c: a heapsort: no memory, no system call, and no order of the elements
 * that makes it slow (a saved state's sections are a stranger's).
 *
 * Used by: core/state.c, core/proc.c.
 * Sources: Knuth, The Art of Computer Programming vol. 3 §5.2.3. */
#include "core/sort.h"

#include <stdint.h>

struct heap {
	uint8_t *base;
	size_t size; /* of an element, bytes */
	int (*compare)(const void *a, const void *b);
};

static uint8_t *at(const struct heap *h, size_t i)
{
	return h->base + i * h->size;
}

static void swap(const struct heap *h, size_t i, size_t j)
{
	uint8_t *a = at(h, i), *b = at(h, j);

	for (size_t k = 0; k < h->size; k++) {
		uint8_t t = a[k];

		a[k] = b[k];
		b[k] = t;
	}
}

/* Element @i sinks until none of the first @n below it is larger. */
static void sink(const struct heap *h, size_t i, size_t n)
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && h->compare(at(h, child), at(h, child + 1)) < 0)
			child++;
		if (h->compare(at(h, i), at(h, child)) >= 0)
			return;
		swap(h, i, child);
	}
}

void sort_in_place(void *base, size_t n, size_t size, int (*compare)(const void *a, const void *b))
{
	struct heap h = { base, size, compare };

	for (size_t i = n / 2; i-- > 0;)
		sink(&h, i, n);
	for (size_t left = n; left > 1;) {
		swap(&h, 0, --left);
		sink(&h, 0, left);
	}
}
