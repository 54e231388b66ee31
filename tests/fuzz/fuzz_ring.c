/* tests/fuzz/fuzz_ring.c: a machine that writes what it likes into the memory
 * it shares with the fabric. Input: steps of 4 bytes: what, a value, where (16
 * bits). The fabric's end must stay within the memory, end every look, and
 * once broken stay broken and silent. */
#include "core/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_LEN = 4, LOOKS_MAX = 100000 };

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

/* Takes all there is, reading every byte. */
static void drain(struct ring *r)
{
	static volatile uint8_t sink;
	bool was_broken = r->broken;
	struct ring_record rec;
	unsigned n = 0;

	while (ring_peek(r, &rec)) {
		if (was_broken || rec.len > FRAME_LEN_MAX || rec.data < r->data ||
		    rec.data + rec.len > r->data + r->size || ++n > LOOKS_MAX)
			fail("a record that cannot be");
		for (uint32_t i = 0; i < rec.len; i++)
			sink = rec.data[i];
		ring_pop(r);
	}
	ring_release(r);
	(void)sink;
}

static void send_one(struct ring *r, uint32_t len)
{
	static const struct frame_offload none;
	uint8_t *p = ring_reserve(r, len);

	if (!p)
		return;
	if (p < r->data || p + len > r->data + r->size)
		fail("room outside the ring");
	memset(p, 0x5a, len);
	ring_commit(r, len, &none, 0);
	(void)ring_publish(r);
}

static void step(struct ring_pair *machine, struct ring_pair *fabric, const uint8_t *s)
{
	uint32_t where = (uint32_t)s[2] | (uint32_t)s[3] << 8;
	uint8_t *memory = machine->map;

	switch (s[0] % 8) {
	case 0: memory[16 + where % 240] = s[1]; break; /* the cursors of both ways */
	case 1: memory[4096 + where] = s[1]; break; /* the first 64 KiB of the way up */
	case 2: memset(memory + 4096 + (where & ~7u), s[1], 8); break;
	case 3: *(uint32_t *)(void *)(memory + 64) = where & ~7u; break; /* produced */
	case 4: send_one(&machine->tx, where % 2000); break;
	case 5: send_one(&fabric->tx, where); break;
	case 6:
		if (ring_sleep(&fabric->rx))
			ring_wake(&fabric->rx);
		break;
	default: drain(&fabric->rx); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct ring_pair_fds fds = { .mem_fd = -1 };
	struct ring_pair machine, fabric;

	if (fds.mem_fd < 0 && ring_pair_create(256 * 1024, &fds) < 0)
		return 0;
	if (ring_pair_attach(&fds, RING_MACHINE, &machine) < 0 ||
	    ring_pair_attach(&fds, RING_FABRIC, &fabric) < 0)
		fail("a fresh ring cannot be attached");
	for (size_t i = 0; i + STEP_LEN <= len; i += STEP_LEN)
		step(&machine, &fabric, data + i);
	drain(&fabric.rx);
	/* The next input meets a fresh ring: cursors, and all that changes reach. */
	memset((uint8_t *)machine.map + 64, 0, 4096 + 65536 + 8);
	ring_pair_detach(&machine);
	ring_pair_detach(&fabric);
	return 0;
}
