/* fabric/port_service.c: a port whose other side is the network's service station.
 *
 * The station (fabric/station.h) is an element of the fabric. What the network delivers to the port is its input; what
 * it emits enters the network as from any port.
 *
 * Used by: fabric/port.c.   Depends on: fabric/station.h. */
#include "fabric/fabric.h"
#include "fabric/station.h"

#include <errno.h>
#include <stdio.h>

enum { NAME_SIZE = 128 };

static void into_network(void *ctx, struct frame *f, nsec_t now)
{
	fabric_port_enter_frame(ctx, f, now);
}

static int open_service(struct fabric_port *p)
{
	const struct fabric_plan *plan = p->fabric->plan;
	const struct fabric_plan_service *service = p->plan->service;
	char name[NAME_SIZE];
	struct station *st;
	int r;

	if (!service)
		return -EINVAL;
	(void)snprintf(name, sizeof name, "%s/%s/station", plan->networks[p->network].name, p->plan->stream);
	r = station_new(&(struct station_config){ .addrs = { .mac = service->mac,
							     .ipv4 = service->ipv4,
							     .has_ipv6 = service->has_ipv6,
							     .ipv6 = service->ipv6 },
						  .mtu = p->mtu,
						  .seed = plan->seed,
						  .name = name,
						  .pool = p->fabric->pool,
						  .out = { into_network, p } },
			&st);
	if (r < 0)
		return r;
	fabric_add_element(p->fabric, station_element(st));
	p->own = st;
	return 0;
}

static enum loss_reason put(struct fabric_port *p, struct frame *f, nsec_t now)
{
	struct element *e = station_element(p->own);

	(void)e->ops->take(e, STATION_IN_NETWORK, f, now);
	fabric_element_moved(p->fabric, e);
	return NOT_LOST;
}

struct station *fabric_port_station(const struct fabric_port *p)
{
	return p->ops == &port_service_ops ? p->own : NULL;
}

const struct port_ops port_service_ops = {
	.kind = "service",
	.open = open_service,
	.put = put,
};
