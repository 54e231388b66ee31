/* cli/cmd_vm.c: muster pause, resume, stop, start, restart: one VM, those of a `count`, or all.
 *
 * A team is paused and resumed at once by its supervisor. Else VMs come one after the
 * other: stop takes them in reverse order, the rest in order. */
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

/* Drops those of a team's VMs whose guests are not ready. */
static void keep_ready(json_t *vms)
{
	for (size_t i = json_array_size(vms); i-- > 0;) {
		const char *state = json_string_value(json_object_get(json_array_get(vms, i), "state"));

		if (!state || strcmp(state, "ready") != 0)
			(void)json_array_remove(vms, i);
	}
}

/* The VMs that @vm means; NULL: all, or with @only_ready those whose guests are ready. For
 * cli_free_vms(). Returns 0 or an exit status. */
static int find(int fd, const char *vm, bool only_ready, char ***ret_vms, size_t *ret_n)
{
	json_t *reply = NULL;
	int status = cli_call(fd, json_pack("{s:s}", "do", "status"), NULL, NULL, &reply);

	if (status != 0)
		return status;
	if (!vm && only_ready)
		keep_ready(json_object_get(reply, "vms"));
	*ret_vms = cli_find_vms(reply, vm, ret_n);
	json_decref(reply);
	return 0;
}

static int tell_each(int fd, const char *what, const char *vm, bool now)
{
	bool reverse = strcmp(what, "stop") == 0;
	char **vms;
	size_t n;
	int status = find(fd, vm, false, &vms, &n);

	if (status != 0)
		return status;
	for (size_t i = 0; i < n && status == 0; i++)
		status = tell(fd, what, vms[reverse ? n - 1 - i : i], now);
	if (vm && n == 0)
		status = tell(fd, what, vm, now); /* says that there is no such VM */
	cli_free_vms(vms);
	return status;
}

/* Sets the guests' wall clocks to the host's time. */
static int sync_clocks(int fd, const char *vm)
{
	char **vms;
	size_t n;
	int status = find(fd, vm, true, &vms, &n);

	if (status != 0)
		return status;
	for (size_t i = 0; i < n && status == 0; i++)
		status = cli_call(fd, json_pack("{s:s, s:s, s:s, s:{s:I}}", "do", "agent", "vm", vms[i], "execute",
						"guest-set-time", "arguments", "time", (json_int_t)clock_wall()),
				  NULL, NULL, NULL);
	cli_free_vms(vms);
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
	status = !vm && is_pause ? tell(fd, cmd->name, NULL, now) : tell_each(fd, cmd->name, vm, now);
	return status == 0 && sync ? sync_clocks(fd, vm) : status;
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
