/* tests/vmm/check_pci.c: the bus, configuration space, BARs and MSI-X. */
#include "core/wire.h"
#include "tests/unit.h"
#include "vmm/dev/msix.h"
#include "vmm/dev/pci.h"
#include "vmm/mem.h"

#include <string.h>

static struct mem mem;
static struct bus bus;
static struct pci_host host;
static struct pci_dev dev;
static struct msix msix;
static uint64_t last_off, last_v, msi_addr;
static uint32_t msi_data;
static unsigned n_msi, n_reset, last_size;

static uint64_t dev_read(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	last_off = off;
	last_size = size;
	return UINT64_C(0x8877665544332211);
}

static void dev_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	last_off = off;
	last_size = size;
	last_v = v;
}

static const struct bus_ops dev_ops = { dev_read, dev_write };

static void on_msi(void *ctx, uint64_t addr, uint32_t data)
{
	(void)ctx;
	n_msi++;
	msi_addr = addr;
	msi_data = data;
}

static void on_reset(void *ctx)
{
	(void)ctx;
	n_reset++;
}

static void setup(void)
{
	static const struct pci_id id = { .vendor = 0x1AF4, .device = 0x1041, .class_code = 0x020000,
					  .revision = 1, .subvendor = 0x1AF4, .subdevice = 0x40 };

	ck_assert_int_eq(mem_init(&mem, 4 << 20), 0);
	bus_init(&bus, &mem);
	bus.msi = on_msi;
	n_msi = n_reset = 0;
	last_off = last_v = 0;
	pci_host_init(&host, &bus);
	host.reset = on_reset;
	pci_dev_init(&dev, &id, NULL, NULL);
	pci_bar_add(&dev, 0, 0x4000, &dev_ops, NULL);
	msix_init(&msix, &dev, 2, 4);
	ck_assert_int_eq(pci_host_add(&host, &dev, 5), 0);
}

static void teardown(void)
{
	mem_done(&mem);
}

static uint32_t conf_read(unsigned slot, unsigned off, unsigned size)
{
	bus_pio_write(&bus, 0xCF8, 4, 0x80000000 | slot << 11 | (off & 0xFC));
	return bus_pio_read(&bus, (uint16_t)(0xCFC + (off & 3)), size);
}

static void conf_write(unsigned slot, unsigned off, unsigned size, uint32_t v)
{
	bus_pio_write(&bus, 0xCF8, 4, 0x80000000 | slot << 11 | (off & 0xFC));
	bus_pio_write(&bus, (uint16_t)(0xCFC + (off & 3)), size, v);
}

START_TEST(both_mechanisms_agree)
{
	ck_assert_uint_eq(conf_read(5, PCI_VENDOR, 4), 0x10411AF4);
	ck_assert_uint_eq(conf_read(5, PCI_DEVICE, 2), 0x1041);
	ck_assert_uint_eq(bus_mmio_read(&bus, PCI_ECAM_BASE + (5 << 15), 4), 0x10411AF4);
	ck_assert_uint_eq(conf_read(5, PCI_CLASS + 1, 2), 0x0200);
	ck_assert_uint_eq(conf_read(6, PCI_VENDOR, 4), UINT32_MAX);
	/* function 1, and the extended space */
	ck_assert_uint_eq(bus_mmio_read(&bus, PCI_ECAM_BASE + (5 << 15) + 0x1000, 4), UINT32_MAX);
	ck_assert_uint_eq(bus_mmio_read(&bus, PCI_ECAM_BASE + (5 << 15) + 0x100, 4), 0);
	ck_assert_uint_eq(conf_read(0, PCI_CLASS + 1, 2), 0x0600);
	/* read-only registers stay */
	conf_write(5, PCI_VENDOR, 4, 0);
	ck_assert_uint_eq(conf_read(5, PCI_VENDOR, 4), 0x10411AF4);
	/* disabled address */
	bus_pio_write(&bus, 0xCF8, 4, 5 << 11);
	ck_assert_uint_eq(bus_pio_read(&bus, 0xCFC, 4), UINT32_MAX);
}
END_TEST

