/* fabric/service_dns.c: DNS at a station.
 *
 * An answer goes back from the address that was asked, the way of any packet. A query to a group gets none.
 *
 * Used by: fabric/services.c.   Depends on: dns/dns.h, fabric/senders.h, fabric/service_dns_tcp.h,
 * fabric/service_forward.h, fabric/uplink_link.h. */
#include "fabric/service_dns.h"

#include "core/prng.h"
#include "core/state.h"
#include "fabric/senders.h"
#include "fabric/service_dns_tcp.h"
#include "fabric/service_forward.h"
#include "fabric/uplink_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	PORT = 53,
	NAME_SIZE = 160,
	/* A name of a lease: its node, that of its reverse, both records; and in saved state. */
	NAME_MEMORY = 1024,
	NAME_STATE = 128,
	BESIDE = 65536,
};

struct service_dns {
	struct station *station;
	struct zone *zone;
	struct dns dns;
	struct senders *senders;
	struct service_dns_tcp *tcp;
	service_dns_forward_fn forward;
	void *forward_ctx;
	struct uplink_link *link; /* NULL: none */
	struct service_forward *waiting; /* for the uplink; NULL: none */
	struct service_dns_counters said;
	uint8_t buf[DNS_UDP_MAX];
};

/* ---- answers ------------------------------------------------------------------------------ */

/* Has others answer. Returns false, with the plain answer in @buf and its length, when that cannot be. */
static bool forward(struct service_dns *d, const struct service_dns_asker *asker, const uint8_t *query, size_t len,
		    uint8_t *buf, size_t size, size_t *ret_len, nsec_t now)
{
	bool may_wait = d->forward && (!asker->conn || service_dns_tcp_may_wait(d->tcp, asker->conn));
	struct dns_msg msg;

	if (may_wait && d->forward(d->forward_ctx, asker, query, len, now))
		return true;
	if (may_wait && asker->conn)
		service_dns_tcp_waits_no_more(d->tcp, asker->conn);
	d->said.unforwarded++;
	(void)dns_msg_parse(query, len, &msg);
	*ret_len = dns_write_plain(&msg, 0, d->forward ? DNS_SERVFAIL : DNS_REFUSED, buf, size);
	return false;
}

/* Returns the length of the answer in @buf; 0: none; -1: it comes later. */
static int64_t answer(struct service_dns *d, const struct service_dns_asker *asker, const uint8_t *query, size_t len,
		      uint8_t *buf, size_t size, nsec_t now)
{
	size_t n = 0;

	switch (dns_answer(&d->dns, query, len, asker->conn ? DNS_OVER_TCP : DNS_OVER_UDP, buf, size, &n)) {
	case DNS_DROP:
		return 0;
	case DNS_REPLY:
		break;
	case DNS_FORWARD:
		if (forward(d, asker, query, len, buf, size, &n, now))
			return -1;
	}
	return (int64_t)n;
}

static int64_t answer_stream(void *ctx, const struct service_dns_tcp_peer *peer, const uint8_t *query, size_t len,
			     uint8_t *buf, nsec_t now)
{
	struct service_dns *d = ctx;
	const struct service_dns_asker asker = { .from = peer->from,
						 .to = peer->to,
						 .port = peer->port,
						 .conn = peer->conn,
						 .source = senders_place(d->senders, &peer->mac) };

	return answer(d, &asker, query, len, buf, DNS_MSG_MAX, now);
}

/* What cannot be sent is asked for again. */
static void send_udp(struct service_dns *d, const struct service_dns_asker *asker, const uint8_t *msg, size_t len,
		     nsec_t now)
{
	const struct station_to to = { .src = asker->to, .dst = asker->from };

	(void)station_send_udp(d->station, &to, PORT, asker->port, msg, len, now);
}

void service_dns_answered(struct service_dns *d, const struct service_dns_asker *asker, const uint8_t *msg, size_t len,
			  nsec_t now)
{
	if (asker->conn)
		service_dns_tcp_answered(d->tcp, asker->conn, msg, len, now);
	else
		send_udp(d, asker, msg, len, now);
}

/* ---- the station's services ----------------------------------------------------------------- */

