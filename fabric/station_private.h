/* fabric/station_private.h: what the files of the station share.
 *
 * station_element.c: the element, its queue, its books, its demultiplexing. station_neighbour.c: ARP, neighbour
 * discovery, and who is waited for. station_icmp.c: echo, errors, RST. station_send.c: what is made and where it
 * goes.
 *
 * A frame that one of these takes over is accounted for by it, exactly once: station_done(), station_lose(),
 * station_emit(), or the queue of a neighbour.
 *
 * Used by: the files fabric/station_*.c. */
#ifndef MUSTER_FABRIC_STATION_PRIVATE_H
#define MUSTER_FABRIC_STATION_PRIVATE_H

#include "fabric/neighbours.h"
#include "fabric/station.h"

enum {
	STATION_BUCKETS = 64, /* of senders, by a hash of their MAC */
	STATION_HEADROOM = PACKET_ETH_LEN,
};

/* ICMP and ICMPv6 types (RFC 792, RFC 4443, RFC 4861). */
enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_ECHO = 8,
	ICMP4_EXCEEDED = 11,
	ICMP6_UNREACHABLE = 1,
	ICMP6_EXCEEDED = 3,
	ICMP6_PARAMETER = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_SOLICIT = 135,
	ICMP6_ADVERT = 136,
	ICMP6_REDIRECT = 137,
};

enum station_error {
	STATION_NET_UNREACHABLE,
	STATION_HOST_UNREACHABLE,
	STATION_PORT_UNREACHABLE,
	STATION_PROTO_UNREACHABLE,
	STATION_BEYOND_SCOPE,
	STATION_EXCEEDED,
	STATION_ERROR_COUNT
};

struct station {
	struct element element; /* first */
	struct station_config cfg;
	struct ip_addr link_local; /* IP_NONE without IPv6 */
	station_elsewhere_fn elsewhere; /* NULL: none */
	void *elsewhere_ctx;
	bool hands_own; /* unserved TCP and UDP of its own address go elsewhere */
	struct element_counters counters;
	struct station_counters said;
	struct neighbours *neighbours;
	struct frame *out_first, *out_last; /* due_ns: when each was queued */
	uint32_t n_out;
	uint64_t out_bytes, out_memory; /* lengths; memory */
	nsec_t bucket_all, buckets[STATION_BUCKETS]; /* theoretical arrival times, of ICMP errors */
	nsec_t defended_ns; /* when it last defended its address */
	uint64_t hash_seed;
	uint16_t ip_id;
	struct station_service services[STATION_SERVICES_MAX];
	size_t n_services;
};

/* ---- station_element.c ------------------------------------------------------ */

/* @f was consumed as it should be, and ends. */
void station_done(struct station *st, struct frame *f);
/* @f is lost, and ends. */
void station_lose(struct station *st, struct frame *f, enum loss_reason why);
/* @f, complete with its Ethernet header, leaves. */
void station_emit(struct station *st, struct frame *f, nsec_t now);
/* A new frame with room for @len bytes behind the Ethernet header, counted as copied; its len is
 * STATION_HEADROOM. NULL: no memory. */
struct frame *station_frame_new(struct station *st, size_t len);
/* Whether @ip lies in a subnet of the station's network. */
bool station_on_link(const struct station *st, const struct ip_addr *ip);

/* ---- station_neighbour.c ---------------------------------------------------- */

void station_take_arp(struct station *st, struct frame *f, const struct packet *p, nsec_t now);
/* Takes neighbour solicitations and advertisements, whose checksums are right. */
void station_take_nd(struct station *st, struct frame *f, const struct packet *p, nsec_t now);
/* A packet came from @p's sender: what is known of it is confirmed, and a sender beyond a router is learned. */
void station_heard(struct station *st, const struct packet *p, nsec_t now);
/* @f, an IP packet behind room for the Ethernet header, goes to @ip on the network, when its MAC is known. */
void station_resolve(struct station *st, struct frame *f, const struct ip_addr *ip, nsec_t now);
/* Requests that are due. */
void station_neighbour_run(struct station *st, nsec_t now);

/* ---- station_icmp.c --------------------------------------------------------- */

/* The packet is an echo request that is to be answered. */
bool station_is_echo(const struct station *st, const struct packet *p);
void station_answer_echo(struct station *st, const struct packet *p, nsec_t now);
/* Tells the sender of @p, unless the rules or the rate forbid it. @f: p's frame, whose checksum is completed where
 * the offload header says so. It stays the caller's. */
void station_error(struct station *st, enum station_error error, struct frame *f, const struct packet *p, nsec_t now);
/* Answers a TCP segment for a port that nobody has. */
void station_reset(struct station *st, const struct packet *p, nsec_t now);

/* ---- station_send.c --------------------------------------------------------- */

/* The address to send to @dst from; IP_NONE: there is none. */
struct ip_addr station_source(const struct station *st, const struct ip_addr *dst);
/* Takes an IP packet over, behind room for the Ethernet header: to the network, or elsewhere.
 * @may_leave: false when it came from elsewhere, where it does not go back. */
void station_route(struct station *st, struct frame *f, const struct ip_addr *dst, bool may_leave, nsec_t now);
/* The identification of the next IPv4 packet that the station makes. */
uint16_t station_next_id(struct station *st);
/* Writes behind the room for the Ethernet header. */
struct wire_writer station_behind_eth(struct frame *f);
/* Fills in the Ethernet header of an IP packet. */
void station_put_eth(struct station *st, struct frame *f, const struct mac_addr *to);

/* ---- station_state.c -------------------------------------------------------- */

void station_state(struct element *e, struct state *s, nsec_t now);

#endif
