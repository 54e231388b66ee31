/* dhcp/dhcp4.c: the DHCPv4 server of one network.
 *
 * A request is told apart by what it carries (RFC 2131 §4.3.2, table 4): with a server identifier it selects an
 * offer; without one and with ciaddr it renews or rebinds; else it is a rebooting client's. An acknowledgement goes
 * this way: the table says whether the client may have the address, the host records it, the lease is bound, and the
 * reply is held until the record is durable. Where no record can be written new leases are refused, and bound ones
 * are acknowledged for the time that was recorded before.
 *
 * Held replies are in the order of their sequence numbers, HELD_MAX at most. Replies are built in buffers of
 * the server's own, never in the request.
 *
 * Used by: fabric's station.   Depends on: dhcp/{dhcp4_msg,dhcp4_reply,held,leases,lease_log}.h, core/state.h.
 * Sources: RFC 2131 §4.1, §4.3; RFC 3011; RFC 3046; RFC 3527; RFC 4039; RFC 6842. */
#include "dhcp/dhcp4.h"

#include "core/prng.h"
#include "core/state.h"
#include "core/wire.h"
#include "dhcp/dhcp4_reply.h"
#include "dhcp/held.h"
#include "dhcp/lease_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HTYPE_ETHERNET = 1, ALL = 0xffffffff };

/* A reply that waits; its payload is the queue's. */
struct held_head {
	enum dhcp4_type type;
	struct dhcp4_reply reply;
};

struct dhcp4 {
	const struct dhcp4_config *config;
	const struct dhcp4_host *host;
	struct leases *leases;
	struct dhcp4_counters counters;
	struct held_queue held;
	bool told_empty, told_unrecorded;
	struct dhcp4_msg msg; /* the one that is answered */
	bool is_routed; /* it came through a router */
	struct dhcp4_build build;
	uint8_t payload[DHCP4_REPLY_MAX];
};

/* What a step needs of the message in hand. */
struct request {
	struct lease_client client;
	char hostname[LEASE_NAME_SIZE]; /* "": none that is one */
	uint32_t server_id, wanted, ciaddr, src; /* 0: absent */
	nsec_t now;
};

int dhcp4_new(const struct dhcp4_config *config, const struct dhcp4_host *host, struct prng *prng,
	      struct dhcp4 **ret_server)
{
	struct dhcp4 *s;
	int r;

	if (config->prefix_len == 0 || config->prefix_len > 32 || config->lease_s < DHCP4_LEASE_MIN_S ||
	    (config->renew_s && config->rebind_s && config->renew_s >= config->rebind_s) ||
	    config->rebind_s >= config->lease_s || config->renew_s >= config->lease_s)
		return -EINVAL;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->config = config;
	s->host = host;
	r = leases_new(&config->leases, prng, &s->leases);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret_server = s;
	return 0;
}

struct dhcp4 *dhcp4_free(struct dhcp4 *s)
{
	if (!s)
		return NULL;
	held_done(&s->held);
	leases_free(s->leases);
	free(s);
	return NULL;
}

static void tell(struct dhcp4 *s, enum dhcp4_event event, const struct lease *l)
{
	if (s->host->event)
		s->host->event(s->host->ctx, event, l);
}

/* ---- replies ---- */

static uint32_t net_of(const struct dhcp4_config *c, uint32_t addr)
{
	return addr >> (32 - c->prefix_len);
}

static bool on_link(const struct dhcp4_config *c, uint32_t addr)
{
	return net_of(c, addr) == net_of(c, c->server);
}

/* Where a reply goes (RFC 2131 §4.1). A client that renews from behind a router has no MAC on this link. A NAK has neither address, so it is a broadcast, made so by the relay where
 * there is one. */
static struct dhcp4_reply address_reply(const struct dhcp4 *s)
{
	const struct dhcp4_head *in = &s->msg.head, *out = &s->build.head;
	struct dhcp4_reply r = { .from = s->config->server, .to_port = DHCP4_CLIENT_PORT };

