/* tests/dhcp/check_dhcp4_msg.c: DHCPv4 messages from named bytes, and back. */
#include "dhcp/dhcp4_msg.h"

#include "core/prng.h"
#include "core/wire.h"
#include "tests/dhcp/clients.h"
#include "tests/unit.h"

static struct dhcp4_msg msg, again;
static struct dhcp4_build build;
static uint8_t buf[8192];

/* Messages whose verdict is decided by their options. "file:" and "sname:" bytes stand in those fields. */
static const struct vector {
	struct client_msg msg;
	const char *file, *sname; /* 128 and 64 bytes; NULL: zeros */
	size_t file_len, sname_len;
	enum dhcp4_verdict verdict;
	uint8_t code; /* then this option is there with this value; 0: none is looked at */
	const char *value;
	size_t value_len;
} vectors[] = {
#define VALUE(n, text) .code = n, .value = text, .value_len = sizeof(text) - 1
	{ .msg = { .name = "no END",
		   OPTIONS("\x35\x01\x01\x0c\x02"
			   "ab") },
	  VALUE(12, "ab") },
	{ .msg = { .name = "junk behind END",
		   OPTIONS("\x35\x01\x01\xff\x0c\xff"
			   "ab") } },
	{ .msg = { .name = "pads between",
		   OPTIONS("\0\0\x35\x01\x01\0\0\0\x0c\x01"
			   "a\0\xff") },
	  VALUE(12, "a") },
	{ .msg = { .name = "option 0 has no length (passt 7d0c077)",
		   OPTIONS("\x35\x01\x01\x00\x0c\x01"
			   "x\xff") },
	  VALUE(12, "x") },
	{ .msg = { .name = "option 255 has no length (passt 7d0c077)", OPTIONS("\x35\x01\x01\xff\x04") } },
	{ .msg = { .name = "zero-length message type (CVE-2018-20679)", OPTIONS("\x35\x00\xff") },
	  .verdict = DHCP4_MALFORMED },
	{ .msg = { .name = "message type of two bytes", OPTIONS("\x35\x02\x01\x01\xff") }, .verdict = DHCP4_MALFORMED },
	{ .msg = { .name = "message type 0", OPTIONS("\x35\x01\x00\xff") }, .verdict = DHCP4_MALFORMED },
	{ .msg = { .name = "message type of leasequery", OPTIONS("\x35\x01\x0a\xff") }, .verdict = DHCP4_MALFORMED },
	{ .msg = { .name = "zero-length option (CVE-2019-5747)", OPTIONS("\x35\x01\x01\x32\x00\xff") }, VALUE(50, "") },
	{ .msg = { .name = "overlong option",
		   OPTIONS("\x35\x01\x01\x0c\x09"
			   "ab\xff") },
	  .verdict = DHCP4_MALFORMED },
	{ .msg = { .name = "a code and no length", OPTIONS("\x35\x01\x01\x0c") }, .verdict = DHCP4_MALFORMED },
	{ .msg = { .name = "no option at all", OPTIONS("") }, .verdict = DHCP4_BOOTP },
	{ .msg = { .name = "BOOTP with RFC 1497 options",
		   OPTIONS("\x0c\x01"
			   "b\xff") },
	  .verdict = DHCP4_BOOTP },
	{ .msg = { .name = "pieces put together (RFC 3396)",
		   OPTIONS("\x0c\x02"
			   "ab\x35\x01\x01\x0c\x03"
			   "cde\xff") },
	  VALUE(12, "abcde") },
	{ .msg = { .name = "overload of both, file first",
		   OPTIONS("\x35\x01\x01\x34\x01\x03\x0c\x01"
			   "a\xff") },
	  .file = "\x0c\x01"
		  "b\xff",
	  .file_len = 4,
	  .sname = "\x0c\x01"
		   "c\xff",
	  .sname_len = 4,
	  VALUE(12, "abc") },
	{ .msg = { .name = "overload of sname only", OPTIONS("\x35\x01\x01\x34\x01\x02\xff") },
	  .file = "\x0c\x01"
		  "b\xff",
	  .file_len = 4,
	  .sname = "\x0c\x01"
		   "c\xff",
	  .sname_len = 4,
	  VALUE(12, "c") },
	{ .msg = { .name = "message type in file", OPTIONS("\x34\x01\x01\xff") },
	  .file = "\x35\x01\x03\xff",
	  .file_len = 4,
	  VALUE(53, "\x03") },
	{ .msg = { .name = "overload again inside file (a loop)", OPTIONS("\x35\x01\x01\x34\x01\x01\xff") },
	  .file = "\x34\x01\x03\x0c\x01"
		  "f\xff",
	  .file_len = 7,
	  .sname = "\x0c\x01"
		   "c\xff",
	  .sname_len = 4,
	  VALUE(12, "f") },
	{ .msg = { .name = "overlong option in file", OPTIONS("\x35\x01\x01\x34\x01\x01\xff") },
	  .file = "\x0c\xfe",
	  .file_len = 2,
	  .verdict = DHCP4_MALFORMED },
	{ .msg = { .name = "overload 0", OPTIONS("\x35\x01\x01\x34\x01\x00\xff") }, .verdict = DHCP4_MALFORMED },
	{ .msg = { .name = "overload 4", OPTIONS("\x35\x01\x01\x34\x01\x04\xff") }, .verdict = DHCP4_MALFORMED },
	{ .msg = { .name = "overload without length", OPTIONS("\x35\x01\x01\x34\x00\xff") },
	  .verdict = DHCP4_MALFORMED },
	{ .msg = { .name = "two overloads", OPTIONS("\x35\x01\x01\x34\x01\x01\x34\x01\x01\xff") },
	  .verdict = DHCP4_MALFORMED },
};
enum { N_VECTORS = sizeof vectors / sizeof *vectors };

