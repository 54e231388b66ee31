/* teams/lease_files.c: the files of a team's leases, and what is known of the process that keeps them.
 *
 * The supervisor opens the files, once, and each process inherits them: a process in its cell opens nothing.
 *
 * Used by: lease_process.c, calls.c, status.c, supervisor.c.   Depends on: side_process.c, fabric/kept_leases.h. */
#include "teams/lease_files.h"

#include "core/bytes.h"
#include "core/log.h"
#include "core/prng.h"
#include "fabric/kept_leases.h"
#include "teams/host_lack.h"
#include "teams/supervisor_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- the files ------------------------------------------------------------------------- */

/* A file of another network is not read, even where it bears this one's name. */
static uint64_t number_of(const char *network)
{
	struct prng rng;

	prng_init(&rng, 0, network);
	return prng_u64(&rng);
}

static int open_log(struct sup_leases *l, const char *network, char **ret_why)
{
	struct lease_keeper_log *log = &l->logs[l->n_logs];

	*log = (struct lease_keeper_log){ .name = network, .network = number_of(network), .fds = { -1, -1 } };
	l->n_logs++;
	for (int i = 0; i < 2; i++) {
		CLEANUP(free) char *path = str_printf("%s/%s.%d", l->dir, network, i);
		int r;

		/* SYSCALLS(supervisor): openat */
		log->fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		if (log->fds[i] >= 0)
			continue;
		r = -errno;
		*ret_why = host_lack_str(path, r);
		return r;
	}
	return 0;
}

int sup_open_leases(struct supervisor *sup, char **ret_why)
{
	const struct fabric_plan *plan = sup->plan;
	CLEANUP(free) size_t *ports = calloc(plan->n_ports + 1, sizeof *ports);
	size_t n = ports ? kept_leases_ports(plan, ports) : 0;
	struct sup_leases *l;
	int r;

	if (!ports)
		return -ENOMEM;
	if (n == 0)
		return 0;
	l = calloc(1, sizeof *l);
	if (!l)
		return -ENOMEM;
	sup->leases = l;
	l->dir = store_leases_dir(sup->store, sup->team->name);
	l->logs = calloc(n, sizeof *l->logs);
	r = l->logs ? dir_make_all(l->dir, 0700) : -ENOMEM;
	if (r < 0)
		*ret_why = host_lack_str(l->dir, r);
	for (size_t i = 0; i < n && r == 0; i++)
		r = open_log(l, plan->networks[plan->ports[ports[i]].network].name, ret_why);
	if (r < 0)
		sup_close_leases(sup);
	else
		sup->plan->keeps_leases = true;
	return r;
}

void sup_close_leases(void *ctx)
{
	struct supervisor *sup = ctx;
	struct sup_leases *l = take_ptr(sup->leases);
	int r;

	if (!l)
		return;
	for (size_t i = 0; i < l->n_logs; i++)
		for (int k = 0; k < 2; k++)
			cleanup_fd(&l->logs[i].fds[k]);
	r = sup->end_why ? 0 : dir_remove_all(l->dir);
	if (r < 0)
		log_error("%s: %s", l->dir, strerror(-r));
	free(l->logs);
	free(l->dir);
	free(l->error_text);
	free(l);
}

/* ---- what is known -------------------------------------------------------------------- */

void sup_leases_trouble(struct supervisor *sup, const char *error)
{
	struct sup_leases *l = sup->leases;

	if (!l)
		return;
	free(l->error_text);
	l->error_text = error ? str_dup(error) : NULL;
	events_emit(&sup->events, json_pack("{s:s,s:s,s:s?}", "event", "leases", "state",
					    error ? "unrecorded" : "recorded", "why", error));
}

json_t *sup_leases_json(const struct supervisor *sup)
{
	const struct sup_leases *l = sup->leases;
	json_t *j;

	if (!l)
		return json_null();
	j = side_process_json(&l->process);
	if (l->error_text)
		(void)json_object_set_new(j, "error", json_string(l->error_text));
	return j;
}
