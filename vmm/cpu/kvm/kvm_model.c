/* vmm/cpu/kvm/kvm_model.c: the processor model told to KVM: CPUID and MSRs.
 *
 * CPUID is cpu_model_cpuid()'s, leaf by leaf; KVM adds what mirrors control
 * registers (and sizes into a leaf Dh, which is therefore left out: it is zero), and answers leaves out of range as the model does (with the last
 * basic one, as Intel's processors).
 *
 * MSRs: a filter lets through what the hardware or KVM must know (TSC, LAPIC,
 * SYSCALL, SYSENTER, PAT, MTRRs) and leaves the rest to us; what the model has not is
 * #GP, so KVM's own paravirtual registers are not there. x2APIC's are never filtered.
 *
 * Used by: kvm_vm.c, kvm_cpu.c.   Sources: api.rst §4.20, §4.97, §5. */
#include "vmm/cpu/kvm/kvm_impl.h"
#include "vmm/cpu/msr.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

enum { ENTRY_MAX = 64, CACHE_SUBLEAVES = 4, TOPOLOGY_SUBLEAVES = 3,
       LEAF_XSAVE = 0xD };

int kvm_model_filter(int vm_fd)
{
	static const struct {
		uint32_t first, n;
	} passed[] = {
		{ MSR_TSC, 1 },		   { MSR_APIC_BASE, 1 },     { MSR_TSC_ADJUST, 1 },
		{ MSR_SYSENTER_CS, 3 },	   { MSR_MTRR_VAR, 16 },     { MSR_MTRR_FIX64K, 1 },
		{ MSR_MTRR_FIX16K, 2 },	   { MSR_MTRR_FIX4K, 8 },    { MSR_PAT, 1 },
		{ MSR_MTRR_DEF_TYPE, 1 },  { MSR_TSC_DEADLINE, 1 },  { (uint32_t)MSR_EFER, 5 },
		{ (uint32_t)MSR_FS_BASE, 4 },
	};
	struct kvm_enable_cap exits = { .cap = KVM_CAP_X86_USER_SPACE_MSR,
					.args = { KVM_MSR_EXIT_REASON_UNKNOWN |
						  KVM_MSR_EXIT_REASON_FILTER } };
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_DENY };
	static uint8_t ones[8] = { 0xFF, 0xFF }; /* the kernel reads whole words */

	_Static_assert(sizeof passed / sizeof passed[0] <= KVM_MSR_FILTER_MAX_RANGES, "a range each");
	for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
		filter.ranges[i] = (struct kvm_msr_filter_range){
			.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			.base = passed[i].first, .nmsrs = passed[i].n, .bitmap = ones };
	/* SYSCALLS(setup-kvm): ioctl(1 == KVM_ENABLE_CAP KVM_X86_SET_MSR_FILTER) */
	if (ioctl(vm_fd, KVM_ENABLE_CAP, &exits) < 0 || ioctl(vm_fd, KVM_X86_SET_MSR_FILTER, &filter) < 0)
		return -errno;
	return 0;
}

/* ---- CPUID ------------------------------------------------------------------------- */

struct list {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entry[ENTRY_MAX];
};

static void add(struct list *l, const struct kvm_cpu *k, uint32_t leaf, uint32_t subleaf, bool indexed)
{
	struct kvm_cpuid_entry2 *e = &l->entry[l->head.nent];
	struct cpuid_regs r;

	if (l->head.nent == ENTRY_MAX)
		return;
	cpu_model_cpuid(&k->model, leaf, subleaf, k->apic_id, k->n_cpus, &r);
	*e = (struct kvm_cpuid_entry2){ .function = leaf, .index = subleaf,
					.flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
					.eax = r.eax, .ebx = r.ebx, .ecx = r.ecx, .edx = r.edx };
	l->head.nent++;
}

static void add_range(struct list *l, const struct kvm_cpu *k, uint32_t first, uint32_t last)
{
	for (uint32_t leaf = first; leaf <= last; leaf++) {
		uint32_t n = leaf == 4 ? CACHE_SUBLEAVES : leaf == 0xB ? TOPOLOGY_SUBLEAVES : 1;
		bool indexed = leaf == 4 || leaf == 7 || leaf == 0xB;

		for (uint32_t sub = 0; sub < n && leaf != LEAF_XSAVE; sub++)
			add(l, k, leaf, sub, indexed);
	}
}

int kvm_model_cpuid(struct kvm_cpu *k)
{
	struct list l = { 0 };
	struct cpuid_regs top;

	cpu_model_cpuid(&k->model, 0, 0, 0, 1, &top);
	add_range(&l, k, 0, top.eax);
	cpu_model_cpuid(&k->model, 0x80000000, 0, 0, 1, &top);
	add_range(&l, k, 0x80000000, top.eax);
	/* Between the first and the last leaf of a hypervisor's KVM answers zeros, as the model. */
	cpu_model_cpuid(&k->model, 0x40000000, 0, 0, 1, &top);
	add(&l, k, 0x40000000, 0, false);
	add(&l, k, top.eax, 0, false);
	/* SYSCALLS(setup-kvm): ioctl(1 == KVM_SET_CPUID2) */
	return ioctl(k->fd, KVM_SET_CPUID2, &l) < 0 ? -errno : 0;
}

/* ---- MSRs ---------------------------------------------------------------------------- */

void kvm_model_rdmsr(struct kvm_cpu *k)
{
	uint64_t v = 0;

	k->run->msr.error = !cpu_model_msr_read(&k->model, k->run->msr.index, &v);
	k->run->msr.data = v;
}

void kvm_model_wrmsr(struct kvm_cpu *k)
{
	k->run->msr.error = !cpu_model_msr_write(&k->model, k->run->msr.index, k->run->msr.data);
}
