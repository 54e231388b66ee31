/* core/packet.c: finds the headers of one frame.
 *
 * Every step takes a reader (core/wire.h) over what the step before left, so a length that lies ends in a
 * failed reader. IP's own length shortens the reader before anything behind it is read.
 *
 * Used by: the fabric's service stations, dhcp, dns, nat.   Depends on: core/checksum.h, core/wire.h.
 * Sources: in core/packet.h. */
#include "core/packet.h"

#include "core/checksum.h"

#include <string.h>

enum {
	ARP_ETHERNET = 1,
	EXT_HOP_BY_HOP = 0,
	EXT_ROUTING = 43,
	EXT_FRAGMENT = 44,
	EXT_AUTH = 51,
	EXT_DESTINATION = 60,
	EXT_MOBILITY = 135,
	EXT_HIP = 139,
	EXT_SHIM6 = 140,
	FRAG_HEADER_LEN = 8,
	IPV4_DF = 0x4000,
	IPV4_MF = 0x2000,
	IPV4_OFFSET = 0x1fff,
	IP_LEN_MAX = 65535,
	FLAG_NEEDS_CSUM = 1,
	FLAG_DATA_VALID = 2,
	IPV4_FULL = 32,
	IPV6_FULL = 128,
};

static uint32_t offset_of(const struct packet *p, const struct wire_reader *r)
{
	return (uint32_t)(r->p - p->data);
}

static struct ip_addr get_ipv4(struct wire_reader *r)
{
	struct ip_addr a = { .family = IP_V4, .prefix_len = IPV4_FULL };
	const uint8_t *b = wire_get(r, 4);

	if (b)
		memcpy(a.b, b, 4);
	return a;
}

static struct ip_addr get_ipv6(struct wire_reader *r)
{
	struct ip_addr a = { .family = IP_V6, .prefix_len = IPV6_FULL };
	const uint8_t *b = wire_get(r, 16);

	if (b)
		memcpy(a.b, b, 16);
	return a;
}

static struct mac_addr get_mac(struct wire_reader *r)
{
	struct mac_addr m = { 0 };
	const uint8_t *b = wire_get(r, MAC_LEN);

	if (b)
		memcpy(m.b, b, MAC_LEN);
	return m;
}

/* ---- above IP ------------------------------------------------------------ */

static bool parse_udp(struct packet *p, struct wire_reader r, bool is_whole)
{
	uint16_t len;

	p->src_port = wire_get_be16(&r);
	p->dst_port = wire_get_be16(&r);
	len = wire_get_be16(&r);
	(void)wire_get_be16(&r);
	if (r.failed || len < PACKET_UDP_LEN || (is_whole && len > p->l4_len))
		return false;
	p->payload = offset_of(p, &r);
	p->payload_len = len - (uint32_t)PACKET_UDP_LEN;
	if (p->payload_len > r.left)
		p->payload_len = (uint32_t)r.left;
	return true;
}

static bool parse_tcp(struct packet *p, struct wire_reader r, bool is_whole)
{
	uint32_t header_len;

	p->src_port = wire_get_be16(&r);
	p->dst_port = wire_get_be16(&r);
	p->tcp_seq = wire_get_be32(&r);
	if (!is_whole && !r.failed && r.left < PACKET_TCP_LEN - 8) {
		p->payload = p->l4 + p->l4_len;
		return true;
	}
	p->tcp_ack = wire_get_be32(&r);
	header_len = 4u * (wire_get_u8(&r) >> 4);
	p->tcp_flags = wire_get_u8(&r);
	p->tcp_window = wire_get_be16(&r);
	(void)wire_get_be32(&r); /* checksum, urgent pointer */
	if (r.failed || header_len < PACKET_TCP_LEN || (is_whole && header_len > p->l4_len))
		return false;
	p->tcp_options = offset_of(p, &r);
	p->tcp_options_len = header_len - PACKET_TCP_LEN;
	if (p->tcp_options_len > r.left)
		p->tcp_options_len = (uint32_t)r.left;
	p->payload = p->tcp_options + p->tcp_options_len;
	p->payload_len = (uint32_t)r.left - p->tcp_options_len;
	return true;
}

static bool parse_icmp(struct packet *p, struct wire_reader r)
{
	p->icmp_type = wire_get_u8(&r);
	p->icmp_code = wire_get_u8(&r);
	(void)wire_get_be16(&r);
	p->icmp_id = wire_get_be16(&r);
	p->icmp_seq = wire_get_be16(&r);
	p->payload = offset_of(p, &r);
	p->payload_len = (uint32_t)r.left;
	return !r.failed;
}

/* @r: over the IP packet's payload, whose offset and length p has. */
static bool parse_upper(struct packet *p, struct wire_reader r, bool is_whole)
{
	p->payload = p->l4;
	p->payload_len = p->l4_len;
	if (p->is_fragment && (p->frag_offset || is_whole))
		return true;
	switch (p->proto) {
	case PROTO_UDP:
		p->payload_len = 0;
		return parse_udp(p, r, is_whole && !p->is_fragment);
	case PROTO_TCP:
		p->payload_len = 0;
		return parse_tcp(p, r, is_whole && !p->is_fragment);
	case PROTO_ICMP:
		return p->kind != PACKET_IPV4 || parse_icmp(p, r);
	case PROTO_ICMPV6:
		return p->kind != PACKET_IPV6 || parse_icmp(p, r);
	default:
		return true;
	}
}

