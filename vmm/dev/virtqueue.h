/* vmm/dev/virtqueue.h: the device's side of a split virtqueue.
 *
 * The guest owns the rings and may write anything into them at any time. So
 * each index and each descriptor is read once into a local copy, checked, and
 * only the copy is used. What breaks the format (a chain that loops or is
 * longer than the queue, a buffer outside RAM, an avail index that jumps)
 * breaks the queue: it stays broken until the device is reset, and the device
 * says NEEDS_RESET.
 *
 * Source: virtio 1.2 §2.7 (split virtqueues). */
#ifndef MUSTER_VMM_DEV_VIRTQUEUE_H
#define MUSTER_VMM_DEV_VIRTQUEUE_H

#include "vmm/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct state;

enum { VQ_SIZE_MAX = 256 /* entries; bounds a chain too (§2.7.5.3.1) */ };

/* One buffer of a chain: checked to be RAM, all of it. */
struct vq_seg {
	uint8_t *host; /* borrowed from the mem */
	uint64_t gpa;
	uint32_t len; /* ≥ 1 */
};

/* A chain, taken from the ring: first the device-readable buffers, then the
 * device-writable ones. Filled by vq_pop(). */
struct vq_chain {
	uint16_t head; /* what vq_push() wants back */
	uint16_t n_out, n_in; /* buffers readable, writable by the device */
	uint32_t out_len, in_len; /* bytes; together < 4 GiB (§2.7.5) */
	struct vq_seg seg[VQ_SIZE_MAX]; /* n_out, then n_in */
};

/* A place in one half of a chain. Zero is its start. */
struct vq_cursor {
	uint16_t seg; /* index within the half */
	uint32_t off; /* bytes into that buffer */
};

struct virtqueue {
	struct mem *mem; /* borrowed */
	/* Set by the transport while the queue is not enabled. */
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t size; /* entries, a power of two ≤ size_max */
	uint16_t size_max;
	/* Negotiated, valid while enabled. */
	bool event_idx, indirect;
	bool enabled; /* the ring pointers below are valid */
	bool held; /* guest memory must not be touched: nothing is taken or returned; kept over
		      a reset */
	bool broken; /* the guest broke the format; nothing is taken any more */
	uint16_t last_avail; /* free-running: entries taken */
	uint16_t seen_avail; /* the guest's avail index at the last vq_pop() */
	uint16_t next_used; /* free-running: entries returned */
	uint16_t published_used; /* what the guest was shown of next_used */
	bool asked_notify; /* the guest is asked to notify */
	uint8_t *desc, *avail, *used; /* into RAM; checked by vq_enable() */
};

/* @size_max: entries, a power of two ≤ VQ_SIZE_MAX. */
void vq_init(struct virtqueue *vq, struct mem *mem, uint16_t size_max);
/* Back to the state after vq_init(). */
void vq_reset(struct virtqueue *vq);

/* Checks the addresses and takes the queue into use.
 * Returns false, the queue broken, when a ring is misaligned, not in RAM in
 * one piece, or the size is not a power of two.   Source: §2.7 (alignment) */
bool vq_enable(struct virtqueue *vq, bool event_idx, bool indirect);

enum vq_pop { VQ_GOT, VQ_EMPTY, VQ_BROKEN };

/* Takes the next chain off the available ring. @ret_chain is written in any
 * case, valid only on VQ_GOT. */
enum vq_pop vq_pop(struct virtqueue *vq, struct vq_chain *ret_chain);
/* Puts the @n chains popped last back, so that they are popped again; they
 * have not been pushed. */
void vq_unpop(struct virtqueue *vq, uint16_t n);
/* True when a chain may be waiting. */
bool vq_has_avail(const struct virtqueue *vq);

/* Returns a chain as used; the guest does not see it before vq_publish().
 * @len: bytes written into its device-writable part. */
void vq_push(struct virtqueue *vq, uint16_t head, uint32_t len);
/* Shows the guest all pushed chains. Returns true when it wants an interrupt
 * for them.   Source: §2.7.7.2, §2.7.8 */
bool vq_publish(struct virtqueue *vq);

/* Asks the guest to notify (@on), or not to bother. Returns true when, having
 * asked, chains are waiting after all: go on serving.   Source: §2.7.10 */
bool vq_ask_notify(struct virtqueue *vq, bool on);
/* Asks for a notification when chains come in addition to those there, which
 * do not suffice (they were unpopped). Returns true when more came meanwhile:
 * try again. */
bool vq_ask_more(struct virtqueue *vq);

/* Copies out of the readable half from @cur on. Returns the bytes copied,
 * fewer than @len at the half's end. */
size_t vq_read(const struct vq_chain *c, struct vq_cursor *cur, void *dst, size_t len);
/* Copies into the writable half from @cur on; the same. */
size_t vq_write(struct mem *mem, const struct vq_chain *c, struct vq_cursor *cur,
		const void *src, size_t len);

/* Saves or loads the queue, within the section that is open, after the memory's
 * size is known; a load checks its rings as vq_enable() does. */
void vq_state(struct virtqueue *vq, struct state *s);

#endif
