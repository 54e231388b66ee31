/* tests/fabric/check_station.c: the service station on virtual time: what it answers, to whom, and what it does not. */
#include "core/checksum.h"
#include "core/prng.h"
#include "fabric/neighbours.h"
#include "tests/fabric/station_rig.h"
#include "tests/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct rig rig;
static struct packet took; /* by the service */
static unsigned n_took;
static uint8_t took_payload[2048];

static void setup(void)
{
	rig_init(&rig);
	n_took = 0;
}

static void teardown(void)
{
	rig_done(&rig);
}

static const struct station_counters *said(void)
{
	return station_counters(rig.st);
}

static uint64_t lost(enum loss_reason why)
{
	return element_counters(station_element(rig.st))->lost_frames[why];
}

static void take(void *ctx, const struct packet *p, nsec_t now)
{
	(void)ctx;
	(void)now;
	took = *p;
	n_took++;
	ck_assert_uint_le(p->payload_len, sizeof took_payload);
	memcpy(took_payload, p->data + p->payload, p->payload_len);
}

static void bind(uint8_t proto, enum ip_family family, uint16_t port)
{
	ck_assert_int_eq(station_bind(rig.st,
				      &(struct station_service){
					      .proto = proto, .family = family, .port = port, .take = take }),
			 0);
}

/* The guest has asked for the station: it is known. */
static void meet(void)
{
	rig_arp(&rig, &rig_guest, 1, "10.0.0.2", "10.0.0.1");
	rig_forget(&rig);
}

/* ---- ARP ------------------------------------------------------------------------ */

START_TEST(arp_is_answered_and_the_asker_learned)
{
	const struct packet *p;
	struct mac_addr mac;
	struct ip_addr guest = rig_addr("10.0.0.2");

	rig_arp(&rig, &rig_guest, 1, "10.0.0.2", "10.0.0.1");
	ck_assert_uint_eq(rig.n_sent, 1);
	p = rig_sent(&rig, 0);
	ck_assert_int_eq(p->kind, PACKET_ARP);
	ck_assert_uint_eq(p->arp.op, 2);
	ck_assert(mac_equal(&p->eth_dst, &rig_guest) && mac_equal(&p->arp.target_mac, &rig_guest));
	ck_assert(mac_equal(&p->arp.sender_mac, &rig_mac));
	ck_assert(ip_equal(&p->arp.target, &guest));
	ck_assert_int_eq(station_neighbour_get(rig.st, &guest, &mac), 0);
	ck_assert(mac_equal(&mac, &rig_guest));
	/* A reply for nobody's question makes no entry; one of a known sender moves it. */
	rig_arp(&rig, &rig_other, 2, "10.0.0.3", "10.0.0.1");
	guest = rig_addr("10.0.0.3");
	ck_assert_int_eq(station_neighbour_get(rig.st, &guest, &mac), -ENOENT);
	rig_arp(&rig, &rig_other, 2, "10.0.0.2", "10.0.0.1");
	guest = rig_addr("10.0.0.2");
	ck_assert_int_eq(station_neighbour_get(rig.st, &guest, &mac), 0);
	ck_assert(mac_equal(&mac, &rig_other));
	ck_assert_uint_eq(rig.n_sent, 1);
}
END_TEST

START_TEST(nobody_sets_the_stations_own_address)
{
	struct ip_addr own = rig_addr("10.0.0.1"), far = rig_addr("192.0.2.1");
	struct mac_addr mac;

	station_neighbour_set(rig.st, &own, &rig_guest, rig.now);
	station_neighbour_set(rig.st, &far, &rig_guest, rig.now);
	ck_assert_int_eq(station_neighbour_get(rig.st, &own, &mac), -ENOENT);
	ck_assert_int_eq(station_neighbour_get(rig.st, &far, &mac), -ENOENT);
}
END_TEST

START_TEST(a_probe_is_answered_and_others_questions_are_not)
{
	struct ip_addr none = rig_addr("0.0.0.0");

	rig_arp(&rig, &rig_guest, 1, "0.0.0.0", "10.0.0.1");
	ck_assert_uint_eq(rig.n_sent, 1);
	ck_assert(ip_equal(&rig_sent(&rig, 0)->arp.target, &none));
	rig_arp(&rig, &rig_guest, 1, "10.0.0.2", "10.0.0.3");
	rig_arp(&rig, &rig_guest, 1, "10.0.0.2", "10.0.0.2");
	ck_assert_uint_eq(rig.n_sent, 1);
	ck_assert_uint_eq(said()->arp_requests, 1);
}
END_TEST

START_TEST(the_address_is_defended_once_in_ten_seconds)
{
	for (unsigned i = 0; i < 100; i++)
		rig_arp(&rig, &rig_guest, 1, "10.0.0.1", "10.0.0.1");
	ck_assert_uint_eq(rig.n_sent, 1);
	ck_assert(mac_equal(&rig_sent(&rig, 0)->eth_dst, &rig_all));
	ck_assert(ip_equal(&rig_sent(&rig, 0)->arp.sender, &rig_sent(&rig, 0)->arp.target));
	ck_assert_uint_eq(said()->arp_conflicts, 100);
	rig_pass(&rig, 10 * NSEC_PER_SEC);
	rig_arp(&rig, &rig_guest, 1, "10.0.0.1", "10.0.0.1");
	ck_assert_uint_eq(rig.n_sent, 2);
}
END_TEST

