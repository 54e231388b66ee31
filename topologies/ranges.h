/* topologies/ranges.h: addresses as numbers, and ranges of them. Internal to topologies/. */
#ifndef MUSTER_TOPOLOGIES_RANGES_H
#define MUSTER_TOPOLOGIES_RANGES_H

#include "topologies/arena.h"
#include "topologies/services.h"

/* The address as a number, host bits included; the prefix length is ignored. */
unsigned __int128 ip_number(const struct ip_addr *ip);
/* The address of @family that has this number, with the full prefix length. */
struct ip_addr ip_of_number(enum ip_family family, unsigned __int128 number);

/* Whether @ip lies in @r, or one of @n ranges. False for another family. */
bool range_has(const struct team_range *r, const struct ip_addr *ip);
/* Whether one of the @n ranges has @ip; addresses of another family are in none. */
bool ranges_have(const struct team_range *r, size_t n, const struct ip_addr *ip);
/* Whether both have an address in common. */
bool ranges_overlap(const struct team_range *a, const struct team_range *b);
/* Addresses in @n ranges that do not overlap; SIZE_MAX when there are more. */
size_t ranges_count(const struct team_range *r, size_t n);
/* What a host of @subnet can have: all but the network and the broadcast address (IPv4, up to /30) or the
 * router anycast address (IPv6, up to /126; RFC 4291 §2.6.1). */
struct team_range range_of_hosts(const struct ip_addr *subnet);
/* The upper half of @subnet, less what no host can have. */
struct team_range range_upper_half(const struct ip_addr *subnet);
/* @r without the addresses @holes, which is sorted here; of other families there are none in it.
 * Returns the ranges that are left, ascending, in @arena; *ret_n: how many. */
struct team_range *range_cut(struct arena *arena, const struct team_range *r, struct ip_addr *holes, size_t n_holes,
			     size_t *ret_n);

#endif
