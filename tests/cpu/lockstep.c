/* tests/cpu/lockstep.c: see lockstep.h. */
#include "tests/cpu/lockstep.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 4000 };

/* What is cleared before each run and compared at each stop. */
static const struct { uint64_t from, n; } regions[] = {
	{ FLAT_TABLES, 0x4000 }, { FLAT_IDT, 0x3000 }, { LOCK_TABLES, 0x2000 }, { FLAT_CODE, 0x2000 }, { FLAT_STACK - 0x1000, 0x2000 },
	{ LOCK_RSP0 - 0x1000, 0x1000 }, { LOCK_IST1 - 0x1000, 0x1000 },
	{ FLAT_FREE, 0x1000 + LOCK_DATA_BYTES }, { LOCK_FRAMES, LOCK_N_FRAMES * 0x1000 },
};
enum { N_REGIONS = sizeof(regions) / sizeof(regions[0]) };

struct step {
	struct cpu_state st;
	uint64_t hash, memory;
};

static struct lock_side sides[3]; /* the reference, interpreter, translator */
static struct step trace[MAX_STEPS + 1];
static const char *asked_for; /* of lock_run_as(); NULL: none */
static enum cpu_stop trace_stop;
static uint64_t trace_len, n_steps, n_compared;

/* The handlers: what they tell is struct lock_seen. */
GUEST(lock_irq_handler, "push rax; inc qword ptr [SEEN]; mov rax, [rsp + 8]; mov [SEEN + 8], rax\n"
			"mov rax, [rsp + 24]; mov [SEEN + 16], rax; pop rax; iretq");
GUEST(lock_pf_handler, "mov [SEEN + 0x60], rax; mov [SEEN + 0x68], rcx; mov [SEEN + 0x70], rsi; mov [SEEN + 0x78], rdi\n"
		       "push rax; push rbx; inc qword ptr [SEEN + 0x18]; mov rax, [rsp + 24]; mov [SEEN + 0x20], rax\n"
		       "mov rax, cr2; mov [SEEN + 0x28], rax; mov rax, [rsp + 16]; mov [SEEN + 0x30], rax\n"
		       "mov rax, [rsp + 48]; mov [SEEN + 0x38], rax; mov rax, [rsp + 40]; mov [SEEN + 0x40], rax\n"
		       "mov rbx, [SEEN + 0x48]; mov rax, [rbx]; mov [SEEN + 0x50], rax; mov rax, [rbx + 8]; mov [SEEN + 0x58], rax\n"
		       "cmp qword ptr [SEEN + 0x178], 0; je 1f; hlt\n"
		       "1: mov rax, cr2; shr eax, 12; and eax, 511; or qword ptr [PT + rax * 8], 7; btr qword ptr [PT + rax * 8], 63\n"
		       "mov rax, cr2; invlpg [rax]; pop rbx; pop rax; add rsp, 8; iretq");
GUEST(lock_db_handler, "push rax; push rbx; mov rax, [SEEN + 0x80]; inc qword ptr [SEEN + 0x80]; cmp rax, 30; jae 1f\n"
		       "mov rbx, [rsp + 16]; mov [SEEN + 0x88 + rax * 8], rbx; 1: pop rbx; pop rax; iretq");
_Static_assert(offsetof(struct lock_seen, fault_rax) == 0x60 && offsetof(struct lock_seen, n_traps) == 0x80 &&
		       offsetof(struct lock_seen, no_map) == 0x178 && offsetof(struct lock_seen, look) == 0x48,
	       "the handlers' offsets");

static void put64(struct flat *f, uint64_t gpa, uint64_t v)
{
	flat_load(f, gpa, &v, sizeof(v));
}

static void new_side(struct lock_side *m, const char *name, const char *how)
{
	m->f = flat_new_as(how);
	ck_assert_int_eq(soft_cpu_new_beside(m->f->cpu, &m->f->bus, &m->peer), 0);
	m->name = name;
}

void lock_done(void)
{
	for (unsigned k = 0; k < 3; k++) {
		if (sides[k].peer)
			sides[k].peer->ops->free(sides[k].peer);
		flat_free(sides[k].f);
		sides[k] = (struct lock_side){ .f = NULL };
	}
}

/* As lock_run_as() says; or MUSTER_SOFT=traces asks for that; else every block is translated by itself, at its first entry. */
static const char *translator(void)
{
	const char *how = getenv("MUSTER_SOFT");

	if (asked_for)
		return asked_for;
	return how && strcmp(how, "traces") == 0 ? how : "eager";
}

static void open_sides(void)
{
	if (sides[0].f)
		return;
	new_side(&sides[0], "reference", "interp");
	new_side(&sides[1], "interpreter", "interp");
	new_side(&sides[2], "translator", translator());
}