START_TEST(the_vectors)
{
	const struct vector *v = &vectors[_i];
	size_t len = client_bytes(&v->msg, 0, buf), value_len = 0;
	uint8_t *exact = malloc(len);
	const uint8_t *value;

	memcpy(buf + 44, v->sname ? v->sname : "", v->sname_len);
	memcpy(buf + 108, v->file ? v->file : "", v->file_len);
	memcpy(exact, buf, len); /* of its own size, so that a sanitizer sees a read behind it */
	ck_assert_msg(dhcp4_read(exact, len, &msg) == v->verdict, "%s", v->msg.name);
	free(exact);
	if (!v->code)
		return;
	value = dhcp4_option(&msg, v->code, &value_len);
	ck_assert_msg(value && value_len == v->value_len && memcmp(value, v->value, value_len) == 0, "%s", v->msg.name);
}
END_TEST

START_TEST(nothing_of_junk_is_taken)
{
	size_t len = client_bytes(&vectors[1].msg, 0, buf);

	ck_assert_int_eq(dhcp4_read(buf, len, &msg), DHCP4_GOOD);
	ck_assert(!dhcp4_has(&msg, 12));
}
END_TEST

START_TEST(clients_are_read)
{
	const struct client_msg *c = &client_discovers[_i];
	size_t len = client_bytes(c, 300, buf), n = 0;
	const uint8_t *p;

	ck_assert_int_eq(dhcp4_read(buf, len, &msg), DHCP4_GOOD);
	ck_assert_int_eq(msg.type, DHCP4_DISCOVER);
	ck_assert_uint_eq(msg.head.xid, c->xid);
	ck_assert_uint_eq(msg.head.flags, c->flags);
	ck_assert_int_eq(memcmp(msg.head.chaddr, c->mac, 6), 0);
	p = dhcp4_option(&msg, DHCP4_PARAMETERS, &n);
	ck_assert(p && n >= 7 && p[0] == DHCP4_MASK);
}
END_TEST

/* A prefix of a message is a message cut off: never good but where only padding lacks. */
START_TEST(every_truncation_is_told)
{
	static const struct client_msg m = { .name = "",
					     OPTIONS("\x0c\x02"
						     "ab\x35\x01\x01\xff") };
	size_t len = client_bytes(&m, 0, buf);

	for (size_t n = 0; n < len; n++) {
		uint8_t *exact = malloc(n ? n : 1);
		enum dhcp4_verdict v;

		memcpy(exact, buf, n);
		v = dhcp4_read(exact, n, &msg);
		free(exact);
		ck_assert_int_eq(v, n < DHCP4_HEAD_LEN				       ? DHCP4_MALFORMED :
				    n <= DHCP4_OPTIONS_AT || n == DHCP4_OPTIONS_AT + 4 ? DHCP4_BOOTP :
				    n == len - 1				       ? DHCP4_GOOD :
											 DHCP4_MALFORMED);
	}
}
END_TEST

