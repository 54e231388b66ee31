/* tests/cpu/check_loop.c: loops in which registers of struct soft have host registers (allocate.c), left at
 * every instruction: by the end of a piece, by an interrupt, by a fault; and traces that are made again
 * (reselect.c).
 *
 * As tests/cpu/lockstep.h says, with every block translated and with traces. In both a trace is made again the second time
 * that a budget runs out at its beginning, which is at most pieces' ends. */
#include "tests/cpu/lockstep.h"
#include "tests/unit.h"

#include "vmm/cpu/soft/block/block.h"

/* All four, in every place that an operand has. */
GUEST(places, "mov ecx, 6; mov r10d, 5; mov r11, -3; mov r14d, DATA; mov r15d, 7\n"
	      "places_a: add r10, r11; mov [r14 + rcx * 8], r10; xor r15, [r14 + rcx * 8]; sub r11, r15; lea r14, [r14 + 8]; and r15d, [r14]\n"
	      "add r11, 77; or [r14 + 16], r11; lea edx, [r10 + r11 * 4 - 5]; movsxd r10, edx; mov r15, r10; dec ecx; jnz places_a; hlt");
/* What each kind of instruction does with one. Digits of opcodes are not registers, whatever REX says. */
GUEST(kinds, "mov ecx, 5; mov r10d, 0x1234567; mov r11, -99; mov r14d, DATA; mov r15d, 3; mov esi, 0x80\n"
	     "kinds_a: imul r10, r11; shl r10, 3; sar r11d, 1; neg r15; not r11w; test r10d, r11d; setl r15b; cmp r15b, 1; sbb r11, r10\n"
	     "cmovz r10, r11; cmovg r11, r14; movzx r15d, r10b; movsx edi, r11w; imul r15d, r15d, 77; push r15; pop r10; inc r10d; dec r11w\n"
	     "mov r10w, 0x1234; mov r11b, 0x7F; mov r15d, -2; mov byte ptr [r14 + 5], 9; add word ptr [r14], 77; mov [r14 + 8], r11b; adc rsi, [r14]\n"
	     ".byte 0x4C, 0x83, 0xD6, 0x05; .byte 0x4C, 0xC1, 0xE6, 0x01\n" /* ADC RSI, 5 and SHL RSI, 1 whose /2 and /4 are /10 and /12 by REX.R */
	     "dec ecx; jnz kinds_a; hlt");
/* RAX, RBP and RSP are what instructions are about that do not name them. */
GUEST(implied, "mov ecx, 5; mov r10d, 5; mov r11d, 9; mov r14d, 11; mov r15d, 13; xor r9d, r9d\n"
	       "implied_a: add r10, r11; add eax, 77; cdqe; xor r14, r15; add r15, r10; push r10; push r14; pop r11; pop r15; mov [STACK - 56], r11\n"
	       "mov ebp, STACK - 64; mov [rbp], r15; leave; add r9, rbp; dec ecx; jnz implied_a; hlt");
/* Only CDQE is about RAX, which is the first that could make place. */
GUEST(unnamed, "mov ecx, 5; mov eax, 0x80000000; mov r10d, 5; mov r11d, 9\n"
	       "unnamed_a: add r10, r11; cdqe; add r11, r10; dec ecx; jnz unnamed_a; hlt");
/* AH is a part of RAX, not register 4. */
GUEST(high, "mov ecx, 5; mov eax, 0x8123; mov r10d, 5; mov r11d, 9\n"
	    "high_a: add r10, r11; movzx esi, ah; add r11, r10; add r11, rsi; mov dil, cl; mov bh, cl; mov dl, bh; dec ecx; jnz high_a; hlt");
/* Only PUSH and POP are about RSP, and every register before it is used: R10 may not have its place, where it would
 * be taken for the stack, which it could be. */
GUEST(pushed, "mov ecx, 5; mov r10d, DATA + 512; mov [r10], ecx; mov r11d, 9; xor eax, eax; xor edx, edx; mov ebx, 16\n"
	      "pushed_a: push rdx; add rax, r10; add rdx, rax; add r10, rbx; add r11, rdx; pop rdx; add r11, r10; dec ecx; jnz pushed_a; hlt");
