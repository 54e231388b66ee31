/* vmm/cpu/kvm/kvm_clock.c: the guest's TSC under KVM.
 *
 * Where the host's processor scales, the TSC runs at whatever is asked for: the
 * model's 1 GHz, or a saved machine's. Where it does not (and asking for a
 * frequency above the host's would make KVM step the TSC by hand), a new guest is
 * shown the host's frequency, in leaf 15h, and a saved one goes on only when its
 * own is the host's: within KHZ_TOLERANCE_PPM, which is what KVM itself takes for
 * the same and what two calibrations of one host differ by.
 *
 * IA32_TSC_ADJUST is the state's tsc_offset, as under the soft engine. The TSC
 * itself is set by its offset (KVM_VCPU_TSC_OFFSET): a write of the MSR would be
 * taken for an attempt to synchronise processors and be ignored when it is near.
 *
 * The TSCs of a machine's processors differ by their TSC_ADJUST and nothing else: the
 * first that is set after all stood still decides the offset for all (tsc_base). So
 * all are paused before one goes on, and none runs before all have gone on.
 *
 * A pause: what is half done is finished (kvm_apic_settle()), then TSC, deadline
 * and count are noted, and put back when the clock goes on, so no timer has run
 * meanwhile and the TSC never steps back. Timers that came due in KVM during the
 * pause are withdrawn by that (setting either restarts the timer).
 *
 * Used by: kvm_cpu.c, kvm_state.c, kvm_apic.c.   Sources: api.rst §4.55, §4.56; devices/vcpu.rst §4;
 * SDM vol. 3 §17.17.3. */
#include "vmm/cpu/kvm/kvm_impl.h"
#include "vmm/cpu/msr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

enum { KHZ_TOLERANCE_PPM = 250 };

static bool is_near(uint32_t khz, uint32_t other)
{
	uint64_t d = khz > other ? khz - other : other - khz;

	return d * 1000000 <= (uint64_t)other * KHZ_TOLERANCE_PPM;
}

bool kvm_clock_set_khz(struct kvm_cpu *k, uint32_t khz)
{
	bool scales = ioctl(k->vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0;

	if (khz == k->tsc_khz)
		return true;
	if ((!scales && !is_near(khz, k->host_khz)) || ioctl(k->fd, KVM_SET_TSC_KHZ, (unsigned long)khz) < 0) {
		(void)snprintf(k->error, sizeof k->error,
			       "its TSC runs at %u kHz; this host's KVM gives %u kHz, and cannot scale it",
			       khz, k->host_khz);
		return false;
	}
	k->tsc_khz = k->model.tsc_khz = khz;
	return true;
}

int kvm_clock_init(struct kvm_cpu *k)
{
	uint64_t offset;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
					.addr = (uintptr_t)&offset };
	int khz;

	/* SYSCALLS(setup-kvm): ioctl(1 == KVM_SET_TSC_KHZ KVM_GET_TSC_KHZ) */
	if (ioctl(k->vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0)
		(void)ioctl(k->fd, KVM_SET_TSC_KHZ, (unsigned long)CPU_TSC_KHZ);
	khz = ioctl(k->fd, KVM_GET_TSC_KHZ, 0);
	if (khz <= 0)
		return khz < 0 ? -errno : -ENOTSUP;
	k->tsc_khz = k->host_khz = (uint32_t)khz;
	k->has_tsc_offset = ioctl(k->fd, KVM_GET_DEVICE_ATTR, &attr) == 0;
	return 0;
}

/* The TSC is @want now, or what another processor's says since all stood. */
static void set_tsc(struct kvm_cpu *k, uint64_t want)
{
	uint64_t offset = 0, now = 0, adjust = 0;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
					.addr = (uintptr_t)&offset };

	if (!k->has_tsc_offset) {
		(void)kvm_msr_set(k, MSR_TSC, want);
		return;
	}
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_DEVICE_ATTR KVM_SET_DEVICE_ATTR) */
	(void)kvm_msr_get(k, MSR_TSC_ADJUST, &adjust);
	if (k->vm->has_tsc_base && k->vm->tsc_base_khz == k->tsc_khz) {
		offset = k->vm->tsc_base + adjust;
	} else {
		if (ioctl(k->fd, KVM_GET_DEVICE_ATTR, &attr) < 0 || !kvm_msr_get(k, MSR_TSC, &now))
			return;
		offset += want - now;
		k->vm->tsc_base = offset - adjust;
		k->vm->tsc_base_khz = k->tsc_khz;
		k->vm->has_tsc_base = k->n_cpus > 1;
	}
	(void)ioctl(k->fd, KVM_SET_DEVICE_ATTR, &attr);
}

void kvm_clock_align(struct kvm_cpu *k)
{
	uint64_t adjust = 0;

	(void)kvm_msr_get(k, MSR_TSC_ADJUST, &adjust);
	k->paused_tsc = k->bus->tsc_read(k->bus->ctx) + adjust;
	set_tsc(k, k->paused_tsc);
}

/* A deadline is for the timer's deadline mode only; a count for the others. */
static void stop(struct kvm_cpu *k)
{
	struct kvm_lapic_state l = { 0 };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_LAPIC KVM_SET_LAPIC) */
	kvm_apic_settle(k);
	(void)kvm_msr_get(k, MSR_TSC, &k->paused_tsc);
	(void)kvm_msr_get(k, MSR_TSC_DEADLINE, &k->paused_deadline);
	k->paused_count = ioctl(k->fd, KVM_GET_LAPIC, &l) == 0 ? kvm_apic_reg(&l, KVM_APIC_TMCCT) : 0;
}

static void go_on(struct kvm_cpu *k)
{
	struct kvm_lapic_state l = { 0 };

	set_tsc(k, k->paused_tsc);
	if (k->paused_deadline)
		(void)kvm_msr_set(k, MSR_TSC_DEADLINE, k->paused_deadline);
	/* The rest of it moved on: interrupts came during the pause. */
	if (!k->paused_count || ioctl(k->fd, KVM_GET_LAPIC, &l) < 0 || kvm_apic_in_deadline_mode(&l))
		return;
	memcpy(l.regs + KVM_APIC_TMCCT, &k->paused_count, sizeof k->paused_count);
	(void)ioctl(k->fd, KVM_SET_LAPIC, &l);
}

void kvm_clock_set_paused(struct cpu *c, bool paused)
{
	struct kvm_cpu *k = kvm_of(c);

	if (paused == k->paused)
		return;
	k->paused = paused;
	if (paused) {
		k->vm->n_paused++;
		stop(k);
	}
	if (k->vm->n_paused == k->n_cpus)
		k->vm->has_tsc_base = false;
	if (!paused) {
		k->vm->n_paused--;
		go_on(k);
	}
}

uint64_t kvm_cpu_paused_tsc(struct cpu *c)
{
	struct kvm_cpu *k = kvm_of(c);
	uint64_t adjust = 0;

	(void)kvm_msr_get(k, MSR_TSC_ADJUST, &adjust);
	return k->paused_tsc - adjust;
}
