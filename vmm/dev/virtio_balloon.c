/* vmm/dev/virtio_balloon.c: a virtio memory balloon with free page reporting.
 *
 * The guest names pages it will not use: those it puts into the balloon because
 * it was asked (numbers of 4 KiB pages), and, with free page reporting, blocks
 * that lie on its free list (as device-writable buffers, which nobody writes).
 * Both are taken from the guest's RAM with mem_discard(): the host's resident
 * set shrinks at once, and the guest finds zeros should it touch them again.
 * Nothing has to be done when pages leave the balloon: memory is lazy.
 *
 * What a hostile guest can do is lose its own memory. Page numbers and ranges
 * outside RAM are counted and passed over; of one chain's page numbers at most
 * READS_MAX × PFNS_AT_ONCE are looked at (Linux sends 256).
 *
 * Statistics: the guest gives one buffer with the first figures in it; giving
 * it back asks for new ones. So one buffer is held here all the time, and
 * another one that comes meanwhile takes its place.
 *
 * PAGE_POISON is not offered: a guest that poisons its free pages then leaves
 * reporting out, which is right, for it would find zeros.
 *
 * Used by: vmm/devices.c.   Depends on: vmm/dev/virtio_pci.h, vmm/mem.h.
 * Sources: virtio 1.2 §5.5. */
#include "vmm/dev/virtio_balloon.h"

#include "core/state.h"
#include "core/verb.h"
#include "core/wire.h"
#include "vmm/devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_SIZE = 128, CLASS_OTHER = 0xFF0000, PFN_SHIFT = 12, PFNS_AT_ONCE = 256,
       READS_MAX = 64, STAT_LEN = 10 };
/* The configuration space (§5.5.4). */
enum { CFG_NUM_PAGES = 0, CFG_ACTUAL = 4, CFG_LEN = 8 };

/* Gives [pfn, pfn+n) back. */
static void discard_run(struct virtio_balloon *b, uint64_t pfn, uint64_t n)
{
	if (!n)
		return;
	if (mem_discard(b->mem, pfn << PFN_SHIFT, n << PFN_SHIFT))
		b->inflated_bytes += n << PFN_SHIFT;
	else
		b->n_bad++;
}

/* Page numbers that follow each other are given back in one go; the guest
 * names them upwards or downwards.   Source: §5.5.6.1 */
static void inflate_chain(struct virtio_balloon *b)
{
	uint8_t raw[4 * PFNS_AT_ONCE];
	struct vq_cursor cur = { 0 };
	uint64_t first = 0, n = 0;
	size_t len;

	for (unsigned i = 0; i < READS_MAX; i++) {
		len = vq_read(&b->chain, &cur, raw, sizeof raw);

		for (size_t at = 0; at + 4 <= len; at += 4) {
			uint64_t pfn = load_le32(raw + at);

			if (n && pfn == first + n) {
				n++;
			} else if (n && pfn + 1 == first) {
				first--;
				n++;
			} else {
				discard_run(b, first, n);
				first = pfn;
				n = 1;
			}
		}
	}
	discard_run(b, first, n);
}

/* Ranges the guest does not use now.   Source: §5.5.6.7 */
static void report_chain(struct virtio_balloon *b)
{
	const struct vq_chain *c = &b->chain;

	for (uint16_t i = c->n_out; i < c->n_out + c->n_in; i++) {
		if (mem_discard(b->mem, c->seg[i].gpa, c->seg[i].len))
			b->reported_bytes += c->seg[i].len;
		else
			b->n_bad++;
	}
}

/* The guest's figures.   Source: §5.5.6.3 */
static void stats_chain(struct virtio_balloon *b)
{
	uint8_t raw[STAT_LEN];
	struct vq_cursor cur = { 0 };

	for (unsigned i = 0; i < 2 * VIRTIO_BALLOON_S_COUNT; i++) {
		uint16_t tag;

		if (vq_read(&b->chain, &cur, raw, sizeof raw) != sizeof raw)
			break;
		tag = load_le16(raw);
		if (tag < VIRTIO_BALLOON_S_COUNT)
			b->stat[tag] = load_le64(raw + 2);
	}
	if (b->stats_held)
		vq_push(&b->dev.queue[VIRTIO_BALLOON_STATSQ], b->stats_head, 0);
	b->stats_head = b->chain.head;
	b->stats_held = true;
}

