/* tests/cli/check_cli.c: values on the command line, and tables. */
#include "cli/cli.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *const bad_times[] = { "0x2s", "1e3s", " 2s", "2", "+2s", "-2s", "infs", "2 s", "2s ", ".5s", "" };

START_TEST(test_bad_time)
{
	nsec_t ns = 5;

	ck_assert_int_eq(cli_parse_time(bad_times[_i], &ns), -EINVAL);
	ck_assert_int_eq(ns, 5);
}
END_TEST

START_TEST(test_good_time)
{
	nsec_t ns = 0;

	ck_assert_int_eq(cli_parse_time("1.5s", &ns), 0);
	ck_assert_int_eq(ns, 1500 * NSEC_PER_MSEC);
}
END_TEST

enum { TEXT_SIZE = 8192, WIDTH = 40 };

static const char *const cells[] = {
	"NAME", "WHAT", "SOURCE",
	"a-name-that-is-copied", "one two three four five six seven", "the standard, section 1",
	"b", "an \x1b[31mescape", NULL,
};

/* Prints the table on @out, a terminal or a pipe, and reads @in to its end. */
static void print_on(int out, int in, size_t n_rows, char *ret_text)
{
	int saved = dup(STDOUT_FILENO);
	ssize_t n;

	ck_assert_int_ge(saved, 0);
	(void)fflush(stdout);
	ck_assert_int_ge(dup2(out, STDOUT_FILENO), 0);
	cli_print_table(cells, n_rows, 3);
	(void)fflush(stdout);
	n = read(in, ret_text, TEXT_SIZE - 1);
	ck_assert_int_ge(dup2(saved, STDOUT_FILENO), 0);
	(void)close(saved);
	ck_assert_int_gt(n, 0);
	ret_text[n] = '\0';
}

START_TEST(test_table_in_a_pipe)
{
	char text[TEXT_SIZE];
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	print_on(fds[1], fds[0], 3, text);
	ck_assert_ptr_nonnull(strstr(text, "one two three four five six seven  the standard, section 1\n"));
	ck_assert_ptr_null(strchr(text, '\x1b'));
	print_on(fds[1], fds[0], 1, text);
	ck_assert_str_eq(text, "NAME  WHAT  SOURCE\n");
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

START_TEST(test_table_on_a_terminal)
{
	struct winsize size = { .ws_row = 24, .ws_col = WIDTH };
	char text[TEXT_SIZE];
	int master, slave;

	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, &size), 0);
	(void)unsetenv("COLUMNS");
	print_on(slave, master, 3, text);
	ck_assert_ptr_nonnull(strstr(text, "\x1b[1m")); /* the header is bold */
	ck_assert_ptr_null(strstr(text, "\x1b[31m")); /* a cell's escape is not obeyed */
	ck_assert_ptr_nonnull(strstr(text, "a-name-that-is-copied"));
	for (char *line = strtok(strchr(text, '\n'), "\r\n"); line; line = strtok(NULL, "\r\n"))
		ck_assert_uint_le(strlen(line), WIDTH);
	(void)close(master);
	(void)close(slave);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("cli");
	TCase *t = tcase_create("cli");

	tcase_add_loop_test(t, test_bad_time, 0, sizeof bad_times / sizeof *bad_times);
	tcase_add_test(t, test_good_time);
	tcase_add_test(t, test_table_in_a_pipe);
	tcase_add_test(t, test_table_on_a_terminal);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
