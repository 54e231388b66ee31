/* vmm/cpu/kvm/kvm_host.c: does this host's KVM have what the engine needs.
 *
 * The guest sees one processor model, so a feature of it that the host's
 * processor lacks is a reason to refuse, not to hide it. The two string hints
 * (ERMS, FSRM) change no result and are not asked for; x2APIC, the deadline
 * timer and TSC_ADJUST are KVM's own work.
 *
 * A machine is made on what has the interface; whether its processor can show the
 * model is asked before (kvm_usable()).
 *
 * Used by: kvm_vm.c, vmm/machine_kvm.c, teams/engine.c.   Sources: api.rst §4.4, §4.46; SDM vol. 2, CPUID. */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "vmm/cpu/kvm/kvm_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { API_VERSION = 12, CPUID_MAX = 256, PHYS_BITS = 40 };
#define BIT(n) (UINT32_C(1) << (n))

static const struct {
	int cap;
	const char *name;
} wanted_caps[] = {
	{ KVM_CAP_USER_MEMORY, "user memory" },
	{ KVM_CAP_SPLIT_IRQCHIP, "split irqchip" },
	{ KVM_CAP_SIGNAL_MSI, "message-signalled interrupts" },
	{ KVM_CAP_IRQ_ROUTING, "interrupt routing" },
	{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },
	{ KVM_CAP_IOEVENTFD, "doorbells (ioeventfd)" },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, "doorbells of any width (Linux 4.4)" },
	{ KVM_CAP_VCPU_EVENTS, "event state" },
	{ KVM_CAP_DEBUGREGS, "debug register state" },
	{ KVM_CAP_XSAVE, "XSAVE state" },
	{ KVM_CAP_MP_STATE, "run state" },
	{ KVM_CAP_GET_TSC_KHZ, "TSC frequency" },
	{ KVM_CAP_TSC_DEADLINE_TIMER, "TSC deadline timer" },
	{ KVM_CAP_X86_USER_SPACE_MSR, "user-space MSRs (Linux 5.10)" },
	{ KVM_CAP_X86_MSR_FILTER, "MSR filter (Linux 5.10)" },
};

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *list, uint32_t leaf)
{
	for (uint32_t i = 0; i < list->nent; i++)
		if (list->entries[i].function == leaf && list->entries[i].index == 0)
			return &list->entries[i];
	return NULL;
}

/* What of the model's @leaf the host cannot do, but for what is not hardware. */
static const char *lacks_feature(const struct kvm_cpuid2 *list)
{
	const struct kvm_cpuid_entry2 *l1 = find(list, 1), *l7 = find(list, 7);
	const struct kvm_cpuid_entry2 *ext = find(list, 0x80000001), *size = find(list, 0x80000008);
	uint32_t own_ecx = BIT(21) | BIT(24) | BIT(31); /* x2APIC, deadline timer, hypervisor */
	struct cpuid_regs m1, mext;
	struct cpu_state state;

	cpu_state_reset(&state);
	cpu_model_cpuid(&state, 1, 0, 0, 1, &m1);
	cpu_model_cpuid(&state, 0x80000001, 0, 0, 1, &mext);
	if (!l1 || (m1.ecx & ~own_ecx & ~l1->ecx) || (m1.edx & ~l1->edx))
		return "the instructions of x86-64-v2";
	if (!l7 || !(l7->ebx & BIT(0)))
		return "FSGSBASE";
	if (!ext || (mext.ecx & ~ext->ecx) || (mext.edx & ~ext->edx))
		return "long mode's features (NX, RDTSCP, 1 GiB pages)";
	if (!size || (size->eax & 0xFF) < PHYS_BITS)
		return "40 bits of physical address";
	return NULL;
}

static int check_processor(int kvm_fd, char **ret_why)
{
	size_t size = sizeof(struct kvm_cpuid2) + CPUID_MAX * sizeof(struct kvm_cpuid_entry2);
	CLEANUP(free) struct kvm_cpuid2 *list = calloc(1, size);
	const char *lack;
	int r;

	if (!list)
		return -ENOMEM;
	list->nent = CPUID_MAX;
	/* SYSCALLS(setup-kvm): ioctl(1 == KVM_GET_SUPPORTED_CPUID) */
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, list) < 0) {
		r = -errno;
		*ret_why = str_printf("KVM does not tell its processor's features: %s", strerror(-r));
		return r;
	}
	lack = lacks_feature(list);
	if (!lack)
		return 0;
	*ret_why = str_printf("the host's processor, or its KVM, lacks %s", lack);
	return -ENOTSUP;
}

static int check_interface(int kvm_fd, char **ret_why)
{
	/* SYSCALLS(setup-kvm): ioctl(1 == KVM_GET_API_VERSION KVM_CHECK_EXTENSION) */
	int version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);

	if (version != API_VERSION) {
		*ret_why = str_printf("KVM's interface has version %d, not %d", version, API_VERSION);
		return -ENOTSUP;
	}
	for (size_t i = 0; i < sizeof wanted_caps / sizeof wanted_caps[0]; i++) {
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, wanted_caps[i].cap) > 0)
			continue;
		*ret_why = str_printf("the host's KVM lacks: %s", wanted_caps[i].name);
		return -ENOTSUP;
	}
	return 0;
}

int kvm_host_open(int *ret_fd, char **ret_why)
{
	CLEANUP(fd) int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	if (r < 0) {
		*ret_why = str_printf("/dev/kvm: %s", strerror(-r));
		return r;
	}
	r = check_interface(fd, ret_why);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

int kvm_usable(char **ret_why)
{
	CLEANUP(fd) int fd = -1;
	int r = kvm_host_open(&fd, ret_why);

	return r < 0 ? r : check_processor(fd, ret_why);
}
