/* tests/fabric/check_fabric.c: the fabric on virtual time, with rings in memory. */
#include "core/bytes.h"
#include "fabric/fabric.h"
#include "tests/fabric/asking.h"
#include "tests/fabric/shares.h"
#include "tests/unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { N_PORTS = 3 };

static struct fabric_plan_network networks[1];
static struct fabric_plan_port ports[N_PORTS];
static struct fabric_plan plan;
static struct ring_pair_fds fds[N_PORTS];
static struct ring_pair machines[N_PORTS];
static struct fabric *fabric;
static nsec_t now;

static void setup(void)
{
	static const char *const names[N_PORTS] = { "a.eth0", "b.eth0", "c.eth0" };
	static const char *const streams[N_PORTS] = { "a.0", "b.0", "c.0" };

	memset(networks, 0, sizeof networks);
	networks[0].name = "lan";
	networks[0].mtu = 1500;
	for (size_t i = 0; i < N_PORTS; i++) {
		ports[i] = (struct fabric_plan_port){ .name = names[i], .stream = streams[i], .mtu = 1500,
						      .kind = FABRIC_PORT_RING, .rings = &fds[i] };
		ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds[i]), 0);
		ck_assert_int_eq(ring_pair_attach(&fds[i], RING_MACHINE, &machines[i]), 0);
	}
	plan = (struct fabric_plan){ .name = "t", .seed = 1, .networks = networks, .n_networks = 1,
				     .ports = ports, .n_ports = N_PORTS };
	now = NSEC_PER_SEC;
	fabric = NULL;
}

static void start(void)
{
	plan_shares(&plan);
	ck_assert_int_eq(fabric_new(&plan, &fabric), 0);
}

static void teardown(void)
{
	fabric = fabric_free(fabric);
	for (size_t i = 0; i < N_PORTS; i++) {
		ring_pair_detach(&machines[i]);
		ring_pair_close(&fds[i]);
	}
}

/* A frame from machine @from, written at @written; to a station @to, or to all
 * (@to < 0). */
static void send_frame_at(size_t from, int to, uint32_t len, nsec_t written)
{
	struct frame_offload none = { 0 };
	uint8_t *p = ring_reserve(&machines[from].tx, len);

	ck_assert_ptr_nonnull(p);
	memset(p, 0, len);
	memset(p, to < 0 ? 0xff : 0x02, 6);
	if (to >= 0)
		p[5] = (uint8_t)to;
	memset(p + 6, 0x02, 6);
	p[11] = (uint8_t)from;
	ring_commit(&machines[from].tx, len, &none, written);
	(void)ring_publish(&machines[from].tx);
}

static void send_frame(size_t from, int to, uint32_t len)
{
	send_frame_at(from, to, len, 0);
}

/* Steps at every instant something is due, up to @until. */
static void run_until(nsec_t until)
{
	for (;;) {
		while (fabric_step(fabric, now))
			;
		if (fabric_next(fabric) > until)
			break;
		now = nsec_max(now, fabric_next(fabric));
	}
	now = until;
}

/* How many frames machine @i has got; their times into @times when not NULL. */
static size_t receive(size_t i, nsec_t *times)
{
	struct ring_record rec;
	size_t n = 0;

	while (ring_peek(&machines[i].rx, &rec)) {
		if (times)
			times[n] = rec.time_ns;
		n++;
		ring_pop(&machines[i].rx);
	}
	ring_release(&machines[i].rx);
	return n;
}

static void check_books_of(const struct element_counters *c)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < LOSS_REASON_COUNT; i++)
		lost += c->lost_frames[i];
	ck_assert_uint_eq(c->entered_frames + c->copied_frames,
			  c->delivered_frames + lost + c->queued_frames);
}

