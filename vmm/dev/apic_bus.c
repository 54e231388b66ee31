/* vmm/dev/apic_bus.c: who gets an interrupt message.
 *
 * Lowest priority goes to the APIC with the lowest processor priority among
 * those named, the first of equals: nothing is remembered from message to
 * message, so there is no state to save.
 *
 * Used by: vmm/machine_smp.c.   Source: SDM vol. 3 §11.6.2. */
#include "vmm/dev/apic_bus.h"

#include <assert.h>

void apic_bus_add(struct apic_bus *b, struct lapic *l)
{
	assert(b->n < APIC_BUS_MAX);
	b->lapic[b->n++] = l;
}

static bool send_lowest(struct apic_bus *b, const struct apic_msg *msg, const struct lapic *except)
{
	struct lapic *best = NULL;

	for (unsigned i = 0; i < b->n; i++) {
		struct lapic *l = b->lapic[i];

		if (l != except && lapic_takes(l, msg) &&
		    (!best || lapic_priority(l) < lapic_priority(best)))
			best = l;
	}
	return best && lapic_deliver(best, msg);
}

bool apic_bus_send(struct apic_bus *b, const struct apic_msg *msg, const struct lapic *except)
{
	bool taken = false;

	if (msg->delivery == APIC_LOWEST)
		return send_lowest(b, msg, except);
	for (unsigned i = 0; i < b->n; i++)
		if (b->lapic[i] != except && lapic_deliver(b->lapic[i], msg))
			taken = true;
	return taken;
}
