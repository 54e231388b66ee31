/* tests/fabric/check_uplink_link.c: a guest behind its rings, the station of its network, and the test as the uplink
 * at the station's other rings. */
#include "core/element_state.h"
#include "core/packet.h"
#include "fabric/fabric.h"
#include "fabric/uplink_link.h"
#include "tests/fabric/shares.h"
#include "tests/fabric/station_rig.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>

enum { GUEST, SERVICE, N_PORTS, BUF = 2048, FAR_PORT = 4000 };

static struct fabric_plan_network network;
static struct fabric_plan_port ports[N_PORTS];
static struct fabric_plan_service service;
static struct fabric_plan plan;
static struct ring_pair_fds fds[N_PORTS];
static struct ring_pair guest, uplink;
static struct fabric *fabric;
static struct uplink_link *way;
static nsec_t now;
static const struct mac_addr guest_mac = { { 2, 0, 0, 0, 0, 1 } };
static const struct frame_offload plain;
static uint8_t got[70000]; /* the record that was taken last */
static struct packet packet;
static struct message answered;
static unsigned n_answers;

static void setup(void)
{
	static const char *const names[N_PORTS] = { "a.eth0", "lan" };

	network = (struct fabric_plan_network){ .name = "lan", .mtu = 1500 };
	service = (struct fabric_plan_service){ .mac = rig_mac, .ipv4 = rig_addr("10.0.0.1/24") };
	for (size_t i = 0; i < N_PORTS; i++) {
		ports[i] = (struct fabric_plan_port){ .name = names[i],
						      .stream = names[i],
						      .mtu = 1500,
						      .kind = i == SERVICE ? FABRIC_PORT_SERVICE : FABRIC_PORT_RING,
						      .rings = &fds[i],
						      .service = &service };
		ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds[i]), 0);
	}
	plan = (struct fabric_plan){
		.name = "t", .seed = 1, .networks = &network, .n_networks = 1, .ports = ports, .n_ports = N_PORTS
	};
	plan_shares(&plan);
	now = NSEC_PER_SEC;
	n_answers = 0;
	ck_assert_int_eq(fabric_new(&plan, &fabric), 0);
	ck_assert_int_eq(ring_pair_attach(&fds[GUEST], RING_MACHINE, &guest), 0);
	ck_assert_int_eq(ring_pair_attach(&fds[SERVICE], RING_MACHINE, &uplink), 0);
	way = fabric_port_uplink(&fabric->ports[SERVICE]);
	ck_assert_ptr_nonnull(way);
	ck_assert_ptr_null(fabric_port_uplink(&fabric->ports[GUEST]));
}

static void teardown(void)
{
	fabric = fabric_free(fabric); /* asserts that every frame came back */
	ring_pair_detach(&guest);
	ring_pair_detach(&uplink);
	for (size_t i = 0; i < N_PORTS; i++)
		ring_pair_close(&fds[i]);
}

static void step(void)
{
	now += NSEC_PER_MSEC;
	while (fabric_step(fabric, now) || fabric_next(fabric) <= now)
		;
}

static bool give(struct ring *r, const void *data, size_t len, const struct frame_offload *offload)
{
	uint8_t *room = ring_reserve(r, (uint32_t)len);

	if (!room)
		return false;
	memcpy(room, data, len);
	ring_commit(r, (uint32_t)len, offload, now);
	(void)ring_publish(r);
	return true;
}

/* Takes the next record into got. Returns its length; 0: none. */
static uint32_t take(struct ring *r)
{
	struct ring_record rec;
	uint32_t len;

	if (!ring_peek(r, &rec))
		return 0;
	len = rec.len;
	memcpy(got, rec.data, len);
	ring_pop(r);
	ring_release(r);
	return len;
}

static void take_packet(struct ring *r)
{
	uint32_t len = take(r);

	ck_assert_uint_gt(len, 0);
	ck_assert_int_eq(packet_parse_bytes(got, len, &packet), PACKET_OK);
}

/* A UDP message in @buf, from MAC to MAC. Returns the frame's length. */
static size_t udp(uint8_t *buf, const struct mac_addr *src_mac, const struct mac_addr *dst_mac, const char *src,
		  const char *dst, uint8_t ttl, uint16_t dst_port)
{
	struct packet_ip ip = { .src = rig_addr(src), .dst = rig_addr(dst), .ttl = ttl, .proto = PROTO_UDP };
	struct wire_writer w = wire_write_to(buf, BUF);

	packet_put_eth(&w, dst_mac, src_mac, ETYPE_IPV4);
	packet_put_ip_udp(&w, &ip, FAR_PORT, dst_port, "hello", 5);
	ck_assert(!w.failed);
	return wire_put_len(&w);
}

