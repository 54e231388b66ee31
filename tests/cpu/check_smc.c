/* tests/cpu/check_smc.c: code that is written to while it runs or waits to run, by
 * every kind of store, by another address, by a device, by another processor, by the
 * processor's own page walk; and code that other page tables, or none, lead to.
 *
 * Each case runs as tests/cpu/lockstep.h says: stepped, interpreted, translated, in
 * pieces of every size. A code page is exact to the byte: SDM vol. 3 §8.1.3 and §11.6 let a
 * processor need a jump or a serializing instruction first, P6 and later do not. */
#include "tests/cpu/lockstep.h"
#include "tests/unit.h"
#include "vmm/cpu/soft/translate/build.h"

#include <string.h>

/* ---- stores ------------------------------------------------------------------------- */

/* The store hits the immediate of the instruction behind it, which is in its block; three times,
 * so that what was decoded and translated is there already. RDI: the immediate, 16 bytes to its page's end not needed. */
#define PATCH(name, setup, store)                                                                                        \
	GUEST(name, "mov r15d, 3; movabs rax, 0x2122232425262728; mov ebx, 0x31323334; mov ecx, 0x41424344; movabs rdx, 0x5152535455565758\n" \
		    "mov [DATA], rax; mov [DATA + 8], rdx; movq xmm1, [DATA]; movdqa xmm2, [DATA]; mov esi, offset DATA\n" \
		    "lea rdi, [rip + " #name "_insn + 2]; mov rsp, STACK; xor r14, r14\n" #name "_loop: " setup "\n"        \
		    ".balign 16, 0x90; .fill 6, 1, 0x90\n" /* the immediate is aligned if the store is short */               \
		    "jmp " #name "_go; .balign 16, 0x90; .fill 16, 1, 0x90\n" #name "_go: " store "\n"                       \
		    #name "_insn: movabs r13, 0x1111111111111111; nop; nop; nop; nop; nop; nop; nop; nop\n"                \
		    "add r14, r13; mov rsp, STACK; lea rdi, [rip + " #name "_insn + 2]; mov ecx, 0x41424344; mov esi, offset DATA; cld\n" \
		    "dec r15d; jnz " #name "_loop; hlt");                                                                  \
	GUEST_LABEL(name##_insn)

PATCH(st_mov8, "", "mov [rdi], al");
PATCH(st_mov16, "", "mov [rdi + 1], ax");
PATCH(st_mov32, "", "mov [rdi + 2], eax");
PATCH(st_mov64, "", "mov [rdi], rax");
PATCH(st_movi8, "", "mov byte ptr [rdi + 7], 0x77");
PATCH(st_movi64, "", "mov qword ptr [rdi], -5");
PATCH(st_ah, "", "mov [rdi], ah");
PATCH(st_add, "", "add [rdi], rax");
PATCH(st_adc, "stc", "adc dword ptr [rdi], 7");
PATCH(st_sbb, "stc", "sbb [rdi + 3], al");
PATCH(st_xor, "", "xor [rdi], ebx");
PATCH(st_inc, "", "inc dword ptr [rdi + 4]");
PATCH(st_neg, "", "neg qword ptr [rdi]");
PATCH(st_not, "", "not byte ptr [rdi]");
PATCH(st_shl, "", "shl qword ptr [rdi], 3");
PATCH(st_rorcl, "mov cl, 5", "ror dword ptr [rdi], cl");
PATCH(st_rcl, "stc", "rcl word ptr [rdi], 1");
PATCH(st_shld, "", "shld [rdi], rax, 9");
PATCH(st_bts, "", "bts qword ptr [rdi], 41");
PATCH(st_btc, "mov eax, 70", "btc [rdi - 8], rax");
PATCH(st_setcc, "stc", "setc [rdi]");
PATCH(st_xchg, "", "xchg [rdi], rax");
PATCH(st_xadd, "", "lock xadd [rdi], rdx");
PATCH(st_cmpxchg, "mov rax, [rdi]", "lock cmpxchg [rdi], rdx");
PATCH(st_cmpxchg8b, "mov eax, [rdi]; mov edx, [rdi + 4]", "lock cmpxchg8b [rdi]");
PATCH(st_push, "lea rsp, [rdi + 8]", "push rax");
PATCH(st_pushi, "lea rsp, [rdi + 8]", "push 0x12345678");
PATCH(st_pushf, "lea rsp, [rdi + 8]", "pushfq");
PATCH(st_pushm, "lea rsp, [rdi + 8]", "push qword ptr [DATA]");
PATCH(st_call, "lea rsp, [rdi + 8]", "call st_call_insn");
PATCH(st_callr, "lea rsp, [rdi + 8]; lea rbp, [rip + st_callr_insn]", "call rbp");
PATCH(st_popm, "push rax", "pop qword ptr [rdi]");
PATCH(st_enter, "lea rsp, [rdi + 8]", "enter 0, 0");
PATCH(st_stosq, "", "stosq");
PATCH(st_movsd, "", "movsd");
PATCH(st_repstosb, "mov ecx, 8", "rep stosb");
PATCH(st_repmovsb, "mov ecx, 8", "rep movsb");
PATCH(st_repmovsq, "mov ecx, 2", "rep movsq");
PATCH(st_downmovsb, "std; add rdi, 7; add rsi, 7; mov ecx, 8", "rep movsb");
PATCH(st_movss, "", "movss [rdi], xmm1");
PATCH(st_movsdx, "", "movsd [rdi], xmm1");
PATCH(st_movq, "", "movq [rdi], xmm1");
PATCH(st_movd, "", "movd [rdi + 1], xmm1");
PATCH(st_movlps, "", "movlps [rdi], xmm2");
PATCH(st_movhps, "", "movhps [rdi], xmm2");
PATCH(st_movups, "movups xmm3, [rdi]; movlps xmm3, [DATA]", "movups [rdi], xmm3");
PATCH(st_movdqu, "movups xmm3, [rdi]; movlps xmm3, [DATA + 8]", "movdqu [rdi], xmm3");
PATCH(st_movnti, "", "movnti [rdi], rax");
PATCH(st_pextrb, "", "pextrb [rdi + 5], xmm1, 3");
PATCH(st_extractps, "", "extractps [rdi], xmm2, 2");
PATCH(st_maskmov, "pxor xmm4, xmm4; pcmpeqb xmm5, xmm5; movss xmm4, xmm5", "maskmovdqu xmm2, xmm4");
PATCH(st_fst, "fild qword ptr [DATA]", "fstp qword ptr [rdi]");
PATCH(st_fist, "fild dword ptr [DATA]", "fistp dword ptr [rdi]");
PATCH(st_fnstcw, "", "fnstcw [rdi]");
PATCH(st_stmxcsr, "", "stmxcsr [rdi]");
PATCH(st_movqmm, "movq mm1, [DATA]", "movq [rdi], mm1");
PATCH(st_sldt, "", "sldt [rdi]");
PATCH(st_ins, "mov edx, 0x77", "insb");

static const struct { const char *name; const uint8_t *code, *end, *insn; } stores[] = {
#define STORE(n) { #n, n, n##_end, n##_insn }
	STORE(st_mov8), STORE(st_mov16), STORE(st_mov32), STORE(st_mov64), STORE(st_movi8), STORE(st_movi64), STORE(st_ah),
	STORE(st_add), STORE(st_adc), STORE(st_sbb), STORE(st_xor), STORE(st_inc), STORE(st_neg), STORE(st_not), STORE(st_shl),
	STORE(st_rorcl), STORE(st_rcl), STORE(st_shld), STORE(st_bts), STORE(st_btc), STORE(st_setcc), STORE(st_xchg),
	STORE(st_xadd), STORE(st_cmpxchg), STORE(st_cmpxchg8b), STORE(st_push), STORE(st_pushi), STORE(st_pushf), STORE(st_pushm),
	STORE(st_call), STORE(st_callr), STORE(st_popm), STORE(st_enter), STORE(st_stosq), STORE(st_movsd), STORE(st_repstosb),
	STORE(st_repmovsb), STORE(st_repmovsq), STORE(st_downmovsb), STORE(st_movss), STORE(st_movsdx), STORE(st_movq), STORE(st_movd),
	STORE(st_movlps), STORE(st_movhps), STORE(st_movups), STORE(st_movdqu), STORE(st_movnti), STORE(st_pextrb), STORE(st_extractps),
	STORE(st_maskmov), STORE(st_fst), STORE(st_fist), STORE(st_fnstcw), STORE(st_stmxcsr), STORE(st_movqmm), STORE(st_sldt), STORE(st_ins),
};

/* What was loaded last is what stands there, and it is not what was assembled. */
static void expect_patched(struct lock_side *m)
{
	uint64_t is = lock_peek(m, lock_at(m, stores[m->c->param].insn) + 2);

	ck_assert_msg(*lock_reg(m, 13) == is, "%s, %s: R13 is %#llx, the immediate %#llx", m->c->name, m->name,
		      (unsigned long long)*lock_reg(m, 13), (unsigned long long)is);
	ck_assert_msg(is != 0x1111111111111111, "%s: nothing was stored", m->c->name);
	ck_assert_uint_eq(*lock_reg(m, 15), 0);
}

START_TEST(a_store_to_the_next_instruction)
{
	const struct lock_case c = { .name = stores[_i].name, .code = stores[_i].code, .end = stores[_i].end,
				     .expect = expect_patched, .param = (unsigned)_i };

	lock_run(&c);
}
END_TEST

/* ---- places --------------------------------------------------------------------------- */

/* In a loop of one block, what lies before and behind the store; RBX counts what the immediates were. */
GUEST(within_loop, "mov ecx, 6; xor ebx, ebx; 1: mov eax, 1; add ebx, eax; inc byte ptr [rip + 1b + 1]; inc byte ptr [rip + 2f + 1]\n"
		   "2: mov eax, 16; add ebx, eax; dec ecx; jnz 1b; hlt");
static void expect_within_loop(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), (1 + 2 + 3 + 4 + 5 + 6) + (17 + 18 + 19 + 20 + 21 + 22));
}

