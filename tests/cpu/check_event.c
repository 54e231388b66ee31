/* tests/cpu/check_event.c: delivery of exceptions and interrupts, double and
 * triple faults, IRET. */
#include "tests/cpu/bare.h"
#include "tests/unit.h"

static struct bare *b;

static void setup(void)
{
	b = bare_new();
}

static void teardown(void)
{
	bare_free(b);
	b = NULL;
}

static uint64_t handler(unsigned vector)
{
	return BARE_HANDLERS + vector * 16;
}

START_TEST(long_mode_from_user_uses_rsp0_and_aligns)
{
	bare_long(b, 3);
	b->s->insn_rip = 0x1234;
	b->s->rip = 0x1238;
	soft_flags_set(b->s, FLAG_IF | FLAG_ZF | FLAG_TF | 2);
	bare_poke64(b, BARE_TSS + 4, BARE_RSP0 + 9);
	soft_event_deliver(b->s, EXC_PF, EVENT_FAULT, true, 0x15);
	ck_assert_uint_eq(b->s->rip, handler(EXC_PF));
	ck_assert_uint_eq(b->s->cpl, 0);
	ck_assert_uint_eq(b->s->seg[CPU_CS].sel, BARE_CS0);
	ck_assert_uint_eq(b->s->seg[CPU_SS].sel, 0);
	ck_assert_uint_eq(b->s->r[CPU_RSP], BARE_RSP0 - 48);
	ck_assert_uint_eq(bare_peek64(b, BARE_RSP0 - 48), 0x15);
	ck_assert_uint_eq(bare_peek64(b, BARE_RSP0 - 40), 0x1234);
	ck_assert_uint_eq(bare_peek64(b, BARE_RSP0 - 32), BARE_CS3);
	ck_assert_uint_eq(bare_peek64(b, BARE_RSP0 - 24), FLAG_IF | FLAG_ZF | FLAG_TF | FLAG_RF | 2);
	ck_assert_uint_eq(bare_peek64(b, BARE_RSP0 - 16), BARE_USER_STACK);
	ck_assert_uint_eq(bare_peek64(b, BARE_RSP0 - 8), BARE_DS3);
	ck_assert_uint_eq(soft_flags_get(b->s), FLAG_ZF | 2);
	ck_assert_ptr_eq(b->s->tlb, b->s->tlbs[0]);
}
END_TEST

START_TEST(interrupt_pushes_next_rip_without_rf)
{
	bare_long(b, 0);
	b->s->insn_rip = 0x1234;
	b->s->rip = 0x1238;
	b->s->halted = true;
	soft_flags_set(b->s, FLAG_IF | 2);
	soft_event_deliver(b->s, 0x30, EVENT_EXT_INT, false, 0);
	ck_assert(!b->s->halted);
	ck_assert_uint_eq(bare_peek64(b, BARE_STACK - 40), 0x1238);
	ck_assert_uint_eq(bare_peek64(b, BARE_STACK - 24), FLAG_IF | 2);
	ck_assert_uint_eq(b->s->r[CPU_RSP], BARE_STACK - 40);
	ck_assert_uint_eq(b->s->seg[CPU_SS].sel, BARE_DS0);
}
END_TEST

START_TEST(trap_gate_keeps_if)
{
	bare_long(b, 0);
	bare_poke64(b, BARE_IDT + 0x30 * 16, bare_peek64(b, BARE_IDT + 0x30 * 16) | UINT64_C(1) << 40);
	soft_flags_set(b->s, FLAG_IF | FLAG_NT | 2);
	soft_event_deliver(b->s, 0x30, EVENT_EXT_INT, false, 0);
	ck_assert_uint_eq(soft_flags_get(b->s), FLAG_IF | 2);
}
END_TEST

