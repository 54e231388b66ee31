/* tests/cpu/flat.h: the smallest machine: RAM, a soft processor, and a bus
 * that records what it is asked.
 *
 * In 64-bit mode linear is physical (2 MiB pages, present, writable, user),
 * the processor is at CPL 0 with flat segments. RAM layout: the tables at
 * FLAT_TABLES, IDT at FLAT_IDT (empty), GDT at FLAT_GDT, code at FLAT_CODE, the stack
 * grows down from FLAT_STACK; all above FLAT_FREE is the test's. */
#ifndef MUSTER_TESTS_CPU_FLAT_H
#define MUSTER_TESTS_CPU_FLAT_H

#include "vmm/cpu/cpu.h"
#include "vmm/cpu/soft/soft.h"
#include "vmm/mem.h"

enum { FLAT_TABLES = 0x1000, FLAT_IDT = 0x8000, FLAT_GDT = 0x9000, FLAT_CODE = 0x10000,
       FLAT_STACK = 0x80000, FLAT_FREE = 0x100000, FLAT_SIZE = 0x1000000 /* 16 MiB */,
       FLAT_MAPPED = 0x40000000 /* 1 GiB: beyond RAM it is MMIO */ };

struct flat {
	struct mem mem;
	struct cpu_bus bus;
	struct cpu *cpu;
	int vector; /* what intr_ack() gives; -1 none. The line falls with it */
	bool raise_on_write; /* a store to MMIO raises the line */
	void (*on_mmio)(struct flat *f); /* what a store to MMIO does, or NULL */
	uint64_t tsc; /* counts reads */
	uint64_t last_gpa, last_value, last_icount; /* of the last MMIO store */
	unsigned n_mmio;
	uint16_t last_port;
};

/* A machine in 64-bit mode, or, @real, in real mode with CS:IP 0:FLAT_CODE's
 * low half (SP 0x8000). Aborts when there is no memory. */
struct flat *flat_new(bool real);
/* flat_new(false) with MUSTER_SOFT set to @how meanwhile. */
struct flat *flat_new_as(const char *how);
struct flat *flat_free(struct flat *f);
/* Puts @n bytes at @gpa, telling the engine as DMA would. */
void flat_load(struct flat *f, uint64_t gpa, const void *bytes, size_t n);
/* Loads code at FLAT_CODE and points RIP at it. A HLT is put behind it. */
void flat_code(struct flat *f, const void *bytes, size_t n);
/* Sets a 64-bit interrupt gate. */
void flat_gate(struct flat *f, unsigned vector, uint64_t handler);
/* Runs until HLT or @n_max instructions. */
enum cpu_stop flat_run(struct flat *f, uint64_t n_max);
static inline struct soft *flat_soft(struct flat *f)
{
	return soft_of(f->cpu);
}

#endif
