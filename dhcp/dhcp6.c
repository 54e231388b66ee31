/* dhcp/dhcp6.c: the DHCPv6 server of one network.
 *
 * Solicit, Request, Renew and Rebind go the same way: each identity association is judged, the leases of those that
 * get an address are recorded and bound, then the reply is written. A lease that an association took from one before
 * it in the same message is found before anything is bound. Where no record can be written there is no reply for new
 * leases, and bound ones are acknowledged for the time that was recorded before.
 *
 * An association never goes out empty: it has an address, or a status that says why not. Addresses that a client
 * holds and may not keep come back with lifetimes 0.
 *
 * Used by: fabric's station.   Depends on: dhcp/{dhcp6_msg,dhcp6_reply,held,leases,lease_log}.h, core/state.h.
 * Sources: RFC 8415 §16, §18.3, §19; RFC 7550. */
#include "dhcp/dhcp6.h"

#include "core/prng.h"
#include "core/state.h"
#include "dhcp/dhcp6_reply.h"
#include "dhcp/held.h"
#include "dhcp/lease_log.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

enum { DUID_LLT = 1, DUID_LL = 3, HTYPE_ETHERNET = 1, MAC_LOCAL = 2 };

/* A reply that waits; its payload is the queue's. */
struct held_head {
	enum dhcp6_type type;
	struct dhcp6_reply reply;
};

struct dhcp6 {
	const struct dhcp6_config *config;
	const struct dhcp6_host *host;
	struct leases *leases;
	struct dhcp6_counters counters;
	struct held_queue held;
	bool told_empty, told_unrecorded;
	struct dhcp6_msg msg; /* the one that is answered */
	struct dhcp6_build build;
};

/* What one identity association is told. */
struct grant {
	struct lease *lease; /* NULL: none */
	enum dhcp6_status status; /* without a lease */
	bool takes_back; /* without a lease: the client's addresses come back with lifetimes 0 */
	bool is_silent; /* nothing is said */
	uint32_t valid_s;
};

/* What a step needs of the message in hand. */
struct request {
	const struct dhcp6_from *from;
	struct mac_addr mac;
	uint8_t id[LEASE_ID_MAX]; /* DUID, and room for an IAID */
	size_t duid_len;
	char hostname[LEASE_NAME_SIZE]; /* "": none that is one */
	nsec_t now;
	uint64_t seq; /* the last record that the reply waits for */
	bool is_unrecorded; /* a new lease could not be recorded */
	struct grant grants[DHCP6_IAS_MAX];
};

static bool are_times(const struct dhcp6_config *c)
{
	struct dhcp6_times t = dhcp6_times_of(c, c->lease_s);

	if (c->lease_s < DHCP6_LEASE_MIN_S || t.preferred_s > t.valid_s)
		return false;
	return (t.renew_s < t.rebind_s || t.renew_s == DHCP6_FOREVER) && t.rebind_s <= t.preferred_s;
}

static bool on_link(const struct dhcp6_config *c, uint64_t addr)
{
	struct ip_addr ip = dhcp6_address(c, addr);

	return ip_in_net(&ip, &c->subnet);
}

static bool is_config(const struct dhcp6_config *c)
{
	if (c->subnet.family != IP_V6 || c->subnet.prefix_len > 128 || c->leases.iaid_len != DHCP6_IAID_LEN ||
	    !are_times(c))
		return false;
	for (size_t i = 0; i < c->leases.n_ranges; i++)
		if (!on_link(c, c->leases.ranges[i].first) || !on_link(c, c->leases.ranges[i].last))
			return false;
	for (size_t i = 0; i < c->leases.n_reservations; i++)
		if (!on_link(c, c->leases.reservations[i].addr))
			return false;
	return true;
}

int dhcp6_new(const struct dhcp6_config *config, const struct dhcp6_host *host, struct prng *prng,
	      struct dhcp6 **ret_server)
{
	struct dhcp6 *s;
	int r;

