/* nat/icmp.h: what went wrong outside, as an ICMP error to the guest.
 *
 * The host's kernel tells of ICMP errors in a socket's error queue: type, code, a value, and who sent it. The same error
 * is told to the guest, from the same sender, about the guest's own packet: with its address, ports and identifier,
 * not those of the host. What the kernel refuses by itself is told as a router with that reason would.
 *
 * Used by: nat/nat_*.c.   Depends on: core/packet.h, core/budget.h.
 * Sources: RFC 792, 1122 §3.2.2, 1191, 1812 §4.3.2, 4443 §2.4 and §3, 5508 §4; ip(7), ipv6(7). */
#ifndef MUSTER_NAT_ICMP_H
#define MUSTER_NAT_ICMP_H

#include "core/budget.h"
#include "core/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Types and codes that are used by name. */
enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_ECHO = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER = 12,
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP_CODE_REASSEMBLY = 1, /* of time exceeded, both families */
};

/* An error, in the family of the packet that it is about. */
struct icmp_cause {
	struct ip_addr offender; /* who says so; IP_NONE: the network's own router */
	uint8_t type, code;
	uint32_t rest; /* the four bytes behind the checksum: an MTU or a pointer, in their place */
};

/* An entry of an error queue: struct sock_extended_err, and the offender's address behind it. */
struct icmp_queued {
	enum ip_family family; /* of the socket */
	uint8_t origin, type, code;
	uint32_t error, info;
	struct ip_addr offender;
};

/* Translates. Returns false for what is not told to guests: redirects, notes of the socket's own. */
bool icmp_from_queue(const struct icmp_queued *q, struct icmp_cause *ret_cause);
/* Translates the error of a call that the kernel refused without a word from outside. Returns false when no ICMP error
 * has that meaning (-ENOMEM and the like). @error: positive. */
bool icmp_from_errno(enum ip_family family, int error, struct icmp_cause *ret_cause);
/* "Administratively prohibited", for what the guest may not reach.   Source: RFC 1812 §5.2.7.1, RFC 4443 §3.1 */
struct icmp_cause icmp_prohibited(enum ip_family family);

/* True when an ICMP error about the parsed packet is allowed: no ICMP error, no later fragment, no group or broadcast,
 * and a sender that is one host.   Source: RFC 1122 §3.2.2, RFC 4443 §2.4 (e) */
bool icmp_may_answer(const struct packet *p);

enum { ICMP_ERROR_MAX = 1280 }; /* of a whole IP packet with an error; IPv4's are 576 at most */

/* Writes the IP packet of an error. @router: who says so when the cause names nobody.
 * @quoted: the guest's IP packet, or its begin; it goes to its source address, which it must have.
 * Returns its length; 0 when @quoted is no IP packet of the router's family. @buf: ICMP_ERROR_MAX bytes. */
size_t icmp_put(const struct icmp_cause *cause, const struct ip_addr *router, const uint8_t *quoted, size_t len,
		uint8_t *buf);

/* At most ICMP_PER_S errors a second to one source, after ICMP_BURST. Sources share a bucket by chance. */
enum { ICMP_BUCKETS = 256, ICMP_BURST = 100, ICMP_PER_S = 100 };
struct icmp_limit {
	struct budget buckets[ICMP_BUCKETS];
	uint64_t seed;
};
void icmp_limit_init(struct icmp_limit *l, uint64_t seed, nsec_t now);
bool icmp_limit_take(struct icmp_limit *l, uint64_t source, nsec_t now);

#endif
