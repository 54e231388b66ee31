/* fabric/station_neighbour.c: ARP, neighbour discovery, and packets that wait for a MAC address.
 *
 * Learned from: requests and solicitations for the station's own address; answers to its own; what
 * station_neighbour_set() says; and, for senders that are not on the network, the packets that came through a router
 * on it. A known entry follows whatever its owner says of itself later. An answer that nobody asked for makes no entry.
 *
 * A request is repeated REQUESTS_MAX times in all, REQUEST_NS apart. An entry that is used CONFIRMED_NS after it was
 * last confirmed is asked again, by requests to its own MAC; it serves on until none is answered.
 *
 * Simplified from RFC 4861 §7.3: the states DELAY and STALE are told by the time of the last confirmation.
 *
 * Used by: fabric/station_element.c.   Depends on: fabric/neighbours.h, fabric/station_private.h.
 * Sources: RFC 826, RFC 5227 §2.4, RFC 4861 §7, RFC 4862 §5.4. */
#include "fabric/station_private.h"

#include <errno.h>
#include <string.h>

enum {
	REQUESTS_MAX = 3,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	ND_HOP_LIMIT = 255,
	ND_TARGET_LEN = 16,
	ND_SOURCE_MAC = 1, /* options */
	ND_TARGET_MAC = 2,
	ND_OPTION_LEN = 8,
};
#define REQUEST_NS NSEC_PER_SEC
#define CONFIRMED_NS (60 * NSEC_PER_SEC)
#define CONFIRM_EVERY_NS NSEC_PER_SEC /* packets sooner than that change nothing */
#define DEFEND_NS (10 * NSEC_PER_SEC) /* RFC 5227 §1.1: DEFEND_INTERVAL */

/* Flags of an advertisement, in the four bytes behind the checksum. */
#define ND_ROUTER 0x80000000u
#define ND_SOLICITED 0x40000000u
#define ND_OVERRIDE 0x20000000u

static const struct mac_addr broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static const struct ip_addr all_nodes = { IP_V6, 128, { 0xff, 0x02, [15] = 1 } };

/* ---- what is sent ------------------------------------------------------------------ */

static void send_arp(struct station *st, uint16_t op, const struct mac_addr *to, const struct mac_addr *target_mac,
		     const struct ip_addr *target, nsec_t now)
{
	struct packet_arp arp = { .op = op,
				  .sender_mac = st->cfg.addrs.mac,
				  .target_mac = *target_mac,
				  .sender = st->cfg.addrs.ipv4,
				  .target = *target };
	struct frame *f = station_frame_new(st, PACKET_ARP_LEN);
	struct wire_writer w;

	if (!f)
		return;
	w = wire_write_to(f->data, f->size);
	packet_put_eth(&w, to, &st->cfg.addrs.mac, ETYPE_ARP);
	packet_put_arp(&w, &arp);
	f->len = (uint32_t)wire_put_len(&w);
	station_emit(st, f, now);
}

/* Sends a solicitation or an advertisement. @to: NULL: the group's. */
static void send_nd(struct station *st, uint8_t type, uint32_t flags, const struct ip_addr *src,
		    const struct ip_addr *dst, const struct mac_addr *to, const struct ip_addr *target, nsec_t now)
{
	struct station_to way = { .src = *src, .dst = *dst, .mac = to, .hop_limit = ND_HOP_LIMIT };
	uint8_t body[ND_TARGET_LEN + ND_OPTION_LEN];
	struct wire_writer w = wire_write_to(body, sizeof body);

	wire_put_bytes(&w, target->b, ND_TARGET_LEN);
	wire_put_u8(&w, type == ICMP6_SOLICIT ? ND_SOURCE_MAC : ND_TARGET_MAC);
	wire_put_u8(&w, 1);
	wire_put_bytes(&w, st->cfg.addrs.mac.b, MAC_LEN);
	(void)station_send_icmp6(st, &way, type, 0, flags, body, sizeof body, now);
}

