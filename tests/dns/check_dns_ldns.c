/* tests/dns/check_dns_ldns.c: another's library asks and reads.
 *
 * Tables at random beside a plain list of the same records. ldns writes each query and reads each answer; its
 * records, as text, must be those of the list, and rcode, flags, SOA and EDNS what the list says. */
#include "core/prng.h"
#include "dns/dns.h"
#include "tests/unit.h"

#include <ldns/ldns.h>
#include <stdio.h>

enum { NAMES = 12, RECORDS_MAX = 200, QUERIES = 300, TEXT_SIZE = 800 };

struct record {
	char owner[128], data[TEXT_SIZE]; /* as ldns writes them, but that names end without a dot in owner */
	uint16_t type;
	unsigned ttl;
};

static struct record records[RECORDS_MAX];
static unsigned n_records;
static struct zone *zone;

static void note(const char *owner, uint16_t type, unsigned ttl, const char *data)
{
	struct record *r = &records[n_records];

	for (unsigned i = 0; i < n_records; i++)
		if (strcmp(records[i].owner, owner) == 0 && records[i].type == type &&
		    strcmp(records[i].data, data) == 0)
			return;
	ck_assert_uint_lt(n_records++, RECORDS_MAX);
	(void)snprintf(r->owner, sizeof r->owner, "%s", owner);
	(void)snprintf(r->data, sizeof r->data, "%s", data);
	r->type = type;
	r->ttl = ttl;
}

/* The reverse name, made by ldns. */
static void reverse_of(const char *ip, char buf[128])
{
	ldns_rdf *addr = ldns_rdf_new_frm_str(strchr(ip, ':') ? LDNS_RDF_TYPE_AAAA : LDNS_RDF_TYPE_A, ip);
	ldns_rdf *reverse = ldns_rdf_address_reverse(addr);
	char *text = ldns_rdf2str(reverse);

	(void)snprintf(buf, 128, "%.*s", (int)strlen(text) - 1, text);
	free(text);
	ldns_rdf_deep_free(reverse);
	ldns_rdf_deep_free(addr);
}

static void add_address(struct prng *p, const char *name)
{
	char ip[64], whole[64], reverse[128], dotted[80];
	const char *why = NULL;
	struct ip_addr addr;
	bool is_v6 = prng_below(p, 2);

	(void)snprintf(ip, sizeof ip, is_v6 ? "fd00::%x" : "10.0.0.%u", 1 + (unsigned)prng_below(p, 200));
	ck_assert_int_eq(ip_parse(ip, &addr), 0);
	ck_assert_int_eq(zone_add_address(zone, name, &addr, &why), 0);
	(void)snprintf(whole, sizeof whole, "%s.lab.test", name);
	(void)snprintf(dotted, sizeof dotted, "%s.", whole);
	note(whole, is_v6 ? DNS_AAAA : DNS_A, ZONE_TTL_S, ip);
	reverse_of(ip, reverse);
	note(reverse, DNS_PTR, ZONE_TTL_S, dotted);
}

static void add_record(struct prng *p, const char *name)
{
	char value[TEXT_SIZE - 60], data[TEXT_SIZE], whole[64];
	const char *why = NULL;
	unsigned ttl = (unsigned)prng_below(p, 100000);

	(void)snprintf(whole, sizeof whole, "%s.lab.test", name);
	if (prng_below(p, 2)) {
		unsigned port = (unsigned)prng_below(p, 65536);

		(void)snprintf(value, sizeof value, "1 65535 %u n%u", port, (unsigned)prng_below(p, NAMES));
		(void)snprintf(data, sizeof data, "%s.lab.test.", value);
		ck_assert_int_eq(zone_add_record(zone, whole, DNS_SRV, value, ttl, &why), 0);
		note(whole, DNS_SRV, ttl, data);
		return;
	}
	memset(value, 'a' + (int)prng_below(p, 26), sizeof value);
	value[prng_below(p, 700)] = '\0';
	for (size_t at = 0, n = 0; at == 0 || value[at - 1]; n++) { /* "…" "…" in pieces of 255 */
		size_t piece = strnlen(value + at, 255);

		(void)sprintf(data + (n ? strlen(data) : 0), "%s\"%.*s\"", n ? " " : "", (int)piece, value + at);
		at += piece;
		if (!value[at])
			break;
	}
	ck_assert_int_eq(zone_add_record(zone, name, DNS_TXT, value, ttl, &why), 0);
	note(whole, DNS_TXT, ttl, data);
}

