/* tests/vmm/vguest.c: a small guest driver for virtio devices.
 *
 * Descriptors are handed out in a circle and never tracked: a test keeps fewer
 * in flight than the queue has.
 *
 * Used by: tests/vmm/check_virt*.c, tests/fuzz/fuzz_virtio_*.c. */
#include "tests/vmm/vguest.h"

#include "core/wire.h"

#include <stdlib.h>
#include <string.h>

static void on_msi(void *ctx, uint64_t addr, uint32_t data)
{
	struct vguest *g = ctx;

	if (addr == 0xFEE00000 && data < VG_VECTOR_COUNT)
		g->n_msi[data]++;
}

void vguest_init(struct vguest *g, uint64_t size_bytes)
{
	*g = (struct vguest){ 0 };
	if (mem_init(&g->mem, size_bytes) < 0)
		abort();
	vguest_unplug(g);
}

void vguest_unplug(struct vguest *g)
{
	*g = (struct vguest){ .mem = g->mem, .next = MEM_PAGE_SIZE };
	bus_init(&g->bus, &g->mem);
	g->bus.msi = on_msi;
	g->bus.msi_ctx = g;
	pci_host_init(&g->host, &g->bus);
}

void vguest_done(struct vguest *g)
{
	mem_done(&g->mem);
}

uint32_t vguest_pci_get(struct vguest *g, unsigned off, unsigned size)
{
	return (uint32_t)bus_mmio_read(&g->bus, PCI_ECAM_BASE + (1u << 15) + off, size);
}

void vguest_pci_set(struct vguest *g, unsigned off, unsigned size, uint32_t v)
{
	bus_mmio_write(&g->bus, PCI_ECAM_BASE + (1u << 15) + off, size, v);
}

void vguest_plug(struct vguest *g, struct virtio_pci *p)
{
	uint64_t table;

	g->p = p;
	if (pci_host_add(&g->host, &p->pci, 1) < 0)
		abort();
	vguest_pci_set(g, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	g->bar = p->pci.bar[VIRTIO_PCI_BAR].addr;
	table = p->pci.bar[VIRTIO_PCI_MSIX_BAR].addr;
	vguest_pci_set(g, p->pci.msix_cap + 2u, 2, 0x8000);
	for (unsigned i = 0; i < p->msix.n_vectors; i++) {
		bus_mmio_write(&g->bus, table + 16 * i, 8, 0xFEE00000);
		bus_mmio_write(&g->bus, table + 16 * i + 8, 4, i);
		bus_mmio_write(&g->bus, table + 16 * i + 12, 4, 0);
	}
}

uint64_t vguest_alloc(struct vguest *g, uint64_t len, uint64_t align)
{
	uint64_t at = (g->next + align - 1) & ~(align - 1);

	if (at + len > g->mem.low_bytes)
		abort();
	g->next = at + len;
	memset(g->mem.host + at, 0, len);
	return at;
}

uint8_t *vguest_ptr(struct vguest *g, uint64_t gpa)
{
	return g->mem.host + gpa;
}

uint64_t vguest_get(struct vguest *g, unsigned reg, unsigned size)
{
	return bus_mmio_read(&g->bus, g->bar + VIRTIO_PCI_COMMON + reg, size);
}

void vguest_set(struct vguest *g, unsigned reg, unsigned size, uint64_t v)
{
	bus_mmio_write(&g->bus, g->bar + VIRTIO_PCI_COMMON + reg, size, v);
}

uint64_t vguest_config(struct vguest *g, unsigned off, unsigned size)
{
	return bus_mmio_read(&g->bus, g->bar + VIRTIO_PCI_DEVICE + off, size);
}

uint64_t vguest_offered(struct vguest *g)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 2; i++) {
		vguest_set(g, VG_OFFERED_SELECT, 4, i);
		v |= vguest_get(g, VG_OFFERED, 4) << (32 * i);
	}
	return v;
}