/* The block runs at one linear address and is written at another of the same page. */
GUEST(by_alias, "mov r12d, ALIAS; mov ecx, 3; xor ebx, ebx\n"
		"1: inc byte ptr [r12 + CODE + 2f - by_alias + 1]; 2: mov eax, 1; add ebx, eax; dec ecx; jnz 1b\n"
		/* and the other way round: on in the alias, written at the first */
		"lea rax, [rip + 3f]; add rax, r12; mov ecx, 3; jmp rax\n"
		"3: inc byte ptr [CODE + 4f - by_alias + 1]; 4: mov eax, 1; add ebx, eax; dec ecx; jnz 3b; hlt");
static void expect_by_alias(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 2 * (2 + 3 + 4));
}

/* The store crosses from the page of this block into that of the next one, which is linked:
 * mov bl, imm; nop; nop at 0xFFC, mov bh, imm; nop; nop at 0x1000. */
GUEST(over_two_pages, "mov ecx, 4; xor ebx, ebx; xor r8, r8; movabs rax, 0x909011B7909010B3; movabs rsi, 0x0000010000000100\n"
		      "jmp 1f; .fill 0xFD0 - (. - over_two_pages), 1, 0x90\n"
		      "1: add rax, rsi; mov [CODE + 0xFFC], rax; jmp 2f; .fill 0xFFC - (. - over_two_pages), 1, 0x90\n"
		      "2: mov bl, 1; nop; nop; mov bh, 1; nop; nop; movzx edx, bx; add r8, rdx; dec ecx; jnz 1b; hlt");
