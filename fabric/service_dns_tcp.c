/* fabric/service_dns_tcp.c: DNS over TCP.
 *
 * A connection is opened by the guest, and only by it. Queries are cut out of its stream (dns/dns_stream.h) and
 * answered in turn; answers wait in a buffer until the guest acknowledged them. While more than DNS_TCP_OUT_MAX wait,
 * no query is read, and the guest's window closes. When the guest has ended its side and all is answered, ours ends.
 *
 * The endpoint calls back into this file and may not be called from there. So what a call back finds out is noted in
 * the connection, and settle() acts on it.
 *
 * Used by: fabric/service_dns.c.   Depends on: nat/tcp.h, dns/dns_stream.h, fabric/station.h. */
#include "fabric/service_dns_tcp.h"

#include "core/bytes.h"
#include "core/state.h"
#include "core/wire.h"
#include "dns/dns_msg.h"
#include "dns/dns_stream.h"
#include "nat/tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORT = 53, NAME_SIZE = 160, REUSE_STEP = 65536, TIME_WAIT_S = 5, MTU_MIN_IPV6 = 1280, MTU_MIN_IPV4 = 576 };

struct conn {
	struct service_dns_tcp *owner;
	struct tcp_conn tcp;
	struct ip_addr guest, self;
	struct mac_addr mac;
	uint16_t port;
	uint64_t id;
	struct dns_stream in;
	struct bytes out; /* answers that the guest did not acknowledge */
	unsigned n_pending; /* queries that others have to answer */
	nsec_t idle_at; /* when nothing will have moved for too long */
	bool is_ending; /* our side ends behind what waits */
	bool guest_ended;
	bool is_bad; /* what came is no DNS */
};

struct service_dns_tcp {
	struct station *station;
	struct frame_pool *pool;
	struct service_dns_tcp_ops ops;
	struct tcp_common common;
	struct conn *conns[DNS_TCP_MAX];
	size_t n;
	struct prng rng;
	uint64_t last_id;
	uint32_t mtu;
	nsec_t now; /* of the call in hand */
	nsec_t next; /* when the first connection wants to run */
	struct service_dns_tcp_counters counters;
	uint8_t answer[2 + DNS_MSG_MAX];
};

/* ---- frames --------------------------------------------------------------------------- */

/* Sends @len bytes of @data at @seq; nothing else of @out's length is looked at. Returns 0 or -ENOMEM. */
static int send_piece(struct service_dns_tcp *t, const struct packet_ip *ip, uint16_t port, const struct tcp_out *out,
		      const uint8_t *data, uint32_t len)
{
	uint8_t options[TCP_OPTIONS_SIZE];
	struct packet_tcp tcp = { .src_port = PORT,
				  .dst_port = port,
				  .seq = out->seq,
				  .ack = out->ack,
				  .flags = out->flags,
				  .window = out->window,
				  .options = options,
				  .options_len = tcp_options_put(&out->opt, options) };
	size_t l4_len = PACKET_TCP_LEN + tcp.options_len + len;
	struct frame *f = frame_new(t->pool, PACKET_ETH_LEN + packet_ip_len(ip) + l4_len);
	struct wire_writer w;

	if (!f)
		return -ENOMEM;
	w = wire_write_to(f->data, f->size);
	(void)wire_put(&w, PACKET_ETH_LEN);
	packet_put_ip(&w, ip, l4_len);
	packet_put_tcp(&w, ip, &tcp, data, len);
	f->len = (uint32_t)wire_put_len(&w);
	station_send_ip(t->station, f, NULL, t->now);
	return 0;
}

static struct packet_ip header(const struct ip_addr *from, const struct ip_addr *to)
{
	return (struct packet_ip){
		.src = *from, .dst = *to, .proto = PROTO_TCP, .ttl = STATION_HOP_LIMIT, .dont_fragment = true
	};
}

/* A segment that is longer than one packet is cut: the station sends nothing beyond the MTU. */
static int on_emit(void *ctx, const struct tcp_out *out)
{
	struct conn *c = ctx;
	struct packet_ip ip = header(&c->self, &c->guest);
	const uint8_t *data = c->out.data + out->offset;
	struct tcp_out piece = *out;
	uint32_t at = 0;
	int r = 0;

	do {
		uint32_t left = out->len - at, len = out->gso_size && left > out->gso_size ? out->gso_size : left;
		bool is_last = len == left;

		piece.seq = out->seq + at;
		piece.flags = is_last ? out->flags : (uint8_t)(out->flags & ~(TCPF_FIN | TCPF_PSH));
		r = send_piece(c->owner, &ip, c->port, &piece, len ? data + at : NULL, len);
		at += len;
	} while (r == 0 && at < out->len);
	return r;
}

