/* tests/lab/cell_hook.c: tries what is forbidden, from inside each process.
 *
 * Each process that enters a cell first forks one child an attempt. The child
 * enters the cell by the same code with the same descriptors, makes its one
 * attempt, and ends with status SURVIVED when it can. The process itself writes
 * "ROLE ATTEMPT killed|survived ERRNO" lines to the file $CELL_RESULTS and goes
 * on: its team must work. Attempts that must succeed (`control:...`) show that
 * a child dies of its attempt and of nothing else, or which error it gets. The file lies where all
 * processes may write: below MUSTER_HOME.
 *
 * What the host does not have (int 0x80, where its kernel has no 32-bit ABI) is not tried:
 * its line says "skipped".
 *
 * With CELL_TRY=ROLE:ATTEMPT the process itself makes that one, and dies; with
 * CELL_TRY=loader:ATTEMPT a machine does when it comes to unpack its kernel.
 *
 * A machine on KVM has threads: an attempt whose name begins with "thread:" is
 * made by one that stood before the list came. The children have no processor:
 * a KVM machine belongs to the process that made it.
 *
 * With CELL_KVM=1 any KVM that opens is taken for one that can show the model and
 * is fast, as no guest has to boot here.
 *
 * Linked into muster-cell (make/cell.mk) with core/sandbox.c built for it. */
#include "core/sandbox_hook.h"
#include "teams/probe_kvm.h"
#include "vmm/boot/linux64.h"
#include "tests/host_probe.h"
#include "vmm/cpu/kvm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* SELF stands for the process's number in an argument. */
enum { SURVIVED = 0, ERRNO_MASK = 127, X32 = 0x40000000, SELF = -0x5E1F, KICK = __SIGRTMIN + 2 };
/* K: on KVM, T: of those another thread than the one that locked the cell. */
enum { K = 1 << SANDBOX_MACHINE_KVM, MX = 1 << SANDBOX_MACHINE, M = MX | K, F = 1 << SANDBOX_FABRIC,
       U = 1 << SANDBOX_UPLINK, J = 1 << SANDBOX_JANITOR,
       SK = 1 << SANDBOX_SUPERVISOR_KVM | 1 << SANDBOX_SUPERVISOR_UPLINK_KVM,
       SX = 1 << SANDBOX_SUPERVISOR | 1 << SANDBOX_SUPERVISOR_UPLINK, S = SX | SK,
       /* What has the calls of an uplink. */
       SU = 1 << SANDBOX_SUPERVISOR_UPLINK | 1 << SANDBOX_SUPERVISOR_UPLINK_KVM, UU = U | SU,
       L = 1 << SANDBOX_LEASES, MF = M | F | U | L, MFJ = MF | J, ALL = MFJ | S, T = 1 << SANDBOX_ROLE_COUNT };

static char path[] = "/etc/passwd", file_to_make[] = "/tmp/muster-cell-made", shell[] = "/bin/true";
static struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/tmp/muster-cell" };
static char buf[4096];
#define P(x) ((long)(intptr_t)(x))