static void expect_over_two_pages(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_R8), 0x1211 + 0x1312 + 0x1413 + 0x1514);
}

/* What is called, jumped to and returned to has changed since it was linked: by a direct call, through a register, through memory. */
GUEST(callee, "mov r12d, 5; xor ebx, ebx; lea rbp, [rip + 9f]; mov [DATA], rbp\n"
	      "1: call 9f; add ebx, eax; inc byte ptr [rip + 9f + 1]; call rbp; add ebx, eax; inc byte ptr [rip + 9f + 1]\n"
	      "call [DATA]; add ebx, eax; inc byte ptr [rip + 9f + 1]; lea rdx, [rip + 3f]; push rdx; jmp 9f; 3: add ebx, eax\n"
	      "dec r12d; jnz 1b; hlt; .balign 64; 9: mov eax, 0; ret");
static void expect_callee(struct lock_side *m)
{
	unsigned sum = 0, n = 0;

	for (unsigned k = 0; k < 5; k++, n += 3)
		sum += n + (n + 1) + (n + 2) + (n + 3);
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), sum);
}

/* The callee changes what it returns to, in the caller's page and in another. */
GUEST(return_site, "mov r12d, 5; xor ebx, ebx; 1: call 9f; 2: mov eax, 0; add ebx, eax; call 8f; 3: mov eax, 100; add ebx, eax\n"
		   "dec r12d; jnz 1b; hlt; .fill 0x1000 - (. - return_site), 1, 0x90; 9: inc byte ptr [rip + 2b + 1]; ret\n"
		   "8: inc byte ptr [rip + 3b + 1]; ret");
