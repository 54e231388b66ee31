/* tests/cpu/check_run.c: the run loop, the block cache and what interrupts
 * them: budgets, self-modifying code, page-crossing code, repeats, traps. */
#include "tests/cpu/flat.h"
#include "tests/unit.h"

#include <string.h>

#define CODE(f, ...)                                                           \
	do {                                                                   \
		static const uint8_t code_[] = { __VA_ARGS__ };                \
		flat_code((f), code_, sizeof(code_));                          \
	} while (0)

/* A store to its own block: the next instruction is the new one. */
START_TEST(own_block)
{
	struct flat *f = flat_new(false);

	/* mov byte [rip+3], 0x22 ; mov eax, 0x11 (its immediate's first byte) ; hlt */
	CODE(f, 0xC6, 0x05, 0x01, 0x00, 0x00, 0x00, 0x22, 0xB8, 0x11, 0x00, 0x00, 0x00);
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(flat_soft(f)->r[CPU_RAX], 0x22);
	ck_assert_uint_eq(f->cpu->ops->icount(f->cpu), 3);
	flat_free(f);
}
END_TEST

/* A loop that changes the body of a block that is linked and cached. */
START_TEST(linked_block)
{
	struct flat *f = flat_new(false);

	/* mov ecx,5; L: add eax,1 (imm8 at +7); inc byte [rip-? ] ; dec ecx; jnz L */
	CODE(f, 0xB9, 5, 0, 0, 0, 0x83, 0xC0, 1, 0xFE, 0x05, 0xF9, 0xFF, 0xFF, 0xFF, 0xFF, 0xC9, 0x75, 0xF3);
	ck_assert_int_eq(flat_run(f, 1000), CPU_STOP_HALT);
	ck_assert_uint_eq(flat_soft(f)->r[CPU_RAX], 1 + 2 + 3 + 4 + 5);
	flat_free(f);
}
END_TEST

/* DMA into code is seen. */
START_TEST(dma_code)
{
	struct flat *f = flat_new(false);
	static const uint8_t two = 2;

	CODE(f, 0xB8, 1, 0, 0, 0);
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	flat_load(f, FLAT_CODE + 1, &two, 1);
	flat_soft(f)->rip = FLAT_CODE;
	flat_soft(f)->halted = false;
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(flat_soft(f)->r[CPU_RAX], 2);
	flat_free(f);
}
END_TEST

/* An instruction over a page's end runs, and sees a change of its second half. */
START_TEST(page_crossing)
{
	static const uint8_t code[] = { 0xB8, 0x44, 0x33, 0x22, 0x11, 0xF4 }, other = 0x99;
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);

	for (unsigned k = 1; k < sizeof(code) - 1; k++) {
		uint64_t at = FLAT_FREE + 0x1000 - k;

		flat_load(f, at, code, sizeof(code));
		s->rip = at;
		s->halted = false;
		ck_assert_int_eq(flat_run(f, 10), CPU_STOP_HALT);
		ck_assert_uint_eq(s->r[CPU_RAX], 0x11223344);
		flat_load(f, at + 4, &other, 1);
		s->rip = at;
		s->halted = false;
		ck_assert_int_eq(flat_run(f, 10), CPU_STOP_HALT);
		ck_assert_uint_eq(s->r[CPU_RAX], 0x99223344);
	}
	flat_free(f);
}
END_TEST

/* run(n) runs n instructions, however the blocks lie. */
START_TEST(budget)
{
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);
	uint64_t total = 0;

	/* L: inc rax ; add rbx,1 ; jmp L */
	CODE(f, 0x48, 0xFF, 0xC0, 0x48, 0x83, 0xC3, 0x01, 0xEB, 0xF7);
	for (uint64_t n = 1; n < 40; n++) {
		ck_assert_int_eq(flat_run(f, n), CPU_STOP_BUDGET);
		total += n;
		ck_assert_uint_eq(f->cpu->ops->icount(f->cpu), total);
		ck_assert_uint_eq(s->r[CPU_RAX], (total + 2) / 3);
		ck_assert_uint_eq(s->r[CPU_RBX], (total + 1) / 3);
	}
	ck_assert_int_eq(flat_run(f, 100000), CPU_STOP_BUDGET);
	total += 100000;
	ck_assert_uint_eq(s->r[CPU_RAX], (total + 2) / 3);
	flat_free(f);
}
END_TEST

/* Within a bus callback the count is that of the instructions before. */
START_TEST(icount_in_callback)
{
	struct flat *f = flat_new(false);

	/* nop; nop; mov ebx, 0x20000000; mov [rbx], eax; nop; nop */
	CODE(f, 0x90, 0x90, 0xBB, 0, 0, 0, 0x20, 0x89, 0x03, 0x90, 0x90);
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(f->n_mmio, 1);
	ck_assert_uint_eq(f->last_gpa, 0x20000000);
	ck_assert_uint_eq(f->last_icount, 3);
	ck_assert_uint_eq(f->cpu->ops->icount(f->cpu), 7);
	flat_free(f);
}
END_TEST

