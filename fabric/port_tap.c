/* fabric/port_tap.c: a port whose other side is the host's kernel, through a tap interface.
 *
 * The port is handed the open descriptor of an interface with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR. One read or write
 * is one frame behind a header of 10 bytes, which is virtio's and the offload header of a frame. So a GSO frame
 * passes whole and unsummed in both directions, and what the kernel gives is judged as a ring's record is.
 *
 * The kernel takes a frame or refuses it: nothing waits in the port. Carrier is shown to the kernel. When the
 * interface is deleted the port has lost its peer for good, which is told once.
 *
 * Reads that bring nothing cost a system call, so after IDLE_READS of them in turn the port is read again when its
 * descriptor has news (edge by edge).
 *
 * Used by: fabric/port.c.   Depends on: core/wire.h.
 * Sources: Linux, Documentation/networking/tuntap.rst and drivers/net/tun.c; virtio 1.2 §5.1.6. */
#include "core/wire.h"
#include "fabric/port.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEAD_LEN = sizeof(struct virtio_net_hdr), IDLE_READS = 16 };
_Static_assert(HEAD_LEN == 10, "virtio's header without num_buffers");

struct tap {
	bool is_gone; /* the interface was deleted */
	unsigned n_idle; /* reads in turn that brought nothing */
	uint8_t buf[HEAD_LEN + FRAME_LEN_MAX];
};

/* DATA_VALID says that the kernel has looked at a complete checksum: nothing to pass on. */
static void head_read(const uint8_t *h, struct frame_offload *ret)
{
	*ret = (struct frame_offload){
		.flags = h[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = h[1],
		.hdr_len = load_le16(h + 2),
		.gso_size = load_le16(h + 4),
	};
	if (!ret->flags)
		return;
	ret->csum_start = load_le16(h + 6);
	ret->csum_offset = load_le16(h + 8);
}

static void head_write(uint8_t *h, const struct frame_offload *o)
{
	h[0] = o->flags;
	h[1] = o->gso_type;
	store_le16(h + 2, o->hdr_len);
	store_le16(h + 4, o->gso_size);
	store_le16(h + 6, o->csum_start);
	store_le16(h + 8, o->csum_offset);
}

/* The kernel's answer was @error. EIO of a write: the interface is down. */
static bool is_end(int error)
{
	return error == EBADFD || error == ENODEV || error == EBADF;
}

/* Returns whether a frame came. */
static bool take_frame(struct fabric_port *p, nsec_t now)
{
	struct tap *t = p->own;
	struct ring_record rec = { .data = t->buf + HEAD_LEN, .time_ns = -1 };
	/* SYSCALLS(fabric): read */
	ssize_t n = read(p->plan->fd, t->buf, sizeof t->buf);

	if (n < HEAD_LEN) {
		t->n_idle++;
		t->is_gone |= n < 0 && is_end(errno);
		return false;
	}
	t->n_idle = 0;
	rec.len = (uint32_t)(n - HEAD_LEN);
	head_read(t->buf, &rec.offload);
	fabric_port_enter(p, &rec, now);
	return true;
}

static unsigned drain(struct fabric_port *p, unsigned max, nsec_t now)
{
	struct tap *t = p->own;
	unsigned n = 0;

	while (n < max && !t->is_gone && t->n_idle < IDLE_READS && take_frame(p, now))
		n++;
	if (t->is_gone && !p->lacks_peer)
		fabric_port_peer(p, false, "its interface was deleted", now);
	return n;
}

static enum loss_reason put(struct fabric_port *p, struct frame *f, nsec_t now)
{
	struct tap *t = p->own;
	uint8_t head[HEAD_LEN];
	struct iovec iov[] = { { head, HEAD_LEN }, { f->data, f->len } };
	ssize_t n = -1;
	int error = EBADFD;

	(void)now;
	if (!t->is_gone) {
		head_write(head, &f->offload);
		/* SYSCALLS(fabric): writev */
		n = writev(p->plan->fd, iov, 2);
		error = errno;
	}
	(void)frame_free(f);
	if (n >= 0)
		return NOT_LOST;
	if (is_end(error))
		return LOSS_NO_PORT;
	return error == EIO ? LOSS_DOWN : error == EINVAL ? LOSS_MALFORMED : LOSS_RING_FULL;
}

static bool sleep_tap(struct fabric_port *p)
{
	const struct tap *t = p->own;

	return t->is_gone || t->n_idle > 0;
}

static void wake(struct fabric_port *p)
{
	(void)p;
}

static int wait_fd(const struct fabric_port *p)
{
	return p->plan->fd;
}

static void kicked(struct fabric_port *p)
{
	struct tap *t = p->own;

	t->n_idle = 0;
}

/* A kernel without it (before 4.20) shows carrier always. */
static void carrier(struct fabric_port *p, bool is_up)
{
	const struct tap *t = p->own;
	int on = is_up;

	/* SYSCALLS(fabric): ioctl(1 == TUNSETCARRIER) */
	if (!t->is_gone)
		(void)ioctl(p->plan->fd, TUNSETCARRIER, &on);
}

static int open_tap(struct fabric_port *p)
{
	struct tap *t = calloc(1, sizeof *t);

	p->own = t;
	return t ? 0 : -ENOMEM;
}

static void close_tap(struct fabric_port *p)
{
	free(p->own);
	p->own = NULL;
}

const struct port_ops port_tap_ops = {
	.kind = "tap",
	.open = open_tap,
	.drain = drain,
	.put = put,
	.sleep = sleep_tap,
	.wake = wake,
	.wait_fd = wait_fd,
	.kicked = kicked,
	.carrier = carrier,
	.close = close_tap,
};
