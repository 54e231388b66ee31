/* tests/teams/check_host_memory.c: what a host has, from files laid out as the kernel's, and which
 * team it is refused for. And what a process alone holds. */
#include "tests/unit.h"

#include "core/bytes.h"
#include "core/proc.h"
#include "teams/host_memory.h"
#include "teams/team_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/muster-host.XXXXXX";

/* A file below the root, with the folders above it. */
static void lay(const char *path, const char *text)
{
	CLEANUP(free) char *whole = str_printf("%s%s", root, path);

	for (char *p = whole + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		ck_assert(mkdir(whole, 0700) == 0 || errno == EEXIST);
		*p = '/';
	}
	ck_assert_int_eq(file_write_all(whole, text, strlen(text), 0600), 0);
}

static void setup(void)
{
	memcpy(root + strlen(root) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(root));
	(void)unsetenv("MUSTER_OVERCOMMIT");
}

static void teardown(void)
{
	(void)dir_remove_all(root);
}

static const char meminfo[] = "MemTotal:        4000000 kB\nMemFree:         1000000 kB\n"
			      "MemAvailable:    3000000 kB\nSwapTotal:       2000 kB\nSwapFree:        1000 kB\n";

/* Groups: own path, then each file; what is expected, in KiB. */
static const struct {
	const char *name, *meminfo, *cgroup, *file[4], *text[4];
	uint64_t kib;
} hosts[] = {
	{ .name = "no groups", .meminfo = meminfo, .kib = 3001000 },
	{ .name = "no swap", .meminfo = "MemAvailable:    5 kB\n", .kib = 5 },
	{ .name = "no bound", .meminfo = meminfo, .cgroup = "0::/a\n", .kib = 3001000,
	  .file = { "/a/memory.max", "/a/memory.current" }, .text = { "max\n", "4096\n" } },
	{ .name = "own bound", .meminfo = meminfo, .cgroup = "1:cpu:/x\n0::/a/b\n", .kib = 1020,
	  .file = { "/a/b/memory.max", "/a/b/memory.current" }, .text = { "1048576\n", "4096\n" } },
	{ .name = "the bound above is nearer", .meminfo = meminfo, .cgroup = "0::/a/b\n", .kib = 4,
	  .file = { "/a/b/memory.max", "/a/b/memory.current", "/a/memory.max", "/a/memory.current" },
	  .text = { "1048576\n", "4096\n", "12288\n", "8192\n" } },
	{ .name = "the root of a namespace", .meminfo = meminfo, .cgroup = "0::/\n", .kib = 0,
	  .file = { "/memory.max", "/memory.current" }, .text = { "4096\n", "8192\n" } },
};

START_TEST(test_available)
{
	uint64_t bytes = 1;

	lay("/proc/meminfo", hosts[_i].meminfo);
	if (hosts[_i].cgroup) {
		lay("/proc/self/cgroup", hosts[_i].cgroup);
		lay("/proc/self/mountinfo", "35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n");
	}
	for (size_t k = 0; k < 4 && hosts[_i].file[k]; k++) {
		CLEANUP(free) char *path = str_printf("/sys/fs/cgroup%s", hosts[_i].file[k]);

		lay(path, hosts[_i].text[k]);
	}
	ck_assert_int_eq(host_memory_available(root, &bytes), 0);
	ck_assert_msg(bytes == hosts[_i].kib * 1024, "%s: %llu KiB", hosts[_i].name,
		      (unsigned long long)bytes / 1024);
}
END_TEST

START_TEST(test_not_told)
{
	uint64_t bytes = 1;

	ck_assert_int_lt(host_memory_available(root, &bytes), 0);
	lay("/proc/meminfo", "MemTotal: 4 kB\n");
	ck_assert_int_lt(host_memory_available(root, &bytes), 0);
	ck_assert_uint_eq(bytes, 1);
}
END_TEST

