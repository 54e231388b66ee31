/* tests/topologies/check_services.c: what is planned of a network's services; the goldens beside have the
 * messages. Files are read from memory, with the keys that nothing serves yet. */
#include "tests/unit.h"

#include "core/bytes.h"
#include "topologies/load.h"
#include "topologies/ranges.h"
#include "topologies/values.h"

#include <errno.h>
#include <string.h>

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

static struct team *load(const char *text, bool untrusted)
{
	const struct team_env env = { .take_unsupported = true, .untrusted = untrusted };
	CLEANUP(bytes) struct bytes said = { 0 };
	struct team *t = NULL;
	struct diags d;
	int r = team_load_buffer("t.yaml", text, strlen(text), NULL, 0, &env, &t, &d);

	for (size_t i = 0; i < d.n; i++)
		bytes_append_str(&said, d.list[i].text);
	diags_done(&d);
	ck_assert_msg(r == 0, "%s", (char *)said.data);
	return t;
}

static const char *ranges_str(const struct team_range *r, size_t n, struct bytes *out)
{
	char a[IP_STR_SIZE], b[IP_STR_SIZE];

	bytes_append_str(out, "");
	for (size_t i = 0; i < n; i++)
		bytes_printf(out, "%s%s-%s", i ? " " : "", ip_str_bare(&r[i].first, a), ip_str_bare(&r[i].last, b));
	return (char *)out->data;
}

/* ---- pools -------------------------------------------------------------------------- */

static const struct {
	const char *network, *nics, *pools;
} pools[] = {
	{ "subnet: 10.0.0.0/24, dhcp: true", "", "10.0.0.128-10.0.0.254" },
	{ "subnet: 10.0.0.0/29, dhcp: true", "", "10.0.0.4-10.0.0.6" },
	{ "subnet: 10.0.0.0/30, dhcp: true", "", "10.0.0.2-10.0.0.2" },
	{ "subnet: 10.0.0.0/30, gateway: 10.0.0.2, dhcp: true", "", "" },
	{ "subnet: 10.0.0.0/8, dhcp: true", "", "10.128.0.0-10.255.255.254" },
	{ "subnet: 10.0.0.128/25, gateway: 10.0.0.254, dhcp: true", "", "10.0.0.192-10.0.0.253" },
	{ "subnet: 10.0.0.0/24, gateway: 10.0.0.128, dhcp: true", "", "10.0.0.129-10.0.0.254" },
	{ "subnet: 10.0.0.0/24, gateway: 10.0.0.200, dhcp: true", "", "10.0.0.128-10.0.0.199 10.0.0.201-10.0.0.254" },
	/* Holes: at both ends, beside each other, one address twice, outside. */
	{ "subnet: 10.0.0.0/28, dhcp: true", "10.0.0.8/28, 10.0.0.14/28, 10.0.0.10/28, 10.0.0.11/28, 10.0.0.2/28",
	  "10.0.0.9-10.0.0.9 10.0.0.12-10.0.0.13" },
	{ "subnet: 10.0.0.0/29, dhcp: true", "10.0.0.4/29, 10.0.0.5/29, 10.0.0.6/29", "" },
	/* Reserved addresses are nobody else's, in a range and outside. */
	{ "subnet: 10.0.0.0/24, dhcp: {range: [10.0.0.40-10.0.0.49, 10.0.0.20-10.0.0.29], reservations: [{client-id: a, address: 10.0.0.45}, "
	  "{client-id: b, address: 10.0.0.20}, {client-id: c, address: 10.0.0.99}]}",
	  "", "10.0.0.21-10.0.0.29 10.0.0.40-10.0.0.44 10.0.0.46-10.0.0.49" },
	{ "subnet: 255.255.255.0/24, dhcp: true", "", "255.255.255.128-255.255.255.254" },
};

START_TEST(test_pools)
{
	CLEANUP(free)
	char *text = str_printf("team: t\nnetworks: {n: {%s}}\nvms: {a: {nics: [{network: n, address: [%s]}]}}\n",
				pools[_i].network, pools[_i].nics);
	CLEANUP(bytes) struct bytes out = { 0 };
	struct team *t = load(text, false);
	const struct team_dhcp *d = &t->networks[0].services.dhcp;

	ck_assert_str_eq(ranges_str(d->pools, d->n_pools, &out), pools[_i].pools);
	ck_assert_uint_eq(d->n_pools6, 0);
	t = team_free(t);
}
END_TEST

