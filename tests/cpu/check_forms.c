/* tests/cpu/check_forms.c: instructions with a generic uop that the translator has code for all
 * the same (vmm/cpu/soft/translate/emit_bits.c, emit_sys.c, emit_string.c, emit_generic.c), in every
 * form that their code tells apart, with flags that are looked at and with such that are not.
 *
 * As tests/cpu/lockstep.h says, with every block translated and with traces. What one instruction does to random
 * operands is for tests/oracle/oracle_insn.c. */
#include "tests/cpu/lockstep.h"
#include "tests/unit.h"

/* Flags go into RBP: all of them, by PUSHF. */
#define SEE "pushf; pop rbp; xor [DATA + 0x700], rbp; rol qword ptr [DATA + 0x700], 3\n"
#define EACH(...) "mov esi, 65; mov rax, 0x8123456789ABCDEF; mov r10, rax; mov rbx, rax; mov edi, DATA; mov [rdi], rax; mov [rdi + 8], rbx\n" \
		  "1: " __VA_ARGS__ "sub esi, 8; jg 1b; hlt"

/* Counts of 0, of a whole word and beyond: from 64 down by 8. */
GUEST(shifts, EACH("mov ecx, esi; dec ecx; shl rax, cl\n" SEE "mov ecx, esi; shr ebx, cl\n" SEE "sar r10, cl\n" SEE
		   "shl qword ptr [rdi], cl\n" SEE "sar dword ptr [rdi + 8], cl\n" SEE "stc; shl edx, cl; adc edx, 0; shr cl, 1; shl rcx, cl\n" SEE
		   "shr r10d, 7\n" SEE "shl dword ptr [rdi], 1\n" SEE "sar qword ptr [rdi + 8], 63\n" SEE "shr qword ptr [rdi], 0\n" SEE
		   "shl bx, 3\n" SEE "sar bl, cl\n" SEE "mov rax, [rdi + 0x700]; add r10, rax; xor rbx, rax; add [rdi], rax; sub [rdi + 8], rax\n"));
GUEST(rotates, EACH("mov ecx, esi; dec ecx; rol rax, cl\n" SEE "mov ecx, esi; ror ebx, cl\n" SEE "rol r10, cl\n" SEE "ror qword ptr [rdi], cl\n" SEE
		    "rol dword ptr [rdi + 8], cl\n" SEE "cmp esi, 35; ror ecx, cl\n" SEE "ror r10d, 7\n" SEE "rol dword ptr [rdi], 1\n" SEE
		    "sub eax, ebx; ror eax, 31\n" SEE "rol qword ptr [rdi + 8], 0\n" SEE "ror bx, 3\n" SEE "rol bl, cl\n" SEE "rcl rax, 2\n" SEE
		    "ror dword ptr [rdi], 13; rol rbx, 9\n"));
/* Bits beyond the operand on both sides. */
GUEST(bits, EACH("lea ecx, [rsi - 35]; movsxd rcx, ecx; imul rcx, rcx, 13; mov edi, DATA + 0x100; mov [rdi], rax; bt [rdi], rcx\n" SEE
		 "bts qword ptr [rdi + 8], rcx\n" SEE "btr dword ptr [rdi + 4], ecx\n" SEE "btc [rdi], rcx; setc al\n"
		 "cmp esi, 4; bts [rdi], ecx\n" SEE "bt rax, rcx\n" SEE "bts r10, rcx\n" SEE "btr eax, ecx\n" SEE "btc qword ptr [rdi], 63\n" SEE
		 "bt dword ptr [rdi + 4], 33\n" SEE "bt qword ptr [rdi + 0x600], 5; adc rbx, rbx; rol r10, 5; add rax, rbx\n"));
/* Over the end of a page, to one that is not there. */
GUEST(bit_fault, "mov esi, 4; mov edi, PAGES + 0xFF0\n"
		 "bit_fault_a: mov ecx, 130; btc [rdi], rcx; xor dword ptr [PT + 8], 1; invlpg [PAGES + 0x1000]; add rax, [PAGES + 0x1000]; dec esi\n"
		 "jnz bit_fault_a; hlt");
