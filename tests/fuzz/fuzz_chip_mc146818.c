/* tests/fuzz/fuzz_chip_mc146818.c: the real-time clock. */
#include "tests/fuzz/chip_fuzz.h"

static const struct chip_window windows[] = { { 0x70, 2, false } };
enum { RTC_A = 10, RTC_B = 11, RTC_C = 12 };

static void cmos_write(struct chip_board *b, unsigned reg, unsigned v)
{
	out8(b, 0x70, reg);
	out8(b, 0x71, v);
}

static uint8_t cmos_read(struct chip_board *b, unsigned reg)
{
	out8(b, 0x70, reg);
	return in8(b, 0x71);
}

static void driver(struct chip_board *b, struct wire_reader *in)
{
	uint8_t what = wire_get_u8(in), v = wire_get_u8(in);

	switch (what & 7) {
	case 0:
		cmos_write(b, what >> 3 & 15, v);
		break;
	case 1:
		(void)cmos_read(b, v & 0x7F);
		break;
	case 2: /* interrupts on */
		cmos_write(b, RTC_B, v & 0x76);
		break;
	case 3:
		cmos_write(b, RTC_A, 0x20 | (v & 15));
		break;
	case 4:
		(void)cmos_read(b, RTC_C);
		break;
	case 5: /* an alarm */
		for (unsigned reg = 1; reg <= 5; reg += 2)
			cmos_write(b, reg, wire_get_u8(in));
		break;
	case 6:
		cmos_write(b, RTC_B, 0x80 | (v & 6));
		break;
	default:
		cmos_write(b, 0x32, v);
	}
}

static const char *works(struct chip_board *b)
{
	static const uint8_t at[][2] = { { 0, 0x05 }, { 2, 0x34 }, { 4, 0x12 }, { 7, 0x28 }, { 8, 0x02 },
					 { 9, 0x27 }, { 0x32, 0x20 } };
	uint64_t before;

	cmos_write(b, RTC_B, 0x82);
	for (size_t i = 0; i < sizeof at / sizeof *at; i++)
		cmos_write(b, at[i][0], at[i][1]);
	cmos_write(b, RTC_B, 0x02);
	for (size_t i = 0; i < sizeof at / sizeof *at; i++)
		if (cmos_read(b, at[i][0]) != at[i][1])
			return "the time that was set is not shown";
	cmos_write(b, RTC_A, 0x26); /* 1,024 Hz */
	cmos_write(b, RTC_B, 0x42);
	(void)cmos_read(b, RTC_C);
	before = b->n_rises[8];
	chip_time_on(b, 1000000);
	return b->n_rises[8] == before + 1 ? NULL : "no periodic interrupt";
}

const struct chip_target chip_target = { windows, sizeof windows / sizeof *windows, driver, NULL, works };