uint8_t vguest_negotiate(struct vguest *g, uint64_t features)
{
	vguest_set(g, VG_STATUS, 1, 0);
	vguest_set(g, VG_STATUS, 1, VIRTIO_ACKNOWLEDGE);
	vguest_set(g, VG_STATUS, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	for (unsigned i = 0; i < 2; i++) {
		vguest_set(g, VG_ACCEPTED_SELECT, 4, i);
		vguest_set(g, VG_ACCEPTED, 4, features >> (32 * i) & 0xFFFFFFFF);
	}
	vguest_set(g, VG_STATUS, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
	vguest_set(g, VG_CONFIG_VECTOR, 2, 0);
	return (uint8_t)vguest_get(g, VG_STATUS, 1);
}

void vguest_queue_up(struct vguest *g, struct vguest_queue *q, unsigned index, uint16_t size)
{
	*q = (struct vguest_queue){ .index = index, .size = size };
	q->desc = vguest_alloc(g, 16u * size, 16);
	q->avail = vguest_alloc(g, 6u + 2u * size, 2);
	q->used = vguest_alloc(g, 6u + 8u * size, 4);
	vguest_set(g, VG_QUEUE_SELECT, 2, index);
	vguest_set(g, VG_QUEUE_SIZE, 2, size);
	vguest_set(g, VG_QUEUE_VECTOR, 2, index + 1);
	vguest_set(g, VG_QUEUE_DESC, 8, q->desc);
	vguest_set(g, VG_QUEUE_AVAIL, 4, q->avail & 0xFFFFFFFF);
	vguest_set(g, VG_QUEUE_AVAIL + 4, 4, q->avail >> 32);
	vguest_set(g, VG_QUEUE_USED, 8, q->used);
	vguest_set(g, VG_QUEUE_ENABLE, 2, 1);
}

void vguest_driver_ok(struct vguest *g)
{
	vguest_set(g, VG_STATUS, 1, VG_ALL_READY);
}

void vguest_desc(struct vguest *g, uint64_t table, uint16_t i, uint64_t gpa, uint32_t len,
		 uint16_t flags, uint16_t next)
{
	uint8_t *d = vguest_ptr(g, table) + 16u * i;

	store_le64(d, gpa);
	store_le32(d + 8, len);
	store_le16(d + 12, flags);
	store_le16(d + 14, next);
}

void vguest_avail(struct vguest *g, struct vguest_queue *q, uint16_t head)
{
	uint8_t *a = vguest_ptr(g, q->avail);

	store_le16(a + 4 + 2 * (q->avail_idx & (q->size - 1)), head);
	store_le16(a + 2, ++q->avail_idx);
}

uint16_t vguest_add(struct vguest *g, struct vguest_queue *q, const struct vguest_buf *buf,
		    unsigned n)
{
	uint16_t head = q->next_desc;

	for (unsigned i = 0; i < n; i++) {
		uint16_t at = q->next_desc;
		unsigned flags = (buf[i].write ? VG_DESC_WRITE : 0u) | (i + 1 < n ? VG_DESC_NEXT : 0u);

		q->next_desc = (uint16_t)((at + 1) & (q->size - 1));
		vguest_desc(g, q->desc, at, buf[i].gpa, buf[i].len, (uint16_t)flags, q->next_desc);
	}
	vguest_avail(g, q, head);
	return head;
}

void vguest_kick(struct vguest *g, const struct vguest_queue *q)
{
	bus_mmio_write(&g->bus, g->bar + VIRTIO_PCI_NOTIFY + q->index * VIRTIO_PCI_NOTIFY_STEP, 2,
		       q->index);
}

bool vguest_used(struct vguest *g, struct vguest_queue *q, uint32_t *ret_id, uint32_t *ret_len)
{
	const uint8_t *u = vguest_ptr(g, q->used), *e;

	if (load_le16(u + 2) == q->used_seen)
		return false;
	e = u + 4 + 8 * (q->used_seen++ & (q->size - 1));
	*ret_id = load_le32(e);
	*ret_len = load_le32(e + 4);
	return true;
}
