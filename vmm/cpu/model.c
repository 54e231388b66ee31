/* vmm/cpu/model.c: CPUID of "muster-v2", the one processor model: x86-64-v2.
 *
 * Intel's vendor string, because Linux takes the TSC's frequency from leaf 15h
 * for that vendor alone and then calibrates nothing. The family and model are
 * those of an in-order Atom (Saltwell): Linux knows it as a processor that does
 * not speculate, so page-table isolation, retpolines and buffer clearing stay
 * off; an interpreter needs none of them. No erratum is worked around on it.
 * A guest under KVM that must defend its own kernel from its own programs
 * would want another model.
 *
 * Nothing here depends on the host but one number: under KVM on a host that
 * cannot scale its TSC, tsc_khz is the host's (leaves 15h, 16h, 40000010h).
 *
 * Hidden: XSAVE and AVX, MONITOR, VMX, RDRAND, PCID, SMEP, SMAP, performance
 * counters, VME.
 *
 * Used by: both engines.   Sources: SDM vol. 2, CPUID; the hypervisor leaves
 * 40000000h and 40000010h as VMware's guest interface has them. */
#include "vmm/cpu/cpu.h"

#include <string.h>

#define BIT(n) (UINT32_C(1) << (n))

enum { MAX_BASIC = 0x16, CLFLUSH_LINE_BYTES = 64 };
static const uint32_t max_extended = 0x80000008, max_hypervisor = 0x40000010;
/* Family 6, model 36h, stepping 1. */
static const uint32_t signature = 0x00030661;

/* Leaf 1, EDX. APIC is added when the APIC is enabled. */
static const uint32_t features_edx =
	BIT(0) /* FPU */ | BIT(2) /* DE */ | BIT(3) /* PSE */ | BIT(4) /* TSC */ | BIT(5) /* MSR */ |
	BIT(6) /* PAE */ | BIT(7) /* MCE */ | BIT(8) /* CX8 */ | BIT(11) /* SEP */ |
	BIT(12) /* MTRR */ | BIT(13) /* PGE */ | BIT(14) /* MCA */ | BIT(15) /* CMOV */ |
	BIT(16) /* PAT */ | BIT(17) /* PSE-36 */ | BIT(19) /* CLFSH */ | BIT(23) /* MMX */ |
	BIT(24) /* FXSR */ | BIT(25) /* SSE */ | BIT(26) /* SSE2 */;
static const uint32_t features_ecx =
	BIT(0) /* SSE3 */ | BIT(9) /* SSSE3 */ | BIT(13) /* CX16 */ | BIT(19) /* SSE4.1 */ |
	BIT(20) /* SSE4.2 */ | BIT(21) /* x2APIC */ | BIT(23) /* POPCNT */ |
	BIT(24) /* TSC deadline */ | BIT(31) /* hypervisor */;
/* Leaf 7. */
static const uint32_t features7_ebx = BIT(0) /* FSGSBASE */ | BIT(1) /* TSC_ADJUST */ | BIT(9) /* ERMS */;
static const uint32_t features7_edx = BIT(4) /* FSRM */ | BIT(29) /* ARCH_CAPABILITIES */;

static uint32_t word_of(const char *text, size_t at)
{
	uint32_t v;

	memcpy(&v, text + at, sizeof(v));
	return v;
}

static unsigned log2_up(uint32_t n)
{
	unsigned bits = 0;

	while (bits < 31 && BIT(bits) < n)
		bits++;
	return bits;
}

static struct cpuid_regs features(const struct cpu_state *state, uint32_t apic_id, uint32_t n_cpus)
{
	struct cpuid_regs r = { .eax = signature, .ecx = features_ecx, .edx = features_edx };

	r.ebx = apic_id << 24 | (n_cpus & 0xFF) << 16 | CLFLUSH_LINE_BYTES / 8 << 8;
	if (state->apic_base & BIT(11))
		r.edx |= BIT(9);
	if (n_cpus > 1)
		r.edx |= BIT(28); /* HTT: EBX counts processors */
	return r;
}

/* Cache parameters: 32 KiB of L1 data, 32 KiB of L1 code, 1 MiB of L2, each of 8 ways. There is a
 * descriptor for each of them, so that leaf 2 need not refer to this one: the C library asks leaf
 * 2 for a dozen of numbers at the start of every program, and would come here three times for each. Under
 * KVM each CPUID is an exit: 54 a program, 14 so. */
static struct cpuid_regs caches(uint32_t subleaf, uint32_t n_cpus)
{
	static const struct {
		uint32_t type, level, n_ways, n_sets;
	} list[] = { { 1, 1, 8, 64 }, { 2, 1, 8, 64 }, { 3, 2, 8, 2048 } };
	struct cpuid_regs r = { 0 };

	if (subleaf >= sizeof(list) / sizeof(list[0]))
		return r;
	r.eax = list[subleaf].type | list[subleaf].level << 5 | BIT(8) |
		(BIT(log2_up(n_cpus)) - 1) << 26;
	r.ebx = (list[subleaf].n_ways - 1) << 22 | (CLFLUSH_LINE_BYTES - 1);
	r.ecx = list[subleaf].n_sets - 1;
	return r;
}

/* One thread a core, all cores in one package. */
static struct cpuid_regs topology(uint32_t subleaf, uint32_t apic_id, uint32_t n_cpus)
{
	struct cpuid_regs r = { .ecx = subleaf & 0xFF, .edx = apic_id };

