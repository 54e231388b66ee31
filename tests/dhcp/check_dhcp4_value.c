/* tests/dhcp/check_dhcp4_value.c: names, search lists and routes from named bytes, and back. */
#include "dhcp/dhcp4_value.h"

#include "core/prng.h"
#include "tests/unit.h"

#include <string.h>

static const struct {
	const char *name;
	bool is_name;
} names[] = {
	{ "a", true },
	{ "lab.test", true },
	{ "a-b.c_d.9", true },
	{ "", false },
	{ ".", false },
	{ "a.", false },
	{ ".a", false },
	{ "a..b", false },
	{ "-a", false },
	{ "a-", false },
	{ "a-.b", false },
	{ "a b", false },
	{ "a\n", false },
	{ "\xc3\xa4", false },
	{ "a23456789012345678901234567890123456789012345678901234567890123", true },
	{ "a234567890123456789012345678901234567890123456789012345678901234", false },
};

START_TEST(which_are_names)
{
	ck_assert_msg(dhcp4_is_name(names[_i].name) == names[_i].is_name, "%s", names[_i].name);
}
END_TEST

START_TEST(a_name_has_253_bytes_at_most)
{
	char text[300];

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i % 2 ? '.' : 'a';
	text[253] = 0;
	ck_assert(dhcp4_is_name(text));
	text[253] = '.', text[255] = 0;
	ck_assert(!dhcp4_is_name(text));
}
END_TEST

/* The example of RFC 3397 §2. */
START_TEST(search_lists_are_compressed)
{
	static const char *const list[] = { "eng.apple.com", "marketing.apple.com" };
	static const uint8_t wire[] = "\x03"
				      "eng\x05"
				      "apple\x03"
				      "com\0\x09"
				      "marketing\xC0\x04";
	uint8_t buf[64];
	char text[DHCP4_NAME_SIZE];
	size_t at = 0;

	ck_assert_uint_eq(dhcp4_search_write(list, 2, buf, sizeof buf), sizeof wire - 1);
	ck_assert_int_eq(memcmp(buf, wire, sizeof wire - 1), 0);
	for (size_t i = 0; i < 2; i++) {
		ck_assert(dhcp4_name_read(buf, sizeof wire - 1, true, &at, text));
		ck_assert_str_eq(text, list[i]);
	}
	ck_assert_uint_eq(at, sizeof wire - 1);
	for (size_t size = 0; size < sizeof wire - 1; size++)
		ck_assert_uint_eq(dhcp4_search_write(list, 2, buf, size), 0);
	ck_assert_uint_eq(dhcp4_search_write((const char *const[]){ "no name" }, 1, buf, sizeof buf), 0);
}
END_TEST

