/* tests/vmm/check_hostile.c: random accesses to every port and register of a
 * whole machine, with time going on in between: whatever a guest's processor
 * may do to the devices, the machine's process stays whole (sanitizers tell). */
#include "core/bytes.h"
#include "tests/unit.h"
#include "vmm/dev/virtio_console.h"
#include "vmm/dev/virtio_rng.h"
#include "vmm/machine_impl.h"
#include "vmm/machine.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>

enum { N_ACCESSES = 100000 };

static int kernel_fd;

static struct machine *make(uint64_t seed)
{
	static const uint8_t code[] = { 0xF4 };
	Elf64_Ehdr eh = { .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_entry = 0x100000,
			  .e_phoff = sizeof eh, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 };
	Elf64_Phdr ph = { .p_type = PT_LOAD, .p_offset = sizeof eh + sizeof ph,
			  .p_paddr = 0x100000, .p_filesz = 1, .p_memsz = 4096 };
	struct machine_config cfg = { .name = "t/vm", .memory_bytes = 4 << 20, .cpus = 1,
				      .clock_virtual = true, .seed = seed, .initrd_fd = -1,
				      .pmem_fd = -1, .serial_fd = -1, .agent_fd = -1,
				      .control_fd = -1 };
	struct machine *m = NULL;
	char *why = NULL;

	kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	ck_assert_int_eq(fd_write_all(kernel_fd, &eh, sizeof eh), 0);
	ck_assert_int_eq(fd_write_all(kernel_fd, &ph, sizeof ph), 0);
	ck_assert_int_eq(fd_write_all(kernel_fd, code, sizeof code), 0);
	cfg.kernel_fd = kernel_fd;
	ck_assert_int_eq(machine_new(&cfg, &m, &why), 0);
	return m;
}

/* Values that decide something are drawn more often than others. */
static uint64_t value(struct prng *p)
{
	static const uint64_t edge[] = { 0, 1, 2, 0xFF, 0x80, 0xFFFF, 0x8000, UINT32_MAX, UINT64_MAX,
					 0x80000000, 0xFEE00000, 0xC0000000, 0x100000 };

	if (prng_below(p, 2))
		return edge[prng_below(p, sizeof edge / sizeof edge[0])];
	return prng_u64(p) >> prng_below(p, 64);
}

static uint16_t port(struct prng *p)
{
	static const uint16_t base[] = { 0x20, 0x40, 0x61, 0x70, 0xA0, 0x3F8, 0x4D0, 0x600, 0xCF8 };

	return (uint16_t)(base[prng_below(p, sizeof base / sizeof base[0])] + prng_below(p, 12));
}

static uint64_t address(struct prng *p, const struct machine *m)
{
	const struct virtio_console *console = devices_find(&m->devices, "virtio-console", 0);
	const struct virtio_rng *rng = devices_find(&m->devices, "virtio-rng", 0);
	const uint64_t base[] = { LAPIC_BASE, IOAPIC_BASE, PCI_ECAM_BASE + (25 << 15),
				  PCI_ECAM_BASE + (26 << 15), console->pci.pci.bar[0].addr,
				  console->pci.pci.bar[2].addr, rng->pci.pci.bar[0].addr,
				  rng->pci.pci.bar[2].addr };

	return base[prng_below(p, sizeof base / sizeof base[0])] +
	       prng_below(p, prng_below(p, 2) ? 0x100 : 0x4000);
}

static void one_access(struct prng *p, struct machine *m)
{
	unsigned size = 1u << prng_below(p, 3);
	uint64_t v;

	switch (prng_below(p, 8)) {
	case 0:
		(void)bus_pio_read(&m->bus, port(p), size);
		break;
	case 1:
		/* a latch is set first, as a driver does */
		bus_pio_write(&m->bus, 0x70, 1, (uint32_t)prng_below(p, 128));
		bus_pio_write(&m->bus, 0x71, 1, (uint32_t)value(p));
		break;
	case 2:
	case 3:
		bus_pio_write(&m->bus, port(p), size, (uint32_t)value(p));
		break;
	case 4:
		(void)bus_mmio_read(&m->bus, address(p, m), 1u << prng_below(p, 4));
		break;
	case 5:
		(void)lapic_msr_write(&m->vcpu[0].lapic, 0x800 + (uint32_t)prng_below(p, 64), value(p));
		(void)lapic_msr_read(&m->vcpu[0].lapic, 0x800 + (uint32_t)prng_below(p, 64), &v);
		(void)lapic_msr_write(&m->vcpu[0].lapic, 0x6E0, value(p));
		break;
	default:
		bus_mmio_write(&m->bus, address(p, m), 1u << prng_below(p, 4), value(p));
	}
}

START_TEST(random_accesses_harm_no_one)
{
	struct machine *m = make((uint64_t)_i);
	struct prng p;

	prng_init(&p, (uint64_t)_i, "hostile");
	for (unsigned i = 0; i < N_ACCESSES; i++) {
		one_access(&p, m);
		if (prng_below(&p, 16) == 0) {
			guest_clock_skip_to(&m->clock, guest_clock_now(&m->clock) +
							       (nsec_t)prng_below(&p, 100000000));
			guest_clock_run(&m->clock);
		}
		if (prng_below(&p, 8) == 0)
			(void)lapic_ack(&m->vcpu[0].lapic);
		/* registers that would take a region out of reach for the rest */
		if (prng_below(&p, 1000) == 0)
			(void)lapic_msr_write(&m->vcpu[0].lapic, 0x1B, value(&p));
	}
	(void)machine_free(m);
	(void)close(kernel_fd);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("hostile");
	TCase *t = tcase_create("hostile");

	tcase_add_loop_test(t, random_accesses_harm_no_one, 1, 5);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
