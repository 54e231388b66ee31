/* shaping/link.c: one direction of a shaped link.
 *
 * A frame first waits in the bottleneck's queue, is serialized at `rate`, and
 * then flies along the propagation line:
 *
 *      take -> [queue | head on the wire] -> loss, corruption, ... -> [line] -> sink
 *
 * Queue. Tail drop, exact, in bytes of frames or in frames. The frame being
 * serialized still counts: it leaves the buffer with its last bit. The line
 * never counts. A link without a rate has no queue.
 *
 * Rate. The head's finish is kept as nanoseconds and a remainder in 1/rate ns,
 * and the next frame starts at exactly that instant, so nothing is rounded
 * away over time: 64-byte frames at 10 Gbit/s are 51.2 ns apart. Finishes are
 * computed from each other and never from the time of a call; a late caller
 * changes nothing, and a frame that is said to have come before the last one
 * was out waits for it. There are no tokens, so nothing bursts.
 *
 * Line. A list in order of due time. Order is kept under jitter: a frame is due
 * no earlier than the one before; uniform jitter needs no help for that, see
 * uniform_flight(). Only `reorder` lets a frame go at once.
 *
 * Events. link_run() takes the earlier of "head finished" and "first of the
 * line due" until both lie ahead, so calling it once late gives the same
 * frames, at the same times, as calling it at every instant. That lets
 * link_next() skip events that hand nothing on.
 *
 * Randomness. Three streams (loss, delay, mangling), drawn once a frame in the
 * order of frames, only while the key is on: the same seed and frames give the
 * same losses whatever jitter does. A frame lost by `loss` has used the
 * bottleneck.
 *
 * Memory. What waits and flies counts with all its bytes against the link's share, then
 * against the spare of the budget; tail drop beyond (LOSS_MEMORY).
 *
 * GSO frames are cut before a shaped link, so that loss, queue and rate meet
 * what a wire would carry; on a plain one they pass whole.
 *
 * Used by: the fabric.   Depends on: core/{checksum,element,frame,prng,shape}.h.
 * Sources: team-file(5); tc-netem(8) for gemodel's meaning; tc-stab(8) for cells. */
#include "shaping/link.h"
#include "shaping/link_impl.h"

#include "core/checksum.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	NAME_SIZE = 160,
	JITTER_SIGMAS_MAX = 10,
};

/* ---- making -------------------------------------------------------------- */

static bool shape_is_plain(const struct shape_dir *s)
{
	return !s->rate_bps && !s->delay_ns && !s->jitter_ns && s->loss <= 0 && !s->has_ge &&
	       s->corrupt <= 0 && s->duplicate <= 0 && s->reorder <= 0;
}

void link_adopt_shape(struct link *l, const struct shape_dir *shape)
{
	l->shape = *shape;
	l->is_plain = shape_is_plain(shape);
	l->queue_limit = shape_queue_limit(shape, l->mtu);
}

static void stream_init(struct prng *p, uint64_t seed, const char *name, const char *what)
{
	char full[NAME_SIZE];

	(void)snprintf(full, sizeof full, "%s/%s", name, what);
	prng_init(p, seed, full);
}

static nsec_t take(struct element *e, unsigned in, struct frame *f, nsec_t now);

static void op_run(struct element *e, nsec_t now)
{
	link_run((struct link *)e, now);
}

static nsec_t op_next(const struct element *e)
{
	return link_next((const struct link *)e);
}

static const struct element_counters *op_counters(const struct element *e)
{
	return link_counters((const struct link *)e);
}

static struct element *op_free(struct element *e)
{
	link_free((struct link *)e);
	return NULL;
}

static void op_state(struct element *e, struct state *s, nsec_t now)
{
	link_saved_state((struct link *)e, s, now);
}

static const struct element_ops link_ops = {
	.type = "link",
	.take = take,
	.run = op_run,
	.next = op_next,
	.state = op_state,
	.counters = op_counters,
	.free = op_free,
};

struct element *link_element(struct link *l)
{
	return &l->element;
}

int link_new(const struct shape_dir *shape, uint32_t mtu, uint64_t seed, const char *name,
	     struct frame_pool *pool, const struct frame_sink *sink, struct link **ret_link)
{
	struct link *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	element_init(&l->element, &link_ops);
	l->mtu = mtu;
	link_adopt_shape(l, shape);
	l->share_bytes = LINK_HELD_BYTES_MAX;
	l->up = true;
	fifo_init(&l->queue);
	fifo_init(&l->line);
	l->last_due_ns = INT64_MIN;
	l->finish_ns = INT64_MIN;
	l->jitter_at_ns = INT64_MIN;
	l->pool = pool;
	l->sink = *sink;
	stream_init(&l->loss_rng, seed, name, "loss");
	stream_init(&l->delay_rng, seed, name, "delay");
	stream_init(&l->mangle_rng, seed, name, "mangle");
	*ret_link = l;
	return 0;
}

