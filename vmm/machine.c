/* vmm/machine.c: assembles the PC.
 *
 * Wiring (of the soft engine; machine_kvm.c says what differs under KVM): an ISA
 * interrupt goes to the 8259s and to the I/O APIC (IRQ 0 to pin
 * 2); the 8259s' INT is LINT0 of the first processor's local APIC; MSIs and I/O
 * APIC messages go to the local APICs they name; the processors themselves are
 * machine_smp.c's. Everything that keeps time hangs
 * on the machine's clock; everything with a file descriptor on its loop.
 *
 * A machine that cannot be assembled says why in words a user understands.
 *
 * Used by: teams/, tests.   Depends on: vmm/cpu/cpu.h, vmm/dev, vmm/boot, core. */
#include "vmm/machine.h"

#include "core/cleanup.h"
#include "vmm/boot/cmdline.h"
#include "vmm/boot/linux64.h"
#include "vmm/machine_impl.h"
#include "vmm/machine_threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

/* What a virtual machine's RTC shows at the start: 2026-01-01 00:00 UTC. */
#define VIRTUAL_WALL_START (INT64_C(1767225600) * NSEC_PER_SEC)
enum { VIRTUAL_MIPS_DEFAULT = 100, SLICE_FIRST = 20000 };

const char *machine_end_str(enum machine_end end)
{
	static const char *const name[] = { "poweroff", "reset", "triple-fault", "quit", "error" };

	_Static_assert(sizeof name / sizeof name[0] == MACHINE_END_COUNT, "one name each");
	return (unsigned)end < MACHINE_END_COUNT ? name[end] : "?";
}

void machine_end_now(struct machine *m, enum machine_end end, char *why)
{
	if (m->ended) {
		free(why);
		return;
	}
	m->ended = true;
	m->end = end;
	m->why = why;
	machine_cpus_stop(m);
	if (m->threads)
		machine_threads_end(m->threads);
}

/* ---- interrupts -------------------------------------------------------------- */

static void isa_set(void *ctx, unsigned irq, bool level)
{
	struct machine *m = ctx;

	i8259_set(&m->pic, irq, level);
	i82093_set(&m->ioapic, irq == 0 ? 2 : irq, level);
}

static struct irq_line isa_line(struct machine *m, unsigned irq)
{
	return (struct irq_line){ .set = isa_set, .ctx = m, .n = irq };
}

static void pic_out(void *ctx, unsigned n, bool level)
{
	struct machine *m = ctx;

	(void)n;
	if (m->kvm)
		m->cpu->ops->set_intr(m->cpu, level);
	else
		lapic_set_extint(&m->vcpu[0].lapic, level);
}

static void ioapic_send(void *ctx, const struct apic_msg *msg)
{
	struct machine *m = ctx;

	if (msg->delivery == APIC_EXTINT && m->kvm)
		m->cpu->ops->set_intr(m->cpu, i8259_pending(&m->pic));
	else if (m->kvm)
		machine_kvm_send(m, msg);
	else if (msg->delivery == APIC_EXTINT)
		lapic_set_extint(&m->vcpu[0].lapic, i8259_pending(&m->pic));
	else
		(void)apic_bus_send(&m->apics, msg, NULL);
}

static void bus_msi(void *ctx, uint64_t addr, uint32_t data)
{
	struct machine *m = ctx;
	struct apic_msg msg;

	/* KVM would take any address for a message's. */
	if (!apic_msg_from_msi(addr, data, &msg))
		return;
	if (m->lines)
		machine_lines_send(m->lines, addr, data);
	else if (m->kvm)
		kvm_vm_msi(m->kvm, addr, data);
	else
		(void)apic_bus_send(&m->apics, &msg, NULL);
}

static void bus_msi_settle(void *ctx, uint64_t addr, uint32_t data)
{
	struct machine *m = ctx;

	if (m->lines)
		machine_lines_settle(m->lines, addr, data);
}

/* ---- ends ---------------------------------------------------------------------- */

static void on_poweroff(void *ctx)
{
	machine_end_now(ctx, MACHINE_END_POWEROFF, NULL);
}

static void on_reset(void *ctx)
{
	struct machine *m = ctx;

	machine_end_now(m, MACHINE_END_RESET, take_ptr(m->panic));
}

/* ---- assembly -------------------------------------------------------------------- */

static uint64_t clock_icount(void *ctx)
{
	return machine_instructions(ctx);
}

/* A timer was armed that is due within the running slice, or before the loop looks again. */
static void clock_earlier(void *ctx)
{
	struct machine *m = ctx;

	if (m->threads)
		loop_wake(m->loop, guest_clock_host_time(&m->clock, m->clock.deadline));
	else if (m->clock.is_virtual || m->clock.deadline < m->slice_end)
		machine_cpus_stop(m);
}

