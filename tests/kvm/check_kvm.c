/* tests/kvm/check_kvm.c: the KVM engine, path by path, in tiny guests.
 *
 * Some hosts' KVM emulates supervisor code: a few instructions at CPL 0 are right
 * there too, but RDTSC and a few leaves of CPUID are the host's own, and a triple
 * fault and an EOI are not told; those tests need a KVM that can show the model. Where /dev/kvm does
 * not open, or has not the engine's interfaces, nothing is checked. What is left
 * out is told, and counted. */
#include "tests/kvm/guest.h"
#include "tests/unit.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "vmm/cpu/msr.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct guest *g;

static void set_up(void)
{
	g = guest_new();
}

static void tear_down(void)
{
	g = guest_free(g);
}

/* Every test at both rings, where the instructions allow it. */
static const unsigned rings[] = { 0, 3 };

static void assert_done(enum cpu_stop stop)
{
	ck_assert_str_eq(g->cpu->ops->error(g->cpu), "");
	ck_assert_int_eq(stop, CPU_STOP_KICK);
	ck_assert(g->stopped);
	ck_assert_uint_eq(g->stop_value, 1);
}

static void assert_access(unsigned i, bool is_mmio, bool is_write, uint64_t addr, unsigned size,
			  uint64_t value)
{
	ck_assert_uint_lt(i, g->n_access);
	ck_assert_int_eq(g->access[i].is_mmio, is_mmio);
	ck_assert_int_eq(g->access[i].is_write, is_write);
	ck_assert_uint_eq(g->access[i].addr, addr);
	ck_assert_uint_eq(g->access[i].size, size);
	if (is_write)
		ck_assert_uint_eq(g->access[i].value, value);
}

/* ---- ports and memory-mapped registers ------------------------------------------------- */

GUEST_CODE_TEXT(code_pio, "movl $0x11223344, %eax\n outb %al, $0x80\n movw $0x3f8, %dx\n outw %ax, %dx\n"
			  "outl %eax, %dx\n xorl %eax, %eax\n inb $0x71, %al\n movl %eax, %ebx\n"
			  "inl %dx, %eax\n movl %eax, %ecx\n" GUEST_DONE);
START_TEST(port_accesses)
{
	struct cpu_state s;

	g->answer = 0xA1B2C3D4;
	assert_done(guest_run(g, code_pio, code_pio_end, rings[_i]));
	ck_assert_uint_eq(g->n_access, 5);
	assert_access(0, false, true, 0x80, 1, 0x44);
	assert_access(1, false, true, 0x3F8, 2, 0x3344);
	assert_access(2, false, true, 0x3F8, 4, 0x11223344);
	assert_access(3, false, false, 0x71, 1, 0);
	assert_access(4, false, false, 0x3F8, 4, 0);
	g->cpu->ops->get_state(g->cpu, &s);
	ck_assert_uint_eq(s.gpr[CPU_RBX], 0xD4);
	ck_assert_uint_eq(s.gpr[CPU_RCX], 0xA1B2C3D4);
	ck_assert_uint_eq(s.rip, GUEST_CODE + (uint64_t)(code_pio_end - code_pio));
}
END_TEST

GUEST_CODE_TEXT(code_outs, "leaq 1f(%rip), %rsi\n movl $5, %ecx\n movw $0x3f8, %dx\n cld\n rep outsb\n" GUEST_DONE
			   "1: .ascii \"hello\"");
