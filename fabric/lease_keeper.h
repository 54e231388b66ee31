/* fabric/lease_keeper.h: the files of the leases, and what they hold.
 *
 * For each log there are two files in turn (dhcp/lease_log.h) and a table with what was recorded. Records are
 * appended to memory, and a commit makes all of them durable: for each log one write and one fdatasync, whatever
 * their number. A commit that failed is repeated by calling it again; nothing is left out.
 *
 * What is acknowledged must survive a crash at any instant:
 *   - After a load the log goes on in the other file, behind a snapshot on the new clock. A torn end goes that way.
 *   - When fdatasync() failed on a file the kernel may have dropped bytes, and reports no error a second time. The log
 *     goes on in the other file, which is written whole.
 *   - A snapshot whose fdatasync() failed might be read at the next start instead of the file in use. So nothing is
 *     acknowledged until a snapshot succeeds.
 *
 * Used by: fabric/lease_server.c.   Depends on: dhcp/lease_log.h. */
#ifndef MUSTER_FABRIC_LEASE_KEEPER_H
#define MUSTER_FABRIC_LEASE_KEEPER_H

#include "dhcp/lease_log.h"

enum { LEASE_FILE_MAX = 64 << 20 /* bytes of a file */ };

/* What is asked of the system, each as in its manual page: -1 and errno on failure. */
struct lease_keeper_ops {
	ssize_t (*pread)(int fd, void *buf, size_t len, off_t at);
	ssize_t (*pwrite)(int fd, const void *buf, size_t len, off_t at);
	int (*fdatasync)(int fd);
	int (*ftruncate)(int fd, off_t len);
};
extern const struct lease_keeper_ops lease_keeper_os;

struct lease_keeper_log {
	const char *name; /* for people */
	uint64_t network; /* a number that names it: files with another one are not read */
	int fds[2]; /* open for reading and writing */
};

struct lease_keeper;
struct prng;

/* @logs, @ops: borrowed, for as long as it lives. Returns 0; -EINVAL; -ENOMEM. */
int lease_keeper_new(const struct lease_keeper_log *logs, size_t n_logs, const struct lease_keeper_ops *ops,
		     struct prng *prng, struct lease_keeper **ret_keeper);
struct lease_keeper *lease_keeper_free(struct lease_keeper *k); /* accepts NULL; returns NULL */

/* Reads the files; once, before anything else. @now: the present, 0 to LEASE_TIME_MAX. @goes_on: the clock has gone
 * on since the last record; else it stood still, and leases have what they had left then.
 * Returns 0; -EFBIG, -errno when a file cannot be read: its leases are not known then. */
int lease_keeper_load(struct lease_keeper *k, nsec_t now, bool goes_on);
/* What the load found in log @i, borrowed. n_records 0 and why NULL: a new log. */
const struct lease_log_found *lease_keeper_found(const struct lease_keeper *k, size_t i);
/* Calls @fn for each bound lease and each quarantine (DECLINED with an end) until that does not return 0. Returns 0, what @fn returned, or -ENOMEM. */
typedef int lease_keeper_fn(void *ctx, size_t log, const struct lease_record *record);
int lease_keeper_each(const struct lease_keeper *k, lease_keeper_fn *fn, void *ctx);

/* Takes a record, to be durable after the next commit. Returns 0; -ERANGE when the table has no place for it. */
int lease_keeper_append(struct lease_keeper *k, size_t log, const struct lease_record *record);
/* Makes durable all that was appended. Returns 0; -errno of the first log that failed, the others are done. */
int lease_keeper_commit(struct lease_keeper *k);

#endif
