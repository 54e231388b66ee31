/* cli/cmd_graph.c: muster graph.
 *
 * Of a file the plan is drawn. Of a running team it is the supervisor's plan, with the links as they are
 * now, and the VMs' states. */
#include "cli/commands.h"
#include "cli/graph.h"

#include <string.h>
#include <unistd.h>

struct format {
	const char *name;
	void (*write)(const struct graph *g, struct bytes *out); /* NULL: graph_write_ascii(), which may fail */
};
static const struct format formats[] = { { "svg", graph_write_svg },
					 { "dot", graph_write_dot },
					 { "mermaid", graph_write_mermaid },
					 { "ascii", NULL } };
enum { N_FORMATS = sizeof formats / sizeof *formats };

static const struct format *find_format(const char *name)
{
	for (size_t i = 0; i < N_FORMATS; i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

/* Asks the team @name for both. Returns an exit status; what is wrong was said. */
static int ask(const char *name, json_t **ret_plan, json_t **ret_status)
{
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(fd) int fd = -1;
	int status = cli_connect(name, &store, &fd);

	if (status == 0)
		status = cli_call(fd, json_pack("{s:s}", "do", "plan"), NULL, NULL, ret_plan);
	if (status == 0)
		status = cli_call(fd, json_pack("{s:s}", "do", "status"), NULL, NULL, ret_status);
	return status;
}

static int draw(json_t *plan, json_t *state, const struct format *format)
{
	CLEANUP(bytes) struct bytes text = { 0 };
	struct graph *g = graph_make(plan, state);
	int status = EXIT_DONE;

	if (!g)
		return cli_fail(EXIT_FAILED, "the team's plan is not understood; is it of another version?");
	if (format->write)
		format->write(g, &text);
	else if (graph_write_ascii(g, &text) < 0)
		status = cli_fail(EXIT_FAILED, "the picture is too large for characters; --format svg is not");
	if (status == EXIT_DONE)
		cli_print(stdout, "%s", (char *)text.data);
	(void)graph_free(g);
	return status;
}

int cmd_graph(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		CLI_OPT_HELP, CLI_OPT_FORMAT, { "untrusted", no_argument, NULL, OPT_UNTRUSTED }, CLI_OPT_END
	};
	const struct format *format = find_format(isatty(STDOUT_FILENO) ? "ascii" : "svg");
	json_t *plan = NULL, *state = NULL;
	struct team *team = NULL;
	bool untrusted = false;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_FORMAT && !(format = find_format(optarg)))
			return cli_usage(cmd, "--format is svg, dot, mermaid or ascii, not '%s'", optarg);
		untrusted |= c == OPT_UNTRUSTED;
	}
	if (argc - optind != 1)
		return cli_usage(cmd, "one team file, or one team that is up, is needed");
	if (cli_is_file(argv[optind])) {
		status = cli_load(argv[optind], NULL, 0, NULL, untrusted, &team);
		if (status == 0)
			plan = team_plan_json(team);
		(void)team_free(team);
	} else {
		status = ask(argv[optind], &plan, &state);
	}
	if (status == 0)
		status = draw(plan, state, format);
	json_decref(plan);
	json_decref(state);
	return status;
}
