/* images/agent/session.h: the parts of the guest service. */
#ifndef MUSTER_IMAGES_AGENT_SESSION_H
#define MUSTER_IMAGES_AGENT_SESSION_H

#include "core/session.h"

struct session_command {
	struct bytes args, env; /* NUL-terminated strings */
};

/* Takes an ARGS or ENV frame. Returns false beyond what a kernel takes. */
bool session_command_add(struct session_command *c, const struct session_frame *frame);

/* Runs the command of the EXEC frame @how until it exits or the stream ends. What it left
 * running goes on; this process then reads their output to nowhere until nobody holds it. */
void session_exec(struct session_stream *s, struct session_command *c, const struct session_frame *how);

/* Reads both to nowhere until nobody writes to them, and closes them; -1: closed. */
void session_drain(int out, int err);

/* Runs @argv with this process' stdin, stdout and stderr, and leaves what it started in the
 * background alone. Returns its status, 128 and a signal, 126 or 127. */
int session_run(char **argv);

#endif
