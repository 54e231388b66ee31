/* cli/cmd_test.c: muster test: of a FILE: up, the tests, down; of a TEAM that is up: the tests
 * only, as its file has them now. A table, the sum, and reports.
 *
 * A team of a FILE is in the foreground: when this process is killed, it goes too. The report's
 * file is opened before anything starts, and written also when the set-up fails, which is then
 * the one test that failed. When nobody reads the output any more, the run ends, and the team of a FILE is
 * torn down; the report then has the rest as skipped. */
#include "cli/commands.h"
#include "cli/up.h"
#include "teams/test_run.h"
#include "topologies/suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct test_options {
	struct up_options up;
	const char *target, *name, *junit, *only;
	struct cli_sets sets;
	bool untrusted;
	nsec_t timeout_ns; /* 0: none */
	int junit_fd; /* -1: none */
	bool tap, keep;
};

static void indent(FILE *out, const char *text)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		cli_print(out, "        %.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

static void report(void *ctx, size_t index, const struct test_outcome *o)
{
	const struct test_options *opt = ctx;

	if (opt->tap)
		return;
	(void)printf("%-6s  %7.2f s  %s\n", o->passed ? "ok" : "FAILED", (double)o->duration_ns / 1e9,
		     o->test->name);
	(void)index;
	if (!o->passed)
		indent(stdout, o->why);
	(void)fflush(stdout);
}

/* Opens the report's file, so that one that cannot be written is known before anything starts. */
static int open_junit(struct test_options *opt)
{
	int flags;

	opt->junit_fd = -1;
	if (!opt->junit)
		return 0;
	opt->junit_fd = open(opt->junit, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
	if (opt->junit_fd < 0)
		return cli_fail(EXIT_FAILED, "%s: %s", opt->junit, strerror(errno));
	flags = fcntl(opt->junit_fd, F_GETFL);
	(void)fcntl(opt->junit_fd, F_SETFL, flags & ~O_NONBLOCK);
	return 0;
}

static int write_junit(const struct test_options *opt, const struct team *team, const struct test_outcomes *all)
{
	CLEANUP(bytes) struct bytes xml = { 0 };
	struct stat st;
	int r = 0;

	test_report_junit(team, all, &xml);
	if (fstat(opt->junit_fd, &st) == 0 && S_ISREG(st.st_mode) && ftruncate(opt->junit_fd, 0) < 0)
		r = -errno;
	if (r == 0)
		r = fd_write_all(opt->junit_fd, xml.data, xml.len);
	return r < 0 ? cli_fail(EXIT_FAILED, "%s: %s", opt->junit, strerror(-r)) : 0;
}

/* Writes the reports. Returns 0 or an exit status. */
static int write_reports(const struct test_options *opt, const struct team *team, const struct test_outcomes *all)
{
	if (opt->tap) {
		CLEANUP(bytes) struct bytes tap = { 0 };

		test_report_tap(all, &tap);
		(void)fwrite(tap.data, 1, tap.len, stdout);
	}
	return opt->junit ? write_junit(opt, team, all) : 0;
}

static void print_sum(const struct test_options *opt, const struct test_outcomes *all)
{
	(void)printf("%s%zu passed, %zu failed\n", opt->tap ? "# " : "", all->n_passed,
		     all->n - all->n_passed - all->n_skipped);
}

/* @up: NULL where the team stays as it is. */
static int run_tests(const struct team *team, const struct test_options *opt, int fd, struct up *up)
{
	nsec_t until = opt->timeout_ns > 0 ? clock_now() + opt->timeout_ns : NSEC_NEVER;
	struct test_outcomes all;
	int status, r;

	r = test_run_all(fd, team, until, STDOUT_FILENO, report, (void *)(uintptr_t)opt, &all);
	status = write_reports(opt, team, &all);
	if (up && !opt->keep && up_end(up) != 0 && status == 0)
		status = cli_fail(EXIT_FAILED, "team %s: tearing it down failed", team->name);
	print_sum(opt, &all);
	if (r == -EPIPE)
		status = EXIT_READER_GONE;
	else if (status == 0 && all.n_passed != all.n)
		status = EXIT_FAILED;
	test_outcomes_done(&all);
	return status;
}

static void report_no_set_up(const struct team *team, const struct test_options *opt, nsec_t duration_ns)
{
	struct test_outcomes all;

	test_run_none(team, cli_first_failure(), duration_ns, &all);
	report((void *)(uintptr_t)opt, 0, &all.list[0]);
	(void)write_reports(opt, team, &all);
	print_sum(opt, &all);
	test_outcomes_done(&all);
}

/* Leaves the tests called @only. Returns 0 or an exit status. */
static int select_tests(struct team *team, const char *only)
{
	struct suggestion near = { .word = only };
	size_t n = 0;
	char buf[80];

	for (size_t i = 0; only && i < team->n_tests; i++) {
		suggest_consider(&near, team->tests[i].name);
		if (strcmp(team->tests[i].name, only) == 0)
			team->tests[n++] = team->tests[i];
	}
	if (only)
		team->n_tests = n;
	return !only || n > 0 ? 0 : cli_fail(EXIT_USAGE, "no test '%s'%s", only, suggest_str(&near, buf, sizeof buf));
}

static int test_file(struct test_options *opt)
{
	nsec_t start = clock_now();
	struct team *team = NULL;
	struct up up;
	int status = cli_load(opt->target, opt->sets.list, opt->sets.n, opt->name, opt->untrusted, &team);

	if (status == 0)
		status = select_tests(team, opt->only);
	if (status == 0) {
		status = up_start(team, &opt->up, &up);
		if (status == 0)
			status = run_tests(team, opt, up.fd, &up);
		else
			report_no_set_up(team, opt, clock_now() - start);
		up_done(&up);
	}
	(void)team_free(team);
	return status;
}

static int test_team(struct test_options *opt)
{
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(fd) int fd = -1;
	struct team *team = NULL;
	json_t *reply = NULL;
	const char *file;
	int status = cli_connect(opt->target, &store, &fd);

	if (status == 0)
		status = cli_call(fd, json_pack("{s:s}", "do", "status"), NULL, NULL, &reply);
	if (status != 0)
		return status;
	file = json_string_value(json_object_get(reply, "file"));
	status = cli_load(file ? file : "", opt->sets.list, opt->sets.n, opt->target,
			  opt->untrusted || json_is_true(json_object_get(reply, "untrusted")), &team);
	if (status == 0)
		status = select_tests(team, opt->only);
	if (status == 0)
		status = run_tests(team, opt, fd, NULL);
	json_decref(reply);
	(void)team_free(team);
	return status;
}

/* Returns -1 when the command goes on, else an exit status. */
static int read_options(const struct command *cmd, int argc, char **argv, struct test_options *opt)
{
	static const struct option options[] = {
		CLI_OPT_HELP,
		{ "untrusted", no_argument, NULL, OPT_UNTRUSTED },
		{ "set", required_argument, NULL, OPT_SET },
		{ "name", required_argument, NULL, OPT_NAME },
		{ "keep", no_argument, NULL, OPT_KEEP },
		{ "junit", required_argument, NULL, OPT_JUNIT },
		{ "tap", no_argument, NULL, OPT_TAP },
		{ "only", required_argument, NULL, OPT_ONLY },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		{ "capture-failed", required_argument, NULL, OPT_CAPTURE_FAILED },
		CLI_OPT_END,
	};
	int c;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_SET && cli_set(cmd, optarg, &opt->sets) != 0)
			return EXIT_USAGE;
		if (c == OPT_NAME)
			opt->name = optarg;
		if (c == OPT_JUNIT)
			opt->junit = optarg;
		if (c == OPT_ONLY)
			opt->only = optarg;
		if (c == OPT_TIMEOUT && (cli_parse_time(optarg, &opt->timeout_ns) < 0 || opt->timeout_ns == 0))
			return cli_usage(cmd, "--timeout is a time like 90s, not '%s'", optarg);
		if (c == OPT_CAPTURE_FAILED)
			return cli_fail(EXIT_USAGE, "test --capture-failed: not there yet");
		opt->untrusted |= c == OPT_UNTRUSTED;
		opt->keep |= c == OPT_KEEP;
		opt->tap |= c == OPT_TAP;
	}
	return -1;
}

int cmd_test(const struct command *cmd, int argc, char **argv)
{
	struct test_options opt = { .junit_fd = -1 };
	int status = read_options(cmd, argc, argv, &opt);
	bool is_file;

	if (status >= 0)
		return status;
	if (argc - optind != 1)
		return cli_usage(cmd, "one team file, or one team that is up, is needed");
	if (opt.name && !store_name_is_valid(opt.name))
		return cli_usage(cmd, "'%s' cannot be a team's name ([a-z0-9][a-z0-9-]{0,31})", opt.name);
	opt.target = argv[optind];
	is_file = cli_is_file(opt.target);
	if (!is_file && (opt.name || opt.keep || opt.sets.n > 0))
		return cli_usage(cmd, "--name, --keep and --set are for a FILE; '%s' is a team ('./%s' is a file)",
				 opt.target, opt.target);
	opt.up.sup.foreground = !opt.keep;
	opt.up.sup.keep = opt.keep;
	status = open_junit(&opt);
	if (status == 0)
		status = is_file ? test_file(&opt) : test_team(&opt);
	cleanup_fd(&opt.junit_fd);
	return status;
}
