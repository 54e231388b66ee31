/* cli/main.c: finds the command and runs it. */
#include "cli/cli.h"
#include "core/log.h"
#include "core/proc.h"
#include "topologies/suggest.h"

#include <signal.h>
#include <string.h>

/* @has_all: also those that are not there yet. */
static void print_all(FILE *out, bool has_all)
{
	(void)fprintf(out, "usage: muster COMMAND [OPTIONS] ...\n\n"
			   "Teams of virtual machines from one YAML file.\n\n");
	for (size_t i = 0; i < n_commands; i++)
		if (commands[i].run && commands[i].summary)
			(void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
	if (has_all) {
		(void)fprintf(out, "\nNot there yet:\n\n");
		for (size_t i = 0; i < n_commands; i++)
			if (!commands[i].run)
				(void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
	}
	(void)fprintf(out, "\n'muster COMMAND --help' tells more%s. Exit status: 0 done, 1 failed,\n"
			   "2 bad usage or team file, 3 no such team, VM or network, 4 the host lacks something.\n",
		      has_all ? "" : ", 'muster help -a' lists what is not there yet");
}

static bool is_help(const char *arg)
{
	return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (is_help(argv[i]))
			return true;
	return false;
}

static int unknown(const char *name)
{
	struct suggestion near = { .word = name };
	char buf[80];

	suggest_consider(&near, "help");
	for (size_t i = 0; i < n_commands; i++)
		if (commands[i].summary)
			suggest_consider(&near, commands[i].name);
	return cli_fail(EXIT_USAGE, "unknown command '%s'%s ('muster --help' lists them)", name,
			suggest_str(&near, buf, sizeof buf));
}

/* muster help [-a | COMMAND], and muster --help. */
static int help(int argc, char **argv)
{
	const struct command *cmd;

	if (argc < 3 || strcmp(argv[1], "help") != 0 || is_help(argv[2])) {
		print_all(stdout, false);
		return EXIT_DONE;
	}
	if (strcmp(argv[2], "-a") == 0 || strcmp(argv[2], "--all") == 0) {
		print_all(stdout, true);
		return EXIT_DONE;
	}
	cmd = cli_find_command(argv[2]);
	if (!cmd)
		return unknown(argv[2]);
	cli_print_help(cmd);
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	const struct command *cmd;

	if (argc < 2) {
		print_all(stderr, false);
		return EXIT_USAGE;
	}
	if (is_help(argv[1]) || strcmp(argv[1], "help") == 0)
		return help(argc, argv);
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("muster %s\n", MUSTER_VERSION);
		return EXIT_DONE;
	}
	cmd = cli_find_command(argv[1]);
	if (!cmd)
		return unknown(argv[1]);
	if (!cmd->run && asks_for_help(argc - 1, argv + 1)) {
		cli_print_help(cmd);
		return EXIT_DONE;
	}
	if (!cmd->run)
		return cli_fail(EXIT_USAGE, "%s: not there yet", cmd->name);
	return cmd->run(cmd, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int status;

	proc_title_init(argc, argv);
	log_init(-1, "muster", log_level_from_env(LOG_INFO));
	(void)signal(SIGPIPE, SIG_IGN); /* a stream's end is no reason to die: who writes to it hears of it */
	status = run(argc, argv);
	return status == EXIT_DONE ? cli_end_output() : status;
}
