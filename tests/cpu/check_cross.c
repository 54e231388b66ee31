/* tests/cpu/check_cross.c: instructions, loads and stores that cross a page's end.
 *
 * An instruction whose second page is not there faults before anything of it happens, with
 * that page in CR2 and itself in RIP; a store whose second page may not be written
 * writes nothing of the first. Either way the instruction is done again when the page is mapped, and
 * then the second page is what is mapped now. Each at every byte of the boundary, as
 * tests/cpu/lockstep.h says: stepped, interpreted, translated, in pieces of every size.
 *
 * Sources: SDM vol. 3 §4.7 (the error code), §6.5 (faults restart), §11.6. */
#include "tests/cpu/lockstep.h"
#include "tests/unit.h"

#include <string.h>

enum { SPLIT = LOCK_PAGES + 0x1000, FRAME1 = LOCK_FRAMES + 0x1000, P_W_U = 7, ERROR_FETCH = 0x10 };

/* ---- instructions ------------------------------------------------------------------------ */

/* Each is copied so that it ends @param bytes behind the boundary; a HLT follows. Four NOPs before it make a block that leads there. */
#define INSN(name, text) GUEST(in_##name, text)
INSN(mov64, "movabs rax, 0x1122334455667788");
INSN(mov32, "mov ecx, 0x44332211");
INSN(add, "add qword ptr [r8 + 0x120], 0x55443322");
INSN(addr, "lock add dword ptr [r8 + r9 * 4 + 0x1200], 0x12345678");
INSN(lea, "lea r10, [r8 + r9 * 8 + 0x11223344]");
INSN(riprel, "mov rax, [rip + (DATA - PAGES - 0x1000)]");
INSN(jmp, ".byte 0xe9, 0, 0, 0, 0");
INSN(jz, ".byte 0x0f, 0x84, 0, 0, 0, 0");
INSN(jnz, ".byte 0x0f, 0x85, 0, 0, 0, 0");
INSN(short_jmp, "jmp .+2");
INSN(call, "call .+5");
INSN(callm, "call qword ptr [DATA + 0x20]");
INSN(push, "push 0x11223344");
INSN(pushm, "push qword ptr [rsp + 0x120]"); /* what it reads and what it writes are looked up together, and lie in two pages */
INSN(sse, "paddd xmm3, [r8 + 0x140]");
INSN(store, "movups [r8 + 0x160], xmm3");
INSN(rep, "rep movsb");
INSN(imul, "imul r11, [r8 + 0x180], 0x11223344");
INSN(shift, "shl dword ptr [r8 + 0x1a0], 5");
INSN(cpuid, "cpuid");
INSN(popcnt, "popcnt rax, [r8 + 0x1c0]");
INSN(longest, ".byte 0x66, 0x66, 0x66, 0x2e, 0x66; mov ax, 0x1234");
INSN(crc, "crc32 rax, qword ptr [r8 + 0x1e0]");
INSN(fild, "fild qword ptr [r8 + r9 * 2 + 0x1f0]");

static const struct { const char *name; const uint8_t *code, *end; } insns[] = {
#define LISTED(n) { #n, in_##n, in_##n##_end }
	LISTED(mov64), LISTED(mov32), LISTED(add), LISTED(addr), LISTED(lea), LISTED(riprel), LISTED(jmp), LISTED(jz), LISTED(jnz),
	LISTED(short_jmp), LISTED(call), LISTED(callm), LISTED(push), LISTED(pushm), LISTED(sse), LISTED(store), LISTED(rep), LISTED(imul), LISTED(shift),
	LISTED(cpuid), LISTED(popcnt), LISTED(longest), LISTED(crc), LISTED(fild),
};
enum { N_INSNS = sizeof(insns) / sizeof(insns[0]) };

static unsigned at_insn, behind; /* which, and how many of its bytes lie in the second page */

static size_t insn_len(void)
{
	return (size_t)(insns[at_insn].end - insns[at_insn].code);
}

static uint64_t insn_at(void)
{
	return SPLIT - (insn_len() - behind);
}

