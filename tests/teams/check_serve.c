/* tests/teams/check_serve.c: requests of the command line to a team without processes: what is refused and why, who is
 * answered when, and what a client that leaves leaves behind. */
#include "teams/serve.h"
#include "tests/teams/fake_team.h"

#include "teams/calls.h"
#include "teams/team_state.h"

#include <sys/socket.h>
#include <unistd.h>

static int peers[2] = { -1, -1 }; /* the command line's ends */
static struct client *clients[2];
static json_t *answer; /* the last; owned */

static void setup(void)
{
	fake_setup();
	fake_hooks.vm_released = sup_vm_released;
	for (int i = 0; i < 2; i++) {
		int pair[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		peers[i] = pair[0];
		ck_assert_int_eq(sup_add_client(&fake, pair[1], i == 0, &clients[i]), 0);
	}
}

static void teardown(void)
{
	sup_drop_clients(&fake);
	for (int i = 0; i < 2; i++)
		cleanup_fd(&peers[i]);
	json_decref(answer);
	answer = NULL;
	fake_teardown();
}

static void asks(int peer, const char *request)
{
	ck_assert_int_eq(send(peers[peer], request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	ck_assert_int_eq(send(peers[peer], "\n", 1, MSG_NOSIGNAL), 1);
	fake_turn();
}

/* Takes the next answer to @peer. Returns whether one came. */
static bool hears(int peer)
{
	char line[8192];
	size_t n = 0;

	json_decref(answer);
	answer = NULL;
	fake_turn();
	while (n < sizeof line && recv(peers[peer], line + n, 1, MSG_DONTWAIT) == 1 && line[n] != '\n')
		n++;
	if (n > 0)
		answer = json_loadb(line, n, 0, NULL);
	return answer != NULL;
}

static void is_told(int peer, int status, const char *error)
{
	const char *text;

	ck_assert_msg(hears(peer), "no answer; expected: %s", error);
	text = json_string_value(json_object_get(answer, "error"));
	ck_assert(json_is_false(json_object_get(answer, "ok")));
	ck_assert_msg(text && strstr(text, error), "%s; expected: %s", text, error);
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "status")), status);
}

static void is_told_ok(int peer, json_int_t id)
{
	ck_assert(hears(peer));
	ck_assert(json_is_true(json_object_get(answer, "ok")));
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "id")), id);
}

/* ---- the plan ---- */

START_TEST(the_plan_has_links_as_they_are_now)
{
	static struct team_network network = { .name = "lan", .mtu = 1500 };
	static const char *const sets[] = { "delay=20ms" };
	CLEANUP(free) char *why = NULL;
	size_t order[FAKE_VMS] = { 0, 1, 2 };
	json_t *lan;

	asks(1, "{\"id\":1,\"do\":\"plan\"}");
	is_told(1, 1, "no links yet");
	network.shape.is_set = true;
	network.shape.preset = "t1";
	network.shape.up.rate_bps = network.shape.down.rate_bps = 1544000;
	fake_team.networks = &network;
	fake_team.n_networks = 1;
	fake_team.order = order;
	fake_tvs[0].run = (const char *[]){ "echo secret" };
	fake_tvs[0].n_run = 1;
	ck_assert_int_eq(link_shapes_new(&fake_team, &fake.shapes), 0);
	asks(1, "{\"id\":2,\"do\":\"plan\"}");
	is_told_ok(1, 2);
	lan = json_array_get(json_object_get(answer, "networks"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(lan, "shape"), "preset")), "t1");
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "vms")), FAKE_VMS);
	ck_assert_ptr_null(json_object_get(json_array_get(json_object_get(answer, "vms"), 0), "run"));
	ck_assert_int_eq(link_shapes_set(fake.shapes, &(struct link_ref){ .is_network = true }, LINK_DOWN, sets, 1,
					 &why),
			 0);
	asks(1, "{\"id\":3,\"do\":\"plan\"}");
	is_told_ok(1, 3);
	lan = json_object_get(json_array_get(json_object_get(answer, "networks"), 0), "shape");
	ck_assert(json_is_null(json_object_get(lan, "preset")));
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(lan, "down"), "delay_ns")),
			 20 * NSEC_PER_MSEC);
	fake.shapes = link_shapes_free(fake.shapes);
}
END_TEST

/* ---- what is refused ---- */

