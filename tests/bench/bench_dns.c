/* tests/bench/bench_dns.c: answers a second from the table of a network's names, on one core.
 *
 * 1,000 VMs, each with an IPv4 and an IPv6 address. Queries as guests send them: A, AAAA and reverse of both, spelled
 * whole and as a label alone, one in eight for a name that is not there, half of them with EDNS. Processor time, so that
 * neighbours of the host do not count; the median of 5 runs. Exits 0 when there are 100,000. */
#include "core/clock.h"
#include "core/prng.h"
#include "dns/dns.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAMES = 1000, QUERIES = 4096, ROUNDS = 100, RUNS = 5, MUST = 100000, STRETCH = 300000 };

static struct {
	uint8_t b[128];
	size_t len;
} queries[QUERIES];

static void address(unsigned i, bool is_v6, struct ip_addr *ret)
{
	*ret = (struct ip_addr){ .family = is_v6 ? IP_V6 : IP_V4, .b = { 10, 0, (uint8_t)(i >> 8), (uint8_t)i } };
	if (is_v6)
		*ret = (struct ip_addr){ .family = IP_V6, .b = { 0xfd, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i } };
}

static void make_query(unsigned i, struct prng *p)
{
	struct dns_question q = { .class = DNS_CLASS_IN };
	unsigned n = (unsigned)prng_below(p, NAMES), kind = (unsigned)prng_below(p, 8);
	struct dns_writer w;
	struct ip_addr ip;
	char text[64];

	address(n, kind & 1, &ip);
	(void)snprintf(text, sizeof text, kind == 7 ? "nobody%u.lab.test" : kind == 6 ? "vm%u" : "vm%u.lab.test", n);
	q.type = kind & 1 ? DNS_AAAA : DNS_A;
	if (dns_name_parse(text, DNS_NAME_HOST, &q.name))
		exit(EXIT_FAILURE);
	if (kind == 4 || kind == 5) {
		q.type = DNS_PTR;
		dns_name_reverse(&ip, &q.name);
	}
	dns_write_begin(&w, queries[i].b, sizeof queries[i].b, (uint16_t)i, DNS_RD);
	(void)dns_write_question(&w, &q);
	if (i & 1)
		(void)dns_write_opt(&w, DNS_UDP_MAX, 0, false);
	queries[i].len = dns_write_end(&w);
}

static int compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

int main(void)
{
	struct dns dns = { .forwards = true };
	struct zone *zone;
	const char *why;
	struct prng p;
	double rates[RUNS];

	if (zone_new("lab.test", 1, &zone, &why) < 0)
		return EXIT_FAILURE;
	for (unsigned i = 0; i < NAMES; i++) {
		struct ip_addr v4, v6;
		char name[16];

		(void)snprintf(name, sizeof name, "vm%u", i);
		address(i, false, &v4);
		address(i, true, &v6);
		if (zone_add_vm(zone, name, &why) < 0 || zone_add_address(zone, name, &v4, &why) < 0 ||
		    zone_add_address(zone, name, &v6, &why) < 0)
			return EXIT_FAILURE;
	}
	dns.zone = zone;
	prng_init(&p, 1, "bench");
	for (unsigned i = 0; i < QUERIES; i++)
		make_query(i, &p);
	for (unsigned run = 0; run < RUNS; run++) {
		nsec_t start = clock_cpu();

		for (unsigned i = 0; i < ROUNDS * QUERIES; i++) {
			uint8_t answer[DNS_UDP_MAX];
			size_t len;

			if (dns_answer(&dns, queries[i % QUERIES].b, queries[i % QUERIES].len, DNS_OVER_UDP, answer,
				       sizeof answer, &len) != DNS_REPLY)
				return EXIT_FAILURE;
		}
		rates[run] = (double)ROUNDS * QUERIES * 1e9 / (double)(clock_cpu() - start);
	}
	qsort(rates, RUNS, sizeof rates[0], compare);
	printf("DNS answers/s from the table of 1,000 names, one core: %.0f (must %d, stretch %d)\n", rates[RUNS / 2],
	       MUST, STRETCH);
	zone = zone_free(zone);
	return rates[RUNS / 2] >= MUST ? EXIT_SUCCESS : EXIT_FAILURE;
}
