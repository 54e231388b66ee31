/* tests/cpu/flat.c: the smallest machine. */
#include "tests/cpu/flat.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mmio_read(void *ctx, uint64_t gpa, unsigned size)
{
	(void)ctx;
	return gpa & (UINT64_MAX >> (64 - 8 * size));
}

static void mmio_write(void *ctx, uint64_t gpa, unsigned size, uint64_t v)
{
	struct flat *f = ctx;

	(void)size;
	f->n_mmio++;
	f->last_gpa = gpa;
	f->last_value = v;
	f->last_icount = f->cpu->ops->icount(f->cpu);
	if (f->raise_on_write)
		f->cpu->ops->set_intr(f->cpu, true);
	if (f->on_mmio)
		f->on_mmio(f);
}

static uint32_t pio_read(void *ctx, uint16_t port, unsigned size)
{
	(void)ctx;
	(void)size;
	return port;
}

static void pio_write(void *ctx, uint16_t port, unsigned size, uint32_t v)
{
	struct flat *f = ctx;

	(void)size;
	f->last_port = port;
	f->last_value = v;
}

static int intr_ack(void *ctx)
{
	struct flat *f = ctx;
	int vector = f->vector;

	f->vector = -1;
	f->cpu->ops->set_intr(f->cpu, false);
	return vector;
}

static uint64_t tsc_read(void *ctx)
{
	return ++((struct flat *)ctx)->tsc;
}

static uint64_t cr8_read(void *ctx)
{
	(void)ctx;
	return 0;
}

static void cr8_write(void *ctx, uint64_t v)
{
	(void)ctx;
	(void)v;
}

static bool apic_msr_read(void *ctx, uint32_t msr, uint64_t *ret_v)
{
	(void)ctx;
	(void)msr;
	*ret_v = 0;
	return true;
}

static bool apic_msr_write(void *ctx, uint32_t msr, uint64_t v)
{
	(void)ctx;
	(void)msr;
	(void)v;
	return true;
}

static void put64(struct flat *f, uint64_t gpa, uint64_t v)
{
	flat_load(f, gpa, &v, sizeof(v));
}

static void make_tables(struct flat *f)
{
	put64(f, FLAT_TABLES, (FLAT_TABLES + 0x1000) | 7);
	put64(f, FLAT_TABLES + 0x1000, (FLAT_TABLES + 0x2000) | 7);
	for (uint64_t k = 0; k < 512; k++)
		put64(f, FLAT_TABLES + 0x2000 + 8 * k, k << 21 | 0x87);
	put64(f, FLAT_GDT + 8, 0x00AF9B000000FFFF); /* 8: code, L */
	put64(f, FLAT_GDT + 16, 0x00CF93000000FFFF); /* 10: data */
}

static void enter_long(struct flat *f)
{
	struct cpu_segment data = { .limit = UINT32_MAX, .sel = 0x10,
				    .attr = 3 | CPU_SEG_S | CPU_SEG_P | CPU_SEG_DB | CPU_SEG_G };
	struct cpu_segment code = { .limit = UINT32_MAX, .sel = 8,
				    .attr = 11 | CPU_SEG_S | CPU_SEG_P | CPU_SEG_L | CPU_SEG_G };
	struct cpu_state st;

	make_tables(f);
	f->cpu->ops->get_state(f->cpu, &st);
	for (unsigned k = 0; k < CPU_SEG_COUNT; k++)
		st.seg[k] = k == CPU_CS ? code : data;
	st.gdtr = (struct cpu_table){ FLAT_GDT, 23 };
	st.idtr = (struct cpu_table){ FLAT_IDT, 0xFFF };
	st.cr0 = 0x80000033; /* PG, NE, ET, MP, PE */
	st.cr3 = FLAT_TABLES;
	st.cr4 = 0x620; /* OSXMMEXCPT, OSFXSR, PAE */
	st.efer = 0xD01; /* NXE, LMA, LME, SCE */
	st.rip = FLAT_CODE;
	st.gpr[CPU_RSP] = FLAT_STACK;
	st.rflags = 2;
	f->cpu->ops->set_state(f->cpu, &st);
}

static void enter_real(struct flat *f)
{
	struct cpu_state st;

	f->cpu->ops->get_state(f->cpu, &st);
	for (unsigned k = 0; k < CPU_SEG_COUNT; k++) {
		st.seg[k].base = k == CPU_CS ? FLAT_CODE : 0;
		st.seg[k].sel = (uint16_t)(st.seg[k].base >> 4);
	}
	st.rip = 0;
	st.gpr[CPU_RSP] = 0x8000;
	f->cpu->ops->set_state(f->cpu, &st);
}

struct flat *flat_new(bool real)
{
	struct flat *f = calloc(1, sizeof(*f));

	if (!f || mem_init(&f->mem, FLAT_SIZE) != 0)
		abort();
	f->vector = -1;
	f->bus = (struct cpu_bus){ f, mmio_read, mmio_write, pio_read, pio_write, intr_ack, tsc_read,
				   cr8_read, cr8_write, apic_msr_read, apic_msr_write, NULL, NULL };
	if (soft_cpu_new(&f->mem, &f->bus, &f->cpu) != 0)
		abort();
	if (real)
		enter_real(f);
	else
		enter_long(f);
	return f;
}

struct flat *flat_new_as(const char *how)
{
	const char *was = getenv("MUSTER_SOFT");
	char *kept = was ? strdup(was) : NULL;
	struct flat *f;

	if ((was && !kept) || setenv("MUSTER_SOFT", how, 1) != 0)
		abort();
	f = flat_new(false);
	if (kept)
		(void)setenv("MUSTER_SOFT", kept, 1);
	else
		(void)unsetenv("MUSTER_SOFT");
	free(kept);
	return f;
}

struct flat *flat_free(struct flat *f)
{
	if (!f)
		return NULL;
	f->cpu->ops->free(f->cpu);
	mem_done(&f->mem);
	free(f);
	return NULL;
}

void flat_load(struct flat *f, uint64_t gpa, const void *bytes, size_t n)
{
	if (n && !mem_dma_write(&f->mem, gpa, bytes, n))
		abort();
}

void flat_code(struct flat *f, const void *bytes, size_t n)
{
	static const uint8_t hlt = 0xF4;
	struct soft *s = flat_soft(f);

	flat_load(f, FLAT_CODE, bytes, n);
	flat_load(f, FLAT_CODE + n, &hlt, 1);
	s->rip = FLAT_CODE - s->seg_base[CPU_CS];
	s->halted = false;
}

void flat_gate(struct flat *f, unsigned vector, uint64_t handler)
{
	put64(f, FLAT_IDT + 16 * (uint64_t)vector,
	      (handler & 0xFFFF) | 8 << 16 | UINT64_C(0x8E00) << 32 | (handler >> 16 & 0xFFFF) << 48);
	put64(f, FLAT_IDT + 16 * (uint64_t)vector + 8, handler >> 32);
}

enum cpu_stop flat_run(struct flat *f, uint64_t n_max)
{
	return f->cpu->ops->run(f->cpu, n_max);
}
