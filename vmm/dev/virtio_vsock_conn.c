/* vmm/dev/virtio_vsock_conn.c: the connections of a socket device, each between
 * a port of the guest and a Unix stream of the host.
 *
 * From the guest: bytes go straight to the host's socket; what it does not take
 * waits in a buffer of VIRTIO_VSOCK_BUF_LEN, which is the credit the guest has.
 * A guest that sends beyond its credit is reset. The guest is told of room when
 * half of the credit was handed on since it was told last, or when it asks.
 *
 * To the guest: bytes are read from the socket into the guest's buffer when
 * there are a buffer and credit, and not before.
 *
 * Ends. Half a close is SHUTDOWN one way and shutdown(2) the other way, behind
 * the data. The guest's full close is answered by a RST at once, and what the
 * host has not read goes on to it (DRAINING). The host's full close is a full
 * SHUTDOWN, and the place is kept until the guest's RST (CLOSING), so that the
 * pair of ports is not used again too early (§5.10.6.5). A program of the host
 * that dies is a close; one of the guest, too. What breaks the protocol, and a
 * write to a host's end that is gone, is a RST.
 *
 * The loop watches a socket only for what can go on: with nothing to wait for
 * it leaves the loop, which would report a hang-up for ever.
 *
 * Used by: vmm/dev/virtio_vsock.c.   Depends on: core/loop.h.
 * Sources: virtio 1.2 §5.10.6. */
#include "vmm/dev/virtio_vsock_impl.h"

#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT(s) (1U << (s))
static const unsigned legal[VSOCK_STATE_COUNT] = {
	[VSOCK_FREE] = BIT(VSOCK_DIALING) | BIT(VSOCK_REQUESTED),
	[VSOCK_DIALING] = BIT(VSOCK_OPEN) | BIT(VSOCK_CLOSING) | BIT(VSOCK_FREE),
	[VSOCK_REQUESTED] = BIT(VSOCK_OPEN) | BIT(VSOCK_CLOSING) | BIT(VSOCK_FREE),
	[VSOCK_OPEN] = BIT(VSOCK_CLOSING) | BIT(VSOCK_DRAINING) | BIT(VSOCK_FREE),
	[VSOCK_CLOSING] = BIT(VSOCK_FREE),
	[VSOCK_DRAINING] = BIT(VSOCK_CLOSING) | BIT(VSOCK_FREE),
};

static void set_state(struct vsock_conn *c, enum vsock_state state)
{
	assert(legal[c->state] & BIT(state));
	c->state = state;
	if (state == VSOCK_CLOSING)
		c->closed = c->v->n_closed++;
}

static unsigned place(const struct vsock_conn *c)
{
	return (unsigned)(c - c->v->conn);
}

static uint32_t credit(const struct vsock_conn *c)
{
	uint32_t used = c->tx_cnt - c->peer_fwd_cnt;

	return used < c->peer_buf_alloc ? c->peer_buf_alloc - used : 0;
}

static bool may_read(const struct vsock_conn *c)
{
	return !c->host_ended && !(c->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_RECEIVE);
}

/* There is a packet for the guest. */
static bool is_due(const struct vsock_conn *c)
{
	if (c->owes_rst)
		return true;
	switch (c->state) {
	case VSOCK_REQUESTED:
		return c->owes_request;
	case VSOCK_OPEN:
		return c->owes_response || c->owes_credit || (c->shutdown_due & ~c->shutdown_told) ||
		       (c->readable && may_read(c) && credit(c));
	case VSOCK_CLOSING:
		return c->shutdown_due & ~c->shutdown_told;
	default:
		return false;
	}
}

static void on_fd(void *ctx, int fd, uint32_t events);

/* What the socket is watched for. @ret_stays: also with no events, for its hang-up. */
static uint32_t wanted(const struct vsock_conn *c, bool *ret_stays)
{
	uint32_t events = c->buf_len ? EPOLLOUT : 0;

	*ret_stays = c->state == VSOCK_REQUESTED || (c->state == VSOCK_OPEN && !may_read(c));
	if (c->state == VSOCK_OPEN && may_read(c) && !c->readable)
		events |= EPOLLIN;
	return events;
}

/* After any change: whether the guest is to hear, and what the loop waits for. */
static void update(struct vsock_conn *c)
{
	uint64_t *due = &c->v->due[place(c) / 64], bit = UINT64_C(1) << place(c) % 64;
	bool stays = false;
	uint32_t events = c->fd >= 0 ? wanted(c, &stays) : 0;

	*due = is_due(c) ? *due | bit : *due & ~bit;
	if (c->fd < 0 || (!events && !stays)) {
		c->source = loop_remove(c->source);
		return;
	}
	if (c->source && events == c->events)
		return;
	c->events = events;
	if (c->source && loop_set_events(c->source, events) == 0)
		return;
	c->source = loop_remove(c->source);
	(void)loop_add_fd(c->v->cfg.loop, c->fd, events, on_fd, c, &c->source);
}

