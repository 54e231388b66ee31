/* tests/fabric/check_link_state.c: whose word holds, and what follows from it. Time is an argument. */
#include "fabric/link_state.h"
#include "tests/unit.h"

enum { A_LAN, A_WAN, B_LAN, B_WAN, N_PORTS };

static struct fabric_plan_network networks[2];
static struct fabric_plan_port ports[N_PORTS];
static struct fabric_plan plan;
static struct link_states *states;

/* b's port on the LAN begins down. */
static const struct fabric_ref a_lan = { .index = A_LAN }, b_lan = { .index = B_LAN }, b_wan = { .index = B_WAN },
			       lan = { .is_network = true, .index = 0 };

static void setup(void)
{
	for (size_t i = 0; i < N_PORTS; i++)
		ports[i] = (struct fabric_plan_port){ .network = i == A_WAN || i == B_WAN, .begins_down = i == B_LAN };
	plan = (struct fabric_plan){ .networks = networks, .n_networks = 2, .ports = ports, .n_ports = N_PORTS };
	ck_assert_int_eq(link_states_new(&plan, &states), 0);
}

static void teardown(void)
{
	states = link_states_free(states);
}

static void say(const struct fabric_ref *ref, enum link_dir dir, enum link_word word, nsec_t until_ns)
{
	link_states_say(states, ref, dir, word, until_ns);
}

/* Ends all that is over at @now. Returns how many flaps that were. */
static unsigned expire(nsec_t now)
{
	struct fabric_ref ref;
	enum link_dir dir;
	unsigned n = 0;

	while (link_states_expire(states, now, &ref, &dir))
		n++;
	return n;
}

START_TEST(the_plan_says_how_it_begins)
{
	ck_assert(link_states_carrier(states, A_LAN));
	ck_assert(!link_states_carrier(states, B_LAN));
	ck_assert(link_states_carrier(states, B_WAN));
	ck_assert_int_eq(link_states_next(states), NSEC_NEVER);
}
END_TEST

START_TEST(a_network_raises_no_port)
{
	say(&a_lan, LINK_BOTH, LINK_WORD_DOWN, 0);
	say(&lan, LINK_BOTH, LINK_WORD_DOWN, 0);
	say(&lan, LINK_BOTH, LINK_WORD_UP, 0);
	ck_assert(!link_states_carrier(states, A_LAN));
	ck_assert(!link_states_carrier(states, B_LAN));
	ck_assert(link_states_is_up(states, &lan, LINK_BOTH));
	say(&b_lan, LINK_BOTH, LINK_WORD_UP, 0);
	ck_assert(link_states_carrier(states, B_LAN));
}
END_TEST

START_TEST(a_port_does_not_rise_above_its_network)
{
	say(&lan, LINK_BOTH, LINK_WORD_DOWN, 0);
	say(&a_lan, LINK_BOTH, LINK_WORD_UP, 0);
	ck_assert(!link_states_carrier(states, A_LAN));
	ck_assert(link_states_is_up(states, &a_lan, LINK_BOTH));
	ck_assert(link_states_carrier(states, A_WAN));
}
END_TEST

START_TEST(a_direction_is_by_itself)
{
	say(&a_lan, LINK_UP, LINK_WORD_DOWN, 0);
	ck_assert(link_states_carrier(states, A_LAN));
	ck_assert(!link_states_passes(states, A_LAN, false, LINK_UP));
	ck_assert(link_states_passes(states, A_LAN, false, LINK_DOWN));
	ck_assert(link_states_passes(states, A_LAN, true, LINK_UP));
	say(&lan, LINK_BOTH, LINK_WORD_FLAP, 10);
	ck_assert(!link_states_passes(states, A_LAN, false, LINK_DOWN));
	ck_assert_uint_eq(expire(10), 1);
	ck_assert(!link_states_passes(states, A_LAN, false, LINK_UP));
	ck_assert(link_states_passes(states, A_LAN, false, LINK_DOWN));
	/* "up" without a direction means both. */
	say(&a_lan, LINK_BOTH, LINK_WORD_UP, 0);
	ck_assert(link_states_passes(states, A_LAN, false, LINK_UP));
}
END_TEST

/* A flap from 0 to 10, another word at 5: at 9, 10 and 20, is there carrier? */
START_TEST(the_later_word_wins)
{
	static const struct {
		enum link_word word;
		nsec_t until_ns;
		bool at_9, at_10, at_20;
	} t[] = {
		{ LINK_WORD_DOWN, 0, false, false, false },
		{ LINK_WORD_UP, 0, true, true, true },
		{ LINK_WORD_FLAP, 15, false, false, true },
		{ LINK_WORD_FLAP, 8, true, true, true },
	};

	for (size_t i = 0; i < 2; i++) {
		const struct fabric_ref *ref = i ? &lan : &b_wan;
		size_t port = i ? A_LAN : B_WAN;

		say(ref, LINK_BOTH, LINK_WORD_FLAP, 10);
		ck_assert(!link_states_carrier(states, port));
		ck_assert_int_eq(link_states_next(states), 10);
		say(ref, LINK_BOTH, t[_i].word, t[_i].until_ns);
		(void)expire(9);
		ck_assert_int_eq(link_states_carrier(states, port), t[_i].at_9);
		(void)expire(10);
		ck_assert_int_eq(link_states_carrier(states, port), t[_i].at_10);
		(void)expire(20);
		ck_assert_int_eq(link_states_carrier(states, port), t[_i].at_20);
		ck_assert_int_eq(link_states_next(states), NSEC_NEVER);
	}
}
END_TEST

START_TEST(flaps_of_different_things_overlap)
{
	struct fabric_ref ref;
	enum link_dir dir;

	say(&lan, LINK_BOTH, LINK_WORD_FLAP, 10);
	say(&a_lan, LINK_BOTH, LINK_WORD_FLAP, 20);
	say(&a_lan, LINK_DOWN, LINK_WORD_FLAP, 30);
	ck_assert_int_eq(link_states_next(states), 10);
	ck_assert(link_states_expire(states, 12, &ref, &dir));
	ck_assert(ref.is_network && ref.index == 0 && dir == LINK_BOTH);
	ck_assert(!link_states_expire(states, 12, &ref, &dir));
	ck_assert(!link_states_carrier(states, A_LAN));
	ck_assert(link_states_expire(states, 20, &ref, &dir));
	ck_assert(!ref.is_network && ref.index == A_LAN && dir == LINK_BOTH);
	ck_assert(link_states_carrier(states, A_LAN));
	ck_assert(!link_states_passes(states, A_LAN, false, LINK_DOWN));
	ck_assert_uint_eq(expire(30), 1);
	ck_assert(link_states_passes(states, A_LAN, false, LINK_DOWN));
	ck_assert(!link_states_carrier(states, B_LAN)); /* down by the plan, through all of it */
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("link-state");
	TCase *t = tcase_create("link-state");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_plan_says_how_it_begins);
	tcase_add_test(t, a_network_raises_no_port);
	tcase_add_test(t, a_port_does_not_rise_above_its_network);
	tcase_add_test(t, a_direction_is_by_itself);
	tcase_add_loop_test(t, the_later_word_wins, 0, 4);
	tcase_add_test(t, flaps_of_different_things_overlap);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
