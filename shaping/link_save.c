/* shaping/link_save.c: the saved state of a link.
 *
 * All that decides what becomes of the frames that are held, and of those to come: the shape in
 * force, frames in the order of queue and line, the bottleneck's finish, the positions of the
 * random streams, the state of the loss model and of the jitter. Instants are distances to now.
 * Streams and shape are restored and not compared, since `link set` changes them at any time.
 *
 * What is loaded is checked until it is a state that a link can be in: a frame is due no earlier
 * than the one before it, a queue has a rate, the counters balance, memory is within share and
 * spare. The queue's limit is no such rule: a limit that shrinks leaves what is queued.
 *
 * Used by: the fabric.   Depends on: core/{element_state,prng,shape,state}.h. */
#include "core/element_state.h"
#include "shaping/link.h"
#include "shaping/link_impl.h"

static void shares_state(struct shape_dir *d, struct state *s)
{
	double *const each[] = { &d->loss, &d->ge_p, &d->ge_r, &d->ge_bad, &d->ge_good,
				 &d->corrupt, &d->duplicate, &d->reorder };

	for (size_t i = 0; i < sizeof each / sizeof each[0]; i++)
		state_double(s, each[i], 0, 1);
}

static void shape_state(struct shape_dir *d, struct state *s)
{
	uint8_t distribution = (uint8_t)d->distribution;

	state_u64(s, &d->rate_bps);
	state_expect(s, d->rate_bps <= SHAPE_RATE_MAX, "a rate out of its range");
	state_span(s, &d->delay_ns, SHAPE_TIME_MAX);
	state_span(s, &d->jitter_ns, SHAPE_TIME_MAX);
	state_u8(s, &distribution);
	state_expect(s, distribution < SHAPE_DISTRIBUTION_COUNT, "a distribution that is none");
	d->distribution = (enum shape_distribution)distribution;
	state_bool(s, &d->has_ge);
	shares_state(d, s);
	state_bool(s, &d->queue_in_packets);
	state_u64(s, &d->queue);
	state_expect(s, d->queue <= INT64_MAX, "a queue out of its range");
	state_u32(s, &d->overhead_bytes);
	state_expect(s, d->overhead_bytes <= UINT16_MAX, "an overhead out of its range");
	state_u16(s, &d->cell_payload);
	state_u16(s, &d->cell_size);
	state_expect(s, d->cell_payload <= d->cell_size && !d->cell_payload == !d->cell_size, "cells that cannot be");
}

/* What the loss and jitter models remember. */
static void models_state(struct link *l, struct state *s, nsec_t now)
{
	prng_state(&l->loss_rng, s);
	prng_state(&l->delay_rng, s);
	prng_state(&l->mangle_rng, s);
	state_bool(s, &l->ge_is_bad);
	state_time(s, &l->jitter_at_ns, now);
	state_expect(s, l->jitter_at_ns != NSEC_NEVER, "a jitter of no time");
	state_double(s, &l->jitter_place, 0, 1);
	state_double(s, &l->jitter_speed, -1, 1);
}

/* The next of a queue or a line of frames: saving, @f; loading, a new one, held and at the end of @q. */
static void held_state(struct link *l, struct fifo *q, struct frame *f, struct state *s, nsec_t now)
{
	f = frame_state(f, s, l->pool, link_room(l), now);
	if (!f || !state_is_load(s))
		return;
	link_hold(l, f);
	fifo_push(q, f);
	state_expect(s, !f->offload.gso_type, "a frame that was to be segmented before the link");
}

/* Returns how many frames there are. */
static uint64_t frames_state(struct link *l, struct fifo *q, struct state *s, nsec_t now)
{
	uint64_t n = 0;

	if (!state_is_load(s))
		for (const struct frame *f = q->head; f; f = f->next)
			n++;
	state_u64(s, &n);
	if (state_is_load(s))
		for (uint64_t i = 0; i < n && state_ok(s); i++)
			held_state(l, q, NULL, s, now);
	else
		for (struct frame *f = q->head; f; f = f->next)
			held_state(l, q, f, s, now);
	return n;
}

/* The queue before the bottleneck: its head has at most a frame's bits to go, and its last bit is
 * out before the end of all time. */
static void queue_check(struct link *l, struct state *s, nsec_t now)
{
	nsec_t left_max = NSEC_PER_SEC * 8 * LINK_WIRE_LEN_MAX;
	double bits = 0;

	l->queue_frames = l->queue_bytes = 0;
	for (const struct frame *f = l->queue.head; f; f = f->next) {
		l->queue_frames++;
		l->queue_bytes += f->len;
		bits += (double)link_wire_bits(&l->shape, f->len);
	}
	state_expect(s, l->finish_ns != NSEC_NEVER, "a bottleneck that is never free");
	state_expect(s, l->finish_rem == 0 || l->finish_rem < l->shape.rate_bps, "a remainder larger than its rate");
	if (!l->queue.head)
		return;
	state_expect(s, l->shape.rate_bps != 0, "a queue without a rate");
	state_expect(s, l->finish_ns != INT64_MIN, "a queue whose head is never sent");
	if (!state_ok(s))
		return;
	left_max = left_max / (nsec_t)l->shape.rate_bps + 2; /* two roundings up */
	state_expect(s, l->finish_ns - now <= left_max, "a head that is longer on the wire than any frame");
	state_expect(s, bits * 1e9 <= (double)l->shape.rate_bps * (double)STATE_TIME_MAX, "a queue of years");
}

static void line_check(const struct link *l, struct state *s)
{
	nsec_t last = INT64_MIN;

	for (const struct frame *f = l->line.head; f; f = f->next) {
		state_expect(s, f->due_ns != INT64_MIN && f->due_ns != NSEC_NEVER, "a frame that never arrives");
		state_expect(s, f->due_ns >= last, "frames that are not in the order of their arrival");
		last = f->due_ns;
	}
	state_expect(s, l->last_due_ns >= last && l->last_due_ns != NSEC_NEVER, "a last arrival that is not the last");
}

void link_saved_state(struct link *l, struct state *s, nsec_t now)
{
	struct shape_dir shape = l->shape;

	if (state_is_load(s))
		link_drop_all(l, LOSS_SHUTDOWN);
	state_same(s, l->mtu, "bytes of MTU");
	shape_state(&shape, s);
	if (!state_ok(s))
		return;
	if (state_is_load(s))
		link_adopt_shape(l, &shape);
	state_bool(s, &l->up);
	models_state(l, s, now);
	state_time(s, &l->finish_ns, now);
	state_u64(s, &l->finish_rem);
	state_time(s, &l->last_due_ns, now);
	element_counters_state(&l->counters, s);
	(void)frames_state(l, &l->queue, s, now);
	(void)frames_state(l, &l->line, s, now);
	if (!state_is_load(s))
		return;
	queue_check(l, s, now);
	line_check(l, s);
	state_expect(s, l->up || !l->held_bytes, "frames in a link that is down");
	state_expect(s, element_counters_balance(&l->counters), "counters that do not balance");
}
