/* tests/teams/check_link_shapes.c: what `muster link set` makes of a link, and what it refuses. */
#include "core/bytes.h"
#include "teams/fabric_plan.h"
#include "teams/link_shapes.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>

static struct team_network networks[2];
static struct team_nic nics[3];
static struct team_vm vms[2];
static struct team team;
static struct link_shapes *shapes;

static const struct link_ref lan = { .is_network = true, .network = 0 }, b_wan = { .vm = 1, .nic = 1 };

/* a: lan; b: lan, wan. */
static void setup(void)
{
	memset(networks, 0, sizeof networks);
	networks[0] = (struct team_network){ .name = "lan", .mtu = 1500, .type = NETWORK_HUB };
	networks[1] = (struct team_network){ .name = "wan", .mtu = 9000 };
	for (size_t i = 0; i < 3; i++)
		nics[i] = (struct team_nic){ .name = "eth0", .mtu = 1500, .network = i == 2 };
	nics[2].name = "up";
	nics[2].link_down = true;
	nics[2].shape.up.delay_ns = nics[2].shape.down.delay_ns = NSEC_PER_MSEC;
	vms[0] = (struct team_vm){ .name = "a", .nics = nics, .n_nics = 1 };
	vms[1] = (struct team_vm){ .name = "b", .nics = nics + 1, .n_nics = 2 };
	team = (struct team){ .name = "t", .seed = 7, .networks = networks, .n_networks = 2, .vms = vms, .n_vms = 2 };
	ck_assert_int_eq(link_shapes_new(&team, &shapes), 0);
}

static void teardown(void)
{
	shapes = link_shapes_free(shapes);
}

/* @sets: words with a space between them; "_" is a space of a word. */
static int set(const struct link_ref *ref, enum link_dir dir, const char *sets)
{
	CLEANUP(free) char *copy = str_dup(sets), *why = NULL;
	const char *list[8];
	size_t n = 0;
	char *rest = copy, *word;
	int r;

	while ((word = strsep(&rest, " "))) {
		for (char *c = word; *c; c++)
			if (*c == '_')
				*c = ' ';
		list[n++] = word;
	}
	r = link_shapes_set(shapes, ref, dir, list, n, &why);
	ck_assert_msg((r < 0) == (why != NULL), "%s", sets);
	return r;
}

static void check_reads(const struct link_ref *ref, enum link_dir dir, const char *text)
{
	CLEANUP(free) char *is = shape_dir_str(link_shapes_get(shapes, ref, dir));

	ck_assert_str_eq(is, text);
}

/* Start from a preset; the other keys override it, wherever it stands; up and down are for one direction. */
START_TEST(a_link_is_set_as_a_team_file_would)
{
	ck_assert_int_eq(set(&lan, LINK_BOTH, "down.delay=9ms delay=40ms preset=t1 queue=50_packets"), 0);
	check_reads(&lan, LINK_UP, "rate 1.544Mbit delay 40ms queue 50 packets");
	check_reads(&lan, LINK_DOWN, "rate 1.544Mbit delay 9ms queue 50 packets");
	ck_assert_int_eq(set(&lan, LINK_BOTH, "left.delay=9ms"), -EINVAL);
	check_reads(&lan, LINK_UP, "rate 1.544Mbit delay 40ms queue 50 packets");
}
END_TEST

START_TEST(a_key_leaves_the_others)
{
	ck_assert_int_eq(set(&b_wan, LINK_BOTH, "rate=1Mbit"), 0);
	ck_assert_int_eq(set(&b_wan, LINK_UP, "delay=5ms"), 0);
	check_reads(&b_wan, LINK_UP, "rate 1Mbit delay 5ms");
	check_reads(&b_wan, LINK_DOWN, "rate 1Mbit delay 1ms");
	link_shapes_reset(shapes, &b_wan, LINK_DOWN);
	check_reads(&b_wan, LINK_UP, "rate 1Mbit delay 5ms");
	check_reads(&b_wan, LINK_DOWN, "rate unlimited delay 1ms");
	link_shapes_reset(shapes, &b_wan, LINK_BOTH);
	check_reads(&b_wan, LINK_UP, "rate unlimited delay 1ms");
}
END_TEST

/* The second direction is refused: the first one stays, too. */
START_TEST(a_refused_set_changes_nothing)
{
	ck_assert_int_eq(set(&lan, LINK_BOTH, "delay=100ms rate=5"), -EINVAL);
	ck_assert_int_eq(set(&lan, LINK_BOTH, "up.delay=100ms down.delay=5"), -EINVAL);
	check_reads(&lan, LINK_UP, "rate unlimited");
	check_reads(&lan, LINK_DOWN, "rate unlimited");
}
END_TEST

