/* tests/fabric/check_service_port.c: the service station as a port of a fabric: a guest's rings on one side, the
 * station behind links and a switch on the other; and its saved state. */
#include "core/bytes.h"
#include "core/element_state.h"
#include "core/packet.h"
#include "core/prng.h"
#include "fabric/fabric.h"
#include "fabric/station.h"
#include "tests/fabric/shares.h"
#include "tests/fabric/station_rig.h"
#include "tests/forge.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

enum { N_PORTS = 3, SERVICE = 2, STEPS = 60, ROUNDS = 60, BUF = 2048 };

struct world {
	struct fabric_plan_network network;
	struct fabric_plan_port ports[N_PORTS];
	struct fabric_plan_service service;
	struct fabric_plan plan;
	struct ring_pair_fds fds[N_PORTS];
	struct ring_pair machines[N_PORTS];
	struct fabric *fabric;
	nsec_t now;
	struct bytes seen; /* all that guests got: port, length, time, bytes */
};

/* The service port is the last one. */
static void world_init(struct world *w, enum vswitch_type type)
{
	static const char *const names[N_PORTS] = { "a.eth0", "b.eth0", "lan" };

	memset(w, 0, sizeof *w);
	w->network = (struct fabric_plan_network){ .name = "lan", .type = type, .mtu = 1500 };
	w->service = (struct fabric_plan_service){ .mac = rig_mac, .ipv4 = rig_addr("10.0.0.1/24"), .has_ipv6 = true };
	for (size_t i = 0; i < N_PORTS; i++) {
		w->ports[i] = (struct fabric_plan_port){ .name = names[i],
							 .stream = names[i],
							 .mtu = 1500,
							 .kind = i == SERVICE ? FABRIC_PORT_SERVICE : FABRIC_PORT_RING,
							 .rings = i == SERVICE ? NULL : &w->fds[i],
							 .service = &w->service };
		ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &w->fds[i]), 0);
	}
	w->ports[0].up.shape.delay_ns = w->ports[SERVICE].up.shape.delay_ns = 3 * NSEC_PER_MSEC;
	w->plan = (struct fabric_plan){
		.name = "t", .seed = 1, .networks = &w->network, .n_networks = 1, .ports = w->ports, .n_ports = N_PORTS
	};
	plan_shares(&w->plan);
	w->now = NSEC_PER_SEC;
	ck_assert_int_eq(fabric_new(&w->plan, &w->fabric), 0);
}

static void world_attach(struct world *w)
{
	for (size_t i = 0; i < N_PORTS; i++)
		ck_assert_int_eq(ring_pair_attach(&w->fds[i], RING_MACHINE, &w->machines[i]), 0);
}

static void world_done(struct world *w)
{
	w->fabric = fabric_free(w->fabric); /* asserts that every frame came back */
	for (size_t i = 0; i < N_PORTS; i++) {
		ring_pair_detach(&w->machines[i]);
		ring_pair_close(&w->fds[i]);
	}
	bytes_done(&w->seen);
}

static void receive(struct world *w)
{
	for (uint8_t i = 0; i < SERVICE; i++) {
		struct ring_record rec;

		while (ring_peek(&w->machines[i].rx, &rec)) {
			bytes_append(&w->seen, &i, 1);
			bytes_append(&w->seen, &rec.len, sizeof rec.len);
			bytes_append(&w->seen, &rec.time_ns, sizeof rec.time_ns);
			bytes_append(&w->seen, rec.data, rec.len);
			ring_pop(&w->machines[i].rx);
		}
		ring_release(&w->machines[i].rx);
	}
}

static void run_until(struct world *w, nsec_t until)
{
	for (;;) {
		while (fabric_step(w->fabric, w->now))
			;
		receive(w);
		if (fabric_next(w->fabric) > until)
			break;
		w->now = nsec_max(w->now, fabric_next(w->fabric));
	}
	w->now = until;
}

static void give(struct world *w, size_t from, const uint8_t *data, const struct wire_writer *writer)
{
	struct frame_offload none = { 0 };
	uint32_t len = (uint32_t)wire_put_len(writer);
	uint8_t *room = ring_reserve(&w->machines[from].tx, len);

	ck_assert(!writer->failed);
	ck_assert_ptr_nonnull(room);
	memcpy(room, data, len);
	ring_commit(&w->machines[from].tx, len, &none, w->now);
	(void)ring_publish(&w->machines[from].tx);
}

