/* vmm/machine_state.c: a whole machine out and in.
 *
 * What is saved lies between two instructions, so nothing is half done: the
 * processor's architectural state, each chip's, each virtio device's, the
 * clock, the entropy stream, output that waits for its reader, and memory.
 * What is not: descriptors, rings and sockets (whoever starts the machine again
 * gives new ones), and what is in the rings (the fabric's).
 *
 * Order matters in one place: the clock comes first, and stands, because every
 * instant is a distance from its time; under a virtual clock so does the count
 * of instructions, out of which that time is made. Levels of interrupt lines
 * are in the interrupt controllers' sections, so no device raises its own.
 *
 * Both engines write, and take, the same sections. KVM's local APIC passes through
 * a struct lapic (lapic_from_regs()), whose timer is armed for no longer than that;
 * before anything is looked at the processors are brought to rest, so that nothing
 * is half done in KVM either. What KVM's processors have kept of the TSC becomes the
 * clock's, since their sections are distances from it. Turns and counted instructions
 * are the soft engine's: KVM hands on what it was given, and nobody waits, for a
 * processor that is halted halts again.
 *
 * A machine is loaded only where it is made: a file that is refused leaves no
 * machine, never half of one. After a load it is paused; when it goes on, each
 * card looks at its rings and each port at its socket, since a kick that was
 * given before cannot be seen any more. It may be on another host, or its
 * network may have forgotten it: so each card asks its guest to announce itself.
 * Not on a virtual clock, where the future shall be the one without the load.
 *
 * Used by: vmm/machine.c, vmm/machine_io.c.   Depends on: core/state.h. */
#include "vmm/machine_impl.h"

#include "core/cleanup.h"
#include "core/state.h"
#include "vmm/mem_state.h"
#include "vmm/machine.h"

#include <string.h>
#include <sys/mman.h>

/* ---- the machine itself --------------------------------------------------------- */

static void machine_section(struct machine *m, struct state *s)
{
	uint64_t n = machine_instructions(m);

	(void)state_begin(s, "mach", 0, 1);
	state_same(s, m->cfg.cpus, "processors");
	state_same(s, m->cfg.n_nics, "network cards");
	state_u64(s, &n);
	state_expect(s, !(n >> 62), "more instructions than can be");
	state_u64s(s, m->prng.s, sizeof m->prng.s / sizeof m->prng.s[0]);
	state_expect(s, m->prng.s[0] | m->prng.s[1] | m->prng.s[2] | m->prng.s[3],
		     "a random stream of zeros");
	state_end(s);
	if (state_is_load(s) && state_ok(s))
		m->icount_base += n - machine_instructions(m);
}

/* The local APIC of an engine that has its own. On a load after the processor's
 * own state, whose apic_base says which registers there are. */
static void engine_apic_section(struct machine_cpu *p, struct state *s, uint64_t apic_base)
{
	struct cpu_apic regs;

	if (!state_is_load(s)) {
		p->cpu->ops->get_apic(p->cpu, &regs);
		lapic_from_regs(&p->lapic, apic_base, &regs);
	}
	lapic_state(&p->lapic, s);
	if (state_is_load(s) && state_ok(s)) {
		lapic_to_regs(&p->lapic, &regs);
		p->cpu->ops->set_apic(p->cpu, &regs);
	}
	guest_timer_set(&p->lapic.timer, NSEC_NEVER);
}

static void cpu_sections(struct machine *m, struct state *s, unsigned i)
{
	struct machine_cpu *p = &m->vcpu[i];
	const struct cpu_ops *ops = p->cpu->ops;
	struct cpu_state c;

	ops->get_state(p->cpu, &c);
	cpu_state_fields(&c, s, i);
	if (c.tsc_khz != m->clock.tsc_khz)
		state_refuse(s, "cpu ", i, "a TSC at another speed than its machine's");
	if (state_is_load(s) && state_ok(s))
		ops->set_state(p->cpu, &c);
	if (ops->get_apic)
		engine_apic_section(p, s, c.apic_base);
	else
		lapic_state(&p->lapic, s);
	if (*ops->error(p->cpu))
		state_refuse(s, "cpu ", i, ops->error(p->cpu));
}

/* Whose turn it is, and who waits: what a slice's end does not change. */
static void turns_section(struct machine *m, struct state *s)
{
	uint32_t turn = m->turn;

	(void)state_begin(s, "turn", 0, 1);
	state_u32(s, &turn);
	state_expect(s, turn < m->n_cpus, "the turn of a processor that is not there");
	state_u64(s, &m->turn_left);
	state_expect(s, m->turn_left > 0, "an empty turn");
	for (unsigned i = 0; i < m->n_cpus; i++) {
		if (m->kvm)
			m->vcpu[i].waits = false;
		state_bool(s, &m->vcpu[i].waits);
		state_bool(s, &m->vcpu[i].init_pending);
	}
	state_end(s);
	if (state_ok(s))
		m->turn = turn;
}

