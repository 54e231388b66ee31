/* cli/cmd_check.c: muster check. */
#include "cli/commands.h"

#include "teams/host_memory.h"

#include <sys/sysinfo.h>

/* Warns of what this host has too little of. */
static void say_load(const struct team *team)
{
	CLEANUP(free) char *load = NULL;
	uint64_t available;

	if (host_memory_available("", &available) < 0)
		available = UINT64_MAX;
	load = host_load_str(team, available, (unsigned)get_nprocs());
	if (load)
		(void)fprintf(stderr, "%s: warning: %s", team->file, load);
}

int cmd_check(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT,
						 { "untrusted", no_argument, NULL, OPT_UNTRUSTED },
						 { "set", required_argument, NULL, OPT_SET }, CLI_OPT_END };
	struct cli_sets sets = { 0 };
	bool untrusted = false;
	bool json = false, verbose = false;
	struct team *team = NULL;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":v", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
		untrusted |= c == OPT_UNTRUSTED;
		if (c == OPT_SET && cli_set(cmd, optarg, &sets) != 0)
			return EXIT_USAGE;
		verbose |= c == 'v';
	}
	if (argc - optind != 1)
		return cli_usage(cmd, "one team file is needed");
	status = cli_load(argv[optind], sets.list, sets.n, NULL, untrusted, &team);
	if (status != 0)
		return status;
	if (verbose)
		say_load(team);
	if (json) {
		cli_print_json(team_plan_json(team));
	} else if (verbose) {
		CLEANUP(free) char *text = team_plan_text(team);
		CLEANUP(free) char *touches = team_touches_text(team);

		(void)fputs(text, stdout);
		(void)fputs(touches, stdout);
	}
	(void)team_free(team);
	return EXIT_DONE;
}
