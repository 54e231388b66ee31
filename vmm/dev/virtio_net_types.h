/* vmm/dev/virtio_net_types.h: the network card and its parts, as virtio_net*.c and their tests see them. */
#ifndef MUSTER_VMM_DEV_VIRTIO_NET_TYPES_H
#define MUSTER_VMM_DEV_VIRTIO_NET_TYPES_H

#include "core/addr.h"
#include "core/ring.h"
#include "vmm/dev/virtio_pci.h"

struct loop;
struct loop_source;
struct state;

/* Feature bits (§5.1.3). */
#define VIRTIO_NET_F_CSUM (UINT64_C(1) << 0)
#define VIRTIO_NET_F_GUEST_CSUM (UINT64_C(1) << 1)
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS (UINT64_C(1) << 2)
#define VIRTIO_NET_F_MTU (UINT64_C(1) << 3)
#define VIRTIO_NET_F_MAC (UINT64_C(1) << 5)
#define VIRTIO_NET_F_GUEST_TSO4 (UINT64_C(1) << 7)
#define VIRTIO_NET_F_GUEST_TSO6 (UINT64_C(1) << 8)
#define VIRTIO_NET_F_GUEST_ECN (UINT64_C(1) << 9)
#define VIRTIO_NET_F_HOST_TSO4 (UINT64_C(1) << 11)
#define VIRTIO_NET_F_HOST_TSO6 (UINT64_C(1) << 12)
#define VIRTIO_NET_F_HOST_ECN (UINT64_C(1) << 13)
#define VIRTIO_NET_F_MRG_RXBUF (UINT64_C(1) << 15)
#define VIRTIO_NET_F_STATUS (UINT64_C(1) << 16)
#define VIRTIO_NET_F_CTRL_VQ (UINT64_C(1) << 17)
#define VIRTIO_NET_F_CTRL_RX (UINT64_C(1) << 18)
#define VIRTIO_NET_F_GUEST_ANNOUNCE (UINT64_C(1) << 21)
#define VIRTIO_NET_F_MQ (UINT64_C(1) << 22)
#define VIRTIO_NET_F_SPEED_DUPLEX (UINT64_C(1) << 63)

/* Queues of a card with one pair (§5.1.2), the header before each frame (§5.1.6), status bits (§5.1.4). */
enum {
	VIRTIO_NET_RXQ = 0,
	VIRTIO_NET_TXQ = 1,
	VIRTIO_NET_CTRLQ = 2,
	VIRTIO_NET_QUEUE_COUNT,
	VIRTIO_NET_PAIR_MAX = 8,
	VIRTIO_NET_FLOW_COUNT = 1024 /* a power of two */,
	VIRTIO_NET_HDR_LEN = 12,
	VIRTIO_NET_S_LINK_UP = 1,
	VIRTIO_NET_S_ANNOUNCE = 2
};

struct virtio_net_config {
	struct mem *mem; /* borrowed, as all below */
	struct mac_addr mac;
	uint16_t mtu; /* bytes of the Ethernet payload, 68 to 65535 */
	uint32_t speed_mbps; /* that the guest is told, at most INT32_MAX; 0: nothing is told */
	unsigned n_pairs; /* of queues, at most VIRTIO_NET_PAIR_MAX; 0 is 1 */
	bool link_up;
	struct ring_pair *rings; /* the machine's side */
	struct loop *loop; /* NULL: the caller calls virtio_net_kicked() */
	int kick_fd; /* what the fabric kicks (down_kick_fd); used with @loop */
	bool lazy_completion; /* sent buffers are returned in batches; the caller calls
				 virtio_net_complete() before it waits, and often */
	nsec_t (*now)(void *ctx); /* time put on frames sent; NULL: 0 */
	void *now_ctx;
};

/* Counts since the start. Every frame taken off a ring or queue is in one. */
struct virtio_net_stats {
	uint64_t tx_frames, tx_bytes; /* into the fabric's ring */
	uint64_t tx_malformed; /* bad length or offload header */
	uint64_t tx_link_down;
	uint64_t tx_stalls; /* times the fabric's ring was full (frames wait) */
	uint64_t rx_frames, rx_bytes; /* into the guest's buffers */
	uint64_t rx_too_long; /* longer than the guest's buffers */
	uint64_t rx_off; /* link down, or no driver */
	uint64_t rx_malformed; /* an offload header that lies */
	uint64_t rx_no_memory; /* the host had none to cut it in */
	uint64_t rx_stalls; /* times the guest had no buffer (frames wait) */
	uint64_t rx_segmented; /* GSO frames cut for a guest that cannot take them */
};

struct virtio_net {
	struct virtio_dev dev;
	struct virtio_pci pci;
	struct virtio_net_config cfg;
	struct ring_pair own_rings; /* cfg.rings of a card in a machine; owned */
	struct virtio_net_stats stats;
	struct loop_source *source; /* the kick fd in the loop */
	bool link_up;
	uint16_t n_pairs; /* of queues */
	uint16_t n_active; /* of them the driver uses, the first ones */
	uint64_t offloads; /* VIRTIO_NET_F_GUEST_… which the guest takes now */
	uint8_t tx_blocked; /* a bit a pair: frames wait in its queue for room in the ring */
	uint8_t tx_turn; /* the pair that is looked at first when there is room */
	uint16_t tx_owed[VIRTIO_NET_PAIR_MAX]; /* sent, the guest is not yet told */
	bool rx_starved; /* frames wait in the ring for buffers of … */
	uint8_t rx_starved_pair;
	uint8_t rx_touched; /* a bit a pair: used buffers are not yet published */
	uint8_t flow[VIRTIO_NET_FLOW_COUNT]; /* the pair a flow was sent by, plus 1; 0: none */
	bool held; /* the machine is paused: guest memory is let alone */
	bool kick_held; /* a kick came meanwhile */
	bool link_wanted; /* the carrier to be when it goes on */
	struct frame *segments; /* cut, not yet delivered; owned */
	struct vq_chain chain, more; /* scratch: one frame's buffers */
};

#endif
