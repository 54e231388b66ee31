/* shaping/link_impl.h: what a link is made of, for the files that make it up.
 *
 * Used by: shaping/link.c, shaping/link_save.c. */
#ifndef MUSTER_SHAPING_LINK_IMPL_H
#define MUSTER_SHAPING_LINK_IMPL_H

#include "core/element.h"
#include "core/prng.h"
#include "core/shape.h"

#include <stdbool.h>
#include <stdint.h>

struct link_budget;

enum { LINK_WIRE_LEN_MAX = 1 << 20 /* bytes a frame may become by overhead and cells */ };

struct fifo {
	struct frame *head, **tail;
};

struct link {
	struct element element; /* first */
	struct shape_dir shape;
	uint32_t mtu; /* for the default queue, bytes */
	bool is_plain; /* hands on at once, GSO frames whole */
	bool up;
	bool ge_is_bad;
	uint64_t queue_limit;
	struct fifo queue, line;
	uint64_t queue_frames, queue_bytes; /* in the queue, without the line */
	uint64_t held_bytes; /* memory of all that is held */
	uint64_t share_bytes; /* of it that nobody else can take */
	struct link_budget *budget; /* borrowed; NULL: there is the share alone */
	nsec_t finish_ns; /* of the queue's head, or of the last one: finish_ns + finish_rem / rate */
	uint64_t finish_rem;
	nsec_t last_due_ns;
	nsec_t jitter_at_ns; /* uniform_flight(): when it was asked last; INT64_MIN: never */
	double jitter_place, jitter_speed; /* 0 to 1; -1 to 1 widths in 2 * jitter */
	struct frame_pool *pool; /* borrowed */
	struct frame_sink sink;
	struct prng loss_rng, delay_rng, mangle_rng;
	struct element_counters counters;
};

static inline void fifo_init(struct fifo *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static inline void fifo_push(struct fifo *q, struct frame *f)
{
	f->next = NULL;
	*q->tail = f;
	q->tail = &f->next;
}

static inline struct frame *fifo_pop(struct fifo *q)
{
	struct frame *f = q->head;

	q->head = f->next;
	if (!q->head)
		q->tail = &q->head;
	f->next = NULL;
	return f;
}

/* Bits that @len bytes take on the wire. */
static inline uint64_t link_wire_bits(const struct shape_dir *s, uint64_t len)
{
	len += s->overhead_bytes;
	if (s->cell_payload)
		len = (len + s->cell_payload - 1) / s->cell_payload * s->cell_size;
	if (len > LINK_WIRE_LEN_MAX)
		len = LINK_WIRE_LEN_MAX;
	return 8 * len;
}

/* Sets the shape and what follows from it; what is held stays. */
void link_adopt_shape(struct link *l, const struct shape_dir *shape);
/* Bytes of memory that may be held beside what is held. */
uint64_t link_room(const struct link *l);
/* Counts @f as held; the caller puts it into the queue or the line. */
void link_hold(struct link *l, const struct frame *f);
/* Loses all that is held. */
void link_drop_all(struct link *l, enum loss_reason why);

#endif