/* ---- what the endpoint asks of its owner ----------------------------------------------------- */

static bool is_answered(const struct conn *c)
{
	return c->guest_ended && c->n_pending == 0;
}

static size_t on_avail(void *ctx, bool *ret_fin)
{
	const struct conn *c = ctx;

	*ret_fin = c->is_ending || is_answered(c);
	return c->out.len;
}

static void on_consumed(void *ctx, size_t n)
{
	struct conn *c = ctx;

	bytes_consume(&c->out, n);
	c->idle_at = c->owner->now + DNS_TCP_IDLE_NS;
}

static void put_answer(struct conn *c, const uint8_t *answer, size_t len)
{
	uint8_t prefix[DNS_STREAM_PREFIX];

	store_be16(prefix, (uint16_t)len);
	bytes_append(&c->out, prefix, sizeof prefix);
	bytes_append(&c->out, answer, len);
}

static void answer(struct conn *c, const uint8_t *query, size_t len)
{
	struct service_dns_tcp *t = c->owner;
	const struct service_dns_tcp_peer peer = {
		.conn = c->id, .from = c->guest, .to = c->self, .mac = c->mac, .port = c->port
	};
	int64_t n = t->ops.answer(t->ops.ctx, &peer, query, len, t->answer, t->now);

	if (n > 0)
		put_answer(c, t->answer, (size_t)n);
}

static size_t on_deliver(void *ctx, const uint8_t *data, size_t len)
{
	struct conn *c = ctx;
	size_t taken = 0;

	c->idle_at = c->owner->now + DNS_TCP_IDLE_NS;
	while (taken < len && c->out.len < DNS_TCP_OUT_MAX && !c->is_bad) {
		const uint8_t *msg = NULL;
		size_t used = 0, msg_len = 0;
		enum dns_stream_verdict v =
			dns_stream_take(&c->in, data + taken, len - taken, &used, &msg, &msg_len);

		taken += used;
		c->is_bad = v == DNS_STREAM_BAD;
		if (v == DNS_STREAM_MESSAGE && !c->is_ending)
			answer(c, msg, msg_len);
	}
	return c->is_bad ? len : taken;
}

static void on_event(void *ctx, enum tcp_event event)
{
	struct conn *c = ctx;

	c->guest_ended |= event == TCP_EVENT_PEER_FIN;
}

static const struct tcp_ops tcp_ops = { on_emit, on_avail, on_consumed, on_deliver, on_event };

/* ---- connections -------------------------------------------------------------------------- */

/* Gives up the connection at @i, whose endpoint is closed. */
static void forget(struct service_dns_tcp *t, size_t i)
{
	struct conn *c = t->conns[i];

	tcp_conn_drop(&c->tcp);
	dns_stream_done(&c->in);
	bytes_done(&c->out);
	free(c);
	t->conns[i] = t->conns[--t->n];
}

static nsec_t wants(const struct conn *c)
{
	return nsec_min(tcp_conn_next(&c->tcp), c->idle_at);
}

static void find_next(struct service_dns_tcp *t)
{
	t->next = NSEC_NEVER;
	for (size_t i = 0; i < t->n; i++)
		t->next = nsec_min(t->next, wants(t->conns[i]));
}

static bool goes_on(const struct conn *c)
{
	return !c->is_bad && c->tcp.state != TCPS_CLOSED;
}

/* Acts on what was noted. The connection at @i may be gone afterwards. */
static void settle(struct service_dns_tcp *t, size_t i)
{
	struct conn *c = t->conns[i];

	if (goes_on(c))
		tcp_conn_output(&c->tcp, t->now);
	if (goes_on(c))
		tcp_conn_set_space(&c->tcp, c->out.len < DNS_TCP_OUT_MAX ? UINT16_MAX : 0, false, t->now);
	/* What was kept may have been read just now, and answered. */
	if (goes_on(c))
		tcp_conn_output(&c->tcp, t->now);
	if (c->is_bad && c->tcp.state != TCPS_CLOSED) {
		t->counters.bad_streams++;
		tcp_conn_abort(&c->tcp);
	}
	if (c->tcp.state == TCPS_CLOSED)
		forget(t, i);
}

static bool is_of(const struct conn *c, const struct packet *p)
{
	return c->port == p->src_port && ip_equal(&c->guest, &p->src) && ip_equal(&c->self, &p->dst);
}

