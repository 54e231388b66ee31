/* tests/teams/check_uplink_dns.c: queries that a real uplink asks of resolvers, which the test is. */
#include "core/wire.h"
#include "dns/dns_msg.h"
#include "teams/uplink_dns.h"
#include "tests/teams/uplink_rig.h"
#include "tests/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RESOLVER_PORT = 5353, BUF = 66000, QUIET_MS = 60 };

static struct uplink_dns_network networks[2];
static const struct uplink_dns_config cfg = { .networks = networks, .n_networks = 2 };
static const struct part parts[] = { { .ops = &uplink_dns_part, .cfg = &cfg } };
static bool is_there;
static int resolver = -1, resolver2 = -1; /* 10.99.0.1, 10.99.0.2 */
static uint8_t buf[BUF];
static struct message got;

static void use(struct uplink_dns_network *n, const char *const *ips, size_t n_ips)
{
	struct ip_addr list[4];

	for (size_t i = 0; i < n_ips; i++)
		list[i] = uplink_rig_ip(ips[i]);
	uplink_dns_use(n, list, n_ips);
	n->forwards = true;
	for (size_t i = 0; i < n_ips; i++) {
		ck_assert_uint_eq(n->resolvers[i].port, 53);
		n->resolvers[i].port = RESOLVER_PORT;
	}
}

/* Network 0 asks two resolvers, network 1 one that may be dead. */
static void setup(void)
{
	static const char *const both[] = { "10.99.0.1", "10.99.0.2" }, *const dead[] = { "10.99.0.3" };

	is_there = uplink_rig_enter();
	if (!is_there)
		return;
	use(&networks[0], both, 2);
	use(&networks[1], dead, 1);
	uplink_rig_begin(parts, 1, 2);
	/* Sockets that were opened before would be open in the uplink, too. */
	resolver = uplink_rig_udp("10.99.0.1", RESOLVER_PORT);
	resolver2 = uplink_rig_udp("10.99.0.2", RESOLVER_PORT);
}

static void teardown(void)
{
	if (!is_there)
		return;
	uplink_rig_end();
	(void)close(resolver);
	(void)close(resolver2);
}

/* ---- messages -------------------------------------------------------------------------- */

/* A query for an address of NAME. Returns its length. */
static size_t make_query(uint16_t id, const char *label, uint8_t *out)
{
	struct wire_writer w = wire_write_to(out, 512);

	wire_put_be16(&w, id);
	wire_put_bytes(&w, "\1\0\0\1\0\0\0\0\0\0", 10);
	wire_put_u8(&w, (uint8_t)strlen(label));
	wire_put_bytes(&w, label, strlen(label));
	wire_put_bytes(&w, "\3com\0\0\1\0\1", 9);
	ck_assert(!w.failed);
	return wire_put_len(&w);
}

static void ask(uint16_t network, uint16_t id, const char *label, bool is_tcp)
{
	uint8_t q[512];

	uplink_rig_query(network, 7, id, is_tcp, q, make_query(id, label, q));
}

struct asked {
	struct sockaddr_in from;
	size_t len;
	uint16_t id;
};

/* Takes a query at @fd into buf. */
static struct asked take_query(int fd)
{
	struct asked a = { .len = 0 };
	socklen_t size = sizeof a.from;
	ssize_t n;

	ck_assert_msg(uplink_rig_wait(fd, UPLINK_PATIENCE_MS), "no query came");
	n = recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&a.from, &size);
	ck_assert_int_gt(n, DNS_HEADER_LEN);
	a.len = (size_t)n;
	a.id = load_be16(buf);
	return a;
}

