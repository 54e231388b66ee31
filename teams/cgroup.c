/* teams/cgroup.c: a control group for the machines of a team, its fabric and its other processes with work for guests, where
 * the host allows one.
 *
 * The group bounds memory and tasks, so that processes which break out of all other bounds cannot
 * take more than their team was to have. The supervisor and the janitor stay outside: the one
 * reads why a process was killed, and both remove the folder.
 *
 * Where: a process may make a group in a folder that it may write, and move its children there when it may
 * write cgroup.procs of the nearest group above both, which is that folder. The folder's children have
 * limits only for controllers in its cgroup.subtree_control. Nothing is enabled here, for that
 * is the host's manager's to decide; usually the parent of the own group serves. A group with processes of its
 * own has no controllers to give (cgroups(7), "no internal processes"), but for the root.
 *
 * To go up is to leave the groups that are passed. One with a limit of its own is not left: the team would
 * escape what the host's owner set. Its pids.max does not count as one, since systemd sets it everywhere and
 * the team's own is lower.
 *
 * The kernel checks a move with the rights that cgroup.procs was opened with (Linux 5.16 and later), so
 * children may join after the supervisor gave its own up. Whether the move works is not
 * guessed: a child tries it.
 *
 * Used by: supervisor.c, spawn.c, janitor.c, reap.c, vm.c, host_memory.c, doctor.c.
 * Depends on: core/bytes.h, team_memory.c.
 * Sources: Linux Documentation/admin-guide/cgroup-v2.rst (Delegation, memory.events), cgroups(7). */
#include "teams/cgroup.h"

#include "core/bytes.h"
#include "core/ring.h"
#include "fabric/lease_keeper.h"
#include "fabric/process.h"
#include "teams/services.h"
#include "teams/team_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	FILE_MAX_LEN = 1 << 20,
	EVENTS_MAX_LEN = 4096,
	REMOVE_BOUND_MS = 2000,
	REMOVE_EVERY_MS = 10,
	/* Beside MACHINE_EXTRA_MIB: 32 MiB of translated code, page tables, sockets, a state that is saved. */
	MACHINE_ROOM_MIB = 104,
	UPLINK_ROOM_MIB = 448,
	UPLINK_TASKS = 4,
	/* Of the process that keeps leases, beside its tables: both files of a log are read at once. */
	LEASES_ROOM_MIB = 2 * (LEASE_FILE_MAX >> 20) + 32,
	LEASES_TASKS = 1,
	MIB = 1 << 20,
	FABRIC_TASKS = 16,
	MACHINE_TASKS = 16, /* beside its processors: the kernel makes some for KVM */
};
static const char name_start[] = "muster-";

/* ---- where ------------------------------------------------------------------------ */

/* Finds the mount of the unified hierarchy that shows the group @group, and takes what it does not show
 * off *@group. Returns its mount point; NULL. The caller frees. */
static char *mount_point(char *mountinfo, const char **group)
{
	for (char *line; (line = strsep(&mountinfo, "\n")) != NULL;) {
		CLEANUP(free) char *shown = NULL;
		CLEANUP(free) char *at = NULL;
		size_t len;

		if (!strstr(line, " - cgroup2 ") || sscanf(line, "%*s %*s %*s %ms %ms", &shown, &at) != 2)
			continue;
		len = strcmp(shown, "/") == 0 ? 0 : strlen(shown);
		if (strncmp(*group, shown, len) != 0 || ((*group)[len] != '/' && (*group)[len] != '\0'))
			continue;
		*group += len;
		return (char *)take_ptr(at);
	}
	return NULL;
}

char *cgroup_own(const char *root, size_t *ret_top_len)
{
	CLEANUP(free) char *group_file = str_printf("%s/proc/self/cgroup", root);
	CLEANUP(free) char *mount_file = str_printf("%s/proc/self/mountinfo", root);
	CLEANUP(bytes) struct bytes groups = { 0 };
	CLEANUP(bytes) struct bytes mounts = { 0 };
	CLEANUP(free) char *top = NULL;
	char *line = NULL, *rest;
	const char *group;

	if (file_read_all(group_file, FILE_MAX_LEN, &groups) < 0 || groups.len == 0 ||
	    file_read_all(mount_file, FILE_MAX_LEN, &mounts) < 0 || mounts.len == 0)
		return NULL;
	rest = (char *)groups.data;
	while ((line = strsep(&rest, "\n")) != NULL && strncmp(line, "0::/", 4) != 0)
		;
	if (!line)
		return NULL;
	group = line + strlen("0::");
	if (strcmp(group, "/") == 0)
		group++;
	top = mount_point((char *)mounts.data, &group);
	/* A namespace shows what is outside as "/..". */
	if (!top || strncmp(group, "/..", 3) == 0)
		return NULL;
	*ret_top_len = strlen(root) + strlen(top);
	return str_printf("%s%s%s", root, top, group);
}

