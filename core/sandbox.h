/* core/sandbox.h: the cell: what a process gives up once it is set up.
 *
 * A process enters its cell in two steps, because a thread may only be made
 * between them: sandbox_isolate() while it has one thread and all its files
 * are open, sandbox_lock() when all its threads stand. After the second one
 * it can open nothing and exec nothing, and but for the supervisor connect nowhere; whatever is not on
 * its list of system calls kills it (SIGSYS).
 *
 * The lists are not written here: they stand as comments beside the calls,
 *
 *	SYSCALLS(machine fabric): epoll_ctl mmap(2 !& PROT_EXEC)
 *
 * inside a C comment of one line, and make/cell-table collects them. The words
 * in brackets are roles (core/sandbox_roles.h), `setup` (made by a child before its cell is
 * locked) and `all` (every role). A call may be bound to arguments, counted
 * from 0: `N == A B` (the low 32 bits are one of these), `N & A` (has all these
 * bits), `N !& A` (has none), `N null` (64 bits of zero), `N self` (the process's
 * own number); several are parted by commas. `(absent)` has the call fail with
 * ENOSYS. The supervisor's list holds the children's too: a filter is inherited,
 * and each process can only tighten it. What only machines on KVM need is under
 * `machine-kvm` and `setup-kvm`; a machine on KVM has `machine` too, and the
 * supervisor of a team without one has nothing of it. In the same way only the supervisor of a team with an uplink has
 * what is under `uplink`, and what is under `supervisor-uplink`. */
#ifndef MUSTER_CORE_SANDBOX_H
#define MUSTER_CORE_SANDBOX_H

#include "core/sandbox_roles.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether processes of @role enter a cell in this program. False in builds
 * with sanitizers (their runtime opens and maps at will), and in test programs
 * that define this function themselves. Then the two calls below do nothing. */
bool sandbox_is_wanted(enum sandbox_role role);

/* Leaves a process that opens what users name a read-only view of the host's files, but for what is below
 * the folders @dirs. A host that cannot do so is logged. Before
 * sandbox_isolate(), with one thread; needs /proc where it is not root.
 * Returns 0 or -errno (then @ret_why is a message which the caller frees, and the process must not go on). */
int sandbox_narrow_view(enum sandbox_role role, const char *const dirs[], size_t n, char **ret_why);

/* A folder below which a janitor may remove, or an uplink read. */
struct sandbox_dir {
	const char *path; /* of a janitor */
	bool is_files_only; /* nothing but files: no folder, and nothing can be listed */
	int fd; /* of an uplink: the open folder */
};

/* Takes away, for good, by role: new privileges, the environment (a supervisor keeps Muster's own
 * variables), core dumps and inspection by others (unless MUSTER_DEBUG=1); the file system (an empty mount namespace,
 * Landlock), the network, IPC and host names of the host (namespaces); every
 * capability, and root itself (a user of the process's own); root's janitor and supervisor keep
 * the few that they use. The bounding set is emptied wherever the process may. A child that was bound to its
 * parent's life stays so. What the host has no means for is logged and left
 * to the list of system calls.
 * @dirs: SANDBOX_JANITOR only: the @n folders below which it may remove; but for those of files only, empty
 *        folders in their parents too. SANDBOX_UPLINK: the @n folders whose files it may open for reading.
 *        Else NULL and 0.
 * To be called with one thread. Returns 0 or -errno (then @ret_why is a
 * message which the caller frees, and the process must not go on).
 * Sources: user_namespaces(7), pivot_root(2), landlock(7), prctl(2). */
int sandbox_isolate(enum sandbox_role role, const struct sandbox_dir dirs[], size_t n, char **ret_why);

/* Sets the limits and the list of system calls, for all threads.
 * Returns 0 or -errno, as above.   Source: seccomp(2). */
int sandbox_lock(enum sandbox_role role, char **ret_why);

/* Bounds what the process maps, for good, to @more_bytes more than it has now, so that it
 * cannot eat its host. Before the process is isolated; needs /proc. */
void sandbox_bound_memory(enum sandbox_role role, uint64_t more_bytes);

#endif
