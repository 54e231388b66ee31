/* teams/services.h: the services of a team's networks as the fabric takes them. */
#ifndef MUSTER_TEAMS_SERVICES_H
#define MUSTER_TEAMS_SERVICES_H

#include "fabric/plan.h"
#include "topologies/team.h"

#include <jansson.h>

struct services_plan;

/* What is served on network @network of @team (borrowed, outlives it), which has a service.
 * Returns 0 or -ENOMEM. */
int services_plan_new(const struct team *team, size_t network, struct services_plan **ret_plan);
struct services_plan *services_plan_free(struct services_plan *p); /* accepts NULL; returns NULL */
const struct fabric_plan_service *services_plan_service(const struct services_plan *p); /* borrowed */

/* What `muster status` says of each network with a service, as an array. */
json_t *services_json(const struct team *team);
/* Whether a network has leases that are kept (lease_process.h). */
bool services_keep_leases(const struct team *team);
/* The most memory that stations and services of @team may take in the fabric, in bytes. */
uint64_t services_memory(const struct team *team);

#endif
