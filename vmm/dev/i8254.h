/* vmm/dev/i8254.h: the interval timer, its three counters, and port 0x61.
 * Source: Intel 8254 data sheet (231164). */
#ifndef MUSTER_VMM_DEV_I8254_H
#define MUSTER_VMM_DEV_I8254_H

#include "vmm/bus.h"
#include "vmm/dev/irq.h"
#include "vmm/guest_clock.h"

struct state;

enum { I8254_HZ = 1193182 };

struct i8254_counter {
	uint32_t reload; /* 1 to 65536 */
	uint8_t mode, access; /* access: 1 low, 2 high, 3 both */
	bool bcd, gate, loaded, write_high, read_high, status_latched;
	uint8_t write_low, status;
	uint8_t n_latched; /* bytes of the latched count not read yet */
	uint16_t latch;
	nsec_t start; /* when the running count began */
};

struct i8254 {
	struct guest_clock *clock; /* borrowed */
	struct guest_timer timer; /* counter 0's next edge */
	struct irq_line irq0;
	struct i8254_counter counter[3];
	struct bus_region ports, port61;
	bool speaker;
};

void i8254_init(struct i8254 *p, struct bus *bus, struct guest_clock *clock, struct irq_line irq0);

/* Saves or loads the chip, after its clock. */
void i8254_state(struct i8254 *p, struct state *s);

#endif
