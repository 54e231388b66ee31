/* vmm/cpu/soft/interp/sys_msr.c: model-specific registers, the time-stamp counter and CPUID.
 *
 * What the model does not have is #GP for RDMSR and WRMSR, so a kernel's safe probes
 * find it absent. TSC_ADJUST and the TSC's offset are one number: both start
 * at 0 and a write to either moves the other (SDM vol. 3 §17.17.3).
 * The local APIC's registers are the machine's and asked of the bus; what only
 * tells of the model is vmm/cpu/model_msr.c's.
 *
 * Used by: exec_lookup.c, tests.   Depends on: vmm/cpu/cpu.h (the model).
 * Sources: SDM vol. 4 ch. 2; vol. 3 §11.11 (MTRR), §11.12 (PAT), §9.7 (TSC deadline). */
#include "vmm/cpu/soft/mmu/mmu_walk.h"
#include "vmm/cpu/soft/interp/sys.h"

enum { MTRR_DEF_MASK = 0xCFF };

/* Memory types (SDM vol. 3, tables 11-8 and 11-10); UC- is the PAT's alone. */
static bool type_valid(unsigned type, bool is_pat)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6) || (is_pat && type == 7);
}

static bool types_valid(uint64_t v, bool is_pat)
{
	for (unsigned k = 0; k < 64; k += 8)
		if (!type_valid(v >> k & 0xFF, is_pat))
			return false;
	return true;
}

/* The place of a fixed-range MTRR; NULL: @msr is none. */
static uint64_t *mtrr_fixed(struct soft *s, uint32_t msr)
{
	if (msr == MSR_MTRR_FIX64K)
		return &s->msr.mtrr_fixed[0];
	if (msr == MSR_MTRR_FIX16K || msr == MSR_MTRR_FIX16K + 1)
		return &s->msr.mtrr_fixed[1 + msr - MSR_MTRR_FIX16K];
	if (msr >= MSR_MTRR_FIX4K && msr < MSR_MTRR_FIX4K + 8)
		return &s->msr.mtrr_fixed[3 + msr - MSR_MTRR_FIX4K];
	return NULL;
}

static bool is_apic_msr(uint32_t msr)
{
	return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE ||
	       (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST);
}

/* Registers that are only kept; NULL: @msr is none of them. */
static uint64_t *plain_register(struct soft *s, uint32_t msr)
{
	switch (msr) {
	case MSR_SYSENTER_CS:
		return &s->msr.sysenter_cs;
	case MSR_SYSENTER_ESP:
		return &s->msr.sysenter_esp;
	case MSR_SYSENTER_EIP:
		return &s->msr.sysenter_eip;
	case MSR_PAT:
		return &s->msr.pat;
	case MSR_MTRR_DEF_TYPE:
		return &s->msr.mtrr_def_type;
	case (uint32_t)MSR_STAR:
		return &s->msr.star;
	case (uint32_t)MSR_LSTAR:
		return &s->msr.lstar;
	case (uint32_t)MSR_CSTAR:
		return &s->msr.cstar;
	case (uint32_t)MSR_SFMASK:
		return &s->msr.sfmask;
	case (uint32_t)MSR_KERNEL_GS_BASE:
		return &s->msr.kernel_gs_base;
	case (uint32_t)MSR_TSC_AUX:
		return &s->msr.tsc_aux;
	case (uint32_t)MSR_FS_BASE:
		return &s->seg[CPU_FS].base;
	case (uint32_t)MSR_GS_BASE:
		return &s->seg[CPU_GS].base;
	default:
		if (msr >= MSR_MTRR_VAR && msr < MSR_MTRR_VAR + 16)
			return &s->msr.mtrr_var[msr - MSR_MTRR_VAR];
		return mtrr_fixed(s, msr);
	}
}

static uint64_t tsc_now(struct soft *s)
{
	return s->bus->tsc_read(s->bus->ctx) + s->msr.tsc_offset;
}