/* Reads the file @name of the group @dir: NULL when there is none. The caller frees. */
static char *read_file(const char *dir, const char *name)
{
	CLEANUP(free) char *path = str_printf("%s/%s", dir, name);
	struct bytes text = { 0 };

	if (file_read_all(path, FILE_MAX_LEN, &text) < 0)
		return NULL;
	return text.data ? (char *)text.data : str_dup("");
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = text; (at = strstr(at, word)) != NULL; at += len)
		if ((at == text || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' ' || at[len] == '\n'))
			return true;
	return false;
}

static bool gives_controllers(const char *dir)
{
	CLEANUP(free) char *text = read_file(dir, "cgroup.subtree_control");

	return text && has_word(text, "memory") && has_word(text, "pids");
}

static bool may_make(const char *dir)
{
	CLEANUP(free) char *procs = str_printf("%s/cgroup.procs", dir);

	return faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0 &&
	       faccessat(AT_FDCWD, procs, W_OK, AT_EACCESS) == 0;
}

/* The file of @dir by which it bounds its processes; NULL. Not to be freed. */
static const char *own_limit(const char *dir)
{
	static const char *const files[] = { "memory.max", "memory.high", "memory.swap.max", "cpu.max",
					     "io.max",	   "cpuset.cpus" };

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		CLEANUP(free) char *text = read_file(dir, files[i]);

		if (text && text[0] != '\0' && text[0] != '\n' && strncmp(text, "max", 3) != 0)
			return files[i];
	}
	return NULL;
}

int cgroup_find(const char *root, char **ret_dir, char **ret_why)
{
	size_t top_len = 0;
	CLEANUP(free) char *dir = cgroup_own(root, &top_len);

	if (!dir) {
		*ret_why = str_dup("this process is in no cgroup v2 hierarchy");
		return -ENOENT;
	}
	for (;;) {
		const char *limit;

		if (gives_controllers(dir) && may_make(dir)) {
			*ret_dir = (char *)take_ptr(dir);
			return 0;
		}
		if (strlen(dir) <= top_len)
			break;
		limit = own_limit(dir);
		if (limit) {
			*ret_why = str_printf("%s/%s bounds this process already, and is not left", dir, limit);
			return -EACCES;
		}
		*strrchr(dir, '/') = '\0';
	}
	*ret_why = str_dup("no group above this process is its user's and has memory and pids in cgroup.subtree_control");
	return -EACCES;
}

/* ---- which ---------------------------------------------------------------------------- */

void cgroup_limits_of(const struct team *team, struct cgroup_limits *ret_limits)
{
	struct cgroup_limits l = { .tasks = FABRIC_TASKS };
	struct fabric_memory fabric;

	team_fabric_memory(team, &fabric);
	l.memory_bytes = team_memory_bytes(team) + fabric_memory_max(fabric.total_bytes) +
			 services_memory(team);
	for (size_t i = 0; i < team->n_vms; i++) {
		l.memory_bytes += (uint64_t)MACHINE_ROOM_MIB * MIB + team->vms[i].n_nics * UINT64_C(2) * RING_DATA_SIZE;
		l.tasks += team->vms[i].cpus + MACHINE_TASKS;
	}
	/* Beside UPLINK_EXTRA_MIB: up to the bound of its cell (core/sandbox.c), its rings, and what sockets hold. */
	if (team_uplink_memory_bytes(team) > 0) {
		l.memory_bytes += (uint64_t)UPLINK_ROOM_MIB * MIB;
		l.tasks += UPLINK_TASKS;
	}
	for (size_t i = 0; i < team->n_networks; i++)
		l.memory_bytes += team->networks[i].services.uplink * UINT64_C(2) * RING_DATA_SIZE;
	if (services_keep_leases(team)) {
		l.memory_bytes += services_memory(team) + (uint64_t)LEASES_ROOM_MIB * MIB;
		l.tasks += LEASES_TASKS;
	}
	/* The kernel rounds down to a page. */
	l.memory_bytes = (l.memory_bytes + MIB - 1) / MIB * MIB;
	*ret_limits = l;
}

/* ---- making and removing ------------------------------------------------------------------ */

