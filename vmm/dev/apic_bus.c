/* vmm/dev/apic_bus.c: who gets an interrupt message, and the MSI that stands for one.
 *
 * Lowest priority goes to the APIC with the lowest processor priority among
 * those named, the first of equals: nothing is remembered from message to
 * message, so there is no state to save.
 *
 * Used by: vmm/machine_smp.c, machine.c, machine_kvm.c.   Source: SDM vol. 3 §11.6.2, §11.11. */
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

bool apic_msg_from_msi(uint64_t addr, uint32_t data, struct apic_msg *ret_msg)
{
	if ((addr & ~UINT64_C(0xFFFFF)) != LAPIC_BASE)
		return false;
	*ret_msg = (struct apic_msg){ .dest = addr >> 12 & 0xFF, .logical = addr >> 2 & 1,
				      .vector = (uint8_t)data, .delivery = data >> 8 & 7,
				      .level = data >> 15 & 1, .assert_level = data >> 14 & 1 };
	return true;
}

void apic_msg_to_msi(const struct apic_msg *msg, uint64_t *ret_addr, uint32_t *ret_data)
{
	*ret_addr = LAPIC_BASE | (uint64_t)(msg->dest & 0xFF) << 12 | (uint64_t)msg->logical << 2 |
		    (msg->delivery == APIC_LOWEST ? UINT64_C(8) : 0); /* redirection hint */
	*ret_data = msg->vector | (uint32_t)msg->delivery << 8 | (uint32_t)msg->assert_level << 14 |
		    (uint32_t)msg->level << 15;
}
