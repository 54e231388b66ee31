/* fabric/service_ra.h: router advertisements of a station: the advertiser of dhcp/ra.h behind ICMPv6 type 133.
 *
 * The first advertisement is sent when the fabric first runs (service_ra_begin()), not when it is made: before that
 * no time is known.
 *
 * Used by: fabric/services.c.   Depends on: dhcp/ra.h, fabric/service.h.
 * Sources: RFC 4861 §6.2. */
#ifndef MUSTER_FABRIC_SERVICE_RA_H
#define MUSTER_FABRIC_SERVICE_RA_H

#include "dhcp/ra.h"
#include "fabric/service.h"

struct service_ra;

/* Binds to env->station. Returns 0; -EINVAL: the station speaks no IPv6, or as ra_new(); -ENOMEM; as
 * station_bind(). */
int service_ra_new(const struct service_env *env, struct service_ra **ret);
struct service_ra *service_ra_free(struct service_ra *r); /* accepts NULL; returns NULL */

/* Begins to advertise at @now. Returns false when it had begun. The station's element has to be moved afterwards. */
bool service_ra_begin(struct service_ra *r, nsec_t now);

const struct ra_counters *service_ra_counters(const struct service_ra *r); /* borrowed */
/* Both give a bound: the most bytes of memory that it takes, and those of its saved state. */
uint64_t service_ra_memory_max(void);
uint64_t service_ra_state_max(void);
/* Describes it, in sections of its own. */
void service_ra_state(struct service_ra *r, struct state *s, uint32_t instance, nsec_t now);

#endif
