/* tests/cpu/check_fpu.c: SSE and MMX: results, flags, and the order of faults. */
#include "tests/cpu/bare.h"
#include "tests/unit.h"
#include "vmm/cpu/soft/flags.h"
#include "vmm/cpu/soft/interp/fpu.h"

#include <math.h>
#include <string.h>

static struct bare *b;
static struct soft *s;

static void set_up(void)
{
	b = bare_new();
	bare_long(b, 0);
	s = b->s;
	s->cr0 = (s->cr0 & ~(CR0_EM | CR0_TS)) | CR0_NE;
	s->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
	memset(&s->fx, 0, sizeof(s->fx));
	s->fx.fcw = 0x37F;
	s->fx.mxcsr = MXCSR_DEFAULT;
	s->r[CPU_RDI] = BARE_FRAMES;
}

static void tear_down(void)
{
	bare_free(b);
}

static void set_ps(unsigned n, float a0, float a1, float a2, float a3)
{
	float v[4] = { a0, a1, a2, a3 };

	memcpy(s->fx.xmm[n], v, 16);
}

static float get_ps(unsigned n, unsigned k)
{
	float v;

	memcpy(&v, s->fx.xmm[n] + 4 * k, 4);
	return v;
}

static void set_q(unsigned n, uint64_t low, uint64_t high)
{
	memcpy(s->fx.xmm[n], &low, 8);
	memcpy(s->fx.xmm[n] + 8, &high, 8);
}

static uint64_t get_q(unsigned n, unsigned k)
{
	uint64_t v;

	memcpy(&v, s->fx.xmm[n] + 8 * k, 8);
	return v;
}

START_TEST(refuses_by_control_registers)
{
	s->cr4 &= ~CR4_OSFXSR;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x58, 0xC1), EXC_UD); /* ADDPS */
	ck_assert_int_eq(EXEC(b, 0x0F, 0xFC, 0xC1), -1); /* PADDB mm does not need it */
	s->cr4 |= CR4_OSFXSR;
	s->cr0 |= CR0_TS;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x58, 0xC1), EXC_NM);
	ck_assert_int_eq(EXEC(b, 0x0F, 0xFC, 0xC1), EXC_NM);
	s->cr0 |= CR0_EM;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x58, 0xC1), EXC_UD);
	ck_assert_int_eq(EXEC(b, 0x0F, 0xFC, 0xC1), EXC_UD);
	ck_assert_int_eq(EXEC(b, 0xF2, 0x0F, 0x38, 0xF0, 0xC0), -1); /* CRC32 heeds neither */
	ck_assert_int_eq(EXEC(b, 0x0F, 0xAE, 0xF0), -1); /* MFENCE too */
}
END_TEST

START_TEST(wants_alignment)
{
	s->r[CPU_RDI] = BARE_FRAMES + 8;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x28, 0x07), EXC_GP); /* MOVAPS */
	ck_assert_int_eq(EXEC(b, 0x0F, 0x29, 0x07), EXC_GP);
	ck_assert_int_eq(EXEC(b, 0x66, 0x0F, 0xFE, 0x07), EXC_GP); /* PADDD */
	ck_assert_int_eq(EXEC(b, 0x0F, 0x10, 0x07), -1); /* MOVUPS */
	ck_assert_int_eq(EXEC(b, 0xF2, 0x0F, 0x58, 0x07), -1); /* ADDSD */
	ck_assert_int_eq(EXEC(b, 0x66, 0x0F, 0x3A, 0x63, 0x07, 0x08), -1); /* PCMPISTRI */
}
END_TEST

