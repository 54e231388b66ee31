/* vmm/cpu/soft/run/soft_cpu.c: the soft engine as an engine: its run loop and the
 * architectural state in and out.
 *
 * Counting. run(n) gives out its instructions in windows (s->budget; the rest
 * waits in s->reserve), so that kick() is seen soon without a check in blocks.
 * A whole block is charged at its entry; an early exit refunds what did not run. The last
 * instructions of a run, too few for a block, run one by one. What counts one:
 * an instruction, a run of iterations of a repeated one (int_string.c), and a
 * faulting instruction too, so that a fault whose handler faults comes to an end.
 *
 * Events are looked at between blocks: set_intr() from within a bus callback
 * empties the window, so the running block is the last before the interrupt.
 * PAUSE empties the window in the same way when there are other processors, and
 * ends the run: spinning, it waits for one of them.
 * With TF set, and in the shadow of STI or MOV SS when something is pending,
 * instructions run one by one.
 *
 * Used by: the machine.   Depends on: block.c, event.c, mmu.c.
 * Sources: SDM vol. 3 §6.8.1, §6.8.3 (shadows), §17.3.1.4 (single step). */
#include "vmm/cpu/soft/block/block.h"
#include "vmm/cpu/soft/translate/translate.h"
#include "vmm/cpu/msr.h"

#include <errno.h>
#include <stdlib.h>

enum { WINDOW = 8192, DR6_BS = 0x4000 };

/* ---- the run loop ------------------------------------------------------------- */

/* After a raise. The faulting instruction counts. */
static void take_fault(struct soft *s)
{
	if (s->in_block) {
		s->budget += s->block->n_insns - s->cur->n;
		s->in_block = false;
	} else {
		s->insn_rip = s->rip; /* its fetch */
		s->budget--;
	}
	s->chain = NULL;
	if (!s->shutdown)
		soft_event_deliver(s, s->exc_vector, EVENT_FAULT, s->exc_has_error, s->exc_error);
}

static bool is_pending(const struct soft *s)
{
	return (s->nmi_pending && !s->nmi_masked) || (s->intr_line && s->rflags & FLAG_IF);
}

/* Delivers what is pending. */
static void take_event(struct soft *s)
{
	int vector;

	s->chain = NULL;
	s->halted = false;
	s->insn_rip = s->rip;
	if (s->nmi_pending && !s->nmi_masked) {
		s->nmi_pending = false;
		soft_event_deliver(s, EXC_NMI, EVENT_NMI, false, 0);
		return;
	}
	vector = s->bus->intr_ack(s->bus->ctx);
	if (vector >= 0)
		soft_event_deliver(s, vector, EVENT_EXT_INT, false, 0);
}

/* Makes the window as large as it may be. False when the run is used up. */
static bool refill(struct soft *s)
{
	s->reserve += s->budget;
	s->budget = 0;
	if (s->reserve <= 0)
		return false;
	s->budget = s->reserve < WINDOW ? s->reserve : WINDOW;
	s->reserve -= s->budget;
	return true;
}

static void enter(struct soft *s, const struct block *b)
{
	const struct uop *u = (const struct uop *)(const void *)b;

	s->block = b;
	s->cur = u + BLOCK_HEADER_SLOTS;
	s->block_dead = false;
	s->in_block = true;
	if (b->crosses_page) /* block_find() has looked at its second page */
		u = uop_enter(s, u);
	while (u)
		u = u->fn(s, u);
	s->in_block = false;
}

/* One instruction, and its single-step trap. The window is one instruction long, so that what it
 * jumps to is not run as well. */
static void step_one(struct soft *s)
{
	s->reserve += s->budget - 1;
	s->budget = 1;
	s->trap_pending = s->rflags & FLAG_TF;
	enter(s, block_single(s));
	if (s->trap_pending && !s->shutdown) {
		s->dr6_pending |= DR6_BS;
		s->insn_rip = s->rip;
		soft_event_deliver(s, EXC_DB, EVENT_TRAP, false, 0);
	}
}

static void step(struct soft *s, bool in_shadow)
{
	const struct block *b;

	if (UOP_UNLIKELY(s->rflags & FLAG_TF || (in_shadow && is_pending(s)))) {
		step_one(s);
		return;
	}
	b = block_find(s);
	if (UOP_LIKELY(b->n_insns <= s->budget)) {
		enter(s, b);
		return;
	}
	(void)refill(s);
	if (b->n_insns <= s->budget)
		enter(s, b);
	else
		step_one(s);
}