/* RFC 4291 §2.7.1 */
static struct ip_addr solicited_node(const struct ip_addr *ip)
{
	return (struct ip_addr){
		IP_V6, 128, { 0xff, 0x02, [11] = 1, [12] = 0xff, [13] = ip->b[13], [14] = ip->b[14], [15] = ip->b[15] }
	};
}

/* Asks for @n: everybody, or, to confirm it, its own MAC. */
static void ask(struct station *st, struct neighbour *n, nsec_t now)
{
	const struct mac_addr *to = n->state == NEIGHBOUR_INCOMPLETE ? NULL : &n->mac;

	n->tries++;
	neighbour_wake_at(st->neighbours, n, now + REQUEST_NS);
	if (n->ip.family == IP_V4) {
		send_arp(st, ARP_REQUEST, to ? to : &broadcast, &(struct mac_addr){ 0 }, &n->ip, now);
	} else {
		struct ip_addr src = station_source(st, &n->ip);
		struct ip_addr dst = to ? n->ip : solicited_node(&n->ip);

		send_nd(st, ICMP6_SOLICIT, 0, &src, &dst, to, &n->ip, now);
	}
}

/* Somebody else uses the station's address @ip. */
static void defend(struct station *st, const struct ip_addr *ip, nsec_t now)
{
	if (st->defended_ns != INT64_MIN && now - st->defended_ns < DEFEND_NS)
		return;
	st->defended_ns = now;
	if (ip->family == IP_V4)
		send_arp(st, ARP_REQUEST, &broadcast, &(struct mac_addr){ 0 }, ip, now);
	else
		send_nd(st, ICMP6_ADVERT, ND_ROUTER | ND_OVERRIDE, ip, &all_nodes, NULL, ip, now);
}

/* ---- what is learned ------------------------------------------------------------------ */

/* @n is at @mac, and what waited for it goes. */
static void learned(struct station *st, struct neighbour *n, const struct mac_addr *mac, nsec_t now)
{
	struct frame *f = neighbour_take_frames(st->neighbours, n);

	neighbour_known(st->neighbours, n, mac, now);
	if (f)
		neighbour_used(st->neighbours, n);
	while (f) {
		struct frame *next = f->next;

		station_put_eth(st, f, mac);
		station_emit(st, f, now);
		f = next;
	}
}

/* Returns false when nobody can be there. */
static bool is_usable(const struct station *st, const struct mac_addr *mac)
{
	static const struct mac_addr none;

	return !mac_is_multicast(mac) && !mac_equal(mac, &none) && !mac_equal(mac, &st->cfg.addrs.mac);
}

static void learn(struct station *st, const struct ip_addr *ip, const struct mac_addr *mac, bool is_via, nsec_t now)
{
	struct neighbour *n = neighbours_find(st->neighbours, ip);

	if (!is_usable(st, mac))
		return;
	if (!n)
		n = neighbours_add(st->neighbours, ip);
	if (!n)
		return;
	n->is_via = is_via;
	learned(st, n, mac, now);
}

void station_neighbour_set(struct station *st, const struct ip_addr *ip, const struct mac_addr *mac, nsec_t now)
{
	if (!station_is_own(st, ip) && station_on_link(st, ip))
		learn(st, ip, mac, false, now);
}

int station_neighbour_get(const struct station *st, const struct ip_addr *ip, struct mac_addr *ret_mac)
{
	const struct neighbour *n = neighbours_find(st->neighbours, ip);

	if (!n || n->state == NEIGHBOUR_INCOMPLETE)
		return -ENOENT;
	*ret_mac = n->mac;
	return 0;
}

void station_heard(struct station *st, const struct packet *p, nsec_t now)
{
	struct neighbour *n = neighbours_find(st->neighbours, &p->src);
	bool is_fresh;

	if (n && n->state == NEIGHBOUR_INCOMPLETE)
		return; /* it is asked for already, and says itself where it is */
	is_fresh = n && mac_equal(&n->mac, &p->eth_src) && n->state == NEIGHBOUR_KNOWN &&
		   now - n->confirmed_ns < CONFIRM_EVERY_NS;
	if (is_fresh)
		return;
	if (!station_on_link(st, &p->src))
		learn(st, &p->src, &p->eth_src, true, now);
	else if (n && mac_equal(&n->mac, &p->eth_src))
		learned(st, n, &p->eth_src, now);
}

