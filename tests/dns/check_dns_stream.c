/* tests/dns/check_dns_stream.c: messages out of a TCP stream. */
#include "core/prng.h"
#include "core/wire.h"
#include "dns/dns_stream.h"
#include "tests/unit.h"

enum { MESSAGES = 20 };

/* The same bytes in pieces of any size give the same messages. */
START_TEST(pieces_make_no_difference)
{
	uint8_t sent[MESSAGES * 128];
	struct dns_stream s;
	struct prng p;
	size_t len = 0, n_got = 0, at = 0, start = 0;

	prng_init(&p, (uint64_t)_i, "stream");
	for (unsigned i = 0; i < MESSAGES; i++) {
		size_t n = 12 + prng_below(&p, 100);

		store_be16(sent + len, (uint16_t)n);
		memset(sent + len + 2, (int)i, n);
		len += 2 + n;
	}
	dns_stream_init(&s, 111);
	while (at < len) {
		size_t piece = _i ? 1 + prng_below(&p, (uint64_t)_i * 40) : len, used, msg_len;
		const uint8_t *msg;

		if (piece > len - at)
			piece = len - at;
		switch (dns_stream_take(&s, sent + at, piece, &used, &msg, &msg_len)) {
		case DNS_STREAM_MESSAGE:
			ck_assert_uint_eq(msg_len, load_be16(sent + start));
			ck_assert_mem_eq(msg, sent + start + 2, msg_len);
			start += 2 + msg_len;
			n_got++;
			break;
		case DNS_STREAM_MORE:
			ck_assert_uint_eq(used, piece);
			break;
		case DNS_STREAM_BAD:
			ck_abort();
		}
		ck_assert_uint_le(used, piece);
		at += used;
	}
	ck_assert_uint_eq(n_got, MESSAGES);
	dns_stream_done(&s);
}
END_TEST

static const struct {
	uint16_t len;
	bool is_good;
} lengths[] = { { 0, false }, { 11, false }, { 12, true }, { 100, true }, { 101, false }, { 65535, false } };

/* CVE-2017-14491's kin: no memory is taken for what a length only claims. */
START_TEST(a_length_out_of_bounds_ends_the_stream)
{
	uint8_t head[3] = { 0 };
	struct dns_stream s;
	const uint8_t *msg;
	size_t used = 99, msg_len;

	store_be16(head, lengths[_i].len);
	dns_stream_init(&s, 100);
	ck_assert_int_eq(dns_stream_take(&s, head, 3, &used, &msg, &msg_len),
			 lengths[_i].is_good ? DNS_STREAM_MORE : DNS_STREAM_BAD);
	ck_assert_uint_eq(used, lengths[_i].is_good ? 3 : 2);
	ck_assert_int_eq(s.buf != NULL, lengths[_i].is_good);
	if (!lengths[_i].is_good) {
		ck_assert_int_eq(dns_stream_take(&s, head, 3, &used, &msg, &msg_len), DNS_STREAM_BAD);
		ck_assert_uint_eq(used, 0);
	}
	dns_stream_done(&s);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("dns_stream");
	TCase *tc = tcase_create("stream");

	tcase_add_loop_test(tc, pieces_make_no_difference, 0, 5);
	tcase_add_loop_test(tc, a_length_out_of_bounds_ends_the_stream, 0, (int)(sizeof lengths / sizeof lengths[0]));
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(make_suite);
