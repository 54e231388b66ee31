/* vmm/cpu/state.c: the architectural state by itself: after RESET, INIT and a
 * start-up IPI, and as a hash.
 *
 * Used by: engines, machine, determinism tests.
 * Sources: SDM vol. 3 §9.1.1, table 9-1 (reset values); §11.11.2.1, §11.12.2 (MTRR, PAT). */
#include "vmm/cpu/cpu.h"

#include <string.h>

enum { SEG_DATA = 0x93, SEG_CODE = 0x9B, SEG_LDT = 0x82, SEG_TSS_BUSY = 0x8B,
       MODEL_SIGNATURE_EAX = 1 };

void cpu_state_reset(struct cpu_state *s)
{
	struct cpuid_regs id;

	memset(s, 0, sizeof(*s));
	for (unsigned k = 0; k < CPU_SEG_COUNT; k++)
		s->seg[k] = (struct cpu_segment){ .limit = 0xFFFF, .attr = SEG_DATA };
	s->seg[CPU_CS] = (struct cpu_segment){ .sel = 0xF000, .base = 0xFFFF0000, .limit = 0xFFFF,
					       .attr = SEG_CODE };
	s->ldtr = (struct cpu_segment){ .limit = 0xFFFF, .attr = SEG_LDT };
	s->tr = (struct cpu_segment){ .limit = 0xFFFF, .attr = SEG_TSS_BUSY };
	s->gdtr.limit = s->idtr.limit = 0xFFFF;
	s->rip = 0xFFF0;
	s->rflags = 2;
	s->cr0 = 0x60000010;
	s->dr6 = 0xFFFF0FF0;
	s->dr7 = 0x400;
	s->fx.fcw = 0x40;
	s->fx.ftw = 0xFF; /* all registers hold +0.0 */
	s->fx.mxcsr = 0x1F80;
	s->fx.mxcsr_mask = 0xFFFF;
	s->tsc_khz = CPU_TSC_KHZ;
	s->pat = UINT64_C(0x0007040600070406);
	s->misc_enable = 0x1801; /* fast strings; no branch trace store, no PEBS */
	s->apic_base = 0xFEE00900; /* enabled, bootstrap processor */
	cpu_model_cpuid(s, MODEL_SIGNATURE_EAX, 0, 0, 1, &id);
	s->gpr[CPU_RDX] = id.eax;
}

/* Left as they are: x87 and SSE, the MTRRs, the PAT and the other MSRs, the TSC,
 * CR0's CD and NW. Paging is off, so EFER goes with it. */
void cpu_state_init(struct cpu_state *s)
{
	enum { CR0_KEPT = 0x60000000, CR0_ET = 0x10, APIC_BASE_BSP = 0x100 };
	struct cpu_state r;

	cpu_state_reset(&r);
	memcpy(s->gpr, r.gpr, sizeof(s->gpr));
	memcpy(s->seg, r.seg, sizeof(s->seg));
	s->ldtr = r.ldtr;
	s->tr = r.tr;
	s->gdtr = r.gdtr;
	s->idtr = r.idtr;
	s->rip = r.rip;
	s->rflags = r.rflags;
	s->cr0 = (s->cr0 & CR0_KEPT) | CR0_ET;
	s->cr2 = s->cr3 = s->cr4 = s->cr8 = s->efer = 0;
	memset(s->dr, 0, sizeof(s->dr));
	s->dr6 = r.dr6;
	s->dr7 = r.dr7;
	s->halted = s->shadow = s->nmi_masked = s->nmi_pending = false;
	s->wait_sipi = !(s->apic_base & APIC_BASE_BSP);
}

bool cpu_state_startup(struct cpu_state *s, uint8_t vector)
{
	if (!s->wait_sipi)
		return false;
	s->wait_sipi = false;
	s->seg[CPU_CS].sel = (uint16_t)(vector << 8);
	s->seg[CPU_CS].base = (uint32_t)vector << 12;
	s->rip = 0;
	return true;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x100000001B3);
	return h ^ h >> 29;
}

static uint64_t mix_words(uint64_t h, const uint64_t *v, size_t n)
{
	for (size_t k = 0; k < n; k++)
		h = mix(h, v[k]);
	return h;
}

static uint64_t mix_segment(uint64_t h, const struct cpu_segment *g)
{
	return mix(mix(h, g->base), (uint64_t)g->limit << 32 | (uint64_t)g->sel << 16 | g->attr);
}

uint64_t cpu_state_hash(const struct cpu_state *s)
{
	const uint64_t regs[] = { s->rip, s->rflags, s->cr0, s->cr2, s->cr3, s->cr4, s->cr8, s->efer,
				  s->dr6, s->dr7, s->star, s->lstar, s->cstar, s->sfmask,
				  s->kernel_gs_base, s->tsc_aux, s->sysenter_cs, s->sysenter_esp,
				  s->sysenter_eip, s->pat, s->misc_enable, s->mtrr_def_type,
				  s->apic_base, s->tsc_offset, s->gdtr.base, s->gdtr.limit,
				  s->idtr.base, s->idtr.limit,
				  (uint64_t)s->halted | (uint64_t)s->shadow << 1 |
					  (uint64_t)s->nmi_masked << 2 | (uint64_t)s->nmi_pending << 3 |
					  (uint64_t)s->wait_sipi << 4 };
	uint64_t fx[sizeof(s->fx) / 8];
	uint64_t h = UINT64_C(0xCBF29CE484222325);

	memcpy(fx, &s->fx, sizeof(fx));
	h = mix_words(h, s->gpr, CPU_GPR_COUNT);
	h = mix_words(h, regs, sizeof(regs) / sizeof(regs[0]));
	h = mix_words(h, s->dr, 4);
	h = mix_words(h, fx, sizeof(fx) / sizeof(fx[0]));
	h = mix_words(h, s->mtrr_fixed, 11);
	h = mix_words(h, s->mtrr_var, 16);
	for (unsigned k = 0; k < CPU_SEG_COUNT; k++)
		h = mix_segment(h, &s->seg[k]);
	return mix_segment(mix_segment(h, &s->ldtr), &s->tr);
}
