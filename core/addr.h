/* core/addr.h: MAC and IP addresses and prefixes, as values.
 *
 * IPv4 addresses are kept in host order in a uint32_t inside the module and
 * shown as struct ip_addr (family + 16 bytes in network order) outside. */
#ifndef MUSTER_CORE_ADDR_H
#define MUSTER_CORE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAC_LEN = 6, MAC_STR_SIZE = 18, IP_STR_SIZE = 50 };

struct mac_addr {
	uint8_t b[MAC_LEN];
};

enum ip_family { IP_NONE, IP_V4, IP_V6 };

/* An address with its prefix length, "10.0.0.1/24". A bare address has the
 * full length (32 or 128). */
struct ip_addr {
	enum ip_family family;
	uint8_t prefix_len;
	uint8_t b[16]; /* network order; IPv4 uses the first four */
};

/* Parse "aa:bb:cc:dd:ee:ff". Returns 0, or -EINVAL. */
int mac_parse(const char *s, struct mac_addr *ret_mac);
/* Writes into @buf (MAC_STR_SIZE bytes) and returns it. */
const char *mac_str(const struct mac_addr *m, char *buf);
/* Whether both are the same address. */
bool mac_equal(const struct mac_addr *a, const struct mac_addr *b);
bool mac_is_multicast(const struct mac_addr *m); /* broadcast included */

/* Parse an address, with or without "/len". Host bits are kept.
 * Returns 0, or -EINVAL. */
int ip_parse(const char *s, struct ip_addr *ret_ip);
/* "10.0.0.1/24"; without the length when it is the full one.
 * Writes into @buf (IP_STR_SIZE bytes) and returns it. */
const char *ip_str(const struct ip_addr *ip, char *buf);
/* The address alone, "10.0.0.1". */
const char *ip_str_bare(const struct ip_addr *ip, char *buf);
bool ip_equal(const struct ip_addr *a, const struct ip_addr *b); /* prefix ignored */
/* True for 0.0.0.0 and ::. */
bool ip_is_unspecified(const struct ip_addr *ip);
/* True for fe80::/10 (RFC 4291 §2.5.6). */
bool ip_is_link_local(const struct ip_addr *ip);
/* True when @ip lies in the prefix of @net (the families are equal). */
bool ip_in_net(const struct ip_addr *ip, const struct ip_addr *net);
/* True when all host bits of @ip are 0. */
bool ip_is_net(const struct ip_addr *ip);
/* True for the IPv4 directed broadcast of its own prefix (len < 31). */
bool ip_is_broadcast(const struct ip_addr *ip);
/* The @n-th address of @net (0 = the network's own).
 * Returns 0, or -ERANGE when the prefix has fewer addresses. */
int ip_nth(const struct ip_addr *net, uint64_t n, struct ip_addr *ret_ip);
/* "255.255.255.0" for IPv4. Writes into @buf (IP_STR_SIZE). */
const char *ip_netmask_str(const struct ip_addr *ip, char *buf);

#endif
