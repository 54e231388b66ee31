/* vmm/machine_run.c: the machine's run loop.
 *
 * Real clock: the engine gets slices of about SLICE_NS (less when a timer is
 * due sooner; of all processors together), measured by the last slices' speed;
 * between two slices timers
 * that are due fire and the host's events are looked at. In HLT the loop
 * sleeps until the next timer or event, so an idle guest costs nothing.
 *
 * A guest that has come to rest holds many pages of zeros which it wrote once;
 * while it is halted RAM is swept for them, piece by piece, so that they are
 * the host's again. An idle guest is swept once and then left alone. The engine gives
 * its own caches back after a longer rest.
 *
 * Under KVM the processors have threads (machine_threads.c); this one serves the
 * loop and the clock, and holds the machine's lock but while it waits.
 *
 * Virtual clock: the engine gets exactly the instructions up to the next timer,
 * so interrupts land at exact counts; in HLT time skips to the next timer. The
 * host is looked at every VIRTUAL_SLICE instructions, which changes nothing
 * that a guest can see unless the host has input for it.
 *
 * Used by: teams/.   Depends on: vmm/machine_impl.h, core/{loop,sandbox}.h. */
#include "vmm/machine_impl.h"

#include "core/sandbox.h"
#include "vmm/machine.h"
#include "vmm/machine_threads.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The sweep: a piece of RAM each time, and a pass only after so much work. */
#define SWEEP_INSTRUCTIONS UINT64_C(200000000)
/* The engine's caches are given up after so long a rest, if so much was done since the last time:
 * making them anew takes a small part of that. */
enum { REST_LOOKS = 5 };
#define REST_INSTRUCTIONS UINT64_C(100000000)
enum { SWEEP_STEP_MS = 50, SWEEP_REST_MS = 2000, SWEEP_REST_INSTRUCTIONS = 20000000 };
enum { SLICE_NS = 300000, SLICE_MIN = 1000, SLICE_MAX = 2000000, VIRTUAL_SLICE = 2000000 };

static uint64_t budget_real(struct machine *m, nsec_t now)
{
	nsec_t left = m->clock.deadline - now;
	uint64_t n = m->slice;

	m->slice_end = now + SLICE_NS;
	if (left < SLICE_NS) {
		n = left <= 0 ? SLICE_MIN : m->slice * (uint64_t)left / SLICE_NS;
		m->slice_end = m->clock.deadline;
	}
	return n < SLICE_MIN ? SLICE_MIN : n;
}

static uint64_t budget(struct machine *m, nsec_t now)
{
	uint64_t n, left;

	if (!m->clock.is_virtual) {
		n = budget_real(m, now);
	} else {
		n = guest_clock_budget(&m->clock, m->clock.deadline);
		if (n > VIRTUAL_SLICE)
			n = VIRTUAL_SLICE;
	}
	if (m->probe) {
		left = m->probe_next - machine_instructions(m);
		if (n > left)
			n = left;
	}
	return n;
}

/* Learns how many instructions a slice is: the mean of old and new. */
static void measure(struct machine *m, uint64_t n, nsec_t took)
{
	uint64_t fit;

	if (n < SLICE_MIN || took <= 0)
		return;
	fit = n * SLICE_NS / (uint64_t)took;
	fit = (m->slice * 3 + fit) / 4;
	m->slice = fit < SLICE_MIN ? SLICE_MIN : fit > SLICE_MAX ? SLICE_MAX : fit;
}

static void probe(struct machine *m)
{
	if (!m->probe || machine_instructions(m) < m->probe_next)
		return;
	m->probe_next += m->probe_every;
	m->probe(m->probe_ctx, m);
}

void machine_cpu_stopped(struct machine *m, enum cpu_stop stop)
{
	const char *text = machine_cpus_error(m);

	if (stop == CPU_STOP_SHUTDOWN)
		machine_end_now(m, MACHINE_END_TRIPLE_FAULT,
				str_printf("the guest's processor shut down (triple fault)"));
	else if (stop == CPU_STOP_ERROR)
		machine_end_now(m, MACHINE_END_ERROR, str_printf("the engine stopped: %s",
								 text ? text : "no reason given"));
}

/* One slice. Returns whether all processors wait for an interrupt. */
static bool run_slice(struct machine *m)
{
	uint64_t before = machine_instructions(m);
	nsec_t start = guest_clock_now(&m->clock);
	enum cpu_stop stop = machine_cpus_run(m, budget(m, start));

	if (!m->clock.is_virtual && stop != CPU_STOP_HALT)
		measure(m, machine_instructions(m) - before, guest_clock_now(&m->clock) - start);
	machine_cpu_stopped(m, stop);
	probe(m);
	return stop == CPU_STOP_HALT;
}