static void check_books(void)
{
	for (size_t i = 0; i < N_PORTS; i++) {
		const struct fabric_port *p = &fabric->ports[i];

		check_books_of(&p->in);
		check_books_of(&p->out);
		for (size_t k = 0; k < FABRIC_ROLE_COUNT; k++)
			check_books_of(link_counters(p->links[k].link));
		ck_assert_uint_eq(p->in.delivered_frames,
				  link_counters(p->links[FABRIC_ACCESS_UP].link)->entered_frames);
		ck_assert_uint_eq(p->out.entered_frames,
				  link_counters(p->links[FABRIC_ACCESS_DOWN].link)->delivered_frames);
	}
	check_books_of(vswitch_counters(fabric->networks[0].sw));
}

static json_t *ask(const char *request)
{
	json_t *answer = asking(fabric, NULL, request, -1, now);

	ck_assert_ptr_nonnull(answer);
	return answer;
}

static bool ask_ok(const char *request)
{
	json_t *a = ask(request);
	bool ok = json_is_true(json_object_get(a, "ok"));

	json_decref(a);
	return ok;
}

START_TEST(a_ping_crosses_the_switch)
{
	start();
	send_frame(0, -1, 60);
	run_until(now);
	ck_assert_uint_eq(receive(0, NULL), 0);
	ck_assert_uint_eq(receive(1, NULL), 1);
	ck_assert_uint_eq(receive(2, NULL), 1);
	send_frame(1, 0, 60);
	run_until(now);
	ck_assert_uint_eq(receive(0, NULL), 1);
	ck_assert_uint_eq(receive(2, NULL), 0);
	check_books();
}
END_TEST

/* One network shape: met once each way. Access links come on top. */
START_TEST(delays_are_exact)
{
	nsec_t t;

	networks[0].up.shape = (struct shape_dir){ .rate_bps = 1000000, .delay_ns = 20 * NSEC_PER_MSEC };
	networks[0].down.shape = networks[0].up.shape;
	ports[1].up.shape.delay_ns = 3 * NSEC_PER_MSEC;
	ports[1].down.shape.delay_ns = 5 * NSEC_PER_MSEC;
	start();
	send_frame(0, 1, 125);
	run_until(2 * NSEC_PER_SEC);
	ck_assert_uint_eq(receive(1, &t), 1);
	ck_assert_int_eq(t, NSEC_PER_SEC + 26 * NSEC_PER_MSEC);
	send_frame(1, 0, 125);
	run_until(3 * NSEC_PER_SEC);
	ck_assert_uint_eq(receive(0, &t), 1);
	ck_assert_int_eq(t, 2 * NSEC_PER_SEC + 24 * NSEC_PER_MSEC);
	check_books();
}
END_TEST

/* A wake-up that took a moment is not added; a machine cannot claim more. */
START_TEST(a_frame_enters_when_it_was_written)
{
	static const struct {
		nsec_t written, entered; /* against the time of the step */
	} t[] = {
		{ -100 * NSEC_PER_USEC, -100 * NSEC_PER_USEC },
		{ -2 * NSEC_PER_MSEC, -2 * NSEC_PER_MSEC },
		{ -2 * NSEC_PER_MSEC - 1, 0 }, { 1, 0 }, { INT64_MAX - NSEC_PER_SEC, 0 },
		{ INT64_MIN, 0 },
	};
	nsec_t at[2];

	networks[0].up.shape = (struct shape_dir){ .rate_bps = 1000000, .delay_ns = 10 * NSEC_PER_MSEC };
	start();
	send_frame_at(0, 1, 125, _i < 5 ? now + t[_i].written : t[_i].written);
	send_frame_at(0, 1, 125, now - 3 * NSEC_PER_USEC / 2);
	run_until(2 * NSEC_PER_SEC);
	ck_assert_uint_eq(receive(1, at), 2);
	ck_assert_int_eq(at[0], NSEC_PER_SEC + 11 * NSEC_PER_MSEC + t[_i].entered);
	ck_assert_int_eq(at[1], nsec_max(at[0] + NSEC_PER_MSEC,
					 NSEC_PER_SEC + 11 * NSEC_PER_MSEC - 3 * NSEC_PER_USEC / 2));
	check_books();
}
END_TEST