static const struct {
	enum sup_state team;
	enum vm_state a;
	int status;
	const char *request, *error;
} refused[] = {
	/* wrong in itself */
	{ SUP_UP, VM_READY, 2, "{\"id\":1,\"do\":\"gone\"}", "gone" },
	{ SUP_UP, VM_READY, 2, "{\"id\":1}", "" },
	{ SUP_UP, VM_READY, 2, "{\"id\":1,\"do\":\"exec\",\"vm\":\"a\"}", "argv" },
	{ SUP_UP, VM_READY, 2, "{\"id\":1,\"do\":\"exec\",\"argv\":[\"x\"]}", "vm" },
	{ SUP_UP, VM_READY, 2, "{\"id\":1,\"do\":\"exec\",\"vm\":\"a\",\"argv\":\"x\"}", "argv" },
	{ SUP_UP, VM_READY, 2, "{\"id\":1,\"do\":\"exec\",\"vm\":\"a\",\"argv\":[1]}", "argv" },
	{ SUP_UP, VM_READY, 2, "{\"id\":1,\"do\":\"stop\",\"vm\":7}", "vm" },
	{ SUP_UP, VM_READY, 2, "{\"id\":1,\"do\":\"stop\",\"vm\":\"a\",\"now\":\"yes\"}", "now" },
	{ SUP_UP, VM_READY, 2, "{\"id\":1,\"do\":\"stop\",\"vm\":\"a\",\"more\":1}", "more" },
	{ SUP_UP, VM_READY, 2, "{\"id\":1,\"do\":\"agent\",\"vm\":\"a\",\"execute\":\"guest-shutdown\"}",
	  "not passed on" },
	{ SUP_UP, VM_READY, 2, "{\"id\":1,\"do\":\"link\",\"target\":\"a.eth0\",\"op\":\"flap\"}", "a time" },
	{ SUP_UP, VM_READY, 2, "{\"id\":1,\"do\":\"link\",\"target\":\"a.eth0\",\"op\":\"flap\",\"ns\":-1}", "a time" },
	/* nobody is called so */
	{ SUP_UP, VM_READY, 3, "{\"id\":1,\"do\":\"stop\",\"vm\":\"d\"}", "no VM 'd' in team lab" },
	{ SUP_UP, VM_READY, 3, "{\"id\":1,\"do\":\"stop\",\"vm\":\"\"}", "no VM '' in team lab" },
	{ SUP_UP, VM_READY, 3, "{\"id\":1,\"do\":\"ping\",\"vm\":\"A\"}", "no VM 'A' in team lab" },
	{ SUP_UP, VM_READY, 3, "{\"id\":1,\"do\":\"link\",\"target\":\"wan\",\"op\":\"show\"}",
	  "no network or NIC 'wan'" },
	/* at a wrong time */
	{ SUP_ENDING, VM_READY, 1, "{\"id\":1,\"do\":\"status\"}", "team lab is ending" },
	{ SUP_ENDING, VM_READY, 1, "{\"id\":1,\"do\":\"start\",\"vm\":\"b\"}", "team lab is ending" },
	{ SUP_STARTING, VM_BOOTING, 1, "{\"id\":1,\"do\":\"pause\"}", "team lab is starting" },
	{ SUP_UP, VM_BOOTING, 1, "{\"id\":1,\"do\":\"pause\",\"vm\":\"a\"}", "a is booting" },
	{ SUP_UP, VM_STOPPED, 1, "{\"id\":1,\"do\":\"resume\",\"vm\":\"a\"}", "a is stopped" },
	{ SUP_UP, VM_READY, 1, "{\"id\":1,\"do\":\"pause\",\"vm\":\"a\"}", "its machine cannot be asked" },
	{ SUP_UP, VM_PAUSED, 1, "{\"id\":1,\"do\":\"start\",\"vm\":\"a\"}", "'muster resume lab/a' lets it go on" },
	{ SUP_BROKEN, VM_FAILED, 1, "{\"id\":1,\"do\":\"start\",\"vm\":\"a\"}", "'restart' starts it anew" },
	{ SUP_UP, VM_STOPPED, 1, "{\"id\":1,\"do\":\"exec\",\"vm\":\"a\",\"argv\":[\"x\"]}", "a is stopped" },
	{ SUP_UP, VM_WAITING, 1, "{\"id\":1,\"do\":\"session\",\"vm\":\"a\"}", "a is waiting" },
	{ SUP_UP, VM_PAUSED, 1, "{\"id\":1,\"do\":\"exec\",\"vm\":\"a\",\"argv\":[\"x\"]}", "a is paused" },
	{ SUP_UP, VM_BOOTING, 1, "{\"id\":1,\"do\":\"session\",\"vm\":\"a\"}", "agent does not answer yet" },
	{ SUP_UP, VM_BOOTING, 1, "{\"id\":1,\"do\":\"agent\",\"vm\":\"a\",\"execute\":\"guest-ping\"}",
	  "does not answer yet" },
	/* it answered once */
	{ SUP_UP, VM_READY, 1, "{\"id\":1,\"do\":\"session\",\"vm\":\"a\"}",
	  "a is ready: its guest agent no longer answers" },
	/* it may have answered once */
	{ SUP_UP, VM_STOPPING, 1, "{\"id\":1,\"do\":\"session\",\"vm\":\"a\"}",
	  "a is stopping: its guest agent does not answer" },
};

