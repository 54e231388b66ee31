/* core/control.c: JSON lines over a stream socket, fds riding along.
 *
 * Sent messages wait in one buffer; fds are bound to the first byte of their
 * message (a mark keeps its offset), so that the receiver has them when it has
 * read that line. Which of several lines they came with is not to be seen: one
 * recvmsg(2) returns the bytes before a message with fds together with that
 * message. So the message itself says how many are its own, and takes them, in
 * order, off the queue of those received. That queue holds what two messages
 * may have: of one whose line is not whole, and of the next, which came in the
 * same read as the rest of it. When all bytes are dispatched none may be left.
 *
 * Fairness: a turn reads at most once, READ_SIZE bytes, and only when no whole
 * message is left in the buffer; it hands out CONTROL_TURN_MSGS. Bytes in the
 * socket are reported again by epoll, messages in the buffer by loop_again().
 * So the buffer holds one message that is not whole and one read.
 * Back-pressure: a peer that does not read what it is sent is not read either
 * (out_pause_len), and who exceeds out_len all the same is cut off.
 *
 * Used by: cli, supervisor, fabric, machine.   Depends on: core/loop.h.
 * Sources: unix(7), cmsg(3). */
#include "core/control.h"

#include "core/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

enum { READ_SIZE = 65536, WAITING_FDS_MAX = 2 * CONTROL_FDS_MAX };

/* fds that leave with the byte at @offset of the send buffer. */
struct fd_mark {
	struct fd_mark *next;
	size_t offset;
	int n_fds;
	int fds[CONTROL_FDS_MAX];
};

struct control {
	struct loop *loop;
	struct loop_source *source;
	int fd;
	control_fn *fn;
	void *ctx;
	struct bytes in, out;
	size_t in_scanned; /* bytes of in known to hold no newline */
	struct fd_mark *marks, **marks_end;
	int fds[WAITING_FDS_MAX], n_fds; /* received, not yet handed out */
	struct control_limits limits;
	int broken; /* -errno the owner is told at the next turn; 0: whole */
	bool busy; /* in a callback: free only marks */
	bool freed, ended;
};

static void on_ready(void *ctx, int fd, uint32_t events);

static int set_nonblocking(int fd)
{
	/* SYSCALLS(setup): fcntl(1 == F_GETFL F_SETFL) */
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int control_new(struct loop *loop, int fd, control_fn *fn, void *ctx, struct control **ret_control)
{
	struct control *c = calloc(1, sizeof *c);
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct control){ .loop = loop, .fd = fd, .fn = fn, .ctx = ctx,
			       .limits = { CONTROL_LEN_MAX, CONTROL_OUT_MAX, 0 } };
	c->marks_end = &c->marks;
	r = set_nonblocking(fd);
	if (r == 0)
		r = loop_add_fd(loop, fd, EPOLLIN, on_ready, c, &c->source);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret_control = c;
	return 0;
}

static void close_fds(int *fds, int n)
{
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

static void drop_mark(struct control *c)
{
	struct fd_mark *m = c->marks;

	c->marks = m->next;
	if (!c->marks)
		c->marks_end = &c->marks;
	close_fds(m->fds, m->n_fds);
	free(m);
}

void control_set_limits(struct control *c, const struct control_limits *limits)
{
	c->limits = *limits;
}

size_t control_waiting(const struct control *c)
{
	return c->out.len;
}

void control_break(struct control *c, int status)
{
	if (c->broken == 0)
		c->broken = status;
	if (c->source)
		loop_again(c->source);
}

void control_keep(struct control *c)
{
	if (c->source)
		loop_keep(c->source);
}

struct control *control_free(struct control *c)
{
	if (!c)
		return NULL;
	c->source = loop_remove(c->source);
	if (c->fd >= 0)
		(void)close(take_fd(&c->fd));
	c->freed = true;
	if (c->busy)
		return NULL;
	while (c->marks)
		drop_mark(c);
	close_fds(c->fds, c->n_fds);
	bytes_done(&c->in);
	bytes_done(&c->out);
	free(c);
	return NULL;
}

/* Tells the owner of the end, once. */
static void end(struct control *c, int status)
{
	if (c->ended || c->freed)
		return;
	c->ended = true;
	c->source = loop_remove(c->source);
	c->fn(c->ctx, c, NULL, NULL, 0, status);
}

/* ---- sending -------------------------------------------------------------- */

static int add_mark(struct control *c, const int *fds, int n_fds)
{
	struct fd_mark *m = calloc(1, sizeof *m);

	if (!m)
		return -ENOMEM;
	m->offset = c->out.len;
	for (int i = 0; i < n_fds; i++) {
		/* SYSCALLS(supervisor): fcntl(1 == F_DUPFD_CLOEXEC) */
		int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

		if (copy < 0) {
			int r = -errno;

			close_fds(m->fds, m->n_fds);
			free(m);
			return r;
		}
		m->fds[m->n_fds++] = copy;
	}
	*c->marks_end = m;
	c->marks_end = &m->next;
	return 0;
}

static ssize_t send_with_fds(int fd, const void *data, size_t len, const int *fds, int n_fds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)];
		struct cmsghdr head;
	} u = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		struct cmsghdr *h = &u.head;

		msg.msg_control = u.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n_fds);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n_fds);
		memcpy(CMSG_DATA(h), fds, sizeof(int) * (size_t)n_fds);
	}
	/* SYSCALLS(machine fabric uplink supervisor): sendmsg */
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

