/* tests/fuzz/fuzz_rpc.c: a control connection whose peer says anything.
 *
 * Input: the first byte chooses a table of verbs. Of the rest two bytes each are a step: the head of a
 * request, an argument of its verb, its end, a piece of anything, a turn of the loop, or descriptors
 * that ride with what is sent next. The tables are those of the supervisor, of a fabric and of a machine;
 * before or instead of their handlers runs one that checks what it was promised: arguments of their kind,
 * the needed ones there, descriptors open and no more than the verb takes. A fabric's handlers run after it,
 * on a fabric with a frame in flight. At the end no descriptor is left, and each question of ours was
 * answered exactly once. */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "core/rpc.h"
#include "core/verb.h"
#include "fabric/requests.h"
#include "teams/serve.h"
#include "tests/send_fds.h"
#include "vmm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VERBS_MAX = 32, ASKED = 3, FDS_SEEN = 64 };

enum { N_TABLES = 3 };
static const struct verb_table *tables[N_TABLES] = { &serve_verbs, &fabric_verbs }; /* and a machine's */

/* What breaks a message, or answers a question of ours. */
static const char *const pieces[] = {
	"{\"do\":\"", "\"", "{", "}", "\n", "}\n", ",", ":", ",\"id\":\"x\"", ",\"id\":1", ",\"do\":7", "[[[[", "\xff", "\xc3\xa9",
	"\n\n", "{\"id\":1,\"ok\":true}\n", "{\"id\":2,\"ok\":false,\"error\":\"no\"}\n", "{\"id\":3,\"ok\":0}\n",
	"{\"id\":9,\"ok\":true}\n", "{\"do\":\"pause\"}\n", "{}\n", "[]\n", ",\"fds\":-1", ",\"fds\":17", "{\"do\":\"save\",\"fds\":2}\n", ",\"fds\":\"1\"",
	",\"more\":1", " ", "\\", "{\"do\":\"gone\",\"id\":4}\n",
};
enum { N_PIECES = sizeof pieces / sizeof *pieces };
/* The first ones are right for the kinds, in their order. */
static const char *const values[] = { "\"text\"",
				      "1",
				      "0",
				      "72057594037927936",
				      "true",
				      "[\"a\"]",
				      "{\"rate_bps\":1000,\"delay_ns\":72057594037927936}",
				      "{}",
				      "\"up\"",
				      "null",
				      "[1]",
				      "-9223372036854775808",
				      "1e9",
				      "\"\\u0000\"",
				      "\"\\ud800\"",
				      "99999999999999999999",
				      "[]",
				      "false",
				      "" };
enum { N_VALUES = sizeof values / sizeof *values };

static struct loop *loop;
static struct control *conn;
static struct rpc *rpc;
static struct verb copies[N_TABLES][VERBS_MAX];
static struct verb_table checked[N_TABLES];
static const struct verb_table *table;
static uint64_t n_refused, n_ran;
static unsigned n_answered; /* by the handlers of a fabric */
static struct fabric *fabric;
static unsigned told[ASKED];
static int peer;

#define MUST(what) ((what) ? (void)0 : fail(#what))
static void fail(const char *what)
{
	(void)fprintf(stderr, "not so: %s\n", what);
	abort();
}

static bool is_promised(const json_t *v, enum verb_kind kind)
{
	switch (kind) {
	case VERB_STRING: return json_is_string(v);
	case VERB_INTEGER: return json_is_integer(v);
	case VERB_U32:
		return json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= UINT32_MAX;
	case VERB_U56:
		return json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= VERB_U56_MAX;
	case VERB_BOOLEAN: return json_is_boolean(v);
	case VERB_OBJECT: return json_is_object(v);
	case VERB_STRINGS:
		for (size_t i = 0; i < json_array_size(v); i++)
			if (!json_is_string(json_array_get(v, i)))
				return false;
		return json_is_array(v);
	case VERB_KIND_COUNT: break;
	}
	return false;
}

static void check_args(const json_t *msg, const struct verb_arg *a)
{
	for (; a->name; a++) {
		const json_t *v = json_object_get(msg, a->name);

		MUST(v || !a->is_needed);
		MUST(!v || is_promised(v, a->kind));
	}
}

