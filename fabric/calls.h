/* fabric/calls.h: questions to a fabric's process about its state, for who keeps the other end of its control socket.
 *
 * To save: pause the fabric, stop the machines, save, and let both go on in the other order. To restore:
 * start a fabric of the same plan with new rings, pause it, restore, then start the machines, which attach
 * to the rings with what waits in them, and resume. A machine that was attached before a restore has
 * cursors of another ring: it has to attach anew. */
#ifndef MUSTER_FABRIC_CALLS_H
#define MUSTER_FABRIC_CALLS_H

#include "core/rpc.h"

/* Asks the fabric to write its state to @fd (borrowed; a memfd, a file or a pipe), from where it stands. A cell
 * writes no file beyond 64 MiB: what may be more goes into a pipe that the caller reads meanwhile.
 * @timeout_ns: above 0. @fn: as rpc_call()'s; fabric_saved_bytes() reads its reply. After an error what @fd
 * got is to be thrown away; the fabric is as before, and paused.
 * Returns as rpc_call() does. */
int fabric_save(struct rpc *r, int fd, nsec_t timeout_ns, rpc_reply_fn *fn, void *ctx);
/* Asks the fabric to read its state from @fd (borrowed), from where it stands to its end. After an error the
 * fabric is as before and paused when the file could not be read or is damaged; when its contents are
 * refused, the fabric has ended with its answer. Returns as rpc_call() does. */
int fabric_restore(struct rpc *r, int fd, nsec_t timeout_ns, rpc_reply_fn *fn, void *ctx);

/* How long the state is that a fabric said it wrote.
 * Returns 0; -EPROTO when @reply, the answer to fabric_save(), does not say it. */
int fabric_saved_bytes(const json_t *reply, uint64_t *ret_bytes);

#endif
