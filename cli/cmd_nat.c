/* cli/cmd_nat.c: muster nat. */
#include "cli/commands.h"

#include <string.h>

enum { COLUMNS = 8 };

static long long number(json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

/* "10.0.0.2:80", "[fd00::2]:80"; "-" without an address. */
static char *end_str(json_t *flow, const char *address_key, const char *port_key)
{
	const char *address = cli_text(flow, address_key);

	if (!address[0])
		return str_dup("-");
	return str_printf(strchr(address, ':') ? "[%s]:%lld" : "%s:%lld", address, number(flow, port_key));
}

static void print_flows(json_t *flows)
{
	static const char *const head[COLUMNS] = { "NETWORK", "PROTOCOL", "GUEST", "OUTSIDE", "STATE", "IDLE", "OUT", "IN" };
	char **cells = calloc((json_array_size(flows) + 1) * COLUMNS, sizeof *cells);
	size_t n = 1, i;
	json_t *f;

	if (!cells)
		abort();
	for (size_t k = 0; k < COLUMNS; k++)
		cells[k] = str_dup(head[k]);
	json_array_foreach (flows, i, f) {
		char **row = cells + n++ * COLUMNS, idle[32], out[32], in[32];

		row[0] = str_dup(cli_text(f, "network"));
		row[1] = str_printf("%s%s", cli_text(f, "proto"),
				    json_is_true(json_object_get(f, "forward")) ? ", forwarded" : "");
		row[2] = end_str(f, "guest", "guest-port");
		row[3] = end_str(f, "remote", "remote-port");
		row[4] = str_dup(json_object_get(f, "state") ? cli_text(f, "state") : "-");
		row[5] = str_dup(cli_duration((double)number(f, "idle-ns") / 1e9, idle));
		row[6] = str_dup(cli_size((uint64_t)number(f, "out"), out));
		row[7] = str_dup(cli_size((uint64_t)number(f, "in"), in));
	}
	if (n > 1)
		cli_print_table((const char *const *)cells, n, COLUMNS);
	for (i = 0; i < n * COLUMNS; i++)
		free(cells[i]);
	free(cells);
}

/* What is not 0, a line each. */
static void print_counters(json_t *counters)
{
	const char *name;
	json_t *value;

	json_object_foreach(counters, name, value)
		if (json_integer_value(value) != 0)
			cli_print(stdout, "%-22s %lld\n", name, (long long)json_integer_value(value));
}

static void print_text(json_t *reply)
{
	json_t *uplink = json_object_get(reply, "uplink");

	print_flows(json_object_get(reply, "flows"));
	if (number(reply, "left-out"))
		cli_print(stdout, "and %lld more\n", number(reply, "left-out"));
	cli_print(stdout, "flows                  %lld\nsockets                %lld\n", number(reply, "n-flows"),
		  number(reply, "sockets"));
	print_counters(json_object_get(reply, "counters"));
	if (number(uplink, "restarts"))
		cli_print(stdout, "the uplink was started anew (restarts: %lld), the last time: %s\n",
			  number(uplink, "restarts"), cli_text(uplink, "why"));
}

int cmd_nat(const struct command *cmd, int argc, char **argv)
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
	if (argc - optind < 1 || argc - optind > 2)
		return cli_usage(cmd, "it takes a team, and a network of it at most");
	status = cli_connect(argv[optind], &store, &fd);
	if (status != 0)
		return status;
	msg = json_pack("{s:s}", "do", "nat");
	if (argc - optind == 2)
		(void)json_object_set_new(msg, "network", json_string(argv[optind + 1]));
	status = cli_call(fd, msg, NULL, NULL, &reply);
	if (status != 0)
		return status;
	(void)json_object_del(reply, "id");
	(void)json_object_del(reply, "ok");
	if (json)
		cli_print_json(json_incref(reply));
	else
		print_text(reply);
	json_decref(reply);
	return EXIT_DONE;
}
