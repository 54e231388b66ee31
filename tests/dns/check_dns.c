/* tests/dns/check_dns.c: what is answered to a guest, and what is not. */
#include "core/bytes.h"
#include "dns/dns.h"
#include "tests/dns/dns_show.h"
#include "tests/unit.h"

static struct zone *zone;
static struct dns dns;

static void add_address(const char *name, const char *text)
{
	const char *why = NULL;
	struct ip_addr ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	ck_assert_msg(zone_add_address(zone, name, &ip, &why) == 0, "%s %s", name, why);
}

static void add_record(const char *name, uint16_t type, const char *value, uint32_t ttl)
{
	const char *why = NULL;

	ck_assert_msg(zone_add_record(zone, name, type, value, ttl, &why) == 0, "%s %s", name, why);
}

static void setup(void)
{
	const char *why = NULL;
	struct ip_addr ip;

	ck_assert_int_eq(zone_new("lab.test", 42, &zone, &why), 0);
	ck_assert_int_eq(zone_add_vm(zone, "web", &why), 0);
	ck_assert_int_eq(zone_add_vm(zone, "test", &why), 0);
	ck_assert_int_eq(zone_add_vm(zone, "mute", &why), 0); /* has no address */
	add_address("@", "10.0.0.1");
	add_address("web", "10.0.0.10");
	add_address("web", "10.0.0.11");
	add_address("web", "fd00::10");
	add_address("test", "10.0.0.12");
	add_record("printer.lab.test", DNS_A, "10.0.0.200", 5);
	add_record("_sip._tcp", DNS_SRV, "1 2 5060 web", 60);
	add_record("note", DNS_TXT, "hello world", 60);
	add_record("www.example.com.", DNS_A, "10.0.0.9", 60);
	add_record("v6.", DNS_AAAA, "2001:db8::1", 60);
	ck_assert_int_eq(ip_parse("10.0.0.50", &ip), 0);
	ck_assert_int_eq(zone_set_lease(zone, "laptop", &ip, false, &why), 0);
	dns = (struct dns){ .zone = zone, .forwards = true };
}

static void teardown(void)
{
	zone = zone_free(zone);
}

/* What becomes of the message, as text. */
static const char *ask_bytes(const uint8_t *query, size_t len, enum dns_transport transport, char text[SHOW_SIZE])
{
	static uint8_t answer[DNS_MSG_MAX];
	size_t answer_len = 0;

	switch (dns_answer(&dns, query, len, transport, answer, sizeof answer, &answer_len)) {
	case DNS_DROP:
		return strcpy(text, "DROP");
	case DNS_FORWARD:
		return strcpy(text, "FORWARD");
	case DNS_REPLY:
		break;
	}
	ck_assert_uint_eq(load_be16(answer), load_be16(query));
	return dns_show(answer, answer_len, text);
}

/* ---- answers ------------------------------------------------------------------------- */

#define SOA_LAB " | lab.test 10 SOA lab.test"

