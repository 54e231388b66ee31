/* vmm/dev/lapic.h: the local APIC of one processor (soft engine; KVM has its
 * own). xAPIC by MMIO, at 0xFEE00000 until it is moved, and x2APIC by MSRs; timer base 1 GHz,
 * TSC-deadline mode included. Source: SDM vol. 3 ch. 11. */
#ifndef MUSTER_VMM_DEV_LAPIC_H
#define MUSTER_VMM_DEV_LAPIC_H

#include "vmm/bus.h"
#include "vmm/guest_clock.h"

struct cpu_apic;
struct state;

#define LAPIC_BASE UINT64_C(0xFEE00000) /* after reset */
#define LAPIC_BASE_MASK UINT64_C(0xFFFFFFF000) /* of IA32_APIC_BASE: 40 bits of address */
enum { LAPIC_SIZE = 4096, LAPIC_LVT_COUNT = 6 };
/* The order of the registers from 0x320 on. */
enum lapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR };
enum apic_delivery { APIC_FIXED, APIC_LOWEST, APIC_SMI, APIC_NMI = 4, APIC_INIT, APIC_STARTUP,
		     APIC_EXTINT };

/* A message on the interrupt bus. */
struct apic_msg {
	uint32_t dest; /* APIC ID or logical set; 8 bits, or 32 in x2APIC mode */
	bool logical, level, assert_level;
	bool wide; /* dest is 32 bits, so 0xFF is no broadcast */
	enum apic_delivery delivery;
	uint8_t vector;
};

struct lapic_hooks {
	void *ctx;
	void (*set_intr)(void *ctx, bool level);
	void (*nmi)(void *ctx);
	void (*eoi)(void *ctx, uint8_t vector); /* of a level-triggered vector: to the IOAPIC */
	uint8_t (*extint_ack)(void *ctx); /* INTA to the PIC */
	/* An IPI, to all whom it names, @but_self: not to this APIC; NULL: there is no other. */
	void (*send)(void *ctx, const struct apic_msg *msg, bool but_self);
	void (*init)(void *ctx); /* INIT; may be NULL */
	void (*startup)(void *ctx, uint8_t vector); /* SIPI; may be NULL */
	/* Whether the registers may be moved to @base; NULL: anywhere. */
	bool (*may_lie)(void *ctx, uint64_t base);
};

struct lapic {
	struct lapic_hooks hooks;
	struct guest_clock *clock; /* borrowed */
	struct bus *bus; /* borrowed; NULL: on none */
	struct guest_timer timer;
	struct bus_region region;
	uint32_t id; /* APIC ID */
	uint64_t apic_base; /* IA32_APIC_BASE; its BSP bit never changes */
	uint32_t tpr, ldr, dfr, svr, esr, esr_shadow, divide, initial;
	uint64_t icr;
	uint32_t lvt[LAPIC_LVT_COUNT];
	uint32_t irr[8], isr[8], tmr[8];
	nsec_t timer_start; /* when the running count began */
	uint64_t tsc_deadline; /* as written, in ticks of the bus TSC; 0 disarmed */
	bool extint; /* the PIC's INT */
	bool intr; /* what the processor was told */
};

/* Where the registers lie. */
static inline uint64_t lapic_base(const struct lapic *l)
{
	return l->apic_base & LAPIC_BASE_MASK;
}

/* APIC ID 0 is the bootstrap processor's. @bus: answers at lapic_base() there; NULL: on none (several
 * processors have theirs at one address; see lapic_mmio_*). */
void lapic_init(struct lapic *l, uint32_t id, struct guest_clock *clock, struct bus *bus,
		const struct lapic_hooks *hooks);
/* INIT: as after power-up, but for ID and mode (§11.4.7.3). */
void lapic_reset(struct lapic *l);
/* Its processor's access to lapic_base() + @off, @off + @size ≤ LAPIC_SIZE. */
uint64_t lapic_mmio_read(struct lapic *l, uint64_t off, unsigned size);
/* The same; @v: of @size bytes. */
void lapic_mmio_write(struct lapic *l, uint64_t off, unsigned size, uint64_t v);
/* A message that may be for this APIC. Returns whether it was. */
bool lapic_deliver(struct lapic *l, const struct apic_msg *msg);
/* The same without delivering it. */
bool lapic_takes(const struct lapic *l, const struct apic_msg *msg);
/* For arbitration: the processor's priority. */
uint32_t lapic_priority(const struct lapic *l);
/* LINT0, where the PIC's INT arrives. */
void lapic_set_extint(struct lapic *l, bool level);
/* Tells the vector to take now and puts it in service; -1 when there is none. */
int lapic_ack(struct lapic *l);

/* Both are about the task priority as CR8 has it, 0 to 15 (SDM vol. 3 §11.8.6). */
uint64_t lapic_cr8_read(const struct lapic *l);
void lapic_cr8_write(struct lapic *l, uint64_t v);
/* IA32_APIC_BASE, IA32_TSC_DEADLINE, 0x800 to 0x8FF. False: #GP. */
bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *ret_v);
/* The same; false where the write is a general protection fault. */
bool lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t v);

/* Saves or loads the APIC, after its clock; a load ends in telling the processor
 * its INTR. The section's instance is the APIC ID. */
void lapic_state(struct lapic *l, struct state *s);

/* The APIC of an engine that has its own (cpu_ops.get_apic), as this one, and back:
 * so there is one form in which an APIC is saved. The clock stands meanwhile.
 * @apic_base: IA32_APIC_BASE. lapic_to_regs() first lets the timer fire that is due. */
void lapic_from_regs(struct lapic *l, uint64_t apic_base, const struct cpu_apic *regs);
/* The other way: what the LAPIC holds as a register page. */
void lapic_to_regs(struct lapic *l, struct cpu_apic *ret_regs);

#endif