START_TEST(soft_interrupt_checks_the_gates_dpl)
{
	bare_long(b, 3);
	ck_assert_int_eq(EXEC(b, 0xCD, 0x80), -1);
	ck_assert_uint_eq(b->s->rip, handler(0x80));
	ck_assert_uint_eq(bare_peek64(b, BARE_RSP0 - 40), BARE_CODE + 2);
	bare_long(b, 3);
	ck_assert_int_eq(EXEC(b, 0xCD, 0x30), -1); /* delivered as #GP at the INT itself */
	ck_assert_uint_eq(b->s->rip, handler(EXC_GP));
	ck_assert_uint_eq(bare_peek64(b, BARE_RSP0 - 48), 0x30 * 8 + 2);
	ck_assert_uint_eq(bare_peek64(b, BARE_RSP0 - 40), BARE_CODE);
	bare_long(b, 3);
	ck_assert_int_eq(EXEC(b, 0xCC), -1);
	ck_assert_uint_eq(b->s->rip, handler(EXC_BP));
	ck_assert_uint_eq(bare_peek64(b, BARE_RSP0 - 40), BARE_CODE + 1);
}
END_TEST

START_TEST(absent_gate_is_np_with_ext_for_hardware)
{
	bare_long(b, 0);
	bare_poke64(b, BARE_IDT + 0x30 * 16,
		    bare_peek64(b, BARE_IDT + 0x30 * 16) & ~(UINT64_C(1) << 47));
	b->s->rip = 0x5555;
	soft_event_deliver(b->s, 0x30, EVENT_EXT_INT, false, 0);
	ck_assert_uint_eq(b->s->rip, handler(EXC_NP));
	ck_assert_uint_eq(bare_peek64(b, BARE_STACK - 48), 0x30 * 8 + 2 + 1);
	ck_assert_uint_eq(bare_peek64(b, BARE_STACK - 40), 0x5555);
}
END_TEST

/* First fault and what is delivered when its gate is absent, #NP (SDM vol. 3, table 6-5). */
static const struct {
	int first, delivered;
} double_cases[] = {
	{ EXC_GP, EXC_DF }, { EXC_DE, EXC_DF }, { EXC_PF, EXC_DF },
	{ EXC_UD, EXC_NP }, { EXC_NM, EXC_NP }, { EXC_BP, EXC_NP },
};

START_TEST(double_faults_follow_the_table)
{
	int first = double_cases[_i].first;

	bare_long(b, 0);
	bare_poke64(b, BARE_IDT + (unsigned)first * 16,
		    bare_peek64(b, BARE_IDT + (unsigned)first * 16) & ~(UINT64_C(1) << 47));
	soft_event_deliver(b->s, first, EVENT_FAULT, false, 0);
	ck_assert(!b->s->shutdown);
	ck_assert_uint_eq(b->s->rip, handler((unsigned)double_cases[_i].delivered));
}
END_TEST

START_TEST(page_fault_on_the_stack_becomes_df_on_its_ist)
{
	bare_long(b, 0);
	bare_poke64(b, bare_pte(5), 0);
	b->s->r[CPU_RSP] = BARE_PAGES + 5 * 4096 + 64;
	soft_event_deliver(b->s, EXC_PF, EVENT_FAULT, true, 0);
	ck_assert(!b->s->shutdown);
	ck_assert_uint_eq(b->s->rip, handler(EXC_DF));
	ck_assert_uint_eq(b->s->r[CPU_RSP], BARE_IST1 - 48);
	ck_assert_uint_eq(bare_peek64(b, BARE_IST1 - 48), 0);
	ck_assert_uint_eq(b->s->seg[CPU_SS].sel, BARE_DS0);
	/* A contributory one first, then #PF: one after the other, no double fault. */
	bare_long(b, 3);
	bare_poke64(b, bare_pte(5), 0);
	bare_poke64(b, BARE_TSS + 4, BARE_PAGES + 5 * 4096 + 64);
	bare_poke64(b, BARE_IDT + EXC_PF * 16,
		    bare_peek64(b, BARE_IDT + EXC_PF * 16) | UINT64_C(1) << 32);
	soft_event_deliver(b->s, EXC_GP, EVENT_FAULT, true, 0);
	ck_assert_uint_eq(b->s->rip, handler(EXC_PF));
}
END_TEST

START_TEST(triple_fault_is_shutdown)
{
	bare_long(b, 0);
	b->s->idtr.limit = 0;
	soft_event_deliver(b->s, EXC_UD, EVENT_FAULT, false, 0);
	ck_assert(b->s->shutdown);
	ck_assert_str_eq(b->s->error, "");
}
END_TEST

