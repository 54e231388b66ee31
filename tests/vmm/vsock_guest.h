/* tests/vmm/vsock_guest.h: a small guest driver of the socket device, and the host's
 * ends of its streams. */
#ifndef MUSTER_TESTS_VMM_VSOCK_GUEST_H
#define MUSTER_TESTS_VMM_VSOCK_GUEST_H

#include "tests/vmm/vguest.h"
#include "vmm/dev/virtio_vsock.h"

enum { RAM = 16 << 20, HDR = VIRTIO_VSOCK_HDR_LEN, QUEUE_SIZE = 64, BUF_LEN = 4096, CID = 7,
       GUEST_PORT = 1000, HOST_PORT = 2000, CREDIT = 1 << 18, HALF = VIRTIO_VSOCK_BUF_LEN / 2 };
enum { REQUEST = VIRTIO_VSOCK_OP_REQUEST, RESPONSE = VIRTIO_VSOCK_OP_RESPONSE,
       RST = VIRTIO_VSOCK_OP_RST, SHUTDOWN = VIRTIO_VSOCK_OP_SHUTDOWN, RW = VIRTIO_VSOCK_OP_RW,
       CREDIT_UPDATE = VIRTIO_VSOCK_OP_CREDIT_UPDATE, CREDIT_REQUEST = VIRTIO_VSOCK_OP_CREDIT_REQUEST,
       NONE = 0 };

/* The one guest of a test. */
extern struct vsock_guest {
	struct vguest g;
	struct virtio_vsock *v;
	struct loop *loop;
	struct vguest_queue rxq, txq, eventq;
	uint64_t rx_gpa[QUEUE_SIZE]; /* the buffer behind each descriptor */
	uint64_t tx_gpa; /* one, for all that is sent */
	unsigned n_dials;
	uint32_t dialed_port, token;
	uint32_t fwd_cnt, buf_alloc; /* what the guest says of itself in each packet */
	struct {
		uint64_t src_cid, dst_cid;
		uint32_t src_port, dst_port, len, flags, buf_alloc, fwd_cnt;
		uint16_t type, op;
		const uint8_t *data;
	} seen; /* the last packet that vs_next() returned */
} vs;

/* Fixtures. */
void vs_setup(void);
void vs_teardown(void);
/* A new device on the guest's memory, not plugged in. */
void vs_make(void);
/* The driver is there and gave @n_rx buffers. */
void vs_start(unsigned n_rx);
void vs_give_rx(uint32_t len);

struct vs_packet {
	uint16_t op;
	uint32_t guest_port, host_port, flags, len; /* 0: the usual ports */
	uint32_t claims; /* a length instead of len */
	uint16_t type; /* 0: a stream */
	uint64_t src_cid, dst_cid; /* 0: the right ones */
	uint8_t fill; /* the data */
};

void vs_send(const struct vs_packet *p);
#define VS_SEND(...) vs_send(&(struct vs_packet){ __VA_ARGS__ })
/* The next packet for the guest, into vs.seen. Returns its operation; NONE: there is none. */
uint16_t vs_next(void);
/* The device's loop, until nothing is ready. */
void vs_turn(void);
/* The host's end of a new stream; @ret_ours goes to the device. */
int vs_stream(int *ret_ours);
/* A connection that the guest asked for. Returns the host's end. */
int vs_open(void);
/* Bytes read from the host's end; they are all @fill. */
size_t vs_host_read(int fd, uint8_t fill);
bool vs_host_is_at_end(int fd);

#endif
