/* fabric/station_icmp.c: echo replies, ICMP errors and RST.
 *
 * Who is told of an error: the sender of a packet that was for one address in both layers, that is no later
 * fragment, and that is no ICMP error itself (RFC 1122 §3.2.2, RFC 4443 §2.4 e). How often: ERROR_EACH_NS apart
 * for each sender's MAC (by a hash: senders may share one) and ERROR_ALL_NS apart for all, beyond a burst of each.
 *
 * Used by: fabric/station_element.c, fabric/station_neighbour.c.   Depends on: fabric/station_private.h.
 * Sources: RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3.2 and §5.3.1, RFC 4443, RFC 9293 §3.10.7.1. */
#include "fabric/station_private.h"

#include "core/checksum.h"

#include <string.h>

#define ERROR_EACH_NS (10 * NSEC_PER_MSEC)
#define ERROR_ALL_NS NSEC_PER_MSEC

enum {
	ERROR_EACH_BURST = 20,
	ERROR_ALL_BURST = 100,
	ERROR_TOS = 0xc0, /* RFC 1812 §4.3.2.5: precedence 6 */
	ERROR_IPV4_MAX = 576, /* RFC 1812 §4.3.2.3: the whole error */
	ERROR_IPV6_MAX = 1280, /* RFC 4443 §2.4 c */
};

/* Sends what @w has written into @f to the sender of @p. */
static void reply(struct station *st, struct frame *f, const struct wire_writer *w, const struct packet *p, nsec_t now)
{
	f->len += (uint32_t)wire_put_len(w);
	station_route(st, f, &p->src, true, now);
}

/* The header of an answer to @p. */
static struct packet_ip answer_header(struct station *st, const struct packet *p, uint8_t proto)
{
	struct packet_ip ip = { .src = p->dst,
				.dst = p->src,
				.proto = proto,
				.ttl = STATION_HOP_LIMIT,
				.id = station_next_id(st),
				.dont_fragment = true };

	if (!station_is_own(st, &ip.src))
		ip.src = station_source(st, &ip.dst);
	return ip;
}

/* ---- echo ------------------------------------------------------------------------ */

/* All nodes and all routers of the link (RFC 4443 §4.2: a group may be asked; RFC 1122 §3.2.2.6: not in IPv4). */
static bool is_own_group(const struct ip_addr *ip)
{
	static const uint8_t group[15] = { 0xff, 0x02 };

	return ip->family == IP_V6 && memcmp(ip->b, group, sizeof group) == 0 && (ip->b[15] == 1 || ip->b[15] == 2);
}

bool station_is_echo(const struct station *st, const struct packet *p)
{
	if (p->icmp_type != (p->kind == PACKET_IPV4 ? ICMP4_ECHO : ICMP6_ECHO) || p->icmp_code != 0)
		return false;
	return (station_is_own(st, &p->dst) || is_own_group(&p->dst)) && !ip_is_unspecified(&p->src);
}

void station_answer_echo(struct station *st, const struct packet *p, nsec_t now)
{
	bool is_v4 = p->kind == PACKET_IPV4;
	struct packet_ip ip = answer_header(st, p, is_v4 ? PROTO_ICMP : PROTO_ICMPV6);
	struct frame *f = station_frame_new(st, packet_ip_len(&ip) + PACKET_ICMP_LEN + p->payload_len);
	struct wire_writer w;

	if (!f)
		return;
	ip.tos = p->tos; /* RFC 1122 §3.2.2.6 */
	w = station_behind_eth(f);
	packet_put_ip(&w, &ip, PACKET_ICMP_LEN + p->payload_len);
	packet_put_icmp(&w, &ip, is_v4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY, 0, load_be32(p->data + p->l4 + 4),
			p->data + p->payload, p->payload_len);
	st->said.echoes++;
	reply(st, f, &w, p, now);
}

/* ---- errors ---------------------------------------------------------------------- */

static bool has_room(nsec_t bucket, nsec_t each, int burst, nsec_t now)
{
	return bucket <= now || bucket - now <= each * (burst - 1);
}

/* Takes a token of the sender and one of all. */
static bool may_tell(struct station *st, const struct mac_addr *sender, nsec_t now)
{
	uint64_t h = st->hash_seed;
	nsec_t *bucket;

	for (size_t i = 0; i < MAC_LEN; i++)
		h = (h ^ sender->b[i]) * 0x100000001b3ull; /* FNV-1a */
	bucket = &st->buckets[(h ^ h >> 32) % STATION_BUCKETS];
	if (!has_room(*bucket, ERROR_EACH_NS, ERROR_EACH_BURST, now) ||
	    !has_room(st->bucket_all, ERROR_ALL_NS, ERROR_ALL_BURST, now))
		return false;
	*bucket = nsec_max(*bucket, now) + ERROR_EACH_NS;
	st->bucket_all = nsec_max(st->bucket_all, now) + ERROR_ALL_NS;
	return true;
}

/* RFC 1122 §3.2.2 (the types that ask or answer are no errors), RFC 4443 §2.4 e. The type is read from the first
 * fragment as well. */
