/* tests/nat/check_frag.c: fragments put together and cut, and the attacks on those who do so. */
#include "nat/frag.h"
#include "tests/unit.h"

#include <string.h>

enum { SOURCE_MAX = 256 << 10, TOTAL_MAX = 1 << 20, LEN = 4000 };

static struct frag *fr;
static uint8_t packet4[LEN + 28], packet6[LEN + 48];
static const uint8_t *ip;
static size_t len;

static void make(const char *src, const char *dst, uint8_t *buf, size_t size)
{
	struct packet_ip head = { .ttl = 9, .proto = PROTO_UDP };
	struct wire_writer w = wire_write_to(buf, size);
	uint8_t payload[LEN];

	for (size_t i = 0; i < LEN; i++)
		payload[i] = (uint8_t)(i * 7 + i / 256);
	ck_assert_int_eq(ip_parse(src, &head.src), 0);
	ck_assert_int_eq(ip_parse(dst, &head.dst), 0);
	packet_put_ip_udp(&w, &head, 1, 2, payload, LEN);
	ck_assert(!w.failed);
}

static void setup(void)
{
	struct frag_limits limits = { .source_bytes_max = SOURCE_MAX, .total_bytes_max = TOTAL_MAX };

	ck_assert_int_eq(frag_new(&limits, &fr), 0);
	make("10.0.0.2", "192.0.2.1", packet4, sizeof packet4);
	make("fd00::2", "2001:db8::1", packet6, sizeof packet6);
}

static void teardown(void)
{
	frag_run(fr, INT64_MAX - 1, NULL, NULL);
	ck_assert_uint_eq(frag_bytes(fr), 0);
	fr = frag_free(fr);
}

struct pieces {
	uint8_t data[300][1500];
	size_t len[300];
	unsigned n;
};
static struct pieces pieces;

static int collect(void *ctx, const uint8_t *data, size_t n)
{
	struct pieces *to = ctx;

	ck_assert_uint_le(n, sizeof to->data[0]);
	memcpy(to->data[to->n], data, n);
	to->len[to->n++] = n;
	return 0;
}

static enum frag_verdict take(uint64_t source, const uint8_t *data, size_t n, nsec_t now)
{
	struct packet p;

	ck_assert_int_eq(packet_parse_ip(data, n, true, &p), PACKET_OK);
	ck_assert(p.is_fragment);
	return frag_take(fr, 0, source, &p, now, &ip, &len);
}

/* Cut at every MTU, given in order, in reverse, and with repetitions: the same bytes come back. */
START_TEST(what_is_cut_is_put_together)
{
	bool is6 = _i & 1;
	const uint8_t *whole = is6 ? packet6 : packet4;
	size_t whole_len = is6 ? sizeof packet6 : sizeof packet4;

	for (size_t mtu = is6 ? 1280 : 68; mtu <= 1500; mtu += 13) {
		struct packet p;

		pieces.n = 0;
		ck_assert_int_eq(frag_split(whole, whole_len, mtu, (uint32_t)mtu, collect, &pieces), 0);
		for (unsigned i = 0; i < pieces.n; i++) {
			unsigned at = _i & 2 ? pieces.n - 1 - i : i;
			enum frag_verdict v;

			ck_assert_uint_le(pieces.len[at], mtu);
			ck_assert_int_eq(packet_parse_ip(pieces.data[at], pieces.len[at], true, &p), PACKET_OK);
			ck_assert(packet_checksums_ok(&p));
			v = take(1, pieces.data[at], pieces.len[at], 0);
			ck_assert_int_eq(v, i + 1 == pieces.n ? FRAG_WHOLE : FRAG_WAITS);
			if (i + 1 < pieces.n)
				ck_assert_int_eq(take(1, pieces.data[at], pieces.len[at], 0), FRAG_WAITS);
		}
		ck_assert_int_eq(packet_parse_ip(ip, len, true, &p), PACKET_OK);
		ck_assert(packet_checksums_ok(&p) && !p.is_fragment && p.payload_len == LEN && p.ttl == 9);
		ck_assert_uint_eq(len, whole_len);
		ck_assert_int_eq(memcmp(ip + p.payload, whole + p.payload, LEN), 0);
		ck_assert_uint_eq(frag_bytes(fr), 0);
	}
}
END_TEST

/* A piece of an IPv4 packet: @start and @n in bytes. */
static enum frag_verdict give(uint64_t source, uint16_t id, uint32_t start, size_t n, bool more, uint8_t fill)
{
	uint8_t buf[1500] = { 0 };
	struct packet_ip head = { .ttl = 9, .proto = PROTO_UDP, .id = id };
	struct wire_writer w = wire_write_to(buf, sizeof buf);
	uint32_t sum = 0;

