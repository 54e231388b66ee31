/* tests/vmm/check_irq.c: the 8259s, the I/O APIC and the local APIC together. */
#include "tests/unit.h"
#include "vmm/dev/i8259.h"
#include "vmm/dev/i82093.h"
#include "core/bytes.h"
#include "core/cleanup.h"
#include "core/state.h"
#include "vmm/cpu/cpu.h"
#include "vmm/dev/apic_bus.h"

#include <string.h>

static struct bus bus;
static struct guest_clock clk;
static struct lapic lapic;
static struct i82093 ioapic;
static struct i8259 pic;
static bool intr;
static unsigned n_nmi;
static uint64_t icount;

static uint64_t get_icount(void *ctx)
{
	(void)ctx;
	return icount;
}

static void set_intr(void *ctx, bool level)
{
	(void)ctx;
	intr = level;
}

static void nmi(void *ctx)
{
	(void)ctx;
	n_nmi++;
}

static void eoi(void *ctx, uint8_t vector)
{
	(void)ctx;
	i82093_eoi(&ioapic, vector);
}

static uint8_t extint_ack(void *ctx)
{
	(void)ctx;
	return i8259_ack(&pic);
}

static void pic_out(void *ctx, unsigned n, bool level)
{
	(void)ctx;
	(void)n;
	lapic_set_extint(&lapic, level);
}

static void ioapic_send(void *ctx, const struct apic_msg *msg)
{
	(void)ctx;
	(void)lapic_deliver(&lapic, msg);
}

static void reg(unsigned off, uint32_t v)
{
	bus_mmio_write(&bus, LAPIC_BASE + off, 4, v);
}

static uint32_t get(unsigned off)
{
	return (uint32_t)bus_mmio_read(&bus, LAPIC_BASE + off, 4);
}

static void setup(void)
{
	const struct lapic_hooks hooks = { .set_intr = set_intr, .nmi = nmi, .eoi = eoi,
					   .extint_ack = extint_ack };

	icount = 0;
	intr = false;
	n_nmi = 0;
	bus_init(&bus, NULL);
	guest_clock_init_virtual(&clk, 1000, 0, get_icount, NULL); /* 1 instruction is 1 ns */
	lapic_init(&lapic, 0, &clk, &bus, &hooks);
	i82093_init(&ioapic, &bus, ioapic_send, NULL);
	i8259_init(&pic, &bus, (struct irq_line){ .set = pic_out });
	reg(0xF0, 0x1FF);
}

static void pic_start(void)
{
	static const uint8_t icw[2][4] = { { 0x11, 0x30, 4, 1 }, { 0x11, 0x38, 2, 1 } };

	for (unsigned c = 0; c < 2; c++) {
		uint16_t port = c ? 0xA0 : 0x20;

		bus_pio_write(&bus, port, 1, icw[c][0]);
		for (unsigned i = 1; i < 4; i++)
			bus_pio_write(&bus, (uint16_t)(port + 1), 1, icw[c][i]);
		bus_pio_write(&bus, (uint16_t)(port + 1), 1, 0);
	}
}

/* Nobody wrote to the APIC, which is switched off by SVR, as a kernel leaves it that is told to. */
START_TEST(the_pic_gets_through_an_apic_left_alone)
{
	const struct lapic_hooks hooks = { .set_intr = set_intr, .extint_ack = extint_ack };
	struct lapic second;

	lapic_init(&lapic, 0, &clk, NULL, &hooks);
	lapic_init(&second, 1, &clk, NULL, &hooks);
	pic_start();
	for (unsigned round = 0; round < 2; round++) {
		i8259_set(&pic, 4, true);
		ck_assert(intr);
		ck_assert_int_eq(lapic_ack(&lapic), 0x34);
		bus_pio_write(&bus, 0x20, 1, 0x20);
		i8259_set(&pic, 4, false);
		lapic_set_extint(&second, true);
		ck_assert(!intr);
		lapic_reset(&lapic); /* INIT: there is no firmware that would open it again */
	}
	lapic_mmio_write(&lapic, 0x350, 4, 0x10700);
	i8259_set(&pic, 4, true);
	ck_assert(!intr);
}
END_TEST

