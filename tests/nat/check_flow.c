/* tests/nat/check_flow.c: the flow table: found, aged, bounded, and evicted from the source that has the most. */
#include "nat/flow.h"
#include "tests/unit.h"

#include <string.h>

enum { TOTAL = 100, EACH = 40, NETWORK = 70 };

struct owned {
	struct flow flow;
	bool is_in;
	enum flow_end why;
};

static struct owned flows[1000];
static struct flow_table *table;
static unsigned n_ended;

static void on_end(void *ctx, struct flow *f, enum flow_end why)
{
	struct owned *o = (struct owned *)f;

	(void)ctx;
	flow_remove(table, f);
	o->is_in = false;
	o->why = why;
	n_ended++;
}

static void setup(void)
{
	struct flow_limits limits = { .total_max = TOTAL, .source_max = EACH, .n_networks = 5 };

	memset(flows, 0, sizeof flows);
	n_ended = 0;
	ck_assert_int_eq(flow_table_new(7, &limits, on_end, NULL, &table), 0);
}

static bool remove_each(void *ctx, struct flow *f)
{
	(void)ctx;
	flow_remove(table, f);
	return true;
}

static void teardown(void)
{
	flow_each(table, remove_each, NULL);
	ck_assert_uint_eq(flow_count(table), 0);
	ck_assert_uint_eq(flow_sources(table), 0);
	table = flow_table_free(table);
}

static struct owned *add_to(uint16_t network, unsigned i, uint64_t source, nsec_t now)
{
	struct ip_addr guest;

	ck_assert_int_eq(ip_parse("10.0.0.2", &guest), 0);
	flows[i].flow.key = flow_key_make(FLOW_UDP, network, &guest, (uint16_t)i, NULL, 0);
	flows[i].flow.idle_ns = FLOW_UDP_NS;
	ck_assert_int_eq(flow_add(table, &flows[i].flow, source, now), 0);
	flows[i].is_in = true;
	return &flows[i];
}

static struct flow_key key_of(unsigned i)
{
	struct ip_addr guest;

	ck_assert_int_eq(ip_parse("10.0.0.2", &guest), 0);
	return flow_key_make(FLOW_UDP, 0, &guest, (uint16_t)i, NULL, 0);
}

static struct owned *add(unsigned i, uint64_t source, nsec_t now)
{
	return add_to(0, i, source, now);
}

START_TEST(a_flow_is_found_by_all_of_its_key)
{
	struct ip_addr guest, remote, other;
	struct flow f = { .idle_ns = 1 };
	struct flow_key k;

	ck_assert_int_eq(ip_parse("fd00::2", &guest), 0);
	ck_assert_int_eq(ip_parse("2001:db8::1", &remote), 0);
	ck_assert_int_eq(ip_parse("2001:db8::2", &other), 0);
	f.key = flow_key_make(FLOW_TCP, 3, &guest, 1000, &remote, 80);
	ck_assert_int_eq(flow_add(table, &f, 1, 0), 0);
	k = flow_key_make(FLOW_TCP, 3, &guest, 1000, &remote, 80);
	ck_assert_ptr_eq(flow_find(table, &k), &f);
	k = flow_key_make(FLOW_UDP, 3, &guest, 1000, &remote, 80);
	ck_assert_ptr_null(flow_find(table, &k));
	k = flow_key_make(FLOW_TCP, 4, &guest, 1000, &remote, 80);
	ck_assert_ptr_null(flow_find(table, &k));
	k = flow_key_make(FLOW_TCP, 3, &other, 1000, &remote, 80);
	ck_assert_ptr_null(flow_find(table, &k));
	k = flow_key_make(FLOW_TCP, 3, &guest, 1001, &remote, 80);
	ck_assert_ptr_null(flow_find(table, &k));
	k = flow_key_make(FLOW_TCP, 3, &guest, 1000, &other, 80);
	ck_assert_ptr_null(flow_find(table, &k));
	k = flow_key_make(FLOW_TCP, 3, &guest, 1000, &remote, 81);
	ck_assert_ptr_null(flow_find(table, &k));
	guest = flow_key_guest(&f.key);
	remote = flow_key_remote(&f.key);
	ck_assert_uint_eq(guest.b[15], 2);
	ck_assert_uint_eq(remote.b[15], 1);
	flow_remove(table, &f);
	ck_assert_ptr_null(flow_find(table, &f.key));
}
END_TEST

