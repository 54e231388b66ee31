/* tests/oracle/oracle_program_run.c: one program on the interpreter and on the translator.
 *
 * Two flat machines with page tables of their own, one of which translates every block at its first entry.
 * Both run a piece of the same length (drawn from the program's seed), then everything is compared: the whole
 * architectural state, the count of instructions, every page that the program, the handlers and the
 * processor itself write, accessed and dirty bits with them. Between pieces an interrupt is raised, a device writes
 * into the program or its data, in both alike. The machines serve program after program, so blocks,
 * links and TLB entries of the one lie about in the next.
 *
 * The handlers: #DB clears TF and goes on; the interrupt exchanges a page of code or data for its twin, or
 * writes CR3; anything else goes on at the next of the entries, with a fresh stack.
 *
 * Used by: oracle_program.c. */
#include "tests/oracle/oracle.h"
#include "tests/oracle/program.h"
#include "tests/cpu/lockstep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PML4_AT = 0x1000, PDPT_AT = 0x2000, PD_AT = 0x3000, PT_CODE = 0x4000, PT_WINDOW = 0x5000, GDT_AT = 0x9000, TSS_AT = 0xA000,
       IDT_AT = 0x8000, HANDLER_AT = 0x18000, STUBS_AT = 0x1A000, IST1_AT = 0x90000, COUNTS_AT = 0x100000, ENTRIES_AT = 0x101000,
       TURN_AT = 0x100800, CS_AT = 0x100808, SS_AT = 0x100810, MXCSR_AT = 0x100818 };
enum { SEL_CODE0 = 0x08, SEL_DATA0 = 0x10, SEL_DATA3 = 0x23, SEL_CODE3 = 0x2B, SEL_TSS = 0x30, IRQ = 0x40, BUDGET = 1600 };

/* Frames, none beside another: the twins of the second pages are the handlers' 0x225000 and 0x215000. */
static const uint64_t code_frames[] = { 0x210000, 0x214000, 0x218000 }, code_twin = 0x215000;
static const uint64_t window_frames[] = { 0x220000, 0x224000, 0, 0x230000, 0x234000 }, window_twin = 0x225000;
/* Pages that are compared. */
static const uint64_t compared[] = { 0x210000, 0x214000, 0x215000, 0x218000, 0x220000, 0x224000, 0x225000, 0x230000, 0x234000,
				     PML4_AT, PDPT_AT, PD_AT, PT_CODE, PT_WINDOW, GDT_AT, TSS_AT, IST1_AT - 0x1000, COUNTS_AT, ENTRIES_AT };

/* On the stack: RCX RBX RAX, vector, error, RIP, CS, RFLAGS, RSP, SS. */
GUEST(program_handler,
      "push rax; push rbx; push rcx; mov rax, [rsp + 24]; inc qword ptr [0x100000 + rax * 8]; cmp eax, 1; je 1f; cmp eax, 0x40; je 2f\n"
      "mov rax, [0x100800]; inc qword ptr [0x100800]; and eax, 15; mov rax, [0x101000 + rax * 8]; mov [rsp + 40], rax\n"
      "mov rax, [0x100808]; mov [rsp + 48], rax; mov rax, [0x100810]; mov [rsp + 72], rax; mov eax, 0x20004800; mov [rsp + 64], rax\n"
      "and dword ptr [rsp + 56], 0xFFFBBEFF; or dword ptr [rsp + 56], 0x200; cmp dword ptr [rsp + 24], 16; jb 3f; fnclex; ldmxcsr [0x100818]; jmp 3f\n"
      "1: and dword ptr [rsp + 56], 0xFFFFFEFF; jmp 3f\n"
      "2: mov rax, [0x100200]; test al, 1; jz 4f; xor dword ptr [0x5008], 0x1000; invlpg [0x20001000]\n"
      "4: test al, 2; jz 5f; xor dword ptr [0x4008], 0x1000; invlpg [0x10001000]; 5: test al, 4; jz 3f; mov rbx, cr3; mov cr3, rbx\n"
      "3: pop rcx; pop rbx; pop rax; add rsp, 16; iretq");

struct program_pair {
	struct flat *f[2];
	struct program_counts counts;
	uint64_t seen_faults, seen_irqs;
};

struct program_pair *program_pair_new(void)
{
	struct program_pair *p = calloc(1, sizeof(*p));
	const char *how = getenv("MUSTER_SOFT");
	bool traces = how && strcmp(how, "traces") == 0; /* else every block by itself */

	if (!p)
		abort();
	p->f[0] = flat_new_as("interp");
	p->f[1] = flat_new_as(traces ? "traces" : "eager");
	return p;
}

