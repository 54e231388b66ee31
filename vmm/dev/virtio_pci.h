/* vmm/dev/virtio_pci.h: the virtio transport over PCI, modern only: common,
 * notify, ISR, device and pci-cfg capabilities in one BAR, MSI-X in another.
 * Source: virtio 1.2 §4.1. */
#ifndef MUSTER_VMM_DEV_VIRTIO_PCI_H
#define MUSTER_VMM_DEV_VIRTIO_PCI_H

#include "vmm/dev/msix.h"
#include "vmm/dev/pci.h"
#include "vmm/dev/virtio.h"

struct state;

/* The layout of the registers' BAR. */
enum { VIRTIO_PCI_BAR = 0, VIRTIO_PCI_MSIX_BAR = 2, VIRTIO_PCI_BAR_SIZE = 0x4000,
       VIRTIO_PCI_COMMON = 0x0000, VIRTIO_PCI_ISR = 0x1000, VIRTIO_PCI_DEVICE = 0x2000,
       VIRTIO_PCI_NOTIFY = 0x3000, VIRTIO_PCI_NOTIFY_STEP = 4, VIRTIO_PCI_COMMON_LEN = 56 };

struct virtio_pci {
	struct virtio_dev *dev; /* borrowed; outlives this */
	struct pci_dev pci;
	struct msix msix;
	uint32_t offered_select, accepted_select; /* which 32 feature bits */
	uint16_t queue_select;
	uint8_t device_cap; /* configuration offset of the device structure's capability; 0: none */
	uint8_t window; /* configuration offset of the pci-cfg capability */
};

/* Makes @p the PCI function of @dev; @p stays where it is. The caller then
 * puts &p->pci on a bus with pci_host_add(). @class_code: 24 bits. */
void virtio_pci_init(struct virtio_pci *p, struct virtio_dev *dev, uint32_t class_code);

/* Changes how much of the device's configuration the driver is told of, which dev->config_len
 * said at the beginning and was not 0. */
void virtio_pci_set_config_len(struct virtio_pci *p, uint16_t len);

/* The doorbells of queues @first, @first + @step, ... (@n of them) may be rung by the
 * engine (vmm/bus.h). Before the function is on a bus. */
void virtio_pci_set_bells(struct virtio_pci *p, unsigned first, unsigned step, unsigned n);

/* The registers' BAR, for the bus and the tests. @size: 1, 2, 4, 8. */
uint64_t virtio_pci_read(void *p, uint64_t off, unsigned size);
/* The same; @v: of @size bytes. */
void virtio_pci_write(void *p, uint64_t off, unsigned size, uint64_t v);

/* Saves or loads the function, its device and its MSI-X, within the section that is open. */
void virtio_pci_state(struct virtio_pci *p, struct state *s);

#endif
