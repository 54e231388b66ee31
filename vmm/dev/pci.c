/* vmm/dev/pci.c: PCI bus 0: configuration space, BARs, both ways to reach them.
 *
 * A guest that sizes a BAR writes ones and reads back the mask: the write mask
 * of a BAR's bytes is its size mask, so sizing needs no code of its own. A BAR
 * whose programmed place lies on RAM or beyond the physical address space is
 * not put on the bus at all: RAM always wins.
 *
 * Used by: vmm/machine.c, vmm/dev/virtio_pci.c.   Depends on: vmm/bus.h, core/wire.h.
 * Sources: PCI Local Bus 3.0 §3.2.2.3, §6; PCI Express 3.0 §7.2.2. */
#include "vmm/dev/pci.h"

#include "core/state.h"
#include "core/wire.h"
#include "vmm/mem.h"

#include <errno.h>
#include <string.h>

void pci_dev_init(struct pci_dev *d, const struct pci_id *id, const struct pci_ops *ops, void *ctx)
{
	memset(d, 0, sizeof *d);
	store_le16(d->config + PCI_VENDOR, id->vendor);
	store_le16(d->config + PCI_DEVICE, id->device);
	d->config[PCI_REVISION] = id->revision;
	d->config[PCI_CLASS] = (uint8_t)id->class_code;
	store_le16(d->config + PCI_CLASS + 1, (uint16_t)(id->class_code >> 8));
	store_le16(d->config + PCI_SUBVENDOR, id->subvendor);
	store_le16(d->config + PCI_SUBDEVICE, id->subdevice);
	store_le16(d->wmask + PCI_COMMAND,
		   PCI_COMMAND_MEM | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF);
	d->wmask[PCI_INTERRUPT_LINE] = 0xFF; /* scratch */
	d->wmask[0x0C] = 0xFF; /* cache line size: scratch */
	d->cap_end = PCI_CAP_START;
	d->ops = ops;
	d->ctx = ctx;
}

unsigned pci_cap_add(struct pci_dev *d, uint8_t cap_id, unsigned len)
{
	unsigned at = d->cap_end;

	len = (len + 3) & ~3u;
	if (len < 4 || at + len > PCI_CONFIG_SIZE - 4)
		return 0;
	d->config[at] = cap_id;
	d->config[d->cap_last ? d->cap_last + 1 : PCI_CAP_PTR] = (uint8_t)at;
	d->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	d->cap_last = (uint8_t)at;
	d->cap_end = (uint8_t)(at + len);
	return at;
}

void pci_bar_add(struct pci_dev *d, unsigned index, uint64_t size, const struct bus_ops *ops,
		 void *ctx)
{
	struct pci_bar *bar = &d->bar[index];

	bar->size_bytes = size;
	bus_region_init(&bar->region, ops, ctx, size);
	d->config[PCI_BAR0 + 4 * index] = 0x4; /* 64-bit memory, §6.2.5.1 */
	store_le64(d->wmask + PCI_BAR0 + 4 * index, ~(size - 1));
}

static void bar_map(struct pci_dev *d, struct pci_bar *bar)
{
	uint64_t end = bar->addr + bar->size_bytes;
	bool fits = end > bar->addr && end <= UINT64_C(1) << 40 && bar->addr >= 0x100000;

	if (fits && d->bus->mem) {
		const struct mem *m = d->bus->mem;
		bool high = m->size_bytes > m->low_bytes &&
			    bar->addr < MEM_HIGH_START + (m->size_bytes - m->low_bytes) &&
			    end > MEM_HIGH_START;

		bool pmem = m->pmem_bytes && bar->addr < MEM_PMEM_GPA + m->pmem_bytes &&
			    end > MEM_PMEM_GPA;

		fits = bar->addr >= m->low_bytes && !high && !pmem;
	}
	if (fits)
		bus_mmio_add(d->bus, &bar->region, bar->addr);
}

static void bars_update(struct pci_dev *d)
{
	bool on = d->config[PCI_COMMAND] & PCI_COMMAND_MEM;

	for (unsigned i = 0; i < PCI_BAR_COUNT; i++) {
		struct pci_bar *bar = &d->bar[i];
		uint64_t addr;

		if (!bar->size_bytes)
			continue;
		addr = load_le64(d->config + PCI_BAR0 + 4 * i) & ~(bar->size_bytes - 1);
		if (bar->region.on_bus == on && addr == bar->addr)
			continue;
		bus_remove(d->bus, &bar->region);
		bar->addr = addr;
		if (on)
			bar_map(d, bar);
	}
}

