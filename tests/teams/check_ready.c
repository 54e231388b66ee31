/* tests/teams/check_ready.c: readiness on driven time, the
 * matcher of tests, the reports, the undo stack. */
#include "tests/unit.h"

#include "core/bytes.h"
#include "teams/ready.h"
#include "teams/ready_tcp.h"
#include "teams/test_match.h"
#include "teams/test_run.h"
#include "teams/undo.h"

#include <string.h>
#include <unistd.h>

#define S NSEC_PER_SEC
#define MS NSEC_PER_MSEC

static const char *run_lines[] = { "first", "second" };
static const struct team_vm plain = { .name = "vm", .ready_timeout_ns = 60 * S };
static const struct team_vm full = { .name = "vm", .run = run_lines, .n_run = 2,
				     .ready_run = "check", .ready_timeout_ns = 60 * S };
static const struct exec_result good = { .status = 0 };

static struct exec_result bad(int status, const char *err)
{
	return (struct exec_result){ .status = status,
				     .err = { .data = (uint8_t *)(uintptr_t)err, .len = strlen(err) } };
}

/* The agent answers, and the set-up script did all. */
static void set_up(struct ready *r, nsec_t now)
{
	ready_agent_answers(r, now);
	ck_assert_int_eq(r->phase, READY_SETUP);
	ck_assert_ptr_nonnull(ready_command(r, now));
	ready_exec_ended(r, now, &good);
}

START_TEST(test_setup_fails)
{
	struct ready r = { 0 };
	struct exec_result no = bad(1, "ip addr add fd00::1/64 dev eth0: Permission denied\n");
	const char *look;

	ready_start(&r, &full, 0);
	ready_agent_answers(&r, S);
	look = ready_command(&r, S);
	ck_assert_ptr_nonnull(look);
	ck_assert_ptr_nonnull(strstr(look, "/run/muster-setup.failed"));
	ck_assert_int_eq(ready_due(&r), 60 * S);
	ready_exec_ended(&r, 2 * S, &no);
	ck_assert_int_eq(r.phase, READY_FAILED);
	ck_assert_str_eq(r.why, "its set-up failed: ip addr add fd00::1/64 dev eth0: Permission denied");
	ready_done(&r);
}
END_TEST

START_TEST(test_agent_alone)
{
	struct ready r = { 0 };

	ready_start(&r, &plain, 5 * S);
	ck_assert_int_eq(r.phase, READY_AGENT);
	ck_assert_int_eq(ready_due(&r), 65 * S);
	ck_assert_ptr_null(ready_command(&r, 6 * S));
	set_up(&r, 7 * S);
	ck_assert_int_eq(r.phase, READY_DONE);
	ck_assert_int_eq(ready_due(&r), NSEC_NEVER);
	ready_tick(&r, 100 * S);
	ck_assert_int_eq(r.phase, READY_DONE);
	ready_done(&r);
}
END_TEST

START_TEST(test_whole_way)
{
	struct ready r = { 0 };
	struct exec_result no = bad(1, "not yet\n");

	ready_start(&r, &full, 0);
	set_up(&r, S);
	ck_assert_str_eq(ready_command(&r, S), "first");
	ck_assert_ptr_null(ready_command(&r, S)); /* it runs */
	ready_exec_ended(&r, 2 * S, &good);
	ck_assert_str_eq(ready_command(&r, 2 * S), "second");
	ready_exec_ended(&r, 3 * S, &good);
	ck_assert_int_eq(r.phase, READY_CHECK);
	ck_assert_str_eq(ready_command(&r, 3 * S), "check");
	ready_exec_ended(&r, 4 * S, &no);
	/* Tried again, not at once. */
	ck_assert_int_eq(ready_due(&r), 4 * S + 250 * MS);
	ck_assert_ptr_null(ready_command(&r, 4 * S + 249 * MS));
	ck_assert_str_eq(ready_command(&r, 4 * S + 250 * MS), "check");
	ready_exec_ended(&r, 5 * S, &good);
	ck_assert_int_eq(r.phase, READY_DONE);
	ready_done(&r);
}
END_TEST

