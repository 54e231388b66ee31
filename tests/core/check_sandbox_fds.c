/* tests/core/check_sandbox_fds.c: what a process of each role keeps of the descriptors it was forked with, and that
 * docs/sandbox.md says the same. */
#include "core/sandbox_fds.h"

#include "tests/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The inheritance as it was decided; another table than the program's. */
static const char *const rows[SANDBOX_ROLE_COUNT] = {
	[SANDBOX_MACHINE] = "control rings serial agent kernel initrd pmem ",
	[SANDBOX_MACHINE_KVM] = "control rings serial agent kernel initrd pmem ",
	[SANDBOX_FABRIC] = "control rings stations ",
	[SANDBOX_UPLINK] = "control rings forwards icmp folders ",
	[SANDBOX_LEASES] = "control lease files ",
	[SANDBOX_JANITOR] = "pipe lock group ",
	[SANDBOX_SUPERVISOR] = "control lock events ",
	[SANDBOX_SUPERVISOR_KVM] = "control lock events ",
	[SANDBOX_SUPERVISOR_UPLINK] = "control lock events ",
	[SANDBOX_SUPERVISOR_UPLINK_KVM] = "control lock events ",
};

static bool inherits(enum sandbox_role role, enum sandbox_fd what)
{
	return (sandbox_policy(role)->inherits >> what & 1) != 0;
}

START_TEST(the_table_is_this)
{
	char text[256] = "";

	for (enum sandbox_fd what = 0; what < SANDBOX_FD_COUNT; what++)
		if (inherits((enum sandbox_role)_i, what))
			(void)sprintf(text + strlen(text), "%s ", sandbox_fd_str(what));
	ck_assert_str_eq(text, rows[_i]);
}
END_TEST

/* Is every descriptor above 2 that is open one of @kept, and all of those open? */
static bool are_open_alone(const int *kept, size_t n_kept)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0, n_right = 0;
	struct dirent *e;

	while (dir && (e = readdir(dir)) != NULL) {
		int fd = atoi(e->d_name);

		if (fd <= 2 || fd == dirfd(dir))
			continue;
		n++;
		for (size_t i = 0; i < n_kept; i++)
			n_right += kept[i] == fd;
	}
	(void)closedir(dir);
	return n == n_kept && n_right == n_kept;
}

static int a_file(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* In a child: 0 when it kept what the row says, and nothing else. */
static int keep_as(enum sandbox_role role, bool only_its_own)
{
	struct sandbox_fds f = { .role = role };
	int kept[SANDBOX_FD_COUNT], stray[3], r;
	size_t n_kept = 0;

	stray[0] = a_file();
	for (enum sandbox_fd what = 0; what < SANDBOX_FD_COUNT; what++) {
		int fd = a_file();

		if (only_its_own && !inherits(role, what))
			continue;
		sandbox_fds_add(&f, what, fd);
		sandbox_fds_add(&f, what, -1); /* there is none: nothing */
		if (inherits(role, what))
			kept[n_kept++] = fd;
	}
	stray[1] = a_file();
	stray[2] = dup2(stray[0], 700);
	r = sandbox_fds_close_others(&f);
	if (!are_open_alone(kept, n_kept) || f.list.len != 0)
		return 1;
	return r == (only_its_own ? 0 : -EPERM) ? 0 : 2;
}

static int in_child(enum sandbox_role role, bool only_its_own)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(keep_as(role, only_its_own));
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(a_role_keeps_its_row_and_nothing_else)
{
	ck_assert_int_eq(in_child((enum sandbox_role)_i, true), 0);
	ck_assert_int_eq(in_child((enum sandbox_role)_i, false), 0);
}
END_TEST

START_TEST(of_all_but_rings_there_is_one)
{
	struct sandbox_fds f = { .role = SANDBOX_MACHINE };

	for (int fd = 10; fd < 16; fd++)
		sandbox_fds_add(&f, SANDBOX_FD_RING, fd);
	ck_assert_int_eq(f.error, 0);
	sandbox_fds_add(&f, SANDBOX_FD_CONTROL, 20);
	ck_assert_int_eq(f.error, 0);
	sandbox_fds_add(&f, SANDBOX_FD_CONTROL, 21);
	ck_assert_int_eq(f.error, -EEXIST);
	sandbox_fds_add(&f, SANDBOX_FD_LOCK, 22);
	ck_assert_int_eq(f.error, -EEXIST); /* the first that was refused */
	ck_assert_uint_eq(f.list.len, 7 * sizeof(int));
	bytes_done(&f.list);
}
END_TEST

/* A row of docs/sandbox.md for each role; those on KVM are as the others. */
START_TEST(the_page_says_the_same)
{
	CLEANUP(bytes) struct bytes page = { 0 };
	char row[512];

	ck_assert_int_eq(file_read_all("docs/sandbox.md", 1 << 20, &page), 0);
	for (enum sandbox_role role = 0; role < SANDBOX_ROLE_COUNT; role++) {
		(void)snprintf(row, sizeof row, "| %s |", sandbox_role_str(role));
		for (enum sandbox_fd what = 0, n = 0; what < SANDBOX_FD_COUNT; what++)
			if (inherits(role, what))
				(void)sprintf(row + strlen(row), "%s %s", n++ ? "," : "", sandbox_fd_str(what));
		(void)strcat(row, " |");
		ck_assert_msg(strstr((char *)page.data, row) != NULL, "docs/sandbox.md lacks the row: %s", row);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("sandbox_fds");
	TCase *t = tcase_create("sandbox_fds");

	tcase_add_loop_test(t, the_table_is_this, 0, SANDBOX_ROLE_COUNT);
	tcase_add_loop_test(t, a_role_keeps_its_row_and_nothing_else, 0, SANDBOX_ROLE_COUNT);
	tcase_add_test(t, of_all_but_rings_there_is_one);
	tcase_add_test(t, the_page_says_the_same);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