static bool is_statsq(const struct virtio_balloon *b, unsigned q)
{
	return q == VIRTIO_BALLOON_STATSQ && virtio_has(&b->dev, VIRTIO_BALLOON_F_STATS_VQ);
}

static void on_notify(void *ctx, unsigned q)
{
	struct virtio_balloon *b = ctx;
	struct virtqueue *vq = &b->dev.queue[q];

	do {
		while (virtio_pop(&b->dev, q, &b->chain)) {
			if (is_statsq(b, q)) {
				stats_chain(b);
				continue;
			}
			if (q == VIRTIO_BALLOON_INFLATEQ)
				inflate_chain(b);
			else if (q != VIRTIO_BALLOON_DEFLATEQ &&
				 virtio_has(&b->dev, VIRTIO_BALLOON_F_PAGE_REPORTING))
				report_chain(b);
			vq_push(vq, b->chain.head, 0);
		}
		virtio_publish(&b->dev, q);
	} while (vq_ask_notify(vq, true) && virtio_live(&b->dev));
}

static void on_started(void *ctx)
{
	struct virtio_balloon *b = ctx;

	for (unsigned q = 0; q < VIRTIO_BALLOON_QUEUE_COUNT; q++)
		if (b->dev.queue[q].enabled)
			on_notify(b, q);
}

static void forget(struct virtio_balloon *b)
{
	b->stats_held = false;
	memset(b->stat, 0xFF, sizeof b->stat);
	memset(b->dev.config + CFG_ACTUAL, 0, 4);
}

static void on_reset(void *ctx)
{
	forget(ctx);
}

/* The driver tells the balloon's size; nothing else is its to write. */
static void on_config_write(void *ctx, unsigned off, unsigned size, uint64_t v)
{
	struct virtio_balloon *b = ctx;

	if (off == CFG_ACTUAL && size == 4)
		store_le32(b->dev.config + CFG_ACTUAL, (uint32_t)v);
}

static const struct virtio_ops balloon_ops = { .notify = on_notify, .started = on_started,
					       .reset = on_reset,
					       .config_write = on_config_write };

void virtio_balloon_set_target(struct virtio_balloon *b, uint64_t bytes)
{
	uint64_t most = b->mem->size_bytes;
	uint32_t pages = (uint32_t)((bytes < most ? bytes : most) >> PFN_SHIFT);

	b->wanted_bytes = bytes;
	if (b->held || load_le32(b->dev.config + CFG_NUM_PAGES) == pages)
		return;
	store_le32(b->dev.config + CFG_NUM_PAGES, pages);
	virtio_config_changed(&b->dev);
}

uint64_t virtio_balloon_target(const struct virtio_balloon *b)
{
	return (uint64_t)load_le32(b->dev.config + CFG_NUM_PAGES) << PFN_SHIFT;
}

uint64_t virtio_balloon_actual(const struct virtio_balloon *b)
{
	return (uint64_t)load_le32(b->dev.config + CFG_ACTUAL) << PFN_SHIFT;
}

void virtio_balloon_ask_stats(struct virtio_balloon *b)
{
	if (b->held || !b->stats_held || !virtio_live(&b->dev))
		return;
	b->stats_held = false;
	vq_push(&b->dev.queue[VIRTIO_BALLOON_STATSQ], b->stats_head, 0);
	virtio_publish(&b->dev, VIRTIO_BALLOON_STATSQ);
}

