/* vmm/dev/virtio_console.h: a virtio console with named ports, each a byte
 * stream to a file descriptor of the host.   Source: virtio 1.2 §5.3. */
#ifndef MUSTER_VMM_DEV_VIRTIO_CONSOLE_H
#define MUSTER_VMM_DEV_VIRTIO_CONSOLE_H

#include "vmm/dev/virtio_pci.h"

struct loop;
struct loop_source;
struct state;

#define VIRTIO_CONSOLE_F_MULTIPORT (UINT64_C(1) << 1)

/* Ports have the numbers 1 to VIRTIO_CONSOLE_PORT_MAX; number 0, which a guest
 * would take for its console, is never there. */
enum { VIRTIO_CONSOLE_PORT_MAX = 4, VIRTIO_CONSOLE_NAME_SIZE = 64,
       VIRTIO_CONSOLE_CTRL_RXQ = 2, VIRTIO_CONSOLE_CTRL_TXQ = 3 };

/* Control events (§5.3.6.2). */
enum { VIRTIO_CONSOLE_DEVICE_READY = 0, VIRTIO_CONSOLE_DEVICE_ADD = 1,
       VIRTIO_CONSOLE_PORT_READY = 3, VIRTIO_CONSOLE_PORT_OPEN = 6,
       VIRTIO_CONSOLE_PORT_NAME = 7 };

/* The queues of port @id (§5.3.2). */
static inline unsigned virtio_console_rxq(unsigned id)
{
	return id == 0 ? 0 : 2 + 2 * id;
}

static inline unsigned virtio_console_txq(unsigned id)
{
	return virtio_console_rxq(id) + 1;
}

struct virtio_console_port {
	struct virtio_console *console;
	char name[VIRTIO_CONSOLE_NAME_SIZE];
	unsigned id;
	int fd; /* stream, nonblocking; borrowed; -1: no host side */
	struct loop_source *source; /* fd in the loop; NULL while nothing is wanted of it */
	uint32_t wanted; /* EPOLLIN, EPOLLOUT: what the loop waits for */
	bool guest_ready; /* the driver knows the port */
	bool guest_open; /* a guest process has it open */
	/* Control messages due to the driver: at most one of each is ever owed. */
	bool owes_add, owes_name, owes_open;
	/* Bytes of the first chain of the transmit queue that the fd has taken;
	 * the chain itself stays in the queue. */
	uint32_t sent;
	bool connected_held; /* the host side came or went while the device was held */
	uint64_t bytes_in, bytes_out; /* to the guest, from the guest */
	uint64_t bytes_dropped; /* from the guest, with nobody on the host side */
};

struct virtio_console_port_config {
	const char *name; /* "org.qemu.guest_agent.0"; cut at 63 bytes */
	int fd; /* a stream; made nonblocking; -1: connected later */
};

struct virtio_console_config {
	struct mem *mem; /* borrowed */
	struct loop *loop; /* NULL: the caller calls virtio_console_ready() */
	const struct virtio_console_port_config *ports;
	size_t n_ports; /* 1 to VIRTIO_CONSOLE_PORT_MAX */
};

struct virtio_console {
	struct virtio_dev dev;
	struct virtio_pci pci;
	struct loop *loop;
	size_t n_ports;
	struct virtio_console_port port[VIRTIO_CONSOLE_PORT_MAX];
	bool held; /* the machine is paused: guest memory is let alone */
	struct vq_chain chain; /* scratch */
};

/* Makes the device; it stays where it is until virtio_console_free().
 * Returns 0 or -errno. */
int virtio_console_new(const struct virtio_console_config *cfg, struct virtio_console **ret);
struct virtio_console *virtio_console_free(struct virtio_console *c); /* NULL too; returns NULL */

/* Connects the host side of port @index (0 is the first) to @fd, or, with -1,
 * takes it away; the guest is told. The old fd is the caller's to close. */
void virtio_console_connect(struct virtio_console *c, size_t index, int fd);
/* The port's fd may be read or written: for callers without a loop. */
void virtio_console_ready(struct virtio_console *c, size_t index);
/* While held, no fd is looked at and nothing of the guest's is touched; letting
 * go goes on with both. */
void virtio_console_hold(struct virtio_console *c, bool on);
/* Saves or loads the device. Nothing is buffered in it; how far a chain was sent
 * is. Loading, it is held, and when let go tells the guest of host sides that
 * came or went since. */
void virtio_console_state(struct virtio_console *c, struct state *s);

#endif
