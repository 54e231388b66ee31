/* teams/lease_process.c: the process that keeps a team's leases.
 *
 * The fabric gets the other end of each new process's socket, and sends again what was not durable.
 *
 * Used by: supervisor.c.   Depends on: lease_files.c, side_process.c, spawn.c. */
#include "teams/lease_process.h"

#include "core/log.h"
#include "teams/lease_files.h"
#include "teams/spawn.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The fabric has the socket, or the process ends with it. */
static void on_kept(void *ctx, json_t *reply, const char *error)
{
	(void)ctx;
	(void)reply;
	if (error)
		log_warn("leases: %s", error);
}

static int start(void *ctx, pid_t *ret_pid, char **ret_why)
{
	struct supervisor *sup = ctx;
	int fd = -1, r = sup_spawn_leases(sup, &fd, ret_pid, ret_why);

	if (r < 0)
		return r;
	r = sup->fabric_rpc ? rpc_call_fds(sup->fabric_rpc, json_pack("{s:s}", "do", "keep-leases"), &fd, 1, ANSWER_NS,
					   on_kept, sup) :
			      -EPIPE;
	/* Without the fabric it ends with its socket, which is met as any end. */
	if (r < 0)
		log_warn("leases: the fabric cannot be asked: %s", strerror(-r));
	(void)close(fd);
	return 0;
}

int sup_start_leases(struct supervisor *sup, char **ret_why)
{
	struct sup_leases *l = sup->leases;

	if (!l)
		return 0;
	l->process = (struct side_process){ .sup = sup, .name = "leases", .start = start, .ctx = sup };
	return side_process_start(&l->process, clock_now(), ret_why);
}

void sup_kill_leases(void *ctx)
{
	struct supervisor *sup = ctx;

	if (sup->leases)
		side_process_end(&sup->leases->process);
}

bool sup_leases_ended(struct supervisor *sup, pid_t pid, int status)
{
	return sup->leases && side_process_ended(&sup->leases->process, pid, status, clock_now());
}
