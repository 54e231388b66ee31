/* nat/nat_tcp.c: TCP: a guest's connection on one side (nat/tcp.h), a socket of the host on the other.
 *
 * Data for the guest stays in the socket until the guest acknowledged it. Data from the guest goes to the socket at once;
 * after a short write the window closes until the socket has room, and the rest is kept by the connection. While
 * the socket takes all, the window is at least WINDOW_MIN: the guest can then always make a write short, which is what
 * makes the kernel tell of room.
 *
 * A guest without TSO sends a batch of small frames. All but the last one are written with MSG_MORE, so that the kernel
 * makes large segments of them; who has not got its last one is pushed when the batch ends.
 *
 * Used by: nat/nat_in.c, nat/nat_forward.c.   Sources: RFC 9293, 5382; tcp(7). */
#include "nat/nat_private.h"

#include "core/checksum.h"
#include "core/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_MIN = 64 << 10, CORK_MAX = 16 << 10, NEEDS_CSUM = 1, GSO_TCP4 = 1, GSO_TCP6 = 4, CSUM_OFFSET = 16, PORTS_MAX = 65536 };

static struct nat_tcp *of_flow(struct flow *f)
{
	return (struct nat_tcp *)f;
}

/* ---- what the connection asks for --------------------------------------------------- */

struct where {
	const struct ip_addr *src, *dst;
	uint16_t network, src_port, dst_port, csum;
};

/* Writes the headers of a segment with @len bytes of data. Returns their length; the data follows. */
static uint32_t put_heads(uint8_t *buf, const struct where *wh, const struct tcp_out *out, const uint8_t *options,
			  size_t n_options)
{
	static const struct mac_addr none;
	struct packet_ip ip = {
		.src = *wh->src, .dst = *wh->dst, .proto = PROTO_TCP, .ttl = 64, .dont_fragment = true
	};
	size_t tcp_len = PACKET_TCP_LEN + n_options;
	struct wire_writer w = wire_write_to(buf, PACKET_ETH_LEN + packet_ip_len(&ip) + tcp_len);
	uint32_t sum = packet_pseudo_sum(&ip.src, &ip.dst, PROTO_TCP, tcp_len + out->len);

	packet_put_eth(&w, &none, &none, ip.src.family == IP_V6 ? ETYPE_IPV6 : ETYPE_IPV4);
	packet_put_ip(&w, &ip, tcp_len + out->len);
	wire_put_be16(&w, wh->src_port);
	wire_put_be16(&w, wh->dst_port);
	wire_put_be32(&w, out->seq);
	wire_put_be32(&w, out->ack);
	wire_put_u8(&w, (uint8_t)(tcp_len / 4 << 4));
	wire_put_u8(&w, out->flags);
	wire_put_be16(&w, out->window);
	wire_put_be16(&w, (uint16_t)~checksum_fold(sum)); /* of the pseudo header only: NEEDS_CSUM */
	wire_put_be16(&w, 0);
	wire_put_bytes(&w, options, n_options);
	return w.failed ? 0 : (uint32_t)wire_put_len(&w);
}

/* @t: NULL for a segment without data. Returns 0, or a negative number. */
static int send_segment(struct nat *n, struct nat_tcp *t, const struct where *wh, const struct tcp_out *out)
{
	uint8_t options[TCP_OPTIONS_SIZE];
	size_t n_options = tcp_options_put(&out->opt, options);
	bool is6 = wh->src->family == IP_V6;
	uint32_t ip_len = is6 ? PACKET_IPV6_LEN : PACKET_IPV4_LEN;
	uint32_t head = PACKET_ETH_LEN + ip_len + PACKET_TCP_LEN + (uint32_t)n_options;
	struct frame_offload offload = { .flags = NEEDS_CSUM,
					 .csum_start = (uint16_t)(PACKET_ETH_LEN + ip_len),
					 .csum_offset = CSUM_OFFSET };
	uint8_t *room = n->cfg.out.reserve(n->cfg.out.ctx, wh->network, head + out->len);

	if (!room)
		return -ENOBUFS;
	if (put_heads(room, wh, out, options, n_options) != head)
		return -EMSGSIZE;
	if (out->len && (!t || !t->sock || host_peek(t->sock, out->offset, room + head, out->len) < 0))
		return -EAGAIN;
	if (out->gso_size) {
		offload.gso_type = is6 ? GSO_TCP6 : GSO_TCP4;
		offload.gso_size = out->gso_size;
		offload.hdr_len = (uint16_t)head;
	}
	n->cfg.out.commit(n->cfg.out.ctx, wh->network, head + out->len, &offload, n->now);
	return 0;
}

