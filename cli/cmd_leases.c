/* cli/cmd_leases.c: muster leases. */
#include "cli/commands.h"

#include <string.h>
#include <unistd.h>

enum { COLUMNS = 5 };

/* Appends the leases of @network to @all, page by page. Returns an exit status; what is wrong was said. */
static int ask_network(int fd, const char *network, json_t *all)
{
	CLEANUP(free) char *from = NULL;
	int status;

	do {
		json_t *ask = json_pack("{s:s,s:s}", "do", "leases", "network", network), *reply = NULL, *lease;
		const char *next;
		size_t i;

		if (from)
			(void)json_object_set_new(ask, "from", json_string(from));
		status = cli_call(fd, ask, NULL, NULL, &reply);
		free(from);
		from = NULL;
		if (status != 0)
			return status;
		json_array_foreach(json_object_get(reply, "leases"), i, lease) {
			(void)json_object_set_new(lease, "network", json_string(network));
			(void)json_array_append(all, lease);
		}
		next = json_string_value(json_object_get(reply, "next"));
		from = next ? str_dup(next) : NULL;
		json_decref(reply);
	} while (from);
	return 0;
}

/* Those of @network, or of all networks with DHCP. */
static int ask(int fd, const char *network, json_t *all)
{
	json_t *reply = NULL, *one;
	int status;
	size_t i;

	if (network)
		return ask_network(fd, network, all);
	status = cli_call(fd, json_pack("{s:s}", "do", "status"), NULL, NULL, &reply);
	json_array_foreach(json_object_get(reply, "services"), i, one)
		if (status == 0 && (json_is_true(json_object_get(one, "dhcp")) ||
				    strcmp(cli_text(one, "ra"), "stateful") == 0))
			status = ask_network(fd, cli_text(one, "network"), all);
	json_decref(reply);
	return status;
}

/* Who holds leases now; the others are for programs. */
static void print_leases(json_t *all)
{
	static const char *const head[COLUMNS] = { "NETWORK", "ADDRESS", "NAME", "MAC", "EXPIRES IN" };
	const char **cells = calloc((json_array_size(all) + 1) * COLUMNS, sizeof *cells);
	char(*times)[32] = calloc(json_array_size(all) + 1, sizeof *times);
	size_t n = 1, i;
	json_t *l;

	if (!cells || !times)
		abort();
	memcpy(cells, head, sizeof head);
	json_array_foreach(all, i, l) {
		const char **row = cells + n * COLUMNS, *vm = cli_text(l, "vm"), *hostname = cli_text(l, "hostname");
		json_t *left = json_object_get(l, "remaining_s");

		if (strcmp(cli_text(l, "state"), "bound") != 0)
			continue;
		row[0] = cli_text(l, "network");
		row[1] = cli_text(l, "address");
		row[2] = vm[0] ? vm : hostname[0] ? hostname : "-";
		row[3] = cli_text(l, "mac");
		row[4] = left ? cli_duration((double)json_integer_value(left), times[n]) : "never";
		n++;
	}
	cli_print_table(cells, n, COLUMNS);
	free(cells);
	free(times);
}

int cmd_leases(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT, CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(fd) int fd = -1;
	bool json = false;
	json_t *all;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
	}
	if (argc - optind < 1 || argc - optind > 2)
		return cli_usage(cmd, "it takes a team, and a network of it at most");
	status = cli_connect(argv[optind], &store, &fd);
	if (status != 0)
		return status;
	all = json_array();
	status = ask(fd, argv[optind + 1], all);
	if (status == 0 && json)
		cli_print_json(json_incref(all));
	else if (status == 0)
		print_leases(all);
	json_decref(all);
	return status;
}
