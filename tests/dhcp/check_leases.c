/* tests/dhcp/check_leases.c: the lease table, step by step and against a model. */
#include "core/prng.h"
#include "core/state.h"
#include "dhcp/leases.h"
#include "tests/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define S NSEC_PER_SEC
enum { NET = 0x0a000000 };

static struct lease_range range = { NET + 10, NET + 13 };
static struct lease_config config;
static struct leases *t;
static struct prng prng;
static struct lease *l, *other;

static void begin(void)
{
	prng_init(&prng, 1, "leases");
	config.ranges = &range;
	config.n_ranges = 1;
	config.offer_ns = 30 * S;
	config.quarantine_ns = 600 * S;
	ck_assert_int_eq(leases_new(&config, &prng, &t), 0);
}

static void setup(void)
{
	range = (struct lease_range){ NET + 10, NET + 13 };
	config = (struct lease_config){ 0 };
	begin();
}

static void teardown(void)
{
	t = leases_free(t);
}

static struct lease_client client(uint32_t n)
{
	return (struct lease_client){ .mac = { { 2, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
						 (uint8_t)n } } };
}

static uint64_t offer(uint32_t n, uint64_t wanted, nsec_t now)
{
	struct lease_client c = client(n);

	return leases_offer(t, &c, wanted, now, &l) == 0 ? l->addr : 0;
}

static uint64_t bind_to(uint32_t n, nsec_t now, nsec_t until)
{
	uint64_t addr = offer(n, 0, now);

	if (addr)
		leases_bind(t, l, NULL, until);
	return addr;
}

START_TEST(addresses_come_in_order_and_stick)
{
	ck_assert_uint_eq(offer(1, 0, 0), NET + 10);
	ck_assert_uint_eq(offer(2, 0, 0), NET + 11);
	ck_assert_uint_eq(offer(1, 0, 0), NET + 10);
	ck_assert_uint_eq(offer(1, NET + 13, 0), NET + 10); /* its own before the wanted one */
	ck_assert_uint_eq(offer(3, NET + 13, 0), NET + 13);
	ck_assert_uint_eq(offer(4, NET + 13, 0), NET + 12); /* taken: the next fresh one */
	ck_assert_uint_eq(leases_count(t, LEASE_OFFERED), 4);
}
END_TEST

START_TEST(clones_of_one_identifier_differ)
{
	static const uint8_t id[] = { 0xff, 1, 2, 3, 4 };
	struct lease_client a = client(1), b = client(2);

	a.id = b.id = id;
	a.id_len = b.id_len = sizeof id;
	ck_assert_int_eq(leases_offer(t, &a, 0, 0, &l), 0);
	ck_assert_int_eq(leases_offer(t, &b, 0, 0, &other), 0);
	ck_assert_uint_ne(l->addr, other->addr);
	ck_assert_ptr_eq(leases_find(t, &a), l);
	b.id_len = 4;
	ck_assert_ptr_null(leases_find(t, &b));
	b.id_len = 0;
	ck_assert_ptr_null(leases_find(t, &b));
}
END_TEST

START_TEST(a_wanted_address_outside_is_not_given)
{
	ck_assert_uint_eq(offer(1, NET + 9, 0), NET + 10);
	ck_assert_uint_eq(offer(2, NET + 14, 0), NET + 11);
	ck_assert(!leases_covers(t, NET + 9) && leases_covers(t, NET + 10) && leases_covers(t, NET + 13) &&
		  !leases_covers(t, NET + 14));
}
END_TEST

