/* tests/cpu/check_int.c: integer instructions on registers against the host's
 * own processor, by executor and as uops; decoder vectors.
 *
 * A case is an instruction on RAX, RCX and RDX, run with random values and
 * flags on the host (a page of its bytes and a RET) and by the engine. Flags
 * that the manual leaves undefined are not compared. */
#include "tests/cpu/flat.h"
#include "tests/unit.h"
#include "vmm/cpu/soft/interp/exec.h"
#include "vmm/cpu/soft/flags.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { ROUNDS = 300, NO_AF = FLAG_ARITH & ~FLAG_AF, CF_OF = FLAG_CF | FLAG_OF };

struct regs {
	uint64_t rax, rcx, rdx, flags;
};

/* @flags: what is compared; @shift: the undefined depend on the count. */
struct group {
	uint8_t bytes[4], n, n_sizes; /* n_sizes: 1 as it is; 3 with no prefix, 66 and REX.W; 4: 2 to 5 with the first byte less 1 too */
	uint16_t flags;
	uint8_t shift; /* 0 none, 1 by CL, 2 by the last byte */
};

static const struct group groups[] = {
	{ { 0x01, 0xC8 }, 2, 4, FLAG_ARITH, 0 }, { { 0x09, 0xC8 }, 2, 4, NO_AF, 0 },
	{ { 0x11, 0xC8 }, 2, 4, FLAG_ARITH, 0 }, { { 0x19, 0xC8 }, 2, 4, FLAG_ARITH, 0 },
	{ { 0x21, 0xC8 }, 2, 4, NO_AF, 0 }, { { 0x29, 0xC8 }, 2, 4, FLAG_ARITH, 0 },
	{ { 0x31, 0xC8 }, 2, 4, NO_AF, 0 }, { { 0x39, 0xC8 }, 2, 4, FLAG_ARITH, 0 },
	{ { 0x03, 0xC1 }, 2, 4, FLAG_ARITH, 0 }, { { 0x00, 0xE1 }, 2, 1, FLAG_ARITH, 0 },
	{ { 0x28, 0xC4 }, 2, 1, FLAG_ARITH, 0 }, { { 0x40, 0x88, 0xC1 }, 3, 1, FLAG_ARITH, 0 },
	{ { 0x85, 0xC8 }, 2, 4, NO_AF, 0 }, { { 0x83, 0xC0, 0x85 }, 3, 3, FLAG_ARITH, 0 },
	{ { 0x83, 0xF8, 0x7F }, 3, 3, FLAG_ARITH, 0 }, { { 0x83, 0xD8, 0xFF }, 3, 3, FLAG_ARITH, 0 },
	{ { 0xFF, 0xC0 }, 2, 4, FLAG_ARITH, 0 }, { { 0xFF, 0xC8 }, 2, 4, FLAG_ARITH, 0 },
	{ { 0xF7, 0xD8 }, 2, 4, FLAG_ARITH, 0 }, { { 0xF7, 0xD0 }, 2, 4, FLAG_ARITH, 0 },
	{ { 0xF7, 0xE1 }, 2, 4, CF_OF, 0 }, { { 0xF7, 0xE9 }, 2, 4, CF_OF, 0 },
	{ { 0x0F, 0xAF, 0xC1 }, 3, 3, CF_OF, 0 }, { { 0x6B, 0xC1, 0x83 }, 3, 3, CF_OF, 0 },
	{ { 0xD3, 0xC0 }, 2, 4, NO_AF, 1 }, { { 0xD3, 0xC8 }, 2, 4, NO_AF, 1 },
	{ { 0xD3, 0xD0 }, 2, 4, NO_AF, 1 }, { { 0xD3, 0xD8 }, 2, 4, NO_AF, 1 },
	{ { 0xD3, 0xE0 }, 2, 4, NO_AF, 1 }, { { 0xD3, 0xE8 }, 2, 4, NO_AF, 1 },
	{ { 0xD3, 0xF8 }, 2, 4, NO_AF, 1 }, { { 0xD1, 0xE0 }, 2, 4, NO_AF, 0 },
	{ { 0xD1, 0xE8 }, 2, 4, NO_AF, 0 }, { { 0xD1, 0xF8 }, 2, 4, NO_AF, 0 },
	{ { 0xD1, 0xD0 }, 2, 4, NO_AF, 0 }, { { 0xD1, 0xD8 }, 2, 4, NO_AF, 0 },
	{ { 0xC1, 0xE0, 5 }, 3, 4, NO_AF, 2 }, { { 0xC1, 0xE8, 7 }, 3, 4, NO_AF, 2 },
	{ { 0xC1, 0xF8, 0x3F }, 3, 4, NO_AF, 2 }, { { 0xC1, 0xE0, 0x20 }, 3, 4, NO_AF, 2 },
	{ { 0x0F, 0xA4, 0xD0, 9 }, 4, 3, NO_AF, 2 }, { { 0x0F, 0xAC, 0xD0, 11 }, 4, 3, NO_AF, 2 },
	{ { 0x0F, 0xA5, 0xD0 }, 3, 3, NO_AF, 1 }, { { 0x0F, 0xAD, 0xD0 }, 3, 3, NO_AF, 1 },
	{ { 0x0F, 0xA3, 0xC8 }, 3, 3, FLAG_CF | FLAG_ZF, 0 }, { { 0x0F, 0xAB, 0xC8 }, 3, 3, FLAG_CF | FLAG_ZF, 0 },
	{ { 0x0F, 0xB3, 0xC8 }, 3, 3, FLAG_CF | FLAG_ZF, 0 }, { { 0x0F, 0xBB, 0xC8 }, 3, 3, FLAG_CF | FLAG_ZF, 0 },
	{ { 0x0F, 0xBA, 0xF8, 21 }, 4, 3, FLAG_CF | FLAG_ZF, 0 },
	{ { 0xF3, 0x0F, 0xB8, 0xC1 }, 4, 1, FLAG_ARITH, 0 },
	{ { 0x0F, 0xB1, 0xCA }, 3, 4 + 8, FLAG_ARITH, 0 }, { { 0x0F, 0xC1, 0xC8 }, 3, 4 + 8, FLAG_ARITH, 0 },
	{ { 0x0F, 0xC9 }, 2, 1, FLAG_ARITH, 0 }, { { 0x48, 0x0F, 0xC9 }, 3, 1, FLAG_ARITH, 0 },
	{ { 0x0F, 0xB6, 0xC1 }, 3, 3, FLAG_ARITH, 0 }, { { 0x0F, 0xB6, 0xC5 }, 3, 1, FLAG_ARITH, 0 },
	{ { 0x0F, 0xB7, 0xC1 }, 3, 3, FLAG_ARITH, 0 }, { { 0x0F, 0xBE, 0xC1 }, 3, 3, FLAG_ARITH, 0 },
	{ { 0x0F, 0xBF, 0xC1 }, 3, 3, FLAG_ARITH, 0 }, { { 0x48, 0x63, 0xC1 }, 3, 1, FLAG_ARITH, 0 },
	{ { 0x63, 0xC1 }, 2, 1, FLAG_ARITH, 0 }, { { 0x98 }, 1, 3, FLAG_ARITH, 0 },
	{ { 0x99 }, 1, 3, FLAG_ARITH, 0 }, { { 0x9F }, 1, 1, FLAG_ARITH, 0 },
	{ { 0x9E }, 1, 1, FLAG_ARITH, 0 }, { { 0xF5 }, 1, 1, FLAG_ARITH, 0 },
	{ { 0xF8 }, 1, 1, FLAG_ARITH, 0 }, { { 0xF9 }, 1, 1, FLAG_ARITH, 0 },
	{ { 0x91 }, 1, 3, FLAG_ARITH, 0 }, { { 0x87, 0xCA }, 2, 4, FLAG_ARITH, 0 },
	{ { 0x8D, 0x44, 0x8A, 0x11 }, 4, 3, FLAG_ARITH, 0 }, { { 0x89, 0xCA }, 2, 4, FLAG_ARITH, 0 },
	{ { 0xB0, 0x99 }, 2, 1, FLAG_ARITH, 0 }, { { 0xB4, 0x99 }, 2, 1, FLAG_ARITH, 0 },
};
enum { N_GROUPS = sizeof(groups) / sizeof(groups[0]) };

