/* vmm/dev/virtio_net_tx.c: what a guest sends.
 *
 * The driver rings; each chain is checked (offload header against what was
 * negotiated and against the frame's length) and its frame copied once, from
 * guest memory straight into the shared ring; the batch is published at the
 * end. All pairs share the one ring. When it is full the rest stays in the
 * queues, the guest sees a busy card, and the fabric's kick goes on with the
 * pairs that wait, in turn.
 *
 * A guest rings for each frame it sends, and a frame that is returned at once
 * is an interrupt each. With lazy_completion the frames go out at once all the
 * same, but buffers are returned when COMPLETE_EVERY are owed or the machine
 * has run a slice, whichever is first: an interrupt for many small frames.
 *
 * Used by: vmm/dev/virtio_net.c.   Depends on: core/ring.h.
 * Sources: virtio 1.2 §5.1.6.2. */
#include "vmm/dev/virtio_net.h"
#include "vmm/dev/virtio_net_impl.h"

#include "core/wire.h"

enum {
	COMPLETE_EVERY = 32, /* frames sent, of a lazy completion */
	VLAN_TAGS_LEN = 8, /* two tags beside the MTU */
};

static bool gso_is_negotiated(const struct virtio_net *n, uint8_t type)
{
	uint64_t need = type & GSO_ECN ? VIRTIO_NET_F_HOST_ECN : 0;

	switch (type & ~GSO_ECN) {
	case GSO_TCPV4:
		return virtio_has(&n->dev, need | VIRTIO_NET_F_HOST_TSO4);
	case GSO_TCPV6:
		return virtio_has(&n->dev, need | VIRTIO_NET_F_HOST_TSO6);
	default:
		return false;
	}
}

/* Takes the offload header of a frame of @len bytes. False when it asks for
 * what was not negotiated or points outside the frame.   Source: §5.1.6.2 */
static bool offload_parse(const struct virtio_net *n, const uint8_t *hdr, uint32_t len,
			  struct frame_offload *ret)
{
	struct frame_offload o = { .flags = hdr[0], .gso_type = hdr[1],
				   .hdr_len = load_le16(hdr + 2), .gso_size = load_le16(hdr + 4),
				   .csum_start = load_le16(hdr + 6),
				   .csum_offset = load_le16(hdr + 8) };

	o.flags &= HDR_F_NEEDS_CSUM; /* the others are ours to set (§5.1.6.2.2) */
	if (o.flags) {
		if (!virtio_has(&n->dev, VIRTIO_NET_F_CSUM))
			return false;
		if ((uint32_t)o.csum_start + o.csum_offset + 2 > len)
			return false;
	} else {
		o.csum_start = o.csum_offset = 0;
	}
	*ret = o;
	if (o.gso_type == GSO_NONE) {
		ret->hdr_len = ret->gso_size = 0;
		return len <= (uint32_t)n->cfg.mtu + ETH_HEADER_LEN + VLAN_TAGS_LEN;
	}
	return gso_is_negotiated(n, o.gso_type) && o.flags && o.gso_size >= FRAME_GSO_SIZE_MIN &&
	       o.hdr_len <= len;
}

/* Sends the frame in n->chain. False when the ring has no room for it. */
static bool tx_one(struct virtio_net *n, unsigned pair)
{
	uint8_t hdr[VIRTIO_NET_HDR_LEN];
	struct vq_cursor cur = { 0 };
	struct frame_offload offload;
	uint32_t len = n->chain.out_len - VIRTIO_NET_HDR_LEN;
	uint8_t *dst;

	if (n->chain.out_len < VIRTIO_NET_HDR_LEN + ETH_HEADER_LEN || len > FRAME_LEN_MAX ||
	    vq_read(&n->chain, &cur, hdr, sizeof hdr) != sizeof hdr ||
	    !offload_parse(n, hdr, len, &offload)) {
		n->stats.tx_malformed++;
		return true;
	}
	if (!n->link_up) {
		n->stats.tx_link_down++;
		return true;
	}
	dst = ring_reserve(&n->cfg.rings->tx, len);
	if (!dst)
		return false;
	(void)vq_read(&n->chain, &cur, dst, len);
	virtio_net_flow_learn(n, dst, len, pair);
	ring_commit(&n->cfg.rings->tx, len, &offload, n->cfg.now ? n->cfg.now(n->cfg.now_ctx) : 0);
	n->stats.tx_frames++;
	n->stats.tx_bytes += len;
	return true;
}

/* Returns what was sent by @pair to the guest. */
static void complete(struct virtio_net *n, unsigned pair)
{
	if (!n->tx_owed[pair])
		return;
	n->tx_owed[pair] = 0;
	virtio_publish(&n->dev, txq_of(pair));
}

void virtio_net_complete(struct virtio_net *n)
{
	for (unsigned pair = 0; pair < n->n_pairs; pair++)
		complete(n, pair);
}

void virtio_net_tx_run(struct virtio_net *n, unsigned pair)
{
	struct virtqueue *vq = &n->dev.queue[txq_of(pair)];
	bool blocked = false;

	do {
		(void)vq_ask_notify(vq, false);
		while (virtio_pop(&n->dev, txq_of(pair), &n->chain)) {
			if (!tx_one(n, pair)) {
				vq_unpop(vq, 1);
				blocked = true;
				n->stats.tx_stalls++;
				break;
			}
			vq_push(vq, n->chain.head, 0);
			n->tx_owed[pair]++;
		}
		(void)ring_publish(&n->cfg.rings->tx);
		/* Leaves it at that when there is more to come soon. */
		if (!n->cfg.lazy_completion || blocked || n->tx_owed[pair] >= COMPLETE_EVERY)
			complete(n, pair);
	} while (!blocked && virtio_live(&n->dev) && vq_ask_notify(vq, true));
	n->tx_blocked = (uint8_t)((n->tx_blocked & ~(1u << pair)) | (unsigned)blocked << pair);
}

void virtio_net_tx_run_pairs(struct virtio_net *n, bool all)
{
	unsigned first = n->tx_turn;

	for (unsigned i = 0; i < n->n_pairs && virtio_live(&n->dev); i++) {
		unsigned pair = (first + i) % n->n_pairs;

		if ((all && n->dev.queue[txq_of(pair)].enabled && pair < pairs_known(n)) ||
		    (n->tx_blocked >> pair & 1))
			virtio_net_tx_run(n, pair);
		/* Who had the room this time comes last the next time. */
		if (n->tx_blocked && n->tx_turn == first)
			n->tx_turn = (uint8_t)((pair + 1) % n->n_pairs);
	}
}
