/* vmm/cpu/kvm/kvm_cpu.c: a processor under KVM and its run loop.
 *
 * run() stays in KVM_RUN but for accesses, which it takes to the bus; it comes
 * back for a kick, a shutdown or an error only. HLT waits inside the kernel, so
 * CPU_STOP_HALT is never told, and instructions are not counted: a budget is not
 * looked at. Whoever has something for the thread kicks.
 *
 * A processor is run by one thread at a time, and not always by the same; while
 * none runs it, any one thread may ask for its state. Another thread's interrupt for
 * it comes through KVM (messages), or by the line of the 8259s, which is an atomic
 * and a kick.
 *
 * kick() sets immediate_exit, which ends the next KVM_RUN as soon as what it has
 * to finish of the last access is finished, and from another thread sends SIGRTMIN,
 * which ends the one under way. The flag is taken back only by the return it
 * caused, and either the kicker sees the thread in run() or that sees the flag (both
 * write, then read the other's: hence the sequentially consistent stores), so no kick is lost; a signal that comes late ends a KVM_RUN for nothing.
 *
 * The 8259's interrupt: KVM says when the processor would take one (and asks its
 * LAPIC whether LINT0 lets it through); then the vector is asked of the bus.
 *
 * Used by: vmm/machine_kvm.c.   Sources: api.rst §4.10, §5 (immediate_exit, exits), §4.16. */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "vmm/cpu/kvm/kvm_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

const char *kvm_exit_kind_str(enum kvm_exit_kind kind)
{
	static const char *const name[] = { "pio", "mmio", "msr", "eoi", "window", "kick", "other" };

	_Static_assert(sizeof name / sizeof name[0] == KVM_LEFT_COUNT, "one name each");
	return (unsigned)kind < KVM_LEFT_COUNT ? name[kind] : "?";
}

/* ---- exits ------------------------------------------------------------------------ */

static void serve_pio(struct kvm_cpu *k)
{
	struct kvm_run *run = k->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned size = run->io.size;

	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		uint32_t v = 0;

		if (run->io.direction == KVM_EXIT_IO_IN) {
			v = k->bus->pio_read(k->bus->ctx, run->io.port, size);
			memcpy(data, &v, size);
		} else {
			memcpy(&v, data, size);
			k->bus->pio_write(k->bus->ctx, run->io.port, size, v);
		}
	}
}

/* The bus takes powers of two; KVM may tell of any length up to 8. */
static unsigned piece(unsigned left)
{
	return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

static void serve_mmio(struct kvm_cpu *k)
{
	struct kvm_run *run = k->run;
	uint64_t gpa = run->mmio.phys_addr;
	unsigned len = run->mmio.len > 8 ? 8 : run->mmio.len, n;

	for (unsigned at = 0; at < len; at += n) {
		uint64_t v = 0;

		n = piece(len - at);
		if (run->mmio.is_write) {
			memcpy(&v, run->mmio.data + at, n);
			k->bus->mmio_write(k->bus->ctx, gpa + at, n, v);
		} else {
			v = k->bus->mmio_read(k->bus->ctx, gpa + at, n);
			memcpy(run->mmio.data + at, &v, n);
		}
	}
}

static enum cpu_stop give_up(struct kvm_cpu *k, const char *what, uint64_t detail)
{
	struct kvm_regs regs = { 0 };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_REGS) */
	(void)ioctl(k->fd, KVM_GET_REGS, &regs);
	(void)snprintf(k->error, sizeof k->error, "KVM: %s (%llu) at rip 0x%llx", what,
		       (unsigned long long)detail, (unsigned long long)regs.rip);
	return CPU_STOP_ERROR;
}

