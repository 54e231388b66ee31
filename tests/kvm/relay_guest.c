/* tests/kvm/relay_guest.c: what runs in the guest that is handed from machine to
 * machine (tests/kvm/relay.c): it counts, computes, watches its clocks and pings
 * all along, and says in the end whether anything was lost on the way.
 *
 *   relay-guest THREADS        on the console; ends after a line "over"
 *
 * A line "tick N ..." comes every half second of its time. Each of THREADS threads
 * adds up over and over the same numbers, integer and floating point (the first
 * result is what all others must be), counts for itself and for all, and reads the
 * clock, which must never be before what any thread has read. Once a tick the
 * monotonic clock, which Linux makes of the TSC, is compared with the real-time clock.
 * One ICMP echo a tenth of a second goes to 10.0.0.2, and each must be answered. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/rtc.h>
#include <math.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 8, TICK_MS = 500, PING_MS = 100, PING_WAIT_MS = 60000, ROUND = 20000 };

static atomic_bool over;
static atomic_uint_fast64_t n_all, latest, n_sent, n_answered;
static atomic_uint n_bad;

struct worker {
	pthread_t thread;
	uint64_t n;
};

static void bad(const char *what, uint64_t a, uint64_t b)
{
	atomic_fetch_add(&n_bad, 1);
	printf("bad %s: %" PRIu64 " %" PRIu64 "\n", what, a, b);
	(void)fflush(stdout);
}

static uint64_t mono(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void sleep_ms(unsigned ms)
{
	(void)nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l }, NULL);
}

/* The clock is read after everyone's latest reading was: it cannot be less. */
static void look_at_clock(void)
{
	uint64_t before = atomic_load(&latest), now = mono();

	if (now < before)
		bad("the clock went back", before, now);
	while (before < now && !atomic_compare_exchange_weak(&latest, &before, now))
		;
}

struct result {
	uint64_t hash;
	double sum;
	long double x87;
};

static struct result compute(void)
{
	struct result r = { .hash = 88172645463325252u, .sum = 0, .x87 = 1 };

	for (unsigned i = 1; i < ROUND; i++) {
		r.hash ^= r.hash << 13;
		r.hash ^= r.hash >> 7;
		r.hash ^= r.hash << 17;
		r.sum += sqrt((double)(r.hash & 0xFFFFF)) / i;
		r.x87 = r.x87 * 1.0000001L + (long double)i / 3;
	}
	return r;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	const struct result first = compute();

	while (!atomic_load(&over)) {
		struct result r = compute();

		if (r.hash != first.hash || r.sum != first.sum || r.x87 != first.x87)
			bad("another result", first.hash, r.hash);
		w->n++;
		atomic_fetch_add(&n_all, 1);
		look_at_clock();
	}
	return NULL;
}

/* ---- pings --------------------------------------------------------------------------- */

static uint16_t sum16(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t s = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		s += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (s >> 16)
		s = (s & 0xFFFF) + (s >> 16);
	return htons((uint16_t)~s);
}

/* Until the answer to @seq is there. False: it did not come. */
static bool answered(int fd, uint16_t seq)
{
	uint64_t until = mono() + (uint64_t)PING_WAIT_MS * 1000000;
	uint8_t buf[256];

	while (mono() < until) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		const struct icmphdr *h;
		ssize_t n;

		if (poll(&p, 1, 1000) <= 0)
			continue;
		n = recv(fd, buf, sizeof buf, 0);
		h = (const void *)(buf + (buf[0] & 15) * 4);
		if (n >= 28 && h->type == ICMP_ECHOREPLY && ntohs(h->un.echo.sequence) == seq)
			return true;
	}
	return false;
}

static void *ping(void *arg)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.0.0.2") };
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	(void)arg;
	if (fd < 0)
		bad("no socket", (uint64_t)errno, 0);
	for (uint16_t seq = 1; fd >= 0 && !atomic_load(&over); seq++) {
		struct {
			struct icmphdr h;
			char data[40];
		} m = { .h = { .type = ICMP_ECHO, .un.echo = { .id = htons(7), .sequence = htons(seq) } } };

		m.h.checksum = sum16(&m, sizeof m);
		atomic_fetch_add(&n_sent, 1);
		if (sendto(fd, &m, sizeof m, 0, (struct sockaddr *)&to, sizeof to) < 0)
			bad("an echo is not sent", seq, (uint64_t)errno);
		else if (answered(fd, seq))
			atomic_fetch_add(&n_answered, 1);
		else
			bad("an echo was lost", seq, 0);
		sleep_ms(PING_MS);
	}
	return NULL;
}

