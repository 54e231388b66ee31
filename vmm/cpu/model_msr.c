/* vmm/cpu/model_msr.c: the model-specific registers that say what "muster-v2"
 * is, and do nothing else. Both engines answer them from here.
 *
 * Used by: both engines.   Sources: SDM vol. 4, table 2-2. */
#include "vmm/cpu/msr.h"

/* RDCL_NO, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO:
 * an interpreter leaks nothing of the kind (SDM vol. 4, table 2-2, 10AH). */
static const uint64_t arch_capabilities = 1U << 0 | 1U << 3 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 8 |
					  1U << 13 | 1U << 14 | 1U << 15;
/* 8 variable ranges, fixed ranges, write-combining. */
static const uint64_t mtrr_cap = 0x508;
enum { MISC_ENABLE_FAST_STRINGS = 1 };

bool cpu_model_msr_read(const struct cpu_state *state, uint32_t msr, uint64_t *ret_v)
{
	switch (msr) {
	case MSR_MISC_ENABLE:
		*ret_v = state->misc_enable;
		return true;
	case MSR_MTRR_CAP:
		*ret_v = mtrr_cap;
		return true;
	case MSR_ARCH_CAPABILITIES:
		*ret_v = arch_capabilities;
		return true;
	case MSR_UCODE_REV:
		*ret_v = UINT64_C(1) << 32;
		return true;
	case MSR_FEATURE_CONTROL: /* locked, VMX off */
		*ret_v = 1;
		return true;
	case MSR_PLATFORM_ID:
	case MSR_PLATFORM_INFO:
	case MSR_MCG_CAP: /* no banks */
	case MSR_MCG_STATUS:
	case MSR_DEBUGCTL:
		*ret_v = 0;
		return true;
	default:
		return false;
	}
}

bool cpu_model_msr_write(struct cpu_state *state, uint32_t msr, uint64_t v)
{
	switch (msr) {
	case MSR_MISC_ENABLE: /* the rest is fixed */
		state->misc_enable = (state->misc_enable & ~(uint64_t)MISC_ENABLE_FAST_STRINGS) |
				     (v & MISC_ENABLE_FAST_STRINGS);
		return true;
	case MSR_MCG_STATUS:
	case MSR_UCODE_REV: /* written with 0 before CPUID, then read */
		return v == 0;
	case MSR_DEBUGCTL: /* branch records and single-step on branches are not kept */
		return !(v & ~UINT64_C(3));
	default:
		return false;
	}
}
