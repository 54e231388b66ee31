/* vmm/dev/virtio_rng.c: a virtio entropy device.
 *
 * Each request is answered at once, with at most BYTES_MAX bytes: a guest may
 * ask for gigabytes in one buffer, and a short answer is legal (§5.4.6.1 wants
 * one byte or more).
 *
 * Used by: vmm/devices.c.   Depends on: vmm/dev/virtio_pci.h.
 * Sources: virtio 1.2 §5.4. */
#include "vmm/dev/virtio_rng.h"

#include "core/state.h"
#include "vmm/devices.h"

#include <errno.h>
#include <stdlib.h>

enum { QUEUE_SIZE = 8, CLASS_OTHER = 0xFF0000, BYTES_MAX = 256 };

static void on_notify(void *ctx, unsigned q)
{
	struct virtio_rng *r = ctx;
	struct virtqueue *vq = &r->dev.queue[q];
	uint8_t buf[BYTES_MAX];

	do {
		while (virtio_pop(&r->dev, q, &r->chain)) {
			size_t len = r->chain.in_len < BYTES_MAX ? r->chain.in_len : BYTES_MAX;
			struct vq_cursor cur = { 0 };

			r->cfg.fill(r->cfg.fill_ctx, buf, len);
			(void)vq_write(vq->mem, &r->chain, &cur, buf, len);
			vq_push(vq, r->chain.head, (uint32_t)len);
			r->n_bytes += len;
		}
		virtio_publish(&r->dev, q);
	} while (vq_ask_notify(vq, true) && virtio_live(&r->dev));
}

static void on_started(void *ctx)
{
	on_notify(ctx, 0);
}

static const struct virtio_ops rng_ops = { .notify = on_notify, .started = on_started };

int virtio_rng_new(const struct virtio_rng_config *cfg, struct virtio_rng **ret_rng)
{
	struct virtio_rng *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	r->cfg = *cfg;
	virtio_init(&r->dev, VIRTIO_ID_RNG, cfg->mem, 0, 1, QUEUE_SIZE, &rng_ops, r);
	virtio_pci_init(&r->pci, &r->dev, CLASS_OTHER);
	*ret_rng = r;
	return 0;
}

struct virtio_rng *virtio_rng_free(struct virtio_rng *r)
{
	free(r);
	return NULL;
}

void virtio_rng_state(struct virtio_rng *r, struct state *s)
{
	(void)state_begin(s, "vrng", 0, 1);
	virtio_pci_state(&r->pci, s);
	state_u64(s, &r->n_bytes);
	state_end(s);
}

/* ---- in the machine -------------------------------------------------------------- */

static void dev_state(void *dev, struct state *s, uint32_t index)
{
	(void)index;
	virtio_rng_state(dev, s);
}

static void dev_free(void *dev)
{
	(void)virtio_rng_free(dev);
}

const struct device_ops virtio_rng_ops = { .name = "virtio-rng", .state = dev_state, .free = dev_free };

int virtio_rng_make(const struct device_host *host, uint32_t index, struct device *ret_device)
{
	const struct virtio_rng_config cfg = { .mem = host->mem, .fill = host->entropy,
					       .fill_ctx = host->ctx };
	struct virtio_rng *r;

	(void)index;
	if (virtio_rng_new(&cfg, &r) < 0)
		return -ENOMEM;
	*ret_device = (struct device){ .ops = &virtio_rng_ops, .dev = r, .pci = &r->pci.pci };
	return 0;
}