static void lose(struct link *l, struct frame *f, enum loss_reason why)
{
	l->counters.lost_frames[why]++;
	frame_free(f);
}

static uint64_t borrowed(const struct link *l, uint64_t held_bytes)
{
	return held_bytes > l->share_bytes ? held_bytes - l->share_bytes : 0;
}

uint64_t link_room(const struct link *l)
{
	uint64_t room = l->held_bytes < l->share_bytes ? l->share_bytes - l->held_bytes : 0;

	if (l->budget && l->budget->borrowed_bytes < l->budget->spare_bytes)
		room += l->budget->spare_bytes - l->budget->borrowed_bytes;
	return room;
}

/* A link within its share, which is the usual case, leaves the common budget alone. */
void link_hold(struct link *l, const struct frame *f)
{
	uint64_t before_bytes = l->held_bytes;

	l->counters.queued_frames++;
	l->counters.queued_bytes += f->len;
	l->held_bytes += frame_memory(f);
	if (l->held_bytes > l->share_bytes && l->budget)
		l->budget->borrowed_bytes += borrowed(l, l->held_bytes) - borrowed(l, before_bytes);
}

static void let_go(struct link *l, const struct frame *f)
{
	uint64_t before_bytes = l->held_bytes;

	l->counters.queued_frames--;
	l->counters.queued_bytes -= f->len;
	l->held_bytes -= frame_memory(f);
	if (before_bytes > l->share_bytes && l->budget)
		l->budget->borrowed_bytes -= borrowed(l, before_bytes) - borrowed(l, l->held_bytes);
}

void link_drop_all(struct link *l, enum loss_reason why)
{
	while (l->queue.head || l->line.head) {
		struct frame *f = fifo_pop(l->queue.head ? &l->queue : &l->line);

		let_go(l, f);
		lose(l, f, why);
	}
	l->queue_frames = 0;
	l->queue_bytes = 0;
	l->last_due_ns = INT64_MIN;
	l->finish_ns = INT64_MIN;
	l->finish_rem = 0;
}

void link_set_budget(struct link *l, struct link_budget *budget, uint64_t share_bytes)
{
	l->budget = budget;
	l->share_bytes = share_bytes;
}

struct link *link_free(struct link *l)
{
	if (!l)
		return NULL;
	link_drop_all(l, LOSS_SHUTDOWN);
	free(l);
	return NULL;
}

/* ---- randomness ----------------------------------------------------------- */

/* Decides by chance @share; draws only while it is on. */
static bool chance(struct prng *p, double share)
{
	return share > 0 && prng_unit(p) < share;
}

/* The state's loss is drawn first, then the state changes, as netem does. */
static bool is_lost(struct link *l)
{
	const struct shape_dir *s = &l->shape;
	double loss, change;

	if (!s->has_ge)
		return chance(&l->loss_rng, s->loss);
	loss = prng_unit(&l->loss_rng);
	change = prng_unit(&l->loss_rng);
	loss -= l->ge_is_bad ? s->ge_bad : s->ge_good;
	if (change < (l->ge_is_bad ? s->ge_r : s->ge_p))
		l->ge_is_bad = !l->ge_is_bad;
	return loss < 0;
}

/* Standard Pareto with exponent 3, as netem's table: mean 3/2, variance 3/4. */
static double pareto_unit(struct prng *p)
{
	double x = (pow(1 - prng_unit(p), -1.0 / 3) - 1.5) / sqrt(0.75);

	return x < JITTER_SIGMAS_MAX ? x : JITTER_SIGMAS_MAX;
}

/* Uniform in [0, 1], and slow enough that no frame can overtake: a point that
 * flies between two walls at a speed of at most one width in 2 * jitter. Speed
 * and direction are drawn anew now and then (on average once in 2 * jitter).
 * Flight, reflection and new speeds keep the uniform distribution exactly, so
 * FIFO costs nothing of it; independent draws and a "not before the last one"
 * would drift towards the upper end, as netem's rate with jitter does. Frames
 * further apart than 2 * jitter get independent draws. */
