/* vmm/cpu/kvm/kvm_vm.c: what a machine's processors share under KVM: memory
 * slots, the split irqchip's messages and routes, doorbells, the dirty log.
 *
 * Interrupts are messages (KVM_SIGNAL_MSI), one call each, or come by a line: an
 * eventfd that a route ties to one message (irqfd). `make bench-doorbell` says that
 * neither is the cheaper one, and that a change of the routes costs the kernel a grace
 * period: 8 us here with one processor at rest, 35-57 in the nested machine of tests/kvm,
 * up to 3 ms on a busy host. So a line is for a message that is sent again and again
 * (machine_lines.c), and of the I/O APIC's pins only level-triggered ones are routed: from
 * the routes of the first KVM_PIN_COUNT numbers KVM derives of which vectors the machine
 * must hear the EOI.
 *
 * A doorbell can be an ioeventfd: the device's work goes on beside the guest
 * (machine_bells.c says when that pays).
 *
 * Used by: vmm/machine_kvm.c, machine_lines.c, machine_bells.c.   Sources: api.rst §4.35
 * (memory), §4.52 (routing), §4.70 (MSI), §4.75 (irqfd), §4.8 (dirty log), §7.5 (split irqchip). */
#include "core/bytes.h"
#include "core/cleanup.h"
#include "vmm/cpu/kvm/kvm_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Intel processors without unrestricted guests: pages that KVM wants to itself,
 * beyond the devices. */
#define IDENTITY_MAP_GPA UINT64_C(0xFFFBC000)
#define TSS_GPA UINT64_C(0xFFFBD000)

static int set_slot(const struct kvm_vm *vm, unsigned i, uint32_t flags)
{
	struct kvm_userspace_memory_region r = { .slot = i, .flags = flags,
						 .guest_phys_addr = vm->slot[i].gpa,
						 .memory_size = vm->slot[i].len,
						 .userspace_addr = (uintptr_t)vm->slot[i].host };

	if (!r.memory_size)
		return 0;
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_USER_MEMORY_REGION) */
	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r) < 0 ? -errno : 0;
}

static int set_slots(struct kvm_vm *vm, uint32_t flags)
{
	int r = 0;

	for (unsigned i = 0; i < KVM_SLOT_MAX && r == 0; i++)
		r = set_slot(vm, i, flags);
	return r;
}

static void lay_out(struct kvm_vm *vm)
{
	const struct mem *m = vm->mem;

	vm->slot[0] = (struct kvm_slot){ 0, m->low_bytes, m->host };
	vm->slot[1] = (struct kvm_slot){ MEM_HIGH_START, m->size_bytes - m->low_bytes,
					 m->host + m->low_bytes };
	vm->slot[2] = (struct kvm_slot){ MEM_PMEM_GPA, m->pmem_bytes, m->host + m->size_bytes };
}

static int create(struct kvm_vm *vm, char **ret_why)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { KVM_PIN_COUNT } };
	uint64_t identity = IDENTITY_MAP_GPA;
	const char *what = "machine";
	int r = 0;

	/* SYSCALLS(setup-kvm): ioctl(1 == KVM_CREATE_VM KVM_SET_IDENTITY_MAP_ADDR KVM_SET_TSS_ADDR) */
	/* SYSCALLS(setup-kvm): ioctl(1 == KVM_ENABLE_CAP) */
	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0) {
		r = -errno;
	} else if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
		   ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_GPA) < 0) {
		r = -errno;
		what = "task state segment";
	} else if (ioctl(vm->fd, KVM_ENABLE_CAP, &split) < 0) {
		r = -errno;
		what = "split irqchip";
	} else {
		/* LINT0 of the first processor takes the PIC's at reset, as in our LAPIC: KVM's
		 * quirk LINT0_REENABLED, which is on unless it is switched off. */
		r = set_slots(vm, 0);
		what = "memory";
		if (r == 0) {
			r = kvm_model_filter(vm->fd);
			what = "MSR filter";
		}
	}
	if (r < 0)
		*ret_why = str_printf("KVM gives no %s: %s", what, strerror(-r));
	return r;
}

int kvm_vm_new(struct mem *mem, struct kvm_vm **ret_vm, char **ret_why)
{
	struct kvm_vm *vm = calloc(1, sizeof *vm);
	char *why = NULL;
	int r;

	if (!vm) {
		*ret_why = str_dup("no memory for the engine");
		return -ENOMEM;
	}
	vm->mem = mem;
	vm->fd = vm->kvm_fd = -1;
	r = kvm_host_open(&vm->kvm_fd, &why);
	if (r == 0) {
		lay_out(vm);
		r = create(vm, &why);
	}
	if (r < 0) {
		(void)kvm_vm_free(vm);
		*ret_why = why ? why : str_dup(strerror(-r));
		return r;
	}
	*ret_vm = vm;
	return 0;
}

void kvm_vm_made(struct kvm_vm *vm)
{
	cleanup_fd(&vm->kvm_fd);
}

