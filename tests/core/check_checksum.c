/* tests/core/check_checksum.c: the Internet checksum and the cutting of GSO
 * frames, against a plain sum and against properties of what is cut. */
#include "core/checksum.h"
#include "core/prng.h"
#include "core/wire.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>

enum { TCPV4 = 1, UDP = 3, TCPV6 = 4, UDP_L4 = 5, FLAG_NEEDS_CSUM = 1 };

/* Two bytes at a time, as RFC 1071 §4.1 has it. */
static uint16_t plain_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

START_TEST(the_example_of_rfc_1071)
{
	static const uint8_t b[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	ck_assert_uint_eq(checksum_fold(checksum_add(0, b, 8)), (uint16_t)~0xddf2);
}
END_TEST

START_TEST(any_length_and_any_pieces)
{
	uint8_t b[300];
	struct prng rng;

	prng_init(&rng, 1, "sum");
	for (unsigned i = 0; i < 20000; i++) {
		size_t len = prng_below(&rng, 299), off = prng_below(&rng, 2);
		size_t first = prng_below(&rng, len / 2 + 1) * 2;
		uint32_t sum;

		if (first > len)
			first = 0;
		prng_bytes(&rng, b, sizeof b);
		if (i % 5 == 0)
			memset(b, i % 2 ? 0xff : 0, sizeof b);
		sum = checksum_add(0, b + off, first);
		sum = checksum_add(sum, b + off + first, len - first);
		ck_assert_uint_eq(checksum_fold(sum), plain_sum(0, b + off, len));
	}
}
END_TEST

START_TEST(a_checksum_is_completed_or_refused)
{
	struct frame *f = frame_new(NULL, 64);

	memset(f->data, 0x11, 64);
	f->len = 60;
	ck_assert_int_eq(frame_checksum_complete(f), 0); /* nothing asked for */
	f->offload = (struct frame_offload){ .flags = FLAG_NEEDS_CSUM, .csum_start = 34, .csum_offset = 24 };
	store_be16(f->data + 58, 0x1234); /* the pseudo header's part */
	ck_assert_int_eq(frame_checksum_complete(f), 0);
	ck_assert_uint_eq(f->offload.flags, 0);
	ck_assert_uint_eq(plain_sum(0, f->data + 34, 24) - 0x1234, load_be16(f->data + 58));
	f->offload = (struct frame_offload){ .flags = FLAG_NEEDS_CSUM, .csum_start = 34, .csum_offset = 25 };
	ck_assert_int_eq(frame_checksum_complete(f), -EBADMSG);
	f->offload = (struct frame_offload){ FLAG_NEEDS_CSUM, 0, 0, 0, 0xffff, 0xffff };
	ck_assert_int_eq(frame_checksum_complete(f), -EBADMSG);
	frame_free(f);
}
END_TEST

/* ---- segmentation ------------------------------------------------------------- */

/* What a big frame is made of. */
struct recipe {
	uint8_t kind;
	bool v6, is_udp;
	unsigned n_tags; /* VLAN */
	uint32_t options; /* of IPv4 or TCP's 4-byte words, or 8-byte IPv6 extension headers */
	uint32_t payload;
	uint16_t mss;
};

static uint32_t ip_at(const struct recipe *r)
{
	return 14 + 4 * r->n_tags;
}

static uint32_t l4_at(const struct recipe *r)
{
	return ip_at(r) + (r->v6 ? 40 + 8 * r->options : 20 + 4 * r->options);
}

static uint32_t payload_at(const struct recipe *r)
{
	return l4_at(r) + (r->is_udp ? 8 : 20 + 4 * r->options);
}

static struct frame *bake(const struct recipe *r)
{
	struct frame *f = frame_new(NULL, FRAME_LEN_MAX);
	uint8_t *ip = f->data + ip_at(r), *l4 = f->data + l4_at(r);
	uint8_t proto = r->is_udp ? 17 : 6;

	f->len = payload_at(r) + r->payload;
	memset(f->data, 0x22, payload_at(r));
	for (unsigned i = 0; i < r->n_tags; i++)
		store_be16(f->data + 12 + 4 * i, i == 0 && r->n_tags == 2 ? 0x88a8 : 0x8100);
	store_be16(f->data + ip_at(r) - 2, r->v6 ? 0x86dd : 0x0800);
	if (r->v6) {
		ip[0] = 0x60;
		ip[6] = r->options ? 0 : proto;
		for (uint32_t i = 0; i < r->options; i++) {
			ip[40 + 8 * i] = i + 1 < r->options ? 60 : proto;
			ip[41 + 8 * i] = 0;
		}
	} else {
		ip[0] = (uint8_t)(0x45 + r->options);
		ip[9] = proto;
		store_be16(ip + 4, 1000);
		store_be16(ip + 6, 0);
	}
	if (!r->is_udp) {
		store_be32(l4 + 4, 0xfffffff0); /* sequence numbers wrap */
		l4[12] = (uint8_t)((5 + r->options) << 4);
		l4[13] = 0x80 | 0x10 | 0x08 | 0x01; /* CWR ACK PSH FIN */
	}
	for (uint32_t i = 0; i < r->payload; i++)
		f->data[payload_at(r) + i] = (uint8_t)(i * 7 + (i >> 8));
	f->offload = (struct frame_offload){ FLAG_NEEDS_CSUM, r->kind, (uint16_t)payload_at(r), r->mss,
					     (uint16_t)l4_at(r), r->is_udp ? 6 : 16 };
	return f;
}

static void check_l4_checksum(const struct recipe *r, const uint8_t *ip, const uint8_t *l4, uint32_t len)
{
	uint32_t sum = len + (r->is_udp ? 17 : 6);

	sum += (uint16_t)~plain_sum(0, r->v6 ? ip + 8 : ip + 12, r->v6 ? 32 : 8);
	ck_assert_uint_eq(plain_sum(sum, l4, len), 0);
}

/* A piece of a TCP stream, or a datagram: headers, checksums, payload. */
static void check_piece(const struct recipe *r, const struct frame *f, uint32_t n, uint32_t at, bool last)
{
	const uint8_t *ip = f->data + ip_at(r), *l4 = f->data + l4_at(r);
	uint32_t len = f->len - payload_at(r);

	ck_assert_uint_eq(f->offload.flags | f->offload.gso_type, 0);
	ck_assert_uint_eq(len, last ? r->payload - at : r->mss);
	for (uint32_t i = 0; i < len; i++)
		ck_assert_uint_eq(f->data[payload_at(r) + i], (uint8_t)((at + i) * 7 + ((at + i) >> 8)));
	if (r->v6) {
		ck_assert_uint_eq(load_be16(ip + 4), f->len - ip_at(r) - 40);
	} else {
		ck_assert_uint_eq(load_be16(ip + 2), f->len - ip_at(r));
		ck_assert_uint_eq(load_be16(ip + 4), 1000 + n);
		ck_assert_uint_eq(plain_sum(0, ip, 4u * (ip[0] & 15)), 0);
	}
	check_l4_checksum(r, ip, l4, f->len - l4_at(r));
	if (r->is_udp) {
		ck_assert_uint_eq(load_be16(l4 + 4), len + 8);
		return;
	}
	ck_assert_uint_eq(load_be32(l4 + 4), 0xfffffff0 + at);
	ck_assert_uint_eq(l4[13], 0x10 | (n == 0 ? 0x80 : 0) | (last ? 0x09 : 0));
}

static const struct recipe recipes[] = {
	{ TCPV4, false, false, 0, 0, 10000, 1460 },	{ TCPV4, false, false, 1, 3, 65000, 1448 },
	{ TCPV4, false, false, 2, 0, 1460, 1460 },	{ TCPV4, false, false, 0, 0, 1, 1460 },
	{ TCPV4, false, false, 0, 10, 2921, 1460 },	{ TCPV6, true, false, 0, 0, 10000, 1440 },
	{ TCPV6, true, false, 1, 2, 3000, 1400 },	{ TCPV4 | 0x80, false, false, 0, 0, 5000, 536 },
	{ UDP_L4, false, true, 0, 0, 5000, 1400 },	{ UDP_L4, true, true, 2, 1, 5001, 1400 },
};

START_TEST(pieces_are_whole)
{
	const struct recipe *r = &recipes[_i];
	struct frame *list;
	uint32_t at = 0, n = 0;
	bool bad = true;

	list = frame_segment(NULL, bake(r), &bad);
	ck_assert(!bad);
	while (list) {
		struct frame *next = list->next;

		check_piece(r, list, n, at, !next);
		at += list->len - payload_at(r);
		n++;
		frame_free(list);
		list = next;
	}
	ck_assert_uint_eq(at, r->payload);
	ck_assert_uint_eq(n, (r->payload + r->mss - 1) / r->mss);
}
END_TEST

/* One UDP datagram as fragments: together they are the datagram. */
START_TEST(fragments_are_one_datagram)
{
	struct recipe r = { UDP, false, true, 1, 0, 5000, 1480 };
	uint8_t whole[5008];
	struct frame *list;
	uint32_t at = 0;
	uint8_t ip[20];
	bool bad;

	list = frame_segment(NULL, bake(&r), &bad);
	ck_assert(!bad);
	while (list) {
		struct frame *next = list->next;
		const uint8_t *h = list->data + ip_at(&r);
		uint32_t len = list->len - l4_at(&r);

		ck_assert_uint_eq(plain_sum(0, h, 20), 0);
		ck_assert_uint_eq(load_be16(h + 4), 1000);
		ck_assert_uint_eq(load_be16(h + 6), at / 8 | (next ? 0x2000 : 0));
		ck_assert_uint_eq(load_be16(h + 2), len + 20);
		ck_assert_uint_le(at + len, sizeof whole);
		memcpy(whole + at, list->data + l4_at(&r), len);
		memcpy(ip, h, 20);
		at += len;
		frame_free(list);
		list = next;
	}
	ck_assert_uint_eq(at, sizeof whole);
	check_l4_checksum(&r, ip, whole, sizeof whole);
}
END_TEST

START_TEST(a_plain_frame_comes_back_alone)
{
	struct frame *f = frame_new(NULL, 60), *g;
	bool bad = true;

	f->len = 60;
	memset(f->data, 0, 60);
	g = frame_segment(NULL, f, &bad);
	ck_assert_ptr_eq(g, f);
	ck_assert_ptr_null(g->next);
	ck_assert(!bad);
	frame_free(g);
}
END_TEST

START_TEST(headers_that_lie_are_refused)
{
	static const struct {
		const char *what;
		struct recipe r;
		uint32_t at; /* 0: none */
		uint8_t v;
		uint32_t len; /* 0: as it is */
	} lies[] = {
		{ "no segment size", { TCPV4, false, false, 0, 0, 5000, 0 }, 0, 0, 0 },
		{ "one frame into 60,000", { TCPV4, false, false, 0, 0, 60000, 1 }, 0, 0, 0 },
		{ "TCPv6 that is IPv4", { TCPV6, false, false, 0, 0, 5000, 1400 }, 0, 0, 0 },
		{ "TCP that is UDP", { TCPV4, false, true, 0, 0, 5000, 1400 }, 0, 0, 0 },
		{ "an unknown kind", { 2, false, false, 0, 0, 5000, 1400 }, 0, 0, 0 },
		{ "UDP fragments over IPv6", { UDP, true, true, 0, 0, 5000, 1400 }, 0, 0, 0 },
		{ "not IP", { TCPV4, false, false, 0, 0, 5000, 1400 }, 12, 0x99, 0 },
		{ "IP version 5", { TCPV4, false, false, 0, 0, 5000, 1400 }, 14, 0x55, 0 },
		{ "an IP header of 16 bytes", { TCPV4, false, false, 0, 0, 5000, 1400 }, 14, 0x44, 0 },
		{ "a TCP header of 16 bytes", { TCPV4, false, false, 0, 0, 5000, 1400 }, 46, 0x40, 0 },
		{ "a TCP header beyond the end", { TCPV4, false, false, 0, 0, 5000, 1400 }, 46, 0xf0, 60 },
		{ "cut within TCP", { TCPV4, false, false, 0, 0, 5000, 1400 }, 0, 0, 50 },
		{ "cut within IP", { TCPV4, false, false, 0, 0, 5000, 1400 }, 0, 0, 30 },
		{ "cut within Ethernet", { TCPV4, false, false, 0, 0, 5000, 1400 }, 0, 0, 13 },
		{ "cut within a tag", { TCPV4, false, false, 1, 0, 5000, 1400 }, 0, 0, 15 },
		{ "an extension header beyond the end", { TCPV6, true, false, 0, 1, 5000, 1400 }, 55, 0xff, 900 },
		{ "a fragment header", { TCPV6, true, false, 0, 0, 5000, 1400 }, 20, 44, 0 },
	};
	struct frame *f = bake(&lies[_i].r);
	bool bad = false;

	if (lies[_i].at)
		f->data[lies[_i].at] = lies[_i].v;
	if (lies[_i].len)
		f->len = lies[_i].len;
	ck_assert_msg(!frame_segment(NULL, f, &bad) && bad, "%s", lies[_i].what);
}
END_TEST

/* Random headers behind a plausible start: nothing is read or written out of
 * bounds (the sanitizers look), nothing leaks (the pool asserts). */
/* A TCP frame over IPv4 of 54 bytes of headers and 2,000 of payload. */
static struct frame *tcp_frame(const struct frame_offload *o)
{
	static const uint8_t head[] = { [0] = 2, [6] = 2, [12] = 8, [14] = 0x45, [23] = 6, [46] = 0x50 };
	struct frame *f = frame_new(NULL, 2054);

	ck_assert_ptr_nonnull(f);
	memset(f->data, 0, 2054);
	memcpy(f->data, head, sizeof head);
	f->len = 2054;
	f->offload = *o;
	return f;
}

START_TEST(an_offload_header_is_judged_by_the_frame)
{
	static const struct {
		struct frame_offload o;
		uint32_t at; /* of a byte that is changed before */
		uint8_t byte;
		bool is_good;
	} t[] = {
		{ { 1, TCPV4, 54, 1000, 34, 16 }, 0, 2, true },
		{ { 1, TCPV4 | 0x80, 54, 1000, 34, 16 }, 0, 2, true },
		{ { 1, TCPV4, 2054, 8, 34, 16 }, 0, 2, true }, /* a driver's hdr_len may reach into the payload */
		{ { 1, TCPV4, 0, 65000, 34, 16 }, 0, 2, true },
		{ { 1, 0, 9, 9, 34, 16 }, 0, 2, true },
		{ { 0, 0, 9, 9, 9, 9 }, 0, 2, true },
		{ { 1, 0, 0, 0, 14, 2038 }, 12, 0, true }, /* of no protocol that is known here */
		{ { 1, TCPV4, 2055, 1000, 34, 16 }, 0, 2, false },
		{ { 1, TCPV4, 54, 0, 34, 16 }, 0, 2, false },
		{ { 1, TCPV4, 54, 7, 34, 16 }, 0, 2, false },
		{ { 1, TCPV4, 54, 1000, 33, 16 }, 0, 2, false },
		{ { 1, TCPV4, 54, 1000, 34, 6 }, 0, 2, false },
		{ { 0, TCPV4, 54, 1000, 34, 16 }, 0, 2, false },
		{ { 1, TCPV6, 54, 1000, 34, 16 }, 0, 2, false },
		{ { 1, UDP_L4 | 0x80, 54, 1000, 34, 16 }, 0, 2, false },
		{ { 1, 2, 54, 1000, 34, 16 }, 0, 2, false },
		{ { 1, 0x80, 54, 1000, 34, 16 }, 0, 2, false },
		{ { 3, 0, 0, 0, 34, 16 }, 0, 2, false },
		{ { 1, 0, 0, 0, 2038, 15 }, 0, 2, false },
		{ { 1, 0, 0, 0, 13, 16 }, 0, 2, false },
		{ { 1, 0, 0, 0, 20, 4 }, 0, 2, false }, /* within the IP header */
		{ { 1, TCPV4, 54, 1000, 34, 16 }, 12, 9, false }, /* no IP */
		{ { 1, TCPV4, 54, 1000, 34, 16 }, 23, 17, false }, /* UDP */
		{ { 1, TCPV4, 54, 1000, 34, 16 }, 46, 0x40, false }, /* a TCP header that is too short */
		{ { 1, TCPV4, 54, 1000, 34, 16 }, 20, 0x20, false }, /* a fragment */
	};
	struct frame *f = tcp_frame(&t[_i].o), *list;
	bool bad;

	f->data[t[_i].at] = t[_i].byte;
	ck_assert_msg(frame_offload_check(f) == t[_i].is_good, "case %d", _i);
	if (!t[_i].is_good) {
		frame_free(f);
		return;
	}
	ck_assert_uint_eq(f->offload.hdr_len, f->offload.gso_type ? 54 : 0);
	ck_assert(f->offload.flags || f->offload.csum_start + f->offload.csum_offset == 0);
	list = frame_segment(NULL, f, &bad);
	ck_assert(list && !bad);
	while (list) {
		struct frame *next = list->next;

		frame_free(list);
		list = next;
	}
}
END_TEST

START_TEST(random_bytes_do_no_harm)
{
	struct frame_pool *pool;
	struct prng rng;

	ck_assert_int_eq(frame_pool_new(8, &pool), 0);
	prng_init(&rng, 5, "fuzz");
	for (unsigned i = 0; i < 20000; i++) {
		struct frame *from = i % 8 ? bake(&recipes[i % 10]) : frame_new(NULL, 3000), *f, *list;
		bool bad;

		if (!from->len) {
			from->len = 3000;
			prng_bytes(&rng, from->data, 3000);
		}
		for (uint64_t k = prng_below(&rng, 4); k > 0; k--)
			from->data[prng_below(&rng, 90)] = (uint8_t)prng_u64(&rng);
		if (prng_below(&rng, 2))
			from->len = (uint32_t)prng_below(&rng, from->len > 200 ? 200 : from->len);
		f = frame_new(pool, from->len); /* just as large as it is */
		f->len = from->len;
		memcpy(f->data, from->data, f->len);
		f->offload = from->offload;
		f->offload.flags = (uint8_t)prng_below(&rng, 4);
		f->offload.gso_type = (uint8_t)prng_below(&rng, 6);
		f->offload.gso_size = (uint16_t)prng_below(&rng, 2000);
		frame_free(from);
		list = frame_segment(pool, f, &bad);
		ck_assert(bad == !list);
		while (list) {
			struct frame *next = list->next;

			frame_free(list);
			list = next;
		}
	}
	frame_pool_free(pool);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("checksum");
	TCase *t = tcase_create("checksum");

	tcase_add_test(t, the_example_of_rfc_1071);
	tcase_add_test(t, any_length_and_any_pieces);
	tcase_add_test(t, a_checksum_is_completed_or_refused);
	tcase_add_loop_test(t, pieces_are_whole, 0, 10);
	tcase_add_test(t, fragments_are_one_datagram);
	tcase_add_test(t, a_plain_frame_comes_back_alone);
	tcase_add_loop_test(t, headers_that_lie_are_refused, 0, 17);
	tcase_add_loop_test(t, an_offload_header_is_judged_by_the_frame, 0, 25);
	tcase_add_test(t, random_bytes_do_no_harm);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
