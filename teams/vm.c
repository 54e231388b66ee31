/* teams/vm.c: the life of one VM, with time as an argument.
 *
 * One state, one setter, one table of what may follow what. What a machine's end means depends on the
 * state it ended in and on what it said: machine_over().
 *
 * One time is waited for at once, whatever for: the start's delay, readiness, a stop's next step, or the
 * end of a panic's grace.
 *
 * Used by: vm_host.c.   Depends on: ready.c. */
#include "teams/vm.h"

#include "core/bytes.h"
#include "core/escape.h"
#include "core/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { END_TEXT_MAX = 1024 };

static const char *const state_names[] = { "waiting", "delayed", "booting", "setup", "checking",
					   "ready", "paused", "stopping", "stopped", "failed" };
_Static_assert(sizeof state_names / sizeof *state_names == VM_STATE_COUNT, "one name a state");

#define BIT(s) (1U << (s))
static const unsigned legal[VM_STATE_COUNT] = {
	[VM_WAITING] = BIT(VM_DELAYED) | BIT(VM_BOOTING) | BIT(VM_FAILED) | BIT(VM_STOPPED),
	[VM_DELAYED] = BIT(VM_BOOTING) | BIT(VM_FAILED) | BIT(VM_STOPPED),
	[VM_BOOTING] = BIT(VM_SETUP) | BIT(VM_CHECKING) | BIT(VM_READY) | BIT(VM_STOPPING) |
		       BIT(VM_STOPPED) | BIT(VM_FAILED),
	[VM_SETUP] = BIT(VM_CHECKING) | BIT(VM_READY) | BIT(VM_STOPPING) | BIT(VM_STOPPED) |
		     BIT(VM_FAILED),
	[VM_CHECKING] = BIT(VM_READY) | BIT(VM_STOPPING) | BIT(VM_STOPPED) | BIT(VM_FAILED),
	[VM_READY] = BIT(VM_PAUSED) | BIT(VM_STOPPING) | BIT(VM_STOPPED) | BIT(VM_FAILED),
	[VM_PAUSED] = BIT(VM_READY) | BIT(VM_STOPPING) | BIT(VM_STOPPED) | BIT(VM_FAILED),
	[VM_STOPPING] = BIT(VM_STOPPED) | BIT(VM_FAILED),
	[VM_STOPPED] = BIT(VM_BOOTING) | BIT(VM_FAILED),
	[VM_FAILED] = BIT(VM_BOOTING) | BIT(VM_STOPPING) | BIT(VM_STOPPED),
};

const char *vm_state_str(enum vm_state state)
{
	return state_names[state];
}

bool vm_state_may(enum vm_state from, enum vm_state to)
{
	return (legal[from] & BIT(to)) != 0;
}

static void set_state(struct vm *v, enum vm_state state, nsec_t now)
{
	if (state == v->state)
		return;
	if (!vm_state_may(v->state, state)) {
		log_error("%s: %s cannot become %s", v->tv->name, vm_state_str(v->state), vm_state_str(state));
		return;
	}
	v->state = state;
	v->since_ns = now;
	if (state == VM_READY && v->boot_ns == 0)
		v->boot_ns = now - v->started_ns;
	v->ops->changed(v->ctx, now);
}

static void forget_end(struct vm *v)
{
	free(v->end_event);
	free(v->end_text);
	v->end_event = v->end_text = NULL;
}

void vm_init(struct vm *v, const struct team_vm *tv, const struct vm_ops *ops, void *ctx, bool is_kept, nsec_t now)
{
	*v = (struct vm){ .tv = tv, .ops = ops, .ctx = ctx, .is_kept = is_kept, .state = VM_WAITING, .since_ns = now };
}

void vm_done(struct vm *v)
{
	ready_done(&v->ready);
	forget_end(v);
	free(v->why);
	v->why = NULL;
}

static void kill_machine(struct vm *v)
{
	if (v->has_machine && !v->has_exited)
		v->ops->kill(v->ctx);
}

void vm_fail(struct vm *v, char *why, nsec_t now)
{
	free(v->why);
	v->why = escape_str(why); /* a machine may have said it: it becomes UTF-8, too */
	free(why);
	v->wants_restart = false;
	v->ops->cancel(v->ctx);
	if (!v->is_kept)
		kill_machine(v);
	v->ops->wake(v->ctx, NSEC_NEVER);
	set_state(v, VM_FAILED, now);
}

void vm_set_restart(struct vm *v, bool wants)
{
	v->wants_restart = wants;
}

/* ---- start ---------------------------------------------------------------------- */