void program_pair_free(struct program_pair *p)
{
	flat_free(p->f[0]);
	flat_free(p->f[1]);
	free(p);
}

const struct program_counts *program_counts(const struct program_pair *pair)
{
	return &pair->counts;
}

uint64_t program_rip(const struct program_pair *pair)
{
	return flat_soft(pair->f[0])->rip;
}

/* ---- setting up -------------------------------------------------------------------- */

static void put64(struct flat *f, uint64_t gpa, uint64_t v)
{
	flat_load(f, gpa, &v, 8);
}

static void put_tables(struct flat *f)
{
	put64(f, PML4_AT, PDPT_AT | 7);
	put64(f, PDPT_AT, PD_AT | 7);
	put64(f, PD_AT, 0x83); /* the first 2 MiB: the supervisor's */
	put64(f, PD_AT + 8 * (PROGRAM_CODE >> 21), PT_CODE | 7);
	put64(f, PD_AT + 8 * (PROGRAM_WINDOW >> 21), PT_WINDOW | 7);
	for (unsigned k = 0; k < 3; k++)
		put64(f, PT_CODE + 8 * k, code_frames[k] | 7);
	for (unsigned k = 0; k < 5; k++)
		if (window_frames[k])
			put64(f, PT_WINDOW + 8 * k, window_frames[k] | 7 | UINT64_C(1) << 63);
}

static void put_vectors(struct flat *f)
{
	static const uint32_t with_error = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17;

	flat_load(f, HANDLER_AT, program_handler, (size_t)(program_handler_end - program_handler));
	for (unsigned v = 0; v < 256; v++) {
		uint8_t stub[16];
		unsigned n = 0;
		int32_t rel;

		if (v >= 32 || !(with_error >> v & 1)) {
			stub[n++] = 0x6A; /* push 0 */
			stub[n++] = 0;
		}
		stub[n++] = 0x68; /* push v */
		memcpy(stub + n, &v, 4);
		n += 4;
		stub[n++] = 0xE9; /* jmp handler */
		rel = HANDLER_AT - (int32_t)(STUBS_AT + 16 * v + n + 4);
		memcpy(stub + n, &rel, 4);
		flat_load(f, STUBS_AT + 16 * (uint64_t)v, stub, sizeof(stub));
		put64(f, IDT_AT + 16 * (uint64_t)v, ((STUBS_AT + 16 * v) & 0xFFFF) | SEL_CODE0 << 16 | UINT64_C(0x8E01) << 32 |
							    (uint64_t)(STUBS_AT >> 16) << 48);
		put64(f, IDT_AT + 16 * (uint64_t)v + 8, 0);
	}
}

static void put_descriptors(struct flat *f)
{
	static const uint64_t gdt[] = { 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF, 0x00CFFB000000FFFF, 0x00CFF3000000FFFF,
					0x00AFFB000000FFFF, 0x00008B0000000067 | (uint64_t)TSS_AT << 16, 0 };

	flat_load(f, GDT_AT, gdt, sizeof(gdt));
	put64(f, TSS_AT + 4, IST1_AT);
	put64(f, TSS_AT + 0x24, IST1_AT);
	put64(f, TSS_AT + 0x60, UINT64_C(0xFFFF) << 48);
}

static struct cpu_segment segment(uint16_t sel, unsigned type, unsigned extra)
{
	return (struct cpu_segment){ .limit = UINT32_MAX, .sel = sel, .attr = (uint16_t)(type | (sel & 3u) << 5 | CPU_SEG_S | CPU_SEG_P | CPU_SEG_G | extra) };
}

static void first_state(const struct program *p, const struct oracle_case *c, struct cpu_state *st)
{
	cpu_state_reset(st);
	memcpy(st->gpr, c->in.gpr, sizeof(st->gpr));
	st->gpr[CPU_RSP] = PROGRAM_STACK;
	st->rip = p->at[p->entries[0]];
	st->rflags = (c->in.rflags & 0xCD5) | 0x202;
	st->fx = c->in.fx;
	st->cr0 = 0x80010033;
	st->cr3 = PML4_AT;
	st->cr4 = 0x6A0;
	st->efer = 0xD00; /* NXE, LMA, LME; no SYSCALL, which would lead anywhere */
	st->seg[CPU_CS] = segment(p->is_cpl0 ? SEL_CODE0 : SEL_CODE3, 11, CPU_SEG_L);
	for (unsigned k = 0; k < CPU_SEG_COUNT; k++)
		if (k != CPU_CS)
			st->seg[k] = segment(p->is_cpl0 ? SEL_DATA0 : SEL_DATA3, 3, CPU_SEG_DB);
	st->gdtr = (struct cpu_table){ GDT_AT, 0x3F };
	st->idtr = (struct cpu_table){ IDT_AT, 0xFFF };
	st->tr = (struct cpu_segment){ .base = TSS_AT, .limit = 0x67, .sel = SEL_TSS, .attr = 0x8B };
	st->ldtr = (struct cpu_segment){ .attr = CPU_SEG_UNUSABLE };
}