START_TEST(non_canonical_stack_is_ss_then_double_fault_machinery)
{
	bare_long(b, 0);
	b->s->r[CPU_RSP] = UINT64_C(0x800000001000);
	bare_poke64(b, BARE_IDT + EXC_SS * 16,
		    bare_peek64(b, BARE_IDT + EXC_SS * 16) | UINT64_C(1) << 32);
	soft_event_deliver(b->s, EXC_UD, EVENT_FAULT, false, 0);
	ck_assert_uint_eq(b->s->rip, handler(EXC_SS));
	ck_assert_uint_eq(bare_peek64(b, BARE_IST1 - 48), 1);
}
END_TEST

START_TEST(stack_operand_turns_gp_to_ss)
{
	bare_long(b, 0);
	b->s->r[CPU_RBP] = UINT64_C(0x800000000000);
	b->s->r[CPU_RBX] = UINT64_C(0x800000000000);
	ck_assert_int_eq(EXEC(b, 0x48, 0x8B, 0x45, 0x00), EXC_GP); /* mov rax, [rbp] */
	soft_event_deliver(b->s, EXC_GP, EVENT_FAULT, true, 0);
	ck_assert_uint_eq(b->s->rip, handler(EXC_SS));
	bare_long(b, 0);
	b->s->r[CPU_RBX] = UINT64_C(0x800000000000);
	ck_assert_int_eq(EXEC(b, 0x48, 0x8B, 0x03), EXC_GP); /* mov rax, [rbx] */
	soft_event_deliver(b->s, EXC_GP, EVENT_FAULT, true, 0);
	ck_assert_uint_eq(b->s->rip, handler(EXC_GP));
}
END_TEST

START_TEST(nmi_masks_until_iret)
{
	bare_long(b, 0);
	soft_event_deliver(b->s, EXC_NMI, EVENT_NMI, false, 0);
	ck_assert(b->s->nmi_masked);
	b->s->rip = BARE_CODE;
	ck_assert_int_eq(EXEC(b, 0x48, 0xCF), -1);
	ck_assert(!b->s->nmi_masked);
	ck_assert_uint_eq(b->s->rip, BARE_CODE);
	ck_assert_uint_eq(b->s->r[CPU_RSP], BARE_STACK);
}
END_TEST

START_TEST(real_mode_uses_the_vector_table)
{
	bare_poke64(b, 0x21 * 4, 0x12345678);
	soft_flags_set(b->s, FLAG_IF | FLAG_CF | 2);
	ck_assert_int_eq(EXEC(b, 0xCD, 0x21), -1);
	ck_assert_uint_eq(b->s->rip, 0x5678);
	ck_assert_uint_eq(b->s->seg[CPU_CS].sel, 0x1234);
	ck_assert_uint_eq(b->s->seg_base[CPU_CS], 0x12340);
	ck_assert_uint_eq(b->s->r[CPU_RSP], 0x7000 - 6);
	ck_assert_uint_eq(bare_peek16(b, 0x6FFA), BARE_REAL_IP + 2);
	ck_assert_uint_eq(bare_peek16(b, 0x6FFE), FLAG_IF | FLAG_CF | 2);
	ck_assert_uint_eq(soft_flags_get(b->s), FLAG_CF | 2);
	ck_assert_int_eq(EXEC(b, 0xCF), -1);
	ck_assert_uint_eq(b->s->rip, BARE_REAL_IP + 2);
	ck_assert_uint_eq(b->s->seg[CPU_CS].sel, 0);
	ck_assert_uint_eq(soft_flags_get(b->s), FLAG_IF | FLAG_CF | 2);
}
END_TEST

START_TEST(protected_mode_inner_stack_from_the_tss)
{
	bare_prot(b, 3);
	b->s->insn_rip = 0x1234;
	soft_event_deliver(b->s, EXC_GP, EVENT_FAULT, true, 0x18);
	ck_assert_uint_eq(b->s->rip, handler(EXC_GP));
	ck_assert_uint_eq(b->s->seg[CPU_SS].sel, BARE_DS0);
	ck_assert_uint_eq(b->s->r[CPU_RSP], BARE_RSP0 - 24);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 24), 0x18);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 20), 0x1234);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 16), BARE_CS3);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 8), BARE_USER_STACK);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 4), BARE_DS3);
}
END_TEST

