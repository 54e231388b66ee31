/* tests/teams/check_vm.c: the life of a VM on driven time: every state and transition, and what is asked of its owner. */
#include "teams/vm.h"

#include "core/bytes.h"
#include "tests/unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define S NSEC_PER_SEC
#define MS NSEC_PER_MSEC

enum { DELAY_S = 7, READY_S = 60, KILLED = SIGKILL, EXIT_3 = 3 << 8 };

static const char *run_lines[] = { "first", "second" };
static struct team_vm tv;
static struct vm vm;
static nsec_t now, due;
/* The owner. */
static struct bytes asked; /* what was asked of it, a word each */
static const char *start_why; /* the machine cannot be made, and why */
static bool agent_hears; /* it can be asked to power off */
static int button, run_error;
static const char *cause; /* the host knows why the process ended */
static struct exec_result good, bad = { .status = 1 };

static void word(const char *text)
{
	bytes_printf(&asked, "%s%s", asked.len ? " " : "", text);
}

/* What was asked since the last call. Valid until the next. */
static const char *words(void)
{
	static char text[4096];

	(void)snprintf(text, sizeof text, "%.*s", (int)asked.len, asked.data ? (char *)asked.data : "");
	asked.len = 0;
	return text;
}

static int op_start(void *ctx, char **ret_why)
{
	(void)ctx;
	word("start");
	if (!start_why)
		return 0;
	*ret_why = str_dup(start_why);
	return -ENOMEM;
}

static void op_call_agent(void *ctx)
{
	(void)ctx;
	word("agent");
}

static void op_kill(void *ctx)
{
	(void)ctx;
	word("kill");
}

static void op_release(void *ctx)
{
	(void)ctx;
	word("release");
}

static bool op_shut_down(void *ctx, nsec_t within_ns)
{
	(void)ctx;
	ck_assert_int_eq(within_ns, 3 * S);
	if (agent_hears)
		word("shut-down");
	return agent_hears;
}

static int op_press_button(void *ctx)
{
	(void)ctx;
	word("button");
	return button;
}

static int op_run(void *ctx, const char *line, nsec_t within_ns)
{
	(void)ctx;
	ck_assert_int_eq(within_ns, vm.ready.deadline - now + S); /* the timeout of readiness comes first */
	word(strstr(line, "muster-setup") ? "look" : line);
	return run_error;
}

static void op_cancel(void *ctx)
{
	(void)ctx;
}

static char *op_end_cause(void *ctx, int status)
{
	(void)ctx;
	ck_assert_int_eq(status, vm.exit_status);
	return cause ? str_dup(cause) : NULL;
}

static void op_wake(void *ctx, nsec_t at)
{
	(void)ctx;
	due = at;
}

static void op_crashed(void *ctx, nsec_t at)
{
	CLEANUP(free) char *text = str_printf("crash-%u", vm.n_restarts);

	(void)ctx;
	ck_assert_int_eq(at, now);
	word(text);
}

static void op_changed(void *ctx, nsec_t at)
{
	ck_assert_ptr_eq(ctx, &asked);
	ck_assert_int_eq(at, now);
	ck_assert_int_eq(vm.since_ns, now);
	word(vm_state_str(vm.state));
}

static void op_gone(void *ctx, const char *why, nsec_t at)
{
	(void)ctx;
	(void)at;
	ck_assert_ptr_nonnull(why);
	ck_assert(!vm.has_machine);
	word("gone");
}

static const struct vm_ops ops = {
	.start = op_start,
	.call_agent = op_call_agent,
	.kill = op_kill,
	.release = op_release,
	.shut_down = op_shut_down,
	.press_button = op_press_button,
	.run = op_run,
	.cancel = op_cancel,
	.end_cause = op_end_cause,
	.wake = op_wake,
	.crashed = op_crashed,
	.changed = op_changed,
	.gone = op_gone,
};

static void begin(bool is_kept)
{
	vm_done(&vm);
	asked.len = 0;
	due = NSEC_NEVER;
	vm_init(&vm, &tv, &ops, &asked, is_kept, now);
}

static void setup(void)
{
	tv = (struct team_vm){ .name = "web", .ready_timeout_ns = READY_S * S };
	now = 1000 * S;
	start_why = cause = NULL;
	agent_hears = true;
	button = run_error = 0;
	begin(false);
}

static void teardown(void)
{
	vm_done(&vm);
	bytes_done(&asked);
}

