/* core/packet_put.c: writes Ethernet, ARP, IP, UDP, TCP and ICMP headers with complete checksums.
 *
 * A writer without room has failed and stays so (core/wire.h); no partial checksum is ever computed then.
 *
 * Used by: the fabric's service stations, dhcp, dns, nat.   Depends on: core/checksum.h, core/wire.h.
 * Sources: in core/packet.h. */
#include "core/packet.h"

#include "core/checksum.h"

#include <string.h>

enum {
	IP_LEN_MAX = 65535,
	IPV4_VERSION_IHL = 0x45,
	IPV4_DF = 0x4000,
	TCP_OPTIONS_MAX = 40,
	ARP_ETHERNET = 1,
};

size_t packet_ip_len(const struct packet_ip *ip)
{
	return ip->src.family == IP_V4 ? PACKET_IPV4_LEN : PACKET_IPV6_LEN;
}

static size_t addr_len(const struct ip_addr *a)
{
	return a->family == IP_V4 ? 4 : 16;
}

uint32_t packet_pseudo_sum(const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto, size_t len)
{
	/* The length is a 32-bit field in IPv6; both halves are added. */
	uint32_t sum = (uint32_t)proto + (uint32_t)(len & 0xffff) + (uint32_t)(len >> 16);

	sum = checksum_add(sum, src->b, addr_len(src));
	return checksum_add(sum, dst->b, addr_len(dst));
}

void packet_put_eth(struct wire_writer *w, const struct mac_addr *dst, const struct mac_addr *src, uint16_t ethertype)
{
	wire_put_bytes(w, dst->b, MAC_LEN);
	wire_put_bytes(w, src->b, MAC_LEN);
	wire_put_be16(w, ethertype);
}

static void put_ipv4(struct wire_writer *w, const struct packet_ip *ip, size_t payload_len)
{
	uint8_t *h = w->p;

	wire_put_u8(w, IPV4_VERSION_IHL);
	wire_put_u8(w, ip->tos);
	wire_put_be16(w, (uint16_t)(PACKET_IPV4_LEN + payload_len));
	wire_put_be16(w, ip->id);
	wire_put_be16(w, ip->dont_fragment ? IPV4_DF : 0);
	wire_put_u8(w, ip->ttl);
	wire_put_u8(w, ip->proto);
	wire_put_be16(w, 0);
	wire_put_bytes(w, ip->src.b, 4);
	wire_put_bytes(w, ip->dst.b, 4);
	if (!w->failed)
		store_be16(h + 10, checksum_fold(checksum_add(0, h, PACKET_IPV4_LEN)));
}

static void put_ipv6(struct wire_writer *w, const struct packet_ip *ip, size_t payload_len)
{
	wire_put_be32(w, 6u << 28 | (uint32_t)ip->tos << 20);
	wire_put_be16(w, (uint16_t)payload_len);
	wire_put_u8(w, ip->proto);
	wire_put_u8(w, ip->ttl);
	wire_put_bytes(w, ip->src.b, 16);
	wire_put_bytes(w, ip->dst.b, 16);
}

void packet_put_ip(struct wire_writer *w, const struct packet_ip *ip, size_t payload_len)
{
	bool is_v4 = ip->src.family == IP_V4;

	if (payload_len > (size_t)(is_v4 ? IP_LEN_MAX - PACKET_IPV4_LEN : IP_LEN_MAX)) {
		w->failed = true;
		return;
	}
	if (is_v4)
		put_ipv4(w, ip, payload_len);
	else
		put_ipv6(w, ip, payload_len);
}

/* The checksum of the @len bytes at @l4, whose checksum field is 0. */
static uint16_t upper_sum(const struct packet_ip *ip, uint8_t proto, const uint8_t *l4, size_t len)
{
	return checksum_fold(checksum_add(packet_pseudo_sum(&ip->src, &ip->dst, proto, len), l4, len));
}

void packet_put_udp(struct wire_writer *w, const struct packet_ip *ip, uint16_t src_port, uint16_t dst_port,
		    const void *payload, size_t len)
{
	uint8_t *h = w->p;
	uint16_t sum;

	if (len > IP_LEN_MAX - PACKET_UDP_LEN) {
		w->failed = true;
		return;
	}
	wire_put_be16(w, src_port);
	wire_put_be16(w, dst_port);
	wire_put_be16(w, (uint16_t)(PACKET_UDP_LEN + len));
	wire_put_be16(w, 0);
	wire_put_bytes(w, payload, len);
	if (w->failed)
		return;
	sum = upper_sum(ip, PROTO_UDP, h, PACKET_UDP_LEN + len);
	store_be16(h + 6, sum ? sum : 0xffff);
}

void packet_put_ip_udp(struct wire_writer *w, const struct packet_ip *ip, uint16_t src_port, uint16_t dst_port,
		       const void *payload, size_t len)
{
	struct packet_ip udp = *ip;

	udp.proto = PROTO_UDP;
	packet_put_ip(w, &udp, PACKET_UDP_LEN + len);
	packet_put_udp(w, &udp, src_port, dst_port, payload, len);
}

void packet_put_icmp(struct wire_writer *w, const struct packet_ip *ip, uint8_t type, uint8_t code, uint32_t rest,
		     const void *payload, size_t len)
{
	uint8_t *h = w->p;

	wire_put_u8(w, type);
	wire_put_u8(w, code);
	wire_put_be16(w, 0);
	wire_put_be32(w, rest);
	wire_put_bytes(w, payload, len);
	if (w->failed)
		return;
	len += PACKET_ICMP_LEN;
	if (ip->src.family == IP_V4)
		store_be16(h + 2, checksum_fold(checksum_add(0, h, len)));
	else
		store_be16(h + 2, upper_sum(ip, PROTO_ICMPV6, h, len));
}

void packet_put_tcp(struct wire_writer *w, const struct packet_ip *ip, const struct packet_tcp *tcp,
		    const void *payload, size_t len)
{
	size_t header_len = PACKET_TCP_LEN + tcp->options_len;
	uint8_t *h = w->p;

	if (tcp->options_len > TCP_OPTIONS_MAX || tcp->options_len % 4) {
		w->failed = true;
		return;
	}
	wire_put_be16(w, tcp->src_port);
	wire_put_be16(w, tcp->dst_port);
	wire_put_be32(w, tcp->seq);
	wire_put_be32(w, tcp->ack);
	wire_put_u8(w, (uint8_t)(header_len / 4 << 4));
	wire_put_u8(w, tcp->flags);
	wire_put_be16(w, tcp->window);
	wire_put_be32(w, 0); /* checksum; urgent pointer */
	wire_put_bytes(w, tcp->options, tcp->options_len);
	wire_put_bytes(w, payload, len);
	if (!w->failed)
		store_be16(h + 16, upper_sum(ip, PROTO_TCP, h, header_len + len));
}

void packet_put_arp(struct wire_writer *w, const struct packet_arp *arp)
{
	wire_put_be16(w, ARP_ETHERNET);
	wire_put_be16(w, ETYPE_IPV4);
	wire_put_u8(w, MAC_LEN);
	wire_put_u8(w, 4);
	wire_put_be16(w, arp->op);
	wire_put_bytes(w, arp->sender_mac.b, MAC_LEN);
	wire_put_bytes(w, arp->sender.b, 4);
	wire_put_bytes(w, arp->target_mac.b, MAC_LEN);
	wire_put_bytes(w, arp->target.b, 4);
}
