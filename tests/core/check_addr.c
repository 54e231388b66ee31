/* tests/core/check_addr.c: addresses and prefixes as values. */
#include "core/addr.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *text;
	int result;
	const char *back; /* NULL: same as text */
} ips[] = {
	{ "10.0.0.1/24", 0, NULL },
	{ "10.0.0.1", 0, NULL },
	{ "0.0.0.0/0", 0, NULL },
	{ "255.255.255.255/32", 0, "255.255.255.255" },
	{ "fd00::1/64", 0, NULL },
	{ "FD00:0:0::1/64", 0, "fd00::1/64" },
	{ "::1/128", 0, "::1" },
	{ "10.0.0.1/33", -EINVAL, NULL },
	{ "fd00::1/129", -EINVAL, NULL },
	{ "10.0.0/24", -EINVAL, NULL },
	{ "10.0.0.256/24", -EINVAL, NULL },
	{ "10.0.0.1/", -EINVAL, NULL },
	{ "10.0.0.1/-1", -EINVAL, NULL },
	{ "10.0.0.1/ 8", -EINVAL, NULL },
	{ "10.0.0.1/8x", -EINVAL, NULL },
	{ "", -EINVAL, NULL },
	{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222/64", -EINVAL, NULL },
};

START_TEST(test_ip_text)
{
	struct ip_addr ip = { .prefix_len = 77 };
	char buf[IP_STR_SIZE];

	ck_assert_int_eq(ip_parse(ips[_i].text, &ip), ips[_i].result);
	if (ips[_i].result < 0)
		ck_assert_uint_eq(ip.prefix_len, 77);
	else
		ck_assert_str_eq(ip_str(&ip, buf), ips[_i].back ? ips[_i].back : ips[_i].text);
}
END_TEST

static struct ip_addr ip_of(const char *s)
{
	struct ip_addr ip;

	ck_assert_int_eq(ip_parse(s, &ip), 0);
	return ip;
}

START_TEST(test_ip_nets)
{
	struct ip_addr net = ip_of("10.1.2.0/23"), a = ip_of("10.1.3.255"), b = ip_of("10.1.4.0"), six = ip_of("::1");
	struct ip_addr edge = ip_of("10.1.3.255/23"), host = ip_of("10.1.3.1/23"), p2p = ip_of("10.0.0.1/31");

	ck_assert(ip_in_net(&a, &net));
	ck_assert(!ip_in_net(&b, &net));
	ck_assert(!ip_in_net(&six, &net));
	ck_assert(ip_is_net(&net));
	ck_assert(!ip_is_net(&host));
	ck_assert(ip_is_broadcast(&edge));
	ck_assert(!ip_is_broadcast(&host));
	ck_assert(!ip_is_broadcast(&p2p));
}
END_TEST

START_TEST(test_ip_nth)
{
	struct ip_addr net = ip_of("10.0.254.7/16"), v6 = ip_of("fd00::ffff:ffff/64"), ip;
	char buf[IP_STR_SIZE];

	ck_assert_int_eq(ip_nth(&net, 258, &ip), 0);
	ck_assert_str_eq(ip_str(&ip, buf), "10.0.1.2/16");
	ck_assert_int_eq(ip_nth(&net, 65535, &ip), 0);
	ck_assert_int_eq(ip_nth(&net, 65536, &ip), -ERANGE);
	ck_assert_int_eq(ip_nth(&v6, UINT64_C(0x100000000), &ip), 0);
	ck_assert_str_eq(ip_str_bare(&ip, buf), "fd00::1:0:0");
	ck_assert_str_eq(ip_netmask_str(&net, buf), "255.255.0.0");
}
END_TEST

START_TEST(test_mac)
{
	struct mac_addr m, n;
	char buf[MAC_STR_SIZE];

	ck_assert_int_eq(mac_parse("02:00:5E:a0:00:fF", &m), 0);
	ck_assert_str_eq(mac_str(&m, buf), "02:00:5e:a0:00:ff");
	ck_assert(!mac_is_multicast(&m));
	ck_assert_int_eq(mac_parse("01:00:5e:00:00:01", &n), 0);
	ck_assert(mac_is_multicast(&n));
	ck_assert(!mac_equal(&m, &n));
	ck_assert_int_eq(mac_parse("02-00-5e-a0-00-ff", &n), -EINVAL);
	ck_assert_int_eq(mac_parse("02:00:5e:a0:00:f", &n), -EINVAL);
	ck_assert_int_eq(mac_parse("02:00:5e:a0:00:fg", &n), -EINVAL);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("addr");
	TCase *t = tcase_create("addr");

	tcase_add_loop_test(t, test_ip_text, 0, sizeof ips / sizeof *ips);
	tcase_add_test(t, test_ip_nets);
	tcase_add_test(t, test_ip_nth);
	tcase_add_test(t, test_mac);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