/* ---- ARP ------------------------------------------------------------------------------ */

void station_take_arp(struct station *st, struct frame *f, const struct packet *p, nsec_t now)
{
	const struct packet_arp *a = &p->arp;
	bool is_request = a->op == ARP_REQUEST && station_is_own(st, &a->target);
	struct neighbour *n;

	if (st->cfg.addrs.ipv4.family != IP_V4 || !is_usable(st, &a->sender_mac)) {
		station_lose(st, f, st->cfg.addrs.ipv4.family == IP_V4 ? LOSS_MALFORMED : LOSS_NO_PORT);
		return;
	}
	if (station_is_own(st, &a->sender)) {
		st->said.arp_conflicts++;
		defend(st, &a->sender, now);
		station_done(st, f);
		return;
	}
	/* RFC 826: what is known follows every sender; a new entry is made for who asks for this station. A probe
	 * (RFC 5227 §2.1.1) has no sender yet. */
	n = neighbours_find(st->neighbours, &a->sender);
	if (n && station_on_link(st, &a->sender))
		learned(st, n, &a->sender_mac, now);
	else if (is_request)
		station_neighbour_set(st, &a->sender, &a->sender_mac, now);
	if (is_request) {
		st->said.arp_requests++;
		send_arp(st, ARP_REPLY, &a->sender_mac, &a->sender_mac, &a->sender, now);
	}
	station_done(st, f);
}

/* ---- neighbour discovery --------------------------------------------------------------- */

struct nd {
	struct ip_addr target;
	bool has_mac;
	struct mac_addr mac; /* of the option that the message has */
};

/* RFC 4861 §7.1: what is checked of both messages. Returns false for one that is ignored. */
static bool parse_nd(const struct packet *p, struct nd *ret)
{
	struct wire_reader r = wire_read_from(p->data + p->payload, p->payload_len);
	uint8_t wanted = p->icmp_type == ICMP6_SOLICIT ? ND_SOURCE_MAC : ND_TARGET_MAC;
	const uint8_t *target = wire_get(&r, ND_TARGET_LEN);

	if (!target || target[0] == 0xff || p->ttl != ND_HOP_LIMIT || p->icmp_code != 0)
		return false;
	*ret = (struct nd){ .target = { .family = IP_V6, .prefix_len = 128 } };
	memcpy(ret->target.b, target, ND_TARGET_LEN);
	while (r.left) {
		uint8_t type = wire_get_u8(&r);
		uint8_t units = wire_get_u8(&r);
		struct wire_reader option = wire_get_sub(&r, units ? 8u * units - 2u : 0);

		if (r.failed || !units)
			return false;
		if (type == wanted && units == 1) {
			memcpy(ret->mac.b, option.p, MAC_LEN);
			ret->has_mac = true;
		}
	}
	return true;
}

static bool take_solicitation(struct station *st, const struct packet *p, const struct nd *nd, nsec_t now)
{
	struct ip_addr group = solicited_node(&nd->target);

	if (!station_is_own(st, &nd->target))
		return true;
	/* RFC 4862 §5.4.3: somebody wants the address. All nodes hear that it is taken. */
	if (ip_is_unspecified(&p->src)) {
		if (nd->has_mac || !ip_equal(&p->dst, &group))
			return false;
		st->said.solicitations++;
		send_nd(st, ICMP6_ADVERT, ND_ROUTER | ND_OVERRIDE, &nd->target, &all_nodes, NULL, &nd->target, now);
		return true;
	}
	if (nd->has_mac && !is_usable(st, &nd->mac))
		return false;
	st->said.solicitations++;
	if (nd->has_mac)
		station_neighbour_set(st, &p->src, &nd->mac, now);
	send_nd(st, ICMP6_ADVERT, ND_ROUTER | ND_SOLICITED | ND_OVERRIDE, &nd->target, &p->src,
		nd->has_mac ? &nd->mac : &p->eth_src, &nd->target, now);
	return true;
}