static void build(struct prng *p)
{
	const char *why = NULL;

	n_records = 0;
	ck_assert_int_eq(zone_new("lab.test", prng_u64(p), &zone, &why), 0);
	for (unsigned i = 0; i < 50; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "n%u", (unsigned)prng_below(p, NAMES));
		if (prng_below(p, 3))
			add_address(p, name);
		else
			add_record(p, prng_below(p, 2) ? name : "_s._tcp");
	}
}

/* ---- asking ----------------------------------------------------------------------------- */

static void spell_at_random(struct prng *p, char *name)
{
	for (; *name; name++)
		if (*name >= 'a' && *name <= 'z' && prng_below(p, 2))
			*name = (char)(*name - 'a' + 'A');
}

/* What to ask for: a name of the list, one above it, or one that is not there. */
static void pick_name(struct prng *p, char *ret)
{
	const char *owner = records[prng_below(p, n_records)].owner;

	switch (prng_below(p, 4)) {
	case 0:
		(void)sprintf(ret, "x%s", owner);
		break;
	case 1:
		(void)strcpy(ret, strchr(owner, '.') + 1);
		break;
	default:
		(void)strcpy(ret, owner);
	}
}

/* Whether @name stands in the list, or above a name of it. */
static bool exists(const char *name)
{
	static const char *const apexes[] = { "lab.test", "10.in-addr.arpa", "d.f.ip6.arpa", "test" };

	for (size_t i = 0; i < n_records + 4; i++) {
		const char *owner = i < n_records ? records[i].owner : apexes[i - n_records];
		size_t len = strlen(owner), name_len = strlen(name);

		if (len >= name_len && strcasecmp(owner + len - name_len, name) == 0 &&
		    (len == name_len || owner[len - name_len - 1] == '.'))
			return true;
	}
	return false;
}

static void expect_answers(const ldns_pkt *answer, const char *asked, uint16_t type)
{
	unsigned n_want = 0;
	ldns_rr_list *got = ldns_pkt_answer(answer);

	for (unsigned i = 0; i < n_records; i++) {
		char want[TEXT_SIZE + 200], type_text[16];
		bool is_there = false;

		if (strcasecmp(records[i].owner, asked) != 0 || records[i].type != type)
			continue;
		n_want++;
		(void)snprintf(type_text, sizeof type_text, "%s",
			       type == DNS_A	? "A" :
			       type == DNS_AAAA ? "AAAA" :
			       type == DNS_PTR	? "PTR" :
			       type == DNS_SRV	? "SRV" :
						  "TXT");
		(void)snprintf(want, sizeof want, "%s.\t%u\tIN\t%s\t%s\n", asked, records[i].ttl, type_text,
			       records[i].data);
		for (size_t j = 0; j < ldns_rr_list_rr_count(got); j++) {
			char *text = ldns_rr2str(ldns_rr_list_rr(got, j));

			is_there |= strcmp(text, want) == 0;
			free(text);
		}
		ck_assert_msg(is_there, "not answered: %s", want);
	}
	ck_assert_uint_eq(ldns_rr_list_rr_count(got), n_want);
	ck_assert_uint_eq(ldns_rr_list_rr_count(ldns_pkt_authority(answer)), n_want == 0);
	ck_assert_int_eq(ldns_pkt_get_rcode(answer),
			 n_want || exists(asked) ? LDNS_RCODE_NOERROR : LDNS_RCODE_NXDOMAIN);
}

