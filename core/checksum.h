/* core/checksum.h: the Internet checksum. Source: RFC 1071, RFC 1624. */
#ifndef MUSTER_CORE_CHECKSUM_H
#define MUSTER_CORE_CHECKSUM_H

#include "core/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Adds @len bytes to a running sum (start with 0); a piece that is not the
 * last has an even length. */

uint32_t checksum_add(uint32_t sum, const void *buf, size_t len);
/* Folds and complements; the value to store, in host order of a big-endian
 * field (write with store_be16). */
uint16_t checksum_fold(uint32_t sum);

/* Completes a NEEDS_CSUM frame in place and clears the flag.
 * Returns 0; -EBADMSG when csum_start/csum_offset lie outside the frame. */
int frame_checksum_complete(struct frame *f);

/* Checks the offload header of a frame that somebody untrusted wrote, against the frame's own
 * headers. True: a neighbour may be given it, and frame_segment() can cut it. Then hdr_len is
 * the length of the frame's headers, and what a plain frame has no use for is 0.
 * Source: virtio 1.2 §5.1.6.2. */
bool frame_offload_check(struct frame *f);

/* What the longest wire frame that @f becomes carries behind its Ethernet header and at most
 * two VLAN tags, in bytes: the MTU that it needs. A GSO frame has passed frame_offload_check(). */
uint32_t frame_payload_len(const struct frame *f);

/* Cuts a GSO frame into wire frames with complete headers and checksums,
 * linked through ->next, in order; @f is consumed in any case. A frame that
 * is not GSO comes back alone, its checksum completed. NULL: with *ret_bad = true
 * it cannot be cut (headers that lie), else memory is out. */
struct frame *frame_segment(struct frame_pool *pool, struct frame *f, bool *ret_bad);

#endif
