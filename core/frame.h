/* core/frame.h: an Ethernet frame on its way through the fabric.
 *
 * A frame is a header and its bytes in one heap block, owned by exactly one
 * holder at a time: an element that takes a frame frees it, keeps it, or
 * hands it on. Blocks come from a pool (frame_pool), so that the fast path
 * never calls malloc. The offload header is virtio's (virtio 1.2 §5.1.6):
 * a GSO frame stays whole until an element needs wire frames.
 *
 * Used by: vswitch, shaping, dhcp, dns, nat, the fabric. */
#ifndef MUSTER_CORE_FRAME_H
#define MUSTER_CORE_FRAME_H

#include "core/clock.h"

#include <stddef.h>
#include <stdint.h>

enum {
	ETH_HEADER_LEN = 14,
	/* The largest GSO frame: 64 KiB of IP plus Ethernet and VLAN headers. */
	FRAME_LEN_MAX = 65536 + 18,
	/* Smallest segment taken from a guest: TCP's smallest maximum segment
	 * (48) less its longest options. Bounds what one frame may become. */
	FRAME_GSO_SIZE_MIN = 8,
};

/* The offload header, values as virtio 1.2 §5.1.6.1 (flags 1 NEEDS_CSUM,
 * 2 DATA_VALID; gso_type 0 NONE 1 TCPV4 3 UDP 4 TCPV6 0x80 ECN). All zero: a
 * plain frame with complete checksums. */
struct frame_offload {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
};

struct frame {
	struct frame *next; /* for the holder's queue */
	struct frame_pool *pool; /* where it goes back to; NULL: free() */
	nsec_t rx_time_ns; /* when it entered the fabric */
	nsec_t due_ns; /* owned by the link it is in */
	struct frame_offload offload;
	uint8_t class; /* its pool's: which stack it goes back to */
	uint32_t len; /* bytes used, without FCS */
	uint32_t size; /* bytes there are */
	uint8_t data[];
};

struct frame_pool;

/* @n_max: frames kept for reuse, of all size classes together. A frame has a power of two
 * of bytes, FRAME_CLASS_MIN to FRAME_POOL_SIZE; larger frames are plain heap blocks of
 * their own size. Returns 0 or -ENOMEM. */
enum { FRAME_CLASS_MIN = 64, FRAME_POOL_SIZE = 2048 };
int frame_pool_new(size_t n_max, struct frame_pool **ret_pool);
/* Every frame must have come back. Accepts NULL; returns NULL. */
struct frame_pool *frame_pool_free(struct frame_pool *pool);

/* A frame with room for @size bytes, len 0, offload zero. @pool may be NULL.
 * Returns NULL when memory is out or size > FRAME_LEN_MAX. */
struct frame *frame_new(struct frame_pool *pool, size_t size);
/* A frame of @pool with the bytes of @from. NULL: no memory. */
struct frame *frame_copy(struct frame_pool *pool, const struct frame *from);
struct frame *frame_free(struct frame *f); /* accepts NULL; returns NULL */
/* Bytes of memory that the frame takes, the heap's own included. */
static inline uint64_t frame_memory(const struct frame *f)
{
	return sizeof *f + f->size + 2 * sizeof(size_t);
}

#endif
