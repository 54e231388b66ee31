/* tests/cpu/check_translate.c: the translator against the interpreter.
 *
 * Two flat machines get the same random program: one interprets it, the other
 * translates every block at its first entry. After each piece of the run both must
 * be at the same instruction, in the same state, with the same memory. Programs are loops
 * of instructions that the translator knows, with some that it does not, so that flags
 * are made, kept, passed on and dropped in every combination.
 *
 * MUSTER_PROGRAMS in the environment is the number of programs (400). */
#include "tests/cpu/flat.h"
#include "tests/unit.h"
#include "vmm/cpu/soft/translate/build.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW = 0x200000, WINDOW_BYTES = 0x3000, HANDLER = 0x18000, MAX_CODE = 2048, PIECES = 6 };

struct program {
	uint8_t code[MAX_CODE];
	size_t n;
	size_t again; /* where a fault's handler goes */
	uint32_t x; /* xorshift */
};

static uint32_t rnd(struct program *p, uint32_t below)
{
	p->x ^= p->x << 13;
	p->x ^= p->x >> 17;
	p->x ^= p->x << 5;
	return (uint32_t)((uint64_t)p->x * below >> 32);
}

static void put(struct program *p, unsigned b)
{
	p->code[p->n++] = (uint8_t)b;
}

static void put_n(struct program *p, unsigned n)
{
	while (n--)
		put(p, rnd(p, 256));
}

/* A ModRM byte and what follows: mostly registers, else the window:
 * [RBX + disp8], [RSI + RDI * 2 + disp8], [RSP + disp8], absolute. */
static void put_modrm(struct program *p, unsigned reg)
{
	static const uint8_t usual[] = { 0, 1, 2, 5 }; /* not the pointers */
	unsigned kind = rnd(p, 8);

	reg = (reg & 7) << 3;
	if (kind < 4) {
		put(p, 0xC0 | reg | (rnd(p, 24) ? usual[rnd(p, 4)] : rnd(p, 8)));
	} else if (kind == 4) {
		put(p, 0x43 | reg);
		put(p, rnd(p, 256));
	} else if (kind == 5) {
		put(p, 0x44 | reg);
		put(p, 0x7E);
		put(p, rnd(p, 256));
	} else if (kind == 6) {
		put(p, 0x44 | reg);
		put(p, 0x24);
		put(p, rnd(p, 128));
	} else {
		uint32_t at = WINDOW + rnd(p, 2) * 0xFFC + rnd(p, 8);

		put(p, 0x04 | reg);
		put(p, 0x25);
		for (int k = 0; k < 4; k++)
			put(p, at >> 8 * k & 255);
	}
}

static void put_prefixes(struct program *p)
{
	if (rnd(p, 8) == 0)
		put(p, 0x66);
	if (rnd(p, 3))
		put(p, 0x40 | rnd(p, 16));
}

static unsigned any_reg(struct program *p)
{
	static const uint8_t usual[] = { 0, 1, 2, 5 };

	return rnd(p, 24) ? usual[rnd(p, 4)] : rnd(p, 8);
}

/* CDQ or CQO, IMUL by an immediate, BSWAP. */
static void put_wide(struct program *p)
{
	unsigned op;

	if (rnd(p, 2))
		put(p, 0x48 | rnd(p, 8));
	op = rnd(p, 3);
	if (op == 0) { /* CDQ, CQO */
		put(p, 0x99);
		return;
	}
	if (op == 1) { /* IMUL by an immediate */
		put(p, 0x6B);
		put_modrm(p, any_reg(p));
		put_n(p, 1);
		return;
	}
	put(p, 0x0F);
	put(p, 0xC8 | (rnd(p, 2) ? 0 : 5)); /* BSWAP */
}

/* Flags, a PUSH, and the registers AH to BH. */
static void put_odd(struct program *p)
{
	static const uint8_t plain[] = { 0x9C, 0xFA, 0xFB }; /* PUSHF, CLI, STI */
	unsigned op = rnd(p, 6);

	if (op < 3) {
		put(p, plain[op]);
	} else if (op == 3) {
		put(p, 0xFF); /* PUSH */
		put_modrm(p, 6);
	} else { /* AH to BH */
		put(p, op == 4 ? 0xF6 : 0x80);
		put(p, 0xC4 | (op == 4 ? 0 : rnd(p, 8) << 3) | rnd(p, 4));
		put_n(p, 1);
	}
}

