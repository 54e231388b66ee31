/* tests/dhcp/check_tftp.c: TFTP requests, and whole transfers on virtual time. */
#include "core/prng.h"
#include "core/wire.h"
#include "dhcp/tftp.h"
#include "dhcp/tftp_msg.h"
#include "tests/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- requests --------------------------------------------------------------------------- */

static const struct {
	const char *raw;
	size_t len;
	enum tftp_verdict verdict;
	const char *name;
	size_t n_options;
	uint64_t blksize;
} requests[] = {
#define ROW(text, verdict, name, n, blksize)                     \
	{                                                        \
		text, sizeof text - 1, verdict, name, n, blksize \
	}
	ROW("\0\1pxelinux.0\0octet\0", TFTP_GOOD, "pxelinux.0", 0, 0),
	ROW("\0\1pxelinux.0\0OcTeT\0", TFTP_GOOD, "pxelinux.0", 0, 0),
	ROW("\0\1a\0netascii\0", TFTP_GOOD, "a", 0, 0),
	ROW("\0\1a\0mail\0", TFTP_BAD_MODE, "", 0, 0),
	ROW("\0\1a\0octet\0BLKSIZE\0001432\0tsize\0000\0", TFTP_GOOD, "a", 2, 1432),
	ROW("\0\1a\0octet\0blksize\0007\0", TFTP_GOOD, "a", 0, 0),
	ROW("\0\1a\0octet\0blksize\000-8\0", TFTP_GOOD, "a", 0, 0),
	ROW("\0\1a\0octet\0blksize\00099999999999999999999\0", TFTP_GOOD, "a", 0, 0),
	ROW("\0\1a\0octet\0blksize\0001000\0blksize\0002000\0", TFTP_GOOD, "a", 1, 1000),
	ROW("\0\1a\0octet\0windowsize\0000\0timeout\0000\0timeout\000256\0", TFTP_GOOD, "a", 0, 0),
	ROW("\0\1a\0octet\0multicast\0\0blksize\0001024\0", TFTP_GOOD, "a", 1, 1024),
	/* Junk behind the last option is ignored. */
	ROW("\0\1a\0octet\0blksize\0001024\0\xff\xff\xff", TFTP_GOOD, "a", 1, 1024),
	ROW("\0\1a\0octet\0blksize\0001024", TFTP_GOOD, "a", 0, 0),
	ROW("\0\1/efi/./boot//x64.efi\0octet\0", TFTP_GOOD, "efi/boot/x64.efi", 0, 0),
	ROW("\0\1\\boot\\bcd\0octet\0", TFTP_GOOD, "boot/bcd", 0, 0),
	ROW("\0\1../etc/passwd\0octet\0", TFTP_BAD_NAME, "", 0, 0),
	ROW("\0\1a/../../b\0octet\0", TFTP_BAD_NAME, "", 0, 0),
	ROW("\0\1a\\..\\b\0octet\0", TFTP_BAD_NAME, "", 0, 0),
	ROW("\0\1a\nb\0octet\0", TFTP_BAD_NAME, "", 0, 0),
	ROW("\0\1\0octet\0", TFTP_BAD_NAME, "", 0, 0),
	ROW("\0\1/\0octet\0", TFTP_BAD_NAME, "", 0, 0),
	ROW("\0\1a\0octet", TFTP_MALFORMED, "", 0, 0),
	ROW("\0\1a", TFTP_MALFORMED, "", 0, 0),
	ROW("\0\1", TFTP_MALFORMED, "", 0, 0),
	ROW("\0", TFTP_MALFORMED, "", 0, 0),
	ROW("", TFTP_MALFORMED, "", 0, 0),
	ROW("\0\3a\0octet\0", TFTP_MALFORMED, "", 0, 0),
#undef ROW
};

START_TEST(requests_are_read)
{
	struct tftp_request q;

	ck_assert_int_eq(tftp_request_parse((const uint8_t *)requests[_i].raw, requests[_i].len, &q),
			 requests[_i].verdict);
	ck_assert_str_eq(q.name, requests[_i].name);
	ck_assert_uint_eq(q.n_options, requests[_i].n_options);
	ck_assert_uint_eq(q.value[TFTP_BLKSIZE], requests[_i].blksize);
}
END_TEST