/* System calls with arguments that would work, were they allowed. */
static const struct attempt {
	const char *name;
	unsigned roles;
	long nr, a[6];
} attempts[] = {
	/* files */
	{ "open", MFJ, SYS_open, { P(path) } },
	{ "open-to-write", MFJ, SYS_open, { P(path), O_WRONLY } },
	{ "openat", MFJ, SYS_openat, { AT_FDCWD, P(path) } },
	{ "openat-create", MFJ, SYS_openat, { AT_FDCWD, P(file_to_make), O_WRONLY | O_CREAT, 0600 } },
	{ "openat-tmpfile", MFJ, SYS_openat, { AT_FDCWD, P("/tmp"), O_TMPFILE | O_RDWR, 0600 } },
	{ "openat2", MFJ, SYS_openat2, { AT_FDCWD, P(path), P(buf), 24 } },
	{ "openat-folder", MF, SYS_openat, { AT_FDCWD, P("/"), O_DIRECTORY } },
	{ "creat", ALL, SYS_creat, { P(file_to_make), 0600 } },
	{ "stat", ALL, SYS_stat, { P(path), P(buf) } },
	{ "newfstatat", MF, SYS_newfstatat, { AT_FDCWD, P(path), P(buf), 0 } },
	{ "statx", ALL, SYS_statx, { AT_FDCWD, P(path), 0, 1, P(buf) } },
	{ "readlink", MFJ, SYS_readlink, { P("/proc/self/exe"), P(buf), 100 } },
	{ "access", MFJ, SYS_access, { P(path), 0 } },
	{ "unlink", MF, SYS_unlink, { P(file_to_make) } },
	{ "unlinkat", MF, SYS_unlinkat, { AT_FDCWD, P(file_to_make), 0 } },
	{ "rename", MFJ, SYS_rename, { P(file_to_make), P(file_to_make) } },
	{ "mkdir", MFJ, SYS_mkdir, { P(file_to_make), 0700 } },
	{ "link", ALL, SYS_link, { P(path), P(file_to_make) } },
	{ "symlink", ALL, SYS_symlink, { P(path), P(file_to_make) } },
	{ "mknod", ALL, SYS_mknod, { P(file_to_make), 0100600, 0 } },
	{ "chmod", ALL, SYS_chmod, { P(path), 0644 } },
	{ "chown", ALL, SYS_chown, { P(path), 0, 0 } },
	{ "truncate", ALL, SYS_truncate, { P(file_to_make), 0 } },
	{ "chdir", MFJ, SYS_chdir, { P("/") } },
	{ "chroot", ALL, SYS_chroot, { P("/") } },
	{ "name_to_handle_at", ALL, SYS_name_to_handle_at, { AT_FDCWD, P(path), P(buf), P(buf), 0 } },
	{ "open_by_handle_at", ALL, SYS_open_by_handle_at, { 0, P(buf), 0 } },
	{ "inotify_init1", ALL, SYS_inotify_init1, { 0 } },
	{ "mount", MFJ, SYS_mount, { P("none"), P("/tmp"), P("tmpfs"), 0, 0 } },
	{ "umount2", MFJ, SYS_umount2, { P("/tmp"), 0 } },
	{ "pivot_root", MFJ, SYS_pivot_root, { P("."), P(".") } },
	{ "fsopen", ALL, SYS_fsopen, { P("tmpfs"), 0 } },
	/* descriptors */
	{ "dup", ALL, SYS_dup, { 0 } },
	{ "dup2", MFJ, SYS_dup2, { 0, 1 } },
	{ "fcntl-append-off", MFJ, SYS_fcntl, { 2, F_SETFL, 0 } },
	{ "ioctl", MFJ, SYS_ioctl, { 0, 0x5401, P(buf) } },
	{ "ioctl-kvm-create-vm", ALL & ~SK, SYS_ioctl, { 0, KVM_CREATE_VM, 0 } },
	{ "ioctl-kvm-create-vcpu", MFJ, SYS_ioctl, { 0, KVM_CREATE_VCPU, 0 } },
	{ "ioctl-kvm-create-device", ALL, SYS_ioctl, { 0, KVM_CREATE_DEVICE, P(buf) } },
	{ "ioctl-kvm-enable-cap", MFJ, SYS_ioctl, { 0, KVM_ENABLE_CAP, P(buf) } },
	{ "ioctl-kvm-run", MX | F | U | J, SYS_ioctl, { 0, KVM_RUN, 0 } },
	{ "ioctl-tun", ALL, SYS_ioctl, { 0, 0x400454ca, P(buf) } },
	{ "ioctl-console-input", ALL, SYS_ioctl, { 0, 0x5412, P(buf) } },
	{ "ftruncate", MFJ & ~L, SYS_ftruncate, { 2, 0 } },
	{ "pwrite", MFJ & ~L, SYS_pwrite64, { 2, P(buf), 0, 0 } },
	{ "sendfile", ALL, SYS_sendfile, { 1, 0, 0, 1 } },
	{ "splice", ALL, SYS_splice, { 0, 0, 1, 0, 1, 0 } },
	{ "memfd_create", MFJ, SYS_memfd_create, { P("x"), 0 } },
	{ "eventfd2", MFJ, SYS_eventfd2, { 0, 0 } },
	{ "pipe2", MFJ, SYS_pipe2, { P(buf), 0 } },
	{ "epoll_create1", MFJ, SYS_epoll_create1, { 0 } },
	{ "timerfd_create", ALL, SYS_timerfd_create, { 0, 0 } },
	{ "io_uring_setup", ALL, SYS_io_uring_setup, { 1, P(buf) } },
	{ "userfaultfd", ALL, SYS_userfaultfd, { 0 } },
	/* sockets */
	{ "socket-unix", MFJ, SYS_socket, { AF_UNIX, SOCK_STREAM, 0 } },
	{ "socket-inet", ALL, SYS_socket, { AF_INET, SOCK_STREAM, 0 } },
	{ "socket-inet6", ALL, SYS_socket, { AF_INET6, SOCK_DGRAM, 0 } },
	{ "socket-inet-raw", ALL, SYS_socket, { AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 1 } },
	{ "socket-inet6-raw", ALL, SYS_socket, { AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 58 } },
	{ "socket-inet-open", ALL & ~UU, SYS_socket, { AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0 } },
	{ "socket-netlink", ALL, SYS_socket, { AF_NETLINK, SOCK_RAW, 0 } },
	{ "socket-packet", ALL, SYS_socket, { AF_PACKET, SOCK_RAW, 0 } },
	{ "socket-vsock", ALL, SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 } },
	{ "socketpair", MFJ, SYS_socketpair, { AF_UNIX, SOCK_STREAM, 0, P(buf) } },
	{ "connect", MFJ & ~U, SYS_connect, { 0, P(&address), sizeof address } },
	{ "bind", MFJ & ~U, SYS_bind, { 0, P(&address), sizeof address } },
	{ "listen", MFJ, SYS_listen, { 0, 1 } },
	{ "accept4", MFJ & ~U, SYS_accept4, { 0, 0, 0, 0 } },
	{ "sendto-elsewhere", ALL & ~UU, SYS_sendto, { 0, P(buf), 1, 0, P(&address), sizeof address } },
	{ "setsockopt", ALL & ~UU, SYS_setsockopt, { 0, 1, 2, P(buf), 4 } },
	/* programs, processes, memory */
	{ "execve", ALL, SYS_execve, { P(shell), 0, 0 } },
	{ "execveat", ALL, SYS_execveat, { AT_FDCWD, P(shell), 0, 0, 0 } },
	{ "fork", ALL, SYS_fork, { 0 } },
	{ "vfork", ALL, SYS_vfork, { 0 } },
	{ "clone", MFJ, SYS_clone, { SIGCHLD } },
	{ "clone-thread", MFJ | SX, SYS_clone, { CLONE_THREAD | CLONE_SIGHAND | CLONE_VM } },
	{ "clone-user", ALL, SYS_clone, { CLONE_NEWUSER | SIGCHLD } },
	{ "clone3", MFJ | SX, SYS_clone3, { P(buf), 64 } },
	{ "ptrace", ALL, SYS_ptrace, { 0 } },
	{ "process_vm_readv", ALL, SYS_process_vm_readv, { 1, P(buf), 1, P(buf), 1, 0 } },
	{ "process_vm_writev", ALL, SYS_process_vm_writev, { 1, P(buf), 1, P(buf), 1, 0 } },
	{ "kcmp", ALL, SYS_kcmp, { 1, 1, 0, 0, 0 } },
	{ "kill", MF, SYS_kill, { 1, 0 } },
	{ "kill-by-another-signal", ALL, SYS_kill, { 1, 0 } },
	{ "tkill", ALL, SYS_tkill, { 1, 0 } },
	{ "tgkill", ALL, SYS_tgkill, { 1, 1, 0 } },
	{ "tgkill-another", MFJ, SYS_tgkill, { 1, 1, KICK } },
	{ "tgkill-another-signal", ALL, SYS_tgkill, { SELF, SELF, SIGTERM } },
	{ "thread:openat", K | T, SYS_openat, { AT_FDCWD, P(path) } },
	{ "thread:socket-inet", K | T, SYS_socket, { AF_INET, SOCK_STREAM, 0 } },
	{ "thread:clone-thread", K | T, SYS_clone, { CLONE_THREAD | CLONE_SIGHAND | CLONE_VM } },
	{ "thread:clone3", K | T, SYS_clone3, { P(buf), 64 } },
	{ "thread:execve", K | T, SYS_execve, { P(shell), 0, 0 } },
	{ "thread:ptrace", K | T, SYS_ptrace, { 0 } },
	{ "thread:ioctl-kvm-create-vm", K | T, SYS_ioctl, { 0, KVM_CREATE_VM, 0 } },
	{ "thread:mmap-exec", K | T, SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "thread:tgkill-another", K | T, SYS_tgkill, { 1, 1, KICK } },
	{ "pidfd_open", ALL, SYS_pidfd_open, { 1, 0 } },
	{ "pidfd_getfd", ALL, SYS_pidfd_getfd, { 0, 0, 0 } },
	{ "mmap-exec", ALL, SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "mprotect-exec", ALL, SYS_mprotect, { 0, 4096, PROT_READ | PROT_EXEC } },
	{ "pkey_mprotect", ALL, SYS_pkey_mprotect, { 0, 4096, PROT_EXEC, -1 } },
	{ "personality", ALL, SYS_personality, { 0xffffffff } },
	{ "shmget", ALL, SYS_shmget, { 0, 4096, 01600 } },
	{ "msgget", ALL, SYS_msgget, { 0, 01600 } },
	{ "mq_open", ALL, SYS_mq_open, { P("x"), 0 } },
	/* rights and namespaces */
	{ "unshare", MFJ, SYS_unshare, { CLONE_NEWUSER } },
	{ "setns", ALL, SYS_setns, { 0, 0 } },
	{ "setuid", ALL, SYS_setuid, { 0 } },
	{ "setresuid", MFJ, SYS_setresuid, { 0, 0, 0 } },
	{ "capset", MFJ, SYS_capset, { 0, 0 } },
	{ "prctl", MFJ, SYS_prctl, { 4, 1 } },
	{ "arch_prctl", ALL, SYS_arch_prctl, { 0x1003, P(buf) } },
	{ "seccomp", MFJ, SYS_seccomp, { 0, 0, 0 } },
	{ "prlimit64", MFJ, SYS_prlimit64, { 0, 7, 0, P(buf) } },
	{ "modify_ldt", ALL, SYS_modify_ldt, { 0, P(buf), 16 } },
	{ "iopl", ALL, SYS_iopl, { 0 } },
	{ "ioperm", ALL, SYS_ioperm, { 0, 1, 0 } },
	/* the kernel */
	{ "bpf", ALL, SYS_bpf, { 0, P(buf), 64 } },
	{ "perf_event_open", ALL, SYS_perf_event_open, { P(buf), 0, -1, -1, 0 } },
	{ "keyctl", ALL, SYS_keyctl, { 0, 0, 0 } },
	{ "add_key", ALL, SYS_add_key, { P("user"), P("x"), P("x"), 1, 0 } },
	{ "init_module", ALL, SYS_init_module, { P(buf), 1, P("") } },
	{ "finit_module", ALL, SYS_finit_module, { 0, P(""), 0 } },
	{ "kexec_load", ALL, SYS_kexec_load, { 0, 0, 0, 0 } },
	{ "reboot", ALL, SYS_reboot, { 0, 0, 0, 0 } },
	{ "swapon", ALL, SYS_swapon, { P(path), 0 } },
	{ "sethostname", ALL, SYS_sethostname, { P("x"), 1 } },
	{ "settimeofday", ALL, SYS_settimeofday, { 0, 0 } },
	{ "syslog", ALL, SYS_syslog, { 3, P(buf), 100 } },
	{ "x32-write", ALL, X32 | SYS_write, { -1, P(buf), 0 } },
	{ "no-such-call", ALL, 1000, { 0 } },
	/* what must not kill */
	{ "control:write", ALL, SYS_write, { -1, P(buf), 0 } },
	{ "control:mmap", ALL, SYS_mmap, { 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "control:write-outside", S, SYS_openat, { AT_FDCWD, P(file_to_make), O_WRONLY | O_CREAT, 0600 } },
	{ "control:brk", ALL, SYS_brk, { 0 } },
	{ "control:socket-inet", UU, SYS_socket, { AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0 } },
	{ "control:kick", K, SYS_tgkill, { SELF, SELF, KICK } },
	{ "control:thread:write", K | T, SYS_write, { -1, P(buf), 0 } },
};
enum { N_ATTEMPTS = sizeof attempts / sizeof *attempts };

