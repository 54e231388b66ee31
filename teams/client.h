/* teams/client.h: the command line's side of a supervisor's socket: blocking
 * calls, one at a time. */
#ifndef MUSTER_TEAMS_CLIENT_H
#define MUSTER_TEAMS_CLIENT_H

#include "core/clock.h"
#include "teams/store.h"

#include <jansson.h>
#include <stdbool.h>

/* A supervisor that is alive answers at once, also while it does what takes long: who hears
 * nothing for CLIENT_ASK_S asks it for a sign of life, and gives up after CLIENT_SILENCE_S. */
enum { CLIENT_ASK_S = 3, CLIENT_SILENCE_S = 10 };
struct client_pulse {
	nsec_t heard; /* the last sign of life */
	bool has_asked;
};
/* Something came, or it begins. */
void client_pulse_heard(struct client_pulse *p, nsec_t now);
/* When client_pulse_due() is to be called. */
nsec_t client_pulse_at(const struct client_pulse *p);
/* Asks when it is time. The answer ({"ok":…,"waits":TEXT}: what this client waits for, if
 * anything) has "id" 0. Returns 0; -ETIMEDOUT when it is silent for too long; -errno. */
int client_pulse_due(struct client_pulse *p, int fd, nsec_t now);

/* What comes before the answer: {"stream":…}, {"console":…}, {"event":…}. */
typedef void client_part_fn(void *ctx, json_t *msg);

/* Connects. Returns 0; -ENOENT when there is no such team (or its supervisor
 * is dead); -errno. */
int client_open(const struct store *store, const char *team, int *ret_fd);

/* Sends @msg (taken over) and waits for its answer. @fn may be NULL.
 * @ret_reply: the whole answer, "ok" true or false; the caller's.
 * Returns 0, -EPIPE when the supervisor went away, -ETIMEDOUT when it gives no sign of life
 * for CLIENT_SILENCE_S, -errno. */
int client_call(int fd, json_t *msg, client_part_fn *fn, void *ctx, json_t **ret_reply);

/* As client_call(), for a caller whose output goes to @reader_fd, a pipe or a socket: -ECANCELED as soon as
 * nobody reads that any more; the supervisor may be at it still. -1: no such output. */
int client_call_read(int fd, json_t *msg, int reader_fd, client_part_fn *fn, void *ctx, json_t **ret_reply);

/* A question whose answer takes no time: -ETIMEDOUT when none came within @limit_ns. */
int client_call_within(int fd, json_t *msg, nsec_t limit_ns, json_t **ret_reply);

/* The exit status an answer means: 0 when ok. @ret_error: its text (borrowed). */
int client_reply_status(json_t *reply, const char **ret_error);

/* Waits until @duration_ns passed, or a signal came. */
void client_wait(nsec_t duration_ns);
/* The same, or until nobody reads what is written to @reader_fd (-1: none). Returns whether somebody does. */
bool client_wait_read(nsec_t duration_ns, int reader_fd);

#endif
