/* fabric/plan.h: what a fabric is made from: networks, the ports on them, shapes, descriptors.
 *
 * A pure value that whoever starts a fabric fills in (teams/fabric_plan.c, from a team). Its owner keeps it
 * until the fabric's end; the fabric borrows it and changes nothing. */
#ifndef MUSTER_FABRIC_PLAN_H
#define MUSTER_FABRIC_PLAN_H

#include "core/addr.h"
#include "core/ring.h"
#include "core/shape.h"
#include "vswitch/vswitch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dhcp4_config;
struct dhcp6_config;
struct ra_config;
struct services_plan;

/* One direction of a shaped link. */
struct fabric_plan_link {
	struct shape_dir shape; /* as it begins, and is again after a reset */
	uint64_t share_bytes; /* of memory, that no other link can take */
};

struct fabric_plan_network {
	const char *name;
	enum vswitch_type type;
	uint32_t mtu; /* bytes: what needs more is dropped where it enters */
	struct fabric_plan_link up, down; /* from and to its first port */
};

/* FABRIC_PORT_NONE: what arrives is lost, and nothing comes. FABRIC_PORT_RING: a pair of rings in
 * shared memory, with a process at their other end. FABRIC_PORT_STREAM: a listening Unix stream socket that does not
 * block, to which a program connects, such as QEMU. FABRIC_PORT_TAP: the descriptor of a tap interface
 * (IFF_TAP, IFF_NO_PI, IFF_VNET_HDR) that does not block. FABRIC_PORT_SERVICE: the network's service station. */
enum fabric_port_kind {
	FABRIC_PORT_NONE,
	FABRIC_PORT_RING,
	FABRIC_PORT_STREAM,
	FABRIC_PORT_TAP,
	FABRIC_PORT_SERVICE,
	FABRIC_PORT_KIND_COUNT
};

/* A name of DNS with the addresses that it has by plan. */
struct fabric_plan_name {
	const char *name; /* as zone_add_vm() takes it */
	const struct ip_addr *addresses;
	size_t n_addresses;
};

/* A record, as zone_add_record() takes it. */
struct fabric_plan_record {
	const char *name, *value;
	uint16_t type; /* of DNS (dns/dns_msg.h) */
	uint32_t ttl; /* seconds */
};

/* A NIC on the network, and whose it is. */
struct fabric_plan_client {
	struct mac_addr mac;
	const char *name; /* of its VM: one of the names; its leases have it in DNS */
};

/* A network's service station, and what is served there. All it points to is borrowed. */
struct fabric_plan_service {
	struct mac_addr mac; /* locally administered; no other station of the network has it */
	struct ip_addr ipv4; /* with its prefix; IP_NONE: it speaks no IPv4 */
	bool has_ipv6; /* it has a link-local address, made from the MAC */
	struct ip_addr ipv6; /* with its prefix, beside the link-local one; IP_NONE: none */
	bool hands_own; /* with an uplink: it takes TCP and UDP for ports of the address that no service has */
	const struct fabric_plan_client *clients; /* each MAC once, in any order */
	size_t n_clients;
	const struct dhcp4_config *dhcp4; /* NULL: no DHCP; needs ipv4 */
	const struct ra_config *ra; /* NULL: no router advertisements; needs has_ipv6 */
	const struct dhcp6_config *dhcp6; /* NULL: no DHCPv6; needs has_ipv6 */
	const char *domain; /* of DNS; NULL: no DNS */
	const struct fabric_plan_name *names;
	size_t n_names;
	const struct fabric_plan_record *records;
	size_t n_records;
	bool dns_forwards; /* what the table does not know may be asked of others */
};

struct fabric_plan_port {
	const char *name; /* as people know it */
	const char *stream; /* names its random streams; it stays when the port is called otherwise */
	enum fabric_port_kind kind;
	const struct ring_pair_fds
		*rings; /* FABRIC_PORT_RING; FABRIC_PORT_SERVICE: to the uplink, NULL: none; borrowed */
	int fd; /* FABRIC_PORT_STREAM: the listening socket; FABRIC_PORT_TAP: the tap; borrowed */
	const struct fabric_plan_service *service; /* FABRIC_PORT_SERVICE; borrowed */
	size_t network; /* index into the plan's networks */
	uint32_t mtu; /* of the port's own links, bytes */
	struct fabric_plan_link up, down; /* its access link: to and from the network */
	bool begins_down;
};

struct fabric_plan {
	const char *name; /* of the process */
	uint64_t seed;
	struct fabric_plan_network *networks;
	size_t n_networks;
	struct fabric_plan_port *ports; /* a network's ports are numbered in this order */
	size_t n_ports;
	uint64_t spare_bytes; /* of memory, that links borrow from beyond their shares */
	uint64_t total_bytes; /* all shares and the spare */
	bool keeps_leases; /* services give leases only once a process that keeps them is there (fabric/kept_leases.h) */
	struct services_plan **services; /* its owner's, by network: what service ports borrow; NULL: none */
};

/* A network of the plan, or the access link of a port. */
struct fabric_ref {
	bool is_network;
	size_t index;
};

#endif