/* clang-format off */
static const struct {
	const char *name;
	uint16_t type;
	const char *answer;
} answers[] = {
	/* the team's names */
	{ "web.lab.test", DNS_A, "NOERROR aa ra web.lab.test 60 A 10.0.0.10 web.lab.test 60 A 10.0.0.11" },
	{ "web.lab.test", DNS_AAAA, "NOERROR aa ra web.lab.test 60 AAAA fd00::10" },
	{ "WeB.LaB.tEsT", DNS_AAAA, "NOERROR aa ra WeB.LaB.tEsT 60 AAAA fd00::10" },
	{ "web", DNS_AAAA, "NOERROR aa ra web 60 AAAA fd00::10" },
	{ "wEb", DNS_AAAA, "NOERROR aa ra wEb 60 AAAA fd00::10" },
	{ "lab.test", DNS_A, "NOERROR aa ra lab.test 60 A 10.0.0.1" },
	{ "lab.test", DNS_NS, "NOERROR aa ra lab.test 60 NS lab.test" },
	{ "lab.test", DNS_SOA, "NOERROR aa ra lab.test 10 SOA lab.test" },
	{ "test", DNS_A, "NOERROR aa ra test 60 A 10.0.0.12" }, /* a VM with a reserved name */
	{ "printer.lab.test", DNS_A, "NOERROR aa ra printer.lab.test 5 A 10.0.0.200" },
	{ "laptop", DNS_A, "NOERROR aa ra laptop 60 A 10.0.0.50" },
	{ "_sip._tcp.lab.test", DNS_SRV, "NOERROR aa ra _sip._tcp.lab.test 60 SRV 1 2 5060 web.lab.test" },
	{ "note.lab.test", DNS_TXT, "NOERROR aa ra note.lab.test 60 TXT \"hello world\"" },
	{ "www.example.com", DNS_A, "NOERROR aa ra www.example.com 60 A 10.0.0.9" },
	{ "v6", DNS_AAAA, "NOERROR aa ra v6 60 AAAA 2001:db8::1" },
	/* ANY is one type only: RFC 8482 */
	{ "web.lab.test", DNS_ANY, "NOERROR aa ra web.lab.test 60 A 10.0.0.10 web.lab.test 60 A 10.0.0.11" },
	{ "mute.lab.test", DNS_ANY, "NOERROR aa ra" SOA_LAB },
	/* the name exists, the type does not: musl gives up at anything but NOERROR */
	{ "note.lab.test", DNS_A, "NOERROR aa ra" SOA_LAB },
	{ "test", DNS_AAAA, "NOERROR aa ra" },
	{ "mute.lab.test", DNS_A, "NOERROR aa ra" SOA_LAB },
	{ "mute", DNS_A, "NOERROR aa ra" },
	{ "_tcp.lab.test", DNS_SRV, "NOERROR aa ra" SOA_LAB }, /* an empty non-terminal */
	{ "_tcp.LAB.test", DNS_SRV, "NOERROR aa ra | LAB.test 10 SOA lab.test" },
	{ "www.example.com", DNS_AAAA, "NOERROR aa ra" },
	{ "0.0.10.in-addr.arpa", DNS_PTR, "NOERROR aa ra | 10.in-addr.arpa 10 SOA 10.in-addr.arpa" },
	/* no such name */
	{ "nobody.lab.test", DNS_A, "NXDOMAIN aa ra" SOA_LAB },
	{ "below.web.lab.test", DNS_A, "NXDOMAIN aa ra" SOA_LAB },
	{ "nobody", DNS_A, "NXDOMAIN aa ra" },
	{ "nobody", DNS_AAAA, "NXDOMAIN aa ra" },
	/* reverse */
	{ "10.0.0.10.in-addr.arpa", DNS_PTR, "NOERROR aa ra 10.0.0.10.in-addr.arpa 60 PTR web.lab.test" },
	{ "50.0.0.10.in-addr.arpa", DNS_PTR, "NOERROR aa ra 50.0.0.10.in-addr.arpa 60 PTR laptop.lab.test" },
	{ "1.0.0.10.in-addr.arpa", DNS_PTR, "NOERROR aa ra 1.0.0.10.in-addr.arpa 60 PTR lab.test" },
	{ "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.D.f.ip6.arpa", DNS_PTR,
	  "NOERROR aa ra 0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.D.f.ip6.arpa 60 PTR web.lab.test" },
	{ "99.0.0.10.in-addr.arpa", DNS_PTR, "NXDOMAIN aa ra | 10.in-addr.arpa 10 SOA 10.in-addr.arpa" },
	/* zones that stay at home */
	{ "x.test", DNS_A, "NXDOMAIN aa ra | test 10 SOA test" },
	{ "localhost", DNS_A, "NOERROR aa ra localhost 60 A 127.0.0.1" },
	{ "localhost", DNS_AAAA, "NOERROR aa ra localhost 60 AAAA ::1" },
	{ "a.b.localhost", DNS_A, "NOERROR aa ra a.b.localhost 60 A 127.0.0.1" },
	{ "localhost", DNS_TXT, "NOERROR aa ra | localhost 10 SOA localhost" },
	{ "1.0.0.127.in-addr.arpa", DNS_PTR, "NOERROR aa ra 1.0.0.127.in-addr.arpa 60 PTR localhost" },
	{ "x.invalid", DNS_A, "NXDOMAIN aa ra | invalid 10 SOA invalid" },
	{ "x.local", DNS_A, "NXDOMAIN aa ra | local 10 SOA local" },
	{ "x.internal", DNS_A, "NXDOMAIN aa ra | internal 10 SOA internal" },
	{ "x.onion", DNS_A, "NXDOMAIN aa ra | onion 10 SOA onion" },
	{ "x.home.arpa", DNS_A, "NXDOMAIN aa ra | home.arpa 10 SOA home.arpa" },
	{ "_dns.resolver.arpa", 64, "NXDOMAIN aa ra | resolver.arpa 10 SOA resolver.arpa" },
	{ "9.9.16.172.in-addr.arpa", DNS_PTR, "NXDOMAIN aa ra | 16.172.in-addr.arpa 10 SOA 16.172.in-addr.arpa" },
	{ "9.9.31.172.in-addr.arpa", DNS_PTR, "NXDOMAIN aa ra | 31.172.in-addr.arpa 10 SOA 31.172.in-addr.arpa" },
	{ "9.9.168.192.in-addr.arpa", DNS_PTR, "NXDOMAIN aa ra | 168.192.in-addr.arpa 10 SOA 168.192.in-addr.arpa" },
	{ "9.9.254.169.in-addr.arpa", DNS_PTR, "NXDOMAIN aa ra | 254.169.in-addr.arpa 10 SOA 254.169.in-addr.arpa" },
	{ "9.9.9.127.in-addr.arpa", DNS_PTR, "NXDOMAIN aa ra | 127.in-addr.arpa 10 SOA 127.in-addr.arpa" },
	{ "9.9.64.100.in-addr.arpa", DNS_PTR, "NXDOMAIN aa ra | 64.100.in-addr.arpa 10 SOA 64.100.in-addr.arpa" },
	{ "0.c.f.ip6.arpa", DNS_PTR, "NXDOMAIN aa ra | c.f.ip6.arpa 10 SOA c.f.ip6.arpa" },
	{ "1.d.f.ip6.arpa", DNS_PTR, "NXDOMAIN aa ra | d.f.ip6.arpa 10 SOA d.f.ip6.arpa" },
	{ "0.b.e.f.ip6.arpa", DNS_PTR, "NXDOMAIN aa ra | b.e.f.ip6.arpa 10 SOA b.e.f.ip6.arpa" },
	/* not ours to say */
	{ "www.example.org", DNS_A, "FORWARD" },
	{ "example.com", DNS_A, "FORWARD" }, /* above a record of ours, which is no zone of ours */
	{ "ftp.example.com", DNS_A, "FORWARD" },
	{ "9.9.15.172.in-addr.arpa", DNS_PTR, "FORWARD" },
	{ "9.9.32.172.in-addr.arpa", DNS_PTR, "FORWARD" },
	{ "9.9.63.100.in-addr.arpa", DNS_PTR, "FORWARD" },
	{ "0.c.e.f.ip6.arpa", DNS_PTR, "FORWARD" },
	{ "8.8.8.8.in-addr.arpa", DNS_PTR, "FORWARD" },
	{ "com", DNS_NS, "FORWARD" },
	{ ".", DNS_NS, "FORWARD" },
	{ "testing", DNS_NS, "FORWARD" },
	/* transfers and what only servers say among each other */
	{ "lab.test", DNS_AXFR, "REFUSED ra" },
	{ "lab.test", DNS_IXFR, "REFUSED ra" },
	{ "example.org", DNS_AXFR, "REFUSED ra" },
	{ "example.org", 249, "REFUSED ra" },
	{ "example.org", DNS_OPT, "REFUSED ra" },
};
/* clang-format on */

