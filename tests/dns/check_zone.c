/* tests/dns/check_zone.c: the table of names: what can be added, what leases may take, and what is saved. */
#include "core/bytes.h"
#include "core/prng.h"
#include "core/state.h"
#include "dns/zone.h"
#include "tests/forge.h"
#include "tests/unit.h"

#include <errno.h>

static struct zone *zone;

static struct zone *new_zone(uint64_t seed)
{
	struct zone *z;
	const char *why = NULL;

	ck_assert_int_eq(zone_new("lab.test", seed, &z, &why), 0);
	ck_assert_int_eq(zone_add_vm(z, "web", &why), 0);
	ck_assert_int_eq(zone_add_record(z, "printer", DNS_A, "10.0.0.200", 5, &why), 0);
	return z;
}

static void setup(void)
{
	zone = new_zone(42);
}

static void teardown(void)
{
	zone = zone_free(zone);
}

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static enum zone_outcome find(struct zone *z, const char *text, uint16_t type, struct zone_answer *a)
{
	struct dns_name name;

	ck_assert_pstr_eq(dns_name_parse(text, DNS_NAME_RECORD, &name), NULL);
	return zone_find(z, &name, type, a);
}

/* Whose name stands at @ip, without the domain; "-": nobody's; "2": several. */
static const char *name_at(struct zone *z, const char *text, char buf[DNS_NAME_TEXT_SIZE])
{
	struct ip_addr ip = ip_of(text);
	struct dns_name reverse, name;
	struct zone_answer a;

	dns_name_reverse(&ip, &reverse);
	if (zone_find(z, &reverse, DNS_PTR, &a) != ZONE_FOUND)
		return "-";
	if (a.records->next)
		return "2";
	name.len = (uint8_t)a.records->rdata_len;
	memcpy(name.b, a.records->rdata, name.len);
	(void)dns_name_text(&name, buf);
	*strchrnul(buf, '.') = '\0';
	return buf;
}

static int lease(const char *name, const char *ip, bool is_vm, const char **why)
{
	struct ip_addr addr = ip_of(ip);

	*why = NULL;
	return zone_set_lease(zone, name, &addr, is_vm, why);
}

static void drop(const char *ip)
{
	struct ip_addr addr = ip_of(ip);

	zone_drop_lease(zone, &addr);
}

/* ---- what a team file may say ------------------------------------------------------------- */

static const struct {
	const char *name;
	uint16_t type;
	const char *value;
	uint32_t ttl;
	const char *why; /* NULL: it is taken */
} records[] = {
	{ "a", DNS_A, "10.0.0.1", 0, NULL },
	{ "a.", DNS_AAAA, "::1", ZONE_TTL_MAX_S, NULL },
	{ "@", DNS_TXT, "", 60, NULL },
	{ "_sip._udp", DNS_SRV, "0 0 5060 web", 60, NULL },
	{ "_sip._udp", DNS_SRV, "0 0  65535 sip.example.com.", 60, NULL },
	{ "_sip._udp", DNS_SRV, "0 0 0 .", 60, NULL },
	{ "a b", DNS_A, "10.0.0.1", 60, "has a character other than letters, digits, '-' and '_'" },
	{ "a..b", DNS_A, "10.0.0.1", 60, "has an empty label" },
	{ "", DNS_A, "10.0.0.1", 60, "is empty" },
	{ ".", DNS_A, "10.0.0.1", 60, "is the root of all names" },
	{ "a", DNS_A, "10.0.0.256", 60, "is no IPv4 address" },
	{ "a", DNS_A, "10.0.0.1/24", 60, "is no IPv4 address" },
	{ "a", DNS_A, "::1", 60, "is no IPv4 address" },
	{ "a", DNS_AAAA, "10.0.0.1", 60, "is no IPv6 address" },
	{ "a", DNS_MX, "10 mail", 60, "is of a type that cannot be given" },
	{ "a", DNS_A, "10.0.0.1", ZONE_TTL_MAX_S + 1u, "has a ttl of more than 2147483647 seconds" },
	{ "a", DNS_SRV, "0 0 5060", 60, "is not PRIORITY WEIGHT PORT TARGET" },
	{ "a", DNS_SRV, "0 0 65536 web", 60, "is not PRIORITY WEIGHT PORT TARGET" },
	{ "a", DNS_SRV, "0 -1 5060 web", 60, "is not PRIORITY WEIGHT PORT TARGET" },
	{ "a", DNS_SRV, "000000000000000000 0 5060 web", 60, "is not PRIORITY WEIGHT PORT TARGET" },
	{ "a", DNS_SRV, "", 60, "is not PRIORITY WEIGHT PORT TARGET" },
	{ "a", DNS_SRV, "0 0 5060 -web", 60, "has a target that is no name" },
};