/* Where the directions differ the first port receives `down`. */
START_TEST(the_first_port_is_the_near_end)
{
	nsec_t t;

	networks[0].up.shape.delay_ns = 10;
	networks[0].down.shape.delay_ns = 1000;
	start();
	send_frame(0, 1, 60);
	run_until(2 * NSEC_PER_SEC);
	ck_assert_uint_eq(receive(1, &t), 1);
	ck_assert_int_eq(t, NSEC_PER_SEC + 10);
	send_frame(1, 0, 60);
	run_until(3 * NSEC_PER_SEC);
	ck_assert_uint_eq(receive(0, &t), 1);
	ck_assert_int_eq(t, 2 * NSEC_PER_SEC + 1000);
}
END_TEST

START_TEST(loss_is_counted)
{
	networks[0].up.shape.loss = networks[0].down.shape.loss = 1;
	start();
	for (int i = 0; i < 10; i++)
		send_frame(0, 1, 60);
	run_until(now);
	ck_assert_uint_eq(receive(1, NULL), 0);
	ck_assert_uint_eq(link_counters(fabric->ports[1].links[FABRIC_NETWORK].link)->lost_frames[LOSS_RANDOM], 10);
	check_books();
}
END_TEST

START_TEST(links_change_while_frames_fly)
{
	nsec_t t[2];

	start();
	ck_assert(ask_ok("{\"id\":1,\"do\":\"link-set\",\"network\":0,\"up\":{\"delay_ns\":100000000},\"down\":{\"delay_ns\":100000000}}"));
	send_frame(0, 1, 60);
	run_until(now + 10 * NSEC_PER_MSEC);
	ck_assert_uint_eq(receive(1, NULL), 0);
	ck_assert(ask_ok("{\"id\":2,\"do\":\"link-set\",\"port\":0,\"dir\":\"up\",\"up\":{\"delay_ns\":200000000}}"));
	send_frame(0, 1, 60);
	run_until(2 * NSEC_PER_SEC);
	ck_assert_uint_eq(receive(1, t), 2);
	ck_assert_int_eq(t[0], NSEC_PER_SEC + 100 * NSEC_PER_MSEC);
	ck_assert_int_eq(t[1], NSEC_PER_SEC + 310 * NSEC_PER_MSEC);
	ck_assert(ask_ok("{\"id\":3,\"do\":\"link-reset\",\"network\":0}"));
	ck_assert(ask_ok("{\"id\":4,\"do\":\"link-reset\",\"port\":0}"));
	send_frame(0, 1, 60);
	run_until(now);
	ck_assert_uint_eq(receive(1, NULL), 1);
	check_books();
}
END_TEST

START_TEST(a_refused_set_changes_nothing)
{
	json_t *a;

	start();
	a = ask("{\"id\":7,\"do\":\"link-set\",\"network\":0,\"up\":{\"delay_ns\":100000000},\"down\":{\"loss\":2}}");
	ck_assert(json_is_false(json_object_get(a, "ok")));
	ck_assert_int_eq(json_integer_value(json_object_get(a, "id")), 7);
	ck_assert(json_is_string(json_object_get(a, "error")));
	json_decref(a);
	send_frame(0, 1, 60);
	run_until(now);
	ck_assert_uint_eq(receive(1, NULL), 1);
}
END_TEST

