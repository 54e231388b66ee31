/* dns/dns.h: answers the queries of one network's guests.
 *
 * What the table knows is answered, and what may not leave the team is refused. All else is the caller's to forward
 * (dns/forward.h). An answer depends on the query and the table only: there is nothing to save but the table. */
#ifndef MUSTER_DNS_DNS_H
#define MUSTER_DNS_DNS_H

#include "dns/zone.h"

enum dns_action {
	DNS_DROP, /* nothing is to be sent: what came is no query */
	DNS_REPLY, /* @buf holds the answer */
	DNS_FORWARD, /* a resolver knows; the query's bytes are to be passed on as they are */
};

enum dns_transport { DNS_OVER_UDP, DNS_OVER_TCP };

/* How many queries met which end. Their sum is that of the queries. */
struct dns_counters {
	uint64_t dropped, forwarded;
	uint64_t found, no_data, no_name, refused, malformed, not_implemented, bad_version;
	uint64_t truncated; /* of the answers among these */
};

struct dns {
	const struct zone *zone; /* borrowed */
	bool forwards; /* a query that the table cannot answer may be asked of a resolver outside */
	struct dns_counters counters;
};

/* Answers the message of @len bytes at @query.
 * @buf: where the answer goes; may not overlap @query. @size: at least DNS_UDP_MIN. Over UDP no answer is longer than
 * what the query allows, and than DNS_UDP_MAX; over TCP than DNS_MSG_MAX.
 * @ret_len: set with DNS_REPLY only, to the answer's length. */
enum dns_action dns_answer(struct dns *d, const uint8_t *query, size_t len, enum dns_transport transport, uint8_t *buf,
			   size_t size, size_t *ret_len);

/* What an answer to @msg may measure over UDP: bytes.   Source: RFC 6891 §6.2.3 */
static inline size_t dns_udp_limit(const struct dns_msg *msg)
{
	if (!msg->has_opt || msg->udp_size < DNS_UDP_MIN)
		return DNS_UDP_MIN;
	return msg->udp_size < DNS_UDP_MAX ? msg->udp_size : DNS_UDP_MAX;
}

/* Writes an answer to the query @msg that has no records.
 * @flags: the header's, beside QR, opcode, RD and CD, which are the query's. @rcode: with one above 15 the query has EDNS.
 * Returns its length.   Source: RFC 1035 §4.1.1, RFC 4035 §3.2.2 (CD), RFC 6891 §6.1.1 */
size_t dns_write_plain(const struct dns_msg *msg, uint16_t flags, enum dns_rcode rcode, uint8_t *buf, size_t size);

#endif