START_TEST(a_record_is_taken_or_told_why_not)
{
	const char *why = NULL;
	size_t before = zone_node_count(zone);
	int r = zone_add_record(zone, records[_i].name, records[_i].type, records[_i].value, records[_i].ttl, &why);

	ck_assert_pstr_eq(why, records[_i].why);
	ck_assert_int_eq(r, why ? -EINVAL : 0);
	if (why)
		ck_assert_uint_eq(zone_node_count(zone), before);
}
END_TEST

START_TEST(a_domain_is_a_name)
{
	static const char *const bad[][2] = { { ".", "is the root of all names" },
					      { "", "is empty" },
					      { "a b", "has a character other than letters, digits, '-' and '_'" } };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct zone *z = NULL;
		const char *why = NULL;

		ck_assert_int_eq(zone_new(bad[i][0], 1, &z, &why), -EINVAL);
		ck_assert_ptr_null(z);
		ck_assert_str_eq(why, bad[i][1]);
	}
}
END_TEST

START_TEST(a_long_text_is_in_pieces)
{
	char text[ZONE_TEXT_MAX + 2];
	const char *why = NULL;
	struct zone_answer a;

	memset(text, 'x', sizeof text);
	text[ZONE_TEXT_MAX + 1] = '\0';
	ck_assert_int_eq(zone_add_record(zone, "t", DNS_TXT, text, 60, &why), -EINVAL);
	ck_assert_str_eq(why, "is longer than 4096 bytes");
	text[ZONE_TEXT_MAX] = '\0';
	ck_assert_int_eq(zone_add_record(zone, "t", DNS_TXT, text, 60, &why), 0);
	ck_assert_int_eq(find(zone, "t.lab.test", DNS_TXT, &a), ZONE_FOUND);
	ck_assert_uint_eq(a.records->rdata_len, 4096 + 17);
	ck_assert_uint_eq(a.records->rdata[0], 255);
	ck_assert_uint_eq(a.records->rdata[16 * 256], 16);
}
END_TEST

/* The file's record for an address that a VM has makes no second name of it. */
START_TEST(a_vm_keeps_its_reverse)
{
	const char *why = NULL;
	struct ip_addr ip = ip_of("10.0.0.10");
	char buf[DNS_NAME_TEXT_SIZE];

	ck_assert_int_eq(zone_add_address(zone, "web", &ip, &why), 0);
	ck_assert_int_eq(zone_add_address(zone, "web", &ip, &why), 0); /* twice is once */
	ck_assert_int_eq(zone_add_record(zone, "www", DNS_A, "10.0.0.10", 60, &why), 0);
	ck_assert_str_eq(name_at(zone, "10.0.0.10", buf), "web");
	ck_assert_str_eq(name_at(zone, "10.0.0.200", buf), "printer");
}
END_TEST

/* ---- leases -------------------------------------------------------------------------------- */