static void put_insn(struct program *p)
{
	static const uint8_t two[] = { 0xAF, 0xB6, 0xB7, 0xBE, 0xBF, 0xA3, 0xBC, 0xC1, 0x6F, 0xEF, 0x7F, 0x28,
				       0x29, 0x10, 0x11, 0xD4, 0x58, 0x59, 0x5C, 0x6E, 0x7E, 0xD6, 0x57, 0xFE, 0xB1, 0xAB, 0xB3, 0xBB };
	static const uint8_t one[] = { 0x63, 0x85, 0x84, 0x88, 0x89, 0x8A, 0x8B, 0x8D, 0xD1, 0xD3, 0x87, 0xD2, 0x86 };
	unsigned kind = rnd(p, 20), op;

	if (kind < 4) {
		put_prefixes(p);
		put(p, rnd(p, 8) << 3 | rnd(p, 4));
		put_modrm(p, any_reg(p));
	} else if (kind == 4) {
		bool word = rnd(p, 2);

		if (rnd(p, 2))
			put(p, 0x48 | rnd(p, 8));
		put(p, word ? 0x81 : 0x83);
		put_modrm(p, rnd(p, 8));
		put_n(p, word ? 4 : 1);
	} else if (kind == 5) {
		put_prefixes(p);
		put(p, 0xFE | rnd(p, 2));
		put_modrm(p, rnd(p, 2));
	} else if (kind == 6) {
		if (rnd(p, 2))
			put(p, 0x48 | rnd(p, 8));
		put(p, 0xC1);
		put_modrm(p, rnd(p, 8));
		put_n(p, 1);
	} else if (kind == 7) {
		put(p, 0x48 | rnd(p, 8));
		put(p, 0x0F);
		put(p, (rnd(p, 2) ? 0x40u : 0x90u) | rnd(p, 16)); /* CMOVcc, SETcc */
		put_modrm(p, any_reg(p));
	} else if (kind == 8) {
		put_prefixes(p);
		put(p, 0xF7 - rnd(p, 2));
		op = 2 + rnd(p, 4);
		put_modrm(p, op);
	} else if (kind < 11) {
		static const uint8_t prefixes[] = { 0x66, 0xF2, 0xF3, 0x66 };

		if (rnd(p, 2))
			put(p, prefixes[rnd(p, 4)]);
		if (rnd(p, 2))
			put(p, 0x40 | rnd(p, 16));
		put(p, 0x0F);
		put(p, two[rnd(p, sizeof(two))]);
		put_modrm(p, any_reg(p));
	} else if (kind < 14) {
		put_prefixes(p);
		put(p, one[rnd(p, sizeof(one))]);
		put_modrm(p, any_reg(p));
	} else if (kind == 14) {
		put(p, rnd(p, 2) ? 0x50 : 0x51);
		put(p, rnd(p, 2) ? 0x5A : 0x58);
	} else if (kind == 15) {
		put(p, 0x48 | rnd(p, 2));
		put(p, 0xB8 | (1 + rnd(p, 2)));
		put_n(p, 8);
	} else if (kind == 16) {
		put_prefixes(p);
		put(p, 0x0F);
		put(p, 0xBA); /* BT and its kin */
		put_modrm(p, 4 + rnd(p, 4));
		put_n(p, 1);
	} else if (kind == 17) {
		put_wide(p);
	} else if (kind == 18) {
		put_odd(p);
	} else {
		put(p, 0x70 | rnd(p, 16)); /* over nothing: the block ends */
		put(p, 0);
	}
}

