/* tests/nat/check_message.c: messages beside IP, written and read, and what is none. */
#include "core/wire.h"
#include "nat/message.h"
#include "tests/unit.h"

#include <string.h>

static struct message make(enum message_type type, bool is6)
{
	struct message m = { .type = type };

	if (type == MESSAGE_LEASE) {
		m.mac = (struct mac_addr){ { 2, 1, 2, 3, 4, 5 } };
		m.is_known = true;
		ck_assert_int_eq(ip_parse(is6 ? "fd00::7" : "10.0.0.7", &m.ip), 0);
	} else {
		m.source = 0x1122334455667788;
		m.token = 0x99aabbccddeeff00;
		m.transport = is6;
		m.dns = (const uint8_t *)"a query";
		m.dns_len = 7;
	}
	return m;
}

START_TEST(what_is_written_is_read)
{
	struct message m = make((enum message_type)(1 + _i % 3), _i / 3), back;
	uint8_t buf[100];
	size_t len = message_put(&m, buf, sizeof buf);

	ck_assert_uint_eq(len, m.type == MESSAGE_LEASE ? MESSAGE_LEASE_LEN : MESSAGE_HEAD_LEN + 7u);
	ck_assert(message_parse(buf, len, &back));
	ck_assert(back.type == m.type && mac_equal(&back.mac, &m.mac) && back.is_known == m.is_known);
	ck_assert(back.ip.family == m.ip.family && (!m.ip.family || ip_equal(&back.ip, &m.ip)));
	ck_assert(back.source == m.source && back.token == m.token && back.transport == m.transport);
	ck_assert(back.dns_len == m.dns_len && (!m.dns_len || !memcmp(back.dns, m.dns, m.dns_len)));
	/* Cut anywhere in its head, it is none. */
	for (size_t n = 0; n < (m.type == MESSAGE_LEASE ? len : MESSAGE_HEAD_LEN + 1u); n++)
		ck_assert(!message_parse(buf, n, &back));
	ck_assert_uint_eq(message_put(&m, buf, len - 1), 0);
}
END_TEST

static const struct {
	const char *name;
	size_t at;
	uint8_t value;
} wrongs[] = {
	{ "another EtherType", 13, 0xb6 }, { "a later version", 14, 2 }, { "no such type", 15, 4 },
	{ "type 0", 15, 0 },		   { "no zeros", 16, 1 },	 { "no family", 24, 0 },
	{ "family 3", 24, 3 },		   { "known 2", 25, 2 },
};

START_TEST(what_is_wrong_is_none)
{
	struct message m = make(MESSAGE_LEASE, false), back;
	uint8_t buf[100] = { 0 };
	size_t len = message_put(&m, buf, sizeof buf);

	buf[wrongs[_i].at] = wrongs[_i].value;
	ck_assert_msg(!message_parse(buf, len, &back), "%s", wrongs[_i].name);
	m = make(MESSAGE_LEASE, false);
	len = message_put(&m, buf, sizeof buf);
	ck_assert_msg(!message_parse(buf, len + 1, &back), "a byte behind it");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("message");
	TCase *t = tcase_create("all");

	tcase_add_loop_test(t, what_is_written_is_read, 0, 6);
	tcase_add_loop_test(t, what_is_wrong_is_none, 0, (int)(sizeof wrongs / sizeof *wrongs));
	suite_add_tcase(s, t);
	return s;
}
UNIT_MAIN(make_suite);
