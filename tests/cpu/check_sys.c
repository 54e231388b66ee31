/* tests/cpu/check_sys.c: system instructions: segments, far transfers, fast
 * calls, control registers, MSRs, ports. */
#include "tests/cpu/bare.h"
#include "tests/unit.h"

static struct bare *b;
static struct soft *s;

static void setup(void)
{
	b = bare_new();
	s = b->s;
	bare_long(b, 0);
}

static void teardown(void)
{
	bare_free(b);
	b = NULL;
}

static int wrmsr(uint32_t msr, uint64_t v)
{
	s->r[CPU_RCX] = msr;
	s->r[CPU_RAX] = (uint32_t)v;
	s->r[CPU_RDX] = v >> 32;
	return EXEC(b, 0x0F, 0x30);
}

static uint64_t rdmsr(uint32_t msr)
{
	s->r[CPU_RCX] = msr;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x32), -1);
	return s->r[CPU_RDX] << 32 | s->r[CPU_RAX];
}

/* ---- fast calls ------------------------------------------------------------- */

static void set_star(void)
{
	s->msr.star = UINT64_C(0x0023) << 48 | (uint64_t)BARE_CS0 << 32;
	s->msr.lstar = 0x110AA0;
	s->msr.sfmask = FLAG_IF | FLAG_TF | FLAG_DF;
}

START_TEST(syscall_and_back)
{
	bare_long(b, 3);
	set_star();
	soft_flags_set(s, FLAG_IF | FLAG_DF | FLAG_CF | 2);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x05), -1);
	ck_assert_uint_eq(s->rip, 0x110AA0);
	ck_assert_uint_eq(s->r[CPU_RCX], BARE_CODE + 2);
	ck_assert_uint_eq(s->r[11], FLAG_IF | FLAG_DF | FLAG_CF | 2);
	ck_assert_uint_eq(soft_flags_get(s), FLAG_CF | 2);
	ck_assert_uint_eq(s->cpl, 0);
	ck_assert_uint_eq(s->seg[CPU_CS].sel, BARE_CS0);
	ck_assert_uint_eq(s->seg[CPU_SS].sel, BARE_DS0);
	ck_assert_uint_eq(s->r[CPU_RSP], BARE_USER_STACK);
	ck_assert_int_eq(EXEC(b, 0x48, 0x0F, 0x07), -1);
	ck_assert_uint_eq(s->rip, BARE_CODE + 2);
	ck_assert_uint_eq(s->cpl, 3);
	ck_assert_uint_eq(s->seg[CPU_CS].sel, BARE_CS3);
	ck_assert_uint_eq(s->seg[CPU_SS].sel, BARE_DS3);
	ck_assert_uint_eq(soft_flags_get(s), FLAG_IF | FLAG_DF | FLAG_CF | 2);
	ck_assert_ptr_eq(s->tlb, s->tlbs[1]);
}
END_TEST

START_TEST(sysret_to_non_canonical_faults_in_the_kernel)
{
	set_star();
	s->r[CPU_RCX] = UINT64_C(0x800000000000);
	ck_assert_int_eq(EXEC(b, 0x48, 0x0F, 0x07), EXC_GP);
	ck_assert_uint_eq(s->cpl, 0);
	ck_assert_uint_eq(s->seg[CPU_CS].sel, BARE_CS0);
}
END_TEST

START_TEST(sysret_to_32_bit)
{
	set_star();
	s->r[CPU_RCX] = UINT64_C(0xFFFFFFFF00001000);
	s->r[11] = UINT64_MAX;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x07), -1);
	ck_assert_uint_eq(s->mode, SOFT_MODE_C32);
	ck_assert_uint_eq(s->rip, 0x1000);
	ck_assert_uint_eq(soft_flags_get(s), 0x3C7FD7 & ~(unsigned)FLAG_RF);
}
END_TEST

START_TEST(syscall_needs_sce_and_64_bit_mode)
{
	s->efer &= ~EFER_SCE;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x05), EXC_UD);
	bare_prot(b, 0);
	s->efer = EFER_SCE;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x05), EXC_UD);
}
END_TEST

START_TEST(sysret_is_for_cpl_0)
{
	bare_long(b, 3);
	set_star();
	ck_assert_int_eq(EXEC(b, 0x48, 0x0F, 0x07), EXC_GP);
}
END_TEST

START_TEST(sysenter_and_sysexit)
{
	bare_long(b, 3);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x34), EXC_GP); /* CS is 0 */
	s->msr.sysenter_cs = BARE_CS0;
	s->msr.sysenter_esp = BARE_STACK;
	s->msr.sysenter_eip = 0x110BB0;
	s->rip = BARE_CODE;
	s->rflags |= FLAG_IF;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x34), -1);
	ck_assert_uint_eq(s->rip, 0x110BB0);
	ck_assert_uint_eq(s->r[CPU_RSP], BARE_STACK);
	ck_assert_uint_eq(s->cpl, 0);
	ck_assert(!(s->rflags & FLAG_IF));
	s->r[CPU_RCX] = 0x9000;
	s->r[CPU_RDX] = 0x5000;
	ck_assert_int_eq(EXEC(b, 0x48, 0x0F, 0x35), -1);
	ck_assert_uint_eq(s->cpl, 3);
	ck_assert_uint_eq(s->rip, 0x5000);
	ck_assert_uint_eq(s->r[CPU_RSP], 0x9000);
	ck_assert_uint_eq(s->seg[CPU_CS].sel, (BARE_CS0 + 32) | 3);
}
END_TEST

