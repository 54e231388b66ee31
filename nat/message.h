/* nat/message.h: messages beside IP between a network's station and the uplink.
 *
 * They are Ethernet frames of EtherType 88B5 (IEEE 802, local experimental), and never leave the pair of rings that joins
 * the two. Behind the Ethernet header: version (1), type, two zeros, and what the type says, all big-endian.
 *
 *	LEASE	to the uplink: MAC (6), family (1: IPv4, 2: IPv6), known (1: yes, 0: no more), address (16, zeros behind
 *		an IPv4 one)
 *	QUERY	to the uplink: source (8), token (8), transport (1), and a DNS message
 *	ANSWER	to the station: the same, with the token of the query
 *
 * Used by: nat/nat_in.c, the station's side.   Depends on: core/wire.h, core/addr.h. */
#ifndef MUSTER_NAT_MESSAGE_H
#define MUSTER_NAT_MESSAGE_H

#include "core/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ETYPE_MESSAGE = 0x88b5,
	MESSAGE_HEAD_LEN = 14 + 4 + 17, /* before a DNS message */
	MESSAGE_LEASE_LEN = 14 + 4 + 24,
};

enum message_type { MESSAGE_LEASE = 1, MESSAGE_QUERY = 2, MESSAGE_ANSWER = 3 };

struct message {
	enum message_type type;
	/* LEASE */
	struct mac_addr mac;
	struct ip_addr ip;
	bool is_known;
	/* QUERY and ANSWER */
	uint64_t source, token;
	uint8_t transport; /* 0: UDP, 1: TCP */
	const uint8_t *dns; /* borrowed */
	size_t dns_len;
};

/* Reads a frame. Returns false when it is no message, or malformed. */
bool message_parse(const void *frame, size_t len, struct message *ret_message);
/* Writes a frame. Returns its length; 0 when it does not fit @size. */
size_t message_put(const struct message *m, void *buf, size_t size);

#endif
