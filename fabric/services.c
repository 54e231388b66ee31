/* fabric/services.c: what is served at one station.
 *
 * Used by: fabric/port_service.c.   Depends on: fabric/service_*.h. */
#include "fabric/services.h"

#include "core/state.h"
#include "core/wire.h"
#include "fabric/neighbours.h"
#include "fabric/service_dhcp4.h"
#include "fabric/service_dhcp6.h"
#include "fabric/service_dns.h"
#include "fabric/service_dns_tcp.h"
#include "fabric/service_forward.h"
#include "fabric/service_ra.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct services {
	struct station *station;
	struct service_dhcp4 *dhcp4;
	struct service_dhcp6 *dhcp6;
	struct service_ra *ra;
	struct service_dns *dns;
	service_event_fn event;
	void *event_ctx;
};

const char *service_event_str(enum service_event event)
{
	static const char *const words[SERVICE_EVENT_COUNT] = {
		[SERVICE_LEASE_NEW] = "new",		   [SERVICE_LEASE_KNOWN] = "known",
		[SERVICE_LEASE_EXPIRED] = "expired",	   [SERVICE_LEASE_RELEASED] = "released",
		[SERVICE_LEASE_DECLINED] = "declined",	   [SERVICE_POOL_EMPTY] = "pool-empty",
		[SERVICE_UNRECORDED] = "unrecorded",
	};

	return words[event];
}

static void on_lease(void *ctx, enum service_event event, const struct service_lease *l, nsec_t now)
{
	struct services *v = ctx;

	/* A client that is no station of the network is behind a relay: its address is asked for. */
	if (l->vm && (event == SERVICE_LEASE_NEW || event == SERVICE_LEASE_KNOWN))
		station_neighbour_set(v->station, &l->ip, &l->lease->mac, now);
	if (l->lease && v->dns)
		service_dns_lease(v->dns, event, l);
	if (v->event)
		v->event(v->event_ctx, event, l, now);
}

int services_new(const struct service_env *env, service_event_fn event, void *ctx, struct services **ret)
{
	struct services *v = calloc(1, sizeof *v);
	int r = 0;

	if (!v)
		return -ENOMEM;
	v->station = env->station;
	v->event = event;
	v->event_ctx = ctx;
	if (env->plan->domain)
		r = service_dns_new(env, &v->dns);
	if (r == 0 && env->plan->dhcp4)
		r = service_dhcp4_new(env, on_lease, v, &v->dhcp4);
	if (r == 0 && env->plan->dhcp6)
		r = service_dhcp6_new(env, on_lease, v, &v->dhcp6);
	if (r == 0 && env->plan->ra)
		r = service_ra_new(env, &v->ra);
	if (r < 0) {
		(void)services_free(v);
		return r;
	}
	*ret = v;
	return 0;
}

struct services *services_free(struct services *v)
{
	if (!v)
		return NULL;
	(void)service_ra_free(v->ra);
	(void)service_dhcp6_free(v->dhcp6);
	(void)service_dhcp4_free(v->dhcp4);
	(void)service_dns_free(v->dns);
	free(v);
	return NULL;
}

int services_use_uplink(struct services *v, struct uplink_link *link)
{
	return v->dns ? service_dns_use_uplink(v->dns, link) : 0;
}

bool services_begin(struct services *v, nsec_t now)
{
	return v->ra && service_ra_begin(v->ra, now);
}

struct service_dhcp4 *services_dhcp4(const struct services *v)
{
	return v->dhcp4;
}

struct service_dhcp6 *services_dhcp6(const struct services *v)
{
	return v->dhcp6;
}

struct service_ra *services_ra(const struct services *v)
{
	return v->ra;
}

struct service_dns *services_dns(const struct services *v)
{
	return v->dns;
}

/* ---- leases ----------------------------------------------------------------------------- */

static json_t *hex_json(const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * LEASE_ID_MAX];

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return json_stringn(text, 2 * len);
}