START_TEST(who_gives_way)
{
	for (uint32_t n = 1; n <= 4; n++)
		ck_assert_uint_eq(bind_to(n, 0, (200 - n) * S), NET + 9 + n);
	ck_assert_uint_eq(offer(5, 0, 0), 0); /* all are bound */
	ck_assert_int_eq(leases_offer(t, &(struct lease_client){ .mac = { { 2, 9 } } }, 0, 0, &l), -ENOSPC);
	ck_assert_ptr_nonnull(leases_expire(t, 197 * S)); /* 4 at 196, 3 at 197 */
	ck_assert_ptr_nonnull(leases_expire(t, 197 * S));
	ck_assert_ptr_null(leases_expire(t, 197 * S));
	ck_assert_uint_eq(offer(4, 0, 197 * S), NET + 13); /* its own, though expired */
	while (leases_expire(t, 227 * S))
		;
	ck_assert_uint_eq(leases_count(t, LEASE_UNUSED), 1);
	ck_assert_uint_eq(offer(6, 0, 227 * S), NET + 13); /* the offer nobody took */
	ck_assert_uint_eq(offer(7, 0, 227 * S), NET + 12); /* expired first */
	ck_assert_uint_eq(offer(8, 0, 227 * S), NET + 11);
	ck_assert_uint_eq(offer(9, 0, 227 * S), NET + 10);
	ck_assert_uint_eq(offer(10, 0, 227 * S), NET + 13); /* the oldest offer */
}
END_TEST

START_TEST(released_before_expired_by_time)
{
	for (uint32_t n = 1; n <= 4; n++)
		(void)bind_to(n, 0, 100 * S);
	(void)offer(2, 0, 0);
	leases_release(t, l, 50 * S);
	while (leases_expire(t, 100 * S))
		;
	ck_assert_uint_eq(leases_count(t, LEASE_EXPIRED), 3);
	ck_assert_uint_eq(offer(9, 0, 100 * S), NET + 11);
}
END_TEST

START_TEST(a_flood_leaves_bound_leases_and_the_last_offer)
{
	(void)bind_to(1, 0, 3600 * S);
	for (uint32_t n = 100; n < 5000; n++) {
		ck_assert_uint_ne(offer(n, 0, 1), 0);
		ck_assert_uint_ne(l->addr, NET + 10);
	}
	ck_assert_uint_eq(offer(2, 0, 2), l->addr);
	(void)offer(5001, 0, 2);
	(void)offer(5002, 0, 2);
	ck_assert_ptr_nonnull(leases_find(t, &(struct lease_client){ .mac = client(2).mac }));
	ck_assert_uint_eq(offer(1, 0, 2), NET + 10);
	ck_assert_uint_eq(leases_count(t, LEASE_BOUND), 1);
}
END_TEST

START_TEST(one_mac_has_few_addresses)
{
	uint64_t first = 0;

	range.last = NET + 200;
	teardown();
	begin();
	for (uint8_t i = 0; i < 100; i++) {
		struct lease_client c = client(7);

		c.id = &i;
		c.id_len = 1;
		ck_assert_int_eq(leases_offer(t, &c, 0, i, &l), 0);
		leases_bind(t, l, NULL, (1000 + i) * S);
		first = first ? first : l->addr;
		if (i == LEASES_PER_MAC)
			ck_assert_uint_eq(l->addr, first);
	}
	ck_assert_uint_eq(leases_count(t, LEASE_BOUND), LEASES_PER_MAC);
	ck_assert_uint_eq(offer(8, 0, 0), NET + 10 + LEASES_PER_MAC);
}
END_TEST

START_TEST(quarantine_is_bounded_and_ends)
{
	(void)bind_to(1, 0, 3600 * S);
	leases_decline(t, l, 0);
	ck_assert_uint_eq(offer(1, NET + 10, 1), NET + 11); /* neither sticky nor wanted */
	leases_bind(t, l, NULL, 3600 * S);
	ck_assert_uint_eq(leases_count(t, LEASE_DECLINED), 1);
	leases_decline(t, l, 2);
	ck_assert_uint_eq(leases_count(t, LEASE_DECLINED), 1); /* a quarter of four */
	ck_assert_int_eq(leases_at(t, NET + 10)->state, LEASE_UNUSED);
	ck_assert_int_eq(leases_at(t, NET + 11)->state, LEASE_DECLINED);
	ck_assert_ptr_null(leases_expire(t, 602 * S));
	ck_assert_int_eq(leases_at(t, NET + 11)->state, LEASE_UNUSED);
}
END_TEST