START_TEST(a_lease_comes_and_goes_without_a_trace)
{
	size_t before = zone_node_count(zone);
	const char *why;
	struct zone_answer a;
	char buf[DNS_NAME_TEXT_SIZE];

	ck_assert_int_eq(lease("laptop", "10.0.0.50", false, &why), 0);
	ck_assert_int_eq(lease("Laptop.LAB.test", "fd00::50", false, &why), 0); /* the other family, spelled whole */
	ck_assert_uint_eq(zone_lease_count(zone), 2);
	ck_assert_int_eq(find(zone, "laptop", DNS_A, &a), ZONE_FOUND);
	ck_assert_int_eq(find(zone, "LAPTOP.lab.test", DNS_AAAA, &a), ZONE_FOUND);
	ck_assert_str_eq(name_at(zone, "10.0.0.50", buf), "laptop");
	ck_assert_int_eq(lease("phone", "10.0.0.50", false, &why), 0); /* another name for the address */
	ck_assert_str_eq(name_at(zone, "10.0.0.50", buf), "phone");
	ck_assert_int_eq(find(zone, "laptop", DNS_A, &a), ZONE_NO_DATA);
	drop("fd00::50");
	ck_assert_int_eq(find(zone, "laptop", DNS_A, &a), ZONE_ELSEWHERE);
	ck_assert_int_eq(find(zone, "laptop.lab.test", DNS_A, &a), ZONE_NO_NAME);
	drop("10.0.0.50");
	drop("10.0.0.50");
	drop("10.0.0.51");
	ck_assert_uint_eq(zone_lease_count(zone), 0);
	ck_assert_uint_eq(zone_node_count(zone), before);
}
END_TEST

static const struct {
	const char *name;
	int r;
	const char *why;
	bool is_vm;
} refused[] = {
	{ "web", -EEXIST, "is the name of a VM", false },
	{ "WEB.lab.test", -EEXIST, "is the name of a VM", false },
	{ "printer", -EEXIST, "is the name of a record of the team file", false },
	{ "laptop", -EEXIST, "is the name of another lease", false },
	{ "nobody", -EEXIST, "is no VM of the team", true },
	{ "laptop", -EEXIST, "is no VM of the team", true },
	{ "@", -EINVAL, "is not one label in the domain", false },
	{ "lab.test", -EINVAL, "is not one label in the domain", false },
	{ "a.b", -EINVAL, "is not one label in the domain", false },
	{ "pc.example.com.", -EINVAL, "is not one label in the domain", false },
	{ "wpad.", -EINVAL, "is not one label in the domain", false },
	{ "com.", -EINVAL, "is not one label in the domain", false },
	{ ".", -EINVAL, "is the root of all names", false },
	{ "", -EINVAL, "is empty", false },
	{ "_http", -EINVAL, "has a label that begins or ends with '_'", false },
	{ "a\nb", -EINVAL, "has a character other than letters, digits, '-' and '_'", false },
	{ "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg", -EINVAL,
	  "has a label of more than 63 characters", false },
};

/* CVE-2022-2929's kin: the name is a guest's, so it may be anything. What the address had before is gone. */
START_TEST(a_lease_takes_no_name_that_it_cannot_have)
{
	const char *why;
	char buf[DNS_NAME_TEXT_SIZE];

	ck_assert_int_eq(lease("laptop", "10.0.0.50", false, &why), 0);
	ck_assert_int_eq(lease("old", "10.0.0.51", false, &why), 0);
	ck_assert_int_eq(lease(refused[_i].name, "10.0.0.51", refused[_i].is_vm, &why), refused[_i].r);
	ck_assert_pstr_eq(why, refused[_i].why);
	ck_assert_str_eq(name_at(zone, "10.0.0.50", buf), "laptop");
	ck_assert_str_eq(name_at(zone, "10.0.0.51", buf), "-");
	ck_assert_str_eq(name_at(zone, "10.0.0.200", buf), "printer");
	ck_assert_uint_eq(zone_lease_count(zone), 1);
}
END_TEST

