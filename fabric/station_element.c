/* fabric/station_element.c: the station as an element: its queue, its books, and what a frame is for.
 *
 * A frame for another MAC address, or in a VLAN, is not the station's (a hub brings such). A priority tag, of VLAN 0,
 * is taken off. What is left is ARP, or an IP packet that is for the station, for a group, or to be forwarded.
 *
 * Used by: fabric/port_service.c.   Depends on: fabric/station_private.h. */
#include "fabric/station_private.h"

#include "core/checksum.h"
#include "core/prng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	GSO_UDP_L4 = 5,
	TAG_LEN = 4,
	TAG_VID = 0x0fff,
};

/* ---- books and the queue ----------------------------------------------------- */

void station_done(struct station *st, struct frame *f)
{
	st->counters.delivered_frames++;
	st->counters.delivered_bytes += f->len;
	frame_free(f);
}

void station_lose(struct station *st, struct frame *f, enum loss_reason why)
{
	st->counters.lost_frames[why]++;
	frame_free(f);
}

void station_emit(struct station *st, struct frame *f, nsec_t now)
{
	if (st->n_out == STATION_OUT_MAX || st->out_memory + frame_memory(f) > STATION_OUT_BYTES_MAX) {
		station_lose(st, f, LOSS_QUEUE);
		return;
	}
	f->next = NULL;
	f->due_ns = now;
	if (st->out_last)
		st->out_last->next = f;
	else
		st->out_first = f;
	st->out_last = f;
	st->n_out++;
	st->out_bytes += f->len;
	st->out_memory += frame_memory(f);
}

static void send_queued(struct station *st, nsec_t now)
{
	while (st->out_first) {
		struct frame *f = st->out_first;

		st->out_first = f->next;
		if (!st->out_first)
			st->out_last = NULL;
		f->next = NULL;
		st->n_out--;
		st->out_bytes -= f->len;
		st->out_memory -= frame_memory(f);
		st->counters.delivered_frames++;
		st->counters.delivered_bytes += f->len;
		frame_sink_put(&st->cfg.out, f, now);
	}
}

struct frame *station_frame_new(struct station *st, size_t len)
{
	struct frame *f = frame_new(st->cfg.pool, STATION_HEADROOM + len);

	if (!f)
		return NULL;
	memset(f->data, 0, STATION_HEADROOM);
	f->len = STATION_HEADROOM;
	st->counters.copied_frames++;
	return f;
}

/* ---- addresses --------------------------------------------------------------- */

bool station_is_own(const struct station *st, const struct ip_addr *ip)
{
	const struct station_addrs *a = &st->cfg.addrs;

	if (ip->family == IP_V4)
		return a->ipv4.family == IP_V4 && ip_equal(ip, &a->ipv4);
	return ip->family == IP_V6 && a->has_ipv6 &&
	       (ip_equal(ip, &st->link_local) || (a->ipv6.family == IP_V6 && ip_equal(ip, &a->ipv6)));
}

bool station_on_link(const struct station *st, const struct ip_addr *ip)
{
	const struct station_addrs *a = &st->cfg.addrs;

	if (ip->family == IP_V4)
		return a->ipv4.family == IP_V4 && ip_in_net(ip, &a->ipv4);
	return ip_is_link_local(ip) || (a->ipv6.family == IP_V6 && ip_in_net(ip, &a->ipv6));
}

static bool is_loopback(const struct ip_addr *ip)
{
	static const uint8_t one[16] = { [15] = 1 };

	return ip->family == IP_V4 ? ip->b[0] == 127 : memcmp(ip->b, one, 16) == 0;
}

enum destination { FOR_STATION, FOR_GROUP, FOR_OTHERS, FOR_NOBODY };

/* The network's own broadcast address; the one of all zeros is nobody's. */
static enum destination judge_ipv4(const struct station *st, const struct ip_addr *ip)
{
	static const uint8_t all[4] = { 255, 255, 255, 255 };
	struct ip_addr in_net = *ip;

	in_net.prefix_len = st->cfg.addrs.ipv4.prefix_len;
	if (station_is_own(st, ip))
		return FOR_STATION;
	if (memcmp(ip->b, all, 4) == 0 || ip->b[0] >> 4 == 14)
		return FOR_GROUP;
	if (ip->b[0] == 0 || ip->b[0] == 127 || ip->b[0] >> 4 == 15)
		return FOR_NOBODY;
	if (!station_on_link(st, ip) || in_net.prefix_len >= 31)
		return FOR_OTHERS;
	if (ip_is_broadcast(&in_net))
		return FOR_GROUP;
	return ip_is_net(&in_net) ? FOR_NOBODY : FOR_OTHERS;
}

