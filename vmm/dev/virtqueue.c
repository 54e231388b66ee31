/* vmm/dev/virtqueue.c: the device's side of a split virtqueue.
 *
 * Three cursors run freely modulo 65,536: last_avail (taken), next_used
 * (returned, private) and published_used (what the guest sees). Between
 * vq_push() and vq_publish() a batch grows unseen; its one store of the used
 * index is a release, behind which all buffers and used elements lie.
 *
 * Nothing of a ring is read twice: the avail index once a pop, the head once,
 * a descriptor once by copying its 16 bytes. An indirect table is a single
 * descriptor whose buffer holds descriptors; a table within a table, and a
 * chain that goes on behind a table, are refused (§2.7.5.3.1).
 *
 * A queue with the event index that has chains which do not suffice (a frame
 * larger than the buffers given) asks from the guest's index on, not from its
 * own: from its own the guest would never notify again (vq_ask_more()).
 *
 * Used by: vmm/dev/virtio*.c.   Depends on: vmm/mem.h, core/wire.h.
 * Sources: virtio 1.2 §2.7. */
#include "vmm/dev/virtqueue.h"

#include "core/state.h"
#include "core/wire.h"

#include <string.h>

enum {
	DESC_SIZE = 16,
	DESC_F_NEXT = 1, /* §2.7.5 */
	DESC_F_WRITE = 2,
	DESC_F_INDIRECT = 4,
	AVAIL_F_NO_INTERRUPT = 1, /* §2.7.6 */
	USED_F_NO_NOTIFY = 1, /* §2.7.8 */
	RING_HEADER = 4, /* flags, idx */
	AVAIL_ELEM = 2,
	USED_ELEM = 8,
};

/* A descriptor, copied out of guest memory. */
struct desc {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags, next;
};

/* A table of descriptors, somewhere in RAM. */
struct table {
	const uint8_t *base;
	uint32_t n;
};

static uint16_t load_acquire16(const uint8_t *p)
{
	return __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_ACQUIRE);
}

static uint16_t load_once16(const uint8_t *p)
{
	return __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_RELAXED);
}

static void store_release16(uint8_t *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)(void *)p, v, __ATOMIC_RELEASE);
}

void vq_init(struct virtqueue *vq, struct mem *mem, uint16_t size_max)
{
	*vq = (struct virtqueue){ .mem = mem, .size = size_max, .size_max = size_max };
}

void vq_reset(struct virtqueue *vq)
{
	bool held = vq->held;

	vq_init(vq, vq->mem, vq->size_max);
	vq->held = held;
}

/* True when the rings may be read and written. */
static bool usable(const struct virtqueue *vq)
{
	return vq->enabled && !vq->broken && !vq->held;
}

static uint8_t *ring_at(const struct virtqueue *vq, uint64_t gpa, uint64_t len, uint64_t align)
{
	if (gpa & (align - 1))
		return NULL;
	return mem_ptr(vq->mem, gpa, len);
}

bool vq_enable(struct virtqueue *vq, bool event_idx, bool indirect)
{
	uint64_t n = vq->size;

	vq->broken = true;
	if (n == 0 || n > vq->size_max || (n & (n - 1)))
		return false;
	/* Both rings end with their event field, used or not (§2.7.6, §2.7.8). */
	vq->desc = ring_at(vq, vq->desc_gpa, n * DESC_SIZE, 16);
	vq->avail = ring_at(vq, vq->avail_gpa, RING_HEADER + n * AVAIL_ELEM + 2, 2);
	vq->used = ring_at(vq, vq->used_gpa, RING_HEADER + n * USED_ELEM + 2, 4);
	if (!vq->desc || !vq->avail || !vq->used)
		return false;
	vq->event_idx = event_idx;
	vq->indirect = indirect;
	vq->asked_notify = true;
	vq->enabled = true;
	vq->broken = false;
	return true;
}

bool vq_has_avail(const struct virtqueue *vq)
{
	return usable(vq) && load_acquire16(vq->avail + 2) != vq->last_avail;
}

/* Copies the @i-th descriptor of @t. False when there is none. */
static bool desc_load(const struct table *t, uint32_t i, struct desc *ret)
{
	uint8_t raw[DESC_SIZE];

	if (i >= t->n)
		return false;
	mem_fetch(raw, t->base + (size_t)i * DESC_SIZE, sizeof raw);
	ret->gpa = load_le64(raw);
	ret->len = load_le32(raw + 8);
	ret->flags = load_le16(raw + 12);
	ret->next = load_le16(raw + 14);
	return true;
}

