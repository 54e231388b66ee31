/* vmm/dev/virtio_net_impl.h: what virtio_net*.c share. */
#ifndef MUSTER_VMM_DEV_VIRTIO_NET_IMPL_H
#define MUSTER_VMM_DEV_VIRTIO_NET_IMPL_H

#include "vmm/dev/virtio_net_types.h"

/* The offload header (§5.1.6). */
enum { HDR_F_NEEDS_CSUM = 1, HDR_F_DATA_VALID = 2 };
enum { GSO_NONE = 0, GSO_TCPV4 = 1, GSO_TCPV6 = 4, GSO_ECN = 0x80 };

/* What a guest may be given beside plain frames (§5.1.6.5.6). */
#define GUEST_OFFLOADS (VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | \
			VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_ECN)

static inline unsigned rxq_of(unsigned pair)
{
	return 2 * pair;
}

static inline unsigned txq_of(unsigned pair)
{
	return 2 * pair + 1;
}

/* Pairs that have queues: all, or the first one where the driver knows no other. */
static inline unsigned pairs_known(const struct virtio_net *n)
{
	return virtio_has(&n->dev, VIRTIO_NET_F_MQ) ? n->n_pairs : 1;
}

/* The control queue comes behind the pairs that the driver knows (§5.1.2). */
static inline unsigned ctrlq_of(const struct virtio_net *n)
{
	return 2 * pairs_known(n);
}

/* virtio_net_tx.c: sends what is in the queue of @pair, as far as the ring takes it. */
void virtio_net_tx_run(struct virtio_net *n, unsigned pair);
/* The same of every pair that waits for room (@all false), or of every one. */
void virtio_net_tx_run_pairs(struct virtio_net *n, bool all);

/* virtio_net_rx.c: delivers until the ring is empty or buffers are missing; for a card that is off,
 * drops. */
void virtio_net_rx_run(struct virtio_net *n);
bool virtio_net_rx_is_on(const struct virtio_net *n);
/* Drops all that came for a card that is off. */
void virtio_net_rx_discard(struct virtio_net *n);
void virtio_net_segments_drop(struct virtio_net *n);

/* virtio_net_flow.c: the frame @data (shared with the fabric: read once) left by @pair. */
void virtio_net_flow_learn(struct virtio_net *n, const uint8_t *data, uint32_t len, unsigned pair);
/* The pair by which it is to enter, below n->n_active. */
unsigned virtio_net_flow_pair(const struct virtio_net *n, const uint8_t *data, uint32_t len);

#endif
