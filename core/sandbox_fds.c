/* core/sandbox_fds.c: the list of descriptors that a process keeps.
 *
 * Used by: teams/spawn.c, teams/supervisor.c.   Depends on: core/sandbox_roles.h, core/proc.h. */
#include "core/sandbox_fds.h"

#include "core/proc.h"

#include <errno.h>

static int refusal(const struct sandbox_fds *f, enum sandbox_fd what)
{
	uint32_t bit = UINT32_C(1) << what;

	if ((sandbox_policy(f->role)->inherits & bit) == 0)
		return -EPERM;
	if (what == SANDBOX_FD_RING || what == SANDBOX_FD_STATION || what == SANDBOX_FD_FORWARD ||
	    what == SANDBOX_FD_ICMP || what == SANDBOX_FD_LEASES || what == SANDBOX_FD_FOLDER)
		return 0;
	return (f->given & bit) != 0 ? -EEXIST : 0;
}

void sandbox_fds_add(struct sandbox_fds *f, enum sandbox_fd what, int fd)
{
	int r = fd < 0 ? 0 : refusal(f, what);

	if (r < 0 && f->error == 0)
		f->error = r;
	if (r < 0 || fd < 0)
		return;
	f->given |= UINT32_C(1) << what;
	bytes_append(&f->list, &fd, sizeof fd);
}

int sandbox_fds_close_others(struct sandbox_fds *f)
{
	proc_close_fds_except((int *)(void *)f->list.data, f->list.len / sizeof(int));
	bytes_done(&f->list);
	return f->error;
}