START_TEST(bad_inner_stack_is_ts)
{
	bare_prot(b, 3);
	bare_poke64(b, BARE_TSS + 4, BARE_RSP0 | (uint64_t)BARE_DS3 << 32);
	bare_poke64(b, BARE_IDT + EXC_TS * 8, 0); /* #TS cannot be delivered either */
	soft_event_deliver(b->s, 0x30, EVENT_EXT_INT, false, 0);
	ck_assert(b->s->shutdown);
}
END_TEST

START_TEST(virtual_8086_and_back)
{
	struct soft *s = b->s;

	bare_prot(b, 0);
	s->r[CPU_RSP] = BARE_STACK - 36;
	{
		const uint32_t frame[9] = { 0x100, 0x2000, FLAG_VM | FLAG_IF | 2, 0xFF0, 0x3000,
					    0x4000, 0x5000, 0x6000, 0x7000 };

		ck_assert(mem_dma_write(&b->mem, BARE_STACK - 36, frame, sizeof(frame)));
	}
	ck_assert_int_eq(EXEC(b, 0xCF), -1);
	ck_assert_uint_eq(s->mode, SOFT_MODE_V86);
	ck_assert_uint_eq(s->cpl, 3);
	ck_assert_uint_eq(s->rip, 0x100);
	ck_assert_uint_eq(s->seg_base[CPU_SS], 0x30000);
	ck_assert_uint_eq(s->seg_base[CPU_GS], 0x70000);
	ck_assert_int_eq(EXEC(b, 0xFA), EXC_GP); /* CLI with IOPL 0 */
	soft_event_deliver(s, EXC_GP, EVENT_FAULT, true, 0);
	ck_assert_uint_eq(s->mode, SOFT_MODE_P32);
	ck_assert_uint_eq(s->r[CPU_RSP], BARE_RSP0 - 40);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 36), 0x100);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 28), FLAG_VM | FLAG_IF | FLAG_RF | 2);
	ck_assert_uint_eq(bare_peek32(b, BARE_RSP0 - 4), 0x7000);
	ck_assert(s->seg[CPU_DS].attr & CPU_SEG_UNUSABLE);
}
END_TEST

/* ---- IRETQ ------------------------------------------------------------------- */

static void push_frame64(uint64_t rip, uint64_t cs, uint64_t flags, uint64_t rsp, uint64_t ss)
{
	const uint64_t frame[5] = { rip, cs, flags, rsp, ss };

	b->s->r[CPU_RSP] = BARE_STACK - sizeof(frame);
	ck_assert(mem_dma_write(&b->mem, BARE_STACK - sizeof(frame), frame, sizeof(frame)));
}

static const struct iret_case {
	const char *name;
	uint64_t rip, cs, ss;
	int vector; /* -1: returns */
	uint32_t error;
} iret_cases[] = {
	{ "to user 64", 0x5000, BARE_CS3, BARE_DS3, -1, 0 },
	{ "to user 32", 0x5000, BARE_CS3_32, BARE_DS3, -1, 0 },
	{ "to kernel", 0x5000, BARE_CS0, BARE_DS0, -1, 0 },
	{ "to kernel, null SS", 0x5000, BARE_CS0, 0, -1, 0 },
	{ "to user, null SS", 0x5000, BARE_CS3, 3, EXC_GP, 0 },
	{ "null CS", 0x5000, 3, BARE_DS3, EXC_GP, 0 },
	{ "CS beyond the table", 0x5000, 0x1003, BARE_DS3, EXC_GP, 0x1000 },
	{ "CS is data", 0x5000, BARE_DS3, BARE_DS3, EXC_GP, BARE_DS3 & ~3 },
	{ "CS of other DPL", 0x5000, BARE_CS0 | 3, BARE_DS3, EXC_GP, BARE_CS0 },
	{ "SS of other RPL", 0x5000, BARE_CS3, BARE_DS0, EXC_GP, BARE_DS0 },
	{ "SS is code", 0x5000, BARE_CS3, BARE_CS3, EXC_GP, BARE_CS3 & ~3 },
	{ "non-canonical RIP", UINT64_C(0x800000000000), BARE_CS3, BARE_DS3, EXC_GP, 0 },
	{ "RIP beyond a 32-bit segment", UINT64_C(0x100000000), BARE_CS3_32, BARE_DS3, EXC_GP, 0 },
};