/* mov reg, imm32: where the window is. */
static void put_pointers(struct program *p)
{
	static const uint8_t regs[] = { 3, 6 };

	for (size_t k = 0; k < sizeof(regs); k++) {
		uint32_t at = WINDOW + 0x1000 - 0x10 + rnd(p, 32);

		put(p, 0xB8 | regs[k]);
		for (int j = 0; j < 4; j++)
			put(p, at >> 8 * j & 255);
	}
	put(p, 0xBF); /* edi */
	put(p, rnd(p, 64));
	put(p, 0);
	put(p, 0);
	put(p, 0);
	put(p, 0xBC); /* esp */
	put(p, 0);
	put(p, 0);
	put(p, FLAT_STACK >> 16);
	put(p, 0);
}

static void make_program(struct program *p, uint32_t seed)
{
	int32_t back;

	p->n = 0;
	p->x = seed * 2654435761u + 1;
	for (int k = 0; k < 12; k++) {
		if (k == 6)
			p->again = p->n;
		put_pointers(p);
		for (int j = 0; j < 4; j++)
			put_insn(p);
	}
	put(p, 0xE9);
	back = -(int32_t)(p->n + 4);
	for (int k = 0; k < 4; k++)
		put(p, (uint32_t)back >> 8 * k & 255);
}

static void start(struct flat *f, const struct program *p)
{
	static uint8_t window[WINDOW_BYTES];
	struct cpu_state st;
	const uint8_t jmp = 0xE9;
	int32_t rel = (int32_t)(FLAT_CODE + p->again) - (HANDLER + 5);
	uint32_t x = p->x;

	for (size_t k = 0; k < sizeof(window); k++) {
		x = x * 1103515245 + 12345;
		window[k] = (uint8_t)(x >> 16);
	}
	flat_load(f, WINDOW, window, sizeof(window));
	flat_load(f, FLAT_CODE, p->code, p->n);
	flat_load(f, HANDLER, &jmp, 1);
	flat_load(f, HANDLER + 1, &rel, 4);
	flat_gate(f, 6, HANDLER);
	flat_gate(f, 13, HANDLER);
	flat_gate(f, 14, HANDLER);
	f->cpu->ops->get_state(f->cpu, &st);
	for (unsigned k = 0; k < CPU_GPR_COUNT; k++)
		st.gpr[k] = x + k * 0x123456789u;
	st.rip = FLAT_CODE;
	st.rflags = 2;
	st.cr0 = 0x80000033;
	st.halted = false;
	st.fx.mxcsr = 0x1F80;
	for (unsigned k = 0; k < 16; k++)
		memcpy(st.fx.xmm[k], window + 16 * k, 16);
	f->cpu->ops->set_state(f->cpu, &st);
}

static void compare(struct flat *a, struct flat *b, uint32_t seed, int piece)
{
	static struct cpu_state x, y;

	a->cpu->ops->get_state(a->cpu, &x);
	b->cpu->ops->get_state(b->cpu, &y);
	for (unsigned k = 0; k < CPU_GPR_COUNT; k++)
		ck_assert_msg(x.gpr[k] == y.gpr[k], "program %u, piece %d: register %u is %#llx, not %#llx", seed, piece, k,
			      (unsigned long long)y.gpr[k], (unsigned long long)x.gpr[k]);
	ck_assert_msg(x.rip == y.rip, "program %u, piece %d: RIP is %#llx, not %#llx", seed, piece,
		      (unsigned long long)y.rip, (unsigned long long)x.rip);
	ck_assert_msg(x.rflags == y.rflags, "program %u, piece %d: RFLAGS is %#llx, not %#llx", seed, piece,
		      (unsigned long long)y.rflags, (unsigned long long)x.rflags);
	ck_assert_msg(cpu_state_hash(&x) == cpu_state_hash(&y), "program %u, piece %d: the states differ", seed, piece);
	ck_assert_msg(a->cpu->ops->icount(a->cpu) == b->cpu->ops->icount(b->cpu), "program %u, piece %d: counts", seed,
		      piece);
	ck_assert_msg(!memcmp(a->mem.host, b->mem.host, FLAT_FREE) &&
			      !memcmp(a->mem.host + WINDOW - 0x1000, b->mem.host + WINDOW - 0x1000, WINDOW_BYTES + 0x2000),
		      "program %u, piece %d: the memories differ", seed, piece);
}

