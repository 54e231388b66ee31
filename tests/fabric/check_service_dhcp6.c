/* tests/fabric/check_service_dhcp6.c: DHCPv6 at a station: leases through links and a switch, their names, relays,
 * floods, and saved state. */
#include "core/bytes.h"
#include "core/prng.h"
#include "dhcp/dhcp6.h"
#include "fabric/service_dhcp4.h"
#include "fabric/service_dhcp6.h"
#include "fabric/services.h"
#include "fabric/station.h"
#include "tests/fabric/asking.h"
#include "tests/fabric/services_rig.h"
#include "tests/forge.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

enum { POOL = 0x1000, POOL_SIZE = 64, IAID = 5 };

static struct net w, other;
static struct ip_addr resolver;
static struct lease_range range;
static struct dhcp6_config config;

static void init(struct net *n)
{
	net_init(n);
	resolver = net_ip("fd00:7::1");
	range = (struct lease_range){ POOL, POOL + POOL_SIZE - 1 };
	config = (struct dhcp6_config){ .mac = n->service.mac,
					.subnet = net_ip("fd00:7::/64"),
					.lease_s = 120,
					.dns = &resolver,
					.n_dns = 1,
					.domain = "lab.test",
					.mtu = 1500,
					.preference = 255,
					.leases = { .ranges = &range,
						    .n_ranges = 1,
						    .offer_ns = 30 * NSEC_PER_SEC,
						    .quarantine_ns = 60 * NSEC_PER_SEC,
						    .iaid_len = DHCP6_IAID_LEN } };
	n->service.ipv6 = net_ip("fd00:7::1/64");
	n->service.dhcp6 = &config;
}

static void begin(void)
{
	init(&w);
	net_begin(&w);
	net_attach(&w);
}

static void end(void)
{
	net_check(&w);
	net_done(&w);
}

static struct services *services_of(const struct net *n)
{
	return fabric_port_services(&n->fabric->ports[NET_SERVICE]);
}

static struct service_dhcp6 *dhcp_of(const struct net *n)
{
	return services_dhcp6(services_of(n));
}

/* ---- a client ----------------------------------------------------------------------- */

struct client {
	size_t guest;
	struct mac_addr mac; /* of the frame, and of the DUID */
	const char *hostname; /* NULL: none */
};

struct message {
	enum dhcp6_type type;
	const struct ip_addr *addr; /* asked for, renewed or given back; NULL: none */
	bool has_server;
	const char *to; /* NULL: the group */
	const char *from; /* NULL: fe80::9 */
};

static void put_client(struct wire_writer *o, const struct client *c)
{
	uint8_t duid[10] = { 0, 3, 0, 1 };

	memcpy(duid + 4, c->mac.b, MAC_LEN);
	dhcp6_put(o, DHCP6_CLIENT_ID, duid, sizeof duid);
}

static void put_server(struct wire_writer *o)
{
	uint8_t duid[10] = { 0, 3, 0, 1 };

	memcpy(duid + 4, config.mac.b, MAC_LEN);
	dhcp6_put(o, DHCP6_SERVER_ID, duid, sizeof duid);
}

static void put_name(struct wire_writer *o, const char *name)
{
	size_t len = strlen(name), at = dhcp6_open(o, DHCP6_FQDN);

	wire_put_u8(o, 0);
	wire_put_u8(o, (uint8_t)len);
	wire_put_bytes(o, name, len);
	dhcp6_close(o, at);
}