static void expect_return_site(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 1 + 2 + 3 + 4 + 5 + 101 + 102 + 103 + 104 + 105);
}

/* A conditional jump of a block that ran both ways gets another target, another condition. */
GUEST(jcc, "mov r12d, 8; xor ebx, ebx; 1: test r12d, 1; 2: jz 3f; add ebx, 1; jmp 4f; 3: add ebx, 16; 4: xor byte ptr [rip + 2b], 1\n"
	   "dec r12d; jnz 1b; hlt");
static void expect_jcc(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 8 * 16); /* jz for the even, jnz for the odd, in turn */
}

/* The second half of an instruction over a page's end is written by the one before it. */
GUEST(crossing, "mov ecx, 4; xor ebx, ebx; jmp 1f; .fill 0xFEC - (. - crossing), 1, 0x90\n"
		"1: inc byte ptr [CODE + 0x1001]; nop; inc byte ptr [CODE + 0xFFE]\n"
		".fill 0xFFD - (. - crossing), 1, 0x90; mov eax, 0x01010101; add ebx, eax; dec ecx; jnz 1b; hlt");
static void expect_crossing(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 4 * 0x01010101u + 0x01000001u * (1 + 2 + 3 + 4));
}

/* A function is made anew between calls, as the kernel's alternatives and static calls are: two variants in turn. */
GUEST(alternatives, "mov r12d, 6; xor ebx, ebx; 1: lea rdi, [rip + 9f]; test r12d, 1; lea rsi, [rip + 7f]; lea rax, [rip + 8f]; cmovz rsi, rax\n"
		    "mov ecx, 16; rep movsb; call 9f; add ebx, eax; dec r12d; jnz 1b; hlt\n"
		    ".balign 64; 7: mov eax, 1; mov edx, 5; add eax, edx; ret; .fill 16, 1, 0x90; 8: mov eax, 0x100; ret; .fill 32, 1, 0x90\n"
		    ".balign 64; 9: .fill 32, 1, 0xF4");
static void expect_alternatives(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 3 * 6 + 3 * 0x100);
}

/* Data beside code, in one granule of 64 bytes and in others of the page: stores that must not disturb. */
GUEST(beside, "mov ecx, 5; xor ebx, ebx; 1: add [rip + 8f], rcx; add dword ptr [rip + 9f], 3; mov [rip + 7f], cl; add ebx, [rip + 8f]\n"
	      "push rcx; pop rdx; dec ecx; jnz 1b; hlt; 7: .byte 0; 8: .quad 0; .balign 512; 9: .quad 0");
static void expect_beside(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 5 + 9 + 12 + 14 + 15);
}

/* The processor itself writes code: the accessed bit turns 05 (add eax, imm32) into 25 (and eax, imm32) in the entry of page 3, whose
 * bytes are  add eax, 0x4030; add [rax], al; ret  (its bit 63 is NX). */
GUEST(accessed_bit, "mov r12d, PT + 3 * 8; mov eax, DATA - 0x4000; call r12; mov ebx, eax; mov eax, DATA - 0x4000; call r12\n"
		    "mov rdx, [PAGES + 0x3000]; mov r13d, eax; mov eax, DATA - 0x4000; call r12; mov r14d, eax; hlt");
static void prepare_accessed_bit(struct lock_side *m)
{
	lock_map(m, 3, UINT64_C(0xC300000000403005)); /* present, user, not accessed; frame 0x403000 */
	lock_poke(m, LOCK_PT + 4 * 8, 0xF4F4F4F4F4F4F4F4);
}
static void expect_accessed_bit(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), LOCK_DATA + 0x30); /* it added, twice */
	ck_assert_uint_eq(*lock_reg(m, 13), LOCK_DATA + 0x30);
	ck_assert_uint_eq(*lock_reg(m, 14), (LOCK_DATA - 0x4000) & 0x4030); /* it ANDs */
	ck_assert_uint_eq(lock_peek(m, LOCK_PT + 3 * 8) & 0xFF, 0x25);
}

/* ---- from outside ---------------------------------------------------------------------- */