/* A message to a group is no query to a name server, and the sender of one without address cannot be answered. */
static bool is_taken(struct service_dns *d, const struct packet *p, nsec_t now)
{
	return station_is_own(d->station, &p->dst) && !ip_is_unspecified(&p->src) &&
	       senders_admit(d->senders, &p->eth_src, now);
}

static void take_udp(void *ctx, const struct packet *p, nsec_t now)
{
	struct service_dns *d = ctx;
	const struct service_dns_asker asker = {
		.from = p->src, .to = p->dst, .port = p->src_port, .source = senders_place(d->senders, &p->eth_src)
	};
	int64_t n;

	if (!is_taken(d, p, now) || !p->src_port)
		return;
	n = answer(d, &asker, p->data + p->payload, p->payload_len, d->buf, sizeof d->buf, now);
	if (n > 0)
		send_udp(d, &asker, d->buf, (size_t)n, now);
}

static void take_tcp(void *ctx, const struct packet *p, nsec_t now)
{
	struct service_dns *d = ctx;

	if (is_taken(d, p, now))
		service_dns_tcp_take(d->tcp, p, now);
}

static nsec_t next_udp(const void *ctx)
{
	const struct service_dns *d = ctx;

	return d->waiting ? service_forward_next(d->waiting) : NSEC_NEVER;
}

static void run_udp(void *ctx, nsec_t now)
{
	struct service_dns *d = ctx;

	service_forward_run(d->waiting, now);
}

static nsec_t next_tcp(const void *ctx)
{
	const struct service_dns *d = ctx;

	return service_dns_tcp_next(d->tcp);
}

static void run_tcp(void *ctx, nsec_t now)
{
	struct service_dns *d = ctx;

	service_dns_tcp_run(d->tcp, now);
}

static int bind_family(struct service_dns *d, enum ip_family family)
{
	int r = station_bind(d->station, &(struct station_service){ .proto = PROTO_UDP,
								    .family = family,
								    .port = PORT,
								    .take = take_udp,
								    .next = next_udp,
								    .run = run_udp,
								    .ctx = d });

	/* What waits, and the connections, of both families have one timer each, which the first binding serves. */
	if (r == 0)
		r = station_bind(d->station, &(struct station_service){ .proto = PROTO_TCP,
									.family = family,
									.port = PORT,
									.take = take_tcp,
									.next = next_tcp,
									.run = run_tcp,
									.ctx = d });
	return r;
}

/* ---- its life -------------------------------------------------------------------------------- */

static int fill_zone(struct zone *z, const struct fabric_plan_service *plan)
{
	const char *why;
	int r = 0;

	for (size_t i = 0; i < plan->n_names && r == 0; i++) {
		const struct fabric_plan_name *n = &plan->names[i];

		r = zone_add_vm(z, n->name, &why);
		for (size_t k = 0; k < n->n_addresses && r == 0; k++)
			r = zone_add_address(z, n->name, &n->addresses[k], &why);
	}
	for (size_t i = 0; i < plan->n_records && r == 0; i++) {
		const struct fabric_plan_record *rec = &plan->records[i];

		r = zone_add_record(z, rec->name, rec->type, rec->value, rec->ttl, &why);
	}
	return r;
}

static int make(struct service_dns *d, const struct service_env *env)
{
	const struct fabric_plan_service *plan = env->plan;
	const struct service_dns_tcp_ops ops = { .answer = answer_stream, .ctx = d };
	char name[NAME_SIZE];
	const char *why;
	struct prng rng;
	int r;

	(void)snprintf(name, sizeof name, "%s/dns", env->name);
	prng_init(&rng, env->seed, name);
	r = zone_new(plan->domain, prng_u64(&rng), &d->zone, &why);
	if (r == 0)
		r = fill_zone(d->zone, plan);
	if (r == 0)
		r = senders_new(plan->clients, plan->n_clients, SERVICE_DNS_PER_S, prng_u64(&rng), &d->senders);
	if (r == 0)
		r = service_dns_tcp_new(env, &ops, &d->tcp);
	d->dns = (struct dns){ .zone = d->zone, .forwards = plan->dns_forwards };
	if (r == 0 && plan->ipv4.family == IP_V4)
		r = bind_family(d, IP_V4);
	if (r == 0 && plan->has_ipv6)
		r = bind_family(d, IP_V6);
	return r;
}

