/* cli/cmd_images.c: muster images. */
#include "cli/commands.h"
#include "teams/image.h"

#include <string.h>

/* True when it is there and made by the scripts as they are now. */
static bool is_built(const char *name)
{
	json_t *list = image_list(), *row;
	bool built = false;
	size_t i;

	json_array_foreach(list, i, row) {
		const char *row_name = json_string_value(json_object_get(row, "name"));
		const char *state = json_string_value(json_object_get(row, "state"));

		if (strcmp(row_name, name) == 0 && strcmp(state, "built") == 0)
			built = true;
	}
	json_decref(list);
	return built;
}

static int build(const char *name, bool if_missing)
{
	CLEANUP(free) char *why = NULL;

	if (if_missing && is_built(name))
		return EXIT_DONE;
	if (!image_is_buildable(name))
		return cli_fail(EXIT_NO_SUCH, "no image '%s' can be built ('muster images' lists them)", name);
	if (image_build(name, &why) < 0)
		return cli_fail(EXIT_FAILED, "image %s: %s", name, why ? why : "the build failed");
	return EXIT_DONE;
}

static void print_text(json_t *list)
{
	static const char *const head[] = { "NAME", "STATE", "SIZE", "PATH" };
	size_t n = json_array_size(list), i;
	const char **cells = calloc((n + 1) * 4, sizeof *cells);
	char(*sizes)[32] = calloc(n + 1, sizeof *sizes);
	json_t *o;

	if (!cells || !sizes)
		abort();
	memcpy(cells, head, sizeof head);
	json_array_foreach(list, i, o) {
		const char *name = json_string_value(json_object_get(o, "name"));
		const char *state = json_string_value(json_object_get(o, "state"));
		const char *path = json_string_value(json_object_get(o, "path"));
		json_int_t size = json_integer_value(json_object_get(o, "size_bytes"));

		cells[4 * i + 4] = name ? name : "?";
		cells[4 * i + 5] = state ? state : "?";
		cells[4 * i + 6] = size > 0 ? cli_size((uint64_t)size, sizes[i]) : "-";
		cells[4 * i + 7] = path ? path : "-";
	}
	cli_print_table(cells, n + 1, 4);
	free(cells);
	free(sizes);
}

int cmd_images(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		CLI_OPT_HELP, CLI_OPT_FORMAT, { "if-missing", no_argument, NULL, OPT_IF_MISSING }, CLI_OPT_END
	};
	bool json = false, if_missing = false;
	json_t *list;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
		if_missing |= c == OPT_IF_MISSING;
	}
	if (argc - optind == 2 && strcmp(argv[optind], "build") == 0)
		return build(argv[optind + 1], if_missing);
	if (argc != optind)
		return cli_usage(cmd, "only 'build NAME' may follow");
	list = image_list();
	if (json) {
		cli_print_json(list);
		return EXIT_DONE;
	}
	print_text(list);
	json_decref(list);
	return EXIT_DONE;
}
