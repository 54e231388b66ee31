/* tests/core/check_sandbox.c: processes that enter cells, and what is left to
 * them. What each role's list forbids in a whole team is lab-cell's to show;
 * here are the means one by one. Builds with sanitizers have no cells. */
#include "core/bytes.h"
#include "core/proc.h"
#include "core/sandbox.h"
#include "core/state.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { KEPT = 40, LOST = 41 }; /* descriptors */

static char dir[] = "/tmp/check-sandbox.XXXXXX";
static char *inside, *outside; /* files below and beside the janitor's folder */

static void setup(void)
{
	CLEANUP(free) char *folder = NULL;

	(void)strcpy(dir, "/tmp/check-sandbox.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	folder = str_printf("%s/own", dir);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	inside = str_printf("%s/own/file", dir);
	outside = str_printf("%s/file", dir);
	ck_assert_int_eq(dup2(STDERR_FILENO, KEPT), KEPT);
	ck_assert_int_eq(dup2(STDERR_FILENO, LOST), LOST);
	ck_assert_int_eq(file_write_all(inside, "", 0, 0600), 0);
	ck_assert_int_eq(file_write_all(outside, "", 0, 0600), 0);
}

static void teardown(void)
{
	(void)close(KEPT);
	(void)close(LOST);
	ck_assert_int_eq(dir_remove_all(dir), 0);
	free(inside);
	free(outside);
}

/* Runs @fn in a cell; the wait status. */
static int in_cell_with(enum sandbox_role role, const struct sandbox_dir dirs[], size_t n, int (*fn)(void))
{
	pid_t pid = fork();
	int status = -1;
	char *why = NULL;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (sandbox_isolate(role, dirs, n, &why) < 0 || sandbox_lock(role, &why) < 0)
			_exit(99);
		_exit(fn());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static int in_cell(enum sandbox_role role, const char *folder, int (*fn)(void))
{
	return in_cell_with(role, &(struct sandbox_dir){ .path = folder }, folder ? 1 : 0, fn);
}

static int do_nothing(void)
{
	return 7;
}

/* A machine's saved state is taken apart by a child of the supervisor's cell: one of many
 * sections, which glibc's qsort() would not sort without sysinfo(2). */
static int do_load_state(void)
{
	struct state *out = NULL, *in = NULL;
	char *why = NULL;
	size_t len;
	const void *data;

	if (state_save_new(-1, &out) < 0)
		return 1;
	for (uint32_t i = 0; i < 200; i++) {
		(void)state_begin(out, "many", i, 1);
		state_end(out);
	}
	if (state_finish(out) < 0)
		return 2;
	data = state_data(out, &len);
	return state_load_new(data, len, &in, &why) < 0 || !state_has(in, "many", 199) ? 3 : 7;
}

static int do_allocate(void)
{
	for (size_t size = 1; size < 1 << 26; size *= 2)
		free(malloc(size));
	return environ && environ[0] ? 1 : 7;
}

/* As a team's fabric starts: by the hundred descriptors. Those of @keep stay, others go. */
static int do_close_fds(void)
{
	enum { COUNT = 2000 };
	int keep[COUNT];

	for (int i = 0; i < COUNT; i++)
		keep[i] = 5000 - i;
	keep[1000] = KEPT;
	proc_close_fds_except(keep, COUNT);
	return write(KEPT, "", 0) == 0 && write(LOST, "", 0) < 0 ? 7 : 1;
}

static int do_log(void)
{
	time_t t = 0;
	struct tm tm;

	/* Both would open a file, had they not been called before the lock. */
	return localtime_r(&t, &tm) && write(STDERR_FILENO, "", 0) == 0 ? 7 : 1;
}

static int do_open(void)
{
	return open("/etc/passwd", O_RDONLY) < 0;
}

static int do_map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

/* The 64-bit condition: an address whose low half is 0. */
static int do_send_far(void)
{
	return (int)syscall(SYS_sendto, -1, "", 0, 0, UINT64_C(1) << 32, 0);
}

static int do_eat_memory(void)
{
	return mmap(NULL, 1 << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 7 : 1;
}

static int do_exec(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}

/* The signal by which a machine's threads end a KVM_RUN. */
static int do_kick_itself(void)
{
	sigset_t kick;

	(void)sigemptyset(&kick);
	(void)sigaddset(&kick, SIGRTMIN);
	(void)pthread_sigmask(SIG_BLOCK, &kick, NULL);
	return pthread_kill(pthread_self(), SIGRTMIN) == 0 ? 7 : 1;
}

static int do_kick_parent(void)
{
	return (int)syscall(SYS_tgkill, getppid(), getppid(), SIGRTMIN);
}

static int do_end_itself(void)
{
	return (int)syscall(SYS_tgkill, getpid(), getpid(), SIGTERM);
}

static int do_make_vm(void)
{
	return ioctl(-1, KVM_CREATE_VM, 0) < 0 && errno == EBADF ? 7 : 1;
}

static int do_run_vcpu(void)
{
	return ioctl(-1, KVM_RUN, 0) < 0 && errno == EBADF ? 7 : 1;
}

static void *return_arg(void *arg)
{
	return arg;
}

static int do_make_thread(void)
{
	pthread_t t;

	return pthread_create(&t, NULL, return_arg, NULL) == 0 && pthread_join(t, NULL) == 0 ? 7 : 1;
}

static int do_clone_user(void)
{
	return (int)syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWUSER, 0, 0, 0, 0);
}

static int do_tidy(void)
{
	CLEANUP(free) char *folder = str_printf("%s/own", dir);

	return dir_remove_all(folder) == 0 ? 7 : 1;
}

/* As a control group's folder goes: from the one above, which was open before. */
static int above_fd;

static int do_remove_both(void)
{
	return do_tidy() == 7 && unlinkat(above_fd, "group", AT_REMOVEDIR) == 0 ? 7 : 1;
}

static int do_remove_beside(void)
{
	return unlink(outside) < 0 && errno == EACCES ? 7 : 1;
}

static int do_write_beside(void)
{
	return open(outside, O_WRONLY) < 0;
}

/* Muster's variables stay, and no byte of another. */
static char secret[] = "SECRET=outside", setting[] = "MUSTER_IMAGE_PATH=/images";
static char *variables[] = { secret, setting, NULL };

static int do_look_at_environment(void)
{
	const char *images = getenv("MUSTER_IMAGE_PATH");

	for (size_t i = 0; i < sizeof secret; i++)
		if (secret[i] != '\0')
			return 1;
	return !getenv("SECRET") && images && strcmp(images, "/images") == 0 ? 7 : 2;
}

static int do_write_to_both(void)
{
	CLEANUP(fd) int fd = open(inside, O_WRONLY), read_fd = open(outside, O_RDONLY);

	return fd >= 0 && read_fd >= 0 && open(outside, O_WRONLY) < 0 && errno == EROFS ? 7 : 1;
}

static int do_open_socket(void)
{
	CLEANUP(fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd >= 0 ? 7 : 1;
}

static int do_open_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP) < 0;
}

/* The list of the one which forks holds that of the one which is forked. */
static int do_fork_uplink(void)
{
	int status = in_cell(SANDBOX_UPLINK, NULL, do_open_socket);

	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static const struct {
	enum sandbox_role role;
	int (*fn)(void);
	bool is_killed;
} tries[] = {
	{ SANDBOX_UPLINK, do_open_socket, false },   { SANDBOX_UPLINK, do_open_raw_socket, true },
	{ SANDBOX_SUPERVISOR, do_open_socket, true },
	{ SANDBOX_SUPERVISOR_KVM, do_open_socket, true },
	{ SANDBOX_SUPERVISOR_UPLINK, do_open_socket, false },
	{ SANDBOX_SUPERVISOR_UPLINK, do_open_raw_socket, true },
	{ SANDBOX_SUPERVISOR_UPLINK, do_fork_uplink, false },
	{ SANDBOX_SUPERVISOR_UPLINK, do_make_vm, true },
	{ SANDBOX_SUPERVISOR_UPLINK, do_make_thread, true },
	{ SANDBOX_SUPERVISOR_UPLINK_KVM, do_fork_uplink, false },
	{ SANDBOX_SUPERVISOR_UPLINK_KVM, do_make_vm, false },
	{ SANDBOX_SUPERVISOR_UPLINK_KVM, do_make_thread, false },
	{ SANDBOX_MACHINE, do_nothing, false },	     { SANDBOX_MACHINE, do_allocate, false },
	{ SANDBOX_MACHINE, do_log, false },	     { SANDBOX_MACHINE, do_open, true },
	{ SANDBOX_MACHINE, do_map_code, true },	     { SANDBOX_MACHINE, do_send_far, true },
	{ SANDBOX_MACHINE, do_eat_memory, false },   { SANDBOX_MACHINE, do_exec, true },
	{ SANDBOX_FABRIC, do_allocate, false },	     { SANDBOX_FABRIC, do_open, true },
	{ SANDBOX_LEASES, do_allocate, false },	     { SANDBOX_LEASES, do_open, true },
	{ SANDBOX_LEASES, do_exec, true },	     { SANDBOX_LEASES, do_log, false },
	{ SANDBOX_FABRIC, do_exec, true },	     { SANDBOX_JANITOR, do_nothing, false },
	{ SANDBOX_JANITOR, do_write_beside, true },  { SANDBOX_JANITOR, do_exec, true },
	{ SANDBOX_SUPERVISOR, do_nothing, false },   { SANDBOX_SUPERVISOR, do_exec, true },
	{ SANDBOX_SUPERVISOR, do_map_code, true },   { SANDBOX_SUPERVISOR, do_close_fds, false },
	{ SANDBOX_SUPERVISOR, do_make_vm, true },    { SANDBOX_SUPERVISOR, do_make_thread, true },
	{ SANDBOX_SUPERVISOR, do_load_state, false },
	{ SANDBOX_SUPERVISOR_KVM, do_make_vm, false },
	{ SANDBOX_SUPERVISOR_KVM, do_make_thread, false },
	{ SANDBOX_SUPERVISOR_KVM, do_clone_user, true },
	{ SANDBOX_SUPERVISOR_KVM, do_exec, true },
	{ SANDBOX_MACHINE, do_kick_itself, true },
	{ SANDBOX_MACHINE, do_run_vcpu, true },
	{ SANDBOX_MACHINE_KVM, do_kick_itself, false },
	{ SANDBOX_MACHINE_KVM, do_kick_parent, true },
	{ SANDBOX_MACHINE_KVM, do_end_itself, true },
	{ SANDBOX_MACHINE_KVM, do_run_vcpu, false },
	{ SANDBOX_MACHINE_KVM, do_make_vm, true },
	{ SANDBOX_MACHINE_KVM, do_make_thread, true },
	{ SANDBOX_MACHINE_KVM, do_open, true },
	{ SANDBOX_MACHINE_KVM, do_exec, true },
};

START_TEST(a_cell_allows_and_kills)
{
	int status;

	if (!sandbox_is_wanted(tries[_i].role))
		return;
	status = in_cell(tries[_i].role, NULL, tries[_i].fn);
	if (tries[_i].is_killed)
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	else
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

START_TEST(the_janitor_removes_its_folder_and_no_other)
{
	CLEANUP(free) char *folder = str_printf("%s/own", dir);
	int status;

	if (!sandbox_is_wanted(SANDBOX_JANITOR))
		return;
	status = in_cell(SANDBOX_JANITOR, folder, do_tidy);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	ck_assert_int_lt(access(folder, F_OK), 0);
	/* Landlock is what keeps it from the rest; without it nothing does. */
	if (syscall(444, NULL, 0, 1) < 1)
		return;
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	status = in_cell(SANDBOX_JANITOR, folder, do_remove_beside);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	ck_assert_int_eq(access(outside, F_OK), 0);
}
END_TEST

START_TEST(the_janitor_removes_both_its_folders)
{
	CLEANUP(free) char *own = str_printf("%s/own", dir);
	CLEANUP(free) char *group = NULL;
	struct sandbox_dir dirs[] = { { .path = own }, { .path = NULL } };
	char above[] = "/tmp/check-sandbox-group.XXXXXX"; /* not below what the first allows */
	int status;

	ck_assert_ptr_nonnull(mkdtemp(above));
	dirs[1].path = group = str_printf("%s/group", above);
	ck_assert_int_eq(mkdir(group, 0700), 0);
	above_fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	status = in_cell_with(SANDBOX_JANITOR, dirs, 2, do_remove_both);
	(void)close(above_fd);
	ck_assert_int_eq(dir_remove_all(above), 0);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

/* A folder of files only: one of its files goes, none can be listed, and a folder in it stays. */
static int do_remove_file_only(void)
{
	CLEANUP(free) char *folder = str_printf("%s/own/folder", dir), *own = str_printf("%s/own", dir);
	CLEANUP(fd) int fd = -1;

	if (rmdir(folder) == 0 || errno != EACCES)
		return 1;
	fd = open(own, O_RDONLY | O_DIRECTORY);
	if (fd >= 0 || errno != EACCES)
		return 2;
	return unlink(inside) == 0 && do_remove_beside() == 7 ? 7 : 3;
}

START_TEST(the_janitor_removes_files_and_no_folders)
{
	CLEANUP(free) char *own = str_printf("%s/own", dir), *folder = str_printf("%s/own/folder", dir);
	int status;

	if (!sandbox_is_wanted(SANDBOX_JANITOR) || syscall(444, NULL, 0, 1) < 1)
		return;
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	status = in_cell_with(SANDBOX_JANITOR, &(struct sandbox_dir){ .path = own, .is_files_only = true }, 1,
			      do_remove_file_only);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 7);
	ck_assert_int_eq(access(folder, F_OK), 0);
}
END_TEST

/* A thread that was there before the list has it too. */
static int made = -1;
static void *open_later(void *arg)
{
	char c;

	if (read(*(int *)arg, &c, 1) == 1)
		made = open("/etc/passwd", O_RDONLY);
	return NULL;
}

START_TEST(all_threads_are_locked)
{
	int fds[2], status = -1;
	char *why = NULL;
	pthread_t t;
	pid_t pid;

	if (!sandbox_is_wanted(SANDBOX_MACHINE_KVM))
		return;
	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		if (sandbox_isolate(SANDBOX_MACHINE_KVM, NULL, 0, &why) < 0 ||
		    pthread_create(&t, NULL, open_later, &fds[0]) != 0 ||
		    sandbox_lock(SANDBOX_MACHINE_KVM, &why) < 0 || write(fds[1], "x", 1) != 1)
			_exit(99);
		(void)pthread_join(t, NULL);
		_exit(made >= 0 ? 98 : 97);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

/* A process in its cell, until the other end of @fds is closed. */
static pid_t start_in_cell(enum sandbox_role role, const int fds[2])
{
	pid_t pid = fork();
	char *why = NULL, c;

	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	(void)close(fds[0]);
	if (sandbox_isolate(role, NULL, 0, &why) < 0 || sandbox_lock(role, &why) < 0 || write(fds[1], "x", 1) != 1)
		_exit(99);
	(void)recv(fds[1], &c, 1, 0);
	_exit(7);
}

START_TEST(a_supervisor_keeps_settings_and_no_other_variable)
{
	char **before = environ;
	int status;

	if (!sandbox_is_wanted(SANDBOX_SUPERVISOR))
		return;
	environ = variables;
	status = in_cell(SANDBOX_SUPERVISOR, NULL, do_look_at_environment);
	environ = before;
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

START_TEST(a_supervisor_writes_to_its_folders_only)
{
	CLEANUP(free) char *folder = str_printf("%s/own", dir);
	const char *dirs[] = { folder };
	int status = -1;
	char *why = NULL;
	pid_t pid;

	if (!sandbox_is_wanted(SANDBOX_SUPERVISOR))
		return;
	pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWNS | CLONE_NEWUSER) < 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (status != 0) {
		puts("skipped 1: the supervisor's view of the files: no mount namespaces here");
		return;
	}
	pid = fork();
	if (pid == 0) {
		if (sandbox_narrow_view(SANDBOX_SUPERVISOR, dirs, 1, &why) < 0)
			_exit(99);
		_exit(WEXITSTATUS(in_cell(SANDBOX_SUPERVISOR, NULL, do_write_to_both)));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

/* The first number, in @base, of what /proc says as @name of @pid, once it has written to @fd. */
static uint64_t status_of(pid_t pid, int fd, const char *name, int base)
{
	CLEANUP(free) char *path = str_printf("/proc/%d/status", (int)pid);
	CLEANUP(bytes) struct bytes text = { 0 };
	const char *at;
	char c;

	if (fd >= 0)
		ck_assert_int_eq(read(fd, &c, 1), 1);
	ck_assert_int_eq(file_read_all(path, 1 << 16, &text), 0);
	bytes_append(&text, "", 1);
	at = strstr((char *)text.data, name);
	ck_assert_ptr_nonnull(at);
	return strtoull(at + strlen(name), NULL, base);
}

/* What another user's process gets who wants to signal @pid. */
static int signal_as(uid_t user, pid_t pid)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0)
		_exit(setresuid(user, user, user) < 0 ? 99 : kill(pid, 0) < 0 ? errno : 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

START_TEST(each_cell_of_root_has_a_user_of_its_own)
{
	int fds[2][2], status;
	uid_t user[2];
	pid_t pid[2];

	if (!sandbox_is_wanted(SANDBOX_MACHINE))
		return;
	if (geteuid() != 0) {
		puts("skipped 1: users of cells: only root may change into them");
		return;
	}
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds[i]), 0);
		pid[i] = start_in_cell(i ? SANDBOX_FABRIC : SANDBOX_MACHINE, fds[i]);
		(void)close(fds[i][1]);
		user[i] = (uid_t)status_of(pid[i], fds[i][0], "\nUid:", 10);
	}
	ck_assert_uint_ne(user[0], user[1]);
	ck_assert_ptr_null(getpwuid(user[0]));
	ck_assert_int_eq(signal_as(65534, pid[0]), EPERM);
	ck_assert_int_eq(signal_as(user[1], pid[0]), EPERM);
	ck_assert_int_eq(signal_as(user[0], pid[0]), 0);
	/* The second inherited our end of the first one's socket, so both are closed before either is waited for. */
	for (int i = 0; i < 2; i++)
		(void)close(fds[i][0]);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(waitpid(pid[i], &status, 0), pid[i]);
}
END_TEST

static const struct {
	enum sandbox_role role;
	uint64_t rights;
} rights[] = {
	{ SANDBOX_MACHINE, 0 },
	{ SANDBOX_MACHINE_KVM, 0 },
	{ SANDBOX_FABRIC, 0 },
	{ SANDBOX_LEASES, 0 },
	{ SANDBOX_JANITOR, 1 << CAP_KILL | 1 << CAP_DAC_OVERRIDE },
	{ SANDBOX_SUPERVISOR,
	  1 << CAP_KILL | 1 << CAP_DAC_OVERRIDE | 1 << CAP_SYS_ADMIN | 1 << CAP_SETUID | 1 << CAP_SETGID },
	{ SANDBOX_SUPERVISOR_KVM,
	  1 << CAP_KILL | 1 << CAP_DAC_OVERRIDE | 1 << CAP_SYS_ADMIN | 1 << CAP_SETUID | 1 << CAP_SETGID },
	{ SANDBOX_UPLINK, 0 },
	{ SANDBOX_SUPERVISOR_UPLINK, 1 << CAP_KILL | 1 << CAP_DAC_OVERRIDE | 1 << CAP_SYS_ADMIN | 1 << CAP_SETUID |
					     1 << CAP_SETGID | 1 << CAP_NET_BIND_SERVICE },
	{ SANDBOX_SUPERVISOR_UPLINK_KVM, 1 << CAP_KILL | 1 << CAP_DAC_OVERRIDE | 1 << CAP_SYS_ADMIN |
						 1 << CAP_SETUID | 1 << CAP_SETGID | 1 << CAP_NET_BIND_SERVICE },
};

START_TEST(a_cell_of_root_keeps_what_it_uses)
{
	uint64_t mine = status_of(getpid(), -1, "\nCapPrm:", 16), wanted = rights[_i].rights & mine;
	int fds[2], status;
	pid_t pid;

	if (!sandbox_is_wanted(rights[_i].role))
		return;
	if (geteuid() != 0) {
		puts("skipped 1: capabilities in cells: only root has any");
		return;
	}
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	pid = start_in_cell(rights[_i].role, fds);
	(void)close(fds[1]);
	ck_assert_uint_eq(status_of(pid, fds[0], "\nCapEff:", 16), wanted);
	ck_assert_uint_eq(status_of(pid, -1, "\nCapPrm:", 16), wanted);
	ck_assert_uint_eq(status_of(pid, -1, "\nCapInh:", 16), 0);
	if (mine & 1 << CAP_SETPCAP)
		ck_assert_uint_eq(status_of(pid, -1, "\nCapBnd:", 16), 0);
	(void)close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("sandbox");
	TCase *t = tcase_create("sandbox");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_cell_allows_and_kills, 0, sizeof tries / sizeof *tries);
	tcase_add_test(t, the_janitor_removes_its_folder_and_no_other);
	tcase_add_test(t, the_janitor_removes_both_its_folders);
	tcase_add_test(t, the_janitor_removes_files_and_no_folders);
	tcase_add_test(t, all_threads_are_locked);
	tcase_add_test(t, a_supervisor_keeps_settings_and_no_other_variable);
	tcase_add_test(t, a_supervisor_writes_to_its_folders_only);
	tcase_add_loop_test(t, a_cell_of_root_keeps_what_it_uses, 0, sizeof rights / sizeof *rights);
	tcase_add_test(t, each_cell_of_root_has_a_user_of_its_own);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
