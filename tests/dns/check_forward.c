/* tests/dns/check_forward.c: queries that wait for a resolver, on the test's own clock. */
#include "dns/forward.h"
#include "tests/dns/dns_show.h"
#include "tests/unit.h"

#include <stdio.h>

enum { LOG_COUNT = 4096, T0 = 1000000000 };

/* A socket that the machine opened. */
struct sent {
	uint32_t slot;
	unsigned resolver;
	enum dns_transport transport;
	uint16_t port, id;
	uint8_t msg[QUERY_SIZE];
	size_t len;
	bool is_open;
};

/* An answer that a client got. */
struct got {
	uint64_t token;
	uint16_t id;
	size_t len;
	char name[DNS_NAME_TEXT_SIZE], text[600];
};

static struct sent sent[LOG_COUNT];
static struct got got[LOG_COUNT];
static size_t n_sent, n_got;
static uint8_t last[DNS_MSG_MAX]; /* the last answer's bytes */
static struct forward *f;
static nsec_t now;
static const struct forward_resolver resolvers[] = {
	{ { IP_V4, 32, { 192, 0, 2, 1 } }, 53 },
	{ { IP_V4, 32, { 192, 0, 2, 2 } }, 53 },
	{ { IP_V4, 32, { 192, 0, 2, 3 } }, 5353 },
};

static void on_send(void *arg, const struct forward_send *s)
{
	struct sent *to = &sent[n_sent++ % LOG_COUNT];

	(void)arg;
	ck_assert_uint_ge(s->port, 1024);
	*to = (struct sent){ .slot = s->slot,
			     .resolver = s->resolver,
			     .transport = s->transport,
			     .port = s->port,
			     .id = load_be16(s->msg),
			     .len = s->len,
			     .is_open = true };
	memcpy(to->msg, s->msg, s->len);
}

static void on_close(void *arg, uint32_t slot)
{
	(void)arg;
	for (size_t i = n_sent > LOG_COUNT ? LOG_COUNT : n_sent; i > 0; i--) {
		if (sent[i - 1].slot == slot && sent[i - 1].is_open) {
			sent[i - 1].is_open = false;
			return;
		}
	}
	ck_abort_msg("closes a socket that is not open");
}

static void on_answer(void *arg, const struct forward_client *client, const uint8_t *msg, size_t len)
{
	static char text[SHOW_SIZE];
	struct got *g = &got[n_got++ % LOG_COUNT];
	struct dns_msg m;

	(void)arg;
	(void)dns_msg_parse(msg, len, &m);
	memcpy(last, msg, len);
	g->token = client->token;
	g->id = m.header.id;
	g->len = len;
	(void)dns_name_text(&m.question.name, g->name);
	(void)snprintf(g->text, sizeof g->text, "%.500s", dns_show(msg, len, text));
}

static const struct forward_ops ops = { on_send, on_close, on_answer };

static void setup(void)
{
	n_sent = n_got = 0;
	now = T0;
	ck_assert_int_eq(forward_new(7, &ops, NULL, &f), 0);
	forward_set_resolvers(f, resolvers, 3, now);
}

static void teardown(void)
{
	f = forward_free(f);
}

static enum forward_verdict ask_as(uint64_t source, uint64_t token, uint16_t id, const char *name, int edns)
{
	struct forward_client c = { source, token, DNS_OVER_UDP };
	uint8_t query[QUERY_SIZE];
	size_t len = dns_query_make(query, id, name, DNS_A, edns);

	return forward_query(f, &c, query, len, now);
}

static enum forward_verdict ask(uint64_t token, uint16_t id, const char *name)
{
	return ask_as(1, token, id, name, EDNS_NONE);
}

/* An answer to what was sent as number @i, with @n addresses and @flags beside QR. */
static size_t make_answer(size_t i, uint16_t flags, unsigned n, uint8_t buf[DNS_MSG_MAX])
{
	struct dns_msg m;
	struct dns_writer w;

	ck_assert_int_eq(dns_msg_parse(sent[i].msg, sent[i].len, &m), DNS_WELL_FORMED);
	for (size_t at = 0; at < m.question.name.len; at++) /* a resolver may spell it its own way */
		m.question.name.b[at] = dns_lower(m.question.name.b[at]);
	dns_write_begin(&w, buf, DNS_MSG_MAX, m.header.id, (uint16_t)(DNS_QR | DNS_RA | flags));
	(void)dns_write_question(&w, &m.question);
	while (n--) {
		struct dns_mark mark = dns_write_rr(&w, NULL, DNS_A, 300);

		wire_put_be32(&w.w, 0x01020304);
		ck_assert(dns_write_rr_end(&w, &mark, DNS_ANSWER_SECTION));
	}
	return dns_write_end(&w);
}

