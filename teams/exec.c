/* teams/exec.c: guest-exec and the polling of guest-exec-status.
 *
 * The agent's protocol has no event for a command's end, so it is asked: after
 * 4 ms, then after half as long again each time, at most every 50 ms. A short
 * command costs milliseconds, a long one twenty questions a second. Where the
 * caller takes parts, "stream-output" is true, which our agent knows, and
 * more at once while there is more. QEMU's agent refuses an argument it does not
 * know: the command has not run then, the agent is remembered to be such, and the
 * output comes whole.
 *
 * QEMU's agent also takes a command for ended only when nobody holds its output. So it is asked to run
 * the command by run_program, which the image debian has and which ends when the command does. An image
 * without that program is remembered, too. What was refused is asked for again.
 *
 * Used by: vm.c (run lines, ready), serve.c (muster exec).
 * Sources: QEMU docs/interop/qemu-ga-ref: guest-exec, guest-exec-status. */
#include "teams/exec.h"

#include "core/bytes.h"

#include <errno.h>
#include <string.h>

enum {
	POLL_FIRST_MS = 4,
	POLL_MAX_MS = 50,
	CALL_TIMEOUT_S = 30, /* for one answer of the agent itself */
	PART_BYTES = 128 << 10, /* of each stream in one answer, where it comes in parts */
};

static const char stream_output[] = "stream-output";
static const char run_program[] = "/usr/lib/muster/run";

struct exec_job {
	struct loop *loop;
	struct agent *agent; /* borrowed */
	exec_done_fn *fn;
	exec_part_fn *part; /* NULL: not wanted */
	void *ctx;
	json_t *args; /* of guest-exec as documented, until it has started; owned */
	bool streams; /* the agent was asked for parts */
	json_int_t pid; /* 0: not started yet */
	nsec_t deadline, poll_ns;
	struct loop_source *timer;
	bool asking; /* for the command's status */
	nsec_t asked; /* when the last question was asked; NSEC_NEVER: it is answered */
};

struct exec_job *exec_free(struct exec_job *j)
{
	if (!j)
		return NULL;
	agent_forget(j->agent, j);
	j->timer = loop_remove(j->timer);
	json_decref(j->args);
	free(j);
	return NULL;
}

static void finish(struct exec_job *j, const struct exec_result *result)
{
	exec_done_fn *fn = j->fn;
	void *ctx = j->ctx;

	(void)exec_free(j);
	fn(ctx, result);
}

static void finish_error(struct exec_job *j, const char *error, bool timed_out)
{
	struct exec_result result = { .error = error, .timed_out = timed_out };

	finish(j, &result);
}

static int take_output(json_t *reply, const char *key, struct bytes *out)
{
	json_t *data = json_object_get(reply, key);

	if (!json_is_string(data))
		return 0;
	return bytes_append_base64(out, json_string_value(data), json_string_length(data));
}

/* Hands on what came while the command runs on. */
static void take_parts(struct exec_job *j, json_t *reply)
{
	static const struct {
		const char *key, *stream;
	} streams[] = { { "out-data", "stdout" }, { "err-data", "stderr" } };

	for (size_t i = 0; j->part && i < 2; i++) {
		CLEANUP(bytes) struct bytes part = { 0 };

		if (take_output(reply, streams[i].key, &part) < 0 || part.len == 0)
			continue;
		(void)j->part(j->ctx, streams[i].stream, &part);
		j->poll_ns = NSEC_PER_MSEC;
	}
}

static void on_status(void *ctx, json_t *reply, const char *error)
{
	struct exec_job *j = ctx;
	struct exec_result result = { 0 };
	CLEANUP(bytes) struct bytes out = { 0 };
	CLEANUP(bytes) struct bytes err = { 0 };
	json_t *code, *signal;

	j->asking = false;
	j->asked = NSEC_NEVER;
	if (error) {
		finish_error(j, error, false);
		return;
	}
	if (!json_is_true(json_object_get(reply, "exited"))) {
		j->poll_ns = nsec_min(j->poll_ns * 3 / 2, POLL_MAX_MS * NSEC_PER_MSEC);
		take_parts(j, reply);
		loop_set_timer(j->timer, nsec_min(clock_now() + j->poll_ns, j->deadline));
		return;
	}
	if (take_output(reply, "out-data", &out) < 0 || take_output(reply, "err-data", &err) < 0) {
		finish_error(j, "the guest agent's output is not base64", false);
		return;
	}
	code = json_object_get(reply, "exitcode");
	signal = json_object_get(reply, "signal");
	if (json_is_integer(signal))
		result.status = 128 + (int)(json_integer_value(signal) & 127);
	else
		result.status = (int)(json_integer_value(code) & 255);
	result.truncated = json_is_true(json_object_get(reply, "out-truncated")) ||
			   json_is_true(json_object_get(reply, "err-truncated"));
	result.out = out;
	result.err = err;
	finish(j, &result);
}

static void ask(struct exec_job *j)
{
	json_t *args = json_pack("{s:I}", "pid", j->pid);
	int r;

	if (j->streams)
		(void)json_object_set_new(args, "count", json_integer(PART_BYTES));
	j->asked = clock_now();
	r = agent_call(j->agent, "guest-exec-status", args, CALL_TIMEOUT_S * NSEC_PER_SEC, on_status, j);
	if (r < 0)
		finish_error(j, r == -EPIPE ? "the machine ended" : strerror(-r), false);
	else
		j->asking = true;
}

/* The command overran: a shell in the guest ends it and what it started (our
 * agent and run_program make it a process group), nobody waits for that. */