START_TEST(requests_that_are_wrong_are_refused)
{
	static const char *const wrong[] = {
		"{}", "{\"do\":1}", "{\"do\":\"nonsense\"}", "{\"do\":\"link-show\"}",
		"{\"do\":\"link-show\",\"network\":1}", "{\"do\":\"link-show\",\"network\":-1}",
		"{\"do\":\"link-show\",\"port\":3}", "{\"do\":\"link-show\",\"port\":\"0\"}",
		"{\"do\":\"link-set\",\"network\":0}", "{\"do\":\"link-set\",\"network\":0,\"up\":{}}",
		"{\"do\":\"link-set\",\"network\":0,\"up\":{},\"down\":[]}",
		"{\"do\":\"link-set\",\"network\":0,\"up\":{\"delay_ns\":-1},\"down\":{}}",
		"{\"do\":\"link-set\",\"port\":0,\"dir\":\"up\",\"down\":{}}",
		"{\"do\":\"link-set\",\"network\":0,\"dir\":\"left\",\"up\":{},\"down\":{}}",
		"{\"do\":\"link-state\",\"network\":0,\"up\":\"no\"}",
	};

	start();
	ck_assert_msg(!ask_ok(wrong[_i]), "%s", wrong[_i]);
}
END_TEST

START_TEST(a_nic_goes_down_and_comes_back)
{
	start();
	send_frame(1, -1, 60); /* learned */
	run_until(now);
	(void)receive(0, NULL);
	(void)receive(2, NULL);
	ck_assert(ask_ok("{\"do\":\"link-state\",\"port\":1,\"up\":false}"));
	send_frame(0, 1, 60);
	send_frame(1, 0, 60);
	run_until(now);
	ck_assert_uint_eq(receive(0, NULL), 0);
	ck_assert_uint_eq(receive(1, NULL), 0);
	check_books();
	ck_assert(ask_ok("{\"do\":\"link-state\",\"port\":1,\"up\":true}"));
	send_frame(0, 1, 60);
	run_until(now);
	ck_assert_uint_eq(receive(1, NULL), 1);
}
END_TEST

START_TEST(one_direction_is_closed)
{
	start();
	ck_assert(ask_ok("{\"do\":\"link-state\",\"port\":1,\"dir\":\"up\",\"up\":false}"));
	send_frame(1, 0, 60);
	send_frame(0, 1, 60);
	run_until(now);
	ck_assert_uint_eq(receive(0, NULL), 0);
	ck_assert_uint_eq(receive(1, NULL), 1);
	ck_assert_uint_eq(link_counters(fabric->ports[1].links[FABRIC_ACCESS_UP].link)->lost_frames[LOSS_DOWN], 1);
	ck_assert(fabric->ports[1].is_up);
	ck_assert(ask_ok("{\"do\":\"link-state\",\"port\":1,\"dir\":\"up\",\"up\":true}"));
	send_frame(1, 0, 60);
	run_until(now);
	ck_assert_uint_eq(receive(0, NULL), 1);
	check_books();
}
END_TEST

static const char *nic_state(const char *key)
{
	json_t *a = ask("{\"do\":\"link-show\",\"port\":1}");
	json_t *state = json_object_get(json_array_get(json_object_get(a, "links"), 0), "state");
	const char *text = json_string_value(json_object_get(state, key));
	bool is_down = text && strcmp(text, "down") == 0;

	ck_assert_ptr_nonnull(text);
	json_decref(a);
	return is_down ? "down" : "up";
}

/* The network goes down and up; who was down by himself stays down. */
START_TEST(a_network_raises_no_nic)
{
	ports[2].begins_down = true;
	start();
	ck_assert(ask_ok("{\"do\":\"link-state\",\"port\":1,\"dir\":\"up\",\"up\":false}"));
	ck_assert(ask_ok("{\"do\":\"link-state\",\"network\":0,\"up\":false}"));
	ck_assert_str_eq(nic_state("nic"), "up");
	ck_assert_str_eq(nic_state("network"), "down");
	ck_assert_str_eq(nic_state("direction"), "down");
	ck_assert(ask_ok("{\"do\":\"link-state\",\"network\":0,\"up\":true,\"flap\":true}"));
	ck_assert_str_eq(nic_state("network"), "up");
	send_frame(0, -1, 60);
	send_frame(1, -1, 60);
	run_until(now);
	ck_assert_uint_eq(receive(1, NULL), 1); /* from a */
	ck_assert_uint_eq(receive(0, NULL), 0); /* b's way up is closed yet */
	ck_assert_uint_eq(receive(2, NULL), 0); /* down in the file */
	ck_assert(ask_ok("{\"do\":\"link-state\",\"port\":2,\"up\":true}"));
	send_frame(0, -1, 60);
	run_until(now);
	ck_assert_uint_eq(receive(2, NULL), 1);
	check_books();
}
END_TEST