/* Time passes until @at; what is due by then is served at its time. */
static void pass_until(nsec_t at)
{
	while (due <= at) {
		now = nsec_max(now, due);
		due = NSEC_NEVER;
		vm_tick(&vm, now);
	}
	now = at;
}

static void ended_well(void)
{
	vm_command_ended(&vm, &good, now);
}

static void machine_ends(const char *event, int status)
{
	if (event)
		vm_said_end(&vm, event, NULL);
	vm_hung_up(&vm, NULL, now);
	vm_exited(&vm, status, now);
}

static void starts(void)
{
	char *why = NULL;

	ck_assert_int_eq(vm_start(&vm, now, &why), 0);
	ck_assert_ptr_null(why);
}

/* A new VM comes into @state by the shortest way. */
static void bring(enum vm_state state)
{
	begin(false);
	tv.run = run_lines;
	tv.n_run = 2;
	tv.ready_run = "check";
	tv.start_delay_ns = state == VM_DELAYED ? DELAY_S * S : 0;
	if (state == VM_WAITING)
		return;
	if (state == VM_DELAYED)
		vm_start_delayed(&vm, now);
	else
		starts();
	if (state == VM_STOPPED || state == VM_STOPPING)
		vm_stop(&vm, true, now);
	if (state == VM_STOPPED)
		machine_ends(NULL, KILLED);
	if (state == VM_FAILED) {
		vm_fail(&vm, str_dup("why"), now);
		machine_ends(NULL, KILLED);
	}
	now += S;
	if (state == VM_SETUP || state == VM_CHECKING || state == VM_READY || state == VM_PAUSED)
		vm_agent_answers(&vm, now);
	for (int i = 0; i < 3 && (state == VM_CHECKING || state == VM_READY || state == VM_PAUSED); i++)
		ended_well();
	if (state == VM_READY || state == VM_PAUSED)
		ended_well();
	if (state == VM_PAUSED)
		vm_paused(&vm, now);
	ck_assert_str_eq(vm_state_str(vm.state), vm_state_str(state));
	asked.len = 0;
}

/* ---- the table ---------------------------------------------------------------------- */

/* For each state those that may follow: a capital letter where one may (W D B S C R P T O F). */
static const char *const may[VM_STATE_COUNT] = {
	[VM_WAITING] = "DBOF",	[VM_DELAYED] = "BOF", [VM_BOOTING] = "SCRTOF", [VM_SETUP] = "CRTOF",
	[VM_CHECKING] = "RTOF", [VM_READY] = "PTOF",  [VM_PAUSED] = "RTOF",    [VM_STOPPING] = "OF",
	[VM_STOPPED] = "BF",	[VM_FAILED] = "BTO",
};
static const char letters[] = "WDBSCRPTOF";

START_TEST(the_table_is_this)
{
	for (enum vm_state to = 0; to < VM_STATE_COUNT; to++)
		ck_assert_msg(vm_state_may((enum vm_state)_i, to) == (strchr(may[_i], letters[to]) != NULL), "%s to %s",
			      vm_state_str((enum vm_state)_i), vm_state_str(to));
}
END_TEST

/* ---- start ---------------------------------------------------------------------------- */

START_TEST(the_whole_way_up)
{
	tv.run = run_lines;
	tv.n_run = 2;
	tv.ready_run = "check";
	starts();
	ck_assert_str_eq(words(), "start booting agent");
	ck_assert_int_eq(vm.started_ns, now);
	ck_assert_int_eq(due, now + READY_S * S);
	pass_until(now + 2 * S);
	vm_agent_answers(&vm, now);
	ck_assert_str_eq(words(), "look setup");
	ended_well();
	ck_assert_str_eq(words(), "first");
	pass_until(now + S);
	ended_well();
	ck_assert_str_eq(words(), "second");
	ended_well();
	ck_assert_str_eq(words(), "check checking");
	vm_command_ended(&vm, &bad, now);
	ck_assert_str_eq(words(), "");
	pass_until(now + 249 * MS);
	ck_assert_str_eq(words(), "");
	pass_until(now + MS);
	ck_assert_str_eq(words(), "check");
	ck_assert_int_eq(vm.boot_ns, 0);
	ended_well();
	ck_assert_str_eq(words(), "ready");
	ck_assert_int_eq(vm.boot_ns, 3 * S + 250 * MS);
	ck_assert_int_eq(due, NSEC_NEVER);
}
END_TEST

