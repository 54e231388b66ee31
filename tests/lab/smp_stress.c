/* tests/lab/smp_stress.c: runs inside a guest of several processors, a static
 * program: threads and processes that get into each other's way, for as many
 * seconds as it is told. Every part knows what must come out of it.
 *
 *   smp-stress SECONDS [THREADS]
 *
 * Prints what each part did, one line each; exit status 1 and a line that
 * begins with WRONG when something else came out. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 32, PAGE = 4096, ROUND = 2000 };

static unsigned n_threads = 8;
static atomic_int n_wrong;

static void wrong(const char *what)
{
	atomic_fetch_add(&n_wrong, 1);
	printf("WRONG: %s\n", what);
	fflush(stdout);
}

static void in_threads(void *(*fn)(void *))
{
	pthread_t t[THREADS_MAX];

	for (uintptr_t i = 0; i < n_threads; i++)
		if (pthread_create(&t[i], NULL, fn, (void *)i))
			abort();
	for (unsigned i = 0; i < n_threads; i++)
		pthread_join(t[i], NULL);
}

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* ---- a mutex, and what it protects ------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t plain[8], atomics;
static unsigned __int128 wide;

static void *mutex_thread(void *arg)
{
	(void)arg;
	for (int n = 0; n < ROUND; n++) {
		pthread_mutex_lock(&mutex);
		for (int k = 0; k < 8; k++)
			plain[k]++;
		pthread_mutex_unlock(&mutex);
		__atomic_fetch_add(&atomics, 3, __ATOMIC_SEQ_CST);
		for (uint64_t lo, hi, ok = 0; !ok;) { /* CMPXCHG16B: both halves step together */
			lo = (uint64_t)__atomic_load_n((uint64_t *)&wide, __ATOMIC_RELAXED);
			hi = ~lo;
			__asm__ volatile("lock cmpxchg16b %1; sete %b0"
					 : "=q"(ok), "+m"(wide), "+a"(lo), "+d"(hi)
					 : "b"(lo + 1), "c"(~(lo + 1)), "0"(0)
					 : "cc");
			ok &= 1;
		}
	}
	return NULL;
}

static void part_mutex(void)
{
	uint64_t want = (uint64_t)n_threads * ROUND;

	memset(plain, 0, sizeof plain);
	atomics = 0;
	wide = (unsigned __int128)UINT64_MAX << 64;
	in_threads(mutex_thread);
	for (int k = 0; k < 8; k++)
		if (plain[k] != want)
			wrong("a count under a mutex");
	if (atomics != 3 * want)
		wrong("LOCK XADD");
	if ((uint64_t)wide != want || (uint64_t)(wide >> 64) != ~want)
		wrong("CMPXCHG16B");
}

/* ---- a ring of threads that wake each other through futexes ------------------- */

static atomic_uint token[THREADS_MAX];

