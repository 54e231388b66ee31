/* tests/cpu/check_shadow.c: interrupts at every instant: within repeated string instructions, in
 * the shadows of STI and MOV SS, behind POPF and IRET, and single steps.
 *
 * Each case runs as tests/cpu/lockstep.h says, with the interrupt before every single instruction
 * of it in turn; so an interrupt lands in each iteration that it may land in, and the
 * translator must take it at the same one as the stepped interpreter.
 *
 * Sources: SDM vol. 1 §7.3.9.3 (repeats), vol. 2 STI, POPF, IRET, MOV; vol. 3 §6.8.1, §6.8.3, §17.3.1.4. */
#include "tests/cpu/lockstep.h"
#include "tests/unit.h"
#include "vmm/cpu/soft/sysreg.h"

#include <string.h>

/* ---- repeats ------------------------------------------------------------------------------ */

/* Both cross into a next page, not at the same element. What is done an element at a time is given fewer: the
 * interrupt comes before each. */
enum { SOURCE = LOCK_PAGES + 0xFF0, DEST = LOCK_PAGES + 0x2FE8, N_MAX = 608 /* bytes: more than two runs of a scan */, N_FEW = 32 };

#define REP(name, text) GUEST(rep_##name, "sti; mov rbx, rsi; mov r14, rdi; mov r15, rcx; 1: " text "; nop; hlt")
REP(movsb, "rep movsb");
REP(movsw, "rep movsw");
REP(movsd, "rep movsd");
REP(movsq, "rep movsq");
REP(stosb, "rep stosb");
REP(stosw, "rep stosw");
REP(stosd, "rep stosd");
REP(stosq, "rep stosq");
REP(lodsb, "rep lodsb");
REP(lodsq, "rep lodsq");
REP(cmpsb, "repe cmpsb");
REP(cmpsq, "repe cmpsq");
REP(ne_cmpsw, "repne cmpsw");
REP(scasb, "repne scasb");
REP(scasd, "repne scasd");
REP(e_scasw, "repe scasw");
REP(insd, "mov edx, 0x1234; rep insd");
REP(outsw, "mov edx, 0x1234; rep outsw");
REP(addr32, "addr32 rep movsb");

enum what { MOVES, FILLS, LOADS, COMPARES, COMPARES_NE, SCANS, SCANS_E, TAKES, GIVES };
static const struct repeat { const char *name; const uint8_t *code, *end; enum what what; unsigned size; } repeats[] = {
#define R(n, what, size) { #n, rep_##n, rep_##n##_end, what, size }
	R(movsb, MOVES, 1), R(movsw, MOVES, 2), R(movsd, MOVES, 4), R(movsq, MOVES, 8), R(stosb, FILLS, 1), R(stosw, FILLS, 2), R(stosd, FILLS, 4),
	R(stosq, FILLS, 8), R(lodsb, LOADS, 1), R(lodsq, LOADS, 8), R(cmpsb, COMPARES, 1), R(cmpsq, COMPARES, 8), R(ne_cmpsw, COMPARES_NE, 2),
	R(scasb, SCANS, 1), R(scasd, SCANS, 4), R(e_scasw, SCANS_E, 2), R(insd, TAKES, 4), R(outsw, GIVES, 2), R(addr32, MOVES, 1),
};
enum { N_REPEATS = sizeof(repeats) / sizeof(repeats[0]) };

static const struct repeat *rep_now;
static uint64_t n_events, raised_at; /* interrupts raised so far; at which instruction in this run */
static unsigned rep_shift; /* bytes by which the start is off: then elements cross pages */
static bool rep_down; /* DF */
static unsigned rep_missing; /* which page, from LOCK_PAGES; 99 none */

static void raise_noting(struct lock_side *m)
{
	raised_at = m->f->cpu->ops->icount(m->f->cpu) - m->icount0;
	n_events++;
	lock_irq(m);
}

static bool has_source(void)
{
	return rep_now->what != FILLS && rep_now->what != SCANS && rep_now->what != SCANS_E && rep_now->what != TAKES;
}

