/* teams/host_lack.c: what a host has too little of: which errors mean that, and the remedies.
 *
 * Used by: supervisor.c, spawn.c, vm.c, cli/up.c.   Depends on: core/bytes.h.
 * Sources: errno(3), getrlimit(2), fork(2). */
#include "teams/host_lack.h"

#include "core/bytes.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

enum {
	FDS_A_NIC = 3,
	FDS_A_STATION = 4,
	FDS_A_VM = 10,
	FDS_AN_UPLINK = 6, /* beside its rings, and a socket a forward */
	FDS_SPARE = 64,
	FDS_CLIENTS = 1024 /* commands at once, where the host lets us */
};

static const struct {
	int error;
	const char *remedy;
} lacks[] = {
	{ EMFILE, "raise the limit of open files (ulimit -n, or LimitNOFILE=)" },
	{ ENFILE, "the whole host has no more open files (sysctl fs.file-max)" },
	{ EAGAIN, "raise the limit of processes (ulimit -u, or TasksMax=)" },
	{ ENOMEM, "free memory, or raise the limit of it (ulimit -v, or MemoryMax=)" },
	{ ENOSPC, "make room there" },
	{ EDQUOT, "make room there, or raise the quota" },
	{ EROFS, "name a folder that can be written to (MUSTER_HOME, XDG_RUNTIME_DIR)" },
};

const char *host_lack_remedy(int r)
{
	for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++)
		if (r == -lacks[i].error)
			return lacks[i].remedy;
	return NULL;
}

bool host_lacks(int r)
{
	return host_lack_remedy(r) != NULL;
}

char *host_lack_str(const char *what, int r)
{
	const char *remedy = host_lack_remedy(r);

	return str_printf("%s: %s%s%s", what, strerror(-r), remedy ? ": " : "", remedy ? remedy : "");
}

int host_files_check(const struct team *team, char **ret_why)
{
	size_t n_nics = 0, n_stations = 0, n_more = 0, need;
	struct rlimit limit;
	bool is_enough;

	for (size_t i = 0; i < team->n_vms; i++)
		n_nics += team->vms[i].n_nics;
	for (size_t i = 0; i < team->n_networks; i++)
		n_stations += team->networks[i].n_stations;
	for (size_t i = 0; i < team->n_networks; i++)
		if (team->networks[i].services.uplink)
			n_more += FDS_A_NIC + FDS_AN_UPLINK + team->networks[i].services.nat.n_forwards;
	need = n_nics * FDS_A_NIC + n_stations * FDS_A_STATION + team->n_vms * FDS_A_VM + FDS_SPARE + n_more;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= need + FDS_CLIENTS)
		return 0;
	is_enough = limit.rlim_cur >= need;
	limit.rlim_cur = limit.rlim_max < need + FDS_CLIENTS ? limit.rlim_max : need + FDS_CLIENTS;
	if (is_enough || limit.rlim_max >= need) {
		if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || is_enough)
			return 0;
	}
	*ret_why = str_printf("%zu NICs and %zu VMs need %zu open files, this host allows %llu: "
			      "raise it (ulimit -n %zu, or LimitNOFILE=)",
			      n_nics, team->n_vms, need, (unsigned long long)limit.rlim_max, need);
	return -EMFILE;
}
