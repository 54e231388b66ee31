/* tests/dns/check_dns_resolvers.c: whom a host asks, from the text of its resolv.conf. */
#include "dns/dns_resolvers.h"
#include "tests/unit.h"

#include <stdio.h>

static const struct {
	const char *text, *want; /* "!": the host's own; "+": there were more */
} files[] = {
	{ "", "" },
	{ "nameserver 192.0.2.1", "192.0.2.1" },
	{ "nameserver 192.0.2.1\nnameserver\t2001:db8::1\n", "192.0.2.1 2001:db8::1" },
	{ "# nameserver 1.1.1.1\n; nameserver 1.1.1.1\nsearch lab.test\noptions edns0\nnameserver   192.0.2.1  # x\r\n",
	  "192.0.2.1" },
	{ "nameserver 127.0.0.53\n", "127.0.0.53!" },
	{ "nameserver 127.255.0.1\nnameserver ::1\nnameserver 0.0.0.0\n", "127.255.0.1! ::1! 0.0.0.0!" },
	{ "nameserver ::ffff:127.0.0.1\nnameserver ::\nnameserver ::2\n", "::ffff:127.0.0.1! ::! ::2" },
	{ "nameserver fe80::1%eth0\nnameserver fe80::1%2\n", "fe80::1%eth0 fe80::1%2" },
	{ "nameserver fe80::1%\nnameserver 10.0.0.1%eth0\nnameserver fe80::1%an-interface-name\n", "" },
	{ "nameserver 10.0.0.1\nnameserver 10.0.0.1\n", "10.0.0.1" },
	{ "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n",
	  "10.0.0.1 10.0.0.2 10.0.0.3 +" },
	{ "nameserver\nnameserver \nnameservers 10.0.0.1\n nameserver 10.0.0.1\nnameserver10.0.0.1\n", "" },
	{ "nameserver example.org\nnameserver 10.0.0.256\nnameserver 10.0.0.0/8\n", "" },
	{ "nameserver 1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111\n",
	  "" },
};

START_TEST(a_file_is_read)
{
	struct dns_resolvers rs;
	char text[400] = "";

	dns_resolvers_parse(files[_i].text, &rs);
	for (size_t i = 0; i < rs.n; i++) {
		char ip[IP_STR_SIZE];
		size_t len = strlen(text);

		(void)snprintf(text + len, sizeof text - len, "%s%s%s%s%s", i ? " " : "", ip_str_bare(&rs.r[i].ip, ip),
			       *rs.r[i].scope ? "%" : "", rs.r[i].scope, rs.r[i].is_loopback ? "!" : "");
	}
	(void)strcat(text, rs.more ? " +" : "");
	ck_assert_str_eq(text, files[_i].want);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("dns_resolvers");
	TCase *tc = tcase_create("resolvers");

	tcase_add_loop_test(tc, a_file_is_read, 0, (int)(sizeof files / sizeof files[0]));
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(make_suite);