/* DMA between any two instructions; R13 says which it was. */
GUEST(dma, "mov ecx, 6; xor ebx, ebx; xor r13d, r13d; 1: nop; add ebx, 1; lea rdx, [rdx + rbx]; call 8f; dec ecx; jnz 1b; hlt; 8: add ebx, 0x100; ret");
static void event_dma(struct lock_side *m)
{
	const uint8_t three = 3;

	flat_load(m->f, FLAT_CODE + 13, &three, 1); /* add ebx, 3 */
}
static void expect_dma(struct lock_side *m)
{
	uint64_t rbx = *lock_reg(m, CPU_RBX) & 0xFF;

	ck_assert_uint_eq(*lock_reg(m, CPU_RBX) >> 8, 6);
	ck_assert(rbx >= 6 && rbx <= 18 && rbx % 2 == 0);
}

/* A device writes into the very block whose store it serves: the instruction behind is the new one. */
GUEST(dma_in_store, "mov r12d, MMIO; mov ecx, 3; xor ebx, ebx; 1: mov eax, 1; mov [r12], eax; 2: mov eax, 1; add ebx, eax; dec ecx; jnz 1b; hlt");
static void device_writes(struct flat *f)
{
	uint8_t v = (uint8_t)(f->mem.host[FLAT_CODE + 23] + 1);

	flat_load(f, FLAT_CODE + 23, &v, 1);
}
static void prepare_dma_in_store(struct lock_side *m)
{
	m->f->on_mmio = device_writes;
}
static void expect_dma_in_store(struct lock_side *m)
{
	ck_assert_uint_eq(m->f->n_mmio, 3);
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 2 + 3 + 4);
}

/* Another processor writes; it has run the same code, so its TLB and the shared blocks are warm. */
GUEST(by_peer, "mov ecx, 6; xor ebx, ebx; 1: nop; add ebx, 1; dec ecx; jnz 1b; hlt; .balign 64\n"
	       "inc byte ptr [CODE + 10]; pause; inc byte ptr [CODE + 10]; jmp .");
static void event_by_peer(struct lock_side *m)
{
	struct soft *p = soft_of(m->peer);

	p->rip = FLAT_CODE + 64;
	p->halted = false;
	ck_assert_int_eq(m->peer->ops->run(m->peer, 20), CPU_STOP_PAUSE);
	ck_assert_int_eq(m->peer->ops->run(m->peer, 20), CPU_STOP_BUDGET);
}
static void expect_by_peer(struct lock_side *m)
{
	uint64_t rbx = *lock_reg(m, CPU_RBX);

	ck_assert(rbx >= 6 && rbx <= 18 && rbx % 2 == 0);
}

/* ---- page tables ------------------------------------------------------------------------- */

#define FRAME_CODE(n) "mov dword ptr [FRAMES + " #n " * 0x1000], 0xB8 + (" #n " + 1) * 0x100; mov dword ptr [FRAMES + " #n " * 0x1000 + 4], 0xC300\n"

/* Page 0 is frame 0, then 1, then 2: each time the other function runs. Called from a linked block, through a register and back by RET. */
GUEST(remap_invlpg, "mov r12d, PAGES; xor ebx, ebx\n" FRAME_CODE(0) FRAME_CODE(1) FRAME_CODE(2)
      "mov ebp, 3; 1: mov eax, 3; sub eax, ebp; shl eax, 12; add eax, FRAMES + 7; mov [PT], rax; invlpg [r12]; call r12; add ebx, eax\n"
      "call PAGES - CODE + remap_invlpg; add ebx, eax; shl ebx, 4; dec ebp; jnz 1b; hlt");
static void expect_remap(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 0x2460);
}
GUEST(remap_cr3, "mov r12d, PAGES; xor ebx, ebx; mov rcx, cr3\n" FRAME_CODE(0) FRAME_CODE(1) FRAME_CODE(2)
      "mov ebp, 3; 1: mov eax, 3; sub eax, ebp; shl eax, 12; add eax, FRAMES + 7; mov [PT], rax; mov cr3, rcx; call r12; add ebx, eax\n"
      "call PAGES - CODE + remap_cr3; add ebx, eax; shl ebx, 4; dec ebp; jnz 1b; hlt");