/* ---- IP -------------------------------------------------------------------- */

/* RFC 791 §3.2, RFC 8200 §4.5: all but the last are of whole eight bytes, none is empty, and none ends beyond
 * the longest packet. @header_len: of what stands before the payload in the whole packet. */
static bool fragment_fits(const struct packet *p, uint32_t header_len, bool is_whole)
{
	if (!p->is_fragment || !is_whole)
		return true;
	if (!p->l4_len || (p->frag_more && p->l4_len % 8))
		return false;
	return header_len + p->frag_offset + p->l4_len <= IP_LEN_MAX;
}

/* Shortens @r, over an IP packet of @left bytes, to its length @len. */
static bool cut_to(struct wire_reader *r, uint32_t len, bool is_whole)
{
	if (len > r->left)
		return !is_whole;
	r->left = len;
	return true;
}

static bool parse_ipv4(struct packet *p, struct wire_reader r, bool is_whole)
{
	struct wire_reader all = r;
	uint8_t first = wire_get_u8(&r);
	uint32_t header_len = 4u * (first & 15);
	uint32_t len;
	uint16_t frag;

	p->kind = PACKET_IPV4;
	p->tos = wire_get_u8(&r);
	len = wire_get_be16(&r);
	p->ip_id = wire_get_be16(&r);
	frag = wire_get_be16(&r);
	p->ttl = wire_get_u8(&r);
	p->proto_at = offset_of(p, &r);
	p->proto = wire_get_u8(&r);
	(void)wire_get_be16(&r);
	p->src = get_ipv4(&r);
	p->dst = get_ipv4(&r);
	if (r.failed || first >> 4 != 4 || header_len < PACKET_IPV4_LEN || len < header_len ||
	    !cut_to(&all, len, is_whole))
		return false;
	p->l3_len = (uint32_t)all.left;
	if (!wire_get(&all, header_len))
		return false;
	p->has_options = header_len > PACKET_IPV4_LEN;
	p->l4 = p->l3 + header_len;
	p->l4_len = (uint32_t)all.left;
	p->dont_fragment = frag & IPV4_DF;
	p->frag_more = frag & IPV4_MF;
	p->frag_offset = (uint16_t)((frag & IPV4_OFFSET) * 8);
	p->is_fragment = p->frag_more || p->frag_offset;
	return fragment_fits(p, header_len, is_whole) && parse_upper(p, all, is_whole);
}

static bool is_extension(uint8_t proto)
{
	switch (proto) {
	case EXT_HOP_BY_HOP:
	case EXT_ROUTING:
	case EXT_FRAGMENT:
	case EXT_AUTH:
	case EXT_DESTINATION:
	case EXT_MOBILITY:
	case EXT_HIP:
	case EXT_SHIM6:
		return true;
	default:
		return false;
	}
}

/* Takes one extension header, of which p->proto is the type, from @r. */
static bool take_extension(struct packet *p, struct wire_reader *r)
{
	uint32_t at = offset_of(p, r);
	uint8_t type = p->proto;
	uint16_t frag;

	if (type == EXT_FRAGMENT) {
		if (p->frag_header)
			return false; /* one packet is cut once */
		p->frag_header = at;
		p->frag_proto_at = p->proto_at;
	}
	p->proto_at = at;
	p->proto = wire_get_u8(r);
	if (type != EXT_FRAGMENT) {
		uint32_t units = wire_get_u8(r);

		p->has_options = true;
		/* RFC 4302 §2.2: in units of four bytes, less two. The rest in eight, less one. */
		return wire_get(r, type == EXT_AUTH ? 4 * units + 6 : 8 * units + 6);
	}
	(void)wire_get_u8(r);
	frag = wire_get_be16(r);
	p->ip_id = wire_get_be32(r);
	p->frag_offset = frag & 0xfff8;
	p->frag_more = frag & 1;
	p->is_fragment = p->frag_more || p->frag_offset;
	return !r->failed;
}

static bool parse_ipv6(struct packet *p, struct wire_reader r, bool is_whole)
{
	uint32_t first = wire_get_be32(&r);
	uint32_t len = wire_get_be16(&r);
	unsigned n = 0;

	p->kind = PACKET_IPV6;
	p->tos = (uint8_t)(first >> 20);
	p->proto_at = offset_of(p, &r);
	p->proto = wire_get_u8(&r);
	p->ttl = wire_get_u8(&r);
	p->src = get_ipv6(&r);
	p->dst = get_ipv6(&r);
	if (r.failed || first >> 28 != 6 || !cut_to(&r, len, is_whole))
		return false;
	p->l3_len = PACKET_IPV6_LEN + (uint32_t)r.left;
	/* Behind the fragment header of a later fragment lie bytes of the middle. */
	while (is_extension(p->proto) && !(p->is_fragment && p->frag_offset)) {
		/* RFC 8200 §4.1: hop-by-hop options come first, or not at all. */
		if (n++ == PACKET_EXT_MAX || (p->proto == EXT_HOP_BY_HOP && n != 1) || !take_extension(p, &r))
			return false;
		if (p->is_fragment && is_whole)
			break;
	}
	p->l4 = offset_of(p, &r);
	p->l4_len = (uint32_t)r.left;
	return fragment_fits(p, p->frag_header ? p->frag_header - p->l3 - PACKET_IPV6_LEN : 0, is_whole) &&
	       parse_upper(p, r, is_whole);
}