START_TEST(test_run_fails)
{
	struct ready r = { 0 };
	struct exec_result no = bad(9, "cannot\x1b[2J\n");

	ready_start(&r, &full, 0);
	set_up(&r, S);
	(void)ready_command(&r, S);
	ready_exec_ended(&r, 2 * S, &no);
	ck_assert_int_eq(r.phase, READY_FAILED);
	ck_assert_str_eq(r.why, "run line 1 of 2 failed: first\n  exit status 9: cannot?[2J");
	ck_assert_ptr_null(ready_command(&r, 3 * S));
	ready_done(&r);
}
END_TEST

START_TEST(test_timeouts)
{
	struct ready r = { 0 };
	struct exec_result no = bad(1, "refused");

	ready_start(&r, &full, 0);
	ready_tick(&r, 60 * S - 1);
	ck_assert_int_eq(r.phase, READY_AGENT);
	ready_tick(&r, 60 * S);
	ck_assert_int_eq(r.phase, READY_FAILED);
	ck_assert_str_eq(r.why, "not ready after 60 s: it waits for the guest agent to answer");

	ready_start(&r, &full, 0);
	set_up(&r, S);
	(void)ready_command(&r, S);
	ready_tick(&r, 60 * S);
	ck_assert_str_eq(r.why, "not ready after 60 s: it waits for run line 1 of 2: first");

	ready_start(&r, &full, 0);
	set_up(&r, S);
	for (int i = 0; i < 2; i++) {
		(void)ready_command(&r, S);
		ready_exec_ended(&r, S, &good);
	}
	(void)ready_command(&r, S);
	ready_exec_ended(&r, S, &no);
	ready_tick(&r, 60 * S);
	ck_assert_str_eq(r.why, "not ready after 60 s: it waits for its ready command: check\n"
				"  last: exit status 1: refused");
	ready_done(&r);
}
END_TEST

/* ---- conditions ---- */

static void says(struct ready *r, const char *text, nsec_t now)
{
	ready_console_output(r, text, strlen(text), now);
}

/* A port is asked for again until something listens there; the line is looked at by a grep of its own. */
START_TEST(test_tcp)
{
	static struct ip_addr address = { .family = IP_V4, .prefix_len = 24, .b = { 10, 0, 0, 128 } };
	struct team_nic nic = { .addresses = &address, .n_addresses = 1 };
	struct team_vm vm = { .name = "vm", .nics = &nic, .n_nics = 1, .ready_tcp = 8080, .ready_timeout_ns = 60 * S };
	struct exec_result no = bad(1, "nothing listens on port 8080\n");
	struct ready r = { 0 };
	const char *line;

	ready_start(&r, &vm, 0);
	set_up(&r, S);
	ck_assert_int_eq(r.phase, READY_TCP);
	line = ready_command(&r, S);
	ck_assert_ptr_nonnull(strstr(line, "8000000A):1F90 "));
	ready_exec_ended(&r, S, &no);
	ck_assert_int_eq(ready_due(&r), S + 250 * MS);
	{
		CLEANUP(free) char *waits = ready_waits_for(&r);

		ck_assert_str_eq(waits, "port 8080 to accept connections\n  last: exit status 1: nothing listens on port 8080");
	}
	ck_assert_ptr_nonnull(ready_command(&r, 2 * S));
	ready_exec_ended(&r, 2 * S, &good);
	ck_assert_int_eq(r.phase, READY_DONE);
	ready_done(&r);
}
END_TEST

/* Rows as the kernel writes them, and whether the port 8080 of 10.0.0.128, of fd00::1, or of any address is open. */
static const struct {
	const char *row;
	bool of_v4, of_v6, of_unknown;
} listening[] = {
	{ "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0", true, true, true },
	{ "   0: 8000000A:1F90 00000000:0000 0A 00000000:00000000", true, false, true },
	{ "  17: 0100007F:1F90 00000000:0000 0A 00000000:00000000", false, false, false },
	{ "   0: 8100000A:1F90 00000000:0000 0A 00000000:00000000", false, false, true },
	{ "   0: 8000000A:1F91 00000000:0000 0A 00000000:00000000", false, false, false },
	{ "   0: 8000000A:1F90 0200000A:1234 01 00000000:00000000", false, false, false },
	{ "   0: 8000000A:1F90 00000000:0000 07 00000000:00000000", false, false, false },
	{ "   0: 8000000A:1234 8000000A:1F90 0A 00000000:00000000", false, false, false },
	{ "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0", true, true, true },
	{ "   0: 0000000000000000FFFF00008000000A:1F90 00000000000000000000000000000000:0000 0A 0", true, false, true },
	{ "   0: 000000FD000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0", false, true, true },
	{ "   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0", false, false, false },
};