START_TEST(a_flood_of_senders_evicts_its_own_only)
{
	struct ip_addr guest = rig_addr("fd00::2"), flooder = guest, first = rig_addr("fd00::3");
	struct mac_addr mac;
	struct prng rng;

	station_neighbour_set(rig.st, &guest, &rig_guest, rig.now);
	/* Used to send: it stays. */
	rig_udp(&rig, &rig_guest, &rig_mac, "fd00::2", "fd00::1", 9, 9, 1);
	ck_assert_uint_eq(rig.n_sent, 1);
	prng_init(&rng, 1, "flood");
	station_neighbour_set(rig.st, &first, &rig_other, rig.now);
	for (unsigned i = 0; i < 20000; i++) {
		prng_bytes(&rng, mac.b, MAC_LEN);
		mac.b[0] &= 0xfe;
		prng_bytes(&rng, flooder.b + 8, 8);
		station_neighbour_set(rig.st, &flooder, &mac, rig.now);
	}
	for (unsigned i = 0; i < 2000; i++) {
		char text[20];

		prng_bytes(&rng, mac.b, MAC_LEN);
		mac.b[0] = 2;
		(void)snprintf(text, sizeof text, "10.0.0.%u", 2 + i % 250);
		rig_arp(&rig, &mac, 1, text, "10.0.0.1");
		rig_forget(&rig);
	}
	ck_assert_int_eq(station_neighbour_get(rig.st, &guest, &mac), 0);
	ck_assert(mac_equal(&mac, &rig_guest));
	ck_assert_int_eq(station_neighbour_get(rig.st, &first, &mac), -ENOENT);
}
END_TEST

/* ---- neighbour discovery ------------------------------------------------------------ */

static void solicit(const char *src, const char *dst, const char *target, bool has_mac, uint8_t hop_limit)
{
	uint8_t body[24] = { [16] = 1, [17] = 1 };
	struct ip_addr group = rig_addr(dst);
	struct mac_addr to = { { 0x33, 0x33, group.b[12], group.b[13], group.b[14], group.b[15] } };
	struct ip_addr t = rig_addr(target);

	memcpy(body, t.b, 16);
	memcpy(body + 18, rig_guest.b, MAC_LEN);
	rig_icmp(&rig, &to, src, dst, hop_limit, 135, 0, body, has_mac ? 24 : 16);
}

START_TEST(solicitations_are_answered)
{
	char own[IP_STR_SIZE];
	struct ip_addr ll = station_link_local(&rig_mac), guest = rig_addr("fe80::2");
	struct mac_addr mac;
	const struct packet *p;

	ck_assert_str_eq(ip_str_bare(&ll, own), "fe80::ff:fe00:fe");
	solicit("fe80::2", "ff02::1:ff00:1", "fd00::1", true, 255);
	solicit("fe80::2", "ff02::1:ff00:fe", own, true, 255);
	ck_assert_uint_eq(rig.n_sent, 2);
	p = rig_sent(&rig, 0);
	ck_assert_uint_eq(p->icmp_type, 136);
	ck_assert_uint_eq(p->ttl, 255);
	ck_assert_uint_eq(load_be32(p->data + p->l4 + 4), 0xe0000000); /* router, solicited, override */
	ck_assert(ip_equal(&p->dst, &guest) && mac_equal(&p->eth_dst, &rig_guest));
	ck_assert_uint_eq(p->payload_len, 24);
	ck_assert_mem_eq(p->data + p->payload + 18, rig_mac.b, MAC_LEN);
	ck_assert(ip_equal(&rig_sent(&rig, 1)->src, &ll));
	ck_assert_int_eq(station_neighbour_get(rig.st, &guest, &mac), 0);
	/* From a router away, for others, with an option of no length. */
	solicit("fe80::2", "ff02::1:ff00:1", "fd00::1", true, 254);
	solicit("fe80::2", "ff02::1:ff00:2", "fd00::2", true, 255);
	ck_assert_uint_eq(rig.n_sent, 2);
	ck_assert_uint_eq(lost(LOSS_MALFORMED), 1);
}
END_TEST

START_TEST(an_option_without_length_is_malformed)
{
	uint8_t body[24] = { 0xfd, [15] = 1, [16] = 1, [17] = 0 };

	rig_icmp(&rig, &rig_mac, "fe80::2", "fd00::1", 255, 135, 0, body, sizeof body);
	body[17] = 2;
	rig_icmp(&rig, &rig_mac, "fe80::2", "fd00::1", 255, 135, 0, body, sizeof body);
	ck_assert_uint_eq(rig.n_sent, 0);
	ck_assert_uint_eq(lost(LOSS_MALFORMED), 2);
}
END_TEST

START_TEST(duplicate_address_detection_is_answered_to_all)
{
	struct ip_addr all = rig_addr("ff02::1");
	const struct packet *p;

	solicit("::", "ff02::1:ff00:1", "fd00::1", false, 255);
	ck_assert_uint_eq(rig.n_sent, 1);
	p = rig_sent(&rig, 0);
	ck_assert(ip_equal(&p->dst, &all));
	ck_assert_uint_eq(load_be32(p->data + p->l4 + 4), 0xa0000000); /* router, override */
	ck_assert_uint_eq(p->eth_dst.b[0], 0x33);
	solicit("::", "ff02::1:ff00:1", "fd00::1", true, 255); /* with a MAC: RFC 4861 §7.1.1 */
	solicit("::", "ff02::1", "fd00::1", false, 255); /* not to the solicited node */
	ck_assert_uint_eq(rig.n_sent, 1);
}
END_TEST

