/* tests/vswitch/check_fdb.c: the MAC table. */
#include "core/prng.h"
#include "tests/unit.h"
#include "vswitch/fdb.h"

#include <errno.h>

static struct fdb *fdb;

static void setup(void)
{
	ck_assert_int_eq(fdb_new(8, 1, &fdb), 0);
}

static void teardown(void)
{
	fdb = fdb_free(fdb);
}

static struct mac_addr station(uint32_t n)
{
	return (struct mac_addr){ { 0x02, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
				    (uint8_t)n } };
}

static int64_t where(uint32_t n, uint16_t vid, nsec_t now)
{
	struct mac_addr m = station(n);
	uint32_t port = 99;
	int r = fdb_lookup(fdb, &m, vid, now, &port);

	ck_assert(r == 0 || (r == -ENOENT && port == 99));
	return r == 0 ? (int64_t)port : -1;
}

static void learn(uint32_t n, uint16_t vid, uint32_t port, nsec_t now)
{
	struct mac_addr m = station(n);

	fdb_learn(fdb, &m, vid, port, now);
}

START_TEST(a_station_is_found_where_it_was_seen)
{
	ck_assert_int_eq(where(1, 0, 0), -1);
	learn(1, 0, 3, 0);
	ck_assert_int_eq(where(1, 0, 0), 3);
	ck_assert_int_eq(where(2, 0, 0), -1);
	ck_assert_int_eq(where(1, 10, 0), -1); /* another VLAN */
	learn(1, 10, 5, 0);
	ck_assert_int_eq(where(1, 0, 0), 3);
	ck_assert_int_eq(where(1, 10, 0), 5);
	learn(1, 0, 4, 1); /* it moved */
	ck_assert_int_eq(where(1, 0, 1), 4);
	ck_assert_uint_eq(fdb_count(fdb), 2);
}
END_TEST

START_TEST(ageing_is_exact)
{
	learn(1, 0, 3, 5);
	ck_assert_int_eq(where(1, 0, 5 + FDB_AGEING_NS), 3);
	ck_assert_int_eq(where(1, 0, 6 + FDB_AGEING_NS), -1);
	learn(1, 0, 3, 6 + FDB_AGEING_NS);
	ck_assert_int_eq(where(1, 0, 6 + FDB_AGEING_NS), 3);
	ck_assert_uint_eq(fdb_count(fdb), 1);
}
END_TEST

START_TEST(groups_and_strange_ports_are_not_learned)
{
	struct mac_addr group = { { 0x01, 0, 0x5e, 0, 0, 1 } };

	fdb_learn(fdb, &group, 0, 1, 0);
	learn(1, 0, 8, 0);
	ck_assert_uint_eq(fdb_count(fdb), 0);
}
END_TEST

START_TEST(a_port_that_goes_down_is_forgotten)
{
	for (uint32_t i = 0; i < 100; i++)
		learn(i, 0, i % 2, 0);
	fdb_flush_port(fdb, 1);
	ck_assert_uint_eq(fdb_count(fdb), 50);
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_int_eq(where(i, 0, 0), i % 2 ? -1 : 0);
}
END_TEST

/* A port that makes up a million addresses throws out its own; the quiet
 * stations stay known, and the table stays bounded. */
START_TEST(a_flood_of_addresses_harms_its_own_port)
{
	struct prng rng;
	unsigned known = 0;

	prng_init(&rng, 3, "flood");
	for (uint32_t i = 0; i < 100; i++)
		learn(i, 0, 1, 0);
	for (uint32_t i = 0; i < 1000000; i++)
		learn((uint32_t)prng_u64(&rng) | 1u << 31, 0, 2, i);
	for (uint32_t i = 0; i < 100; i++)
		known += where(i, 0, 1000000) == 1;
	ck_assert_uint_eq(known, 100);
	ck_assert_uint_le(fdb_count(fdb), 8192);
	ck_assert_uint_gt(fdb_evictions(fdb), 900000);
}
END_TEST

START_TEST(aged_entries_give_way_first)
{
	for (uint32_t i = 0; i < 100000; i++)
		learn(i, 0, 1, 0);
	fdb_flush_port(fdb, 1);
	for (uint32_t i = 0; i < 100000; i++)
		learn(i, 0, 1, 0);
	uint64_t before = fdb_evictions(fdb);

	for (uint32_t i = 200000; i < 201000; i++)
		learn(i, 0, 1, FDB_AGEING_NS + 1);
	ck_assert_uint_eq(fdb_evictions(fdb), before);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("fdb");
	TCase *t = tcase_create("fdb");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_station_is_found_where_it_was_seen);
	tcase_add_test(t, ageing_is_exact);
	tcase_add_test(t, groups_and_strange_ports_are_not_learned);
	tcase_add_test(t, a_port_that_goes_down_is_forgotten);
	tcase_add_test(t, a_flood_of_addresses_harms_its_own_port);
	tcase_add_test(t, aged_entries_give_way_first);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