	ck_assert_int_eq(ip_parse("10.0.0.2", &head.src), 0);
	ck_assert_int_eq(ip_parse("192.0.2.1", &head.dst), 0);
	packet_put_ip(&w, &head, n);
	memset(buf + 20, fill, n);
	store_be16(buf + 6, (uint16_t)(start / 8 | (more ? 0x2000u : 0)));
	store_be16(buf + 10, 0);
	for (unsigned i = 0; i < 20; i += 2)
		sum += load_be16(buf + i);
	sum = (sum & 0xffff) + (sum >> 16);
	store_be16(buf + 10, (uint16_t)~(sum + (sum >> 16)));
	return take(source, buf, 20 + n, 0);
}

/* RFC 5722, and teardrop (CVE-1999-0015): the second piece lies within the first. */
START_TEST(teardrop_an_overlap_ends_the_packet)
{
	ck_assert_int_eq(give(1, 7, 0, 64, true, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 7, 24, 8, true, 1), FRAG_DROPPED);
	ck_assert_uint_eq(frag_counters(fr)->overlaps, 1);
	ck_assert_uint_eq(frag_bytes(fr), 0);
	/* Overlapping by eight bytes from below and from above. */
	ck_assert_int_eq(give(1, 8, 64, 64, true, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 8, 16, 56, true, 1), FRAG_DROPPED);
	ck_assert_int_eq(give(1, 9, 64, 64, true, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 9, 120, 64, true, 1), FRAG_DROPPED);
	/* The same place with other bytes. */
	ck_assert_int_eq(give(1, 10, 64, 64, true, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 10, 64, 64, true, 2), FRAG_DROPPED);
	/* The same bytes again are no overlap, and fill no gap of eight bytes. */
	ck_assert_int_eq(give(1, 11, 64, 64, true, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 11, 64, 64, true, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 11, 128, 64, false, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 11, 0, 56, true, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 11, 56, 8, true, 1), FRAG_WHOLE);
}
END_TEST

/* libslirp, CVE-2018-11806: the buffer was as large as the first piece told, and a later one ran out of it. */
START_TEST(cve_2018_11806_a_short_first_piece_bounds_nothing)
{
	ck_assert_int_eq(give(1, 7, 0, 8, true, 1), FRAG_WAITS);
	for (unsigned i = 1; i < 40; i++)
		ck_assert_int_eq(give(1, 7, i * 1400 - 1392, 1400, true, (uint8_t)i), FRAG_WAITS);
	ck_assert_int_eq(give(1, 7, 40 * 1400 - 1392, 100, false, 9), FRAG_WHOLE);
	ck_assert_uint_eq(len, 20 + 40 * 1400 - 1392 + 100);
	ck_assert_uint_eq(ip[len - 1], 9);
}
END_TEST

/* libslirp, CVE-2019-14378: a first piece longer than what follows was counted twice. */
START_TEST(cve_2019_14378_a_long_first_piece_is_copied_once)
{
	ck_assert_int_eq(give(1, 7, 1400, 8, false, 2), FRAG_WAITS);
	ck_assert_int_eq(give(1, 7, 0, 1400, true, 1), FRAG_WHOLE);
	ck_assert_uint_eq(len, 20 + 1408);
	ck_assert_uint_eq(ip[20 + 1399], 1);
	ck_assert_uint_eq(ip[20 + 1400], 2);
}
END_TEST

/* libslirp, CVE-2019-15890: the list was used after its packet had been put together and freed. */
START_TEST(cve_2019_15890_a_piece_behind_a_whole_packet_begins_anew)
{
	ck_assert_int_eq(give(1, 7, 0, 64, true, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 7, 64, 64, false, 1), FRAG_WHOLE);
	ck_assert_int_eq(give(1, 7, 64, 64, false, 1), FRAG_WAITS);
	ck_assert_uint_gt(frag_bytes(fr), 0);
}
END_TEST

/* The ping of death: the last piece ends behind 65535. The parser refuses it, and so no packet can grow that far. */
START_TEST(ping_of_death_is_no_packet)
{
	uint8_t buf[20 + 64] = { 0x45, 0, 0, 84, 0, 7, 0x1f, 0xff, 9, PROTO_UDP, 0, 0, 10, 0, 0, 2, 192, 0, 2, 1 };
	struct packet p;

	ck_assert_int_eq(packet_parse_ip(buf, sizeof buf, true, &p), PACKET_MALFORMED);
}
END_TEST

