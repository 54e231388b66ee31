/* tests/dhcp/capture.c: what a test's servers send, as frames in a capture, to be judged by other programs. */
#include "tests/dhcp/capture.h"

#include "core/packet.h"

#include <stdio.h>
#include <stdlib.h>

enum { FRAME_MAX = 2048, LINK_ETHERNET = 1 };

static FILE *open_capture(void)
{
	const char *path = getenv("MUSTER_CAPTURE");
	const uint32_t head[] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, LINK_ETHERNET };
	FILE *f = path ? fopen(path, "ab") : NULL;

	if (f && ftell(f) == 0)
		(void)fwrite(head, sizeof head, 1, f);
	return f;
}

static void put(const struct packet_ip *ip,
		void (*write)(struct wire_writer *w, const struct packet_ip *ip, const void *), const void *what)
{
	static const struct mac_addr here = { { 2, 0, 0, 0, 0, 1 } }, there = { { 2, 0, 0, 0, 0, 2 } };
	uint8_t frame[FRAME_MAX];
	struct wire_writer w = wire_write_to(frame, sizeof frame);
	FILE *f = open_capture();

	if (!f)
		return;
	packet_put_eth(&w, &there, &here, ETYPE_IPV6);
	write(&w, ip, what);
	if (!w.failed) {
		const uint32_t record[] = { 0, 0, (uint32_t)wire_put_len(&w), (uint32_t)wire_put_len(&w) };

		(void)fwrite(record, sizeof record, 1, f);
		(void)fwrite(frame, wire_put_len(&w), 1, f);
	}
	(void)fclose(f);
}

struct content {
	uint16_t from_port, to_port;
	uint8_t type;
	uint32_t rest;
	const void *payload;
	size_t len;
};

static void write_udp(struct wire_writer *w, const struct packet_ip *ip, const void *what)
{
	const struct content *c = what;

	packet_put_ip_udp(w, ip, c->from_port, c->to_port, c->payload, c->len);
}

static void write_icmp(struct wire_writer *w, const struct packet_ip *ip, const void *what)
{
	const struct content *c = what;

	packet_put_ip(w, ip, PACKET_ICMP_LEN + c->len);
	packet_put_icmp(w, ip, c->type, 0, c->rest, c->payload, c->len);
}

static struct packet_ip ip_to(const struct ip_addr *to, uint8_t proto)
{
	struct packet_ip ip = { .dst = *to, .proto = proto, .ttl = 255 };

	(void)ip_parse("fe80::1", &ip.src);
	return ip;
}

void capture_udp(const struct ip_addr *to, uint16_t from_port, uint16_t to_port, const void *payload, size_t len)
{
	struct packet_ip ip = ip_to(to, PROTO_UDP);

	put(&ip, write_udp,
	    &(struct content){ .from_port = from_port, .to_port = to_port, .payload = payload, .len = len });
}

void capture_icmp(const struct ip_addr *to, uint8_t type, uint32_t rest, const void *payload, size_t len)
{
	struct packet_ip ip = ip_to(to, PROTO_ICMPV6);

	put(&ip, write_icmp, &(struct content){ .type = type, .rest = rest, .payload = payload, .len = len });
}