static bool is_open(const struct ip_addr *address, const char *row)
{
	struct ip_addr copy = address ? *address : (struct ip_addr){ 0 };
	struct team_nic nic = { .addresses = &copy, .n_addresses = address ? 1 : 0 };
	struct team_vm vm = { .nics = &nic, .n_nics = 1, .ready_tcp = 8080 };
	CLEANUP(free) char *line = ready_tcp_line(&vm);
	static const char tables[] = "/proc/net/tcp /proc/net/tcp6";
	char path[] = "/tmp/check_ready.XXXXXX";
	CLEANUP(fd) int fd = mkstemp(path);
	const char *at = strstr(line, tables);
	CLEANUP(free) char *command = NULL;
	int status;

	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(fd_write_all(fd, row, strlen(row)), 0);
	/* The table is a file of the test's instead of the kernel's. */
	command = str_printf("{ %.*s%s%s; } 2>/dev/null", (int)(at - line), line, path, at + sizeof tables - 1);
	status = system(command);
	(void)unlink(path);
	return status == 0;
}

START_TEST(test_tcp_lines)
{
	static const struct ip_addr v4 = { .family = IP_V4, .b = { 10, 0, 0, 128 } };
	static const struct ip_addr v6 = { .family = IP_V6, .b = { 0xfd, [15] = 1 } };

	ck_assert_int_eq(is_open(&v4, listening[_i].row), listening[_i].of_v4);
	ck_assert_int_eq(is_open(&v6, listening[_i].row), listening[_i].of_v6);
	ck_assert_int_eq(is_open(NULL, listening[_i].row), listening[_i].of_unknown);
}
END_TEST

START_TEST(test_console_without_agent)
{
	struct team_vm vm = { .name = "vm", .ready_console = "^login: $", .ready_no_agent = true, .ready_timeout_ns = 60 * S };
	struct ready r = { 0 };
	CLEANUP(free) char *waits = NULL;

	ready_start(&r, &vm, 0);
	ready_tick(&r, 0);
	ck_assert_int_eq(r.phase, READY_CONSOLE);
	ck_assert_ptr_null(ready_command(&r, S));
	ready_agent_answers(&r, S);
	ck_assert_int_eq(r.phase, READY_CONSOLE);
	waits = ready_waits_for(&r);
	ck_assert_str_eq(waits, "its console to say: ^login: $");
	ck_assert_int_eq(ready_due(&r), 60 * S);
	says(&r, "no login: \r\nlog", S);
	ck_assert_int_eq(ready_due(&r), S + 250 * MS);
	ready_tick(&r, S + 249 * MS);
	ck_assert_int_eq(ready_due(&r), S + 250 * MS);
	ready_tick(&r, S + 250 * MS);
	ck_assert_int_eq(r.phase, READY_CONSOLE);
	says(&r, "in: ", 2 * S); /* the line has no end */
	ready_tick(&r, 2 * S + 250 * MS);
	ck_assert_int_eq(r.phase, READY_DONE);
	ready_done(&r);
}
END_TEST

/* Said while the agent was awaited: it holds from then on. */
START_TEST(test_console_early)
{
	struct team_vm vm = { .name = "vm", .ready_console = "up", .ready_timeout_ns = 60 * S };
	struct ready r = { 0 };

	ready_start(&r, &vm, 0);
	says(&r, "it is up\n", S);
	ready_tick(&r, 2 * S);
	ck_assert_int_eq(r.phase, READY_AGENT);
	says(&r, "and more\n", 3 * S);
	set_up(&r, 4 * S);
	ck_assert_int_eq(r.phase, READY_DONE);
	ready_start(&r, &vm, 10 * S); /* another machine has said nothing */
	set_up(&r, 11 * S);
	ck_assert_int_eq(r.phase, READY_CONSOLE);
	ready_tick(&r, 70 * S);
	ck_assert_str_eq(r.why, "not ready after 60 s: it waits for its console to say: up");
	ready_done(&r);
}
END_TEST

