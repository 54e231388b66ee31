/* vmm/dev/virtio_vsock.c: a virtio socket device: queues, packets, state.
 *
 * Connections, and the host's end of each, are virtio_vsock_conn.c's. Here a
 * packet of the guest finds its connection, and a buffer of the guest finds
 * something to carry: first the answers to packets of no connection, then the
 * connections that have something due, in turn, one packet each.
 *
 * Nothing for the guest is queued but those answers (VIRTIO_VSOCK_RST_MAX of
 * them): what a connection owes is flags, and its data stay in the host's
 * socket until there are a buffer and credit. When the answers are too many
 * because the guest takes none, its packets stay in its queue (§5.10.6.1.1);
 * so both sides can fill their queues and nothing is lost or grows.
 *
 * Bounded: VIRTIO_VSOCK_CONN_MAX connections, each with VIRTIO_VSOCK_BUF_LEN
 * bytes at most that a slow reader of the host has not taken: 16 MiB for the
 * worst guest. When the table is full, one that is over for us but that the
 * guest has not let go of is evicted, the oldest first; if there is none, new
 * ones are refused.
 *
 * Packets that are not from the guest's context ID or not to the host's are
 * dropped: there is nobody else here.
 *
 * Used by: vmm/devices.c.   Depends on: vmm/dev/virtio_pci.h.
 * Sources: virtio 1.2 §5.10. */
#include "vmm/dev/virtio_vsock.h"

#include "core/state.h"
#include "core/verb.h"
#include "core/wire.h"
#include "vmm/dev/virtio_vsock_impl.h"
#include "vmm/devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { QUEUE_SIZE = 64, CLASS_OTHER_NETWORK = 0x028000, CFG_LEN = 8, EVENT_LEN = 4,
       EVENT_TRANSPORT_RESET = 0 /* §5.10.6.7 */, FIRST_PORT = 49152, TOKEN_SHIFT = 8 };
_Static_assert(VIRTIO_VSOCK_CONN_MAX <= 1 << TOKEN_SHIFT, "a token holds the place");

/* ---- packets ------------------------------------------------------------------- */

static struct vsock_hdr hdr_load(const uint8_t *p)
{
	return (struct vsock_hdr){ .src_cid = load_le64(p), .dst_cid = load_le64(p + 8),
				   .src_port = load_le32(p + 16), .dst_port = load_le32(p + 20),
				   .len = load_le32(p + 24), .type = load_le16(p + 28),
				   .op = load_le16(p + 30), .flags = load_le32(p + 32),
				   .buf_alloc = load_le32(p + 36), .fwd_cnt = load_le32(p + 40) };
}

static void hdr_store(uint8_t *p, const struct vsock_hdr *h)
{
	store_le64(p, h->src_cid);
	store_le64(p + 8, h->dst_cid);
	store_le32(p + 16, h->src_port);
	store_le32(p + 20, h->dst_port);
	store_le32(p + 24, h->len);
	store_le16(p + 28, h->type);
	store_le16(p + 30, h->op);
	store_le32(p + 32, h->flags);
	store_le32(p + 36, h->buf_alloc);
	store_le32(p + 40, h->fwd_cnt);
}

/* ---- to the guest ---------------------------------------------------------------- */

void vsock_rst_push(struct virtio_vsock *v, uint32_t guest_port, uint32_t host_port)
{
	v->rst[(v->rst_at + v->n_rst++) % VIRTIO_VSOCK_RST_MAX] =
		(struct vsock_rst){ guest_port, host_port };
}

