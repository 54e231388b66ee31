/* topologies/services.h: the services of a network, as a team file describes them: DHCP, router
 * advertisements, DNS and NAT. A part of the model (team.h), whose rules hold here: the team owns
 * all strings and arrays, and "planned" members are filled by plan_services.c.
 *
 * Used by: team.h.   Depends on: core/addr.h, core/clock.h, place.h.
 * Sources: team-file(5); RFC 2131, 2132, 4861, 8415. */
#ifndef MUSTER_TOPOLOGIES_SERVICES_H
#define MUSTER_TOPOLOGIES_SERVICES_H

#include "core/addr.h"
#include "core/clock.h"
#include "topologies/place.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Addresses of one family; both ends belong to it. */
struct team_range {
	struct ip_addr first, last;
};

/* Whom an address is kept for. */
enum team_reserve_kind { RESERVE_NIC, RESERVE_MAC, RESERVE_CLIENT_ID, RESERVE_COUNT };
struct team_reservation {
	enum team_reserve_kind kind;
	size_t vm, nic; /* RESERVE_NIC */
	struct mac_addr mac; /* RESERVE_MAC: given; RESERVE_NIC: planned, the NIC's */
	const uint8_t *client_id; /* RESERVE_CLIENT_ID: the option's bytes */
	size_t client_id_len; /* 1 to 255 */
	struct ip_addr address, address6; /* IP_NONE: absent; one is there */
	const char *hostname; /* given; planned for RESERVE_NIC: the VM's; or NULL */
};

/* An option as it goes onto the wire, without code and length. */
enum { TEAM_OPTION_MAX = 1020 }; /* bytes of one option: four parts of 255 (RFC 3396 §7) */
struct team_dhcp_option {
	uint8_t code; /* 1 to 254 */
	const char *name; /* the table's; NULL: the table has no such code */
	const uint8_t *data;
	size_t len; /* 1 to TEAM_OPTION_MAX */
};

struct team_dhcp {
	bool enabled; /* IPv4; DHCPv6 follows from the network's `ra` */
	struct team_range *ranges; /* given; none: the upper half of the subnet */
	size_t n_ranges;
	/* Planned: what is given out to anybody, ascending and disjoint. The ranges less the service address, all
	 * addresses of NICs, and those reserved. Empty where the service is off. */
	struct team_range *pools, *pools6; /* pools6: where `ra` is `stateful` */
	size_t n_pools, n_pools6;
	nsec_t lease_ns, renew_ns, rebind_ns; /* whole seconds; renew < rebind < lease */
	struct ip_addr router; /* given; planned: the service address where there is NAT; or IP_NONE */
	struct ip_addr *dns; /* given, or planned: the service addresses where there is DNS */
	size_t n_dns;
	const char *domain; /* given, or planned: that of DNS; or NULL */
	struct ip_addr *ntp;
	size_t n_ntp;
	struct team_reservation *reservations;
	size_t n_reservations;
	struct team_dhcp_option *options; /* each code once */
	size_t n_options;
	const char *boot_file; /* or NULL */
	const char *boot_tftp; /* absolute path of a folder of the host; or NULL */
	struct ip_addr boot_next_server; /* given; planned: the service address with boot_tftp; or IP_NONE */
};

/* stateless and stateful: with DHCPv6 for options, for addresses too. */
enum team_ra { RA_OFF, RA_SLAAC, RA_STATELESS, RA_STATEFUL, RA_COUNT };
extern const char *const ra_names[RA_COUNT]; /* the words of the file */

enum team_record_type { RECORD_A, RECORD_AAAA, RECORD_TXT, RECORD_SRV, RECORD_TYPE_COUNT };
struct team_record {
	const char *name; /* planned: complete, small letters, no dot at its end */
	enum team_record_type type;
	uint32_t ttl; /* seconds */
	struct ip_addr address; /* RECORD_A, RECORD_AAAA */
	const char *text; /* RECORD_TXT: 1 to 1024 bytes */
	size_t text_len;
	uint16_t priority, weight, port; /* RECORD_SRV */
	const char *target; /* RECORD_SRV; planned: complete, as name */
};

struct team_dns {
	bool enabled; /* given, or planned: where DHCP or NAT is on */
	const char *domain; /* given, or planned: TEAM.test; small letters */
	struct team_record *records;
	size_t n_records;
	/* Whether what the table does not answer is asked of others; planned: where there is NAT. Never of an
	 * untrusted file. */
	bool forward;
	struct ip_addr *resolvers; /* whom; none: those of the host */
	size_t n_resolvers;
};

/* A port of the host that leads to a VM or an address of the network. */
struct team_forward {
	struct place place; /* of its port in the file */
	bool is_udp; /* else TCP */
	uint16_t port; /* of the host, from 1 */
	struct ip_addr on; /* address of the host; default 127.0.0.1 */
	struct ip_addr address; /* the target's; IP_NONE: that of a VM's NIC, whatever it is */
	size_t vm, nic;
	uint16_t to_port;
};

struct team_nat {
	bool enabled;
	bool internet_only; /* private ranges are not reached */
	struct ip_addr *reach; /* with any: nothing else is reached */
	size_t n_reach;
	bool host_loopback; /* addresses of the host itself are reached */
	struct team_forward *forwards;
	size_t n_forwards;
};

/* Embedded in struct team_network. */
struct team_services {
	struct team_dhcp dhcp;
	struct team_dns dns;
	struct team_nat nat;
	enum team_ra ra; /* given, or planned: RA_SLAAC with a /64 where DHCP or NAT is on */
	bool any; /* planned: a service is on, so the service address exists */
	bool uplink; /* planned: one of them has to do with the host: NAT, DNS that forwards, files by TFTP */
	struct ip_addr address,
		address6; /* planned: the service addresses, with the subnet's prefix length; or IP_NONE */
	struct mac_addr mac; /* planned: locally administered, no NIC's; valid with any */
};

#endif