/* ---- echo ---------------------------------------------------------------------------- */

START_TEST(echo_is_answered)
{
	const struct packet *p;

	meet();
	rig_icmp(&rig, &rig_mac, "10.0.0.2", "10.0.0.1", 1, 8, 0x12345678, "abcdef", 6);
	ck_assert_uint_eq(rig.n_sent, 1);
	p = rig_sent(&rig, 0);
	ck_assert_uint_eq(p->icmp_type, 0);
	ck_assert_uint_eq(p->ttl, 64);
	ck_assert_uint_eq(load_be32(p->data + p->l4 + 4), 0x12345678);
	ck_assert_uint_eq(p->payload_len, 6);
	ck_assert_mem_eq(p->data + p->payload, "abcdef", 6);
	ck_assert(mac_equal(&p->eth_dst, &rig_guest));
	solicit("fd00::2", "ff02::1:ff00:1", "fd00::1", true, 255);
	rig_icmp(&rig, &rig_mac, "fd00::2", "fd00::1", 1, 128, 7, "abc", 3);
	ck_assert_uint_eq(rig.n_sent, 3);
	p = rig_sent(&rig, 2);
	ck_assert_uint_eq(p->icmp_type, 129);
	ck_assert_uint_eq(p->icmp_seq, 7);
	ck_assert_uint_eq(said()->echoes, 2);
}
END_TEST

START_TEST(echo_to_a_group_is_for_ipv6_only)
{
	struct mac_addr nodes = { { 0x33, 0x33, 0, 0, 0, 1 } };
	struct ip_addr ll = station_link_local(&rig_mac);

	meet();
	rig_icmp(&rig, &rig_all, "10.0.0.2", "10.0.0.255", 1, 8, 1, "", 0);
	rig_icmp(&rig, &rig_all, "10.0.0.2", "255.255.255.255", 1, 8, 1, "", 0);
	rig_icmp(&rig, &rig_all, "10.0.0.2", "10.0.0.1", 1, 8, 1, "", 0); /* one address by a broadcast */
	ck_assert_uint_eq(rig.n_sent, 0);
	solicit("fe80::2", "ff02::1:ff00:1", "fd00::1", true, 255);
	rig_icmp(&rig, &nodes, "fe80::2", "ff02::1", 1, 128, 1, "", 0);
	ck_assert_uint_eq(rig.n_sent, 2);
	ck_assert(ip_equal(&rig_sent(&rig, 1)->src, &ll));
}
END_TEST

START_TEST(a_bad_checksum_gets_no_answer_but_a_partial_one_does)
{
	struct packet_ip ip = { .src = rig_addr("10.0.0.2"), .dst = rig_addr("10.0.0.1"), .ttl = 9 };
	struct wire_writer w;
	struct frame *f;

	meet();
	bind(PROTO_UDP, IP_V4, 53);
	for (unsigned i = 0; i < 3; i++) {
		f = rig_frame(&rig, &rig_guest, &rig_mac, ETYPE_IPV4, &w);
		packet_put_ip_udp(&w, &ip, 40000, 53, "abc", 3);
		f->data[14 + 20 + 6] ^= 1;
		if (i == 1)
			f->offload = (struct frame_offload){ .flags = 1, .csum_start = 34, .csum_offset = 6 };
		if (i == 2)
			f->data[14 + 10] ^= 1; /* the header's */
		rig_give(&rig, STATION_IN_NETWORK, f, &w);
		ck_assert_uint_eq(n_took, i > 0);
	}
	ck_assert_uint_eq(said()->bad_checksums, 2);
}
END_TEST

/* ---- services --------------------------------------------------------------------------- */

START_TEST(a_service_is_given_what_is_for_its_port)
{
	bind(PROTO_UDP, IP_V4, 67);
	rig_udp(&rig, &rig_guest, &rig_all, "0.0.0.0", "255.255.255.255", 64, 67, 300);
	ck_assert_uint_eq(n_took, 1);
	ck_assert_uint_eq(took.payload_len, 300);
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "10.0.0.1", 64, 67, 20);
	ck_assert_uint_eq(n_took, 2);
	rig_udp(&rig, &rig_guest, &rig_mac, "fd00::2", "fd00::1", 64, 67, 20); /* another family */
	rig_udp(&rig, &rig_guest, &rig_all, "0.0.0.0", "255.255.255.255", 64, 68, 300);
	ck_assert_uint_eq(n_took, 2);
	ck_assert_int_eq(station_bind(rig.st,
				      &(struct station_service){ .proto = PROTO_UDP, .family = IP_V4, .port = 67 }),
			 -EADDRINUSE);
}
END_TEST

