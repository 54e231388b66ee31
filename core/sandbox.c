/* core/sandbox.c: enters the cell, stage by stage.
 *
 * isolate, for machine, fabric and uplink (which keeps the host's network, and TCP):
 *   1. namespaces: root makes mount, network, IPC, UTS and cgroup namespaces
 *      with its own right; others make a user namespace along with them. No
 *      user is mapped: the process is nobody in it.
 *   2. an empty root: a read-only tmpfs of one inode becomes / and the host's
 *      tree is detached.
 *   3. the bounding set is emptied; root becomes a user that no other process is; every capability goes.
 *   4. Landlock with nothing allowed: files, TCP, abstract sockets, signals.
 *   5. the environment is wiped, no core dump, no ptrace, no new privileges. Who wants to see a process in
 *      a debugger says MUSTER_DEBUG=1: memory holds what guests hold, so it is closed otherwise.
 * The janitor removes folders and kills, so for it Landlock allows just that
 * below its folders, and stages 1 and 2 are left out. The supervisor opens what
 * a user names and forks the others: it has a read-only view of the host's files (sandbox_view.c) and
 * a list. As root, both keep the capabilities that they use, and no others.
 *
 * lock: limits, then the list of system calls, which also ends the means by
 * which the stages above were done.
 *
 * There is no PID namespace: a process only enters one by being forked into
 * it, the supervisor's waitpid() and the parent-death signal would need a
 * second process a machine, and a locked process has neither kill() nor /proc.
 *
 * Setting a namespace or a user clears the parent-death signal, so it is set
 * again; a parent that died in between shows in getppid().
 *
 * Used by: vmm/machine_run.c, fabric/process.c, teams/janitor.c, teams/supervisor.c.
 * Depends on: core/sandbox_roles.h, core/sandbox_filter.h, core/proc.h, core/log.h.
 * Sources: user_namespaces(7), mount_namespaces(7), pivot_root(2), landlock(7),
 * capabilities(7), seccomp(2), Documentation/userspace-api/landlock.rst. */
#include "core/sandbox.h"

#include "core/bytes.h"
#include "core/log.h"
#include "core/proc.h"
#include "core/sandbox_filter.h"
#ifdef MUSTER_CELL_HOOK
#include "core/sandbox_hook.h"
#else
#define cell_hook_before(role) ((void)0)
#define cell_hook_threads(role) ((void)0)
#define cell_hook_inside(role) ((void)0)
#endif

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A process of root becomes the user USER_BASE + its number, so none can signal another. The range up
 * to 0x7FFFFFFF is no account's, no container's and no dynamic user's by systemd's plan, and a number
 * is below 2^22.   Source: systemd's UIDS-GIDS.md. */
enum { USER_BASE = 0x70000000, NOBODY = 65534 };
/* A machine may append to the team's log, no further than this. */
static const rlim_t file_size_max = 64 << 20;
/* What a machine may map beyond what it has when it is locked. */
static const rlim_t more_memory_max = 256 << 20;

/* What the C library calls by itself: memory, and the end of a process; a
 * clock that the vDSO cannot read; a call that a stop signal interrupted. */
/* SYSCALLS(all): brk munmap mremap madvise exit_group exit restart_syscall rt_sigreturn */
/* SYSCALLS(all): mmap(2 !& PROT_EXEC) clock_gettime close */
/* What a fork, a folder and a whole file cost besides. */
/* SYSCALLS(supervisor): set_robust_list rseq */
/* SYSCALLS(supervisor): getpid gettid getuid geteuid getgid getegid rt_sigprocmask */
/* SYSCALLS(supervisor): newfstatat openat getdents64 lseek */

/* ---- namespaces and the empty root ----------------------------------------------- */

/* SYSCALLS(setup): unshare mount pivot_root umount2 chdir */
static int leave_root(void)
{
	/* /proc is a folder everywhere; what is mounted there is seen by nobody else. */
	static const char at[] = "/proc";

	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", at, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
		  "size=4k,nr_inodes=1,mode=0555") < 0 ||
	    chdir(at) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		return -errno;
	return 0;
}

/* What the host refuses is logged: the list of system calls stands alone then. */
static void leave_host(const struct sandbox_policy *p)
{
	int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP, r;

	if (!p->keeps_network)
		flags |= CLONE_NEWNET;
	if (unshare(flags) < 0 && unshare(flags | CLONE_NEWUSER) < 0) {
		log_info("cell: no namespaces of its own: %s", strerror(errno));
		return;
	}
	r = leave_root();
	if (r < 0)
		log_info("cell: no empty root: %s", strerror(-r));
}

/* ---- users and capabilities -------------------------------------------------------- */

/* SYSCALLS(setup): setgroups setresgid setresuid */
static int become(uid_t user)
{
	return setresgid(user, user, user) < 0 || setresuid(user, user, user) < 0 ? -errno : 0;
}

