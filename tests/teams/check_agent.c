/* tests/teams/check_agent.c: the guest agent client and exec against an agent
 * that is this test: well-behaved, stale, hostile. */
#include "tests/unit.h"

#include "core/bytes.h"
#include "teams/agent.h"
#include "teams/exec.h"

#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static struct loop *loop;
static struct agent *agent;
static int guest;
static unsigned n_synced, n_replies;
static char last_error[200];
static json_t *last_result;

static void on_sync(void *ctx)
{
	(void)ctx;
	n_synced++;
}

static void on_reply(void *ctx, json_t *result, const char *error)
{
	(void)ctx;
	n_replies++;
	json_decref(last_result);
	last_result = json_incref(result);
	(void)snprintf(last_error, sizeof last_error, "%s", error ? error : "");
}

static void setup(void)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(agent_new(loop, fds[0], &agent), 0);
	guest = fds[1];
	n_synced = n_replies = 0;
	last_result = NULL;
	last_error[0] = '\0';
}

static void teardown(void)
{
	agent = agent_free(agent);
	if (guest >= 0)
		(void)close(guest);
	loop = loop_free(loop);
	json_decref(last_result);
}

static void turn(void)
{
	for (int i = 0; i < 20; i++)
		ck_assert_int_ge(loop_step(loop, 0), 0);
}

static void guest_says(const void *data, size_t len)
{
	ck_assert_int_eq((int)send(guest, data, len, 0), (int)len);
	turn();
}

static void guest_says_text(const char *text)
{
	guest_says(text, strlen(text));
}