START_TEST(one_without_lines_is_ready_when_its_set_up_is_looked_at)
{
	starts();
	vm_agent_answers(&vm, now);
	ended_well();
	ck_assert_str_eq(words(), "start booting agent look setup ready");
}
END_TEST

START_TEST(a_delay_is_kept_to_the_nanosecond)
{
	tv.start_delay_ns = DELAY_S * S;
	vm_start_delayed(&vm, now);
	ck_assert_str_eq(words(), "delayed");
	pass_until(now + DELAY_S * S - 1);
	ck_assert_str_eq(words(), "");
	pass_until(now + 1);
	ck_assert_str_eq(words(), "start booting agent");
	begin(false);
	tv.start_delay_ns = 0;
	vm_start_delayed(&vm, now);
	ck_assert_str_eq(words(), "start booting agent");
}
END_TEST

START_TEST(a_delayed_one_may_be_started_or_stopped)
{
	bring(VM_DELAYED);
	starts();
	ck_assert_str_eq(words(), "start booting agent");
	ck_assert_int_eq(due, now + READY_S * S); /* and not the delay's end */
	bring(VM_DELAYED);
	vm_stop(&vm, false, now);
	ck_assert_str_eq(words(), "stopped");
	ck_assert_int_eq(due, NSEC_NEVER);
	pass_until(now + 2 * DELAY_S * S);
	ck_assert_str_eq(words(), "");
}
END_TEST

/* Which states a start is taken in. */
START_TEST(a_start_is_refused_where_there_is_a_machine)
{
	enum vm_state state = (enum vm_state)_i;
	bool is_taken = state == VM_WAITING || state == VM_DELAYED || state == VM_STOPPED || state == VM_FAILED;
	CLEANUP(free) char *why = NULL;

	bring(state);
	if (is_taken) {
		ck_assert_int_eq(vm_start(&vm, now, &why), 0);
		ck_assert_ptr_null(why);
		ck_assert_int_eq(vm.state, VM_BOOTING);
		return;
	}
	ck_assert_int_eq(vm_start(&vm, now, &why), -EBUSY);
	ck_assert_ptr_nonnull(strstr(why, vm_state_str(state)));
	ck_assert_int_eq(vm.state, state);
	vm_start_delayed(&vm, now);
	ck_assert_int_eq(vm.state, state);
	ck_assert_str_eq(words(), "");
}
END_TEST

START_TEST(one_that_failed_and_lives_on_is_not_started)
{
	CLEANUP(free) char *why = NULL;

	begin(true);
	ck_assert_int_eq(vm_start(&vm, now, &why), 0);
	vm_fail(&vm, str_dup("no"), now);
	ck_assert_str_eq(words(), "start booting agent failed"); /* and not killed */
	ck_assert_int_eq(vm_start(&vm, now, &why), -EBUSY);
	vm_stop(&vm, false, now);
	machine_ends(NULL, 0);
	ck_assert_str_eq(words(), "stopping shut-down kill release gone stopped");
}
END_TEST

START_TEST(a_machine_that_cannot_be_made_changes_nothing)
{
	CLEANUP(free) char *why = NULL;

	start_why = "no memory";
	ck_assert_int_eq(vm_start(&vm, now, &why), -ENOMEM);
	ck_assert_str_eq(why, "no memory");
	ck_assert_int_eq(vm.state, VM_WAITING);
	ck_assert(!vm.has_machine);
	ck_assert_str_eq(words(), "start");
	vm_start_delayed(&vm, now);
	ck_assert_str_eq(words(), "start failed");
	ck_assert_str_eq(vm.why, "no memory");
}
END_TEST

/* ---- readiness ---------------------------------------------------------------------------- */

START_TEST(a_line_that_fails_ends_it)
{
	bring(VM_SETUP);
	ended_well();
	vm_command_ended(&vm, &bad, now);
	ck_assert_str_eq(words(), "first kill failed");
	ck_assert_ptr_nonnull(strstr(vm.why, "run line 1 of 2 failed: first"));
	machine_ends(NULL, KILLED);
	ck_assert_str_eq(words(), "kill release gone"); /* its reason stays */
	ck_assert_ptr_nonnull(strstr(vm.why, "run line 1 of 2 failed: first"));
}
END_TEST