START_TEST(a_pause_stops_time_for_frames)
{
	nsec_t t;

	networks[0].up.shape.delay_ns = 100 * NSEC_PER_MSEC;
	start();
	send_frame(0, 1, 60);
	run_until(now + 40 * NSEC_PER_MSEC);
	ck_assert(ask_ok("{\"do\":\"pause\"}"));
	ck_assert_int_eq(fabric_next(fabric), NSEC_NEVER);
	now += NSEC_PER_SEC;
	ck_assert(!fabric_step(fabric, fabric_time(fabric, now)));
	ck_assert_int_eq(fabric_time(fabric, now), NSEC_PER_SEC + 40 * NSEC_PER_MSEC);
	ck_assert(ask_ok("{\"do\":\"resume\"}"));
	ck_assert_uint_eq(receive(1, NULL), 0);
	now = fabric_time(fabric, now);
	run_until(2 * NSEC_PER_SEC);
	ck_assert_uint_eq(receive(1, &t), 1);
	ck_assert_int_eq(t, NSEC_PER_SEC + 100 * NSEC_PER_MSEC);
}
END_TEST

static json_int_t counter_of(json_t *link, const char *book, const char *key)
{
	json_t *c = json_object_get(link, book), *n = json_object_get(c, key);

	return json_integer_value(n ? n : json_object_get(json_object_get(c, "lost"), key));
}

/* A ring's losses and what a link did to frames are in what `link show` answers. */
START_TEST(link_show_tells_rings_and_manglings)
{
	json_t *a, *up, *down;

	ports[1].up.shape = (struct shape_dir){ .corrupt = 1, .reorder = 1 };
	ports[1].down.shape.duplicate = 1;
	start();
	for (int i = 0; i < 10; i++)
		send_frame(1, 0, 60);
	for (int i = 0; i < 1000; i++) {
		send_frame(0, 1, 1500);
		run_until(now);
	}
	a = ask("{\"do\":\"link-show\",\"port\":1}");
	up = json_array_get(json_object_get(a, "links"), 0);
	down = json_array_get(json_object_get(a, "links"), 1);
	ck_assert_int_eq(counter_of(up, "counters", "corrupted_frames"), 10);
	ck_assert_int_eq(counter_of(up, "counters", "reordered_frames"), 10);
	ck_assert_int_eq(counter_of(up, "ring", "entered_frames"), 10);
	ck_assert_int_eq(counter_of(down, "counters", "duplicated_frames"), 1000);
	ck_assert_int_eq(counter_of(down, "counters", "copied_frames"), 1000);
	ck_assert_int_gt(counter_of(down, "ring", "ring-full"), 0);
	ck_assert_int_eq(counter_of(down, "ring", "ring-full") + (json_int_t)receive(1, NULL), 2000);
	json_decref(a);
	check_books();
}
END_TEST

/* A guest that fills a link: bounded, told, and the neighbour's share stays. */
START_TEST(memory_is_bounded_a_team)
{
	uint64_t held;

	ports[0].up.shape.delay_ns = ports[1].up.shape.delay_ns = 3600 * NSEC_PER_SEC;
	start();
	for (unsigned i = 0; i < 1100; i++) {
		for (unsigned k = 0; k < FABRIC_BATCH; k++)
			send_frame(0, 1, 1500);
		while (fabric_step(fabric, now))
			;
	}
	held = fabric_held_bytes(fabric);
	ck_assert_uint_gt(link_counters(fabric->ports[0].links[FABRIC_ACCESS_UP].link)->lost_frames[LOSS_MEMORY], 0);
	ck_assert_uint_le(held, plan.total_bytes);
	send_frame(1, 0, 60);
	while (fabric_step(fabric, now))
		;
	ck_assert_uint_eq(link_counters(fabric->ports[1].links[FABRIC_ACCESS_UP].link)->queued_frames, 1);
	check_books();
}
END_TEST