enum cpu_stop kvm_serve_exit(struct kvm_cpu *k)
{
	struct kvm_run *run = k->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		k->n_left[KVM_LEFT_PIO]++;
		serve_pio(k);
		break;
	case KVM_EXIT_MMIO:
		k->n_left[KVM_LEFT_MMIO]++;
		serve_mmio(k);
		break;
	case KVM_EXIT_X86_RDMSR:
		k->n_left[KVM_LEFT_MSR]++;
		kvm_model_rdmsr(k);
		break;
	case KVM_EXIT_X86_WRMSR:
		k->n_left[KVM_LEFT_MSR]++;
		kvm_model_wrmsr(k);
		break;
	case KVM_EXIT_IOAPIC_EOI:
		k->n_left[KVM_LEFT_EOI]++;
		if (k->bus->eoi)
			k->bus->eoi(k->bus->ctx, run->eoi.vector);
		break;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		k->n_left[KVM_LEFT_WINDOW]++;
		break;
	case KVM_EXIT_SHUTDOWN:
		return CPU_STOP_SHUTDOWN;
	case KVM_EXIT_FAIL_ENTRY:
		return give_up(k, "the guest's state cannot be entered",
			       run->fail_entry.hardware_entry_failure_reason);
	case KVM_EXIT_INTERNAL_ERROR:
		return give_up(k, "internal error", run->internal.suberror);
	default:
		return give_up(k, "unknown exit", run->exit_reason);
	}
	return CPU_STOP_COUNT;
}

/* Gives the 8259's interrupt when it can be taken, else asks to be told when. */
static void offer_intr(struct kvm_cpu *k)
{
	struct kvm_interrupt intr;
	int vector;

	k->run->request_interrupt_window = 0;
	if (!__atomic_load_n(&k->intr_line, __ATOMIC_ACQUIRE))
		return;
	if (!k->run->ready_for_interrupt_injection) {
		k->run->request_interrupt_window = 1;
		return;
	}
	vector = k->bus->intr_ack(k->bus->ctx);
	if (vector < 0)
		return;
	intr.irq = (uint32_t)vector;
	k->run->ready_for_interrupt_injection = 0;
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_INTERRUPT) */
	if (ioctl(k->fd, KVM_INTERRUPT, &intr) < 0)
		kvm_fail(k, "interrupt");
}

static enum cpu_stop kvm_run(struct cpu *c, uint64_t n_max)
{
	struct kvm_cpu *k = kvm_of(c);
	enum cpu_stop stop = k->stop_seen;

	(void)n_max;
	k->stop_seen = CPU_STOP_COUNT;
	k->has_run = true;
	k->thread = pthread_self(); /* before has_thread says that it counts */
	__atomic_store_n(&k->has_thread, true, __ATOMIC_SEQ_CST);
	while (stop == CPU_STOP_COUNT) {
		offer_intr(k);
		/* SYSCALLS(machine-kvm): ioctl(1 == KVM_RUN) */
		if (k->error[0])
			stop = CPU_STOP_ERROR;
		else if (ioctl(k->fd, KVM_RUN, 0) == 0) {
			stop = kvm_serve_exit(k);
		} else if (errno == EINTR) {
			if (__atomic_exchange_n(&k->run->immediate_exit, 0, __ATOMIC_ACQ_REL)) {
				k->n_left[KVM_LEFT_KICK]++;
				stop = CPU_STOP_KICK;
			}
		} else if (errno != EAGAIN) {
			kvm_fail(k, "run");
		}
	}
	__atomic_store_n(&k->has_thread, false, __ATOMIC_RELEASE);
	return stop;
}

/* ---- signals ----------------------------------------------------------------------- */

static bool runs_elsewhere(const struct kvm_cpu *k)
{
	return __atomic_load_n(&k->has_thread, __ATOMIC_SEQ_CST) && !pthread_equal(k->thread, pthread_self());
}

/* Its own thread offers it before it goes on; another has to get it out of the guest. */
static void kvm_set_intr(struct cpu *c, bool asserted)
{
	struct kvm_cpu *k = kvm_of(c);

	__atomic_store_n(&k->intr_line, asserted, __ATOMIC_SEQ_CST);
	if (asserted && runs_elsewhere(k))
		c->ops->kick(c);
}

static void kvm_nmi(struct cpu *c)
{
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_NMI) */
	(void)ioctl(kvm_of(c)->fd, KVM_NMI);
}

static void kvm_kick(struct cpu *c)
{
	struct kvm_cpu *k = kvm_of(c);

	__atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	/* glibc's SIGRTMIN is two above the kernel's. */
	/* SYSCALLS(machine-kvm): tgkill(0 self, 2 == __SIGRTMIN+2) getpid gettid rt_sigprocmask */
	if (runs_elsewhere(k))
		(void)pthread_kill(k->thread, SIGRTMIN);
}