START_TEST(a_query_has_its_answer)
{
	uint8_t query[QUERY_SIZE];
	size_t len = dns_query_make(query, (uint16_t)(_i + 77), answers[_i].name, answers[_i].type, EDNS_NONE);
	char text[SHOW_SIZE];

	ck_assert_str_eq(ask_bytes(query, len, DNS_OVER_UDP, text), answers[_i].answer);
	ck_assert_str_eq(ask_bytes(query, len, DNS_OVER_TCP, text), answers[_i].answer);
}
END_TEST

/* A network that forwards nothing refuses such queries and does not offer recursion. Its other answers are the same. */
START_TEST(without_a_way_out_the_rest_is_refused)
{
	uint8_t query[QUERY_SIZE];
	size_t len = dns_query_make(query, 1, answers[_i].name, answers[_i].type, EDNS_NONE);
	char text[SHOW_SIZE], want[SHOW_SIZE];
	const char *ra = strstr(answers[_i].answer, " ra");

	dns.forwards = false;
	if (ra)
		(void)snprintf(want, sizeof want, "%.*s%s", (int)(ra - answers[_i].answer), answers[_i].answer, ra + 3);
	else
		(void)strcpy(want, "REFUSED");
	ck_assert_str_eq(ask_bytes(query, len, DNS_OVER_UDP, text), want);
}
END_TEST