static uint64_t seed;
static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Values at the edges of every size, and any. */
static uint64_t value(void)
{
	static const uint64_t edges[] = { 0, 1, UINT64_MAX, 0x7F, 0x80, 0x7FFF, 0x8000, 0x7FFFFFFF, 0x80000000,
					  INT64_MAX, UINT64_C(1) << 63, 0xFF, 0xFFFF, UINT32_MAX };
	uint64_t v = rnd();

	return v & 1 ? rnd() : edges[(v >> 8) % (sizeof(edges) / sizeof(edges[0]))];
}

static void on_host(void *code, struct regs *r)
{
	uint64_t rax = r->rax, rcx = r->rcx, rdx = r->rdx, flags = r->flags;

	__asm__ volatile("sub $128, %%rsp\n\tpush %[flags]\n\tpopf\n\tcall *%[code]\n\tpushf\n\tpop %[flags]\n\t"
			 "add $128, %%rsp"
			 : "+a"(rax), "+c"(rcx), "+d"(rdx), [flags] "+r"(flags)
			 : [code] "r"(code)
			 : "cc", "memory");
	*r = (struct regs){ rax, rcx, rdx, flags & FLAG_ARITH };
}

static void soft_load(struct soft *s, const struct regs *r)
{
	s->r[CPU_RAX] = r->rax;
	s->r[CPU_RCX] = r->rcx;
	s->r[CPU_RDX] = r->rdx;
	soft_flags_set(s, (uint32_t)r->flags | 2);
}

