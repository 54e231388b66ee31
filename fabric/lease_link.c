/* fabric/lease_link.c: the fabric's end of the process that keeps its leases.
 *
 * The queue is a ring of encoded records, in the order of their sequence numbers: (durable, seq]. Those up to `sent`
 * are with the keeper.
 *
 * Used by: fabric/kept_leases.c.   Depends on: fabric/lease_wire.h. */
#include "fabric/lease_link.h"

#include "core/cleanup.h"
#include "fabric/lease_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURN_MSGS = 16 };

struct waiting {
	uint16_t len;
	uint8_t data[LEASE_WIRE_RECORD_MAX];
};

struct lease_link {
	const struct lease_link_host *host;
	size_t n_logs;
	int fd;
	bool is_ready; /* was once */
	bool may_send; /* this keeper is ready */
	bool wants_write;
	int trouble; /* what the keeper said last; 0: none */
	uint64_t seq, sent, durable;
	struct waiting *queue; /* LEASE_WIRE_WINDOW of them; a record's place is its number modulo that */
	struct lease_link_counters counters;
};

int lease_link_new(const struct lease_link_host *host, size_t n_logs, struct lease_link **ret_link)
{
	struct lease_link *l;

	if (n_logs > LEASE_WIRE_LOGS_MAX)
		return -EINVAL;
	l = calloc(1, sizeof *l);
	if (!l)
		return -ENOMEM;
	*l = (struct lease_link){
		.host = host, .n_logs = n_logs, .fd = -1, .queue = calloc(LEASE_WIRE_WINDOW, sizeof *l->queue)
	};
	if (!l->queue) {
		lease_link_free(l);
		return -ENOMEM;
	}
	*ret_link = l;
	return 0;
}

struct lease_link *lease_link_free(struct lease_link *l)
{
	if (!l)
		return NULL;
	if (l->fd >= 0)
		(void)close(l->fd);
	free(l->queue);
	free(l);
	return NULL;
}

/* ---- sending ------------------------------------------------------------------------- */

static void lose(struct lease_link *l, const char *why)
{
	int fd = take_fd(&l->fd);

	l->may_send = l->wants_write = false;
	l->counters.n_lost++;
	l->host->lost(l->host->ctx, why);
	(void)close(fd);
}

