/* tests/cpu/check_rest.c: decoded blocks and code that are given up while the guest is at
 * rest: it goes on as if nothing had been, and their memory is the host's again.
 *
 * The cases run as tests/cpu/lockstep.h says, with a rest before every instruction. */
#include "tests/cpu/lockstep.h"
#include "tests/unit.h"
#include "vmm/cpu/soft/translate/build.h"
#include "vmm/cpu/soft/translate/translate.h"

#include <stdlib.h>
#include <sys/mman.h>

static void event_rest(struct lock_side *m)
{
	m->f->cpu->ops->rest(m->f->cpu);
}

/* Calls, loops within loops, flags carried over jumps, SSE, the stack. */
GUEST(calls, "mov rsp, STACK; mov ecx, 3; xor eax, eax; cvtsi2sd xmm1, ecx\n"
	     "calls_loop: call calls_f; dec ecx; jnz calls_loop; movq rbx, xmm1; hlt\n"
	     "calls_f: push rcx; mov edx, 2; stc\n"
	     "calls_g: adc rax, 5; mulsd xmm1, xmm1; dec edx; jnz calls_g; pop rcx; ret");
static void expect_calls(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, 0), 3 * (5 + 5 + 1));
}

/* What was written into code before the rest is seen after it, and after it as well. */
GUEST(writes, "mov ecx, 3; xor ebx, ebx; mov rsp, STACK\n"
	      "writes_loop: mov byte ptr [rip + writes_insn + 1], cl\n"
	      "writes_insn: mov eax, 0x100; add ebx, eax; dec ecx; jnz writes_loop; hlt");
static void expect_writes(struct lock_side *m)
{
	ck_assert_uint_eq(*lock_reg(m, 3), 3 * 0x100 + 3 + 2 + 1);
}

/* In the middle of a repeated instruction, whose iterations are pieces of their own. */
GUEST(string, "cld; mov esi, offset CODE; mov edi, DATA; mov ecx, 40; rep movsb; hlt");

#define CASE(n, ...) { .name = #n, .code = n, .end = n##_end, .event = event_rest, __VA_ARGS__ }
static const struct lock_case cases[] = {
	CASE(calls, .expect = expect_calls),
	CASE(writes, .expect = expect_writes),
	CASE(string, .expect = NULL),
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

START_TEST(a_rest_changes_nothing)
{
	lock_run(&cases[_i]);
}
END_TEST

/* ---- memory ---- */

static size_t resident(const void *from, size_t len)
{
	size_t n = (len + MEM_PAGE_SIZE - 1) / MEM_PAGE_SIZE, sum = 0;
	unsigned char *in = malloc(n);

	ck_assert_ptr_nonnull(in);
	ck_assert_int_eq(mincore((void *)(uintptr_t)from, len, in), 0);
	for (size_t i = 0; i < n; i++)
		sum += in[i] & 1;
	free(in);
	return sum;
}

/* Many blocks, each run 250 times. */
static void load_many(struct flat *f)
{
	static uint8_t code[100000];
	uint8_t *p = code;

	*p++ = 0xB9; /* mov ecx, 250 */
	*p++ = 250, *p++ = 0, *p++ = 0, *p++ = 0;
	while (p < code + sizeof(code) - 16) {
		*p++ = 0x01, *p++ = 0xC8; /* add eax, ecx */
		*p++ = 0xEB, *p++ = 0x00; /* jmp to the next */
	}
	*p++ = 0xFF, *p++ = 0xC9; /* dec ecx */
	*p++ = 0x0F, *p++ = 0x85; /* jnz back */
	for (int32_t k = 0, off = (int32_t)(code + 5 - (p + 4)); k < 4; k++)
		*p++ = (uint8_t)(off >> (8 * k));
	flat_code(f, code, (size_t)(p - code));
}

START_TEST(memory_is_given_back)
{
	const size_t slots_len = BLOCK_ARENAS * BLOCK_ARENA_SLOTS * sizeof(struct uop);
	struct flat *f;
	struct block_cache *c;
	uint64_t rip;

	ck_assert_int_eq(unsetenv("MUSTER_SOFT"), 0);
	f = flat_new(false);
	c = flat_soft(f)->blocks;
	ck_assert_ptr_nonnull(c->translate);
	load_many(f);
	rip = flat_soft(f)->rip;
	ck_assert_int_eq(flat_run(f, 100000000), CPU_STOP_HALT);
	ck_assert_uint_gt(resident(c->slots, slots_len), 300);
	ck_assert_uint_gt(resident(c->translate->rw, TRANSLATE_CACHE_BYTES), 300);
	f->cpu->ops->rest(f->cpu);
	ck_assert_uint_eq(resident(c->slots, slots_len), 0);
	ck_assert_uint_le(resident(c->translate->rw, TRANSLATE_CACHE_BYTES), 4); /* the ways in and out stay */
	flat_soft(f)->rip = rip;
	flat_soft(f)->halted = false;
	ck_assert_int_eq(flat_run(f, 100000000), CPU_STOP_HALT);
	ck_assert_uint_gt(resident(c->translate->rw, TRANSLATE_CACHE_BYTES), 300);
	(void)flat_free(f);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/rest");
	TCase *t = tcase_create("rest");

	tcase_add_unchecked_fixture(t, NULL, lock_done);
	tcase_add_loop_test(t, a_rest_changes_nothing, 0, N_CASES);
	tcase_add_test(t, memory_is_given_back);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
