/* vmm/dev/virtio_vsock.h: a virtio socket device: streams between programs of
 * the guest and programs of the host, without a network. The host's ends are
 * Unix stream sockets which somebody else opens.   Source: virtio 1.2 §5.10. */
#ifndef MUSTER_VMM_DEV_VIRTIO_VSOCK_H
#define MUSTER_VMM_DEV_VIRTIO_VSOCK_H

#include "vmm/dev/virtio_vsock_types.h"

/* Makes the device; it stays where it is until virtio_vsock_free(). Returns 0 or -errno. */
int virtio_vsock_new(const struct virtio_vsock_config *cfg, struct virtio_vsock **ret_vsock);
struct virtio_vsock *virtio_vsock_free(struct virtio_vsock *v); /* accepts NULL; returns NULL */

/* A program of the host, at the other end of @fd (taken over; nonblocking), wants
 * the guest's port @port. It reads "OK N" and a newline, N being its own port, when
 * the guest takes it; else the end. */
void virtio_vsock_connect(struct virtio_vsock *v, uint32_t port, int fd);
/* The answer to cfg.dial(): @fd (taken over; nonblocking) is the host's end; -1: nobody
 * is there. A token that is stale closes @fd. */
void virtio_vsock_answer(struct virtio_vsock *v, uint32_t token, int fd);
/* While held nothing of the guest's is touched; letting go makes up for it. The loop
 * is to be held as well. */
void virtio_vsock_hold(struct virtio_vsock *v, bool on);
/* Saves or loads the device. Connections are not saved: their ends are the host's.
 * Where there were some, the guest is told after a load that they are gone. */
void virtio_vsock_state(struct virtio_vsock *v, struct state *s);

#endif
