/* fabric/service_dhcp4.c: DHCPv4 at a station.
 *
 * The server decides where a reply goes. A client that has no address yet cannot be resolved, so a reply to it bears
 * its MAC; one to a relay goes the way of any packet.
 *
 * Used by: fabric/services.c.   Depends on: dhcp/dhcp4.h, fabric/senders.h, fabric/station.h. */
#include "fabric/service_dhcp4.h"

#include "core/prng.h"
#include "core/state.h"
#include "core/wire.h"
#include "fabric/senders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	NAME_SIZE = 160,
	/* A lease with its places in hash tables and heap, and what a chunk of the heap costs. */
	LEASE_MEMORY = sizeof(struct lease) + 128,
	/* A lease with everything as long as it may be. */
	LEASE_STATE = sizeof(struct lease) + 64,
	BESIDE = 4096,
};

struct service_dhcp4 {
	struct station *station;
	struct dhcp4 *server;
	struct dhcp4_host host;
	struct senders *senders;
	service_record_fn record;
	void *record_ctx;
	service_event_fn event;
	void *event_ctx;
	nsec_t now; /* of the call in hand */
	bool waits; /* for the leases from before */
	uint64_t n_early;
};

static struct ip_addr ipv4(uint32_t addr)
{
	struct ip_addr ip = { .family = IP_V4, .prefix_len = 32 };

	store_be32(ip.b, addr);
	return ip;
}

struct service_lease service_dhcp4_lease(const struct service_dhcp4 *d, const struct lease *l)
{
	return (struct service_lease){ .ip = ipv4((uint32_t)l->addr),
				       .lease = l,
				       .vm = l->is_owned ? senders_name(d->senders, &l->mac) : NULL };
}

/* ---- the server's host --------------------------------------------------------------- */

static void send(void *ctx, const struct dhcp4_reply *r)
{
	struct service_dhcp4 *d = ctx;
	const struct station_to to = { .src = ipv4(r->from),
				       .dst = ipv4(r->to),
				       .mac = r->resolve ? NULL : &r->to_mac };

	/* What cannot be sent is asked for again. */
	(void)station_send_udp(d->station, &to, DHCP4_SERVER_PORT, r->to_port, r->payload, r->len, d->now);
}

static uint64_t record(void *ctx, const struct lease_record *r)
{
	const struct service_dhcp4 *d = ctx;

	return d->record(d->record_ctx, r);
}

static void tell(void *ctx, enum dhcp4_event event, const struct lease *l)
{
	static const enum service_event events[DHCP4_EVENT_COUNT] = {
		[DHCP4_LEASE_NEW] = SERVICE_LEASE_NEW,		 [DHCP4_LEASE_EXPIRED] = SERVICE_LEASE_EXPIRED,
		[DHCP4_LEASE_RELEASED] = SERVICE_LEASE_RELEASED, [DHCP4_LEASE_DECLINED] = SERVICE_LEASE_DECLINED,
		[DHCP4_POOL_EMPTY] = SERVICE_POOL_EMPTY,	 [DHCP4_UNRECORDED] = SERVICE_UNRECORDED,
	};
	struct service_dhcp4 *d = ctx;
	struct service_lease about = { 0 };

	if (l)
		about = service_dhcp4_lease(d, l);
	d->event(d->event_ctx, events[event], &about, d->now);
}

/* ---- the station's service ------------------------------------------------------------ */

static void take(void *ctx, const struct packet *p, nsec_t now)
{
	struct service_dhcp4 *d = ctx;

	if (!senders_admit(d->senders, &p->eth_src, now))
		return;
	if (d->waits) {
		d->n_early++;
		return;
	}
	d->now = now;
	dhcp4_input(d->server, load_be32(p->src.b), &p->eth_src, p->data + p->payload, p->payload_len, now);
}

static nsec_t next(const void *ctx)
{
	const struct service_dhcp4 *d = ctx;

	return dhcp4_next(d->server);
}

