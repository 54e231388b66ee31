/* teams/barrier.c: phases, acknowledgements, a bound that names who did not answer, and the undo.
 *
 * Nothing recurses: an acknowledgement from within an ask is only noted, and settle() looks after
 * the last ask whether the phase is over.
 *
 * Used by: teams/pause.c.   Depends on: core/bytes.h, core/clock.h. */
#include "teams/barrier.h"

#include "core/bytes.h"
#include "core/cleanup.h"

#include <stdlib.h>
#include <string.h>

void barrier_drop(struct barrier *b)
{
	free(b->members);
	free(b->error);
	*b = (struct barrier){ 0 };
}

static void finish(struct barrier *b, bool is_through)
{
	const struct barrier_plan *plan = b->plan;
	CLEANUP(free) char *error = take_ptr(b->error);
	void *ctx = b->ctx;

	for (size_t i = b->n_members; !is_through && plan->undo && i-- > 0;)
		if (b->members[i].is_asked)
			plan->undo(ctx, &b->members[i]);
	barrier_drop(b);
	plan->done(ctx, is_through, error);
}

void barrier_add(struct barrier *b, size_t id)
{
	b->members = realloc(b->members, (b->n_members + 1) * sizeof *b->members);
	if (!b->members)
		abort();
	b->members[b->n_members++] = (struct barrier_member){ .phase = b->phase, .id = id };
}

static void begin_phase(struct barrier *b, nsec_t now)
{
	size_t first = b->n_members;

	b->has_failed = false;
	b->deadline = now + b->plan->timeout_ns;
	b->plan->members(b->ctx, b->phase);
	b->is_asking = true;
	for (size_t i = first; i < b->n_members; i++) {
		if (b->members[i].is_over) /* it ended while others were asked */
			continue;
		b->members[i].is_asked = true;
		b->plan->ask(b->ctx, &b->members[i]);
	}
	b->is_asking = false;
}

static bool phase_is_over(const struct barrier *b)
{
	for (size_t i = 0; i < b->n_members; i++)
		if (!b->members[i].is_over)
			return false;
	return true;
}

/* Goes on as far as there is nobody to wait for. */
static void settle(struct barrier *b, nsec_t now)
{
	while (!b->is_asking && phase_is_over(b)) {
		if (b->has_failed && !(b->plan->goes_on >> b->phase & 1)) {
			finish(b, false);
			return;
		}
		if (++b->phase == b->plan->n_phases) {
			finish(b, true);
			return;
		}
		begin_phase(b, now);
	}
}

static void fail(struct barrier *b, const char *error)
{
	b->has_failed = true;
	if (!b->error)
		b->error = str_dup(error);
}

void barrier_begin(struct barrier *b, const struct barrier_plan *plan, void *ctx, nsec_t now)
{
	*b = (struct barrier){ .plan = plan, .ctx = ctx };
	begin_phase(b, now);
	settle(b, now);
}

void barrier_ack(struct barrier *b, unsigned phase, size_t id, const char *error, nsec_t now)
{
	for (size_t i = 0; i < b->n_members; i++) {
		struct barrier_member *m = &b->members[i];

		if (m->phase != phase || m->id != id || m->is_over)
			continue;
		m->is_over = true;
		if (error)
			fail(b, error);
		settle(b, now);
		return;
	}
}

void barrier_tick(struct barrier *b, nsec_t now)
{
	CLEANUP(bytes) struct bytes who = { 0 };

	if (now < barrier_due(b))
		return;
	for (size_t i = 0; i < b->n_members; i++) {
		struct barrier_member *m = &b->members[i];
		CLEANUP(free) char *name = m->is_over ? NULL : b->plan->name(b->ctx, m);

		if (!name)
			continue;
		m->is_over = true;
		bytes_printf(&who, "%s%s", who.len ? ", " : "", name);
		if (b->plan->forget)
			b->plan->forget(b->ctx, m);
	}
	bytes_printf(&who, " did not answer in %.3g s", (double)b->plan->timeout_ns / 1e9);
	bytes_append(&who, "", 1);
	fail(b, (const char *)who.data);
	settle(b, now);
}

nsec_t barrier_due(const struct barrier *b)
{
	return b->plan ? b->deadline : NSEC_NEVER;
}
