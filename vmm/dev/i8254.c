/* vmm/dev/i8254.c: the interval timer.
 *
 * Nothing ticks: a counter remembers when its count began, and count and
 * output are computed from the machine's clock. Counter 0's next rise of OUT
 * is a guest_timer. A count written takes effect at once (the chip waits for
 * the next clock, at most 838 ns). BCD is honoured when read and written.
 *
 * Used by: vmm/devices.c.   Depends on: vmm/guest_clock.h, vmm/bus.h.
 * Source: Intel 8254 data sheet; port 0x61: ISA System Architecture. */
#include "vmm/dev/i8254.h"

#include "core/state.h"
#include "vmm/devices.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t ticks_of(nsec_t ns)
{
	return ns <= 0 ? 0 : (uint64_t)((unsigned __int128)ns * I8254_HZ / 1000000000u);
}

/* The first nanosecond at which @ticks have passed. */
static nsec_t ns_of(uint64_t ticks)
{
	return (nsec_t)(((unsigned __int128)ticks * 1000000000u + I8254_HZ - 1) / I8254_HZ);
}

static uint64_t elapsed(const struct i8254 *p, const struct i8254_counter *c)
{
	return ticks_of(guest_clock_now(p->clock) - c->start);
}

static bool is_periodic(const struct i8254_counter *c)
{
	return c->mode == 2 || c->mode == 3;
}

static uint32_t count_now(const struct i8254 *p, const struct i8254_counter *c)
{
	uint64_t t = c->loaded && (c->gate || c->mode == 1 || c->mode == 5) ? elapsed(p, c) : 0;
	uint32_t n = c->reload;

	if (c->mode == 3)
		return n - (uint32_t)(2 * t % n);
	if (c->mode == 2)
		return n - (uint32_t)(t % n);
	return (uint32_t)((n - t) & 0xFFFF);
}

static bool out_now(const struct i8254 *p, const struct i8254_counter *c)
{
	uint64_t t = elapsed(p, c);

	if (!c->loaded)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
	case 1:
		return t >= c->reload;
	case 2:
		return !c->gate || t % c->reload != c->reload - 1;
	case 3:
		return !c->gate || t % c->reload < (c->reload + 1) / 2;
	default:
		return t != c->reload;
	}
}

/* Counter 0's next rise; its interrupt is edge-triggered. */
static void arm(struct i8254 *p)
{
	const struct i8254_counter *c = &p->counter[0];
	nsec_t at = NSEC_NEVER;

	if (c->loaded && is_periodic(c))
		at = c->start + ns_of((elapsed(p, c) / c->reload + 1) * c->reload);
	else if (c->loaded && elapsed(p, c) < c->reload && (c->mode == 0 || c->mode == 4))
		at = c->start + ns_of(c->reload);
	guest_timer_set(&p->timer, at);
}

static void fired(void *ctx, nsec_t now)
{
	struct i8254 *p = ctx;

	(void)now;
	irq_line_set(&p->irq0, false);
	irq_line_set(&p->irq0, true);
	arm(p);
}

static uint32_t from_bcd(uint32_t v)
{
	return (v & 15) + (v >> 4 & 15) * 10 + (v >> 8 & 15) * 100 + (v >> 12 & 15) * 1000;
}

static uint32_t to_bcd(uint32_t v)
{
	return v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12;
}

static void load(struct i8254 *p, struct i8254_counter *c, uint32_t v)
{
	if (c->bcd)
		v = from_bcd(v);
	c->reload = v ? v : c->bcd ? 10000 : 65536;
	if (c->reload == 1 && is_periodic(c))
		c->reload = 2; /* 1 is illegal in modes 2 and 3 */
	c->loaded = c->mode != 1 && c->mode != 5; /* those wait for the gate */
	c->start = guest_clock_now(p->clock);
	if (c == p->counter) {
		/* Mode 0 lowers OUT until the count ends. */
		irq_line_set(&p->irq0, c->mode != 0);
		arm(p);
	}
}

static void latch_count(const struct i8254 *p, struct i8254_counter *c)
{
	uint32_t v = count_now(p, c);

	if (c->n_latched)
		return;
	c->latch = (uint16_t)(c->bcd ? to_bcd(v) : v);
	c->n_latched = c->access == 3 ? 2 : 1;
}

static void latch_status(const struct i8254 *p, struct i8254_counter *c)
{
	if (c->status_latched)
		return;
	c->status_latched = true;
	c->status = (uint8_t)(out_now(p, c) << 7 | !c->loaded << 6 | c->access << 4 | c->mode << 1 |
			      c->bcd);
}

static void control_write(struct i8254 *p, uint8_t v)
{
	struct i8254_counter *c;

	if (v >> 6 == 3) { /* read-back */
		for (unsigned i = 0; i < 3; i++) {
			if (!(v >> (i + 1) & 1))
				continue;
			if (!(v & 0x20))
				latch_count(p, &p->counter[i]);
			if (!(v & 0x10))
				latch_status(p, &p->counter[i]);
		}
		return;
	}
	c = &p->counter[v >> 6];
	if (!(v >> 4 & 3)) {
		latch_count(p, c);
		return;
	}
	c->access = v >> 4 & 3;
	c->mode = v >> 1 & 7;
	if (c->mode > 5)
		c->mode &= 3; /* 6 and 7 are 2 and 3 */
	c->bcd = v & 1;
	c->loaded = c->write_high = c->read_high = c->status_latched = false;
	c->n_latched = 0;
	if (c == p->counter) {
		irq_line_set(&p->irq0, c->mode != 0);
		guest_timer_set(&p->timer, NSEC_NEVER);
	}
}

