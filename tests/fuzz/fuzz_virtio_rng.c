/* tests/fuzz/fuzz_virtio_rng.c: a hostile driver against the entropy device. */
#include "tests/fuzz/virtio_fuzz.h"

#include "vmm/dev/virtio_rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	memset(buf, 0x5A, len);
}

static void state(void *ctx, struct state *s)
{
	virtio_rng_state(ctx, s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct virtio_fuzz *f = virtio_fuzz_begin();
	struct virtio_rng_config cfg = { .mem = &f->g.mem, .fill = fill };
	struct vguest_buf buf = { FUZZ_RAM / 2, 16, true };
	struct virtio_rng *rng;
	uint32_t id, got = 0;

	if (virtio_rng_new(&cfg, &rng) < 0)
		abort();
	f->state = state;
	f->ctx = rng;
	virtio_fuzz_run(f, &rng->pci, data, len);
	virtio_fuzz_totals.used += rng->n_bytes;
	virtio_fuzz_recover(f, 0, 1);
	vguest_add(&f->g, &f->queue[0], &buf, 1);
	vguest_kick(&f->g, &f->queue[0]);
	if (!vguest_used(&f->g, &f->queue[0], &id, &got) || got != 16) {
		fprintf(stderr, "the device does not work after a reset\n");
		abort();
	}
	virtio_fuzz_end(f);
	rng = virtio_rng_free(rng);
	return 0;
}