/* A line raised by an MMIO store interrupts behind that block. */
START_TEST(interrupt_from_callback)
{
	static const uint8_t handler[] = { 0x48, 0x89, 0xC2, 0xF4 }; /* mov rdx, rax ; hlt */
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);

	flat_load(f, FLAT_FREE, handler, sizeof(handler));
	flat_gate(f, 0x40, FLAT_FREE);
	f->vector = 0x40;
	f->raise_on_write = true;
	s->rflags |= FLAG_IF;
	/* mov ebx, 0x20000000; mov [rbx], eax; jmp +0; L: inc rax; jmp L */
	CODE(f, 0xBB, 0, 0, 0, 0x20, 0x89, 0x03, 0xEB, 0, 0x48, 0xFF, 0xC0, 0xEB, 0xFB);
	ck_assert_int_eq(flat_run(f, 100000), CPU_STOP_HALT);
	ck_assert_uint_eq(s->r[CPU_RDX], 0);
	ck_assert_int_eq(f->vector, -1);
	flat_free(f);
}
END_TEST

/* STI's shadow: the HLT behind it runs before the interrupt. */
START_TEST(sti_shadow)
{
	static const uint8_t handler[] = { 0x48, 0x8B, 0x14, 0x24, 0xF4 }; /* mov rdx, [rsp] ; hlt */
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);

	flat_load(f, FLAT_FREE, handler, sizeof(handler));
	flat_gate(f, 0x40, FLAT_FREE);
	f->vector = 0x40;
	f->cpu->ops->set_intr(f->cpu, true);
	CODE(f, 0xFB, 0xFF, 0xC0, 0xFF, 0xC0, 0xFF, 0xC0); /* sti; inc eax three times */
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(s->r[CPU_RAX], 1);
	ck_assert_uint_eq(s->r[CPU_RDX], FLAT_CODE + 3);
	flat_free(f);
}
END_TEST

/* TF: a trap behind each instruction, until the handler's HLT. */
START_TEST(single_step)
{
	static const uint8_t handler[] = { 0x48, 0xFF, 0xC1, 0x48, 0xCF }; /* inc rcx ; iretq */
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);

	flat_load(f, FLAT_FREE, handler, sizeof(handler));
	flat_gate(f, EXC_DB, FLAT_FREE);
	s->r[CPU_RCX] = 0;
	s->rflags |= FLAG_TF;
	CODE(f, 0xFF, 0xC0, 0xFF, 0xC0, 0xFF, 0xC0);
	(void)flat_run(f, 100);
	ck_assert_uint_eq(s->r[CPU_RAX], 3);
	ck_assert_uint_ge(s->r[CPU_RCX], 3);
	ck_assert_uint_eq(s->dr6 & 0x4000, 0x4000);
	flat_free(f);
}
END_TEST

/* A fault in mid-block: RIP is the instruction's, what ran before stays. */
START_TEST(fault_in_block)
{
	static const uint8_t handler[] = { 0x48, 0x8B, 0x14, 0x24, 0xF4 };
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);

	flat_load(f, FLAT_FREE, handler, sizeof(handler));
	flat_gate(f, EXC_DE, FLAT_FREE);
	CODE(f, 0x31, 0xC9, 0x31, 0xD2, 0xB8, 5, 0, 0, 0, 0xF7, 0xF1, 0xB8, 6, 0, 0, 0); /* div ecx */
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(s->r[CPU_RAX], 5);
	ck_assert_uint_eq(s->r[CPU_RDX], FLAT_CODE + 9);
	ck_assert_uint_eq(f->cpu->ops->icount(f->cpu), 4 + 2);
	flat_free(f);
}
END_TEST

