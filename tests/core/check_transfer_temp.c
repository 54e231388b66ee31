/* tests/core/check_transfer_temp.c: temporary names that are held, and those whose maker was killed. */
#include "core/transfer_temp.h"

#include "core/bytes.h"
#include "core/cleanup.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/check_transfer_temp.XXXXXX";
static int dir_fd;

static void setup(void)
{
	memcpy(strrchr(dir, '.'), ".XXXXXX", 8);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir_fd, 0);
}

static void teardown(void)
{
	(void)close(dir_fd);
	(void)dir_remove_all(dir);
}

static bool is_there(const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A receiver in the middle of a folder and a file; their names come by @pipe_fd. */
static void fill_and_wait(int pipe_fd)
{
	char *folder = NULL, *file = NULL, names[2][64] = { "", "" };
	int folder_fd = -1, file_fd = -1, sub;

	if (transfer_temp_folder(dir_fd, &folder, &folder_fd) < 0 || transfer_temp_file(dir_fd, &file, &file_fd) < 0)
		_exit(1);
	sub = mkdirat(folder_fd, "sub", 0700) == 0 ? openat(folder_fd, "sub/f", O_CREAT | O_WRONLY, 0600) : -1;
	(void)snprintf(names[0], sizeof names[0], "%s", folder);
	(void)snprintf(names[1], sizeof names[1], "%s", file);
	if (sub < 0 || write(pipe_fd, names, sizeof names) != sizeof names)
		_exit(1);
	for (;;)
		(void)pause();
}

START_TEST(what_is_held_stays_and_what_was_left_goes)
{
	char names[2][64];
	int ends[2];
	pid_t child;

	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	if (child == 0)
		fill_and_wait(ends[1]);
	ck_assert_int_eq(read(ends[0], names, sizeof names), sizeof names);
	transfer_temp_sweep(dir_fd);
	ck_assert(is_there(names[0]) && is_there(names[1]));
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	transfer_temp_sweep(dir_fd);
	ck_assert(!is_there(names[0]));
	ck_assert(!is_there(names[1]));
	(void)close(ends[0]);
	(void)close(ends[1]);
}
END_TEST

static const char *const others[] = { ".muster-copy",	      ".muster-copy.1",	  ".muster-copy.1.",
				      ".muster-copy.1.2.bak", ".muster-copy.x.1", ".muster-copy.-1.1",
				      ".muster-copy.0.1",     "muster-copy.1.1" };

START_TEST(another_name_stays)
{
	ck_assert_int_eq(mkdirat(dir_fd, others[_i], 0700), 0);
	transfer_temp_sweep(dir_fd);
	ck_assert(is_there(others[_i]));
}
END_TEST

START_TEST(what_no_receiver_makes_stays)
{
	ck_assert_int_eq(mkfifoat(dir_fd, ".muster-copy.1.1", 0600), 0);
	transfer_temp_sweep(dir_fd);
	ck_assert(is_there(".muster-copy.1.1"));
}
END_TEST

START_TEST(a_link_goes_with_its_process)
{
	CLEANUP(free) char *own = transfer_temp_name();
	char gone[64];
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	(void)snprintf(gone, sizeof gone, ".muster-copy.%d.1", (int)child);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(symlinkat("/etc", dir_fd, own), 0);
	ck_assert_int_eq(symlinkat("/etc", dir_fd, gone), 0);
	transfer_temp_sweep(dir_fd);
	ck_assert(is_there(own) && !is_there(gone));
	ck_assert_int_eq(access("/etc/passwd", F_OK), 0);
}
END_TEST

START_TEST(a_maker_sees_that_a_sweep_came_first)
{
	CLEANUP(free) char *name = transfer_temp_name();
	CLEANUP(fd) int fd = -1;

	ck_assert_int_eq(mkdirat(dir_fd, name, 0700), 0);
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	transfer_temp_sweep(dir_fd); /* it is made, and not yet held */
	ck_assert(!is_there(name));
	ck_assert(!transfer_temp_hold(fd));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("transfer_temp");
	TCase *t = tcase_create("transfer_temp");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_held_stays_and_what_was_left_goes);
	tcase_add_loop_test(t, another_name_stays, 0, sizeof others / sizeof others[0]);
	tcase_add_test(t, what_no_receiver_makes_stays);
	tcase_add_test(t, a_link_goes_with_its_process);
	tcase_add_test(t, a_maker_sees_that_a_sweep_came_first);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
