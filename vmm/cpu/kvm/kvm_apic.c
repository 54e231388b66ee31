/* vmm/cpu/kvm/kvm_apic.c: KVM's local APIC as architectural state, and what is not.
 *
 * KVM_GET_LAPIC gives the register page. Three things are not in it, nor anywhere
 * a program could ask: a timer that has come due and not been requested yet, an EOI
 * that the machine has not been told of yet, and a vector of the 8259s that was
 * given and not taken. KVM does all three on its way into the guest. So before a
 * processor is looked at it is sent there and does not arrive: KVM_RUN with a signal
 * pending finishes the last access, does what is due, and comes back before the
 * first instruction.
 *
 * What it then may have done too much is to begin the delivery of an interrupt
 * (events.interrupt.injected). That is not a state of the architecture, and is told
 * as it was before: a vector of the LAPIC's is in IRR again instead of ISR, in the
 * copy that is handed out, and one of the 8259s' goes back to them for good.
 *
 * SET_LAPIC starts the timer with the count that is in the page, so a one-shot
 * count that is over must not be given (vmm/dev/lapic.c). The deadline is an MSR,
 * kept only in the LVT's deadline mode: it is set after the page, and after the TSC.
 *
 * Used by: kvm_cpu.c, kvm_clock.c.   Sources: api.rst §4.57, §4.58 (LAPIC), §4.21
 * (signal mask), §4.31 (events), §5 (immediate_exit); SDM vol. 3 table 11-1. */
#include "vmm/cpu/kvm/kvm_impl.h"
#include "vmm/cpu/msr.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

enum { APIC_ISR = 0x100, APIC_IRR = 0x200, APIC_LVTT = 0x320, REG_STRIDE = 16,
       LVT_MODE_SHIFT = 17, LVT_MODE_MASK = 3, LVT_MODE_DEADLINE = 2,
       KERNEL_SIGSET_SIZE = 8, SETTLE_MAX = 1000, ROUNDS = 2 };
_Static_assert(CPU_APIC_REG_COUNT * REG_STRIDE == KVM_APIC_REG_SIZE, "the page, register by register");

uint32_t kvm_apic_reg(const struct kvm_lapic_state *l, unsigned at)
{
	uint32_t v;

	memcpy(&v, l->regs + at, sizeof v);
	return v;
}

static void reg_set(struct kvm_lapic_state *l, unsigned at, uint32_t v)
{
	memcpy(l->regs + at, &v, sizeof v);
}

bool kvm_apic_in_deadline_mode(const struct kvm_lapic_state *l)
{
	return (kvm_apic_reg(l, APIC_LVTT) >> LVT_MODE_SHIFT & LVT_MODE_MASK) == LVT_MODE_DEADLINE;
}

/* Where @vector's bit is in the eight registers from @first on. */
static unsigned bit_reg(unsigned first, uint8_t vector)
{
	return first + vector / 32 * REG_STRIDE;
}

static bool bit_get(const struct kvm_lapic_state *l, unsigned first, uint8_t vector)
{
	return kvm_apic_reg(l, bit_reg(first, vector)) >> vector % 32 & 1;
}

/* ---- settling ---------------------------------------------------------------------- */

/* Runs with a signal pending until there is nothing left to be told. Twice, since
 * from HLT the first time only leads out of it. */
static void run_nothing(struct kvm_cpu *k)
{
	struct {
		struct kvm_signal_mask head;
		uint8_t set[KERNEL_SIGSET_SIZE]; /* blocks nothing */
	} __attribute__((packed)) mask = { .head.len = KERNEL_SIGSET_SIZE };
	/* A kick that was given must not keep KVM_RUN from its work, nor be lost. */
	uint8_t kicked = __atomic_exchange_n(&k->run->immediate_exit, 0, __ATOMIC_ACQ_REL);
	sigset_t one, before;

	(void)sigemptyset(&one);
	(void)sigaddset(&one, SIGRTMIN);
	(void)pthread_sigmask(SIG_BLOCK, &one, &before);
	(void)pthread_kill(pthread_self(), SIGRTMIN);
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_SIGNAL_MASK) */
	if (ioctl(k->fd, KVM_SET_SIGNAL_MASK, &mask) < 0)
		kvm_fail(k, "signal mask");
	for (unsigned n = 0, done = 0; n < SETTLE_MAX && !k->error[0] && k->stop_seen == CPU_STOP_COUNT; n++) {
		/* SYSCALLS(machine-kvm): ioctl(1 == KVM_RUN) */
		if (ioctl(k->fd, KVM_RUN, 0) == 0)
			k->stop_seen = kvm_serve_exit(k);
		else if (errno == EINTR && ++done == ROUNDS)
			break;
		else if (errno == EINTR)
			continue;
		else if (errno != EAGAIN)
			kvm_fail(k, "run");
	}
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_SIGNAL_MASK) */
	(void)ioctl(k->fd, KVM_SET_SIGNAL_MASK, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* the signal comes now, and does nothing */
	if (kicked)
		__atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_RELEASE);
}