/* ---- INTA# ------------------------------------------------------------------- */

void pci_intx_add(struct pci_dev *d)
{
	d->config[PCI_INTERRUPT_PIN] = 1;
}

/* Several slots share an interrupt: it is up while one of them asserts it. */
static bool intx_update(struct pci_dev *d)
{
	uint32_t *set = &d->host->asserted[d->slot % PCI_IRQ_COUNT], bit = UINT32_C(1) << d->slot;
	bool off = load_le16(d->config + PCI_COMMAND) & PCI_COMMAND_INTX_OFF;
	bool was = *set;

	*set = d->intx && !off ? *set | bit : *set & ~bit;
	return was != (*set != 0);
}

void pci_intx_set(struct pci_dev *d, bool level)
{
	d->intx = level;
	if (d->host && intx_update(d))
		irq_line_set(&d->host->irq[d->slot % PCI_IRQ_COUNT],
			     d->host->asserted[d->slot % PCI_IRQ_COUNT] != 0);
}

void pci_intx_restore(struct pci_dev *d, bool level)
{
	d->intx = level;
	if (d->host)
		(void)intx_update(d);
}

/* ---- configuration space ------------------------------------------------------- */

static uint32_t config_read(struct pci_host *h, unsigned slot, unsigned off, unsigned size)
{
	struct pci_dev *d = slot < PCI_SLOT_COUNT ? h->slot[slot] : NULL;
	uint32_t v = 0;

	if (!d)
		return UINT32_MAX;
	if (off + size > PCI_CONFIG_SIZE)
		return 0;
	if (d->ops && d->ops->config_reading)
		d->ops->config_reading(d->ctx, off, size);
	for (unsigned i = 0; i < size; i++)
		v |= (uint32_t)d->config[off + i] << (8 * i);
	if (d->intx && off <= PCI_STATUS && off + size > PCI_STATUS)
		v |= (uint32_t)PCI_STATUS_INTERRUPT << (8 * (PCI_STATUS - off));
	return v;
}

static void config_write(struct pci_host *h, unsigned slot, unsigned off, unsigned size, uint32_t v)
{
	struct pci_dev *d = slot < PCI_SLOT_COUNT ? h->slot[slot] : NULL;

	if (!d || off + size > PCI_CONFIG_SIZE)
		return;
	for (unsigned i = 0; i < size; i++) {
		uint8_t m = d->wmask[off + i], b = (uint8_t)(v >> (8 * i));

		d->config[off + i] = (uint8_t)((d->config[off + i] & ~m) | (b & m));
	}
	if (off < PCI_COMMAND + 2 || (off + size > PCI_BAR0 && off < PCI_BAR0 + 24))
		bars_update(d);
	if (off < PCI_COMMAND + 2 && off + size > PCI_COMMAND)
		pci_intx_set(d, d->intx);
	/* Its own control, or the function's right to write at all. */
	if (d->msix_cap && ((off + size > d->msix_cap && off < d->msix_cap + 4u) ||
			    (off + size > PCI_COMMAND && off < PCI_COMMAND + 2)))
		d->msix_written(d->msix_ctx);
	if (d->ops && d->ops->config_written)
		d->ops->config_written(d->ctx, off, size);
}

/* 0xCF8: CONFIG_ADDRESS takes only dwords; PCI 3.0 §3.2.2.3.2. */
static uint64_t cf8_read(void *ctx, uint64_t off, unsigned size)
{
	const struct pci_host *h = ctx;

	if (off == 1 && size == 1)
		return h->reset_control;
	return h->address >> (8 * off) & (size == 4 ? UINT32_MAX : (UINT32_C(1) << (8 * size)) - 1);
}

static void cf8_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct pci_host *h = ctx;

	if (off == 0 && size == 4)
		h->address = (uint32_t)v & 0x80FFFFFC;
	if (off != 1 || size != 1)
		return;
	/* Bit 1: hard or soft; bit 2 rising: reset the processor. */
	h->reset_control = (uint8_t)v & 0x0E;
	if ((v & 4) && h->reset)
		h->reset(h->reset_ctx);
}

static bool cfc_target(const struct pci_host *h, unsigned *ret_slot)
{
	/* enabled, bus 0, function 0 */
	if (!(h->address & 0x80000000) || (h->address & 0xFF0700))
		return false;
	*ret_slot = h->address >> 11 & 31;
	return true;
}