/* Adds a buffer to the chain. False when it breaks the format. */
static bool chain_add(const struct virtqueue *vq, struct vq_chain *c, const struct desc *d)
{
	unsigned n = (unsigned)c->n_out + c->n_in;
	uint8_t *host;

	if (d->len == 0)
		return true; /* nothing to carry */
	/* All readable buffers come first (§2.7.4.2). */
	if (n >= VQ_SIZE_MAX || (!(d->flags & DESC_F_WRITE) && c->n_in))
		return false;
	if ((uint64_t)c->out_len + c->in_len + d->len > UINT32_MAX)
		return false;
	host = mem_ptr(vq->mem, d->gpa, d->len);
	if (!host)
		return false;
	c->seg[n] = (struct vq_seg){ .host = host, .gpa = d->gpa, .len = d->len };
	if (d->flags & DESC_F_WRITE) {
		c->n_in++;
		c->in_len += d->len;
	} else {
		c->n_out++;
		c->out_len += d->len;
	}
	return true;
}

/* The table an indirect descriptor names. False when it is not one. */
static bool table_enter(const struct virtqueue *vq, const struct desc *d, struct table *ret)
{
	/* INDIRECT and NEXT never stand together (§2.7.5.3.1); WRITE is
	 * ignored there (§2.7.5.3.2). */
	if (!vq->indirect || (d->flags & DESC_F_NEXT))
		return false;
	if (d->len == 0 || d->len % DESC_SIZE)
		return false;
	ret->base = mem_ptr(vq->mem, d->gpa, d->len);
	ret->n = d->len / DESC_SIZE;
	return ret->base != NULL;
}

/* Follows the chain from @head. A loop shows as a chain longer than the
 * queue, which no legal chain is. */
static bool chain_walk(const struct virtqueue *vq, uint16_t head, struct vq_chain *c)
{
	struct table t = { .base = vq->desc, .n = vq->size };
	struct desc d;
	uint32_t i = head;
	bool inside = false;

	for (unsigned n = 0; n <= vq->size; n++) {
		if (!desc_load(&t, i, &d))
			return false;
		if (d.flags & DESC_F_INDIRECT) {
			if (inside || !table_enter(vq, &d, &t))
				return false;
			inside = true;
			i = 0;
			continue;
		}
		if (n == vq->size && !inside)
			return false;
		if (!chain_add(vq, c, &d))
			return false;
		if (!(d.flags & DESC_F_NEXT))
			return true;
		i = d.next;
	}
	return false;
}

enum vq_pop vq_pop(struct virtqueue *vq, struct vq_chain *ret_chain)
{
	uint16_t idx, head;

	ret_chain->n_out = ret_chain->n_in = 0;
	ret_chain->out_len = ret_chain->in_len = 0;
	if (vq->broken)
		return VQ_BROKEN;
	if (!usable(vq))
		return VQ_EMPTY;
	idx = load_acquire16(vq->avail + 2);
	vq->seen_avail = idx;
	if (idx == vq->last_avail)
		return VQ_EMPTY;
	if ((uint16_t)(idx - vq->last_avail) > vq->size)
		goto broken;
	head = load_once16(vq->avail + RING_HEADER +
			   (size_t)(vq->last_avail & (vq->size - 1)) * AVAIL_ELEM);
	ret_chain->head = head;
	if (!chain_walk(vq, head, ret_chain))
		goto broken;
	vq->last_avail++;
	return VQ_GOT;
broken:
	vq->broken = true;
	return VQ_BROKEN;
}

void vq_unpop(struct virtqueue *vq, uint16_t n)
{
	vq->last_avail = (uint16_t)(vq->last_avail - n);
}

void vq_push(struct virtqueue *vq, uint16_t head, uint32_t len)
{
	size_t off = RING_HEADER + (size_t)(vq->next_used & (vq->size - 1)) * USED_ELEM;

	if (!usable(vq))
		return;
	store_le32(vq->used + off, head);
	store_le32(vq->used + off + 4, len);
	mem_dma_wrote(vq->mem, vq->used_gpa + off, USED_ELEM);
	vq->next_used++;
}