START_TEST(a_service_sends_to_a_mac_to_all_and_to_whom_it_must_find)
{
	struct ip_addr any = rig_addr("255.255.255.255"), guest = rig_addr("10.0.0.2"), far = rig_addr("192.0.2.1");
	struct station_to to = { .dst = any };
	uint8_t big[1480] = { 0 };
	const struct packet *p;

	ck_assert_int_eq(station_send_udp(rig.st, &to, 67, 68, "abc", 3, rig.now), 0);
	to = (struct station_to){ .dst = guest, .mac = &rig_guest };
	ck_assert_int_eq(station_send_udp(rig.st, &to, 67, 68, "abc", 3, rig.now), 0);
	to.mac = NULL;
	ck_assert_int_eq(station_send_udp(rig.st, &to, 67, 68, "abc", 3, rig.now), 0);
	to.dst = far;
	ck_assert_int_eq(station_send_udp(rig.st, &to, 53, 53, "abc", 3, rig.now), 0);
	ck_assert_int_eq(station_send_udp(rig.st, &to, 53, 53, big, 1473, rig.now), -EMSGSIZE);
	ck_assert_int_eq(station_send_udp(rig.st, &to, 53, 53, big, 1472, rig.now), 0);
	ck_assert_uint_eq(rig.n_elsewhere, 2);
	rig_pass(&rig, 0);
	ck_assert_uint_eq(rig.n_sent, 3);
	p = rig_sent(&rig, 0);
	ck_assert(mac_equal(&p->eth_dst, &rig_all));
	ck_assert_uint_eq(p->dst_port, 68);
	ck_assert(mac_equal(&rig_sent(&rig, 1)->eth_dst, &rig_guest));
	ck_assert_int_eq(rig_sent(&rig, 2)->kind, PACKET_ARP);
	rig_arp(&rig, &rig_guest, 2, "10.0.0.2", "10.0.0.1");
	ck_assert_uint_eq(rig.n_sent, 4);
	ck_assert_uint_eq(rig_sent(&rig, 3)->dst_port, 68);
}
END_TEST

START_TEST(a_service_gets_single_datagrams)
{
	struct packet_ip ip = { .src = rig_addr("10.0.0.2"), .dst = rig_addr("10.0.0.1"), .ttl = 9 };
	uint8_t payload[250];
	struct wire_writer w;
	struct frame *f = rig_frame(&rig, &rig_guest, &rig_mac, ETYPE_IPV4, &w);

	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)i;
	bind(PROTO_UDP, IP_V4, 53);
	packet_put_ip_udp(&w, &ip, 40000, 53, payload, sizeof payload);
	f->offload = (struct frame_offload){
		.flags = 1, .gso_type = 5, .hdr_len = 42, .gso_size = 100, .csum_start = 34, .csum_offset = 6
	};
	rig_give(&rig, STATION_IN_NETWORK, f, &w);
	ck_assert_uint_eq(n_took, 3);
	ck_assert_uint_eq(took.payload_len, 50);
	ck_assert_mem_eq(took_payload, payload + 200, 50);
}
END_TEST

/* ---- errors ------------------------------------------------------------------------------ */

START_TEST(errors_quote_the_packet)
{
	static const struct {
		const char *dst;
		uint8_t ttl;
		bool has_way;
		uint8_t type, code;
	} cases[] = {
		{ "10.0.0.1", 1, true, 3, 3 },	  { "192.0.2.1", 1, true, 11, 0 },   { "192.0.2.1", 0, true, 11, 0 },
		{ "192.0.2.1", 2, false, 3, 0 },  { "10.0.0.9", 1, true, 11, 0 },    { "fd00::1", 1, true, 1, 4 },
		{ "2001:db8::1", 1, true, 3, 0 }, { "2001:db8::1", 9, false, 1, 0 },
	};

	meet();
	solicit("fd00::2", "ff02::1:ff00:1", "fd00::1", true, 255);
	rig_forget(&rig);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool is_v4 = !strchr(cases[i].dst, ':');
		const struct packet *p;
		struct packet quoted;
		struct ip_addr dst = rig_addr(cases[i].dst);

		rig.has_way = cases[i].has_way;
		rig_udp(&rig, &rig_guest, &rig_mac, is_v4 ? "10.0.0.2" : "fd00::2", cases[i].dst, cases[i].ttl, 9,
			1400);
		ck_assert_uint_eq(rig.n_sent, 1);
		p = rig_sent(&rig, 0);
		ck_assert_uint_eq(p->icmp_type, cases[i].type);
		ck_assert_uint_eq(p->icmp_code, cases[i].code);
		ck_assert(station_is_own(rig.st, &p->src));
		ck_assert_uint_eq(p->l3_len, is_v4 ? 576 : 1280);
		ck_assert_int_eq(packet_parse_ip(p->data + p->payload, p->payload_len, false, &quoted), PACKET_OK);
		ck_assert(ip_equal(&quoted.dst, &dst));
		ck_assert_uint_eq(quoted.dst_port, 9);
		ck_assert_uint_eq(quoted.ttl, cases[i].ttl); /* as it was sent */
		ck_assert(packet_ip_checksum_ok(&quoted));
		rig_forget(&rig);
	}
	ck_assert_uint_eq(rig.n_elsewhere, 0);
}
END_TEST

START_TEST(a_quoted_checksum_is_complete)
{
	struct packet_ip ip = { .src = rig_addr("10.0.0.2"), .dst = rig_addr("192.0.2.1"), .ttl = 1 };
	struct packet quoted;
	struct wire_writer w;
	const struct packet *p;
	struct frame *f;

	meet();
	f = rig_frame(&rig, &rig_guest, &rig_mac, ETYPE_IPV4, &w);
	packet_put_ip_udp(&w, &ip, 1, 2, "abcd", 4);
	store_be16(f->data + 40, (uint16_t)~checksum_fold(packet_pseudo_sum(&ip.src, &ip.dst, PROTO_UDP, 12)));
	f->offload = (struct frame_offload){ .flags = 1, .csum_start = 34, .csum_offset = 6 };
	rig_give(&rig, STATION_IN_NETWORK, f, &w);
	p = rig_sent(&rig, 0);
	ck_assert_int_eq(packet_parse_ip(p->data + p->payload, p->payload_len, true, &quoted), PACKET_OK);
	ck_assert(packet_checksums_ok(&quoted));
}
END_TEST

