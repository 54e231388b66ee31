/* teams/spawn_fds.h: which descriptors each process of a team keeps. */
#ifndef MUSTER_TEAMS_SPAWN_FDS_H
#define MUSTER_TEAMS_SPAWN_FDS_H

#include "core/sandbox_fds.h"
#include "teams/supervisor_state.h"

struct uplink_config;

/* One side's ends of a machine's sockets. */
struct vm_sockets {
	int control, serial, agent;
};
/* What a machine boots from; -1: it has none of it. */
struct boot_fds {
	int kernel, initrd, pmem;
};

/* Each begins *ret_fds, whose end is sandbox_fds_close_others(). All descriptors are borrowed. */
void spawn_fds_janitor(const struct supervisor *sup, int pipe_fd, struct sandbox_fds *ret_fds);
/* All rings of the team. */
void spawn_fds_fabric(const struct supervisor *sup, int control_fd, struct sandbox_fds *ret_fds);
/* The files of all logs (sup->leases). */
void spawn_fds_leases(const struct supervisor *sup, int control_fd, struct sandbox_fds *ret_fds);
/* The rings of @v. @mine: the machine's ends. */
/* @cfg: what the uplink is made from. */
void spawn_fds_uplink(const struct supervisor *sup, int control_fd, const struct uplink_config *cfg,
		      struct sandbox_fds *ret_fds);
void spawn_fds_machine(const struct supervisor *sup, const struct vm_host *v, const struct vm_sockets *mine,
		       const struct boot_fds *boot, struct sandbox_fds *ret_fds);

#endif
