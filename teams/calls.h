/* teams/calls.h: questions to the fabric and to machines. */
#ifndef MUSTER_TEAMS_CALLS_H
#define MUSTER_TEAMS_CALLS_H

#include "teams/supervisor_state.h"

/* ---- the fabric ---- */
/* Once sup->fabric is there. */
void sup_fabric_bind(struct supervisor *sup);
/* What the fabric says, and its end: a control_fn whose @ctx is the supervisor. */
void sup_on_fabric(void *ctx, struct control *c, json_t *msg, int *fds, int n_fds, int status);
/* Asks, and has ANSWER_NS for it. @msg without "id", taken over. @client may be NULL. @fn is called once, with
 * an answer ({"ok":false,…} where none came), never from here. Returns 0; -errno: it is not called. */
int sup_ask_fabric(struct supervisor *sup, json_t *msg, struct client *client, json_int_t client_id,
		   void (*fn)(struct supervisor *, struct fabric_call *, json_t *));
/* The same with a time-out of its own. */
int sup_ask_fabric_for(struct supervisor *sup, json_t *msg, nsec_t within_ns, struct client *client,
		       json_int_t client_id, void (*fn)(struct supervisor *, struct fabric_call *, json_t *));
/* @client leaves: the functions of its calls are called without it. */
void sup_calls_forget_client(struct supervisor *sup, const struct client *client);

/* ---- machines ---- */
/* Once v->control is there; and before it goes: calls under way fail. */
void vm_calls_open(struct vm_host *v);
void vm_calls_close(struct vm_host *v);
/* Asks the machine, within ANSWER_NS; @fn gets @v. @msg is taken over. Returns 0 or -errno, as rpc_call(). */
int vm_ask(struct vm_host *v, json_t *msg, rpc_reply_fn *fn);
/* The same with a bound and a context of its own. */
int vm_ask_for(struct vm_host *v, json_t *msg, nsec_t within_ns, rpc_reply_fn *fn, void *ctx);
/* A word to the machine that needs no answer; nothing without a machine. @msg is taken over. */
void vm_tell(struct vm_host *v, json_t *msg);

#endif
