/* core/rpc.h: questions over a control connection, and the answers that are owed.
 *
 * A question is a message with an "id" of ours; its answer has the same "id", and "ok"
 * true, or false with an "error". Every question has a deadline: its asker is told
 * exactly once, by the answer, by the deadline or by the peer's end, and each error
 * names the peer. An answer nobody waits for (late, or made up) is dropped. */
#ifndef MUSTER_CORE_RPC_H
#define MUSTER_CORE_RPC_H

#include "core/control.h"

#include <jansson.h>
#include <stdbool.h>

enum {
	RPC_CALLS_MAX = 256, /* questions of one peer under way */
	RPC_WAITING_MAX = 256 << 10, /* bytes unsent beyond which a peer is asked nothing more */
};

struct rpc; /* one peer, over the connections it has in its life */

/* @reply: the answer (borrowed); NULL when none came. @error: what went wrong, for
 * people; NULL when the peer said "ok". */
typedef void rpc_reply_fn(void *ctx, json_t *reply, const char *error);

/* @who: what the peer is called in errors ("the fabric of team T"); copied. No connection yet.
 * Returns 0 or -errno. */
int rpc_new(struct loop *loop, const char *who, struct rpc **ret_rpc);
/* Calls under way are dropped without a word. Accepts NULL; returns NULL. */
struct rpc *rpc_free(struct rpc *r);

/* The peer's connection from now on (borrowed); NULL: it has none, and every call under way
 * fails: "WHO ended". */
void rpc_bind(struct rpc *r, struct control *control);

/* Asks. @msg: taken over; "id" is added. @timeout_ns: above 0.
 * Returns 0, and @fn is called later, never from here; -EPIPE without a connection; -ENOBUFS
 * when RPC_CALLS_MAX wait or the peer does not read; -errno. */
int rpc_call(struct rpc *r, json_t *msg, nsec_t timeout_ns, rpc_reply_fn *fn, void *ctx);
/* The same, with @n_fds descriptors, which are duplicated. */
int rpc_call_fds(struct rpc *r, json_t *msg, const int *fds, int n_fds, nsec_t timeout_ns, rpc_reply_fn *fn, void *ctx);
/* A message that came from the peer. Returns whether it was an answer (known or not). */
bool rpc_take(struct rpc *r, json_t *msg);
/* No reply with this @ctx will come any more. */
void rpc_forget(struct rpc *r, const void *ctx);

#endif