/* The vector whose delivery has begun and which is in service for that; -1: none. */
static int begun(struct kvm_cpu *k, const struct kvm_lapic_state *l, struct kvm_vcpu_events *ret_events)
{
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_VCPU_EVENTS) */
	if (ioctl(k->fd, KVM_GET_VCPU_EVENTS, ret_events) < 0)
		kvm_fail(k, "reading events");
	if (!ret_events->interrupt.injected)
		return -1;
	return bit_get(l, APIC_ISR, ret_events->interrupt.nr) ? ret_events->interrupt.nr : -1;
}

/* An injected vector that is not in service is the 8259s'. */
static void give_back(struct kvm_cpu *k)
{
	struct kvm_lapic_state l = { 0 };
	struct kvm_vcpu_events e = { 0 };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_LAPIC) */
	if (ioctl(k->fd, KVM_GET_LAPIC, &l) < 0)
		kvm_fail(k, "reading the local APIC");
	if (begun(k, &l, &e) >= 0 || !e.interrupt.injected)
		return;
	e.interrupt.injected = 0;
	e.flags = 0; /* shadow and NMI stay as they are */
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_VCPU_EVENTS) */
	if (ioctl(k->fd, KVM_SET_VCPU_EVENTS, &e) < 0)
		kvm_fail(k, "setting events");
	else if (k->bus->intr_back)
		k->bus->intr_back(k->bus->ctx, e.interrupt.nr);
}

void kvm_apic_settle(struct kvm_cpu *k)
{
	if (!k->has_run)
		return;
	run_nothing(k);
	give_back(k);
}

/* ---- state ------------------------------------------------------------------------- */

static void take_back(struct kvm_lapic_state *l, uint8_t vector)
{
	uint32_t bit = UINT32_C(1) << vector % 32;
	unsigned isr = bit_reg(APIC_ISR, vector), irr = bit_reg(APIC_IRR, vector);

	reg_set(l, isr, kvm_apic_reg(l, isr) & ~bit);
	reg_set(l, irr, kvm_apic_reg(l, irr) | bit);
}

void kvm_apic_get(struct cpu *c, struct cpu_apic *ret_apic)
{
	struct kvm_cpu *k = kvm_of(c);
	struct kvm_lapic_state l = { 0 };
	struct kvm_vcpu_events e = { 0 };
	uint64_t adjust = 0;
	int vector;

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_LAPIC) */
	if (ioctl(k->fd, KVM_GET_LAPIC, &l) < 0)
		kvm_fail(k, "reading the local APIC");
	vector = begun(k, &l, &e);
	if (vector >= 0)
		take_back(&l, (uint8_t)vector);
	(void)kvm_msr_get(k, MSR_TSC_ADJUST, &adjust);
	reg_set(&l, KVM_APIC_TMCCT, k->paused_count);
	*ret_apic = (struct cpu_apic){ .extint = k->intr_line };
	if (k->paused_deadline)
		ret_apic->deadline = k->paused_deadline - adjust;
	for (unsigned i = 0; i < CPU_APIC_REG_COUNT; i++)
		ret_apic->reg[i] = kvm_apic_reg(&l, i * REG_STRIDE);
}

void kvm_apic_set(struct cpu *c, const struct cpu_apic *apic)
{
	struct kvm_cpu *k = kvm_of(c);
	struct kvm_lapic_state l = { 0 };
	uint64_t adjust = 0;

	for (unsigned i = 0; i < CPU_APIC_REG_COUNT; i++)
		reg_set(&l, i * REG_STRIDE, apic->reg[i]);
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_LAPIC) */
	if (ioctl(k->fd, KVM_SET_LAPIC, &l) < 0)
		kvm_fail(k, "setting the local APIC");
	(void)kvm_msr_get(k, MSR_TSC_ADJUST, &adjust);
	k->intr_line = apic->extint;
	k->paused_count = kvm_apic_reg(&l, KVM_APIC_TMCCT);
	k->paused_deadline = kvm_apic_in_deadline_mode(&l) && apic->deadline ? apic->deadline + adjust : 0;
	if (kvm_apic_in_deadline_mode(&l))
		(void)kvm_msr_set(k, MSR_TSC_DEADLINE, k->paused_deadline);
}