/* REP over pages, up and down, also overlapping by less than an element's run. */
START_TEST(rep_movs)
{
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);
	uint8_t in[9000], out[9000];

	for (unsigned k = 0; k < sizeof(in); k++)
		in[k] = (uint8_t)(k * 7 + (k >> 8));
	flat_load(f, 0x200123, in, sizeof(in));
	CODE(f, 0xF3, 0xA4);
	s->r[CPU_RSI] = 0x200123;
	s->r[CPU_RDI] = 0x300456;
	s->r[CPU_RCX] = sizeof(in);
	ck_assert_int_eq(flat_run(f, 10000), CPU_STOP_HALT);
	ck_assert(mem_dma_read(&f->mem, 0x300456, out, sizeof(out)));
	ck_assert_mem_eq(in, out, sizeof(in));
	ck_assert_uint_eq(s->r[CPU_RCX], 0);
	ck_assert_uint_eq(s->r[CPU_RSI], 0x200123 + sizeof(in));

	/* A byte apart: the first byte is smeared. */
	s->r[CPU_RSI] = 0x300456;
	s->r[CPU_RDI] = 0x300457;
	s->r[CPU_RCX] = 8000;
	s->rip = FLAT_CODE;
	s->halted = false;
	ck_assert_int_eq(flat_run(f, 10000), CPU_STOP_HALT);
	ck_assert(mem_dma_read(&f->mem, 0x300456, out, 8001));
	for (unsigned k = 0; k <= 8000; k++)
		ck_assert_uint_eq(out[k], in[0]);

	/* Down. */
	s->rflags |= FLAG_DF;
	s->r[CPU_RSI] = 0x200123 + sizeof(in) - 1;
	s->r[CPU_RDI] = 0x200124 + sizeof(in) - 1;
	s->r[CPU_RCX] = sizeof(in);
	s->rip = FLAT_CODE;
	s->halted = false;
	ck_assert_int_eq(flat_run(f, 10000), CPU_STOP_HALT);
	ck_assert(mem_dma_read(&f->mem, 0x200124, out, sizeof(out)));
	ck_assert_mem_eq(in, out, sizeof(in));
	flat_free(f);
}
END_TEST

/* A repeat that faults midway leaves the registers at the iteration. */
START_TEST(rep_fault)
{
	static const uint8_t handler[] = { 0xF4 };
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);

	flat_load(f, FLAT_FREE, handler, 1);
	flat_gate(f, EXC_PF, FLAT_FREE);
	CODE(f, 0xF3, 0x48, 0xAB);
	s->r[CPU_RDI] = FLAT_MAPPED - 0x1000; /* MMIO, then nothing */
	s->r[CPU_RCX] = 1000;
	ck_assert_int_eq(flat_run(f, 10000), CPU_STOP_HALT);
	ck_assert_uint_eq(s->r[CPU_RDI], FLAT_MAPPED);
	ck_assert_uint_eq(s->r[CPU_RCX], 1000 - 512);
	ck_assert_uint_eq(s->cr2, FLAT_MAPPED);
	ck_assert_uint_eq(f->n_mmio, 512);
	flat_free(f);
}
END_TEST

START_TEST(rep_scan)
{
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);
	static const uint8_t mark = 0x55;

	flat_load(f, 0x200000 + 1000, &mark, 1);
	CODE(f, 0xF2, 0xAE); /* repne scasb */
	s->r[CPU_RDI] = 0x200000;
	s->r[CPU_RAX] = mark;
	s->r[CPU_RCX] = 5000;
	ck_assert_int_eq(flat_run(f, 10000), CPU_STOP_HALT);
	ck_assert_uint_eq(s->r[CPU_RCX], 5000 - 1001);
	ck_assert_uint_eq(soft_flags_get(s) & FLAG_ZF, FLAG_ZF);
	flat_free(f);
}
END_TEST

/* Code enough to fill every arena, twice: the cache stays within its bounds and right. */
START_TEST(eviction)
{
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);
	static uint8_t code[8 << 20];
	size_t n = 0;

	/* add eax, 1 ; jmp +0, again and again */
	for (; n + 5 < sizeof(code); n += 5)
		memcpy(code + n, (const uint8_t[]){ 0x83, 0xC0, 1, 0xEB, 0 }, 5);
	code[n] = 0xF4;
	flat_load(f, 0x200000, code, sizeof(code));
	for (unsigned k = 0; k < 2; k++) {
		s->r[CPU_RAX] = 0;
		s->rip = 0x200000;
		s->halted = false;
		ck_assert_int_eq(flat_run(f, UINT64_MAX), CPU_STOP_HALT);
		ck_assert_uint_eq(s->r[CPU_RAX], n / 5);
	}
	flat_free(f);
}
END_TEST

/* The same physical code at two linear addresses: one block, each time its own RIP. */
START_TEST(two_mappings)
{
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);
	uint64_t pd = (FLAT_TABLES + 0x2000) | 7, decoded = 0;

	flat_load(f, FLAT_TABLES + 0x1000 + 8, &pd, 8); /* the second GiB is the first again */
	CODE(f, 0xE8, 0, 0, 0, 0, 0x58, 0x48, 0x8D, 0x1D, 0, 0, 0, 0); /* call +0; pop rax; lea rbx, [rip] */
	for (uint64_t k = 0; k < 2; k++) {
		uint64_t base = FLAT_CODE + k * FLAT_MAPPED;

		s->rip = base;
		s->halted = false;
		ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
		ck_assert_uint_eq(s->r[CPU_RAX], base + 5);
		ck_assert_uint_eq(s->r[CPU_RBX], base + 13);
		if (k == 1)
			ck_assert_uint_eq(s->n_blocks_decoded, decoded);
		decoded = s->n_blocks_decoded;
	}
	flat_free(f);
}
END_TEST

