/* teams/leases.h: what a client asks of the leases of a network. */
#ifndef MUSTER_TEAMS_LEASES_H
#define MUSTER_TEAMS_LEASES_H

#include "teams/supervisor_state.h"

/* Answers request @id of @c with the leases of @network, by address from @from (NULL: the first) on; `next` of the
 * answer says where to go on. */
void sup_leases(struct supervisor *sup, struct client *c, json_int_t id, const char *network, const char *from);

#endif