START_TEST(the_pic_cascades_and_ranks)
{
	pic_start();
	i8259_set(&pic, 8, true);
	ck_assert(intr);
	i8259_set(&pic, 1, true);
	ck_assert_int_eq(lapic_ack(&lapic), 0x31);
	ck_assert(!intr); /* IRQ 8 comes by IR2, which ranks below IR1 in service */
	bus_pio_write(&bus, 0x20, 1, 0x20);
	ck_assert(intr);
	ck_assert_int_eq(lapic_ack(&lapic), 0x38);
	bus_pio_write(&bus, 0x20, 1, 0x0B);
	ck_assert_uint_eq(bus_pio_read(&bus, 0x20, 1), 4);
	bus_pio_write(&bus, 0xA0, 1, 0x20);
	bus_pio_write(&bus, 0x20, 1, 0x20);
	ck_assert(!intr); /* edges: the lines are still up */
	i8259_set(&pic, 8, false);
	i8259_set(&pic, 8, true);
	ck_assert(intr);
}
END_TEST

START_TEST(a_request_that_went_away_is_spurious)
{
	pic_start();
	i8259_set(&pic, 3, true);
	i8259_set(&pic, 3, false);
	ck_assert(!intr);
	ck_assert_uint_eq(i8259_ack(&pic), 0x37);
	ck_assert_uint_eq(pic.chip[0].isr, 0);
}
END_TEST

static void pin(unsigned n, uint32_t low)
{
	bus_mmio_write(&bus, IOAPIC_BASE, 4, 0x10 + 2 * n);
	bus_mmio_write(&bus, IOAPIC_BASE + 0x10, 4, low);
}

START_TEST(a_level_pin_comes_again_until_its_line_falls)
{
	pin(9, 0x8000 | 0x51);
	i82093_set(&ioapic, 9, true);
	ck_assert_int_eq(lapic_ack(&lapic), 0x51);
	ck_assert_uint_eq(ioapic.entry[9] >> 14 & 1, 1);
	i82093_set(&ioapic, 9, true);
	ck_assert(!intr);
	reg(0xB0, 0);
	ck_assert(intr);
	ck_assert_int_eq(lapic_ack(&lapic), 0x51);
	i82093_set(&ioapic, 9, false);
	reg(0xB0, 0);
	ck_assert(!intr);
	ck_assert_uint_eq(ioapic.entry[9] >> 14 & 1, 0);
}
END_TEST

START_TEST(an_edge_pin_comes_once)
{
	pin(4, 0x41);
	i82093_set(&ioapic, 4, true);
	ck_assert_int_eq(lapic_ack(&lapic), 0x41);
	reg(0xB0, 0);
	i82093_set(&ioapic, 4, true);
	ck_assert(!intr);
	i82093_set(&ioapic, 4, false);
	pin(4, 0x10041);
	i82093_set(&ioapic, 4, true);
	ck_assert(!intr);
	bus_mmio_write(&bus, IOAPIC_BASE, 4, 1);
	ck_assert_uint_eq(bus_mmio_read(&bus, IOAPIC_BASE + 0x10, 4), 0x170011);
}
END_TEST

START_TEST(priorities_hold_back)
{
	struct apic_msg msg = { .dest = 0, .vector = 0x45 };

	reg(0x80, 0x40);
	(void)lapic_deliver(&lapic, &msg);
	ck_assert(!intr);
	lapic_cr8_write(&lapic, 3);
	ck_assert(intr);
	ck_assert_uint_eq(get(0x80), 0x30);
	ck_assert_int_eq(lapic_ack(&lapic), 0x45);
	ck_assert_uint_eq(get(0xA0), 0x40);
	msg.vector = 0x4F; /* the same class waits */
	(void)lapic_deliver(&lapic, &msg);
	ck_assert(!intr);
	msg.vector = 0x50;
	(void)lapic_deliver(&lapic, &msg);
	ck_assert(intr);
	ck_assert_int_eq(lapic_ack(&lapic), 0x50);
	reg(0xB0, 0);
	reg(0xB0, 0);
	ck_assert_int_eq(lapic_ack(&lapic), 0x4F);
	ck_assert_int_eq(lapic_ack(&lapic), -1);
}
END_TEST