/* The SOA of RFC 2308: of a zone that the name is in, for no longer than its minimum says. */
static void expect_soa(const ldns_pkt *answer, const ldns_rdf *asked)
{
	ldns_rr_list *authority = ldns_pkt_authority(answer);
	ldns_rr *soa;

	if (ldns_rr_list_rr_count(authority) == 0)
		return;
	soa = ldns_rr_list_rr(authority, 0);
	ck_assert_int_eq(ldns_rr_get_type(soa), LDNS_RR_TYPE_SOA);
	ck_assert(ldns_dname_compare(ldns_rr_owner(soa), asked) == 0 ||
		  ldns_dname_is_subdomain(asked, ldns_rr_owner(soa)));
	ck_assert_uint_le(ldns_rr_ttl(soa), ldns_rdf2native_int32(ldns_rr_rdf(soa, 6)));
}

static void ask(struct prng *p, struct dns *dns)
{
	static const uint16_t types[] = { DNS_A, DNS_AAAA, DNS_PTR, DNS_SRV, DNS_TXT };
	static uint8_t buf[DNS_MSG_MAX];
	char name[200];
	uint16_t type = types[prng_below(p, 5)];
	ldns_pkt *query, *answer = NULL;
	uint8_t *wire = NULL;
	size_t len = 0, answer_len = 0;
	bool has_edns = prng_below(p, 2), is_do = prng_below(p, 2);

	pick_name(p, name);
	if (strstr(name, "lab.test") == NULL && strstr(name, "10.in-addr.arpa") == NULL &&
	    strstr(name, "d.f.ip6.arpa") == NULL)
		return;
	spell_at_random(p, name);
	query = ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, LDNS_RD);
	ldns_pkt_set_id(query, (uint16_t)prng_u64(p));
	if (has_edns) {
		ldns_pkt_set_edns_udp_size(query, 1232);
		ldns_pkt_set_edns_do(query, is_do);
	}
	ck_assert_int_eq(ldns_pkt2wire(&wire, query, &len), LDNS_STATUS_OK);
	ck_assert_int_eq(dns_answer(dns, wire, len, DNS_OVER_TCP, buf, sizeof buf, &answer_len), DNS_REPLY);
	ck_assert_msg(ldns_wire2pkt(&answer, buf, answer_len) == LDNS_STATUS_OK, "%s", name);
	ck_assert_uint_eq(ldns_pkt_id(answer), ldns_pkt_id(query));
	ck_assert(ldns_pkt_qr(answer) && ldns_pkt_aa(answer) && ldns_pkt_rd(answer) && ldns_pkt_ra(answer) &&
		  !ldns_pkt_tc(answer) && !ldns_pkt_ad(answer));
	ck_assert_int_eq(ldns_pkt_edns(answer), has_edns);
	ck_assert(!has_edns || (ldns_pkt_edns_do(answer) == is_do && ldns_pkt_edns_udp_size(answer) == DNS_UDP_MAX));
	ck_assert_uint_eq(ldns_rr_list_rr_count(ldns_pkt_question(answer)), 1);
	expect_answers(answer, name, type);
	expect_soa(answer, ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(query), 0)));
	free(wire);
	ldns_pkt_free(answer);
	ldns_pkt_free(query);
}

START_TEST(ldns_reads_what_the_list_says)
{
	struct dns dns = { .forwards = true };
	struct prng p;

	prng_init(&p, (uint64_t)_i, "ldns");
	build(&p);
	dns.zone = zone;
	for (unsigned i = 0; i < QUERIES; i++)
		ask(&p, &dns);
	ck_assert_uint_gt(dns.counters.found, 0);
	ck_assert_uint_gt(dns.counters.no_data, 0);
	ck_assert_uint_gt(dns.counters.no_name, 0);
	zone = zone_free(zone);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("dns_ldns");
	TCase *tc = tcase_create("ldns");

	tcase_add_loop_test(tc, ldns_reads_what_the_list_says, 0, 20);
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(make_suite);