/* No host register is free but one: R11 gets none. */
GUEST(crowded, "mov ecx, 4; mov r10d, 5; mov r11d, 9; mov edi, DATA\n"
	       "crowded_a: add rax, r10; add rdx, rax; add rbx, rdx; add rbp, rbx; add rsi, rbp; add r8, rsi; add r9, r8; add r12, r9; add r10, r12\n"
	       "mov [rdi], r10; add r11, [rdi]; xor r10, r11; add rsp, r11; sub rsp, r11; dec ecx; jnz crowded_a; hlt");
/* XMM registers of the same numbers. */
GUEST(xmm, "mov ecx, 5; mov r10d, DATA; mov r11d, 1; mov r14d, 2; mov r15d, 3; cvtsi2sd xmm0, r11; movapd xmm10, xmm0\n"
	   "xmm_a: addsd xmm10, xmm0; movsd [r10], xmm10; movsd xmm11, [r10 + r11 * 8 - 8]; mulsd xmm11, xmm10; cvttsd2si r14, xmm11; add r15, r14; movq xmm14, r15\n"
	   "movq r11, xmm14; and r11d, 7; movq [r10 + 8], xmm11; pmovmskb r14d, xmm11; add r14, r15; dec ecx; jnz xmm_a; hlt");
/* Accesses by a moved register that belong together. */
GUEST(spans, "mov ecx, 7; mov r10d, PAGES + 0xFD8; mov r11d, DATA; mov r14d, 1\n"
	     "spans_a: mov [r10], rcx; add r14, [r10 - 8]; add r14, [r11]; mov [r11 + 8], r14d; add r10, 8; lea r11, [r11 + 4]; dec ecx; jnz spans_a; hlt");
/* A store that faults and goes on; a side way out; flags that wait while it happens. */
GUEST(leaves, "mov ecx, 7; mov r10d, PAGES + 0xFEC; mov r11d, 3; mov r15d, 5; mov qword ptr [PT + 8], 0; invlpg [PAGES + 0x1000]\n"
	      "leaves_a: cmp r11d, ecx; mov [r10], r11; mov [r10 + 8], r10; adc r15, 1; sub r11, r15; je leaves_b; lea r10, [r10 + 4]; sub ecx, 1; jnz leaves_a\n"
	      "leaves_b: mov [DATA], r10; mov [DATA + 8], r11; mov [DATA + 16], r15; hlt");
static void expect_leaves(struct lock_side *m)
{
	ck_assert_uint_eq(lock_seen(m)->n_faults, 1);
}
/* The loop is entered twice, and what is in the registers that made place is looked at between. */
GUEST(twice, "mov esi, 2; mov eax, 0x1111; mov edx, 0x2222; mov r12d, 0x3333; mov r13d, 0x4444; mov edi, 0x5555\n"
	     "twice_a: mov ecx, 5; mov r10d, 1; mov r11d, 2; mov r14d, 3; mov r15d, 4\n"
	     "twice_b: add r10, r11; add r11, r14; add r14, r15; add r15, r10; dec ecx; jnz twice_b\n"
	     "mov [DATA], rax; mov [DATA + 8], rdx; mov [DATA + 16], r12; mov [DATA + 24], r13; mov [DATA + 32], rdi; add rax, r10; add rdx, r11; add r12, r14; add r13, r15\n"
	     "dec esi; jnz twice_a; hlt");
/* Flags of a comparison whose registers change before anybody could look are not kept. */
GUEST(unseen, "mov ecx, 6; mov ebx, DATA; mov edi, 3\n"
	      "unseen_a: cmp edi, ecx; jg unseen_b; mov rax, [rbx]; mov edi, eax; sub edi, 5; add [rbx], rdi\n"
	      "unseen_b: cmp edi, esi; mov edi, ecx; mov esi, edx; test ecx, ecx; mov ecx, ecx; lea ecx, [rcx - 1]; jnz unseen_c; hlt\n"
	      "unseen_c: test ecx, ecx; jnz unseen_a; hlt");

