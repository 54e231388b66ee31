/* vmm/dev/virtio_net.c: a virtio network card between a guest and the fabric.
 *
 * Sending: the driver rings; each chain is checked (offload header against
 * what was negotiated and against the frame's length) and its frame copied
 * once, from guest memory straight into the shared ring; the batch is
 * published at the end. When the ring is full the rest stays in the queue,
 * the guest sees a busy card, and the fabric's kick goes on with it.
 *
 * A guest rings for each frame it sends, and a frame that is returned at once
 * is an interrupt each. With lazy_completion the frames go out at once all the
 * same, but buffers are returned when COMPLETE_EVERY are owed or the machine
 * has run a slice, whichever is first: an interrupt for many small frames.
 *
 * Receiving: records are copied from the shared ring into the guest's buffers
 * (several of them for one frame when MRG_RXBUF was negotiated), one interrupt
 * at most for the batch. Without buffers the frames wait in the ring, where
 * the fabric counts what no longer fits. A guest gets what it negotiated: for
 * one without checksum or segmentation offload the frame is completed or cut
 * here. Frames for a card that is off (no driver, no carrier) are dropped.
 *
 * A wrong frame is dropped and counted; a wrong ring breaks the device.
 * A frame that fits the guest's buffers never is lost here otherwise:
 * taken off the ring = rx_frames + rx_too_long + rx_off + rx_malformed, apart
 * from what rx_segmented multiplies.
 *
 * While the machine is paused the card is held: a kick or a change of the
 * carrier is remembered, and the guest's memory stays as it is.
 *
 * The receive filter commands of the control queue are acknowledged and every
 * frame is delivered all the same; filtering is best effort (§5.1.6.5.1).
 *
 * Used by: vmm/machine.c.   Depends on: core/ring.h, core/checksum.h, core/loop.h.
 * Sources: virtio 1.2 §5.1. */
#include "vmm/dev/virtio_net.h"

#include "core/checksum.h"
#include "core/loop.h"
#include "core/state.h"
#include "core/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	QUEUE_SIZE = 256,
	CLASS_ETHERNET = 0x020000,
	COMPLETE_EVERY = 32, /* frames sent, of a lazy completion */
	RELEASE_EVERY = 32, /* records, so that the fabric sees room in time */
	/* Smallest segment taken from a guest: TCP's smallest maximum segment
	 * (48) less its longest options. Bounds what one frame may become. */
	GSO_SIZE_MIN = 8,
	VLAN_TAGS_LEN = 8, /* two tags beside the MTU */
};

/* The offload header (§5.1.6). */
enum { HDR_F_NEEDS_CSUM = 1, HDR_F_DATA_VALID = 2 };
enum { GSO_NONE = 0, GSO_TCPV4 = 1, GSO_TCPV6 = 4 };
/* The configuration space (§5.1.4). */
enum { CFG_MAC = 0, CFG_STATUS = 6, CFG_MAX_PAIRS = 8, CFG_MTU = 10, CFG_LEN = 12 };
/* The control queue (§5.1.6.5). */
enum { CTRL_RX = 0, CTRL_MAC = 1, CTRL_MAC_TABLE_SET = 0, CTRL_ANNOUNCE = 3, CTRL_OK = 0,
       CTRL_ERR = 1 };

/* ---- sending ---------------------------------------------------------------- */

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
	switch (o.gso_type) {
	case GSO_NONE:
		o.hdr_len = o.gso_size = 0;
		*ret = o;
		return len <= (uint32_t)n->cfg.mtu + ETH_HEADER_LEN + VLAN_TAGS_LEN;
	case GSO_TCPV4:
		if (!virtio_has(&n->dev, VIRTIO_NET_F_HOST_TSO4))
			return false;
		break;
	case GSO_TCPV6:
		if (!virtio_has(&n->dev, VIRTIO_NET_F_HOST_TSO6))
			return false;
		break;
	default:
		return false;
	}
	*ret = o;
	return o.flags && o.gso_size >= GSO_SIZE_MIN && o.hdr_len <= len;
}

