/* tests/fuzz/fuzz_virtio_balloon.c: a hostile driver against the balloon. */
#include "tests/fuzz/virtio_fuzz.h"

#include "vmm/dev/virtio_balloon.h"

#include <stdio.h>
#include <stdlib.h>

static void host(void *ctx, struct wire_reader *in)
{
	struct virtio_balloon *b = ctx;
	uint8_t v = wire_get_u8(in);

	if (v & 1)
		virtio_balloon_ask_stats(b);
	else
		virtio_balloon_set_target(b, (uint64_t)v << 12);
}

static void state(void *ctx, struct state *s)
{
	virtio_balloon_state(ctx, s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct virtio_fuzz *f = virtio_fuzz_begin();
	struct vguest_buf buf = { FUZZ_RAM / 2, 8192, true };
	struct virtio_balloon *b;
	uint32_t id, got = 0;
	uint64_t before;

	if (virtio_balloon_new(&f->g.mem, &b) < 0)
		abort();
	f->host = host;
	f->state = state;
	f->ctx = b;
	virtio_fuzz_run(f, &b->pci, data, len);
	virtio_fuzz_totals.used += b->inflated_bytes + b->reported_bytes;
	virtio_fuzz_recover(f, 0, VIRTIO_BALLOON_QUEUE_COUNT);
	before = b->reported_bytes;
	vguest_add(&f->g, &f->queue[4], &buf, 1);
	vguest_kick(&f->g, &f->queue[4]);
	if (!vguest_used(&f->g, &f->queue[4], &id, &got) || b->reported_bytes != before + 8192) {
		(void)fprintf(stderr, "the device does not work after a reset\n");
		abort();
	}
	virtio_fuzz_end(f);
	b = virtio_balloon_free(b);
	return 0;
}