START_TEST(swapgs_exchanges_bases)
{
	s->seg[CPU_GS].base = s->seg_base[CPU_GS] = 0x1111;
	s->msr.kernel_gs_base = UINT64_C(0xFFFF888000000000);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0xF8), -1);
	ck_assert_uint_eq(s->seg_base[CPU_GS], UINT64_C(0xFFFF888000000000));
	ck_assert_uint_eq(s->msr.kernel_gs_base, 0x1111);
	bare_long(b, 3);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0xF8), EXC_GP);
}
END_TEST

START_TEST(fsgsbase_instructions)
{
	ck_assert_int_eq(EXEC(b, 0xF3, 0x48, 0x0F, 0xAE, 0xD0), EXC_UD); /* CR4 off */
	s->cr4 |= CR4_FSGSBASE;
	s->r[CPU_RAX] = 0x123456789;
	ck_assert_int_eq(EXEC(b, 0xF3, 0x48, 0x0F, 0xAE, 0xD0), -1); /* wrfsbase rax */
	ck_assert_uint_eq(s->seg_base[CPU_FS], 0x123456789);
	ck_assert_int_eq(EXEC(b, 0xF3, 0x0F, 0xAE, 0xC3), -1); /* rdfsbase ebx */
	ck_assert_uint_eq(s->r[CPU_RBX], 0x23456789);
	s->r[CPU_RAX] = UINT64_C(0x8000000000000000);
	ck_assert_int_eq(EXEC(b, 0xF3, 0x48, 0x0F, 0xAE, 0xD8), EXC_GP);
}
END_TEST

/* ---- segments -------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned cpl;
	uint16_t sel;
	uint64_t desc; /* put at BARE_GATE */
	int vector;
	uint32_t error;
} ds_cases[] = {
	{ "data", 0, BARE_GATE, 0x00CF92000000FFFF, -1, 0 },
	{ "null", 0, 0, 0, -1, 0 },
	{ "null with RPL", 0, 3, 0, -1, 0 },
	{ "beyond the table", 0, 0x1000, 0, EXC_GP, 0x1000 },
	{ "not present", 0, BARE_GATE, 0x00CF12000000FFFF, EXC_NP, BARE_GATE },
	{ "execute-only code", 0, BARE_GATE, 0x00CF98000000FFFF, EXC_GP, BARE_GATE },
	{ "readable code", 0, BARE_GATE, 0x00CF9A000000FFFF, -1, 0 },
	{ "system", 0, BARE_TR, 0, EXC_GP, BARE_TR },
	{ "RPL above DPL", 0, BARE_GATE | 3, 0x00CF92000000FFFF, EXC_GP, BARE_GATE },
	{ "kernel data from user", 3, BARE_GATE, 0x00CF92000000FFFF, EXC_GP, BARE_GATE },
	{ "conforming code from user", 3, BARE_GATE, 0x00CF9E000000FFFF, -1, 0 },
	{ "no LDT", 0, 0x0C, 0, EXC_GP, 0x0C },
};

START_TEST(mov_to_ds)
{
	int vector;

	bare_long(b, ds_cases[_i].cpl);
	if (ds_cases[_i].desc)
		bare_poke64(b, BARE_GDT + BARE_GATE, ds_cases[_i].desc);
	s->r[CPU_RAX] = ds_cases[_i].sel;
	vector = EXEC(b, 0x8E, 0xD8);
	ck_assert_msg(vector == ds_cases[_i].vector, "%s: %d", ds_cases[_i].name, vector);
	if (vector >= 0) {
		ck_assert_msg(s->exc_error == ds_cases[_i].error, "%s: %#x", ds_cases[_i].name, s->exc_error);
		return;
	}
	ck_assert_uint_eq(s->seg[CPU_DS].sel, ds_cases[_i].sel);
	if (ds_cases[_i].desc)
		ck_assert(bare_peek64(b, BARE_GDT + BARE_GATE) & UINT64_C(1) << 40);
}
END_TEST

START_TEST(mov_to_ss_shadows_and_checks)
{
	s->r[CPU_RAX] = BARE_DS0;
	ck_assert_int_eq(EXEC(b, 0x8E, 0xD0), -1);
	ck_assert(s->shadow);
	s->r[CPU_RAX] = BARE_DS3;
	ck_assert_int_eq(EXEC(b, 0x8E, 0xD0), EXC_GP);
	ck_assert_uint_eq(s->exc_error, BARE_DS3 & ~3U);
	s->r[CPU_RAX] = 0;
	ck_assert_int_eq(EXEC(b, 0x8E, 0xD0), -1);
	ck_assert_uint_eq(s->cpl, 0);
	ck_assert_int_eq(EXEC(b, 0x8E, 0xC8), EXC_UD); /* CS */
	ck_assert_int_eq(EXEC(b, 0x8E, 0xF0), EXC_UD);
}
END_TEST