/* Sends the frame in n->chain. False when the ring has no room for it. */
static bool tx_one(struct virtio_net *n)
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
	ring_commit(&n->cfg.rings->tx, len, &offload, n->cfg.now ? n->cfg.now(n->cfg.now_ctx) : 0);
	n->stats.tx_frames++;
	n->stats.tx_bytes += len;
	return true;
}

void virtio_net_complete(struct virtio_net *n)
{
	if (!n->tx_owed)
		return;
	n->tx_owed = 0;
	virtio_publish(&n->dev, VIRTIO_NET_TXQ);
}

/* Leaves it at that when there is more to come soon. */
static void complete_some(struct virtio_net *n)
{
	if (!n->cfg.lazy_completion || n->tx_blocked || n->tx_owed >= COMPLETE_EVERY)
		virtio_net_complete(n);
}

static void tx_run(struct virtio_net *n)
{
	struct virtqueue *vq = &n->dev.queue[VIRTIO_NET_TXQ];

	n->tx_blocked = false;
	do {
		(void)vq_ask_notify(vq, false);
		while (virtio_pop(&n->dev, VIRTIO_NET_TXQ, &n->chain)) {
			if (!tx_one(n)) {
				vq_unpop(vq, 1);
				n->tx_blocked = true;
				n->stats.tx_stalls++;
				break;
			}
			vq_push(vq, n->chain.head, 0);
			n->tx_owed++;
		}
		(void)ring_publish(&n->cfg.rings->tx);
		complete_some(n);
	} while (!n->tx_blocked && virtio_live(&n->dev) && vq_ask_notify(vq, true));
}

/* ---- receiving -------------------------------------------------------------- */

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
static enum put put_more(struct virtio_net *n, const uint8_t *data, uint32_t len, uint32_t done,
			 uint16_t *ret_n_buffers)
{
	struct virtqueue *vq = &n->dev.queue[VIRTIO_NET_RXQ];
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
		if (!virtio_pop(&n->dev, VIRTIO_NET_RXQ, &n->more)) {
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
static enum put put_frame(struct virtio_net *n, const uint8_t *data, uint32_t len,
			  const struct frame_offload *o)
{
	struct virtqueue *vq = &n->dev.queue[VIRTIO_NET_RXQ];
	uint8_t hdr[VIRTIO_NET_HDR_LEN];
	struct vq_cursor cur = { 0 }, start = { 0 };
	uint16_t n_buffers = 1;
	uint32_t done;
	enum put r;

	if (!virtio_pop(&n->dev, VIRTIO_NET_RXQ, &n->chain))
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
	r = put_more(n, data, len, done, &n_buffers);
	if (r == PUT_DONE) {
		hdr_store(hdr, o, n_buffers);
		(void)vq_write(vq->mem, &n->chain, &start, hdr, sizeof hdr);
	}
	return r;
}

/* Counts a put. False when the frame has to wait. */
static bool put_counted(struct virtio_net *n, const uint8_t *data, uint32_t len,
			const struct frame_offload *o)
{
	switch (put_frame(n, data, len, o)) {
	case PUT_DONE:
		n->stats.rx_frames++;
		n->stats.rx_bytes += len;
		return true;
	case PUT_TOO_LONG:
		n->stats.rx_too_long++;
		return true;
	case PUT_NO_BUFFER:
		break;
	}
	return false;
}

/* True when the guest takes the frame as it is. */
static bool guest_takes(const struct virtio_net *n, const struct frame_offload *o)
{
	uint64_t need = 0;

	if (o->flags & HDR_F_NEEDS_CSUM)
		need |= VIRTIO_NET_F_GUEST_CSUM;
	if (o->gso_type == GSO_TCPV4)
		need |= VIRTIO_NET_F_GUEST_TSO4;
	else if (o->gso_type == GSO_TCPV6)
		need |= VIRTIO_NET_F_GUEST_TSO6;
	else if (o->gso_type != GSO_NONE)
		return false;
	return virtio_has(&n->dev, need);
}

/* Makes wire frames of a record for a guest that takes nothing else; they
 * wait in n->segments. */
static void cut(struct virtio_net *n, const struct ring_record *rec)
{
	struct frame *f = frame_new(NULL, rec->len);
	bool bad = false;

	if (!f) {
		n->stats.rx_malformed++;
		return;
	}
	memcpy(f->data, rec->data, rec->len);
	f->len = rec->len;
	f->offload = rec->offload;
	if (f->offload.gso_type != GSO_NONE)
		n->stats.rx_segmented++;
	n->segments = frame_segment(NULL, f, &bad);
	if (!n->segments || bad)
		n->stats.rx_malformed++;
}

static void segments_drop(struct virtio_net *n)
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
		if (!virtio_has(&n->dev, VIRTIO_NET_F_GUEST_CSUM))
			o.flags = 0;
		if (!put_counted(n, rec->data, rec->len, &o))
			return false;
	}
	ring_pop(&n->cfg.rings->rx);
	return true;
}