/* A byte string of at most @max bytes, which the caller frees. */
static void string_state(struct state *s, char **text, uint32_t max)
{
	uint32_t len = *text ? (uint32_t)strlen(*text) : 0;

	state_u32(s, &len);
	state_expect(s, len <= max, "a text that is too long");
	if (!state_is_load(s)) {
		state_bytes(s, *text, len);
		return;
	}
	free(*text);
	*text = NULL;
	if (!len || !state_ok(s))
		return;
	*text = calloc(1, len + 1);
	if (*text)
		state_bytes(s, *text, len);
	state_expect(s, *text && strlen(*text) == len, "a text with zeros");
}

/* What the guest said and nobody has taken yet. */
static void output_section(struct machine *m, struct state *s)
{
	uint64_t n = m->serial_out.len, line_len = m->serial_line_len;
	const uint8_t *p;

	(void)state_begin(s, "outp", 0, 1);
	state_u64(s, &m->serial_dropped);
	state_u64(s, &line_len);
	state_expect(s, line_len < SERIAL_LINE_SIZE, "a line that is too long");
	state_bytes(s, m->serial_line, sizeof m->serial_line);
	if (state_is_load(s) && state_ok(s))
		m->serial_line_len = (size_t)line_len;
	string_state(s, &m->panic, SERIAL_LINE_SIZE);
	state_u64(s, &n);
	state_expect(s, n <= SERIAL_OUT_MAX, "more output than is kept");
	if (!state_is_load(s)) {
		state_bytes(s, m->serial_out.data, m->serial_out.len);
	} else if (state_ok(s)) {
		p = state_take(s, (size_t)n);
		m->serial_out.len = 0;
		if (p && m->cfg.serial_fd >= 0)
			bytes_append(&m->serial_out, p, (size_t)n);
	}
	state_end(s);
}

static void describe(struct machine *m, struct state *s)
{
	machine_section(m, s);
	guest_clock_state(&m->clock, s);
	for (unsigned i = 0; i < m->n_cpus; i++)
		cpu_sections(m, s, i);
	turns_section(m, s);
	i82093_state(&m->ioapic, s);
	i8259_state(&m->pic, s);
	devices_state(&m->devices, s, false);
	i8250_state(&m->uart, s);
	acpi_state(&m->acpi, s);
	pci_host_state(&m->pci, s);
	output_section(m, s);
	mem_state(&m->mem, m->cfg.pmem_fd, s);
	devices_state(&m->devices, s, true);
}

/* ---- save ------------------------------------------------------------------------- */

int machine_save(struct machine *m, int fd, uint64_t *ret_bytes, char **ret_why)
{
	struct state *s;
	int r;

	if (m->ended) {
		*ret_why = str_dup("the machine has ended");
		return -EINVAL;
	}
	r = state_save_new(fd, &s);
	if (r < 0) {
		*ret_why = str_dup(strerror(-r));
		return r;
	}
	machine_stop_time(m, true);
	if (m->lines)
		machine_lines_settle_all(m->lines); /* else one may not be in its APIC yet */
	if (m->kvm)
		guest_clock_set_tsc(&m->clock, m->clock.tsc_khz, kvm_cpu_paused_tsc(m->cpu));
	describe(m, s);
	r = state_finish(s);
	if (!m->paused)
		machine_stop_time(m, false);
	if (r < 0 && machine_cpus_error(m))
		*ret_why = str_dup(machine_cpus_error(m));
	else if (r < 0)
		*ret_why = str_printf("the state cannot be written: %s", state_why(s));
	else
		*ret_bytes = state_len(s);
	(void)state_free(s);
	return r;
}

/* ---- load ------------------------------------------------------------------------- */

static int load_from(struct machine *m, const void *data, size_t len, char **ret_why)
{
	CLEANUP(free) char *why = NULL;
	struct state *s = NULL;
	int r = state_load_new(data, len, &s, &why);

	if (r == 0) {
		describe(m, s);
		r = state_finish(s);
		if (r < 0)
			why = str_dup(state_why(s));
		(void)state_free(s);
	}
	if (r < 0)
		*ret_why = str_printf("the saved state is refused: %s", why);
	return r;
}

int machine_load(struct machine *m, char **ret_why)
{
	uint64_t size;
	void *p;
	int r;

	if (fd_file_size(m->cfg.state_fd, &size) < 0 || size == 0) {
		*ret_why = str_dup("the saved state is no file, or an empty one");
		return -EINVAL;
	}
	p = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, m->cfg.state_fd, 0);
	if (p == MAP_FAILED) {
		r = -errno;
		*ret_why = str_printf("the saved state cannot be read: %s", strerror(-r));
		return r;
	}
	machine_stop_time(m, true);
	r = load_from(m, p, (size_t)size, ret_why);
	(void)munmap(p, (size_t)size);
	m->paused = m->restored = r == 0;
	m->resumes_loaded = r == 0 && !m->clock.is_virtual;
	loop_hold(m->loop, m->paused);
	return r;
}
