/* tests/dhcp/check_lease_log.c: the log of leases: torn, forged, compacted, and against a model. */
#include "dhcp/lease_log.h"

#include "core/prng.h"
#include "tests/unit.h"

#include <errno.h>

#define S NSEC_PER_SEC
enum { NET = 0x0a000000, NETWORK = 77 };

static struct lease_range range;
static struct lease_config config;
static struct leases *t;
static struct prng prng;
static struct lease_log logbook;
static struct bytes files[2];
static struct lease_log_found found;

static void fresh_table(void)
{
	t = leases_free(t);
	prng_init(&prng, 5, "log");
	ck_assert_int_eq(leases_new(&config, &prng, &t), 0);
}

static void setup(void)
{
	range = (struct lease_range){ NET + 10, NET + 17 };
	config = (struct lease_config){ .ranges = &range, .n_ranges = 1, .offer_ns = 30 * S, .quarantine_ns = 600 * S };
	fresh_table();
	lease_log_begin(&logbook, NETWORK, 0, &files[0]);
}

static void teardown(void)
{
	t = leases_free(t);
	bytes_done(&files[0]);
	bytes_done(&files[1]);
	files[0] = files[1] = (struct bytes){ 0 };
}

static struct lease_client client(uint8_t n)
{
	static const uint8_t ids[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };

	return (struct lease_client){ .mac = { { 2, 0, 0, 0, 0, n } }, .id_len = n % 3, .id = ids[n & 1] };
}

static void add(enum lease_record_kind kind, uint8_t n, uint64_t addr, nsec_t until, nsec_t at)
{
	(void)lease_log_append(
		&logbook,
		&(struct lease_record){
			.kind = kind, .addr = addr, .client = client(n), .hostname = "pc", .until = until, .at = at },
		&files[0]);
}

static int load(nsec_t now)
{
	fresh_table();
	return lease_log_load(&logbook, NETWORK, files, t, now, &found);
}

static struct lease *of(uint8_t n)
{
	struct lease_client c = client(n);

	return leases_find(t, &c);
}

/* The clock stood still between the runs: what was left then is left now. */
START_TEST(leases_come_back_with_what_they_had_left)
{
	add(LEASE_RECORD_BOUND, 1, NET + 10, 3600 * S, 0);
	add(LEASE_RECORD_BOUND, 2, NET + 11, NSEC_NEVER, 50 * S);
	add(LEASE_RECORD_BOUND, 3, NET + 12, 4000 * S, 100 * S);
	add(LEASE_RECORD_RELEASED, 3, NET + 12, 0, 600 * S);
	ck_assert_int_eq(load(7000 * S), 0);
	ck_assert_ptr_null(found.why);
	ck_assert_uint_eq(found.n_records, 5); /* with the mark */
	ck_assert(found.len == files[0].len && found.which == 0);
	ck_assert(of(1)->addr == NET + 10 && of(1)->state == LEASE_BOUND && of(1)->until == 10000 * S);
	ck_assert_str_eq(of(1)->hostname, "pc");
	ck_assert(of(2)->until == NSEC_NEVER && of(3)->state == LEASE_RELEASED);
}
END_TEST

START_TEST(it_goes_on_behind_what_was_loaded)
{
	add(LEASE_RECORD_BOUND, 1, NET + 10, 3600 * S, 0);
	ck_assert_int_eq(load(0), 0);
	add(LEASE_RECORD_BOUND, 2, NET + 11, 3600 * S, S);
	ck_assert_int_eq(load(0), 0);
	ck_assert(found.len == files[0].len && of(1) && of(2));
}
END_TEST

/* Cut at every byte: all whole records before the cut are there, and nothing of the rest. */
START_TEST(a_torn_tail_is_cut)
{
	size_t ends[4], len;

	for (uint8_t n = 0; n < 4; n++) {
		ends[n] = files[0].len;
		add(LEASE_RECORD_BOUND, n, NET + 10 + n, 3600 * S, n * S);
	}
	len = files[0].len;
	for (size_t cut = ends[0]; cut < len; cut++) {
		size_t whole = 0;

		while (whole < 3 && ends[whole + 1] <= cut)
			whole++;
		files[0].len = cut;
		ck_assert_int_eq(load(0), 0);
		ck_assert_uint_eq(found.len, ends[whole]);
		ck_assert((found.why == NULL) == (cut == ends[whole]));
		for (uint8_t n = 0; n < 4; n++)
			ck_assert((of(n) != NULL) == (n < whole));
	}
	files[0].len = len;
}
END_TEST

