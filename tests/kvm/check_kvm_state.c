/* tests/kvm/check_kvm_state.c: what is saved of a KVM processor, moment by moment, and
 * whole machines from one engine to the other.
 *
 * The first part needs no more than a KVM that opens: a few instructions at CPL 0 run
 * right on hosts that emulate them, too. Machines need one that shows the whole model. */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "tests/forge.h"
#include "tests/kvm/guest.h"
#include "tests/tick_guest.h"
#include "tests/unit.h"
#include "tests/vmm/smp_guest.h"
#include "vmm/cpu/msr.h"
#include "vmm/machine_impl.h"
#include "vmm/machine.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static struct guest *g;

static void set_up(void)
{
	g = guest_new();
}

static void tear_down(void)
{
	g = guest_free(g);
}

static bool vector_in(const uint32_t *reg, unsigned vector)
{
	return reg[vector / 32] >> vector % 32 & 1;
}

enum { ID = 0x02, TPR = 0x08, LDR = 0x0D, DFR = 0x0E, SVR = 0x0F, ISR = 0x10, TMR = 0x18, IRR = 0x20, ICR = 0x30,
       ICR_HIGH = 0x31, LVT_TIMER_REG = 0x32, LVT_LINT0_REG = 0x35, LVT_ERROR_REG = 0x37, INITIAL = 0x38,
       CURRENT = 0x39, DIVIDE = 0x3E };

/* ---- registers ------------------------------------------------------------------------- */

static void fill(struct cpu_apic *a, uint32_t lvt_timer)
{
	g->cpu->ops->get_apic(g->cpu, a);
	a->reg[TPR] = 0x20;
	a->reg[LDR] = 0x02000000;
	a->reg[DFR] = 0xFFFFFFFF;
	a->reg[SVR] = 0x1FF;
	a->reg[ISR + 3] = a->reg[TMR + 3] = 1u << 17;
	a->reg[IRR + 2] = 1u << 5;
	a->reg[ICR] = 0x40FD;
	a->reg[ICR_HIGH] = 0x03000000;
	a->reg[LVT_TIMER_REG] = lvt_timer;
	a->reg[LVT_LINT0_REG] = 0x700;
	a->reg[LVT_ERROR_REG] = 0xFE;
	a->reg[DIVIDE] = 0xB;
}

/* 0: one-shot; 1: periodic; 2: deadline; 3: no timer; 4: x2APIC. */
START_TEST(an_apic_comes_back)
{
	static const uint32_t lvt[] = { 0x40, 0x20041, 0x40042, 0x10000, 0x10000 };
	struct cpu_apic a, back;
	struct cpu_state s = g->state;

	g->clock = 1000;
	s.tsc_offset = 77777;
	s.apic_base |= _i == 4 ? 0x400 : 0;
	g->cpu->ops->set_paused(g->cpu, true);
	g->cpu->ops->set_state(g->cpu, &s);
	fill(&a, lvt[_i]);
	a.reg[INITIAL] = _i < 2 ? 800000000 : 0;
	a.reg[CURRENT] = _i < 2 ? 700000000 : 0;
	a.deadline = _i == 2 ? UINT64_C(1) << 40 : 0;
	a.extint = true;
	if (_i == 4)
		a.reg[LDR] = 1; /* made of the ID */
	g->cpu->ops->set_apic(g->cpu, &a);
	ck_assert_str_eq(g->cpu->ops->error(g->cpu), "");
	g->cpu->ops->get_apic(g->cpu, &back);
	for (unsigned i = 0; i < CPU_APIC_REG_COUNT; i++)
		if (i != 0x0A) /* PPR is computed */
			ck_assert_msg(a.reg[i] == back.reg[i], "register 0x%02x: 0x%x, not 0x%x", i, back.reg[i],
				      a.reg[i]);
	ck_assert_uint_eq(back.deadline, a.deadline);
	ck_assert(back.extint);
	ck_assert_uint_eq(kvm_cpu_paused_tsc(g->cpu), 1000);
}
END_TEST

