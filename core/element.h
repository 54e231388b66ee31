/* core/element.h: the form of everything a frame passes.
 *
 * An element is a state machine without clock, socket or thread. It takes
 * (frame, now) on one of its inputs, hands frames on through the sink it was
 * given for each output, and says when it next wants to be called. One loop
 * drives all elements of a team on the real or on a virtual clock, by their
 * operations alone.
 *
 * A frame that is taken belongs to the element: it is freed, kept or handed
 * on, exactly once. */
#ifndef MUSTER_CORE_ELEMENT_H
#define MUSTER_CORE_ELEMENT_H

#include "core/clock.h"
#include "core/frame.h"
#include "core/heap.h"

/* Where frames go: one call a frame; takes ownership of @f. */
struct frame_sink {
	void (*take)(void *ctx, struct frame *f, nsec_t now);
	void *ctx;
};

static inline void frame_sink_put(const struct frame_sink *s, struct frame *f, nsec_t now)
{
	s->take(s->ctx, f, now);
}

/* Why frames did not go on. Every count is of frames. At every instant
 * entered + copied = delivered + sum(lost) + queued. */
enum loss_reason { LOSS_QUEUE, LOSS_RANDOM, LOSS_DOWN, LOSS_MALFORMED, LOSS_NO_PORT /* no one to give it to */,
		   LOSS_RING_FULL, LOSS_SHUTDOWN,
		   LOSS_MEMORY /* the budget of memory is used up */, LOSS_REASON_COUNT,
		   NOT_LOST = LOSS_REASON_COUNT };
struct element_counters {
	uint64_t entered_frames, entered_bytes;
	uint64_t copied_frames; /* additional ones: flooding, duplication */
	uint64_t delivered_frames, delivered_bytes;
	uint64_t lost_frames[LOSS_REASON_COUNT];
	/* What happened to frames on their way; they are in no sum above but
	 * that each duplicate is also a copied frame. */
	uint64_t corrupted_frames, duplicated_frames, reordered_frames;
	uint64_t queued_frames, queued_bytes; /* now */
};

struct element;
struct state;

/* What an element does. An element that never holds a frame has neither run nor next. */
struct element_ops {
	const char *type; /* "link", "switch" */
	/* Takes @f, which came on input @in, over. Returns what next() would. */
	nsec_t (*take)(struct element *e, unsigned in, struct frame *f, nsec_t now);
	/* Hands on what is due at @now. */
	void (*run)(struct element *e, nsec_t now);
	/* When run() is next wanted; NSEC_NEVER while nothing is held. */
	nsec_t (*next)(const struct element *e);
	/* Describes the element for saved state, relative to @now, in the section that the caller has begun
	 * (core/state.h). Loading: into one made alike. After a refusal it can only be freed. */
	void (*state)(struct element *e, struct state *s, nsec_t now);
	const struct element_counters *(*counters)(const struct element *e); /* borrowed */
	struct element *(*free)(struct element *e); /* and all frames it holds; returns NULL */
};

/* Lies at the beginning of the element's own struct. */
struct element {
	const struct element_ops *ops;
	struct heap_item event; /* its driver's: when it next wants to run */
};

static inline void element_init(struct element *e, const struct element_ops *ops)
{
	e->ops = ops;
	heap_item_init(&e->event, 0);
}

static inline const struct element_counters *element_counters(const struct element *e)
{
	return e->ops->counters(e);
}

#endif
