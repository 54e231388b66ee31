/* tests/kvm/check_kvm_smp.c: several processors of the KVM engine at once, a thread each.
 *
 * Ring-3 guests run at full speed on any host that opens /dev/kvm, and truly beside each
 * other where it has the cores; INIT and start-up IPIs take a few instructions of supervisor
 * code, which hosts that emulate it run right. Offsets of the TSC are not kept there. */
#include "core/cleanup.h"
#include "tests/kvm/guest.h"
#include "tests/unit.h"
#include "vmm/cpu/kvm/kvm_impl.h"
#include "vmm/cpu/msr.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

enum { N_CPUS = 4, ROUNDS = 200000, START_CODE = 0x8000, PORT_ARRIVED = 0x81 };

/* Each processor has a bus of its own, whose STOP port kicks it. */
static struct seat {
	struct cpu_bus bus;
	struct cpu *cpu;
	pthread_t thread;
	enum cpu_stop stop;
	unsigned n_writes;
	uint32_t stop_value, arrived;
} seat[N_CPUS];
static struct guest *g;

static void on_pio_write(void *ctx, uint16_t port, unsigned size, uint32_t v)
{
	struct seat *s = ctx;

	(void)size;
	s->n_writes++;
	if (port == PORT_ARRIVED) {
		__atomic_store_n(&s->arrived, v, __ATOMIC_RELEASE);
		return;
	}
	s->stop_value = v;
	s->cpu->ops->kick(s->cpu);
}

static uint32_t on_pio_read(void *ctx, uint16_t port, unsigned size)
{
	(void)ctx;
	(void)size;
	return port;
}

static uint64_t on_tsc_read(void *ctx)
{
	(void)ctx;
	return 1000000;
}

static void set_up(void)
{
	g = guest_new_first(N_CPUS);
	memset(seat, 0, sizeof seat);
	for (unsigned i = 0; i < N_CPUS; i++) {
		struct seat *s = &seat[i];

		s->bus = g->bus;
		s->bus.ctx = s;
		s->bus.pio_write = on_pio_write;
		s->bus.pio_read = on_pio_read;
		s->bus.tsc_read = on_tsc_read;
		if (i == 0) {
			g->bus = s->bus;
			s->cpu = g->cpu;
		} else {
			s->cpu = guest_cpu_new(g, &s->bus, i, N_CPUS);
		}
	}
}

static void tear_down(void)
{
	for (unsigned i = 1; i < N_CPUS; i++)
		(void)seat[i].cpu->ops->free(seat[i].cpu);
	g = guest_free(g);
}

static void *run_seat(void *arg)
{
	struct seat *s = arg;

	s->stop = s->cpu->ops->run(s->cpu, UINT64_MAX);
	return NULL;
}

static void start(unsigned i)
{
	ck_assert_int_eq(pthread_create(&seat[i].thread, NULL, run_seat, &seat[i]), 0);
}

static void join(unsigned i)
{
	(void)pthread_join(seat[i].thread, NULL);
	ck_assert_str_eq(seat[i].cpu->ops->error(seat[i].cpu), "");
}

/* All begin with the same code at ring 3; RDI is each one's number. */
static void place(const char *start, const char *end)
{
	memcpy(mem_ptr(&g->mem, GUEST_CODE, (uint64_t)(end - start)), start, (size_t)(end - start));
	for (unsigned i = 0; i < N_CPUS; i++) {
		struct cpu_state s;

		guest_long_mode(g, &s, 3);
		s.gpr[CPU_RDI] = i;
		seat[i].cpu->ops->set_state(seat[i].cpu, &s);
		ck_assert_str_eq(seat[i].cpu->ops->error(seat[i].cpu), "");
	}
}

static uint64_t word(uint64_t gpa)
{
	uint64_t v;

	memcpy(&v, mem_ptr(&g->mem, gpa, 8), 8);
	return v;
}

/* They wait for each other in guest memory, add to one counter, and each leaves the guest
 * 1000 times on the way (every 200th round). */