START_TEST(it_is_refused)
{
	enum sup_state team = refused[_i].team;

	fake_bring(&fake_vms[0].vm, refused[_i].a);
	fake.state = team;
	fake_starts = 0;
	asks(1, refused[_i].request);
	is_told(1, refused[_i].status, refused[_i].error);
	ck_assert(!hears(1));
	ck_assert_int_eq(fake_vms[0].vm.state, refused[_i].a);
	ck_assert_int_eq(fake.state, team);
	ck_assert_uint_eq(fake_starts, 0);
	ck_assert_ptr_null(fake_vms[0].wait.client);
	asks(1, "{\"id\":2,\"do\":\"down\"}"); /* the connection goes on, and an end is always heard */
	ck_assert(clients[1]->wants_end);
	ck_assert_int_eq(fake.state, SUP_ENDING);
}
END_TEST

/* ---- who waits ---- */

START_TEST(a_stop_is_answered_when_the_machine_is_over)
{
	fake_bring(&fake_vms[0].vm, VM_READY);
	fake.state = SUP_UP;
	asks(1, "{\"id\":5,\"do\":\"stop\",\"vm\":\"a\"}");
	ck_assert_int_eq(fake_vms[0].vm.state, VM_STOPPING);
	ck_assert(!hears(1));
	asks(1, "{\"id\":6,\"do\":\"ping\"}");
	is_told_ok(1, 6);
	ck_assert_str_eq(json_string_value(json_object_get(answer, "waits")), "a, which is stopping");
	fake_machine_ends(&fake_vms[0].vm);
	is_told_ok(1, 5);
	asks(1, "{\"id\":7,\"do\":\"stop\",\"vm\":\"a\"}");
	is_told_ok(1, 7); /* it is stopped */
}
END_TEST

START_TEST(who_waits_gives_way_to_the_next)
{
	fake_bring(&fake_vms[0].vm, VM_READY);
	fake.state = SUP_UP;
	asks(1, "{\"id\":5,\"do\":\"stop\",\"vm\":\"a\"}");
	asks(0, "{\"id\":8,\"do\":\"start\",\"vm\":\"a\"}");
	is_told(1, 1, "a: another request came");
	fake_machine_ends(&fake_vms[0].vm);
	ck_assert_int_eq(fake_vms[0].vm.state, VM_BOOTING); /* the start came while it stopped */
	ck_assert(!hears(0));
	fake_ready(&fake_vms[0].vm);
	is_told_ok(0, 8);
}
END_TEST

START_TEST(a_start_is_answered_when_it_is_ready)
{
	fake.state = SUP_UP;
	asks(1, "{\"id\":5,\"do\":\"start\",\"vm\":\"b\"}"); /* its turn never came */
	ck_assert_uint_eq(fake_starts, 1);
	ck_assert(!hears(1));
	asks(1, "{\"id\":6,\"do\":\"ping\"}");
	is_told_ok(1, 6);
	ck_assert_str_eq(json_string_value(json_object_get(answer, "waits")),
			 "b, which is booting: it waits for the guest agent to answer");
	fake_ready(&fake_vms[1].vm);
	is_told_ok(1, 5);
}
END_TEST

START_TEST(while_the_team_comes_up_a_start_has_its_turn)
{
	asks(1, "{\"id\":5,\"do\":\"start\",\"vm\":\"b\"}");
	ck_assert_uint_eq(fake_starts, 0);
	ck_assert(!hears(1));
	sup_set_state(&fake, SUP_BROKEN);
	is_told(1, 1, "b: another VM failed before its turn came");
}
END_TEST