/* A link that was made long while it runs has its file's share, and says when that is too little. */
START_TEST(a_link_says_when_its_memory_bounds_it)
{
	static const struct {
		const char *shape;
		bool bounds;
	} t[] = {
		{ "{\"rate_bps\":1000000000,\"delay_ns\":10000000}", false },
		{ "{\"rate_bps\":1000000000,\"delay_ns\":10000000000}", true },
		{ "{\"rate_bps\":1000000000,\"queue_bytes\":500000000}", true },
		{ "{\"rate_bps\":10000000,\"queue_bytes\":100000}", false },
	};

	start();
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		CLEANUP(free) char *text = str_printf("{\"do\":\"link-set\",\"network\":0,\"up\":%s,\"down\":%s}",
						      t[i].shape, t[i].shape);
		json_t *a = ask(text), *memory;

		memory = json_object_get(json_array_get(json_object_get(a, "links"), 0), "memory");
		ck_assert_msg(json_is_boolean(json_object_get(memory, "bounds")), "%s", t[i].shape);
		ck_assert_msg(json_is_true(json_object_get(memory, "bounds")) == t[i].bounds, "%s", t[i].shape);
		json_decref(a);
	}
}
END_TEST

/* A port that leads nowhere: what arrives is counted, and it is never looked at. */
START_TEST(a_port_may_lead_nowhere)
{
	ports[2].kind = FABRIC_PORT_NONE;
	start();
	send_frame(0, -1, 60);
	send_frame(2, 0, 60);
	fabric_wake_port(fabric, 2);
	run_until(now);
	ck_assert_uint_eq(receive(0, NULL), 0);
	ck_assert_uint_eq(receive(1, NULL), 1);
	ck_assert_uint_eq(fabric->ports[2].out.lost_frames[LOSS_NO_PORT], 1);
	ck_assert_uint_eq(fabric->ports[2].in.entered_frames, 0);
	ck_assert(!fabric_port_is_broken(&fabric->ports[2]));
	ck_assert(fabric_sleep(fabric));
	check_books();
}
END_TEST

/* Two links are due at one instant: they run by port, whichever was asked first. */
START_TEST(links_that_are_due_together_run_by_port)
{
	struct ring_record rec;
	uint8_t from[2];

	ports[0].up.shape.delay_ns = 10 * NSEC_PER_MSEC;
	ports[1].up.shape.delay_ns = 9 * NSEC_PER_MSEC;
	start();
	for (unsigned turn = 0; turn < 2; turn++) {
		nsec_t due = now + 10 * NSEC_PER_MSEC;

		send_frame_at(0, 2, 60, now);
		run_until(due - 9 * NSEC_PER_MSEC);
		send_frame_at(1, 2, 60, now);
		run_until(due);
		for (size_t i = 0; i < 2; i++) {
			ck_assert(ring_peek(&machines[2].rx, &rec));
			ck_assert_int_eq(rec.time_ns, due);
			from[i] = rec.data[11];
			ring_pop(&machines[2].rx);
		}
		ring_release(&machines[2].rx);
		ck_assert(from[0] == 0 && from[1] == 1);
	}
}
END_TEST

START_TEST(a_full_ring_is_counted)
{
	start();
	for (int i = 0; i < 1000; i++) {
		send_frame(0, 1, 1500);
		run_until(now);
	}
	ck_assert_uint_gt(fabric->ports[1].out.lost_frames[LOSS_RING_FULL], 0);
	ck_assert_uint_eq(receive(1, NULL) + fabric->ports[1].out.lost_frames[LOSS_RING_FULL], 1000);
	check_books();
}
END_TEST

