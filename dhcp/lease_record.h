/* dhcp/lease_record.h: one change of a lease, and its form as bytes.
 *
 * The form is the same in the log's files (dhcp/lease_log.h) and between the processes that keep them. */
#ifndef MUSTER_DHCP_LEASE_RECORD_H
#define MUSTER_DHCP_LEASE_RECORD_H

#include "core/wire.h"
#include "dhcp/leases.h"

enum { LEASE_RECORD_MAX = 512 /* bytes; a record with what the log puts around it is shorter */ };

enum lease_record_kind {
	LEASE_RECORD_BOUND = 1,
	LEASE_RECORD_RELEASED,
	LEASE_RECORD_DECLINED,
	LEASE_RECORD_SNAPSHOT_END, /* all leases of the snapshot stand before it */
	LEASE_RECORD_KIND_END
};

struct lease_record {
	enum lease_record_kind kind;
	uint64_t addr;
	struct lease_client client;
	const char *hostname; /* "" or borrowed */
	nsec_t until; /* of BOUND; NSEC_NEVER: for ever. Of DECLINED in a snapshot: the quarantine's end, and no client */
	nsec_t at; /* when it was made */
};

/* Instants of records lie between 0 and this: 36 years. */
#define LEASE_TIME_MAX ((nsec_t)1 << 60)

/* Writes @record. Its host name is cut to LEASE_NAME_SIZE. */
void lease_record_put(struct wire_writer *w, const struct lease_record *record);
/* Takes @body apart, which ends with the record. Instants are checked. The identifier is borrowed from @body.
 * @ret_hostname: what record->hostname points to.
 * Returns false when it is none that lease_record_put() writes; the results are then undefined. */
bool lease_record_get(struct wire_reader body, struct lease_record *ret_record, char ret_hostname[LEASE_NAME_SIZE]);
/* Does to @t what @record says. @shift: added to its instants.
 * Returns false when the table has no place for it: its address is not handed out, or the table is full. */
bool lease_record_apply(const struct lease_record *record, struct leases *t, nsec_t shift);

#endif
