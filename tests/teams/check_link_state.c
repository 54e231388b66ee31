/* tests/teams/check_link_state.c: whose word holds, and what follows from it. Time is an argument. */
#include "teams/link_state.h"
#include "tests/unit.h"

enum { N_VMS = 2 };

static struct team_network networks[2];
static struct team_nic nics[N_VMS][2];
static struct team_vm vms[N_VMS];
static struct team team;
static struct link_states *states;

/* a: lan, wan; b: lan (down in the file), wan. */
static const struct link_ref a_lan = { .vm = 0, .nic = 0 }, b_lan = { .vm = 1, .nic = 0 },
			     b_wan = { .vm = 1, .nic = 1 }, lan = { .is_network = true, .network = 0 };

static void setup(void)
{
	memset(nics, 0, sizeof nics);
	for (size_t v = 0; v < N_VMS; v++) {
		nics[v][1].network = 1;
		vms[v] = (struct team_vm){ .nics = nics[v], .n_nics = 2 };
	}
	nics[1][0].link_down = true;
	team = (struct team){ .networks = networks, .n_networks = 2, .vms = vms, .n_vms = N_VMS };
	ck_assert_int_eq(link_states_new(&team, &states), 0);
}

static void teardown(void)
{
	states = link_states_free(states);
}

static void say(const struct link_ref *ref, enum link_dir dir, enum link_word word, nsec_t until_ns)
{
	link_states_say(states, ref, dir, word, until_ns);
}

/* Ends all that is over at @now. Returns how many flaps that were. */
static unsigned expire(nsec_t now)
{
	struct link_ref ref;
	enum link_dir dir;
	unsigned n = 0;

	while (link_states_expire(states, now, &ref, &dir))
		n++;
	return n;
}

START_TEST(the_file_says_how_it_begins)
{
	ck_assert(link_states_carrier(states, 0, 0));
	ck_assert(!link_states_carrier(states, 1, 0));
	ck_assert(link_states_carrier(states, 1, 1));
	ck_assert_int_eq(link_states_next(states), NSEC_NEVER);
}
END_TEST

START_TEST(a_network_raises_no_nic)
{
	say(&a_lan, LINK_BOTH, LINK_WORD_DOWN, 0);
	say(&lan, LINK_BOTH, LINK_WORD_DOWN, 0);
	say(&lan, LINK_BOTH, LINK_WORD_UP, 0);
	ck_assert(!link_states_carrier(states, 0, 0));
	ck_assert(!link_states_carrier(states, 1, 0));
	ck_assert(link_states_is_up(states, &lan, LINK_BOTH));
	say(&b_lan, LINK_BOTH, LINK_WORD_UP, 0);
	ck_assert(link_states_carrier(states, 1, 0));
}
END_TEST

START_TEST(a_nic_does_not_rise_above_its_network)
{
	say(&lan, LINK_BOTH, LINK_WORD_DOWN, 0);
	say(&a_lan, LINK_BOTH, LINK_WORD_UP, 0);
	ck_assert(!link_states_carrier(states, 0, 0));
	ck_assert(link_states_is_up(states, &a_lan, LINK_BOTH));
	ck_assert(link_states_carrier(states, 0, 1));
}
END_TEST

START_TEST(a_direction_is_by_itself)
{
	say(&a_lan, LINK_UP, LINK_WORD_DOWN, 0);
	ck_assert(link_states_carrier(states, 0, 0));
	ck_assert(!link_states_passes(states, 0, 0, false, LINK_UP));
	ck_assert(link_states_passes(states, 0, 0, false, LINK_DOWN));
	ck_assert(link_states_passes(states, 0, 0, true, LINK_UP));
	say(&lan, LINK_BOTH, LINK_WORD_FLAP, 10);
	ck_assert(!link_states_passes(states, 0, 0, false, LINK_DOWN));
	ck_assert_uint_eq(expire(10), 1);
	ck_assert(!link_states_passes(states, 0, 0, false, LINK_UP));
	ck_assert(link_states_passes(states, 0, 0, false, LINK_DOWN));
	/* "up" without a direction means both. */
	say(&a_lan, LINK_BOTH, LINK_WORD_UP, 0);
	ck_assert(link_states_passes(states, 0, 0, false, LINK_UP));
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
		const struct link_ref *ref = i ? &lan : &b_wan;
		size_t vm = i ? 0 : 1, nic = i ? 0 : 1;

		say(ref, LINK_BOTH, LINK_WORD_FLAP, 10);
		ck_assert(!link_states_carrier(states, vm, nic));
		ck_assert_int_eq(link_states_next(states), 10);
		say(ref, LINK_BOTH, t[_i].word, t[_i].until_ns);
		(void)expire(9);
		ck_assert_int_eq(link_states_carrier(states, vm, nic), t[_i].at_9);
		(void)expire(10);
		ck_assert_int_eq(link_states_carrier(states, vm, nic), t[_i].at_10);
		(void)expire(20);
		ck_assert_int_eq(link_states_carrier(states, vm, nic), t[_i].at_20);
		ck_assert_int_eq(link_states_next(states), NSEC_NEVER);
	}
}
END_TEST

START_TEST(flaps_of_different_things_overlap)
{
	struct link_ref ref;
	enum link_dir dir;

	say(&lan, LINK_BOTH, LINK_WORD_FLAP, 10);
	say(&a_lan, LINK_BOTH, LINK_WORD_FLAP, 20);
	say(&a_lan, LINK_DOWN, LINK_WORD_FLAP, 30);
	ck_assert_int_eq(link_states_next(states), 10);
	ck_assert(link_states_expire(states, 12, &ref, &dir));
	ck_assert(ref.is_network && ref.network == 0 && dir == LINK_BOTH);
	ck_assert(!link_states_expire(states, 12, &ref, &dir));
	ck_assert(!link_states_carrier(states, 0, 0));
	ck_assert(link_states_expire(states, 20, &ref, &dir));
	ck_assert(!ref.is_network && ref.vm == 0 && ref.nic == 0 && dir == LINK_BOTH);
	ck_assert(link_states_carrier(states, 0, 0));
	ck_assert(!link_states_passes(states, 0, 0, false, LINK_DOWN));
	ck_assert_uint_eq(expire(30), 1);
	ck_assert(link_states_passes(states, 0, 0, false, LINK_DOWN));
	ck_assert(!link_states_carrier(states, 1, 0)); /* down by the file, through all of it */
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("link-state");
	TCase *t = tcase_create("link-state");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_file_says_how_it_begins);
	tcase_add_test(t, a_network_raises_no_nic);
	tcase_add_test(t, a_nic_does_not_rise_above_its_network);
	tcase_add_test(t, a_direction_is_by_itself);
	tcase_add_loop_test(t, the_later_word_wins, 0, 4);
	tcase_add_test(t, flaps_of_different_things_overlap);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