static uint64_t rep_n(void)
{
	bool is_single = rep_now->what == LOADS || rep_now->what == TAKES || rep_now->what == GIVES;

	return (is_single ? N_FEW : N_MAX) / rep_now->size;
}

static void prepare_rep(struct lock_side *m)
{
	uint64_t n = rep_n(), back = rep_down ? (n - 1) * rep_now->size : 0;
	uint8_t bytes[N_MAX + 16];

	for (unsigned k = 0; k < sizeof(bytes); k++)
		bytes[k] = (uint8_t)(rep_now->what == SCANS_E ? 0x5A : 1 + k % 89);
	flat_load(m->f, LOCK_FRAMES + (SOURCE - LOCK_PAGES) + rep_shift, bytes, sizeof(bytes) - 8);
	if (rep_now->what == COMPARES || rep_now->what == SCANS_E || rep_now->what == SCANS)
		flat_load(m->f, LOCK_FRAMES + (DEST - LOCK_PAGES) + rep_shift, bytes, sizeof(bytes) - 8);
	*lock_reg(m, CPU_RSI) = (uint64_t)SOURCE + rep_shift + back;
	*lock_reg(m, CPU_RDI) = (uint64_t)DEST + rep_shift + back;
	*lock_reg(m, CPU_RCX) = n;
	*lock_reg(m, CPU_RAX) = rep_now->what == SCANS ? UINT64_C(0xFEFEFEFEFEFEFEFE) : 0x5A5A5A5A5A5A5A5A;
	if (rep_down)
		flat_soft(m->f)->rflags |= FLAG_DF;
	if (rep_missing < 99)
		lock_map(m, rep_missing, LOCK_FRAMES + rep_missing * 0x1000u);
}

/* The place to which @n elements lead. */
static uint64_t moved(uint64_t from, uint64_t n)
{
	return rep_down ? from - n * rep_now->size : from + n * rep_now->size;
}

static void expect_rep(struct lock_side *m)
{
	const struct lock_seen *seen = lock_seen(m);
	uint64_t n = rep_n(), taken = n - *lock_reg(m, CPU_RCX), rsi = *lock_reg(m, CPU_RBX), rdi = *lock_reg(m, 14);
	const uint8_t *to = m->f->mem.host + LOCK_FRAMES + (DEST - LOCK_PAGES) + rep_shift;
	const uint8_t *from = m->f->mem.host + LOCK_FRAMES + (SOURCE - LOCK_PAGES) + rep_shift;
	bool has_dest = rep_now->what != LOADS && rep_now->what != GIVES;

	/* REPNE CMPS of unlike words, REPE of like ones, REPNE SCAS for what is not there: all of them run to the end. */
	ck_assert_uint_eq(taken, n);
	ck_assert_uint_eq(*lock_reg(m, CPU_RSI), has_source() ? moved(rsi, n) : rsi);
	ck_assert_uint_eq(*lock_reg(m, CPU_RDI), has_dest ? moved(rdi, n) : rdi);
	if (rep_now->what == MOVES)
		ck_assert_mem_eq(to, from, N_MAX);
	for (unsigned k = 0; rep_now->what == FILLS && k < N_MAX; k++)
		ck_assert_uint_eq(to[k], 0x5A);
	/* Between two runs the flags are those of the last comparison: all are equal. Four instructions go before. (A
	 * fault within a run leaves those from before it: SDM vol. 2, REP.) */
	if (rep_missing == 99 && (rep_now->what == COMPARES || rep_now->what == SCANS_E) && seen->n_irqs && raised_at > 4 &&
	    m->f->mem.host[seen->irq_rip] != 0x90 /* the NOP behind */ && m->f->mem.host[seen->irq_rip] != 0xF4)
		ck_assert_uint_eq(seen->irq_rflags & FLAG_ZF, FLAG_ZF);
	if (rep_missing == 99)
		return;
	/* One fault, at the instruction, the registers those of the element that faulted. */
	ck_assert_uint_eq(seen->n_faults, 1);
	ck_assert_uint_eq(seen->fault_cr2 >> 12, (LOCK_PAGES >> 12) + rep_missing);
	ck_assert(seen->fault_rip < FLAT_CODE + 0x40 && seen->fault_rip > FLAT_CODE + 8);
	if (has_source())
		ck_assert_uint_eq(seen->fault_rsi, moved(rsi, n - seen->fault_rcx));
	if (has_dest)
		ck_assert_uint_eq(seen->fault_rdi, moved(rdi, n - seen->fault_rcx));
	ck_assert(seen->fault_rcx > 0 && seen->fault_rcx < n);
	ck_assert_uint_eq(seen->fault_rflags & FLAG_RF, 0x10000); /* SDM vol. 3 §17.3.1.1 */
}

