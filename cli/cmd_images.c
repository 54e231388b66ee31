/* cli/cmd_images.c: muster images [list | build | remove | info]. */
#include "cli/commands.h"
#include "teams/image.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { N_COLUMNS = 5 };

struct images_options {
	bool json, if_missing;
};

/* The row of the image @name, or NULL. The caller's. */
static json_t *find(const char *name)
{
	json_t *list = image_list(), *row, *found = NULL;
	size_t i;

	json_array_foreach(list, i, row)
		if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
			found = json_incref(row);
	json_decref(list);
	return found;
}

/* True when it is there and made by the scripts as they are now. */
static bool is_built(const char *name)
{
	json_t *row = find(name);
	const char *state = json_string_value(json_object_get(row, "state"));
	bool built = state && strcmp(state, "built") == 0;

	json_decref(row);
	return built;
}

static int build(const struct images_options *opt, const char *name)
{
	CLEANUP(free) char *why = NULL;

	if (opt->if_missing && is_built(name))
		return EXIT_DONE;
	if (!image_is_buildable(name))
		return cli_fail(EXIT_NO_SUCH, "no image '%s' can be built ('muster images' lists them)", name);
	if (image_build(name, &why) < 0)
		return cli_fail(EXIT_FAILED, "image %s: %s", name, why ? why : "the build failed");
	return EXIT_DONE;
}

/* Several are built side by side. Returns the status of the first that is not done. */
static int build_all(const struct images_options *opt, char **names, int n)
{
	CLEANUP(free) pid_t *pids = calloc((size_t)n, sizeof *pids);
	int status = EXIT_DONE;

	if (n == 1)
		return build(opt, names[0]);
	if (!pids)
		abort();
	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(build(opt, names[i]));
	}
	for (int i = 0; i < n; i++) {
		int one = 0;

		if (pids[i] < 0 || waitpid(pids[i], &one, 0) < 0 || !WIFEXITED(one))
			one = EXIT_FAILED;
		else
			one = WEXITSTATUS(one);
		if (status == EXIT_DONE)
			status = one;
	}
	return status;
}

static int remove_one(const char *name)
{
	CLEANUP(free) char *why = NULL;
	int r = image_remove(name, &why);

	if (r == -ENOENT)
		return cli_fail(EXIT_NO_SUCH, "no image '%s' is built ('muster images' lists them)", name);
	return r < 0 ? cli_fail(EXIT_FAILED, "image %s: %s", name, why) : EXIT_DONE;
}

/* "3 days" since the image was made. Into @buf (32 bytes); returns it. */
static const char *age(json_t *row, char *buf)
{
	json_t *built = json_object_get(row, "built_s");
	double seconds = (double)time(NULL) - (double)json_integer_value(built);

	if (!built)
		return "-";
	if (seconds < 2 * 86400)
		return cli_duration(seconds < 0 ? 0 : seconds, buf);
	(void)snprintf(buf, 32, "%.0f days", seconds / 86400);
	return buf;
}

static const char *text(json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s && *s ? s : "-";
}

static void print_text(json_t *list)
{
	static const char *const head[] = { "NAME", "STATE", "AGE", "SIZE", "PATH" };
	size_t n = json_array_size(list), i;
	const char **cells = calloc((n + 1) * N_COLUMNS, sizeof *cells);
	char(*made)[2][32] = calloc(n + 1, sizeof *made);
	json_t *o;

	if (!cells || !made)
		abort();
	memcpy(cells, head, sizeof head);
	json_array_foreach(list, i, o) {
		const char **row = cells + (i + 1) * N_COLUMNS;
		json_int_t size = json_integer_value(json_object_get(o, "size_bytes"));

		row[0] = text(o, "name");
		row[1] = text(o, "state");
		row[2] = age(o, made[i][0]);
		row[3] = size > 0 ? cli_size((uint64_t)size, made[i][1]) : "-";
		row[4] = text(o, "path");
	}
	cli_print_table(cells, n + 1, N_COLUMNS);
	free(cells);
	free(made);
}

static int list(const struct images_options *opt)
{
	json_t *all = image_list();

	if (opt->json) {
		cli_print_json(all);
		return EXIT_DONE;
	}
	print_text(all);
	json_decref(all);
	return EXIT_DONE;
}

static int info(const struct images_options *opt, const char *name)
{
	json_t *row = find(name);
	const char *key;
	char made[2][32];
	json_t *v;

	if (!row)
		return cli_fail(EXIT_NO_SUCH, "no image '%s' ('muster images' lists them)", name);
	if (opt->json) {
		cli_print_json(row);
		return EXIT_DONE;
	}
	json_object_foreach(row, key, v)
		if (json_is_string(v))
			(void)printf("%-12s %s\n", key, json_string_value(v));
	if (json_object_get(row, "size_bytes"))
		(void)printf("%-12s %s\n%-12s %s\n", "age", age(row, made[0]), "size",
			     cli_size((uint64_t)json_integer_value(json_object_get(row, "size_bytes")), made[1]));
	json_decref(row);
	return EXIT_DONE;
}

static int run(const struct command *cmd, const struct images_options *opt, int argc, char **argv)
{
	const char *verb = argc > 0 ? argv[0] : "list";
	int status = EXIT_DONE;

	if (strcmp(verb, "list") == 0 || strcmp(verb, "ls") == 0)
		return argc <= 1 ? list(opt) : cli_usage(cmd, "%s takes no names", verb);
	if (strcmp(verb, "build") != 0 && strcmp(verb, "remove") != 0 && strcmp(verb, "rm") != 0 &&
	    strcmp(verb, "info") != 0)
		return cli_usage(cmd, "unknown action '%s': it is list, build, remove or info", verb);
	if (argc < 2)
		return cli_usage(cmd, "%s: an image's name is needed", verb);
	if (verb[0] == 'b')
		return build_all(opt, argv + 1, argc - 1);
	for (int i = 1; i < argc && status == EXIT_DONE; i++)
		status = verb[0] == 'r' ? remove_one(argv[i]) : info(opt, argv[i]);
	return status;
}

int cmd_images(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		CLI_OPT_HELP, CLI_OPT_FORMAT, { "if-missing", no_argument, NULL, OPT_IF_MISSING }, CLI_OPT_END
	};
	struct images_options opt = { 0 };
	int c;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &opt.json) != 0)
			return EXIT_USAGE;
		opt.if_missing |= c == OPT_IF_MISSING;
	}
	return run(cmd, &opt, argc - optind, argv + optind);
}
