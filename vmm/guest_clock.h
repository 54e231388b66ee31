/* vmm/guest_clock.h: the machine's clock: all time that a guest can see.
 *
 * Guest time starts at 0 when the machine starts and is in nanoseconds. The
 * bus's TSC is the same time in ticks of another length: tsc_khz of them a
 * millisecond, 1,000,000 unless the machine was made with, or comes from, a host
 * whose processors have another and cannot scale it. A processor's TSC is that
 * and its own offset (IA32_TSC_ADJUST).
 *
 *  real     host's monotonic clock, less the pauses. Read at the edge by the
 *           run loop and, between two instructions, by the devices through
 *           guest_clock_now().
 *  virtual  instructions retired × ns per instruction, plus what was skipped
 *           in HLT. Nothing of the host enters it: the same guest sees the
 *           same times.
 *
 * Timers are few (PIT, LAPIC, RTC, a handful): an array scanned for the
 * earliest. A timer that is due is called from guest_clock_run() only, never
 * from within a device access, so a device may arm any timer anywhere.
 *
 * Used by: vmm/machine.c and every device that keeps time. */
#ifndef MUSTER_VMM_GUEST_CLOCK_H
#define MUSTER_VMM_GUEST_CLOCK_H

#include "core/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct state;

enum { GUEST_TIMER_MAX = 64 };

struct guest_clock;
struct guest_timer {
	struct guest_clock *clock; /* NULL: not attached */
	nsec_t at; /* guest time; NSEC_NEVER: unarmed */
	void (*fn)(void *ctx, nsec_t now);
	void *ctx;
};

struct guest_clock {
	bool is_virtual;
	bool paused;
	/* real: guest time = host time - origin; while paused it stands at frozen. */
	nsec_t origin, frozen;
	/* virtual: time = skipped + icount × 1000 / mips. */
	uint64_t mips; /* instructions per guest microsecond */
	nsec_t skipped;
	uint64_t (*icount)(void *ctx); /* instructions retired, exact */
	void *icount_ctx;
	nsec_t wall_start; /* CLOCK_REALTIME less guest time, for the RTC; set anew after a pause (real clock) */
	uint32_t tsc_khz; /* not 0 */
	uint64_t tsc_start; /* the TSC at guest time 0, modulo 2^64: where a processor of the
			     * host's kept it, it has run a little faster or slower than this clock */
	struct guest_timer *timer[GUEST_TIMER_MAX]; /* borrowed */
	size_t n_timers;
	nsec_t deadline; /* the earliest of them */
	bool deadline_moved; /* a timer was armed earlier than it: the run loop looks again */
	void (*on_earlier)(void *ctx); /* called then; may be NULL (the machine kicks its processor) */
	void *on_earlier_ctx;
};

/* A real clock that starts now and runs. */
void guest_clock_init_real(struct guest_clock *c);
/* @mips: > 0. @wall_start: what the RTC shows at time 0. */
void guest_clock_init_virtual(struct guest_clock *c, uint64_t mips, nsec_t wall_start,
			      uint64_t (*icount)(void *ctx), void *icount_ctx);

/* The guest's time, in nanoseconds. */
nsec_t guest_clock_now(const struct guest_clock *c);
/* The bus's TSC now. */
uint64_t guest_clock_tsc(const struct guest_clock *c);
/* The first instant at which it is @tsc or more: now, when it is; NSEC_NEVER when
 * no clock reaches that. */
nsec_t guest_clock_tsc_time(const struct guest_clock *c, uint64_t tsc);
/* It is @tsc now, and runs at @khz (not 0). Timers are not looked at. */
void guest_clock_set_tsc(struct guest_clock *c, uint32_t khz, uint64_t tsc);
/* Guest time stands still until resume; the RTC's then is the host's, on the real clock. Pausing
 * twice is pausing once. */
void guest_clock_pause(struct guest_clock *c);
void guest_clock_resume(struct guest_clock *c);
/* virtual: moves time on to @to (no-op when it is past): an idle processor. */
void guest_clock_skip_to(struct guest_clock *c, nsec_t to);
/* virtual: instructions until guest time reaches @at (at least 1). */
uint64_t guest_clock_budget(const struct guest_clock *c, nsec_t at);
/* real: the host instant at which guest time is @at (NSEC_NEVER stays). */
nsec_t guest_clock_host_time(const struct guest_clock *c, nsec_t at);

/* Attaches @t (unarmed); it stays attached. */
void guest_timer_init(struct guest_timer *t, struct guest_clock *c,
		      void (*fn)(void *ctx, nsec_t now), void *ctx);
/* @at: guest time, past is now; NSEC_NEVER disarms. */
void guest_timer_set(struct guest_timer *t, nsec_t at);
/* Calls every timer that is due, in order of time. Each is disarmed first. */
void guest_clock_run(struct guest_clock *c);

/* Saves or loads the clock itself: its guest time, TSC and wall clock. After a load
 * it is paused at the time that was saved; the instructions which the engine
 * has counted are the machine's to restore. */
void guest_clock_state(struct guest_clock *c, struct state *s);
/* An instant of guest time, as its distance from now; NSEC_NEVER stays so. */
void guest_clock_state_time(const struct guest_clock *c, struct state *s, nsec_t *t);
/* When @t is due, in the same way; a load arms it. */
void guest_timer_state(struct guest_timer *t, struct state *s);

#endif