START_TEST(a_long_hardware_address_is_malformed)
{
	size_t len = client_bytes(&client_discovers[0], 300, buf);

	buf[2] = 17;
	ck_assert_int_eq(dhcp4_read(buf, len, &msg), DHCP4_MALFORMED);
}
END_TEST

/* 16 KiB of pieces: more than a message may hold in all. */
START_TEST(option_bytes_are_bounded)
{
	static uint8_t many[240 + 3 + 17 * 257];
	size_t at = client_bytes(&(struct client_msg){ OPTIONS("\x35\x01\x01") }, 0, many);

	for (; at < sizeof many; at += 257) {
		many[at] = 43;
		many[at + 1] = 255;
	}
	ck_assert_int_eq(dhcp4_read(many, at - 257, &msg), DHCP4_GOOD);
	ck_assert_uint_eq(msg.options[43].len, 16 * 255);
	ck_assert_int_eq(dhcp4_read(many, at, &msg), DHCP4_MALFORMED);
}
END_TEST

START_TEST(widths_are_checked)
{
	uint16_t half = 7;
	uint32_t word = 7;
	size_t len = client_bytes(&(struct client_msg){ OPTIONS(
					  "\x35\x01\x01\x39\x02\x05\xc0\x32\x04\x0a\x01\x02\x03\x36\x03\x01\x02\x03") },
				  0, buf);

	ck_assert_int_eq(dhcp4_read(buf, len, &msg), DHCP4_GOOD);
	ck_assert(dhcp4_option_u16(&msg, 57, &half) && half == 1472);
	ck_assert(dhcp4_option_u32(&msg, 50, &word) && word == 0x0a010203);
	ck_assert(!dhcp4_option_u32(&msg, 54, &word) && word == 0x0a010203);
	ck_assert(!dhcp4_option_u16(&msg, 50, &half) && !dhcp4_option_u16(&msg, 26, &half) && half == 1472);
}
END_TEST

START_TEST(sub_options_are_found)
{
	static const uint8_t relay[] = "\x01\x04"
				       "port\x05\x04\x0a\x00\x02\x00\x09\x00\x02\x09x";
	size_t len = 0;
	const uint8_t *p = dhcp4_sub(relay, sizeof relay - 1, DHCP4_RELAY_LINK, &len);

	ck_assert(p == relay + 8 && len == 4);
	ck_assert(dhcp4_sub(relay, sizeof relay - 1, 9, &len) && len == 0);
	ck_assert(!dhcp4_sub(relay, sizeof relay - 1, 2, &len)); /* cut off */
	ck_assert(!dhcp4_sub(relay, 1, 1, &len));
	ck_assert(!dhcp4_sub(relay, 0, 1, &len));
}
END_TEST

static void begin(void)
{
	memset(&build, 0, sizeof build);
	build.head = (struct dhcp4_head){ .op = DHCP4_BOOTREPLY,
					  .htype = 1,
					  .hlen = 6,
					  .xid = 0x01020304,
					  .flags = 0x8000,
					  .ciaddr = 0x0a000001,
					  .yiaddr = 0x0a000002,
					  .siaddr = 0x0a000003,
					  .giaddr = 0x0a000004,
					  .secs = 9,
					  .hops = 2,
					  .chaddr = { 1, 2, 3, 4, 5, 6 } };
	(void)dhcp4_add_u8(&build, DHCP4_MESSAGE_TYPE, DHCP4_ACK);
}

