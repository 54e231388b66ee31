/* tests/fabric/check_service_ra.c: router advertisements of a station: what guests get through links and a switch,
 * and when; solicitations, floods, and saved state. */
#include "core/bytes.h"
#include "core/prng.h"
#include "fabric/service_ra.h"
#include "fabric/services.h"
#include "tests/fabric/services_rig.h"
#include "tests/forge.h"
#include "tests/unit.h"

#include <string.h>

enum { TIMES_MAX = 64 };

static struct net w, other;
static struct ip_addr prefix, resolver;
static struct ra_config config;
static const char *const search[] = { "lab.test" };

static void init(struct net *n)
{
	net_init(n);
	prefix = net_ip("fd00:7::/64");
	resolver = net_ip("fd00:7::1");
	config = (struct ra_config){ .mode = RA_MODE_SLAAC,
				     .mac = n->service.mac,
				     .prefixes = &prefix,
				     .n_prefixes = 1,
				     .dns = &resolver,
				     .n_dns = 1,
				     .search = search,
				     .n_search = 1,
				     .mtu = 1400 };
	n->service.ipv6 = net_ip("fd00:7::1/64");
	n->service.ra = &config;
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

static const struct ra_counters *counters_of(const struct net *n)
{
	return service_ra_counters(services_ra(fabric_port_services(&n->fabric->ports[NET_SERVICE])));
}

static bool is_ra(const struct net_seen *s, struct packet *p)
{
	return packet_parse_bytes(s->data, s->len, p) == PACKET_OK && p->proto == PROTO_ICMPV6 &&
	       p->icmp_type == RA_ADVERTISEMENT;
}

/* When @guest got advertisements since the last net_forget(). */
static size_t times(const struct net *n, size_t guest, nsec_t at[TIMES_MAX])
{
	struct packet p;
	size_t k = 0;

	for (size_t i = 0; i < n->n_seen; i++)
		if (n->seen[i].guest == guest && is_ra(&n->seen[i], &p)) {
			ck_assert_uint_lt(k, TIMES_MAX);
			at[k++] = n->seen[i].at;
		}
	return k;
}

static void solicit(struct net *n, size_t guest, uint8_t hop_limit, uint8_t code)
{
	struct mac_addr mac = net_mac(guest), routers = { { 0x33, 0x33, 0, 0, 0, 2 } };
	struct packet_ip ip = { .src = net_ip("fe80::9"), .dst = net_ip("ff02::2"), .ttl = hop_limit, .proto = PROTO_ICMPV6 };
	const uint8_t link[8] = { 1, 1, 2, 0, 0, 0, 0, (uint8_t)(guest + 1) };

	net_icmp6(n, guest, &mac, &routers, &ip, RA_SOLICITATION, code, 0, link, sizeof link);
}

/* The option @type of an advertisement; NULL: none. */
static const uint8_t *option(const struct net_seen *s, const struct packet *p, uint8_t type)
{
	const uint8_t *o = s->data + p->payload + 8, *behind = s->data + p->payload + p->payload_len;

	for (; behind - o >= 8; o += 8 * o[1]) {
		ck_assert_uint_ne(o[1], 0);
		if (o[0] == type)
			return o;
	}
	return NULL;
}

START_TEST(all_guests_get_the_first_advertisement_when_the_fabric_runs)
{
	static const struct mac_addr all_nodes = { { 0x33, 0x33, 0, 0, 0, 1 } };
	struct ip_addr src, dst = net_ip("ff02::1");
	bool got[NET_GUESTS] = { 0 };
	const uint8_t *o;
	struct packet p;

	init(&w);
	config.leads_out = _i;
	net_begin(&w);
	net_attach(&w);
	src = station_link_local(&w.service.mac);
	net_run(&w, 100 * NSEC_PER_MSEC);
	for (size_t i = 0; i < w.n_seen; i++) {
		const struct net_seen *s = &w.seen[i];

		if (!is_ra(s, &p))
			continue;
		ck_assert(!got[s->guest]);
		got[s->guest] = true;
		ck_assert(packet_checksums_ok(&p));
		ck_assert(mac_equal(&p.eth_dst, &all_nodes) && mac_equal(&p.eth_src, &w.service.mac));
		ck_assert(ip_equal(&p.src, &src) && ip_equal(&p.dst, &dst));
		ck_assert_uint_eq(p.ttl, 255);
		/* No default route comes of a router with lifetime 0. */
		ck_assert_uint_eq(load_be16(s->data + p.payload - 2), _i ? 1800 : 0);
		o = option(s, &p, 3);
		ck_assert(o && o[2] == 64 && o[3] == 0xc0 && memcmp(o + 16, prefix.b, 16) == 0);
		o = option(s, &p, 25);
		ck_assert(o && load_be32(o + 4) == 1800 && memcmp(o + 8, resolver.b, 16) == 0);
		o = option(s, &p, 31);
		ck_assert(o && memcmp(o + 8, "\3lab\4test", 10) == 0);
		o = option(s, &p, 5);
		ck_assert(o && load_be32(o + 4) == 1400);
		o = option(s, &p, 1);
		ck_assert(o && memcmp(o + 2, w.service.mac.b, MAC_LEN) == 0);
	}
	ck_assert(got[0] && got[1] && got[2]);
	end();
}
END_TEST

/* A host that was on for a day does not get what a day would have brought. */
START_TEST(advertisements_come_three_times_and_then_by_the_interval)
{
	nsec_t at[TIMES_MAX];
	size_t n;

	init(&w);
	net_begin(&w);
	net_attach(&w);
	w.now = 86400 * NSEC_PER_SEC;
	net_run(&w, 48 * NSEC_PER_SEC);
	n = times(&w, 1, at);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_ge(at[0], 86400 * NSEC_PER_SEC);
	ck_assert_int_ge(at[1] - at[0], 3 * NSEC_PER_SEC);
	net_forget(&w);
	net_run(&w, 6000 * NSEC_PER_SEC);
	n = times(&w, 1, at);
	ck_assert_uint_ge(n, 10);
	ck_assert_uint_le(n, 30);
	for (size_t i = 1; i < n; i++) {
		ck_assert_int_ge(at[i] - at[i - 1], 200 * NSEC_PER_SEC);
		ck_assert_int_le(at[i] - at[i - 1], 600 * NSEC_PER_SEC);
	}
	end();
}
END_TEST

START_TEST(a_solicitation_is_answered_within_half_a_second)
{
	nsec_t at[TIMES_MAX], asked;

	begin();
	net_run(&w, 100 * NSEC_PER_SEC);
	net_forget(&w);
	asked = w.now;
	solicit(&w, 0, 255, 0);
	net_run(&w, 600 * NSEC_PER_MSEC);
	ck_assert_uint_eq(times(&w, 0, at), 1);
	ck_assert_int_le(at[0], asked + 510 * NSEC_PER_MSEC);
	ck_assert_uint_eq(counters_of(&w)->n_solicited, 1);
	end();
}
END_TEST

/* Hop limit and code are those of the packet. */
START_TEST(a_solicitation_from_afar_is_not_answered)
{
	nsec_t at[TIMES_MAX];

	begin();
	net_run(&w, 100 * NSEC_PER_SEC);
	net_forget(&w);
	solicit(&w, 0, 254, 0);
	solicit(&w, 0, 255, 1);
	net_run(&w, 600 * NSEC_PER_MSEC);
	ck_assert_uint_eq(times(&w, 0, at), 0);
	ck_assert_uint_eq(counters_of(&w)->n_malformed, 2);
	end();
}
END_TEST

START_TEST(a_flood_of_solicitations_brings_one_every_three_seconds)
{
	nsec_t at[TIMES_MAX];
	size_t n = 0;

	begin();
	net_run(&w, 100 * NSEC_PER_SEC);
	net_forget(&w);
	for (unsigned i = 0; i < 30000; i++) {
		solicit(&w, 2, 255, 0);
		net_run(&w, NSEC_PER_MSEC);
		n += times(&w, 0, at);
		net_forget(&w);
	}
	ck_assert_uint_ge(n, 9);
	ck_assert_uint_le(n, 11);
	ck_assert_uint_eq(counters_of(&w)->n_solicited, 30000);
	end();
}
END_TEST

/* Whatever was said before the save: what follows comes at the same distances. */
START_TEST(advertisements_go_on_after_a_load)
{
	nsec_t before[TIMES_MAX], after[TIMES_MAX], saved;
	struct bytes file = { 0 };
	size_t n;
	char *why;

	begin();
	net_run(&w, (_i ? 1000 : 5) * NSEC_PER_SEC);
	net_save(&w, &file);
	saved = w.now;
	net_forget(&w);
	net_run(&w, 3000 * NSEC_PER_SEC);
	n = times(&w, 1, before);
	ck_assert_uint_gt(n, 4);
	end();
	init(&other);
	net_begin(&other);
	other.now = 100000 * NSEC_PER_SEC;
	why = net_load(&other, &file);
	ck_assert_msg(!why, "%s", why);
	net_attach(&other);
	net_run(&other, 3000 * NSEC_PER_SEC);
	ck_assert_uint_eq(times(&other, 1, after), n);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(after[i] - 100000 * NSEC_PER_SEC, before[i] - saved);
	net_check(&other);
	net_done(&other);
	bytes_done(&file);
}
END_TEST

/* A fabric that was made and has not run yet. */
START_TEST(one_that_has_not_begun_begins_after_a_load)
{
	struct bytes file = { 0 };
	nsec_t at[TIMES_MAX];
	char *why;

	begin();
	w.now = 5000 * NSEC_PER_SEC;
	net_save(&w, &file);
	end();
	init(&other);
	net_begin(&other);
	why = net_load(&other, &file);
	ck_assert_msg(!why, "%s", why);
	net_attach(&other);
	net_run(&other, NSEC_PER_SEC);
	ck_assert_uint_eq(times(&other, 1, at), 1);
	net_done(&other);
	bytes_done(&file);
}
END_TEST

/* Any change of the sections is refused, or what was loaded works. */
START_TEST(a_forged_advertiser_is_refused_or_works)
{
	static const char *const tags[] = { "rads", "rtad" };
	struct bytes file = { 0 }, forged = { 0 };
	struct forge_section sec = { 0 };
	size_t at = STATE_HEADER_LEN, n_refused = 0;
	struct prng rng;

	begin();
	net_run(&w, 20 * NSEC_PER_SEC);
	net_save(&w, &file);
	end();
	prng_init(&rng, 7, "forge");
	while (forge_next(file.data, &at, &sec) && memcmp(file.data + sec.head, tags[_i], 4) != 0)
		;
	ck_assert_int_eq(memcmp(file.data + sec.head, tags[_i], 4), 0);
	for (unsigned i = 0; i < 200; i++) {
		nsec_t seen[TIMES_MAX];
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
			net_run(&other, 2000 * NSEC_PER_SEC);
			ck_assert_uint_ge(times(&other, 0, seen), 2);
			ck_assert_uint_le(times(&other, 0, seen), 16);
			net_check(&other);
		}
		free(why);
		net_done(&other);
	}
	ck_assert_uint_gt(n_refused, 0);
	bytes_done(&file);
	bytes_done(&forged);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("service_ra");
	TCase *t = tcase_create("service_ra");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, all_guests_get_the_first_advertisement_when_the_fabric_runs, 0, 2);
	tcase_add_test(t, advertisements_come_three_times_and_then_by_the_interval);
	tcase_add_test(t, a_solicitation_is_answered_within_half_a_second);
	tcase_add_test(t, a_solicitation_from_afar_is_not_answered);
	tcase_add_test(t, a_flood_of_solicitations_brings_one_every_three_seconds);
	tcase_add_loop_test(t, advertisements_go_on_after_a_load, 0, 2);
	tcase_add_test(t, one_that_has_not_begun_begins_after_a_load);
	tcase_add_loop_test(t, a_forged_advertiser_is_refused_or_works, 0, 2);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
