/* cli/cmd_console.c: muster console: the terminal becomes the VM's serial line
 * until Ctrl-] is typed, the team ends, or stdin does. */
#include "cli/commands.h"
#include "cli/raw_terminal.h"
#include "core/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

enum { DETACH_KEY = 0x1d /* Ctrl-] */ };

static bool nobody_reads, is_silent;

/* Prints console output. Returns false when the team is gone or silent, or nobody reads. */
static bool take_message(int fd)
{
	CLEANUP(bytes) struct bytes out = { 0 };
	json_t *msg, *data;
	int r = control_read_msg_within(fd, CLIENT_SILENCE_S * NSEC_PER_SEC, &msg);

	is_silent = r == -ETIMEDOUT;
	if (r < 0)
		return false;
	data = json_object_get(msg, "console");
	if (json_is_string(data) &&
	    bytes_append_base64(&out, json_string_value(data), json_string_length(data)) == 0 && out.len > 0)
		nobody_reads = fd_write_all(STDOUT_FILENO, out.data, out.len) == -EPIPE;
	json_decref(msg);
	return !nobody_reads;
}

/* Passes keys on. Returns false when it is over. */
static bool take_keys(int fd, const char *vm)
{
	char keys[1024];
	ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
	CLEANUP(free) char *text = NULL;
	char *end;
	json_t *msg;
	int r;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	end = memchr(keys, DETACH_KEY, (size_t)n);
	text = str_base64(keys, end ? (size_t)(end - keys) : (size_t)n);
	msg = json_pack("{s:s,s:s,s:s,s:i}", "do", "type", "vm", vm, "data", text, "id", 0);
	r = control_write_msg(fd, msg);
	json_decref(msg);
	return !end && r == 0;
}

/* Until somebody says that it is over. A supervisor that was stopped says nothing. */
static void pass_both_ways(int fd, const char *vm)
{
	struct client_pulse pulse;
	bool goes_on = true;

	client_pulse_heard(&pulse, clock_now());
	while (goes_on) {
		struct pollfd p[] = { { .fd = fd, .events = POLLIN },
				      { .fd = STDIN_FILENO, .events = POLLIN } };
		nsec_t left = nsec_max(client_pulse_at(&pulse) - clock_now(), 0);
		struct timespec ts = { left / NSEC_PER_SEC, left % NSEC_PER_SEC };

		if (ppoll(p, 2, &ts, NULL) < 0) {
			goes_on = errno == EINTR;
			continue;
		}
		if (p[0].revents) {
			client_pulse_heard(&pulse, clock_now());
			goes_on = take_message(fd);
		} else {
			is_silent = client_pulse_due(&pulse, fd, clock_now()) == -ETIMEDOUT;
			goes_on = !is_silent;
		}
		if (goes_on && p[1].revents)
			goes_on = take_keys(fd, vm);
	}
}

static int attach(int fd, const char *team, const char *vm)
{
	json_t *reply = NULL, *line;
	size_t i;
	int status = cli_call(fd, json_pack("{s:s,s:s}", "do", "console", "vm", vm), NULL, NULL, &reply);

	if (status != 0)
		return status;
	(void)fprintf(stderr, "attached to %s; Ctrl-] detaches\n", vm);
	json_array_foreach(json_object_get(reply, "tail"), i, line)
		(void)printf("%s%s", i ? "\n" : "", json_string_value(line));
	(void)fflush(stdout);
	json_decref(reply);
	raw_terminal_enter();
	pass_both_ways(fd, vm);
	raw_terminal_leave();
	(void)fprintf(stderr, "\ndetached\n");
	if (is_silent)
		return cli_silent(team);
	return nobody_reads ? EXIT_READER_GONE : EXIT_DONE;
}

static int print_log(const struct store *store, const char *team, const char *vm)
{
	CLEANUP(free) char *name = str_printf("consoles/%s.log", vm);
	CLEANUP(free) char *path = store_state_file(store, team, name);
	CLEANUP(fd) int fd = -1;
	char buf[65536];
	ssize_t n;
	int r;

	if (!store_name_is_valid(team) || strchr(vm, '/'))
		return cli_fail(EXIT_NO_SUCH, "no VM '%s/%s'", team, vm);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		CLEANUP(free) char *member = str_printf("consoles/%s-1.log", vm);
		CLEANUP(free) char *member_path = store_state_file(store, team, member);
		bool is_group = access(member_path, R_OK) == 0;

		return cli_fail(EXIT_NO_SUCH, "no console of '%s/%s'%s%s%s", team, vm, is_group ? "; there is one of '" : "",
				is_group ? vm : "", is_group ? "-1'" : "");
	}
	while ((n = read(fd, buf, sizeof buf)) > 0)
		if ((r = fd_write_all(STDOUT_FILENO, buf, (size_t)n)) < 0)
			return r == -EPIPE ? EXIT_READER_GONE : EXIT_FAILED;
	return n < 0 ? cli_fail(EXIT_FAILED, "%s: %s", path, strerror(errno)) : EXIT_DONE;
}

int cmd_console(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, { "log", no_argument, NULL, OPT_LOG },
						 CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(free) char *team = NULL;
	CLEANUP(free) char *vm = NULL;
	CLEANUP(free) char *why = NULL;
	CLEANUP(fd) int fd = -1;
	bool log = false;
	int c, status;

	while ((c = cli_getopt(cmd, argc, argv, ":", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		log |= c == OPT_LOG;
	}
	if (argc - optind != 1)
		return cli_usage(cmd, "TEAM/VM is needed");
	cli_split_target(argv[optind], &team, &vm);
	if (!vm)
		return cli_usage(cmd, "'%s' is not of the form TEAM/VM", argv[optind]);
	if (log) {
		if (store_open(&store, &why) < 0)
			return cli_fail(EXIT_FAILED, "%s", why);
		return print_log(&store, team, vm);
	}
	status = cli_connect(team, &store, &fd);
	return status != 0 ? status : attach(fd, team, vm);
}
