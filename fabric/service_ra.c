/* fabric/service_ra.c: router advertisements of a station.
 *
 * Solicitations need no limit for each sender: whatever their number, an advertisement goes out every three seconds
 * at most, to all nodes.
 *
 * Used by: fabric/services.c.   Depends on: dhcp/ra.h, fabric/station.h.
 * Sources: RFC 4861 §4.2 (hop limit, link-local source), §6.2.6. */
#include "fabric/service_ra.h"

#include "core/prng.h"
#include "core/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	NAME_SIZE = 160,
	HOP_LIMIT = 255,
	BESIDE = 1024, /* the advertiser, and what sections cost */
};

struct service_ra {
	struct station *station;
	struct ra *ra;
	struct ra_host host;
	struct prng rng;
	bool has_begun;
	nsec_t now; /* of the call in hand */
};

static void send(void *ctx, const struct ra_message *m)
{
	static const struct ip_addr all_nodes = { .family = IP_V6, .prefix_len = 128, .b = { 0xff, 2, [15] = 1 } };
	struct service_ra *r = ctx;
	const struct station_to to = { .src = station_link_local(&station_addrs(r->station)->mac),
				       .dst = all_nodes,
				       .hop_limit = HOP_LIMIT };

	/* What cannot be sent is said again by the next one. */
	(void)station_send_icmp6(r->station, &to, RA_ADVERTISEMENT, 0, m->rest, m->payload, m->len, r->now);
}

static void take(void *ctx, const struct packet *p, nsec_t now)
{
	struct service_ra *r = ctx;

	/* Before it has begun, the first advertisement is about to be sent anyway. */
	if (r->has_begun)
		(void)ra_input(r->ra, &p->src, p->ttl, p->icmp_code, p->data + p->payload, p->payload_len, now);
}

static nsec_t next(const void *ctx)
{
	const struct service_ra *r = ctx;

	return r->has_begun ? ra_next(r->ra) : NSEC_NEVER;
}

static void run(void *ctx, nsec_t now)
{
	struct service_ra *r = ctx;

	r->now = now;
	ra_run(r->ra, now);
}

int service_ra_new(const struct service_env *env, struct service_ra **ret)
{
	struct station_service bound = {
		.proto = PROTO_ICMPV6, .family = IP_V6, .port = RA_SOLICITATION, .take = take, .next = next, .run = run
	};
	struct service_ra *r;
	char name[NAME_SIZE];
	int rc;

	if (!env->plan->has_ipv6)
		return -EINVAL;
	r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	r->station = env->station;
	r->host = (struct ra_host){ .ctx = r, .send = send };
	(void)snprintf(name, sizeof name, "%s/ra", env->name);
	prng_init(&r->rng, env->seed, name);
	bound.ctx = r;
	rc = ra_new(env->plan->ra, &r->host, &r->rng, 0, &r->ra);
	if (rc == 0)
		rc = station_bind(env->station, &bound);
	if (rc < 0) {
		(void)service_ra_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

struct service_ra *service_ra_free(struct service_ra *r)
{
	if (!r)
		return NULL;
	(void)ra_free(r->ra);
	free(r);
	return NULL;
}

bool service_ra_begin(struct service_ra *r, nsec_t now)
{
	if (r->has_begun)
		return false;
	r->has_begun = true;
	ra_restart(r->ra, now);
	return true;
}

/* ---- what it says of itself -------------------------------------------------------------- */

const struct ra_counters *service_ra_counters(const struct service_ra *r)
{
	return ra_counters(r->ra);
}

uint64_t service_ra_memory_max(void)
{
	return sizeof(struct service_ra) + BESIDE;
}

uint64_t service_ra_state_max(void)
{
	return BESIDE;
}

void service_ra_state(struct service_ra *r, struct state *s, uint32_t instance, nsec_t now)
{
	(void)state_begin(s, "rads", instance, 1);
	prng_state(&r->rng, s);
	state_bool(s, &r->has_begun);
	state_end(s);
	if (state_ok(s) && r->has_begun)
		ra_state(r->ra, s, instance, now);
}