START_TEST(a_line_that_cannot_be_run_ends_it)
{
	bring(VM_BOOTING);
	run_error = -ENOBUFS;
	vm_agent_answers(&vm, now);
	ck_assert_str_eq(words(), "look kill failed");
	ck_assert_ptr_nonnull(strstr(vm.why, strerror(ENOBUFS)));
}
END_TEST

static const struct {
	enum vm_state state;
	const char *waits;
} slow[] = {
	{ VM_BOOTING, "the guest agent to answer" },
	{ VM_SETUP, "word of its set-up" },
	{ VM_CHECKING, "its ready command: check" },
};

START_TEST(a_slow_one_fails_at_its_bound)
{
	bring(slow[_i].state);
	pass_until(vm.started_ns + READY_S * S - 1);
	ck_assert_int_eq(vm.state, slow[_i].state);
	pass_until(now + 1);
	ck_assert_int_eq(vm.state, VM_FAILED);
	ck_assert_ptr_nonnull(strstr(vm.why, slow[_i].waits));
	ck_assert_int_eq(due, NSEC_NEVER);
}
END_TEST

/* A guest that answers when nothing is asked of it changes nothing. */
START_TEST(what_comes_at_the_wrong_time_is_nothing)
{
	enum vm_state state = (enum vm_state)_i;

	bring(state);
	if (state != VM_BOOTING && state != VM_SETUP && state != VM_CHECKING) {
		vm_agent_answers(&vm, now);
		vm_command_ended(&vm, &bad, now);
	}
	if (state != VM_READY)
		vm_paused(&vm, now);
	if (state != VM_PAUSED)
		vm_resumed(&vm, now);
	if (state != VM_STOPPING)
		vm_button_refused(&vm);
	if (!vm.has_machine) {
		vm_exited(&vm, 0, now);
		vm_hung_up(&vm, "why", now);
		vm_undone(&vm);
	}
	ck_assert_int_eq(vm.state, state);
	ck_assert_str_eq(words(), "");
}
END_TEST

/* ---- the machine's end ------------------------------------------------------------------------ */

START_TEST(over_is_when_it_was_reaped_and_all_it_said_was_read)
{
	bring(VM_READY);
	vm_exited(&vm, 0, now);
	ck_assert_str_eq(words(), "");
	vm_said_end(&vm, "poweroff", NULL);
	vm_hung_up(&vm, NULL, now);
	ck_assert_str_eq(words(), "release gone stopped"); /* a dead one is not killed */
	bring(VM_READY);
	vm_said_end(&vm, "poweroff", NULL);
	vm_hung_up(&vm, NULL, now);
	ck_assert_str_eq(words(), "kill");
	vm_exited(&vm, KILLED, now);
	ck_assert_str_eq(words(), "release gone stopped");
}
END_TEST

/* What follows an end. @was_up: it was ready once, before a restart that still boots. */
static const struct {
	enum vm_state in;
	bool was_up, panicked;
	enum on_crash on_crash;
	const char *event, *words;
} ends[] = {
	{ VM_BOOTING, false, false, ON_CRASH_STOP, "poweroff", "release gone failed" },
	{ VM_BOOTING, false, false, ON_CRASH_RESTART, "reset", "release gone failed" },
	{ VM_SETUP, false, false, ON_CRASH_RESTART, NULL, "release gone failed" },
	{ VM_CHECKING, false, false, ON_CRASH_IGNORE, NULL, "release gone failed" },
	{ VM_BOOTING, true, false, ON_CRASH_RESTART, "poweroff", "release gone crash-1 stopped start booting agent" },
	{ VM_BOOTING, true, false, ON_CRASH_STOP, "poweroff", "release gone failed" },
	{ VM_READY, false, false, ON_CRASH_STOP, "poweroff", "release gone stopped" },
	{ VM_READY, false, false, ON_CRASH_STOP, "reset", "release gone stopped start booting agent" },
	{ VM_READY, false, false, ON_CRASH_STOP, "triple-fault", "release gone failed" },
	{ VM_READY, false, false, ON_CRASH_IGNORE, "error", "release gone failed" },
	{ VM_READY, false, false, ON_CRASH_RESTART, NULL, "release gone crash-1 stopped start booting agent" },
	{ VM_READY, false, true, ON_CRASH_STOP, "poweroff", "release gone failed" },
	{ VM_READY, false, true, ON_CRASH_RESTART, "reset", "release gone crash-1 stopped start booting agent" },
	{ VM_PAUSED, false, false, ON_CRASH_STOP, "poweroff", "release gone stopped" },
	{ VM_PAUSED, false, false, ON_CRASH_RESTART, NULL, "release gone crash-1 stopped start booting agent" },
	{ VM_STOPPING, false, false, ON_CRASH_STOP, "poweroff", "release gone stopped" },
	{ VM_STOPPING, true, true, ON_CRASH_RESTART, NULL, "release gone stopped" },
};