/* Every byte changed (CVE-2021-25217: the parser of the lease file): the log ends before it. */
START_TEST(a_changed_byte_ends_the_log)
{
	size_t begin = files[0].len;

	add(LEASE_RECORD_BOUND, 1, NET + 10, 3600 * S, 0);
	add(LEASE_RECORD_BOUND, 2, NET + 11, 3600 * S, 0);
	for (size_t i = 0; i < files[0].len; i++) {
		files[0].data[i] ^= 0x41;
		if (i < begin)
			ck_assert_int_eq(load(0), -ENOENT);
		else
			ck_assert(load(0) == 0 && found.why && !of(2));
		ck_assert_ptr_nonnull(found.why);
		files[0].data[i] ^= 0x41;
	}
	ck_assert_int_eq(load(0), 0);
}
END_TEST

/* A record twice, left out, or moved is not the next one. */
START_TEST(a_record_that_is_not_the_next_ends_the_log)
{
	size_t a = files[0].len, b, len;

	add(LEASE_RECORD_BOUND, 1, NET + 10, 3600 * S, 0);
	b = files[0].len;
	add(LEASE_RECORD_BOUND, 2, NET + 11, 3600 * S, 0);
	len = files[0].len - b;
	bytes_append(&files[0], files[0].data + b, len);
	ck_assert(load(0) == 0 && found.why && found.len == b + len);
	memmove(files[0].data + a, files[0].data + b, len);
	ck_assert(load(0) == 0 && found.why && found.len == a);
}
END_TEST

/* Records are missing between, though the checksums go on. */
START_TEST(a_gap_in_the_numbers_ends_the_log)
{
	size_t end = files[0].len;

	logbook.seq += 3;
	add(LEASE_RECORD_BOUND, 1, NET + 10, 3600 * S, 0);
	ck_assert(load(0) == 0 && found.len == end && !of(1));
	ck_assert_str_eq(found.why, "a record that is none");
}
END_TEST

START_TEST(what_is_refused)
{
	static const struct {
		size_t at;
		const char *why;
	} cases[] = { { 0, "no lease log" },
		      { 8, "a lease log of another format" },
		      { 16, "the lease log of another network" } };

	for (size_t i = 0; i < 3; i++) {
		files[0].data[cases[i].at] ^= 1;
		ck_assert_int_eq(load(0), -ENOENT);
		ck_assert_str_eq(found.why, cases[i].why);
		files[0].data[cases[i].at] ^= 1;
	}
	files[0].len = LEASE_LOG_HEADER_LEN; /* whole, but for the mark */
	ck_assert_int_eq(load(0), -ENOENT);
	ck_assert_str_eq(found.why, "a snapshot without its end");
	files[0].len = 0;
	ck_assert_int_eq(load(0), -ENOENT);
	ck_assert_str_eq(found.why, "an empty file");
}
END_TEST

START_TEST(addresses_that_are_gone_are_dropped)
{
	add(LEASE_RECORD_BOUND, 1, NET + 10, 3600 * S, 0);
	add(LEASE_RECORD_BOUND, 2, NET + 99, 3600 * S, 0);
	ck_assert_int_eq(load(0), 0);
	ck_assert(found.n_dropped == 1 && of(1) && !of(2) && !found.why);
}
END_TEST

/* A declined address stays out of use for the rest of its time, from the log and from a snapshot of it. */
START_TEST(a_quarantine_outlives_a_compaction)
{
	add(LEASE_RECORD_BOUND, 1, NET + 10, 3600 * S, 0);
	add(LEASE_RECORD_BOUND, 2, NET + 11, 3600 * S, 0);
	add(LEASE_RECORD_DECLINED, 1, NET + 10, 0, 100 * S);
	ck_assert_int_eq(load(100 * S), 0);
	ck_assert_int_eq(leases_at(t, NET + 10)->state, LEASE_DECLINED);
	ck_assert_int_eq(lease_log_compact(&logbook, t, 200 * S, &files[1]), 0);
	ck_assert_int_eq(load(1200 * S), 0); /* the clock stood at 200 s */
	ck_assert(found.which == 1 && found.n_dropped == 0 && found.n_records == 3);
	ck_assert_int_eq(leases_at(t, NET + 10)->state, LEASE_DECLINED);
	ck_assert_int_eq(leases_at(t, NET + 10)->until, 1700 * S);
	ck_assert_int_eq(leases_at(t, NET + 11)->state, LEASE_BOUND);
	ck_assert_ptr_null(of(1));
	range.first = NET + 11; /* no longer the network's */
	ck_assert_int_eq(load(1200 * S), 0);
	ck_assert_uint_eq(found.n_dropped, 1);
}
END_TEST

