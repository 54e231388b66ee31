/* vmm/dev/acpi.h: ACPI's fixed hardware: PM1a event and control blocks, the PM
 * timer. The tables that tell of it are vmm/boot/acpi_tables.c's.
 * Source: ACPI 6.4 §4.8. */
#ifndef MUSTER_VMM_DEV_ACPI_H
#define MUSTER_VMM_DEV_ACPI_H

#include "vmm/bus.h"
#include "vmm/dev/irq.h"
#include "vmm/guest_clock.h"

struct state;

enum { ACPI_PM1A_EVT = 0x600, ACPI_PM1A_CNT = 0x604, ACPI_PM_TMR = 0x608, ACPI_SCI = 9,
       ACPI_S5_TYPE = 5, ACPI_GPE0 = 0x610, ACPI_GPE0_LEN = 2 /* a byte of status, one to enable */, ACPI_GPE_MAX = 8,
       ACPI_PM_TIMER_HZ = 3579545 };

struct acpi {
	struct guest_clock *clock; /* borrowed */
	struct irq_line sci;
	struct bus_region ports;
	uint16_t status, enable, control;
	struct bus_region gpe_ports; /* on the bus once a device claimed an event */
	unsigned n_gpes; /* claimed */
	uint8_t gpe_status, gpe_enable; /* a bit an event */
	void (*poweroff)(void *ctx);
	void *ctx;
};

/* @poweroff: the guest entered S5. */
void acpi_init(struct acpi *a, struct bus *bus, struct guest_clock *clock, struct irq_line sci,
	       void (*poweroff)(void *ctx), void *ctx);
/* The power button is pressed. Returns whether the guest enabled its event: a driver hears it. */
bool acpi_power_button(struct acpi *a);
/* The RTC's alarm came (§4.8.2.4): a guest that froze itself is woken by it. */
void acpi_rtc_alarm(struct acpi *a);

/* A general-purpose event for a device (§4.8.4.1); the block appears with the first one.
 * Returns its number, for _Exx; -ENOSPC. */
int acpi_gpe_claim(struct acpi *a, struct bus *bus);
/* Event @n of those occurred. */
void acpi_gpe_raise(struct acpi *a, unsigned n);

/* Saves or loads the registers; those of general-purpose events in a section of their own, which a
 * state saved without such events has not. */
void acpi_state(struct acpi *a, struct state *s);

#endif
