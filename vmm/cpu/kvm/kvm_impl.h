/* vmm/cpu/kvm/kvm_impl.h: what the files of the KVM engine share. */
#ifndef MUSTER_VMM_CPU_KVM_KVM_IMPL_H
#define MUSTER_VMM_CPU_KVM_KVM_IMPL_H

#include "vmm/cpu/kvm/kvm.h"
#include "vmm/mem.h"

#include <linux/kvm.h>
#include <pthread.h>

enum { KVM_PIN_COUNT = 24, KVM_GSI_COUNT = KVM_PIN_COUNT + KVM_LINE_COUNT, KVM_SLOT_MAX = 3, KVM_ERROR_SIZE = 160,
       KVM_APIC_TMCCT = 0x390 };

struct kvm_slot {
	uint64_t gpa, len; /* bytes; len 0: unused */
	uint8_t *host;
};

struct kvm_vm {
	struct mem *mem; /* borrowed */
	int kvm_fd, fd;
	struct kvm_slot slot[KVM_SLOT_MAX];
	struct kvm_irq_routing_entry route[KVM_GSI_COUNT]; /* pins, then lines; type 0: none */
	/* kvm_clock.c: what the TSCs of all processors are the host's and */
	uint64_t tsc_base;
	uint32_t tsc_base_khz;
	bool has_tsc_base;
	unsigned n_paused; /* processors */
};

struct kvm_cpu {
	struct cpu cpu; /* first */
	struct kvm_vm *vm; /* borrowed */
	const struct cpu_bus *bus; /* borrowed */
	int fd;
	struct kvm_run *run; /* shared with the kernel */
	size_t run_size;
	uint32_t apic_id, n_cpus;
	uint32_t tsc_khz, host_khz; /* the guest's; what KVM gave unasked */
	struct cpu_state model; /* registers that KVM does not keep: misc_enable, mtrr_cap, ... */
	bool intr_line; /* the 8259's INT; atomic: any thread sets it */
	bool has_tsc_offset; /* the kernel takes KVM_VCPU_TSC_OFFSET */
	pthread_t thread; /* the one in run() */
	bool has_thread; /* atomic */
	bool has_run; /* KVM_RUN was called */
	enum cpu_stop stop_seen; /* while settling, for the next run(); CPU_STOP_COUNT: none */
	bool paused;
	uint64_t paused_tsc, paused_deadline; /* while paused */
	uint32_t paused_count; /* the LAPIC timer's, when it counts */
	uint64_t n_left[KVM_LEFT_COUNT];
	char error[KVM_ERROR_SIZE];
};

static inline struct kvm_cpu *kvm_of(struct cpu *c)
{
	return (struct kvm_cpu *)c;
}

/* kvm_host.c: opens /dev/kvm and asks for the interfaces the engine uses. Returns 0, or -errno with the reason. */
int kvm_host_open(int *ret_fd, char **ret_why);

/* kvm_model.c: Both tell KVM the processor model. Return 0 or -errno. */
int kvm_model_filter(int vm_fd);
int kvm_model_cpuid(struct kvm_cpu *k);
/* Both serve an access that KVM left to us. */
void kvm_model_rdmsr(struct kvm_cpu *k);
void kvm_model_wrmsr(struct kvm_cpu *k);

/* kvm_state.c: Both move the architectural state of a processor that is not in run(). @st: the caller's. */
void kvm_state_get(struct cpu *c, struct cpu_state *st);
void kvm_state_set(struct cpu *c, const struct cpu_state *st);
/* Both return false when KVM does not know the register. */
bool kvm_msr_get(struct kvm_cpu *k, uint32_t msr, uint64_t *ret_v);
bool kvm_msr_set(struct kvm_cpu *k, uint32_t msr, uint64_t v);
void kvm_fail(struct kvm_cpu *k, const char *what);

/* kvm_cpu.c: Does what KVM_RUN came back for. CPU_STOP_COUNT: go on. */
enum cpu_stop kvm_serve_exit(struct kvm_cpu *k);

/* kvm_apic.c. kvm_apic_settle(): what is between two instructions in KVM alone
 * becomes architectural state. @k: is not in run(). */
void kvm_apic_settle(struct kvm_cpu *k);
/* Both move the state of the local APIC. The processor is not in run(). */
void kvm_apic_get(struct cpu *c, struct cpu_apic *ret_apic);
void kvm_apic_set(struct cpu *c, const struct cpu_apic *apic);
uint32_t kvm_apic_reg(const struct kvm_lapic_state *l, unsigned at);
bool kvm_apic_in_deadline_mode(const struct kvm_lapic_state *l);

/* kvm_clock.c: Returns 0 or -errno. */
int kvm_clock_init(struct kvm_cpu *k);
/* The guest's TSC runs at @khz. False: that cannot be had, and the error says so. */
bool kvm_clock_set_khz(struct kvm_cpu *k, uint32_t khz);
/* The guest's TSC becomes the bus's clock and its TSC_ADJUST. */
void kvm_clock_align(struct kvm_cpu *k);
void kvm_clock_set_paused(struct cpu *c, bool paused);

#endif
