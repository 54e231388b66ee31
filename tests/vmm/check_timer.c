/* tests/vmm/check_timer.c: the guest clock and the chips that keep time: PIT,
 * RTC and ACPI's timer and buttons, on a clock that the test drives. */
#include "tests/unit.h"
#include "vmm/dev/acpi.h"
#include "vmm/dev/i8254.h"
#include "vmm/dev/mc146818.h"
#include "vmm/guest_clock.h"

/* 2000-02-29 23:59:58 UTC, a Tuesday. */
#define WALL_START (INT64_C(951868798) * NSEC_PER_SEC)

static struct bus bus;
static struct guest_clock clk;
static struct i8254 pit;
static struct mc146818 rtc;
static struct acpi acpi;
static uint64_t icount;
static unsigned n_rises[16], n_off;
static bool line[16];

static uint64_t get_icount(void *ctx)
{
	(void)ctx;
	return icount;
}

static void set_line(void *ctx, unsigned n, bool level)
{
	(void)ctx;
	if (level && !line[n])
		n_rises[n]++;
	line[n] = level;
}

static void off(void *ctx)
{
	(void)ctx;
	n_off++;
}

static void alarm(void *ctx, unsigned n, bool level)
{
	(void)ctx;
	(void)n;
	if (level)
		acpi_rtc_alarm(&acpi);
}

static void setup(void)
{
	icount = 0;
	n_off = 0;
	for (unsigned i = 0; i < 16; i++) {
		n_rises[i] = 0;
		line[i] = false;
	}
	bus_init(&bus, NULL);
	guest_clock_init_virtual(&clk, 1000, WALL_START, get_icount, NULL);
	i8254_init(&pit, &bus, &clk, (struct irq_line){ .set = set_line, .n = 0 });
	mc146818_init(&rtc, &bus, &clk, (struct irq_line){ .set = set_line, .n = 8 },
		      (struct irq_line){ .set = alarm });
	acpi_init(&acpi, &bus, &clk, (struct irq_line){ .set = set_line, .n = ACPI_SCI }, off, NULL);
}

/* To instant @at (ns), serving every timer on the way at its own time. */
static void go_to(nsec_t at)
{
	while (clk.deadline <= at) {
		icount = (uint64_t)clk.deadline;
		guest_clock_run(&clk);
	}
	icount = (uint64_t)at;
}

static void out(uint16_t port, unsigned v)
{
	bus_pio_write(&bus, port, 1, v);
}

static unsigned in(uint16_t port)
{
	return bus_pio_read(&bus, port, 1);
}

static unsigned cmos(unsigned reg)
{
	out(0x70, reg);
	return in(0x71);
}

static void cmos_set(unsigned reg, unsigned v)
{
	out(0x70, reg);
	out(0x71, v);
}

static unsigned n_calls;
static void count_call(void *ctx, nsec_t now)
{
	struct guest_timer *t = ctx;

	n_calls++;
	guest_timer_set(t, now - 1); /* always in the past */
}

START_TEST(virtual_time_is_instructions_and_skips)
{
	struct guest_clock c;

	guest_clock_init_virtual(&c, 3, 0, get_icount, NULL);
	icount = 3000001;
	ck_assert_int_eq(guest_clock_now(&c), 1000000333);
	/* the budget reaches the instant, and not one instruction more */
	ck_assert_uint_eq(guest_clock_budget(&c, 1000001000), 3);
	icount += 2;
	ck_assert_int_ge(guest_clock_now(&c), 1000001000);
	ck_assert_uint_eq(guest_clock_budget(&c, 0), 1);
	guest_clock_skip_to(&c, 2000000000);
	ck_assert_int_eq(guest_clock_now(&c), 2000000000);
	guest_clock_skip_to(&c, 5);
	ck_assert_int_eq(guest_clock_now(&c), 2000000000);
}
END_TEST

