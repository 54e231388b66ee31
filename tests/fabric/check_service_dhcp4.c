/* tests/fabric/check_service_dhcp4.c: DHCP at a station: leases through links and a switch, their names, floods, and
 * saved state. */
#include "core/bytes.h"
#include "core/prng.h"
#include "fabric/service_dhcp4.h"
#include "fabric/services.h"
#include "fabric/station.h"
#include "tests/fabric/asking.h"
#include "tests/fabric/services_rig.h"
#include "tests/forge.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

static struct net w, other;

static struct service_dhcp4 *dhcp_of(const struct net *n)
{
	return services_dhcp4(fabric_port_services(&n->fabric->ports[NET_SERVICE]));
}

static void begin(void)
{
	net_init(&w);
	net_begin(&w);
	net_attach(&w);
}

static void end(void)
{
	net_check(&w);
	net_done(&w);
}

static const char *text_of(uint32_t addr)
{
	static char text[IP_STR_SIZE];
	struct ip_addr ip = { .family = IP_V4, .prefix_len = 32 };

	store_be32(ip.b, addr);
	return ip_str_bare(&ip, text);
}

START_TEST(a_guest_gets_a_lease_that_has_its_vms_name)
{
	struct mac_addr mac = net_mac(0), known;
	char name[DNS_NAME_TEXT_SIZE], from[IP_STR_SIZE];
	struct ip_addr ip = { .family = IP_V4, .prefix_len = 32 };
	struct dhcp4_msg reply;
	struct packet p;
	uint32_t addr;

	begin();
	addr = net_lease(&w, 0, &mac, "\1same", "liar");
	ck_assert(addr >= w.range.first && addr <= w.range.last);
	ck_assert(net_dhcp_reply(&w, 0, &reply, &p));
	ck_assert(mac_equal(&p.eth_dst, &mac)); /* no broadcast was asked for */
	ck_assert_uint_eq(load_be32(p.dst.b), addr);
	ck_assert_uint_eq(p.dst_port, 68);
	ck_assert(!net_dhcp_reply(&w, 1, &reply, &p) && !net_dhcp_reply(&w, 2, &reply, &p));
	store_be32(ip.b, addr);
	/* Known without having been asked for. */
	ck_assert_int_eq(station_neighbour_get(fabric_port_station(&w.fabric->ports[NET_SERVICE]), &ip, &known), 0);
	ck_assert(mac_equal(&known, &mac));
	(void)snprintf(from, sizeof from, "%s", text_of(addr));
	ck_assert_int_eq(net_ask(&w, 0, from, "alpha.lab.test", DNS_A, name), DNS_NOERROR);
	ck_assert_str_eq(name, from);
	ck_assert_int_eq(net_ask(&w, 0, from, "liar.lab.test", DNS_A, name), DNS_NXDOMAIN);
	(void)snprintf(name, sizeof name, "%u.0.0.10.in-addr.arpa", addr & 255);
	ck_assert_int_eq(net_ask(&w, 0, from, name, DNS_PTR, name), DNS_NOERROR);
	ck_assert_str_eq(name, "alpha.lab.test");
	end();
}
END_TEST

START_TEST(a_strangers_lease_has_the_first_label_of_what_it_calls_itself)
{
	struct mac_addr mac = net_mac(2);
	char got[DNS_NAME_TEXT_SIZE], from[IP_STR_SIZE];
	struct ip_addr ip;

	begin();
	(void)snprintf(from, sizeof from, "%s", text_of(net_lease(&w, 2, &mac, NULL, "printer.example.com")));
	ip = net_ip(from);
	net_arp(&w, 2, &ip);
	ck_assert_int_eq(net_ask(&w, 2, from, "printer.lab.test", DNS_A, got), DNS_NOERROR);
	ck_assert_str_eq(got, from);
	/* It never gets the name of a VM. */
	ck_assert_uint_ne(net_lease(&w, 2, &mac, "\1two", "beta"), 0);
	ck_assert_int_eq(net_ask(&w, 2, from, "beta.lab.test", DNS_A, got), DNS_NOERROR);
	ck_assert_str_eq(got, "10.0.0.3");
	end();
}
END_TEST

