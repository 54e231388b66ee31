/* teams/console.c: the serial console's supervisor side.
 *
 * The guest may write as much as it likes: the file is bounded (CONSOLE_LOG_MAX; then
 * one line says so), the tail is a fixed window, and a follower for whom
 * WAITING_MAX bytes wait misses what comes then, as on a serial line.
 *
 * Used by: vm.c, serve.c. */
#include "teams/console.h"

#include "core/bytes.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAITING_MAX = 1 << 20 };
static const char panic_text[] = "Kernel panic - not syncing";

int console_open(struct console *c, struct loop *loop, const char *path)
{
	*c = (struct console){ .loop = loop, .fd = -1 };
	/* SYSCALLS(supervisor): openat */
	c->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return c->log_fd < 0 ? -errno : 0;
}

void console_close(struct console *c)
{
	console_unplug(c);
	if (c->log_fd >= 0)
		(void)close(c->log_fd);
	c->log_fd = -1;
}

static void log_output(struct console *c, const char *data, size_t len)
{
	int r;

	if (c->log_failed || c->log_fd < 0)
		return;
	r = fd_append(c->log_fd, CONSOLE_LOG_MAX, data, len);
	if (r < 0) {
		c->log_failed = true;
		log_warn("a console's log cannot be written: %s", strerror(-r));
	}
}

static void keep_tail(struct console *c, const char *data, size_t len)
{
	size_t drop;

	if (len > CONSOLE_TAIL_SIZE) {
		data += len - CONSOLE_TAIL_SIZE;
		len = CONSOLE_TAIL_SIZE;
	}
	drop = c->tail_len + len > CONSOLE_TAIL_SIZE ? c->tail_len + len - CONSOLE_TAIL_SIZE : 0;
	memmove(c->tail, c->tail + drop, c->tail_len - drop);
	c->tail_len -= drop;
	c->scanned -= c->scanned < drop ? c->scanned : drop;
	memcpy(c->tail + c->tail_len, data, len);
	c->tail_len += len;
}

static void look_for_panic(struct console *c)
{
	size_t from = c->scanned;

	if (c->has_panicked)
		return;
	if (memmem(c->tail + from, c->tail_len - from, panic_text, sizeof panic_text - 1)) {
		c->has_panicked = true;
		if (c->on_panic)
			c->on_panic(c->ctx);
		return;
	}
	if (c->tail_len >= sizeof panic_text)
		c->scanned = c->tail_len - sizeof panic_text + 1;
}

static void take_output(struct console *c, const char *data, size_t len)
{
	CLEANUP(free) char *text = NULL;
	json_t *msg;

	log_output(c, data, len);
	keep_tail(c, data, len);
	if (c->n_attached > 0) {
		text = str_base64(data, len);
		msg = json_pack("{s:s}", "console", text);
		for (size_t i = 0; i < c->n_attached; i++)
			if (control_waiting(c->attached[i]) <= WAITING_MAX)
				(void)control_send(c->attached[i], msg, NULL, 0);
		json_decref(msg);
	}
	if (c->on_output)
		c->on_output(c->ctx, data, len);
	look_for_panic(c);
}

/* Returns false at the end of the line. */
static bool read_once(struct console *c)
{
	char buf[16384];
	ssize_t n = c->fd < 0 ? 0 : recv(c->fd, buf, sizeof buf, MSG_DONTWAIT);

	if (n > 0)
		take_output(c, buf, (size_t)n);
	return n > 0;
}

static void on_fd(void *ctx, int fd, uint32_t events)
{
	struct console *c = ctx;

	(void)fd;
	if (!read_once(c) && (events & (EPOLLHUP | EPOLLERR)))
		c->source = loop_remove(c->source);
}

int console_plug(struct console *c, int fd)
{
	c->fd = fd;
	c->has_panicked = false;
	c->scanned = c->tail_len;
	return loop_add_fd(c->loop, fd, EPOLLIN, on_fd, c, &c->source);
}

void console_unplug(struct console *c)
{
	if (c->fd < 0)
		return;
	for (int i = 0; i < 256 && read_once(c); i++)
		;
	c->source = loop_remove(c->source);
	(void)close(take_fd(&c->fd));
}

/* Control characters and what is not ASCII are shown as a question mark:
 * console bytes are hostile to terminals and to JSON. */
static json_t *line_json(const char *line, size_t len)
{
	CLEANUP(bytes) struct bytes text = { 0 };

	for (size_t i = 0; i < len && i < 400; i++) {
		char ch = line[i];

		if (ch == '\r')
			continue;
		if (ch != '\t' && (ch < ' ' || ch > '~'))
			ch = '?';
		bytes_append(&text, &ch, 1);
	}
	return json_string(text.data ? (const char *)text.data : "");
}

json_t *console_tail(const struct console *c, size_t max)
{
	json_t *lines = json_array();
	size_t end = c->tail_len, start, n = 0;

	while (end > 0 && (c->tail[end - 1] == '\n' || c->tail[end - 1] == '\r'))
		end--;
	for (start = end; start > 0; start--)
		if (c->tail[start - 1] == '\n' && ++n == max)
			break;
	while (start < end) {
		const char *nl = memchr(c->tail + start, '\n', end - start);
		size_t len = nl ? (size_t)(nl - (c->tail + start)) : end - start;

		(void)json_array_append_new(lines, line_json(c->tail + start, len));
		start += len + 1;
	}
	return lines;
}

char *console_panic_line(const struct console *c)
{
	const char *at = memmem(c->tail, c->tail_len, panic_text, sizeof panic_text - 1);
	const char *nl;
	char *text;
	json_t *line;

	if (!at)
		return NULL;
	nl = memchr(at, '\n', c->tail_len - (size_t)(at - c->tail));
	line = line_json(at, (size_t)((nl ? nl : c->tail + c->tail_len) - at));
	text = str_dup(json_string_value(line));
	json_decref(line);
	return text;
}

int console_attach(struct console *c, struct control *ctl)
{
	if (c->n_attached == CONSOLE_ATTACHED_MAX)
		return -ENOBUFS;
	c->attached[c->n_attached++] = ctl;
	return 0;
}

void console_detach(struct console *c, const struct control *ctl)
{
	for (size_t i = 0; i < c->n_attached; i++)
		if (c->attached[i] == ctl)
			c->attached[i--] = c->attached[--c->n_attached];
}

void console_type(struct console *c, const void *data, size_t len)
{
	if (c->fd >= 0)
		(void)send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}
