/* vmm/cpu/cpu.h: one processor as its machine sees it: architectural state,
 * the bus it sits on, and the interface that every engine implements.
 *
 * State is architectural (SDM terms), never an engine's own form: a machine
 * saved under one engine goes on under the other.
 *
 * The engine never reads a clock: TSC and everything that comes from devices
 * is asked of the bus. With the soft engine the local APIC is a device of the
 * machine; the engine asks the bus for the vector to take. */
#ifndef MUSTER_VMM_CPU_CPU_H
#define MUSTER_VMM_CPU_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cpu_gpr { CPU_RAX, CPU_RCX, CPU_RDX, CPU_RBX, CPU_RSP, CPU_RBP, CPU_RSI, CPU_RDI,
	       CPU_R8, CPU_R15 = 15, CPU_GPR_COUNT };
/* The order of the instruction encoding (SDM vol. 2, table B-8). */
enum cpu_seg { CPU_ES, CPU_CS, CPU_SS, CPU_DS, CPU_FS, CPU_GS, CPU_SEG_COUNT };

/* A segment register with its hidden part. attr: bits 0-3 type, 4 S, 5-6 DPL,
 * 7 P, 8 AVL, 9 L, 10 D/B, 11 G (the descriptor's bits 40-47 and 52-55),
 * 12 unusable. limit is in bytes (G already applied). */
enum { CPU_SEG_S = 1 << 4, CPU_SEG_P = 1 << 7, CPU_SEG_L = 1 << 9, CPU_SEG_DB = 1 << 10,
       CPU_SEG_G = 1 << 11, CPU_SEG_UNUSABLE = 1 << 12 };
struct cpu_segment {
	uint64_t base;
	uint32_t limit;
	uint16_t sel, attr;
};

struct cpu_table {
	uint64_t base;
	uint16_t limit;
};

/* The FXSAVE64 image (SDM vol. 1 §10.5.1), byte for byte. */
struct cpu_fxsave {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved0; /* abridged tag word */
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16];
	uint8_t xmm[16][16];
	uint8_t reserved1[96];
} __attribute__((aligned(16)));
_Static_assert(sizeof(struct cpu_fxsave) == 512, "SDM vol. 1 §10.5.1");

struct cpu_state {
	uint64_t gpr[CPU_GPR_COUNT];
	uint64_t rip, rflags;
	struct cpu_segment seg[CPU_SEG_COUNT], ldtr, tr;
	struct cpu_table gdtr, idtr;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer;
	uint64_t dr[4], dr6, dr7;
	struct cpu_fxsave fx;
	/* MSRs */
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base, tsc_aux;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t pat, misc_enable, mtrr_def_type, apic_base, tsc_offset; /* guest TSC = bus TSC + offset */
	uint64_t mtrr_fixed[11], mtrr_var[16];
	uint32_t tsc_khz; /* of the bus's TSC; CPU_TSC_KHZ but on, or from, a host whose KVM cannot scale it */
	/* What lies between two instructions. */
	bool halted; /* in HLT */
	bool shadow; /* STI or MOV SS just ran: interrupts wait one instruction */
	bool nmi_masked; /* NMI handler runs, IRET not seen yet */
	bool nmi_pending;
	bool wait_sipi; /* INIT was received: runs nothing until a start-up IPI (SDM vol. 3 §8.4.3) */
};

/* The local APIC of an engine that has one of its own: its register page
 * (SDM vol. 3 table 11-1), and what is beside it. */
enum { CPU_APIC_REG_COUNT = 64 };
struct cpu_apic {
	uint32_t reg[CPU_APIC_REG_COUNT]; /* by offset / 16; the ID in bits 24-31 in x2APIC mode too */
	uint64_t deadline; /* IA32_TSC_DEADLINE in ticks of the bus's TSC; 0: none */
	bool extint; /* the 8259s' INT is up */
};

struct state;
/* Saves or loads all of it as section "cpu " @instance; a load refuses what no
 * processor of this model can be in. */
void cpu_state_fields(struct cpu_state *c, struct state *s, uint32_t instance);

/* The machine as the processor sees it. Sizes of accesses are 1, 2, 4, 8
 * bytes; wider ones are split by the engine. */
struct cpu_bus {
	void *ctx;
	uint64_t (*mmio_read)(void *ctx, uint64_t gpa, unsigned size);
	void (*mmio_write)(void *ctx, uint64_t gpa, unsigned size, uint64_t v);
	uint32_t (*pio_read)(void *ctx, uint16_t port, unsigned size);
	void (*pio_write)(void *ctx, uint16_t port, unsigned size, uint32_t v);
	/* The vector to deliver now, acknowledging it; -1 when it went away.
	 * Called only after cpu_ops->set_intr(true) and with IF open. An engine
	 * with a LAPIC of its own asks so for the interrupt controllers' (ExtINT). */
	int (*intr_ack)(void *ctx);
	uint64_t (*tsc_read)(void *ctx); /* the machine's clock, in TSC ticks */
	/* LAPIC-backed registers: CR8 and APIC-base and x2APIC MSRs (0x1B,
	 * 0x6E0, 0x800-0x8FF). Return false for #GP. */
	uint64_t (*cr8_read)(void *ctx);
	void (*cr8_write)(void *ctx, uint64_t v);
	bool (*apic_msr_read)(void *ctx, uint32_t msr, uint64_t *ret_v);
	bool (*apic_msr_write)(void *ctx, uint32_t msr, uint64_t v);
	/* Engines with a LAPIC of their own: a level-triggered vector was finished. */
	void (*eoi)(void *ctx, uint8_t vector);
	/* The same: a vector that intr_ack() gave comes back, for it was not delivered. */
	void (*intr_back)(void *ctx, uint8_t vector);
};