	if (!is_config(config))
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

struct dhcp6 *dhcp6_free(struct dhcp6 *s)
{
	if (!s)
		return NULL;
	held_done(&s->held);
	leases_free(s->leases);
	free(s);
	return NULL;
}

static void tell(struct dhcp6 *s, enum dhcp6_event event, const struct lease *l)
{
	if (s->host->event)
		s->host->event(s->host->ctx, event, l);
}

/* ---- addresses and clients ---- */

struct ip_addr dhcp6_address(const struct dhcp6_config *config, uint64_t addr)
{
	struct ip_addr ip = { .family = IP_V6, .prefix_len = 128 };

	memcpy(ip.b, config->subnet.b, 8);
	store_be32(ip.b + 8, (uint32_t)(addr >> 32));
	store_be32(ip.b + 12, (uint32_t)addr);
	return ip;
}

/* The table's number of @ip; 0 when the table has none. */
static uint64_t table_addr(const struct dhcp6_config *c, const struct ip_addr *ip)
{
	return memcmp(ip->b, c->subnet.b, 8) == 0 ? (uint64_t)load_be32(ip->b + 8) << 32 | load_be32(ip->b + 12) : 0;
}

/* The client that @ia makes of the request; borrowed from @q until the next call. */
static struct lease_client client_of(struct request *q, const struct dhcp6_ia *ia)
{
	store_be32(q->id + q->duid_len, ia->iaid);
	return (struct lease_client){ .mac = q->mac, .id_len = (uint8_t)(q->duid_len + DHCP6_IAID_LEN), .id = q->id };
}

/* The MAC in an EUI-64 interface identifier, RFC 4291 appendix A. False when it is none. */
static bool mac_of_address(const struct ip_addr *ip, struct mac_addr *ret_mac)
{
	if (ip->b[11] != 0xff || ip->b[12] != 0xfe)
		return false;
	memcpy(ret_mac->b, ip->b + 8, 3);
	memcpy(ret_mac->b + 3, ip->b + 13, 3);
	ret_mac->b[0] ^= MAC_LOCAL;
	return true;
}

static struct mac_addr mac_of_duid(struct dhcp6_span duid)
{
	unsigned type = load_be16(duid.p), at = type == DUID_LLT ? 8 : 4;
	struct mac_addr mac;
	uint64_t hash;

	if ((type == DUID_LLT || type == DUID_LL) && duid.len == at + MAC_LEN &&
	    load_be16(duid.p + 2) == HTYPE_ETHERNET) {
		memcpy(mac.b, duid.p + at, MAC_LEN);
		return mac;
	}
	hash = XXH3_64bits(duid.p, duid.len);
	memcpy(mac.b, &hash, MAC_LEN);
	mac.b[0] = (uint8_t)((mac.b[0] & 0xfc) | MAC_LOCAL);
	return mac;
}

static struct mac_addr mac_of(const struct dhcp6_msg *m, const struct dhcp6_from *from)
{
	const struct dhcp6_relay *nearest = m->n_relays ? &m->relays[m->n_relays - 1] : NULL;
	struct mac_addr mac;

