/* vmm/dev/pci.h: PCI bus 0 and the functions on it.
 *
 * One bus, 32 slots, function 0 only. Configuration space is reached through
 * 0xCF8/0xCFC (PCI 3.0 §3.2.2.3.2) and through ECAM (PCI Express 3.0 §7.2.2),
 * where the upper 3840 bytes of each function read as zero.
 *
 * A function is 256 bytes of configuration space with a write mask, and BARs:
 * 64-bit memory BARs which the monitor has already placed below 4 GiB, so that
 * a guest need not assign them. A BAR answers on the bus while the command
 * register's memory bit is set.
 *
 * Interrupts are MSI-X (vmm/dev/msix.h). A guest without them (no local APIC, say)
 * has INTA#: the slots' lines are wired to two level-triggered interrupts of the PC,
 * which the interrupt line register tells, as firmware would.
 *
 * The device owns its struct pci_dev (embedded) and keeps it until the
 * machine ends. */
#ifndef MUSTER_VMM_DEV_PCI_H
#define MUSTER_VMM_DEV_PCI_H

#include "vmm/bus.h"
#include "vmm/dev/irq.h"

struct state;

enum { PCI_CONFIG_SIZE = 256, PCI_SLOT_COUNT = 32, PCI_BAR_COUNT = 6 };
/* Configuration registers (PCI 3.0 §6.1, §6.2). */
enum { PCI_VENDOR = 0, PCI_DEVICE = 2, PCI_COMMAND = 4, PCI_STATUS = 6, PCI_REVISION = 8,
       PCI_CLASS = 9, PCI_HEADER_TYPE = 0xE, PCI_BAR0 = 0x10, PCI_SUBVENDOR = 0x2C,
       PCI_SUBDEVICE = 0x2E, PCI_CAP_PTR = 0x34, PCI_INTERRUPT_LINE = 0x3C, PCI_INTERRUPT_PIN = 0x3D,
       PCI_CAP_START = 0x40 };
enum { PCI_COMMAND_MEM = 2, PCI_COMMAND_MASTER = 4, PCI_COMMAND_INTX_OFF = 1 << 10,
       PCI_STATUS_INTERRUPT = 8, PCI_STATUS_CAP_LIST = 0x10 };
/* INTA# of slot N is this interrupt of the PC, plus N % PCI_IRQ_COUNT. */
enum { PCI_IRQ = 10, PCI_IRQ_COUNT = 2 };
enum { PCI_CAP_VENDOR = 9, PCI_CAP_MSIX = 0x11 };
/* Where BARs are placed (facts: the map that works). */
#define PCI_WINDOW_START UINT64_C(0xC0000000)
#define PCI_WINDOW_END UINT64_C(0xE8000000)
#define PCI_ECAM_BASE UINT64_C(0xE8000000)
#define PCI_ECAM_SIZE (UINT64_C(1) << 20) /* bus 0 */

struct pci_host;
struct pci_dev;

struct pci_bar {
	struct bus_region region;
	uint64_t size_bytes; /* a power of two ≥ 4096; 0: no BAR here */
	uint64_t addr; /* what the guest or the monitor programmed */
};

/* The hooks of a function; each may be NULL. */
struct pci_ops {
	/* Before the guest reads [off, off+len): the device may refresh config[]. */
	void (*config_reading)(void *ctx, unsigned off, unsigned len);
	/* After the guest wrote [off, off+len): config[] holds what the masks let through. */
	void (*config_written)(void *ctx, unsigned off, unsigned len);
};

struct pci_dev {
	struct pci_host *host; /* NULL until pci_host_add() */
	struct bus *bus; /* the same moment */
	uint8_t slot;
	bool intx; /* it asserts INTA#, as far as the command register lets it */
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t wmask[PCI_CONFIG_SIZE]; /* bits the guest may write */
	uint8_t cap_end; /* first free byte behind the capabilities */
	uint8_t cap_last; /* offset of the last one; 0 none */
	struct pci_bar bar[PCI_BAR_COUNT];
	const struct pci_ops *ops; /* may be NULL */
	void *ctx;
	/* msix.c's own hook into the configuration space. */
	void (*msix_written)(void *ctx);
	void *msix_ctx;
	uint8_t msix_cap;
};

struct pci_id {
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class_code; /* 24 bits: base class, subclass, interface */
	uint8_t revision;
};

/* Makes @d a function of type 0 without BARs. @ops: borrowed, may be NULL. */
void pci_dev_init(struct pci_dev *d, const struct pci_id *id, const struct pci_ops *ops,
		  void *ctx);

/* Appends a capability of @len bytes (header of 2 included; rounded up to 4).
 * Bytes are zero and read-only: the caller fills config[] and wmask[].
 * Returns its offset; 0 when there is no room. */
unsigned pci_cap_add(struct pci_dev *d, uint8_t cap_id, unsigned len);

/* Gives @d a 64-bit memory BAR in slots @index (even) and @index+1.
 * @size: a power of two, 4096 to 16 MiB. Offsets of the callbacks are from the
 * BAR's start. Before pci_host_add(). */
void pci_bar_add(struct pci_dev *d, unsigned index, uint64_t size, const struct bus_ops *ops,
		 void *ctx);

/* Gives @d INTA#. Before pci_host_add(). */
void pci_intx_add(struct pci_dev *d);
/* Asserts or releases INTA# of a function that has it. */
void pci_intx_set(struct pci_dev *d, bool level);

struct pci_host {
	struct bus *bus;
	struct irq_line irq[PCI_IRQ_COUNT]; /* level-triggered; wired by the machine */
	uint32_t asserted[PCI_IRQ_COUNT]; /* by which slots */
	struct pci_dev *slot[PCI_SLOT_COUNT]; /* borrowed */
	struct pci_dev bridge; /* slot 0: the host bridge */
	struct bus_region cf8, cfc, ecam;
	uint32_t address; /* CONFIG_ADDRESS */
	uint64_t next_bar; /* where the next BAR is placed */
	/* The reset control register, port 0xCF9, lies inside CONFIG_ADDRESS and is
	 * reached by byte accesses only. May be NULL. */
	void (*reset)(void *ctx);
	void *reset_ctx;
	uint8_t reset_control;
};

/* Puts the host bridge, both access mechanisms on @bus. */
void pci_host_init(struct pci_host *h, struct bus *bus);
/* Puts @d into @slot (1 to 31) and places its BARs.
 * Returns 0; -EBUSY when the slot is taken; -ENOSPC when the window is full. */
int pci_host_add(struct pci_host *h, struct pci_dev *d, unsigned slot);

/* Saves or loads a function's configuration space, within the section that is
 * open; a load puts its BARs where they were. What a guest cannot write must be
 * as it is here: else it is another function's. */
void pci_dev_state(struct pci_dev *d, struct state *s);
/* After a load: what pci_intx_set() was told. The interrupt's level was loaded with its chips. */
void pci_intx_restore(struct pci_dev *d, bool level);
/* Saves or loads the bus itself and its bridge. */
void pci_host_state(struct pci_host *h, struct state *s);

#endif
