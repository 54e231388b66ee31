/* tests/teams/check_fabric_books.c: a whole fabric under random traffic, random
 * changes and a machine that writes nonsense: every book balances after every
 * step, what one element gives is what the next one got, and at the end
 * nothing is left over. */
#include "core/prng.h"
#include "teams/fabric_core.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

enum { N_VMS = 4, N_NICS = 3, N_NETWORKS = 3, N_PORTS = 10, STEPS = 4000 };

static struct team_network networks[N_NETWORKS];
static struct team_nic nics[N_VMS][N_NICS];
static struct team_vm vms[N_VMS];
static struct team team;
static struct ring_pair_fds fds[N_PORTS];
static struct ring_pair machines[N_PORTS];
static size_t n_ports;
static struct fabric *fabric;
static struct prng rng;

/* A switch and a hub that all VMs sit on, and a wire between the first two. */
static void setup(void)
{
	static const char *const names[N_NETWORKS] = { "lan", "hub", "wire" };
	static const char *const vm_names[N_VMS] = { "a", "b", "c", "d" };

	for (size_t i = 0; i < N_NETWORKS; i++)
		networks[i] = (struct team_network){ .name = names[i], .mtu = 1500, .type = (enum network_type)i };
	n_ports = 0;
	for (size_t v = 0; v < N_VMS; v++) {
		vms[v] = (struct team_vm){ .name = vm_names[v], .nics = nics[v], .n_nics = v < 2 ? 3 : 2 };
		for (size_t i = 0; i < vms[v].n_nics; i++) {
			nics[v][i] = (struct team_nic){ .name = i == 0 ? "eth0" : i == 1 ? "eth1" : "eth2",
							.mtu = 1500, .network = i };
			ck_assert_int_eq(ring_pair_create(RING_DATA_SIZE, &fds[n_ports]), 0);
			ck_assert_int_eq(ring_pair_attach(&fds[n_ports], RING_MACHINE, &machines[n_ports]), 0);
			n_ports++;
		}
	}
	ck_assert_uint_eq(n_ports, N_PORTS);
	team = (struct team){ .name = "t", .seed = 1, .networks = networks, .n_networks = N_NETWORKS,
			      .vms = vms, .n_vms = N_VMS };
	ck_assert_int_eq(fabric_new(&team, fds, n_ports, &fabric), 0);
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

	for (size_t i = 0; i < n_ports; i++) {
		const struct fabric_port *p = &fabric->ports[i];
		const struct element_counters *up = link_counters(p->links[FABRIC_ACCESS_UP].link);
		const struct element_counters *net = link_counters(p->links[FABRIC_NETWORK].link);
		const struct element_counters *down = link_counters(p->links[FABRIC_ACCESS_DOWN].link);

		held += balance(&p->in) + balance(up) + balance(net) + balance(down) + balance(&p->out);
		ck_assert_uint_eq(p->in.delivered_frames, up->entered_frames);
		ck_assert_uint_eq(net->delivered_frames, down->entered_frames);
		ck_assert_uint_eq(down->delivered_frames, p->out.entered_frames);
		into[p->network] += up->delivered_frames;
		out_of[p->network] += net->entered_frames;
	}
	for (size_t i = 0; i < N_NETWORKS; i++) {
		const struct element_counters *sw = vswitch_counters(fabric->networks[i].sw);

		held += balance(sw);
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
		p[5] = (uint8_t)prng_below(&rng, N_VMS);
		p[6] = 2;
		p[11] = (uint8_t)fabric->ports[port].vm;
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
	static const char *const sets[] = { "rate=10Mbit", "rate=unlimited", "delay=5ms", "delay=0ms",
					    "jitter=2ms", "loss=10%", "loss=0%", "queue=5packets", "queue=20KB",
					    "duplicate=5%", "reorder=10%", "corrupt=5%", "preset=adsl",
					    "preset=unlimited", "rate=nonsense" };
	char text[200], target[60];
	json_t *msg, *answer;
	bool quit = false;

	if (prng_below(&rng, 2))
		(void)snprintf(target, sizeof target, "\"network\":%u", (unsigned)prng_below(&rng, N_NETWORKS + 1));
	else
		(void)snprintf(target, sizeof target, "\"vm\":%u,\"nic\":%u", (unsigned)prng_below(&rng, N_VMS),
			       (unsigned)prng_below(&rng, N_NICS));
	switch (prng_below(&rng, 6)) {
	case 0: (void)snprintf(text, sizeof text, "{\"do\":\"link-reset\",%s}", target); break;
	case 1:
		(void)snprintf(text, sizeof text, "{\"do\":\"link-state\",%s,\"up\":%s}", target,
			       prng_below(&rng, 4) ? "true" : "false");
		break;
	case 2: (void)snprintf(text, sizeof text, "{\"do\":\"counters\"}"); break;
	default:
		(void)snprintf(text, sizeof text, "{\"do\":\"link-set\",%s,\"dir\":\"%s\",\"set\":[\"%s\"]}", target,
			       prng_below(&rng, 2) ? "both" : "up", sets[prng_below(&rng, sizeof sets / sizeof sets[0])]);
		break;
	}
	msg = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(msg);
	answer = fabric_request(fabric, msg, now, &quit);
	ck_assert(json_is_boolean(json_object_get(answer, "ok")));
	json_decref(answer);
	json_decref(msg);
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
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, every_book_balances, 0, 6);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