	if (!nearest)
		return from->mac;
	if (nearest->has_mac)
		return nearest->mac;
	return mac_of_address(&nearest->peer, &mac) ? mac : mac_of_duid(m->client_id);
}

/* ---- replies ---- */

static void send_now(struct dhcp6 *s, enum dhcp6_type type, const struct dhcp6_reply *r)
{
	s->counters.n_out[type]++;
	s->host->send(s->host->ctx, r);
}

/* Ends the reply that is built; it waits for q->seq. */
static void finish(struct dhcp6 *s, enum dhcp6_type type, const struct request *q)
{
	const struct dhcp6_msg *m = &s->msg;
	struct dhcp6_reply r = { .to = q->from->addr, .to_mac = q->from->mac, .payload = s->build.bytes };
	struct held_head head;

	r.to_port = m->n_relays ? DHCP6_SERVER_PORT : DHCP6_CLIENT_PORT;
	if (m->n_relays && m->relays[0].port.p)
		r.to_port = q->from->port; /* RFC 8357 §5.2 */
	r.len = dhcp6_reply_end(&s->build);
	if (!r.len) {
		s->counters.n_too_long++;
		return;
	}
	if (!q->seq) {
		send_now(s, type, &r);
		return;
	}
	head = (struct held_head){ type, r };
	if (!held_put(&s->held, q->seq, &head, sizeof head, r.payload, r.len))
		s->counters.n_held_dropped++;
}

void dhcp6_durable(struct dhcp6 *s, uint64_t seq)
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

static const char *status_text(enum dhcp6_status status)
{
	switch (status) {
	case DHCP6_SUCCESS:
		return "done";
	case DHCP6_NO_ADDRS:
		return "no address is free for this";
	case DHCP6_NO_BINDING:
		return "no lease is known for this";
	case DHCP6_NOT_ON_LINK:
		return "an address is not of this link";
	case DHCP6_NO_PREFIX:
		return "no prefixes are delegated here";
	case DHCP6_UNSPEC_FAIL:
	case DHCP6_USE_MULTICAST:
		break;
	}
	return "";
}

static void put_status(struct dhcp6 *s, enum dhcp6_status status)
{
	dhcp6_put_status(&s->build.w, status, status_text(status));
}

static void put_ia_address(struct wire_writer *w, const struct ip_addr *ip, uint32_t preferred_s, uint32_t valid_s)
{
	size_t at = dhcp6_open(w, DHCP6_IAADDR);

	wire_put_bytes(w, ip->b, sizeof ip->b);
	wire_put_be32(w, preferred_s);
	wire_put_be32(w, valid_s);
	dhcp6_close(w, at);
}

static size_t open_ia(struct wire_writer *w, const struct dhcp6_ia *ia, uint32_t renew_s, uint32_t rebind_s)
{
	size_t at = dhcp6_open(w, ia->kind);

	wire_put_be32(w, ia->iaid);
	if (ia->kind != DHCP6_IA_TA) {
		wire_put_be32(w, renew_s);
		wire_put_be32(w, rebind_s);
	}
	return at;
}

static void put_ia_status(struct dhcp6 *s, const struct dhcp6_ia *ia, enum dhcp6_status status)
{
	size_t at = open_ia(&s->build.w, ia, 0, 0);

	put_status(s, status);
	dhcp6_close(&s->build.w, at);
}

/* Writes an association with its address or status. */
static void put_grant(struct dhcp6 *s, const struct dhcp6_ia *ia, const struct grant *g)
{
	struct wire_writer *w = &s->build.w;
	bool holds = s->msg.type == DHCP6_RENEW || s->msg.type == DHCP6_REBIND;
	struct dhcp6_times t = { 0 };
	size_t at;

	if (g->is_silent)
		return;
	if (!g->lease && !(g->takes_back && ia->n_addrs)) {
		put_ia_status(s, ia, g->status);
		return;
	}
	if (g->lease)
		t = dhcp6_times_of(s->config, g->valid_s);
	at = open_ia(w, ia, t.renew_s, t.rebind_s);
	if (g->lease) {
		struct ip_addr ip = dhcp6_address(s->config, g->lease->addr);

		put_ia_address(w, &ip, t.preferred_s, t.valid_s);
	}
	for (size_t i = 0; holds && i < ia->n_addrs; i++)
		if (!g->lease || table_addr(s->config, &ia->addrs[i].addr) != g->lease->addr)
			put_ia_address(w, &ia->addrs[i].addr, 0, 0);
	dhcp6_close(w, at);
}

/* ---- leases ---- */

/* Records what becomes of @l. Returns as the host does; 0 where leases are not kept. */
static uint64_t record(struct dhcp6 *s, enum lease_record_kind kind, const struct request *q,
		       const struct lease_client *client, const struct lease *l, const char *hostname, nsec_t until)
{
	const struct lease_record r = {
		.kind = kind, .addr = l->addr, .client = *client, .hostname = hostname, .until = until, .at = q->now
	};
	uint64_t seq = s->host->record ? s->host->record(s->host->ctx, &r) : 0;

	if (seq != DHCP6_NOT_RECORDED) {
		s->told_unrecorded = false;
		return seq;
	}
	s->counters.n_unrecorded++;
	if (!s->told_unrecorded)
		tell(s, DHCP6_UNRECORDED, NULL);
	s->told_unrecorded = true;
	return seq;
}

/* The host name that the client is to have: its reservation's, else its own. */
static const char *hostname_of(struct dhcp6 *s, struct request *q)
{
	struct lease_client c = client_of(q, &(const struct dhcp6_ia){ .iaid = 0 });
	const struct lease_reservation *r = leases_reservation(s->leases, &c);

	return r && r->hostname ? r->hostname : q->hostname;
}

/* Records and binds what @g grants. */
static void bind_grant(struct dhcp6 *s, struct request *q, const struct dhcp6_ia *ia, struct grant *g)
{
	uint32_t lease_s = s->config->lease_s;
	nsec_t until = lease_s == DHCP6_FOREVER ? NSEC_NEVER : q->now + lease_s * NSEC_PER_SEC;
	const char *hostname = hostname_of(s, q);
	struct lease_client c = client_of(q, ia);
	bool is_new = g->lease->state != LEASE_BOUND;
	uint64_t seq = record(s, LEASE_RECORD_BOUND, q, &c, g->lease, hostname, until);

	if (seq != DHCP6_NOT_RECORDED) {
		leases_bind(s->leases, g->lease, hostname, until);
		q->seq = seq > q->seq ? seq : q->seq;
		if (is_new)
			tell(s, DHCP6_LEASE_NEW, g->lease);
		return;
	}
	/* What was recorded before holds. */
	if (!is_new && g->lease->until != NSEC_NEVER)
		g->valid_s = (uint32_t)((g->lease->until - q->now) / NSEC_PER_SEC);
	q->is_unrecorded |= is_new || g->valid_s == 0;
}

static bool is_listed(const struct dhcp6 *s, const struct dhcp6_ia *ia, uint64_t addr)
{
	for (size_t i = 0; i < ia->n_addrs; i++)
		if (table_addr(s->config, &ia->addrs[i].addr) == addr)
			return true;
	return false;
}

static bool is_on_link(const struct dhcp6 *s, const struct dhcp6_ia *ia)
{
	for (size_t i = 0; i < ia->n_addrs; i++)
		if (!ip_in_net(&ia->addrs[i].addr, &s->config->subnet))
			return false;
	return true;
}

static void tell_empty(struct dhcp6 *s)
{
	s->counters.n_no_address++;
	if (!s->told_empty)
		tell(s, DHCP6_POOL_EMPTY, NULL);
	s->told_empty = true;
}

/* True when the client has or had a lease, not a mere offer. */
static bool is_bound_once(const struct lease *l)
{
	return l && (l->state == LEASE_BOUND || l->state == LEASE_EXPIRED || l->state == LEASE_RELEASED);
}

/* True when a client of which nothing is known may go on with @addr: it is handed out here, and nobody has it. */
static bool may_adopt(const struct dhcp6 *s, const struct lease_client *c, uint64_t addr)
{
	const struct lease *l = leases_at(s->leases, addr);

	if (s->config->is_quiet || !leases_covers(s->leases, addr))
		return false;
	return !l || (l->state != LEASE_BOUND && l->state != LEASE_OFFERED) || l == leases_find(s->leases, c);
}

/* What an IA_NA is granted: RFC 8415 §18.3.1, §18.3.2, §18.3.4, §18.3.5. */
static void judge_addresses(struct dhcp6 *s, struct request *q, const struct dhcp6_ia *ia, struct grant *g)
{
	struct lease_client c = client_of(q, ia);
	bool asks = s->msg.type == DHCP6_SOLICIT || s->msg.type == DHCP6_REQUEST;
	bool is_known = is_bound_once(leases_find(s->leases, &c));
	uint64_t wanted = ia->n_addrs ? table_addr(s->config, &ia->addrs[0].addr) : 0;
	struct lease *l;
	int r;

	if (s->msg.type == DHCP6_REQUEST && !is_on_link(s, ia)) {
		g->status = DHCP6_NOT_ON_LINK;
		return;
	}
	g->status = asks ? DHCP6_NO_ADDRS : DHCP6_NO_BINDING;
	g->takes_back = s->msg.type == DHCP6_REBIND;
	if (!asks && !is_known && !may_adopt(s, &c, wanted)) {
		g->is_silent = s->msg.type == DHCP6_REBIND && s->config->is_quiet && is_on_link(s, ia);
		return;
	}
	r = leases_offer(s->leases, &c, wanted, q->now, &l);
	if (r < 0) {
		tell_empty(s);
		return;
	}
	s->told_empty = false;
	if (asks || is_known || is_listed(s, ia, l->addr))
		g->lease = l;
}

static bool is_repeated(const struct dhcp6_msg *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (m->ias[i].kind == m->ias[n].kind && m->ias[i].iaid == m->ias[n].iaid)
			return true;
	return false;
}

static void judge(struct dhcp6 *s, struct request *q, size_t i)
{
	bool holds = s->msg.type == DHCP6_RENEW || s->msg.type == DHCP6_REBIND;
	const struct dhcp6_ia *ia = &s->msg.ias[i];
	struct grant *g = &q->grants[i];

	*g = (struct grant){ .valid_s = s->config->lease_s };
	if (is_repeated(&s->msg, i))
		g->is_silent = true;
	else if (ia->kind == DHCP6_IA_NA)
		judge_addresses(s, q, ia, g);
	else if (holds)
		g->status = DHCP6_NO_BINDING;
	else
		g->status = ia->kind == DHCP6_IA_PD ? DHCP6_NO_PREFIX : DHCP6_NO_ADDRS;
}

/* Judges all associations. Returns how many get an address. */
static size_t judge_all(struct dhcp6 *s, struct request *q)
{
	size_t n = 0;

	for (size_t i = 0; i < s->msg.n_ias; i++)
		judge(s, q, i);
	for (size_t i = 0; i < s->msg.n_ias; i++) {
		struct grant *g = &q->grants[i];
		struct lease_client c = client_of(q, &s->msg.ias[i]);

		if (g->lease && leases_find(s->leases, &c) != g->lease) {
			/* A later one took it: the client has LEASES_PER_MAC, or the pool is used up. */
			g->lease = NULL;
			g->takes_back = false;
			tell_empty(s);
		}
		n += g->lease != NULL;
	}
	return n;
}

static void on_assign(struct dhcp6 *s, struct request *q)
{
	const struct dhcp6_config *c = s->config;
	const struct dhcp6_msg *m = &s->msg;
	size_t n = judge_all(s, q);
	bool is_rapid =
		m->type == DHCP6_SOLICIT && n && c->has_rapid_commit && dhcp6_find(m->options, DHCP6_RAPID_COMMIT).p;
	enum dhcp6_type type = m->type == DHCP6_SOLICIT && !is_rapid ? DHCP6_ADVERTISE : DHCP6_REPLY;
	bool says_all = m->n_ias == 0;

	for (size_t i = 0; i < m->n_ias; i++) {
		if (type == DHCP6_REPLY && q->grants[i].lease)
			bind_grant(s, q, &m->ias[i], &q->grants[i]);
		says_all |= !q->grants[i].is_silent;
	}
	if (q->is_unrecorded || !says_all)
		return;
	dhcp6_reply_begin(c, m, type, &s->build);
	if (type == DHCP6_ADVERTISE && c->preference)
		dhcp6_put(&s->build.w, DHCP6_PREFERENCE, &c->preference, 1);
	for (size_t i = 0; i < m->n_ias; i++)
		put_grant(s, &m->ias[i], &q->grants[i]);
	if (is_rapid)
		dhcp6_put(&s->build.w, DHCP6_RAPID_COMMIT, NULL, 0);
	dhcp6_reply_options(c, m, hostname_of(s, q), &s->build);
	finish(s, type, q);
}

/* RFC 8415 §18.3.3: are the addresses of this link? */
static void on_confirm(struct dhcp6 *s, struct request *q)
{
	size_t n_addrs = 0;
	bool good = true;

	for (size_t i = 0; i < s->msg.n_ias; i++) {
		n_addrs += s->msg.ias[i].n_addrs;
		good = good && is_on_link(s, &s->msg.ias[i]);
	}
	if (!n_addrs) {
		s->counters.n_ignored++;
		return;
	}
	dhcp6_reply_begin(s->config, &s->msg, DHCP6_REPLY, &s->build);
	put_status(s, good ? DHCP6_SUCCESS : DHCP6_NOT_ON_LINK);
	dhcp6_reply_options(s->config, &s->msg, hostname_of(s, q), &s->build);
	finish(s, DHCP6_REPLY, q);
}

/* Releases or declines the lease of one association (IA_NA). Returns false when the client has no such lease. */
static bool give_up(struct dhcp6 *s, struct request *q, const struct dhcp6_ia *ia)
{
	bool declines = s->msg.type == DHCP6_DECLINE;
	struct lease_client c = client_of(q, ia);
	struct lease *l = ia->kind == DHCP6_IA_NA ? leases_find(s->leases, &c) : NULL;

	if (!l || !is_listed(s, ia, l->addr) || !(l->state == LEASE_BOUND || (declines && l->state == LEASE_OFFERED)))
		return false;
	if (l->state == LEASE_BOUND)
		(void)record(s, declines ? LEASE_RECORD_DECLINED : LEASE_RECORD_RELEASED, q, &c, l, "", 0);
	if (declines)
		leases_decline(s->leases, l, q->now);
	else
		leases_release(s->leases, l, q->now);
	tell(s, declines ? DHCP6_LEASE_DECLINED : DHCP6_LEASE_RELEASED, l);
	return true;
}

/* RFC 8415 §18.3.7, §18.3.8. */
static void on_give_up(struct dhcp6 *s, struct request *q)
{
	dhcp6_reply_begin(s->config, &s->msg, DHCP6_REPLY, &s->build);
	put_status(s, DHCP6_SUCCESS);
	for (size_t i = 0; i < s->msg.n_ias; i++)
		if (!is_repeated(&s->msg, i) && !give_up(s, q, &s->msg.ias[i]))
			put_ia_status(s, &s->msg.ias[i], DHCP6_NO_BINDING);
	finish(s, DHCP6_REPLY, q);
}

static void on_information(struct dhcp6 *s, struct request *q)
{
	dhcp6_reply_begin(s->config, &s->msg, DHCP6_REPLY, &s->build);
	dhcp6_reply_options(s->config, &s->msg, s->msg.client_id.p ? hostname_of(s, q) : q->hostname, &s->build);
	finish(s, DHCP6_REPLY, q);
}

/* ---- input ---- */

/* What a message must have and must not: RFC 8415 §16. */
static bool is_valid(const struct dhcp6 *s)
{
	const struct dhcp6_msg *m = &s->msg;
	uint8_t id[DHCP6_SERVER_ID_LEN];
	bool is_ours;

	dhcp6_server_id(s->config, id);
	is_ours = m->server_id.len == sizeof id && memcmp(m->server_id.p, id, sizeof id) == 0;
	switch (m->type) {
	case DHCP6_SOLICIT:
	case DHCP6_CONFIRM:
	case DHCP6_REBIND:
		return m->client_id.p && !m->server_id.p;
	case DHCP6_REQUEST:
	case DHCP6_RENEW:
	case DHCP6_RELEASE:
	case DHCP6_DECLINE:
		return m->client_id.p && is_ours;
	case DHCP6_INFORMATION_REQUEST:
		return m->n_ias == 0 && (is_ours || !m->server_id.p);
	case DHCP6_NONE:
	case DHCP6_ADVERTISE:
	case DHCP6_REPLY:
	case DHCP6_RECONFIGURE:
	case DHCP6_RELAY_FORWARD:
	case DHCP6_RELAY_REPLY:
	case DHCP6_TYPE_COUNT:
		break;
	}
	return false;
}

/* True when the relay nearest to the client that names a link names this one: RFC 8415 §13.1. */
static bool is_of_link(const struct dhcp6 *s)
{
	static const uint8_t none[16];

	for (size_t i = s->msg.n_relays; i-- > 0;)
		if (memcmp(s->msg.relays[i].link.b, none, sizeof none) != 0)
			return ip_in_net(&s->msg.relays[i].link, &s->config->subnet);
	return true;
}

/* The client's host name from option 39: its first label, when it is a name. */
static void read_hostname(const struct dhcp6_msg *m, char hostname[LEASE_NAME_SIZE])
{
	struct dhcp6_span v = dhcp6_find(m->options, DHCP6_FQDN);
	char text[DHCP4_NAME_SIZE];
	uint8_t wire[DHCP4_NAME_SIZE];
	size_t at = 0, label;

	hostname[0] = 0;
	if (v.len < 2 || v.len > sizeof wire)
		return;
	memcpy(wire, v.p + 1, v.len - 1);
	wire[v.len - 1] = 0; /* ends a partial name: RFC 4704 §4.2 */
	if (!dhcp4_name_read(wire, v.len, false, &at, text) || !dhcp4_is_name(text))
		return;
	label = strcspn(text, ".");
	memcpy(hostname, text, label);
	hostname[label] = 0;
}

static void dispatch(struct dhcp6 *s, struct request *q)
{
	switch (s->msg.type) {
	case DHCP6_CONFIRM:
		on_confirm(s, q);
		break;
	case DHCP6_RELEASE:
	case DHCP6_DECLINE:
		on_give_up(s, q);
		break;
	case DHCP6_INFORMATION_REQUEST:
		on_information(s, q);
		break;
	default: /* is_valid() lets no other through */
		on_assign(s, q);
		break;
	}
}

void dhcp6_input(struct dhcp6 *s, const struct dhcp6_from *from, const uint8_t *payload, size_t len, nsec_t now)
{
	struct request q = { .from = from, .now = now };

	dhcp6_run(s, now);
	if (dhcp6_read(payload, len, &s->msg) != DHCP6_GOOD) {
		s->counters.n_malformed++;
		return;
	}
	s->counters.n_in[s->msg.type]++;
	if (!is_valid(s) || !is_of_link(s)) {
		s->counters.n_ignored++;
		return;
	}
	if (s->msg.client_id.p) {
		q.duid_len = s->msg.client_id.len;
		memcpy(q.id, s->msg.client_id.p, q.duid_len);
		q.mac = mac_of(&s->msg, from);
	}
	read_hostname(&s->msg, q.hostname);
	dispatch(s, &q);
}

void dhcp6_run(struct dhcp6 *s, nsec_t now)
{
	const struct lease *l;

	while ((l = leases_expire(s->leases, now)))
		tell(s, DHCP6_LEASE_EXPIRED, l);
}

nsec_t dhcp6_next(const struct dhcp6 *s)
{
	return leases_next(s->leases);
}

struct leases *dhcp6_leases(struct dhcp6 *s)
{
	return s->leases;
}

const struct dhcp6_counters *dhcp6_counters(const struct dhcp6 *s)
{
	return &s->counters;
}

void dhcp6_state(struct dhcp6 *s, struct state *state, uint32_t instance, nsec_t now)
{
	(void)state_begin(state, "dhc6", instance, 1);
	leases_state(s->leases, state, now);
	state_bool(state, &s->told_empty);
	state_bool(state, &s->told_unrecorded);
	state_end(state);
}
