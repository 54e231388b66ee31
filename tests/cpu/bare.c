/* tests/cpu/bare.c: see bare.h. */
#include "tests/cpu/bare.h"

#include <check.h>
#include <stdlib.h>

static uint64_t on_mmio_read(void *ctx, uint64_t gpa, unsigned size)
{
	struct bare *b = ctx;

	b->n_mmio_reads++;
	b->mmio_addr = gpa;
	return size == 8 ? UINT64_MAX : (UINT64_C(1) << size * 8) - 1;
}

static void on_mmio_write(void *ctx, uint64_t gpa, unsigned size, uint64_t v)
{
	struct bare *b = ctx;

	(void)size;
	b->n_mmio_writes++;
	b->mmio_addr = gpa;
	b->mmio_value = v;
}

static uint32_t on_pio_read(void *ctx, uint16_t port, unsigned size)
{
	struct bare *b = ctx;

	(void)size;
	b->n_pio_reads++;
	b->pio_port = port;
	return 0xA1B2C3D4;
}

static void on_pio_write(void *ctx, uint16_t port, unsigned size, uint32_t v)
{
	struct bare *b = ctx;

	(void)size;
	b->n_pio_writes++;
	b->pio_port = port;
	b->pio_value = v;
}

static int on_intr_ack(void *ctx)
{
	(void)ctx;
	return -1;
}

static uint64_t on_tsc_read(void *ctx)
{
	return ((struct bare *)ctx)->tsc;
}

static uint64_t on_cr8_read(void *ctx)
{
	return ((struct bare *)ctx)->cr8;
}

static void on_cr8_write(void *ctx, uint64_t v)
{
	((struct bare *)ctx)->cr8 = v;
}

static bool on_apic_read(void *ctx, uint32_t msr, uint64_t *ret_v)
{
	const struct bare *b = ctx;

	if (msr != MSR_APIC_BASE && msr != MSR_TSC_DEADLINE)
		return false;
	*ret_v = msr == MSR_APIC_BASE ? b->apic_base : b->deadline;
	return true;
}

static bool on_apic_write(void *ctx, uint32_t msr, uint64_t v)
{
	struct bare *b = ctx;

	if (msr != MSR_APIC_BASE && msr != MSR_TSC_DEADLINE)
		return false;
	if (msr == MSR_APIC_BASE)
		b->apic_base = v;
	else
		b->deadline = v;
	return true;
}

struct bare *bare_new(void)
{
	struct bare *b = calloc(1, sizeof(*b));

	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(mem_init(&b->mem, 16 << 20), 0);
	b->s = aligned_alloc(64, (sizeof(*b->s) + 63) / 64 * 64);
	ck_assert_ptr_nonnull(b->s);
	memset(b->s, 0, sizeof(*b->s));
	b->bus = (struct cpu_bus){ b, on_mmio_read, on_mmio_write, on_pio_read, on_pio_write, on_intr_ack,
				   on_tsc_read, on_cr8_read, on_cr8_write, on_apic_read, on_apic_write, NULL, NULL };
	b->s->mem = &b->mem;
	b->s->bus = &b->bus;
	b->s->peer = b->s;
	b->apic_base = 0xFEE00900;
	bare_real(b);
	return b;
}

void bare_free(struct bare *b)
{
	if (!b)
		return;
	mem_done(&b->mem);
	free(b->s);
	free(b);
}

void bare_poke64(struct bare *b, uint64_t gpa, uint64_t v)
{
	ck_assert(mem_dma_write(&b->mem, gpa, &v, 8));
}

uint64_t bare_peek64(struct bare *b, uint64_t gpa)
{
	uint64_t v;

	ck_assert(mem_dma_read(&b->mem, gpa, &v, 8));
	return v;
}

uint32_t bare_peek32(struct bare *b, uint64_t gpa)
{
	return (uint32_t)bare_peek64(b, gpa);
}

uint16_t bare_peek16(struct bare *b, uint64_t gpa)
{
	return (uint16_t)bare_peek64(b, gpa);
}

static void load_state(struct soft *s, const struct cpu_state *st)
{
	memcpy(s->r, st->gpr, sizeof(st->gpr));
	s->rip = st->rip;
	memcpy(s->seg, st->seg, sizeof(s->seg));
	s->ldtr = st->ldtr;
	s->tr = st->tr;
	s->gdtr = st->gdtr;
	s->idtr = st->idtr;
	s->cr0 = st->cr0;
	s->cr2 = s->cr3 = s->cr4 = s->efer = 0;
	s->dr6 = st->dr6;
	s->dr7 = st->dr7;
	s->msr = *st;
	s->shutdown = s->halted = s->shadow = s->nmi_masked = false;
	s->error[0] = '\0';
	mmu_init(s);
	soft_flags_set(s, (uint32_t)st->rflags);
}

void bare_real(struct bare *b)
{
	struct cpu_state st;

	cpu_state_reset(&st);
	st.seg[CPU_CS].base = 0;
	st.seg[CPU_CS].sel = 0;
	st.rip = BARE_REAL_IP;
	st.gpr[CPU_RSP] = 0x7000;
	load_state(b->s, &st);
	soft_mode_changed(b->s);
}