static const uint8_t res_id[] = "laptop";
static const struct lease_reservation reservations[] = {
	{ .addr = NET + 11, .has_mac = true, .mac = { { 2, 0, 0, 0, 0, 50 } } },
	{ .addr = NET + 99, .id = res_id, .id_len = 6 },
};

START_TEST(reserved_addresses)
{
	struct lease_client a = client(1), b = client(2);

	config.reservations = reservations;
	config.n_reservations = 2;
	teardown();
	begin();
	ck_assert_uint_eq(offer(1, NET + 11, 0), NET + 10); /* not for others, wanted or fresh */
	ck_assert_uint_eq(offer(2, NET + 99, 0), NET + 12);
	ck_assert_uint_eq(offer(3, 0, 0), NET + 13);
	ck_assert_uint_eq(offer(4, 0, 0), NET + 10); /* and not when all is used */
	ck_assert_uint_eq(bind_to(50, 0, S), NET + 11);
	while (leases_expire(t, 2 * S))
		;
	ck_assert_uint_ne(offer(5, NET + 11, 2 * S), NET + 11); /* nor when it ended */
	a.id = b.id = res_id;
	a.id_len = b.id_len = 6;
	ck_assert_int_eq(leases_offer(t, &a, 0, 0, &l), 0);
	ck_assert_uint_eq(l->addr, NET + 99);
	leases_bind(t, l, NULL, 100 * S);
	ck_assert_int_eq(leases_offer(t, &b, 0, 0, &other), 0);
	ck_assert_uint_ne(other->addr, NET + 99); /* a clone while the first holds it */
	leases_release(t, l, 3 * S);
	l = other;
	ck_assert_int_eq(leases_offer(t, &b, 0, 4 * S, &other), 0);
	ck_assert_uint_eq(other->addr, NET + 99);
	ck_assert(leases_find(t, &b) == other && !l->is_owned); /* one entry a client */
}
END_TEST

/* The loader asks with another identifier than the system: the MAC's reservation is for both. */
START_TEST(a_reserved_mac_takes_its_address_with_any_identifier)
{
	struct lease_client a = client(50), b = client(50);

	config.reservations = reservations;
	config.n_reservations = 2;
	teardown();
	begin();
	a.id = (const uint8_t *)"uuid";
	a.id_len = 4;
	ck_assert_int_eq(leases_offer(t, &a, 0, 0, &l), 0);
	leases_bind(t, l, NULL, 100 * S);
	ck_assert_int_eq(leases_offer(t, &b, 0, 0, &other), 0);
	ck_assert_ptr_eq(other, l);
	ck_assert_ptr_null(leases_find(t, &a));
}
END_TEST

START_TEST(what_overlaps_is_refused)
{
	struct lease_range two[] = { { NET + 10, NET + 20 }, { NET + 20, NET + 30 } };
	struct lease_reservation same[] = { reservations[0], reservations[0] };
	struct leases *none = NULL;

	config.ranges = two;
	config.n_ranges = 2;
	ck_assert_int_eq(leases_new(&config, &prng, &none), -EINVAL);
	two[1].first = NET + 40;
	ck_assert_int_eq(leases_new(&config, &prng, &none), -EINVAL);
	config.n_ranges = 1;
	config.reservations = same;
	config.n_reservations = 2;
	ck_assert_int_eq(leases_new(&config, &prng, &none), -EINVAL);
	same[0].addr = NET + 12;
	ck_assert_int_eq(leases_new(&config, &prng, &none), -EINVAL); /* one MAC, two addresses */
	ck_assert_ptr_null(none);
}
END_TEST

