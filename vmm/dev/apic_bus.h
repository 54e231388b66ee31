/* vmm/dev/apic_bus.h: what connects the local APICs of one machine: a message
 * goes to all that it names, or to one of them when it asks for the lowest priority. */
#ifndef MUSTER_VMM_DEV_APIC_BUS_H
#define MUSTER_VMM_DEV_APIC_BUS_H

#include "vmm/dev/lapic.h"

enum { APIC_BUS_MAX = 8 };

struct apic_bus {
	struct lapic *lapic[APIC_BUS_MAX]; /* borrowed; by APIC ID */
	unsigned n;
};

/* The next local APIC. At most APIC_BUS_MAX. */
void apic_bus_add(struct apic_bus *b, struct lapic *l);
/* @except: hears nothing of it; may be NULL. Returns whether someone took the message. */
bool apic_bus_send(struct apic_bus *b, const struct apic_msg *msg, const struct lapic *except);

/* The message which an MSI stands for (SDM vol. 3 §11.11).
 * Returns false when @addr is not an interrupt address. */
bool apic_msg_from_msi(uint64_t addr, uint32_t data, struct apic_msg *ret_msg);
/* And back: the address and data of the MSI that is @msg (xAPIC destinations). */
void apic_msg_to_msi(const struct apic_msg *msg, uint64_t *ret_addr, uint32_t *ret_data);

#endif