/* ---- Ethernet ------------------------------------------------------------ */

static bool parse_arp(struct packet *p, struct wire_reader r)
{
	uint16_t hardware = wire_get_be16(&r), type = wire_get_be16(&r);
	uint8_t mac_len = wire_get_u8(&r), ip_len = wire_get_u8(&r);

	p->arp.op = wire_get_be16(&r);
	if (r.failed)
		return false;
	p->kind = PACKET_OTHER;
	if (hardware != ARP_ETHERNET || type != ETYPE_IPV4 || mac_len != MAC_LEN || ip_len != 4)
		return true;
	p->kind = PACKET_ARP;
	p->arp.sender_mac = get_mac(&r);
	p->arp.sender = get_ipv4(&r);
	p->arp.target_mac = get_mac(&r);
	p->arp.target = get_ipv4(&r);
	return !r.failed;
}

static enum packet_verdict parse(const uint8_t *data, size_t len, const struct frame_offload *offload, struct packet *p)
{
	struct wire_reader r = wire_read_from(data, len);
	bool is_good = true;

	*p = (struct packet){ .data = data, .frame_len = (uint32_t)len };
	if (offload)
		p->offload = *offload;
	p->eth_dst = get_mac(&r);
	p->eth_src = get_mac(&r);
	p->ethertype = wire_get_be16(&r);
	while (p->n_tags < PACKET_TAGS_MAX && (p->ethertype == ETYPE_VLAN || p->ethertype == ETYPE_QINQ)) {
		p->tags[p->n_tags++] = wire_get_be16(&r);
		p->ethertype = wire_get_be16(&r);
	}
	if (r.failed)
		return PACKET_MALFORMED;
	p->l3 = offset_of(p, &r);
	if (p->ethertype == ETYPE_IPV4)
		is_good = parse_ipv4(p, r, true);
	else if (p->ethertype == ETYPE_IPV6)
		is_good = parse_ipv6(p, r, true);
	else if (p->ethertype == ETYPE_ARP)
		is_good = parse_arp(p, r);
	return is_good ? PACKET_OK : PACKET_MALFORMED;
}

enum packet_verdict packet_parse(const struct frame *f, struct packet *ret)
{
	return parse(f->data, f->len, &f->offload, ret);
}

enum packet_verdict packet_parse_bytes(const void *data, size_t len, struct packet *ret)
{
	return parse(data, len, NULL, ret);
}

enum packet_verdict packet_parse_ip(const void *data, size_t len, bool is_whole, struct packet *ret)
{
	struct wire_reader r = wire_read_from(data, len);
	uint8_t version = len ? *r.p >> 4 : 0;
	bool is_good;

	*ret = (struct packet){ .data = data, .frame_len = (uint32_t)len };
	ret->ethertype = version == 4 ? ETYPE_IPV4 : ETYPE_IPV6;
	is_good = version == 4 ? parse_ipv4(ret, r, is_whole) : parse_ipv6(ret, r, is_whole);
	return is_good ? PACKET_OK : PACKET_MALFORMED;
}

/* ---- checksums ------------------------------------------------------------- */

bool packet_ip_checksum_ok(const struct packet *p)
{
	return p->kind != PACKET_IPV4 || p->offload.gso_type ||
	       checksum_fold(checksum_add(0, p->data + p->l3, p->l4 - p->l3)) == 0;
}

bool packet_checksums_ok(const struct packet *p)
{
	uint32_t len = p->l4_len;
	uint32_t sum;

	if (p->kind != PACKET_IPV4 && p->kind != PACKET_IPV6)
		return true;
	if (!packet_ip_checksum_ok(p))
		return false;
	if (p->is_fragment || p->offload.gso_type || (p->offload.flags & (FLAG_NEEDS_CSUM | FLAG_DATA_VALID)))
		return true;
	switch (p->proto) {
	case PROTO_UDP:
		if (!load_be16(p->data + p->l4 + 6))
			return p->kind == PACKET_IPV4;
		len = PACKET_UDP_LEN + p->payload_len;
		break;
	case PROTO_TCP:
		break;
	case PROTO_ICMP:
		return p->kind != PACKET_IPV4 || checksum_fold(checksum_add(0, p->data + p->l4, len)) == 0;
	case PROTO_ICMPV6:
		if (p->kind != PACKET_IPV6)
			return true;
		break;
	default:
		return true;
	}
	sum = packet_pseudo_sum(&p->src, &p->dst, p->proto, len);
	return checksum_fold(checksum_add(sum, p->data + p->l4, len)) == 0;
}