static void answer_with(size_t i, uint16_t flags, unsigned n)
{
	static uint8_t buf[DNS_MSG_MAX];
	size_t len = make_answer(i, flags, n, buf);

	forward_answer(f, sent[i].slot, &resolvers[sent[i].resolver], buf, len, now);
}

/* To the next instant that the machine asks for. */
static void wait_for_it(void)
{
	ck_assert_int_ne(forward_next(f), NSEC_NEVER);
	ck_assert_int_gt(forward_next(f), now);
	now = forward_next(f);
	forward_step(f, now);
}

static void expect_nothing_left(void)
{
	const struct forward_counters *c = forward_counters(f);

	ck_assert_uint_eq(forward_pending(f), 0);
	ck_assert_uint_eq(forward_waiting(f), 0);
	ck_assert_int_eq(forward_next(f), NSEC_NEVER);
	for (size_t i = 0; i < n_sent && i < LOG_COUNT; i++)
		ck_assert(!sent[i].is_open);
	ck_assert_uint_eq(c->queries, c->answered + c->failed + c->repeated + c->limited + c->evicted + c->malformed +
					      c->no_memory);
}

/* ---- one query ------------------------------------------------------------------------------ */

START_TEST(a_query_is_answered_with_its_id_and_spelling)
{
	ck_assert_int_eq(ask(5, 0x1111, "wWw.Example.ORG"), FORWARD_TAKEN);
	ck_assert_uint_eq(n_sent, 1);
	ck_assert_uint_eq(sent[0].resolver, 0);
	ck_assert_int_eq(sent[0].transport, DNS_OVER_UDP);
	ck_assert_mem_eq(sent[0].msg + 12, "\3wWw\7Example\3ORG", 17);
	answer_with(0, 0, 2);
	ck_assert_uint_eq(n_got, 1);
	ck_assert_uint_eq(got[0].token, 5);
	ck_assert_uint_eq(got[0].id, 0x1111);
	ck_assert_str_eq(got[0].text, "NOERROR ra wWw.Example.ORG 300 A 1.2.3.4 wWw.Example.ORG 300 A 1.2.3.4");
	answer_with(0, 0, 2); /* comes twice */
	ck_assert_uint_eq(n_got, 1);
	expect_nothing_left();
}
END_TEST

/* CVE-2020-25684, -25685, -25686; CVE-2021-3448: what is not from there, to that socket, with that id and question is
 * no answer, and the true one still counts. */
START_TEST(only_the_answer_to_the_question_counts)
{
	uint8_t good[DNS_MSG_MAX], bad[600];
	struct forward_resolver from;
	size_t len;

	(void)ask(5, 1, "www.example.org");
	(void)ask(6, 2, "ftp.example.org");
	len = make_answer(0, 0, 1, good);
	ck_assert_uint_lt(len, sizeof bad);
	for (unsigned i = 0; i < 12; i++) {
		uint32_t slot = sent[0].slot;

		memcpy(bad, good, len);
		from = resolvers[0];
		switch (i) {
		case 0:
			from = resolvers[1];
			break; /* another resolver */
		case 1:
			from.port = 5353;
			break;
		case 2:
			bad[0] ^= 1;
			break; /* another id */
		case 3:
			bad[13] = 'f';
			break; /* another name of the same length */
		case 4:
			bad[30] ^= 1;
			break; /* another type */
		case 5:
			bad[32] ^= 2;
			break; /* another class */
		case 6:
			bad[2] &= 0x7f;
			break; /* a query */
		case 7:
			bad[2] |= 0x08;
			break; /* another opcode */
		case 8:
			slot = sent[1].slot;
			break; /* the socket of another query */
		case 9:
			slot ^= 1u << 16;
			break; /* what that socket was before */
		case 10:
			slot = UINT32_MAX;
			break;
		case 11:
			bad[5] = 0;
			break; /* no question */
		}
		forward_answer(f, slot, &from, bad, len, now);
		ck_assert_msg(n_got == 0 && forward_pending(f) == 2, "%u", i);
	}
	forward_answer(f, sent[0].slot, &resolvers[0], good, 11, now);
	ck_assert_uint_eq(forward_counters(f)->mismatched, 13);
	answer_with(0, 0, 1);
	answer_with(1, 0, 1);
	ck_assert_uint_eq(n_got, 2);
	expect_nothing_left();
}
END_TEST