static void compare(struct soft *s, const struct regs *want, uint32_t mask, const uint8_t *bytes, size_t n, const char *how)
{
	uint32_t flags = soft_flags_get(s) & FLAG_ARITH;
	char text[32] = "";

	for (size_t k = 0; k < n; k++)
		snprintf(text + 2 * k, 3, "%02x", bytes[k]);
	ck_assert_msg(s->r[CPU_RAX] == want->rax && s->r[CPU_RCX] == want->rcx && s->r[CPU_RDX] == want->rdx &&
			      ((flags ^ want->flags) & mask) == 0,
		      "%s by %s: rax %lx want %lx, rcx %lx want %lx, rdx %lx want %lx, flags %x want %lx mask %x", text, how,
		      s->r[CPU_RAX], want->rax, s->r[CPU_RCX], want->rcx, s->r[CPU_RDX], want->rdx, flags, want->flags,
		      mask);
}

/* The flags that are defined for a shift or rotate by @count. */
static uint32_t shift_mask(const struct group *g, const uint8_t *op, unsigned count, unsigned bits)
{
	bool is_rotate = (op[0] & 0xFC) == 0xD0 && (op[1] & 0x38) < 0x20, is_double = op[0] == 0x0F;

	count &= bits == 64 ? 63 : 31;
	if (count == 0)
		return FLAG_ARITH;
	if (is_double && count > bits)
		return 0;
	if (!is_rotate && count > bits)
		return g->flags & ~(uint32_t)(FLAG_OF | FLAG_CF);
	return count == 1 ? g->flags : g->flags & ~(uint32_t)FLAG_OF;
}

static void one(struct flat *f, uint8_t *page, const struct group *g, const uint8_t *bytes, size_t n, size_t skip, unsigned bits)
{
	struct soft *s = flat_soft(f);
	struct insn i;

	memcpy(page, bytes, n);
	page[n] = 0xC3;
	ck_assert_int_eq(insn_decode(bytes, n, SOFT_MODE_64, &i), (int)n);
	flat_code(f, bytes, n);
	for (unsigned k = 0; k < ROUNDS; k++) {
		struct regs in = { value(), value(), value(), rnd() & FLAG_ARITH }, want = in;
		uint32_t mask = g->flags;

		if (g->shift)
			mask = shift_mask(g, bytes + skip, (unsigned)(g->shift == 1 ? in.rcx & 0xFF : bytes[n - 1]), bits);
		if (g->shift && mask == 0)
			continue;
		on_host(page, &want);
		soft_load(s, &in);
		i.exec(s, &i);
		compare(s, &want, mask, bytes, n, "executor");
		soft_load(s, &in);
		s->rip = FLAT_CODE;
		s->halted = false;
		ck_assert_int_eq(flat_run(f, 10), CPU_STOP_HALT);
		compare(s, &want, mask, bytes, n, "uop");
	}
}

START_TEST(against_host)
{
	const struct group *g = &groups[_i];
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct flat *f = flat_new(false);
	unsigned n_sizes = g->n_sizes & 7, at = g->n_sizes & 8 ? 1 : 0; /* which byte is the opcode */
	uint8_t bytes[8];

	ck_assert_ptr_ne(page, MAP_FAILED);
	seed = 88172645463325252u + (unsigned)_i;
	one(f, page, g, g->bytes, g->n, 0, 32);
	if (n_sizes >= 3) {
		bytes[0] = 0x66;
		memcpy(bytes + 1, g->bytes, g->n);
		one(f, page, g, bytes, g->n + 1U, 1, 16);
		bytes[0] = 0x48;
		one(f, page, g, bytes, g->n + 1U, 1, 64);
	}
	if (n_sizes == 4) {
		memcpy(bytes, g->bytes, g->n);
		bytes[at]--;
		one(f, page, g, bytes, g->n, 0, 8);
		memmove(bytes + 1, bytes, g->n); /* with REX: SPL and its kin, if any */
		bytes[0] = 0x40;
		one(f, page, g, bytes, g->n + 1U, 1, 8);
	}
	munmap(page, 4096);
	flat_free(f);
}
END_TEST