/* ---- two clocks ---------------------------------------------------------------------- */

/* The real-time clock shows R at some moment between two readings of the other, @a and
 * @b: so it is ahead by R - b at least and by R + 1 - a at most. Over all readings there
 * must be one number that fits; each may run a thousandth off, and Linux may be 20 ms
 * behind an update. (The ACPI timer would be finer, but Linux shows it to no program: a
 * program's own IN ends in #GP under QEMU's emulation of SVM, once VMRUN has loaded a
 * busy TSS.)
 *
 * After a load the real-time clock shows the host's time, and so is ahead by the time between: the
 * number begins anew then, and a line "ahead" tells it, for the host knows how many loads there were. */
static void compare(void)
{
	static int64_t least = INT64_MIN, most = INT64_MAX, first;
	static int fd = -1;
	struct rtc_time r = { 0 };
	struct tm tm;
	int64_t a, b, now;

	if (fd < 0)
		fd = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
	a = (int64_t)mono();
	if (ioctl(fd, RTC_RD_TIME, &r) < 0) {
		bad("no real-time clock", (uint64_t)errno, 0);
		return;
	}
	b = (int64_t)mono();
	tm = (struct tm){ .tm_sec = r.tm_sec, .tm_min = r.tm_min, .tm_hour = r.tm_hour, .tm_mday = r.tm_mday,
			  .tm_mon = r.tm_mon, .tm_year = r.tm_year };
	now = (int64_t)timegm(&tm) * 1000000000;
	if (!first)
		first = a;
	if (least != INT64_MIN && now - b > most + 20000000 + (b - first) / 1000) {
		printf("ahead by %" PRIi64 " ns\n", now - b - most);
		least = INT64_MIN;
		most = INT64_MAX;
	}
	if (now - b > least)
		least = now - b;
	if (now + 1000000000 - a < most)
		most = now + 1000000000 - a;
	if (least > most + 20000000 + (b - first) / 1000)
		bad("two clocks differ", (uint64_t)least, (uint64_t)most);
}

static bool told_over(void)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	char buf[64];
	ssize_t n;

	if (poll(&p, 1, 0) <= 0)
		return false;
	n = read(0, buf, sizeof buf - 1);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	return strstr(buf, "over") != NULL;
}

int main(int argc, char **argv)
{
	static struct worker worker[THREADS_MAX];
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
	uint64_t sum = 0;
	pthread_t pinger;

	if (n < 1 || n > THREADS_MAX) {
		printf("bad start: %u threads\n", n);
		return 1;
	}
	for (unsigned i = 0; i < n; i++)
		(void)pthread_create(&worker[i].thread, NULL, work, &worker[i]);
	(void)pthread_create(&pinger, NULL, ping, NULL);
	for (uint64_t tick = 1; !atomic_load(&over); tick++) {
		compare();
		look_at_clock();
		printf("tick %" PRIu64 " mono %" PRIu64 " count %" PRIu64 " pings %" PRIu64 " of %" PRIu64 " bad %u\n",
		       tick, mono(), atomic_load(&n_all), atomic_load(&n_answered), atomic_load(&n_sent),
		       atomic_load(&n_bad));
		(void)fflush(stdout);
		sleep_ms(TICK_MS);
		if (told_over())
			atomic_store(&over, true);
	}
	for (unsigned i = 0; i < n; i++) {
		(void)pthread_join(worker[i].thread, NULL);
		sum += worker[i].n;
	}
	(void)pthread_join(pinger, NULL);
	if (sum != atomic_load(&n_all))
		bad("counts", sum, atomic_load(&n_all));
	if (atomic_load(&n_sent) != atomic_load(&n_answered))
		bad("pings", atomic_load(&n_sent), atomic_load(&n_answered));
	printf("verdict %s: %" PRIu64 " rounds, %" PRIu64 " pings, %u bad\n", atomic_load(&n_bad) ? "bad" : "ok", sum,
	       atomic_load(&n_sent), atomic_load(&n_bad));
	(void)fflush(stdout);
	return atomic_load(&n_bad) != 0;
}