static int on_emit(void *ctx, const struct tcp_out *out)
{
	struct nat_tcp *t = ctx;
	struct nat *n = t->nat;
	struct ip_addr guest = flow_key_guest(&t->flow.key), remote = flow_key_remote(&t->flow.key);
	struct where wh = { .src = &remote,
			    .dst = &guest,
			    .network = t->flow.key.network,
			    .src_port = t->flow.key.remote_port,
			    .dst_port = t->flow.key.guest_port };
	int r = send_segment(n, t, &wh, out);

	if (r == -ENOBUFS && !t->is_stalled) {
		t->is_stalled = true;
		t->stalled_next = n->stalled[wh.network];
		n->stalled[wh.network] = t;
	}
	return r;
}

static size_t on_avail(void *ctx, bool *ret_fin)
{
	struct nat_tcp *t = ctx;

	*ret_fin = false;
	if (!t->sock)
		return 0;
	if (t->unread > HOST_PEEK_MAX && !host_peeks_anywhere(t->sock))
		return HOST_PEEK_MAX;
	*ret_fin = t->is_eof;
	return t->unread;
}

static void on_consumed(void *ctx, size_t len)
{
	struct nat_tcp *t = ctx;

	if (!t->sock)
		return;
	host_consume(t->sock, len);
	t->unread -= len < t->unread ? len : t->unread;
	t->n_in += len;
}

static size_t on_deliver(void *ctx, const uint8_t *data, size_t len)
{
	struct nat_tcp *t = ctx;
	bool more = t->nat->more && len < CORK_MAX;
	ssize_t n;

	if (!t->sock || t->is_blocked || t->is_failed)
		return 0;
	n = host_write(t->sock, data, len, more);
	if (n < 0) {
		t->is_failed = true;
		return 0;
	}
	t->took = true;
	t->is_corked = more && n;
	t->is_blocked = (size_t)n < len;
	t->n_out += (uint64_t)n;
	return (size_t)n;
}

static void on_tcp_event(void *ctx, enum tcp_event event)
{
	struct nat_tcp *t = ctx;

	switch (event) {
	case TCP_EVENT_OPEN:
		flow_set_idle(t->nat->flows, &t->flow, FLOW_TCP_NS);
		break;
	case TCP_EVENT_PEER_FIN:
		if (t->sock)
			host_shutdown(t->sock);
		break;
	case TCP_EVENT_DONE:
		t->sock = host_close(t->sock);
		flow_retire(&t->flow);
		break;
	case TCP_EVENT_RESET:
	case TCP_EVENT_TIMED_OUT:
		t->is_reset = true;
		break;
	case TCP_EVENT_COUNT:
		break;
	}
}

const struct tcp_ops nat_tcp_ops = {
	.emit = on_emit, .avail = on_avail, .consumed = on_consumed, .deliver = on_deliver, .event = on_tcp_event
};

/* ---- its life -------------------------------------------------------------------------- */

static void unstall(struct nat_tcp *t)
{
	struct nat_tcp **at = &t->nat->stalled[t->flow.key.network];

	if (!t->is_stalled)
		return;
	while (*at != t)
		at = &(*at)->stalled_next;
	*at = t->stalled_next;
	t->is_stalled = false;
}

static void undirty(struct nat_tcp *t)
{
	struct nat_tcp **at = &t->nat->dirty;

	if (!t->is_dirty)
		return;
	while (*at != t)
		at = &(*at)->dirty_next;
	*at = t->dirty_next;
	t->is_dirty = false;
}

void nat_tcp_end(struct nat_tcp *t)
{
	struct nat *n = t->nat;

	if (t->sock && (t->is_reset || t->conn.state != TCPS_CLOSED))
		host_reset(t->sock);
	t->sock = host_close(t->sock);
	tcp_conn_drop(&t->conn);
	unstall(t);
	undirty(t);
	heap_move(&n->timers, &t->timer, NSEC_NEVER);
	flow_remove(n->flows, &t->flow);
	free(t);
}

