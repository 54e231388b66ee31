/* tests/vmm/check_i8250.c: the serial port, as a driver sees it. */
#include "tests/unit.h"
#include "vmm/dev/i8250.h"

#include <string.h>

static struct bus bus;
static struct i8250 uart;
static char sent[64];
static size_t n_sent;
static unsigned n_room;
static bool line;

static void set_line(void *ctx, unsigned n, bool level)
{
	(void)ctx;
	(void)n;
	line = level;
}

static void on_out(void *ctx, uint8_t byte)
{
	(void)ctx;
	if (n_sent < sizeof sent)
		sent[n_sent++] = (char)byte;
}

static void on_room(void *ctx)
{
	(void)ctx;
	n_room++;
}

static void setup(void)
{
	n_sent = n_room = 0;
	line = false;
	bus_init(&bus, NULL);
	i8250_init(&uart, &bus, 0x3F8, (struct irq_line){ .set = set_line }, on_out, on_room, NULL);
}

static void out(unsigned reg, unsigned v)
{
	bus_pio_write(&bus, (uint16_t)(0x3F8 + reg), 1, v);
}

static unsigned in(unsigned reg)
{
	return bus_pio_read(&bus, (uint16_t)(0x3F8 + reg), 1);
}

START_TEST(bytes_go_out_and_thre_interrupts_once)
{
	out(0, 'h');
	out(0, 'i');
	ck_assert_uint_eq(n_sent, 2);
	ck_assert(memcmp(sent, "hi", 2) == 0);
	ck_assert_uint_eq(in(5) & 0x60, 0x60);
	ck_assert(!line);
	out(1, 2);
	ck_assert(line);
	ck_assert_uint_eq(in(2), 2);
	ck_assert(!line);
	ck_assert_uint_eq(in(2), 1);
	out(0, '!');
	ck_assert(line);
}
END_TEST

START_TEST(input_waits_for_room)
{
	uint8_t many[40];

	memset(many, 'x', sizeof many);
	ck_assert_uint_eq(i8250_receive(&uart, many, sizeof many), 1); /* FIFO off */
	(void)in(0);
	out(2, 1);
	ck_assert_uint_eq(i8250_receive(&uart, many, sizeof many), 16);
	ck_assert_uint_eq(i8250_room(&uart), 0);
	out(1, 1);
	ck_assert(line);
	ck_assert_uint_eq(in(2), 0xC4);
	n_room = 0;
	for (unsigned i = 0; i < 16; i++) {
		ck_assert_uint_eq(in(5) & 1, 1);
		ck_assert_uint_eq(in(0), 'x');
	}
	ck_assert_uint_eq(n_room, 16);
	ck_assert(!line);
	ck_assert_uint_eq(in(5) & 1, 0);
	ck_assert_uint_eq(in(0), 0);
}
END_TEST

/* What was typed before the driver is there fills the receiver, and the driver clears it: its feeder
 * must hear of that, or it waits for a byte to be read for ever. */
START_TEST(a_cleared_receiver_has_room)
{
	static const uint8_t fcr[] = { 1, 3, 3, 0 };
	uint8_t many[40] = { 0 };

	for (unsigned i = 0; i < sizeof fcr; i++) {
		(void)i8250_receive(&uart, many, sizeof many);
		ck_assert_uint_eq(i8250_room(&uart), 0);
		n_room = 0;
		out(2, fcr[i]);
		ck_assert_uint_eq(n_room, 1);
		ck_assert_uint_gt(i8250_room(&uart), 0);
	}
}
END_TEST

START_TEST(loopback_and_divisor)
{
	out(3, 0x83);
	out(0, 0x0C);
	out(1, 0x01);
	ck_assert_uint_eq(in(0), 0x0C);
	ck_assert_uint_eq(in(1), 1);
	out(3, 3);
	ck_assert_uint_eq(n_sent, 0);
	out(4, 0x1A); /* loop, OUT2, RTS: as Linux's autoconfig looks */
	ck_assert_uint_eq(in(6) & 0xF0, 0x90);
	out(0, 'q');
	ck_assert_uint_eq(in(0), 'q');
	out(0, 'a');
	out(0, 'b'); /* FIFO off: one byte of room */
	ck_assert_uint_eq(in(5) & 2, 2);
	ck_assert_uint_eq(in(5) & 2, 0);
	out(4, 0);
	ck_assert_uint_eq(in(6), 0xB0);
	out(7, 0x5A);
	ck_assert_uint_eq(in(7), 0x5A);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("i8250");
	TCase *t = tcase_create("i8250");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, bytes_go_out_and_thre_interrupts_once);
	tcase_add_test(t, input_waits_for_room);
	tcase_add_test(t, a_cleared_receiver_has_room);
	tcase_add_test(t, loopback_and_divisor);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
