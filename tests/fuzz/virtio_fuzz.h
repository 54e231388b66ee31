/* tests/fuzz/virtio_fuzz.h: a hostile guest driver, steered by bytes.
 *
 * An input is a list of steps: mostly what a right driver does (negotiate, set
 * queues up, chain buffers, ring), in any order and with any numbers, mixed
 * with bytes written over rings, registers and configuration space. After
 * each input the canary behind the guest's RAM must stand, and the device must
 * work for a right driver after a reset. */
#ifndef MUSTER_TESTS_FUZZ_VIRTIO_FUZZ_H
#define MUSTER_TESTS_FUZZ_VIRTIO_FUZZ_H

#include "core/wire.h"
#include "tests/vmm/vguest.h"

enum { FUZZ_RAM = 1 << 20, FUZZ_QUEUE_MAX = 8 };

struct virtio_fuzz {
	struct vguest g;
	struct vguest_queue queue[FUZZ_QUEUE_MAX];
	unsigned malice; /* how often the driver lies: 0 never, of 64 */
	uint64_t msix_bar; /* where it was at the start */
	/* What happens on the host's side of the device; may be NULL. */
	void (*host)(void *ctx, struct wire_reader *in);
	void *ctx;
};

/* Totals over all inputs, which show that the code behind the parser is reached. */
struct virtio_fuzz_totals {
	uint64_t inputs, breaks, interrupts, used;
};
extern struct virtio_fuzz_totals virtio_fuzz_totals;

/* The guest's RAM, with a canary behind it; kept over inputs. */
struct virtio_fuzz *virtio_fuzz_begin(void);
/* Does what the input says to the device @p. */
void virtio_fuzz_run(struct virtio_fuzz *f, struct virtio_pci *p, const uint8_t *data, size_t len);
/* Brings the device up as a right driver does: reset, all its features but
 * those in @without, the queues 0 to n_queues-1. Aborts when it refuses. */
void virtio_fuzz_recover(struct virtio_fuzz *f, uint64_t without, unsigned n_queues);
/* Aborts when the canary is gone; counts. */
void virtio_fuzz_end(struct virtio_fuzz *f);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
