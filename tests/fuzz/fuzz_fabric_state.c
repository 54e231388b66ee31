/* tests/fuzz/fuzz_fabric_state.c: saved fabrics as a forger would write them: right checksums, wrong contents.
 *
 * Input: a byte that chooses a fabric, a byte that says how many changes there are, and steps of 6: which
 * section (16 bits), where in it (16 bits), how, a value. The fabrics are random ones with frames in all their
 * parts, as those of the property test (tests/fabric/check_fabric_save.c). The file is refused with the section
 * named, or makes a fabric that can be saved and loaded again, runs on to the last of its frames, and whose books
 * balance. */
#include "core/bytes.h"
#include "core/element_state.h"
#include "core/state.h"
#include "fabric/fabric.h"
#include "tests/fabric/shares.h"
#include "tests/forge.h"
#include "tests/traffic.h"

#include <stdio.h>

enum {
	STEP_LEN = 6,
	STEPS_MAX = 6,
	BASES = 16,
	NETWORKS = 2,
	PORTS = 6,
	SECTIONS_MAX = 64,
	FRAMES = 150,
	FIELDS_LEN = 256,
	RUNS_MAX = 5000,
	RING_SIZE = 256 * 1024
};
static const nsec_t start = 20 * NSEC_PER_SEC;

/* A fabric's plan and its saved state. */
struct base {
	struct fabric_plan_network networks[NETWORKS];
	struct fabric_plan_port ports[PORTS];
	struct fabric_plan plan;
	struct bytes file;
	struct forge_section section[SECTIONS_MAX];
	size_t n_sections;
};

static struct base bases[BASES];
static struct ring_pair_fds fds[PORTS]; /* of whatever fabric there is */

#define MUST(what) ((what) ? (void)0 : die(#what))
static _Noreturn void die(const char *what)
{
	(void)fprintf(stderr, "not so: %s\n", what);
	abort();
}

static void make_plan(struct base *b, struct prng *p)
{
	static const char *const names[NETWORKS] = { "lan", "wan" };
	static const char *const streams[PORTS] = { "0", "1", "2", "3", "4", "5" };

	b->plan = (struct fabric_plan){ .name = "t",
					.seed = prng_u64(p),
					.networks = b->networks,
					.n_networks = NETWORKS,
					.ports = b->ports,
					.n_ports = PORTS };
	for (size_t i = 0; i < NETWORKS; i++)
		b->networks[i] =
			(struct fabric_plan_network){ .name = names[i],
						      .mtu = 1500,
						      .type = traffic_coin(p, 4) ? VSWITCH_HUB : VSWITCH_SWITCH,
						      .up.shape = traffic_random_shape(p),
						      .down.shape = traffic_random_shape(p) };
	for (size_t i = 0; i < PORTS; i++)
		b->ports[i] = (struct fabric_plan_port){ .name = "port",
							 .stream = streams[i],
							 .network = i % NETWORKS,
							 .kind = FABRIC_PORT_RING,
							 .rings = &fds[i],
							 .mtu = 1500,
							 .up.shape = traffic_random_shape(p),
							 .down.shape = traffic_random_shape(p),
							 .begins_down = traffic_coin(p, 10) };
	plan_shares(&b->plan);
}

static struct fabric *begin(const struct base *b)
{
	struct fabric *f = NULL;

	for (size_t i = 0; i < PORTS; i++)
		MUST(ring_pair_create(RING_SIZE, &fds[i]) == 0);
	MUST(fabric_new(&b->plan, &f) == 0);
	return f;
}

static void end(struct fabric *f)
{
	(void)fabric_free(f); /* asserts that every frame came back */
	for (size_t i = 0; i < PORTS; i++)
		ring_pair_close(&fds[i]);
}

static void save(struct fabric *f, nsec_t now, struct bytes *ret)
{
	struct state *s = NULL;
	const uint8_t *data;
	size_t len;

	MUST(state_save_new(-1, &s) == 0);
	fabric_state(f, s, now);
	MUST(state_finish(s) == 0);
	data = state_data(s, &len);
	bytes_append(ret, data, len);
	(void)state_free(s);
}

