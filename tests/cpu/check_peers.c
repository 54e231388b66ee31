/* tests/cpu/check_peers.c: processors that share memory and decoded code, and
 * what INIT and a start-up IPI make of one. */
#include "tests/cpu/flat.h"
#include "tests/unit.h"

#include <string.h>

static struct flat *f;
static struct cpu *peer;

static void setup(void)
{
	struct cpu_state st;

	f = flat_new(false);
	ck_assert_int_eq(soft_cpu_new_beside(f->cpu, &f->bus, &peer), 0);
	f->cpu->ops->get_state(f->cpu, &st);
	peer->ops->set_state(peer, &st);
}

static void teardown(void)
{
	if (peer)
		peer->ops->free(peer);
	f = flat_free(f);
}

static void start_peer(uint64_t rip)
{
	struct soft *s = soft_of(peer);

	s->rip = rip;
	s->halted = false;
}

START_TEST(pause_hands_over_only_to_a_peer)
{
	static const uint8_t code[] = { 0xF3, 0x90, 0xF3, 0x90, 0xFF, 0xC0 }; /* pause x2; inc eax */

	flat_code(f, code, sizeof(code));
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_PAUSE);
	ck_assert_uint_eq(f->cpu->ops->icount(f->cpu), 1);
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_PAUSE);
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(f->cpu->ops->icount(f->cpu), 4);
	peer = peer->ops->free(peer);
	flat_code(f, code, sizeof(code));
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(f->cpu->ops->icount(f->cpu), 8);
}
END_TEST

/* The store of one must be seen by the block that the other decoded. */
START_TEST(a_store_drops_what_the_other_decoded)
{
	/* mov byte [FLAT_FREE + 1], cl; hlt */
	static const uint8_t store[] = { 0x88, 0x0C, 0x25, 1, 0, 0x10, 0 };
	static const uint8_t patched[] = { 0xB0, 1, 0xF4 }; /* mov al, 1; hlt */

	flat_load(f, FLAT_FREE, patched, sizeof(patched));
	flat_soft(f)->r[CPU_RCX] = 1;
	flat_code(f, store, sizeof(store));
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT); /* its TLB may write there now */
	start_peer(FLAT_FREE);
	ck_assert_int_eq(peer->ops->run(peer, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(soft_of(peer)->r[CPU_RAX] & 0xFF, 1);
	flat_soft(f)->r[CPU_RCX] = 2;
	flat_code(f, store, sizeof(store));
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	start_peer(FLAT_FREE);
	ck_assert_int_eq(peer->ops->run(peer, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(soft_of(peer)->r[CPU_RAX] & 0xFF, 2);
}
END_TEST

START_TEST(what_one_decoded_the_other_runs)
{
	static const uint8_t code[] = { 0xFF, 0xC0, 0xFF, 0xC0 };

	flat_code(f, code, sizeof(code));
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
	start_peer(FLAT_CODE);
	ck_assert_int_eq(peer->ops->run(peer, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(soft_of(peer)->n_blocks_decoded, 0);
}
END_TEST

START_TEST(either_may_go_first)
{
	static const uint8_t code[] = { 0xFF, 0xC0 };

	if (_i) {
		peer = peer->ops->free(peer);
	} else {
		f->cpu->ops->free(f->cpu);
		f->cpu = peer;
		peer = NULL;
	}
	flat_code(f, code, sizeof(code));
	ck_assert_int_eq(flat_run(f, 100), CPU_STOP_HALT);
}
END_TEST

START_TEST(stop_is_at_once_where_kick_is_soon)
{
	static const uint8_t spin[] = { 0xEB, 0xFE };

	flat_code(f, spin, sizeof(spin));
	f->cpu->ops->stop(f->cpu);
	ck_assert_int_eq(flat_run(f, 1000), CPU_STOP_KICK);
	ck_assert_uint_eq(f->cpu->ops->icount(f->cpu), 0);
	ck_assert_int_eq(flat_run(f, 1000), CPU_STOP_BUDGET);
}
END_TEST

START_TEST(an_init_keeps_what_it_keeps)
{
	struct cpu_state s;

	f->cpu->ops->get_state(f->cpu, &s);
	s.cr0 |= UINT64_C(1) << 29;
	s.gpr[CPU_R8] = s.cr2 = s.dr[1] = s.lstar = s.tsc_offset = s.pat = 0x123;
	s.fx.mxcsr = 0x1FA0;
	s.halted = s.nmi_pending = true;
	s.apic_base = 0xFEE00800;
	cpu_state_init(&s);
	ck_assert_uint_eq(s.cr0, 0x20000010);
	ck_assert_uint_eq(s.gpr[CPU_R8] | s.cr2 | s.cr3 | s.cr4 | s.efer | s.dr[1], 0);
	ck_assert_uint_eq(s.seg[CPU_CS].base + s.rip, 0xFFFFFFF0);
	ck_assert_uint_ne(s.gpr[CPU_RDX], 0); /* the processor's signature */
	ck_assert_uint_eq(s.lstar, 0x123);
	ck_assert_uint_eq(s.tsc_offset, 0x123);
	ck_assert_uint_eq(s.pat, 0x123);
	ck_assert_uint_eq(s.fx.mxcsr, 0x1FA0);
	ck_assert(s.wait_sipi && !s.halted && !s.nmi_pending);
	s.apic_base |= 0x100;
	cpu_state_init(&s);
	ck_assert(!s.wait_sipi); /* the bootstrap processor runs on at its reset vector */
}
END_TEST

START_TEST(a_startup_is_for_who_waits)
{
	static const uint8_t code[] = { 0xB0, 7, 0xF4 }; /* mov al, 7; hlt */
	struct cpu_state s;

	flat_load(f, 0x12000, code, sizeof(code));
	peer->ops->get_state(peer, &s);
	s.apic_base = 0xFEE00800;
	cpu_state_init(&s);
	peer->ops->set_state(peer, &s);
	peer->ops->nmi(peer);
	ck_assert_int_eq(peer->ops->run(peer, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(peer->ops->icount(peer), 0);
	peer->ops->get_state(peer, &s);
	s.nmi_pending = false;
	ck_assert(cpu_state_startup(&s, 0x12));
	ck_assert(!cpu_state_startup(&s, 0x13));
	ck_assert_uint_eq(s.seg[CPU_CS].sel, 0x1200);
	peer->ops->set_state(peer, &s);
	ck_assert_int_eq(peer->ops->run(peer, 100), CPU_STOP_HALT);
	ck_assert_uint_eq(soft_of(peer)->r[CPU_RAX] & 0xFF, 7);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cpu/peers");
	TCase *t = tcase_create("peers");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, pause_hands_over_only_to_a_peer);
	tcase_add_test(t, a_store_drops_what_the_other_decoded);
	tcase_add_test(t, what_one_decoded_the_other_runs);
	tcase_add_loop_test(t, either_may_go_first, 0, 2);
	tcase_add_test(t, stop_is_at_once_where_kick_is_soon);
	tcase_add_test(t, an_init_keeps_what_it_keeps);
	tcase_add_test(t, a_startup_is_for_who_waits);
	suite_add_tcase(suite, t);
	return suite;
}

UNIT_MAIN(make_suite);