static struct mac_addr mac_of(size_t guest)
{
	return (struct mac_addr){ { 2, 0, 0, 0, 0, (uint8_t)(guest + 1) } };
}

static struct ip_addr ip_of(size_t guest)
{
	return (struct ip_addr){ IP_V4, 32, { 10, 0, 0, (uint8_t)(guest + 2) } };
}

static void ask_arp(struct world *w, size_t from, const struct mac_addr *mac, const struct ip_addr *sender)
{
	struct packet_arp arp = { .op = 1, .sender_mac = *mac, .sender = *sender, .target = w->service.ipv4 };
	uint8_t buf[BUF] = { 0 };
	struct wire_writer writer = wire_write_to(buf, sizeof buf);

	packet_put_eth(&writer, &rig_all, mac, ETYPE_ARP);
	packet_put_arp(&writer, &arp);
	give(w, from, buf, &writer);
}

static void ping(struct world *w, size_t from, const struct ip_addr *dst, uint8_t ttl)
{
	struct packet_ip ip = { .src = ip_of(from), .dst = *dst, .ttl = ttl, .proto = PROTO_ICMP };
	struct mac_addr mac = mac_of(from);
	uint8_t buf[BUF] = { 0 };
	struct wire_writer writer = wire_write_to(buf, sizeof buf);

	packet_put_eth(&writer, &rig_mac, &mac, ETYPE_IPV4);
	packet_put_ip(&writer, &ip, 8 + 56);
	packet_put_icmp(&writer, &ip, 8, 0, 1, buf + 1000, 56);
	give(w, from, buf, &writer);
}

/* The @n-th frame that guests got. Returns its port. */
static size_t nth(const struct world *w, size_t n, struct packet *ret, nsec_t *ret_time)
{
	const uint8_t *p = w->seen.data;
	uint32_t len;

	for (;; n--) {
		ck_assert(p + 13 <= w->seen.data + w->seen.len);
		memcpy(&len, p + 1, 4);
		memcpy(ret_time, p + 5, 8);
		if (!n)
			break;
		p += 13 + len;
	}
	ck_assert_int_eq(packet_parse_bytes(p + 13, len, ret), PACKET_OK);
	return *p;
}

static void check_books(const struct fabric *f)
{
	struct element *e = station_element(fabric_port_station(&f->ports[SERVICE]));

	for (size_t i = 0; i < N_PORTS; i++) {
		ck_assert(element_counters_balance(&f->ports[i].in));
		ck_assert(element_counters_balance(&f->ports[i].out));
	}
	ck_assert(element_counters_balance(element_counters(e)));
	ck_assert_uint_eq(f->ports[SERVICE].out.delivered_frames, element_counters(e)->entered_frames);
}

START_TEST(a_guest_pings_the_service_through_links_and_a_switch)
{
	struct ip_addr far = rig_addr("192.0.2.1"), a = ip_of(0);
	struct mac_addr mac = mac_of(0);
	struct packet p;
	struct world w;
	nsec_t when;

	world_init(&w, _i ? VSWITCH_HUB : VSWITCH_SWITCH);
	world_attach(&w);
	ask_arp(&w, 0, &mac, &a);
	run_until(&w, w.now + 100 * NSEC_PER_MSEC);
	w.seen.len = 0;
	ping(&w, 0, &w.service.ipv4, 1);
	run_until(&w, w.now + 100 * NSEC_PER_MSEC);
	ck_assert_uint_eq(nth(&w, (size_t)_i, &p, &when), 0); /* the hub shows b the request as well */
	ck_assert_uint_eq(p.icmp_type, 0);
	ck_assert(packet_checksums_ok(&p));
	ck_assert_int_eq(when, NSEC_PER_SEC + 106 * NSEC_PER_MSEC); /* both links are crossed */
	w.seen.len = 0;
	ping(&w, 0, &far, 1);
	run_until(&w, w.now + 100 * NSEC_PER_MSEC);
	ck_assert_uint_eq(nth(&w, (size_t)_i, &p, &when), 0);
	ck_assert_uint_eq(p.icmp_type, 11);
	w.seen.len = 0;
	ping(&w, 0, &far, 2);
	run_until(&w, w.now + 100 * NSEC_PER_MSEC);
	(void)nth(&w, (size_t)_i, &p, &when);
	ck_assert_uint_eq(p.icmp_type, 3);
	check_books(w.fabric);
	world_done(&w);
}
END_TEST

