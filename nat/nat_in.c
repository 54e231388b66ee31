/* nat/nat_in.c: a frame from the station: judged, put together, and handed to its protocol.
 *
 * Used by: nat/uplink.c. */
#include "core/checksum.h"
#include "nat/message.h"
#include "nat/nat_private.h"

#include <string.h>

static void take_message(struct nat *n, uint16_t network, const struct frame *f, nsec_t now)
{
	struct message m;

	n->count.messages++;
	if (!message_parse(f->data, f->len, &m)) {
		n->count.bad_messages++;
		return;
	}
	switch (m.type) {
	case MESSAGE_LEASE:
		nat_lease_set(n, network, &m.mac, &m.ip, m.is_known);
		break;
	case MESSAGE_QUERY:
		if (n->cfg.out.query)
			n->cfg.out.query(n->cfg.out.ctx, network, f->data, f->len, now);
		break;
	case MESSAGE_ANSWER:
		n->count.bad_messages++;
		break;
	}
}

/* Judges where @p goes. Returns false when the guest was told that it goes nowhere. */
static bool may_go(struct nat *n, uint16_t network, uint64_t source, const struct packet *p, struct ip_addr *ret_real)
{
	const struct reach *r = &n->cfg.networks[network].reach;
	enum reach_verdict v = reach_check(r, &p->dst, ret_real);
	struct icmp_cause c;

	if (v == REACH_OK && !r->host_loopback && host_is_own(n->host, ret_real))
		v = REACH_OWN;
	if (v == REACH_OK)
		return true;
	n->count.refused[v]++;
	c = icmp_prohibited(p->dst.family);
	nat_answer_error(n, network, source, &c, p);
	return false;
}

/* True when the packet belongs to a connection, or answers a forward's client: its way was judged. A client on the host's
 * loopback has the service address here, which nobody else may send to. */
static bool is_known(const struct nat *n, uint16_t network, const struct packet *p)
{
	struct flow_key k;

	if (p->proto != PROTO_TCP && p->proto != PROTO_UDP)
		return false;
	k = flow_key_make(p->proto == PROTO_TCP ? FLOW_TCP : FLOW_UDP, network, &p->src, p->src_port, &p->dst,
			  p->dst_port);
	return flow_find(n->flows, &k) != NULL;
}

/* True when the packet was for the service address, and somebody beside the NAT took it. */
static bool is_taken(struct nat *n, uint16_t network, const struct packet *p)
{
	struct ip_addr service;

	return n->cfg.out.own && p->proto == PROTO_UDP && nat_router(n, network, p->dst.family, &service) &&
	       ip_equal(&p->dst, &service) && n->cfg.out.own(n->cfg.out.ctx, network, p, n->now);
}

/* @was_cut: it came in fragments. */
static void take_whole(struct nat *n, uint16_t network, uint64_t source, const struct packet *p, bool was_cut)
{
	struct ip_addr real = p->dst;
	bool is_icmp = p->proto == (p->kind == PACKET_IPV6 ? PROTO_ICMPV6 : PROTO_ICMP);
	struct icmp_cause c;

	if (!packet_checksums_ok(p)) {
		n->count.bad_checksums++;
		return;
	}
	if (is_taken(n, network, p))
		return;
	if (!is_known(n, network, p) && !may_go(n, network, source, p, &real))
		return;
	if (p->proto == PROTO_UDP) {
		nat_udp_take(n, network, source, p, &real, was_cut);
	} else if (p->proto == PROTO_TCP) {
		nat_tcp_take(n, network, source, p, &real);
	} else if (is_icmp) {
		nat_echo_take(n, network, source, p, &real, was_cut);
	} else {
		n->count.other_protocols++;
		/* RFC 792: protocol unreachable. RFC 4443 §3.1: no IPv6 code says so of a router. */
		c = icmp_prohibited(p->dst.family);
		if (p->kind == PACKET_IPV4)
			c.code = 2;
		nat_answer_error(n, network, source, &c, p);
	}
}

static void take_fragment(struct nat *n, uint16_t network, uint64_t source, const struct packet *p)
{
	const uint8_t *ip;
	struct packet whole;
	size_t len;

	if (!packet_checksums_ok(p)) {
		n->count.bad_checksums++;
		return;
	}
	if (frag_take(n->frag, network, source, p, n->now, &ip, &len) != FRAG_WHOLE)
		return;
	if (packet_parse_ip(ip, len, true, &whole) != PACKET_OK || whole.is_fragment)
		n->count.malformed++;
	else
		take_whole(n, network, source, &whole, true);
}

void nat_take(struct nat *n, uint16_t network, const uint8_t *data, uint32_t len, const struct frame_offload *offload,
	      nsec_t now)
{
	struct frame *f = n->in;
	struct packet p;
	uint64_t source;

	n->now = now;
	n->count.frames++;
	if (network >= n->cfg.n_networks || len > f->size || len < PACKET_ETH_LEN) {
		n->count.malformed++;
		return;
	}
	memcpy(f->data, data, len);
	f->len = len;
	f->offload = *offload;
	if (load_be16(f->data + 12) == ETYPE_MESSAGE) {
		take_message(n, network, f, now);
		return;
	}
	if (!frame_offload_check(f)) {
		n->count.bad_offload++;
		return;
	}
	if (packet_parse(f, &p) != PACKET_OK || (p.kind != PACKET_IPV4 && p.kind != PACKET_IPV6)) {
		n->count.malformed++;
		return;
	}
	if (!p.ttl) {
		n->count.expired_hops++;
		return;
	}
	source = nat_source(network, &p.eth_src);
	if (p.is_fragment)
		take_fragment(n, network, source, &p);
	else
		take_whole(n, network, source, &p, false);
}
