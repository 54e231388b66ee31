/* tests/teams/check_cgroup.c: which group a team's is made in, from files laid out as the kernel's, which
 * limits it has, how it is made and removed, and whom the kernel killed. */
#include "tests/unit.h"

#include "core/bytes.h"
#include "teams/cgroup.h"
#include "teams/team_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOUNT "35 24 0:30 / /cg rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
enum { FILES_MAX = 8, NOBODY = 65534 };

static char root[] = "/tmp/muster-cgroup.XXXXXX";
static unsigned n_busy; /* so often a group's folder cannot be removed: a process is in it */
static const char *lacks; /* the file that a new group lacks */
static const char *const kernel_files[] = { "memory.max", "pids.max", "memory.events", "cgroup.procs" };

/* A file below the root, with the folders above it. */
static void lay(const char *path, const char *text)
{
	CLEANUP(free) char *whole = str_printf("%s%s", root, path);
	CLEANUP(free) char *dir = str_dup(whole);

	*strrchr(dir, '/') = '\0';
	ck_assert_int_eq(dir_make_all(dir, 0755), 0);
	ck_assert_int_eq(file_write_all(whole, text, strlen(text), 0644), 0);
}

static char *text_of(const char *path)
{
	CLEANUP(free) char *whole = str_printf("%s%s", root, path);
	struct bytes text = { 0 };

	ck_assert_int_eq(file_read_all(whole, 4096, &text), 0);
	return (char *)text.data;
}

static bool is_there(const char *path)
{
	CLEANUP(free) char *whole = str_printf("%s%s", root, path);

	return access(whole, F_OK) == 0;
}

