/* core/element_state.c: frames and counters in saved state.
 *
 * A frame that is loaded passes the check that it passed when it entered the fabric
 * (frame_offload_check()), since neighbours rely on it. Its room is saved beside its length:
 * memory is counted by room, and what has room decides about the frames to come.
 *
 * Used by: core/ring.c, shaping, vswitch.   Depends on: core/{checksum,element,frame,state}.h. */
#include "core/element_state.h"

#include "core/checksum.h"

void frame_offload_state(struct frame_offload *o, struct state *s)
{
	state_u8(s, &o->flags);
	state_u8(s, &o->gso_type);
	state_u16(s, &o->hdr_len);
	state_u16(s, &o->gso_size);
	state_u16(s, &o->csum_start);
	state_u16(s, &o->csum_offset);
}

/* A frame of @size bytes of room, or NULL and the file is refused. */
static struct frame *frame_for(struct state *s, struct frame_pool *pool, uint32_t len, uint32_t size,
			       uint64_t max_bytes)
{
	struct frame *f;

	state_expect(s, len <= size && size <= FRAME_LEN_MAX, "a frame longer than a frame can be");
	if (!state_ok(s))
		return NULL;
	f = frame_new(pool, size);
	state_expect(s, f, "there is no memory for its frames");
	/* The pool may have rounded the room up. */
	state_expect(s, !f || frame_memory(f) <= max_bytes, "frames that take more memory than they may");
	return state_ok(s) ? f : frame_free(f);
}

struct frame *frame_state(struct frame *f, struct state *s, struct frame_pool *pool, uint64_t max_bytes, nsec_t now)
{
	uint32_t len = state_is_load(s) ? 0 : f->len, size = state_is_load(s) ? 0 : f->size;

	state_u32(s, &len);
	state_u32(s, &size);
	if (state_is_load(s)) {
		f = frame_for(s, pool, len, size, max_bytes);
		if (!f)
			return NULL;
		f->len = len;
	}
	state_time(s, &f->rx_time_ns, now);
	state_time(s, &f->due_ns, now);
	frame_offload_state(&f->offload, s);
	state_bytes(s, f->data, len);
	if (!state_is_load(s))
		return f;
	if (state_ok(s) && (f->offload.flags | f->offload.gso_type))
		state_expect(s, frame_offload_check(f), "a frame whose offload header lies");
	return state_ok(s) ? f : frame_free(f);
}

void element_counters_state(struct element_counters *c, struct state *s)
{
	uint64_t *const each[] = { &c->entered_frames, &c->entered_bytes, &c->copied_frames, &c->delivered_frames,
				   &c->delivered_bytes, &c->corrupted_frames, &c->duplicated_frames,
				   &c->reordered_frames };

	for (size_t i = 0; i < sizeof each / sizeof each[0]; i++)
		state_u64(s, each[i]);
	state_u64s(s, c->lost_frames, LOSS_REASON_COUNT);
	if (state_is_load(s))
		c->queued_frames = c->queued_bytes = 0;
}

bool element_counters_balance(const struct element_counters *c)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < LOSS_REASON_COUNT; i++)
		lost += c->lost_frames[i];
	return c->entered_frames + c->copied_frames == c->delivered_frames + lost + c->queued_frames;
}