static void make_clock(struct machine *m)
{
	uint64_t mips = m->cfg.virtual_mips ? m->cfg.virtual_mips : VIRTUAL_MIPS_DEFAULT;

	if (m->cfg.clock_virtual)
		guest_clock_init_virtual(&m->clock, mips, VIRTUAL_WALL_START, clock_icount, m);
	else
		guest_clock_init_real(&m->clock);
	if (m->cfg.tsc_khz)
		m->clock.tsc_khz = m->cfg.tsc_khz;
	m->clock.on_earlier = clock_earlier;
	m->clock.on_earlier_ctx = m;
}

static void make_chips(struct machine *m)
{
	bus_init(&m->bus, &m->mem);
	m->bus.msi = bus_msi;
	m->bus.msi_settle = bus_msi_settle;
	m->bus.msi_ctx = m;
	i82093_init(&m->ioapic, &m->bus, ioapic_send, m);
	if (m->kvm)
		machine_kvm_wire(m);
	else
		machine_cpus_wire(m);
	i8259_init(&m->pic, &m->bus, (struct irq_line){ .set = pic_out, .ctx = m });
	i8259_set_level(&m->pic, ((1 << PCI_IRQ_COUNT) - 1) << PCI_IRQ);
	i8250_init(&m->uart, &m->bus, 0x3F8, isa_line(m, 4), machine_serial_out,
		   machine_serial_room, m);
	acpi_init(&m->acpi, &m->bus, &m->clock, isa_line(m, ACPI_SCI), on_poweroff, m);
	pci_host_init(&m->pci, &m->bus);
	for (unsigned i = 0; i < PCI_IRQ_COUNT; i++)
		m->pci.irq[i] = isa_line(m, PCI_IRQ + i);
	m->pci.reset = on_reset;
	m->pci.reset_ctx = m;
}

