/* tests/oracle/oracle_soft.c: cases on the soft engine, through cpu.h only.
 *
 * Guest-physical memory: page tables, the code page, the window, and a
 * supervisor page with GDT, IDT, TSS, one HLT a vector and the stack for
 * exceptions. Which HLT the processor stands at tells the exception; the frame
 * on the stack tells the rest.
 *
 * Used by: tests/oracle/oracle_insn.c.   Depends on: vmm/cpu/cpu.h, vmm/mem.h. */
#include "tests/oracle/oracle.h"

#include "vmm/mem.h"

#include <errno.h>
#include <string.h>

enum { PHYS_TABLES = 0x10000, PHYS_CODE = 0x100000, PHYS_WINDOW = 0x200000,
       PHYS_SYSTEM = 0x300000, MEM_BYTES = 8 << 20 };
/* Offsets in the supervisor area, of 8 pages. */
enum { OFF_GDT = 0, OFF_TSS = 0x400, OFF_IDT = 0x1000, OFF_VECTORS = 0x2000, OFF_STACK = 0x8000,
       N_SYSTEM_PAGES = 8, VECTOR_BYTES = 16 };
enum { SEL_KERNEL_CS = 0x10, SEL_KERNEL_SS = 0x18, SEL_TSS = 0x40 };
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40 };
#define PTE_NX (UINT64_C(1) << 63)
#define LIN_SYSTEM UINT64_C(0xFFFF800000000000)
#define RFLAGS_TF UINT64_C(0x100)

static struct mem mem;
static struct cpu *cpu;
static struct cpu_state base;
static uint64_t n_tables;

static uint64_t bus_mmio_read(void *ctx, uint64_t gpa, unsigned size)
{
	(void)ctx, (void)gpa, (void)size;
	return UINT64_MAX;
}

static void bus_mmio_write(void *ctx, uint64_t gpa, unsigned size, uint64_t v)
{
	(void)ctx, (void)gpa, (void)size, (void)v;
}

static uint32_t bus_pio_read(void *ctx, uint16_t port, unsigned size)
{
	(void)ctx, (void)port, (void)size;
	return UINT32_MAX;
}

static void bus_pio_write(void *ctx, uint16_t port, unsigned size, uint32_t v)
{
	(void)ctx, (void)port, (void)size, (void)v;
}

static int bus_intr_ack(void *ctx)
{
	(void)ctx;
	return -1;
}

static uint64_t bus_zero(void *ctx)
{
	(void)ctx;
	return 0;
}

static void bus_cr8_write(void *ctx, uint64_t v)
{
	(void)ctx, (void)v;
}

static bool bus_msr_read(void *ctx, uint32_t msr, uint64_t *ret_v)
{
	(void)ctx, (void)msr, (void)ret_v;
	return false;
}

static bool bus_msr_write(void *ctx, uint32_t msr, uint64_t v)
{
	(void)ctx, (void)msr, (void)v;
	return false;
}

static const struct cpu_bus bus = {
	.mmio_read = bus_mmio_read, .mmio_write = bus_mmio_write, .pio_read = bus_pio_read,
	.pio_write = bus_pio_write, .intr_ack = bus_intr_ack, .tsc_read = bus_zero,
	.cr8_read = bus_zero, .cr8_write = bus_cr8_write, .apic_msr_read = bus_msr_read,
	.apic_msr_write = bus_msr_write,
};

static void put64(uint64_t gpa, uint64_t v)
{
	mem_dma_write(&mem, gpa, &v, 8);
}

static uint64_t get64(uint64_t gpa)
{
	uint64_t v = 0;

	mem_dma_read(&mem, gpa, &v, 8);
	return v;
}

static void map_page(uint64_t lin, uint64_t gpa, uint64_t bits)
{
	uint64_t table = PHYS_TABLES;

	for (int shift = 39; shift > 12; shift -= 9) {
		uint64_t at = table + 8 * ((lin >> shift) & 511);

		if (!get64(at))
			put64(at, (PHYS_TABLES + 4096 * ++n_tables) | PTE_P | PTE_W | PTE_U | PTE_A);
		table = get64(at) & ~UINT64_C(0xFFF);
	}
	put64(table + 8 * ((lin >> 12) & 511), gpa | bits | PTE_P | PTE_A | PTE_D);
}

