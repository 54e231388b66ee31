/* tests/core/check_packet.c: headers found and written: named byte vectors of what holds together and of
 * what does not, every truncation, and packets that are written and read back. */
#include "core/checksum.h"
#include "core/packet.h"
#include "core/prng.h"
#include "tests/unit.h"

#include <string.h>

enum { FRAME_MAX = 2048, NEEDS_CSUM = 1, DATA_VALID = 2, GSO_TCPV4 = 1 };

static const struct mac_addr mac_a = { { 2, 0, 0, 0, 0, 1 } }, mac_b = { { 2, 0, 0, 0, 0, 2 } };

static uint8_t bytes[FRAME_MAX];
static struct wire_writer w;
static struct packet p;

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	ck_assert_int_eq(ip_parse(text, &a), 0);
	return a;
}

static struct packet_ip v4(uint8_t proto)
{
	return (struct packet_ip){ .src = addr("10.0.0.1"),
				   .dst = addr("10.0.0.2"),
				   .proto = proto,
				   .ttl = 64,
				   .tos = 0x28,
				   .id = 0x1234,
				   .dont_fragment = true };
}

static struct packet_ip v6(uint8_t proto)
{
	return (struct packet_ip){
		.src = addr("fd00::1"), .dst = addr("fd00::2"), .proto = proto, .ttl = 63, .tos = 0x2e
	};
}

static void begin(uint16_t ethertype)
{
	memset(bytes, 0, sizeof bytes);
	w = wire_write_to(bytes, sizeof bytes);
	packet_put_eth(&w, &mac_b, &mac_a, ethertype);
}

static enum packet_verdict parse_all(void)
{
	ck_assert(!w.failed);
	return packet_parse_bytes(bytes, wire_put_len(&w), &p);
}

/* ---- named vectors: an IPv4 or IPv6 packet behind an Ethernet header ------------ */

struct vector {
	const char *name;
	uint16_t ethertype;
	const char *hex; /* behind Ethernet */
	enum packet_verdict verdict;
	uint32_t l4_len, payload_len;
};

