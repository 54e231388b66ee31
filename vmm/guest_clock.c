/* vmm/guest_clock.c: the machine's clock: real or counted in instructions.
 *
 * Virtual time is skipped + icount × 1000 / mips; the budget until an instant
 * is rounded up, so that time has reached it when the budget is used up.
 *
 * Used by: vmm/machine.c, devices.   Depends on: core/clock.h. */
#include "vmm/guest_clock.h"

#include "core/state.h"
#include "vmm/cpu/cpu.h"

#include <string.h>

void guest_clock_init_real(struct guest_clock *c)
{
	*c = (struct guest_clock){ .origin = clock_now(), .wall_start = clock_wall(),
				   .tsc_khz = CPU_TSC_KHZ, .deadline = NSEC_NEVER };
}

void guest_clock_init_virtual(struct guest_clock *c, uint64_t mips, nsec_t wall_start,
			      uint64_t (*icount)(void *ctx), void *icount_ctx)
{
	*c = (struct guest_clock){ .is_virtual = true, .mips = mips, .wall_start = wall_start,
				   .icount = icount, .icount_ctx = icount_ctx,
				   .tsc_khz = CPU_TSC_KHZ, .deadline = NSEC_NEVER };
}

static nsec_t virtual_ns(const struct guest_clock *c)
{
	uint64_t n = c->icount(c->icount_ctx);

	return c->skipped + (nsec_t)(n / c->mips * 1000 + n % c->mips * 1000 / c->mips);
}

nsec_t guest_clock_now(const struct guest_clock *c)
{
	if (c->is_virtual)
		return virtual_ns(c);
	return c->paused ? c->frozen : clock_now() - c->origin;
}

/* ---- the TSC ---------------------------------------------------------------------- */

/* A tick is 10^6 / khz nanoseconds; the numbers of 64 bits meet in 128. */
static uint64_t ticks_of(const struct guest_clock *c, nsec_t ns)
{
	if (c->tsc_khz == CPU_TSC_KHZ)
		return (uint64_t)ns;
	return (uint64_t)((unsigned __int128)ns * c->tsc_khz / CPU_TSC_KHZ);
}

uint64_t guest_clock_tsc(const struct guest_clock *c)
{
	return c->tsc_start + ticks_of(c, guest_clock_now(c));
}

nsec_t guest_clock_tsc_time(const struct guest_clock *c, uint64_t tsc)
{
	nsec_t now = guest_clock_now(c);
	unsigned __int128 at;

	if (tsc <= c->tsc_start + ticks_of(c, now))
		return now;
	at = ((unsigned __int128)(tsc - c->tsc_start) * CPU_TSC_KHZ + c->tsc_khz - 1) / c->tsc_khz;
	return at < NSEC_NEVER ? (nsec_t)at : NSEC_NEVER;
}

void guest_clock_set_tsc(struct guest_clock *c, uint32_t khz, uint64_t tsc)
{
	c->tsc_khz = khz;
	c->tsc_start = tsc - ticks_of(c, guest_clock_now(c));
}

/* ---- pauses, and the host's time ---------------------------------------------------- */

void guest_clock_pause(struct guest_clock *c)
{
	if (c->paused)
		return;
	c->frozen = guest_clock_now(c);
	c->paused = true;
}

void guest_clock_resume(struct guest_clock *c)
{
	if (!c->paused)
		return;
	c->paused = false;
	if (c->is_virtual)
		return;
	c->origin = clock_now() - c->frozen;
	c->wall_start = clock_wall() - c->frozen;
	if (c->wall_start < 0)
		c->wall_start = 0; /* a machine older than the calendar: a file said so */
}

void guest_clock_skip_to(struct guest_clock *c, nsec_t to)
{
	nsec_t now = guest_clock_now(c);

	if (c->is_virtual && to > now)
		c->skipped += to - now;
}

uint64_t guest_clock_budget(const struct guest_clock *c, nsec_t at)
{
	nsec_t left = at - guest_clock_now(c);
	uint64_t n;

	if (at == NSEC_NEVER || left > 1000 * NSEC_PER_SEC)
		left = 1000 * NSEC_PER_SEC;
	if (left <= 0)
		return 1;
	n = (uint64_t)left / 1000 * c->mips + ((uint64_t)left % 1000 * c->mips + 999) / 1000;
	return n ? n : 1;
}

nsec_t guest_clock_host_time(const struct guest_clock *c, nsec_t at)
{
	nsec_t host;

	/* A machine may be older than its host has been up: origin is negative then. */
	if (at == NSEC_NEVER || __builtin_add_overflow(at, c->origin, &host))
		return NSEC_NEVER;
	return host;
}

void guest_timer_init(struct guest_timer *t, struct guest_clock *c,
		      void (*fn)(void *ctx, nsec_t now), void *ctx)
{
	*t = (struct guest_timer){ .at = NSEC_NEVER, .fn = fn, .ctx = ctx };
	if (c->n_timers == GUEST_TIMER_MAX)
		return;
	t->clock = c;
	c->timer[c->n_timers++] = t;
}

