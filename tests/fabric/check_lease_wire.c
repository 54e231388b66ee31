/* tests/fabric/check_lease_wire.c: messages between the fabric and the keeper of leases: every form, and what is none. */
#include "fabric/lease_wire.h"

#include "tests/unit.h"

enum { N_LOGS = 3 };

static uint8_t buf[LEASE_WIRE_MAX];
static struct wire_writer w;
static struct lease_wire_msg m;
static const uint8_t id[] = { 1, 2, 3, 4 };
static const struct lease_record record = { .kind = LEASE_RECORD_BOUND,
					    .addr = 0x0a000001,
					    .client = { { { 2, 0, 0, 0, 0, 9 } }, sizeof id, id },
					    .hostname = "pc",
					    .until = NSEC_NEVER,
					    .at = 5 };

static bool parse(void)
{
	return lease_wire_parse(buf, wire_put_len(&w), N_LOGS, &m);
}

static void put(const struct lease_wire_msg *msg)
{
	w = wire_write_to(buf, sizeof buf);
	lease_wire_put(&w, msg);
}

START_TEST(short_messages_come_as_they_went)
{
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_HELLO, .now = 77, .goes_on = true });
	ck_assert(parse());
	ck_assert(m.type == LEASE_WIRE_HELLO && m.now == 77 && m.goes_on);
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_READY });
	ck_assert(parse() && m.type == LEASE_WIRE_READY);
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_DURABLE, .seq = 1ULL << 40 });
	ck_assert(parse() && m.type == LEASE_WIRE_DURABLE && m.seq == 1ULL << 40);
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_CANNOT, .error = 28 });
	ck_assert(parse() && m.type == LEASE_WIRE_CANNOT && m.error == 28);
}
END_TEST

START_TEST(records_come_as_they_went)
{
	struct lease_wire_record rec;

	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_APPEND, .seq = 9 });
	for (uint16_t i = 0; i < N_LOGS; i++)
		lease_wire_put_record(&w, i, &record);
	ck_assert(parse());
	ck_assert(m.seq == 9 && m.n_records == N_LOGS);
	for (uint16_t i = 0; i < N_LOGS; i++) {
		ck_assert(lease_wire_next(&m.records, &rec));
		ck_assert_uint_eq(rec.log, i);
		ck_assert_uint_eq(rec.record.addr, record.addr);
		ck_assert_uint_eq(rec.record.client.id_len, sizeof id);
		ck_assert_mem_eq(rec.record.client.id, id, sizeof id);
		ck_assert_str_eq(rec.record.hostname, "pc");
		ck_assert(rec.record.until == NSEC_NEVER && rec.record.at == 5);
	}
	ck_assert_uint_eq(m.records.left, 0);
}
END_TEST

/* The longest record is not longer than a queue has room for. */
START_TEST(the_longest_record_fits)
{
	static uint8_t long_id[LEASE_ID_MAX];
	struct lease_record r = record;
	char name[LEASE_NAME_SIZE + 10];

	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = 0;
	r.hostname = name;
	r.client.id = long_id;
	r.client.id_len = LEASE_ID_MAX;
	w = wire_write_to(buf, LEASE_WIRE_RECORD_MAX);
	lease_wire_put_record(&w, 1, &r);
	ck_assert(!w.failed);
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_LOADED });
	lease_wire_put_record(&w, 1, &r);
	ck_assert(parse());
}
END_TEST

START_TEST(every_cut_is_none)
{
	size_t len;

	put(&(struct lease_wire_msg){ .type = _i, .seq = 3, .error = 5 });
	if (_i == LEASE_WIRE_APPEND || _i == LEASE_WIRE_LOADED)
		lease_wire_put_record(&w, 2, &record);
	len = wire_put_len(&w);
	ck_assert(parse());
	for (size_t n = 0; n < len; n++)
		ck_assert_msg(!lease_wire_parse(buf, n, N_LOGS, &m), "%zu of %zu bytes", n, len);
	buf[len] = 0;
	ck_assert(!lease_wire_parse(buf, len + 1, N_LOGS, &m));
}
END_TEST

static void hello_at(nsec_t now)
{
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_HELLO, .now = now });
}

START_TEST(bounds_are_kept)
{
	struct lease_record r = record;

	hello_at(LEASE_TIME_MAX);
	ck_assert(parse());
	hello_at(LEASE_TIME_MAX + 1);
	ck_assert(!parse());
	hello_at(-1);
	ck_assert(!parse());
	hello_at(1);
	buf[9] = 2; /* goes on: neither yes nor no */
	ck_assert(!parse());
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_CANNOT, .error = 0 });
	ck_assert(!parse());
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_CANNOT, .error = 4096 });
	ck_assert(!parse());
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_APPEND, .seq = 0 });
	lease_wire_put_record(&w, 0, &record);
	ck_assert(!parse());
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_APPEND, .seq = 1 });
	lease_wire_put_record(&w, N_LOGS, &record);
	ck_assert(!parse());
	r.kind = LEASE_RECORD_SNAPSHOT_END;
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_APPEND, .seq = 1 });
	lease_wire_put_record(&w, 0, &r);
	ck_assert(!parse());
	r = record;
	r.at = LEASE_TIME_MAX + 1;
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_APPEND, .seq = 1 });
	lease_wire_put_record(&w, 0, &r);
	ck_assert(!parse());
	put(&(struct lease_wire_msg){ .type = LEASE_WIRE_TYPE_END });
	ck_assert(!parse());
	put(&(struct lease_wire_msg){ .type = 0 });
	ck_assert(!parse());
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("lease_wire");
	TCase *t = tcase_create("lease_wire");

	tcase_add_test(t, short_messages_come_as_they_went);
	tcase_add_test(t, records_come_as_they_went);
	tcase_add_test(t, the_longest_record_fits);
	tcase_add_loop_test(t, every_cut_is_none, LEASE_WIRE_HELLO, LEASE_WIRE_TYPE_END);
	tcase_add_test(t, bounds_are_kept);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
