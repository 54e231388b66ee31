/* vmm/dev/virtio_vsock_types.h: the socket device and its parts, as virtio_vsock*.c and their tests see them. */
#ifndef MUSTER_VMM_DEV_VIRTIO_VSOCK_TYPES_H
#define MUSTER_VMM_DEV_VIRTIO_VSOCK_TYPES_H

#include "vmm/dev/virtio_pci.h"

struct device_host;
struct loop;
struct loop_source;
struct state;
struct virtio_vsock;

enum {
	VIRTIO_VSOCK_RXQ = 0,
	VIRTIO_VSOCK_TXQ = 1,
	VIRTIO_VSOCK_EVENTQ = 2,
	VIRTIO_VSOCK_QUEUE_COUNT,
	VIRTIO_VSOCK_HDR_LEN = 44,
	VIRTIO_VSOCK_HOST_CID = 2,
	VIRTIO_VSOCK_CID_MIN = 3, /* §5.10.4 */
	VIRTIO_VSOCK_CONN_MAX = 256, /* at a time, both directions */
	VIRTIO_VSOCK_BUF_LEN = 64 * 1024, /* what one holds for a slow reader of the host */
	VIRTIO_VSOCK_RST_MAX = 64 /* answers to packets of no connection that wait */
};

/* Operations (§5.10.6) and flags of a shutdown (§5.10.6.5). */
enum {
	VIRTIO_VSOCK_OP_REQUEST = 1,
	VIRTIO_VSOCK_OP_RESPONSE = 2,
	VIRTIO_VSOCK_OP_RST = 3,
	VIRTIO_VSOCK_OP_SHUTDOWN = 4,
	VIRTIO_VSOCK_OP_RW = 5,
	VIRTIO_VSOCK_OP_CREDIT_UPDATE = 6,
	VIRTIO_VSOCK_OP_CREDIT_REQUEST = 7
};
enum {
	VIRTIO_VSOCK_TYPE_STREAM = 1,
	VIRTIO_VSOCK_SHUTDOWN_RECEIVE = 1,
	VIRTIO_VSOCK_SHUTDOWN_SEND = 2,
	VIRTIO_VSOCK_SHUTDOWN_BOTH = 3
};

enum vsock_state {
	VSOCK_FREE, /* no connection; no fd */
	VSOCK_DIALING, /* the guest asked, the host's end is being opened; no fd */
	VSOCK_REQUESTED, /* the host asked, the guest has not answered; fd is not read */
	VSOCK_OPEN, /* data flow both ways */
	VSOCK_CLOSING, /* over for us; the guest is to take, or to send, a RST; no fd */
	VSOCK_DRAINING, /* over for the guest; the host's end takes what is left */
	VSOCK_STATE_COUNT
};

struct vsock_conn {
	struct virtio_vsock *v; /* the owner */
	enum vsock_state state; /* virtio_vsock_conn.c's set_state() only */
	uint32_t guest_port, host_port;
	uint32_t generation; /* of this place in the table, for tokens */
	int fd; /* owned; -1: none */
	struct loop_source *source; /* fd in the loop; NULL while nothing is wanted of it */
	uint32_t events; /* what the loop waits for */
	uint64_t closed; /* CLOSING: the how manieth it was */
	/* Credit for what we send (§5.10.6.3), all modulo 2^32. */
	uint32_t peer_buf_alloc, peer_fwd_cnt, tx_cnt;
	/* Credit we give: handed on to fd, and what of it the guest was told. */
	uint32_t fwd_cnt, told_fwd_cnt;
	uint8_t *buf; /* VIRTIO_VSOCK_BUF_LEN bytes or NULL; what fd did not take yet */
	uint32_t buf_at, buf_len;
	uint8_t guest_shutdown; /* what the guest said */
	uint8_t shutdown_due, shutdown_told; /* what we say; what the guest has been told of it */
	bool readable; /* fd had bytes at the last look */
	bool host_ended; /* fd was read to its end */
	bool owes_request, owes_response, owes_credit, owes_rst; /* packets for the guest */
};

struct virtio_vsock_config {
	struct mem *mem; /* borrowed, as all here */
	struct loop *loop;
	uint64_t cid; /* VIRTIO_VSOCK_CID_MIN to 2^32 - 2 */
	/* The guest wants the host's port @port. The answer comes later, or at once,
	 * by virtio_vsock_answer() with @token. */
	void (*dial)(void *ctx, uint32_t port, uint32_t token);
	void *ctx;
};

/* Counts since the start. */
struct virtio_vsock_stats {
	uint64_t from_guest, from_host; /* connections opened */
	uint64_t refused; /* that were not */
	uint64_t evicted; /* which the guest had not let go of, for new ones */
	uint64_t tx_bytes, rx_bytes; /* from the guest, to the guest */
	uint64_t malformed; /* packets dropped */
	uint64_t resets; /* RST sent */
};

struct virtio_vsock {
	struct virtio_dev dev;
	struct virtio_pci pci;
	struct virtio_vsock_config cfg;
	const struct device_host *host; /* borrowed; NULL: it is in no machine */
	struct virtio_vsock_stats stats;
	uint64_t key[VIRTIO_VSOCK_CONN_MAX]; /* guest port << 32 | host port; 0: nobody's */
	struct vsock_conn conn[VIRTIO_VSOCK_CONN_MAX];
	uint64_t due[VIRTIO_VSOCK_CONN_MAX / 64]; /* a bit a connection with something for the guest */
	unsigned turn; /* the connection that is looked at first */
	uint32_t next_port; /* the host's ports, as they are given */
	uint64_t n_closed; /* connections that came to CLOSING, which orders them */
	struct vsock_rst {
		uint32_t guest_port, host_port;
	} rst[VIRTIO_VSOCK_RST_MAX];
	unsigned rst_at, n_rst; /* a circle */
	bool tx_waits; /* packets stay in the queue until RSTs are taken */
	bool busy; /* a packet of the guest is in @chain */
	bool held; /* the machine is paused: guest memory is let alone */
	bool reset_due; /* the guest is to be told that its connections are gone */
	struct vq_chain chain; /* scratch */
	uint8_t scratch[VIRTIO_VSOCK_BUF_LEN];
};

#endif