static void kill_in_guest(struct exec_job *j)
{
	CLEANUP(free) char *line = str_printf("kill -9 -%lld 2>/dev/null || kill -9 %lld",
					      (long long)j->pid, (long long)j->pid);
	json_t *args = json_pack("{s:s,s:[s,s]}", "path", "/bin/sh", "arg", "-c", line);

	(void)agent_call(j->agent, "guest-exec", args, CALL_TIMEOUT_S * NSEC_PER_SEC, NULL, NULL);
}

struct exec_job *exec_cancel(struct exec_job *j)
{
	if (j && j->pid > 0)
		kill_in_guest(j);
	return exec_free(j);
}

static void on_timer(void *ctx, nsec_t now)
{
	struct exec_job *j = ctx;

	if (now >= j->deadline) {
		if (j->pid > 0)
			kill_in_guest(j);
		finish_error(j, "it did not end in time", true);
		return;
	}
	if (j->pid <= 0 || j->asking)
		return;
	if (j->part && !j->part(j->ctx, NULL, NULL))
		loop_set_timer(j->timer, nsec_min(now + POLL_MAX_MS * NSEC_PER_MSEC, j->deadline));
	else
		ask(j);
}

static void on_started(void *ctx, json_t *reply, const char *error);

/* The arguments as they are for this agent, as far as it is known. */
static json_t *arguments_for(struct exec_job *j)
{
	json_t *args = json_copy(j->args), *arg;

	j->streams = false;
	if (!agent_lacks(j->agent, AGENT_LACKS_STREAM)) {
		j->streams = j->part != NULL;
		(void)json_object_set_new(args, stream_output, json_boolean(j->streams));
	} else if (!agent_lacks(j->agent, AGENT_LACKS_RUN)) {
		arg = json_copy(json_object_get(args, "arg"));
		(void)json_array_insert(arg, 0, json_object_get(args, "path"));
		(void)json_object_set_new(args, "arg", arg);
		(void)json_object_set_new(args, "path", json_string(run_program));
	}
	return args;
}

static int ask_to_run(struct exec_job *j)
{
	j->asked = clock_now();
	return agent_call(j->agent, "guest-exec", arguments_for(j), CALL_TIMEOUT_S * NSEC_PER_SEC, on_started, j);
}

/* True when @error is the agent's word for something that it lacks, and was not known to. */
static bool is_news(struct exec_job *j, const char *error)
{
	enum agent_lack what;

	/* QAPI names the argument: "Parameter 'stream-output' is unexpected"; GLib the program. */
	if (strstr(error, stream_output))
		what = AGENT_LACKS_STREAM;
	else if (strstr(error, run_program))
		what = AGENT_LACKS_RUN;
	else
		return false;
	if (agent_lacks(j->agent, what))
		return false;
	agent_set_lack(j->agent, what);
	return true;
}

static void on_started(void *ctx, json_t *reply, const char *error)
{
	struct exec_job *j = ctx;
	json_t *pid = json_object_get(reply, "pid");

	j->asked = NSEC_NEVER;
	if (error && is_news(j, error)) {
		if (ask_to_run(j) < 0)
			finish_error(j, error, false);
		return;
	}
	if (error || !json_is_integer(pid) || json_integer_value(pid) <= 0) {
		finish_error(j, error ? error : "the guest agent gave no process id", false);
		return;
	}
	json_decref(j->args); /* stdin may be long */
	j->args = NULL;
	j->pid = json_integer_value(pid);
	j->poll_ns = POLL_FIRST_MS * NSEC_PER_MSEC;
	loop_set_timer(j->timer, nsec_min(clock_now() + j->poll_ns, j->deadline));
}

bool exec_waits_for_agent(const struct exec_job *j, nsec_t now)
{
	return j->asked != NSEC_NEVER && now - j->asked >= EXEC_SILENCE_S * NSEC_PER_SEC;
}

static json_t *exec_arguments(const struct exec_spec *spec)
{
	json_t *args = json_object(), *arg = json_array(), *env = json_array();

	for (size_t i = 1; i < json_array_size(spec->argv); i++)
		(void)json_array_append(arg, json_array_get(spec->argv, i));
	(void)json_array_append_new(
		env, json_string("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
	(void)json_array_append_new(env, json_string("HOME=/root"));
	for (size_t i = 0; i < spec->n_env; i++)
		(void)json_array_append_new(env, json_string(spec->env[i]));
	(void)json_object_set(args, "path", json_array_get(spec->argv, 0));
	(void)json_object_set_new(args, "arg", arg);
	(void)json_object_set_new(args, "env", env);
	(void)json_object_set_new(args, "capture-output", json_true());
	if (spec->input)
		(void)json_object_set_new(args, "input-data", json_string(spec->input));
	return args;
}

int exec_start(struct loop *loop, struct agent *agent, const struct exec_spec *spec,
	       exec_done_fn *fn, void *ctx, struct exec_job **ret_job)
{
	struct exec_job *j;
	int r;

	if (!json_is_string(json_array_get(spec->argv, 0)))
		return -EINVAL;
	j = calloc(1, sizeof *j);
	if (!j)
		return -ENOMEM;
	*j = (struct exec_job){ .loop = loop, .agent = agent, .fn = fn, .part = spec->part,
			       .ctx = ctx };
	j->deadline = spec->timeout_ns == NSEC_NEVER ? NSEC_NEVER : clock_now() + spec->timeout_ns;
	r = loop_add_timer(loop, j->deadline, on_timer, j, &j->timer);
	j->args = exec_arguments(spec);
	if (r == 0)
		r = ask_to_run(j);
	if (r < 0) {
		(void)exec_free(j);
		return r;
	}
	*ret_job = j;
	return 0;
}
