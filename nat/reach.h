/* nat/reach.h: which addresses a guest reaches through the NAT.
 *
 * Never reached are addresses that name no single host outside: this network, loopback, multicast, broadcast, the
 * unspecified one, and IPv6 addresses that only wrap an IPv4 one (a mapped one would reach the loopback). Unless
 * host_loopback is on, no address of the host itself, 169.254.0.0/16 and fe80::/10 is reached either. With it
 * on, the service address stands for the host's loopback.
 *
 * An address of 64:ff9b::/96 or 2002::/16 leads to the IPv4 address in it, so both are judged.
 *
 * Used by: nat/nat_in.c.   Depends on: core/addr.h.
 * Sources: RFC 6890 and the IANA special-purpose registries; RFC 1918, 6598, 4193, 4291, 6052, 3056. */
#ifndef MUSTER_NAT_REACH_H
#define MUSTER_NAT_REACH_H

#include "core/addr.h"

#include <stdbool.h>
#include <stddef.h>

enum reach_mode {
	REACH_ALL,
	REACH_INTERNET, /* without private and special ranges */
	REACH_LIST, /* the prefixes, and nothing else; none: nothing */
};

struct reach {
	enum reach_mode mode;
	const struct ip_addr *prefixes; /* REACH_LIST; borrowed */
	size_t n_prefixes;
	bool internet_only; /* with REACH_LIST: private and special ranges are left out of the prefixes */
	const struct ip_addr *own; /* the host's addresses; borrowed */
	size_t n_own;
	struct ip_addr service4, service6; /* the network's service addresses; IP_NONE: none */
	bool host_loopback;
};

enum reach_verdict {
	REACH_OK,
	REACH_NO_HOST, /* it names no host outside */
	REACH_OWN, /* the host's own, or its link's */
	REACH_POLICY, /* left out by the mode */
	REACH_VERDICT_COUNT
};

/* Judges @dst. @ret_real: where to connect, with REACH_OK only: @dst, or the loopback that stands for it. */
enum reach_verdict reach_check(const struct reach *r, const struct ip_addr *dst, struct ip_addr *ret_real);

/* The address that a guest knows a sender outside by: the service address for the loopback, else @real. */
struct ip_addr reach_guest_view(const struct reach *r, const struct ip_addr *real);

#endif
