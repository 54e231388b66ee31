/* cli/cmd_test.c: muster test: up, the tests, down, a table, the sum.
 *
 * The team is in the foreground: when this process is killed, it goes too. */
#include "cli/commands.h"
#include "cli/up.h"
#include "teams/test_run.h"

#include <string.h>

enum { SETS_MAX = 256 };

struct test_options {
	struct up_options up;
	const char *junit;
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

static int write_junit(const char *path, const struct team *team, const struct test_outcomes *all)
{
	CLEANUP(bytes) struct bytes xml = { 0 };
	int r;

	test_report_junit(team, all, &xml);
	r = file_write_all(path, xml.data, xml.len, 0644);
	return r < 0 ? cli_fail(EXIT_FAILED, "%s: %s", path, strerror(-r)) : 0;
}

static int run_tests(const struct team *team, const struct test_options *opt, struct up *up)
{
	struct test_outcomes all;
	int status = 0;

	test_run_all(up->fd, team, report, (void *)(uintptr_t)opt, &all);
	if (opt->tap) {
		CLEANUP(bytes) struct bytes tap = { 0 };

		test_report_tap(&all, &tap);
		(void)fwrite(tap.data, 1, tap.len, stdout);
	}
	if (opt->junit)
		status = write_junit(opt->junit, team, &all);
	if (!opt->keep && up_end(up) != 0 && status == 0)
		status = cli_fail(EXIT_FAILED, "team %s: tearing it down failed", team->name);
	(void)printf("%s%zu passed, %zu failed\n", opt->tap ? "# " : "", all.n_passed,
		     all.n - all.n_passed);
	if (status == 0 && all.n_passed != all.n)
		status = EXIT_FAILED;
	test_outcomes_done(&all);
	return status;
}

static int run(const struct team *team, const struct test_options *opt)
{
	struct up up;
	int status = up_start(team, &opt->up, &up);

	if (status == 0)
		status = run_tests(team, opt, &up);
	up_done(&up);
	return status;
}

int cmd_test(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		CLI_OPT_HELP,
		{ "set", required_argument, NULL, OPT_SET },
		{ "name", required_argument, NULL, OPT_NAME },
		{ "keep", no_argument, NULL, OPT_KEEP },
		{ "junit", required_argument, NULL, OPT_JUNIT },
		{ "tap", no_argument, NULL, OPT_TAP },
		CLI_OPT_END,
	};
	struct test_options opt = { 0 };
	const char *sets[SETS_MAX], *name = NULL;
	size_t n_sets = 0;
	struct team *team = NULL;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_SET && n_sets < SETS_MAX)
			sets[n_sets++] = optarg;
		if (c == OPT_NAME)
			name = optarg;
		if (c == OPT_JUNIT)
			opt.junit = optarg;
		opt.keep |= c == OPT_KEEP;
		opt.tap |= c == OPT_TAP;
	}
	if (argc - optind != 1)
		return cli_usage(cmd, "one team file is needed");
	if (name && !store_name_is_valid(name))
		return cli_usage(cmd, "'%s' cannot be a team's name ([a-z0-9][a-z0-9-]{0,31})", name);
	opt.up.sup.foreground = !opt.keep;
	opt.up.sup.keep = opt.keep;
	status = cli_load(argv[optind], sets, n_sets, name, &team);
	if (status == 0)
		status = run(team, &opt);
	(void)team_free(team);
	return status;
}