static uint64_t flat(unsigned access, unsigned flags)
{
	return UINT64_C(0x000F00000000FFFF) | (uint64_t)access << 40 | (uint64_t)flags << 52;
}

static void make_gdt(struct bare *b, bool is_64)
{
	unsigned code_flags = is_64 ? 0xA : 0xC;

	bare_poke64(b, BARE_GDT + BARE_CS0, flat(0x9B, code_flags));
	bare_poke64(b, BARE_GDT + BARE_DS0, flat(0x93, 0xC));
	bare_poke64(b, BARE_GDT + (BARE_CS3_32 & ~7), flat(0xFB, 0xC));
	bare_poke64(b, BARE_GDT + (BARE_DS3 & ~7), flat(0xF3, 0xC));
	bare_poke64(b, BARE_GDT + (BARE_CS3 & ~7), flat(0xFB, code_flags));
	bare_poke64(b, BARE_GDT + BARE_TR, UINT64_C(0x0000890000000067) | (uint64_t)BARE_TSS << 16);
	bare_poke64(b, BARE_GDT + BARE_TR + 8, 0);
	b->s->gdtr = (struct cpu_table){ BARE_GDT, 0x7F };
	b->s->tr = (struct cpu_segment){ .sel = BARE_TR, .base = BARE_TSS, .limit = 0x67, .attr = 0x8B };
	b->s->ldtr = (struct cpu_segment){ .attr = CPU_SEG_UNUSABLE };
}

/* Interrupt gates, DPL 0 but for vectors 3 and 0x80. */
static void make_idt(struct bare *b, bool is_64)
{
	unsigned size = is_64 ? 16 : 8;

	for (unsigned v = 0; v < 256; v++) {
		uint64_t dpl = v == 3 || v == 0x80 ? 3 : 0, at = BARE_HANDLERS + v * 16;
		uint64_t gate = (at & 0xFFFF) | (at >> 16) << 48 | (uint64_t)BARE_CS0 << 16 |
				(0x8E | dpl << 5) << 40;

		if (is_64 && v == EXC_DF)
			gate |= UINT64_C(1) << 32; /* IST 1 */
		bare_poke64(b, BARE_IDT + v * size, gate);
		if (is_64)
			bare_poke64(b, BARE_IDT + v * size + 8, 0);
	}
	b->s->idtr = (struct cpu_table){ BARE_IDT, (uint16_t)(256 * size - 1) };
}

static void make_pages(struct bare *b)
{
	bare_poke64(b, BARE_PML4, BARE_PDPT | 7);
	bare_poke64(b, BARE_PDPT, BARE_PD | 7);
	for (unsigned k = 0; k < 512; k++)
		bare_poke64(b, BARE_PD + k * 8, (uint64_t)k << 21 | 0x87);
	bare_poke64(b, BARE_PD + (BARE_PAGES >> 21) * 8, BARE_PT | 7);
	for (unsigned k = 0; k < 512; k++)
		bare_poke64(b, bare_pte(k), (BARE_FRAMES + (uint64_t)k * 4096) | 7);
}

static void set_segments(struct bare *b, unsigned cpl, bool is_64)
{
	struct soft *s = b->s;

	seg_set_flat(s, CPU_CS, cpl ? BARE_CS3 : BARE_CS0, cpl, true, is_64);
	for (unsigned k = 0; k < CPU_SEG_COUNT; k++)
		if (k != CPU_CS)
			seg_set_flat(s, k, cpl ? BARE_DS3 : BARE_DS0, cpl, false, false);
	s->r[CPU_RSP] = cpl ? BARE_USER_STACK : BARE_STACK;
	s->rip = BARE_CODE;
	soft_mode_changed(s);
}

void bare_long(struct bare *b, unsigned cpl)
{
	struct soft *s = b->s;

	bare_real(b);
	make_gdt(b, true);
	make_idt(b, true);
	make_pages(b);
	bare_poke64(b, BARE_TSS + 4, BARE_RSP0);
	bare_poke64(b, BARE_TSS + 0x24, BARE_IST1);
	s->cr3 = BARE_PML4;
	s->cr4 = CR4_PAE | CR4_PGE;
	s->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
	s->cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_ET;
	set_segments(b, cpl, true);
}

void bare_prot(struct bare *b, unsigned cpl)
{
	bare_real(b);
	make_gdt(b, false);
	make_idt(b, false);
	bare_poke64(b, BARE_TSS + 4, BARE_RSP0 | (uint64_t)BARE_DS0 << 32);
	b->s->cr0 = CR0_PE | CR0_ET;
	set_segments(b, cpl, false);
}

static void run_one(struct soft *s, const struct insn *i)
{
	i->exec(s, i);
}

int bare_exec(struct bare *b, const uint8_t *bytes, size_t n)
{
	struct soft *s = b->s;
	struct insn i;
	int len = insn_decode(bytes, n, (enum soft_mode)s->mode, &i);

	ck_assert_int_ne(len, 0);
	ck_assert(mem_dma_write(&b->mem, s->seg_base[CPU_CS] + s->rip, bytes, n));
	s->insn_rip = s->rip;
	s->rip += i.len;
	return RAISED(b, run_one(s, &i));
}
