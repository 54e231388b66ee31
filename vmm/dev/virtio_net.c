/* vmm/dev/virtio_net.c: a virtio network card between a guest and the fabric.
 *
 * virtio_net_tx.c sends, virtio_net_rx.c receives, virtio_net_flow.c says which
 * pair of queues a frame takes; here is the device itself: features, status,
 * the control queue, the carrier, state.
 *
 * A card has one pair of queues for each of its machine's processors, at most
 * VIRTIO_NET_PAIR_MAX, and one pair of rings: the fabric knows nothing of
 * queues. With one pair MQ is not offered. After a reset one pair is in use,
 * until the driver asks for more. A driver that does not take MQ has its
 * control queue behind the first pair, and the other queues are not served.
 *
 * Not offered: UFO, which would bring UDP over IPv6 that nobody can cut, and
 * which no driver since Linux 4.14 sends; a receive filter: its commands are
 * acknowledged and every frame is delivered all the same, filtering is best
 * effort (§5.1.6.5.1).
 *
 * A wrong frame is dropped and counted; a wrong ring breaks the device.
 *
 * While the machine is paused the card is held: a kick or a change of the
 * carrier is remembered, and the guest's memory stays as it is.
 *
 * Speed and duplex are told once and stay: a driver takes them for the kind of the wire, by
 * which it forms aggregates (LACP's key, IEEE 802.1AX §6.3.5) and costs of spanning trees.
 *
 * State: version 3 says whether the card tells its speed. One that was saved without (version 2
 * and before) goes on as such a card, since its driver has read what is offered.
 * Version 2 has all pairs. Version 1 had one, and still
 * loads where the card has one; where it has several it is refused by its number
 * of queues, since that guest's driver saw a card without them.
 *
 * Used by: vmm/devices.c.   Depends on: core/ring.h, core/loop.h, core/state.h.
 * Sources: virtio 1.2 §5.1. */
#include "vmm/dev/virtio_net.h"

#include "core/loop.h"
#include "core/state.h"
#include "core/verb.h"
#include "core/wire.h"
#include "vmm/dev/virtio_net_impl.h"
#include "vmm/devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { QUEUE_SIZE = 256, CLASS_ETHERNET = 0x020000 };

/* The configuration space (§5.1.4). */
enum { CFG_MAC = 0, CFG_STATUS = 6, CFG_MAX_PAIRS = 8, CFG_MTU = 10, CFG_SPEED = 12, CFG_DUPLEX = 16,
       CFG_LEN = 17, CFG_LEN_NO_SPEED = 12, DUPLEX_FULL = 1 };
/* The control queue: class, command, answer (§5.1.6.5). */
enum { CTRL_RX = 0, CTRL_MAC = 1, CTRL_MAC_TABLE_SET = 0, CTRL_ANNOUNCE = 3,
       CTRL_ANNOUNCE_ACK = 0, CTRL_MQ = 4, CTRL_MQ_PAIRS_SET = 0, CTRL_OFFLOADS = 5,
       CTRL_OFFLOADS_SET = 0, CTRL_OK = 0, CTRL_ERR = 1 };

/* Which feature needs which (§5.1.3.1): one of these. */
static bool features_go_together(uint64_t accepted)
{
	static const struct { uint64_t feature, needs; } rule[] = {
		{ VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_CSUM },
		{ VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 },
		{ VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_CSUM },
		{ VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_CSUM },
		{ VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 },
		{ VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ },
		{ VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, VIRTIO_NET_F_CTRL_VQ },
		{ VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_CTRL_VQ },
		{ VIRTIO_NET_F_MQ, VIRTIO_NET_F_CTRL_VQ },
	};

	for (size_t i = 0; i < sizeof rule / sizeof rule[0]; i++)
		if ((accepted & rule[i].feature) && !(accepted & rule[i].needs))
			return false;
	return true;
}

/* ---- the control queue ------------------------------------------------------ */

/* The driver uses so many pairs from now on. What it sent by others is served
 * all the same; what waits in the ring may have another queue now. */
static uint8_t set_pairs(struct virtio_net *n, uint16_t n_pairs)
{
	if (!virtio_has(&n->dev, VIRTIO_NET_F_MQ) || n_pairs < 1 || n_pairs > n->n_pairs)
		return CTRL_ERR;
	n->n_active = n_pairs;
	memset(n->flow, 0, sizeof n->flow);
	return CTRL_OK;
}

/* The guest takes these from now on. */
static uint8_t set_offloads(struct virtio_net *n, uint64_t offloads)
{
	uint64_t as_if = (n->dev.accepted & ~GUEST_OFFLOADS) | offloads;

	if (!virtio_has(&n->dev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS | offloads) ||
	    (offloads & ~GUEST_OFFLOADS) || !features_go_together(as_if))
		return CTRL_ERR;
	n->offloads = offloads;
	return CTRL_OK;
}

