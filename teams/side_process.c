/* teams/side_process.c: a process of the team whose end is not the team's.
 *
 * Used by: lease_files.c, lease_process.c, supervisor.c, uplink.c.   Depends on: events.c, cgroup.c, core/loop.h. */
#include "teams/side_process.h"

#include "core/bytes.h"
#include "core/log.h"
#include "teams/host_lack.h"
#include "teams/supervisor_state.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

char *child_end_str(struct supervisor *sup, const char *who, int status)
{
	CLEANUP(free) char *by_kernel = NULL;

	if (!WIFSIGNALED(status))
		return str_printf("%s ended with status %d", who, WEXITSTATUS(status));
	if (WTERMSIG(status) == SIGSYS)
		return str_printf("%s made a system call that its cell forbids, or aborted", who);
	if (WTERMSIG(status) == SIGKILL && (by_kernel = cgroup_killed_str(&sup->cgroup)) != NULL)
		return str_printf("%s was %s", who, by_kernel);
	return str_printf("%s was killed by signal %d", who, WTERMSIG(status));
}

static void tell(const struct side_process *p, const char *state)
{
	json_t *event =
		json_pack("{s:s,s:s,s:I}", "event", p->name, "state", state, "restarts", (json_int_t)p->n_restarts);

	if (p->why)
		(void)json_object_set_new(event, "why", json_string(p->why));
	events_emit(&p->sup->events, event);
}

/* It is gone, or did not come: why is set. */
static void later(struct side_process *p, nsec_t now)
{
	nsec_t wait = SIDE_RESTART_S;

	p->n_short = now - p->started_ns < SIDE_STEADY_S * NSEC_PER_SEC ? p->n_short + 1 : 0;
	for (unsigned i = 1; i < p->n_short && wait < SIDE_RESTART_MAX_S; i++)
		wait *= 2;
	log_warn("%s: %s; it is started anew", p->name, p->why);
	tell(p, "ended");
	p->due_ns = p->started_ns + wait * NSEC_PER_SEC;
	loop_set_timer(p->timer, p->due_ns);
}

static void on_timer(void *ctx, nsec_t now)
{
	struct side_process *p = ctx;
	char *why = NULL;
	int r;

	if (p->pid > 0 || p->sup->state == SUP_ENDING)
		return;
	p->n_restarts++;
	p->started_ns = now;
	r = p->start(p->ctx, &p->pid, &why);
	if (r == 0) {
		tell(p, "started");
		return;
	}
	free(p->why);
	p->why = why ? why : str_dup(strerror(-r));
	later(p, now);
}

int side_process_start(struct side_process *p, nsec_t now, char **ret_why)
{
	int r = loop_add_timer(p->sup->loop, NSEC_NEVER, on_timer, p, &p->timer);

	p->started_ns = now;
	if (r == 0)
		r = p->start(p->ctx, &p->pid, ret_why);
	if (r < 0) {
		if (!*ret_why)
			*ret_why = host_lack_str(p->name, r);
		side_process_end(p);
	}
	return r;
}

void side_process_end(struct side_process *p)
{
	p->timer = loop_remove(p->timer);
	if (p->pid > 0) {
		(void)kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	p->pid = 0;
	free(p->why);
	p->why = NULL;
}

bool side_process_ended(struct side_process *p, pid_t pid, int status, nsec_t now)
{
	if (p->pid <= 0 || pid != p->pid)
		return false;
	p->pid = 0;
	free(p->why);
	p->why = child_end_str(p->sup, "it", status);
	later(p, now);
	return true;
}

json_t *side_process_json(const struct side_process *p)
{
	return json_pack("{s:I,s:I,s:s?}", "pid", (json_int_t)p->pid, "restarts", (json_int_t)p->n_restarts, "why",
			 p->why);
}