static uint64_t cfc_read(void *ctx, uint64_t off, unsigned size)
{
	struct pci_host *h = ctx;
	unsigned slot;

	if (!cfc_target(h, &slot))
		return UINT64_MAX;
	return config_read(h, slot, (h->address & 0xFC) + (unsigned)off, size);
}

static void cfc_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct pci_host *h = ctx;
	unsigned slot;

	if (cfc_target(h, &slot))
		config_write(h, slot, (h->address & 0xFC) + (unsigned)off, size, (uint32_t)v);
}

/* ECAM: bits 19:15 device, 14:12 function, 11:0 register. */
static uint64_t ecam_read(void *ctx, uint64_t off, unsigned size)
{
	if (off & 0x7000 || size > 4)
		return UINT64_MAX;
	return config_read(ctx, (unsigned)(off >> 15), (unsigned)(off & 0xFFF), size);
}

static void ecam_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	if (!(off & 0x7000) && size <= 4)
		config_write(ctx, (unsigned)(off >> 15), (unsigned)(off & 0xFFF), size, (uint32_t)v);
}

static const struct bus_ops cf8_ops = { cf8_read, cf8_write };
static const struct bus_ops cfc_ops = { cfc_read, cfc_write };
static const struct bus_ops ecam_ops = { ecam_read, ecam_write };

void pci_host_init(struct pci_host *h, struct bus *bus)
{
	/* A host bridge's identity that no driver and no quirk looks for. */
	static const struct pci_id id = { .vendor = 0x8086, .device = 0x0D57, .class_code = 0x060000 };

	*h = (struct pci_host){ .bus = bus, .next_bar = PCI_WINDOW_START };
	pci_dev_init(&h->bridge, &id, NULL, NULL);
	(void)pci_host_add(h, &h->bridge, 0);
	bus_region_init(&h->cf8, &cf8_ops, h, 4);
	bus_region_init(&h->cfc, &cfc_ops, h, 4);
	bus_region_init(&h->ecam, &ecam_ops, h, PCI_ECAM_SIZE);
	bus_pio_add(bus, &h->cf8, 0xCF8);
	bus_pio_add(bus, &h->cfc, 0xCFC);
	bus_mmio_add(bus, &h->ecam, PCI_ECAM_BASE);
}

int pci_host_add(struct pci_host *h, struct pci_dev *d, unsigned slot)
{
	uint64_t next = h->next_bar;

	if (slot >= PCI_SLOT_COUNT || h->slot[slot])
		return -EBUSY;
	for (unsigned i = 0; i < PCI_BAR_COUNT; i++) {
		uint64_t size = d->bar[i].size_bytes;

		if (!size)
			continue;
		next = (next + size - 1) & ~(size - 1);
		if (next + size > PCI_WINDOW_END)
			return -ENOSPC;
		d->bar[i].addr = next;
		store_le64(d->config + PCI_BAR0 + 4 * i,
			   next | d->config[PCI_BAR0 + 4 * i]);
		next += size;
	}
	h->next_bar = next;
	h->slot[slot] = d;
	d->host = h;
	d->bus = h->bus;
	d->slot = (uint8_t)slot;
	if (d->config[PCI_INTERRUPT_PIN])
		d->config[PCI_INTERRUPT_LINE] = (uint8_t)(PCI_IRQ + slot % PCI_IRQ_COUNT);
	return 0;
}

void pci_dev_state(struct pci_dev *d, struct state *s)
{
	uint8_t config[PCI_CONFIG_SIZE];
	bool same = true;

	memcpy(config, d->config, sizeof config);
	state_bytes(s, config, sizeof config);
	for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
		same = same && !((config[i] ^ d->config[i]) & ~d->wmask[i]);
	state_expect(s, same, "another function's configuration space");
	if (!state_is_load(s) || !state_ok(s))
		return;
	memcpy(d->config, config, sizeof config);
	bars_update(d);
}

void pci_host_state(struct pci_host *h, struct state *s)
{
	(void)state_begin(s, "pci ", 0, 1);
	state_u32(s, &h->address);
	state_expect(s, !(h->address & ~UINT32_C(0x80FFFFFC)), "an address with reserved bits");
	state_u8(s, &h->reset_control);
	pci_dev_state(&h->bridge, s);
	state_end(s);
}
