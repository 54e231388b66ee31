/* fabric/station.h: the service station of a network: the address that DHCP, DNS and routing live at.
 *
 * An element (core/element.h). On STATION_IN_NETWORK it takes frames as a host and a router take them: it answers
 * ARP, neighbour solicitations and echo requests, gives UDP, TCP and ICMPv6 messages to the services bound to it,
 * and forwards packets for other addresses: to neighbours on the network itself, all others through the hook
 * `elsewhere`. What it cannot do is told by ICMP errors as RFC 1122, RFC 1812 and RFC 4443 have it, and by RST for
 * TCP. On STATION_IN_ELSEWHERE it takes IP packets for guests, in frames whose Ethernet addresses it fills in.
 *
 * Hop limits. A packet of a guest for elsewhere arrives at the hook with its TTL taken down by one, and with a
 * TTL of at most 1 it is answered by time exceeded. A packet from elsewhere is left as it is: whoever
 * took it from the outside has counted its hop.
 *
 * Routes. Its own prefixes and fe80::/10 are on the network. A sender that is not, and writes through a router on the
 * network, is remembered with the MAC it came from; packets for it go there. All else is elsewhere.
 *
 * Fragments. A fragment for another address is handed on as it is. A fragment for the station itself is dropped: the
 * station puts nothing together. It sends nothing longer than the MTU.
 *
 * Output. Frames are queued and leave in run() at the same instant, so an element that gave the station a
 * frame is never entered again from below. The queue has at most STATION_OUT_MAX frames.
 *
 * Books. A frame that is answered or handed to a service or elsewhere is delivered; one that the station makes
 * is copied. At every instant entered + copied = delivered + lost + queued.
 *
 * Used by: fabric/port_service.c and services.   Depends on: core/packet.h.
 * Sources: RFC 826, 5227 (ARP); RFC 792, 1122 §3.2.2, 1812 §4.3 and §5.3 (ICMP); RFC 4443 (ICMPv6);
 * RFC 4861, 4862 (ND); RFC 9293 §3.10.7.1 (RST). */
#ifndef MUSTER_FABRIC_STATION_H
#define MUSTER_FABRIC_STATION_H

#include "core/element.h"
#include "core/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	STATION_IN_NETWORK, /* Ethernet frames of the network */
	STATION_IN_ELSEWHERE, /* IP packets for guests */
};

enum {
	STATION_OUT_MAX = 2048, /* frames */
	STATION_OUT_BYTES_MAX = 8 * 1024 * 1024, /* of memory */
	STATION_SERVICES_MAX = 16,
	STATION_HOP_LIMIT = 64, /* of what it sends itself */
};

struct station;

/* Who it is. A value of the plan. */
struct station_addrs {
	struct mac_addr mac;
	struct ip_addr ipv4; /* with its prefix; IP_NONE: it speaks no IPv4 */
	bool has_ipv6; /* fe80:: from the MAC (RFC 4291, appendix A) */
	struct ip_addr ipv6; /* with its prefix, beside the link-local one; IP_NONE: none */
};

struct station_config {
	struct station_addrs addrs;
	uint32_t mtu; /* of the network, bytes */
	uint64_t seed; /* of its random streams */
	const char *name; /* of its random streams */
	struct frame_pool *pool; /* borrowed */
	struct frame_sink out; /* to the network; from run() only */
};

/* What is counted beside frames. */
struct station_counters {
	uint64_t arp_requests, arp_conflicts; /* for its own address */
	uint64_t solicitations, nd_conflicts;
	uint64_t echoes;
	uint64_t errors_sent, errors_limited; /* ICMP errors; those that the rate forbade */
	uint64_t resets_sent;
	uint64_t bad_checksums; /* of packets for itself, or of an IPv4 header */
	uint64_t martians; /* packets whose addresses nobody may send from or to */
	uint64_t own_fragments; /* fragments for itself */
	uint64_t for_services, elsewhere, forwarded; /* packets handed to each */
	uint64_t unresolved; /* neighbours that did not answer */
};

/* Makes a station. @cfg: copied; its mac is no group address. Returns 0, -EINVAL, or -ENOMEM. */
int station_new(const struct station_config *cfg, struct station **ret_station);
/* Accepts NULL; returns NULL. Services are not called. */
struct station *station_free(struct station *st);
/* The station as an element of the fabric. Borrowed, as long as the station. */
struct element *station_element(struct station *st);

