/* tests/fabric/station_rig.h: one station on virtual time, frames to give it, and what it sent.
 *
 * With MUSTER_PCAP=FILE all that it sends is appended to FILE, for tshark to judge. */
#ifndef MUSTER_TESTS_FABRIC_STATION_RIG_H
#define MUSTER_TESTS_FABRIC_STATION_RIG_H

#include "core/packet.h"
#include "fabric/station.h"

enum { RIG_SENT_MAX = 8192 };

struct rig {
	struct frame_pool *pool;
	struct station *st;
	nsec_t now;
	struct frame *sent[RIG_SENT_MAX]; /* since rig_forget() */
	size_t n_sent;
	struct frame *elsewhere[RIG_SENT_MAX]; /* taken by the hook */
	size_t n_elsewhere;
	bool has_way; /* what the hook answers */
};

extern const struct mac_addr rig_mac, rig_guest, rig_other, rig_all; /* the station's; guests'; broadcast */

struct ip_addr rig_addr(const char *text);
/* 10.0.0.1/24, fe80::, fd00::1/64, MTU 1500. */
void rig_init(struct rig *r);
void rig_done(struct rig *r);
/* Frees what was sent so far. */
void rig_forget(struct rig *r);

/* A frame behind an Ethernet header from the guest to @dst, to write into; rig_give() ends it. */
struct frame *rig_frame(struct rig *r, const struct mac_addr *src, const struct mac_addr *dst, uint16_t ethertype,
			struct wire_writer *w);
/* Gives the frame that @w wrote to input @in, and runs what is due at the same instant. */
void rig_give(struct rig *r, unsigned in, struct frame *f, const struct wire_writer *w);
/* Lets time pass, and runs what is due. */
void rig_pass(struct rig *r, nsec_t span);

void rig_arp(struct rig *r, const struct mac_addr *mac, uint16_t op, const char *sender, const char *target);
/* A UDP message between two addresses. */
void rig_udp(struct rig *r, const struct mac_addr *src_mac, const struct mac_addr *dst_mac, const char *src,
	     const char *dst, uint8_t ttl, uint16_t port, size_t len);
void rig_icmp(struct rig *r, const struct mac_addr *dst_mac, const char *src, const char *dst, uint8_t ttl,
	      uint8_t type, uint32_t rest, const void *payload, size_t len);

/* Parses the @i-th frame sent, which has to be there, well-formed and with right checksums. */
const struct packet *rig_sent(struct rig *r, size_t i);
/* Its books balance. */
void rig_check_books(struct rig *r);

#endif