/* The peer owes us a read of its own before it is heard. */
static bool is_paused(const struct control *c)
{
	return c->limits.out_pause_len > 0 && c->out.len > c->limits.out_pause_len;
}

/* Hands as much to the kernel as it takes now. Returns 0 or -errno. */
static int flush(struct control *c)
{
	bool was_paused = is_paused(c);
	size_t sent = 0;
	int r = 0;

	while (sent < c->out.len) {
		struct fd_mark *m = c->marks && c->marks->offset == sent ? c->marks : NULL;
		struct fd_mark *stop = m ? m->next : c->marks;
		size_t upto = stop ? stop->offset : c->out.len;
		ssize_t n = send_with_fds(c->fd, c->out.data + sent, upto - sent, m ? m->fds : NULL,
					  m ? m->n_fds : 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = errno == EAGAIN ? 0 : -errno;
			break;
		}
		if (m)
			drop_mark(c);
		sent += (size_t)n;
	}
	bytes_consume(&c->out, sent);
	for (struct fd_mark *m = c->marks; m; m = m->next)
		m->offset -= sent;
	if (was_paused && !is_paused(c) && c->source)
		loop_again(c->source); /* messages may be in the buffer */
	if (r == 0 && c->source)
		r = loop_set_events(c->source, (c->out.len ? EPOLLOUT : 0) | (is_paused(c) ? 0 : EPOLLIN));
	return r;
}

/* The message's line without its end; NULL when it cannot be had. */
static char *text_of(json_t *msg, int n_fds)
{
	json_t *with;
	char *text;

	if (n_fds == 0)
		return json_dumps(msg, JSON_COMPACT);
	with = json_copy(msg);
	(void)json_object_set_new(with, "fds", json_integer(n_fds));
	text = json_dumps(with, JSON_COMPACT);
	json_decref(with);
	return text;
}

int control_send(struct control *c, json_t *msg, const int *fds, int n_fds)
{
	char *text;
	int r = 0;

	if (c->fd < 0 || c->ended)
		return -EPIPE;
	if (n_fds > CONTROL_FDS_MAX)
		return -EINVAL;
	text = text_of(msg, n_fds);
	if (!text)
		return -EINVAL;
	if (c->out.len + strlen(text) > c->limits.out_len) {
		r = -ENOBUFS;
		control_break(c, r);
	}
	if (r == 0 && n_fds > 0)
		r = add_mark(c, fds, n_fds);
	if (r == 0) {
		bytes_append_str(&c->out, text);
		bytes_append(&c->out, "\n", 1);
		r = flush(c);
		if (r == -EPIPE || r == -ECONNRESET)
			r = -EPIPE; /* the reader's side tells the owner */
	}
	free(text);
	return r;
}

bool control_is_flushed(const struct control *c)
{
	return c->out.len == 0;
}

/* ---- receiving ------------------------------------------------------------ */

