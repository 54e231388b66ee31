/* teams/fabric_plan.h: what a team's fabric is made from, and a team's links as the fabric numbers them. */
#ifndef MUSTER_TEAMS_FABRIC_PLAN_H
#define MUSTER_TEAMS_FABRIC_PLAN_H

#include "fabric/plan.h"
#include "topologies/team.h"

/* The plan of @team (borrowed, outlives it). One port a NIC, VMs in file order, their NICs in
 * order; then one a station, networks in file order, their stations in order; then one for
 * each network with services. Of the last alone the kind is set.
 * Returns 0 or -ENOMEM. */
int fabric_plan_new(const struct team *team, struct fabric_plan **ret_plan);
struct fabric_plan *fabric_plan_free(struct fabric_plan *plan); /* accepts NULL; returns NULL */

/* The port of a NIC that exists: its index in the plan. */
size_t fabric_plan_port(const struct team *team, size_t vm, size_t nic);
/* That of a station that exists; and of the one behind the last, which is how many ports have links that a user can
 * name: (team->n_networks, 0). */
size_t fabric_plan_station(const struct team *team, size_t network, size_t station);
/* A network, a station or a NIC that exists, as the fabric numbers it; and the way back. */
struct fabric_ref fabric_plan_ref(const struct team *team, const struct link_ref *ref);
struct link_ref fabric_plan_link(const struct team *team, const struct fabric_ref *ref);

#endif
