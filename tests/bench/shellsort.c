/* tests/bench/shellsort.c: the guest's side of bench_interp: sorts, again and
 * again, 64 Ki pseudo-random ints. Freestanding, linked at FLAT_CODE. */
enum { COUNT = 65536 };

static int *const numbers = (int *)0x200000;

static void shellsort(int *a, long n)
{
	for (long gap = n / 2; gap > 0; gap /= 2) {
		for (long i = gap; i < n; i++) {
			int v = a[i];
			long j = i;

			for (; j >= gap && a[j - gap] > v; j -= gap)
				a[j] = a[j - gap];
			a[j] = v;
		}
	}
}

__attribute__((section(".start"), noreturn)) void start(void);
void start(void)
{
	unsigned seed = 12345;

	for (int round = 0; round < 1000; round++) {
		for (long k = 0; k < COUNT; k++) {
			seed = seed * 1664525 + 1013904223;
			numbers[k] = (int)(seed >> 1);
		}
		shellsort(numbers, COUNT);
		for (long k = 1; k < COUNT; k++) {
			if (numbers[k - 1] > numbers[k])
				__asm__ volatile("ud2");
		}
		*(volatile long *)0x100000 = round + 1;
	}
	for (;;)
		__asm__ volatile("hlt");
}