START_TEST(a_packet_for_elsewhere_goes_to_the_uplink)
{
	uint8_t buf[BUF];
	size_t len = udp(buf, &guest_mac, &rig_mac, "10.0.0.2", "192.0.2.1", 9, 53);

	ck_assert(give(&guest.tx, buf, len, &plain));
	step();
	take_packet(&uplink.rx);
	ck_assert(mac_equal(&packet.eth_src, &guest_mac)); /* the uplink knows guests by it */
	ck_assert_uint_eq(packet.ttl, 8);
	ck_assert(packet_checksums_ok(&packet));
	ck_assert_uint_eq(take(&guest.rx), 0);
	ck_assert_uint_eq(uplink_link_counters(way)->sent, 1);
}
END_TEST

START_TEST(a_packet_of_the_uplink_is_given_its_addresses)
{
	static const struct mac_addr none;
	struct station *st = fabric_port_station(&fabric->ports[SERVICE]);
	struct ip_addr ip = rig_addr("10.0.0.2");
	uint8_t buf[BUF];
	size_t len = udp(buf, &none, &none, "192.0.2.1", "10.0.0.2", 33, 53);

	station_neighbour_set(st, &ip, &guest_mac, now);
	ck_assert(give(&uplink.tx, buf, len, &plain));
	step();
	take_packet(&guest.rx);
	ck_assert(mac_equal(&packet.eth_dst, &guest_mac));
	ck_assert(mac_equal(&packet.eth_src, &rig_mac));
	ck_assert_uint_eq(packet.ttl, 33); /* its hops were counted outside */
	ck_assert(element_counters_balance(element_counters(station_element(st))));
}
END_TEST

START_TEST(offload_headers_are_judged)
{
	static const struct mac_addr none;
	struct frame_offload lies = { .flags = 1, .csum_start = 2000, .csum_offset = 16 };
	uint8_t buf[BUF];
	size_t len = udp(buf, &none, &none, "192.0.2.1", "10.0.0.2", 33, 53);

	ck_assert(give(&uplink.tx, buf, len, &lies));
	ck_assert(give(&uplink.tx, buf, 13, &plain)); /* no Ethernet header */
	step();
	ck_assert_uint_eq(uplink_link_counters(way)->lost_bad, 2);
	ck_assert_uint_eq(uplink_link_counters(way)->taken, 0);
}
END_TEST

static void on_answer(void *ctx, const struct message *m, nsec_t at)
{
	ck_assert_ptr_eq(ctx, &answered);
	ck_assert_int_eq(at, now);
	ck_assert_uint_eq(m->dns_len, 3);
	ck_assert_mem_eq(m->dns, "dns", 3);
	answered = *m;
	n_answers++;
}

START_TEST(messages_pass_both_ways)
{
	struct ip_addr ip = rig_addr("10.0.0.2");
	struct message m;
	uint8_t buf[BUF];
	size_t len;

	uplink_link_set_answer(way, on_answer, &answered);
	uplink_link_lease(way, &guest_mac, &ip, true, now);
	ck_assert_int_eq(uplink_link_query(way, 7, 42, true, (const uint8_t *)"query", 5, now), 0);
	step();
	len = take(&uplink.rx);
	ck_assert(message_parse(got, len, &m));
	ck_assert_int_eq(m.type, MESSAGE_LEASE);
	ck_assert(m.is_known && mac_equal(&m.mac, &guest_mac) && ip_equal(&m.ip, &ip));
	len = take(&uplink.rx);
	ck_assert(message_parse(got, len, &m));
	ck_assert_int_eq(m.type, MESSAGE_QUERY);
	ck_assert(m.source == 7 && m.token == 42 && m.transport == 1 && m.dns_len == 5);
	m = (struct message){
		.type = MESSAGE_ANSWER, .source = 7, .token = 42, .dns = (const uint8_t *)"dns", .dns_len = 3
	};
	len = message_put(&m, buf, sizeof buf);
	ck_assert(give(&uplink.tx, buf, len, &plain));
	step();
	ck_assert_uint_eq(n_answers, 1);
	ck_assert_uint_eq(answered.token, 42);
	/* What is no answer is nobody's: a query, and one cut short. */
	m.type = MESSAGE_QUERY;
	len = message_put(&m, buf, sizeof buf);
	ck_assert(give(&uplink.tx, buf, len, &plain));
	ck_assert(give(&uplink.tx, buf, 20, &plain));
	step();
	ck_assert_uint_eq(n_answers, 1);
	ck_assert_uint_eq(uplink_link_counters(way)->lost_bad, 2);
	ck_assert_uint_eq(take(&guest.rx), 0);
}
END_TEST