static double uniform_flight(struct link *l, nsec_t now)
{
	double width_ns = 2 * (double)l->shape.jitter_ns;
	double dt, x;

	if (l->jitter_at_ns == INT64_MIN || (double)(now - l->jitter_at_ns) >= width_ns) {
		l->jitter_at_ns = now;
		l->jitter_speed = 2 * prng_unit(&l->delay_rng) - 1;
		l->jitter_place = prng_unit(&l->delay_rng);
		return l->jitter_place;
	}
	dt = (double)nsec_max(now - l->jitter_at_ns, 0) / width_ns;
	x = l->jitter_place + l->jitter_speed * dt;
	if (x < 0 || x > 1) {
		x = x < 0 ? -x : 2 - x;
		l->jitter_speed = -l->jitter_speed;
	}
	if (prng_unit(&l->delay_rng) < dt)
		l->jitter_speed = 2 * prng_unit(&l->delay_rng) - 1;
	l->jitter_at_ns = nsec_max(now, l->jitter_at_ns);
	l->jitter_place = x;
	return x;
}

/* @now: when the frame left the bottleneck. */
static nsec_t draw_delay(struct link *l, nsec_t now)
{
	const struct shape_dir *s = &l->shape;
	double x = 0;
	nsec_t d;

	if (!s->jitter_ns)
		return s->delay_ns;
	switch (s->distribution) {
	case SHAPE_NORMAL: x = prng_normal(&l->delay_rng); break;
	case SHAPE_PARETO: x = pareto_unit(&l->delay_rng); break;
	case SHAPE_UNIFORM:
	default: x = 2 * uniform_flight(l, now) - 1; break;
	}
	d = s->delay_ns + (nsec_t)(x * (double)s->jitter_ns);
	return d > 0 ? d : 0;
}