START_TEST(what_a_machine_gets_wrong_is_malformed)
{
	struct frame_offload bad_csum = { .flags = 1, .csum_start = 50, .csum_offset = 16 };
	struct frame_offload bad_size = { .flags = 1, .gso_type = 1, .hdr_len = 60000, .csum_offset = 6 };
	struct frame_offload bad_kind = { .gso_type = 77, .gso_size = 1000 };
	uint8_t *p;

	start();
	p = ring_reserve(&machines[0].tx, 60);
	memset(p, 0xff, 60);
	ring_commit(&machines[0].tx, 60, &bad_csum, 0);
	p = ring_reserve(&machines[0].tx, 60);
	memset(p, 0xff, 60);
	ring_commit(&machines[0].tx, 60, &bad_kind, 0);
	p = ring_reserve(&machines[0].tx, 60);
	memset(p, 0xff, 60);
	ring_commit(&machines[0].tx, 60, &bad_size, 0);
	send_frame(0, 1, 13);
	run_until(now);
	ck_assert_uint_eq(fabric->ports[0].in.lost_frames[LOSS_MALFORMED], 4);
	ck_assert_uint_eq(receive(1, NULL), 0);
	memset((uint8_t *)machines[0].map + 64, 0xff, 8); /* and a ring that lies */
	run_until(now);
	ck_assert(fabric_port_is_broken(&fabric->ports[0]));
	ck_assert(fabric_sleep(fabric));
	send_frame(1, 2, 60);
	fabric_wake_port(fabric, 1);
	run_until(now);
	ck_assert_uint_eq(receive(2, NULL), 1);
	check_books();
}
END_TEST

/* Frames that a machine may send, on a network with an MTU of 1500, and giants. */
static const struct sized {
	const char *what;
	uint32_t len;
	uint8_t n_tags;
	uint16_t gso_size; /* 0: a plain frame */
	bool passes;
} sized[] = {
	{ "plain", 1514, 0, 0, true },
	{ "plain, a byte more", 1515, 0, 0, false },
	{ "plain, as long as a tagged one", 1518, 0, 0, false },
	{ "one tag", 1518, 1, 0, true },
	{ "one tag, a byte more", 1519, 1, 0, false },
	{ "two tags", 1522, 2, 0, true },
	{ "two tags, a byte more", 1523, 2, 0, false },
	{ "a jumbo frame", 9014, 0, 0, false },
	{ "as long as a frame can be", 65554, 0, 0, false },
	{ "TSO", 20054, 0, 1460, true },
	{ "TSO, a segment a byte too long", 20054, 0, 1461, false },
	{ "TSO with a tag", 20058, 1, 1460, true },
	{ "TSO of one short segment", 1054, 0, 9000, true },
};

START_TEST(a_giant_is_malformed)
{
	const struct sized *t = &sized[_i];
	uint32_t l3 = ETH_HEADER_LEN + 4u * t->n_tags;
	struct frame_offload o = { 0 };
	uint8_t *p;

	if (t->gso_size)
		o = (struct frame_offload){ .flags = 1, .gso_type = 1, .hdr_len = (uint16_t)(l3 + 40),
					    .gso_size = t->gso_size, .csum_start = (uint16_t)(l3 + 20),
					    .csum_offset = 16 };
	start();
	p = ring_reserve(&machines[0].tx, t->len);
	memset(p, 0, t->len);
	p[0] = p[6] = 2;
	p[5] = 1;
	for (uint32_t i = 0; i < t->n_tags; i++)
		memcpy(p + 12 + 4 * (size_t)i, i + 1 < t->n_tags ? "\x88\xa8\0\1" : "\x81\0\0\2", 4);
	memcpy(p + l3 - 2, "\x08\x00\x45", 3);
	p[l3 + 9] = 6;
	p[l3 + 32] = 0x50;
	ring_commit(&machines[0].tx, t->len, &o, 0);
	(void)ring_publish(&machines[0].tx);
	run_until(now);
	ck_assert_msg(fabric->ports[0].in.lost_frames[LOSS_MALFORMED] == !t->passes, "%s", t->what);
	ck_assert_uint_eq(receive(1, NULL), t->passes);
	check_books();
}
END_TEST

