/* fabric/service.h: what every service of a station is made with, and whom it tells of leases.
 *
 * Used by: fabric/service_*.c, fabric/services.c.   Depends on: fabric/station.h, dhcp/leases.h. */
#ifndef MUSTER_FABRIC_SERVICE_H
#define MUSTER_FABRIC_SERVICE_H

#include "dhcp/leases.h"
#include "fabric/plan.h"
#include "fabric/station.h"

/* A value; what it points to is borrowed while the service lives. */
struct service_env {
	struct station *station;
	struct frame_pool *pool;
	const struct fabric_plan_service *plan;
	uint32_t mtu; /* of the network, bytes */
	uint64_t seed; /* of its random streams */
	const char *name; /* of its random streams; not beyond its making */
};

/* What happens to leases and to those who give them. */
enum service_event {
	SERVICE_LEASE_NEW, /* first acknowledged, or to another client than before */
	SERVICE_LEASE_KNOWN, /* from the log of leases: it was new before */
	SERVICE_LEASE_EXPIRED,
	SERVICE_LEASE_RELEASED,
	SERVICE_LEASE_DECLINED,
	SERVICE_POOL_EMPTY, /* told once until an address is free */
	SERVICE_UNRECORDED, /* leases cannot be kept; told once until they can */
	SERVICE_EVENT_COUNT
};

struct service_lease {
	struct ip_addr ip;
	const struct lease *lease; /* borrowed; NULL where an event is of none */
	const char *vm; /* of the plan, by the MAC; NULL: none */
};

/* Who waits for an answer of DNS. A value. */
struct service_dns_asker {
	struct ip_addr from, to; /* the guest's address, and the station's */
	uint16_t port; /* the guest's */
	uint64_t conn; /* over TCP: which connection; 0: over UDP */
	uint64_t source; /* who is counted (fabric/senders.h) */
};

typedef void (*service_event_fn)(void *ctx, enum service_event event, const struct service_lease *l, nsec_t now);

#endif