static size_t write_message(const struct client *c, const struct message *m, uint8_t *buf, size_t size)
{
	struct wire_writer o = wire_write_to(buf, size);
	size_t ia, at;

	wire_put_be32(&o, (uint32_t)m->type << 24 | 0x123456);
	put_client(&o, c);
	if (m->has_server)
		put_server(&o);
	if (m->type != DHCP6_INFORMATION_REQUEST) {
		ia = dhcp6_open(&o, DHCP6_IA_NA);
		wire_put_be32(&o, IAID);
		wire_put_be64(&o, 0);
		if (m->addr) {
			at = dhcp6_open(&o, DHCP6_IAADDR);
			wire_put_bytes(&o, m->addr->b, 16);
			wire_put_be64(&o, 0);
			dhcp6_close(&o, at);
		}
		dhcp6_close(&o, ia);
	}
	if (c->hostname)
		put_name(&o, c->hostname);
	dhcp6_put(&o, DHCP6_ORO, (uint8_t[]){ 0, DHCP6_DNS, 0, DHCP6_FQDN }, 4);
	ck_assert(!o.failed);
	return wire_put_len(&o);
}

static void send_bytes(struct net *n, const struct client *c, const char *from, const char *to, uint16_t src_port,
		       const uint8_t *buf, size_t len)
{
	struct packet_ip ip = { .src = net_ip(from), .dst = net_ip(to), .ttl = 1 };
	const uint8_t *b = ip.dst.b;
	struct mac_addr dst = { { 0x33, 0x33, b[12], b[13], b[14], b[15] } };

	net_udp(n, c->guest, &c->mac, b[0] == 0xff ? &dst : &n->service.mac, &ip, src_port, DHCP6_SERVER_PORT, buf,
		len);
}

static void say(struct net *n, const struct client *c, const struct message *m)
{
	uint8_t buf[512];
	size_t len = write_message(c, m, buf, sizeof buf);

	send_bytes(n, c, m->from ? m->from : "fe80::9", m->to ? m->to : "ff02::1:2", DHCP6_CLIENT_PORT, buf, len);
}

/* The last reply that @guest got, if any. */
static bool reply_of(const struct net *n, size_t guest, struct dhcp6_msg *ret, struct packet *p)
{
	for (size_t i = n->n_seen; i-- > 0;) {
		const struct net_seen *s = &n->seen[i];

		if (s->guest != guest || packet_parse_bytes(s->data, s->len, p) != PACKET_OK ||
		    p->proto != PROTO_UDP || p->src_port != DHCP6_SERVER_PORT)
			continue;
		ck_assert(packet_checksums_ok(p));
		ck_assert_int_eq(dhcp6_read(s->data + p->payload, p->payload_len, ret), DHCP6_GOOD);
		return true;
	}
	return false;
}

/* Asks by name over IPv4, at which the station knows the guest. */
static int name(struct net *n, size_t guest, const char *what, char *ret_text)
{
	struct ip_addr ip = net_ip("10.0.0.9");

	net_arp(n, guest, &ip);
	return net_ask(n, guest, "10.0.0.9", what, DNS_AAAA, ret_text);
}

/* SOLICIT to REPLY. Returns whether there is an address in @ret. */
static bool lease(struct net *n, const struct client *c, struct ip_addr *ret)
{
	static struct dhcp6_msg m;
	struct packet p;

	net_forget(n);
	say(n, c, &(struct message){ .type = DHCP6_SOLICIT });
	net_run(n, 50 * NSEC_PER_MSEC);
	if (!reply_of(n, c->guest, &m, &p) || m.type != DHCP6_ADVERTISE || m.n_ias != 1 || m.ias[0].n_addrs != 1)
		return false;
	*ret = m.ias[0].addrs[0].addr;
	net_forget(n);
	say(n, c, &(struct message){ .type = DHCP6_REQUEST, .addr = ret, .has_server = true });
	net_run(n, 50 * NSEC_PER_MSEC);
	return reply_of(n, c->guest, &m, &p) && m.type == DHCP6_REPLY && m.n_ias == 1 && m.ias[0].n_addrs == 1 &&
	       m.ias[0].addrs[0].valid_s == 120 && ip_equal(&m.ias[0].addrs[0].addr, ret);
}

static const char *text_of(const struct ip_addr *ip)
{
	static char text[IP_STR_SIZE];

	return ip_str_bare(ip, text);
}

static struct client client_of(size_t guest)
{
	return (struct client){ .guest = guest, .mac = net_mac(guest) };
}

/* ---- leases --------------------------------------------------------------------------- */