START_TEST(a_vm_has_its_own_name_at_every_lease)
{
	const char *why;
	struct zone_answer a;
	struct ip_addr planned = ip_of("10.0.0.10");
	char buf[DNS_NAME_TEXT_SIZE];

	ck_assert_int_eq(zone_add_address(zone, "web", &planned, &why), 0);
	ck_assert_int_eq(lease("web", "10.0.0.60", true, &why), 0);
	ck_assert_int_eq(lease("web", "10.0.0.61", true, &why), 0); /* a second card */
	ck_assert_int_eq(lease("web", "10.0.0.10", true, &why), 0); /* what is planned stays when the lease ends */
	drop("10.0.0.10");
	drop("10.0.0.60");
	ck_assert_str_eq(name_at(zone, "10.0.0.10", buf), "web");
	ck_assert_str_eq(name_at(zone, "10.0.0.60", buf), "-");
	ck_assert_str_eq(name_at(zone, "10.0.0.61", buf), "web");
	drop("10.0.0.61");
	ck_assert_uint_eq(zone_lease_count(zone), 0);
	ck_assert_int_eq(find(zone, "web", DNS_A, &a), ZONE_FOUND);
	ck_assert_ptr_null(a.records->next);
}
END_TEST

START_TEST(a_guest_cannot_fill_the_memory)
{
	const char *why;
	char name[16], ip[32];
	size_t nodes;

	for (unsigned i = 0; i <= ZONE_LEASE_COUNT; i++) {
		(void)snprintf(name, sizeof name, "h%u", i);
		(void)snprintf(ip, sizeof ip, "10.%u.%u.%u", 1 + (i >> 16), i >> 8 & 255, i & 255);
		ck_assert_int_eq(lease(name, ip, false, &why), i < ZONE_LEASE_COUNT ? 0 : -ENOSPC);
	}
	nodes = zone_node_count(zone);
	drop("10.1.7.7");
	ck_assert_uint_eq(zone_node_count(zone), nodes - 2);
	ck_assert_int_eq(lease("other", "10.2.0.0", false, &why), 0);
}
END_TEST

/* Leases at random against a plain list of which address has which name. */
START_TEST(the_table_is_as_a_list_of_leases)
{
	enum { IPS = 64, NAMES = 40 };
	int has[IPS];
	struct prng p;
	char name[8], ip[16], buf[DNS_NAME_TEXT_SIZE];

	prng_init(&p, (uint64_t)_i, "zone");
	memset(has, -1, sizeof has);
	for (unsigned step = 0; step < 3000; step++) {
		unsigned at = (unsigned)prng_below(&p, IPS), n = (unsigned)prng_below(&p, NAMES);
		bool is_taken = false;
		const char *why;

		(void)snprintf(ip, sizeof ip, "10.0.1.%u", at);
		(void)snprintf(name, sizeof name, "n%u", n);
		has[at] = -1;
		for (unsigned i = 0; i < IPS; i++)
			is_taken |= has[i] == (int)n;
		if (prng_below(&p, 3) == 0) {
			drop(ip);
		} else {
			ck_assert_int_eq(lease(name, ip, false, &why), is_taken ? -EEXIST : 0);
			if (!is_taken)
				has[at] = (int)n;
		}
		at = (unsigned)prng_below(&p, IPS);
		(void)snprintf(ip, sizeof ip, "10.0.1.%u", at);
		(void)snprintf(name, sizeof name, "n%d", has[at]);
		ck_assert_str_eq(name_at(zone, ip, buf), has[at] < 0 ? "-" : name);
	}
}
END_TEST

/* ---- saved state ------------------------------------------------------------------------------ */

static void save(struct zone *z, struct bytes *ret)
{
	struct state *s = NULL;
	const uint8_t *p;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	(void)state_begin(s, "zone", 0, 1);
	zone_state(z, s);
	state_end(s);
	ck_assert_int_eq(state_finish(s), 0);
	p = state_data(s, &len);
	ret->len = 0;
	bytes_append(ret, p, len);
	(void)state_free(s);
}

/* Returns why not; NULL: it was loaded. The caller frees. */
static char *load(struct zone *z, const uint8_t *data, size_t len)
{
	struct state *s = NULL;
	char *why = NULL;

	if (state_load_new(data, len, &s, &why) < 0)
		return why;
	(void)state_begin(s, "zone", 0, 1);
	zone_state(z, s);
	state_end(s);
	if (state_finish(s) < 0)
		why = str_dup(state_why(s));
	(void)state_free(s);
	return why;
}

