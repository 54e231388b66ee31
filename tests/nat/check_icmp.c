/* tests/nat/check_icmp.c: error queue entries as ICMP errors about the guest's own packet. */
#include "nat/icmp.h"
#include "tests/unit.h"

#include <errno.h>
#include <time.h>
#include <linux/errqueue.h>
#include <string.h>

static const struct {
	const char *name;
	struct icmp_queued q;
	bool told;
	uint8_t type, code;
	uint32_t rest;
} rows[] = {
	{ "port unreachable", { IP_V4, SO_EE_ORIGIN_ICMP, 3, 3, ECONNREFUSED, 0, { 0 } }, true, 3, 3, 0 },
	{ "fragmentation needed keeps its MTU", { IP_V4, SO_EE_ORIGIN_ICMP, 3, 4, EMSGSIZE, 1400, { 0 } }, true, 3, 4, 1400 },
	{ "time exceeded", { IP_V4, SO_EE_ORIGIN_ICMP, 11, 0, EHOSTUNREACH, 0, { 0 } }, true, 11, 0, 0 },
	{ "a pointer", { IP_V4, SO_EE_ORIGIN_ICMP, 12, 0, EPROTO, 20, { 0 } }, true, 12, 0, 20u << 24 },
	{ "a redirect is not told", { IP_V4, SO_EE_ORIGIN_ICMP, 5, 1, EHOSTUNREACH, 0, { 0 } }, false, 0, 0, 0 },
	{ "a source quench is not told", { IP_V4, SO_EE_ORIGIN_ICMP, 4, 0, 0, 0, { 0 } }, false, 0, 0, 0 },
	{ "too big by our own route", { IP_V4, SO_EE_ORIGIN_LOCAL, 0, 0, EMSGSIZE, 1280, { 0 } }, true, 3, 4, 1280 },
	{ "too big by our own route, IPv6", { IP_V6, SO_EE_ORIGIN_LOCAL, 0, 0, EMSGSIZE, 1280, { 0 } }, true, 2, 0, 1280 },
	{ "no neighbour answered", { IP_V4, SO_EE_ORIGIN_LOCAL, 0, 0, EHOSTUNREACH, 0, { 0 } }, true, 3, 1, 0 },
	{ "unreachable, IPv6", { IP_V6, SO_EE_ORIGIN_ICMP6, 1, 4, ECONNREFUSED, 0, { 0 } }, true, 1, 4, 0 },
	{ "too big, IPv6", { IP_V6, SO_EE_ORIGIN_ICMP6, 2, 0, EMSGSIZE, 1300, { 0 } }, true, 2, 0, 1300 },
	{ "time exceeded, IPv6", { IP_V6, SO_EE_ORIGIN_ICMP6, 3, 0, EHOSTUNREACH, 9, { 0 } }, true, 3, 0, 0 },
	{ "an echo is no error", { IP_V6, SO_EE_ORIGIN_ICMP6, 128, 0, 0, 0, { 0 } }, false, 0, 0, 0 },
	{ "the families do not mix", { IP_V6, SO_EE_ORIGIN_ICMP, 3, 3, ECONNREFUSED, 0, { 0 } }, false, 0, 0, 0 },
	{ "a timestamp is no error", { IP_V4, SO_EE_ORIGIN_TIMESTAMPING, 0, 0, ENOMSG, 0, { 0 } }, false, 0, 0, 0 },
};

START_TEST(entries_are_translated)
{
	struct icmp_cause c;

	ck_assert_msg(icmp_from_queue(&rows[_i].q, &c) == rows[_i].told, "%s", rows[_i].name);
	if (rows[_i].told)
		ck_assert_msg(c.type == rows[_i].type && c.code == rows[_i].code && c.rest == rows[_i].rest, "%s: %u/%u/%x",
			      rows[_i].name, c.type, c.code, c.rest);
}
END_TEST

static struct ip_addr ip(const char *text)
{
	struct ip_addr a;

	ck_assert_int_eq(ip_parse(text, &a), 0);
	return a;
}

static size_t make_udp(const char *src, const char *dst, size_t len, uint8_t *buf, size_t size)
{
	struct packet_ip head = { .src = ip(src), .dst = ip(dst), .ttl = 1, .proto = PROTO_UDP };
	struct wire_writer w = wire_write_to(buf, size);
	static const uint8_t payload[4000];

	packet_put_ip_udp(&w, &head, 4000, 33434, payload, len);
	ck_assert(!w.failed);
	return wire_put_len(&w);
}

