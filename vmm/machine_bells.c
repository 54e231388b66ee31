/* vmm/machine_bells.c: doorbells that KVM rings: a guest's transmit goes on beside it.
 *
 * It pays where a second processor is there to serve it, and is left where the machine
 * may run on one only: `make bench-doorbell` says (guest's and CPU time a doorbell) 14 and
 * 9 us beside, 45 and 28 in the exit, on this host of two; in the nested machine of
 * tests/kvm, which has one, 268 beside and 151 in the exit, for then each doorbell is a
 * switch of threads. MUSTER_DOORBELLS=beside or exit decides instead.
 *
 * Each doorbell of a region that names some (vmm/bus.h) is an eventfd. While the region
 * is on the bus KVM rings it for a write there (ioeventfd), and the machine's thread then
 * makes the write to the region, as if the guest had. So a BAR that is moved, or switched
 * off, takes its doorbells with it: the bus tells. What the device is in (no driver yet,
 * reset, broken) needs no care: it is the device that looks, when the write is made.
 *
 * A doorbell that comes late, after a reset or a move, is a doorbell for nothing, which
 * every driver may ring. One that was rung before a pause is served after it; one that
 * was rung before a save is made up for, since a card that was loaded looks at its queues.
 *
 * Two BARs that a guest puts on one address: the doorbell is the first one's, where the
 * bus would take the last one's; it hurts only that guest. Where KVM does not take a
 * doorbell the write comes as an access, and is served in its exit.
 *
 * Used by: vmm/machine.c.   Depends on: vmm/bus.h, vmm/cpu/kvm/kvm.h, core/loop.h.
 * Sources: api.rst §4.59 (KVM_IOEVENTFD); virtio 1.2 §4.1.4.4. */
#include "core/cleanup.h"
#include "vmm/machine_impl.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

struct bell {
	struct machine *m; /* borrowed, as region */
	struct bus_region *region;
	unsigned index;
	int fd;
	struct loop_source *source; /* owned */
	uint64_t gpa; /* where it rings; 0: nowhere */
};

struct machine_bells {
	size_t n;
	struct bell bell[];
};

static uint64_t offset_of(const struct bell *b)
{
	return b->region->bell_off + (uint64_t)b->index * b->region->bell_step;
}

static void rung(void *ctx, int fd, uint32_t events)
{
	struct bell *b = ctx;
	uint64_t count;

	(void)events;
	/* SYSCALLS(machine-kvm): read */
	if (read(fd, &count, sizeof count) == (ssize_t)sizeof count && b->region->on_bus)
		b->region->ops->write(b->region->ctx, offset_of(b), 2, 0);
}

static void move(struct bell *b)
{
	if (b->gpa)
		(void)kvm_vm_bell(b->m->kvm, b->gpa, b->fd, false);
	b->gpa = b->region->on_bus ? b->region->base + offset_of(b) : 0;
	if (b->gpa && kvm_vm_bell(b->m->kvm, b->gpa, b->fd, true) < 0)
		b->gpa = 0;
}

static void moved(void *ctx, struct bus_region *r)
{
	struct machine *m = ctx;

	for (size_t i = 0; m->bells && i < m->bells->n; i++)
		if (m->bells->bell[i].region == r)
			move(&m->bells->bell[i]);
}

static int add(struct machine_bells *all, struct machine *m, struct bus_region *r, unsigned index)
{
	struct bell *b = &all->bell[all->n];

	*b = (struct bell){ .m = m, .region = r, .index = index };
	/* SYSCALLS(setup-kvm): eventfd2 */
	b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->fd < 0)
		return -errno;
	all->n++;
	return loop_add_fd(m->loop, b->fd, EPOLLIN, rung, b, &b->source);
}

static bool pays(void)
{
	const char *v = getenv("MUSTER_DOORBELLS");
	cpu_set_t set;

	if (v && strcmp(v, "beside") == 0)
		return true;
	if (v && strcmp(v, "exit") == 0)
		return false;
	CPU_ZERO(&set);
	/* SYSCALLS(setup-kvm): sched_getaffinity */
	return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 1;
}

/* The doorbells of device @d: counts them, and with @all makes them. Returns 0 or -errno. */
static int add_device(struct machine_bells *all, struct machine *m, const struct device *d, size_t *n)
{
	int r = 0;

	for (unsigned i = 0; d->pci && i < PCI_BAR_COUNT; i++) {
		struct bus_region *region = &d->pci->bar[i].region;

		*n += region->n_bells;
		for (unsigned k = 0; all && k < region->n_bells && r == 0; k++)
			r = add(all, m, region, k);
	}
	return r;
}

int machine_bells_new(struct machine *m, struct machine_bells **ret_bells)
{
	struct machine_bells *all;
	size_t n = 0;
	int r = 0;

	if (!pays())
		return 0;
	for (size_t i = 0; i < m->devices.n; i++)
		(void)add_device(NULL, m, &m->devices.device[i], &n);
	all = calloc(1, sizeof *all + n * sizeof all->bell[0]);
	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < m->devices.n && r == 0; i++)
		r = add_device(all, m, &m->devices.device[i], &n);
	if (r < 0) {
		(void)machine_bells_free(all);
		return r;
	}
	m->bus.bells_moved = moved;
	m->bus.bells_ctx = m;
	*ret_bells = all;
	return 0;
}

struct machine_bells *machine_bells_free(struct machine_bells *all)
{
	for (size_t i = 0; all && i < all->n; i++) {
		(void)loop_remove(all->bell[i].source);
		cleanup_fd(&all->bell[i].fd);
	}
	free(all);
	return NULL;
}