static char results[4096], wanted[128];
static const struct attempt *mine; /* this is a child, and its attempt */
static bool is_int80, is_locked;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t locked = PTHREAD_COND_INITIALIZER;
static bool takes_any_kvm, has_int80;

/* Before main(): the cell has no environment. */
__attribute__((constructor)) static void read_environment(void)
{
	const char *r = getenv("CELL_RESULTS"), *w = getenv("CELL_TRY");

	takes_any_kvm = getenv("CELL_KVM") != NULL;

	has_int80 = r && host_can(HOST_INT80, NULL);
	(void)snprintf(results, sizeof results, "%s", r ? r : "");
	(void)snprintf(wanted, sizeof wanted, "%s", w ? w : "");
}

static void write_line(const char *line)
{
	int fd = open(results, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		abort();
	(void)close(fd);
}

static void report(enum sandbox_role role, const char *name, int status)
{
	char line[160];

	if (WIFSIGNALED(status))
		(void)snprintf(line, sizeof line, "%s %s killed %d\n", sandbox_role_str(role), name, WTERMSIG(status));
	else
		(void)snprintf(line, sizeof line, "%s %s survived %d\n", sandbox_role_str(role), name, WEXITSTATUS(status));
	write_line(line);
}

/* In the child: true. The parent has waited for it. */
static bool fork_attempt(enum sandbox_role role, const char *name)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		return true;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	report(role, name, status);
	return false;
}