START_TEST(port_strings)
{
	assert_done(guest_run(g, code_outs, code_outs_end, rings[_i]));
	ck_assert_uint_eq(g->n_access, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_access(i, false, true, 0x3F8, 1, (uint8_t)"hello"[i]);
}
END_TEST

GUEST_CODE_TEXT(code_mmio, "movabsq $0x1122334455667788, %rax\n movl $0xd0000000, %esi\n movb %al, (%rsi)\n"
			   "movw %ax, 2(%rsi)\n movl %eax, 4(%rsi)\n movq %rax, 8(%rsi)\n movq 16(%rsi), %rbx\n"
			   "movzbl 24(%rsi), %ecx\n" GUEST_DONE);
START_TEST(mmio_accesses)
{
	struct cpu_state s;

	g->answer = UINT64_C(0xA1B2C3D4E5F60718);
	assert_done(guest_run(g, code_mmio, code_mmio_end, rings[_i]));
	ck_assert_uint_eq(g->n_access, 6);
	assert_access(0, true, true, GUEST_MMIO, 1, 0x88);
	assert_access(1, true, true, GUEST_MMIO + 2, 2, 0x7788);
	assert_access(2, true, true, GUEST_MMIO + 4, 4, 0x55667788);
	assert_access(3, true, true, GUEST_MMIO + 8, 8, UINT64_C(0x1122334455667788));
	assert_access(4, true, false, GUEST_MMIO + 16, 8, 0);
	assert_access(5, true, false, GUEST_MMIO + 24, 1, 0);
	g->cpu->ops->get_state(g->cpu, &s);
	ck_assert_uint_eq(s.gpr[CPU_RBX], g->answer);
	ck_assert_uint_eq(s.gpr[CPU_RCX], 0x18);
}
END_TEST

/* A doorbell rings at its address and nowhere else, for whatever width, and lets the guest go on. */
GUEST_CODE_TEXT(code_bell, "movl $0xd0003000, %esi\n movw $1, 4(%rsi)\n movl $1, 4(%rsi)\n movb $1, 4(%rsi)\n"
			   "movw $7, 8(%rsi)\n" GUEST_DONE);
START_TEST(doorbell_rings)
{
	CLEANUP(fd) int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t n = 0;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(kvm_vm_bell(g->vm, GUEST_MMIO + 0x3004, fd, true), 0);
	ck_assert_int_eq(kvm_vm_bell(g->vm, GUEST_MMIO + 0x3004, fd, true), -EEXIST);
	assert_done(guest_run(g, code_bell, code_bell_end, rings[_i]));
	ck_assert_uint_eq(g->n_access, 1);
	assert_access(0, true, true, GUEST_MMIO + 0x3008, 2, 7);
	ck_assert_int_eq(read(fd, &n, sizeof n), sizeof n);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(kvm_vm_bell(g->vm, GUEST_MMIO + 0x3004, fd, false), 0);
	assert_done(guest_run(g, code_bell, code_bell_end, rings[_i]));
	ck_assert_uint_eq(g->n_access, 4);
	ck_assert_int_eq(read(fd, &n, sizeof n), -1);
}
END_TEST

/* ---- the model ---------------------------------------------------------------------------- */

GUEST_CODE_TEXT(code_cpuid, "cpuid\n movl %eax, 0x200000\n movl %ebx, 0x200004\n movl %ecx, 0x200008\n"
			    "movl %edx, 0x20000c\n" GUEST_DONE);
/* The last N_HOST_LEAVES are those into which a host that emulates mixes its own. */
enum { N_LEAVES = 27, N_HOST_LEAVES = 3 };
START_TEST(cpuid_is_the_model)
{
	static const uint32_t leaves[N_LEAVES][2] = {
		{ 0, 0 }, { 2, 0 }, { 4, 0 }, { 4, 1 }, { 4, 2 }, { 4, 3 }, { 6, 0 }, { 7, 1 },
		{ 0xB, 0 }, { 0xB, 1 }, { 0xB, 2 }, { 0x15, 0 }, { 0x16, 0 },
		{ 0x40000000, 0 }, { 0x40000001, 0 }, { 0x40000010, 0 }, { 0x80000000, 0 },
		{ 0x80000001, 0 }, { 0x80000002, 0 }, { 0x80000004, 0 }, { 0x80000006, 0 },
		{ 0x80000007, 0 }, { 0x80000008, 0 }, { 0x17, 0 }, { 1, 0 }, { 7, 0 }, { 0xD, 0 },
	};
	const char *start = code_cpuid, *end = code_cpuid_end;
	struct cpuid_regs want, got;
	struct cpu_state s;

	g->cpu->ops->get_state(g->cpu, &s);
	ck_assert_uint_eq(s.tsc_khz, kvm_cpu_tsc_khz(g->cpu));
	cpu_model_cpuid(&s, leaves[_i][0], leaves[_i][1], 0, 1, &want);
	(void)guest_run(g, start, end, 0); /* sets the mode */
	g->cpu->ops->get_state(g->cpu, &s);
	s.rip = GUEST_CODE;
	s.gpr[CPU_RAX] = leaves[_i][0];
	s.gpr[CPU_RCX] = leaves[_i][1];
	g->cpu->ops->set_state(g->cpu, &s);
	assert_done(guest_resume(g));
	memcpy(&got, mem_ptr(&g->mem, GUEST_DATA, sizeof got), sizeof got);
	ck_assert_uint_eq(got.eax, want.eax);
	ck_assert_uint_eq(got.ebx, want.ebx);
	ck_assert_uint_eq(got.ecx, want.ecx);
	ck_assert_uint_eq(got.edx, want.edx);
}
END_TEST

GUEST_CODE_TEXT(code_rdmsr, "movl 0x200000, %ecx\n rdmsr\n movl %eax, 0x200008\n movl %edx, 0x20000c\n" GUEST_DONE);

static bool guest_rdmsr(uint32_t msr, uint64_t *ret_v)
{
	uint64_t in = msr;
	enum cpu_stop stop;

	memcpy(mem_ptr(&g->mem, GUEST_DATA, 8), &in, 8);
	stop = guest_run(g, code_rdmsr, code_rdmsr_end, 0);
	ck_assert_str_eq(g->cpu->ops->error(g->cpu), "");
	ck_assert_int_eq(stop, CPU_STOP_KICK);
	memcpy(ret_v, mem_ptr(&g->mem, GUEST_DATA + 8, 8), 8);
	if (g->stop_value != 1)
		ck_assert_uint_eq(g->stop_value, 0x100 + 13); /* #GP */
	return g->stop_value == 1;
}

START_TEST(msrs_of_the_model)
{
	static const uint32_t msrs[] = { MSR_PLATFORM_ID, MSR_FEATURE_CONTROL, MSR_UCODE_REV, MSR_PLATFORM_INFO,
					 MSR_MTRR_CAP, MSR_ARCH_CAPABILITIES, MSR_MCG_CAP, MSR_MISC_ENABLE,
					 MSR_DEBUGCTL };
	uint64_t want = 1, got;

	ck_assert(cpu_model_msr_read(&g->state, msrs[_i], &want));
	ck_assert(guest_rdmsr(msrs[_i], &got));
	ck_assert_uint_eq(got, want);
}
END_TEST

/* Not the model's, though KVM has some of them: its own clocks, SMI count, microcode, AMD's. */
START_TEST(msrs_that_are_not_there)
{
	static const uint32_t msrs[] = { 0x4B564D00, 0x4B564D01, 0x11, 0x12, 0x34, 0xC0010015, 0xC0011029,
					 0x1D, 0x40000000, 0x48 };
	uint64_t v;

	ck_assert(!guest_rdmsr(msrs[_i], &v));
}
END_TEST

/* ---- state ------------------------------------------------------------------------------------ */

static void fill(struct cpu_state *s)
{
	for (unsigned i = 0; i < CPU_GPR_COUNT; i++)
		s->gpr[i] = UINT64_C(0x0123456789ABCDEF) * (i + 1);
	s->rip = GUEST_CODE + 0x123;
	s->rflags = 0x3247 & ~0x28u;
	s->seg[CPU_FS].base = 0x7F0012345000;
	s->seg[CPU_GS].base = 0xFFFF888012345000;
	s->cr2 = 0xDEADBEEF000;
	s->dr[0] = 0x401000;
	s->dr[3] = 0x402000;
	s->dr7 = 0x401;
	s->fx.fcw = 0x37F;
	s->fx.fsw = 0x3800;
	s->fx.ftw = 0x81;
	s->fx.mxcsr = 0x1FA0;
	for (unsigned i = 0; i < 8; i++)
		memset(s->fx.st[i], (int)i + 1, 10);
	for (unsigned i = 0; i < 16; i++)
		memset(s->fx.xmm[i], 0x10 + (int)i, 16);
	s->star = UINT64_C(0x0023001000000000);
	s->lstar = 0xFFFFFFFF81000000;
	s->cstar = 0xFFFFFFFF81000100;
	s->sfmask = 0x47700;
	s->kernel_gs_base = 0x7FFF00001000;
	s->sysenter_cs = 0x10;
	s->sysenter_esp = 0xFFFFC90000001000;
	s->sysenter_eip = 0xFFFFFFFF81000200;
	s->tsc_offset = 1000000;
	s->mtrr_def_type = 0xC06;
	s->mtrr_fixed[0] = s->mtrr_fixed[10] = UINT64_C(0x0606060606060606);
	s->mtrr_var[0] = 0xC0000000;
	s->mtrr_var[1] = UINT64_C(0xFFC0000800);
	s->misc_enable = 0x1800;
}

static void assert_same(const struct cpu_state *a, const struct cpu_state *b)
{
#define SAME(member) ck_assert_msg(memcmp(&a->member, &b->member, sizeof a->member) == 0, #member)
	SAME(gpr);
	SAME(rip);
	SAME(rflags);
	SAME(seg);
	SAME(tr);
	SAME(gdtr);
	SAME(idtr);
	SAME(cr0);
	SAME(cr2);
	SAME(cr3);
	SAME(cr4);
	SAME(cr8);
	SAME(efer);
	SAME(dr);
	SAME(dr7);
	SAME(fx);
	SAME(star);
	SAME(lstar);
	SAME(cstar);
	SAME(sfmask);
	SAME(kernel_gs_base);
	SAME(sysenter_cs);
	SAME(sysenter_esp);
	SAME(sysenter_eip);
	SAME(pat);
	SAME(misc_enable);
	SAME(mtrr_def_type);
	SAME(apic_base);
	SAME(tsc_offset);
	SAME(mtrr_fixed);
	SAME(mtrr_var);
	SAME(halted);
	SAME(shadow);
	SAME(nmi_masked);
	SAME(nmi_pending);
#undef SAME
}

/* 0: running; 1: halted; 2: NMI pending and masked; 3: shadow. */
START_TEST(state_comes_back)
{
	struct cpu_state s = g->state, back;

	fill(&s);
	s.halted = _i == 1;
	s.nmi_masked = s.nmi_pending = _i == 2;
	s.shadow = _i == 3;
	g->cpu->ops->set_state(g->cpu, &s);
	ck_assert_str_eq(g->cpu->ops->error(g->cpu), "");
	g->cpu->ops->get_state(g->cpu, &back);
	assert_same(&s, &back);
}
END_TEST

GUEST_CODE_TEXT(code_fault, "int3\n");
START_TEST(triple_fault_is_a_shutdown)
{
	struct cpu_state s;

	(void)guest_run(g, code_pio, code_pio_end, 0);
	memcpy(mem_ptr(&g->mem, GUEST_CODE, 1), code_fault, 1);
	s = g->state;
	s.idtr.limit = 0;
	g->cpu->ops->set_state(g->cpu, &s);
	ck_assert_int_eq(guest_resume(g), CPU_STOP_SHUTDOWN);
}
END_TEST

/* ---- interrupts --------------------------------------------------------------------------------- */

/* LAPIC on, interrupts open, wait. */
GUEST_CODE_TEXT(code_wait, "movl $0xfee000f0, %esi\n movl $0x1ff, (%rsi)\n sti\n 1: hlt\n jmp 1b\n");
START_TEST(kick_before_a_run_is_not_lost)
{
	kvm_vm_msi(g->vm, GUEST_LAPIC, 0x45); /* lost: the LAPIC is not on */
	g->n_access = 0;
	memcpy(mem_ptr(&g->mem, GUEST_CODE, 64), code_wait, (size_t)(code_wait_end - code_wait));
	g->cpu->ops->set_state(g->cpu, &g->state);
	g->cpu->ops->kick(g->cpu);
	ck_assert_int_eq(guest_resume(g), CPU_STOP_KICK);
	ck_assert(!g->stopped);
}
END_TEST

/* LAPIC on; then port 0x80 lets the test send; then wait. */
GUEST_CODE_TEXT(code_armed, "movl $0xfee000f0, %esi\n movl $0x1ff, (%rsi)\n outb %al, $0x80\n sti\n 1: hlt\n jmp 1b\n");

static void (*on_port80)(void);
static void (*pio_write_before)(void *ctx, uint16_t port, unsigned size, uint32_t v);

static void pio_write_hook(void *ctx, uint16_t port, unsigned size, uint32_t v)
{
	if (port == 0x80 && on_port80)
		on_port80();
	pio_write_before(ctx, port, size, v);
}

static enum cpu_stop run_armed(const char *start, const char *end, void (*fn)(void))
{
	enum cpu_stop stop;

	on_port80 = fn;
	pio_write_before = g->bus.pio_write;
	g->bus.pio_write = pio_write_hook;
	stop = guest_run(g, start, end, 0);
	g->bus.pio_write = pio_write_before;
	return stop;
}

static void send_fixed(void)
{
	kvm_vm_msi(g->vm, GUEST_LAPIC, 0x45);
}

START_TEST(message_is_delivered)
{
	ck_assert_int_eq(run_armed(code_armed, code_armed_end, send_fixed), CPU_STOP_KICK);
	ck_assert_uint_eq(g->stop_value, 0x145);
}
END_TEST

/* The handler of 0x46 says EOI and waits. */
static const uint8_t eoi_handler[] = { 0xBE, 0xB0, 0x00, 0xE0, 0xFE, 0xC7, 0x06, 0, 0, 0, 0, 0xF4, 0xEB, 0xFD };

static void send_level(void)
{
	memcpy(mem_ptr(&g->mem, GUEST_HANDLERS + 16 * 0x46, 14), eoi_handler, 14);
	kvm_vm_route(g->vm, 5, GUEST_LAPIC, 0xC046);
	kvm_vm_msi(g->vm, GUEST_LAPIC, 0xC046);
}

START_TEST(eoi_of_a_level_interrupt_is_told)
{
	ck_assert_int_eq(run_armed(code_armed, code_armed_end, send_level), CPU_STOP_KICK);
	ck_assert_int_eq(g->eoi_vector, 0x46);
	ck_assert(!g->stopped);
}
END_TEST

/* LINT0 takes the 8259's, though the guest never touched the local APIC. */
GUEST_CODE_TEXT(code_extint, "outb %al, $0x80\n nop\n sti\n 1: hlt\n jmp 1b\n");

static void raise_8259(void)
{
	g->intr_vector = 0x28;
	g->cpu->ops->set_intr(g->cpu, true);
}

START_TEST(interrupt_of_the_8259)
{
	ck_assert_int_eq(run_armed(code_extint, code_extint_end, raise_8259), CPU_STOP_KICK);
	ck_assert_uint_eq(g->stop_value, 0x128);
	ck_assert_uint_eq(g->n_acks, 1);
}
END_TEST

static void send_nmi(void)
{
	g->cpu->ops->nmi(g->cpu);
}

START_TEST(nmi_is_delivered)
{
	ck_assert_int_eq(run_armed(code_armed, code_armed_end, send_nmi), CPU_STOP_KICK);
	ck_assert_uint_eq(g->stop_value, 0x102);
}
END_TEST

/* ---- kicks, pages, clock ---------------------------------------------------------------------------- */

static void *kicker(void *arg)
{
	volatile uint8_t *flag = arg;

	while (!*flag) /* the guest runs */
		;
	g->cpu->ops->kick(g->cpu);
	return NULL;
}

GUEST_CODE_TEXT(code_loop, "movb $1, 0x200000\n 1: jmp 1b\n");
START_TEST(kick_from_another_thread)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, kicker, mem_ptr(&g->mem, GUEST_DATA, 1)), 0);
	ck_assert_int_eq(guest_run(g, code_loop, code_loop_end, rings[_i]), CPU_STOP_KICK);
	(void)pthread_join(thread, NULL);
	ck_assert_uint_eq(g->n_access, 0);
}
END_TEST