START_TEST(a_guest_gets_a_lease_that_has_its_vms_name)
{
	struct client c = client_of(0);
	char got[DNS_NAME_TEXT_SIZE];
	static struct dhcp6_msg m;
	struct ip_addr ip, src;
	struct mac_addr known;
	struct packet p;

	begin();
	c.hostname = "liar";
	ck_assert(lease(&w, &c, &ip));
	ck_assert(ip_in_net(&ip, &config.subnet) && load_be32(ip.b + 8) == 0);
	ck_assert(load_be32(ip.b + 12) >= POOL && load_be32(ip.b + 12) < POOL + POOL_SIZE);
	ck_assert(reply_of(&w, 0, &m, &p));
	src = station_link_local(&w.service.mac);
	ck_assert(mac_equal(&p.eth_dst, &c.mac) && ip_equal(&p.src, &src) && p.dst_port == DHCP6_CLIENT_PORT);
	ck_assert_uint_eq(dhcp6_find(m.options, DHCP6_DNS).len, 16);
	ck_assert_int_eq(station_neighbour_get(fabric_port_station(&w.fabric->ports[NET_SERVICE]), &ip, &known), 0);
	ck_assert(mac_equal(&known, &c.mac));
	ck_assert_int_eq(name(&w, 1, "alpha.lab.test", got), DNS_NOERROR);
	ck_assert_str_eq(got, text_of(&ip));
	ck_assert_int_eq(name(&w, 1, "liar.lab.test", got), DNS_NXDOMAIN);
	end();
}
END_TEST

START_TEST(a_strangers_name_goes_with_its_lease)
{
	struct client c = client_of(2);
	char got[DNS_NAME_TEXT_SIZE];
	struct ip_addr ip;

	begin();
	c.hostname = "printer";
	ck_assert(lease(&w, &c, &ip));
	ck_assert_int_eq(name(&w, 0, "printer", got), DNS_NOERROR);
	ck_assert_str_eq(got, text_of(&ip));
	say(&w, &c, &(struct message){ .type = DHCP6_RELEASE, .addr = &ip, .has_server = true });
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert_int_eq(name(&w, 0, "printer", got), DNS_NXDOMAIN);
	ck_assert(lease(&w, &c, &ip));
	net_run(&w, 119 * NSEC_PER_SEC);
	ck_assert_int_eq(name(&w, 0, "printer", got), DNS_NOERROR);
	net_run(&w, 1 * NSEC_PER_SEC); /* by the network's clock */
	ck_assert_int_eq(name(&w, 0, "printer", got), DNS_NXDOMAIN);
	end();
}
END_TEST

START_TEST(a_stateless_server_tells_the_resolver_only)
{
	struct client c = client_of(0);
	static struct dhcp6_msg m;
	struct ip_addr ip;
	struct packet p;

	init(&w);
	config.leases.n_ranges = 0;
	net_begin(&w);
	net_attach(&w);
	ck_assert(!lease(&w, &c, &ip));
	net_forget(&w);
	say(&w, &c, &(struct message){ .type = DHCP6_INFORMATION_REQUEST });
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert(reply_of(&w, 0, &m, &p) && m.type == DHCP6_REPLY && m.n_ias == 0);
	ck_assert_int_eq(memcmp(dhcp6_find(m.options, DHCP6_DNS).p, resolver.b, 16), 0);
	end();
}
END_TEST