/* CVE-2021-3448: no port, and no id, is another's. */
START_TEST(ids_and_ports_are_fresh)
{
	unsigned same_id = 0, same_port = 0;
	struct forward *other;

	for (unsigned i = 0; i < 100; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "n%u.example.org", i);
		(void)ask(i, 7, name);
		answer_with(i, 0, 1);
	}
	for (unsigned i = 1; i < 100; i++) {
		same_id += sent[i].id == sent[i - 1].id || sent[i].id == 7;
		same_port += sent[i].port == sent[i - 1].port || sent[i].port == sent[i - 1].port + 1;
	}
	ck_assert_uint_le(same_id, 2);
	ck_assert_uint_le(same_port, 2);
	ck_assert_int_eq(forward_new(8, &ops, NULL, &other), 0);
	forward_set_resolvers(other, resolvers, 1, now);
	n_sent = 0;
	(void)forward_query(other, &(struct forward_client){ 1, 1, DNS_OVER_UDP }, sent[1].msg, sent[1].len, now);
	ck_assert(sent[0].id != sent[1].id || sent[0].port != sent[1].port); /* another seed */
	other = forward_free(other);
}
END_TEST

/* ---- queries that are equal -------------------------------------------------------------------- */

/* CVE-2020-25686, and what dnsmasq got wrong after it: each client has its own id, spelling and token. */
START_TEST(equal_queries_wait_together)
{
	(void)ask_as(1, 10, 100, "www.example.org", EDNS_NONE);
	(void)ask_as(2, 20, 200, "WWW.example.ORG", EDNS_NONE);
	(void)ask_as(3, 30, 100, "www.EXAMPLE.org", EDNS_NONE);
	(void)ask_as(3, 31, 100, "www.EXAMPLE.org", 512); /* with EDNS it is another one */
	ck_assert_uint_eq(n_sent, 2);
	ck_assert_uint_eq(forward_counters(f)->merged, 2);
	answer_with(0, 0, 1);
	ck_assert_uint_eq(n_got, 3);
	ck_assert_str_eq(got[0].name, "www.example.org");
	ck_assert_str_eq(got[1].name, "WWW.example.ORG");
	ck_assert_str_eq(got[2].name, "www.EXAMPLE.org");
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(got[i].token, 10 * (i + 1));
		ck_assert_uint_eq(got[i].id, i == 1 ? 200 : 100);
	}
	answer_with(1, 0, 1);
	expect_nothing_left();
}
END_TEST

START_TEST(a_client_that_asks_again_is_sent_again)
{
	(void)ask(5, 1, "www.example.org");
	now += FORWARD_AGAIN_NS - 1;
	(void)ask(5, 1, "www.example.org"); /* too soon */
	ck_assert_uint_eq(n_sent, 1);
	now += 1;
	(void)ask(5, 1, "WWW.example.org");
	ck_assert_uint_eq(n_sent, 2);
	ck_assert_uint_eq(sent[1].resolver, 1);
	ck_assert(sent[0].id != sent[1].id && sent[0].slot != sent[1].slot);
	ck_assert_uint_eq(forward_waiting(f), 1);
	answer_with(0, 0, 1); /* the first may still answer */
	ck_assert_uint_eq(n_got, 1);
	expect_nothing_left();
	(void)ask(5, 1, "www.example.org");
	for (unsigned i = 0; i < 100; i++) { /* however often: the tries of a query are bounded */
		now += FORWARD_AGAIN_NS;
		(void)ask(5, 1, "www.example.org");
	}
	ck_assert_uint_le(n_sent, 2 + FORWARD_TRIES_MAX);
}
END_TEST

/* ---- resolvers that do not answer ---------------------------------------------------------------- */

