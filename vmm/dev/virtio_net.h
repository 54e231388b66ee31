/* vmm/dev/virtio_net.h: a virtio network card whose wire is a pair of
 * shared-memory rings to the fabric.   Source: virtio 1.2 §5.1. */
#ifndef MUSTER_VMM_DEV_VIRTIO_NET_H
#define MUSTER_VMM_DEV_VIRTIO_NET_H

#include "vmm/dev/virtio_net_types.h"

/* Makes the card; it stays where it is until virtio_net_free(). The caller
 * puts &ret->pci.pci on the bus. Returns 0 or -errno. */
int virtio_net_new(const struct virtio_net_config *cfg, struct virtio_net **ret_net);
struct virtio_net *virtio_net_free(struct virtio_net *n); /* accepts NULL; returns NULL */

/* The fabric kicked: frames came, or room did. */
void virtio_net_kicked(struct virtio_net *n);
/* Returns what was sent to the guest, with one interrupt at most. Does nothing
 * unless lazy_completion left something. */
void virtio_net_complete(struct virtio_net *n);
/* Carrier on or off: the guest is told. */
void virtio_net_set_link(struct virtio_net *n, bool up);
/* Asks the guest to announce itself (gratuitous ARP), after a restore or move. */
void virtio_net_announce(struct virtio_net *n);
/* While held, kicks and changes of the carrier are remembered and nothing of the
 * guest's is touched; letting go makes up for them. */
void virtio_net_hold(struct virtio_net *n, bool on);
/* Saves or loads the card, frames it had cut included; what is in the rings is
 * the fabric's. @index: the section's instance. Loading, the card is held, and
 * when let go looks at its rings and takes the carrier it was made with. */
void virtio_net_state(struct virtio_net *n, struct state *s, uint32_t index);

#endif
