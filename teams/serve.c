/* teams/serve.c: the supervisor's socket: the requests of the command line.
 *
 * A request is {"id":N,"do":NAME,…}, its answer {"id":N,"ok":true,…} or
 * {"id":N,"ok":false,"status":S,"error":TEXT}, S being the command's exit
 * status. Between them may come {"id":N,"stream":…} (exec), {"console":…} and
 * events. One table names the requests (core/verb.h), their arguments and whether they
 * are about a VM; all of it is checked before a handler runs.
 *
 * The socket lies in a folder of mode 0700, so who connects is the user.
 *
 * Used by: supervisor.c.   Depends on: vm_host.c, exec.c, pause.c, link.c, status.c, uplink_requests.c. */
#include "teams/serve.h"

#include "core/log.h"
#include "teams/answer.h"
#include "teams/calls.h"
#include "teams/leases.h"
#include "teams/link.h"
#include "teams/pause.h"
#include "teams/status.h"
#include "teams/team_state.h"
#include "teams/uplink_requests.h"
#include "teams/vm_host.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
	EXEC_CHUNK = 1 << 20, /* bytes of output a message */
	AGENT_CALL_S = 30,
};

enum { WHILE_ENDING = 1 /* a verb's flag: it is served while the team ends, too */ };

/* An input of exec fits a message; who asks on and on and reads nothing is not heard meanwhile. */
static const struct control_limits client_limits = { CONTROL_LEN_MAX, CONTROL_OUT_MAX, 1 << 20 };

/* A command that a client runs. */
struct exec_req {
	struct exec_req *next;
	struct client *client;
	json_int_t id;
	struct exec_job *job;
	const struct vm_host *vm;
};

/* ---- requests ------------------------------------------------------------------------- */

static void do_status(struct verb_call *call)
{
	struct client *c = call->ctx;

	bool peers = json_is_true(json_object_get(call->msg, "peers")) && c->sup->n_stations > 0;

	if (peers || json_is_true(json_object_get(call->msg, "counters")))
		sup_status_counted(c, call->id);
	else
		client_ok(c, call->id, sup_status(c->sup, json_is_true(json_object_get(call->msg, "memory"))));
}

static void do_plan(struct verb_call *call)
{
	struct client *c = call->ctx;

	if (!c->sup->shapes) {
		client_fail(c, call->id, 1, "team %s has no links yet", c->sup->team->name);
		return;
	}
	client_ok(c, call->id, sup_plan_now(c->sup));
}

static void do_leases(struct verb_call *call)
{
	struct client *c = call->ctx;

	sup_leases(c->sup, c, call->id, json_string_value(json_object_get(call->msg, "network")),
		   json_string_value(json_object_get(call->msg, "from")));
}

static void do_down(struct verb_call *call)
{
	struct client *c = call->ctx;

	c->wants_end = true;
	c->end_id = call->id;
	sup_end(c->sup, NULL);
}

/* `up` gives up: as down, but the team's end has a reason. */
static void do_abort(struct verb_call *call)
{
	struct client *c = call->ctx;

	c->wants_end = true;
	c->end_id = call->id;
	sup_end(c->sup, str_dup("interrupted"));
}

static void do_events(struct verb_call *call)
{
	struct client *c = call->ctx;

	if (events_follow(&c->sup->events, c->control) < 0)
		client_fail(c, call->id, 1, "too many follow the events");
	else
		client_ok(c, call->id, json_pack("{s:I}", "offset", (json_int_t)c->sup->events.size));
}

static void do_link(struct verb_call *call)
{
	struct client *c = call->ctx;

	sup_link(c, call->id, call->msg);
}

static const char *text_of(const struct verb_call *call, const char *key)
{
	return json_string_value(json_object_get(call->msg, key));
}

static void do_nat(struct verb_call *call)
{
	sup_nat(call->ctx, call->id, text_of(call, "network"));
}

static void do_forward(struct verb_call *call)
{
	sup_forward(call->ctx, call->id, text_of(call, "op"), text_of(call, "network"), text_of(call, "forward"));
}

static void send_stream(struct client *c, json_int_t id, const char *stream, const struct bytes *b)
{
	for (size_t at = 0; at < b->len; at += EXEC_CHUNK) {
		size_t len = b->len - at < EXEC_CHUNK ? b->len - at : EXEC_CHUNK;
		CLEANUP(free) char *data = str_base64(b->data + at, len);
		json_t *msg = json_pack("{s:I,s:s,s:s}", "id", id, "stream", stream, "data", data);

		(void)control_send(c->control, msg, NULL, 0);
		json_decref(msg);
	}
}