START_TEST(the_timer_keeps_its_modes)
{
	reg(0x3E0, 0xB); /* by 1 */
	reg(0x320, 0x20060); /* periodic, vector 0x60 */
	reg(0x380, 1000);
	ck_assert_int_eq(clk.deadline, 1000);
	icount = 400;
	ck_assert_uint_eq(get(0x390), 600);
	icount = 1000;
	guest_clock_run(&clk);
	ck_assert_int_eq(lapic_ack(&lapic), 0x60);
	ck_assert_int_eq(clk.deadline, 2000);
	reg(0xB0, 0);
	reg(0x320, 0x60); /* one shot: the count goes on */
	reg(0x380, 500);
	icount = 1500;
	guest_clock_run(&clk);
	ck_assert_int_eq(lapic_ack(&lapic), 0x60);
	ck_assert_int_eq(clk.deadline, NSEC_NEVER);
	ck_assert_uint_eq(get(0x390), 0);
	reg(0xB0, 0);
	reg(0x320, 0x40061); /* TSC-deadline */
	reg(0x380, 77);
	ck_assert_int_eq(clk.deadline, NSEC_NEVER);
	ck_assert(lapic_msr_write(&lapic, 0x6E0, 5000));
	ck_assert_int_eq(clk.deadline, 5000);
	icount = 5000;
	guest_clock_run(&clk);
	ck_assert_int_eq(lapic_ack(&lapic), 0x61);
	ck_assert_uint_eq(lapic.tsc_deadline, 0);
}
END_TEST

/* To bus time @at, with all that is due by then; tells the vector taken, after its EOI; -1: none. */
static int timer_until(uint64_t at)
{
	int vector;

	icount = at;
	guest_clock_run(&clk);
	vector = lapic_ack(&lapic);
	if (vector >= 0)
		reg(0xB0, 0);
	return vector;
}

START_TEST(a_new_mode_does_not_start_the_count_anew)
{
	reg(0x3E0, 0xB); /* by 1 */
	reg(0x320, 0x60);
	reg(0x380, 1000);
	ck_assert_int_eq(timer_until(700), -1);
	reg(0x320, 0x20060); /* periodic: what is left of the count first */
	ck_assert_uint_eq(get(0x390), 300);
	ck_assert_int_eq(timer_until(999), -1);
	ck_assert_int_eq(timer_until(1000), 0x60);
	ck_assert_int_eq(timer_until(2600), 0x60);
	reg(0x320, 0x60); /* one shot, in the middle of a period */
	ck_assert_uint_eq(get(0x390), 400);
	ck_assert_int_eq(timer_until(3000), 0x60);
	ck_assert_uint_eq(get(0x390), 0);
	/* It is over, and stays so until the initial count is written. */
	reg(0x320, 0x20060);
	reg(0x3E0, 0);
	ck_assert_uint_eq(get(0x390), 0);
	ck_assert_int_eq(clk.deadline, NSEC_NEVER);
	ck_assert_int_eq(timer_until(30000), -1);
	reg(0x380, 100);
	ck_assert_int_eq(timer_until(30200), 0x60);
}
END_TEST

START_TEST(the_divisor_changes_while_it_counts)
{
	reg(0x3E0, 0xB); /* by 1 */
	reg(0x320, 0x60);
	reg(0x380, 1000);
	icount = 400;
	reg(0x3E0, 0x0); /* by 2: 600 are left */
	ck_assert_uint_eq(get(0x390), 600);
	icount = 600;
	ck_assert_uint_eq(get(0x390), 500);
	reg(0x3E0, 0xA); /* by 128 */
	ck_assert_uint_eq(get(0x390), 500);
	reg(0x3E0, 0xB);
	ck_assert_int_eq(timer_until(1099), -1);
	ck_assert_int_eq(timer_until(1100), 0x60);
	reg(0x320, 0x40061); /* a deadline has no divisor */
	ck_assert(lapic_msr_write(&lapic, 0x6E0, 5000));
	reg(0x3E0, 0);
	ck_assert_int_eq(clk.deadline, 5000);
}
END_TEST

