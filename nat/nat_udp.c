/* nat/nat_udp.c: UDP, and what it has in common with echo.
 *
 * Used by: nat/nat_in.c, nat/nat_forward.c. */
#include "nat/nat_private.h"

#include "core/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DNS_PORT = 53, HOPS = 64, QUOTED_MAX = 1024 };

/* ---- peers ---------------------------------------------------------------------- */

bool nat_peers_has(const struct nat_peers *p, const struct ip_addr *ip)
{
	for (unsigned i = 0; i < p->n; i++)
		if (memcmp(p->addrs[i], ip->b, ip->family == IP_V4 ? 4 : 16) == 0)
			return true;
	return false;
}

int nat_peers_add(struct nat_peers *p, const struct ip_addr *ip)
{
	unsigned size = p->size ? 4u * p->size : 1;
	uint8_t(*addrs)[16];

	if (nat_peers_has(p, ip))
		return 0;
	if (p->n == p->size && p->n < NAT_PEERS_MAX) {
		addrs = realloc(p->addrs, size * sizeof *addrs);
		if (!addrs)
			return -ENOMEM;
		p->addrs = addrs;
		p->size = (uint16_t)size;
	}
	memcpy(p->addrs[p->next], ip->b, 16);
	p->n = p->n < p->size ? (uint16_t)(p->n + 1) : p->n;
	p->next = (uint16_t)((p->next + 1) % NAT_PEERS_MAX);
	return 0;
}

/* ---- flows of datagrams ----------------------------------------------------------- */

struct nat_datagrams *nat_datagrams_new(struct nat *n, const struct flow_key *key, uint64_t source, nsec_t idle_ns)
{
	struct nat_datagrams *d = calloc(1, sizeof *d);

	if (!d) {
		n->count.no_memory++;
		return NULL;
	}
	d->nat = n;
	d->flow.key = *key;
	d->flow.idle_ns = idle_ns;
	if (flow_add(n->flows, &d->flow, source, n->now) < 0) {
		n->count.no_memory++;
		free(d);
		return NULL;
	}
	return d;
}

void nat_datagrams_end(struct nat *n, struct nat_datagrams *d)
{
	bool is6 = d->flow.key.family == IP_V6;

	flow_remove(n->flows, &d->flow);
	d->sock = host_close(d->sock);
	if (d->has_outer_id)
		n->by_outer_id[is6][d->outer_id] = NULL;
	if (d->forward)
		nat_forward_put(n, d->forward);
	free(d->peers.addrs);
	free(d);
}

void nat_tell_errno(struct nat *n, uint16_t network, uint64_t source, int error, const struct packet *p)
{
	struct icmp_cause c;

	if (icmp_from_errno(p->src.family, error, &c))
		nat_answer_error(n, network, source, &c, p);
}

void nat_datagrams_sent(struct nat_datagrams *d, const struct packet *p, const struct host_way *to)
{
	struct nat_sent *s = &d->sent[d->next_sent];

	d->next_sent = (uint8_t)((d->next_sent + 1) % NAT_SENT);
	*s = (struct nat_sent){ .to = to->addr,
				.port = to->port,
				.id = (uint16_t)p->ip_id,
				.sum = load_be16(p->data + p->l4 + (p->proto == PROTO_UDP ? 6 : 2)),
				.len = (uint16_t)p->l4_len,
				.ttl = p->ttl,
				.tos = p->tos,
				.dont_fragment = p->dont_fragment,
				.has_sum = !p->offload.flags };
}

const struct nat_sent *nat_datagrams_last(const struct nat_datagrams *d, const struct ip_addr *to, uint16_t port)
{
	for (unsigned i = 1; i <= NAT_SENT; i++) {
		const struct nat_sent *s = &d->sent[(d->next_sent + NAT_SENT - i) % NAT_SENT];

		if (s->len && s->port == port && ip_equal(&s->to, to))
			return s;
	}
	return NULL;
}

/* Writes the head of UDP or echo, and the data, as far as it is known. Where the guest's own length and checksum are
 * known they stand there, else those of what is known. */
static void put_quoted_l4(const struct nat_datagrams *d, struct wire_writer *w, struct packet_ip *ip,
			  const struct nat_sent *sent, uint16_t port, const uint8_t *data, size_t len)
{
	bool is_udp = ip->proto == PROTO_UDP, is6 = ip->src.family == IP_V6, has_sum = sent && sent->has_sum;
	size_t head = is_udp ? PACKET_UDP_LEN : PACKET_ICMP_LEN;
	const uint8_t *body = is_udp || len <= head ? data : data + head;
	size_t n = is_udp ? len : len > head ? len - head : 0, at;

	if (has_sum && n > sent->len - head)
		n = sent->len - head;
	packet_put_ip(w, ip, has_sum ? sent->len : head + n);
	at = wire_put_len(w);
	if (is_udp)
		packet_put_udp(w, ip, d->flow.key.guest_port, port, body, n);
	else
		packet_put_icmp(w, ip, is6 ? ICMP6_ECHO : ICMP4_ECHO, 0, (uint32_t)d->flow.key.guest_port << 16 | port,
				body, n);
	if (w->failed || !has_sum)
		return;
	if (is_udp)
		store_be16(d->nat->packet + at + 4, sent->len);
	store_be16(d->nat->packet + at + (is_udp ? 6 : 2), sent->sum);
}