static void exec_req_free(struct exec_req *req)
{
	for (struct exec_req **at = &req->client->execs; *at; at = &(*at)->next)
		if (*at == req) {
			*at = req->next;
			break;
		}
	(void)exec_cancel(req->job);
	free(req);
}

static bool on_exec_part(void *ctx, const char *stream, const struct bytes *part)
{
	struct exec_req *req = ctx;

	if (stream)
		send_stream(req->client, req->id, stream, part);
	return control_is_flushed(req->client->control);
}

static void on_exec_done(void *ctx, const struct exec_result *result)
{
	struct exec_req *req = ctx;

	req->job = NULL;
	if (result->error && !result->timed_out) {
		client_fail(req->client, req->id, 1, "%s: %s", req->vm->tv->name, result->error);
	} else {
		send_stream(req->client, req->id, "stdout", &result->out);
		send_stream(req->client, req->id, "stderr", &result->err);
		client_ok(req->client, req->id,
			  json_pack("{s:i,s:b,s:b}", "exit", result->status, "timed_out",
				    (int)result->timed_out, "truncated", (int)result->truncated));
	}
	exec_req_free(req);
}

/* What is said of an agent that is not there: in some states it answered once. */
static const char *agent_silence(enum vm_state state)
{
	if (state == VM_BOOTING)
		return "does not answer yet";
	return state == VM_SETUP || state == VM_CHECKING || state == VM_READY ? "no longer answers" : "does not answer";
}

/* Says why the agent of @v cannot be asked; true when it can. */
static bool agent_is_there(struct client *c, json_int_t id, const struct vm_host *v)
{
	if (v->vm.state == VM_PAUSED)
		client_fail(c, id, 1, "%s is paused", v->tv->name);
	else if (!v->vm.has_machine)
		client_fail(c, id, 1, "%s is %s", v->tv->name, vm_state_str(v->vm.state));
	else if (!v->agent || !agent_is_synced(v->agent))
		client_fail(c, id, 1, "%s is %s: its guest agent %s", v->tv->name, vm_state_str(v->vm.state),
			    agent_silence(v->vm.state));
	else
		return true;
	return false;
}

static void do_exec(struct verb_call *call)
{
	struct client *c = call->ctx;
	struct vm_host *v = call->subject;
	json_t *timeout = json_object_get(call->msg, "timeout_ns");
	struct exec_spec spec = {
		.part = on_exec_part, .argv = json_object_get(call->msg, "argv"),
		.env = v->tv->env, .n_env = v->tv->n_env,
		.input = json_string_value(json_object_get(call->msg, "input")),
		.timeout_ns = json_is_integer(timeout) ? json_integer_value(timeout) : NSEC_NEVER,
	};
	struct exec_req *req;
	int r;

	if (!agent_is_there(c, call->id, v))
		return;
	req = calloc(1, sizeof *req);
	if (!req)
		abort();
	*req = (struct exec_req){ .next = c->execs, .client = c, .id = call->id, .vm = v };
	c->execs = req;
	r = exec_start(c->sup->loop, v->agent, &spec, on_exec_done, req, &req->job);
	if (r < 0) {
		exec_req_free(req);
		client_fail(c, call->id, 1, "%s: %s", v->tv->name, strerror(-r));
	}
}

/* Where the guest's own service is reached, and the environment of its commands. */
static void do_session(struct verb_call *call)
{
	struct client *c = call->ctx;
	struct vm_host *v = call->subject;
	json_t *env = json_array();

	if (!agent_is_there(c, call->id, v)) {
		json_decref(env);
		return;
	}
	for (size_t i = 0; i < v->tv->n_env; i++)
		(void)json_array_append_new(env, json_string(v->tv->env[i]));
	client_ok(c, call->id, json_pack("{s:s?,s:o}", "socket", v->vsock.path, "env", env));
}

/* ---- agent: files, for cp --------------------------------------------------------------- */

struct agent_req {
	struct client *client; /* NULL: it left */
	json_int_t id;
	struct vm_host *vm;
	struct agent_req *next;
};