/* What is refused as reserved by x2APIC's registers, and the most that is taken (SDM vol. 3 §11.12.1.3). */
static const struct {
	uint32_t msr;
	uint64_t bad, good;
} reserved[] = {
	{ 0x808, 0x100, 0xFF }, { 0x80B, 1, 0 }, { 0x80F, 0x400, 0x1FF }, { 0x828, 1, 0 },
	{ 0x830, 0x2000, 0x40045 }, { 0x830, 0x10000, 0x45045 }, { 0x830, 0x100000, 0x40045 }, { 0x830, 0x80000000, 0x40045 },
	{ 0x832, 0x80000, 0x71060 }, { 0x832, 0x100, 0x60 }, { 0x835, 0x20000, 0x1F7FF }, { 0x837, 0x400, 0x100FF },
	{ 0x838, UINT64_C(1) << 32, 1 }, { 0x83E, 4, 0xB }, { 0x83F, 0x100, 0x45 }, { 0x83F, UINT64_C(0x8000000000000045), 0x45 },
};

START_TEST(x2apic_refuses_reserved_bits)
{
	ck_assert(lapic_msr_write(&lapic, 0x1B, LAPIC_BASE | 0xD00));
	ck_assert(!lapic_msr_write(&lapic, reserved[_i].msr, reserved[_i].bad));
	ck_assert_int_eq(lapic_ack(&lapic), -1);
	ck_assert(lapic_msr_write(&lapic, reserved[_i].msr, reserved[_i].good));
}
END_TEST

static bool not_below_a_gib(void *ctx, uint64_t base)
{
	(void)ctx;
	return base >= UINT64_C(1) << 30;
}

START_TEST(a_moved_base_answers_there)
{
	uint64_t v;

	lapic.hooks.may_lie = not_below_a_gib;
	reg(0x80, 0x20);
	ck_assert(lapic_msr_write(&lapic, 0x1B, 0x42000000 | 0x900));
	ck_assert(lapic_msr_read(&lapic, 0x1B, &v));
	ck_assert_uint_eq(v, 0x42000900);
	ck_assert_uint_eq(bus_mmio_read(&bus, 0x42000080, 4), 0x20);
	ck_assert_uint_eq(get(0x80), UINT32_MAX);
	ck_assert(!lapic_msr_write(&lapic, 0x1B, 0x1000900)); /* RAM */
	ck_assert(!lapic_msr_write(&lapic, 0x1B, (UINT64_C(1) << 40) | 0x900)); /* beyond the addresses */
	ck_assert_uint_eq(bus_mmio_read(&bus, 0x42000080, 4), 0x20);
	ck_assert(lapic_msr_write(&lapic, 0x1B, LAPIC_BASE | 0x900));
	ck_assert_uint_eq(get(0x80), 0x20);
}
END_TEST

START_TEST(x2apic_checks_its_msrs)
{
	uint64_t v;

	ck_assert(!lapic_msr_read(&lapic, 0x802, &v));
	ck_assert(lapic_msr_write(&lapic, 0x1B, LAPIC_BASE | 0xD00));
	ck_assert(lapic_msr_read(&lapic, 0x802, &v));
	ck_assert_uint_eq(v, 0);
	ck_assert(!lapic_msr_write(&lapic, 0x802, 1)); /* read-only */
	ck_assert(!lapic_msr_write(&lapic, 0x80B, 1)); /* EOI takes 0 only */
	ck_assert(!lapic_msr_write(&lapic, 0x808, UINT64_C(1) << 32));
	ck_assert(lapic_msr_write(&lapic, 0x83F, 0x77)); /* self IPI */
	ck_assert(intr);
	ck_assert_int_eq(lapic_ack(&lapic), 0x77);
	ck_assert(lapic_msr_write(&lapic, 0x80B, 0));
	ck_assert(lapic_msr_write(&lapic, 0x830, UINT64_C(0x400))); /* NMI to 0 */
	ck_assert_uint_eq(n_nmi, 1);
	ck_assert(!lapic_msr_write(&lapic, 0x1B, LAPIC_BASE | 0x900)); /* back to xAPIC */
	ck_assert(!lapic_msr_write(&lapic, 0x1B, LAPIC_BASE | 0x500));
}
END_TEST