static const struct {
	const char *network, *pools;
} pools6[] = {
	{ "subnet6: \"fd00::/64\", ra: stateful", "fd00::8000:0:0:0-fd00::ffff:ffff:ffff:ffff" },
	{ "subnet6: \"fd00::/120\", ra: stateful, gateway: \"fd00::f0\"", "fd00::80-fd00::ef fd00::f1-fd00::ff" },
	{ "subnet6: \"fd00::/126\", ra: stateful", "fd00::2-fd00::3" },
	{ "subnet6: \"8000::/1\", ra: stateful", "8000::8000:0:0:0-8000::ffff:ffff:ffff:ffff" },
	{ "subnet6: \"fd00::/64\", ra: stateless", "" },
	{ "subnet6: \"fd00::/64\", nat: true", "" },
};

START_TEST(test_pools6)
{
	CLEANUP(free)
	char *text = str_printf("team: t\nnetworks: {n: {%s}}\nvms: {a: {nics: [{network: n, address: none}]}}\n",
				pools6[_i].network);
	CLEANUP(bytes) struct bytes out = { 0 };
	struct team *t = load(text, false);

	ck_assert_str_eq(ranges_str(t->networks[0].services.dhcp.pools6, t->networks[0].services.dhcp.n_pools6, &out),
			 pools6[_i].pools);
	t = team_free(t);
}
END_TEST

/* Random holes: what is left of a range is exactly what is no hole, ascending, and no two ranges touch. */
START_TEST(test_range_cut)
{
	uint64_t seed = (uint64_t)_i * 0x9e3779b97f4a7c15u + 1;

	for (int round = 0; round < 200; round++) {
		struct arena *arena = arena_new();
		struct team_range r = { ip_of_number(IP_V4, 1000), ip_of_number(IP_V4, 1040) };
		struct ip_addr holes[24];
		bool is_hole[60] = { false }, is_left[60] = { false };
		size_t n_holes, n;
		struct team_range *left;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		n_holes = (seed >> 33) % 24;
		for (size_t i = 0; i < n_holes; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			holes[i] = ip_of_number(IP_V4, 995 + (seed >> 33) % 50);
			is_hole[ip_number(&holes[i]) - 990] = true;
		}
		left = range_cut(arena, &r, holes, n_holes, &n);
		for (size_t i = 0; i < n; i++) {
			ck_assert(ip_number(&left[i].first) <= ip_number(&left[i].last));
			ck_assert(i == 0 || ip_number(&left[i].first) > ip_number(&left[i - 1].last) + 1);
			for (unsigned __int128 k = ip_number(&left[i].first); k <= ip_number(&left[i].last); k++)
				is_left[k - 990] = true;
		}
		for (int i = 0; i < 60; i++)
			ck_assert_int_eq(is_left[i], i >= 10 && i <= 50 && !is_hole[i]);
		ck_assert(ranges_count(left, n) <= 41);
		(void)arena_free(arena);
	}
}
END_TEST

/* Addresses that are planned leave DHCP its ranges, and the ranges what was planned. */
START_TEST(test_auto_and_ranges)
{
	struct team *t = load("team: t\nnetworks:\n"
			      "  n: {subnet: 10.0.0.0/24, dhcp: {range: [10.0.0.10-10.0.0.19, 10.0.0.21-10.0.0.30], "
			      "reservations: [{client-id: a, address: 10.0.0.31}]}}\n"
			      "  small: {subnet: 10.1.0.0/29, dhcp: true}\n"
			      "vms:\n  a: {count: 2, nics: [{network: n, address: auto}]}\n"
			      "  b: {count: 3, nics: [{network: small, address: auto}]}\n",
			      false);
	static const char *const want[] = { "10.0.0.20/24", "10.0.0.32/24", "10.1.0.2/29", "10.1.0.3/29",
					    "10.1.0.4/29" };
	CLEANUP(bytes) struct bytes out = { 0 };
	char buf[IP_STR_SIZE];

	for (size_t i = 0; i < 5; i++)
		ck_assert_str_eq(ip_str(&t->vms[i].nics[0].addresses[0], buf), want[i]);
	ck_assert_str_eq(ranges_str(t->networks[1].services.dhcp.pools, t->networks[1].services.dhcp.n_pools, &out),
			 "10.1.0.5-10.1.0.6");
	t = team_free(t);
}
END_TEST

/* ---- what is on ---------------------------------------------------------------------- */