static void on_agent_reply(void *ctx, json_t *result, const char *error)
{
	struct agent_req *req = ctx;

	for (struct agent_req **at = &req->vm->sup->agent_reqs; *at; at = &(*at)->next)
		if (*at == req) {
			*at = req->next;
			break;
		}
	if (req->client && error)
		client_fail(req->client, req->id, 1, "%s", error);
	else if (req->client)
		client_ok(req->client, req->id, json_pack("{s:O}", "result", result));
	free(req);
}

static void do_agent(struct verb_call *call)
{
	struct client *c = call->ctx;
	struct vm_host *v = call->subject;
	static const char *const allowed[] = { "guest-ping",	  "guest-file-open", "guest-file-read",
					       "guest-file-write", "guest-file-close", "guest-set-time" };
	const char *execute = json_string_value(json_object_get(call->msg, "execute"));
	json_t *args = json_object_get(call->msg, "arguments");
	struct agent_req *req;
	bool is_allowed = false;

	for (size_t i = 0; execute && i < sizeof allowed / sizeof *allowed; i++)
		is_allowed |= strcmp(allowed[i], execute) == 0;
	if (!is_allowed) {
		client_fail(c, call->id, 2, "agent: '%s' is not passed on", execute ? execute : "");
		return;
	}
	if (!agent_is_there(c, call->id, v))
		return;
	req = calloc(1, sizeof *req);
	if (!req)
		abort();
	*req = (struct agent_req){ .client = c, .id = call->id, .vm = v, .next = c->sup->agent_reqs };
	c->sup->agent_reqs = req;
	if (agent_call(v->agent, execute, args ? json_incref(args) : NULL,
		       AGENT_CALL_S * NSEC_PER_SEC, on_agent_reply, req) < 0)
		on_agent_reply(req, NULL, "the guest agent cannot be asked");
}

/* ---- console ------------------------------------------------------------------------------ */

static void do_console(struct verb_call *call)
{
	struct client *c = call->ctx;
	struct vm_host *v = call->subject;

	if (console_attach(&v->console, c->control) < 0)
		client_fail(c, call->id, 1, "%s: too many are attached to its console", v->tv->name);
	else
		client_ok(c, call->id, json_pack("{s:o}", "tail", console_tail(&v->console, 20)));
}

static void do_type(struct verb_call *call)
{
	struct vm_host *v = call->subject;
	json_t *data = json_object_get(call->msg, "data");
	CLEANUP(bytes) struct bytes in = { 0 };

	if (json_is_string(data) &&
	    bytes_append_base64(&in, json_string_value(data), json_string_length(data)) == 0 && in.len > 0)
		console_type(&v->console, in.data, in.len);
}

/* ---- one VM's state ------------------------------------------------------------------------- */

/* The VM whose agent does not answer what @c asked of it, or NULL. */
static const struct vm_host *silent_guest(const struct client *c)
{
	for (const struct exec_req *req = c->execs; req; req = req->next)
		if (req->job && exec_waits_for_agent(req->job, clock_now()))
			return req->vm;
	for (const struct agent_req *req = c->sup->agent_reqs; req; req = req->next)
		if (req->client == c)
			return req->vm;
	return NULL;
}

/* A sign of life, and what this client's request waits for. */
static void do_ping(struct verb_call *call)
{
	struct client *c = call->ctx;
	CLEANUP(free) char *waits = sup_pause_waits_for(c->sup, c);
	const struct vm_host *silent = NULL;

	if (!waits)
		waits = vm_wait_str(c->sup, c);
	if (!waits)
		silent = silent_guest(c);
	if (silent)
		waits = str_printf("%s: its guest agent does not answer", silent->tv->name);
	client_ok(c, call->id, waits ? json_pack("{s:s}", "waits", waits) : NULL);
}

static void do_stop(struct verb_call *call)
{
	struct client *c = call->ctx;
	struct vm_host *v = call->subject;

	vm_set_restart(&v->vm, false);
	vm_wait_for(c, call->id, v, VM_STOPPED);
	if (v->vm.state != VM_STOPPED && v->vm.state != VM_STOPPING)
		vm_stop(&v->vm, json_is_true(json_object_get(call->msg, "now")), clock_now());
}