/* Every condition after a compare, a test, an addition and a shift: SETcc,
 * CMOVcc and Jcc, fused or not. */
START_TEST(conditions)
{
	static const uint8_t setters[][3] = { { 0x48, 0x39, 0xC8 }, { 0x48, 0x85, 0xC8 }, { 0x48, 0x01, 0xC8 },
					      { 0x48, 0xD1, 0xE0 }, { 0x48, 0xFF, 0xC8 }, { 0x40, 0x38, 0xC8 },
					      { 0x40, 0x39, 0xC8 }, { 0x40, 0x84, 0xC8 }, { 0x40, 0x11, 0xC8 } };
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct flat *f = flat_new(false);
	struct soft *s = flat_soft(f);

	seed = 4711;
	for (unsigned n = 0; n < sizeof(setters) / sizeof(setters[0]) * COND_COUNT; n++) {
		/* setter ; jcc +2 ; mov dl, 0x5A ; setcc ah */
		uint8_t code[] = { 0, 0, 0, 0x70, 2, 0xB2, 0x5A, 0x0F, 0x90, 0xC4, 0x0F, 0x40, 0xD0 };

		memcpy(code, setters[n / COND_COUNT], 3);
		code[3] = (uint8_t)(0x70 | n % COND_COUNT);
		code[8] = (uint8_t)(0x90 | n % COND_COUNT);
		code[11] = (uint8_t)(0x40 | n % COND_COUNT);
		memcpy(page, code, sizeof(code));
		page[sizeof(code)] = 0xC3;
		flat_code(f, code, sizeof(code));
		for (unsigned k = 0; k < 60; k++) {
			struct regs in = { value(), value(), value(), rnd() & FLAG_ARITH }, want;

			if (k % 4 == 0)
				in.rcx = in.rax;
			want = in;
			on_host(page, &want);
			soft_load(s, &in);
			s->rip = FLAT_CODE;
			s->halted = false;
			ck_assert_int_eq(flat_run(f, 20), CPU_STOP_HALT);
			compare(s, &want, n / COND_COUNT == 1 || n / COND_COUNT == 3 || n / COND_COUNT == 7 ? NO_AF : FLAG_ARITH,
				code, sizeof(code), "block");
		}
	}
	munmap(page, 4096);
	flat_free(f);
}
END_TEST