START_TEST(a_loaded_table_has_the_same_leases)
{
	CLEANUP(bytes) struct bytes b = { 0 }, again = { 0 };
	struct zone *other = new_zone(7);
	struct ip_addr gone = ip_of("10.0.0.99");
	const char *why;
	char buf[DNS_NAME_TEXT_SIZE];

	ck_assert_int_eq(lease("laptop", "10.0.0.50", false, &why), 0);
	ck_assert_int_eq(lease("web", "fd00::9", true, &why), 0);
	ck_assert_int_eq(lease("phone", "10.0.0.51", false, &why), 0);
	ck_assert_int_eq(zone_set_lease(other, "laptop", &gone, false, &why), 0); /* is forgotten */
	save(zone, &b);
	ck_assert_pstr_eq(load(other, b.data, b.len), NULL);
	ck_assert_uint_eq(zone_lease_count(other), 3);
	ck_assert_str_eq(name_at(other, "10.0.0.50", buf), "laptop");
	ck_assert_str_eq(name_at(other, "fd00::9", buf), "web");
	ck_assert_str_eq(name_at(other, "10.0.0.51", buf), "phone");
	ck_assert_str_eq(name_at(other, "10.0.0.99", buf), "-");
	save(other, &again);
	ck_assert_uint_eq(again.len, b.len);
	ck_assert_mem_eq(again.data, b.data, b.len);
	other = zone_free(other);
}
END_TEST

/* Every byte of a saved table, set to something else: it loads to just that table, or it is refused. */
START_TEST(a_forged_table_is_refused_or_whole)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	const char *why_not;
	unsigned n_refused = 0;
	size_t first = STATE_HEADER_LEN + STATE_HEAD_LEN, last;

	ck_assert_int_eq(lease("laptop", "10.0.0.50", false, &why_not), 0);
	ck_assert_int_eq(lease("web", "fd00::9", true, &why_not), 0);
	save(zone, &b);
	last = b.len - STATE_HEAD_LEN;
	for (size_t at = first; at < last; at++) {
		for (unsigned i = 0; i < 4; i++) {
			uint8_t was = b.data[at];
			struct zone *other = new_zone(7);
			char *why;

			b.data[at] = (uint8_t)(i == 0 ? 0 : i == 1 ? 0xff : i == 2 ? was + 1 : '.');
			forge_reseal(b.data, b.len);
			why = load(other, b.data, b.len);
			if (!why) {
				CLEANUP(bytes) struct bytes again = { 0 };

				ck_assert_uint_eq(zone_lease_count(other), 2);
				save(other, &again);
				ck_assert_uint_eq(again.len, b.len);
				ck_assert_mem_eq(again.data, b.data, b.len);
			}
			n_refused += why != NULL;
			free(why);
			other = zone_free(other);
			b.data[at] = was;
		}
	}
	ck_assert_uint_gt(n_refused, 40);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("zone");
	TCase *tc = tcase_create("zone");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_record_is_taken_or_told_why_not, 0, (int)(sizeof records / sizeof records[0]));
	tcase_add_test(tc, a_domain_is_a_name);
	tcase_add_test(tc, a_long_text_is_in_pieces);
	tcase_add_test(tc, a_vm_keeps_its_reverse);
	tcase_add_test(tc, a_lease_comes_and_goes_without_a_trace);
	tcase_add_loop_test(tc, a_lease_takes_no_name_that_it_cannot_have, 0,
			    (int)(sizeof refused / sizeof refused[0]));
	tcase_add_test(tc, a_vm_has_its_own_name_at_every_lease);
	tcase_add_test(tc, a_guest_cannot_fill_the_memory);
	tcase_add_loop_test(tc, the_table_is_as_a_list_of_leases, 0, 4);
	tcase_add_test(tc, a_loaded_table_has_the_same_leases);
	tcase_add_test(tc, a_forged_table_is_refused_or_whole);
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(make_suite);