static bool take_advertisement(struct station *st, const struct packet *p, const struct nd *nd, nsec_t now)
{
	uint32_t flags = load_be32(p->data + p->l4 + 4);
	struct neighbour *n = neighbours_find(st->neighbours, &nd->target);

	if ((flags & ND_SOLICITED) && p->dst.b[0] == 0xff)
		return false;
	if (station_is_own(st, &nd->target)) {
		st->said.nd_conflicts++;
		defend(st, &nd->target, now);
		return true;
	}
	if (!n || !station_on_link(st, &nd->target))
		return true;
	if (nd->has_mac && !is_usable(st, &nd->mac))
		return false;
	/* RFC 4861 §7.2.5 */
	if (n->state == NEIGHBOUR_INCOMPLETE) {
		if (nd->has_mac)
			learned(st, n, &nd->mac, now);
	} else if (nd->has_mac && ((flags & ND_OVERRIDE) || mac_equal(&nd->mac, &n->mac))) {
		learned(st, n, &nd->mac, now);
	} else if (!nd->has_mac && (flags & ND_SOLICITED)) {
		learned(st, n, &n->mac, now);
	}
	return true;
}

void station_take_nd(struct station *st, struct frame *f, const struct packet *p, nsec_t now)
{
	struct nd nd;

	if (parse_nd(p, &nd) &&
	    (p->icmp_type == ICMP6_SOLICIT ? take_solicitation(st, p, &nd, now) : take_advertisement(st, p, &nd, now)))
		station_done(st, f);
	else
		station_lose(st, f, LOSS_MALFORMED);
}

/* ---- sending to a neighbour -------------------------------------------------------------- */

static void wait_for(struct station *st, struct neighbour *n, struct frame *f)
{
	struct frame *gone = neighbour_queue(st->neighbours, n, f);

	if (gone)
		station_lose(st, gone, LOSS_QUEUE);
}

void station_resolve(struct station *st, struct frame *f, const struct ip_addr *ip, nsec_t now)
{
	struct neighbour *n = neighbours_find(st->neighbours, ip);

	if (!n) {
		n = neighbours_add(st->neighbours, ip);
		if (!n) {
			station_lose(st, f, LOSS_QUEUE);
			return;
		}
		ask(st, n, now);
	}
	if (n->state == NEIGHBOUR_INCOMPLETE) {
		wait_for(st, n, f);
		return;
	}
	station_put_eth(st, f, &n->mac);
	station_emit(st, f, now);
	neighbour_used(st->neighbours, n);
	if (n->state == NEIGHBOUR_KNOWN && !n->is_via && now - n->confirmed_ns > CONFIRMED_NS) {
		neighbour_probed(n);
		ask(st, n, now);
	}
}

/* @n did not answer. */
static void give_up(struct station *st, struct neighbour *n, nsec_t now)
{
	struct frame *f = neighbours_remove(st->neighbours, n);

	st->said.unresolved++;
	while (f) {
		struct frame *next = f->next;
		struct packet p;

		f->next = NULL;
		/* The station's own frames have no Ethernet header yet, and nobody to be told. */
		if (packet_parse(f, &p) == PACKET_OK && (p.kind == PACKET_IPV4 || p.kind == PACKET_IPV6) &&
		    !station_is_own(st, &p.src))
			station_error(st, STATION_HOST_UNREACHABLE, f, &p, now);
		station_lose(st, f, LOSS_NO_PORT);
		f = next;
	}
}

void station_neighbour_run(struct station *st, nsec_t now)
{
	struct neighbour *n;

	while ((n = neighbours_due(st->neighbours, now))) {
		if (n->tries < REQUESTS_MAX)
			ask(st, n, now);
		else
			give_up(st, n, now);
	}
}