START_TEST(moves_keep_or_clear_the_rest)
{
	bare_poke64(b, BARE_FRAMES, UINT64_C(0x1122334455667788));
	set_q(0, UINT64_MAX, UINT64_MAX);
	ck_assert_int_eq(EXEC(b, 0xF3, 0x0F, 0x10, 0x07), -1); /* MOVSS xmm0, [rdi] */
	ck_assert_uint_eq(get_q(0, 0), 0x55667788);
	ck_assert_uint_eq(get_q(0, 1), 0);
	set_q(1, 0x77, 0x99);
	set_q(0, UINT64_MAX, UINT64_MAX);
	ck_assert_int_eq(EXEC(b, 0xF3, 0x0F, 0x10, 0xC1), -1); /* MOVSS xmm0, xmm1 */
	ck_assert_uint_eq(get_q(0, 0), UINT64_C(0xFFFFFFFF00000077));
	ck_assert_int_eq(EXEC(b, 0xF3, 0x0F, 0x7E, 0xC1), -1); /* MOVQ xmm0, xmm1 */
	ck_assert_uint_eq(get_q(0, 0), 0x77);
	ck_assert_uint_eq(get_q(0, 1), 0);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x12, 0xC1), -1); /* MOVHLPS */
	ck_assert_uint_eq(get_q(0, 0), 0x99);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x16, 0xC1), -1); /* MOVLHPS */
	ck_assert_uint_eq(get_q(0, 1), 0x77);
	s->r[CPU_RAX] = UINT64_MAX;
	ck_assert_int_eq(EXEC(b, 0x66, 0x0F, 0x7E, 0xC0), -1); /* MOVD eax, xmm0 */
	ck_assert_uint_eq(s->r[CPU_RAX], 0x99);
}
END_TEST

START_TEST(store_faults_whole)
{
	bare_poke64(b, bare_pte(1), 0);
	mmu_flush_all(s);
	bare_poke64(b, BARE_FRAMES + 4088, 5);
	s->r[CPU_RDI] = BARE_PAGES + 4088;
	set_q(0, 1, 2);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x11, 0x07), EXC_PF); /* MOVUPS into a missing page */
	ck_assert_uint_eq(bare_peek64(b, BARE_FRAMES + 4088), 5);
}
END_TEST

START_TEST(collects_sticky_flags)
{
	set_ps(0, 1, 1, 1, 1);
	set_ps(1, 3, 2, 4, 8);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x5E, 0xC1), -1); /* DIVPS: 1/3 is inexact */
	ck_assert_uint_eq(s->fx.mxcsr, MXCSR_DEFAULT | FPU_PE);
	ck_assert(get_ps(0, 3) == 0.125f);
	set_ps(1, 0, 1, 1, 1);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x5E, 0xC1), -1);
	ck_assert_uint_eq(s->fx.mxcsr, MXCSR_DEFAULT | FPU_PE | FPU_ZE);
	ck_assert(isinf(get_ps(0, 0)));
}
END_TEST

START_TEST(rounds_as_the_guest_says)
{
	set_ps(0, 1.0f, 0, 0, 0);
	set_ps(1, 3.0f, 1, 1, 1);
	s->fx.mxcsr = 0x5F80; /* towards +inf */
	ck_assert_int_eq(EXEC(b, 0xF3, 0x0F, 0x5E, 0xC1), -1); /* DIVSS */
	ck_assert_uint_eq((uint32_t)get_q(0, 0), 0x3EAAAAAB);
	set_ps(0, 1.0f, 0, 0, 0);
	s->fx.mxcsr = 0x3F80; /* towards -inf */
	ck_assert_int_eq(EXEC(b, 0xF3, 0x0F, 0x5E, 0xC1), -1);
	ck_assert_uint_eq((uint32_t)get_q(0, 0), 0x3EAAAAAA);
}
END_TEST

START_TEST(raises_xm_before_it_writes)
{
	set_ps(0, 1, 1, 1, 1);
	set_ps(1, 0, 3, 1, 1);
	s->fx.mxcsr = MXCSR_DEFAULT & ~(FPU_ZE << 7);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x5E, 0xC1), EXC_XM);
	ck_assert(get_ps(0, 0) == 1.0f);
	/* The precision of 1/3 comes after the division by zero: not set. */
	ck_assert_uint_eq(s->fx.mxcsr & FPU_FLAGS, FPU_ZE);
	s->cr4 &= ~CR4_OSXMMEXCPT;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x5E, 0xC1), EXC_UD);
}
END_TEST

START_TEST(reports_exact_underflow_when_unmasked)
{
	set_q(0, 0x00800000, 0); /* least normal */
	set_ps(1, 0.5f, 0, 0, 0);
	ck_assert_int_eq(EXEC(b, 0xF3, 0x0F, 0x59, 0xC1), -1); /* MULSS: exact, masked: nothing */
	ck_assert_uint_eq(s->fx.mxcsr, MXCSR_DEFAULT);
	set_q(0, 0x00800000, 0);
	s->fx.mxcsr = (MXCSR_DEFAULT & ~(FPU_UE << 7)) | MXCSR_FTZ;
	ck_assert_int_eq(EXEC(b, 0xF3, 0x0F, 0x59, 0xC1), EXC_XM);
	ck_assert_uint_eq(s->fx.mxcsr & FPU_FLAGS, FPU_UE);
}
END_TEST

