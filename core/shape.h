/* core/shape.h: what one direction of a link is like.
 *
 * The team file's rules and words for it are in topologies/shape.c; shaping/link.c is
 * the element that behaves so. Between processes a shape is JSON. */
#ifndef MUSTER_CORE_SHAPE_H
#define MUSTER_CORE_SHAPE_H

#include "core/clock.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Of a NIC's link, up is towards the network; of a network's, away from its first NIC. */
enum link_dir { LINK_BOTH, LINK_UP, LINK_DOWN };

enum shape_distribution { SHAPE_UNIFORM, SHAPE_NORMAL, SHAPE_PARETO, SHAPE_DISTRIBUTION_COUNT };
extern const char *const shape_distribution_names[SHAPE_DISTRIBUTION_COUNT];

/* Two years, in ns, of delay and of jitter: a jitter times its largest deviation is an instant yet (shaping/link.c). */
#define SHAPE_TIME_MAX ((nsec_t)1 << 56)
/* Bits a second. The part of a bit that an instant in ns leaves open is a short while at any other rate. */
#define SHAPE_RATE_MAX UINT64_C(1000000000000000)

/* All zero is a plain wire. Shares and chances are 0 to 1. */
struct shape_dir {
	uint64_t rate_bps; /* 0: unlimited */
	nsec_t delay_ns, jitter_ns;
	enum shape_distribution distribution; /* of the jitter */
	double loss; /* independent; not used with has_ge */
	bool has_ge; /* Gilbert-Elliott: losses in each state, chances to change */
	double ge_p, ge_r, ge_bad, ge_good;
	double corrupt, duplicate, reorder;
	bool queue_in_packets;
	uint64_t queue; /* bytes or packets; 0: max(rate * 100 ms, 20 * mtu) bytes */
	uint32_t overhead_bytes; /* added to each frame before rate is applied */
	uint16_t cell_payload, cell_size; /* 48, 53; 0: none */
};

/* The bottleneck's buffer, in bytes or in packets as the shape has it: the shape's own, or
 * 100 ms of the rate and at least 20 frames. @mtu: bytes. */
static inline uint64_t shape_queue_limit(const struct shape_dir *d, uint32_t mtu)
{
	uint64_t of_rate = d->rate_bps / 80, of_frames = 20 * (uint64_t)mtu;

	return d->queue ? d->queue : of_rate > of_frames ? of_rate : of_frames;
}

/* What a link of shape @d may come to hold, in bytes of memory, if its memory does not bound
 * it; 0: nothing waits. @mtu: its network's or its NIC's, bytes. */
uint64_t shape_memory_need(const struct shape_dir *d, uint32_t mtu);

/* The shape as JSON; the caller decrefs. */
json_t *shape_dir_json(const struct shape_dir *d);
/* The shape that shape_dir_json() told. @j: borrowed; NULL is no shape. Members that are not there are 0.
 * Returns 0; -EINVAL when a member is of another kind or out of its range, and *ret_shape is untouched. */
int shape_dir_from_json(json_t *j, struct shape_dir *ret_shape);

#endif