/* Makes the query in buf an answer with the address 192.0.2.@last. Returns its length. */
static size_t make_answer(size_t len, uint8_t last)
{
	buf[2] |= 0x80;
	buf[3] |= 0x80;
	buf[7] = 1;
	memcpy(buf + len, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2", 15);
	buf[len + 15] = last;
	return len + 16;
}

static void reply(int fd, const struct asked *a, size_t len)
{
	ck_assert_int_eq(sendto(fd, buf, len, 0, (const struct sockaddr *)&a->from, sizeof a->from), (ssize_t)len);
}

static void expect(uint16_t network, uint16_t id, unsigned rcode, int last)
{
	ck_assert_msg(uplink_rig_answer(network, &got, UPLINK_PATIENCE_MS), "no answer came");
	ck_assert_uint_eq(got.token, id);
	ck_assert_uint_eq(got.source, 7);
	ck_assert_uint_eq(load_be16(got.dns), id);
	ck_assert_uint_eq(load_be16(got.dns + 2) & DNS_RCODE_MASK, rcode);
	if (last >= 0)
		ck_assert_int_eq(got.dns[got.dns_len - 1], last);
}

static void expect_no_sockets(void)
{
	for (unsigned i = 0; i < 200 && uplink_rig_counter("dns", "sockets"); i++)
		(void)usleep(5000);
	ck_assert_int_eq(uplink_rig_counter("dns", "sockets"), 0);
	ck_assert_int_eq(uplink_rig_counter("dns", "waiting"), 0);
}

/* ---- over UDP ------------------------------------------------------------------------------ */

START_TEST(an_answer_comes_back_with_the_guests_id)
{
	struct asked a, b;

	if (!is_there)
		return;
	ask(0, 77, "example", false);
	a = take_query(resolver);
	reply(resolver, &a, make_answer(a.len, 9));
	expect(0, 77, DNS_NOERROR, 9);
	ask(0, 78, "other", false);
	b = take_query(resolver);
	reply(resolver, &b, make_answer(b.len, 10));
	expect(0, 78, DNS_NOERROR, 10);
	/* Ids and ports are of each query's own. */
	ck_assert(a.id != b.id || a.from.sin_port != b.from.sin_port);
	ck_assert_uint_ne(a.from.sin_port, b.from.sin_port);
	expect_no_sockets();
}
END_TEST

START_TEST(only_what_was_asked_there_is_believed)
{
	int stranger;
	struct asked a;
	size_t len;

	if (!is_there)
		return;
	stranger = uplink_rig_udp("10.99.0.3", RESOLVER_PORT);
	ask(0, 77, "example", false);
	a = take_query(resolver);
	len = make_answer(a.len, 66);
	reply(stranger, &a, len); /* another address */
	(void)close(stranger);
	stranger = uplink_rig_udp("10.99.0.1", RESOLVER_PORT + 1);
	reply(stranger, &a, len); /* another port */
	store_be16(buf, (uint16_t)(a.id + 1));
	reply(resolver, &a, len); /* another id */
	store_be16(buf, a.id);
	buf[DNS_HEADER_LEN + 1] = 'x';
	reply(resolver, &a, len); /* another question */
	buf[DNS_HEADER_LEN + 1] = 'e';
	reply(resolver, &a, 5); /* no header */
	ck_assert(!uplink_rig_answer(0, &got, QUIET_MS));
	buf[len - 1] = 9;
	reply(resolver, &a, len);
	expect(0, 77, DNS_NOERROR, 9);
	/* The kernel kept strangers away; the machine counted the rest. */
	ck_assert_int_eq(uplink_rig_counter("dns", "mismatched"), 3);
	(void)close(stranger);
	expect_no_sockets();
}
END_TEST

START_TEST(garbage_is_told_as_servfail)
{
	struct asked a;

	if (!is_there)
		return;
	ask(0, 77, "example", false);
	a = take_query(resolver);
	(void)make_answer(a.len, 9);
	memset(buf + a.len, 0xff, 40);
	reply(resolver, &a, a.len + 40);
	expect(0, 77, DNS_SERVFAIL, -1);
	ck_assert_int_eq(uplink_rig_counter("dns", "bad-answers"), 1);
	expect_no_sockets();
}
END_TEST

START_TEST(a_refused_resolver_is_followed_by_the_next_at_once)
{
	nsec_t begin;
	struct asked a;

	if (!is_there)
		return;
	(void)close(resolver);
	begin = clock_now();
	ask(0, 77, "example", false);
	a = take_query(resolver2);
	reply(resolver2, &a, make_answer(a.len, 9));
	expect(0, 77, DNS_NOERROR, 9);
	/* Less than the time after which a silent one is given up. */
	ck_assert_int_lt(clock_now() - begin, FORWARD_TRY_NS);
	resolver = uplink_rig_udp("10.99.0.1", RESOLVER_PORT);
	expect_no_sockets();
}
END_TEST

START_TEST(a_silent_resolver_is_followed_by_the_next)
{
	struct asked a;

	if (!is_there)
		return;
	ask(0, 77, "example", false);
	(void)take_query(resolver);
	a = take_query(resolver2);
	reply(resolver2, &a, make_answer(a.len, 9));
	expect(0, 77, DNS_NOERROR, 9);
	expect_no_sockets();
}
END_TEST

START_TEST(a_dead_resolver_costs_servfail_and_other_networks_nothing)
{
	struct asked a;

	if (!is_there)
		return;
	for (uint16_t i = 0; i < 100; i++) {
		char label[16];

		(void)snprintf(label, sizeof label, "dead%u", i);
		ask(1, i, label, false);
	}
	ask(0, 77, "example", false);
	a = take_query(resolver);
	reply(resolver, &a, make_answer(a.len, 9));
	expect(0, 77, DNS_NOERROR, 9);
	for (uint16_t i = 0; i < 100; i++) {
		ck_assert(uplink_rig_answer(1, &got, UPLINK_PATIENCE_MS));
		ck_assert_uint_eq(load_be16(got.dns + 2) & DNS_RCODE_MASK, DNS_SERVFAIL);
	}
	expect_no_sockets();
}
END_TEST

/* ---- over TCP ------------------------------------------------------------------------------- */

/* Takes the query of a connection into buf, without its length. */
static size_t read_stream(int fd)
{
	size_t have = 0;

	while (have < 2 || have < 2u + load_be16(buf)) {
		ssize_t n;

		ck_assert(uplink_rig_wait(fd, UPLINK_PATIENCE_MS));
		n = recv(fd, buf + have, sizeof buf - have, 0);
		ck_assert_int_gt(n, 0);
		have += (size_t)n;
	}
	ck_assert_uint_eq(have, 2u + load_be16(buf));
	memmove(buf, buf + 2, have - 2);
	return have - 2;
}

/* Asks, and has the answer cut; takes the connection that follows, and its query into buf. Returns the query's length. */
static size_t ask_cut(uint16_t id, bool is_tcp, int listener, int *ret_fd)
{
	struct asked a;

	ask(0, id, "example", is_tcp);
	a = take_query(resolver);
	buf[2] |= 0x82; /* QR, TC */
	reply(resolver, &a, a.len);
	ck_assert(uplink_rig_wait(listener, UPLINK_PATIENCE_MS));
	*ret_fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(*ret_fd, 0);
	return read_stream(*ret_fd);
}

/* Sends the message in buf, cut in pieces. */
static void send_stream(int fd, size_t len, size_t piece)
{
	static uint8_t out[BUF];

	store_be16(out, (uint16_t)len);
	memcpy(out + 2, buf, len);
	for (size_t at = 0; at < len + 2; at += piece) {
		size_t n = len + 2 - at < piece ? len + 2 - at : piece;

		ck_assert_int_eq(send(fd, out + at, n, MSG_NOSIGNAL), (ssize_t)n);
		if (piece < 100)
			(void)usleep(1000);
	}
}

START_TEST(a_truncated_answer_is_asked_for_over_tcp)
{
	int listener, fd;
	size_t len;

	if (!is_there)
		return;
	listener = uplink_rig_listen("10.99.0.1", RESOLVER_PORT);
	len = make_answer(ask_cut(77, _i == 1, listener, &fd), 9);
	send_stream(fd, len, _i == 2 ? 7 : 1000);
	expect(0, 77, DNS_NOERROR, 9);
	ck_assert_int_eq(uplink_rig_counter("dns", "sent-tcp"), 1);
	(void)close(fd);
	(void)close(listener);
	expect_no_sockets();
}
END_TEST

START_TEST(a_long_answer_is_whole_over_tcp_and_truncated_over_udp)
{
	int listener, fd;
	size_t len;

	if (!is_there)
		return;
	listener = uplink_rig_listen("10.99.0.1", RESOLVER_PORT);
	len = ask_cut(77, _i, listener, &fd);
	buf[2] |= 0x80;
	for (unsigned i = 0; i < 4000; i++) {
		memcpy(buf + len, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1", 16);
		len += 16;
	}
	store_be16(buf + 6, 4000);
	send_stream(fd, len, BUF);
	expect(0, 77, DNS_NOERROR, -1);
	ck_assert_int_eq(got.transport, _i);
	ck_assert_uint_eq(load_be16(got.dns + 2) & DNS_TC, _i ? 0 : DNS_TC);
	ck_assert_uint_eq(got.dns_len, _i ? len : 29);
	(void)close(fd);
	(void)close(listener);
	expect_no_sockets();
}
END_TEST

/* Whoever ends, resets, refuses or sends nonsense over TCP is followed by the next resolver. */
START_TEST(a_tcp_connection_that_fails_is_followed_by_the_next_resolver)
{
	static const struct linger hard = { .l_onoff = 1 };
	int listener, fd = -1;
	struct asked a;
	nsec_t begin;

	if (!is_there)
		return;
	listener = uplink_rig_listen("10.99.0.1", RESOLVER_PORT);
	begin = clock_now();
	if (_i == 3) {
		(void)close(listener);
		ask(0, 77, "example", false);
		a = take_query(resolver);
		buf[2] |= 0x82;
		reply(resolver, &a, a.len);
	} else {
		(void)ask_cut(77, false, listener, &fd);
		if (_i == 1)
			ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
		if (_i == 2) /* a length that no message has */
			ck_assert_int_eq(send(fd, "\0\3abc", 5, MSG_NOSIGNAL), 5);
		else
			(void)close(fd);
	}
	a = take_query(resolver2);
	reply(resolver2, &a, make_answer(a.len, 9));
	expect(0, 77, DNS_NOERROR, 9);
	ck_assert_int_lt(clock_now() - begin, FORWARD_TRY_NS);
	expect_no_sockets();
}
END_TEST

/* ---- whom to ask ------------------------------------------------------------------------------ */

START_TEST(the_hosts_resolvers_are_read)
{
	struct uplink_dns_network n = { 0 };
	struct ip_addr loopback = uplink_rig_ip("127.0.0.53"), local = uplink_rig_ip("fe80::1");

	uplink_dns_use_host(&n, "# of the host\nnameserver 127.0.0.53\nnameserver fe80::1%7\nsearch x\n");
	ck_assert_uint_eq(n.n_resolvers, 2);
	ck_assert(ip_equal(&n.resolvers[0].ip, &loopback) && n.resolvers[0].port == 53 && n.scopes[0] == 0);
	ck_assert(ip_equal(&n.resolvers[1].ip, &local) && n.scopes[1] == 7);
	uplink_dns_use_host(&n, "");
	ck_assert_uint_eq(n.n_resolvers, 0);
}
END_TEST

START_TEST(without_a_resolver_servfail_comes_at_once)
{
	if (!uplink_rig_enter())
		return;
	networks[0] = (struct uplink_dns_network){ .forwards = true };
	networks[1] = (struct uplink_dns_network){ .forwards = false };
	uplink_rig_begin(parts, 1, 2);
	ask(0, 77, "example", false);
	expect(0, 77, DNS_SERVFAIL, -1);
	ask(1, 78, "example", true);
	expect(1, 78, DNS_SERVFAIL, -1);
	uplink_rig_query(0, 7, 1, false, (const uint8_t *)"nonsense", 8);
	ck_assert(!uplink_rig_answer(0, &got, QUIET_MS));
	ck_assert_int_eq(uplink_rig_counter("dns", "malformed"), 1);
	ck_assert_int_eq(uplink_rig_counter("dns", "sent"), 0);
	uplink_rig_end();
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("uplink_dns");
	TCase *t = tcase_create("resolvers"), *none = tcase_create("none");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, an_answer_comes_back_with_the_guests_id);
	tcase_add_test(t, only_what_was_asked_there_is_believed);
	tcase_add_test(t, garbage_is_told_as_servfail);
	tcase_add_test(t, a_refused_resolver_is_followed_by_the_next_at_once);
	tcase_add_test(t, a_silent_resolver_is_followed_by_the_next);
	tcase_add_test(t, a_dead_resolver_costs_servfail_and_other_networks_nothing);
	tcase_add_loop_test(t, a_truncated_answer_is_asked_for_over_tcp, 0, 3);
	tcase_add_loop_test(t, a_long_answer_is_whole_over_tcp_and_truncated_over_udp, 0, 2);
	tcase_add_loop_test(t, a_tcp_connection_that_fails_is_followed_by_the_next_resolver, 0, 4);
	suite_add_tcase(s, t);
	tcase_add_test(none, the_hosts_resolvers_are_read);
	tcase_add_test(none, without_a_resolver_servfail_comes_at_once);
	suite_add_tcase(s, none);
	return s;
}

UNIT_MAIN(make_suite);
