/* dhcp/dhcp6_config.h: what a network's DHCPv6 server is told to say: a plain value. */
#ifndef MUSTER_DHCP_DHCP6_CONFIG_H
#define MUSTER_DHCP_DHCP6_CONFIG_H

#include "core/addr.h"
#include "dhcp/dhcp4_config.h"
#include "dhcp/leases.h"

enum { DHCP6_LEASE_MIN_S = 60 };
#define DHCP6_FOREVER UINT32_MAX /* RFC 8415 §7.7 */

/* An option by number; it replaces what the server would say of its own. Those up to 22, 25, 26, 79 and 135 are the
 * protocol's and not taken. */
struct dhcp6_option_value {
	uint16_t code;
	bool is_always; /* sent when it was not asked for, too */
	uint16_t len;
	const uint8_t *data;
};

/* A plain value; borrowed with all it points to while the server lives. */
struct dhcp6_config {
	struct mac_addr mac; /* of the service address: the server's DUID-LL is of it */
	struct ip_addr subnet; /* what is on the link; its upper 64 bits are those of all leased addresses */
	/* Lower 64 bits of addresses; iaid_len is DHCP6_IAID_LEN. Without ranges and reservations the server is
	 * stateless: it hands out no address. */
	struct lease_config leases;
	/* renew < rebind <= preferred <= lease. 0: preferred is lease, renew and rebind 1/2 and 4/5 of preferred
	 * (RFC 8415 §21.4). */
	uint32_t lease_s, preferred_s, renew_s, rebind_s;
	const struct ip_addr *dns, *ntp; /* ntp: options 56 and 31 */
	size_t n_dns, n_ntp;
	const char *domain; /* of host names in option 39; NULL: the server makes no names */
	const char *const *search;
	size_t n_search;
	uint32_t refresh_s; /* for stateless clients that ask; 0: 86400, RFC 8415 §21.23 */
	uint16_t mtu; /* of the network: bounds replies; 0: 1500 */
	uint8_t preference; /* RFC 8415 §21.8 */
	bool is_quiet; /* no word to clients of which nothing is known: another server is on the network */
	bool has_rapid_commit;
	const struct dhcp6_option_value *options;
	size_t n_options;
	const struct dhcp4_boot *boots; /* file: a URL, for option 59 */
	size_t n_boots;
};

#endif
