/* tests/fuzz/chip_fuzz.h: a hostile guest against the chips of the PC.
 *
 * An input is a list of steps: mostly what a right driver does to the chip
 * under test, mixed with any access to it, with accesses to its neighbours, with
 * events from outside, with time going on, and with the machine being saved and
 * loaded. After each input the chip must work for a right driver that sets it up
 * from wherever it was left. */
#ifndef MUSTER_TESTS_FUZZ_CHIP_FUZZ_H
#define MUSTER_TESTS_FUZZ_CHIP_FUZZ_H

#include "core/wire.h"
#include "vmm/dev/acpi.h"
#include "vmm/dev/apic_bus.h"
#include "vmm/dev/i82093.h"
#include "vmm/dev/i8250.h"
#include "vmm/dev/i8254.h"
#include "vmm/dev/i8259.h"
#include "vmm/dev/lapic.h"
#include "vmm/dev/mc146818.h"
#include "vmm/dev/msix.h"
#include "vmm/mem.h"

/* All chips, wired as vmm/machine.c does; made anew for each input. */
struct chip_board {
	struct mem mem;
	struct bus bus;
	struct guest_clock clock;
	struct lapic lapic, other; /* of two processors; only the first is on the bus */
	struct apic_bus apics;
	struct i82093 ioapic;
	struct i8259 pic;
	struct i8254 pit;
	struct mc146818 rtc;
	struct i8250 uart;
	struct acpi acpi;
	struct pci_host pci;
	struct pci_dev dev; /* slot 3: one BAR, MSI-X */
	struct msix msix;
	/* What came out. */
	uint64_t n_rises[16], n_ioapic, n_msi, n_bar, n_sent, n_nmi, n_init, n_startup, n_routed;
	uint8_t sent; /* last byte of the serial line */
	struct apic_msg ioapic_msg; /* the last one */
	bool level[16];
};

struct chip_window {
	uint64_t base, len; /* bytes */
	bool is_mmio;
};

struct chip_target {
	const struct chip_window *windows;
	size_t n_windows;
	void (*driver)(struct chip_board *b, struct wire_reader *in); /* one right thing */
	void (*outside)(struct chip_board *b, struct wire_reader *in); /* may be NULL */
	const char *(*works)(struct chip_board *b); /* NULL, or what does not */
};
/* Each harness has its own. */
extern const struct chip_target chip_target;

/* Moves guest time on and runs the timers that are due. */
void chip_time_on(struct chip_board *b, nsec_t ns);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static inline void out8(struct chip_board *b, uint16_t port, unsigned v)
{
	bus_pio_write(&b->bus, port, 1, v & 0xFF);
}

static inline uint8_t in8(struct chip_board *b, uint16_t port)
{
	return (uint8_t)bus_pio_read(&b->bus, port, 1);
}

#endif
