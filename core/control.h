/* core/control.h: the control protocol: JSON messages over a stream socket.
 *
 * A message is one JSON object on one line, at most CONTROL_LEN_MAX bytes; fds
 * may ride along (SCM_RIGHTS, at most CONTROL_FDS_MAX) with its first byte, and
 * then its key "fds" says how many. Used between the command line and a
 * supervisor, and between a supervisor and its fabric and machines. A peer that
 * breaks the form is cut off (-EPROTO): a message that claims fds which did not
 * come, or fds that no message claims, too.
 *
 * A peer may say whatever it likes as fast as it likes: a turn of the loop reads once
 * and hands out CONTROL_TURN_MSGS messages; the rest waits for the next turn. */
#ifndef MUSTER_CORE_CONTROL_H
#define MUSTER_CORE_CONTROL_H

#include "core/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	CONTROL_LEN_MAX = 4 << 20,
	CONTROL_FDS_MAX = 16,
	CONTROL_TURN_MSGS = 16, /* messages handed out a turn of the loop */
	CONTROL_OUT_MAX = 64 << 20, /* bytes that may wait unsent */
};

/* What one peer may make us keep. */
struct control_limits {
	size_t in_len; /* bytes of its longest message, at most CONTROL_LEN_MAX */
	size_t out_len; /* bytes that may wait for it; one message beyond ends the connection */
	size_t out_pause_len; /* nothing of the peer is read while more than this waits for it; 0: it is read */
};

struct control; /* one connection */

/* @msg and @fds are lent for the call; fds taken out are set to -1 by the
 * callee, the others are closed afterwards. @msg NULL: the peer is gone
 * (@status 0 on a clean end, else -errno); the callee may control_free(). */
typedef void control_fn(void *ctx, struct control *c, json_t *msg, int *fds,
			int n_fds, int status);

/* Takes over @fd (non-blocking from then on). Returns 0 or -errno. */
int control_new(struct loop *loop, int fd, control_fn *fn, void *ctx,
		struct control **ret_control);
/* Sends nothing more; closes. Accepts NULL; returns NULL. May be called
 * from within its own callback. */
struct control *control_free(struct control *c);

/* CONTROL_LEN_MAX, CONTROL_OUT_MAX and no pause hold until this is called. */
void control_set_limits(struct control *c, const struct control_limits *limits);
/* Bytes that wait unsent. */
size_t control_waiting(const struct control *c);
/* Ends the connection at the loop's next turn: its owner is told @status (below 0), as if the peer had
 * broken the form. May be called from anywhere, again too: the first status counts. */
void control_break(struct control *c, int status);

/* Serves this connection also while its loop is held (loop_hold()). */
void control_keep(struct control *c);

/* Queues @msg (borrowed); the fds are duplicated, and its key "fds" is added where
 * there are some. Never blocks.
 * Returns 0; -ENOBUFS when more than the limit would wait (the connection is broken then: what is
 * left out would never be missed by the peer); -EPIPE after the end. */
int control_send(struct control *c, json_t *msg, const int *fds, int n_fds);
/* True when all that was queued has been handed to the kernel. */
bool control_is_flushed(const struct control *c);

enum { CONTROL_BLOCK_S = 10 }; /* how long control_connect() and a write to its socket may block: then -ETIMEDOUT */
/* Both work without a loop: send one message / wait for one, for simple callers.
 * control_read_msg(): caller owns *ret_msg. Blocking fds.
 * Returns 0, -EPIPE at the end of stream, -EPROTO, -errno. */
int control_write_msg(int fd, json_t *msg);
int control_read_msg(int fd, json_t **ret_msg);
/* The same, but -ETIMEDOUT when @silence_ns pass without a byte (NSEC_NEVER: waits on). What was
 * read of a message is lost then. */
int control_read_msg_within(int fd, nsec_t silence_ns, json_t **ret_msg);

/* Listens on a socket file (mode 0600). The caller owns the fd; the file is
 * removed by whoever removes the folder. Returns 0 or -errno. */
int control_listen(const char *path, int *ret_fd);
/* Connects to such a file. The caller owns the fd. Returns 0 or -errno. */
int control_connect(const char *path, int *ret_fd);
/* The same without waiting for a listener that does not accept (-EAGAIN); the fd is
 * nonblocking. */
int control_connect_now(const char *path, int *ret_fd);

#endif