/* Writes what was built and reads it back. Returns its length. */
static size_t there_and_back(size_t max, unsigned left_out)
{
	unsigned n;
	size_t len;

	memset(buf, 0xA5, sizeof buf);
	len = dhcp4_write(&build, max, buf, sizeof buf, &n);
	ck_assert_uint_eq(n, left_out);
	ck_assert(len >= DHCP4_REPLY_MIN && len <= max);
	for (size_t i = len; i < len + 16; i++)
		ck_assert_uint_eq(buf[i], 0xA5);
	ck_assert_int_eq(dhcp4_read(buf, len, &again), DHCP4_GOOD);
	return len;
}

START_TEST(a_reply_has_300_bytes)
{
	static const uint8_t ends[] = { 53, 1, 5, 12, 2, 'h', 'i', 255, 0, 0 };

	begin();
	ck_assert(dhcp4_add(&build, DHCP4_HOSTNAME, "hi", 2));
	ck_assert(!dhcp4_add(&build, DHCP4_HOSTNAME, "ho", 2)); /* once */
	ck_assert_uint_eq(there_and_back(548, 0), 300);
	ck_assert_int_eq(memcmp(buf + 240, ends, sizeof ends), 0);
	ck_assert_int_eq(memcmp(&again.head, &build.head, sizeof build.head), 0);
}
END_TEST

START_TEST(long_options_are_in_pieces)
{
	uint8_t text[600];
	size_t len = 0;
	const uint8_t *p;

	begin();
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)i;
	ck_assert(dhcp4_add(&build, DHCP4_VENDOR, text, sizeof text));
	(void)there_and_back(1472, 0);
	ck_assert(buf[243] == 43 && buf[244] == 255 && buf[245 + 255] == 43 && buf[246 + 255] == 255 &&
		  buf[243 + 2 * 257] == 43 && buf[244 + 2 * 257] == 90);
	p = dhcp4_option(&again, DHCP4_VENDOR, &len);
	ck_assert(p && len == sizeof text && memcmp(p, text, len) == 0);
}
END_TEST

/* What fits is not overloaded; one byte more is. */
START_TEST(overload_only_where_needed)
{
	uint8_t text[255] = { 1 };
	size_t at_most = 548 - 240 - 1 - 3 - 257 - 2;

	begin();
	ck_assert(dhcp4_add(&build, 43, text, sizeof text) && dhcp4_add(&build, 224, text, at_most));
	ck_assert_uint_eq(there_and_back(548, 0), 548);
	ck_assert(!dhcp4_has(&again, DHCP4_OVERLOAD));

	begin();
	ck_assert(dhcp4_add(&build, 43, text, sizeof text) && dhcp4_add(&build, 224, text, at_most + 1));
	(void)there_and_back(548, 0);
	ck_assert(dhcp4_has(&again, DHCP4_OVERLOAD) && again.options[224].len == at_most + 1);
	ck_assert_uint_eq(buf[108], 224);
}
END_TEST

/* A lent field ends with END: of its 128 bytes options have 127. */
START_TEST(a_full_field_has_its_end)
{
	uint8_t text[255] = { 1 };

	begin();
	ck_assert(dhcp4_add(&build, 43, text, 255) && dhcp4_add(&build, 224, text, 125) &&
		  dhcp4_add(&build, 225, text, 62));
	(void)there_and_back(548, 1);
	ck_assert(buf[108] == 224 && buf[108 + 127] == DHCP4_END && !dhcp4_has(&again, 225));
	begin();
	ck_assert(dhcp4_add(&build, 43, text, 255) && dhcp4_add(&build, 223, text, 126) &&
		  dhcp4_add(&build, 224, text, 125) && dhcp4_add(&build, 225, text, 61));
	(void)there_and_back(548, 1);
	ck_assert(buf[44] == 225 && buf[44 + 63] == DHCP4_END && !dhcp4_has(&again, 223));
}
END_TEST

START_TEST(a_boot_file_is_not_overloaded)
{
	uint8_t text[255] = { 1 };

	begin();
	memcpy(build.head.file, "pxelinux.0", 10);
	ck_assert(dhcp4_add(&build, 43, text, 255) && dhcp4_add(&build, 224, text, 60) &&
		  dhcp4_add(&build, 225, text, 61));
	(void)there_and_back(548, 1);
	ck_assert(again.options[224].len == 60 && !dhcp4_has(&again, 225)); /* sname holds 61 with heads */
	ck_assert_str_eq((char *)again.head.file, "pxelinux.0");
}
END_TEST

