/* vmm/dev/irq.h: an interrupt line between a device and whatever listens. */
#ifndef MUSTER_VMM_DEV_IRQ_H
#define MUSTER_VMM_DEV_IRQ_H

#include <stdbool.h>
#include <stddef.h>

/* A level. The listener may be told the same level twice. @set NULL: no one. */
struct irq_line {
	void (*set)(void *ctx, unsigned n, bool level);
	void *ctx;
	unsigned n;
};

static inline void irq_line_set(const struct irq_line *l, bool level)
{
	if (l->set)
		l->set(l->ctx, l->n, level);
}

#endif