GUEST(scans, EACH("bsf rcx, rax\n" SEE "bsr ecx, ebx\n" SEE "xor edx, edx; bsf rcx, rdx\n" SEE "bsr r10, rbx\n" SEE "bsr r10d, edx\n" SEE
		  "bsf r10d, [rdi]\n" SEE "bsr rcx, [rdi + 8]\n" SEE "rep bsf edx, r10d\n" SEE "bsf rdi, rdi; mov edi, DATA; bsr eax, esi; bsf rcx, rdx\n"
		  "jz 2f; inc rcx; 2: shl rbx, 1; add rbx, rcx; mov [rdi], rbx; shr qword ptr [rdi + 8], 1\n"));
GUEST(doubles, EACH("mov rdx, [rdi + 8]; mov rax, [rdi]; test esi, 1; jz 2f; inc rdx; 2: mov rbx, rsi; lea rcx, [rsi + 5]; cmp esi, 7\n"
		    "lock cmpxchg16b [rdi]\n" SEE "cmpxchg16b [rdi + 16]; setz [rdi + 0x600]\n"
		    "mov rdx, -1; mov rax, -1; cmp esi, 9; cmpxchg8b [rdi + 4]\n" SEE "mov eax, [rdi + 4]; mov edx, [rdi + 8]; cmpxchg8b [rdi + 4]\n" SEE
		    "add rdx, rax; mov [rdi + 0x608], rdx\n"));
/* #GP where it is not aligned. */
GUEST(double_fault, "mov esi, 3; mov edi, DATA; mov ebp, 8\n"
		    "double_fault_a: cmpxchg16b [rdi]; mov [rdi + 8], rdx; cmp esi, 2; cmove rdi, rbp; lea rdi, [rdi + DATA - DATA]; dec esi; jnz double_fault_a\n"
		    "double_fault_g: mov rcx, [rsp + 8]; hlt");
GUEST_LABEL(double_fault_g);
static void prepare_double_fault(struct lock_side *m)
{
	lock_gate(m, 13, double_fault_g);
}
GUEST(carries, EACH("add rax, rax; adc [rdi], rax\n" SEE "sbb rbx, [rdi]\n" SEE "adc dword ptr [rdi + 8], -5\n" SEE "sbb r10d, [rdi + 8]\n" SEE
		    "sbb word ptr [rdi + 2], 0x1234\n" SEE "adc byte ptr [rdi + 3], cl\n" SEE "cmp eax, ebx; sbb byte ptr [rdi + 5], 3\n" SEE
		    "adc [rdi + 8], r10; sbb cl, [rdi + 9]; setc [rdi + 0x600]; add rax, rcx; adc rbx, [rdi]; sbb rax, rax; adc rax, [rdi + 8]\n"));
GUEST(words, EACH("add [rdi], ax\n" SEE "sub bx, [rdi + 1]\n" SEE "cmp word ptr [rdi + 2], 0x4321\n" SEE "and word ptr [rdi + 8], 0xFFF1\n" SEE
		  "or r10w, [rdi]\n" SEE "xor [rdi + 9], r10w\n" SEE "test [rdi], bx\n" SEE "test word ptr [rdi + 1], 0x8001\n" SEE
		  "cmp r10w, [rdi + 3]; jl 2f; inc dx; 2: sub word ptr [rdi + rsi], -3; add dx, [rdi + rsi]; mov [rdi + 0x600], dx; rol rax, 7\n"));