static void put_insn(struct lock_side *m)
{
	static const uint8_t nops[] = { 0x90, 0x90, 0x90, 0x90 }, hlt = 0xF4;
	uint64_t at = LOCK_FRAMES + insn_at() - LOCK_PAGES;
	uint8_t data[0x1000];

	for (unsigned k = 0; k < sizeof(data); k++)
		data[k] = (uint8_t)(k * 13 + 5);
	flat_load(m->f, LOCK_DATA, data, sizeof(data));
	lock_poke(m, LOCK_DATA + 0x20, SPLIT + behind);
	flat_load(m->f, at - 4, nops, 4);
	flat_load(m->f, at, insns[at_insn].code, insn_len());
	flat_load(m->f, LOCK_FRAMES + 0x1000 + behind, &hlt, 1);
	*lock_reg(m, CPU_R8) = LOCK_DATA;
	*lock_reg(m, 9) = 8;
	*lock_reg(m, CPU_RSI) = LOCK_DATA;
	*lock_reg(m, CPU_RDI) = LOCK_DATA + 0x400;
	*lock_reg(m, CPU_RCX) = 9;
}

/* The second page is not present. */
static void prepare_absent(struct lock_side *m)
{
	put_insn(m);
	lock_map(m, 1, FRAME1);
}
static void prepare_nx(struct lock_side *m)
{
	put_insn(m);
	lock_map(m, 1, FRAME1 | P_W_U | UINT64_C(1) << 63);
}

static void expect_fetch_fault(struct lock_side *m, uint64_t error)
{
	const struct lock_seen *seen = lock_seen(m);

	ck_assert_msg(seen->n_faults == 1 && seen->fault_rip == insn_at() && seen->fault_cr2 == SPLIT && seen->fault_error == error &&
			      flat_soft(m->f)->rip == SPLIT + behind + 1,
		      "%s, %u bytes behind, %s: %llu faults, RIP %#llx, CR2 %#llx, error %#llx; ended at %#llx", insns[at_insn].name, behind, m->name,
		      (unsigned long long)seen->n_faults, (unsigned long long)seen->fault_rip, (unsigned long long)seen->fault_cr2,
		      (unsigned long long)seen->fault_error, (unsigned long long)flat_soft(m->f)->rip);
	ck_assert_uint_eq(seen->fault_rsp, FLAT_STACK);
	ck_assert_uint_eq(seen->fault_rcx, 9);
}
static void expect_absent(struct lock_side *m)
{
	expect_fetch_fault(m, ERROR_FETCH);
}
static void expect_nx(struct lock_side *m)
{
	expect_fetch_fault(m, ERROR_FETCH | 1);
}

GUEST(go, "mov rax, PAGES + 0x1000; sub rax, r12; jmp rax");
static void prepare_go(struct lock_side *m, void (*prepare)(struct lock_side *))
{
	prepare(m);
	*lock_reg(m, 12) = SPLIT - insn_at() + 4;
}
static void prepare_go_absent(struct lock_side *m)
{
	prepare_go(m, prepare_absent);
}
static void prepare_go_nx(struct lock_side *m)
{
	prepare_go(m, prepare_nx);
}

START_TEST(second_page_of_an_instruction)
{
	const struct lock_case absent = { "absent", go, go_end, prepare_go_absent, NULL, expect_absent, 0, false, false };
	const struct lock_case nx = { "nx", go, go_end, prepare_go_nx, NULL, expect_nx, 0, false, false };

	at_insn = (unsigned)_i;
	for (behind = 1; behind < insn_len(); behind++) {
		lock_run(&absent);
		lock_run(&nx);
	}
}
END_TEST

