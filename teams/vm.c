/* teams/vm.c: the life of one VM.
 *
 * One state, one setter, one table of what may follow what. A machine is over
 * when two things came, in any order: its process was reaped and its control
 * socket ended; only then is its last message ("ended", with the reason) sure
 * to have been read. What its end means depends on the state it ended in and
 * on what it said: machine_over().
 *
 * Panic: the console is watched for the kernel's words; the machine gets
 * PANIC_GRACE to say the rest, then it is ended.
 *
 * Used by: supervisor.c, serve.c, pause.c.   Depends on: ready.c, agent.c,
 * exec.c, console.c, spawn.c. */
#include "teams/host_lack.h"
#include "teams/vm.h"

#include "core/escape.h"
#include "core/log.h"
#include "teams/supervisor_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum { END_TEXT_MAX = 1024, STOP_BOUND_MS = 3000, STOP_BUTTON_MS = 1000, PANIC_GRACE_MS = 300, RESTARTS_MAX = 10 };

/* The longest thing a machine says is why it ended; what waits for one are commands of a line each. */
static const struct control_limits machine_limits = { 64 << 10, 1 << 20, 0 };

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

static void drive(struct vm *v, nsec_t now);

bool vm_has_machine(const struct vm *v)
{
	return v->pid != 0;
}

void vm_wait_fail(struct vm *v, const char *why)
{
	struct client *client = v->wait.client;

	v->wait.client = NULL;
	if (client)
		client_fail(client, v->wait.id, 1, "%s: %s", v->tv->name, why);
}

/* Whoever waits for this state is answered, and so is who waits for one that does not come
 * by itself any more: from FAILED, and from STOPPED unless it starts again at once. */
static void answer_wait(struct vm *v)
{
	struct client *client = v->wait.client;

	if (!client)
		return;
	if (v->state == v->wait.until) {
		v->wait.client = NULL;
		client_ok(client, v->wait.id, NULL);
	} else if (v->state == VM_FAILED) {
		vm_wait_fail(v, v->why ? v->why : "it failed");
	} else if (v->state == VM_STOPPED && !v->wants_restart) {
		vm_wait_fail(v, "it stopped");
	}
}

void vm_set_state(struct vm *v, enum vm_state state)
{
	nsec_t now = clock_now();
	json_t *event;

	if (state == v->state)
		return;
	if (!vm_state_may(v->state, state)) {
		log_error("%s: %s cannot become %s", v->tv->name, vm_state_str(v->state),
			  vm_state_str(state));
		return;
	}
	v->state = state;
	v->since_ns = now;
	if (state == VM_READY && v->boot_ns == 0)
		v->boot_ns = now - v->started_ns;
	event = json_pack("{s:s,s:s,s:s}", "event", "vm", "vm", v->tv->name, "state",
			  vm_state_str(state));
	if (v->started_ns > 0)
		(void)json_object_set_new(event, "seconds",
					  json_real((double)(now - v->started_ns) / 1e9));
	if (state == VM_FAILED) {
		(void)json_object_set_new(event, "why", json_string(v->why ? v->why : "unknown"));
		(void)json_object_set_new(event, "console",
					  console_tail(&v->console, CONSOLE_TAIL_LINES));
	}
	events_emit_of(&v->sup->events, &v->events, event, now);
	answer_wait(v);
	sup_vm_changed(v->sup, v);
}

/* ---- the machine's end --------------------------------------------------------- */

/* Everything that belonged to the machine's process is given back. */
static void release_machine(struct vm *v)
{
	undo_forget(&v->sup->undo, vm_kill, v);
	v->job = exec_free(v->job);
	sup_vm_released(v->sup, v);
	v->agent = agent_free(v->agent);
	vsock_host_bind(&v->vsock, NULL);
	v->control = control_free(v->control);
	vm_calls_close(v);
	console_unplug(&v->console);
	loop_set_timer(v->timer, NSEC_NEVER);
	v->pid = 0;
	v->has_exited = false;
	sup_vm_paused(v->sup, v, NULL); /* a machine that died will not say so itself */
}

/* Why the kernel killed the machine's process, if so. The caller frees. */
static char *kernel_reason(const struct vm *v)
{
	CLEANUP(free) char *by_kernel = NULL;

	if (WIFSIGNALED(v->exit_status) && WTERMSIG(v->exit_status) == SIGKILL)
		by_kernel = cgroup_killed_str(&v->sup->cgroup);
	return by_kernel ? str_printf("its machine's process was %s", by_kernel) : NULL;
}