static void *ring_thread(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg, to = (me + 1) % n_threads;

	for (unsigned n = 1; n <= ROUND / 10; n++) {
		while (atomic_load(&token[me]) < n)
			syscall(SYS_futex, &token[me], FUTEX_WAIT_PRIVATE, n - 1, NULL, NULL, 0);
		atomic_fetch_add(&token[to], 1);
		syscall(SYS_futex, &token[to], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
	return NULL;
}

static void part_futex(void)
{
	for (unsigned i = 0; i < n_threads; i++)
		atomic_store(&token[i], i == 0);
	in_threads(ring_thread);
	for (unsigned i = 0; i < n_threads; i++)
		if (atomic_load(&token[i]) != ROUND / 10 + (i == 0))
			wrong("a token of the futex ring");
}

/* ---- mappings that come and go under other threads ----------------------------- */

static void *map_thread(void *arg)
{
	uint64_t x = (uintptr_t)arg + 1;

	for (int n = 0; n < 60; n++) {
		size_t pages = 1 + next(&x) % 40;
		uint64_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED) {
			wrong("mmap");
			return NULL;
		}
		for (size_t k = 0; k < pages; k++)
			p[k * PAGE / 8] = x + k;
		if (mprotect(p, pages * PAGE, PROT_READ) || madvise(p, PAGE, MADV_DONTNEED))
			wrong("mprotect or madvise");
		for (size_t k = 0; k < pages; k++)
			if (p[k * PAGE / 8] != (k ? x + k : 0))
				wrong("a page has other bytes");
		munmap(p, pages * PAGE);
	}
	return NULL;
}

/* One writes through a page while another takes the right away and gives it back. */
static uint64_t *shared;
static atomic_bool writer_done;
static _Thread_local volatile int n_faults;

static void on_segv(int sig)
{
	(void)sig;
	n_faults++;
	sched_yield();
}

static void *protect_thread(void *arg)
{
	if ((uintptr_t)arg == 0) {
		while (!atomic_load(&writer_done)) {
			mprotect(shared, PAGE, PROT_READ);
			uint64_t before = __atomic_load_n(shared, __ATOMIC_SEQ_CST);
			for (int n = 0; n < 200; n++)
				if (__atomic_load_n(shared, __ATOMIC_SEQ_CST) != before)
					wrong("a write after mprotect had come back");
			mprotect(shared, PAGE, PROT_READ | PROT_WRITE);
			sched_yield();
		}
		return NULL;
	}
	if ((uintptr_t)arg != 1)
		return NULL;
	for (int n = 0; n < 30000; n++)
		__atomic_fetch_add(shared, 1, __ATOMIC_SEQ_CST);
	atomic_store(&writer_done, true);
	return NULL;
}

static void part_maps(void)
{
	struct sigaction sa = { .sa_handler = on_segv };

	in_threads(map_thread);
	sigaction(SIGSEGV, &sa, NULL);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	atomic_store(&writer_done, false);
	in_threads(protect_thread);
	if (*shared != 30000)
		wrong("writes across mprotect");
	munmap(shared, PAGE);
	signal(SIGSEGV, SIG_DFL);
}

/* ---- processes ----------------------------------------------------------------- */

static void part_fork(void)
{
	for (int n = 0; n < 12; n++) {
		int fds[2];
		uint64_t sum = 0, got, want = 0;
		int n_children = (int)n_threads;

		if (pipe(fds))
			abort();
		for (int i = 0; i < n_children; i++) {
			uint64_t x = (uint64_t)(n * 100 + i + 1);
			pid_t pid = fork();

			if (pid < 0) {
				wrong("fork");
				return;
			}
			for (int k = 0; k < 3000; k++)
				next(&x);
			if (pid == 0)
				_exit(write(fds[1], &x, sizeof x) == sizeof x ? (int)(x & 127) : 128);
			want += x + (x & 127);
		}
		for (int i = 0; i < n_children; i++) {
			int status;

			if (read(fds[0], &got, sizeof got) == sizeof got)
				sum += got;
			if (wait(&status) > 0 && WIFEXITED(status))
				sum += (uint64_t)WEXITSTATUS(status);
		}
		if (sum != want)
			wrong("what children computed");
		close(fds[0]);
		close(fds[1]);
	}
}

/* ---- registers across switches -------------------------------------------------- */

static double series(unsigned seed)
{
	long double x87 = 1 + seed;
	double sse = 1 + seed;

	for (int n = 1; n < 4000; n++) {
		x87 = x87 / 1.0001L + 1.0L / n;
		sse = sse * 0.9999 + 1.0 / n;
	}
	return (double)x87 + sse;
}

static double expected[THREADS_MAX];

static void *fpu_thread(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	for (int n = 0; n < 12; n++) {
		if (series(me) != expected[me])
			wrong("floating point");
		sched_yield();
	}
	return NULL;
}

static atomic_uint n_signals;

static void on_usr1(int sig)
{
	(void)sig;
	atomic_fetch_add(&n_signals, 1);
}

static void *signal_thread(void *arg)
{
	if ((uintptr_t)arg % 2)
		return fpu_thread(arg);
	for (int n = 0; n < 100; n++)
		pthread_kill(pthread_self(), SIGUSR1);
	return fpu_thread(arg);
}

static void part_registers(void)
{
	struct sigaction sa = { .sa_handler = on_usr1 };

	sigaction(SIGUSR1, &sa, NULL);
	atomic_store(&n_signals, 0);
	in_threads(signal_thread);
	if (atomic_load(&n_signals) != (n_threads + 1) / 2 * 100)
		wrong("signals");
}

/* ---- one thread on each processor in turn ---------------------------------------- */

static void part_move(void)
{
	cpu_set_t all, one;
	struct timespec last = { 0 }, now;

	if (sched_getaffinity(0, sizeof all, &all))
		abort();
	for (int n = 0; n < 50; n++) {
		for (int i = 0; i < CPU_COUNT(&all); i++) {
			CPU_ZERO(&one);
			CPU_SET(i, &one);
			if (sched_setaffinity(0, sizeof one, &one) || sched_getcpu() != i)
				wrong("the processor we are on");
			clock_gettime(CLOCK_MONOTONIC, &now);
			if (now.tv_sec < last.tv_sec ||
			    (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec))
				wrong("time went back");
			last = now;
		}
	}
	sched_setaffinity(0, sizeof all, &all);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} part[] = { { "mutex", part_mutex },	{ "futex", part_futex },
		     { "maps", part_maps },	{ "fork", part_fork },
		     { "registers", part_registers }, { "move", part_move } };
	long seconds = argc > 1 ? atol(argv[1]) : 10;
	struct timespec start, now, was;
	double took[8] = { 0 };
	unsigned rounds = 0;

	if (argc > 2)
		n_threads = (unsigned)atoi(argv[2]);
	if (n_threads < 2 || n_threads > THREADS_MAX)
		return 2;
	for (unsigned i = 0; i < n_threads; i++)
		expected[i] = series(i);
	clock_gettime(CLOCK_MONOTONIC, &start);
	was = start;
	do {
		for (size_t i = 0; i < sizeof part / sizeof part[0] && !n_wrong; i++) {
			part[i].fn();
			clock_gettime(CLOCK_MONOTONIC, &now);
			took[i] += (double)(now.tv_sec - was.tv_sec) +
				   (double)(now.tv_nsec - was.tv_nsec) / 1e9;
			was = now;
		}
		rounds++;
	} while (now.tv_sec - start.tv_sec < seconds && !n_wrong);
	for (size_t i = 0; i < sizeof part / sizeof part[0]; i++)
		printf("%-10s %8.2f s\n", part[i].name, took[i]);
	printf("%u rounds of %u threads, %s\n", rounds, n_threads, n_wrong ? "WRONG" : "all right");
	return n_wrong ? 1 : 0;
}
