/* teams/spawn_fds.c: which descriptors each process of a team keeps.
 *
 * Here are the numbers; which kinds a role has is in its row (core/sandbox_roles.c), and what is not there is not
 * kept.
 *
 * Used by: spawn.c.   Depends on: core/sandbox_fds.h. */
#include "teams/spawn_fds.h"

#include "nat/uplink.h"
#include "teams/lease_files.h"

static void add_ring(struct sandbox_fds *f, const struct ring_pair_fds *ring)
{
	sandbox_fds_add(f, SANDBOX_FD_RING, ring->mem_fd);
	sandbox_fds_add(f, SANDBOX_FD_RING, ring->up_kick_fd);
	sandbox_fds_add(f, SANDBOX_FD_RING, ring->down_kick_fd);
}

void spawn_fds_janitor(const struct supervisor *sup, int pipe_fd, struct sandbox_fds *ret_fds)
{
	*ret_fds = (struct sandbox_fds){ .role = SANDBOX_JANITOR };
	sandbox_fds_add(ret_fds, SANDBOX_FD_PIPE, pipe_fd);
	sandbox_fds_add(ret_fds, SANDBOX_FD_LOCK, sup->lock_fd);
	sandbox_fds_add(ret_fds, SANDBOX_FD_GROUP, sup->cgroup.parent_fd);
}

void spawn_fds_fabric(const struct supervisor *sup, int control_fd, struct sandbox_fds *ret_fds)
{
	*ret_fds = (struct sandbox_fds){ .role = SANDBOX_FABRIC };
	sandbox_fds_add(ret_fds, SANDBOX_FD_CONTROL, control_fd);
	for (size_t i = 0; i < sup->n_rings; i++)
		add_ring(ret_fds, &sup->rings[i]);
	for (size_t i = 0; i < sup->n_uplink_rings; i++)
		add_ring(ret_fds, &sup->uplink_rings[i]);
	for (size_t i = 0; i < sup->n_stations; i++)
		sandbox_fds_add(ret_fds, SANDBOX_FD_STATION, sup->stations[i].fd);
}

void spawn_fds_uplink(const struct supervisor *sup, int control_fd, const struct uplink_config *cfg,
		      struct sandbox_fds *ret_fds)
{
	*ret_fds = (struct sandbox_fds){ .role = SANDBOX_UPLINK };
	sandbox_fds_add(ret_fds, SANDBOX_FD_CONTROL, control_fd);
	for (size_t i = 0; i < sup->n_uplink_rings; i++)
		add_ring(ret_fds, &sup->uplink_rings[i]);
	for (size_t i = 0; i < cfg->n_forwards; i++)
		sandbox_fds_add(ret_fds, SANDBOX_FD_FORWARD, cfg->forwards[i].fd);
	for (int i = 0; i < 2; i++)
		sandbox_fds_add(ret_fds, SANDBOX_FD_ICMP, cfg->raw_icmp_fd[i]);
	for (size_t i = 0; i < cfg->n_folders; i++)
		sandbox_fds_add(ret_fds, SANDBOX_FD_FOLDER, cfg->folders[i]);
}

void spawn_fds_leases(const struct supervisor *sup, int control_fd, struct sandbox_fds *ret_fds)
{
	*ret_fds = (struct sandbox_fds){ .role = SANDBOX_LEASES };
	sandbox_fds_add(ret_fds, SANDBOX_FD_CONTROL, control_fd);
	for (size_t i = 0; i < sup->leases->n_logs; i++)
		for (int k = 0; k < 2; k++)
			sandbox_fds_add(ret_fds, SANDBOX_FD_LEASES, sup->leases->logs[i].fds[k]);
}

void spawn_fds_machine(const struct supervisor *sup, const struct vm_host *v, const struct vm_sockets *mine,
		       const struct boot_fds *boot, struct sandbox_fds *ret_fds)
{
	/* Its row is that of a machine on KVM, too. */
	*ret_fds = (struct sandbox_fds){ .role = SANDBOX_MACHINE };
	for (size_t i = 0; i < v->tv->n_nics; i++)
		add_ring(ret_fds, &sup->rings[sup->first_ring[v->index] + i]);
	sandbox_fds_add(ret_fds, SANDBOX_FD_CONTROL, mine->control);
	sandbox_fds_add(ret_fds, SANDBOX_FD_SERIAL, mine->serial);
	sandbox_fds_add(ret_fds, SANDBOX_FD_AGENT, mine->agent);
	sandbox_fds_add(ret_fds, SANDBOX_FD_KERNEL, boot->kernel);
	sandbox_fds_add(ret_fds, SANDBOX_FD_INITRD, boot->initrd);
	sandbox_fds_add(ret_fds, SANDBOX_FD_PMEM, boot->pmem);
}
