/* tests/nat/check_tcp_segment.c: options from and to bytes, and the RST for a segment of no connection. */
#include "nat/tcp_segment.h"
#include "tests/unit.h"

#include <string.h>

struct vector {
	const char *name;
	uint8_t bytes[40];
	size_t len;
	bool is_good;
	struct tcp_options opt;
};

/* clang-format off */
static const struct vector vectors[] = {
	{ "none", { 0 }, 0, true, { .mss = 0 } },
	{ "a Linux SYN", { 2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7 }, 20, true,
	  { .mss = 1460, .sack_permitted = true, .has_ts = true, .ts_val = 7, .has_wscale = true, .wscale = 7 } },
	{ "a shift over 14 counts as 14", { 3, 3, 200, 0 }, 4, true, { .has_wscale = true, .wscale = 14 } },
	{ "two ranges", { 1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 10 }, 20, true,
	  { .n_sack = 2, .sack = { { 1, 2 }, { 9, 10 } } } },
	{ "a range cut short", { 1, 1, 5, 9, 0, 0, 0, 1, 0, 0, 0 }, 11, true, { .n_sack = 0 } },
	{ "what stands behind the end is not read", { 0, 2, 4, 5, 180 }, 5, true, { .mss = 0 } },
	{ "unknown ones are skipped", { 254, 4, 1, 1, 2, 4, 1, 0 }, 8, true, { .mss = 256 } },
	{ "a length of 0", { 254, 0, 2, 4, 1, 0 }, 6, false, { .mss = 0 } },
	{ "a length of 1", { 2, 4, 1, 0, 8, 1 }, 6, false, { .mss = 256 } },
	{ "a length beyond the header", { 2, 4, 1, 0, 8, 10, 0 }, 7, false, { .mss = 256 } },
	{ "a kind without length", { 1, 2 }, 2, false, { .mss = 0 } },
	{ "an MSS of three bytes is left out", { 2, 3, 1, 4, 2, 0 }, 6, true, { .sack_permitted = true } },
};
/* clang-format on */

START_TEST(options_are_read)
{
	const struct vector *v = &vectors[_i];
	struct tcp_options opt;

	ck_assert_msg(tcp_options_parse(v->bytes, v->len, &opt) == v->is_good, "%s", v->name);
	ck_assert_msg(opt.mss == v->opt.mss && opt.sack_permitted == v->opt.sack_permitted &&
			      opt.has_ts == v->opt.has_ts && opt.ts_val == v->opt.ts_val &&
			      opt.has_wscale == v->opt.has_wscale && opt.wscale == v->opt.wscale &&
			      opt.n_sack == v->opt.n_sack,
		      "%s", v->name);
	ck_assert_msg(!memcmp(opt.sack, v->opt.sack, opt.n_sack * sizeof opt.sack[0]), "%s", v->name);
}
END_TEST

/* All combinations are written, aligned, and read back; ranges that do not fit are left out. */
START_TEST(options_are_written)
{
	for (unsigned bits = 0; bits < 80; bits++) {
		struct tcp_options opt = { .mss = bits & 1 ? 1460 : 0,
					   .sack_permitted = bits & 2,
					   .has_ts = bits & 4,
					   .has_wscale = bits & 8,
					   .wscale = bits & 8 ? 9 : 0,
					   .n_sack = (uint8_t)(bits / 16) };
		struct tcp_options back;
		uint8_t buf[TCP_OPTIONS_SIZE];
		size_t len;

		for (uint32_t i = 0; i < opt.n_sack; i++)
			opt.sack[i] = (struct tcp_range){ 10 * i, 10 * i + 5 };
		if (opt.has_ts)
			opt.ts_val = 0x01020304, opt.ts_ecr = 0xfffefdfc;
		len = tcp_options_put(&opt, buf);
		ck_assert_uint_eq(len % 4, 0);
		ck_assert(tcp_options_parse(buf, len, &back));
		ck_assert_uint_le(back.n_sack, opt.n_sack);
		ck_assert(len + 8 > sizeof buf || back.n_sack == opt.n_sack);
		back.n_sack = opt.n_sack;
		memcpy(back.sack, opt.sack, sizeof back.sack);
		ck_assert_mem_eq(&back, &opt, sizeof opt);
	}
}
END_TEST

START_TEST(unknown_flows_are_reset)
{
	struct tcp_segment seg = { .seq = 100, .ack = 777, .flags = TCPF_ACK, .len = 5 };
	struct tcp_out out;

	ck_assert(tcp_reset_for(&seg, &out));
	ck_assert_uint_eq(out.flags, TCPF_RST);
	ck_assert_uint_eq(out.seq, 777);
	seg.flags = TCPF_SYN | TCPF_FIN;
	ck_assert(tcp_reset_for(&seg, &out));
	ck_assert_uint_eq(out.flags, TCPF_RST | TCPF_ACK);
	ck_assert_uint_eq(out.seq, 0);
	ck_assert_uint_eq(out.ack, 107);
	seg.flags = TCPF_RST | TCPF_ACK;
	ck_assert(!tcp_reset_for(&seg, &out));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("tcp_segment");
	TCase *t = tcase_create("options");

	tcase_add_loop_test(t, options_are_read, 0, (int)(sizeof vectors / sizeof *vectors));
	tcase_add_test(t, options_are_written);
	tcase_add_test(t, unknown_flows_are_reset);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