size_t nat_datagrams_quote(const struct nat_datagrams *d, const struct host_error *e, const uint8_t *data)
{
	const struct reach *r = &d->nat->cfg.networks[d->flow.key.network].reach;
	bool is_udp = d->flow.key.kind == FLOW_UDP;
	struct packet_ip ip = { .src = flow_key_guest(&d->flow.key), .dst = reach_guest_view(r, &e->to), .ttl = HOPS };
	struct wire_writer w = wire_write_to(d->nat->packet, NAT_PACKET_MAX);
	size_t len = e->len < QUOTED_MAX ? e->len : QUOTED_MAX;
	uint16_t port = is_udp ? e->port : len >= PACKET_ICMP_LEN ? load_be16(data + 6) : 0;
	const struct nat_sent *sent = nat_datagrams_last(d, &e->to, port);

	if (sent) {
		ip.id = sent->id;
		ip.ttl = sent->ttl;
		ip.tos = sent->tos;
		ip.dont_fragment = sent->dont_fragment;
	}
	ip.proto = is_udp ? PROTO_UDP : ip.src.family == IP_V6 ? PROTO_ICMPV6 : PROTO_ICMP;
	if (is_udp && d->forward)
		port = d->flow.key.remote_port;
	put_quoted_l4(d, &w, &ip, sent, port, data, len);
	return w.failed ? 0 : wire_put_len(&w);
}

void nat_datagrams_errors(struct nat_datagrams *d)
{
	struct nat *n = d->nat;
	struct icmp_cause c;
	struct host_error e;
	size_t len;
	int r;

	for (unsigned i = 0; i < NAT_BUDGET; i++) {
		r = host_recv_error(d->sock, n->data, NAT_PACKET_MAX, &e);
		if (r == -EAGAIN)
			return;
		if (r < 0 || e.to.family != d->flow.key.family || !icmp_from_queue(&e.queued, &c))
			continue;
		len = nat_datagrams_quote(d, &e, n->data);
		if (len)
			nat_send_error(n, d->flow.key.network, flow_source_id(&d->flow), &c, n->packet, len);
	}
}

/* ---- from outside ------------------------------------------------------------------ */

static void to_guest(struct nat_datagrams *d, const struct ip_addr *src, uint16_t src_port, const struct host_way *from,
		     const uint8_t *data, size_t len)
{
	struct nat *n = d->nat;
	struct packet_ip ip = { .src = *src,
				.dst = flow_key_guest(&d->flow.key),
				.proto = PROTO_UDP,
				.ttl = nat_hop(from->ttl),
				.tos = from->tos };
	struct wire_writer w = wire_write_to(n->packet, NAT_PACKET_MAX);

	packet_put_ip_udp(&w, &ip, src_port, d->flow.key.guest_port, data, len);
	if (w.failed)
		return;
	d->n_in++;
	n->count.udp_in++;
	nat_send_ip(n, d->flow.key.network, n->packet, wire_put_len(&w));
}

/* Only the guest's own packets keep a mapping open (RFC 4787 §6, REQ-6). */
static void on_socket(void *ctx, unsigned events, nsec_t now)
{
	struct nat_datagrams *d = ctx;
	struct nat *n = d->nat;
	struct ip_addr src;
	struct host_way from;
	unsigned n_failed = 0;
	ssize_t len;

	n->now = now;
	if (events & HOST_ERROR)
		nat_datagrams_errors(d);
	/* Until it is empty: an edge comes only once. A flood has the receive buffer's length at most. */
	while ((len = host_recv(d->sock, n->data, NAT_PACKET_MAX, &from)) != -EAGAIN && n_failed < NAT_BUDGET) {
		if (len < 0) {
			n_failed++;
			nat_datagrams_errors(d);
			continue;
		}
		if (!nat_peers_has(&d->peers, &from.addr)) {
			n->count.udp_filtered++;
			continue;
		}
		src = reach_guest_view(&n->cfg.networks[d->flow.key.network].reach, &from.addr);
		to_guest(d, &src, from.port, &from, n->data, (size_t)len);
	}
}

/* ---- from the guest ------------------------------------------------------------------ */

static void say_sockets(struct nat *n, int error)
{
	n->count.no_socket++;
	if (!n->said_sockets)
		log_warn("no socket for a guest: %s; such flows fail and are counted", strerror(error));
	n->said_sockets = true;
}

