/* teams/host_memory.c: whether a host can hold a team.
 *
 * A guest's memory is touched lazily and given back, so a team usually holds less than its VMs' sizes
 * say. But it may come to hold all of it, at any time and without asking; then the kernel ends
 * processes of its own choice, ours or not. So a team is held against what the host has before anything
 * starts. Who knows the guests better sets MUSTER_OVERCOMMIT=1.
 *
 * Available is MemAvailable with the free swap (proc(5)), or what is left below the bound of the control
 * group, its own or any above it, where that is less (Linux Documentation/admin-guide/cgroup-v2.rst:
 * memory.max, memory.current). Memory that a group holds as page cache can be had back; it counts as used
 * here, which errs on the safe side only where a bound is set at all.
 *
 * Used by: supervisor.c, doctor.c.   Depends on: core/bytes.h, cgroup.c, team_memory.c. */
#include "teams/host_memory.h"

#include "core/bytes.h"
#include "teams/cgroup.h"
#include "teams/image.h"
#include "teams/team_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX_LEN = 1 << 16, MIB = 1 << 20, CPUS_A_PROCESSOR = 16 };

/* The KiB of the line that starts with @name. */
static bool meminfo_kib(const char *text, const char *name, uint64_t *ret_kib)
{
	const char *at = strstr(text, name);

	return at && sscanf(at + strlen(name), ": %" SCNu64, ret_kib) == 1;
}

/* A file of one number. Returns 0; -ENOENT where there is none, or "max". */
static int read_number(const char *path, uint64_t *ret)
{
	CLEANUP(bytes) struct bytes text = { 0 };

	if (file_read_all(path, FILE_MAX_LEN, &text) < 0 || text.len == 0)
		return -ENOENT;
	return sscanf((char *)text.data, "%" SCNu64, ret) == 1 ? 0 : -ENOENT;
}

/* Takes the nearest bound of the group @path and those above it into *left.
 * @top_len: where the hierarchy's mount point ends. */
static void bound_by_groups(char *path, size_t top_len, uint64_t *left)
{
	for (;;) {
		CLEANUP(free) char *max_file = str_printf("%s/memory.max", path);
		CLEANUP(free) char *now_file = str_printf("%s/memory.current", path);
		uint64_t max, now;

		if (read_number(max_file, &max) == 0 && read_number(now_file, &now) == 0) {
			uint64_t rest = max > now ? max - now : 0;

			*left = rest < *left ? rest : *left;
		}
		if (strlen(path) <= top_len)
			return;
		*strrchr(path, '/') = '\0';
	}
}

int host_memory_available(const char *root, uint64_t *ret_bytes)
{
	CLEANUP(free) char *file = str_printf("%s/proc/meminfo", root);
	size_t top_len = 0;
	CLEANUP(free) char *group = cgroup_own(root, &top_len);
	CLEANUP(bytes) struct bytes text = { 0 };
	uint64_t kib, swap_kib = 0, left;
	int r = file_read_all(file, FILE_MAX_LEN, &text);

	if (r < 0)
		return r;
	if (text.len == 0 || !meminfo_kib((char *)text.data, "MemAvailable", &kib))
		return -EPROTO;
	(void)meminfo_kib((char *)text.data, "SwapFree", &swap_kib);
	left = (kib + swap_kib) * 1024;
	if (group)
		bound_by_groups(group, top_len, &left);
	*ret_bytes = left;
	return 0;
}

char *host_load_str(const struct team *team, uint64_t available_bytes, unsigned n_processors)
{
	CLEANUP(bytes) struct bytes out = { 0 };
	CLEANUP(free) char *why = NULL;
	unsigned n_cpus = 0;

	if (host_memory_check(team, available_bytes, &why) < 0)
		bytes_printf(&out, "%s\n", why);
	for (size_t i = 0; i < team->n_vms; i++) {
		n_cpus += team->vms[i].cpus;
		if (team->vms[i].cpus > n_processors)
			bytes_printf(&out, "%s has %u processors and this host %u: they take turns\n", team->vms[i].name,
				     team->vms[i].cpus, n_processors);
	}
	if (n_cpus > CPUS_A_PROCESSOR * n_processors)
		bytes_printf(&out, "team %s has %u processors and this host %u: its guests will be slow\n", team->name,
			     n_cpus, n_processors);
	return (char *)take_ptr(out.data);
}

int host_memory_check(const struct team *team, uint64_t available_bytes, char **ret_why)
{
	const char *over = getenv("MUSTER_OVERCOMMIT");
	uint64_t wanted = team_memory_bytes(team);
	CLEANUP(free) char *uplink = NULL;

	if (wanted <= available_bytes || (over && strcmp(over, "1") == 0))
		return 0;
	uplink = team_uplink_memory_bytes(team) > 0 ? str_printf("; %d MiB for its uplink", UPLINK_EXTRA_MIB) : str_dup("");
	*ret_why = str_printf("team %s may come to use %" PRIu64 " MiB of memory (%zu VM%s, %d MiB beside each%s), and %" PRIu64
			      " MiB are available: give VMs less (memory: in the file, or --set defaults.memory=SIZE; tiny needs %" PRIu64
			      " MiB), run fewer, "
			      "or end other programs; MUSTER_OVERCOMMIT=1 starts it all the same",
			      team->name, wanted / MIB, team->n_vms, team->n_vms == 1 ? "" : "s", MACHINE_EXTRA_MIB,
			      uplink,
			      available_bytes / MIB, image_least_memory("tiny") / MIB);
	return -ENOTSUP;
}