START_TEST(a_timer_that_never_moves_on_does_not_hold_the_machine)
{
	struct guest_timer t;

	n_calls = 0;
	icount = 100;
	guest_timer_init(&t, &clk, count_call, &t);
	guest_timer_set(&t, 50);
	guest_clock_run(&clk);
	ck_assert_uint_ge(n_calls, 1);
	ck_assert_uint_le(n_calls, 4 * GUEST_TIMER_MAX);
	guest_timer_set(&t, NSEC_NEVER);
	ck_assert_int_eq(clk.deadline, NSEC_NEVER);
}
END_TEST

START_TEST(the_pit_ticks_at_its_rate)
{
	out(0x43, 0x34); /* counter 0, both bytes, mode 2 */
	out(0x40, 11932 & 0xFF);
	out(0x40, 11932 >> 8);
	go_to(NSEC_PER_SEC);
	ck_assert_uint_ge(n_rises[0], 99);
	ck_assert_uint_le(n_rises[0], 101);
	out(0x43, 0x30); /* mode 0: once */
	out(0x40, 100);
	out(0x40, 0);
	n_rises[0] = 0;
	go_to(2 * NSEC_PER_SEC);
	ck_assert_uint_eq(n_rises[0], 1);
	ck_assert_int_eq(clk.deadline, NSEC_NEVER);
}
END_TEST

START_TEST(the_pit_counts_down_and_latches)
{
	unsigned low, high;

	out(0x43, 0x34);
	out(0x40, 0xE8);
	out(0x40, 0x03); /* 1000 */
	go_to(419048); /* half: 500 ticks of 838.1 ns */
	out(0x43, 0x00); /* latch */
	go_to(500000);
	low = in(0x40);
	high = in(0x40);
	ck_assert_uint_eq(high << 8 | low, 500);
	out(0x43, 0xE2); /* read back the status of counter 0 */
	ck_assert_uint_eq(in(0x40) & 0x3F, 0x34);
	/* counter 2 by its gate, as a calibration does: OUT rises after 1193 ticks */
	out(0x61, 0);
	out(0x43, 0xB0);
	out(0x42, 1193 & 0xFF);
	out(0x42, 1193 >> 8);
	out(0x61, 1);
	go_to(500000 + 900000);
	ck_assert_uint_eq(in(0x61) & 0x20, 0);
	go_to(500000 + 1000100);
	ck_assert_uint_eq(in(0x61) & 0x20, 0x20);
}
END_TEST

START_TEST(the_rtc_tells_and_takes_the_time)
{
	ck_assert_uint_eq(cmos(0), 0x58);
	ck_assert_uint_eq(cmos(2), 0x59);
	ck_assert_uint_eq(cmos(4), 0x23);
	ck_assert_uint_eq(cmos(7), 0x29);
	ck_assert_uint_eq(cmos(8), 0x02);
	ck_assert_uint_eq(cmos(9), 0x00);
	ck_assert_uint_eq(cmos(0x32), 0x20);
	ck_assert_uint_eq(cmos(6), 3);
	go_to(2 * NSEC_PER_SEC);
	ck_assert_uint_eq(cmos(0), 0);
	ck_assert_uint_eq(cmos(7), 1);
	ck_assert_uint_eq(cmos(8), 3);
	cmos_set(11, 0x86); /* stop, binary, 24 hours */
	cmos_set(0, 30);
	cmos_set(2, 15);
	cmos_set(4, 12);
	cmos_set(7, 24);
	cmos_set(8, 12);
	cmos_set(9, 31);
	cmos_set(11, 0x06);
	go_to(5 * NSEC_PER_SEC);
	ck_assert_uint_eq(cmos(0), 33);
	ck_assert_uint_eq(cmos(4), 12);
	ck_assert_uint_eq(cmos(9), 31);
	cmos_set(11, 0x04); /* 12 hours */
	ck_assert_uint_eq(cmos(4), 0x80 | 12);
	cmos_set(11, 0x06);
	cmos_set(0x32, 0); /* a year before all */
	ck_assert_uint_eq(cmos(0x32), 19);
	ck_assert_uint_eq(cmos(9), 70);
}
END_TEST

