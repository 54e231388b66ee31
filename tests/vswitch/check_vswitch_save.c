/* tests/vswitch/check_vswitch_save.c: a MAC table and a switch that are saved and loaded go on as
 * if nothing had been, and a file that tells of no such thing is refused. */
#include "core/bytes.h"
#include "core/state.h"
#include "tests/forge.h"
#include "tests/saved.h"
#include "tests/traffic.h"
#include "tests/unit.h"
#include "vswitch/fdb.h"
#include "vswitch/vswitch.h"

enum { PORTS = 5, STATIONS = 40000, PAYLOAD = STATE_HEADER_LEN + STATE_HEAD_LEN };
static const nsec_t start = 1000 * NSEC_PER_SEC;

/* ---- saving and loading ---------------------------------------------------------- */

static void describe_fdb(void *fdb, struct state *s, nsec_t now)
{
	(void)state_begin(s, "swch", 3, 1);
	fdb_state(fdb, s, now);
	state_end(s);
}

static void describe_switch(void *sw, struct state *s, nsec_t now)
{
	(void)state_begin(s, "swch", 3, 1);
	vswitch_state(sw, s, now);
	state_end(s);
}

/* ---- the MAC table ----------------------------------------------------------------- */

static struct mac_addr station(uint32_t n)
{
	return (struct mac_addr){ { 0x02, 0, 0, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };
}

/* Learns and asks at random, 15 minutes long. Returns a hash of the answers. */
static uint64_t use_fdb(struct fdb *fdb, struct prng *p, nsec_t now)
{
	uint64_t hash = 0;

	for (unsigned i = 0; i < STATIONS; i++) {
		struct mac_addr m = station((uint32_t)prng_below(p, STATIONS));
		uint32_t answer[] = { 0, 99 };

		now += 900 * NSEC_PER_SEC / STATIONS;
		if (traffic_coin(p, 2)) {
			fdb_learn(fdb, &m, (uint16_t)prng_below(p, 2), (uint32_t)prng_below(p, PORTS), now);
			continue;
		}
		answer[0] = (uint32_t)-fdb_lookup(fdb, &m, (uint16_t)prng_below(p, 2), now, &answer[1]);
		hash = XXH3_64bits_withSeed(answer, sizeof answer, hash);
	}
	return hash;
}

/* The loaded table has another salt and another now. */
START_TEST(a_loaded_table_goes_on_as_if_nothing_had_been)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	nsec_t now = start + 900 * NSEC_PER_SEC + _i * 150 * NSEC_PER_SEC, shifted = 7 * now;
	struct fdb *one, *two;
	struct prng p, q;
	char *why;

	prng_init(&p, (uint64_t)_i, "fdb");
	ck_assert_int_eq(fdb_new(PORTS, 1, &one), 0);
	ck_assert_int_eq(fdb_new(PORTS, 2, &two), 0);
	(void)use_fdb(one, &p, start);
	ck_assert_uint_gt(fdb_evictions(one), 0);
	q = p;
	(void)use_fdb(two, &q, start); /* is forgotten */
	saved_take(describe_fdb, one, now, &b);
	why = saved_load(describe_fdb, two, shifted, b.data, b.len);
	ck_assert_msg(!why, "%s", why);
	ck_assert_uint_eq(fdb_count(one), fdb_count(two));
	q = p;
	ck_assert_uint_eq(use_fdb(one, &p, now), use_fdb(two, &q, shifted));
	ck_assert_uint_eq(fdb_count(one), fdb_count(two));
	ck_assert_uint_eq(fdb_evictions(one), fdb_evictions(two));
	for (uint32_t i = 0; i < PORTS; i++) {
		fdb_flush_port(one, i);
		fdb_flush_port(two, i);
		ck_assert_uint_eq(fdb_count(one), fdb_count(two));
	}
	ck_assert_uint_eq(fdb_count(two), 0);
	one = fdb_free(one);
	two = fdb_free(two);
}
END_TEST

/* Two entries. The payload: ports, salt, evictions (8 bytes each), entries (4); of each entry its
 * place in the table (4), key (8), port + 1 (4) and the distance to when it was seen (8). */
