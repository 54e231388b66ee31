/* tests/cpu/check_fpu_x87.c: x87: results, #MF, pointers, and the images in memory. */
#include "tests/cpu/bare.h"
#include "tests/unit.h"
#include "vmm/cpu/soft/interp/fpu_x87.h"

#include <string.h>

static struct bare *b;
static struct soft *s;

static void set_up(void)
{
	b = bare_new();
	bare_long(b, 0);
	s = b->s;
	s->cr0 = (s->cr0 & ~(CR0_EM | CR0_TS)) | CR0_NE;
	s->cr4 |= CR4_OSFXSR;
	memset(&s->fx, 0, sizeof(s->fx));
	s->fx.fcw = FCW_INIT;
	s->fx.mxcsr = MXCSR_DEFAULT;
	s->r[CPU_RDI] = BARE_FRAMES;
}

static void tear_down(void)
{
	bare_free(b);
}

static void poke_double(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, 8);
	bare_poke64(b, BARE_FRAMES, bits);
}

static long double st(unsigned n)
{
	long double v = 0;

	memcpy(&v, s->fx.st[n], 10);
	return v;
}

START_TEST(computes_and_remembers_where)
{
	poke_double(1.5);
	ck_assert_int_eq(EXEC(b, 0xDD, 0x07), -1); /* FLD m64 */
	ck_assert_uint_eq(s->fx.fop, 0x507);
	ck_assert_uint_eq(s->fx.fip, BARE_CODE);
	ck_assert_uint_eq(s->fx.fdp, BARE_FRAMES);
	ck_assert_int_eq(EXEC(b, 0xD9, 0xEB), -1); /* FLDPI */
	ck_assert_int_eq(EXEC(b, 0xDE, 0xC9), -1); /* FMULP */
	ck_assert(st(0) == 1.5L * 3.14159265358979323846264338327950288L);
	ck_assert_uint_eq(s->fx.fsw & FSW_TOP, 7 << 11);
	ck_assert_uint_eq(s->fx.ftw, 0x80);
	ck_assert_int_eq(EXEC(b, 0xDB, 0x3F), -1); /* FSTP m80 */
	ck_assert_uint_eq(s->fx.ftw, 0);
	ck_assert_uint_eq(bare_peek16(b, BARE_FRAMES + 8), 0x4001);
}
END_TEST

START_TEST(unmasked_waits_for_the_next)
{
	s->fx.fcw &= (uint16_t)~FPU_ZE;
	ck_assert_int_eq(EXEC(b, 0xD9, 0xE8), -1); /* FLD1 */
	ck_assert_int_eq(EXEC(b, 0xD9, 0xEE), -1); /* FLDZ */
	ck_assert_int_eq(EXEC(b, 0xDE, 0xF9), -1); /* FDIVP: flagged, not done */
	ck_assert_uint_eq(s->fx.fsw & (FSW_ES | FSW_B | FPU_ZE), FSW_ES | FSW_B | FPU_ZE);
	ck_assert(st(1) == 1.0L);
	ck_assert_int_eq(EXEC(b, 0xDF, 0xE0), -1); /* FNSTSW does not wait */
	ck_assert_int_eq(EXEC(b, 0x9B), EXC_MF);
	ck_assert_int_eq(EXEC(b, 0xD9, 0xE8), EXC_MF);
	ck_assert_int_eq(EXEC(b, 0x0F, 0xEF, 0xC0), EXC_MF); /* PXOR mm */
	s->cr0 &= ~CR0_NE; /* as if IGNNE# were asserted */
	ck_assert_int_eq(EXEC(b, 0xD9, 0xE8), -1);
	s->cr0 |= CR0_NE;
	ck_assert_int_eq(EXEC(b, 0xDB, 0xE2), -1); /* FNCLEX */
	ck_assert_int_eq(EXEC(b, 0x9B), -1);
}
END_TEST

START_TEST(withheld_store_leaves_memory)
{
	bare_poke64(b, BARE_FRAMES, 77);
	s->fx.fcw &= (uint16_t)~FPU_IE;
	ck_assert_int_eq(EXEC(b, 0xDD, 0x1F), -1); /* FSTP of an empty stack */
	ck_assert_uint_eq(bare_peek64(b, BARE_FRAMES), 77);
	ck_assert_uint_eq(s->fx.fsw & FPU_IE, FPU_IE);
}
END_TEST