static json_t *lease_json(const struct service_lease *about, nsec_t now)
{
	static const char *const states[LEASE_STATE_COUNT] = { "offered",  "bound",   "declined",
							       "released", "expired", "unused" };
	const struct lease *l = about->lease;
	size_t iaid_len = about->ip.family == IP_V6 && l->id_len >= DHCP6_IAID_LEN ? DHCP6_IAID_LEN : 0;
	char ip[IP_STR_SIZE], mac[MAC_STR_SIZE];
	json_t *j = json_pack("{s:s,s:s,s:b}", "address", ip_str_bare(&about->ip, ip), "state", states[l->state],
			      "reserved", (int)l->is_reserved);

	if (l->is_owned) {
		(void)json_object_set_new(j, "mac", json_string(mac_str(&l->mac, mac)));
		(void)json_object_set_new(j, "client_id", hex_json(l->id, l->id_len - iaid_len));
		if (iaid_len)
			(void)json_object_set_new(j, "iaid", json_integer(load_be32(l->id + l->id_len - iaid_len)));
		(void)json_object_set_new(j, "hostname", json_string(l->hostname));
	}
	if (about->vm)
		(void)json_object_set_new(j, "vm", json_string(about->vm));
	if (l->until != NSEC_NEVER && l->until > now)
		(void)json_object_set_new(j, "remaining_s",
					  json_integer((json_int_t)((l->until - now) / NSEC_PER_SEC)));
	return j;
}

void services_tell_leases(struct services *v, nsec_t now)
{
	if (v->dhcp4)
		service_dhcp4_restored(v->dhcp4, now);
	if (v->dhcp6)
		service_dhcp6_restored(v->dhcp6, now);
}

/* A table of leases, and how they are told. */
struct listed {
	struct leases *leases;
	struct service_lease (*lease)(const struct services *v, const struct lease *l);
};

static struct service_lease lease4(const struct services *v, const struct lease *l)
{
	return service_dhcp4_lease(v->dhcp4, l);
}

static struct service_lease lease6(const struct services *v, const struct lease *l)
{
	return service_dhcp6_lease(v->dhcp6, l);
}

/* Appends the leases of a table from the address @from on. Returns 0; -ENOMEM; or 1: the list is full, with the
 * address to go on from in @ret_next. */
static int list_leases(const struct services *v, const struct listed *table, const struct ip_addr *from, nsec_t now,
		       json_t *list, struct ip_addr *ret_next)
{
	const struct lease **all = NULL;
	size_t n = 0;
	int r = leases_sorted(table->leases, &all, &n);

	for (size_t i = 0; i < n && r == 0; i++) {
		struct service_lease about = table->lease(v, all[i]);

		if (all[i]->state == LEASE_UNUSED ||
		    (from->family == about.ip.family && memcmp(about.ip.b, from->b, sizeof from->b) < 0))
			continue;
		if (json_array_size(list) == SERVICES_LEASES_MAX) {
			*ret_next = about.ip;
			r = 1;
		} else {
			(void)json_array_append_new(list, lease_json(&about, now));
		}
	}
	free(all);
	return r;
}