START_TEST(a_neighbour_that_is_away_is_told_after_three_seconds)
{
	struct ip_addr nobody = rig_addr("10.0.0.99"), a = ip_of(0);
	struct mac_addr mac = mac_of(0);
	struct packet p;
	struct world w;
	nsec_t when;

	world_init(&w, VSWITCH_SWITCH);
	world_attach(&w);
	ask_arp(&w, 0, &mac, &a);
	ping(&w, 0, &nobody, 9);
	run_until(&w, w.now + 2 * NSEC_PER_SEC);
	check_books(w.fabric);
	w.seen.len = 0;
	run_until(&w, w.now + 2 * NSEC_PER_SEC);
	ck_assert_uint_eq(nth(&w, 2, &p, &when), 0); /* behind the last request, which both got */
	ck_assert_uint_eq(p.icmp_type, 3);
	ck_assert_uint_eq(p.icmp_code, 1);
	ck_assert_int_eq(when, NSEC_PER_SEC + 3006 * NSEC_PER_MSEC);
	check_books(w.fabric);
	world_done(&w);
}
END_TEST

START_TEST(a_flood_of_arp_leaves_memory_as_it_was)
{
	struct prng rng;
	struct world w;

	world_init(&w, VSWITCH_SWITCH);
	world_attach(&w);
	prng_init(&rng, 2, "flood");
	for (unsigned i = 0; i < 20000; i++) {
		struct ip_addr ip = { IP_V4, 32, { 10, 0, 0, (uint8_t)(2 + prng_below(&rng, 250)) } };
		struct mac_addr mac;

		prng_bytes(&rng, mac.b, MAC_LEN);
		mac.b[0] = 2;
		ask_arp(&w, 0, &mac, &ip);
		if (i % 32 == 0)
			run_until(&w, w.now + 10 * NSEC_PER_MSEC);
		w.seen.len = 0;
	}
	run_until(&w, w.now + NSEC_PER_SEC);
	ck_assert_uint_eq(fabric_held_bytes(w.fabric), 0);
	ck_assert_uint_eq(
		element_counters(station_element(fabric_port_station(&w.fabric->ports[SERVICE])))->queued_frames, 0);
	check_books(w.fabric);
	world_done(&w);
}
END_TEST

/* ---- saved state ----------------------------------------------------------------------- */

static void save(struct world *w, struct bytes *ret)
{
	struct state *s = NULL;
	const uint8_t *p;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	fabric_state(w->fabric, s, w->now);
	ck_assert_int_eq(state_finish(s), 0);
	p = state_data(s, &len);
	ret->len = 0;
	bytes_append(ret, p, len);
	(void)state_free(s);
}

/* Returns why not; NULL: it was loaded. The caller frees. */
static char *load(struct world *w, const struct bytes *b)
{
	struct state *s = NULL;
	char *why = NULL;
	int r = state_load_new(b->data, b->len, &s, &why);

	if (r < 0)
		return why;
	fabric_state(w->fabric, s, w->now);
	if (state_finish(s) < 0)
		why = strdup(state_why(s) ? state_why(s) : "?");
	(void)state_free(s);
	return why;
}

/* One random thing a guest does. */
static void act(struct world *w, struct prng *rng)
{
	size_t from = prng_below(rng, SERVICE);
	struct mac_addr mac = mac_of(from);
	struct ip_addr ip = ip_of(from), dst = w->service.ipv4;

	switch (prng_below(rng, 6)) {
	case 0:
		ask_arp(w, from, &mac, &ip);
		break;
	case 1:
		ping(w, from, &dst, 9);
		break;
	case 2:
		dst.b[3] = (uint8_t)prng_below(rng, 40);
		ping(w, from, &dst, 9);
		break;
	case 3:
		dst.b[0] = 192;
		ping(w, from, &dst, (uint8_t)prng_below(rng, 3));
		break;
	case 4:
		ip.b[3] = (uint8_t)(2 + prng_below(rng, 100));
		mac.b[4] = ip.b[3];
		ask_arp(w, from, &mac, &ip);
		break;
	default:
		run_until(w, w->now + (nsec_t)prng_below(rng, 2 * NSEC_PER_SEC));
	}
	run_until(w, w->now + (nsec_t)prng_below(rng, 4 * NSEC_PER_MSEC));
}