/* @n: instructions so far. */
static void rest(struct machine *m, uint64_t n, bool is_at_rest)
{
	m->n_rests = is_at_rest ? m->n_rests + 1 : 0;
	if (m->n_rests < REST_LOOKS || n - m->rest_icount < REST_INSTRUCTIONS)
		return;
	m->rest_icount = n;
	if (m->cpu->ops->rest)
		m->cpu->ops->rest(m->cpu);
}

/* A look each SWEEP_REST_MS. A pass is due when much was done since the last one, and little lately. */
static bool sweep_is_due(struct machine *m)
{
	uint64_t n = machine_instructions(m), before = m->sweep_seen;
	bool is_at_rest = n - before < SWEEP_REST_INSTRUCTIONS;

	m->sweep_seen = n;
	rest(m, n, is_at_rest);
	return n - m->sweep_icount >= SWEEP_INSTRUCTIONS && is_at_rest;
}

static void sweep(struct machine *m)
{
	nsec_t now = guest_clock_now(&m->clock);

	if (now < m->sweep_next || !machine_has_slices(m))
		return;
	if (m->sweep_off == 0 && !sweep_is_due(m)) {
		m->sweep_next = now + SWEEP_REST_MS * NSEC_PER_MSEC;
		return;
	}
	m->swept_bytes += mem_sweep(&m->mem, &m->sweep_off);
	m->sweep_next = now + SWEEP_STEP_MS * NSEC_PER_MSEC;
	if (m->sweep_off == 0)
		m->sweep_icount = machine_instructions(m);
}

/* Looks at the host: not at all longer than needed, or until something is due. */
static int serve(struct machine *m, bool halted)
{
	nsec_t until = 0;

	machine_serial_flush(m);
	if (!m->paused)
		devices_between(&m->devices);
	if (m->ended) {
		until = 0;
	} else if (m->paused) {
		until = NSEC_NEVER;
	} else if (m->threads) {
		until = guest_clock_host_time(&m->clock, m->clock.deadline);
	} else if (halted && machine_cpus_wait(m)) {
		sweep(m);
		if (!m->clock.is_virtual)
			until = guest_clock_host_time(&m->clock, m->clock.deadline);
		else if (m->clock.deadline == NSEC_NEVER)
			until = NSEC_NEVER;
		else
			guest_clock_skip_to(&m->clock, m->clock.deadline);
	}
	return loop_step(m->loop, until);
}

/* The guest's first instruction comes after this. Threads are made between the
 * cell's two steps: the first is for a process with one, the second forbids more. */
static void enter_cell(struct machine *m)
{
	enum sandbox_role role = m->kvm ? SANDBOX_MACHINE_KVM : SANDBOX_MACHINE;
	CLEANUP(free) char *why = NULL;
	int r = m->cfg.cell ? sandbox_isolate(role, NULL, 0, &why) : 0;

	if (r == 0 && m->threads) {
		kvm_vm_made(m->kvm);
		r = machine_threads_start(m->threads);
		if (r < 0)
			why = str_printf("no thread for a processor: %s", strerror(-r));
	}
	if (r == 0 && m->cfg.cell)
		r = sandbox_lock(role, &why);
	if (r < 0)
		machine_end_now(m, MACHINE_END_ERROR, str_printf("its cell cannot be locked: %s", why));
}

/* What comes from a file is taken apart here, where it can do nothing else; the files are closed. */
static void fill_in_cell(struct machine *m)
{
	int fds[] = { m->cfg.kernel_fd, m->cfg.initrd_fd, m->cfg.restore ? m->cfg.state_fd : -1 };
	char *why = NULL;

	if (!m->cfg.cell || m->ended)
		return;
	if (machine_fill(m, &why) < 0)
		machine_end_now(m, MACHINE_END_ERROR, why);
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

static void run(struct machine *m)
{
	bool halted = false;

	while (!m->ended) {
		int r;

		if (!m->paused && !m->threads)
			halted = run_slice(m);
		r = serve(m, halted);
		if (r < 0)
			machine_end_now(m, MACHINE_END_ERROR,
					str_printf("the event loop failed: error %d", -r));
		if (!m->paused)
			guest_clock_run(&m->clock);
	}
	if (m->threads)
		machine_threads_stop(m->threads);
}

enum machine_end machine_run(struct machine *m, char **ret_why)
{
	int r;

	if (m->threads)
		machine_threads_lock(m->threads);
	r = machine_io_open(m);
	if (r < 0)
		machine_end_now(m, MACHINE_END_ERROR,
				str_printf("the machine's sockets: error %d", -r));
	enter_cell(m);
	fill_in_cell(m);
	if (!m->ended)
		machine_tell(m, "started");
	if (m->restored && !m->cfg.restore_paused)
		machine_set_paused(m, false);
	else if (m->threads && !m->paused)
		machine_threads_go(m->threads);
	run(m);
	machine_serial_flush(m);
	machine_tell_end(m);
	if (m->threads)
		machine_threads_unlock(m->threads);
	*ret_why = m->why;
	m->why = NULL;
	return m->end;
}
