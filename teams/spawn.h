/* teams/spawn.h: the team's processes. */
#ifndef MUSTER_TEAMS_SPAWN_H
#define MUSTER_TEAMS_SPAWN_H

#include "teams/spawn_fds.h"
#include "teams/supervisor_state.h"

/* Each returns 0; -errno with a message, which the caller frees, and nothing is left of it. */
int sup_spawn_janitor(struct supervisor *sup, char **ret_why);
int sup_make_rings(struct supervisor *sup, char **ret_why);
int sup_spawn_fabric(struct supervisor *sup, char **ret_why);
/* Forks the uplink. @cfg: borrowed; the child's control socket is set here. @ret_fd: the supervisor's end of it, the
 * caller's to close. @ret_pid: the caller's to reap. Returns as above. */
int sup_spawn_uplink(struct supervisor *sup, const struct uplink_config *cfg, int *ret_fd, pid_t *ret_pid,
		     char **ret_why);
/* Forks the process that keeps leases (sup->leases). @ret_fd: the fabric's end of its socket, the caller's to close.
 * @ret_pid: the caller's to reap. Returns as above. */
int sup_spawn_leases(struct supervisor *sup, int *ret_fd, pid_t *ret_pid, char **ret_why);
/* Undo steps: @sup is the supervisor. */
void sup_release_janitor(void *sup);
void sup_kill_fabric(void *sup);

/* Forks @v's machine. @ret_sockets: the supervisor's ends, the caller's to close. @ret_pid: the caller's to reap.
 * Returns 0; -errno with a message, as above. */
int sup_spawn_machine(struct supervisor *sup, struct vm_host *v, struct vm_sockets *ret_sockets, pid_t *ret_pid,
		      char **ret_why);

#endif
