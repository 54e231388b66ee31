/* tests/fuzz/virtio_fuzz.h: a hostile guest driver, steered by bytes.
 *
 * An input is a list of steps: mostly what a right driver does (negotiate, set
 * queues up, chain buffers, ring), in any order and with any numbers, mixed
 * with bytes written over rings, registers and configuration space, and with
 * the machine being paused, saved and loaded. An access outside the guest's RAM
 * ends it; after each input the device must work for a right driver after a
 * reset. */
#ifndef MUSTER_TESTS_FUZZ_VIRTIO_FUZZ_H
#define MUSTER_TESTS_FUZZ_VIRTIO_FUZZ_H

#include "core/wire.h"
#include "tests/vmm/vguest.h"

enum { FUZZ_RAM = 1 << 20, FUZZ_QUEUE_MAX = 12 };

struct virtio_fuzz {
	struct vguest g;
	struct vguest_queue queue[FUZZ_QUEUE_MAX];
	unsigned malice; /* how often the driver lies: 0 never, of 64 */
	uint64_t msix_bar; /* where it was at the start */
	/* What happens on the host's side of the device; may be NULL. */
	void (*host)(void *ctx, struct wire_reader *in);
	/* One right thing that a driver of this device does; may be NULL. */
	void (*driver)(void *ctx, struct virtio_fuzz *f, struct wire_reader *in);
	/* Saves or loads the device, and what goes before and after it: the machine
	 * is paused or goes on; @hold may be NULL. */
	void (*state)(void *ctx, struct state *s);
	void (*hold)(void *ctx, bool on);
	void *ctx;
};

/* Totals over all inputs, which show that the code behind the parser is reached. */
struct virtio_fuzz_totals {
	uint64_t inputs, breaks, interrupts, used;
};
extern struct virtio_fuzz_totals virtio_fuzz_totals;

/* The guest's RAM between two regions that nobody may touch; kept over inputs. */
struct virtio_fuzz *virtio_fuzz_begin(void);
/* Does what the input says to the device @p. */
void virtio_fuzz_run(struct virtio_fuzz *f, struct virtio_pci *p, const uint8_t *data, size_t len);
/* Makes one chain of queue @q available and rings, when the queue has room. */
void virtio_fuzz_send(struct virtio_fuzz *f, unsigned q, const struct vguest_buf *buf, unsigned n);
/* Brings the device up as a right driver does: reset, all its features but
 * those in @without, the queues 0 to n_queues-1. Aborts when it refuses. */
void virtio_fuzz_recover(struct virtio_fuzz *f, uint64_t without, unsigned n_queues);
/* Counts. */
void virtio_fuzz_end(struct virtio_fuzz *f);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