static void entropy(void *ctx, void *buf, size_t len)
{
	struct machine *m = ctx;
	uint8_t *p = buf;

	if (!m->cfg.entropy_from_host || m->cfg.clock_virtual) {
		prng_bytes(&m->prng, buf, len);
		return;
	}
	while (len) {
		/* SYSCALLS(machine): getrandom */
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno != EINTR)
			abort(); /* cannot happen: Linux ≥ 3.17, valid buffer */
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

static nsec_t net_now(void *ctx)
{
	struct machine *m = ctx;

	return m->clock.is_virtual ? guest_clock_now(&m->clock) : clock_now();
}

bool machine_has_slices(const struct machine *m)
{
	return !m->clock.is_virtual && strcmp(m->cpu->ops->name, "soft") == 0;
}

static struct irq_line device_irq(void *ctx, unsigned irq)
{
	return isa_line(ctx, irq);
}

static void make_host(struct machine *m)
{
	m->devices.host = (struct device_host){ .cfg = &m->cfg, .mem = &m->mem, .bus = &m->bus,
						.clock = &m->clock, .loop = m->loop, .acpi = &m->acpi,
						.has_slices = machine_has_slices(m), .ctx = m,
						.irq = device_irq, .entropy = entropy, .now = net_now,
						.tell = machine_tell_event, .reset = on_reset };
}

static int load(struct machine *m, char **ret_why)
{
	CLEANUP(free) char *cmdline = cmdline_make(m->cfg.cmdline);
	struct linux64_config cfg = { .kernel_fd = m->cfg.kernel_fd, .initrd_fd = m->cfg.initrd_fd,
				      .append = m->cfg.initrd_append,
				      .append_len = m->cfg.initrd_append_len,
				      .cmdline = cmdline, .n_cpus = m->cfg.cpus };
	struct cpu_state state;
	int r;

	entropy(m, cfg.seed, sizeof cfg.seed);
	devices_firmware(&m->devices, &cfg.devices.aml);
	cfg.devices.has_gpes = m->acpi.n_gpes > 0;
	r = linux64_load(&m->mem, &cfg, &state, ret_why);
	bytes_done(&cfg.devices.aml);
	if (r < 0)
		return r;
	state.tsc_khz = m->clock.tsc_khz;
	m->cpu->ops->set_state(m->cpu, &state);
	if (!machine_cpus_error(m))
		return 0;
	*ret_why = str_printf("the processor cannot be set up: %s", machine_cpus_error(m));
	return -EIO;
}

static int check_config(const struct machine_config *cfg, char **ret_why)
{
	if (cfg->cpus < 1 || cfg->cpus > MACHINE_CPU_MAX)
		*ret_why = str_printf("a machine has 1 to %d processors; %u are asked for",
				      MACHINE_CPU_MAX, cfg->cpus);
	else if (cfg->n_nics > MACHINE_NIC_MAX)
		*ret_why = str_printf("%zu network cards: a machine has room for %d", cfg->n_nics,
				      MACHINE_NIC_MAX);
	else if (cfg->tsc_khz && (cfg->tsc_khz < 1000 || cfg->tsc_khz > 100000000))
		*ret_why = str_printf("a TSC of %u kHz: it runs at 1 MHz to 100 GHz", cfg->tsc_khz);
	else if (cfg->memory_bytes < 2 << 20)
		*ret_why = str_printf("%llu KiB of memory is too little: no kernel fits",
				      (unsigned long long)cfg->memory_bytes >> 10);
	return *ret_why ? -EINVAL : 0;
}

static int assemble(struct machine *m, char **ret_why)
{
	uint64_t ram_bytes = m->cfg.memory_bytes & ~UINT64_C(4095);
	int r = m->cfg.pmem_fd < 0 ? mem_init(&m->mem, ram_bytes) :
				     mem_init_pmem(&m->mem, ram_bytes, m->cfg.pmem_fd);

	if (r < 0) {
		*ret_why = str_printf("%llu MiB of memory cannot be had: %s",
				      (unsigned long long)(m->cfg.memory_bytes >> 20),
				      strerror(-r));
		return r;
	}
	m->mem_made = true;
	/* Under KVM each page that is touched first is an exit, and its walk goes through two tables.
	 * What the guest leaves free of a huge page it reports, and gets back page by page. */
	if (m->cfg.engine == MACHINE_ENGINE_KVM)
		mem_use_huge_pages(&m->mem);
	prng_init(&m->prng, m->cfg.seed, m->cfg.name ? m->cfg.name : "");
	make_clock(m);
	r = m->cfg.engine == MACHINE_ENGINE_KVM ? machine_kvm_make_cpus(m, ret_why) : machine_cpus_new(m);
	if (r == 0)
		r = loop_new(&m->loop);
	if (r == 0 && m->kvm)
		r = machine_threads_new(m, &m->threads);
	if (r == 0) {
		make_chips(m);
		make_host(m);
		r = devices_make(&m->devices, &m->pci);
		if (r == 0 && m->kvm)
			r = machine_bells_new(m, &m->bells);
		if (r == 0 && m->kvm)
			r = machine_lines_new(m->kvm, &m->lines);
	}
	if (r < 0 && !*ret_why) {
		*ret_why = str_printf("the machine's devices cannot be made: %s", strerror(-r));
	}
	return r;
}

int machine_fill(struct machine *m, char **ret_why)
{
	return m->cfg.restore ? machine_load(m, ret_why) : load(m, ret_why);
}

int machine_new(const struct machine_config *cfg, struct machine **ret_machine, char **ret_why)
{
	struct machine *m;
	char *why = NULL;
	int r = check_config(cfg, &why);

	if (r < 0) {
		*ret_why = why;
		return r;
	}
	m = calloc(1, sizeof *m);
	if (!m) {
		*ret_why = str_dup("no memory for the machine");
		return -ENOMEM;
	}
	m->cfg = *cfg;
	m->slice = SLICE_FIRST;
	m->turn_left = MACHINE_TURN;
	r = assemble(m, &why);
	if (r == 0 && !cfg->cell)
		r = machine_fill(m, &why);
	if (r < 0) {
		*ret_why = why;
		(void)machine_free(m);
		return r;
	}
	*ret_machine = m;
	return 0;
}

struct machine *machine_free(struct machine *m)
{
	if (!m)
		return NULL;
	m->threads = machine_threads_free(m->threads);
	machine_io_close(m);
	m->bells = machine_bells_free(m->bells);
	m->lines = machine_lines_free(m->lines);
	devices_free(&m->devices);
	(void)loop_free(m->loop);
	machine_cpus_free(m);
	(void)kvm_vm_free(m->kvm);
	if (m->mem_made)
		mem_done(&m->mem);
	bytes_done(&m->serial_out);
	free(m->why);
	free(m->panic);
	free(m);
	return NULL;
}

void machine_set_probe(struct machine *m, uint64_t every, void (*fn)(void *ctx, struct machine *m),
		       void *ctx)
{
	m->probe_every = every;
	m->probe_next = machine_instructions(m) + every;
	m->probe = fn;
	m->probe_ctx = ctx;
}

uint64_t machine_state_hash(struct machine *m)
{
	uint64_t h = 0;

	for (unsigned i = 0; i < m->n_cpus; i++) {
		struct cpu_state s;

		m->vcpu[i].cpu->ops->get_state(m->vcpu[i].cpu, &s);
		h = h * 31 + cpu_state_hash(&s);
	}
	return XXH3_64bits_withSeed(m->mem.host, m->mem.size_bytes, h);
}