START_TEST(the_next_resolver_is_asked_and_servfail_comes_last)
{
	static const struct {
		nsec_t at;
		unsigned resolver;
	} want[] = { { 0, 0 }, { 1, 1 }, { 2, 2 }, { 3, 0 }, { 5, 1 }, { 7, 2 } };

	(void)ask(5, 1, "www.example.org");
	for (size_t i = 0; i < 6; i++) {
		ck_assert_uint_eq(n_sent, i + 1);
		ck_assert_int_eq(now - T0, want[i].at * NSEC_PER_SEC);
		ck_assert_uint_eq(sent[i].resolver, want[i].resolver);
		ck_assert_uint_eq(n_got, 0);
		wait_for_it();
	}
	ck_assert_int_eq(now - T0, 9 * NSEC_PER_SEC);
	ck_assert_uint_eq(n_got, 1);
	ck_assert_uint_eq(got[0].id, 1);
	ck_assert_str_eq(got[0].text, "SERVFAIL ra");
	expect_nothing_left();
}
END_TEST

/* After a dead upstream the table is empty, and the next query is answered. */
START_TEST(the_table_recovers_from_a_dead_resolver)
{
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 2000; i++) {
			char name[32];

			(void)snprintf(name, sizeof name, "n%u-%u.example.org", round, i);
			(void)ask_as(i % 40, i, (uint16_t)i, name, EDNS_NONE);
			now += NSEC_PER_MSEC;
			forward_step(f, now);
		}
		while (forward_next(f) != NSEC_NEVER)
			wait_for_it();
		ck_assert_uint_eq(forward_pending(f), 0);
		ck_assert_uint_eq(forward_waiting(f), 0);
	}
	n_sent = n_got = 0;
	(void)ask(5, 1, "www.example.org");
	answer_with(0, 0, 1);
	ck_assert_uint_eq(n_got, 1);
	expect_nothing_left();
}
END_TEST

START_TEST(the_resolver_that_answers_is_asked_first)
{
	(void)ask(1, 1, "a.example.org");
	wait_for_it();
	answer_with(1, 0, 1);
	(void)ask(2, 2, "b.example.org");
	ck_assert_uint_eq(sent[2].resolver, 1);
	answer_with(2, 0, 1);
	(void)ask(3, 3, "c.example.org");
	forward_failed(f, sent[3].slot, now); /* refused: at once the next */
	sent[3].is_open = false;
	ck_assert_uint_eq(n_sent, 5);
	ck_assert_uint_eq(sent[4].resolver, 2);
	forward_failed(f, sent[3].slot, now); /* is gone */
	ck_assert_uint_eq(n_sent, 5);
	answer_with(4, 0, 1);
	ck_assert_uint_eq(n_got, 3);
	expect_nothing_left();
}
END_TEST

START_TEST(a_resolver_that_is_slow_is_asked_later)
{
	(void)ask(1, 1, "a.example.org");
	wait_for_it();
	(void)ask(2, 2, "b.example.org"); /* before anybody answered */
	ck_assert_uint_eq(sent[2].resolver, 1);
	answer_with(0, 0, 1); /* the first one answers after all */
	(void)ask(3, 3, "c.example.org");
	ck_assert_uint_eq(sent[3].resolver, 0);
	answer_with(2, 0, 1);
	answer_with(3, 0, 1);
	ck_assert_uint_eq(n_got, 3);
	expect_nothing_left();
}
END_TEST

START_TEST(a_resolver_that_refuses_is_passed_over)
{
	(void)ask(1, 1, "a.example.org");
	answer_with(0, DNS_REFUSED, 0);
	ck_assert_uint_eq(n_sent, 2);
	answer_with(1, DNS_SERVFAIL, 0);
	ck_assert_uint_eq(n_sent, 3);
	ck_assert_uint_eq(n_got, 0);
	answer_with(2, DNS_SERVFAIL, 0); /* the last one's word is passed on */
	ck_assert_str_eq(got[0].text, "SERVFAIL ra");
	(void)ask(1, 2, "b.example.org");
	answer_with(3, DNS_NXDOMAIN, 0); /* which is an answer */
	ck_assert_str_eq(got[1].text, "NXDOMAIN ra");
	expect_nothing_left();
}
END_TEST

