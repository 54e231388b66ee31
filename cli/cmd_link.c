/* cli/cmd_link.c: muster link. */
#include "cli/commands.h"

#include <string.h>

static long long number(json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

/* "up", or "down" and who keeps it there. */
static char *state_text(json_t *link)
{
	json_t *state = json_object_get(link, "state");
	CLEANUP(bytes) struct bytes why = { 0 };

	if (!json_is_false(json_object_get(link, "up")))
		return str_dup("up");
	if (cli_is_down(state, "nic"))
		bytes_append_str(&why, "the NIC is down");
	if (cli_is_down(state, "network"))
		bytes_printf(&why, "%sits network is down", why.len ? ", " : "");
	if (cli_is_down(state, "direction"))
		bytes_printf(&why, "%sthis direction is closed", why.len ? ", " : "");
	return why.len ? str_printf("down (%s)", (char *)why.data) : str_dup("down");
}

/* What happened to frames on their way, where something did. */
static char *changed_text(json_t *c)
{
	static const struct {
		const char *key, *name;
	} kinds[] = { { "corrupted_frames", "corrupted" },
		      { "duplicated_frames", "duplicated" },
		      { "reordered_frames", "reordered" } };
	struct bytes text = { 0 };

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (number(c, kinds[i].key))
			bytes_printf(&text, "%s%s %lld", text.len ? ", " : "", kinds[i].name, number(c, kinds[i].key));
	if (!text.len)
		bytes_append_str(&text, "-");
	return (char *)text.data;
}

enum { N_COLUMNS = 9 };

/* Appends one row; @name, @state and @shape are taken over. */
static void add_row(struct bytes *cells, char *name, char *state, char *shape, json_t *counters)
{
	char *row[N_COLUMNS] = {
		name,
		state,
		shape,
		str_printf("%lld", number(counters, "entered_frames")),
		str_printf("%lld", number(counters, "copied_frames")),
		str_printf("%lld", number(counters, "delivered_frames")),
		str_printf("%lld", number(counters, "queued_frames")),
		cli_lost(json_object_get(counters, "lost")),
		changed_text(counters),
	};

	bytes_append(cells, row, sizeof row);
}

/* A shape for which there is too little memory. */
static void print_bound(json_t *link)
{
	json_t *memory = json_object_get(link, "memory");
	char need[32], limit[32];

	(void)printf("%s %s: its memory bounds it: queue and delay may need %s, it holds at most %s\n",
		     json_string_value(json_object_get(link, "port")), json_string_value(json_object_get(link, "dir")),
		     cli_size((uint64_t)number(memory, "need_bytes"), need),
		     cli_size((uint64_t)number(memory, "limit_bytes"), limit));
}

static void print_links(json_t *reply)
{
	static const char *const head[N_COLUMNS] = { "LINK", "STATE", "SHAPE", "ENTERED", "COPIED", "DELIVERED",
						     "QUEUED", "LOST", "CHANGED" };
	CLEANUP(bytes) struct bytes cells = { 0 };
	json_t *links = json_object_get(reply, "links"), *l;
	size_t i, n;

	if (json_array_size(links) == 0)
		return;
	bytes_append(&cells, head, sizeof head);
	json_array_foreach(links, i, l) {
		const char *port = json_string_value(json_object_get(l, "port"));
		const char *dir = json_string_value(json_object_get(l, "dir"));

		add_row(&cells, str_printf("%s %s", port, dir), state_text(l),
			str_dup(json_string_value(json_object_get(l, "text"))), json_object_get(l, "counters"));
		/* What the ring lost was never in the link's own counters. */
		if (json_object_size(json_object_get(json_object_get(l, "ring"), "lost")))
			add_row(&cells, str_printf("%s %s, its ring", port, dir), str_dup("-"), str_dup("-"),
				json_object_get(l, "ring"));
	}
	n = cells.len / sizeof(char *);
	cli_print_table((const char *const *)(const void *)cells.data, n / N_COLUMNS, N_COLUMNS);
	for (i = N_COLUMNS; i < n; i++)
		free(((char **)(void *)cells.data)[i]);
	json_array_foreach(links, i, l)
		if (json_is_true(json_object_get(json_object_get(l, "memory"), "bounds")))
			print_bound(l);
}

static int build(const struct command *cmd, int argc, char **argv, const char *dir, json_t *msg,
		 nsec_t *ret_flap_ns)
{
	const char *op = argc > 0 ? argv[0] : "show";

	(void)json_object_set_new(msg, "op", json_string(op));
	if (dir)
		(void)json_object_set_new(msg, "dir", json_string(dir));
	if (strcmp(op, "set") == 0) {
		json_t *set = json_array();

		for (int i = 1; i < argc; i++)
			(void)json_array_append_new(set, json_string(argv[i]));
		(void)json_object_set_new(msg, "set", set);
		return argc > 1 ? 0 : cli_usage(cmd, "set: KEY=VALUE is needed");
	}
	if (strcmp(op, "flap") == 0) {
		if (argc != 2 || cli_parse_time(argv[1], ret_flap_ns) < 0 || *ret_flap_ns == 0)
			return cli_usage(cmd, "flap: a time like 3s is needed");
		(void)json_object_set_new(msg, "ns", json_integer(*ret_flap_ns));
		return 0;
	}
	if (strcmp(op, "show") != 0 && strcmp(op, "reset") != 0 && strcmp(op, "up") != 0 &&
	    strcmp(op, "down") != 0)
		return cli_usage(cmd, "unknown action '%s'", op);
	return argc <= 1 ? 0 : cli_usage(cmd, "%s takes no more arguments", op);
}

int cmd_link(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT,
						 { "dir", required_argument, NULL, OPT_DIR }, CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(fd) int fd = -1;
	json_t *msg, *reply = NULL;
	const char *dir = NULL;
	bool json = false;
	nsec_t flap_ns = 0;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
		if (c == OPT_DIR)
			dir = optarg;
	}
	if (dir && strcmp(dir, "up") != 0 && strcmp(dir, "down") != 0)
		return cli_usage(cmd, "--dir is up or down, not '%s'", dir);
	if (argc - optind < 2)
		return cli_usage(cmd, "a team, and a network or VM.NIC are needed");
	msg = json_pack("{s:s,s:s}", "do", "link", "target", argv[optind + 1]);
	status = build(cmd, argc - optind - 2, argv + optind + 2, dir, msg, &flap_ns);
	if (status == 0)
		status = cli_connect(argv[optind], &store, &fd);
	if (status != 0) {
		json_decref(msg);
		return status;
	}
	status = cli_call(fd, msg, NULL, NULL, &reply);
	if (status != 0)
		return status;
	if (json)
		cli_print_json(json_incref(json_object_get(reply, "links")));
	else
		print_links(reply);
	json_decref(reply);
	client_wait(flap_ns);
	return EXIT_DONE;
}