static enum destination judge(const struct station *st, const struct ip_addr *ip)
{
	if (ip->family == IP_V4)
		return judge_ipv4(st, ip);
	if (station_is_own(st, ip))
		return FOR_STATION;
	if (ip->b[0] == 0xff)
		return FOR_GROUP;
	return ip_is_unspecified(ip) || is_loopback(ip) ? FOR_NOBODY : FOR_OTHERS;
}

/* Nobody else sends from the station's addresses, from a group or from a loopback address. The unspecified one is
 * for those who have none yet, and goes no farther than to the station (RFC 1122 §3.2.1.3, RFC 4291 §2.5.2). */
static bool is_martian(const struct station *st, const struct packet *p, enum destination to)
{
	if (to == FOR_NOBODY)
		return true;
	/* RFC 1122 §3.3.2: one address cannot be reached by a broadcast of the layer below. */
	if (mac_is_multicast(&p->eth_dst) && to != FOR_GROUP)
		return true;
	if (ip_is_unspecified(&p->src))
		return to == FOR_OTHERS;
	return judge(st, &p->src) != FOR_OTHERS;
}

/* ---- for the station ----------------------------------------------------------- */

static const struct station_service *service_for(const struct station *st, const struct packet *p)
{
	uint16_t port = p->proto == PROTO_ICMPV6 ? p->icmp_type : p->dst_port;

	for (size_t i = 0; i < st->n_services; i++) {
		const struct station_service *s = &st->services[i];

		if (s->proto == p->proto && s->family == p->dst.family && s->port == port)
			return s;
	}
	return NULL;
}

/* A GSO frame of many datagrams is cut before a service sees it. */
static void serve_pieces(struct station *st, const struct station_service *s, struct frame *f, nsec_t now)
{
	uint32_t len = f->len;
	bool is_bad;
	struct frame *piece = frame_segment(st->cfg.pool, f, &is_bad);

	if (!piece) {
		st->counters.lost_frames[is_bad ? LOSS_MALFORMED : LOSS_MEMORY]++;
		return;
	}
	st->counters.delivered_frames++;
	st->counters.delivered_bytes += len;
	while (piece) {
		struct frame *next = piece->next;
		struct packet p;

		if (packet_parse(piece, &p) == PACKET_OK) {
			st->said.for_services++;
			s->take(s->ctx, &p, now);
		}
		frame_free(piece);
		piece = next;
	}
}

static void serve(struct station *st, const struct station_service *s, struct frame *f, const struct packet *p,
		  nsec_t now)
{
	if (p->proto == PROTO_UDP && p->offload.gso_type == GSO_UDP_L4) {
		serve_pieces(st, s, f, now);
		return;
	}
	st->said.for_services++;
	s->take(s->ctx, p, now);
	station_done(st, f);
}

/* No service takes the packet. Groups get no answer. */
static void answer_unserved(struct station *st, struct frame *f, const struct packet *p, bool is_group, nsec_t now)
{
	bool is_icmp = p->proto == (p->kind == PACKET_IPV4 ? PROTO_ICMP : PROTO_ICMPV6);
	uint32_t len = f->len;

	if (st->hands_own && !is_group && (p->proto == PROTO_TCP || p->proto == PROTO_UDP) && st->elsewhere &&
	    st->elsewhere(st->elsewhere_ctx, f, p, now)) {
		st->said.elsewhere++;
		st->counters.delivered_frames++;
		st->counters.delivered_bytes += len;
		return;
	}
	if (is_icmp && station_is_echo(st, p))
		station_answer_echo(st, p, now);
	else if (p->proto == PROTO_TCP && !is_group)
		station_reset(st, p, now);
	else if (!is_icmp && !is_group && p->proto != PROTO_NONE)
		station_error(st, p->proto == PROTO_UDP ? STATION_PORT_UNREACHABLE : STATION_PROTO_UNREACHABLE, f, p,
			      now);
	station_done(st, f);
}

static void take_own(struct station *st, struct frame *f, const struct packet *p, bool is_group, nsec_t now)
{
	const struct station_service *s;

	if (p->is_fragment) {
		st->said.own_fragments++;
		station_lose(st, f, LOSS_NO_PORT);
		return;
	}
	if (!packet_checksums_ok(p)) {
		st->said.bad_checksums++;
		station_lose(st, f, LOSS_MALFORMED);
		return;
	}
	if (p->kind == PACKET_IPV6 && p->proto == PROTO_ICMPV6 &&
	    (p->icmp_type == ICMP6_SOLICIT || p->icmp_type == ICMP6_ADVERT)) {
		station_take_nd(st, f, p, now);
		return;
	}
	s = service_for(st, p);
	if (s)
		serve(st, s, f, p, now);
	else
		answer_unserved(st, f, p, is_group, now);
}

/* ---- for others ------------------------------------------------------------------ */

