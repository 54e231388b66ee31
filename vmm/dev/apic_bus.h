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

#endif