START_TEST(what_an_end_means)
{
	bring(ends[_i].in);
	tv.on_crash = ends[_i].on_crash;
	if (ends[_i].was_up)
		vm.boot_ns = S;
	if (ends[_i].panicked)
		vm_panicked(&vm, now);
	vm_said_end(&vm, ends[_i].event ? ends[_i].event : "error", NULL);
	vm_exited(&vm, 0, now);
	vm_hung_up(&vm, NULL, now);
	ck_assert_str_eq(words(), ends[_i].words);
}
END_TEST

START_TEST(after_ten_crashes_it_fails)
{
	tv.on_crash = ON_CRASH_RESTART;
	bring(VM_READY);
	for (unsigned i = 1; i <= 10; i++) {
		machine_ends("triple-fault", KILLED);
		ck_assert_int_eq(vm.state, VM_BOOTING);
		ck_assert_uint_eq(vm.n_restarts, i);
		ck_assert_str_eq(vm.why, "the processor met a triple fault");
		asked.len = 0;
	}
	machine_ends("triple-fault", KILLED);
	ck_assert_str_eq(words(), "kill release gone failed");
	ck_assert_uint_eq(vm.n_restarts, 10);
}
END_TEST

/* A guest that resets itself has no number of times. */
START_TEST(a_reset_is_no_crash)
{
	for (unsigned i = 0; i < 20; i++) {
		if (i == 0)
			bring(VM_READY);
		else
			vm_agent_answers(&vm, now);
		for (int k = 0; i > 0 && k < 4; k++)
			ended_well();
		ck_assert_int_eq(vm.state, VM_READY);
		machine_ends("reset", 0);
		ck_assert_int_eq(vm.state, VM_BOOTING);
	}
	ck_assert_uint_eq(vm.n_restarts, 0);
	ck_assert_int_eq(vm.boot_ns, S); /* the first */
}
END_TEST

START_TEST(a_restart_that_cannot_be_made_is_a_failure)
{
	bring(VM_READY);
	start_why = "no process";
	machine_ends("reset", 0);
	ck_assert_str_eq(words(), "kill release gone stopped start failed");
	ck_assert_str_eq(vm.why, "no process");
	ck_assert(!vm.wants_restart);
}
END_TEST

static const struct {
	const char *cause, *event, *text;
	int status;
	const char *why;
} reasons[] = {
	{ NULL, "triple-fault", NULL, 0, "the processor met a triple fault" },
	{ NULL, "poweroff", "", 0, "it powered itself off" },
	{ NULL, "reset", "port 0x64", 0, "it reset itself: port 0x64" },
	{ NULL, "error", "no room", 0, "its machine ended: no room" },
	{ NULL, NULL, NULL, SIGSYS, "its machine's process made a system call that its cell forbids, or aborted" },
	{ NULL, NULL, NULL, KILLED, "its machine's process was killed by signal 9 (Killed)" },
	{ NULL, NULL, NULL, EXIT_3, "its machine's process ended with status 3" },
	{ "Kernel panic", "error", "x", KILLED, "Kernel panic" },
	{ NULL, "error", "\x1b[0m\xff", 0, "its machine ended: \\x1b[0m\\xff" },
};

START_TEST(the_reason_of_an_end)
{
	bring(VM_BOOTING);
	cause = reasons[_i].cause;
	if (reasons[_i].event)
		vm_said_end(&vm, reasons[_i].event, reasons[_i].text);
	vm_exited(&vm, reasons[_i].status, now);
	vm_hung_up(&vm, NULL, now);
	ck_assert_str_eq(vm.why, reasons[_i].why);
}
END_TEST

START_TEST(one_that_is_cut_off_is_killed_and_says_why)
{
	bring(VM_BOOTING);
	vm_hung_up(&vm, "it does not speak", now);
	vm_exited(&vm, KILLED, now);
	ck_assert_str_eq(vm.why, "its machine ended: it does not speak");
	/* What it said before counts more. */
	bring(VM_BOOTING);
	vm_said_end(&vm, "poweroff", NULL);
	vm_hung_up(&vm, "it does not speak", now);
	vm_exited(&vm, KILLED, now);
	ck_assert_str_eq(vm.why, "it powered itself off");
	/* And is not kept for the next machine. */
	starts();
	vm_exited(&vm, EXIT_3, now);
	vm_hung_up(&vm, NULL, now);
	ck_assert_str_eq(vm.why, "its machine's process ended with status 3");
}
END_TEST