/* RFC 1122 §3.2.2, RFC 4443 §2.4 e */
START_TEST(no_error_for_what_must_have_none)
{
	struct packet_ip ip = {
		.src = rig_addr("10.0.0.2"), .dst = rig_addr("10.0.0.1"), .ttl = 9, .proto = PROTO_UDP
	};
	uint8_t quote[28] = { 0x45 };
	struct wire_writer w;
	struct frame *f;

	meet();
	rig_udp(&rig, &rig_guest, &rig_all, "10.0.0.2", "10.0.0.255", 9, 9, 1);
	rig_udp(&rig, &rig_guest, &rig_all, "10.0.0.2", "255.255.255.255", 9, 9, 1);
	rig_udp(&rig, &rig_guest, &rig_all, "10.0.0.2", "192.0.2.1", 9, 9, 1);
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "224.0.0.5", 9, 9, 1);
	rig_udp(&rig, &rig_guest, &rig_mac, "127.0.0.1", "10.0.0.1", 9, 9, 1);
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.1", "10.0.0.1", 9, 9, 1);
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.255", "10.0.0.1", 9, 9, 1);
	rig_udp(&rig, &rig_guest, &rig_mac, "0.0.0.0", "192.0.2.1", 9, 9, 1);
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "127.0.0.1", 9, 9, 1);
	rig_udp(&rig, &rig_guest, &rig_mac, "fd00::2", "ff02::5", 9, 9, 1);
	rig_icmp(&rig, &rig_mac, "10.0.0.2", "192.0.2.1", 1, 3, 0, quote, sizeof quote);
	rig_icmp(&rig, &rig_mac, "fd00::2", "2001:db8::1", 1, 1, 0, quote, sizeof quote);
	rig_icmp(&rig, &rig_mac, "10.0.0.2", "10.0.0.1", 9, 77, 0, quote, sizeof quote);
	/* A later fragment. */
	f = rig_frame(&rig, &rig_guest, &rig_mac, ETYPE_IPV4, &w);
	ip.dst = rig_addr("192.0.2.1");
	ip.ttl = 1;
	packet_put_ip(&w, &ip, 8);
	wire_put_be64(&w, 0);
	f->data[14 + 7] = 1;
	store_be16(f->data + 24, 0);
	store_be16(f->data + 24, checksum_fold(checksum_add(0, f->data + 14, 20)));
	rig_give(&rig, STATION_IN_NETWORK, f, &w);
	ck_assert_uint_eq(rig.n_sent, 0);
	ck_assert_uint_eq(rig.n_elsewhere, 0);
}
END_TEST

START_TEST(errors_are_limited_for_each_sender)
{
	meet();
	for (unsigned i = 0; i < 1000; i++)
		rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "10.0.0.1", 9, 9, 1);
	ck_assert_uint_eq(said()->errors_sent, 20);
	ck_assert_uint_eq(said()->errors_limited, 980);
	/* Another sender has a bucket of its own. */
	rig_udp(&rig, &rig_other, &rig_mac, "10.0.0.3", "10.0.0.1", 9, 9, 1);
	ck_assert_uint_eq(said()->errors_sent, 21);
	rig_pass(&rig, 10 * NSEC_PER_MSEC);
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "10.0.0.1", 9, 9, 1);
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "10.0.0.1", 9, 9, 1);
	ck_assert_uint_eq(said()->errors_sent, 22);
	/* All senders together: a burst of 100. */
	for (unsigned i = 0; i < 1000; i++) {
		struct mac_addr mac = { { 2, 1, 0, 0, (uint8_t)(i >> 8), (uint8_t)i } };

		rig_udp(&rig, &mac, &rig_mac, "10.0.0.2", "10.0.0.1", 9, 9, 1);
	}
	ck_assert_uint_le(said()->errors_sent, 22 + 100);
	ck_assert_uint_ge(said()->errors_sent, 22 + 80);
}
END_TEST

static void tcp(uint8_t flags, uint32_t seq, uint32_t ack, size_t len)
{
	struct packet_ip ip = {
		.src = rig_addr("10.0.0.2"), .dst = rig_addr("10.0.0.1"), .ttl = 9, .proto = PROTO_TCP
	};
	struct packet_tcp t = { .src_port = 1000, .dst_port = 80, .seq = seq, .ack = ack, .flags = flags };
	struct wire_writer w;
	struct frame *f = rig_frame(&rig, &rig_guest, &rig_mac, ETYPE_IPV4, &w);

	packet_put_ip(&w, &ip, PACKET_TCP_LEN + len);
	packet_put_tcp(&w, &ip, &t, "abcdefgh", len);
	rig_give(&rig, STATION_IN_NETWORK, f, &w);
}

