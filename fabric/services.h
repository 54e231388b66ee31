/* fabric/services.h: what is served at one station: which services there are, what they tell each other, and what is
 * told of them.
 *
 * A lease makes its client known to the station as a neighbour, and to DNS by a name: that of the VM whose NIC has the
 * MAC, or the host name that the client gave.
 *
 * Used by: fabric/port_service.c, fabric/fabric_save.c, fabric/requests.c.   Depends on: fabric/service_*.h. */
#ifndef MUSTER_FABRIC_SERVICES_H
#define MUSTER_FABRIC_SERVICES_H

#include "fabric/service.h"

#include <jansson.h>

enum { SERVICES_LEASES_MAX = 1024 /* leases in one answer */ };

struct services;
struct service_dhcp4;
struct service_dhcp6;
struct service_ra;
struct service_dns;
struct uplink_link;

/* Makes what env->plan has and binds it to env->station. @event: told of leases; may be NULL.
 * Returns 0, or as the services' own. */
int services_new(const struct service_env *env, service_event_fn event, void *ctx, struct services **ret);
struct services *services_free(struct services *v); /* accepts NULL; returns NULL */

/* Joins what asks the outside to the uplink behind @link, which is borrowed while the services live. Returns 0 or
 * -ENOMEM. */
int services_use_uplink(struct services *v, struct uplink_link *link);

/* Begins what a service does unasked: tells the network that there is a router. Called when the fabric runs, at
 * any time and number. Returns true when the station's element has to be moved. */
bool services_begin(struct services *v, nsec_t now);

struct service_dhcp4 *services_dhcp4(const struct services *v); /* borrowed; NULL: there is none */
struct service_dhcp6 *services_dhcp6(const struct services *v); /* borrowed; NULL: there is none */
struct service_ra *services_ra(const struct services *v); /* borrowed; NULL: there is none */
struct service_dns *services_dns(const struct services *v); /* borrowed; NULL: there is none */

/* Tells of all leases that are bound, as known: whoever listens may have forgotten them. */
void services_tell_leases(struct services *v, nsec_t now);
/* The leases from the address @from on, those of IPv4 first, by address, SERVICES_LEASES_MAX at most, as an array;
 * what ended and an offer count. @ret_next: the address to go on from; IP_NONE: these are all. NULL: no memory. */
json_t *services_leases(const struct services *v, const struct ip_addr *from, nsec_t now, struct ip_addr *ret_next);
/* What the station and each of its services counted. The caller decrefs. */
json_t *services_counters(const struct services *v);
/* Bytes of memory that wait in the station and in DNS over TCP now. */
uint64_t services_held_bytes(const struct services *v);

/* Both give a bound: the most bytes of memory of a station and its services under @plan, and those of their saved state. */
uint64_t services_memory_max(const struct fabric_plan_service *plan);
uint64_t services_state_max(const struct fabric_plan_service *plan);
/* Describes the services, in sections of their own. */
void services_state(struct services *v, struct state *s, uint32_t instance, nsec_t now);

/* Words of the events, for messages: "new". */
const char *service_event_str(enum service_event event);

#endif
