/* vmm/bus.c: dispatch of port and memory-mapped accesses.
 *
 * Two lists, newest first, and the region that answered last: guests hit the
 * same device many times in a row, and there are some sixty regions at most.
 *
 * Used by: vmm/machine.c, every device.   Depends on: nothing. */
#include "vmm/bus.h"

#include <stddef.h>

void bus_init(struct bus *b, struct mem *mem)
{
	*b = (struct bus){ .mem = mem };
}

void bus_region_init(struct bus_region *r, const struct bus_ops *ops, void *ctx, uint64_t len)
{
	*r = (struct bus_region){ .ops = ops, .ctx = ctx, .len = len };
}

static void add(struct bus_region **list, struct bus_region *r, uint64_t base)
{
	if (r->len == 0 || base + r->len < base)
		return;
	r->base = base;
	r->on_bus = true;
	r->next = *list;
	*list = r;
}

static void tell_bells(const struct bus *b, struct bus_region *r)
{
	if (r->n_bells && b->bells_moved)
		b->bells_moved(b->bells_ctx, r);
}

void bus_mmio_add(struct bus *b, struct bus_region *r, uint64_t base)
{
	b->last_mmio = NULL;
	add(&b->mmio, r, base);
	tell_bells(b, r);
}

void bus_pio_add(struct bus *b, struct bus_region *r, uint16_t base)
{
	b->last_pio = NULL;
	add(&b->pio, r, base);
}

static bool unlink_region(struct bus_region **list, struct bus_region *r)
{
	for (struct bus_region **p = list; *p; p = &(*p)->next) {
		if (*p == r) {
			*p = r->next;
			return true;
		}
	}
	return false;
}

void bus_remove(struct bus *b, struct bus_region *r)
{
	if (!r->on_bus)
		return;
	b->last_mmio = b->last_pio = NULL;
	if (!unlink_region(&b->mmio, r))
		(void)unlink_region(&b->pio, r);
	r->on_bus = false;
	r->next = NULL;
	tell_bells(b, r);
}

/* The region in which [addr, addr+size) lies whole. */
static struct bus_region *find(struct bus_region *list, struct bus_region **last, uint64_t addr,
			       unsigned size)
{
	struct bus_region *r = *last;

	if (r && addr - r->base < r->len && size <= r->len - (addr - r->base))
		return r;
	for (r = list; r; r = r->next) {
		if (addr - r->base < r->len && size <= r->len - (addr - r->base)) {
			*last = r;
			return r;
		}
	}
	return NULL;
}

static uint64_t ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

static uint64_t space_read(struct bus *b, struct bus_region *list, struct bus_region **last,
			   uint64_t addr, unsigned size)
{
	struct bus_region *r = find(list, last, addr, size);
	uint64_t v = 0;

	if (r)
		return r->ops->read(r->ctx, addr - r->base, size) & ones(size);
	if (size == 1) {
		b->n_unclaimed++;
		return 0xFF;
	}
	for (unsigned i = 0; i < size; i++)
		v |= space_read(b, list, last, addr + i, 1) << (8 * i);
	return v;
}

static void space_write(struct bus *b, struct bus_region *list, struct bus_region **last,
			uint64_t addr, unsigned size, uint64_t v)
{
	struct bus_region *r = find(list, last, addr, size);

	if (r) {
		r->ops->write(r->ctx, addr - r->base, size, v & ones(size));
		return;
	}
	if (size == 1) {
		b->n_unclaimed++;
		return;
	}
	for (unsigned i = 0; i < size; i++)
		space_write(b, list, last, addr + i, 1, v >> (8 * i));
}

uint64_t bus_mmio_read(struct bus *b, uint64_t gpa, unsigned size)
{
	return space_read(b, b->mmio, &b->last_mmio, gpa, size);
}

void bus_mmio_write(struct bus *b, uint64_t gpa, unsigned size, uint64_t v)
{
	space_write(b, b->mmio, &b->last_mmio, gpa, size, v);
}

uint32_t bus_pio_read(struct bus *b, uint16_t port, unsigned size)
{
	return (uint32_t)space_read(b, b->pio, &b->last_pio, port, size);
}

void bus_pio_write(struct bus *b, uint16_t port, unsigned size, uint32_t v)
{
	space_write(b, b->pio, &b->last_pio, port, size, v);
}

void msi_send(struct bus *b, uint64_t addr, uint32_t data)
{
	if (b->msi)
		b->msi(b->msi_ctx, addr, data);
}

void msi_settle(struct bus *b, uint64_t addr, uint32_t data)
{
	if (b->msi_settle)
		b->msi_settle(b->msi_ctx, addr, data);
}