static const struct {
	const char *network;
	bool dhcp, dns, nat, forward, uplink, any, nic_dhcp;
	enum team_ra ra;
} switches[] = {
	{ "subnet: 10.0.0.0/24", 0, 0, 0, 0, 0, 0, 0, RA_OFF },
	{ "subnet: 10.0.0.0/24, dhcp: true", 1, 1, 0, 0, 0, 1, 1, RA_OFF },
	{ "subnet: 10.0.0.0/24, dhcp: {}", 1, 1, 0, 0, 0, 1, 1, RA_OFF },
	{ "subnet: 10.0.0.0/24, nat: true", 0, 1, 1, 1, 1, 1, 0, RA_OFF },
	{ "subnet: 10.0.0.0/24, nat: true, dns: false", 0, 0, 1, 0, 1, 1, 0, RA_OFF },
	{ "subnet: 10.0.0.0/24, nat: true, dns: {forward: false}", 0, 1, 1, 0, 1, 1, 0, RA_OFF },
	{ "subnet: 10.0.0.0/24, dns: {forward: true}", 0, 1, 0, 1, 1, 1, 0, RA_OFF },
	{ "subnet: 10.0.0.0/24, dns: {forward: []}", 0, 1, 0, 0, 0, 1, 0, RA_OFF },
	{ "subnet: 10.0.0.0/24, dhcp: {boot: {file: x, tftp: /srv}}", 1, 1, 0, 0, 1, 1, 1, RA_OFF },
	{ "subnet: 10.0.0.0/24, dhcp: false, dns: false, nat: false", 0, 0, 0, 0, 0, 0, 0, RA_OFF },
	{ "subnet6: \"fd00::/64\", nat: true", 0, 1, 1, 1, 1, 1, 0, RA_SLAAC },
	{ "subnet6: \"fd00::/64\", nat: true, ra: off", 0, 1, 1, 1, 1, 1, 0, RA_OFF },
	{ "subnet6: \"fd00::/64\", dns: true", 0, 1, 0, 0, 0, 1, 0, RA_OFF },
	{ "subnet6: \"fd00::/64\", ra: stateless", 0, 0, 0, 0, 0, 1, 0, RA_STATELESS },
	{ "subnet6: \"fd00::/96\", nat: true", 0, 1, 1, 1, 1, 1, 0, RA_OFF },
	{ "subnet: 10.0.0.0/24, subnet6: \"fd00::/64\", dhcp: true", 1, 1, 0, 0, 0, 1, 1, RA_SLAAC },
};

START_TEST(test_switches)
{
	CLEANUP(free)
	char *text =
		str_printf("team: t\nnetworks: {n: {%s}}\nvms: {a: {nics: [{network: n}]}}\n", switches[_i].network);
	struct team *t = load(text, false);
	const struct team_services *s = &t->networks[0].services;

	ck_assert_int_eq(s->dhcp.enabled, switches[_i].dhcp);
	ck_assert_int_eq(s->dns.enabled, switches[_i].dns);
	ck_assert_int_eq(s->nat.enabled, switches[_i].nat);
	ck_assert_int_eq(s->dns.forward, switches[_i].forward);
	ck_assert_int_eq(s->uplink, switches[_i].uplink);
	ck_assert_int_eq(s->any, switches[_i].any);
	ck_assert_int_eq(s->ra, switches[_i].ra);
	ck_assert_int_eq(t->vms[0].nics[0].dhcp, switches[_i].nic_dhcp);
	ck_assert_int_eq(s->address.family != IP_NONE, s->any && t->networks[0].subnet.family != IP_NONE);
	ck_assert_int_eq(s->mac.b[0], s->any ? 2 : 0);
	t = team_free(t);
}
END_TEST