START_TEST(inexact_counts_without_bounds_when_unmasked)
{
	/* 1.5 * 2^-126 * 2^-23: tiny, and inexact only for that. */
	set_q(0, 0x00C00000, 0);
	set_q(1, 0x34000000, 0); /* 2^-23 */
	s->fx.mxcsr = MXCSR_DEFAULT & ~(FPU_UE << 7);
	ck_assert_int_eq(EXEC(b, 0xF3, 0x0F, 0x59, 0xC1), EXC_XM);
	ck_assert_uint_eq(s->fx.mxcsr & FPU_FLAGS, FPU_UE);
}
END_TEST

START_TEST(host_mode_comes_back)
{
	uint32_t v;

	s->fx.mxcsr = 0xFFC0; /* to zero, FTZ, DAZ */
	ck_assert_int_eq(EXEC(b, 0x0F, 0x58, 0xC1), -1);
	__asm__ volatile("stmxcsr %0" : "=m"(v));
	ck_assert_uint_eq(v & ~(uint32_t)FPU_FLAGS, MXCSR_DEFAULT);
}
END_TEST

START_TEST(reciprocals_are_ours)
{
	set_ps(1, 3.0f, -0.0f, 1e-40f, 3e38f);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x53, 0xC1), -1); /* RCPPS */
	ck_assert(fabsf(get_ps(0, 0) * 3.0f - 1.0f) < 1.5f / 4096);
	ck_assert(isinf(get_ps(0, 1)) && signbit(get_ps(0, 1)));
	ck_assert(isinf(get_ps(0, 2))); /* denormal counts as zero */
	ck_assert(get_ps(0, 3) == 0.0f); /* tiny becomes zero */
	set_ps(1, 4.0f, -1.0f, 0, 1);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x52, 0xC1), -1); /* RSQRTPS */
	ck_assert(get_ps(0, 0) == 0.5f);
	ck_assert(isnan(get_ps(0, 1)));
	ck_assert(isinf(get_ps(0, 2)));
	ck_assert_uint_eq(s->fx.mxcsr, MXCSR_DEFAULT);
}
END_TEST

START_TEST(compares_into_flags)
{
	cc_set_flags(s, FLAG_ARITH);
	set_ps(0, 1, 0, 0, 0);
	set_ps(1, 2, 0, 0, 0);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x2E, 0xC1), -1);
	ck_assert_uint_eq(soft_flags_get(s) & FLAG_ARITH, FLAG_CF);
	set_ps(1, NAN, 0, 0, 0);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x2E, 0xC1), -1);
	ck_assert_uint_eq(soft_flags_get(s) & FLAG_ARITH, FLAG_CF | FLAG_PF | FLAG_ZF);
}
END_TEST

START_TEST(immediates_of_every_kind)
{
	set_q(1, UINT64_C(0x0706050403020100), UINT64_C(0x0F0E0D0C0B0A0908));
	ck_assert_int_eq(EXEC(b, 0x66, 0x0F, 0x70, 0xC1, 0x1B), -1); /* PSHUFD: reversed */
	ck_assert_uint_eq(get_q(0, 0), UINT64_C(0x0B0A09080F0E0D0C));
	ck_assert_int_eq(EXEC(b, 0x66, 0x0F, 0x3A, 0x0F, 0xC1, 0x03), -1); /* PALIGNR */
	ck_assert_uint_eq(get_q(0, 0), UINT64_C(0x0A09080706050403));
	ck_assert_int_eq(EXEC(b, 0x66, 0x0F, 0x73, 0xD9, 0x0F), -1); /* PSRLDQ xmm1, 15 */
	ck_assert_uint_eq(get_q(1, 0), 0x0F);
	s->r[CPU_RCX] = UINT64_MAX;
	set_q(1, UINT64_C(0x0041424344454647), 0);
	set_q(2, 0x43, 0);
	ck_assert_int_eq(EXEC(b, 0x66, 0x0F, 0x3A, 0x63, 0xD1, 0x00), -1); /* PCMPISTRI xmm2, xmm1 */
	ck_assert_uint_eq(s->r[CPU_RCX], 4);
}
END_TEST