START_TEST(an_idle_flow_ends_and_a_used_one_does_not)
{
	struct owned *idle = add(1, 1, 0), *used = add(2, 1, 0);

	flow_use(table, &used->flow, 200 * NSEC_PER_SEC);
	flow_run(table, FLOW_UDP_NS - 1);
	ck_assert(idle->is_in && used->is_in);
	flow_run(table, FLOW_UDP_NS);
	ck_assert(!idle->is_in && used->is_in);
	ck_assert_int_eq(idle->why, FLOW_END_IDLE);
	ck_assert_int_eq(flow_next(table), FLOW_UDP_NS + 200 * NSEC_PER_SEC);
	flow_run(table, flow_next(table));
	ck_assert(!used->is_in);
	ck_assert_int_eq(flow_next(table), NSEC_NEVER);
}
END_TEST

START_TEST(a_shorter_time_counts_at_once)
{
	struct owned *o = add(1, 1, 0);

	flow_set_idle(table, &o->flow, FLOW_UDP_DNS_NS);
	ck_assert_int_eq(flow_next(table), FLOW_UDP_DNS_NS);
	flow_set_idle(table, &o->flow, FLOW_TCP_NS);
	flow_run(table, FLOW_UDP_DNS_NS);
	ck_assert(o->is_in);
	ck_assert_int_eq(flow_next(table), FLOW_TCP_NS);
}
END_TEST

START_TEST(a_source_that_is_full_loses_its_own_idlest)
{
	for (unsigned i = 0; i < EACH; i++)
		add(i, 1, i);
	add(500, 2, 0); /* older in use than all but one */
	flow_use(table, &flows[0].flow, 1000);
	add(EACH, 1, 1001);
	ck_assert(flows[0].is_in && !flows[1].is_in && flows[500].is_in);
	ck_assert_int_eq(flows[1].why, FLOW_END_SOURCE_FULL);
	ck_assert_uint_eq(flow_counters(table)->ended[FLOW_END_SOURCE_FULL], 1);
}
END_TEST

/* One source with most of the flows, and many with one each, whose flows are idler: only the first one loses. */
START_TEST(a_table_that_is_full_takes_from_who_has_the_most)
{
	for (unsigned i = 0; i < TOTAL - EACH + 1; i++)
		add(i, 100 + i, 0);
	for (unsigned i = 0; i < EACH - 1; i++)
		add(200 + i, 1, 10 + i);
	ck_assert_uint_eq(flow_count(table), TOTAL);
	for (unsigned i = 0; i < 20; i++)
		add(300 + i, 2, 100 + i);
	for (unsigned i = 0; i < TOTAL - EACH + 1; i++)
		ck_assert_msg(flows[i].is_in, "the only flow of source %u is gone", 100 + i);
	for (unsigned i = 0; i < 19; i++)
		ck_assert_msg(!flows[200 + i].is_in && flows[200 + i].why == FLOW_END_TABLE_FULL, "flow %u", i);
	ck_assert(flows[200 + EACH - 2].is_in && flows[319].is_in);
	ck_assert_uint_eq(flow_count(table), TOTAL);
}
END_TEST

