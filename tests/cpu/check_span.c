/* tests/cpu/check_span.c: accesses that lie close together, which the translator looks up once
 * (vmm/cpu/soft/translate/coalesce.c).
 *
 * Each case is about another thing that may come between two of them: the end of the page, a page that
 * may be read only or is not there, code, a register that is not what it was. As
 * tests/cpu/lockstep.h says, with every block translated and with traces. */
#include "tests/cpu/lockstep.h"
#include "tests/unit.h"

#include "vmm/cpu/soft/block/block.h"

/* A frame that slides over a page's end, 8 bytes at a time. */
GUEST(slide, "mov esi, 20; lea rsp, [PAGES + 0x1050]\n"
	     "slide_a: push rsi; push rax; push 0x77; sub rsp, 24; mov [rsp], rsi; mov [rsp + 16], rsp; add rax, [rsp]\n"
	     "add rax, [rsp + 24]; add rax, [rsp + 16]; add rsp, 24; pop rcx; pop rdx; pop rbx; lea rsp, [rsp - 8]\n"
	     "dec esi; jnz slide_a; hlt");
/* The same with odd sizes by a base, and an index that stays. */
GUEST(slide_odd, "mov esi, 36; mov ebx, PAGES + 0xFE0; mov edx, 3\n"
		 "slide_odd_a: mov [rbx + rdx * 4], sil; mov eax, [rbx + rdx * 4 + 1]; mov [rbx + rdx * 4 + 7], eax\n"
		 "movzx ecx, word ptr [rbx + rdx * 4 + 7]; add [rbx + rdx * 4 + 3], cx; inc rbx; xor rdi, [rbx + rdx * 4 - 2]\n"
		 "dec esi; jnz slide_odd_a; hlt");
/* The second page is not there, then may be read only: the fault is the access's own. */
GUEST(half, "mov esi, 4; mov ebx, PAGES + 0x1FF8\n"
	    "half_a: xor dword ptr [PT + 16], 1; invlpg [PAGES + 0x2000]; jmp half_b\n"
	    "half_b: mov [rbx], rsi; inc rcx; mov rax, [rbx]; mov [rbx + 8], rax; add [rbx], rcx; mov rdx, [rbx + 8]\n"
	    "dec esi; jnz half_a; hlt");
/* Read first, then written, by an entry that was filled for reading: D becomes set. */
GUEST(dirty, "mov esi, 6; mov ebx, PAGES + 0x3000\n"
	     "dirty_a: and dword ptr [PT + 24], ~0x40; invlpg [PAGES + 0x3000]; jmp dirty_b\n"
	     "dirty_b: mov rax, [rbx + 8]; add rax, rsi; mov rdx, [rbx + 24]; mov [rbx + 16], rdx; mov [rbx + 8], rax; add rcx, [rbx + 16]\n"
	     "add ecx, [PT + 24]; dec esi; jnz dirty_a; hlt");
/* Read and written where code is: the write changes what runs next. */
GUEST(code, "mov esi, 6; lea rbx, [rip + code_b]\n"
	    "code_a: mov eax, [rbx]; mov edx, [rbx - 8]; add [rbx + 1], sil; mov ecx, [rbx]; nop\n"
	    "code_b: mov edi, 0x1000; add rbp, rdi; dec esi; jnz code_a; hlt");
/* The same by RIP. */
GUEST(code_rip, "mov esi, 6\n"
		"code_rip_a: mov eax, [rip + code_rip_b]; mov edx, [rip + code_rip_b + 4]; mov [rip + code_rip_b + 1], sil; nop\n"
		"code_rip_b: mov edi, 0x1000; add rbp, rdi; dec esi; jnz code_rip_a; hlt");
/* Registers that are copies, moved copies, and not any more. */
GUEST(copies, "mov esi, 6; mov ebx, DATA\n"
	      "copies_a: mov [rbx], rsi; mov rcx, rbx; mov [rcx + 8], rsi; add rcx, 16; mov [rcx], rcx; inc rcx; mov [rcx + 7], rbx\n"
	      "dec rcx; mov [rcx + 24], ecx; lea rdx, [rcx - 8]; mov [rdx], rdx; sub rdx, -32; mov [rdx], dl; sub dl, 8; mov [rdx], rdx\n"
	      "dec edx; mov [rdx + 40], rsi; xchg rdx, rcx; mov [rdx + 64], rsi; mov [rcx + 72], rcx; mov ecx, ecx; add [rcx], rsi\n"
	      "cmp esi, 3; cmova rcx, rbx; mov [rcx + 96], rdi; imul rcx, rcx, 1; add [rcx + 96], rbx; neg rcx; neg rcx; sub [rcx], rbx\n"
	      "not rcx; not rcx; mov ax, [rcx + 2]; shl rcx, 1; shr rcx, 1; add rdi, [rcx]; mov rbp, [rbx + 8]\n"
	      "mov eax, esi; mul rbx; mov [rbx + 128], rdx; mov eax, 1; mov rdx, rbx; mov [rdx + 136], rsi; cqo; mov [rdx + DATA + 144], rsi\n"
	      "dec esi; jnz copies_a; hlt");
