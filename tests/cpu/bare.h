/* tests/cpu/bare.h: a soft processor without its run loop: one instruction at
 * a time is decoded and executed, and what it raises is told, not delivered.
 * For the tests of memory, events and system instructions. */
#ifndef MUSTER_TESTS_CPU_BARE_H
#define MUSTER_TESTS_CPU_BARE_H

#include "vmm/cpu/soft/interp/exec.h"
#include "vmm/cpu/soft/mmu/mmu.h"
#include "vmm/cpu/soft/mmu/seg.h"
#include "vmm/cpu/soft/sysreg.h"

/* Where things lie in the machine's 16 MiB. */
enum { BARE_GDT = 0x1000, BARE_IDT = 0x2000, BARE_TSS = 0x4000, BARE_PML4 = 0x10000,
       BARE_PDPT = 0x11000, BARE_PD = 0x12000, BARE_PT = 0x13000 /* maps linear 0x800000.. */,
       BARE_CODE = 0x100000, BARE_HANDLERS = 0x110000 /* 16 bytes a vector */,
       BARE_STACK = 0x180000, BARE_IST1 = 0x190000, BARE_RSP0 = 0x1A0000,
       BARE_USER_STACK = 0x1B0000, BARE_PAGES = 0x800000 /* linear, 4 KiB pages */,
       BARE_FRAMES = 0x400000 /* what those map */ };
/* Selectors. Long mode: 64-bit code. Legacy: 32-bit code. */
enum { BARE_CS0 = 0x10, BARE_DS0 = 0x18, BARE_CS3_32 = 0x23, BARE_DS3 = 0x2B, BARE_CS3 = 0x33,
       BARE_TR = 0x40, BARE_GATE = 0x50 };

struct bare {
	struct mem mem;
	struct cpu_bus bus;
	struct soft *s;
	uint64_t mmio_addr, mmio_value, tsc, cr8, apic_base, deadline;
	unsigned n_mmio_reads, n_mmio_writes, n_pio_reads, n_pio_writes;
	uint16_t pio_port;
	uint32_t pio_value;
};

struct bare *bare_new(void);
void bare_free(struct bare *b);
/* After RESET, but at 0:BARE_REAL_IP with a stack. */
enum { BARE_REAL_IP = 0x7C00 };
void bare_real(struct bare *b);
/* Long mode at @cpl; 1 GiB identity-mapped but for 512 4 KiB pages at BARE_PAGES. */
void bare_long(struct bare *b, unsigned cpl);
/* 32-bit protected mode without paging at @cpl. */
void bare_prot(struct bare *b, unsigned cpl);

void bare_poke64(struct bare *b, uint64_t gpa, uint64_t v);
uint64_t bare_peek64(struct bare *b, uint64_t gpa);
uint32_t bare_peek32(struct bare *b, uint64_t gpa);
uint16_t bare_peek16(struct bare *b, uint64_t gpa);
/* The page-table entry of page @n at BARE_PAGES. */
static inline uint64_t bare_pte(unsigned n)
{
	return BARE_PT + n * 8;
}

/* Executes one instruction of @n bytes, put at BARE_CODE. Returns the vector that it
 * raised, or -1. s->rip is then the next instruction's. */
int bare_exec(struct bare *b, const uint8_t *bytes, size_t n);
#define EXEC(b, ...)                                                           \
	({                                                                     \
		static const uint8_t code_[] = { __VA_ARGS__ };                \
		bare_exec((b), code_, sizeof(code_));                          \
	})

/* The vector that @statement raises, or -1. */
#define RAISED(b, statement)                                                   \
	({                                                                     \
		volatile int vector_ = -1;                                     \
		if (!sigsetjmp((b)->s->fault_jmp, 0)) {                        \
			statement;                                             \
		} else {                                                       \
			vector_ = (b)->s->exc_vector;                          \
		}                                                              \
		(int)vector_;                                                  \
	})

#endif
