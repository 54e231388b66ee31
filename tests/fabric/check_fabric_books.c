/* tests/fabric/check_fabric_books.c: a whole fabric under random traffic, random
 * changes and a machine that writes nonsense: every book balances after every
 * step, what one element gives is what the next one got, and at the end
 * nothing is left over. */
#include "core/prng.h"
#include "fabric/fabric.h"
#include "tests/fabric/asking.h"
#include "tests/fabric/shares.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

enum { N_STATIONS = 4, N_NETWORKS = 3, N_PORTS = 10, STEPS = 4000 };

static struct fabric_plan_network networks[N_NETWORKS];
static struct fabric_plan_port ports[N_PORTS];
static size_t station[N_PORTS]; /* whose port it is */
static struct fabric_plan plan;
static struct ring_pair_fds fds[N_PORTS];
static struct ring_pair machines[N_PORTS];
static size_t n_ports;
static struct fabric *fabric;
static struct prng rng;

/* A switch and a hub that all stations sit on, and a wire between the first two. */
static void setup(void)
{
	static const char *const names[N_NETWORKS] = { "lan", "hub", "wire" };
	static const char *const streams[N_PORTS] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" };

	for (size_t i = 0; i < N_NETWORKS; i++)
		networks[i] = (struct fabric_plan_network){ .name = names[i], .mtu = 1500,
							     .type = (enum vswitch_type)i };
	n_ports = 0;
	for (size_t v = 0; v < N_STATIONS; v++)
		for (size_t i = 0; i < (v < 2 ? 3 : 2); i++) {
			ports[n_ports] = (struct fabric_plan_port){ .name = "port", .stream = streams[n_ports], .mtu = 1500,
								    .network = i, .kind = FABRIC_PORT_RING,
								    .rings = &fds[n_ports] };
			station[n_ports] = v;
			ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds[n_ports]), 0);
			ck_assert_int_eq(ring_pair_attach(&fds[n_ports], RING_MACHINE, &machines[n_ports]), 0);
			n_ports++;
		}
	ck_assert_uint_eq(n_ports, N_PORTS);
	plan = (struct fabric_plan){ .name = "t", .seed = 1, .networks = networks, .n_networks = N_NETWORKS,
				     .ports = ports, .n_ports = N_PORTS };
	plan_shares(&plan);
	ck_assert_int_eq(fabric_new(&plan, &fabric), 0);
}

static void teardown(void)
{
	fabric = fabric_free(fabric); /* asserts that every frame came back */
	for (size_t i = 0; i < n_ports; i++) {
		ring_pair_detach(&machines[i]);
		ring_pair_close(&fds[i]);
	}
}

static uint64_t balance(const struct element_counters *c)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < LOSS_REASON_COUNT; i++)
		lost += c->lost_frames[i];
	ck_assert_uint_eq(c->entered_frames + c->copied_frames,
			  c->delivered_frames + lost + c->queued_frames);
	return c->queued_frames;
}

/* Returns how many frames all elements hold. */
static uint64_t check_books(void)
{
	uint64_t into[N_NETWORKS] = { 0 }, out_of[N_NETWORKS] = { 0 }, held = 0;

	for (size_t i = 0; i < fabric->n_elements; i++)
		held += balance(element_counters(fabric->elements[i]));

	for (size_t i = 0; i < n_ports; i++) {
		const struct fabric_port *p = &fabric->ports[i];
		const struct element_counters *up = link_counters(p->links[FABRIC_ACCESS_UP].link);
		const struct element_counters *net = link_counters(p->links[FABRIC_NETWORK].link);
		const struct element_counters *down = link_counters(p->links[FABRIC_ACCESS_DOWN].link);

		held += balance(&p->in) + balance(&p->out);
		ck_assert_uint_eq(p->in.delivered_frames, up->entered_frames);
		ck_assert_uint_eq(net->delivered_frames, down->entered_frames);
		ck_assert_uint_eq(down->delivered_frames, p->out.entered_frames);
		into[p->network] += up->delivered_frames;
		out_of[p->network] += net->entered_frames;
	}
	for (size_t i = 0; i < N_NETWORKS; i++) {
		const struct element_counters *sw = vswitch_counters(fabric->networks[i].sw);

		ck_assert_uint_eq(sw->entered_frames, into[i]);
		ck_assert_uint_eq(sw->delivered_frames, out_of[i]);
	}
	return held;
}

