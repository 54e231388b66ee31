/* vmm/cpu/kvm/kvm.h: the engine that runs on the host's processor.
 *
 * A struct kvm_vm is what the processors of one machine share: its memory and
 * the way of its interrupts. The local APICs are KVM's; PIC, PIT and I/O APIC
 * are the machine's (KVM's split irqchip), so the machine sends messages and
 * the engine tells it of EOIs through cpu_bus.eoi.
 *
 * While a thread is in a processor's run(), others may call its kick() and
 * set_intr(), and what takes a kvm_vm; all else is for the thread itself, or for
 * any one thread while none is in run().
 *
 * Used by: vmm/machine_kvm.c, tests/kvm.
 * Sources: Linux Documentation/virt/kvm/api.rst. */
#ifndef MUSTER_VMM_CPU_KVM_KVM_H
#define MUSTER_VMM_CPU_KVM_KVM_H

#include "vmm/cpu/cpu.h"

struct kvm_vm;

/* Why the processor left guest mode for the machine, for figures. */
enum kvm_exit_kind { KVM_LEFT_PIO, KVM_LEFT_MMIO, KVM_LEFT_MSR, KVM_LEFT_EOI, KVM_LEFT_WINDOW,
		     KVM_LEFT_KICK, KVM_LEFT_OTHER, KVM_LEFT_COUNT };
/* The kind's name for statistics. Not to be freed. */
const char *kvm_exit_kind_str(enum kvm_exit_kind kind);

/* Can this host's KVM run a guest that relies on the whole processor model? That
 * its guests run at speed is not looked at. Returns 0, or -errno with the reason. */
int kvm_usable(char **ret_why);

/* @mem: borrowed, outlives it. @ret_why: what the host lacks, the caller frees
 * it. Returns 0 or -errno. */
int kvm_vm_new(struct mem *mem, struct kvm_vm **ret_vm, char **ret_why);
/* All its processors are made: /dev/kvm itself, by which other machines could be,
 * is closed. */
void kvm_vm_made(struct kvm_vm *vm);
struct kvm_vm *kvm_vm_free(struct kvm_vm *vm); /* its processors are gone; accepts NULL */

/* A message to the local APICs (SDM vol. 3 §11.11). One that no APIC takes is lost. */
void kvm_vm_msi(struct kvm_vm *vm, uint64_t addr, uint32_t data);
enum { KVM_LINE_COUNT = 32 };
/* A line: each write of 1 to @fd (an eventfd) sends this message (irqfd). @line is below
 * KVM_LINE_COUNT and off. Returns 0 or -errno, and then it is off still. */
int kvm_vm_line_on(struct kvm_vm *vm, unsigned line, uint64_t addr, uint32_t data, int fd);
/* No longer. What was written to @fd before has arrived when this returns. */
void kvm_vm_line_off(struct kvm_vm *vm, unsigned line, int fd);
/* What input @pin of the I/O APIC sends: by it KVM knows of which vectors to
 * tell the EOI. @addr 0: nothing. @pin: below 24. */
void kvm_vm_route(struct kvm_vm *vm, unsigned pin, uint64_t addr, uint32_t data);

/* A write to @gpa, of whatever width, rings @fd (an eventfd) and the guest goes on;
 * or no longer. What rings takes no part in the bus. Returns 0 or -errno (-EEXIST:
 * something rings there). */
int kvm_vm_bell(struct kvm_vm *vm, uint64_t gpa, int fd, bool on);

/* All are about pages written: those since the last call are told in one bit a page, by their number
 * in mem's mapping (as mem.code_bits). Logging starts with kvm_vm_dirty_start().
 * @bits: room for all of mem's pages; they are or'ed in. Return 0 or -errno. */
int kvm_vm_dirty_start(struct kvm_vm *vm);
int kvm_vm_dirty_collect(struct kvm_vm *vm, uint8_t *bits);
void kvm_vm_dirty_stop(struct kvm_vm *vm);

/* A processor. @bus: borrowed. @apic_id: below @n_cpus, which is at most 8.
 * Its kick() uses the signal SIGRTMIN. Returns 0 or -errno with @ret_why. */
int kvm_cpu_new(struct kvm_vm *vm, const struct cpu_bus *bus, uint32_t apic_id, uint32_t n_cpus,
		struct cpu **ret_cpu, char **ret_why);
/* The TSC's frequency that the guest sees. */
uint32_t kvm_cpu_tsc_khz(const struct cpu *c);
/* The bus's TSC as a paused processor kept it, or as it was set: the host's
 * processor and the machine's clock run a little apart. */
uint64_t kvm_cpu_paused_tsc(struct cpu *c);
/* How often the processor left the guest for that reason. */
uint64_t kvm_cpu_exits(const struct cpu *c, enum kvm_exit_kind kind);

#endif