START_TEST(a_bar_sizes_moves_and_never_shadows_ram)
{
	uint64_t at = dev.bar[0].addr;

	ck_assert_uint_ge(at, PCI_WINDOW_START);
	ck_assert_uint_eq(bus_mmio_read(&bus, at, 4), UINT32_MAX); /* not enabled */
	conf_write(5, PCI_BAR0, 4, UINT32_MAX);
	ck_assert_uint_eq(conf_read(5, PCI_BAR0, 4), 0xFFFFC004);
	conf_write(5, PCI_BAR0, 4, (uint32_t)at);
	conf_write(5, PCI_COMMAND, 2, PCI_COMMAND_MEM);
	ck_assert_uint_eq(bus_mmio_read(&bus, at + 8, 2), 0x2211);
	ck_assert_uint_eq(last_off, 8);
	conf_write(5, PCI_BAR0, 4, 0xD0000000);
	ck_assert_uint_eq(bus_mmio_read(&bus, at, 4), UINT32_MAX);
	ck_assert_uint_eq(bus_mmio_read(&bus, 0xD0003FF8, 8), UINT64_C(0x8877665544332211));
	/* across the end: bytes, and ones from nowhere */
	ck_assert_uint_eq(bus_mmio_read(&bus, 0xD0003FFE, 4), 0xFFFF1111);
	ck_assert_uint_eq(last_size, 1);
	/* on RAM */
	conf_write(5, PCI_BAR0, 4, 0x200000);
	ck_assert(!dev.bar[0].region.on_bus);
	/* at the end of the address space */
	conf_write(5, PCI_BAR0, 4, 0xFFFFC000);
	conf_write(5, PCI_BAR0 + 4, 4, UINT32_MAX);
	ck_assert(!dev.bar[0].region.on_bus);
	conf_write(5, PCI_BAR0 + 4, 4, 1);
	conf_write(5, PCI_BAR0, 4, 0);
	ck_assert_uint_eq(bus_mmio_read(&bus, MEM_HIGH_START, 1), 0x11);
}
END_TEST

static unsigned n_moves;
static uint64_t bells_at;

static void on_bells(void *ctx, struct bus_region *r)
{
	(void)ctx;
	n_moves++;
	bells_at = r->on_bus ? r->base + r->bell_off : 0;
}

