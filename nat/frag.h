/* nat/frag.h: puts the fragments of guests together, and cuts what is longer than a guest's MTU.
 *
 * A packet in pieces is known by network, both addresses, protocol and identification. A piece that overlaps another one
 * ends the whole packet, and so does a piece behind the end or a second end that differs (RFC 5722 §3, also for
 * IPv4). An exact repetition is ignored (RFC 8200 §4.5). Offsets count within the upper layer's bytes, so a length in
 * the first piece cannot move the others.
 *
 * Bounds: pieces of one packet, memory of one source, memory in all. A source that is full loses its own oldest packet;
 * when all is full, the source that holds the most loses its oldest one. Memory is charged with what each piece costs
 * beside its bytes.
 *
 * Used by: nat/nat_in.c, nat/nat_out.c.   Depends on: core/packet.h.
 * Sources: RFC 791 §3.2, RFC 815, RFC 1858, RFC 5722, RFC 6946, RFC 8200 §4.5. */
#ifndef MUSTER_NAT_FRAG_H
#define MUSTER_NAT_FRAG_H

#include "core/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAG_TIME_NS (30 * NSEC_PER_SEC) /* RFC 1122 §3.3.2 allows 60 s to 120 s; Linux and we take 30 s */

enum {
	FRAG_PIECES_MAX = 256, /* of one packet: 64 KiB in pieces of 256 bytes */
	FRAG_IP_MAX = 65535,
};

enum frag_verdict {
	FRAG_WAITS, /* kept, or a repetition */
	FRAG_WHOLE, /* the packet is complete */
	FRAG_DROPPED, /* it and its packet are gone, or there is no room */
};

struct frag_limits {
	uint32_t source_bytes_max, total_bytes_max; /* memory; above 64 KiB */
};

struct frag_counters {
	uint64_t pieces, whole;
	uint64_t overlaps, misfits; /* packets dropped: pieces that overlap; pieces behind the end, or two ends */
	uint64_t too_many, evicted, timed_out, no_memory; /* packets dropped */
};

struct frag;

int frag_new(const struct frag_limits *limits, struct frag **ret_frag); /* 0 or -ENOMEM */
struct frag *frag_free(struct frag *fr); /* accepts NULL; returns NULL */

/* Takes a fragment. @p: parsed, is_fragment. @source: who is charged.
 * @ret_ip: with FRAG_WHOLE the IP packet, borrowed until the next call, with a header whose lengths, checksum and
 * fragment fields are those of a whole packet. */
enum frag_verdict frag_take(struct frag *fr, uint16_t network, uint64_t source, const struct packet *p, nsec_t now,
			    const uint8_t **ret_ip, size_t *ret_len);

nsec_t frag_next(const struct frag *fr); /* when frag_run() is wanted; NSEC_NEVER */
/* Forgets packets that are too old. @fn: called for those whose first piece came, which is told by ICMP (RFC 792, RFC
 * 4443 §3.3); @ip: the first piece with its IP header. */
void frag_run(struct frag *fr, nsec_t now,
	      void (*fn)(void *ctx, uint16_t network, uint64_t source, const uint8_t *ip, size_t len), void *ctx);

size_t frag_bytes(const struct frag *fr); /* memory charged */
/* What was joined and dropped. Borrowed, as long as the table. */
const struct frag_counters *frag_counters(const struct frag *fr);

/* Cuts a whole IP packet into packets of at most @mtu bytes. IPv4's DF bit is not looked at. @id: of the pieces.
 * @emit: takes one piece, borrowed; its return value other than 0 ends the cutting.
 * Returns 0; -EMSGSIZE: the MTU is too small (below 68, IPv6: 1280), or it is no whole IP packet; what @emit
 * returned. */
int frag_split(const uint8_t *ip, size_t len, size_t mtu, uint32_t id,
	       int (*emit)(void *ctx, const uint8_t *ip, size_t len), void *ctx);

#endif
