/* vmm/machine_kvm.c: the machine on KVM: where its wiring differs.
 *
 * The LAPIC is KVM's: messages of the I/O APIC and of MSI-X go to it as they
 * are; the 8259s' INT is a line of the engine, which asks for the vector when
 * KVM says that LINT0 lets it through. Level-triggered pins of the I/O APIC are
 * routed, so that KVM tells of their EOIs.
 *
 * The run loop is machine_run.c's. KVM_RUN comes back only when kicked, so
 * before each run the watch is armed with what is due first: a timer of the
 * machine's clock or of the loop. Whatever arms an earlier timer from within an
 * access kicks (clock_earlier() in machine.c); serial output asks for a kick
 * within a few milliseconds.
 *
 * Used by: vmm/machine.c, vmm/machine_run.c.   Depends on: vmm/cpu/kvm/kvm.h. */
#include "vmm/machine_impl.h"

#include <errno.h>

/* ---- what the processor asks of the machine beside the bus ------------------------ */

static int ack(void *ctx)
{
	struct machine_cpu *p = ctx;

	return i8259_ack(&p->m->pic);
}

static void ack_back(void *ctx, uint8_t vector)
{
	struct machine_cpu *p = ctx;

	i8259_unack(&p->m->pic, vector);
}

static void eoi(void *ctx, uint8_t vector)
{
	struct machine_cpu *p = ctx;

	i82093_eoi(&p->m->ioapic, vector);
}

int machine_kvm_make_cpu(struct machine *m, char **ret_why)
{
	struct machine_cpu *p = &m->vcpu[0];
	int r = kvm_usable(ret_why);

	if (r < 0)
		return r;
	if (m->cfg.clock_virtual) {
		*ret_why = str_printf("a virtual clock needs the soft engine");
		return -EINVAL;
	}
	if (m->cfg.cpus > 1) {
		*ret_why = str_printf("under KVM a machine has one processor; %u are asked for", m->cfg.cpus);
		return -EINVAL;
	}
	machine_cpu_see(m, p);
	p->bus.intr_ack = ack;
	p->bus.eoi = eoi;
	p->bus.intr_back = ack_back;
	r = kvm_vm_new(&m->mem, &m->kvm, ret_why);
	if (r == 0)
		r = kvm_cpu_new(m->kvm, &p->bus, 0, m->cfg.cpus, &p->cpu, ret_why);
	if (r == 0) {
		m->cpu = p->cpu;
		m->n_cpus = 1;
	}
	return r;
}

/* ---- interrupts --------------------------------------------------------------------- */

void machine_kvm_send(struct machine *m, const struct apic_msg *msg)
{
	uint64_t addr;
	uint32_t data;

	apic_msg_to_msi(msg, &addr, &data);
	kvm_vm_msi(m->kvm, addr, data);
}

static void route(void *ctx, unsigned pin)
{
	struct machine *m = ctx;
	struct apic_msg msg;
	uint64_t addr = 0;
	uint32_t data = 0;

	if (i82093_message(&m->ioapic, pin, &msg) && msg.level)
		apic_msg_to_msi(&msg, &addr, &data);
	kvm_vm_route(m->kvm, pin, addr, data);
}

static void no_intr(void *ctx, bool level)
{
	(void)ctx; /* the processor asks KVM's APIC */
	(void)level;
}

void machine_kvm_wire(struct machine *m)
{
	m->ioapic.changed = route;
	/* In which KVM's APICs are saved and loaded; nothing else comes by them. */
	for (unsigned i = 0; i < m->n_cpus; i++)
		lapic_init(&m->vcpu[i].lapic, i, &m->clock, NULL,
			   &(struct lapic_hooks){ .ctx = &m->vcpu[i], .set_intr = no_intr });
}

/* ---- waiting --------------------------------------------------------------------------- */

static void kick(void *ctx)
{
	struct machine *m = ctx;

	m->cpu->ops->kick(m->cpu);
}

int machine_kvm_watch(struct machine *m)
{
	return machine_watch_new(loop_wait_fd(m->loop), kick, m, &m->watch);
}

void machine_kvm_arm(struct machine *m)
{
	nsec_t at = guest_clock_host_time(&m->clock, m->clock.deadline);

	m->slice_end = m->clock.deadline;
	machine_watch_arm(m->watch, nsec_min(at, loop_due(m->loop)));
}
