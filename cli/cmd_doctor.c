/* cli/cmd_doctor.c: muster doctor. */
#include "cli/commands.h"
#include "teams/doctor.h"

static void print_text(json_t *report)
{
	json_t *o;
	size_t i;

	json_array_foreach(report, i, o) {
		const char *advice = json_string_value(json_object_get(o, "advice"));

		(void)printf("%-4s %-18s %s\n", json_is_true(json_object_get(o, "ok")) ? "yes" : "no",
			     json_string_value(json_object_get(o, "name")),
			     json_string_value(json_object_get(o, "found")));
		if (advice)
			(void)printf("     %-18s -> %s\n", "", advice);
	}
}

int cmd_doctor(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT, CLI_OPT_END };
	bool json = false;
	json_t *report;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
	}
	if (argc != optind)
		return cli_usage(cmd, "it takes no arguments");
	report = doctor_report();
	if (json) {
		cli_print_json(report);
		return EXIT_DONE;
	}
	print_text(report);
	json_decref(report);
	return EXIT_DONE;
}