static void close_host(struct vsock_conn *c)
{
	c->source = loop_remove(c->source);
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	free(c->buf);
	c->buf = NULL;
	c->buf_len = c->buf_at = 0;
	c->readable = false;
}

void vsock_conn_drop(struct vsock_conn *c)
{
	uint32_t generation = c->generation + 1;
	struct virtio_vsock *v = c->v;

	close_host(c);
	set_state(c, VSOCK_FREE);
	v->key[place(c)] = 0;
	v->due[place(c) / 64] &= ~(UINT64_C(1) << place(c) % 64);
	*c = (struct vsock_conn){ .v = v, .fd = -1, .generation = generation };
}

/* Over at once: the guest gets a RST. */
static void abort_conn(struct vsock_conn *c)
{
	close_host(c);
	if (c->state != VSOCK_CLOSING)
		set_state(c, VSOCK_CLOSING);
	c->owes_rst = true;
	c->shutdown_due = c->shutdown_told;
	update(c);
}

/* ---- the table ------------------------------------------------------------------- */

struct vsock_conn *vsock_find(struct virtio_vsock *v, uint32_t guest_port, uint32_t host_port)
{
	uint64_t key = (uint64_t)guest_port << 32 | host_port;

	for (unsigned i = 0; key && i < VIRTIO_VSOCK_CONN_MAX; i++)
		if (v->key[i] == key)
			return &v->conn[i];
	return NULL;
}

/* A place for a new connection: a free one, or the one that waits longest for the guest. */
static struct vsock_conn *find_place(struct virtio_vsock *v)
{
	struct vsock_conn *oldest = NULL;

	for (unsigned i = 0; i < VIRTIO_VSOCK_CONN_MAX; i++) {
		struct vsock_conn *c = &v->conn[i];

		if (c->state == VSOCK_FREE)
			return c;
		if (c->state == VSOCK_CLOSING && (!oldest || c->closed < oldest->closed))
			oldest = c;
	}
	if (oldest) {
		vsock_rst_push(v, oldest->guest_port, oldest->host_port);
		vsock_conn_drop(oldest);
		v->stats.evicted++;
	}
	return oldest;
}

struct vsock_conn *vsock_conn_new(struct virtio_vsock *v, uint32_t guest_port, uint32_t host_port,
				  enum vsock_state state)
{
	struct vsock_conn *c = guest_port || host_port ? find_place(v) : NULL;

	if (!c)
		return NULL;
	set_state(c, state);
	c->guest_port = guest_port;
	c->host_port = host_port;
	v->key[place(c)] = (uint64_t)guest_port << 32 | host_port;
	return c;
}

void vsock_conn_asks(struct vsock_conn *c, int fd)
{
	c->fd = fd;
	c->owes_request = true;
	update(c);
}

void vsock_conn_dialed(struct vsock_conn *c, int fd)
{
	if (fd < 0) {
		c->v->stats.refused++;
		abort_conn(c);
		return;
	}
	c->v->stats.from_guest++;
	c->fd = fd;
	c->owes_response = true;
	set_state(c, VSOCK_OPEN);
	update(c);
}

/* ---- guest to host ------------------------------------------------------------------ */

