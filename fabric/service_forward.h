/* fabric/service_forward.h: queries of a station's DNS that wait for the uplink, which asks resolvers.
 *
 * A query is kept until its answer came or SERVICE_FORWARD_NS passed, when its asker is told SERVFAIL. A client that asks
 * over UDP again keeps its place, and the uplink hears of it again. A sender may have SERVICE_FORWARD_SENDER_MAX
 * queries here, and no more than there are free places: one who floods leaves half of what is left to others.
 *
 * The uplink may have been taken over. What it calls an answer is one when its token, its id and its question are those of
 * a query that waits. When it does not parse, SERVFAIL is told. What is too long for its asker goes without records,
 * truncated.
 *
 * Nothing is saved: a query that waited is asked again by its client.
 *
 * Used by: fabric/service_dns.c.   Depends on: dns/dns.h, nat/message.h.
 * Sources: RFC 1035 §4.2, RFC 2308 §7.1, RFC 6891 §6.2.3. */
#ifndef MUSTER_FABRIC_SERVICE_FORWARD_H
#define MUSTER_FABRIC_SERVICE_FORWARD_H

#include "fabric/service.h"
#include "nat/message.h"

enum {
	SERVICE_FORWARD_MAX = 512, /* queries that wait */
	SERVICE_FORWARD_SENDER_MAX = 128, /* of one sender */
	SERVICE_FORWARD_MEMORY_MAX = 512 << 10, /* bytes */
};
#define SERVICE_FORWARD_NS (10 * NSEC_PER_SEC)

struct service_forward;

struct service_forward_ops {
	/* Hands a query to the uplink, as uplink_link_query(). Returns 0 or -errno. */
	int (*query)(void *ctx, uint64_t source, uint64_t token, bool is_tcp, const uint8_t *msg, size_t len,
		     nsec_t now);
	/* Hands an answer to its asker. May not call this file. */
	void (*answer)(void *ctx, const struct service_dns_asker *asker, const uint8_t *msg, size_t len, nsec_t now);
	void *query_ctx, *answer_ctx;
};

struct service_forward_counters {
	uint64_t asked, again; /* queries given to the uplink; of those that waited already */
	uint64_t answered, silent; /* by the uplink; by SERVFAIL when it said nothing */
	uint64_t full; /* no place, in the table or the ring */
	uint64_t mismatched, bad_answers; /* no answer to what waits; answers that do not parse */
	uint64_t truncated; /* of the answers */
};

/* Returns 0 or -ENOMEM. */
int service_forward_new(const struct service_forward_ops *ops, struct service_forward **ret);
struct service_forward *service_forward_free(struct service_forward *f); /* accepts NULL; returns NULL */

/* A service_dns_forward_fn; @ctx: the struct service_forward. */
bool service_forward_query(void *ctx, const struct service_dns_asker *asker, const uint8_t *query, size_t len,
			   nsec_t now);
/* An uplink_answer_fn without ctx: what the uplink sent. */
void service_forward_answer(struct service_forward *f, const struct message *m, nsec_t now);
nsec_t service_forward_next(const struct service_forward *f);
void service_forward_run(struct service_forward *f, nsec_t now);

size_t service_forward_count(const struct service_forward *f); /* queries that wait */
const struct service_forward_counters *service_forward_counters(const struct service_forward *f); /* borrowed */

#endif
