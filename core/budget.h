/* core/budget.h: a token bucket: what one source may use at once, and over time. */
#ifndef MUSTER_CORE_BUDGET_H
#define MUSTER_CORE_BUDGET_H

#include "core/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct budget {
	uint32_t size; /* the most it holds, and what it begins with */
	uint32_t per_s; /* what comes back a second */
	uint32_t left;
	nsec_t at; /* until when @left has what came back */
};

/* @size, @per_s: above 0. */
void budget_init(struct budget *b, uint32_t size, uint32_t per_s, nsec_t now);
/* Takes @amount out. Returns false, and takes nothing, when less is left. */
bool budget_take(struct budget *b, nsec_t now, uint32_t amount);

#endif