static void load(struct flat *f, const struct program *p)
{
	static const uint8_t zeros[4096];
	static struct oracle_case c;
	uint64_t x = p->seed ^ 0x55AA;
	struct cpu_state st;

	do
		oracle_generate(&x, &c); /* its registers, its window */
	while (c.is_32);
	for (size_t k = 0; k < sizeof(compared) / sizeof(compared[0]); k++)
		flat_load(f, compared[k], zeros, sizeof(zeros));
	put_tables(f);
	put_vectors(f);
	put_descriptors(f);
	for (unsigned k = 0; k < 3; k++)
		flat_load(f, code_frames[k], p->code + 4096 * k, 4096);
	flat_load(f, code_twin, p->code + 4096, 4096);
	flat_load(f, window_frames[0], c.window, 4096);
	flat_load(f, window_frames[1], c.window + 4096, 4096);
	flat_load(f, window_twin, c.window + 2048, 4096);
	for (unsigned k = 0; k < PROGRAM_N_ENTRIES; k++) {
		put64(f, window_frames[3] + 8 * k, p->at[p->entries[k]]);
		put64(f, ENTRIES_AT + 8 * k, p->at[p->entries[k]]);
	}
	put64(f, CS_AT, p->is_cpl0 ? SEL_CODE0 : SEL_CODE3);
	put64(f, SS_AT, p->is_cpl0 ? SEL_DATA0 : SEL_DATA3);
	put64(f, MXCSR_AT, 0x1F80);
	first_state(p, &c, &st);
	f->vector = -1;
	f->tsc = 0;
	f->cpu->ops->set_intr(f->cpu, false);
	f->cpu->ops->set_state(f->cpu, &st);
}

/* ---- running ------------------------------------------------------------------------- */

static const char *difference(struct program_pair *pair, const uint64_t start[2])
{
	static struct cpu_state a, b;
	static char text[200];
	struct flat *f = pair->f[0], *g = pair->f[1];

	pair->counts.n_compared++;
	f->cpu->ops->get_state(f->cpu, &a);
	g->cpu->ops->get_state(g->cpu, &b);
#define WORD(name, member)                                                                                             \
	if (a.member != b.member) {                                                                                    \
		(void)snprintf(text, sizeof(text), "%s is %#llx, not %#llx (RIP %#llx)", name, (unsigned long long)b.member, \
			       (unsigned long long)a.member, (unsigned long long)a.rip);                               \
		return text;                                                                                           \
	}
	WORD("RIP", rip)
	for (unsigned k = 0; k < CPU_GPR_COUNT; k++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "register %u", k);
		WORD(name, gpr[k])
	}
	WORD("RFLAGS", rflags)
	WORD("CR2", cr2)
	WORD("MXCSR", fx.mxcsr)
#undef WORD
	for (unsigned k = 0; k < 16; k++)
		if (memcmp(a.fx.xmm[k], b.fx.xmm[k], 16)) {
			(void)snprintf(text, sizeof(text), "XMM%u (RIP %#llx)", k, (unsigned long long)a.rip);
			return text;
		}
	if (memcmp(&a.fx, &b.fx, sizeof(a.fx)))
		return "the x87 state";
	if (cpu_state_hash(&a) != cpu_state_hash(&b))
		return "the state (not registers, not x87 and SSE)";
	if (f->cpu->ops->icount(f->cpu) - start[0] != g->cpu->ops->icount(g->cpu) - start[1])
		return "the counts of instructions";
	for (size_t k = 0; k < sizeof(compared) / sizeof(compared[0]); k++)
		for (unsigned j = 0; j < 4096; j += 8)
			if (memcmp(f->mem.host + compared[k] + j, g->mem.host + compared[k] + j, 8)) {
				(void)snprintf(text, sizeof(text), "the memory at %#llx (RIP %#llx)", (unsigned long long)compared[k] + j,
					       (unsigned long long)a.rip);
				return text;
			}
	return NULL;
}

/* At CPL 0 a wild store may hit the page tables. Then it is open when the change is seen (SDM vol. 3 §4.10.2.3), and
 * depends on what the TLB happens to hold; that is not compared. A and D are the processor's, the twins the handler's. */
