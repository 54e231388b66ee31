/* topologies/arena.h: memory that ends all at once: what a team file becomes.
 *
 * Everything read from one file has one lifetime, so it has one owner. Running
 * out of memory aborts: what is asked for is bounded by the file's size. */
#ifndef MUSTER_TOPOLOGIES_ARENA_H
#define MUSTER_TOPOLOGIES_ARENA_H

#include <stddef.h>

struct arena;

/* An empty arena; the caller ends it with arena_free(). Aborts when memory is out. */
struct arena *arena_new(void);
/* Accepts NULL; returns NULL. */
struct arena *arena_free(struct arena *a);
/* @size bytes of zeroes, aligned for anything; never NULL. */
void *arena_alloc(struct arena *a, size_t size);
/* @n elements of @size bytes; aborts when the product overflows. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* A copy of @len bytes and a NUL. */
char *arena_dup(struct arena *a, const char *s, size_t len);
/* What printf(3) would write, in the arena. */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
