/* cli/cmd_ls.c: muster ls. */
#include "cli/commands.h"
#include "teams/reap.h"

#include <errno.h>
#include <string.h>

enum { ANSWER_S = 2 };

/* One team's line, or NULL when it is not there any more (then what is left of it is removed). */
static json_t *team_json(const struct store *store, const char *name)
{
	CLEANUP(fd) int fd = -1;
	json_t *reply = NULL, *o;
	int r = client_open(store, name, &fd);

	if (r == -ENOENT)
		(void)reap_left(store, name);
	if (r == 0)
		r = client_call_within(fd, json_pack("{s:s}", "do", "status"), ANSWER_S * NSEC_PER_SEC, &reply);
	if (r == -ETIMEDOUT)
		return json_pack("{s:s,s:s}", "team", name, "state", "not answering");
	if (r < 0)
		return NULL;
	if (!json_object_get(reply, "vms")) {
		json_decref(reply);
		return json_pack("{s:s,s:s}", "team", name, "state", "ending");
	}
	o = json_pack("{s:s,s:O,s:I,s:O,s:O}", "team", name, "state", json_object_get(reply, "state"),
		      "vms", (json_int_t)json_array_size(json_object_get(reply, "vms")), "uptime_s",
		      json_object_get(reply, "uptime_s"), "file", json_object_get(reply, "file"));
	json_decref(reply);
	return o;
}

static void print_text(json_t *teams)
{
	size_t n = json_array_size(teams), i;
	const char **cells = calloc((n + 1) * 5, sizeof *cells);
	char(*text)[2][32] = calloc(n + 1, sizeof *text);
	static const char *const head[] = { "TEAM", "STATE", "VMS", "UPTIME", "FILE" };
	json_t *t;

	if (!cells || !text)
		abort();
	memcpy(cells, head, sizeof head);
	json_array_foreach(teams, i, t) {
		const char **row = cells + (i + 1) * 5;

		(void)snprintf(text[i][0], 32, "%lld",
			       (long long)json_integer_value(json_object_get(t, "vms")));
		row[0] = json_string_value(json_object_get(t, "team"));
		row[1] = json_string_value(json_object_get(t, "state"));
		row[2] = text[i][0];
		row[3] = cli_duration(json_number_value(json_object_get(t, "uptime_s")), text[i][1]);
		row[4] = json_string_value(json_object_get(t, "file"));
		if (!json_object_get(t, "vms"))
			row[2] = row[3] = row[4] = "?";
	}
	cli_print_table(cells, n + 1, 5);
	free(cells);
	free(text);
}

int cmd_ls(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_FORMAT, CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(free) char *why = NULL;
	json_t *teams, *names, *name;
	bool json = false;
	size_t i;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && cli_format(cmd, optarg, &json) != 0)
			return EXIT_USAGE;
	}
	if (optind != argc)
		return cli_usage(cmd, "it takes no arguments");
	if (store_open(&store, &why) < 0)
		return cli_fail(EXIT_FAILED, "%s", why);
	teams = json_array();
	names = store_list_left(&store);
	json_array_foreach(names, i, name) {
		json_t *t = team_json(&store, json_string_value(name));

		if (t)
			(void)json_array_append_new(teams, t);
	}
	json_decref(names);
	if (json) {
		cli_print_json(teams);
		return EXIT_DONE;
	}
	print_text(teams);
	json_decref(teams);
	return EXIT_DONE;
}