/* Does the command @class, @cmd, whose data come from @from of n->chain. */
static uint8_t ctrl_command(struct virtio_net *n, uint8_t class, uint8_t cmd,
			    struct vq_cursor *from)
{
	uint8_t data[8];

	switch (class << 8 | cmd) {
	case CTRL_ANNOUNCE << 8 | CTRL_ANNOUNCE_ACK:
		n->dev.config[CFG_STATUS] &= (uint8_t)~VIRTIO_NET_S_ANNOUNCE;
		return CTRL_OK;
	case CTRL_MQ << 8 | CTRL_MQ_PAIRS_SET:
		return vq_read(&n->chain, from, data, 2) == 2 ? set_pairs(n, load_le16(data)) : CTRL_ERR;
	case CTRL_OFFLOADS << 8 | CTRL_OFFLOADS_SET:
		return vq_read(&n->chain, from, data, 8) == 8 ? set_offloads(n, load_le64(data)) :
								CTRL_ERR;
	case CTRL_MAC << 8 | CTRL_MAC_TABLE_SET:
		return CTRL_OK;
	default:
		return class == CTRL_RX ? CTRL_OK : CTRL_ERR;
	}
}

static void ctrl_run(struct virtio_net *n)
{
	unsigned q = ctrlq_of(n);
	struct virtqueue *vq = &n->dev.queue[q];

	do {
		while (virtio_pop(&n->dev, q, &n->chain)) {
			struct vq_cursor from = { 0 }, to = { 0 };
			uint8_t cmd[2], ack = CTRL_ERR;

			if (vq_read(&n->chain, &from, cmd, sizeof cmd) == sizeof cmd)
				ack = ctrl_command(n, cmd[0], cmd[1], &from);
			vq_push(vq, n->chain.head,
				(uint32_t)vq_write(vq->mem, &n->chain, &to, &ack, sizeof ack));
		}
		virtio_publish(&n->dev, q);
	} while (virtio_live(&n->dev) && vq_ask_notify(vq, true));
	if (n->rx_starved)
		virtio_net_rx_run(n);
}

/* ---- the device -------------------------------------------------------------- */

static void on_notify(void *ctx, unsigned q)
{
	struct virtio_net *n = ctx;

	if (q == ctrlq_of(n))
		ctrl_run(n);
	else if (q > ctrlq_of(n))
		return; /* of pairs that the driver does not know */
	else if (q & 1)
		virtio_net_tx_run(n, q / 2);
	else if (n->rx_starved && n->rx_starved_pair == q / 2)
		virtio_net_rx_run(n);
}

static bool features_ok(void *ctx, uint64_t accepted)
{
	struct virtio_net *n = ctx;

	if (!features_go_together(accepted))
		return false;
	n->offloads = accepted & GUEST_OFFLOADS;
	return true;
}

static void on_started(void *ctx)
{
	struct virtio_net *n = ctx;

	virtio_net_rx_run(n);
	virtio_net_tx_run_pairs(n, true);
}

static void on_reset(void *ctx)
{
	struct virtio_net *n = ctx;

	n->tx_blocked = n->tx_turn = 0;
	memset(n->tx_owed, 0, sizeof n->tx_owed);
	n->rx_starved = false;
	n->n_active = 1;
	n->offloads = 0;
	memset(n->flow, 0, sizeof n->flow);
	n->dev.config[CFG_STATUS] &= (uint8_t)~VIRTIO_NET_S_ANNOUNCE;
	virtio_net_rx_discard(n);
}

static const struct virtio_ops net_ops = { .notify = on_notify, .features_ok = features_ok,
					   .started = on_started, .reset = on_reset };

void virtio_net_kicked(struct virtio_net *n)
{
	n->kick_held = n->held;
	if (n->held)
		return;
	virtio_net_tx_run_pairs(n, false);
	/* A starved queue has buffers when the guest says so, not before. */
	if (!n->rx_starved || !virtio_net_rx_is_on(n))
		virtio_net_rx_run(n);
}

