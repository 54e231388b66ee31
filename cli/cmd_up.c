/* cli/cmd_up.c: muster up. */
#include "cli/commands.h"
#include "cli/up.h"

static int bring_up(const struct team *team, const struct up_options *opt)
{
	char seconds[32];
	nsec_t start = clock_now();
	struct up up;
	int status = up_start(team, opt, &up);

	if (status == 0) {
		if (!opt->json)
			(void)fprintf(stderr, "team %s is up (%zu VM%s, %s)\n", team->name, team->n_vms,
				      team->n_vms == 1 ? "" : "s",
				      cli_duration((double)(clock_now() - start) / 1e9, seconds));
		if (opt->sup.foreground)
			status = up_stay(&up, opt);
	}
	up_done(&up);
	return status;
}

int cmd_up(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		CLI_OPT_HELP, CLI_OPT_FORMAT,
		{ "untrusted", no_argument, NULL, OPT_UNTRUSTED },
		{ "set", required_argument, NULL, OPT_SET },
		{ "name", required_argument, NULL, OPT_NAME },
		{ "foreground", no_argument, NULL, OPT_FOREGROUND },
		{ "keep", no_argument, NULL, OPT_KEEP },
		{ "replace", no_argument, NULL, OPT_REPLACE },
		CLI_OPT_END,
	};
	struct up_options opt = { 0 };
	struct cli_sets sets = { 0 };
	const char *name = NULL;
	bool untrusted = false;
	struct team *team = NULL;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &opt.json) != 0)
			return EXIT_USAGE;
		untrusted |= c == OPT_UNTRUSTED;
		if (c == OPT_SET && cli_set(cmd, optarg, &sets) != 0)
			return EXIT_USAGE;
		if (c == OPT_NAME)
			name = optarg;
		opt.sup.foreground |= c == OPT_FOREGROUND;
		opt.sup.keep |= c == OPT_KEEP;
		opt.replace |= c == OPT_REPLACE;
	}
	if (argc - optind != 1)
		return cli_usage(cmd, "one team file is needed");
	if (name && !store_name_is_valid(name))
		return cli_usage(cmd, "'%s' cannot be a team's name ([a-z0-9][a-z0-9-]{0,31})", name);
	if (!cli_is_file(argv[optind]))
		return cli_fail(EXIT_NO_SUCH, "team %s is not suspended; a team file's name has a '/' or ends in '.yaml': ./%s",
				argv[optind], argv[optind]);
	status = cli_load(argv[optind], sets.list, sets.n, name, untrusted, &team);
	if (status == 0)
		status = bring_up(team, &opt);
	(void)team_free(team);
	return status;
}