static char *end_reason(const struct vm *v)
{
	char *panic = v->console.has_panicked ? console_panic_line(&v->console) : NULL;

	if (panic)
		return panic;
	/* What it said before it was killed is not the reason. */
	panic = kernel_reason(v);
	if (panic)
		return panic;
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

static void restart(struct vm *v)
{
	char *why = NULL;

	v->wants_restart = true;
	if (v->state != VM_STOPPED && v->state != VM_FAILED)
		vm_set_state(v, VM_STOPPED);
	if (vm_start(v, &why) < 0)
		vm_fail(v, why);
}

/* A crash that a restart follows is one all the same. */
static void tell_crash(struct vm *v, const char *why)
{
	free(v->why);
	v->why = escape_str(why);
	log_warn("%s crashed: %s (restart %u of %d)", v->tv->name, v->why, v->n_restarts, RESTARTS_MAX);
	events_emit_of(&v->sup->events, &v->events,
		       json_pack("{s:s,s:s,s:s,s:i,s:i,s:o}", "event", "crash", "vm", v->tv->name, "why", v->why,
				 "restart", (int)v->n_restarts, "restarts_max", (int)RESTARTS_MAX, "console",
				 console_tail(&v->console, CONSOLE_TAIL_LINES)),
		       clock_now());
}

/* The process is gone and all it said is read. */
static void machine_over(struct vm *v)
{
	CLEANUP(free) char *why = end_reason(v);
	bool was_up = v->state == VM_READY || v->state == VM_PAUSED;
	bool panicked = v->console.has_panicked;
	const char *event = v->end_event ? v->end_event : "";

	release_machine(v);
	/* A guest may reboot for ever. */
	if (budget_take(&v->events.bytes, clock_now(), (uint32_t)strlen(why)))
		log_info("%s: %s", v->tv->name, why);
	if (v->state == VM_STOPPING) {
		vm_set_state(v, VM_STOPPED);
		if (v->wants_restart)
			restart(v);
	} else if (v->state == VM_FAILED) {
		sup_vm_changed(v->sup, v);
	} else if (was_up && !panicked && strcmp(event, "poweroff") == 0) {
		vm_set_state(v, VM_STOPPED);
	} else if (was_up && !panicked && strcmp(event, "reset") == 0) {
		restart(v);
	} else if (v->boot_ns > 0 && v->tv->on_crash == ON_CRASH_RESTART &&
		   v->n_restarts < RESTARTS_MAX) {
		v->n_restarts++;
		tell_crash(v, why);
		restart(v);
	} else {
		vm_fail(v, take_ptr(why));
	}
}

static void maybe_over(struct vm *v)
{
	if (v->has_exited && !v->control)
		machine_over(v);
}

void vm_reaped(struct vm *v, int status)
{
	v->has_exited = true;
	v->exit_status = status;
	maybe_over(v);
}

void vm_kill(void *ctx)
{
	struct vm *v = ctx;

	if (v->pid == 0)
		return;
	if (!v->has_exited) {
		(void)kill(v->pid, SIGKILL);
		while (waitpid(v->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	release_machine(v);
}

void vm_fail(struct vm *v, char *why)
{
	free(v->why);
	v->why = escape_str(why); /* a machine may have said it: it becomes UTF-8, too */
	free(why);
	v->wants_restart = false;
	v->job = exec_free(v->job);
	/* One that is kept goes on, to be looked at. */
	if (v->pid != 0 && !v->has_exited && !v->sup->opt.keep)
		(void)kill(v->pid, SIGKILL);
	loop_set_timer(v->timer, NSEC_NEVER);
	vm_set_state(v, VM_FAILED);
}

/* ---- what the machine says ------------------------------------------------------ */

static void keep_end(struct vm *v, json_t *msg)
{
	const char *why = json_string_value(json_object_get(msg, "why"));
	const char *text = json_string_value(json_object_get(msg, "text"));

	free(v->end_event);
	free(v->end_text);
	v->end_event = str_printf("%.*s", END_TEXT_MAX, why ? why : "error");
	v->end_text = text ? str_printf("%.*s", END_TEXT_MAX, text) : NULL;
	if (host_lacks(-(int)json_integer_value(json_object_get(msg, "errno"))))
		v->sup->end_status = HOST_LACK_STATUS;
}

/* A machine that breaks the form or reads nothing, or that lives on without a socket, is ended. */
static void control_ended(struct vm *v, struct control *c, int status)
{
	vsock_host_bind(&v->vsock, NULL);
	v->control = control_free(c);
	vm_calls_close(v);
	if (status < 0 && !v->end_event) {
		v->end_event = str_dup("error");
		v->end_text = status == -ENOBUFS ? str_dup("it does not read what it is told") :
						   str_printf("it does not speak as a machine does (%s)", strerror(-status));
	}
	if (v->pid != 0 && !v->has_exited)
		(void)kill(v->pid, SIGKILL);
	maybe_over(v);
}

static void on_control(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	struct vm *v = ctx;
	const char *event = json_string_value(json_object_get(msg, "event"));

	(void)fds;
	(void)n_fds;
	if (!msg) {
		control_ended(v, c, status);
		return;
	}
	/* What nobody asked for is no answer: a machine says "paused" as often as it likes. */
	if ((v->rpc && rpc_take(v->rpc, msg)) || !event)
		return;
	if (strcmp(event, "ended") == 0) {
		keep_end(v, msg);
	} else if (strcmp(event, "started") == 0) {
		const char *engine = json_string_value(json_object_get(msg, "engine")), *text;

		(void)snprintf(v->engine, sizeof v->engine, "%s", engine ? engine : "?");
		free(v->engine_why);
		text = json_string_value(json_object_get(msg, "why"));
		v->engine_why = text ? str_printf("%.*s", END_TEXT_MAX, text) : NULL;
	} else if (strcmp(event, "vsock-dial") == 0) {
		vsock_host_dial(&v->vsock, msg);
	}
}

/* The end of a pause or resume. A machine that ended has nothing to say, and is no failure
 * of a whole team's pause. */
static void pause_over(struct vm *v, enum vm_state from, enum vm_state to, const char *error)
{
	if (error && v->wait.client && v->wait.until == to)
		vm_wait_fail(v, error);
	if (!error && v->state == from)
		vm_set_state(v, to);
	sup_vm_paused(v->sup, v, v->control ? error : NULL);
}

static void on_undone(void *ctx, json_t *reply, const char *error)
{
	(void)ctx;
	(void)reply;
	(void)error;
}

static void on_paused(void *ctx, json_t *reply, const char *error)
{
	struct vm *v = ((struct vm_pausing *)ctx)->vm;

	/* It may do so yet, when it wakes: then it finds this behind it. */
	if (error && !reply && v->control)
		(void)vm_ask(v, json_pack("{s:s}", "do", "resume"), on_undone);
	pause_over(v, VM_READY, VM_PAUSED, error);
}

static void on_resumed(void *ctx, json_t *reply, const char *error)
{
	(void)reply;
	pause_over(((struct vm_pausing *)ctx)->vm, VM_PAUSED, VM_READY, error);
}

void vm_pause(struct vm *v, bool is_pause, nsec_t within_ns)
{
	rpc_reply_fn *fn = is_pause ? on_paused : on_resumed;
	int r = vm_ask_for(v, json_pack("{s:s}", "do", is_pause ? "pause" : "resume"), within_ns, fn, &v->pausing);

	if (r < 0)
		fn(&v->pausing, NULL,
		   r == -ENOBUFS ? "its machine does not read what it is told" : "its machine cannot be asked");
}

void vm_pause_forget(struct vm *v)
{
	if (v->rpc)
		rpc_forget(v->rpc, &v->pausing);
	if (v->wait.client && (v->wait.until == VM_PAUSED || v->state == VM_PAUSED))
		vm_wait_fail(v, "its machine did not answer");
}

void vm_tell(struct vm *v, json_t *msg)
{
	if (v->control)
		(void)control_send(v->control, msg, NULL, 0);
	json_decref(msg);
}

/* ---- readiness -------------------------------------------------------------------- */

/* What the `run` lines said is kept in run/VM.log, which is bounded: a guest may reboot for ever. */
static void keep_output(struct vm *v, const char *line, const struct exec_result *result)
{
	CLEANUP(free) char *name = str_printf("run/%s.log", v->tv->name);
	CLEANUP(free) char *path = store_state_file(v->sup->store, v->sup->team->name, name);
	CLEANUP(bytes) struct bytes text = { 0 };
	int r;
	/* SYSCALLS(supervisor): openat */
	CLEANUP(fd) int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	bytes_printf(&text, "# %s\n", line);
	if (result->out.len)
		bytes_append(&text, result->out.data, result->out.len);
	if (result->err.len)
		bytes_append(&text, result->err.data, result->err.len);
	bytes_printf(&text, "# exit status %d%s%s\n", result->status, result->error ? ": " : "",
		     result->error ? result->error : "");
	r = fd < 0 ? -errno : fd_append(fd, CONSOLE_LOG_MAX, text.data, text.len);
	if (r < 0 && !v->run_log_failed)
		log_warn("%s cannot be written: %s", path, strerror(-r));
	v->run_log_failed = r < 0;
}

static void on_exec_done(void *ctx, const struct exec_result *result)
{
	struct vm *v = ctx;
	nsec_t now = clock_now();

	v->job = NULL;
	if (v->ready.phase == READY_RUN)
		keep_output(v, v->tv->run[v->ready.run_index], result);
	ready_exec_ended(&v->ready, now, result);
	drive(v, now);
}

static void start_command(struct vm *v, const char *line, nsec_t now)
{
	struct exec_spec spec = {
		.argv = json_pack("[s,s,s]", "/bin/sh", "-c", line),
		.env = v->tv->env,
		.n_env = v->tv->n_env,
		.timeout_ns = nsec_max(v->ready.deadline - now, NSEC_PER_MSEC) + NSEC_PER_SEC,
	};
	int r = exec_start(v->sup->loop, v->agent, &spec, on_exec_done, v, &v->job);

	json_decref(spec.argv);
	if (r < 0) {
		struct exec_result result = { .error = strerror(-r) };

		ready_exec_ended(&v->ready, now, &result);
	}
}

/* Follows readiness with the state, starts what is to be run, sets the timer. */
static void drive(struct vm *v, nsec_t now)
{
	static const enum vm_state states[READY_PHASE_COUNT] = {
		[READY_AGENT] = VM_BOOTING, [READY_SETUP] = VM_SETUP, [READY_RUN] = VM_SETUP, [READY_CHECK] = VM_CHECKING,
		[READY_DONE] = VM_READY, [READY_FAILED] = VM_FAILED,
	};
	const char *line = ready_command(&v->ready, now);

	if (v->state != VM_BOOTING && v->state != VM_SETUP && v->state != VM_CHECKING)
		return;
	if (line)
		start_command(v, line, now);
	loop_set_timer(v->timer, ready_due(&v->ready));
	if (v->ready.phase == READY_FAILED)
		vm_fail(v, take_ptr(v->ready.why));
	else
		vm_set_state(v, states[v->ready.phase]);
}

static void on_agent(void *ctx)
{
	struct vm *v = ctx;
	nsec_t now = clock_now();

	ready_agent_answers(&v->ready, now);
	drive(v, now);
}

static void on_panic(void *ctx)
{
	struct vm *v = ctx;

	if (v->pid != 0)
		loop_set_timer(v->timer, clock_now() + PANIC_GRACE_MS * NSEC_PER_MSEC);
}

static void kill_machine(struct vm *v)
{
	if (v->pid != 0 && !v->has_exited)
		(void)kill(v->pid, SIGKILL);
}

/* A guest whose agent was not asked, and which has no driver for the button, knows of nothing. */
static void on_button(void *ctx, json_t *reply, const char *error)
{
	struct vm *v = ctx;

	(void)reply;
	if (error && v->state == VM_STOPPING && !v->stop_asked)
		kill_machine(v);
}

/* The button wakes a guest that froze itself; one that is awake may power off at the next press. */
static void press_button(struct vm *v, nsec_t now)
{
	nsec_t next = now + STOP_BUTTON_MS * NSEC_PER_MSEC;

	loop_set_timer(v->timer, next < v->stop_until_ns ? next : v->stop_until_ns);
	if (vm_ask(v, json_pack("{s:s}", "do", "powerdown"), on_button) < 0 && !v->stop_asked)
		kill_machine(v);
}

static void on_timer(void *ctx, nsec_t now)
{
	struct vm *v = ctx;
	char *why = NULL;

	if (v->state == VM_DELAYED) {
		if (vm_start(v, &why) < 0)
			vm_fail(v, why);
	} else if (v->state == VM_STOPPING && now < v->stop_until_ns) {
		press_button(v, now);
	} else if (v->state == VM_STOPPING || (v->console.has_panicked && v->pid != 0)) {
		kill_machine(v);
	} else {
		ready_tick(&v->ready, now);
		drive(v, now);
	}
}

/* ---- start and stop ------------------------------------------------------------------ */

int vm_start(struct vm *v, char **ret_why)
{
	struct vm_sockets s;
	int r = sup_spawn_machine(v->sup, v, &s, ret_why);

	if (host_lacks(r))
		v->sup->end_status = HOST_LACK_STATUS;
	if (r < 0)
		return r;
	undo_push(&v->sup->undo, vm_kill, v);
	v->started_ns = clock_now();
	v->has_exited = v->wants_restart = false;
	free(v->end_event);
	free(v->end_text);
	v->end_event = v->end_text = NULL;
	r = console_plug(&v->console, s.serial);
	if (r == 0)
		r = control_new(v->sup->loop, s.control, on_control, v, &v->control);
	else
		(void)close(s.control);
	if (v->control) {
		control_set_limits(v->control, &machine_limits);
		vm_calls_open(v);
		vsock_host_bind(&v->vsock, v->control);
	}
	if (r == 0)
		r = agent_new(v->sup->loop, s.agent, &v->agent);
	else
		(void)close(s.agent);
	if (r < 0) {
		vm_kill(v);
		*ret_why = host_lack_str(v->tv->name, r);
		return r;
	}
	ready_start(&v->ready, v->tv, v->started_ns);
	vm_set_state(v, VM_BOOTING);
	agent_sync(v->agent, on_agent, v);
	loop_set_timer(v->timer, ready_due(&v->ready));
	return 0;
}

void vm_start_delayed(struct vm *v)
{
	char *why = NULL;

	if (v->tv->start_delay_ns > 0) {
		vm_set_state(v, VM_DELAYED);
		loop_set_timer(v->timer, clock_now() + v->tv->start_delay_ns);
	} else if (vm_start(v, &why) < 0) {
		vm_fail(v, why);
	}
}

void vm_stop(struct vm *v, bool now)
{
	bool hears = !now && v->state != VM_PAUSED && !v->console.has_panicked;
	nsec_t at = clock_now();

	v->job = exec_free(v->job);
	if (v->pid == 0) {
		loop_set_timer(v->timer, NSEC_NEVER);
		if (v->state != VM_STOPPED)
			vm_set_state(v, VM_STOPPED);
		return;
	}
	vm_set_state(v, VM_STOPPING);
	v->stop_until_ns = hears ? at + STOP_BOUND_MS * NSEC_PER_MSEC : at;
	v->stop_asked = hears && v->agent && agent_is_synced(v->agent) &&
			agent_call(v->agent, "guest-shutdown", json_pack("{s:s}", "mode", "powerdown"),
				   STOP_BOUND_MS * NSEC_PER_MSEC, NULL, NULL) == 0;
	if (!hears)
		(void)kill(v->pid, SIGKILL);
	else if (v->stop_asked)
		loop_set_timer(v->timer, at + STOP_BUTTON_MS * NSEC_PER_MSEC);
	else
		press_button(v, at);
}

int vm_init(struct vm *v, struct supervisor *sup, size_t index, char **ret_why)
{
	CLEANUP(free) char *name = NULL;
	CLEANUP(free) char *path = NULL;
	int r;

	*v = (struct vm){ .sup = sup, .tv = &sup->team->vms[index], .index = index, .pausing = { v },
			  .vsock = { .fd = -1 } };
	v->since_ns = clock_now();
	events_source_init(&v->events, v->since_ns);
	name = str_printf("consoles/%s.log", v->tv->name);
	path = store_state_file(sup->store, sup->team->name, name);
	r = console_open(&v->console, sup->loop, path);
	if (r == 0)
		r = loop_add_timer(sup->loop, NSEC_NEVER, on_timer, v, &v->timer);
	if (r < 0) {
		*ret_why = str_printf("%s: %s", path, strerror(-r));
		return r;
	}
	vsock_host_open(&v->vsock, sup->loop, sup->run_dir, v->tv->name);
	v->console.on_panic = on_panic;
	v->console.ctx = v;
	return 0;
}

void vm_done(struct vm *v)
{
	if (!v->sup)
		return;
	vsock_host_close(&v->vsock);
	console_close(&v->console);
	v->timer = loop_remove(v->timer);
	ready_done(&v->ready);
	free(v->end_event);
	free(v->end_text);
	free(v->engine_why);
	free(v->why);
}
