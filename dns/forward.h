/* dns/forward.h: queries that wait for a resolver, without sockets and without a clock.
 *
 * A query's bytes go out as they came, but for the id and the size that EDNS says; the answer's bytes come back as they
 * are, but for the id and the spelling of the question. So types, EDNS, and DNSSEC pass, and nothing is kept: there
 * is no cache. Each try has a socket of its own, on a port of its own, with an id of its own. An answer counts only with the
 * resolver's address, that socket, that id, and that question.
 *
 * Equal queries wait together for one answer. A client that asks again has the query sent again, to the next resolver.
 * All is bounded; where there is no room, the source that has the most queries loses its oldest one.
 *
 * Nothing here is saved with a team: sockets are the host's. A query that waited then is asked again by its client. */
#ifndef MUSTER_DNS_FORWARD_H
#define MUSTER_DNS_FORWARD_H

#include "core/addr.h"
#include "core/clock.h"
#include "dns/dns.h"

enum {
	FORWARD_RESOLVER_COUNT = 8,
	FORWARD_PENDING_COUNT = 512, /* different queries that wait */
	FORWARD_OPEN_COUNT = 3, /* sockets of one query */
	FORWARD_SLOT_COUNT = FORWARD_PENDING_COUNT * FORWARD_OPEN_COUNT, /* sockets at most */
	FORWARD_WAITER_COUNT = 2048, /* clients that wait, all together */
	FORWARD_SOURCE_MAX = 128, /* queries of one source that wait */
	FORWARD_QUERY_MAX = 1232, /* bytes of a query */
	FORWARD_TRIES_MIN = 3,
	FORWARD_TRIES_MAX = 6, /* of one query: twice each resolver, within these */
};

#define FORWARD_TRY_NS NSEC_PER_SEC /* until the next resolver is tried; one more in each round */
#define FORWARD_TCP_NS (3 * NSEC_PER_SEC)
#define FORWARD_AGAIN_NS (250 * NSEC_PER_MSEC) /* a client that asks again is not heard earlier */

/* Where a slot's socket may be kept: 0 to FORWARD_SLOT_COUNT - 1. No two open slots have the same place. */
static inline uint32_t forward_place(uint32_t slot)
{
	return slot & 0xffff;
}

struct forward;

struct forward_resolver {
	struct ip_addr ip; /* its prefix is ignored */
	uint16_t port;
};

struct forward_client {
	uint64_t source; /* who is counted: a port of the network, say, and not an address that a guest can make up */
	uint64_t token; /* where the answer goes; equal when the same client asks again */
	enum dns_transport transport;
};

struct forward_send {
	uint32_t slot; /* names the socket; no other has this name while it is open */
	unsigned resolver; /* its number in what forward_set_resolvers() was given */
	enum dns_transport transport; /* over TCP the length goes before the message */
	uint16_t port; /* the local port to bind, UDP only; another random one where it is taken */
	const uint8_t *msg; /* borrowed for the call */
	size_t len;
};

/* What the machine wants done. None of these may call it. */
struct forward_ops {
	/* Opens a socket and sends. What fails is told later by forward_failed(). */
	void (*send)(void *arg, const struct forward_send *s);
	/* Closes the socket @slot. */
	void (*close)(void *arg, uint32_t slot);
	/* Hands an answer to @client; its token was given to forward_query(). */
	void (*answer)(void *arg, const struct forward_client *client, const uint8_t *msg, size_t len);
};

struct forward_counters {
	uint64_t queries; /* all; each of them is in one of the next seven, or waits */
	uint64_t answered, failed; /* by a resolver; by SERVFAIL */
	uint64_t repeated; /* of a client that waits for it already */
	uint64_t limited, evicted; /* for want of room */
	uint64_t malformed, no_memory;
	uint64_t merged; /* queries that waited with an equal one */
	uint64_t sent, sent_tcp; /* tries */
	uint64_t mismatched; /* messages that are no answer to what was asked there */
	uint64_t bad_answers; /* answers that do not parse */
};

enum forward_verdict {
	FORWARD_TAKEN, /* an answer comes, or came, through forward_ops.answer() */
	FORWARD_LIMITED, /* the source has too many queries that wait: it gets no answer */
	FORWARD_MALFORMED, /* it is no query that can be forwarded */
};

/* @seed: of ids, ports and hashes; not to be guessed by who answers. @ops: borrowed. Returns 0 or -ENOMEM. */
int forward_new(uint64_t seed, const struct forward_ops *ops, void *arg, struct forward **ret_forward);
struct forward *forward_free(struct forward *f); /* accepts NULL; returns NULL; calls no op */

/* Says whom to ask, in this order. What waits is asked again. @n: 0 to FORWARD_RESOLVER_COUNT. */
void forward_set_resolvers(struct forward *f, const struct forward_resolver *resolvers, size_t n, nsec_t now);

/* Takes the query of @client. Without a resolver it is answered by SERVFAIL at once. */
enum forward_verdict forward_query(struct forward *f, const struct forward_client *client, const uint8_t *msg,
				   size_t len, nsec_t now);
/* Takes what came from @from to the socket @slot. Any bytes may come. */
void forward_answer(struct forward *f, uint32_t slot, const struct forward_resolver *from, const uint8_t *msg,
		    size_t len, nsec_t now);
/* Says that the socket @slot can no longer bring an answer; the caller closes it. */
void forward_failed(struct forward *f, uint32_t slot, nsec_t now);

/* When forward_step() is wanted; NSEC_NEVER: not before the next query. */
nsec_t forward_next(const struct forward *f);
void forward_step(struct forward *f, nsec_t now);

/* Queries and clients that wait. */
size_t forward_pending(const struct forward *f);
/* Questions that wait for an answer now. */
size_t forward_waiting(const struct forward *f);
/* What was asked, answered and dropped. Borrowed, as long as the forwarder. */
const struct forward_counters *forward_counters(const struct forward *f);

#endif