START_TEST(last_words_are_bounded)
{
	static char much[100000];

	memset(much, 'x', sizeof much - 1);
	bring(VM_READY);
	vm_said_end(&vm, much, much);
	ck_assert_uint_eq(strlen(vm.end_event), 1024);
	ck_assert_uint_eq(strlen(vm.end_text), 1024);
}
END_TEST

START_TEST(of_one_that_was_undone_nothing_is_told)
{
	CLEANUP(free) char *why = NULL;

	bring(VM_BOOTING);
	vm_undone(&vm);
	ck_assert_str_eq(words(), "release");
	ck_assert(!vm.has_machine);
	ck_assert_int_eq(due, NSEC_NEVER);
	vm_undone(&vm);
	ck_assert_str_eq(words(), "");
	/* Its state is what it was, and is none to start from. */
	ck_assert_int_eq(vm_start(&vm, now, &why), -EBUSY);
}
END_TEST

/* ---- panic ------------------------------------------------------------------------------------- */

START_TEST(a_panic_has_its_grace)
{
	bring(VM_READY);
	vm_panicked(&vm, now);
	pass_until(now + 300 * MS - 1);
	ck_assert_str_eq(words(), "");
	pass_until(now + 1);
	ck_assert_str_eq(words(), "kill");
	cause = "Kernel panic - not syncing: no init";
	machine_ends(NULL, KILLED);
	ck_assert_str_eq(words(), "kill release gone failed");
	ck_assert_str_eq(vm.why, cause);
	/* The next machine has not panicked. */
	cause = NULL;
	starts();
	ck_assert(!vm.has_panicked);
}
END_TEST

/* ---- stop ----------------------------------------------------------------------------------------- */

START_TEST(a_stop_asks_then_presses_then_kills)
{
	bring(VM_READY);
	vm_stop(&vm, false, now);
	ck_assert_str_eq(words(), "stopping shut-down");
	pass_until(now + S - 1);
	ck_assert_str_eq(words(), "");
	pass_until(now + 1);
	ck_assert_str_eq(words(), "button");
	vm_button_refused(&vm); /* its agent was asked: it has its time */
	ck_assert_str_eq(words(), "");
	pass_until(now + S);
	ck_assert_str_eq(words(), "button");
	pass_until(now + S - 1);
	ck_assert_str_eq(words(), "");
	pass_until(now + 1);
	ck_assert_str_eq(words(), "kill");
	machine_ends(NULL, KILLED);
	ck_assert_str_eq(words(), "kill release gone stopped");
}
END_TEST

START_TEST(one_without_an_agent_has_the_button)
{
	agent_hears = false;
	bring(VM_BOOTING);
	vm_stop(&vm, false, now);
	ck_assert_str_eq(words(), "stopping button");
	ck_assert_int_eq(due, now + S);
	vm_button_refused(&vm);
	ck_assert_str_eq(words(), "kill");
	/* A machine that cannot be asked at all. */
	button = -EPIPE;
	bring(VM_BOOTING);
	vm_stop(&vm, false, now);
	ck_assert_str_eq(words(), "stopping button kill");
}
END_TEST

/* Which states a stop finds a machine in, and whether its guest hears. */
static const struct {
	enum vm_state in;
	bool at_once;
	const char *words;
} stops[] = {
	{ VM_WAITING, false, "stopped" },
	{ VM_WAITING, true, "stopped" },
	{ VM_BOOTING, false, "stopping shut-down" },
	{ VM_SETUP, false, "stopping shut-down" },
	{ VM_CHECKING, false, "stopping shut-down" },
	{ VM_CHECKING, true, "stopping kill" },
	{ VM_READY, true, "stopping kill" },
	{ VM_PAUSED, false, "stopping kill" },
	{ VM_PAUSED, true, "stopping kill" },
	{ VM_STOPPING, true, "kill" },
	{ VM_STOPPED, false, "" },
	{ VM_FAILED, false, "stopped" },
};

