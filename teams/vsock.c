/* teams/vsock.c: opens the host's ends of a VM's socket device.
 *
 * The machine sits in its cell and can open nothing; it is handed streams. As
 * other monitors do it: a program of the host connects to VM.vsock in the team's
 * runtime folder and writes "CONNECT PORT\n"; from then on the stream is the
 * machine's, which answers "OK N\n" when a program of the guest takes it, or
 * closes it. What the guest asks for at port P of the host reaches whoever
 * listens at VM.vsock_P; nobody there is a refusal.
 *
 * Of a stream that is handed on not one byte behind the line is read here. A
 * program that connects and says nothing keeps one of GREETERS_MAX places; the
 * oldest gives way. What a guest can choose of a path is a number.
 *
 * Used by: vm.c.   Depends on: core/control.h, core/loop.h. */
#include "teams/vsock.h"

#include "core/bytes.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	GREETERS_MAX = 64,
	LINE_SIZE = 32, /* "CONNECT 4294967295\n" is 19 */
	WAITING_MAX = 4096, /* bytes for a machine that does not read: no descriptor waits beyond */
};

struct vsock_greeter {
	struct vsock_greeter *next;
	struct vsock_host *host;
	int fd; /* owned */
	struct loop_source *source;
	char line[LINE_SIZE];
	size_t len;
};

static void greeter_free(struct vsock_greeter *g)
{
	struct vsock_host *h = g->host;

	for (struct vsock_greeter **p = &h->greeters; *p; p = &(*p)->next) {
		if (*p != g)
			continue;
		*p = g->next;
		break;
	}
	h->n_greeters--;
	(void)loop_remove(g->source);
	cleanup_fd(&g->fd);
	free(g);
}

/* The port of "CONNECT PORT"; -1 when it is no such line. */
static json_int_t port_of(const char *line)
{
	static const char word[] = "CONNECT ";
	json_int_t port = 0;
	const char *p = line + sizeof word - 1;

	if (strncmp(line, word, sizeof word - 1) != 0 || !*p)
		return -1;
	for (; *p; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		port = 10 * port + (*p - '0');
		if (port > UINT32_MAX) /* here, and not at the end: a line has room for 2^64 + 5 */
			return -1;
	}
	return port;
}

/* The line is whole: the machine has the stream now, or nobody. */
static void hand_on(struct vsock_greeter *g)
{
	json_int_t port = port_of(g->line);
	json_t *msg;

	if (port < 0 || !g->host->machine || control_waiting(g->host->machine) > WAITING_MAX)
		return;
	msg = json_pack("{s:s,s:I}", "do", "vsock-connect", "port", port);
	if (control_send(g->host->machine, msg, &g->fd, 1) < 0)
		log_warn("%s: a stream cannot be handed to its machine", g->host->name);
	json_decref(msg);
}

/* Byte by byte: what follows the line is not ours. */
static void on_greeting(void *ctx, int fd, uint32_t events)
{
	struct vsock_greeter *g = ctx;

	(void)events;
	for (;;) {
		char c;
		/* SYSCALLS(supervisor): recvfrom */
		ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n == 1 && c != '\n' && c != '\0' && g->len < sizeof g->line - 1) {
			g->line[g->len++] = c;
			continue;
		}
		if (n == 1 && c == '\n')
			hand_on(g);
		greeter_free(g);
		return;
	}
}

static void on_listen(void *ctx, int fd, uint32_t events)
{
	struct vsock_host *h = ctx;
	struct vsock_greeter *g, **end = &h->greeters;
	/* SYSCALLS(supervisor): accept4 */
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (conn < 0)
		return;
	if (h->n_greeters == GREETERS_MAX)
		greeter_free(h->greeters);
	g = calloc(1, sizeof *g);
	if (!g)
		abort();
	*g = (struct vsock_greeter){ .host = h, .fd = conn };
	while (*end)
		end = &(*end)->next;
	*end = g;
	h->n_greeters++;
	if (loop_add_fd(h->loop, conn, EPOLLIN, on_greeting, g, &g->source) < 0)
		greeter_free(g);
}

void vsock_host_open(struct vsock_host *h, struct loop *loop, const char *dir, const char *name)
{
	int r;

	*h = (struct vsock_host){ .loop = loop, .name = name, .machine = h->machine, .fd = -1 };
	h->path = str_printf("%s/%s.vsock", dir, name);
	r = control_listen(h->path, &h->fd);
	if (r == 0)
		r = loop_add_fd(loop, h->fd, EPOLLIN, on_listen, h, &h->source);
	if (r == 0)
		return;
	log_warn("%s: no program of the host reaches its sockets: %s: %s", name, h->path,
		 strerror(-r));
	vsock_host_close(h);
}

void vsock_host_bind(struct vsock_host *h, struct control *machine)
{
	h->machine = machine;
}

void vsock_host_close(struct vsock_host *h)
{
	while (h->greeters)
		greeter_free(h->greeters);
	h->source = loop_remove(h->source);
	cleanup_fd(&h->fd);
	free(h->path);
	h->path = NULL;
	h->fd = -1;
}

void vsock_host_dial(struct vsock_host *h, json_t *msg)
{
	json_int_t port = json_integer_value(json_object_get(msg, "port"));
	json_t *token = json_object_get(msg, "token"), *answer;
	CLEANUP(fd) int fd = -1;

	if (!token || !h->machine)
		return;
	if (control_waiting(h->machine) <= WAITING_MAX && h->path && port >= 0 && port <= UINT32_MAX) {
		CLEANUP(free) char *path = str_printf("%s_%u", h->path, (unsigned)port);

		(void)control_connect_now(path, &fd);
	}
	answer = json_pack("{s:s,s:O}", "do", "vsock-answer", "token", token);
	(void)control_send(h->machine, answer, &fd, fd >= 0);
	json_decref(answer);
}
