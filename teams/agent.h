/* teams/agent.h: the client of a guest's agent: the QEMU guest agent's
 * protocol over a byte stream (the machine's virtio console port).
 *
 * One request is on the wire at a time; others queue. The agent may not be
 * there yet, may have been restarted, and may be hostile: agent_sync() calls
 * until it is answered, every answer is bounded by its question before it is
 * parsed, and what is not an answer is dropped. Source: QEMU, docs/interop/qemu-ga-ref (guest-sync-delimited). */
#ifndef MUSTER_TEAMS_AGENT_H
#define MUSTER_TEAMS_AGENT_H

#include "core/cleanup.h"
#include "core/loop.h"

#include <jansson.h>
#include <stdbool.h>

struct agent;

enum {
	AGENT_QUEUE_MAX = 256,
};

/* @result: the "return" member, borrowed; NULL when it failed. @error: what
 * went wrong, NULL when nothing did. */
typedef void agent_reply_fn(void *ctx, json_t *result, const char *error);
typedef void agent_event_fn(void *ctx);

/* Takes @fd over. Returns 0 or -errno. */
int agent_new(struct loop *loop, int fd, struct agent **ret_agent);
/* Outstanding calls are dropped without a reply. Accepts NULL; returns NULL.
 * May be called from a reply. */
struct agent *agent_free(struct agent *a);

/* The time from one sync to the next: the first, and what it doubles up to. */
enum { AGENT_SYNC_MS = 100, AGENT_SYNC_MAX_MS = 3200 };
/* How long the agent is waited for after @n syncs in vain and one more. */
nsec_t agent_sync_wait(unsigned n);
/* Calls for the agent again and again until it answers, then calls @fn once. */
void agent_sync(struct agent *a, agent_event_fn *fn, void *ctx);
/* Whether agent_sync() got its answer. */
bool agent_is_synced(const struct agent *a);
/* What an agent, or its image, was found to be without; kept until it is synced anew. */
enum agent_lack {
	AGENT_LACKS_STREAM = 1, /* arguments which are Muster's own are refused */
	AGENT_LACKS_RUN = 2, /* the image has no /usr/lib/muster/run */
};
/* Both are about what the agent was found to lack; it is kept as long as the agent. */
void agent_set_lack(struct agent *a, enum agent_lack what);
bool agent_lacks(const struct agent *a, enum agent_lack what);

/* Asks. @args: taken over, may be NULL. @timeout_ns: from when it is on the
 * wire; after it the reply is an error, as are those of the calls that wait behind it, and the stream is
 * synced anew.
 * Returns 0; -ENOBUFS when AGENT_QUEUE_MAX wait; -EPIPE after the stream's end. */
int agent_call(struct agent *a, const char *execute, json_t *args, nsec_t timeout_ns,
	       agent_reply_fn *fn, void *ctx);
/* No reply with this @ctx will come any more. */
void agent_forget(struct agent *a, const void *ctx);

#endif
