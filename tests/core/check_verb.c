/* tests/core/check_verb.c: what a request may hold, and what is said of the rest. */
#include "core/verb.h"
#include "core/bytes.h"
#include "core/cleanup.h"
#include "tests/send_fds.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct verb_arg common[] = { { "id", VERB_INTEGER, false }, { "vm", VERB_STRING, true }, { 0 } };
static const struct verb_arg own[] = { { "argv", VERB_STRINGS, true }, { "now", VERB_BOOLEAN, false },
				       { "set", VERB_OBJECT, false },  { "port", VERB_U32, false },
				       { "ns", VERB_U56, false },      { 0 } };

static const struct {
	const char *msg, *why; /* NULL: it is right */
} requests[] = {
	{ "{\"do\":\"x\",\"vm\":\"a\",\"argv\":[]}", NULL },
	{ "{\"do\":\"x\",\"id\":1,\"vm\":\"a\",\"argv\":[\"b\"],\"now\":true,\"set\":{}}", NULL },
	{ "{\"do\":\"x\",\"vm\":\"a\"}", "'argv' is needed" },
	{ "{\"do\":\"x\",\"argv\":[]}", "'vm' is needed" },
	{ "{\"vm\":1,\"argv\":[]}", "'vm' is not a string" },
	{ "{\"vm\":null,\"argv\":[]}", "'vm' is not a string" },
	{ "{\"vm\":\"a\",\"argv\":[],\"id\":1.5}", "'id' is not an integer" },
	{ "{\"vm\":\"a\",\"argv\":[],\"id\":\"1\"}", "'id' is not an integer" },
	{ "{\"vm\":\"a\",\"argv\":[\"a\",1]}", "'argv' is not an array of strings" },
	{ "{\"vm\":\"a\",\"argv\":{}}", "'argv' is not an array of strings" },
	{ "{\"vm\":\"a\",\"argv\":\"ls\"}", "'argv' is not an array of strings" },
	{ "{\"vm\":\"a\",\"argv\":[],\"now\":0}", "'now' is not a boolean" },
	{ "{\"vm\":\"a\",\"argv\":[],\"set\":[]}", "'set' is not an object" },
	{ "{\"vm\":\"a\",\"argv\":[],\"port\":4294967295,\"ns\":72057594037927936}", NULL },
	{ "{\"vm\":\"a\",\"argv\":[],\"port\":0,\"ns\":0}", NULL },
	{ "{\"vm\":\"a\",\"argv\":[],\"port\":4294967296}", "'port' is not an integer of 0 to 2^32 - 1" },
	{ "{\"vm\":\"a\",\"argv\":[],\"port\":-1}", "'port' is not an integer of 0 to 2^32 - 1" },
	{ "{\"vm\":\"a\",\"argv\":[],\"port\":1.0}", "'port' is not an integer of 0 to 2^32 - 1" },
	{ "{\"vm\":\"a\",\"argv\":[],\"ns\":72057594037927937}", "'ns' is not an integer of 0 to 2^56" },
	{ "{\"vm\":\"a\",\"argv\":[],\"ns\":-9223372036854775808}", "'ns' is not an integer of 0 to 2^56" },
	{ "{\"vm\":\"a\",\"argv\":[],\"nwo\":true}", "unknown argument 'nwo'" },
	{ "{\"vm\":\"a\",\"argv\":[],\"fds\":1}", "unknown argument 'fds'" },
};

START_TEST(test_request)
{
	CLEANUP(free) char *why = NULL;
	json_t *msg = json_loads(requests[_i].msg, 0, NULL);
	int r = verb_check(msg, common, own, &why);

	json_decref(msg);
	ck_assert_int_eq(r, requests[_i].why ? -EPROTO : 0);
	ck_assert_pstr_eq(why, requests[_i].why);
}
END_TEST

/* ---- the dispatcher, over a connection --------------------------------------------- */

static struct loop *loop;
static struct control *conn;
static int peer; /* the other end */
static uint64_t n_refused;
static struct {
	int n, n_fds, fd; /* the last call's */
	char verb[16];
	bool frees;
} ran;

static void do_any(struct verb_call *call)
{
	ran.n++;
	ran.n_fds = call->n_fds;
	(void)snprintf(ran.verb, sizeof ran.verb, "%s", call->verb->name);
	if (call->n_fds > 0)
		ran.fd = take_fd(&call->fds[0]);
	if (ran.frees)
		conn = control_free(conn);
	else
		verb_ok(call->control, call->id, NULL);
}

static int admit(struct verb_call *call, char **ret_why)
{
	if (call->verb->flags == 0)
		return 0;
	*ret_why = str_dup("not \xff now");
	return 3;
}

