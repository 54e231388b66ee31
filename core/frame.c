/* core/frame.c: frames and the pool they come from.
 *
 * A pool has a stack of spent blocks for each size class: the block used last is
 * handed out next, so the fast path stays in the cache. Classes are powers of two,
 * so that a small frame that waits takes little memory. The stacks start empty and
 * keep at most n_max blocks together; what comes back beyond that goes to the heap.
 * Frames larger than FRAME_POOL_SIZE never enter the stack. The pool counts
 * what is out, so that a leak shows at its end. Under the sanitizers nothing
 * is kept, so that a use after free is seen.
 *
 * Used by: every element, the fabric.   Depends on: nothing of ours. */
#include "core/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CLASS_COUNT = 6 /* 64, 128, ... 2048 */, CLASS_NONE = CLASS_COUNT /* never in a stack */ };
_Static_assert(FRAME_CLASS_MIN << (CLASS_COUNT - 1) == FRAME_POOL_SIZE, "a stack for each class");

struct frame_pool {
	struct frame *spent[CLASS_COUNT]; /* stacks, linked through next */
	size_t n_spent, n_max; /* of all classes */
	size_t n_out;
};

int frame_pool_new(size_t n_max, struct frame_pool **ret_pool)
{
	struct frame_pool *pool = calloc(1, sizeof *pool);

	if (!pool)
		return -ENOMEM;
#ifndef MUSTER_SAN
	pool->n_max = n_max;
#else
	(void)n_max;
#endif
	*ret_pool = pool;
	return 0;
}

struct frame_pool *frame_pool_free(struct frame_pool *pool)
{
	if (!pool)
		return NULL;
	assert(pool->n_out == 0);
	for (unsigned i = 0; i < CLASS_COUNT; i++)
		while (pool->spent[i]) {
			struct frame *f = pool->spent[i];

			pool->spent[i] = f->next;
			free(f);
		}
	free(pool);
	return NULL;
}

/* The class of a frame for @size bytes: by how often FRAME_CLASS_MIN goes into it, rounded up. */
static unsigned class_of(size_t size)
{
	static const uint8_t class[FRAME_POOL_SIZE / FRAME_CLASS_MIN + 1] = {
		0, 0, 1, 2, 2, 3, 3, 3, 3, [9 ... 16] = 4, [17 ... 32] = 5,
	};

	return class[(size + FRAME_CLASS_MIN - 1) / FRAME_CLASS_MIN];
}

struct frame *frame_new(struct frame_pool *pool, size_t size)
{
	unsigned class = CLASS_NONE;
	struct frame *f;

	if (size > FRAME_LEN_MAX)
		return NULL;
	if (pool && size <= FRAME_POOL_SIZE) {
		class = class_of(size);
		f = pool->spent[class];
		if (f) {
			pool->spent[class] = f->next;
			pool->n_spent--;
			goto out;
		}
		size = (size_t)FRAME_CLASS_MIN << class;
	}
	f = malloc(sizeof *f + size);
	if (!f)
		return NULL;
	f->size = (uint32_t)size;
	f->class = (uint8_t)class;
	f->pool = pool;
out:
	f->next = NULL;
	f->rx_time_ns = 0;
	f->due_ns = 0;
	f->offload = (struct frame_offload){ 0 };
	f->len = 0;
	if (pool)
		pool->n_out++;
	return f;
}

struct frame *frame_copy(struct frame_pool *pool, const struct frame *from)
{
	struct frame *f = frame_new(pool, from->len);

	if (!f)
		return NULL;
	f->rx_time_ns = from->rx_time_ns;
	f->due_ns = from->due_ns;
	f->offload = from->offload;
	f->len = from->len;
	memcpy(f->data, from->data, from->len);
	return f;
}

struct frame *frame_free(struct frame *f)
{
	struct frame_pool *pool;

	if (!f)
		return NULL;
	pool = f->pool;
	if (!pool) {
		free(f);
		return NULL;
	}
	pool->n_out--;
	if (f->class < CLASS_NONE && pool->n_spent < pool->n_max) {
		f->next = pool->spent[f->class];
		pool->spent[f->class] = f;
		pool->n_spent++;
	} else {
		free(f);
	}
	return NULL;
}
