/* vmm/bus.h: what lies at a port or a guest-physical address that is not RAM.
 *
 * A device embeds a bus_region for each range it answers, fills it with
 * bus_region_init() and puts it on the bus; taking it off and putting it
 * elsewhere is how a PCI BAR moves. Regions of one space may overlap only by
 * the guest's fault (two BARs programmed to one address): the one put there
 * last answers. What no region answers reads as all ones and swallows writes.
 *
 * An access reaches a region only when it lies in it whole; one that straddles
 * an end is cut into bytes first. Offsets given to a device are therefore
 * always within its range together with their size.
 *
 * Single-threaded. The bus owns nothing: regions outlive their stay on it. */
#ifndef MUSTER_VMM_BUS_H
#define MUSTER_VMM_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mem;

/* @off: from the region's start. @size: 1, 2, 4 or 8 bytes (ports: never 8).
 * Values are zero-extended; a device may ignore upper bits of what it is given. */
struct bus_ops {
	uint64_t (*read)(void *ctx, uint64_t off, unsigned size);
	void (*write)(void *ctx, uint64_t off, unsigned size, uint64_t v);
};

struct bus_region {
	struct bus_region *next; /* the bus's list; NULL at its end */
	const struct bus_ops *ops;
	void *ctx;
	uint64_t base, len; /* bytes */
	bool on_bus;
	/* Doorbells: registers of which a write says all by its address. An engine may
	 * have them rung without an access; a write then comes later, by another thread. */
	uint32_t bell_off; /* of the first */
	uint16_t bell_step, n_bells; /* bytes; 0: none */
};

struct bus {
	struct bus_region *mmio, *pio;
	struct bus_region *last_mmio, *last_pio; /* where the last access went */
	struct mem *mem; /* for devices that do DMA; borrowed */
	/* Where an MSI goes; set by the machine (vmm/machine.c). */
	void (*msi)(void *ctx, uint64_t addr, uint32_t data);
	/* Comes back when each such message sent so far has arrived. NULL: they have at once. */
	void (*msi_settle)(void *ctx, uint64_t addr, uint32_t data);
	void *msi_ctx;
	/* A region with doorbells came on the bus, or has left it (on_bus tells). May be NULL. */
	void (*bells_moved)(void *ctx, struct bus_region *r);
	void *bells_ctx;
	uint64_t n_unclaimed; /* accesses that nothing answered */
};

/* Nothing lies on it. @mem: borrowed, for devices that do DMA; may be NULL. */
void bus_init(struct bus *b, struct mem *mem);

/* Makes a region that is on no bus. @ops and @ctx: borrowed. @len: bytes, not 0. */
void bus_region_init(struct bus_region *r, const struct bus_ops *ops, void *ctx, uint64_t len);
/* Puts @r (not on a bus) at @base. A range that would wrap is left off. */
void bus_mmio_add(struct bus *b, struct bus_region *r, uint64_t base);
/* The same of ports. */
void bus_pio_add(struct bus *b, struct bus_region *r, uint16_t base);
/* Takes @r off; nothing happens when it is not on. */
void bus_remove(struct bus *b, struct bus_region *r);

/* @size: 1, 2, 4, 8. */
uint64_t bus_mmio_read(struct bus *b, uint64_t gpa, unsigned size);
/* The same; @v: of @size bytes. */
void bus_mmio_write(struct bus *b, uint64_t gpa, unsigned size, uint64_t v);
/* @size: 1, 2, 4. */
uint32_t bus_pio_read(struct bus *b, uint16_t port, unsigned size);
/* The same; @v: of @size bytes. */
void bus_pio_write(struct bus *b, uint16_t port, unsigned size, uint32_t v);

/* A device's message-signalled interrupt: a write of @data to @addr on the
 * interrupt bus (SDM vol. 3 §11.11). What addresses no LAPIC is dropped. */
void msi_send(struct bus *b, uint64_t addr, uint32_t data);
/* The device sends this message no more: what it sent has arrived when this returns. */
void msi_settle(struct bus *b, uint64_t addr, uint32_t data);

#endif
