/* tests/teams/check_spawn.c: each process of a team keeps exactly its own descriptors: a team of two machines with
 * three NICs, and children that build their list and close the rest. */
#include "teams/spawn_fds.h"

#include "teams/lease_files.h"
#include "tests/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_VMS = 2, N_RINGS = 3, N_LOGS = 2, RING_FDS = 3, MOST = 32 };

static struct team_vm tvs[N_VMS] = { { .name = "a", .n_nics = 2 }, { .name = "b", .n_nics = 1 } };
static struct team team = { .name = "t", .vms = tvs, .n_vms = N_VMS };
static struct vm_host hosts[N_VMS];
static struct ring_pair_fds rings[N_RINGS];
static struct lease_keeper_log logs[N_LOGS];
static struct sup_leases leases = { .logs = logs, .n_logs = N_LOGS };
static size_t first_ring[] = { 0, 2, 3 };
static struct supervisor sup;
/* What a fork would hand on besides. */
static int pipe_fd, fabric_control, listener;
static struct vm_sockets mine[N_VMS];
static struct boot_fds boot;
static struct sandbox_fds keep;

static int a_file(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_gt(fd, 2);
	return fd;
}

static void setup(void)
{
	sup = (struct supervisor){ .team = &team,
				   .vms = hosts,
				   .n_vms = N_VMS,
				   .rings = rings,
				   .n_rings = N_RINGS,
				   .first_ring = first_ring,
				   .leases = &leases,
				   .lock_fd = a_file(),
				   .cgroup.parent_fd = a_file(),
				   .events.fd = a_file() };
	for (size_t i = 0; i < N_RINGS; i++)
		rings[i] =
			(struct ring_pair_fds){ .mem_fd = a_file(), .up_kick_fd = a_file(), .down_kick_fd = a_file() };
	for (size_t i = 0; i < N_VMS; i++) {
		hosts[i] = (struct vm_host){ .sup = &sup, .tv = &tvs[i], .index = i };
		mine[i] = (struct vm_sockets){ a_file(), a_file(), a_file() };
	}
	for (size_t i = 0; i < N_LOGS; i++)
		logs[i] = (struct lease_keeper_log){ .fds = { a_file(), a_file() } };
	boot = (struct boot_fds){ a_file(), a_file(), a_file() };
	pipe_fd = a_file();
	fabric_control = a_file();
	listener = a_file();
}

static void teardown(void)
{
	(void)close_range((unsigned)sup.lock_fd, (unsigned)listener, 0);
}

static bool has(const int *list, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == fd)
			return true;
	return false;
}

/* In a child, which ends: 0 when of what setup() opened exactly @want is open still. */
static _Noreturn void close_and_look(const int *want, size_t n)
{
	if (sandbox_fds_close_others(&keep) < 0)
		_exit(2);
	for (int fd = sup.lock_fd; fd <= listener; fd++)
		if ((fcntl(fd, F_GETFD) >= 0) != has(want, n, fd))
			_exit(1);
	_exit(0);
}

static void keeps(const int *want, size_t n)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		close_and_look(want, n);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	bytes_done(&keep.list);
	ck_assert_int_eq(status, 0);
}

START_TEST(the_janitor_keeps_three)
{
	int want[] = { pipe_fd, sup.lock_fd, sup.cgroup.parent_fd };

	spawn_fds_janitor(&sup, pipe_fd, &keep);
	keeps(want, 3);
}
END_TEST

START_TEST(without_a_control_group_two)
{
	int want[] = { pipe_fd, sup.lock_fd };

	(void)close(sup.cgroup.parent_fd);
	sup.cgroup.parent_fd = -1;
	spawn_fds_janitor(&sup, pipe_fd, &keep);
	keeps(want, 2);
}
END_TEST

static size_t add_rings(int *want, size_t from, size_t to)
{
	size_t n = 0;

	for (size_t i = from; i < to; i++) {
		want[n++] = rings[i].mem_fd;
		want[n++] = rings[i].up_kick_fd;
		want[n++] = rings[i].down_kick_fd;
	}
	return n;
}

START_TEST(the_fabric_keeps_all_rings)
{
	int want[MOST];
	size_t n = add_rings(want, 0, N_RINGS);

	want[n++] = fabric_control;
	spawn_fds_fabric(&sup, fabric_control, &keep);
	keeps(want, n);
}
END_TEST

START_TEST(what_keeps_leases_keeps_their_files)
{
	int want[] = { fabric_control, logs[0].fds[0], logs[0].fds[1], logs[1].fds[0], logs[1].fds[1] };

	spawn_fds_leases(&sup, fabric_control, &keep);
	keeps(want, sizeof want / sizeof *want);
}
END_TEST

START_TEST(a_machine_keeps_its_own)
{
	int want[MOST];
	size_t n = add_rings(want, first_ring[_i], first_ring[_i + 1]);
	const int own[] = { mine[_i].control, mine[_i].serial, mine[_i].agent, boot.kernel, boot.initrd, boot.pmem };

	memcpy(want + n, own, sizeof own);
	n += sizeof own / sizeof *own;
	spawn_fds_machine(&sup, &hosts[_i], &mine[_i], &boot, &keep);
	keeps(want, n);
}
END_TEST

START_TEST(a_machine_of_a_kernel_alone)
{
	struct boot_fds kernel = { boot.kernel, -1, -1 };
	int want[MOST];
	size_t n = add_rings(want, first_ring[1], first_ring[2]);

	want[n++] = mine[1].control;
	want[n++] = mine[1].serial;
	want[n++] = mine[1].agent;
	want[n++] = boot.kernel;
	spawn_fds_machine(&sup, &hosts[1], &mine[1], &kernel, &keep);
	keeps(want, n);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("spawn");
	TCase *t = tcase_create("spawn");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_janitor_keeps_three);
	tcase_add_test(t, without_a_control_group_two);
	tcase_add_test(t, the_fabric_keeps_all_rings);
	tcase_add_test(t, what_keeps_leases_keeps_their_files);
	tcase_add_loop_test(t, a_machine_keeps_its_own, 0, N_VMS);
	tcase_add_test(t, a_machine_of_a_kernel_alone);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
