/* fabric/port_stream.c: a port whose other side is a program at a Unix stream socket.
 *
 * QEMU's `-netdev stream` connects to the listening socket that the port was handed. Each frame on the wire has its
 * length before it, 4 bytes, big-endian. A frame is complete: what carries an offload header is cut into segments,
 * and checksums are filled in, before it is sent.
 *
 * One peer is served at a time. Another one that connects meanwhile is refused: its connection is closed at once. What
 * the first sent is read before that, so that who follows a peer that has gone is taken. A peer that
 * announces a frame of more than FRAME_LEN_MAX bytes is dropped, since nothing after that can be told apart.
 *
 * What is read waits in one buffer until it is whole frames, and what is sent waits in another until the peer takes
 * it. Both are bounded. The port never waits for a peer: what does not fit is lost, a frame that was cut as a whole.
 *
 * The port's descriptor to wait on is an epoll set of its own with two members, the listening socket and the peer.
 * It is asked edge by edge: a peer that had nothing IDLE_READS times is read again when the set has news of it.
 *
 * Used by: fabric/port.c.   Depends on: core/checksum.h, core/wire.h.
 * Sources: QEMU, net/stream.c and net/net.c (net_fill_rstate()); unix(7), epoll(7). */
#include "core/checksum.h"
#include "core/state.h"
#include "core/wire.h"
#include "fabric/port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HEAD_LEN = 4, /* a frame's length on the wire */
	IN_SIZE = 256 << 10,
	OUT_SIZE = 1 << 20, /* bytes; as much as a ring holds */
	IDLE_READS = 16,
	REFUSED_MAX = 8, /* in one turn */
};
enum waits_for { LISTENER, PEER };

struct stream {
	int epoll_fd, peer_fd; /* owned; peer_fd is -1 without a peer */
	bool may_accept; /* somebody may have connected */
	bool is_blocked; /* the peer takes nothing now, and the set tells when it does */
	unsigned n_idle; /* reads in turn that brought nothing */
	const char *end; /* why the peer is about to be dropped, or NULL */
	uint8_t *in, *out; /* IN_SIZE and OUT_SIZE bytes */
	size_t in_at, in_len; /* what was read and not yet taken */
	size_t out_at, out_len; /* what was put and not yet sent */
	size_t out_cut; /* bytes at out_at that end a frame whose beginning was sent */
};

static void publish(struct fabric_port *p);

/* ---- the peer ------------------------------------------------------------------- */

/* SYSCALLS(fabric): epoll_ctl */
static int watch(struct stream *s, int op, int fd, enum waits_for what, uint32_t events)
{
	struct epoll_event e = { .events = events | EPOLLET, .data.u32 = what };

	return epoll_ctl(s->epoll_fd, op, fd, &e) < 0 ? -errno : 0;
}

static void set_blocked(struct stream *s, bool is_blocked)
{
	if (s->is_blocked == is_blocked)
		return;
	s->is_blocked = is_blocked;
	(void)watch(s, EPOLL_CTL_MOD, s->peer_fd, PEER, EPOLLIN | EPOLLRDHUP | (is_blocked ? EPOLLOUT : 0));
}

/* What waited for the peer goes with it. */
static void drop_peer(struct fabric_port *p, nsec_t now)
{
	struct stream *s = p->own;
	const char *why = s->end;

	(void)close(s->peer_fd);
	s->peer_fd = -1;
	s->end = NULL;
	s->is_blocked = false;
	s->may_accept = true;
	s->in_at = s->in_len = s->out_at = s->out_len = s->out_cut = 0;
	fabric_port_peer(p, false, why, now);
}

