/* fabric/service_dns_tcp.h: the TCP connections of a DNS service, over the endpoint of nat/tcp.h.
 *
 * There are at most DNS_TCP_MAX, and DNS_TCP_PER_SENDER of one MAC address. When all are taken, a new one takes
 * the place of the idlest of who has most. A connection on which nothing moves for DNS_TCP_IDLE_NS is closed, and reset
 * when that takes as long again.
 *
 * Used by: fabric/service_dns.c.   Depends on: nat/tcp.h, dns/dns_stream.h, fabric/service.h.
 * Sources: RFC 7766 §6.2. */
#ifndef MUSTER_FABRIC_SERVICE_DNS_TCP_H
#define MUSTER_FABRIC_SERVICE_DNS_TCP_H

#include "core/packet.h"
#include "core/prng.h"
#include "fabric/service.h"

enum { DNS_TCP_MAX = 64, DNS_TCP_PER_SENDER = 8 };
enum {
	DNS_TCP_QUERY_MAX = 4096, /* bytes: no query is longer */
	DNS_TCP_OUT_MAX = 65536, /* bytes of answers that may wait before the next query is read */
	DNS_TCP_PENDING_MAX = 16, /* queries of one connection that others have to answer */
	DNS_TCP_KEPT_MAX = 1 << 20, /* bytes that came out of order or are not read yet, of all connections */
};
#define DNS_TCP_IDLE_NS (10 * NSEC_PER_SEC)

/* Who asks over a connection. */
struct service_dns_tcp_peer {
	uint64_t conn;
	struct ip_addr from, to;
	struct mac_addr mac; /* of its first segment */
	uint16_t port;
};

/* What answers. */
struct service_dns_tcp_ops {
	/* Answers a query. @buf: DNS_MSG_MAX bytes for the answer.
	 * Returns its length; 0: none; or -1: it comes later, by service_dns_tcp_answered(). */
	int64_t (*answer)(void *ctx, const struct service_dns_tcp_peer *peer, const uint8_t *query, size_t len,
			  uint8_t *buf, nsec_t now);
	void *ctx;
};

struct service_dns_tcp_counters {
	uint64_t opened, refused, evicted, idle, bad_streams;
};

struct service_dns_tcp;

/* Does not bind: the owner hands in segments. Returns 0 or -ENOMEM. */
int service_dns_tcp_new(const struct service_env *env, const struct service_dns_tcp_ops *ops,
			struct service_dns_tcp **ret);
struct service_dns_tcp *service_dns_tcp_free(struct service_dns_tcp *t); /* accepts NULL; returns NULL */

/* Takes a segment for port 53 of the station. */
void service_dns_tcp_take(struct service_dns_tcp *t, const struct packet *p, nsec_t now);
void service_dns_tcp_answered(struct service_dns_tcp *t, uint64_t conn, const uint8_t *answer, size_t len, nsec_t now);
/* True when @conn may have one more query that others answer; it is counted then. */
bool service_dns_tcp_may_wait(struct service_dns_tcp *t, uint64_t conn);
void service_dns_tcp_waits_no_more(struct service_dns_tcp *t, uint64_t conn); /* takes that back */
/* Both: the next time at which something is due, or NSEC_NEVER; does what is due at @now. */
nsec_t service_dns_tcp_next(const struct service_dns_tcp *t);
void service_dns_tcp_run(struct service_dns_tcp *t, nsec_t now);

size_t service_dns_tcp_count(const struct service_dns_tcp *t); /* connections */
uint64_t service_dns_tcp_held_bytes(const struct service_dns_tcp *t);
const struct service_dns_tcp_counters *service_dns_tcp_counters(const struct service_dns_tcp *t); /* borrowed */

/* Describes the random stream, in the section that the caller has begun. Loading: all connections are forgotten. */
void service_dns_tcp_state(struct service_dns_tcp *t, struct state *s);

#endif