START_TEST(limits_in_protected_mode)
{
	bare_prot(b, 0);
	s->seg[CPU_DS].limit = 0xFFF;
	ck_assert_int_eq(RAISED(b, soft_seg_check(s, CPU_DS, 0xFFC, 4, true)), -1);
	ck_assert_int_eq(RAISED(b, soft_seg_check(s, CPU_DS, 0xFFD, 4, true)), EXC_GP);
	ck_assert_int_eq(RAISED(b, soft_seg_check(s, CPU_DS, 0xFFFFFFFF, 4, true)), EXC_GP);
	s->seg[CPU_SS].limit = 0xFFF;
	ck_assert_int_eq(RAISED(b, soft_seg_check(s, CPU_SS, 0x1000, 1, true)), EXC_SS);
	s->seg[CPU_DS].attr |= SEG_TYPE_DOWN;
	ck_assert_int_eq(RAISED(b, soft_seg_check(s, CPU_DS, 0xFFF, 1, false)), EXC_GP);
	ck_assert_int_eq(RAISED(b, soft_seg_check(s, CPU_DS, 0x1000, 4, false)), -1);
	s->seg[CPU_DS].attr &= (uint16_t)~(SEG_TYPE_DOWN | SEG_TYPE_WRITE);
	ck_assert_int_eq(RAISED(b, soft_seg_check(s, CPU_DS, 0, 1, true)), EXC_GP);
	ck_assert_int_eq(RAISED(b, soft_seg_check(s, CPU_CS, 0, 1, true)), EXC_GP);
	ck_assert_int_eq(RAISED(b, soft_seg_check(s, CPU_CS, 0, 1, false)), -1);
}
END_TEST

START_TEST(lar_lsl_verr_verw)
{
	s->r[CPU_RAX] = BARE_DS3;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x02, 0xD8), -1); /* lar ebx, eax */
	ck_assert_uint_eq(s->r[CPU_RBX], 0x00CFF300 & 0x00F0FF00);
	ck_assert(soft_flags_get(s) & FLAG_ZF);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x03, 0xD8), -1);
	ck_assert_uint_eq(s->r[CPU_RBX], 0xFFFFFFFF);
	s->r[CPU_RAX] = 0x1000;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x02, 0xD8), -1);
	ck_assert(!(soft_flags_get(s) & FLAG_ZF));
	ck_assert_uint_eq(s->r[CPU_RBX], 0xFFFFFFFF);
	s->r[CPU_RAX] = BARE_CS0;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x00, 0xE0), -1); /* verr */
	ck_assert(soft_flags_get(s) & FLAG_ZF);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x00, 0xE8), -1); /* verw */
	ck_assert(!(soft_flags_get(s) & FLAG_ZF));
}
END_TEST

START_TEST(ltr_makes_the_tss_busy)
{
	s->r[CPU_RAX] = BARE_TR;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x00, 0xD8), -1);
	ck_assert_uint_eq(bare_peek64(b, BARE_GDT + BARE_TR) >> 40 & 15, DESC_TSS32_BUSY);
	ck_assert_uint_eq(s->tr.base, BARE_TSS);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x00, 0xD8), EXC_GP); /* busy */
	ck_assert_uint_eq(s->exc_error, BARE_TR);
	s->r[CPU_RAX] = 0;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x00, 0xD8), EXC_GP);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x00, 0xD0), -1); /* lldt null */
	ck_assert(s->ldtr.attr & CPU_SEG_UNUSABLE);
}
END_TEST

START_TEST(pop_ss_uses_the_old_width)
{
	bare_prot(b, 0);
	bare_poke64(b, BARE_GDT + BARE_GATE, 0x000F92000000FFFF); /* 16-bit stack */
	s->r[CPU_RSP] = BARE_STACK;
	bare_poke64(b, BARE_STACK, BARE_GATE);
	ck_assert_int_eq(EXEC(b, 0x17), -1);
	ck_assert_uint_eq(s->r[CPU_RSP], BARE_STACK + 4);
	ck_assert_uint_eq(s->stack_size, 2);
	ck_assert(s->shadow);
}
END_TEST

/* ENTER and LEAVE where the stack's width and the operand's differ. The results are a processor's
 * (AMD EPYC, 32-bit code on stacks of an LDT). EBP gets all of ESP with a 32-bit operand. */
static const struct frame_case {
	const char *name;
	uint8_t code[5];
	uint8_t len;
	bool is_16; /* the stack */
	uint32_t ebp, esp;
	uint32_t first; /* above the 16 bytes that ENTER leaves free */
} frame_cases[] = {
	{ "enter, SP", { 0xC8, 16, 0 }, 4, true, 0xBBBB7FFC, 0xBBBB7FEC, 0xAAAA2000 },
	{ "enterw, SP", { 0x66, 0xC8, 16, 0 }, 5, true, 0xAAAA7FFE, 0xBBBB7FEE, 0x00002000 },
	{ "enter, ESP", { 0xC8, 16, 0 }, 4, false, 0xBBBB7FFC, 0xBBBB7FEC, 0xAAAA2000 },
	{ "enter 2, SP", { 0xC8, 16, 0, 2 }, 4, true, 0xBBBB7FFC, 0xBBBB7FE4, 0xBBBB7FFC },
	{ "leave, SP", { 0xC9 }, 1, true, 0xDEADBEEF, 0xBBBB2004, 0 },
	{ "leavew, SP", { 0x66, 0xC9 }, 2, true, 0xAAAABEEF, 0xBBBB2002, 0 },
};

