/* tests/cpu/check_ring.c: the same code at two privileges. Translated code looks at the TLB of one, and its calls have
 * a stack of the host's per privilege; here kernel and user run the same bytes, hand returns to each other, and the user
 * turns alignment checks on and off in the middle of a loop.
 *
 * As tests/cpu/lockstep.h says, with every block translated and with traces.
 *
 * Sources: SDM vol. 3 §4.6 (access rights), §6.15 (#AC). */
#include "tests/cpu/lockstep.h"
#include "tests/unit.h"

#include "vmm/cpu/soft/mmu/seg.h"
#include "vmm/cpu/soft/sysreg.h"

/* Goes to label @to at CPL 3. */
#define USER(to) "push 0x23; push STACK - 0x1000; push 2; push 0x2B; lea rax, [rip + " to "]; push rax; iretq\n"

/* A function reads a page that is the supervisor's: the kernel may, the user's turn faults every time. */
GUEST(both, "mov esi, 5; mov ebp, 3\n"
	    "both_a: mov qword ptr [PT], FRAMES + 3; invlpg [PAGES]; lea rdx, [rip + both_f]; call rdx; call both_f\n" USER("both_u")
	    "both_u: push rax; pop rax; lea rdx, [rip + both_f]; call rdx; call both_f; ud2\n"
	    "both_b: mov rsp, STACK; dec esi; jnz both_a; hlt\n"
	    "both_f: add rbx, [PAGES + 8]; mov ecx, 3\n"
	    "both_l: add rbx, [PAGES]; inc qword ptr [PAGES]; imul rbx, rbp; dec ecx; jnz both_l; ret");
GUEST_LABEL(both_b);
static void prepare_both(struct lock_side *m)
{
	lock_gate(m, EXC_UD, both_b);
}
static void expect_both(struct lock_side *m)
{
	ck_assert_uint_eq(lock_peek(m, LOCK_FRAMES), 5 * 12);
	ck_assert_uint_eq(lock_seen(m)->n_faults, 5);
	ck_assert_uint_eq(lock_seen(m)->fault_error, 5);
	ck_assert_uint_eq(lock_seen(m)->fault_cr2, LOCK_PAGES + 8);
}

/* The user's RET to where the kernel's call returns to, in a page that is not the user's: the fetch faults. */
GUEST(landing, "mov esi, 4; mov dword ptr [FRAMES], 0xFF48D2FF; mov dword ptr [FRAMES + 4], 0x0B0FC3\n" /* call rdx; inc rbx; ud2 */
	       "landing_a: mov qword ptr [PT], FRAMES + 3; invlpg [PAGES]; lea rdx, [rip + landing_r]; mov eax, PAGES; jmp rax\n"
	       "landing_r: test esi, 1; jz landing_f; ret\n"
	       "landing_f: mov rcx, [rsp]; mov [STACK - 0x1000], rcx\n" USER("landing_u")
	       "landing_u: ret\n"
	       "landing_b: mov rsp, STACK; dec esi; jnz landing_a; hlt");
GUEST_LABEL(landing_b);
static void prepare_landing(struct lock_side *m)
{
	lock_gate(m, EXC_UD, landing_b);
}
static void expect_landing(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 4);
	ck_assert_uint_eq(lock_seen(m)->n_faults, 2);
	ck_assert_uint_eq(lock_seen(m)->fault_rip, LOCK_PAGES + 2);
	ck_assert_uint_eq(lock_seen(m)->fault_cr2, LOCK_PAGES + 2);
	ck_assert_uint_eq(lock_seen(m)->fault_error & ~UINT64_C(0x10), 5);
}

/* POPF turns alignment checks on every other turn: the next access of the same code faults. The handler turns them off. */
GUEST(aligned, "mov rax, cr0; or eax, 0x40000; mov cr0, rax; mov ecx, 7; mov edi, DATA + 1; mov qword ptr [DATA], 0x01020304\n"
	       USER("aligned_a")
	       "aligned_a: mov eax, [rdi]; add rbx, rax; pushfq; test ecx, 1; jz aligned_b; or dword ptr [rsp], 0x40000\n"
	       "aligned_b: popfq; mov edx, [rdi + 4]; call aligned_f; dec ecx; jnz aligned_a; ud2\n"
	       "aligned_f: sub rbx, rdx; mov eax, [rdi]; add rbx, rax; ret\n"
	       "aligned_h: add rsp, 8; inc r8; btr qword ptr [rsp + 16], 18; iretq\n"
	       "aligned_e: hlt");
GUEST_LABEL(aligned_h);
GUEST_LABEL(aligned_e);
static void prepare_aligned(struct lock_side *m)
{
	lock_gate(m, EXC_AC, aligned_h);
	lock_gate(m, EXC_UD, aligned_e);
}
static void expect_aligned(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_R8), 4);
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 14 * 0x010203);
}