/* The page is global: CR4.PGE must go to and fro (SDM vol. 3 §4.10.4.1). */
GUEST(remap_pge, "mov r12d, PAGES; xor ebx, ebx; mov rcx, cr4; mov rdx, rcx; btr rdx, 7\n" FRAME_CODE(0) FRAME_CODE(1) FRAME_CODE(2)
      "mov ebp, 3; 1: mov eax, 3; sub eax, ebp; shl eax, 12; add eax, FRAMES + 0x107; mov [PT], rax; mov cr4, rdx; mov cr4, rcx; call r12; add ebx, eax\n"
      "call PAGES - CODE + remap_pge; add ebx, eax; shl ebx, 4; dec ebp; jnz 1b; hlt");
/* A page of 2 MiB becomes a table of small ones, and one again. */
GUEST(remap_large, "mov r12d, ALIAS + FRAMES + 0x10; xor ebx, ebx; mov byte ptr [FRAMES + 0x10], 0xB8; mov dword ptr [FRAMES + 0x11], 1; mov byte ptr [FRAMES + 0x15], 0xC3\n"
      "mov byte ptr [FRAMES + 0x2010], 0xB8; mov dword ptr [FRAMES + 0x2011], 2; mov byte ptr [FRAMES + 0x2015], 0xC3\n"
      /* the alias's 2 MiB page becomes a table of 4 KiB pages, whose first leads to frame 2 */
      "call r12; add ebx, eax; mov rcx, [0x2008]\n"
      "mov qword ptr [0xE000 + 8 * 2], 0xF007; mov rax, [0x3000]; mov [0xE000], rax; mov qword ptr [0xF000], FRAMES + 0x2007; mov qword ptr [0x2008], 0xE007\n"
      "invlpg [r12]; call r12; add ebx, eax; mov [0x2008], rcx; mov rax, cr3; mov cr3, rax; call r12; shl ebx, 4; add ebx, eax; hlt");
static void expect_remap_large(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 0x31);
}

/* Two address spaces: the same address is frame 0 in one, frame 1 in the other; 3 rounds of each. The second PML4 is at DATA, its
 * PDPT, PD and PT behind FRAMES + 4. */
GUEST(two_spaces, "mov r12d, PAGES; xor ebx, ebx; mov r13, cr3; mov r14d, FRAMES + 0x4000\n" FRAME_CODE(0) FRAME_CODE(1)
      "mov ecx, 512; mov esi, PML4; mov edi, FRAMES + 0x4000; rep movsq; mov ecx, 512; mov esi, PML4 + 0x1000; mov edi, FRAMES + 0x5000; rep movsq\n"
      "mov ecx, 512; mov esi, PML4 + 0x2000; mov edi, FRAMES + 0x6000; rep movsq; mov qword ptr [FRAMES + 0x4000], FRAMES + 0x5007\n"
      "mov qword ptr [FRAMES + 0x5000], FRAMES + 0x6007; mov qword ptr [FRAMES + 0x6000 + 4 * 8], FRAMES + 0x7007; mov qword ptr [FRAMES + 0x7000], FRAMES + 0x1007\n"
      "mov ebp, 3; 1: mov cr3, r14; call r12; add ebx, eax; shl ebx, 4; mov cr3, r13; call r12; add ebx, eax; shl ebx, 4; dec ebp; jnz 1b; hlt");
static void expect_two_spaces(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 0x2121210);
}

/* NX, then not, then not present: what was translated does not run where it may not. */
GUEST(no_execute, "mov r12d, PAGES; xor ebx, ebx\n" FRAME_CODE(0)
      "call r12; add ebx, eax; bts qword ptr [PT], 63; invlpg [r12]; call r12; add ebx, eax; mov rbp, [SEEN + 0x30]; shl rbp, 8\n"
      "btr qword ptr [PT], 0; invlpg [r12]; call r12; add ebx, eax; add rbp, [SEEN + 0x30]; hlt");
static void expect_no_execute(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 3);
	ck_assert_uint_eq(*lock_reg(m, CPU_RBP), 0x1110); /* I/D with and without P: SDM vol. 3 §4.7 */
	ck_assert_uint_eq(lock_seen(m)->n_faults, 2);
	ck_assert_uint_eq(lock_seen(m)->fault_rip, LOCK_PAGES);
	ck_assert_uint_eq(lock_seen(m)->fault_cr2, LOCK_PAGES);
}

