/* tests/dhcp/check_dhcp6_msg.c: the DHCPv6 codec: named vectors, cuts at each byte. */
#include "dhcp/dhcp6_msg.h"

#include "tests/unit.h"

static struct dhcp6_msg m;

/* Reads a copy of just that many bytes: an address sanitizer sees one byte too many. */
static enum dhcp6_verdict read_exact(const void *bytes, size_t len, struct dhcp6_msg *ret)
{
	static uint8_t *copy;

	free(copy);
	copy = malloc(len ? len : 1);
	memcpy(copy, bytes, len);
	return dhcp6_read(copy, len, ret);
}

#define BYTES(text) text, sizeof(text) - 1
#define SOLICIT "\x01\x12\x34\x56"
#define DUID "\0\1\0\x0a\0\3\0\1\2\0\0\0\0\5"
#define ADDR "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\x10\7"
#define RELAY "\x0c\0\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xfe\x80\0\0\0\0\0\0\0\0\0\xff\xfe\0\0\5"

static const struct {
	const char *name, *bytes;
	size_t len;
	bool is_good;
} vectors[] = {
	{ "nothing", BYTES(""), false },
	{ "a type alone", BYTES("\1"), false },
	{ "a head alone", BYTES(SOLICIT), true },
	{ "type 0", BYTES("\0\1\2\3"), false },
	{ "type 14", BYTES("\x0e\1\2\3"), false },
	{ "an option", BYTES(SOLICIT DUID), true },
	{ "a stray byte", BYTES(SOLICIT DUID "\0"), false },
	{ "three stray bytes", BYTES(SOLICIT DUID "\0\1\0"), false },
	{ "an option that leaves the message", BYTES(SOLICIT "\0\1\0\x0b\0\3\0\1\2\0\0\0\0\5"), false },
	{ "an option of 65535", BYTES(SOLICIT "\0\x10\xff\xff\0"), false },
	{ "an empty DUID", BYTES(SOLICIT "\0\1\0\0"), false },
	{ "a DUID of a type only", BYTES(SOLICIT "\0\1\0\2\0\3"), false },
	{ "odd option requests", BYTES(SOLICIT "\0\6\0\3\0\x17\0"), false },
	{ "no option requests", BYTES(SOLICIT "\0\6\0\0"), true },
	{ "a rapid commit with a value", BYTES(SOLICIT "\0\x0e\0\1\1"), false },
	{ "an IA_NA", BYTES(SOLICIT "\0\3\0\x0c\0\0\0\1\0\0\0\0\0\0\0\0"), true },
	{ "an IA_NA too short", BYTES(SOLICIT "\0\3\0\x0b\0\0\0\1\0\0\0\0\0\0\0"), false },
	{ "an IA_TA", BYTES(SOLICIT "\0\4\0\4\0\0\0\1"), true },
	{ "an IA_TA too short", BYTES(SOLICIT "\0\4\0\3\0\0\0"), false },
	{ "an IA_NA with an address",
	  BYTES(SOLICIT "\0\3\0\x28\0\0\0\1\0\0\0\0\0\0\0\0\0\5\0\x18" ADDR "\0\0\0\1\0\0\0\2"), true },
	{ "an address that leaves its IA",
	  BYTES(SOLICIT "\0\3\0\x27\0\0\0\1\0\0\0\0\0\0\0\0\0\5\0\x18" ADDR "\0\0\0\1\0\0\0\2"), false },
	{ "an address too short", BYTES(SOLICIT "\0\3\0\x27\0\0\0\1\0\0\0\0\0\0\0\0\0\5\0\x17" ADDR "\0\0\0\1\0\0\0"),
	  false },
	{ "a stray byte in an IA", BYTES(SOLICIT "\0\3\0\x0d\0\0\0\1\0\0\0\0\0\0\0\0\0"), false },
	{ "a stray byte behind an address",
	  BYTES(SOLICIT "\0\3\0\x29\0\0\0\1\0\0\0\0\0\0\0\0\0\5\0\x19" ADDR "\0\0\0\1\0\0\0\2\0"), false },
	{ "an address in an IA_PD",
	  BYTES(SOLICIT "\0\x19\0\x28\0\0\0\1\0\0\0\0\0\0\0\0\0\5\0\x18" ADDR "\0\0\0\1\0\0\0\2"), false },
	{ "an IA_PD with a prefix",
	  BYTES(SOLICIT "\0\x19\0\x29\0\0\0\1\0\0\0\0\0\0\0\0\0\x1a\0\x19\0\0\0\1\0\0\0\2\x40" ADDR), true },
	{ "a status of one byte in an IA", BYTES(SOLICIT "\0\3\0\x11\0\0\0\1\0\0\0\0\0\0\0\0\0\x0d\0\1\0"), false },
	{ "an empty FQDN", BYTES(SOLICIT "\0\x27\0\0"), false },
	{ "a relayed message", BYTES(RELAY "\0\x09\0\x04" SOLICIT), true },
	{ "a relay without message", BYTES(RELAY "\0\x12\0\1a"), false },
	{ "a relay with an empty message", BYTES(RELAY "\0\x09\0\0"), false },
	{ "a stray byte behind a relayed message", BYTES(RELAY "\0\x09\0\x04" SOLICIT "\0"), false },
	{ "a stray byte in a relayed message", BYTES(RELAY "\0\x09\0\x05" SOLICIT "\0"), false },
	{ "a relay that is cut off", BYTES("\x0c\0\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xfe\x80"), false },
};