int service_dns_new(const struct service_env *env, struct service_dns **ret)
{
	struct service_dns *d = calloc(1, sizeof *d);
	int r;

	if (!d)
		return -ENOMEM;
	d->station = env->station;
	r = make(d, env);
	if (r < 0) {
		(void)service_dns_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

struct service_dns *service_dns_free(struct service_dns *d)
{
	if (!d)
		return NULL;
	if (d->link)
		uplink_link_set_answer(d->link, NULL, NULL);
	(void)service_forward_free(d->waiting);
	(void)service_dns_tcp_free(d->tcp);
	(void)senders_free(d->senders);
	(void)zone_free(d->zone);
	free(d);
	return NULL;
}

void service_dns_set_forward(struct service_dns *d, service_dns_forward_fn fn, void *ctx)
{
	d->forward = fn;
	d->forward_ctx = ctx;
}

/* ---- the uplink -------------------------------------------------------------------------------- */

static int ask_uplink(void *ctx, uint64_t source, uint64_t token, bool is_tcp, const uint8_t *msg, size_t len,
		      nsec_t now)
{
	return uplink_link_query(ctx, source, token, is_tcp, msg, len, now);
}

static void on_answer(void *ctx, const struct service_dns_asker *asker, const uint8_t *msg, size_t len, nsec_t now)
{
	service_dns_answered(ctx, asker, msg, len, now);
}

static void from_uplink(void *ctx, const struct message *m, nsec_t now)
{
	service_forward_answer(ctx, m, now);
}

int service_dns_use_uplink(struct service_dns *d, struct uplink_link *link)
{
	const struct service_forward_ops ops = {
		.query = ask_uplink, .answer = on_answer, .query_ctx = link, .answer_ctx = d
	};
	int r = service_forward_new(&ops, &d->waiting);

	if (r < 0)
		return r;
	d->link = link;
	uplink_link_set_answer(link, from_uplink, d->waiting);
	service_dns_set_forward(d, service_forward_query, d->waiting);
	return 0;
}

const struct service_forward *service_dns_waiting(const struct service_dns *d)
{
	return d->waiting;
}

void service_dns_lease(struct service_dns *d, enum service_event event, const struct service_lease *l)
{
	const char *name = l->vm ? l->vm : l->lease->hostname, *why;

	if (event != SERVICE_LEASE_NEW && event != SERVICE_LEASE_KNOWN)
		zone_drop_lease(d->zone, &l->ip);
	else if (!name[0])
		zone_drop_lease(d->zone, &l->ip);
	else if (zone_set_lease(d->zone, name, &l->ip, l->vm != NULL, &why) < 0)
		d->said.names_refused++;
}

/* ---- what it says of itself -------------------------------------------------------------------- */

const struct dns_counters *service_dns_counters(const struct service_dns *d)
{
	return &d->dns.counters;
}

struct service_dns_counters service_dns_said(const struct service_dns *d)
{
	struct service_dns_counters said = d->said;

	said.limited = senders_refused(d->senders);
	return said;
}

struct service_dns_tcp *service_dns_streams(const struct service_dns *d)
{
	return d->tcp;
}

size_t service_dns_names(const struct service_dns *d)
{
	return zone_lease_count(d->zone);
}

uint64_t service_dns_memory_max(uint64_t n_leases)
{
	uint64_t n = n_leases < ZONE_LEASE_COUNT ? n_leases : ZONE_LEASE_COUNT;
	uint64_t each = 2 * DNS_TCP_OUT_MAX + 2 * DNS_MSG_MAX + DNS_TCP_QUERY_MAX;

	return n * NAME_MEMORY + DNS_TCP_MAX * each + DNS_TCP_KEPT_MAX + BESIDE;
}

uint64_t service_dns_state_max(uint64_t n_leases)
{
	uint64_t n = n_leases < ZONE_LEASE_COUNT ? n_leases : ZONE_LEASE_COUNT;

	return n * NAME_STATE + BESIDE;
}

void service_dns_state(struct service_dns *d, struct state *s, uint32_t instance, nsec_t now)
{
	(void)state_begin(s, "dnss", instance, 1);
	zone_state(d->zone, s);
	senders_state(d->senders, s, now);
	service_dns_tcp_state(d->tcp, s);
	state_end(s);
}