/* After anything was done to the connection. @t may be gone afterwards. */
static void settle(struct nat_tcp *t)
{
	if (t->is_failed && t->conn.state != TCPS_CLOSED) {
		tcp_conn_abort(&t->conn);
		t->is_reset = true;
	}
	if (t->conn.state == TCPS_CLOSED)
		nat_tcp_end(t);
	else
		heap_move(&t->nat->timers, &t->timer, tcp_conn_next(&t->conn));
}

/* Tells the connection what the socket takes now. */
static void update_space(struct nat_tcp *t)
{
	bool is_queued = true;
	size_t room = 0;

	if (!t->sock)
		return;
	if (!t->is_blocked) {
		room = host_room(t->sock, &is_queued);
		room = room < WINDOW_MIN ? WINDOW_MIN : room;
	}
	t->took = false;
	tcp_conn_set_space(&t->conn, room > TCP_WINDOW_MAX ? TCP_WINDOW_MAX : (uint32_t)room, is_queued, t->nat->now);
}

static void pump(struct nat_tcp *t)
{
	if (t->is_failed) {
		settle(t);
		return;
	}
	if (t->took)
		update_space(t);
	if (t->is_corked && t->sock)
		host_push(t->sock);
	t->is_corked = false;
	tcp_conn_output(&t->conn, t->nat->now);
	settle(t);
}

static void mark_dirty(struct nat_tcp *t)
{
	if (t->is_dirty)
		return;
	t->is_dirty = true;
	t->dirty_next = t->nat->dirty;
	t->nat->dirty = t;
}

/* Makes a flow without a socket and with a closed connection, or returns NULL. */
static struct nat_tcp *new_flow(struct nat *n, const struct flow_key *key, uint64_t source)
{
	struct nat_tcp *t = calloc(1, sizeof *t);

	if (!t) {
		n->count.no_memory++;
		return NULL;
	}
	t->nat = n;
	t->flow.key = *key;
	t->flow.idle_ns = FLOW_TCP_OPENING_NS;
	heap_item_init(&t->timer, 0);
	t->conn.state = TCPS_CLOSED;
	t->conn.common = &n->tcp;
	if (heap_reserve(&n->timers, flow_count(n->flows) + 1) < 0 ||
	    flow_add(n->flows, &t->flow, source, n->now) < 0) {
		n->count.no_memory++;
		free(t);
		return NULL;
	}
	return t;
}

static struct tcp_params params_for(struct nat *n, uint16_t network, bool is6)
{
	return (struct tcp_params){ .iss = (uint32_t)prng_u64(&n->prng),
				    .ts_offset = (uint32_t)prng_u64(&n->prng),
				    .space = WINDOW_MIN,
				    .mtu = (uint16_t)n->cfg.networks[network].mtu,
				    .is_ip6 = is6 };
}

/* ---- from the host --------------------------------------------------------------------- */

/* The guest's SYN, as far as an ICMP error quotes it. */
static size_t put_syn(const struct nat_tcp *t, uint8_t *buf, size_t size)
{
	struct packet_ip ip = { .src = flow_key_guest(&t->flow.key),
				.dst = flow_key_remote(&t->flow.key),
				.proto = PROTO_TCP,
				.ttl = t->ttl };
	struct packet_tcp tcp = { .src_port = t->flow.key.guest_port,
				  .dst_port = t->flow.key.remote_port,
				  .seq = t->syn_seq,
				  .flags = TCP_SYN };
	struct wire_writer w = wire_write_to(buf, size);

	packet_put_ip(&w, &ip, PACKET_TCP_LEN);
	packet_put_tcp(&w, &ip, &tcp, NULL, 0);
	return w.failed ? 0 : wire_put_len(&w);
}

/* connect() failed: RST for a refusal, an ICMP error for an ICMP error, and silence for silence. */
static void connect_failed(struct nat_tcp *t, int error)
{
	struct nat *n = t->nat;
	struct icmp_cause c;
	struct host_error e;
	bool told = false;
	size_t len;

	while (t->sock && host_recv_error(t->sock, n->data, NAT_PACKET_MAX, &e) == 0)
		if (icmp_from_queue(&e.queued, &c))
			told = true;
	if (!told && error == ECONNREFUSED) {
		n->count.tcp_refused++;
		tcp_conn_refuse(&t->conn);
		nat_tcp_end(t);
		return;
	}
	if (told || icmp_from_errno(t->flow.key.family == IP_V6 ? IP_V6 : IP_V4, error, &c)) {
		len = put_syn(t, n->packet, NAT_PACKET_MAX);
		if (len)
			nat_send_error(n, t->flow.key.network, flow_source_id(&t->flow), &c, n->packet, len);
	}
	n->count.tcp_unreachable++;
	t->is_reset = true;
	nat_tcp_end(t);
}

