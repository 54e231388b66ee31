/* teams/serve.h: the supervisor's socket and its clients. */
#ifndef MUSTER_TEAMS_SERVE_H
#define MUSTER_TEAMS_SERVE_H

#include "core/verb.h"
#include "teams/supervisor_state.h"

/* What the command line may ask of a supervisor; the context of a call is the struct client. */
extern const struct verb_table serve_verbs;

/* Listens at the team's socket file. Returns 0 or -errno with a message, which the caller frees. */
int sup_listen(struct supervisor *sup, char **ret_why);
/* An undo step: @sup is the supervisor. */
void sup_unlisten(void *sup);
/* One more connection; there is room for it. @fd: taken over. @is_first: the `up` that began the team.
 * Returns 0 or -errno. */
int sup_add_client(struct supervisor *sup, int fd, bool is_first, struct client **ret_client);
/* Closes the connections of all clients. */
void sup_drop_clients(struct supervisor *sup);
/* The hook of the same name: who runs a command in @v is told. */
void sup_vm_released(struct supervisor *sup, const struct vm_host *v);

#endif