/* TSC_DEADLINE is in ticks of the guest's TSC, the local APIC counts the bus's. */
static bool deadline_read(struct soft *s, uint64_t *ret_v)
{
	uint64_t v;

	if (!s->bus->apic_msr_read(s->bus->ctx, MSR_TSC_DEADLINE, &v))
		return false;
	*ret_v = v ? v + s->msr.tsc_offset : 0;
	return true;
}

/* 0 disarms; what is past is due now, even where the bus's TSC has no number for
 * it (an offset moves 0 too), and what is beyond the bus's reach never comes. */
static bool deadline_write(struct soft *s, uint64_t v)
{
	uint64_t now = s->bus->tsc_read(s->bus->ctx), at = v - s->msr.tsc_offset;

	if (v == 0)
		at = 0;
	else if (v <= now + s->msr.tsc_offset)
		at = now ? now : 1;
	else if (at < now)
		at = UINT64_MAX;
	return s->bus->apic_msr_write(s->bus->ctx, MSR_TSC_DEADLINE, at);
}

/* A deadline stays the guest's when its TSC is moved. */
static void offset_write(struct soft *s, uint64_t offset)
{
	uint64_t deadline = 0;
	bool armed = s->bus->apic_msr_read && deadline_read(s, &deadline) && deadline;

	s->msr.tsc_offset = offset;
	if (armed)
		(void)deadline_write(s, deadline);
}

bool sys_msr_read(struct soft *s, uint32_t msr, uint64_t *ret_v)
{
	const uint64_t *reg = plain_register(s, msr);

	if (reg) {
		*ret_v = *reg;
		return true;
	}
	if (msr == MSR_TSC_DEADLINE)
		return deadline_read(s, ret_v);
	if (is_apic_msr(msr))
		return s->bus->apic_msr_read(s->bus->ctx, msr, ret_v);
	switch (msr) {
	case MSR_TSC:
		*ret_v = tsc_now(s);
		return true;
	case MSR_TSC_ADJUST:
		*ret_v = s->msr.tsc_offset;
		return true;
	case (uint32_t)MSR_EFER:
		*ret_v = s->efer;
		return true;
	default:
		return cpu_model_msr_read(&s->msr, msr, ret_v);
	}
}