void virtio_net_set_link(struct virtio_net *n, bool up)
{
	n->link_wanted = up;
	if (n->link_up == up || n->held)
		return;
	n->link_up = up;
	n->dev.config[CFG_STATUS] ^= VIRTIO_NET_S_LINK_UP;
	virtio_config_changed(&n->dev);
	if (!up)
		virtio_net_tx_run_pairs(n, false);
	virtio_net_rx_run(n);
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
	uint64_t features = VIRTIO_NET_F_CSUM | GUEST_OFFLOADS | VIRTIO_NET_F_MTU |
			    VIRTIO_NET_F_MAC | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 |
			    VIRTIO_NET_F_HOST_ECN | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS |
			    VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX |
			    VIRTIO_NET_F_CTRL_GUEST_OFFLOADS | VIRTIO_NET_F_GUEST_ANNOUNCE;
	int r;

	if (cfg->n_pairs > VIRTIO_NET_PAIR_MAX) {
		free(n);
		return -EINVAL;
	}
	if (!n)
		return -ENOMEM;
	n->cfg = *cfg;
	n->n_pairs = (uint16_t)(cfg->n_pairs ? cfg->n_pairs : 1);
	n->n_active = 1;
	if (n->n_pairs > 1)
		features |= VIRTIO_NET_F_MQ;
	if (cfg->speed_mbps)
		features |= VIRTIO_NET_F_SPEED_DUPLEX;
	n->link_up = n->link_wanted = cfg->link_up;
	virtio_init(&n->dev, VIRTIO_ID_NET, cfg->mem, features, (uint16_t)(2 * n->n_pairs + 1),
		    QUEUE_SIZE, &net_ops, n);
	memcpy(n->dev.config + CFG_MAC, cfg->mac.b, MAC_LEN);
	n->dev.config[CFG_STATUS] = cfg->link_up ? VIRTIO_NET_S_LINK_UP : 0;
	store_le16(n->dev.config + CFG_MAX_PAIRS, n->n_pairs);
	store_le16(n->dev.config + CFG_MTU, cfg->mtu);
	store_le32(n->dev.config + CFG_SPEED, cfg->speed_mbps);
	n->dev.config[CFG_DUPLEX] = DUPLEX_FULL;
	n->dev.config_len = cfg->speed_mbps ? CFG_LEN : CFG_LEN_NO_SPEED;
	virtio_pci_init(&n->pci, &n->dev, CLASS_ETHERNET);
	/* Transmission goes on beside a guest whose engine can ring. The others are rare. */
	virtio_pci_set_bells(&n->pci, 1, 2, n->n_pairs);
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
	virtio_net_segments_drop(n);
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
		virtio_net_segments_drop(n);
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

/* Whether the card tells its speed; loading, it becomes one that does not where that was saved.
 * @version: the section's. */
static void speed_state(struct virtio_net *n, struct state *s, uint32_t version)
{
	bool has_speed = n->dev.offered & VIRTIO_NET_F_SPEED_DUPLEX, saved = has_speed;

	if (version >= 3)
		state_bool(s, &saved);
	else
		saved = false;
	state_expect(s, has_speed || !saved, "a card that tells its speed");
	if (!has_speed || saved || !state_ok(s))
		return;
	n->dev.offered &= ~VIRTIO_NET_F_SPEED_DUPLEX;
	virtio_pci_set_config_len(&n->pci, CFG_LEN_NO_SPEED);
}

/* What version 1 had: one pair. */
static void state_of_one_pair(struct virtio_net *n, struct state *s)
{
	bool blocked = false;

	state_bool(s, &blocked);
	state_bool(s, &n->rx_starved);
	state_u16(s, &n->tx_owed[0]);
	n->tx_blocked = blocked;
	n->rx_starved_pair = 0;
}

static void pairs_state(struct virtio_net *n, struct state *s)
{
	bool flows_ok = true;

	state_u16(s, &n->n_active);
	state_expect(s, n->n_active >= 1 && n->n_active <= pairs_known(n), "pairs that are not there");
	state_u64(s, &n->offloads);
	state_expect(s, !(n->offloads & ~(n->dev.accepted & GUEST_OFFLOADS)),
		     "offloads that were not negotiated");
	state_u8(s, &n->tx_blocked);
	state_expect(s, !(n->tx_blocked >> n->n_pairs), "a pair waits that is not there");
	state_u8(s, &n->tx_turn);
	state_expect(s, n->tx_turn < n->n_pairs, "the turn of a pair that is not there");
	state_bool(s, &n->rx_starved);
	state_u8(s, &n->rx_starved_pair);
	state_expect(s, n->rx_starved_pair < n->n_pairs, "a pair starves that is not there");
	for (unsigned i = 0; i < n->n_pairs; i++)
		state_u16(s, &n->tx_owed[i]);
	if (n->n_pairs == 1)
		return;
	state_bytes(s, n->flow, sizeof n->flow);
	for (size_t i = 0; i < sizeof n->flow; i++)
		flows_ok = flows_ok && n->flow[i] <= n->n_pairs;
	state_expect(s, flows_ok, "a flow of a pair that is not there");
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
	uint32_t version;

	memcpy(&mac, n->cfg.mac.b, MAC_LEN);
	version = state_begin(s, "vnet", index, 4);
	state_same(s, mac, "a hardware address");
	state_same(s, n->cfg.mtu, "an MTU");
	speed_state(n, s, version);
	virtio_pci_state(&n->pci, s);
	for (size_t i = 0; i < sizeof count / sizeof count[0]; i++)
		state_u64(s, count[i]);
	if (version >= 4)
		state_u64(s, &n->stats.rx_no_memory);
	state_bool(s, &n->link_up);
	state_bool(s, &announces);
	if (version == 1)
		state_of_one_pair(n, s);
	else
		pairs_state(n, s);
	segments_state(n, s);
	state_end(s);
	if (!state_is_load(s) || !state_ok(s))
		return;
	n->dev.config[CFG_STATUS] = (uint8_t)((n->link_up ? VIRTIO_NET_S_LINK_UP : 0) |
					      (announces ? VIRTIO_NET_S_ANNOUNCE : 0));
	n->held = n->kick_held = true;
}

/* ---- in the machine -------------------------------------------------------------- */

static void dev_state(void *dev, struct state *s, uint32_t index)
{
	virtio_net_state(dev, s, index);
}

static void dev_hold(void *dev, bool on)
{
	virtio_net_hold(dev, on);
}

static void dev_resumed(void *dev, bool is_loaded)
{
	if (is_loaded)
		virtio_net_announce(dev);
}

static void dev_between(void *dev)
{
	virtio_net_complete(dev);
}

static void dev_stats(void *dev, json_t *into)
{
	const struct virtio_net_stats *s = &((struct virtio_net *)dev)->stats;
	json_t *all = json_object_get(into, "nics");

	if (!all) {
		all = json_array();
		json_object_set_new(into, "nics", all);
	}
	json_array_append_new(all, json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "tx_frames",
					     (json_int_t)s->tx_frames, "tx_bytes", (json_int_t)s->tx_bytes,
					     "tx_malformed", (json_int_t)s->tx_malformed, "tx_link_down",
					     (json_int_t)s->tx_link_down, "tx_stalls", (json_int_t)s->tx_stalls,
					     "rx_frames", (json_int_t)s->rx_frames, "rx_bytes", (json_int_t)s->rx_bytes,
					     "rx_too_long", (json_int_t)s->rx_too_long, "rx_off", (json_int_t)s->rx_off,
					     "rx_malformed", (json_int_t)s->rx_malformed, "rx_no_memory",
					     (json_int_t)s->rx_no_memory, "rx_stalls", (json_int_t)s->rx_stalls));
}