/* Writes the packet into v->chain, data from v->scratch. */
static void put_packet(struct virtio_vsock *v, struct vsock_hdr *h)
{
	struct virtqueue *vq = &v->dev.queue[VIRTIO_VSOCK_RXQ];
	uint8_t raw[VIRTIO_VSOCK_HDR_LEN];
	struct vq_cursor cur = { 0 };

	h->src_cid = VIRTIO_VSOCK_HOST_CID;
	h->dst_cid = v->cfg.cid;
	h->type = VIRTIO_VSOCK_TYPE_STREAM;
	hdr_store(raw, h);
	(void)vq_write(vq->mem, &v->chain, &cur, raw, sizeof raw);
	(void)vq_write(vq->mem, &v->chain, &cur, v->scratch, h->len);
	vq_push(vq, v->chain.head, VIRTIO_VSOCK_HDR_LEN + h->len);
	v->stats.resets += h->op == VIRTIO_VSOCK_OP_RST;
	v->stats.rx_bytes += h->len;
}

/* The next connection with something due, from v->turn on. NULL: none. */
static struct vsock_conn *next_due(struct virtio_vsock *v)
{
	const unsigned words = VIRTIO_VSOCK_CONN_MAX / 64;

	for (unsigned i = 0; i <= words; i++) {
		unsigned w = (v->turn / 64 + i) % words;
		uint64_t bits = v->due[w];

		if (i == 0)
			bits &= ~UINT64_C(0) << v->turn % 64;
		if (bits)
			return &v->conn[64 * w + (unsigned)__builtin_ctzll(bits)];
	}
	return NULL;
}

/* Fills the buffer in v->chain. False when there was nothing to put after all. */
static bool rx_one(struct virtio_vsock *v)
{
	struct vsock_hdr h = { 0 };
	struct vsock_conn *c;

	/* No room for a byte behind the header: the driver's fault (§5.10.6.4). */
	if (v->chain.in_len <= VIRTIO_VSOCK_HDR_LEN) {
		virtio_break(&v->dev);
		return false;
	}
	if (v->n_rst) {
		h.op = VIRTIO_VSOCK_OP_RST;
		h.src_port = v->rst[v->rst_at].host_port;
		h.dst_port = v->rst[v->rst_at].guest_port;
		v->rst_at = (v->rst_at + 1) % VIRTIO_VSOCK_RST_MAX;
		v->n_rst--;
		put_packet(v, &h);
		return true;
	}
	c = next_due(v);
	if (!c)
		return false;
	v->turn = (unsigned)(c - v->conn + 1) % VIRTIO_VSOCK_CONN_MAX;
	if (!vsock_conn_give(c, v->chain.in_len - VIRTIO_VSOCK_HDR_LEN, &h))
		return false;
	put_packet(v, &h);
	vsock_conn_given(c, &h);
	return true;
}

void vsock_rx_run(struct virtio_vsock *v)
{
	struct virtqueue *vq = &v->dev.queue[VIRTIO_VSOCK_RXQ];
	bool again = true;

	if (v->busy || v->held)
		return;
	while (again && virtio_live(&v->dev)) {
		again = false;
		(void)vq_ask_notify(vq, false);
		while (v->n_rst || next_due(v)) {
			if (!virtio_pop(&v->dev, VIRTIO_VSOCK_RXQ, &v->chain)) {
				again = vq_ask_notify(vq, true);
				break;
			}
			if (!rx_one(v))
				vq_unpop(vq, 1);
		}
		virtio_publish(&v->dev, VIRTIO_VSOCK_RXQ);
	}
}

/* Tells the guest that its connections are gone, when it is to be told and can be. */
static void event_run(struct virtio_vsock *v)
{
	struct virtqueue *vq = &v->dev.queue[VIRTIO_VSOCK_EVENTQ];
	uint8_t event[EVENT_LEN];
	struct vq_cursor cur = { 0 };

	if (!v->reset_due || v->held)
		return;
	do {
		if (!virtio_pop(&v->dev, VIRTIO_VSOCK_EVENTQ, &v->chain))
			continue;
		store_le32(event, EVENT_TRANSPORT_RESET);
		vq_push(vq, v->chain.head,
			(uint32_t)vq_write(vq->mem, &v->chain, &cur, event, sizeof event));
		virtio_publish(&v->dev, VIRTIO_VSOCK_EVENTQ);
		v->reset_due = false;
	} while (v->reset_due && virtio_live(&v->dev) && vq_ask_notify(vq, true));
}