static size_t find(const struct service_dns_tcp *t, const struct packet *p)
{
	size_t i = 0;

	while (i < t->n && !is_of(t->conns[i], p))
		i++;
	return i;
}

static size_t find_id(const struct service_dns_tcp *t, uint64_t id)
{
	size_t i = 0;

	while (i < t->n && t->conns[i]->id != id)
		i++;
	return i;
}

static size_t count_of(const struct service_dns_tcp *t, const struct mac_addr *mac)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += mac_equal(&t->conns[i]->mac, mac);
	return n;
}

/* The connection that has to go before another of those who have most. */
static size_t victim(const struct service_dns_tcp *t)
{
	size_t best = 0, best_count = 0;

	for (size_t i = 0; i < t->n; i++) {
		size_t n = count_of(t, &t->conns[i]->mac);

		if (n > best_count || (n == best_count && t->conns[i]->idle_at < t->conns[best]->idle_at)) {
			best = i;
			best_count = n;
		}
	}
	return best;
}

/* Makes room for one more of @mac. Returns false when it has its number. */
static bool make_room(struct service_dns_tcp *t, const struct mac_addr *mac)
{
	size_t i;

	if (count_of(t, mac) >= DNS_TCP_PER_SENDER)
		return false;
	if (t->n < DNS_TCP_MAX)
		return true;
	i = victim(t);
	tcp_conn_abort(&t->conns[i]->tcp);
	forget(t, i);
	t->counters.evicted++;
	return true;
}

static void refuse(struct service_dns_tcp *t, const struct packet *p, const struct tcp_segment *seg)
{
	struct packet_ip ip = header(&p->dst, &p->src);
	struct tcp_out out;

	if (tcp_reset_for(seg, &out))
		(void)send_piece(t, &ip, p->src_port, &out, NULL, 0);
}

/* @iss_from: the least ISS, where @is_reuse. Returns false when there is no connection: the segment is refused. */
static bool open_conn(struct service_dns_tcp *t, const struct packet *p, const struct tcp_segment *seg, bool is_reuse,
		      uint32_t iss_from)
{
	bool is_ip6 = p->src.family == IP_V6;
	uint32_t mtu_min = is_ip6 ? MTU_MIN_IPV6 : MTU_MIN_IPV4, mtu = t->mtu > UINT16_MAX ? UINT16_MAX : t->mtu;
	struct tcp_params params = { .iss = (uint32_t)prng_u64(&t->rng),
				     .ts_offset = (uint32_t)prng_u64(&t->rng),
				     .space = UINT16_MAX,
				     .mtu = (uint16_t)(mtu < mtu_min ? mtu_min : mtu),
				     .is_ip6 = is_ip6 };
	struct conn *c;

	if (is_reuse)
		params.iss = iss_from + params.iss % REUSE_STEP;
	if ((seg->flags & (TCPF_SYN | TCPF_ACK | TCPF_RST | TCPF_FIN)) != TCPF_SYN || !make_room(t, &p->eth_src))
		return false;
	c = calloc(1, sizeof *c);
	if (!c)
		return false;
	c->owner = t;
	c->guest = p->src;
	c->self = p->dst;
	c->mac = p->eth_src;
	c->port = p->src_port;
	c->id = ++t->last_id;
	c->idle_at = t->now + DNS_TCP_IDLE_NS;
	dns_stream_init(&c->in, DNS_TCP_QUERY_MAX);
	(void)tcp_conn_passive(&c->tcp, &t->common, c, &params, seg, t->now);
	t->conns[t->n++] = c;
	t->counters.opened++;
	tcp_conn_accept(&c->tcp, t->now);
	return true;
}

void service_dns_tcp_take(struct service_dns_tcp *t, const struct packet *p, nsec_t now)
{
	struct tcp_segment seg = { .seq = p->tcp_seq,
				   .ack = p->tcp_ack,
				   .window = p->tcp_window,
				   .flags = p->tcp_flags,
				   .data = p->payload_len ? p->data + p->payload : NULL,
				   .len = p->payload_len };
	size_t i = find(t, p);
	uint32_t iss_from = 0;
	bool is_reuse = false;

	t->now = now;
	(void)tcp_options_parse(p->data + p->tcp_options, p->tcp_options_len, &seg.opt);
	if (i < t->n && tcp_conn_input(&t->conns[i]->tcp, &seg, now) == TCP_REUSE) {
		is_reuse = true;
		iss_from = tcp_conn_next_iss(&t->conns[i]->tcp);
		forget(t, i);
		i = t->n;
	}
	if (i < t->n) {
		settle(t, i);
	} else if (!open_conn(t, p, &seg, is_reuse, iss_from)) {
		t->counters.refused++;
		refuse(t, p, &seg);
	}
	find_next(t);
}

