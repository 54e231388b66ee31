/* vmm/dev/i82093.c: the I/O APIC.
 *
 * An edge input sends on each rise while unmasked (a rise while masked is
 * lost, as in the chip). A level input sends while its line is up and remote
 * IRR is clear; EOI of its vector clears remote IRR, and the line decides
 * whether it is sent again.
 *
 * Used by: vmm/machine.c.   Depends on: vmm/dev/lapic.h (struct apic_msg).
 * Source: Intel 82093AA data sheet §3. */
#include "vmm/dev/i82093.h"

#include "core/state.h"

#define ENTRY_REMOTE_IRR (UINT64_C(1) << 14)
#define ENTRY_LEVEL (UINT64_C(1) << 15)
#define ENTRY_MASKED (UINT64_C(1) << 16)
#define ENTRY_READ_ONLY (ENTRY_REMOTE_IRR | UINT64_C(1) << 12)
#define ENTRY_BITS UINT64_C(0xFF0000000001FFFF)

bool i82093_message(const struct i82093 *a, unsigned pin, struct apic_msg *ret_msg)
{
	uint64_t e = a->entry[pin];

	*ret_msg = (struct apic_msg){ .vector = (uint8_t)e, .delivery = e >> 8 & 7,
				      .logical = e >> 11 & 1, .level = !!(e & ENTRY_LEVEL),
				      .assert_level = true, .dest = (uint32_t)(e >> 56) };
	return !(e & ENTRY_MASKED);
}

static void send(struct i82093 *a, unsigned pin)
{
	struct apic_msg msg;

	(void)i82093_message(a, pin, &msg);
	if (msg.level)
		a->entry[pin] |= ENTRY_REMOTE_IRR;
	a->send(a->send_ctx, &msg);
}

static void level_check(struct i82093 *a, unsigned pin)
{
	uint64_t e = a->entry[pin];

	if ((e & ENTRY_LEVEL) && !(e & (ENTRY_MASKED | ENTRY_REMOTE_IRR)) && (a->lines >> pin & 1))
		send(a, pin);
}

void i82093_set(struct i82093 *a, unsigned pin, bool level)
{
	uint32_t bit = UINT32_C(1) << pin;
	bool rose;

	if (pin >= IOAPIC_PIN_COUNT)
		return;
	rose = level && !(a->lines & bit);
	a->lines = level ? a->lines | bit : a->lines & ~bit;
	if (a->entry[pin] & ENTRY_LEVEL)
		level_check(a, pin);
	else if (rose && !(a->entry[pin] & ENTRY_MASKED))
		send(a, pin);
}

void i82093_eoi(struct i82093 *a, uint8_t vector)
{
	for (unsigned pin = 0; pin < IOAPIC_PIN_COUNT; pin++) {
		uint64_t *e = &a->entry[pin];

		if ((*e & ENTRY_LEVEL) && (*e & ENTRY_REMOTE_IRR) && (uint8_t)*e == vector) {
			*e &= ~ENTRY_REMOTE_IRR;
			level_check(a, pin);
		}
	}
}

static uint32_t reg_read(const struct i82093 *a)
{
	uint32_t r = a->select;

	if (r == 0 || r == 2)
		return a->id << 24;
	if (r == 1)
		return (IOAPIC_PIN_COUNT - 1) << 16 | 0x11;
	if (r >= 0x10 && r < 0x10 + 2 * IOAPIC_PIN_COUNT)
		return (uint32_t)(a->entry[(r - 0x10) / 2] >> (r & 1 ? 32 : 0));
	return 0;
}

static void reg_write(struct i82093 *a, uint32_t v)
{
	uint32_t r = a->select;
	unsigned pin = (r - 0x10) / 2;
	uint64_t e, mask;

	if (r == 0)
		a->id = v >> 24 & 15;
	if (r < 0x10 || pin >= IOAPIC_PIN_COUNT)
		return;
	mask = r & 1 ? UINT64_C(0xFFFFFFFF00000000) : UINT64_C(0xFFFFFFFF);
	mask &= ENTRY_BITS & ~ENTRY_READ_ONLY;
	e = (a->entry[pin] & ~mask) | ((r & 1 ? (uint64_t)v << 32 : v) & mask);
	/* Edge mode has no remote IRR: switching to it is how Linux clears one. */
	if (!(e & ENTRY_LEVEL))
		e &= ~ENTRY_REMOTE_IRR;
	a->entry[pin] = e;
	if (a->changed)
		a->changed(a->send_ctx, pin);
	level_check(a, pin);
}

static uint64_t mmio_read(void *ctx, uint64_t off, unsigned size)
{
	const struct i82093 *a = ctx;

	(void)size;
	switch (off) {
	case 0x00:
		return a->select;
	case 0x10:
		return reg_read(a);
	default:
		return 0;
	}
}

static void mmio_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct i82093 *a = ctx;

	(void)size;
	switch (off) {
	case 0x00:
		a->select = (uint8_t)v;
		break;
	case 0x10:
		reg_write(a, (uint32_t)v);
		break;
	default:
		break;
	}
}

static const struct bus_ops mmio_ops = { mmio_read, mmio_write };

void i82093_init(struct i82093 *a, struct bus *bus,
		 void (*send_fn)(void *ctx, const struct apic_msg *msg), void *send_ctx)
{
	*a = (struct i82093){ .send = send_fn, .send_ctx = send_ctx };
	for (unsigned i = 0; i < IOAPIC_PIN_COUNT; i++)
		a->entry[i] = ENTRY_MASKED;
	bus_region_init(&a->region, &mmio_ops, a, 4096);
	bus_mmio_add(bus, &a->region, IOAPIC_BASE);
}

void i82093_state(struct i82093 *a, struct state *s)
{
	(void)state_begin(s, "ioap", 0, 1);
	state_u32(s, &a->select);
	state_u32(s, &a->id);
	state_expect(s, a->select <= 0xFF && a->id <= 15, "a register that is none");
	state_u32(s, &a->lines);
	state_expect(s, a->lines < UINT32_C(1) << IOAPIC_PIN_COUNT, "more pins than it has");
	for (unsigned i = 0; i < IOAPIC_PIN_COUNT; i++) {
		state_u64(s, &a->entry[i]);
		state_expect(s, !(a->entry[i] & ~ENTRY_BITS), "an entry with reserved bits");
	}
	state_end(s);
	for (unsigned i = 0; i < IOAPIC_PIN_COUNT && state_is_load(s) && state_ok(s) && a->changed; i++)
		a->changed(a->send_ctx, i);
}