START_TEST(test_check)
{
	static const uint64_t MiB = 1 << 20;
	struct team_vm vms[2] = { { .memory_bytes = 128 * MiB }, { .memory_bytes = 64 * MiB } };
	struct team team = { .name = "t", .vms = vms, .n_vms = 2 };
	uint64_t wanted = (128 + 64 + 2 * MACHINE_EXTRA_MIB) * MiB;
	char *why = NULL;

	ck_assert_uint_eq(team_memory_bytes(&team), wanted);
	ck_assert_int_eq(host_memory_check(&team, wanted, &why), 0);
	ck_assert_ptr_null(why);
	ck_assert_int_eq(host_memory_check(&team, wanted - 1, &why), -ENOTSUP);
	ck_assert_ptr_nonnull(strstr(why, "240 MiB"));
	ck_assert_ptr_nonnull(strstr(why, "2 VMs"));
	ck_assert_ptr_nonnull(strstr(why, "--set defaults.memory"));
	free(why);
	(void)setenv("MUSTER_OVERCOMMIT", "1", 1);
	ck_assert_int_eq(host_memory_check(&team, 0, &why), 0);
}
END_TEST

/* What is too much is said with both numbers; taking turns in moderation is not. */
START_TEST(test_load)
{
	static const uint64_t MiB = 1 << 20;
	struct team_vm vms[2] = { { .name = "a", .memory_bytes = 128 * MiB, .cpus = 2 },
				  { .name = "b", .memory_bytes = 128 * MiB, .cpus = 1 } };
	struct team team = { .name = "t", .vms = vms, .n_vms = 2 };
	char *text;

	ck_assert_ptr_null(host_load_str(&team, 1024 * MiB, 2));
	text = host_load_str(&team, UINT64_MAX, 1);
	ck_assert_str_eq(text, "a has 2 processors and this host 1: they take turns\n");
	free(text);
	text = host_load_str(&team, 100 * MiB, 2);
	ck_assert(text && strstr(text, "may come to use 304 MiB") && strstr(text, "100 MiB are available"));
	free(text);
	vms[0].cpus = vms[1].cpus = 8;
	team.n_vms = 2;
	vms[1].cpus = 9;
	text = host_load_str(&team, UINT64_MAX, 1);
	ck_assert(text && strstr(text, "team t has 17 processors and this host 1: its guests will be slow\n"));
	free(text);
}
END_TEST

/* A mapped file is resident and nobody's own; touched memory is. */
START_TEST(test_own_memory)
{
	enum { SIZE = 32 << 20, SLACK = 4 << 20 };
	CLEANUP(free) char *path = str_printf("%s/file", root);
	size_t rss[3], own[3];
	volatile char *file, *memory;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_eq(ftruncate(fd, SIZE), 0);
	ck_assert_int_eq(proc_memory(getpid(), &rss[0], &own[0]), 0);
	file = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	for (size_t i = 0; i < SIZE; i += 4096)
		(void)file[i];
	ck_assert_int_eq(proc_memory(getpid(), &rss[1], &own[1]), 0);
	ck_assert_uint_ge(rss[1], rss[0] + SIZE - SLACK);
	ck_assert_uint_lt(own[1], own[0] + SLACK);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < SIZE; i += 4096)
		memory[i] = 1;
	ck_assert_int_eq(proc_memory(getpid(), &rss[2], &own[2]), 0);
	ck_assert_uint_ge(own[2], own[1] + SIZE - SLACK);
	(void)munmap((void *)(size_t)file, SIZE);
	(void)munmap((void *)(size_t)memory, SIZE);
	(void)close(fd);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("host_memory");
	TCase *t = tcase_create("host_memory");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, test_available, 0, (int)(sizeof hosts / sizeof *hosts));
	tcase_add_test(t, test_not_told);
	tcase_add_test(t, test_check);
	tcase_add_test(t, test_load);
	tcase_add_test(t, test_own_memory);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(make_suite);