static void find_deadline(struct guest_clock *c)
{
	c->deadline = NSEC_NEVER;
	for (size_t i = 0; i < c->n_timers; i++)
		c->deadline = nsec_min(c->deadline, c->timer[i]->at);
}

void guest_timer_set(struct guest_timer *t, nsec_t at)
{
	struct guest_clock *c = t->clock;
	nsec_t was = t->at;

	t->at = at;
	if (!c)
		return;
	if (at < c->deadline) {
		c->deadline = at;
		c->deadline_moved = true;
		if (c->on_earlier)
			c->on_earlier(c->on_earlier_ctx);
	} else if (was == c->deadline) {
		find_deadline(c);
	}
}

void guest_clock_run(struct guest_clock *c)
{
	nsec_t now = guest_clock_now(c);

	c->deadline_moved = false;
	/* A timer that re-arms itself in the past must not hold us here. */
	for (size_t n = 0; c->deadline <= now && n < 4 * GUEST_TIMER_MAX; n++) {
		struct guest_timer *first = NULL;

		for (size_t i = 0; i < c->n_timers; i++)
			if (c->timer[i]->at <= now && (!first || c->timer[i]->at < first->at))
				first = c->timer[i];
		if (!first) {
			find_deadline(c);
			continue;
		}
		first->at = NSEC_NEVER;
		find_deadline(c);
		first->fn(first->ctx, now);
	}
	c->deadline_moved = false;
}

/* ---- state ------------------------------------------------------------------------ */

/* What no clock reaches; sums of two of them still are numbers. */
static const nsec_t time_max = (nsec_t)1 << 61;
enum { MIPS_MAX = 1000000, TSC_KHZ_MIN = 1000, TSC_KHZ_MAX = 100000000, VERSION_TSC = 2 };
static const uint64_t tsc_max = UINT64_C(1) << 62;

static void tsc_state(const struct guest_clock *c, struct state *s, uint32_t *khz, uint64_t *tsc)
{
	*khz = c->tsc_khz;
	*tsc = guest_clock_tsc(c);
	state_u32(s, khz);
	state_u64(s, tsc);
	state_expect(s, *khz >= TSC_KHZ_MIN && *khz <= TSC_KHZ_MAX && *tsc <= tsc_max,
		     "a TSC that cannot be");
}

/* The clock is asked for the time by all that comes behind it, even when the file
 * was refused: it takes nothing over before all was found to be in order. */
void guest_clock_state(struct guest_clock *c, struct state *s)
{
	nsec_t at = c->is_virtual ? c->skipped : guest_clock_now(c), wall_start = c->wall_start;
	uint64_t mips = c->mips, tsc;
	uint32_t khz;

	state_expect(s, state_begin(s, "clck", 0, VERSION_TSC) == VERSION_TSC, "a version that did not tell the TSC");
	state_same(s, c->is_virtual, "virtual clocks");
	state_i64(s, &wall_start);
	state_expect(s, wall_start >= 0 && wall_start <= time_max, "a year beyond all");
	if (c->is_virtual) {
		state_u64(s, &mips);
		state_expect(s, mips && mips <= MIPS_MAX &&
				c->icount(c->icount_ctx) / mips <= (uint64_t)time_max / 1000,
			     "a speed that cannot be");
	}
	state_i64(s, &at);
	state_expect(s, at >= 0 && at <= time_max, "a time beyond all");
	tsc_state(c, s, &khz, &tsc);
	state_end(s);
	if (!state_is_load(s) || !state_ok(s))
		return;
	c->wall_start = wall_start;
	c->mips = mips;
	*(c->is_virtual ? &c->skipped : &c->frozen) = at;
	c->paused = true;
	guest_clock_set_tsc(c, khz, tsc);
}

/* @max: the latest instant that is believed. */
static void state_instant(const struct guest_clock *c, struct state *s, nsec_t *t, nsec_t max)
{
	nsec_t now, at;
	int64_t delta;

	if (!state_ok(s))
		return;
	now = guest_clock_now(c);
	delta = *t == NSEC_NEVER ? NSEC_NEVER : *t - now;
	state_i64(s, &delta);
	if (!state_is_load(s) || !state_ok(s))
		return;
	if (delta == NSEC_NEVER) {
		*t = NSEC_NEVER;
		return;
	}
	if (__builtin_add_overflow(now, delta, &at) || at > max || at < -time_max)
		state_expect(s, false, "an instant beyond all time");
	else
		*t = at;
}

void guest_clock_state_time(const struct guest_clock *c, struct state *s, nsec_t *t)
{
	state_instant(c, s, t, time_max);
}

void guest_timer_state(struct guest_timer *t, struct state *s)
{
	nsec_t at = t->at;

	if (!t->clock)
		return;
	state_instant(t->clock, s, &at, NSEC_NEVER - 1);
	if (state_is_load(s) && state_ok(s))
		guest_timer_set(t, at);
}
