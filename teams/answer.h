/* teams/answer.h: answers to clients: at once, or when the VM they wait for is in a state. */
#ifndef MUSTER_TEAMS_ANSWER_H
#define MUSTER_TEAMS_ANSWER_H

#include "teams/supervisor_state.h"

/* Answers; @body is taken over and may be NULL. */
void client_ok(struct client *client, json_int_t id, json_t *body);
/* @status: the exit status of the command. */
void client_fail(struct client *client, json_int_t id, int status, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* @client waits until @v is in @until, and is answered at once when it is. One waits for a VM at a time:
 * who waited before is told that another request came. */
void vm_wait_for(struct client *client, json_int_t id, struct vm_host *v, enum vm_state until);
/* @v has another state: whoever waits for it is answered, and so is who waits for one that does not come
 * by itself any more. */
void vm_wait_changed(struct vm_host *v);
/* Whoever waits for @v is told that it is in vain. */
void vm_wait_fail(struct vm_host *v, const char *why);
/* @client leaves: no VM's state is told to it any more. */
void vm_wait_forget(struct supervisor *sup, const struct client *client);
/* Which VM @client waits for, and what that waits for, for people; NULL: none. The caller frees it. */
char *vm_wait_str(const struct supervisor *sup, const struct client *client);

#endif
