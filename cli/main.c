/* cli/main.c: finds the command and runs it. */
#include "cli/cli.h"
#include "core/log.h"
#include "core/proc.h"

#include <signal.h>
#include <string.h>

static void print_all(FILE *out)
{
	(void)fprintf(out, "usage: muster COMMAND [OPTIONS] ...\n\n"
			   "Teams of virtual machines from one YAML file.\n\n");
	for (size_t i = 0; i < n_commands; i++)
		(void)fprintf(out, "  %-10s %s%s\n", commands[i].name, commands[i].summary,
			      commands[i].run ? "" : " (not supported yet)");
	(void)fprintf(out, "\n'muster COMMAND --help' tells more. Exit status: 0 done, 1 failed,\n"
			   "2 bad usage or team file, 3 no such team, VM or network, 4 the host lacks something.\n");
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < n_commands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const struct command *cmd;
	int status;

	proc_title_init(argc, argv);
	log_init(-1, "muster", log_level_from_env(LOG_INFO));
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_all(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		cmd = argc > 2 ? find_command(argv[2]) : NULL;
		if (cmd)
			cli_print_help(cmd);
		else
			print_all(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("muster %s\n", MUSTER_VERSION);
		return EXIT_DONE;
	}
	cmd = find_command(argv[1]);
	if (!cmd)
		return cli_fail(EXIT_USAGE, "unknown command '%s' ('muster --help' lists them)", argv[1]);
	if (!cmd->run) {
		if (asks_for_help(argc - 1, argv + 1)) {
			cli_print_help(cmd);
			return EXIT_DONE;
		}
		return cli_fail(EXIT_USAGE, "%s: not supported yet", cmd->name);
	}
	status = cmd->run(cmd, argc - 1, argv + 1);
	if (fflush(stdout) != 0 && status == EXIT_DONE)
		return cli_fail(EXIT_FAILED, "the output cannot be written");
	return status;
}