/* Takes one off the packet's TTL, or puts it back (RFC 1624: the checksum follows). */
static void set_ttl(struct frame *f, const struct packet *p, uint8_t ttl)
{
	uint8_t *ip = f->data + p->l3;
	uint16_t was, sum;

	if (p->kind == PACKET_IPV6) {
		ip[7] = ttl;
		return;
	}
	was = load_be16(ip + 8);
	ip[8] = ttl;
	sum = load_be16(ip + 10);
	store_be16(ip + 10, checksum_fold((uint32_t)(uint16_t)~sum + (uint16_t)~was + load_be16(ip + 8)));
}

/* A packet of a guest for another address. */
static void forward(struct station *st, struct frame *f, const struct packet *p, nsec_t now)
{
	enum station_error error = STATION_NET_UNREACHABLE;

	if (p->ttl <= 1) {
		station_error(st, STATION_EXCEEDED, f, p, now);
		station_done(st, f);
		return;
	}
	set_ttl(f, p, (uint8_t)(p->ttl - 1));
	if (station_on_link(st, &p->dst)) {
		st->said.forwarded++;
		station_resolve(st, f, &p->dst, now);
		return;
	}
	/* RFC 4443 §3.1: a link-local sender cannot be answered from elsewhere. */
	if (ip_is_link_local(&p->src)) {
		error = STATION_BEYOND_SCOPE;
	} else {
		uint32_t len = f->len;

		if (st->elsewhere && st->elsewhere(st->elsewhere_ctx, f, p, now)) {
			st->said.elsewhere++;
			st->counters.delivered_frames++;
			st->counters.delivered_bytes += len;
			return;
		}
	}
	set_ttl(f, p, p->ttl);
	station_error(st, error, f, p, now);
	station_lose(st, f, LOSS_NO_PORT);
}

static void take_ip(struct station *st, struct frame *f, const struct packet *p, nsec_t now)
{
	const struct station_addrs *a = &st->cfg.addrs;
	enum destination to;

	if (p->kind == PACKET_IPV4 ? a->ipv4.family != IP_V4 : !a->has_ipv6) {
		station_lose(st, f, LOSS_NO_PORT);
		return;
	}
	to = judge(st, &p->dst);
	if (is_martian(st, p, to)) {
		st->said.martians++;
		station_lose(st, f, LOSS_MALFORMED);
		return;
	}
	if (!packet_ip_checksum_ok(p)) {
		st->said.bad_checksums++;
		station_lose(st, f, LOSS_MALFORMED);
		return;
	}
	if (!ip_is_unspecified(&p->src))
		station_heard(st, p, now);
	if (to == FOR_OTHERS)
		forward(st, f, p, now);
	else
		take_own(st, f, p, to == FOR_GROUP, now);
}

/* ---- the element ----------------------------------------------------------------- */

/* Takes a priority tag off. Returns false when the frame is in a VLAN. */
static bool take_off_tag(struct frame *f, struct packet *p)
{
	if (!p->n_tags)
		return true;
	if (p->n_tags != 1 || (p->tags[0] & TAG_VID))
		return false;
	memmove(f->data + 2 * MAC_LEN, f->data + 2 * MAC_LEN + TAG_LEN, f->len - 2 * MAC_LEN - TAG_LEN);
	f->len -= TAG_LEN;
	if (f->offload.flags)
		f->offload.csum_start -= TAG_LEN;
	if (f->offload.gso_type)
		f->offload.hdr_len -= TAG_LEN;
	return packet_parse(f, p) == PACKET_OK;
}

static void take_network(struct station *st, struct frame *f, nsec_t now)
{
	struct packet p;

	if (packet_parse(f, &p) != PACKET_OK || mac_is_multicast(&p.eth_src)) {
		station_lose(st, f, LOSS_MALFORMED);
		return;
	}
	if ((!mac_equal(&p.eth_dst, &st->cfg.addrs.mac) && !mac_is_multicast(&p.eth_dst)) || !take_off_tag(f, &p)) {
		station_lose(st, f, LOSS_NO_PORT);
		return;
	}
	switch (p.kind) {
	case PACKET_ARP:
		station_take_arp(st, f, &p, now);
		break;
	case PACKET_IPV4:
	case PACKET_IPV6:
		take_ip(st, f, &p, now);
		break;
	default:
		station_lose(st, f, LOSS_NO_PORT);
	}
}

static void take_elsewhere(struct station *st, struct frame *f, nsec_t now)
{
	struct packet p;

	if (packet_parse(f, &p) != PACKET_OK || (p.kind != PACKET_IPV4 && p.kind != PACKET_IPV6) || p.n_tags) {
		station_lose(st, f, LOSS_MALFORMED);
		return;
	}
	if (judge(st, &p.dst) != FOR_OTHERS) {
		st->said.martians++;
		station_lose(st, f, LOSS_NO_PORT);
		return;
	}
	station_route(st, f, &p.dst, false, now);
}