START_TEST(two_with_one_client_id_get_two_addresses)
{
	struct mac_addr a = net_mac(0), b = net_mac(1);
	uint32_t first, second;

	begin();
	first = net_lease(&w, 0, &a, "\xff""machine", NULL);
	second = net_lease(&w, 1, &b, "\xff""machine", NULL);
	ck_assert_uint_ne(first, 0);
	ck_assert_uint_ne(second, 0);
	ck_assert_uint_ne(first, second);
	ck_assert_uint_eq(net_lease(&w, 0, &a, "\xff""machine", NULL), first);
	end();
}
END_TEST

START_TEST(a_renewal_goes_to_the_client_and_a_release_takes_the_name)
{
	struct mac_addr mac = net_mac(0);
	char got[DNS_NAME_TEXT_SIZE], from[IP_STR_SIZE];
	uint32_t addr;
	struct dhcp4_msg reply;
	struct packet p;

	begin();
	addr = net_lease(&w, 0, &mac, NULL, NULL);
	(void)snprintf(from, sizeof from, "%s", text_of(addr));
	net_run(&w, 60 * NSEC_PER_SEC);
	net_forget(&w);
	net_dhcp(&w, 0, &(struct net_dhcp){ .type = DHCP4_REQUEST, .mac = mac, .ciaddr = addr });
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert(net_dhcp_reply(&w, 0, &reply, &p) && reply.type == DHCP4_ACK);
	ck_assert_uint_eq(load_be32(p.dst.b), addr);
	net_run(&w, 90 * NSEC_PER_SEC); /* beyond the first lease, within the second */
	ck_assert_int_eq(net_ask(&w, 0, from, "alpha", DNS_A, got), DNS_NOERROR);
	ck_assert_str_eq(got, from);
	net_dhcp(&w, 0,
		 &(struct net_dhcp){ .type = DHCP4_RELEASE, .mac = mac, .ciaddr = addr, .server_id = 0x0a000001 });
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert_int_eq(net_ask(&w, 0, from, "alpha", DNS_A, got), DNS_NOERROR);
	ck_assert_str_eq(got, ""); /* the VM is there, and has no address */
	end();
}
END_TEST

START_TEST(a_lease_ends_by_the_networks_clock)
{
	struct mac_addr mac = net_mac(2);
	struct ip_addr next, from = { .family = IP_NONE };
	json_t *list, *lease;
	uint32_t addr;
	char got[DNS_NAME_TEXT_SIZE];

	begin();
	addr = net_lease(&w, 2, &mac, NULL, "printer");
	list = services_leases(fabric_port_services(&w.fabric->ports[NET_SERVICE]), &from, w.now, &next);
	ck_assert_uint_eq(json_array_size(list), 1);
	lease = json_array_get(list, 0);
	ck_assert_str_eq(json_string_value(json_object_get(lease, "address")), text_of(addr));
	ck_assert_str_eq(json_string_value(json_object_get(lease, "state")), "bound");
	ck_assert_str_eq(json_string_value(json_object_get(lease, "hostname")), "printer");
	ck_assert_str_eq(json_string_value(json_object_get(lease, "mac")), "02:00:00:00:00:03");
	ck_assert_int_eq(json_integer_value(json_object_get(lease, "remaining_s")), 119);
	json_decref(list);
	net_run(&w, 119 * NSEC_PER_SEC);
	ck_assert_uint_eq(leases_count(service_dhcp4_leases(dhcp_of(&w)), LEASE_BOUND), 1);
	net_run(&w, 1 * NSEC_PER_SEC);
	ck_assert_uint_eq(leases_count(service_dhcp4_leases(dhcp_of(&w)), LEASE_BOUND), 0);
	from = net_ip("10.0.0.9");
	net_arp(&w, 2, &from);
	ck_assert_int_eq(net_ask(&w, 2, "10.0.0.9", "printer.lab.test", DNS_A, got), DNS_NXDOMAIN);
	end();
}
END_TEST

