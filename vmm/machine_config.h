/* vmm/machine_config.h: what a machine is made from, and why one ended.
 *
 * Used by: vmm/machine.h, vmm/machine_impl.h, vmm/device.h. */
#ifndef MUSTER_VMM_MACHINE_CONFIG_H
#define MUSTER_VMM_MACHINE_CONFIG_H

#include "core/addr.h"
#include "core/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What executes the processors. */
enum machine_engine { MACHINE_ENGINE_SOFT, MACHINE_ENGINE_KVM };

enum { MACHINE_NIC_MAX = 24 /* slots of PCI bus 0 that are free for NICs */, MACHINE_CPU_MAX = 8 };

struct machine_nic {
	struct mac_addr mac;
	uint32_t mtu;
	uint32_t speed_mbps; /* that the guest is told; 0: nothing */
	bool link_up;
	struct ring_pair_fds ring; /* borrowed */
};

struct machine_config {
	const char *name; /* "TEAM/VM", for messages */
	uint64_t memory_bytes;
	unsigned cpus; /* 1 to MACHINE_CPU_MAX */
	enum machine_engine engine; /* KVM: the real clock only */
	const char *engine_why; /* why this one, for the started event; may be NULL */
	bool clock_virtual;
	uint32_t tsc_khz; /* of the guest's TSC; 0: the engine's own. A machine that is to go on under
			     a KVM which cannot scale is started with that host's; restore: not looked at */
	uint32_t virtual_mips; /* virtual clock: instructions per guest microsecond; 0: 100 */
	uint64_t seed; /* for the guest-visible entropy of a virtual clock */
	bool entropy_from_host; /* rng from the host; false: from seed */
	/* Borrowed until machine_new() is back; with @cell they are machine_run()'s, which closes them, and
	 * what the pointers below point at stays until then. */
	int kernel_fd; /* bzImage or vmlinux */
	int initrd_fd; /* -1: none */
	int pmem_fd; /* borrowed; open for as long as the machine is there; -1: none; the image's read-only part, shown as persistent memory (e820 type 12)
			at MEM_PMEM_GPA; see mem_init_pmem() */
	const uint8_t *initrd_append; /* an uncompressed newc archive to append; may be NULL */
	size_t initrd_append_len;
	const char *cmdline; /* added to the monitor's own; may be NULL */
	const struct machine_nic *nics; /* in PCI slot order */
	size_t n_nics;
	int serial_fd; /* stream socket: ttyS0 both ways; -1: output to nowhere */
	int agent_fd; /* stream socket: virtio console port org.qemu.guest_agent.0; -1 none */
	bool generation_id; /* it has a VM generation ID (vmm/dev/vmgenid.h), which a load finds where it was saved */
	uint32_t vsock_cid; /* the context ID of its socket device, 3 or more; 0: it has none */
	int control_fd; /* -1: none (bench, tests) */
	/* machine_run() locks the whole process, for good (core/sandbox.h), and only then
	 * looks into kernel, initrd or saved state. */
	bool cell;
	/* Instead of booting: goes on from the state in @state_fd (a file, read from
	 * its start; borrowed as kernel_fd is). All else must be as it
	 * was for the machine that was saved; kernel and initrd are not looked at. */
	bool restore;
	bool restore_paused; /* it waits for {"do":"resume"} */
	int state_fd;
};

/* Why a machine ended. */
enum machine_end {
	MACHINE_END_POWEROFF,
	MACHINE_END_RESET,
	MACHINE_END_TRIPLE_FAULT,
	MACHINE_END_QUIT,
	MACHINE_END_ERROR,
	MACHINE_END_COUNT
};

#endif
