/* teams/vm_host.c: the host's side of one VM.
 *
 * It carries out what the VM asks (struct vm_ops) and tells it what happened: what the machine says on its
 * control socket, the agent's first answer, the end of a command, a panic on the console, the timer. It
 * reads the clock for it.
 *
 * Used by: supervisor.c, serve.c, pause.c.   Depends on: vm.c, answer.c, calls.c, spawn.c, agent.c, exec.c,
 * console.c, vsock.c. */
#include "teams/vm_host.h"

#include "core/bytes.h"
#include "core/escape.h"
#include "core/log.h"
#include "teams/answer.h"
#include "teams/calls.h"
#include "teams/host_lack.h"
#include "teams/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_TEXT_MAX = 1024 };

/* The longest thing a machine says is why it ended; what waits for one are commands of a line each. */
static const struct control_limits machine_limits = { 64 << 10, 1 << 20, 0 };

/* ---- the machine's end --------------------------------------------------------- */

static void op_kill(void *ctx)
{
	struct vm_host *v = ctx;

	if (v->pid > 0)
		(void)kill(v->pid, SIGKILL);
}

static void kill_and_reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* An undo: the process is dead and reaped when it returns. */
static void undo_machine(void *ctx)
{
	struct vm_host *v = ctx;

	if (v->pid > 0 && !v->vm.has_exited)
		kill_and_reap(v->pid);
	v->pid = 0;
	vm_undone(&v->vm);
}

static void op_release(void *ctx)
{
	struct vm_host *v = ctx;

	undo_forget(&v->sup->undo, undo_machine, v);
	v->job = exec_free(v->job);
	v->sup->hooks->vm_released(v->sup, v);
	v->agent = agent_free(v->agent);
	vsock_host_bind(&v->vsock, NULL);
	v->control = control_free(v->control);
	vm_calls_close(v);
	console_unplug(&v->console);
	v->pid = 0;
	v->sup->hooks->vm_paused(v->sup, v, NULL); /* a machine that died will not say so itself */
}

/* The panic, or the kernel's kill: what the machine said before it was killed is not the reason. */
static char *op_end_cause(void *ctx, int status)
{
	struct vm_host *v = ctx;
	char *panic = v->console.has_panicked ? console_panic_line(&v->console) : NULL;
	CLEANUP(free) char *by_kernel = NULL;

	if (panic)
		return panic;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		by_kernel = cgroup_killed_str(&v->sup->cgroup);
	return by_kernel ? str_printf("its machine's process was %s", by_kernel) : NULL;
}

/* ---- what the machine says ------------------------------------------------------ */

static void keep_end(struct vm_host *v, json_t *msg)
{
	const char *why = json_string_value(json_object_get(msg, "why"));

	vm_said_end(&v->vm, why ? why : "error", json_string_value(json_object_get(msg, "text")));
	if (host_lacks(-(int)json_integer_value(json_object_get(msg, "errno"))))
		v->sup->end_status = HOST_LACK_STATUS;
}

static void keep_engine(struct vm_host *v, json_t *msg)
{
	const char *engine = json_string_value(json_object_get(msg, "engine"));
	const char *why = json_string_value(json_object_get(msg, "why"));

	(void)snprintf(v->engine, sizeof v->engine, "%s", engine ? engine : "?");
	free(v->engine_why);
	v->engine_why = why ? str_printf("%.*s", END_TEXT_MAX, why) : NULL;
}

/* A machine that breaks the form or reads nothing is cut off. */
static void control_ended(struct vm_host *v, struct control *c, int status)
{
	CLEANUP(free) char *why = NULL;

	vsock_host_bind(&v->vsock, NULL);
	v->control = control_free(c);
	vm_calls_close(v);
	if (status == -ENOBUFS)
		why = str_dup("it does not read what it is told");
	else if (status < 0)
		why = str_printf("it does not speak as a machine does (%s)", strerror(-status));
	vm_hung_up(&v->vm, why, clock_now());
}

static void on_control(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	struct vm_host *v = ctx;
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
	if (strcmp(event, "ended") == 0)
		keep_end(v, msg);
	else if (strcmp(event, "started") == 0)
		keep_engine(v, msg);
	else if (strcmp(event, "vsock-dial") == 0)
		vsock_host_dial(&v->vsock, msg);
}

/* ---- pause ------------------------------------------------------------------------ */