START_TEST(an_error_without_a_question_is_a_failed_try)
{
	uint8_t error[12] = { 0 };

	(void)ask(1, 1, "a.example.org");
	store_be16(error, sent[0].id);
	store_be16(error + 2, DNS_QR | DNS_FORMERR);
	forward_answer(f, sent[0].slot, &resolvers[0], error, sizeof error, now);
	ck_assert_uint_eq(n_got, 0);
	ck_assert_uint_eq(n_sent, 2);
	answer_with(1, 0, 1);
	ck_assert_uint_eq(n_got, 1);
	expect_nothing_left();
}
END_TEST

/* CVE-2017-14491's kin, CVE-2020-25681…25683, -25687: what does not parse never reaches a guest. */
START_TEST(a_malformed_answer_is_servfail)
{
	static uint8_t buf[DNS_MSG_MAX];
	size_t len;

	(void)ask(1, 9, "a.example.org");
	len = make_answer(0, 0, 3, buf);
	forward_answer(f, sent[0].slot, &resolvers[0], buf, len - 1, now);
	ck_assert_uint_eq(n_got, 1);
	ck_assert_str_eq(got[0].text, "SERVFAIL ra");
	ck_assert_uint_eq(got[0].id, 9);
	ck_assert_uint_eq(forward_counters(f)->bad_answers, 1);
	expect_nothing_left();
}
END_TEST

/* ---- sizes ------------------------------------------------------------------------------------------ */

START_TEST(a_truncated_answer_is_asked_for_over_tcp)
{
	struct forward_client tcp = { 2, 77, DNS_OVER_TCP };
	uint8_t query[QUERY_SIZE];
	size_t len = dns_query_make(query, 4, "a.example.org", DNS_A, EDNS_NONE);

	(void)ask(1, 9, "a.example.org");
	(void)forward_query(f, &tcp, query, len, now);
	answer_with(0, DNS_TC, 1);
	ck_assert_uint_eq(n_got, 0);
	ck_assert_uint_eq(n_sent, 2);
	ck_assert_int_eq(sent[1].transport, DNS_OVER_TCP);
	ck_assert_uint_eq(sent[1].resolver, 0);
	ck_assert(!sent[0].is_open);
	answer_with(1, 0, 100); /* more than 512 bytes */
	ck_assert_uint_eq(n_got, 2);
	ck_assert_str_eq(got[0].text, "NOERROR tc ra"); /* over UDP */
	ck_assert_uint_eq(got[0].id, 9);
	ck_assert_uint_eq(got[1].len, 12 + 19 + 100 * 16); /* over TCP */
	ck_assert_uint_eq(got[1].id, 4);
	expect_nothing_left();
}
END_TEST

START_TEST(a_tcp_that_fails_is_followed_by_the_next_resolver)
{
	(void)ask(1, 9, "a.example.org");
	answer_with(0, DNS_TC, 0);
	forward_failed(f, sent[1].slot, now);
	sent[1].is_open = false;
	ck_assert_uint_eq(n_sent, 3);
	ck_assert_int_eq(sent[2].transport, DNS_OVER_UDP);
	ck_assert_uint_eq(sent[2].resolver, sent[1].resolver + 1);
	answer_with(2, DNS_TC, 0);
	ck_assert_int_eq(forward_next(f), now + FORWARD_TCP_NS);
	wait_for_it();
	while (forward_next(f) != NSEC_NEVER)
		wait_for_it();
	ck_assert_str_eq(got[0].text, "SERVFAIL ra");
	expect_nothing_left();
}
END_TEST

/* CVE-2023-28450: no resolver is asked for more than 1,232 bytes; what a client takes is its own affair. */
START_TEST(edns_asks_for_no_more_than_passes_whole)
{
	static const int sizes[][2] = { { 512, 512 }, { 1232, 1232 }, { 1233, 1232 }, { 65535, 1232 } };

	for (unsigned i = 0; i < 4; i++) {
		struct dns_msg m;
		char name[32];

		(void)snprintf(name, sizeof name, "n%u.example.org", i);
		(void)ask_as(1, i, 1, name, sizes[i][0]);
		ck_assert_int_eq(dns_msg_parse(sent[i].msg, sent[i].len, &m), DNS_WELL_FORMED);
		ck_assert_uint_eq(m.udp_size, (unsigned)sizes[i][1]);
		answer_with(i, 0, 40); /* 12 + 20 + 640 bytes */
		ck_assert_str_eq(i == 0 ? got[i].text : "NOERROR tc ra | / OPT 1232", "NOERROR tc ra | / OPT 1232");
		ck_assert_int_eq(strncmp(got[i].text, "NOERROR ra n", 12) == 0, i > 0);
	}
	expect_nothing_left();
}
END_TEST

