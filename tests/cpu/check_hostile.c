/* tests/cpu/check_hostile.c: random bytes as code in every mode: nothing may
 * break but the guest, and a program that runs in one go ends as it does when
 * it runs one instruction at a time.
 *
 * MUSTER_HOSTILE_ROUNDS (default 12) rounds of each mode; the longer ones are
 * for the sanitizers. */
#include "core/prng.h"
#include "tests/cpu/flat.h"
#include "tests/unit.h"
#include "vmm/cpu/soft/sysreg.h"

#include <stdlib.h>
#include <string.h>

enum { N_INSNS = 400, CODE_BYTES = 4096, DATA_BYTES = 65536 };
enum setup { REAL, PROT32, PROT16, LONG0, LONG3, SETUP_COUNT };

static int rounds(void)
{
	const char *text = getenv("MUSTER_HOSTILE_ROUNDS");
	int n = text ? atoi(text) : 12;

	return n > 0 && n <= 1000000 ? n : 12;
}

static struct cpu_segment segment(unsigned type, unsigned dpl, unsigned extra)
{
	return (struct cpu_segment){ .limit = extra & CPU_SEG_DB || extra & CPU_SEG_L ? UINT32_MAX : 0xFFFF,
				     .attr = (uint16_t)(CPU_SEG_P | CPU_SEG_S | CPU_SEG_G | type | dpl << 5 | extra),
				     .sel = (uint16_t)(0x10 | dpl) };
}

static void set_mode(struct cpu_state *st, enum setup setup)
{
	unsigned dpl = setup == LONG3 ? 3 : 0;
	unsigned extra = setup == PROT16 ? 0 : setup == PROT32 ? (unsigned)CPU_SEG_DB : (unsigned)CPU_SEG_L;

	if (setup == REAL)
		return;
	st->seg[CPU_CS] = segment(0xB, dpl, extra);
	for (unsigned k = 0; k < CPU_SEG_COUNT; k++)
		if (k != CPU_CS)
			st->seg[k] = segment(3, dpl, setup == PROT16 ? 0 : (unsigned)CPU_SEG_DB);
	if (setup == PROT32 || setup == PROT16) {
		st->cr0 = CR0_PE | CR0_ET;
		st->cr4 = 0;
		st->efer = 0;
	}
}

/* Opcodes of the system kind come often: they reach the dangerous paths. */
static void random_code(struct prng *p, uint8_t *code)
{
	prng_bytes(p, code, CODE_BYTES);
	for (size_t k = 0; k + 2 < CODE_BYTES; k += 1 + prng_below(p, 12)) {
		static const uint8_t often[] = { 0x8E, 0xCF, 0xCB, 0xCA, 0xEA, 0x9A, 0x9D, 0xFF, 0x17, 0x1F,
						 0xCD, 0xCC, 0x07, 0xA4, 0xA5, 0xAB, 0xF3, 0x66, 0x67, 0x48 };

		if (prng_below(p, 2)) {
			code[k] = 0x0F;
			code[k + 1] = (uint8_t)prng_below(p, 0x40);
		} else {
			code[k] = often[prng_below(p, sizeof(often))];
		}
	}
}

/* Every exception goes on somewhere in the code; without that the first is the last. */
static void make_gates(struct flat *f, struct prng *p, enum setup setup)
{
	const struct { uint16_t sel; uint64_t raw; } descs[] = {
		{ 0x10, setup == LONG0 || setup == LONG3 ? 0x00AF9B000000FFFF : 0x00CF9B000000FFFF },
		{ 0x18, 0x00CF93000000FFFF }, { 0x20, 0x00CFFB000000FFFF }, { 0x28, 0x00CFF3000000FFFF },
		{ 0x30, 0x00AFFB000000FFFF }, { 0x38, 0x000F9B000000FFFF }, { 0x40, 0x00CF97000000000F },
		{ 0x48, 0x0000EC0200100000 | FLAT_CODE }, { 0x50, 0x00CF9F000000FFFF },
	};

	for (size_t k = 0; k < sizeof(descs) / sizeof(descs[0]); k++)
		flat_load(f, FLAT_GDT + descs[k].sel, &descs[k].raw, 8);
	for (unsigned v = 0; v < 256; v++) {
		uint64_t to = FLAT_CODE + prng_below(p, CODE_BYTES);
		uint64_t gate[2] = { (to & 0xFFFF) | to >> 16 << 48 | (setup == PROT16 ? 0x38ULL : 0x10ULL) << 16 |
					     (0x8EULL | prng_below(p, 2) * 0x60) << 40, 0 };

		if (setup == REAL)
			flat_load(f, v * 4, &(uint32_t){ (uint32_t)(to & 0xFFFF) | FLAT_CODE >> 4 << 16 }, 4);
		else if (setup == LONG0 || setup == LONG3)
			flat_load(f, FLAT_IDT + v * 16, gate, 16);
		else
			flat_load(f, FLAT_IDT + v * 8, gate, 8);
	}
}

