/* fabric/service_dhcp6.c: DHCPv6 at a station.
 *
 * A reply goes to the MAC of the frame that is answered, so no client has to be resolved first.
 *
 * Used by: fabric/services.c.   Depends on: dhcp/dhcp6.h, fabric/senders.h, fabric/station.h. */
#include "fabric/service_dhcp6.h"

#include "core/prng.h"
#include "core/state.h"
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
	BESIDE = 65536, /* the server, with a message in each direction */
};

struct service_dhcp6 {
	struct station *station;
	const struct dhcp6_config *config;
	struct dhcp6 *server;
	struct dhcp6_host host;
	struct senders *senders;
	uint64_t n_misdirected;
	service_event_fn event;
	void *event_ctx;
	nsec_t now; /* of the call in hand */
};

struct service_lease service_dhcp6_lease(const struct service_dhcp6 *d, const struct lease *l)
{
	return (struct service_lease){ .ip = dhcp6_address(d->config, l->addr),
				       .lease = l,
				       .vm = l->is_owned ? senders_name(d->senders, &l->mac) : NULL };
}

/* ---- the server's host --------------------------------------------------------------- */

static void send(void *ctx, const struct dhcp6_reply *r)
{
	struct service_dhcp6 *d = ctx;
	const struct station_to to = { .dst = r->to, .mac = &r->to_mac };

	/* What cannot be sent is asked for again. */
	(void)station_send_udp(d->station, &to, DHCP6_SERVER_PORT, r->to_port, r->payload, r->len, d->now);
}

static void tell(void *ctx, enum dhcp6_event event, const struct lease *l)
{
	static const enum service_event events[DHCP6_EVENT_COUNT] = {
		[DHCP6_LEASE_NEW] = SERVICE_LEASE_NEW,		 [DHCP6_LEASE_EXPIRED] = SERVICE_LEASE_EXPIRED,
		[DHCP6_LEASE_RELEASED] = SERVICE_LEASE_RELEASED, [DHCP6_LEASE_DECLINED] = SERVICE_LEASE_DECLINED,
		[DHCP6_POOL_EMPTY] = SERVICE_POOL_EMPTY,	 [DHCP6_UNRECORDED] = SERVICE_UNRECORDED,
	};
	struct service_dhcp6 *d = ctx;
	struct service_lease about = { 0 };

	if (l)
		about = service_dhcp6_lease(d, l);
	d->event(d->event_ctx, events[event], &about, d->now);
}

/* ---- the station's service ------------------------------------------------------------ */

/* All_DHCP_Relay_Agents_and_Servers takes everything. At All_DHCP_Servers and the station's own address only relays
 * are heard: no client was told to write there (RFC 8415 §16, §18.4). */
static bool is_directed(const struct packet *p)
{
	static const uint8_t link_group[16] = { 0xff, 2, [13] = 1, [15] = 2 };
	static const uint8_t site_group[16] = { 0xff, 5, [13] = 1, [15] = 3 };
	bool is_relay = p->payload_len && p->data[p->payload] == DHCP6_RELAY_FORWARD;

	if (memcmp(p->dst.b, link_group, sizeof link_group) == 0)
		return true;
	return is_relay && (p->dst.b[0] != 0xff || memcmp(p->dst.b, site_group, sizeof site_group) == 0);
}

static void take(void *ctx, const struct packet *p, nsec_t now)
{
	const struct dhcp6_from from = { .addr = p->src, .port = p->src_port, .mac = p->eth_src };
	struct service_dhcp6 *d = ctx;

	if (!senders_admit(d->senders, &p->eth_src, now))
		return;
	if (ip_is_unspecified(&p->src) || !is_directed(p)) {
		d->n_misdirected++;
		return;
	}
	d->now = now;
	dhcp6_input(d->server, &from, p->data + p->payload, p->payload_len, now);
}

static nsec_t next(const void *ctx)
{
	const struct service_dhcp6 *d = ctx;

	return dhcp6_next(d->server);
}

static void run(void *ctx, nsec_t now)
{
	struct service_dhcp6 *d = ctx;

	d->now = now;
	dhcp6_run(d->server, now);
}

int service_dhcp6_new(const struct service_env *env, service_event_fn event, void *ctx, struct service_dhcp6 **ret)
{
	struct station_service bound = {
		.proto = PROTO_UDP, .family = IP_V6, .port = DHCP6_SERVER_PORT, .take = take, .next = next, .run = run
	};
	struct service_dhcp6 *d;
	char name[NAME_SIZE];
	struct prng rng;
	int r;

	if (!env->plan->has_ipv6)
		return -EINVAL;
	d = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	d->station = env->station;
	d->config = env->plan->dhcp6;
	d->event = event;
	d->event_ctx = ctx;
	/* No `record`: IPv6 leases live as long as the fabric and its saved state, and are acknowledged at once. */
	d->host = (struct dhcp6_host){ .ctx = d, .send = send, .event = tell };
	(void)snprintf(name, sizeof name, "%s/dhcp6", env->name);
	prng_init(&rng, env->seed, name);
	bound.ctx = d;
	r = senders_new(env->plan->clients, env->plan->n_clients, SERVICE_DHCP6_PER_S, prng_u64(&rng), &d->senders);
	if (r == 0)
		r = dhcp6_new(d->config, &d->host, &rng, &d->server);
	if (r == 0)
		r = station_bind(env->station, &bound);
	if (r < 0) {
		(void)service_dhcp6_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

struct service_dhcp6 *service_dhcp6_free(struct service_dhcp6 *d)
{
	if (!d)
		return NULL;
	(void)dhcp6_free(d->server);
	(void)senders_free(d->senders);
	free(d);
	return NULL;
}

void service_dhcp6_restored(struct service_dhcp6 *d, nsec_t now)
{
	const struct lease **list;
	size_t n;

	d->now = now;
	if (leases_sorted(dhcp6_leases(d->server), &list, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		struct service_lease about = service_dhcp6_lease(d, list[i]);

		if (list[i]->state == LEASE_BOUND)
			d->event(d->event_ctx, SERVICE_LEASE_KNOWN, &about, now);
	}
	free(list);
}

/* ---- what it says of itself -------------------------------------------------------------- */

struct leases *service_dhcp6_leases(struct service_dhcp6 *d)
{
	return dhcp6_leases(d->server);
}

const struct dhcp6_counters *service_dhcp6_counters(const struct service_dhcp6 *d)
{
	return dhcp6_counters(d->server);
}

struct service_dhcp6_counters service_dhcp6_said(const struct service_dhcp6 *d)
{
	return (struct service_dhcp6_counters){ senders_refused(d->senders), d->n_misdirected };
}

uint64_t service_dhcp6_memory_max(const struct dhcp6_config *config)
{
	return leases_max(&config->leases) * LEASE_MEMORY + sizeof(struct service_dhcp6) + BESIDE;
}

uint64_t service_dhcp6_state_max(const struct dhcp6_config *config)
{
	return leases_max(&config->leases) * LEASE_STATE + BESIDE;
}

void service_dhcp6_state(struct service_dhcp6 *d, struct state *s, uint32_t instance, nsec_t now)
{
	(void)state_begin(s, "dh6s", instance, 1);
	senders_state(d->senders, s, now);
	state_end(s);
	if (state_ok(s))
		dhcp6_state(d->server, s, instance, now);
}
