/* fabric/lease_server.c: the process that keeps a team's leases.
 *
 * It may block: on its files, and on a fabric that does not read. The fabric never waits for it.
 *
 * Used by: teams/leases.c, after fork.   Depends on: fabric/lease_keeper.h, fabric/lease_wire.h, core/sandbox.h. */
#include "fabric/lease_server.h"

#include "core/log.h"
#include "core/prng.h"
#include "core/proc.h"
#include "core/sandbox.h"
#include "fabric/lease_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

enum {
	RETRY_MS = 1000,
	TURN_MSGS = 64, /* messages taken before a commit */
	MEMORY_MAX = 512 << 20 /* bytes, beside what it begins with: both files of a log are read at once */
};

struct server {
	const struct lease_server_config *cfg;
	struct lease_keeper *keeper;
	bool is_ready; /* HELLO came, and READY went */
	uint64_t seq, durable; /* of the last record that came; of the last one that is durable */
	bool has_seq; /* a record came */
	int told; /* the error that was told last; 0: none since the last success */
	bool is_over;
	int status;
	uint8_t buf[LEASE_WIRE_MAX]; /* of what comes, or goes */
};

/* ---- sending ---------------------------------------------------------------------- */

static int send_bytes(struct server *s, const struct wire_writer *w)
{
	ssize_t n;

	do {
		/* SYSCALLS(leases): sendto(4 null) */
		n = send(s->cfg->fd, w->base, wire_put_len(w), MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		s->is_over = true;
	return n < 0 ? -errno : 0;
}

static int send_msg(struct server *s, const struct lease_wire_msg *m)
{
	struct wire_writer w = wire_write_to(s->buf, sizeof s->buf);

	lease_wire_put(&w, m);
	return send_bytes(s, &w);
}

/* What was loaded, many records a message. */
struct loaded {
	struct server *server;
	struct wire_writer w;
	size_t n; /* records in it */
};

static int flush_loaded(struct loaded *l)
{
	int r = l->n > 0 ? send_bytes(l->server, &l->w) : 0;

	l->w = wire_write_to(l->server->buf, sizeof l->server->buf);
	lease_wire_put(&l->w, &(struct lease_wire_msg){ .type = LEASE_WIRE_LOADED });
	l->n = 0;
	return r;
}

static int add_loaded(void *ctx, size_t log, const struct lease_record *record)
{
	struct loaded *l = ctx;
	int r = l->w.left < LEASE_WIRE_RECORD_MAX ? flush_loaded(l) : 0;

	lease_wire_put_record(&l->w, (uint16_t)log, record);
	l->n++;
	return r;
}

static int send_loaded(struct server *s)
{
	struct loaded l = { .server = s };
	int r;

	(void)flush_loaded(&l);
	r = lease_keeper_each(s->keeper, add_loaded, &l);
	return r < 0 ? r : flush_loaded(&l);
}

/* ---- what the fabric says ------------------------------------------------------------ */

static void end(struct server *s, const char *why)
{
	log_error("leases: %s", why);
	s->is_over = true;
	s->status = EXIT_FAILURE;
}

static void tell_found(const struct server *s)
{
	for (size_t i = 0; i < s->cfg->n_logs; i++) {
		const struct lease_log_found *f = lease_keeper_found(s->keeper, i);

		if (f->why && f->n_records == 0)
			log_warn("leases of %s: its files are not used: %s", s->cfg->logs[i].name, f->why);
		else if (f->why)
			log_warn("leases of %s: its file is cut off behind %llu records: %s", s->cfg->logs[i].name,
				 (unsigned long long)f->n_records, f->why);
	}
}

/* All that waits becomes durable, or the fabric is told why it does not. */
static void commit(struct server *s)
{
	int r = lease_keeper_commit(s->keeper);

	if (r == 0 && (s->durable != s->seq || s->told != 0)) {
		if (s->told != 0)
			log_info("leases: they can be recorded again");
		s->durable = s->seq;
		s->told = 0;
		(void)send_msg(s, &(struct lease_wire_msg){ .type = LEASE_WIRE_DURABLE, .seq = s->durable });
	} else if (r < 0 && s->told != -r) {
		s->told = -r;
		log_warn("leases: they cannot be recorded: %s", strerror(-r));
		(void)send_msg(s, &(struct lease_wire_msg){ .type = LEASE_WIRE_CANNOT, .error = -r });
	}
}

static void on_hello(struct server *s, const struct lease_wire_msg *m)
{
	int r = lease_keeper_load(s->keeper, m->now, m->goes_on);

	if (r < 0) {
		log_error("leases: the files cannot be read: %s", strerror(-r));
		s->is_over = true;
		s->status = EXIT_FAILURE;
		return;
	}
	tell_found(s);
	s->is_ready = true;
	if (send_loaded(s) == 0 && send_msg(s, &(struct lease_wire_msg){ .type = LEASE_WIRE_READY }) == 0)
		commit(s);
}

static void on_append(struct server *s, const struct lease_wire_msg *m)
{
	struct wire_reader records = m->records;
	struct lease_wire_record rec;

	/* A keeper that was started again begins where the fabric does. */
	if (!s->has_seq)
		s->seq = s->durable = m->seq - 1;
	s->has_seq = true;
	if (m->seq != s->seq + 1 || s->seq - s->durable + m->n_records > LEASE_WIRE_WINDOW) {
		end(s, "the fabric sends records that it may not send now");
		return;
	}
	s->seq += m->n_records;
	while (records.left > 0 && lease_wire_next(&records, &rec))
		if (lease_keeper_append(s->keeper, rec.log, &rec.record) < 0) {
			end(s, "there is no place for a record");
			return;
		}
}

static void on_message(struct server *s, size_t len)
{
	struct lease_wire_msg m;

	if (!lease_wire_parse(s->buf, len, s->cfg->n_logs, &m))
		end(s, "the fabric sends nonsense");
	else if (m.type == LEASE_WIRE_HELLO && !s->is_ready)
		on_hello(s, &m);
	else if (m.type == LEASE_WIRE_APPEND && s->is_ready)
		on_append(s, &m);
	else
		end(s, "the fabric sends what it may not send now");
}

/* Takes the messages that wait. */
static void take(struct server *s)
{
	for (int i = 0; i < TURN_MSGS && !s->is_over; i++) {
		/* SYSCALLS(leases): recvfrom */
		ssize_t n = recv(s->cfg->fd, s->buf, sizeof s->buf, MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			s->is_over = true;
		else if ((size_t)n > sizeof s->buf)
			end(s, "the fabric sends nonsense");
		else
			on_message(s, (size_t)n);
	}
}

/* ---- the process --------------------------------------------------------------------- */

static void run(struct server *s)
{
	while (!s->is_over) {
		struct pollfd p = { .fd = s->cfg->fd, .events = POLLIN };
		/* SYSCALLS(leases): poll */
		int r = poll(&p, 1, s->told ? RETRY_MS : -1);

		if (r < 0 && errno != EINTR) {
			end(s, strerror(errno));
			return;
		}
		if (r > 0)
			take(s);
		/* Also at the end: what came is kept. */
		if (s->is_ready)
			commit(s);
	}
}

static int set_up(struct server *s)
{
	struct prng prng;
	uint64_t seed = 0;

	/* SYSCALLS(setup): getrandom */
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return -errno;
	prng_init(&prng, seed, "leases");
	return lease_keeper_new(s->cfg->logs, s->cfg->n_logs, &lease_keeper_os, &prng, &s->keeper);
}

static int enter_cell(void)
{
	CLEANUP(free) char *why = NULL;
	int r;

	sandbox_bound_memory(SANDBOX_LEASES, MEMORY_MAX);
	r = sandbox_isolate(SANDBOX_LEASES, NULL, 0, &why);
	if (r == 0)
		r = sandbox_lock(SANDBOX_LEASES, &why);
	if (r < 0)
		log_error("the cell of the leases cannot be locked: %s", why);
	return r;
}

int lease_server_run(const struct lease_server_config *config)
{
	struct server s = { .cfg = config, .status = EXIT_SUCCESS };
	int r;

	proc_title_set("muster: leases %s", config->team);
	r = set_up(&s);
	if (r == 0 && config->cell)
		r = enter_cell();
	if (r < 0) {
		log_error("leases: the process cannot start: %s", strerror(-r));
		s.status = EXIT_FAILURE;
	} else {
		run(&s);
	}
	s.keeper = lease_keeper_free(s.keeper);
	return s.status;
}