START_TEST(a_sleeping_port_is_kicked_awake)
{
	uint64_t n;

	start();
	run_until(now);
	ck_assert(fabric_sleep(fabric));
	send_frame(0, 1, 60);
	ck_assert_int_eq(read(fds[0].up_kick_fd, &n, sizeof n), sizeof n);
	ck_assert(!fabric_step(fabric, now)); /* asleep: not looked at */
	fabric_wake_port(fabric, 0);
	run_until(now);
	ck_assert_uint_eq(receive(1, NULL), 1);
}
END_TEST

START_TEST(showing_links_and_books)
{
	json_t *a, *links;

	networks[0].up.shape = (struct shape_dir){ .rate_bps = 1000000 };
	networks[0].down.shape = networks[0].up.shape;
	start();
	send_frame(0, 1, 125);
	run_until(2 * NSEC_PER_SEC);
	a = ask("{\"id\":1,\"do\":\"link-show\",\"network\":0}");
	links = json_object_get(a, "links");
	ck_assert_uint_eq(json_array_size(links), 3);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(links, 1), "port")), "b.eth0");
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(links, 0), "dir")), "down");
	json_decref(a);
	a = ask("{\"id\":2,\"do\":\"link-show\",\"port\":1}");
	ck_assert_uint_eq(json_array_size(json_object_get(a, "links")), 2);
	json_decref(a);
	a = ask("{\"id\":3,\"do\":\"counters\"}");
	ck_assert_uint_eq(json_array_size(json_object_get(a, "ports")), 3);
	ck_assert_uint_eq(json_array_size(json_object_get(a, "networks")), 1);
	json_decref(a);
}
END_TEST

START_TEST(a_wire_needs_two_and_a_hub_floods)
{
	networks[0].type = VSWITCH_WIRE;
	ck_assert_int_eq(fabric_new(&plan, &fabric), -EINVAL);
	networks[0].type = VSWITCH_HUB;
	start();
	send_frame(1, 0, 60);
	run_until(now);
	send_frame(0, 1, 60);
	run_until(now);
	ck_assert_uint_eq(receive(2, NULL), 2);
	check_books();
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("fabric");
	TCase *t = tcase_create("fabric");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_ping_crosses_the_switch);
	tcase_add_test(t, delays_are_exact);
	tcase_add_loop_test(t, a_frame_enters_when_it_was_written, 0, 6);
	tcase_add_test(t, the_first_port_is_the_near_end);
	tcase_add_test(t, loss_is_counted);
	tcase_add_test(t, links_change_while_frames_fly);
	tcase_add_test(t, a_refused_set_changes_nothing);
	tcase_add_loop_test(t, requests_that_are_wrong_are_refused, 0, 15);
	tcase_add_test(t, a_nic_goes_down_and_comes_back);
	tcase_add_test(t, one_direction_is_closed);
	tcase_add_test(t, a_network_raises_no_nic);
	tcase_add_test(t, a_pause_stops_time_for_frames);
	tcase_add_test(t, link_show_tells_rings_and_manglings);
	tcase_add_test(t, memory_is_bounded_a_team);
	tcase_add_test(t, a_link_says_when_its_memory_bounds_it);
	tcase_add_test(t, a_port_may_lead_nowhere);
	tcase_add_test(t, links_that_are_due_together_run_by_port);
	tcase_add_test(t, a_full_ring_is_counted);
	tcase_add_test(t, what_a_machine_gets_wrong_is_malformed);
	tcase_add_loop_test(t, a_giant_is_malformed, 0, sizeof sized / sizeof sized[0]);
	tcase_add_test(t, a_sleeping_port_is_kicked_awake);
	tcase_add_test(t, showing_links_and_books);
	tcase_add_test(t, a_wire_needs_two_and_a_hub_floods);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
