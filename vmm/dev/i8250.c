/* vmm/dev/i8250.c: the serial port.
 *
 * A byte sent is gone at once: the transmitter is always empty. The line's
 * rate is therefore whatever the reader takes; the divisor is only remembered.
 * The receiver's FIFO is 16 bytes (1 with the FIFO off); who feeds it asks for
 * room first, so that nothing is lost.
 *
 * Used by: vmm/machine.c (COM1).   Depends on: vmm/bus.h.
 * Source: PC16550D data sheet §8. */
#include "vmm/dev/i8250.h"

#include "core/state.h"

enum { REG_DATA, REG_IER, REG_IIR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCRATCH };
enum { IER_RX = 1, IER_THRE = 2, LCR_DLAB = 0x80, MCR_LOOP = 0x10, MCR_OUT2 = 8, FCR_ENABLE = 1,
       LSR_READY = 1, LSR_OVERRUN = 2, LSR_EMPTY = 0x60 };
enum { IIR_NONE = 1, IIR_THRE = 2, IIR_RX = 4, IIR_FIFO = 0xC0 };

static uint8_t cause(const struct i8250 *u)
{
	if ((u->ier & IER_RX) && u->rx_len)
		return IIR_RX;
	if ((u->ier & IER_THRE) && u->thr_empty_pending)
		return IIR_THRE;
	return IIR_NONE;
}

static void update(struct i8250 *u)
{
	irq_line_set(&u->irq, cause(u) != IIR_NONE);
}

size_t i8250_room(const struct i8250 *u)
{
	size_t size = u->fcr & FCR_ENABLE ? I8250_FIFO_SIZE : 1;

	return u->rx_len < size ? size - u->rx_len : 0;
}

static void push(struct i8250 *u, uint8_t byte)
{
	if (!i8250_room(u)) {
		u->overrun = true;
		return;
	}
	u->rx[(u->rx_head + u->rx_len++) % I8250_FIFO_SIZE] = byte;
}

size_t i8250_receive(struct i8250 *u, const uint8_t *bytes, size_t len)
{
	size_t room = i8250_room(u), n = len < room ? len : room;

	for (size_t i = 0; i < n; i++)
		push(u, bytes[i]);
	update(u);
	return n;
}

static uint8_t pop(struct i8250 *u)
{
	uint8_t v = 0;

	if (!u->rx_len)
		return 0;
	v = u->rx[u->rx_head];
	u->rx_head = (uint8_t)((u->rx_head + 1) % I8250_FIFO_SIZE);
	u->rx_len--;
	update(u);
	if (u->room)
		u->room(u->ctx);
	return v;
}

static uint8_t modem_status(const struct i8250 *u)
{
	if (!(u->mcr & MCR_LOOP))
		return 0xB0; /* DCD, DSR, CTS: someone listens */
	/* Loopback: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD. */
	return (uint8_t)((u->mcr & 2) << 3 | (u->mcr & 1) << 5 | (u->mcr & 4) << 4 |
			 (u->mcr & 8) << 4);
}

static uint8_t reg_read(struct i8250 *u, unsigned reg)
{
	uint8_t v;

	switch (reg) {
	case REG_DATA:
		return u->lcr & LCR_DLAB ? u->dll : pop(u);
	case REG_IER:
		return u->lcr & LCR_DLAB ? u->dlm : u->ier;
	case REG_IIR:
		v = cause(u);
		if (v == IIR_THRE) {
			u->thr_empty_pending = false;
			update(u);
		}
		return v | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0);
	case REG_LCR:
		return u->lcr;
	case REG_MCR:
		return u->mcr;
	case REG_LSR:
		v = (uint8_t)(LSR_EMPTY | (u->rx_len ? LSR_READY : 0) | (u->overrun ? LSR_OVERRUN : 0));
		u->overrun = false;
		return v;
	case REG_MSR:
		return modem_status(u);
	default:
		return u->scratch;
	}
}

static void data_write(struct i8250 *u, uint8_t v)
{
	if (u->lcr & LCR_DLAB) {
		u->dll = v;
		return;
	}
	if (u->mcr & MCR_LOOP)
		push(u, v);
	else
		u->out(u->ctx, v);
	u->thr_empty_pending = true;
}

static void fcr_write(struct i8250 *u, uint8_t v)
{
	bool clears = (v & 2) || ((v ^ u->fcr) & FCR_ENABLE);

	if (clears)
		u->rx_len = u->rx_head = 0;
	u->fcr = v & 0xC9;
	/* Nobody reads a byte of an empty FIFO: this is the only word of its room. */
	if (clears && u->room)
		u->room(u->ctx);
}

static void reg_write(struct i8250 *u, unsigned reg, uint8_t v)
{
	switch (reg) {
	case REG_DATA:
		data_write(u, v);
		break;
	case REG_IER:
		if (u->lcr & LCR_DLAB) {
			u->dlm = v;
			break;
		}
		if ((v & IER_THRE) && !(u->ier & IER_THRE))
			u->thr_empty_pending = true;
		u->ier = v & 0xF;
		break;
	case REG_IIR:
		fcr_write(u, v);
		break;
	case REG_LCR:
		u->lcr = v;
		break;
	case REG_MCR:
		u->mcr = v & 0x1F;
		break;
	case REG_SCRATCH:
		u->scratch = v;
		break;
	default:
		break;
	}
	update(u);
}

static uint64_t ports_read(void *ctx, uint64_t off, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)reg_read(ctx, (unsigned)off + i) << (8 * i);
	return v;
}

static void ports_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	for (unsigned i = 0; i < size; i++)
		reg_write(ctx, (unsigned)off + i, (uint8_t)(v >> (8 * i)));
}

static const struct bus_ops ports_ops = { ports_read, ports_write };

void i8250_init(struct i8250 *u, struct bus *bus, uint16_t base, struct irq_line irq,
		void (*out)(void *ctx, uint8_t byte), void (*room)(void *ctx), void *ctx)
{
	*u = (struct i8250){ .irq = irq, .out = out, .room = room, .ctx = ctx, .dll = 1 };
	bus_region_init(&u->ports, &ports_ops, u, 8);
	bus_pio_add(bus, &u->ports, base);
}

void i8250_state(struct i8250 *u, struct state *s)
{
	uint8_t *const reg[] = { &u->ier, &u->lcr, &u->mcr, &u->scratch, &u->dll, &u->dlm, &u->fcr };

	(void)state_begin(s, "uart", 0, 1);
	for (size_t i = 0; i < sizeof reg / sizeof reg[0]; i++)
		state_u8(s, reg[i]);
	state_bytes(s, u->rx, sizeof u->rx);
	state_u8(s, &u->rx_head);
	state_u8(s, &u->rx_len);
	state_expect(s, u->rx_head < I8250_FIFO_SIZE && u->rx_len <= I8250_FIFO_SIZE,
		     "a FIFO longer than it is");
	state_bool(s, &u->thr_empty_pending);
	state_bool(s, &u->overrun);
	state_end(s);
}
