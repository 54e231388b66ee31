/* teams/link.h: `muster link`. */
#ifndef MUSTER_TEAMS_LINK_H
#define MUSTER_TEAMS_LINK_H

#include "teams/supervisor_state.h"

/* Before the first machine: all links are as the team file has them.
 * Returns 0 or -errno with a message, which the caller frees. */
int sup_make_links(struct supervisor *sup, char **ret_why);
/* Shows or changes links as @msg says; answers @client. */
void sup_link(struct client *client, json_int_t id, json_t *msg);

#endif
