/* cli/cmd_forward.c: muster forward. */
#include "cli/commands.h"

#include <string.h>

enum { COLUMNS = 4 };

static void print_forwards(json_t *forwards)
{
	static const char *const head[COLUMNS] = { "NETWORK", "PROTOCOL", "HOST", "TO" };
	const char **cells = calloc((json_array_size(forwards) + 1) * COLUMNS, sizeof *cells);
	char **hosts = calloc(json_array_size(forwards) + 1, sizeof *hosts);
	size_t i;
	json_t *f;

	if (!cells || !hosts)
		abort();
	memcpy(cells, head, sizeof head);
	json_array_foreach (forwards, i, f) {
		const char **row = cells + (i + 1) * COLUMNS, *on = cli_text(f, "on");

		hosts[i] = str_printf(strchr(on, ':') ? "[%s]:%lld" : "%s:%lld", on,
				      (long long)json_integer_value(json_object_get(f, "port")));
		row[0] = cli_text(f, "network");
		row[1] = cli_text(f, "protocol");
		row[2] = hosts[i];
		row[3] = cli_text(f, "to");
	}
	if (json_array_size(forwards) > 0)
		cli_print_table(cells, json_array_size(forwards) + 1, COLUMNS);
	for (i = 0; i < json_array_size(forwards); i++)
		free(hosts[i]);
	free(hosts);
	free(cells);
}

/* Makes the request of the words behind the team. Returns 0 or an exit status, which was said. */
static int build(const struct command *cmd, int argc, char **argv, json_t *msg)
{
	const char *op = argc > 0 ? argv[0] : "list";

	(void)json_object_set_new(msg, "op", json_string(op));
	if (strcmp(op, "list") == 0)
		return argc <= 1 ? 0 : cli_usage(cmd, "list takes no more arguments");
	if (strcmp(op, "add") != 0 && strcmp(op, "remove") != 0)
		return cli_usage(cmd, "unknown action '%s'", op);
	if (argc != 3)
		return cli_usage(cmd, "%s: a network and %s are needed", op,
				 op[0] == 'a' ? "a forward like tcp:8080=server:80" : "a port like tcp:8080");
	(void)json_object_set_new(msg, "network", json_string(argv[1]));
	(void)json_object_set_new(msg, "forward", json_string(argv[2]));
	return 0;
}

int cmd_forward(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT, CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(fd) int fd = -1;
	json_t *msg, *reply = NULL;
	bool json = false;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
	}
	if (argc - optind < 1)
		return cli_usage(cmd, "a team is needed");
	msg = json_pack("{s:s}", "do", "forward");
	status = build(cmd, argc - optind - 1, argv + optind + 1, msg);
	if (status == 0)
		status = cli_connect(argv[optind], &store, &fd);
	if (status != 0) {
		json_decref(msg);
		return status;
	}
	status = cli_call(fd, msg, NULL, NULL, &reply);
	if (status != 0)
		return status;
	if (json && json_object_get(reply, "forwards"))
		cli_print_json(json_incref(json_object_get(reply, "forwards")));
	else
		print_forwards(json_object_get(reply, "forwards"));
	json_decref(reply);
	return EXIT_DONE;
}
