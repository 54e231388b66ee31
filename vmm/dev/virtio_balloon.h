/* vmm/dev/virtio_balloon.h: a virtio memory balloon: the guest gives memory
 * back to the host, on request and of itself (free page reporting).
 * Source: virtio 1.2 §5.5. */
#ifndef MUSTER_VMM_DEV_VIRTIO_BALLOON_H
#define MUSTER_VMM_DEV_VIRTIO_BALLOON_H

#include "vmm/dev/virtio_pci.h"

struct state;

/* Feature bits (§5.5.3). */
#define VIRTIO_BALLOON_F_STATS_VQ (UINT64_C(1) << 1)
#define VIRTIO_BALLOON_F_DEFLATE_ON_OOM (UINT64_C(1) << 2)
#define VIRTIO_BALLOON_F_PAGE_REPORTING (UINT64_C(1) << 5)

/* Queues (§5.5.2). Free page hints are not offered, so what lies behind the
 * statistics is reporting: number 4 by the clause, 3 by Linux, which counts
 * only the queues that exist, 2 when there are no statistics either. */
enum { VIRTIO_BALLOON_INFLATEQ = 0, VIRTIO_BALLOON_DEFLATEQ = 1, VIRTIO_BALLOON_STATSQ = 2,
       VIRTIO_BALLOON_QUEUE_COUNT = 5 };

/* Statistics by tag (§5.5.6.4). */
enum { VIRTIO_BALLOON_S_FREE = 4, VIRTIO_BALLOON_S_TOTAL = 5, VIRTIO_BALLOON_S_AVAILABLE = 6,
       VIRTIO_BALLOON_S_COUNT = 10 };

struct virtio_balloon {
	struct virtio_dev dev;
	struct virtio_pci pci;
	struct mem *mem; /* borrowed */
	uint64_t inflated_bytes; /* given back since the start because we asked */
	uint64_t reported_bytes; /* given back of the guest's own accord */
	uint64_t n_bad; /* page numbers and ranges that are no RAM */
	uint64_t stat[VIRTIO_BALLOON_S_COUNT]; /* the guest's last word, by tag; bytes where
						  it is memory; UINT64_MAX: not said */
	bool stats_held; /* the guest's statistics buffer is with us: it can be asked */
	uint16_t stats_head;
	bool held; /* the machine is paused: the guest is told nothing */
	uint64_t wanted_bytes; /* the target to be when it goes on */
	struct vq_chain chain; /* scratch */
};

/* Makes the device; it stays where it is until virtio_balloon_free(). @mem:
 * borrowed. Returns 0 or -ENOMEM. */
int virtio_balloon_new(struct mem *mem, struct virtio_balloon **ret_balloon);
struct virtio_balloon *virtio_balloon_free(struct virtio_balloon *b); /* accepts NULL; returns NULL */

/* Asks the guest to hold @bytes in the balloon, more or less than now; at most
 * all of its memory counts. The guest does what it can, when it can. */
void virtio_balloon_set_target(struct virtio_balloon *b, uint64_t bytes);
uint64_t virtio_balloon_target(const struct virtio_balloon *b); /* bytes */
/* What the guest says it holds in the balloon; bytes. */
uint64_t virtio_balloon_actual(const struct virtio_balloon *b);
/* Asks the guest for new statistics; they come later into stat[]. */
void virtio_balloon_ask_stats(struct virtio_balloon *b);

/* While held the guest is told of no target and asked for nothing; letting go tells it of the
 * last target. */
void virtio_balloon_hold(struct virtio_balloon *b, bool on);

/* Saves or loads the device; what it gave back is zeros in the memory's state. Loading, it is
 * held, with the target that it was loaded with. */
void virtio_balloon_state(struct virtio_balloon *b, struct state *s);

#endif