START_TEST(a_start_that_fails_says_why)
{
	fake.state = SUP_UP;
	fake_start_why = "no process for its machine";
	asks(1, "{\"id\":5,\"do\":\"start\",\"vm\":\"b\"}");
	is_told(1, 1, "b: no process for its machine");
	fake_start_why = NULL;
	asks(1, "{\"id\":6,\"do\":\"start\",\"vm\":\"b\"}");
	vm_fail(&fake_vms[1].vm, str_dup("it broke"), 50);
	is_told(1, 1, "b: it broke");
}
END_TEST

START_TEST(a_restart_goes_through_a_stop)
{
	fake_bring(&fake_vms[0].vm, VM_READY);
	fake.state = SUP_UP;
	fake_starts = 0;
	asks(1, "{\"id\":5,\"do\":\"restart\",\"vm\":\"a\",\"now\":true}");
	ck_assert_int_eq(fake_vms[0].vm.state, VM_STOPPING);
	ck_assert_uint_eq(fake_kills, 1);
	fake_machine_ends(&fake_vms[0].vm);
	ck_assert_uint_eq(fake_starts, 1);
	ck_assert(!hears(1));
	fake_ready(&fake_vms[0].vm);
	is_told_ok(1, 5);
	/* Of one without a machine it is a start. */
	asks(1, "{\"id\":6,\"do\":\"restart\",\"vm\":\"b\"}");
	ck_assert_uint_eq(fake_starts, 2);
}
END_TEST

START_TEST(a_stop_takes_a_restart_back)
{
	fake_bring(&fake_vms[0].vm, VM_READY);
	fake.state = SUP_UP;
	fake_starts = 0;
	asks(0, "{\"id\":5,\"do\":\"restart\",\"vm\":\"a\"}");
	asks(1, "{\"id\":6,\"do\":\"stop\",\"vm\":\"a\"}");
	is_told(0, 1, "a: another request came");
	fake_machine_ends(&fake_vms[0].vm);
	is_told_ok(1, 6);
	ck_assert_uint_eq(fake_starts, 0);
}
END_TEST

START_TEST(when_the_team_ends_who_waits_is_told)
{
	fake_bring(&fake_vms[0].vm, VM_READY);
	fake.state = SUP_UP;
	asks(1, "{\"id\":5,\"do\":\"stop\",\"vm\":\"a\"}");
	asks(0, "{\"id\":9,\"do\":\"down\"}");
	is_told(1, 1, "a: the team is ending");
	ck_assert(clients[0]->wants_end);
	ck_assert_int_eq(clients[0]->end_id, 9);
	ck_assert_ptr_null(fake.end_why);
	ck_assert_uint_eq(fake_ends, 1);
}
END_TEST

START_TEST(an_abort_has_a_reason)
{
	asks(1, "{\"id\":9,\"do\":\"abort\"}");
	ck_assert_int_eq(fake.state, SUP_ENDING);
	ck_assert_str_eq(fake.end_why, "interrupted");
}
END_TEST

/* ---- a client that disconnects ---- */

static void leaves(int peer)
{
	cleanup_fd(&peers[peer]);
	peers[peer] = -1;
	fake_turn();
}

START_TEST(a_client_that_leaves_waits_for_nothing)
{
	fake_bring(&fake_vms[0].vm, VM_READY);
	fake.state = SUP_UP;
	asks(1, "{\"id\":5,\"do\":\"stop\",\"vm\":\"a\"}");
	leaves(1);
	ck_assert_uint_eq(fake.n_clients, 1);
	ck_assert_ptr_null(fake_vms[0].wait.client);
	fake_machine_ends(&fake_vms[0].vm);
	ck_assert_int_eq(fake_vms[0].vm.state, VM_STOPPED);
}
END_TEST

static const struct {
	enum sup_state team;
	bool foreground;
	int leaves;
	enum sup_state then;
	const char *why;
} leaving[] = {
	{ SUP_STARTING, false, 0, SUP_ENDING, "interrupted" },
	{ SUP_STARTING, false, 1, SUP_STARTING, NULL },
	{ SUP_UP, false, 0, SUP_UP, NULL },
	{ SUP_UP, true, 0, SUP_ENDING, NULL },
	{ SUP_UP, true, 1, SUP_UP, NULL },
	{ SUP_BROKEN, false, 0, SUP_BROKEN, NULL },
};