static struct cpu_segment flat(uint16_t sel, uint16_t attr)
{
	return (struct cpu_segment){ .limit = UINT32_MAX, .sel = sel, .attr = attr };
}

static void make_tables(void)
{
	const uint64_t tss = LIN_SYSTEM + OFF_TSS;

	map_page(ORACLE_CODE, PHYS_CODE, PTE_U);
	for (uint64_t k = 0; k < ORACLE_WINDOW_BYTES; k += 4096)
		map_page(ORACLE_WINDOW + k, PHYS_WINDOW + k, PTE_U | PTE_W | PTE_NX);
	for (uint64_t k = 0; k < N_SYSTEM_PAGES * 4096; k += 4096)
		map_page(LIN_SYSTEM + k, PHYS_SYSTEM + k, PTE_W);
	put64(PHYS_SYSTEM + SEL_KERNEL_CS, UINT64_C(0x00AF9B000000FFFF));
	put64(PHYS_SYSTEM + SEL_KERNEL_SS, UINT64_C(0x00CF93000000FFFF));
	put64(PHYS_SYSTEM + 0x20, UINT64_C(0x00CFFB000000FFFF));
	put64(PHYS_SYSTEM + 0x28, UINT64_C(0x00CFF3000000FFFF));
	put64(PHYS_SYSTEM + 0x30, UINT64_C(0x00AFFB000000FFFF));
	put64(PHYS_SYSTEM + SEL_TSS, 0x67 | (tss & 0xFFFFFF) << 16 | UINT64_C(0x8B) << 40 |
					     ((tss >> 24) & 0xFF) << 56);
	put64(PHYS_SYSTEM + SEL_TSS + 8, tss >> 32);
	put64(PHYS_SYSTEM + OFF_TSS + 4, LIN_SYSTEM + OFF_STACK);
	put64(PHYS_SYSTEM + OFF_TSS + 0x60, UINT64_C(0xFFFF) << 48); /* no I/O bitmap */
	for (uint64_t v = 0; v < 256; v++) {
		uint64_t handler = LIN_SYSTEM + OFF_VECTORS + VECTOR_BYTES * v;
		uint64_t attr = v == 3 || v == 4 ? 0xEE : 0x8E, at = PHYS_SYSTEM + OFF_IDT + 16 * v;
		uint8_t hlt = 0xF4;

		put64(at, (handler & 0xFFFF) | SEL_KERNEL_CS << 16 | attr << 40 |
				  ((handler >> 16) & 0xFFFF) << 48);
		put64(at + 8, handler >> 32);
		mem_dma_write(&mem, PHYS_SYSTEM + OFF_VECTORS + VECTOR_BYTES * v, &hlt, 1);
	}
	for (uint64_t k = 0; k < ORACLE_CODE_BYTES; k += 8)
		put64(PHYS_CODE + k, UINT64_C(0x0101010101010101) * ORACLE_FILL);
}

static void make_state(void)
{
	cpu_state_reset(&base);
	base.cr0 = 0x80050033; /* PG AM WP NE ET MP PE */
	base.cr3 = PHYS_TABLES;
	base.cr4 = 0x6A0; /* PAE PGE OSFXSR OSXMMEXCPT */
	base.efer = 0xD01; /* NXE LMA LME SCE */
	base.seg[CPU_CS] = flat(ORACLE_CS, 0xAFB);
	base.seg[CPU_SS] = flat(ORACLE_SS, 0xCF3);
	base.seg[CPU_DS] = base.seg[CPU_ES] = base.seg[CPU_SS];
	base.seg[CPU_FS] = base.seg[CPU_GS] = (struct cpu_segment){ .attr = CPU_SEG_UNUSABLE };
	base.tr = (struct cpu_segment){ .base = LIN_SYSTEM + OFF_TSS, .limit = 0x67,
					.sel = SEL_TSS, .attr = 0x8B };
	base.ldtr = (struct cpu_segment){ .attr = CPU_SEG_UNUSABLE };
	base.gdtr = (struct cpu_table){ LIN_SYSTEM + OFF_GDT, 0x4F };
	base.idtr = (struct cpu_table){ LIN_SYSTEM + OFF_IDT, 0xFFF };
}

int oracle_soft_open(void)
{
	int err = mem_init(&mem, MEM_BYTES);

	if (err)
		return err;
	err = soft_cpu_new(&mem, &bus, &cpu);
	if (err)
		return err;
	make_tables();
	make_state();
	return 0;
}

