/* fabric/service_dns.h: DNS at a station: the table of names of dns/zone.h behind UDP and TCP port 53, of each family
 * that the station speaks.
 *
 * What the table does not know and may leave the network goes to the hook `forward`. Without a hook it is refused.
 * service_dns_use_uplink() has the uplink asked (fabric/service_forward.h).
 *
 * Used by: fabric/services.c.   Depends on: dns/dns.h, fabric/service.h, fabric/service_dns_tcp.h,
 * fabric/service_forward.h.
 * Sources: RFC 1035 §4.2, RFC 7766. */
#ifndef MUSTER_FABRIC_SERVICE_DNS_H
#define MUSTER_FABRIC_SERVICE_DNS_H

#include "dns/dns.h"
#include "fabric/service.h"

struct service_dns;
struct service_forward;
struct uplink_link;

/* Queries a second that each sender is sure of. */
enum { SERVICE_DNS_PER_S = 10000 };

/* Takes a query over that others have to answer: service_dns_answered() follows, or nothing ever does. @query: borrowed
 * during the call. Returns false when it cannot be taken now: the guest is told SERVFAIL. */
typedef bool (*service_dns_forward_fn)(void *ctx, const struct service_dns_asker *asker, const uint8_t *query,
				       size_t len, nsec_t now);

/* Binds to env->station. Returns 0; -EINVAL: a name or record of the plan is none; -ENOMEM; as station_bind(). */
int service_dns_new(const struct service_env *env, struct service_dns **ret);
struct service_dns *service_dns_free(struct service_dns *d); /* accepts NULL; returns NULL */

void service_dns_set_forward(struct service_dns *d, service_dns_forward_fn forward, void *ctx);
/* Has the uplink behind @link asked, by a hook of its own. @link: borrowed while the service lives. To be called once.
 * Returns 0 or -ENOMEM. */
int service_dns_use_uplink(struct service_dns *d, struct uplink_link *link);
/* The answer to a query that the hook took, as it goes to the guest. One for a connection that is gone is dropped.
 * The station's element has to be moved afterwards. */
void service_dns_answered(struct service_dns *d, const struct service_dns_asker *asker, const uint8_t *answer,
			  size_t len, nsec_t now);

/* What happened to a lease: its name comes or goes. */
void service_dns_lease(struct service_dns *d, enum service_event event, const struct service_lease *l);

struct service_dns_counters {
	uint64_t unforwarded; /* no hook, or it could not take the query */
	uint64_t limited; /* queries and segments beyond a sender's rate */
	uint64_t names_refused; /* of leases: no name, or taken */
};

const struct dns_counters *service_dns_counters(const struct service_dns *d); /* borrowed */
struct service_dns_counters service_dns_said(const struct service_dns *d);
struct service_dns_tcp *service_dns_streams(const struct service_dns *d); /* borrowed */
const struct service_forward *service_dns_waiting(const struct service_dns *d); /* borrowed; NULL: no uplink */
size_t service_dns_names(const struct service_dns *d); /* names of leases */

/* The most bytes of memory that it may take, the plan's names aside, where @n_leases may have names; and those of its
 * saved state. */
uint64_t service_dns_memory_max(uint64_t n_leases);
uint64_t service_dns_state_max(uint64_t n_leases);
/* Describes it, in a section of its own. Connections are not saved: their guests' next segments get RST. */
void service_dns_state(struct service_dns *d, struct state *s, uint32_t instance, nsec_t now);

#endif
