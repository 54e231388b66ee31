/* vmm/device.h: what every device of a machine is to it.
 *
 * The machine owns a list of devices in the order of vmm/devices.h, which is that of their
 * slots. It calls them by their operations alone; what a device is made of, and which
 * requests of the supervisor are its own, stands in the device's file.
 *
 * The processors, their local APICs, the interrupt controllers, the serial line, ACPI's
 * fixed hardware and the PCI bus are no devices in this sense: they are the board, which
 * devices are plugged into. There is no operation for a reset: a machine that is reset
 * ends, and its supervisor starts another one. */
#ifndef MUSTER_VMM_DEVICE_H
#define MUSTER_VMM_DEVICE_H

#include "core/bytes.h"
#include "vmm/bus.h"
#include "vmm/dev/irq.h"
#include "vmm/machine_config.h"

#include <jansson.h>

struct guest_clock;
struct loop;
struct mem;
struct acpi;
struct pci_dev;
struct state;
struct verb;

/* What the machine offers its devices. All of it outlives them; they borrow it. */
struct device_host {
	const struct machine_config *cfg;
	struct mem *mem;
	struct bus *bus;
	struct guest_clock *clock;
	struct loop *loop;
	struct acpi *acpi;
	bool has_slices; /* machine_has_slices(): work may be left to device_ops.between() */
	void *ctx; /* for the functions below */
	/* ISA interrupt @irq, 0 to 15. */
	struct irq_line (*irq)(void *ctx, unsigned irq);
	/* Random bytes for the guest: the host's, or the machine's own stream. */
	void (*entropy)(void *ctx, void *buf, size_t len);
	/* The time that frames bear. */
	nsec_t (*now)(void *ctx);
	/* Tells the supervisor; takes @event over. False: there is none. */
	bool (*tell)(void *ctx, json_t *event);
	/* The guest resets the machine. */
	void (*reset)(void *ctx);
};

/* Each may be NULL. @dev: device.dev. */
struct device_ops {
	const char *name;
	/* A kernel is about to be loaded into memory that is all zero: adds what the ACPI tables tell of
	 * the device to @aml, at the DSDT's top level, and writes what it has in memory. */
	void (*firmware)(void *dev, struct bytes *aml);
	/* Saves or loads the device, in a section of its own. @index: device.index. */
	void (*state)(void *dev, struct state *s, uint32_t index);
	/* While held (the machine is paused) a device leaves guest memory and its ends on the host
	 * alone, and remembers what it was asked to do; letting go makes up for it. A load leaves
	 * a device held. Holding one that is held changes nothing. */
	void (*hold)(void *dev, bool on);
	/* The machine goes on after a pause, with all devices let go; @is_loaded: for the first
	 * time after a load, on the real clock: the world around it may be another one. */
	void (*resumed)(void *dev, bool is_loaded);
	/* The run loop came round; often. */
	void (*between)(void *dev);
	/* Adds its counters to the "stats" event @into. */
	void (*stats)(void *dev, json_t *into);
	/* What the supervisor may ask of it: static, the last one without a name; NULL: nothing. They are joined
	 * with the machine's own verbs, and their fn is the machine's: it calls request(). */
	const struct verb *verbs;
	/* One of @verbs, called @what, with right arguments in @msg. @fd: a descriptor that came along or -1;
	 * who keeps it sets it to -1. Returns whether it was for this device. */
	bool (*request)(void *dev, uint32_t index, const char *what, json_t *msg, int *fd);
	/* Before the loop goes. */
	void (*free)(void *dev);
};

struct device {
	const struct device_ops *ops;
	void *dev; /* owned; the device's own struct */
	struct pci_dev *pci; /* in it; NULL: it is on the board, not on the PCI bus. Doorbells of its
				BARs may be rung by the engine (vmm/bus.h) */
	uint32_t index; /* among those of its kind */
};

/* Makes number @index of a kind. *@ret_device is filled but for the index.
 * Returns 0; -ENOENT: the machine is to have no such one, nor any behind it; -errno. */
typedef int device_make(const struct device_host *host, uint32_t index, struct device *ret_device);

#endif
