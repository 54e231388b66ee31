/* vmm/machine_kvm.c: the machine on KVM: where its wiring differs.
 *
 * The LAPICs are KVM's: messages of the I/O APIC and of MSI-X go to them as they
 * are; the 8259s' INT is a line of the first processor, which asks for the vector
 * when KVM says that LINT0 lets it through. INIT and start-up IPIs are between
 * KVM's LAPICs, and the machine does not hear of them. Level-triggered pins of the
 * I/O APIC are routed, so that KVM tells of their EOIs, whichever processor it is.
 *
 * Each processor has a thread; its accesses come to the bus under the machine's
 * lock (machine_threads.c). All that is due to the machine's clock and loop is its
 * own thread's.
 *
 * Used by: vmm/machine.c, vmm/machine_run.c.   Depends on: vmm/cpu/kvm/kvm.h. */
#include "vmm/machine_impl.h"

#include "vmm/machine_threads.h"

#include <errno.h>

/* ---- what a processor asks of the machine, from its thread --------------------------- */

static uint64_t mmio_read(void *ctx, uint64_t gpa, unsigned size)
{
	struct machine_cpu *p = ctx;
	uint64_t v;

	machine_threads_lock(p->m->threads);
	v = bus_mmio_read(&p->m->bus, gpa, size);
	machine_threads_unlock(p->m->threads);
	return v;
}

static void mmio_write(void *ctx, uint64_t gpa, unsigned size, uint64_t v)
{
	struct machine_cpu *p = ctx;

	machine_threads_lock(p->m->threads);
	bus_mmio_write(&p->m->bus, gpa, size, v);
	machine_threads_unlock(p->m->threads);
}

static uint32_t pio_read(void *ctx, uint16_t port, unsigned size)
{
	struct machine_cpu *p = ctx;
	uint32_t v;

	machine_threads_lock(p->m->threads);
	v = bus_pio_read(&p->m->bus, port, size);
	machine_threads_unlock(p->m->threads);
	return v;
}

static void pio_write(void *ctx, uint16_t port, unsigned size, uint32_t v)
{
	struct machine_cpu *p = ctx;

	machine_threads_lock(p->m->threads);
	bus_pio_write(&p->m->bus, port, size, v);
	machine_threads_unlock(p->m->threads);
}

/* Another thread may have lowered the line since it was seen. */
static int ack(void *ctx)
{
	struct machine_cpu *p = ctx;
	int vector;

	machine_threads_lock(p->m->threads);
	vector = i8259_pending(&p->m->pic) ? i8259_ack(&p->m->pic) : -1;
	machine_threads_unlock(p->m->threads);
	return vector;
}

static void ack_back(void *ctx, uint8_t vector)
{
	struct machine_cpu *p = ctx;

	machine_threads_lock(p->m->threads);
	i8259_unack(&p->m->pic, vector);
	machine_threads_unlock(p->m->threads);
}

static void eoi(void *ctx, uint8_t vector)
{
	struct machine_cpu *p = ctx;

	machine_threads_lock(p->m->threads);
	i82093_eoi(&p->m->ioapic, vector);
	machine_threads_unlock(p->m->threads);
}

static int make_cpu(struct machine *m, unsigned i, char **ret_why)
{
	struct machine_cpu *p = &m->vcpu[i];
	int r;

	machine_cpu_see(m, p);
	p->bus.mmio_read = mmio_read;
	p->bus.mmio_write = mmio_write;
	p->bus.pio_read = pio_read;
	p->bus.pio_write = pio_write;
	p->bus.intr_ack = ack;
	p->bus.eoi = eoi;
	p->bus.intr_back = ack_back;
	r = kvm_cpu_new(m->kvm, &p->bus, i, m->cfg.cpus, &p->cpu, ret_why);
	if (r < 0)
		return r;
	m->n_cpus++;
	return 0;
}

int machine_kvm_make_cpus(struct machine *m, char **ret_why)
{
	int r = kvm_usable(ret_why);

	if (r < 0)
		return r;
	if (m->cfg.clock_virtual) {
		*ret_why = str_printf("a virtual clock needs the soft engine");
		return -EINVAL;
	}
	r = kvm_vm_new(&m->mem, &m->kvm, ret_why);
	for (unsigned i = 0; i < m->cfg.cpus && r == 0; i++)
		r = make_cpu(m, i, ret_why);
	if (r < 0)
		return r;
	m->cpu = m->vcpu[0].cpu;
	if (!m->cfg.tsc_khz)
		m->clock.tsc_khz = kvm_cpu_tsc_khz(m->cpu);
	for (unsigned i = 1; i < m->n_cpus; i++)
		machine_cpu_set_waiting(&m->vcpu[i]);
	return 0;
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