static void run(void *ctx, nsec_t now)
{
	struct service_dhcp4 *d = ctx;

	d->now = now;
	dhcp4_run(d->server, now);
}

int service_dhcp4_new(const struct service_env *env, service_event_fn event, void *ctx, struct service_dhcp4 **ret)
{
	struct station_service bound = {
		.proto = PROTO_UDP, .family = IP_V4, .port = DHCP4_SERVER_PORT, .take = take, .next = next, .run = run
	};
	struct service_dhcp4 *d;
	char name[NAME_SIZE];
	struct prng rng;
	int r;

	if (env->plan->ipv4.family != IP_V4)
		return -EINVAL;
	d = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	d->station = env->station;
	d->event = event;
	d->event_ctx = ctx;
	d->host = (struct dhcp4_host){ .ctx = d, .send = send, .event = tell };
	(void)snprintf(name, sizeof name, "%s/dhcp4", env->name);
	prng_init(&rng, env->seed, name);
	bound.ctx = d;
	r = senders_new(env->plan->clients, env->plan->n_clients, SERVICE_DHCP4_PER_S, prng_u64(&rng), &d->senders);
	if (r == 0)
		r = dhcp4_new(env->plan->dhcp4, &d->host, &rng, &d->server);
	if (r == 0)
		r = station_bind(env->station, &bound);
	if (r < 0) {
		(void)service_dhcp4_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

struct service_dhcp4 *service_dhcp4_free(struct service_dhcp4 *d)
{
	if (!d)
		return NULL;
	(void)dhcp4_free(d->server);
	(void)senders_free(d->senders);
	free(d);
	return NULL;
}

/* ---- leases that are kept ------------------------------------------------------------- */

void service_dhcp4_set_record(struct service_dhcp4 *d, service_record_fn fn, void *ctx)
{
	d->record = fn;
	d->record_ctx = ctx;
	d->host.record = fn ? record : NULL;
}

void service_dhcp4_set_waits(struct service_dhcp4 *d, bool waits)
{
	d->waits = waits;
}

void service_dhcp4_durable(struct service_dhcp4 *d, uint64_t seq, nsec_t now)
{
	d->now = now;
	dhcp4_durable(d->server, seq);
}

void service_dhcp4_restored(struct service_dhcp4 *d, nsec_t now)
{
	const struct lease **list;
	size_t n;

	d->now = now;
	if (leases_sorted(dhcp4_leases(d->server), &list, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		struct service_lease about = service_dhcp4_lease(d, list[i]);

		if (list[i]->state == LEASE_BOUND)
			d->event(d->event_ctx, SERVICE_LEASE_KNOWN, &about, now);
	}
	free(list);
}

/* ---- what it says of itself -------------------------------------------------------------- */

struct leases *service_dhcp4_leases(struct service_dhcp4 *d)
{
	return dhcp4_leases(d->server);
}

const struct dhcp4_counters *service_dhcp4_counters(const struct service_dhcp4 *d)
{
	return dhcp4_counters(d->server);
}

uint64_t service_dhcp4_limited(const struct service_dhcp4 *d)
{
	return senders_refused(d->senders);
}

uint64_t service_dhcp4_early(const struct service_dhcp4 *d)
{
	return d->n_early;
}

uint64_t service_dhcp4_memory_max(const struct dhcp4_config *config)
{
	return leases_max(&config->leases) * LEASE_MEMORY + sizeof(struct service_dhcp4) + BESIDE;
}

uint64_t service_dhcp4_state_max(const struct dhcp4_config *config)
{
	return leases_max(&config->leases) * LEASE_STATE + BESIDE;
}

void service_dhcp4_state(struct service_dhcp4 *d, struct state *s, uint32_t instance, nsec_t now)
{
	(void)state_begin(s, "dhcs", instance, 1);
	senders_state(d->senders, s, now);
	state_end(s);
	if (state_ok(s))
		dhcp4_state(d->server, s, instance, now);
}