START_TEST(messages_find_their_logical_set)
{
	struct apic_msg msg = { .dest = 2, .logical = true, .vector = 0x55 };

	reg(0xD0, 0x02000000);
	ck_assert(lapic_deliver(&lapic, &msg));
	msg.dest = 4;
	ck_assert(!lapic_deliver(&lapic, &msg));
	reg(0xE0, 0x0FFFFFFF); /* cluster */
	reg(0xD0, 0x31000000);
	msg.dest = 0x31;
	ck_assert(lapic_deliver(&lapic, &msg));
	msg.dest = 0x41;
	ck_assert(!lapic_deliver(&lapic, &msg));
	ck_assert(apic_msg_from_msi(0xFEE0100C, 0x4041, &msg));
	ck_assert_uint_eq(msg.dest, 1);
	ck_assert(msg.logical);
	ck_assert(!apic_msg_from_msi(0xFEC00000, 0x41, &msg));
}
END_TEST

/* What an engine acknowledged and did not deliver: asked again it gives the same,
 * of the master and of the slave, and then is over as ever. */
START_TEST(an_acknowledged_request_comes_back)
{
	static const struct { unsigned irq; uint8_t vector; } from[] = { { 1, 0x31 }, { 12, 0x3C } };

	pic_start();
	for (unsigned i = 0; i < 2; i++) {
		i8259_set(&pic, from[i].irq, true);
		ck_assert_int_eq(lapic_ack(&lapic), from[i].vector);
		ck_assert(!intr);
		i8259_unack(&pic, from[i].vector);
		ck_assert(intr);
		ck_assert_uint_eq(pic.chip[0].isr | pic.chip[1].isr, 0);
		ck_assert_int_eq(lapic_ack(&lapic), from[i].vector);
		bus_pio_write(&bus, 0xA0, 1, 0x20);
		bus_pio_write(&bus, 0x20, 1, 0x20);
		ck_assert(!intr);
		i8259_set(&pic, from[i].irq, false);
	}
	i8259_unack(&pic, 0x37); /* a spurious one */
	i8259_unack(&pic, 0x99); /* not its own */
	ck_assert(!intr);
}
END_TEST

static void lapic_sections(struct bytes *ret)
{
	struct state *s = NULL;
	const uint8_t *data;
	size_t len;

	ck_assert_int_eq(state_save_new(-1, &s), 0);
	lapic_state(&lapic, s);
	ck_assert_int_eq(state_finish(s), 0);
	data = state_data(s, &len);
	ret->len = 0;
	bytes_append(ret, data, len);
	(void)state_free(s);
}

