/* vmm/dev/i8259.h: the two cascaded interrupt controllers of a PC.
 * Source: Intel 8259A data sheet (231468). */
#ifndef MUSTER_VMM_DEV_I8259_H
#define MUSTER_VMM_DEV_I8259_H

#include "vmm/bus.h"
#include "vmm/dev/irq.h"

struct state;

struct i8259_chip {
	uint8_t irr, isr, imr, lines; /* lines: levels now */
	uint8_t base; /* ICW2: vector of IR0 */
	uint8_t elcr; /* level-triggered inputs, ports 0x4D0/0x4D1 */
	uint8_t lowest; /* rotating priority: the input of lowest priority */
	uint8_t init_step; /* 0: operating; else the ICW expected next (2 to 4) */
	bool icw4_needed, single, auto_eoi, rotate_auto_eoi, special_mask, special_nested;
	bool read_isr, poll;
	uint8_t elcr_mask; /* inputs that may be level-triggered */
};

struct i8259 {
	struct i8259_chip chip[2]; /* master, slave (on the master's IR2) */
	struct irq_line out; /* INT of the master */
	struct bus_region ports[2], elcr;
};

void i8259_init(struct i8259 *p, struct bus *bus, struct irq_line out);
/* Makes the interrupts of @irqs (a bit each) level-triggered, as firmware does for PCI's. */
void i8259_set_level(struct i8259 *p, uint16_t irqs);
/* @irq: 0 to 15 (2 is the cascade: ignored). */
void i8259_set(struct i8259 *p, unsigned irq, bool level);
/* INTA: the vector, acknowledged. A request that went away gives IR7's, as the chip does. */
uint8_t i8259_ack(struct i8259 *p);
/* Undoes the last i8259_ack(), which gave @vector: the processor did not take it after all. */
void i8259_unack(struct i8259 *p, uint8_t vector);
/* Whether the chip asks for an interrupt. */
bool i8259_pending(const struct i8259 *p);

/* Saves or loads both chips, with the levels of their inputs. */
void i8259_state(struct i8259 *p, struct state *s);

#endif
