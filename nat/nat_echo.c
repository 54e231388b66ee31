/* nat/nat_echo.c: ICMP echo through ping sockets, or through raw sockets that were there before the cell.
 *
 * A ping socket has an identifier of the host's own, which is put in place by the kernel; none is bound, since two with
 * one identifier would take each other's answers. A raw socket sees all ICMP of the host, so identifiers are
 * drawn at random and looked up. Errors come in a ping socket's error queue, and to a raw socket as the messages they are.
 *
 * Used by: nat/nat_in.c.   Sources: icmp(7), raw(7); RFC 5508 §3, §4. */
#include "nat/nat_private.h"

#include "core/checksum.h"
#include "core/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { IDS = 65536, DRAWS = 32 };

static void to_guest(struct nat_datagrams *d, const struct host_way *from, const uint8_t *icmp, size_t len)
{
	struct nat *n = d->nat;
	bool is6 = d->flow.key.family == IP_V6;
	struct packet_ip ip = { .dst = flow_key_guest(&d->flow.key),
				.proto = is6 ? PROTO_ICMPV6 : PROTO_ICMP,
				.ttl = nat_hop(from->ttl),
				.tos = from->tos };
	struct wire_writer w = wire_write_to(n->packet, NAT_PACKET_MAX);

	if (len < PACKET_ICMP_LEN || icmp[0] != (is6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY))
		return;
	if (!nat_peers_has(&d->peers, &from->addr)) {
		n->count.echo_filtered++;
		return;
	}
	ip.src = reach_guest_view(&n->cfg.networks[d->flow.key.network].reach, &from->addr);
	packet_put_ip(&w, &ip, len);
	packet_put_icmp(&w, &ip, icmp[0], icmp[1], (uint32_t)d->flow.key.guest_port << 16 | load_be16(icmp + 6),
			icmp + PACKET_ICMP_LEN, len - PACKET_ICMP_LEN);
	if (w.failed)
		return;
	d->n_in++;
	n->count.echo_in++;
	nat_send_ip(n, d->flow.key.network, n->packet, wire_put_len(&w));
}

static void on_ping(void *ctx, unsigned events, nsec_t now)
{
	struct nat_datagrams *d = ctx;
	struct nat *n = d->nat;
	struct host_way from;
	unsigned n_failed = 0;
	ssize_t len;

	n->now = now;
	if (events & HOST_ERROR)
		nat_datagrams_errors(d);
	while ((len = host_recv(d->sock, n->data, NAT_PACKET_MAX, &from)) != -EAGAIN && n_failed < NAT_BUDGET) {
		if (len >= 0) {
			to_guest(d, &from, n->data, (size_t)len);
			continue;
		}
		n_failed++;
		nat_datagrams_errors(d);
	}
}

/* ---- raw sockets --------------------------------------------------------------------- */

static struct nat_datagrams *by_outer_id(const struct nat *n, bool is6, uint16_t id)
{
	return n->by_outer_id[is6] ? n->by_outer_id[is6][id] : NULL;
}

/* An ICMP error from outside: about an echo of ours when the packet in it says so. */
static void raw_error(struct nat *n, bool is6, const struct host_way *from, const uint8_t *icmp, size_t len)
{
	struct icmp_cause c = { .offender = from->addr, .type = icmp[0], .code = icmp[1] };
	struct nat_datagrams *d;
	struct host_error e = { .len = PACKET_ICMP_LEN };
	struct packet q;

	if (packet_parse_ip(icmp + PACKET_ICMP_LEN, len - PACKET_ICMP_LEN, false, &q) != PACKET_OK ||
	    q.proto != (is6 ? PROTO_ICMPV6 : PROTO_ICMP) || q.icmp_type != (is6 ? ICMP6_ECHO : ICMP4_ECHO) ||
	    q.is_fragment)
		return;
	d = by_outer_id(n, is6, q.icmp_id);
	if (!d || !nat_peers_has(&d->peers, &q.dst))
		return;
	c.rest = load_be32(icmp + 4);
	e.to = q.dst;
	len = nat_datagrams_quote(d, &e, icmp + PACKET_ICMP_LEN + q.l4);
	if (len)
		nat_send_error(n, d->flow.key.network, flow_source_id(&d->flow), &c, n->packet, len);
}

static void raw_message(struct nat *n, bool is6, const struct host_way *from, const uint8_t *icmp, size_t len)
{
	bool is_error =
		is6 ? icmp[0] >= ICMP6_UNREACHABLE && icmp[0] <= ICMP6_PARAMETER :
		      icmp[0] == ICMP4_UNREACHABLE || icmp[0] == ICMP4_TIME_EXCEEDED || icmp[0] == ICMP4_PARAMETER;
	struct nat_datagrams *d;

	if (is_error) {
		raw_error(n, is6, from, icmp, len);
		return;
	}
	if (icmp[0] != (is6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY))
		return;
	d = by_outer_id(n, is6, load_be16(icmp + 4));
	if (d)
		to_guest(d, from, icmp, len);
}