static void on_kick(int signo)
{
	(void)signo; /* KVM_RUN ends with EINTR: that is all */
}

static uint64_t icount(const struct cpu *c)
{
	(void)c;
	return 0;
}

static const char *error_text(const struct cpu *c)
{
	return ((const struct kvm_cpu *)c)->error;
}

uint32_t kvm_cpu_tsc_khz(const struct cpu *c)
{
	return ((const struct kvm_cpu *)c)->tsc_khz;
}

uint64_t kvm_cpu_exits(const struct cpu *c, enum kvm_exit_kind kind)
{
	return ((const struct kvm_cpu *)c)->n_left[kind];
}

/* ---- making ------------------------------------------------------------------------ */

static struct cpu *kvm_free(struct cpu *c)
{
	struct kvm_cpu *k = kvm_of(c);

	if (!k)
		return NULL;
	if (k->run)
		(void)munmap(k->run, k->run_size);
	cleanup_fd(&k->fd);
	free(k);
	return NULL;
}

static const struct cpu_ops kvm_ops = {
	.name = "kvm",
	.free = kvm_free,
	.get_state = kvm_state_get,
	.set_state = kvm_state_set,
	.get_apic = kvm_apic_get,
	.set_apic = kvm_apic_set,
	.run = kvm_run,
	.set_intr = kvm_set_intr,
	.nmi = kvm_nmi,
	.set_paused = kvm_clock_set_paused,
	.kick = kvm_kick,
	.icount = icount,
	.error = error_text,
};

static int open_vcpu(struct kvm_cpu *k)
{
	/* SYSCALLS(setup-kvm): ioctl(1 == KVM_GET_VCPU_MMAP_SIZE KVM_CREATE_VCPU) */
	int size = ioctl(k->vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *run;

	k->fd = ioctl(k->vm->fd, KVM_CREATE_VCPU, (unsigned long)k->apic_id);
	if (k->fd < 0 || size < (int)sizeof *k->run)
		return k->fd < 0 ? -errno : -ENOTSUP;
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, k->fd, 0);
	if (run == MAP_FAILED)
		return -errno;
	k->run = run;
	k->run_size = (size_t)size;
	return 0;
}

static int set_up(struct kvm_cpu *k)
{
	struct sigaction action = { .sa_handler = on_kick };
	struct cpu_state reset;
	int r = open_vcpu(k);

	if (r == 0)
		r = kvm_clock_init(k);
	if (r < 0)
		return r;
	if (k->n_cpus > 1 && !k->has_tsc_offset) {
		(void)snprintf(k->error, sizeof k->error,
			       "KVM cannot keep the TSCs of several processors equal (it can from Linux 5.16 on)");
		return -ENOTSUP;
	}
	cpu_state_reset(&reset);
	reset.tsc_khz = k->tsc_khz;
	k->model = reset;
	r = kvm_model_cpuid(k);
	if (r < 0)
		return r;
	(void)sigaction(SIGRTMIN, &action, NULL);
	kvm_state_set(&k->cpu, &reset);
	return k->error[0] ? -EIO : 0;
}

int kvm_cpu_new(struct kvm_vm *vm, const struct cpu_bus *bus, uint32_t apic_id, uint32_t n_cpus,
		struct cpu **ret_cpu, char **ret_why)
{
	struct kvm_cpu *k = calloc(1, sizeof *k);
	int r;

	if (!k) {
		*ret_why = str_dup("no memory for the engine");
		return -ENOMEM;
	}
	*k = (struct kvm_cpu){ .cpu.ops = &kvm_ops, .vm = vm, .bus = bus, .fd = -1,
			       .apic_id = apic_id, .n_cpus = n_cpus, .stop_seen = CPU_STOP_COUNT };
	r = set_up(k);
	if (r < 0) {
		*ret_why = k->error[0] ? str_dup(k->error)
				       : str_printf("KVM gives no processor: %s", strerror(-r));
		(void)kvm_free(&k->cpu);
		return r;
	}
	*ret_cpu = &k->cpu;
	return 0;
}
