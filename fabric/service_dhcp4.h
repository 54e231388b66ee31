/* fabric/service_dhcp4.h: DHCPv4 at a station: the server of dhcp/dhcp4.h behind UDP port 67.
 *
 * Used by: fabric/services.c.   Depends on: dhcp/dhcp4.h, fabric/service.h.
 * Sources: RFC 2131 §4.1. */
#ifndef MUSTER_FABRIC_SERVICE_DHCP4_H
#define MUSTER_FABRIC_SERVICE_DHCP4_H

#include "dhcp/dhcp4.h"
#include "fabric/service.h"

struct senders;
struct service_dhcp4;

/* Messages a second that each sender is sure of: a renewal takes one, an address two. */
enum { SERVICE_DHCP4_PER_S = 100 };

/* Binds to env->station. @event: told of leases, with @ctx, from within any of the calls below and the station's.
 * Returns 0; -EINVAL: no IPv4, or as dhcp4_new(); -ENOMEM; as station_bind(). */
int service_dhcp4_new(const struct service_env *env, service_event_fn event, void *ctx, struct service_dhcp4 **ret);
struct service_dhcp4 *service_dhcp4_free(struct service_dhcp4 *d); /* accepts NULL; returns NULL */

/* ---- leases that are kept ---------------------------------------------------------- */

/* Where leases are recorded, as dhcp4_host has it; to be called before the first message. NULL, as at first: they are
 * not kept, and an acknowledgement waits for nothing. */
typedef uint64_t (*service_record_fn)(void *ctx, const struct lease_record *record);
/* @record: NULL: leases are not kept. @ctx: borrowed. */
void service_dhcp4_set_record(struct service_dhcp4 *d, service_record_fn record, void *ctx);
/* While @waits is set, messages are left alone and counted: the leases from before are not known yet, and what a client
 * asks for may be another's. */
void service_dhcp4_set_waits(struct service_dhcp4 *d, bool waits);
/* Records up to @seq are durable: what waited for them is sent. The station's element has to be moved afterwards. */
void service_dhcp4_durable(struct service_dhcp4 *d, uint64_t seq, nsec_t now);
/* Tells of all bound leases as known, after the table was filled from a log (leases_restore()). */
void service_dhcp4_restored(struct service_dhcp4 *d, nsec_t now);

/* ---- what it says of itself ---------------------------------------------------------- */

struct leases *service_dhcp4_leases(struct service_dhcp4 *d); /* borrowed */
const struct dhcp4_counters *service_dhcp4_counters(const struct service_dhcp4 *d); /* borrowed */
uint64_t service_dhcp4_limited(const struct service_dhcp4 *d); /* messages beyond a sender's rate */
uint64_t service_dhcp4_early(const struct service_dhcp4 *d); /* messages that came while it waited */
/* What a lease of this service is. @l: borrowed. */
struct service_lease service_dhcp4_lease(const struct service_dhcp4 *d, const struct lease *l);

/* Both give a bound: the most bytes of memory that leases under @config may take, and those of their saved state. */
uint64_t service_dhcp4_memory_max(const struct dhcp4_config *config);
uint64_t service_dhcp4_state_max(const struct dhcp4_config *config);
/* Describes it, in sections of its own. */
void service_dhcp4_state(struct service_dhcp4 *d, struct state *s, uint32_t instance, nsec_t now);

#endif