/* A guest that floods the console hides nothing, and NUL bytes do not end the text. */
START_TEST(test_console_flood)
{
	struct team_vm vm = { .name = "vm", .ready_console = "^needle$", .ready_no_agent = true, .ready_timeout_ns = 60 * S };
	static char flood[200000];
	struct ready r = { 0 };

	ready_start(&r, &vm, 0);
	memset(flood, 'x', sizeof flood);
	ready_console_output(&r, flood, sizeof flood, S);
	ready_console_output(&r, "\0\nnee\0dle\n", 11, S);
	for (size_t i = 79; i < sizeof flood; i += 80)
		flood[i] = '\n';
	ready_console_output(&r, flood, sizeof flood, S);
	ready_tick(&r, S + 250 * MS);
	ck_assert_int_eq(r.phase, READY_DONE);
	ready_done(&r);
}
END_TEST

START_TEST(test_nothing_awaited)
{
	struct team_vm vm = { .name = "vm", .ready_no_agent = true, .ready_timeout_ns = 60 * S };
	struct ready r = { 0 };

	ready_start(&r, &vm, 5 * S);
	ck_assert_int_eq(ready_due(&r), 5 * S);
	ready_tick(&r, 5 * S);
	ck_assert_int_eq(r.phase, READY_DONE);
	ready_done(&r);
}
END_TEST

/* ---- matcher ------------------------------------------------------------------------- */

static const struct {
	enum match_kind kind;
	const char *pattern, *text;
	bool matches;
} matches[] = {
	{ MATCH_NONE, NULL, "x", true },
	{ MATCH_CONTAINS, "ell", "hello\n", true },
	{ MATCH_CONTAINS, "elo", "hello\n", false },
	{ MATCH_CONTAINS, "", "", true },
	{ MATCH_EQUALS, "hello", "hello\n", true },
	{ MATCH_EQUALS, "hello", "hello", true },
	{ MATCH_EQUALS, "hello", "hello\n\n", false },
	{ MATCH_EQUALS, "hello\n", "hello\n", true },
	{ MATCH_EQUALS, "", "", true },
	{ MATCH_REGEX, "^[0-9]+ms$", "a\n12ms\nb\n", true },
	{ MATCH_REGEX, "^[0-9]+ms$", "12 ms", false },
	{ MATCH_REGEX, "a.b", "a\nb", false },
	{ MATCH_REGEX, "(", "(", false },
};

START_TEST(test_match_text)
{
	struct match m = { .kind = matches[_i].kind, .text = matches[_i].pattern };
	CLEANUP(bytes) struct bytes text = { 0 };

	bytes_append_str(&text, matches[_i].text);
	ck_assert_int_eq(match_text(&m, &text), matches[_i].matches);
}
END_TEST

START_TEST(test_expectation)
{
	struct team_test t = { .expect_exit = 0, .out = { MATCH_CONTAINS, "yes" } };
	CLEANUP(bytes) struct bytes out = { 0 };
	struct bytes err = { 0 };
	char *why;

	bytes_append_str(&out, "no\x07\n");
	why = test_match(&t, 3, &out, &err);
	ck_assert_str_eq(why, "exit status 3, expected 0: no?");
	free(why);
	why = test_match(&t, 0, &out, &err);
	ck_assert_str_eq(why, "stdout does not contain 'yes'; it is: 'no?'");
	free(why);
	t.out.text = "no";
	ck_assert_ptr_null(test_match(&t, 0, &out, &err));
	t.expect_nonzero = true;
	ck_assert_ptr_null(test_match(&t, 137, &out, &err));
	why = test_match(&t, 0, &out, &err);
	ck_assert_str_eq(why, "exit status 0, expected nonzero: no?");
	free(why);
}
END_TEST

