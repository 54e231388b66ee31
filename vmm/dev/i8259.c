/* vmm/dev/i8259.c: the pair of interrupt controllers.
 *
 * Edge inputs latch into IRR on a rising level; level inputs (ELCR) are in IRR
 * for as long as the line is up. An input is offered when it is not masked and
 * outranks all in service; the slave's INT is the master's IR2. A request
 * whose line fell before INTA gives the spurious vector (IR7), not in service.
 *
 * Used by: vmm/machine.c.   Depends on: vmm/bus.h.   Source: Intel 8259A data sheet. */
#include "vmm/dev/i8259.h"

#include "core/state.h"

enum { CASCADE = 2 };

/* Rank of input @n: 0 is highest. */
static unsigned rank(const struct i8259_chip *c, unsigned n)
{
	return (n - c->lowest - 1) & 7;
}

/* The highest-ranking bit of @set; 8 when there is none. */
static unsigned first(const struct i8259_chip *c, uint8_t set)
{
	for (unsigned r = 0; r < 8; r++) {
		unsigned n = (c->lowest + 1 + r) & 7;

		if (set >> n & 1)
			return n;
	}
	return 8;
}

/* The input to offer; 8: none. */
static unsigned offer(const struct i8259_chip *c, bool is_master)
{
	unsigned req = first(c, (uint8_t)(c->irr & ~c->imr));
	uint8_t in_service = c->isr;
	unsigned busy;

	if (req == 8)
		return 8;
	if (c->special_mask)
		in_service &= (uint8_t)~c->imr;
	if (c->special_nested && is_master && req == CASCADE)
		in_service &= (uint8_t)~(1 << CASCADE);
	busy = first(c, in_service);
	return busy == 8 || rank(c, req) < rank(c, busy) ? req : 8;
}

static void chip_line(struct i8259_chip *c, unsigned n, bool level)
{
	uint8_t bit = (uint8_t)(1 << n);

	if (level) {
		if ((c->elcr & bit) || !(c->lines & bit))
			c->irr |= bit;
		c->lines |= bit;
	} else {
		/* Both kinds: a request must stay up until INTA. */
		c->irr &= (uint8_t)~bit;
		c->lines &= (uint8_t)~bit;
	}
}

static void update(struct i8259 *p)
{
	chip_line(&p->chip[0], CASCADE, offer(&p->chip[1], false) != 8);
	irq_line_set(&p->out, offer(&p->chip[0], true) != 8);
}

void i8259_set(struct i8259 *p, unsigned irq, bool level)
{
	if (irq > 15 || irq == CASCADE)
		return;
	chip_line(&p->chip[irq >> 3], irq & 7, level);
	update(p);
}

bool i8259_pending(const struct i8259 *p)
{
	return offer(&p->chip[0], true) != 8;
}

static uint8_t chip_ack(struct i8259_chip *c, bool is_master)
{
	unsigned n = offer(c, is_master);
	uint8_t bit;

	if (n == 8)
		return 7;
	bit = (uint8_t)(1 << n);
	if (!(c->elcr & bit))
		c->irr &= (uint8_t)~bit;
	if (!c->auto_eoi)
		c->isr |= bit;
	else if (c->rotate_auto_eoi)
		c->lowest = (uint8_t)n;
	return (uint8_t)n;
}

uint8_t i8259_ack(struct i8259 *p)
{
	uint8_t n = chip_ack(&p->chip[0], true);
	uint8_t vector = (uint8_t)(p->chip[0].base + n);

	if (n == CASCADE) {
		n = chip_ack(&p->chip[1], false);
		vector = (uint8_t)(p->chip[1].base + n);
	}
	update(p);
	return vector;
}

/* A spurious vector was never in service: there is nothing to undo. */
static bool chip_unack(struct i8259_chip *c, unsigned n)
{
	uint8_t bit = (uint8_t)(1 << n);

	if (!c->auto_eoi && !(c->isr & bit))
		return false;
	c->isr &= (uint8_t)~bit;
	c->irr |= bit;
	return true;
}

/* With automatic EOI and rotation the order of priorities stays as it became. */
void i8259_unack(struct i8259 *p, uint8_t vector)
{
	unsigned n = (unsigned)vector - p->chip[0].base, slave = (unsigned)vector - p->chip[1].base;

	if (n < 8 && n != CASCADE) {
		(void)chip_unack(&p->chip[0], n);
	} else if (slave < 8) {
		(void)chip_unack(&p->chip[1], slave);
		(void)chip_unack(&p->chip[0], CASCADE);
	}
	update(p);
}

static void write_ocw2(struct i8259_chip *c, uint8_t v)
{
	unsigned level = v & 7;

	switch (v >> 5) {
	case 1: /* EOI */
	case 5: /* rotate on EOI */
		level = first(c, c->isr);
		if (level == 8)
			return;
		/* fallthrough */
	case 3: /* specific EOI */
	case 7: /* rotate on specific EOI */
		c->isr &= (uint8_t)~(1 << level);
		if (v & 0x80)
			c->lowest = (uint8_t)level;
		break;
	case 0:
	case 4:
		c->rotate_auto_eoi = v & 0x80;
		break;
	case 6: /* set priority */
		c->lowest = (uint8_t)level;
		break;
	default:
		break;
	}
}