/* CVE-2023-50387, CVE-2020-25681…25687: nothing is validated, and so nothing of signatures is computed or sorted: they
 * pass as they are. */
START_TEST(signatures_pass_as_they_are)
{
	static uint8_t buf[DNS_MSG_MAX];
	struct forward_client tcp = { 1, 1, DNS_OVER_TCP };
	struct dns_msg m;
	struct dns_writer w;
	size_t len;

	(void)forward_query(f, &tcp, buf, dns_query_make(buf, 9, "a.example.org", DNS_A, 1232), now);
	(void)dns_msg_parse(sent[0].msg, sent[0].len, &m);
	dns_write_begin(&w, buf, sizeof buf, m.header.id, DNS_QR | DNS_RA | DNS_AD);
	(void)dns_write_question(&w, &m.question);
	for (unsigned i = 0; i < 600; i++) { /* keys and signatures, of bytes that are none */
		struct dns_mark mark = dns_write_rr(&w, NULL, i % 2 ? 46 : 48, 60);

		for (unsigned j = 0; j < 80; j++)
			wire_put_u8(&w.w, (uint8_t)(i * j));
		ck_assert(dns_write_rr_end(&w, &mark, DNS_ANSWER_SECTION));
	}
	ck_assert(dns_write_opt(&w, 1232, 0, true));
	len = dns_write_end(&w);
	forward_answer(f, sent[0].slot, &resolvers[0], buf, len, now);
	ck_assert_uint_eq(n_got, 1);
	ck_assert_uint_eq(got[0].len, len);
	ck_assert_uint_eq(load_be16(last), 9);
	ck_assert_mem_eq(last + 2, buf + 2, len - 2);
	expect_nothing_left();
}
END_TEST

START_TEST(what_is_no_query_is_not_forwarded)
{
	struct forward_client c = { 1, 1, DNS_OVER_TCP };
	uint8_t query[FORWARD_QUERY_MAX + 100] = { 0 };
	size_t len = dns_query_make(query, 1, "a.example.org", DNS_A, 1232);

	ck_assert_int_eq(forward_query(f, &c, query, len - 1, now), FORWARD_MALFORMED);
	query[2] |= 0x80;
	ck_assert_int_eq(forward_query(f, &c, query, len, now), FORWARD_MALFORMED);
	query[2] = 0x28;
	ck_assert_int_eq(forward_query(f, &c, query, len, now), FORWARD_MALFORMED);
	query[2] = 1;
	store_be16(query + len - 2, (uint16_t)(FORWARD_QUERY_MAX + 1 - len)); /* a padding option */
	store_be16(query + len, 12);
	store_be16(query + len + 2, (uint16_t)(FORWARD_QUERY_MAX + 1 - len - 4));
	ck_assert_int_eq(forward_query(f, &c, query, FORWARD_QUERY_MAX + 1, now), FORWARD_MALFORMED);
	store_be16(query + len - 2, (uint16_t)(FORWARD_QUERY_MAX - len));
	store_be16(query + len + 2, (uint16_t)(FORWARD_QUERY_MAX - len - 4));
	ck_assert_int_eq(forward_query(f, &c, query, 11, now), FORWARD_MALFORMED);
	ck_assert_uint_eq(n_sent, 0);
	expect_nothing_left();
}
END_TEST

/* ---- room ------------------------------------------------------------------------------------------------ */

/* A guest that floods loses its own queries; one that asks once a second is served. */
START_TEST(a_flood_hurts_its_own_source_only)
{
	(void)ask_as(1000, 1, 1, "quiet.example.org", EDNS_NONE);
	for (unsigned i = 0; i < 4000; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "n%u.example.org", i);
		(void)ask_as(i % 5, i, (uint16_t)i, name, EDNS_NONE);
		ck_assert_uint_le(forward_pending(f), FORWARD_PENDING_COUNT);
	}
	ck_assert_uint_gt(forward_counters(f)->evicted, 0);
	(void)ask_as(1001, 2, 2, "late.example.org", EDNS_NONE);
	answer_with(0, 0, 1);
	ck_assert_uint_eq(n_got, 1);
	ck_assert_uint_eq(got[0].token, 1);
	answer_with(n_sent - 1, 0, 1);
	ck_assert_uint_eq(got[1].token, 2);
	while (forward_next(f) != NSEC_NEVER)
		wait_for_it();
	ck_assert_uint_eq(forward_waiting(f), 0);
}
END_TEST