#define V4(len, frag, proto) "45 00 " len " 00 01 " frag " 40 " proto " 00 00 0a 00 00 01 0a 00 00 02 "
#define V6(len, next) "60 00 00 00 " len " " next " 40 " A6 A6
#define A6 "fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 "
#define UDP(len) "00 35 00 44 " len " 00 00 "
#define ZEROS8 "00 00 00 00 00 00 00 00 "
#define TCP(off) "00 50 00 51 00 00 00 01 00 00 00 02 " off " 10 ff ff 00 00 00 00 "
/* clang-format off */
static const struct vector vectors[] = {
	{ "udp", ETYPE_IPV4, V4("00 20", "00 00", "11") UDP("00 0c") "01 02 03 04", PACKET_OK, 12, 4 },
	{ "udp with padding", ETYPE_IPV4, V4("00 1c", "00 00", "11") UDP("00 08") "00 00 00 00", PACKET_OK, 8, 0 },
	{ "udp shorter than the packet", ETYPE_IPV4, V4("00 20", "00 00", "11") UDP("00 0a") "01 02 03 04", PACKET_OK, 12, 2 },
	{ "udp length 7", ETYPE_IPV4, V4("00 20", "00 00", "11") UDP("00 07") "01 02 03 04", PACKET_MALFORMED, 0, 0 },
	{ "udp length 0", ETYPE_IPV4, V4("00 20", "00 00", "11") UDP("00 00") "01 02 03 04", PACKET_MALFORMED, 0, 0 },
	{ "udp beyond the packet", ETYPE_IPV4, V4("00 20", "00 00", "11") UDP("00 0d") "01 02 03 04 05", PACKET_MALFORMED, 0, 0 },
	{ "udp header cut", ETYPE_IPV4, V4("00 1b", "00 00", "11") UDP("00 08"), PACKET_MALFORMED, 0, 0 },
	{ "ip header of 16", ETYPE_IPV4, "44 00 00 20 00 01 00 00 40 11 00 00 0a 00 00 01 0a 00 00 02 " UDP("00 0c") "01 02 03 04", PACKET_MALFORMED, 0, 0 },
	{ "version 5", ETYPE_IPV4, "55 00 00 14 00 01 00 00 40 ff 00 00 0a 00 00 01 0a 00 00 02", PACKET_MALFORMED, 0, 0 },
	{ "total length in the header", ETYPE_IPV4, V4("00 13", "00 00", "ff"), PACKET_MALFORMED, 0, 0 },
	{ "total length beyond the frame", ETYPE_IPV4, V4("00 15", "00 00", "ff"), PACKET_MALFORMED, 0, 0 },
	{ "only a header", ETYPE_IPV4, V4("00 14", "00 00", "ff"), PACKET_OK, 0, 0 },
	{ "options", ETYPE_IPV4, "46 00 00 20 00 01 00 00 40 11 00 00 0a 00 00 01 0a 00 00 02 01 01 01 00 " UDP("00 08"), PACKET_OK, 8, 0 },
	{ "options beyond the packet", ETYPE_IPV4, "4f 00 00 20 00 01 00 00 40 11 00 00 0a 00 00 01 0a 00 00 02 01 01 01 00 " UDP("00 08"), PACKET_MALFORMED, 0, 0 },
	{ "first fragment", ETYPE_IPV4, V4("00 1c", "20 00", "11") UDP("05 00"), PACKET_OK, 8, 8 },
	{ "fragment of 7", ETYPE_IPV4, V4("00 1b", "20 00", "11") UDP("05 00"), PACKET_MALFORMED, 0, 0 },
	{ "last fragment of 7", ETYPE_IPV4, V4("00 1b", "00 01", "11") UDP("05 00"), PACKET_OK, 7, 7 },
	{ "empty fragment", ETYPE_IPV4, V4("00 14", "00 01", "11"), PACKET_MALFORMED, 0, 0 },
	{ "ping of death", ETYPE_IPV4, V4("00 1c", "1f fe", "01") ZEROS8, PACKET_MALFORMED, 0, 0 },
	{ "the last fragment there can be", ETYPE_IPV4, V4("00 1b", "1f fc", "01") ZEROS8, PACKET_OK, 7, 7 },
	{ "tcp", ETYPE_IPV4, V4("00 28", "00 00", "06") TCP("50"), PACKET_OK, 20, 0 },
	{ "tcp options", ETYPE_IPV4, V4("00 2d", "00 00", "06") TCP("60") "02 04 05 b4 aa", PACKET_OK, 25, 1 },
	{ "tcp header of 16", ETYPE_IPV4, V4("00 28", "00 00", "06") TCP("40"), PACKET_MALFORMED, 0, 0 },
	{ "tcp header beyond the packet", ETYPE_IPV4, V4("00 28", "00 00", "06") TCP("60"), PACKET_MALFORMED, 0, 0 },
	{ "icmp of 7", ETYPE_IPV4, V4("00 1b", "00 00", "01") ZEROS8, PACKET_MALFORMED, 0, 0 },
	{ "icmp", ETYPE_IPV4, V4("00 1c", "00 00", "01") ZEROS8, PACKET_OK, 8, 0 },
	{ "icmpv6 in ipv4 is not walked", ETYPE_IPV4, V4("00 15", "00 00", "3a") "80", PACKET_OK, 1, 1 },
	{ "udp in ipv6", ETYPE_IPV6, V6("00 0a", "11") UDP("00 0a") "01 02", PACKET_OK, 10, 2 },
	{ "ipv6 beyond the frame", ETYPE_IPV6, V6("00 0b", "11") UDP("00 0a") "01 02", PACKET_MALFORMED, 0, 0 },
	{ "ipv6 length 0 (no jumbograms)", ETYPE_IPV6, V6("00 00", "11") UDP("00 08"), PACKET_MALFORMED, 0, 0 },
	{ "no next header", ETYPE_IPV6, V6("00 00", "3b"), PACKET_OK, 0, 0 },
	{ "hop by hop, destination, udp", ETYPE_IPV6, V6("00 18", "00") "3c 00 01 04 00 00 00 00 11 00 01 04 00 00 00 00 " UDP("00 08"), PACKET_OK, 8, 0 },
	{ "hop by hop later", ETYPE_IPV6, V6("00 18", "3c") "00 00 01 04 00 00 00 00 11 00 01 04 00 00 00 00 " UDP("00 08"), PACKET_MALFORMED, 0, 0 },
	{ "extension beyond the packet", ETYPE_IPV6, V6("00 10", "3c") "11 02 01 04 00 00 00 00 " UDP("00 08"), PACKET_MALFORMED, 0, 0 },
	{ "authentication header", ETYPE_IPV6, V6("00 14", "33") "11 01 00 00 00 00 00 01 00 00 00 01 " UDP("00 08"), PACKET_OK, 8, 0 },
	{ "eight extensions", ETYPE_IPV6, V6("00 48", "3c")
	  "3c 00 01 04 00 00 00 00 3c 00 01 04 00 00 00 00 3c 00 01 04 00 00 00 00 3c 00 01 04 00 00 00 00 "
	  "3c 00 01 04 00 00 00 00 3c 00 01 04 00 00 00 00 3c 00 01 04 00 00 00 00 11 00 01 04 00 00 00 00 " UDP("00 08"), PACKET_OK, 8, 0 },
	{ "nine extensions", ETYPE_IPV6, V6("00 50", "3c")
	  "3c 00 01 04 00 00 00 00 3c 00 01 04 00 00 00 00 3c 00 01 04 00 00 00 00 3c 00 01 04 00 00 00 00 "
	  "3c 00 01 04 00 00 00 00 3c 00 01 04 00 00 00 00 3c 00 01 04 00 00 00 00 3c 00 01 04 00 00 00 00 "
	  "11 00 01 04 00 00 00 00 " UDP("00 08"), PACKET_MALFORMED, 0, 0 },
	{ "ipv6 first fragment", ETYPE_IPV6, V6("00 10", "2c") "11 00 00 01 00 00 00 07 " UDP("05 00"), PACKET_OK, 8, 8 },
	{ "ipv6 fragment of 7", ETYPE_IPV6, V6("00 0f", "2c") "11 00 00 01 00 00 00 07 " UDP("05 00"), PACKET_MALFORMED, 0, 0 },
	{ "ipv6 later fragment", ETYPE_IPV6, V6("00 0f", "2c") "3c 00 05 a8 00 00 00 07 " UDP("05 00"), PACKET_OK, 7, 7 },
	{ "ipv6 fragment too far", ETYPE_IPV6, V6("00 10", "2c") "11 00 ff f8 00 00 00 07 " ZEROS8, PACKET_MALFORMED, 0, 0 },
	{ "atomic fragment is whole", ETYPE_IPV6, V6("00 10", "2c") "11 00 00 00 00 00 00 07 " UDP("00 08"), PACKET_OK, 8, 0 },
	{ "atomic fragment, udp length 7", ETYPE_IPV6, V6("00 10", "2c") "11 00 00 00 00 00 00 07 " UDP("00 07"), PACKET_MALFORMED, 0, 0 },
	{ "two fragment headers", ETYPE_IPV6, V6("00 18", "2c") "2c 00 00 00 00 00 00 07 11 00 00 00 00 00 00 07 " UDP("00 08"), PACKET_MALFORMED, 0, 0 },
	{ "arp", ETYPE_ARP, "00 01 08 00 06 04 00 01 02 00 00 00 00 01 0a 00 00 01 00 00 00 00 00 00 0a 00 00 02", PACKET_OK, 0, 0 },
	{ "arp cut", ETYPE_ARP, "00 01 08 00 06 04 00 01 02 00 00 00 00 01 0a 00 00 01 00 00 00 00 00 00 0a 00 00", PACKET_MALFORMED, 0, 0 },
	{ "802.3 length", 0x0026, "42 42 03 00 00", PACKET_OK, 0, 0 },
};
/* clang-format on */

