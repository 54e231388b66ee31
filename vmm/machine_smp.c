/* vmm/machine_smp.c: the machine's processors: what each sees of the machine, and whose turn it is.
 *
 * Under KVM each has a thread (machine_threads.c). Under the soft engine
 * one thread runs them, one at a time, in the order of their APIC IDs. A turn
 * lasts MACHINE_TURN instructions, or until the processor halts or executes PAUSE: it
 * spins then, and whatever it waits for must be done by another. A switch is
 * between two instructions, so LOCK, XCHG and all else are atomic without more.
 *
 * Whose turn it is and what is left of it outlives a slice: where a slice ends
 * (a timer, the host, a test's probe) changes nothing of the order. On the
 * virtual clock, which counts the instructions of all, a machine of several
 * processors is therefore as pure a function of its inputs as one of a single one.
 *
 * A processor waits from its HLT until its INTR line rises or an NMI, INIT or
 * start-up IPI comes. One that halted with interrupts off is left alone with its
 * raised line, as on the hardware. The others start waiting for their start-up IPI.
 *
 * INIT and start-up IPIs take effect at once, between two instructions of the
 * processor they are for; an INIT to the sender itself when it has stopped.
 *
 * Used by: vmm/machine.c, vmm/machine_run.c.   Depends on: vmm/cpu/cpu.h, vmm/dev/apic_bus.h.
 * Sources: SDM vol. 3 §8.4 (start of the others), §11.6 (IPIs); MP specification 1.4 §3.6 (wiring). */
#include "vmm/machine_impl.h"

#include <errno.h>

enum { APIC_BASE_AP = 0xFEE00800 };

/* ---- what a processor asks of the machine -------------------------------------- */

static uint64_t cpu_mmio_read(void *ctx, uint64_t gpa, unsigned size)
{
	struct machine_cpu *p = ctx;

	if (gpa - lapic_base(&p->lapic) <= LAPIC_SIZE - size)
		return lapic_mmio_read(&p->lapic, gpa - lapic_base(&p->lapic), size);
	return bus_mmio_read(&p->m->bus, gpa, size);
}

static void cpu_mmio_write(void *ctx, uint64_t gpa, unsigned size, uint64_t v)
{
	struct machine_cpu *p = ctx;

	if (gpa - lapic_base(&p->lapic) <= LAPIC_SIZE - size)
		lapic_mmio_write(&p->lapic, gpa - lapic_base(&p->lapic), size, v);
	else
		bus_mmio_write(&p->m->bus, gpa, size, v);
}

static uint32_t cpu_pio_read(void *ctx, uint16_t port, unsigned size)
{
	struct machine_cpu *p = ctx;

	return bus_pio_read(&p->m->bus, port, size);
}

static void cpu_pio_write(void *ctx, uint16_t port, unsigned size, uint32_t v)
{
	struct machine_cpu *p = ctx;

	bus_pio_write(&p->m->bus, port, size, v);
}

static int cpu_intr_ack(void *ctx)
{
	struct machine_cpu *p = ctx;

	return lapic_ack(&p->lapic);
}

static uint64_t cpu_tsc_read(void *ctx)
{
	struct machine_cpu *p = ctx;

	return guest_clock_tsc(&p->m->clock);
}

static uint64_t cpu_cr8_read(void *ctx)
{
	struct machine_cpu *p = ctx;

	return lapic_cr8_read(&p->lapic);
}

static void cpu_cr8_write(void *ctx, uint64_t v)
{
	struct machine_cpu *p = ctx;

	lapic_cr8_write(&p->lapic, v);
}

static bool cpu_apic_msr_read(void *ctx, uint32_t msr, uint64_t *ret_v)
{
	struct machine_cpu *p = ctx;

	return lapic_msr_read(&p->lapic, msr, ret_v);
}

static bool cpu_apic_msr_write(void *ctx, uint32_t msr, uint64_t v)
{
	struct machine_cpu *p = ctx;

	return lapic_msr_write(&p->lapic, msr, v);
}