/* What stood while it was paused goes on from there. */
START_TEST(a_timer_stands_while_paused)
{
	static const uint32_t lvt[] = { 0x40, 0x20041, 0x40042 };
	struct cpu_apic a, back;
	uint64_t until, khz = kvm_cpu_tsc_khz(g->cpu), left;

	g->cpu->ops->set_paused(g->cpu, true);
	g->cpu->ops->set_state(g->cpu, &g->state);
	fill(&a, lvt[_i]);
	a.reg[INITIAL] = a.reg[CURRENT] = _i < 2 ? 1000000000 : 0;
	a.deadline = _i == 2 ? khz * 1000 : 0; /* in a second */
	g->cpu->ops->set_apic(g->cpu, &a);
	until = (uint64_t)clock_now() + 20000000;
	while ((uint64_t)clock_now() < until)
		;
	g->cpu->ops->get_apic(g->cpu, &back);
	ck_assert_uint_eq(back.reg[CURRENT], a.reg[CURRENT]);
	ck_assert_uint_eq(back.deadline, a.deadline);
	until = (uint64_t)clock_now();
	g->cpu->ops->set_paused(g->cpu, false);
	g->cpu->ops->set_paused(g->cpu, true);
	until = (uint64_t)clock_now() - until;
	g->cpu->ops->get_apic(g->cpu, &back);
	left = _i == 2 ? (back.deadline - kvm_cpu_paused_tsc(g->cpu)) / khz * 1000000 : back.reg[CURRENT];
	ck_assert_uint_ge(left + until + 1000000, 1000000000); /* no more went than the time that was */
}
END_TEST

/* ---- moments ------------------------------------------------------------------------------ */

/* LAPIC on, LINT0 takes ExtINT; port 0x80; interrupts open; wait. */
GUEST_CODE_TEXT(code_wait, "movl $0xfee000f0, %esi\n movl $0x1ff, (%rsi)\n movl $0x700, 0x260(%rsi)\n"
			   "outb %al, $0x80\n sti\n 1: hlt\n jmp 1b\n");

static void *kicker(void *arg)
{
	nsec_t until = clock_now() + NSEC_PER_MSEC;

	(void)arg;
	while (clock_now() < until)
		;
	g->cpu->ops->kick(g->cpu);
	return NULL;
}

/* Until the guest waits with interrupts open. A kick may come before it is there: it runs on then. */
static void run_to_hlt(void)
{
	const uint64_t behind_hlt = GUEST_CODE + (uint64_t)(code_wait_end - code_wait) - 2;
	bool has_begun = false;
	struct cpu_state s;
	pthread_t thread;

	do {
		enum cpu_stop stop;

		ck_assert_int_eq(pthread_create(&thread, NULL, kicker, NULL), 0);
		stop = has_begun ? guest_resume(g) : guest_run(g, code_wait, code_wait_end, 0);
		(void)pthread_join(thread, NULL);
		ck_assert_int_eq(stop, CPU_STOP_KICK);
		has_begun = true;
		g->cpu->ops->get_state(g->cpu, &s);
	} while (s.rip != behind_hlt);
}

/* An interrupt that KVM has begun to deliver is in IRR, where it was; and it is delivered. */
START_TEST(a_vector_on_its_way_is_requested)
{
	struct cpu_apic a;

	run_to_hlt();
	kvm_vm_msi(g->vm, GUEST_LAPIC, 0x45);
	g->cpu->ops->set_paused(g->cpu, true);
	g->cpu->ops->get_apic(g->cpu, &a);
	ck_assert(vector_in(a.reg + IRR, 0x45));
	ck_assert(!vector_in(a.reg + ISR, 0x45));
	g->cpu->ops->set_paused(g->cpu, false);
	ck_assert_int_eq(guest_resume(g), CPU_STOP_KICK);
	ck_assert_uint_eq(g->stop_value, 0x145);
}
END_TEST

