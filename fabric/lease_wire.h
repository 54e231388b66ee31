/* fabric/lease_wire.h: messages between the fabric and the process that keeps its leases.
 *
 * One message is one packet of a SOCK_SEQPACKET pair. A log is the leases of one network and family; logs are
 * numbered from 0, on both sides alike. Sequence numbers are the fabric's: the first record has 1, each further one
 * 1 more, over all logs.
 *
 *	to the keeper     HELLO, once and first; APPEND, after READY
 *	to the fabric     LOADED, any number; READY, once; then DURABLE and CANNOT
 *
 * Each side takes the other for hostile: what does not parse, or comes at a wrong time, ends the connection. */
#ifndef MUSTER_FABRIC_LEASE_WIRE_H
#define MUSTER_FABRIC_LEASE_WIRE_H

#include "dhcp/lease_record.h"

enum {
	LEASE_WIRE_MAX = 16384, /* bytes of a message */
	LEASE_WIRE_RECORD_MAX = LEASE_RECORD_MAX, /* bytes of a record in one */
	LEASE_WIRE_LOGS_MAX = 4096,
	LEASE_WIRE_WINDOW = 4096 /* records that may be sent and not be durable */
};

enum lease_wire_type {
	LEASE_WIRE_HELLO = 1,
	LEASE_WIRE_APPEND,
	LEASE_WIRE_LOADED,
	LEASE_WIRE_READY,
	LEASE_WIRE_DURABLE,
	LEASE_WIRE_CANNOT,
	LEASE_WIRE_TYPE_END
};

struct lease_wire_msg {
	enum lease_wire_type type;
	/* HELLO: the present on the fabric's clock, 0 to LEASE_TIME_MAX; whether the clock has gone on since the
	 * last record, as when the keeper was started again. */
	nsec_t now;
	bool goes_on;
	uint64_t seq; /* APPEND: of the first record; DURABLE: of the last one that is, 0: none */
	int error; /* CANNOT: errno, above 0 */
	size_t n_records; /* APPEND, LOADED: as parsed */
	struct wire_reader records; /* the same; for lease_wire_next() */
};

/* Begins a message of APPEND or LOADED, or writes the whole of another type. */
void lease_wire_put(struct wire_writer *w, const struct lease_wire_msg *m);
/* Adds a record to APPEND or LOADED. */
void lease_wire_put_record(struct wire_writer *w, uint16_t log, const struct lease_record *record);

/* Takes a message apart, with all its records. @n_logs: logs there are.
 * Returns false when it is none; *ret_msg is then undefined. */
bool lease_wire_parse(const void *data, size_t len, size_t n_logs, struct lease_wire_msg *ret_msg);

struct lease_wire_record {
	uint16_t log;
	struct lease_record record; /* its texts are borrowed, from the message and from hostname */
	char hostname[LEASE_NAME_SIZE];
};
/* The next record of a message that parsed. Returns false at the end. */
bool lease_wire_next(struct wire_reader *records, struct lease_wire_record *ret_record);

#endif
