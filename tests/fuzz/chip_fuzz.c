/* tests/fuzz/chip_fuzz.c: the board and the steps that all chips' harnesses share.
 *
 * Time is virtual and moves by the input alone, so an input does the same
 * every time.
 *
 * Used by: tests/fuzz/fuzz_chip_*.c (make/fuzz-chips.mk). */
#include "tests/fuzz/chip_fuzz.h"

#include "tests/fuzz/roundtrip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RAM_BYTES = 1 << 20, STEPS_MAX = 64 };
#define WALL_START (INT64_C(1767225600) * NSEC_PER_SEC)

extern uint64_t fuzz_default_inputs; /* read by driver_main.c */
uint64_t fuzz_default_inputs = 100000;

static struct chip_board board;

static uint64_t no_instructions(void *ctx)
{
	(void)ctx;
	return 0;
}

static void isa_set(void *ctx, unsigned irq, bool level)
{
	struct chip_board *b = ctx;

	b->n_rises[irq] += level && !b->level[irq];
	b->level[irq] = level;
	i8259_set(&b->pic, irq, level);
	i82093_set(&b->ioapic, irq == 0 ? 2 : irq, level);
}

static void rtc_alarm(void *ctx, unsigned n, bool level)
{
	struct chip_board *b = ctx;

	(void)n;
	if (level)
		acpi_rtc_alarm(&b->acpi);
}

static void pic_out(void *ctx, unsigned n, bool level)
{
	struct chip_board *b = ctx;

	(void)n;
	lapic_set_extint(&b->lapic, level);
}

static uint8_t pic_ack(void *ctx)
{
	struct chip_board *b = ctx;

	return i8259_ack(&b->pic);
}

static void lapic_intr(void *ctx, bool level)
{
	(void)ctx;
	(void)level;
}

static void lapic_nmi(void *ctx)
{
	struct chip_board *b = ctx;

	b->n_nmi++;
}

static void lapic_eoi(void *ctx, uint8_t vector)
{
	struct chip_board *b = ctx;

	i82093_eoi(&b->ioapic, vector);
}

static void lapic_send(void *ctx, const struct apic_msg *msg, bool but_self)
{
	struct chip_board *b = ctx;

	(void)apic_bus_send(&b->apics, msg, but_self ? &b->lapic : NULL);
}

/* As the machine does once the processor stands. */
static void lapic_got_init(void *ctx)
{
	struct chip_board *b = ctx;

	b->n_init++;
	lapic_reset(&b->other);
}

static void lapic_got_startup(void *ctx, uint8_t vector)
{
	struct chip_board *b = ctx;

	(void)vector;
	b->n_startup++;
}

/* What a KVM machine does with an entry that changed. */
static void ioapic_changed(void *ctx, unsigned pin)
{
	struct chip_board *b = ctx;
	struct apic_msg msg, back;
	uint64_t addr;
	uint32_t data;

	b->n_routed++;
	if (!i82093_message(&b->ioapic, pin, &msg))
		return;
	apic_msg_to_msi(&msg, &addr, &data);
	if (!apic_msg_from_msi(addr, data, &back) || back.vector != msg.vector ||
	    back.dest != msg.dest)
		abort();
}

static void ioapic_send(void *ctx, const struct apic_msg *msg)
{
	struct chip_board *b = ctx;

	b->n_ioapic++;
	b->ioapic_msg = *msg;
	if (msg->delivery == APIC_EXTINT)
		lapic_set_extint(&b->lapic, i8259_pending(&b->pic));
	else
		(void)apic_bus_send(&b->apics, msg, NULL);
}

static void on_msi(void *ctx, uint64_t addr, uint32_t data)
{
	struct chip_board *b = ctx;
	struct apic_msg msg;

	b->n_msi++;
	if (apic_msg_from_msi(addr, data, &msg))
		(void)apic_bus_send(&b->apics, &msg, NULL);
}