/* ---- what its local APIC asks --------------------------------------------------- */

static void lapic_intr(void *ctx, bool level)
{
	struct machine_cpu *p = ctx;

	if (level)
		p->waits = false;
	p->cpu->ops->set_intr(p->cpu, level);
}

static void lapic_nmi(void *ctx)
{
	struct machine_cpu *p = ctx;

	p->waits = false;
	p->cpu->ops->nmi(p->cpu);
}

static void lapic_eoi(void *ctx, uint8_t vector)
{
	struct machine_cpu *p = ctx;

	i82093_eoi(&p->m->ioapic, vector);
}

static bool lapic_may_lie(void *ctx, uint64_t base)
{
	struct machine_cpu *p = ctx;

	return !mem_ptr(&p->m->mem, base, 1);
}

static uint8_t pic_ack(void *ctx)
{
	struct machine_cpu *p = ctx;

	return i8259_ack(&p->m->pic);
}

static void lapic_send(void *ctx, const struct apic_msg *msg, bool but_self)
{
	struct machine_cpu *p = ctx;

	(void)apic_bus_send(&p->m->apics, msg, but_self ? &p->lapic : NULL);
}

/* @p is not in ops->run(). */
static void init_now(struct machine_cpu *p)
{
	struct cpu_state s;

	p->init_pending = false;
	p->waits = false;
	lapic_reset(&p->lapic);
	p->cpu->ops->get_state(p->cpu, &s);
	s.apic_base = p->lapic.apic_base;
	cpu_state_init(&s);
	p->cpu->ops->set_state(p->cpu, &s);
}

static void lapic_got_init(void *ctx)
{
	struct machine_cpu *p = ctx;

	if (p->m->running == p->cpu) {
		p->init_pending = true;
		machine_cpus_stop(p->m);
	} else {
		init_now(p);
	}
}

static void lapic_got_startup(void *ctx, uint8_t vector)
{
	struct machine_cpu *p = ctx;
	struct cpu_state s;

	if (p->m->running == p->cpu)
		return; /* it runs: it does not wait for one */
	p->cpu->ops->get_state(p->cpu, &s);
	if (!cpu_state_startup(&s, vector))
		return;
	p->cpu->ops->set_state(p->cpu, &s);
	p->waits = false;
}

/* ---- assembly ------------------------------------------------------------------- */

void machine_cpu_see(struct machine *m, struct machine_cpu *p)
{
	p->m = m;
	p->bus = (struct cpu_bus){
		.ctx = p,
		.mmio_read = cpu_mmio_read,
		.mmio_write = cpu_mmio_write,
		.pio_read = cpu_pio_read,
		.pio_write = cpu_pio_write,
		.intr_ack = cpu_intr_ack,
		.tsc_read = cpu_tsc_read,
		.cr8_read = cpu_cr8_read,
		.cr8_write = cpu_cr8_write,
		.apic_msr_read = cpu_apic_msr_read,
		.apic_msr_write = cpu_apic_msr_write,
	};
}

static int make_cpu(struct machine *m, struct machine_cpu *p)
{
	machine_cpu_see(m, p);
	return m->cpu ? soft_cpu_new_beside(m->cpu, &p->bus, &p->cpu) :
			soft_cpu_new(&m->mem, &p->bus, &p->cpu);
}

void machine_cpu_set_waiting(struct machine_cpu *p)
{
	struct cpu_state s;

	p->cpu->ops->get_state(p->cpu, &s);
	s.apic_base = APIC_BASE_AP;
	s.tsc_khz = p->m->clock.tsc_khz;
	cpu_state_init(&s);
	p->cpu->ops->set_state(p->cpu, &s);
}

int machine_cpus_new(struct machine *m)
{
	for (unsigned i = 0; i < m->cfg.cpus; i++) {
		struct machine_cpu *p = &m->vcpu[i];
		int r = make_cpu(m, p);

		if (r < 0)
			return r;
		m->n_cpus++;
		soft_cpu_set_topology(p->cpu, i, m->cfg.cpus);
		if (i == 0)
			m->cpu = p->cpu;
		else
			machine_cpu_set_waiting(p);
	}
	return 0;
}