/* The kernel fills a group's folder as it is made, and the files go with it. */
int mkdirat(int fd, const char *path, mode_t mode)
{
	if (syscall(SYS_mkdirat, fd, path, mode) < 0)
		return -1;
	for (size_t i = 0; i < sizeof kernel_files / sizeof *kernel_files; i++) {
		CLEANUP(free) char *name = str_printf("%s/%s", path, kernel_files[i]);

		if (!lacks || strcmp(lacks, kernel_files[i]) != 0)
			(void)close(openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	}
	return 0;
}

int unlinkat(int fd, const char *path, int flags)
{
	if (flags & AT_REMOVEDIR && strncmp(path, "muster-", 7) == 0) {
		if (n_busy > 0) {
			n_busy--;
			errno = EBUSY;
			return -1;
		}
		for (size_t i = 0; i < sizeof kernel_files / sizeof *kernel_files; i++) {
			CLEANUP(free) char *name = str_printf("%s/%s", path, kernel_files[i]);

			(void)syscall(SYS_unlinkat, fd, name, 0);
		}
	}
	return (int)syscall(SYS_unlinkat, fd, path, flags);
}

/* Waiting is counted in tries. */
int nanosleep(const struct timespec *duration, struct timespec *rest)
{
	(void)duration;
	(void)rest;
	return 0;
}

static void setup(void)
{
	memcpy(root + strlen(root) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_int_eq(chmod(root, 0755), 0);
	n_busy = 0;
	lacks = NULL;
}

static void teardown(void)
{
	n_busy = 0;
	(void)dir_remove_all(root);
}

/* ---- where ------------------------------------------------------------------------- */

#define ON "cpu memory pids\n"
/* The files of the hierarchy, each with what is in it; @closed: the folder that is another user's. */
static const struct {
	const char *name, *group, *mounts, *closed;
	struct {
		const char *path, *text;
	} files[FILES_MAX];
	const char *dir, *why;
} trees[] = {
	{ .name = "the parent", .group = "0::/a/b\n", .mounts = MOUNT, .dir = "/cg/a",
	  .files = { { "/a/b/cgroup.subtree_control", "" }, { "/a/b/cgroup.procs", "" },
		     { "/a/cgroup.subtree_control", ON }, { "/a/cgroup.procs", "" },
		     { "/a/b/memory.max", "max\n" }, { "/a/b/cpu.max", "max 100000\n" }, { "/a/b/pids.max", "400\n" } } },
	{ .name = "further up", .group = "1:cpu:/x\n0::/a/b/c\n", .mounts = MOUNT, .dir = "/cg/a",
	  .files = { { "/a/b/c/cgroup.procs", "" }, { "/a/b/cgroup.subtree_control", "pids\n" }, { "/a/b/cgroup.procs", "" },
		     { "/a/cgroup.subtree_control", ON }, { "/a/cgroup.procs", "" } } },
	{ .name = "the root, which has processes", .group = "0::/\n", .mounts = MOUNT, .dir = "/cg",
	  .files = { { "/cgroup.subtree_control", ON }, { "/cgroup.procs", "1\n" } } },
	{ .name = "the mount shows a part", .group = "0::/ct/a/b\n", .dir = "/cg/a",
	  .mounts = "1 2 0:3 /other /no rw - cgroup2 none rw\n35 24 0:30 /ct /cg rw - cgroup2 cgroup2 rw\n",
	  .files = { { "/a/b/cgroup.procs", "" }, { "/a/cgroup.subtree_control", ON }, { "/a/cgroup.procs", "" } } },
	{ .name = "another's folder", .group = "0::/a/b\n", .mounts = MOUNT, .closed = "/cg/a", .why = "no group above",
	  .files = { { "/a/b/cgroup.procs", "" }, { "/a/cgroup.subtree_control", ON }, { "/a/cgroup.procs", "" } } },
	{ .name = "nobody may be moved", .group = "0::/a/b\n", .mounts = MOUNT, .closed = "/cg/a/cgroup.procs",
	  .why = "no group above",
	  .files = { { "/a/b/cgroup.procs", "" }, { "/a/cgroup.subtree_control", ON }, { "/a/cgroup.procs", "" } } },
	{ .name = "no memory", .group = "0::/a/b\n", .mounts = MOUNT, .why = "cgroup.subtree_control",
	  .files = { { "/a/b/cgroup.procs", "" }, { "/a/cgroup.subtree_control", "hugetlb pids memoryx\n" },
		     { "/a/cgroup.procs", "" } } },
	{ .name = "a limit is not left", .group = "0::/a/b\n", .mounts = MOUNT, .why = "/cg/a/b/memory.max bounds",
	  .files = { { "/a/b/memory.max", "1073741824\n" }, { "/a/b/cgroup.procs", "" },
		     { "/a/cgroup.subtree_control", ON }, { "/a/cgroup.procs", "" } } },
	{ .name = "nor a share of the processors", .group = "0::/a/b/c\n", .mounts = MOUNT, .why = "/cg/a/b/cpu.max bounds",
	  .files = { { "/a/b/c/cpu.max", "max 100000\n" }, { "/a/b/cpu.max", "50000 100000\n" },
		     { "/a/cgroup.subtree_control", ON }, { "/a/cgroup.procs", "" } } },
	{ .name = "a limit below which it is made", .group = "0::/a/b\n", .mounts = MOUNT, .dir = "/cg/a",
	  .files = { { "/a/b/cgroup.procs", "" }, { "/a/memory.max", "1073741824\n" },
		     { "/a/cgroup.subtree_control", ON }, { "/a/cgroup.procs", "" } } },
	{ .name = "outside the namespace", .group = "0::/../a\n", .mounts = MOUNT, .why = "in no cgroup v2",
	  .files = { { "/cgroup.subtree_control", ON }, { "/cgroup.procs", "" } } },
	{ .name = "version 1 only", .group = "4:memory:/a\n1:name=x:/0::/a\n", .mounts = MOUNT, .why = "in no cgroup v2",
	  .files = { { "/cgroup.subtree_control", ON }, { "/cgroup.procs", "" } } },
	{ .name = "not mounted", .group = "0::/a\n", .mounts = "35 24 0:30 / /cg rw - cgroup cgroup rw,memory\n",
	  .why = "in no cgroup v2", .files = { { "/cgroup.subtree_control", ON }, { "/cgroup.procs", "" } } },
};

/* Looked for by a user who may not do everything. */
static int find(char **ret_dir, char **ret_why)
{
	bool is_root = geteuid() == 0;
	int r;

	if (is_root)
		ck_assert_int_eq(seteuid(NOBODY), 0);
	r = cgroup_find(root, ret_dir, ret_why);
	if (is_root)
		ck_assert_int_eq(seteuid(0), 0);
	return r;
}

/* What the tests lay belongs to the user who looks, but for what is closed. */
static void open_to_nobody(const char *path)
{
	CLEANUP(free) char *whole = str_printf("%s/cg%s", root, path);

	do {
		struct stat st;

		ck_assert_int_eq(stat(whole, &st), 0);
		ck_assert_int_eq(chmod(whole, S_ISDIR(st.st_mode) ? 0777 : 0666), 0);
		*strrchr(whole, '/') = '\0';
	} while (strlen(whole) > strlen(root));
}

START_TEST(test_find)
{
	CLEANUP(free) char *dir = NULL;
	CLEANUP(free) char *why = NULL;
	CLEANUP(free) char *want = str_printf("%s%s", root, trees[_i].dir ? trees[_i].dir : "");
	int r;

	lay("/proc/self/cgroup", trees[_i].group);
	lay("/proc/self/mountinfo", trees[_i].mounts);
	for (size_t k = 0; k < FILES_MAX && trees[_i].files[k].path; k++) {
		CLEANUP(free) char *path = str_printf("/cg%s", trees[_i].files[k].path);

		lay(path, trees[_i].files[k].text);
		open_to_nobody(trees[_i].files[k].path);
	}
	if (trees[_i].closed) {
		CLEANUP(free) char *closed = str_printf("%s%s", root, trees[_i].closed);

		ck_assert_int_eq(chmod(closed, 0555), 0);
	}
	r = find(&dir, &why);
	if (trees[_i].dir) {
		ck_assert_msg(r == 0, "%s: %s", trees[_i].name, why);
		ck_assert_str_eq(dir, want);
	} else {
		ck_assert_msg(r < 0 && !dir && why && strstr(why, trees[_i].why), "%s: %s", trees[_i].name, dir ? dir : why);
	}
}
END_TEST

/* ---- which ---------------------------------------------------------------------------- */

/* The group holds all that its members are bounded by, and more with each of them. */
START_TEST(test_limits)
{
	static const uint64_t MiB = 1 << 20;
	struct team_vm vms[2] = { { .memory_bytes = 128 * MiB, .cpus = 1 }, { .memory_bytes = 64 * MiB + 4096, .cpus = 4 } };
	struct team team = { .name = "t", .vms = vms, .n_vms = 1 };
	struct cgroup_limits one, two;

	cgroup_limits_of(&team, &one);
	team.n_vms = 2;
	cgroup_limits_of(&team, &two);
	/* Links that are changed may hold 64 MiB, and an eighth; a fabric 64 MiB beside. */
	ck_assert_uint_eq(one.memory_bytes, (128 + 24 + 104 + 64 + 8 + 64) * MiB);
	ck_assert_uint_eq(two.memory_bytes, one.memory_bytes + (64 + 24 + 104 + 1) * MiB);
	ck_assert_uint_eq(one.tasks, 16 + 16 + 1);
	ck_assert_uint_eq(two.tasks, one.tasks + 16 + 4);
}
END_TEST

/* ---- making and removing ------------------------------------------------------------------ */

static const struct cgroup_limits limits = { .memory_bytes = 64 << 20, .tasks = 40 };

static int make(const char *name, struct cgroup *ret, char **ret_why)
{
	CLEANUP(free) char *dir = str_printf("%s/cg", root);

	lay("/cg/cgroup.procs", "");
	return cgroup_make(dir, name, &limits, ret, ret_why);
}

START_TEST(test_make_and_remove)
{
	CLEANUP(free) char *note = str_printf("%s/t.cgroup", root);
	struct cgroup g;
	char *why = NULL;
	char *text;

	ck_assert_int_eq(make("muster-t-1", &g, &why), 0);
	ck_assert_ptr_nonnull(strstr(g.path, "/cg/muster-t-1"));
	text = text_of("/cg/muster-t-1/memory.max");
	ck_assert_str_eq(text, "67108864\n");
	free(text);
	text = text_of("/cg/muster-t-1/pids.max");
	ck_assert_str_eq(text, "40\n");
	free(text);
	/* The child's try; then our own. */
	text = text_of("/cg/muster-t-1/cgroup.procs");
	ck_assert_str_eq(text, "0");
	free(text);
	ck_assert_int_eq(cgroup_join(&g), 0);
	n_busy = 3;
	lay("/t.cgroup", "x");
	ck_assert_int_eq(cgroup_remove(&g, note), 0);
	ck_assert(!is_there("/cg/muster-t-1") && n_busy == 0 && !is_there("/t.cgroup"));
	cgroup_done(&g);
	/* Where there is none, another's note stays. */
	lay("/t.cgroup", "x");
	ck_assert_int_eq(cgroup_join(&g), 0);
	ck_assert_int_eq(cgroup_remove(&g, note), 0);
	ck_assert(is_there("/t.cgroup"));
}
END_TEST

/* A limit that cannot be set leaves no folder. */
START_TEST(test_make_fails_whole)
{
	struct cgroup g;
	char *why = NULL;

	lacks = kernel_files[_i];
	ck_assert_int_eq(make("muster-t-1", &g, &why), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "/cg/muster-t-1: "));
	ck_assert(!is_there("/cg/muster-t-1"));
	free(why);
}
END_TEST

/* What a killed team left is found by its note; what no team made is left alone. */
START_TEST(test_noted)
{
	static const struct {
		const char *dir, *named;
		bool goes;
	} notes[] = {
		{ "/cg/muster-t-1", "/cg/muster-t-1", true },
		{ "/cg/muster-t-1/x", "/cg/muster-t-1/x", false },
		{ "/cg/other", "/cg/other", false },
		{ "/cg/muster-gone/x", "/cg/muster-t-1", false },
		{ "/cg/muster-t-1", "", false },
	};
	CLEANUP(free) char *note = str_printf("%s/t.cgroup", root);
	CLEANUP(free) char *dir = str_printf("%s%s", root, notes[_i].dir);
	CLEANUP(free) char *named = notes[_i].named[0] ? str_printf("%s%s", root, notes[_i].named) : str_dup("muster-t-1");

	ck_assert_int_eq(cgroup_remove_noted(note), 0);
	ck_assert_int_eq(dir_make_all(dir, 0755), 0);
	ck_assert_int_eq(file_write_all(note, named, strlen(named), 0600), 0);
	ck_assert_int_eq(cgroup_remove_noted(note), 0);
	ck_assert_int_eq(is_there(notes[_i].dir), !notes[_i].goes);
	ck_assert(!is_there("/t.cgroup"));
}
END_TEST

/* A group that somebody is still in keeps its note, for the next who tries. */
START_TEST(test_noted_and_busy)
{
	CLEANUP(free) char *note = str_printf("%s/t.cgroup", root);
	CLEANUP(free) char *dir = str_printf("%s/cg/muster-t-1", root);

	ck_assert_int_eq(dir_make_all(dir, 0755), 0);
	ck_assert_int_eq(file_write_all(note, dir, strlen(dir), 0600), 0);
	n_busy = 1000;
	ck_assert_int_eq(cgroup_remove_noted(note), -EBUSY);
	ck_assert(is_there("/t.cgroup"));
}
END_TEST

/* ---- why a process ended ---------------------------------------------------------------- */

static void events(unsigned oom, unsigned killed)
{
	CLEANUP(free) char *path = str_printf("%s/cg/muster-t-1/memory.events", root);
	CLEANUP(free) char *text = str_printf("low 0\nhigh 0\nmax 99\noom %u\noom_kill %u\noom_group_kill 0\n", oom, killed);
	CLEANUP(fd) int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC); /* the file that is open, not another */

	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
}

