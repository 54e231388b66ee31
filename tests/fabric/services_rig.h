/* tests/fabric/services_rig.h: a network with guests' rings on one side and a station with DHCP and DNS on the other, on
 * virtual time; and guests who ask.
 *
 * With MUSTER_PCAP=FILE all that guests get is appended to FILE, for tshark to judge. */
#ifndef MUSTER_TESTS_FABRIC_SERVICES_RIG_H
#define MUSTER_TESTS_FABRIC_SERVICES_RIG_H

#include "core/bytes.h"
#include "core/packet.h"
#include "dhcp/dhcp4_config.h"
#include "dhcp/dhcp4_msg.h"
#include "dns/dns_msg.h"
#include "fabric/fabric.h"

enum { NET_GUESTS = 3, NET_SERVICE = NET_GUESTS, NET_PORTS, NET_BUF = 4096, NET_SEEN_MAX = 4096 };

/* A frame that a guest got. */
struct net_seen {
	size_t guest;
	nsec_t at;
	uint32_t len;
	uint8_t *data;
};

struct net {
	struct fabric_plan_network network;
	struct fabric_plan_port ports[NET_PORTS];
	struct fabric_plan_service service;
	struct dhcp4_config dhcp4;
	struct lease_range range; /* 10.0.0.128 to .191 */
	struct fabric_plan plan;
	struct ring_pair_fds fds[NET_PORTS];
	struct ring_pair machines[NET_PORTS];
	struct fabric *fabric;
	nsec_t now;
	struct net_seen seen[NET_SEEN_MAX];
	size_t n_seen;
};

/* Guests a and b are NICs of the plan, of VMs alpha and beta (10.0.0.3 by plan); c is a stranger. net_init() fills the
 * plan, which a test may change before net_begin(). */
void net_init(struct net *w);
void net_begin(struct net *w);
/* The guests' ends of the rings; after a load. */
void net_attach(struct net *w);
void net_done(struct net *w);
void net_forget(struct net *w);
void net_run(struct net *w, nsec_t span);
/* Books balance everywhere. */
void net_check(const struct net *w);

struct mac_addr net_mac(size_t guest);
struct ip_addr net_ip(const char *text);
/* A frame of @guest, whose source MAC is @mac. */
void net_udp(struct net *w, size_t guest, const struct mac_addr *mac, const struct mac_addr *dst_mac,
	     const struct packet_ip *ip, uint16_t src_port, uint16_t dst_port, const void *payload, size_t len);
/* An ICMPv6 message. @rest: the four bytes behind the checksum. */
void net_icmp6(struct net *w, size_t guest, const struct mac_addr *mac, const struct mac_addr *dst_mac,
	       const struct packet_ip *ip, uint8_t type, uint8_t code, uint32_t rest, const void *payload, size_t len);
void net_tcp(struct net *w, size_t guest, const struct packet_ip *ip, const struct packet_tcp *tcp, const void *payload,
	     size_t len);
/* ARP from @guest for the service address, so that the station knows it. */
void net_arp(struct net *w, size_t guest, const struct ip_addr *sender);

/* A DHCP message of a client. */
struct net_dhcp {
	enum dhcp4_type type;
	struct mac_addr mac;
	uint32_t ciaddr, wanted, server_id, giaddr;
	const char *id, *hostname; /* NULL: none */
	bool broadcast;
};
/* Sent by @guest, from its own MAC, or a relay's message by unicast where giaddr is set. */
void net_dhcp(struct net *w, size_t guest, const struct net_dhcp *m);
/* The last DHCP reply that @guest got, if any. */
bool net_dhcp_reply(const struct net *w, size_t guest, struct dhcp4_msg *ret, struct packet *ret_packet);
/* DISCOVER to ACK. Returns the address; 0: none. */
uint32_t net_lease(struct net *w, size_t guest, const struct mac_addr *mac, const char *id, const char *hostname);

/* A query, without its length before it. Returns the length. */
size_t net_query(const char *name, uint16_t type, uint8_t *buf);
/* Asks over UDP and lets 50 ms pass. Returns the rcode, or -1: no answer; with the first record's data in @ret_rdata
 * (NULL: not wanted) as text of an address or a name; "" without. */
int net_ask(struct net *w, size_t guest, const char *from, const char *name, uint16_t type, char *ret_text);

void net_save(struct net *w, struct bytes *ret);
/* Returns why not; NULL: it was loaded. The caller frees. */
char *net_load(struct net *w, const struct bytes *b);

#endif