/* A machine that ended has nothing to say, and is no failure of a whole team's pause. */
static void pause_over(struct vm_host *v, enum vm_state to, const char *error)
{
	if (error && v->wait.client && v->wait.until == to)
		vm_wait_fail(v, error);
	if (!error && to == VM_PAUSED)
		vm_paused(&v->vm, clock_now());
	else if (!error)
		vm_resumed(&v->vm, clock_now());
	v->sup->hooks->vm_paused(v->sup, v, v->control ? error : NULL);
}

static void on_undone(void *ctx, json_t *reply, const char *error)
{
	(void)ctx;
	(void)reply;
	(void)error;
}

static void on_paused(void *ctx, json_t *reply, const char *error)
{
	struct vm_host *v = ((struct vm_pausing *)ctx)->host;

	/* It may do so yet, when it wakes: then it finds this behind it. */
	if (error && !reply && v->control)
		(void)vm_ask(v, json_pack("{s:s}", "do", "resume"), on_undone);
	pause_over(v, VM_PAUSED, error);
}

static void on_resumed(void *ctx, json_t *reply, const char *error)
{
	(void)reply;
	pause_over(((struct vm_pausing *)ctx)->host, VM_READY, error);
}

void vm_host_pause(struct vm_host *v, bool is_pause, nsec_t within_ns)
{
	rpc_reply_fn *fn = is_pause ? on_paused : on_resumed;
	int r = vm_ask_for(v, json_pack("{s:s}", "do", is_pause ? "pause" : "resume"), within_ns, fn, &v->pausing);

	if (r < 0)
		fn(&v->pausing, NULL,
		   r == -ENOBUFS ? "its machine does not read what it is told" : "its machine cannot be asked");
}

void vm_host_pause_forget(struct vm_host *v)
{
	if (v->rpc)
		rpc_forget(v->rpc, &v->pausing);
	if (v->wait.client && (v->wait.until == VM_PAUSED || v->vm.state == VM_PAUSED))
		vm_wait_fail(v, "its machine did not answer");
}

/* ---- commands in the guest ------------------------------------------------------- */

/* What the `run` lines said is kept in run/VM.log, which is bounded: a guest may reboot for ever. */
static void keep_output(struct vm_host *v, const char *line, const struct exec_result *result)
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
	struct vm_host *v = ctx;
	const struct ready *ready = &v->vm.ready;

	v->job = NULL;
	if (ready->phase == READY_RUN)
		keep_output(v, v->tv->run[ready->run_index], result);
	vm_command_ended(&v->vm, result, clock_now());
}

static int op_run(void *ctx, const char *line, nsec_t within_ns)
{
	struct vm_host *v = ctx;
	struct exec_spec spec = {
		.argv = json_pack("[s,s,s]", "/bin/sh", "-c", line),
		.env = v->tv->env,
		.n_env = v->tv->n_env,
		.timeout_ns = within_ns,
	};
	int r = exec_start(v->sup->loop, v->agent, &spec, on_exec_done, v, &v->job);

	json_decref(spec.argv);
	return r;
}

static void op_cancel(void *ctx)
{
	struct vm_host *v = ctx;

	v->job = exec_free(v->job);
}

static void on_agent(void *ctx)
{
	struct vm_host *v = ctx;

	vm_agent_answers(&v->vm, clock_now());
}

static void op_call_agent(void *ctx)
{
	struct vm_host *v = ctx;

	agent_sync(v->agent, on_agent, v);
}

static bool op_shut_down(void *ctx, nsec_t within_ns)
{
	struct vm_host *v = ctx;

	return v->agent && agent_is_synced(v->agent) &&
	       agent_call(v->agent, "guest-shutdown", json_pack("{s:s}", "mode", "powerdown"), within_ns, NULL, NULL) ==
		       0;
}

static void on_button(void *ctx, json_t *reply, const char *error)
{
	struct vm_host *v = ctx;

	(void)reply;
	if (error)
		vm_button_refused(&v->vm);
}

static int op_press_button(void *ctx)
{
	return vm_ask(ctx, json_pack("{s:s}", "do", "powerdown"), on_button);
}

/* ---- start ------------------------------------------------------------------------ */

/* Takes the machine's sockets over, whatever is returned. */
static int plug(struct vm_host *v, const struct vm_sockets *s)
{
	int r = console_plug(&v->console, s->serial);

	if (r == 0)
		r = control_new(v->sup->loop, s->control, on_control, v, &v->control);
	else
		(void)close(s->control);
	if (v->control) {
		control_set_limits(v->control, &machine_limits);
		vm_calls_open(v);
		vsock_host_bind(&v->vsock, v->control);
	}
	if (r == 0)
		r = agent_new(v->sup->loop, s->agent, &v->agent);
	else
		(void)close(s->agent);
	return r;
}

