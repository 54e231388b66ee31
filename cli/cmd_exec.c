/* cli/cmd_exec.c: muster exec: the command's stdout, stderr and exit status
 * become this process's own.
 *
 * It runs through the guest's own service (guest_exec.c). A guest without it is asked
 * through its QEMU guest agent: there is no terminal then, stdin is read whole before the
 * command starts, and arguments are UTF-8. */
#include "cli/commands.h"
#include "cli/guest.h"

#include <errno.h>
#include <string.h>

enum { STDIN_MAX = 2 << 20 /* its base64 fits one control message */ };

/* What is asked for. */
struct request {
	const char *team;
	struct guest_exec what;
};

/* ---- through the guest agent ----------------------------------------------------- */

static void on_part(void *ctx, json_t *msg)
{
	const char *stream = json_string_value(json_object_get(msg, "stream"));
	json_t *data = json_object_get(msg, "data");
	CLEANUP(bytes) struct bytes out = { 0 };

	(void)ctx;
	if (!stream || !json_is_string(data) ||
	    bytes_append_base64(&out, json_string_value(data), json_string_length(data)) != 0 || out.len == 0)
		return;
	/* Nobody reads: this connection's end is the command's. */
	if (fd_write_all(strcmp(stream, "stdout") == 0 ? STDOUT_FILENO : STDERR_FILENO, out.data, out.len) == -EPIPE)
		_exit(EXIT_READER_GONE);
}

static int read_stdin(struct bytes *in)
{
	char buf[65536];

	for (;;) {
		ssize_t n = read(STDIN_FILENO, buf, sizeof buf);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cli_fail(EXEC_FAILED, "stdin: %s", strerror(errno));
		if (n == 0)
			return 0;
		bytes_append(in, buf, (size_t)n);
		if (in->len > STDIN_MAX)
			return cli_fail(EXEC_FAILED, "stdin: more than 2 MiB, and the guest's agent takes no more ('muster cp' copies files)");
	}
}

static int run_by_agent(int fd, const char *vm, const struct guest_exec *what)
{
	CLEANUP(bytes) struct bytes in = { 0 };
	json_t *msg, *list = json_array(), *reply = NULL;
	bool is_utf8 = true;
	int status;

	for (char *const *arg = what->argv; *arg; arg++)
		is_utf8 &= json_array_append_new(list, json_string(*arg)) == 0;
	if (!is_utf8 || what->tty) {
		json_decref(list);
		return cli_fail(EXEC_FAILED, "%s: the guest has no service of Muster's, and its agent %s", vm,
				what->tty ? "gives no terminal" : "takes arguments in UTF-8 only");
	}
	msg = json_pack("{s:s,s:s,s:o}", "do", "exec", "vm", vm, "argv", list);
	if (what->input) {
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
		return EXEC_FAILED;
	if (json_is_true(json_object_get(reply, "truncated")))
		(void)cli_fail(0, "the guest agent kept only a part of the output");
	status = (int)json_integer_value(json_object_get(reply, "exit"));
	json_decref(reply);
	return status;
}

/* ---- one VM, or several ------------------------------------------------------------ */

static int run_on(int fd, const char *vm, const struct guest_exec *what)
{
	CLEANUP(guest) struct guest g = { .fd = -1 };
	int status = guest_open(fd, vm, &g);

	if (status == -ENOENT)
		return run_by_agent(fd, vm, what);
	return status != 0 ? EXEC_FAILED : guest_exec(&g, what);
}

/* In a process of its own: with a connection of its own. */
static int run_one_of_many(void *ctx, const char *vm)
{
	const struct request *req = ctx;
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(fd) int fd = -1;

	return cli_connect(req->team, &store, &fd) != 0 ? EXEC_FAILED : run_on(fd, vm, &req->what);
}

static int run_on_many(int fd, struct request *req, const char *vm)
{
	json_t *reply = NULL;
	char **vms;
	size_t n = 0;
	int status = cli_call(fd, json_pack("{s:s}", "do", "status"), NULL, NULL, &reply);

	if (status != 0)
		return EXEC_FAILED;
	vms = cli_find_vms(reply, vm, &n);
	json_decref(reply);
	if (n == 0)
		status = run_on(fd, vm ? vm : "", &req->what); /* says that there is no such VM */
	else if (req->what.input || req->what.tty)
		status = cli_fail(EXEC_FAILED, "-i and -t are for one VM");
	else
		status = guest_exec_many(vms, n, run_one_of_many, req);
	cli_free_vms(vms);
	return status;
}

static bool is_a_vm(int fd, const char *vm)
{
	json_t *reply = NULL, *v;
	bool found = false;
	size_t i;

	if (client_call(fd, json_pack("{s:s}", "do", "status"), NULL, NULL, &reply) < 0)
		return true; /* who asks next says what is wrong */
	json_array_foreach(json_object_get(reply, "vms"), i, v)
		found |= strcmp(json_string_value(json_object_get(v, "name")) ?: "", vm) == 0;
	json_decref(reply);
	return found;
}

int cmd_exec(const struct command *cmd, int argc, char **argv)
{
	static const struct option options[] = { CLI_OPT_HELP, CLI_OPT_END };
	CLEANUP(store) struct store store = { 0 };
	CLEANUP(free) char *team = NULL;
	CLEANUP(free) char *vm = NULL;
	CLEANUP(fd) int fd = -1;
	struct request req = { 0 };
	int c, first;

	while ((c = cli_getopt(cmd, argc, argv, "+:it", options)) != -1) {
		if (c == OPT_HELP || c == '?')
			return c == '?' ? EXEC_FAILED : EXIT_DONE;
		req.what.input |= c == 'i';
		req.what.tty |= c == 't';
	}
	first = optind + 1;
	for (; first < argc && argv[first][0] == '-' && argv[first][1] && strspn(argv[first] + 1, "it") == strlen(argv[first] + 1); first++) {
		req.what.input |= strchr(argv[first], 'i') != NULL;
		req.what.tty |= strchr(argv[first], 't') != NULL;
	}
	if (first < argc && strcmp(argv[first], "--") == 0)
		first++;
	if (first >= argc) {
		(void)cli_usage(cmd, "TEAM/VM or TEAM, and a command are needed");
		return EXEC_FAILED;
	}
	cli_split_target(argv[optind], &team, &vm);
	if (cli_connect(team, &store, &fd) != 0)
		return EXEC_FAILED;
	req.team = team;
	req.what.argv = argv + first;
	if (vm && is_a_vm(fd, vm))
		return run_on(fd, vm, &req.what);
	return run_on_many(fd, &req, vm);
}