/* Whoever rings doorbells in the bus's place hears where they are, and of each change once. */
START_TEST(doorbells_follow_their_bar)
{
	uint64_t at = dev.bar[0].addr;

	n_moves = 0;
	bells_at = 0;
	bus.bells_moved = on_bells;
	conf_write(5, PCI_COMMAND, 2, PCI_COMMAND_MEM); /* it has none yet */
	conf_write(5, PCI_COMMAND, 2, 0);
	ck_assert_uint_eq(n_moves, 0);
	dev.bar[0].region.bell_off = 0x3004;
	dev.bar[0].region.n_bells = 1;
	conf_write(5, PCI_COMMAND, 2, PCI_COMMAND_MEM);
	ck_assert_uint_eq(bells_at, at + 0x3004);
	ck_assert_uint_eq(n_moves, 1);
	conf_write(5, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	ck_assert_uint_eq(n_moves, 1);
	conf_write(5, PCI_BAR0, 4, 0xD0000000);
	ck_assert_uint_eq(bells_at, 0xD0003004);
	ck_assert_uint_eq(n_moves, 3); /* gone, and there */
	conf_write(5, PCI_BAR0, 4, 0x200000); /* RAM */
	ck_assert_uint_eq(bells_at, 0);
	conf_write(5, PCI_BAR0, 4, (uint32_t)at);
	ck_assert_uint_eq(bells_at, at + 0x3004);
	conf_write(5, PCI_COMMAND, 2, 0);
	ck_assert_uint_eq(bells_at, 0);
}
END_TEST

START_TEST(capabilities_chain)
{
	struct pci_dev d;
	static const struct pci_id id = { .vendor = 1 };
	unsigned a, b;

	pci_dev_init(&d, &id, NULL, NULL);
	ck_assert_uint_eq(d.config[PCI_CAP_PTR], 0);
	a = pci_cap_add(&d, PCI_CAP_VENDOR, 13);
	b = pci_cap_add(&d, PCI_CAP_VENDOR, 20);
	ck_assert_uint_eq(a, 0x40);
	ck_assert_uint_eq(b, 0x50);
	ck_assert_uint_eq(d.config[PCI_CAP_PTR], a);
	ck_assert_uint_eq(d.config[a + 1], b);
	ck_assert_uint_eq(d.config[b + 1], 0);
	ck_assert_uint_eq(pci_cap_add(&d, PCI_CAP_VENDOR, 200), 0);
}
END_TEST

static void msix_on(uint16_t bits)
{
	conf_write(5, dev.msix_cap + 2u, 2, bits);
}

START_TEST(msix_masks_and_pends)
{
	uint64_t table = dev.bar[2].addr;

	conf_write(5, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	bus_mmio_write(&bus, table + 16, 8, 0xFEE00000);
	bus_mmio_write(&bus, table + 24, 4, 0x41);
	msix_notify(&msix, 1);
	ck_assert_uint_eq(n_msi, 0); /* off */
	msix_on(0x8000);
	msix_notify(&msix, 1);
	ck_assert_uint_eq(n_msi, 0); /* the vector is masked */
	ck_assert_uint_eq(bus_mmio_read(&bus, table + MSIX_PBA_OFFSET, 8), 2);
	bus_mmio_write(&bus, table + 28, 4, 0);
	ck_assert_uint_eq(n_msi, 1);
	ck_assert_uint_eq(msi_addr, 0xFEE00000);
	ck_assert_uint_eq(msi_data, 0x41);
	ck_assert_uint_eq(bus_mmio_read(&bus, table + MSIX_PBA_OFFSET, 8), 0);
	msix_on(0xC000);
	msix_notify(&msix, 1);
	ck_assert_uint_eq(n_msi, 1);
	msix_on(0x8000);
	ck_assert_uint_eq(n_msi, 2);
	msix_notify(&msix, 4);
	msix_notify(&msix, 0xFFFF);
	ck_assert_uint_eq(n_msi, 2);
	conf_write(5, PCI_COMMAND, 2, PCI_COMMAND_MEM);
	msix_notify(&msix, 1);
	ck_assert_uint_eq(n_msi, 2); /* an interrupt is a write */
	conf_write(5, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	ck_assert_uint_eq(n_msi, 3);
}
END_TEST

static unsigned n_settled;

static void on_settle(void *ctx, uint64_t addr, uint32_t data)
{
	(void)ctx;
	ck_assert_uint_eq(addr, 0xFEE00000);
	ck_assert_uint_eq(data, 0x40 + n_settled);
	n_settled++;
}

/* What a driver may rely on having arrived: its vector is masked, changed, or the function stopped. */
static const struct {
	const char *what;
	unsigned off, size; /* in the table; size 0: of the configuration */
	uint64_t v;
	unsigned n; /* vectors of which the messages were waited for */
} quiet[] = {
	{ "a mask", 12, 4, 1, 1 },
	{ "a mask that was there", 60, 4, 1, 0 },
	{ "another address", 0, 4, 0xFEE01000, 1 },
	{ "other data", 8, 4, 0x50, 1 },
	{ "the same data", 8, 4, 0x40, 0 },
	{ "a masked vector's data", 56, 4, 0x50, 0 },
	{ "the function's mask", 0, 0, 0xC000, 3 },
	{ "MSI-X off", 0, 0, 0, 3 },
	{ "no bus master", 1, 0, PCI_COMMAND_MEM, 3 },
};

START_TEST(what_is_masked_or_changed_has_arrived)
{
	uint64_t table = dev.bar[2].addr;

	conf_write(5, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	for (unsigned i = 0; i < 4; i++) { /* the last one stays masked */
		bus_mmio_write(&bus, table + 16 * i, 8, 0xFEE00000);
		bus_mmio_write(&bus, table + 16 * i + 8, 4, 0x40 + i);
		bus_mmio_write(&bus, table + 16 * i + 12, 4, i == 3);
	}
	msix_on(0x8000);
	bus.msi_settle = on_settle;
	n_settled = 0;
	if (quiet[_i].size)
		bus_mmio_write(&bus, table + quiet[_i].off, quiet[_i].size, quiet[_i].v);
	else if (quiet[_i].off)
		conf_write(5, PCI_COMMAND, 2, (uint32_t)quiet[_i].v);
	else
		msix_on((uint16_t)quiet[_i].v);
	ck_assert_msg(n_settled == quiet[_i].n, "%s: %u", quiet[_i].what, n_settled);
}
END_TEST

START_TEST(the_reset_register_lies_in_the_address_register)
{
	bus_pio_write(&bus, 0xCF8, 4, 0x80002800);
	bus_pio_write(&bus, 0xCF9, 1, 2);
	ck_assert_uint_eq(n_reset, 0);
	bus_pio_write(&bus, 0xCF9, 1, 6);
	ck_assert_uint_eq(n_reset, 1);
	ck_assert_uint_eq(bus_pio_read(&bus, 0xCF8, 4), 0x80002800);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("pci");
	TCase *t = tcase_create("pci");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, both_mechanisms_agree);
	tcase_add_test(t, a_bar_sizes_moves_and_never_shadows_ram);
	tcase_add_test(t, doorbells_follow_their_bar);
	tcase_add_test(t, capabilities_chain);
	tcase_add_test(t, msix_masks_and_pends);
	tcase_add_loop_test(t, what_is_masked_or_changed_has_arrived, 0, sizeof quiet / sizeof quiet[0]);
	tcase_add_test(t, the_reset_register_lies_in_the_address_register);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