static bool is_icmp_error(const struct packet *p)
{
	uint8_t type;

	if (p->proto != (p->kind == PACKET_IPV4 ? PROTO_ICMP : PROTO_ICMPV6))
		return false;
	if (!p->l4_len)
		return true;
	type = p->data[p->l4];
	if (p->kind == PACKET_IPV6)
		return type < ICMP6_ECHO || type == ICMP6_REDIRECT;
	return type != ICMP4_ECHO_REPLY && type != ICMP4_ECHO && !(type >= 13 && type <= 18) && type != 9 && type != 10;
}

static bool may_be_told(const struct packet *p)
{
	if (mac_is_multicast(&p->eth_dst) || ip_is_unspecified(&p->src) || (p->is_fragment && p->frag_offset))
		return false;
	if (p->dst.family == IP_V6 ? p->dst.b[0] == 0xff : p->dst.b[0] >> 4 == 14)
		return false;
	return !is_icmp_error(p);
}

struct error_form {
	uint8_t type, code;
};

static const struct error_form forms[STATION_ERROR_COUNT][2] = {
	[STATION_NET_UNREACHABLE] = { { ICMP4_UNREACHABLE, 0 }, { ICMP6_UNREACHABLE, 0 } },
	[STATION_HOST_UNREACHABLE] = { { ICMP4_UNREACHABLE, 1 }, { ICMP6_UNREACHABLE, 3 } },
	[STATION_PORT_UNREACHABLE] = { { ICMP4_UNREACHABLE, 3 }, { ICMP6_UNREACHABLE, 4 } },
	[STATION_PROTO_UNREACHABLE] = { { ICMP4_UNREACHABLE, 2 }, { ICMP6_PARAMETER, 1 } },
	[STATION_BEYOND_SCOPE] = { { ICMP4_UNREACHABLE, 0 }, { ICMP6_UNREACHABLE, 2 } },
	[STATION_EXCEEDED] = { { ICMP4_EXCEEDED, 0 }, { ICMP6_EXCEEDED, 0 } },
};

void station_error(struct station *st, enum station_error error, struct frame *f, const struct packet *p, nsec_t now)
{
	bool is_v4 = p->kind == PACKET_IPV4;
	const struct error_form *form = &forms[error][is_v4 ? 0 : 1];
	struct packet_ip ip;
	struct wire_writer w;
	struct frame *told;
	size_t len;

	if (!may_be_told(p))
		return;
	if (!may_tell(st, &p->eth_src, now)) {
		st->said.errors_limited++;
		return;
	}
	/* What is quoted is what a wire would have carried. */
	if (!p->offload.gso_type)
		(void)frame_checksum_complete(f);
	ip = answer_header(st, p, is_v4 ? PROTO_ICMP : PROTO_ICMPV6);
	ip.tos = is_v4 ? ERROR_TOS : 0;
	len = (is_v4 ? ERROR_IPV4_MAX : ERROR_IPV6_MAX) - packet_ip_len(&ip) - PACKET_ICMP_LEN;
	if (len > p->l3_len)
		len = p->l3_len;
	told = station_frame_new(st, packet_ip_len(&ip) + PACKET_ICMP_LEN + len);
	if (!told)
		return;
	w = station_behind_eth(told);
	packet_put_ip(&w, &ip, PACKET_ICMP_LEN + len);
	/* RFC 4443 §3.4: a parameter problem points to the byte. */
	packet_put_icmp(&w, &ip, form->type, form->code,
			!is_v4 && form->type == ICMP6_PARAMETER ? p->proto_at - p->l3 : 0, f->data + p->l3, len);
	st->said.errors_sent++;
	reply(st, told, &w, p, now);
}

/* ---- RST ------------------------------------------------------------------------- */

void station_reset(struct station *st, const struct packet *p, nsec_t now)
{
	struct packet_tcp tcp = { .src_port = p->dst_port, .dst_port = p->src_port, .flags = TCP_RST };
	struct packet_ip ip;
	struct wire_writer w;
	struct frame *f;

	if ((p->tcp_flags & TCP_RST) || mac_is_multicast(&p->eth_dst) || ip_is_unspecified(&p->src))
		return;
	if (p->tcp_flags & TCP_ACK) {
		tcp.seq = p->tcp_ack;
	} else {
		tcp.flags |= TCP_ACK;
		tcp.ack = p->tcp_seq + p->payload_len + !!(p->tcp_flags & TCP_SYN) + !!(p->tcp_flags & TCP_FIN);
	}
	ip = answer_header(st, p, PROTO_TCP);
	f = station_frame_new(st, packet_ip_len(&ip) + PACKET_TCP_LEN);
	if (!f)
		return;
	w = station_behind_eth(f);
	packet_put_ip(&w, &ip, PACKET_TCP_LEN);
	packet_put_tcp(&w, &ip, &tcp, NULL, 0);
	st->said.resets_sent++;
	reply(st, f, &w, p, now);
}