START_TEST(frames_on_stacks_of_another_width)
{
	const struct frame_case *c = &frame_cases[_i];
	struct cpu_segment *ss = &s->seg[CPU_SS];

	bare_prot(b, 0);
	/* Wraps at 4 GiB, so that ESP's upper half reaches memory. */
	ss->base = c->is_16 ? 0x200000 : (uint32_t)(0x200000 - 0xBBBB0000U);
	ss->limit = c->is_16 ? 0xFFFF : UINT32_MAX;
	ss->attr = (uint16_t)((ss->attr & ~CPU_SEG_DB) | (c->is_16 ? 0 : CPU_SEG_DB));
	soft_mode_changed(s);
	s->r[CPU_RSP] = 0xBBBB8000;
	s->r[CPU_RBP] = 0xAAAA2000;
	bare_poke64(b, 0x202000, 0xDEADBEEF);
	ck_assert_msg(bare_exec(b, c->code, c->len) == -1, "%s", c->name);
	ck_assert_msg(s->r[CPU_RBP] == c->ebp && s->r[CPU_RSP] == c->esp, "%s: EBP %#llx, ESP %#llx", c->name,
		      (unsigned long long)s->r[CPU_RBP], (unsigned long long)s->r[CPU_RSP]);
	if (c->first)
		ck_assert_msg(bare_peek32(b, 0x200000 + (c->esp & 0xFFFF) + 16) == c->first, "%s", c->name);
}
END_TEST

/* ---- far transfers ------------------------------------------------------------------ */

START_TEST(enter_protected_mode_and_jump)
{
	bare_prot(b, 0); /* makes the tables */
	bare_real(b);
	s->gdtr = (struct cpu_table){ BARE_GDT, 0x7F };
	s->r[CPU_RAX] = CR0_PE | CR0_ET;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x22, 0xC0), -1);
	ck_assert_uint_eq(s->mode, SOFT_MODE_P16);
	ck_assert_int_eq(EXEC(b, 0x66, 0xEA, 0x00, 0x00, 0x10, 0x00, BARE_CS0, 0x00), -1);
	ck_assert_uint_eq(s->mode, SOFT_MODE_P32);
	ck_assert_uint_eq(s->rip, 0x100000);
	ck_assert_uint_eq(s->seg[CPU_CS].sel, BARE_CS0);
}
END_TEST

START_TEST(far_call_and_return_in_long_mode)
{
	bare_poke64(b, 0x3000, 0x5000);
	bare_poke64(b, 0x3008, BARE_CS0);
	s->r[CPU_RBX] = 0x3000;
	ck_assert_int_eq(EXEC(b, 0x48, 0xFF, 0x1B), -1); /* call far [rbx] */
	ck_assert_uint_eq(s->rip, 0x5000);
	ck_assert_uint_eq(bare_peek64(b, BARE_STACK - 16), BARE_CODE + 3);
	ck_assert_uint_eq(bare_peek64(b, BARE_STACK - 8), BARE_CS0);
	ck_assert_int_eq(EXEC(b, 0x48, 0xCB), -1);
	ck_assert_uint_eq(s->rip, BARE_CODE + 3);
	ck_assert_uint_eq(s->r[CPU_RSP], BARE_STACK);
}
END_TEST

START_TEST(call_gate_to_inner_privilege_copies_parameters)
{
	bare_prot(b, 3);
	/* 32-bit call gate, DPL 3, two parameters, to BARE_CS0:0x112233. */
	bare_poke64(b, BARE_GDT + BARE_GATE,
		    UINT64_C(0x2233) | (uint64_t)BARE_CS0 << 16 | UINT64_C(0x0011EC02) << 32);
	bare_poke64(b, BARE_USER_STACK, UINT64_C(0xBBBBBBBBAAAAAAAA));
	ck_assert_int_eq(EXEC(b, 0x9A, 0, 0, 0, 0, BARE_GATE | 3, 0), -1);
	ck_assert_uint_eq(s->rip, 0x112233);
	ck_assert_uint_eq(s->cpl, 0);
	ck_assert_uint_eq(s->r[CPU_RSP], BARE_RSP0 - 24);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 24), BARE_CODE + 7);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 20), BARE_CS3);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 16), 0xAAAAAAAA);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 12), 0xBBBBBBBB);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 8), BARE_USER_STACK);
	ck_assert_int_eq(EXEC(b, 0xCA, 8, 0), -1);
	ck_assert_uint_eq(s->cpl, 3);
	ck_assert_uint_eq(s->rip, BARE_CODE + 7);
	ck_assert_uint_eq(s->r[CPU_RSP], BARE_USER_STACK + 8);
}
END_TEST

START_TEST(jump_cannot_gain_privilege)
{
	bare_prot(b, 3);
	ck_assert_int_eq(EXEC(b, 0xEA, 0, 0x10, 0, 0, BARE_CS0, 0), EXC_GP);
	ck_assert_uint_eq(s->exc_error, BARE_CS0);
	ck_assert_int_eq(EXEC(b, 0xEA, 0, 0x10, 0, 0, 0, 0), EXC_GP);
	ck_assert_uint_eq(s->exc_error, 0);
}
END_TEST

