/* tests/kvm/guest.c: see guest.h. */
#include "tests/kvm/guest.h"

#include "core/bytes.h"
#include "core/cleanup.h"
#include "tests/host_probe.h"

#include <stdlib.h>
#include <string.h>

enum { MEM_BYTES = 16 << 20, SEL_CODE0 = 0x10, SEL_DATA0 = 0x18, SEL_DATA3 = 0x2B, SEL_CODE3 = 0x33,
       SEL_TSS = 0x40,
       TSS_LIMIT = 0x68 + 0x2000 /* with a bit a port: all are open */, TSS_PORT_MAP = 0x66,
       FLAG_IOPL3 = 0x3000 };

static void record(struct guest *g, bool is_mmio, bool is_write, uint64_t addr, unsigned size,
		   uint64_t value)
{
	if (g->n_access < GUEST_RECORD_MAX)
		g->access[g->n_access] = (struct guest_access){ is_mmio, is_write, addr, value, size };
	g->n_access++;
}

static uint64_t mmio_read(void *ctx, uint64_t gpa, unsigned size)
{
	struct guest *g = ctx;

	record(g, true, false, gpa, size, g->answer);
	return g->answer;
}

static void mmio_write(void *ctx, uint64_t gpa, unsigned size, uint64_t v)
{
	record(ctx, true, true, gpa, size, v);
}

static uint32_t pio_read(void *ctx, uint16_t port, unsigned size)
{
	struct guest *g = ctx;

	record(g, false, false, port, size, g->answer);
	return (uint32_t)g->answer;
}

static void pio_write(void *ctx, uint16_t port, unsigned size, uint32_t v)
{
	struct guest *g = ctx;

	if (port != GUEST_STOP) {
		record(g, false, true, port, size, v);
		return;
	}
	g->stopped = true;
	g->stop_value = v;
	g->cpu->ops->kick(g->cpu);
}

static int intr_ack(void *ctx)
{
	struct guest *g = ctx;

	g->n_acks++;
	g->cpu->ops->set_intr(g->cpu, false);
	return g->intr_vector;
}

static void intr_back(void *ctx, uint8_t vector)
{
	struct guest *g = ctx;

	g->n_backs++;
	g->back_vector = vector;
	g->cpu->ops->set_intr(g->cpu, true);
}

static void eoi(void *ctx, uint8_t vector)
{
	struct guest *g = ctx;

	g->eoi_vector = vector;
	g->cpu->ops->kick(g->cpu);
}

static uint64_t tsc_read(void *ctx)
{
	return ((struct guest *)ctx)->clock;
}

static void put64(struct guest *g, uint64_t gpa, uint64_t v)
{
	memcpy(mem_ptr(&g->mem, gpa, 8), &v, 8);
}

/* Each handler: mov $0x100 + vector, %eax; mov $GUEST_STOP, %dx; out %eax, %dx; jmp . */
static void put_handlers(struct guest *g)
{
	for (unsigned v = 0; v < 256; v++) {
		uint64_t at = GUEST_HANDLERS + 16 * v, idt = GUEST_IDT + 16 * v;
		const uint8_t code[16] = { 0xB8, (uint8_t)v, 1, 0, 0, 0x66, 0xBA, 0, 5, 0xEF, 0xEB, 0xFE };

		memcpy(mem_ptr(&g->mem, at, 16), code, sizeof code);
		put64(g, idt, (at & 0xFFFF) | SEL_CODE0 << 16 | UINT64_C(0x8E) << 40 | (at >> 16) << 48);
		put64(g, idt + 8, 0);
	}
}

static void put_tables(struct guest *g)
{
	static const uint64_t gdt[] = { 0, 0, UINT64_C(0x00AF9B000000FFFF), UINT64_C(0x00CF93000000FFFF), 0,
					UINT64_C(0x00CFF3000000FFFF), UINT64_C(0x00AFFB000000FFFF), 0,
					UINT64_C(0x00008B0040002068), 0 };

	for (unsigned i = 0; i < sizeof gdt / sizeof gdt[0]; i++)
		put64(g, GUEST_GDT + 8 * i, gdt[i]);
	put64(g, GUEST_TSS + 4, GUEST_STACK0);
	*mem_ptr(&g->mem, GUEST_TSS + TSS_PORT_MAP, 2) = 0x68;
	*mem_ptr(&g->mem, GUEST_TSS + TSS_LIMIT, 1) = 0xFF;
	put64(g, GUEST_PML4, (GUEST_PML4 + 0x1000) | 7);
	for (uint64_t i = 0; i < 4; i++) {
		put64(g, GUEST_PML4 + 0x1000 + 8 * i, (GUEST_PML4 + 0x2000 + 0x1000 * i) | 7);
		for (uint64_t j = 0; j < 512; j++)
			put64(g, GUEST_PML4 + 0x2000 + 0x1000 * i + 8 * j, (i << 30 | j << 21) | 0x87);
	}
	put_handlers(g);
}

