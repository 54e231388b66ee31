/* vmm/dev/virtio_net_rx.c: what a guest receives.
 *
 * Records are copied from the shared ring into the guest's buffers (several of
 * them for one frame when MRG_RXBUF was negotiated), one interrupt at most a
 * queue for the batch. Without buffers the frames wait in the ring, where the
 * fabric counts what no longer fits; the oldest one waits for its own pair, and
 * the others behind it, for order is worth more than a busy queue. A guest gets
 * what it negotiated and left switched on: for one without checksum or
 * segmentation offload the frame is completed or cut here. Frames for a card
 * that is off (no driver, no carrier) are dropped.
 *
 * A frame that fits the guest's buffers never is lost here otherwise:
 * taken off the ring = rx_frames + rx_too_long + rx_off + rx_malformed + rx_no_memory,
 * apart from what rx_segmented multiplies.
 *
 * Used by: vmm/dev/virtio_net.c.   Depends on: core/ring.h, core/checksum.h.
 * Sources: virtio 1.2 §5.1.6.3, §5.1.6.4. */
#include "vmm/dev/virtio_net_impl.h"

#include "core/checksum.h"
#include "core/wire.h"

#include <string.h>

enum { RELEASE_EVERY = 32 /* records, so that the fabric sees room in time */ };

enum put { PUT_DONE, PUT_NO_BUFFER, PUT_TOO_LONG };

static void hdr_store(uint8_t *hdr, const struct frame_offload *o, uint16_t n_buffers)
{
	hdr[0] = o->flags;
	hdr[1] = o->gso_type;
	store_le16(hdr + 2, o->hdr_len);
	store_le16(hdr + 4, o->gso_size);
	store_le16(hdr + 6, o->csum_start);
	store_le16(hdr + 8, o->csum_offset);
	store_le16(hdr + 10, n_buffers);
}

/* The frame goes on behind the first chain, over as many as it takes.
 * @done: bytes of the frame which the first took. */
static enum put put_more(struct virtio_net *n, unsigned pair, const uint8_t *data, uint32_t len,
			 uint32_t done, uint16_t *ret_n_buffers)
{
	struct virtqueue *vq = &n->dev.queue[rxq_of(pair)];
	struct { uint16_t head; uint32_t len; } used[VQ_SIZE_MAX];
	uint16_t n_used = 1;

	used[0].head = n->chain.head;
	used[0].len = n->chain.in_len;
	while (done < len) {
		struct vq_cursor cur = { 0 };

		if (n_used >= vq->size) {
			vq_unpop(vq, n_used);
			return PUT_TOO_LONG;
		}
		if (!virtio_pop(&n->dev, rxq_of(pair), &n->more)) {
			vq_unpop(vq, n_used);
			return PUT_NO_BUFFER;
		}
		used[n_used].head = n->more.head;
		used[n_used].len = (uint32_t)vq_write(vq->mem, &n->more, &cur, data + done,
						      len - done);
		done += used[n_used++].len;
	}
	for (uint16_t i = 0; i < n_used; i++)
		vq_push(vq, used[i].head, used[i].len);
	*ret_n_buffers = n_used;
	return PUT_DONE;
}

/* Puts one frame into the guest's buffers.   Source: §5.1.6.4 */
static enum put put_frame(struct virtio_net *n, unsigned pair, const uint8_t *data, uint32_t len,
			  const struct frame_offload *o)
{
	struct virtqueue *vq = &n->dev.queue[rxq_of(pair)];
	uint8_t hdr[VIRTIO_NET_HDR_LEN];
	struct vq_cursor cur = { 0 }, start = { 0 };
	uint16_t n_buffers = 1;
	uint32_t done;
	enum put r;

	if (!virtio_pop(&n->dev, rxq_of(pair), &n->chain))
		return PUT_NO_BUFFER;
	if (n->chain.in_len < VIRTIO_NET_HDR_LEN) {
		virtio_break(&n->dev);
		return PUT_NO_BUFFER;
	}
	hdr_store(hdr, o, n_buffers);
	if (n->chain.in_len - VIRTIO_NET_HDR_LEN >= len) {
		(void)vq_write(vq->mem, &n->chain, &cur, hdr, sizeof hdr);
		(void)vq_write(vq->mem, &n->chain, &cur, data, len);
		vq_push(vq, n->chain.head, VIRTIO_NET_HDR_LEN + len);
		return PUT_DONE;
	}
	if (!virtio_has(&n->dev, VIRTIO_NET_F_MRG_RXBUF)) {
		/* Return the buffer empty, or its shortness blocks the queue. */
		vq_push(vq, n->chain.head, 0);
		return PUT_TOO_LONG;
	}
	(void)vq_write(vq->mem, &n->chain, &cur, hdr, sizeof hdr);
	done = (uint32_t)vq_write(vq->mem, &n->chain, &cur, data, len);
	r = put_more(n, pair, data, len, done, &n_buffers);
	if (r == PUT_DONE) {
		hdr_store(hdr, o, n_buffers);
		(void)vq_write(vq->mem, &n->chain, &start, hdr, sizeof hdr);
	}
	return r;
}

/* Puts it into the buffers of its pair, and counts. False when it has to wait. */
static bool put_counted(struct virtio_net *n, const uint8_t *data, uint32_t len,
			const struct frame_offload *o)
{
	unsigned pair = virtio_net_flow_pair(n, data, len);

	n->rx_touched |= (uint8_t)(1u << pair);
	switch (put_frame(n, pair, data, len, o)) {
	case PUT_DONE:
		n->stats.rx_frames++;
		n->stats.rx_bytes += len;
		return true;
	case PUT_TOO_LONG:
		n->stats.rx_too_long++;
		return true;
	case PUT_NO_BUFFER:
		n->rx_starved_pair = (uint8_t)pair;
		break;
	}
	return false;
}