static const struct {
	const char *what, *wire;
	size_t len, at;
	const char *text; /* NULL: refused */
} reads[] = {
#define WIRE(text) text, sizeof(text) - 1
	{ "the root", WIRE("\0"), 0, "" },
	{ "no end",
	  WIRE("\x01"
	       "a"),
	  0, NULL },
	{ "nothing", WIRE(""), 0, NULL },
	{ "a label that leaves the option",
	  WIRE("\x05"
	       "ab"),
	  0, NULL },
	{ "a label of 64 (CVE-2022-2929)",
	  WIRE("\x40"
	       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0"),
	  0, NULL },
	{ "a label of 191 (CVE-2022-2929)",
	  WIRE("\xbf"
	       "aaa\0"),
	  0, NULL },
	{ "a pointer to itself", WIRE("\xC0\0"), 0, NULL },
	{ "a pointer ahead",
	  WIRE("\xC0\x02\x01"
	       "a\0"),
	  0, NULL },
	{ "a loop of two",
	  WIRE("\x01"
	       "a\xC0\x04\x01"
	       "b\xC0\x00"),
	  4, NULL },
	{ "a pointer into its own run",
	  WIRE("\x01"
	       "a\x01"
	       "b\xC0\x02"),
	  0, NULL },
	{ "half a pointer",
	  WIRE("\x01"
	       "a\xC0"),
	  0, NULL },
	{ "a pointer back",
	  WIRE("\x01"
	       "a\0\x01"
	       "b\xC0\0"),
	  3, "b.a" },
	{ "a NUL in a label",
	  WIRE("\x02"
	       "a\0\0"),
	  0, NULL },
};

START_TEST(names_are_read)
{
	uint8_t *exact = malloc(reads[_i].len ? reads[_i].len : 1);
	char text[DHCP4_NAME_SIZE];
	size_t at = reads[_i].at;
	bool is_read;

	memcpy(exact, reads[_i].wire, reads[_i].len);
	is_read = dhcp4_name_read(exact, reads[_i].len, true, &at, text);
	free(exact);
	ck_assert_msg(is_read == (reads[_i].text != NULL), "%s", reads[_i].what);
	ck_assert_msg(is_read || at == reads[_i].at, "%s", reads[_i].what);
	if (is_read)
		ck_assert_str_eq(text, reads[_i].text);
}
END_TEST

START_TEST(a_text_of_254_bytes_is_refused)
{
	uint8_t wire[300];
	char text[DHCP4_NAME_SIZE];
	size_t at = 0;

	for (size_t i = 0; i < sizeof wire; i++)
		wire[i] = i % 2 ? 'a' : 1;
	wire[254] = 0; /* 127 labels: 253 bytes of text */
	ck_assert(dhcp4_name_read(wire, 255, false, &at, text) && strlen(text) == 253);
	at = 0;
	wire[254] = 1, wire[256] = 0;
	ck_assert(!dhcp4_name_read(wire, 257, false, &at, text));
}
END_TEST

START_TEST(fqdns_are_read)
{
	char text[DHCP4_NAME_SIZE];
	uint8_t longest[300] = { 4 };

	ck_assert(dhcp4_fqdn_read((const uint8_t *)"\x05\0\0\x03web\x03lab\0", 12, text));
	ck_assert_str_eq(text, "web.lab");
	ck_assert(dhcp4_fqdn_read((const uint8_t *)"\x05\0\0\x03web", 7, text)); /* partial: no last zero */
	ck_assert_str_eq(text, "web");
	ck_assert(dhcp4_fqdn_read((const uint8_t *)"\x01\0\0web.lab", 10, text)); /* ASCII, deprecated */
	ck_assert_str_eq(text, "web.lab");
	ck_assert(!dhcp4_fqdn_read((const uint8_t *)"\x05\0\0", 3, text));
	ck_assert(!dhcp4_fqdn_read((const uint8_t *)"\x05\0\0\xC0\0", 5, text)); /* a pointer is none here */
	ck_assert(!dhcp4_fqdn_read((const uint8_t *)"\x05\0\0\x02\x01\x02\0", 7, text));
	ck_assert(!dhcp4_fqdn_read((const uint8_t *)"\x01\0\0a\0b", 6, text));
	ck_assert(!dhcp4_fqdn_read(longest, sizeof longest, text));
}
END_TEST

START_TEST(routes_there_and_back)
{
	static const struct dhcp4_route routes[] = {
		{ .to = 0x0a110000, .prefix_len = 16, .via = 0x0a000001 },
		{ .to = 0x0a1b8180, .prefix_len = 25, .via = 0x0a000002 },
		{ .to = 0, .prefix_len = 0, .via = 0x0a000001 },
	};
	static const uint8_t wire[] = "\x10\x0a\x11\x0a\0\0\x01\x19\x0a\x1b\x81\x80\x0a\0\0\x02\0\x0a\0\0\x01";
	struct dhcp4_route got[3];
	uint8_t buf[64];

	ck_assert_uint_eq(dhcp4_routes_write(routes, 3, buf, sizeof buf), sizeof wire - 1);
	ck_assert_int_eq(memcmp(buf, wire, sizeof wire - 1), 0);
	ck_assert_int_eq(dhcp4_routes_read(buf, sizeof wire - 1, got, 3), 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert(got[i].to == routes[i].to && got[i].via == routes[i].via &&
			  got[i].prefix_len == routes[i].prefix_len);
	ck_assert_int_eq(dhcp4_routes_read(buf, sizeof wire - 1, got, 2), -1);
	ck_assert_int_eq(dhcp4_routes_read(buf, sizeof wire - 2, got, 3), -1);
	ck_assert_int_eq(dhcp4_routes_read((const uint8_t *)"\x21\1\2\3\4\5\1\2\3\4", 10, got, 3), -1);
	ck_assert_uint_eq(dhcp4_routes_write(routes, 3, buf, sizeof wire - 2), 0);
}
END_TEST

/* Any bytes: ends, and stays inside. */
START_TEST(random_names_end)
{
	struct prng p;
	char text[DHCP4_NAME_SIZE];

	prng_init(&p, 3, "names");
	for (unsigned round = 0; round < 100000; round++) {
		uint8_t wire[40];
		size_t len = (size_t)prng_below(&p, sizeof wire + 1), at = 0;

		for (size_t i = 0; i < len; i++)
			wire[i] = (uint8_t)(prng_below(&p, 3) ? prng_below(&p, 5) :
					    prng_below(&p, 4) ? 0xC0 :
								prng_below(&p, 256));
		while (at < len && dhcp4_name_read(wire, len, true, &at, text))
			ck_assert_uint_lt(strlen(text), DHCP4_NAME_SIZE);
		ck_assert_uint_le(at, len);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("dhcp4_value");
	TCase *t = tcase_create("values");

	tcase_add_loop_test(t, which_are_names, 0, sizeof names / sizeof *names);
	tcase_add_test(t, a_name_has_253_bytes_at_most);
	tcase_add_test(t, search_lists_are_compressed);
	tcase_add_loop_test(t, names_are_read, 0, sizeof reads / sizeof *reads);
	tcase_add_test(t, a_text_of_254_bytes_is_refused);
	tcase_add_test(t, fqdns_are_read);
	tcase_add_test(t, routes_there_and_back);
	tcase_add_test(t, random_names_end);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