/* ---- a fabric ---------------------------------------------------------------------- */

static const struct ring_record broadcast = { .data = (const uint8_t[60]){ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2 },
					      .len = 60 };
static struct fabric_plan_network networks[] = { { .name = "lan", .mtu = 1500 } };
static struct fabric_plan_port ports[] = { { .name = "a", .stream = "a", .mtu = 1500 },
					   { .name = "b", .stream = "b", .mtu = 1500 } };
static const struct fabric_plan plan = { .name = "t",
					 .networks = networks,
					 .n_networks = 1,
					 .ports = ports,
					 .n_ports = 2,
					 .spare_bytes = 1 << 20,
					 .total_bytes = 1 << 20 };
static nsec_t now; /* the driver's */

static void on_fabric_answer(void *ctx, json_t *answer)
{
	(void)ctx;
	MUST(json_is_integer(json_object_get(answer, "id")) && json_is_boolean(json_object_get(answer, "ok")));
	MUST(json_is_true(json_object_get(answer, "ok")) == !json_object_get(answer, "error"));
	n_answered++;
	(void)control_send(conn, answer, NULL, 0);
}

/* The call once more, from the dispatcher on, to the handler that is the table's own; then a frame and time. */
static void ask_fabric(struct verb_call *call)
{
	struct fabric_asked asked = { .fabric = fabric, .real = now };
	struct verb_call own = { .answer = on_fabric_answer, .msg = call->msg, .fds = call->fds, .n_fds = call->n_fds };
	unsigned before = n_answered;

	if (!fabric)
		MUST(fabric_new(&plan, &fabric) == 0);
	asked.fabric = fabric;
	fabric_request(&asked, &own);
	MUST(n_answered == before + 1);
	if (!fabric->is_paused)
		fabric_port_enter(&fabric->ports[0], &broadcast, fabric_time(fabric, now));
	MUST(asked.has_failed || fabric_next(fabric) >= fabric_time(fabric, now));
	now += NSEC_PER_MSEC;
	if (asked.quits)
		fabric = fabric_free(fabric);
}

static void check_call(struct verb_call *call)
{
	n_ran++;
	check_args(call->msg, call->verb->args);
	check_args(call->msg, table->common);
	MUST(strcmp(json_string_value(json_object_get(call->msg, "do")), call->verb->name) == 0);
	MUST(call->n_fds <= call->verb->fds_max);
	for (int i = 0; i < call->n_fds; i++)
		MUST(fcntl(call->fds[i], F_GETFD) >= 0);
	if (table->who == fabric_verbs.who) {
		ask_fabric(call);
		return;
	}
	if (call->n_fds > 0 && call->id == 1)
		(void)close(take_fd(&call->fds[0]));
	verb_ok(call->control, call->id, NULL);
}

static void on_reply(void *ctx, json_t *reply, const char *error)
{
	unsigned *n = ctx;

	MUST(reply || error);
	MUST(++*n == 1);
}

static void on_message(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	struct verb_call call = { .ctx = ctx, .control = c, .msg = msg, .fds = fds, .n_fds = n_fds,
				  .n_refused = &n_refused };
	uint64_t before = n_ran + n_refused;

	(void)status;
	if (!msg) {
		rpc_bind(rpc, NULL);
		conn = control_free(c);
	} else if (!rpc_take(rpc, msg)) {
		(void)verb_dispatch(table, &call);
		MUST(n_ran + n_refused == before + 1);
	}
}

static void make_tables(void)
{
	tables[N_TABLES - 1] = machine_verbs();
	for (size_t t = 0; t < N_TABLES; t++) {
		MUST(tables[t]->n_verbs <= VERBS_MAX);
		memcpy(copies[t], tables[t]->verbs, tables[t]->n_verbs * sizeof copies[t][0]);
		for (size_t i = 0; i < tables[t]->n_verbs; i++)
			copies[t][i].fn = check_call;
		checked[t] = *tables[t];
		checked[t].verbs = copies[t];
		checked[t].admit = NULL; /* of a team that is not here */
	}
	MUST(loop_new(&loop) == 0);
}