/* A network of more leases than one answer holds is asked for page by page. */
START_TEST(leases_are_asked_for_page_by_page)
{
	char request[128] = "{\"do\":\"leases\",\"network\":0}";
	size_t n = 0, n_pages = 0;
	uint32_t last = 0;

	net_init(&w);
	w.range = (struct lease_range){ 0x0a000100, 0x0a000fff };
	w.service.ipv4 = net_ip("10.0.0.1/16");
	w.dhcp4.prefix_len = 16;
	net_begin(&w);
	net_attach(&w);
	for (uint32_t i = 0; i < 2500; i++) {
		struct lease_client c = { .mac = { { 2, 5, 0, 0, (uint8_t)(i >> 8), (uint8_t)i } } };

		ck_assert_int_eq(
			leases_restore(service_dhcp4_leases(dhcp_of(&w)), &c, w.range.first + i, "", NSEC_NEVER), 0);
	}
	while (request[0]) {
		json_t *a = asking(w.fabric, NULL, request, -1, w.now), *list = json_object_get(a, "leases");
		const char *next = json_string_value(json_object_get(a, "next"));

		ck_assert(json_is_true(json_object_get(a, "ok")));
		for (size_t i = 0; i < json_array_size(list); i++) {
			struct ip_addr ip = net_ip(
				json_string_value(json_object_get(json_array_get(list, i), "address")));

			ck_assert_uint_gt(load_be32(ip.b), last);
			last = load_be32(ip.b);
		}
		n += json_array_size(list);
		n_pages++;
		request[0] = 0;
		if (next)
			(void)snprintf(request, sizeof request,
				       "{\"do\":\"leases\",\"network\":0,\"from\":\"%s\"}", next);
		json_decref(a);
	}
	ck_assert_uint_eq(n, 2500);
	ck_assert_uint_eq(n_pages, 3);
	end();
}
END_TEST

START_TEST(a_wrong_question_about_leases_is_refused)
{
	static const char *const wrong[] = { "{\"do\":\"leases\"}", "{\"do\":\"leases\",\"network\":1}",
					     "{\"do\":\"leases\",\"network\":0,\"from\":\"x\"}" };
	json_t *a, *list;

	begin();
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		a = asking(w.fabric, NULL, wrong[i], -1, w.now);
		ck_assert(json_is_false(json_object_get(a, "ok")));
		json_decref(a);
	}
	a = asking(w.fabric, NULL, "{\"do\":\"counters\"}", -1, w.now);
	list = json_object_get(a, "services");
	ck_assert_uint_eq(json_array_size(list), 1);
	ck_assert_ptr_nonnull(json_object_get(json_array_get(list, 0), "dns"));
	ck_assert_ptr_nonnull(json_object_get(json_array_get(list, 0), "dhcp4"));
	json_decref(a);
	end();
}
END_TEST

/* What the supervisor is told. */
static void on_lease(void *ctx, const struct fabric_port *p, enum service_event event, const struct service_lease *l)
{
	struct bytes *b = ctx;

	ck_assert_ptr_eq(p, &w.fabric->ports[NET_SERVICE]);
	bytes_printf(b, "%s %s %s\n", service_event_str(event), l->lease ? text_of((uint32_t)l->lease->addr) : "-",
		     l->vm ? l->vm : "-");
}

START_TEST(events_are_told_once)
{
	struct net_dhcp decline = { .type = DHCP4_DECLINE, .mac = net_mac(1), .server_id = 0x0a000001 };
	struct mac_addr a = net_mac(0), b = net_mac(1), c = net_mac(2);
	struct bytes told = { 0 };

	net_init(&w);
	w.range = (struct lease_range){ 0x0a000080, 0x0a000081 };
	net_begin(&w);
	net_attach(&w);
	w.fabric->on_lease = on_lease;
	w.fabric->on_lease_ctx = &told;
	ck_assert_uint_ne(net_lease(&w, 0, &a, NULL, NULL), 0);
	decline.wanted = net_lease(&w, 1, &b, NULL, NULL);
	ck_assert_uint_eq(net_lease(&w, 2, &c, NULL, NULL), 0);
	ck_assert_uint_eq(net_lease(&w, 2, &c, NULL, NULL), 0);
	net_dhcp(&w, 1, &decline);
	net_run(&w, 125 * NSEC_PER_SEC);
	bytes_append(&told, "", 1);
	ck_assert_str_eq((char *)told.data, "new 10.0.0.128 alpha\nnew 10.0.0.129 beta\npool-empty - -\n"
					    "declined 10.0.0.129 -\nexpired 10.0.0.128 alpha\n");
	bytes_done(&told);
	end();
}
END_TEST