START_TEST(iretq_checks)
{
	const struct iret_case *c = &iret_cases[_i];
	int vector;

	bare_long(b, 0);
	push_frame64(c->rip, c->cs, FLAG_IF | 2, 0x7777, c->ss);
	vector = EXEC(b, 0x48, 0xCF);
	ck_assert_msg(vector == c->vector, "%s: %d", c->name, vector);
	if (vector >= 0) {
		ck_assert_msg(b->s->exc_error == c->error, "%s: error %#x", c->name, b->s->exc_error);
		ck_assert_uint_eq(b->s->r[CPU_RSP], BARE_STACK - 40);
		ck_assert_uint_eq(b->s->cpl, 0);
		return;
	}
	ck_assert_uint_eq(b->s->rip, c->rip);
	ck_assert_uint_eq(b->s->cpl, c->cs & 3);
	ck_assert_uint_eq(b->s->r[CPU_RSP], 0x7777);
	ck_assert_uint_eq(b->s->mode, c->cs == BARE_CS3_32 ? SOFT_MODE_C32 : SOFT_MODE_64);
}
END_TEST

START_TEST(iretq_flags_by_privilege)
{
	bare_long(b, 0);
	push_frame64(0x5000, BARE_CS3, FLAG_IF | FLAG_IOPL | FLAG_RF | FLAG_ARITH | 2, 0x7777, BARE_DS3);
	ck_assert_int_eq(EXEC(b, 0x48, 0xCF), -1);
	ck_assert_uint_eq(soft_flags_get(b->s), FLAG_IF | FLAG_IOPL | FLAG_ARITH | 2);
	/* At CPL 3 with IOPL 0 neither IF nor IOPL can be changed. */
	bare_long(b, 3);
	push_frame64(0x5000, BARE_CS3, FLAG_IF | FLAG_IOPL | FLAG_DF | 2, 0x7777, BARE_DS3);
	ck_assert_int_eq(EXEC(b, 0x48, 0xCF), -1);
	ck_assert_uint_eq(soft_flags_get(b->s), FLAG_DF | 2);
}
END_TEST

START_TEST(iretq_keeps_the_base_of_null_segments)
{
	bare_long(b, 0);
	seg_set_null(b->s, CPU_FS, 0);
	b->s->seg[CPU_FS].base = 0x123456;
	push_frame64(0x5000, BARE_CS3, 2, 0x7777, BARE_DS3);
	ck_assert_int_eq(EXEC(b, 0x48, 0xCF), -1);
	ck_assert_uint_eq(b->s->seg_base[CPU_FS], 0x123456);
	/* A kernel data segment must not be seen by the program. */
	ck_assert(b->s->seg[CPU_ES].attr & CPU_SEG_UNUSABLE);
}
END_TEST

/* SDM vol. 2, IRET and RET: only the selector is written of a data segment that the outer
 * ring may not have; a null one of RPL 1 to 3 becomes 0 too, a conforming one stays.
 * A host's processor of AMD shows the same of DS and GS after an interrupt in ring 3. */
