/* cli/guest.c: reaches the service in a guest.
 *
 * The supervisor names the VM's socket file. What connects there and writes
 * "CONNECT PORT" has a stream to the guest through the VM's machine; neither the supervisor nor
 * its guest agent carry these bytes. A guest without the service closes the stream.
 *
 * A guest may be frozen, or its machine stopped: all of the opening has one time limit, and what is
 * waited for is said before it ends.
 *
 * Used by: cmd_exec.c, cmd_cp.c.   Depends on: core/session.h, core/control.h. */
#include "cli/guest.h"

#include "cli/commands.h"
#include "core/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum { SAY_S = 3, ANSWER_S = 20 /* for the whole opening */, HELLO_ROOM = 64 /* bytes of a HELLO at most */ };

/* An opening under way. */
struct opening {
	const char *vm, *what; /* what is waited for */
	nsec_t since;
	bool is_said;
};

/* Waits until there is input (the end, too). Returns 0, or an exit status (said). */
static int wait_answer(struct opening *o, int fd)
{
	for (;;) {
		nsec_t limit = o->since + (o->is_said ? ANSWER_S : SAY_S) * NSEC_PER_SEC;
		nsec_t left = nsec_max(limit - clock_now(), 0);
		struct timespec ts = { .tv_sec = left / NSEC_PER_SEC, .tv_nsec = left % NSEC_PER_SEC };
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int n = ppoll(&p, 1, &ts, NULL);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return cli_fail(EXIT_FAILED, "poll: %s", strerror(errno));
		if (clock_now() < limit)
			continue;
		if (o->is_said)
			return cli_fail(EXIT_FAILED, "%s: %s did not answer in %d s", o->vm, o->what, ANSWER_S);
		o->is_said = true;
		cli_print(stderr, "muster: waiting for %s: %s does not answer\n", o->vm, o->what);
	}
}

/* Waits for the machine's "OK N". Byte by byte: what follows is the guest's. */
static int read_greeting(struct opening *o, int fd)
{
	char line[32];
	size_t len = 0;

	for (;;) {
		int status = wait_answer(o, fd);

		if (status != 0)
			return status;
		if (len == sizeof line - 1 || read(fd, line + len, 1) != 1)
			return -ENOENT;
		if (line[len++] == '\n')
			return strncmp(line, "OK ", 3) == 0 ? 0 : -ENOENT;
	}
}

/* The guest's first frame. */
static int read_hello(struct opening *o, struct guest *g)
{
	struct session_stream *s = &g->stream;
	struct session_frame frame;
	ssize_t n;

	/* session_read() would wait without bound for the rest of a part. */
	while ((n = session_parse(s->buf, s->len, &frame)) == 0 && s->len < HELLO_ROOM) {
		int status = wait_answer(o, g->fd);

		if (status != 0)
			return status;
		n = read(g->fd, s->buf + s->len, HELLO_ROOM - s->len);
		if (n <= 0)
			return -ENOENT;
		s->len += (size_t)n;
	}
	if (n <= 0 || frame.type != SESSION_HELLO || frame.len < 1)
		return cli_fail(EXIT_FAILED, "%s: what listens in the guest is not Muster's service", o->vm);
	s->at = (size_t)n;
	if (frame.data[0] != SESSION_VERSION)
		return cli_fail(EXIT_FAILED, "%s: the guest's service is of another version (muster images build)", o->vm);
	return 0;
}

static int guest_connect(struct guest *g, const char *socket_path, const char *vm)
{
	CLEANUP(free) char *line = str_printf("CONNECT %d\n", (int)SESSION_PORT);
	struct opening o = { .vm = vm, .what = "the service in the guest", .since = clock_now() };
	int r = control_connect(socket_path, &g->fd);

	if (r < 0)
		return -ENOENT;
	session_stream_init(&g->stream, g->fd);
	r = fd_write_all(g->fd, line, strlen(line));
	if (r < 0)
		return -ENOENT;
	r = read_greeting(&o, g->fd);
	return r != 0 ? r : read_hello(&o, g);
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