static int keep_fds(struct control *c, struct msghdr *msg)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		int fds[CONTROL_FDS_MAX];
		size_t n;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(h), n * sizeof(int));
		if (c->n_fds + (int)n > WAITING_FDS_MAX) {
			close_fds(fds, (int)n);
			return -EPROTO;
		}
		memcpy(c->fds + c->n_fds, fds, n * sizeof(int));
		c->n_fds += (int)n;
	}
	return msg->msg_flags & MSG_CTRUNC ? -EPROTO : 0;
}

/* Reads once. Returns bytes read, 0 at the end, -EAGAIN, -errno. */
static ssize_t receive(struct control *c)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)];
		struct cmsghdr align;
	} u;
	char data[READ_SIZE];
	struct iovec iov = { .iov_base = data, .iov_len = sizeof data };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf,
			      .msg_controllen = sizeof u.buf };
	/* SYSCALLS(machine fabric uplink supervisor): recvmsg */
	ssize_t n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC);
	int r;

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	r = keep_fds(c, &msg);
	if (r < 0)
		return r;
	bytes_append(&c->in, data, (size_t)n);
	return n;
}

/* Takes what @msg claims off the queue. Returns how many; -EPROTO when that many
 * did not come. */
static int claim_fds(struct control *c, json_t *msg, int *fds)
{
	json_t *claim = json_object_get(msg, "fds");
	json_int_t n = claim ? json_integer_value(claim) : 0;

	if (n < 0 || n > CONTROL_FDS_MAX || n > c->n_fds || (claim && !json_is_integer(claim)))
		return -EPROTO;
	memcpy(fds, c->fds, sizeof(int) * (size_t)n);
	c->n_fds -= (int)n;
	memmove(c->fds, c->fds + n, sizeof(int) * (size_t)c->n_fds);
	return (int)n;
}