/* Service MACs differ from each other and from all NICs', and stay when others are added. */
START_TEST(test_macs)
{
	CLEANUP(bytes) struct bytes text = { 0 };
	struct team *t,
		*u = load(
			"team: t\nnetworks: {n7: {subnet: 10.0.0.0/24, dns: true}}\nvms: {a: {nics: [{network: n7}]}}\n",
			false);
	size_t n_seen = 0;
	char seen[120][MAC_STR_SIZE];

	bytes_append_str(&text, "team: t\nnetworks:\n");
	for (int i = 0; i < 50; i++)
		bytes_printf(&text, "  n%d: {subnet: 10.0.0.0/24, dns: true}\n", i);
	bytes_append_str(&text, "vms:\n  a: {nics: [{network: n7}]}\n");
	for (int i = 0; i < 50; i++)
		bytes_printf(&text, "  v%d: {nics: [{network: n%d}]}\n", i, i);
	t = load((char *)text.data, false);
	for (size_t i = 0; i < 50; i++) {
		(void)mac_str(&t->networks[i].services.mac, seen[n_seen++]);
		(void)mac_str(&t->vms[i].nics[0].mac, seen[n_seen++]);
	}
	for (size_t i = 0; i < n_seen; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(seen[i], seen[k]);
	ck_assert(mac_equal(&t->networks[7].services.mac, &u->networks[0].services.mac));
	t = team_free(t);
	u = team_free(u);
}
END_TEST

/* A MAC that a NIC was given is no service's, even the one that would be. */
START_TEST(test_mac_taken)
{
	struct team *t =
		load("team: t\nnetworks: {n: {subnet: 10.0.0.0/24, dns: true}}\nvms: {a: {nics: [{network: n}]}}\n",
		     false);
	char mac[MAC_STR_SIZE];
	CLEANUP(free)
	char *text = str_printf("team: t\nnetworks: {n: {subnet: 10.0.0.0/24, dns: true}}\n"
				"vms: {a: {nics: [{network: n, mac: \"%s\"}]}}\n",
				mac_str(&t->networks[0].services.mac, mac));
	struct team *u = load(text, false);

	ck_assert(!mac_equal(&t->networks[0].services.mac, &u->networks[0].services.mac));
	ck_assert_int_eq(u->networks[0].services.mac.b[0], 2);
	t = team_free(t);
	u = team_free(u);
}
END_TEST

/* ---- encoding ------------------------------------------------------------------------ */

static const struct {
	const char *option;
	uint8_t code;
	const char *hex;
} encoded[] = {
	{ "mtu: 1400", 26, "0x0578" },
	{ "26: 1400", 26, "0x0578" },
	{ "26: 0x01", 26, "0x01" },
	{ "time-offset: 4294967295", 2, "0xffffffff" },
	{ "default-ttl: 255", 23, "0xff" },
	{ "routers: [10.0.0.1, 10.0.0.2]", 3, "0x0a0000010a000002" },
	{ "routers: 10.0.0.1", 3, "0x0a000001" },
	{ "domain-search: [a.test, b.]", 119, "0x0161047465737400016200" },
	{ "classless-routes: default via 10.0.0.1", 121, "0x000a000001" },
	{ "classless-routes: [10.9.128.0/17 via 10.0.0.1, 10.0.0.0/8 via 10.0.0.2, 1.2.3.4/32 via 10.0.0.3]", 121,
	  "0x110a09800a000001080a0a00000220010203040a000003" },
	{ "v6-only: 30m", 108, "0x00000708" },
	{ "ip-forwarding: false", 19, "0x00" },
	{ "vendor: \"01:2A\"", 43, "0x012a" },
	{ "\"254\": 0XFF", 254, "0xff" },
	{ "wpad: http", 252, "0x68747470" },
};

START_TEST(test_options)
{
	CLEANUP(free)
	char *text = str_printf("team: t\nnetworks: {n: {subnet: 10.0.0.0/24, dhcp: {options: {%s}}}}\n"
				"vms: {a: {nics: [{network: n}]}}\n",
				encoded[_i].option);
	struct team *t = load(text, false);
	const struct team_dhcp_option *o = t->networks[0].services.dhcp.options;
	uint8_t want[64];
	size_t len = 0;

	ck_assert(value_hex(encoded[_i].hex, want, sizeof want, &len));
	ck_assert_uint_eq(t->networks[0].services.dhcp.n_options, 1);
	ck_assert_uint_eq(o->code, encoded[_i].code);
	ck_assert_uint_eq(o->len, len);
	ck_assert_mem_eq(o->data, want, len);
	t = team_free(t);
}
END_TEST

START_TEST(test_hex)
{
	static const struct {
		const char *text;
		int len; /* -1: not of the form */
	} v[] = {
		{ "0x00", 1 },	 { "0x0102", 2 },   { "01:02", 2 },  { "a:b", -1 },	     { "01", -1 },
		{ "0x", -1 },	 { "0x1", -1 },	    { "0x010", -1 }, { "01:", -1 },	     { "01:2", -1 },
		{ "01-02", -1 }, { "0x01:02", -1 }, { "", -1 },	     { "0x0102030405", -1 }, { "0x01020304", 4 },
	};

	for (int i = 0; i < N(v); i++) {
		uint8_t buf[4];
		size_t len = 99;

		ck_assert_msg(value_hex(v[i].text, buf, sizeof buf, &len) == (v[i].len > 0), "%s", v[i].text);
		ck_assert_uint_eq(len, v[i].len > 0 ? (size_t)v[i].len : 99);
	}
}
END_TEST

/* ---- what a file touches, and what a stranger's may ------------------------------------ */

static const char outside[] = "team: t\nnetworks:\n  n:\n    subnet: 10.0.0.0/24\n    nat:\n"
			      "      forward: [{tcp: 8080, to: \"a:80\"}, {udp: 53, to: \"a:53\", on: 127.0.0.1}]\n"
			      "    dns: {forward: [9.9.9.9]}\n"
			      "  m: {subnet: 10.1.0.0/24, nat: {reach: [10.9.0.0/16]}}\n"
			      "vms:\n  a: {nics: [{network: n}, {network: m}]}\n";

START_TEST(test_touches)
{
	struct team *t = load(outside, false), *u = load(outside, true);
	CLEANUP(free) char *text = team_touches_text(t);
	CLEANUP(free) char *strangers = team_touches_text(u);

	ck_assert_str_eq(
		strstr(text, "  ports"),
		"  ports listened on  tcp 127.0.0.1:8080\n                     udp 127.0.0.1:53\n"
		"  addresses reached  all that the host reaches, from 'n'\n                     the name server 9.9.9.9\n"
		"                     10.9.0.0/16, from 'm'\n                     the host's name servers\n");
	ck_assert_str_eq(strstr(strangers, "  addresses"),
			 "  addresses reached  the internet, from 'n'\n"
			 "                     10.9.0.0/16 as far as it is of the internet, from 'm'\n");
	ck_assert(u->networks[0].services.nat.internet_only && u->networks[1].services.nat.internet_only);
	ck_assert(!u->networks[0].services.dns.forward && u->networks[0].services.dns.n_resolvers == 0);
	ck_assert(t->networks[0].services.dns.forward && !t->networks[1].services.nat.internet_only);
	t = team_free(t);
	u = team_free(u);
}
END_TEST

/* The plan as JSON has what the text has. */
START_TEST(test_json)
{
	struct team *t = load(outside, false);
	json_t *plan = team_plan_json(t), *n = json_array_get(json_object_get(plan, "networks"), 0), *forward;

	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(n, "service"), "address")), "10.0.0.1");
	ck_assert(json_is_null(json_object_get(n, "dhcp")) && json_is_null(json_object_get(n, "ra")));
	forward = json_array_get(json_object_get(json_object_get(n, "nat"), "forwards"), 1);
	ck_assert_str_eq(json_string_value(json_object_get(forward, "to")), "a.eth0:53");
	ck_assert_str_eq(json_string_value(json_object_get(forward, "protocol")), "udp");
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(json_object_get(n, "dns"), "resolvers"), 0)),
			 "9.9.9.9");
	json_decref(plan);
	t = team_free(t);
}
END_TEST