/* A vector of the 8259s that was given and not taken goes back to them. */
START_TEST(a_vector_of_the_8259_comes_back)
{
	struct cpu_apic a;

	run_to_hlt();
	g->intr_vector = 0x28;
	g->cpu->ops->set_intr(g->cpu, true);
	g->cpu->ops->kick(g->cpu); /* so that it is given, and the guest does not go on */
	ck_assert_int_eq(guest_resume(g), CPU_STOP_KICK);
	ck_assert_uint_eq(g->n_acks, 1);
	ck_assert_uint_eq(g->n_backs, 0);
	g->cpu->ops->set_paused(g->cpu, true);
	ck_assert_uint_eq(g->n_backs, 1);
	ck_assert_int_eq(g->back_vector, 0x28);
	g->cpu->ops->get_apic(g->cpu, &a);
	ck_assert(a.extint);
	ck_assert(!vector_in(a.reg + IRR, 0x28) && !vector_in(a.reg + ISR, 0x28));
	g->cpu->ops->set_paused(g->cpu, false);
	ck_assert_int_eq(guest_resume(g), CPU_STOP_KICK);
	ck_assert_uint_eq(g->stop_value, 0x128);
	ck_assert_uint_eq(g->n_acks, 2);
}
END_TEST

/* The timer is armed for 1 ms, with interrupts shut, and due when port 0x80 is written. */
GUEST_CODE_TEXT(code_timer, "movl $0xfee000f0, %esi\n movl $0x1ff, (%rsi)\n movl $0xb, 0x2f0(%rsi)\n"
			    "movl $0x47, 0x230(%rsi)\n movl $1000000, 0x290(%rsi)\n outb %al, $0x80\n 1: jmp 1b\n");
GUEST_CODE_TEXT(code_deadline, "movl $0xfee000f0, %esi\n movl $0x1ff, (%rsi)\n movl $0x40047, 0x230(%rsi)\n"
			       "rdtsc\n movl $0x6e0, %ecx\n addl $1000, %eax\n adcl $0, %edx\n wrmsr\n"
			       "outb %al, $0x80\n 1: jmp 1b\n");

static void (*pio_write_before)(void *ctx, uint16_t port, unsigned size, uint32_t v);

static void due_at_80(void *ctx, uint16_t port, unsigned size, uint32_t v)
{
	nsec_t until = clock_now() + 20 * NSEC_PER_MSEC;

	if (port == 0x80) {
		while (clock_now() < until)
			;
		g->cpu->ops->kick(g->cpu);
	}
	pio_write_before(ctx, port, size, v);
}

/* 0: one-shot; 1: deadline. Its request waits in KVM until the guest is entered. */
START_TEST(a_timer_that_came_due_is_requested)
{
	const char *start = _i ? code_deadline : code_timer, *end = _i ? code_deadline_end : code_timer_end;
	struct cpu_apic a;

	pio_write_before = g->bus.pio_write;
	g->bus.pio_write = due_at_80;
	ck_assert_int_eq(guest_run(g, start, end, 0), CPU_STOP_KICK);
	g->cpu->ops->set_paused(g->cpu, true);
	g->cpu->ops->get_apic(g->cpu, &a);
	ck_assert_uint_eq(a.reg[LVT_TIMER_REG], _i ? 0x40047 : 0x47);
	ck_assert(vector_in(a.reg + IRR, 0x47));
	ck_assert_uint_eq(a.deadline, 0);
	ck_assert_uint_eq(a.reg[CURRENT], 0);
}
END_TEST

GUEST_CODE_TEXT(code_in, "movw $0x70, %dx\n inl %dx, %eax\n 1: jmp 1b\n");
GUEST_CODE_TEXT(code_load, "movl $0xd0000000, %esi\n movl (%rsi), %eax\n 1: jmp 1b\n");

static uint32_t kick_pio_read(void *ctx, uint16_t port, unsigned size)
{
	(void)ctx;
	(void)port;
	(void)size;
	g->cpu->ops->kick(g->cpu);
	return 0xA1B2C3D4;
}