/* It runs, its second page is remapped to another frame, it runs again, the new frame is written, it runs a third time. RBX: what it gave. */
GUEST(remapped, "mov r12d, PAGES + 0xFFD; xor ebx, ebx; mov byte ptr [FRAMES + 0xFFD], 0xB8; mov word ptr [FRAMES + 0xFFE], 0x0101\n"
		"mov dword ptr [FRAMES + 0x1000], 0xC30101; mov dword ptr [FRAMES + 0x2000], 0xC30202\n"
		"mov ebp, 2; 1: call r12; add ebx, eax; dec ebp; jnz 1b; mov qword ptr [PT + 8], FRAMES + 0x2007; invlpg [PAGES + 0x1000]\n"
		"mov ebp, 2; 2: call r12; add ebx, eax; dec ebp; jnz 2b; mov byte ptr [FRAMES + 0x2001], 3; mov ebp, 2; 3: call r12; add ebx, eax; dec ebp; jnz 3b\n"
		/* back to frame 1 by a CR3 write; and the same frame as first and second page */
		"mov qword ptr [PT + 8], FRAMES + 0x1007; mov rax, cr3; mov cr3, rax; call r12; add ebx, eax; mov byte ptr [FRAMES], 4; mov word ptr [FRAMES + 1], 0xC304\n"
		"mov qword ptr [PT + 8], FRAMES + 7; invlpg [PAGES + 0x1000]; call r12; add ebx, eax; hlt");
static void expect_remapped(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 2 * 0x01010101u + 2 * 0x02020101u + 2 * 0x03020101u + 0x01010101u + 0x04040101u);
}

/* Two linear pairs share the first page but not the second: one physical start, two instructions, in turn. */
GUEST(two_seconds, "mov r12d, PAGES + 0xFFD; mov r13d, PAGES + 0x2FFD; xor ebx, ebx; mov byte ptr [FRAMES + 0xFFD], 0xB8; mov word ptr [FRAMES + 0xFFE], 0x0101\n"
		   "mov dword ptr [FRAMES + 0x1000], 0xC30101; mov dword ptr [FRAMES + 0x3000], 0xC30202; mov qword ptr [PT + 16], FRAMES + 7; invlpg [PAGES + 0x2000]\n"
		   "mov ebp, 4; 1: call r12; add ebx, eax; call r13; add ebx, eax; dec ebp; jnz 1b; hlt");
static void expect_two_seconds(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), (uint32_t)(4 * (0x01010101u + 0x02020101u)));
}

/* A block that runs to its page's end and falls into the next page, which comes and goes. */
GUEST(fall_into, "mov r12d, PAGES + 0xFFA; xor ebx, ebx; movabs rax, 0xC3C001C001C001; mov dword ptr [FRAMES + 0xFFA], 0x03C383C3; mov dword ptr [FRAMES + 0xFFA], 0x9003C383\n"
		 "mov word ptr [FRAMES + 0xFFE], 0x9090; mov dword ptr [FRAMES + 0x1000], 0xC307C383; mov ebp, 3; 1: call r12; dec ebp; jnz 1b\n"
		 "btr qword ptr [PT + 8], 0; invlpg [PAGES + 0x1000]; call r12; mov qword ptr [PT + 8], FRAMES + 0x2007; mov dword ptr [FRAMES + 0x2000], 0xC360C383\n"
		 "invlpg [PAGES + 0x1000]; call r12; hlt");
static void expect_fall_into(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 4 * (3 + 7) + 3 + 0x60);
	ck_assert_uint_eq(lock_seen(m)->n_faults, 1);
	ck_assert_uint_eq(lock_seen(m)->fault_rip, SPLIT);
	ck_assert_uint_eq(lock_seen(m)->fault_rsp, FLAT_STACK - 8);
}

/* Flags that are made, a store that misses the TLB (each CR3 write empties it), the jump on them: the block is left in
 * the middle, and what goes on with it must know the flags by all their bits. The conditions follow from the result alone. */
#define OVER_A_MISS(insn, jump) "stc; mov ecx, 1; mov edx, 0x80000000; mov r8d, 0x7F; mov cr3, rax; " insn "; mov [PAGES + 0x10], eax; " jump " 9f; inc ebx\n"
GUEST(over_a_miss, "mov rax, cr3; xor ebx, ebx\n"
      OVER_A_MISS("stc; sbb cl, 0", "jnz") OVER_A_MISS("stc; sbb ecx, 0", "jnz") OVER_A_MISS("stc; sbb rcx, 1", "jns")
      OVER_A_MISS("stc; adc r8b, 0", "jns") OVER_A_MISS("stc; adc edx, 0x7fffffff", "jne") OVER_A_MISS("stc; adc cx, 1", "jnp")
      OVER_A_MISS("stc; sbb r8b, 0x7f", "jnp") OVER_A_MISS("add r8b, 1", "jns") OVER_A_MISS("sub ecx, 1", "jnz") OVER_A_MISS("dec cl", "jnz")
      OVER_A_MISS("shl edx, 1", "jnz") OVER_A_MISS("and edx, 0x7fffffff", "jnz") OVER_A_MISS("imul r8d, ecx", "js") OVER_A_MISS("neg edx", "jno") "9: hlt");