/* A team's forwards are bounded over all of its networks. */
START_TEST(test_many)
{
	const struct team_env env = { .take_unsupported = true };

	for (int n = 1024; n <= 1026; n++) {
		CLEANUP(bytes) struct bytes text = { 0 };
		struct team *t = NULL;
		struct diags d;

		bytes_append_str(&text, "team: t\nvms: {a: {nics: [{network: n}, {network: m}]}}\nnetworks:\n");
		for (int i = 0; i < n; i++) {
			if (i % 900 == 0)
				bytes_printf(&text, "  %s:\n    subnet: 10.0.0.0/24\n    nat:\n      forward:\n",
					     i ? "m" : "n");
			bytes_printf(&text, "        - {tcp: %d, to: \"10.0.0.5:80\"}\n", i + 1);
		}
		ck_assert_int_eq(team_load_buffer("t", (char *)text.data, text.len, NULL, 0, &env, &t, &d),
				 n == 1024 ? 0 : -EINVAL);
		ck_assert_uint_eq(d.n, n > 1024);
		ck_assert(!d.n || strstr(d.list[0].text, "t:1036:11: a team has at most 1024 forwards"));
		diags_done(&d);
		t = n == 1024 ? team_free(t) : NULL;
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("services");
	TCase *c = tcase_create("plan");

	tcase_add_loop_test(c, test_pools, 0, N(pools));
	tcase_add_loop_test(c, test_pools6, 0, N(pools6));
	tcase_add_loop_test(c, test_range_cut, 0, 8);
	tcase_add_test(c, test_auto_and_ranges);
	tcase_add_loop_test(c, test_switches, 0, N(switches));
	tcase_add_test(c, test_macs);
	tcase_add_test(c, test_mac_taken);
	tcase_add_loop_test(c, test_options, 0, N(encoded));
	tcase_add_test(c, test_hex);
	tcase_add_test(c, test_touches);
	tcase_add_test(c, test_json);
	tcase_add_test(c, test_many);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