START_TEST(no_device)
{
	s->cr0 |= CR0_TS;
	ck_assert_int_eq(EXEC(b, 0xD9, 0xE8), EXC_NM);
	ck_assert_int_eq(EXEC(b, 0xDB, 0xE3), EXC_NM); /* FNINIT */
	ck_assert_int_eq(EXEC(b, 0x0F, 0xAE, 0x07), EXC_NM); /* FXSAVE */
	s->cr0 &= ~CR0_MP;
	ck_assert_int_eq(EXEC(b, 0x9B), -1);
	s->cr0 |= CR0_MP;
	ck_assert_int_eq(EXEC(b, 0x9B), EXC_NM);
}
END_TEST

START_TEST(init_keeps_registers_in_place)
{
	ck_assert_int_eq(EXEC(b, 0xD9, 0xE8), -1); /* FLD1 into R7 */
	ck_assert_int_eq(EXEC(b, 0xDB, 0xE3), -1);
	ck_assert(st(7) == 1.0L);
	ck_assert_uint_eq(s->fx.fcw, FCW_INIT);
	ck_assert_uint_eq(s->fx.fsw, 0);
	ck_assert_uint_eq(s->fx.ftw, 0);
	ck_assert_uint_eq(s->fx.fip, 0);
}
END_TEST

START_TEST(environment_of_28_bytes)
{
	ck_assert_int_eq(EXEC(b, 0xD9, 0xE8), -1); /* FLD1 */
	ck_assert_int_eq(EXEC(b, 0xD9, 0xEE), -1); /* FLDZ */
	s->fx.fcw = 0x340;
	ck_assert_int_eq(EXEC(b, 0xD9, 0x37), -1); /* FNSTENV */
	ck_assert_uint_eq(bare_peek32(b, BARE_FRAMES), 0xFFFF0340);
	ck_assert_uint_eq(bare_peek32(b, BARE_FRAMES + 4), 0xFFFF3000);
	ck_assert_uint_eq(bare_peek32(b, BARE_FRAMES + 8), 0xFFFF1FFF); /* R7 valid, R6 zero */
	ck_assert_uint_eq(bare_peek32(b, BARE_FRAMES + 12), BARE_CODE + 2); /* FLDZ */
	ck_assert_uint_eq(bare_peek32(b, BARE_FRAMES + 16), 0x1EE << 16);
	ck_assert_uint_eq(s->fx.fcw, 0x37F); /* all masked now */
	ck_assert_int_eq(EXEC(b, 0xDB, 0xE3), -1);
	ck_assert_int_eq(EXEC(b, 0xD9, 0x27), -1); /* FLDENV */
	ck_assert_uint_eq(s->fx.fcw, 0x340);
	ck_assert_uint_eq(s->fx.ftw, 0xC0);
	ck_assert(st(1) == 1.0L);
}
END_TEST

START_TEST(state_of_94_bytes)
{
	ck_assert_int_eq(EXEC(b, 0xD9, 0xE8), -1);
	ck_assert_int_eq(EXEC(b, 0x66, 0xDD, 0x37), -1); /* FNSAVE, 16-bit */
	ck_assert_uint_eq(bare_peek16(b, BARE_FRAMES + 4), 0x3FFF);
	ck_assert_uint_eq(bare_peek64(b, BARE_FRAMES + 14), UINT64_C(1) << 63);
	ck_assert_uint_eq(s->fx.fsw, 0);
	ck_assert_int_eq(EXEC(b, 0x66, 0xDD, 0x27), -1); /* FRSTOR */
	ck_assert_uint_eq(s->fx.fsw, 7 << 11);
	ck_assert(st(0) == 1.0L);
	ck_assert_uint_eq(s->fx.ftw, 0x80);
}
END_TEST

START_TEST(load_makes_summary_follow)
{
	ck_assert_int_eq(EXEC(b, 0xD9, 0x37), -1); /* FNSTENV */
	bare_poke64(b, BARE_FRAMES, UINT64_C(0x0000000400000300)); /* ZE set, unmasked */
	ck_assert_int_eq(EXEC(b, 0xD9, 0x27), -1); /* FLDENV */
	ck_assert_uint_eq(s->fx.fsw, FSW_ES | FSW_B | FPU_ZE);
	ck_assert_int_eq(EXEC(b, 0xD9, 0x2F), EXC_MF); /* FLDCW waits */
}
END_TEST