enum { ENTRIES_AT = 24, ENTRY_AT = 28, KEY_AT = ENTRY_AT + 4, PORT_AT = KEY_AT + 8, SEEN_AT = PORT_AT + 4, ENTRY_SIZE = 24 };
static const struct {
	uint32_t at; /* byte of the payload that is exchanged for @value, of @len bytes */
	unsigned len;
	uint64_t value;
	const char *want;
} forgeries[] = {
	{ 0, 8, 6, "ports of a switch: 6 was saved" },
	{ ENTRIES_AT, 4, 3, "too short" },
	{ ENTRIES_AT, 4, UINT32_MAX, "too short" },
	{ ENTRIES_AT, 4, 1, "bytes too many" },
	{ ENTRY_AT, 4, 8192, "a place that is not in the table" },
	{ ENTRY_AT + ENTRY_SIZE, 4, 0, "a place that is not in the table" }, /* not after the first */
	{ KEY_AT, 8, UINT64_C(0x0200000000050000), "a station in another's place" },
	{ KEY_AT + 7, 1, 3, "a station " }, /* a group, were it in its place */
	{ PORT_AT, 4, 0, "a port that is not there" },
	{ PORT_AT, 4, PORTS + 1, "a port that is not there" },
	{ SEEN_AT, 8, 1, "seen in the future" },
	{ SEEN_AT, 8, INT64_MAX, "seen in the future" },
	{ SEEN_AT, 8, (uint64_t)INT64_MIN, "seen in the future" },
	{ SEEN_AT, 8, (uint64_t)INT64_MIN + 1, "beyond all time" },
};

START_TEST(a_forged_table_is_refused_by_name)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct mac_addr m[] = { station(1), station(2) };
	struct fdb *fdb;
	char *why;

	ck_assert_int_eq(fdb_new(PORTS, 1, &fdb), 0);
	for (unsigned i = 0; i < 2; i++)
		fdb_learn(fdb, &m[i], 0, i, start);
	saved_take(describe_fdb, fdb, start + 1, &b);
	ck_assert_uint_eq(load_le32(b.data + PAYLOAD + ENTRIES_AT), 2);
	ck_assert_int_eq((int64_t)load_le64(b.data + PAYLOAD + SEEN_AT), -1);
	for (unsigned i = 0; i < forgeries[_i].len; i++)
		b.data[PAYLOAD + forgeries[_i].at + i] = (uint8_t)(forgeries[_i].value >> 8 * i);
	forge_reseal(b.data, b.len);
	why = saved_load(describe_fdb, fdb, start, b.data, b.len);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, forgeries[_i].want) && strstr(why, "section swch.3 at"), "%s", why);
	free(why);
	fdb = fdb_free(fdb);
}
END_TEST

/* ---- the switch ---------------------------------------------------------------------- */

struct rig {
	struct frame_pool *pool;
	struct vswitch *sw;
	struct journal journal;
};

struct end {
	struct rig *rig;
	uint32_t port;
};
static struct end ends[2][PORTS];

static void arrive(void *ctx, struct frame *f, nsec_t now)
{
	struct end *e = ctx;

	journal_note(&e->rig->journal, e->port, f, now);
	frame_free(f);
}

static void rig_init(struct rig *r, unsigned which, enum vswitch_type type, uint32_t n_ports, uint64_t salt)
{
	*r = (struct rig){ 0 };
	ck_assert_int_eq(frame_pool_new(16, &r->pool), 0);
	ck_assert_int_eq(vswitch_new(type, n_ports, salt, r->pool, &r->sw), 0);
	for (uint32_t i = 0; i < n_ports; i++) {
		ends[which][i] = (struct end){ r, i };
		vswitch_set_output(r->sw, i, &(struct frame_sink){ arrive, &ends[which][i] });
	}
}

static void rig_done(struct rig *r)
{
	r->sw = vswitch_free(r->sw);
	r->pool = frame_pool_free(r->pool);
}

static void drive(struct rig *r, struct prng *p, uint32_t n_ports, nsec_t now)
{
	for (unsigned i = 0; i < 60; i++) {
		uint32_t port = (uint32_t)prng_below(p, n_ports);

		now += (nsec_t)prng_below(p, 20 * NSEC_PER_SEC);
		if (traffic_coin(p, 10))
			vswitch_set_link(r->sw, port, traffic_coin(p, 2));
		vswitch_take(r->sw, port, traffic_random_frame(p, r->pool, 12, now), now);
	}
}