START_TEST(a_relay_is_answered_at_its_address)
{
	struct ip_addr relay = net_ip("10.0.0.9");
	struct net_dhcp m = { .type = DHCP4_DISCOVER, .mac = { { 2, 9, 9, 9, 9, 9 } }, .giaddr = 0x0a000009 };
	struct mac_addr mac = net_mac(1);
	struct dhcp4_msg reply;
	struct packet p;

	begin();
	net_arp(&w, 1, &relay);
	net_dhcp(&w, 1, &m);
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert(net_dhcp_reply(&w, 1, &reply, &p) && reply.type == DHCP4_OFFER);
	ck_assert(mac_equal(&p.eth_dst, &mac));
	ck_assert(ip_equal(&p.dst, &relay));
	ck_assert_uint_eq(p.dst_port, 67);
	end();
}
END_TEST

START_TEST(a_renewal_through_a_router_is_answered_there)
{
	struct mac_addr behind = { { 2, 9, 9, 9, 9, 9 } }, router = net_mac(1);
	char got[DNS_NAME_TEXT_SIZE];
	uint32_t addr;
	struct ip_addr ip;
	struct dhcp4_msg reply;
	struct packet p;

	begin();
	addr = net_lease(&w, 1, &behind, NULL, NULL);
	ip = net_ip(text_of(addr));
	/* A lease of a MAC that is no station's does not tell where the address is. */
	ck_assert_int_eq(net_ask(&w, 1, text_of(addr), "alpha", DNS_A, got), -1);
	net_arp(&w, 1, &ip); /* the router answers for what is behind it */
	net_forget(&w);
	net_dhcp(&w, 1, &(struct net_dhcp){ .type = DHCP4_REQUEST, .mac = behind, .ciaddr = addr });
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert(net_dhcp_reply(&w, 1, &reply, &p) && reply.type == DHCP4_ACK);
	ck_assert(mac_equal(&p.eth_dst, &router));
	ck_assert(ip_equal(&p.dst, &ip));
	ck_assert_uint_eq(p.dst_port, 68);
	end();
}
END_TEST

/* ---- records ------------------------------------------------------------------------- */

static uint64_t on_record(void *ctx, const struct lease_record *r)
{
	uint64_t *n = ctx;

	(void)r;
	return ++*n;
}

