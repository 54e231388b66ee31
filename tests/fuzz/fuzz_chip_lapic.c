/* tests/fuzz/fuzz_chip_lapic.c: the local APICs of two processors, by memory and by MSR. */
#include "tests/fuzz/chip_fuzz.h"

static const struct chip_window windows[] = { { LAPIC_BASE, 0x400, true }, { LAPIC_BASE, 0x1000, true } };
enum { MSR_APIC_BASE = 0x1B, MSR_TSC_DEADLINE = 0x6E0, MSR_X2APIC = 0x800 };
enum { TPR = 0x80, EOI = 0xB0, SVR = 0xF0, ICR = 0x300, LVT = 0x320, INITIAL = 0x380, DIVIDE = 0x3E0 };

static void reg_write(struct chip_board *b, unsigned reg, uint32_t v)
{
	bus_mmio_write(&b->bus, LAPIC_BASE + reg, 4, v);
}

static void write_msr(struct chip_board *b, uint8_t what, uint64_t v)
{
	uint64_t got;

	/* Reserved bits are refused: most values have none. */
	if (what & 0x80)
		(void)lapic_msr_write(&b->lapic, MSR_X2APIC + (what & 0x3F),
				      what & 0x40 ? v & 0xFF : v);
	else if (what & 0x40)
		(void)lapic_msr_write(&b->lapic, MSR_TSC_DEADLINE, v);
	else
		(void)lapic_msr_write(&b->lapic, MSR_APIC_BASE, LAPIC_BASE | (v & 0xD00));
	(void)lapic_msr_read(&b->lapic, MSR_X2APIC + (what & 0x3F), &got);
	(void)lapic_msr_read(&b->lapic, what & 1 ? MSR_APIC_BASE : MSR_TSC_DEADLINE, &got);
}

/* The other processor's: its own steps, so that both answer each other. */
static void other_access(struct chip_board *b, uint32_t v)
{
	static const uint16_t regs[] = { TPR, EOI, SVR, ICR, ICR + 0x10, LVT, 0xD0, 0xE0 };
	struct lapic *l = &b->other;
	uint16_t reg = regs[v >> 28 & 7];

	if (v >> 31)
		(void)lapic_mmio_read(l, reg, 4);
	else
		lapic_mmio_write(l, reg, 4, reg == ICR ? v & 0xCCFFF : reg == SVR ? v | 0x100 : v);
	(void)lapic_ack(l);
	(void)lapic_cr8_read(l);
}

static void driver(struct chip_board *b, struct wire_reader *in)
{
	uint8_t what = wire_get_u8(in);
	uint32_t v = wire_get_be32(in);

	switch (what & 7) {
	case 0:
		reg_write(b, SVR, 0x100 | (v & 0xFF));
		break;
	case 1: /* a timer */
		reg_write(b, DIVIDE, v & 15);
		reg_write(b, LVT, v >> 8 & 0x700FF);
		reg_write(b, INITIAL, wire_get_be16(in));
		break;
	case 2:
		reg_write(b, LVT + 16u * (what >> 3 & 7), v & 0x1F7FF);
		break;
	case 3: /* an IPI to itself, or to whom it may */
		reg_write(b, ICR + 0x10, v & 0xFF000000);
		reg_write(b, ICR, what & 0x80 ? v & 0xCCFFF : 0x40000 | (v & 0xFF));
		break;
	case 4:
		(void)lapic_ack(&b->lapic);
		reg_write(b, EOI, 0);
		break;
	case 5:
		lapic_cr8_write(&b->lapic, v & 15);
		break;
	case 6:
		write_msr(b, (uint8_t)(v >> 24), (uint64_t)wire_get_be32(in) << (what >> 3));
		break;
	default:
		if (what & 8)
			other_access(b, v);
		else
			bus_mmio_write(&b->bus, LAPIC_BASE | (v & 0xF000), 4, v & 0xFF); /* an MSI */
	}
}

static void outside(struct chip_board *b, struct wire_reader *in)
{
	uint32_t v = wire_get_be32(in);
	const struct apic_msg msg = { .dest = v >> 24, .logical = v & 0x800, .level = v & 0x1000,
				      .assert_level = true, .delivery = v >> 8 & 7, .vector = (uint8_t)v };

	(void)apic_bus_send(&b->apics, &msg, NULL);
}

/* Something is requested or in service. */
static bool is_busy(const struct lapic *l)
{
	uint32_t any = 0;

	for (unsigned i = 0; i < 8; i++)
		any |= l->irr[i] | l->isr[i];
	return any != 0;
}

/* Off and on again is how every mode is left (SDM vol. 3 §11.12.5). */
static const char *works(struct chip_board *b)
{
	uint64_t before;

	(void)lapic_msr_write(&b->lapic, MSR_APIC_BASE, LAPIC_BASE | 0x100);
	if (!lapic_msr_write(&b->lapic, MSR_APIC_BASE, LAPIC_BASE | 0x900))
		return "it cannot be switched on";
	for (unsigned i = 0; i < 0x60; i += 0x10)
		reg_write(b, LVT + i, 0x10000);
	reg_write(b, SVR, 0x1FF);
	lapic_set_extint(&b->lapic, false);
	lapic_cr8_write(&b->lapic, 0);
	for (unsigned i = 0; i < 600 && is_busy(&b->lapic); i++) {
		(void)lapic_ack(&b->lapic);
		reg_write(b, EOI, 0);
	}
	reg_write(b, DIVIDE, 0xB);
	reg_write(b, LVT, 0x50);
	reg_write(b, INITIAL, 1000);
	chip_time_on(b, 1000000);
	if (lapic_ack(&b->lapic) != 0x50)
		return "the timer's interrupt does not come";
	reg_write(b, EOI, 0);
	reg_write(b, ICR, 0x40060);
	if (lapic_ack(&b->lapic) != 0x60)
		return "an IPI to itself does not come";
	before = b->n_init;
	reg_write(b, ICR, 0xC4500); /* INIT, to all but itself */
	return b->n_init == before + 1 ? NULL : "an INIT does not reach the other processor";
}

const struct chip_target chip_target = { windows, sizeof windows / sizeof *windows, driver, outside, works };