static void serial_out(void *ctx, uint8_t byte)
{
	struct chip_board *b = ctx;

	b->n_sent++;
	b->sent = byte;
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static uint64_t bar_read(void *ctx, uint64_t off, unsigned size)
{
	struct chip_board *b = ctx;

	(void)size;
	b->n_bar++;
	if (off + size > 0x4000)
		abort(); /* the bus let an access through that is not inside */
	return off;
}

static void bar_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)v;
	(void)bar_read(ctx, off, size);
}

static const struct bus_ops bar_ops = { bar_read, bar_write };

static void make_pci(struct chip_board *b)
{
	static const struct pci_id id = { .vendor = 0x1AF4, .device = 0x1041, .class_code = 0x020000,
					  .revision = 1, .subvendor = 0x1AF4, .subdevice = 0x40 };

	pci_host_init(&b->pci, &b->bus);
	b->pci.reset = nothing;
	pci_dev_init(&b->dev, &id, NULL, NULL);
	pci_bar_add(&b->dev, 0, 0x4000, &bar_ops, b);
	msix_init(&b->msix, &b->dev, 2, 8);
	if (pci_host_add(&b->pci, &b->dev, 3) < 0)
		abort();
}

static void make_board(struct chip_board *b)
{
	const struct lapic_hooks hooks = { .ctx = b, .set_intr = lapic_intr, .nmi = lapic_nmi,
					   .eoi = lapic_eoi, .extint_ack = pic_ack,
					   .send = lapic_send, .init = lapic_got_init,
					   .startup = lapic_got_startup };
	struct mem mem = b->mem;

	if (!mem.host && mem_init(&mem, RAM_BYTES) < 0)
		abort();
	*b = (struct chip_board){ .mem = mem };
	bus_init(&b->bus, &b->mem);
	b->bus.msi = on_msi;
	b->bus.msi_ctx = b;
	guest_clock_init_virtual(&b->clock, 100, WALL_START, no_instructions, b);
	lapic_init(&b->lapic, 0, &b->clock, &b->bus, &hooks);
	lapic_init(&b->other, 1, &b->clock, NULL, &hooks);
	apic_bus_add(&b->apics, &b->lapic);
	apic_bus_add(&b->apics, &b->other);
	i82093_init(&b->ioapic, &b->bus, ioapic_send, b);
	b->ioapic.changed = ioapic_changed;
	i8259_init(&b->pic, &b->bus, (struct irq_line){ .set = pic_out, .ctx = b });
	i8254_init(&b->pit, &b->bus, &b->clock, (struct irq_line){ isa_set, b, 0 });
	mc146818_init(&b->rtc, &b->bus, &b->clock, (struct irq_line){ isa_set, b, 8 },
		      (struct irq_line){ rtc_alarm, b, 0 });
	i8250_init(&b->uart, &b->bus, 0x3F8, (struct irq_line){ isa_set, b, 4 }, serial_out, nothing, b);
	acpi_init(&b->acpi, &b->bus, &b->clock, (struct irq_line){ isa_set, b, ACPI_SCI }, nothing, b);
	(void)acpi_gpe_claim(&b->acpi, &b->bus);
	make_pci(b);
}

void chip_time_on(struct chip_board *b, nsec_t ns)
{
	guest_clock_skip_to(&b->clock, guest_clock_now(&b->clock) + ns);
	guest_clock_run(&b->clock);
}

/* ---- steps ------------------------------------------------------------------------ */

/* Values that decide something are drawn as often as any other. */
static uint64_t pick_value(struct wire_reader *in)
{
	static const uint64_t edge[] = { 0, 1, 2, 0x7F, 0x80, 0xFF, 0x8000, 0xFFFF, 0x80000000, UINT32_MAX,
					 UINT64_MAX, UINT64_C(0xFEE00000), PCI_WINDOW_START,
					 PCI_ECAM_BASE, UINT64_C(0xFFFFFFFFFFFFC000), 0x10000 };
	uint8_t how = wire_get_u8(in);

	if (how & 0x80)
		return edge[how & 15];
	return how & 0x40 ? wire_get_be64(in) : wire_get_be16(in);
}