START_TEST(the_up_that_leaves_early_takes_the_team_along)
{
	fake.state = leaving[_i].team;
	fake.foreground = leaving[_i].foreground;
	leaves(leaving[_i].leaves);
	ck_assert_int_eq(fake.state, leaving[_i].then);
	ck_assert_pstr_eq(fake.end_why, leaving[_i].why);
}
END_TEST

/* ---- who asks a guest's agent when the machine ends ---- */

static int guest = -1; /* its end of the agent's line */

static void read_guest(char *line, size_t size)
{
	ssize_t n;

	fake_turn();
	n = recv(guest, line, size - 1, MSG_DONTWAIT);
	ck_assert_int_gt(n, 0);
	line[n] = '\0';
}

static void agent_answers(struct vm_host *v)
{
	static const char synced[] = "\xff{\"return\": 1}\n";
	char line[512];
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	guest = pair[0];
	ck_assert_int_eq(agent_new(fake.loop, pair[1], &v->agent), 0);
	agent_sync(v->agent, fake_nothing, v);
	read_guest(line, sizeof line);
	ck_assert_int_eq(send(guest, synced, sizeof synced - 1, MSG_NOSIGNAL), (ssize_t)sizeof synced - 1);
	fake_turn();
	ck_assert(agent_is_synced(v->agent));
}

/* What is asked of a guest whose machine ends meanwhile. */
static const char *const guest_requests[] = {
	"{\"id\":5,\"do\":\"agent\",\"vm\":\"a\",\"execute\":\"guest-ping\"}",
	"{\"id\":5,\"do\":\"exec\",\"vm\":\"a\",\"argv\":[\"sleep\"]}",
};

START_TEST(who_asks_a_machine_that_ends_is_told)
{
	char line[4096];

	fake_bring(&fake_vms[0].vm, VM_READY);
	fake.state = SUP_UP;
	agent_answers(&fake_vms[0]);
	asks(1, guest_requests[_i]);
	read_guest(line, sizeof line);
	ck_assert(!hears(1));
	fake_machine_ends(&fake_vms[0].vm);
	is_told(1, 1, "the machine ended");
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "id")), 5);
	asks(1, "{\"id\":6,\"do\":\"ping\"}");
	is_told_ok(1, 6);
	ck_assert_ptr_null(json_object_get(answer, "waits"));
	cleanup_fd(&guest);
}
END_TEST

START_TEST(an_answer_to_a_client_that_left_goes_to_nobody)
{
	static const char pong[] = "{\"return\": {}}\n";
	char line[512];

	fake_bring(&fake_vms[0].vm, VM_READY);
	fake.state = SUP_UP;
	agent_answers(&fake_vms[0]);
	asks(1, guest_requests[0]);
	read_guest(line, sizeof line);
	leaves(1);
	ck_assert_int_eq(send(guest, pong, sizeof pong - 1, MSG_NOSIGNAL), (ssize_t)sizeof pong - 1);
	fake_turn();
	asks(0, "{\"id\":6,\"do\":\"ping\"}");
	is_told_ok(0, 6);
	cleanup_fd(&guest);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("serve");
	TCase *t = tcase_create("serve");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_plan_has_links_as_they_are_now);
	tcase_add_loop_test(t, it_is_refused, 0, sizeof refused / sizeof *refused);
	tcase_add_test(t, a_stop_is_answered_when_the_machine_is_over);
	tcase_add_test(t, who_waits_gives_way_to_the_next);
	tcase_add_test(t, a_start_is_answered_when_it_is_ready);
	tcase_add_test(t, while_the_team_comes_up_a_start_has_its_turn);
	tcase_add_test(t, a_start_that_fails_says_why);
	tcase_add_test(t, a_restart_goes_through_a_stop);
	tcase_add_test(t, a_stop_takes_a_restart_back);
	tcase_add_test(t, when_the_team_ends_who_waits_is_told);
	tcase_add_test(t, an_abort_has_a_reason);
	tcase_add_test(t, a_client_that_leaves_waits_for_nothing);
	tcase_add_loop_test(t, the_up_that_leaves_early_takes_the_team_along, 0, sizeof leaving / sizeof *leaving);
	tcase_add_loop_test(t, who_asks_a_machine_that_ends_is_told, 0, sizeof guest_requests / sizeof *guest_requests);
	tcase_add_test(t, an_answer_to_a_client_that_left_goes_to_nobody);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
