/* tests/vmm/check_smp.c: several processors: who hears which interrupt message,
 * and a bare guest that starts and uses all of them. */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "tests/unit.h"
#include "tests/vmm/smp_guest.h"
#include "vmm/machine_impl.h"
#include "vmm/machine.h"

#include <string.h>

/* ---- messages --------------------------------------------------------------- */

enum { APICS = 4 };
static struct guest_clock clk;
static struct apic_bus apics;
static struct lapic lapic[APICS];
static uint64_t icount;
static unsigned n_nmi[APICS], n_init[APICS];
static int startup[APICS];
static bool intr[APICS];

static unsigned index_of(void *ctx)
{
	return (unsigned)((struct lapic *)ctx - lapic);
}

static void on_intr(void *ctx, bool level)
{
	intr[index_of(ctx)] = level;
}

static void on_nmi(void *ctx)
{
	n_nmi[index_of(ctx)]++;
}

static void on_init(void *ctx)
{
	n_init[index_of(ctx)]++;
	lapic_reset(ctx);
}

static void on_startup(void *ctx, uint8_t vector)
{
	startup[index_of(ctx)] = vector;
}

static void on_send(void *ctx, const struct apic_msg *msg, bool but_self)
{
	(void)apic_bus_send(&apics, msg, but_self ? ctx : NULL);
}

static uint64_t get_icount(void *ctx)
{
	(void)ctx;
	return icount;
}

static void reg(unsigned i, unsigned off, uint32_t v)
{
	lapic_mmio_write(&lapic[i], off, 4, v);
}

static void setup(void)
{
	icount = 0;
	memset(n_nmi, 0, sizeof n_nmi);
	memset(n_init, 0, sizeof n_init);
	memset(startup, -1, sizeof startup);
	apics = (struct apic_bus){ 0 };
	guest_clock_init_virtual(&clk, 1000, 0, get_icount, NULL);
	for (unsigned i = 0; i < APICS; i++) {
		const struct lapic_hooks hooks = { .ctx = &lapic[i], .set_intr = on_intr,
						   .nmi = on_nmi, .init = on_init,
						   .startup = on_startup, .send = on_send };

		intr[i] = false;
		lapic_init(&lapic[i], i, &clk, NULL, &hooks);
		apic_bus_add(&apics, &lapic[i]);
		reg(i, 0xF0, 0x1FF);
		reg(i, 0xD0, UINT32_C(1) << (24 + i));
	}
}

/* Which of them are asked to take @vector, and by nothing else. */
static unsigned who(uint8_t vector)
{
	unsigned set = 0;

	for (unsigned i = 0; i < APICS; i++) {
		int v = lapic_ack(&lapic[i]);

		if (v < 0)
			continue;
		ck_assert_int_eq(v, vector);
		set |= 1u << i;
		reg(i, 0xB0, 0);
	}
	return set;
}

static void ipi(unsigned from, uint32_t dest, uint32_t low)
{
	reg(from, 0x310, dest << 24);
	reg(from, 0x300, low);
}

static const struct {
	const char *what;
	uint32_t dest, low;
	unsigned who;
} routes[] = {
	{ "physical", 2, 0x4050, 1 << 2 },
	{ "physical, to the sender", 1, 0x4050, 1 << 1 },
	{ "physical, to no one", 7, 0x4050, 0 },
	{ "physical, all", 0xFF, 0x4050, 15 },
	{ "flat, two", 0x9, 0x4850, 9 },
	{ "flat, all", 0xFF, 0x4850, 15 },
	{ "flat, none", 0xF0, 0x4850, 0 },
	{ "self", 3, 0x44050, 1 << 1 },
	{ "all", 0, 0x84050, 15 },
	{ "all but self", 0, 0xC4050, 15 & ~2 },
	{ "lowest priority of two", 0xC, 0x4950, 1 << 3 },
};