/* ---- control registers ----------------------------------------------------------------- */

static int mov_cr(unsigned n, uint64_t v)
{
	s->r[CPU_RAX] = v;
	switch (n) {
	case 0:
		return EXEC(b, 0x0F, 0x22, 0xC0);
	case 3:
		return EXEC(b, 0x0F, 0x22, 0xD8);
	case 4:
		return EXEC(b, 0x0F, 0x22, 0xE0);
	default:
		return EXEC(b, 0x44, 0x0F, 0x22, 0xC0);
	}
}

START_TEST(control_registers_refuse_what_the_manual_refuses)
{
	uint64_t cr0 = s->cr0, cr4 = s->cr4;

	ck_assert_int_eq(mov_cr(0, cr0 & ~CR0_PG), EXC_GP); /* in 64-bit mode */
	ck_assert_int_eq(mov_cr(0, cr0 & ~CR0_PE), EXC_GP);
	ck_assert_int_eq(mov_cr(0, cr0 | UINT64_C(1) << 32), EXC_GP);
	ck_assert_int_eq(mov_cr(0, cr0 | CR0_NW), EXC_GP);
	ck_assert_int_eq(mov_cr(4, cr4 & ~CR4_PAE), EXC_GP);
	ck_assert_int_eq(mov_cr(4, cr4 | UINT64_C(1) << 20), EXC_GP); /* SMEP */
	ck_assert_int_eq(mov_cr(4, cr4 | UINT64_C(1) << 17), EXC_GP); /* PCIDE */
	ck_assert_int_eq(mov_cr(3, UINT64_C(1) << 40), EXC_GP);
	ck_assert_int_eq(mov_cr(3, UINT64_C(1) << 63), EXC_GP);
	ck_assert_int_eq(mov_cr(8, 16), EXC_GP);
	ck_assert_int_eq(mov_cr(8, 15), -1);
	ck_assert_uint_eq(b->cr8, 15);
	ck_assert_uint_eq(s->cr0, cr0);
	ck_assert_uint_eq(s->cr4, cr4);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x22, 0xC8), EXC_UD); /* CR1 */
	bare_long(b, 3);
	ck_assert_int_eq(mov_cr(3, 0), EXC_GP);
}
END_TEST

START_TEST(long_mode_is_entered_by_pg)
{
	bare_prot(b, 0);
	s->cr3 = BARE_PML4;
	ck_assert_int_eq(wrmsr((uint32_t)MSR_EFER, EFER_LME | EFER_NXE), -1);
	ck_assert_int_eq(mov_cr(0, s->cr0 | CR0_PG), EXC_GP); /* no PAE yet */
	ck_assert_int_eq(mov_cr(4, CR4_PAE), -1);
	ck_assert(!(s->efer & EFER_LMA));
	ck_assert_int_eq(mov_cr(0, s->cr0 | CR0_PG), -1);
	ck_assert(s->efer & EFER_LMA);
	ck_assert_uint_eq(s->mode, SOFT_MODE_C32);
	ck_assert_int_eq(wrmsr((uint32_t)MSR_EFER, EFER_NXE), EXC_GP); /* LME while paging */
	ck_assert_int_eq(mov_cr(0, s->cr0 & ~CR0_PG), -1);
	ck_assert(!(s->efer & EFER_LMA));
	ck_assert_uint_eq(s->mode, SOFT_MODE_P32);
}
END_TEST

START_TEST(wp_change_is_seen_by_the_next_store)
{
	bare_poke64(b, bare_pte(3), (BARE_FRAMES + 3 * 4096) | 0x65);
	s->cr0 &= ~CR0_WP;
	mmu_st8(s, BARE_PAGES + 3 * 4096, 1);
	ck_assert_int_eq(mov_cr(0, s->cr0 | CR0_WP), -1);
	ck_assert_int_eq(RAISED(b, mmu_st8(s, BARE_PAGES + 3 * 4096, 1)), EXC_PF);
}
END_TEST

START_TEST(lmsw_cannot_leave_protected_mode)
{
	s->r[CPU_RAX] = CR0_TS;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0xF0), -1);
	ck_assert_uint_eq(s->cr0 & 15, CR0_PE | CR0_TS);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x06), -1);
	ck_assert_uint_eq(s->cr0 & 15, CR0_PE);
}
END_TEST

START_TEST(debug_registers)
{
	s->r[CPU_RAX] = 0xFFFFFFFF;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x23, 0xF0), -1); /* dr6 */
	ck_assert_uint_eq(s->dr6, 0xFFFFEFFF);
	s->r[CPU_RAX] = UINT64_C(1) << 32;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x23, 0xF8), EXC_GP);
	s->r[CPU_RAX] = 0x2000; /* GD */
	ck_assert_int_eq(EXEC(b, 0x0F, 0x23, 0xF8), -1);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x21, 0xC3), EXC_DB);
	soft_event_deliver(s, EXC_DB, EVENT_FAULT, false, 0);
	ck_assert(s->dr6 & 0x2000);
	ck_assert(!(s->dr7 & 0x2000));
	s->cr4 |= CR4_DE;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x21, 0xE3), EXC_UD); /* dr4 */
}
END_TEST