START_TEST(what_is_loaded_goes_on_as_if_nothing_had_been)
{
	for (uint64_t round = 0; round < ROUNDS; round++) {
		struct bytes file = { 0 };
		struct world w[2];
		struct prng rng[2];
		char *why;

		world_init(&w[0], VSWITCH_SWITCH);
		world_init(&w[1], VSWITCH_SWITCH);
		world_attach(&w[0]);
		prng_init(&rng[0], round, "acts");
		for (unsigned i = 0, n = (unsigned)prng_below(&rng[0], STEPS); i < n; i++)
			act(&w[0], &rng[0]);
		save(&w[0], &file);
		w[1].now = w[0].now;
		why = load(&w[1], &file);
		ck_assert_msg(!why, "%s", why);
		world_attach(&w[1]);
		rng[1] = rng[0];
		w[0].seen.len = 0;
		for (size_t k = 0; k < 2; k++) {
			for (unsigned i = 0; i < STEPS; i++)
				act(&w[k], &rng[k]);
			run_until(&w[k], w[k].now + 10 * NSEC_PER_SEC);
			check_books(w[k].fabric);
		}
		ck_assert_uint_eq(w[0].seen.len, w[1].seen.len);
		ck_assert_uint_gt(w[0].seen.len, 0);
		ck_assert_mem_eq(w[0].seen.data, w[1].seen.data, w[0].seen.len);
		for (size_t k = 0; k < 2; k++)
			world_done(&w[k]);
		bytes_done(&file);
	}
}
END_TEST

/* Any change of the station's section is refused, or what was loaded works and balances. */
START_TEST(a_forged_station_is_refused_or_works)
{
	struct bytes file = { 0 }, forged = { 0 };
	struct forge_section sec = { 0 };
	size_t at = STATE_HEADER_LEN, n_refused = 0;
	struct world w;
	struct prng rng;

	world_init(&w, VSWITCH_SWITCH);
	world_attach(&w);
	prng_init(&rng, 5, "forge");
	while (element_counters(station_element(fabric_port_station(&w.fabric->ports[SERVICE])))->queued_frames < 3)
		act(&w, &rng);
	save(&w, &file);
	world_done(&w);
	while (forge_next(file.data, &at, &sec) && memcmp(file.data + sec.head, "stat", 4) != 0)
		;
	ck_assert_int_eq(memcmp(file.data + sec.head, "stat", 4), 0);
	for (unsigned i = 0; i < 1500; i++) {
		char *why;

		forged.len = 0;
		bytes_append(&forged, file.data, file.len);
		for (uint64_t n = 1 + prng_below(&rng, 2); n; n--)
			forged.data[sec.payload + prng_below(&rng, sec.len)] =
				(uint8_t)prng_below(&rng, i % 2 ? 256 : 4);
		forge_reseal(forged.data, forged.len);
		world_init(&w, VSWITCH_SWITCH);
		w.now = 50 * NSEC_PER_SEC;
		why = load(&w, &forged);
		n_refused += why != NULL;
		free(why);
		if (!why) {
			world_attach(&w);
			run_until(&w, w.now + 5 * NSEC_PER_SEC);
			check_books(w.fabric);
		} else {
			world_attach(&w);
		}
		world_done(&w);
	}
	ck_assert_uint_gt(n_refused, 100);
	bytes_done(&file);
	bytes_done(&forged);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("service_port");
	TCase *t = tcase_create("service_port");

	tcase_add_loop_test(t, a_guest_pings_the_service_through_links_and_a_switch, 0, 2);
	tcase_add_test(t, a_neighbour_that_is_away_is_told_after_three_seconds);
	tcase_add_test(t, a_flood_of_arp_leaves_memory_as_it_was);
	tcase_add_test(t, what_is_loaded_goes_on_as_if_nothing_had_been);
	tcase_add_test(t, a_forged_station_is_refused_or_works);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
