/* fabric/service_dhcp6.h: DHCPv6 at a station: the server of dhcp/dhcp6.h behind UDP port 547.
 *
 * Clients write to ff02::1:2, relays also to ff05::1:3 and to the station's own address.
 *
 * Used by: fabric/services.c.   Depends on: dhcp/dhcp6.h, fabric/service.h.
 * Sources: RFC 8415 §7.1, §16. */
#ifndef MUSTER_FABRIC_SERVICE_DHCP6_H
#define MUSTER_FABRIC_SERVICE_DHCP6_H

#include "dhcp/dhcp6.h"
#include "fabric/service.h"

struct service_dhcp6;

/* Messages a second that each sender is sure of: a renewal takes one, an address two. */
enum { SERVICE_DHCP6_PER_S = 100 };

/* Binds to env->station. @event: told of leases, with @ctx, from within any of the calls below and the station's.
 * Returns 0; -EINVAL: no IPv6, or as dhcp6_new(); -ENOMEM; as station_bind(). */
int service_dhcp6_new(const struct service_env *env, service_event_fn event, void *ctx, struct service_dhcp6 **ret);
struct service_dhcp6 *service_dhcp6_free(struct service_dhcp6 *d); /* accepts NULL; returns NULL */

/* Tells of all bound leases as known. */
void service_dhcp6_restored(struct service_dhcp6 *d, nsec_t now);

struct service_dhcp6_counters {
	uint64_t limited; /* messages beyond a sender's rate */
	uint64_t misdirected; /* of clients, to the station's own address or another group */
};

struct leases *service_dhcp6_leases(struct service_dhcp6 *d); /* borrowed */
const struct dhcp6_counters *service_dhcp6_counters(const struct service_dhcp6 *d); /* borrowed */
struct service_dhcp6_counters service_dhcp6_said(const struct service_dhcp6 *d);
/* What a lease of this service is. @l: borrowed. */
struct service_lease service_dhcp6_lease(const struct service_dhcp6 *d, const struct lease *l);

/* Both give a bound: the most bytes of memory that leases under @config may take, and those of their saved state. */
uint64_t service_dhcp6_memory_max(const struct dhcp6_config *config);
uint64_t service_dhcp6_state_max(const struct dhcp6_config *config);
/* Describes it, in sections of its own. */
void service_dhcp6_state(struct service_dhcp6 *d, struct state *s, uint32_t instance, nsec_t now);

#endif