START_TEST(a_name_has_a_bound)
{
	char name[300], out[TFTP_NAME_SIZE];

	memset(name, 'x', sizeof name);
	name[TFTP_NAME_SIZE - 1] = 0;
	ck_assert(tftp_name_clean(name, out));
	name[TFTP_NAME_SIZE - 1] = 'x';
	name[TFTP_NAME_SIZE] = 0;
	ck_assert(!tftp_name_clean(name, out));
}
END_TEST

/* ---- a server with made-up files, and a client ---------------------------------------------- */

enum { SENT_MAX = 512 };
static const nsec_t T0 = 100 * NSEC_PER_SEC;

static struct tftp *t;
static nsec_t now;
static struct {
	struct tftp_peer to;
	uint16_t port, op, number;
	size_t len;
	uint8_t data[1600];
} sent[SENT_MAX];
static size_t n_sent;
static int n_files;
static uint64_t file_size;
static bool is_text, is_broken, is_numbered;
static uint16_t block_max;
static char opened[TFTP_NAME_SIZE];

/* The file's byte at @i. */
static uint8_t byte_at(uint64_t i)
{
	static const char text[] = "one\ntwo\r\nthree\r\n\n";

	if (is_text)
		return (uint8_t)text[i % (sizeof text - 1)];
	return (uint8_t)(i * 2654435761u >> 16 ^ i >> 32);
}

static int on_open(void *ctx, uint32_t network, const char *name, void **ret_file, uint64_t *ret_size)
{
	(void)ctx;
	(void)network;
	if (strcmp(name, "none") == 0)
		return -ENOENT;
	if (strcmp(name, "secret") == 0)
		return -EACCES;
	(void)snprintf(opened, sizeof opened, "%s", name);
	n_files++;
	*ret_file = &n_files;
	*ret_size = file_size;
	return 0;
}

static ssize_t on_read(void *ctx, void *file, uint64_t offset, void *buf, size_t len)
{
	uint8_t *b = buf;

	(void)ctx;
	ck_assert_ptr_eq(file, &n_files);
	ck_assert_uint_le(offset + len, file_size);
	if (is_broken)
		return -EIO;
	/* A long file's blocks begin with their offset; the rest is not looked at. */
	if (is_numbered && len >= 8)
		store_le64(b, offset);
	for (size_t i = 0; i < len && !is_numbered; i++)
		b[i] = byte_at(offset + i);
	return (ssize_t)len;
}

static void on_close(void *ctx, void *file)
{
	(void)ctx;
	ck_assert_ptr_eq(file, &n_files);
	n_files--;
}

static void on_send(void *ctx, const struct tftp_peer *to, uint16_t port, const uint8_t *msg, size_t len, nsec_t at)
{
	(void)ctx;
	ck_assert_int_eq(at, now);
	ck_assert_uint_lt(n_sent, SENT_MAX);
	ck_assert(len >= 4 && (is_numbered || len <= sizeof sent->data));
	sent[n_sent].to = *to;
	sent[n_sent].port = port;
	sent[n_sent].op = load_be16(msg);
	sent[n_sent].number = load_be16(msg + 2);
	sent[n_sent].len = len;
	memcpy(sent[n_sent++].data, msg, len < sizeof sent->data ? len : sizeof sent->data);
}

static void setup(void)
{
	const struct tftp_ops ops = { .open = on_open, .read = on_read, .close = on_close, .send = on_send };

	n_sent = 0;
	n_files = 0;
	file_size = 1300;
	is_text = is_broken = is_numbered = false;
	block_max = 1468;
	now = T0;
	ck_assert_int_eq(tftp_new(7, &ops, &t), 0);
}

static void teardown(void)
{
	t = tftp_free(t);
	ck_assert_int_eq(n_files, 0);
}

static struct tftp_peer peer_of(uint64_t source, uint16_t port)
{
	struct tftp_peer p = { .source = source, .port = port, .block_max = block_max };

	ck_assert_int_eq(ip_parse("10.0.0.2", &p.client), 0);
	ck_assert_int_eq(ip_parse("10.0.0.1", &p.server), 0);
	p.client.b[3] = (uint8_t)(p.client.b[3] + source);
	return p;
}