#define CASE(n, ...) { .name = #n, .code = n, .end = n##_end, __VA_ARGS__ }
static const struct lock_case cases[] = {
	CASE(places, .expect = NULL), CASE(places, .event = lock_irq), CASE(kinds, .expect = NULL), CASE(kinds, .event = lock_irq),
	CASE(implied, .expect = NULL), CASE(implied, .event = lock_irq), CASE(unnamed, .expect = NULL), CASE(unnamed, .event = lock_irq),
	CASE(high, .expect = NULL), CASE(high, .event = lock_irq), CASE(pushed, .expect = NULL), CASE(pushed, .event = lock_irq),
	CASE(crowded, .expect = NULL), CASE(crowded, .event = lock_irq),
	CASE(xmm, .expect = NULL), CASE(xmm, .event = lock_irq), CASE(spans, .expect = NULL), CASE(spans, .event = lock_irq),
	CASE(leaves, .expect = expect_leaves), CASE(leaves, .event = lock_irq), CASE(twice, .expect = NULL),
	CASE(twice, .event = lock_irq), CASE(unseen, .expect = NULL), CASE(unseen, .event = lock_irq),
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

/* Even numbers: blocks by themselves. */
START_TEST(a_loop_with_registers_of_its_own)
{
	lock_run_as(&cases[_i / 2], _i % 2 ? "traces" : "eager");
}
END_TEST

/* The block at the code's byte @off. */
static const struct block *block_of(struct flat *f, uint64_t off)
{
	const struct block_cache *c = flat_soft(f)->blocks;
	const struct block *b;

	for (uint32_t k = BLOCK_HEADER_SLOTS; k < c->used[0]; k += b->n_slots) {
		b = (const struct block *)(const void *)&c->slots[k];
		if (b->gpa == FLAT_CODE + off && !b->dead)
			return b;
	}
	ck_abort_msg("no block at byte %u", (unsigned)off);
}

/* At first the inner loop ends at once, later it goes round 61 times, as in a sort. Its head is by then the beginning of a
 * trace that goes round the outer loop. */
GUEST(changes, "mov esi, 2000; mov ebp, 1; mov ebx, DATA\n"
	       "changes_o: mov ecx, ebp; xor edx, edx; jmp changes_a\n"
	       "changes_b: add rax, rdx; add [rbx], rax; sub ecx, 1; jz changes_e\n"
	       "changes_a: add edx, 1; add r8, rdx; cmp edx, ecx; jl changes_b\n"
	       "changes_e: add edi, edx; cmp esi, 1990; jne changes_n; mov ebp, 120\n"
	       "changes_n: dec esi; jnz changes_o; hlt");
GUEST_LABEL(changes_a);
GUEST_LABEL(changes_b);

START_TEST(a_trace_is_made_again)
{
	struct flat *f = flat_new_as("traces");
	const struct block *a, *b;

	flat_code(f, changes, (size_t)(changes_end - changes));
	ck_assert_int_ne(flat_run(f, 500), CPU_STOP_HALT);
	a = block_of(f, (uint64_t)(changes_a - changes));
	for (int n = 0; n < 200 && flat_run(f, 100000) != CPU_STOP_HALT; n++)
		;
	ck_assert_uint_eq(flat_soft(f)->r[CPU_RSI], 0);
	ck_assert_uint_eq(flat_soft(f)->r[CPU_RDI], 1989 * 61 + 11);
	b = block_of(f, (uint64_t)(changes_b - changes));
	ck_assert_uint_gt(a->n_reselected + b->n_reselected, 0);
	ck_assert((a->loops && b->memberships) || (b->loops && a->memberships));
	flat_free(f);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/loop");
	TCase *t = tcase_create("loop");

	tcase_add_unchecked_fixture(t, NULL, lock_done);
	tcase_add_loop_test(t, a_loop_with_registers_of_its_own, 0, 2 * N_CASES);
	tcase_add_test(t, a_trace_is_made_again);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
