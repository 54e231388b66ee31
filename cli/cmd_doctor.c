/* cli/cmd_doctor.c: muster doctor. */
#include "cli/commands.h"
#include "teams/doctor.h"

static const char *text(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* Needed: yes or no. Else yes, or "-": nothing is wrong without it. */
static void print_text(json_t *report, bool ready)
{
	size_t n = json_array_size(report), i, n_rows = 1;
	const char **cells = calloc((2 * n + 1) * 3, sizeof *cells);
	json_t *o;

	if (!cells)
		abort();
	cells[1] = "WHAT";
	cells[2] = "FOUND";
	json_array_foreach(report, i, o) {
		bool ok = json_is_true(json_object_get(o, "ok"));
		const char **row = cells + 3 * n_rows++;

		row[0] = ok ? "yes" : json_is_true(json_object_get(o, "needed")) ? "no" : "-";
		row[1] = text(o, "name");
		row[2] = text(o, "found");
		if (!ok)
			cells[3 * n_rows++ + 2] = text(o, "advice");
	}
	cells[0] = "";
	cli_print_table(cells, n_rows, 3);
	free(cells);
	(void)puts(ready ? "ready" : "not ready; what to do:");
	json_array_foreach(report, i, o)
		if (!ready && json_is_true(json_object_get(o, "needed")) && !json_is_true(json_object_get(o, "ok")))
			(void)printf("  %s\n", text(o, "advice"));
}

int cmd_doctor(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT, CLI_OPT_END };
	bool json = false, ready;
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
	ready = doctor_is_ready(report);
	if (json)
		cli_print_json(json_incref(report));
	else
		print_text(report, ready);
	json_decref(report);
	return ready ? EXIT_DONE : EXIT_HOST;
}
