/* tests/fuzz/fuzz_chip_i82093.c: the I/O APIC. */
#include "tests/fuzz/chip_fuzz.h"

static const struct chip_window windows[] = { { IOAPIC_BASE, 0x20, true } };

static void reg_write(struct chip_board *b, unsigned reg, uint64_t v)
{
	bus_mmio_write(&b->bus, IOAPIC_BASE, 4, reg);
	bus_mmio_write(&b->bus, IOAPIC_BASE + 0x10, 4, v & UINT32_MAX);
}

static void driver(struct chip_board *b, struct wire_reader *in)
{
	uint8_t what = wire_get_u8(in), pin = wire_get_u8(in) % IOAPIC_PIN_COUNT;
	uint32_t v = wire_get_be32(in);

	switch (what & 3) {
	case 0: /* an entry, high half first; mostly a fixed vector */
		reg_write(b, 0x11 + 2u * pin, v & 0xFF000000);
		reg_write(b, 0x10 + 2u * pin, what & 0x40 ? v : v & 0xE0FF);
		break;
	case 1:
		i82093_set(&b->ioapic, pin, v & 1);
		break;
	case 2: /* as Linux does at an EOI */
		bus_mmio_write(&b->bus, LAPIC_BASE + 0xB0, 4, 0);
		i82093_eoi(&b->ioapic, (uint8_t)v);
		break;
	default:
		bus_mmio_write(&b->bus, IOAPIC_BASE, 4, v & 0x3F);
		(void)bus_mmio_read(&b->bus, IOAPIC_BASE + 0x10, 4);
	}
}

static const char *works(struct chip_board *b)
{
	uint64_t before;

	for (unsigned pin = 0; pin < IOAPIC_PIN_COUNT; pin++) {
		i82093_set(&b->ioapic, pin, false);
		reg_write(b, 0x10 + 2 * pin, 0x10000);
	}
	reg_write(b, 0x11 + 2 * 5, 0);
	reg_write(b, 0x10 + 2 * 5, 0x41);
	before = b->n_ioapic;
	i82093_set(&b->ioapic, 5, true);
	if (b->n_ioapic != before + 1 || b->ioapic_msg.vector != 0x41 || b->ioapic_msg.level)
		return "an edge is not sent";
	reg_write(b, 0x10 + 2 * 6, 0x8042);
	i82093_set(&b->ioapic, 6, true);
	i82093_set(&b->ioapic, 6, false);
	i82093_set(&b->ioapic, 6, true);
	if (b->n_ioapic != before + 2 || b->ioapic_msg.vector != 0x42 || !b->ioapic_msg.level)
		return "a level is not sent once";
	i82093_eoi(&b->ioapic, 0x42);
	return b->n_ioapic == before + 3 ? NULL : "a level that stays is not sent again after EOI";
}

const struct chip_target chip_target = { windows, sizeof windows / sizeof *windows, driver, NULL, works };
