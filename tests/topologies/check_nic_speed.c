/* tests/topologies/check_nic_speed.c: the speed that a guest is told of its NIC. */
#include "tests/unit.h"
#include "topologies/team.h"

/* Rates in bit/s; 0: none. */
static const struct {
	uint64_t nic_up, nic_down, net_up, net_down;
	uint32_t mbps;
} t[] = {
	{ 0, 0, 0, 0, 10000 },
	{ 100000000, 100000000, 0, 0, 100 },
	{ 0, 0, 1544000, 1544000, 2 },
	{ 1000000, 8000000, 0, 0, 8 }, /* the faster direction */
	{ 0, 0, 8000000, 1000000, 8 },
	{ 100000000, 100000000, 10000000, 10000000, 10 }, /* the slower of two on the way */
	{ 10000000, 10000000, 100000000, 100000000, 10 },
	{ 56000, 0, 0, 0, 10000 },
	{ 56000, 56000, 0, 0, 1 },
	{ 40000000000, 40000000000, 0, 0, 40000 },
	{ UINT64_MAX, UINT64_MAX, 0, 0, INT32_MAX },
};

START_TEST(a_nic_has_the_speed_of_its_way)
{
	struct team_network net = { .shape = { .up.rate_bps = t[_i].net_up, .down.rate_bps = t[_i].net_down } };
	struct team_nic nic = { .shape = { .up.rate_bps = t[_i].nic_up, .down.rate_bps = t[_i].nic_down } };
	struct team team = { .networks = &net, .n_networks = 1 };

	ck_assert_uint_eq(team_nic_speed(&team, &nic), t[_i].mbps);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("nic_speed");
	TCase *c = tcase_create("nic_speed");

	tcase_add_loop_test(c, a_nic_has_the_speed_of_its_way, 0, sizeof t / sizeof t[0]);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