/* Where packets for elsewhere go. Takes an IP packet over, in its frame, and returns true; or leaves it and returns false
 * when there is no way for it. @p: parsed from @f; its TTL is what the guest sent, the frame's is one less. The
 * frame's source MAC is the guest's, or zeros for what the station says itself. The station may be called from
 * within. */
typedef bool (*station_elsewhere_fn)(void *ctx, struct frame *f, const struct packet *p, nsec_t now);
/* @fn: NULL: there is no way for any, as at first. */
void station_set_elsewhere(struct station *st, station_elsewhere_fn fn, void *ctx);
/* Whether TCP and UDP for ports of the station's own address that no service has go there, too, with the TTL as it
 * came; at first they are refused. */
void station_set_hands_own(struct station *st, bool hands_own);

/* ---- services --------------------------------------------------------------- */

/* A service that is bound to the station. What is NULL is not needed by it. */
struct station_service {
	uint8_t proto; /* PROTO_UDP, PROTO_TCP, or PROTO_ICMPV6 */
	enum ip_family family;
	uint16_t port; /* of UDP and TCP; of ICMPv6: the message's type */
	/* Takes a message: checksums are right or not to be checked, it is no fragment, and its destination is the station's
	 * address, a group, or a broadcast. @p is borrowed. A TCP segment may be GSO; a UDP message is not. */
	void (*take)(void *ctx, const struct packet *p, nsec_t now);
	nsec_t (*next)(const void *ctx); /* when run() is wanted; NSEC_NEVER */
	void (*run)(void *ctx, nsec_t now);
	/* Describes the service behind the station, in the station's section (core/state.h). */
	void (*state)(void *ctx, struct state *s, nsec_t now);
	void *ctx;
};

/* Binds a service; *@service is copied. Services are described in the order of their binding.
 * Returns 0; -EADDRINUSE; -ENOSPC. */
int station_bind(struct station *st, const struct station_service *service);
/* After anything was done to a service from outside of its take() and run(), its next() has to be asked anew: the
 * driver moves the station's event (fabric_element_moved()). */

/* Where a message goes. */
struct station_to {
	struct ip_addr src; /* IP_NONE: the station's own, by dst */
	struct ip_addr dst;
	const struct mac_addr *mac; /* borrowed; NULL: the network says */
	uint8_t hop_limit; /* 0: STATION_HOP_LIMIT */
};

/* Sends a UDP message. Returns 0; -EMSGSIZE: longer than the MTU; -ENETUNREACH: no address to send from;
 * -ENOMEM. What happens to it later is in the counters. */
int station_send_udp(struct station *st, const struct station_to *to, uint16_t src_port, uint16_t dst_port,
		     const void *payload, size_t len, nsec_t now);
/* Sends an ICMPv6 message (RA). @rest: the four bytes behind the checksum. As station_send_udp(). */
int station_send_icmp6(struct station *st, const struct station_to *to, uint8_t type, uint8_t code, uint32_t rest,
		       const void *payload, size_t len, nsec_t now);
/* Sends a whole IP packet in a frame with room for the Ethernet header before it, which is filled in. @f: taken
 * over. @mac: as in struct station_to. */
void station_send_ip(struct station *st, struct frame *f, const struct mac_addr *mac, nsec_t now);

/* ---- neighbours --------------------------------------------------------------- */

/* Tells that @ip is at @mac: what a lease says. An address that the station itself has is left out. */
void station_neighbour_set(struct station *st, const struct ip_addr *ip, const struct mac_addr *mac, nsec_t now);
/* Returns 0, or -ENOENT while it is not known. @ret_mac: untouched then. */
int station_neighbour_get(const struct station *st, const struct ip_addr *ip, struct mac_addr *ret_mac);

/* ---- what it says of itself ---------------------------------------------------- */

const struct station_addrs *station_addrs(const struct station *st); /* borrowed */
/* fe80:: and the MAC's EUI-64. */
struct ip_addr station_link_local(const struct mac_addr *mac);
/* True when @ip is one of the station's own. */
bool station_is_own(const struct station *st, const struct ip_addr *ip);
const struct station_counters *station_counters(const struct station *st); /* borrowed */
/* Bytes of memory of the frames that it holds; at most STATION_OUT_BYTES_MAX and NEIGHBOURS_BYTES_MAX. */
uint64_t station_held_bytes(const struct station *st);

#endif