START_TEST(ends_that_contradict_are_dropped)
{
	ck_assert_int_eq(give(1, 7, 64, 64, false, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 7, 128, 64, false, 1), FRAG_DROPPED);
	ck_assert_int_eq(give(1, 8, 64, 64, false, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 8, 128, 64, true, 1), FRAG_DROPPED);
	ck_assert_int_eq(give(1, 9, 128, 64, true, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 9, 64, 64, false, 1), FRAG_DROPPED);
	ck_assert_uint_eq(frag_counters(fr)->misfits, 3);
}
END_TEST

START_TEST(pieces_of_one_packet_are_bounded)
{
	for (unsigned i = 0; i < FRAG_PIECES_MAX; i++)
		ck_assert_int_eq(give(1, 7, i * 16, 8, true, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 7, FRAG_PIECES_MAX * 16, 8, true, 1), FRAG_DROPPED);
	ck_assert_uint_eq(frag_counters(fr)->too_many, 1);
}
END_TEST

/* A flood of first pieces: the flooder's own packets go, and another source's stays. */
START_TEST(a_flood_hurts_who_floods)
{
	ck_assert_int_eq(give(2, 1, 0, 64, true, 1), FRAG_WAITS);
	for (unsigned s = 10; s < 17; s++)
		for (unsigned i = 0; i < 2000; i++) {
			(void)give(s, (uint16_t)(i * 16 + s), 0, 1400, true, 1);
			ck_assert_uint_le(frag_bytes(fr), TOTAL_MAX);
		}
	ck_assert_uint_gt(frag_counters(fr)->evicted, 1000);
	ck_assert_int_eq(give(2, 1, 64, 64, false, 1), FRAG_WHOLE);
}
END_TEST

static unsigned n_told;
static void on_timeout(void *ctx, uint16_t network, uint64_t source, const uint8_t *data, size_t n)
{
	struct packet p;

	(void)ctx;
	(void)network;
	ck_assert_uint_eq(source, 1);
	ck_assert_int_eq(packet_parse_ip(data, n, false, &p), PACKET_OK);
	n_told++;
}

START_TEST(after_30_s_the_first_piece_is_told_of)
{
	ck_assert_int_eq(give(1, 7, 0, 64, true, 1), FRAG_WAITS);
	ck_assert_int_eq(give(1, 8, 64, 64, true, 1), FRAG_WAITS);
	ck_assert_int_eq(frag_next(fr), FRAG_TIME_NS);
	frag_run(fr, FRAG_TIME_NS - 1, on_timeout, NULL);
	ck_assert_uint_gt(frag_bytes(fr), 0);
	frag_run(fr, FRAG_TIME_NS, on_timeout, NULL);
	ck_assert_uint_eq(frag_bytes(fr), 0);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_int_eq(frag_next(fr), NSEC_NEVER);
}
END_TEST

START_TEST(small_mtus_and_nonsense_are_not_cut)
{
	uint8_t nonsense[2000] = { 0x40 };

	pieces.n = 0;
	ck_assert_int_lt(frag_split(packet4, sizeof packet4, 67, 1, collect, &pieces), 0);
	ck_assert_int_lt(frag_split(packet6, sizeof packet6, 1279, 1, collect, &pieces), 0);
	ck_assert_int_lt(frag_split(nonsense, sizeof nonsense, 1500, 1, collect, &pieces), 0);
	ck_assert_uint_eq(pieces.n, 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("frag");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, what_is_cut_is_put_together, 0, 4);
	tcase_add_test(t, teardrop_an_overlap_ends_the_packet);
	tcase_add_test(t, cve_2018_11806_a_short_first_piece_bounds_nothing);
	tcase_add_test(t, cve_2019_14378_a_long_first_piece_is_copied_once);
	tcase_add_test(t, cve_2019_15890_a_piece_behind_a_whole_packet_begins_anew);
	tcase_add_test(t, ping_of_death_is_no_packet);
	tcase_add_test(t, ends_that_contradict_are_dropped);
	tcase_add_test(t, pieces_of_one_packet_are_bounded);
	tcase_add_test(t, a_flood_hurts_who_floods);
	tcase_add_test(t, after_30_s_the_first_piece_is_told_of);
	tcase_add_test(t, small_mtus_and_nonsense_are_not_cut);
	suite_add_tcase(s, t);
	return s;
}
UNIT_MAIN(make_suite);