static uint64_t kick_mmio_read(void *ctx, uint64_t gpa, unsigned size)
{
	(void)gpa;
	return kick_pio_read(ctx, 0, size);
}

/* A kick in the middle of a read: the instruction is over when the processor stands.
 * 0: a port; 1: memory. */
START_TEST(an_access_under_way_is_finished)
{
	const char *start = _i ? code_load : code_in, *end = _i ? code_load_end : code_in_end;
	struct cpu_state s;

	g->bus.pio_read = kick_pio_read;
	g->bus.mmio_read = kick_mmio_read;
	ck_assert_int_eq(guest_run(g, start, end, 0), CPU_STOP_KICK);
	g->cpu->ops->set_paused(g->cpu, true);
	g->cpu->ops->get_state(g->cpu, &s);
	ck_assert_uint_eq(s.gpr[CPU_RAX], 0xA1B2C3D4);
	ck_assert_uint_eq(s.rip, GUEST_CODE + (uint64_t)(end - start) - 2);
}
END_TEST

/* A kick that was given while it settles is not lost, and none is made. */
START_TEST(a_pause_keeps_kicks)
{
	run_to_hlt();
	g->cpu->ops->kick(g->cpu);
	g->cpu->ops->set_paused(g->cpu, true);
	g->cpu->ops->set_paused(g->cpu, false);
	ck_assert_int_eq(guest_resume(g), CPU_STOP_KICK);
	g->cpu->ops->set_paused(g->cpu, true);
	g->cpu->ops->set_paused(g->cpu, false);
	kvm_vm_msi(g->vm, GUEST_LAPIC, 0x45);
	ck_assert_int_eq(guest_resume(g), CPU_STOP_KICK);
	ck_assert_uint_eq(g->stop_value, 0x145);
}
END_TEST

START_TEST(a_processor_that_waits_for_its_start_comes_back)
{
	struct cpu_state s = g->state, back;

	s.wait_sipi = true;
	g->cpu->ops->set_state(g->cpu, &s);
	g->cpu->ops->get_state(g->cpu, &back);
	ck_assert(back.wait_sipi && !back.halted);
}
END_TEST

/* ---- the TSC's speed ------------------------------------------------------------------------ */

START_TEST(a_tsc_is_given_or_refused_with_both_numbers)
{
	uint32_t khz = kvm_cpu_tsc_khz(g->cpu), want = khz + khz / 2;
	struct cpu_state s = g->state, back;
	char number[16];

	s.tsc_khz = khz + khz / 100000; /* another calibration of the same host */
	g->cpu->ops->set_state(g->cpu, &s);
	ck_assert_str_eq(g->cpu->ops->error(g->cpu), "");
	g->cpu->ops->get_state(g->cpu, &back);
	ck_assert_uint_eq(back.tsc_khz, s.tsc_khz);
	s.tsc_khz = want;
	g->cpu->ops->set_state(g->cpu, &s);
	if (!*g->cpu->ops->error(g->cpu)) { /* it scales */
		g->cpu->ops->get_state(g->cpu, &back);
		ck_assert_uint_eq(back.tsc_khz, want);
		return;
	}
	(void)snprintf(number, sizeof number, "%u kHz;", want);
	ck_assert_ptr_nonnull(strstr(g->cpu->ops->error(g->cpu), number));
	(void)snprintf(number, sizeof number, "%u kHz,", khz);
	ck_assert_ptr_nonnull(strstr(g->cpu->ops->error(g->cpu), number));
}
END_TEST

/* ---- machines ------------------------------------------------------------------------------- */

enum { MEMORY = 4 << 20, TRIES = 50 };

static struct machine_config cfg;
static struct bytes saved;
static char *save_why;

static void machine_setup(void)
{
	cfg = (struct machine_config){ .name = "t/vm", .memory_bytes = MEMORY, .cpus = 1, .seed = 1, .initrd_fd = -1,
				       .kernel_fd = tick_kernel(), .pmem_fd = -1, .serial_fd = -1, .agent_fd = -1,
				       .control_fd = -1, .state_fd = -1 };
	saved = (struct bytes){ 0 };
}