static nsec_t next(const struct element *e)
{
	const struct station *st = (const struct station *)e;
	nsec_t at = neighbours_next(st->neighbours);

	if (st->out_first)
		at = nsec_min(at, st->out_first->due_ns);
	for (size_t i = 0; i < st->n_services; i++)
		if (st->services[i].next)
			at = nsec_min(at, st->services[i].next(st->services[i].ctx));
	return at;
}

static nsec_t take(struct element *e, unsigned in, struct frame *f, nsec_t now)
{
	struct station *st = (struct station *)e;

	st->counters.entered_frames++;
	st->counters.entered_bytes += f->len;
	if (in == STATION_IN_ELSEWHERE)
		take_elsewhere(st, f, now);
	else
		take_network(st, f, now);
	return next(e);
}

static void run(struct element *e, nsec_t now)
{
	struct station *st = (struct station *)e;

	station_neighbour_run(st, now);
	for (size_t i = 0; i < st->n_services; i++) {
		const struct station_service *s = &st->services[i];

		if (s->run && s->next && s->next(s->ctx) <= now)
			s->run(s->ctx, now);
	}
	send_queued(st, now);
}

static const struct element_counters *counters(const struct element *e)
{
	/* What is queued is summed when it is asked for; the element is not const by birth. */
	struct station *st = (struct station *)(uintptr_t)e;

	neighbours_held(st->neighbours, &st->counters.queued_frames, &st->counters.queued_bytes);
	st->counters.queued_frames += st->n_out;
	st->counters.queued_bytes += st->out_bytes;
	return &st->counters;
}

static struct element *free_element(struct element *e)
{
	(void)station_free((struct station *)e);
	return NULL;
}

static const struct element_ops station_ops = {
	.type = "station",
	.take = take,
	.run = run,
	.next = next,
	.state = station_state,
	.counters = counters,
	.free = free_element,
};

/* ---- its life -------------------------------------------------------------------- */

int station_new(const struct station_config *cfg, struct station **ret_station)
{
	struct station *st;
	struct prng rng;
	int r;

	if (mac_is_multicast(&cfg->addrs.mac))
		return -EINVAL;
	st = calloc(1, sizeof *st);
	if (!st)
		return -ENOMEM;
	element_init(&st->element, &station_ops);
	st->cfg = *cfg;
	st->cfg.name = NULL;
	if (cfg->addrs.has_ipv6)
		st->link_local = station_link_local(&cfg->addrs.mac);
	prng_init(&rng, cfg->seed, cfg->name);
	st->hash_seed = prng_u64(&rng);
	st->ip_id = (uint16_t)prng_u64(&rng);
	st->bucket_all = st->defended_ns = INT64_MIN;
	for (size_t i = 0; i < STATION_BUCKETS; i++)
		st->buckets[i] = INT64_MIN;
	r = neighbours_new(prng_u64(&rng), &st->neighbours);
	if (r < 0) {
		free(st);
		return r;
	}
	*ret_station = st;
	return 0;
}

struct station *station_free(struct station *st)
{
	if (!st)
		return NULL;
	while (st->out_first) {
		struct frame *f = st->out_first;

		st->out_first = f->next;
		frame_free(f);
	}
	neighbours_free(st->neighbours);
	free(st);
	return NULL;
}

struct element *station_element(struct station *st)
{
	return &st->element;
}

void station_set_elsewhere(struct station *st, station_elsewhere_fn fn, void *ctx)
{
	st->elsewhere = fn;
	st->elsewhere_ctx = ctx;
}

void station_set_hands_own(struct station *st, bool hands_own)
{
	st->hands_own = hands_own;
}

int station_bind(struct station *st, const struct station_service *service)
{
	for (size_t i = 0; i < st->n_services; i++) {
		const struct station_service *s = &st->services[i];

		if (s->proto == service->proto && s->family == service->family && s->port == service->port)
			return -EADDRINUSE;
	}
	if (st->n_services == STATION_SERVICES_MAX)
		return -ENOSPC;
	st->services[st->n_services++] = *service;
	return 0;
}

const struct station_addrs *station_addrs(const struct station *st)
{
	return &st->cfg.addrs;
}

struct ip_addr station_link_local(const struct mac_addr *mac)
{
	const uint8_t *m = mac->b;

	/* RFC 4291, appendix A: the universal bit is inverted. */
	return (struct ip_addr){ .family = IP_V6,
				 .prefix_len = 128,
				 .b = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4],
					m[5] } };
}

uint64_t station_held_bytes(const struct station *st)
{
	return st->out_memory + neighbours_memory(st->neighbours);
}

const struct station_counters *station_counters(const struct station *st)
{
	return &st->said;
}