/* Bytes that the socket takes now; -1: it is gone. */
static ssize_t fd_put(struct vsock_conn *c, const uint8_t *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		/* SYSCALLS(machine): sendto(4 null) */
		ssize_t n = send(c->fd, data + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	c->fwd_cnt += (uint32_t)done;
	c->v->stats.tx_bytes += done;
	if (c->fwd_cnt - c->told_fwd_cnt >= VIRTIO_VSOCK_BUF_LEN / 2)
		c->owes_credit = true;
	return (ssize_t)done;
}

/* The host's end has all it will get: it is told, or let go. May drop @c. */
static void all_is_put(struct vsock_conn *c)
{
	if (c->state == VSOCK_DRAINING) {
		if (!c->owes_rst) {
			vsock_conn_drop(c);
			return;
		}
		close_host(c);
		set_state(c, VSOCK_CLOSING);
	} else if (c->state == VSOCK_OPEN && (c->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND)) {
		/* SYSCALLS(machine): shutdown */
		(void)shutdown(c->fd, SHUT_WR);
	}
	update(c);
}

/* Hands on what waits. May drop @c. */
static void flush(struct vsock_conn *c)
{
	while (c->buf_len) {
		uint32_t len = VIRTIO_VSOCK_BUF_LEN - c->buf_at;
		ssize_t n;

		if (len > c->buf_len)
			len = c->buf_len;
		n = fd_put(c, c->buf + c->buf_at, len);
		if (n < 0 && c->state == VSOCK_OPEN) {
			abort_conn(c);
			return;
		}
		if (n < 0)
			c->buf_len = 0; /* nobody will ever read it */
		if (n <= 0)
			break;
		c->buf_at = (c->buf_at + (uint32_t)n) % VIRTIO_VSOCK_BUF_LEN;
		c->buf_len -= (uint32_t)n;
	}
	if (c->buf_len == 0)
		all_is_put(c);
	else
		update(c);
}

/* Keeps @len bytes for later; there is room, by the credit. */
static bool keep(struct vsock_conn *c, const uint8_t *data, uint32_t len)
{
	if (!c->buf)
		c->buf = malloc(VIRTIO_VSOCK_BUF_LEN);
	if (!c->buf)
		return false;
	while (len) {
		uint32_t at = (c->buf_at + c->buf_len) % VIRTIO_VSOCK_BUF_LEN;
		uint32_t n = VIRTIO_VSOCK_BUF_LEN - at;

		if (n > len)
			n = len;
		memcpy(c->buf + at, data, n);
		data += n;
		len -= n;
		c->buf_len += n;
	}
	return true;
}

static void take_data(struct vsock_conn *c, const struct vsock_hdr *h, struct vq_cursor *from)
{
	uint8_t *data = c->v->scratch;
	ssize_t n = 0;

	if ((c->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND) || h->len > VIRTIO_VSOCK_BUF_LEN - c->buf_len ||
	    vq_read(&c->v->chain, from, data, h->len) != h->len) {
		abort_conn(c);
		return;
	}
	if (c->buf_len == 0)
		n = fd_put(c, data, h->len);
	if (n < 0 || ((uint32_t)n < h->len && !keep(c, data + n, h->len - (uint32_t)n)))
		abort_conn(c);
}

static void take_shutdown(struct vsock_conn *c, uint32_t flags)
{
	c->guest_shutdown |= flags & VIRTIO_VSOCK_SHUTDOWN_BOTH;
	if (c->guest_shutdown == VIRTIO_VSOCK_SHUTDOWN_BOTH) {
		c->owes_rst = true;
		if (c->buf_len) {
			set_state(c, VSOCK_DRAINING);
		} else {
			close_host(c);
			set_state(c, VSOCK_CLOSING);
		}
		return;
	}
	if (flags & VIRTIO_VSOCK_SHUTDOWN_RECEIVE)
		(void)shutdown(c->fd, SHUT_RD);
	if (c->buf_len == 0)
		all_is_put(c);
}

/* The guest takes what the host asked for: the host's program hears of it. */
static void take_response(struct vsock_conn *c)
{
	char line[32];
	int len = snprintf(line, sizeof line, "OK %u\n", c->host_port);

	set_state(c, VSOCK_OPEN);
	if (send(c->fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) != len) {
		abort_conn(c);
		return;
	}
	c->v->stats.from_host++;
}

static void take_when_open(struct vsock_conn *c, const struct vsock_hdr *h, struct vq_cursor *from)
{
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RW:
		take_data(c, h, from);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		take_shutdown(c, h->flags);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		c->owes_credit = true;
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	default:
		abort_conn(c);
	}
}

/* Over for us: its end is answered, and so is what it should not send any more. */
static void take_when_closing(struct vsock_conn *c, uint16_t op)
{
	if (op != VIRTIO_VSOCK_OP_CREDIT_UPDATE && op != VIRTIO_VSOCK_OP_CREDIT_REQUEST &&
	    c->state == VSOCK_CLOSING)
		abort_conn(c);
}

void vsock_conn_take(struct vsock_conn *c, const struct vsock_hdr *h, struct vq_cursor *from)
{
	c->peer_buf_alloc = h->buf_alloc;
	c->peer_fwd_cnt = h->fwd_cnt;
	if (h->op == VIRTIO_VSOCK_OP_RST && c->state == VSOCK_DRAINING) {
		c->owes_rst = false; /* it has let go already */
		c->v->key[place(c)] = 0;
	} else if (h->op == VIRTIO_VSOCK_OP_RST) {
		c->v->stats.refused += c->state == VSOCK_REQUESTED;
		vsock_conn_drop(c);
		return;
	} else if (c->state == VSOCK_OPEN) {
		take_when_open(c, h, from);
	} else if (c->state == VSOCK_REQUESTED && h->op == VIRTIO_VSOCK_OP_RESPONSE) {
		take_response(c);
	} else if (c->state == VSOCK_REQUESTED || c->state == VSOCK_DIALING) {
		abort_conn(c);
	} else {
		take_when_closing(c, h->op);
	}
	update(c);
}