static void machine_teardown(void)
{
	(void)close(cfg.kernel_fd);
	bytes_done(&saved);
}

static struct machine *make(bool kvm, uint32_t tsc_khz)
{
	struct machine *m = NULL;
	char *why = NULL;

	cfg.engine = kvm ? MACHINE_ENGINE_KVM : MACHINE_ENGINE_SOFT;
	cfg.restore = false;
	cfg.tsc_khz = tsc_khz;
	ck_assert_msg(machine_new(&cfg, &m, &why) == 0, "%s", why);
	return m;
}

static struct machine *load(bool kvm, const struct bytes *b, char **ret_why)
{
	struct machine *m = NULL;

	cfg.engine = kvm ? MACHINE_ENGINE_KVM : MACHINE_ENGINE_SOFT;
	cfg.restore = true;
	cfg.state_fd = memfd_create("state", MFD_CLOEXEC);
	ck_assert_int_eq(fd_write_all(cfg.state_fd, b->data, b->len), 0);
	if (machine_new(&cfg, &m, ret_why) < 0)
		ck_assert_ptr_null(m);
	(void)close(cfg.state_fd);
	return m;
}

static void save(struct machine *m, struct bytes *ret)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	char path[64];
	uint64_t n = 0;

	(void)machine_save(m, fd, &n, &save_why);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ret->len = 0;
	ck_assert_int_eq(file_read_all(path, 64 << 20, ret), 0);
	(void)close(fd);
}

static void save_and_end(void *ctx, nsec_t now)
{
	struct machine *m = ctx;

	(void)now;
	save(m, &saved);
	machine_end_now(m, MACHINE_END_QUIT, NULL);
}

/* Runs a new machine until it is saved, some milliseconds on; again when it was
 * slow to be looked at and powered off before. */
static void run_and_save(bool kvm, uint32_t tsc_khz, unsigned ms)
{
	for (unsigned i = 0; i < TRIES && !saved.len; i++) {
		struct machine *m = make(kvm, tsc_khz);
		CLEANUP(free) char *why = NULL;
		enum machine_end end;

		ck_assert_int_eq(loop_add_timer(m->loop, clock_now() + ms * NSEC_PER_MSEC, save_and_end, m, NULL), 0);
		end = machine_run(m, &why);
		ck_assert_msg(end == MACHINE_END_QUIT || end == MACHINE_END_POWEROFF, "%s", why ? why : "?");
		(void)machine_free(m);
	}
	ck_assert_msg(saved.len && !save_why, "%s", save_why ? save_why : "it was never saved");
}

static uint32_t kvm_khz(void)
{
	struct machine *m = make(true, 0);
	uint32_t khz = kvm_cpu_tsc_khz(m->cpu);

	(void)machine_free(m);
	return khz;
}

/* Which engine it comes from and goes to, and when: within work, and in HLT. */
START_TEST(a_machine_goes_on_under_the_other_engine)
{
	bool from_kvm = _i & 1, to_kvm = _i & 2;
	CLEANUP(free) char *why = NULL;
	struct machine *m;

	run_and_save(from_kvm, kvm_khz(), 3 + 7 * ((unsigned)_i >> 2));
	m = load(to_kvm, &saved, &why);
	ck_assert_msg(m != NULL, "%s", why);
	ck_assert(m->paused);
	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_POWEROFF);
	ck_assert_uint_eq(*(uint32_t *)(void *)(m->mem.host + TICK_COUNT_AT), TICK_COUNT);
	(void)machine_free(m);
}
END_TEST

/* Sections that an engine tells in another way than the one they are from. */
static bool may_differ(const uint8_t *head)
{
	return memcmp(head, "lapc", 4) == 0 || memcmp(head, "turn", 4) == 0;
}

/* Loaded and saved again, by KVM: of KVM's own the same file, of the soft engine's
 * the same but for what is turns and fractions of a timer's tick. */
