/* teams/pause.h: pause and resume of the whole team. */
#ifndef MUSTER_TEAMS_PAUSE_H
#define MUSTER_TEAMS_PAUSE_H

#include "teams/supervisor_state.h"

/* Before the first pause. Returns 0 or -errno. */
int sup_pause_open(struct supervisor *sup);
/* Pauses the team or has it go on; answers @client when it is done. */
void sup_pause(struct client *client, json_int_t id, bool is_pause);
/* The hook of the same name. */
void sup_vm_paused(struct supervisor *sup, struct vm_host *v, const char *error);
/* @client leaves: it is not answered when a pause or resume is done. */
void sup_pause_forget_client(struct supervisor *sup, const struct client *client);
/* What @client waits for here, for people; NULL: nothing. The caller frees it. */
char *sup_pause_waits_for(const struct supervisor *sup, const struct client *client);

#endif