/* Drops all that came for a card that is off. */
static void rx_discard(struct virtio_net *n)
{
	struct ring_record rec;

	for (struct frame *f = n->segments; f; f = f->next)
		n->stats.rx_off++;
	segments_drop(n);
	do {
		while (ring_peek(&n->cfg.rings->rx, &rec)) {
			n->stats.rx_off++;
			ring_pop(&n->cfg.rings->rx);
		}
		ring_release(&n->cfg.rings->rx);
	} while (!ring_sleep(&n->cfg.rings->rx));
}

static bool rx_is_on(const struct virtio_net *n)
{
	return virtio_live(&n->dev) && n->dev.queue[VIRTIO_NET_RXQ].enabled && n->link_up;
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

static void rx_run(struct virtio_net *n)
{
	struct virtqueue *vq = &n->dev.queue[VIRTIO_NET_RXQ];
	bool again = true;

	n->rx_starved = false;
	while (again && rx_is_on(n)) {
		bool emptied;

		(void)vq_ask_notify(vq, false);
		emptied = rx_batch(n);
		ring_release(&n->cfg.rings->rx);
		virtio_publish(&n->dev, VIRTIO_NET_RXQ);
		if (emptied) {
			again = !ring_sleep(&n->cfg.rings->rx);
		} else {
			n->rx_starved = true;
			n->stats.rx_stalls++;
			again = vq_ask_more(vq);
		}
	}
	if (!rx_is_on(n))
		rx_discard(n);
}

/* ---- the control queue ------------------------------------------------------ */

static uint8_t ctrl_command(struct virtio_net *n, const uint8_t *cmd)
{
	switch (cmd[0]) {
	case CTRL_RX:
		return CTRL_OK;
	case CTRL_MAC:
		return cmd[1] == CTRL_MAC_TABLE_SET ? CTRL_OK : CTRL_ERR;
	case CTRL_ANNOUNCE:
		n->dev.config[CFG_STATUS] &= (uint8_t)~VIRTIO_NET_S_ANNOUNCE;
		return CTRL_OK;
	default:
		return CTRL_ERR;
	}
}

static void ctrl_run(struct virtio_net *n)
{
	struct virtqueue *vq = &n->dev.queue[VIRTIO_NET_CTRLQ];

	do {
		while (virtio_pop(&n->dev, VIRTIO_NET_CTRLQ, &n->chain)) {
			struct vq_cursor from = { 0 }, to = { 0 };
			uint8_t cmd[2], ack = CTRL_ERR;

			if (vq_read(&n->chain, &from, cmd, sizeof cmd) == sizeof cmd)
				ack = ctrl_command(n, cmd);
			vq_push(vq, n->chain.head,
				(uint32_t)vq_write(vq->mem, &n->chain, &to, &ack, sizeof ack));
		}
		virtio_publish(&n->dev, VIRTIO_NET_CTRLQ);
	} while (virtio_live(&n->dev) && vq_ask_notify(vq, true));
}

/* ---- the device -------------------------------------------------------------- */

static void on_notify(void *ctx, unsigned q)
{
	struct virtio_net *n = ctx;

	if (q == VIRTIO_NET_TXQ)
		tx_run(n);
	else if (q == VIRTIO_NET_CTRLQ)
		ctrl_run(n);
	else if (n->rx_starved)
		rx_run(n);
}

/* Which feature needs which (§5.1.3.1). */
static bool features_ok(void *ctx, uint64_t accepted)
{
	static const struct { uint64_t feature, needs; } rule[] = {
		{ VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_CSUM },
		{ VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_CSUM },
		{ VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_CSUM },
		{ VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ },
		{ VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_CTRL_VQ },
	};

	(void)ctx;
	for (size_t i = 0; i < sizeof rule / sizeof rule[0]; i++)
		if ((accepted & rule[i].feature) && !(accepted & rule[i].needs))
			return false;
	return true;
}

static void on_started(void *ctx)
{
	struct virtio_net *n = ctx;

	rx_run(n);
	if (n->dev.queue[VIRTIO_NET_TXQ].enabled)
		tx_run(n);
}

static void on_reset(void *ctx)
{
	struct virtio_net *n = ctx;

	n->tx_blocked = n->rx_starved = false;
	n->tx_owed = 0;
	n->dev.config[CFG_STATUS] &= (uint8_t)~VIRTIO_NET_S_ANNOUNCE;
	rx_discard(n);
}

static const struct virtio_ops net_ops = { .notify = on_notify, .features_ok = features_ok,
					   .started = on_started, .reset = on_reset };

void virtio_net_kicked(struct virtio_net *n)
{
	n->kick_held = n->held;
	if (n->held)
		return;
	if (n->tx_blocked && virtio_live(&n->dev))
		tx_run(n);
	/* A starved queue has buffers when the guest says so, not before. */
	if (!n->rx_starved || !rx_is_on(n))
		rx_run(n);
}

void virtio_net_set_link(struct virtio_net *n, bool up)
{
	n->link_wanted = up;
	if (n->link_up == up || n->held)
		return;
	n->link_up = up;
	n->dev.config[CFG_STATUS] ^= VIRTIO_NET_S_LINK_UP;
	virtio_config_changed(&n->dev);
	if (!up && n->tx_blocked && virtio_live(&n->dev))
		tx_run(n);
	rx_run(n);
}

void virtio_net_announce(struct virtio_net *n)
{
	if (!virtio_has(&n->dev, VIRTIO_NET_F_GUEST_ANNOUNCE) || !virtio_live(&n->dev))
		return;
	n->dev.config[CFG_STATUS] |= VIRTIO_NET_S_ANNOUNCE;
	virtio_config_changed(&n->dev);
}

static void on_kick(void *ctx, int fd, uint32_t events)
{
	uint64_t count;

	(void)events;
	/* SYSCALLS(machine): read */
	(void)!read(fd, &count, sizeof count);
	virtio_net_kicked(ctx);
}

int virtio_net_new(const struct virtio_net_config *cfg, struct virtio_net **ret_net)
{
	struct virtio_net *n = calloc(1, sizeof *n);
	uint64_t features = VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MTU |
			    VIRTIO_NET_F_MAC | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 |
			    VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 |
			    VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ |
			    VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_GUEST_ANNOUNCE;
	int r;

	if (!n)
		return -ENOMEM;
	n->cfg = *cfg;
	n->link_up = n->link_wanted = cfg->link_up;
	virtio_init(&n->dev, VIRTIO_ID_NET, cfg->mem, features, VIRTIO_NET_QUEUE_COUNT, QUEUE_SIZE,
		    &net_ops, n);
	memcpy(n->dev.config + CFG_MAC, cfg->mac.b, MAC_LEN);
	n->dev.config[CFG_STATUS] = cfg->link_up ? VIRTIO_NET_S_LINK_UP : 0;
	store_le16(n->dev.config + CFG_MAX_PAIRS, 1);
	store_le16(n->dev.config + CFG_MTU, cfg->mtu);
	n->dev.config_len = CFG_LEN;
	virtio_pci_init(&n->pci, &n->dev, CLASS_ETHERNET);
	if (cfg->loop) {
		r = loop_add_fd(cfg->loop, cfg->kick_fd, EPOLLIN, on_kick, n, &n->source);
		if (r < 0) {
			free(n);
			return r;
		}
	}
	*ret_net = n;
	return 0;
}

struct virtio_net *virtio_net_free(struct virtio_net *n)
{
	if (!n)
		return NULL;
	(void)loop_remove(n->source);
	segments_drop(n);
	free(n);
	return NULL;
}

void virtio_net_hold(struct virtio_net *n, bool on)
{
	n->held = on;
	if (on)
		return;
	if (n->kick_held)
		virtio_net_kicked(n);
	virtio_net_set_link(n, n->link_wanted);
}

/* ---- state ------------------------------------------------------------------- */

/* The frames that were cut and wait for buffers: plain ones, their bytes alone. */
static void segments_state(struct virtio_net *n, struct state *s)
{
	struct frame **end = &n->segments;
	uint32_t n_frames = 0;

	for (const struct frame *f = n->segments; f; f = f->next)
		n_frames++;
	state_u32(s, &n_frames);
	if (state_is_load(s))
		segments_drop(n);
	for (uint32_t i = 0; i < n_frames && state_ok(s); i++) {
		uint32_t len = *end ? (*end)->len : 0;

		state_u32(s, &len);
		state_expect(s, len <= state_left(s) && len <= FRAME_LEN_MAX, "a frame too long");
		if (state_is_load(s) && state_ok(s)) {
			*end = frame_new(NULL, len);
			state_expect(s, *end != NULL, "no memory for a frame");
			if (!*end)
				return;
			(*end)->len = len;
		}
		if (!*end)
			return;
		state_bytes(s, (*end)->data, len);
		end = &(*end)->next;
	}
}

void virtio_net_state(struct virtio_net *n, struct state *s, uint32_t index)
{
	uint64_t *const count[] = { &n->stats.tx_frames, &n->stats.tx_bytes, &n->stats.tx_malformed,
				    &n->stats.tx_link_down, &n->stats.tx_stalls,
				    &n->stats.rx_frames, &n->stats.rx_bytes, &n->stats.rx_too_long,
				    &n->stats.rx_off, &n->stats.rx_malformed,
				    &n->stats.rx_stalls, &n->stats.rx_segmented };
	uint64_t mac = 0;
	bool announces = n->dev.config[CFG_STATUS] & VIRTIO_NET_S_ANNOUNCE;

	memcpy(&mac, n->cfg.mac.b, MAC_LEN);
	(void)state_begin(s, "vnet", index, 1);
	state_same(s, mac, "a hardware address");
	state_same(s, n->cfg.mtu, "an MTU");
	virtio_pci_state(&n->pci, s);
	for (size_t i = 0; i < sizeof count / sizeof count[0]; i++)
		state_u64(s, count[i]);
	state_bool(s, &n->link_up);
	state_bool(s, &announces);
	state_bool(s, &n->tx_blocked);
	state_bool(s, &n->rx_starved);
	state_u16(s, &n->tx_owed);
	segments_state(n, s);
	state_end(s);
	if (!state_is_load(s) || !state_ok(s))
		return;
	n->dev.config[CFG_STATUS] = (uint8_t)((n->link_up ? VIRTIO_NET_S_LINK_UP : 0) |
					      (announces ? VIRTIO_NET_S_ANNOUNCE : 0));
	n->held = n->kick_held = true;
}