static int op_start(void *ctx, char **ret_why)
{
	struct vm_host *v = ctx;
	struct vm_sockets s;
	int r = sup_spawn_machine(v->sup, v, &s, &v->pid, ret_why);

	if (host_lacks(r))
		v->sup->end_status = HOST_LACK_STATUS;
	if (r < 0)
		return r;
	undo_push(&v->sup->undo, undo_machine, v);
	r = plug(v, &s);
	if (r < 0) {
		kill_and_reap(v->pid);
		op_release(v);
		*ret_why = host_lack_str(v->tv->name, r);
	}
	return r;
}

/* ---- what others are told ----------------------------------------------------------- */

static void op_wake(void *ctx, nsec_t at)
{
	struct vm_host *v = ctx;

	loop_set_timer(v->timer, at);
}

static void on_timer(void *ctx, nsec_t now)
{
	struct vm_host *v = ctx;

	vm_tick(&v->vm, now);
}

static void on_output(void *ctx, const char *data, size_t len)
{
	struct vm_host *v = ctx;

	vm_console_said(&v->vm, data, len, clock_now());
}

static void on_panic(void *ctx)
{
	struct vm_host *v = ctx;

	vm_panicked(&v->vm, clock_now());
}

static void op_changed(void *ctx, nsec_t now)
{
	struct vm_host *v = ctx;
	const struct vm *vm = &v->vm;
	json_t *event = json_pack("{s:s,s:s,s:s}", "event", "vm", "vm", v->tv->name, "state", vm_state_str(vm->state));

	if (vm->started_ns > 0)
		(void)json_object_set_new(event, "seconds", json_real((double)(now - vm->started_ns) / 1e9));
	if (vm->state == VM_FAILED) {
		(void)json_object_set_new(event, "why", json_string(vm->why ? vm->why : "unknown"));
		(void)json_object_set_new(event, "console", console_tail(&v->console, CONSOLE_TAIL_LINES));
	}
	events_emit_of(&v->sup->events, &v->events, event, now);
	vm_wait_changed(v);
	v->sup->hooks->vm_changed(v->sup, v);
}

/* A crash that a restart follows is one all the same. */
static void op_crashed(void *ctx, nsec_t now)
{
	struct vm_host *v = ctx;
	const struct vm *vm = &v->vm;

	log_warn("%s crashed: %s (restart %u of %d)", v->tv->name, vm->why, vm->n_restarts, VM_RESTARTS_MAX);
	events_emit_of(&v->sup->events, &v->events,
		       json_pack("{s:s,s:s,s:s,s:i,s:i,s:o}", "event", "crash", "vm", v->tv->name, "why", vm->why,
				 "restart", (int)vm->n_restarts, "restarts_max", (int)VM_RESTARTS_MAX, "console",
				 console_tail(&v->console, CONSOLE_TAIL_LINES)),
		       now);
}

static void op_gone(void *ctx, const char *why, nsec_t now)
{
	struct vm_host *v = ctx;

	/* A guest may reboot for ever. */
	if (budget_take(&v->events.bytes, now, (uint32_t)strlen(why)))
		log_info("%s: %s", v->tv->name, why);
	if (v->vm.state == VM_FAILED)
		v->sup->hooks->vm_changed(v->sup, v);
}

static const struct vm_ops host_ops = {
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

int vm_host_init(struct vm_host *v, struct supervisor *sup, size_t index, char **ret_why)
{
	const struct team_vm *tv = &sup->team->vms[index];
	CLEANUP(free) char *name = str_printf("consoles/%s.log", tv->name);
	CLEANUP(free) char *path = store_state_file(sup->store, sup->team->name, name);
	nsec_t now = clock_now();
	int r;

	*v = (struct vm_host){ .sup = sup, .tv = tv, .index = index, .pausing = { v }, .vsock = { .fd = -1 } };
	vm_init(&v->vm, tv, &host_ops, v, sup->keep, now);
	events_source_init(&v->events, now);
	r = console_open(&v->console, sup->loop, path);
	if (r == 0)
		r = loop_add_timer(sup->loop, NSEC_NEVER, on_timer, v, &v->timer);
	if (r < 0) {
		*ret_why = str_printf("%s: %s", path, strerror(-r));
		return r;
	}
	vsock_host_open(&v->vsock, sup->loop, sup->run_dir, tv->name);
	v->console.on_panic = on_panic;
	v->console.on_output = on_output;
	v->console.ctx = v;
	return 0;
}
