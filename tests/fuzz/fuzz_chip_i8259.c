/* tests/fuzz/fuzz_chip_i8259.c: the interrupt controllers. */
#include "tests/fuzz/chip_fuzz.h"

static const struct chip_window windows[] = { { 0x20, 2, false }, { 0xA0, 2, false }, { 0x4D0, 2, false } };

static void set_up(struct chip_board *b, uint16_t port, unsigned base, unsigned icw3, unsigned icw4)
{
	out8(b, port, 0x11);
	out8(b, port + 1, base);
	out8(b, port + 1, icw3);
	out8(b, port + 1, icw4);
}

static void driver(struct chip_board *b, struct wire_reader *in)
{
	uint8_t what = wire_get_u8(in), v = wire_get_u8(in);
	uint16_t port = what & 8 ? 0xA0 : 0x20;

	switch (what & 7) {
	case 0:
		set_up(b, port, v, port == 0x20 ? 4 : 2, v & 0x13);
		break;
	case 1:
		out8(b, port + 1, v);
		break;
	case 2:
		out8(b, port, 0x20);
		break;
	case 3:
		out8(b, port, v & 0xE7); /* OCW2 */
		break;
	case 4:
		out8(b, port, (v & 0x67) | 8); /* OCW3 */
		(void)in8(b, port);
		break;
	case 5:
		(void)i8259_ack(&b->pic);
		break;
	case 6:
		out8(b, 0x4D0 + (what >> 3 & 1), v);
		break;
	default:
		i8259_set(&b->pic, v & 15, v & 16);
		break;
	}
}

static const char *works(struct chip_board *b)
{
	out8(b, 0x4D0, 0);
	out8(b, 0x4D1, 0);
	for (unsigned i = 0; i < 16; i++)
		i8259_set(&b->pic, i, false);
	set_up(b, 0x20, 0x20, 4, 1);
	set_up(b, 0xA0, 0x28, 2, 1);
	out8(b, 0x21, 0xFF & ~(1 << 3 | 1 << 2));
	out8(b, 0xA1, 0xFF & ~(1 << 4));
	i8259_set(&b->pic, 3, true);
	if (!i8259_pending(&b->pic) || i8259_ack(&b->pic) != 0x23)
		return "IRQ 3 does not come";
	out8(b, 0x20, 0x20);
	i8259_set(&b->pic, 12, true);
	if (!i8259_pending(&b->pic) || i8259_ack(&b->pic) != 0x2C)
		return "IRQ 12 does not come";
	return in8(b, 0x21) == 0xF3 ? NULL : "the mask does not read back";
}

const struct chip_target chip_target = { windows, sizeof windows / sizeof *windows, driver, NULL, works };
