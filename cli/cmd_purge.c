/* cli/cmd_purge.c: muster purge: removes what teams that are down left behind, and caches.
 *
 * Images stay: `muster images remove` is for them. */
#include "cli/commands.h"
#include "teams/reap.h"

#include <errno.h>
#include <string.h>

static void print_list(json_t *list)
{
	size_t n = json_array_size(list), i;
	const char **cells = calloc((n + 1) * 4, sizeof *cells);
	char(*sizes)[32] = calloc(n + 1, sizeof *sizes);
	static const char *const head[] = { "WHAT", "NAME", "SIZE", "PATH" };
	json_t *o;

	if (!cells || !sizes)
		abort();
	memcpy(cells, head, sizeof head);
	json_array_foreach(list, i, o) {
		const char **row = cells + (i + 1) * 4;

		row[0] = json_string_value(json_object_get(o, "kind"));
		row[1] = json_string_value(json_object_get(o, "name"));
		row[2] = cli_size((uint64_t)json_integer_value(json_object_get(o, "size_bytes")), sizes[i]);
		row[3] = json_string_value(json_object_get(o, "path"));
	}
	cli_print_table(cells, n + 1, 4);
	free(cells);
	free(sizes);
}

/* Asks on a terminal; elsewhere nothing is removed without --yes. Returns EXIT_DONE for yes. */
static int ask(void)
{
	char answer[8];

	if (!isatty(STDIN_FILENO))
		return cli_fail(EXIT_USAGE, "nothing is removed without --yes");
	(void)printf("Remove all of it? [y/N] ");
	(void)fflush(stdout);
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y') ? EXIT_DONE :
											       EXIT_FAILED;
}

static int remove_all(const struct store *store, json_t *list)
{
	int status = EXIT_DONE;
	uint64_t sum = 0;
	char size[32];
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		bool is_run = strcmp(json_string_value(json_object_get(o, "kind")), "run") == 0;
		int r;

		if (is_run)
			r = reap_left(store, json_string_value(json_object_get(o, "name"))) ? 0 : -EWOULDBLOCK;
		else
			r = store_remains_remove(store, o);
		if (r < 0)
			status = cli_fail(EXIT_FAILED, "%s: %s", json_string_value(json_object_get(o, "path")),
					  r == -EWOULDBLOCK ? "its team has come up" : strerror(-r));
		else
			sum += (uint64_t)json_integer_value(json_object_get(o, "size_bytes"));
	}
	(void)printf("%s freed\n", cli_size(sum, size));
	return status;
}

int cli_purge_team(const struct store *store, const char *team)
{
	json_t *list = store_remains(store, team);
	int status = EXIT_DONE;

	if (json_array_size(list) == 0) {
		(void)printf("nothing of team %s is left to remove\n", team);
	} else {
		print_list(list);
		status = remove_all(store, list);
	}
	json_decref(list);
	return status;
}

int cmd_purge(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT,
						 { "yes", no_argument, NULL, OPT_YES }, CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(free) char *why = NULL;
	bool yes = false, json = false;
	int c, status = EXIT_DONE;
	json_t *list;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
		yes |= c == OPT_YES;
	}
	if (yes && json)
		return cli_usage(cmd, "--format json lists and removes nothing: not with --yes");
	if (argc != optind)
		return cli_usage(cmd, "it takes no arguments ('muster down --purge TEAM' is for one team)");
	if (store_open(&store, &why) < 0)
		return cli_fail(EXIT_FAILED, "%s", why);
	list = store_remains(&store, NULL);
	if (json && !yes) {
		cli_print_json(list);
		return EXIT_DONE;
	}
	if (json_array_size(list) == 0) {
		(void)printf("nothing is left to remove\n");
	} else {
		print_list(list);
		status = yes ? EXIT_DONE : ask();
		if (status == EXIT_DONE)
			status = remove_all(&store, list);
	}
	json_decref(list);
	return status;
}