START_TEST(loaded_and_saved_again_it_is_the_same)
{
	CLEANUP(bytes) struct bytes again = { 0 };
	CLEANUP(free) char *why = NULL;
	size_t at = STATE_HEADER_LEN, at2 = STATE_HEADER_LEN;
	struct forge_section a, b;
	struct machine *m;

	run_and_save(_i & 1, kvm_khz(), 3 + 7 * ((unsigned)_i >> 1));
	m = load(true, &saved, &why);
	ck_assert_msg(m != NULL, "%s", why);
	save(m, &again);
	(void)machine_free(m);
	ck_assert_uint_eq(saved.len, again.len);
	while (forge_next(saved.data, &at, &a) && forge_next(again.data, &at2, &b)) {
		ck_assert_mem_eq(saved.data + a.head, again.data + b.head, 8);
		if (!(_i & 1) && may_differ(saved.data + a.head))
			continue;
		ck_assert_uint_eq(a.len, b.len);
		for (size_t i = 0; i < a.len; i++)
			ck_assert_msg(saved.data[a.payload + i] == again.data[b.payload + i],
				      "%.4s differs from its byte %zu on", (char *)saved.data + a.head, i);
	}
}
END_TEST

/* A gate for vector 0x46 in the table at 0x1000; then each wake-up is counted, and behind the
 * third one there is to be none. The handler counts, takes the cause away at the third, EOI. */
GUEST_CODE_TEXT(code_level, "leaq 2f(%rip), %rax\n movw %ax, 0x1460\n movw $0x10, 0x1462\n movw $0x8e00, 0x1464\n"
			    "shrl $16, %eax\n movw %ax, 0x1466\n movw $0xfff, 0x2000\n movq $0x1000, 0x2002\n"
			    "lidt 0x2000\n movl $0x8000, %esp\n movl $0xfee00000, %ebx\n"
			    "1: sti\n hlt\n cli\n cmpl $3, 0x3000\n jb 1b\n"
			    "sti\n movl $1000, %ecx\n 3: pause\n loop 3b\n cli\n"
			    "movw $0x604, %dx\n movw $0x3400, %ax\n outw %ax, %dx\n hlt\n"
			    "2: pushq %rax\n pushq %rdx\n incl 0x3000\n cmpl $3, 0x3000\n jne 4f\n"
			    "movw $0x600, %dx\n movw $0x100, %ax\n outw %ax, %dx\n"
			    "4: movl $0, 0xb0(%rbx)\n popq %rdx\n popq %rax\n iretq\n");

/* A level-triggered pin of the I/O APIC whose message waits in IRR, remote IRR set, its line
 * up: saved so, under KVM each EOI must be told, and the message come again, until the line
 * falls. @_i: as often it is loaded and saved again before it runs. */
START_TEST(a_level_interrupt_goes_on)
{
	CLEANUP(free) char *why = NULL;
	struct machine *m;

	(void)close(cfg.kernel_fd);
	cfg.kernel_fd = kernel_of(code_level, (size_t)(code_level_end - code_level));
	m = make(false, kvm_khz());
	lapic_mmio_write(&m->vcpu[0].lapic, 0xF0, 4, 0x1FF);
	bus_mmio_write(&m->bus, IOAPIC_BASE, 4, 0x10 + 2 * ACPI_SCI);
	bus_mmio_write(&m->bus, IOAPIC_BASE + 0x10, 4, 0x8046);
	bus_pio_write(&m->bus, ACPI_PM1A_EVT + 2, 2, 0x100);
	(void)acpi_power_button(&m->acpi);
	ck_assert(m->ioapic.entry[ACPI_SCI] & 1 << 14);
	save(m, &saved);
	(void)machine_free(m);
	for (int i = 0; i <= _i; i++) {
		m = load(true, &saved, &why);
		ck_assert_msg(m != NULL, "%s", why);
		if (i < _i) {
			save(m, &saved);
			(void)machine_free(m);
		}
	}
	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_POWEROFF);
	ck_assert_uint_eq(*(uint32_t *)(void *)(m->mem.host + 0x3000), 3);
	ck_assert(!(m->ioapic.entry[ACPI_SCI] & 1 << 14));
	(void)machine_free(m);
}
END_TEST

