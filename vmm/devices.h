/* vmm/devices.h: which devices a machine has.
 *
 * A new device is a file with a constructor and its operations, and a line here.
 * Used by: vmm/machine*.c, and the devices for the prototypes of their constructors. */
#ifndef MUSTER_VMM_DEVICES_H
#define MUSTER_VMM_DEVICES_H

#include "vmm/device.h"

/* File, slot on PCI bus 0 of the first one (0: on the board), and how many at most. Those of
 * the board, then in slot order: so are the saved state's sections. A file gives NAME_make and NAME_ops. */
#define DEVICE_TABLE(X)                   \
	X(i8254, 0, 1)                    \
	X(mc146818, 0, 1)                 \
	X(i8042, 0, 1)                    \
	X(vmgenid, 0, 1)                  \
	X(virtio_net, 1, MACHINE_NIC_MAX) \
	X(virtio_console, 25, 1)          \
	X(virtio_rng, 26, 1)              \
	X(virtio_balloon, 27, 1)          \
	X(virtio_vsock, 28, 1)

#define DEVICE_PROTOTYPE(name, slot, n_max) \
	device_make name##_make;            \
	extern const struct device_ops name##_ops;
DEVICE_TABLE(DEVICE_PROTOTYPE)
#undef DEVICE_PROTOTYPE

#define DEVICE_COUNT(name, slot, n_max) +(n_max)
enum { DEVICES_MAX = DEVICE_TABLE(DEVICE_COUNT) };
#undef DEVICE_COUNT

struct pci_host;

struct devices {
	struct device_host host;
	struct device device[DEVICES_MAX];
	size_t n;
};

/* Makes them all and puts them on @pci. @all->host is filled. Returns 0 or -errno; what was made
 * is freed by devices_free() in any case. */
int devices_make(struct devices *all, struct pci_host *pci);
/* Frees all devices, in the reverse order. */
void devices_free(struct devices *all);

/* The operations of vmm/device.h, for every device in order. */
void devices_firmware(struct devices *all, struct bytes *aml);
/* Those on PCI, or those of the board: between them a state has the board itself and memory. */
void devices_state(struct devices *all, struct state *s, bool on_pci);
/* Each is the operation of that name of every device (vmm/device.h), in the order of slots. */
void devices_hold(struct devices *all, bool on);
void devices_resumed(struct devices *all, bool is_loaded);
void devices_between(struct devices *all);
void devices_stats(struct devices *all, json_t *into);
/* Calls @take with each verb of the kinds of devices, whether the machine has such ones or not. */
void devices_each_verb(void (*take)(void *ctx, const struct verb *v), void *ctx);
/* Returns whether a device took the request, which is one of these verbs. */
bool devices_request(struct devices *all, const char *what, json_t *msg, int *fd);

/* The struct of number @index of the kind called @name; NULL: there is none. For tests. */
void *devices_find(const struct devices *all, const char *name, uint32_t index);

#endif