START_TEST(tables_load_and_store)
{
	const uint8_t image[10] = { 0xFF, 0x0F, 0x00, 0x10, 0, 0, 0x80, 0x88, 0xFF, 0xFF };

	ck_assert(mem_dma_write(&b->mem, 0x3000, image, 10));
	s->r[CPU_RBX] = 0x3000;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0x1B), -1); /* lidt [rbx] */
	ck_assert_uint_eq(s->idtr.base, UINT64_C(0xFFFF888000001000));
	ck_assert_uint_eq(s->idtr.limit, 0xFFF);
	s->r[CPU_RBX] = 0x3020;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0x0B), -1); /* sidt [rbx] */
	ck_assert_mem_eq(b->mem.host + 0x3020, image, 10);
	b->mem.host[0x3009] = 0x7F;
	s->r[CPU_RBX] = 0x3000;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0x13), EXC_GP);
	bare_long(b, 3);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0x13), EXC_GP);
}
END_TEST

START_TEST(invlpg_is_privileged_and_flushes)
{
	bare_poke64(b, BARE_FRAMES, 1);
	bare_poke64(b, BARE_FRAMES + 4096, 2);
	ck_assert_uint_eq(mmu_ld64(s, BARE_PAGES), 1);
	bare_poke64(b, bare_pte(0), (BARE_FRAMES + 4096) | 7);
	s->r[CPU_RBX] = BARE_PAGES + 77;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0x3B), -1);
	ck_assert_uint_eq(mmu_ld64(s, BARE_PAGES), 2);
	bare_long(b, 3);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0x3B), EXC_GP);
}
END_TEST

/* ---- MSRs, time, CPUID --------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t msr;
	uint64_t v;
	int vector;
} msr_cases[] = {
	{ "LSTAR", 0xC0000082, UINT64_C(0xFFFFFFFF81000000), -1 },
	{ "LSTAR non-canonical", 0xC0000082, UINT64_C(0x8000000000000000), EXC_GP },
	{ "FS base", 0xC0000100, 0x7F0000001000, -1 },
	{ "GS base non-canonical", 0xC0000101, UINT64_C(0x800000000000), EXC_GP },
	{ "EFER reserved", 0xC0000080, 0x1000, EXC_GP },
	{ "PAT", 0x277, 0x0007040600070406, -1 },
	{ "PAT type 2", 0x277, 2, EXC_GP },
	{ "MTRR default type", 0x2FF, 0xC06, -1 },
	{ "MTRR default type 7", 0x2FF, 7, EXC_GP },
	{ "MTRR mask", 0x201, UINT64_C(0xFFC0000800), -1 },
	{ "MTRR mask beyond 40 bits", 0x201, UINT64_C(0x10000000800), EXC_GP },
	{ "MTRR fixed", 0x26F, 0x0606060606060606, -1 },
	{ "MTRR fixed type 3", 0x26F, 3, EXC_GP },
	{ "MTRR 17th", 0x210, 0, EXC_GP },
	{ "TSC_AUX", 0xC0000103, 5, -1 },
	{ "TSC_AUX 64 bits", 0xC0000103, UINT64_C(1) << 32, EXC_GP },
	{ "SPEC_CTRL", 0x48, 0, EXC_GP },
	{ "unknown", 0x12345, 0, EXC_GP },
	{ "MTRR capabilities", 0xFE, 0, EXC_GP },
};

START_TEST(msr_writes)
{
	int vector = wrmsr(msr_cases[_i].msr, msr_cases[_i].v);

	ck_assert_msg(vector == msr_cases[_i].vector, "%s: %d", msr_cases[_i].name, vector);
	if (vector < 0)
		ck_assert_uint_eq(rdmsr(msr_cases[_i].msr), msr_cases[_i].v);
}
END_TEST

START_TEST(msrs_are_for_cpl_0)
{
	bare_long(b, 3);
	ck_assert_int_eq(wrmsr(MSR_TSC, 0), EXC_GP);
	s->r[CPU_RCX] = MSR_TSC;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x32), EXC_GP);
}
END_TEST

START_TEST(tsc_and_its_adjustment_move_together)
{
	b->tsc = 1000;
	ck_assert_int_eq(wrmsr(MSR_TSC, 5000), -1);
	ck_assert_uint_eq(rdmsr(MSR_TSC_ADJUST), 4000);
	b->tsc = 1100;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x31), -1);
	ck_assert_uint_eq(s->r[CPU_RAX], 5100);
	ck_assert_int_eq(wrmsr(MSR_TSC_ADJUST, 0), -1);
	ck_assert_uint_eq(rdmsr(MSR_TSC), 1100);
	s->msr.tsc_aux = 7;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0xF9), -1);
	ck_assert_uint_eq(s->r[CPU_RCX], 7);
	bare_long(b, 3);
	s->cr4 |= CR4_TSD;
	ck_assert_int_eq(EXEC(b, 0x0F, 0x31), EXC_GP);
}
END_TEST

START_TEST(the_deadline_is_in_the_guests_ticks)
{
	b->tsc = 1000;
	ck_assert_int_eq(wrmsr(MSR_TSC, 5000), -1); /* 4000 ahead of the bus */
	ck_assert_int_eq(wrmsr(MSR_TSC_DEADLINE, 5500), -1);
	ck_assert_uint_eq(b->deadline, 1500);
	ck_assert_uint_eq(rdmsr(MSR_TSC_DEADLINE), 5500);
	/* the guest's TSC moves back by 3000: the deadline is as much further away */
	ck_assert_int_eq(wrmsr(MSR_TSC_ADJUST, 1000), -1);
	ck_assert_uint_eq(b->deadline, 4500);
	ck_assert_uint_eq(rdmsr(MSR_TSC_DEADLINE), 5500);
	/* past: due now, though the bus was never at that number */
	ck_assert_int_eq(wrmsr(MSR_TSC_DEADLINE, 7), -1);
	ck_assert_uint_eq(b->deadline, 1000);
	ck_assert_int_eq(wrmsr(MSR_TSC_DEADLINE, 0), -1);
	ck_assert_uint_eq(b->deadline, 0);
	ck_assert_uint_eq(rdmsr(MSR_TSC_DEADLINE), 0);
	/* a TSC behind the bus's: the last deadlines are beyond its numbers */
	ck_assert_int_eq(wrmsr(MSR_TSC, 0), -1);
	ck_assert_int_eq(wrmsr(MSR_TSC_DEADLINE, UINT64_MAX - 1), -1);
	ck_assert_uint_eq(b->deadline, UINT64_MAX);
}
END_TEST

