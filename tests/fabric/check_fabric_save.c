/* tests/fabric/check_fabric_save.c: a whole fabric of a random plan under random traffic, saved at
 * a random instant and loaded into a new one, delivers the same bytes at the same nanoseconds as if
 * nothing had been; and a file that tells of no fabric is refused. */
#include "core/bytes.h"
#include "core/state.h"
#include "fabric/fabric.h"
#include "tests/fabric/shares.h"
#include "tests/forge.h"
#include "tests/saved.h"
#include "tests/traffic.h"
#include "tests/unit.h"

#include <stdio.h>

enum { NETWORKS = 2, PORTS = 7, STEPS = 50, ROUNDS = 10000, RING_SIZE = 256 * 1024 };
static const nsec_t start = 20 * NSEC_PER_SEC, budget_cpu = 2 * NSEC_PER_SEC, forge_cpu = 2 * NSEC_PER_SEC;

/* What both fabrics are made from. */
static struct fabric_plan_network networks[NETWORKS];
static struct fabric_plan_port ports[2][PORTS]; /* by rig: each has rings of its own */
static struct fabric_plan plans[2];

struct rig {
	struct fabric *fabric;
	struct ring_pair_fds fds[PORTS];
	struct ring_pair machines[PORTS];
	struct journal journal;
};

static struct fabric_plan_link random_link(struct prng *p)
{
	return (struct fabric_plan_link){ .shape = traffic_random_shape(p) };
}

/* One or two networks of 2 to 5 ports, at most PORTS together. */
static void make_plans(struct prng *p, const struct rig rigs[2])
{
	static const char *const names[NETWORKS] = { "lan", "wan" };
	static const char *const streams[PORTS] = { "0", "1", "2", "3", "4", "5", "6" };
	size_t n_networks = 1 + prng_below(p, NETWORKS), n_ports = 0;

	for (size_t i = 0; i < n_networks; i++) {
		enum vswitch_type type = (enum vswitch_type)prng_below(p, VSWITCH_TYPE_COUNT);
		size_t n = type == VSWITCH_WIRE ? 2 : 2 + prng_below(p, i ? 1 : 4);

		networks[i] = (struct fabric_plan_network){
			.name = names[i], .type = type, .mtu = 1500, .up = random_link(p), .down = random_link(p)
		};
		for (; n; n--, n_ports++)
			ports[0][n_ports] = (struct fabric_plan_port){
				.name = "port",
				.stream = streams[n_ports],
				.kind = FABRIC_PORT_RING,
				.network = i,
				.rings = &rigs[0].fds[n_ports],
				.mtu = 1500,
				.up = random_link(p),
				.down = random_link(p),
				.begins_down = traffic_coin(p, 10),
			};
	}
	plans[0] = (struct fabric_plan){ .name = "t",
					 .seed = prng_u64(p),
					 .networks = networks,
					 .n_networks = n_networks,
					 .ports = ports[0],
					 .n_ports = n_ports };
	plan_shares(&plans[0]);
	plans[1] = plans[0];
	plans[1].ports = ports[1];
	for (size_t i = 0; i < n_ports; i++) {
		ports[1][i] = ports[0][i];
		ports[1][i].rings = &rigs[1].fds[i];
	}
}

static void rig_init(struct rig *r, const struct fabric_plan *plan)
{
	for (size_t i = 0; i < plan->n_ports; i++) {
		ck_assert_int_eq(ring_pair_create(RING_SIZE, &r->fds[i]), 0);
		r->machines[i] = (struct ring_pair){ 0 };
	}
	r->journal = (struct journal){ .base = start };
	ck_assert_int_eq(fabric_new(plan, &r->fabric), 0);
}

static void attach_machines(struct rig *r)
{
	for (size_t i = 0; i < r->fabric->n_ports; i++)
		ck_assert_int_eq(ring_pair_attach(&r->fds[i], RING_MACHINE, &r->machines[i]), 0);
}

static void rig_done(struct rig *r)
{
	size_t n = r->fabric->n_ports;

	r->fabric = fabric_free(r->fabric); /* asserts that every frame came back */
	for (size_t i = 0; i < n; i++) {
		ring_pair_detach(&r->machines[i]);
		ring_pair_close(&r->fds[i]);
	}
}

static void describe(void *rig, struct state *s, nsec_t now)
{
	struct rig *r = rig;

	fabric_state(r->fabric, s, now + r->fabric->paused_ns);
}

