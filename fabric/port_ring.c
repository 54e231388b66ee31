/* fabric/port_ring.c: a port whose other side is a pair of rings in shared memory.
 *
 * The other side is a machine's process. It writes a frame once, kicks an eventfd when the port sleeps, and may
 * have been taken over: core/ring judges what it writes, and a ring with nonsense in it is dead.
 *
 * Used by: fabric/port.c.   Depends on: core/ring.h. */
#include "fabric/port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_ring(struct fabric_port *p)
{
	struct ring_pair *rings = calloc(1, sizeof *rings);
	int r = rings ? ring_pair_attach(p->plan->rings, RING_FABRIC, rings) : -ENOMEM;

	if (r < 0) {
		free(rings);
		return r;
	}
	p->own = rings;
	return 0;
}

static void close_ring(struct fabric_port *p)
{
	if (!p->own)
		return;
	ring_pair_detach(p->own);
	free(p->own);
	p->own = NULL;
}

static unsigned drain(struct fabric_port *p, unsigned max, nsec_t now)
{
	struct ring_pair *rings = p->own;
	struct ring_record rec;
	unsigned n = 0;

	for (; n < max && ring_peek(&rings->rx, &rec); n++) {
		fabric_port_enter(p, &rec, now);
		ring_pop(&rings->rx);
	}
	if (n)
		ring_release(&rings->rx);
	return n;
}

static enum loss_reason put(struct fabric_port *p, struct frame *f, nsec_t now)
{
	struct ring_pair *rings = p->own;
	uint8_t *room = ring_reserve(&rings->tx, f->len);

	if (room) {
		memcpy(room, f->data, f->len);
		ring_commit(&rings->tx, f->len, &f->offload, now);
	}
	frame_free(f);
	return room ? NOT_LOST : LOSS_RING_FULL;
}

static void publish(struct fabric_port *p)
{
	struct ring_pair *rings = p->own;

	(void)ring_publish(&rings->tx);
}

static bool sleep_ring(struct fabric_port *p)
{
	struct ring_pair *rings = p->own;

	return ring_sleep(&rings->rx);
}

static void wake(struct fabric_port *p)
{
	struct ring_pair *rings = p->own;

	ring_wake(&rings->rx);
}

static int wait_fd(const struct fabric_port *p)
{
	return p->plan->rings->up_kick_fd;
}

static void kicked(struct fabric_port *p)
{
	uint64_t n;

	/* SYSCALLS(fabric): read */
	(void)!read(p->plan->rings->up_kick_fd, &n, sizeof n);
}

static bool is_broken(const struct fabric_port *p)
{
	const struct ring_pair *rings = p->own;

	return rings->rx.broken || rings->tx.broken;
}

static void state(struct fabric_port *p, struct state *s, nsec_t now, nsec_t real)
{
	ring_pair_state(p->own, s, now, real);
}

const struct port_ops port_ring_ops = {
	.kind = "ring",
	.open = open_ring,
	.drain = drain,
	.put = put,
	.publish = publish,
	.sleep = sleep_ring,
	.wake = wake,
	.wait_fd = wait_fd,
	.kicked = kicked,
	.is_broken = is_broken,
	.state = state,
	.close = close_ring,
};
