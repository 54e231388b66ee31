/* tests/cpu/check_model.c: CPUID of the model, the reset state, the state's hash. */
#include "tests/unit.h"
#include "vmm/cpu/cpu.h"

#include <string.h>

static struct cpu_state state;

static struct cpuid_regs leaf(uint32_t n, uint32_t subleaf, uint32_t apic_id, uint32_t n_cpus)
{
	struct cpuid_regs r;

	cpu_model_cpuid(&state, n, subleaf, apic_id, n_cpus, &r);
	return r;
}

static void setup(void)
{
	cpu_state_reset(&state);
}

START_TEST(vendor_and_limits)
{
	struct cpuid_regs r = leaf(0, 0, 0, 1);
	char text[13] = "";

	memcpy(text, &r.ebx, 4);
	memcpy(text + 4, &r.edx, 4);
	memcpy(text + 8, &r.ecx, 4);
	ck_assert_str_eq(text, "GenuineIntel");
	ck_assert_uint_eq(r.eax, 0x16);
	r = leaf(0x40000000, 0, 0, 1);
	memcpy(text, &r.ebx, 4);
	memcpy(text + 4, &r.ecx, 4);
	memcpy(text + 8, &r.edx, 4);
	ck_assert_str_eq(text, "MusterMuster");
}
END_TEST

/* x86-64-v2 and what Linux needs beside; and what must stay hidden. */
static const struct {
	const char *name;
	uint32_t leaf;
	char reg;
	unsigned bit;
	bool offered;
} bits[] = {
	{ "CMOV", 1, 'd', 15, true }, { "CX8", 1, 'd', 8, true }, { "FXSR", 1, 'd', 24, true },
	{ "SSE2", 1, 'd', 26, true }, { "PGE", 1, 'd', 13, true }, { "VME", 1, 'd', 1, false },
	{ "SSE3", 1, 'c', 0, true }, { "PCLMUL", 1, 'c', 1, false }, { "MONITOR", 1, 'c', 3, false },
	{ "VMX", 1, 'c', 5, false }, { "SSSE3", 1, 'c', 9, true }, { "CX16", 1, 'c', 13, true },
	{ "PCID", 1, 'c', 17, false }, { "SSE4.1", 1, 'c', 19, true }, { "SSE4.2", 1, 'c', 20, true },
	{ "x2APIC", 1, 'c', 21, true }, { "MOVBE", 1, 'c', 22, false }, { "POPCNT", 1, 'c', 23, true },
	{ "TSC deadline", 1, 'c', 24, true }, { "AES", 1, 'c', 25, false }, { "XSAVE", 1, 'c', 26, false },
	{ "OSXSAVE", 1, 'c', 27, false }, { "AVX", 1, 'c', 28, false }, { "RDRAND", 1, 'c', 30, false },
	{ "hypervisor", 1, 'c', 31, true }, { "FSGSBASE", 7, 'b', 0, true }, { "SMEP", 7, 'b', 7, false },
	{ "SMAP", 7, 'b', 20, false }, { "ERMS", 7, 'b', 9, true },
	{ "ARCH_CAPABILITIES", 7, 'd', 29, true }, { "SPEC_CTRL", 7, 'd', 26, false },
	{ "LAHF", 0x80000001, 'c', 0, true }, { "SYSCALL", 0x80000001, 'd', 11, true },
	{ "NX", 0x80000001, 'd', 20, true }, { "RDTSCP", 0x80000001, 'd', 27, true },
	{ "long mode", 0x80000001, 'd', 29, true }, { "invariant TSC", 0x80000007, 'd', 8, true },
};

START_TEST(features)
{
	struct cpuid_regs r = leaf(bits[_i].leaf, 0, 0, 1);
	uint32_t v = bits[_i].reg == 'b' ? r.ebx : bits[_i].reg == 'c' ? r.ecx : r.edx;

	ck_assert_msg((v >> bits[_i].bit & 1) == bits[_i].offered, "%s", bits[_i].name);
}
END_TEST

START_TEST(tsc_frequency_is_exact)
{
	struct cpuid_regs r = leaf(0x15, 0, 0, 1);

	ck_assert_uint_eq((uint64_t)r.ecx * r.ebx / r.eax, UINT64_C(1000) * CPU_TSC_KHZ);
	ck_assert_uint_eq(leaf(0x40000010, 0, 0, 1).eax, CPU_TSC_KHZ);
}
END_TEST

START_TEST(topology_counts_processors)
{
	struct cpuid_regs r = leaf(0xB, 1, 2, 3);

	ck_assert_uint_eq(r.ebx, 3);
	ck_assert_uint_eq(r.eax, 2);
	ck_assert_uint_eq(r.edx, 2);
	ck_assert_uint_eq(leaf(1, 0, 2, 3).ebx >> 24, 2);
	ck_assert_uint_eq(leaf(0xB, 2, 2, 3).ebx, 0);
	ck_assert_uint_eq(leaf(1, 0, 0, 1).edx >> 28 & 1, 0);
	ck_assert_uint_eq(leaf(1, 0, 0, 2).edx >> 28 & 1, 1);
}
END_TEST

