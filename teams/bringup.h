/* teams/bringup.h: the order in which VMs start, and what a VM's state means for its team. */
#ifndef MUSTER_TEAMS_BRINGUP_H
#define MUSTER_TEAMS_BRINGUP_H

#include "teams/supervisor_state.h"

/* How many VMs may boot at a time on a host with @n_processors. */
size_t bringup_boots_max(unsigned n_processors);
/* Once all VMs are there. Returns 0 or -errno. */
int bringup_open(struct supervisor *sup);
/* Starts the next VM that may, one at a turn of the loop. A team without VMs is up. */
void bringup_start(struct supervisor *sup);
/* The hook vm_changed(). */
void bringup_vm_changed(struct supervisor *sup, struct vm_host *v);

#endif
