/* dhcp/lease_record.c: one change of a lease as bytes.
 *
 * All numbers are little-endian:
 *
 *	u8 kind, u64 address, MAC, i64 at, i64 until, u8 n, identifier, u8 n, host name
 *
 * Used by: dhcp/lease_log.c, fabric/lease_wire.c.   Depends on: core/wire.h, dhcp/leases.h. */
#include "dhcp/lease_record.h"

#include <string.h>

static void put_i64(struct wire_writer *w, int64_t v)
{
	wire_put_le64(w, (uint64_t)v);
}

void lease_record_put(struct wire_writer *w, const struct lease_record *record)
{
	size_t name_len = record->hostname ? strnlen(record->hostname, LEASE_NAME_SIZE - 1) : 0;

	wire_put_u8(w, (uint8_t)record->kind);
	wire_put_le64(w, record->addr);
	wire_put_bytes(w, record->client.mac.b, MAC_LEN);
	put_i64(w, record->at);
	put_i64(w, record->until);
	wire_put_u8(w, record->client.id_len);
	wire_put_bytes(w, record->client.id, record->client.id_len);
	wire_put_u8(w, (uint8_t)name_len);
	wire_put_bytes(w, record->hostname, name_len);
}

bool lease_record_get(struct wire_reader body, struct lease_record *rec, char hostname[LEASE_NAME_SIZE])
{
	const uint8_t *mac, *name;
	size_t name_len;

	rec->kind = wire_get_u8(&body);
	rec->addr = wire_get_le64(&body);
	mac = wire_get(&body, MAC_LEN);
	rec->at = (int64_t)wire_get_le64(&body);
	rec->until = (int64_t)wire_get_le64(&body);
	rec->client.id_len = wire_get_u8(&body);
	rec->client.id = wire_get(&body, rec->client.id_len);
	name_len = wire_get_u8(&body);
	name = wire_get(&body, name_len);
	if (body.failed || body.left || name_len >= LEASE_NAME_SIZE || memchr(name, 0, name_len))
		return false;
	if (rec->kind == 0 || rec->kind >= LEASE_RECORD_KIND_END)
		return false;
	if (rec->at < 0 || rec->at > LEASE_TIME_MAX || rec->until < 0 ||
	    (rec->until > 2 * LEASE_TIME_MAX && rec->until != NSEC_NEVER))
		return false;
	memcpy(rec->client.mac.b, mac, MAC_LEN);
	memcpy(hostname, name, name_len);
	hostname[name_len] = 0;
	rec->hostname = hostname;
	return true;
}

bool lease_record_apply(const struct lease_record *rec, struct leases *t, nsec_t shift)
{
	struct lease *l = leases_at(t, rec->addr);
	nsec_t until = rec->until == NSEC_NEVER ? NSEC_NEVER : rec->until + shift;

	switch (rec->kind) {
	case LEASE_RECORD_BOUND:
		return leases_restore(t, &rec->client, rec->addr, rec->hostname, until) == 0;
	case LEASE_RECORD_RELEASED:
	case LEASE_RECORD_DECLINED:
		if (rec->kind == LEASE_RECORD_DECLINED && rec->until > 0)
			return leases_restore_declined(t, rec->addr, until) == 0;
		if (!l || l != leases_find(t, &rec->client))
			return true;
		if (rec->kind == LEASE_RECORD_RELEASED)
			leases_release(t, l, rec->at + shift);
		else
			leases_decline(t, l, rec->at + shift);
		return true;
	case LEASE_RECORD_SNAPSHOT_END:
	case LEASE_RECORD_KIND_END:
		break;
	}
	return true;
}