/* ---- several processors ------------------------------------------------------------------ */

enum { CPUS = 3, EARLY = 12, LATE = 6, FROM_KVM = 12 };

static struct machine *make_smp(bool kvm)
{
	(void)close(cfg.kernel_fd);
	cfg.kernel_fd = smp_guest_kernel();
	cfg.cpus = CPUS;
	return make(kvm, kvm_khz());
}

static void save_once(void *ctx, struct machine *m)
{
	(void)ctx;
	if (saved.len)
		return;
	save(m, &saved);
	machine_end_now(m, MACHINE_END_QUIT, NULL);
}

/* How many instructions a whole run has, about: the clock is the host's. */
static uint64_t smp_instructions(void)
{
	struct machine *m = make_smp(false);
	CLEANUP(free) char *why = NULL;
	uint64_t n;

	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_POWEROFF);
	n = machine_instructions(m);
	(void)machine_free(m);
	return n;
}

static void goes_on(bool kvm)
{
	CLEANUP(free) char *why = NULL;
	struct machine *m;

	ck_assert_msg(saved.len && !save_why, "%s", save_why ? save_why : "it was never saved");
	m = load(kvm, &saved, &why);
	ck_assert_msg(m != NULL, "%s", why);
	ck_assert_msg(machine_run(m, &why) == MACHINE_END_POWEROFF, "%s", why ? why : "?");
	smp_guest_check(&m->mem, CPUS, false);
	(void)machine_free(m);
}

/* At instants from the first INIT to the last IPI: the first EARLY are 30 instructions
 * apart, in which processors are started, the others spread over the rest. */
START_TEST(processors_go_on_under_kvm)
{
	uint64_t n = smp_instructions(), at = _i < EARLY ? 220 + 30 * (uint64_t)_i : n * (uint64_t)(_i - EARLY) / LATE;
	struct machine *m = make_smp(false);
	CLEANUP(free) char *why = NULL;

	machine_set_probe(m, at + 1, save_once, NULL);
	ck_assert_int_eq(machine_run(m, &why), MACHINE_END_QUIT);
	(void)machine_free(m);
	goes_on(true);
}
END_TEST

/* And back, 600 us apart: under KVM nothing is counted. */
START_TEST(processors_come_from_kvm)
{
	for (unsigned i = 0; i < TRIES && !saved.len; i++) {
		struct machine *m = make_smp(true);
		CLEANUP(free) char *why = NULL;

		ck_assert_int_eq(loop_add_timer(m->loop, clock_now() + _i / 2 * 600000, save_and_end, m, NULL), 0);
		(void)machine_run(m, &why);
		(void)machine_free(m);
	}
	goes_on(_i & 1);
}
END_TEST

/* ---- what is refused ---------------------------------------------------------------------- */

static void refused(const struct bytes *b, const char *says)
{
	CLEANUP(free) char *why = NULL;
	struct machine *m = load(true, b, &why);

	ck_assert_msg(!m, "it was taken; it should have said: %s", says);
	ck_assert_msg(why && strstr(why, says), "says %s, not %s", why ? why : "nothing", says);
}

/* A file of KVM's is the same kind of file. */
START_TEST(damage_is_refused_with_its_place)
{
	size_t at = STATE_HEADER_LEN, len;
	struct forge_section sec;

	run_and_save(true, 0, 10);
	len = saved.len;
	while (forge_next(saved.data, &at, &sec)) {
		uint8_t version = saved.data[sec.head + 8];
		char place[96];

		(void)snprintf(place, sizeof place, "at byte %zu:", sec.head);
		saved.data[sec.payload] ^= 0x10;
		refused(&saved, place);
		saved.data[sec.payload] ^= 0x10;
		saved.len = sec.head;
		refused(&saved, "the file stops here");
		saved.len = len;
		saved.data[sec.head + 8]++;
		forge_reseal(saved.data, saved.len);
		(void)snprintf(place, sizeof place, "at byte %zu: version %u is newer than %u", sec.head, version + 1u,
			       version);
		refused(&saved, place);
		saved.data[sec.head + 8] = version;
		forge_reseal(saved.data, saved.len);
	}
}
END_TEST

