/* vmm/dev/virtio_rng.h: a virtio entropy device.   Source: virtio 1.2 §5.4. */
#ifndef MUSTER_VMM_DEV_VIRTIO_RNG_H
#define MUSTER_VMM_DEV_VIRTIO_RNG_H

#include "vmm/dev/virtio_pci.h"

struct state;

struct virtio_rng_config {
	struct mem *mem; /* borrowed */
	/* Where the bytes come from: the host, or, so that a virtual clock's
	 * guest is a function of its seed, a PRNG. Fills all of @buf. */
	void (*fill)(void *ctx, void *buf, size_t len);
	void *fill_ctx;
};

struct virtio_rng {
	struct virtio_dev dev;
	struct virtio_pci pci;
	struct virtio_rng_config cfg;
	uint64_t n_bytes; /* given so far */
	struct vq_chain chain; /* scratch */
};

/* Makes the device; it stays where it is until virtio_rng_free().
 * Returns 0 or -ENOMEM. */
int virtio_rng_new(const struct virtio_rng_config *cfg, struct virtio_rng **ret_rng);
struct virtio_rng *virtio_rng_free(struct virtio_rng *r); /* accepts NULL; returns NULL */

/* Saves or loads the device. */
void virtio_rng_state(struct virtio_rng *r, struct state *s);

#endif