int virtio_balloon_new(struct mem *mem, struct virtio_balloon **ret_balloon)
{
	struct virtio_balloon *b = calloc(1, sizeof *b);

	if (!b)
		return -ENOMEM;
	b->mem = mem;
	virtio_init(&b->dev, VIRTIO_ID_BALLOON, mem,
		    VIRTIO_BALLOON_F_STATS_VQ | VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
			    VIRTIO_BALLOON_F_PAGE_REPORTING,
		    VIRTIO_BALLOON_QUEUE_COUNT, QUEUE_SIZE, &balloon_ops, b);
	b->dev.config_len = CFG_LEN;
	forget(b);
	virtio_pci_init(&b->pci, &b->dev, CLASS_OTHER);
	*ret_balloon = b;
	return 0;
}

void virtio_balloon_hold(struct virtio_balloon *b, bool on)
{
	b->held = on;
	if (!on)
		virtio_balloon_set_target(b, b->wanted_bytes);
}

struct virtio_balloon *virtio_balloon_free(struct virtio_balloon *b)
{
	free(b);
	return NULL;
}

void virtio_balloon_state(struct virtio_balloon *b, struct state *s)
{
	(void)state_begin(s, "vbal", 0, 1);
	virtio_pci_state(&b->pci, s);
	state_bytes(s, b->dev.config, CFG_LEN);
	state_u64(s, &b->inflated_bytes);
	state_u64(s, &b->reported_bytes);
	state_u64(s, &b->n_bad);
	state_u64s(s, b->stat, VIRTIO_BALLOON_S_COUNT);
	state_bool(s, &b->stats_held);
	state_u16(s, &b->stats_head);
	state_end(s);
	if (!state_is_load(s) || !state_ok(s))
		return;
	b->held = true;
	b->wanted_bytes = virtio_balloon_target(b);
}

/* ---- in the machine -------------------------------------------------------------- */

static void dev_state(void *dev, struct state *s, uint32_t index)
{
	(void)index;
	virtio_balloon_state(dev, s);
}

static void dev_hold(void *dev, bool on)
{
	virtio_balloon_hold(dev, on);
}

/* A figure that the guest did not tell is -1. Its own figures are those it gave last; it is
 * asked for new ones. */
static void dev_stats(void *dev, json_t *into)
{
	struct virtio_balloon *b = dev;

	json_object_set_new(
		into, "balloon",
		json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "target", (json_int_t)virtio_balloon_target(b),
			  "actual", (json_int_t)virtio_balloon_actual(b), "inflated",
			  (json_int_t)b->inflated_bytes, "reported", (json_int_t)b->reported_bytes,
			  "guest_free", (json_int_t)b->stat[VIRTIO_BALLOON_S_FREE],
			  "guest_available", (json_int_t)b->stat[VIRTIO_BALLOON_S_AVAILABLE]));
	virtio_balloon_ask_stats(b);
}

static const struct verb verbs[] = {
	{ "balloon", "sets how much memory the guest is asked to give to the host", NULL, 0, 0, { { "bytes", VERB_U56, true }, { 0 } } },
	{ 0 },
};

/* {"do":"balloon","bytes":N} */
static bool dev_request(void *dev, uint32_t index, const char *what, json_t *msg, int *fd)
{
	json_int_t bytes = json_integer_value(json_object_get(msg, "bytes"));

	(void)index;
	(void)fd;
	if (strcmp(what, "balloon") != 0)
		return false;
	if (bytes >= 0)
		virtio_balloon_set_target(dev, (uint64_t)bytes);
	return true;
}

static void dev_free(void *dev)
{
	(void)virtio_balloon_free(dev);
}

const struct device_ops virtio_balloon_ops = { .name = "virtio-balloon",
					       .state = dev_state,
					       .hold = dev_hold,
					       .stats = dev_stats,
					       .verbs = verbs,
					       .request = dev_request,
					       .free = dev_free };

int virtio_balloon_make(const struct device_host *host, uint32_t index, struct device *ret_device)
{
	struct virtio_balloon *b;
	int r = virtio_balloon_new(host->mem, &b);

	(void)index;
	if (r == 0)
		*ret_device = (struct device){ .ops = &virtio_balloon_ops, .dev = b, .pci = &b->pci.pci };
	return r;
}
