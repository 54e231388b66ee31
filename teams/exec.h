/* teams/exec.h: one command in a guest, from start to exit status. */
#ifndef MUSTER_TEAMS_EXEC_H
#define MUSTER_TEAMS_EXEC_H

#include "core/bytes.h"
#include "core/loop.h"
#include "teams/agent.h"

#include <jansson.h>
#include <stdbool.h>

struct exec_result {
	const char *error; /* it could not be run, or the agent failed; NULL: it ran */
	bool timed_out; /* it was killed; error says so too */
	int status; /* exit status; 128 + signal */
	bool truncated; /* the agent kept only a part of the output */
	struct bytes out, err; /* stdout, stderr */
};

/* Lent for the call. The job is gone when it is called. */
typedef void exec_done_fn(void *ctx, const struct exec_result *result);

/* What a command said since the last call; the last of it is in the result.
 * @stream: "stdout" or "stderr"; NULL only asks. Returns false when no more
 * can be taken for now: the command is not asked then. */
typedef bool exec_part_fn(void *ctx, const char *stream, const struct bytes *part);

enum { EXEC_SILENCE_S = 2 };

struct exec_job;

struct exec_spec {
	exec_part_fn *part; /* NULL: all output is in the result */
	json_t *argv; /* array of strings, the program first; borrowed */
	const char *const *env; /* "KEY=VALUE", borrowed; PATH and HOME are added before it */
	size_t n_env;
	const char *input; /* base64, or NULL: no stdin; borrowed */
	nsec_t timeout_ns; /* from the call on; NSEC_NEVER */
};

/* Starts. @agent is borrowed and outlives the job. Returns 0, -EINVAL for an
 * argv without a program, or what agent_call() returns. */
int exec_start(struct loop *loop, struct agent *agent, const struct exec_spec *spec,
	       exec_done_fn *fn, void *ctx, struct exec_job **ret_job);
/* Forgets the job (the command goes on). Accepts NULL; returns NULL. */
struct exec_job *exec_free(struct exec_job *j);

/* True when the agent has left a question of the job unanswered for EXEC_SILENCE_S. */
bool exec_waits_for_agent(const struct exec_job *j, nsec_t now);

/* As exec_free(), and the command is ended: nobody listens to it any more. */
struct exec_job *exec_cancel(struct exec_job *j);

#endif
