/* teams/probe_kvm.c: a loop at CPL 0 in a KVM machine, timed.
 *
 * Some nested hosts open /dev/kvm and then emulate all supervisor code of a
 * guest, some thousand times slower than it should run: Linux never leaves its
 * decompressor there. So the probe runs what a kernel runs: LOOPS times
 * `dec ecx; jnz` in real mode (CPL 0), and looks at the clock. Real KVM needs
 * well below a millisecond; the emulating hosts seen need about 180 ms, so a
 * twentieth is run first, and that says enough where it is far too slow. The
 * border is 20 million instructions a second: emulating KVMs do 1 to 2, a true KVM
 * within an emulated machine some 200 to 300. The clock is the processor's time,
 * so a busy host does not look slow. An alarm ends a probe that hangs.
 *
 * Used by: engine.c, doctor.c.   Sources: Linux Documentation/virt/kvm/api.rst. */
#include "teams/probe_kvm.h"

#include "core/cleanup.h"
#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>

enum {
	LOOPS_FIRST = 5000,
	TRIES = 3,
	LOOPS = 100000,
	FAST_MIPS = 20,
	HOPELESS_MIPS = 4, /* a first run this slow is the verdict */
	MEMORY = 4096,
	CODE_AT = 0x1000, /* guest-physical: the one page there is */
	BOUND_S = 2,
};

/* 1: dec ecx; jnz 1b; hlt (16-bit code, 32-bit operands); ECX is set from outside. */
static const unsigned char code[] = { 0x66, 0x49, 0x75, 0xfc, 0xf4 };

static void on_alarm(int signo)
{
	(void)signo; /* KVM_RUN ends with EINTR */
}

static int set_registers(int vcpu, unsigned loops)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2, .rcx = loops };

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

/* Runs until HLT. Returns 0 or -errno; -EPROTO for another exit. */
static int run(int vcpu, const struct kvm_run *state, nsec_t *ret_ns)
{
	struct sigaction sa = { .sa_handler = on_alarm }, old;
	struct itimerval bound = { .it_value = { .tv_sec = BOUND_S } }, none = { 0 };
	nsec_t start = clock_cpu();
	int r = 0;

	(void)sigaction(SIGALRM, &sa, &old);
	(void)setitimer(ITIMER_REAL, &bound, NULL);
	if (ioctl(vcpu, KVM_RUN, 0) < 0)
		r = -errno;
	*ret_ns = clock_cpu() - start;
	(void)setitimer(ITIMER_REAL, &none, NULL);
	(void)sigaction(SIGALRM, &old, NULL);
	if (r == 0 && state->exit_reason != KVM_EXIT_HLT)
		r = -EPROTO;
	return r;
}

/* Returns 0 or -errno. @ret_mips: untouched on failure. */
static int measure(int vcpu, const struct kvm_run *state, unsigned loops, double *ret_mips)
{
	nsec_t ns = 0;
	int r = set_registers(vcpu, loops);

	if (r == 0)
		r = run(vcpu, state, &ns);
	if (r == 0)
		*ret_mips = 2.0 * loops * 1e3 / (double)nsec_max(ns, 1);
	return r;
}

/* The best of up to TRIES runs, as something may come between; one of @enough is enough. */
static int best_of(int vcpu, const struct kvm_run *state, unsigned loops, double enough,
		   double *ret_mips)
{
	double best = 0, mips = 0;
	int r = 0;

	for (int i = 0; i < TRIES && r == 0 && best < enough; i++) {
		r = measure(vcpu, state, loops, &mips);
		best = r == 0 && mips > best ? mips : best;
	}
	if (r == 0)
		*ret_mips = best;
	return r;
}

static int probe_vcpu(int kvm, int vm, double *ret_mips)
{
	CLEANUP(fd) int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), r;
	struct kvm_run *state;

	if (vcpu < 0 || size < (int)sizeof *state)
		return -errno;
	state = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (state == MAP_FAILED)
		return -errno;
	r = measure(vcpu, state, 1, ret_mips); /* what is made at the first entry */
	if (r == 0)
		r = best_of(vcpu, state, LOOPS_FIRST, HOPELESS_MIPS, ret_mips);
	if (r == 0 && *ret_mips >= HOPELESS_MIPS)
		r = best_of(vcpu, state, LOOPS, FAST_MIPS, ret_mips);
	(void)munmap(state, (size_t)size);
	return r;
}

static int probe(int kvm, double *ret_mips)
{
	CLEANUP(fd) int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	void *page;
	struct kvm_userspace_memory_region region = { .guest_phys_addr = CODE_AT,
						      .memory_size = MEMORY };
	int r;

	if (vm < 0)
		return -errno;
	page = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	memcpy(page, code, sizeof code);
	region.userspace_addr = (uintptr_t)page;
	r = ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : probe_vcpu(kvm, vm, ret_mips);
	(void)munmap(page, MEMORY);
	return r;
}

void probe_kvm(struct probe_kvm_result *ret)
{
	CLEANUP(fd) int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int r;

	*ret = (struct probe_kvm_result){ .verdict = KVM_BROKEN };
	if (kvm < 0) {
		ret->error = errno;
		ret->verdict = errno == EACCES || errno == EPERM ? KVM_DENIED : KVM_ABSENT;
		return;
	}
	r = probe(kvm, &ret->mips);
	ret->error = -r;
	if (r < 0 && r != -EINTR)
		return;
	/* Interrupted by the bound: slower than anything. */
	ret->verdict = ret->mips >= FAST_MIPS ? KVM_FAST : KVM_SLOW;
}
