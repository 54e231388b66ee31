/* nat/nat_out.c: packets and ICMP errors to guests.
 *
 * Used by: nat/nat_*.c. */
#include "nat/nat_private.h"

#include <string.h>

enum { HOPS = 64 };

struct piece_ctx {
	struct nat *n;
	uint16_t network;
};

static int put(void *ctx, const uint8_t *ip, size_t len)
{
	static const struct mac_addr none;
	static const struct frame_offload plain;
	const struct piece_ctx *c = ctx;
	uint32_t total = (uint32_t)len + PACKET_ETH_LEN;
	uint8_t *room = c->n->cfg.out.reserve(c->n->cfg.out.ctx, c->network, total);
	struct wire_writer w;

	if (!room) {
		c->n->count.no_room++;
		return -1;
	}
	w = wire_write_to(room, total);
	packet_put_eth(&w, &none, &none, ip[0] >> 4 == 6 ? ETYPE_IPV6 : ETYPE_IPV4);
	wire_put_bytes(&w, ip, len);
	c->n->cfg.out.commit(c->n->cfg.out.ctx, c->network, total, &plain, c->n->now);
	return 0;
}

static int send_ip(struct nat *n, uint16_t network, const uint8_t *ip, size_t len)
{
	struct piece_ctx c = { n, network };

	return frag_split(ip, len, n->cfg.networks[network].mtu, (uint32_t)prng_u64(&n->prng), put, &c);
}

void nat_send_ip(struct nat *n, uint16_t network, const uint8_t *ip, size_t len)
{
	(void)send_ip(n, network, ip, len);
}

int nat_send(struct nat *n, uint16_t network, const uint8_t *ip, size_t len, nsec_t now)
{
	n->now = now;
	return send_ip(n, network, ip, len);
}

bool nat_router(const struct nat *n, uint16_t network, enum ip_family family, struct ip_addr *ret_ip)
{
	const struct reach *r = &n->cfg.networks[network].reach;
	const struct ip_addr *ip = family == IP_V6 ? &r->service6 : &r->service4;

	if (ip->family != family)
		return false;
	*ret_ip = *ip;
	return true;
}

void nat_send_error(struct nat *n, uint16_t network, uint64_t source, const struct icmp_cause *cause,
		    const uint8_t *quoted, size_t len)
{
	uint8_t buf[ICMP_ERROR_MAX];
	struct icmp_cause c = *cause;
	struct ip_addr router;
	enum ip_family family = len && quoted[0] >> 4 == 6 ? IP_V6 : IP_V4;

	if (!nat_router(n, network, family, &router) || !icmp_limit_take(&n->errors, source, n->now)) {
		n->count.icmp_limited++;
		return;
	}
	if (c.offender.family)
		c.offender = reach_guest_view(&n->cfg.networks[network].reach, &c.offender);
	len = icmp_put(&c, &router, quoted, len, buf);
	if (!len)
		return;
	n->count.icmp_told++;
	nat_send_ip(n, network, buf, len);
}

void nat_answer_error(struct nat *n, uint16_t network, uint64_t source, const struct icmp_cause *cause,
		      const struct packet *p)
{
	if (icmp_may_answer(p))
		nat_send_error(n, network, source, cause, p->data + p->l3, p->l3_len);
}

uint8_t nat_hop(uint8_t ttl)
{
	return !ttl ? HOPS : ttl > 1 ? (uint8_t)(ttl - 1) : 1;
}
