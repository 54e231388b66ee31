/* vmm/dev/mc146818.h: the real-time clock and its 128 bytes of CMOS memory.
 * Source: Motorola MC146818A data sheet. */
#ifndef MUSTER_VMM_DEV_MC146818_H
#define MUSTER_VMM_DEV_MC146818_H

#include "vmm/bus.h"
#include "vmm/dev/irq.h"
#include "vmm/guest_clock.h"

struct state;

struct mc146818 {
	struct guest_clock *clock; /* borrowed */
	struct guest_timer timer;
	struct irq_line irq8, alarm;
	struct bus_region ports;
	uint8_t index;
	uint8_t ram[128];
	int64_t offset_s; /* what the guest set the clock forward by */
	nsec_t periodic_at; /* next periodic tick */
	int64_t last_s; /* the last second that was looked at for update and alarm, while one is waited for */
};

/* @alarm: up when an enabled alarm comes, down when its flag is read: what ACPI's RTC event is. */
void mc146818_init(struct mc146818 *r, struct bus *bus, struct guest_clock *clock,
		   struct irq_line irq8, struct irq_line alarm);

/* Saves or loads the chip, after its clock. */
void mc146818_state(struct mc146818 *r, struct state *s);

#endif