START_TEST(option_82_is_last)
{
	uint8_t info[300] = { 1, 4, 'e', 't', 'h', '0' };
	size_t len = 0, wrote;

	begin();
	ck_assert(dhcp4_add(&build, DHCP4_RELAY, info, 6) && dhcp4_add(&build, DHCP4_HOSTNAME, "hi", 2));
	wrote = there_and_back(548, 0);
	ck_assert_uint_eq(wrote, 300);
	ck_assert_int_eq(memcmp(buf + 247,
				"\x52\x06\x01\x04"
				"eth0\xff",
				9),
			 0);
	ck_assert(dhcp4_option(&again, DHCP4_RELAY, &len) && len == 6);

	begin();
	ck_assert(dhcp4_add(&build, DHCP4_RELAY, info, 241) && dhcp4_add(&build, 43, info, 100));
	(void)there_and_back(548, 0);
	ck_assert(dhcp4_option(&again, DHCP4_RELAY, &len) && len == 241);
	ck_assert(buf[108] == 43 && buf[240] == DHCP4_MESSAGE_TYPE);

	begin();
	ck_assert(dhcp4_add(&build, DHCP4_RELAY, info, sizeof info) && dhcp4_add(&build, 43, info, 200));
	(void)there_and_back(548, 1); /* it would leave too little */
	ck_assert(!dhcp4_has(&again, DHCP4_RELAY) && again.options[43].len == 200);
}
END_TEST

/* Any options read back as they were given, or are counted as left out. */
START_TEST(random_replies_read_back)
{
	static uint8_t noise[1024];
	struct prng p;

	prng_init(&p, 42, "replies");
	prng_bytes(&p, noise, sizeof noise);
	for (unsigned round = 0; round < 20000; round++) {
		size_t max = DHCP4_REPLY_MIN + (size_t)prng_below(&p, DHCP4_REPLY_MAX - DHCP4_REPLY_MIN + 1), n = 0;

		begin();
		for (size_t i = prng_below(&p, 30); i > 0; i--)
			(void)dhcp4_add(&build, (uint8_t)(54 + prng_below(&p, 200)), noise + prng_below(&p, 200),
					(size_t)prng_below(&p, prng_below(&p, 8) ? 40 : 600));
		unsigned left_out;
		size_t len = dhcp4_write(&build, max, buf, sizeof buf, &left_out);

		ck_assert(len >= DHCP4_REPLY_MIN && len <= max);
		ck_assert_int_eq(dhcp4_read(buf, len, &again), DHCP4_GOOD);
		for (size_t i = 0; i < build.n_adds; i++) {
			size_t got_len = 0;
			const uint8_t *got = dhcp4_option(&again, build.adds[i].code, &got_len);

			n += !got;
			ck_assert(!got || (got_len == build.adds[i].len &&
					   memcmp(got, build.bytes + build.adds[i].at, got_len) == 0));
		}
		ck_assert_uint_eq(n, left_out);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("dhcp4_msg");
	TCase *read = tcase_create("read"), *write = tcase_create("write");

	tcase_add_loop_test(read, the_vectors, 0, N_VECTORS);
	tcase_add_test(read, nothing_of_junk_is_taken);
	tcase_add_loop_test(read, clients_are_read, 0, CLIENT_KIND_COUNT);
	tcase_add_test(read, every_truncation_is_told);
	tcase_add_test(read, a_long_hardware_address_is_malformed);
	tcase_add_test(read, option_bytes_are_bounded);
	tcase_add_test(read, widths_are_checked);
	tcase_add_test(read, sub_options_are_found);
	suite_add_tcase(s, read);
	tcase_add_test(write, a_reply_has_300_bytes);
	tcase_add_test(write, long_options_are_in_pieces);
	tcase_add_test(write, overload_only_where_needed);
	tcase_add_test(write, a_full_field_has_its_end);
	tcase_add_test(write, a_boot_file_is_not_overloaded);
	tcase_add_test(write, option_82_is_last);
	tcase_add_test(write, random_replies_read_back);
	suite_add_tcase(s, write);
	return s;
}

UNIT_MAIN(make_suite);