START_TEST(a_stop_in_each_state)
{
	bring(stops[_i].in);
	vm_stop(&vm, stops[_i].at_once, now);
	ck_assert_str_eq(words(), stops[_i].words);
	if (vm.has_machine)
		machine_ends(NULL, KILLED);
	ck_assert_int_eq(vm.state, VM_STOPPED);
}
END_TEST

START_TEST(one_that_panicked_does_not_hear)
{
	bring(VM_READY);
	vm_panicked(&vm, now);
	vm_stop(&vm, false, now);
	ck_assert_str_eq(words(), "stopping kill");
}
END_TEST

START_TEST(a_restart_is_a_stop_and_a_start)
{
	bring(VM_READY);
	vm_stop(&vm, false, now);
	vm_set_restart(&vm, true);
	asked.len = 0;
	machine_ends("poweroff", 0);
	ck_assert_str_eq(words(), "kill release gone stopped start booting agent");
	ck_assert(!vm.wants_restart);
	/* One that thinks better of it. */
	vm_stop(&vm, true, now);
	vm_set_restart(&vm, true);
	vm_set_restart(&vm, false);
	machine_ends(NULL, KILLED);
	ck_assert_int_eq(vm.state, VM_STOPPED);
}
END_TEST

START_TEST(a_failure_takes_a_restart_back)
{
	bring(VM_STOPPING);
	vm_set_restart(&vm, true);
	vm_fail(&vm, str_dup("no"), now);
	ck_assert(!vm.wants_restart);
	machine_ends(NULL, KILLED);
	ck_assert_int_eq(vm.state, VM_FAILED);
	ck_assert(!vm.has_machine);
}
END_TEST

/* ---- pause ------------------------------------------------------------------------------------------ */

START_TEST(pause_and_resume)
{
	bring(VM_READY);
	pass_until(now + S);
	vm_paused(&vm, now);
	pass_until(now + S);
	vm_resumed(&vm, now);
	ck_assert_str_eq(words(), "paused ready");
	ck_assert_int_eq(vm.boot_ns, S);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("vm");
	TCase *t = tcase_create("vm");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, the_table_is_this, 0, VM_STATE_COUNT);
	tcase_add_test(t, the_whole_way_up);
	tcase_add_test(t, one_without_lines_is_ready_when_its_set_up_is_looked_at);
	tcase_add_test(t, a_delay_is_kept_to_the_nanosecond);
	tcase_add_test(t, a_delayed_one_may_be_started_or_stopped);
	tcase_add_loop_test(t, a_start_is_refused_where_there_is_a_machine, 0, VM_STATE_COUNT);
	tcase_add_test(t, one_that_failed_and_lives_on_is_not_started);
	tcase_add_test(t, a_machine_that_cannot_be_made_changes_nothing);
	tcase_add_test(t, a_line_that_fails_ends_it);
	tcase_add_test(t, a_line_that_cannot_be_run_ends_it);
	tcase_add_loop_test(t, a_slow_one_fails_at_its_bound, 0, sizeof slow / sizeof *slow);
	tcase_add_loop_test(t, what_comes_at_the_wrong_time_is_nothing, 0, VM_STATE_COUNT);
	tcase_add_test(t, over_is_when_it_was_reaped_and_all_it_said_was_read);
	tcase_add_loop_test(t, what_an_end_means, 0, sizeof ends / sizeof *ends);
	tcase_add_test(t, after_ten_crashes_it_fails);
	tcase_add_test(t, a_reset_is_no_crash);
	tcase_add_test(t, a_restart_that_cannot_be_made_is_a_failure);
	tcase_add_loop_test(t, the_reason_of_an_end, 0, sizeof reasons / sizeof *reasons);
	tcase_add_test(t, one_that_is_cut_off_is_killed_and_says_why);
	tcase_add_test(t, last_words_are_bounded);
	tcase_add_test(t, of_one_that_was_undone_nothing_is_told);
	tcase_add_test(t, a_panic_has_its_grace);
	tcase_add_test(t, a_stop_asks_then_presses_then_kills);
	tcase_add_test(t, one_without_an_agent_has_the_button);
	tcase_add_loop_test(t, a_stop_in_each_state, 0, sizeof stops / sizeof *stops);
	tcase_add_test(t, one_that_panicked_does_not_hear);
	tcase_add_test(t, a_restart_is_a_stop_and_a_start);
	tcase_add_test(t, a_failure_takes_a_restart_back);
	tcase_add_test(t, pause_and_resume);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