/* ---- host to guest -------------------------------------------------------------------- */

/* Reads for a packet. Returns its length; 0: there is none (now). */
static uint32_t read_host(struct vsock_conn *c, uint32_t room)
{
	uint32_t len = credit(c);
	ssize_t n;

	if (!c->readable || !may_read(c) || !len)
		return 0;
	len = len < room ? len : room;
	if (len > sizeof c->v->scratch)
		len = sizeof c->v->scratch;
	do
		/* SYSCALLS(machine): recvfrom */
		n = recv(c->fd, c->v->scratch, len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return (uint32_t)n;
	c->readable = false;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n < 0) {
		abort_conn(c);
		return 0;
	}
	c->host_ended = true;
	c->shutdown_due |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	return 0;
}

/* The operation that is due, before data and behind them. 0: none. */
static uint16_t op_before_data(const struct vsock_conn *c)
{
	if (c->owes_rst)
		return VIRTIO_VSOCK_OP_RST;
	if (c->state == VSOCK_REQUESTED && c->owes_request)
		return VIRTIO_VSOCK_OP_REQUEST;
	return c->owes_response ? VIRTIO_VSOCK_OP_RESPONSE : 0;
}

static uint16_t op_behind_data(const struct vsock_conn *c)
{
	if (c->shutdown_due & ~c->shutdown_told)
		return VIRTIO_VSOCK_OP_SHUTDOWN;
	return c->owes_credit ? VIRTIO_VSOCK_OP_CREDIT_UPDATE : 0;
}

bool vsock_conn_give(struct vsock_conn *c, uint32_t room, struct vsock_hdr *ret_hdr)
{
	struct vsock_hdr h = { .op = op_before_data(c) };

	if (!h.op && c->state == VSOCK_OPEN)
		h.len = read_host(c, room);
	if (h.len)
		h.op = VIRTIO_VSOCK_OP_RW;
	if (!h.op) /* reading may have found the end */
		h.op = op_before_data(c);
	if (!h.op)
		h.op = op_behind_data(c);
	if (!h.op) {
		update(c);
		return false;
	}
	if (h.op == VIRTIO_VSOCK_OP_SHUTDOWN)
		h.flags = c->shutdown_due;
	h.src_port = c->host_port;
	h.dst_port = c->guest_port;
	h.buf_alloc = VIRTIO_VSOCK_BUF_LEN;
	h.fwd_cnt = c->fwd_cnt;
	*ret_hdr = h;
	return true;
}

void vsock_conn_given(struct vsock_conn *c, const struct vsock_hdr *h)
{
	c->told_fwd_cnt = c->fwd_cnt;
	c->owes_credit = false;
	c->tx_cnt += h->len;
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RST:
		c->owes_rst = false;
		if (c->state != VSOCK_DRAINING) {
			vsock_conn_drop(c);
			return;
		}
		c->v->key[place(c)] = 0;
		break;
	case VIRTIO_VSOCK_OP_REQUEST:
		c->owes_request = false;
		break;
	case VIRTIO_VSOCK_OP_RESPONSE:
		c->owes_response = false;
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		c->shutdown_told = (uint8_t)h->flags;
		break;
	default:
		break;
	}
	update(c);
}

/* The host's end is gone, and there is nothing that could still be read or said to it. */
static bool is_hung_up(const struct vsock_conn *c, uint32_t events)
{
	return (events & (EPOLLHUP | EPOLLERR)) && c->state == VSOCK_OPEN && c->buf_len == 0 && !may_read(c);
}

static void on_fd(void *ctx, int fd, uint32_t events)
{
	struct vsock_conn *c = ctx;
	struct virtio_vsock *v = c->v;

	(void)fd;
	if (c->state == VSOCK_REQUESTED) {
		if (events & (EPOLLHUP | EPOLLERR))
			abort_conn(c);
	} else if (is_hung_up(c, events)) {
		close_host(c);
		set_state(c, VSOCK_CLOSING);
		c->shutdown_due = VIRTIO_VSOCK_SHUTDOWN_BOTH;
		update(c);
	} else {
		if (c->state == VSOCK_OPEN && may_read(c) && (events & ~(uint32_t)EPOLLOUT))
			c->readable = true;
		if (c->buf_len)
			flush(c);
		else
			update(c);
	}
	vsock_rx_run(v);
}