int vm_start(struct vm *v, nsec_t now, char **ret_why)
{
	int r;

	if (v->has_machine || !vm_state_may(v->state, VM_BOOTING)) {
		*ret_why = str_printf("it is %s", vm_state_str(v->state));
		return -EBUSY;
	}
	v->has_panicked = v->has_exited = v->has_hung_up = v->wants_restart = false;
	r = v->ops->start(v->ctx, ret_why);
	if (r < 0)
		return r;
	v->has_machine = true;
	v->started_ns = now;
	forget_end(v);
	ready_start(&v->ready, v->tv, now);
	set_state(v, VM_BOOTING, now);
	v->ops->call_agent(v->ctx);
	v->ops->wake(v->ctx, ready_due(&v->ready));
	return 0;
}

static void start_or_fail(struct vm *v, nsec_t now)
{
	char *why = NULL;

	if (vm_start(v, now, &why) < 0)
		vm_fail(v, why, now);
}

void vm_start_delayed(struct vm *v, nsec_t now)
{
	if (v->state != VM_WAITING)
		return;
	if (v->tv->start_delay_ns > 0) {
		set_state(v, VM_DELAYED, now);
		v->ops->wake(v->ctx, now + v->tv->start_delay_ns);
	} else {
		start_or_fail(v, now);
	}
}

static void restart(struct vm *v, nsec_t now)
{
	v->wants_restart = true; /* who waits for it waits on */
	if (v->state != VM_STOPPED && v->state != VM_FAILED)
		set_state(v, VM_STOPPED, now);
	start_or_fail(v, now);
}

/* ---- the machine's end --------------------------------------------------------- */

/* What the machine said of its end, or the kernel of its process. The caller frees. */
static char *end_reason(const struct vm *v)
{
	char *cause = v->ops->end_cause(v->ctx, v->exit_status);

	if (cause)
		return cause;
	if (v->end_event)
		return str_printf("%s%s%s",
				  strcmp(v->end_event, "triple-fault") == 0 ? "the processor met a triple fault" :
				  strcmp(v->end_event, "poweroff") == 0     ? "it powered itself off" :
				  strcmp(v->end_event, "reset") == 0	    ? "it reset itself" :
									      "its machine ended",
				  v->end_text && v->end_text[0] ? ": " : "",
				  v->end_text ? v->end_text : "");
	if (WIFSIGNALED(v->exit_status) && WTERMSIG(v->exit_status) == SIGSYS)
		return str_dup("its machine's process made a system call that its cell forbids, or aborted");
	if (WIFSIGNALED(v->exit_status))
		return str_printf("its machine's process was killed by signal %d (%s)",
				  WTERMSIG(v->exit_status), strsignal(WTERMSIG(v->exit_status)));
	return str_printf("its machine's process ended with status %d", WEXITSTATUS(v->exit_status));
}

static void let_go(struct vm *v)
{
	v->ops->release(v->ctx); /* a panic may be found in what the console still said */
	v->has_machine = v->has_exited = v->has_hung_up = false;
	v->ops->wake(v->ctx, NSEC_NEVER);
}

static void crash(struct vm *v, const char *why, nsec_t now)
{
	v->n_restarts++;
	free(v->why);
	v->why = escape_str(why);
	v->ops->crashed(v->ctx, now);
	restart(v, now);
}

/* The process is gone and all it said is read. */
static void machine_over(struct vm *v, nsec_t now)
{
	CLEANUP(free) char *why = end_reason(v);
	bool was_up = v->state == VM_READY || v->state == VM_PAUSED;
	bool panicked = v->has_panicked;
	const char *event = v->end_event ? v->end_event : "";

	let_go(v);
	v->ops->gone(v->ctx, why, now);
	if (v->state == VM_STOPPING) {
		set_state(v, VM_STOPPED, now);
		if (v->wants_restart)
			restart(v, now);
	} else if (v->state == VM_FAILED) {
		return;
	} else if (was_up && !panicked && strcmp(event, "poweroff") == 0) {
		set_state(v, VM_STOPPED, now);
	} else if (was_up && !panicked && strcmp(event, "reset") == 0) {
		restart(v, now);
	} else if (v->boot_ns > 0 && v->tv->on_crash == ON_CRASH_RESTART && v->n_restarts < VM_RESTARTS_MAX) {
		crash(v, why, now);
	} else {
		vm_fail(v, take_ptr(why), now);
	}
}

void vm_exited(struct vm *v, int status, nsec_t now)
{
	if (!v->has_machine)
		return;
	v->has_exited = true;
	v->exit_status = status;
	if (v->has_hung_up)
		machine_over(v, now);
}

/* A machine that lives on without a socket is ended. */
void vm_hung_up(struct vm *v, const char *why, nsec_t now)
{
	if (!v->has_machine)
		return;
	v->has_hung_up = true;
	if (why && !v->end_event)
		vm_said_end(v, "error", why);
	kill_machine(v);
	if (v->has_exited)
		machine_over(v, now);
}

void vm_said_end(struct vm *v, const char *event, const char *text)
{
	forget_end(v);
	v->end_event = str_printf("%.*s", END_TEXT_MAX, event);
	v->end_text = text ? str_printf("%.*s", END_TEXT_MAX, text) : NULL;
}

