/* vmm/dev/virtio_vsock_impl.h: what virtio_vsock*.c share: the device calls the
 * connections with packets of the guest, and asks them for packets. */
#ifndef MUSTER_VMM_DEV_VIRTIO_VSOCK_IMPL_H
#define MUSTER_VMM_DEV_VIRTIO_VSOCK_IMPL_H

#include "vmm/dev/virtio_vsock_types.h"

/* A packet's header (§5.10.6), in our byte order. */
struct vsock_hdr {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len, flags, buf_alloc, fwd_cnt;
	uint16_t type, op;
};

/* virtio_vsock.c: sends to the guest what can be sent. */
void vsock_rx_run(struct virtio_vsock *v);
/* The guest is to get a RST for no connection; the caller knows that there is room. */
void vsock_rst_push(struct virtio_vsock *v, uint32_t guest_port, uint32_t host_port);

/* virtio_vsock_conn.c */
struct vsock_conn *vsock_find(struct virtio_vsock *v, uint32_t guest_port, uint32_t host_port);
/* A new one in @state, DIALING or REQUESTED; may evict another, for which there must be room for a
 * RST. NULL: there is no place. */
struct vsock_conn *vsock_conn_new(struct virtio_vsock *v, uint32_t guest_port, uint32_t host_port,
				  enum vsock_state state);
/* REQUESTED: @fd (taken over) is who asks. DIALING: what the guest asked for; -1: nobody. */
void vsock_conn_asks(struct vsock_conn *c, int fd);
void vsock_conn_dialed(struct vsock_conn *c, int fd);
/* A packet for @c, its data the next h->len bytes of v->chain at @from. */
void vsock_conn_take(struct vsock_conn *c, const struct vsock_hdr *h, struct vq_cursor *from);
/* What is to be sent first of what @c has for the guest: fills op, len and flags of @ret_hdr, and
 * v->scratch with len bytes, at most @room. False: nothing after all. */
bool vsock_conn_give(struct vsock_conn *c, uint32_t room, struct vsock_hdr *ret_hdr);
/* That packet is in the guest's queue; @c may be gone afterwards. */
void vsock_conn_given(struct vsock_conn *c, const struct vsock_hdr *h);
/* Closes it; the guest is told nothing. */
void vsock_conn_drop(struct vsock_conn *c);

#endif