/* Takes the end of connect(). Returns false when the flow is gone, or still connects. */
static bool connected(struct nat_tcp *t, unsigned events)
{
	int r;

	if (!t->is_connecting)
		return true;
	/* The guest has reset it in the batch that is being taken. */
	if (t->conn.state != TCPS_CONNECTING) {
		settle(t);
		return false;
	}
	if (!(events & (HOST_OUT | HOST_ERROR)))
		return false;
	r = host_result(t->sock);
	if (r < 0) {
		connect_failed(t, -r);
		return false;
	}
	if (events & HOST_ERROR && !(events & HOST_OUT))
		return false;
	t->is_connecting = false;
	t->took = true;
	update_space(t);
	tcp_conn_accept(&t->conn, t->nat->now);
	return true;
}

static void on_socket(void *ctx, unsigned events, nsec_t now)
{
	struct nat_tcp *t = ctx;
	struct nat *n = t->nat;
	struct host_error e;

	n->now = now;
	if (!connected(t, events))
		return;
	if (events & HOST_ERROR) {
		/* An ICMP error of an open connection is a note (RFC 5461): what ends it is the socket's error. */
		if (host_result(t->sock) < 0)
			t->is_failed = true;
		while (host_recv_error(t->sock, n->data, NAT_PACKET_MAX, &e) == 0)
			continue;
	}
	t->is_eof |= (events & HOST_END) != 0; /* before its data is counted: nothing follows then */
	t->unread = host_unread(t->sock);
	if (events & HOST_OUT && t->is_blocked) {
		t->is_blocked = false;
		t->took = true;
	}
	pump(t);
}

/* ---- from the guest --------------------------------------------------------------------- */

static void answer_unknown(struct nat *n, uint16_t network, const struct packet *p, const struct tcp_segment *seg)
{
	struct where wh = {
		.src = &p->dst, .dst = &p->src, .network = network, .src_port = p->dst_port, .dst_port = p->src_port
	};
	struct tcp_out out;

	n->count.tcp_unknown++;
	if (tcp_reset_for(seg, &out))
		(void)send_segment(n, NULL, &wh, &out);
}

static void open_flow(struct nat *n, const struct flow_key *key, uint64_t source, const struct packet *p,
		      const struct tcp_segment *seg, const struct ip_addr *real, const uint32_t *iss)
{
	struct tcp_params params = params_for(n, key->network, p->kind == PACKET_IPV6);
	struct host_way to = { .addr = *real, .port = p->dst_port, .ttl = p->ttl, .tos = p->tos };
	struct nat_tcp *t = new_flow(n, key, source);
	int r;

	if (!t)
		return;
	if (iss)
		params.iss = *iss;
	t->ttl = p->ttl;
	t->syn_seq = seg->seq;
	if (!tcp_conn_passive(&t->conn, &n->tcp, t, &params, seg, n->now)) {
		nat_tcp_end(t);
		return;
	}
	t->is_connecting = true;
	n->count.tcp_opened++;
	r = host_connect(n->host, &to, on_socket, t, &t->sock);
	if (r == 0) {
		settle(t);
		return;
	}
	if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM)
		n->count.no_socket++;
	connect_failed(t, -r);
}