START_TEST(forms)
{
	enum dhcp6_verdict v = read_exact(vectors[_i].bytes, vectors[_i].len, &m);

	ck_assert_msg((v == DHCP6_GOOD) == vectors[_i].is_good, "%s", vectors[_i].name);
}
END_TEST

START_TEST(values)
{
	static const char bytes[] = RELAY "\0\x12\0\3p21\0\x4f\0\x08\0\1\2\0\0\0\0\7\0\x09\0\x4a" SOLICIT DUID
					  "\0\6\0\4\0\x17\0\x18\0\3\0\x28\0\0\0\7\0\0\0\1\0\0\0\2\0\5\0\x18" ADDR
					  "\0\0\0\3\0\0\0\4\0\x0e\0\0";

	ck_assert_int_eq(read_exact(bytes, sizeof bytes - 1, &m), DHCP6_GOOD);
	ck_assert(m.type == DHCP6_SOLICIT && m.xid == 0x123456 && m.n_relays == 1 && m.n_ias == 1);
	ck_assert(m.client_id.len == 10 && m.client_id.p[9] == 5 && !m.server_id.p);
	ck_assert(m.relays[0].link.b[15] == 1 && m.relays[0].peer.b[0] == 0xfe && m.relays[0].interface_id.len == 3);
	ck_assert(m.relays[0].has_mac && m.relays[0].mac.b[5] == 7 && !m.relays[0].port.p);
	ck_assert(m.ias[0].kind == DHCP6_IA_NA && m.ias[0].iaid == 7 && m.ias[0].t1 == 1 && m.ias[0].t2 == 2);
	ck_assert(m.ias[0].n_addrs == 1 && m.ias[0].addrs[0].addr.b[15] == 7 && m.ias[0].addrs[0].preferred_s == 3 &&
		  m.ias[0].addrs[0].valid_s == 4);
	ck_assert(dhcp6_asks(&m, 23) && dhcp6_asks(&m, 24) && !dhcp6_asks(&m, 0x1700) && !dhcp6_asks(&m, 56));
	ck_assert(dhcp6_find(m.options, DHCP6_RAPID_COMMIT).p && !dhcp6_find(m.options, DHCP6_FQDN).p);
	for (size_t len = 0; len < sizeof bytes - 1; len++)
		ck_assert_msg(read_exact(bytes, len, &m) == DHCP6_MALFORMED, "cut at %zu", len);
}
END_TEST

/* Wraps a message in relays. */
static size_t wrap(unsigned n, uint8_t *buf, size_t size)
{
	struct wire_writer w = wire_write_to(buf, size);
	size_t at[DHCP6_RELAYS_MAX + 1];

	for (unsigned i = 0; i < n; i++) {
		wire_put_bytes(&w, RELAY, sizeof(RELAY) - 1);
		at[i] = dhcp6_open(&w, DHCP6_RELAY_MESSAGE);
	}
	wire_put_bytes(&w, SOLICIT, 4);
	while (n)
		dhcp6_close(&w, at[--n]);
	ck_assert(!w.failed);
	return wire_put_len(&w);
}

START_TEST(relays_are_bounded)
{
	uint8_t buf[1024];

	ck_assert_int_eq(read_exact(buf, wrap(DHCP6_RELAYS_MAX, buf, sizeof buf), &m), DHCP6_GOOD);
	ck_assert_uint_eq(m.n_relays, DHCP6_RELAYS_MAX);
	ck_assert_int_eq(read_exact(buf, wrap(DHCP6_RELAYS_MAX + 1, buf, sizeof buf), &m), DHCP6_MALFORMED);
}
END_TEST

START_TEST(associations_are_bounded)
{
	uint8_t buf[4096];
	struct wire_writer w = wire_write_to(buf, sizeof buf);

	wire_put_bytes(&w, SOLICIT, 4);
	for (unsigned i = 0; i < 20; i++) {
		size_t at = dhcp6_open(&w, DHCP6_IA_NA);

		wire_put_bytes(&w, (uint8_t[12]){ 0, 0, 0, (uint8_t)i }, 12);
		for (unsigned k = 0; k < 6; k++)
			dhcp6_put(&w, DHCP6_IAADDR, (uint8_t[24]){ 0x20 }, 24);
		dhcp6_close(&w, at);
	}
	ck_assert_int_eq(read_exact(buf, wire_put_len(&w), &m), DHCP6_GOOD);
	ck_assert(m.n_ias == DHCP6_IAS_MAX && m.has_more_ias && m.ias[7].iaid == 7);
	ck_assert_uint_eq(m.ias[7].n_addrs, DHCP6_IA_ADDRS_MAX);
}
END_TEST

START_TEST(a_writer_without_room_fails)
{
	uint8_t buf[8];
	struct wire_writer w = wire_write_to(buf, sizeof buf);
	size_t at = dhcp6_open(&w, DHCP6_IA_NA);

	dhcp6_put_status(&w, DHCP6_NO_ADDRS, "text");
	dhcp6_close(&w, at);
	ck_assert(w.failed && buf[3] == 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("dhcp6_msg");
	TCase *c = tcase_create("dhcp6_msg");

	tcase_add_loop_test(c, forms, 0, sizeof vectors / sizeof vectors[0]);
	tcase_add_test(c, values);
	tcase_add_test(c, relays_are_bounded);
	tcase_add_test(c, associations_are_bounded);
	tcase_add_test(c, a_writer_without_room_fails);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
