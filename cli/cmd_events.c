/* cli/cmd_events.c: muster events: the file first, then what comes. */
#include "cli/commands.h"
#include "core/control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>

/* Prints the first @max bytes of the file. */
static int print_file(const char *path, long long max)
{
	CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[65536];

	if (fd < 0)
		return cli_fail(EXIT_NO_SUCH, "no events of that team");
	while (max > 0) {
		size_t want = max < (long long)sizeof buf ? (size_t)max : sizeof buf;
		ssize_t n = read(fd, buf, want);

		if (n <= 0)
			break;
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			break;
		max -= n;
	}
	return EXIT_DONE;
}

/* Waits for a message, and for a sign of life in between. Returns 0; -EPIPE when nobody reads stdout any
 * more; -ETIMEDOUT when the supervisor is silent; -errno. */
static int wait_event(int fd)
{
	struct client_pulse pulse;
	int r = 0;

	client_pulse_heard(&pulse, clock_now());
	while (r == 0) {
		struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = STDOUT_FILENO } };
		nsec_t left = nsec_max(client_pulse_at(&pulse) - clock_now(), 0);
		struct timespec ts = { left / NSEC_PER_SEC, left % NSEC_PER_SEC };
		int n = ppoll(p, 2, &ts, NULL);

		if (cli_nobody_reads())
			return -EPIPE;
		if (n > 0 && p[0].revents)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		r = client_pulse_due(&pulse, fd, clock_now());
	}
	return r;
}

static int follow(const char *team, const struct store *store, const char *path)
{
	CLEANUP(fd) int fd = -1;
	json_t *reply = NULL, *msg;
	int status;

	if (client_open(store, team, &fd) < 0)
		return print_file(path, LLONG_MAX);
	status = cli_call(fd, json_pack("{s:s}", "do", "events"), NULL, NULL, &reply);
	if (status != 0)
		return status;
	status = print_file(path, (long long)json_integer_value(json_object_get(reply, "offset")));
	json_decref(reply);
	while (status == EXIT_DONE && fflush(stdout) == 0) {
		char *text;
		int r = wait_event(fd);

		if (r == 0)
			r = control_read_msg_within(fd, CLIENT_SILENCE_S * NSEC_PER_SEC, &msg);
		if (r == -ETIMEDOUT)
			status = cli_silent(team);
		if (r < 0)
			break;
		text = json_object_get(msg, "event") ? cli_json_text(msg, JSON_COMPACT) : NULL;
		if (text)
			(void)puts(text);
		free(text);
		json_decref(msg);
	}
	return status == EXIT_DONE && cli_nobody_reads() ? EXIT_READER_GONE : status;
}

int cmd_events(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, { "follow", no_argument, NULL, OPT_FOLLOW },
						 CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(free) char *path = NULL;
	CLEANUP(free) char *why = NULL;
	bool follows = false;
	int c;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		follows |= c == OPT_FOLLOW;
	}
	if (argc - optind != 1)
		return cli_usage(cmd, "one team is needed");
	if (store_open(&store, &why) < 0)
		return cli_fail(EXIT_FAILED, "%s", why);
	if (!store_name_is_valid(argv[optind]))
		return cli_fail(EXIT_NO_SUCH, "no team '%s'", argv[optind]);
	path = store_state_file(&store, argv[optind], "events.jsonl");
	return follows ? follow(argv[optind], &store, path) : print_file(path, LLONG_MAX);
}