static bool set_efer(struct soft *s, uint64_t v)
{
	uint64_t changed = v ^ s->efer;

	if (v & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
		return false;
	if (changed & EFER_LME && s->cr0 & CR0_PG)
		return false;
	s->efer = (v & ~EFER_LMA) | (s->efer & EFER_LMA); /* LMA is read-only */
	if (changed & EFER_NXE)
		mmu_flush_all(s);
	return true;
}

/* May @v be written to the kept register @msr? */
static bool plain_valid(uint32_t msr, uint64_t v)
{
	uint64_t phys = (UINT64_C(1) << MMU_PHYS_BITS) - 1;

	switch (msr) {
	case MSR_SYSENTER_ESP:
	case MSR_SYSENTER_EIP:
	case (uint32_t)MSR_LSTAR:
	case (uint32_t)MSR_CSTAR:
	case (uint32_t)MSR_FS_BASE:
	case (uint32_t)MSR_GS_BASE:
	case (uint32_t)MSR_KERNEL_GS_BASE:
		return lin_is_canonical(v);
	case (uint32_t)MSR_TSC_AUX:
		return !(v >> 32);
	case MSR_PAT:
		return types_valid(v, true);
	case MSR_MTRR_DEF_TYPE:
		return !(v & ~(uint64_t)MTRR_DEF_MASK) && type_valid(v & 0xFF, false);
	default:
		if (msr >= MSR_MTRR_VAR && msr < MSR_MTRR_VAR + 16) {
			uint64_t low = msr & 1 ? 0x7FF : 0xF00;

			return !(v & (~phys | low)) && (msr & 1 || type_valid(v & 0xFF, false));
		}
		if (msr >= MSR_MTRR_FIX64K && msr < MSR_MTRR_FIX4K + 8)
			return types_valid(v, false);
		return true;
	}
}

static bool write_plain(struct soft *s, uint32_t msr, uint64_t *reg, uint64_t v)
{
	if (!plain_valid(msr, v))
		return false;
	if (msr == MSR_SYSENTER_CS)
		v = (uint32_t)v;
	*reg = v;
	if (msr == (uint32_t)MSR_FS_BASE || msr == (uint32_t)MSR_GS_BASE)
		soft_mode_changed(s);
	return true;
}

bool sys_msr_write(struct soft *s, uint32_t msr, uint64_t v)
{
	uint64_t *reg = plain_register(s, msr);

	if (reg)
		return write_plain(s, msr, reg, v);
	if (msr == MSR_TSC_DEADLINE)
		return deadline_write(s, v);
	if (is_apic_msr(msr))
		return s->bus->apic_msr_write(s->bus->ctx, msr, v);
	switch (msr) {
	case MSR_TSC:
		offset_write(s, v - s->bus->tsc_read(s->bus->ctx));
		return true;
	case MSR_TSC_ADJUST:
		offset_write(s, v);
		return true;
	case (uint32_t)MSR_EFER:
		return set_efer(s, v);
	default:
		return cpu_model_msr_write(&s->msr, msr, v);
	}
}

/* ---- the instructions ----------------------------------------------------------- */

static void set_edx_eax(struct soft *s, uint64_t v)
{
	s->r[CPU_RAX] = (uint32_t)v;
	s->r[CPU_RDX] = v >> 32;
}

void sys_rdmsr(struct soft *s, const struct insn *i)
{
	uint64_t v;

	(void)i;
	sys_need_cpl0(s);
	if (!sys_msr_read(s, (uint32_t)s->r[CPU_RCX], &v))
		soft_gp(s, 0);
	set_edx_eax(s, v);
}

void sys_wrmsr(struct soft *s, const struct insn *i)
{
	(void)i;
	sys_need_cpl0(s);
	if (!sys_msr_write(s, (uint32_t)s->r[CPU_RCX], s->r[CPU_RDX] << 32 | (uint32_t)s->r[CPU_RAX]))
		soft_gp(s, 0);
}

void sys_rdtsc(struct soft *s, const struct insn *i)
{
	(void)i;
	if (s->cr4 & CR4_TSD && s->cpl)
		soft_gp(s, 0);
	set_edx_eax(s, tsc_now(s));
}

void sys_rdtscp(struct soft *s, const struct insn *i)
{
	sys_rdtsc(s, i);
	s->r[CPU_RCX] = (uint32_t)s->msr.tsc_aux;
}

/* There are no performance counters. */
void sys_rdpmc(struct soft *s, const struct insn *i)
{
	(void)i;
	soft_gp(s, 0);
}

void sys_cpuid(struct soft *s, const struct insn *i)
{
	uint64_t apic_base = 0;
	struct cpuid_regs regs;

	(void)i;
	if (s->bus->apic_msr_read(s->bus->ctx, MSR_APIC_BASE, &apic_base))
		s->msr.apic_base = apic_base;
	s->msr.cr4 = s->cr4;
	cpu_model_cpuid(&s->msr, (uint32_t)s->r[CPU_RAX], (uint32_t)s->r[CPU_RCX], s->apic_id,
			s->n_cpus, &regs);
	s->r[CPU_RAX] = regs.eax;
	s->r[CPU_RBX] = regs.ebx;
	s->r[CPU_RCX] = regs.ecx;
	s->r[CPU_RDX] = regs.edx;
}

void soft_cpu_set_topology(struct cpu *c, uint32_t apic_id, uint32_t n_cpus)
{
	soft_of(c)->apic_id = apic_id;
	soft_of(c)->n_cpus = n_cpus;
}