START_TEST(fxsave_and_back)
{
	struct cpu_fxsave before;

	for (unsigned k = 0; k < 16; k++)
		memset(s->fx.xmm[k], (int)k + 1, 16);
	ck_assert_int_eq(EXEC(b, 0xD9, 0xE8), -1);
	before = s->fx;
	bare_poke64(b, BARE_FRAMES + 416, 0x1234);
	ck_assert_int_eq(EXEC(b, 0x48, 0x0F, 0xAE, 0x07), -1); /* FXSAVE64 */
	ck_assert_uint_eq(bare_peek64(b, BARE_FRAMES + 416), 0x1234);
	ck_assert_uint_eq(bare_peek32(b, BARE_FRAMES + 28), 0xFFFF); /* MXCSR_MASK */
	memset(&s->fx, 0, sizeof(s->fx));
	ck_assert_int_eq(EXEC(b, 0x48, 0x0F, 0xAE, 0x0F), -1); /* FXRSTOR64 */
	before.mxcsr_mask = 0xFFFF;
	ck_assert_mem_eq(&before, &s->fx, 416);
	s->r[CPU_RDI] = BARE_FRAMES + 8;
	ck_assert_int_eq(EXEC(b, 0x0F, 0xAE, 0x07), EXC_GP);
}
END_TEST

START_TEST(reserved_mxcsr_bits)
{
	struct cpu_fxsave before = s->fx;

	ck_assert_int_eq(EXEC(b, 0x0F, 0xAE, 0x07), -1);
	bare_poke64(b, BARE_FRAMES + 24, 0x10000 | MXCSR_DEFAULT);
	ck_assert_int_eq(EXEC(b, 0x0F, 0xAE, 0x0F), EXC_GP); /* FXRSTOR */
	ck_assert_mem_eq(&before, &s->fx, sizeof(before));
	s->r[CPU_RDI] = BARE_FRAMES + 24;
	ck_assert_int_eq(EXEC(b, 0x0F, 0xAE, 0x17), EXC_GP); /* LDMXCSR */
	bare_poke64(b, BARE_FRAMES + 24, 0x9FC0);
	ck_assert_int_eq(EXEC(b, 0x0F, 0xAE, 0x17), -1);
	ck_assert_uint_eq(s->fx.mxcsr, 0x9FC0);
	ck_assert_int_eq(EXEC(b, 0x0F, 0xAE, 0x1F), -1); /* STMXCSR */
	ck_assert_uint_eq(bare_peek32(b, BARE_FRAMES + 24), 0x9FC0);
}
END_TEST

START_TEST(legacy_modes_save_eight_registers)
{
	bare_prot(b, 0);
	s->cr4 |= CR4_OSFXSR;
	s->r[CPU_RDI] = BARE_FRAMES;
	bare_poke64(b, BARE_FRAMES + 288, 0x1234); /* XMM8's place */
	memset(s->fx.xmm, 0xFF, sizeof(s->fx.xmm));
	ck_assert_int_eq(EXEC(b, 0x0F, 0xAE, 0x07), -1);
	ck_assert_uint_eq(bare_peek64(b, BARE_FRAMES + 280), UINT64_MAX);
	ck_assert_uint_eq(bare_peek64(b, BARE_FRAMES + 288), 0x1234);
}
END_TEST

START_TEST(flags_in_and_out)
{
	ck_assert_int_eq(EXEC(b, 0xD9, 0xEE), -1); /* FLDZ */
	ck_assert_int_eq(EXEC(b, 0xD9, 0xE8), -1); /* FLD1 */
	ck_assert_int_eq(EXEC(b, 0xDB, 0xF1), -1); /* FCOMI ST, ST1: 1 > 0 */
	ck_assert_uint_eq(soft_flags_get(s) & FLAG_ARITH, 0);
	ck_assert_int_eq(EXEC(b, 0xDA, 0xC1), -1); /* FCMOVB: no */
	ck_assert(st(0) == 1.0L);
	ck_assert_int_eq(EXEC(b, 0xDB, 0xC1), -1); /* FCMOVNB: yes */
	ck_assert(st(0) == 0.0L);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("fpu_x87");
	TCase *t = tcase_create("x87");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, computes_and_remembers_where);
	tcase_add_test(t, unmasked_waits_for_the_next);
	tcase_add_test(t, withheld_store_leaves_memory);
	tcase_add_test(t, no_device);
	tcase_add_test(t, init_keeps_registers_in_place);
	tcase_add_test(t, environment_of_28_bytes);
	tcase_add_test(t, state_of_94_bytes);
	tcase_add_test(t, load_makes_summary_follow);
	tcase_add_test(t, fxsave_and_back);
	tcase_add_test(t, reserved_mxcsr_bits);
	tcase_add_test(t, legacy_modes_save_eight_registers);
	tcase_add_test(t, flags_in_and_out);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