	memcpy(r.to_mac.b, in->chaddr, MAC_LEN);
	if (in->giaddr) {
		r.to = in->giaddr;
		r.to_port = DHCP4_SERVER_PORT;
		r.resolve = true;
	} else if (out->ciaddr) {
		r.to = out->ciaddr;
		r.resolve = s->is_routed;
	} else if (in->flags & DHCP4_FLAG_BROADCAST || !out->yiaddr) {
		r.to = ALL;
		memset(r.to_mac.b, 0xff, MAC_LEN);
	} else {
		r.to = out->yiaddr;
	}
	return r;
}

static void send_now(struct dhcp4 *s, enum dhcp4_type type, const struct dhcp4_reply *r)
{
	s->counters.n_out[type]++;
	s->host->send(s->host->ctx, r);
}

static void hold(struct dhcp4 *s, enum dhcp4_type type, const struct dhcp4_reply *r, uint64_t seq)
{
	const struct held_head head = { type, *r };

	if (!held_put(&s->held, seq, &head, sizeof head, r->payload, r->len))
		s->counters.n_held_dropped++;
}

/* Ends the reply that is built. @seq: 0, or the record that it waits for. */
static void finish(struct dhcp4 *s, enum dhcp4_type type, uint64_t seq)
{
	struct dhcp4_reply r = address_reply(s);
	unsigned n_left_out;

	dhcp4_reply_end(&s->msg, &s->build);
	r.payload = s->payload;
	r.len = dhcp4_write(&s->build, dhcp4_reply_max(s->config, &s->msg), s->payload, sizeof s->payload, &n_left_out);
	if (seq)
		hold(s, type, &r, seq);
	else
		send_now(s, type, &r);
}

void dhcp4_durable(struct dhcp4 *s, uint64_t seq)
{
	struct held *h;

	while ((h = held_take(&s->held, seq))) {
		struct held_head head;

		memcpy(&head, h->head, sizeof head);
		head.reply.payload = h->payload;
		send_now(s, head.type, &head.reply);
		free(h);
	}
}

static void send_nak(struct dhcp4 *s)
{
	static const char why[] = "this address is not yours here";

	dhcp4_reply_begin(s->config, &s->msg, DHCP4_NAK, &s->build);
	if (s->msg.head.giaddr)
		s->build.head.flags |= DHCP4_FLAG_BROADCAST;
	(void)dhcp4_add(&s->build, DHCP4_MESSAGE, why, sizeof why - 1);
	finish(s, DHCP4_NAK, 0);
}

/* The host name that a reservation has for the client; NULL. */
static const char *told_hostname(const struct dhcp4 *s, const struct request *q)
{
	const struct lease_reservation *r = leases_reservation(s->leases, &q->client);

	return r ? r->hostname : NULL;
}

/* How long a lease is to be: what the client asks for, within the configured time. */
static uint32_t lease_time(const struct dhcp4 *s)
{
	uint32_t v = s->config->lease_s;

	if (!dhcp4_option_u32(&s->msg, DHCP4_LEASE_TIME, &v) || v > s->config->lease_s)
		v = s->config->lease_s;
	return v < DHCP4_LEASE_MIN_S ? DHCP4_LEASE_MIN_S : v;
}

static void build_lease(struct dhcp4 *s, const struct request *q, enum dhcp4_type type, const struct lease *l,
			uint32_t lease_s)
{
	struct dhcp4_times times = dhcp4_times_of(s->config, lease_s);

	dhcp4_reply_begin(s->config, &s->msg, type, &s->build);
	s->build.head.yiaddr = (uint32_t)l->addr;
	s->build.head.ciaddr = type == DHCP4_ACK ? q->ciaddr : 0;
	dhcp4_reply_times(&times, &s->build);
	dhcp4_reply_options(s->config, &s->msg, told_hostname(s, q), &s->build);
}

