/* dhcp/dhcp4_config.h: what a network's DHCPv4 server is told to say: a plain value. */
#ifndef MUSTER_DHCP_DHCP4_CONFIG_H
#define MUSTER_DHCP_DHCP4_CONFIG_H

#include "dhcp/dhcp4_value.h"
#include "dhcp/leases.h"

enum { DHCP4_LEASE_MIN_S = 60 };
#define DHCP4_FOREVER UINT32_MAX /* a lease time, RFC 2131 §3.3 */

/* Client architectures of option 93 (IANA "Processor Architecture Types"). */
enum {
	DHCP4_ARCH_BIOS = 0,
	DHCP4_ARCH_IA32 = 6,
	DHCP4_ARCH_X64_BC = 7,
	DHCP4_ARCH_X64 = 9,
	DHCP4_ARCH_ARM64 = 11,
	DHCP4_ARCH_X64_HTTP = 16,
	DHCP4_ARCH_ANY = 0xffff
};

/* A boot file, for the clients that match; the first row that does is used. */
struct dhcp4_boot {
	uint16_t arch; /* DHCP4_ARCH_ANY: of all but HTTP clients. 7 and 9 are the same */
	enum dhcp4_ipxe { DHCP4_IPXE_ANY, DHCP4_IPXE_ONLY, DHCP4_IPXE_NOT } ipxe; /* iPXE's own file: DHCP4_IPXE_NOT */
	const char *file; /* a name for TFTP, or a URL; 127 bytes at most, or 255 for option 67 alone */
};

/* An option by number; it replaces what the server would say of its own. 50 to 55, 57 to 59, 61 and 82 are the
 * server's and not taken. */
struct dhcp4_option_value {
	uint8_t code;
	bool is_always; /* sent when it was not asked for, too */
	uint16_t len;
	const uint8_t *data;
};

/* A plain value; borrowed with all it points to while the server lives. */
struct dhcp4_config {
	uint32_t server; /* the service address */
	uint8_t prefix_len;
	struct lease_config leases;
	uint32_t lease_s, renew_s, rebind_s; /* renew < rebind < lease; renew and rebind 0: a half, seven eighths */
	uint32_t router; /* 0: none is told */
	const uint32_t *dns, *ntp;
	size_t n_dns, n_ntp;
	const char *domain; /* NULL: none */
	const char *const *search;
	size_t n_search;
	const struct dhcp4_route *routes; /* beside the default route */
	size_t n_routes;
	uint16_t mtu; /* of the network: bounds replies, and is told in option 26 */
	bool is_quiet; /* no NAK to a client of which nothing is known: another server is on the network */
	bool has_rapid_commit;
	uint32_t v6only_s; /* option 108; 0: never */
	const struct dhcp4_option_value *options;
	size_t n_options;
	const struct dhcp4_boot *boots;
	size_t n_boots;
	uint32_t next_server; /* the TFTP server of boots; 0: the service address */
};

#endif
