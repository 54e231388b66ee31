/* core/element_state.h: saved state of what elements have in common: frames and counters.
 *
 * All describe their fields in the section that the caller has begun (core/state.h). */
#ifndef MUSTER_CORE_ELEMENT_STATE_H
#define MUSTER_CORE_ELEMENT_STATE_H

#include "core/element.h"
#include "core/state.h"

/* Describes a frame: bytes, room for bytes, offload header, and its times as distances to @now.
 * Saving: @f is described and returned. Loading: @f is not looked at; a new frame of @pool is
 * returned, which the caller owns, or NULL when the file was refused.
 * @max_bytes: of memory (frame_memory()) that a loaded frame may take. */
struct frame *frame_state(struct frame *f, struct state *s, struct frame_pool *pool, uint64_t max_bytes, nsec_t now);

/* Describes an offload header, whatever it says. */
void frame_offload_state(struct frame_offload *o, struct state *s);

/* Describes the counters but queued_frames and queued_bytes: loading sets both to 0, and the
 * caller counts what it loads. */
void element_counters_state(struct element_counters *c, struct state *s);
/* True when entered + copied = delivered + lost + queued. */
bool element_counters_balance(const struct element_counters *c);

#endif
