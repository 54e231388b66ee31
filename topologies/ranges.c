/* topologies/ranges.c: addresses as numbers, and ranges of them.
 *
 * An address of either family is a number of up to 128 bits, so one code serves both.
 *
 * Used by: parse_dhcp.c, check_services.c, plan*.c.   Depends on: core/addr.h, arena.h. */
#include "topologies/ranges.h"

#include <stdlib.h>

static unsigned ip_bytes(enum ip_family family)
{
	return family == IP_V4 ? 4 : 16;
}

unsigned __int128 ip_number(const struct ip_addr *ip)
{
	unsigned __int128 n = 0;

	for (unsigned i = 0; i < ip_bytes(ip->family); i++)
		n = n << 8 | ip->b[i];
	return n;
}

struct ip_addr ip_of_number(enum ip_family family, unsigned __int128 number)
{
	struct ip_addr ip = { .family = family, .prefix_len = (uint8_t)(8 * ip_bytes(family)) };

	for (unsigned i = ip_bytes(family); i-- > 0; number >>= 8)
		ip.b[i] = (uint8_t)number;
	return ip;
}

bool range_has(const struct team_range *r, const struct ip_addr *ip)
{
	unsigned __int128 n = ip_number(ip);

	return r->first.family == ip->family && n >= ip_number(&r->first) && n <= ip_number(&r->last);
}

bool ranges_have(const struct team_range *r, size_t n, const struct ip_addr *ip)
{
	for (size_t i = 0; i < n; i++)
		if (range_has(&r[i], ip))
			return true;
	return false;
}

bool ranges_overlap(const struct team_range *a, const struct team_range *b)
{
	return range_has(a, &b->first) || range_has(b, &a->first);
}

size_t ranges_count(const struct team_range *r, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned __int128 more = ip_number(&r[i].last) - ip_number(&r[i].first) + 1;

		if (more > SIZE_MAX - count)
			return SIZE_MAX;
		count += (size_t)more;
	}
	return count;
}

/* The addresses of @subnet from the @from-th half on. */
static struct team_range hosts_from(const struct ip_addr *subnet, bool upper)
{
	unsigned host_bits = 8 * ip_bytes(subnet->family) - subnet->prefix_len;
	unsigned __int128 size_less_1 =
		host_bits < 128 ? ((unsigned __int128)1 << host_bits) - 1 : ~(unsigned __int128)0;
	unsigned __int128 first = ip_number(subnet) & ~size_less_1, last = first | size_less_1;

	if (upper && host_bits > 0)
		first |= (unsigned __int128)1 << (host_bits - 1);
	else if (host_bits > 1)
		first++;
	if (host_bits > 1 && subnet->family == IP_V4)
		last--;
	return (struct team_range){ ip_of_number(subnet->family, first), ip_of_number(subnet->family, last) };
}

struct team_range range_of_hosts(const struct ip_addr *subnet)
{
	return hosts_from(subnet, false);
}

struct team_range range_upper_half(const struct ip_addr *subnet)
{
	return hosts_from(subnet, true);
}

static int by_number(const void *pa, const void *pb)
{
	unsigned __int128 a = ip_number(pa), b = ip_number(pb);

	return a < b ? -1 : a > b;
}

struct team_range *range_cut(struct arena *arena, const struct team_range *r, struct ip_addr *holes, size_t n_holes,
			     size_t *ret_n)
{
	struct team_range *out = arena_array(arena, n_holes + 1, sizeof *out);
	unsigned __int128 at = ip_number(&r->first), last = ip_number(&r->last);
	enum ip_family family = r->first.family;
	bool ended = false; /* the last address was a hole; @at could overflow */
	size_t n = 0;

	qsort(holes, n_holes, sizeof *holes, by_number);
	for (size_t i = 0; i < n_holes && !ended; i++) {
		unsigned __int128 hole = ip_number(&holes[i]);

		if (!range_has(r, &holes[i]) || hole < at)
			continue;
		if (hole > at)
			out[n++] = (struct team_range){ ip_of_number(family, at), ip_of_number(family, hole - 1) };
		ended = hole == last;
		at = hole + 1;
	}
	if (!ended)
		out[n++] = (struct team_range){ ip_of_number(family, at), ip_of_number(family, last) };
	*ret_n = n;
	return out;
}
