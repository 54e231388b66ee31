/* tests/bench/bench_interp.c: guest instructions a second on shellsort, in the
 * flat machine. Prints one row: name, ours, must, stretch, verdict; exits 0
 * when the must is met. The median of 5 runs of 200 M instructions. */
#include "core/clock.h"
#include "tests/cpu/flat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 5, RUN_INSNS = 200000000, MUST = 150, STRETCH = 300 };

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static size_t load(struct flat *f, const char *path)
{
	static uint8_t code[0x10000];
	FILE *in = fopen(path, "rb");
	size_t n;

	if (!in) {
		perror(path);
		exit(2);
	}
	n = fread(code, 1, sizeof(code), in);
	fclose(in);
	flat_code(f, code, n);
	return n;
}

int main(int argc, char **argv)
{
	struct flat *f = flat_new(false);
	double mips[RUNS];
	uint64_t rounds = 0;
	char path[4096];

	/* The guest's code is the argument, or shellsort.bin beside the program. */
	(void)snprintf(path, sizeof(path), "%.*sshellsort.bin", (int)(strlen(argv[0]) - strlen("bench_interp")), argv[0]);
	(void)load(f, argc > 1 ? argv[1] : path);
	for (int k = 0; k < RUNS; k++) {
		nsec_t start = clock_cpu(), took;
		enum cpu_stop stop = flat_run(f, RUN_INSNS);

		took = clock_cpu() - start;
		if (stop != CPU_STOP_BUDGET) {
			fprintf(stderr, "bench_interp: the guest stopped (%d) at %#llx\n", (int)stop,
				(unsigned long long)flat_soft(f)->rip);
			return 2;
		}
		mips[k] = RUN_INSNS * 1000.0 / (double)took;
	}
	(void)mem_dma_read(&f->mem, 0x100000, &rounds, sizeof(rounds));
	qsort(mips, RUNS, sizeof(mips[0]), compare);
	printf("interpreter, shellsort  %.0f M instructions/s (%llu sorts)  must %d  stretch %d  %s\n",
	       mips[RUNS / 2], (unsigned long long)rounds, MUST, STRETCH, mips[RUNS / 2] >= MUST ? "met" : "MISSED");
	if (getenv("MUSTER_SOFT_PROFILE"))
		printf("%llu exceptions\n", (unsigned long long)flat_soft(f)->n_exceptions);
	flat_free(f);
	return mips[RUNS / 2] >= MUST ? 0 : 1;
}