static void send_random(size_t port, nsec_t now)
{
	uint32_t len = (uint32_t)prng_below(&rng, prng_below(&rng, 20) ? 1515 : 20000);
	struct frame_offload o = { 0 };
	uint8_t *p = ring_reserve(&machines[port].tx, len);

	if (!p)
		return;
	memset(p, 0, len);
	if (len >= 60) {
		p[0] = prng_below(&rng, 8) ? 2 : 0xff;
		p[5] = (uint8_t)prng_below(&rng, N_STATIONS);
		p[6] = 2;
		p[11] = (uint8_t)station[port];
		memcpy(p + 12, "\x08\x00\x45", 3);
		p[23] = 6;
		p[46] = 0x50;
	}
	if (prng_below(&rng, 4) == 0)
		o = (struct frame_offload){ (uint8_t)prng_below(&rng, 4), (uint8_t)prng_below(&rng, 8), 54,
					    (uint16_t)prng_below(&rng, 2000), 34, 16 };
	ring_commit(&machines[port].tx, len, &o, now - (nsec_t)prng_below(&rng, 3 * NSEC_PER_MSEC));
	(void)ring_publish(&machines[port].tx);
	fabric_wake_port(fabric, port);
}

static void random_request(nsec_t now)
{
	static const char *const shapes[] = {
		"\"rate_bps\":10000000", "", "\"delay_ns\":5000000", "\"delay_ns\":5000000,\"jitter_ns\":2000000",
		"\"loss\":0.1", "\"rate_bps\":10000000,\"queue_packets\":5",
		"\"rate_bps\":1000000,\"queue_bytes\":20000,\"delay_ns\":1000000", "\"duplicate\":0.05,\"delay_ns\":100",
		"\"delay_ns\":5000000,\"reorder\":0.1", "\"corrupt\":0.05", "\"loss\":7",
	};
	const char *shape = shapes[prng_below(&rng, sizeof shapes / sizeof shapes[0])];
	char text[400], target[60];
	json_t *answer;

	if (prng_below(&rng, 2))
		(void)snprintf(target, sizeof target, "\"network\":%u", (unsigned)prng_below(&rng, N_NETWORKS + 1));
	else
		(void)snprintf(target, sizeof target, "\"port\":%u", (unsigned)prng_below(&rng, N_PORTS + 1));
	switch (prng_below(&rng, 6)) {
	case 0: (void)snprintf(text, sizeof text, "{\"do\":\"link-reset\",%s}", target); break;
	case 1:
		(void)snprintf(text, sizeof text, "{\"do\":\"link-state\",%s,\"up\":%s}", target,
			       prng_below(&rng, 4) ? "true" : "false");
		break;
	case 2: (void)snprintf(text, sizeof text, "{\"do\":\"counters\"}"); break;
	default:
		(void)snprintf(text, sizeof text, "{\"do\":\"link-set\",%s,\"dir\":\"%s\",\"up\":{%s},\"down\":{%s}}",
			       target, prng_below(&rng, 2) ? "both" : "up", shape, shape);
		break;
	}
	answer = asking(fabric, NULL, text, -1, now);
	ck_assert(json_is_boolean(json_object_get(answer, "ok")));
	json_decref(answer);
}

static void receive_some(void)
{
	size_t port = prng_below(&rng, n_ports);
	struct ring_record rec;

	while (ring_peek(&machines[port].rx, &rec))
		ring_pop(&machines[port].rx);
	ring_release(&machines[port].rx);
}

START_TEST(every_book_balances)
{
	nsec_t now = NSEC_PER_SEC;

	prng_init(&rng, (uint64_t)_i, "fabric-books");
	for (unsigned i = 0; i < STEPS; i++) {
		now += (nsec_t)prng_below(&rng, NSEC_PER_MSEC);
		for (uint64_t k = prng_below(&rng, 8); k > 0; k--)
			send_random(prng_below(&rng, n_ports), now);
		if (prng_below(&rng, 10) == 0)
			random_request(now);
		receive_some();
		(void)fabric_step(fabric, now);
		if (prng_below(&rng, 20) == 0)
			(void)fabric_sleep(fabric);
		/* The last machine goes mad half way, in the odd rounds. */
		if (_i % 2 && i > STEPS / 2)
			((uint8_t *)machines[n_ports - 1].map)[64 + prng_below(&rng, 8192)] = (uint8_t)prng_u64(&rng);
		(void)check_books();
	}
	while (fabric_step(fabric, now) || fabric_next(fabric) != NSEC_NEVER)
		now = nsec_max(now, fabric_next(fabric) == NSEC_NEVER ? now : fabric_next(fabric));
	ck_assert_uint_eq(check_books(), 0);
	for (size_t i = 0; i + 1 < n_ports; i++)
		ck_assert(!machines[i].tx.broken && !machines[i].rx.broken);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("fabric-books");
	TCase *t = tcase_create("fabric-books");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, every_book_balances, 0, 6);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
