/* tests/cpu/check_return.c: returns that do not go where the call came from, and those that do.
 *
 * The translator's RET is one of the host's (vmm/cpu/soft/translate/link.c): where it
 * leads is a guess, and each case makes it wrong in another way. As tests/cpu/lockstep.h says, with every block
 * translated and with traces.
 *
 * Sources: SDM vol. 1 §6.4 (CALL and RET). */
#include "tests/cpu/lockstep.h"
#include "tests/unit.h"

#include <string.h>

/* More levels than the host's stack of them has. */
GUEST(deep, "mov esi, 2\n"
	    "deep_a: mov ecx, esi; sub ecx, 1; imul ecx, ecx, 540; inc ecx; call deep_f; dec esi; jnz deep_a; hlt\n"
	    "deep_f: add rax, rcx; dec ecx; jz deep_b; call deep_f; inc rbx\n"
	    "deep_b: ret");
/* Two threads that hand over to each other: every RET belongs to the other one's CALL. */
GUEST(threads, "mov esi, 6; mov rbp, STACK - 0x1000; lea rax, [rip + threads_t]; mov [rbp], rax\n"
	       "threads_a: call threads_s; inc rbx; dec esi; jnz threads_a; hlt\n"
	       "threads_t: add rdx, 3; call threads_s; call threads_n; jmp threads_t\n"
	       "threads_n: call threads_s; ret\n"
	       "threads_s: xchg rsp, rbp; ret");
/* What a kernel that fears speculation does for a jump. */
GUEST(thunk, "mov esi, 6; lea rax, [rip + thunk_b]\n"
	     "thunk_a: call thunk_f; inc rdx; dec esi; jnz thunk_a; hlt\n"
	     "thunk_f: call thunk_g; ud2\n"
	     "thunk_g: mov [rsp], rax; ret\n"
	     "thunk_b: inc rbx; ret 0");
/* Over two levels at once, and the same address from another level. */
GUEST(skip, "mov esi, 6\n"
	    "skip_a: call skip_f; add ebx, esi; dec esi; jnz skip_a; hlt\n"
	    "skip_f: test esi, 1; jz skip_b; call skip_g; inc rdx\n"
	    "skip_b: ret\n"
	    "skip_g: call skip_h; inc rcx; ret\n"
	    "skip_h: test esi, 2; jz skip_b; add rsp, 16; ret");
/* By register and by memory, one callee after the other. */
GUEST(indirect, "mov esi, 6; lea rax, [rip + indirect_f]; lea rdx, [rip + indirect_g]\n"
		"indirect_a: call rax; xchg rax, rdx; mov [DATA], rax; call [DATA]; dec esi; jnz indirect_a; hlt\n"
		"indirect_f: inc rbx; ret\n"
		"indirect_g: dec rcx; ret 0");
/* The bytes behind the call become others while it runs. */
GUEST(rewritten, "mov esi, 6\n"
		 "rewritten_a: call rewritten_f\n"
		 "rewritten_b: add ebx, 1; dec esi; jnz rewritten_a; hlt\n"
		 "rewritten_f: mov byte ptr [rip + rewritten_b + 2], sil; ret");
/* Back to the same bytes at their other address. */
GUEST(alias, "mov esi, 6; mov edx, ALIAS\n"
	     "alias_a: call alias_f; lea rbx, [rip + alias_a]; add rcx, rbx; dec esi; jnz alias_a; hlt\n"
	     "alias_f: add [rsp], rdx; neg rdx; ret");
/* Back to the same address, where there is another page by then. */
GUEST(remapped, "mov esi, 6; cld\n"
		"mov edi, FRAMES; lea rsi, [rip + remapped_p]; mov ecx, 32; rep movsb\n"
		"mov edi, FRAMES + 0x1000; lea rsi, [rip + remapped_p]; mov ecx, 32; rep movsb; inc dword ptr [FRAMES + 0x1000 + 6]\n"
		"mov esi, 6; lea rdx, [rip + remapped_f]\n"
		"remapped_a: mov eax, PAGES; call rax; dec esi; jnz remapped_a; hlt\n"
		"remapped_p: call rdx; add rbx, 0x100; add rbx, 0x1000; ret\n"
		"remapped_f: test esi, 1; jnz remapped_b; xor dword ptr [PT], 0x1000; invlpg [PAGES]; mov eax, [PAGES]\n"
		"remapped_b: jmp remapped_c\n" /* the load is interpreted, and with it the rest of its block */
		"remapped_c: ret");