/* The next one that connected, the caller's; -1: nobody is known to have. */
static int next_connection(struct fabric_port *p)
{
	struct stream *s = p->own;
	int fd;

	if (!s->may_accept)
		return -1;
	/* SYSCALLS(fabric): accept4(1 null, 2 null, 3 == SOCK_CLOEXEC|SOCK_NONBLOCK) */
	fd = accept4(p->plan->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		s->may_accept = errno == EINTR || errno == ECONNABORTED;
	return fd;
}

/* Returns whether there is a peer now. */
static bool take_peer(struct fabric_port *p, nsec_t now)
{
	struct stream *s = p->own;
	int fd = next_connection(p);

	if (fd < 0)
		return false;
	if (watch(s, EPOLL_CTL_ADD, fd, PEER, EPOLLIN | EPOLLRDHUP) < 0) {
		(void)close(fd);
		return false;
	}
	s->peer_fd = fd;
	s->n_idle = 0;
	fabric_port_peer(p, true, NULL, now);
	publish(p);
	return true;
}

static void refuse_others(struct fabric_port *p)
{
	int fd;

	for (unsigned i = 0; i < REFUSED_MAX && (fd = next_connection(p)) >= 0; i++) {
		(void)close(fd);
		fabric_port_refused(p, "another program is connected");
	}
}

/* ---- from the peer -------------------------------------------------------------- */

/* The length of the first frame in the buffer when the whole of it is there; 0, and nothing is taken, when not. */
static uint32_t whole_frame(struct stream *s)
{
	uint32_t len;

	if (s->in_len < HEAD_LEN)
		return 0;
	len = load_be32(s->in + s->in_at);
	if (len == 0)
		s->end = "it announced a frame of 0 bytes";
	else if (len > FRAME_LEN_MAX)
		s->end = "it announced a frame that is longer than any";
	return !s->end && s->in_len - HEAD_LEN >= len ? len : 0;
}

static unsigned take_frames(struct fabric_port *p, unsigned max, nsec_t now)
{
	struct stream *s = p->own;
	unsigned n = 0;
	uint32_t len;

	for (; n < max && (len = whole_frame(s)) > 0; n++) {
		struct ring_record rec = { .data = s->in + s->in_at + HEAD_LEN, .len = len, .time_ns = -1 };

		fabric_port_enter(p, &rec, now);
		s->in_at += HEAD_LEN + len;
		s->in_len -= HEAD_LEN + len;
	}
	return n;
}

/* Reads what there is. Returns false when that is nothing. */
static bool fill(struct stream *s)
{
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	/* There is never more than a part of one frame. */
	if (s->in_len > 0 && s->in_at > 0)
		memmove(s->in, s->in + s->in_at, s->in_len);
	s->in_at = 0;
	iov = (struct iovec){ s->in + s->in_len, IN_SIZE - s->in_len };
	/* SYSCALLS(fabric): recvmsg */
	n = recvmsg(s->peer_fd, &msg, MSG_DONTWAIT);
	if (n > 0) {
		s->n_idle = 0;
		s->in_len += (size_t)n;
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		s->n_idle++;
	else
		s->end = n == 0 ? "it closed the connection" : strerror(errno);
	return false;
}

static unsigned drain(struct fabric_port *p, unsigned max, nsec_t now)
{
	struct stream *s = p->own;
	unsigned n;

	n = take_frames(p, max, now);
	if (s->peer_fd < 0 && !take_peer(p, now))
		return n;
	while (n < max && !s->end && s->n_idle < IDLE_READS && fill(s))
		n += take_frames(p, max - n, now);
	if (s->end)
		drop_peer(p, now);
	else if (s->n_idle > 0)
		refuse_others(p);
	return n;
}

/* ---- to the peer ---------------------------------------------------------------- */

/* Bytes that were sent leave the buffer. */
static void sent(struct stream *s, size_t n)
{
	s->out_at += n;
	s->out_len -= n;
	/* Skips the frames that went whole. */
	while (n > s->out_cut) {
		n -= s->out_cut;
		s->out_cut = 0;
		if (n > 0)
			s->out_cut = HEAD_LEN + load_be32(s->out + s->out_at - n);
	}
	s->out_cut -= n;
	if (s->out_len == 0)
		s->out_at = 0;
}

static void publish(struct fabric_port *p)
{
	struct stream *s = p->own;

	while (s->peer_fd >= 0 && s->out_len > 0 && !s->is_blocked && !s->end) {
		struct iovec iov = { s->out + s->out_at, s->out_len };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		/* SYSCALLS(fabric): sendmsg */
		ssize_t n = sendmsg(s->peer_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			sent(s, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			set_blocked(s, true);
		else if (n == 0 || errno != EINTR)
			return; /* its end is read, too */
	}
}

/* Room for @len more bytes; NULL when there is none. */
static uint8_t *reserve(struct stream *s, size_t len)
{
	if (OUT_SIZE - s->out_len < len)
		return NULL;
	if (OUT_SIZE - s->out_at - s->out_len < len) {
		memmove(s->out, s->out + s->out_at, s->out_len);
		s->out_at = 0;
	}
	return s->out + s->out_at + s->out_len;
}

static void append(struct stream *s, uint8_t *to, const struct frame *f)
{
	store_be32(to, f->len);
	memcpy(to + HEAD_LEN, f->data, f->len);
	s->out_len += HEAD_LEN + f->len;
}

/* All frames of @list, or none. */
static enum loss_reason put_list(struct fabric_port *p, const struct frame *list)
{
	struct stream *s = p->own;
	size_t len = 0;
	uint8_t *to;

	for (const struct frame *f = list; f; f = f->next)
		len += HEAD_LEN + f->len;
	to = reserve(s, len);
	if (!to) {
		publish(p); /* a step may put more than the buffer holds */
		to = reserve(s, len);
	}
	for (const struct frame *f = list; f && to; f = f->next) {
		append(s, to, f);
		to += HEAD_LEN + f->len;
	}
	return to ? NOT_LOST : LOSS_RING_FULL;
}

static enum loss_reason put(struct fabric_port *p, struct frame *f, nsec_t now)
{
	struct stream *s = p->own;
	enum loss_reason lost;
	struct frame *list;
	bool is_bad = false;

	(void)now;
	if (s->peer_fd < 0) {
		(void)frame_free(f);
		return LOSS_NO_PORT;
	}
	f->next = NULL;
	list = frame_segment(f->pool, f, &is_bad);
	if (!list)
		return is_bad ? LOSS_MALFORMED : LOSS_MEMORY;
	lost = put_list(p, list);
	while (list) {
		struct frame *next = list->next;

		(void)frame_free(list);
		list = next;
	}
	return lost;
}

/* ---- waiting -------------------------------------------------------------------- */

static bool sleep_stream(struct fabric_port *p)
{
	const struct stream *s = p->own;

	return !s->may_accept && (s->peer_fd < 0 ? s->in_len < HEAD_LEN : s->n_idle > 0);
}

static void wake(struct fabric_port *p)
{
	(void)p;
}

static int wait_fd(const struct fabric_port *p)
{
	const struct stream *s = p->own;

	return s->epoll_fd;
}

static void kicked(struct fabric_port *p)
{
	static const struct timespec at_once;
	struct stream *s = p->own;
	struct epoll_event events[2];
	/* SYSCALLS(fabric): epoll_pwait2 */
	int n = epoll_pwait2(s->epoll_fd, events, 2, &at_once, NULL);

	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == LISTENER) {
			s->may_accept = true;
			continue;
		}
		s->n_idle = 0;
		if (s->peer_fd >= 0 && (events[i].events & EPOLLOUT)) {
			set_blocked(s, false);
			publish(p);
		}
	}
}

/* ---- its life ------------------------------------------------------------------- */

static void close_stream(struct fabric_port *p)
{
	struct stream *s = p->own;

	if (!s)
		return;
	if (s->peer_fd >= 0)
		(void)close(s->peer_fd);
	if (s->epoll_fd >= 0)
		(void)close(s->epoll_fd);
	free(s->in);
	free(s->out);
	free(s);
	p->own = NULL;
}

static int open_stream(struct fabric_port *p)
{
	struct stream *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	p->own = s;
	p->lacks_peer = true;
	s->peer_fd = -1;
	s->may_accept = true;
	s->in = malloc(IN_SIZE);
	s->out = malloc(OUT_SIZE);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return -errno;
	if (!s->in || !s->out)
		return -ENOMEM;
	return watch(s, EPOLL_CTL_ADD, p->plan->fd, LISTENER, EPOLLIN);
}

/* How many of @len bytes at @buf are whole frames, each with its length before it. */
static uint32_t frames_len(const uint8_t *buf, size_t len)
{
	size_t at = 0;

	while (len - at >= HEAD_LEN) {
		uint32_t frame = load_be32(buf + at);

		if (frame == 0 || frame > FRAME_LEN_MAX || frame > len - at - HEAD_LEN)
			break;
		at += HEAD_LEN + frame;
	}
	return (uint32_t)at;
}

/* Whole frames in one of the two buffers, @buf of @size bytes; *len of them. */
static void frames_state(struct state *s, uint8_t *buf, size_t size, uint32_t *len)
{
	const uint8_t *saved;

	state_u32(s, len);
	if (!state_is_load(s)) {
		state_bytes(s, buf, *len);
		return;
	}
	state_expect(s, *len <= size, "more bytes for a stream than wait for one");
	saved = state_ok(s) ? state_take(s, *len) : NULL;
	state_expect(s, saved && frames_len(saved, *len) == *len, "bytes for a stream that are no frames");
	if (state_ok(s))
		memcpy(buf, saved, *len);
}

/* Whole frames are saved, for the peer of the port that loads them is another one: it knows nothing of a frame's
 * missing beginning or end. It is given them when it comes. */
static void state(struct fabric_port *p, struct state *s, nsec_t now, nsec_t real)
{
	struct stream *t = p->own;
	uint32_t in_len = frames_len(t->in + t->in_at, t->in_len), out_len = (uint32_t)(t->out_len - t->out_cut);

	(void)now;
	(void)real;
	if (state_is_load(s))
		t->in_at = t->in_len = t->out_at = t->out_len = t->out_cut = 0;
	frames_state(s, t->in + t->in_at, IN_SIZE, &in_len);
	frames_state(s, t->out + t->out_at + t->out_cut, OUT_SIZE, &out_len);
	if (!state_is_load(s) || !state_ok(s))
		return;
	t->in_len = in_len;
	t->out_len = out_len;
	publish(p);
}

const struct port_ops port_stream_ops = {
	.kind = "stream",
	.open = open_stream,
	.drain = drain,
	.put = put,
	.publish = publish,
	.sleep = sleep_stream,
	.wake = wake,
	.wait_fd = wait_fd,
	.kicked = kicked,
	.state = state,
	.close = close_stream,
};
