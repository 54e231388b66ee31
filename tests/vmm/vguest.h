/* tests/vmm/vguest.h: a small guest driver for virtio devices: it builds rings
 * in a struct mem and reaches the device over the bus, as a guest does. */
#ifndef MUSTER_TESTS_VMM_VGUEST_H
#define MUSTER_TESTS_VMM_VGUEST_H

#include "vmm/bus.h"
#include "vmm/dev/pci.h"
#include "vmm/dev/virtio_pci.h"
#include "vmm/mem.h"

/* Registers of the common structure (virtio 1.2 §4.1.4.3). */
enum { VG_OFFERED_SELECT = 0, VG_OFFERED = 4, VG_ACCEPTED_SELECT = 8, VG_ACCEPTED = 12,
       VG_CONFIG_VECTOR = 16, VG_N_QUEUES = 18, VG_STATUS = 20, VG_GENERATION = 21,
       VG_QUEUE_SELECT = 22, VG_QUEUE_SIZE = 24, VG_QUEUE_VECTOR = 26, VG_QUEUE_ENABLE = 28,
       VG_QUEUE_NOTIFY_OFF = 30, VG_QUEUE_DESC = 32, VG_QUEUE_AVAIL = 40, VG_QUEUE_USED = 48 };
enum { VG_DESC_NEXT = 1, VG_DESC_WRITE = 2, VG_DESC_INDIRECT = 4 };
/* Vector 0 is the configuration's, queue q has vector q + 1. */
enum { VG_VECTOR_COUNT = 64, VG_ALL_READY = 15 };

struct vguest {
	struct mem mem;
	struct bus bus;
	struct pci_host host;
	struct virtio_pci *p; /* plugged in; borrowed */
	uint64_t bar; /* where the registers lie */
	uint64_t next; /* the next free byte of RAM */
	unsigned n_msi[VG_VECTOR_COUNT]; /* interrupts by vector */
};

struct vguest_queue {
	unsigned index;
	uint16_t size;
	uint64_t desc, avail, used; /* guest-physical */
	uint16_t next_desc, avail_idx, used_seen;
};

struct vguest_buf {
	uint64_t gpa;
	uint32_t len;
	bool write; /* by the device */
};

void vguest_init(struct vguest *g, uint64_t size_bytes);
void vguest_done(struct vguest *g);
/* As after vguest_init(), but for what is in RAM: no device, no interrupt seen. */
void vguest_unplug(struct vguest *g);
/* Puts the function into slot 1, maps its BARs, switches MSI-X on. */
void vguest_plug(struct vguest *g, struct virtio_pci *p);
/* RAM that nothing else uses; zero. */
uint64_t vguest_alloc(struct vguest *g, uint64_t len, uint64_t align);
uint8_t *vguest_ptr(struct vguest *g, uint64_t gpa);

uint64_t vguest_get(struct vguest *g, unsigned reg, unsigned size);
void vguest_set(struct vguest *g, unsigned reg, unsigned size, uint64_t v);
uint64_t vguest_config(struct vguest *g, unsigned off, unsigned size);
uint32_t vguest_pci_get(struct vguest *g, unsigned off, unsigned size);
void vguest_pci_set(struct vguest *g, unsigned off, unsigned size, uint32_t v);

uint64_t vguest_offered(struct vguest *g);
/* From reset to FEATURES_OK; returns the status read back. */
uint8_t vguest_negotiate(struct vguest *g, uint64_t features);
/* Sets up and enables a queue. */
void vguest_queue_up(struct vguest *g, struct vguest_queue *q, unsigned index, uint16_t size);
void vguest_driver_ok(struct vguest *g);

void vguest_desc(struct vguest *g, uint64_t table, uint16_t i, uint64_t gpa, uint32_t len,
		 uint16_t flags, uint16_t next);
/* Makes a head available. */
void vguest_avail(struct vguest *g, struct vguest_queue *q, uint16_t head);
/* Chains the buffers and makes them available. Returns the head. */
uint16_t vguest_add(struct vguest *g, struct vguest_queue *q, const struct vguest_buf *buf,
		    unsigned n);
void vguest_kick(struct vguest *g, const struct vguest_queue *q);
/* The next used element; false when there is none. */
bool vguest_used(struct vguest *g, struct vguest_queue *q, uint32_t *ret_id, uint32_t *ret_len);

#endif
