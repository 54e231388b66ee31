/* cli/guest.c: reaches the service in a guest.
 *
 * The supervisor names the VM's socket file. What connects there and writes
 * "CONNECT PORT" has a stream to the guest through the VM's machine; neither the supervisor nor
 * its guest agent carry these bytes. A guest without the service closes the stream.
 *
 * Used by: cmd_exec.c, cmd_cp.c.   Depends on: core/session.h, core/control.h. */
#include "cli/guest.h"

#include "cli/commands.h"
#include "core/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { ANSWER_MS = 10000 };

/* Waits for the machine's "OK N". Byte by byte: what follows is the guest's. */
static int read_greeting(int fd, const char *vm)
{
	char line[32];
	size_t len = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int r = poll(&p, 1, ANSWER_MS);

		if (r < 0 && errno == EINTR)
			continue;
		if (r == 0)
			return cli_fail(EXIT_FAILED, "%s: its machine does not answer", vm);
		if (len == sizeof line - 1 || read(fd, line + len, 1) != 1)
			return -ENOENT;
		if (line[len++] == '\n')
			return strncmp(line, "OK ", 3) == 0 ? 0 : -ENOENT;
	}
}

/* The guest's first frame, within ANSWER_MS. */
static int read_hello(struct guest *g, const char *vm)
{
	struct pollfd p = { .fd = g->fd, .events = POLLIN };
	struct session_frame frame;

	if (poll(&p, 1, ANSWER_MS) <= 0)
		return cli_fail(EXIT_FAILED, "%s: the service in the guest does not answer", vm);
	if (session_read(&g->stream, &frame) <= 0)
		return -ENOENT;
	if (frame.type != SESSION_HELLO || frame.len < 1)
		return cli_fail(EXIT_FAILED, "%s: what listens in the guest is not Muster's service", vm);
	if (frame.data[0] != SESSION_VERSION)
		return cli_fail(EXIT_FAILED, "%s: the guest's service is of another version (muster images build)", vm);
	return 0;
}

static int guest_connect(struct guest *g, const char *socket_path, const char *vm)
{
	CLEANUP(free) char *line = str_printf("CONNECT %d\n", (int)SESSION_PORT);
	int r = control_connect(socket_path, &g->fd);

	if (r < 0)
		return -ENOENT;
	session_stream_init(&g->stream, g->fd);
	r = fd_write_all(g->fd, line, strlen(line));
	if (r < 0)
		return -ENOENT;
	r = read_greeting(g->fd, vm);
	return r != 0 ? r : read_hello(g, vm);
}

int guest_open(int sup, const char *vm, struct guest *ret_guest)
{
	json_t *reply = NULL;
	const char *path;
	int status = cli_call(sup, json_pack("{s:s,s:s}", "do", "session", "vm", vm), NULL, NULL, &reply);

	*ret_guest = (struct guest){ .fd = -1 };
	if (status != 0)
		return status;
	ret_guest->env = json_incref(json_object_get(reply, "env"));
	path = json_string_value(json_object_get(reply, "socket"));
	status = path ? guest_connect(ret_guest, path, vm) : -ENOENT;
	json_decref(reply);
	if (status != 0)
		guest_close(ret_guest);
	return status;
}

void guest_close(struct guest *g)
{
	if (g->stream.buf)
		session_stream_done(&g->stream);
	cleanup_fd(&g->fd);
	json_decref(g->env);
	*g = (struct guest){ .fd = -1 };
}