static const struct {
	const char *sets;
	bool ok, ok_untrusted;
} wanted[] = {
	{ "jitter=2ms", false, false },
	{ "delay=5ms jitter=2ms", true, true },
	{ "reorder=10%", false, false },
	{ "rate=1Mbit queue=1000B", false, false },
	{ "rate=1Mbit queue=1514B", true, true },
	{ "down.jitter=2ms", false, false },
	{ "rate=11Gbit", true, false },
	{ "up.rate=1Gbit up.queue=20000_packets", true, false },
	{ "rate=10Gbit", true, true },
	{ "delay", false, false },
	{ "=5ms", false, false },
	{ "preset=no", false, false },
	{ "colour=red", false, false },
};

START_TEST(what_check_refuses_is_refused_while_it_runs)
{
	static const struct link_ref b_lan = { .vm = 1, .nic = 0 };

	for (size_t i = 0; i < 4; i++) {
		team.root = i % 2 ? "/srv" : NULL;
		ck_assert_msg((set(i / 2 ? &b_lan : &lan, LINK_BOTH, wanted[_i].sets) == 0) ==
				      (i % 2 ? wanted[_i].ok_untrusted : wanted[_i].ok),
			      "%s%s", wanted[_i].sets, i % 2 ? " untrusted" : "");
		link_shapes_reset(shapes, &lan, LINK_BOTH);
		link_shapes_reset(shapes, &b_lan, LINK_BOTH);
	}
}
END_TEST

/* What comes down may be as long as the network allows, what goes up as long as the NIC does. */
START_TEST(a_queue_takes_a_whole_frame)
{
	ck_assert_int_eq(set(&b_wan, LINK_UP, "rate=1Mbit queue=1514B"), 0);
	ck_assert_int_eq(set(&b_wan, LINK_DOWN, "rate=1Mbit queue=1514B"), -EINVAL);
	ck_assert_int_eq(set(&b_wan, LINK_DOWN, "rate=1Mbit queue=9014B"), 0);
}
END_TEST

START_TEST(a_plan_has_a_port_for_each_nic)
{
	struct fabric_memory memory;
	struct fabric_plan *plan;

	ck_assert_int_eq(fabric_plan_new(&team, &plan), 0);
	team_fabric_memory(&team, &memory);
	ck_assert_uint_eq(plan->n_ports, 3);
	ck_assert_uint_eq(plan->n_networks, 2);
	ck_assert_uint_eq(plan->seed, 7);
	ck_assert_uint_eq(plan->total_bytes, memory.total_bytes);
	ck_assert_int_eq(plan->networks[0].type, VSWITCH_HUB);
	ck_assert_str_eq(plan->ports[0].name, "a.eth0");
	ck_assert_str_eq(plan->ports[2].name, "b.up");
	ck_assert_str_eq(plan->ports[2].stream, "b.1"); /* whatever the NIC is called */
	ck_assert_uint_eq(plan->ports[2].network, 1);
	ck_assert(plan->ports[2].begins_down && !plan->ports[1].begins_down);
	ck_assert_int_eq(plan->ports[2].up.shape.delay_ns, NSEC_PER_MSEC);
	ck_assert_uint_eq(plan->ports[2].up.share_bytes, team_link_memory(&memory, &nics[2].shape.up, 1500));
	ck_assert_uint_gt(plan->ports[2].up.share_bytes, 0);
	ck_assert_int_eq(plan->ports[0].kind, FABRIC_PORT_NONE);
	plan = fabric_plan_free(plan);
}
END_TEST

START_TEST(a_link_has_one_number_and_back)
{
	for (size_t i = 0; i < 3; i++) {
		struct fabric_ref at = { .index = i };
		struct link_ref ref = fabric_plan_link(&team, &at);

		ck_assert(!ref.is_network);
		ck_assert_uint_eq(ref.vm, i > 0);
		ck_assert_uint_eq(ref.nic, i == 2);
		ck_assert_uint_eq(fabric_plan_ref(&team, &ref).index, i);
	}
	ck_assert(fabric_plan_ref(&team, &lan).is_network);
	ck_assert_uint_eq(fabric_plan_link(&team, &(struct fabric_ref){ .is_network = true, .index = 1 }).network, 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("link-shapes");
	TCase *t = tcase_create("link-shapes");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_link_is_set_as_a_team_file_would);
	tcase_add_test(t, a_key_leaves_the_others);
	tcase_add_test(t, a_refused_set_changes_nothing);
	tcase_add_loop_test(t, what_check_refuses_is_refused_while_it_runs, 0,
			    (int)(sizeof wanted / sizeof wanted[0]));
	tcase_add_test(t, a_queue_takes_a_whole_frame);
	tcase_add_test(t, a_plan_has_a_port_for_each_nic);
	tcase_add_test(t, a_link_has_one_number_and_back);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
