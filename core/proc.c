/* core/proc.c: process names, life bound to a parent's, inherited fds, memory.
 *
 * Used by: supervisor, fabric, machine, janitor.
 * Sources: prctl(2), proc_pid_smaps_rollup(5), close_range(2). */
#include "core/proc.h"

#include "core/bytes.h"
#include "core/sort.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The room argv and the environment take on the stack, which ps reads. */
static struct {
	char *start;
	size_t size;
	char **environ_copy; /* owned; setenv() takes another array for the environment */
} title;

extern char **environ;

void proc_title_init(int argc, char **argv)
{
	char *end = argv[0];
	size_t n = 0;
	char **copy;

	for (int i = 0; i < argc; i++)
		if (argv[i] == end)
			end += strlen(end) + 1;
	for (n = 0; environ[n]; n++)
		if (environ[n] == end)
			end += strlen(end) + 1;
	copy = calloc(n + 1, sizeof *copy);
	if (!copy)
		abort();
	for (size_t i = 0; i < n; i++)
		copy[i] = str_dup(environ[i]);
	environ = title.environ_copy = copy;
	title.start = argv[0];
	title.size = (size_t)(end - argv[0]);
}

void proc_title_set(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	/* SYSCALLS(setup): prctl */
	(void)prctl(PR_SET_NAME, text);
	if (title.size == 0)
		return;
	memset(title.start, 0, title.size);
	(void)snprintf(title.start, title.size, "%s", text);
}

int proc_die_with_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

static int by_number(const void *a, const void *b)
{
	const int *l = a, *r = b;

	return (*l > *r) - (*l < *r);
}

void proc_close_fds_except(int *keep, size_t n)
{
	unsigned next = 3;

	sort_in_place(keep, n, sizeof *keep, by_number);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)next)
			continue;
		if (keep[i] > (int)next)
			(void)close_range(next, (unsigned)keep[i] - 1, 0);
		next = (unsigned)keep[i] + 1;
	}
	/* SYSCALLS(setup): close_range */
	(void)close_range(next, ~0U, 0);
}

int proc_start_time(pid_t pid, uint64_t *ret_ticks)
{
	CLEANUP(free) char *path = str_printf("/proc/%d/stat", (int)pid);
	CLEANUP(bytes) struct bytes text = { 0 };
	int r = file_read_all(path, 4096, &text);
	unsigned long long ticks;
	char *s;

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	/* The name, in brackets, may hold anything; behind it, field 3 is the state, 22 the start. */
	s = strrchr((char *)text.data, ')');
	for (int field = 2; s && field < 22; field++) {
		s = strchr(s, ' ');
		s = s ? s + 1 : NULL;
	}
	if (!s || sscanf(s, "%llu", &ticks) != 1)
		return -EPROTO;
	*ret_ticks = ticks;
	return 0;
}

static bool is_exactly(pid_t pid, uint64_t ticks, const char *title_wanted)
{
	CLEANUP(free) char *path = str_printf("/proc/%d/cmdline", (int)pid);
	CLEANUP(bytes) struct bytes text = { 0 };
	uint64_t now;

	return proc_start_time(pid, &now) == 0 && now == ticks && file_read_all(path, 1 << 20, &text) == 0 &&
	       text.data && strcmp((char *)text.data, title_wanted) == 0;
}

int proc_kill_exactly(pid_t pid, uint64_t ticks, const char *title_wanted, bool with_group)
{
	/* The descriptor keeps its process: looked at after it was opened, it is no other. */
	CLEANUP(fd) int fd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

	if (fd < 0)
		return pid > 1 ? -errno : -ESRCH;
	if (!is_exactly(pid, ticks, title_wanted))
		return -ESRCH;
	/* A group lives as long as its leader is not reaped, which is its parent's to do later. */
	if (with_group && getpgid(pid) == pid)
		(void)kill(-pid, SIGKILL);
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0)
		return -errno;
	return 0;
}

/* The coarser file, which is open for processes that nobody may inspect. */
static int memory_from_statm(pid_t pid, size_t *ret_rss_bytes, size_t *ret_private_bytes)
{
	CLEANUP(free) char *path = str_printf("/proc/%d/statm", (int)pid);
	CLEANUP(bytes) struct bytes text = { 0 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size, resident, shared;
	int r = file_read_all(path, 4096, &text);

	if (r < 0)
		return r;
	if (sscanf((char *)text.data, "%zu %zu %zu", &size, &resident, &shared) != 3 || shared > resident)
		return -EPROTO;
	*ret_rss_bytes = resident * page;
	*ret_private_bytes = (resident - shared) * page;
	return 0;
}

int proc_memory(pid_t pid, size_t *ret_rss_bytes, size_t *ret_private_bytes)
{
	CLEANUP(free) char *path = str_printf("/proc/%d/smaps_rollup", (int)pid);
	CLEANUP(bytes) struct bytes text = { 0 };
	size_t rss = 0, private = 0;
	int r = file_read_all(path, 1 << 16, &text);

	if (r < 0)
		return r == -EACCES ? memory_from_statm(pid, ret_rss_bytes, ret_private_bytes) : r;
	for (char *line = (char *)text.data; line && *line; line = strchr(line, '\n')) {
		size_t kib;

		line += *line == '\n';
		if (sscanf(line, "Rss: %zu", &kib) == 1)
			rss = kib * 1024;
		else if (sscanf(line, "Anonymous: %zu", &kib) == 1)
			private = kib * 1024;
	}
	*ret_rss_bytes = rss;
	*ret_private_bytes = private;
	return 0;
}