static void expect_over_a_miss(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RBX), 14);
}

/* PUSH [RSP + 0x120], over the boundary: what it reads and what it writes are looked up together, and lie in two pages. */
GUEST(straddling, "mov r12d, PAGES + 0xFFD; mov ecx, 40; xor ebx, ebx; lea r13, [rip + straddling_back]; movabs rax, 0x410000012024B4FF\n"
		  "mov [FRAMES + 0xFFD], rax; mov word ptr [FRAMES + 0x1005], 0xE5FF; mov [rsp + 0x120], rax\n"
		  "straddling_a: jmp r12; straddling_back: pop rax; add rbx, rax; mov [rsp + 0x120], rbx; dec ecx; jnz straddling_a; hlt");
static void expect_straddling(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, CPU_RCX), 0);
}

static const struct lock_case places[] = {
	{ "remapped", remapped, remapped_end, NULL, NULL, expect_remapped, 0, false, false },
	{ "two_seconds", two_seconds, two_seconds_end, NULL, NULL, expect_two_seconds, 0, false, false },
	{ "over_a_miss", over_a_miss, over_a_miss_end, NULL, NULL, expect_over_a_miss, 0, false, false },
	{ "straddling", straddling, straddling_end, NULL, NULL, expect_straddling, 0, false, false },
	{ "fall_into", fall_into, fall_into_end, NULL, NULL, expect_fall_into, 0, false, false },
};

START_TEST(second_page_that_changes)
{
	lock_run(&places[_i]);
}
END_TEST

/* ---- loads and stores ------------------------------------------------------------------- */

/* Each with RDI at the operand, of SIZE bytes, which crosses at every byte in turn. Twice: the first
 * time the second page is missing, the second time all is warm. */
#define ACCESS(name, text)                                                                                               \
	GUEST(ac_##name, "mov r13d, 2; movabs rax, 0x2122232425262728; movabs rdx, 0x5152535455565758; mov ecx, 3; movq xmm1, rax\n" \
			 "movups xmm2, [DATA]; movups xmm3, [DATA + 16]; mov rsi, DATA + 0x40; fild qword ptr [DATA]; lea r14, [rdi]; mov r15, rsp\n" \
			 "1: mov rdi, r14; mov rsp, r15; " text "; mov rsp, r15; mov rdi, r14; mov ecx, 3; cld; dec r13d; jnz 1b; hlt")
