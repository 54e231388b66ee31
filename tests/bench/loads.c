/* tests/bench/loads.c: the seven loads by which engines are compared. A static
 * program that runs natively, in our machine and in the peer's, and prints
 * "name seconds" for each.
 *
 *   loads [DIVISOR [NAME]]     each load, or that one, shortened by DIVISOR (1)
 *
 * What each is for: xorshift the ALU, shellsort branches and loads, getppid the
 * way into the kernel and back, mmap page faults and TLB flushes, divide SSE
 * scalars, fork copies of address spaces, sum memory at its widest. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned long divisor = 1;
static volatile uint64_t sink;
static volatile double sink_double;

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void xorshift(void)
{
	uint64_t x = 88172645463325252u;

	for (unsigned long n = 50000000 / divisor; n; n--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	sink = x;
}

static void shellsort(void)
{
	enum { N = 65536 };
	static int v[N];
	uint32_t x = 1;

	for (unsigned long round = (40 + divisor - 1) / divisor; round; round--) {
		for (int k = 0; k < N; k++) {
			x = x * 1664525 + 1013904223;
			v[k] = (int)(x >> 1);
		}
		for (int gap = N / 2; gap > 0; gap /= 2) {
			for (int i = gap; i < N; i++) {
				int t = v[i], j = i;

				for (; j >= gap && v[j - gap] > t; j -= gap)
					v[j] = v[j - gap];
				v[j] = t;
			}
		}
		sink = (uint64_t)v[N / 2];
	}
}

static void getppids(void)
{
	for (unsigned long n = 500000 / divisor; n; n--)
		sink = (uint64_t)syscall(SYS_getppid);
}

static void mmaps(void)
{
	for (unsigned long n = 20000 / divisor; n; n--) {
		char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			exit(1);
		for (int k = 0; k < 4; k++)
			p[4096 * k] = 1;
		(void)munmap(p, 16384);
	}
}

static void divide(void)
{
	double d = 1e300;

	for (unsigned long n = 10000000 / divisor; n; n--)
		d = d / 1.0000001;
	sink_double = d;
}

static void forks(void)
{
	for (unsigned long n = 300 / divisor + 1; n; n--) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			exit(1);
	}
}

static void sum(void)
{
	enum { N = 1 << 20 };
	static uint64_t v[N];
	uint64_t s = 0;

	for (unsigned long round = 32 / divisor + 1; round; round--) {
		memset(v, (int)round, sizeof(v));
		for (int k = 0; k < N; k++)
			s += v[k] * 3;
	}
	sink = s;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} loads[] = { { "xorshift", xorshift }, { "shellsort", shellsort }, { "getppid", getppids }, { "mmap", mmaps },
		      { "divide", divide }, { "fork", forks }, { "sum", sum } };

	if (argc > 1)
		divisor = strtoul(argv[1], NULL, 10);
	if (!divisor)
		return 2;
	for (size_t k = 0; k < sizeof(loads) / sizeof(loads[0]); k++) {
		double start = now();

		if (argc > 2 && strcmp(argv[2], loads[k].name) != 0)
			continue;
		loads[k].run();
		printf("load %s %.4f\n", loads[k].name, now() - start);
		(void)fflush(stdout);
	}
	return 0;
}
