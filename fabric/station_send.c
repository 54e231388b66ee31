/* fabric/station_send.c: what the station makes itself, and which way a packet goes.
 *
 * Used by: fabric/station_*.c, services.   Depends on: fabric/station_private.h.
 * Sources: RFC 1112 §6.4, RFC 2464 §7 (groups to MAC addresses). */
#include "fabric/station_private.h"

#include <errno.h>
#include <string.h>

uint16_t station_next_id(struct station *st)
{
	return st->ip_id++;
}

struct ip_addr station_source(const struct station *st, const struct ip_addr *dst)
{
	const struct station_addrs *a = &st->cfg.addrs;
	bool is_near = ip_is_link_local(dst) || (dst->b[0] == 0xff && (dst->b[1] & 15) <= 2);
	struct ip_addr src = { .family = IP_NONE };

	if (dst->family == IP_V4) {
		src = a->ipv4;
		src.prefix_len = 32;
	} else if (a->has_ipv6) {
		src = is_near || a->ipv6.family != IP_V6 ? st->link_local : a->ipv6;
		src.prefix_len = 128;
	}
	return src;
}

void station_put_eth(struct station *st, struct frame *f, const struct mac_addr *to)
{
	struct wire_writer w = wire_write_to(f->data, PACKET_ETH_LEN);

	packet_put_eth(&w, to, &st->cfg.addrs.mac, f->data[PACKET_ETH_LEN] >> 4 == 4 ? ETYPE_IPV4 : ETYPE_IPV6);
}

/* The MAC address of a group or a broadcast. Returns false when @dst is one station's. */
static bool group_mac(const struct station *st, const struct ip_addr *dst, struct mac_addr *ret_mac)
{
	static const uint8_t all[4] = { 255, 255, 255, 255 };
	struct ip_addr in_net = *dst;

	in_net.prefix_len = st->cfg.addrs.ipv4.prefix_len;
	if (dst->family == IP_V6) {
		if (dst->b[0] != 0xff)
			return false;
		*ret_mac = (struct mac_addr){ { 0x33, 0x33, dst->b[12], dst->b[13], dst->b[14], dst->b[15] } };
		return true;
	}
	if (dst->b[0] >> 4 == 14) {
		*ret_mac = (struct mac_addr){ { 0x01, 0x00, 0x5e, dst->b[1] & 0x7f, dst->b[2], dst->b[3] } };
		return true;
	}
	if (memcmp(dst->b, all, 4) != 0 && !(station_on_link(st, dst) && ip_is_broadcast(&in_net)))
		return false;
	memset(ret_mac->b, 0xff, MAC_LEN);
	return true;
}

static void route_elsewhere(struct station *st, struct frame *f, nsec_t now)
{
	struct mac_addr none = { 0 };
	uint32_t len = f->len;
	struct packet p;

	station_put_eth(st, f, &none);
	memset(f->data + MAC_LEN, 0, MAC_LEN);
	if (st->elsewhere && packet_parse(f, &p) == PACKET_OK && st->elsewhere(st->elsewhere_ctx, f, &p, now)) {
		st->said.elsewhere++;
		st->counters.delivered_frames++;
		st->counters.delivered_bytes += len;
		return;
	}
	station_lose(st, f, LOSS_NO_PORT);
}

void station_route(struct station *st, struct frame *f, const struct ip_addr *dst, bool may_leave, nsec_t now)
{
	struct mac_addr mac;
	struct neighbour *n;

	if (group_mac(st, dst, &mac)) {
		station_put_eth(st, f, &mac);
		station_emit(st, f, now);
		return;
	}
	n = station_on_link(st, dst) ? NULL : neighbours_find(st->neighbours, dst);
	if (n || station_on_link(st, dst))
		station_resolve(st, f, dst, now);
	else if (may_leave)
		route_elsewhere(st, f, now);
	else
		station_lose(st, f, LOSS_NO_PORT);
}

/* ---- messages of services -------------------------------------------------------- */

/* Begins a message of @len bytes behind the IP header. Returns 0 or -errno. */
static int begin(struct station *st, const struct station_to *to, size_t len, struct packet_ip *ip,
		 struct frame **ret_frame)
{
	*ip = (struct packet_ip){ .src = to->src,
				  .dst = to->dst,
				  .ttl = to->hop_limit ? to->hop_limit : (uint8_t)STATION_HOP_LIMIT,
				  .dont_fragment = true };
	if (ip->src.family == IP_NONE)
		ip->src = station_source(st, &to->dst);
	if (ip->src.family == IP_NONE || ip->src.family != to->dst.family)
		return -ENETUNREACH;
	if (len > st->cfg.mtu || packet_ip_len(ip) + len > st->cfg.mtu)
		return -EMSGSIZE;
	*ret_frame = station_frame_new(st, packet_ip_len(ip) + len);
	if (!*ret_frame)
		return -ENOMEM;
	ip->id = station_next_id(st);
	return 0;
}

static void send(struct station *st, const struct station_to *to, struct frame *f, nsec_t now)
{
	if (to->mac) {
		station_put_eth(st, f, to->mac);
		station_emit(st, f, now);
	} else {
		station_route(st, f, &to->dst, true, now);
	}
}

struct wire_writer station_behind_eth(struct frame *f)
{
	return wire_write_to(f->data + STATION_HEADROOM, f->size - STATION_HEADROOM);
}

int station_send_udp(struct station *st, const struct station_to *to, uint16_t src_port, uint16_t dst_port,
		     const void *payload, size_t len, nsec_t now)
{
	struct wire_writer w;
	struct packet_ip ip;
	struct frame *f;
	int r = len > UINT16_MAX ? -EMSGSIZE : begin(st, to, PACKET_UDP_LEN + len, &ip, &f);

	if (r < 0)
		return r;
	w = station_behind_eth(f);
	packet_put_ip_udp(&w, &ip, src_port, dst_port, payload, len);
	f->len += (uint32_t)wire_put_len(&w);
	send(st, to, f, now);
	return 0;
}

int station_send_icmp6(struct station *st, const struct station_to *to, uint8_t type, uint8_t code, uint32_t rest,
		       const void *payload, size_t len, nsec_t now)
{
	struct wire_writer w;
	struct packet_ip ip;
	struct frame *f;
	int r = len > UINT16_MAX ? -EMSGSIZE : begin(st, to, PACKET_ICMP_LEN + len, &ip, &f);

	if (r < 0)
		return r;
	ip.proto = PROTO_ICMPV6;
	w = station_behind_eth(f);
	packet_put_ip(&w, &ip, PACKET_ICMP_LEN + len);
	packet_put_icmp(&w, &ip, type, code, rest, payload, len);
	f->len += (uint32_t)wire_put_len(&w);
	send(st, to, f, now);
	return 0;
}

void station_send_ip(struct station *st, struct frame *f, const struct mac_addr *mac, nsec_t now)
{
	struct packet p;

	st->counters.copied_frames++;
	if (f->len <= PACKET_ETH_LEN) {
		station_lose(st, f, LOSS_MALFORMED);
		return;
	}
	station_put_eth(st, f, &(struct mac_addr){ 0 });
	if (packet_parse(f, &p) != PACKET_OK)
		station_lose(st, f, LOSS_MALFORMED);
	else
		send(st, &(struct station_to){ .dst = p.dst, .mac = mac }, f, now);
}