/* ---- queries that are odd --------------------------------------------------------------- */

#define HEAD(flags) 0x12, 0x34, (flags) >> 8, (flags)&0xff, 0, 1, 0, 0, 0, 0, 0, 0
#define EDNS_HEAD 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1
#define WEB 3, 'w', 'e', 'b', 0

struct odd {
	const char *what, *answer;
	size_t len;
	uint8_t b[64];
};
#define ODD(what_, answer_, ...)                                    \
	{                                                           \
		what_, answer_, sizeof((uint8_t[]){ __VA_ARGS__ }), \
		{                                                   \
			__VA_ARGS__                                 \
		}                                                   \
	}

/* clang-format off */
static const struct odd odds[] = {
	ODD("nothing to answer", "DROP", 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0),
	ODD("a response: two servers would answer each other for ever", "DROP", HEAD(0x8100), WEB, 0, 28, 0, 1),
	ODD("a response that is malformed", "DROP", HEAD(0x8100), WEB),
	ODD("an update", "NOTIMP ra", HEAD(0x2800), WEB, 0, 28, 0, 1),
	ODD("a status query that is malformed", "NOTIMP ra", HEAD(0x1000), WEB),
	ODD("no question", "FORMERR ra", 0x12, 0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	ODD("two questions", "FORMERR ra", 0x12, 0x34, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, WEB, 0, 28, 0, 1, WEB, 0, 28, 0, 1),
	ODD("a question cut short", "FORMERR ra", HEAD(0x0100), WEB, 0, 28, 0),
	ODD("a query that only claims EDNS (CVE-2017-13704)", "FORMERR ra", EDNS_HEAD, WEB, 0, 28, 0, 1),
	ODD("bytes behind the query", "FORMERR ra", HEAD(0x0100), WEB, 0, 28, 0, 1, 0),
	ODD("class CH", "REFUSED ra", HEAD(0x0100), WEB, 0, 16, 0, 3),
	ODD("class NONE", "REFUSED ra", HEAD(0x0100), WEB, 0, 28, 0, 254),
	ODD("class ANY", "NOERROR aa ra web 60 AAAA fd00::10", HEAD(0x0100), WEB, 0, 28, 0, 255),
	ODD("EDNS", "NOERROR aa ra web 60 AAAA fd00::10 | / OPT 1232", EDNS_HEAD, WEB, 0, 28, 0, 1,
	    0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0),
	ODD("EDNS with DO", "NOERROR aa ra web 60 AAAA fd00::10 | / OPT 1232 do", EDNS_HEAD, WEB, 0, 28, 0, 1,
	    0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 0),
	ODD("EDNS with a cookie that nobody made", "NOERROR aa ra web 60 AAAA fd00::10 | / OPT 1232", EDNS_HEAD, WEB, 0, 28, 0, 1,
	    0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 12, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8),
	ODD("EDNS with flags that nobody knows", "NOERROR aa ra web 60 AAAA fd00::10 | / OPT 1232", EDNS_HEAD, WEB, 0, 28, 0, 1,
	    0, 0, 41, 4, 0xd0, 0, 0, 0x7f, 0xff, 0, 0),
	ODD("EDNS version 1", "BADVERS ra | / OPT 1232", EDNS_HEAD, WEB, 0, 28, 0, 1, 0, 0, 41, 4, 0xd0, 0, 1, 0, 0, 0, 0),
	ODD("an option's length beyond the message (CVE-2017-14496)", "FORMERR ra", EDNS_HEAD, WEB, 0, 28, 0, 1,
	    0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 4, 0, 8, 0xff, 0xff),
	ODD("EDNS twice", "FORMERR ra", 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 2, WEB, 0, 28, 0, 1,
	    0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0, 0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0),
};
/* clang-format on */

START_TEST(an_odd_query_has_its_answer)
{
	const struct odd *o = &odds[_i];
	uint8_t *exact = malloc(o->len);
	char text[SHOW_SIZE];

	memcpy(exact, o->b, o->len);
	(void)ask_bytes(exact, o->len, DNS_OVER_UDP, text);
	ck_assert_msg(strcmp(text, o->answer) == 0, "%s: %s", o->what, text);
	free(exact);
}
END_TEST

START_TEST(the_flags_of_a_query_are_in_its_answer)
{
	uint8_t query[QUERY_SIZE], answer[DNS_UDP_MAX];
	size_t len = dns_query_make(query, 9, "web", DNS_A, EDNS_NONE), answer_len;

	for (unsigned i = 0; i < 4; i++) {
		uint16_t flags = (uint16_t)((i & 1 ? DNS_RD : 0) | (i & 2 ? DNS_CD : 0));

		store_be16(query + 2, (uint16_t)(flags | DNS_AD | 0x40)); /* AD and Z are not */
		ck_assert_int_eq(dns_answer(&dns, query, len, DNS_OVER_UDP, answer, sizeof answer, &answer_len),
				 DNS_REPLY);
		ck_assert_uint_eq(load_be16(answer + 2), DNS_QR | DNS_AA | DNS_RA | flags);
	}
}
END_TEST

/* ---- sizes --------------------------------------------------------------------------------- */

static const struct {
	unsigned n; /* addresses of 16 bytes each behind a header and question of 31 */
	int edns;
	enum dns_transport transport;
	bool fits;
} sizes[] = {
	{ 30, EDNS_NONE, DNS_OVER_UDP, true }, /* 30 × 16 + 31 = 511 */
	{ 31, EDNS_NONE, DNS_OVER_UDP, false },
	{ 31, EDNS_NONE, DNS_OVER_TCP, true },
	{ 29, 512, DNS_OVER_UDP, true }, /* with an OPT record of 11 */
	{ 30, 512, DNS_OVER_UDP, false },
	{ 29, 0, DNS_OVER_UDP, true }, /* what is below 512 is 512 */
	{ 30, 0, DNS_OVER_UDP, false },
	{ 40, 682, DNS_OVER_UDP, true },
	{ 40, 681, DNS_OVER_UDP, false },
	{ 74, 1232, DNS_OVER_UDP, true }, /* 31 + 1184 + 11 = 1226 */
	{ 75, 1232, DNS_OVER_UDP, false },
	{ 75, 4096, DNS_OVER_UDP, false }, /* CVE-2023-28450: the size is bounded whatever the guest says */
	{ 75, 65535, DNS_OVER_UDP, false },
	{ 4000, 512, DNS_OVER_TCP, true },
	{ 4100, 512, DNS_OVER_TCP, false }, /* more than 65,535 bytes */
};

START_TEST(an_answer_fits_or_says_that_it_does_not)
{
	static uint8_t answer[DNS_MSG_MAX + 1];
	uint8_t query[QUERY_SIZE];
	size_t len = dns_query_make(query, 9, "many.lab.test", DNS_A, sizes[_i].edns), answer_len;
	struct dns_msg msg;

	for (unsigned i = 0; i < sizes[_i].n; i++) {
		char ip[32];

		(void)snprintf(ip, sizeof ip, "10.1.%u.%u", i >> 8, i & 255);
		add_record("many", DNS_A, ip, 60);
	}
	ck_assert_uint_eq(len, 31 + (sizes[_i].edns == EDNS_NONE ? 0u : DNS_OPT_LEN));
	ck_assert_int_eq(dns_answer(&dns, query, len, sizes[_i].transport, answer, sizeof answer, &answer_len),
			 DNS_REPLY);
	ck_assert_int_eq(dns_msg_parse(answer, answer_len, &msg), DNS_WELL_FORMED);
	ck_assert_int_eq(!(msg.header.flags & DNS_TC), sizes[_i].fits);
	ck_assert_uint_eq(msg.header.n_answer, sizes[_i].fits ? sizes[_i].n : 0);
	ck_assert_uint_eq(dns.counters.truncated, !sizes[_i].fits);
	ck_assert_int_eq(msg.has_opt, sizes[_i].edns != EDNS_NONE);
}
END_TEST

/* The longest name that can be asked for gets an answer of 512 bytes. */
START_TEST(the_longest_name_is_answered)
{
	uint8_t query[QUERY_SIZE];
	char name[256] = "", text[SHOW_SIZE];
	size_t len;

	for (unsigned i = 0; i < 122; i++)
		(void)strcat(name, "a.");
	(void)strcat(name, "lab.test");
	name[0] = 'b';
	len = dns_query_make(query, 9, name, DNS_A, 512);
	ck_assert_uint_eq(len, DNS_HEADER_LEN + 254 + 4 + DNS_OPT_LEN);
	ck_assert_str_eq(ask_bytes(query, len, DNS_OVER_UDP, text), "NXDOMAIN aa ra" SOA_LAB " / OPT 1232");
}
END_TEST

START_TEST(every_query_is_counted_once)
{
	uint8_t query[QUERY_SIZE];
	char text[SHOW_SIZE];
	struct dns_counters *c = &dns.counters;

	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
		(void)ask_bytes(query, dns_query_make(query, 1, answers[i].name, answers[i].type, 512), DNS_OVER_UDP,
				text);
	for (size_t i = 0; i < sizeof odds / sizeof odds[0]; i++)
		(void)ask_bytes(odds[i].b, odds[i].len, DNS_OVER_UDP, text);
	ck_assert_uint_eq(c->dropped + c->forwarded + c->found + c->no_data + c->no_name + c->refused + c->malformed +
				  c->not_implemented + c->bad_version,
			  sizeof answers / sizeof answers[0] + sizeof odds / sizeof odds[0]);
	ck_assert_uint_eq(c->dropped, 3);
	ck_assert_uint_eq(c->not_implemented, 2);
	ck_assert_uint_eq(c->bad_version, 1);
	ck_assert_uint_eq(c->forwarded, 11);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("dns");
	TCase *tc = tcase_create("answers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_query_has_its_answer, 0, (int)(sizeof answers / sizeof answers[0]));
	tcase_add_loop_test(tc, without_a_way_out_the_rest_is_refused, 0, (int)(sizeof answers / sizeof answers[0]));
	tcase_add_loop_test(tc, an_odd_query_has_its_answer, 0, (int)(sizeof odds / sizeof odds[0]));
	tcase_add_test(tc, the_flags_of_a_query_are_in_its_answer);
	tcase_add_loop_test(tc, an_answer_fits_or_says_that_it_does_not, 0, (int)(sizeof sizes / sizeof sizes[0]));
	tcase_add_test(tc, the_longest_name_is_answered);
	tcase_add_test(tc, every_query_is_counted_once);
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(make_suite);