/* A crash at any byte of a compaction leaves the file before or the file after. */
START_TEST(compaction_is_all_or_nothing)
{
	size_t len;

	for (unsigned i = 0; !lease_log_should_compact(&logbook); i++)
		add(LEASE_RECORD_BOUND, (uint8_t)(i % 5), NET + 10 + i % 5, (3600 + i) * S, i * S);
	ck_assert_uint_gt(files[0].len, LEASE_LOG_COMPACT_MIN);
	ck_assert_int_eq(load(0), 0);
	ck_assert_int_eq(lease_log_compact(&logbook, t, 0, &files[1]), 0);
	ck_assert(!lease_log_should_compact(&logbook) && files[1].len < 1000);
	len = files[1].len;
	for (size_t cut = 0; cut <= len; cut++) {
		files[1].len = cut;
		ck_assert_int_eq(load(0), 0);
		ck_assert_uint_eq(found.which, cut == len);
		for (uint8_t n = 0; n < 5; n++)
			ck_assert(of(n) && of(n)->addr == NET + 10u + n);
	}
	ck_assert_uint_eq(logbook.generation, 2);
}
END_TEST

/* Random leases, logged; cut at any byte, what was acknowledged before the cut is as it was then. */
enum { CLIENTS = 8, STEPS = 300 };
struct seen {
	size_t len;
	uint64_t addr[CLIENTS]; /* 0: not bound */
};

static void random_step(struct prng *p, uint64_t *addr, nsec_t now)
{
	uint8_t n = (uint8_t)prng_below(p, CLIENTS);
	struct lease_client c = client(n);
	struct lease *l;

	if (addr[n] && prng_below(p, 3) == 0) {
		add(LEASE_RECORD_RELEASED, n, addr[n], 0, now);
		leases_release(t, of(n), now);
		addr[n] = 0;
	} else if (addr[n] && prng_below(p, 5) == 0) {
		add(LEASE_RECORD_DECLINED, n, addr[n], 0, now);
		leases_decline(t, of(n), now);
		addr[n] = 0;
	} else if (leases_offer(t, &c, 0, now, &l) == 0) {
		add(LEASE_RECORD_BOUND, n, l->addr, now + 100000 * S, now);
		leases_bind(t, l, "pc", now + 100000 * S);
		addr[n] = l->addr;
	}
}

START_TEST(acknowledged_leases_survive_any_cut)
{
	static struct seen seen[STEPS + 1];
	struct prng p;

	prng_init(&p, (uint64_t)_i + 1, "cuts");
	memset(seen, 0, sizeof seen);
	seen[0].len = files[0].len;
	for (unsigned i = 1; i <= STEPS; i++) {
		seen[i] = seen[i - 1];
		random_step(&p, seen[i].addr, i * S);
		seen[i].len = files[0].len;
	}
	for (unsigned round = 0; round < 400; round++) {
		size_t len = files[0].len, cut = seen[0].len + prng_below(&p, len - seen[0].len + 1);
		unsigned at = 0;

		while (at < STEPS && seen[at + 1].len <= cut)
			at++;
		files[0].len = cut;
		ck_assert_int_eq(load(1000 * S), 0);
		files[0].len = len;
		ck_assert_uint_eq(found.len, seen[at].len);
		for (uint8_t n = 0; n < CLIENTS; n++) {
			struct lease *l = of(n);

			ck_assert(seen[at].addr[n] ? l && l->state == LEASE_BOUND && l->addr == seen[at].addr[n] :
						     !l || l->state != LEASE_BOUND);
		}
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("lease_log");
	TCase *c = tcase_create("log");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, leases_come_back_with_what_they_had_left);
	tcase_add_test(c, it_goes_on_behind_what_was_loaded);
	tcase_add_test(c, a_torn_tail_is_cut);
	tcase_add_test(c, a_changed_byte_ends_the_log);
	tcase_add_test(c, a_record_that_is_not_the_next_ends_the_log);
	tcase_add_test(c, a_gap_in_the_numbers_ends_the_log);
	tcase_add_test(c, what_is_refused);
	tcase_add_test(c, addresses_that_are_gone_are_dropped);
	tcase_add_test(c, a_quarantine_outlives_a_compaction);
	tcase_add_test(c, compaction_is_all_or_nothing);
	tcase_add_loop_test(c, acknowledged_leases_survive_any_cut, 0, 3);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
