/* vmm/dev/virtio.h: what every virtio device is, whatever bus it is on: a
 * device status, negotiated features, queues, a configuration space.
 *
 * The status is the one state variable (§2.1); virtio_set_status() is its one
 * setter. What is allowed when:
 *
 *   reset … DRIVER             features may be written
 *   FEATURES_OK, not DRIVER_OK queues may be set up and enabled
 *   DRIVER_OK                  queues are served, interrupts are raised
 *   NEEDS_RESET                nothing but a reset does anything
 *
 * A device that may not reach memory (no bus mastering; not yet on a bus) does
 * nothing either, and goes on when it may.
 *
 * Writes outside their state are ignored: a driver that makes them is wrong,
 * and a hostile one gets nothing (a queue resized while it is in use is how
 * monitors were broken into).
 *
 * Owner: the device (virtio_net, …) embeds the struct; the transport
 * (virtio_pci) points to it and must not outlive it.
 * Source: virtio 1.2 §2.1 to §2.5, §3.1. */
#ifndef MUSTER_VMM_DEV_VIRTIO_H
#define MUSTER_VMM_DEV_VIRTIO_H

#include "vmm/dev/virtqueue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct state;

enum { VIRTIO_QUEUE_MAX = 40, VIRTIO_CONFIG_MAX = 64, VIRTIO_NO_VECTOR = 0xFFFF };

/* Device ids (§5). */
enum { VIRTIO_ID_NET = 1, VIRTIO_ID_CONSOLE = 3, VIRTIO_ID_RNG = 4,
       VIRTIO_ID_BALLOON = 5, VIRTIO_ID_VSOCK = 19 };

/* Device status bits (§2.1). */
enum { VIRTIO_ACKNOWLEDGE = 1, VIRTIO_DRIVER = 2, VIRTIO_DRIVER_OK = 4,
       VIRTIO_FEATURES_OK = 8, VIRTIO_NEEDS_RESET = 64, VIRTIO_FAILED = 128 };

/* Interrupt status bits (§4.1.4.5). */
enum { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 };

/* Features common to all devices (§6). */
#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)

struct virtio_ops {
	/* The driver rang queue @q; only called in DRIVER_OK. */
	void (*notify)(void *ctx, unsigned q);
	/* True when the features go together (§5.x.3.1). May be NULL. */
	bool (*features_ok)(void *ctx, uint64_t accepted);
	/* DRIVER_OK was set: the queues may be used. May be NULL. */
	void (*started)(void *ctx);
	/* The driver reset the device; queues are already off. May be NULL. */
	void (*reset)(void *ctx);
	/* The driver wrote @size bytes at @off of the configuration space; NULL
	 * where it is all read-only. config[] is the device's to change. */
	void (*config_write)(void *ctx, unsigned off, unsigned size, uint64_t v);
};

struct virtio_dev {
	const struct virtio_ops *ops;
	void *ctx; /* the device, for ops */
	uint16_t id; /* VIRTIO_ID_… */
	uint16_t n_queues;
	uint8_t status; /* setter: virtio_set_status(), virtio_break() */
	bool may_dma; /* the transport lets it reach memory; setter: virtio_set_dma() */
	uint8_t isr; /* VIRTIO_ISR_… */
	uint8_t generation; /* of the configuration space */
	uint64_t offered, accepted; /* features; accepted counts from FEATURES_OK on */
	uint16_t config_vector;
	uint16_t queue_vector[VIRTIO_QUEUE_MAX];
	struct virtqueue queue[VIRTIO_QUEUE_MAX];
	uint8_t config[VIRTIO_CONFIG_MAX]; /* device-specific, little-endian; the
					      driver writes through ops->config_write */
	uint16_t config_len;
	/* The transport's way to interrupt, @vector may be VIRTIO_NO_VECTOR; NULL: none. */
	void (*raise)(void *ctx, uint16_t vector);
	void *raise_ctx;
	uint64_t n_interrupts; /* raised */
	uint64_t n_breaks; /* times the driver broke a queue */
};

/* @features: beside VERSION_1, EVENT_IDX and INDIRECT_DESC, which all have.
 * @queue_size: entries of each queue, a power of two ≤ VQ_SIZE_MAX.
 * @n_queues: 1 to VIRTIO_QUEUE_MAX. */
void virtio_init(struct virtio_dev *d, uint16_t id, struct mem *mem, uint64_t features,
		 uint16_t n_queues, uint16_t queue_size, const struct virtio_ops *ops, void *ctx);

/* The driver writes the status: 0 resets; else bits are added when they are
 * due, none is ever cleared. */
void virtio_set_status(struct virtio_dev *d, uint8_t status);
/* The driver writes 32 of the 64 feature bits; @word: 0 or 1. */
void virtio_set_features(struct virtio_dev *d, unsigned word, uint32_t bits);
/* True in the state in which queue @q may be set up. */
bool virtio_queue_open(const struct virtio_dev *d, unsigned q);
/* The driver enables queue @q. */
void virtio_enable_queue(struct virtio_dev *d, unsigned q);
/* The driver rings queue @q. */
void virtio_notify(struct virtio_dev *d, unsigned q);

/* The transport allows or forbids memory accesses; forbidden at the start. */
void virtio_set_dma(struct virtio_dev *d, bool on);

/* For the device. */
static inline bool virtio_live(const struct virtio_dev *d)
{
	return d->may_dma && (d->status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET)) == VIRTIO_DRIVER_OK;
}

static inline bool virtio_has(const struct virtio_dev *d, uint64_t feature)
{
	return (d->accepted & feature) == feature;
}

/* vq_pop() of queue @q which breaks the device when the queue broke. */
bool virtio_pop(struct virtio_dev *d, unsigned q, struct vq_chain *ret_chain);
/* Publishes queue @q's returned chains; raises its interrupt when wanted. */
void virtio_publish(struct virtio_dev *d, unsigned q);
/* The driver broke the rules: NEEDS_RESET, and nothing more (§2.1.2). */
void virtio_break(struct virtio_dev *d);
/* config[] changed: the driver is told. */
void virtio_config_changed(struct virtio_dev *d);

/* Saves or loads status, features and queues, within the section that is open.
 * The configuration space is its device's. */
void virtio_state(struct virtio_dev *d, struct state *s);

#endif
