/* fabric/lease_keeper.c: the files of the leases, and what they hold.
 *
 * Used by: fabric/lease_server.c.   Depends on: dhcp/lease_log.h, core/bytes.h. */
#include "fabric/lease_keeper.h"

#include "core/prng.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_SIZE = 1 << 16 };

/* SYSCALLS(leases): pread64 pwrite64 fdatasync ftruncate */
const struct lease_keeper_ops lease_keeper_os = { pread, pwrite, fdatasync, ftruncate };

struct keeper_log {
	struct lease_log log; /* as it is once the tail is written */
	struct leases *t; /* what all records so far make */
	struct bytes tail; /* to be written at @off */
	uint64_t off; /* bytes of the file that are durable */
	unsigned which; /* the file in use */
	bool needs_snapshot; /* the file in use is not to be written to any more; there is no tail */
	bool is_dirty; /* holds what is not durable */
	uint64_t retry_len; /* a shorter log is not compacted; after a snapshot that failed */
	nsec_t clock; /* the latest instant it knows of */
	struct lease_log_found found;
};

struct lease_keeper {
	const struct lease_keeper_log *configs;
	const struct lease_keeper_ops *ops;
	struct keeper_log *logs;
	size_t n_logs;
};

/* A table without pool or reservations: which addresses are handed out is the fabric's business. Its entries may
 * be those of a pool that was, and of one that is. */
static const struct lease_range all_addresses = { 0, UINT64_MAX - 1 };
/* Of a record of DECLINED, which has no end. */
#define QUARANTINE_NS (600 * NSEC_PER_SEC)
static const struct lease_config table_config = {
	.ranges = &all_addresses, .n_ranges = 1, .offer_ns = 1, .quarantine_ns = QUARANTINE_NS, .max = 2 * LEASES_MAX
};

int lease_keeper_new(const struct lease_keeper_log *logs, size_t n_logs, const struct lease_keeper_ops *ops,
		     struct prng *prng, struct lease_keeper **ret_keeper)
{
	struct lease_keeper *k = calloc(1, sizeof *k);
	int r = 0;

	if (!k)
		return -ENOMEM;
	*k = (struct lease_keeper){ logs, ops, calloc(n_logs + 1, sizeof *k->logs), n_logs };
	if (!k->logs)
		r = -ENOMEM;
	for (size_t i = 0; i < n_logs && r == 0; i++)
		r = leases_new(&table_config, prng, &k->logs[i].t);
	if (r < 0) {
		lease_keeper_free(k);
		return r;
	}
	*ret_keeper = k;
	return 0;
}

struct lease_keeper *lease_keeper_free(struct lease_keeper *k)
{
	for (size_t i = 0; k && k->logs && i < k->n_logs; i++) {
		leases_free(k->logs[i].t);
		bytes_done(&k->logs[i].tail);
	}
	if (k)
		free(k->logs);
	free(k);
	return NULL;
}

/* ---- reading ---------------------------------------------------------------------- */

static int read_file(const struct lease_keeper *k, int fd, struct bytes *out)
{
	CLEANUP(bytes) struct bytes part = { 0 };

	bytes_append(&part, (uint8_t[READ_SIZE]){ 0 }, READ_SIZE);
	while (out->len <= LEASE_FILE_MAX) {
		ssize_t n = k->ops->pread(fd, part.data, READ_SIZE, (off_t)out->len);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			bytes_append(out, part.data, (size_t)n);
	}
	return -EFBIG;
}

static void expire(struct keeper_log *l)
{
	while (leases_expire(l->t, l->clock))
		;
}

static int load_log(struct lease_keeper *k, size_t i, nsec_t now, bool goes_on)
{
	const struct lease_keeper_log *c = &k->configs[i];
	struct keeper_log *l = &k->logs[i];
	struct bytes files[2] = { { 0 } };
	int r = read_file(k, c->fds[0], &files[0]);

	if (r == 0)
		r = read_file(k, c->fds[1], &files[1]);
	if (r == 0)
		r = lease_log_load(&l->log, c->network, files, l->t, goes_on ? LEASE_CLOCK_SAME : now, &l->found);
	if (r == -ENOENT) {
		if (files[0].len + files[1].len == 0)
			l->found.why = NULL;
		/* Its first snapshot goes to file 0. */
		l->log = (struct lease_log){ .network = c->network };
		l->found.which = 1;
		r = 0;
	}
	bytes_done(&files[0]);
	bytes_done(&files[1]);
	l->which = l->found.which;
	l->needs_snapshot = l->is_dirty = true;
	l->clock = goes_on ? nsec_max(now, l->found.clock) : now;
	expire(l);
	return r;
}

int lease_keeper_load(struct lease_keeper *k, nsec_t now, bool goes_on)
{
	int r = 0;

	for (size_t i = 0; i < k->n_logs && r == 0; i++)
		r = load_log(k, i, now, goes_on);
	return r;
}

const struct lease_log_found *lease_keeper_found(const struct lease_keeper *k, size_t i)
{
	return &k->logs[i].found;
}