struct kvm_vm *kvm_vm_free(struct kvm_vm *vm)
{
	if (!vm)
		return NULL;
	cleanup_fd(&vm->fd);
	cleanup_fd(&vm->kvm_fd);
	free(vm);
	return NULL;
}

/* ---- interrupts ---------------------------------------------------------------- */

void kvm_vm_msi(struct kvm_vm *vm, uint64_t addr, uint32_t data)
{
	struct kvm_msi msi = { .address_lo = (uint32_t)addr, .address_hi = (uint32_t)(addr >> 32),
			       .data = data };

	/* A guest may address what is not there: that message is lost. */
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SIGNAL_MSI) */
	(void)ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
}

int kvm_vm_bell(struct kvm_vm *vm, uint64_t gpa, int fd, bool on)
{
	struct kvm_ioeventfd bell = { .addr = gpa, .fd = fd,
				      .flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_IOEVENTFD) */
	return ioctl(vm->fd, KVM_IOEVENTFD, &bell) < 0 ? -errno : 0;
}

static int send_routes(const struct kvm_vm *vm)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[KVM_GSI_COUNT];
	} list = { 0 };

	for (unsigned i = 0; i < KVM_GSI_COUNT; i++)
		if (vm->route[i].type)
			list.entry[list.head.nr++] = vm->route[i];
	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_SET_GSI_ROUTING) */
	return ioctl(vm->fd, KVM_SET_GSI_ROUTING, &list) < 0 ? -errno : 0;
}

/* @addr 0: no route. */
static int set_route(struct kvm_vm *vm, unsigned gsi, uint64_t addr, uint32_t data)
{
	struct kvm_irq_routing_entry e = { 0 };

	if (addr) {
		e.gsi = gsi;
		e.type = KVM_IRQ_ROUTING_MSI;
		e.u.msi.address_lo = (uint32_t)addr;
		e.u.msi.address_hi = (uint32_t)(addr >> 32);
		e.u.msi.data = data;
	}
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): other padding costs one change of the routes */
	if (memcmp(&e, &vm->route[gsi], sizeof e) == 0)
		return 0;
	vm->route[gsi] = e;
	return send_routes(vm);
}

void kvm_vm_route(struct kvm_vm *vm, unsigned pin, uint64_t addr, uint32_t data)
{
	if (pin < KVM_PIN_COUNT)
		(void)set_route(vm, pin, addr, data);
}

static int set_line(const struct kvm_vm *vm, unsigned line, int fd, uint32_t flags)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)fd, .gsi = KVM_PIN_COUNT + line, .flags = flags };

	/* SYSCALLS(machine-kvm): ioctl(1 == KVM_IRQFD) */
	return ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int kvm_vm_line_on(struct kvm_vm *vm, unsigned line, uint64_t addr, uint32_t data, int fd)
{
	int r = set_route(vm, KVM_PIN_COUNT + line, addr, data);

	if (r == 0)
		r = set_line(vm, line, fd, 0);
	/* One that KVM does not take (an address of none, too high) must not spoil the others' list. */
	if (r < 0)
		(void)set_route(vm, KVM_PIN_COUNT + line, 0, 0);
	return r;
}

void kvm_vm_line_off(struct kvm_vm *vm, unsigned line, int fd)
{
	/* KVM waits for what it left to a worker. The route stays: nothing comes by it. */
	(void)set_line(vm, line, fd, KVM_IRQFD_FLAG_DEASSIGN);
}

/* ---- dirty log ------------------------------------------------------------------- */

int kvm_vm_dirty_start(struct kvm_vm *vm)
{
	return set_slots(vm, KVM_MEM_LOG_DIRTY_PAGES);
}

void kvm_vm_dirty_stop(struct kvm_vm *vm)
{
	(void)set_slots(vm, 0);
}

int kvm_vm_dirty_collect(struct kvm_vm *vm, uint8_t *bits)
{
	for (unsigned i = 0; i < KVM_SLOT_MAX; i++) {
		const struct kvm_slot *s = &vm->slot[i];
		uint64_t first = (uint64_t)(s->host - vm->mem->host) >> MEM_PAGE_SHIFT;
		uint64_t n = s->len >> MEM_PAGE_SHIFT;
		CLEANUP(free) uint64_t *log = calloc((size_t)(n + 63) / 64, sizeof *log);
		struct kvm_dirty_log get = { .slot = i };

		if (!n)
			continue;
		if (!log)
			return -ENOMEM;
		get.dirty_bitmap = log;
		/* SYSCALLS(machine-kvm): ioctl(1 == KVM_GET_DIRTY_LOG) */
		if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &get) < 0)
			return -errno;
		for (uint64_t p = 0; p < n; p++)
			if (log[p / 64] >> (p % 64) & 1)
				bits[(first + p) / 8] |= (uint8_t)(1U << ((first + p) % 8));
	}
	return 0;
}