/* Loads that write what their own address is made of. */
GUEST(chase, "mov esi, 6; mov ebx, DATA; mov [rbx], rbx; lea rax, [rbx + 8]; mov [rbx + 8], rax; mov [rbx + 16], rbx\n"
	     "chase_a: mov rbx, [rbx]; mov rbx, [rbx + 8]; mov rbx, [rbx + 8]; movzx ecx, byte ptr [rbx]; movzx ecx, word ptr [rbx + rcx + 2]\n"
	     "add rdx, [rbx + rcx * 8]; lea rcx, [rcx + rbx]; add rdx, [rcx + 8]; dec esi; jnz chase_a; hlt");
/* What the stack's own instructions do with RSP. */
GUEST(stack, "mov esi, 3\n"
	     "stack_a: mov rsp, STACK; push rsp; pop rax; push rbp; mov rbp, rsp; sub rsp, 32; mov [rbp - 8], rsi; mov [rsp], rsp\n"
	     "add rdi, [rsp]; leave; push rsp; push rsp; pop rsp; push 5; mov rbx, [rsp + 8]; pop qword ptr [rsp + 8]; push qword ptr [rsp]\n"
	     "pushf; pop rcx; pop rdx; call stack_f; lea rsp, [rsp - 16]; add rdi, [rsp + 8]; dec esi; jnz stack_a; hlt\n"
	     "stack_f: push rsi; add rdi, [rsp + 8]; pop rsi; ret");
/* Bases of segments: the same displacement is elsewhere, and moves. */
GUEST(segments, "mov esi, 6\n"
		"segments_a: mov ecx, 0xC0000101; mov eax, esi; shl eax, 4; add eax, DATA; xor edx, edx; wrmsr; jmp segments_b\n"
		"segments_b: mov gs:[8], rsi; mov ds:[DATA + 8], rax; mov rbx, gs:[8]; mov rdi, gs:[0]; mov [rdi + DATA + 0x100], rbx\n"
		"add rbp, ds:[DATA + 16]; mov fs:[DATA + 0x80], rsi; swapgs; mov gs:[DATA + 0x90], rbp; swapgs; add rbp, gs:[16]\n"
		"dec esi; jnz segments_a; hlt");
/* Aligned or not, which only the access itself can tell; #GP halts. */
GUEST(aligned, "mov esi, 6; mov ebx, DATA + 8\n"
	       "aligned_a: mov [rbx], rsi; mov [rbx + 8], rbx; movaps xmm0, [rbx + 8]; movaps [rbx + 24], xmm0; paddq xmm0, [rbx + 24]\n"
	       "movups [rbx + 1], xmm0; movq xmm1, [rbx + 2]; movaps [rbx + 40], xmm1; dec esi; jnz aligned_a; movaps xmm0, [rbx]; nop; nop\n"
	       "aligned_g: mov rcx, [rsp + 8]; hlt");
GUEST_LABEL(aligned_g);
static void prepare_aligned(struct lock_side *m)
{
	lock_gate(m, 13, aligned_g);
}
/* Flags that live over accesses that look nothing up. */
GUEST(flags, "mov esi, 4; mov ebx, DATA\n"
	     "flags_a: mov [rbx + 24], rsi; cmp esi, 3; mov [rbx], rsi; mov rax, [rbx + 8]; push rsi; push rbx; jb flags_b; inc rdx\n"
	     "flags_b: cmp esi, 4; push rsi; pushf; ja flags_c; inc rdx\n"
	     "flags_c: pop rcx; pop rcx; pop rcx; pop rcx; add rax, rax; mov [rbx + 16], rax; mov rcx, [rbx]; adc rdi, 0; sub rsi, 1; push rsi; setc [rbx + 8]\n"
	     "pop rsi; cmovz rdi, [rbx + 16]; test esi, esi; mov [rbx], rdi; jnz flags_a; hlt");
/* An instruction without code of its own stands between, and writes to the same page. */
GUEST(executed, "mov esi, 6; mov ebx, DATA; cld\n"
		"executed_a: mov [rbx], rsi; mov rax, [rbx + 8]; lea rdi, [rbx + 8]; mov eax, esi; stosd; mov [rbx + 16], rsi; add rdx, [rbx + 8]\n"
		"cpuid; mov ebx, DATA; mov eax, [rbx + 4]; add ebp, eax; dec esi; jnz executed_a; hlt");
