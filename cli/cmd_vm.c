/* cli/cmd_vm.c: muster pause, resume, stop, start, restart: one VM, or all.
 *
 * A team is paused and resumed at once by its supervisor; stop takes its VMs in
 * reverse order, start in order, one after the other. */
#include "cli/commands.h"

#include "core/clock.h"

#include <string.h>

static int tell(int fd, const char *what, const char *vm, bool now)
{
	json_t *msg = json_pack("{s:s}", "do", what);

	if (vm)
		(void)json_object_set_new(msg, "vm", json_string(vm));
	if (now)
		(void)json_object_set_new(msg, "now", json_true());
	return cli_call(fd, msg, NULL, NULL, NULL);
}

static int tell_all(int fd, const char *what, bool reverse, bool now)
{
	json_t *reply = NULL, *vms;
	int status = cli_call(fd, json_pack("{s:s}", "do", "status"), NULL, NULL, &reply);
	size_t n;

	if (status != 0)
		return status;
	vms = json_object_get(reply, "vms");
	n = json_array_size(vms);
	for (size_t i = 0; i < n && status == 0; i++) {
		json_t *vm = json_array_get(vms, reverse ? n - 1 - i : i);

		status = tell(fd, what, json_string_value(json_object_get(vm, "name")), now);
	}
	json_decref(reply);
	return status;
}

static int sync_vm(int fd, const char *vm)
{
	return cli_call(fd, json_pack("{s:s, s:s, s:s, s:{s:I}}", "do", "agent", "vm", vm, "execute", "guest-set-time",
				      "arguments", "time", (json_int_t)clock_wall()), NULL, NULL, NULL);
}

/* Sets the wall clock of @vm's guest to the host's time; NULL: of every guest that is ready. */
static int sync_clocks(int fd, const char *vm)
{
	json_t *reply = NULL, *entry;
	int status = vm ? sync_vm(fd, vm) : cli_call(fd, json_pack("{s:s}", "do", "status"), NULL, NULL, &reply);
	size_t i;

	json_array_foreach(json_object_get(reply, "vms"), i, entry) {
		const char *state = json_string_value(json_object_get(entry, "state"));

		if (status == 0 && state && strcmp(state, "ready") == 0)
			status = sync_vm(fd, json_string_value(json_object_get(entry, "name")));
	}
	json_decref(reply);
	return status;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, { "now", no_argument, NULL, OPT_NOW },
						 { "sync", no_argument, NULL, OPT_SYNC }, CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(free) char *team = NULL;
	CLEANUP(free) char *vm = NULL;
	CLEANUP(fd) int fd = -1;
	bool now = false, sync = false, is_pause = strcmp(cmd->name, "pause") == 0 || strcmp(cmd->name, "resume") == 0;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		now |= c == OPT_NOW;
		sync |= c == OPT_SYNC;
	}
	if (sync && strcmp(cmd->name, "resume") != 0)
		return cli_usage(cmd, "--sync is for resume");
	if (argc - optind != 1)
		return cli_usage(cmd, "TEAM or TEAM/VM is needed");
	cli_split_target(argv[optind], &team, &vm);
	status = cli_connect(team, &store, &fd);
	if (status != 0)
		return status;
	if (vm || is_pause) {
		status = tell(fd, cmd->name, vm, now);
		return status == 0 && sync ? sync_clocks(fd, vm) : status;
	}
	return tell_all(fd, cmd->name, strcmp(cmd->name, "stop") == 0, now);
}

int cmd_pause(const struct command *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv);
}

int cmd_resume(const struct command *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv);
}

int cmd_stop(const struct command *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv);
}

int cmd_start(const struct command *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv);
}

int cmd_restart(const struct command *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv);
}