ACCESS(mov16, "mov [rdi], ax");
ACCESS(mov32, "mov [rdi], eax");
ACCESS(mov64, "mov [rdi], rax");
ACCESS(movi, "mov qword ptr [rdi], 0x11223344");
ACCESS(add, "add [rdi], rax");
ACCESS(lockadd, "lock add [rdi], rax");
ACCESS(adc, "stc; adc dword ptr [rdi], 5");
ACCESS(cmp, "cmp [rdi], rdx");
ACCESS(inc, "inc dword ptr [rdi]");
ACCESS(not, "not qword ptr [rdi]");
ACCESS(shl, "shl qword ptr [rdi], cl");
ACCESS(shrd, "shrd [rdi], rax, 5");
ACCESS(xchg, "xchg [rdi], rax");
ACCESS(xadd, "xadd [rdi], rax");
ACCESS(cmpxchg, "mov rax, [DATA]; cmpxchg [rdi], rdx");
ACCESS(cmpxchg8b, "cmpxchg8b [rdi]");
ACCESS(bts, "bts qword ptr [rdi], 33");
ACCESS(push, "lea rsp, [rdi + 8]; push rax");
ACCESS(pushm, "lea rsp, [rdi + 8]; push qword ptr [DATA]");
ACCESS(pushf, "lea rsp, [rdi + 8]; pushfq");
ACCESS(call, "lea rsp, [rdi + 8]; call 2f; 2: nop");
ACCESS(callr, "lea rsp, [rdi + 8]; lea rbx, [rip + 2f]; call rbx; 2: nop");
ACCESS(pop, "mov rsp, rdi; pop rbx");
ACCESS(popm, "mov rsp, rdi; pop qword ptr [DATA + 8]");
ACCESS(popto, "push rax; pop qword ptr [rdi]");
ACCESS(ret, "mov rsp, rdi; ret; ac_ret_to: nop");
GUEST_LABEL(ac_ret_to);
ACCESS(stosq, "stosq");
ACCESS(movsq, "movsq");
ACCESS(movsq_from, "xchg rsi, rdi; movsq; lea rsi, [DATA + 0x40]");
ACCESS(lodsq, "mov rsi, rdi; lodsq; mov rsi, DATA + 0x40");
ACCESS(scasq, "scasq");
ACCESS(cmpsq, "cmpsq; lea rsi, [DATA + 0x40]");
ACCESS(load, "mov rbx, [rdi]");
ACCESS(movzx, "movzx ebx, word ptr [rdi]");
ACCESS(loadadd, "add rbx, [rdi]");
ACCESS(imul, "imul rbx, [rdi]");
ACCESS(cmov, "test eax, eax; cmovz rbx, [rdi]");
ACCESS(movsd, "movsd [rdi], xmm2");
ACCESS(movss, "movss [rdi], xmm2");
ACCESS(movups, "movups [rdi], xmm2");
ACCESS(movupsl, "movups xmm4, [rdi]");
ACCESS(addsd, "addsd xmm5, [rdi]");
ACCESS(movhps, "movhps [rdi], xmm3");
ACCESS(lddqu, "lddqu xmm4, [rdi]");
ACCESS(maskmov, "pcmpeqb xmm4, xmm4; maskmovdqu xmm2, xmm4");
ACCESS(fst, "fst qword ptr [rdi]");
ACCESS(fstp80, "fld st(0); fstp tbyte ptr [rdi]");
ACCESS(fld80, "fld tbyte ptr [rdi]; fstp st(0)");
ACCESS(fnstenv, "fnstenv [rdi]; fninit; fild qword ptr [DATA]");
ACCESS(sgdt, "sgdt [rdi]");
ACCESS(sidt, "sidt [rdi]");
ACCESS(enter, "lea rsp, [rdi + 8]; enter 16, 0");

static const struct access { const char *name; const uint8_t *code, *end; unsigned size; bool is_write; } accesses[] = {
#define WRITES(n, size) { #n, ac_##n, ac_##n##_end, size, true }
#define READS(n, size) { #n, ac_##n, ac_##n##_end, size, false }
	WRITES(mov16, 2), WRITES(mov32, 4), WRITES(mov64, 8), WRITES(movi, 8), WRITES(add, 8), WRITES(lockadd, 8), WRITES(adc, 4), READS(cmp, 8),
	WRITES(inc, 4), WRITES(not, 8), WRITES(shl, 8), WRITES(shrd, 8), WRITES(xchg, 8), WRITES(xadd, 8), WRITES(cmpxchg, 8), WRITES(cmpxchg8b, 8),
	WRITES(bts, 8), WRITES(push, 8), WRITES(pushm, 8), WRITES(pushf, 8), WRITES(call, 8), WRITES(callr, 8), READS(pop, 8), READS(popm, 8), WRITES(popto, 8),
	READS(ret, 8), WRITES(stosq, 8), WRITES(movsq, 8), READS(movsq_from, 8), READS(lodsq, 8), READS(scasq, 8), READS(cmpsq, 8), READS(load, 8), READS(movzx, 2), READS(loadadd, 8),
	READS(imul, 8), READS(cmov, 8), WRITES(movsd, 8), WRITES(movss, 4), WRITES(movups, 16), READS(movupsl, 16), READS(addsd, 8), WRITES(movhps, 8), READS(lddqu, 16),
	WRITES(maskmov, 16), WRITES(fst, 8), WRITES(fstp80, 10), READS(fld80, 10), WRITES(fnstenv, 28), WRITES(sgdt, 10), WRITES(sidt, 10), WRITES(enter, 8),
};
enum { N_ACCESSES = sizeof(accesses) / sizeof(accesses[0]) };