void guest_long_mode(const struct guest *g, struct cpu_state *s, unsigned cpl)
{
	const struct cpu_segment code = { .limit = UINT32_MAX, .sel = cpl ? SEL_CODE3 : SEL_CODE0,
					  .attr = (uint16_t)(0xA9B | cpl << 5) };
	const struct cpu_segment data = { .limit = UINT32_MAX, .sel = cpl ? SEL_DATA3 : SEL_DATA0,
					  .attr = (uint16_t)(0xC93 | cpl << 5) };

	cpu_state_reset(s);
	for (unsigned i = 0; i < CPU_SEG_COUNT; i++)
		s->seg[i] = i == CPU_CS ? code : data;
	s->tr = (struct cpu_segment){ .base = GUEST_TSS, .limit = TSS_LIMIT, .sel = SEL_TSS, .attr = 0x8B };
	s->ldtr.attr |= CPU_SEG_UNUSABLE;
	s->gdtr = (struct cpu_table){ .base = GUEST_GDT, .limit = 0x4F };
	s->idtr = (struct cpu_table){ .base = GUEST_IDT, .limit = 0xFFF };
	s->tsc_khz = kvm_cpu_tsc_khz(g->cpu);
	s->cr0 = UINT64_C(0x80000033);
	s->cr3 = GUEST_PML4;
	s->cr4 = 0x620; /* PAE, OSFXSR, OSXMMEXCPT */
	s->efer = 0x500;
	s->rip = GUEST_CODE;
	s->rflags = 2 | FLAG_IOPL3;
	s->gpr[CPU_RSP] = cpl ? GUEST_STACK3 : GUEST_STACK0;
}

char *guest_why_not(void)
{
	char *why = NULL;
	struct kvm_vm *vm = NULL;
	struct mem mem;

	if (!host_can(HOST_KVM, &why))
		return why;
	if (mem_init(&mem, MEM_BYTES) < 0)
		return str_dup("no memory");
	if (kvm_vm_new(&mem, &vm, &why) == 0)
		(void)kvm_vm_free(vm);
	mem_done(&mem);
	return why;
}

struct guest *guest_new_first(unsigned n_cpus)
{
	struct guest *g = calloc(1, sizeof *g);
	char *why = NULL;

	ck_assert_ptr_nonnull(g);
	ck_assert_int_eq(mem_init(&g->mem, MEM_BYTES), 0);
	g->bus = (struct cpu_bus){ .ctx = g, .mmio_read = mmio_read, .mmio_write = mmio_write,
				   .pio_read = pio_read, .pio_write = pio_write, .intr_ack = intr_ack,
				   .tsc_read = tsc_read, .eoi = eoi, .intr_back = intr_back };
	g->eoi_vector = -1;
	if (kvm_vm_new(&g->mem, &g->vm, &why) < 0 || kvm_cpu_new(g->vm, &g->bus, 0, n_cpus, &g->cpu, &why) < 0)
		ck_abort_msg("%s", why);
	put_tables(g);
	guest_long_mode(g, &g->state, 0);
	return g;
}

struct guest *guest_new(void)
{
	return guest_new_first(1);
}

struct cpu *guest_cpu_new(struct guest *g, const struct cpu_bus *bus, unsigned apic_id, unsigned n_cpus)
{
	CLEANUP(free) char *why = NULL;
	struct cpu *c = NULL;

	if (kvm_cpu_new(g->vm, bus, apic_id, n_cpus, &c, &why) < 0)
		ck_abort_msg("%s", why);
	return c;
}

struct guest *guest_free(struct guest *g)
{
	(void)g->cpu->ops->free(g->cpu);
	(void)kvm_vm_free(g->vm);
	mem_done(&g->mem);
	free(g);
	return NULL;
}

enum cpu_stop guest_resume(struct guest *g)
{
	g->stopped = false;
	return g->cpu->ops->run(g->cpu, UINT64_MAX);
}

enum cpu_stop guest_run(struct guest *g, const char *start, const char *end, unsigned cpl)
{
	memcpy(mem_ptr(&g->mem, GUEST_CODE, (uint64_t)(end - start)), start, (size_t)(end - start));
	guest_long_mode(g, &g->state, cpl);
	g->cpu->ops->set_state(g->cpu, &g->state);
	ck_assert_str_eq(g->cpu->ops->error(g->cpu), "");
	g->n_access = 0;
	return guest_resume(g);
}