void machine_cpus_free(struct machine *m)
{
	for (unsigned i = m->n_cpus; i-- > 0;)
		m->vcpu[i].cpu = m->vcpu[i].cpu->ops->free(m->vcpu[i].cpu);
	m->n_cpus = 0;
	m->cpu = NULL;
}

void machine_cpus_wire(struct machine *m)
{
	for (unsigned i = 0; i < m->n_cpus; i++) {
		struct machine_cpu *p = &m->vcpu[i];
		const struct lapic_hooks hooks = { .ctx = p,
						   .set_intr = lapic_intr,
						   .nmi = lapic_nmi,
						   .eoi = lapic_eoi,
						   .extint_ack = pic_ack,
						   .send = lapic_send,
						   .init = lapic_got_init,
						   .startup = lapic_got_startup,
						   .may_lie = lapic_may_lie };

		lapic_init(&p->lapic, i, &m->clock, NULL, &hooks);
		apic_bus_add(&m->apics, &p->lapic);
	}
}

/* ---- turns ---------------------------------------------------------------------- */

uint64_t machine_instructions(const struct machine *m)
{
	uint64_t n = m->icount_base;

	for (unsigned i = 0; i < m->n_cpus; i++)
		n += m->vcpu[i].cpu->ops->icount(m->vcpu[i].cpu);
	return n;
}

bool machine_cpus_wait(const struct machine *m)
{
	for (unsigned i = 0; i < m->n_cpus; i++)
		if (!m->vcpu[i].waits)
			return false;
	return true;
}

void machine_cpus_stop(struct machine *m)
{
	struct cpu *c = m->running;

	if (!c)
		return;
	if (c->ops->stop)
		c->ops->stop(c);
	else
		c->ops->kick(c);
}

const char *machine_cpus_error(const struct machine *m)
{
	for (unsigned i = 0; i < m->n_cpus; i++) {
		const char *text = m->vcpu[i].cpu->ops->error(m->vcpu[i].cpu);

		if (text && *text)
			return text;
	}
	return NULL;
}

static void next_turn(struct machine *m)
{
	m->turn = (m->turn + 1) % m->n_cpus;
	m->turn_left = MACHINE_TURN;
}

/* The processor whose turn it is runs at most @n instructions. */
static enum cpu_stop run_one(struct machine *m, struct machine_cpu *p, uint64_t n, uint64_t *ret_ran)
{
	uint64_t before = p->cpu->ops->icount(p->cpu);
	enum cpu_stop stop;

	m->running = p->cpu;
	p->waits = true; /* unless something comes; known to be so only after HLT */
	stop = p->cpu->ops->run(p->cpu, n);
	p->waits = p->waits && stop == CPU_STOP_HALT;
	m->running = NULL;
	*ret_ran = p->cpu->ops->icount(p->cpu) - before;
	if (p->init_pending)
		init_now(p);
	return stop;
}

enum cpu_stop machine_cpus_run(struct machine *m, uint64_t n)
{
	while (n && !machine_cpus_wait(m)) {
		struct machine_cpu *p = &m->vcpu[m->turn];
		uint64_t most = m->n_cpus > 1 && m->turn_left < n ? m->turn_left : n, ran;
		enum cpu_stop stop;

		if (p->waits) {
			next_turn(m);
			continue;
		}
		stop = run_one(m, p, most, &ran);
		n -= ran < n ? ran : n;
		m->turn_left -= ran < m->turn_left ? ran : m->turn_left;
		if (stop == CPU_STOP_HALT || stop == CPU_STOP_PAUSE || !m->turn_left)
			next_turn(m);
		if (stop == CPU_STOP_KICK || stop == CPU_STOP_SHUTDOWN || stop == CPU_STOP_ERROR)
			return stop;
	}
	return machine_cpus_wait(m) ? CPU_STOP_HALT : CPU_STOP_BUDGET;
}
