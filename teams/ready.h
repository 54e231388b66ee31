/* teams/ready.h: the way of one VM from its machine's start to ready.
 *
 * A state machine without clock or socket: it is told what happened and when,
 * and says which command is to be run in the guest and when it wants to be
 * called. Ready is: the guest agent answers, its set-up script did all, the `run` lines ended, and each
 * condition of `ready` holds (team-file(5)), all before the timeout. With `agent: false` the console's is the only
 * one, and without that it is ready at once. */
#ifndef MUSTER_TEAMS_READY_H
#define MUSTER_TEAMS_READY_H

#include "teams/exec.h"
#include "teams/ready_console.h"
#include "topologies/team.h"

/* READY_AGENT: wait for ready_agent_answers(). READY_SETUP, READY_RUN, READY_CHECK, READY_TCP:
 * ready_command() may be asked. READY_CONSOLE: wait for ready_console_output(). READY_DONE, READY_FAILED: nothing more comes. */
enum ready_phase { READY_AGENT, READY_SETUP, READY_RUN, READY_CHECK, READY_TCP, READY_CONSOLE, READY_DONE, READY_FAILED,
		   READY_PHASE_COUNT };

struct ready {
	const struct team_vm *vm; /* borrowed */
	enum ready_phase phase;
	size_t run_index; /* the `run` line that is next or running */
	bool is_running; /* ready_command() was taken, its end is awaited */
	nsec_t deadline, next_ns;
	char *why; /* READY_FAILED: owned */
	char *last_check; /* what the command of READY_CHECK or READY_TCP said last; owned */
	char *tcp_line; /* of READY_TCP; owned */
	struct ready_console *console; /* NULL: nothing is to be said; owned */
};

/* A machine starts at @now: all is awaited anew. @vm: borrowed, outlives @r, which is zeroed or was started
 * before. */
void ready_start(struct ready *r, const struct team_vm *vm, nsec_t now);
/* Frees what it owns. */
void ready_done(struct ready *r);

/* The guest's agent answers. Nothing is done when that is not awaited. */
void ready_agent_answers(struct ready *r, nsec_t now);
/* The shell line to run now, or NULL. It counts as running from then on. */
const char *ready_command(struct ready *r, nsec_t now);
/* The line that ready_command() gave has ended. @result: borrowed. */
void ready_exec_ended(struct ready *r, nsec_t now, const struct exec_result *result);
/* The console said @len bytes more. They come from the guest. */
void ready_console_output(struct ready *r, const char *data, size_t len, nsec_t now);
/* The console and the timeout are looked at. */
void ready_tick(struct ready *r, nsec_t now);
/* When it wants ready_tick() and ready_command() again. */
nsec_t ready_due(const struct ready *r);

/* What it waits for, for people: "run line 2 of 3: nft -f ...". Caller frees. */
char *ready_waits_for(const struct ready *r);

#endif