GUEST_CODE_TEXT(code_touch, "movb $1, 0x300000\n movb $1, 0x305fff\n movb $1, 0x800000\n" GUEST_DONE);
START_TEST(dirty_log_tells_pages)
{
	uint8_t bits[(16 << 20) / 4096 / 8] = { 0 };

	assert_done(guest_run(g, code_pio, code_pio_end, 3));
	ck_assert_int_eq(kvm_vm_dirty_start(g->vm), 0);
	ck_assert_int_eq(kvm_vm_dirty_collect(g->vm, bits), 0);
	memset(bits, 0, sizeof bits);
	assert_done(guest_run(g, code_touch, code_touch_end, 3));
	ck_assert_int_eq(kvm_vm_dirty_collect(g->vm, bits), 0);
	for (unsigned page = 0x300; page < 0x1000; page++)
		ck_assert_int_eq(bits[page / 8] >> page % 8 & 1,
				 page == 0x300 || page == 0x305 || page == 0x800);
	kvm_vm_dirty_stop(g->vm);
}
END_TEST

GUEST_CODE_TEXT(code_rdtsc, "1: rdtsc\n movl %eax, 0x200000\n movl %edx, 0x200004\n" GUEST_DONE "jmp 1b\n");

static uint64_t guest_tsc(void)
{
	uint64_t v;

	memcpy(&v, mem_ptr(&g->mem, GUEST_DATA, 8), 8);
	return v;
}

