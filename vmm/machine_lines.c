/* vmm/machine_lines.c: messages that are sent again and again get a line (an irqfd).
 *
 * A message is an MSI-X vector's address and data. One that came LINE_PAYS times is tied
 * to an eventfd by a route of KVM's, and from then on a write to that sends it. Vectors
 * that a guest sets up and hardly uses (the configuration's, a queue's of control) never
 * cost a change of the routes, which is dearer than many messages (kvm_vm.c), and neither
 * does a guest that changes its vectors all the time. Where the places are used up, the
 * message that was sent least of late gives way.
 *
 * What is masked, pending or switched off is msix.c's: only what may be sent comes here.
 * KVM may leave what a line sends to a worker. So whoever must know that a message has
 * arrived takes its line away, which waits for that: msix.c when the guest masks or
 * changes a vector (it may read the table and rely on it), and a save.
 *
 * MUSTER_INTERRUPTS=message does without lines.
 *
 * All under the machine's lock. Used by: vmm/machine.c, machine_state.c.
 * Depends on: vmm/cpu/kvm/kvm.h. Source: api.rst §4.75 (KVM_IRQFD). */
#include "core/cleanup.h"
#include "core/log.h"
#include "vmm/machine_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

enum { LINE_PAYS = 32 }; /* messages: some 30 us of calls, what a change of routes takes */

struct line {
	uint64_t addr; /* of its message; 0: the place is free */
	uint32_t data;
	bool on; /* it has a route and an irqfd */
	bool refused; /* KVM did not take it */
	uint64_t n_recent; /* messages, halved now and then */
	int fd; /* owned */
};

struct machine_lines {
	struct kvm_vm *kvm; /* borrowed */
	unsigned last; /* where the last message was */
	uint64_t n_messages, n_signals;
	struct line line[KVM_LINE_COUNT];
};

static void take_away(struct machine_lines *all, struct line *l)
{
	if (l->on)
		kvm_vm_line_off(all->kvm, (unsigned)(l - all->line), l->fd);
	l->on = false;
	l->n_recent = 0;
}

static struct line *find(struct machine_lines *all, uint64_t addr, uint32_t data)
{
	for (unsigned i = 0; i < KVM_LINE_COUNT; i++) {
		struct line *l = &all->line[(all->last + i) % KVM_LINE_COUNT];

		if (l->addr != addr || l->data != data)
			continue;
		all->last = (unsigned)(l - all->line);
		return l;
	}
	return NULL;
}

/* A place for a new message. */
static struct line *make_room(struct machine_lines *all, uint64_t addr, uint32_t data)
{
	struct line *least = &all->line[0];

	for (unsigned i = 0; i < KVM_LINE_COUNT && least->addr; i++) {
		struct line *l = &all->line[i];

		if (!l->addr || l->n_recent < least->n_recent)
			least = l;
	}
	for (unsigned i = 0; i < KVM_LINE_COUNT && least->addr; i++)
		all->line[i].n_recent /= 2;
	take_away(all, least);
	least->addr = addr;
	least->data = data;
	least->refused = false;
	return least;
}

void machine_lines_send(struct machine_lines *all, uint64_t addr, uint32_t data)
{
	struct line *l = find(all, addr, data);
	const uint64_t one = 1;

	if (!l)
		l = make_room(all, addr, data);
	if (++l->n_recent >= LINE_PAYS && !l->on && !l->refused) {
		l->on = kvm_vm_line_on(all->kvm, (unsigned)(l - all->line), addr, data, l->fd) == 0;
		l->refused = !l->on;
	}
	/* SYSCALLS(machine-kvm): write */
	if (l->on && write(l->fd, &one, sizeof one) == (ssize_t)sizeof one) {
		all->n_signals++;
		return;
	}
	all->n_messages++;
	kvm_vm_msi(all->kvm, addr, data);
}

void machine_lines_settle(struct machine_lines *all, uint64_t addr, uint32_t data)
{
	struct line *l = find(all, addr, data);

	if (l)
		take_away(all, l);
}

void machine_lines_settle_all(struct machine_lines *all)
{
	log_debug("interrupts: %" PRIu64 " by irqfd, %" PRIu64 " as messages", all->n_signals,
		  all->n_messages);
	for (unsigned i = 0; i < KVM_LINE_COUNT; i++)
		take_away(all, &all->line[i]);
}

uint64_t machine_lines_signals(const struct machine_lines *all)
{
	return all->n_signals;
}

uint64_t machine_lines_messages(const struct machine_lines *all)
{
	return all->n_messages;
}

int machine_lines_new(struct kvm_vm *kvm, struct machine_lines **ret_lines)
{
	const char *v = getenv("MUSTER_INTERRUPTS");
	struct machine_lines *all;

	if (v && strcmp(v, "message") == 0)
		return 0;
	all = calloc(1, sizeof *all);
	if (!all)
		return -ENOMEM;
	all->kvm = kvm;
	for (unsigned i = 0; i < KVM_LINE_COUNT; i++)
		all->line[i].fd = -1;
	for (unsigned i = 0; i < KVM_LINE_COUNT; i++) {
		/* SYSCALLS(setup-kvm): eventfd2 */
		all->line[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (all->line[i].fd < 0) {
			int r = -errno;

			(void)machine_lines_free(all);
			return r;
		}
	}
	*ret_lines = all;
	return 0;
}

struct machine_lines *machine_lines_free(struct machine_lines *all)
{
	if (!all)
		return NULL;
	machine_lines_settle_all(all);
	for (unsigned i = 0; i < KVM_LINE_COUNT; i++)
		cleanup_fd(&all->line[i].fd);
	free(all);
	return NULL;
}