START_TEST(an_ipi_reaches_whom_it_names)
{
	lapic_cr8_write(&lapic[2], 2); /* the third is the busier one */
	ipi(1, routes[_i].dest, routes[_i].low);
	ck_assert_msg(who(0x50) == routes[_i].who, "%s", routes[_i].what);
	for (unsigned i = 0; i < APICS; i++)
		ck_assert(!intr[i]);
}
END_TEST

START_TEST(clusters_are_named_by_their_number)
{
	for (unsigned i = 0; i < APICS; i++) {
		reg(i, 0xE0, 0x0FFFFFFF);
		reg(i, 0xD0, (i / 2) << 28 | UINT32_C(1) << (24 + i % 2));
	}
	ipi(0, 0x13, 0x4850);
	ck_assert_uint_eq(who(0x50), 1 << 2 | 1 << 3);
	ipi(0, 0x01, 0x4850);
	ck_assert_uint_eq(who(0x50), 1 << 0);
}
END_TEST

static void all_x2apic(void)
{
	for (unsigned i = 0; i < APICS; i++)
		ck_assert(lapic_msr_write(&lapic[i], 0x1B, LAPIC_BASE | (i ? 0xC00 : 0xD00)));
}

START_TEST(x2apic_names_32_bits)
{
	uint64_t v;

	all_x2apic();
	ck_assert(lapic_msr_read(&lapic[3], 0x802, &v) && v == 3);
	ck_assert(lapic_msr_read(&lapic[3], 0x80D, &v) && v == 1 << 3);
	ck_assert(lapic_msr_write(&lapic[1], 0x830, UINT64_C(2) << 32 | 0x4050));
	ck_assert_int_eq(lapic_ack(&lapic[2]), 0x50);
	ck_assert(lapic_msr_write(&lapic[2], 0x80B, 0));
	ck_assert(lapic_msr_write(&lapic[1], 0x830, UINT64_C(0xFF) << 32 | 0x4050)); /* number 255 */
	ck_assert(lapic_msr_write(&lapic[1], 0x830, UINT64_C(0x1000F) << 32 | 0x4850)); /* cluster 1 */
	for (unsigned i = 0; i < APICS; i++)
		ck_assert(!intr[i]);
	ck_assert(lapic_msr_write(&lapic[1], 0x830, UINT64_C(0x5) << 32 | 0x4850));
	ck_assert(intr[0] && !intr[1] && intr[2] && !intr[3]);
	ck_assert(lapic_msr_write(&lapic[1], 0x830, UINT64_C(0xFFFFFFFF) << 32 | 0x4051));
	for (unsigned i = 0; i < APICS; i++)
		ck_assert_int_eq(lapic_ack(&lapic[i]), 0x51);
}
END_TEST

START_TEST(nmi_init_and_startup_are_told)
{
	ipi(0, 0, 0xC4400);
	ck_assert(n_nmi[0] == 0 && n_nmi[1] == 1 && n_nmi[2] == 1 && n_nmi[3] == 1);
	reg(2, 0xF0, 0xFF); /* off by software: no vectors, all else */
	ipi(0, 2, 0x4050);
	ck_assert_uint_eq(who(0x50), 0);
	ipi(0, 2, 0x4400);
	ck_assert_uint_eq(n_nmi[2], 2);
	ipi(0, 2, 0xC500); /* INIT asserted, level */
	ipi(0, 2, 0x8500); /* and its de-assertion, which is nothing */
	ck_assert_uint_eq(n_init[2], 1);
	ipi(0, 2, 0x4612);
	ck_assert_int_eq(startup[2], 0x12);
	ck_assert(startup[1] == -1 && n_init[1] == 0);
	ck_assert(lapic_msr_write(&lapic[3], 0x1B, LAPIC_BASE)); /* off altogether */
	ipi(0, 3, 0x4400);
	ck_assert_uint_eq(n_nmi[3], 1);
}
END_TEST