/* A client writes to the link's group; a relay also to the site's, and to the station. */
START_TEST(who_may_write_where)
{
	static const struct {
		const char *to;
		bool is_relay, is_heard;
	} rows[] = {
		{ "ff02::1:2", false, true }, { "ff02::1", false, false },  { "ff05::1:3", false, false },
		{ "fd00:7::1", false, false }, { "ff02::1:2", true, true }, { "ff05::1:3", true, true },
		{ "fd00:7::1", true, true },   { "ff02::1", true, false },
	};
	struct client c = client_of(1);
	uint8_t buf[1024], inner[512];
	static struct dhcp6_msg m;
	struct wire_writer o = wire_write_to(buf, sizeof buf);
	size_t len = write_message(&c, &(struct message){ .type = DHCP6_SOLICIT }, inner, sizeof inner);
	struct ip_addr link = net_ip("fd00:7::9"), peer = net_ip("fe80::77");
	struct packet p;

	begin();
	if (rows[_i].is_relay) {
		wire_put_be16(&o, DHCP6_RELAY_FORWARD << 8);
		wire_put_bytes(&o, link.b, 16);
		wire_put_bytes(&o, peer.b, 16);
		dhcp6_put(&o, DHCP6_RELAY_MESSAGE, inner, len);
	} else {
		wire_put_bytes(&o, inner, len);
	}
	send_bytes(&w, &c, rows[_i].is_relay ? "fd00:7::9" : "fe80::9", rows[_i].to,
		   rows[_i].is_relay ? DHCP6_SERVER_PORT : DHCP6_CLIENT_PORT, buf, wire_put_len(&o));
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert_int_eq(reply_of(&w, 1, &m, &p), rows[_i].is_heard);
	ck_assert_uint_eq(service_dhcp6_said(dhcp_of(&w)).misdirected, !rows[_i].is_heard);
	if (rows[_i].is_heard)
		ck_assert_uint_eq(p.dst_port, rows[_i].is_relay ? DHCP6_SERVER_PORT : DHCP6_CLIENT_PORT);
	end();
}
END_TEST

static void on_lease(void *ctx, const struct fabric_port *p, enum service_event event, const struct service_lease *l)
{
	struct bytes *b = ctx;

	(void)p;
	bytes_printf(b, "%s %s %s\n", service_event_str(event), l->lease ? text_of(&l->ip) : "-",
		     l->vm ? l->vm : "-");
}

START_TEST(events_are_told_once)
{
	struct client a = client_of(0), b = client_of(1), c = client_of(2);
	struct bytes told = { 0 };
	struct ip_addr ip;

	init(&w);
	range.last = range.first + 1;
	net_begin(&w);
	net_attach(&w);
	w.fabric->on_lease = on_lease;
	w.fabric->on_lease_ctx = &told;
	ck_assert(lease(&w, &a, &ip));
	ck_assert(lease(&w, &b, &ip));
	ck_assert(!lease(&w, &c, &(struct ip_addr){ 0 }));
	ck_assert(!lease(&w, &c, &(struct ip_addr){ 0 }));
	say(&w, &b, &(struct message){ .type = DHCP6_DECLINE, .addr = &ip, .has_server = true });
	net_run(&w, 125 * NSEC_PER_SEC);
	bytes_append(&told, "", 1);
	ck_assert_str_eq((char *)told.data, "new fd00:7::1000 alpha\nnew fd00:7::1001 beta\npool-empty - -\n"
					    "declined fd00:7::1001 -\nexpired fd00:7::1000 alpha\n");
	bytes_done(&told);
	end();
}
END_TEST