/* True when the guest takes the frame as it is. */
static bool guest_takes(const struct virtio_net *n, const struct frame_offload *o)
{
	uint64_t need = o->gso_type & GSO_ECN ? VIRTIO_NET_F_GUEST_ECN : 0;

	if (o->flags & HDR_F_NEEDS_CSUM)
		need |= VIRTIO_NET_F_GUEST_CSUM;
	switch (o->gso_type & ~GSO_ECN) {
	case GSO_NONE:
		break;
	case GSO_TCPV4:
		need |= VIRTIO_NET_F_GUEST_TSO4;
		break;
	case GSO_TCPV6:
		need |= VIRTIO_NET_F_GUEST_TSO6;
		break;
	default:
		return false;
	}
	return (n->offloads & need) == need;
}

/* Makes wire frames of a record for a guest that takes nothing else; they
 * wait in n->segments. */
static void cut(struct virtio_net *n, const struct ring_record *rec)
{
	struct frame *f = frame_new(NULL, rec->len);
	bool bad = false;

	if (!f) {
		n->stats.rx_no_memory++;
		return;
	}
	memcpy(f->data, rec->data, rec->len);
	f->len = rec->len;
	f->offload = rec->offload;
	if (f->offload.gso_type != GSO_NONE)
		n->stats.rx_segmented++;
	n->segments = frame_segment(NULL, f, &bad);
	if (bad)
		n->stats.rx_malformed++;
	else if (!n->segments)
		n->stats.rx_no_memory++;
}

void virtio_net_segments_drop(struct virtio_net *n)
{
	while (n->segments) {
		struct frame *next = n->segments->next;

		(void)frame_free(n->segments);
		n->segments = next;
	}
}

/* Delivers what was cut. False when some has to wait. */
static bool segments_put(struct virtio_net *n)
{
	static const struct frame_offload plain;

	while (n->segments) {
		struct frame *f = n->segments;

		if (!put_counted(n, f->data, f->len, &plain))
			return false;
		n->segments = f->next;
		(void)frame_free(f);
	}
	return true;
}

/* Delivers the oldest record and takes it off. False when it has to wait. */
static bool rx_one(struct virtio_net *n, const struct ring_record *rec)
{
	struct frame_offload o = rec->offload;

	o.flags &= HDR_F_NEEDS_CSUM | HDR_F_DATA_VALID;
	if (rec->len < ETH_HEADER_LEN) {
		n->stats.rx_malformed++;
	} else if (!guest_takes(n, &o)) {
		cut(n, rec);
	} else {
		if (!(n->offloads & VIRTIO_NET_F_GUEST_CSUM))
			o.flags = 0;
		if (!put_counted(n, rec->data, rec->len, &o))
			return false;
	}
	ring_pop(&n->cfg.rings->rx);
	return true;
}

void virtio_net_rx_discard(struct virtio_net *n)
{
	struct ring_record rec;

	for (struct frame *f = n->segments; f; f = f->next)
		n->stats.rx_off++;
	virtio_net_segments_drop(n);
	do {
		while (ring_peek(&n->cfg.rings->rx, &rec)) {
			n->stats.rx_off++;
			ring_pop(&n->cfg.rings->rx);
		}
		ring_release(&n->cfg.rings->rx);
	} while (!ring_sleep(&n->cfg.rings->rx));
}

bool virtio_net_rx_is_on(const struct virtio_net *n)
{
	return virtio_live(&n->dev) && n->dev.queue[rxq_of(0)].enabled && n->link_up;
}

/* Delivers until the ring is empty (true) or the buffers are (false). */
static bool rx_batch(struct virtio_net *n)
{
	struct ring *ring = &n->cfg.rings->rx;
	struct ring_record rec;

	for (unsigned i = 1;; i++) {
		if (!segments_put(n))
			return false;
		if (!ring_peek(ring, &rec))
			return true;
		if (!rx_one(n, &rec))
			return false;
		if (i % RELEASE_EVERY == 0)
			ring_release(ring);
	}
}

/* The driver need not ring for buffers it gives. */
static void rx_quiet(struct virtio_net *n)
{
	for (unsigned pair = 0; pair < n->n_active; pair++)
		if (n->dev.queue[rxq_of(pair)].asked_notify)
			(void)vq_ask_notify(&n->dev.queue[rxq_of(pair)], false);
}

static void rx_publish(struct virtio_net *n)
{
	for (unsigned pair = 0; n->rx_touched; pair++) {
		if (n->rx_touched >> pair & 1)
			virtio_publish(&n->dev, rxq_of(pair));
		n->rx_touched &= (uint8_t)~(1u << pair);
	}
}

void virtio_net_rx_run(struct virtio_net *n)
{
	bool again = true;

	n->rx_starved = false;
	while (again && virtio_net_rx_is_on(n)) {
		bool emptied;

		rx_quiet(n);
		emptied = rx_batch(n);
		ring_release(&n->cfg.rings->rx);
		rx_publish(n);
		if (emptied) {
			again = !ring_sleep(&n->cfg.rings->rx);
		} else {
			n->rx_starved = true;
			n->stats.rx_stalls++;
			again = vq_ask_more(&n->dev.queue[rxq_of(n->rx_starved_pair)]);
		}
	}
	if (!virtio_net_rx_is_on(n))
		virtio_net_rx_discard(n);
}