/* What passes while it is paused is not in the TSC. */
START_TEST(pause_stops_the_tsc)
{
	nsec_t from = clock_now(), pause_from, pause_to;
	uint64_t first, passed;

	assert_done(guest_run(g, code_rdtsc, code_rdtsc_end, rings[_i]));
	first = guest_tsc();
	g->cpu->ops->set_paused(g->cpu, true);
	pause_from = clock_now();
	do
		pause_to = clock_now();
	while (pause_to - pause_from < 20 * NSEC_PER_MSEC);
	g->cpu->ops->set_paused(g->cpu, false);
	assert_done(guest_resume(g));
	passed = (uint64_t)(clock_now() - from - (pause_to - pause_from));
	ck_assert_uint_gt(guest_tsc(), first);
	/* A thousandth more: the host's clock is slewed, its TSC is not. */
	ck_assert_uint_le(guest_tsc() - first, passed / 1000 * kvm_cpu_tsc_khz(g->cpu) / 1000 * 1001 / 1000);
}
END_TEST

enum { N_TESTS = 62, N_MODEL_TESTS = N_HOST_LEAVES + 4 };

static Suite *make_suite(void)
{
	Suite *suite = suite_create("kvm");
	TCase *tc = tcase_create("engine");
	CLEANUP(free) char *why = guest_why_not();
	CLEANUP(free) char *why_model = NULL;

	if (why) {
		(void)printf("skipped %d: the KVM engine: %s\n", N_TESTS + N_MODEL_TESTS, why);
		return suite;
	}
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 20);
	tcase_add_loop_test(tc, port_accesses, 0, 2);
	tcase_add_loop_test(tc, port_strings, 0, 2);
	tcase_add_loop_test(tc, mmio_accesses, 0, 2);
	tcase_add_loop_test(tc, doorbell_rings, 0, 2);
	tcase_add_loop_test(tc, cpuid_is_the_model, 0, N_LEAVES - N_HOST_LEAVES);
	tcase_add_loop_test(tc, msrs_of_the_model, 0, 9);
	tcase_add_loop_test(tc, msrs_that_are_not_there, 0, 10);
	tcase_add_loop_test(tc, state_comes_back, 0, 4);
	tcase_add_test(tc, kick_before_a_run_is_not_lost);
	tcase_add_test(tc, message_is_delivered);
	tcase_add_test(tc, interrupt_of_the_8259);
	tcase_add_test(tc, nmi_is_delivered);
	tcase_add_loop_test(tc, kick_from_another_thread, 0, 2);
	tcase_add_test(tc, dirty_log_tells_pages);
	if (kvm_usable(&why_model) < 0) {
		(void)printf("skipped %d: what needs a KVM that shows the whole model: %s\n",
			     N_MODEL_TESTS, why_model);
	} else {
		tcase_add_loop_test(tc, cpuid_is_the_model, N_LEAVES - N_HOST_LEAVES, N_LEAVES);
		tcase_add_test(tc, triple_fault_is_a_shutdown);
		tcase_add_test(tc, eoi_of_a_level_interrupt_is_told);
		tcase_add_loop_test(tc, pause_stops_the_tsc, 0, 2);
	}
	suite_add_tcase(suite, tc);
	return suite;
}

UNIT_MAIN(make_suite);