START_TEST(tcp_to_nobody_is_reset)
{
	const struct packet *p;

	meet();
	tcp(TCP_SYN, 0xffffffff, 0, 3);
	p = rig_sent(&rig, 0);
	ck_assert_uint_eq(p->tcp_flags, TCP_RST | TCP_ACK);
	ck_assert_uint_eq(p->tcp_seq, 0);
	ck_assert_uint_eq(p->tcp_ack, 3);
	ck_assert_uint_eq(p->src_port, 80);
	ck_assert_uint_eq(p->dst_port, 1000);
	tcp(TCP_ACK | TCP_FIN, 5, 77, 1);
	p = rig_sent(&rig, 1);
	ck_assert_uint_eq(p->tcp_flags, TCP_RST);
	ck_assert_uint_eq(p->tcp_seq, 77);
	tcp(TCP_RST, 5, 77, 0);
	ck_assert_uint_eq(rig.n_sent, 2);
	bind(PROTO_TCP, IP_V4, 80);
	tcp(TCP_SYN, 5, 77, 0);
	ck_assert_uint_eq(n_took, 1);
	ck_assert_uint_eq(rig.n_sent, 2);
}
END_TEST

/* ---- others -------------------------------------------------------------------------------- */

START_TEST(elsewhere_gets_the_packet_with_its_ttl_taken_down)
{
	struct packet p;

	meet();
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "192.0.2.1", 2, 9, 100);
	rig_udp(&rig, &rig_guest, &rig_mac, "fd00::2", "2001:db8::1", 64, 9, 100);
	ck_assert_uint_eq(rig.n_elsewhere, 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(packet_parse(rig.elsewhere[i], &p), PACKET_OK);
		ck_assert(packet_checksums_ok(&p));
		ck_assert_uint_eq(p.ttl, i ? 63 : 1);
		ck_assert(mac_equal(&p.eth_src, &rig_guest));
	}
	ck_assert_uint_eq(said()->elsewhere, 2);
}
END_TEST

START_TEST(the_ttl_is_taken_down_whatever_the_header_sums_to)
{
	struct prng rng;
	struct packet p;

	prng_init(&rng, 4, "ttl");
	for (unsigned i = 0; i < 3000; i++) {
		struct packet_ip ip = { .src = rig_addr("10.0.0.2"),
					.dst = rig_addr("192.0.2.1"),
					.ttl = (uint8_t)(2 + prng_below(&rng, 254)),
					.proto = 99,
					.id = (uint16_t)prng_u64(&rng),
					.tos = (uint8_t)prng_u64(&rng) };
		struct wire_writer w;
		struct frame *f = rig_frame(&rig, &rig_guest, &rig_mac, ETYPE_IPV4, &w);

		packet_put_ip(&w, &ip, 0);
		rig_give(&rig, STATION_IN_NETWORK, f, &w);
		ck_assert_uint_eq(rig.n_elsewhere, 1);
		ck_assert_int_eq(packet_parse(rig.elsewhere[0], &p), PACKET_OK);
		ck_assert_uint_eq(p.ttl, ip.ttl - 1);
		ck_assert(packet_ip_checksum_ok(&p));
		rig_forget(&rig);
	}
}
END_TEST

START_TEST(a_header_with_a_wrong_checksum_goes_nowhere)
{
	struct packet_ip ip = { .src = rig_addr("10.0.0.2"), .dst = rig_addr("192.0.2.1"), .ttl = 9, .proto = 99 };
	struct wire_writer w;
	struct frame *f = rig_frame(&rig, &rig_guest, &rig_mac, ETYPE_IPV4, &w);

	packet_put_ip(&w, &ip, 0);
	f->data[24] ^= 1;
	rig_give(&rig, STATION_IN_NETWORK, f, &w);
	ck_assert_uint_eq(rig.n_elsewhere, 0);
	ck_assert_uint_eq(said()->bad_checksums, 1);
}
END_TEST

START_TEST(a_link_local_sender_is_told_that_it_is_beyond_its_scope)
{
	const struct packet *p;

	solicit("fe80::2", "ff02::1:ff00:1", "fd00::1", true, 255);
	rig_udp(&rig, &rig_guest, &rig_mac, "fe80::2", "2001:db8::1", 64, 9, 100);
	ck_assert_uint_eq(rig.n_sent, 2);
	p = rig_sent(&rig, 1);
	ck_assert_uint_eq(p->icmp_type, 1);
	ck_assert_uint_eq(p->icmp_code, 2);
}
END_TEST

START_TEST(packets_for_a_neighbour_wait_for_its_answer_in_order)
{
	for (uint16_t i = 0; i < 40; i++)
		rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "10.0.0.3", 9, i, 1);
	ck_assert_uint_eq(rig.n_sent, 1); /* one request */
	ck_assert_uint_eq(lost(LOSS_QUEUE), 40 - NEIGHBOUR_FRAMES_MAX);
	rig_check_books(&rig);
	rig_arp(&rig, &rig_other, 2, "10.0.0.3", "10.0.0.1");
	ck_assert_uint_eq(rig.n_sent, 1 + NEIGHBOUR_FRAMES_MAX);
	for (size_t i = 0; i < NEIGHBOUR_FRAMES_MAX; i++) {
		const struct packet *p = rig_sent(&rig, 1 + i);

		ck_assert_uint_eq(p->dst_port, 40 - NEIGHBOUR_FRAMES_MAX + i); /* the oldest went */
		ck_assert_uint_eq(p->ttl, 8);
		ck_assert(mac_equal(&p->eth_dst, &rig_other));
	}
}
END_TEST