static void load_tables(struct flat *f)
{
	static const uint64_t gdt[] = { 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF, 0x00CFFB000000FFFF, 0x00CFF3000000FFFF,
					0x00AFFB000000FFFF, 0x00008B0000000067 | (uint64_t)LOCK_TSS << 16, 0 };

	put64(f, FLAT_TABLES, (FLAT_TABLES + 0x1000) | 7);
	put64(f, FLAT_TABLES + 0x1000, (FLAT_TABLES + 0x2000) | 7);
	put64(f, FLAT_TABLES + 0x1008, (FLAT_TABLES + 0x2000) | 7); /* the same again */
	for (uint64_t k = 0; k < 512; k++)
		put64(f, FLAT_TABLES + 0x2000 + 8 * k, k << 21 | 0x87);
	put64(f, FLAT_TABLES + 0x2000 + 8 * (LOCK_PAGES >> 21), LOCK_PT | 7);
	for (uint64_t k = 0; k < LOCK_N_FRAMES; k++)
		put64(f, LOCK_PT + 8 * k, (LOCK_FRAMES + k * 0x1000) | 7);
	flat_load(f, FLAT_GDT, gdt, sizeof(gdt));
	put64(f, LOCK_TSS + 4, LOCK_RSP0);
	put64(f, LOCK_TSS + 0x24, LOCK_IST1);
	flat_gate(f, LOCK_IRQ, LOCK_HANDLERS);
	flat_gate(f, EXC_PF, LOCK_HANDLERS + 0x100);
	flat_load(f, FLAT_IDT + 16 * EXC_PF + 4, &(uint8_t){ 1 }, 1); /* IST1 */
	flat_gate(f, EXC_DB, LOCK_HANDLERS + 0x300);
	flat_load(f, LOCK_HANDLERS, lock_irq_handler, (size_t)(lock_irq_handler_end - lock_irq_handler));
	flat_load(f, LOCK_HANDLERS + 0x100, lock_pf_handler, (size_t)(lock_pf_handler_end - lock_pf_handler));
	flat_load(f, LOCK_HANDLERS + 0x300, lock_db_handler, (size_t)(lock_db_handler_end - lock_db_handler));
	put64(f, LOCK_SEEN + offsetof(struct lock_seen, look), LOCK_DATA);
}

static void first_state(struct lock_side *m, struct cpu_state *st)
{
	struct cpu_segment data = { .limit = UINT32_MAX, .sel = 0x10, .attr = 3 | CPU_SEG_S | CPU_SEG_P | CPU_SEG_DB | CPU_SEG_G };
	struct cpu_segment code = { .limit = UINT32_MAX, .sel = 8, .attr = 11 | CPU_SEG_S | CPU_SEG_P | CPU_SEG_L | CPU_SEG_G };

	cpu_state_reset(st);
	for (unsigned k = 0; k < CPU_GPR_COUNT; k++)
		st->gpr[k] = 0;
	if (m->c->is_real) {
		for (unsigned k = 0; k < CPU_SEG_COUNT; k++)
			st->seg[k] = (struct cpu_segment){ .base = k == CPU_CS ? FLAT_CODE : 0, .limit = 0xFFFF,
				.sel = k == CPU_CS ? FLAT_CODE >> 4 : 0, .attr = st->seg[k].attr };
		st->rip = 0;
		st->gpr[CPU_RSP] = 0xFFF0;
		st->seg[CPU_SS].sel = (FLAT_STACK - 0x10000) >> 4;
		st->seg[CPU_SS].base = FLAT_STACK - 0x10000;
		return;
	}
	for (unsigned k = 0; k < CPU_SEG_COUNT; k++)
		st->seg[k] = k == CPU_CS ? code : data;
	st->gdtr = (struct cpu_table){ FLAT_GDT, 0x3F };
	st->idtr = (struct cpu_table){ FLAT_IDT, 0xFFF };
	st->tr = (struct cpu_segment){ .base = LOCK_TSS, .limit = 0x67, .sel = 0x30, .attr = 0x8B };
	st->cr0 = 0x80010033; /* PG, WP, NE, ET, MP, PE */
	st->cr3 = FLAT_TABLES;
	st->cr4 = 0x6A0; /* OSXMMEXCPT, OSFXSR, PGE, PAE */
	st->efer = 0xD01;
	st->star = UINT64_C(0x0018000800000000);
	st->fx.fcw = 0x37F;
	st->fx.mxcsr = 0x1F80;
	st->rip = FLAT_CODE;
	st->gpr[CPU_RSP] = FLAT_STACK;
	st->rflags = 2;
}