START_TEST(an_error_quotes_the_guests_packet)
{
	bool is6 = _i & 1, is_long = _i & 2;
	struct ip_addr router = ip(is6 ? "fd00::1" : "10.0.0.1"), hop = ip(is6 ? "2001:db8::9" : "192.0.2.9");
	struct icmp_cause c = { .offender = hop, .type = is6 ? 3 : 11 };
	uint8_t buf[5000], out[ICMP_ERROR_MAX];
	size_t n = make_udp(is6 ? "fd00::2" : "10.0.0.2", is6 ? "2001:db8::1" : "192.0.2.1", is_long ? 3000 : 10, buf,
			    sizeof buf);
	size_t len = icmp_put(&c, &router, buf, n, out);
	struct packet p, quoted;
	struct ip_addr guest = ip(is6 ? "fd00::2" : "10.0.0.2");

	ck_assert_int_eq(packet_parse_ip(out, len, true, &p), PACKET_OK);
	ck_assert(packet_checksums_ok(&p));
	ck_assert(ip_equal(&p.src, &hop) && ip_equal(&p.dst, &guest));
	ck_assert_uint_eq(p.icmp_type, c.type);
	ck_assert_uint_le(len, is6 ? 1280u : 576u);
	if (is_long)
		ck_assert_uint_eq(len, is6 ? 1280u : 576u);
	ck_assert_int_eq(packet_parse_ip(out + p.payload, p.payload_len, false, &quoted), PACKET_OK);
	ck_assert(ip_equal(&quoted.src, &guest) && quoted.src_port == 4000 && quoted.dst_port == 33434);
	c.offender.family = IP_NONE;
	len = icmp_put(&c, &router, buf, n, out);
	ck_assert_int_eq(packet_parse_ip(out, len, true, &p), PACKET_OK);
	ck_assert(ip_equal(&p.src, &router));
	router = ip(is6 ? "10.0.0.1" : "fd00::1");
	ck_assert_uint_eq(icmp_put(&c, &router, buf, n, out), 0);
}
END_TEST

START_TEST(errors_about_errors_are_not_sent)
{
	struct ip_addr router = ip("10.0.0.1");
	struct icmp_cause c = icmp_prohibited(IP_V4);
	uint8_t buf[200], out[ICMP_ERROR_MAX];
	size_t n = make_udp("10.0.0.2", "192.0.2.1", 10, buf, sizeof buf);
	struct packet p;

	ck_assert_int_eq(packet_parse_ip(buf, n, true, &p), PACKET_OK);
	ck_assert(icmp_may_answer(&p));
	n = icmp_put(&c, &router, buf, n, out);
	ck_assert_int_eq(packet_parse_ip(out, n, true, &p), PACKET_OK);
	ck_assert_uint_eq(p.icmp_code, 13);
	ck_assert(!icmp_may_answer(&p));
	n = make_udp("10.0.0.2", "224.0.0.1", 10, buf, sizeof buf);
	ck_assert_int_eq(packet_parse_ip(buf, n, true, &p), PACKET_OK);
	ck_assert(!icmp_may_answer(&p));
	n = make_udp("0.0.0.0", "192.0.2.1", 10, buf, sizeof buf);
	ck_assert_int_eq(packet_parse_ip(buf, n, true, &p), PACKET_OK);
	ck_assert(!icmp_may_answer(&p));
}
END_TEST

START_TEST(errors_have_a_rate_for_each_source)
{
	struct icmp_limit *l = calloc(1, sizeof *l);
	unsigned n = 0;

	ck_assert_ptr_nonnull(l);
	icmp_limit_init(l, 3, 0);
	while (n < 1000 && icmp_limit_take(l, 1, 0))
		n++;
	ck_assert_uint_eq(n, ICMP_BURST);
	ck_assert(icmp_limit_take(l, 2, 0));
	ck_assert(icmp_limit_take(l, 1, NSEC_PER_SEC / ICMP_PER_S));
	ck_assert(!icmp_limit_take(l, 1, NSEC_PER_SEC / ICMP_PER_S));
	free(l);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("icmp");
	TCase *t = tcase_create("all");

	tcase_add_loop_test(t, entries_are_translated, 0, (int)(sizeof rows / sizeof *rows));
	tcase_add_loop_test(t, an_error_quotes_the_guests_packet, 0, 4);
	tcase_add_test(t, errors_about_errors_are_not_sent);
	tcase_add_test(t, errors_have_a_rate_for_each_source);
	suite_add_tcase(s, t);
	return s;
}
UNIT_MAIN(make_suite);
