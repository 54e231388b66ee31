/* vmm/cpu/state_io.c: the architectural state out and in.
 *
 * An engine believes the state it is given: it indexes by nothing of it, but
 * loads MXCSR into the host and walks by CR0, CR4 and EFER together. So what no
 * sequence of instructions can lead to is refused here, once, for all engines.
 * Registers which only the guest's own faults depend on are taken as they are.
 *
 * Used by: vmm/machine_state.c.   Depends on: core/state.h, vmm/cpu/cpu.h.
 * Sources: SDM vol. 3 §2.3, §2.5 (control registers), §2.2.1 (EFER); vol. 1
 * §10.2.3 (MXCSR); vol. 3 §11.12.4 (PAT). */
#include "core/state.h"
#include "vmm/cpu/cpu.h"
#include "vmm/cpu/soft/sysreg.h"

enum { PHYS_BITS = 40 };
#define RFLAGS_BITS UINT64_C(0x3F7FD7)

static void segment_fields(struct cpu_segment *g, struct state *s)
{
	state_u64(s, &g->base);
	state_u32(s, &g->limit);
	state_u16(s, &g->sel);
	state_u16(s, &g->attr);
	state_expect(s, g->attr < 2 * CPU_SEG_UNUSABLE, "a segment's attributes");
}

static void table_fields(struct cpu_table *t, struct state *s)
{
	state_u64(s, &t->base);
	state_u16(s, &t->limit);
	state_expect(s, lin_is_canonical(t->base), "a descriptor table that is not canonical");
}

static void fx_fields(struct cpu_fxsave *f, struct state *s)
{
	state_u16(s, &f->fcw);
	state_u16(s, &f->fsw);
	state_u8(s, &f->ftw);
	state_u16(s, &f->fop);
	state_u64(s, &f->fip);
	state_u64(s, &f->fdp);
	state_u32(s, &f->mxcsr);
	state_expect(s, !(f->mxcsr >> 16), "an MXCSR with reserved bits");
	state_bytes(s, f->st, sizeof f->st);
	state_bytes(s, f->xmm, sizeof f->xmm);
}

static bool pat_holds(uint64_t pat)
{
	for (unsigned k = 0; k < 64; k += 8) {
		unsigned type = pat >> k & 0xFF;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

/* Do the registers that say how memory is reached go together? */
static bool modes_hold(const struct cpu_state *c)
{
	bool paging = c->cr0 & CR0_PG, lma = c->efer & EFER_LMA;

	if ((c->cr0 & ~CR0_DEFINED) || (c->cr4 & ~CR4_OFFERED) || c->cr3 >> PHYS_BITS ||
	    (c->efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)))
		return false;
	if ((paging && !(c->cr0 & CR0_PE)) || ((c->cr0 & CR0_NW) && !(c->cr0 & CR0_CD)))
		return false;
	return lma == (paging && (c->efer & EFER_LME)) && (!lma || (c->cr4 & CR4_PAE));
}

static void system_fields(struct cpu_state *c, struct state *s)
{
	uint64_t *const reg[] = { &c->cr0, &c->cr2, &c->cr3, &c->cr4, &c->cr8, &c->efer };
	uint64_t *const msr[] = { &c->star, &c->lstar, &c->cstar, &c->sfmask, &c->kernel_gs_base,
				  &c->tsc_aux, &c->sysenter_cs, &c->sysenter_esp,
				  &c->sysenter_eip, &c->pat, &c->misc_enable, &c->mtrr_def_type,
				  &c->apic_base, &c->tsc_offset };

	for (unsigned k = 0; k < sizeof reg / sizeof reg[0]; k++)
		state_u64(s, reg[k]);
	state_expect(s, modes_hold(c), "control registers that do not go together");
	state_u64s(s, c->dr, 4);
	state_u64(s, &c->dr6);
	state_u64(s, &c->dr7);
	state_expect(s, !(c->dr6 >> 32) && !(c->dr7 >> 32) && c->cr8 <= 15,
		     "debug or priority registers with reserved bits");
	for (unsigned k = 0; k < sizeof msr / sizeof msr[0]; k++)
		state_u64(s, msr[k]);
	state_expect(s, lin_is_canonical(c->lstar) && lin_is_canonical(c->cstar) &&
			lin_is_canonical(c->kernel_gs_base) && lin_is_canonical(c->sysenter_esp) &&
			lin_is_canonical(c->sysenter_eip),
		     "an address that is not canonical");
	state_expect(s, pat_holds(c->pat) && !(c->tsc_aux >> 32), "MSRs with reserved bits");
	state_u32(s, &c->tsc_khz);
	state_expect(s, c->tsc_khz != 0, "a TSC that stands still");
	state_u64s(s, c->mtrr_fixed, 11);
	state_u64s(s, c->mtrr_var, 16);
}

void cpu_state_fields(struct cpu_state *c, struct state *s, uint32_t instance)
{
	bool *const between[] = { &c->halted, &c->shadow, &c->nmi_masked, &c->nmi_pending,
				   &c->wait_sipi };

	(void)state_begin(s, "cpu ", instance, 1);
	state_u64s(s, c->gpr, CPU_GPR_COUNT);
	state_u64(s, &c->rip);
	state_u64(s, &c->rflags);
	state_expect(s, (c->rflags & 2) && !(c->rflags & ~RFLAGS_BITS), "RFLAGS with reserved bits");
	for (unsigned k = 0; k < CPU_SEG_COUNT; k++)
		segment_fields(&c->seg[k], s);
	segment_fields(&c->ldtr, s);
	segment_fields(&c->tr, s);
	table_fields(&c->gdtr, s);
	table_fields(&c->idtr, s);
	system_fields(c, s);
	fx_fields(&c->fx, s);
	for (unsigned k = 0; k < sizeof between / sizeof between[0]; k++)
		state_bool(s, between[k]);
	state_end(s);
}