/* 16 million addresses: entries are made for those in use only, and no more than max. */
START_TEST(a_large_pool_costs_what_is_used)
{
	range = (struct lease_range){ NET + 1, NET + 0xfffffe };
	config.max = 1000;
	teardown();
	begin();
	for (uint32_t n = 0; n < 1000; n++)
		ck_assert_uint_eq(bind_to(n, 0, 100 * S), NET + 1 + n);
	ck_assert_uint_eq(offer(5000, NET + 5000, 0), 0);
	ck_assert_ptr_null(leases_at(t, NET + 5000));
	ck_assert_uint_eq(offer(77, 0, 0), NET + 78);
}
END_TEST

/* ---- the model: a client's live address and its end ---- */

enum { CLIENTS = 12, STEPS = 60000 };
static struct {
	uint64_t addr; /* 0: not bound */
	nsec_t until;
} model[CLIENTS];

static void check_model(nsec_t now)
{
	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct lease_client c = client(i);
		struct lease *e = leases_find(t, &c);

		if (model[i].addr && model[i].until <= now)
			model[i].addr = 0;
		if (!model[i].addr)
			continue;
		ck_assert(e && e->addr == model[i].addr && e->state == LEASE_BOUND && e->until == model[i].until);
		for (uint32_t j = 0; j < i; j++)
			ck_assert_uint_ne(model[i].addr, model[j].addr);
	}
}

static struct lease *own_of(uint32_t i)
{
	struct lease_client c = client(i);

	return leases_find(t, &c);
}

static void model_step(struct prng *p, nsec_t now)
{
	uint32_t i = (uint32_t)prng_below(p, CLIENTS);

	switch (prng_below(p, 6)) {
	case 0:
	case 1:
		if (!offer(i, NET + 8 + (uint32_t)prng_below(p, 12), now))
			return;
		ck_assert(!model[i].addr || l->addr == model[i].addr);
		break;
	case 2:
	case 3:
		l = own_of(i);
		if (!l || (l->state != LEASE_OFFERED && l->state != LEASE_BOUND))
			return;
		model[i].until = now + (nsec_t)(1 + prng_below(p, 200)) * S;
		model[i].addr = l->addr;
		leases_bind(t, l, NULL, model[i].until);
		break;
	case 4:
		if (!model[i].addr)
			return;
		leases_release(t, own_of(i), now);
		model[i].addr = 0;
		break;
	default:
		if (!model[i].addr || prng_below(p, 4))
			return;
		leases_decline(t, own_of(i), now);
		model[i].addr = 0;
	}
}

/* Saves the table, and goes on with what is loaded from that at an instant that differs. */
static void save_and_load(void)
{
	struct state *out, *in;
	char *why = NULL;
	const uint8_t *data;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &out), 0);
	(void)state_begin(out, "leas", 0, 1);
	leases_state(t, out, 7);
	state_end(out);
	ck_assert_int_eq(state_finish(out), 0);
	data = state_data(out, &len);
	teardown();
	begin();
	ck_assert_int_eq(state_load_new(data, len, &in, &why), 0);
	(void)state_begin(in, "leas", 0, 1);
	leases_state(t, in, 7);
	state_end(in);
	ck_assert_msg(state_finish(in) == 0, "%s", state_why(in));
	state_free(in);
	state_free(out);
}

START_TEST(random_clients_never_share)
{
	struct prng p;
	nsec_t now = 0;

	range.last = NET + 17; /* fewer addresses than clients */
	teardown();
	begin();
	memset(model, 0, sizeof model);
	prng_init(&p, (uint64_t)_i, "model");
	for (unsigned step = 0; step < STEPS; step++) {
		now += (nsec_t)prng_below(&p, 6 * S);
		while (leases_expire(t, now))
			;
		model_step(&p, now);
		check_model(now);
		if (prng_below(&p, 200) == 0)
			save_and_load();
	}
}
END_TEST