GUEST_CODE_TEXT(code_count, "lock incq 0x200008\n 1: pause\n cmpq $4, 0x200008\n jb 1b\n"
			    "movl $200000, %ebx\n xorl %ebp, %ebp\n"
			    "2: lock incq 0x200000\n incl %ebp\n cmpl $200, %ebp\n jne 3f\n xorl %ebp, %ebp\n"
			    "movw $0x90, %dx\n inb %dx, %al\n cmpb $0x90, %al\n jne 4f\n"
			    "3: decl %ebx\n jnz 2b\n movw $0x500, %dx\n movl %edi, %eax\n outl %eax, %dx\n 4: jmp 4b\n");
START_TEST(all_run_at_once)
{
	place(code_count, code_count_end);
	for (unsigned i = 0; i < N_CPUS; i++)
		start(i);
	for (unsigned i = 0; i < N_CPUS; i++)
		join(i);
	ck_assert_uint_eq(word(GUEST_DATA), N_CPUS * ROUNDS);
	for (unsigned i = 0; i < N_CPUS; i++) {
		ck_assert_int_eq(seat[i].stop, CPU_STOP_KICK);
		ck_assert_uint_eq(seat[i].stop_value, i);
		ck_assert_uint_eq(seat[i].n_writes, 1);
		ck_assert_uint_eq(kvm_cpu_exits(seat[i].cpu, KVM_LEFT_PIO), ROUNDS / 200 + 1);
	}
}
END_TEST

/* In the guest for good, until kicked: all at once, by one thread. */
GUEST_CODE_TEXT(code_spin, "1: lock incq 0x200000(,%rdi,8)\n jmp 1b\n");
START_TEST(all_are_kicked)
{
	for (unsigned round = 0; round < 20; round++) {
		place(code_spin, code_spin_end);
		memset(mem_ptr(&g->mem, GUEST_DATA, 8 * N_CPUS), 0, 8 * N_CPUS);
		for (unsigned i = 0; i < N_CPUS; i++)
			start(i);
		for (unsigned i = 0; i < N_CPUS && round % 2; i++)
			while (!__atomic_load_n((uint64_t *)(void *)mem_ptr(&g->mem, GUEST_DATA + 8 * i, 8),
						__ATOMIC_RELAXED))
				;
		for (unsigned i = 0; i < N_CPUS; i++)
			seat[i].cpu->ops->kick(seat[i].cpu);
		for (unsigned i = 0; i < N_CPUS; i++) {
			join(i);
			ck_assert_int_eq(seat[i].stop, CPU_STOP_KICK);
		}
	}
}
END_TEST

/* ---- clocks -------------------------------------------------------------------------------- */

static uint64_t tsc_offset(struct cpu *c)
{
	uint64_t offset = 0;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
					.addr = (uintptr_t)&offset };

	ck_assert_int_eq(ioctl(kvm_of(c)->fd, KVM_GET_DEVICE_ATTR, &attr), 0);
	return offset;
}

static void pause_all(bool on)
{
	for (unsigned i = 0; i < N_CPUS; i++)
		seat[i].cpu->ops->set_paused(seat[i].cpu, on);
}

/* They differ by TSC_ADJUST alone: when made, after a pause, after a load in a pause. */
START_TEST(tscs_are_equal)
{
	uint64_t before;

	place(code_spin, code_spin_end);
	for (unsigned round = 0; round < 3; round++) {
		before = tsc_offset(seat[0].cpu);
		for (unsigned i = 1; i < N_CPUS; i++)
			ck_assert_uint_eq(tsc_offset(seat[i].cpu), before);
		pause_all(true);
		if (round == 1)
			place(code_spin, code_spin_end);
		pause_all(false);
		ck_assert_uint_ne(tsc_offset(seat[0].cpu), before);
	}
	for (unsigned i = 0; i < N_CPUS; i++) {
		struct cpu_state s;

		guest_long_mode(g, &s, 3);
		s.tsc_offset = 1000 * i;
		seat[i].cpu->ops->set_state(seat[i].cpu, &s);
		ck_assert_uint_eq(tsc_offset(seat[i].cpu), tsc_offset(seat[0].cpu) + 1000 * i);
	}
}
END_TEST

