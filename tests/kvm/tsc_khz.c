/* tests/kvm/tsc_khz.c: prints the frequency of this host's TSC in kHz.
 *
 * QEMU's emulated processor shows the host's TSC. A kernel in it that calibrates the TSC
 * while the host is busy elsewhere can be wrong many times over, and its time then runs
 * away: it is told instead (tests/kvm/lib.sh).
 *
 * Two moments half a second apart, each the best of many looks at both clocks: what the
 * looks differ by is what a look that was interrupted adds. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

enum { LOOKS = 1000, APART_NS = 500000000 };

struct moment {
	uint64_t tsc;
	int64_t ns;
};

static int64_t now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct moment look(void)
{
	struct moment best = { 0 };
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < LOOKS; i++) {
		uint64_t before = __rdtsc();
		int64_t ns = now();
		uint64_t took = __rdtsc() - before;

		if (took < least) {
			least = took;
			best = (struct moment){ before + took / 2, ns };
		}
	}
	return best;
}

int main(void)
{
	struct timespec apart = { 0, APART_NS };
	struct moment a = look(), b;

	(void)nanosleep(&apart, NULL);
	b = look();
	(void)printf("%llu\n", (unsigned long long)((b.tsc - a.tsc) * 1000000 / (uint64_t)(b.ns - a.ns)));
	return 0;
}
