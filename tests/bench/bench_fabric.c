/* tests/bench/bench_fabric.c: frames a second through the fabric on one core.
 *
 * Two NICs on one switch, 64-byte frames from one to the other: ring, access
 * link, switch, network link, access link, ring. "fabric" counts the
 * processor time of the fabric's steps alone, as where its machines have
 * other cores; "ends too" adds the producer and the consumer on the same core.
 * Shaped: the network link has a rate that is never reached and a delay.
 *
 * Processor time, so that neighbours of the host do not count; medians of 5.
 * Prints rows "name ours peer ratio must stretch verdict", in million frames a
 * second; with --rows "name|ours|must|stretch", for run-bench. Exits 0 when
 * every must is met. */
#include "core/clock.h"
#include "fabric/fabric.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 2000, BURST = 1024, RUNS = 5, FRAME_LEN = 64, SHARE = 64 << 20 /* bytes of memory of a link */ };

struct bench {
	struct fabric_plan_network network;
	struct fabric_plan_port ports[2];
	struct fabric_plan plan;
	struct ring_pair_fds fds[2];
	struct ring_pair machines[2];
	struct fabric *fabric;
};

static void die(const char *what, int r)
{
	fprintf(stderr, "bench_fabric: %s: %s\n", what, strerror(-r));
	exit(EXIT_FAILURE);
}

static void set_up(struct bench *b, const struct shape_dir *dir)
{
	struct fabric_plan_link link = { .shape = *dir, .share_bytes = SHARE };
	int r = 0;

	*b = (struct bench){ .network = { .name = "lan", .mtu = 1500, .up = link, .down = link } };
	for (size_t i = 0; i < 2 && r == 0; i++) {
		b->ports[i] = (struct fabric_plan_port){ .name = i ? "b" : "a", .stream = i ? "b.0" : "a.0", .mtu = 1500,
							 .kind = FABRIC_PORT_RING, .rings = &b->fds[i] };
		r = ring_pair_create(RING_DATA_SIZE, &b->fds[i]);
		if (r == 0)
			r = ring_pair_attach(&b->fds[i], RING_MACHINE, &b->machines[i]);
	}
	if (r < 0)
		die("rings", r);
	b->plan = (struct fabric_plan){ .name = "bench", .seed = 1, .networks = &b->network, .n_networks = 1,
					.ports = b->ports, .n_ports = 2, .spare_bytes = SHARE };
	r = fabric_new(&b->plan, &b->fabric);
	if (r < 0)
		die("fabric", r);
}

static void tear_down(struct bench *b)
{
	b->fabric = fabric_free(b->fabric);
	for (size_t i = 0; i < 2; i++) {
		ring_pair_detach(&b->machines[i]);
		ring_pair_close(&b->fds[i]);
	}
}

static void produce(struct bench *b, size_t from, unsigned n)
{
	static const struct frame_offload none;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *p = ring_reserve(&b->machines[from].tx, FRAME_LEN);

		if (!p)
			break;
		memset(p, 0, FRAME_LEN);
		p[0] = p[6] = 2;
		p[5] = (uint8_t)(1 - from);
		p[11] = (uint8_t)from;
		ring_commit(&b->machines[from].tx, FRAME_LEN, &none, 0);
	}
	(void)ring_publish(&b->machines[from].tx);
}

static uint64_t consume(struct bench *b, size_t at)
{
	struct ring_record rec;
	uint8_t copy[FRAME_LEN];
	uint64_t n = 0;

	for (; ring_peek(&b->machines[at].rx, &rec); n++) {
		memcpy(copy, rec.data, rec.len < FRAME_LEN ? rec.len : FRAME_LEN);
		ring_pop(&b->machines[at].rx);
	}
	ring_release(&b->machines[at].rx);
	return n;
}

/* One run; frames a second of processor time. */
static double run(const struct shape_dir *dir, bool ends_too)
{
	struct bench b;
	nsec_t now = 0, used = 0, began = clock_cpu();
	uint64_t n = 0;

	set_up(&b, dir);
	produce(&b, 1, 1); /* learned */
	for (unsigned i = 0; i < ROUNDS; i++) {
		nsec_t t;

		produce(&b, 0, BURST);
		t = clock_cpu();
		while (fabric_step(b.fabric, now) || fabric_next(b.fabric) <= now)
			now += 100;
		now += NSEC_PER_MSEC;
		(void)fabric_step(b.fabric, now);
		used += clock_cpu() - t;
		n += consume(&b, 1);
		(void)consume(&b, 0);
	}
	if (ends_too)
		used = clock_cpu() - began;
	tear_down(&b);
	if (n < (uint64_t)ROUNDS * BURST)
		fprintf(stderr, "bench_fabric: %llu of %d frames came\n", (unsigned long long)n, ROUNDS * BURST);
	return (double)n * 1e9 / (double)used;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct figure {
	const char *name;
	struct shape_dir dir;
	bool ends_too;
};

/* Million frames a second. */
static void row(const struct figure *f)
{
	double v[RUNS];

	for (unsigned i = 0; i < RUNS; i++)
		v[i] = run(&f->dir, f->ends_too) / 1e6;
	qsort(v, RUNS, sizeof v[0], by_value);
	printf("%s|%.2f\n", f->name, v[RUNS / 2]);
}

int main(void)
{
	static const struct figure figures[] = {
		{ "fabric, 64 B port to port, M frames/s", { 0 }, false },
		{ "fabric, 64 B, both ends on the same core, M frames/s", { 0 }, true },
		{ "fabric, 64 B, shaped, M frames/s",
		  { .rate_bps = 10000000000, .delay_ns = 20000, .queue_in_packets = true, .queue = 100000,
		    .loss = 1e-9 },
		  false },
	};

	for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
		row(&figures[i]);
	return EXIT_SUCCESS;
}
