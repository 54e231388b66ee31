/* topologies/suggest.h: what somebody may have meant. */
#ifndef MUSTER_TOPOLOGIES_SUGGEST_H
#define MUSTER_TOPOLOGIES_SUGGEST_H

#include <stddef.h>

/* Collects the nearest of the words shown to it. */
struct suggestion {
	const char *word; /* what was written; borrowed */
	const char *best; /* borrowed; NULL: none near enough */
	size_t distance;
};

/* One more candidate; borrowed, as long as @s is asked. */
void suggest_consider(struct suggestion *s, const char *candidate);
/* "; did you mean 'X'?" into @buf, or "". Returns @buf. */
const char *suggest_str(const struct suggestion *s, char *buf, size_t size);

#endif