/* SDM vol. 2, "Encoding of CPUID Leaf 2 Descriptors": those which the model uses. */
static const struct {
	uint8_t descriptor;
	uint32_t type, level, kib, n_ways, line_bytes;
} cache[] = { { 0x2C, 1, 1, 32, 8, 64 }, { 0x30, 2, 1, 32, 8, 64 }, { 0x87, 3, 2, 1024, 8, 64 } };

START_TEST(caches_are_told_thrice_the_same)
{
	struct cpuid_regs two = leaf(2, 0, 0, 1), l2 = leaf(0x80000006, 0, 0, 1), r;
	unsigned n_seen = 0;

	ck_assert_uint_eq(two.eax & 0xFF, 1); /* one time is enough */
	ck_assert_uint_eq(two.eax >> 31, 0); /* else EAX tells nothing */
	ck_assert_uint_eq(two.ebx | two.ecx | two.edx, 0);
	for (unsigned i = 0; i < 3; i++) {
		r = leaf(4, i, 0, 1);
		ck_assert_uint_eq(r.eax & 0x1F, cache[i].type);
		ck_assert_uint_eq(r.eax >> 5 & 7, cache[i].level);
		ck_assert_uint_eq((r.ebx >> 22) + 1, cache[i].n_ways);
		ck_assert_uint_eq((r.ebx & 0xFFF) + 1, cache[i].line_bytes);
		ck_assert_uint_eq(((r.ebx >> 22) + 1) * 64 * (r.ecx + 1), cache[i].kib << 10);
		for (unsigned at = 8; at < 32; at += 8)
			n_seen += (two.eax >> at & 0xFF) == cache[i].descriptor;
	}
	ck_assert_uint_eq(n_seen, 3); /* and so no FFh, which sends to leaf 4 */
	ck_assert_uint_eq(leaf(4, 3, 0, 1).eax & 0x1F, 0);
	ck_assert_uint_eq(l2.ecx, 1024u << 16 | 6 /* 8 ways */ << 12 | 64);
}
END_TEST

START_TEST(apic_bit_mirrors_its_enable)
{
	ck_assert(leaf(1, 0, 0, 1).edx & 1 << 9);
	state.apic_base &= ~UINT64_C(0x800);
	ck_assert(!(leaf(1, 0, 0, 1).edx & 1 << 9));
}
END_TEST

START_TEST(leaves_beyond_the_last_give_the_last)
{
	struct cpuid_regs a = leaf(0x16, 0, 0, 1), r = leaf(0x17, 0, 0, 1);

	ck_assert_mem_eq(&a, &r, sizeof(a));
	r = leaf(0xFFFFFFFF, 0, 0, 1);
	ck_assert_mem_eq(&a, &r, sizeof(a));
}
END_TEST

START_TEST(reset_state_as_the_manual_says)
{
	ck_assert_uint_eq(state.seg[CPU_CS].base + state.rip, 0xFFFFFFF0);
	ck_assert_uint_eq(state.rflags, 2);
	ck_assert_uint_eq(state.cr0, 0x60000010);
	ck_assert_uint_eq(state.gpr[CPU_RDX], leaf(1, 0, 0, 1).eax);
	ck_assert_uint_eq(state.fx.mxcsr, 0x1F80);
	ck_assert_uint_eq(state.dr6, 0xFFFF0FF0);
	ck_assert_uint_eq(state.idtr.limit, 0xFFFF);
}
END_TEST

START_TEST(hash_sees_every_part)
{
	uint64_t h = cpu_state_hash(&state);
	struct cpu_state other = state;

	ck_assert_uint_eq(cpu_state_hash(&other), h);
	other.gpr[15] ^= 1;
	ck_assert_uint_ne(cpu_state_hash(&other), h);
	other = state;
	other.fx.xmm[15][15] ^= 0x80;
	ck_assert_uint_ne(cpu_state_hash(&other), h);
	other = state;
	other.tr.attr ^= 2;
	ck_assert_uint_ne(cpu_state_hash(&other), h);
	other = state;
	other.halted = true;
	ck_assert_uint_ne(cpu_state_hash(&other), h);
	other = state;
	other.mtrr_var[15] = 1;
	ck_assert_uint_ne(cpu_state_hash(&other), h);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/model");
	TCase *t = tcase_create("model");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, vendor_and_limits);
	tcase_add_loop_test(t, features, 0, (int)(sizeof(bits) / sizeof(bits[0])));
	tcase_add_test(t, tsc_frequency_is_exact);
	tcase_add_test(t, topology_counts_processors);
	tcase_add_test(t, caches_are_told_thrice_the_same);
	tcase_add_test(t, apic_bit_mirrors_its_enable);
	tcase_add_test(t, leaves_beyond_the_last_give_the_last);
	tcase_add_test(t, reset_state_as_the_manual_says);
	tcase_add_test(t, hash_sees_every_part);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