START_TEST(an_uplink_that_takes_nothing_costs_no_memory)
{
	static uint8_t query[60000];
	uint8_t buf[BUF];
	size_t len = udp(buf, &guest_mac, &rig_mac, "10.0.0.2", "192.0.2.1", 9, 53);

	for (unsigned i = 0; i < 20000; i++) {
		if (!give(&guest.tx, buf, len, &plain) || i % 64 == 0)
			step();
	}
	step();
	ck_assert_uint_gt(uplink_link_counters(way)->lost_full, 1000);
	ck_assert_uint_eq(fabric_held_bytes(fabric), 0);
	while (uplink_link_query(way, 1, 1, false, query, sizeof query, now) == 0)
		;
	ck_assert_int_eq(uplink_link_query(way, 1, 1, false, query, sizeof query, now), -ENOBUFS);
	ck_assert_int_eq(uplink_link_query(way, 1, 1, false, query, 0, now), -EMSGSIZE);
	ck_assert_int_eq(uplink_link_query(way, 1, 1, false, query, 65536, now), -EMSGSIZE);
}
END_TEST

START_TEST(what_no_service_has_is_the_uplinks_when_it_is_said_so)
{
	struct station *st = fabric_port_station(&fabric->ports[SERVICE]);
	struct ip_addr ip = rig_addr("10.0.0.2");
	uint8_t buf[BUF];
	size_t len = udp(buf, &guest_mac, &rig_mac, "10.0.0.2", "10.0.0.1", 9, 69);

	station_neighbour_set(st, &ip, &guest_mac, now);
	ck_assert(give(&guest.tx, buf, len, &plain));
	step();
	ck_assert_uint_eq(take(&uplink.rx), 0);
	take_packet(&guest.rx);
	ck_assert_uint_eq(packet.icmp_type, 3);
	ck_assert_uint_eq(packet.icmp_code, 3);
	station_set_hands_own(st, true);
	ck_assert(give(&guest.tx, buf, len, &plain));
	step();
	take_packet(&uplink.rx);
	ck_assert_uint_eq(packet.dst_port, 69);
	ck_assert_uint_eq(packet.ttl, 9);
	ck_assert_uint_eq(take(&guest.rx), 0);
	ck_assert(element_counters_balance(element_counters(station_element(st))));
}
END_TEST

START_TEST(the_port_sleeps_until_the_uplink_has_something)
{
	static const struct mac_addr none;
	struct station *st = fabric_port_station(&fabric->ports[SERVICE]);
	struct ip_addr ip = rig_addr("10.0.0.2");
	uint8_t buf[BUF];
	size_t len = udp(buf, &none, &none, "192.0.2.1", "10.0.0.2", 33, 53);

	station_neighbour_set(st, &ip, &guest_mac, now);
	step();
	ck_assert(fabric_sleep(fabric));
	ck_assert(give(&uplink.tx, buf, len, &plain));
	step();
	ck_assert_uint_eq(take(&guest.rx), 0);
	fabric->ports[SERVICE].ops->kicked(&fabric->ports[SERVICE]);
	fabric_wake_port(fabric, SERVICE);
	step();
	take_packet(&guest.rx);
	/* One that comes before the sleep keeps the port awake. */
	ck_assert(give(&uplink.tx, buf, len, &plain));
	ck_assert(!fabric_sleep(fabric));
}
END_TEST

/* An uplink that is started anew finds what came meanwhile; one that wrote nonsense is dead. */
START_TEST(an_uplink_is_started_anew)
{
	uint8_t buf[BUF];
	size_t len = udp(buf, &guest_mac, &rig_mac, "10.0.0.2", "192.0.2.1", 9, 53);

	ring_pair_detach(&uplink);
	ck_assert(give(&guest.tx, buf, len, &plain));
	step();
	ck_assert_int_eq(ring_pair_attach(&fds[SERVICE], RING_MACHINE, &uplink), 0);
	take_packet(&uplink.rx);
	ck_assert(!fabric_port_is_broken(&fabric->ports[SERVICE]));
	uplink.tx.head += 8;
	uplink.tx.pending = 1;
	(void)ring_publish(&uplink.tx); /* eight bytes are no record */
	step();
	ck_assert_uint_eq(take(&guest.rx), 0);
	ck_assert(fabric_port_is_broken(&fabric->ports[SERVICE]));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("uplink_link");
	TCase *tc = tcase_create("station and uplink");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_packet_for_elsewhere_goes_to_the_uplink);
	tcase_add_test(tc, a_packet_of_the_uplink_is_given_its_addresses);
	tcase_add_test(tc, offload_headers_are_judged);
	tcase_add_test(tc, messages_pass_both_ways);
	tcase_add_test(tc, an_uplink_that_takes_nothing_costs_no_memory);
	tcase_add_test(tc, what_no_service_has_is_the_uplinks_when_it_is_said_so);
	tcase_add_test(tc, the_port_sleeps_until_the_uplink_has_something);
	tcase_add_test(tc, an_uplink_is_started_anew);
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(make_suite);
