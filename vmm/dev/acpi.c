/* vmm/dev/acpi.c: ACPI's fixed hardware.
 *
 * Twelve ports: PM1a status, enable, control, and the 24-bit PM timer. There
 * is no SMI command port (hardware is always in ACPI mode), so SCI_EN is
 * always set. The SCI is level-triggered: up while an enabled status bit is. Two more
 * ports are the block of general-purpose events, in a machine with a device that has one.
 *
 * Used by: vmm/machine.c.   Depends on: vmm/guest_clock.h, vmm/bus.h.
 * Source: ACPI 6.4 §4.8.3. */
#include "vmm/dev/acpi.h"

#include "core/state.h"

#include <errno.h>

enum { STS_TIMER = 1, STS_GLOBAL = 1 << 5, STS_POWER_BUTTON = 1 << 8, STS_SLEEP_BUTTON = 1 << 9,
       STS_RTC = 1 << 10, STS_WAKE = 1 << 15,
       STS_ALL = STS_TIMER | STS_GLOBAL | STS_POWER_BUTTON | STS_SLEEP_BUTTON | STS_RTC | STS_WAKE,
       CNT_SCI_EN = 1, CNT_SLP_EN = 1 << 13 };

static void update(struct acpi *a)
{
	irq_line_set(&a->sci, (a->status & a->enable) || (a->gpe_status & a->gpe_enable));
}

bool acpi_power_button(struct acpi *a)
{
	a->status |= STS_POWER_BUTTON;
	update(a);
	return a->enable & STS_POWER_BUTTON;
}

void acpi_rtc_alarm(struct acpi *a)
{
	a->status |= STS_RTC;
	update(a);
}

static uint32_t pm_timer(const struct acpi *a)
{
	uint64_t now = (uint64_t)guest_clock_now(a->clock);

	return (uint32_t)((unsigned __int128)now * ACPI_PM_TIMER_HZ / 1000000000u) & 0xFFFFFF;
}

static uint8_t byte_read(const struct acpi *a, unsigned off, uint32_t timer)
{
	uint16_t control = a->control | CNT_SCI_EN;

	switch (off) {
	case 0 ... 1:
		return (uint8_t)(a->status >> (8 * off));
	case 2 ... 3:
		return (uint8_t)(a->enable >> (8 * (off - 2)));
	case 4 ... 5:
		return (uint8_t)(control >> (8 * (off - 4)));
	case 8 ... 11:
		return (uint8_t)(timer >> (8 * (off - 8)));
	default:
		return 0;
	}
}

static uint64_t ports_read(void *ctx, uint64_t off, unsigned size)
{
	const struct acpi *a = ctx;
	uint32_t timer = off + size > 8 ? pm_timer(a) : 0;
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)byte_read(a, (unsigned)off + i, timer) << (8 * i);
	return v;
}

static void control_written(struct acpi *a)
{
	bool sleep = a->control & CNT_SLP_EN;

	a->control &= (uint16_t)~CNT_SLP_EN; /* write-only */
	if (sleep && (a->control >> 10 & 7) == ACPI_S5_TYPE)
		a->poweroff(a->ctx);
}

static void ports_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct acpi *a = ctx;

	for (unsigned i = 0; i < size; i++) {
		unsigned at = (unsigned)off + i, shift = 8 * (at & 1);
		uint16_t byte = (uint16_t)((v >> (8 * i) & 0xFF) << shift);
		uint16_t mask = (uint16_t)(0xFF << shift);

		if (at < 2)
			a->status &= (uint16_t)~byte; /* write 1 to clear */
		else if (at < 4)
			a->enable = (uint16_t)(((a->enable & ~mask) | byte) & STS_ALL);
		else if (at < 6)
			a->control = (uint16_t)((a->control & ~mask) | byte);
	}
	update(a);
	if (off < 6 && off + size > 4)
		control_written(a);
}

static const struct bus_ops ports_ops = { ports_read, ports_write };

void acpi_init(struct acpi *a, struct bus *bus, struct guest_clock *clock, struct irq_line sci,
	       void (*poweroff)(void *ctx), void *ctx)
{
	*a = (struct acpi){ .clock = clock, .sci = sci, .poweroff = poweroff, .ctx = ctx };
	bus_region_init(&a->ports, &ports_ops, a, 12);
	bus_pio_add(bus, &a->ports, ACPI_PM1A_EVT);
}

/* ---- general-purpose events -------------------------------------------------- */

static uint64_t gpe_read(void *ctx, uint64_t off, unsigned size)
{
	const struct acpi *a = ctx;
	uint64_t v = (uint64_t)a->gpe_enable << 8 | a->gpe_status;

	return (v >> (8 * off)) & (size == 1 ? 0xFF : 0xFFFF);
}

static void gpe_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct acpi *a = ctx;

	if (off == 0)
		a->gpe_status &= (uint8_t)~v; /* write 1 to clear */
	if (off + size > 1)
		a->gpe_enable = (uint8_t)(v >> (8 * (1 - off)) & ((1u << a->n_gpes) - 1));
	update(a);
}

static const struct bus_ops gpe_ops = { gpe_read, gpe_write };

int acpi_gpe_claim(struct acpi *a, struct bus *bus)
{
	if (a->n_gpes == ACPI_GPE_MAX)
		return -ENOSPC;
	if (a->n_gpes == 0) {
		bus_region_init(&a->gpe_ports, &gpe_ops, a, ACPI_GPE0_LEN);
		bus_pio_add(bus, &a->gpe_ports, ACPI_GPE0);
	}
	return (int)a->n_gpes++;
}

void acpi_gpe_raise(struct acpi *a, unsigned n)
{
	a->gpe_status |= (uint8_t)(1u << n);
	update(a);
}

static void gpe_state(struct acpi *a, struct state *s)
{
	if (!a->n_gpes || (state_is_load(s) && !state_has(s, "gpe ", 0)))
		return;
	(void)state_begin(s, "gpe ", 0, 1);
	state_u8(s, &a->gpe_status);
	state_u8(s, &a->gpe_enable);
	state_expect(s, !((a->gpe_status | a->gpe_enable) >> a->n_gpes), "events that are not there");
	state_end(s);
}

void acpi_state(struct acpi *a, struct state *s)
{
	(void)state_begin(s, "acpi", 0, 1);
	state_u16(s, &a->status);
	state_u16(s, &a->enable);
	state_u16(s, &a->control);
	state_expect(s, !((a->status | a->enable) & ~STS_ALL) && !(a->control & CNT_SLP_EN),
		     "reserved bits");
	state_end(s);
	gpe_state(a, s);
}