/* A link to a block that died is filled again: no lookup a round. */
START_TEST(relink)
{
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);
	static const uint8_t three = 3;
	uint64_t lookups;

	/* L: jmp M; M: add rax, 1; jmp L */
	CODE(f, 0xEB, 0, 0x48, 0x83, 0xC0, 1, 0xEB, 0xF8);
	ck_assert_int_eq(flat_run(f, 30000), CPU_STOP_BUDGET);
	flat_load(f, FLAT_CODE + 5, &three, 1);
	ck_assert_int_eq(flat_run(f, 300), CPU_STOP_BUDGET);
	ck_assert_uint_eq(s->r[CPU_RAX], 10000 + 300);
	lookups = s->n_block_lookups;
	ck_assert_int_eq(flat_run(f, 3000), CPU_STOP_BUDGET);
	ck_assert_uint_lt(s->n_block_lookups - lookups, 10);
	flat_free(f);
}
END_TEST

START_TEST(kick)
{
	struct flat *f = flat_new(false);

	CODE(f, 0xEB, 0xFE);
	f->cpu->ops->kick(f->cpu);
	ck_assert_int_eq(flat_run(f, UINT64_MAX), CPU_STOP_KICK);
	flat_free(f);
}
END_TEST

/* Real mode: a 16-bit loop, a call and string code. */
START_TEST(real_mode)
{
	struct flat *f = flat_new(true);
	struct soft *s = flat_soft(f);

	/* mov cx,100; L: add ax,3; call F; loop L; hlt; F: inc bx; ret */
	CODE(f, 0xB9, 100, 0, 0x05, 3, 0, 0xE8, 3, 0, 0xE2, 0xF8, 0xF4, 0x43, 0xC3);
	ck_assert_int_eq(flat_run(f, 10000), CPU_STOP_HALT);
	ck_assert_uint_eq(s->r[CPU_RAX] & 0xFFFF, 300);
	ck_assert_uint_eq(s->r[CPU_RBX] & 0xFFFF, 100);
	ck_assert_uint_eq(s->r[CPU_RSP], 0x8000);
	flat_free(f);
}
END_TEST

/* LOCK where it is illegal is #UD although the instruction alone is fine. */
START_TEST(illegal_lock)
{
	static const uint8_t handler[] = { 0x48, 0x8B, 0x14, 0x24, 0xF4 };
	struct flat *f = flat_new(false);

	flat_load(f, FLAT_FREE, handler, sizeof(handler));
	flat_gate(f, EXC_UD, FLAT_FREE);
	CODE(f, 0x90, 0xF0, 0x89, 0xC3);
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(flat_soft(f)->r[CPU_RDX], FLAT_CODE + 1);
	flat_free(f);
}
END_TEST

/* What a string instruction counts for must not depend on what was decoded. */
START_TEST(repeat_over_code)
{
	struct flat *f = flat_new(false);

	/* mov edi, FLAT_CODE + 0x800; mov ecx, 16; rep stosq, in the page of the code itself */
	CODE(f, 0xBF, 0x00, 0x08, 0x01, 0x00, 0xB9, 16, 0, 0, 0, 0xF3, 0x48, 0xAB);
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(flat_soft(f)->r[CPU_RCX], 0);
	ck_assert_uint_eq(f->cpu->ops->icount(f->cpu), 4);
	flat_free(f);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("run");
	TCase *tc = tcase_create("run");

	tcase_add_test(tc, own_block);
	tcase_add_test(tc, linked_block);
	tcase_add_test(tc, dma_code);
	tcase_add_test(tc, page_crossing);
	tcase_add_test(tc, budget);
	tcase_add_test(tc, icount_in_callback);
	tcase_add_test(tc, interrupt_from_callback);
	tcase_add_test(tc, sti_shadow);
	tcase_add_test(tc, single_step);
	tcase_add_test(tc, fault_in_block);
	tcase_add_test(tc, rep_movs);
	tcase_add_test(tc, rep_fault);
	tcase_add_test(tc, rep_scan);
	tcase_add_test(tc, eviction);
	tcase_add_test(tc, two_mappings);
	tcase_add_test(tc, relink);
	tcase_add_test(tc, kick);
	tcase_add_test(tc, real_mode);
	tcase_add_test(tc, illegal_lock);
	tcase_add_test(tc, repeat_over_code);
	suite_add_tcase(suite, tc);
	return suite;
}

UNIT_MAIN(make_suite);