/* The same by a direct call, which is linked; the page is read first, so that only its being executable is in question. */
GUEST(no_execute_far, "mov r12d, PAGES; xor ebx, ebx\n" FRAME_CODE(0)
      "mov ebp, 2; 1: call PAGES - CODE + no_execute_far; add ebx, eax; dec ebp; jnz 1b; bts qword ptr [PT], 63; invlpg [r12]; mov rax, [r12]\n"
      "mov ebp, 1; call 2f; bts qword ptr [PT], 63; invlpg [r12]; mov rax, [r12]; call 2f; hlt; 2: call PAGES - CODE + no_execute_far; add ebx, eax; ret");
static void expect_no_execute_far(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 4);
	ck_assert_uint_eq(lock_seen(m)->n_faults, 2);
	ck_assert_uint_eq(lock_seen(m)->fault_error, 0x11);
	ck_assert_uint_eq(lock_seen(m)->fault_rip, LOCK_PAGES);
}

/* A supervisor's function has run from this page; ring 3 jumps there as the supervisor did, and must not. */
GUEST(supervisor_page, "mov r12d, PAGES; xor ebx, ebx; mov qword ptr [PT], FRAMES + 3; invlpg [r12]\n" FRAME_CODE(0)
      "mov ebp, 2; mov qword ptr [SEEN + 0x178], 1; 1: call r12; add ebx, eax; dec ebp; jnz 1b\n"
      "push 0x23; push STACK - 0x100; push 2; push 0x2B; lea rax, [rip + 2f]; push rax; iretq; 2: mov eax, 7; call r12; mov ebx, 0x99; hlt");
static void expect_supervisor_page(struct lock_side *m)
{
	ck_assert_uint_eq(lock_seen(m)->n_faults, 1);
	ck_assert_uint_eq(lock_seen(m)->fault_error, 0x15);
	ck_assert_uint_eq(lock_seen(m)->fault_rip, LOCK_PAGES);
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), lock_seen(m)->look);
}

static void event_nmi(struct lock_side *m)
{
	m->f->cpu->ops->nmi(m->f->cpu);
}
static void prepare_nmi(struct lock_side *m)
{
	flat_gate(m->f, EXC_NMI, LOCK_HANDLERS);
}

#define CASE(n, ...) { .name = #n, .code = n, .end = n##_end, __VA_ARGS__ }
static const struct lock_case cases[] = {
	CASE(within_loop, .expect = expect_within_loop),
	/* With an NMI before every instruction, so each may be the first of what is left of a block. */
	{ "within_loop, NMI", within_loop, within_loop_end, prepare_nmi, event_nmi, expect_within_loop, 0, false, false },
	CASE(by_alias, .expect = expect_by_alias),
	CASE(over_two_pages, .expect = expect_over_two_pages),
	CASE(callee, .expect = expect_callee),
	{ "callee, NMI", callee, callee_end, prepare_nmi, event_nmi, expect_callee, 0, false, false },
	CASE(return_site, .expect = expect_return_site),
	CASE(jcc, .expect = expect_jcc),
	CASE(crossing, .expect = expect_crossing),
	CASE(alternatives, .expect = expect_alternatives),
	CASE(beside, .expect = expect_beside),
	CASE(accessed_bit, .prepare = prepare_accessed_bit, .expect = expect_accessed_bit),
	CASE(dma, .event = event_dma, .expect = expect_dma),
	CASE(dma_in_store, .prepare = prepare_dma_in_store, .expect = expect_dma_in_store),
	CASE(by_peer, .event = event_by_peer, .expect = expect_by_peer),
	CASE(remap_invlpg, .expect = expect_remap),
	CASE(remap_cr3, .expect = expect_remap),
	CASE(remap_pge, .expect = expect_remap),
	CASE(remap_large, .expect = expect_remap_large),
	CASE(two_spaces, .expect = expect_two_spaces),
	CASE(no_execute, .expect = expect_no_execute),
	CASE(no_execute_far, .expect = expect_no_execute_far),
	CASE(supervisor_page, .expect = expect_supervisor_page),
};
enum { N_STORES = sizeof(stores) / sizeof(stores[0]), N_CASES = sizeof(cases) / sizeof(cases[0]) };

START_TEST(code_that_changes)
{
	lock_run(&cases[_i]);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/smc");
	TCase *t = tcase_create("smc");

	tcase_add_unchecked_fixture(t, NULL, lock_done);
	tcase_add_loop_test(t, a_store_to_the_next_instruction, 0, N_STORES);
	tcase_add_loop_test(t, code_that_changes, 0, N_CASES);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
