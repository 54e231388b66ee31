/* fabric/lease_wire.c: messages between the fabric and the process that keeps its leases.
 *
 * All numbers are little-endian:
 *
 *	HELLO    u8 type, u64 now, u8 goes on
 *	APPEND   u8 type, u64 sequence number, records
 *	LOADED   u8 type, records
 *	READY    u8 type
 *	DURABLE  u8 type, u64 sequence number
 *	CANNOT   u8 type, u32 error
 *	record   u16 log, u16 length, what dhcp/lease_record.c writes
 *
 * Used by: fabric/lease_link.c, fabric/lease_server.c.   Depends on: dhcp/lease_record.h. */
#include "fabric/lease_wire.h"

enum { ERRNO_MAX = 4095 }; /* the kernel's errors end there */

void lease_wire_put(struct wire_writer *w, const struct lease_wire_msg *m)
{
	wire_put_u8(w, (uint8_t)m->type);
	switch (m->type) {
	case LEASE_WIRE_HELLO:
		wire_put_le64(w, (uint64_t)m->now);
		wire_put_u8(w, m->goes_on);
		break;
	case LEASE_WIRE_APPEND:
	case LEASE_WIRE_DURABLE:
		wire_put_le64(w, m->seq);
		break;
	case LEASE_WIRE_CANNOT:
		wire_put_le32(w, (uint32_t)m->error);
		break;
	case LEASE_WIRE_LOADED:
	case LEASE_WIRE_READY:
	case LEASE_WIRE_TYPE_END:
		break;
	}
}

void lease_wire_put_record(struct wire_writer *w, uint16_t log, const struct lease_record *record)
{
	uint8_t body[LEASE_WIRE_RECORD_MAX];
	struct wire_writer b = wire_write_to(body, sizeof body);

	lease_record_put(&b, record);
	wire_put_le16(w, log);
	wire_put_le16(w, (uint16_t)wire_put_len(&b));
	wire_put_bytes(w, body, wire_put_len(&b));
}

bool lease_wire_next(struct wire_reader *records, struct lease_wire_record *rec)
{
	struct wire_reader body;

	rec->log = wire_get_le16(records);
	body = wire_get_sub(records, wire_get_le16(records));
	return !records->failed && lease_record_get(body, &rec->record, rec->hostname);
}

static bool check_records(struct lease_wire_msg *m, size_t n_logs)
{
	struct wire_reader r = m->records;

	for (m->n_records = 0; r.left > 0; m->n_records++) {
		struct lease_wire_record rec;

		if (!lease_wire_next(&r, &rec) || rec.log >= n_logs || rec.record.kind == LEASE_RECORD_SNAPSHOT_END)
			return false;
	}
	return m->n_records > 0;
}

bool lease_wire_parse(const void *data, size_t len, size_t n_logs, struct lease_wire_msg *m)
{
	struct wire_reader r = wire_read_from(data, len);
	uint8_t goes_on;

	*m = (struct lease_wire_msg){ .type = wire_get_u8(&r) };
	switch (m->type) {
	case LEASE_WIRE_HELLO:
		m->now = (nsec_t)wire_get_le64(&r);
		goes_on = wire_get_u8(&r);
		m->goes_on = goes_on == 1;
		return !r.failed && r.left == 0 && goes_on <= 1 && m->now >= 0 && m->now <= LEASE_TIME_MAX;
	case LEASE_WIRE_APPEND:
		m->seq = wire_get_le64(&r);
		m->records = r;
		return !r.failed && m->seq > 0 && check_records(m, n_logs);
	case LEASE_WIRE_LOADED:
		m->records = r;
		return check_records(m, n_logs);
	case LEASE_WIRE_READY:
		return !r.failed && r.left == 0;
	case LEASE_WIRE_DURABLE:
		m->seq = wire_get_le64(&r);
		return !r.failed && r.left == 0;
	case LEASE_WIRE_CANNOT:
		m->error = (int)wire_get_le32(&r);
		return !r.failed && r.left == 0 && m->error > 0 && m->error <= ERRNO_MAX;
	case LEASE_WIRE_TYPE_END:
		break;
	}
	return false;
}