static int each_of(const struct keeper_log *l, size_t i, lease_keeper_fn *fn, void *ctx)
{
	const struct lease **all = NULL;
	size_t n = 0;
	int r = leases_sorted(l->t, &all, &n);

	for (size_t j = 0; j < n && r == 0; j++)
		if (all[j]->state == LEASE_DECLINED)
			r = fn(ctx, i,
			       &(struct lease_record){ .kind = LEASE_RECORD_DECLINED,
						       .addr = all[j]->addr,
						       .hostname = "",
						       .until = all[j]->until,
						       .at = l->clock });
		else if (all[j]->state == LEASE_BOUND)
			r = fn(ctx, i,
			       &(struct lease_record){ .kind = LEASE_RECORD_BOUND,
						       .addr = all[j]->addr,
						       .client = { all[j]->mac, all[j]->id_len, all[j]->id },
						       .hostname = all[j]->hostname,
						       .until = all[j]->until,
						       .at = l->clock });
	free(all);
	return r;
}

int lease_keeper_each(const struct lease_keeper *k, lease_keeper_fn *fn, void *ctx)
{
	int r = 0;

	for (size_t i = 0; i < k->n_logs && r == 0; i++)
		r = each_of(&k->logs[i], i, fn, ctx);
	return r;
}

/* ---- writing ---------------------------------------------------------------------- */

int lease_keeper_append(struct lease_keeper *k, size_t log, const struct lease_record *record)
{
	struct keeper_log *l = &k->logs[log];

	if (!lease_record_apply(record, l->t, 0))
		return -ERANGE;
	l->clock = nsec_max(l->clock, record->at);
	l->is_dirty = true;
	if (!l->needs_snapshot)
		(void)lease_log_append(&l->log, record, &l->tail);
	return 0;
}

static int write_all(const struct lease_keeper *k, int fd, const struct bytes *b, uint64_t at)
{
	size_t done = 0;

	if (at + b->len > LEASE_FILE_MAX)
		return -EFBIG;
	while (done < b->len) {
		ssize_t n = k->ops->pwrite(fd, b->data + done, b->len - done, (off_t)(at + done));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -ENOSPC;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

static int sync_file(const struct lease_keeper *k, int fd)
{
	return k->ops->fdatasync(fd) < 0 ? -errno : 0;
}

/* From now on only a snapshot counts. It has all that the tail had. */
static void give_up_file(struct keeper_log *l)
{
	l->needs_snapshot = true;
	bytes_done(&l->tail);
	l->tail = (struct bytes){ 0 };
}

/* The log goes on in its other file, behind a snapshot of all there is. On failure it is as it was, but for a file
 * given up. */
static int write_snapshot(struct lease_keeper *k, size_t i)
{
	struct keeper_log *l = &k->logs[i];
	struct lease_log next = l->log;
	CLEANUP(bytes) struct bytes out = { 0 };
	int fd = k->configs[i].fds[!l->which], r;

	expire(l);
	r = lease_log_compact(&next, l->t, l->clock, &out);
	/* Emptied before it is written: what it held is older. */
	if (r == 0 && k->ops->ftruncate(fd, 0) < 0)
		r = -errno;
	if (r == 0) {
		r = write_all(k, fd, &out, 0);
		/* Without its mark, so that the file in use stays the better one. */
		if (r < 0 && k->ops->ftruncate(fd, 0) < 0)
			give_up_file(l);
	}
	if (r < 0)
		return r;
	r = sync_file(k, fd);
	if (r < 0) {
		give_up_file(l);
		return r;
	}
	give_up_file(l);
	l->log = next;
	l->off = out.len;
	l->retry_len = 0;
	l->which = !l->which;
	l->needs_snapshot = false;
	return 0;
}

static int write_tail(struct lease_keeper *k, size_t i)
{
	struct keeper_log *l = &k->logs[i];
	int fd = k->configs[i].fds[l->which];
	int r = write_all(k, fd, &l->tail, l->off);

	if (r < 0)
		return r;
	r = sync_file(k, fd);
	if (r < 0) {
		give_up_file(l);
		return r;
	}
	l->off += l->tail.len;
	l->tail.len = 0;
	return 0;
}

static int commit_log(struct lease_keeper *k, size_t i)
{
	struct keeper_log *l = &k->logs[i];
	bool wants = l->needs_snapshot || (lease_log_should_compact(&l->log) && l->log.n_bytes > l->retry_len);
	int r;

	if (!l->is_dirty)
		return 0;
	r = wants ? write_snapshot(k, i) : write_tail(k, i);
	if (r < 0 && !wants) {
		/* The other file may have room, or be sound. */
		r = write_snapshot(k, i);
	} else if (r < 0 && !l->needs_snapshot) {
		/* A snapshot can wait while the file in use may grow. */
		l->retry_len = l->log.n_bytes + LEASE_LOG_COMPACT_MIN;
		r = write_tail(k, i);
	}
	l->is_dirty = r < 0;
	return r;
}

int lease_keeper_commit(struct lease_keeper *k)
{
	int first = 0;

	for (size_t i = 0; i < k->n_logs; i++) {
		int r = commit_log(k, i);

		first = first < 0 ? first : r;
	}
	return first;
}