START_TEST(a_neighbour_that_does_not_answer_is_asked_three_times)
{
	const struct packet *p;

	meet();
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "10.0.0.3", 9, 9, 1);
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "10.0.0.3", 9, 9, 1);
	rig_pass(&rig, 3 * NSEC_PER_SEC - 1);
	ck_assert_uint_eq(rig.n_sent, 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert(mac_equal(&rig_sent(&rig, i)->eth_dst, &rig_all));
	rig_pass(&rig, 1);
	ck_assert_uint_eq(rig.n_sent, 5);
	p = rig_sent(&rig, 4);
	ck_assert_uint_eq(p->icmp_type, 3);
	ck_assert_uint_eq(p->icmp_code, 1);
	ck_assert(mac_equal(&p->eth_dst, &rig_guest));
	ck_assert_uint_eq(said()->unresolved, 1);
	ck_assert_uint_eq(lost(LOSS_NO_PORT), 2);
	rig_pass(&rig, 100 * NSEC_PER_SEC);
	ck_assert_uint_eq(rig.n_sent, 5);
}
END_TEST

START_TEST(an_ipv6_neighbour_is_asked_in_its_group)
{
	struct ip_addr group = rig_addr("ff02::1:ff00:3");
	struct mac_addr group_mac = { { 0x33, 0x33, 0xff, 0, 0, 3 } };
	uint8_t body[24] = { 0xfd, [15] = 3, [16] = 2, [17] = 1 };
	const struct packet *p;

	memcpy(body + 18, rig_other.b, MAC_LEN);
	rig_udp(&rig, &rig_guest, &rig_mac, "fd00::2", "fd00::3", 9, 9, 1);
	p = rig_sent(&rig, 0);
	ck_assert_uint_eq(p->icmp_type, 135);
	ck_assert_uint_eq(p->ttl, 255);
	ck_assert(ip_equal(&p->dst, &group) && mac_equal(&p->eth_dst, &group_mac));
	ck_assert_mem_eq(p->data + p->payload + 18, rig_mac.b, MAC_LEN);
	rig_icmp(&rig, &rig_mac, "fd00::3", "fd00::1", 255, 136, 0x60000000, body, sizeof body);
	ck_assert_uint_eq(rig.n_sent, 2);
	ck_assert_uint_eq(rig_sent(&rig, 1)->dst_port, 9);
	ck_assert(mac_equal(&rig_sent(&rig, 1)->eth_dst, &rig_other));
}
END_TEST

START_TEST(an_old_neighbour_is_confirmed_while_it_is_used)
{
	struct ip_addr other = rig_addr("10.0.0.3");
	struct mac_addr mac;

	station_neighbour_set(rig.st, &other, &rig_other, rig.now);
	rig_pass(&rig, 61 * NSEC_PER_SEC);
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "10.0.0.3", 9, 9, 1);
	ck_assert_uint_eq(rig.n_sent, 2); /* the packet, and a request to the MAC */
	ck_assert(mac_equal(&rig_sent(&rig, 1)->eth_dst, &rig_other));
	ck_assert_int_eq(rig_sent(&rig, 1)->kind, PACKET_ARP);
	rig_arp(&rig, &rig_other, 2, "10.0.0.3", "10.0.0.1");
	rig_pass(&rig, 10 * NSEC_PER_SEC);
	ck_assert_uint_eq(rig.n_sent, 2);
	rig_pass(&rig, 61 * NSEC_PER_SEC);
	rig_udp(&rig, &rig_guest, &rig_mac, "10.0.0.2", "10.0.0.3", 9, 9, 1);
	rig_pass(&rig, 10 * NSEC_PER_SEC);
	ck_assert_uint_eq(rig.n_sent, 2 + 1 + 3);
	ck_assert_int_eq(station_neighbour_get(rig.st, &other, &mac), -ENOENT);
}
END_TEST

START_TEST(unknown_neighbours_are_bounded)
{
	for (unsigned i = 0; i < 5000; i++) {
		char text[40];

		(void)snprintf(text, sizeof text, "fd00::1:%x", i + 2);
		rig_udp(&rig, &rig_guest, &rig_mac, "fd00::2", text, 9, 9, 1400);
	}
	ck_assert_uint_eq(rig.n_sent, NEIGHBOURS_INCOMPLETE_MAX);
	ck_assert_uint_eq(element_counters(station_element(rig.st))->queued_frames, NEIGHBOURS_INCOMPLETE_MAX);
	rig_check_books(&rig);
}
END_TEST

START_TEST(a_packet_from_elsewhere_finds_its_guest)
{
	struct packet_ip ip = { .src = rig_addr("192.0.2.1"), .dst = rig_addr("10.0.0.2"), .ttl = 1 };
	static const struct mac_addr none;

	meet();
	for (unsigned i = 0; i < 3; i++) {
		struct wire_writer w;
		struct frame *f = rig_frame(&rig, &none, &none, ETYPE_IPV4, &w);

		ip.dst = rig_addr(i == 0 ? "10.0.0.2" : i == 1 ? "10.0.0.255" : "198.51.100.1");
		packet_put_ip_udp(&w, &ip, 53, 1000, "abc", 3);
		rig_give(&rig, STATION_IN_ELSEWHERE, f, &w);
	}
	ck_assert_uint_eq(rig.n_sent, 1);
	ck_assert(mac_equal(&rig_sent(&rig, 0)->eth_dst, &rig_guest));
	ck_assert_uint_eq(rig_sent(&rig, 0)->ttl, 1);
	ck_assert_uint_eq(lost(LOSS_NO_PORT), 2);
	ck_assert_uint_eq(rig.n_elsewhere, 0);
}
END_TEST