static const struct access *access_now;
static uint64_t access_at, second_pte;
static uint8_t first_page[16]; /* its last bytes, before */

static void prepare_access(struct lock_side *m)
{
	uint8_t data[0x80];

	for (unsigned k = 0; k < sizeof(data); k++)
		data[k] = (uint8_t)(k * 7 + 0x31);
	flat_load(m->f, LOCK_DATA, data, sizeof(data));
	for (uint64_t lin = SPLIT - 32; lin < SPLIT + 32; lin++)
		flat_load(m->f, LOCK_FRAMES + (lin - LOCK_PAGES), &(uint8_t){ (uint8_t)(0xE0 + lin % 29) }, 1);
	if (access_now->code == ac_ret)
		lock_poke(m, LOCK_FRAMES + (access_at - LOCK_PAGES), lock_at(m, ac_ret_to));
	memcpy(first_page, m->f->mem.host + FRAME1 - 16, 16);
	lock_seen(m)->look = SPLIT - 16;
	lock_map(m, 1, second_pte);
	*lock_reg(m, CPU_RDI) = access_at;
	*lock_reg(m, CPU_RBX) = 0xBB;
}

static void expect_access(struct lock_side *m)
{
	const struct lock_seen *seen = lock_seen(m);
	bool may_read = second_pte & 1;
	uint64_t error = may_read ? 3 : access_now->is_write ? 2 : 0;

	ck_assert_uint_eq(*lock_reg(m, 13), 0);
	/* A read-modify-write may be told as the read that comes first or as the store: SDM vol. 3 §4.7 leaves the former open. */
	ck_assert_msg(seen->n_faults == (may_read && !access_now->is_write ? 0 : 1), "%s at %#llx: %llu faults", access_now->name,
		      (unsigned long long)access_at, (unsigned long long)seen->n_faults);
	if (!seen->n_faults)
		return;
	ck_assert_msg(seen->fault_cr2 == SPLIT && ((seen->fault_error | (access_now->is_write ? 2 : 0)) == error),
		      "%s at %#llx, %s: CR2 %#llx, error %#llx, not %#llx", access_now->name, (unsigned long long)access_at, m->name,
		      (unsigned long long)seen->fault_cr2, (unsigned long long)seen->fault_error, (unsigned long long)error);
	ck_assert_msg(!memcmp(seen->looked, first_page, 16), "%s at %#llx, %s: the first page was written", access_now->name,
		      (unsigned long long)access_at, m->name);
}

static void run_accesses(const struct access *a, uint64_t pte)
{
	const struct lock_case c = { a->name, a->code, a->end, prepare_access, NULL, expect_access, 0, false, false };

	access_now = a;
	second_pte = pte;
	for (access_at = SPLIT - a->size + 1; access_at < SPLIT; access_at++)
		lock_run(&c);
}

START_TEST(second_page_of_an_operand_is_absent)
{
	run_accesses(&accesses[_i], FRAME1);
}
END_TEST

START_TEST(second_page_of_an_operand_is_read_only)
{
	run_accesses(&accesses[_i], FRAME1 | 5);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/cross");
	TCase *t = tcase_create("cross");

	tcase_add_unchecked_fixture(t, NULL, lock_done);
	tcase_add_loop_test(t, second_page_of_an_instruction, 0, N_INSNS);
	tcase_add_loop_test(t, second_page_that_changes, 0, (int)(sizeof(places) / sizeof(places[0])));
	tcase_add_loop_test(t, second_page_of_an_operand_is_absent, 0, N_ACCESSES);
	tcase_add_loop_test(t, second_page_of_an_operand_is_read_only, 0, N_ACCESSES);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