static bool tables_hold(const struct flat *f)
{
	struct entry { uint64_t at, value; } entries[13] = { { PML4_AT, PDPT_AT | 7 }, { PDPT_AT, PD_AT | 7 }, { PD_AT, 0x83 },
		{ PD_AT + 8 * (PROGRAM_CODE >> 21), PT_CODE | 7 }, { PD_AT + 8 * (PROGRAM_WINDOW >> 21), PT_WINDOW | 7 } };
	unsigned n = 5;

	for (unsigned k = 0; k < 3; k++)
		entries[n++] = (struct entry){ PT_CODE + 8 * k, code_frames[k] | 7 };
	for (unsigned k = 0; k < 5; k++)
		entries[n++] = (struct entry){ PT_WINDOW + 8 * k, window_frames[k] ? window_frames[k] | 7 | UINT64_C(1) << 63 : 0 };
	for (unsigned k = 0; k < n; k++) {
		bool has_twin = entries[k].at == PT_CODE + 8 || entries[k].at == PT_WINDOW + 8;
		uint64_t v;

		memcpy(&v, f->mem.host + entries[k].at, 8);
		if ((v ^ entries[k].value) & ~(has_twin ? 0x1060u : UINT64_C(0x60)))
			return false;
	}
	return true;
}

static enum cpu_stop run(struct flat *f, uint64_t n, bool is_stepped)
{
	enum cpu_stop stop = CPU_STOP_BUDGET;

	if (!is_stepped)
		return flat_run(f, n);
	for (uint64_t k = 0; k < n && stop == CPU_STOP_BUDGET; k++)
		stop = flat_run(f, 1);
	return stop;
}

/* What the world does between two pieces. */
static void event(struct flat *f, const struct program *p, uint64_t x)
{
	uint64_t v = oracle_random(&x), at, off;
	uint8_t byte = (uint8_t)(v >> 40);

	switch (v % 24) {
	case 0: case 1: case 2:
		f->vector = IRQ;
		f->cpu->ops->set_intr(f->cpu, true);
		break;
	case 3: /* a byte of the program: one of an instruction that may be an immediate */
		at = p->at[(v >> 16) % p->n] - PROGRAM_CODE + (v >> 8 & 3) + 1;
		off = at & 4095;
		flat_load(f, (at >> 12 == 1 && v >> 32 & 1 ? code_twin : code_frames[(at >> 12) % 3]) + off, &byte, 1);
		break;
	case 4:
		flat_load(f, window_frames[v >> 32 & 1] + (v >> 8 & 4095 & ~7u), &v, 8);
		break;
	default:
		break;
	}
}

static void count(struct program_pair *pair)
{
	struct flat *f = pair->f[0];

	for (unsigned v = 0; v < 32; v++) {
		uint64_t n;

		memcpy(&n, f->mem.host + COUNTS_AT + 8 * v, 8);
		if (n > BUDGET) /* a wild store at CPL 0 */
			continue;
		pair->counts.n_vectors[v] += n;
		pair->counts.n_faults += n;
	}
	pair->counts.n_irqs += f->mem.host[COUNTS_AT + 8 * IRQ];
}

const char *program_run(struct program_pair *pair, const struct program *p, unsigned *ret_piece, uint64_t *ret_count)
{
	uint64_t x = p->seed ^ 0x1234567, start[2], done = 0;
	const char *differs = NULL;
	unsigned k;

	for (unsigned side = 0; side < 2; side++) {
		load(pair->f[side], p);
		start[side] = pair->f[side]->cpu->ops->icount(pair->f[side]->cpu);
	}
	for (k = 0; k < p->n_pieces && done < BUDGET && !differs; k++) {
		uint64_t r = oracle_random(&x), n = r & 7 ? 1 + (r >> 8) % 30 : 1 + (r >> 8) % 400, before = done;
		enum cpu_stop a, b;

		if (k + 1 == p->n_pieces && p->last_len)
			n = p->last_len;
		for (unsigned side = 0; side < 2 && !p->no_events; side++)
			event(pair->f[side], p, x);
		a = run(pair->f[0], n, p->is_stepped);
		b = flat_run(pair->f[1], n);
		done = pair->f[0]->cpu->ops->icount(pair->f[0]->cpu) - start[0];
		if (!tables_hold(pair->f[0]) || !tables_hold(pair->f[1])) {
			pair->counts.n_left++;
			break;
		}
		differs = a != b ? "why they stopped" : difference(pair, start);
		if (differs) {
			*ret_piece = k;
			*ret_count = before;
		}
		if (a != CPU_STOP_BUDGET)
			break;
	}
	pair->counts.n_insns += done;
	count(pair);
	return differs;
}
