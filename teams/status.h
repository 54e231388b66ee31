/* teams/status.h: what `muster status` shows. */
#ifndef MUSTER_TEAMS_STATUS_H
#define MUSTER_TEAMS_STATUS_H

#include "teams/supervisor_state.h"

/* The team and its VMs; the caller's. @with_memory: of each VM, which the kernel counts page by page: a
 * millisecond for a small one. */
json_t *sup_status(struct supervisor *sup, bool with_memory);
/* The team's plan as team_plan_json() makes it, with the links' shapes as they are now, and without what is put
 * into the guests (files, lines, environment). Of a running team only. The caller decrefs. */
json_t *sup_plan_now(const struct supervisor *sup);
/* Answers @client with all of that and each NIC's counters, or why there are none. */
void sup_status_counted(struct client *client, json_int_t id);

#endif
