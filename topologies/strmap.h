/* topologies/strmap.h: text to number, so that no check of a large file is
 * quadratic. Keys are borrowed; the table belongs to an arena. */
#ifndef MUSTER_TOPOLOGIES_STRMAP_H
#define MUSTER_TOPOLOGIES_STRMAP_H

#include "topologies/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strmap {
	struct arena *arena; /* borrowed */
	struct strmap_slot *slots;
	size_t n, size;
};

/* An empty map. */
void strmap_init(struct strmap *m, struct arena *arena);
/* Returns true when @key was new; else *ret_old (may be NULL) is what it had,
 * and it keeps that. */
bool strmap_add(struct strmap *m, const char *key, size_t value, size_t *ret_old);
/* Looks @key up. Returns false, with the value untouched, when it is not there. */
bool strmap_get(const struct strmap *m, const char *key, size_t *ret_value);
/* FNV-1a 64, the same everywhere: planning depends on it. */
uint64_t strmap_hash(const char *s);

#endif