/* To a page that is not there any more: the fault is its fetch's. */
GUEST(gone, "mov esi, 4; mov dword ptr [FRAMES], 0xC3D2FF\n" /* call rdx; ret: two bytes and one */
	    "lea rdx, [rip + gone_f]\n"
	    "gone_a: mov eax, PAGES; call rax; dec esi; jnz gone_a; hlt\n"
	    "gone_f: and byte ptr [PT], 0xFE; invlpg [PAGES]; ret");
/* To where no address is: the fault is the RET's. */
GUEST(noncanonical, "mov esi, 4\n"
		    "noncanonical_a: call noncanonical_f; dec esi; jnz noncanonical_a; bts qword ptr [DATA], 0; call noncanonical_f; hlt\n"
		    "noncanonical_f: bt qword ptr [DATA], 0; jnc noncanonical_b; btc qword ptr [rsp], 60\n"
		    "noncanonical_b: ret\n"
		    "noncanonical_g: add rsp, 8; mov rcx, [rsp]; mov rdx, [rsp + 24]; hlt");
GUEST_LABEL(noncanonical_b);
GUEST_LABEL(noncanonical_g);
static void prepare_noncanonical(struct lock_side *m)
{
	lock_gate(m, 13, noncanonical_g);
}
static void expect_noncanonical(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RCX), lock_at(m, noncanonical_b));
	ck_assert_uint_eq(*lock_reg(m, CPU_RDX), FLAT_STACK - 8);
}
/* The last instruction of a page is the call: it returns to the next page. */
GUEST(page_end, "mov esi, 4; lea rdx, [rip + page_end_f]; mov word ptr [FRAMES + 0xFFE], 0xD2FF; mov byte ptr [FRAMES + 0x1000], 0xC3\n"
		"page_end_a: mov eax, PAGES + 0xFFE; call rax; xor dword ptr [PT + 8], 0x2000; invlpg [PAGES + 0x1000]\n"
		"mov word ptr [FRAMES + 0x3000], 0xC390; dec esi; jnz page_end_a; hlt\n"
		"page_end_f: inc rbx; ret");

#define CASE(n, ...) { .name = #n, .code = n, .end = n##_end, __VA_ARGS__ }
static const struct lock_case cases[] = {
	CASE(deep, .expect = NULL), CASE(threads, .expect = NULL), CASE(thunk, .expect = NULL), CASE(skip, .expect = NULL),
	CASE(indirect, .expect = NULL), CASE(rewritten, .expect = NULL), CASE(alias, .expect = NULL),
	CASE(remapped, .expect = NULL), CASE(gone, .expect = NULL), CASE(noncanonical, .prepare = prepare_noncanonical, .expect = expect_noncanonical),
	CASE(page_end, .expect = NULL), CASE(threads, .event = lock_irq), CASE(skip, .event = lock_irq), CASE(alias, .event = lock_irq),
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

/* Even numbers: blocks by themselves. */
START_TEST(a_return_goes_where_the_guest_says)
{
	lock_run_as(&cases[_i / 2], _i % 2 ? "traces" : "eager");
}
END_TEST

/* Deeper than all the memory that the host's stack of translated code has: nothing beside it is written to. */
GUEST(abyss, "mov ecx, 20000; call abyss_f; hlt\n"
	     "abyss_f: add rax, rcx; dec ecx; jz abyss_b; call abyss_f; inc rbx\n"
	     "abyss_b: ret");

START_TEST(a_deep_recursion)
{
	enum { BELOW = CODE_STACK_TOP - CODE_RETURNS - 16 };
	struct flat *f = flat_new_as(_i ? "traces" : "eager");
	struct soft *s = flat_soft(f);

	memset(s->code_stack[0], 0xA5, BELOW * sizeof(s->code_stack[0][0]));
	flat_code(f, abyss, (size_t)(abyss_end - abyss));
	ck_assert_int_eq(flat_run(f, 1000000), CPU_STOP_HALT);
	ck_assert_uint_eq(s->r[CPU_RAX], 200010000);
	ck_assert_uint_eq(s->r[CPU_RBX], 19999);
	ck_assert_uint_eq(s->r[CPU_RSP], FLAT_STACK);
	for (unsigned k = 0; k < BELOW; k++)
		ck_assert_uint_eq(s->code_stack[0][k], UINT64_C(0xA5A5A5A5A5A5A5A5));
	flat_free(f);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/return");
	TCase *t = tcase_create("return");

	tcase_add_unchecked_fixture(t, NULL, lock_done);
	tcase_add_loop_test(t, a_return_goes_where_the_guest_says, 0, 2 * N_CASES);
	tcase_add_loop_test(t, a_deep_recursion, 0, 2);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