/* Why the loop must not go on; CPU_STOP_COUNT when it may. */
static enum cpu_stop why_stop(struct soft *s)
{
	if (s->shutdown)
		return s->error[0] ? CPU_STOP_ERROR : CPU_STOP_SHUTDOWN;
	if (s->wait_sipi || (s->halted && !is_pending(s)))
		return CPU_STOP_HALT;
	return CPU_STOP_COUNT;
}

static enum cpu_stop loop(struct soft *s)
{
	if (sigsetjmp(s->fault_jmp, 0))
		take_fault(s);
	for (;;) {
		enum cpu_stop stop = why_stop(s);
		bool in_shadow = s->shadow;

		if (UOP_UNLIKELY(stop != CPU_STOP_COUNT))
			return stop;
		if (s->budget <= 0 || s->halted) {
			if (atomic_exchange(&s->kicked, 0))
				return CPU_STOP_KICK;
			if (s->paused)
				return CPU_STOP_PAUSE;
			if (!refill(s))
				return CPU_STOP_BUDGET;
		}
		if (UOP_UNLIKELY((!in_shadow || s->halted) && is_pending(s))) {
			take_event(s);
			continue;
		}
		s->shadow = false;
		step(s, in_shadow);
	}
}

static enum cpu_stop soft_run(struct cpu *c, uint64_t n_max)
{
	struct soft *s = soft_of(c);
	uint64_t now = soft_icount(s);
	enum cpu_stop stop;

	if (n_max > INT64_MAX / 2)
		n_max = INT64_MAX / 2;
	s->budget = 0;
	s->reserve = (int64_t)n_max;
	s->icount_end = now + n_max;
	s->chain = NULL;
	s->paused = false;
	s->mem->on_code_ctx = s; /* the one whose running block a device's write may hit */
	stop = loop(s);
	/* What was not used is forgotten. */
	s->icount_end -= (uint64_t)(s->budget + s->reserve);
	s->budget = s->reserve = 0;
	return stop;
}

/* ---- signals -------------------------------------------------------------------- */

static void soft_set_intr(struct cpu *c, bool asserted)
{
	struct soft *s = soft_of(c);

	s->intr_line = asserted;
	if (asserted && s->budget > 0) {
		s->reserve += s->budget;
		s->budget = 0;
	}
}

static void empty_window(struct soft *s)
{
	s->reserve += s->budget;
	s->budget = 0;
}

static void soft_nmi(struct cpu *c)
{
	soft_of(c)->nmi_pending = true;
	empty_window(soft_of(c));
}

static void soft_kick(struct cpu *c)
{
	atomic_store(&soft_of(c)->kicked, 1);
}

static void soft_stop(struct cpu *c)
{
	soft_kick(c);
	empty_window(soft_of(c));
}

static uint64_t icount(const struct cpu *c)
{
	return soft_icount((const struct soft *)c);
}

static const char *error_text(const struct cpu *c)
{
	return ((const struct soft *)c)->error;
}

/* ---- state ------------------------------------------------------------------------ */

static void get_state(struct cpu *c, struct cpu_state *st)
{
	struct soft *s = soft_of(c);

	*st = s->msr;
	memcpy(st->gpr, s->r, sizeof(st->gpr));
	st->rip = s->rip;
	st->rflags = soft_flags_get(s);
	memcpy(st->seg, s->seg, sizeof(st->seg));
	st->ldtr = s->ldtr;
	st->tr = s->tr;
	st->gdtr = s->gdtr;
	st->idtr = s->idtr;
	st->cr0 = s->cr0;
	st->cr2 = s->cr2;
	st->cr3 = s->cr3;
	st->cr4 = s->cr4;
	st->cr8 = s->bus->cr8_read ? s->bus->cr8_read(s->bus->ctx) : s->msr.cr8;
	st->efer = s->efer;
	if (s->bus->apic_msr_read) /* the LAPIC's, as CR8 is */
		(void)s->bus->apic_msr_read(s->bus->ctx, MSR_APIC_BASE, &st->apic_base);
	memcpy(st->dr, s->dr, sizeof(st->dr));
	st->dr6 = s->dr6;
	st->dr7 = s->dr7;
	st->fx = s->fx;
	st->halted = s->halted;
	st->shadow = s->shadow;
	st->nmi_masked = s->nmi_masked;
	st->nmi_pending = s->nmi_pending;
	st->wait_sipi = s->wait_sipi;
}