static const struct tftp_peer *peer(void)
{
	static struct tftp_peer p;

	p = peer_of(1, 2000);
	return &p;
}

/* @rest: behind the op, with its length. */
static void ask_as(const struct tftp_peer *p, const char *rest, size_t len)
{
	uint8_t buf[300] = { 0, TFTP_RRQ };

	memcpy(buf + 2, rest, len);
	n_sent = 0;
	ck_assert(tftp_take(t, p, TFTP_PORT, buf, len + 2, now));
}
#define ASK(rest) ask_as(peer(), rest, sizeof rest)

static void ack(uint16_t number)
{
	uint8_t buf[4] = { 0, TFTP_ACK };
	uint16_t port = sent[0].port;

	store_be16(buf + 2, number);
	n_sent = 0;
	ck_assert(tftp_take(t, peer(), port, buf, sizeof buf, now));
	sent[0].port = port; /* also when nothing was sent */
}

static void expect_data(size_t i, uint64_t block, size_t block_size, size_t len)
{
	ck_assert_uint_lt(i, n_sent);
	ck_assert_uint_eq(sent[i].op, TFTP_DATA);
	ck_assert_uint_eq(sent[i].number, block & 0xffff);
	ck_assert_uint_eq(sent[i].len, 4 + len);
	for (size_t k = 0; k < len; k++)
		ck_assert_uint_eq(sent[i].data[4 + k], byte_at((block - 1) * block_size + k));
}

static void expect_error(enum tftp_error error)
{
	ck_assert_uint_eq(n_sent, 1);
	ck_assert_uint_eq(sent[0].op, TFTP_ERROR);
	ck_assert_uint_eq(sent[0].number, error);
	ck_assert_uint_eq(sent[0].data[sent[0].len - 1], 0);
}

START_TEST(a_file_is_sent_block_by_block)
{
	ASK("boot/a\0octet");
	ck_assert_str_eq(opened, "boot/a");
	expect_data(0, 1, 512, 512);
	ck_assert_uint_ge(sent[0].port, TFTP_PORT_FIRST);
	ck_assert_uint_eq(sent[0].to.port, 2000);
	ack(1);
	expect_data(0, 2, 512, 512);
	ack(2);
	expect_data(0, 3, 512, 276);
	ack(3);
	ck_assert_uint_eq(n_sent, 0);
	ck_assert_uint_eq(tftp_sessions(t), 0);
	ck_assert_uint_eq(tftp_counters(t)->completed, 1);
	ck_assert_int_eq(tftp_next(t), NSEC_NEVER);
}
END_TEST

START_TEST(a_file_that_fills_its_blocks_ends_with_an_empty_one)
{
	file_size = _i ? 1024 : 0;
	ASK("a\0octet");
	if (_i) {
		ack(1);
		ack(2);
	}
	expect_data(0, _i ? 3 : 1, 512, 0);
	ack(_i ? 3 : 1);
	ck_assert_uint_eq(tftp_sessions(t), 0);
}
END_TEST

START_TEST(an_oack_has_what_was_asked_and_no_more)
{
	static const char all[] = "\0\6blksize\0001468\0tsize\0001300\0timeout\0003\0windowsize\00064";
	static const char one[] = "\0\6tsize\0001300";

	ASK("a\0octet\0blksize\0009000\0tsize\0000\0nothing\0001\0timeout\0003\0windowsize\0001000");
	ck_assert_uint_eq(n_sent, 1);
	ck_assert_uint_eq(sent[0].len, sizeof all);
	ck_assert_int_eq(memcmp(sent[0].data, all, sizeof all), 0);
	ack(7); /* only block 0 acknowledges an OACK */
	ck_assert_uint_eq(n_sent, 0);
	ack(0);
	expect_data(0, 1, 1468, 1300);
	ack(1);
	ck_assert_uint_eq(tftp_sessions(t), 0);
	ASK("a\0octet\0tsize\0000");
	ck_assert_uint_eq(sent[0].len, sizeof one);
	ck_assert_int_eq(memcmp(sent[0].data, one, sizeof one), 0);
	ack(0);
	expect_data(0, 1, 512, 512);
	ASK("a\0netascii\0tsize\0000"); /* the length on the wire is not known: no option is left */
	ck_assert_uint_eq(sent[0].op, TFTP_DATA);
}
END_TEST