/* ---- from the guest ---------------------------------------------------------------- */

static void refuse(struct virtio_vsock *v, const struct vsock_hdr *h)
{
	v->stats.refused++;
	vsock_rst_push(v, h->src_port, h->dst_port);
}

/* The guest asks for a port of the host. */
static void dial(struct virtio_vsock *v, const struct vsock_hdr *h)
{
	struct vsock_conn *c = NULL;

	if (v->n_rst < VIRTIO_VSOCK_RST_MAX - 1) /* one may be evicted, which is an answer more */
		c = vsock_conn_new(v, h->src_port, h->dst_port, VSOCK_DIALING);
	if (!c) {
		refuse(v, h);
		return;
	}
	c->peer_buf_alloc = h->buf_alloc;
	c->peer_fwd_cnt = h->fwd_cnt;
	v->cfg.dial(v->cfg.ctx, h->dst_port,
		    c->generation << TOKEN_SHIFT | (uint32_t)(c - v->conn));
}

/* The packet in v->chain.   Source: §5.10.6.6 */
static void take_packet(struct virtio_vsock *v)
{
	uint8_t raw[VIRTIO_VSOCK_HDR_LEN];
	struct vq_cursor cur = { 0 };
	struct vsock_conn *c;
	struct vsock_hdr h;

	if (vq_read(&v->chain, &cur, raw, sizeof raw) != sizeof raw) {
		v->stats.malformed++;
		return;
	}
	h = hdr_load(raw);
	if (h.src_cid != v->cfg.cid || h.dst_cid != VIRTIO_VSOCK_HOST_CID ||
	    h.len > v->chain.out_len - VIRTIO_VSOCK_HDR_LEN) {
		v->stats.malformed++;
		return;
	}
	c = vsock_find(v, h.src_port, h.dst_port);
	if (h.type != VIRTIO_VSOCK_TYPE_STREAM) {
		if (h.op != VIRTIO_VSOCK_OP_RST)
			refuse(v, &h);
	} else if (c) {
		vsock_conn_take(c, &h, &cur);
	} else if (h.op == VIRTIO_VSOCK_OP_REQUEST) {
		dial(v, &h);
	} else if (h.op != VIRTIO_VSOCK_OP_RST) {
		vsock_rst_push(v, h.src_port, h.dst_port);
	}
}

/* Takes the guest's packets as long as their answers have room. */
static void tx_run(struct virtio_vsock *v)
{
	struct virtqueue *vq = &v->dev.queue[VIRTIO_VSOCK_TXQ];

	v->busy = true; /* v->chain is ours */
	do {
		(void)vq_ask_notify(vq, false);
		while (v->n_rst < VIRTIO_VSOCK_RST_MAX &&
		       virtio_pop(&v->dev, VIRTIO_VSOCK_TXQ, &v->chain)) {
			uint16_t head = v->chain.head;

			take_packet(v);
			vq_push(vq, head, 0);
		}
		virtio_publish(&v->dev, VIRTIO_VSOCK_TXQ);
		v->tx_waits = v->n_rst == VIRTIO_VSOCK_RST_MAX;
	} while (!v->tx_waits && virtio_live(&v->dev) && vq_ask_notify(vq, true));
	v->busy = false;
}

static void run(struct virtio_vsock *v)
{
	if (v->held)
		return;
	do {
		tx_run(v);
		vsock_rx_run(v);
	} while (v->tx_waits && v->n_rst < VIRTIO_VSOCK_RST_MAX && virtio_live(&v->dev));
}

/* ---- the device --------------------------------------------------------------------- */

static void on_notify(void *ctx, unsigned q)
{
	struct virtio_vsock *v = ctx;

	if (q == VIRTIO_VSOCK_EVENTQ)
		event_run(v);
	else
		run(v);
}

static void on_started(void *ctx)
{
	event_run(ctx);
	run(ctx);
}