/* Why cpu_ops->run() came back. */
enum cpu_stop {
	CPU_STOP_BUDGET, /* ran the instructions it was given */
	CPU_STOP_KICK, /* cpu_ops->kick() was called */
	CPU_STOP_HALT, /* HLT with nothing to deliver, or it waits for a start-up IPI; run again after an event */
	CPU_STOP_PAUSE, /* PAUSE: it spins, let another processor run first (only when there is one) */
	CPU_STOP_SHUTDOWN, /* triple fault */
	CPU_STOP_ERROR, /* the engine itself cannot go on; see error text */
	CPU_STOP_COUNT
};

struct cpu; /* an engine's processor; its first member is its ops */
struct mem;

struct cpu_ops {
	const char *name; /* "soft", "kvm" */
	struct cpu *(*free)(struct cpu *c);
	void (*get_state)(struct cpu *c, struct cpu_state *ret_state);
	void (*set_state)(struct cpu *c, const struct cpu_state *state);
	/* Engines with a LAPIC of their own, else NULL; while paused (below). After
	 * set_state() of the same state, whose apic_base says the mode. */
	void (*get_apic)(struct cpu *c, struct cpu_apic *ret_apic);
	void (*set_apic)(struct cpu *c, const struct cpu_apic *apic);
	/* Runs at most @n_max instructions (HLT idles count none). */
	enum cpu_stop (*run)(struct cpu *c, uint64_t n_max);
	/* The LAPIC's INTR line; for an engine with a LAPIC of its own the 8259's, and from any thread. May be called from within bus callbacks. */
	void (*set_intr)(struct cpu *c, bool asserted);
	void (*nmi)(struct cpu *c);
	/* The machine's clock stopped, or goes on: called after it did. What was half
	 * done is done before it stands. NULL: the engine has no clock but the bus's. */
	void (*set_paused)(struct cpu *c, bool paused);
	/* The guest is at rest: memory for what can be made anew is given back, of all processors
	 * that share it. While none is in run(). NULL: there is none such. */
	void (*rest)(struct cpu *c);
	/* Makes run() come back soon. Async-signal-safe and thread-safe. */
	void (*kick)(struct cpu *c);
	/* The same behind the running block, from within bus callbacks only. NULL: kick() is as good. */
	void (*stop)(struct cpu *c);
	/* Instructions retired, exact within bus callbacks too. kvm: 0, they are not counted. */
	uint64_t (*icount)(const struct cpu *c);
	const char *(*error)(const struct cpu *c);
};

struct cpu {
	const struct cpu_ops *ops;
};

/* The state after RESET (SDM vol. 3 §10.1.1, table 10-1). */
void cpu_state_reset(struct cpu_state *s);
/* What an INIT makes of @s: it then waits for a start-up IPI unless it is the
 * bootstrap processor (SDM vol. 3 §10.1.1, table 10-1, column INIT; §8.4.3). */
void cpu_state_init(struct cpu_state *s);
/* A start-up IPI: real mode at @vector × 4 KiB. Returns whether @s waited for one; else nothing happens. */
bool cpu_state_startup(struct cpu_state *s, uint8_t vector);

/* CPUID of the one processor model, "muster-v2": x86-64-v2, the same for
 * both engines. @state: for bits that mirror control registers (OSXSAVE,
 * APIC enable). Subleaf in @ecx. @apic_id, @n_cpus: topology leaves. */
struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};
enum { CPU_TSC_KHZ = 1000000 }; /* 1 GHz: a TSC tick is a nanosecond */
void cpu_model_cpuid(const struct cpu_state *state, uint32_t leaf, uint32_t subleaf,
		     uint32_t apic_id, uint32_t n_cpus, struct cpuid_regs *ret_regs);

/* FNV-like 64-bit hash over the architectural state, for determinism tests. */
uint64_t cpu_state_hash(const struct cpu_state *s);

/* Makes a processor of the soft engine. @mem, @bus: borrowed, outlive it.
 * Returns 0 or -ENOMEM. */
int soft_cpu_new(struct mem *mem, const struct cpu_bus *bus, struct cpu **ret_cpu);
/* One more for the memory of @first, with which it shares the decoded code. They
 * are run by one thread, one at a time; each may be freed before the other. */
int soft_cpu_new_beside(struct cpu *first, const struct cpu_bus *bus, struct cpu **ret_cpu);
/* What its CPUID tells about the topology; else APIC id 0 of 1 processor. */
void soft_cpu_set_topology(struct cpu *c, uint32_t apic_id, uint32_t n_cpus);

#endif
