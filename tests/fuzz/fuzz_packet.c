/* tests/fuzz/fuzz_packet.c: a frame of any bytes, and the headers that the parser finds in it. Input: a byte
 * that picks a good packet to begin from, or none; then a length and changes, pairs of a place and a value; for
 * none, the frame itself. Everything found lies within the frame, lengths add up, and a
 * parse of the IP packet alone, as an error quotes it, stays within bounds, too. */
#include "core/packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_MAX = 256, KINDS = 7 };

#define HOLDS(what)                                             \
	do {                                                    \
		if (!(what)) {                                  \
			fprintf(stderr, "not so: %s\n", #what); \
			abort();                                \
		}                                               \
	} while (0)

/* A good packet of each kind, to begin from. Returns its length. */
static size_t good_packet(unsigned kind, uint8_t *to)
{
	static const uint8_t protos[KINDS] = { PROTO_UDP, PROTO_TCP, PROTO_ICMP, PROTO_UDP, PROTO_TCP, PROTO_ICMPV6 };
	struct wire_writer w = wire_write_to(to, FRAME_MAX);
	struct mac_addr mac = { { 2 } };
	struct packet_ip ip = {
		.src = { IP_V4, 32, { 10 } }, .dst = { IP_V4, 32, { 10, 1 } }, .proto = protos[kind], .ttl = 9
	};
	struct packet_tcp tcp = { .src_port = 1, .options = "\1\1\1", .options_len = 4 };
	struct packet_arp arp = { .op = 1, .sender = ip.src, .target = ip.dst };
	static const uint8_t extensions[24] = {
		60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4
	};
	size_t ext = 0;

	if (kind >= 3)
		ip.src.family = ip.dst.family = IP_V6;
	if (kind == 4)
		ext = sizeof extensions;
	packet_put_eth(&w, &mac, &mac, kind == 6 ? ETYPE_ARP : kind < 3 ? ETYPE_IPV4 : ETYPE_IPV6);
	switch (kind) {
	case 6:
		packet_put_arp(&w, &arp);
		break;
	case 0:
	case 3:
		packet_put_ip_udp(&w, &ip, 1, 2, to, 20);
		break;
	case 1:
	case 4:
		packet_put_ip(&w, &ip, ext + 24 + 20);
		wire_put_bytes(&w, extensions, ext);
		packet_put_tcp(&w, &ip, &tcp, to, 20);
		break;
	default:
		packet_put_ip(&w, &ip, 8 + 20);
		packet_put_icmp(&w, &ip, 8, 0, 1, to, 20);
	}
	HOLDS(!w.failed);
	if (ext) { /* hop-by-hop, destination, an atomic fragment, TCP */
		to[14 + 6] = 0;
		to[14 + 40 + 16] = PROTO_TCP;
	}
	return wire_put_len(&w);
}

static void check_ip(const struct packet *p)
{
	HOLDS(p->l3 <= p->l4 && p->l4 + p->l4_len <= p->l3 + p->l3_len);
	HOLDS(p->l3 + p->l3_len <= p->frame_len);
	HOLDS(p->l4 <= p->payload && p->payload + p->payload_len <= p->l4 + p->l4_len);
	HOLDS(p->tcp_options + p->tcp_options_len <= p->frame_len);
	HOLDS(p->proto_at < p->l4 && p->data[p->proto_at] == p->proto);
	HOLDS(!p->frag_header || (p->frag_header + 8 <= p->l4 && p->data[p->frag_proto_at] == 44));
	HOLDS(p->src.family == p->dst.family);
}

static void check(const uint8_t *data, size_t len)
{
	struct packet p, whole, quoted;

	if (packet_parse_bytes(data, len, &p) != PACKET_OK)
		return;
	HOLDS(p.l3 <= len && p.frame_len == len && p.n_tags <= PACKET_TAGS_MAX);
	if (p.kind != PACKET_IPV4 && p.kind != PACKET_IPV6)
		return;
	check_ip(&p);
	(void)packet_checksums_ok(&p);
	HOLDS(packet_parse_ip(data + p.l3, p.l3_len, true, &whole) == PACKET_OK);
	HOLDS(whole.l4 + p.l3 == p.l4 && whole.l4_len == p.l4_len && whole.payload_len == p.payload_len);
	for (size_t n = 0; n < p.l3_len; n++) {
		uint8_t *part = malloc(n + 1);

		memcpy(part, data + p.l3, n);
		if (packet_parse_ip(part, n, false, &quoted) == PACKET_OK)
			check_ip(&quoted);
		free(part);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t buf[FRAME_MAX] = { 0 }, *exact;
	size_t n;

	if (len < 2)
		return 0;
	if (data[0] % 8 == KINDS) {
		n = len - 1 < FRAME_MAX ? len - 1 : FRAME_MAX;
		memcpy(buf, data + 1, n);
	} else {
		n = good_packet(data[0] % 8, buf);
		if (data[0] & 0x80) /* cut, or with padding */
			n = data[1];
		else if (len > 18)
			len = 18;
		for (size_t i = 2; i + 1 < len; i += 2)
			buf[data[i] % 96] = data[i + 1];
	}
	exact = malloc(n + 1);
	memcpy(exact, buf, n);
	check(exact, n);
	free(exact);
	return 0;
}
