/* core/sandbox_roles.c: the table of a team's kinds of process.
 *
 * Used by: core/sandbox.c, core/sandbox_fds.c.   Sources: capabilities(7). */
#include "core/sandbox_roles.h"

#include <linux/capability.h>

#define RIGHT(c) (UINT64_C(1) << (c))
#define FD(what) (UINT32_C(1) << SANDBOX_FD_##what)

/* clang-format off */
#define MACHINE_FDS (FD(CONTROL) | FD(RING) | FD(SERIAL) | FD(AGENT) | FD(KERNEL) | FD(INITRD) | FD(PMEM))
#define SUPERVISOR_FDS (FD(CONTROL) | FD(LOCK) | FD(EVENTS)) /* its control connection: the `up` that began it */
#define SUPERVISOR_RIGHTS                                                                          \
	(RIGHT(CAP_KILL) | RIGHT(CAP_DAC_OVERRIDE) | /* as the janitor; and files that users name */ \
	 RIGHT(CAP_SYS_ADMIN) | RIGHT(CAP_SETUID) | RIGHT(CAP_SETGID)) /* its children's stages 1 to 3 */
#define SUPERVISOR(its_name, more_rights)                                                          \
	{ its_name, .forks = true, .rights = SUPERVISOR_RIGHTS | (more_rights), .inherits = SUPERVISOR_FDS }

static const struct sandbox_policy policies[] = {
	/* Their guests' streams, and what comes with messages. */
	[SANDBOX_MACHINE] = { "machine", .has_nothing = true, .more_files = 400, .inherits = MACHINE_FDS },
	/* Since Linux 6.13 KVM makes a thread of its own at a machine's first KVM_RUN,
	 * which counts as the user's (virt/kvm, call to vhost_task_create()). */
	[SANDBOX_MACHINE_KVM] = { "machine-kvm", .has_nothing = true, .more_files = 400,
				  .may_grow_tasks = true, .inherits = MACHINE_FDS },
	[SANDBOX_FABRIC] = { "fabric", .has_nothing = true, .inherits = FD(CONTROL) | FD(RING) | FD(STATION) },
	/* A socket a flow (nat/uplink.h, UPLINK_FLOWS_MAX), those of DNS (dns/forward.h), files of TFTP, and forwards that are added
	 * later. */
	[SANDBOX_UPLINK] = { "uplink", .has_nothing = true, .keeps_network = true, .more_files = 16384 + 1536 + 256 + 1024,
			     .inherits = FD(CONTROL) | FD(RING) | FD(FORWARD) | FD(ICMP) | FD(FOLDER) },
	[SANDBOX_LEASES] = { "leases", .has_nothing = true, .inherits = FD(CONTROL) | FD(LEASES) },
	/* It kills cells, which are other users, and removes below a folder that may be another user's (sudo -E). */
	[SANDBOX_JANITOR] = { "janitor", .rights = RIGHT(CAP_KILL) | RIGHT(CAP_DAC_OVERRIDE),
			      .inherits = FD(PIPE) | FD(LOCK) | FD(GROUP) },
	[SANDBOX_SUPERVISOR] = SUPERVISOR("supervisor", 0),
	[SANDBOX_SUPERVISOR_KVM] = SUPERVISOR("supervisor-kvm", 0),
	/* Forwards of low ports are added while the team runs. */
	[SANDBOX_SUPERVISOR_UPLINK] = SUPERVISOR("supervisor-uplink", RIGHT(CAP_NET_BIND_SERVICE)),
	[SANDBOX_SUPERVISOR_UPLINK_KVM] = SUPERVISOR("supervisor-uplink-kvm", RIGHT(CAP_NET_BIND_SERVICE)),
};
/* clang-format on */
_Static_assert(sizeof policies / sizeof *policies == SANDBOX_ROLE_COUNT, "one policy a role");

static const char *const fd_names[] = { "control", "rings",  "stations",    "forwards", "icmp", "serial",
					"agent",   "kernel", "initrd",	    "pmem",	"pipe", "lock",
					"group",   "events", "lease files", "folders" };
_Static_assert(sizeof fd_names / sizeof *fd_names == SANDBOX_FD_COUNT, "one name a kind");

const struct sandbox_policy *sandbox_policy(enum sandbox_role role)
{
	return &policies[role];
}

const char *sandbox_role_str(enum sandbox_role role)
{
	return policies[role].name;
}

const char *sandbox_fd_str(enum sandbox_fd what)
{
	return fd_names[what];
}
