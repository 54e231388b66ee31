/* cli/commands.h: the commands, one file each: cmd_NAME.c (pause to restart are in
 * cmd_vm.c). Each takes its own argv and returns an exit status (cli/cli.h). */
#ifndef MUSTER_CLI_COMMANDS_H
#define MUSTER_CLI_COMMANDS_H

#include "cli/cli.h"

/* Each takes its row of the table, borrowed, and its own words. Returns an exit status; what is wrong was said. */
int cmd_complete(const struct command *cmd, int argc, char **argv);
int cmd_logs(const struct command *cmd, int argc, char **argv);
int cmd_init(const struct command *cmd, int argc, char **argv);
int cmd_purge(const struct command *cmd, int argc, char **argv);
int cmd_check(const struct command *cmd, int argc, char **argv);
int cmd_up(const struct command *cmd, int argc, char **argv);
int cmd_down(const struct command *cmd, int argc, char **argv);
int cmd_ls(const struct command *cmd, int argc, char **argv);
int cmd_status(const struct command *cmd, int argc, char **argv);
int cmd_console(const struct command *cmd, int argc, char **argv);
int cmd_exec(const struct command *cmd, int argc, char **argv);
int cmd_cp(const struct command *cmd, int argc, char **argv);
int cmd_test(const struct command *cmd, int argc, char **argv);
int cmd_pause(const struct command *cmd, int argc, char **argv);
int cmd_resume(const struct command *cmd, int argc, char **argv);
int cmd_stop(const struct command *cmd, int argc, char **argv);
int cmd_start(const struct command *cmd, int argc, char **argv);
int cmd_restart(const struct command *cmd, int argc, char **argv);
int cmd_link(const struct command *cmd, int argc, char **argv);
int cmd_leases(const struct command *cmd, int argc, char **argv);
int cmd_nat(const struct command *cmd, int argc, char **argv);
int cmd_forward(const struct command *cmd, int argc, char **argv);
int cmd_graph(const struct command *cmd, int argc, char **argv);
int cmd_events(const struct command *cmd, int argc, char **argv);
int cmd_images(const struct command *cmd, int argc, char **argv);
int cmd_presets(const struct command *cmd, int argc, char **argv);
int cmd_doctor(const struct command *cmd, int argc, char **argv);

#endif