static uint8_t counter_read(const struct i8254 *p, struct i8254_counter *c)
{
	uint32_t v;

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	if (c->n_latched) {
		bool high = c->access == 2 || (c->access == 3 && c->n_latched == 1);

		c->n_latched--;
		return (uint8_t)(high ? c->latch >> 8 : c->latch);
	}
	v = count_now(p, c);
	if (c->bcd)
		v = to_bcd(v);
	if (c->access == 2)
		return (uint8_t)(v >> 8);
	if (c->access == 1)
		return (uint8_t)v;
	c->read_high = !c->read_high;
	return (uint8_t)(c->read_high ? v : v >> 8);
}

static void counter_write(struct i8254 *p, struct i8254_counter *c, uint8_t v)
{
	if (c->access == 1) {
		load(p, c, v);
	} else if (c->access == 2) {
		load(p, c, (uint32_t)v << 8);
	} else if (!c->write_high) {
		c->write_low = v;
		c->write_high = true;
	} else {
		c->write_high = false;
		load(p, c, c->write_low | (uint32_t)v << 8);
	}
}

static uint64_t ports_read(void *ctx, uint64_t off, unsigned size)
{
	struct i8254 *p = ctx;

	(void)size;
	return off < 3 ? counter_read(p, &p->counter[off]) : 0xFF;
}

static void ports_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct i8254 *p = ctx;

	(void)size;
	if (off == 3)
		control_write(p, (uint8_t)v);
	else
		counter_write(p, &p->counter[off], (uint8_t)v);
}

/* Port 0x61: bit 0 gate of counter 2, bit 1 speaker, bit 4 refresh toggle, bit 5 OUT 2. */
static uint64_t port61_read(void *ctx, uint64_t off, unsigned size)
{
	struct i8254 *p = ctx;
	const struct i8254_counter *c = &p->counter[2];
	uint64_t refresh = (uint64_t)guest_clock_now(p->clock) / 15085 & 1;

	(void)off;
	(void)size;
	return (uint64_t)c->gate | (uint64_t)p->speaker << 1 | refresh << 4 |
	       (uint64_t)out_now(p, c) << 5;
}

static void port61_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct i8254 *p = ctx;
	struct i8254_counter *c = &p->counter[2];
	bool gate = v & 1;

	(void)off;
	(void)size;
	p->speaker = v & 2;
	if (gate && !c->gate) {
		/* A rise starts modes 1 and 5, restarts 2 and 3, resumes 0 and 4. */
		c->start = guest_clock_now(p->clock);
		if (c->mode == 1 || c->mode == 5)
			c->loaded = true;
	}
	c->gate = gate;
}

static const struct bus_ops ports_ops = { ports_read, ports_write };
static const struct bus_ops port61_ops = { port61_read, port61_write };

void i8254_init(struct i8254 *p, struct bus *bus, struct guest_clock *clock, struct irq_line irq0)
{
	*p = (struct i8254){ .clock = clock, .irq0 = irq0 };
	for (unsigned i = 0; i < 3; i++)
		p->counter[i] = (struct i8254_counter){ .reload = 65536, .access = 3,
							.gate = i != 2, .mode = 3 };
	/* OUT rests high, so that programming a periodic mode is no edge. */
	irq_line_set(&irq0, true);
	guest_timer_init(&p->timer, clock, fired, p);
	bus_region_init(&p->ports, &ports_ops, p, 4);
	bus_region_init(&p->port61, &port61_ops, p, 1);
	bus_pio_add(bus, &p->ports, 0x40);
	bus_pio_add(bus, &p->port61, 0x61);
}

static void counter_state(const struct i8254 *p, struct i8254_counter *c, struct state *s)
{
	bool *const flag[] = { &c->bcd, &c->gate, &c->loaded, &c->write_high, &c->read_high,
			       &c->status_latched };

	state_u32(s, &c->reload);
	state_expect(s, c->reload >= 1 && c->reload <= 65536, "a count of more than 16 bits");
	state_u8(s, &c->mode);
	state_u8(s, &c->access);
	state_expect(s, c->mode <= 5 && c->access >= 1 && c->access <= 3, "a mode that is none");
	for (size_t i = 0; i < sizeof flag / sizeof flag[0]; i++)
		state_bool(s, flag[i]);
	state_u8(s, &c->write_low);
	state_u8(s, &c->status);
	state_u8(s, &c->n_latched);
	state_expect(s, c->n_latched <= 2, "a latch of more than 2 bytes");
	state_u16(s, &c->latch);
	guest_clock_state_time(p->clock, s, &c->start);
}

void i8254_state(struct i8254 *p, struct state *s)
{
	(void)state_begin(s, "pit ", 0, 1);
	for (unsigned i = 0; i < 3; i++)
		counter_state(p, &p->counter[i], s);
	state_bool(s, &p->speaker);
	guest_timer_state(&p->timer, s);
	state_end(s);
}

/* ---- in the machine -------------------------------------------------------------- */

static void dev_state(void *dev, struct state *s, uint32_t index)
{
	(void)index;
	i8254_state(dev, s);
}

const struct device_ops i8254_ops = { .name = "i8254", .state = dev_state, .free = free };

int i8254_make(const struct device_host *host, uint32_t index, struct device *ret_device)
{
	struct i8254 *p = calloc(1, sizeof *p);

	(void)index;
	if (!p)
		return -ENOMEM;
	i8254_init(p, host->bus, host->clock, host->irq(host->ctx, 0));
	*ret_device = (struct device){ .ops = &i8254_ops, .dev = p };
	return 0;
}
