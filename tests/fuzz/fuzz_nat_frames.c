/* tests/fuzz/fuzz_nat_frames.c: the NAT under any frames and any host. Input: steps, of which each begins with a byte that
 * says what happens: a frame (bytes as they are, or a packet that is right but for some changes), an event of a
 * socket, time, a ring that is full or has room. What the host's calls return is read from the input, too.
 *
 * After each step: every frame for the guest is well-formed, has right checksums and fits the MTU, no more flows are open
 * than allowed, and no flow has more than one socket. At the end no socket is left. */
#include "core/checksum.h"
#include "nat/message.h"
#include "nat/nat.h"
#include "tests/fuzz/nat_host.h"

#include "core/packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLOWS = 12, SOURCE_FLOWS = 8, MTU = 1500, STEPS = 200, FORWARDS = 3 };

#define HOLDS(x)                                             \
	do {                                                 \
		if (!(x)) {                                  \
			fprintf(stderr, "not so: %s\n", #x); \
			abort();                             \
		}                                            \
	} while (0)

static uint8_t room[70000];
static uint32_t reserved;
static bool is_full;
/* Of the last TCP segment to the guest: a step may answer it. */
static uint32_t last_seq, last_ack;
static uint16_t last_src_port, last_dst_port;
static struct ip_addr last_src;

static uint8_t *reserve(void *ctx, uint16_t network, uint32_t len)
{
	(void)ctx;
	HOLDS(network == 0 && len <= FRAME_LEN_MAX);
	reserved = len;
	return is_full ? NULL : room;
}

static void commit(void *ctx, uint16_t network, uint32_t len, const struct frame_offload *offload, nsec_t now)
{
	struct frame *f = frame_new(NULL, len);
	struct packet p;

	(void)ctx;
	(void)network;
	(void)now;
	HOLDS(f && len <= reserved);
	memcpy(f->data, room, len);
	f->len = len;
	f->offload = *offload;
	HOLDS(frame_offload_check(f));
	HOLDS(frame_payload_len(f) <= MTU);
	HOLDS(packet_parse(f, &p) == PACKET_OK);
	HOLDS(p.kind == PACKET_IPV4 || p.kind == PACKET_IPV6);
	HOLDS(packet_checksums_ok(&p));
	HOLDS(p.ttl > 0);
	if (p.proto == PROTO_TCP && !p.is_fragment) {
		last_seq = p.tcp_seq + p.payload_len + !!(p.tcp_flags & (TCP_SYN | TCP_FIN));
		last_ack = p.tcp_ack;
		last_src_port = p.src_port;
		last_dst_port = p.dst_port;
		last_src = p.src;
	}
	frame_free(f);
}

static struct ip_addr address(uint8_t kind, bool is6)
{
	static const char *const v4[] = { "8.8.8.8",  "8.0.0.1",     "10.5.0.1", "127.0.0.1",
					  "99.0.0.1", "192.168.0.9", "224.0.0.1" };
	static const char *const v6[] = {
		"2001:4860::8", "2000::1", "fd05::1", "::1", "6300::1", "fd00::9", "ff02::1"
	};
	struct ip_addr a = { 0 };

	(void)ip_parse(is6 ? v6[kind % 7] : v4[kind % 7], &a);
	return a;
}

static size_t put_tcp(struct wire_writer *w, struct packet_ip *ip, uint8_t how)
{
	static const uint8_t data[1400];
	static const uint8_t options[] = { 2, 4, 5, 180, 4, 2, 1, 1, 1, 3, 3, 7 };
	struct packet_tcp t = { .src_port = (uint16_t)(how & 3), .dst_port = 80, .seq = 1000, .window = 60000 };
	size_t len = 0;

	if (how & 0x80 && last_src.family == ip->src.family) { /* an answer to what came last */
		t.src_port = last_dst_port;
		t.dst_port = last_src_port;
		ip->dst = last_src;
		t.seq = last_ack;
		t.ack = last_seq;
		t.flags = TCP_ACK | (how & 0x40 ? TCP_FIN : 0) | ((how & 0x30) == 0x30 ? TCP_RST : 0);
		len = how & 0x20 ? 1400 : how & 0x10 ? 10 : 0;
	} else {
		t.flags = how & 0x40 ? nat_host_byte() : TCP_SYN;
		t.options = options;
		t.options_len = sizeof options;
	}
	packet_put_ip(w, ip, 20 + t.options_len + len);
	packet_put_tcp(w, ip, &t, data, len);
	return wire_put_len(w);
}

/* A packet that is right, and then some changes. */
static size_t make_frame(uint8_t *buf, size_t size)
{
	static const uint8_t data[3000];
	static const struct mac_addr station = { { 2, 0, 0, 0, 0, 1 } };
	uint8_t how = nat_host_byte(), more = nat_host_byte();
	bool is6 = how & 8;
	struct mac_addr guest = { { 2, 0, 0, 0, 1, more & 1 } };
	struct packet_ip ip = { .dst = address(how >> 4, is6), .ttl = 1 + (more >> 1 & 63) };
	struct wire_writer w = wire_write_to(buf, size);
	uint16_t port = more & 3, len = (uint16_t)(more & 0x80 ? 3000 : more & 15);
	size_t n, at;

	(void)ip_parse(is6 ? "fd05::2" : "10.5.0.2", &ip.src);
	packet_put_eth(&w, &station, &guest, is6 ? ETYPE_IPV6 : ETYPE_IPV4);
	switch (how & 7) {
	case 0:
	case 1:
		packet_put_ip_udp(&w, &ip, port, how & 1 ? 53 : 7, data, len);
		break;
	case 2:
		ip.proto = is6 ? PROTO_ICMPV6 : PROTO_ICMP;
		packet_put_ip(&w, &ip, PACKET_ICMP_LEN + len);
		packet_put_icmp(&w, &ip, is6 ? 128 : 8, 0, port, data, len);
		break;
	case 3: /* a fragment, mostly of the packets of a few identifications */
		ip.proto = PROTO_UDP;
		ip.id = port;
		if (is6) {
			packet_put_ip(&w, &ip, 8 + 64);
			wire_put_bytes(&w, data, 8 + 64);
			at = PACKET_ETH_LEN + 6;
			buf[at] = 44;
			buf[PACKET_ETH_LEN + 40] = PROTO_UDP;
			buf[PACKET_ETH_LEN + 43] = (uint8_t)((more >> 2 & 7) * 64) | (more >> 5 & 1);
			buf[PACKET_ETH_LEN + 47] = (uint8_t)port;
			return wire_put_len(&w);
		}
		packet_put_ip(&w, &ip, 64);
		wire_put_bytes(&w, data, 64);
		store_be16(buf + 20, (uint16_t)((more >> 2 & 7) * 8 | (more & 0x20 ? 0x2000 : 0)));
		store_be16(buf + 24, 0);
		store_be16(buf + 24, checksum_fold(checksum_add(0, buf + 14, 20)));
		return wire_put_len(&w);
	default:
		ip.proto = PROTO_TCP;
		(void)put_tcp(&w, &ip, more);
		break;
	}
	n = w.failed ? 0 : wire_put_len(&w);
	for (uint8_t changes = nat_host_byte() & 3; changes > 1 && n; changes--) {
		at = ((size_t)nat_host_byte() << 3) % n;
		buf[at] ^= nat_host_byte();
	}
	return n;
}

static void step_frame(struct nat *n, uint8_t what, nsec_t now)
{
	static uint8_t buf[4000];
	struct frame_offload offload = { 0 };
	struct message m = { .type = MESSAGE_LEASE, .mac = { { 2 } }, .is_known = what & 0x10 };
	size_t len = 0;

	if (what & 0x80) {
		len = (size_t)nat_host_byte() << (what >> 4 & 3);
		for (size_t i = 0; i < len; i++)
			buf[i] = nat_host_byte();
		if (what & 0x40)
			store_be16(buf + 12, what & 0x20 ? ETYPE_IPV6 : ETYPE_IPV4);
	} else if (what & 0x40) {
		(void)ip_parse(what & 0x20 ? "fd05::2" : "10.5.0.2", &m.ip);
		len = message_put(&m, buf, sizeof buf);
		buf[nat_host_byte() % len] ^= nat_host_byte() & what;
	} else {
		len = make_frame(buf, sizeof buf);
	}
	if (what & 8)
		offload = (struct frame_offload){ .flags = nat_host_byte() & 3,
						  .gso_type = nat_host_byte() & 5,
						  .gso_size = nat_host_byte(),
						  .csum_start = nat_host_byte(),
						  .csum_offset = nat_host_byte() };
	nat_take(n, 0, buf, (uint32_t)len, &offload, now);
}

static void steps(struct nat *n, struct host *h)
{
	nsec_t now = 1;

	for (unsigned i = 0; i < STEPS && nat_host_input.left; i++) {
		uint8_t what = nat_host_byte();

		switch (what & 7) {
		case 4:
			nat_host_fire(h, what >> 3, nat_host_byte() & 15, now);
			break;
		case 5:
			now += (nsec_t)(what >> 3) * (what >> 3) * NSEC_PER_SEC;
			nat_run(n, now);
			break;
		case 6:
			is_full = what & 8;
			if (!is_full)
				nat_room(n, 0, now);
			break;
		case 7:
			nat_flush(n, now);
			break;
		default:
			step_frame(n, what, now);
			break;
		}
		if (nat_next(n) <= now)
			nat_run(n, now);
		HOLDS(nat_next(n) > now);
		HOLDS(nat_flows(n) <= FLOWS);
		HOLDS(host_sockets(h) <= FLOWS + FORWARDS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nat_network network = { .mtu = MTU, .reach = { .mode = REACH_ALL } };
	struct nat_config cfg = { .networks = &network,
				  .n_networks = 1,
				  .limits = { FLOWS, SOURCE_FLOWS },
				  .seed = 1,
				  .raw_icmp_fd = { -1, -1 },
				  .out = { .reserve = reserve, .commit = commit } };
	struct nat_forward_config tcp = { .id = 1, .proto = PROTO_TCP, .fd = 10, .mac = { { 2 } }, .port = 80 };
	struct nat_forward_config udp = { .id = 2, .proto = PROTO_UDP, .fd = 10, .mac = { { 2 } }, .port = 53 };
	struct host *h = NULL;
	struct nat *n = NULL;
	json_t *shown;

	nat_host_input = (struct nat_host_input){ data, size };
	is_full = false;
	last_src = (struct ip_addr){ 0 };
	(void)ip_parse("10.5.0.1/24", &network.reach.service4);
	(void)ip_parse("fd05::1/64", &network.reach.service6);
	network.reach.host_loopback = nat_host_byte() & 1;
	if (nat_host_byte() & 1)
		cfg.raw_icmp_fd[0] = 10;
	HOLDS(host_new(NULL, &h) == 0);
	if (nat_new(&cfg, h, 1, &n) == 0) {
		(void)nat_forward_add(n, &tcp);
		(void)nat_forward_add(n, &udp);
		steps(n, h);
		shown = nat_show(n, -1, 1);
		HOLDS(shown != NULL);
		json_decref(shown);
		nat_free(n);
	}
	HOLDS(host_sockets(h) == 0);
	host_free(h);
	return 0;
}