/* The interrupt before every instruction where nothing is missing, and for the quadwords in the fault's way too. */
static void run_repeat(const struct repeat *r)
{
	struct lock_case c = { .name = r->name, .code = r->code, .end = r->end, .prepare = prepare_rep, .expect = expect_rep };
	unsigned at_source = rep_down ? 0 : 1, at_dest = rep_down ? 2 : 3;

	rep_now = r;
	for (rep_shift = 0; rep_shift < (r->size > 1 ? 4u : 1u); rep_shift += 3) {
		c.event = raise_noting;
		rep_missing = 99;
		lock_run(&c);
		c.event = r->size == 8 && !rep_shift ? raise_noting : NULL;
		if (has_source()) {
			rep_missing = at_source;
			lock_run(&c);
		}
		if (r->what != LOADS && r->what != GIVES) {
			rep_missing = at_dest;
			lock_run(&c);
		}
	}
}

START_TEST(repeated_upwards)
{
	rep_down = false;
	run_repeat(&repeats[_i]);
}
END_TEST

START_TEST(repeated_downwards)
{
	rep_down = true;
	run_repeat(&repeats[_i]);
}
END_TEST

/* ---- shadows ------------------------------------------------------------------------------ */

/* Labels f1 to f3 of a case: no interrupt is taken there (its RIP is never that). soon: one that was pending from
 * the start is taken there, and nowhere else. */