static void drop_all(struct virtio_vsock *v)
{
	for (unsigned i = 0; i < VIRTIO_VSOCK_CONN_MAX; i++)
		if (v->conn[i].state != VSOCK_FREE)
			vsock_conn_drop(&v->conn[i]);
	v->n_rst = v->rst_at = 0;
	v->tx_waits = false;
}

static void on_reset(void *ctx)
{
	struct virtio_vsock *v = ctx;

	drop_all(v);
	v->reset_due = false; /* a new driver has no connections */
}

static const struct virtio_ops vsock_ops = { .notify = on_notify, .started = on_started,
					     .reset = on_reset };

int virtio_vsock_new(const struct virtio_vsock_config *cfg, struct virtio_vsock **ret_vsock)
{
	struct virtio_vsock *v = calloc(1, sizeof *v);

	if (!v)
		return -ENOMEM;
	v->cfg = *cfg;
	v->next_port = FIRST_PORT;
	for (unsigned i = 0; i < VIRTIO_VSOCK_CONN_MAX; i++) {
		v->conn[i].v = v;
		v->conn[i].fd = -1;
	}
	virtio_init(&v->dev, VIRTIO_ID_VSOCK, cfg->mem, 0, VIRTIO_VSOCK_QUEUE_COUNT, QUEUE_SIZE,
		    &vsock_ops, v);
	store_le64(v->dev.config, cfg->cid);
	v->dev.config_len = CFG_LEN;
	virtio_pci_init(&v->pci, &v->dev, CLASS_OTHER_NETWORK);
	*ret_vsock = v;
	return 0;
}

struct virtio_vsock *virtio_vsock_free(struct virtio_vsock *v)
{
	if (!v)
		return NULL;
	drop_all(v);
	free(v);
	return NULL;
}

/* ---- the host's side ------------------------------------------------------------------ */

/* A port of ours that no connection has; there are more ports than connections. */
static uint32_t pick_port(struct virtio_vsock *v)
{
	bool used;
	uint32_t port;

	do {
		port = v->next_port++;
		if (v->next_port == UINT32_MAX)
			v->next_port = FIRST_PORT;
		used = false;
		for (unsigned i = 0; i < VIRTIO_VSOCK_CONN_MAX && !used; i++)
			used = v->conn[i].state != VSOCK_FREE && v->conn[i].host_port == port;
	} while (used);
	return port;
}

void virtio_vsock_connect(struct virtio_vsock *v, uint32_t port, int fd)
{
	struct vsock_conn *c = NULL;

	if (virtio_live(&v->dev) && v->n_rst < VIRTIO_VSOCK_RST_MAX)
		c = vsock_conn_new(v, port, pick_port(v), VSOCK_REQUESTED);
	if (!c) {
		v->stats.refused++;
		(void)close(fd);
		return;
	}
	vsock_conn_asks(c, fd);
	vsock_rx_run(v);
}

void virtio_vsock_answer(struct virtio_vsock *v, uint32_t token, int fd)
{
	struct vsock_conn *c = &v->conn[token % VIRTIO_VSOCK_CONN_MAX];

	if (c->state != VSOCK_DIALING || c->generation << TOKEN_SHIFT !=
	    (token & ~((UINT32_C(1) << TOKEN_SHIFT) - 1))) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	vsock_conn_dialed(c, fd);
	vsock_rx_run(v);
}

void virtio_vsock_hold(struct virtio_vsock *v, bool on)
{
	v->held = on;
	if (on)
		return;
	event_run(v);
	run(v);
}

/* ---- state ------------------------------------------------------------------------------ */

