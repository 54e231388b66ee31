/* tests/nat/check_reach.c: what a guest reaches, by address and policy. */
#include "nat/reach.h"
#include "tests/unit.h"

static const struct {
	const char *address;
	enum reach_verdict all, internet, loopback; /* loopback: REACH_ALL with host_loopback */
} rows[] = {
	{ "8.8.8.8", REACH_OK, REACH_OK, REACH_OK },
	{ "2001:4860:4860::8888", REACH_OK, REACH_OK, REACH_OK },
	/* Private and special ranges. */
	{ "10.1.2.3", REACH_OK, REACH_POLICY, REACH_OK },
	{ "172.16.0.1", REACH_OK, REACH_POLICY, REACH_OK },
	{ "172.32.0.1", REACH_OK, REACH_OK, REACH_OK },
	{ "192.168.7.7", REACH_OK, REACH_POLICY, REACH_OK },
	{ "100.64.0.1", REACH_OK, REACH_POLICY, REACH_OK },
	{ "198.19.255.255", REACH_OK, REACH_POLICY, REACH_OK },
	{ "fd00::1", REACH_OK, REACH_POLICY, REACH_OK },
	{ "2001:db8::1", REACH_OK, REACH_POLICY, REACH_OK },
	/* The host's own, and its links. */
	{ "192.0.2.77", REACH_OWN, REACH_OWN, REACH_OK },
	{ "2001:db8:7::7", REACH_OWN, REACH_OWN, REACH_OK },
	{ "169.254.169.254", REACH_OWN, REACH_OWN, REACH_OK },
	{ "fe80::1", REACH_OWN, REACH_OWN, REACH_OK },
	/* No host outside. */
	{ "0.0.0.0", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "0.1.2.3", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "127.0.0.1", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "127.9.9.9", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "224.0.0.251", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "255.255.255.255", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "::", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "::1", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "::127.0.0.1", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "::ffff:127.0.0.1", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "::ffff:8.8.8.8", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "ff02::1", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	/* An IPv4 address inside. */
	{ "64:ff9b::808:808", REACH_OK, REACH_OK, REACH_OK },
	{ "64:ff9b::7f00:1", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	{ "64:ff9b::a00:1", REACH_OK, REACH_POLICY, REACH_OK },
	{ "64:ff9b::a9fe:a9fe", REACH_OWN, REACH_OWN, REACH_OK },
	{ "2002:c000:24d::1", REACH_OWN, REACH_OWN, REACH_OK },
	{ "2002:7f00:1::1", REACH_NO_HOST, REACH_NO_HOST, REACH_NO_HOST },
	/* The service addresses: without host_loopback they lead nowhere. */
	{ "10.5.0.1", REACH_OWN, REACH_OWN, REACH_OK },
	{ "fd05::1", REACH_OWN, REACH_OWN, REACH_OK },
};

static struct ip_addr ip(const char *text)
{
	struct ip_addr a;

	ck_assert_msg(ip_parse(text, &a) == 0, "%s", text);
	return a;
}

static struct ip_addr own[2];

static struct reach make(enum reach_mode mode)
{
	own[0] = ip("192.0.2.77");
	own[1] = ip("2001:db8:7::7");
	return (struct reach){
		.mode = mode, .own = own, .n_own = 2, .service4 = ip("10.5.0.1/24"), .service6 = ip("fd05::1/64")
	};
}

START_TEST(each_address_is_judged)
{
	struct ip_addr dst = ip(rows[_i].address), real;
	struct reach r = make(REACH_ALL);

	ck_assert_msg(reach_check(&r, &dst, &real) == rows[_i].all, "%s, all", rows[_i].address);
	r.host_loopback = true;
	ck_assert_msg(reach_check(&r, &dst, &real) == rows[_i].loopback, "%s, loopback", rows[_i].address);
	r = make(REACH_INTERNET);
	ck_assert_msg(reach_check(&r, &dst, &real) == rows[_i].internet, "%s, internet", rows[_i].address);
}
END_TEST

/* An untrusted file may name prefixes, but no private ones. */
START_TEST(a_list_may_be_the_internets)
{
	struct ip_addr prefixes[] = { ip("10.0.0.0/8"), ip("8.8.0.0/16") }, in = ip("10.1.2.3"), out = ip("8.8.8.8"), real;
	struct reach r = make(REACH_LIST);

	r.prefixes = prefixes;
	r.n_prefixes = 2;
	ck_assert_int_eq(reach_check(&r, &in, &real), REACH_OK);
	r.internet_only = true;
	ck_assert_int_eq(reach_check(&r, &in, &real), REACH_POLICY);
	ck_assert_int_eq(reach_check(&r, &out, &real), REACH_OK);
	r.n_prefixes = 0;
	ck_assert_int_eq(reach_check(&r, &out, &real), REACH_POLICY);
}
END_TEST

START_TEST(the_service_address_stands_for_the_loopback)
{
	struct ip_addr dst = ip("10.5.0.1"), real, back;
	struct reach r = make(REACH_INTERNET);

	r.host_loopback = true;
	ck_assert_int_eq(reach_check(&r, &dst, &real), REACH_OK);
	back = ip("127.0.0.1");
	ck_assert(ip_equal(&real, &back));
	back = reach_guest_view(&r, &real);
	ck_assert(ip_equal(&back, &dst));
	dst = ip("fd05::1");
	ck_assert_int_eq(reach_check(&r, &dst, &real), REACH_OK);
	back = ip("::1");
	ck_assert(ip_equal(&real, &back));
	back = reach_guest_view(&r, &real);
	ck_assert(ip_equal(&back, &dst));
}
END_TEST

START_TEST(a_list_is_all_there_is)
{
	struct ip_addr nets[] = { ip("203.0.113.0/24"), ip("192.0.2.0/24"), ip("2001:db8:1::/48") };
	struct reach r = make(REACH_LIST);
	struct ip_addr dst = ip("203.0.113.9"), real;

	r.prefixes = nets;
	r.n_prefixes = 3;
	ck_assert_int_eq(reach_check(&r, &dst, &real), REACH_OK);
	ck_assert(ip_equal(&real, &dst));
	dst = ip("8.8.8.8");
	ck_assert_int_eq(reach_check(&r, &dst, &real), REACH_POLICY);
	dst = ip("2001:db8:1::5");
	ck_assert_int_eq(reach_check(&r, &dst, &real), REACH_OK);
	dst = ip("2001:db8:2::5");
	ck_assert_int_eq(reach_check(&r, &dst, &real), REACH_POLICY);
	dst = ip("192.0.2.77"); /* listed, but the host's own */
	ck_assert_int_eq(reach_check(&r, &dst, &real), REACH_OWN);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("reach");
	TCase *t = tcase_create("all");

	tcase_add_loop_test(t, each_address_is_judged, 0, (int)(sizeof rows / sizeof *rows));
	tcase_add_test(t, the_service_address_stands_for_the_loopback);
	tcase_add_test(t, a_list_may_be_the_internets);
	tcase_add_test(t, a_list_is_all_there_is);
	suite_add_tcase(s, t);
	return s;
}
UNIT_MAIN(make_suite);