/* What the client wrote since the last look. */
static char *guest_hears(void)
{
	static char buf[1 << 20];
	ssize_t n = recv(guest, buf, sizeof buf - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static unsigned heard_id(void)
{
	const char *at = strstr(guest_hears(), "\"id\":");

	ck_assert_ptr_nonnull(at);
	return (unsigned)strtoul(at + 5, NULL, 10);
}

static void become_synced(void)
{
	CLEANUP(free) char *text = NULL;

	agent_sync(agent, on_sync, NULL);
	text = str_printf("\xff{\"return\": %u}\n", heard_id());
	guest_says_text(text);
	ck_assert(agent_is_synced(agent));
}

/* Answers every sync that is called out, until one was not too late. */
static void becomes_synced_anew(void)
{
	for (unsigned id = 1; id < 1000 && !agent_is_synced(agent); id++) {
		CLEANUP(free) char *text = str_printf("\xff{\"return\": %u}\n", id);

		guest_says_text(text);
	}
	ck_assert(agent_is_synced(agent));
	(void)guest_hears();
}

START_TEST(test_sync)
{
	char *heard;

	agent_sync(agent, on_sync, NULL);
	heard = guest_hears();
	ck_assert_int_eq((unsigned char)heard[0], 0xff);
	ck_assert_ptr_nonnull(strstr(heard, "guest-sync-delimited"));
	/* A stale answer, then the right one. */
	guest_says_text("\xff{\"return\": 99}\n");
	ck_assert(!agent_is_synced(agent));
	guest_says_text("{\"return\": {}}\ngarbage\xff{\"return\": 1}\n");
	ck_assert(agent_is_synced(agent));
	ck_assert_uint_eq(n_synced, 1);
}
END_TEST

/* Waits until another sync is called out, but not for long. Returns its number or 0. */
static unsigned next_id(void)
{
	nsec_t until = clock_now() + 400 * NSEC_PER_MSEC;

	do {
		const char *at;

		ck_assert_int_ge(loop_step(loop, until), 0);
		at = strstr(guest_hears(), "\"id\":");
		if (at)
			return (unsigned)strtoul(at + 5, NULL, 10);
	} while (clock_now() < until);
	return 0;
}

/* On a busy host each answer comes when the next sync is on its way. */
START_TEST(test_sync_answered_late)
{
	unsigned id = 0;

	agent_sync(agent, on_sync, NULL);
	for (unsigned next = heard_id(); !agent_is_synced(agent) && id < 10; next = next_id()) {
		/* The last but one; the last only when no other follows it. */
		CLEANUP(free) char *text = str_printf("\xff{\"return\": %u}\n", id);

		guest_says_text(text);
		if (next > 0)
			id = next;
	}
	ck_assert_msg(agent_is_synced(agent), "still not after %u syncs", id);
	ck_assert_uint_eq(n_synced, 1);
}
END_TEST

/* What QEMU's agent says of each 0xFF is no call's answer: the newest number's ends it. */
START_TEST(test_older_syncs_answers_are_no_calls)
{
	agent_sync(agent, on_sync, NULL);
	ck_assert_uint_eq(heard_id(), 1);
	ck_assert_uint_eq(next_id(), 2);
	ck_assert_int_eq(agent_call(agent, "guest-ping", NULL, NSEC_NEVER, on_reply, NULL), 0);
	guest_says_text("{\"error\": {\"desc\": \"stray\"}}\n\xff{\"return\": 1}\n");
	guest_says_text("{\"error\": {\"desc\": \"stray\"}}\n");
	ck_assert_uint_eq(n_replies, 0);
	guest_says_text("\xff{\"return\": 2}\n");
	ck_assert_str_eq(guest_hears(), "{\"execute\":\"guest-ping\"}\n");
	guest_says_text("{\"return\": {}}\n");
	ck_assert_uint_eq(n_replies, 1);
	ck_assert_str_eq(last_error, "");
}
END_TEST

START_TEST(test_sync_interval)
{
	static const unsigned ms[] = { 100, 200, 400, 800, 1600, 3200, 3200 };

	for (unsigned i = 0; i < sizeof ms / sizeof ms[0]; i++)
		ck_assert_int_eq(agent_sync_wait(i), ms[i] * NSEC_PER_MSEC);
	ck_assert_int_eq(agent_sync_wait(UINT_MAX), 3200 * NSEC_PER_MSEC);
}
END_TEST

START_TEST(test_call)
{
	become_synced();
	ck_assert_int_eq(agent_call(agent, "guest-ping", NULL, NSEC_NEVER, on_reply, NULL), 0);
	ck_assert_int_eq(agent_call(agent, "guest-info", NULL, NSEC_NEVER, on_reply, NULL), 0);
	/* One at a time. */
	ck_assert_str_eq(guest_hears(), "{\"execute\":\"guest-ping\"}\n");
	guest_says_text("{\"return\": {}}\n");
	ck_assert_uint_eq(n_replies, 1);
	ck_assert_str_eq(guest_hears(), "{\"execute\":\"guest-info\"}\n");
	guest_says_text("{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n");
	ck_assert_uint_eq(n_replies, 2);
	ck_assert_str_eq(last_error, "no");
}
END_TEST

START_TEST(test_calls_before_sync_wait)
{
	ck_assert_int_eq(agent_call(agent, "guest-ping", NULL, NSEC_NEVER, on_reply, NULL), 0);
	ck_assert_str_eq(guest_hears(), "");
	become_synced();
	ck_assert_str_eq(guest_hears(), "{\"execute\":\"guest-ping\"}\n");
}
END_TEST

static const struct {
	const char *bytes;
	size_t len;
} hostile[] = {
#define H(s) { s, sizeof s - 1 }
	H("not json\n"),
	H("{\n"),
	H("[[[[[[\n"),
	H("\0\0\0\n"),
	H("\"text\"\n"),
	H("{\"return\": \"\\ud800\"}\n"),
	H("\xff\xff\xff\n"),
};

START_TEST(test_hostile_answers)
{
	become_synced();
	ck_assert_int_eq(agent_call(agent, "guest-ping", NULL, NSEC_NEVER, on_reply, NULL), 0);
	(void)guest_hears();
	guest_says(hostile[_i].bytes, hostile[_i].len);
	ck_assert_uint_eq(n_replies, 1);
	ck_assert_str_ne(last_error, "");
	ck_assert(!agent_is_synced(agent));
}
END_TEST

START_TEST(test_what_is_no_answer_is_dropped)
{
	become_synced();
	ck_assert_int_eq(agent_call(agent, "guest-ping", NULL, NSEC_NEVER, on_reply, NULL), 0);
	guest_says_text("{\"event\": \"hello\"}\n{}\n");
	ck_assert_uint_eq(n_replies, 0);
	guest_says_text("{\"return\": 7}\n");
	ck_assert_uint_eq(n_replies, 1);
	ck_assert_int_eq((int)json_integer_value(last_result), 7);
	guest_says_text("{\"return\": 8}\n"); /* nobody asked */
	ck_assert_uint_eq(n_replies, 1);
}
END_TEST

START_TEST(test_timeout_then_stale_answer)
{
	CLEANUP(free) char *text = NULL;

	become_synced();
	ck_assert_int_eq(agent_call(agent, "guest-ping", NULL, 0, on_reply, NULL), 0);
	turn();
	ck_assert_uint_eq(n_replies, 1);
	ck_assert_str_eq(last_error, "the guest agent does not answer");
	guest_says_text("{\"return\": {}}\n"); /* too late */
	ck_assert_uint_eq(n_replies, 1);
	text = str_printf("\xff{\"return\": %u}\n", 2);
	guest_says_text(text);
	ck_assert(agent_is_synced(agent));
}
END_TEST

/* A call has its time from when it is on the wire, and there none comes behind one that was in vain. */
START_TEST(test_timeout_fails_what_waits)
{
	become_synced();
	ck_assert_int_eq(agent_call(agent, "guest-ping", NULL, 0, on_reply, NULL), 0);
	ck_assert_int_eq(agent_call(agent, "nobody-waits", NULL, NSEC_NEVER, NULL, NULL), 0);
	ck_assert_int_eq(agent_call(agent, "guest-info", NULL, NSEC_NEVER, on_reply, NULL), 0);
	turn();
	ck_assert_uint_eq(n_replies, 2);
	ck_assert_str_eq(last_error, "the guest agent does not answer");
	guest_says_text("\xff{\"return\": 2}\n");
	ck_assert_ptr_nonnull(strstr(guest_hears(), "nobody-waits"));
	guest_says_text("{\"return\": {}}\n");
	ck_assert_int_eq(agent_call(agent, "guest-info", NULL, NSEC_NEVER, on_reply, NULL), 0);
	ck_assert_ptr_nonnull(strstr(guest_hears(), "guest-info"));
}
END_TEST

START_TEST(test_end_of_stream)
{
	become_synced();
	ck_assert_int_eq(agent_call(agent, "a", NULL, NSEC_NEVER, on_reply, NULL), 0);
	ck_assert_int_eq(agent_call(agent, "b", NULL, NSEC_NEVER, on_reply, NULL), 0);
	(void)close(take_fd(&guest));
	turn();
	ck_assert_uint_eq(n_replies, 2);
	ck_assert_int_eq(agent_call(agent, "c", NULL, NSEC_NEVER, on_reply, NULL), -EPIPE);
}
END_TEST

START_TEST(test_queue_is_bounded)
{
	for (int i = 0; i < AGENT_QUEUE_MAX; i++)
		ck_assert_int_eq(agent_call(agent, "a", NULL, NSEC_NEVER, NULL, NULL), 0);
	ck_assert_int_eq(agent_call(agent, "a", NULL, NSEC_NEVER, NULL, NULL), -ENOBUFS);
}
END_TEST

/* The growth of this process' largest size, in KiB. */
static long grown_since(long before)
{
	struct rusage usage;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss - before;
}

enum { FLOOD_PIECES = 720, PIECE_SIZE = 65536 }; /* 47 MB */

/* One line: @head, then "{}," without end. */
static void guest_floods(const char *head)
{
	static char piece[PIECE_SIZE];

	for (size_t i = 0; i < sizeof piece; i++)
		piece[i] = "{},"[i % 3];
	guest_says_text(head);
	for (int i = 0; i < FLOOD_PIECES; i++)
		guest_says(piece, sizeof piece - 1); /* a multiple of three */
	guest_says_text("{}]}\n");
}

static const struct {
	const char *execute, *head;
} floods[] = {
	{ "guest-ping", "{\"return\":[" },
	{ "guest-exec-status", "{\"return\":[" },
	{ "guest-exec-status", "{\"return\":{},\"x\":[" },
	{ "guest-ping", "{\"return\":\"" }, /* bytes alone */
};

START_TEST(test_answer_beyond_its_bound)
{
	long before = grown_since(0);

	become_synced();
	ck_assert_int_eq(agent_call(agent, floods[_i].execute, NULL, NSEC_NEVER, on_reply, NULL), 0);
	guest_floods(floods[_i].head);
	ck_assert_uint_eq(n_replies, 1);
	ck_assert_str_eq(last_error, "the guest agent's answer is larger than what was asked for");
	ck_assert_int_lt(grown_since(before), 8 << 10);
	/* The stream goes on behind the line. */
	ck_assert(!agent_is_synced(agent));
	becomes_synced_anew();
	ck_assert_int_eq(agent_call(agent, "guest-ping", NULL, NSEC_NEVER, on_reply, NULL), 0);
	guest_says_text("{\"return\": {}}\n");
	ck_assert_str_eq(last_error, "");
}
END_TEST

START_TEST(test_unasked_bytes_are_not_kept)
{
	long before = grown_since(0);

	guest_floods("{\"return\":["); /* before anyone called */
	become_synced();
	guest_floods("{\"return\":[");
	ck_assert_int_lt(grown_since(before), 8 << 10);
	/* The end of a line that began before the question is no answer to it. */
	guest_says_text("{\"return\": [");
	ck_assert_int_eq(agent_call(agent, "guest-ping", NULL, NSEC_NEVER, on_reply, NULL), 0);
	guest_says_text("5]}\n");
	ck_assert_uint_eq(n_replies, 0);
	guest_says_text("{\"return\": 7}\n");
	ck_assert_int_eq((int)json_integer_value(last_result), 7);
}
END_TEST

START_TEST(test_large_answers_that_were_asked_for)
{
	static char line[400 << 10];
	size_t n = (size_t)snprintf(line, sizeof line, "{\"return\":{\"buf-b64\":\"");

	memset(line + n, 'A', 341 << 10); /* a little less than 256 KiB in base64 */
	n += 341 << 10;
	n += (size_t)snprintf(line + n, sizeof line - n, "\"}}\n");
	become_synced();
	ck_assert_int_eq(agent_call(agent, "guest-file-read", json_pack("{s:i}", "count", 256 << 10),
				    NSEC_NEVER, on_reply, NULL), 0);
	for (size_t at = 0; at < n; at += PIECE_SIZE)
		guest_says(line + at, n - at < PIECE_SIZE ? n - at : PIECE_SIZE);
	ck_assert_uint_eq(n_replies, 1);
	ck_assert_str_eq(last_error, "");
}
END_TEST

static void free_agent(void *ctx, json_t *result, const char *error)
{
	(void)ctx;
	(void)result;
	(void)error;
	agent = agent_free(agent);
	n_replies++;
}

START_TEST(test_free_from_a_reply)
{
	become_synced();
	ck_assert_int_eq(agent_call(agent, "a", NULL, NSEC_NEVER, free_agent, NULL), 0);
	ck_assert_int_eq(agent_call(agent, "b", NULL, NSEC_NEVER, free_agent, NULL), 0);
	guest_says_text("{\"return\": {}}\n{\"return\": {}}\n");
	ck_assert_uint_eq(n_replies, 1);
}
END_TEST

/* ---- exec ------------------------------------------------------------------------ */

static unsigned n_done;
static int done_status;
static char done_out[100], done_error[200];
static struct exec_job *job;

static void on_done(void *ctx, const struct exec_result *r)
{
	(void)ctx;
	n_done++;
	job = NULL;
	done_status = r->status;
	(void)snprintf(done_out, sizeof done_out, "%.*s", (int)r->out.len,
		       r->out.len ? (const char *)r->out.data : "");
	(void)snprintf(done_error, sizeof done_error, "%s", r->error ? r->error : "");
}

static void exec_again(nsec_t timeout, exec_part_fn *part)
{
	static const char *const env[] = { "A=b" };
	struct exec_spec spec = { .argv = json_pack("[s,s,s]", "/bin/sh", "-c", "true"), .part = part,
				  .env = env, .n_env = 1, .timeout_ns = timeout };

	n_done = 0;
	ck_assert_int_eq(exec_start(loop, agent, &spec, on_done, NULL, &job), 0);
	json_decref(spec.argv);
}

static void exec_begin(nsec_t timeout)
{
	become_synced();
	exec_again(timeout, NULL);
}

static bool on_part(void *ctx, const char *stream, const struct bytes *part)
{
	(void)ctx;
	(void)stream;
	(void)part;
	return true;
}

/* The poll's timer is a few milliseconds: the loop waits for it itself. */
static void until_asked(void)
{
	for (int i = 0; i < 100; i++) {
		ck_assert_int_ge(loop_step(loop, clock_now() + NSEC_PER_SEC), 0);
		if (strstr(guest_hears(), "guest-exec-status"))
			return;
	}
	ck_abort_msg("no guest-exec-status came");
}

START_TEST(test_exec)
{
	char *heard;

	exec_begin(NSEC_NEVER);
	heard = guest_hears();
	ck_assert_ptr_nonnull(strstr(heard, "\"path\":\"/bin/sh\",\"arg\":[\"-c\",\"true\"]"));
	ck_assert_ptr_nonnull(strstr(heard, "\"A=b\""));
	ck_assert_ptr_nonnull(strstr(heard, "\"capture-output\":true"));
	guest_says_text("{\"return\": {\"pid\": 5}}\n");
	until_asked();
	guest_says_text("{\"return\": {\"exited\": false}}\n");
	until_asked();
	guest_says_text("{\"return\": {\"exited\": true, \"exitcode\": 3, \"out-data\": \"aGkK\"}}\n");
	ck_assert_uint_eq(n_done, 1);
	ck_assert_int_eq(done_status, 3);
	ck_assert_str_eq(done_out, "hi\n");
	ck_assert_str_eq(done_error, "");
}
END_TEST

START_TEST(test_exec_signal)
{
	exec_begin(NSEC_NEVER);
	guest_says_text("{\"return\": {\"pid\": 5}}\n");
	until_asked();
	guest_says_text("{\"return\": {\"exited\": true, \"signal\": 9}}\n");
	ck_assert_int_eq(done_status, 137);
}
END_TEST

static const char *const bad_starts[] = {
	"{\"return\": {}}\n", "{\"return\": {\"pid\": -1}}\n", "{\"return\": 5}\n",
	"{\"return\": {\"pid\": \"5\"}}\n", "{\"error\": {\"desc\": \"no such file\"}}\n", "what\n",
};

START_TEST(test_exec_bad_start)
{
	exec_begin(NSEC_NEVER);
	guest_says_text(bad_starts[_i]);
	ck_assert_uint_eq(n_done, 1);
	ck_assert_str_ne(done_error, "");
}
END_TEST

/* The words of qemu-ga 7.2. */
static const char stream_refused[] =
	"{\"error\": {\"class\": \"GenericError\", \"desc\": \"Parameter 'stream-output' is unexpected\"}}\n";
static const char run_refused[] =
	"{\"error\": {\"class\": \"GenericError\", \"desc\": \"Guest agent command failed, error was 'Failed to execute "
	"child process \xe2\x80\x9c/usr/lib/muster/run\xe2\x80\x9d (No such file or directory)'\"}}\n";
static const char by_run[] = "\"path\":\"/usr/lib/muster/run\",\"arg\":[\"/bin/sh\",\"-c\",\"true\"]";
static const char as_it_is[] = "\"path\":\"/bin/sh\",\"arg\":[\"-c\",\"true\"]";

static void until_done(void)
{
	guest_says_text("{\"return\": {\"pid\": 5}}\n");
	until_asked();
	guest_says_text("{\"return\": {\"exited\": true, \"exitcode\": 0, \"out-data\": \"aGkK\"}}\n");
	ck_assert_uint_eq(n_done, 1);
	ck_assert_str_eq(done_error, "");
	ck_assert_str_eq(done_out, "hi\n");
}

/* QEMU's agent refuses "stream-output", in a caller's first command that takes parts (1) or not (0). It
 * is asked to run the image's own program, and remembered to be such until it may be another agent. */
START_TEST(test_exec_agent_without_streams)
{
	const char *heard;

	become_synced();
	exec_again(NSEC_NEVER, _i ? on_part : NULL);
	ck_assert_ptr_nonnull(strstr(guest_hears(), _i ? "\"stream-output\":true" : "\"stream-output\":false"));
	guest_says_text(stream_refused);
	heard = guest_hears();
	ck_assert_ptr_nonnull(strstr(heard, by_run));
	ck_assert_ptr_nonnull(strstr(heard, "\"capture-output\":true"));
	ck_assert_ptr_null(strstr(heard, "stream-output"));
	ck_assert_uint_eq(n_done, 0);
	until_done();
	exec_again(NSEC_NEVER, on_part);
	heard = guest_hears();
	ck_assert_ptr_nonnull(strstr(heard, by_run));
	ck_assert_ptr_null(strstr(heard, "stream-output"));
	/* It is asked once only. */
	guest_says_text(stream_refused);
	ck_assert_uint_eq(n_done, 1);
	ck_assert_str_ne(done_error, "");
	agent_sync(agent, on_sync, NULL);
	ck_assert(!agent_lacks(agent, AGENT_LACKS_STREAM));
}
END_TEST

/* An image of somebody else's has the agent and not the program. */
START_TEST(test_exec_image_without_run)
{
	become_synced();
	exec_again(NSEC_NEVER, NULL);
	guest_says_text(stream_refused);
	ck_assert_ptr_nonnull(strstr(guest_hears(), by_run));
	guest_says_text(run_refused);
	ck_assert_ptr_nonnull(strstr(guest_hears(), as_it_is));
	until_done();
	exec_again(NSEC_NEVER, NULL);
	ck_assert_ptr_nonnull(strstr(guest_hears(), as_it_is));
	until_done();
}
END_TEST

/* What is streamed is asked for in parts, and an answer beyond them is not taken. */
START_TEST(test_exec_part_is_bounded)
{
	char *text = calloc(1, 500000);

	become_synced();
	exec_again(NSEC_NEVER, on_part);
	guest_says_text("{\"return\": {\"pid\": 5}}\n");
	until_asked();
	ck_assert_ptr_nonnull(text);
	(void)snprintf(text, 500000, "{\"return\": {\"exited\": false, \"out-data\": \"%0*d\"}}\n", _i ? 175000 : 450000, 0);
	for (size_t at = 0, len = strlen(text); at < len; at += 50000)
		guest_says(text + at, len - at < 50000 ? len - at : 50000);
	free(text);
	ck_assert_uint_eq(n_done, _i ? 0 : 1);
}
END_TEST

START_TEST(test_exec_bad_output)
{
	exec_begin(NSEC_NEVER);
	guest_says_text("{\"return\": {\"pid\": 5}}\n");
	until_asked();
	guest_says_text("{\"return\": {\"exited\": true, \"exitcode\": 0, \"out-data\": \"*!\"}}\n");
	ck_assert_uint_eq(n_done, 1);
	ck_assert_str_ne(done_error, "");
}
END_TEST

START_TEST(test_exec_timeout_kills)
{
	exec_begin(0);
	turn();
	ck_assert_uint_eq(n_done, 1);
	ck_assert_str_eq(done_error, "it did not end in time");
}
END_TEST

START_TEST(test_exec_free_forgets)
{
	exec_begin(NSEC_NEVER);
	job = exec_free(job);
	guest_says_text("{\"return\": {\"pid\": 5}}\n");
	ck_assert_uint_eq(n_done, 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("agent");
	TCase *t = tcase_create("agent");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_sync);
	tcase_add_test(t, test_sync_answered_late);
	tcase_add_test(t, test_older_syncs_answers_are_no_calls);
	tcase_add_test(t, test_sync_interval);
	tcase_add_test(t, test_call);
	tcase_add_test(t, test_calls_before_sync_wait);
	tcase_add_loop_test(t, test_hostile_answers, 0, (int)(sizeof hostile / sizeof *hostile));
	tcase_add_test(t, test_what_is_no_answer_is_dropped);
	tcase_add_test(t, test_timeout_then_stale_answer);
	tcase_add_test(t, test_timeout_fails_what_waits);
	tcase_add_test(t, test_end_of_stream);
	tcase_add_test(t, test_queue_is_bounded);
	tcase_add_loop_test(t, test_answer_beyond_its_bound, 0, (int)(sizeof floods / sizeof *floods));
	tcase_add_test(t, test_unasked_bytes_are_not_kept);
	tcase_add_test(t, test_large_answers_that_were_asked_for);
	tcase_add_test(t, test_free_from_a_reply);
	tcase_add_test(t, test_exec);
	tcase_add_test(t, test_exec_signal);
	tcase_add_loop_test(t, test_exec_bad_start, 0, (int)(sizeof bad_starts / sizeof *bad_starts));
	tcase_add_loop_test(t, test_exec_agent_without_streams, 0, 2);
	tcase_add_test(t, test_exec_image_without_run);
	tcase_add_loop_test(t, test_exec_part_is_bounded, 0, 2);
	tcase_add_test(t, test_exec_bad_output);
	tcase_add_test(t, test_exec_timeout_kills);
	tcase_add_test(t, test_exec_free_forgets);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
