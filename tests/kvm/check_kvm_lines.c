/* tests/kvm/check_kvm_lines.c: interrupts by irqfd: the engine's lines in a tiny guest,
 * and which messages the machine gives one (vmm/machine_lines.c). */
#include "core/cleanup.h"
#include "tests/kvm/guest.h"
#include "tests/unit.h"
#include "vmm/machine_impl.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { IRR = 0x20, VECTOR = 0x45, PAYS = 32 /* as machine_lines.c has it */ };

static struct guest *g;
static struct machine_lines *lines;
static int fd;

/* LAPIC on, interrupts off. */
GUEST_CODE_TEXT(code_apic_on, "movl $0xfee000f0, %esi\n movl $0x1ff, (%rsi)\n" GUEST_DONE);
/* And: port 0x80; interrupts open; wait. */
GUEST_CODE_TEXT(code_armed, "movl $0xfee000f0, %esi\n movl $0x1ff, (%rsi)\n outb %al, $0x80\n sti\n 1: hlt\n jmp 1b\n");
/* The handler at once: EOI, back. */
GUEST_CODE_TEXT(code_eoi, "movl $0xfee000b0, %esi\n movl $0, (%rsi)\n sti\n nop\n nop\n cli\n" GUEST_DONE);

static void set_up(void)
{
	g = guest_new();
	ck_assert_int_eq(guest_run(g, code_apic_on, code_apic_on_end, 0), CPU_STOP_KICK);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	lines = NULL;
	ck_assert_int_eq(unsetenv("MUSTER_INTERRUPTS"), 0);
	ck_assert_int_eq(machine_lines_new(g->vm, &lines), 0);
	ck_assert_ptr_nonnull(lines);
}

static void tear_down(void)
{
	lines = machine_lines_free(lines);
	cleanup_fd(&fd);
	g = guest_free(g);
}

static void send_signal(void)
{
	const uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof one), sizeof one);
}

static bool is_requested(unsigned vector)
{
	struct cpu_apic a;

	g->cpu->ops->get_apic(g->cpu, &a);
	return a.reg[IRR + vector / 32] >> vector % 32 & 1;
}

/* ---- the engine ---- */

static void (*pio_write_before)(void *ctx, uint16_t port, unsigned size, uint32_t v);

static void pio_write_hook(void *ctx, uint16_t port, unsigned size, uint32_t v)
{
	if (port == 0x80)
		send_signal();
	pio_write_before(ctx, port, size, v);
}

/* While it runs; the first line and the last. */
START_TEST(a_line_interrupts)
{
	ck_assert_int_eq(kvm_vm_line_on(g->vm, _i ? KVM_LINE_COUNT - 1 : 0, GUEST_LAPIC, VECTOR, fd), 0);
	pio_write_before = g->bus.pio_write;
	g->bus.pio_write = pio_write_hook;
	ck_assert_int_eq(guest_run(g, code_armed, code_armed_end, 0), CPU_STOP_KICK);
	ck_assert_uint_eq(g->stop_value, 0x100 + VECTOR);
}
END_TEST

START_TEST(what_was_signalled_has_arrived_when_the_line_is_off)
{
	ck_assert_int_eq(kvm_vm_line_on(g->vm, 0, GUEST_LAPIC, VECTOR, fd), 0);
	ck_assert(!is_requested(VECTOR));
	send_signal();
	kvm_vm_line_off(g->vm, 0, fd);
	ck_assert(is_requested(VECTOR));
}
END_TEST

START_TEST(a_line_takes_another_message)
{
	for (unsigned vector = VECTOR; vector < VECTOR + 4; vector++) {
		ck_assert_int_eq(kvm_vm_line_on(g->vm, 3, GUEST_LAPIC, vector, fd), 0);
		send_signal();
		kvm_vm_line_off(g->vm, 3, fd);
		ck_assert(is_requested(vector));
		ck_assert(!is_requested(vector + 1));
	}
}
END_TEST

/* The pins of the I/O APIC are in the same list of routes. */
START_TEST(a_pins_route_leaves_a_line_as_it_is)
{
	ck_assert_int_eq(kvm_vm_line_on(g->vm, 0, GUEST_LAPIC, VECTOR, fd), 0);
	kvm_vm_route(g->vm, 0, GUEST_LAPIC, 0xC000 | (VECTOR + 1));
	kvm_vm_route(g->vm, 23, GUEST_LAPIC, 0xC000 | (VECTOR + 2));
	kvm_vm_route(g->vm, 0, 0, 0);
	send_signal();
	kvm_vm_line_off(g->vm, 0, fd);
	ck_assert(is_requested(VECTOR));
	ck_assert(!is_requested(VECTOR + 1) && !is_requested(VECTOR + 2));
}
END_TEST

START_TEST(an_eventfd_has_one_line)
{
	ck_assert_int_eq(kvm_vm_line_on(g->vm, 0, GUEST_LAPIC, VECTOR, fd), 0);
	ck_assert_int_eq(kvm_vm_line_on(g->vm, 1, GUEST_LAPIC, VECTOR + 1, fd), -EBUSY);
	kvm_vm_line_off(g->vm, 0, fd);
	ck_assert_int_eq(kvm_vm_line_on(g->vm, 1, GUEST_LAPIC, VECTOR + 1, fd), 0);
}
END_TEST

/* ---- the machine ---- */

static void send(unsigned vector, unsigned n)
{
	while (n--)
		machine_lines_send(lines, GUEST_LAPIC, vector);
}