/* Timer modes: one-shot, periodic, deadline, one-shot that is over; 4: x2APIC. */
START_TEST(an_apic_is_told_as_registers_and_back)
{
	CLEANUP(bytes) struct bytes before = { 0 };
	CLEANUP(bytes) struct bytes after = { 0 };
	static const uint32_t mode[] = { 0x40, 0x20041, 0x40042, 0x40, 0x20043 };
	struct apic_msg msg = { .vector = 0x71, .level = true };
	struct cpu_apic regs;
	uint64_t base;

	guest_clock_set_tsc(&clk, 2400123, 99);
	reg(0xD0, 0x02000000);
	reg(0xE0, 0x3FFFFFFF);
	reg(0x3E0, 0xB); /* by 1: the register page knows no fraction of a tick */
	reg(0x320, mode[_i]);
	reg(0x350, 0x10700);
	reg(0x370, 0xFE);
	reg(0x310, 0x03000000);
	if (_i == 2)
		ck_assert(lapic_msr_write(&lapic, 0x6E0, 5000000));
	else
		reg(0x380, _i == 3 ? 10 : 700000);
	ck_assert(lapic_deliver(&lapic, &msg));
	ck_assert_int_eq(lapic_ack(&lapic), 0x71);
	reg(0x80, 0x20);
	msg.vector = 0x45;
	ck_assert(lapic_deliver(&lapic, &msg));
	if (_i == 4)
		ck_assert(lapic_msr_write(&lapic, 0x1B, LAPIC_BASE | 0xD00));
	icount = 1234;
	guest_clock_run(&clk); /* of the one-shot of 10 */
	if (_i == 4)
		lapic.ldr = 0; /* x2APIC has its own, which is none of the registers kept */
	lapic_sections(&before);
	base = lapic.apic_base;
	lapic_to_regs(&lapic, &regs);
	ck_assert_uint_eq(regs.reg[0x39], _i == 2 || _i == 3 ? 0 : 700000 - 1234);
	ck_assert_uint_eq(regs.reg[0x12], 0);
	ck_assert_uint_eq(regs.reg[0x10 + 3], 1u << 17); /* ISR, TMR, IRR */
	ck_assert_uint_eq(regs.reg[0x18 + 3], 1u << 17);
	ck_assert_uint_eq(regs.reg[0x20 + 2], 1u << 5 | (_i == 3 ? 1 : 0));
	ck_assert_uint_eq(regs.deadline, _i == 2 ? 5000000 : 0);
	setup();
	icount = 1234;
	guest_clock_set_tsc(&clk, 2400123, 99 + 2961); /* as it was: 1234 ns of 2.400123 ticks */
	lapic_from_regs(&lapic, base, &regs);
	lapic_sections(&after);
	if (_i == 3) { /* its initial count is not told, else KVM would start it */
		ck_assert_uint_eq(lapic.initial, 0);
		lapic.initial = 10;
		lapic.timer_start = 0;
		lapic_sections(&after);
	}
	ck_assert_uint_eq(before.len, after.len);
	ck_assert_int_eq(memcmp(before.data, after.data, after.len), 0);
}
END_TEST

/* One that is due when it is told is in IRR, and not told again. */
START_TEST(a_timer_that_is_due_fires_before_it_is_told)
{
	struct cpu_apic regs;

	reg(0x320, 0x40042);
	ck_assert(lapic_msr_write(&lapic, 0x6E0, 1000));
	icount = 1000;
	lapic_to_regs(&lapic, &regs);
	ck_assert_uint_eq(regs.reg[0x20 + 2], 1u << 2);
	ck_assert_uint_eq(regs.deadline, 0);
	ck_assert_int_eq(lapic.timer.at, NSEC_NEVER);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("irq");
	TCase *t = tcase_create("irq");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, the_pic_gets_through_an_apic_left_alone);
	tcase_add_test(t, the_pic_cascades_and_ranks);
	tcase_add_test(t, a_request_that_went_away_is_spurious);
	tcase_add_test(t, a_level_pin_comes_again_until_its_line_falls);
	tcase_add_test(t, an_edge_pin_comes_once);
	tcase_add_test(t, priorities_hold_back);
	tcase_add_test(t, the_timer_keeps_its_modes);
	tcase_add_test(t, a_new_mode_does_not_start_the_count_anew);
	tcase_add_test(t, the_divisor_changes_while_it_counts);
	tcase_add_loop_test(t, x2apic_refuses_reserved_bits, 0, (int)(sizeof reserved / sizeof reserved[0]));
	tcase_add_test(t, a_moved_base_answers_there);
	tcase_add_test(t, x2apic_checks_its_msrs);
	tcase_add_test(t, messages_find_their_logical_set);
	tcase_add_test(t, an_acknowledged_request_comes_back);
	tcase_add_loop_test(t, an_apic_is_told_as_registers_and_back, 0, 5);
	tcase_add_test(t, a_timer_that_is_due_fires_before_it_is_told);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
