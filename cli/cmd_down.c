/* cli/cmd_down.c: muster down: returns when nothing of the team is left. */
#include "cli/commands.h"
#include "core/control.h"

#include <errno.h>
#include <string.h>

enum { DYING_BOUND_MS = 3000, DYING_EVERY_MS = 50 };

/* A supervisor that was killed has a janitor at work: waits for its lock. */
static void wait_for_janitor(const struct store *store, const char *team)
{
	nsec_t until = clock_now() + DYING_BOUND_MS * NSEC_PER_MSEC;

	while (clock_now() < until) {
		CLEANUP(fd) int lock = -1;
		CLEANUP(free) char *why = NULL;

		if (store_lock(store, team, &lock, &why) != -EWOULDBLOCK) {
			CLEANUP(free) char *dir = store_run_dir(store, team);

			if (lock >= 0) {
				(void)dir_remove_all(dir);
				store_unlock(store, team);
			}
			return;
		}
		client_wait(DYING_EVERY_MS * NSEC_PER_MSEC);
	}
}

static bool was_ever(const struct store *store, const char *team)
{
	CLEANUP(free) char *state = store_state_dir(store, team);
	CLEANUP(free) char *run = store_run_dir(store, team);

	return access(state, F_OK) == 0 || access(run, F_OK) == 0;
}

static int down_one(const struct store *store, const char *team)
{
	CLEANUP(fd) int fd = -1;
	json_t *reply = NULL, *rest;
	int r = client_open(store, team, &fd);

	if (r == -ENOENT) {
		if (store_name_is_valid(team) && was_ever(store, team))
			wait_for_janitor(store, team);
		return EXIT_DONE;
	}
	if (r < 0)
		return cli_fail(EXIT_FAILED, "team %s: %s", team, strerror(-r));
	r = client_call(fd, json_pack("{s:s}", "do", "down"), NULL, NULL, &reply);
	json_decref(reply);
	if (r < 0) {
		wait_for_janitor(store, team);
		return EXIT_DONE;
	}
	while (control_read_msg(fd, &rest) == 0)
		json_decref(rest);
	wait_for_janitor(store, team);
	return EXIT_DONE;
}

static int down_all(const struct store *store)
{
	json_t *list = store_list(store), *name;
	int status = EXIT_DONE;
	size_t i;

	json_array_foreach(list, i, name) {
		int s = down_one(store, json_string_value(name));

		status = s ? s : status;
	}
	json_decref(list);
	return status;
}

int cmd_down(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, { "all", no_argument, NULL, OPT_ALL },
						 CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(free) char *why = NULL;
	bool all = false;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		all |= c == OPT_ALL;
	}
	if (argc - optind != (all ? 0 : 1))
		return cli_usage(cmd, "one team, or --all");
	if (!all && !store_name_is_valid(argv[optind]))
		return cli_usage(cmd, "'%s' cannot be a team's name", argv[optind]);
	if (store_open(&store, &why) < 0)
		return cli_fail(EXIT_FAILED, "%s", why);
	return all ? down_all(&store) : down_one(&store, argv[optind]);
}