static void save(struct rig *r, nsec_t now, struct bytes *ret)
{
	saved_take(describe, r, now, ret);
}

static char *load(struct rig *r, nsec_t now, const struct bytes *b)
{
	return saved_load(describe, r, now, b->data, b->len);
}

/* ---- what happens, all by the fabric's time ------------------------------------------- */

static void run_until(struct rig *r, nsec_t until)
{
	while (fabric_next(r->fabric) <= until)
		(void)fabric_step(r->fabric, fabric_next(r->fabric));
	while (fabric_step(r->fabric, until))
		;
}

/* A machine writes a frame, some of them a little before now. */
static void send(struct rig *r, struct prng *p, size_t port, nsec_t now)
{
	struct frame *f = traffic_random_frame(p, NULL, 6, now);
	nsec_t written = now + r->fabric->paused_ns - (nsec_t)prng_below(p, 3 * NSEC_PER_MSEC);
	uint8_t *room = ring_reserve(&r->machines[port].tx, f->len);

	if (room) {
		memcpy(room, f->data, f->len);
		ring_commit(&r->machines[port].tx, f->len, &f->offload, written);
		(void)ring_publish(&r->machines[port].tx);
		fabric_wake_port(r->fabric, port);
	}
	(void)frame_free(f);
}

/* A machine takes what came, at most @max records. */
static void receive(struct rig *r, size_t port, uint64_t max)
{
	struct ring *rx = &r->machines[port].rx;
	struct ring_record rec;

	for (; max && ring_peek(rx, &rec); max--) {
		struct frame *f = frame_new(NULL, rec.len);

		memcpy(f->data, rec.data, rec.len);
		f->len = rec.len;
		f->offload = rec.offload;
		f->rx_time_ns = r->journal.base;
		journal_note(&r->journal, (uint32_t)port, f, rec.time_ns);
		(void)frame_free(f);
		ring_pop(rx);
	}
	ring_release(rx);
}

static void change(struct rig *r, struct prng *p, size_t port, nsec_t now)
{
	struct fabric_target t = { .dir = (enum link_dir)prng_below(p, 3) };
	struct shape_dir up, down;

	t.ref.is_network = traffic_coin(p, 2);
	t.ref.index = t.ref.is_network ? r->fabric->ports[port].network : port;
	if (traffic_coin(p, 2)) {
		fabric_link_state(r->fabric, &t, traffic_coin(p, 2), false, now);
		return;
	}
	up = traffic_random_shape(p);
	down = traffic_random_shape(p);
	fabric_link_set(r->fabric, &t, &up, &down, now);
}

static nsec_t drive(struct rig *r, struct prng *p, nsec_t now)
{
	for (unsigned i = 0; i < STEPS; i++) {
		size_t port = prng_below(p, r->fabric->n_ports);

		now += (nsec_t)prng_below(p, traffic_coin(p, 20) ? 20 * NSEC_PER_MSEC : NSEC_PER_MSEC);
		run_until(r, now);
		if (traffic_coin(p, 25))
			change(r, p, port, now);
		else if (traffic_coin(p, 4))
			receive(r, port, prng_below(p, 8));
		else
			for (uint64_t n = 1 + prng_below(p, 3); n; n--)
				send(r, p, port, now);
	}
	return now;
}

static void check_same(struct rig *a, struct rig *b, uint64_t seed)
{
	ck_assert_msg(a->journal.n == b->journal.n && a->journal.hash == b->journal.hash,
		      "seed %llu: %llu frames arrived as if nothing had been, %llu after a load, or other ones",
		      (unsigned long long)seed, (unsigned long long)a->journal.n, (unsigned long long)b->journal.n);
	ck_assert_uint_eq(fabric_held_bytes(a->fabric), fabric_held_bytes(b->fabric));
	ck_assert_uint_eq(a->fabric->budget.borrowed_bytes, b->fabric->budget.borrowed_bytes);
	for (size_t i = 0; i < a->fabric->n_elements; i++)
		ck_assert_mem_eq(element_counters(a->fabric->elements[i]), element_counters(b->fabric->elements[i]),
				 sizeof(struct element_counters));
	for (size_t i = 0; i < a->fabric->n_ports; i++) {
		ck_assert_mem_eq(&a->fabric->ports[i].in, &b->fabric->ports[i].in, sizeof(struct element_counters));
		ck_assert_mem_eq(&a->fabric->ports[i].out, &b->fabric->ports[i].out, sizeof(struct element_counters));
		ck_assert_int_eq(a->fabric->ports[i].is_up, b->fabric->ports[i].is_up);
	}
}

