/* tests/fuzz/fuzz_chip_i8254.c: the interval timer. */
#include "tests/fuzz/chip_fuzz.h"

static const struct chip_window windows[] = { { 0x40, 4, false }, { 0x61, 1, false } };

static void driver(struct chip_board *b, struct wire_reader *in)
{
	uint8_t what = wire_get_u8(in), v = wire_get_u8(in), n = what >> 4 & 3;
	uint16_t port = (uint16_t)(0x40 + (n < 3 ? n : 0));

	switch (what & 3) {
	case 0: /* program, both bytes */
		out8(b, 0x43, (n < 3 ? n : 0) << 6 | 0x30 | (v & 15));
		out8(b, port, wire_get_u8(in));
		out8(b, port, wire_get_u8(in));
		break;
	case 1: /* latch and read */
		out8(b, 0x43, (n < 3 ? n : 0) << 6);
		(void)in8(b, port);
		(void)in8(b, port);
		break;
	case 2: /* read-back */
		out8(b, 0x43, 0xC0 | (v & 0x3E));
		(void)in8(b, port);
		break;
	default:
		out8(b, 0x61, v & 3);
		(void)in8(b, 0x61);
	}
}

static const char *works(struct chip_board *b)
{
	uint64_t before;
	unsigned low, high;

	out8(b, 0x43, 0x34);
	out8(b, 0x40, 0xA9); /* 1,193 ticks: a millisecond */
	out8(b, 0x40, 0x04);
	before = b->n_rises[0];
	chip_time_on(b, 1000000);
	if (b->n_rises[0] != before + 1)
		return "no interrupt after a period";
	out8(b, 0x43, 0x00);
	low = in8(b, 0x40);
	high = in8(b, 0x40);
	return (high << 8 | low) <= 1193 ? NULL : "the count is out of range";
}

const struct chip_target chip_target = { windows, sizeof windows / sizeof *windows, driver, NULL, works };