/* Those of both families are told, IPv4 first, page by page, each once. */
START_TEST(leases_of_both_families_are_asked_for_page_by_page)
{
	enum { EACH = 1500 };
	struct ip_addr from = { .family = IP_NONE }, last = from, next;
	size_t n4 = 0, n6 = 0, n_pages = 0, i;
	json_t *one;

	init(&w);
	w.range = (struct lease_range){ 0x0a000100, 0x0a000fff };
	w.service.ipv4 = net_ip("10.0.0.1/16");
	w.dhcp4.prefix_len = 16;
	range.last = range.first + EACH;
	net_begin(&w);
	for (uint32_t k = 0; k < EACH; k++) {
		uint8_t id[14] = { 0, 3, 0, 1, [12] = 1, [13] = 2 };
		struct lease_client c = { .mac = { { 2, 5, 0, 0, (uint8_t)(k >> 8), (uint8_t)k } } };

		ck_assert_int_eq(leases_restore(service_dhcp4_leases(services_dhcp4(services_of(&w))), &c,
						w.range.first + k, "", NSEC_NEVER), 0);
		c.id = id;
		c.id_len = sizeof id;
		ck_assert_int_eq(leases_restore(service_dhcp6_leases(dhcp_of(&w)), &c, range.first + k, "",
						NSEC_NEVER), 0);
	}
	do {
		json_t *list = services_leases(services_of(&w), &from, w.now, &next);

		json_array_foreach(list, i, one) {
			struct ip_addr ip = net_ip(json_string_value(json_object_get(one, "address")));

			ck_assert(ip.family > last.family || memcmp(ip.b, last.b, sizeof ip.b) > 0);
			last = ip;
			n4 += ip.family == IP_V4;
			n6 += ip.family == IP_V6;
			if (ip.family == IP_V6) {
				ck_assert_str_eq(json_string_value(json_object_get(one, "client_id")),
						 "00030001000000000000");
				ck_assert_int_eq(json_integer_value(json_object_get(one, "iaid")), 0x0102);
			}
		}
		ck_assert_uint_le(json_array_size(list), SERVICES_LEASES_MAX);
		n_pages++;
		json_decref(list);
		from = next;
	} while (from.family != IP_NONE);
	ck_assert_uint_eq(n4, EACH);
	ck_assert_uint_eq(n6, EACH);
	ck_assert_uint_eq(n_pages, 3);
	end();
}
END_TEST

START_TEST(counters_say_what_came_and_went)
{
	struct client c = client_of(0);
	struct ip_addr ip;
	json_t *a, *d;

	begin();
	ck_assert(lease(&w, &c, &ip));
	a = asking(w.fabric, NULL, "{\"do\":\"counters\"}", -1, w.now);
	d = json_object_get(json_array_get(json_object_get(a, "services"), 0), "dhcp6");
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(d, "in"), "solicit")), 1);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(d, "out"), "reply")), 1);
	ck_assert_int_eq(json_integer_value(json_object_get(d, "bound")), 1);
	json_decref(a);
	end();
}
END_TEST

/* ---- floods ---------------------------------------------------------------------------- */

/* A thousand clients a second that never take what is offered; the pool has 64 addresses. */
static void flood(nsec_t span)
{
	static struct prng rng;
	nsec_t until = w.now + span;

	if (!rng.s[0])
		prng_init(&rng, 1, "flood");
	while (w.now < until) {
		struct client c = { .guest = 2, .mac = { { 2, 1 } } };

		prng_bytes(&rng, c.mac.b + 2, 4);
		say(&w, &c, &(struct message){ .type = DHCP6_SOLICIT });
		net_run(&w, NSEC_PER_MSEC);
		net_forget(&w);
	}
}

START_TEST(a_flood_hurts_nobody_else)
{
	struct client c = client_of(0);
	static struct dhcp6_msg m;
	struct ip_addr ip;
	struct packet p;
	uint64_t held;

	begin();
	flood(2 * NSEC_PER_SEC);
	held = fabric_held_bytes(w.fabric);
	for (unsigned round = 0; round < 3; round++) {
		say(&w, &c, &(struct message){ .type = DHCP6_SOLICIT });
		net_run(&w, 5 * NSEC_PER_MSEC);
		ck_assert(reply_of(&w, 0, &m, &p) && m.type == DHCP6_ADVERTISE && m.ias[0].n_addrs == 1);
		ip = m.ias[0].addrs[0].addr;
		flood(100 * NSEC_PER_MSEC);
		say(&w, &c, &(struct message){ .type = DHCP6_REQUEST, .addr = &ip, .has_server = true });
		net_run(&w, 5 * NSEC_PER_MSEC);
		/* The one that was offered is still its own. */
		ck_assert_msg(reply_of(&w, 0, &m, &p) && m.type == DHCP6_REPLY && m.ias[0].n_addrs == 1 &&
				      ip_equal(&m.ias[0].addrs[0].addr, &ip) && m.ias[0].addrs[0].valid_s == 120,
			      "round %u", round);
		say(&w, &c, &(struct message){ .type = DHCP6_RELEASE, .addr = &ip, .has_server = true });
		flood(1500 * NSEC_PER_MSEC);
	}
	ck_assert_uint_gt(service_dhcp6_said(dhcp_of(&w)).limited, 1000);
	ck_assert_uint_le(fabric_held_bytes(w.fabric), held + 65536);
	end();
}
END_TEST