bool vq_publish(struct virtqueue *vq)
{
	uint16_t old = vq->published_used, new = vq->next_used, event;

	if (!usable(vq) || old == new)
		return false;
	store_release16(vq->used + 2, new);
	mem_dma_wrote(vq->mem, vq->used_gpa + 2, 2);
	vq->published_used = new;
	/* The guest writes its event, then looks at the index; we the other
	 * way round. The fence makes one of us see the other. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vq->event_idx)
		return !(load_once16(vq->avail) & AVAIL_F_NO_INTERRUPT);
	event = load_once16(vq->avail + RING_HEADER + (size_t)vq->size * AVAIL_ELEM);
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old); /* §2.7.7.2 */
}

/* Puts the wish to be notified where the guest looks. With the event index,
 * not asking is leaving an old index there. */
static void notify_wish(struct virtqueue *vq, bool on)
{
	size_t event_off = RING_HEADER + (size_t)vq->size * USED_ELEM;

	if (vq->event_idx && on) {
		store_release16(vq->used + event_off, vq->seen_avail);
		mem_dma_wrote(vq->mem, vq->used_gpa + event_off, 2);
	} else if (!vq->event_idx && on != vq->asked_notify) {
		store_release16(vq->used, on ? 0 : USED_F_NO_NOTIFY);
		mem_dma_wrote(vq->mem, vq->used_gpa, 2);
	}
	vq->asked_notify = on;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool vq_ask_notify(struct virtqueue *vq, bool on)
{
	if (!usable(vq))
		return false;
	notify_wish(vq, on);
	return on && vq_has_avail(vq);
}

bool vq_ask_more(struct virtqueue *vq)
{
	if (!usable(vq))
		return false;
	notify_wish(vq, true);
	return load_acquire16(vq->avail + 2) != vq->seen_avail;
}

/* One piece of at most @left bytes at @cur of a half. False at its end. */
static bool cursor_step(const struct vq_seg *half, uint16_t n, struct vq_cursor *cur,
			size_t left, struct vq_seg *ret_piece)
{
	const struct vq_seg *s;

	if (left == 0 || cur->seg >= n)
		return false;
	s = &half[cur->seg];
	*ret_piece = (struct vq_seg){ .host = s->host + cur->off, .gpa = s->gpa + cur->off,
				      .len = s->len - cur->off };
	if (ret_piece->len > left) {
		ret_piece->len = (uint32_t)left;
		cur->off += (uint32_t)left;
	} else {
		cur->seg++;
		cur->off = 0;
	}
	return true;
}

size_t vq_read(const struct vq_chain *c, struct vq_cursor *cur, void *dst, size_t len)
{
	struct vq_seg piece;
	size_t done = 0;

	while (cursor_step(c->seg, c->n_out, cur, len - done, &piece)) {
		mem_fetch((uint8_t *)dst + done, piece.host, piece.len);
		done += piece.len;
	}
	return done;
}

size_t vq_write(struct mem *mem, const struct vq_chain *c, struct vq_cursor *cur,
		const void *src, size_t len)
{
	struct vq_seg piece;
	size_t done = 0;

	while (cursor_step(c->seg + c->n_out, c->n_in, cur, len - done, &piece)) {
		memcpy(piece.host, (const uint8_t *)src + done, piece.len);
		mem_dma_wrote(mem, piece.gpa, piece.len);
		done += piece.len;
	}
	return done;
}

void vq_state(struct virtqueue *vq, struct state *s)
{
	struct virtqueue v = *vq;
	uint16_t *const cursor[] = { &v.last_avail, &v.seen_avail, &v.next_used, &v.published_used };
	bool *const flag[] = { &v.event_idx, &v.indirect, &v.enabled, &v.broken, &v.asked_notify };

	state_u64(s, &v.desc_gpa);
	state_u64(s, &v.avail_gpa);
	state_u64(s, &v.used_gpa);
	state_u16(s, &v.size);
	for (size_t i = 0; i < sizeof cursor / sizeof cursor[0]; i++)
		state_u16(s, cursor[i]);
	for (size_t i = 0; i < sizeof flag / sizeof flag[0]; i++)
		state_bool(s, flag[i]);
	if (!state_is_load(s) || !state_ok(s))
		return;
	*vq = v;
	if (!v.enabled)
		return;
	vq->enabled = false;
	if (!vq_enable(vq, v.event_idx, v.indirect)) {
		state_expect(s, false, "a queue whose rings are not in memory");
		return;
	}
	vq->broken = v.broken;
	vq->asked_notify = v.asked_notify;
}