static void on_raw(struct nat *n, bool is6, nsec_t now)
{
	struct host_way from;
	unsigned n_failed = 0;
	ssize_t len;

	n->now = now;
	while ((len = host_recv(n->raw[is6], n->data, NAT_PACKET_MAX, &from)) != -EAGAIN && n_failed < NAT_BUDGET) {
		const uint8_t *icmp = n->data;
		size_t head = 0;

		if (len < 0) {
			n_failed++;
			continue;
		}
		if (!is6 && len >= PACKET_IPV4_LEN) { /* raw(7): the IP header is there in IPv4 only */
			head = (size_t)(icmp[0] & 15) * 4;
			from.ttl = icmp[8];
		}
		if ((size_t)len >= head + PACKET_ICMP_LEN && (is6 || head >= PACKET_IPV4_LEN))
			raw_message(n, is6, &from, icmp + head, (size_t)len - head);
	}
}

static void on_raw4(void *ctx, unsigned events, nsec_t now)
{
	(void)events;
	on_raw(ctx, false, now);
}

static void on_raw6(void *ctx, unsigned events, nsec_t now)
{
	(void)events;
	on_raw(ctx, true, now);
}

int nat_echo_open_raw(struct nat *n)
{
	for (unsigned is6 = 0; is6 < 2; is6++) {
		int fd = n->cfg.raw_icmp_fd[is6], r;

		if (fd < 0)
			continue;
		n->by_outer_id[is6] = calloc(IDS, sizeof *n->by_outer_id[is6]);
		if (!n->by_outer_id[is6])
			return -ENOMEM;
		r = host_adopt(n->host, fd, is6 ? on_raw6 : on_raw4, n, &n->raw[is6]);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool draw_id(struct nat *n, struct nat_datagrams *d, bool is6)
{
	for (unsigned i = 0; i < DRAWS; i++) {
		uint16_t id = (uint16_t)prng_u64(&n->prng);

		if (n->by_outer_id[is6][id])
			continue;
		n->by_outer_id[is6][id] = d;
		d->outer_id = id;
		d->has_outer_id = true;
		return true;
	}
	return false;
}

/* ---- from the guest ------------------------------------------------------------------- */

static void say_forbidden(struct nat *n, int error)
{
	n->count.echo_forbidden++;
	if (!n->said_echo)
		log_warn("guests cannot ping: the host allows no ping socket (%s), see net.ipv4.ping_group_range",
			 strerror(error));
	n->said_echo = true;
}

static struct nat_datagrams *open_flow(struct nat *n, const struct flow_key *key, uint64_t source)
{
	bool is6 = key->family == IP_V6;
	struct nat_datagrams *d = nat_datagrams_new(n, key, source, FLOW_ECHO_NS);
	int r;

	if (!d)
		return NULL;
	if (n->raw[is6])
		r = draw_id(n, d, is6) ? 0 : -EAGAIN;
	else
		r = host_ping_open(n->host, is6 ? IP_V6 : IP_V4, on_ping, d, &d->sock);
	if (r == 0)
		return d;
	say_forbidden(n, -r);
	nat_datagrams_end(n, d);
	return NULL;
}

/* The message as it goes out. Returns its length. A raw IPv4 socket wants the checksum; the others fill it in. */
static size_t put_request(struct nat *n, const struct nat_datagrams *d, const struct packet *p)
{
	size_t len = PACKET_ICMP_LEN + p->payload_len;

	memcpy(n->packet, p->data + p->l4, len);
	store_be16(n->packet + 2, 0);
	store_be16(n->packet + 4, d->has_outer_id ? d->outer_id : p->icmp_id);
	if (d->has_outer_id && p->kind == PACKET_IPV4)
		store_be16(n->packet + 2, checksum_fold(checksum_add(0, n->packet, len)));
	return len;
}

void nat_echo_take(struct nat *n, uint16_t network, uint64_t source, const struct packet *p, const struct ip_addr *real,
		   bool was_cut)
{
	bool is6 = p->kind == PACKET_IPV6;
	struct host_way to = { .addr = *real, .ttl = p->ttl, .tos = p->tos };
	struct nat_datagrams *d;
	struct flow_key k;
	struct flow *f;
	size_t len;
	int r;

	/* A guest's own errors and all else have nowhere to go: no socket sends them (RFC 5508 §4.2 is a SHOULD). */
	if (p->icmp_type != (is6 ? ICMP6_ECHO : ICMP4_ECHO) || p->icmp_code) {
		n->count.other_protocols++;
		return;
	}
	k = flow_key_make(FLOW_ECHO, network, &p->src, p->icmp_id, NULL, 0);
	f = flow_find(n->flows, &k);
	d = f ? (struct nat_datagrams *)f : open_flow(n, &k, source);
	if (!d)
		return;
	flow_use(n->flows, &d->flow, n->now);
	nat_datagrams_sent(d, p, &(struct host_way){ .addr = *real, .port = p->icmp_seq });
	if (nat_peers_add(&d->peers, real) < 0) {
		n->count.no_memory++;
		return;
	}
	to.dont_fragment = is6 ? !was_cut : p->dont_fragment;
	len = put_request(n, d, p);
	r = host_send(d->sock ? d->sock : n->raw[is6], &to, n->packet, len);
	d->n_out++;
	n->count.echo_out++;
	if (r < 0) {
		if (d->sock)
			nat_datagrams_errors(d);
		if (r != -EMSGSIZE)
			nat_tell_errno(n, network, source, -r, p);
	}
}