/* Where KVM scales it goes on at its speed. */
START_TEST(a_speed_is_given_or_refused_with_both_numbers)
{
	uint32_t khz = kvm_khz();
	CLEANUP(free) char *why = NULL;
	struct machine *m;
	char says[96];

	run_and_save(false, khz * 2, 3);
	m = load(true, &saved, &why);
	if (m) {
		ck_assert_uint_eq(kvm_cpu_tsc_khz(m->cpu), khz * 2);
		ck_assert_int_eq(machine_run(m, &why), MACHINE_END_POWEROFF);
		(void)machine_free(m);
		return;
	}
	(void)snprintf(says, sizeof says, "%u kHz; this host's KVM gives %u kHz", khz * 2, khz);
	ck_assert_msg(strstr(why, says) && strstr(why, "section cpu_.0"), "%s", why);
}
END_TEST

enum { N_TESTS = 5 + 3 + 1 + 1 + 2 + 2 + 1 + 1 + 1, N_MACHINE_TESTS = 12 + 6 + 2 + EARLY + LATE + FROM_KVM + 1 + 1 };

static Suite *make_suite(void)
{
	Suite *suite = suite_create("state under KVM");
	TCase *tc = tcase_create("processor"), *machines = tcase_create("machines"), *smp = tcase_create("smp");
	CLEANUP(free) char *why = guest_why_not();
	CLEANUP(free) char *why_model = NULL;

	/* Here, since a suite frees what it has: one that stays empty runs nothing. */
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, machines);
	suite_add_tcase(suite, smp);
	if (why) {
		(void)printf("skipped %d: state under KVM: %s\n", N_TESTS + N_MACHINE_TESTS, why);
		return suite;
	}
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, an_apic_comes_back, 0, 5);
	tcase_add_loop_test(tc, a_timer_stands_while_paused, 0, 3);
	tcase_add_test(tc, a_vector_on_its_way_is_requested);
	tcase_add_test(tc, a_vector_of_the_8259_comes_back);
	tcase_add_loop_test(tc, a_timer_that_came_due_is_requested, 0, 2);
	tcase_add_loop_test(tc, an_access_under_way_is_finished, 0, 2);
	tcase_add_test(tc, a_pause_keeps_kicks);
	tcase_add_test(tc, a_processor_that_waits_for_its_start_comes_back);
	tcase_add_test(tc, a_tsc_is_given_or_refused_with_both_numbers);
	if (kvm_usable(&why_model) < 0) {
		(void)printf("skipped %d: machines on KVM: %s\n", N_MACHINE_TESTS, why_model);
		return suite;
	}
	tcase_add_checked_fixture(machines, machine_setup, machine_teardown);
	tcase_set_timeout(machines, 60);
	tcase_add_loop_test(machines, a_machine_goes_on_under_the_other_engine, 0, 12);
	tcase_add_loop_test(machines, loaded_and_saved_again_it_is_the_same, 0, 6);
	tcase_add_loop_test(machines, a_level_interrupt_goes_on, 0, 2);
	tcase_add_test(machines, damage_is_refused_with_its_place);
	tcase_add_test(machines, a_speed_is_given_or_refused_with_both_numbers);
	tcase_add_checked_fixture(smp, machine_setup, machine_teardown);
	tcase_set_timeout(smp, 60);
	tcase_add_loop_test(smp, processors_go_on_under_kvm, 0, EARLY + LATE);
	tcase_add_loop_test(smp, processors_come_from_kvm, 0, FROM_KVM);
	return suite;
}

UNIT_MAIN(make_suite);