/* The first fabric was paused for a while; the second one begins at another instant, and has rings
 * of its own. Returns how many frames arrived after the save. */
static uint64_t save_and_go_on(uint64_t seed)
{
	CLEANUP(bytes) struct bytes saved = { 0 };
	struct rig rigs[2];
	struct prng p, q;
	nsec_t now, shifted;
	char *why;

	prng_init(&p, seed, "fabric");
	make_plans(&p, rigs);
	rig_init(&rigs[0], &plans[0]);
	attach_machines(&rigs[0]);
	fabric_pause(rigs[0].fabric, start);
	fabric_resume(rigs[0].fabric, start + (nsec_t)prng_below(&p, NSEC_PER_SEC));
	now = drive(&rigs[0], &p, start) + (nsec_t)prng_below(&p, 2 * NSEC_PER_MSEC);
	if (traffic_coin(&p, 2))
		run_until(&rigs[0], now); /* else frames wait in the rings */
	save(&rigs[0], now, &saved);
	rig_init(&rigs[1], &plans[1]);
	ck_assert(fabric_sleep(rigs[1].fabric));
	shifted = start / 2 + (nsec_t)prng_below(&p, 1000 * NSEC_PER_SEC);
	why = load(&rigs[1], shifted, &saved);
	ck_assert_msg(!why, "seed %llu: %s", (unsigned long long)seed, why);
	attach_machines(&rigs[1]);
	rigs[0].journal = (struct journal){ .base = now };
	rigs[1].journal = (struct journal){ .base = shifted };
	q = p;
	now = drive(&rigs[0], &p, now) + NSEC_PER_SEC / 10;
	shifted = drive(&rigs[1], &q, shifted) + NSEC_PER_SEC / 10;
	for (unsigned i = 0; i < 2; i++) {
		run_until(&rigs[i], i ? shifted : now);
		for (size_t port = 0; port < rigs[i].fabric->n_ports; port++)
			receive(&rigs[i], port, UINT64_MAX);
	}
	check_same(&rigs[0], &rigs[1], seed);
	rig_done(&rigs[0]);
	rig_done(&rigs[1]);
	return rigs[0].journal.n;
}

START_TEST(a_loaded_fabric_goes_on_as_if_nothing_had_been)
{
	nsec_t end = clock_cpu() + budget_cpu;
	uint64_t n_arrived = 0;
	unsigned n = 0;

	for (; n < ROUNDS && (n % 8 || clock_cpu() < end); n++)
		n_arrived += save_and_go_on(n + 1);
	printf("%u rounds of %d, %llu frames after the save\n", n, ROUNDS, (unsigned long long)n_arrived);
	ck_assert_uint_gt(n_arrived, 5 * n);
}
END_TEST

/* A fabric with frames in all its parts, saved. */
static void busy_fabric(struct rig rigs[2], struct bytes *ret)
{
	struct prng p;

	prng_init(&p, 11, "busy");
	make_plans(&p, rigs);
	for (size_t i = 0; i < plans[0].n_ports; i++)
		ports[0][i].up.shape = ports[1][i].up.shape = (struct shape_dir){ .rate_bps = 5000000 };
	rig_init(&rigs[0], &plans[0]);
	attach_machines(&rigs[0]);
	save(&rigs[0], drive(&rigs[0], &p, start), ret);
	ck_assert_uint_gt(fabric_held_bytes(rigs[0].fabric), 0);
	rig_done(&rigs[0]);
}

/* Loads a file that may lie; what is believed is driven on. Returns whether it was. */
static bool load_and_drive(struct rig *r, const struct bytes *b)
{
	struct prng p;
	char *why;

	prng_init(&p, 1, "after");
	rig_init(r, &plans[0]);
	why = load(r, start, b);
	attach_machines(r);
	if (!why)
		run_until(r, drive(r, &p, start) + NSEC_PER_SEC);
	else
		ck_assert_msg(strstr(why, "section ") || strstr(why, "byte "), "no place in: %s", why);
	rig_done(r);
	free(why);
	return !why;
}