/* ---- leases ---- */

/* Records what becomes of @l. Returns as the host does; 0 where leases are not kept. */
static uint64_t record(struct dhcp4 *s, enum lease_record_kind kind, const struct request *q, const struct lease *l,
		       const char *hostname, nsec_t until)
{
	const struct lease_record r = {
		.kind = kind, .addr = l->addr, .client = q->client, .hostname = hostname, .until = until, .at = q->now
	};
	uint64_t seq = s->host->record ? s->host->record(s->host->ctx, &r) : 0;

	if (seq != DHCP4_NOT_RECORDED) {
		s->told_unrecorded = false;
		return seq;
	}
	s->counters.n_unrecorded++;
	if (!s->told_unrecorded)
		tell(s, DHCP4_UNRECORDED, NULL);
	s->told_unrecorded = true;
	return seq;
}

/* Acknowledges @l, which is the client's, and binds it. */
static void acknowledge(struct dhcp4 *s, const struct request *q, struct lease *l, bool is_rapid)
{
	uint32_t lease_s = lease_time(s);
	nsec_t until = lease_s == DHCP4_FOREVER ? NSEC_NEVER : q->now + lease_s * NSEC_PER_SEC;
	const char *reserved = told_hostname(s, q), *hostname = reserved ? reserved : q->hostname;
	bool is_new = l->state != LEASE_BOUND;
	uint64_t seq = record(s, LEASE_RECORD_BOUND, q, l, hostname, until);

	if (seq == DHCP4_NOT_RECORDED) {
		if (is_new)
			return;
		seq = 0; /* what was recorded before holds */
		if (l->until != NSEC_NEVER)
			lease_s = (uint32_t)((l->until - q->now) / NSEC_PER_SEC);
		if (lease_s == 0)
			return;
	} else {
		leases_bind(s->leases, l, hostname, until);
		if (is_new)
			tell(s, DHCP4_LEASE_NEW, l);
	}
	build_lease(s, q, DHCP4_ACK, l, lease_s);
	if (is_rapid)
		(void)dhcp4_add(&s->build, DHCP4_RAPID_COMMIT, NULL, 0);
	finish(s, DHCP4_ACK, seq);
}

static void on_discover(struct dhcp4 *s, const struct request *q)
{
	struct lease *l;

	if (leases_offer(s->leases, &q->client, q->wanted, q->now, &l) < 0) {
		s->counters.n_no_address++;
		if (!s->told_empty)
			tell(s, DHCP4_POOL_EMPTY, NULL);
		s->told_empty = true;
		return;
	}
	s->told_empty = false;
	if (s->config->has_rapid_commit && dhcp4_has(&s->msg, DHCP4_RAPID_COMMIT)) {
		acknowledge(s, q, l, true);
		return;
	}
	build_lease(s, q, DHCP4_OFFER, l, lease_time(s));
	finish(s, DHCP4_OFFER, 0);
}

/* The client's entry, when it may have @addr; NULL. */
static struct lease *claim(struct dhcp4 *s, const struct request *q, uint32_t addr)
{
	struct lease *l = leases_find(s->leases, &q->client);

	/* What was offered by its MAC's reservation may be another identifier's by now. */
	if (!l || l->addr != addr || leases_offer(s->leases, &q->client, addr, q->now, &l) < 0 || l->addr != addr)
		return NULL;
	return l;
}

/* A request that is meant for another server: its offer from here is not needed. */
static void take_back_offer(struct dhcp4 *s, const struct request *q)
{
	struct lease *l = leases_find(s->leases, &q->client);

	if (l && l->state == LEASE_OFFERED)
		leases_release(s->leases, l, q->now);
	s->counters.n_ignored++;
}

