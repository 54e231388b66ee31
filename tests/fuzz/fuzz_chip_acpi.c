/* tests/fuzz/fuzz_chip_acpi.c: the fixed hardware of ACPI, and its general-purpose events. */
#include "tests/fuzz/chip_fuzz.h"

static const struct chip_window windows[] = { { ACPI_PM1A_EVT, 12, false }, { ACPI_GPE0, ACPI_GPE0_LEN, false } };
enum { POWER_BUTTON = 1 << 8 };

static void driver(struct chip_board *b, struct wire_reader *in)
{
	uint8_t what = wire_get_u8(in);
	uint16_t v = wire_get_be16(in);

	switch (what & 3) {
	case 0:
		bus_pio_write(&b->bus, ACPI_PM1A_EVT, 2, bus_pio_read(&b->bus, ACPI_PM1A_EVT, 2));
		break;
	case 1:
		bus_pio_write(&b->bus, ACPI_PM1A_EVT + 2, 2, v);
		break;
	case 2:
		bus_pio_write(&b->bus, ACPI_PM1A_CNT, 2, v);
		break;
	default:
		(void)bus_pio_read(&b->bus, ACPI_PM_TMR, 4);
	}
}

static void outside(struct chip_board *b, struct wire_reader *in)
{
	if (wire_get_u8(in) & 1)
		acpi_gpe_raise(&b->acpi, 0);
	else
		(void)acpi_power_button(&b->acpi);
}

static const char *works(struct chip_board *b)
{
	uint32_t before, ticks;

	bus_pio_write(&b->bus, ACPI_PM1A_EVT, 2, 0xFFFF);
	bus_pio_write(&b->bus, ACPI_PM1A_EVT + 2, 2, POWER_BUTTON);
	bus_pio_write(&b->bus, ACPI_GPE0, 2, 0xFFFF);
	if (b->level[ACPI_SCI])
		return "the SCI stays up";
	(void)acpi_power_button(&b->acpi);
	if (!b->level[ACPI_SCI] || !(bus_pio_read(&b->bus, ACPI_PM1A_EVT, 2) & POWER_BUTTON))
		return "the power button is not seen";
	bus_pio_write(&b->bus, ACPI_PM1A_EVT, 2, POWER_BUTTON);
	if (b->level[ACPI_SCI])
		return "the SCI is not taken back";
	acpi_gpe_raise(&b->acpi, 0);
	if (!b->level[ACPI_SCI] || bus_pio_read(&b->bus, ACPI_GPE0, 2) != 0x101)
		return "a general-purpose event is not seen";
	bus_pio_write(&b->bus, ACPI_GPE0, 1, 1);
	if (b->level[ACPI_SCI])
		return "the SCI is not taken back after an event";
	before = bus_pio_read(&b->bus, ACPI_PM_TMR, 4);
	chip_time_on(b, 1000000);
	ticks = (bus_pio_read(&b->bus, ACPI_PM_TMR, 4) - before) & 0xFFFFFF;
	return ticks == 3579 || ticks == 3580 ? NULL : "the PM timer is wrong";
}

const struct chip_target chip_target = { windows, sizeof windows / sizeof *windows, driver, outside, works };
