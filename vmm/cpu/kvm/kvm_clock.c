/* vmm/cpu/kvm/kvm_clock.c: the guest's TSC under KVM.
 *
 * Where the host's processor scales, the TSC runs at the model's 1 GHz and starts
 * as the machine's clock, in nanoseconds. Where it does not (and asking for a
 * frequency above the host's would make KVM step the TSC by hand), the guest is
 * shown the host's frequency, in leaf 15h; the rest of the model stays.
 *
 * IA32_TSC_ADJUST is the state's tsc_offset, as under the soft engine. The TSC
 * itself is set by its offset (KVM_VCPU_TSC_OFFSET): a write of the MSR would be
 * taken for an attempt to synchronise processors and be ignored when it is near.
 *
 * A pause: TSC, deadline and count are noted, and put back when the clock goes
 * on, so no timer has run meanwhile and the TSC never steps back. Timers that
 * came due in KVM during the pause are withdrawn by that (setting either
 * restarts the timer).
 *
 * Used by: kvm_cpu.c, kvm_state.c.   Sources: api.rst §4.55, §4.56; devices/vcpu.rst §4;
 * SDM vol. 3 §17.17.3. */
#include "vmm/cpu/kvm/kvm_impl.h"
#include "vmm/cpu/msr.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

enum { LVT_MODE_SHIFT = 17, LVT_MODE_MASK = 3, LVT_MODE_DEADLINE = 2 };

/* Ticks of the guest's TSC in @ns of the bus's clock. */
static uint64_t ticks(const struct kvm_cpu *k, uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * k->tsc_khz / 1000000);
}

int kvm_clock_init(struct kvm_cpu *k)
{
	uint64_t offset;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
					.addr = (uintptr_t)&offset };
	int khz;

	if (ioctl(k->vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0)
		(void)ioctl(k->fd, KVM_SET_TSC_KHZ, (unsigned long)CPU_TSC_KHZ);
	khz = ioctl(k->fd, KVM_GET_TSC_KHZ, 0);
	if (khz <= 0)
		return khz < 0 ? -errno : -ENOTSUP;
	k->tsc_khz = (uint32_t)khz;
	k->has_tsc_offset = ioctl(k->fd, KVM_GET_DEVICE_ATTR, &attr) == 0;
	return 0;
}

/* The TSC is @want now. */
static void set_tsc(struct kvm_cpu *k, uint64_t want)
{
	uint64_t offset = 0, now = 0;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
					.addr = (uintptr_t)&offset };

	if (!k->has_tsc_offset) {
		(void)kvm_msr_set(k, MSR_TSC, want);
		return;
	}
	if (ioctl(k->fd, KVM_GET_DEVICE_ATTR, &attr) < 0 || !kvm_msr_get(k, MSR_TSC, &now))
		return;
	offset += want - now;
	(void)ioctl(k->fd, KVM_SET_DEVICE_ATTR, &attr);
}

void kvm_clock_align(struct kvm_cpu *k)
{
	uint64_t adjust = 0;

	(void)kvm_msr_get(k, MSR_TSC_ADJUST, &adjust);
	set_tsc(k, ticks(k, k->bus->tsc_read(k->bus->ctx)) + adjust);
}

static uint32_t lapic_reg(const struct kvm_lapic_state *l, unsigned at)
{
	uint32_t v;

	memcpy(&v, l->regs + at, sizeof v);
	return v;
}

static void stop(struct kvm_cpu *k)
{
	struct kvm_lapic_state l = { 0 };

	(void)kvm_msr_get(k, MSR_TSC, &k->paused_tsc);
	(void)kvm_msr_get(k, MSR_TSC_DEADLINE, &k->paused_deadline);
	k->paused_count = ioctl(k->fd, KVM_GET_LAPIC, &l) == 0 ? lapic_reg(&l, KVM_LAPIC_TMCCT) : 0;
}

static void go_on(struct kvm_cpu *k)
{
	struct kvm_lapic_state l = { 0 };

	set_tsc(k, k->paused_tsc);
	if (k->paused_deadline)
		(void)kvm_msr_set(k, MSR_TSC_DEADLINE, k->paused_deadline);
	/* The rest of it moved on: interrupts came during the pause. */
	if (!k->paused_count || ioctl(k->fd, KVM_GET_LAPIC, &l) < 0 ||
	    (lapic_reg(&l, KVM_LAPIC_LVTT) >> LVT_MODE_SHIFT & LVT_MODE_MASK) == LVT_MODE_DEADLINE)
		return;
	memcpy(l.regs + KVM_LAPIC_TMCCT, &k->paused_count, sizeof k->paused_count);
	(void)ioctl(k->fd, KVM_SET_LAPIC, &l);
}

void kvm_clock_set_paused(struct cpu *c, bool paused)
{
	struct kvm_cpu *k = kvm_of(c);

	if (paused == k->paused)
		return;
	k->paused = paused;
	if (paused)
		stop(k);
	else
		go_on(k);
}
