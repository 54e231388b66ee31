/* tests/cpu/lockstep.h: a guest program under interpreter and translator, step for step.
 *
 * A case is code at FLAT_CODE, what is prepared around it, and at most one event from
 * outside. The reference interprets one instruction at a time, decoding each anew, and
 * keeps the whole architectural state and a sum of memory after every one. Then the
 * interpreter and the translator (which translates at the first entry) run the case in
 * pieces of 1, 2, 3, 5 and all its instructions; at each piece's end state and memory must
 * be the reference's at that count. Where there is an event all of it is done again for
 * the event before every instruction. What all of them might do wrong alike is for the
 * case's own expectation.
 *
 * Memory beside that of flat.h: 4 KiB pages at LOCK_PAGES, which are the frames at
 * LOCK_FRAMES; all of the first GiB again at FLAT_MAPPED; a GDT with ring 3, a TSS; #PF on a
 * stack of its own.
 *
 * Used by: tests/cpu/check_smc.c, check_cross.c, check_rest.c, check_shadow.c, check_trace.c. */
#ifndef MUSTER_TESTS_CPU_LOCKSTEP_H
#define MUSTER_TESTS_CPU_LOCKSTEP_H

#include "tests/cpu/flat.h"

enum { LOCK_PT = 0x4000, LOCK_TSS = 0xA000, LOCK_TABLES = 0xE000 /* two pages for more of them */, LOCK_HANDLERS = 0x1C000, LOCK_RSP0 = 0x90000, LOCK_IST1 = 0xA0000,
       LOCK_SEEN = FLAT_FREE /* struct lock_seen */, LOCK_DATA = FLAT_FREE + 0x1000 /* the case's */, LOCK_DATA_BYTES = 0x2000,
       LOCK_PAGES = 0x800000, LOCK_FRAMES = 0x400000, LOCK_N_FRAMES = 8, LOCK_IRQ = 0x40,
       LOCK_CS3 = 0x2B, LOCK_DS3 = 0x23, LOCK_MMIO = 0x20000000 };

/* What the handlers tell, as it lies in guest memory. */
struct lock_seen {
	uint64_t n_irqs, irq_rip, irq_rflags; /* of the last */
	uint64_t n_faults, fault_rip, fault_cr2, fault_error, fault_rsp, fault_rflags; /* of the last #PF */
	uint64_t look; /* where the #PF handler looks: 16 bytes from there to looked */
	uint64_t looked[2];
	uint64_t fault_rax, fault_rcx, fault_rsi, fault_rdi;
	uint64_t n_traps, trap_rip[30]; /* #DB: of the first 30 */
	uint64_t no_map; /* the #PF handler leaves the page as it is and halts */
};

struct lock_case;
/* One machine of three. */
struct lock_side {
	struct flat *f;
	struct cpu *peer; /* another processor, which runs what an event makes it run */
	const struct lock_case *c;
	const char *name;
	uint64_t icount0;
};

struct lock_case {
	const char *name;
	const uint8_t *code, *end;
	/* Each may be NULL. @prepare: registers and memory; RIP is FLAT_CODE, RSP FLAT_STACK, IF clear.
	 * @event: before the n-th instruction for every n. @expect: after the HLT. */
	void (*prepare)(struct lock_side *m);
	void (*event)(struct lock_side *m);
	void (*expect)(struct lock_side *m);
	unsigned param; /* the case's */
	bool waits; /* in a HLT for the event */
	bool is_real; /* real mode; none of the handlers */
};

/* Runs @c in every way; fails the test with what differs first. */
void lock_run(const struct lock_case *c);
/* The same, @how being MUSTER_SOFT for the one that translates: a string that stays. */
void lock_run_as(const struct lock_case *c, const char *how);
/* How many instructions of all cases so far the reference ran, and how many pieces were compared. */
uint64_t lock_n_steps(void);
uint64_t lock_n_compared(void);
void lock_done(void);

struct lock_seen *lock_seen(struct lock_side *m);
uint64_t lock_peek(struct lock_side *m, uint64_t gpa);
void lock_poke(struct lock_side *m, uint64_t gpa, uint64_t v);
/* The page-table entry of page @n at LOCK_PAGES. */
void lock_map(struct lock_side *m, unsigned n, uint64_t pte);
uint64_t *lock_reg(struct lock_side *m, unsigned reg);
/* The case's label @at as a guest address. */
uint64_t lock_at(const struct lock_side *m, const uint8_t *at);
/* The event of most cases: vector LOCK_IRQ. */
void lock_irq(struct lock_side *m);
/* Sends @vector to @at, a label of the case. */
void lock_gate(struct lock_side *m, unsigned vector, const uint8_t *at);

/* Code, assembled by the compiler: Intel syntax; NAME and NAME_end are its bounds. */
#define GUEST_LABEL(label) extern const uint8_t label[] __attribute__((visibility("hidden")))
#define GUEST(name, text)                                                                                   \
	GUEST_LABEL(name);                                                                                  \
	GUEST_LABEL(name##_end);                                                                            \
	asm(".pushsection .rodata\n.intel_syntax noprefix\n"                                                \
	    ".set CODE, 0x10000; .set STACK, 0x80000; .set SEEN, 0x100000; .set DATA, 0x101000\n"           \
	    ".set PAGES, 0x800000; .set FRAMES, 0x400000; .set ALIAS, 0x40000000; .set PT, 0x4000\n"        \
	    ".set MMIO, 0x20000000; .set PML4, 0x1000\n"                        \
	    ".balign 64\n" #name ":\n" text "\n" #name "_end:\n"                                           \
	    ".att_syntax\n.popsection")

#endif