/* A guest of network 0 makes up a sender for each flow. Network 1 keeps what it has, and gets what it asks for. */
START_TEST(made_up_senders_harm_their_own_network)
{
	struct flow_limits limits = { .total_max = TOTAL, .source_max = EACH, .network_max = NETWORK, .n_networks = 2 };

	table = flow_table_free(table);
	ck_assert_int_eq(flow_table_new(7, &limits, on_end, NULL, &table), 0);
	for (unsigned i = 0; i < 10; i++)
		add_to(1, i, 1, i);
	for (unsigned i = 0; i < 300; i++)
		add_to(0, 100 + i, 1000 + i, 100 + i);
	for (unsigned i = 0; i < 10; i++)
		ck_assert(flows[i].is_in);
	ck_assert_uint_eq(flow_count(table), 10 + NETWORK);
	ck_assert_uint_eq(flow_counters(table)->ended[FLOW_END_NETWORK_FULL], 300 - NETWORK);
	for (unsigned i = 0; i < 20; i++)
		add_to(1, 10 + i, 1, 500 + i);
	for (unsigned i = 0; i < 30; i++)
		ck_assert_msg(flows[i].is_in, "flow %u of the other network is gone", i);
	ck_assert_uint_eq(flow_count(table), TOTAL);
	ck_assert_uint_eq(flow_counters(table)->ended[FLOW_END_TABLE_FULL], 0);
	/* The table is full: the larger network loses, whoever asks. */
	add_to(1, 30, 1, 600);
	ck_assert_uint_eq(flow_counters(table)->ended[FLOW_END_TABLE_FULL], 1);
	for (unsigned i = 0; i <= 30; i++)
		ck_assert(flows[i].is_in);
}
END_TEST

/* Retired flows go first, the one that was retired first before all, whatever was used last. */
START_TEST(retired_flows_end_first)
{
	for (unsigned i = 0; i < EACH; i++)
		add(i, 1, i);
	flow_retire(&flows[20].flow);
	flow_retire(&flows[10].flow);
	flow_retire(&flows[20].flow);
	flow_use(table, &flows[20].flow, 1000);
	for (unsigned i = 0; i < 3; i++)
		add(EACH + i, 1, 1000 + i);
	ck_assert(!flows[20].is_in && !flows[10].is_in && !flows[0].is_in && flows[1].is_in);
	ck_assert_uint_eq(n_ended, 3);
	flow_retire(&flows[5].flow);
	add(200, 1, 2000);
	ck_assert(!flows[5].is_in && flows[1].is_in);
	/* It still ends by time. */
	flow_retire(&flows[1].flow);
	flow_run(table, 1 + FLOW_UDP_NS);
	ck_assert(!flows[1].is_in);
}
END_TEST

START_TEST(books_are_right_after_many_steps)
{
	uint32_t seed = 1;

	for (unsigned i = 0; i < 20000; i++) {
		struct owned *o;

		seed = seed * 1664525 + 1013904223;
		o = &flows[(seed >> 8) % 1000];
		if (o->is_in && seed >> 31) {
			flow_remove(table, &o->flow);
			o->is_in = false;
		} else if (o->is_in) {
			flow_use(table, &o->flow, i);
		} else {
			add((unsigned)(o - flows), (seed >> 20) % 7, i);
		}
		if (i % 1000 == 0)
			flow_run(table, (nsec_t)i);
	}
	for (unsigned i = 0; i < 1000; i++) {
		struct flow_key k = key_of(i);

		ck_assert(!!flow_find(table, &k) == flows[i].is_in);
	}
	ck_assert_uint_le(flow_count(table), TOTAL);
	ck_assert_uint_le(flow_sources(table), 7);
	ck_assert_uint_eq(flow_counters(table)->opened - flow_counters(table)->closed, flow_count(table));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("flow");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_flow_is_found_by_all_of_its_key);
	tcase_add_test(t, an_idle_flow_ends_and_a_used_one_does_not);
	tcase_add_test(t, a_shorter_time_counts_at_once);
	tcase_add_test(t, a_source_that_is_full_loses_its_own_idlest);
	tcase_add_test(t, a_table_that_is_full_takes_from_who_has_the_most);
	tcase_add_test(t, made_up_senders_harm_their_own_network);
	tcase_add_test(t, retired_flows_end_first);
	tcase_add_test(t, books_are_right_after_many_steps);
	suite_add_tcase(s, t);
	return s;
}
UNIT_MAIN(make_suite);