static void begin(struct lock_side *m, const struct lock_case *c)
{
	static const uint8_t zeros[0x8000], hlt = 0xF4;
	struct cpu_state st;

	m->c = c;
	for (unsigned k = 0; k < N_REGIONS; k++)
		flat_load(m->f, regions[k].from, zeros, regions[k].n);
	load_tables(m->f);
	ck_assert_int_lt((int)(c->end - c->code), 0x2000);
	flat_load(m->f, FLAT_CODE, c->code, (size_t)(c->end - c->code));
	flat_load(m->f, FLAT_CODE + (uint64_t)(c->end - c->code), &hlt, 1);
	m->f->vector = -1;
	m->f->n_mmio = 0;
	m->f->on_mmio = NULL;
	m->f->tsc = 0;
	m->f->cpu->ops->set_intr(m->f->cpu, false);
	m->peer->ops->set_intr(m->peer, false);
	first_state(m, &st);
	m->f->cpu->ops->set_state(m->f->cpu, &st);
	m->peer->ops->set_state(m->peer, &st);
	if (c->prepare)
		c->prepare(m);
	m->icount0 = m->f->cpu->ops->icount(m->f->cpu);
}

static uint64_t done(const struct lock_side *m)
{
	return m->f->cpu->ops->icount(m->f->cpu) - m->icount0;
}

static uint64_t memory_sum(const struct lock_side *m)
{
	uint64_t h = 0;

	for (unsigned k = 0; k < N_REGIONS; k++) {
		const uint8_t *p = m->f->mem.host + regions[k].from;

		for (uint64_t j = 0; j < regions[k].n; j += 16) {
			uint64_t v[2];

			memcpy(v, p + j, 16);
			h = (h ^ v[0] ^ (v[1] << 1 | v[1] >> 63)) * UINT64_C(0x9E3779B97F4A7C15);
			h ^= h >> 29;
		}
	}
	return h;
}

static void take(struct lock_side *m, struct step *t)
{
	m->f->cpu->ops->get_state(m->f->cpu, &t->st);
	t->hash = cpu_state_hash(&t->st);
	t->memory = memory_sum(m);
}

/* Fires the event when it is due: before instruction @when, or because the guest waits for it. */
static bool fire(struct lock_side *m, uint64_t when, bool is_halted, bool *had)
{
	if (!m->c->event || *had || (is_halted ? !m->c->waits : done(m) < when))
		return false;
	*had = true;
	m->c->event(m);
	return true;
}

/* Returns whether the event came before instruction @when, and not later or never. */
static bool run_reference(const struct lock_case *c, uint64_t when)
{
	struct lock_side *m = &sides[0];
	bool had = false, in_time = false;

	begin(m, c);
	take(m, &trace[0]);
	trace_len = 0;
	for (;;) {
		uint64_t n;

		in_time |= fire(m, when, false, &had);
		trace_stop = flat_run(m->f, 1);
		n = done(m);
		ck_assert_msg(n <= MAX_STEPS, "%s: more than %d instructions", c->name, MAX_STEPS);
		if (n != trace_len) /* what an event did in HLT is seen behind the next instruction */
			take(m, &trace[n]);
		trace_len = n;
		if (trace_stop != CPU_STOP_BUDGET && trace_stop != CPU_STOP_PAUSE && !fire(m, when, true, &had))
			break;
	}
	n_steps += trace_len;
	if (c->expect)
		c->expect(m);
	return in_time;
}

/* Says what differs, having brought the reference to the same place. */
static void tell(const struct lock_case *c, const struct lock_side *m, uint64_t when, uint64_t piece, const struct step *got)
{
	struct lock_side *ref = &sides[0];
	const struct step *want = &trace[done(m)];
	bool had = false;
	char where[300];

	(void)snprintf(where, sizeof(where), "%s (%u), %s in pieces of %llu, event before %llu, after %llu instructions (RIP %#llx)", c->name,
		       c->param, m->name, (unsigned long long)piece, (unsigned long long)when, (unsigned long long)done(m),
		       (unsigned long long)want->st.rip);
	for (unsigned k = 0; k < CPU_GPR_COUNT; k++)
		ck_assert_msg(got->st.gpr[k] == want->st.gpr[k], "%s: register %u is %#llx, not %#llx", where, k,
			      (unsigned long long)got->st.gpr[k], (unsigned long long)want->st.gpr[k]);
	ck_assert_msg(got->st.rip == want->st.rip, "%s: RIP is %#llx", where, (unsigned long long)got->st.rip);
	ck_assert_msg(got->st.rflags == want->st.rflags, "%s: RFLAGS is %#llx, not %#llx", where,
		      (unsigned long long)got->st.rflags, (unsigned long long)want->st.rflags);
	ck_assert_msg(got->st.cr2 == want->st.cr2, "%s: CR2 is %#llx, not %#llx", where, (unsigned long long)got->st.cr2,
		      (unsigned long long)want->st.cr2);
	ck_assert_msg(!memcmp(&got->st.fx, &want->st.fx, sizeof(got->st.fx)), "%s: the x87 and SSE state differs", where);
	ck_assert_msg(got->hash == want->hash, "%s: the state differs", where);
	begin(ref, c);
	while (done(ref) < done(m)) {
		(void)fire(ref, when, false, &had);
		if (flat_run(ref->f, 1) == CPU_STOP_HALT)
			(void)fire(ref, when, true, &had);
	}
	for (unsigned k = 0; k < N_REGIONS; k++)
		for (uint64_t at = regions[k].from; at < regions[k].from + regions[k].n; at++)
			ck_assert_msg(m->f->mem.host[at] == ref->f->mem.host[at], "%s: the byte at %#llx is %#x, not %#x", where,
				      (unsigned long long)at, m->f->mem.host[at], ref->f->mem.host[at]);
	ck_abort_msg("%s: the memory's sum differs", where);
}