static void do_start(struct verb_call *call)
{
	struct client *c = call->ctx;
	struct vm_host *v = call->subject;
	char *why = NULL;
	/* One of a team that comes up has its turn; once it is up or kept, none has. */
	bool is_left = (v->vm.state == VM_WAITING || v->vm.state == VM_DELAYED) && c->sup->state != SUP_STARTING;

	if (v->vm.state == VM_PAUSED) {
		client_fail(c, call->id, 1, "%s is paused ('muster resume %s/%s' lets it go on)", v->tv->name,
			    c->sup->team->name, v->tv->name);
		return;
	}
	if (v->vm.state == VM_STOPPING)
		vm_set_restart(&v->vm, true); /* once it has ended */
	if (!v->vm.has_machine && (v->vm.state == VM_STOPPED || v->vm.state == VM_FAILED || is_left)) {
		if (vm_start(&v->vm, clock_now(), &why) < 0) {
			client_fail(c, call->id, 1, "%s: %s", v->tv->name, why ? why : "it cannot be started");
			free(why);
			return;
		}
	}
	if (v->vm.state == VM_FAILED) {
		client_fail(c, call->id, 1, "%s failed and was kept; 'restart' starts it anew", v->tv->name);
		return;
	}
	vm_wait_for(c, call->id, v, VM_READY);
}

static void do_restart(struct verb_call *call)
{
	struct client *c = call->ctx;
	struct vm_host *v = call->subject;

	if (!v->vm.has_machine) {
		do_start(call);
		return;
	}
	vm_stop(&v->vm, json_is_true(json_object_get(call->msg, "now")), clock_now());
	vm_set_restart(&v->vm, true);
	vm_wait_for(c, call->id, v, VM_READY);
}

static void pause_vm(struct client *c, json_int_t id, struct vm_host *v, bool is_pause)
{
	enum vm_state from = is_pause ? VM_READY : VM_PAUSED, to = is_pause ? VM_PAUSED : VM_READY;

	if (v->vm.state != from && v->vm.state != to) {
		client_fail(c, id, 1, "%s is %s", v->tv->name, vm_state_str(v->vm.state));
		return;
	}
	vm_wait_for(c, id, v, to);
	if (v->vm.state == from)
		vm_host_pause(v, is_pause, ANSWER_NS);
}

static void do_pause(struct verb_call *call)
{
	struct client *c = call->ctx;
	struct vm_host *v = call->subject;

	if (v)
		pause_vm(c, call->id, v, true);
	else
		sup_pause(c, call->id, true);
}

static void do_resume(struct verb_call *call)
{
	struct client *c = call->ctx;
	struct vm_host *v = call->subject;

	if (v)
		pause_vm(c, call->id, v, false);
	else
		sup_pause(c, call->id, false);
}

/* What every request may have. */
static const struct verb_arg common_args[] = { { "id", VERB_INTEGER, false }, { "vm", VERB_STRING, false }, { 0 } };

