/* tests/dns/check_dns_msg.c: the form of DNS messages. The vectors that once broke other parsers bear the number
 * under which they are known. */
#include "dns/dns_msg.h"
#include "tests/unit.h"

/* ---- what is read ------------------------------------------------------------------- */

#define QUERY_HEADER 0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0
#define QUERY_OF(answers, additional) 0x12, 0x34, 0x01, 0x00, 0, 1, 0, answers, 0, 0, 0, additional
#define NAME_A 1, 'a', 0
#define Q_A 0, 1, 0, 1

struct vector {
	const char *name;
	enum dns_verdict verdict;
	size_t len;
	uint8_t b[96];
};
#define VECTOR(name_, verdict_, ...) { name_, verdict_, sizeof((uint8_t[]){ __VA_ARGS__ }), { __VA_ARGS__ } }

/* clang-format off */
static const struct vector vectors[] = {
	VECTOR("a plain question", DNS_WELL_FORMED, QUERY_HEADER, NAME_A, Q_A),
	VECTOR("the root", DNS_WELL_FORMED, QUERY_HEADER, 0, 0, 2, 0, 1),
	VECTOR("one byte short of a header", DNS_NO_HEADER, 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0),
	VECTOR("no question", DNS_MALFORMED, 0x12, 0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	VECTOR("two questions", DNS_MALFORMED, 0x12, 0x34, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, NAME_A, Q_A, NAME_A, Q_A),
	VECTOR("a question that is not there", DNS_MALFORMED, QUERY_HEADER),
	VECTOR("a name that does not end", DNS_MALFORMED, QUERY_HEADER, 1, 'a', 1),
	VECTOR("a question without its class", DNS_MALFORMED, QUERY_HEADER, NAME_A, 0, 1),
	VECTOR("a byte behind the message", DNS_MALFORMED, QUERY_HEADER, NAME_A, Q_A, 0),
	VECTOR("a label of the type 01", DNS_MALFORMED, QUERY_HEADER, 0x41, 'a', 0, Q_A),
	VECTOR("a label of the type 10", DNS_MALFORMED, QUERY_HEADER, 0x81, 'a', 0, Q_A),
	VECTOR("a pointer to itself (RFC 9267 §2)", DNS_MALFORMED, QUERY_HEADER, 0xc0, 12, Q_A),
	VECTOR("a pointer forward", DNS_MALFORMED, QUERY_HEADER, 0xc0, 18, Q_A, NAME_A),
	VECTOR("a pointer forward to a whole name", DNS_MALFORMED,
	       QUERY_OF(1, 0), 0xc0, 18, Q_A, NAME_A, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4),
	VECTOR("a pointer forward from a CNAME's data", DNS_MALFORMED, QUERY_OF(2, 0), NAME_A, Q_A,
	       0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 0xc0, 33, NAME_A, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4),
	VECTOR("a pointer into the header", DNS_MALFORMED, QUERY_OF(1, 0), NAME_A, Q_A, 0xc0, 11, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0),
	VECTOR("a pointer cut in two", DNS_MALFORMED, QUERY_HEADER, 0xc0),
	VECTOR("a label, then a pointer to it: a circle that grows (CVE-2017-14491)", DNS_MALFORMED,
	       QUERY_OF(1, 0), NAME_A, Q_A, 1, 'b', 0xc0, 19, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4),
	VECTOR("an answer's data longer than the message (CVE-2017-14492's kin)", DNS_MALFORMED,
	       QUERY_OF(1, 0), NAME_A, Q_A, 0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, 0, 9, 1, 2, 3),
	VECTOR("data of 65,535 bytes (CVE-2020-25682)", DNS_MALFORMED,
	       QUERY_OF(1, 0), NAME_A, Q_A, 0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3),
	VECTOR("an answer that is not there (CVE-2020-25683)", DNS_MALFORMED, QUERY_OF(1, 0), NAME_A, Q_A),
	VECTOR("a record cut before the length of its data (CVE-2020-25687)", DNS_MALFORMED,
	       QUERY_OF(1, 0), NAME_A, Q_A, 0xc0, 12, 0, 46, 0, 1, 0, 0, 0, 0),
	VECTOR("an address of 3 bytes", DNS_MALFORMED,
	       QUERY_OF(1, 0), NAME_A, Q_A, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 3, 1, 2, 3),
	VECTOR("an address of 4 bytes", DNS_WELL_FORMED,
	       QUERY_OF(1, 0), NAME_A, Q_A, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4),
	VECTOR("a CNAME whose name goes on behind its data (CVE-2020-25681's kin)", DNS_MALFORMED,
	       QUERY_OF(1, 1), NAME_A, Q_A, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 3, 'b',
	       0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0),
	VECTOR("a CNAME that ends before its data do", DNS_MALFORMED,
	       QUERY_OF(1, 0), NAME_A, Q_A, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 0, 0, 3, 0xc0, 12, 0),
	VECTOR("an SOA without its numbers", DNS_MALFORMED,
	       QUERY_OF(1, 0), NAME_A, Q_A, 0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 4, 0xc0, 12, 0xc0, 12),
	VECTOR("EDNS", DNS_WELL_FORMED, QUERY_OF(0, 1), NAME_A, Q_A, 0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0),
	VECTOR("EDNS with an option that nobody knows", DNS_WELL_FORMED,
	       QUERY_OF(0, 1), NAME_A, Q_A, 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 6, 0xff, 0xfe, 0, 2, 1, 2),
	VECTOR("EDNS twice", DNS_MALFORMED, QUERY_OF(0, 2), NAME_A, Q_A, 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0,
	       0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0),
	VECTOR("EDNS that belongs to a name", DNS_MALFORMED, QUERY_OF(0, 1), NAME_A, Q_A, 0xc0, 12, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0),
	VECTOR("EDNS among the answers", DNS_MALFORMED, QUERY_OF(1, 0), NAME_A, Q_A, 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0),
	VECTOR("an option's length beyond EDNS (CVE-2017-14496)", DNS_MALFORMED,
	       QUERY_OF(0, 1), NAME_A, Q_A, 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 4, 0, 8, 0, 1),
	VECTOR("an option without its length", DNS_MALFORMED,
	       QUERY_OF(0, 1), NAME_A, Q_A, 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 2, 0, 8),
	VECTOR("a million options take no memory (CVE-2017-14495's kin)", DNS_WELL_FORMED,
	       QUERY_OF(0, 1), NAME_A, Q_A, 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 8, 0, 8, 0, 0, 0, 8, 0, 0),
};
/* clang-format on */

START_TEST(a_vector_is_judged)
{
	const struct vector *v = &vectors[_i];
	uint8_t *exact = malloc(v->len); /* so that a sanitizer sees a byte too many */
	struct dns_msg msg;

	memcpy(exact, v->b, v->len);
	ck_assert_msg(dns_msg_parse(exact, v->len, &msg) == v->verdict, "%s", v->name);
	free(exact);
}
END_TEST

START_TEST(what_edns_says_is_read)
{
	static const uint8_t b[] = { QUERY_OF(0, 1), NAME_A, Q_A, 0, 0, 41, 0x10, 0x01, 0x12, 0x03, 0x80, 0, 0, 0 };
	struct dns_msg msg;

	ck_assert_int_eq(dns_msg_parse(b, sizeof b, &msg), DNS_WELL_FORMED);
	ck_assert_uint_eq(msg.header.id, 0x1234);
	ck_assert_uint_eq(msg.header.flags, DNS_RD);
	ck_assert_uint_eq(msg.question.type, DNS_A);
	ck_assert_uint_eq(msg.question.class, DNS_CLASS_IN);
	ck_assert_uint_eq(msg.question_end, 19);
	ck_assert(msg.has_opt && msg.is_do);
	ck_assert_uint_eq(msg.opt_at, 19);
	ck_assert_uint_eq(msg.udp_size, 0x1001);
	ck_assert_uint_eq(msg.opt_rcode, 0x12);
	ck_assert_uint_eq(msg.version, 3);
}
END_TEST

/* A chain of pointers, each to the one before, is no longer than a name has labels. */
START_TEST(a_chain_of_pointers_is_bounded)
{
	uint8_t b[1024] = { 0 };
	struct dns_reader d;
	struct dns_name name;
	size_t n = 13;

	for (unsigned jumps = 1; jumps <= 200; jumps++, n += 2) {
		store_be16(b + n, (uint16_t)(0xc000 | (n == 13 ? 12 : n - 2)));
		d = dns_read_from(b, n + 2);
		(void)wire_get(&d.r, n);
		ck_assert_int_eq(dns_get_name(&d, &name), jumps <= 127);
		ck_assert(jumps > 127 || (name.len == 1 && d.r.left == 0));
	}
}
END_TEST

START_TEST(a_name_has_at_most_255_bytes)
{
	for (unsigned last = 58; last <= 63; last++) {
		uint8_t b[300] = { 0 };
		struct dns_reader d = dns_read_from(b, sizeof b);
		struct dns_name name;

		for (unsigned i = 0; i < 3; i++)
			b[i * 64] = 63;
		b[192] = (uint8_t)last; /* 192 + 1 + last + 1 bytes */
		ck_assert_int_eq(dns_get_name(&d, &name), last <= 61);
	}
}
END_TEST

/* ---- names as text -------------------------------------------------------------------- */

static const struct {
	const char *text, *why; /* NULL: good */
	enum dns_name_kind kind;
} names[] = {
	{ "web", NULL, DNS_NAME_HOST },
	{ "web.lab.test.", NULL, DNS_NAME_HOST },
	{ "3com", NULL, DNS_NAME_HOST },
	{ "my_pc", NULL, DNS_NAME_HOST },
	{ "_sip._tcp", NULL, DNS_NAME_RECORD },
	{ "_sip._tcp", "has a label that begins or ends with '_'", DNS_NAME_HOST },
	{ "", "is empty", DNS_NAME_HOST },
	{ "a..b", "has an empty label", DNS_NAME_HOST },
	{ "..", "has an empty label", DNS_NAME_HOST },
	{ "-a", "has a label that begins or ends with '-'", DNS_NAME_RECORD },
	{ "a-.b", "has a label that begins or ends with '-'", DNS_NAME_RECORD },
	{ "a b", "has a character other than letters, digits, '-' and '_'", DNS_NAME_RECORD },
	{ "*.lab", "has a character other than letters, digits, '-' and '_'", DNS_NAME_RECORD },
	{ "k\xc3\xa4se", "has a character other than letters, digits, '-' and '_'", DNS_NAME_HOST },
	{ "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg", NULL, DNS_NAME_HOST },
	{ "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg", "has a label of more than 63 characters",
	  DNS_NAME_HOST },
};

START_TEST(a_text_is_a_name_or_told_why_not)
{
	struct dns_name name = { 0 };
	char buf[DNS_NAME_TEXT_SIZE];
	const char *why = dns_name_parse(names[_i].text, names[_i].kind, &name);

	if (names[_i].why) {
		ck_assert_pstr_eq(why, names[_i].why);
		ck_assert_uint_eq(name.len, 0);
		return;
	}
	ck_assert_pstr_eq(why, NULL);
	(void)dns_name_text(&name, buf);
	ck_assert(strncmp(buf, names[_i].text, strlen(buf)) == 0);
}
END_TEST

START_TEST(a_long_text_is_no_name)
{
	char text[260];
	struct dns_name name;

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i % 2 ? '.' : 'a';
	text[253] = '\0';
	ck_assert_pstr_eq(dns_name_parse(text, DNS_NAME_HOST, &name), NULL);
	ck_assert_uint_eq(name.len, 255);
	ck_assert_uint_eq(dns_name_labels(&name), 127);
	text[253] = '.';
	text[255] = '\0';
	ck_assert_pstr_eq(dns_name_parse(text, DNS_NAME_HOST, &name), "is longer than 253 characters");
}
END_TEST

START_TEST(names_are_joined_and_compared)
{
	struct dns_name a, b, whole, big;
	char text[] = "A.b.C.d", buf[DNS_NAME_TEXT_SIZE];

	ck_assert(!dns_name_parse("A.b", DNS_NAME_HOST, &a) && !dns_name_parse("C.d", DNS_NAME_HOST, &b));
	ck_assert(dns_name_append(&a, &b));
	ck_assert_str_eq(dns_name_text(&a, buf), text);
	ck_assert(!dns_name_parse("a.B.c.D", DNS_NAME_HOST, &whole));
	ck_assert(dns_name_equal(&a, &whole));
	ck_assert(!dns_name_equal(&a, &b));
	big = a;
	while (dns_name_append(&big, &a))
		;
	ck_assert_uint_gt(big.len, DNS_NAME_MAX - a.len);
	a = (struct dns_name){ .len = 6, .b = { 4, 'a', '.', 0, '\\' } };
	ck_assert_str_eq(dns_name_text(&a, buf), "a\\046\\000\\092");
	a = (struct dns_name){ .len = 1 };
	ck_assert_str_eq(dns_name_text(&a, buf), ".");
}
END_TEST

/* ---- what is written ------------------------------------------------------------------- */

static void write_ptr(struct dns_writer *w, const char *owner, const char *target, bool fits)
{
	struct dns_name o, t;
	struct dns_mark mark;

	ck_assert(!dns_name_parse(owner, DNS_NAME_HOST, &o) && !dns_name_parse(target, DNS_NAME_HOST, &t));
	mark = dns_write_rr(w, &o, DNS_PTR, 60);
	dns_put_name(w, &t, true);
	ck_assert_int_eq(dns_write_rr_end(w, &mark, DNS_ANSWER_SECTION), fits);
}

START_TEST(names_are_compressed_as_they_are_spelled)
{
	/* clang-format off */
	static const uint8_t want[] = {
		0, 7, 0x85, 0, 0, 1, 0, 2, 0, 0, 0, 1,
		1, 'a', 3, 'L', 'a', 'b', 4, 't', 'e', 's', 't', 0, 0, 12, 0, 1,
		0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 60, 0, 6, 3, 'w', 'w', 'w', 0xc0, 14,
		1, 'a', 3, 'l', 'a', 'b', 0xc0, 18, 0, 12, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 40,
		0, 0, 41, 4, 0xd0, 1, 0, 0x80, 0, 0, 0,
	};
	/* clang-format on */
	uint8_t buf[512];
	struct dns_writer w;
	struct dns_question q = { .type = DNS_PTR, .class = DNS_CLASS_IN };

	ck_assert(!dns_name_parse("a.Lab.test", DNS_NAME_HOST, &q.name));
	dns_write_begin(&w, buf, sizeof buf, 7, DNS_QR | DNS_AA | DNS_RD);
	ck_assert(dns_write_question(&w, &q));
	write_ptr(&w, "a.Lab.test", "www.Lab.test", true);
	write_ptr(&w, "a.lab.test", "www.Lab.test", true);
	ck_assert(dns_write_opt(&w, 1232, 1, true));
	ck_assert_uint_eq(dns_write_end(&w), sizeof want);
	ck_assert_mem_eq(buf, want, sizeof want);
}
END_TEST

/* At every size, what does not fit is left out whole, and what stands there parses. */
START_TEST(a_record_that_does_not_fit_leaves_no_trace)
{
	for (size_t size = DNS_HEADER_LEN; size < 120; size++) {
		uint8_t buf[120];
		struct dns_writer w;
		struct dns_question q = { .type = DNS_PTR, .class = DNS_CLASS_IN };
		struct dns_msg msg;
		size_t len;
		bool fits = size >= DNS_HEADER_LEN + 12 + 4, first = size >= 28 + 12 + 4, second;

		ck_assert(!dns_name_parse("a.lab.test", DNS_NAME_HOST, &q.name));
		dns_write_begin(&w, buf, size, 7, DNS_QR);
		ck_assert_int_eq(dns_write_question(&w, &q), fits);
		if (!fits) {
			ck_assert_uint_eq(dns_write_end(&w), DNS_HEADER_LEN);
			continue;
		}
		write_ptr(&w, "a.lab.test", "b.lab.test", first);
		/* The pointer to b.lab.test is there only if it was written. */
		second = size >= 28 + (first ? 16u : 0) + (first ? 2u : 4u) + 10 + 2;
		write_ptr(&w, "b.lab.test", "a.lab.test", second);
		len = dns_write_end(&w);
		ck_assert_uint_le(len, size);
		ck_assert_int_eq(dns_msg_parse(buf, len, &msg), DNS_WELL_FORMED);
		ck_assert_uint_eq(msg.header.n_answer, first + second);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("dns_msg");
	TCase *read = tcase_create("read"), *names_case = tcase_create("names"), *write = tcase_create("write");

	tcase_add_loop_test(read, a_vector_is_judged, 0, (int)(sizeof vectors / sizeof vectors[0]));
	tcase_add_test(read, what_edns_says_is_read);
	tcase_add_test(read, a_chain_of_pointers_is_bounded);
	tcase_add_test(read, a_name_has_at_most_255_bytes);
	tcase_add_loop_test(names_case, a_text_is_a_name_or_told_why_not, 0, (int)(sizeof names / sizeof names[0]));
	tcase_add_test(names_case, a_long_text_is_no_name);
	tcase_add_test(names_case, names_are_joined_and_compared);
	tcase_add_test(write, names_are_compressed_as_they_are_spelled);
	tcase_add_test(write, a_record_that_does_not_fit_leaves_no_trace);
	suite_add_tcase(s, read);
	suite_add_tcase(s, names_case);
	suite_add_tcase(s, write);
	return s;
}

UNIT_MAIN(make_suite);