/* Arrays walked through over a page's end, some turns at a time; the loop is left in any of them. */
GUEST(walk, "mov edx, 3; walk_a: mov ecx, 9; lea edi, [PAGES + 0xFD4 + rdx]; mov esi, DATA; mov rbx, rdi\n"
	    "walk_b: mov [rdi], rcx; add rax, [rdi - 8]; add rax, [rsi]; mov [rsi + 8], eax; add rdi, 8; lea rsi, [rsi + 4]; dec ecx; jnz walk_b\n"
	    "walk_c: sub rdi, 2; mov rcx, [rdi]; xor rax, rcx; cmp rdi, rbx; ja walk_c; dec edx; jnz walk_a; hlt");
/* Memory that is not RAM, which is no span's. */
GUEST(device, "mov esi, 4; mov ebx, MMIO\n"
	      "device_a: mov eax, [rbx]; mov [rbx + 8], esi; add edx, [rbx + 16]; mov [rsp - 8], edx; add ecx, [rsp - 8]; dec esi; jnz device_a; hlt");
/* Far from each other, and more bases than there are spans. */
GUEST(many, "mov esi, 4; mov ebx, DATA\n"
	    "many_a: mov rax, rsi; mov rcx, rbx; mov [rbx], rsi; mov [rbx + 0x700], rsi; mov [rbx + 0x1FC], rsi; add rdx, [rbx + 0x708]\n"
	    "add rdx, [rbx + 0x200]; add rdx, [rbx + 0xFFC]; add rdx, [rbx + 0x1004]\n"
	    ".rept 20\n imul rcx, rcx, 1; mov [rcx], rsi; add rdx, [rcx + 8]; mov [rcx + 16], rdx; \n.endr\n"
	    "dec esi; jnz many_a; hlt");

#define CASE(n, ...) { .name = #n, .code = n, .end = n##_end, __VA_ARGS__ }
static const struct lock_case cases[] = {
	CASE(slide, .expect = NULL), CASE(slide_odd, .expect = NULL), CASE(half, .expect = NULL), CASE(half, .event = lock_irq),
	CASE(dirty, .expect = NULL), CASE(code, .expect = NULL), CASE(code_rip, .expect = NULL), CASE(copies, .expect = NULL),
	CASE(chase, .expect = NULL), CASE(stack, .expect = NULL), CASE(stack, .event = lock_irq), CASE(segments, .expect = NULL),
	CASE(aligned, .prepare = prepare_aligned), CASE(flags, .expect = NULL), CASE(flags, .event = lock_irq),
	CASE(executed, .expect = NULL), CASE(device, .expect = NULL), CASE(many, .expect = NULL),
	CASE(walk, .expect = NULL),
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

/* Even numbers: blocks by themselves. */
START_TEST(spans_are_what_their_accesses_are)
{
	lock_run_as(&cases[_i / 2], _i % 2 ? "traces" : "eager");
}
END_TEST

/* The frame lies in two pages every time. */
GUEST(straddling, "mov esi, 400; mov esp, 0x70010; xor edx, edx\n"
		  "straddling_a: push rsi; push rsi; push rsi; pop rax; pop rax; pop rax; add rdx, rax; dec esi; jnz straddling_a; hlt");

/* Then its accesses are looked up one by one, and the code is not left any more. */
START_TEST(spans_that_straddle_are_given_up)
{
	struct flat *f = flat_new_as("traces");
	struct soft *s = flat_soft(f);
	const struct block *b = NULL;
	unsigned n_given_up = 0;

	flat_code(f, straddling, (size_t)(straddling_end - straddling));
	ck_assert_int_eq(flat_run(f, 1000000), CPU_STOP_HALT);
	ck_assert_uint_eq(s->r[CPU_RDX], 400 * 401 / 2);
	for (uint32_t k = BLOCK_HEADER_SLOTS; k < s->blocks->used[0]; k += b->n_slots) {
		b = (const struct block *)(const void *)&s->blocks->slots[k];
		n_given_up += b->no_spans;
		if (b->no_spans)
			ck_assert(b->has_code);
	}
	ck_assert_uint_eq(n_given_up, 1);
	flat_free(f);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/span");
	TCase *t = tcase_create("span");

	tcase_add_unchecked_fixture(t, NULL, lock_done);
	tcase_add_loop_test(t, spans_are_what_their_accesses_are, 0, 2 * N_CASES);
	tcase_add_test(t, spans_that_straddle_are_given_up);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