json_t *services_leases(const struct services *v, const struct ip_addr *from, nsec_t now, struct ip_addr *ret_next)
{
	json_t *list = json_array();
	int r = 0;

	*ret_next = (struct ip_addr){ .family = IP_NONE };
	if (v->dhcp4 && from->family != IP_V6)
		r = list_leases(v, &(struct listed){ service_dhcp4_leases(v->dhcp4), lease4 }, from, now, list,
				ret_next);
	if (v->dhcp6 && r == 0)
		r = list_leases(v, &(struct listed){ service_dhcp6_leases(v->dhcp6), lease6 }, from, now, list,
				ret_next);
	if (r < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

/* ---- counters ------------------------------------------------------------------------------ */

static void put(json_t *j, const char *key, uint64_t n)
{
	(void)json_object_set_new(j, key, json_integer((json_int_t)n));
}

static json_t *station_json(const struct station *st)
{
	const struct station_counters *c = station_counters(st);
	json_t *j = json_object();

	put(j, "arp_requests", c->arp_requests);
	put(j, "arp_conflicts", c->arp_conflicts);
	put(j, "solicitations", c->solicitations);
	put(j, "nd_conflicts", c->nd_conflicts);
	put(j, "echoes", c->echoes);
	put(j, "errors_sent", c->errors_sent);
	put(j, "errors_limited", c->errors_limited);
	put(j, "resets_sent", c->resets_sent);
	put(j, "bad_checksums", c->bad_checksums);
	put(j, "martians", c->martians);
	put(j, "own_fragments", c->own_fragments);
	put(j, "for_services", c->for_services);
	put(j, "elsewhere", c->elsewhere);
	put(j, "forwarded", c->forwarded);
	put(j, "unresolved", c->unresolved);
	return j;
}

/* Puts "in" and "out": messages by their types. */
static void put_types(json_t *j, const char *const *types, size_t n, const uint64_t *n_in, const uint64_t *n_out)
{
	json_t *in = json_object(), *out = json_object();

	for (size_t i = 0; i < n; i++)
		if (types[i]) {
			put(in, types[i], n_in[i]);
			put(out, types[i], n_out[i]);
		}
	(void)json_object_set_new(j, "in", in);
	(void)json_object_set_new(j, "out", out);
}

static json_t *dhcp4_json(struct service_dhcp4 *d)
{
	static const char *const types[DHCP4_TYPE_COUNT] = {
		[DHCP4_DISCOVER] = "discover", [DHCP4_OFFER] = "offer",	    [DHCP4_REQUEST] = "request",
		[DHCP4_DECLINE] = "decline",   [DHCP4_ACK] = "ack",	    [DHCP4_NAK] = "nak",
		[DHCP4_RELEASE] = "release",   [DHCP4_INFORM] = "inform",
	};
	const struct dhcp4_counters *c = service_dhcp4_counters(d);
	const struct leases *t = service_dhcp4_leases(d);
	json_t *j = json_object();

	put_types(j, types, DHCP4_TYPE_COUNT, c->n_in, c->n_out);
	put(j, "bootp", c->n_bootp);
	put(j, "malformed", c->n_malformed);
	put(j, "ignored", c->n_ignored);
	put(j, "no_address", c->n_no_address);
	put(j, "unrecorded", c->n_unrecorded);
	put(j, "held_dropped", c->n_held_dropped);
	put(j, "limited", service_dhcp4_limited(d));
	put(j, "early", service_dhcp4_early(d));
	put(j, "bound", leases_count(t, LEASE_BOUND));
	put(j, "declined", leases_count(t, LEASE_DECLINED));
	return j;
}

static json_t *dhcp6_json(struct service_dhcp6 *d)
{
	static const char *const types[DHCP6_TYPE_COUNT] = {
		[DHCP6_SOLICIT] = "solicit",
		[DHCP6_ADVERTISE] = "advertise",
		[DHCP6_REQUEST] = "request",
		[DHCP6_CONFIRM] = "confirm",
		[DHCP6_RENEW] = "renew",
		[DHCP6_REBIND] = "rebind",
		[DHCP6_REPLY] = "reply",
		[DHCP6_RELEASE] = "release",
		[DHCP6_DECLINE] = "decline",
		[DHCP6_INFORMATION_REQUEST] = "information-request",
	};
	const struct dhcp6_counters *c = service_dhcp6_counters(d);
	struct service_dhcp6_counters said = service_dhcp6_said(d);
	const struct leases *t = service_dhcp6_leases(d);
	json_t *j = json_object();

	put_types(j, types, DHCP6_TYPE_COUNT, c->n_in, c->n_out);
	put(j, "malformed", c->n_malformed);
	put(j, "ignored", c->n_ignored);
	put(j, "misdirected", said.misdirected);
	put(j, "no_address", c->n_no_address);
	put(j, "too_long", c->n_too_long);
	put(j, "limited", said.limited);
	put(j, "bound", leases_count(t, LEASE_BOUND));
	put(j, "declined", leases_count(t, LEASE_DECLINED));
	return j;
}

static json_t *ra_json(const struct service_ra *r)
{
	const struct ra_counters *c = service_ra_counters(r);
	json_t *j = json_object();

	put(j, "solicited", c->n_solicited);
	put(j, "malformed", c->n_malformed);
	put(j, "sent", c->n_sent);
	return j;
}

static json_t *dns_tcp_json(const struct service_dns_tcp *t)
{
	const struct service_dns_tcp_counters *c = service_dns_tcp_counters(t);
	json_t *j = json_object();

	put(j, "connections", service_dns_tcp_count(t));
	put(j, "opened", c->opened);
	put(j, "refused", c->refused);
	put(j, "evicted", c->evicted);
	put(j, "idle", c->idle);
	put(j, "bad_streams", c->bad_streams);
	return j;
}

static json_t *waiting_json(const struct service_forward *f)
{
	const struct service_forward_counters *c = service_forward_counters(f);
	json_t *j = json_object();

	put(j, "waiting", service_forward_count(f));
	put(j, "asked", c->asked);
	put(j, "again", c->again);
	put(j, "answered", c->answered);
	put(j, "silent", c->silent);
	put(j, "full", c->full);
	put(j, "mismatched", c->mismatched);
	put(j, "bad_answers", c->bad_answers);
	put(j, "truncated", c->truncated);
	return j;
}

static json_t *dns_json(const struct service_dns *d)
{
	const struct dns_counters *c = service_dns_counters(d);
	struct service_dns_counters said = service_dns_said(d);
	json_t *j = json_object();

	put(j, "found", c->found);
	put(j, "no_data", c->no_data);
	put(j, "no_name", c->no_name);
	put(j, "refused", c->refused);
	put(j, "forwarded", c->forwarded);
	put(j, "unforwarded", said.unforwarded);
	put(j, "malformed", c->malformed);
	put(j, "not_implemented", c->not_implemented);
	put(j, "bad_version", c->bad_version);
	put(j, "dropped", c->dropped);
	put(j, "truncated", c->truncated);
	put(j, "limited", said.limited);
	put(j, "lease_names", service_dns_names(d));
	put(j, "names_refused", said.names_refused);
	(void)json_object_set_new(j, "tcp", dns_tcp_json(service_dns_streams(d)));
	if (service_dns_waiting(d))
		(void)json_object_set_new(j, "uplink", waiting_json(service_dns_waiting(d)));
	return j;
}

json_t *services_counters(const struct services *v)
{
	json_t *j = json_pack("{s:o}", "station", station_json(v->station));

	if (v->dhcp4)
		(void)json_object_set_new(j, "dhcp4", dhcp4_json(v->dhcp4));
	if (v->dhcp6)
		(void)json_object_set_new(j, "dhcp6", dhcp6_json(v->dhcp6));
	if (v->ra)
		(void)json_object_set_new(j, "ra", ra_json(v->ra));
	if (v->dns)
		(void)json_object_set_new(j, "dns", dns_json(v->dns));
	return j;
}

/* ---- memory and saved state ------------------------------------------------------------------- */

uint64_t services_held_bytes(const struct services *v)
{
	uint64_t n = station_held_bytes(v->station);

	return v->dns ? n + service_dns_tcp_held_bytes(service_dns_streams(v->dns)) : n;
}

/* Leases that may have names. */
static uint64_t named_leases_max(const struct fabric_plan_service *plan)
{
	return (plan->dhcp4 ? leases_max(&plan->dhcp4->leases) : 0) +
	       (plan->dhcp6 ? leases_max(&plan->dhcp6->leases) : 0);
}

uint64_t services_memory_max(const struct fabric_plan_service *plan)
{
	uint64_t n = STATION_OUT_BYTES_MAX + NEIGHBOURS_BYTES_MAX;

	if (plan->dhcp4)
		n += service_dhcp4_memory_max(plan->dhcp4);
	if (plan->dhcp6)
		n += service_dhcp6_memory_max(plan->dhcp6);
	if (plan->ra)
		n += service_ra_memory_max();
	if (plan->domain)
		n += service_dns_memory_max(named_leases_max(plan));
	if (plan->domain && plan->dns_forwards)
		n += SERVICE_FORWARD_MEMORY_MAX;
	return n;
}

uint64_t services_state_max(const struct fabric_plan_service *plan)
{
	uint64_t n = STATION_OUT_BYTES_MAX + NEIGHBOURS_BYTES_MAX;

	if (plan->dhcp4)
		n += service_dhcp4_state_max(plan->dhcp4);
	if (plan->dhcp6)
		n += service_dhcp6_state_max(plan->dhcp6);
	if (plan->ra)
		n += service_ra_state_max();
	if (plan->domain)
		n += service_dns_state_max(named_leases_max(plan));
	return n;
}

void services_state(struct services *v, struct state *s, uint32_t instance, nsec_t now)
{
	if (v->dhcp4 && state_ok(s))
		service_dhcp4_state(v->dhcp4, s, instance, now);
	if (v->dhcp6 && state_ok(s))
		service_dhcp6_state(v->dhcp6, s, instance, now);
	if (v->ra && state_ok(s))
		service_ra_state(v->ra, s, instance, now);
	if (v->dns && state_ok(s))
		service_dns_state(v->dns, s, instance, now);
}