START_TEST(an_acknowledgement_waits_for_its_record)
{
	struct net_dhcp m = { .type = DHCP4_DISCOVER, .mac = net_mac(0) };
	struct dhcp4_msg reply;
	uint64_t n = 0;
	struct packet p;

	begin();
	service_dhcp4_set_record(dhcp_of(&w), on_record, &n);
	ck_assert_uint_eq(net_lease(&w, 0, &m.mac, NULL, NULL), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert(!net_dhcp_reply(&w, 0, &reply, &p));
	service_dhcp4_durable(dhcp_of(&w), 1, w.now);
	fabric_element_moved(w.fabric, station_element(fabric_port_station(&w.fabric->ports[NET_SERVICE])));
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert(net_dhcp_reply(&w, 0, &reply, &p) && reply.type == DHCP4_ACK);
	end();
}
END_TEST

START_TEST(leases_from_a_log_have_names)
{
	struct mac_addr mac = net_mac(0);
	struct lease_client c = { .mac = mac };
	char got[DNS_NAME_TEXT_SIZE];

	begin();
	ck_assert_int_eq(leases_restore(service_dhcp4_leases(dhcp_of(&w)), &c, 0x0a000090, "", NSEC_NEVER), 0);
	service_dhcp4_restored(dhcp_of(&w), w.now);
	ck_assert_int_eq(net_ask(&w, 0, "10.0.0.144", "alpha", DNS_A, got), DNS_NOERROR);
	ck_assert_str_eq(got, "10.0.0.144");
	end();
}
END_TEST

/* ---- floods --------------------------------------------------------------------------- */

/* A thousand clients a second that never take what is offered would use the pool of 64 up in 64 ms, and a guest whose
 * request comes 100 ms after its offer would not get it. */
static void flood(nsec_t span, bool with_own_mac)
{
	struct packet_ip ip = { .src = net_ip("0.0.0.0"), .dst = net_ip("255.255.255.255"), .ttl = 64 };
	static struct prng rng;
	const struct mac_addr all = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	nsec_t until = w.now + span;

	if (!rng.s[0])
		prng_init(&rng, 1, "flood");
	while (w.now < until) {
		struct net_dhcp m = { .type = DHCP4_DISCOVER, .mac = { { 2, 1 } } };

		prng_bytes(&rng, m.mac.b + 2, 4);
		if (with_own_mac) {
			net_dhcp(&w, 2, &m);
		} else {
			uint8_t buf[NET_BUF / 2] = { 1, 1, 6 };

			memcpy(buf + 28, m.mac.b, MAC_LEN);
			memcpy(buf + DHCP4_HEAD_LEN, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
			net_udp(&w, 2, &m.mac, &all, &ip, 68, 67, buf, 300);
		}
		net_run(&w, NSEC_PER_MSEC);
		net_forget(&w);
	}
}

START_TEST(a_flood_hurts_nobody_else)
{
	struct net_dhcp m = { .type = DHCP4_DISCOVER, .mac = net_mac(0) };
	struct dhcp4_msg reply;
	struct packet p;
	uint64_t held;

	begin();
	flood(2 * NSEC_PER_SEC, _i);
	held = fabric_held_bytes(w.fabric);
	for (unsigned round = 0; round < 5; round++) {
		net_dhcp(&w, 0, &m);
		net_run(&w, 5 * NSEC_PER_MSEC);
		ck_assert(net_dhcp_reply(&w, 0, &reply, &p) && reply.type == DHCP4_OFFER);
		m.wanted = reply.head.yiaddr;
		m.server_id = 0x0a000001;
		flood(100 * NSEC_PER_MSEC, _i);
		m.type = DHCP4_REQUEST;
		net_dhcp(&w, 0, &m);
		net_run(&w, 5 * NSEC_PER_MSEC);
		ck_assert_msg(net_dhcp_reply(&w, 0, &reply, &p) && reply.type == DHCP4_ACK, "round %u", round);
		m = (struct net_dhcp){ .type = DHCP4_RELEASE, .mac = m.mac, .ciaddr = reply.head.yiaddr };
		net_dhcp(&w, 0, &m);
		flood(1500 * NSEC_PER_MSEC, _i);
		m = (struct net_dhcp){ .type = DHCP4_DISCOVER, .mac = m.mac };
	}
	ck_assert_uint_gt(service_dhcp4_limited(dhcp_of(&w)), 1000);
	ck_assert_uint_le(fabric_held_bytes(w.fabric), held + 65536);
	end();
}
END_TEST

START_TEST(who_is_alone_is_not_limited)
{
	begin();
	flood(3 * NSEC_PER_SEC, true);
	ck_assert_uint_lt(service_dhcp4_limited(dhcp_of(&w)), 1000); /* in its first second it was not known to be */
	end();
}
END_TEST

/* ---- saved state ------------------------------------------------------------------------ */

START_TEST(a_lease_that_was_offered_is_acknowledged_after_a_load)
{
	struct net_dhcp m = { .type = DHCP4_DISCOVER, .mac = net_mac(0) };
	struct bytes file = { 0 };
	char *why, got[DNS_NAME_TEXT_SIZE], from[IP_STR_SIZE];
	struct mac_addr stranger = net_mac(2);
	struct dhcp4_msg reply;
	struct packet p;
	struct ip_addr ip;

	begin();
	(void)snprintf(from, sizeof from, "%s", text_of(net_lease(&w, 2, &stranger, NULL, "printer")));
	net_forget(&w);
	net_dhcp(&w, 0, &m);
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert(net_dhcp_reply(&w, 0, &reply, &p) && reply.type == DHCP4_OFFER);
	m.type = DHCP4_REQUEST;
	m.wanted = reply.head.yiaddr;
	m.server_id = 0x0a000001;
	net_dhcp(&w, 0, &m);
	net_run(&w, NSEC_PER_MSEC); /* the request is in the link */
	net_save(&w, &file);
	end();
	net_init(&other);
	net_begin(&other);
	other.now = 1000 * NSEC_PER_SEC;
	why = net_load(&other, &file);
	ck_assert_msg(!why, "%s", why);
	net_attach(&other);
	net_run(&other, 50 * NSEC_PER_MSEC);
	ck_assert(net_dhcp_reply(&other, 0, &reply, &p) && reply.type == DHCP4_ACK);
	ip = net_ip(from);
	net_arp(&other, 2, &ip);
	ck_assert_int_eq(net_ask(&other, 2, from, "printer", DNS_A, got), DNS_NOERROR);
	ck_assert_str_eq(got, from);
	ck_assert_int_eq(net_ask(&other, 2, from, "alpha", DNS_A, got), DNS_NOERROR);
	ck_assert_str_eq(got, text_of(reply.head.yiaddr));
	net_check(&other);
	net_done(&other);
	bytes_done(&file);
}
END_TEST

/* Any change of the sections of a service is refused, or what was loaded works. */
START_TEST(a_forged_service_is_refused_or_works)
{
	static const char *const tags[] = { "dhcs", "dhc4", "dnss" };
	struct bytes file = { 0 }, forged = { 0 };
	struct mac_addr a = net_mac(0), c = net_mac(2);
	struct forge_section sec = { 0 };
	size_t at = STATE_HEADER_LEN, n_refused = 0;
	struct prng rng;

	begin();
	ck_assert_uint_ne(net_lease(&w, 0, &a, NULL, NULL), 0);
	ck_assert_uint_ne(net_lease(&w, 2, &c, "\1x", "printer"), 0);
	net_save(&w, &file);
	end();
	prng_init(&rng, 7, "forge");
	while (forge_next(file.data, &at, &sec) && memcmp(file.data + sec.head, tags[_i], 4) != 0)
		;
	ck_assert_int_eq(memcmp(file.data + sec.head, tags[_i], 4), 0);
	for (unsigned i = 0; i < 200; i++) {
		char *why;

		forged.len = 0;
		bytes_append(&forged, file.data, file.len);
		forged.data[sec.payload + prng_below(&rng, sec.len)] = (uint8_t)prng_u64(&rng);
		forge_reseal(forged.data, forged.len);
		net_init(&other);
		net_begin(&other);
		why = net_load(&other, &forged);
		n_refused += why != NULL;
		net_attach(&other);
		if (!why) {
			(void)net_lease(&other, 1, &(struct mac_addr){ { 2, 7, 7 } }, NULL, "more");
			net_run(&other, 300 * NSEC_PER_SEC);
			net_check(&other);
		}
		free(why);
		net_done(&other);
	}
	ck_assert_uint_gt(n_refused, 5);
	bytes_done(&file);
	bytes_done(&forged);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("service_dhcp4");
	TCase *t = tcase_create("service_dhcp4");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_guest_gets_a_lease_that_has_its_vms_name);
	tcase_add_test(t, a_strangers_lease_has_the_first_label_of_what_it_calls_itself);
	tcase_add_test(t, two_with_one_client_id_get_two_addresses);
	tcase_add_test(t, a_renewal_goes_to_the_client_and_a_release_takes_the_name);
	tcase_add_test(t, a_lease_ends_by_the_networks_clock);
	tcase_add_test(t, leases_are_asked_for_page_by_page);
	tcase_add_test(t, a_wrong_question_about_leases_is_refused);
	tcase_add_test(t, events_are_told_once);
	tcase_add_test(t, a_relay_is_answered_at_its_address);
	tcase_add_test(t, a_renewal_through_a_router_is_answered_there);
	tcase_add_test(t, an_acknowledgement_waits_for_its_record);
	tcase_add_test(t, leases_from_a_log_have_names);
	tcase_add_loop_test(t, a_flood_hurts_nobody_else, 0, 2);
	tcase_add_test(t, who_is_alone_is_not_limited);
	tcase_add_test(t, a_lease_that_was_offered_is_acknowledged_after_a_load);
	tcase_add_loop_test(t, a_forged_service_is_refused_or_works, 0, 3);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