START_TEST(the_rtc_interrupts)
{
	cmos_set(11, 0x12); /* on update */
	go_to(3 * NSEC_PER_SEC);
	ck_assert_uint_eq(n_rises[8], 1); /* until C is read */
	ck_assert_uint_eq(cmos(12) & 0x90, 0x90);
	ck_assert(!line[8]);
	cmos_set(11, 0x42); /* periodic, register A says 1024 Hz */
	n_rises[8] = 0;
	for (unsigned i = 0; i < 10; i++) {
		go_to(guest_clock_now(&clk) + NSEC_PER_MSEC);
		(void)cmos(12);
	}
	ck_assert_uint_ge(n_rises[8], 9);
	cmos_set(10, 0x2F); /* 2 Hz, and back before its tick has come */
	cmos_set(10, 0x26);
	n_rises[8] = 0;
	go_to(guest_clock_now(&clk) + 2 * NSEC_PER_MSEC);
	ck_assert_uint_eq(n_rises[8], 1);
	(void)cmos(12);
	cmos_set(11, 0x02);
	ck_assert_int_eq(clk.deadline, NSEC_NEVER);
}
END_TEST

/* Alarm at @hour:@min:@sec, in BCD. */
static void set_alarm(uint8_t hour, uint8_t min, uint8_t sec)
{
	cmos_set(11, 0x02);
	(void)cmos(12);
	cmos_set(5, hour);
	cmos_set(3, min);
	cmos_set(1, sec);
	cmos_set(11, 0x22);
	n_rises[8] = 0;
}

START_TEST(the_rtc_alarm_is_acpis_event_too)
{
	bus_pio_write(&bus, ACPI_PM1A_EVT + 2, 2, 1 << 10);
	set_alarm(0x00, 0x00, 0x01); /* in three seconds, on the next day */
	go_to(3 * NSEC_PER_SEC - 1);
	ck_assert(!line[8] && !line[ACPI_SCI]);
	go_to(3 * NSEC_PER_SEC);
	ck_assert(line[8] && line[ACPI_SCI]);
	ck_assert_uint_eq(bus_pio_read(&bus, ACPI_PM1A_EVT, 2), 1 << 10);
	bus_pio_write(&bus, ACPI_PM1A_EVT, 2, 1 << 10);
	go_to(6 * NSEC_PER_SEC); /* it comes once, though nobody reads the flag */
	ck_assert(line[8] && !line[ACPI_SCI]);
	ck_assert_uint_eq(cmos(12) & 0xA0, 0xA0);
	/* Updates are no wake event, nor is an alarm that is not enabled. */
	set_alarm(0x00, 0x00, 0x07);
	cmos_set(11, 0x12);
	go_to(11 * NSEC_PER_SEC);
	ck_assert_uint_eq(cmos(12) & 0xB0, 0xB0);
	ck_assert(!line[ACPI_SCI]);
}
END_TEST

/* Time that a pause takes out of the guest's: the RTC is the host's behind it. */
static void pause_for(nsec_t ns)
{
	clk.wall_start += ns;
}

START_TEST(an_alarm_that_a_pause_swallowed_comes_after_it)
{
	set_alarm(0x00, 0x30, 0x00);
	go_to(NSEC_PER_SEC);
	pause_for(3600 * NSEC_PER_SEC + NSEC_PER_MSEC);
	go_to(2 * NSEC_PER_SEC);
	ck_assert_uint_eq(n_rises[8], 1);
	ck_assert_uint_eq(cmos(12) & 0xA0, 0xA0);
	go_to(5 * NSEC_PER_SEC);
	ck_assert_uint_eq(n_rises[8], 1);
	/* A pause beside it; then one of ten days, in which every alarm lies, once. */
	set_alarm(0x12, 0xFF, 0x00);
	pause_for(3600 * NSEC_PER_SEC);
	go_to(9 * NSEC_PER_SEC);
	ck_assert_uint_eq(n_rises[8], 0);
	pause_for(240 * 3600 * NSEC_PER_SEC);
	go_to(20 * NSEC_PER_SEC);
	ck_assert_uint_eq(n_rises[8], 1);
}
END_TEST