static void write_command(struct i8259_chip *c, uint8_t v)
{
	if (v & 0x10) { /* ICW1 */
		uint8_t lines = c->lines, elcr = c->elcr, elcr_mask = c->elcr_mask;

		*c = (struct i8259_chip){ .lines = lines, .elcr = elcr, .elcr_mask = elcr_mask,
					  .init_step = 2, .lowest = 7,
					  .icw4_needed = v & 1, .single = v & 2 };
		c->irr = lines & elcr;
	} else if (v & 0x08) { /* OCW3 */
		c->poll = v & 4;
		if (v & 2)
			c->read_isr = v & 1;
		if (v & 0x40)
			c->special_mask = v & 0x20;
	} else {
		write_ocw2(c, v);
	}
}

static void write_data(struct i8259_chip *c, uint8_t v)
{
	switch (c->init_step) {
	case 0:
		c->imr = v;
		break;
	case 2:
		c->base = v & 0xF8;
		c->init_step = c->single ? (c->icw4_needed ? 4 : 0) : 3;
		break;
	case 3:
		c->init_step = c->icw4_needed ? 4 : 0;
		break;
	default:
		c->auto_eoi = v & 2;
		c->special_nested = v & 0x10;
		c->init_step = 0;
	}
}

static void port_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct i8259 *p = ctx;
	struct i8259_chip *c = &p->chip[off >> 1];

	(void)size;
	if (off & 1)
		write_data(c, (uint8_t)v);
	else
		write_command(c, (uint8_t)v);
	update(p);
}

static uint64_t port_read(void *ctx, uint64_t off, unsigned size)
{
	struct i8259 *p = ctx;
	struct i8259_chip *c = &p->chip[off >> 1];
	unsigned n;

	(void)size;
	if (c->poll) {
		c->poll = false;
		n = offer(c, c == p->chip);
		if (n == 8)
			return 0;
		(void)chip_ack(c, c == p->chip);
		update(p);
		return 0x80 | n;
	}
	if (off & 1)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

/* One object serves both chips: the slave's region adds 2 to the offset. */
static uint64_t slave_read(void *ctx, uint64_t off, unsigned size)
{
	return port_read(ctx, off + 2, size);
}

static void slave_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	port_write(ctx, off + 2, size, v);
}

static uint64_t elcr_read(void *ctx, uint64_t off, unsigned size)
{
	const struct i8259 *p = ctx;

	(void)size;
	return p->chip[off].elcr;
}

static void elcr_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct i8259 *p = ctx;

	(void)size;
	p->chip[off].elcr = (uint8_t)v & p->chip[off].elcr_mask;
}

/* Byte-wide registers: the ops below split what is wider. */
#define BYTE_OPS(name)                                                                             \
	static uint64_t name##_read_bytes(void *ctx, uint64_t off, unsigned size)                  \
	{                                                                                          \
		uint64_t v = 0;                                                                    \
                                                                                                   \
		for (unsigned i = 0; i < size; i++)                                                \
			v |= (name##_read(ctx, off + i, 1) & 0xFF) << (8 * i);                     \
		return v;                                                                          \
	}                                                                                          \
	static void name##_write_bytes(void *ctx, uint64_t off, unsigned size, uint64_t v)         \
	{                                                                                          \
		for (unsigned i = 0; i < size; i++)                                                \
			name##_write(ctx, off + i, 1, v >> (8 * i) & 0xFF);                        \
	}                                                                                          \
	static const struct bus_ops name##_ops = { name##_read_bytes, name##_write_bytes }

BYTE_OPS(port);
BYTE_OPS(slave);
BYTE_OPS(elcr);

void i8259_init(struct i8259 *p, struct bus *bus, struct irq_line out)
{
	*p = (struct i8259){ .out = out };
	for (unsigned i = 0; i < 2; i++) {
		p->chip[i].lowest = 7;
		p->chip[i].imr = 0xFF; /* no firmware ran: nothing comes before ICWs */
	}
	p->chip[0].elcr_mask = 0xF8;
	p->chip[1].elcr_mask = 0xDE;
	bus_region_init(&p->ports[0], &port_ops, p, 2);
	bus_region_init(&p->ports[1], &slave_ops, p, 2);
	bus_region_init(&p->elcr, &elcr_ops, p, 2);
	bus_pio_add(bus, &p->ports[0], 0x20);
	bus_pio_add(bus, &p->ports[1], 0xA0);
	bus_pio_add(bus, &p->elcr, 0x4D0);
}

void i8259_set_level(struct i8259 *p, uint16_t irqs)
{
	for (unsigned i = 0; i < 2; i++)
		p->chip[i].elcr = (uint8_t)(irqs >> (8 * i)) & p->chip[i].elcr_mask;
}

static void chip_state(struct i8259_chip *c, struct state *s)
{
	uint8_t *const reg[] = { &c->irr, &c->isr, &c->imr, &c->lines, &c->base, &c->elcr,
				 &c->lowest, &c->init_step };
	bool *const flag[] = { &c->icw4_needed, &c->single, &c->auto_eoi, &c->rotate_auto_eoi,
			       &c->special_mask, &c->special_nested, &c->read_isr, &c->poll };

	for (size_t i = 0; i < sizeof reg / sizeof reg[0]; i++)
		state_u8(s, reg[i]);
	for (size_t i = 0; i < sizeof flag / sizeof flag[0]; i++)
		state_bool(s, flag[i]);
	state_expect(s, c->lowest <= 7 && c->init_step <= 4 && !(c->elcr & ~c->elcr_mask),
		     "a priority, step or level input that cannot be");
}

void i8259_state(struct i8259 *p, struct state *s)
{
	(void)state_begin(s, "pic ", 0, 1);
	chip_state(&p->chip[0], s);
	chip_state(&p->chip[1], s);
	state_end(s);
}