static int open_in(int dir_fd, const char *name, int flags, int *ret_fd)
{
	int fd = openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* Writes a limit and reads it back. */
static int set_limit(int dir_fd, const char *name, uint64_t value)
{
	CLEANUP(fd) int fd = -1;
	char text[32] = "";
	int r = open_in(dir_fd, name, O_RDWR, &fd);

	if (r < 0)
		return r;
	(void)snprintf(text, sizeof text, "%" PRIu64 "\n", value);
	r = fd_write_all(fd, text, strlen(text));
	if (r < 0)
		return r;
	memset(text, 0, sizeof text);
	if (pread(fd, text, sizeof text - 1, 0) < 0)
		return -errno;
	return strtoull(text, NULL, 10) == value ? 0 : -EPROTO;
}

int cgroup_join(const struct cgroup *g)
{
	return g->path ? fd_write_all(g->procs_fd, "0", 1) : 0;
}

/* A child joins and ends. Returns 0 or -errno. */
static int try_to_join(const struct cgroup *g)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(-cgroup_join(g));
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* All of a group whose folder stands. */
static int fill(struct cgroup *g, const char *name, const struct cgroup_limits *limits)
{
	CLEANUP(fd) int dir_fd = -1;
	int r = open_in(g->parent_fd, name, O_RDONLY | O_DIRECTORY, &dir_fd);

	if (r == 0)
		r = set_limit(dir_fd, "memory.max", limits->memory_bytes);
	if (r == 0)
		r = set_limit(dir_fd, "pids.max", limits->tasks);
	if (r == 0)
		r = open_in(dir_fd, "memory.events", O_RDONLY, &g->events_fd);
	if (r == 0)
		r = open_in(dir_fd, "cgroup.procs", O_WRONLY, &g->procs_fd);
	return r == 0 ? try_to_join(g) : r;
}

int cgroup_make(const char *dir, const char *name, const struct cgroup_limits *limits, struct cgroup *ret,
		char **ret_why)
{
	struct cgroup g = { .parent_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .procs_fd = -1,
			    .events_fd = -1, .limit_bytes = limits->memory_bytes };
	int r = g.parent_fd < 0 || mkdirat(g.parent_fd, name, 0755) < 0 ? -errno : 0;

	g.path = str_printf("%s/%s", dir, name);
	if (r == 0) {
		r = fill(&g, name, limits);
		if (r < 0)
			(void)cgroup_remove(&g, NULL);
	}
	if (r < 0) {
		*ret_why = str_printf("%s: %s", g.path, strerror(-r));
		cgroup_done(&g);
		return r;
	}
	*ret = g;
	return 0;
}

/* A process that was killed is in its group until it is gone. */
static int remove_folder(int parent_fd, const char *name)
{
	static const struct timespec pause = { .tv_nsec = REMOVE_EVERY_MS * 1000000L };

	for (int waited_ms = 0;; waited_ms += REMOVE_EVERY_MS) {
		/* SYSCALLS(janitor supervisor): unlinkat clock_nanosleep */
		int r = unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;

		if (r != -EBUSY || waited_ms >= REMOVE_BOUND_MS)
			return r == -ENOENT ? 0 : r;
		(void)nanosleep(&pause, NULL);
	}
}

int cgroup_remove(struct cgroup *g, const char *note)
{
	int r = g->path ? remove_folder(g->parent_fd, strrchr(g->path, '/') + 1) : 0;

	/* SYSCALLS(janitor supervisor): unlink */
	if (r == 0 && g->path && note && unlink(note) < 0)
		r = -errno;
	return r;
}

void cgroup_done(struct cgroup *g)
{
	cleanup_fd(&g->parent_fd);
	cleanup_fd(&g->procs_fd);
	cleanup_fd(&g->events_fd);
	free(g->path);
	*g = (struct cgroup){ .parent_fd = -1, .procs_fd = -1, .events_fd = -1 };
}

int cgroup_remove_noted(const char *note)
{
	CLEANUP(bytes) struct bytes text = { 0 };
	CLEANUP(fd) int parent_fd = -1;
	char *path, *slash;
	int r = file_read_all(note, PATH_MAX, &text);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	path = (char *)text.data;
	slash = strrchr(path, '/');
	/* Another name was not written by a team, and is left alone. */
	if (slash && path[0] == '/' && strncmp(slash + 1, name_start, strlen(name_start)) == 0) {
		*slash = '\0';
		r = open_in(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, &parent_fd);
		if (r == 0)
			r = remove_folder(parent_fd, slash + 1);
	}
	if (r < 0 && r != -ENOENT)
		return r;
	return unlink(note) < 0 ? -errno : 0;
}

/* ---- why a process ended ---------------------------------------------------------------- */

/* The number in the line "@key N". */
static uint64_t flat_key(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len, NULL, 10);
	}
	return 0;
}

char *cgroup_killed_str(struct cgroup *g)
{
	char text[EVENTS_MAX_LEN + 1] = "";
	uint64_t n_killed, n_full;
	bool is_full;

	/* SYSCALLS(supervisor): pread64 */
	if (!g->path || pread(g->events_fd, text, EVENTS_MAX_LEN, 0) <= 0)
		return NULL;
	n_killed = flat_key(text, "oom_kill");
	n_full = flat_key(text, "oom");
	if (n_killed <= g->n_told)
		return NULL;
	/* The kernel counts kills for want of the host's memory, too; only at the group's own limit is "oom". */
	is_full = n_full > g->n_told_full;
	g->n_told++;
	g->n_told_full = g->n_told == n_killed ? n_full : g->n_told_full + is_full;
	if (is_full)
		return str_printf("killed by the kernel: the team's memory limit (%" PRIu64 " MiB)",
				  g->limit_bytes / MIB);
	return str_dup("killed by the kernel: the host's memory, or a limit above the team's, is used up");
}