/* Seconds from before the alarm was waited for, and those over which the guest sets the clock, are not missed. */
START_TEST(what_nobody_waited_for_is_not_missed)
{
	set_alarm(0x00, 0x30, 0x00);
	go_to(NSEC_PER_SEC);
	cmos_set(11, 0x02);
	pause_for(3600 * NSEC_PER_SEC);
	cmos_set(11, 0x22);
	go_to(3 * NSEC_PER_SEC);
	ck_assert_uint_eq(n_rises[8], 0);
	set_alarm(0x01, 0x30, 0x00);
	cmos_set(11, 0xA2);
	cmos_set(4, 0x05);
	cmos_set(11, 0x22);
	go_to(6 * NSEC_PER_SEC);
	ck_assert_uint_eq(n_rises[8], 0);
	cmos_set(4, 0x00);
	go_to(7 * NSEC_PER_SEC);
	cmos_set(4, 0x05); /* at one go */
	go_to(8 * NSEC_PER_SEC);
	ck_assert_uint_eq(n_rises[8], 0);
	cmos_set(4, 0x01); /* back, and over it in the ordinary way */
	cmos_set(2, 0x29);
	cmos_set(0, 0x59);
	go_to(10 * NSEC_PER_SEC);
	ck_assert_uint_eq(n_rises[8], 1);
}
END_TEST

START_TEST(acpi_counts_powers_off_and_has_a_button)
{
	go_to(NSEC_PER_SEC);
	ck_assert_uint_eq(bus_pio_read(&bus, ACPI_PM_TMR, 4), 3579545);
	go_to(5 * NSEC_PER_SEC);
	ck_assert_uint_eq(bus_pio_read(&bus, ACPI_PM_TMR, 4), 5 * 3579545 & 0xFFFFFF);
	ck_assert(!acpi_power_button(&acpi));
	ck_assert(!line[ACPI_SCI]); /* not enabled */
	bus_pio_write(&bus, ACPI_PM1A_EVT + 2, 2, 0x100);
	ck_assert(acpi_power_button(&acpi));
	ck_assert(line[ACPI_SCI]);
	bus_pio_write(&bus, ACPI_PM1A_EVT, 2, 0x100);
	ck_assert(!line[ACPI_SCI]);
	ck_assert_uint_eq(bus_pio_read(&bus, ACPI_PM1A_CNT, 2), 1);
	bus_pio_write(&bus, ACPI_PM1A_CNT, 2, ACPI_S5_TYPE << 10);
	ck_assert_uint_eq(n_off, 0);
	bus_pio_write(&bus, ACPI_PM1A_CNT, 2, ACPI_S5_TYPE << 10 | 1 << 13);
	ck_assert_uint_eq(n_off, 1);
}
END_TEST

/* A machine may have run for longer than its host: one that was saved elsewhere. */
START_TEST(a_clock_older_than_its_host_still_has_deadlines)
{
	struct guest_clock c;

	guest_clock_init_real(&c);
	guest_clock_pause(&c);
	c.frozen = 315000000 * NSEC_PER_SEC; /* ten years */
	guest_clock_resume(&c);
	ck_assert_int_lt(c.origin, 0);
	ck_assert_int_eq(guest_clock_host_time(&c, c.frozen + 5), c.frozen + 5 + c.origin);
	ck_assert_int_eq(guest_clock_host_time(&c, NSEC_NEVER), NSEC_NEVER);
	c.origin = 1000;
	ck_assert_int_eq(guest_clock_host_time(&c, NSEC_NEVER - 1), NSEC_NEVER);
}
END_TEST

