/* tests/bench/bench_doorbell.c: what a doorbell and an interrupt cost under KVM, each way.
 *
 *   doorbell, in its exit   the write is an access: the processor's thread serves it and goes on
 *   doorbell, beside        the write rings an eventfd (kvm_vm_bell()); another thread, asleep in
 *                           epoll as the machine's is, serves it, and the guest goes on at once
 *   interrupt, as message   KVM_SIGNAL_MSI
 *   interrupt, by irqfd     a write to an eventfd that a route ties to the same message
 *   a route that changes    KVM_SET_GSI_ROUTING: what an irqfd costs when its vector moves
 *   a line that changes     the whole of it: taken away, another route, tied again
 *
 * A ring-3 guest rings N times, as fast as it can. Serving is WORK_NS of copying, about what a
 * frame of 1500 bytes takes. Told are the guest's time a doorbell, the process's CPU time a
 * doorbell, and how often the other thread had to be woken. Nothing here is a test. */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "tests/kvm/guest.h"
#include "vmm/cpu/kvm/kvm_impl.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { N_RINGS = 20000, N_MESSAGES = 100000, N_ROUTES = 20, WORK_NS = 500, IRQ_GSI = 40 };

static unsigned n_served, n_wakes;
static bool quit;

static void serve(void)
{
	nsec_t until = clock_now() + WORK_NS;

	while (clock_now() < until)
		;
	n_served++;
}

static void on_write(void *ctx, uint64_t gpa, unsigned size, uint64_t v)
{
	(void)ctx;
	(void)gpa;
	(void)size;
	(void)v;
	serve();
}

static void *machine_thread(void *arg)
{
	int fd = *(int *)arg;
	CLEANUP(fd) int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN };

	(void)epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	while (!__atomic_load_n(&quit, __ATOMIC_ACQUIRE)) {
		uint64_t count = 0;

		if (epoll_wait(ep, &e, 1, 100) < 1 || read(fd, &count, sizeof count) < 0)
			continue;
		n_wakes++;
		for (uint64_t i = 0; i < count; i++)
			serve(); /* each ring brought a frame */
	}
	return NULL;
}

GUEST_CODE_TEXT(code_rings, "movl $20000, %ecx\n movl $0xd0003004, %esi\n"
			    "1: movw $1, (%rsi)\n decl %ecx\n jnz 1b\n" GUEST_DONE);

static void ring(struct guest *g, const char *name)
{
	nsec_t start = clock_now(), cpu = clock_cpu(), ended;

	n_served = n_wakes = 0;
	(void)guest_run(g, code_rings, code_rings_end, 3);
	ended = clock_now();
	while (__atomic_load_n(&n_served, __ATOMIC_RELAXED) < N_RINGS)
		;
	printf("%-24s guest %6lld ns, until all is served %6lld ns, CPU %6lld ns a doorbell; %u wakes\n", name,
	       (long long)(ended - start) / N_RINGS, (long long)(clock_now() - start) / N_RINGS,
	       (long long)(clock_cpu() - cpu) / N_RINGS, n_wakes);
}

static void doorbells(struct guest *g)
{
	CLEANUP(fd) int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_t thread;

	g->bus.mmio_write = on_write;
	ring(g, "doorbell, in its exit");
	if (fd < 0 || kvm_vm_bell(g->vm, GUEST_MMIO + 0x3004, fd, true) < 0 ||
	    pthread_create(&thread, NULL, machine_thread, &fd) != 0) {
		(void)printf("no doorbell: %m\n");
		return;
	}
	ring(g, "doorbell, beside");
	__atomic_store_n(&quit, true, __ATOMIC_RELEASE);
	(void)pthread_join(thread, NULL);
}

static void each(const char *name, nsec_t took, unsigned n)
{
	printf("%-24s %lld ns\n", name, (long long)took / n);
}

static void interrupts(struct guest *g)
{
	CLEANUP(fd) int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} route = { .head.nr = 1, .entry = { .gsi = IRQ_GSI, .type = KVM_IRQ_ROUTING_MSI,
					     .u.msi = { .address_lo = (uint32_t)GUEST_LAPIC, .data = 0x45 } } };
	uint64_t one = 1;
	nsec_t start = clock_now();

	for (unsigned i = 0; i < N_ROUTES; i++) {
		route.entry.u.msi.data = 0x45 + i % 2;
		(void)ioctl(g->vm->fd, KVM_SET_GSI_ROUTING, &route);
	}
	each("a route that changes", clock_now() - start, N_ROUTES);
	if (fd < 0 || kvm_vm_line_on(g->vm, 0, GUEST_LAPIC, 0x45, fd) < 0) {
		(void)printf("no irqfd: %m\n");
		return;
	}
	start = clock_now();
	for (unsigned i = 0; i < N_MESSAGES; i++)
		kvm_vm_msi(g->vm, GUEST_LAPIC, 0x45);
	each("interrupt, as message", clock_now() - start, N_MESSAGES);
	start = clock_now();
	for (unsigned i = 0; i < N_MESSAGES; i++)
		if (write(fd, &one, sizeof one) < 0)
			break;
	each("interrupt, by irqfd", clock_now() - start, N_MESSAGES);
	start = clock_now();
	for (unsigned i = 0; i < N_ROUTES; i++) {
		kvm_vm_line_off(g->vm, 0, fd);
		if (kvm_vm_line_on(g->vm, 0, GUEST_LAPIC, 0x45 + i % 2, fd) < 0)
			break;
	}
	each("a line that changes", clock_now() - start, N_ROUTES);
}

/* Its local APIC is on: else messages are lost at once. */
GUEST_CODE_TEXT(code_lapic_on, "movl $0xfee000f0, %esi\n movl $0x1ff, (%rsi)\n" GUEST_DONE);

/* The tiny guest asserts, so it wants a suite around it. */
START_TEST(all)
{
	struct guest *g = guest_new();

	(void)guest_run(g, code_lapic_on, code_lapic_on_end, 0);
	doorbells(g);
	interrupts(g);
	(void)guest_free(g);
}
END_TEST

int main(void)
{
	CLEANUP(free) char *why = guest_why_not();
	Suite *suite = suite_create("what they cost");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int n_failed;

	if (why)
		(void)printf("skipped: %s\n", why);
	else
		tcase_add_test(tc, all);
	suite_add_tcase(suite, tc);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_SILENT);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed != 0;
}
