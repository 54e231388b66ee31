/* dns/zone_home.c: the zones that no query leaves the team for, beside the team's own.
 *
 * Special names, and the reverse of addresses that mean another station at each place.
 *
 * Used by: dns/zone.c.   Depends on: –.
 * Sources: RFC 6761 §6.1 to §6.4, RFC 6762 §22.1 (local), RFC 7686 (onion), RFC 8375 (home.arpa), RFC 9462 §8.2
 * (resolver.arpa), ICANN 2024-07-29 (internal); RFC 6303 §4, RFC 7793 (reverse). */
#include "dns/zone_home.h"

#include <stdio.h>

static const char *const names[] = {
	"test",
	"localhost",
	"invalid",
	"local",
	"onion",
	"internal",
	"home.arpa",
	"resolver.arpa",
	/* IPv4: this network, private, loopback, link-local, documentation, broadcast. */
	"0.in-addr.arpa",
	"10.in-addr.arpa",
	"127.in-addr.arpa",
	"254.169.in-addr.arpa",
	"168.192.in-addr.arpa",
	"2.0.192.in-addr.arpa",
	"100.51.198.in-addr.arpa",
	"113.0.203.in-addr.arpa",
	"255.255.255.255.in-addr.arpa",
	/* IPv6: unspecified, loopback, unique local (fc00::/7), link-local (fe80::/10), documentation. */
	"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
	"c.f.ip6.arpa",
	"d.f.ip6.arpa",
	"8.e.f.ip6.arpa",
	"9.e.f.ip6.arpa",
	"a.e.f.ip6.arpa",
	"b.e.f.ip6.arpa",
	"8.b.d.0.1.0.0.2.ip6.arpa",
};

/* Ranges of one number before a fixed rest: 172.16.0.0/12 and 100.64.0.0/10. */
static const struct {
	unsigned first, last;
	const char *rest;
} ranges[] = { { 16, 31, "172.in-addr.arpa" }, { 64, 127, "100.in-addr.arpa" } };

int zone_home_each(zone_home_fn *fn, void *arg)
{
	int r = 0;

	for (size_t i = 0; i < sizeof names / sizeof names[0] && r == 0; i++)
		r = fn(arg, names[i]);
	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
		for (unsigned n = ranges[i].first; n <= ranges[i].last && r == 0; n++) {
			char name[32];

			(void)snprintf(name, sizeof name, "%u.%s", n, ranges[i].rest);
			r = fn(arg, name);
		}
	}
	return r;
}
