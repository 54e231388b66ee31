/* tests/fuzz/fuzz_lease_wire.c: messages between the fabric and the keeper of leases, of any bytes.
 *
 * Input: one message. What parses is written again from what was read, and is the same bytes then. */
#include "fabric/lease_wire.h"
#include "tests/fuzz/virtio_fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#define MUST(what) ((what) ? (void)0 : fail(#what))
static void fail(const char *what)
{
	(void)fprintf(stderr, "not so: %s\n", what);
	abort();
}

/* Places in a record (fabric/lease_wire.c, dhcp/lease_record.c). */
enum { N_LOGS = 4, HEAD_LEN = 4, AT_AT = 15, UNTIL_AT = 23, ID_AT = 31, FIXED_LEN = 33 };

/* A known type, of its length; or records, cut from the bytes, whose counts and instants may hold. */
static size_t make_likelier(uint8_t *msg, size_t len)
{
	static const size_t lens[] = { [LEASE_WIRE_HELLO] = 10, [LEASE_WIRE_APPEND] = 9,  [LEASE_WIRE_LOADED] = 1,
				       [LEASE_WIRE_READY] = 1,	[LEASE_WIRE_DURABLE] = 9, [LEASE_WIRE_CANNOT] = 5 };
	size_t at;

	msg[0] = (uint8_t)(1 + msg[0] % (LEASE_WIRE_TYPE_END - 1));
	at = lens[msg[0]];
	if (msg[0] != LEASE_WIRE_APPEND && msg[0] != LEASE_WIRE_LOADED)
		return at < len ? at : len;
	while (len >= at + HEAD_LEN + FIXED_LEN) {
		uint8_t *rec = msg + at, *body = rec + HEAD_LEN;
		size_t id_len = body[ID_AT] % 8, name_len = body[FIXED_LEN - 1] % 8;

		if (len < at + HEAD_LEN + FIXED_LEN + id_len + name_len)
			break;
		store_le16(rec, rec[0] % (N_LOGS + 1));
		store_le16(rec + 2, (uint16_t)(FIXED_LEN + id_len + name_len));
		body[0] = (uint8_t)(1 + body[0] % 4);
		body[AT_AT + 7] &= 0x0f;
		body[UNTIL_AT + 7] &= 0x1f;
		body[ID_AT] = (uint8_t)id_len;
		body[ID_AT + 1 + id_len] = (uint8_t)name_len;
		at += HEAD_LEN + FIXED_LEN + id_len + name_len;
	}
	return at < len ? at : len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1), again[LEASE_WIRE_MAX];
	struct wire_writer w = wire_write_to(again, sizeof again);
	struct lease_wire_record rec;
	struct lease_wire_msg m;
	size_t n = 0;

	len = len < LEASE_WIRE_MAX ? len : LEASE_WIRE_MAX;
	memcpy(copy, data, len);
	if (len > 0 && copy[0] & 0x80)
		len = make_likelier(copy, len);
	if (lease_wire_parse(copy, len, N_LOGS, &m)) {
		lease_wire_put(&w, &m);
		while (m.records.left > 0) {
			MUST(lease_wire_next(&m.records, &rec));
			MUST(rec.log < N_LOGS && rec.record.at >= 0 && rec.record.at <= LEASE_TIME_MAX);
			lease_wire_put_record(&w, rec.log, &rec.record);
			n++;
		}
		MUST(n == m.n_records);
		MUST(!w.failed && wire_put_len(&w) == len && memcmp(again, copy, len) == 0);
	}
	free(copy);
	return 0;
}
