/* vmm/cpu/msr.h: numbers of model-specific registers, and those of them that
 * the processor model answers by itself, whatever the engine.
 * Sources: SDM vol. 4 ch. 2. */
#ifndef MUSTER_VMM_CPU_MSR_H
#define MUSTER_VMM_CPU_MSR_H

#include "vmm/cpu/cpu.h"

enum msr_number {
	MSR_TSC = 0x10, MSR_PLATFORM_ID = 0x17, MSR_APIC_BASE = 0x1B, MSR_FEATURE_CONTROL = 0x3A,
	MSR_TSC_ADJUST = 0x3B, MSR_UCODE_WRITE = 0x79, MSR_UCODE_REV = 0x8B, MSR_PLATFORM_INFO = 0xCE,
	MSR_MTRR_CAP = 0xFE, MSR_ARCH_CAPABILITIES = 0x10A, MSR_SYSENTER_CS = 0x174,
	MSR_SYSENTER_ESP = 0x175, MSR_SYSENTER_EIP = 0x176, MSR_MCG_CAP = 0x179,
	MSR_MCG_STATUS = 0x17A, MSR_MISC_ENABLE = 0x1A0, MSR_DEBUGCTL = 0x1D9,
	MSR_MTRR_VAR = 0x200, MSR_MTRR_FIX64K = 0x250, MSR_MTRR_FIX16K = 0x258,
	MSR_MTRR_FIX4K = 0x268, MSR_PAT = 0x277, MSR_MTRR_DEF_TYPE = 0x2FF, MSR_TSC_DEADLINE = 0x6E0,
	MSR_X2APIC_FIRST = 0x800, MSR_X2APIC_LAST = 0x8FF,
};
enum { MSR_EFER = (int)0xC0000080, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK,
       MSR_FS_BASE = (int)0xC0000100, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_TSC_AUX };

/* Registers whose value is the model's: fixed ones, and MISC_ENABLE, which is
 * kept in @state. Returns false when @msr is none of them. */
bool cpu_model_msr_read(const struct cpu_state *state, uint32_t msr, uint64_t *ret_v);
/* False: @msr is none of them, or does not take @v: #GP. */
bool cpu_model_msr_write(struct cpu_state *state, uint32_t msr, uint64_t v);

#endif