START_TEST(a_forged_fabric_is_refused_or_works)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	CLEANUP(bytes) struct bytes forged = { 0 };
	nsec_t end = clock_cpu() + forge_cpu;
	unsigned n = 0, n_refused = 0;
	struct rig rigs[2];
	struct prng p;

	prng_init(&p, 3, "forge");
	busy_fabric(rigs, &b);
	for (; n < 5000 && (n % 16 || clock_cpu() < end); n++) {
		struct forge_section sec;
		size_t at = STATE_HEADER_LEN;
		uint64_t skip = prng_below(&p, 1 + plans[0].n_networks + 4 * plans[0].n_ports);

		forged.len = 0;
		bytes_append(&forged, b.data, b.len);
		do
			ck_assert(forge_next(forged.data, &at, &sec));
		while (skip--);
		forged.data[sec.payload + prng_below(&p, sec.len)] ^= (uint8_t)(1 + prng_below(&p, 255));
		forge_reseal(forged.data, forged.len);
		n_refused += !load_and_drive(&rigs[0], &forged);
	}
	printf("%u of %u forged files refused\n", n_refused, n);
	ck_assert_uint_gt(n_refused, n / 20);
}
END_TEST

START_TEST(a_truncated_fabric_is_refused)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct rig rigs[2];
	size_t whole;

	busy_fabric(rigs, &b);
	ck_assert(load_and_drive(&rigs[0], &b));
	whole = b.len;
	for (b.len = 0; b.len < whole; b.len += whole / 200 + 1)
		ck_assert(!load_and_drive(&rigs[0], &b));
}
END_TEST

/* A change of a link may deliver a frame, which is published with the next step or the save. */
START_TEST(what_a_change_delivered_is_saved)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct fabric_target t = { .ref = { .index = 0 }, .dir = LINK_DOWN };
	struct ring_record rec;
	struct rig rigs[2];
	struct prng p;

	prng_init(&p, 4, "change");
	make_plans(&p, rigs);
	for (unsigned i = 0; i < 2; i++)
		ports[i][0].begins_down = false;
	rig_init(&rigs[0], &plans[0]);
	fabric_link_set(rigs[0].fabric, &t, NULL, &(struct shape_dir){ .delay_ns = 10 }, start);
	link_take(rigs[0].fabric->ports[0].links[FABRIC_ACCESS_DOWN].link,
		  traffic_random_frame(&p, rigs[0].fabric->pool, 2, start), start);
	fabric_link_set(rigs[0].fabric, &t, NULL, &(struct shape_dir){ 0 }, start + 10);
	ck_assert_uint_gt(rigs[0].fabric->n_dirty, 0);
	save(&rigs[0], start + 10, &b);
	rig_init(&rigs[1], &plans[1]);
	ck_assert_ptr_null(load(&rigs[1], start, &b));
	attach_machines(&rigs[1]);
	ck_assert(ring_peek(&rigs[1].machines[0].rx, &rec));
	attach_machines(&rigs[0]);
	rig_done(&rigs[0]);
	rig_done(&rigs[1]);
}
END_TEST

START_TEST(links_that_are_not_as_they_were_told_are_refused)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	struct rig rigs[2];
	struct prng p;
	char *why;

	prng_init(&p, 2, "told");
	make_plans(&p, rigs);
	ports[0][1].begins_down = false;
	rig_init(&rigs[0], &plans[0]);
	link_set_up(rigs[0].fabric->ports[1].links[FABRIC_ACCESS_UP].link, false, start);
	save(&rigs[0], start, &b);
	rig_done(&rigs[0]);
	rig_init(&rigs[0], &plans[0]);
	why = load(&rigs[0], start, &b);
	ck_assert_msg(why && strstr(why, "section port.1 at") && strstr(why, "not as they were told to be"), "%s", why);
	free(why);
	rig_done(&rigs[0]);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("fabric_save");
	TCase *c = tcase_create("fabric_save");

	tcase_add_test(c, a_loaded_fabric_goes_on_as_if_nothing_had_been);
	tcase_add_test(c, a_forged_fabric_is_refused_or_works);
	tcase_add_test(c, a_truncated_fabric_is_refused);
	tcase_add_test(c, what_a_change_delivered_is_saved);
	tcase_add_test(c, links_that_are_not_as_they_were_told_are_refused);
	suite_add_tcase(s, c);
	return s;
}

UNIT_MAIN(make_suite);