/* A pause of an hour, and of a machine that was saved: the RTC is the host's again, guest time is not. */
START_TEST(after_a_pause_the_rtc_is_the_hosts)
{
	nsec_t before, frozen;
	struct guest_clock c;

	guest_clock_init_real(&c);
	guest_clock_pause(&c);
	c.wall_start -= 3600 * NSEC_PER_SEC;
	frozen = c.frozen;
	before = clock_wall();
	guest_clock_resume(&c);
	ck_assert_int_ge(c.wall_start + frozen, before);
	ck_assert_int_le(c.wall_start + frozen, clock_wall());
	ck_assert_int_ge(guest_clock_now(&c), frozen);
	guest_clock_pause(&c);
	c.frozen = (nsec_t)1 << 61;
	guest_clock_resume(&c);
	ck_assert_int_eq(c.wall_start, 0);
	/* The virtual clock knows no host. */
	guest_clock_pause(&clk);
	guest_clock_resume(&clk);
	ck_assert_int_eq(clk.wall_start, WALL_START);
}
END_TEST

static const uint32_t speed[] = { 1000000, 2400123, 999999, 3700000, 1000 };

/* The TSC is the time in its own ticks, and the time of a tick is the first
 * nanosecond at which it is there. */
START_TEST(the_tsc_runs_at_its_speed)
{
	static const nsec_t times[] = { 0, 1, 417, 1000, 123456789, 86400 * NSEC_PER_SEC, (nsec_t)1 << 55 };

	guest_clock_set_tsc(&clk, speed[_i], 77);
	for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++) {
		uint64_t tsc;

		icount = (uint64_t)times[i];
		tsc = guest_clock_tsc(&clk);
		ck_assert_uint_eq(tsc, 77 + (uint64_t)((unsigned __int128)times[i] * speed[_i] / 1000000));
		ck_assert_int_eq(guest_clock_tsc_time(&clk, tsc), times[i]); /* it is there */
		icount = (uint64_t)guest_clock_tsc_time(&clk, tsc + 5);
		ck_assert_uint_ge(guest_clock_tsc(&clk), tsc + 5);
		icount--;
		ck_assert_uint_lt(guest_clock_tsc(&clk), tsc + 5);
	}
	if (speed[_i] <= 1000000)
		ck_assert_int_eq(guest_clock_tsc_time(&clk, UINT64_MAX), NSEC_NEVER);
	icount = 5000000;
	guest_clock_set_tsc(&clk, speed[_i], 1);
	ck_assert_uint_eq(guest_clock_tsc(&clk), 1);
	icount += 1000000000;
	ck_assert_uint_eq(guest_clock_tsc(&clk) / 1000, speed[_i]);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("timer");
	TCase *t = tcase_create("timer");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, virtual_time_is_instructions_and_skips);
	tcase_add_test(t, a_timer_that_never_moves_on_does_not_hold_the_machine);
	tcase_add_test(t, after_a_pause_the_rtc_is_the_hosts);
	tcase_add_test(t, a_clock_older_than_its_host_still_has_deadlines);
	tcase_add_loop_test(t, the_tsc_runs_at_its_speed, 0, (int)(sizeof speed / sizeof speed[0]));
	tcase_add_test(t, the_pit_ticks_at_its_rate);
	tcase_add_test(t, the_pit_counts_down_and_latches);
	tcase_add_test(t, the_rtc_tells_and_takes_the_time);
	tcase_add_test(t, the_rtc_interrupts);
	tcase_add_test(t, the_rtc_alarm_is_acpis_event_too);
	tcase_add_test(t, an_alarm_that_a_pause_swallowed_comes_after_it);
	tcase_add_test(t, what_nobody_waited_for_is_not_missed);
	tcase_add_test(t, acpi_counts_powers_off_and_has_a_button);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