void virtio_vsock_state(struct virtio_vsock *v, struct state *s)
{
	uint64_t *const count[] = { &v->stats.from_guest, &v->stats.from_host, &v->stats.refused,
				    &v->stats.evicted, &v->stats.tx_bytes, &v->stats.rx_bytes,
				    &v->stats.malformed, &v->stats.resets };
	bool reset_due = v->reset_due || v->n_rst;

	for (unsigned i = 0; i < VIRTIO_VSOCK_CONN_MAX && !reset_due; i++)
		reset_due = v->conn[i].state != VSOCK_FREE;
	(void)state_begin(s, "vsok", 0, 1);
	state_same(s, v->cfg.cid, "a context ID");
	virtio_pci_state(&v->pci, s);
	for (size_t i = 0; i < sizeof count / sizeof count[0]; i++)
		state_u64(s, count[i]);
	state_bool(s, &reset_due);
	state_u32(s, &v->next_port);
	state_expect(s, v->next_port >= FIRST_PORT && v->next_port != UINT32_MAX, "a port that is not given");
	state_end(s);
	if (!state_is_load(s) || !state_ok(s))
		return;
	drop_all(v);
	v->reset_due = reset_due;
	v->held = true;
}

/* ---- in the machine -------------------------------------------------------------- */

static void dev_state(void *dev, struct state *s, uint32_t index)
{
	(void)index;
	virtio_vsock_state(dev, s);
}

static void dev_hold(void *dev, bool on)
{
	virtio_vsock_hold(dev, on);
}

/* The guest asks for a port of the host: the supervisor is told, and answers. Without one
 * nobody is there. */
static void dev_dial(void *ctx, uint32_t port, uint32_t token)
{
	struct virtio_vsock *v = ctx;
	const struct device_host *host = v->host;

	if (!host->tell(host->ctx, json_pack("{s:s,s:I,s:I}", "event", "vsock-dial", "port",
					     (json_int_t)port, "token", (json_int_t)token)))
		virtio_vsock_answer(v, token, -1);
}

/* clang-format off */
static const struct verb verbs[] = {
	{ "vsock-connect", "hands a host's stream to the guest's port", NULL, 0, 1,
	  { { "port", VERB_U32, true }, { 0 } } },
	{ "vsock-answer", "hands the stream that the guest dialled; without one nobody is there", NULL, 0, 1,
	  { { "token", VERB_U32, true }, { 0 } } },
	{ 0 },
};
/* clang-format on */

/* {"do":"vsock-answer","token":N} and {"do":"vsock-connect","port":N}, with a stream of the
 * host's that is taken over; an answer without one says that nobody is there. */
static bool dev_request(void *dev, uint32_t index, const char *what, json_t *msg, int *fd)
{
	json_int_t port = json_integer_value(json_object_get(msg, "port"));
	json_int_t token = json_integer_value(json_object_get(msg, "token"));
	bool is_answer = strcmp(what, "vsock-answer") == 0;

	(void)index;
	if (!is_answer && strcmp(what, "vsock-connect") != 0)
		return false;
	if (is_answer && token >= 0 && token <= UINT32_MAX) {
		virtio_vsock_answer(dev, (uint32_t)token, *fd);
		*fd = -1;
	} else if (!is_answer && *fd >= 0 && port >= 0 && port <= UINT32_MAX) {
		virtio_vsock_connect(dev, (uint32_t)port, *fd);
		*fd = -1;
	}
	return true;
}

static void dev_free(void *dev)
{
	(void)virtio_vsock_free(dev);
}

const struct device_ops virtio_vsock_ops = { .name = "virtio-vsock",
					     .state = dev_state,
					     .hold = dev_hold,
					     .verbs = verbs,
					     .request = dev_request,
					     .free = dev_free };

int virtio_vsock_make(const struct device_host *host, uint32_t index, struct device *ret_device)
{
	struct virtio_vsock_config cfg = { .mem = host->mem, .loop = host->loop,
					   .cid = host->cfg->vsock_cid, .dial = dev_dial };
	struct virtio_vsock *v;
	int r;

	(void)index;
	if (!host->cfg->vsock_cid)
		return -ENOENT;
	r = virtio_vsock_new(&cfg, &v);
	if (r < 0)
		return r;
	v->host = host;
	v->cfg.ctx = v;
	*ret_device = (struct device){ .ops = &virtio_vsock_ops, .dev = v, .pci = &v->pci.pci };
	return 0;
}
