/* tests/kvm/guest.h: a tiny guest for the KVM engine: 16 MiB, long mode with the
 * first 4 GiB mapped one to one for all rings, a GDT, an IDT whose handlers
 * report and stop, and a bus that keeps what came. No device, no machine.
 *
 * Used by: tests/kvm/check_kvm*.c. */
#ifndef MUSTER_TESTS_KVM_GUEST_H
#define MUSTER_TESTS_KVM_GUEST_H

#include "vmm/cpu/kvm/kvm.h"
#include "vmm/mem.h"

#include <check.h>

/* Ports: writes to GUEST_STOP end the run with the value; the rest is recorded. */
enum { GUEST_STOP = 0x500, GUEST_RECORD_MAX = 64 };
/* Where things lie. */
enum { GUEST_GDT = 0x1000, GUEST_IDT = 0x2000, GUEST_TSS = 0x4000, GUEST_PML4 = 0x10000,
       GUEST_CODE = 0x100000, GUEST_HANDLERS = 0x110000 /* 16 bytes a vector */,
       GUEST_DATA = 0x200000, GUEST_STACK0 = 0x180000, GUEST_STACK3 = 0x190000 };
#define GUEST_MMIO UINT64_C(0xD0000000)
#define GUEST_LAPIC UINT64_C(0xFEE00000)

struct guest_access {
	bool is_mmio, is_write;
	uint64_t addr, value;
	unsigned size;
};

struct guest {
	struct mem mem;
	struct cpu_bus bus;
	struct kvm_vm *vm;
	struct cpu *cpu;
	struct cpu_state state; /* set at each guest_run() */
	struct guest_access access[GUEST_RECORD_MAX];
	unsigned n_access;
	uint64_t answer; /* to the next reads */
	bool stopped;
	uint32_t stop_value; /* of the write to GUEST_STOP; handlers: 0x100 + vector */
	int intr_vector; /* what intr_ack() gives */
	unsigned n_acks, n_backs; /* intr_ack() and intr_back() called */
	int back_vector; /* the last that came back */
	int eoi_vector; /* the last one told; -1 */
	uint64_t clock; /* tsc_read() */
};

/* Why KVM cannot be tested here; NULL when it can. The caller frees it. */
char *guest_why_not(void);
struct guest *guest_new(void);
/* The first of @n_cpus processors, and one more; the caller frees that before the
 * guest. @bus: borrowed. */
struct guest *guest_new_first(unsigned n_cpus);
struct cpu *guest_cpu_new(struct guest *g, const struct cpu_bus *bus, unsigned apic_id, unsigned n_cpus);
/* Long mode at @cpl (0 or 3, with IOPL 3), about to run what lies at GUEST_CODE. */
void guest_long_mode(const struct guest *g, struct cpu_state *s, unsigned cpl);
struct guest *guest_free(struct guest *g);
/* Runs the code [@start, @end) from its start at @cpl (0 or 3, with IOPL 3) until
 * it stops or something else ends the run. */
enum cpu_stop guest_run(struct guest *g, const char *start, const char *end, unsigned cpl);
/* Goes on where it is. */
enum cpu_stop guest_resume(struct guest *g);

/* Guest code in the test's own file: position-independent 64-bit AT&T text. */
#define GUEST_CODE_TEXT(name, text)                                            \
	extern const char name[], name##_end[];                                \
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection")
#define GUEST_DONE "movw $0x500, %dx\n movl $1, %eax\n outl %eax, %dx\n"

#endif
