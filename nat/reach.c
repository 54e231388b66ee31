/* nat/reach.c: the judgement of an address, by tables of prefixes.
 *
 * Used by: nat/nat_in.c. */
#include "nat/reach.h"

#include <string.h>

/* clang-format off */
#define V4(w, x, y, z, len) { .family = IP_V4, .prefix_len = len, .b = { w, x, y, z } }
#define V6(len, ...) { .family = IP_V6, .prefix_len = len, .b = { __VA_ARGS__ } }

static const struct ip_addr no_host[] = {
	V4(0, 0, 0, 0, 8), V4(127, 0, 0, 0, 8), V4(224, 0, 0, 0, 4), V4(255, 255, 255, 255, 32),
	V6(96, 0), /* ::, ::1, and IPv4-compatible ones */
	V6(96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), /* IPv4-mapped */
	V6(96, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), /* IPv4-translated (RFC 2765) */
	V6(8, 0xff),
};
static const struct ip_addr link_own[] = { V4(169, 254, 0, 0, 16), V6(10, 0xfe, 0x80) };
static const struct ip_addr not_internet[] = {
	V4(10, 0, 0, 0, 8), V4(100, 64, 0, 0, 10), V4(169, 254, 0, 0, 16), V4(172, 16, 0, 0, 12),
	V4(192, 0, 0, 0, 24), V4(192, 0, 2, 0, 24), V4(192, 168, 0, 0, 16), V4(198, 18, 0, 0, 15),
	V4(198, 51, 100, 0, 24), V4(203, 0, 113, 0, 24), V4(240, 0, 0, 0, 4),
	V6(7, 0xfc), V6(10, 0xfe, 0x80), V6(10, 0xfe, 0xc0), V6(64, 0x01), V6(32, 0x20, 0x01, 0x0d, 0xb8),
	V6(20, 0x3f, 0xff), V6(48, 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01), V6(32, 0x20, 0x01), /* Teredo */
};
static const struct ip_addr nat64 = V6(96, 0x00, 0x64, 0xff, 0x9b), six_to_four = V6(16, 0x20, 0x02);
static const struct ip_addr loopback4 = V4(127, 0, 0, 1, 32);
static const struct ip_addr loopback6 = V6(128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof *(table))

static bool in_any(const struct ip_addr *ip, const struct ip_addr *nets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (nets[i].family == ip->family && ip_in_net(ip, &nets[i]))
			return true;
	return false;
}

static bool is_own(const struct reach *r, const struct ip_addr *ip)
{
	if (in_any(ip, link_own, COUNT(link_own)))
		return true;
	for (size_t i = 0; i < r->n_own; i++)
		if (r->own[i].family == ip->family && ip_equal(&r->own[i], ip))
			return true;
	return false;
}

/* The IPv4 address that an IPv6 one leads to. */
static bool get_inner(const struct ip_addr *ip, struct ip_addr *ret_inner)
{
	const uint8_t *at;

	if (ip->family != IP_V6)
		return false;
	if (ip_in_net(ip, &nat64))
		at = ip->b + 12;
	else if (ip_in_net(ip, &six_to_four))
		at = ip->b + 2;
	else
		return false;
	*ret_inner = (struct ip_addr){ .family = IP_V4, .prefix_len = 32 };
	memcpy(ret_inner->b, at, 4);
	return true;
}

static enum reach_verdict judge(const struct reach *r, const struct ip_addr *ip)
{
	if (in_any(ip, no_host, COUNT(no_host)))
		return REACH_NO_HOST;
	if (!r->host_loopback && is_own(r, ip))
		return REACH_OWN;
	if ((r->mode == REACH_INTERNET || r->internet_only) && in_any(ip, not_internet, COUNT(not_internet)))
		return REACH_POLICY;
	return REACH_OK;
}

static bool is_service(const struct ip_addr *service, const struct ip_addr *ip)
{
	return service->family == ip->family && ip_equal(service, ip);
}

enum reach_verdict reach_check(const struct reach *r, const struct ip_addr *dst, struct ip_addr *ret_real)
{
	struct ip_addr inner;
	enum reach_verdict v;

	if (is_service(&r->service4, dst) || is_service(&r->service6, dst)) {
		if (!r->host_loopback)
			return REACH_OWN;
		*ret_real = dst->family == IP_V4 ? loopback4 : loopback6;
		return REACH_OK;
	}
	v = judge(r, dst);
	if (v == REACH_OK && get_inner(dst, &inner))
		v = judge(r, &inner);
	if (v == REACH_OK && r->mode == REACH_LIST && !in_any(dst, r->prefixes, r->n_prefixes))
		v = REACH_POLICY;
	if (v == REACH_OK)
		*ret_real = *dst;
	return v;
}

struct ip_addr reach_guest_view(const struct reach *r, const struct ip_addr *real)
{
	if (r->host_loopback && real->family == IP_V4 && r->service4.family == IP_V4 && ip_equal(real, &loopback4))
		return r->service4;
	if (r->host_loopback && real->family == IP_V6 && r->service6.family == IP_V6 && ip_equal(real, &loopback6))
		return r->service6;
	return *real;
}
