/* tests/cpu/check_trace.c: loops of several blocks, which the translator makes one piece of
 * code (vmm/cpu/soft/translate/select.c), left at every instruction: by the end of a
 * piece, by an interrupt, by a fault.
 *
 * As tests/cpu/lockstep.h says, with MUSTER_SOFT=traces as well: then blocks are translated at
 * their second entry, when it is known what runs behind them. */
#include "tests/cpu/lockstep.h"
#include "tests/unit.h"

/* The first instruction spoils the flags that the last one left: only who leaves between two turns sees
 * them. Short, so that pieces of five instructions end there. */
GUEST(spoiled, "mov ecx, 6\n"
	       "spoiled_a: cmp ecx, 1; je spoiled_b; adc ecx, -1; jmp spoiled_a\n"
	       "spoiled_b: hlt");
GUEST(spoiled_sbb, "mov ecx, 6\n"
		   "spoiled_sbb_a: cmp ecx, 1; je spoiled_sbb_b; sbb ecx, 1; jmp spoiled_sbb_a\n"
		   "spoiled_sbb_b: hlt");
GUEST(shifts, "mov ecx, 0x81; add ecx, ecx\n"
	      "shifts_a: cmp ecx, 1; jbe shifts_b; shr ecx, 1; jmp shifts_a\n"
	      "shifts_b: hlt");
/* Registers of SSE and MXCSR live over the turns, the side way is taken every third time. */
GUEST(sse, "mov ecx, 9; mov eax, 3; cvtsi2sd xmm0, eax; cvtsi2sd xmm1, eax; xor edx, edx\n"
	   "sse_a: divsd xmm0, xmm1; inc edx; cmp edx, 3; je sse_side; addsd xmm1, xmm0; movsd [DATA], xmm1\n"
	   "sse_b: dec ecx; jnz sse_a; hlt\n"
	   "sse_side: xor edx, edx; mulsd xmm0, xmm1; stmxcsr [DATA + 8]; jmp sse_b");
/* Short enough for several turns to be one; the memory of each lies beside that of the next. */
GUEST(turns, "mov ecx, 7; mov edi, PAGES + 0xFEC\n"
	     "turns_a: add [rdi], ecx; adc rax, [rdi - 4]; add rdi, 4; sub ecx, 1; jnz turns_a; hlt");
/* A call and a return, a store that faults in the middle, and goes on. */
GUEST(faults, "mov ecx, 6; mov rsp, STACK; mov edi, PAGES + 0x1FF8\n"
	      "faults_a: call faults_f; xor dword ptr [PT + 16], 1; invlpg [PAGES + 0x2000]; dec ecx; jnz faults_a; hlt\n"
	      "faults_f: cmp ecx, 3; sbb eax, eax; mov [rdi], rcx; mov [rdi + 8], rcx; adc ebx, eax; ret");

#define CASE(n, ...) { .name = #n, .code = n, .end = n##_end, __VA_ARGS__ }
static const struct lock_case cases[] = {
	CASE(spoiled, .expect = NULL), CASE(spoiled, .event = lock_irq),
	CASE(spoiled_sbb, .expect = NULL), CASE(spoiled_sbb, .event = lock_irq),
	CASE(shifts, .expect = NULL), CASE(shifts, .event = lock_irq),
	CASE(sse, .expect = NULL), CASE(sse, .event = lock_irq),
	CASE(turns, .expect = NULL), CASE(turns, .event = lock_irq),
	CASE(faults, .expect = NULL), CASE(faults, .event = lock_irq),
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

/* Even numbers: blocks by themselves. */
START_TEST(a_loop_left_anywhere)
{
	lock_run_as(&cases[_i / 2], _i % 2 ? "traces" : "eager");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/trace");
	TCase *t = tcase_create("trace");

	tcase_add_unchecked_fixture(t, NULL, lock_done);
	tcase_add_loop_test(t, a_loop_left_anywhere, 0, 2 * N_CASES);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