START_TEST(cpuid_asks_the_model)
{
	s->r[CPU_RAX] = UINT64_C(0xFFFFFFFF00000001);
	s->r[CPU_RBX] = UINT64_MAX;
	ck_assert_int_eq(EXEC(b, 0x0F, 0xA2), -1);
	ck_assert_uint_eq(s->r[CPU_RAX], 0x30661);
	ck_assert_uint_eq(s->r[CPU_RBX] >> 32, 0);
	ck_assert(s->r[CPU_RDX] & 1 << 9);
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0xD0), EXC_UD); /* xgetbv */
	ck_assert_int_eq(EXEC(b, 0x0F, 0x01, 0xC8), EXC_UD); /* monitor */
	ck_assert_int_eq(EXEC(b, 0x0F, 0x33), EXC_GP); /* rdpmc */
}
END_TEST

/* ---- flags, ports ------------------------------------------------------------------------ */

START_TEST(sti_shadows_only_when_if_was_clear)
{
	ck_assert_int_eq(EXEC(b, 0xFB), -1);
	ck_assert(s->shadow);
	s->shadow = false;
	ck_assert_int_eq(EXEC(b, 0xFB), -1);
	ck_assert(!s->shadow);
	ck_assert_int_eq(EXEC(b, 0xFA), -1);
	ck_assert(!(s->rflags & FLAG_IF));
	bare_long(b, 3);
	ck_assert_int_eq(EXEC(b, 0xFB), EXC_GP);
	ck_assert_int_eq(EXEC(b, 0xF4), EXC_GP);
	s->rflags |= FLAG_IOPL;
	ck_assert_int_eq(EXEC(b, 0xFB), -1);
}
END_TEST

START_TEST(popf_masks_by_privilege)
{
	bare_long(b, 3);
	soft_flags_set(s, FLAG_IF | 2);
	s->r[CPU_RSP] = BARE_USER_STACK;
	bare_poke64(b, BARE_USER_STACK, FLAG_IOPL | FLAG_AC | FLAG_ID | FLAG_CF | FLAG_VM | FLAG_RF);
	ck_assert_int_eq(EXEC(b, 0x9D), -1);
	ck_assert_uint_eq(soft_flags_get(s), FLAG_IF | FLAG_AC | FLAG_ID | FLAG_CF | 2);
	ck_assert_uint_eq(s->r[CPU_RSP], BARE_USER_STACK + 8);
	ck_assert_int_eq(EXEC(b, 0x66, 0x9C), -1);
	ck_assert_uint_eq(s->r[CPU_RSP], BARE_USER_STACK + 6);
	ck_assert_uint_eq(bare_peek16(b, BARE_USER_STACK + 6), FLAG_IF | FLAG_CF | 2);
}
END_TEST

START_TEST(ports_are_guarded_by_iopl_and_bitmap)
{
	uint16_t bitmap = 0x68;

	s->r[CPU_RAX] = 0x1122334455667788;
	ck_assert_int_eq(EXEC(b, 0xE4, 0x71), -1);
	ck_assert_uint_eq(s->r[CPU_RAX], 0x11223344556677D4);
	ck_assert_int_eq(EXEC(b, 0xE5, 0x71), -1);
	ck_assert_uint_eq(s->r[CPU_RAX], 0xA1B2C3D4);
	s->r[CPU_RDX] = 0x3F8;
	ck_assert_int_eq(EXEC(b, 0xEE), -1);
	ck_assert_uint_eq(b->pio_port, 0x3F8);
	ck_assert_uint_eq(b->pio_value, 0xD4);
	bare_long(b, 3);
	ck_assert(mem_dma_write(&b->mem, BARE_TSS + 0x66, &bitmap, 2));
	ck_assert_int_eq(EXEC(b, 0xE4, 0x71), EXC_GP); /* beyond the limit */
	s->tr.limit = 0x68 + 0x2000;
	ck_assert_int_eq(EXEC(b, 0xE4, 0x71), -1);
	b->mem.host[BARE_TSS + 0x68 + 0x71 / 8] = 1 << 2; /* port 0x72 */
	ck_assert_int_eq(EXEC(b, 0xE4, 0x71), -1);
	ck_assert_int_eq(EXEC(b, 0x66, 0xE5, 0x71), EXC_GP); /* 0x71 and 0x72 */
}
END_TEST