/* clang-format off */
static const struct verb requests[] = {
	{ "ping", "answers with what this connection waits for, if anything", do_ping, 0, 0, { { 0 } } },
	{ "status", "the team, its VMs and links; with `counters` each NIC's too, with `memory` each VM's, "
	  "with `peers` whether somebody is at its stations",
	  do_status, 0, 0,
	  { { "counters", VERB_BOOLEAN, false },
	    { "memory", VERB_BOOLEAN, false },
	    { "peers", VERB_BOOLEAN, false },
	    { 0 } } },
	{ "plan", "the team's plan, with its links as they are now", do_plan, 0, 0, { { 0 } } },
	{ "down", "ends the team; answered when all is undone", do_down, WHILE_ENDING, 0, { { 0 } } },
	{ "abort", "as `down`, but the team's end is an interruption", do_abort, WHILE_ENDING, 0, { { 0 } } },
	{ "events", "events follow on this connection; answers the offset in events.jsonl", do_events, 0, 0, { { 0 } } },
	{ "link", "shows or changes a network's or a NIC's link; `op`: show set reset up down flap",
	  do_link, 0, 0,
	  { { "target", VERB_STRING, true }, { "op", VERB_STRING, true }, { "dir", VERB_STRING, false },
	    { "set", VERB_STRINGS, false }, { "ns", VERB_INTEGER, false }, { 0 } } },
	{ "leases", "a network's leases by address, from `from` on; `next` of the answer: there are more",
	  do_leases, 0, 0,
	  { { "network", VERB_STRING, true }, { "from", VERB_STRING, false }, { 0 } } },
	{ "nat", "the uplink's flows and counters, of one network or all", do_nat, 0, 0,
	  { { "network", VERB_STRING, false }, { 0 } } },
	{ "forward", "ports of the host that lead to VMs; `op`: list add remove", do_forward, 0, 0,
	  { { "op", VERB_STRING, true }, { "network", VERB_STRING, false }, { "forward", VERB_STRING, false },
	    { 0 } } },
	{ "pause", "has the team, or `vm`, stand still", do_pause, 0, 0, { { 0 } } },
	{ "resume", "has the team, or `vm`, go on", do_resume, 0, 0, { { 0 } } },
	{ "exec", "runs a command; `stream` messages, then its exit status",
	  do_exec, 0, 0,
	  { { "vm", VERB_STRING, true }, { "argv", VERB_STRINGS, true },
	    { "input", VERB_STRING, false }, { "timeout_ns", VERB_U56, false }, { 0 } } },
	{ "agent", "passes a request on to the guest agent; few are",
	  do_agent, 0, 0,
	  { { "vm", VERB_STRING, true }, { "execute", VERB_STRING, true }, { "arguments", VERB_OBJECT, false }, { 0 } } },
	{ "session", "where the guest's own service is reached",
	  do_session, 0, 0,
	  { { "vm", VERB_STRING, true }, { 0 } } },
	{ "console", "the console follows on this connection; answers its last lines",
	  do_console, 0, 0,
	  { { "vm", VERB_STRING, true }, { 0 } } },
	{ "type", "writes base64 `data` to the console; no answer",
	  do_type, 0, 0,
	  { { "vm", VERB_STRING, true }, { "data", VERB_STRING, true }, { 0 } } },
	{ "stop", "ends the VM's machine; `now`: without asking the guest",
	  do_stop, 0, 0,
	  { { "vm", VERB_STRING, true }, { "now", VERB_BOOLEAN, false }, { 0 } } },
	{ "start", "starts the VM; answered when it is ready",
	  do_start, 0, 0,
	  { { "vm", VERB_STRING, true }, { "now", VERB_BOOLEAN, false }, { 0 } } },
	{ "restart", "stops the VM and starts it; answered when it is ready",
	  do_restart, 0, 0,
	  { { "vm", VERB_STRING, true }, { "now", VERB_BOOLEAN, false }, { 0 } } },
};
/* clang-format on */

static struct vm_host *find_vm(struct supervisor *sup, const char *name)
{
	for (size_t i = 0; i < sup->n_vms; i++)
		if (strcmp(sup->vms[i].tv->name, name) == 0)
			return &sup->vms[i];
	return NULL;
}

/* Finds the VM that a request is about, and says whether its time is right. */
static int admit(struct verb_call *call, char **ret_why)
{
	const struct client *c = call->ctx;
	const char *name = json_string_value(json_object_get(call->msg, "vm"));

	call->subject = name ? find_vm(c->sup, name) : NULL;
	if (name && !call->subject) {
		*ret_why = team_group_str(c->sup->team, name);
		if (!*ret_why)
			*ret_why = str_printf("no VM '%s' in team %s", name, c->sup->team->name);
		return 3;
	}
	if (c->sup->state == SUP_ENDING && !(call->verb->flags & WHILE_ENDING)) {
		*ret_why = str_printf("team %s is ending", c->sup->team->name);
		return 1;
	}
	return 0;
}

const struct verb_table serve_verbs = { .who = "The supervisor, to the command line", .verbs = requests,
					.n_verbs = sizeof requests / sizeof *requests,
					.common = common_args, .admit = admit };

/* ---- connections ------------------------------------------------------------------------------ */

static void client_free(struct client *c)
{
	struct supervisor *sup = c->sup;

	while (c->execs)
		exec_req_free(c->execs);
	for (struct agent_req *r = sup->agent_reqs; r; r = r->next)
		if (r->client == c)
			r->client = NULL;
	events_unfollow(&sup->events, c->control);
	for (size_t i = 0; i < sup->n_vms; i++)
		console_detach(&sup->vms[i].console, c->control);
	sup_pause_forget_client(sup, c);
	sup_calls_forget_client(sup, c);
	sup_uplink_forget_client(sup, c);
	vm_wait_forget(sup, c);
	for (size_t i = 0; i < sup->n_clients; i++)
		if (sup->clients[i] == c)
			sup->clients[i--] = sup->clients[--sup->n_clients];
	c->control = control_free(c->control);
	free(c);
	/* There is a file again for who waits for one. */
	if (sup->listen_source)
		(void)loop_set_events(sup->listen_source, EPOLLIN);
}