/* Returns whether it was believed. */
static bool load(struct fabric *f, nsec_t now, const struct bytes *file)
{
	struct state *s = NULL;
	char *why = NULL;
	bool is_believed;

	MUST(state_load_new(file->data, file->len, &s, &why) == 0);
	fabric_state(f, s, now);
	is_believed = state_finish(s) == 0;
	MUST(is_believed || strstr(state_why(s), "section "));
	(void)state_free(s);
	return is_believed;
}

static void send(struct fabric *f, struct prng *p, struct ring_pair *machine, size_t port, nsec_t now)
{
	struct frame *frame = traffic_random_frame(p, NULL, 6, now);
	uint8_t *room = ring_reserve(&machine->tx, frame->len);

	if (room) {
		memcpy(room, frame->data, frame->len);
		ring_commit(&machine->tx, frame->len, &frame->offload, now);
		(void)ring_publish(&machine->tx);
		fabric_wake_port(f, port);
	}
	(void)frame_free(frame);
}

static void make_base(struct base *b, uint64_t seed)
{
	struct ring_pair machines[PORTS];
	nsec_t now = start;
	struct fabric *f;
	struct prng p;
	size_t at = STATE_HEADER_LEN;

	prng_init(&p, seed, "fuzz-fabric-state");
	make_plan(b, &p);
	f = begin(b);
	for (size_t i = 0; i < PORTS; i++)
		MUST(ring_pair_attach(&fds[i], RING_MACHINE, &machines[i]) == 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		size_t port = prng_below(&p, PORTS);

		now += (nsec_t)prng_below(&p, 200000);
		send(f, &p, &machines[port], port, now);
		if (i + 5 < FRAMES) /* the last ones wait in the rings */
			(void)fabric_step(f, now);
	}
	save(f, now, &b->file);
	for (size_t i = 0; i < PORTS; i++)
		ring_pair_detach(&machines[i]);
	end(f);
	while (b->n_sections < SECTIONS_MAX && forge_next(b->file.data, &at, &b->section[b->n_sections]))
		b->n_sections++;
}

static void change(const struct base *b, uint8_t *file, const uint8_t *step)
{
	const struct forge_section *sec = &b->section[load_le16(step) % b->n_sections];
	bool is_field = step[4] & 4; /* frames fill most of a section */

	forge_change(file, sec, is_field ? FIELDS_LEN : sec->len, step + 2);
}

static void check_books(struct fabric *f)
{
	for (size_t i = 0; i < f->n_elements; i++)
		MUST(element_counters_balance(element_counters(f->elements[i])));
	for (size_t i = 0; i < f->n_ports; i++)
		MUST(element_counters_balance(&f->ports[i].in) && element_counters_balance(&f->ports[i].out));
}

/* Runs what is due, a bounded number of times; a forged bottleneck may be busy for years. */
static void run(struct fabric *f, nsec_t now)
{
	for (unsigned i = 0; i < RUNS_MAX && fabric_next(f) != NSEC_NEVER; i++) {
		now = nsec_max(now, fabric_next(f));
		(void)fabric_step(f, now);
	}
	(void)fabric_step(f, now);
	check_books(f);
}

static void try_file(const struct base *b, const struct bytes *file)
{
	struct bytes again = { 0 };
	struct fabric *f = begin(b);

	if (load(f, start, file)) {
		check_books(f);
		save(f, start, &again);
		run(f, start);
		end(f);
		f = begin(b);
		MUST(load(f, start, &again)); /* what was believed once is believed again */
	}
	end(f);
	bytes_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes file = { 0 };
	struct base *b;

	if (len < 2)
		return 0;
	b = &bases[data[0] % BASES];
	if (!b->file.len)
		make_base(b, 1 + data[0] % BASES);
	bytes_append(&file, b->file.data, b->file.len);
	for (size_t i = 0, at = 2; at + STEP_LEN <= len && i < data[1] % STEPS_MAX; i++, at += STEP_LEN)
		change(b, file.data, data + at);
	forge_reseal(file.data, file.len);
	try_file(b, &file);
	bytes_done(&file);
	return 0;
}