/* Each block alone, and traces. */
static const char *const hows[] = { "eager", "traces" };

START_TEST(random_programs)
{
	const char *wanted = getenv("MUSTER_PROGRAMS");
	uint32_t n = wanted ? (uint32_t)strtoul(wanted, NULL, 10) : 400;
	struct flat *a = flat_new_as("interp"), *b = flat_new_as(hows[_i]);
	struct program p;
	uint64_t ran = 0;

	for (uint32_t seed = 1; seed <= n; seed++) {
		make_program(&p, seed);
		start(a, &p);
		start(b, &p);
		for (int k = 0; k < PIECES; k++) {
			uint64_t budget = k < 3 ? 17 : 300;
			enum cpu_stop stop = flat_run(a, budget);

			ck_assert_int_eq(flat_run(b, budget), stop);
			compare(a, b, seed, k);
			if (stop != CPU_STOP_BUDGET)
				break;
		}
		ran = a->cpu->ops->icount(a->cpu);
	}
	/* Not all of them may have stopped at their first instruction. */
	ck_assert_uint_gt(ran, (uint64_t)n * 20);
	flat_free(a);
	flat_free(b);
}
END_TEST

/* The code cache overflows, more than once, and everything still runs. */
START_TEST(code_cache_overflow)
{
	/* inc eax; jmp to the next instruction */
	static const uint8_t block[] = { 0xFF, 0xC0, 0xEB, 0x00 }, hlt = 0xF4;
	enum { BLOCKS = 260000 };
	struct flat *f = flat_new_as("eager");
	struct soft *s = flat_soft(f);

	for (uint64_t k = 0; k < BLOCKS; k++)
		flat_load(f, FLAT_FREE + k * sizeof(block), block, sizeof(block));
	flat_load(f, FLAT_FREE + BLOCKS * sizeof(block), &hlt, 1);
	for (unsigned round = 1; round <= 2; round++) {
		s->rip = FLAT_FREE;
		s->halted = false;
		ck_assert_int_eq(flat_run(f, 10 * BLOCKS), CPU_STOP_HALT);
		ck_assert_uint_eq(s->r[CPU_RAX], (uint64_t)round * BLOCKS);
	}
	if (s->blocks->translate)
		ck_assert_uint_gt(s->blocks->translate->n_flushes, 0);
	flat_free(f);
}
END_TEST

/* A jump to another page leads to the new code once the page was written to. */
START_TEST(jump_to_replaced_page)
{
	/* here: inc eax; jmp there.  there: add ecx, 1; jmp here */
	static const uint8_t here[] = { 0xFF, 0xC0, 0xE9, 0x09, 0x10, 0, 0 };
	static const uint8_t there[] = { 0x83, 0xC1, 0x01, 0xE9, 0xE8, 0xEF, 0xFF, 0xFF }, two = 2;
	struct flat *f = flat_new_as("eager");
	struct soft *s = flat_soft(f);

	flat_load(f, FLAT_FREE, here, sizeof(here));
	flat_load(f, FLAT_FREE + 0x1010, there, sizeof(there));
	s->rip = FLAT_FREE;
	ck_assert_int_eq(flat_run(f, 400), CPU_STOP_BUDGET);
	ck_assert_uint_eq(s->r[CPU_RCX], 100);
	flat_load(f, FLAT_FREE + 0x1012, &two, 1);
	ck_assert_int_eq(flat_run(f, 400), CPU_STOP_BUDGET);
	ck_assert_uint_eq(s->r[CPU_RAX], 200);
	ck_assert_uint_eq(s->r[CPU_RCX], 300);
	ck_assert_uint_eq(s->rip, FLAT_FREE);
	flat_free(f);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("translate");
	TCase *tc = tcase_create("translate");

	tcase_add_loop_test(tc, random_programs, 0, sizeof(hows) / sizeof(hows[0]));
	tcase_add_test(tc, code_cache_overflow);
	tcase_add_test(tc, jump_to_replaced_page);
	suite_add_tcase(suite, tc);
	return suite;
}

UNIT_MAIN(make_suite);