void cell_hook_before(enum sandbox_role role)
{
	if (!results[0])
		return;
	for (size_t i = 0; i < N_ATTEMPTS; i++) {
		if (!(attempts[i].roles & 1U << role) || !fork_attempt(role, attempts[i].name))
			continue;
		mine = &attempts[i];
		return;
	}
	if (has_int80) {
		is_int80 = fork_attempt(role, "int80-getpid");
	} else {
		char line[160];

		(void)snprintf(line, sizeof line, "%s int80-getpid skipped 0\n", sandbox_role_str(role));
		write_line(line);
	}
}

static long make(const struct attempt *a)
{
	long v[6];

	for (size_t i = 0; i < 6; i++)
		v[i] = a->a[i] == SELF ? getpid() : a->a[i];
	return syscall(a->nr, v[0], v[1], v[2], v[3], v[4], v[5]);
}

static _Noreturn void make_mine(void)
{
	_exit(make(mine) < 0 ? errno & ERRNO_MASK : SURVIVED);
}

static void *other_thread(void *arg)
{
	(void)arg;
	(void)pthread_mutex_lock(&lock);
	while (!is_locked)
		(void)pthread_cond_wait(&locked, &lock);
	make_mine();
}

void cell_hook_threads(enum sandbox_role role)
{
	pthread_t thread;

	(void)role;
	if (mine && (mine->roles & T) && pthread_create(&thread, NULL, other_thread, NULL) != 0)
		abort();
}

