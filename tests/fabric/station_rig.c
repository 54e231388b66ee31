/* tests/fabric/station_rig.c: one station on virtual time. */
#include "tests/fabric/station_rig.h"

#include "core/element_state.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

const struct mac_addr rig_mac = { { 2, 0, 0, 0, 0, 0xfe } }, rig_guest = { { 2, 0, 0, 0, 0, 1 } },
		      rig_other = { { 2, 0, 0, 0, 0, 2 } }, rig_all = { { 255, 255, 255, 255, 255, 255 } };

struct ip_addr rig_addr(const char *text)
{
	struct ip_addr a;

	ck_assert_int_eq(ip_parse(text, &a), 0);
	return a;
}

/* Classic pcap, nanoseconds, Ethernet. */
static void write_pcap(const struct frame *f, nsec_t now)
{
	const char *name = getenv("MUSTER_PCAP");
	FILE *file = name ? fopen(name, "ab") : NULL;
	uint32_t head[6] = { 0xa1b23c4d, 4u << 16 | 2, 0, 0, 65535 + 64, 1 };
	uint32_t record[4] = { (uint32_t)(now / NSEC_PER_SEC), (uint32_t)(now % NSEC_PER_SEC), f->len, f->len };

	if (!file)
		return;
	if (ftell(file) == 0)
		(void)fwrite(head, 1, sizeof head, file);
	(void)fwrite(record, 1, sizeof record, file);
	(void)fwrite(f->data, 1, f->len, file);
	(void)fclose(file);
}

static void sent(void *ctx, struct frame *f, nsec_t now)
{
	struct rig *r = ctx;

	ck_assert_int_eq(now, r->now);
	ck_assert_uint_lt(r->n_sent, RIG_SENT_MAX);
	write_pcap(f, now);
	r->sent[r->n_sent++] = f;
}

static bool elsewhere(void *ctx, struct frame *f, const struct packet *p, nsec_t now)
{
	struct rig *r = ctx;

	(void)p;
	(void)now;
	if (!r->has_way)
		return false;
	ck_assert_uint_lt(r->n_elsewhere, RIG_SENT_MAX);
	r->elsewhere[r->n_elsewhere++] = f;
	return true;
}

void rig_init(struct rig *r)
{
	memset(r, 0, sizeof *r);
	r->now = 100 * NSEC_PER_SEC;
	r->has_way = true;
	ck_assert_int_eq(frame_pool_new(64, &r->pool), 0);
	ck_assert_int_eq(station_new(&(struct station_config){ .addrs = { .mac = rig_mac,
									  .ipv4 = rig_addr("10.0.0.1/24"),
									  .has_ipv6 = true,
									  .ipv6 = rig_addr("fd00::1/64") },
							       .mtu = 1500,
							       .seed = 1,
							       .name = "lan",
							       .pool = r->pool,
							       .out = { sent, r } },
				     &r->st),
			 0);
	station_set_elsewhere(r->st, elsewhere, r);
}

void rig_forget(struct rig *r)
{
	while (r->n_sent)
		frame_free(r->sent[--r->n_sent]);
	while (r->n_elsewhere)
		frame_free(r->elsewhere[--r->n_elsewhere]);
}

void rig_done(struct rig *r)
{
	rig_check_books(r);
	rig_forget(r);
	r->st = station_free(r->st);
	r->pool = frame_pool_free(r->pool); /* asserts that every frame came back */
}

void rig_check_books(struct rig *r)
{
	ck_assert(element_counters_balance(element_counters(station_element(r->st))));
}

struct frame *rig_frame(struct rig *r, const struct mac_addr *src, const struct mac_addr *dst, uint16_t ethertype,
			struct wire_writer *w)
{
	struct frame *f = frame_new(r->pool, 2048);

	*w = wire_write_to(f->data, f->size);
	packet_put_eth(w, dst, src, ethertype);
	return f;
}

void rig_give(struct rig *r, unsigned in, struct frame *f, const struct wire_writer *w)
{
	struct element *e = station_element(r->st);
	nsec_t next;

	ck_assert(!w->failed);
	f->len = (uint32_t)wire_put_len(w);
	next = e->ops->take(e, in, f, r->now);
	ck_assert_int_eq(next, e->ops->next(e));
	if (next <= r->now)
		e->ops->run(e, r->now);
	ck_assert_int_gt(e->ops->next(e), r->now);
}

void rig_pass(struct rig *r, nsec_t span)
{
	struct element *e = station_element(r->st);
	nsec_t until = r->now + span;

	while (e->ops->next(e) <= until) {
		r->now = e->ops->next(e);
		e->ops->run(e, r->now);
	}
	r->now = until;
}

void rig_arp(struct rig *r, const struct mac_addr *mac, uint16_t op, const char *sender, const char *target)
{
	struct packet_arp arp = { op, *mac, { { 0 } }, rig_addr(sender), rig_addr(target) };
	struct wire_writer w;
	struct frame *f = rig_frame(r, mac, op == 1 ? &rig_all : &rig_mac, ETYPE_ARP, &w);

	packet_put_arp(&w, &arp);
	rig_give(r, STATION_IN_NETWORK, f, &w);
}

static uint16_t ethertype_of(const struct ip_addr *ip)
{
	return ip->family == IP_V4 ? ETYPE_IPV4 : ETYPE_IPV6;
}

void rig_udp(struct rig *r, const struct mac_addr *src_mac, const struct mac_addr *dst_mac, const char *src,
	     const char *dst, uint8_t ttl, uint16_t port, size_t len)
{
	static const uint8_t payload[2000];
	struct packet_ip ip = { .src = rig_addr(src), .dst = rig_addr(dst), .ttl = ttl };
	struct wire_writer w;
	struct frame *f = rig_frame(r, src_mac, dst_mac, ethertype_of(&ip.src), &w);

	packet_put_ip_udp(&w, &ip, 40000, port, payload, len);
	rig_give(r, STATION_IN_NETWORK, f, &w);
}

void rig_icmp(struct rig *r, const struct mac_addr *dst_mac, const char *src, const char *dst, uint8_t ttl,
	      uint8_t type, uint32_t rest, const void *payload, size_t len)
{
	struct packet_ip ip = { .src = rig_addr(src), .dst = rig_addr(dst), .ttl = ttl };
	struct wire_writer w;
	struct frame *f = rig_frame(r, &rig_guest, dst_mac, ethertype_of(&ip.src), &w);

	ip.proto = ip.src.family == IP_V4 ? PROTO_ICMP : PROTO_ICMPV6;
	packet_put_ip(&w, &ip, PACKET_ICMP_LEN + len);
	packet_put_icmp(&w, &ip, type, 0, rest, payload, len);
	rig_give(r, STATION_IN_NETWORK, f, &w);
}

const struct packet *rig_sent(struct rig *r, size_t i)
{
	static struct packet p;

	ck_assert_uint_lt(i, r->n_sent);
	ck_assert_int_eq(packet_parse(r->sent[i], &p), PACKET_OK);
	ck_assert(packet_checksums_ok(&p));
	ck_assert(mac_equal(&p.eth_src, &rig_mac) || p.kind != PACKET_ARP);
	return &p;
}
