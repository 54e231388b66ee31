/* images/agent/main.c: finds the port, reads requests, answers them.
 *
 * A request is one JSON object on a line; a 0xFF byte before it (sent by
 * guest-sync-delimited's caller to flush a parser) is dropped. Requests longer
 * than REQUEST_LEN_MAX are dropped whole. */
#include "images/agent/agent.h"

#include "core/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char port_name[] = "org.qemu.guest_agent.0";

enum { REQUEST_LEN_MAX = 4 << 20, POLL_MAX = 200, RETRY_MS = 100,
       SERVICE_MS = 2000, SERVICE_STEP_MS = 10 };

const struct agent_command agent_commands[] = {
	{ "guest-sync", NULL },
	{ "guest-sync-delimited", NULL },
	{ "guest-ping", command_ping },
	{ "guest-info", command_info },
	{ "guest-exec", command_exec },
	{ "guest-exec-status", command_exec_status },
	{ "guest-file-open", command_file_open },
	{ "guest-file-close", command_file_close },
	{ "guest-file-read", command_file_read },
	{ "guest-file-write", command_file_write },
	{ "guest-file-seek", command_file_seek },
	{ "guest-file-flush", command_file_flush },
	{ "guest-get-host-name", command_host_name },
	{ "guest-get-osinfo", command_os_info },
	{ "guest-get-time", command_time_get },
	{ "guest-set-time", command_time_set },
	{ "guest-network-get-interfaces", command_interfaces },
	{ "guest-shutdown", command_shutdown },
};
const size_t n_agent_commands = sizeof agent_commands / sizeof *agent_commands;

static char error_text[256];

json_t *agent_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(error_text, sizeof error_text, fmt, ap);
	va_end(ap);
	return NULL;
}

const char *agent_arg_str(json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

/* ---- the port ----------------------------------------------------------------- */

static bool is_our_port(const char *dev)
{
	char path[300], name[64] = "";
	int fd;
	ssize_t n;

	(void)snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", dev);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, name, sizeof name - 1);
	(void)close(fd);
	return n > 0 && strncmp(name, port_name, sizeof port_name - 1) == 0;
}

/* Opens the port by its name in sysfs. Returns an fd or -1. */
static int port_open(void)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *e;
	int fd = -1;

	while (dir && fd < 0 && (e = readdir(dir))) {
		char path[300];

		if (e->d_name[0] == '.' || !is_our_port(e->d_name))
			continue;
		(void)snprintf(path, sizeof path, "/dev/%s", e->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	}
	if (dir)
		(void)closedir(dir);
	return fd;
}

static void send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return;
		} else {
			(void)poll(&p, 1, RETRY_MS);
		}
	}
}

/* ---- requests ----------------------------------------------------------------- */

static json_t *call(const char *name, json_t *args)
{
	(void)agent_error("the command %s has not been found", name);
	for (size_t i = 0; i < n_agent_commands; i++)
		if (agent_commands[i].fn && strcmp(agent_commands[i].name, name) == 0)
			return agent_commands[i].fn(args);
	return NULL;
}

static void answer(int fd, json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "execute"));
	json_t *args = json_object_get(request, "arguments"), *id = json_object_get(request, "id");
	json_t *value, *reply = json_object();
	bool delimited = name && strcmp(name, "guest-sync-delimited") == 0;
	char *text;

	if (!name)
		value = agent_error("not a request");
	else if (delimited || strcmp(name, "guest-sync") == 0)
		value = json_incref(json_object_get(args, "id"));
	else
		value = call(name, args);
	if (value)
		(void)json_object_set_new(reply, "return", value);
	else
		(void)json_object_set_new(reply, "error",
					  json_pack("{s:s, s:s}", "class", "GenericError", "desc", error_text));
	if (id)
		(void)json_object_set(reply, "id", id);
	text = json_dumps(reply, JSON_COMPACT);
	if (text) {
		const char *bulk;
		size_t head = bulk_reply_at(text, &bulk);

		if (delimited)
			send_all(fd, "\xff", 1);
		send_all(fd, text, head);
		send_all(fd, bulk, strlen(bulk));
		send_all(fd, text + head, strlen(text + head));
		send_all(fd, "\n", 1);
	}
	free(text);
	json_decref(reply);
}

static struct {
	char *data;
	size_t len, size;
	size_t scanned; /* of len: bytes that hold no newline */
	bool skipping; /* a request that was too long: up to its newline */
} in;

static void take_line(int fd, char *line, size_t len)
{
	json_t *request;
	char *flush = memrchr(line, 0xFF, len), *rest;

	if (flush) {
		len -= (size_t)(flush + 1 - line);
		line = flush + 1;
	}
	if (len == 0)
		return;
	rest = bulk_cut(line, len, &len);
	request = json_loadb(rest ? rest : line, len, 0, NULL);
	if (request)
		answer(fd, request);
	json_decref(request);
	free(rest);
	bulk_done();
}

static void take_input(int fd, const char *data, size_t n)
{
	char *nl;

	if (in.len + n > in.size) {
		char *grown = in.len + n <= REQUEST_LEN_MAX ? realloc(in.data, (in.len + n) * 2) : NULL;

		if (!grown) {
			in.len = in.scanned = 0;
			in.skipping = true;
			return;
		}
		in.data = grown;
		in.size = (in.len + n) * 2;
	}
	memcpy(in.data + in.len, data, n);
	in.len += n;
	while (in.len > in.scanned) {
		size_t len;

		nl = memchr(in.data + in.scanned, '\n', in.len - in.scanned);
		if (!nl) {
			in.scanned = in.len;
			break;
		}
		len = (size_t)(nl - in.data);
		in.scanned = 0;

		if (!in.skipping)
			take_line(fd, in.data, len);
		in.skipping = false;
		in.len -= len + 1;
		memmove(in.data, nl + 1, in.len);
	}
}

/* One round of waiting. Returns false when the port is lost. */
static bool serve(int fd)
{
	struct pollfd fds[POLL_MAX] = { { .fd = fd, .events = POLLIN } };
	size_t n = 1 + exec_poll_add(fds + 1, POLL_MAX - 1);
	char buf[65536];
	ssize_t got;

	if (poll(fds, (nfds_t)n, -1) < 0)
		return errno == EINTR;
	exec_reap();
	exec_poll_done(fds + 1, n - 1);
	if (!fds[0].revents)
		return true;
	got = read(fd, buf, sizeof buf);
	if (got > 0)
		take_input(fd, buf, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		(void)poll(NULL, 0, RETRY_MS); /* the host's end is closed */
	return got >= 0 || errno == EAGAIN || errno == EINTR;
}

/* The agent's first answer makes the VM ready, and who then runs a command wants the guest service. It
 * is waited for, but not for long: an image may be without it. */
static void wait_for_service(void)
{
	for (int left = SERVICE_MS; left > 0 && access(SESSION_READY_FILE, F_OK) < 0; left -= SERVICE_STEP_MS)
		(void)poll(NULL, 0, SERVICE_STEP_MS);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	wait_for_service();
	for (;;) {
		int fd = port_open();

		while (fd >= 0 && serve(fd))
			;
		if (fd >= 0)
			(void)close(fd);
		(void)poll(NULL, 0, RETRY_MS);
	}
}