/* A container's root may have few users to choose from; nobody is the next best. */
static void leave_user(void)
{
	int r = setgroups(0, NULL) < 0 ? -errno : become(USER_BASE + (uid_t)getpid());

	if (r < 0 && (r = become(NOBODY)) == 0)
		log_info("cell: no user of its own: it is nobody");
	if (r < 0)
		log_info("cell: it stays root: %s", strerror(-r));
}

/* No program that is executed could get these back; who may not do so has no new privileges anyway. */
static void empty_bounding_set(void)
{
	int has;

	for (unsigned long c = 0; (has = prctl(PR_CAPBSET_READ, c, 0, 0, 0)) >= 0; c++)
		if (has && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return;
}

/* SYSCALLS(setup): capget capset getppid */
static int drop_rights(const struct sandbox_policy *p, char **ret_why)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct own[_LINUX_CAPABILITY_U32S_3] = { 0 };
	int r;

	empty_bounding_set();
	/* In a user namespace without a mapping nobody can be changed into; there
	 * the user is the caller's own outside, and no one inside. */
	if (geteuid() == 0 && p->has_nothing)
		leave_user();
	r = syscall(SYS_capget, &head, own) < 0 ? -errno : 0;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t kept = geteuid() == 0 ? (uint32_t)(p->rights >> 32 * i) & own[i].permitted : 0;

		own[i] = (struct __user_cap_data_struct){ .permitted = kept, .effective = kept };
	}
	if (r == 0 && syscall(SYS_capset, &head, own) < 0)
		r = -errno;
	if (r < 0)
		*ret_why = str_printf("its capabilities cannot be dropped: %s", strerror(-r));
	return r;
}

/* ---- Landlock -------------------------------------------------------------------------- */

/* The kernel's interface, whose newer parts Debian 12's headers lack. */
struct ruleset {
	uint64_t files, net, scoped;
};
struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));
enum {
	LANDLOCK_CREATE = 444,
	LANDLOCK_ADD = 445,
	LANDLOCK_RESTRICT = 446,
	LANDLOCK_GET_VERSION = 1,
	LANDLOCK_PATH = 1,
	/* Accesses a version knows: 13 kinds at first, one more in 2, 3 and 5. */
	ACCESS_READ_FILE = 1 << 2,
	ACCESS_READ_DIR = 1 << 3,
	ACCESS_REMOVE_DIR = 1 << 4,
	ACCESS_REMOVE_FILE = 1 << 5,
	NET_ALL = 3, /* bind and connect of TCP, from version 4 */
	SCOPE_ALL = 3, /* abstract sockets and signals, from version 6 */
	SCOPE_SOCKETS = 1,
};

/* SYSCALLS(setup): landlock_create_ruleset landlock_add_rule landlock_restrict_self */
static int landlock_allow(int rules, const char *dir, uint64_t allowed)
{
	CLEANUP(fd) int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct path_rule rule = { .allowed = allowed, .fd = fd };

	if (fd < 0 || syscall(LANDLOCK_ADD, rules, LANDLOCK_PATH, &rule, 0) < 0)
		return -errno;
	return 0;
}

static int allow_removal(int rules, const struct sandbox_dir *dir)
{
	CLEANUP(free) char *parent = str_dup(dir->path);
	char *slash = strrchr(parent, '/');
	int r;

	if (dir->is_files_only)
		return landlock_allow(rules, dir->path, ACCESS_REMOVE_FILE);
	r = landlock_allow(rules, dir->path, ACCESS_READ_DIR | ACCESS_REMOVE_DIR | ACCESS_REMOVE_FILE);

	if (r < 0 || !slash)
		return r;
	slash[slash == parent] = '\0';
	return landlock_allow(rules, parent, ACCESS_REMOVE_DIR);
}

static int allow_reading(int rules, int folder)
{
	struct path_rule rule = { .allowed = ACCESS_READ_FILE, .fd = folder };

	return syscall(LANDLOCK_ADD, rules, LANDLOCK_PATH, &rule, 0) < 0 ? -errno : 0;
}

/* Everything a version of Landlock knows is forbidden but removal, or an uplink's reading, below @dirs. */
static void landlock(const struct sandbox_policy *p, const struct sandbox_dir dirs[], size_t n)
{
	static const uint8_t access_count[] = { 0, 13, 14, 15, 15, 16 };
	long version = syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_GET_VERSION);
	struct ruleset all = { .net = p->keeps_network ? 0 : NET_ALL,
			       .scoped = n > 0 && !p->has_nothing ? SCOPE_SOCKETS : SCOPE_ALL };
	CLEANUP(fd) int rules = -1;
	int r = 0;

	if (version < 1) {
		log_info("cell: no Landlock: %s", strerror(errno));
		return;
	}
	all.files = (UINT64_C(1) << access_count[version < 5 ? version : 5]) - 1;
	rules = (int)syscall(LANDLOCK_CREATE, &all, version < 4 ? 8 : version < 6 ? 16 : sizeof all, 0);
	for (size_t i = 0; i < n && rules >= 0 && r == 0; i++)
		r = p->has_nothing ? allow_reading(rules, dirs[i].fd) : allow_removal(rules, &dirs[i]);
	if (rules < 0 || r < 0 || syscall(LANDLOCK_RESTRICT, rules, 0) < 0)
		log_info("cell: no Landlock: %s", strerror(r < 0 ? -r : errno));
}