static struct flat *machine(enum setup setup, uint64_t seed)
{
	struct flat *f = flat_new(setup == REAL);
	uint8_t *data = malloc(DATA_BYTES);
	uint64_t at = FLAT_CODE;
	struct cpu_state st;
	struct prng p;

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(data);
	prng_init(&p, seed, "hostile");
	prng_bytes(&p, data, DATA_BYTES);
	flat_load(f, FLAT_FREE, data, DATA_BYTES);
	if (prng_below(&p, 4))
		make_gates(f, &p, setup);
	else /* tables full of nonsense */
		flat_load(f, FLAT_IDT, data, 0x1800);
	f->cpu->ops->get_state(f->cpu, &st);
	if (setup == REAL)
		at = st.seg[CPU_CS].base + st.rip;
	random_code(&p, data);
	flat_load(f, at, data, CODE_BYTES);
	set_mode(&st, setup);
	for (unsigned k = 0; k < CPU_GPR_COUNT; k++)
		st.gpr[k] = prng_below(&p, 3) ? FLAT_FREE + prng_below(&p, DATA_BYTES) : prng_u64(&p);
	st.gpr[CPU_RSP] = FLAT_STACK + prng_below(&p, 16);
	st.idtr = (struct cpu_table){ setup == REAL ? 0 : FLAT_IDT, 0xFFF };
	st.gdtr = (struct cpu_table){ FLAT_GDT, 0x7FF };
	st.tr = (struct cpu_segment){ .base = FLAT_FREE, .limit = 0x67, .attr = 0x8B };
	/* RSP0; or ESP0 and SS0. */
	flat_load(f, FLAT_FREE + 4, &(uint64_t){ FLAT_STACK | (setup == LONG3 ? 0 : 0x18ULL << 32) }, 8);
	if (setup != REAL)
		st.rip = FLAT_CODE;
	f->cpu->ops->set_state(f->cpu, &st);
	free(data);
	return f;
}

static uint64_t digest(struct flat *f)
{
	struct cpu_state st;
	uint64_t h;

	f->cpu->ops->get_state(f->cpu, &st);
	h = cpu_state_hash(&st);
	for (uint64_t k = 0; k < FLAT_FREE + DATA_BYTES; k += 8) {
		uint64_t v;

		memcpy(&v, f->mem.host + k, 8);
		h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
	}
	return h;
}

static void run_both(enum setup setup, uint64_t seed)
{
	struct flat *whole = machine(setup, seed), *single = machine(setup, seed);
	enum cpu_stop a = whole->cpu->ops->run(whole->cpu, N_INSNS), b = CPU_STOP_BUDGET;

	for (unsigned k = 0; k < N_INSNS && b == CPU_STOP_BUDGET; k++)
		b = single->cpu->ops->run(single->cpu, 1);
	ck_assert_msg(a == b, "mode %d seed %llu: stops %d and %d", setup, (unsigned long long)seed, a, b);
	ck_assert_msg(whole->cpu->ops->icount(whole->cpu) == single->cpu->ops->icount(single->cpu),
		      "mode %d seed %llu: counts", setup, (unsigned long long)seed);
	ck_assert_msg(digest(whole) == digest(single), "mode %d seed %llu: states", setup,
		      (unsigned long long)seed);
	ck_assert_uint_eq(flat_soft(whole)->r[INSN_REG_NONE], 0);
	ck_assert(flat_soft(whole)->rflags & 2);
	flat_free(whole);
	flat_free(single);
}

START_TEST(random_code_ends_the_same_in_one_run_and_in_single_steps)
{
	int n = rounds();

	for (int k = 0; k < n; k++)
		run_both((enum setup)_i, (uint64_t)k * SETUP_COUNT + (uint64_t)_i);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/hostile");
	TCase *t = tcase_create("hostile");

	tcase_set_timeout(t, 0);
	tcase_add_loop_test(t, random_code_ends_the_same_in_one_run_and_in_single_steps, 0, SETUP_COUNT);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
