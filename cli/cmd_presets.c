/* cli/cmd_presets.c: muster presets. */
#include "cli/commands.h"

static json_t *preset_json(const struct preset *p)
{
	return json_pack("{s:s,s:s,s:s,s:o,s:o,s:I}", "name", p->name, "description",
			 p->description ? p->description : "", "source", p->source ? p->source : "", "up",
			 shape_dir_json(&p->up), "down", shape_dir_json(&p->down), "mtu",
			 (json_int_t)p->mtu);
}

static void print_text(void)
{
	const char **cells = calloc((n_presets + 1) * 4, sizeof *cells);
	char **owned = calloc(n_presets * 2 + 1, sizeof *owned);

	if (!cells || !owned)
		abort();
	cells[0] = "PRESET";
	cells[1] = "DOWN";
	cells[2] = "UP";
	cells[3] = "SOURCE";
	for (size_t i = 0; i < n_presets; i++) {
		owned[2 * i] = shape_dir_str(&presets[i].down);
		owned[2 * i + 1] = shape_dir_str(&presets[i].up);
		cells[4 * i + 4] = presets[i].name;
		cells[4 * i + 5] = owned[2 * i];
		cells[4 * i + 6] = owned[2 * i + 1];
		cells[4 * i + 7] = presets[i].source ? presets[i].source : "";
	}
	cli_print_table(cells, n_presets + 1, 4);
	for (size_t i = 0; i < n_presets * 2; i++)
		free(owned[i]);
	free(owned);
	free(cells);
}

int cmd_presets(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT, CLI_OPT_END };
	bool json = false;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
	}
	if (argc != optind)
		return cli_usage(cmd, "it takes no arguments");
	if (json) {
		json_t *list = json_array();

		for (size_t i = 0; i < n_presets; i++)
			(void)json_array_append_new(list, preset_json(&presets[i]));
		cli_print_json(list);
	} else {
		print_text();
	}
	return EXIT_DONE;
}