/* ---- start ---------------------------------------------------------------------------------- */

/* The first sends INIT and a start-up IPI for page 8 to all others, in x2APIC's absence by ICR;
 * then stops. */
GUEST_CODE_TEXT(code_starter, "movl $0xfee000f0, %esi\n movl $0x1ff, (%rsi)\n movl $0xfee00300, %esi\n"
			      "movl $0xc4500, (%rsi)\n movl $0xc4608, (%rsi)\n" GUEST_DONE);
/* Real mode: outb al=0x5a to PORT_ARRIVED; then wait. */
static const uint8_t code_started[] = { 0xB0, 0x5A, 0xE6, PORT_ARRIVED, 0xF4, 0xEB, 0xFD };

START_TEST(others_start_by_ipi)
{
	struct cpu_state s;

	place(code_starter, code_starter_end);
	memcpy(mem_ptr(&g->mem, START_CODE, sizeof code_started), code_started, sizeof code_started);
	guest_long_mode(g, &s, 0);
	seat[0].cpu->ops->set_state(seat[0].cpu, &s);
	for (unsigned i = 1; i < N_CPUS; i++) {
		cpu_state_reset(&s);
		s.tsc_khz = kvm_cpu_tsc_khz(seat[i].cpu);
		s.apic_base = 0xFEE00800;
		cpu_state_init(&s);
		seat[i].cpu->ops->set_state(seat[i].cpu, &s);
		seat[i].cpu->ops->get_state(seat[i].cpu, &s);
		ck_assert(s.wait_sipi);
		start(i);
	}
	start(0);
	join(0);
	ck_assert_uint_eq(seat[0].stop_value, 1);
	for (unsigned i = 1; i < N_CPUS; i++) {
		while (!__atomic_load_n(&seat[i].arrived, __ATOMIC_ACQUIRE))
			;
		seat[i].cpu->ops->kick(seat[i].cpu);
		join(i);
		seat[i].cpu->ops->get_state(seat[i].cpu, &s);
		ck_assert(!s.wait_sipi);
		ck_assert_uint_eq(s.seg[CPU_CS].base, START_CODE);
		ck_assert_uint_eq(seat[i].arrived, 0x5A);
	}
}
END_TEST

/* One that waits for its start is got out of the kernel as any other. */
START_TEST(a_waiting_one_is_kicked)
{
	struct cpu_state s;

	cpu_state_reset(&s);
	s.tsc_khz = kvm_cpu_tsc_khz(seat[1].cpu);
	s.apic_base = 0xFEE00800;
	cpu_state_init(&s);
	seat[1].cpu->ops->set_state(seat[1].cpu, &s);
	start(1);
	seat[1].cpu->ops->kick(seat[1].cpu);
	join(1);
	ck_assert_int_eq(seat[1].stop, CPU_STOP_KICK);
	seat[1].cpu->ops->get_state(seat[1].cpu, &s);
	ck_assert(s.wait_sipi);
}
END_TEST

enum { N_TESTS = 4, N_MODEL_TESTS = 1 };

static Suite *make_suite(void)
{
	Suite *suite = suite_create("several processors under KVM");
	TCase *tc = tcase_create("engine");
	CLEANUP(free) char *why = guest_why_not();
	CLEANUP(free) char *why_model = NULL;

	if (why) {
		(void)printf("skipped %d: the KVM engine: %s\n", N_TESTS + N_MODEL_TESTS, why);
		return suite;
	}
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, all_run_at_once);
	tcase_add_test(tc, all_are_kicked);
	tcase_add_test(tc, others_start_by_ipi);
	tcase_add_test(tc, a_waiting_one_is_kicked);
	if (kvm_usable(&why_model) < 0)
		(void)printf("skipped %d: a guest's TSC, which is the host's here: %s\n", N_MODEL_TESTS, why_model);
	else
		tcase_add_test(tc, tscs_are_equal);
	suite_add_tcase(suite, tc);
	return suite;
}

UNIT_MAIN(make_suite);