/* What a kernel asks for; at ring 0. */
GUEST(kernel, "mov esi, 6; mov ecx, 0xC0000102; mov eax, DATA; xor edx, edx; wrmsr\n"
	      "kernel_a: cmp esi, 3; cld; mov rax, cr0; mov r10, cr3; mov rbx, cr4; mov r11, cr2; adc rdx, rax; swapgs; mov gs:[esi], bl; mov rcx, gs:[0]; swapgs\n"
	      "mov ecx, ss; mov r10d, cs; mov rax, ds; add edx, ecx; add rdx, r10; std; pushf; cld; pop rbp; add rdx, rbp; sub esi, 1; cld; jnz kernel_a; hlt");
/* Whole, to the end of a page, beyond it, none, downwards. */
GUEST(fills, "mov esi, 4; mov rax, 0x1122334455667788\n"
	     "fills_a: mov edi, PAGES + 0xFC0; mov ecx, esi; rep stosq; mov [DATA], rdi; lea edi, [PAGES + 0x1000 + rsi]; mov ecx, esi; rep stosw\n"
	     "mov ecx, 64; lea edi, [PAGES + 0xFB8 + rsi]; rep stosb; xor ecx, ecx; rep stosd; mov edi, DATA + 0x80; stosq; stosb; stosw; stosd\n"
	     "mov ecx, 3; std; rep stosq; stosb; cld; add rbx, rdi; add rbx, rcx; ror rax, 7; dec esi; jnz fills_a; hlt");
GUEST(copies, "mov ebp, 4; mov eax, 0x99; mov edi, DATA; mov ecx, 0x100; rep stosb; mov edx, PAGES\n"
	      "copies_a: mov esi, DATA; lea edi, [edx + 0xFC0]; mov ecx, ebp; mov [rsi], rbp; rep movsq; mov [DATA + 0x20], rdi; mov [DATA + 0x28], rsi\n"
	      "lea edi, [DATA + rbp + 1]; mov esi, DATA; mov ecx, 64; rep movsb\n" /* the two overlap */
	      "lea esi, [DATA + 0x40]; lea edi, [rsi - 3]; mov ecx, 20; rep movsw; lea esi, [edx + 0xFF0]; lea edi, [rdx + 0x1FF4]; mov ecx, 4; rep movsd\n"
	      "xor ecx, ecx; rep movsq; movsq; movsb; mov ecx, 2; std; rep movsd; cld; add rbx, rdi; sub rbx, rsi; movsw; dec ebp; jnz copies_a; hlt");
/* Into code that runs next, and into a page that may not be written. */
GUEST(onto, "mov ebp, 6\n"
	    "onto_a: lea rdi, [rip + onto_b + 1]; mov eax, ebp; stosb; mov ecx, 2; rep stosb\n"
	    "onto_b: mov ebx, 0x77777777; add rdx, rbx; xor dword ptr [PT + 16], 1; invlpg [PAGES + 0x2000]; mov edi, PAGES + 0x1FF8; mov ecx, 2; rep stosq\n"
	    "dec ebp; jnz onto_a; hlt");

#define CASE(n, ...) { .name = #n, .code = n, .end = n##_end, __VA_ARGS__ }
static const struct lock_case cases[] = {
	CASE(shifts, .expect = NULL), CASE(rotates, .expect = NULL), CASE(bits, .expect = NULL), CASE(bit_fault, .expect = NULL),
	CASE(scans, .expect = NULL), CASE(doubles, .expect = NULL), CASE(double_fault, .prepare = prepare_double_fault),
	CASE(carries, .expect = NULL), CASE(words, .expect = NULL), CASE(kernel, .expect = NULL), CASE(kernel, .event = lock_irq),
	CASE(fills, .expect = NULL), CASE(fills, .event = lock_irq), CASE(copies, .expect = NULL),
	CASE(onto, .expect = NULL),
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

/* Even numbers: blocks by themselves. */
START_TEST(forms_are_what_their_executors_do)
{
	lock_run_as(&cases[_i / 2], _i % 2 ? "traces" : "eager");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/forms");
	TCase *t = tcase_create("forms");

	tcase_add_unchecked_fixture(t, NULL, lock_done);
	tcase_add_loop_test(t, forms_are_what_their_executors_do, 0, 2 * N_CASES);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
