/* core/clock.h: nanoseconds, and the one place that reads the host's clock.
 *
 * Elements never call clock_now(): time is their argument. Only loops at the
 * edge of a process, the machine's clock object and the command line do. */
#ifndef MUSTER_CORE_CLOCK_H
#define MUSTER_CORE_CLOCK_H

#include <stdint.h>

/* Nanoseconds; an instant on some monotonic clock, or a duration. */
typedef int64_t nsec_t;

#define NSEC_PER_USEC ((nsec_t)1000)
#define NSEC_PER_MSEC ((nsec_t)1000000)
#define NSEC_PER_SEC ((nsec_t)1000000000)
/* "never", as an instant a caller wants to be called at. */
#define NSEC_NEVER INT64_MAX

/* The host's CLOCK_MONOTONIC. Never fails. */
nsec_t clock_now(void);

/* The host's CLOCK_REALTIME, for what is shown to people and for the guest's
 * RTC at start. */
nsec_t clock_wall(void);

/* The processor time this process has used so far, user and system. */
nsec_t clock_cpu(void);

static inline nsec_t nsec_min(nsec_t a, nsec_t b)
{
	return a < b ? a : b;
}

static inline nsec_t nsec_max(nsec_t a, nsec_t b)
{
	return a > b ? a : b;
}

#endif
