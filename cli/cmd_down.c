/* cli/cmd_down.c: muster down: returns when nothing of the team is left on the host but, unless
 * it is purged, its folder of logs.
 *
 * The supervisor is asked. One that gives no sign of life in ALIVE_S, or does not end in
 * UNDO_S, is killed with all its processes (teams/reap.c), as is a janitor that is stopped. */
#include "cli/commands.h"
#include "core/control.h"
#include "teams/reap.h"

#include <errno.h>
#include <string.h>

/* What `down` gives the supervisor: a sign of life, then the end of all that it undoes. */
enum { ALIVE_S = 5, UNDO_S = 15 };

static bool was_ever(const struct store *store, const char *team)
{
	CLEANUP(free) char *state = store_state_dir(store, team);
	CLEANUP(free) char *run = store_run_dir(store, team);
	CLEANUP(free) char *lock = store_lock_path(store, team);

	return access(state, F_OK) == 0 || access(run, F_OK) == 0 || access(lock, F_OK) == 0;
}

/* Asks the supervisor. Returns 0 when it said that all is undone, -errno when it did not. */
static int ask(const struct store *store, const char *team)
{
	CLEANUP(fd) int fd = -1;
	json_t *reply = NULL, *rest;
	int r = client_open(store, team, &fd);

	if (r == 0)
		r = client_call_within(fd, json_pack("{s:s}", "do", "ping"), ALIVE_S * NSEC_PER_SEC, &reply);
	json_decref(reply);
	reply = NULL;
	if (r == 0)
		r = client_call_within(fd, json_pack("{s:s}", "do", "down"), UNDO_S * NSEC_PER_SEC, &reply);
	json_decref(reply);
	/* Its process is gone with its socket; a moment, unless it is stopped just now. */
	while (r == 0 && control_read_msg_within(fd, ALIVE_S * NSEC_PER_SEC, &rest) == 0)
		json_decref(rest);
	return r;
}

int cli_down(const struct store *store, const char *team)
{
	CLEANUP(reap_owner) struct reap_owner owner = { .lock_fd = -1 };
	CLEANUP(free) char *why = NULL;
	int r;

	if (!store_name_is_valid(team) || !was_ever(store, team))
		return EXIT_DONE;
	reap_look(store, team, &owner);
	r = ask(store, team);
	if (r == -ETIMEDOUT)
		(void)cli_fail(0, "the supervisor of team %s did not answer in %d s: it is killed", team, ALIVE_S);
	/* Who ended as asked gave the lock up: another's may be there by now. */
	if (r == 0)
		return EXIT_DONE;
	r = reap_team(store, team, &owner, r != -ENOENT, &why);
	/* A supervisor that was killed left them for another `up`. */
	if (r == 0)
		(void)store_leases_forget(store, team);
	return r < 0 ? cli_fail(EXIT_FAILED, "%s", why ? why : strerror(-r)) : EXIT_DONE;
}

static int down_one(const struct store *store, const char *team, bool purge)
{
	int status = cli_down(store, team);

	return status == EXIT_DONE && purge ? cli_purge_team(store, team) : status;
}

static int down_all(const struct store *store, bool purge)
{
	json_t *list = store_list(store), *name;
	int status = EXIT_DONE;
	size_t i;

	json_array_foreach(list, i, name) {
		int s = down_one(store, json_string_value(name), purge);

		status = s ? s : status;
	}
	reap_all_left(store);
	json_decref(list);
	return status;
}

int cmd_down(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, { "all", no_argument, NULL, OPT_ALL },
						 { "purge", no_argument, NULL, OPT_PURGE },
						 { "commit", no_argument, NULL, OPT_COMMIT },
						 { "discard", no_argument, NULL, OPT_DISCARD }, CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(free) char *why = NULL;
	bool all = false, purge = false;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		if (c == OPT_COMMIT || c == OPT_DISCARD)
			return cli_fail(EXIT_USAGE, "down --%s: not there yet", c == OPT_COMMIT ? "commit" : "discard");
		all |= c == OPT_ALL;
		purge |= c == OPT_PURGE;
	}
	if (argc - optind != (all ? 0 : 1))
		return cli_usage(cmd, "one team, or --all");
	if (!all && !store_name_is_valid(argv[optind]))
		return cli_usage(cmd, "'%s' cannot be a team's name", argv[optind]);
	if (store_open(&store, &why) < 0)
		return cli_fail(EXIT_FAILED, "%s", why);
	return all ? down_all(&store, purge) : down_one(&store, argv[optind], purge);
}
