/* cli/cmd_exec.c: muster exec: the command's stdout, stderr and exit status
 * become this process's own. */
#include "cli/commands.h"

#include <errno.h>
#include <string.h>

enum { STDIN_MAX = 2 << 20 /* its base64 fits one control message */ };

static void on_part(void *ctx, json_t *msg)
{
	const char *stream = json_string_value(json_object_get(msg, "stream"));
	json_t *data = json_object_get(msg, "data");
	CLEANUP(bytes) struct bytes out = { 0 };

	(void)ctx;
	if (stream && json_is_string(data) &&
	    bytes_append_base64(&out, json_string_value(data), json_string_length(data)) == 0 && out.len > 0)
		(void)fd_write_all(strcmp(stream, "stdout") == 0 ? STDOUT_FILENO : STDERR_FILENO,
				   out.data, out.len);
}

static int read_stdin(struct bytes *in)
{
	char buf[65536];

	for (;;) {
		ssize_t n = read(STDIN_FILENO, buf, sizeof buf);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cli_fail(EXIT_FAILED, "stdin: %s", strerror(errno));
		if (n == 0)
			return 0;
		bytes_append(in, buf, (size_t)n);
		if (in->len > STDIN_MAX)
			return cli_fail(EXIT_FAILED, "stdin: more than 2 MiB ('muster cp' copies files)");
	}
}

static int run(int fd, const char *vm, char **argv, bool with_stdin)
{
	CLEANUP(bytes) struct bytes in = { 0 };
	json_t *msg, *list = json_array(), *reply = NULL;
	int status;

	for (; *argv; argv++)
		(void)json_array_append_new(list, json_string(*argv));
	msg = json_pack("{s:s,s:s,s:o}", "do", "exec", "vm", vm, "argv", list);
	if (with_stdin) {
		CLEANUP(free) char *text = NULL;

		status = read_stdin(&in);
		if (status != 0) {
			json_decref(msg);
			return status;
		}
		text = str_base64(in.data ? in.data : (const uint8_t *)"", in.len);
		(void)json_object_set_new(msg, "input", json_string(text));
	}
	status = cli_call(fd, msg, on_part, NULL, &reply);
	if (status != 0)
		return status;
	if (json_is_true(json_object_get(reply, "truncated")))
		(void)cli_fail(0, "the guest agent kept only a part of the output");
	status = (int)json_integer_value(json_object_get(reply, "exit"));
	json_decref(reply);
	return status;
}

int cmd_exec(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(free) char *team = NULL;
	CLEANUP(free) char *vm = NULL;
	CLEANUP(fd) int fd = -1;
	bool with_stdin = false;
	int c, status, first;

	while ((c = cli_getopt(cmd, argc, argv, "+:i", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXIT_USAGE : EXIT_DONE;
		with_stdin |= c == 'i';
	}
	first = optind + 1;
	if (first < argc && strcmp(argv[first], "-i") == 0) {
		with_stdin = true;
		first++;
	}
	if (first < argc && strcmp(argv[first], "--") == 0)
		first++;
	if (first >= argc)
		return cli_usage(cmd, "TEAM/VM and a command are needed");
	cli_split_target(argv[optind], &team, &vm);
	if (!vm)
		return cli_usage(cmd, "'%s' is not of the form TEAM/VM", argv[optind]);
	status = cli_connect(team, &store, &fd);
	return status != 0 ? status : run(fd, vm, argv + first, with_stdin);
}