/* clang-format off */
static const struct verb verbs[] = {
	{ "link", "sets the carrier of a NIC", NULL, 0, 0,
	  { { "nic", VERB_U32, true }, { "up", VERB_BOOLEAN, true }, { 0 } } },
	{ 0 },
};
/* clang-format on */

/* {"do":"link","nic":N,"up":BOOL} */
static bool dev_request(void *dev, uint32_t index, const char *what, json_t *msg, int *fd)
{
	json_t *up = json_object_get(msg, "up");

	(void)fd;
	if (strcmp(what, "link") != 0 || json_integer_value(json_object_get(msg, "nic")) != index)
		return false;
	if (json_is_boolean(up))
		virtio_net_set_link(dev, json_is_true(up));
	return true;
}

static void dev_free(void *dev)
{
	struct virtio_net *n = dev;
	struct ring_pair rings = n->own_rings;

	(void)virtio_net_free(n);
	ring_pair_detach(&rings);
}

const struct device_ops virtio_net_ops = { .name = "virtio-net",
					   .state = dev_state,
					   .hold = dev_hold,
					   .resumed = dev_resumed,
					   .between = dev_between,
					   .stats = dev_stats,
					   .verbs = verbs,
					   .request = dev_request,
					   .free = dev_free };

int virtio_net_make(const struct device_host *host, uint32_t index, struct device *ret_device)
{
	const struct machine_nic *nic = host->cfg->nics + index;
	struct virtio_net_config cfg = { .mem = host->mem, .loop = host->loop, .now = host->now,
					 .now_ctx = host->ctx, .n_pairs = host->cfg->cpus,
					 .lazy_completion = host->has_slices };
	struct ring_pair rings;
	struct virtio_net *n;
	int r;

	if (index >= host->cfg->n_nics)
		return -ENOENT;
	r = ring_pair_attach(&nic->ring, RING_MACHINE, &rings);
	if (r < 0)
		return r;
	cfg.mac = nic->mac;
	cfg.mtu = (uint16_t)nic->mtu;
	cfg.link_up = nic->link_up;
	cfg.speed_mbps = nic->speed_mbps;
	cfg.kick_fd = nic->ring.down_kick_fd;
	r = virtio_net_new(&cfg, &n);
	if (r < 0) {
		ring_pair_detach(&rings);
		return r;
	}
	n->own_rings = rings;
	n->cfg.rings = &n->own_rings;
	*ret_device = (struct device){ .ops = &virtio_net_ops, .dev = n, .pci = &n->pci.pci };
	return 0;
}
