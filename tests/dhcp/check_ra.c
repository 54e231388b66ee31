/* tests/dhcp/check_ra.c: router advertisements on virtual time. */
#include "dhcp/ra.h"

#include "core/prng.h"
#include "core/state.h"
#include "core/wire.h"
#include "tests/dhcp/capture.h"
#include "tests/unit.h"

#include <errno.h>

#define S NSEC_PER_SEC
enum { SEEN_MAX = 1024 };

static struct ip_addr prefixes[2], dns[1], host_src, no_src, all_nodes;
static const char *const search[] = { "lab.test", "test" };
static struct ra_config config;
static struct ra *ra;
static struct prng prng;
static nsec_t now, seen[SEEN_MAX];
static size_t n_seen;
static uint8_t payload[RA_PAYLOAD_MAX];
static size_t payload_len;
static uint32_t rest;

static void on_send(void *ctx, const struct ra_message *m)
{
	(void)ctx;
	ck_assert_uint_lt(n_seen, SEEN_MAX);
	seen[n_seen++] = now;
	rest = m->rest;
	payload_len = m->len;
	memcpy(payload, m->payload, m->len);
	capture_icmp(&all_nodes, RA_ADVERTISEMENT, m->rest, m->payload, m->len);
}

static const struct ra_host host = { .send = on_send };

static void begin(void)
{
	ra = ra_free(ra);
	now = 0;
	n_seen = 0;
	prng_init(&prng, 1, "ra");
	ck_assert_int_eq(ra_new(&config, &host, &prng, 0, &ra), 0);
}

static void setup(void)
{
	ck_assert_int_eq(ip_parse("2001:db8:1::1/64", &prefixes[0]), 0); /* host bits are cleared */
	ck_assert_int_eq(ip_parse("fd00:1::/64", &prefixes[1]), 0);
	ck_assert_int_eq(ip_parse("2001:db8:1::1", &dns[0]), 0);
	ck_assert_int_eq(ip_parse("fe80::2", &host_src), 0);
	ck_assert_int_eq(ip_parse("::", &no_src), 0);
	ck_assert_int_eq(ip_parse("ff02::1", &all_nodes), 0);
	config = (struct ra_config){ .mode = RA_MODE_SLAAC,
				     .mac = { { 2, 0, 0, 0, 0, 1 } },
				     .prefixes = prefixes,
				     .n_prefixes = 2,
				     .leads_out = true,
				     .dns = dns,
				     .n_dns = 1,
				     .search = search,
				     .n_search = 2,
				     .mtu = 1500 };
	begin();
}

static void teardown(void)
{
	ra = ra_free(ra);
}

static void run_until(nsec_t end)
{
	while (ra_next(ra) <= end) {
		now = nsec_max(now, ra_next(ra));
		ra_run(ra, now);
	}
	now = end;
}

static enum ra_verdict solicit(const struct ip_addr *src, uint8_t hop_limit, uint8_t code, const void *options,
			       size_t len)
{
	uint8_t *exact = malloc(len ? len : 1); /* an address sanitizer sees a byte too many */
	enum ra_verdict v;

	memcpy(exact, options, len);
	v = ra_input(ra, src, hop_limit, code, exact, len, now);
	free(exact);
	return v;
}

/* The payload's @n-th option of a type; NULL when there is none. */
static const uint8_t *option(uint8_t type, unsigned n)
{
	for (size_t at = 8; at < payload_len; at += 8u * payload[at + 1]) {
		ck_assert_uint_gt(payload[at + 1], 0);
		ck_assert_uint_le(at + 8u * payload[at + 1], payload_len);
		if (payload[at] == type && n-- == 0)
			return payload + at;
	}
	return NULL;
}

