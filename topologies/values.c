/* topologies/values.c: numbers with units, in and out.
 *
 * A bare number is refused everywhere a unit belongs: the commonest mistake in
 * lab files is a bit taken for a byte. Numbers are decimal digits with at most
 * one point, kept as long double (64 bits of mantissa) so that every value that
 * can be written with up to 18 digits comes out exact.
 *
 * Used by: parse*.c, shape.c, show.c.   Depends on: core/addr.h, core/bytes.h.
 * Sources: team-file(5). */
#include "topologies/values.h"

#include "core/bytes.h"
#include "topologies/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	uint64_t factor;
};
/* A kind of value: how it is called and what may follow the number. */
struct kind {
	const char *article, *name, *example, *units;
	const struct unit *table; /* ends with NULL */
	long double max;
	const char *max_str;
};

static const struct unit rate_units[] = {
	{ "bit", 1 }, { "kbit", 1000 }, { "Mbit", 1000000 }, { "Gbit", 1000000000 }, { NULL, 0 }
};
static const struct unit time_units[] = {
	{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
	{ "m", 60000000000 }, { "h", 3600000000000 }, { NULL, 0 }
};
static const struct unit size_units[] = {
	{ "B", 1 }, { "KB", 1000 }, { "MB", 1000000 }, { "GB", 1000000000 },
	{ "KiB", 1024 }, { "MiB", 1024 * 1024 }, { "GiB", 1024 * 1024 * 1024 }, { NULL, 0 }
};
static const struct unit share_units[] = { { "%", 1 }, { NULL, 0 } };

static const struct kind rate_kind = { "a", "rate", "10Mbit", "bit, kbit, Mbit or Gbit", rate_units,
				       1e12L, "1000Gbit" };
static const struct kind time_kind = { "a", "time", "20ms", "ns, us, ms, s, m or h", time_units,
				       3.6e16L, "10000h" };
static const struct kind size_kind = { "a", "size", "128MiB", "B, KB, MB, GB, KiB, MiB or GiB",
				       size_units, 1e15L, "1000000GB" };
static const struct kind share_kind = { "a", "share", "0.1%", "%", share_units, 100.0L, "100%" };

/* Splits "12.5ms" into the number and where the unit begins.
 * Returns NULL when it does not begin with a number. */
static const char *number(const char *s, long double *ret_n)
{
	const char *p = s;
	char digits[40];
	size_t n;

	while (isdigit((unsigned char)*p))
		p++;
	if (p == s)
		return NULL;
	if (*p == '.' && isdigit((unsigned char)p[1]))
		for (p++; isdigit((unsigned char)*p);)
			p++;
	n = (size_t)(p - s);
	if (n >= sizeof digits)
		return NULL;
	memcpy(digits, s, n);
	digits[n] = 0;
	*ret_n = strtold(digits, NULL);
	return p;
}

static int refuse(char **ret_why, char *why)
{
	*ret_why = why;
	return -EINVAL;
}

/* Says why @unit is not one of @k's units. */
static char *unit_why(const struct kind *k, const char *s, const char *unit)
{
	struct suggestion near = { .word = unit };
	char buf[80];

	if (!*unit)
		return str_printf("'%s' lacks a unit; a %s is a number with %s, like %s", s,
				  k->name, k->units, k->example);
	if (isspace((unsigned char)*unit))
		return str_printf("no space between a number and its unit: %s", k->example);
	if (k == &rate_kind && strchr(unit, 'B'))
		return str_printf("'%s' counts bytes; a rate counts bits per second, in %s", unit,
				  k->units);
	if (k == &rate_kind && strlen(unit) > 1 && strchr("kKmMgG", *unit)) {
		char prefix = (char)(*unit == 'K' || *unit == 'k' ? 'k' : toupper((unsigned char)*unit));

		return str_printf("'%s' is no unit of rate; did you mean '%cbit'?", unit, prefix);
	}
	for (const struct unit *u = k->table; u->name; u++)
		suggest_consider(&near, u->name);
	return str_printf("'%s' is no unit of %s; the units are %s%s", unit, k->name, k->units,
			  suggest_str(&near, buf, sizeof buf));
}

/* Parses a number of @k. @ret_value: in the smallest unit, not rounded. */
static int quantity(const struct kind *k, const char *s, long double *ret_value, char **ret_why)
{
	long double n;
	const char *unit;

	if (*s == '-')
		return refuse(ret_why, str_printf("a %s cannot be negative", k->name));
	unit = number(s, &n);
	if (!unit)
		return refuse(ret_why, str_printf("'%s' is no %s; write a number with %s, like %s", s,
						  k->name, k->units, k->example));
	for (const struct unit *u = k->table; u->name; u++) {
		if (strcmp(u->name, unit) != 0)
			continue;
		if (n * (long double)u->factor > k->max)
			return refuse(ret_why, str_printf("'%s' is more than %s, the most a %s can be",
							  s, k->max_str, k->name));
		*ret_value = n * (long double)u->factor;
		return 0;
	}
	return refuse(ret_why, unit_why(k, s, unit));
}

int value_rate(const char *s, uint64_t *ret_bps, char **ret_why)
{
	long double v;
	int r;

	if (!strcmp(s, "unlimited")) {
		*ret_bps = 0;
		return 0;
	}
	r = quantity(&rate_kind, s, &v, ret_why);
	if (r)
		return r;
	if (llroundl(v) < 1)
		return refuse(ret_why, str_printf("a rate is at least 1bit; for no limit write 'unlimited'"));
	*ret_bps = (uint64_t)llroundl(v);
	return 0;
}

int value_time(const char *s, nsec_t *ret_ns, char **ret_why)
{
	long double v;
	int r = quantity(&time_kind, s, &v, ret_why);

	if (!r)
		*ret_ns = llroundl(v);
	return r;
}

int value_size(const char *s, uint64_t *ret_bytes, char **ret_why)
{
	long double v;
	int r = quantity(&size_kind, s, &v, ret_why);

	if (r)
		return r;
	if (v != floorl(v))
		return refuse(ret_why, str_printf("'%s' is not a whole number of bytes", s));
	*ret_bytes = (uint64_t)v;
	return 0;
}

int value_queue(const char *s, uint64_t *ret_queue, bool *ret_in_packets, char **ret_why)
{
	long double v;
	const char *unit = number(s, &v);
	uint64_t bytes;
	int r;

	if (unit && (!strcmp(unit, " packets") || !strcmp(unit, " packet") || !strcmp(unit, "packets"))) {
		if (v < 1 || v > 1e9L || v != floorl(v))
			return refuse(ret_why, str_printf("a queue holds 1 to 1000000000 packets"));
		*ret_queue = (uint64_t)v;
		*ret_in_packets = true;
		return 0;
	}
	if (unit && !*unit)
		return refuse(ret_why, str_printf("'%s' lacks a unit; a queue is a size, like 64KiB, "
						  "or '%s packets'", s, s));
	r = value_size(s, &bytes, ret_why);
	if (r)
		return r;
	if (bytes < 1)
		return refuse(ret_why, str_printf("a queue holds at least 1B"));
	*ret_queue = bytes;
	*ret_in_packets = false;
	return 0;
}

int value_share(const char *s, double *ret_share, char **ret_why)
{
	long double v;
	int r = quantity(&share_kind, s, &v, ret_why);

	if (!r)
		*ret_share = (double)(v / 100);
	return r;
}

int value_int(const char *s, uint64_t min, uint64_t max, uint64_t *ret_n, char **ret_why)
{
	if (str_uint(s, min, max, ret_n) < 0)
		return refuse(ret_why, str_printf("'%s' is not a whole number from %llu to %llu", s,
						  (unsigned long long)min, (unsigned long long)max));
	return 0;
}

static bool has_prefix(const char *s)
{
	return strchr(s, '/') != NULL;
}

int value_address(const char *s, struct ip_addr *ret_ip, char **ret_why)
{
	struct ip_addr ip;
	unsigned full;

	if (ip_parse(s, &ip))
		return refuse(ret_why, str_printf("'%s' is no address; write one like 10.0.0.1/24 or "
						  "fd00::1/64", s));
	full = ip.family == IP_V4 ? 32 : 128;
	if (!has_prefix(s))
		return refuse(ret_why, str_printf("'%s' lacks its prefix length, as in %s/%u", s, s,
						  ip.family == IP_V4 ? 24u : 64u));
	if (!ip.prefix_len)
		return refuse(ret_why, str_printf("'%s': a prefix length of 0 is every address", s));
	if (ip.prefix_len < full - 1 && ip_is_net(&ip))
		return refuse(ret_why, str_printf("'%s' is the network itself, not a host in it", s));
	if (ip.prefix_len < full - 1 && ip_is_broadcast(&ip))
		return refuse(ret_why, str_printf("'%s' is the broadcast address of its network", s));
	if (ip.family == IP_V4 ? ip.b[0] == 0 || ip.b[0] == 127 || ip.b[0] >= 224 : ip.b[0] == 0xff)
		return refuse(ret_why, str_printf("'%s' is not an address a host can have", s));
	*ret_ip = ip;
	return 0;
}

int value_subnet(const char *s, enum ip_family family, struct ip_addr *ret_ip, char **ret_why)
{
	const char *example = family == IP_V4 ? "10.0.0.0/24" : "fd00::/64";
	struct ip_addr ip, net;
	char buf[IP_STR_SIZE];

	if (ip_parse(s, &ip) || !has_prefix(s))
		return refuse(ret_why, str_printf("'%s' is no subnet; write one like %s", s, example));
	if (ip.family != family)
		return refuse(ret_why, str_printf("'%s' is IPv%d; it belongs under '%s'", s,
						  ip.family == IP_V4 ? 4 : 6,
						  ip.family == IP_V4 ? "subnet" : "subnet6"));
	if (!ip.prefix_len)
		return refuse(ret_why, str_printf("'%s': a prefix length of 0 is every address", s));
	if (!ip_is_net(&ip) && !ip_nth(&ip, 0, &net))
		return refuse(ret_why, str_printf("'%s' has host bits; the subnet is %s", s,
						  ip_str(&net, buf)));
	*ret_ip = ip;
	return 0;
}

int value_host(const char *s, struct ip_addr *ret_ip, char **ret_why)
{
	struct ip_addr ip;

	if (ip_parse(s, &ip))
		return refuse(ret_why, str_printf("'%s' is no address; write one like 10.0.0.1", s));
	if (has_prefix(s))
		return refuse(ret_why, str_printf("'%s': an address without prefix length belongs here", s));
	*ret_ip = ip;
	return 0;
}

int value_mac(const char *s, struct mac_addr *ret_mac, char **ret_why)
{
	static const struct mac_addr zero;
	struct mac_addr mac;

	if (mac_parse(s, &mac))
		return refuse(ret_why, str_printf("'%s' is no MAC address; write one like 02:00:00:00:00:01", s));
	if (mac_is_multicast(&mac) || mac_equal(&mac, &zero))
		return refuse(ret_why, str_printf("'%s' is not a MAC address a station can have%s", s,
						  mac_is_multicast(&mac) ? " (it is multicast)" : ""));
	*ret_mac = mac;
	return 0;
}

int value_bool(const char *s, bool *ret_b, char **ret_why)
{
	if (strcmp(s, "true") != 0 && strcmp(s, "false") != 0)
		return refuse(ret_why, str_printf("'%s' is neither true nor false", s));
	*ret_b = *s == 't';
	return 0;
}

int value_name(const char *s, bool any_case, char **ret_why)
{
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++) {
		if (strchr(lower, s[i]) || (s[i] == '-' && i) ||
		    (any_case && (strchr(upper, s[i]) || (s[i] == '_' && i))))
			continue;
		return refuse(ret_why, str_printf("'%s' is no name; a name has %s, digits and '-'%s, "
						  "and begins with a letter or digit", s,
						  any_case ? "letters" : "small letters",
						  any_case ? " and '_'" : ""));
	}
	if (!n || n > 32)
		return refuse(ret_why, str_printf("a name has 1 to 32 characters"));
	/* Numbers count NICs and disks, and every guest is its own localhost. */
	if (any_case && !s[strspn(s, "0123456789")])
		return refuse(ret_why, str_printf("'%s' is no name; a name is not all digits", s));
	if (any_case && !strcasecmp(s, "localhost"))
		return refuse(ret_why, str_printf("'%s' is no name here; every guest calls itself so", s));
	return 0;
}