static void expect_killed(struct cgroup *g, const char *want)
{
	CLEANUP(free) char *text = cgroup_killed_str(g);

	if (want)
		ck_assert_msg(text && strstr(text, want), "%s, not %s", text ? text : "nothing", want);
	else
		ck_assert_ptr_null(text);
}

START_TEST(test_killed)
{
	static const char own[] = "killed by the kernel: the team's memory limit (64 MiB)";
	static const char host[] = "killed by the kernel: the host's memory";
	struct cgroup g;
	char *why = NULL;

	ck_assert_int_eq(make("muster-t-1", &g, &why), 0);
	expect_killed(&g, NULL);
	events(0, 0);
	expect_killed(&g, NULL);
	events(1, 1);
	expect_killed(&g, own);
	expect_killed(&g, NULL);
	events(3, 3);
	expect_killed(&g, own);
	expect_killed(&g, own);
	expect_killed(&g, NULL);
	/* The limit was met and room was found; later the host had none. */
	events(4, 3);
	expect_killed(&g, NULL);
	events(5, 4);
	expect_killed(&g, own);
	events(5, 5);
	expect_killed(&g, host);
	ck_assert_int_eq(cgroup_remove(&g, NULL), 0);
	cgroup_done(&g);
	expect_killed(&g, NULL);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("cgroup");
	TCase *t = tcase_create("cgroup");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, test_find, 0, (int)(sizeof trees / sizeof *trees));
	tcase_add_test(t, test_limits);
	tcase_add_test(t, test_make_and_remove);
	tcase_add_loop_test(t, test_make_fails_whole, 0, (int)(sizeof kernel_files / sizeof *kernel_files));
	tcase_add_loop_test(t, test_noted, 0, 5);
	tcase_add_test(t, test_noted_and_busy);
	tcase_add_test(t, test_killed);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