void nat_tcp_take(struct nat *n, uint16_t network, uint64_t source, const struct packet *p, const struct ip_addr *real)
{
	struct flow_key k = flow_key_make(FLOW_TCP, network, &p->src, p->src_port, &p->dst, p->dst_port);
	struct flow *f = flow_find(n->flows, &k);
	struct tcp_segment seg = { .seq = p->tcp_seq,
				   .ack = p->tcp_ack,
				   .window = p->tcp_window,
				   .flags = p->tcp_flags,
				   .data = p->payload_len ? p->data + p->payload : NULL,
				   .len = p->payload_len };
	bool is_syn = (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
	uint32_t iss;

	if (!tcp_options_parse(p->data + p->tcp_options, p->tcp_options_len, &seg.opt)) {
		n->count.malformed++;
		return;
	}
	if (f) {
		struct nat_tcp *t = of_flow(f);

		flow_use(n->flows, f, n->now);
		if (tcp_conn_input(&t->conn, &seg, n->now) != TCP_REUSE) {
			mark_dirty(t);
			return;
		}
		iss = tcp_conn_next_iss(&t->conn);
		nat_tcp_end(t);
		open_flow(n, &k, source, p, &seg, real, &iss);
		return;
	}
	if (is_syn)
		open_flow(n, &k, source, p, &seg, real, NULL);
	else
		answer_unknown(n, network, p, &seg);
}

void nat_tcp_flush(struct nat *n, nsec_t now)
{
	n->now = now;
	while (n->dirty) {
		struct nat_tcp *t = n->dirty;

		n->dirty = t->dirty_next;
		t->is_dirty = false;
		pump(t);
	}
}

void nat_tcp_run(struct nat *n, nsec_t now)
{
	n->now = now;
	while (heap_next(&n->timers) <= now) {
		struct nat_tcp *t =
			(struct nat_tcp *)((char *)heap_first(&n->timers) - offsetof(struct nat_tcp, timer));

		tcp_conn_run(&t->conn, now);
		settle(t);
	}
}

void nat_tcp_room(struct nat *n, uint16_t network, nsec_t now)
{
	struct nat_tcp *list = n->stalled[network];

	n->now = now;
	/* Each is tried once: who finds no room is put into the new list. */
	n->stalled[network] = NULL;
	for (struct nat_tcp *t = list; t; t = t->stalled_next)
		t->is_stalled = false;
	while (list) {
		struct nat_tcp *t = list;

		list = t->stalled_next;
		pump(t);
	}
}

/* ---- forwards ----------------------------------------------------------------------------- */

/* A key that is free: the client's own port, or the next one where a connection from another client has it. */
static bool free_key(struct nat *n, const struct nat_forward *f, const struct ip_addr *guest,
		     const struct ip_addr *view, uint16_t port, struct flow_key *ret_key)
{
	for (unsigned i = 0; i < PORTS_MAX; i++) {
		*ret_key = flow_key_make(FLOW_TCP, f->cfg.network, guest, f->cfg.port, view, port);
		if (port && !flow_find(n->flows, ret_key))
			return true;
		port++;
	}
	return false;
}

/* Gives an accepted socket a flow. @t: with the socket. */
static void accept_one(struct nat *n, const struct nat_forward *f, struct nat_tcp *t, const struct host_way *from)
{
	static const struct mac_addr nobody;
	const struct reach *r = &n->cfg.networks[f->cfg.network].reach;
	struct tcp_params params = params_for(n, f->cfg.network, from->addr.family == IP_V6);
	struct ip_addr guest, view;

	if (nat_forward_target(n, f, from->addr.family, &guest) < 0 || nat_forward_view(r, &from->addr, &view) < 0 ||
	    !free_key(n, f, &guest, &view, from->port, &t->flow.key)) {
		n->count.forward_no_address++;
	} else if (heap_reserve(&n->timers, flow_count(n->flows) + 1) < 0 ||
		   flow_add(n->flows, &t->flow, nat_source(f->cfg.network, &nobody), n->now) < 0) {
		n->count.no_memory++;
	} else {
		n->count.tcp_accepted++;
		tcp_conn_active(&t->conn, &n->tcp, t, &params, n->now);
		t->took = true;
		pump(t);
		return;
	}
	host_reset(t->sock);
	t->sock = host_close(t->sock);
	free(t);
}

void nat_tcp_forward(void *ctx, unsigned events, nsec_t now)
{
	struct nat_forward *f = ctx;
	struct nat *n = f->nat;

	(void)events;
	n->now = now;
	for (unsigned i = 0; i < NAT_BUDGET; i++) {
		struct nat_tcp *t = calloc(1, sizeof *t);
		struct host_way from;

		if (!t) {
			n->count.no_memory++;
			return;
		}
		t->nat = n;
		t->is_forward = true;
		t->flow.idle_ns = FLOW_TCP_OPENING_NS;
		heap_item_init(&t->timer, 0);
		if (host_accept(f->sock, on_socket, t, &t->sock, &from) < 0) {
			free(t);
			return;
		}
		accept_one(n, f, t, &from);
	}
}