START_TEST(an_init_keeps_id_and_mode_alone)
{
	uint64_t v;

	all_x2apic();
	ck_assert(lapic_msr_write(&lapic[2], 0x832, 0x400E0)); /* a deadline timer */
	ck_assert(lapic_msr_write(&lapic[2], 0x6E0, 1000));
	ck_assert(lapic_msr_write(&lapic[2], 0x83F, 0x60));
	ck_assert(intr[2]);
	ck_assert(lapic_msr_write(&lapic[0], 0x830, UINT64_C(2) << 32 | 0x4500));
	ck_assert(!intr[2]);
	ck_assert(lapic_msr_read(&lapic[2], 0x1B, &v) && v == (LAPIC_BASE | 0xC00));
	ck_assert(lapic_msr_read(&lapic[2], 0x802, &v) && v == 2);
	ck_assert(lapic_msr_read(&lapic[2], 0x80F, &v) && v == 0xFF);
	ck_assert(lapic_msr_read(&lapic[2], 0x832, &v) && v == 0x10000);
	ck_assert(clk.deadline == NSEC_NEVER);
}
END_TEST

START_TEST(each_has_its_own_timer)
{
	for (unsigned i = 0; i < APICS; i++) {
		reg(i, 0x320, 0x60 + i);
		reg(i, 0x3E0, 0xB); /* divided by 1 */
		reg(i, 0x380, 1000 * (i + 1));
	}
	icount = 2500;
	guest_clock_run(&clk);
	ck_assert(intr[0] && intr[1] && !intr[2] && !intr[3]);
	ck_assert_int_eq(lapic_ack(&lapic[0]), 0x60);
	ck_assert_int_eq(lapic_ack(&lapic[1]), 0x61);
	ck_assert_int_eq(clk.deadline, 3000);
	ck_assert(lapic_msr_write(&lapic[3], 0x6E0, 1)); /* not in that mode: nothing */
	ck_assert_int_eq(clk.deadline, 3000);
}
END_TEST

START_TEST(a_bad_vector_is_not_sent)
{
	ipi(0, 1, 0x4005);
	reg(0, 0x280, 0);
	reg(1, 0x280, 0);
	ck_assert_uint_eq(lapic_mmio_read(&lapic[0], 0x280, 4), 0x20);
	ck_assert_uint_eq(lapic_mmio_read(&lapic[1], 0x280, 4), 0);
	ck_assert_uint_eq(who(5), 0);
}
END_TEST

START_TEST(only_the_first_is_the_bootstrap_processor)
{
	uint64_t v;

	for (unsigned i = 0; i < APICS; i++) {
		ck_assert(lapic_msr_read(&lapic[i], 0x1B, &v) && (v >> 8 & 1) == (i == 0));
		ck_assert(lapic_msr_write(&lapic[i], 0x1B, LAPIC_BASE | (i ? 0x900 : 0x800)));
		ck_assert(lapic_msr_read(&lapic[i], 0x1B, &v) && (v >> 8 & 1) == (i == 0));
	}
}
END_TEST

/* ---- a guest ------------------------------------------------------------------ */

static struct machine *make(unsigned cpus, bool is_virtual)
{
	struct machine_config cfg = { .name = "t/vm", .memory_bytes = 4 << 20, .cpus = cpus,
				      .clock_virtual = is_virtual, .seed = 1, .initrd_fd = -1,
				      .pmem_fd = -1, .serial_fd = -1, .agent_fd = -1,
				      .control_fd = -1 };
	CLEANUP(fd) int fd = smp_guest_kernel();
	struct machine *m = NULL;
	char *why = NULL;

	cfg.kernel_fd = fd;
	ck_assert_msg(machine_new(&cfg, &m, &why) == 0, "machine_new: %s", why ? why : "?");
	return m;
}

START_TEST(a_guest_uses_all_its_processors)
{
	unsigned cpus = _i % 2 ? 2 : MACHINE_CPU_MAX;
	struct machine *m = make(cpus, _i < 2);
	CLEANUP(free) char *why = NULL;

	ck_assert_msg(machine_run(m, &why) == MACHINE_END_POWEROFF, "%s", why ? why : "?");
	smp_guest_check(&m->mem, cpus, true);
	(void)machine_free(m);
}
END_TEST