bool service_dns_tcp_may_wait(struct service_dns_tcp *t, uint64_t conn)
{
	size_t i = find_id(t, conn);

	if (i == t->n || t->conns[i]->n_pending == DNS_TCP_PENDING_MAX)
		return false;
	t->conns[i]->n_pending++;
	return true;
}

void service_dns_tcp_waits_no_more(struct service_dns_tcp *t, uint64_t conn)
{
	size_t i = find_id(t, conn);

	if (i < t->n && t->conns[i]->n_pending)
		t->conns[i]->n_pending--;
}

void service_dns_tcp_answered(struct service_dns_tcp *t, uint64_t conn, const uint8_t *msg, size_t len, nsec_t now)
{
	size_t i = find_id(t, conn);
	struct conn *c;

	if (i == t->n || t->conns[i]->n_pending == 0 || len > DNS_MSG_MAX)
		return;
	t->now = now;
	c = t->conns[i];
	c->n_pending--;
	c->idle_at = now + DNS_TCP_IDLE_NS;
	put_answer(c, msg, len);
	settle(t, i);
	find_next(t);
}

/* Nothing moved for too long: our side ends; what does not end by that is reset. */
static void end_idle(struct service_dns_tcp *t, struct conn *c)
{
	t->counters.idle++;
	if (c->is_ending || !tcp_conn_may_send(&c->tcp))
		tcp_conn_abort(&c->tcp);
	c->is_ending = true;
	c->idle_at = t->now + DNS_TCP_IDLE_NS;
}

void service_dns_tcp_run(struct service_dns_tcp *t, nsec_t now)
{
	t->now = now;
	/* From the end: what is forgotten gives its place to the last one, which was run. */
	for (size_t i = t->n; i-- > 0;) {
		struct conn *c = t->conns[i];

		if (wants(c) > now)
			continue;
		if (tcp_conn_next(&c->tcp) <= now)
			tcp_conn_run(&c->tcp, now);
		if (c->tcp.state != TCPS_CLOSED && c->idle_at <= now)
			end_idle(t, c);
		settle(t, i);
	}
	find_next(t);
}

nsec_t service_dns_tcp_next(const struct service_dns_tcp *t)
{
	return t->next;
}

/* ---- its life -------------------------------------------------------------------------------- */

int service_dns_tcp_new(const struct service_env *env, const struct service_dns_tcp_ops *ops,
			struct service_dns_tcp **ret)
{
	struct service_dns_tcp *t = calloc(1, sizeof *t);
	char name[NAME_SIZE];

	if (!t)
		return -ENOMEM;
	t->station = env->station;
	t->pool = env->pool;
	t->mtu = env->mtu;
	t->ops = *ops;
	t->next = NSEC_NEVER;
	(void)snprintf(name, sizeof name, "%s/dns-tcp", env->name);
	prng_init(&t->rng, env->seed, name);
	tcp_common_init(&t->common, &tcp_ops);
	t->common.store.bytes_max = DNS_TCP_KEPT_MAX;
	t->common.store.conn_max = DNS_TCP_KEPT_MAX / DNS_TCP_MAX;
	t->common.time_wait = TIME_WAIT_S * NSEC_PER_SEC;
	t->common.keep_idle = NSEC_NEVER;
	*ret = t;
	return 0;
}

static void forget_all(struct service_dns_tcp *t)
{
	while (t->n)
		forget(t, t->n - 1);
	t->next = NSEC_NEVER;
}

struct service_dns_tcp *service_dns_tcp_free(struct service_dns_tcp *t)
{
	if (!t)
		return NULL;
	forget_all(t);
	free(t);
	return NULL;
}

size_t service_dns_tcp_count(const struct service_dns_tcp *t)
{
	return t->n;
}

uint64_t service_dns_tcp_held_bytes(const struct service_dns_tcp *t)
{
	uint64_t sum = t->common.store.bytes;

	for (size_t i = 0; i < t->n; i++)
		sum += sizeof *t->conns[i] + t->conns[i]->out.len + t->conns[i]->in.len;
	return sum;
}

const struct service_dns_tcp_counters *service_dns_tcp_counters(const struct service_dns_tcp *t)
{
	return &t->counters;
}

void service_dns_tcp_state(struct service_dns_tcp *t, struct state *s)
{
	prng_state(&t->rng, s);
	if (state_is_load(s))
		forget_all(t);
}
