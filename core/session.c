/* core/session.c: frames of the guest service, coded and decoded, and a blocking stream of them.
 *
 * Both ends may be hostile to each other: a host reads what a guest sends and the other way
 * round. A name is one component and cannot be "." or "..", so a tree cannot leave its folder.
 *
 * Used by: core/transfer.c, cli/session_*.c, images/agent/session.c.   Depends on: core/bytes.h. */
#include "core/session.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { STREAM_SIZE = 4 * (SESSION_HEADER_LEN + SESSION_LEN_MAX), ENTRY_HEAD_LEN = 21 };

uint32_t session_get_le(const uint8_t *data, size_t n_bytes)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n_bytes; i++)
		value |= (uint32_t)data[i] << 8 * i;
	return value;
}

void session_put_le(uint8_t *data, size_t n_bytes, uint32_t value)
{
	for (size_t i = 0; i < n_bytes; i++)
		data[i] = (uint8_t)(value >> 8 * i);
}

ssize_t session_parse(const uint8_t *data, size_t len, struct session_frame *ret_frame)
{
	size_t body;

	if (len < SESSION_HEADER_LEN)
		return 0;
	body = session_get_le(data + 1, 3);
	if (data[0] == 0 || data[0] >= SESSION_TYPE_COUNT || body > SESSION_LEN_MAX)
		return -EPROTO;
	if (len - SESSION_HEADER_LEN < body)
		return 0;
	*ret_frame = (struct session_frame){ .type = data[0], .data = data + SESSION_HEADER_LEN,
					     .len = body };
	return (ssize_t)(SESSION_HEADER_LEN + body);
}

void session_entry_put(struct bytes *to, const struct session_entry *entry)
{
	uint8_t head[ENTRY_HEAD_LEN] = { (uint8_t)entry->kind };
	uint64_t mtime = (uint64_t)entry->mtime_ns;

	session_put_le(head + 1, 4, entry->mode);
	session_put_le(head + 5, 4, (uint32_t)mtime);
	session_put_le(head + 9, 4, (uint32_t)(mtime >> 32));
	session_put_le(head + 13, 4, (uint32_t)entry->size);
	session_put_le(head + 17, 4, (uint32_t)(entry->size >> 32));
	bytes_append(to, head, sizeof head);
	bytes_append(to, entry->name, strlen(entry->name) + 1);
	bytes_append(to, entry->target ? entry->target : "", strlen(entry->target ? entry->target : "") + 1);
}

static bool name_is_safe(const char *name, bool is_root)
{
	if (!*name)
		return is_root;
	return strlen(name) <= SESSION_NAME_MAX && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

int session_entry_get(const struct session_frame *frame, bool is_root, struct session_entry *ret_entry)
{
	const uint8_t *d = frame->data, *name = d + ENTRY_HEAD_LEN, *end = d + frame->len, *nul;
	const char *target;

	if (frame->len < ENTRY_HEAD_LEN + 2 || end[-1] != '\0')
		return -EPROTO;
	nul = memchr(name, '\0', (size_t)(end - name));
	if (nul == end - 1) /* the target's NUL is missing */
		return -EPROTO;
	target = (const char *)nul + 1;
	if ((const uint8_t *)target + strlen(target) != end - 1)
		return -EPROTO;
	if (!name_is_safe((const char *)name, is_root) || (d[0] == SESSION_LINK) != (*target != '\0') ||
	    (d[0] != SESSION_FILE && d[0] != SESSION_FOLDER && d[0] != SESSION_LINK))
		return -EPROTO;
	*ret_entry = (struct session_entry){
		.kind = d[0],
		.mode = session_get_le(d + 1, 4) & 07777,
		.mtime_ns = (int64_t)(session_get_le(d + 5, 4) | (uint64_t)session_get_le(d + 9, 4) << 32),
		.size = session_get_le(d + 13, 4) | (uint64_t)session_get_le(d + 17, 4) << 32,
		.name = (const char *)name,
		.target = target,
	};
	return 0;
}

char **session_strings(const struct bytes *data, size_t *ret_n)
{
	size_t n = 0, at = 0;
	char **list;

	if (data->len > 0 && data->data[data->len - 1] != '\0')
		return NULL;
	for (size_t i = 0; i < data->len; i++)
		n += data->data[i] == '\0';
	list = calloc(n + 1, sizeof *list);
	if (!list)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		list[i] = (char *)data->data + at;
		at += strlen(list[i]) + 1;
	}
	*ret_n = n;
	return list;
}

/* ---- a blocking stream -------------------------------------------------------- */

void session_stream_init(struct session_stream *s, int fd)
{
	*s = (struct session_stream){ .fd = fd, .buf = malloc(STREAM_SIZE) };
	if (!s->buf)
		abort();
}

void session_stream_done(struct session_stream *s)
{
	free(s->buf);
	*s = (struct session_stream){ .fd = -1 };
}

int session_read(struct session_stream *s, struct session_frame *ret_frame)
{
	for (;;) {
		ssize_t n = session_parse(s->buf + s->at, s->len - s->at, ret_frame);

		if (n < 0)
			return (int)n;
		if (n > 0) {
			s->at += (size_t)n;
			return 1;
		}
		if (s->at > 0) {
			memmove(s->buf, s->buf + s->at, s->len - s->at);
			s->len -= s->at;
			s->at = 0;
		}
		n = read(s->fd, s->buf + s->len, STREAM_SIZE - s->len);
		if (n < 0)
			return -errno;
		if (n == 0)
			return s->len == 0 ? 0 : -EPIPE;
		s->len += (size_t)n;
	}
}

bool session_has_input(const struct session_stream *s)
{
	struct session_frame frame;
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	return session_parse(s->buf + s->at, s->len - s->at, &frame) != 0 || poll(&p, 1, 0) > 0;
}

int session_write(struct session_stream *s, enum session_type type, const void *data, size_t len)
{
	uint8_t head[SESSION_HEADER_LEN] = { (uint8_t)type };
	struct iovec parts[2] = { { .iov_base = head, .iov_len = sizeof head },
				  { .iov_base = (void *)(size_t)data, .iov_len = len } };
	struct msghdr msg = { .msg_iov = parts, .msg_iovlen = len > 0 ? 2 : 1 };

	assert(len <= SESSION_LEN_MAX);
	session_put_le(head + 1, 3, (uint32_t)len);
	while (msg.msg_iovlen > 0) {
		ssize_t n = sendmsg(s->fd, &msg, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		while (msg.msg_iovlen > 0 && (size_t)n >= msg.msg_iov->iov_len) {
			n -= (ssize_t)msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (msg.msg_iovlen > 0) {
			msg.msg_iov->iov_base = (uint8_t *)msg.msg_iov->iov_base + n;
			msg.msg_iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

int session_write_error(struct session_stream *s, int status, const char *text)
{
	CLEANUP(bytes) struct bytes payload = { 0 };
	uint8_t byte = (uint8_t)status;

	bytes_append(&payload, &byte, 1);
	bytes_append_str(&payload, text);
	return session_write(s, SESSION_ERROR, payload.data, payload.len < SESSION_LEN_MAX ? payload.len : SESSION_LEN_MAX);
}