START_TEST(rep_ins_goes_one_by_one_and_does_not_read_before_a_fault)
{
	s->r[CPU_RCX] = 2;
	s->r[CPU_RDX] = 0x1F0;
	s->r[CPU_RDI] = 0x3000;
	s->rip = BARE_CODE;
	ck_assert_int_eq(EXEC(b, 0xF3, 0x66, 0x6D), -1);
	ck_assert_uint_eq(s->rip, BARE_CODE);
	ck_assert_uint_eq(s->r[CPU_RCX], 1);
	ck_assert_int_eq(EXEC(b, 0xF3, 0x66, 0x6D), -1);
	ck_assert_uint_eq(s->rip, BARE_CODE + 3);
	ck_assert_uint_eq(s->r[CPU_RDI], 0x3004);
	ck_assert_uint_eq(bare_peek32(b, 0x3000), 0xC3D4C3D4);
	ck_assert_uint_eq(b->n_pio_reads, 2);
	bare_poke64(b, bare_pte(1), 0);
	s->r[CPU_RCX] = 1;
	s->r[CPU_RDI] = BARE_PAGES + 4096;
	ck_assert_int_eq(EXEC(b, 0xF3, 0x6C), EXC_PF);
	ck_assert_uint_eq(b->n_pio_reads, 2);
	ck_assert_uint_eq(s->r[CPU_RCX], 1);
}
END_TEST

START_TEST(bound_raises_br)
{
	bare_prot(b, 0);
	bare_poke64(b, 0x3000, UINT64_C(10) << 32 | 0xFFFFFFF0);
	s->r[CPU_RBX] = 0x3000;
	s->r[CPU_RAX] = 0xFFFFFFF0;
	ck_assert_int_eq(EXEC(b, 0x62, 0x03), -1);
	s->r[CPU_RAX] = 11;
	ck_assert_int_eq(EXEC(b, 0x62, 0x03), EXC_BR);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/sys");
	TCase *t = tcase_create("sys");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, syscall_and_back);
	tcase_add_test(t, sysret_to_non_canonical_faults_in_the_kernel);
	tcase_add_test(t, sysret_to_32_bit);
	tcase_add_test(t, syscall_needs_sce_and_64_bit_mode);
	tcase_add_test(t, sysret_is_for_cpl_0);
	tcase_add_test(t, sysenter_and_sysexit);
	tcase_add_test(t, swapgs_exchanges_bases);
	tcase_add_test(t, fsgsbase_instructions);
	tcase_add_loop_test(t, mov_to_ds, 0, (int)(sizeof(ds_cases) / sizeof(ds_cases[0])));
	tcase_add_test(t, mov_to_ss_shadows_and_checks);
	tcase_add_test(t, limits_in_protected_mode);
	tcase_add_test(t, lar_lsl_verr_verw);
	tcase_add_test(t, ltr_makes_the_tss_busy);
	tcase_add_test(t, pop_ss_uses_the_old_width);
	tcase_add_loop_test(t, frames_on_stacks_of_another_width, 0, (int)(sizeof frame_cases / sizeof frame_cases[0]));
	tcase_add_test(t, enter_protected_mode_and_jump);
	tcase_add_test(t, far_call_and_return_in_long_mode);
	tcase_add_test(t, call_gate_to_inner_privilege_copies_parameters);
	tcase_add_test(t, jump_cannot_gain_privilege);
	tcase_add_test(t, control_registers_refuse_what_the_manual_refuses);
	tcase_add_test(t, long_mode_is_entered_by_pg);
	tcase_add_test(t, wp_change_is_seen_by_the_next_store);
	tcase_add_test(t, lmsw_cannot_leave_protected_mode);
	tcase_add_test(t, debug_registers);
	tcase_add_test(t, tables_load_and_store);
	tcase_add_test(t, invlpg_is_privileged_and_flushes);
	tcase_add_loop_test(t, msr_writes, 0, (int)(sizeof(msr_cases) / sizeof(msr_cases[0])));
	tcase_add_test(t, msrs_are_for_cpl_0);
	tcase_add_test(t, tsc_and_its_adjustment_move_together);
	tcase_add_test(t, the_deadline_is_in_the_guests_ticks);
	tcase_add_test(t, cpuid_asks_the_model);
	tcase_add_test(t, sti_shadows_only_when_if_was_clear);
	tcase_add_test(t, popf_masks_by_privilege);
	tcase_add_test(t, ports_are_guarded_by_iopl_and_bitmap);
	tcase_add_test(t, rep_ins_goes_one_by_one_and_does_not_read_before_a_fault);
	tcase_add_test(t, bound_raises_br);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