START_TEST(a_loaded_switch_goes_on_as_if_nothing_had_been)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	uint64_t n_arrived = 0;

	for (uint64_t seed = 1; seed <= 200; seed++) {
		enum vswitch_type type;
		uint32_t n_ports;
		struct rig one, two;
		struct prng p, q;
		nsec_t now = start + 1300 * NSEC_PER_SEC, shifted = 3 * NSEC_PER_SEC;
		char *why;

		prng_init(&p, seed, "switch");
		type = (enum vswitch_type)prng_below(&p, VSWITCH_TYPE_COUNT);
		n_ports = type == VSWITCH_WIRE ? 2 : 2 + (uint32_t)prng_below(&p, PORTS - 1);
		rig_init(&one, 0, type, n_ports, 1);
		rig_init(&two, 1, type, n_ports, 2);
		drive(&one, &p, n_ports, start);
		saved_take(describe_switch, one.sw, now, &b);
		why = saved_load(describe_switch, two.sw, shifted, b.data, b.len);
		ck_assert_msg(!why, "seed %llu: %s", (unsigned long long)seed, why);
		one.journal = (struct journal){ .base = now };
		two.journal = (struct journal){ .base = shifted };
		q = p;
		drive(&one, &p, n_ports, now);
		drive(&two, &q, n_ports, shifted);
		n_arrived += one.journal.n;
		ck_assert_msg(one.journal.hash == two.journal.hash, "seed %llu: other frames", (unsigned long long)seed);
		ck_assert_mem_eq(vswitch_counters(one.sw), vswitch_counters(two.sw), sizeof(struct element_counters));
		ck_assert_uint_eq(vswitch_n_stations(one.sw), vswitch_n_stations(two.sw));
		rig_done(&one);
		rig_done(&two);
	}
	ck_assert_uint_gt(n_arrived, 2000);
}
END_TEST

/* Any bytes: what is believed is a switch that works. */
START_TEST(a_forged_or_truncated_switch_does_no_harm)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	CLEANUP(bytes) struct bytes forged = { 0 };
	unsigned n_refused = 0;
	struct rig r;
	struct prng p, q;

	prng_init(&p, 9, "forge");
	rig_init(&r, 0, VSWITCH_SWITCH, PORTS, 1);
	drive(&r, &p, PORTS, start);
	saved_take(describe_switch, r.sw, start + 1300 * NSEC_PER_SEC, &b);
	rig_done(&r);
	for (unsigned i = 0; i < 3000; i++) {
		size_t off = PAYLOAD + prng_below(&p, b.len - PAYLOAD - STATE_HEAD_LEN);
		char *why;

		forged.len = 0;
		bytes_append(&forged, b.data, b.len);
		forged.data[off] ^= (uint8_t)(1 + prng_below(&p, 255));
		forge_reseal(forged.data, forged.len);
		rig_init(&r, 0, VSWITCH_SWITCH, PORTS, 1);
		why = saved_load(describe_switch, r.sw, start, forged.data, i % 3 ? forged.len : i / 3 % forged.len);
		q = p;
		if (!why)
			drive(&r, &q, PORTS, start);
		ck_assert(i % 3 || why);
		ck_assert(!why || strstr(why, "section ") || strstr(why, "byte "));
		n_refused += why != NULL;
		free(why);
		rig_done(&r);
	}
	ck_assert_uint_gt(n_refused, 1500); /* each third is cut off */
}
END_TEST

START_TEST(another_type_or_number_of_ports_is_refused)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct rig r;
	char *why;

	rig_init(&r, 0, VSWITCH_SWITCH, 3, 1);
	saved_take(describe_switch, r.sw, start, &b);
	rig_done(&r);
	rig_init(&r, 0, VSWITCH_HUB, 3, 1);
	why = saved_load(describe_switch, r.sw, start, b.data, b.len);
	ck_assert_msg(why && strstr(why, "section swch.3 at byte 16: a network's type: 0 was saved"), "%s", why);
	free(why);
	rig_done(&r);
	rig_init(&r, 0, VSWITCH_SWITCH, 4, 1);
	why = saved_load(describe_switch, r.sw, start, b.data, b.len);
	ck_assert_msg(why && strstr(why, "a network's ports: 3 was saved"), "%s", why);
	free(why);
	rig_done(&r);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("vswitch_save");
	TCase *c = tcase_create("vswitch_save");

	tcase_add_loop_test(c, a_loaded_table_goes_on_as_if_nothing_had_been, 0, 4);
	tcase_add_loop_test(c, a_forged_table_is_refused_by_name, 0, (int)(sizeof forgeries / sizeof forgeries[0]));
	tcase_add_test(c, a_loaded_switch_goes_on_as_if_nothing_had_been);
	tcase_add_test(c, a_forged_or_truncated_switch_does_no_harm);
	tcase_add_test(c, another_type_or_number_of_ports_is_refused);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