START_TEST(a_sender_beyond_a_router_is_answered_through_it)
{
	struct packet_ip ip = { .src = rig_addr("192.0.2.1"), .dst = rig_addr("172.16.0.9"), .ttl = 9 };
	static const struct mac_addr none;
	struct wire_writer w;
	struct frame *f;

	rig_icmp(&rig, &rig_mac, "172.16.0.9", "10.0.0.1", 9, 8, 1, "abc", 3);
	ck_assert_uint_eq(rig.n_sent, 1);
	ck_assert(mac_equal(&rig_sent(&rig, 0)->eth_dst, &rig_guest));
	f = rig_frame(&rig, &none, &none, ETYPE_IPV4, &w);
	packet_put_ip_udp(&w, &ip, 53, 1000, "abc", 3);
	rig_give(&rig, STATION_IN_ELSEWHERE, f, &w);
	ck_assert_uint_eq(rig.n_sent, 2);
	ck_assert(mac_equal(&rig_sent(&rig, 1)->eth_dst, &rig_guest));
	/* Nobody draws what others send to such an address. */
	rig_udp(&rig, &rig_other, &rig_mac, "10.0.0.3", "172.16.0.9", 9, 9, 1);
	ck_assert_uint_eq(rig.n_sent, 2);
	ck_assert_uint_eq(rig.n_elsewhere, 1);
}
END_TEST

START_TEST(frames_of_a_vlan_and_of_others_are_left_alone)
{
	struct packet_ip ip = {
		.src = rig_addr("10.0.0.2"), .dst = rig_addr("10.0.0.1"), .ttl = 9, .proto = PROTO_ICMP
	};

	meet();
	for (unsigned i = 0; i < 3; i++) {
		struct wire_writer w;
		struct frame *f = rig_frame(&rig, &rig_guest, i == 2 ? &rig_other : &rig_mac,
					    i == 2 ? ETYPE_IPV4 : ETYPE_VLAN, &w);

		if (i < 2) {
			wire_put_be16(&w, i ? 0xe000 : 0x0005); /* a VLAN; a priority only */
			wire_put_be16(&w, ETYPE_IPV4);
		}
		packet_put_ip(&w, &ip, 8);
		packet_put_icmp(&w, &ip, 8, 0, 1, NULL, 0);
		rig_give(&rig, STATION_IN_NETWORK, f, &w);
		ck_assert_uint_eq(rig.n_sent, i > 0);
	}
	ck_assert_uint_eq(lost(LOSS_NO_PORT), 2);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("station");
	TCase *t = tcase_create("station");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, arp_is_answered_and_the_asker_learned);
	tcase_add_test(t, nobody_sets_the_stations_own_address);
	tcase_add_test(t, a_probe_is_answered_and_others_questions_are_not);
	tcase_add_test(t, the_address_is_defended_once_in_ten_seconds);
	tcase_add_test(t, a_flood_of_senders_evicts_its_own_only);
	tcase_add_test(t, solicitations_are_answered);
	tcase_add_test(t, an_option_without_length_is_malformed);
	tcase_add_test(t, duplicate_address_detection_is_answered_to_all);
	tcase_add_test(t, echo_is_answered);
	tcase_add_test(t, echo_to_a_group_is_for_ipv6_only);
	tcase_add_test(t, a_bad_checksum_gets_no_answer_but_a_partial_one_does);
	tcase_add_test(t, a_service_is_given_what_is_for_its_port);
	tcase_add_test(t, a_service_sends_to_a_mac_to_all_and_to_whom_it_must_find);
	tcase_add_test(t, a_service_gets_single_datagrams);
	tcase_add_test(t, errors_quote_the_packet);
	tcase_add_test(t, a_quoted_checksum_is_complete);
	tcase_add_test(t, no_error_for_what_must_have_none);
	tcase_add_test(t, errors_are_limited_for_each_sender);
	tcase_add_test(t, tcp_to_nobody_is_reset);
	tcase_add_test(t, elsewhere_gets_the_packet_with_its_ttl_taken_down);
	tcase_add_test(t, the_ttl_is_taken_down_whatever_the_header_sums_to);
	tcase_add_test(t, a_header_with_a_wrong_checksum_goes_nowhere);
	tcase_add_test(t, a_link_local_sender_is_told_that_it_is_beyond_its_scope);
	tcase_add_test(t, packets_for_a_neighbour_wait_for_its_answer_in_order);
	tcase_add_test(t, a_neighbour_that_does_not_answer_is_asked_three_times);
	tcase_add_test(t, an_ipv6_neighbour_is_asked_in_its_group);
	tcase_add_test(t, an_old_neighbour_is_confirmed_while_it_is_used);
	tcase_add_test(t, unknown_neighbours_are_bounded);
	tcase_add_test(t, a_packet_from_elsewhere_finds_its_guest);
	tcase_add_test(t, a_sender_beyond_a_router_is_answered_through_it);
	tcase_add_test(t, frames_of_a_vlan_and_of_others_are_left_alone);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