/* Flips one bit. The checksum is completed before, or nobody could tell. */
static void corrupt(struct link *l, struct frame *f)
{
	uint64_t bit;

	if (!f->len)
		return;
	(void)frame_checksum_complete(f);
	f->offload = (struct frame_offload){ 0 };
	bit = prng_below(&l->mangle_rng, 8 * (uint64_t)f->len);
	f->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* ---- the way through ------------------------------------------------------ */

static void deliver(struct link *l, struct frame *f, nsec_t now)
{
	l->counters.delivered_frames++;
	l->counters.delivered_bytes += f->len;
	frame_sink_put(&l->sink, f, now);
}

/* @f, which is held, has left the bottleneck at @now: into the line, or at
 * once to the sink when it overtakes. */
static void fly(struct link *l, struct frame *f, nsec_t now)
{
	nsec_t due;

	if (chance(&l->mangle_rng, l->shape.reorder)) {
		l->counters.reordered_frames++;
		let_go(l, f);
		deliver(l, f, now);
		return;
	}
	due = nsec_max(now + draw_delay(l, now), l->last_due_ns);
	l->last_due_ns = due;
	f->due_ns = due;
	fifo_push(&l->line, f);
}

/* What happens to @f, which is held, on its way from the bottleneck. */
static void leave_bottleneck(struct link *l, struct frame *f, nsec_t now)
{
	struct frame *twin = NULL;

	if (is_lost(l)) {
		let_go(l, f);
		lose(l, f, LOSS_RANDOM);
		return;
	}
	if (chance(&l->mangle_rng, l->shape.corrupt)) {
		l->counters.corrupted_frames++;
		corrupt(l, f);
	}
	if (chance(&l->mangle_rng, l->shape.duplicate)) {
		l->counters.copied_frames++;
		twin = frame_memory(f) <= link_room(l) ? frame_copy(l->pool, f) : NULL;
		if (!twin)
			l->counters.lost_frames[LOSS_MEMORY]++;
	}
	fly(l, f, now);
	if (twin) {
		l->counters.duplicated_frames++;
		link_hold(l, twin);
		fly(l, twin, now);
	}
}

/* The queue's head begins at @start_ns + @rem / rate. */
static void start_head(struct link *l, nsec_t start_ns, uint64_t rem)
{
	uint64_t rate = l->shape.rate_bps;
	uint64_t num = link_wire_bits(&l->shape, l->queue.head->len) * (uint64_t)NSEC_PER_SEC + rem;

	l->finish_ns = start_ns + (nsec_t)(num / rate);
	l->finish_rem = num % rate;
}

/* When the head is out, never early. */
static nsec_t head_finish(const struct link *l)
{
	return l->finish_ns + (l->finish_rem != 0);
}

static struct frame *pop_queue(struct link *l)
{
	struct frame *f = fifo_pop(&l->queue);

	l->queue_frames--;
	l->queue_bytes -= f->len;
	return f;
}

void link_run(struct link *l, nsec_t now)
{
	for (;;) {
		nsec_t finish = l->queue.head ? head_finish(l) : NSEC_NEVER;
		nsec_t due = l->line.head ? l->line.head->due_ns : NSEC_NEVER;
		struct frame *f;

		if (nsec_min(finish, due) > now || nsec_min(finish, due) == NSEC_NEVER)
			return;
		if (due <= finish) {
			f = fifo_pop(&l->line);
			let_go(l, f);
			deliver(l, f, due);
			continue;
		}
		f = pop_queue(l);
		if (l->queue.head)
			start_head(l, l->finish_ns, l->finish_rem);
		leave_bottleneck(l, f, finish);
	}
}

nsec_t link_next(const struct link *l)
{
	nsec_t finish;

	if (!l->queue.head)
		return l->line.head ? l->line.head->due_ns : NSEC_NEVER;
	finish = head_finish(l);
	if (l->shape.reorder > 0)
		return l->line.head ? nsec_min(finish, l->line.head->due_ns) : finish;
	if (l->line.head)
		return l->line.head->due_ns; /* nothing passes it */
	return l->shape.jitter_ns ? finish : finish + l->shape.delay_ns;
}

/* One wire frame, not yet counted as held. */
static void enqueue(struct link *l, struct frame *f, nsec_t now)
{
	uint64_t fill = l->shape.queue_in_packets ? l->queue_frames + 1 : l->queue_bytes + f->len;

	if (frame_memory(f) > link_room(l)) {
		lose(l, f, LOSS_MEMORY);
		return;
	}
	if (!l->shape.rate_bps) {
		link_hold(l, f);
		leave_bottleneck(l, f, now);
		return;
	}
	if (fill > l->queue_limit) {
		lose(l, f, LOSS_QUEUE);
		return;
	}
	link_hold(l, f);
	l->queue_frames++;
	l->queue_bytes += f->len;
	fifo_push(&l->queue, f);
	if (l->queue.head != f)
		return;
	/* The wire may be busy yet when the caller's time ran back a little. */
	if (l->finish_ns >= now)
		start_head(l, l->finish_ns, l->finish_rem);
	else
		start_head(l, now, 0);
}

/* Cuts @f and sends the pieces in; books: one entered, the others copied. */
static void take_gso(struct link *l, struct frame *f, nsec_t now)
{
	bool bad;
	struct frame *list = frame_segment(l->pool, f, &bad);

	if (!list) {
		l->counters.lost_frames[bad ? LOSS_MALFORMED : LOSS_MEMORY]++;
		return;
	}
	for (bool is_first = true; list; is_first = false) {
		struct frame *next = list->next;

		list->next = NULL;
		if (!is_first)
			l->counters.copied_frames++;
		enqueue(l, list, now);
		list = next;
	}
}

static nsec_t take(struct element *e, unsigned in, struct frame *f, nsec_t now)
{
	struct link *l = (struct link *)e;

	(void)in;
	l->counters.entered_frames++;
	l->counters.entered_bytes += f->len;
	if (!l->up) {
		lose(l, f, LOSS_DOWN);
		return NSEC_NEVER;
	}
	if (l->is_plain && !l->counters.queued_frames) {
		deliver(l, f, now);
		return NSEC_NEVER;
	}
	link_run(l, now);
	if (f->offload.gso_type)
		take_gso(l, f, now);
	else
		enqueue(l, f, now);
	/* With a rate, what was just taken has its last bit out later than @now. */
	if (!l->shape.rate_bps)
		link_run(l, now);
	return link_next(l);
}

void link_take(struct link *l, struct frame *f, nsec_t now)
{
	(void)take(&l->element, 0, f, now);
}

/* ---- changes --------------------------------------------------------------- */

void link_set_shape(struct link *l, const struct shape_dir *shape, nsec_t now)
{
	uint64_t old_rate = l->shape.rate_bps;

	link_run(l, now);
	link_adopt_shape(l, shape);
	if (!l->queue.head || !shape->rate_bps) {
		while (l->queue.head)
			leave_bottleneck(l, pop_queue(l), now);
		l->finish_ns = INT64_MIN;
		l->finish_rem = 0;
	} else if (shape->rate_bps != old_rate) {
		/* The bits of the head that are still to be sent, at the new rate. */
		unsigned __int128 left = (unsigned __int128)(head_finish(l) - now) * old_rate;

		l->finish_ns = now + (nsec_t)((left + shape->rate_bps - 1) / shape->rate_bps);
		l->finish_rem = 0;
	}
	link_run(l, now);
}

const struct shape_dir *link_shape(const struct link *l)
{
	return &l->shape;
}

uint64_t link_queue_limit(const struct link *l)
{
	return l->queue_limit;
}

void link_set_up(struct link *l, bool up, nsec_t now)
{
	if (l->up == up)
		return;
	link_run(l, now);
	l->up = up;
	if (!up)
		link_drop_all(l, LOSS_DOWN);
}

bool link_is_up(const struct link *l)
{
	return l->up;
}

uint64_t link_held_bytes(const struct link *l)
{
	return l->held_bytes;
}

const struct element_counters *link_counters(const struct link *l)
{
	return &l->counters;
}
