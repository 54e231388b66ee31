/* tests/fuzz/fuzz_station.c: a station of a network, and guests that send it anything. Input: steps. Each begins
 * with a byte that picks a frame to begin from (ARP, solicitation, advertisement, echo, UDP, TCP, IPv6 with
 * extensions, a packet from elsewhere, or bytes of the input) and a count of changes, pairs of a place and a value;
 * 0xff lets time pass. What it sends is well-formed with right checksums, from its own MAC address and to no
 * group as a sender; the books balance after each step; memory is bounded; and no frame is leaked. */
#include "core/checksum.h"
#include "core/element_state.h"
#include "core/packet.h"
#include "fabric/station.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 9, STEPS_MAX = 40, HELD_MAX = 512 + 2048, FRAME_SIZE = 256 };

#define HOLDS(what)                                             \
	do {                                                    \
		if (!(what)) {                                  \
			fprintf(stderr, "not so: %s\n", #what); \
			abort();                                \
		}                                               \
	} while (0)

static const struct mac_addr own = { { 2, 0, 0, 0, 0, 1 } }, guest = { { 2, 0, 0, 0, 0, 2 } };
static const struct ip_addr own4 = { IP_V4, 24, { 10, 0, 0, 1 } }, own6 = { IP_V6, 64, { 0xfd, [15] = 1 } };

static struct frame_pool *pool;
static struct station *st;

static void sent(void *ctx, struct frame *f, nsec_t now)
{
	struct packet p;

	(void)ctx;
	(void)now;
	HOLDS(packet_parse(f, &p) == PACKET_OK);
	HOLDS(mac_equal(&p.eth_src, &own));
	HOLDS(p.kind == PACKET_ARP || p.kind == PACKET_IPV4 || p.kind == PACKET_IPV6);
	/* What it forwards has the sender's checksums. */
	if (p.kind != PACKET_ARP && station_is_own(st, &p.src)) {
		HOLDS(packet_checksums_ok(&p));
		HOLDS(p.l3_len <= 1500);
	}
	frame_free(f);
}

static bool elsewhere(void *ctx, struct frame *f, const struct packet *p, nsec_t now)
{
	(void)ctx;
	(void)now;
	if (p->dst.b[1] & 1)
		return false;
	HOLDS(!station_is_own(st, &p->dst));
	frame_free(f);
	return true;
}

static void take(void *ctx, const struct packet *p, nsec_t now)
{
	struct station_to to = { .src = p->dst, .dst = p->src };

	(void)ctx;
	if (!station_is_own(st, &p->dst))
		to.src.family = IP_NONE;
	(void)station_send_udp(st, &to, p->dst_port, p->src_port, p->data + p->payload, p->payload_len, now);
}

static struct packet_ip ip_of(unsigned kind)
{
	bool is_v4 = kind == 3 || kind == 4 || kind == 7;
	struct packet_ip ip = { .src = is_v4 ? own4 : own6, .dst = is_v4 ? own4 : own6, .ttl = 255 };

	ip.src.b[is_v4 ? 3 : 15] = 2;
	if (kind == 7) {
		ip.src.b[0] = 192;
		ip.dst.b[3] = 2;
	}
	return ip;
}

/* A frame of a kind; kind 8 and beyond: none. */
static void write_frame(unsigned kind, struct wire_writer *w)
{
	static const uint8_t extensions[8] = { PROTO_UDP, 0, 1, 4 };
	struct packet_ip ip = ip_of(kind);
	struct packet_tcp tcp = { .src_port = 1, .dst_port = 80, .flags = TCP_SYN };
	struct packet_arp arp = { .op = 1, .sender_mac = guest, .sender = own4, .target = own4 };
	uint8_t body[24] = { 0xfd, [15] = 1, [16] = 1, [17] = 1, [18] = 2, [23] = 2 };

	arp.sender.b[3] = 2;
	packet_put_eth(w, &own, &guest, kind == 0 ? ETYPE_ARP : ip.src.family == IP_V4 ? ETYPE_IPV4 : ETYPE_IPV6);
	switch (kind) {
	case 0:
		packet_put_arp(w, &arp);
		break;
	case 1:
	case 2:
	case 3:
		ip.proto = kind == 3 ? PROTO_ICMP : PROTO_ICMPV6;
		packet_put_ip(w, &ip, 8 + 24);
		packet_put_icmp(w, &ip, kind == 3 ? 8 : (uint8_t)(134 + kind), 0, 0, body, 24);
		break;
	case 5:
		ip.proto = PROTO_TCP;
		packet_put_ip(w, &ip, PACKET_TCP_LEN);
		packet_put_tcp(w, &ip, &tcp, NULL, 0);
		break;
	case 6:
		ip.proto = 60;
		packet_put_ip(w, &ip, 8 + 8 + 24);
		wire_put_bytes(w, extensions, 8);
		packet_put_udp(w, &ip, 1, 9, body, 24);
		break;
	default:
		packet_put_ip_udp(w, &ip, 1, 53, body, 24);
	}
}

/* Makes the checksums right again, where there is one to be found. */
static void repair(struct frame *f)
{
	struct packet p;
	uint32_t at, sum;

	if (packet_parse(f, &p) != PACKET_OK || p.kind == PACKET_OTHER || p.kind == PACKET_ARP)
		return;
	if (p.kind == PACKET_IPV4) {
		store_be16(f->data + p.l3 + 10, 0);
		store_be16(f->data + p.l3 + 10, checksum_fold(checksum_add(0, f->data + p.l3, p.l4 - p.l3)));
	}
	at = p.proto == PROTO_UDP ? 6 : p.proto == PROTO_TCP ? 16 : 2;
	if (p.is_fragment || p.l4_len < at + 2)
		return;
	store_be16(f->data + p.l4 + at, 0);
	sum = p.proto == PROTO_ICMP ? 0 : packet_pseudo_sum(&p.src, &p.dst, p.proto, p.l4_len);
	store_be16(f->data + p.l4 + at, checksum_fold(checksum_add(sum, f->data + p.l4, p.l4_len)));
}

static void give(const uint8_t *step, size_t len, nsec_t now)
{
	struct element *e = station_element(st);
	unsigned kind = (step[0] & 15) % KINDS;
	struct frame *f = frame_new(pool, FRAME_SIZE);
	struct wire_writer w = wire_write_to(f->data, f->size);

	memset(f->data, 0, FRAME_SIZE);
	if (kind < 8) {
		write_frame(kind, &w);
		f->len = (uint32_t)wire_put_len(&w);
		for (size_t i = 2; i + 1 < len; i += 2)
			f->data[step[i] % 96] = step[i + 1];
	} else {
		memcpy(f->data, step, len);
		f->len = (uint32_t)len;
	}
	if (step[0] & 0x40)
		repair(f);
	if (step[0] & 0x80) { /* the checksum is still to be computed */
		f->offload = (struct frame_offload){ .flags = 1, .csum_start = kind == 4 ? 34 : 54, .csum_offset = 6 };
		if (!frame_offload_check(f))
			f->offload = (struct frame_offload){ 0 };
	}
	if (f->len < ETH_HEADER_LEN) {
		frame_free(f); /* the fabric lets no such frame in */
		return;
	}
	if (e->ops->take(e, step[0] & 0x20 ? STATION_IN_ELSEWHERE : STATION_IN_NETWORK, f, now) <= now)
		e->ops->run(e, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct station_service udp = { .proto = PROTO_UDP, .family = IP_V4, .port = 53, .take = take };
	nsec_t now = NSEC_PER_SEC;

	HOLDS(frame_pool_new(16, &pool) == 0);
	HOLDS(station_new(&(struct station_config){ .addrs = { own, own4, true, own6 },
						    .mtu = 1500,
						    .name = "",
						    .pool = pool,
						    .out = { sent, NULL } },
			  &st) == 0);
	station_set_elsewhere(st, elsewhere, NULL);
	HOLDS(station_bind(st, &udp) == 0);
	for (unsigned i = 0; i < STEPS_MAX && len >= 2; i++) {
		size_t n = 2 + 2 * (data[1] % 8u);
		struct element *e = station_element(st);

		if (n > len)
			n = len;
		if (data[0] == 0xff) {
			nsec_t until = now + data[1] * 20 * NSEC_PER_MSEC;

			while (e->ops->next(e) <= until)
				e->ops->run(e, e->ops->next(e));
			now = until;
		} else {
			give(data, n, now);
		}
		HOLDS(element_counters_balance(element_counters(e)));
		HOLDS(element_counters(e)->queued_frames <= HELD_MAX);
		data += n;
		len -= n;
	}
	st = station_free(st);
	pool = frame_pool_free(pool); /* asserts that all came back */
	return 0;
}
