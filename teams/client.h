/* teams/client.h: the command line's side of a supervisor's socket: blocking
 * calls, one at a time. */
#ifndef MUSTER_TEAMS_CLIENT_H
#define MUSTER_TEAMS_CLIENT_H

#include "core/clock.h"
#include "teams/store.h"

#include <jansson.h>

/* What comes before the answer: {"stream":…}, {"console":…}, {"event":…}. */
typedef void client_part_fn(void *ctx, json_t *msg);

/* Connects. Returns 0; -ENOENT when there is no such team (or its supervisor
 * is dead); -errno. */
int client_open(const struct store *store, const char *team, int *ret_fd);

/* Sends @msg (taken over) and waits for its answer. @fn may be NULL.
 * @ret_reply: the whole answer, "ok" true or false; the caller's.
 * Returns 0, -EPIPE when the supervisor went away, -errno. */
int client_call(int fd, json_t *msg, client_part_fn *fn, void *ctx, json_t **ret_reply);

/* The exit status an answer means: 0 when ok. @ret_error: its text (borrowed). */
int client_reply_status(json_t *reply, const char **ret_error);

/* Waits until @duration_ns passed, or a signal came. */
void client_wait(nsec_t duration_ns);

#endif