START_TEST(uefi_asks_for_the_size_and_ends)
{
	static const uint8_t error[] = { 0, TFTP_ERROR, 0, 8, 'n', 'o', 0 };

	for (uint16_t i = 0; i < 3; i++) {
		struct tftp_peer p = peer_of(1, (uint16_t)(2000 + i));

		ask_as(&p, "a\0octet\0tsize\0000", sizeof "a\0octet\0tsize\0000");
		ck_assert_uint_eq(sent[0].op, TFTP_OACK);
		if (i == 2)
			break;
		n_sent = 0;
		ck_assert(tftp_take(t, &p, sent[0].port, error, sizeof error, now));
		ck_assert_uint_eq(n_sent, 0);
		ck_assert_uint_eq(tftp_sessions(t), 0);
	}
	ck_assert_uint_eq(tftp_counters(t)->aborted, 2);
	ck_assert_uint_eq(tftp_counters(t)->failed, 0);
}
END_TEST

START_TEST(what_may_not_be_is_told)
{
	static const uint8_t write[] = "\0\2a\0octet";

	ASK("none\0octet");
	expect_error(TFTP_NOT_FOUND);
	ck_assert_uint_eq(sent[0].port, TFTP_PORT);
	ASK("secret\0octet");
	expect_error(TFTP_ACCESS);
	ASK("../a\0octet");
	expect_error(TFTP_ACCESS);
	ASK("a\0mail");
	expect_error(TFTP_ILLEGAL);
	n_sent = 0;
	ck_assert(tftp_take(t, peer(), TFTP_PORT, write, sizeof write, now));
	expect_error(TFTP_ACCESS);
	ck_assert_uint_eq(tftp_counters(t)->writes, 1);
	n_sent = 0;
	ck_assert(tftp_take(t, peer(), TFTP_PORT, (const uint8_t *)"\0\4\0\1", 4, now));
	ck_assert_uint_eq(n_sent, 0);
	ck_assert(!tftp_take(t, peer(), TFTP_PORT_FIRST + 5, (const uint8_t *)"\0\4\0\1", 4, now));
	is_broken = true;
	ASK("a\0octet");
	expect_error(TFTP_UNDEFINED);
	ck_assert_uint_eq(tftp_sessions(t), 0);
}
END_TEST

/* A stranger is told, and the session goes on (RFC 1350 §4). */
START_TEST(a_port_is_its_clients)
{
	struct tftp_peer other = peer_of(2, 2000);
	uint16_t port;

	ASK("a\0octet");
	port = sent[0].port;
	n_sent = 0;
	ck_assert(tftp_take(t, &other, port, (const uint8_t *)"\0\4\0\1", 4, now));
	expect_error(TFTP_UNKNOWN_TID);
	ck_assert_uint_eq(sent[0].to.source, 2);
	n_sent = 0;
	ck_assert(tftp_take(t, &other, port, (const uint8_t *)"\0\5\0\0", 4, now));
	ck_assert_uint_eq(n_sent, 0);
	sent[0].port = port;
	ack(1);
	expect_data(0, 2, 512, 512);
}
END_TEST

/* ---- blocks ---------------------------------------------------------------------------------- */

START_TEST(block_numbers_wrap_and_files_pass_4_gib)
{
	uint64_t blocks, block;

	file_size = (UINT64_C(1) << 32) + 10000000;
	is_numbered = true;
	block_max = TFTP_BLOCK_MAX;
	ASK("a\0octet\0blksize\00065464\0windowsize\00064");
	ack(0);
	blocks = file_size / TFTP_BLOCK_MAX + 1;
	ck_assert_uint_gt(blocks, 65536);
	for (block = 64; block < blocks; block += 64) {
		ck_assert_uint_eq(n_sent, 64);
		for (size_t i = 0; i < 64; i++) {
			ck_assert_uint_eq(sent[i].number, (block - 63 + i) & 0xffff);
			ck_assert_uint_eq(load_le64(sent[i].data + 4), (block - 64 + i) * TFTP_BLOCK_MAX);
		}
		ack((uint16_t)block);
	}
	ck_assert_uint_eq(sent[n_sent - 1].len, 4 + file_size % TFTP_BLOCK_MAX);
	ack((uint16_t)blocks);
	ck_assert_uint_eq(tftp_sessions(t), 0);
	ck_assert_uint_eq(tftp_counters(t)->blocks, blocks);
}
END_TEST