static void on_request(struct dhcp4 *s, const struct request *q)
{
	uint32_t addr = q->server_id || !q->ciaddr ? q->wanted : q->ciaddr;
	struct lease *l;

	if (q->server_id && q->server_id != s->config->server) {
		take_back_offer(s, q);
		return;
	}
	if (!addr && q->ciaddr)
		addr = q->ciaddr; /* renewing clients that name the server, against table 4 */
	if (!addr) {
		s->counters.n_ignored++;
		return;
	}
	l = claim(s, q, addr);
	if (l)
		acknowledge(s, q, l, false);
	else if (q->server_id || !s->config->is_quiet || !on_link(s->config, addr) ||
		 leases_find(s->leases, &q->client))
		send_nak(s);
	else
		s->counters.n_ignored++; /* nothing is known of it: RFC 2131 §4.3.2 */
}

static void on_decline(struct dhcp4 *s, const struct request *q)
{
	struct lease *l = leases_find(s->leases, &q->client);

	if ((q->server_id && q->server_id != s->config->server) || !l || l->addr != q->wanted ||
	    (l->state != LEASE_BOUND && l->state != LEASE_OFFERED)) {
		s->counters.n_ignored++;
		return;
	}
	if (l->state == LEASE_BOUND)
		(void)record(s, LEASE_RECORD_DECLINED, q, l, "", 0);
	leases_decline(s->leases, l, q->now);
	tell(s, DHCP4_LEASE_DECLINED, l);
}

static void on_release(struct dhcp4 *s, const struct request *q)
{
	struct lease *l = leases_find(s->leases, &q->client);

	if ((q->server_id && q->server_id != s->config->server) || !l || l->addr != q->ciaddr ||
	    l->state != LEASE_BOUND) {
		s->counters.n_ignored++;
		return;
	}
	(void)record(s, LEASE_RECORD_RELEASED, q, l, "", 0);
	leases_release(s->leases, l, q->now);
	tell(s, DHCP4_LEASE_RELEASED, l);
}

/* A client with an address of its own asks for the rest: no yiaddr, no times, and never a NAK. */
static void on_inform(struct dhcp4 *s, const struct request *q)
{
	uint32_t addr = q->ciaddr ? q->ciaddr : q->src;

	if (!addr || !on_link(s->config, addr)) {
		s->counters.n_ignored++;
		return;
	}
	dhcp4_reply_begin(s->config, &s->msg, DHCP4_ACK, &s->build);
	s->build.head.ciaddr = addr;
	dhcp4_reply_options(s->config, &s->msg, told_hostname(s, q), &s->build);
	finish(s, DHCP4_ACK, 0);
}

/* ---- input ---- */

/* The client's host name from option 12 or 81: its first label, when it is a name. */
static void read_hostname(const struct dhcp4_msg *m, char hostname[LEASE_NAME_SIZE])
{
	char text[DHCP4_NAME_SIZE] = "";
	size_t len = 0, label;
	const uint8_t *p = dhcp4_option(m, DHCP4_HOSTNAME, &len);

	hostname[0] = 0;
	while (p && len && p[len - 1] == 0)
		len--; /* Some clients end it with NUL: RFC 2132 §2 has it not so. */
	if (p && len < sizeof text)
		memcpy(text, p, len);
	if (!p || strlen(text) != len || !dhcp4_is_name(text)) {
		p = dhcp4_option(m, DHCP4_FQDN, &len);
		if (!p || !dhcp4_fqdn_read(p, len, text))
			return;
	}
	label = strcspn(text, ".");
	memcpy(hostname, text, label);
	hostname[label] = 0;
}

/* The link that the client is on, where the message says so. False when it is not this network's. */
static bool is_of_link(const struct dhcp4 *s)
{
	const struct dhcp4_msg *m = &s->msg;
	size_t len = 0, link_len = 0;
	const uint8_t *relay = dhcp4_option(m, DHCP4_RELAY, &len);
	const uint8_t *link = relay ? dhcp4_sub(relay, len, DHCP4_RELAY_LINK, &link_len) : NULL;
	uint32_t subnet;

	if (link && link_len == 4)
		return on_link(s->config, load_be32(link));
	if (dhcp4_option_u32(m, DHCP4_SUBNET_SELECT, &subnet))
		return on_link(s->config, subnet);
	return !m->head.giaddr || on_link(s->config, m->head.giaddr);
}