static void on_client(void *ctx, struct control *control, json_t *msg, int *fds, int n_fds,
		      int status)
{
	struct client *c = ctx;
	struct supervisor *sup = c->sup;
	struct verb_call call = { .ctx = c, .control = control, .msg = msg, .fds = fds, .n_fds = n_fds,
				  .n_refused = &sup->n_refused };

	(void)status;
	if (msg) {
		(void)verb_dispatch(&serve_verbs, &call);
		return;
	}
	/* The `up` that is gone before all was up takes the team with it. */
	if (c->is_first && (sup->foreground || sup->state == SUP_STARTING))
		sup_end(sup, sup->foreground ? NULL : str_dup("interrupted"));
	client_free(c);
}

/* There is room for one more. */
int sup_add_client(struct supervisor *sup, int fd, bool is_first, struct client **ret_client)
{
	struct client *c;
	int r;

	c = calloc(1, sizeof *c);
	if (!c)
		abort();
	*c = (struct client){ .sup = sup, .is_first = is_first };
	r = control_new(sup->loop, fd, on_client, c, &c->control);
	if (r == 0)
		control_set_limits(c->control, &client_limits);
	if (r < 0) {
		(void)close(fd);
		free(c);
		return r;
	}
	sup->clients[sup->n_clients++] = c;
	*ret_client = c;
	return 0;
}

/* The agent goes, and drops what it was asked. */
static void fail_agent_reqs(const struct vm_host *v)
{
	struct agent_req *next;

	for (struct agent_req *req = v->sup->agent_reqs; req; req = next) {
		next = req->next;
		if (req->vm != v)
			continue;
		if (v->agent)
			agent_forget(v->agent, req);
		on_agent_reply(req, NULL, "the machine ended");
	}
}

void sup_vm_released(struct supervisor *sup, const struct vm_host *v)
{
	fail_agent_reqs(v);
	for (size_t i = 0; i < sup->n_clients; i++) {
		struct exec_req *next;

		for (struct exec_req *req = sup->clients[i]->execs; req; req = next) {
			next = req->next;
			if (req->vm != v)
				continue;
			req->job = exec_free(req->job);
			client_fail(req->client, req->id, 1, "%s: the machine ended", v->tv->name);
			exec_req_free(req);
		}
	}
}

void sup_drop_clients(struct supervisor *sup)
{
	while (sup->n_clients > 0)
		client_free(sup->clients[0]);
}

/* One too many is told so, and not kept. */
static void turn_away(int conn)
{
	json_t *msg = json_pack("{s:b,s:i,s:s}", "ok", 0, "status", 1, "error",
				"too many commands talk to the team at once");

	(void)control_write_msg(conn, msg);
	json_decref(msg);
	(void)close(conn);
}

static void on_listen(void *ctx, int fd, uint32_t events)
{
	struct supervisor *sup = ctx;
	struct client *c;
	/* SYSCALLS(supervisor): accept4 */
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	/* Asked again at once, a process without a free file would do nothing else. */
	if (conn < 0 && (errno == EMFILE || errno == ENFILE) && sup->n_clients > 0)
		(void)loop_set_events(sup->listen_source, 0);
	else if (conn >= 0 && sup->n_clients == CLIENTS_MAX)
		turn_away(conn);
	else if (conn >= 0)
		(void)sup_add_client(sup, conn, false, &c);
}

int sup_listen(struct supervisor *sup, char **ret_why)
{
	CLEANUP(free) char *path = store_socket(sup->store, sup->team->name);
	int r = control_listen(path, &sup->listen_fd);

	if (r == 0)
		r = loop_add_fd(sup->loop, sup->listen_fd, EPOLLIN, on_listen, sup,
				&sup->listen_source);
	if (r < 0)
		*ret_why = str_printf("%s: %s", path, strerror(-r));
	return r;
}

void sup_unlisten(void *ctx)
{
	struct supervisor *sup = ctx;

	sup->listen_source = loop_remove(sup->listen_source);
	cleanup_fd(&sup->listen_fd);
	sup->listen_fd = -1;
}