/* CR8 is the LAPIC's, which restores itself. */
static void set_state(struct cpu *c, const struct cpu_state *st)
{
	struct soft *s = soft_of(c);

	s->msr = *st;
	memcpy(s->r, st->gpr, sizeof(st->gpr));
	s->r[INSN_REG_NONE] = 0;
	s->rip = st->rip;
	memcpy(s->seg, st->seg, sizeof(s->seg));
	s->ldtr = st->ldtr;
	s->tr = st->tr;
	s->gdtr = st->gdtr;
	s->idtr = st->idtr;
	s->cr0 = st->cr0;
	s->cr2 = st->cr2;
	s->cr3 = st->cr3;
	s->cr4 = st->cr4;
	s->efer = st->efer;
	memcpy(s->dr, st->dr, sizeof(s->dr));
	s->dr6 = st->dr6;
	s->dr7 = st->dr7;
	s->fx = st->fx;
	s->halted = st->halted;
	s->shadow = st->shadow;
	s->nmi_masked = st->nmi_masked;
	s->nmi_pending = st->nmi_pending;
	s->wait_sipi = st->wait_sipi;
	s->dr6_pending = 0;
	s->shutdown = false;
	s->error[0] = '\0';
	s->exc_noncanonical = false;
	soft_flags_set(s, (uint32_t)st->rflags);
	soft_mode_changed(s);
	mmu_flush_all(s);
}

static void code_written(void *ctx, uint64_t gpa, size_t len)
{
	block_code_written(ctx, gpa, len);
}

static void leave_peers(struct soft *s)
{
	struct soft *p = s->peer;

	while (p->peer != s)
		p = p->peer;
	p->peer = s->peer;
	s->mem->on_code_ctx = p;
}

static struct cpu *soft_free(struct cpu *c)
{
	struct soft *s = soft_of(c);

	if (!s)
		return NULL;
	if (getenv("MUSTER_SOFT_PROFILE"))
		block_profile(s, stderr, 40);
	if (s->peer == s) {
		s->mem->on_code_write = NULL;
		block_cache_free(s->blocks);
	} else {
		leave_peers(s);
	}
	free(s);
	return NULL;
}

static void soft_rest(struct cpu *c)
{
	block_cache_release(soft_of(c));
}

static const struct cpu_ops soft_ops = {
	.name = "soft",
	.free = soft_free,
	.get_state = get_state,
	.set_state = set_state,
	.run = soft_run,
	.set_intr = soft_set_intr,
	.nmi = soft_nmi,
	.rest = soft_rest,
	.kick = soft_kick,
	.stop = soft_stop,
	.icount = icount,
	.error = error_text,
};

/* A processor after RESET without blocks and peers; NULL: no memory. */
static struct soft *soft_alloc(struct mem *mem, const struct cpu_bus *bus)
{
	struct soft *s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);
	struct cpu_state reset;

	if (!s)
		return NULL;
	memset(s, 0, offsetof(struct soft, code_stack));
	s->cpu.ops = &soft_ops;
	s->mem = mem;
	s->bus = bus;
	s->code_written = block_code_written;
	s->peer = s;
	mmu_init(s);
	cpu_state_reset(&reset);
	set_state(&s->cpu, &reset);
	return s;
}

int soft_cpu_new(struct mem *mem, const struct cpu_bus *bus, struct cpu **ret_cpu)
{
	struct soft *s = soft_alloc(mem, bus);

	if (!s)
		return -ENOMEM;
	s->blocks = block_cache_new();
	if (!s->blocks) {
		free(s);
		return -ENOMEM;
	}
	translate_attach(s->blocks);
	s->slots = (uint64_t)(uintptr_t)s->blocks->slots;
	translate_forget_returns(s);
	mem->on_code_write = code_written;
	mem->on_code_ctx = s;
	*ret_cpu = &s->cpu;
	return 0;
}

int soft_cpu_new_beside(struct cpu *first, const struct cpu_bus *bus, struct cpu **ret_cpu)
{
	struct soft *with = soft_of(first), *s = soft_alloc(with->mem, bus);

	if (!s)
		return -ENOMEM;
	s->blocks = with->blocks;
	s->slots = with->slots;
	s->peer = with->peer;
	with->peer = s;
	translate_forget_returns(s);
	*ret_cpu = &s->cpu;
	return 0;
}