static void turn(void)
{
	char buf[4096];

	(void)loop_step(loop, 0);
	while (recv(peer, buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
}

/* A value of @kind most often, else any. */
static const char *value_of(enum verb_kind kind, uint8_t byte)
{
	return byte & 0x70 ? values[kind] : values[(byte & 0xF) % N_VALUES];
}

/* An argument of @v, in the order in which its row has them. */
static void add_argument(struct bytes *out, const struct verb *v, size_t *at, uint8_t byte)
{
	const struct verb_arg *a = &v->args[*at];

	if (!a->name) {
		bytes_append_str(out, byte & 0x80 ? "" : byte & 0x60 ? ",\"id\":2" : ",\"fds\":1");
		return;
	}
	bytes_printf(out, ",\"%s\":%s", a->name, value_of(a->kind, byte));
	++*at;
}

struct script {
	struct bytes out; /* sent at the next turn */
	const struct verb *open; /* of the request that is not whole yet; NULL: none */
	size_t at; /* its next argument */
};

static void end_request(struct script *s)
{
	if (s->open)
		bytes_append_str(&s->out, "}\n");
	s->open = NULL;
}

static void begin_request(struct script *s, uint8_t byte, bool is_whole)
{
	end_request(s);
	s->open = &table->verbs[byte % table->n_verbs];
	s->at = 0;
	bytes_printf(&s->out, "{\"do\":\"%s\"", s->open->name);
	while (is_whole && s->open->args[s->at].name)
		add_argument(&s->out, s->open, &s->at, 0x10);
}

/* Sends what there is, most often with as many descriptors as its last request claims. */
static void flush(struct script *s, uint8_t byte)
{

	end_request(s);
	if (byte & 0x40)
		bytes_printf(&s->out, "{\"do\":\"save\",\"fds\":%d}\n", 1 + (byte & 1));
	if (s->out.len)
		(void)send_fds(peer, (char *)s->out.data, s->out.len, peer,
			       (byte & 0x80 && byte & 0x1C) ? 0 : byte & 0x80 ? byte & 3 : byte & 0x40 ? 1 + (byte & 1) : 0);
	bytes_consume(&s->out, s->out.len);
	if (byte & 0x20)
		turn();
}

static void step(struct script *s, uint8_t what, uint8_t byte)
{
	switch (what & 7) {
	case 0:
	case 1:
		begin_request(s, byte, what & 1);
		break;
	case 2:
	case 3:
	case 4:
		if (s->open)
			add_argument(&s->out, s->open, &s->at, byte);
		break;
	case 5:
		end_request(s);
		break;
	case 6:
		if (!(what & 0x38))
			bytes_append_str(&s->out, pieces[byte % N_PIECES]);
		break;
	default:
		flush(s, byte);
	}
}

static void say(const uint8_t *data, size_t len)
{
	struct script s = { 0 };

	for (size_t i = 0; i + 1 < len && conn; i += 2)
		step(&s, data[i], data[i + 1]);
	if (s.out.len && conn)
		(void)send_fds(peer, (char *)s.out.data, s.out.len, peer, 0);
	bytes_done(&s.out);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < FDS_SEEN; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int pair[2], before;

	if (!loop)
		make_tables();
	if (len == 0)
		return 0;
	table = &checked[data[0] % N_TABLES];
	memset(told, 0, sizeof told);
	now = NSEC_PER_SEC;
	before = open_fds();
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	peer = pair[1];
	MUST(control_new(loop, pair[0], on_message, NULL, &conn) == 0);
	MUST(rpc_new(loop, "the peer", &rpc) == 0); /* its ids begin at 1 */
	rpc_bind(rpc, conn);
	for (size_t i = 0; i < ASKED; i++)
		MUST(rpc_call(rpc, json_object(), NSEC_PER_SEC * 3600, on_reply, &told[i]) == 0);
	say(data + 1, len - 1);
	for (int i = 0; i < 100 && conn; i++)
		turn();
	rpc_bind(rpc, NULL);
	rpc = rpc_free(rpc);
	conn = control_free(conn);
	(void)close(peer);
	fabric = fabric_free(fabric);
	for (size_t i = 0; i < ASKED; i++)
		MUST(told[i] == 1);
	MUST(open_fds() == before);
	return 0;
}
