/* core/sandbox_roles.h: the kinds of process that a team has: what each gives up, keeps and inherits. One table,
 * from which the cell (core/sandbox.h) and the lists of descriptors (core/sandbox_fds.h) are made, and with
 * which docs/sandbox.md is compared. */
#ifndef MUSTER_CORE_SANDBOX_ROLES_H
#define MUSTER_CORE_SANDBOX_ROLES_H

#include <stdbool.h>
#include <stdint.h>

enum sandbox_role {
	SANDBOX_MACHINE, /* runs what a hostile guest wrote */
	SANDBOX_MACHINE_KVM, /* the same, on KVM, with threads */
	SANDBOX_FABRIC, /* reads what machines wrote */
	SANDBOX_UPLINK, /* has the host's network, for what guests ask of it */
	SANDBOX_LEASES, /* writes what guests were leased to files */
	SANDBOX_JANITOR, /* removes one folder and kills one group */
	SANDBOX_SUPERVISOR, /* opens files and forks the others */
	SANDBOX_SUPERVISOR_KVM, /* of a team with a machine on KVM */
	SANDBOX_SUPERVISOR_UPLINK, /* of a team with an uplink: it opens sockets, and forks what does */
	SANDBOX_SUPERVISOR_UPLINK_KVM, /* of a team with both */
	SANDBOX_ROLE_COUNT
};

/* What a descriptor is for that a process has from the one which forked it, beside /dev/null as 0 and 1 and the
 * team's log as 2. */
enum sandbox_fd {
	SANDBOX_FD_CONTROL, /* socket: the process's control connection */
	SANDBOX_FD_RING, /* memory and two eventfds a NIC; there are many */
	SANDBOX_FD_STATION, /* listening socket or tap of a station that is no VM; there are many */
	SANDBOX_FD_FORWARD, /* listening or bound socket of a forward; there are many */
	SANDBOX_FD_ICMP, /* raw socket for echo, one a family */
	SANDBOX_FD_SERIAL, /* socket: the guest's serial line */
	SANDBOX_FD_AGENT, /* socket: the guest agent's port */
	SANDBOX_FD_KERNEL, /* file: closed when it is unpacked */
	SANDBOX_FD_INITRD, /* file: closed when it is unpacked */
	SANDBOX_FD_PMEM, /* file: closed when it is mapped */
	SANDBOX_FD_PIPE, /* read end: it ends with the supervisor */
	SANDBOX_FD_LOCK, /* the team's lock */
	SANDBOX_FD_GROUP, /* folder: the one that the team's control group is in */
	SANDBOX_FD_EVENTS, /* file: events.jsonl */
	SANDBOX_FD_LEASES, /* file with leases; there are two a network */
	SANDBOX_FD_FOLDER, /* folder whose files an uplink gives out; one a network */
	SANDBOX_FD_COUNT
};

struct sandbox_policy {
	const char *name;
	bool has_nothing; /* namespaces, an empty root, nobody's rights */
	bool keeps_network; /* the host's network namespace, and TCP */
	bool forks; /* keeps Muster's variables and no limits: its children have them */
	unsigned more_files; /* descriptors it can be handed later, and bounded memory; 0: no bounds */
	bool may_grow_tasks; /* the kernel makes some on its behalf */
	uint64_t rights; /* capabilities that root's keeps: a bit each */
	uint32_t inherits; /* enum sandbox_fd: a bit each */
};
/* The row of @role. */
const struct sandbox_policy *sandbox_policy(enum sandbox_role role);
/* Both give a name for messages. Not to be freed. */
const char *sandbox_role_str(enum sandbox_role role);
const char *sandbox_fd_str(enum sandbox_fd what);

#endif
