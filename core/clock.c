/* core/clock.c: the host's clocks, read here and nowhere else.
 *
 * Used by: loops at the edge of a process, vmm/clock.c, cli.
 * Sources: clock_gettime(2). */
#include "core/clock.h"

#include <time.h>

static nsec_t read_clock(clockid_t id)
{
	struct timespec ts;

	/* SYSCALLS(all): clock_gettime */
	(void)clock_gettime(id, &ts);
	return (nsec_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

nsec_t clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

nsec_t clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

nsec_t clock_cpu(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}
