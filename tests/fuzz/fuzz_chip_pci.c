/* tests/fuzz/fuzz_chip_pci.c: configuration space by both mechanisms, BARs that
 * move anywhere, and MSI-X. */
#include "tests/fuzz/chip_fuzz.h"

#define ECAM (PCI_ECAM_BASE + (3 << 15))
#define BAR_AT UINT64_C(0xD0000000)
#define MSIX_AT UINT64_C(0xD0100000)
static const struct chip_window windows[] = { { 0xCF8, 8, false }, { ECAM, 0x100, true },
					      { PCI_ECAM_BASE, 0x100000, true },
					      { PCI_WINDOW_START, 0x10000, true } };

static void config_write(struct chip_board *b, unsigned reg, unsigned size, uint32_t v)
{
	bus_pio_write(&b->bus, 0xCF8, 4, 0x80000000 | 3 << 11 | (reg & 0xFC));
	bus_pio_write(&b->bus, (uint16_t)(0xCFC + (reg & 3)), size, v);
}

static uint32_t config_read(struct chip_board *b, unsigned reg, unsigned size)
{
	bus_pio_write(&b->bus, 0xCF8, 4, 0x80000000 | 3 << 11 | (reg & 0xFC));
	return bus_pio_read(&b->bus, (uint16_t)(0xCFC + (reg & 3)), size);
}

/* Mostly into the window, also onto other devices and RAM. */
static void move_bar(struct chip_board *b, unsigned bar, uint8_t how, uint16_t v)
{
	static const uint64_t at[] = { PCI_WINDOW_START, PCI_WINDOW_START, BAR_AT, MSIX_AT, LAPIC_BASE,
				       IOAPIC_BASE, PCI_ECAM_BASE, 0 };
	uint64_t to = at[how & 7] + (uint64_t)v * (how & 8 ? 0x1000 : 0x4000);

	if (how & 0x10)
		to |= (uint64_t)v << 44;
	config_write(b, PCI_BAR0 + 4 * bar, 4, (uint32_t)to);
	config_write(b, PCI_BAR0 + 4 * bar + 4, 4, (uint32_t)(to >> 32));
}

static void use_msix(struct chip_board *b, uint8_t how, uint16_t v)
{
	uint64_t table = b->dev.bar[2].addr;
	unsigned n = how & 7;

	config_write(b, b->dev.msix_cap + 2u, 2, how & 0x10 ? v : 0x8000);
	bus_mmio_write(&b->bus, table + 16 * n, 8, LAPIC_BASE | (uint64_t)(how & 0x20 ? v : 0) << 4);
	bus_mmio_write(&b->bus, table + 16 * n + 8, 4, v & 0xFF);
	bus_mmio_write(&b->bus, table + 16 * n + 12, 4, how >> 6 & 1);
	(void)bus_mmio_read(&b->bus, table + 4 * (v & 31), 4 << (how & 1));
	(void)bus_mmio_read(&b->bus, table + MSIX_PBA_OFFSET + 4 * (how >> 1 & 1), 4 << (how & 1));
	msix_notify(&b->msix, how & 0x80 ? v : n);
}

static void driver(struct chip_board *b, struct wire_reader *in)
{
	uint8_t what = wire_get_u8(in), how = wire_get_u8(in);
	uint16_t v = wire_get_be16(in);

	switch (what & 7) {
	case 0:
		config_write(b, PCI_COMMAND, 2, v & 0x407);
		break;
	case 1: /* sizing */
		config_write(b, PCI_BAR0 + (how & 12), 4, UINT32_MAX);
		(void)config_read(b, PCI_BAR0 + (how & 12), 4);
		break;
	case 2:
		move_bar(b, what & 8 ? 0 : 2, how, v);
		break;
	case 3:
	case 4:
		use_msix(b, how, v);
		break;
	case 5:
		(void)bus_mmio_read(&b->bus, b->dev.bar[what >> 3 & 2].addr + v % 0x4000, 1u << (how & 3));
		break;
	case 6:
		bus_mmio_write(&b->bus, b->dev.bar[what >> 3 & 2].addr + v % 0x4000, 1u << (how & 3), how);
		break;
	default:
		bus_mmio_write(&b->bus, ECAM + how, 1u << (v & 3), v);
		(void)bus_mmio_read(&b->bus, ECAM + how, 1u << (v & 3));
	}
}

static void outside(struct chip_board *b, struct wire_reader *in)
{
	msix_notify(&b->msix, wire_get_u8(in) & 15);
}

static const char *works(struct chip_board *b)
{
	uint64_t before;

	config_write(b, PCI_COMMAND, 2, 0);
	config_write(b, PCI_BAR0, 4, UINT32_MAX);
	if ((config_read(b, PCI_BAR0, 4) & ~15u) != 0xFFFFC000)
		return "the BAR has lost its size";
	config_write(b, PCI_BAR0, 4, (uint32_t)BAR_AT);
	config_write(b, PCI_BAR0 + 4, 4, 0);
	config_write(b, PCI_BAR0 + 8, 4, (uint32_t)MSIX_AT);
	config_write(b, PCI_BAR0 + 12, 4, 0);
	config_write(b, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	if (config_read(b, PCI_VENDOR, 4) != 0x10411AF4 || bus_mmio_read(&b->bus, ECAM, 4) != 0x10411AF4)
		return "its identity is gone";
	before = b->n_bar;
	if (bus_mmio_read(&b->bus, BAR_AT + 0x123, 1) != 0x23 || b->n_bar != before + 1)
		return "the BAR is not where it was put";
	config_write(b, b->dev.msix_cap + 2u, 2, 0x8000);
	bus_mmio_write(&b->bus, MSIX_AT + 12, 4, 1);
	bus_mmio_write(&b->bus, MSIX_AT, 8, LAPIC_BASE);
	bus_mmio_write(&b->bus, MSIX_AT + 8, 4, 0x61);
	bus_mmio_write(&b->bus, MSIX_AT + 12, 4, 0);
	before = b->n_msi;
	msix_notify(&b->msix, 0);
	return b->n_msi == before + 1 ? NULL : "its interrupt is not sent";
}

const struct chip_target chip_target = { windows, sizeof windows / sizeof *windows, driver, outside, works };