	if (subleaf == 0) {
		r.ebx = 1;
		r.ecx |= 1 << 8;
	} else if (subleaf == 1) {
		r.eax = log2_up(n_cpus);
		r.ebx = n_cpus;
		r.ecx |= 2 << 8;
	}
	return r;
}

/* A state that says nothing of it has the model's. */
static uint32_t tsc_khz_of(const struct cpu_state *state)
{
	return state->tsc_khz ? state->tsc_khz : CPU_TSC_KHZ;
}

/* TSC = crystal (ECX, Hz) x EBX / EAX. Linux computes kHz in 32 bits, so the
 * crystal of an odd frequency is a slow one: 100 kHz x tsc_khz / 100. */
static struct cpuid_regs tsc_ratio(uint32_t tsc_khz)
{
	if (tsc_khz % 25000 == 0)
		return (struct cpuid_regs){ 1, tsc_khz / 25000, 25000000, 0 };
	return (struct cpuid_regs){ 100, tsc_khz, 100000, 0 };
}

static struct cpuid_regs basic(const struct cpu_state *state, uint32_t leaf, uint32_t subleaf,
			       uint32_t apic_id, uint32_t n_cpus)
{
	static const char vendor[] = "GenuineIntel";
	struct cpuid_regs r = { 0 };

	switch (leaf) {
	case 0:
		return (struct cpuid_regs){ MAX_BASIC, word_of(vendor, 0), word_of(vendor, 8),
					    word_of(vendor, 4) };
	case 1:
		return features(state, apic_id, n_cpus);
	case 2:
		/* SDM vol. 2, "Encoding of CPUID Leaf 2 Descriptors": L1 code 30h, L2 87h, L1 data 2Ch;
		 * bit 31 has to be clear. */
		r.eax = 0x2C873001;
		return r;
	case 4:
		return caches(subleaf, n_cpus);
	case 6:
		r.eax = BIT(2); /* ARAT: the APIC timer never stops */
		return r;
	case 7:
		if (subleaf == 0) {
			r.ebx = features7_ebx;
			r.edx = features7_edx;
		}
		return r;
	case 0xB:
		return topology(subleaf, apic_id, n_cpus);
	case 0x15:
		return tsc_ratio(tsc_khz_of(state));
	case 0x16: /* base, maximum and bus MHz */
		return (struct cpuid_regs){ tsc_khz_of(state) / 1000, tsc_khz_of(state) / 1000, 100, 0 };
	default:
		return r;
	}
}

static struct cpuid_regs hypervisor(const struct cpu_state *state, uint32_t leaf)
{
	static const char vendor[] = "MusterMuster";
	struct cpuid_regs r = { 0 };

	if (leaf == 0x40000000)
		return (struct cpuid_regs){ max_hypervisor, word_of(vendor, 0), word_of(vendor, 4),
					    word_of(vendor, 8) };
	if (leaf == max_hypervisor) { /* TSC and APIC timer frequency in kHz */
		r.eax = tsc_khz_of(state);
		r.ebx = CPU_TSC_KHZ; /* the LAPIC's base is 1 GHz under both engines */
	}
	return r;
}

static struct cpuid_regs extended(uint32_t leaf)
{
	static const char brand[48] = "Muster v2 virtual processor @ 1.00GHz";
	struct cpuid_regs r = { 0 };
	size_t at;

	switch (leaf) {
	case 0x80000000:
		r.eax = max_extended;
		return r;
	case 0x80000001:
		r.ecx = BIT(0); /* LAHF in 64-bit mode */
		r.edx = BIT(11) /* SYSCALL */ | BIT(20) /* NX */ | BIT(26) /* 1 GiB pages */ |
			BIT(27) /* RDTSCP */ | BIT(29) /* long mode */;
		return r;
	case 0x80000002:
	case 0x80000003:
	case 0x80000004:
		at = (leaf - 0x80000002) * 16;
		return (struct cpuid_regs){ word_of(brand, at), word_of(brand, at + 4),
					    word_of(brand, at + 8), word_of(brand, at + 12) };
	case 0x80000006:
		r.ecx = 1024 << 16 | 6 << 12 | CLFLUSH_LINE_BYTES; /* 1 MiB L2, 8 ways */
		return r;
	case 0x80000007:
		r.edx = BIT(8); /* invariant TSC */
		return r;
	case 0x80000008:
		r.eax = 48 << 8 | 40; /* linear and physical address bits */
		return r;
	default:
		return r;
	}
}

void cpu_model_cpuid(const struct cpu_state *state, uint32_t leaf, uint32_t subleaf,
		     uint32_t apic_id, uint32_t n_cpus, struct cpuid_regs *ret_regs)
{
	if (!n_cpus)
		n_cpus = 1;
	if (leaf >= 0x40000000 && leaf <= max_hypervisor)
		*ret_regs = hypervisor(state, leaf);
	else if (leaf >= 0x80000000 && leaf <= max_extended)
		*ret_regs = extended(leaf);
	else /* beyond the last leaf: the last basic one, as Intel's processors answer */
		*ret_regs = basic(state, leaf <= MAX_BASIC ? leaf : MAX_BASIC, subleaf, apic_id, n_cpus);
}