/* Returns false when the socket takes nothing now, or the keeper is gone. */
static bool send_bytes(struct lease_link *l, const struct wire_writer *w)
{
	ssize_t n;

	do {
		/* SYSCALLS(fabric): sendto(4 null) */
		n = send(l->fd, w->base, wire_put_len(w), MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	/* ENOBUFS: the kernel's memory; it passes. */
	if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
		l->wants_write = true;
	else if (n < 0)
		lose(l, NULL);
	return n >= 0;
}

int lease_link_attach(struct lease_link *l, int fd, nsec_t now)
{
	uint8_t buf[64];
	struct wire_writer w = wire_write_to(buf, sizeof buf);

	if (l->fd >= 0)
		(void)close(l->fd);
	l->fd = fd;
	l->may_send = l->wants_write = false;
	l->sent = l->durable;
	lease_wire_put(&w, &(struct lease_wire_msg){ .type = LEASE_WIRE_HELLO, .now = now, .goes_on = l->is_ready });
	if (now < 0 || now > LEASE_TIME_MAX) {
		(void)close(take_fd(&l->fd));
		return -EINVAL;
	}
	/* The first message: there is room for it. */
	if (send(fd, buf, wire_put_len(&w), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		int r = -errno;

		(void)close(take_fd(&l->fd));
		return r;
	}
	return 0;
}

uint64_t lease_link_record(struct lease_link *l, size_t log, const struct lease_record *record)
{
	struct waiting *slot = &l->queue[(l->seq + 1) % LEASE_WIRE_WINDOW];
	struct wire_writer w = wire_write_to(slot->data, sizeof slot->data);

	if (!l->is_ready || l->trouble != 0 || log >= l->n_logs || l->seq - l->durable >= LEASE_WIRE_WINDOW) {
		l->counters.n_refused++;
		return LEASE_LINK_NOT_RECORDED;
	}
	lease_wire_put_record(&w, (uint16_t)log, record);
	slot->len = (uint16_t)wire_put_len(&w);
	l->counters.n_recorded++;
	return ++l->seq;
}

void lease_link_flush(struct lease_link *l)
{
	uint8_t buf[LEASE_WIRE_MAX];

	l->wants_write = false;
	while (l->may_send && l->sent < l->seq) {
		struct wire_writer w = wire_write_to(buf, sizeof buf);
		uint64_t next = l->sent + 1;

		lease_wire_put(&w, &(struct lease_wire_msg){ .type = LEASE_WIRE_APPEND, .seq = next });
		for (; next <= l->seq; next++) {
			const struct waiting *slot = &l->queue[next % LEASE_WIRE_WINDOW];

			if (slot->len > w.left)
				break;
			wire_put_bytes(&w, slot->data, slot->len);
		}
		if (!send_bytes(l, &w))
			return;
		l->sent = next - 1;
		l->counters.n_messages++;
	}
}

/* ---- receiving ----------------------------------------------------------------------- */

static const char *on_loaded(struct lease_link *l, const struct lease_wire_msg *m)
{
	struct wire_reader records = m->records;
	struct lease_wire_record rec;

	if (l->may_send)
		return "it loads when it is ready";
	/* What the fabric's own table holds is newer. */
	while (!l->is_ready && records.left > 0 && lease_wire_next(&records, &rec)) {
		if (rec.record.kind != LEASE_RECORD_BOUND &&
		    (rec.record.kind != LEASE_RECORD_DECLINED || rec.record.until == 0))
			return "it loads what is no lease";
		if (l->host->restore(l->host->ctx, rec.log, &rec.record))
			l->counters.n_restored++;
		else
			l->counters.n_dropped++;
	}
	return NULL;
}

static const char *on_ready(struct lease_link *l)
{
	bool is_first = !l->is_ready;

	if (l->may_send)
		return "it is ready twice";
	l->may_send = l->is_ready = true;
	if (l->trouble != 0)
		l->host->trouble(l->host->ctx, 0);
	l->trouble = 0;
	if (is_first)
		l->host->ready(l->host->ctx);
	return NULL;
}

static const char *on_durable(struct lease_link *l, uint64_t seq)
{
	bool was_trouble = l->trouble != 0;

	/* 0: none, of a keeper that was sent nothing. */
	if (!l->may_send || seq > l->sent || (seq < l->durable && seq != 0))
		return "it has what it was not sent";
	l->trouble = 0;
	if (seq > l->durable) {
		l->counters.n_durable += seq - l->durable;
		l->durable = seq;
		l->host->durable(l->host->ctx, seq);
	}
	if (was_trouble)
		l->host->trouble(l->host->ctx, 0);
	return NULL;
}

static const char *on_cannot(struct lease_link *l, int error)
{
	if (!l->may_send)
		return "it cannot before it is ready";
	if (l->trouble != error)
		l->host->trouble(l->host->ctx, error);
	l->trouble = error;
	return NULL;
}

/* Returns what is wrong with it; NULL: nothing. */
static const char *on_message(struct lease_link *l, const uint8_t *data, size_t len)
{
	struct lease_wire_msg m;

	if (!lease_wire_parse(data, len, l->n_logs, &m))
		return "it sends nonsense";
	switch (m.type) {
	case LEASE_WIRE_LOADED:
		return on_loaded(l, &m);
	case LEASE_WIRE_READY:
		return on_ready(l);
	case LEASE_WIRE_DURABLE:
		return on_durable(l, m.seq);
	case LEASE_WIRE_CANNOT:
		return on_cannot(l, m.error);
	case LEASE_WIRE_HELLO:
	case LEASE_WIRE_APPEND:
	case LEASE_WIRE_TYPE_END:
		break;
	}
	return "it sends what is the fabric's to send";
}

void lease_link_receive(struct lease_link *l)
{
	uint8_t buf[LEASE_WIRE_MAX];

	for (int i = 0; i < TURN_MSGS && l->fd >= 0; i++) {
		const char *why = NULL;
		/* SYSCALLS(fabric): recvfrom */
		ssize_t n = recv(l->fd, buf, sizeof buf, MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n > (ssize_t)sizeof buf)
			why = "it sends nonsense";
		else if (n > 0)
			why = on_message(l, buf, (size_t)n);
		if (n <= 0 || why)
			lose(l, why);
	}
}

int lease_link_fd(const struct lease_link *l)
{
	return l->fd;
}

bool lease_link_wants_write(const struct lease_link *l)
{
	return l->wants_write;
}

bool lease_link_is_ready(const struct lease_link *l)
{
	return l->is_ready;
}

const struct lease_link_counters *lease_link_counters(const struct lease_link *l)
{
	return &l->counters;
}