/* False when the message is not from a client that is served. */
static bool read_request(const struct dhcp4 *s, uint32_t src, nsec_t now, struct request *q)
{
	const struct dhcp4_msg *m = &s->msg;
	static const struct mac_addr none;
	size_t id_len = 0;
	const uint8_t *id = dhcp4_option(m, DHCP4_CLIENT_ID, &id_len);

	*q = (struct request){ .ciaddr = m->head.ciaddr, .src = src, .now = now };
	memcpy(q->client.mac.b, m->head.chaddr, MAC_LEN);
	if (m->head.op != DHCP4_BOOTREQUEST || m->head.htype != HTYPE_ETHERNET || m->head.hlen != MAC_LEN ||
	    mac_is_multicast(&q->client.mac) || mac_equal(&q->client.mac, &none) || id_len > LEASE_ID_MAX)
		return false;
	q->client.id_len = (uint8_t)id_len;
	q->client.id = id;
	(void)dhcp4_option_u32(m, DHCP4_SERVER_ID, &q->server_id);
	(void)dhcp4_option_u32(m, DHCP4_WANTED_ADDRESS, &q->wanted);
	read_hostname(m, q->hostname);
	return true;
}

static void dispatch(struct dhcp4 *s, const struct request *q)
{
	switch (s->msg.type) {
	case DHCP4_DISCOVER:
		on_discover(s, q);
		break;
	case DHCP4_REQUEST:
		on_request(s, q);
		break;
	case DHCP4_DECLINE:
		on_decline(s, q);
		break;
	case DHCP4_RELEASE:
		on_release(s, q);
		break;
	case DHCP4_INFORM:
		on_inform(s, q);
		break;
	case DHCP4_NONE:
	case DHCP4_OFFER:
	case DHCP4_ACK:
	case DHCP4_NAK:
	case DHCP4_TYPE_COUNT:
		s->counters.n_ignored++;
		break;
	}
}

void dhcp4_input(struct dhcp4 *s, uint32_t src, const struct mac_addr *hop, const uint8_t *payload, size_t len,
		 nsec_t now)
{
	struct request q;

	dhcp4_run(s, now);
	switch (dhcp4_read(payload, len, &s->msg)) {
	case DHCP4_BOOTP:
		s->counters.n_bootp++;
		return;
	case DHCP4_MALFORMED:
		s->counters.n_malformed++;
		return;
	case DHCP4_GOOD:
		break;
	}
	s->counters.n_in[s->msg.type]++;
	if (!read_request(s, src, now, &q) || !is_of_link(s)) {
		s->counters.n_ignored++;
		return;
	}
	s->is_routed = hop && !mac_equal(hop, &q.client.mac);
	dispatch(s, &q);
}

void dhcp4_run(struct dhcp4 *s, nsec_t now)
{
	const struct lease *l;

	while ((l = leases_expire(s->leases, now)))
		tell(s, DHCP4_LEASE_EXPIRED, l);
}

nsec_t dhcp4_next(const struct dhcp4 *s)
{
	return leases_next(s->leases);
}

struct leases *dhcp4_leases(struct dhcp4 *s)
{
	return s->leases;
}

const struct dhcp4_counters *dhcp4_counters(const struct dhcp4 *s)
{
	return &s->counters;
}

void dhcp4_state(struct dhcp4 *s, struct state *state, uint32_t instance, nsec_t now)
{
	(void)state_begin(state, "dhc4", instance, 1);
	leases_state(s->leases, state, now);
	state_bool(state, &s->told_empty);
	state_bool(state, &s->told_unrecorded);
	state_end(state);
}