static size_t unhex(const char *hex, uint8_t *to)
{
	size_t n = 0;

	for (; *hex; hex += hex[2] ? 3 : 2) {
		char pair[3] = { hex[0], hex[1], 0 };

		to[n++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

START_TEST(a_vector)
{
	const struct vector *v = &vectors[_i];
	uint8_t *data;
	size_t len;

	begin(v->ethertype);
	len = PACKET_ETH_LEN + unhex(v->hex, bytes + PACKET_ETH_LEN);
	data = malloc(len); /* so that a sanitizer sees every byte beyond */
	memcpy(data, bytes, len);
	ck_assert_msg(packet_parse_bytes(data, len, &p) == v->verdict, "%s", v->name);
	if (v->verdict == PACKET_OK) {
		ck_assert_msg(p.l4_len == v->l4_len, "%s: l4_len %u", v->name, p.l4_len);
		ck_assert_msg(p.payload_len == v->payload_len, "%s: payload_len %u", v->name, p.payload_len);
	}
	/* The IP packet alone has the same verdict. */
	if (v->ethertype == ETYPE_IPV4 || v->ethertype == ETYPE_IPV6)
		ck_assert_msg(packet_parse_ip(data + PACKET_ETH_LEN, len - PACKET_ETH_LEN, true, &p) == v->verdict ||
				      data[PACKET_ETH_LEN] >> 4 == 5,
			      "%s", v->name);
	free(data);
}
END_TEST

/* ---- fields ---------------------------------------------------------------- */

START_TEST(the_fields_of_tcp_behind_two_tags)
{
	static const uint8_t options[4] = { 2, 4, 5, 0xb4 };
	struct packet_ip ip = v4(PROTO_TCP);
	struct packet_tcp tcp = { 1234, 80, 0xdeadbeef, 0xfeedface, TCP_SYN | TCP_ECE, 0x4000, options, 4 };

	begin(ETYPE_QINQ);
	wire_put_be16(&w, 0x2005);
	wire_put_be16(&w, ETYPE_VLAN);
	wire_put_be16(&w, 0x0007);
	wire_put_be16(&w, ETYPE_IPV4);
	packet_put_ip(&w, &ip, 20 + 4 + 3);
	packet_put_tcp(&w, &ip, &tcp, "abc", 3);
	ck_assert_int_eq(parse_all(), PACKET_OK);
	ck_assert_uint_eq(p.n_tags, 2);
	ck_assert_uint_eq(p.tags[0], 0x2005);
	ck_assert_uint_eq(p.tags[1], 7);
	ck_assert_uint_eq(p.l3, 22);
	ck_assert_int_eq(p.kind, PACKET_IPV4);
	ck_assert(mac_equal(&p.eth_dst, &mac_b) && mac_equal(&p.eth_src, &mac_a));
	ck_assert(ip_equal(&p.src, &ip.src) && ip_equal(&p.dst, &ip.dst));
	ck_assert_uint_eq(p.tos, 0x28);
	ck_assert_uint_eq(p.ip_id, 0x1234);
	ck_assert(p.dont_fragment && !p.is_fragment && !p.has_options);
	ck_assert_uint_eq(p.src_port, 1234);
	ck_assert_uint_eq(p.dst_port, 80);
	ck_assert_uint_eq(p.tcp_seq, 0xdeadbeef);
	ck_assert_uint_eq(p.tcp_ack, 0xfeedface);
	ck_assert_uint_eq(p.tcp_flags, TCP_SYN | TCP_ECE);
	ck_assert_uint_eq(p.tcp_window, 0x4000);
	ck_assert_uint_eq(p.tcp_options_len, 4);
	ck_assert_mem_eq(bytes + p.tcp_options, options, 4);
	ck_assert_uint_eq(p.payload_len, 3);
	ck_assert_mem_eq(bytes + p.payload, "abc", 3);
	ck_assert(packet_checksums_ok(&p));
}
END_TEST

START_TEST(three_tags_are_something_else)
{
	begin(ETYPE_VLAN);
	for (unsigned i = 0; i < 3; i++) {
		wire_put_be16(&w, 1);
		wire_put_be16(&w, i < 2 ? ETYPE_VLAN : ETYPE_IPV4);
	}
	ck_assert_int_eq(parse_all(), PACKET_OK);
	ck_assert_int_eq(p.kind, PACKET_OTHER);
	ck_assert_uint_eq(p.ethertype, ETYPE_VLAN);
	ck_assert_int_eq(packet_parse_bytes(bytes, 17, &p), PACKET_MALFORMED); /* within the first tag */
}
END_TEST

START_TEST(the_fields_of_a_fragment)
{
	begin(ETYPE_IPV6);
	w.p += unhex(V6("00 20", "00") "2c 00 01 04 00 00 00 00 3c 00 05 a9 01 02 03 04 " ZEROS8 ZEROS8,
		     bytes + PACKET_ETH_LEN);
	ck_assert_int_eq(parse_all(), PACKET_OK);
	ck_assert(p.is_fragment && p.frag_more);
	ck_assert_uint_eq(p.frag_offset, 0x5a8);
	ck_assert_uint_eq(p.ip_id, 0x01020304);
	ck_assert_uint_eq(p.frag_header, 14 + 40 + 8);
	ck_assert_uint_eq(p.frag_proto_at, 14 + 40);
	ck_assert_uint_eq(p.proto_at, 14 + 40 + 8);
	ck_assert_uint_eq(p.proto, 60);
	ck_assert_uint_eq(p.l4, 14 + 40 + 16);
	ck_assert_uint_eq(p.l4_len, 16);
}
END_TEST

START_TEST(arp_is_read_and_written)
{
	struct packet_arp arp = { 2, mac_a, mac_b, addr("10.0.0.1"), addr("10.0.0.2") };

	begin(ETYPE_ARP);
	packet_put_arp(&w, &arp);
	ck_assert_uint_eq(wire_put_len(&w), PACKET_ETH_LEN + PACKET_ARP_LEN);
	ck_assert_int_eq(parse_all(), PACKET_OK);
	ck_assert_int_eq(p.kind, PACKET_ARP);
	ck_assert_uint_eq(p.arp.op, 2);
	ck_assert(mac_equal(&p.arp.sender_mac, &mac_a) && mac_equal(&p.arp.target_mac, &mac_b));
	ck_assert(ip_equal(&p.arp.sender, &arp.sender) && ip_equal(&p.arp.target, &arp.target));
	bytes[15] = 6; /* IEEE 802 hardware */
	ck_assert_int_eq(parse_all(), PACKET_OK);
	ck_assert_int_eq(p.kind, PACKET_OTHER);
}
END_TEST

/* What an ICMP error quotes: the header and eight bytes. */
START_TEST(a_quoted_packet_is_read_as_far_as_it_goes)
{
	struct packet_ip ip = v4(PROTO_TCP);
	struct packet_tcp tcp = { 1234, 80, 77, 0, TCP_ACK, 100, NULL, 0 };

	begin(ETYPE_IPV4);
	packet_put_ip(&w, &ip, 20 + 400);
	packet_put_tcp(&w, &ip, &tcp, bytes + 1000, 400);
	ck_assert_int_eq(packet_parse_ip(bytes + 14, 28, true, &p), PACKET_MALFORMED);
	ck_assert_int_eq(packet_parse_ip(bytes + 14, 28, false, &p), PACKET_OK);
	ck_assert_uint_eq(p.src_port, 1234);
	ck_assert_uint_eq(p.dst_port, 80);
	ck_assert_uint_eq(p.tcp_seq, 77);
	ck_assert_uint_eq(p.payload_len, 0);
	ck_assert_uint_eq(p.l3, 0);
	ck_assert_int_eq(packet_parse_ip(bytes + 14, 27, false, &p), PACKET_MALFORMED);
	ip = v4(PROTO_UDP);
	begin(ETYPE_IPV4);
	packet_put_ip_udp(&w, &ip, 53, 1024, bytes + 1000, 400);
	ck_assert_int_eq(packet_parse_ip(bytes + 14, 30, false, &p), PACKET_OK);
	ck_assert_uint_eq(p.dst_port, 1024);
	ck_assert_uint_eq(p.payload_len, 2);
	ck_assert_int_eq(packet_parse_ip(bytes, 0, false, &p), PACKET_MALFORMED);
}
END_TEST

/* ---- checksums ------------------------------------------------------------- */

/* One packet of each kind, behind Ethernet. */
static void write_kind(unsigned kind, const uint8_t *payload, size_t len)
{
	static const uint8_t protos[] = { PROTO_UDP, PROTO_TCP, PROTO_ICMP, PROTO_UDP, PROTO_TCP, PROTO_ICMPV6 };
	struct packet_ip ip = kind < 3 ? v4(protos[kind]) : v6(protos[kind]);
	struct packet_tcp tcp = { 1, 2, 3, 4, TCP_ACK, 5, NULL, 0 };

	begin(kind < 3 ? ETYPE_IPV4 : ETYPE_IPV6);
	if (ip.proto == PROTO_UDP) {
		packet_put_ip_udp(&w, &ip, 1, 2, payload, len);
	} else if (ip.proto == PROTO_TCP) {
		packet_put_ip(&w, &ip, PACKET_TCP_LEN + len);
		packet_put_tcp(&w, &ip, &tcp, payload, len);
	} else {
		packet_put_ip(&w, &ip, PACKET_ICMP_LEN + len);
		packet_put_icmp(&w, &ip, kind < 3 ? 8 : 128, 0, 0x00010002, payload, len);
	}
}

START_TEST(what_is_written_is_right_and_a_flipped_bit_is_wrong)
{
	uint8_t payload[300];
	struct prng rng;

	prng_init(&rng, 3, "packet");
	for (unsigned i = 0; i < 3000; i++) {
		size_t len = prng_below(&rng, sizeof payload), bit;

		prng_bytes(&rng, payload, sizeof payload);
		write_kind(i % 6, payload, len);
		ck_assert_int_eq(parse_all(), PACKET_OK);
		ck_assert_uint_eq(p.payload_len, len);
		ck_assert_mem_eq(bytes + p.payload, payload, len);
		ck_assert(packet_checksums_ok(&p));
		bit = prng_below(&rng, p.l4_len * 8);
		bytes[p.l4 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (parse_all() == PACKET_OK && p.payload_len == len)
			ck_assert(!packet_checksums_ok(&p));
	}
}
END_TEST

START_TEST(the_ipv4_header_has_a_checksum_of_its_own)
{
	write_kind(0, (const uint8_t *)"ab", 2);
	bytes[14 + 8]--; /* TTL is in no pseudo header */
	ck_assert_int_eq(parse_all(), PACKET_OK);
	ck_assert(!packet_checksums_ok(&p));
	p.offload.flags = NEEDS_CSUM; /* which speaks of UDP only */
	ck_assert(!packet_checksums_ok(&p));
	p.offload.gso_type = GSO_TCPV4; /* cutting writes it anew */
	ck_assert(packet_checksums_ok(&p));
}
END_TEST

START_TEST(what_the_offload_header_vouches_for_is_not_checked)
{
	for (unsigned kind = 0; kind < 6; kind++) {
		write_kind(kind, (const uint8_t *)"ab", 2);
		bytes[wire_put_len(&w) - 1] ^= 1;
		ck_assert_int_eq(parse_all(), PACKET_OK);
		ck_assert(!packet_checksums_ok(&p));
		p.offload.flags = NEEDS_CSUM;
		ck_assert(packet_checksums_ok(&p));
		p.offload.flags = DATA_VALID;
		ck_assert(packet_checksums_ok(&p));
	}
}
END_TEST

START_TEST(udp_without_checksum_is_for_ipv4_only)
{
	write_kind(0, (const uint8_t *)"ab", 2);
	bytes[14 + 20 + 6] = bytes[14 + 20 + 7] = 0;
	ck_assert_int_eq(parse_all(), PACKET_OK);
	ck_assert(packet_checksums_ok(&p));
	write_kind(3, (const uint8_t *)"ab", 2);
	bytes[14 + 40 + 6] = bytes[14 + 40 + 7] = 0;
	ck_assert_int_eq(parse_all(), PACKET_OK);
	ck_assert(!packet_checksums_ok(&p));
}
END_TEST

/* Two bytes that make the sum 0: it is written as ffff (RFC 768). */
START_TEST(a_udp_sum_of_zero_is_written_as_ones)
{
	for (unsigned kind = 0; kind < 6; kind += 3) {
		uint8_t payload[2] = { 0 };

		write_kind(kind, payload, 2);
		ck_assert_int_eq(parse_all(), PACKET_OK);
		memcpy(payload, bytes + p.l4 + 6, 2); /* the sum so far: adding it leaves 0 */
		write_kind(kind, payload, 2);
		ck_assert_int_eq(parse_all(), PACKET_OK);
		ck_assert_uint_eq(load_be16(bytes + p.l4 + 6), 0xffff);
		ck_assert(packet_checksums_ok(&p));
	}
}
END_TEST

START_TEST(a_pseudo_sum_is_what_needs_csum_completes)
{
	for (unsigned kind = 0; kind < 5; kind++) {
		struct frame *f = frame_new(NULL, FRAME_MAX);
		uint32_t at;

		if (kind == 2)
			continue;
		write_kind(kind, (const uint8_t *)"abc", 3);
		ck_assert_int_eq(parse_all(), PACKET_OK);
		at = p.proto == PROTO_TCP ? 16 : 6;
		memcpy(f->data, bytes, f->len = (uint32_t)wire_put_len(&w));
		store_be16(f->data + p.l4 + at,
			   (uint16_t)~checksum_fold(packet_pseudo_sum(&p.src, &p.dst, p.proto, p.l4_len)));
		f->offload = (struct frame_offload){ .flags = NEEDS_CSUM,
						     .csum_start = (uint16_t)p.l4,
						     .csum_offset = (uint16_t)at };
		ck_assert_int_eq(frame_checksum_complete(f), 0);
		ck_assert_mem_eq(f->data, bytes, f->len);
		frame_free(f);
	}
}
END_TEST

/* ---- bounds ------------------------------------------------------------------ */

START_TEST(every_truncation_is_malformed)
{
	for (unsigned kind = 0; kind < 6; kind++) {
		write_kind(kind, (const uint8_t *)"abcdef", 6);
		for (size_t len = 0; len < wire_put_len(&w); len++) {
			uint8_t *data = malloc(len + 1);

			memcpy(data, bytes, len);
			ck_assert_int_eq(packet_parse_bytes(data, len, &p), PACKET_MALFORMED);
			free(data);
		}
		ck_assert_int_eq(parse_all(), PACKET_OK);
	}
}
END_TEST

START_TEST(a_writer_without_room_fails_and_writes_nothing_beyond)
{
	for (unsigned kind = 0; kind < 6; kind++) {
		uint8_t *small;
		size_t len;

		write_kind(kind, (const uint8_t *)"abcdef", 6);
		len = wire_put_len(&w) - 1;
		small = malloc(len);
		w = wire_write_to(small, len);
		{
			struct packet_ip ip = kind < 3 ? v4(PROTO_UDP) : v6(PROTO_UDP);
			struct packet_tcp tcp = { .options = bytes, .options_len = 3 };

			packet_put_eth(&w, &mac_a, &mac_b, 0);
			packet_put_ip_udp(&w, &ip, 1, 2, bytes, len - packet_ip_len(&ip) - 8 - 13);
			ck_assert(w.failed);
			w = wire_write_to(bytes, sizeof bytes);
			packet_put_tcp(&w, &ip, &tcp, NULL, 0); /* options of 3 bytes */
			ck_assert(w.failed);
			w = wire_write_to(bytes, sizeof bytes);
			packet_put_ip(&w, &ip, kind < 3 ? 65516 : 65536);
			ck_assert(w.failed);
			w = wire_write_to(bytes, sizeof bytes);
			packet_put_ip(&w, &ip, kind < 3 ? 65515 : 65535);
			ck_assert(!w.failed);
		}
		free(small);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("packet");
	TCase *t = tcase_create("packet");

	tcase_add_loop_test(t, a_vector, 0, (int)(sizeof vectors / sizeof *vectors));
	tcase_add_test(t, the_fields_of_tcp_behind_two_tags);
	tcase_add_test(t, three_tags_are_something_else);
	tcase_add_test(t, the_fields_of_a_fragment);
	tcase_add_test(t, arp_is_read_and_written);
	tcase_add_test(t, a_quoted_packet_is_read_as_far_as_it_goes);
	tcase_add_test(t, what_is_written_is_right_and_a_flipped_bit_is_wrong);
	tcase_add_test(t, the_ipv4_header_has_a_checksum_of_its_own);
	tcase_add_test(t, what_the_offload_header_vouches_for_is_not_checked);
	tcase_add_test(t, udp_without_checksum_is_for_ipv4_only);
	tcase_add_test(t, a_udp_sum_of_zero_is_written_as_ones);
	tcase_add_test(t, a_pseudo_sum_is_what_needs_csum_completes);
	tcase_add_test(t, every_truncation_is_malformed);
	tcase_add_test(t, a_writer_without_room_fails_and_writes_nothing_beyond);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