START_TEST(a_return_to_an_outer_ring_drops_selectors_only)
{
	bool is_iret = _i & 1;
	struct soft *s = b->s;

	_i & 2 ? bare_long(b, 0) : bare_prot(b, 0);
	seg_load(s, CPU_FS, BARE_DS0);
	s->seg[CPU_FS].base = 0x123000;
	s->seg[CPU_FS].limit = 0x4321;
	seg_load(s, CPU_GS, 2);
	s->seg[CPU_GS].base = 0x56000;
	seg_load(s, CPU_DS, BARE_DS3);
	s->seg[CPU_ES] = s->seg[CPU_CS]; /* of ring 0 */
	s->seg[CPU_ES].attr |= SEG_TYPE_CONFORMING;
	s->r[CPU_RSP] = BARE_STACK;
	for (unsigned k = 0; k < 5; k++) {
		const uint32_t iret[] = { 0x5000, BARE_CS3, 2, 0x7000, BARE_DS3 };
		const uint32_t retf[] = { 0x5000, BARE_CS3, 0x7000, BARE_DS3, 0 };

		uint32_t v = is_iret ? iret[k] : retf[k];

		if (_i & 2)
			bare_poke64(b, BARE_STACK + 8 * k, v);
		else
			ck_assert(mem_dma_write(&b->mem, BARE_STACK + 4 * k, &v, 4));
	}
	if (_i & 2)
		ck_assert_int_eq(is_iret ? EXEC(b, 0x48, 0xCF) : EXEC(b, 0x48, 0xCB), -1);
	else
		ck_assert_int_eq(is_iret ? EXEC(b, 0xCF) : EXEC(b, 0xCB), -1);
	ck_assert_uint_eq(s->cpl, 3);
	ck_assert_uint_eq(s->seg[CPU_FS].sel, 0);
	ck_assert(s->seg[CPU_FS].attr & CPU_SEG_UNUSABLE);
	ck_assert_uint_eq(s->seg[CPU_FS].base, 0x123000);
	ck_assert_uint_eq(s->seg[CPU_FS].limit, 0x4321);
	ck_assert_uint_eq(s->seg_base[CPU_FS], 0x123000);
	ck_assert_uint_eq(s->seg[CPU_GS].sel, 0);
	ck_assert_uint_eq(s->seg[CPU_GS].base, 0x56000);
	ck_assert_uint_eq(s->seg[CPU_DS].sel, BARE_DS3);
	ck_assert(!(s->seg[CPU_DS].attr & CPU_SEG_UNUSABLE));
	ck_assert(!(s->seg[CPU_ES].attr & CPU_SEG_UNUSABLE));
}
END_TEST

START_TEST(task_gates_end_the_machine_with_a_text)
{
	bare_prot(b, 0);
	bare_poke64(b, BARE_IDT + 0x30 * 8, UINT64_C(0x0000850000400000));
	soft_event_deliver(b->s, 0x30, EVENT_EXT_INT, false, 0);
	ck_assert(b->s->shutdown);
	ck_assert_ptr_nonnull(strstr(b->s->error, "task"));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/event");
	TCase *t = tcase_create("event");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, long_mode_from_user_uses_rsp0_and_aligns);
	tcase_add_test(t, interrupt_pushes_next_rip_without_rf);
	tcase_add_test(t, trap_gate_keeps_if);
	tcase_add_test(t, soft_interrupt_checks_the_gates_dpl);
	tcase_add_test(t, absent_gate_is_np_with_ext_for_hardware);
	tcase_add_loop_test(t, double_faults_follow_the_table, 0,
			    (int)(sizeof(double_cases) / sizeof(double_cases[0])));
	tcase_add_test(t, page_fault_on_the_stack_becomes_df_on_its_ist);
	tcase_add_test(t, triple_fault_is_shutdown);
	tcase_add_test(t, non_canonical_stack_is_ss_then_double_fault_machinery);
	tcase_add_test(t, stack_operand_turns_gp_to_ss);
	tcase_add_test(t, nmi_masks_until_iret);
	tcase_add_test(t, real_mode_uses_the_vector_table);
	tcase_add_test(t, protected_mode_inner_stack_from_the_tss);
	tcase_add_test(t, bad_inner_stack_is_ts);
	tcase_add_test(t, virtual_8086_and_back);
	tcase_add_loop_test(t, iretq_checks, 0, (int)(sizeof(iret_cases) / sizeof(iret_cases[0])));
	tcase_add_test(t, iretq_flags_by_privilege);
	tcase_add_test(t, iretq_keeps_the_base_of_null_segments);
	tcase_add_loop_test(t, a_return_to_an_outer_ring_drops_selectors_only, 0, 4);
	tcase_add_test(t, task_gates_end_the_machine_with_a_text);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