void vm_undone(struct vm *v)
{
	if (v->has_machine)
		let_go(v);
}

/* ---- readiness -------------------------------------------------------------------- */

static bool is_coming_up(const struct vm *v)
{
	return v->state == VM_BOOTING || v->state == VM_SETUP || v->state == VM_CHECKING;
}

/* Follows readiness with the state, starts what is to be run, sets the time. */
static void drive(struct vm *v, nsec_t now)
{
	static const enum vm_state states[READY_PHASE_COUNT] = {
		[READY_AGENT] = VM_BOOTING, [READY_SETUP] = VM_SETUP, [READY_RUN] = VM_SETUP, [READY_CHECK] = VM_CHECKING,
		[READY_TCP] = VM_CHECKING, [READY_CONSOLE] = VM_CHECKING,
		[READY_DONE] = VM_READY, [READY_FAILED] = VM_FAILED,
	};
	const char *line = ready_command(&v->ready, now);

	if (line) {
		nsec_t within = nsec_max(v->ready.deadline - now, NSEC_PER_MSEC) + NSEC_PER_SEC;
		int r = v->ops->run(v->ctx, line, within);
		struct exec_result result = { .error = r < 0 ? strerror(-r) : NULL };

		if (r < 0)
			ready_exec_ended(&v->ready, now, &result);
	}
	v->ops->wake(v->ctx, ready_due(&v->ready));
	if (v->ready.phase == READY_FAILED)
		vm_fail(v, take_ptr(v->ready.why), now);
	else
		set_state(v, states[v->ready.phase], now);
}

void vm_agent_answers(struct vm *v, nsec_t now)
{
	if (!is_coming_up(v))
		return;
	ready_agent_answers(&v->ready, now);
	drive(v, now);
}

void vm_command_ended(struct vm *v, const struct exec_result *result, nsec_t now)
{
	if (!is_coming_up(v))
		return;
	ready_exec_ended(&v->ready, now, result);
	drive(v, now);
}

void vm_console_said(struct vm *v, const char *data, size_t len, nsec_t now)
{
	if (!is_coming_up(v) || v->has_panicked)
		return;
	ready_console_output(&v->ready, data, len, now);
	v->ops->wake(v->ctx, ready_due(&v->ready));
}

void vm_panicked(struct vm *v, nsec_t now)
{
	v->has_panicked = true;
	if (v->has_machine)
		v->ops->wake(v->ctx, now + VM_PANIC_GRACE_MS * NSEC_PER_MSEC);
}

/* ---- stop and pause ------------------------------------------------------------------ */

/* A guest whose agent was not asked, and which has no driver for the button, knows of nothing. */
void vm_button_refused(struct vm *v)
{
	if (v->state == VM_STOPPING && !v->stop_asked)
		kill_machine(v);
}

/* The button wakes a guest that froze itself; one that is awake may power off at the next press. */
static void press_button(struct vm *v, nsec_t now)
{
	v->ops->wake(v->ctx, nsec_min(now + VM_STOP_BUTTON_MS * NSEC_PER_MSEC, v->stop_until_ns));
	if (v->ops->press_button(v->ctx) < 0)
		vm_button_refused(v);
}

static void stop_machine(struct vm *v, bool at_once, nsec_t now)
{
	static const nsec_t bound = VM_STOP_BOUND_MS * NSEC_PER_MSEC;
	bool hears = !at_once && v->state != VM_PAUSED && !v->has_panicked;

	set_state(v, VM_STOPPING, now);
	v->stop_until_ns = hears ? now + bound : now;
	v->stop_asked = hears && v->ops->shut_down(v->ctx, bound);
	if (!hears)
		kill_machine(v);
	else if (v->stop_asked)
		v->ops->wake(v->ctx, now + VM_STOP_BUTTON_MS * NSEC_PER_MSEC);
	else
		press_button(v, now);
}

void vm_stop(struct vm *v, bool at_once, nsec_t now)
{
	v->ops->cancel(v->ctx);
	if (v->has_machine) {
		stop_machine(v, at_once, now);
		return;
	}
	v->ops->wake(v->ctx, NSEC_NEVER);
	set_state(v, VM_STOPPED, now);
}

void vm_paused(struct vm *v, nsec_t now)
{
	if (v->state == VM_READY)
		set_state(v, VM_PAUSED, now);
}

void vm_resumed(struct vm *v, nsec_t now)
{
	if (v->state == VM_PAUSED)
		set_state(v, VM_READY, now);
}

void vm_tick(struct vm *v, nsec_t now)
{
	if (v->state == VM_DELAYED) {
		start_or_fail(v, now);
	} else if (v->state == VM_STOPPING && now < v->stop_until_ns) {
		press_button(v, now);
	} else if (v->state == VM_STOPPING || (v->has_panicked && v->has_machine)) {
		kill_machine(v);
	} else if (is_coming_up(v)) {
		ready_tick(&v->ready, now);
		drive(v, now);
	}
}
