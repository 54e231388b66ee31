/* tests/fuzz/fuzz_chip_i8250.c: the serial port. */
#include "tests/fuzz/chip_fuzz.h"

#include <stdlib.h>

static const struct chip_window windows[] = { { 0x3F8, 8, false } };
enum { COM = 0x3F8, IER = COM + 1, FCR = COM + 2, LCR = COM + 3, MCR = COM + 4, LSR = COM + 5 };

static void driver(struct chip_board *b, struct wire_reader *in)
{
	uint8_t what = wire_get_u8(in), v = wire_get_u8(in);

	switch (what & 7) {
	case 0: /* a rate */
		out8(b, LCR, 0x83);
		out8(b, COM, v);
		out8(b, IER, wire_get_u8(in));
		out8(b, LCR, v & 0x7F);
		break;
	case 1:
		out8(b, FCR, v);
		break;
	case 2:
		out8(b, IER, v & 15);
		break;
	case 3:
		out8(b, MCR, v & 0x1F);
		break;
	case 4:
		(void)in8(b, FCR);
		(void)in8(b, LSR);
		break;
	case 5:
		if (in8(b, LSR) & 1)
			(void)in8(b, COM);
		break;
	default:
		out8(b, COM, v);
	}
}

static void outside(struct chip_board *b, struct wire_reader *in)
{
	uint8_t bytes[32] = { 0 };
	size_t len = wire_get_u8(in) & 31, room = i8250_room(&b->uart), took;

	took = i8250_receive(&b->uart, bytes, len);
	if (took != (len < room ? len : room))
		abort();
}

static const char *works(struct chip_board *b)
{
	static const uint8_t hello[] = { 'h', 'i' };

	out8(b, LCR, 3);
	out8(b, MCR, 0);
	out8(b, IER, 0);
	out8(b, FCR, 7);
	out8(b, COM, 'x');
	if (!b->n_sent || b->sent != 'x')
		return "what is sent does not come out";
	if (i8250_receive(&b->uart, hello, 2) != 2 || !(in8(b, LSR) & 1) || in8(b, COM) != 'h' ||
	    in8(b, COM) != 'i' || (in8(b, LSR) & 1))
		return "what comes in is not read";
	out8(b, IER, 1);
	(void)i8250_receive(&b->uart, hello, 1);
	return (in8(b, FCR) & 15) == 4 || (in8(b, FCR) & 15) == 12 ? NULL : "no interrupt for a byte";
}

const struct chip_target chip_target = { windows, sizeof windows / sizeof *windows, driver, outside, works };
