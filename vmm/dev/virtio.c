/* vmm/dev/virtio.c: the status machine, features and queues of a virtio device.
 *
 * A status write is taken bit by bit in the order of §3.1.1, each bit only if
 * the one before it is there; so DRIVER_OK without FEATURES_OK is impossible
 * and queues are enabled between the two and at no other time. FEATURES_OK is
 * refused (it reads back as 0) when the driver wants what was not offered, does
 * not want VERSION_1 (we have no legacy interface), or wants a combination the
 * device's clause forbids.
 *
 * Used by: vmm/dev/virtio_*.c.   Depends on: vmm/dev/virtqueue.h.
 * Sources: virtio 1.2 §2.1, §2.2, §3.1.1. */
#include "vmm/dev/virtio.h"

#include "core/state.h"

#include <string.h>

static void clear_state(struct virtio_dev *d)
{
	d->status = 0;
	d->isr = 0;
	d->accepted = 0;
	d->config_vector = VIRTIO_NO_VECTOR;
	for (unsigned q = 0; q < d->n_queues; q++) {
		vq_reset(&d->queue[q]);
		d->queue_vector[q] = VIRTIO_NO_VECTOR;
	}
}

void virtio_init(struct virtio_dev *d, uint16_t id, struct mem *mem, uint64_t features,
		 uint16_t n_queues, uint16_t queue_size, const struct virtio_ops *ops, void *ctx)
{
	*d = (struct virtio_dev){ .ops = ops, .ctx = ctx, .id = id, .n_queues = n_queues };
	d->offered = features | VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC;
	for (unsigned q = 0; q < n_queues; q++)
		vq_init(&d->queue[q], mem, queue_size);
	clear_state(d);
	for (unsigned q = 0; q < n_queues; q++)
		d->queue[q].held = true;
}

void virtio_set_dma(struct virtio_dev *d, bool on)
{
	if (d->may_dma == on)
		return;
	d->may_dma = on;
	for (unsigned q = 0; q < d->n_queues; q++)
		d->queue[q].held = !on;
	if (virtio_live(d) && d->ops->started)
		d->ops->started(d->ctx);
}

static bool features_acceptable(const struct virtio_dev *d)
{
	if ((d->accepted & ~d->offered) || !virtio_has(d, VIRTIO_F_VERSION_1))
		return false;
	return !d->ops->features_ok || d->ops->features_ok(d->ctx, d->accepted);
}

void virtio_set_status(struct virtio_dev *d, uint8_t status)
{
	uint8_t add = (uint8_t)(status & ~d->status);

	if (status == 0) {
		clear_state(d);
		if (d->ops->reset)
			d->ops->reset(d->ctx);
		return;
	}
	if (add & VIRTIO_FAILED)
		d->status |= VIRTIO_FAILED;
	if (d->status & VIRTIO_NEEDS_RESET)
		return;
	if (add & VIRTIO_ACKNOWLEDGE)
		d->status |= VIRTIO_ACKNOWLEDGE;
	if ((add & VIRTIO_DRIVER) && (d->status & VIRTIO_ACKNOWLEDGE))
		d->status |= VIRTIO_DRIVER;
	if ((add & VIRTIO_FEATURES_OK) && (d->status & VIRTIO_DRIVER) && features_acceptable(d))
		d->status |= VIRTIO_FEATURES_OK;
	if ((add & VIRTIO_DRIVER_OK) && (d->status & VIRTIO_FEATURES_OK)) {
		d->status |= VIRTIO_DRIVER_OK;
		if (d->may_dma && d->ops->started)
			d->ops->started(d->ctx);
	}
}

void virtio_set_features(struct virtio_dev *d, unsigned word, uint32_t bits)
{
	unsigned shift = word * 32;

	if (word > 1 || (d->status & (VIRTIO_FEATURES_OK | VIRTIO_NEEDS_RESET)))
		return;
	d->accepted = (d->accepted & ~(UINT64_C(0xFFFFFFFF) << shift)) | (uint64_t)bits << shift;
}

bool virtio_queue_open(const struct virtio_dev *d, unsigned q)
{
	uint8_t want = VIRTIO_FEATURES_OK;
	uint8_t mask = VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET;

	return q < d->n_queues && (d->status & mask) == want && !d->queue[q].enabled;
}

void virtio_enable_queue(struct virtio_dev *d, unsigned q)
{
	if (!virtio_queue_open(d, q))
		return;
	if (!vq_enable(&d->queue[q], virtio_has(d, VIRTIO_F_EVENT_IDX),
		       virtio_has(d, VIRTIO_F_INDIRECT_DESC)))
		virtio_break(d);
}

void virtio_notify(struct virtio_dev *d, unsigned q)
{
	/* Before DRIVER_OK no buffer is looked at (§2.1.2). */
	if (q < d->n_queues && virtio_live(d) && d->queue[q].enabled)
		d->ops->notify(d->ctx, q);
}

static void raise_vector(struct virtio_dev *d, uint8_t why, uint16_t vector)
{
	d->isr |= why;
	d->n_interrupts++;
	if (d->raise)
		d->raise(d->raise_ctx, vector);
}

bool virtio_pop(struct virtio_dev *d, unsigned q, struct vq_chain *ret_chain)
{
	if (!virtio_live(d))
		return false;
	switch (vq_pop(&d->queue[q], ret_chain)) {
	case VQ_GOT:
		return true;
	case VQ_BROKEN:
		virtio_break(d);
		return false;
	case VQ_EMPTY:
		break;
	}
	return false;
}

void virtio_publish(struct virtio_dev *d, unsigned q)
{
	if (virtio_live(d) && vq_publish(&d->queue[q]))
		raise_vector(d, VIRTIO_ISR_QUEUE, d->queue_vector[q]);
}

void virtio_break(struct virtio_dev *d)
{
	bool was_running = virtio_live(d);

	if (d->status & VIRTIO_NEEDS_RESET)
		return;
	d->status |= VIRTIO_NEEDS_RESET;
	d->n_breaks++;
	if (was_running)
		virtio_config_changed(d);
}

void virtio_config_changed(struct virtio_dev *d)
{
	d->generation++;
	if (d->status & VIRTIO_DRIVER_OK)
		raise_vector(d, VIRTIO_ISR_CONFIG, d->config_vector);
}

void virtio_state(struct virtio_dev *d, struct state *s)
{
	const uint8_t ready = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK;
	bool enabled = false;

	state_same(s, d->id, "the kind of virtio device");
	state_same(s, d->n_queues, "queues");
	state_u8(s, &d->status);
	state_u8(s, &d->isr);
	state_u8(s, &d->generation);
	state_u64(s, &d->accepted);
	state_u16(s, &d->config_vector);
	state_u64(s, &d->n_interrupts);
	state_u64(s, &d->n_breaks);
	state_expect(s, !(d->status & VIRTIO_FEATURES_OK) || features_acceptable(d),
		     "features that this device has not");
	for (unsigned q = 0; q < d->n_queues; q++) {
		state_u16(s, &d->queue_vector[q]);
		vq_state(&d->queue[q], s);
		enabled = enabled || d->queue[q].enabled;
	}
	state_expect(s, (d->status & ready) == ready ||
			!(enabled || (d->status & VIRTIO_DRIVER_OK)),
		     "a device that runs without its features");
}