/* The other thread makes the attempt and ends the process. */
static _Noreturn void wait_for_it(void)
{
	(void)pthread_mutex_lock(&lock);
	is_locked = true;
	(void)pthread_cond_signal(&locked);
	(void)pthread_mutex_unlock(&lock);
	for (;;)
		(void)pthread_cond_wait(&locked, &lock);
}

/* The 32-bit ABI, whose numbers mean other calls: 20 is its getpid. */
static void int80(void)
{
	long r = 20;

	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
}

/* CELL_TRY=NAME:ATTEMPT has the process itself make it when it comes to what NAME says. */
static void try_as(const char *name)
{
	size_t len = strlen(name);

	if (strncmp(wanted, name, len) != 0 || wanted[len] != ':')
		return;
	for (size_t i = 0; i < N_ATTEMPTS; i++)
		if (strcmp(wanted + len + 1, attempts[i].name) == 0)
			(void)make(&attempts[i]);
}

void cell_hook_inside(enum sandbox_role role)
{
	if (is_int80) {
		int80();
		_exit(SURVIVED);
	}
	if (mine && (mine->roles & T))
		wait_for_it();
	if (mine)
		make_mine();
	try_as(sandbox_role_str(role));
}

/* ---- what unpacks a kernel ------------------------------------------------------------- */

int __real_linux64_load(struct mem *mem, const struct linux64_config *cfg, struct cpu_state *ret_state,
			char **ret_why);
int __wrap_linux64_load(struct mem *mem, const struct linux64_config *cfg, struct cpu_state *ret_state,
			char **ret_why);

int __wrap_linux64_load(struct mem *mem, const struct linux64_config *cfg, struct cpu_state *ret_state,
			char **ret_why)
{
	try_as("loader");
	return __real_linux64_load(mem, cfg, ret_state, ret_why);
}

/* ---- a KVM that need not be good ------------------------------------------------------ */

void __real_probe_kvm(struct probe_kvm_result *ret);
void __wrap_probe_kvm(struct probe_kvm_result *ret);
int __real_kvm_usable(char **ret_why);
int __wrap_kvm_usable(char **ret_why);

void __wrap_probe_kvm(struct probe_kvm_result *ret)
{
	__real_probe_kvm(ret);
	if (takes_any_kvm && ret->verdict == KVM_SLOW)
		ret->verdict = KVM_FAST;
}

int __wrap_kvm_usable(char **ret_why)
{
	return takes_any_kvm ? 0 : __real_kvm_usable(ret_why);
}