START_TEST(a_source_has_a_limit)
{
	for (unsigned i = 0; i < FORWARD_SOURCE_MAX + 10; i++) /* equal queries of many clients count, too */
		ck_assert_int_eq(ask(i, (uint16_t)i, "www.example.org"),
				 i < FORWARD_SOURCE_MAX ? FORWARD_TAKEN : FORWARD_LIMITED);
	ck_assert_uint_eq(n_sent, 1);
	ck_assert_int_eq(ask_as(2, 0, 0, "www.example.org", EDNS_NONE), FORWARD_TAKEN);
	answer_with(0, 0, 1);
	ck_assert_uint_eq(n_got, FORWARD_SOURCE_MAX + 1);
	expect_nothing_left();
}
END_TEST

START_TEST(equal_queries_are_bounded)
{
	for (unsigned i = 0; i < FORWARD_WAITER_COUNT + 500; i++)
		(void)ask_as(i / 50, i, (uint16_t)i, "www.example.org", EDNS_NONE);
	ck_assert_uint_eq(forward_waiting(f), FORWARD_WAITER_COUNT);
	ck_assert_uint_eq(forward_counters(f)->evicted, 500);
	answer_with(0, 0, 1);
	ck_assert_uint_eq(n_got, FORWARD_WAITER_COUNT);
	expect_nothing_left();
}
END_TEST

/* ---- resolvers change --------------------------------------------------------------------------------------- */

START_TEST(other_resolvers_are_asked_what_waits)
{
	(void)ask(1, 1, "a.example.org");
	forward_set_resolvers(f, resolvers + 1, 1, now);
	ck_assert(!sent[0].is_open);
	ck_assert_uint_eq(n_sent, 2);
	forward_answer(f, sent[0].slot, &resolvers[0], sent[0].msg, sent[0].len, now);
	ck_assert_uint_eq(n_got, 0);
	forward_set_resolvers(f, resolvers, 0, now);
	ck_assert_str_eq(got[0].text, "SERVFAIL ra");
	(void)ask(1, 2, "b.example.org");
	ck_assert_str_eq(got[1].text, "SERVFAIL ra");
	expect_nothing_left();
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("forward");
	TCase *tc = tcase_create("forward");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_query_is_answered_with_its_id_and_spelling);
	tcase_add_test(tc, only_the_answer_to_the_question_counts);
	tcase_add_test(tc, ids_and_ports_are_fresh);
	tcase_add_test(tc, equal_queries_wait_together);
	tcase_add_test(tc, a_client_that_asks_again_is_sent_again);
	tcase_add_test(tc, the_next_resolver_is_asked_and_servfail_comes_last);
	tcase_add_test(tc, the_table_recovers_from_a_dead_resolver);
	tcase_add_test(tc, the_resolver_that_answers_is_asked_first);
	tcase_add_test(tc, a_resolver_that_is_slow_is_asked_later);
	tcase_add_test(tc, a_resolver_that_refuses_is_passed_over);
	tcase_add_test(tc, an_error_without_a_question_is_a_failed_try);
	tcase_add_test(tc, a_malformed_answer_is_servfail);
	tcase_add_test(tc, a_truncated_answer_is_asked_for_over_tcp);
	tcase_add_test(tc, a_tcp_that_fails_is_followed_by_the_next_resolver);
	tcase_add_test(tc, edns_asks_for_no_more_than_passes_whole);
	tcase_add_test(tc, signatures_pass_as_they_are);
	tcase_add_test(tc, what_is_no_query_is_not_forwarded);
	tcase_add_test(tc, a_flood_hurts_its_own_source_only);
	tcase_add_test(tc, a_source_has_a_limit);
	tcase_add_test(tc, equal_queries_are_bounded);
	tcase_add_test(tc, other_resolvers_are_asked_what_waits);
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(make_suite);