START_TEST(test_reports)
{
	struct team_test a = { .name = "a <b> & \"c\"" }, b = { .name = "b #1" };
	struct test_outcome list[2] = { { .test = &a, .passed = true, .duration_ns = S / 2 },
					{ .test = &b, .why = (char *)(uintptr_t)"x\ny" } };
	struct test_outcomes all = { .list = list, .n = 2, .n_passed = 1 };
	struct team team = { .name = "t" };
	CLEANUP(bytes) struct bytes junit = { 0 };
	CLEANUP(bytes) struct bytes tap = { 0 };

	test_report_junit(&team, &all, &junit);
	ck_assert_str_eq((char *)junit.data,
			 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			 "<testsuite name=\"t\" tests=\"2\" failures=\"1\" skipped=\"0\" time=\"0.500\">\n"
			 "  <testcase name=\"a &lt;b&gt; &amp; &quot;c&quot;\" classname=\"t\" time=\"0.500\">\n"
			 "  </testcase>\n"
			 "  <testcase name=\"b #1\" classname=\"t\" time=\"0.000\">\n"
			 "    <failure message=\"x\ny\"/>\n"
			 "  </testcase>\n"
			 "</testsuite>\n");
	test_report_tap(&all, &tap);
	ck_assert_str_eq((char *)tap.data, "TAP version 13\n1..2\nok 1 - a <b> & \"c\"\n"
					   "not ok 2 - b \\#1\n# x\n# y\n");
}
END_TEST

/* Bytes are bytes: what is UTF-8 stays, what is not, or is no XML character, is written as \xNN. */
START_TEST(test_reports_of_any_bytes)
{
	static const char said[] = "h\xc3\xa9 \xff \x1b[0m \xed\xa0\x80 \xef\xbf\xbf";
	static const char shown[] = "h\xc3\xa9 \\xff \\x1b[0m \\xed\\xa0\\x80 \\xef\\xbf\\xbf";
	struct test_outcomes all;
	struct team_test a = { .name = "a" };
	struct team team = { .name = "t", .tests = &a, .n_tests = 1 };
	CLEANUP(bytes) struct bytes junit = { 0 };
	CLEANUP(bytes) struct bytes tap = { 0 };

	test_run_none(&team, said, S, &all);
	test_report_junit(&team, &all, &junit);
	ck_assert_ptr_nonnull(strstr((char *)junit.data, shown));
	ck_assert_ptr_nonnull(strstr((char *)junit.data, "tests=\"2\" failures=\"1\" skipped=\"1\""));
	ck_assert_ptr_nonnull(strstr((char *)junit.data, "<testcase name=\"set-up\""));
	ck_assert_ptr_nonnull(strstr((char *)junit.data, "<skipped/>"));
	test_report_tap(&all, &tap);
	ck_assert_ptr_nonnull(strstr((char *)tap.data, "not ok 1 - set-up\n# h\xc3\xa9 \\xff"));
	ck_assert_ptr_nonnull(strstr((char *)tap.data, "ok 2 - a # SKIP"));
	test_outcomes_done(&all);
}
END_TEST

/* ---- undo ---------------------------------------------------------------------------- */

static char undone[10];
static void undo_one(void *ctx)
{
	(void)strncat(undone, ctx, 1);
}

START_TEST(test_undo)
{
	struct undo u = { 0 };
	char names[] = "abcd";

	undone[0] = '\0';
	for (int i = 0; i < 4; i++)
		undo_push(&u, undo_one, names + i);
	undo_forget(&u, undo_one, names + 1);
	undo_forget(&u, undo_one, "z");
	undo_all(&u);
	ck_assert_str_eq(undone, "dca");
	undo_all(&u);
	ck_assert_str_eq(undone, "dca");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("ready");
	TCase *t = tcase_create("ready");

	tcase_add_test(t, test_agent_alone);
	tcase_add_test(t, test_setup_fails);
	tcase_add_test(t, test_whole_way);
	tcase_add_test(t, test_run_fails);
	tcase_add_test(t, test_timeouts);
	tcase_add_test(t, test_tcp);
	tcase_add_loop_test(t, test_tcp_lines, 0, (int)(sizeof listening / sizeof *listening));
	tcase_add_test(t, test_console_without_agent);
	tcase_add_test(t, test_console_early);
	tcase_add_test(t, test_console_flood);
	tcase_add_test(t, test_nothing_awaited);
	tcase_add_loop_test(t, test_match_text, 0, (int)(sizeof matches / sizeof *matches));
	tcase_add_test(t, test_expectation);
	tcase_add_test(t, test_reports);
	tcase_add_test(t, test_reports_of_any_bytes);
	tcase_add_test(t, test_undo);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