/* Hands out one whole message, if there is one. Returns 1, 0, or -EPROTO. */
static int dispatch_one(struct control *c)
{
	uint8_t *start = c->in.data, *nl;
	int fds[CONTROL_FDS_MAX], n_fds;
	size_t len;
	json_t *msg;

	nl = c->in.len > c->in_scanned ?
		     memchr(start + c->in_scanned, '\n', c->in.len - c->in_scanned) :
		     NULL;
	if (!nl) {
		c->in_scanned = c->in.len;
		return c->in.len > c->limits.in_len || (c->in.len == 0 && c->n_fds) ? -EPROTO : 0;
	}
	len = (size_t)(nl - start);
	if (len > c->limits.in_len)
		return -EPROTO;
	msg = json_loadb((const char *)start, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	bytes_consume(&c->in, len + 1);
	c->in_scanned = 0;
	n_fds = json_is_object(msg) ? claim_fds(c, msg, fds) : -EPROTO;
	if (n_fds < 0) {
		json_decref(msg);
		return -EPROTO;
	}
	c->fn(c->ctx, c, msg, fds, n_fds, 0);
	close_fds(fds, n_fds);
	json_decref(msg);
	return 1;
}

/* Hands out a turn's worth of what is in the buffer. Returns how many messages; -EPROTO. */
static int dispatch(struct control *c)
{
	int n = 0, r = 1;

	while (n < CONTROL_TURN_MSGS && !c->freed && !c->ended && !is_paused(c)) {
		r = dispatch_one(c);
		if (r <= 0)
			break;
		n++;
	}
	return r < 0 ? r : n;
}

/* One turn: what is left of the last read, else one read and what it brought. */
static void take_turn(struct control *c)
{
	ssize_t n = 1;
	int r = dispatch(c);

	if (r == 0 && !c->freed && !c->ended && !is_paused(c)) {
		n = receive(c);
		if (n > 0)
			r = dispatch(c);
	}
	if (r < 0)
		end(c, r);
	else if (n <= 0 && n != -EAGAIN)
		end(c, n == -ECONNRESET ? 0 : (int)n);
	/* Nobody else reports what is in the buffer; without a newline it waits for a read. */
	if (!c->freed && !c->ended && !is_paused(c) && c->in.len > c->in_scanned)
		loop_again(c->source);
}

static void on_ready(void *ctx, int fd, uint32_t events)
{
	struct control *c = ctx;
	bool was_paused = is_paused(c);
	int r = c->broken;

	(void)fd;
	(void)events;
	c->busy = true;
	if (r == 0 && c->out.len > 0) {
		r = flush(c);
		/* That the peer is gone is seen by the reading side, unless it may not read. */
		if (r == -EPIPE || r == -ECONNRESET) {
			r = 0;
			if (was_paused)
				end(c, 0);
		}
	}
	if (r < 0)
		end(c, r);
	else if (!c->ended && !is_paused(c))
		take_turn(c);
	c->busy = false;
	if (c->freed) {
		c->freed = false;
		(void)control_free(c);
	}
}

/* ---- without a loop --------------------------------------------------------- */

int control_write_msg(int fd, json_t *msg)
{
	char *text = json_dumps(msg, JSON_COMPACT);
	CLEANUP(bytes) struct bytes line = { 0 };
	size_t sent = 0;

	if (!text)
		return -EINVAL;
	bytes_append_str(&line, text);
	bytes_append(&line, "\n", 1);
	free(text);
	while (sent < line.len) {
		/* SYSCALLS(setup): sendto(4 null) */
		ssize_t n = send(fd, line.data + sent, line.len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		sent += (size_t)n;
	}
	return 0;
}

/* Peeks for the newline first, so that nothing of the next message is taken. */
int control_read_msg(int fd, json_t **ret_msg)
{
	return control_read_msg_within(fd, NSEC_NEVER, ret_msg);
}

/* Waits for a byte. Returns 0, -ETIMEDOUT, -errno. */
static int wait_readable(int fd, nsec_t silence_ns)
{
	nsec_t until = silence_ns == NSEC_NEVER ? NSEC_NEVER : clock_now() + silence_ns;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (until != NSEC_NEVER) {
		nsec_t left = nsec_max(until - clock_now(), 0);
		struct timespec ts = { left / NSEC_PER_SEC, left % NSEC_PER_SEC };
		int n = ppoll(&p, 1, &ts, NULL);

		if (n < 0 && errno == EINTR)
			continue;
		return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
	}
	return 0;
}

int control_read_msg_within(int fd, nsec_t silence_ns, json_t **ret_msg)
{
	CLEANUP(bytes) struct bytes line = { 0 };
	char buf[4096];
	json_t *msg;

	for (;;) {
		int r = wait_readable(fd, silence_ns);
		ssize_t n = r < 0 ? 0 : recv(fd, buf, sizeof buf, MSG_PEEK);
		char *nl;
		size_t take;

		if (r < 0)
			return r;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		nl = memchr(buf, '\n', (size_t)n);
		take = nl ? (size_t)(nl - buf) + 1 : (size_t)n;
		if (recv(fd, buf, take, MSG_WAITALL) != (ssize_t)take)
			return -EPIPE;
		bytes_append(&line, buf, take);
		if (line.len > CONTROL_LEN_MAX)
			return -EPROTO;
		if (nl)
			break;
	}
	msg = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (!json_is_object(msg)) {
		json_decref(msg);
		return -EPROTO;
	}
	*ret_msg = msg;
	return 0;
}

static int address_of(const char *path, struct sockaddr_un *ret_addr)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof a.sun_path)
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path) + 1);
	*ret_addr = a;
	return 0;
}

int control_listen(const char *path, int *ret_fd)
{
	/* SYSCALLS(supervisor): socket(0 == AF_UNIX) fchmod bind listen */
	CLEANUP(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr;
	int r;

	if (fd < 0)
		return -errno;
	r = address_of(path, &addr);
	if (r < 0)
		return r;
	/* The mode of the socket file follows the fd's before bind(2). */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int connect_with(const char *path, int flags, int *ret_fd)
{
	const struct timeval limit = { .tv_sec = CONTROL_BLOCK_S };
	CLEANUP(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	struct sockaddr_un addr;
	int r;

	if (fd < 0)
		return -errno;
	r = address_of(path, &addr);
	if (r < 0)
		return r;
	/* For those who block: connecting and writing to a process that was stopped. */
	if (!(flags & SOCK_NONBLOCK))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	/* Sockets of the supervisor are Unix sockets, so that is all it can reach. */
	/* SYSCALLS(supervisor): connect */
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		return errno == EAGAIN && !(flags & SOCK_NONBLOCK) ? -ETIMEDOUT : -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

int control_connect(const char *path, int *ret_fd)
{
	return connect_with(path, 0, ret_fd);
}

int control_connect_now(const char *path, int *ret_fd)
{
	return connect_with(path, SOCK_NONBLOCK, ret_fd);
}