/* ---- saved state -------------------------------------------------------------------------- */

START_TEST(a_lease_and_its_name_are_there_after_a_load)
{
	struct client a = client_of(0), c = client_of(2);
	struct bytes file = { 0 };
	char *why, got[DNS_NAME_TEXT_SIZE];
	static struct dhcp6_msg m;
	struct ip_addr ip, offered;
	struct packet p;

	begin();
	c.hostname = "printer";
	ck_assert(lease(&w, &c, &ip));
	say(&w, &a, &(struct message){ .type = DHCP6_SOLICIT });
	net_run(&w, 50 * NSEC_PER_MSEC);
	ck_assert(reply_of(&w, 0, &m, &p) && m.type == DHCP6_ADVERTISE);
	offered = m.ias[0].addrs[0].addr;
	say(&w, &a, &(struct message){ .type = DHCP6_REQUEST, .addr = &offered, .has_server = true });
	net_run(&w, NSEC_PER_MSEC); /* the request is in the link */
	net_save(&w, &file);
	end();
	init(&other);
	net_begin(&other);
	other.now = 1000 * NSEC_PER_SEC;
	why = net_load(&other, &file);
	ck_assert_msg(!why, "%s", why);
	net_attach(&other);
	net_run(&other, 50 * NSEC_PER_MSEC);
	ck_assert(reply_of(&other, 0, &m, &p) && m.type == DHCP6_REPLY);
	ck_assert(ip_equal(&m.ias[0].addrs[0].addr, &offered));
	ck_assert_int_eq(name(&other, 1, "printer", got), DNS_NOERROR);
	ck_assert_str_eq(got, text_of(&ip));
	net_run(&other, 121 * NSEC_PER_SEC);
	ck_assert_uint_eq(leases_count(service_dhcp6_leases(dhcp_of(&other)), LEASE_BOUND), 0);
	net_check(&other);
	net_done(&other);
	bytes_done(&file);
}
END_TEST

/* Any change of the sections of the service is refused, or what was loaded works. */
START_TEST(a_forged_service_is_refused_or_works)
{
	static const char *const tags[] = { "dh6s", "dhc6" };
	struct client a = client_of(0), b = client_of(1), c = client_of(2);
	struct bytes file = { 0 }, forged = { 0 };
	struct forge_section sec = { 0 };
	size_t at = STATE_HEADER_LEN, n_refused = 0;
	struct ip_addr ip;
	struct prng rng;

	begin();
	ck_assert(lease(&w, &a, &ip));
	ck_assert(lease(&w, &c, &ip));
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
		init(&other);
		net_begin(&other);
		why = net_load(&other, &forged);
		n_refused += why != NULL;
		net_attach(&other);
		if (!why) {
			(void)lease(&other, &b, &ip);
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
	Suite *s = suite_create("service_dhcp6");
	TCase *t = tcase_create("service_dhcp6");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_guest_gets_a_lease_that_has_its_vms_name);
	tcase_add_test(t, a_strangers_name_goes_with_its_lease);
	tcase_add_test(t, a_stateless_server_tells_the_resolver_only);
	tcase_add_loop_test(t, who_may_write_where, 0, 8);
	tcase_add_test(t, events_are_told_once);
	tcase_add_test(t, leases_of_both_families_are_asked_for_page_by_page);
	tcase_add_test(t, counters_say_what_came_and_went);
	tcase_add_test(t, a_flood_hurts_nobody_else);
	tcase_add_test(t, a_lease_and_its_name_are_there_after_a_load);
	tcase_add_loop_test(t, a_forged_service_is_refused_or_works, 0, 2);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