/* RFC 1123 §4.2.3.1: an ACK that comes twice does not have a block sent twice. */
START_TEST(an_ack_that_comes_twice_is_ignored)
{
	ASK("a\0octet");
	ack(1);
	expect_data(0, 2, 512, 512);
	now += 500 * NSEC_PER_MSEC;
	ack(1);
	ck_assert_uint_eq(n_sent, 0);
	ack(0);
	ck_assert_uint_eq(n_sent, 0);
	ack(9); /* of a block that was not sent */
	ck_assert_uint_eq(n_sent, 0);
	ack(2);
	expect_data(0, 3, 512, 276);
	ck_assert_uint_eq(tftp_counters(t)->duplicates, 3);
}
END_TEST

START_TEST(a_window_goes_on_behind_what_came)
{
	file_size = 100000;
	ASK("a\0octet\0windowsize\0004");
	now += 10 * NSEC_PER_MSEC;
	ack(0);
	ck_assert_uint_eq(n_sent, 4);
	now += 10 * NSEC_PER_MSEC;
	ack(4);
	expect_data(0, 5, 512, 512);
	ck_assert_uint_eq(n_sent, 4);
	now += 10 * NSEC_PER_MSEC;
	ack(6); /* 7 was lost */
	expect_data(0, 7, 512, 512);
	expect_data(3, 10, 512, 512);
	/* The network repeats that ACK: nothing was sent so long ago that this could answer it. */
	now += 2 * NSEC_PER_MSEC;
	ack(6);
	ck_assert_uint_eq(n_sent, 0);
	/* 7 was lost again, and the client says so; once. */
	now += 20 * NSEC_PER_MSEC;
	ack(6);
	expect_data(0, 7, 512, 512);
	now += 20 * NSEC_PER_MSEC;
	ack(6);
	ck_assert_uint_eq(n_sent, 0);
	ack(10);
	expect_data(0, 11, 512, 512);
}
END_TEST

START_TEST(netascii_is_translated)
{
	static uint8_t want[4000], have[4000];
	size_t n = 0, at = 0;
	uint64_t block = 0;

	is_text = true;
	file_size = 1300;
	for (uint64_t i = 0; i < file_size; i++) {
		uint8_t c = byte_at(i);

		want[n++] = c == '\n' ? '\r' : c;
		if (c == '\n' || c == '\r')
			want[n++] = c == '\n' ? '\n' : 0;
	}
	ASK("a\0netascii\0blksize\00013\0windowsize\0003");
	ack(0);
	while (tftp_sessions(t)) {
		for (size_t i = 0; i < n_sent; i++) {
			ck_assert_uint_eq(sent[i].number, ++block);
			memcpy(have + at, sent[i].data + 4, sent[i].len - 4);
			at += sent[i].len - 4;
		}
		/* Each third window is lost, and sent again. */
		if (block % 9 == 0) {
			for (size_t i = 0; i < n_sent; i++)
				at -= sent[i].len - 4;
			block -= n_sent;
			n_sent = 0;
			now = tftp_next(t);
			tftp_run(t, now);
			for (size_t i = 0; i < n_sent; i++) {
				memcpy(have + at, sent[i].data + 4, sent[i].len - 4);
				at += sent[i].len - 4;
			}
			block += n_sent;
		}
		ack((uint16_t)block);
	}
	ck_assert_uint_eq(at, n);
	ck_assert_int_eq(memcmp(have, want, n), 0);
}
END_TEST

/* ---- time ---------------------------------------------------------------------------------------- */