/* In the order of vmm/machine_state.c. */
static void describe(void *ctx, struct state *s)
{
	struct chip_board *b = ctx;

	guest_clock_state(&b->clock, s);
	lapic_state(&b->lapic, s);
	lapic_state(&b->other, s);
	i82093_state(&b->ioapic, s);
	i8259_state(&b->pic, s);
	i8254_state(&b->pit, s);
	mc146818_state(&b->rtc, s);
	i8250_state(&b->uart, s);
	acpi_state(&b->acpi, s);
	pci_host_state(&b->pci, s);
	(void)state_begin(s, "fuzz", 0, 1);
	pci_dev_state(&b->dev, s);
	msix_state(&b->msix, s);
	state_end(s);
}

/* One time in sixteen: it costs as much as all other steps of an input. */
static void save(struct chip_board *b, struct wire_reader *in)
{
	if (wire_get_u8(in) & 15)
		return;
	guest_clock_pause(&b->clock);
	fuzz_roundtrip(describe, b);
	guest_clock_resume(&b->clock);
}

/* The whole board: a guest may reach a chip's neighbours in between. */
static const struct chip_window neighbours[] = {
	{ 0x20, 2, false }, { 0x40, 4, false }, { 0x61, 1, false }, { 0x70, 2, false },
	{ 0xA0, 2, false }, { 0x3F8, 8, false }, { 0x4D0, 2, false }, { 0x600, 12, false },
	{ 0xCF8, 8, false }, { LAPIC_BASE, 0x400, true }, { IOAPIC_BASE, 0x20, true },
	{ PCI_ECAM_BASE + (3 << 15), 0x100, true },
};

static void access_window(struct chip_board *b, const struct chip_window *w, struct wire_reader *in)
{
	uint8_t how = wire_get_u8(in);
	/* Now and then an access begins before the window or leaves it. */
	uint64_t at = w->base + wire_get_be16(in) % w->len - (how >> 6 == 3 ? 2 : 0);
	unsigned size = 1u << (how & 3);

	if (w->is_mmio && (how & 4))
		bus_mmio_write(&b->bus, at, size, pick_value(in));
	else if (w->is_mmio)
		(void)bus_mmio_read(&b->bus, at, size);
	else if (how & 4)
		bus_pio_write(&b->bus, (uint16_t)at, size == 8 ? 4 : size, (uint32_t)pick_value(in));
	else
		(void)bus_pio_read(&b->bus, (uint16_t)at, size == 8 ? 4 : size);
}

static void step(struct chip_board *b, struct wire_reader *in)
{
	const struct chip_target *t = &chip_target;
	uint8_t what = wire_get_u8(in) & 15;

	if (what < 7)
		t->driver(b, in);
	else if (what < 10)
		access_window(b, &t->windows[wire_get_u8(in) % t->n_windows], in);
	else if (what == 10)
		access_window(b, &neighbours[wire_get_u8(in) % (sizeof neighbours / sizeof *neighbours)], in);
	else if (what < 13)
		chip_time_on(b, (nsec_t)wire_get_be16(in) << (wire_get_u8(in) % 17));
	else if (what == 13)
		isa_set(b, wire_get_u8(in) & 15, wire_get_u8(in) & 1);
	else if (what == 14 && t->outside)
		t->outside(b, in);
	else if (what == 15)
		save(b, in);
	else
		(void)lapic_ack(&b->lapic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_reader in = wire_read_from(data, len);
	const char *broken;

	make_board(&board);
	for (unsigned i = 0; i < STEPS_MAX && in.left > 0; i++)
		step(&board, &in);
	broken = chip_target.works(&board);
	if (broken) {
		fprintf(stderr, "after the input a right driver finds: %s\n", broken);
		abort();
	}
	return 0;
}