START_TEST(mmx_aliases_the_stack)
{
	s->fx.fsw = 3 << 11; /* TOP 3: MM5 is ST2 */
	memset(s->fx.st[2], 0x5A, 10);
	s->r[CPU_RAX] = 0;
	ck_assert_int_eq(EXEC(b, 0x48, 0x0F, 0x7E, 0xE8), -1); /* MOVQ rax, mm5 */
	ck_assert_uint_eq(s->r[CPU_RAX], UINT64_C(0x5A5A5A5A5A5A5A5A));
	ck_assert_uint_eq(s->fx.fsw, 0);
	ck_assert_uint_eq(s->fx.ftw, 0xFF);
	ck_assert_int_eq(s->fx.st[5][0], 0x5A);
	ck_assert_int_eq(EXEC(b, 0x0F, 0xEF, 0xED), -1); /* PXOR mm5, mm5 */
	ck_assert_int_eq(s->fx.st[5][0], 0);
	ck_assert_int_eq(s->fx.st[5][9], 0xFF);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x77), -1); /* EMMS */
	ck_assert_uint_eq(s->fx.ftw, 0);
}
END_TEST

/* What is not on this processor, and forms that do not exist. */
static const struct {
	uint8_t bytes[6], n;
} missing[] = {
	{ { 0x66, 0x0F, 0x38, 0xDC, 0xC1 }, 5 }, /* AESENC */
	{ { 0x66, 0x0F, 0x3A, 0x44, 0xC1, 0 }, 6 }, /* PCLMULQDQ */
	{ { 0x0F, 0x38, 0xF0, 0x07 }, 4 }, /* MOVBE */
	{ { 0xF3, 0x0F, 0xFC, 0xC1 }, 4 }, /* F3 PADDB */
	{ { 0x66, 0x0F, 0x77 }, 3 }, /* 66 EMMS */
	{ { 0x0F, 0x13, 0xC1 }, 3 }, /* MOVLPS to a register */
	{ { 0x0F, 0x50, 0x07 }, 3 }, /* MOVMSKPS of memory */
	{ { 0x0F, 0xC3, 0xC1 }, 3 }, /* MOVNTI to a register */
	{ { 0x0F, 0xAE, 0x27 }, 3 }, /* XSAVE */
	{ { 0x66, 0x0F, 0xAE, 0x3F }, 4 }, /* CLFLUSHOPT */
	{ { 0xF0, 0x0F, 0x58, 0x07 }, 4 }, /* LOCK ADDPS */
	{ { 0xD9, 0x0F }, 2 }, /* D9 /1 */
	{ { 0xDA, 0xE8 }, 2 }, { { 0xDB, 0xE5 }, 2 }, { { 0xDE, 0xD8 }, 2 }, { { 0xD9, 0xEF }, 2 },
};
START_TEST(refuses_what_is_missing)
{
	ck_assert_int_eq(bare_exec(b, missing[_i].bytes, missing[_i].n), EXC_UD);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("fpu");
	TCase *t = tcase_create("sse");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, refuses_by_control_registers);
	tcase_add_test(t, wants_alignment);
	tcase_add_test(t, moves_keep_or_clear_the_rest);
	tcase_add_test(t, store_faults_whole);
	tcase_add_test(t, collects_sticky_flags);
	tcase_add_test(t, rounds_as_the_guest_says);
	tcase_add_test(t, raises_xm_before_it_writes);
	tcase_add_test(t, reports_exact_underflow_when_unmasked);
	tcase_add_test(t, inexact_counts_without_bounds_when_unmasked);
	tcase_add_test(t, host_mode_comes_back);
	tcase_add_test(t, reciprocals_are_ours);
	tcase_add_test(t, compares_into_flags);
	tcase_add_test(t, immediates_of_every_kind);
	tcase_add_test(t, mmx_aliases_the_stack);
	tcase_add_loop_test(t, refuses_what_is_missing, 0, sizeof(missing) / sizeof(missing[0]));
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
