/* core/ring.h: the shared-memory frame ring between a machine and the fabric.
 *
 * One producer process, one consumer process, neither trusts the other: each
 * keeps its own cursor in private memory, reads the peer's once, and checks
 * what it reads (a record that is not well-formed marks the ring broken, once
 * and for all, and the reader sees it empty). Records are variable-length: an
 * 8-byte-aligned header (length, offload, time) and the frame's bytes; a frame
 * never wraps. Batching: nothing is visible before ring_publish(). Wake-up
 * suppression: the consumer that is about to sleep says so and looks again
 * (ring_sleep()); the producer kicks the eventfd only then.
 *
 * The mapping is a memfd with sealed size, made by the supervisor, one for
 * each NIC: ring_pair holds both directions and the two eventfds. */
#ifndef MUSTER_CORE_RING_H
#define MUSTER_CORE_RING_H

#include "core/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct state;
struct ring_shared; /* the mapped layout, ring.c only */

/* One end of one direction. */
struct ring {
	struct ring_shared *shared; /* mapped, borrowed from ring_pair */
	uint8_t *data;
	uint32_t size; /* bytes of data, a power of two */
	uint32_t head; /* own cursor: produced or consumed so far */
	uint32_t pending; /* producer: written, not yet published */
	uint32_t peer; /* last look at the other's cursor */
	uint32_t next; /* bytes of the record peeked at or reserved, 0: none */
	uint32_t skip; /* producer: bytes given up at the end of data before it */
	bool want_room; /* producer: a full ring asks for a kick when room comes */
	int kick_fd; /* the eventfd this end signals: data came, room came; borrowed.
		      * It waits on the other one of the pair. */
	bool broken; /* the peer wrote nonsense */
	uint64_t n_kicks; /* eventfd writes made */
};

/* What the supervisor makes and passes on: both directions of one NIC. */
struct ring_pair_fds {
	int mem_fd;
	int up_kick_fd; /* machine -> fabric: signalled by the machine */
	int down_kick_fd; /* fabric -> machine: signalled by the fabric */
};

enum ring_side { RING_MACHINE, RING_FABRIC };

struct ring_pair {
	struct ring tx, rx; /* seen from this side */
	void *map;
	size_t map_len;
};

enum { RING_DATA_SIZE = 1024 * 1024 }; /* one direction, default */

/* Makes the memory and the eventfds. @data_size: power of two, ≥ 256 KiB.
 * The caller owns the fds. Returns 0 or -errno. */
int ring_pair_create(size_t data_size, struct ring_pair_fds *ret_fds);
void ring_pair_close(struct ring_pair_fds *fds); /* each fd -1 afterwards */

/* Maps and checks the memory. The fds stay the caller's and must outlive
 * @ret_pair. Returns 0 or -errno (-EPROTO: not such a memory). */
int ring_pair_attach(const struct ring_pair_fds *fds, enum ring_side side,
		     struct ring_pair *ret_pair);
/* Unmaps the memory; the fds stay the caller's. */
void ring_pair_detach(struct ring_pair *pair);

/* Describes both directions for saved state, in the section that the caller has begun
 * (core/state.h): the records that wait, with their times relative to now, and where in the
 * ring they lie, which decides when it is full. @tx_now, @rx_now: by the clock of who writes the
 * records of that direction, as this side sees it; a time further from it than STATE_TIME_MAX
 * becomes INT64_MIN.
 * Saving: both sides have stopped, and have published and released all that they took in or off.
 * Loading: into a pair whose other side attaches afterwards. That side is kicked when records
 * wait for it; this side looks for itself (ring_sleep() says whether any wait). */
void ring_pair_state(struct ring_pair *pair, struct state *s, nsec_t tx_now, nsec_t rx_now);

/* Room for a record of @len bytes: where to write them, or NULL when the ring
 * is full. Nothing is taken before ring_commit(). */
uint8_t *ring_reserve(struct ring *r, uint32_t len);
/* Takes the reserved record in; @len: at most what was reserved. */
void ring_commit(struct ring *r, uint32_t len, const struct frame_offload *offload,
		 nsec_t time_ns);
/* Makes all committed records visible; kicks when the consumer sleeps.
 * Returns true when it kicked. */
bool ring_publish(struct ring *r);

/* A look at the oldest record, without taking it. Data points into the shared
 * memory: copy before believing. Returns false when there is none. */
struct ring_record {
	const uint8_t *data;
	uint32_t len;
	struct frame_offload offload;
	nsec_t time_ns;
};
bool ring_peek(struct ring *r, struct ring_record *ret_rec);
/* Takes the oldest record off; its bytes are no longer valid after the next
 * ring_release(). */
void ring_pop(struct ring *r);
/* Gives the popped room back to the producer (batched); kicks a producer that
 * waits for room. */
void ring_release(struct ring *r);

/* Consumer: says it will sleep on kick_fd. Returns false when there is data
 * after all (and takes it back): do not sleep. ring_wake() takes it back. */
bool ring_sleep(struct ring *r);
void ring_wake(struct ring *r);

#endif
