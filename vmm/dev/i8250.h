/* vmm/dev/i8250.h: a serial port, of the 16550A kind.
 * Source: National Semiconductor PC16550D data sheet. */
#ifndef MUSTER_VMM_DEV_I8250_H
#define MUSTER_VMM_DEV_I8250_H

#include "vmm/bus.h"
#include "vmm/dev/irq.h"

struct state;

enum { I8250_FIFO_SIZE = 16 };

struct i8250 {
	struct bus_region ports;
	struct irq_line irq;
	void (*out)(void *ctx, uint8_t byte); /* what the guest sent */
	void (*room)(void *ctx); /* the receiver has room again; may be NULL */
	void *ctx;
	uint8_t rx[I8250_FIFO_SIZE];
	uint8_t rx_head, rx_len;
	uint8_t ier, lcr, mcr, scratch, dll, dlm, fcr;
	bool thr_empty_pending; /* THRE interrupt not yet taken */
	bool overrun;
};

void i8250_init(struct i8250 *u, struct bus *bus, uint16_t base, struct irq_line irq,
		void (*out)(void *ctx, uint8_t byte), void (*room)(void *ctx), void *ctx);
/* How many bytes i8250_receive() would take now. */
size_t i8250_room(const struct i8250 *u);
/* Bytes from outside; takes what there is room for and returns the count. */
size_t i8250_receive(struct i8250 *u, const uint8_t *bytes, size_t len);

/* Saves or loads the chip. Its line is the interrupt controllers' to restore. */
void i8250_state(struct i8250 *u, struct state *s);

#endif