/* Checks are on all the time, and what is aligned goes on; the kernel, which the interrupts are, is not asked. */
GUEST(aligned_on, "mov rax, cr0; or eax, 0x40000; mov cr0, rax; mov ecx, 3; mov edi, DATA\n"
		  "push 0x23; push STACK - 0x1000; push 0x40202; push 0x2B; lea rax, [rip + aligned_on_a]; push rax; iretq\n"
		  "aligned_on_a: inc dword ptr [rdi + 4]; push rcx; pop rdx; add ebx, [rdi + 4]; dec ecx; jnz aligned_on_a; mov eax, [rdi + 3]; ud2\n"
		  "aligned_on_h: mov rax, [rdi + 3]; hlt");
GUEST_LABEL(aligned_on_h);
static void prepare_aligned_on(struct lock_side *m)
{
	lock_gate(m, EXC_AC, aligned_on_h);
}
static void expect_aligned_on(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 1 + 2 + 3);
	ck_assert_uint_eq(*lock_reg(m, CPU_RAX), 3 << 8);
}

/* Deep in the kernel's calls the user calls and returns, and the kernel then returns all the way. */
GUEST(nested, "mov esi, 3\n"
	      "nested_a: call nested_f; dec esi; jnz nested_a; hlt\n"
	      "nested_f: call nested_g; inc rbx; ret\n"
	      "nested_g: mov rbp, rsp; push 0x23; push STACK - 0x1000; push 2; push 0x2B; lea rax, [rip + nested_u]; push rax; iretq\n"
	      "nested_u: call nested_v; inc rdx; ud2\n"
	      "nested_v: call nested_w; inc rcx; ret\n"
	      "nested_w: inc r8; ret\n"
	      "nested_k: mov rsp, rbp; ret");
GUEST_LABEL(nested_k);
static void prepare_nested(struct lock_side *m)
{
	lock_gate(m, EXC_UD, nested_k);
}
static void expect_nested(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 3);
	ck_assert_uint_eq(*lock_reg(m, CPU_RCX), 3);
	ck_assert_uint_eq(*lock_reg(m, CPU_RDX), 3);
	ck_assert_uint_eq(*lock_reg(m, CPU_R8), 3);
}

#define CASE(n, ...) { .name = #n, .code = n, .end = n##_end, .prepare = prepare_##n, .expect = expect_##n, __VA_ARGS__ }
static const struct lock_case cases[] = {
	CASE(both, .event = NULL), CASE(landing, .event = NULL), CASE(aligned, .event = NULL), CASE(aligned_on, .event = NULL),
	CASE(nested, .event = NULL), CASE(aligned_on, .event = lock_irq), CASE(nested, .event = lock_irq),
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

/* Even numbers: blocks by themselves. */
START_TEST(kernel_and_user_run_the_same_code)
{
	lock_run_as(&cases[_i / 2], _i % 2 ? "traces" : "eager");
}
END_TEST

/* What the user calls leaves the kernel's stack of the host's alone, and the other way round. */
START_TEST(each_privilege_has_its_own_return_stack)
{
	struct flat *f = flat_new_as("eager");
	struct soft *s = flat_soft(f);

	flat_code(f, nested, (size_t)(nested_end - nested));
	ck_assert_int_eq(s->tlb_n, 0);
	ck_assert_ptr_eq(s->tlb, s->tlbs[0]);
	seg_set_flat_64(s, LOCK_CS3, LOCK_DS3, 3);
	ck_assert_int_eq(s->tlb_n, 1);
	ck_assert_ptr_eq(s->tlb, s->tlbs[1]);
	ck_assert_uint_eq(s->code_sp, (uint64_t)(uintptr_t)&s->code_stack[1][CODE_STACK_TOP]);
	s->code_sp -= 8;
	seg_set_flat_64(s, 8, 0x10, 0);
	ck_assert_uint_eq(s->code_sp, (uint64_t)(uintptr_t)&s->code_stack[0][CODE_STACK_TOP]);
	seg_set_flat_64(s, LOCK_CS3, LOCK_DS3, 3);
	ck_assert_uint_eq(s->code_sp, (uint64_t)(uintptr_t)&s->code_stack[1][CODE_STACK_TOP - 1]);
	s->cr0 |= CR0_AM;
	soft_flags_set(s, FLAG_AC | 2);
	soft_mode_changed(s);
	ck_assert_ptr_eq(s->tlb, s->tlbs[2]);
	flat_free(f);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/ring");
	TCase *t = tcase_create("ring");

	tcase_add_unchecked_fixture(t, NULL, lock_done);
	tcase_add_loop_test(t, kernel_and_user_run_the_same_code, 0, 2 * N_CASES);
	tcase_add_test(t, each_privilege_has_its_own_return_stack);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