/* The same steps on a table that was saved and loaded give the same addresses. */
START_TEST(a_loaded_table_goes_on_alike)
{
	uint64_t got[2][40];

	for (int loaded = 0; loaded < 2; loaded++) {
		teardown();
		begin();
		for (uint32_t n = 1; n < 4; n++)
			(void)bind_to(n, 0, (100 - n) * S);
		(void)offer(4, 0, 0);
		leases_decline(t, own_of(1), 5);
		if (loaded)
			save_and_load();
		for (uint32_t n = 0; n < 40; n++) {
			while (leases_expire(t, n * 10 * S))
				;
			got[loaded][n] = offer(10 + n * 3 % 7, 0, n * 10 * S);
		}
	}
	ck_assert_int_eq(memcmp(got[0], got[1], sizeof got[0]), 0);
}
END_TEST

/* An IPv6 table: wide addresses, and a client with a reservation that asks for two IAIDs. */
START_TEST(a_reserved_address_is_for_one_iaid)
{
	static const uint64_t wide = 0x505400fffe123456;
	static const struct lease_reservation reserved = { .addr = wide, .id = (const uint8_t *)"duid", .id_len = 4 };
	struct lease_client one = client(1), two = client(1), late = client(1);

	teardown();
	config = (struct lease_config){ .reservations = &reserved, .n_reservations = 1, .iaid_len = 4 };
	range = (struct lease_range){ wide + 1, wide + 0x100000000 };
	begin();
	one.id = (const uint8_t *)"duid\0\0\0\1";
	two.id = (const uint8_t *)"duid\0\0\0\2";
	late.id = (const uint8_t *)"duix\0\0\0\1";
	one.id_len = two.id_len = late.id_len = 8;
	ck_assert_int_eq(leases_offer(t, &one, 0, 0, &l), 0);
	ck_assert_uint_eq(l->addr, wide);
	ck_assert_int_eq(leases_offer(t, &two, 0, 0, &other), 0);
	ck_assert_uint_eq(other->addr, wide + 1);
	ck_assert_ptr_eq(leases_find(t, &one), l); /* it keeps what it was offered */
	ck_assert_int_eq(leases_offer(t, &late, wide + 0x90000000, 0, &other), 0);
	ck_assert_uint_eq(other->addr, wide + 0x90000000);
	ck_assert_ptr_null(leases_reservation(t, &late));
	leases_release(t, l, S);
	ck_assert_int_eq(leases_offer(t, &two, 0, 2 * S, &other), 0); /* now nobody's */
	ck_assert_uint_eq(other->addr, wide);
	save_and_load();
	ck_assert_uint_eq(leases_at(t, wide)->addr, wide);
	ck_assert_ptr_nonnull(leases_at(t, wide + 0x90000000));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("leases");
	TCase *c = tcase_create("leases");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, addresses_come_in_order_and_stick);
	tcase_add_test(c, clones_of_one_identifier_differ);
	tcase_add_test(c, a_wanted_address_outside_is_not_given);
	tcase_add_test(c, who_gives_way);
	tcase_add_test(c, released_before_expired_by_time);
	tcase_add_test(c, a_flood_leaves_bound_leases_and_the_last_offer);
	tcase_add_test(c, one_mac_has_few_addresses);
	tcase_add_test(c, quarantine_is_bounded_and_ends);
	tcase_add_test(c, reserved_addresses);
	tcase_add_test(c, a_reserved_mac_takes_its_address_with_any_identifier);
	tcase_add_test(c, a_reserved_address_is_for_one_iaid);
	tcase_add_test(c, what_overlaps_is_refused);
	tcase_add_test(c, a_large_pool_costs_what_is_used);
	tcase_add_loop_test(c, random_clients_never_share, 0, 4);
	tcase_add_test(c, a_loaded_table_goes_on_alike);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