static const struct verb_arg id_only[] = { { "id", VERB_INTEGER, false }, { 0 } };
static const struct verb verbs[] = {
	{ "go", "what it does", do_any, 0, 0, { { "n", VERB_INTEGER, false }, { 0 } } },
	{ "hold", "what it does", do_any, 0, 1, { { "n", VERB_INTEGER, false }, { 0 } } },
	{ "never", "what it does", do_any, 1, 0, { { 0 } } },
};
static struct verb_table table = { "A test", verbs, 3, id_only, false, admit };

static void on_message(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status)
{
	struct verb_call call = { .ctx = ctx, .control = c, .msg = msg, .fds = fds, .n_fds = n_fds,
				  .n_refused = &n_refused };

	(void)status;
	if (msg)
		(void)verb_dispatch(&table, &call);
	else
		conn = control_free(c);
}

static void setup(void)
{
	int pair[2];

	n_refused = 0;
	memset(&ran, 0, sizeof ran);
	table.is_quiet = false;
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	peer = pair[1];
	ck_assert_int_eq(control_new(loop, pair[0], on_message, NULL, &conn), 0);
}

static void teardown(void)
{
	conn = control_free(conn);
	loop = loop_free(loop);
	(void)close(peer);
}

static void turn(void)
{
	for (int i = 0; i < 1000 && loop_step(loop, 0) > 0; i++)
		;
}

/* Sends @text with @n_fds copies of the peer's own socket; what is answered replaces @ret_answer. */
static void ask(const char *text, int n_fds, char ret_answer[static 512])
{
	ssize_t n = send_fds(peer, text, strlen(text), peer, n_fds);

	ck_assert_int_eq(n, (ssize_t)strlen(text));
	turn();
	n = recv(peer, ret_answer, 511, MSG_DONTWAIT);
	ret_answer[n > 0 ? n : 0] = '\0';
}

#define OK(id) "{\"id\":" id ",\"ok\":true}\n"
#define NO(id, status, why) "{\"id\":" id ",\"ok\":false,\"status\":" status ",\"error\":\"" why "\"}\n"

static const struct {
	const char *text;
	int n_fds;
	const char *answer;
	int n_ran, n_refused;
	bool is_quiet, ends;
} asked[] = {
	{ "{\"do\":\"go\",\"id\":1}\n", 0, OK("1"), 1, 0, false, false },
	{ "{\"do\":\"go\"}\n", 0, OK("0"), 1, 0, false, false },
	{ "{\"do\":\"go\",\"id\":1}\n{\"do\":\"go\",\"id\":1}\n", 0, OK("1") OK("1"), 2, 0, false, false },
	{ "{\"do\":\"gone\",\"id\":2}\n", 0, NO("2", "2", "unknown request 'gone'"), 0, 1, false, false },
	{ "{\"do\":7,\"id\":2}\n", 0, NO("2", "2", "unknown request ''"), 0, 1, false, false },
	{ "{}\n", 0, NO("0", "2", "unknown request ''"), 0, 1, false, false },
	{ "{\"do\":\"go\",\"id\":\"x\"}\n", 0, NO("0", "2", "go: 'id' is not an integer"), 0, 1, false, false },
	{ "{\"do\":\"go\",\"id\":3,\"n\":\"4\"}\n", 0, NO("3", "2", "go: 'n' is not an integer"), 0, 1, false, false },
	{ "{\"do\":\"never\",\"id\":4}\n", 0, NO("4", "3", "not \\\\xff now"), 0, 1, false, false },
	{ "{\"do\":\"hold\",\"id\":5,\"fds\":1}\n", 1, OK("5"), 1, 0, false, false },
	{ "{\"do\":\"hold\",\"id\":6,\"fds\":2}\n", 2,
	  NO("6", "2", "hold: 2 descriptors came, at most 1 are taken"), 0, 1, false, false },
	{ "{\"do\":\"go\",\"id\":7,\"fds\":1}\n", 1, NO("7", "2", "go: unknown argument 'fds'"), 0, 1, false, false },
	{ "{\"do\":\"gone\"}\n", 0, "", 0, 1, true, false },
	{ "{\"do\":\"gone\",\"id\":8}\n", 0, NO("8", "2", "unknown request 'gone'"), 0, 1, true, false },
	/* What breaks the form ends the connection: descriptors that no message claims, after what came with them. */
	{ "{\"do\":\"go\",\"id\":9}\n", 1, OK("9"), 1, 0, false, true },
	{ "{\"do\":\"hold\",\"id\":9,\"fds\":1}\n", 0, "", 0, 0, false, true },
	{ "nonsense\n", 0, "", 0, 0, false, true },
	{ "{\"do\":\"go\"", 0, "", 0, 0, false, false },
	{ "{\"do\":\"go\",\"do\":\"hold\"}\n", 0, "", 0, 0, false, true },
};

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(test_dispatch)
{
	char answer[512];
	int before = open_fds();

	table.is_quiet = asked[_i].is_quiet;
	ask(asked[_i].text, asked[_i].n_fds, answer);
	ck_assert_str_eq(answer, asked[_i].answer);
	ck_assert_int_eq(ran.n, asked[_i].n_ran);
	ck_assert_uint_eq(n_refused, (uint64_t)asked[_i].n_refused);
	ck_assert_int_eq(conn == NULL, asked[_i].ends);
	/* Descriptors nobody took are closed. */
	ck_assert_int_eq(open_fds(), before - asked[_i].ends + (ran.n_fds > 0));
	if (ran.n_fds > 0)
		(void)close(ran.fd);
}
END_TEST

