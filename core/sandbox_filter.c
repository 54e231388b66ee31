/* core/sandbox_filter.c: one BPF program a role, as make/cell-table wrote it
 * from the annotations beside the calls (core/cell_table.h, generated).
 *
 * A program kills what is not of the x86-64 ABI first; x32's numbers and
 * everything unlisted fall through to the kill at its end. Calls without a
 * condition on arguments cost nothing at run time: the kernel finds out by
 * itself that they are always allowed and keeps that in a bitmap.
 *
 * Used by: sandbox.c.   Sources: seccomp(2), bpf(2). */
#include "core/sandbox_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where a filter means its own process; sandbox_filter() puts its number there.
 * No argument that is compared has this value. */
enum { SELF_MARK = 0x53454C46 };

/* The host is little-endian: an argument's low half comes first. */
#define ARG_LOW(n) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n)))
#define ARG_HIGH(n) (ARG_LOW(n) + 4)
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(at))
#define IF_EQ(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(k), yes, no)
#define IF_ANY(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)(k), yes, no)
#define IF_SELF(yes, no) IF_EQ(SELF_MARK, yes, no)
#define MASK(k) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t)(k))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
/* As from a kernel without the call: the C library then uses an older one. */
#define ABSENT BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)
#define BEGIN                                                                                      \
	LOAD(offsetof(struct seccomp_data, arch)), IF_EQ(AUDIT_ARCH_X86_64, 1, 0), KILL,           \
		LOAD(offsetof(struct seccomp_data, nr))

#include "core/cell_table.h"

#define PROGRAM(list) { .len = sizeof(list) / sizeof(list)[0], .filter = list }

struct sock_fprog sandbox_filter(enum sandbox_role role)
{
	static const struct sock_fprog programs[] = {
		[SANDBOX_MACHINE] = PROGRAM(cell_machine),
		[SANDBOX_MACHINE_KVM] = PROGRAM(cell_machine_kvm),
		[SANDBOX_FABRIC] = PROGRAM(cell_fabric),
		[SANDBOX_UPLINK] = PROGRAM(cell_uplink),
		[SANDBOX_LEASES] = PROGRAM(cell_leases),
		[SANDBOX_JANITOR] = PROGRAM(cell_janitor),
		[SANDBOX_SUPERVISOR] = PROGRAM(cell_supervisor),
		[SANDBOX_SUPERVISOR_KVM] = PROGRAM(cell_supervisor_kvm),
		[SANDBOX_SUPERVISOR_UPLINK] = PROGRAM(cell_supervisor_uplink),
		[SANDBOX_SUPERVISOR_UPLINK_KVM] = PROGRAM(cell_supervisor_uplink_kvm),
	};
	const struct sock_fprog *p = &programs[role];

	_Static_assert(sizeof programs / sizeof programs[0] == SANDBOX_ROLE_COUNT, "one list a role");
	for (unsigned i = 0; i < p->len; i++)
		if (p->filter[i].code == (BPF_JMP | BPF_JEQ | BPF_K) && p->filter[i].k == SELF_MARK)
			p->filter[i].k = (uint32_t)getpid();
	return *p;
}