START_TEST(every_option_is_there)
{
	static const uint8_t prefix[] = { 3,   4,    64,   0xc0, 0, 0x27, 0x8d, 0, 0, 9, 0x3a, 0x80, 0, 0, 0, 0,
					  0x20, 1, 0x0d, 0xb8, 0, 1,	0,    0, 0, 0, 0,    0,	   0, 0, 0, 0 };
	static const uint8_t rdnss[] = { 25, 3, 0, 0, 0, 0, 7, 8, 0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
	static const uint8_t dnssl[] = "\x1f\x03\0\0\0\0\x07\x08\x03lab\x04test\0\x04test\0";

	run_until(0);
	ck_assert_uint_eq(n_seen, 1);
	ck_assert_uint_eq(rest, 0x40000708); /* hop limit 64, no flags, 1800 s */
	ck_assert_mem_eq(payload, "\0\0\0\0\0\0\0", 8);
	ck_assert_mem_eq(option(1, 0), "\1\1\2\0\0\0\0\1", 8);
	ck_assert_mem_eq(option(5, 0), "\5\1\0\0\0\0\x05\xdc", 8);
	ck_assert_mem_eq(option(3, 0), prefix, sizeof prefix);
	ck_assert_ptr_nonnull(option(3, 1));
	ck_assert_mem_eq(option(25, 0), rdnss, sizeof rdnss);
	ck_assert_mem_eq(option(31, 0), dnssl, 24);
	ck_assert_uint_eq(payload_len, 8 + 8 + 8 + 32 + 32 + 24 + 24);
}
END_TEST

START_TEST(host_bits_of_a_prefix_are_cleared)
{
	prefixes[1].prefix_len = 20;
	prefixes[1].b[2] = 0xff;
	config.mode = RA_MODE_STATEFUL;
	begin();
	run_until(0);
	ck_assert_mem_eq(option(3, 1), "\3\4\x14\x80", 4);
	ck_assert_mem_eq(option(3, 1) + 16, "\xfd\0\xf0\0\0\0", 6);
}
END_TEST

static const struct {
	enum ra_mode mode;
	bool leads_out;
	uint8_t flags, prefix_flags;
	uint16_t lifetime_s;
} modes[] = {
	{ RA_MODE_SLAAC, true, 0, 0xc0, 1800 },
	{ RA_MODE_STATELESS, true, 0x40, 0xc0, 1800 },
	{ RA_MODE_STATEFUL, true, 0xc0, 0x80, 1800 },
	{ RA_MODE_SLAAC, false, 0, 0xc0, 0 }, /* no IPv6 leads out: no default route */
};

START_TEST(flags_follow_the_mode)
{
	config.mode = modes[_i].mode;
	config.leads_out = modes[_i].leads_out;
	begin();
	run_until(0);
	ck_assert_uint_eq(rest, 64u << 24 | (uint32_t)modes[_i].flags << 16 | modes[_i].lifetime_s);
	ck_assert_uint_eq(option(3, 0)[3], modes[_i].prefix_flags);
	ck_assert_uint_eq(load_be32(option(25, 0) + 4), 1800); /* resolvers are told for any router */
}
END_TEST

START_TEST(unsolicited_ones_come_at_random_times)
{
	bool differs = false;

	run_until(100000 * S);
	ck_assert_int_eq(seen[0], 0);
	ck_assert(seen[1] - seen[0] <= 16 * S && seen[2] - seen[1] <= 16 * S);
	ck_assert(seen[1] - seen[0] >= 3 * S && seen[2] - seen[1] >= 3 * S);
	for (size_t i = 3; i < n_seen; i++) {
		ck_assert(seen[i] - seen[i - 1] >= 200 * S && seen[i] - seen[i - 1] <= 600 * S);
		differs |= seen[i] - seen[i - 1] != seen[3] - seen[2];
	}
	ck_assert(differs && n_seen > 160);
}
END_TEST

START_TEST(a_solicitation_is_answered_soon)
{
	bool differs = false;
	nsec_t delay = -1;

	run_until(100 * S);
	for (unsigned i = 0; i < 20; i++) {
		size_t n = n_seen;
		nsec_t asked = now;

		ck_assert_int_eq(solicit(&host_src, 255, 0, "\1\1\2\0\0\0\0\5", 8), RA_ANSWERED);
		run_until(now + S / 2);
		ck_assert_uint_eq(n_seen, n + 1);
		differs |= delay >= 0 && seen[n] - asked != delay;
		delay = seen[n] - asked;
		run_until(now + 10 * S);
	}
	ck_assert(differs);
}
END_TEST

START_TEST(a_flood_of_solicitations_is_slowed_down)
{
	run_until(100 * S);
	for (unsigned i = 0; i < 10000; i++) {
		(void)solicit(&no_src, 255, 0, "", 0);
		run_until(now + 10 * NSEC_PER_MSEC);
	}
	/* 100 s hold 33 at most. */
	ck_assert(n_seen >= 3 + 25 && n_seen <= 3 + 34);
	for (size_t i = 1; i < n_seen; i++)
		ck_assert_int_ge(seen[i] - seen[i - 1], 3 * S);
}
END_TEST

#define OPTIONS(text) .options = text, .len = sizeof(text) - 1
static const struct {
	const char *name, *options;
	size_t len;
	uint8_t hop_limit, code;
	bool has_source, is_good;
} solicitations[] = {
	{ "bare", OPTIONS(""), 255, 0, false, true },
	{ "with a source option", OPTIONS("\1\1\2\0\0\0\0\5"), 255, 0, true, true },
	{ "unknown options, then known", OPTIONS("\x0e\1\2\0\0\0\0\5\xfd\2abcdefghijklmn\1\1\2\0\0\0\0\5"), 255, 0, true,
	  true },
	{ "from afar", OPTIONS(""), 254, 0, true, false },
	{ "another code", OPTIONS(""), 255, 1, true, false },
	{ "a source option of nobody", OPTIONS("\1\1\2\0\0\0\0\5"), 255, 0, false, false },
	{ "an option of length 0", OPTIONS("\1\0\2\0\0\0\0\5"), 255, 0, true, false },
	{ "an option that is cut off", OPTIONS("\1\2\2\0\0\0\0\5"), 255, 0, true, false },
	{ "half an option's head", OPTIONS("\1\1\2\0\0\0\0\5\1"), 255, 0, true, false },
};

START_TEST(solicitations_are_checked)
{
	enum ra_verdict v;

	run_until(100 * S);
	n_seen = 0;
	v = solicit(solicitations[_i].has_source ? &host_src : &no_src, solicitations[_i].hop_limit,
		    solicitations[_i].code, solicitations[_i].options, solicitations[_i].len);
	ck_assert_msg((v == RA_ANSWERED) == solicitations[_i].is_good, "%s", solicitations[_i].name);
	run_until(now + S);
	ck_assert_uint_eq(n_seen, solicitations[_i].is_good);
	ck_assert_uint_eq(ra_counters(ra)->n_malformed, !solicitations[_i].is_good);
}
END_TEST

START_TEST(the_last_one_takes_all_back)
{
	run_until(100 * S);
	ra_end(ra);
	ck_assert_uint_eq(rest, 64u << 24);
	ck_assert_uint_eq(load_be32(option(25, 0) + 4), 0);
	ck_assert_uint_eq(load_be32(option(31, 0) + 4), 0);
	ck_assert_uint_eq(load_be32(option(3, 0) + 4), 2592000); /* addresses stay */
	n_seen = 0;
	ck_assert_int_eq(ra_next(ra), NSEC_NEVER);
	(void)solicit(&no_src, 255, 0, "", 0);
	ra_end(ra);
	run_until(10000 * S);
	ck_assert_uint_eq(n_seen, 0);
	ra_restart(ra, now);
	run_until(now + 40 * S);
	ck_assert_uint_eq(n_seen, 3);
}
END_TEST

START_TEST(what_cannot_be_told_is_refused)
{
	struct ra *other;
	const struct ra_config good = config;
	static const char *const bad[] = { "lab..test" };
	static struct ip_addr many[100];

	prefixes[1].prefix_len = 48;
	ck_assert_int_eq(ra_new(&config, &host, &prng, 0, &other), -EINVAL); /* no addresses come of it by SLAAC */
	config.mode = RA_MODE_STATEFUL;
	ck_assert_int_eq(ra_new(&config, &host, &prng, 0, &other), 0);
	other = ra_free(other);
	prefixes[1].prefix_len = 64;
	config = good;
	config.search = bad;
	ck_assert_int_eq(ra_new(&config, &host, &prng, 0, &other), -EINVAL);
	config = good;
	config.dns = many;
	config.n_dns = 75;
	ck_assert_int_eq(ra_new(&config, &host, &prng, 0, &other), -EINVAL);
	config = good;
	config.lifetime_s = 9001;
	ck_assert_int_eq(ra_new(&config, &host, &prng, 0, &other), -EINVAL);
	config = good;
	config.preferred_s = 100;
	config.valid_s = 99;
	ck_assert_int_eq(ra_new(&config, &host, &prng, 0, &other), -EINVAL);
	config = good;
}
END_TEST

START_TEST(timers_are_saved)
{
	struct state *s;
	const uint8_t *data;
	char *why = NULL;
	size_t len;
	nsec_t due;

	run_until(1000 * S);
	due = ra_next(ra);
	ck_assert_int_eq(state_save_new(-1, &s), 0);
	ra_state(ra, s, 0, now);
	ck_assert_int_eq(state_finish(s), 0);
	data = state_data(s, &len);
	for (unsigned bad = 0; bad < 2; bad++) {
		struct state *in;

		begin();
		ck_assert_int_eq(state_load_new(data, len, &in, &why), 0);
		ra_state(ra, in, bad, 50 * S);
		ck_assert_int_eq(state_finish(in), bad ? -EBADMSG : 0);
		if (!bad)
			ck_assert_int_eq(ra_next(ra), due - 1000 * S + 50 * S);
		state_free(in);
	}
	state_free(s);
}
END_TEST

static Suite *ra_suite(void)
{
	Suite *s = suite_create("ra");
	TCase *t = tcase_create("ra");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, every_option_is_there);
	tcase_add_test(t, host_bits_of_a_prefix_are_cleared);
	tcase_add_loop_test(t, flags_follow_the_mode, 0, sizeof modes / sizeof modes[0]);
	tcase_add_test(t, unsolicited_ones_come_at_random_times);
	tcase_add_test(t, a_solicitation_is_answered_soon);
	tcase_add_test(t, a_flood_of_solicitations_is_slowed_down);
	tcase_add_loop_test(t, solicitations_are_checked, 0, sizeof solicitations / sizeof solicitations[0]);
	tcase_add_test(t, the_last_one_takes_all_back);
	tcase_add_test(t, what_cannot_be_told_is_refused);
	tcase_add_test(t, timers_are_saved);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(ra_suite);
