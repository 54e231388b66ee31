/* teams/engine.h: which engine a team's VMs run on, and why. */
#ifndef MUSTER_TEAMS_ENGINE_H
#define MUSTER_TEAMS_ENGINE_H

#include "topologies/team.h"

#include <stdbool.h>

/* What this host offers; owns its text. */
struct engine_host {
	bool has_kvm; /* supervisor code runs in it at speed */
	char *why; /* of either, for people */
};

/* Tries /dev/kvm, which takes some 20 ms on a host that emulates. */
void engine_probe(struct engine_host *ret);
/* Frees what it owns. */
void engine_done(struct engine_host *h);

/* What @team's VMs need to know of the host; probes only when one of them asks
 * for auto or kvm. Returns 0, or -ENOTSUP with the reason when one needs kvm
 * and the host has not. */
int engine_find(const struct team *team, struct engine_host *ret, char **ret_why);
/* @vm's engine on @h. @ret_why: lives as long as @h. */
bool engine_is_kvm(const struct team_vm *vm, const struct engine_host *h, const char **ret_why);

#endif