/* The descriptor belongs to the second of two requests that are read together. */
START_TEST(test_descriptors_stay_with_their_request)
{
	char answer[512];

	ck_assert_int_eq(write(peer, "{\"do\":\"hold\",\"id\":1}\n", 21), 21);
	ask("{\"do\":\"hold\",\"id\":2,\"fds\":1}\n", 1, answer);
	ck_assert_str_eq(answer, OK("1") OK("2"));
	ck_assert_int_eq(ran.n, 2);
	ck_assert_int_eq(ran.n_fds, 1);
	(void)close(ran.fd);
}
END_TEST

static void do_answer(struct verb_call *call)
{
	verb_answer(call, json_pack("{s:i}", "n", 5));
}

static void keep_text(void *ctx, json_t *answer)
{
	char **text = ctx;

	ck_assert_ptr_null(*text);
	*text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
}

/* Answers and refusals go to who called, where there is no connection; a quiet table says nothing without an id. */
START_TEST(test_an_answer_without_a_connection)
{
	static const struct {
		const char *msg, *answer;
		bool is_quiet;
	} calls[] = {
		{ "{\"do\":\"go\",\"id\":3}", "{\"id\":3,\"n\":5,\"ok\":true}", false },
		{ "{\"do\":\"go\"}", "{\"id\":0,\"n\":5,\"ok\":true}", false },
		{ "{\"do\":\"go\"}", NULL, true },
		{ "{\"do\":\"gone\",\"id\":3}",
		  "{\"error\":\"unknown request 'gone'\",\"id\":3,\"ok\":false,\"status\":2}", true },
	};
	static const struct verb only[] = { { "go", "what it does", do_answer, 0, 0, { { 0 } } } };

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		struct verb_table t = { "A test", only, 1, id_only, calls[i].is_quiet, NULL };
		CLEANUP(free) char *text = NULL;
		struct verb_call call = { .answer = keep_text,
					  .answer_ctx = &text,
					  .msg = json_loads(calls[i].msg, 0, NULL) };

		(void)verb_dispatch(&t, &call);
		ck_assert_pstr_eq(text, calls[i].answer);
		json_decref(call.msg);
	}
}
END_TEST

START_TEST(test_a_handler_may_free_the_connection)
{
	char answer[512];

	ran.frees = true;
	ask("{\"do\":\"go\"}\n{\"do\":\"go\"}\n", 0, answer);
	ck_assert_int_eq(ran.n, 1);
	ck_assert_ptr_null(conn);
}
END_TEST

/* 100 MB without a newline: the connection ends after CONTROL_LEN_MAX, no handler runs. */
START_TEST(test_endless_line)
{
	static char junk[65536];
	size_t sent = 0;

	memset(junk, ' ', sizeof junk);
	while (sent < 100u << 20 && conn) {
		ssize_t n = send(peer, junk, sizeof junk, MSG_NOSIGNAL);

		if (n < 0)
			break;
		sent += (size_t)n;
		turn();
	}
	ck_assert_ptr_null(conn);
	ck_assert_uint_le(sent, CONTROL_LEN_MAX + 2 * sizeof junk);
	ck_assert_int_eq(ran.n, 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("verb");
	TCase *t = tcase_create("verb");

	tcase_add_loop_test(t, test_request, 0, (int)(sizeof requests / sizeof *requests));
	suite_add_tcase(s, t);
	t = tcase_create("dispatch");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, test_dispatch, 0, (int)(sizeof asked / sizeof *asked));
	tcase_add_test(t, test_descriptors_stay_with_their_request);
	tcase_add_test(t, test_an_answer_without_a_connection);
	tcase_add_test(t, test_a_handler_may_free_the_connection);
	tcase_add_test(t, test_endless_line);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