static struct nat_datagrams *open_flow(struct nat *n, const struct flow_key *key, uint64_t source,
				       const struct packet *p)
{
	bool is_dns = p->dst_port == DNS_PORT;
	struct nat_datagrams *d = nat_datagrams_new(n, key, source, is_dns ? FLOW_UDP_DNS_NS : FLOW_UDP_NS);
	int r;

	if (!d)
		return NULL;
	d->is_dns = is_dns;
	r = host_udp_open(n->host, p->src.family, p->src_port, on_socket, d, &d->sock);
	if (r == 0)
		return d;
	say_sockets(n, -r);
	nat_tell_errno(n, key->network, source, -r, p);
	nat_datagrams_end(n, d);
	return NULL;
}

static struct nat_datagrams *find_flow(struct nat *n, uint16_t network, uint64_t source, const struct packet *p)
{
	struct flow_key k = flow_key_make(FLOW_UDP, network, &p->src, p->src_port, &p->dst, p->dst_port);
	struct flow *f = flow_find(n->flows, &k); /* the answer to a forward's client */

	if (!f) {
		k = flow_key_make(FLOW_UDP, network, &p->src, p->src_port, NULL, 0);
		f = flow_find(n->flows, &k);
	}
	return f ? (struct nat_datagrams *)f : open_flow(n, &k, source, p);
}

void nat_udp_take(struct nat *n, uint16_t network, uint64_t source, const struct packet *p, const struct ip_addr *real,
		  bool was_cut)
{
	struct nat_datagrams *d = find_flow(n, network, source, p);
	struct host_way to = { .addr = *real, .port = p->dst_port, .ttl = p->ttl, .tos = p->tos };
	int r;

	if (!d)
		return;
	to.dont_fragment = p->kind == PACKET_IPV6 ? !was_cut : p->dont_fragment;
	if (d->is_dns && p->dst_port != DNS_PORT && !d->forward) {
		d->is_dns = false;
		flow_set_idle(n->flows, &d->flow, FLOW_UDP_NS);
	}
	flow_use(n->flows, &d->flow, n->now);
	if (d->forward) {
		to.addr = d->client;
		to.port = d->client_port;
	}
	nat_datagrams_sent(d, p, &to);
	if (d->forward) {
		r = host_send(d->forward->sock, &to, p->data + p->payload, p->payload_len);
	} else if (nat_peers_add(&d->peers, real) < 0) {
		n->count.no_memory++;
		return;
	} else {
		r = host_send(d->sock, &to, p->data + p->payload, p->payload_len);
	}
	d->n_out++;
	n->count.udp_out++;
	if (r < 0) {
		n->count.udp_failed++;
		if (d->sock)
			nat_datagrams_errors(d);
		/* What is too big is told by the error queue, with the MTU. */
		if (r != -EMSGSIZE)
			nat_tell_errno(n, network, source, -r, p);
	}
}

/* ---- forwards --------------------------------------------------------------------------- */

static struct nat_datagrams *client_flow(struct nat_forward *f, const struct ip_addr *guest, const struct ip_addr *view,
					 const struct host_way *from)
{
	static const struct mac_addr nobody;
	struct nat *n = f->nat;
	struct flow_key k = flow_key_make(FLOW_UDP, f->cfg.network, guest, f->cfg.port, view, from->port);
	struct flow *known = flow_find(n->flows, &k);
	struct nat_datagrams *d;

	if (known) {
		d = (struct nat_datagrams *)known;
		return d->forward == f ? d : NULL;
	}
	d = nat_datagrams_new(n, &k, nat_source(f->cfg.network, &nobody), FLOW_UDP_NS);
	if (d) {
		d->forward = f;
		f->n_flows++;
		d->client = from->addr;
		d->client_port = from->port;
	}
	return d;
}

void nat_udp_forward(void *ctx, unsigned events, nsec_t now)
{
	struct nat_forward *f = ctx;
	struct nat *n = f->nat;
	struct host_way from;
	struct host_error e;
	unsigned n_failed = 0;
	ssize_t len;

	n->now = now;
	if (events & HOST_ERROR)
		while (host_recv_error(f->sock, n->data, NAT_PACKET_MAX, &e) == 0)
			continue;
	while ((len = host_recv(f->sock, n->data, NAT_PACKET_MAX, &from)) != -EAGAIN && n_failed < NAT_BUDGET) {
		struct ip_addr guest, view;
		struct nat_datagrams *d;
		const struct reach *r = &n->cfg.networks[f->cfg.network].reach;

		if (len < 0) {
			n_failed++;
			continue;
		}
		if (nat_forward_target(n, f, from.addr.family, &guest) < 0 ||
		    nat_forward_view(r, &from.addr, &view) < 0) {
			n->count.forward_no_address++;
			continue;
		}
		d = client_flow(f, &guest, &view, &from);
		if (!d)
			continue;
		flow_use(n->flows, &d->flow, now);
		to_guest(d, &view, from.port, &from, n->data, (size_t)len);
	}
}