/* ---- the process itself ------------------------------------------------------------------ */

/* What the supervisor and its machines look at: where images are, and how a machine is to run. */
static bool is_setting(const char *variable)
{
	static const char *const starts[] = { "MUSTER_", "HOME=", "XDG_STATE_HOME=" };

	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
		if (strncmp(variable, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static void wipe_environment(bool keeps_settings)
{
	char **to = environ;

	for (char **e = environ; e && *e; e++)
		if (keeps_settings && is_setting(*e))
			*to++ = *e;
		else
			explicit_bzero(*e, strlen(*e));
	if (to)
		*to = NULL;
}

/* SYSCALLS(setup): prlimit64 */
static void limit(int what, rlim_t most)
{
	struct rlimit l = { most, most };

	if (setrlimit((__rlimit_resource_t)what, &l) < 0)
		log_info("cell: limit %d: %s", what, strerror(errno));
}

void sandbox_bound_memory(enum sandbox_role role, uint64_t more_bytes)
{
	CLEANUP(bytes) struct bytes text = { 0 };
	unsigned long long pages = 0;

	if (!sandbox_is_wanted(role))
		return;
	if (file_read_all("/proc/self/statm", 4096, &text) < 0 ||
	    sscanf((char *)text.data, "%llu", &pages) != 1)
		log_info("cell: its memory is not bounded: /proc is not there");
	else
		limit(RLIMIT_AS, (rlim_t)(pages * (unsigned long)sysconf(_SC_PAGESIZE)) + more_bytes);
}

/* SYSCALLS(setup): prctl */
static int shut_process(const struct sandbox_policy *p, char **ret_why)
{
	const char *debug = getenv("MUSTER_DEBUG");
	bool is_debugged = debug && strcmp(debug, "1") == 0;

	if (!is_debugged)
		limit(RLIMIT_CORE, 0);
	wipe_environment(p->forks);
	/* Another user's identity has closed it already. */
	if (prctl(PR_SET_DUMPABLE, is_debugged, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		int r = errno;

		*ret_why = str_printf("no new privileges: %s", strerror(r));
		return -r;
	}
	return 0;
}

int sandbox_isolate(enum sandbox_role role, const struct sandbox_dir dirs[], size_t n, char **ret_why)
{
	const struct sandbox_policy *p = sandbox_policy(role);
	pid_t parent;
	int r;

	if (!sandbox_is_wanted(role))
		return 0;
	cell_hook_before(role);
	parent = getppid();
	/* The library reads the time zone's file at the first date; now it can. */
	tzset();
	json_object_seed(0); /* from /dev/urandom, at the first object */
	if (p->more_files)
		sandbox_bound_memory(role, more_memory_max);
	if (p->has_nothing)
		leave_host(p);
	r = drop_rights(p, ret_why);
	if (r == 0)
		r = shut_process(p, ret_why);
	if (r == 0 && (p->has_nothing || n > 0))
		landlock(p, dirs, n);
	if (r == 0 && p->has_nothing && (r = proc_die_with_parent(parent)) < 0)
		*ret_why = str_dup("its parent is gone");
	return r;
}

/* Descriptors are given the lowest free number, so all up to that are in use: @more
 * can be had beyond, by control messages (streams; the pipe which a state goes into). */
static void bound_descriptors(unsigned more)
{
	/* SYSCALLS(setup): eventfd2 */
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		return;
	(void)close(fd);
	limit(RLIMIT_NOFILE, (rlim_t)fd + more);
}

/* ---- limits and the list ------------------------------------------------------------------- */

/* SYSCALLS(setup): seccomp */
int sandbox_lock(enum sandbox_role role, char **ret_why)
{
	const struct sandbox_policy *p = sandbox_policy(role);
	struct sock_fprog filter = sandbox_filter(role);

	if (!sandbox_is_wanted(role))
		return 0;
	if (!p->forks) {
		(void)signal(SIGXFSZ, SIG_IGN); /* a full log is no reason to die */
		limit(RLIMIT_FSIZE, file_size_max);
		if (!p->may_grow_tasks)
			limit(RLIMIT_NPROC, 0);
		limit(RLIMIT_MEMLOCK, 0);
		limit(RLIMIT_MSGQUEUE, 0);
	}
	if (p->more_files)
		bound_descriptors(p->more_files);
	cell_hook_threads(role);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0) {
		int r = errno;

		*ret_why = str_printf("its list of system calls is refused: %s", strerror(r));
		return -r;
	}
	cell_hook_inside(role);
	return 0;
}
