/* dhcp/lease_log.h: the log of leases as bytes: records to be appended, and bytes read back.
 *
 * A log is two files that are used in turn. Each begins with a header with its generation; a compaction writes a
 * snapshot of all bound leases and quarantines to the other file under the next generation, ended by a mark, and goes on there.
 * A file whose snapshot has no mark is not used, so a crash in a compaction leaves the file before. Nothing here does
 * I/O: the caller writes, syncs and reads.
 *
 * The network's clock may stand still between runs. So a record bears how long its lease lasts *and* what the clock
 * said; at load the clock goes on where the last record left it. */
#ifndef MUSTER_DHCP_LEASE_LOG_H
#define MUSTER_DHCP_LEASE_LOG_H

#include "core/bytes.h"
#include "dhcp/lease_record.h"
#include "dhcp/leases.h"

enum {
	LEASE_LOG_HEADER_LEN = 32,
	LEASE_LOG_COMPACT_MIN = 65536 /* a shorter log is not compacted */
};

struct lease_log {
	uint64_t network; /* a number of the network's: a log of another one is refused */
	uint64_t generation, seq; /* of the file in use; of the last record */
	uint64_t sum; /* the last record's checksum */
	uint64_t n_bytes, n_snapshot_bytes; /* of the file in use; of its snapshot */
};

/* Begins a new log, generation 1, by its header and an empty snapshot, appended to @out. */
void lease_log_begin(struct lease_log *log, uint64_t network, nsec_t now, struct bytes *out);
/* Appends a record to @out. Returns its sequence number: 1 more than the last one's. */
uint64_t lease_log_append(struct lease_log *log, const struct lease_record *record, struct bytes *out);
/* True when a compaction is worth it: the file is longer than LEASE_LOG_COMPACT_MIN and twice its snapshot. */
bool lease_log_should_compact(const struct lease_log *log);
/* Appends the whole next file to @out: header, bound leases and quarantines, mark. From then on records belong behind it.
 * Returns 0; -ENOMEM, then the log is as it was. */
int lease_log_compact(struct lease_log *log, const struct leases *t, nsec_t now, struct bytes *out);

#define LEASE_CLOCK_SAME NSEC_NEVER

struct lease_log_found {
	uint64_t n_records, n_dropped; /* taken; of addresses that the network no longer hands out */
	size_t len; /* bytes of the file that hold; what is behind is to be cut off */
	unsigned which; /* the file that is used: 0 or 1 */
	nsec_t clock; /* at the last record, as the file has it */
	const char *why; /* what is wrong behind len; NULL: nothing */
};

/* Takes the leases of the better of two files into @t, with the clock at @now. The log goes on behind found->len of
 * file found->which. @now: LEASE_CLOCK_SAME when the clock has gone on since; then instants are as they stand there.
 * Returns 0; -ENOENT when neither is a log of this network: begin a new one, @ret_found->why says what was there. */
int lease_log_load(struct lease_log *log, uint64_t network, const struct bytes files[2], struct leases *t, nsec_t now,
		   struct lease_log_found *ret_found);

#endif