#define SHADOW(name, text)                                                                                               \
	GUEST(sh_##name, text);                                                                                          \
	asm(".weak sh_" #name "_f1, sh_" #name "_f2, sh_" #name "_soon");                                                \
	extern const uint8_t sh_##name##_f1[] __attribute__((weak)), sh_##name##_f2[] __attribute__((weak)),             \
		sh_##name##_soon[] __attribute__((weak))

SHADOW(sti, "nop; sti; sh_sti_f1: nop; sh_sti_soon: nop; nop; nop; cli; hlt");
SHADOW(sti_hlt, "nop; sti; sh_sti_hlt_f1: hlt; sh_sti_hlt_soon: nop; nop; cli; hlt");
SHADOW(sti_ret, "call 1f; sh_sti_ret_soon: nop; nop; cli; hlt; 1: sti; sh_sti_ret_f1: ret");
/* The instruction in the shadow leads to a block that is known already, here and in another page. */
SHADOW(sti_ret_known, "nop; mov ebp, 4; 1: call 2f; sh_sti_ret_known_soon: nop; nop; cli; dec ebp; jnz 1b; hlt; 2: sti; sh_sti_ret_known_f1: ret");
SHADOW(sti_ret_far, "nop; mov ebp, 4; 1: call 2f; sh_sti_ret_far_soon: nop; nop; cli; dec ebp; jnz 1b; hlt; .fill 0x1000 - (. - sh_sti_ret_far), 1, 0x90; 2: sti; sh_sti_ret_far_f1: ret");
SHADOW(sti_jmp_far, "nop; mov ebp, 4; 1: sti; sh_sti_jmp_far_f1: jmp 2f; 3: dec ebp; jnz 1b; hlt; .fill 0x1000 - (. - sh_sti_jmp_far), 1, 0x90; 2: sh_sti_jmp_far_soon: nop; nop; cli; jmp 3b");
SHADOW(mov_ss_far, "mov eax, 0x10; mov ebp, 4; 1: push 0x202; mov ss, eax; sh_mov_ss_far_f1: popfq; sh_mov_ss_far_soon: jmp 2f; 3: dec ebp; jnz 1b; hlt; .fill 0x1000 - (. - sh_mov_ss_far), 1, 0x90; 2: nop; cli; jmp 3b");
SHADOW(sti_sti, "nop; sti; sh_sti_sti_f1: sti; sh_sti_sti_soon: nop; nop; cli; hlt");
SHADOW(sti_cli, "nop; sti; sh_sti_cli_f1: cli; sh_sti_cli_f2: nop; nop; sti; nop; sh_sti_cli_soon: nop; nop; cli; hlt");
SHADOW(sti_jmp, "nop; sti; sh_sti_jmp_f1: jmp 1f; nop; 1: sh_sti_jmp_soon: nop; nop; cli; hlt");
SHADOW(sti_store, "nop; sti; sh_sti_store_f1: mov [DATA], rsp; sh_sti_store_soon: mov rax, [DATA]; nop; cli; hlt");
SHADOW(sti_fault, "nop; mov qword ptr [PT], FRAMES; invlpg [PAGES]; sti; mov rax, [PAGES]; nop; nop; cli; hlt");
SHADOW(mov_ss, "mov eax, 0x10; sti; nop; sh_mov_ss_soon: nop; mov ss, eax; sh_mov_ss_f1: mov rsp, STACK - 0x100; nop; nop; cli; hlt");
SHADOW(mov_ss_pending, "mov eax, 0x10; mov ecx, 3; 1: push 0x202; mov ss, eax; sh_mov_ss_pending_f1: popfq; sh_mov_ss_pending_soon: nop; dec ecx; jnz 1b; cli; hlt");
SHADOW(mov_ss_twice, "mov eax, 0x10; sti; nop; nop; mov ss, eax; sh_mov_ss_twice_f1: mov ss, eax; nop; nop; nop; cli; hlt");
SHADOW(mov_ss_sti, "mov eax, 0x10; mov ss, eax; sti; sh_mov_ss_sti_f1: nop; sh_mov_ss_sti_soon: nop; nop; cli; hlt");
SHADOW(sti_mov_ss, "mov eax, 0x10; sti; sh_sti_mov_ss_f1: mov ss, eax; sh_sti_mov_ss_f2: nop; sh_sti_mov_ss_soon: nop; nop; cli; hlt");
SHADOW(popf, "push 0x202; nop; popfq; sh_popf_soon: nop; nop; cli; hlt");
SHADOW(popf_off, "push 2; push 0x202; popfq; sh_popf_off_soon: popfq; sh_popf_off_f1: nop; nop; nop; hlt");
SHADOW(iret, "push 0x10; push STACK; push 0x202; push 8; lea rax, [rip + 1f]; push rax; iretq; nop; 1: sh_iret_soon: nop; nop; cli; hlt");
SHADOW(iret_off, "sti; nop; sh_iret_off_soon: push 0x10; push STACK; push 2; push 8; lea rax, [rip + 1f]; push rax; iretq; nop; 1: sh_iret_off_f1: nop; sh_iret_off_f2: nop; hlt");

struct shadow { struct lock_case c; const uint8_t *f1, *f2, *soon; bool always; /* it comes whenever it is raised */ };
#define SH(n, is_always, ...) { { .name = #n, .code = sh_##n, .end = sh_##n##_end, __VA_ARGS__ }, sh_##n##_f1, sh_##n##_f2, sh_##n##_soon, is_always }
static const struct shadow shadows[] = {
	SH(sti, false), SH(sti_hlt, true, .waits = true), SH(sti_ret, false), SH(sti_ret_known, false), SH(sti_ret_far, false), SH(sti_jmp_far, false), SH(mov_ss_far, false), SH(sti_sti, false), SH(sti_cli, false), SH(sti_jmp, false),
	SH(sti_store, false), SH(sti_fault, false), SH(mov_ss, false), SH(mov_ss_pending, false), SH(mov_ss_twice, false), SH(mov_ss_sti, false),
	SH(sti_mov_ss, false), SH(popf, false), SH(popf_off, false), SH(iret, false), SH(iret_off, false),
};
enum { N_SHADOWS = sizeof(shadows) / sizeof(shadows[0]) };
static const struct shadow *shadow_now;
static void expect_shadow(struct lock_side *m)
{
	const struct lock_seen *seen = lock_seen(m);
	const struct shadow *sh = shadow_now;
	uint64_t rip = seen->irq_rip;

	ck_assert_uint_le(seen->n_irqs, 1);
	if (sh->always)
		ck_assert_uint_eq(seen->n_irqs, 1);
	if (!seen->n_irqs)
		return;
	ck_assert_uint_eq(seen->irq_rflags & FLAG_IF, FLAG_IF);
	ck_assert_msg(!sh->f1 || rip != lock_at(m, sh->f1), "%s, %s: taken in the shadow", m->c->name, m->name);
	ck_assert_msg(!sh->f2 || rip != lock_at(m, sh->f2), "%s, %s: taken in the second shadow", m->c->name, m->name);
	if (sh->soon && raised_at == 0)
		ck_assert_msg(rip == lock_at(m, sh->soon), "%s, %s: taken at %#llx, not at %#llx", m->c->name, m->name,
			      (unsigned long long)rip, (unsigned long long)lock_at(m, sh->soon));
}

START_TEST(interrupt_in_a_shadow)
{
	struct lock_case c = shadows[_i].c;

	shadow_now = &shadows[_i];
	c.event = raise_noting;
	c.expect = expect_shadow;
	lock_run(&c);
	ck_assert_uint_gt(n_events, 10);
}
END_TEST

/* In real mode: POP SS, LSS. The handler's count is DI, the last return address SI. */
GUEST(real_pop_ss, ".code16; jmp 1f; real_irq: push bp; mov bp, sp; mov si, [bp + 2]; pop bp; inc di; iret\n"
		   "1: sti; nop; nop; push ss; pop ss; real_f1: nop; nop; push ss; pop ss; real_f2: sti; nop; cli; hlt; .code64");
GUEST_LABEL(real_irq);
GUEST_LABEL(real_f1);
GUEST_LABEL(real_f2);
static void prepare_real(struct lock_side *m)
{
	uint32_t entry = (uint32_t)(real_irq - real_pop_ss) | (uint32_t)FLAT_CODE >> 4 << 16;

	flat_load(m->f, 4 * LOCK_IRQ, &entry, 4);
}
static void expect_real(struct lock_side *m)
{
	uint64_t ip = *lock_reg(m, CPU_RSI);

	ck_assert_uint_le(*lock_reg(m, CPU_RDI), 1);
	ck_assert(ip != (uint64_t)(real_f1 - real_pop_ss) && ip != (uint64_t)(real_f2 - real_pop_ss));
}
START_TEST(interrupt_behind_pop_ss)
{
	const struct lock_case c = { .name = "real_pop_ss", .code = real_pop_ss, .end = real_pop_ss_end, .prepare = prepare_real,
				     .event = lock_irq, .expect = expect_real, .is_real = true };

	lock_run(&c);
}
END_TEST

/* A second NMI in the first one's handler waits for its IRET and comes right behind it (SDM vol. 3 §6.7.1). */
GUEST(nmi, "mov ebx, MMIO; nop; nop; nop; hlt; nmi_handler: inc r12; mov r13, [rsp]; cmp r12, 1; jne 2f; mov r14, r13; mov [rbx], eax; nop; nop; 2: iretq");
GUEST_LABEL(nmi_handler);
static void send_nmi(struct flat *f)
{
	f->cpu->ops->nmi(f->cpu);
}
static void prepare_nmi(struct lock_side *m)
{
	m->f->on_mmio = send_nmi;
	lock_gate(m, EXC_NMI, nmi_handler);
	*lock_reg(m, CPU_RBX) = 0x20000000;
}
static void event_nmi(struct lock_side *m)
{
	m->f->cpu->ops->nmi(m->f->cpu);
}
static void expect_nmi(struct lock_side *m)
{
	if (!*lock_reg(m, 12))
		return;
	ck_assert_uint_eq(*lock_reg(m, 12), 2);
	ck_assert_uint_eq(*lock_reg(m, 13), *lock_reg(m, 14));
}
START_TEST(second_nmi)
{
	const struct lock_case c = { .name = "nmi", .code = nmi, .end = nmi_end, .prepare = prepare_nmi, .event = event_nmi, .expect = expect_nmi };

	lock_run(&c);
}
END_TEST

/* ---- single steps --------------------------------------------------------------------------- */

/* The list: where the traps return to, in order. It is the same whether an interrupt comes between (vol. 3 table 6-2:
 * the trap of the instruction before goes first) or not. */
#define TRAPS(name, text, list)                                                                                          \
	GUEST(tf_##name, text "; .balign 8; tf_" #name "_list: .quad " list);                                            \
	GUEST_LABEL(tf_##name##_list)
TRAPS(popf, "push 0x102; popfq; nop; 0: nop; 1: push 2; 2: popfq; 3: nop; hlt", "0b - tf_popf, 1b - tf_popf, 2b - tf_popf, 3b - tf_popf");
TRAPS(popf_if, "push 0x302; popfq; nop; 0: nop; 1: push 2; 2: popfq; 3: nop; hlt", "0b - tf_popf_if, 1b - tf_popf_if, 2b - tf_popf_if, 3b - tf_popf_if");
TRAPS(iret, "push 0x10; push STACK; push 0x302; push 8; lea rax, [rip + 9f]; push rax; iretq; 9: nop; 0: nop; 1: push 2; 2: popfq; 3: nop; hlt",
      "0b - tf_iret, 1b - tf_iret, 2b - tf_iret, 3b - tf_iret");
TRAPS(rep, "mov edi, DATA; mov ecx, 3; push 0x302; popfq; 0: rep stosb; 1: push 2; 2: popfq; 3: nop; hlt",
      "0b - tf_rep, 0b - tf_rep, 1b - tf_rep, 2b - tf_rep, 3b - tf_rep");
TRAPS(mov_ss, "mov eax, 0x10; push 0x302; popfq; mov ss, eax; nop; 0: push 2; 1: popfq; 2: nop; hlt", "0b - tf_mov_ss, 1b - tf_mov_ss, 2b - tf_mov_ss");
/* STI's shadow is for interrupts alone (SDM vol. 3 §6.8.3 names MOV SS and POP SS). */
TRAPS(sti, "push 0x102; popfq; sti; 0: nop; 1: push 2; 2: popfq; 3: nop; hlt", "0b - tf_sti, 1b - tf_sti, 2b - tf_sti, 3b - tf_sti");
TRAPS(branch, "push 0x302; popfq; jmp 9f; nop; 9: call 8f; 7: push 2; 2: popfq; 3: nop; hlt; 8: ret", "9b - tf_branch, 8b - tf_branch, 7b - tf_branch, 2b - tf_branch, 3b - tf_branch");
TRAPS(store, "push 0x102; popfq; mov [DATA], eax; 0: mov byte ptr [rip + 1f], 0x90; 1: hlt; 2: push 2; 3: popfq; 4: nop; hlt",
      "0b - tf_store, 1b - tf_store, 2b - tf_store, 3b - tf_store, 4b - tf_store");
/* INT clears TF and has no trap of its own; what its IRET comes back to has. */
TRAPS(int, "push 0x102; popfq; int 0x41; nop; 0: push 2; 1: popfq; 2: nop; hlt; tf_int_handler: nop; nop; iretq", "0b - tf_int, 1b - tf_int, 2b - tf_int");
GUEST_LABEL(tf_int_handler);
/* A fault is delivered without the trap; the instruction is then done, and trapped. */
TRAPS(fault, "push 0x102; popfq; mov rax, [PAGES + 0x4000]; 0: push 2; 1: popfq; 2: nop; hlt", "0b - tf_fault, 1b - tf_fault, 2b - tf_fault");

/* From page to page, to blocks that are known: TF clear the first time round, set the second. */
TRAPS(far, "mov ebp, 2; mov ebx, 2; 5: push rbx; popfq; 0: jmp 6f; 1: call 7f; 2: push 2; 3: popfq; 4: nop; dec ebp; mov ebx, 0x102; jnz 5b; hlt\n"
	   ".fill 0x1000 - (. - tf_far), 1, 0x90; 6: lea rax, [rip + 1b]; 8: jmp rax; 7: lea rcx, [rip + 10f]; 9: jmp rcx; nop; 10: ret",
      "6b - tf_far, 8b - tf_far, 1b - tf_far, 7b - tf_far, 9b - tf_far, 10b - tf_far, 2b - tf_far, 3b - tf_far, 4b - tf_far");
/* TF is set by the last instruction of a page, behind a jump and a store that misses. */
TRAPS(page_end, "mov ebp, 2; 5: push 0x302; lea rcx, [rip + 6f]; mov rax, cr3; mov cr3, rax; jmp rcx; .fill 0xFF0 - (. - tf_page_end), 1, 0x90\n"
		"6: mov rdx, r8; push rcx; pop rcx; mov [PAGES], eax; .fill 0xFFF - (. - tf_page_end), 1, 0x90; popfq; jmp 7f; nop; 7: nop; 8: push 2; 9: popfq; 10: nop; dec ebp; jnz 5b; hlt",
      "7b - tf_page_end, 8b - tf_page_end, 9b - tf_page_end, 10b - tf_page_end, 7b - tf_page_end, 8b - tf_page_end, 9b - tf_page_end, 10b - tf_page_end");

static void prepare_traps(struct lock_side *m)
{
	if (m->c->code == tf_int)
		lock_gate(m, 0x41, tf_int_handler);
	lock_map(m, 4, LOCK_FRAMES + 0x4000);
}

static const struct traps { const char *name; const uint8_t *code, *end, *list; } traps[] = {
#define TF(n) { "tf_" #n, tf_##n, tf_##n##_end, tf_##n##_list }
	TF(popf), TF(popf_if), TF(iret), TF(rep), TF(mov_ss), TF(sti), TF(branch), TF(store), TF(int), TF(fault), TF(far), TF(page_end),
};
enum { N_TRAPS = sizeof(traps) / sizeof(traps[0]) };
static const struct traps *traps_now;

static void expect_traps(struct lock_side *m)
{
	const struct lock_seen *seen = lock_seen(m);
	uint64_t n = (uint64_t)(traps_now->end - traps_now->list) / 8;

	for (uint64_t k = 0; k < n && k < seen->n_traps; k++) {
		uint64_t at;

		memcpy(&at, traps_now->list + 8 * k, 8);
		ck_assert_msg(seen->trap_rip[k] == FLAT_CODE + at, "%s, %s: trap %llu at %#llx, not at %#llx", m->c->name, m->name,
			      (unsigned long long)k, (unsigned long long)seen->trap_rip[k], (unsigned long long)(FLAT_CODE + at));
	}
	ck_assert_msg(seen->n_traps == n, "%s, %s: %llu traps", m->c->name, m->name, (unsigned long long)seen->n_traps);
	ck_assert_uint_eq(flat_soft(m->f)->dr6 & 0x4000, 0x4000);
}

START_TEST(single_steps)
{
	const struct traps *t = &traps[_i];
	const struct lock_case c = { .name = t->name, .code = t->code, .end = t->end, .prepare = prepare_traps, .event = lock_irq, .expect = expect_traps };

	traps_now = t;
	lock_run(&c);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/shadow");
	TCase *t = tcase_create("shadow");

	tcase_add_unchecked_fixture(t, NULL, lock_done);
	tcase_add_loop_test(t, repeated_upwards, 0, N_REPEATS);
	tcase_add_loop_test(t, repeated_downwards, 0, N_REPEATS);
	tcase_add_loop_test(t, interrupt_in_a_shadow, 0, N_SHADOWS);
	tcase_add_test(t, interrupt_behind_pop_ss);
	tcase_add_test(t, second_nmi);
	tcase_add_loop_test(t, single_steps, 0, N_TRAPS);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