START_TEST(a_message_that_comes_again_and_again_gets_a_line)
{
	send(VECTOR, PAYS - 1);
	ck_assert_uint_eq(machine_lines_signals(lines), 0);
	send(VECTOR, 10);
	ck_assert_uint_eq(machine_lines_signals(lines), 10);
	ck_assert_uint_eq(machine_lines_messages(lines), PAYS - 1);
	machine_lines_settle(lines, GUEST_LAPIC, VECTOR);
	ck_assert(is_requested(VECTOR));
}
END_TEST

/* 0: by a message; 1: by a line. */
START_TEST(none_is_lost_on_either_way)
{
	send(VECTOR, _i ? PAYS : 0);
	machine_lines_settle_all(lines);
	for (unsigned i = 1; i <= 3; i++) {
		(void)guest_run(g, code_eoi, code_eoi_end, 0); /* what was requested is taken */
		send(VECTOR + i, _i ? PAYS : 1);
		machine_lines_settle_all(lines);
		ck_assert(is_requested(VECTOR + i));
	}
}
END_TEST

START_TEST(after_a_settlement_it_begins_anew)
{
	send(VECTOR, PAYS + 5);
	ck_assert_uint_eq(machine_lines_signals(lines), 6);
	machine_lines_settle(lines, GUEST_LAPIC, VECTOR + 1); /* another's */
	send(VECTOR, 1);
	ck_assert_uint_eq(machine_lines_signals(lines), 7);
	machine_lines_settle(lines, GUEST_LAPIC, VECTOR);
	send(VECTOR, PAYS - 1);
	ck_assert_uint_eq(machine_lines_signals(lines), 7);
	send(VECTOR, 1);
	ck_assert_uint_eq(machine_lines_signals(lines), 8);
}
END_TEST

START_TEST(the_least_used_gives_way)
{
	for (unsigned i = 0; i < KVM_LINE_COUNT; i++)
		send(VECTOR + i, PAYS * (i == 7 ? 1 : 4));
	send(200, PAYS);
	ck_assert(is_requested(200) || is_requested(VECTOR));
	/* The others have theirs still, the eighth has none. */
	for (unsigned i = 0; i < KVM_LINE_COUNT; i++) {
		uint64_t before = machine_lines_signals(lines);

		if (i == 7)
			continue;
		send(VECTOR + i, 1);
		ck_assert_uint_eq(machine_lines_signals(lines), before + 1);
	}
	machine_lines_settle_all(lines);
	ck_assert(is_requested(200));
}
END_TEST

/* A guest that never sends one twice pays for no route. */
START_TEST(one_that_changes_all_the_time_gets_none)
{
	for (unsigned i = 0; i < 5000; i++)
		send(0x30 + i % 0x80, 1);
	ck_assert_uint_eq(machine_lines_signals(lines), 0);
	ck_assert_uint_eq(machine_lines_messages(lines), 5000);
	ck_assert(is_requested(VECTOR));
}
END_TEST

/* What no APIC takes is lost, by a line or without; and hurts no other. */
static const uint64_t nowhere[] = { GUEST_LAPIC | 0x7F000, GUEST_LAPIC | 0x7F004, GUEST_LAPIC | 0x1008 };
START_TEST(a_message_to_nowhere_is_lost)
{
	for (unsigned i = 0; i < PAYS + 3; i++)
		machine_lines_send(lines, nowhere[_i], VECTOR + 1);
	send(VECTOR, PAYS + 3);
	machine_lines_settle_all(lines);
	ck_assert(is_requested(VECTOR));
	ck_assert(!is_requested(VECTOR + 1));
}
END_TEST

START_TEST(a_user_may_do_without)
{
	struct machine_lines *none = NULL;

	ck_assert_int_eq(setenv("MUSTER_INTERRUPTS", "message", 1), 0);
	ck_assert_int_eq(machine_lines_new(g->vm, &none), 0);
	ck_assert_ptr_null(none);
	ck_assert_ptr_null(machine_lines_free(NULL));
}
END_TEST

enum { N_NOWHERE = sizeof nowhere / sizeof nowhere[0], N_TESTS = 2 + 4 + 1 + 2 + 3 + N_NOWHERE + 1 };

static Suite *make_suite(void)
{
	Suite *suite = suite_create("lines");
	TCase *tc = tcase_create("lines");
	CLEANUP(free) char *why = guest_why_not();

	suite_add_tcase(suite, tc);
	if (why) {
		(void)printf("skipped %d: interrupts by irqfd: %s\n", N_TESTS, why);
		return suite;
	}
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_line_interrupts, 0, 2);
	tcase_add_test(tc, what_was_signalled_has_arrived_when_the_line_is_off);
	tcase_add_test(tc, a_line_takes_another_message);
	tcase_add_test(tc, a_pins_route_leaves_a_line_as_it_is);
	tcase_add_test(tc, an_eventfd_has_one_line);
	tcase_add_test(tc, a_message_that_comes_again_and_again_gets_a_line);
	tcase_add_loop_test(tc, none_is_lost_on_either_way, 0, 2);
	tcase_add_test(tc, after_a_settlement_it_begins_anew);
	tcase_add_test(tc, the_least_used_gives_way);
	tcase_add_test(tc, one_that_changes_all_the_time_gets_none);
	tcase_add_loop_test(tc, a_message_to_nowhere_is_lost, 0, N_NOWHERE);
	tcase_add_test(tc, a_user_may_do_without);
	return suite;
}

UNIT_MAIN(make_suite);
