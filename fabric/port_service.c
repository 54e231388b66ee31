/* fabric/port_service.c: a port whose other side is the network's service station, with what is served there.
 *
 * The station (fabric/station.h) is an element of the fabric. What the network delivers to the port is its input; what
 * it emits enters the network as from any port. Where the plan has rings, the station is joined to the uplink
 * (fabric/uplink_link.h), and the port is drained and sleeps as one of the kind ring.
 *
 * Used by: fabric/port.c.   Depends on: fabric/services.h, fabric/station.h,
 * fabric/uplink_link.h. */
#include "fabric/fabric.h"
#include "fabric/services.h"
#include "fabric/station.h"
#include "fabric/uplink_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAME_SIZE = 128 };

struct service {
	struct station *station; /* the fabric's, which frees it */
	struct uplink_link *uplink; /* NULL: none */
	struct services *services;
};

static void into_network(void *ctx, struct frame *f, nsec_t now)
{
	fabric_port_enter_frame(ctx, f, now);
}

/* The uplink's forwards follow the leases. */
static void on_lease(void *ctx, enum service_event event, const struct service_lease *l, nsec_t now)
{
	const struct fabric_port *p = ctx;
	const struct service *own = p->own;

	if (l->lease && own->uplink)
		uplink_link_lease(own->uplink, &l->lease->mac, &l->ip,
				  event == SERVICE_LEASE_NEW || event == SERVICE_LEASE_KNOWN, now);
	/* Of leases from before, those of VMs are told: they are shown with their NICs. */
	if ((event != SERVICE_LEASE_KNOWN || l->vm) && p->fabric->on_lease)
		p->fabric->on_lease(p->fabric->on_lease_ctx, p, event, l);
}

static int make_services(struct fabric_port *p)
{
	const struct fabric_plan *plan = p->fabric->plan;
	struct service *own = p->own;
	char name[NAME_SIZE];
	struct service_env env = { .station = own->station,
				   .pool = p->fabric->pool,
				   .plan = p->plan->service,
				   .mtu = p->mtu,
				   .seed = plan->seed,
				   .name = name };
	int r;

	(void)snprintf(name, sizeof name, "%s/%s", plan->networks[p->network].name, p->plan->stream);
	r = services_new(&env, on_lease, p, &own->services);
	if (r == 0 && own->uplink && p->plan->service->dns_forwards)
		r = services_use_uplink(own->services, own->uplink);
	if (r == 0)
		fabric_element_moved(p->fabric, station_element(own->station));
	return r;
}

static int open_service(struct fabric_port *p)
{
	const struct fabric_plan *plan = p->fabric->plan;
	const struct fabric_plan_service *service = p->plan->service;
	char name[NAME_SIZE];
	struct service *own = calloc(1, sizeof *own);
	struct station *st;
	int r;

	p->own = own;
	if (!own)
		return -ENOMEM;
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
	own->station = st;
	station_set_hands_own(st, service->hands_own);
	if (p->plan->rings)
		r = uplink_link_new(p, st, &own->uplink);
	return r < 0 ? r : make_services(p);
}

static void close_service(struct fabric_port *p)
{
	struct service *own = p->own;

	if (!own)
		return;
	(void)services_free(own->services);
	uplink_link_free(own->uplink);
	free(own);
	p->own = NULL;
}

static enum loss_reason put(struct fabric_port *p, struct frame *f, nsec_t now)
{
	struct service *own = p->own;
	struct element *e = station_element(own->station);

	(void)e->ops->take(e, STATION_IN_NETWORK, f, now);
	fabric_element_moved(p->fabric, e);
	return NOT_LOST;
}

/* ---- the uplink's side; without one nothing ever comes, and the port sleeps ------------ */

/* Each port is drained before it first sleeps, so here is where a service learns that the fabric runs. */
static unsigned drain(struct fabric_port *p, unsigned max, nsec_t now)
{
	struct service *own = p->own;

	if (services_begin(own->services, now))
		fabric_element_moved(p->fabric, station_element(own->station));
	return own->uplink ? uplink_link_drain(own->uplink, max, now) : 0;
}

static void publish(struct fabric_port *p)
{
	struct service *own = p->own;

	if (own->uplink)
		uplink_link_publish(own->uplink);
}

static bool sleep_service(struct fabric_port *p)
{
	struct service *own = p->own;

	return !own->uplink || uplink_link_sleep(own->uplink);
}

static void wake(struct fabric_port *p)
{
	struct service *own = p->own;

	if (own->uplink)
		uplink_link_wake(own->uplink);
}

static int wait_fd(const struct fabric_port *p)
{
	return p->plan->rings ? p->plan->rings->up_kick_fd : -1;
}

static void kicked(struct fabric_port *p)
{
	uint64_t n;

	(void)!read(wait_fd(p), &n, sizeof n);
}

static bool is_broken(const struct fabric_port *p)
{
	const struct service *own = p->own;

	return own->uplink && uplink_link_is_broken(own->uplink);
}

static void state(struct fabric_port *p, struct state *s, nsec_t now, nsec_t real)
{
	struct service *own = p->own;

	if (own->uplink)
		uplink_link_state(own->uplink, s, now, real);
}

struct station *fabric_port_station(const struct fabric_port *p)
{
	return p->ops == &port_service_ops ? ((const struct service *)p->own)->station : NULL;
}

struct services *fabric_port_services(const struct fabric_port *p)
{
	return p->ops == &port_service_ops ? ((const struct service *)p->own)->services : NULL;
}

static void sections(struct fabric_port *p, struct state *s, nsec_t now)
{
	services_state(fabric_port_services(p), s, (uint32_t)(p - p->fabric->ports), now);
}

static uint64_t held_bytes(const struct fabric_port *p)
{
	return services_held_bytes(fabric_port_services(p));
}

struct uplink_link *fabric_port_uplink(const struct fabric_port *p)
{
	return p->ops == &port_service_ops ? ((const struct service *)p->own)->uplink : NULL;
}

const struct port_ops port_service_ops = {
	.kind = "service",
	.open = open_service,
	.drain = drain,
	.put = put,
	.publish = publish,
	.sleep = sleep_service,
	.wake = wake,
	.wait_fd = wait_fd,
	.kicked = kicked,
	.is_broken = is_broken,
	.state = state,
	.sections = sections,
	.held_bytes = held_bytes,
	.close = close_service,
};