static void run_pieces(struct lock_side *m, const struct lock_case *c, uint64_t when, uint64_t piece)
{
	bool had = false;

	begin(m, c);
	for (;;) {
		uint64_t n = piece, before = done(m);
		enum cpu_stop stop;
		struct step got;

		(void)fire(m, when, false, &had);
		if (c->event && !had && when - done(m) < n)
			n = when - done(m);
		stop = flat_run(m->f, n);
		ck_assert_msg(done(m) <= trace_len, "%s (%u), %s in pieces of %llu: ran past the end", c->name, c->param,
			      m->name, (unsigned long long)piece);
		take(m, &got);
		n_compared++;
		if (done(m) != before && (got.hash != trace[done(m)].hash || got.memory != trace[done(m)].memory))
			tell(c, m, when, piece, &got);
		if (stop == CPU_STOP_BUDGET || stop == CPU_STOP_PAUSE || fire(m, when, true, &had))
			continue;
		ck_assert_msg(stop == trace_stop && done(m) == trace_len, "%s (%u), %s in pieces of %llu: stop %d after %llu, not %d after %llu",
			      c->name, c->param, m->name, (unsigned long long)piece, stop, (unsigned long long)done(m), trace_stop,
			      (unsigned long long)trace_len);
		break;
	}
	if (c->expect)
		c->expect(m);
}

void lock_run_as(const struct lock_case *c, const char *how)
{
	if (!asked_for || strcmp(asked_for, how) != 0)
		lock_done();
	asked_for = how;
	lock_run(c);
}

void lock_run(const struct lock_case *c)
{
	static const uint64_t pieces[] = { 1, 2, 3, 5, 100000 };
	uint64_t when = 0;
	bool in_time;

	open_sides();
	do {
		in_time = run_reference(c, when);
		for (unsigned side = 1; side < 3; side++)
			for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++)
				run_pieces(&sides[side], c, when, pieces[k]);
		when++;
	} while (in_time);
	if (c->event)
		ck_assert_uint_gt(when, 3);
}

uint64_t lock_n_steps(void)
{
	return n_steps;
}

uint64_t lock_n_compared(void)
{
	return n_compared;
}

/* ---- for the cases ------------------------------------------------------------- */

struct lock_seen *lock_seen(struct lock_side *m)
{
	return (struct lock_seen *)(void *)(m->f->mem.host + LOCK_SEEN);
}

uint64_t lock_peek(struct lock_side *m, uint64_t gpa)
{
	uint64_t v;

	memcpy(&v, m->f->mem.host + gpa, 8);
	return v;
}

void lock_poke(struct lock_side *m, uint64_t gpa, uint64_t v)
{
	put64(m->f, gpa, v);
}

void lock_map(struct lock_side *m, unsigned n, uint64_t pte)
{
	put64(m->f, LOCK_PT + 8 * (uint64_t)n, pte);
}

uint64_t *lock_reg(struct lock_side *m, unsigned reg)
{
	return &flat_soft(m->f)->r[reg];
}

uint64_t lock_at(const struct lock_side *m, const uint8_t *at)
{
	return FLAT_CODE + (uint64_t)(at - m->c->code);
}

void lock_irq(struct lock_side *m)
{
	m->f->vector = LOCK_IRQ;
	m->f->cpu->ops->set_intr(m->f->cpu, true);
}

void lock_gate(struct lock_side *m, unsigned vector, const uint8_t *at)
{
	flat_gate(m->f, vector, lock_at(m, at));
}