START_TEST(what_is_lost_is_sent_again_ever_later)
{
	nsec_t begin = _i ? 3 * NSEC_PER_SEC : NSEC_PER_SEC, wait = begin;

	if (_i) {
		ASK("a\0octet\0timeout\0003");
		ack(0);
	} else {
		ASK("a\0octet");
	}
	for (unsigned i = 0; i < TFTP_TRIES_MAX; i++) {
		ck_assert_int_eq(tftp_next(t), now + wait);
		tftp_run(t, now + wait - 1);
		n_sent = 0;
		now += wait;
		tftp_run(t, now);
		expect_data(0, 1, 512, 512);
		wait = wait * 2 < TFTP_WAIT_MAX_NS ? wait * 2 : TFTP_WAIT_MAX_NS;
	}
	n_sent = 0;
	now += wait;
	tftp_run(t, now);
	ck_assert_uint_eq(n_sent, 0);
	ck_assert_uint_eq(tftp_sessions(t), 0);
	ck_assert_uint_eq(tftp_counters(t)->timed_out, 1);
}
END_TEST

START_TEST(an_ack_ends_the_waiting)
{
	ASK("a\0octet");
	n_sent = 0;
	now += TFTP_WAIT_NS;
	tftp_run(t, now);
	now += TFTP_WAIT_NS;
	ack(1);
	expect_data(0, 2, 512, 512);
	ck_assert_int_eq(tftp_next(t), now + TFTP_WAIT_NS);
}
END_TEST

START_TEST(a_request_that_comes_twice_makes_one_session)
{
	ASK("a\0octet");
	now += 100 * NSEC_PER_MSEC;
	ASK("a\0octet");
	ck_assert_uint_eq(n_sent, 0);
	ck_assert_uint_eq(tftp_sessions(t), 1);
	/* A client that begins anew on its old port gets a session of its own. */
	now += 3 * NSEC_PER_SEC;
	ASK("b\0octet");
	ck_assert_str_eq(opened, "b");
	expect_data(0, 1, 512, 512);
	ck_assert_uint_eq(tftp_sessions(t), 1);
}
END_TEST

/* ---- bounds --------------------------------------------------------------------------------------- */

static void ask_many(uint64_t source, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct tftp_peer p = peer_of(source, (uint16_t)(3000 + i));

		now += NSEC_PER_MSEC;
		ask_as(&p, "a\0octet", sizeof "a\0octet");
	}
}

START_TEST(sessions_are_bounded)
{
	uint16_t port;

	file_size = 1 << 20;
	ASK("a\0octet");
	port = sent[0].port;
	ask_many(2, 100);
	ck_assert_uint_eq(tftp_sessions(t), 1 + TFTP_SOURCE_MAX);
	ck_assert_int_eq(n_files, 1 + TFTP_SOURCE_MAX);
	/* Many sources: who waits longest for its client goes, and not who moves. */
	for (uint64_t source = 3; source < 40; source++) {
		ask_many(source, 20);
		sent[0].port = port;
		ack((uint16_t)(source - 2));
		expect_data(0, source - 1, 512, 512);
		port = sent[0].port;
	}
	ck_assert_uint_eq(tftp_sessions(t), TFTP_SESSION_COUNT);
	ck_assert_int_eq(n_files, TFTP_SESSION_COUNT);
	ck_assert_uint_gt(tftp_counters(t)->evicted, 300);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("tftp");
	TCase *m = tcase_create("messages"), *c = tcase_create("transfers");

	tcase_add_loop_test(m, requests_are_read, 0, sizeof requests / sizeof *requests);
	tcase_add_test(m, a_name_has_a_bound);
	suite_add_tcase(s, m);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_file_is_sent_block_by_block);
	tcase_add_loop_test(c, a_file_that_fills_its_blocks_ends_with_an_empty_one, 0, 2);
	tcase_add_test(c, an_oack_has_what_was_asked_and_no_more);
	tcase_add_test(c, uefi_asks_for_the_size_and_ends);
	tcase_add_test(c, what_may_not_be_is_told);
	tcase_add_test(c, a_port_is_its_clients);
	tcase_add_test(c, block_numbers_wrap_and_files_pass_4_gib);
	tcase_add_test(c, an_ack_that_comes_twice_is_ignored);
	tcase_add_test(c, a_window_goes_on_behind_what_came);
	tcase_add_test(c, netascii_is_translated);
	tcase_add_loop_test(c, what_is_lost_is_sent_again_ever_later, 0, 2);
	tcase_add_test(c, an_ack_ends_the_waiting);
	tcase_add_test(c, a_request_that_comes_twice_makes_one_session);
	tcase_add_test(c, sessions_are_bounded);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