struct vector {
	uint8_t bytes[15];
	uint8_t n;
	enum soft_mode mode;
	int len;
};
static const struct vector vectors[] = {
	{ { 0x90 }, 1, SOFT_MODE_64, 1 },
	{ { 0x48 }, 1, SOFT_MODE_64, 0 }, /* a lone REX wants more */
	{ { 0x48 }, 1, SOFT_MODE_P32, 1 }, /* DEC EAX */
	{ { 0x66, 0xB8, 1, 2, 3, 4 }, 6, SOFT_MODE_64, 4 },
	{ { 0x66, 0x48, 0xB8, 1, 2, 3, 4, 5, 6, 7, 8 }, 11, SOFT_MODE_64, 11 },
	{ { 0x48, 0x66, 0xB8, 1, 2, 3, 4 }, 7, SOFT_MODE_64, 5 }, /* the REX is not last */
	{ { 0x66, 0xE9, 1, 2, 3, 4 }, 6, SOFT_MODE_64, 6 }, /* near branches ignore 66 */
	{ { 0x66, 0xE9, 1, 2, 3, 4 }, 6, SOFT_MODE_P32, 4 },
	{ { 0xE9, 1, 2 }, 3, SOFT_MODE_REAL, 3 },
	{ { 0x8B, 0x84, 0x24, 1, 2, 3, 4 }, 7, SOFT_MODE_64, 7 },
	{ { 0x8B, 0x04, 0x25, 1, 2, 3, 4 }, 7, SOFT_MODE_64, 7 },
	{ { 0x8B, 0x05, 1, 2, 3, 4 }, 6, SOFT_MODE_64, 6 },
	{ { 0x8B, 0x06, 1, 2 }, 4, SOFT_MODE_REAL, 4 },
	{ { 0x67, 0x8B, 0x46, 1 }, 4, SOFT_MODE_P32, 4 },
	{ { 0xA1, 1, 2, 3, 4, 5, 6, 7, 8 }, 9, SOFT_MODE_64, 9 },
	{ { 0x67, 0xA1, 1, 2, 3, 4 }, 6, SOFT_MODE_64, 6 },
	{ { 0xF6, 0xC0, 1 }, 3, SOFT_MODE_64, 3 },
	{ { 0xF6, 0xD0, 1 }, 3, SOFT_MODE_64, 2 },
	{ { 0xF7, 0xC8, 1, 2, 3, 4 }, 6, SOFT_MODE_64, 6 }, /* TEST's alias /1 */
	{ { 0xC8, 1, 2, 3 }, 4, SOFT_MODE_64, 4 },
	{ { 0x06 }, 1, SOFT_MODE_64, -1 },
	{ { 0x9A, 1, 2, 3, 4, 5, 6 }, 7, SOFT_MODE_P32, 7 },
	{ { 0x9A, 1, 2, 3, 4, 5, 6 }, 7, SOFT_MODE_64, -1 },
	{ { 0xC5, 0xF8, 0x77 }, 3, SOFT_MODE_64, -1 },
	{ { 0xC5, 0xF8, 0x77 }, 3, SOFT_MODE_P32, -1 }, /* VEX */
	{ { 0xC5, 0x06, 1, 2, 3, 4 }, 6, SOFT_MODE_P32, 2 }, /* LDS */
	{ { 0xF0, 0x01, 0x03 }, 3, SOFT_MODE_64, 3 },
	{ { 0xF0, 0x01, 0xC3 }, 3, SOFT_MODE_64, -1 }, /* LOCK on a register */
	{ { 0xF0, 0x39, 0x03 }, 3, SOFT_MODE_64, -1 }, /* LOCK CMP */
	{ { 0x8D, 0xC0 }, 2, SOFT_MODE_64, -1 }, /* LEA of a register */
	{ { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90 }, 15,
	  SOFT_MODE_64, 15 },
	{ { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66 }, 15,
	  SOFT_MODE_64, -1 }, /* too long */
	{ { 0x81, 0xC0, 1, 2 }, 4, SOFT_MODE_64, 0 },
	{ { 0xF3, 0x0F, 0x1E, 0xFA }, 4, SOFT_MODE_64, 4 }, /* ENDBR64 */
	{ { 0x0F, 0x20, 0x00 }, 3, SOFT_MODE_64, 3 }, /* MOV CR: mod is ignored */
};

START_TEST(lengths)
{
	const struct vector *v = &vectors[_i];
	struct insn i;

	ck_assert_int_eq(insn_decode(v->bytes, v->n, v->mode, &i), v->len);
	if (v->len < 0)
		ck_assert_ptr_nonnull(i.exec);
}
END_TEST

START_TEST(memory_operand)
{
	static const uint8_t sib[] = { 0x64, 0x4A, 0x8B, 0x84, 0xA5, 0x78, 0x56, 0x34, 0x92 };
	static const uint8_t bp16[] = { 0x8B, 0x42, 0x80 };
	struct insn i;

	ck_assert_int_eq(insn_decode(sib, sizeof(sib), SOFT_MODE_64, &i), 9);
	ck_assert_int_eq(i.base, CPU_RBP);
	ck_assert_int_eq(i.index, 12);
	ck_assert_int_eq(i.scale, 2);
	ck_assert_int_eq(i.seg, CPU_FS);
	ck_assert_int_eq(i.disp, (int32_t)0x92345678);
	ck_assert_int_eq(i.opsize, 8);
	ck_assert_int_eq(insn_decode(bp16, sizeof(bp16), SOFT_MODE_REAL, &i), 3);
	ck_assert_int_eq(i.base, CPU_RBP);
	ck_assert_int_eq(i.index, CPU_RSI);
	ck_assert_int_eq(i.seg, CPU_SS);
	ck_assert_int_eq(i.disp, -128);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("int");
	TCase *tc = tcase_create("int");

	tcase_add_loop_test(tc, against_host, 0, N_GROUPS);
	tcase_add_test(tc, conditions);
	tcase_add_loop_test(tc, lengths, 0, sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_test(tc, memory_operand);
	suite_add_tcase(suite, tc);
	return suite;
}

UNIT_MAIN(make_suite);