void oracle_soft_close(void)
{
	cpu->ops->free(cpu);
	mem_done(&mem);
}

/* The exception that stopped it, out of the frame on the supervisor stack. */
static void read_frame(const struct cpu_state *s, struct oracle_outcome *out)
{
	static const uint32_t with_error = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 |
					   1u << 14 | 1u << 17;
	uint64_t at = s->gpr[CPU_RSP] - LIN_SYSTEM + PHYS_SYSTEM;

	out->vector = (int)((s->rip - 1 - LIN_SYSTEM - OFF_VECTORS) / VECTOR_BYTES) & 0xFF;
	out->error = 0;
	if (out->vector < 32 && with_error >> out->vector & 1) {
		out->error = (uint32_t)get64(at);
		at += 8;
	}
	out->regs.rip = get64(at);
	out->regs.rflags = get64(at + 16);
	out->regs.gpr[CPU_RSP] = get64(at + 24);
	out->cr2 = s->cr2;
}

/* Without TF the instruction is followed by HLT (#GP at CPL 3) or, behind a
 * branch, by nothing (#PF on the fetch): neither is the instruction's own. */
static void undo_run_on(const struct oracle_case *c, struct oracle_outcome *out)
{
	uint64_t base_linear = c->is_16 ? ORACLE_CODE : 0, at = out->regs.rip + base_linear - ORACLE_CODE;

	if (out->regs.rip == c->in.rip)
		return;
	if ((out->vector == 13 && at < ORACLE_CODE_BYTES) ||
	    (out->vector == 14 && out->cr2 == out->regs.rip + base_linear))
		out->vector = -1;
}

static void set_code_segment(const struct oracle_case *c, struct cpu_state *s)
{
	if (c->is_16)
		s->seg[CPU_CS] = (struct cpu_segment){ .base = ORACLE_CODE, .limit = UINT16_MAX,
						       .sel = ORACLE_CS_16, .attr = 0x0FB };
	else if (c->is_32)
		s->seg[CPU_CS] = flat(ORACLE_CS_32, 0xCFB);
}

void oracle_soft_run(const struct oracle_case *c, bool with_tf, struct oracle_outcome *ret_out)
{
	static struct cpu_state s;

	memset(ret_out, 0, offsetof(struct oracle_outcome, window));
	mem_dma_write(&mem, PHYS_CODE + (ORACLE_RIP - ORACLE_CODE), c->bytes, 16);
	mem_dma_write(&mem, PHYS_WINDOW, c->window, ORACLE_WINDOW_BYTES);
	s = base;
	set_code_segment(c, &s);
	memcpy(s.gpr, c->in.gpr, sizeof(s.gpr));
	s.rip = c->in.rip;
	s.fx = c->in.fx;
	s.rflags = c->in.rflags | (with_tf ? RFLAGS_TF : 0);
	for (;;) {
		s.halted = false;
		cpu->ops->set_state(cpu, &s);
		if (cpu->ops->run(cpu, 16384) == CPU_STOP_SHUTDOWN) {
			ret_out->vector = -2;
			break;
		}
		cpu->ops->get_state(cpu, &s);
		memcpy(ret_out->regs.gpr, s.gpr, sizeof(s.gpr));
		ret_out->regs.rip = s.rip;
		ret_out->regs.fx = s.fx;
		ret_out->vector = -3; /* still running: no frame to read */
		if (!s.halted || s.seg[CPU_CS].sel != SEL_KERNEL_CS)
			break;
		read_frame(&s, ret_out);
		if (ret_out->vector == 1)
			ret_out->vector = -1;
		if (!c->is_rep || ret_out->vector != -1 || ret_out->regs.rip != c->in.rip ||
		    !s.gpr[CPU_RCX])
			break;
		{
			struct cpu_state again = base;

			set_code_segment(c, &again);
			memcpy(again.gpr, ret_out->regs.gpr, sizeof(again.gpr));
			again.rip = c->in.rip;
			again.rflags = ret_out->regs.rflags | RFLAGS_TF;
			again.fx = s.fx;
			s = again;
		}
	}
	if (!with_tf)
		undo_run_on(c, ret_out);
	mem_dma_read(&mem, PHYS_WINDOW, ret_out->window, ORACLE_WINDOW_BYTES);
}