static uint64_t hashes[1024];
static size_t n_hashes;

static void gather(void *ctx, struct machine *m)
{
	(void)ctx;
	ck_assert_uint_lt(n_hashes, 1024);
	hashes[n_hashes++] = machine_state_hash(m);
}

/* Also when the run is cut in other places. */
START_TEST(several_processors_run_the_same_twice)
{
	uint64_t first[1024];
	size_t n_first = 0;

	for (unsigned run = 0; run < 2; run++) {
		struct machine *m = make(4, true);
		CLEANUP(free) char *why = NULL;

		n_hashes = 0;
		machine_set_probe(m, run ? 1000 : 4000, gather, NULL);
		ck_assert_int_eq(machine_run(m, &why), MACHINE_END_POWEROFF);
		(void)machine_free(m);
		if (run == 0) {
			n_first = n_hashes;
			memcpy(first, hashes, sizeof first);
		}
	}
	ck_assert_uint_ge(n_first, 20);
	ck_assert_uint_ge(n_hashes, n_first * 4);
	for (size_t i = 0; i < n_first; i++)
		ck_assert_msg(first[i] == hashes[4 * i + 3], "hash %zu differs", i);
}
END_TEST

/* With its others in HLT and itself in a spin, the first hands its turns on. */
START_TEST(who_spins_lets_the_others_run)
{
	struct machine *m = make(4, true);
	struct smp_guest_result r;
	CLEANUP(free) char *why = NULL;

	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_POWEROFF);
	ck_assert(mem_dma_read(&m->mem, SMP_GUEST_RESULT, &r, sizeof r));
	ck_assert_uint_le(r.spins, 200); /* a turn spent in spinning is thousands */
	(void)machine_free(m);
}
END_TEST

/* INIT to oneself: the bootstrap processor then runs what lies at its reset
 * vector, which is nothing. */
START_TEST(an_init_of_the_first_starts_over)
{
	struct machine *m = make(2, true);
	struct cpu_state s;

	lapic_mmio_write(&m->vcpu[0].lapic, 0x300, 4, 0x4500); /* between two slices */
	m->cpu->ops->get_state(m->cpu, &s);
	ck_assert_uint_eq(s.rip, 0xFFF0);
	ck_assert_uint_eq(s.seg[CPU_CS].base, 0xFFFF0000);
	ck_assert_uint_eq(s.efer | s.cr4 | s.cr3, 0);
	ck_assert(!s.wait_sipi);
	m->vcpu[1].cpu->ops->get_state(m->vcpu[1].cpu, &s);
	ck_assert(s.wait_sipi && m->vcpu[1].cpu->ops->run(m->vcpu[1].cpu, 10) == CPU_STOP_HALT);
	ck_assert_uint_eq(machine_instructions(m), 0);
	(void)machine_free(m);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("smp");
	TCase *t = tcase_create("messages");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, an_ipi_reaches_whom_it_names, 0,
			    (int)(sizeof routes / sizeof routes[0]));
	tcase_add_test(t, clusters_are_named_by_their_number);
	tcase_add_test(t, x2apic_names_32_bits);
	tcase_add_test(t, nmi_init_and_startup_are_told);
	tcase_add_test(t, an_init_keeps_id_and_mode_alone);
	tcase_add_test(t, each_has_its_own_timer);
	tcase_add_test(t, a_bad_vector_is_not_sent);
	tcase_add_test(t, only_the_first_is_the_bootstrap_processor);
	suite_add_tcase(s, t);
	t = tcase_create("guest");
	tcase_add_loop_test(t, a_guest_uses_all_its_processors, 0, 4);
	tcase_add_test(t, several_processors_run_the_same_twice);
	tcase_add_test(t, who_spins_lets_the_others_run);
	tcase_add_test(t, an_init_of_the_first_starts_over);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
