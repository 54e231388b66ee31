/* teams/vm_host.h: the host's side of one VM: makes its machine, ends it, calls the guest's agent, and tells the
 * VM (teams/vm.h) what happened. */
#ifndef MUSTER_TEAMS_VM_HOST_H
#define MUSTER_TEAMS_VM_HOST_H

#include "teams/supervisor_state.h"

/* The VM @index of the team. Opens its console's log and its socket file.
 * Returns 0 or -errno with a message, which the caller frees. */
int vm_host_init(struct vm_host *v, struct supervisor *sup, size_t index, char **ret_why);

/* Has the processors stand still or go on: the state follows the machine's answer, and the hook
 * vm_paused() is called once, from here when it cannot be asked. @within_ns: how long it has. */
void vm_host_pause(struct vm_host *v, bool is_pause, nsec_t within_ns);
/* Nothing follows from what it still answers to vm_host_pause(). */
void vm_host_pause_forget(struct vm_host *v);

#endif
